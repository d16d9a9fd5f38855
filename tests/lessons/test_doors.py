"""Doors that others left open: money from nowhere, lists without an end, reading that writes, secrets in images."""

import re
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection

from customers.models import Customer
from ledger.selectors import coverage, legs_of
from tests.api.doors import World, new_world, send
from tests.api.matrix import MATRIX
from tests.api.test_mass_assignment import everything_stored
from tests.books import assert_books_balance, fund, key, posted
from tests.factories import new_wallet
from tests.standing import standing
from transactions.models import Kind, State, Transaction
from transactions.movements import Movement, Settlement
from transactions.posting import post_one
from wallets.parties import Address

ROOT = Path(__file__).parents[2]
WRITING = [door for door in MATRIX if not door.startswith("GET ")]
READING = [door for door in MATRIX if door.startswith("GET v1/")]
LISTS = [
    "GET v1/wallets", "GET v1/me/sessions", "GET v1/me/accesses", "GET v1/notifications", "GET v1/recalls",
    "GET v1/wallets/<uuid:wallet_id>/transactions", "GET v1/wallets/<uuid:wallet_id>/merchant-statement",
    "GET v1/wallets/<uuid:wallet_id>/statement", "GET v1/wallets/<uuid:wallet_id>/statements",
    "GET v1/wallets/<uuid:wallet_id>/statements/<int:number>", "GET v1/fx/rates", "GET v1/holds", "GET v1/payments",
    "GET v1/payment-requests", "GET v1/payment-requests/<slug:code>/payments", "GET v1/payouts",
    "GET v1/payouts/<uuid:payout_id>/items", "GET v1/payouts/approvers", "GET v1/standing-orders",
    "GET v1/standing-orders/<uuid:order_id>/runs",
]  # fmt: skip
pytestmark = pytest.mark.django_db
THROUGH_THE_POSTER = pytest.mark.usefixtures("posts_within")


@pytest.fixture(autouse=True)
def _patience(settings) -> None:
    settings.THROTTLE_BURST = 100_000


@standing
def world() -> World:
    return new_world()


# --- Money comes in through a rail, or not at all -------------------------------------------------------------------
EXCHANGES = "POST v1/fx/convert"  # what leaves in one currency arrives in another; ours are the positions between


def owed_to_customers() -> dict[str, int]:
    return {row.currency: row.wallets for row in coverage() if row.wallets}


def exchanged() -> dict[str, int]:
    """By currency, what customers gave up and what they were given, by the conversions themselves."""
    change: Counter[str] = Counter()
    for one in Transaction.objects.filter(kind=Kind.CONVERSION, state=State.COMPLETED):
        change[one.currency] -= one.amount + one.fee
        change[one.received_currency] += one.received
    return dict(change)


@THROUGH_THE_POSTER
@pytest.mark.parametrize("door", WRITING)
def test_no_door_for_customers_makes_money(door, world):
    owed = owed_to_customers()

    for asking in (world.aline, world.mallory):
        for whose in (world.aline, world.mallory):
            send(door, MATRIX[door].ask(whose.mine, world), asking.token)

    changed = exchanged() if door == EXCHANGES else {}
    assert bool(changed) == (door == EXCHANGES)
    assert owed_to_customers() == {code: owed.get(code, 0) + changed.get(code, 0) for code in owed | changed}
    assert_books_balance()


def test_what_comes_in_is_owed_only_when_a_rail_holds_it():
    wallet = new_wallet()
    promised = post_one(
        Movement(
            kind=Kind.TOP_UP, amount=5_000, currency="KES", caller=f"customer:{wallet.customer_id}", key=key(),
            payee=Address("wallet", str(wallet.pk)), owner=wallet.customer_id, rail="sandbox",
        )
    ).or_raise()  # fmt: skip

    assert (promised.state, posted(wallet)) == (State.PENDING, 0)
    post_one(Settlement(transaction=promised.transaction, to=State.COMPLETED, actor="rail:sandbox")).or_raise()

    assert posted(wallet) == 5_000
    assert [(leg.code, leg.side, leg.amount) for leg in legs_of(promised.transaction)] == [
        ("asset:rail:sandbox:KES", 1, 5_000), (f"liability:wallet:{wallet.pk}", -1, 5_000),
    ]  # fmt: skip
    assert_books_balance()


