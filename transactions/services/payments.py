"""Paying a merchant, or what somebody has asked for; and asking beforehand what it would do."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from core import context
from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Customer
from transactions.claims import Claim
from transactions.errors import RecipientNoMerchant
from transactions.models import Kind
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.poster import submit
from transactions.services.transfers import Preview, preview_of
from wallets.parties import Address

OWNER_AT = {"wallet": "wallets__pk", "phone": "phone_number", "email": "email"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """What a customer pays: ``to`` is a wallet id, phone number or e-mail. ``order_reference`` is the merchant's,
    ``reference`` the payer's own. ``claim``: what it uses up, one use of a payment request."""

    from_wallet_id: UUID
    to: Address
    amount: Money
    memo: str = ""
    order_reference: str | None = None
    reference: str | None = None
    claim: Claim | None = None


def pay(
    order: PaymentOrder, *, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None = None,
    post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Pay at once. A refusal is an outcome with ``error``; the attempt is kept where it was understood.

    Raises: RecipientNoMerchant, for a person who has not asked for it by a request.
    """
    refuse_person(order)
    return post(payment_movement(order, actor, idempotency_key, answer))


def preview_payment(order: PaymentOrder, *, actor: CustomerPrincipal) -> Preview:
    """The verdict, fee, lines and limits of the same payment; posts nothing and keeps nothing, uses nothing up.

    Raises: what `pay` would be refused with.
    """
    refuse_person(order)
    return preview_of(payment_movement(order, actor, f"preview-{uuid7()}", None))


def refuse_person(order: PaymentOrder) -> None:
    """Somebody who is not there is refused where everybody is looked up. Raises: RecipientNoMerchant."""
    if order.claim is not None:
        return
    types = Customer.objects.filter(**{OWNER_AT[order.to.by]: order.to.value}).values_list("account_type", flat=True)
    if AccountType.INDIVIDUAL in types:
        raise RecipientNoMerchant()


def payment_movement(
    order: PaymentOrder, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None, kind: str = Kind.PAYMENT
) -> Movement:
    return Movement(
        kind=kind, amount=order.amount.amount_minor, currency=order.amount.currency, caller=actor.principal,
        key=idempotency_key, payer=Address("wallet", str(order.from_wallet_id)), payee=order.to, owner=actor.id,
        session=actor.session_id, memo=order.memo, reference=order.reference, claim=order.claim,
        order_reference=order.order_reference, request_id=context.request_id.get(), answer=answer,
    )  # fmt: skip
