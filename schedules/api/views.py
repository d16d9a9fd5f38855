"""The door to standing orders, for those who pay by them. Setting one up moves no money; its dates do."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import AmountNotPositive, AmountTooLarge, AmountTooPrecise, InvalidAmount
from core.pagination import page_body, read_page
from customers.api.serializers import EmptySerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.models import Customer
from customers.permissions import LiveSession
from schedules import errors, selectors, services
from schedules.api import serializers as s
from schedules.models import OrderVersion, StandingOrder
from transactions.api.requests import idempotency_key
from transactions.errors import (
    CurrencyMismatch,
    IdempotencyKeyReused,
    InvalidIdempotencyKey,
    MissingIdempotencyKey,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientUnavailable,
    SelfTransfer,
)
from wallets.errors import WalletClosed, WalletNotFound

AMOUNTS: list[Any] = [InvalidAmount, AmountTooPrecise, AmountTooLarge, AmountNotPositive]
DATES: list[Any] = [errors.StartPassed, errors.StartTooFarAhead, errors.NoDates]
TWELVE = 12


def shown(*orders: StandingOrder) -> dict[UUID, dict[str, Any]]:
    """Orders as they are now, by id; the same statements for one and for a page."""
    versions: dict[Any, OrderVersion] = selectors.versions_now(orders)
    days = selectors.calendars(order.customer.country_id for order in orders)
    reasons = selectors.ended_reasons(orders)
    bodies, at = {}, selectors.database_now()
    for order in orders:
        version = versions[order.pk]
        dates = selectors.first_dates(order, version, days[order.customer.country_id], at=at)
        planned = [(one.planned, one.due) for one in dates]
        bodies[order.pk] = s.order_body(order, version, planned, reasons.get(order.pk))
    return bodies


def answer(order: StandingOrder) -> Response:
    return Response(shown(order)[order.pk])


class StandingOrdersView(APIView):
    permission_classes = [LiveSession]
    idempotent = True
    problems = {
        "POST": [
            *AMOUNTS, *DATES, WalletNotFound, WalletClosed, CurrencyMismatch, SelfTransfer, RecipientNotFound,
            RecipientHasNoWallet, RecipientUnavailable, errors.TooManyStandingOrders, MissingIdempotencyKey,
            InvalidIdempotencyKey, IdempotencyKeyReused,
        ]
    }  # fmt: skip

    @extend_schema(
        operation_id="list_standing_orders", parameters=[s.StandingOrderQuery], responses=s.StandingOrderPageSerializer
    )
    def get(self, request: Request) -> Response:
        """Yours, the newest first, with those that have ended."""
        page = read_page(request, s.StandingOrderQuery)
        orders = selectors.orders_of(caller(request).id)
        if page.after:
            orders = orders.filter(pk__lt=page.after[0])
        if status := page.filters.get("status"):
            orders = orders.filter(state=status)
        rows = list(orders[: page.limit + 1])
        bodies = shown(*rows)
        return Response(page_body(rows, page.limit, key=lambda row: [row.pk], shown=lambda row: bodies[row.pk]))

    @extend_schema(
        operation_id="create_standing_order",
        request=s.NewStandingOrderSerializer,
        responses={201: s.StandingOrderSerializer},
    )
    def post(self, request: Request) -> Response:
        """Pay somebody on dates: once, daily, weekly or monthly. Each date is a transfer of its own in your history."""
        key = idempotency_key(request)
        asked = s.read_order(read_body(request, s.NewStandingOrderSerializer))
        order, was_there = services.create_order(asked, actor=caller(request), idempotency_key=key)
        response = Response(s.created_body(order), status=201)
        if was_there:
            response["Idempotency-Replayed"] = "true"
        return response


class StandingOrderPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = DATES

    @extend_schema(
        operation_id="preview_standing_order", request=s.ScheduleSerializer, responses={200: s.PlannedDatesSerializer}
    )
    def post(self, request: Request) -> Response:
        """The first twelve dates of a schedule, moved as the calendar of your country says. Keeps nothing."""
        schedule = s.read_schedule(read_body(request, s.ScheduleSerializer))
        customer = Customer.objects.select_related("country").get(pk=caller(request).id)
        dates = services.preview_dates(customer, schedule, TWELVE)
        recurrence = schedule.recurrence(schedule.start_on)
        said = services.how_often(recurrence.frequency, recurrence.every, recurrence.month_day)
        return Response({"dates": s.dates_body((one.planned, one.due) for one in dates), "how_often": said})


class StandingOrderView(APIView):
    permission_classes = [LiveSession]
    problems = {
        "GET": [errors.StandingOrderNotFound],
        "PATCH": [
            *AMOUNTS,
            errors.StandingOrderNotFound,
            errors.StandingOrderClosed,
            errors.NoDates,
            errors.ChangedTooOften,
        ],
    }

    @extend_schema(operation_id="read_standing_order", responses=s.StandingOrderSerializer)
    def get(self, request: Request, order_id: UUID) -> Response:
        """One of yours, with its next dates."""
        return answer(selectors.order_of(caller(request).id, order_id))

    @extend_schema(
        operation_id="change_standing_order",
        request=s.StandingOrderChangeSerializer,
        responses={200: s.StandingOrderSerializer},
    )
    def patch(self, request: Request, order_id: UUID) -> Response:
        """Another amount, memo or end from the next date on; one that has begun and waits for money keeps what it began
        with, and can be skipped. For another recipient or other days set up another one."""
        body = read_body(request, s.StandingOrderChangeSerializer)
        order = selectors.order_of(caller(request).id, order_id)
        changes = s.read_changes(body, order.currency)
        return answer(services.change_order(order.pk, changes, actor=caller(request)))


class PauseView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.StandingOrderNotFound, errors.StandingOrderClosed]

    @extend_schema(
        operation_id="pause_standing_order", request=EmptySerializer, responses={200: s.StandingOrderSerializer}
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Nothing runs until you resume it; what waits for another try is stopped. Said again it changes nothing."""
        read_body(request, EmptySerializer)
        return answer(services.pause_order(order_id, actor=caller(request)))


