"""Figures as of an instant: the trial balance, the accounts behind one of its lines, the ledger of one account.

Two times belong to an entry, and each makes a question of its own:

* by the time it was **recorded**: what the books said at that instant. Nothing is ever recorded into the past, so the
  answer stays the same for ever.
* by its **effective** (business) time: what belongs before that instant, as far as had been recorded by another,
  ``known_at``. With both instants the answer stays the same for ever, too.

Instants are bounds: "as of 1 March 00:00" is everything before it. No question adds up all entries: whole days come
from `DayTotal`, the rest of a day from the entries of that day, a single balance from the account's own last entry.
"""
# ruff: noqa: S608 (the queries are put together from our own text)

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models

from core.days import midnight
from core.money import EXPONENTS
from ledger import selectors
from ledger.chart import type_of
from reports.totals import line_of, summed_kinds, unsummed_from

MICROSECOND = timedelta(microseconds=1)
BEGINNING = date.min
CLASSES = ("asset", "liability", "equity", "income", "expense")
ENTRIES_SHOWN = 100
ACCOUNTS_SHOWN = 50


class Basis(models.TextChoices):
    RECORDED = "recorded", "when it was recorded"
    EFFECTIVE = "effective", "when it is effective"


@dataclass(frozen=True)
class Period:
    """From an instant up to, and without, another. ``known_at`` counts for the effective basis alone."""

    start: datetime
    end: datetime
    basis: str = Basis.RECORDED
    known_at: datetime | None = None

    @property
    def known(self) -> datetime:
        return self.known_at or self.end

    @property
    def by_effect(self) -> bool:
        return self.basis == Basis.EFFECTIVE


# --- Sums up to an instant -------------------------------------------------------------------------------------------

LIVE = """
SELECT {line} AS line, e.currency, e.side, e.amount
FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id {journals}
WHERE {conditions}
"""


class Sums:
    """SQL of what lines come to up to instants: a list of SELECTs of (bound, line, currency, debits, credits)."""

    def __init__(self, basis: str, known: datetime, line: str = "") -> None:
        self.by_effect, self.known, self.only = basis == Basis.EFFECTIVE, known, line
        self.unsummed = unsummed_from() or BEGINNING
        self.parts: list[str] = []
        self.params: list[Any] = []

    def up_to(self, bound: str, at: datetime) -> None:
        """Everything before ``at``, under the name ``bound``."""
        recorded_until = self.known if self.by_effect else at
        whole = min(recorded_until.astimezone(UTC).date(), self.unsummed)
        live_from = midnight(whole) if whole > BEGINNING else None
        if not self.by_effect:
            self.totals(bound, "recorded_on < %s", whole)
            self.entries(bound, recorded=(live_from, at))
        else:
            effective_day = at.astimezone(UTC).date()
            self.totals(bound, "recorded_on < %s AND effective_on < %s", whole, effective_day)
            self.entries(bound, recorded=(live_from, self.known), effective=(None, at))
            if live_from is not None:
                self.entries(bound, recorded=(None, live_from), effective=(midnight(effective_day), at))

    def totals(self, bound: str, condition: str, *params: Any) -> None:
        if self.only:
            condition, params = f"{condition} AND line = %s", (*params, self.only)
        self.parts.append(
            f"SELECT '{bound}' AS bound, line, currency, sum(debits) AS debits, sum(credits) AS credits"
            f" FROM reports_daytotal WHERE {condition} GROUP BY line, currency"
        )
        self.params += params

    def entries(
        self,
        bound: str,
        recorded: tuple[datetime | None, datetime],
        effective: tuple[datetime | None, datetime] | None = None,
    ) -> None:
        conditions: list[str] = []
        params: list[Any] = []
        for column, limits in (("e.recorded_at", recorded), ("j.effective_at", effective)):
            first, end = limits or (None, None)
            if first is not None and end is not None and first >= end:
                return
            if first is not None:
                conditions.append(f"{column} >= %s")
                params.append(first)
            if end is not None:
                conditions.append(f"{column} < %s")
                params.append(end)
        if self.only:
            conditions.append("starts_with(a.code, %s)" if self.only in summed_kinds() else "a.code = %s")
            params.append(f"{self.only}:" if self.only in summed_kinds() else self.only)
        live = LIVE.format(
            line=line_of("a.code"),
            journals="JOIN ledger_journal j ON j.id = e.journal_id" if effective else "",
            conditions=" AND ".join(conditions),
        )
        self.parts.append(
            f"SELECT '{bound}', line, currency, sum(amount) FILTER (WHERE side = 1),"
            f" sum(amount) FILTER (WHERE side = -1) FROM ({live}) live GROUP BY line, currency"
        )
        self.params += params

    @property
    def sql(self) -> str:
        return " UNION ALL ".join(self.parts)


