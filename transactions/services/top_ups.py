"""Money coming in through a rail: asked for here, credited when the rail says that it has it."""

from collections.abc import Callable
from uuid import UUID

from core import context
from core.bell import ring
from core.money import Money
from customers.authentication import CustomerPrincipal
from transactions.models import Kind, State
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.poster import submit
from wallets.parties import Address


def start_top_up(
    wallet_id: UUID, amount: Money, *, actor: CustomerPrincipal, idempotency_key: str, reference: str | None = None,
    rail: str = "sandbox", answer: Answer | None = None, post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Ask ``rail`` to collect ``amount`` for the caller's own wallet: pending until the rail answers."""
    outcome = post(
        Movement(
            kind=Kind.TOP_UP, amount=amount.amount_minor, currency=amount.currency, caller=actor.principal,
            key=idempotency_key, payee=Address("wallet", str(wallet_id)), owner=actor.id, session=actor.session_id,
            reference=reference, rail=rail, request_id=context.request_id.get(), answer=answer,
        )
    )  # fmt: skip
    if outcome.state == State.PENDING and not outcome.replayed:
        ring("transactions.tasks.submit_to_rail", outcome.transaction)
    return outcome
