"""Figures as of an instant: against a plain sum of all entries, before and after the days were added up."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.db.utils import Error
from django.test import Client
from django.urls import reverse

from core.money import grouped
from core.roles import connected_as_owner
from reports import balances, totals
from reports.admin.periods import query_of
from reports.balances import Basis, Period, account_ledger, balance_as_of, find_account, trial_balance
from reports.models import DayTotal, SummedDay
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tekana.demo_clock import clock_set_to
from tests.admin.conftest import client_of
from tests.books import assert_books_balance, fund, key, transfer
from tests.factories import new_wallet
from transactions.models import Kind
from transactions.movements import Movement
from transactions.posting import post_one
from wallets.models import Wallet
from wallets.parties import Address

pytestmark = pytest.mark.django_db(transaction=True)
DAYS = 4


def midnight(days_ago: int) -> datetime:
    return datetime.combine(datetime.now(UTC).date(), datetime.min.time(), UTC) - timedelta(days=days_ago)


def top_up(wallet: Wallet, amount: int, effective_at: datetime) -> None:
    """As a bank's file says it: recorded now, effective when the bank had it."""
    post_one(
        Movement(
            kind=Kind.TOP_UP, amount=amount, currency=wallet.currency, caller="job:file", key=key(),
            payee=Address("wallet", str(wallet.pk)), rail="sandbox", settled=True, effective_at=effective_at,
        )
    ).or_raise()  # fmt: skip


@pytest.fixture
def lived(transactional_db: None) -> list[Wallet]:
    """Four days of two currencies until this morning; each day brings something that belongs to the day before."""
    with clock_set_to(midnight(DAYS) + timedelta(hours=1)) as clock:
        kes = [new_wallet(full_name=name, tier=2) for name in ("Wanjiku Kamau", "John Otieno")]
        rwf = [new_wallet(full_name=name, country_id="RW", tier=2) for name in ("Aline Mukamana", "Eric Habimana")]
        for day in range(DAYS, -1, -1):
            clock.set(midnight(day) + timedelta(hours=2))
            fund(kes[0], 10_000_00 + day)
            fund(rwf[0], 50_000 + day)
            clock.set(midnight(day) + timedelta(hours=3))
            post_one(transfer(*kes, 70_00 + day)).or_raise()
            post_one(transfer(*rwf, 700 + day)).or_raise()
            top_up(kes[1], 5_00 + day, midnight(day + 1) + timedelta(hours=20))
            if day == 0:
                break
            clock.set(midnight(day - 1) - timedelta(seconds=1))  # the last second of the day
            post_one(transfer(kes[1], kes[0], 1_00)).or_raise()
    return [*kes, *rwf]


# What everything else is compared with: no totals, no running balances.
ALL = """
SELECT CASE WHEN starts_with(a.code, 'liability:wallet:') THEN 'liability:wallet' ELSE a.code END, e.currency,
       coalesce(sum(e.amount) FILTER (WHERE e.side = 1), 0)::bigint,
       coalesce(sum(e.amount) FILTER (WHERE e.side = -1), 0)::bigint
FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id JOIN ledger_journal j ON j.id = e.journal_id
WHERE {} GROUP BY 1, 2
"""


def added_up(period: Period) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """(line, currency): opening, debits, credits, closing."""
    found = []
    for at in (period.start, period.end):
        recorded = "e.recorded_at < %s AND j.effective_at < %s"
        params = [period.known, at] if period.by_effect else [at, datetime.max.replace(tzinfo=UTC)]
        with connection.cursor() as cursor:
            cursor.execute(ALL.format(recorded), params)
            found.append({row[:2]: row[2:] for row in cursor.fetchall()})
    before, until = found
    figures = {}
    for line in until:
        (d0, c0), (d1, c1) = before.get(line, (0, 0)), until[line]
        figures[line] = (d0 - c0, d1 - d0, c1 - c0, d1 - c1)
    return figures


def said(period: Period) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    return {
        (line.line, line.currency): (line.opening, line.debits, line.credits, line.closing)
        for section in trial_balance(period)
        for line in section.lines
    }


