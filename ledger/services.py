"""Accounts: opening, freezing, closing; keeping proofs; closing periods. Money moves in `books.py` alone.

What changes an account runs in the caller's database transaction and locks the account's row.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit
from core.days import end_of
from ledger.errors import (
    AccountNotEmpty,
    AccountNotFound,
    BooksNotProven,
    NothingToClose,
    PeriodClosed,
    PeriodNotOver,
)
from ledger.models import Account, Journal, PeriodClose, Proof
from ledger.verify import Finding
from staff.errors import ApprovalNeeded
from staff.models import User

LONG_AGO = timedelta(days=31)  # books that begin this month may close the days before
SETTLES_IN = timedelta(minutes=10)  # the guard asks for it too: what began before midnight has been committed by then


def open_account(code: str, currency: str, normal_side: int, *, name: str = "", floor: int | None = None) -> int:
    """Open an account at zero; its id. ``floor`` is the least that may be available, None for no floor.

    Raises: django.db.IntegrityError when the code is taken.
    """
    return Account.objects.create(code=code, name=name, currency=currency, normal_side=normal_side, floor=floor).pk


def open_accounts(codes: Sequence[str], currency: str, normal_side: int, *, floor: int | None = None) -> list[int]:
    """Open many accounts alike, in one statement; their ids in the order of ``codes``.

    Raises: django.db.IntegrityError when a code is taken; then none is opened.
    """
    accounts = [Account(code=code, currency=currency, normal_side=normal_side, floor=floor) for code in codes]
    return [account.pk for account in Account.objects.bulk_create(accounts)]


def set_frozen(account_id: int, *, debits: bool, credits: bool) -> None:
    """Say which sides the account refuses from now on. What is already held may still be captured or let go."""
    account = _locked(account_id)
    account.debits_frozen, account.credits_frozen = debits, credits
    account.save(update_fields=["debits_frozen", "credits_frozen"])


def close_account(account_id: int) -> None:
    """Close an account that is at zero and holds nothing. Raises: AccountNotEmpty."""
    account = _locked(account_id)
    if account.posted or account.held:
        raise AccountNotEmpty()
    account.closed_at = timezone.now()
    account.save(update_fields=["closed_at"])


def keep_proof(*, at: datetime, findings: Sequence[Finding], counts: Mapping[str, int], milliseconds: int) -> None:
    """Keep what proving the books found; no findings is proven."""
    Proof.objects.create(
        at=at, ok=not findings, findings=[finding._asdict() for finding in findings], counts=dict(counts),
        milliseconds=milliseconds,
    )  # fmt: skip


def close_period(through: date, *, actor: Any, note: str, checker: User | None = None) -> PeriodClose:
    """Close the books through the end (UTC) of a day: nothing is posted before it any more, by anybody.

    Args:
        checker: the second person, who has approved it (`reports/approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, PeriodNotOver, PeriodClosed (that day or a later one), BooksNotProven (no proof since, or it
    found a break).
    Locks: what posts with a business time of its own waits, or is waited for.
    """
    if isinstance(actor, User) and (checker is None or checker.pk == actor.pk):
        raise ApprovalNeeded("The books are closed by two people.")
    with db_transaction.atomic():
        lock_periods()
        last = check_closable(through)
        closed = PeriodClose.objects.create(
            closed_before=end_of(through), closed_at=timezone.now(), closed_by=audit.actor_name(actor), note=note,
            approved_by=checker.principal if checker else "",
        )  # fmt: skip
        after = {"closed_through": str(through)} | ({"approved_by": checker.principal} if checker else {})
        audit.record(
            actor=actor, action="ledger.close_period", subject=closed, reason=note,
            before={"closed_through": str(last.last_day) if last else None}, after=after,
        )  # fmt: skip
    return closed


def check_closable(through: date) -> PeriodClose | None:
    """The last close there is. Raises: PeriodNotOver, PeriodClosed, NothingToClose, BooksNotProven."""
    if end_of(through) > timezone.now() - SETTLES_IN:
        raise PeriodNotOver(f"{through:%-d %b %Y} is over ten minutes after midnight, UTC.")
    end = end_of(through)
    last = PeriodClose.objects.first()
    if last and last.closed_before >= end:
        raise PeriodClosed(f"The books are {last}.", closed_through=str(last.last_day))
    is_long_ago = end < timezone.now() - LONG_AGO
    if last is None and is_long_ago and not Journal.objects.filter(effective_at__lt=end).exists():
        raise NothingToClose(f"There is nothing in them through {through:%-d %b %Y}.")
    proof = Proof.objects.first()
    if proof is None or proof.at < end or not proof.ok:
        raise BooksNotProven()
    return last


def lock_periods() -> None:
    """Until the end of the database transaction nothing is posted with a business time of its own."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('ledger periods', 0))")


def _locked(account_id: int) -> Account:
    try:
        return Account.objects.select_for_update(no_key=True).get(pk=account_id)
    except Account.DoesNotExist as exc:
        raise AccountNotFound() from exc
