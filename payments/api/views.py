"""The doors to payments: paying a business or a request, giving back, asking for money."""

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import AmountNotPositive, AmountTooLarge, AmountTooPrecise, InvalidAmount
from core.money import decimal_string
from core.pagination import page_body, read_page
from customers.api.serializers import EmptySerializer
from customers.api.views import read_body
from customers.authentication import CustomerPrincipal, caller
from customers.models import Customer
from customers.permissions import LiveSession
from payments import errors, selectors, services
from payments.api import serializers as s
from payments.models import PaymentRequest
from payments.qr import content_of, payload_of, svg_of
from payments.services import Paying
from recalls.errors import RecallOpen
from transactions.api.requests import answer_with, idempotency_key, positive
from transactions.api.views import IDEMPOTENT, SENDING, TO_SOMEBODY, told
from transactions.errors import (
    CurrencyMismatch,
    HoldExpired,
    InsufficientFunds,
    NotRefundable,
    NotReversible,
    PayerUnavailable,
    RecipientNoMerchant,
    RecipientUnavailable,
    ReversalExceedsOriginal,
    TooManyHolds,
    TransactionNotFound,
)
from transactions.models import Transaction
from transactions.services.payments import PaymentOrder, preview_payment
from transactions.services.refunds import refund_payment
from wallets.errors import WalletClosed, WalletFrozen, WalletNotFound
from wallets.parties import Address
from wallets.selectors import shown_name

AMOUNTS: list[Any] = [InvalidAmount, AmountTooPrecise, AmountTooLarge, AmountNotPositive]
OF_REQUESTS: list[Any] = [
    errors.RequestNotFound, errors.RequestAmountMissing, errors.RequestCancelled, errors.RequestExpired,
    errors.RequestUsedUp, errors.RequestUsedUpByPayer, errors.RequestAmountMismatch, errors.RequestAmountOutOfBounds,
]  # fmt: skip
BY = {"wallet_id": "wallet", "phone_number": "phone", "email": "email"}


def order_in(request: Request, actor: CustomerPrincipal) -> tuple[PaymentOrder, PaymentRequest | None]:
    """What the body asks to be paid, and the request that it names. Raises: RequestNotFound, RequestAmountMissing, and
    those of amounts."""
    body = read_body(request, s.PayingSerializer)
    if code := body.get("request_code"):
        asked = selectors.by_code(code)
        if body.get("currency", asked.currency) != asked.currency:
            raise CurrencyMismatch(f"The request is in {asked.currency}.")
        return services.order_of(asked, paying_in(body, asked), actor), asked
    ((name, value),) = body["to"].items()
    return PaymentOrder(
        from_wallet_id=body["from_wallet_id"], to=Address(BY[name], str(value)),
        amount=positive(body["amount"], body["currency"]), memo=body.get("memo", ""),
        order_reference=body.get("order_reference"), reference=body.get("reference"),
    ), None  # fmt: skip


def paying_in(body: dict[str, Any], asked: PaymentRequest) -> Paying:
    amount = positive(body["amount"], asked.currency).amount_minor if "amount" in body else None
    return Paying(
        from_wallet_id=body["from_wallet_id"], amount=amount, memo=body.get("memo", ""),
        reference=body.get("reference"),
    )  # fmt: skip


