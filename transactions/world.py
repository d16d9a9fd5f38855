"""One batch in memory: what was read of the database, and the rows that will be written. Plain data."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from itertools import repeat
from typing import Any
from uuid import UUID

import msgspec

from ledger.books import Books, instant
from transactions import tariff
from transactions.claims import Claims
from transactions.movements import Outcome
from transactions.policies import Standing, Used
from wallets.parties import Parties, Party

Tell = Callable[[], Outcome]


class TransactionRow(msgspec.Struct, kw_only=True):
    """A row of transactions_transaction, column by column."""

    id: UUID
    receipt: str
    kind: str
    state: str
    amount: int
    fee: int
    currency: str
    memo: str
    caller: str
    reference: str | None
    idempotency_key: str
    fingerprint: str
    answer: str | None = None
    answer_status: int | None = None
    refusal_code: str = ""
    reversed_amount: int = 0
    reason_code: str = ""
    rail: str = ""
    rail_reference: str = ""
    destination: dict[str, str] | None = None
    due_at: datetime | None = None
    attempts: int = 0
    quarantined_at: datetime | None = None
    created_at: datetime
    completed_at: datetime | None = None
    payer_id: UUID | None
    payee_id: UUID | None
    reverses_id: UUID | None = None
    hold_id: UUID | None = None
    received: int | None = None
    received_currency: str | None = None
    payee_fee: int = 0
    order_reference: str | None = None
    capture_at: datetime | msgspec.UnsetType | None = msgspec.UNSET  # of a hold; no other row names the column


class EventRow(msgspec.Struct, kw_only=True):
    """A row of transactions_event, column by column."""

    id: UUID
    transaction_id: UUID
    type: str
    from_state: str
    to_state: str
    actor: str
    reason: str
    facts: dict[str, Any]
    request_id: str
    at: datetime


class Target(msgspec.Struct, kw_only=True):
    """A transaction that is settled, captured or reversed: locked, changed in memory, written back.

    ``margin``: what we kept of what its exchange brought, in the currency that was received.
    Of a hold: what was ``captured`` of it so far, the fees of that, and when it expires; the ``price`` it was placed
    at, and how much of it is waived for payer and payee.
    """

    id: UUID
    kind: str
    state: str
    payer_id: UUID | None
    payee_id: UUID | None
    amount: int
    fee: int
    payee_fee: int
    currency: str
    received: int | None
    received_currency: str | None
    reversed_amount: int
    rail: str
    receipt: str
    created_at: datetime
    refusal_code: str
    rail_reference: str
    due_at: datetime | None
    completed_at: datetime | None
    last_us: int
    margin: int = 0
    fee_returned: int = 0
    payee_fee_returned: int = 0
    captured: int = 0
    captured_fee: int = 0
    captured_payee_fee: int = 0
    expires_at: datetime | None = None
    price: tariff.Fee = tariff.FREE
    waived_bps: int = 0
    payee_waived_bps: int = 0
    changed: bool = False


class World:
    """Everything one batch was read to know, and everything it will write."""

    def __init__(self) -> None:
        self.tariff = tariff.current()
        self.now_us = 0
        self.receipts: Iterator[int] = repeat(0)  # a preview needs none of its own
        self.targets: dict[UUID, Target] = {}
        self.parties: Parties
        self.books: Books
        self.standings: dict[UUID, Standing] = {}
        self.live_sessions: dict[UUID, UUID] = {}
        self.seen: dict[tuple[str, str], Tell] = {}
        self.references: set[tuple[str, str]] = set()
        self.used: dict[UUID, Used] = {}
        self.open_holds: dict[UUID, int] = {}  # by payer's wallet; asked where one is placed
        self.claims: dict[type[Claims], Claims] = {}
        self.born: list[TransactionRow] = []
        self.events: list[EventRow] = []
        self.usage: dict[tuple[UUID, date], list[int]] = {}
        self._todays: dict[tuple[int, str], date] = {}

    def today(self, party: Party) -> date:
        """The calendar day where its owner lives."""
        at = self.now_us, party.country
        if (day := self._todays.get(at)) is None:
            day = self._todays[at] = self.tariff.day(party.country, instant(self.now_us))
        return day

    def lines(self) -> list[dict[str, Any]]:
        """What would be written into the books, for previews: account code, side in words, minor units."""
        codes = {account.id: account.code for account in self.books.accounts.values()}
        return [
            {
                "account": codes[entry.account_id],
                "side": "debit" if entry.side > 0 else "credit",
                "currency": entry.currency,
                "amount_minor": entry.amount,
                "balance_after_minor": entry.balance_after,
            }
            for entry in self.books.entries
        ]

    def count(self, party: Party, day: date, amount: int, count: int) -> None:
        """Count what leaves a wallet, or take it back, against its limits: here at once, in the database at the end."""
        total = self.usage.setdefault((party.wallet, day), [0, 0])
        total[0] += amount
        total[1] += count
        if used := self.used.get(party.wallet):
            used.day += amount if day == used.today else 0
            used.month += amount if (day.year, day.month) == (used.today.year, used.today.month) else 0