class ResumeView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.StandingOrderNotFound, errors.StandingOrderClosed, errors.StandingOrderPausedByUs]

    @extend_schema(
        operation_id="resume_standing_order", request=EmptySerializer, responses={200: s.StandingOrderSerializer}
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """It goes on with the next date. Dates that passed while it was paused are not made up; where none is left
        it ends."""
        read_body(request, EmptySerializer)
        return answer(services.resume_order(order_id, actor=caller(request)))


class SkipView(APIView):
    permission_classes = [LiveSession]
    problems = [
        errors.StandingOrderNotFound, errors.StandingOrderClosed, errors.StandingOrderPaused, errors.NotNextDate,
    ]  # fmt: skip

    @extend_schema(
        operation_id="skip_standing_order_date",
        request=s.SkipDateSerializer,
        responses={200: s.StandingOrderSerializer},
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """Leave the next date out, or one that waits for money. You name it, so that saying so twice skips one date and
        not two."""
        body = read_body(request, s.SkipDateSerializer)
        return answer(services.skip_date(order_id, body["due_on"], actor=caller(request)))


class CancelView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.StandingOrderNotFound, errors.StandingOrderClosed]

    @extend_schema(
        operation_id="cancel_standing_order", request=EmptySerializer, responses={200: s.StandingOrderSerializer}
    )
    def post(self, request: Request, order_id: UUID) -> Response:
        """For good; what waits for another try is stopped. Said again it changes nothing."""
        read_body(request, EmptySerializer)
        return answer(services.cancel_order(order_id, actor=caller(request)))


class RunsView(APIView):
    permission_classes = [LiveSession]
    problems = [errors.StandingOrderNotFound]

    @extend_schema(
        operation_id="list_standing_order_runs", parameters=[s.RunQuery], responses=s.StandingOrderRunPageSerializer
    )
    def get(self, request: Request, order_id: UUID) -> Response:
        """What became of its dates, the latest first: with the transaction and receipt, or why there is none."""
        page = read_page(request, s.RunQuery)
        order = selectors.order_of(caller(request).id, order_id)
        runs = selectors.runs_of(order)
        if page.after:
            runs = runs.filter(due_on__lt=page.after[0])
        rows = list(runs[: page.limit + 1])
        return Response(
            page_body(rows, page.limit, key=lambda row: [row.due_on], shown=lambda row: s.run_body(row, order.currency))
        )
