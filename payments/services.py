"""What can be done with a payment request. Paying it is a payment like any other, which claims one use of it."""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction as db_transaction
from django.db.models import F, Q
from django.utils.timezone import now

from core import audit
from core.admin.lists import first_id_at
from core.audit import actor_name
from core.days import written
from core.errors import AmountNotPositive
from core.ids import uuid7
from core.money import Money
from core.rounds import each
from core.transitions import advance
from customers.authentication import CustomerPrincipal
from customers.links import leave_to_colleague
from notifications.services import Notice, notify_many
from payments.claims import RequestClaim
from payments.codes import new_code
from payments.errors import (
    RequestAmountMissing,
    RequestClosed,
    RequestExpiry,
    RequestNotFound,
    RequestNotWhole,
    UseAnswered,
    UseNotFound,
)
from payments.models import PaymentRequest, RequestState, RequestUse, UseAnswer
from payments.selectors import awaiting, nothing_to_cancel
from staff.models import User
from transactions.errors import CurrencyMismatch
from transactions.models import State, Transaction
from transactions.movements import Answer, Order, Outcome, Terms
from transactions.poster import submit
from transactions.posting import post_one
from transactions.rules.holds import LONGEST
from transactions.services.holds import HoldOrder, capture_hold, hold_for, place_hold, void_hold
from transactions.services.payments import PaymentOrder, pay, preview_payment
from transactions.services.transfers import Preview
from wallets.errors import WalletClosed
from wallets.parties import Address
from wallets.selectors import wallet_of

