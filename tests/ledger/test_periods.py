"""A period that is closed stays as it was: what comes late goes to the next one and says so."""

import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from core.models import AuditRecord
from ledger import services
from ledger.books import TOO_LATE_FOR
from ledger.errors import BooksNotProven, NothingToClose, PeriodClosed, PeriodNotOver
from ledger.models import Journal, PeriodClose
from ledger.selectors import too_late_for
from ledger.services import close_period, keep_proof
from staff.errors import ApprovalNeeded
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, fund
from tests.forgery import APP, OWNER, Forgery, refusal
from transactions.movements import Movement
from transactions.posting import post_one
from wallets.parties import Address

YESTERDAY = timezone.now().date() - timedelta(days=1)
BEFORE = YESTERDAY - timedelta(days=1)


def prove(*, at: datetime | None = None, ok: bool = True) -> None:
    findings = [] if ok else [services.Finding("I1", "income:fees", "unbalanced")]
    keep_proof(at=at or timezone.now(), findings=findings, counts={}, milliseconds=1)


def come_in(wallet, day: date) -> Journal:
    """A partner's file of that day, posted now."""
    outcome = post_one(
        Movement(
            kind="top_up", amount=500, currency=wallet.currency, caller="job:file", key=f"file-of-{day}-0001",
            rail="sandbox", payee=Address("wallet", str(wallet.pk)), settled=True,
            effective_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
        )
    ).or_raise()  # fmt: skip
    return Journal.objects.get(pk=outcome.transaction)


@pytest.mark.django_db
def test_what_comes_late_is_posted_at_the_start_of_what_is_open_with_a_link(aline):
    in_time = come_in(aline, BEFORE)
    prove()
    closed = close_period(YESTERDAY, actor="job:close", note="day closed")

    late = come_in(aline, YESTERDAY)

    assert in_time.effective_at.date() == BEFORE and in_time.metadata == {}
    assert late.effective_at == closed.closed_before > late.effective_at - timedelta(seconds=1)
    assert late.metadata == {TOO_LATE_FOR: f"{YESTERDAY}T12:00:00+00:00"}
    assert too_late_for(closed) == [late]
    assert closed.last_day == YESTERDAY
    kept = AuditRecord.objects.get(action="ledger.close_period")
    assert (kept.actor, kept.reason, kept.after) == ("job:close", "day closed", {"closed_through": str(YESTERDAY)})
    assert_books_balance()


@pytest.mark.django_db
def test_what_is_dated_within_the_open_period_stays_where_it_belongs(aline):
    prove()
    close_period(BEFORE, actor="job:close", note="x")

    assert come_in(aline, YESTERDAY).metadata == {}
    assert come_in(aline, BEFORE).metadata


@pytest.mark.django_db
def test_a_period_is_closed_once_after_its_end_with_books_that_are_proven():
    with pytest.raises(BooksNotProven):
        close_period(YESTERDAY, actor="job:close", note="x")
    prove(at=timezone.now() - timedelta(days=3))
    with pytest.raises(BooksNotProven):
        close_period(YESTERDAY, actor="job:close", note="x")
    prove(ok=False)
    with pytest.raises(BooksNotProven):
        close_period(YESTERDAY, actor="job:close", note="x")
    prove()
    for day in (timezone.now().date(), timezone.now().date() + timedelta(days=30)):
        with pytest.raises(PeriodNotOver):
            close_period(day, actor="job:close", note="x")
    close_period(YESTERDAY, actor="job:close", note="x")
    for day in (YESTERDAY, BEFORE):
        with pytest.raises(PeriodClosed) as refused:
            close_period(day, actor="job:close", note="x")
        assert refused.value.facts == {"closed_through": str(YESTERDAY)}
    assert PeriodClose.objects.count() == 1


@pytest.mark.django_db
def test_a_mistyped_year_is_not_closed_for_good(aline):
    come_in(aline, BEFORE)
    prove()
    for day in (date(1, 1, 1), date(206, 11, 18), BEFORE.replace(day=1, year=BEFORE.year - 1)):
        with pytest.raises(NothingToClose):
            close_period(day, actor="job:close", note="x")
    assert not PeriodClose.objects.exists()


# --- The same for raw SQL ------------------------------------------------------------------------------------------
CLOSE = "INSERT INTO ledger_periodclose (closed_before, closed_at, closed_by, note) VALUES (%s, now(), 'x', 'x')"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", [APP, OWNER])
def test_the_database_takes_no_journal_into_a_closed_period(aline, eric, role):
    fund(aline, 1_000)
    prove()
    closed = close_period(YESTERDAY, actor="job:close", note="x")
    ours, theirs = aline.account_id, eric.account_id

    late = Forgery().lines(
        (ours, 1, 10), (theirs, -1, 10), effective_at=closed.closed_before - timedelta(microseconds=1)
    )
    first = Forgery().lines((ours, 1, 10), (theirs, -1, 10), effective_at=closed.closed_before)

    assert late.refused(role) == "TK007"
    assert first.refused(role) == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", [APP, OWNER])
def test_a_close_is_for_good_and_only_of_what_is_over(role):
    prove()
    end = close_period(YESTERDAY, actor="job:close", note="x").closed_before

    for change in ("UPDATE ledger_periodclose SET note = 'y'", "DELETE FROM ledger_periodclose"):
        assert refusal(role, change) in {"TK001", "42501"}
    assert refusal(role, CLOSE, [end - timedelta(days=1)]) == "TK007"
    assert refusal(role, CLOSE, [timezone.now() - timedelta(minutes=5)]) == "TK007"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", [APP, OWNER])
def test_no_member_of_staff_closes_alone_not_even_with_raw_sql(role):
    prove()
    samuel, farida = member(Role.FINANCE, "samuel"), member(Role.FINANCE_CHECKER, "farida")
    for checker in (None, samuel):
        with pytest.raises(ApprovalNeeded):
            close_period(YESTERDAY, actor=samuel, note="x", checker=checker)

    alone = CLOSE.replace("note)", "note, approved_by)")
    for asked, approved in (("staff:1", ""), ("staff:1", "staff:1"), ("x", "x")):
        sql = alone.replace("'x', 'x')", f"'{asked}', 'x', '{approved}')")
        assert refusal(role, sql, [timezone.now() - timedelta(days=9)]) == "23514"
    closed = close_period(YESTERDAY, actor=samuel, note="x", checker=farida)

    assert (closed.closed_by, closed.approved_by) == (samuel.principal, farida.principal)
    assert AuditRecord.objects.get(action="ledger.close_period").after["approved_by"] == farida.principal


@pytest.mark.django_db(transaction=True)
def test_a_close_waits_for_what_is_being_posted_into_the_period(aline):
    fund(aline, 1_000)
    prove()
    begun = threading.Event()
    closed: list[PeriodClose] = []

    def close() -> None:
        begun.set()
        closed.append(close_period(YESTERDAY, actor="job:close", note="x"))
        connection.close()

    rival = threading.Thread(target=close)
    with db_transaction.atomic():
        journal = come_in(aline, YESTERDAY)
        rival.start()
        begun.wait(5)
        rival.join(0.3)
        assert rival.is_alive() and not closed
    rival.join(10)

    assert closed and journal.effective_at < closed[0].closed_before
    assert come_in(aline, BEFORE).metadata
    assert_books_balance()
