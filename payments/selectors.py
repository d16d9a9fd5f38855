"""Questions about payment requests. A customer's come filtered by the customer: somebody else's is a missing one."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import F, Q, QuerySet

from customers.models import CustomerState
from payments.codes import read_code
from payments.errors import RequestNotFound
from payments.models import PaymentRequest, RequestState, RequestUse, Status
from transactions.models import Kind, Transaction

PARTIES = ("payer__customer", "payee__customer")


def requests_of(customer_id: UUID) -> QuerySet[PaymentRequest]:
    """What this customer asks for, the newest first."""
    return PaymentRequest.objects.filter(customer_id=customer_id).select_related("customer__country")


def by_code(text: str) -> PaymentRequest:
    """Whoever has the code may look, and pay. Raises: RequestNotFound."""
    code = read_code(text)
    rows = PaymentRequest.objects.select_related("customer__country", "wallet__account")
    found = rows.filter(code=code).first() if code else None
    if found is None:
        raise RequestNotFound()
    return found


def request_of(customer_id: UUID, code: str) -> PaymentRequest:
    """Raises: RequestNotFound, also for somebody else's."""
    found = by_code(code)
    if found.customer_id != customer_id:
        raise RequestNotFound()
    return found


def why_unpayable(request: PaymentRequest) -> str:
    """Why who asks cannot be paid at all, for staff, as far as is seen without a lock; empty if they can. Reads the
    requester, the wallet and its account."""
    account = request.wallet.account
    if request.customer.state != CustomerState.ACTIVE:
        return "who asks is suspended"
    if account.closed_at is not None:
        return "the wallet is closed"
    return "the wallet is frozen and may not receive" if account.credits_frozen else ""


def awaiting(request: PaymentRequest) -> QuerySet[RequestUse]:
    """What is held on it until the requester confirms or rejects."""
    return request.uses.filter(is_promise=True, answer=None)


def nothing_to_cancel(request: PaymentRequest, at: datetime) -> Status | None:
    """How it ended, where it can end no other way: it is over, or paid for good as often as it may be."""
    status = request.status(at)
    if status == Status.USED_UP and awaiting(request).exists():
        return None  # what is rejected could be paid again
    return None if status == Status.OPEN else status


def standing(status: str, at: datetime) -> Q:
    """The requests that stand so at that moment: `PaymentRequest.status`, for the database."""
    cancelled, used_up = Q(state=RequestState.CANCELLED), Q(max_uses__isnull=False, used__gte=F("max_uses"))
    over = Q(state=RequestState.EXPIRED) | Q(expires_at__lte=at)
    return {
        Status.CANCELLED: cancelled,
        Status.USED_UP: ~cancelled & used_up,
        Status.EXPIRED: ~cancelled & ~used_up & over,
        Status.OPEN: ~cancelled & ~used_up & ~over,
    }[Status(status)]


def payments_of(uses: Sequence[RequestUse]) -> dict[UUID, Transaction]:
    """The payments of these uses, by id, with both parties: one statement. Of holds what was taken of them, too."""
    taken = [answer.payment for use in uses if (answer := getattr(use, "answer", None)) and answer.payment]
    return Transaction.objects.select_related(*PARTIES).in_bulk([*(use.pk for use in uses), *taken])


def paid_by(use: RequestUse, payments: Mapping[UUID, Transaction]) -> Transaction:
    """Of what `payments_of` found, the payment that came of a use: of a promise, once confirmed, what was taken of it;
    else the promise itself."""
    answer = getattr(use, "answer", None)
    return payments.get(answer.payment, payments[use.pk]) if answer and answer.payment else payments[use.pk]


def request_paid_by(payment: UUID) -> PaymentRequest | None:
    """The request that a payment paid."""
    use = RequestUse.objects.select_related("request__customer").filter(pk=payment).first()
    return use.request if use else None


def paid_to(customer_id: UUID, order_reference: str) -> QuerySet[Transaction]:
    """Payments that a merchant received under an order reference of theirs, the newest first: an index look-up. A hold
    bears the reference too, and is none: what was captured of it is."""
    return (
        Transaction.objects.filter(order_reference=order_reference, payee__customer_id=customer_id)
        .filter(kind=Kind.PAYMENT)
        .filter(state__in=["completed", "partially_reversed", "reversed"])
        .select_related(*PARTIES)
        .order_by("-pk")
    )