# What the end of a hold says of the promise; any other is that something was taken.
ENDED = {State.CANCELLED: UseAnswer.Outcome.REJECTED, State.EXPIRED: UseAnswer.Outcome.EXPIRED}


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
    needs_confirmation: bool = False
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
        raise RequestExpiry(latest=written(latest))
    with db_transaction.atomic():
        request = PaymentRequest.objects.create(
            code=new_code(), customer_id=actor.id, wallet=wallet, currency=asked.currency, amount=asked.amount,
            least=asked.least, most=asked.most, description=asked.description, order_reference=asked.order_reference,
            max_uses=asked.max_uses, max_uses_per_payer=asked.max_uses_per_payer,
            needs_confirmation=asked.needs_confirmation, expires_at=expires_at, created_at=at,
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

    Raises: RequestNotFound, RequestClosed (it has expired, or was paid as often as it may be), LinkedCustomer (a
    colleague does it). Locks: the request.
    """
    with db_transaction.atomic():
        rows = PaymentRequest.objects.select_for_update(no_key=True, of=("self",)).select_related("customer__country")
        request = rows.filter(pk=request_id).first()
        if request is None:
            raise RequestNotFound()
        if request.state == RequestState.CANCELLED:
            return request
        leave_to_colleague(actor, request.customer_id)
        if ended := nothing_to_cancel(request, now()):
            raise RequestClosed(state=ended)
        advance(request.cancel, actor=actor, reason=reason, at=now(), by=actor_name(actor), why=reason)
        if isinstance(actor, User):
            notify_many([told(request, "payment_request_cancelled")])
    return request


def pay_request(
    request: PaymentRequest, paying: Paying, *, actor: CustomerPrincipal, idempotency_key: str,
    answer: Answer | None = None, post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Pay it at once; or set the money aside, where the requester wants to confirm it. A refusal is an outcome with
    ``error``; those of requests are in `claims.py`.

    Raises: RequestAmountMissing. Locks: the request, then both accounts.
    """
    order = order_of(request, paying, actor)
    return pay_order(request, order, actor=actor, idempotency_key=idempotency_key, answer=answer, post=post)


def pay_order(
    request: PaymentRequest | None, order: PaymentOrder, *, actor: CustomerPrincipal, idempotency_key: str,
    answer: Answer | None = None, post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """The same, of an order that was made already."""
    if request is None or not request.needs_confirmation:
        return pay(order, actor=actor, idempotency_key=idempotency_key, answer=answer, post=post)
    # So many seconds from then on: asked for again with the same key, it is the same.
    terms = Terms(expires_in=settings.PAYMENT_CONFIRMATION_HOURS * 3600)
    fields = {field.name: getattr(order, field.name) for field in dataclass_fields(order)}
    held = HoldOrder(**fields, terms=terms)
    return place_hold(held, actor=actor, idempotency_key=idempotency_key, answer=answer, post=post)


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


def confirm(use: UUID, *, actor: CustomerPrincipal) -> UseAnswer:
    """The requester takes what was set aside. Confirmed before is no error.

    Raises: UseNotFound (also for somebody else's), UseAnswered, and what a capture is refused with: HoldExpired,
    SessionEnded, CustomerSuspended, WalletFrozen … Locks: the hold, the request, then both accounts.
    """
    return _answer(use, UseAnswer.Outcome.CONFIRMED, actor)


def reject(use: UUID, *, actor: CustomerPrincipal) -> UseAnswer:
    """The requester does not want it: the money is the payer's to use again, and the use may be somebody else's.
    Rejected before is no error. Of what was captured in part by another door the rest is let go of.

    Raises: UseNotFound, UseAnswered: also where it comes too late, or something was captured. Locks: as `confirm`.
    """
    return _answer(use, UseAnswer.Outcome.REJECTED, actor)


def _answer(use_id: UUID, outcome: UseAnswer.Outcome, actor: CustomerPrincipal) -> UseAnswer:
    with db_transaction.atomic():
        use = RequestUse.objects.filter(pk=use_id, is_promise=True, request__customer_id=actor.id).first()
        if use is None:
            raise UseNotFound()
        answer = _noted(use)
        if answer is None:
            if outcome == UseAnswer.Outcome.CONFIRMED:
                hold, key = hold_for(actor.id, use.pk), f"confirm-{use.pk}"
                capture_hold(hold, None, final=True, actor=actor, idempotency_key=key, post=post_one).or_raise()
            else:
                void_hold(use.pk, actor=actor)
            answer = _noted(use, by=actor.principal)
            assert answer is not None
            after = {"use": str(use.pk)}
            audit.record(
                actor=actor, action=f"{answer.outcome}_payment", subject=PaymentRequest(pk=use.request_id), after=after
            )
    if answer.outcome != outcome:  # outside: what became of it is committed too
        raise UseAnswered(outcome=answer.outcome)
    return answer


def _noted(use: RequestUse, *, by: str = "system") -> UseAnswer | None:
    """What became of a promise, noted once: its hold says it, whichever door ended that. None while it is open.

    Locks: the hold, then the request, in the order of the road that money takes; so that of two answers the second
    sees the first.
    """
    hold = Transaction.objects.select_for_update(no_key=True).get(pk=use.pk)
    PaymentRequest.objects.select_for_update(no_key=True).get(pk=use.request_id)
    before = UseAnswer.objects.filter(use=use).first()
    if before is not None or hold.state == State.PENDING:
        return before
    captured = Transaction.objects.filter(hold=use.pk).exclude(state=State.FAILED).order_by("pk").first()
    return UseAnswer.objects.create(
        use=use, outcome=ENDED.get(State(hold.state), UseAnswer.Outcome.CONFIRMED),
        payment=captured.pk if captured else None, answered_by=by, at=now(),
    )  # fmt: skip


def note_ended_promises() -> int:
    """Note what became of holds that ended without an answer by `confirm` or `reject`: not answered in time, or
    captured or let go by another door. How many. Safe to run in several workers at once."""
    since = first_id_at(now() - LONGEST - timedelta(days=1))
    waiting = RequestUse.objects.filter(is_promise=True, pk__gte=since, answer=None)
    over = Transaction.objects.filter(pk__in=waiting.values("pk")).exclude(state=State.PENDING)
    ended = waiting.filter(pk__in=list(over.values_list("pk", flat=True)))
    return each(list(ended.values_list("pk", flat=True)), _noted_once)


def _noted_once(use: UUID) -> bool:
    with db_transaction.atomic():
        return _noted(RequestUse.objects.get(pk=use)) is not None


def expire_requests() -> int:
    """Close every request whose time is over and that was not used up, and tell who made it; how many. Until then it
    is refused by the clock already. Safe to run in several workers at once."""
    waiting = Q(state=RequestState.OPEN, expires_at__lte=now()) & (Q(max_uses=None) | Q(used__lt=F("max_uses")))

    def expired(request_id: UUID) -> bool:
        with db_transaction.atomic():
            rows = PaymentRequest.objects.select_for_update(no_key=True, of=("self",), skip_locked=True)
            request = rows.filter(waiting, pk=request_id).first()
            if request is None:  # somebody was quicker, or is paying the last use
                return False
            advance(request.expire, actor=None, at=now())
            notify_many([told(request, "payment_request_expired")])
        return True

    due = PaymentRequest.objects.filter(waiting).order_by("expires_at").values_list("pk", flat=True)
    return each(list(due), expired)


def told(request: PaymentRequest, kind: str) -> Notice:
    """What whoever made it is told of its end, which comes once."""
    waiting = awaiting(request).count() if request.needs_confirmation else 0
    paid = request.used - waiting
    facts = {
        "amount": str(Money(request.amount, request.currency)) if request.amount is not None else "",
        "description": request.description,
        "order": request.order_reference or "",
        "code": request.spaced_code,
        "uses": "once" if paid == 1 else f"{paid:,} times" if paid else "",
        "awaiting": str(waiting or ""),
        "reason": request.close_reason,
    }
    return Notice(event=uuid7(), customer=request.customer_id, transaction=None, kind=kind, facts=facts)
