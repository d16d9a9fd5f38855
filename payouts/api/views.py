"""The doors to payouts: send a file in, look at it, approve, cancel, try again; and who approves for a business."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import AmountTooLarge, AmountTooPrecise, InvalidAmount
from core.money import Money
from core.pagination import page_body, read_page
from core.throttling import CustomerThrottle, FileThrottle
from customers.api.serializers import EmptySerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.permissions import LiveSession
from payouts import approvers, errors, selectors, services
from payouts.answers import Told
from payouts.api import serializers as s
from payouts.api.requests import read_payout
from payouts.models import Batch, BatchState
from payouts.results import result_file
from transactions.api.requests import idempotency_key
from transactions.errors import IdempotencyKeyReused, InvalidIdempotencyKey, LimitsNotSet, MissingIdempotencyKey
from wallets.errors import WalletClosed, WalletNotFound
from wallets.parties import Address

KEYED: list[Any] = [MissingIdempotencyKey, InvalidIdempotencyKey, IdempotencyKeyReused]


def told(answer: Told) -> HttpResponse:
    response = HttpResponse(answer.body, status=answer.status, content_type="application/json")
    if answer.replayed:
        response["Idempotency-Replayed"] = "true"
    return response


def needs_second(batch: Batch) -> bool:
    return batch.state == BatchState.VALIDATED and selectors.needs_second_person(batch, batch.customer)


def shown(batch: Batch) -> dict[str, Any]:
    return s.payout_body(batch, needs_second_person=needs_second(batch))


def checked(batch: Batch) -> dict[str, Any]:
    return s.checked_body(batch, needs_second_person=needs_second(batch))


class PayoutsView(APIView):
    permission_classes = [LiveSession]
    throttle_classes = [CustomerThrottle, FileThrottle]
    idempotent = True
    problems = {
        "POST": [
            errors.PayoutFileTooLarge, errors.PayoutFileUnreadable, errors.NoItems, errors.TooManyItems,
            errors.PayoutLinesUsedUp, errors.InvalidExecutionDate, errors.PayoutExists, AmountTooLarge, WalletNotFound,
            WalletClosed, LimitsNotSet, *KEYED,
        ]
    }  # fmt: skip

    @extend_schema(
        operation_id="make_payout",
        request={
            "application/json": s.NewPayoutSerializer,
            "multipart/form-data": s.PayoutFormSerializer,
            "text/csv": OpenApiTypes.BINARY,
        },
        responses={201: s.CheckedPayoutSerializer},
    )
    def post(self, request: Request) -> HttpResponse:
        """Send in up to 10,000 items, as JSON, as a form with a CSV file, or as the CSV itself with the other fields in
        the query. Nothing moves: the answer says what it comes to, or which lines to put right."""
        key = idempotency_key(request)
        order, file, wallet = read_payout(request)
        return told(
            services.make_payout(order, file, wallet, actor=caller(request), idempotency_key=key, shown=checked)
        )

    @extend_schema(operation_id="list_payouts", parameters=[s.PayoutQuery], responses=s.PayoutPageSerializer)
    def get(self, request: Request) -> Response:
        """Yours, and those of the businesses that you approve for; the newest first."""
        page = read_page(request, s.PayoutQuery)
        me = caller(request).id
        asked = {name: page.filters.get(name, "") for name in ("role", "status")}
        rows = selectors.page_of_payouts(me, **asked, after=page.after[0] if page.after else None, limit=page.limit + 1)
        alone = selectors.alone_left_of([row for row in rows if row.state == BatchState.VALIDATED])

        def body(row: Batch) -> dict[str, Any]:
            return s.payout_body(
                row, needs_second_person=row.total > alone.get((row.customer_id, row.currency), row.total)
            )

        return Response(page_body(rows, page.limit, key=lambda row: [row.pk], shown=body))


class PayoutView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.PayoutNotFound]

    @extend_schema(operation_id="read_payout", responses=s.CheckedPayoutSerializer)
    def get(self, request: Request, payout_id: UUID) -> Response:
        """One of them: what it comes to, what was wrong or odd, and how far it is."""
        return Response(checked(selectors.payout_for(caller(request).id, payout_id)))


class PayoutItemsView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.PayoutNotFound]

    @extend_schema(
        operation_id="list_payout_items", parameters=[s.ItemQuery], responses=s.PayoutItemResultPageSerializer
    )
    def get(self, request: Request, payout_id: UUID) -> Response:
        """Its items in the order of the file, with whom each reaches and what came of it. A draft has none."""
        page = read_page(request, s.ItemQuery)
        batch = selectors.payout_for(caller(request).id, payout_id)
        after = page.after[0] if page.after else 0
        rows = selectors.items_of(batch.pk, after=after, state=page.filters.get("status", ""), limit=page.limit + 1)
        body = page_body(
            rows, page.limit, key=lambda row: [row.line], shown=lambda row: s.item_body(row, batch.currency)
        )
        return Response(body)


class PayoutResultsView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.PayoutNotFound]

    @extend_schema(operation_id="read_payout_results", responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, payout_id: UUID) -> HttpResponse:
        """All items with what came of each, as a CSV file."""
        batch = selectors.payout_for(caller(request).id, payout_id)
        response = HttpResponse(b"".join(result_file(batch)), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="payout-{batch.pk}.csv"'
        return response


class PayoutApproveView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = [errors.PayoutNotFound, errors.PayoutNotOpen, errors.SecondPersonNeeded, *KEYED]

    @extend_schema(operation_id="approve_payout", request=EmptySerializer, responses={200: s.PayoutSerializer})
    def post(self, request: Request, payout_id: UUID) -> HttpResponse:
        """Let it be paid, at once or on its day. Of a business one of its approvers does; the owner alone only within
        what those have set."""
        key = idempotency_key(request)
        read_body(request, EmptySerializer)
        return told(services.approve(payout_id, actor=caller(request), idempotency_key=key, shown=shown))


class PayoutCancelView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.PayoutNotFound, errors.PayoutNotOpen]

    @extend_schema(operation_id="cancel_payout", request=s.CancelSerializer, responses={200: s.PayoutSerializer})
    def post(self, request: Request, payout_id: UUID) -> Response:
        """Call it off, as its owner or approver, until the first item is paid; the others are told. Again changes
        nothing."""
        body = read_body(request, s.CancelSerializer)
        return Response(shown(services.cancel(payout_id, actor=caller(request), note=body.get("reason", ""))))


class PayoutRetryView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = [errors.PayoutNotFound, errors.PayoutNotOpen, errors.NothingToRetry, errors.PayoutExists, *KEYED]

    @extend_schema(operation_id="retry_payout", request=EmptySerializer, responses={200: s.PayoutSerializer})
    def post(self, request: Request, payout_id: UUID) -> HttpResponse:
        """Try those items once more that were refused; who was paid is not paid again. Its approval stands."""
        key = idempotency_key(request)
        read_body(request, EmptySerializer)
        return told(services.retry(payout_id, actor=caller(request), idempotency_key=key, shown=shown))


# --- Approvers -------------------------------------------------------------------------------------------------------


class ApproversView(APIView):
    permission_classes = [LiveSession]
    problems = {
        "POST": [
            errors.NotABusiness, errors.ApproverNotFound, errors.ApproverIsOwner, errors.ApproverExists,
            errors.TooManyApprovers,
        ]
    }  # fmt: skip

    @extend_schema(
        operation_id="list_payout_approvers", parameters=[s.ApproverQuery], responses=s.ApproverPageSerializer
    )
    def get(self, request: Request) -> Response:
        """Who approves your payouts, and whose payouts you approve; the oldest first."""
        page = read_page(request, s.ApproverQuery)
        me = caller(request).id
        rows = selectors.approvers_around(me)
        if page.after:
            rows = rows.filter(pk__gt=page.after[0])
        found = list(rows[: page.limit + 1])
        return Response(
            page_body(found, page.limit, key=lambda row: [row.pk], shown=lambda row: s.approver_body(row, me))
        )

    @extend_schema(
        operation_id="name_payout_approver", request=s.NewApproverSerializer, responses={201: s.ApproverSerializer}
    )
    def post(self, request: Request) -> Response:
        """Ask another customer to approve payouts of your business. They are told, and accept or decline."""
        ((name, value),) = read_body(request, s.NewApproverSerializer).items()
        to = Address("phone" if name == "phone_number" else "email", value)
        me = caller(request)
        return Response(s.approver_body(approvers.name_approver(to, actor=me), me.id), status=201)


class ApproverAcceptView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.ApproverNotFound, errors.ApproverClosed]

    @extend_schema(operation_id="accept_to_approve", request=EmptySerializer, responses={200: s.ApproverSerializer})
    def post(self, request: Request, approver_id: UUID) -> Response:
        """Agree to approve payouts of the business that asks. Again changes nothing."""
        read_body(request, EmptySerializer)
        me = caller(request)
        return Response(s.approver_body(approvers.accept(approver_id, actor=me), me.id))


class ApproverEndView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.ApproverNotFound]

    @extend_schema(operation_id="end_payout_approver", request=EmptySerializer, responses={200: s.ApproverSerializer})
    def post(self, request: Request, approver_id: UUID) -> Response:
        """Decline, step down, or take the right away: either side may. Again changes nothing."""
        read_body(request, EmptySerializer)
        me = caller(request)
        return Response(s.approver_body(approvers.end(approver_id, actor=me), me.id))


class AloneLimitView(APIView):
    permission_classes = [LiveSession]
    problems = [
        errors.NotABusiness, errors.ApproverNotFound, errors.OnlyApproversRaise, InvalidAmount, AmountTooPrecise,
        AmountTooLarge,
    ]  # fmt: skip

    @extend_schema(
        operation_id="set_alone_limit", request=s.NewAloneLimitSerializer, responses={200: s.AloneLimitSerializer}
    )
    def post(self, request: Request) -> Response:
        """Say up to how much in 24 hours the owner approves alone. An approver says it; the owner may lower it."""
        body = read_body(request, s.NewAloneLimitSerializer)
        me = caller(request)
        amount = Money.parse(body["amount"], body["currency"])
        if amount.amount_minor < 0:
            raise InvalidAmount()
        business = me.id
        if named := body.get("approver_id"):
            business = selectors.approver_for(me.id, named).business_id
        row = approvers.set_alone(business, amount, actor=me)
        return Response(s.alone_body(row, selectors.alone_left(business, row.currency)))