# --- The trial balance -----------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """One line of the trial balance in minor units; opening and closing are debits less credits.

    ``account``: the id of the account of ours that the line is; None for a kind of account that customers have.
    ``own``: by the account's own running balance, where the basis is recorded: the same as ``closing``, or something is
    broken.
    """

    line: str
    currency: str
    opening: int
    debits: int
    credits: int
    closing: int
    account: int | None
    own: int | None

    @property
    def account_class(self) -> str:
        return self.line.partition(":")[0]

    @property
    def name(self) -> str:
        kinds = summed_kinds()
        if self.line in kinds:
            return f"{kinds[self.line]}s"
        try:
            return type_of(self.line).name
        except LookupError:
            return ""

    @property
    def is_wrong(self) -> bool:
        return self.own is not None and self.own != self.closing


TRIAL_BALANCE = """
WITH sums AS (
    SELECT line, currency,
           coalesce(sum(debits) FILTER (WHERE bound = 'start'), 0)::bigint AS debits_before,
           coalesce(sum(credits) FILTER (WHERE bound = 'start'), 0)::bigint AS credits_before,
           coalesce(sum(debits) FILTER (WHERE bound = 'end'), 0)::bigint AS debits,
           coalesce(sum(credits) FILTER (WHERE bound = 'end'), 0)::bigint AS credits
    FROM ({sums}) bounds GROUP BY line, currency
)
SELECT s.line, s.currency, debits_before - credits_before, debits - debits_before, credits - credits_before,
       debits - credits, a.id,
       CASE WHEN a.id IS NOT NULL AND %s THEN a.normal_side * coalesce(
           (SELECT balance_after FROM ledger_entry WHERE account_id = a.id AND seq = ledger_entry_at(a.id, %s)), 0) END
FROM sums s LEFT JOIN ledger_account a ON a.code = s.line
"""


class Totals(NamedTuple):
    """Debit and credit of opening, movements and closing: each pair is equal, or the books are broken."""

    opening: tuple[int, int]
    moved: tuple[int, int]
    closing: tuple[int, int]

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Totals":
        return cls(
            two_sides([line.opening for line in lines]),
            (sum(line.debits for line in lines), sum(line.credits for line in lines)),
            two_sides([line.closing for line in lines]),
        )

    @property
    def agree(self) -> bool:
        return all(debit == credit for debit, credit in self)


def two_sides(balances: Sequence[int]) -> tuple[int, int]:
    """The sum of those that are debits, and of those that are credits, both positive."""
    return sum(max(one, 0) for one in balances), sum(max(-one, 0) for one in balances)


class Section(NamedTuple):
    """The trial balance in one currency: its lines by class, in the order of `CLASSES`."""

    currency: str
    classes: list[tuple[str, list[Line]]]

    @property
    def lines(self) -> list[Line]:
        return [line for _, lines in self.classes for line in lines]

    @property
    def totals(self) -> Totals:
        return Totals.of(self.lines)

    @property
    def wrong(self) -> list[Line]:
        return [line for line in self.lines if line.is_wrong]

    @property
    def agrees(self) -> bool:
        return self.totals.agree and not self.wrong


def trial_balance(period: Period) -> list[Section]:
    """Per currency, every line that had an entry before the period's end. One statement: one state of the books."""
    sums = Sums(period.basis, period.known)
    sums.up_to("start", period.start)
    sums.up_to("end", period.end)
    with connection.cursor() as cursor:
        cursor.execute(
            TRIAL_BALANCE.format(sums=sums.sql), [*sums.params, not period.by_effect, period.end - MICROSECOND]
        )
        lines = [Line(*row) for row in cursor.fetchall()]
    lines.sort(key=lambda line: (list(EXPONENTS).index(line.currency), class_order(line), line.line))
    return [
        Section(currency, [(name, list(of_class)) for name, of_class in groupby(group, lambda one: one.account_class)])
        for currency, group in groupby(lines, lambda line: line.currency)
    ]


