"""The door to holds: promised by the payer, captured or let go of by the payee."""

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.money import decimal_string
from core.pagination import page_body, read_page
from customers.api.serializers import EmptySerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import Customer
from customers.permissions import LiveSession
from transactions import errors, selectors
from transactions.api.hold_serializers import (
    CapturedSerializer,
    CaptureSerializer,
    HoldPageSerializer,
    HoldPreviewSerializer,
    HoldQuery,
    HoldSerializer,
    PlacedHoldSerializer,
    PlaceHoldSerializer,
    captured_body,
    hold_body,
    placed_body,
)
from transactions.api.requests import answer_with, idempotency_key, positive
from transactions.api.views import AMOUNTS, IDEMPOTENT, SENDING, TO_SOMEBODY, told
from transactions.movements import Terms
from transactions.services import holds
from wallets.errors import WalletClosed, WalletFrozen
from wallets.parties import Address
from wallets.selectors import shown_name


def read_hold(request: Request) -> holds.HoldOrder:
    """Raises: ValidationError, and those of `positive`."""
    body = read_body(request, PlaceHoldSerializer)
    ((by, value),) = body["to"].items()
    return holds.HoldOrder(
        from_wallet_id=body["from_wallet_id"],
        to=Address({"wallet_id": "wallet", "phone_number": "phone", "email": "email"}[by], str(value)),
        amount=positive(body["amount"], body["currency"]),
        memo=body.get("memo", ""),
        reference=body.get("reference"),
        order_reference=body.get("order_reference"),
        terms=Terms(body.get("expires_in"), body.get("expires_at"), body.get("capture_at")),
    )


PLACING = [*SENDING, *TO_SOMEBODY, errors.RecipientNoMerchant, errors.HoldDatesImpossible]
OF_ONE = [errors.HoldNotFound, errors.NotPayeeOfHold, errors.HoldOver]


class HoldsView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = [*PLACING, errors.TooManyHolds, *IDEMPOTENT]

    @extend_schema(operation_id="list_holds", parameters=[HoldQuery], responses=HoldPageSerializer)
    def get(self, request: Request) -> Response:
        """What you have promised and what is promised to you, newest first."""
        page = read_page(request, HoldQuery)
        rows = selectors.holds_of(
            caller(request).id, state=page.filters.get("status"), direction=page.filters.get("direction"),
            after=page.after[0] if page.after else None, limit=page.limit + 1,
        )  # fmt: skip
        return Response(page_body(rows, page.limit, key=lambda row: [row.id], shown=hold_body))

    @extend_schema(operation_id="place_hold", request=PlaceHoldSerializer, responses={201: PlacedHoldSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Set money aside for a merchant, who captures it, whole or in parts, or lets it go; else it expires."""
        key = idempotency_key(request)
        order, answer = read_hold(request), answer_with(placed_body, request)
        return told(holds.place_hold(order, actor=caller(request), idempotency_key=key, answer=answer))


class HoldPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = [*PLACING, errors.TooManyHolds]

    @extend_schema(operation_id="preview_hold", request=PlaceHoldSerializer, responses={200: HoldPreviewSerializer})
    def post(self, request: Request) -> Response:
        """What the same hold would do: for whom, at which fee, until when, with which limits left. Holds nothing."""
        order = read_hold(request)
        preview = holds.preview_hold(order, actor=caller(request))
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
                "available_after": shown(preview.available_after),
                "expires_at": preview.expires_at,
                "limits_left": {period: shown(left) for period, left in preview.limits_left.items()},
            }
        )


class HoldView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.HoldNotFound]

    @extend_schema(operation_id="read_hold", responses=HoldSerializer)
    def get(self, request: Request, hold_id: UUID) -> Response:
        """One of them, with its captures and what is left."""
        return Response(hold_body(selectors.hold_of(caller(request).id, hold_id)))


class CaptureView(APIView):
    permission_classes = [IsAuthenticated]  # session and suspension are looked at inside the posting transaction
    idempotent = True
    problems = [
        *AMOUNTS, SessionEnded, CustomerSuspended, *OF_ONE, errors.HoldExpired, errors.CaptureExceedsHold,
        errors.AmountBelowFee, errors.PayerUnavailable, WalletFrozen, WalletClosed, errors.BalanceLimitExceeded,
        errors.LimitsNotSet,
        *(error for error in IDEMPOTENT if error is not errors.ReferenceTaken),
    ]  # fmt: skip

    @extend_schema(operation_id="capture_hold", request=CaptureSerializer, responses={201: CapturedSerializer})
    def post(self, request: Request, hold_id: UUID) -> HttpResponse:
        """Take what was promised to you, whole or in part: a payment at once, or refused with a code."""
        key = idempotency_key(request)
        body = read_body(request, CaptureSerializer)
        hold = holds.hold_for(caller(request).id, hold_id)
        outcome = holds.capture_hold(
            hold, positive(body["amount"], hold.currency) if "amount" in body else None, final=body["final"],
            actor=caller(request), idempotency_key=key, answer=answer_with(captured_body, request),
        )  # fmt: skip
        return told(outcome)


class VoidView(APIView):
    permission_classes = [LiveSession]
    problems = OF_ONE

    @extend_schema(operation_id="void_hold", request=EmptySerializer, responses={200: HoldSerializer})
    def post(self, request: Request, hold_id: UUID) -> Response:
        """Let go of what you have not captured: it is the payer's again at once."""
        read_body(request, EmptySerializer)
        me = caller(request)
        holds.void_hold(hold_id, actor=me)
        return Response(hold_body(selectors.hold_of(me.id, hold_id)))
