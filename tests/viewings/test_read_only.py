"""Nothing is written in the name of a customer who is viewed: each way to write is attacked, each guard alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.handlers.wsgi import WSGIRequest
from django.db import DatabaseError, connection
from django.db import transaction as db_transaction
from django.test import Client
from django.urls import resolve, reverse
from rest_framework.request import Request

from core import valkey
from core.throttling import take
from customers import authentication
from customers.models import Customer, Session
from customers.permissions import LiveSession
from notifications.models import Notification
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.api.doors import Mine, new_world, send
from tests.api.doors import World as Doors
from tests.api.matrix import MATRIX
from tests.books import assert_books_balance
from tests.standing import standing
from tests.viewings.conftest import begin, page, pages_about
from viewings.asking import SHOWN, ask, read_only, request_of
from viewings.models import Viewing

pytestmark = pytest.mark.django_db
UNSAFE = [door for door in MATRIX if not door.startswith("GET ")]
KNOWN = [door for door in UNSAFE if not MATRIX[door].public]
# What stops those that the database need not stop.
OTHERWISE = {
    "POST v1/transfers": "session_ended",
    "POST v1/wallets/<uuid:wallet_id>/deposit": "session_ended",
    "POST v1/wallets/<uuid:wallet_id>/withdraw": "session_ended",
    "POST v1/transfers/preview": "session_ended",
    "POST v1/wallets/<uuid:wallet_id>/deposit/preview": "session_ended",
    "POST v1/wallets/<uuid:wallet_id>/withdraw/preview": "session_ended",
    "POST v1/fx/quotes": "session_ended",
    "POST v1/fx/convert": "session_ended",
    "POST v1/holds": "session_ended",
    "POST v1/holds/preview": "session_ended",
    "POST v1/holds/<uuid:hold_id>/capture": "session_ended",
    "POST v1/payments": "session_ended",
    "POST v1/payments/preview": "session_ended",
    "POST v1/payment-requests/<slug:code>/pay": "session_ended",
    "POST v1/payouts/approvers": "not_a_business",
    "POST v1/standing-orders/preview": "done",  # dates, counted in memory
    "POST v1/rails/<slug:rail>/callbacks": "invalid_signature",
}
# What is written about staff: that they looked, and their session.
OUR_OWN = {"core.AuditRecord", "staff.Session"}


@standing
def doors() -> Doors:
    return new_world()


@pytest.fixture
def grace() -> Client:
    return client_of(member(Role.SUPPORT, "grace"))


@pytest.fixture
def viewing(grace: Client, doors: Doors) -> Viewing:
    return begin(grace, doors.aline.customer)


def everything() -> dict[str, list[Any]]:
    """Each row of each table, but what is written about staff, and accounts of the house in which nothing is yet: they
    are opened before a movement is decided on."""
    tables = [m for m in apps.get_models() if m._meta.managed and m._meta.label not in OUR_OWN]
    found = {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in tables}
    found["ledger.Account"] = [
        row for row in found["ledger.Account"] if row["seq"] or row["code"].startswith("liability:wallet:")
    ]
    return found


class Inside(Client):
    """Puts the request that the customer's app would make to the API in the name of a view, as a bug of ours would."""

    def __init__(self, viewing: Viewing) -> None:
        super().__init__()
        self.viewing = viewing

    def request(self, **environ: Any) -> Any:
        request = WSGIRequest(self._base_environ(**environ))
        request.viewed_as = request_of(self.viewing, "GET").viewed_as  # type: ignore[attr-defined]
        found = resolve(request.path_info)
        with read_only():
            return found.func(request, *found.args, **found.kwargs)


def attack(door: str, viewing: Viewing, doors: Doors, caplog: pytest.LogCaptureFixture) -> str:
    """The code of the answer; of our own error what PostgreSQL said."""
    caplog.clear()
    try:
        answer = send(door, MATRIX[door].ask(doors.aline.mine, doors), client=Inside(viewing))
    except DatabaseError as refused:
        return str(refused).splitlines()[0]
    if answer.status_code < 400:
        return "done"
    code = json.loads(answer.content)["code"]
    causes = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    return causes[0].splitlines()[0] if code == "internal_error" and causes else code