class PaymentsView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = {"POST": [*SENDING, *TO_SOMEBODY, RecipientNoMerchant, *OF_REQUESTS, TooManyHolds, *IDEMPOTENT]}

    @extend_schema(operation_id="list_payments", parameters=[s.PaymentQuery], responses=s.ReceivedPaymentPageSerializer)
    def get(self, request: Request) -> Response:
        """Payments that you received under an order reference of yours, newest first."""
        page = read_page(request, s.PaymentQuery)
        payments = selectors.paid_to(caller(request).id, page.filters["order_reference"])
        if page.after:
            payments = payments.filter(pk__lt=page.after[0])
        rows = list(payments[: page.limit + 1])
        return Response(page_body(rows, page.limit, key=lambda row: [row.pk], shown=s.received_body))

    @extend_schema(operation_id="pay", request=s.PayingSerializer, responses={201: s.PaidSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Pay a business, or a payment request: at once, or refused with a code. Where the requester wants to confirm
        it the status is `pending`, and the money held."""
        key, actor = idempotency_key(request), caller(request)
        order, asked = order_in(request, actor)
        body = partial(
            s.paid_body, order_reference=order.order_reference, request_code=asked.spaced_code if asked else None
        )
        answer = answer_with(body, request)
        return told(services.pay_order(asked, order, actor=actor, idempotency_key=key, answer=answer))


class PaymentPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = [*SENDING, *TO_SOMEBODY, RecipientNoMerchant, *OF_REQUESTS]

    @extend_schema(
        operation_id="preview_payment", request=s.PayingSerializer, responses={200: s.PaymentPreviewSerializer}
    )
    def post(self, request: Request) -> Response:
        """What the same payment would do: to whom, at which fee, with which limits left. Posts and uses up nothing."""
        order, _ = order_in(request, caller(request))
        preview = preview_payment(order, actor=caller(request))
        currency = order.amount.currency

        def shown(amount: int | None) -> str | None:
            return None if amount is None else decimal_string(amount, currency)

        return Response(
            {
                "recipient": shown_name(Customer.objects.get(wallets=preview.payee)),
                "to_wallet_id": preview.payee,
                "amount": order.amount.decimal,
                "fee": shown(preview.fee),
                "total": shown(order.amount.amount_minor + preview.fee),
                "currency": currency,
                "balance_after": shown(preview.balance_after),
                "limits_left": {period: shown(left) for period, left in preview.limits_left.items()},
                "order_reference": order.order_reference,
            }
        )


class RefundsView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = [
        *SENDING[:6], TransactionNotFound, NotRefundable, NotReversible, ReversalExceedsOriginal, InsufficientFunds,
        WalletFrozen, WalletClosed, RecipientUnavailable, RecallOpen, *IDEMPOTENT,
    ]  # fmt: skip

    @extend_schema(operation_id="refund_payment", request=s.RefundSerializer, responses={201: s.RefundedSerializer})
    def post(self, request: Request, payment_id: UUID) -> HttpResponse:
        """Give a payment that you received back to its payer, in whole or in part, from the wallet it went to."""
        key, actor = idempotency_key(request), caller(request)
        body = read_body(request, s.RefundSerializer)
        currency = (
            Transaction.objects.filter(pk=payment_id, payee__customer_id=actor.id)
            .values_list("currency", flat=True)
            .first()
        )
        if currency is None:
            raise TransactionNotFound()
        outcome = refund_payment(
            payment_id,
            amount=positive(body["amount"], currency).amount_minor if "amount" in body else None,
            memo=body.get("reason", ""),
            actor=actor,
            idempotency_key=key,
            answer=answer_with(partial(s.refunded_body, payment_id=payment_id), request),
        )
        return told(outcome)


class PaymentRequestsView(APIView):
    permission_classes = [LiveSession]
    problems = {
        "POST": [
            *AMOUNTS, WalletNotFound, WalletClosed, CurrencyMismatch, errors.RequestNotWhole, errors.RequestExpiry,
        ]
    }  # fmt: skip

    @extend_schema(
        operation_id="list_payment_requests",
        parameters=[s.PaymentRequestQuery],
        responses=s.PaymentRequestPageSerializer,
    )
    def get(self, request: Request) -> Response:
        """What you asked for, the newest first."""
        page, at, me = read_page(request, s.PaymentRequestQuery), now(), caller(request).id
        requests = selectors.requests_of(me)
        if page.after:
            requests = requests.filter(pk__lt=page.after[0])
        if status := page.filters.get("status"):
            requests = requests.filter(selectors.standing(status, at))
        rows = list(requests[: page.limit + 1])
        return Response(
            page_body(rows, page.limit, key=lambda row: [row.pk], shown=lambda row: s.request_body(row, at, me))
        )

    @extend_schema(
        operation_id="create_payment_request",
        request=s.NewPaymentRequestSerializer,
        responses={201: s.PaymentRequestSerializer},
    )
    def post(self, request: Request) -> Response:
        """Ask for money: the answer has a code and a link to send, and there is a QR of it. Moves nothing."""
        asked, actor = s.read_new(read_body(request, s.NewPaymentRequestSerializer)), caller(request)
        made = services.create_request(asked, actor=actor)
        return Response(s.request_body(made, now(), actor.id), status=201)


class PaymentRequestView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.RequestNotFound]

    @extend_schema(operation_id="read_payment_request", responses=s.PaymentRequestSerializer)
    def get(self, request: Request, code: str) -> Response:
        """What you would pay, and to whom: for whoever has the code. How often it was paid, for who asks."""
        return Response(s.request_body(selectors.by_code(code), now(), caller(request).id))


class CancelView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.RequestNotFound, errors.RequestClosed]

    @extend_schema(
        operation_id="cancel_payment_request", request=EmptySerializer, responses={200: s.PaymentRequestSerializer}
    )
    def post(self, request: Request, code: str) -> Response:
        """Nobody pays it any more; what was paid stays paid. Cancelling again changes nothing and says the same."""
        read_body(request, EmptySerializer)
        actor = caller(request)
        asked = selectors.request_of(actor.id, code)
        return Response(s.request_body(services.cancel_request(asked.pk, actor=actor), now(), actor.id))


class UsesView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.RequestNotFound]

    @extend_schema(operation_id="list_payments_of_request", parameters=[s.UseQuery], responses=s.UsePageSerializer)
    def get(self, request: Request, code: str) -> Response:
        """What was paid on a request of yours, or awaits your confirmation, newest first."""
        page = read_page(request, s.UseQuery)
        uses = selectors.request_of(caller(request).id, code).uses.select_related("answer")
        if page.after:
            uses = uses.filter(pk__lt=page.after[0])
        rows = list(uses[: page.limit + 1])
        payments = selectors.payments_of(rows)
        return Response(
            page_body(rows, page.limit, key=lambda row: [row.pk], shown=lambda row: s.use_body(row, payments))
        )


class AnswerView(APIView):
    """What confirming and rejecting have in common."""

    permission_classes = [LiveSession]
    answer: Any

    def answered(self, request: Request, code: str, payment_id: UUID) -> Response:
        read_body(request, EmptySerializer)
        actor = caller(request)
        asked = selectors.request_of(actor.id, code)
        use = asked.uses.filter(pk=payment_id, is_promise=True).first()
        if use is None:
            raise errors.UseNotFound()
        use.answer = type(self).answer(use.pk, actor=actor)
        return Response(s.use_body(use, selectors.payments_of([use])))


class ConfirmView(AnswerView):
    problems = [
        *SENDING, *TO_SOMEBODY, errors.RequestNotFound, errors.UseNotFound, errors.UseAnswered, HoldExpired,
        PayerUnavailable,
    ]  # fmt: skip
    answer = staticmethod(services.confirm)

    @extend_schema(operation_id="confirm_payment_of_request", request=EmptySerializer, responses={200: s.UseSerializer})
    def post(self, request: Request, code: str, payment_id: UUID) -> Response:
        """Take what is held. Confirming again changes nothing and says the same."""
        return self.answered(request, code, payment_id)


class RejectView(AnswerView):
    problems = [errors.RequestNotFound, errors.UseNotFound, errors.UseAnswered]
    answer = staticmethod(services.reject)

    @extend_schema(operation_id="reject_payment_of_request", request=EmptySerializer, responses={200: s.UseSerializer})
    def post(self, request: Request, code: str, payment_id: UUID) -> Response:
        """Let it go: the money is the payer's to use again. Rejecting again changes nothing and says the same."""
        return self.answered(request, code, payment_id)


class PayView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = [*SENDING, *TO_SOMEBODY, *OF_REQUESTS, TooManyHolds, *IDEMPOTENT]

    @extend_schema(
        operation_id="pay_payment_request", request=s.PayRequestSerializer, responses={201: s.PaidSerializer}
    )
    def post(self, request: Request, code: str) -> HttpResponse:
        """Pay it: at once, or held until the requester confirms. The same as `POST /v1/payments` with its code."""
        key, actor = idempotency_key(request), caller(request)
        body = read_body(request, s.PayRequestSerializer)
        asked = selectors.by_code(code)
        answer = partial(s.paid_body, order_reference=asked.order_reference, request_code=asked.spaced_code)
        outcome = services.pay_request(
            asked, paying_in(body, asked), actor=actor, idempotency_key=key, answer=answer_with(answer, request)
        )
        return told(outcome)


class QrView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.RequestNotFound]

    @extend_schema(
        operation_id="read_payment_request_qr",
        parameters=[s.QrQuery],
        responses={(200, "image/svg+xml"): OpenApiTypes.STR},
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """Its QR as SVG: an EMVCo merchant-presented payload, or the link."""
        query = s.QrQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = selectors.by_code(code)
        content = query.validated_data.get("content") or content_of(asked)
        return HttpResponse(svg_of(payload_of(asked, content)), content_type="image/svg+xml")
