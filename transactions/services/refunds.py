"""A merchant gives a payment back, in whole or in part: the same mirror as a reversal, by another hand."""

from collections.abc import Callable
from uuid import UUID

from django.db import transaction as db_transaction

from core import context
from core.errors import AmountNotPositive
from customers.authentication import CustomerPrincipal
from transactions.errors import NotReversible, TransactionNotFound
from transactions.models import Kind, ReversalReason, Transaction
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.posting import post_one
from transactions.services.reversals import obstacle

REASON = "merchant_refund"  # its row says what becomes of the fee (`services/fees.py`); staff do not choose it


def refund_payment(
    payment: UUID, *, amount: int | None = None, memo: str = "", actor: CustomerPrincipal, idempotency_key: str,
    answer: Answer | None = None, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Give ``amount`` minor units (None: all that is left) of a payment back to its payer, from the wallet it went to.

    Never more than the payment, with what staff have reversed of it. A refusal is an outcome with ``error``.

    Args:
        memo: why, for the payer to read.
    Raises: TransactionNotFound (also for a payment to somebody else), AmountNotPositive, NotReversible (nothing is
    left), and what an app above has against it (`obstacle`): while a sender's claim to it is open, its recipient
    answers that instead, or the money would go back twice.
    Locks: the payment, then both accounts.
    """
    with db_transaction.atomic():
        rows = Transaction.objects.select_for_update(no_key=True, of=("self",))
        original = rows.filter(pk=payment, payee__customer_id=actor.id).first()
        if original is None:
            raise TransactionNotFound()
        # Asked for before with this key, it is answered as it was then, whatever has come in the way since.
        before = Transaction.objects.filter(caller=actor.principal, idempotency_key=idempotency_key).first()
        if before is None and (stopped := obstacle(payment)) is not None:
            raise stopped
        if amount is None:
            amount = before.amount if before else original.amount - original.reversed_amount
            if not amount:
                raise NotReversible(f"This {original.kind} is {original.state}.", state=original.state)
        if amount <= 0:
            raise AmountNotPositive()
        policy = ReversalReason.objects.get(pk=REASON)
        return post(
            Movement(
                kind=Kind.REFUND, amount=amount, currency=original.currency, caller=actor.principal,
                key=idempotency_key, owner=actor.id, session=actor.session_id, reverses=original.pk,
                reason_code=policy.pk, refunds_fee=policy.refunds_fee, fee_by_share=policy.fee_by_share, memo=memo,
                request_id=context.request_id.get(), answer=answer,
            )
        )  # fmt: skip
