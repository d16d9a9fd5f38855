"""What a statement says, read from the ledger's entries: figures of any days, the lines, the checksum, the register.

Entries are numbered without gaps and never change, so days become two numbers (`between`), and whatever is asked about
these two has one answer for ever. Lines are read in pages by number: no snapshot is held while somebody reads slowly.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from ledger.services import SETTLES_IN
from statements.errors import StatementNotFound
from statements.models import Language, Statement, StatementSettings
from statements.periods import Days
from wallets.models import Wallet
from wallets.selectors import MASKED_NAME

CHUNK = 2_000
SPOKEN = {"TZ": Language.SWAHILI, "RW": Language.KINYARWANDA}  # until a customer says otherwise; elsewhere English

# What of an entry is a fee: it was taken on top of the amount by who pays, or out of it by who is paid; or it was given
# back, and then is below zero. What a payee gives back and does not have becomes a receivable, and is no fee.
AMOUNT = "CASE e.currency WHEN t.currency THEN t.amount WHEN t.received_currency THEN t.received END"
OWED = """
(SELECT coalesce(sum(o.amount), 0)::bigint FROM ledger_entry o JOIN ledger_account a ON a.id = o.account_id
 WHERE o.journal_id = e.journal_id AND starts_with(a.code, 'asset:receivable:'))"""
FEES_BACK = """
(SELECT coalesce(sum(o.side * o.amount), 0)::bigint FROM ledger_entry o JOIN ledger_account a ON a.id = o.account_id
 WHERE o.journal_id = e.journal_id AND starts_with(a.code, 'income:fees:'))"""
# Of an exchange that was undone the rest is what the rate made of it.
FEE = f"""
CASE WHEN t.reverses_id IS NOT NULL AND t.received_currency IS NOT NULL THEN
         CASE e.side WHEN -1 THEN -{FEES_BACK} ELSE 0 END
     WHEN e.amount IS NOT DISTINCT FROM {AMOUNT} THEN 0
     WHEN t.reverses_id IS NOT NULL AND e.side = -1 THEN least({AMOUNT} - e.amount, 0)
     WHEN t.reverses_id IS NOT NULL THEN e.amount + {OWED} - {AMOUNT}
     WHEN e.side = 1 AND e.amount = {AMOUNT} + t.fee THEN t.fee
     WHEN e.side = -1 AND {AMOUNT} - e.amount IN (t.fee, t.payee_fee) THEN {AMOUNT} - e.amount
     ELSE 0 END"""
FIGURES = f"""
WITH bounds AS (
    SELECT a.id, ledger_entry_at(a.id, %(start)s - interval '1 microsecond') AS first,
           ledger_entry_at(a.id, %(end)s - interval '1 microsecond') AS last, clock_timestamp() AS at
    FROM ledger_account a WHERE a.id = %(account)s
)
SELECT b.first, b.last, b.at,
       coalesce((SELECT balance_after FROM ledger_entry WHERE account_id = b.id AND seq = b.first), 0),
       coalesce((SELECT balance_after FROM ledger_entry WHERE account_id = b.id AND seq = b.last), 0), moved.*
FROM bounds b CROSS JOIN LATERAL (
    SELECT coalesce(sum(e.amount) FILTER (WHERE e.side = 1), 0)::bigint,
           coalesce(sum(e.amount) FILTER (WHERE e.side = -1), 0)::bigint,
           count(*) FILTER (WHERE e.side = 1), count(*) FILTER (WHERE e.side = -1),
           coalesce(sum({FEE}), 0)::bigint
    FROM ledger_entry e LEFT JOIN transactions_transaction t ON t.id = e.journal_id
    WHERE e.account_id = b.id AND e.seq > b.first AND e.seq <= b.last
) moved
"""  # noqa: S608
# The other party and the client's reference as the history of the same wallet shows them.
LINES = f"""
SELECT e.seq, e.recorded_at AS at, e.journal_id AS transaction, t.receipt, coalesce(t.kind, '') AS kind, e.side,
       e.amount, {FEE} AS fee, e.balance_after, coalesce(t.memo, '') AS memo,
       CASE WHEN t.caller = %(principal)s THEN t.reference END AS reference, t.order_reference,
       t.hold_id, t.reverses_id, r.receipt AS reverses, o.id AS counterparty_wallet,
       coalesce({MASKED_NAME.format("oc.full_name")}, t.destination ->> 'bank_id', t.rail, '') AS counterparty
