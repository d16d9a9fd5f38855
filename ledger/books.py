"""The only writer of the books: lock accounts in one order, keep them in memory, write journals and balances at once.

`lock` and `write` are one statement each, whatever the number of accounts and journals. Between the two the caller
decides in pure Python over `Held` accounts (`transactions/deciding.py`); the guards in PostgreSQL check the result.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

import msgspec

from core.work import Work
from ledger import chart

DEBIT, CREDIT = chart.DEBIT, chart.CREDIT
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TOO_LATE_FOR = "too_late_for"  # in a journal's metadata: the closed time it was meant for


class Moment(NamedTuple):
    """A microsecond of database time, since 1970 and as a datetime."""

    us: int
    at: datetime


class Line(NamedTuple):
    """One leg as the accountant writes it: positive minor units on one side of the account with this code."""

    account: str
    side: int
    amount: int


def debit(account: str, amount: int) -> Line:
    return Line(account, DEBIT, amount)


def credit(account: str, amount: int) -> Line:
    return Line(account, CREDIT, amount)


class Held:
    """A locked account in memory. What it promises is checked again by the database when it is written."""

    __slots__ = (
        "changed", "closed", "code", "credits_frozen", "currency", "debits_frozen", "floor", "held", "hold_seq", "id",
        "last_at", "last_us", "normal_side", "posted", "seq",
    )  # fmt: skip

    def __init__(self, *columns: Any) -> None:
        (
            self.id, self.code, self.currency, self.normal_side, self.posted, self.held, self.floor, self.seq,
            self.hold_seq, self.last_us, self.debits_frozen, self.credits_frozen, self.closed,
        ) = columns  # fmt: skip
        self.changed = False
        self.last_at: datetime | None = None  # of what happens to it here

    @property
    def available(self) -> int:
        return self.posted - self.held

    def can_give(self, amount: int) -> bool:
        """Whether ``amount`` can leave (or be held) without going below the floor."""
        return self.floor is None or self.posted - self.held - amount >= self.floor


class JournalRow(msgspec.Struct):
    id: UUID
    kind: str
    reference: str
    effective_at: datetime
    recorded_at: datetime
    reverses_id: UUID | None
    reverses_all: bool
    metadata: dict[str, Any]


class EntryRow(msgspec.Struct):
    account_id: int
    seq: int
    journal_id: UUID
    side: int
    amount: int
    currency: str
    balance_after: int
    recorded_at: datetime


class HoldEventRow(msgspec.Struct):
    account_id: int
    seq: int
    hold: UUID
    kind: str
    amount: int
    held_after: int
    remaining_after: int
    expires_at: datetime | None
    recorded_at: datetime


class Books:
    """One batch's view of the books. Times are database microseconds; each posting gets one of its own, later than
    anything on the accounts it touches, so that per account order by time, by number and by id are the same."""

    def __init__(self, accounts: dict[str, Held], now_us: int, open_from: datetime = EPOCH) -> None:
        self.accounts = accounts
        self.open_from = open_from
        self.now_us = max([now_us, *(held.last_us + 1 for held in accounts.values())])
        self.journals: list[JournalRow] = []
        self.entries: list[EntryRow] = []
        self.hold_events: list[HoldEventRow] = []

    def tick(self) -> Moment:
        """The next free microsecond."""
        self.now_us += 1
        return Moment(self.now_us, instant(self.now_us))

    def post(
        self, lines: Iterable[Line], *, id: UUID, moment: Moment, kind: str, reference: str,
        effective_at: datetime | None = None, reverses: UUID | None = None, reverses_all: bool = False,
    ) -> None:  # fmt: skip
        """Post one journal onto the accounts in memory. Zero lines are skipped. What belongs to a closed period goes to
        the beginning of the one that is open, and says so.

        Args:
            lines: per currency, debits equal credits; an account at most once.
        Raises: ValueError (our bug: unbalanced, doubled or unlocked account).
        """
        at_us, at = moment
        rest: dict[str, int] = {}
        seen: set[str] = set()
        for code, side, amount in lines:
            if not amount:
                continue
            account = self.accounts[code]
            if amount < 0 or code in seen:
                raise ValueError(f"journal {reference}: a line on {code} is negative or comes twice")
            seen.add(code)
            account.posted += side * account.normal_side * amount
            account.seq += 1
            account.last_us, account.last_at, account.changed = at_us, at, True
            rest[account.currency] = rest.get(account.currency, 0) + side * amount
            self.entries.append(
                EntryRow(account.id, account.seq, id, side, amount, account.currency, account.posted, at)
            )
        if not seen or any(rest.values()):
            raise ValueError(f"journal {reference} is unbalanced: {rest}")
        effective, metadata = effective_at or at, {}
        if effective < self.open_from:
            effective, metadata = self.open_from, {TOO_LATE_FOR: effective.isoformat()}
        self.journals.append(JournalRow(id, kind, reference, effective, at, reverses, reverses_all, metadata))

    def hold(self, code: str, amount: int, *, hold: UUID, moment: Moment, expires_at: datetime | None = None) -> None:
        """Set ``amount`` aside on an account: it counts against what is available from now on."""
        self._hold_event(code, hold, "placed", amount, amount, expires_at, moment)

    def release(self, code: str, kind: str, amount: int, remaining: int, *, hold: UUID, moment: Moment) -> None:
        """Let go of a hold: ``captured`` (the caller posts it), ``voided`` or ``expired``; ``remaining`` stays held."""
        self._hold_event(code, hold, kind, amount, remaining, None, moment)

    def _hold_event(
        self, code: str, hold: UUID, kind: str, amount: int, remaining: int, expires_at: datetime | None, moment: Moment
    ) -> None:
        account = self.accounts[code]
        account.held += amount if kind == "placed" else -amount
        account.hold_seq += 1
        account.last_us, account.last_at, account.changed = moment.us, moment.at, True
        self.hold_events.append(
            HoldEventRow(
                account.id, account.hold_seq, hold, kind, amount, account.held, remaining, expires_at, moment.at
            )
        )


def instant(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)


PEEK = """
SELECT id, code, currency, normal_side, posted, held, floor, seq, hold_seq,
       coalesce((extract(epoch FROM last_at) * 1000000)::bigint, 0), debits_frozen, credits_frozen,
       closed_at IS NOT NULL
