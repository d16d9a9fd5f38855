"""What can be done with a payment request. Paying it is a payment like any other, which claims one use of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction as db_transaction
from django.db.models import F, Q
from django.utils.timezone import now

from core import audit
from core.audit import actor_name
from core.errors import AmountNotPositive
from core.ids import uuid7
from core.money import Money
from core.transitions import advance
from customers.authentication import CustomerPrincipal
from notifications.services import Notice, notify_many
from payments.claims import RequestClaim
from payments.codes import new_code
from payments.errors import RequestAmountMissing, RequestClosed, RequestExpiry, RequestNotFound, RequestNotWhole
from payments.models import PaymentRequest, RequestState
from staff.models import User
from transactions.errors import CurrencyMismatch
from transactions.movements import Answer, Order, Outcome
from transactions.poster import submit
from transactions.services.payments import PaymentOrder, pay, preview_payment
from transactions.services.transfers import Preview
from wallets.errors import WalletClosed
from wallets.parties import Address
from wallets.selectors import wallet_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """What somebody asks for: a fixed ``amount``, or of an open one the ``least`` and ``most``, minor units of
    ``currency``. None is no limit on uses; ``expires_at`` None: after PAYMENT_REQUEST_HOURS."""

    wallet_id: UUID
    currency: str
    amount: int | None = None
    least: int | None = None
    most: int | None = None
    description: str = ""
    order_reference: str | None = None
    max_uses: int | None = 1
    max_uses_per_payer: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paying:
    """What somebody pays on a request; ``amount`` minor units, None where the request says it. Without a ``memo`` the
    payment bears the request's description."""

    from_wallet_id: UUID
    amount: int | None = None
    memo: str = ""
    reference: str | None = None


def create_request(asked: NewRequest, *, actor: CustomerPrincipal) -> PaymentRequest:
    """Ask for money. Raises: WalletNotFound, WalletClosed, CurrencyMismatch, AmountNotPositive, RequestNotWhole,
    RequestExpiry."""
    wallet = wallet_of(actor.id, asked.wallet_id)
    if wallet.closed_at:
        raise WalletClosed()
    if wallet.currency != asked.currency:
        raise CurrencyMismatch(f"This wallet holds {wallet.currency}.", wallet_currency=wallet.currency)
    refuse_amounts(asked)
    at = now()
    expires_at = asked.expires_at or at + timedelta(hours=settings.PAYMENT_REQUEST_HOURS)
    latest = at + timedelta(days=settings.PAYMENT_REQUEST_MOST_DAYS)
    if not at < expires_at <= latest:
        raise RequestExpiry(latest=latest.isoformat())
    with db_transaction.atomic():
        request = PaymentRequest.objects.create(
            code=new_code(), customer_id=actor.id, wallet=wallet, currency=asked.currency, amount=asked.amount,
            least=asked.least, most=asked.most, description=asked.description, order_reference=asked.order_reference,
            max_uses=asked.max_uses, max_uses_per_payer=asked.max_uses_per_payer, expires_at=expires_at,
            created_at=at,
        )  # fmt: skip
        after = {"amount_minor": asked.amount, "currency": asked.currency, "wallet": str(wallet.pk)}
        audit.record(actor=actor, action="create_payment_request", subject=request, after=after)
    return PaymentRequest.objects.select_related("customer__country").get(pk=request.pk)


def refuse_amounts(asked: NewRequest) -> None:
    """Raises: AmountNotPositive, RequestNotWhole."""
    if any(amount is not None and amount <= 0 for amount in (asked.amount, asked.least, asked.most)):
        raise AmountNotPositive()
    bounded = asked.least is not None or asked.most is not None
    if asked.amount is not None and bounded:
        raise RequestNotWhole("A fixed amount has no bounds.")
    if asked.least is not None and asked.most is not None and asked.least > asked.most:
        raise RequestNotWhole("The least is more than the most.")


def cancel_request(request_id: UUID, *, actor: Any, reason: str = "") -> PaymentRequest:
    """Nobody pays it any more; what was paid stays paid. Cancelled before is no error. The requester is told when it
    was one of us.

    Raises: RequestNotFound, RequestClosed (it has expired). Locks: the request.
    """
    with db_transaction.atomic():
        rows = PaymentRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("customer__country")
        request = rows.filter(pk=request_id).first()
        if request is None:
            raise RequestNotFound()
        if request.state == RequestState.CANCELLED:
            return request
        if request.state != RequestState.OPEN:
            raise RequestClosed(state=request.state)
        advance(request.cancel, actor=actor, reason=reason, at=now(), by=actor_name(actor), why=reason)
        if isinstance(actor, User):
            notify_many([told(request, "payment_request_cancelled")])
    return request


def pay_request(
    request: PaymentRequest, paying: Paying, *, actor: CustomerPrincipal, idempotency_key: str,
    answer: Answer | None = None, post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Pay it at once. A refusal is an outcome with ``error``; those of requests are in `claims.py`.

    Raises: RequestAmountMissing. Locks: the request, then both accounts.
    """
    return pay(order_of(request, paying, actor), actor=actor, idempotency_key=idempotency_key, answer=answer, post=post)


def preview_request(request: PaymentRequest, paying: Paying, *, actor: CustomerPrincipal) -> Preview:
    """What paying it would do; uses nothing up. Raises: what `pay_request` would be refused with."""
    return preview_payment(order_of(request, paying, actor), actor=actor)


def order_of(request: PaymentRequest, paying: Paying, actor: CustomerPrincipal) -> PaymentOrder:
    """Raises: RequestAmountMissing."""
    amount = request.amount if paying.amount is None else paying.amount
    if amount is None:
        raise RequestAmountMissing()
    return PaymentOrder(
        from_wallet_id=paying.from_wallet_id, to=Address("wallet", str(request.wallet_id)),
        amount=Money(amount, request.currency), memo=paying.memo or request.description,
        order_reference=request.order_reference, reference=paying.reference,
        claim=RequestClaim(request.pk, actor.id),
    )  # fmt: skip


def expire_requests() -> int:
    """Close every request whose time is over and that was not used up, and tell who made it; how many. Until then it
    is refused by the clock already. Safe to run in several workers at once."""
    expired = 0
    waiting = Q(state=RequestState.OPEN, expires_at__lte=now()) & (Q(max_uses=None) | Q(used__lt=F("max_uses")))
    for request_id in PaymentRequest.objects.filter(waiting).order_by("expires_at").values_list("pk", flat=True):
        with db_transaction.atomic():
            rows = PaymentRequest.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
            request = rows.filter(waiting, pk=request_id).first()
            if request is None:  # somebody was quicker, or is paying the last use
                continue
            advance(request.expire, actor=None, at=now())
            notify_many([told(request, "payment_request_expired")])
            expired += 1
    return expired


def told(request: PaymentRequest, kind: str) -> Notice:
    """What whoever made it is told of its end, which comes once."""
    facts = {
        "amount": str(Money(request.amount, request.currency)) if request.amount is not None else "",
        "description": request.description,
        "order": request.order_reference or "",
        "code": request.spaced_code,
        "uses": str(request.used) if request.used else "",
        "reason": request.close_reason,
    }
    return Notice(event=uuid7(), customer=request.customer_id, transaction=None, kind=kind, facts=facts)