FROM (SELECT * FROM ledger_entry WHERE account_id = %(account)s AND seq > %(after)s AND seq <= %(until)s
      ORDER BY seq LIMIT %(limit)s) e
LEFT JOIN transactions_transaction t ON t.id = e.journal_id
LEFT JOIN transactions_transaction r ON r.id = t.reverses_id
LEFT JOIN wallets_wallet o ON o.id = CASE WHEN t.payer_id = %(wallet)s THEN t.payee_id ELSE t.payer_id END
LEFT JOIN customers_customer oc ON oc.id = o.customer_id
ORDER BY e.seq
"""  # noqa: S608
ENTRIES = """
COPY (SELECT seq, to_char(timezone('UTC', recorded_at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), journal_id,
             CASE side WHEN 1 THEN 'debit' ELSE 'credit' END, amount, balance_after
      FROM ledger_entry WHERE account_id = %s AND seq > %s AND seq <= %s ORDER BY seq) TO STDOUT (DELIMITER '|')
"""


class Figures(NamedTuple):
    """Opening + credits - debits = closing, in minor units of ``currency``; two numbers bound the entries, of which
    ``seq_before`` is not in it and ``seq_last`` is. ``fees`` are within debits and credits."""

    days: Days
    currency: str
    seq_before: int
    seq_last: int
    as_of: datetime
    opening: int
    closing: int
    debits: int
    credits: int
    debit_count: int
    credit_count: int
    fees: int

    @property
    def entries(self) -> int:
        return self.debit_count + self.credit_count

    @property
    def control_total(self) -> int:
        """All amounts, whichever way they went: what a reader of the file adds up to know that nothing is missing."""
        return self.debits + self.credits

    @property
    def is_final(self) -> bool:
        """The days are over, and whatever was posted in them has been committed: the same question, the same answer."""
        return self.days.end + SETTLES_IN <= self.as_of


class Line(NamedTuple):
    """One entry of the wallet. ``side`` is 1 for a debit (money left), -1 for a credit; amounts in minor units.

    ``fee`` is part of ``amount``; below zero it was given back. ``reverses`` is the receipt of what was undone,
    ``order_reference`` what the merchant calls the order that was paid, ``hold`` what it was captured of.
    """

    seq: int
    at: datetime
    transaction: UUID
    receipt: str | None
    kind: str
    side: int
    amount: int
    fee: int
    balance_after: int
    memo: str
    reference: str | None
    order_reference: str | None
    hold: UUID | None
    reverses_id: UUID | None
    reverses: str | None
    counterparty_wallet: UUID | None
    counterparty: str

    @property
    def is_debit(self) -> bool:
        return self.side == 1

    @property
    def balance_before(self) -> int:
        return self.balance_after + self.side * self.amount


class Stated(NamedTuple):
    """All that a file of a statement says, but its lines. ``number`` and ``sha256`` are those of one that is kept."""

    wallet: Wallet
    figures: Figures
    language: str
    number: int | None = None
    sha256: str = ""
    made_at: datetime | None = None

    @property
    def reference(self) -> str:
        """32 characters that name the same statement each time it is asked for."""
        days = self.figures.days
        asked = f"{self.wallet.pk}|{days.first}|{days.last}|{days.timezone}|{self.figures.seq_last}|{self.number or ''}"
        return hashlib.sha256(asked.encode()).hexdigest()[:32]

    @property
    def file_name(self) -> str:
        """Without its ending; it names no person."""
        days, currency = self.figures.days, self.figures.currency.lower()
        number = f"-{self.number}" if self.number else ""
        return f"tekana-statement{number}-{currency}-{days.first}-{days.last}"


def figures(wallet: Wallet, days: Days) -> Figures:
    """What the entries recorded in ``days`` come to: one statement."""
    asked: dict[str, Any] = {"account": wallet.account_id, "start": days.start, "end": days.end}
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, asked)
        before, last, at, opening, closing, *moved = cursor.fetchone()
    return Figures(days, wallet.currency, before, last, at.astimezone(UTC), opening, closing, *moved)


def lines_after(wallet: Wallet, after: int, until: int, limit: int) -> list[Line]:
    """Up to ``limit`` lines of ``wallet`` with numbers above ``after``, up to ``until``, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(LINES, lines_query(wallet, after, until) | {"limit": limit})
        return [Line(*row) for row in cursor.fetchall()]


def wallet_with_owner(wallet: UUID) -> QuerySet[Wallet]:
    """It, with all that a statement says of its owner."""
    return Wallet.objects.filter(pk=wallet).select_related("customer__country")


def lines_query(wallet: Wallet, after: int, until: int) -> dict[str, Any]:
    """The parameters of `LINES`, all lines at once."""
    return {
        "account": wallet.account_id, "wallet": wallet.pk, "principal": f"customer:{wallet.customer_id}",
        "after": after, "until": until, "limit": until - after,
    }  # fmt: skip


def lines(stated: Stated) -> Iterator[Line]:
    """All of them, a page at a time."""
    after, until = stated.figures.seq_before, stated.figures.seq_last
    while after < until:
        page = lines_after(stated.wallet, after, until, CHUNK)
        yield from page
        after = page[-1].seq


def language_of(wallet: Wallet) -> str:
    """The one they chose for this wallet; until then that of their country."""
    chosen = StatementSettings.objects.filter(pk=wallet.pk).values_list("language", flat=True).first()
    return chosen or SPOKEN.get(wallet.customer.country_id, Language.ENGLISH)


def statements_of(wallet: Wallet) -> QuerySet[Statement]:
    """Those that were made of it, newest first."""
    return Statement.objects.filter(wallet=wallet).order_by("-number")


def statement_of(wallet: Wallet, number: int) -> Statement:
    """Raises: StatementNotFound."""
    found = Statement.objects.filter(wallet=wallet, number=number).first()
    if found is None:
        raise StatementNotFound()
    return found


def stated_again(statement: Statement, wallet: Wallet) -> Stated:
    """A kept statement as it was made; its lines are read anew from the same entries."""
    days = Days(statement.from_day, statement.to_day, statement.timezone)
    kept = Figures(
        days, statement.currency, statement.seq_before, statement.seq_last, statement.made_at, statement.opening,
        statement.closing, statement.debits, statement.credits, statement.debit_count, statement.credit_count,
        statement.fees,
    )  # fmt: skip
    return Stated(wallet, kept, statement.language, statement.number, statement.sha256, statement.made_at)


def digest(wallet: Wallet, number: int, found: Figures, previous: str) -> str:
    """SHA-256 of a head, with the checksum of the statement before, and a row for each entry, joined by ``|``; amounts
    in minor units."""
    days, currency = found.days, found.currency
    head = [wallet.pk, number, days.first, days.last, days.timezone, currency, found.opening, found.closing, previous]
    hashed = hashlib.sha256(("|".join(map(str, head)) + "\n").encode())
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.cursor() as cursor:
        with cursor.copy(ENTRIES, [wallet.account_id, found.seq_before, found.seq_last]) as copy:
            for part in copy:
                hashed.update(part)
    return hashed.hexdigest()


def is_proven(statement: Statement) -> bool:
    """Whether the entries still come to what was kept, and the statement before leads to it."""
    wallet = statement.wallet
    before = Statement.objects.filter(wallet=wallet, number=statement.number - 1).first()
    if (before is None) != (statement.number == 1):
        return False
    if before is not None and (before.closing, before.seq_last) != (statement.opening, statement.seq_before):
        return False
    kept = stated_again(statement, wallet).figures
    now = figures(wallet, kept.days)
    same = now._replace(as_of=kept.as_of) == kept
    return same and digest(wallet, statement.number, now, before.sha256 if before else "") == statement.sha256