FROM ledger_account WHERE code = ANY(%s) ORDER BY id
"""

LOCK: LiteralString = PEEK + "FOR NO KEY UPDATE"

# A house account (fees, a rail's float) is opened at its first use.
OPEN = """
INSERT INTO ledger_account (code, name, currency, normal_side, floor, posted, held, seq, hold_seq, debits_frozen,
                            credits_frozen, created_at)
SELECT code, name, currency, normal_side, floor, 0, 0, 0, 0, false, false, clock_timestamp()
FROM json_to_recordset(%s::json) AS new(code text, name text, currency text, normal_side smallint, floor bigint)
ORDER BY code
ON CONFLICT (code) DO NOTHING
"""

WRITE_ACCOUNTS = """
UPDATE ledger_account a
SET posted = n.posted, held = n.held, seq = n.seq, hold_seq = n.hold_seq, last_at = n.last_at
FROM json_to_recordset(%s::json) AS n(id bigint, posted bigint, held bigint, seq bigint, hold_seq bigint,
                                      last_at timestamptz)
WHERE a.id = n.id
"""


def lock(work: Work, codes: Sequence[str]) -> Any:
    """Ask for the accounts, locked in the order of their ids; hand the cursor to `held_accounts` for the rows.

    Locks: every named account, FOR NO KEY UPDATE, by primary key, so that no two batches can wait for each other.
    """
    return work.run(LOCK, list(codes))


def peek(work: Work, codes: Sequence[str]) -> Any:
    """The same without locks, for previews."""
    return work.run(PEEK, list(codes))


def open_from(work: Work) -> Any:
    """Ask since when the books are open; the cursor has one row. No period is closed until this work is done.

    Locks: what closing a period takes, shared; after accounts, as the guard of journals does.
    """
    work.run("SELECT pg_advisory_xact_lock_shared(hashtextextended('ledger periods', 0))")
    return work.run("SELECT coalesce(max(closed_before), 'epoch') FROM ledger_periodclose")


def held_accounts(work: Work, cursor: Any, codes: Sequence[str], *, peek: bool = False) -> dict[str, Held]:
    """The rows of `lock` by code. House accounts that are missing are opened, then all are locked afresh; a ``peek``
    only imagines them."""
    found = {row[1]: Held(*row) for row in cursor.fetchall()}
    missing = [code for code in codes if code not in found]
    if not missing:
        return found
    if peek:
        for place, new in enumerate(map(_new_account, missing), 1):  # under ids that no other has
            told = (new["code"], new["currency"], new["normal_side"], 0, 0, new["floor"], 0, 0, 0, False, False)
            found[new["code"]] = Held(-place, *told, False)
        return found
    work.run(OPEN, msgspec.json.encode([_new_account(code) for code in missing]).decode())
    return {row[1]: Held(*row) for row in lock(work, codes).fetchall()}


def _new_account(code: str) -> dict[str, Any]:
    account_type = chart.type_of(code)
    return {
        "code": code, "name": account_type.name, "currency": chart.currency_of(code),
        "normal_side": account_type.normal_side, "floor": account_type.floor,
    }  # fmt: skip


def write(work: Work, books: Books) -> None:
    """Write all that was posted and held, and the balances it led to, in one statement, as the guards require."""
    if not (books.entries or books.hold_events):
        return
    changed = [
        {
            "id": a.id,
            "posted": a.posted,
            "held": a.held,
            "seq": a.seq,
            "hold_seq": a.hold_seq,
            "last_at": a.last_at,
        }
        for a in books.accounts.values()
        if a.changed
    ]
    work.write(
        {"ledger_journal": books.journals, "ledger_entry": books.entries, "ledger_holdevent": books.hold_events},
        WRITE_ACCOUNTS, changed,
    )  # fmt: skip