@THROUGH_THE_POSTER
def test_nothing_is_granted_by_itself(world):
    """What a customer asks for waits for whoever can know: no door completes a top-up, none raises a tier."""
    for door in sorted(WRITING, key=lambda door: "auth/" in door):  # signing out comes last
        send(door, MATRIX[door].ask(world.aline.mine, world), world.aline.token)

    mine = Transaction.objects.filter(payee=world.aline.mine.wallet, caller=world.aline.customer.principal)
    asked = mine.get(kind=Kind.TOP_UP)
    assert asked.state == State.PENDING
    assert not mine.exclude(pk=asked.pk).exclude(payer=None).filter(payer__customer=world.aline.customer).exists()
    assert Customer.objects.get(pk=world.aline.customer.pk).tier == world.aline.customer.tier


def test_nothing_in_the_product_is_a_stand_in():
    """Neither code that is to be written one day nor answers that somebody made up."""
    apps = [
        "core", "staff", "notes", "customers", "ledger", "wallets", "transactions", "recalls", "notifications",
        "reports", "evidence", "tekana",
    ]  # fmt: skip
    stand_in = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError|stub|unittest\.mock)\b|\bfrom tests\b")

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for app in apps
        for path in (ROOT / app).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if stand_in.search(line)
    ]

    assert found == []


# --- Lists end ------------------------------------------------------------------------------------------------------
def test_every_list_is_known_here(world):
    lists = []
    for door in READING:
        answer = send(door, MATRIX[door].ask(world.aline.mine, world), world.aline.token)
        is_json = answer["Content-Type"] == "application/json"
        lists += [door] if is_json and "next" in answer.json() else []

    assert sorted(lists) == sorted(LISTS)


@pytest.mark.parametrize("door", LISTS)
@pytest.mark.parametrize("limit", ["-1", "0", "many", "1.5", ""])
def test_a_limit_that_makes_no_sense_is_refused(door, limit, world):
    ask = MATRIX[door].ask(world.aline.mine, world)

    answer = send(door, ask._replace(query=ask.query | {"limit": limit}), world.aline.token)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]


def test_no_page_is_longer_than_two_hundred_and_none_is_skipped_by_counting(world):
    wallet = world.aline.customer.wallets.get(pk=world.aline.mine.wallet)
    for _ in range(210):
        fund(wallet, 1)
    door = "GET v1/wallets/<uuid:wallet_id>/transactions"
    ask = MATRIX[door].ask(world.aline.mine, world)

    page = send(door, ask._replace(query={"limit": "1000000"}), world.aline.token).json()
    counted = send(door, ask._replace(query={"offset": "10"}), world.aline.token)

    assert len(page["data"]) == 200
    assert page["next"]
    assert (counted.status_code, counted.json()["code"]) == (400, "validation_failed")


# --- Reading does not write -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("door", READING)
def test_reading_changes_nothing(door, world):
    ask = MATRIX[door].ask(world.aline.mine, world)
    before = everything_stored()

    answer = send(door, ask, world.aline.token)

    assert answer.status_code == 200
    assert everything_stored() == before


# --- What a status says ---------------------------------------------------------------------------------------------
@THROUGH_THE_POSTER
@pytest.mark.parametrize("door", [door for door in MATRIX if " v1/" in door and "rails/" not in door])
def test_the_status_of_a_problem_is_the_status_of_its_answer(door, world):
    asks = [MATRIX[door].ask(world.mallory.mine, world), MATRIX[door].ask(world.aline.mine, world)]
    answers = [send(door, ask, token) for ask in asks for token in (None, "no.good.token", world.mallory.token)]

    problems = [answer for answer in answers if answer.status_code >= 400]
    for answer in problems:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == answer.status_code
    told = [
        answer.json()
        for answer in answers
        if answer.status_code < 300 and answer.content and answer["Content-Type"] == "application/json"
    ]
    assert all("status" not in one or not isinstance(one["status"], int) for one in told)


# --- Secrets --------------------------------------------------------------------------------------------------------
def test_an_image_is_made_of_what_is_named_and_holds_no_secret():
    lines = (ROOT / ".dockerignore").read_text().split()

    assert lines[0] == "*"
    assert not [line for line in lines if line.startswith("!") and (".env" in line or "var" in line)]
    assert "COPY . ." in (ROOT / "Dockerfile").read_text()


def test_no_migration_and_no_setting_lets_anybody_in():
    """Neither staff nor customers come with the schema; logins of the demo are random and its own."""
    with connection.cursor() as cursor:
        for table in ("staff_user", "customers_customer", "customers_session"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)
    for path in [*ROOT.glob("*/migrations/*"), ROOT / "docker-compose.yml", ROOT / ".env.example"]:
        if path.is_file():
            assert not re.search(r"(?i)argon2\$|password\s*=\s*['\"]\w|create_user", path.read_text("utf-8")), path
