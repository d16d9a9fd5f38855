"""Questions to the books."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from ledger.models import Account, Journal, PeriodClose, Proof


class Balance(NamedTuple):
    """Minor units. ``last_at``: when the last entry or hold event was, None before the first."""

    posted: int
    held: int
    last_at: datetime | None

    @property
    def available(self) -> int:
        return self.posted - self.held


class Leg(NamedTuple):
    """One entry as people read it."""

    account_id: int
    code: str
    name: str
    side: int
    amount: int
    currency: str
    balance_after: int
    recorded_at: datetime


class HoldStep(NamedTuple):
    """What became of a hold: ``placed``, then ``captured``, ``voided`` or ``expired``. Minor units."""

    kind: str
    amount: int
    remaining: int
    at: datetime
    expires_at: datetime | None = None


class TrialRow(NamedTuple):
    """One currency's (or account's) sum of debits and of credits over all entries."""

    currency: str
    debits: int
    credits: int


class LastProof(NamedTuple):
    """The last run of `verify_ledger`; ``findings`` are dicts of number, name and wrong."""

    at: datetime
    ok: bool
    findings: list[dict[str, str]]
    counts: dict[str, int]
    milliseconds: int


def balance_at(account_id: int, at: datetime | None = None) -> Balance:
    """Posted and held of an account, now or as of a past instant (by the time it was recorded: the same for ever).

    A past instant costs a bisection of the primary key, not a sum.
    """
    if at is None:
        query = "SELECT posted, held, last_at FROM ledger_account WHERE id = %s"
        row = _one(query, account_id)
    else:
        row = _one(
            """
            SELECT coalesce(e.balance_after, 0), coalesce(h.held_after, 0), greatest(e.recorded_at, h.recorded_at)
            FROM (SELECT %s::bigint AS id, %s::timestamptz AS at) q
            LEFT JOIN ledger_entry e ON e.account_id = q.id AND e.seq = ledger_entry_at(q.id, q.at)
            LEFT JOIN ledger_holdevent h ON h.account_id = q.id AND h.seq = ledger_hold_event_at(q.id, q.at)
            """,
            account_id,
            at,
        )
    return Balance(*row) if row else Balance(0, 0, None)


def legs_of(journal_id: UUID) -> list[Leg]:
    """The entries of one journal, debits first."""
    return [
        Leg(*row)
        for row in _all(
            """
            SELECT e.account_id, a.code, a.name, e.side, e.amount, e.currency, e.balance_after, e.recorded_at
            FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
            WHERE e.journal_id = %s ORDER BY e.side DESC, a.code
            """,
            journal_id,
        )
    ]


def too_late_for(close: PeriodClose) -> list[Journal]:
    """What was meant for the time before a close and came after it, the newest 100 first."""
    late = Journal.objects.exclude(metadata={}).filter(effective_at=close.closed_before)
    return list(late.order_by("-pk")[:100])


def account_ids_beginning(beginning: str, most: int) -> list[int]:
    """Accounts whose code begins so, no more than ``most``."""
    return list(Account.objects.filter(code__startswith=beginning).order_by("code").values_list("pk", flat=True)[:most])


def account_ids_in(currency: str, most: int) -> list[int]:
    """Accounts in a currency, no more than ``most``."""
    return list(Account.objects.filter(currency=currency).order_by("code").values_list("pk", flat=True)[:most])


def journal_ids(reference: str) -> list[UUID]:
    """The journal with this reference, if there is one."""
    return list(Journal.objects.filter(reference=reference).values_list("pk", flat=True))


def hold_of(transaction: UUID) -> list[HoldStep]:
    """What a movement set aside and what became of it, oldest first; its hold has its id."""
    query = """
        SELECT kind, amount, remaining_after, recorded_at, expires_at FROM ledger_holdevent WHERE hold = %s ORDER BY seq
    """
    return [HoldStep(*row) for row in _all(query, transaction)]


def still_held(transactions: Collection[UUID]) -> dict[UUID, tuple[int, datetime | None]]:
    """Of each of these movements that set something aside: what remains of it, and until when; one statement."""
    query = """
        SELECT placed.hold, last.remaining_after, placed.expires_at
        FROM ledger_holdevent placed CROSS JOIN LATERAL (
            SELECT remaining_after FROM ledger_holdevent WHERE hold = placed.hold ORDER BY seq DESC LIMIT 1) last
        WHERE placed.hold = ANY(%s) AND placed.kind = 'placed'
    """
    return {hold: (remaining, expires_at) for hold, remaining, expires_at in _all(query, list(transactions))}


class Coverage(NamedTuple):
    """One currency, minor units: owed to customers, waiting in suspense, held for us at rails, earned in fees."""

    currency: str
    wallets: int
    suspense: int
    rails: int
    fees: int

    @property
    def owed(self) -> int:
        """To customers and, where money waits in suspense, for it. Suspense below zero covers nothing."""
        return self.wallets + max(self.suspense, 0)

    @property
    def covered(self) -> bool:
        return self.rails >= self.owed


def account_ids(codes: Collection[str]) -> dict[str, int]:
    """Of the accounts that were opened, by code."""
    return dict(_all("SELECT code, id FROM ledger_account WHERE code = ANY(%s)", list(codes)))


def trial_balance() -> list[TrialRow]:
    """Debits and credits per currency from the accounts' own balances: equal, or something is broken.

    An account that grows on the debit side with a positive balance counts as a debit, and so on.
    """
    return [
        TrialRow(*row)
        for row in _all(
            """
            SELECT currency,
                   sum(greatest(posted * normal_side, 0))::bigint, sum(greatest(-posted * normal_side, 0))::bigint
            FROM ledger_account GROUP BY currency HAVING bool_or(seq > 0) ORDER BY currency
            """
        )
    ]


def coverage(currency: str | None = None) -> list[Coverage]:
    """E-money issued per currency, or in one, and what covers it. Adds up every account: with a million a good part of
    a second."""
    return [
        Coverage(*row)
        for row in _all(
            """
            SELECT currency,
                   coalesce(sum(posted) FILTER (WHERE starts_with(code, 'liability:wallet:')), 0)::bigint,
                   coalesce(sum(posted) FILTER (WHERE starts_with(code, 'liability:suspense:')), 0)::bigint,
                   coalesce(sum(posted) FILTER (WHERE starts_with(code, 'asset:rail:')), 0)::bigint,
                   coalesce(sum(posted) FILTER (WHERE starts_with(code, 'income:fees:')), 0)::bigint
            FROM ledger_account WHERE %s::text IS NULL OR currency = %s
            GROUP BY currency HAVING bool_or(seq > 0) ORDER BY currency
            """,
            currency,
            currency,
        )
    ]


def closed_through() -> date | None:
    """The last day whose books are closed."""
    last = PeriodClose.objects.first()
    return last.last_day if last else None


def last_proof() -> LastProof | None:
    """None before the first."""
    found = latest_proof()
    return found[1] if found else None


def latest_proof() -> tuple[int, LastProof] | None:
    """The last proof with the id of its row."""
    found = Proof.objects.values_list("pk", *LastProof._fields).first()
    return (found[0], LastProof(*found[1:])) if found else None


def _one(query: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchone()


def _all(query: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()