def class_order(line: Line) -> int:
    return CLASSES.index(line.account_class) if line.account_class in CLASSES else len(CLASSES)


# --- The accounts behind a line --------------------------------------------------------------------------------------


class AccountRow(NamedTuple):
    """One account over a period; opening and closing grow with its normal side, minor units."""

    id: int
    code: str
    currency: str
    normal_side: int
    opening: int
    debits: int
    credits: int
    closing: int


ACCOUNTS = """
SELECT a.id, a.code, a.currency, a.normal_side, coalesce(opening.balance_after, 0),
       coalesce(moved.debits, 0), coalesce(moved.credits, 0), coalesce(closing.balance_after, 0)
FROM (
    SELECT id, code, currency, normal_side, ledger_entry_at(id, %(start)s) AS seq_before,
           ledger_entry_at(id, %(end)s) AS seq_last
    FROM ledger_account
    WHERE id > %(after)s AND starts_with(code, %(beginning)s) AND currency = %(currency)s ORDER BY id LIMIT %(limit)s
) a
LEFT JOIN ledger_entry opening ON opening.account_id = a.id AND opening.seq = a.seq_before
LEFT JOIN ledger_entry closing ON closing.account_id = a.id AND closing.seq = a.seq_last
LEFT JOIN LATERAL (
    SELECT sum(amount) FILTER (WHERE side = 1)::bigint AS debits,
           sum(amount) FILTER (WHERE side = -1)::bigint AS credits
    FROM ledger_entry WHERE account_id = a.id AND seq > a.seq_before AND seq <= a.seq_last
) moved ON true
ORDER BY a.id
"""
ACCOUNTS_BY_EFFECT = """
SELECT a.id, a.code, a.currency, a.normal_side, a.normal_side * coalesce(debits_before - credits_before, 0),
       coalesce(debits - debits_before, 0), coalesce(credits - credits_before, 0),
       a.normal_side * coalesce(debits - credits, 0)
FROM (
    SELECT id, code, currency, normal_side FROM ledger_account
    WHERE id > %(after)s AND starts_with(code, %(beginning)s) AND currency = %(currency)s ORDER BY id LIMIT %(limit)s
) a
LEFT JOIN LATERAL (
    SELECT coalesce(sum(amount) FILTER (WHERE side = 1 AND effective_at < %(start)s), 0)::bigint AS debits_before,
           coalesce(sum(amount) FILTER (WHERE side = -1 AND effective_at < %(start)s), 0)::bigint AS credits_before,
           coalesce(sum(amount) FILTER (WHERE side = 1), 0)::bigint AS debits,
           coalesce(sum(amount) FILTER (WHERE side = -1), 0)::bigint AS credits
    FROM ledger_entry e JOIN ledger_journal j ON j.id = e.journal_id
    WHERE e.account_id = a.id AND e.recorded_at < %(known)s AND j.effective_at < %(end)s
) moved ON true
ORDER BY a.id
"""


def accounts_of(line: str, currency: str, period: Period, *, after: int = 0) -> tuple[list[AccountRow], int | None]:
    """ACCOUNTS_SHOWN accounts of one kind, by id; and the id to go on after, None at the end."""
    asked: dict[str, Any] = {"beginning": f"{line}:", "currency": currency, "after": after, "limit": ACCOUNTS_SHOWN + 1}
    if period.by_effect:
        query, instants = ACCOUNTS_BY_EFFECT, {"start": period.start, "end": period.end, "known": period.known}
    else:
        query, instants = ACCOUNTS, {"start": period.start - MICROSECOND, "end": period.end - MICROSECOND}
    with connection.cursor() as cursor:
        cursor.execute(query, {**asked, **instants})
        rows = [AccountRow(*row) for row in cursor.fetchall()]
    return rows[:ACCOUNTS_SHOWN], rows[ACCOUNTS_SHOWN - 1].id if len(rows) > ACCOUNTS_SHOWN else None