def instants() -> list[datetime]:
    """Ends of days, the middles of some, and the microseconds around entries."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT recorded_at FROM ledger_entry ORDER BY 1")
        recorded = [row[0].astimezone(UTC) for row in cursor.fetchall()]
    around = [at + timedelta(microseconds=shift) for at in recorded[::3] for shift in (0, 1)]
    return sorted({*[midnight(day) for day in range(DAYS + 1)], *around})


def periods() -> Iterator[Period]:
    points = instants()
    for start, end in [*pairwise(points), (points[0], points[-1]), (points[2], points[-3])]:
        yield Period(start, end)
        for known in (points[-1], points[len(points) // 2], midnight(1)):
            yield Period(start, end, Basis.EFFECTIVE, known)


def test_every_period_is_what_its_entries_come_to_however_many_days_were_added_up(lived: list[Wallet]) -> None:
    asked = list(periods())
    expected = [added_up(period) for period in asked]
    assert [said(period) for period in asked] == expected

    first = totals.sum_day(midnight(DAYS).date())
    assert first is not None and first.entries > 0
    assert [said(period) for period in asked] == expected
    summed = totals.sum_days()
    assert [one.day for one in summed] == [midnight(day).date() for day in range(DAYS - 1, 0, -1)]
    assert [said(period) for period in asked] == expected

    assert all(section.agrees for period in asked for section in trial_balance(period))
    assert list(totals.differences()) == []
    assert_books_balance()


def test_what_was_recorded_stays_the_same_and_what_is_effective_says_as_of_when(lived: list[Wallet]) -> None:
    yesterday, now = midnight(1), totals.utc_now()
    recorded, effective = Period(midnight(3), yesterday), Period(midnight(3), yesterday, Basis.EFFECTIVE, now)
    before = said(recorded), said(effective)

    top_up(lived[0], 123_45, midnight(2))
    totals.sum_days()

    assert (said(recorded), said(effective)) == before
    later = said(Period(midnight(3), yesterday, Basis.EFFECTIVE, totals.utc_now()))
    rail = ("asset:rail:sandbox:KES", "KES")
    assert later[rail][1] == before[1][rail][1] + 123_45


def test_the_ledger_of_an_account_goes_from_opening_to_closing_page_by_page(lived: list[Wallet]) -> None:
    totals.sum_days()
    for code in (f"liability:wallet:{lived[0].pk}", "asset:rail:sandbox:KES"):
        account = find_account(code)
        assert account is not None
        for period in [one for one in periods() if not one.by_effect]:
            ledger = account_ledger(account, period, limit=2)
            assert ledger.agrees
            balance, seen = ledger.opening, 0
            while True:
                for one in ledger.page:
                    assert period.start <= one.recorded_at < period.end
                    balance += account.normal_side * one.side * one.amount
                    assert one.balance_after == balance
                    seen += 1
                if ledger.after is None:
                    break
                ledger = account_ledger(account, period, after=ledger.after, limit=2)
            assert (balance, seen) == (ledger.closing, ledger.entries)
            assert ledger.opening == balance_as_of(account, period.start, known_at=period.end).posted


def test_a_balance_by_its_effective_time(lived: list[Wallet]) -> None:
    totals.sum_days()
    at, known = midnight(1), totals.utc_now()
    for code in (f"liability:wallet:{lived[1].pk}", "asset:rail:sandbox:KES"):
        account = find_account(code)
        assert account is not None

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(side * amount)::bigint FROM ledger_entry e JOIN ledger_journal j ON j.id = e.journal_id"
                " WHERE account_id = %s AND effective_at < %s",
                [account.id, at],
            )
            (signed,) = cursor.fetchone()
        asked = balance_as_of(account, at, basis=Basis.EFFECTIVE, known_at=known)
        assert asked.posted == account.normal_side * signed
        assert asked.posted != balance_as_of(account, at, known_at=known).posted


def test_accounts_of_a_line_come_to_the_line(lived: list[Wallet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balances, "ACCOUNTS_SHOWN", 1)
    now = totals.utc_now()
    for period in (Period(midnight(3), midnight(1)), Period(midnight(3), midnight(1), Basis.EFFECTIVE, now)):
        rows, after = [], 0
        while True:
            some, following = balances.accounts_of("liability:wallet", "KES", period, after=after)
            rows += some
            if following is None:
                break
            after = following
        assert [row.code for row in rows] == [f"liability:wallet:{wallet.pk}" for wallet in lived[:2]]
        opening, debits, credits, closing = added_up(period)["liability:wallet", "KES"]
        assert sum(row.opening for row in rows) == -opening and sum(row.closing for row in rows) == -closing
        assert (sum(row.debits for row in rows), sum(row.credits for row in rows)) == (debits, credits)


# --- Days -----------------------------------------------------------------------------------------------------------


def test_a_day_is_added_up_once_and_never_changed(lived: list[Wallet]) -> None:
    totals.sum_days()
    rows = list(DayTotal.objects.order_by("pk").values())

    assert totals.sum_days() == [] and totals.sum_days(again=True) == []

    assert list(DayTotal.objects.order_by("pk").values()) == rows
    assert sum(one.entries for one in SummedDay.objects.all()) == sum(row["entries"] for row in rows)
    for change in (DayTotal.objects.update, SummedDay.objects.update):
        with pytest.raises(Error):
            change(entries=0)
    with pytest.raises(Error):
        DayTotal.objects.all().delete()


def test_a_day_that_has_not_settled_waits(lived: list[Wallet], monkeypatch: pytest.MonkeyPatch) -> None:
    yesterday = midnight(1).date()
    monkeypatch.setattr(totals, "utc_now", lambda: midnight(0) + timedelta(minutes=9))
    assert yesterday not in [one.day for one in totals.sum_days()]

    monkeypatch.setattr(totals, "utc_now", lambda: midnight(0) + timedelta(minutes=10))
    assert [one.day for one in totals.sum_days()] == [yesterday]


@contextmanager
def as_owner(table: str) -> Iterator[Any]:
    """Who owns the table, with its guards off."""
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield cursor
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def test_totals_that_somebody_changed_are_found_and_shown(lived: list[Wallet], finance: Client) -> None:
    totals.sum_days()
    day = midnight(2).date()
    with as_owner("reports_daytotal") as cursor:
        cursor.execute(
            "UPDATE reports_daytotal SET debits = debits + 1 WHERE line = %s AND recorded_on = %s",
            ["asset:rail:sandbox:KES", day],
        )

    found = list(totals.differences())
    assert {(on, one.line, one.debits) for on, one in found} == {(day, "asset:rail:sandbox:KES", -1)}
    (kes,) = [one for one in trial_balance(Period(midnight(4), midnight(1))) if one.currency == "KES"]
    assert not kes.agrees and [line.line for line in kes.wrong] == ["asset:rail:sandbox:KES"]
    page = finance.get(reverse("admin:reports_trial_balance") + "?" + query_of(Period(midnight(4), midnight(1))))
    assert "The books do not agree in KES" in page.text
    assert page.text.count("does not agree") == 1


def test_entries_that_turn_up_later_are_added_by_a_revision(lived: list[Wallet]) -> None:
    totals.sum_days()
    day = midnight(3).date()
    expected = list(DayTotal.objects.filter(recorded_on=day).values_list("line", "currency", "debits", "credits"))
    with as_owner("reports_daytotal") as cursor:
        cursor.execute("DELETE FROM reports_daytotal WHERE recorded_on = %s", [day])

    assert [one.revision for one in totals.sum_days(again=True)] == [2]

    found = DayTotal.objects.filter(recorded_on=day).values_list("line", "currency", "debits", "credits")
    assert sorted(found) == sorted(expected)
    assert list(totals.differences()) == []


def test_no_view_reads_the_entries_of_days_that_were_added_up(lived: list[Wallet], statements: list[str]) -> None:
    totals.sum_days()
    statements.clear()

    trial_balance(Period(midnight(3), midnight(1)))

    assert len(statements) <= 2
    assert not any("JOIN ledger_account a ON a.id = e.account_id" in one for one in statements)


def test_the_rest_of_a_day_is_read_through_its_index(lived: list[Wallet]) -> None:
    """On tables this small the planner reads everything, unless it may not."""
    now = totals.utc_now()
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_indexscan = off; SET enable_hashjoin = off")
        for table, column, index in (
            ("ledger_entry", "recorded_at", "reports_entry_recorded"),
            ("ledger_journal", "effective_at", "reports_journal_effective"),
        ):
            cursor.execute(f"EXPLAIN SELECT * FROM {table} WHERE {column} >= %s AND {column} < %s", [midnight(0), now])
            assert index in " ".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET ALL")


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_figures_lead_to_transactions(lived: list[Wallet], finance: Client) -> None:
    totals.sum_days()
    period = Period(midnight(3), midnight(1))
    page = finance.get(reverse("admin:reports_trial_balance") + "?" + query_of(period))
    section = page.context["sections"][0]
    lines = {line["code"]: line["address"] for one in section["classes"] for line in one["lines"]}
    assert page.text.count("balanced") >= 2

    ledger = finance.get(lines["asset:rail:sandbox:KES"])
    assert "Opening" in ledger.text and "/admin/transactions/transaction/" in ledger.text
    wallets = finance.get(lines["liability:wallet"])
    assert "Wanjiku Kamau" in wallets.text and "Aline" not in wallets.text
    assert f"account=liability%3Awallet%3A{lived[0].pk}" in wallets.text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("start=2026-03-01&end=2026-02-01", "after the end"),
        ("end=2999-01-01", "has not been reached"),
        ("basis=effective&known=2999-01-01", "has not been reached"),
        ("start=yesterday", "valid date"),
        ("basis=guessed", "valid choice"),
    ],
)
def test_a_period_that_is_not_one_is_said_to_be_wrong(staff: dict[str, User], query: str, says: str) -> None:
    page = client_of(staff[Role.FINANCE]).get(reverse("admin:reports_trial_balance") + f"?{query}")

    assert page.status_code == 200 and says in page.text and page.context["sections"] == []


def test_an_account_that_is_not_there_is_said_so(staff: dict[str, User], finance: Client) -> None:
    for asked in ("asset:nothing", "0", "9" * 18, "9" * 30, "'", "liability:wallet:\u0000x"):
        page = finance.get(reverse("admin:reports_ledger"), {"account": asked})
        assert page.status_code == 200 and "There is no account" in page.text, asked


def test_books_are_for_who_reads_them(staff: dict[str, User]) -> None:
    for name in ("reports_trial_balance", "reports_accounts", "reports_ledger"):
        for role in Role.values:
            client, url = client_of(staff[role]), reverse(f"admin:{name}")
            may = "ledger.view_account" in PERMISSIONS[role]
            opens = 302 if name == "reports_accounts" else 200  # without a line, to where one chooses it
            assert client.get(url).status_code == (opens if may else 403), (name, role)
            assert client.post(url).status_code == (405 if may else 403), (name, role)
        assert Client().get(url).status_code == 302


def test_the_day_of_totals_shows_its_lines(lived: list[Wallet], finance: Client) -> None:
    totals.sum_days()
    summed = SummedDay.objects.get(day=date.fromordinal(midnight(2).date().toordinal()))

    page = finance.get(reverse("admin:reports_summedday_change", args=[summed.pk]))

    assert "asset:rail:sandbox:KES" in page.text and "liability:wallet" in page.text


def test_the_balance_of_an_account_at_an_instant(lived: list[Wallet], finance: Client, support: Client) -> None:
    totals.sum_days()
    code = f"liability:wallet:{lived[0].pk}"
    url = reverse("admin:reports_balance")
    asked = {"account": code, "at": midnight(1).strftime("%Y-%m-%dT%H:%M:%S")}
    account = find_account(code)
    assert account is not None

    page = finance.get(url, asked)
    rows = dict(page.context["panel"].rows)
    expected = balance_as_of(account, midnight(1), known_at=midnight(0)).posted
    assert grouped(expected, "KES") in rows["Posted"] and "Available" in rows and "for ever" in page.text
    assert dict(finance.get(url + "?" + page.context["same"]).context["panel"].rows) == rows

    by_effect = finance.get(url, {**asked, "basis": "effective"}).context["panel"].rows
    known = balance_as_of(account, midnight(1), basis=Basis.EFFECTIVE, known_at=totals.utc_now()).posted
    assert grouped(known, "KES") in dict(by_effect)["Posted"] and "Held" not in dict(by_effect)
    for wrong in ({"at": "2999-01-01"}, {"at": "x"}, {"basis": "x"}, {"basis": "effective", "known": "2999-01-01"}):
        answer = finance.get(url, {**asked, **wrong})
        assert answer.status_code == 200 and answer.context["form"].errors and "panel" not in answer.context
    assert "There is no account" in finance.get(url, {"account": "nothing"}).text
    assert support.get(url).status_code == 403
