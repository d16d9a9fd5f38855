"""What can be asked of the road to the books, and what it answers. Plain data; nothing is decided here."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from core.errors import TekanaError
from transactions.claims import Claim
from wallets.parties import Address

Answer = Callable[["Outcome"], tuple[int, str]]


class Terms(NamedTuple):
    """Until when a hold stands, and when it is captured by itself, if at all.

    ``expires_in`` counts seconds from the placing. Without that and ``expires_at`` it is `rules.holds.USUAL`.
    """

    expires_in: int | None = None
    expires_at: datetime | None = None
    capture_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One wish to move money. Minor units of ``currency``.

    ``caller`` scopes the idempotency ``key``: ``customer:…``, ``staff:…`` or ``job:…``. ``owner`` must own the wallet
    that the caller disposes of. ``settled`` says that the outside world has moved its part already (a partner's file),
    so that a top-up or cash-out completes at once. ``debit`` and ``credit`` are the accounts of an adjustment.
    Of a reversal: ``refunds_fee`` gives the fee back, with the last part or, ``fee_by_share``, each part its share;
    ``owed`` is what the recipient lacks and is to owe from then on; ``worth`` is what the payer of an exchange gets for
    the amount where it is undone at today's rate, None at its own.
    ``asked`` is what the caller asked for where the rest was made of it, and not the same when it comes again.
    ``claim`` is what it uses up beside money. Where the payee receives another currency, ``received`` minor units of
    ``received_currency`` are what arrives. ``hold`` is the hold that a payment captures, ``amount`` of it or, where
    that is 0, all that is left; with ``final`` for the last time. ``terms`` are those of a hold that is placed.
    ``order_reference`` is the merchant's.
    ``answer`` renders what the caller is told; it is kept with the transaction and given again, byte for byte, to
    whoever comes with the same key and body.
    """

    kind: str
    amount: int
    currency: str
    caller: str
    key: str
    payer: Address | None = None
    payee: Address | None = None
    owner: UUID | None = None
    session: UUID | None = None
    memo: str = ""
    reference: str | None = None
    rail: str = ""
    destination: dict[str, str] | None = None
    settled: bool = False
    reverses: UUID | None = None
    debit: str = ""
    credit: str = ""
    reason_code: str = ""
    refunds_fee: bool = False
    fee_by_share: bool = False
    owed: int = 0
    worth: int | None = None
    reason: str = ""
    request_id: str = ""
    effective_at: datetime | None = None
    claim: Claim | None = None
    received: int | None = None
    received_currency: str = ""
    hold: UUID | None = None
    final: bool = False
    terms: Terms | None = None
    order_reference: str | None = None
    asked: tuple[str, ...] = ()
    answer: Answer | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what was asked for, canonically: a key that comes back with another one is refused."""
        if self.asked:
            return hashlib.sha256(msgspec.json.encode((self.kind, *self.asked))).hexdigest()
        asked = (
            self.kind, self.payer, self.payee, self.amount, self.currency, self.memo, self.reference, self.destination,
            self.reverses, self.reason_code,
        )  # fmt: skip
        if self.debit:
            asked = (*asked, self.debit, self.credit)  # type: ignore[assignment]
        if self.worth is not None:  # how much it is changes by the hour
            asked = (*asked, "at today's rate")  # type: ignore[assignment]
        if self.owed:
            asked = (*asked, self.owed)  # type: ignore[assignment]
        if self.claim or self.hold or self.received or self.order_reference:
            more = (self.claim, self.hold, self.final, self.received, self.received_currency, self.order_reference)
            asked = (*asked, *more)  # type: ignore[assignment]
        if self.terms:
            asked = (*asked, self.terms)  # type: ignore[assignment]
        return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What became of an open transaction: completed, failed, cancelled, expired; or on its way: processing, unknown."""

    transaction: UUID
    to: str
    actor: str
    reason: str = ""
    refusal_code: str = ""
    rail_reference: str = ""
    due_at: datetime | None = None
    request_id: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Money that ``transaction`` brought to its payee: set aside there until somebody decides, or let go again.

    ``hold`` names it. ``placed``: of ``amount`` minor units as many as are there; how many is the outcome's amount.
    ``captured``, ``voided`` or ``expired``: exactly ``amount``, after which ``remaining`` stays held.
    """

    hold: UUID
    transaction: UUID
    kind: str
    amount: int
    remaining: int = 0
    expires_at: datetime | None = None


Order = Movement | Settlement | Holding


class Promise(NamedTuple):
    """A hold as placing it, or a capture of it, left it. Minor units; while it is pending the rest can be captured."""

    hold: UUID
    state: str
    amount: int
    captured: int
    expires_at: datetime | None
    capture_at: datetime | None = None

    @property
    def remaining(self) -> int:
        return self.amount - self.captured if self.state == "pending" else 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a movement. With ``error`` nothing moved; where ``transaction`` is set too, the attempt was kept."""

    error: TekanaError | None = None
    transaction: UUID | None = None
    receipt: str = ""
    kind: str = ""
    state: str = ""
    payer: UUID | None = None
    payee: UUID | None = None
    amount: int = 0
    fee: int = 0
    currency: str = ""
    balance_after: int | None = None
    created_at: datetime | None = None
    replayed: bool = False
    status: int | None = None
    answer: str | None = None
    fingerprint: str = ""
    payee_fee: int = 0
    received: int | None = None
    received_currency: str = ""
    quote: UUID | None = None
    promise: Promise | None = None

    def or_raise(self) -> "Outcome":
        """Itself, or the refusal, which then carries the id and receipt of the kept attempt."""
        if self.error is None:
            return self
        if self.transaction is not None:
            self.error.facts |= {"transaction_id": str(self.transaction), "receipt": self.receipt}
        raise self.error