@pytest.mark.parametrize("door", KNOWN)
def test_the_api_refuses_every_unsafe_door(
    door: str, viewing: Viewing, doors: Doors, caplog: pytest.LogCaptureFixture
) -> None:
    before = everything()

    assert attack(door, viewing, doors, caplog) == "view_is_read_only"
    assert everything() == before
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("door", UNSAFE)
def test_and_where_it_did_not_nothing_could_be_written(
    door: str, viewing: Viewing, doors: Doors, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The guard of the API taken away: the transaction refuses what the request writes, and posting, which has a
    connection of its own, refuses who has no session. Doors for strangers never had the guard."""
    monkeypatch.setattr(authentication, "SAFE_METHODS", ("GET", "POST", "PUT", "PATCH", "DELETE"))
    before = everything()

    said = attack(door, viewing, doors, caplog)

    assert said == OTHERWISE[door] if door in OTHERWISE else "in a read-only transaction" in said
    assert everything() == before
    assert_books_balance()


WRITES: dict[str, Callable[[Doors], Any]] = {
    "raw SQL": lambda doors: connection.cursor().execute("UPDATE customers_customer SET tier = 3"),
    "a function of SQL": lambda doors: connection.cursor().execute(
        "DO $$ BEGIN DELETE FROM notifications_notification; END $$"
    ),
    "the driver itself": lambda doors: connection.connection.execute("DELETE FROM customers_session"),
    "the ORM": lambda doors: Customer.objects.filter(pk=doors.aline.customer.pk).update(full_name="Mallory"),
    "a row of ours": lambda doors: Session.objects.create(customer=doors.aline.customer),
    "a lock": lambda doors: list(Customer.objects.select_for_update().filter(pk=doors.aline.customer.pk)),
    "a table": lambda doors: connection.cursor().execute("CREATE TABLE loot (id int)"),
    "a number": lambda doors: connection.cursor().execute("SELECT nextval('notifications_delivery_id_seq')"),
    "turning it off": lambda doors: connection.cursor().execute("SET TRANSACTION READ WRITE"),
}


@pytest.mark.parametrize("way", WRITES)
def test_the_transaction_refuses_every_write(way: str, doors: Doors) -> None:
    before = everything()

    def inside() -> None:
        with read_only():
            connection.cursor().execute("SELECT count(*) FROM customers_customer")
            WRITES[way](doors)

    with pytest.raises(Exception, match=r"read-only transaction|read-write mode"):
        inside()

    assert everything() == before
    Customer.objects.filter(pk=doors.aline.customer.pk).update(full_name="Aline M.")  # and afterwards it is over
    assert Customer.objects.get(pk=doors.aline.customer.pk).full_name == "Aline M."


def test_inside_another_transaction_its_own_writes_stay(doors: Doors) -> None:
    with db_transaction.atomic():
        Customer.objects.filter(pk=doors.aline.customer.pk).update(tier=1)
        with pytest.raises(DatabaseError, match="read-only"), read_only():
            Customer.objects.filter(pk=doors.aline.customer.pk).update(tier=3)
        Customer.objects.filter(pk=doors.aline.customer.pk).update(full_name="Aline M.")

    found = Customer.objects.get(pk=doors.aline.customer.pk)
    assert (found.tier, found.full_name) == (1, "Aline M.")


def test_without_the_guard_the_same_write_passes(doors: Doors) -> None:
    """The control: it is not for another reason that the attacks fail."""
    WRITES["raw SQL"](doors)

    assert Customer.objects.get(pk=doors.aline.customer.pk).tier == 3


def pages_to(viewing: Viewing, mine: Mine) -> list[str]:
    found = pages_about(
        viewing, wallet=mine.wallet, transaction=mine.transaction, asked=mine.asked, order=mine.standing_order,
        hold=mine.hold, payout=mine.payout, quote=mine.quote,
    )  # fmt: skip
    return list(found.values())


def test_what_is_somebody_elses_is_nothing(grace: Client, viewing: Viewing, doors: Doors) -> None:
    """Each page with an id in its address, asked for Mallory's while Aline is viewed."""
    theirs = doors.mallory.mine

    asked = [url for url in pages_to(viewing, theirs) if url not in pages_to(viewing, doors.aline.mine)]

    assert len(asked) == 10
    for url in asked:
        answer = grace.get(url)
        assert answer.status_code == 404, url
        assert "Mallory" not in answer.text, url


def test_looking_changes_nothing(grace: Client, viewing: Viewing, doors: Doors, settings: Any) -> None:
    """Nothing is read, touched or counted for the customer, whatever is looked at."""
    settings.THROTTLE_RATE = 1  # a bucket that is full again is forgotten
    mine: Mine = doors.aline.mine
    before, throttle = everything(), bucket(doors.aline.customer.principal)

    for url in pages_to(viewing, mine):
        assert grace.get(url).status_code == 200, url

    assert everything() == before
    assert Notification.objects.get(pk=mine.notification).read_at is None
    assert bucket(doors.aline.customer.principal) == throttle
    assert bucket(viewing.agent.principal) is not None


def bucket(principal: str) -> Any:
    return valkey.client().get(valkey.key("throttle", principal))


def test_the_customer_is_still_served_when_an_agent_is_too_fast(
    grace: Client, viewing: Viewing, doors: Doors, settings: Any
) -> None:
    settings.THROTTLE_BURST, settings.THROTTLE_RATE = 3, 1
    while not take(viewing.agent.principal):
        pass

    assert grace.get(page("home", viewing)).status_code == 429
    assert send("GET v1/me", MATRIX["GET v1/me"].ask(doors.aline.mine, doors), doors.aline.token).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_a_crafted_request_reaches_nothing(grace: Client, viewing: Viewing, doors: Doors, method: str) -> None:
    mine, before = doors.aline.mine, everything()
    for url in pages_to(viewing, mine):
        assert getattr(grace, method)(url, {"amount": "1", "to": "x"}).status_code == 405
    below = reverse("admin:viewings_home", args=[viewing.pk])
    for path in ("transfers", f"wallets/{mine.wallet}/deposit", f"recalls/{mine.recall}/consent", "me/password"):
        assert getattr(grace, method)(f"{below}{path}/", {}).status_code in (404, 405)
    assert everything() == before


def test_a_view_is_no_credential(grace: Client, viewing: Viewing, doors: Doors) -> None:
    """Neither the cookie of staff nor the id of a view opens the API from outside."""
    for headers in (
        {}, {"Authorization": f"Bearer {viewing.pk}"}, {"Viewed-As": str(viewing.customer_id)},
        {"X-Viewed-As": str(viewing.pk)},
    ):  # fmt: skip
        assert grace.get("/v1/me", headers=headers).status_code == 401
    assert not Session.objects.filter(pk=viewing.pk).exists()


def test_only_reads_are_shown(viewing: Viewing) -> None:
    """What is shown has a GET, and the customer API alone is behind it."""
    for view in SHOWN.values():
        assert view().allowed_methods[0] == "GET" or "GET" in view().allowed_methods
        assert view.permission_classes == [LiveSession] or view.__name__ == "HistoryView"
    request = Request(request_of(viewing, "GET"))
    with pytest.raises(KeyError):
        ask(viewing, "transfers")
    assert request.method == "GET"


def test_staff_who_may_not_are_no_way_round(viewing: Viewing, doors: Doors) -> None:
    auditor: User = member(Role.AUDITOR, "otto")

    assert client_of(auditor).get(page("home", viewing)).status_code == 403