# --- The ledger of one account ---------------------------------------------------------------------------------------


class Named(NamedTuple):
    """An account as a ledger's head names it."""

    id: int
    code: str
    name: str
    currency: str
    normal_side: int

    @property
    def is_of_customer(self) -> bool:
        return any(self.code.startswith(f"{kind}:") for kind in summed_kinds())


class Movement(NamedTuple):
    """One line of an account's ledger, its transaction, and the accounts on the other side of its journal."""

    seq: int
    recorded_at: datetime
    effective_at: datetime
    journal: UUID
    kind: str
    reference: str
    receipt: str | None
    against: list[str]
    side: int
    amount: int
    balance_after: int


class AccountLedger(NamedTuple):
    """Opening + debits and credits = closing, and a page of the movements; ``after`` is where the next page begins."""

    account: Named
    period: Period
    opening: int
    debits: int
    credits: int
    closing: int
    entries: int
    page: list[Movement]
    after: int | None

    @property
    def agrees(self) -> bool:
        return self.opening + self.account.normal_side * (self.debits - self.credits) == self.closing


MOVEMENTS = """
SELECT e.seq, e.recorded_at, j.effective_at, e.journal_id, j.kind, j.reference, t.receipt,
       ARRAY(SELECT o.code FROM ledger_entry c JOIN ledger_account o ON o.id = c.account_id
             WHERE c.journal_id = e.journal_id AND c.side = -e.side ORDER BY c.amount DESC, o.code),
       e.side, e.amount, e.balance_after
FROM ledger_entry e
JOIN ledger_journal j ON j.id = e.journal_id
LEFT JOIN transactions_transaction t ON t.id = e.journal_id
WHERE e.account_id = %s AND e.seq > %s AND e.seq <= %s ORDER BY e.seq LIMIT %s
"""
BOUNDS = """
SELECT ledger_entry_at(a.id, %(start)s), ledger_entry_at(a.id, %(end)s),
       coalesce((SELECT balance_after FROM ledger_entry
                 WHERE account_id = a.id AND seq = ledger_entry_at(a.id, %(start)s)), 0),
       coalesce((SELECT balance_after FROM ledger_entry
                 WHERE account_id = a.id AND seq = ledger_entry_at(a.id, %(end)s)), 0)
FROM ledger_account a WHERE a.id = %(account)s
"""
MOVED = """
SELECT coalesce(sum(amount) FILTER (WHERE side = 1), 0)::bigint,
       coalesce(sum(amount) FILTER (WHERE side = -1), 0)::bigint
FROM ledger_entry WHERE account_id = %s AND seq > %s AND seq <= %s
"""
TURNOVER = """
SELECT coalesce(sum(debits) FILTER (WHERE bound = 'end'), 0) - coalesce(sum(debits) FILTER (WHERE bound = 'start'), 0),
       coalesce(sum(credits) FILTER (WHERE bound = 'end'), 0) - coalesce(sum(credits) FILTER (WHERE bound = 'start'), 0)
FROM ({sums}) bounds
"""


def find_account(text: str) -> Named | None:
    """By code or by number."""
    if not text.isprintable():
        return None
    by = "id" if text.isascii() and text.isdecimal() and len(text) < 19 else "code"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, code, name, currency, normal_side FROM ledger_account WHERE {by} = %s", [text])
        found = cursor.fetchone()
    return Named(*found) if found else None


def account_ledger(account: Named, period: Period, *, after: int = 0, limit: int = ENTRIES_SHOWN) -> AccountLedger:
    """Its entries recorded in a period, oldest first, from the one after number ``after`` on.

    Opening and closing are the account's own running balances; debits and credits are added up by themselves, of an
    account of ours from the daily totals.
    """
    with connection.cursor() as cursor:
        instants = {"start": period.start - MICROSECOND, "end": period.end - MICROSECOND}
        cursor.execute(BOUNDS, {**instants, "account": account.id})
        before, last, opening, closing = cursor.fetchone()
        if account.is_of_customer:
            cursor.execute(MOVED, [account.id, before, last])
        else:
            sums = Sums(Basis.RECORDED, period.end, account.code)
            sums.up_to("start", period.start)
            sums.up_to("end", period.end)
            cursor.execute(TURNOVER.format(sums=sums.sql), sums.params)
        debits, credits = map(int, cursor.fetchone())
        cursor.execute(MOVEMENTS, [account.id, max(after, before), last, limit + 1])
        page = [Movement(*row) for row in cursor.fetchall()]
    more = page[limit - 1].seq if len(page) > limit else None
    return AccountLedger(account, period, opening, debits, credits, closing, last - before, page[:limit], more)


