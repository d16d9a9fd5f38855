"""Statements by the clock: once for each wallet and period, one after the other, in the mailbox and in the register."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.db.utils import Error

from core.models import AuditRecord, FailedJob
from core.roles import connected_as_owner
from customers.models import Customer
from notifications.models import Notification
from notifications.services import deliver_due
from statements import selectors, services
from statements.errors import StatementFormatNotOffered
from statements.models import Every, Statement, StatementSettings
from statements.periods import Days, first_day, following, last_day
from statements.selectors import digest, figures, is_proven
from statements.services import choose, make_due, period_statement
from tekana.demo_clock import Clock
from tests.books import assert_books_balance
from tests.factories import fresh
from tests.fakes.rail_work import in_threads
from tests.statements.conftest import Lived, at, live_february, live_march, open_world
from tests.statements.test_statement import body_of, rows_of
from wallets.errors import WalletClosed
from wallets.models import Wallet


def want(
    wallet: Wallet, every: str = Every.MONTHLY, file_format: str = "pdf", language: str = "en"
) -> StatementSettings:
    return choose(wallet, every=every, file_format=file_format, language=language, actor=wallet.customer)


def numbers(wallet: Wallet) -> list[tuple[int, str, str]]:
    return [(one.number, str(one.from_day), str(one.to_day)) for one in wallet.statements.order_by("number")]


@pytest.mark.parametrize(
    ("every", "day", "first", "last"),
    [
        ("daily", "2026-03-04", "2026-03-04", "2026-03-04"),
        ("weekly", "2026-03-04", "2026-03-02", "2026-03-08"),
        ("weekly", "2026-03-02", "2026-03-02", "2026-03-08"),
        ("weekly", "2026-03-08", "2026-03-02", "2026-03-08"),
        ("monthly", "2026-02-28", "2026-02-01", "2026-02-28"),
        ("monthly", "2024-02-10", "2024-02-01", "2024-02-29"),
        ("monthly", "2026-12-31", "2026-12-01", "2026-12-31"),
    ],
)
def test_periods(every: str, day: str, first: str, last: str) -> None:
    on = date.fromisoformat(day)
    assert (str(first_day(every, on)), str(last_day(every, on))) == (first, last)


@pytest.mark.parametrize(
    ("every", "since", "first", "last"),
    [
        ("monthly", "2026-03-01", "2026-03-01", "2026-03-31"),
        ("daily", "2026-03-10", "2026-03-10", "2026-03-10"),
        ("daily", "2026-03-10", "2026-03-11", "2026-03-11"),
        ("daily", "2026-03-10", "2026-03-01", "2026-03-10"),  # monthly before
        ("monthly", "2026-03-01", "2026-03-10", "2026-03-31"),  # daily before
        ("monthly", "2026-06-01", "2026-02-01", "2026-06-30"),  # none for months
        ("weekly", "2026-03-02", "2026-04-01", "2026-04-05"),
    ],
)
def test_where_the_next_statement_ends(every: str, since: str, first: str, last: str) -> None:
    days = following(every, date.fromisoformat(since), date.fromisoformat(first), "Africa/Nairobi")
    assert (str(days.first), str(days.last)) == (first, last)


def test_days_where_clocks_change_are_as_long_as_they_are() -> None:
    spring = Days(date(2026, 3, 29), date(2026, 3, 29), "Europe/Paris")
    assert spring.end.astimezone(UTC) - spring.start.astimezone(UTC) == timedelta(hours=23)


def test_a_month_is_stated_once_and_mailed_in_the_language_of_the_customer(clock: Clock) -> None:
    world = open_world()
    want(world.shop, language="fr")
    want(world.john, file_format="csv", language="sw")
    live_february(world, clock)
    clock.set(at(28, 21, 9))  # nine minutes past midnight in Nairobi
    assert make_due() == 0
    live_march(world, clock)
    clock.set(at(10, 13, month=3))

    assert make_due() == 2 and make_due() == 0
    deliver_due()

    shops, johns = (Statement.objects.get(wallet=wallet) for wallet in (world.shop, world.john))
    assert (shops.number, str(shops.from_day), str(shops.to_day)) == (1, "2026-02-01", "2026-02-28")
    assert (shops.opening, shops.closing, shops.debit_count + shops.credit_count) == (0, 21_891_05, 7)
    assert is_proven(shops) and is_proven(johns)
    letters = {letter.to[0]: letter for letter in mail.outbox}
    (name, content, media_type), = letters[world.shop.customer.email].attachments  # fmt: skip
    assert (name, media_type) == ("tekana-statement-1-kes-2026-02-01-2026-02-28.pdf", "application/pdf")
    assert content.startswith(b"%PDF")
    letter = letters[world.shop.customer.email]
    assert letter.subject == "Relevé 1 de votre portefeuille KES" and "solde final KES 21 891,05" in letter.body
    (name, content, media_type), = letters[world.john.customer.email].attachments  # fmt: skip
    assert (name[-4:], media_type) == (".csv", "text/csv") and "closing" in content
    assert "salio la mwisho" in letters[world.john.customer.email].body
    assert Notification.objects.filter(kind="statement_ready").count() == 2
    assert_books_balance()


def test_one_begins_where_the_one_before_ended_whatever_is_chosen_in_between(clock: Clock) -> None:
    world = open_world()
    shop = world.shop
    want(shop)
    live_february(world, clock)
    live_march(world, clock)
    want(shop, Every.DAILY)  # on 10 March, February is not stated yet: the first daily one covers it all
    clock.set(at(12, 22, month=3))  # the 13th in Nairobi
    assert make_due() == 3
    want(shop, Every.NONE)
    assert fresh(StatementSettings(pk=shop.pk)).due_at is None
    clock.set(at(20, 9, month=4))
    assert make_due() == 0
    want(shop, Every.WEEKLY)
    clock.set(at(11, 9, month=5))
    assert make_due() == 3

    assert numbers(shop) == [
        (1, "2026-02-01", "2026-03-10"), (2, "2026-03-11", "2026-03-11"), (3, "2026-03-12", "2026-03-12"),
        (4, "2026-03-13", "2026-04-26"), (5, "2026-04-27", "2026-05-03"), (6, "2026-05-04", "2026-05-10"),
    ]  # fmt: skip
    made = list(shop.statements.order_by("number"))
    for before, after in pairwise(made):
        assert (before.closing, before.seq_last) == (after.opening, after.seq_before)
    assert all(map(is_proven, made))
    acts = AuditRecord.objects.filter(action="choose_statements").order_by("id")
    assert [act.after["every"] for act in acts] == ["monthly", "daily", "none", "weekly"]


@pytest.mark.parametrize(
    ("chosen", "first", "last"),
    [
        (["weekly", "monthly"], "2026-02-01", "2026-02-28"), (["weekly", "daily"], "2026-02-25", "2026-02-25"),
        (["monthly", "daily", "weekly"], "2026-02-23", "2026-03-01"),
    ],
)  # fmt: skip
def test_the_first_covers_the_whole_period_of_the_last_choice(
    clock: Clock, chosen: list[str], first: str, last: str
) -> None:
    shop = open_world().shop
    for every in chosen:
        want(shop, every)
    clock.set(at(2, 9, month=3))
    make_due()

    assert numbers(shop)[0] == (1, first, last)


def test_who_is_no_business_any_more_gets_pdf_and_can_stop_it(clock: Clock) -> None:
    world = open_world()
    shop = world.shop
    want(shop, Every.DAILY, "mt940")
    clock.set(at(26, 9))
    assert make_due() == 1  # and its e-mail has not left yet
    Customer.objects.filter(pk=shop.customer_id).update(account_type="individual")
    clock.set(at(27, 9))
    assert make_due() == 1
    deliver_due()

    names = [name for letter in mail.outbox for name, *_ in letter.attachments]
    assert [name.rpartition(".")[2] for name in names] == ["pdf", "pdf"]
    assert [one.format for one in shop.statements.order_by("number")] == ["mt940", "pdf"]
    StatementSettings.objects.update(format="camt053")
    person = fresh(shop)
    assert services.settings_of(person).format == "pdf"
    with pytest.raises(StatementFormatNotOffered):
        want(person, Every.WEEKLY, "mt940")
    want(person, Every.NONE, "mt940")
    kept = fresh(StatementSettings(pk=shop.pk))
    assert (kept.every, kept.format, kept.due_at) == ("none", "pdf", None)


def test_workers_side_by_side_make_each_once(clock: Clock) -> None:
    world = open_world()
    for wallet in (world.shop, world.john):
        want(wallet, Every.DAILY)
        StatementSettings.objects.filter(pk=wallet.pk).update(
            begins=date(2026, 2, 20), since=date(2026, 2, 20), due_at=at(21, 0)
        )
    rows = services.claim()
    assert services.claim() == []  # taken, for a while

    made: list[bool] = []
    in_threads(4, lambda: made.extend([services.attempt(row) for row in rows]))

    assert sorted(made) == [False] * 6 + [True] * 2
    assert [numbers(wallet) for wallet in (world.shop, world.john)] == [[(1, "2026-02-20", "2026-02-20")]] * 2


def test_what_breaks_down_holds_up_no_other_and_waits_for_a_person(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = open_world()
    for wallet in (world.shop, world.john):
        want(wallet, Every.DAILY)
    clock.set(at(25, 22))
    keep = services.keep

    def broken(wallet: Wallet, *args: Any) -> Statement:
        if wallet.pk == world.shop.pk:
            raise RuntimeError("a bug")
        return keep(wallet, *args)

    with monkeypatch.context() as patch:
        patch.setattr(services, "keep", broken)
        made = 0
        for _ in range(4):
            made += make_due()
            clock.set(clock.now + timedelta(minutes=20))
    assert made == 1 and [len(numbers(wallet)) for wallet in (world.shop, world.john)] == [0, 1]
    job = FailedJob.objects.get(kind="statement")
    assert (job.subject_id, job.error, period_statement.now(job)) == (
        str(world.shop.pk),
        "RuntimeError",
        "daily, stopped",
    )

    with transaction.atomic():
        period_statement.retry(job)

    assert make_due() == 1 and numbers(world.shop) == [(1, "2026-02-25", "2026-02-25")]


def test_a_closed_wallet_has_one_last_statement(clock: Clock) -> None:
    world = open_world()
    want(world.shop, Every.WEEKLY)
    Wallet.objects.filter(pk=world.shop.pk).update(closed_at=at(25, 9))
    clock.set(at(20, 9, month=3))

    assert make_due() == 1 and make_due() == 0

    assert fresh(StatementSettings(pk=world.shop.pk)).every == Every.NONE
    with pytest.raises(WalletClosed):
        want(fresh(world.shop), Every.DAILY)
    with pytest.raises(StatementFormatNotOffered):
        want(world.john, file_format="mt940")


def test_a_long_one_is_not_mailed_but_told_of(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST_MAILED", 6)
    world = open_world()
    want(world.shop)
    live_february(world, clock)
    clock.set(at(1, 9, month=3))
    assert make_due() == 1

    deliver_due()

    (letter,) = (one for one in mail.outbox if one.to == [world.shop.customer.email] and "Statement" in one.subject)
    assert letter.attachments == [] and "too many movements for an e-mail" in letter.body


# --- The register ----------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(world: Lived, clock: Clock) -> Statement:
    """February, made in the middle of March; and the two days after it."""
    StatementSettings.objects.create(
        wallet=world.shop, every=Every.MONTHLY, begins=date(2026, 2, 1), since=date(2026, 2, 1), due_at=at(28, 21, 10)
    )
    make_due()
    StatementSettings.objects.update(every=Every.DAILY, since=date(2026, 3, 2), due_at=at(3, 1, month=3))
    make_due()
    assert [number for number, *_ in numbers(world.shop)] == list(range(1, 15))
    return Statement.objects.get(wallet=world.shop, number=1)


def test_kept_statements_are_fetched_again_as_they_were(ask: Any, kept: Statement, world: Lived) -> None:
    listed = ask("statements?limit=10").json()
    rest = ask(f"statements?limit=10&cursor={listed['next']}").json()
    assert [one["number"] for one in [*listed["data"], *rest["data"]]] == list(range(14, 0, -1))
    assert rest["next"] is None

    again, on_demand = ask("statements/1").json(), ask("statement?from=2026-02-01&to=2026-02-28").json()

    assert rest["data"][-1].items() <= again.items()
    assert (again["number"], again["sha256"], again["is_final"]) == (1, kept.sha256, True)
    assert (again["data"], again["closing_balance"]) == (on_demand["data"], on_demand["closing_balance"])
    assert rows_of(ask("statements/1?format=csv")) == rows_of(ask("statement?from=2026-02-01&to=2026-02-28&format=csv"))
    before = body_of(ask("statements/1?format=camt053"))
    Customer.objects.filter(pk=world.shop.customer_id).update(email="other@example.com")
    assert body_of(ask("statements/1?format=camt053")) == before
    assert b":28C:1\r\n" in body_of(ask("statements/1?format=mt940"))
    for number in (99, 10**12):
        missing = ask(f"statements/{number}")
        assert (missing.status_code, missing.json()["code"]) == (404, "statement_not_found")
    assert ask("statements/1", world.john).json()["code"] == "wallet_not_found"


def test_the_checksum_can_be_computed_from_what_the_customer_has(ask: Any, kept: Statement, world: Lived) -> None:
    """As docs/customer-api.md says."""

    def minor(text: str) -> str:
        return text.replace(".", "").lstrip("0") or "0"

    found = ask("statements/1").json()
    head = [found["wallet_id"], found["number"], found["from"], found["to"], found["timezone"], found["currency"]]
    rows = [[*head, minor(found["opening_balance"]), minor(found["closing_balance"]), ""]]
    for line in found["data"]:
        way = "debit" if line["direction"] == "out" else "credit"
        balance = minor(line["balance_after"])
        rows.append([line["number"], line["timestamp"], line["transaction_id"], way, minor(line["amount"]), balance])

    written = "".join("|".join(map(str, row)) + "\n" for row in rows)
    assert hashlib.sha256(written.encode()).hexdigest() == found["sha256"]


def test_nobody_forges_a_statement(kept: Statement, world: Lived) -> None:
    last = Statement.objects.get(wallet=world.shop, number=14)
    fields = {field.attname: getattr(last, field.attname) for field in Statement._meta.fields if field.attname != "id"}
    fields |= {
        "number": 15, "from_day": date(2026, 3, 15), "to_day": date(2026, 3, 15), "starts_at": last.ends_at,
        "ends_at": last.ends_at + timedelta(days=1), "opening": last.closing, "seq_before": last.seq_last,
        "debits": 0, "credits": 0, "debit_count": 0, "credit_count": 0,
    }  # fmt: skip
    forged = {
        "TK061": [{"number": 16}, {"opening": 1, "closing": 1}, {"from_day": date(2026, 3, 14)}],
        "TK060": [
            {"debits": 5, "credits": 5}, {"closing": last.closing + 5, "credits": 5},
            {"seq_last": last.seq_last + 1, "credit_count": 1}, {"currency": "USD"},
        ],
        "23514": [{"closing": last.closing + 5}, {"to_day": date(2026, 3, 1)}],
        "23505": [{"number": 14, "from_day": last.from_day, "to_day": date(2026, 3, 16)}],
    }  # fmt: skip
    for code, attempts in forged.items():
        for wrong in attempts:
            with pytest.raises(Error) as refused, transaction.atomic():
                Statement.objects.create(**fields | wrong)
            assert refused.value.__cause__.sqlstate == code or code == "23505", (wrong, refused.value)  # type: ignore
    with pytest.raises(Error), transaction.atomic():
        Statement.objects.update(closing=0)
    with connected_as_owner(), pytest.raises(Error), transaction.atomic():
        Statement.objects.all().delete()
    Statement.objects.create(**fields)  # as it should be


def test_a_proof_sees_what_was_changed(kept: Statement, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_proven(kept)
    for wrong in ({"sha256": "0" * 64}, {"closing": kept.closing + 1}, {"number": 2}, {"opening": 1}):
        forged = fresh(kept)
        for name, value in wrong.items():
            setattr(forged, name, value)
        assert not is_proven(forged), wrong
    again = figures(kept.wallet, Days(kept.from_day, kept.to_day, kept.timezone))
    assert digest(kept.wallet, 1, again, "") == kept.sha256 != digest(kept.wallet, 1, again, "x")
    with monkeypatch.context() as patch:
        patch.setattr(selectors, "figures", lambda *_: again._replace(fees=again.fees + 1))
        assert not is_proven(kept)


# --- Settings --------------------------------------------------------------------------------------------------------


def test_a_customer_chooses_by_api(ask: Any, world: Lived) -> None:
    nothing = {"every": "none", "format": "pdf", "language": "en", "next_at": None}
    assert ask("statement-settings").json() == nothing and not StatementSettings.objects.exists()

    chosen = ask("statement-settings", put={"every": "monthly", "format": "camt053", "language": "rw"})

    assert chosen.json() == {
        "every": "monthly", "format": "camt053", "language": "rw", "next_at": "2026-03-31T21:10:00Z",
    } == ask("statement-settings").json()  # fmt: skip
    assert ask("statement-settings", put={"every": "monthly"}).json() == chosen.json()
    assert AuditRecord.objects.filter(action="choose_statements").count() == 1  # the same again is no act
    weekly = ask("statement-settings", put={"every": "weekly"}).json()
    assert (weekly["next_at"], weekly["format"]) == ("2026-03-15T21:10:00Z", "camt053")
    Customer.objects.filter(pk=world.shop.customer_id).update(account_type="individual")
    assert ask("statement-settings").json()["format"] == "pdf"
    assert ask("statement-settings", put={"every": "daily"}).json()["format"] == "pdf"
    for put in ({"every": "none", "format": "mt940"}, {"every": "weekly"}):
        assert ask("statement-settings", put=put).json()["format"] == "pdf"
    for wrong in ({}, {"every": "hourly"}, {"every": "daily", "format": "json"}, {"every": "daily", "to": "me"}):
        assert ask("statement-settings", put=wrong).status_code == 400
    assert ask("statement-settings", world.john, put={"every": "daily"}).status_code == 404
    assert datetime.now(UTC) > fresh(StatementSettings(pk=world.shop.pk)).due_at
