"""Sending money from one wallet to another, and asking beforehand what it would do."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from core import context
from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from fx.selectors import QuoteTerms
from transactions import posting
from transactions.models import Kind
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.poster import submit
from transactions.quotes import QuoteClaims
from transactions.services.conversions import at_quote
from wallets.parties import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOrder:
    """What a customer asks for: ``to`` is a wallet id, phone number or e-mail; ``reference`` is the client's own.

    With ``quote`` the recipient gets what it promises, in its currency.
    """

    from_wallet_id: UUID
    to: Address
    amount: Money
    memo: str = ""
    reference: str | None = None
    quote: UUID | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a transfer would do, minor units. ``limits_left``: per movement, day, month after it; None is unlimited.
    ``exchange``: the quote that it would take."""

    payee: UUID
    fee: int
    balance_after: int
    lines: list[dict[str, Any]]
    limits_left: dict[str, int | None]
    exchange: QuoteTerms | None = None
    payee_fee: int = 0


def send_transfer(
    order: TransferOrder, *, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None = None,
    post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Send money at once. A refusal is an outcome with ``error``; the attempt is kept where it was understood."""
    return post(_movement(order, actor, idempotency_key, answer))


def preview_transfer(order: TransferOrder, *, actor: CustomerPrincipal) -> Preview:
    """The verdict, fee, lines and limits of the same transfer; posts nothing and keeps nothing.

    Raises: what `send_transfer` would be refused with.
    """
    return preview_of(_movement(order, actor, f"preview-{uuid7()}", None))


def preview_of(movement: Movement) -> Preview:
    """What a movement from one wallet to another would do. Raises: what it would be refused with."""
    outcome, world = posting.dry_run(replace(movement, reference=None))
    outcome.or_raise()
    assert outcome.payee is not None and outcome.balance_after is not None
    used = world.events[-1].facts["verdicts"]["within_limits"]["payer"]
    left = {
        period: None if allowed is None else allowed - reached if period != "movement" else allowed
        for period in ("movement", "day", "month")
        for reached, allowed in [used[period]]
    }
    taken = world.claims.get(QuoteClaims)
    exchange = taken.terms[outcome.quote] if isinstance(taken, QuoteClaims) and outcome.quote else None
    return Preview(outcome.payee, outcome.fee, outcome.balance_after, world.lines(), left, exchange, outcome.payee_fee)


def _movement(order: TransferOrder, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None) -> Movement:
    return Movement(
        kind=Kind.TRANSFER, amount=order.amount.amount_minor, currency=order.amount.currency, caller=actor.principal,
        key=idempotency_key, payer=Address("wallet", str(order.from_wallet_id)), payee=order.to, owner=actor.id,
        session=actor.session_id, memo=order.memo, reference=order.reference, request_id=context.request_id.get(),
        answer=answer, **at_quote(order.quote, order.amount.currency, actor),
    )  # fmt: skip