# --- One balance -----------------------------------------------------------------------------------------------------


class BalanceAsOf(NamedTuple):
    """Posted in minor units, growing with the account's normal side; what was held is known by the recorded basis."""

    posted: int
    held: int | None
    entries: int


BY_EFFECT = """
SELECT coalesce(sum(e.side * e.amount), 0)::bigint, count(*)
FROM ledger_entry e JOIN ledger_journal j ON j.id = e.journal_id
WHERE e.account_id = %s AND e.recorded_at < %s AND j.effective_at < %s
"""


def balance_as_of(account: Named, at: datetime, *, basis: str = Basis.RECORDED, known_at: datetime) -> BalanceAsOf:
    """What an account had before ``at``; by the effective basis, of what was recorded before ``known_at``."""
    with connection.cursor() as cursor:
        if basis == Basis.RECORDED:
            balance = selectors.balance_at(account.id, at - MICROSECOND)
            cursor.execute("SELECT ledger_entry_at(%s, %s)", [account.id, at - MICROSECOND])
            return BalanceAsOf(balance.posted, balance.held, cursor.fetchone()[0])
        if account.is_of_customer:
            cursor.execute(BY_EFFECT, [account.id, known_at, at])
            signed, entries = cursor.fetchone()
            return BalanceAsOf(account.normal_side * signed, None, entries)
        sums = Sums(basis, known_at, account.code)
        sums.up_to("end", at)
        cursor.execute(f"SELECT coalesce(sum(debits), 0) - coalesce(sum(credits), 0) FROM ({sums.sql}) s", sums.params)
        return BalanceAsOf(account.normal_side * int(cursor.fetchone()[0]), None, 0)


# --- What is still open ----------------------------------------------------------------------------------------------


class OpenItem(NamedTuple):
    """A credit that no debit has used up, the oldest being used first; ``open`` of it in minor units."""

    account: int
    code: str
    currency: str
    recorded_at: datetime
    journal: UUID
    receipt: str | None
    amount: int
    open: int


OPEN_ITEMS = """
WITH accounts AS (
    SELECT id, code, currency, ledger_entry_at(id, %(at)s) AS last FROM ledger_account WHERE starts_with(code, %(kind)s)
), credits AS (
    SELECT a.id, a.code, a.currency, e.seq, e.recorded_at, e.journal_id, e.amount,
           sum(e.amount) OVER (PARTITION BY a.id ORDER BY e.seq) AS so_far,
           (SELECT coalesce(sum(d.amount), 0) FROM ledger_entry d
            WHERE d.account_id = a.id AND d.side = 1 AND d.seq <= a.last) AS used
    FROM accounts a JOIN ledger_entry e ON e.account_id = a.id AND e.side = -1 AND e.seq <= a.last
)
SELECT c.id, c.code, c.currency, c.recorded_at, c.journal_id, t.receipt, c.amount,
       least(c.amount, c.so_far - c.used)::bigint
FROM credits c LEFT JOIN transactions_transaction t ON t.id = c.journal_id
WHERE c.so_far > c.used ORDER BY c.recorded_at, c.id LIMIT %(limit)s
"""


def open_items(kind: str, before: datetime, *, limit: int = ENTRIES_SHOWN) -> list[OpenItem]:
    """What waits on accounts whose code begins with ``kind``, as recorded before an instant; the oldest first.

    Reads all entries of these accounts: for kinds that have few, such as suspense.
    """
    with connection.cursor() as cursor:
        cursor.execute(OPEN_ITEMS, {"kind": f"{kind}:", "at": before - MICROSECOND, "limit": limit})
        return [OpenItem(*row) for row in cursor.fetchall()]
