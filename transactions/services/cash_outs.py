"""Money going out through a rail: held here with its fee, gone when the rail says that it has paid."""

from collections.abc import Callable
from uuid import UUID

from core import context
from core.bell import ring
from core.money import Money
from customers.authentication import CustomerPrincipal
from transactions.models import Kind, State
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.poster import submit
from transactions.services.conversions import at_quote
from wallets.parties import Address


def start_cash_out(
    wallet_id: UUID, amount: Money, bank_account: dict[str, str], *, actor: CustomerPrincipal, idempotency_key: str,
    reference: str | None = None, rail: str = "sandbox", quote: UUID | None = None, answer: Answer | None = None,
    post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Hold amount and fee on the caller's own wallet and ask ``rail`` to pay ``bank_account`` (bank_id,
    account_number, account_name): pending until the rail answers. With ``quote`` the account gets what it promises, in
    its currency, however long the rail takes; the wallet gives its own."""
    outcome = post(
        Movement(
            kind=Kind.CASH_OUT, amount=amount.amount_minor, currency=amount.currency, caller=actor.principal,
            key=idempotency_key, payer=Address("wallet", str(wallet_id)), owner=actor.id, session=actor.session_id,
            reference=reference, rail=rail, destination=bank_account, request_id=context.request_id.get(),
            answer=answer, **at_quote(quote, amount.currency, actor),
        )
    )  # fmt: skip
    if outcome.state == State.PENDING and not outcome.replayed:
        ring("transactions.tasks.submit_to_rail", outcome.transaction)
    return outcome
