"""What standing orders look like on the wire. Dates are calendar days of the customer's country; instants are UTC."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.errors import AmountNotPositive
from core.money import Money, decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import AmountField, CurrencyField, StrictSerializer, TextField, WholeField
from schedules.models import OrderEvent, OrderRun, OrderState, OrderVersion, RunState, StandingOrder
from schedules.selectors import runs_left
from schedules.services import NewOrder, Schedule, is_of_staff
from transactions.api.requests import positive
from transactions.api.serializers import RecipientSerializer
from wallets.parties import Address
from wallets.selectors import masked_name

NAMES = {"wallet_id": "wallet", "phone_number": "phone", "email": "email"}
MOST_RUNS = 10_000
SCHEDULE = {"frequency": "monthly", "start_on": "2026-03-31", "day_of_month": 31, "business_day_rule": "previous"}


class StandingOrderQuery(PageQuery):
    status = serializers.ChoiceField(choices=OrderState.choices, required=False)
    cursor = CursorField(UUID)


class RunQuery(PageQuery):
    cursor = CursorField(date.fromisoformat)


class ScheduleSerializer(StrictSerializer):
    openapi = {"examples": [SCHEDULE]}

    frequency = serializers.ChoiceField(choices=StandingOrder.Frequency.choices)
    every = WholeField(min_value=1, max_value=99, default=1, help_text="so many days, weeks or months; not of `once`")
    start_on = serializers.DateField(help_text="today or later, in your country")
    day_of_month = WholeField(
        min_value=1, max_value=31, required=False, allow_null=True,
        help_text="of a monthly one; by default the day of the start. In a shorter month it is the last day, so that "
        "31 is always the last.",
    )  # fmt: skip
    business_day_rule = serializers.ChoiceField(
        choices=StandingOrder.Rule.choices, default=StandingOrder.Rule.SAME,
        help_text="when the date is a weekend or public holiday in your country",
    )  # fmt: skip
    end_on = serializers.DateField(required=False, allow_null=True, help_text="no date is planned after this day")
    runs = WholeField(
        min_value=1, max_value=MOST_RUNS, required=False, allow_null=True,
        help_text="how many dates, whatever becomes of them; skipped ones do not count",
    )  # fmt: skip

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        frequency = attrs["frequency"]
        if attrs.get("day_of_month") is not None and frequency != StandingOrder.Frequency.MONTHLY:
            raise serializers.ValidationError({"day_of_month": ["Only a monthly one has a day of the month."]})
        if attrs["every"] != 1 and frequency == StandingOrder.Frequency.ONCE:
            raise serializers.ValidationError({"every": ["Once is once."]})
        return attrs


class RetrySerializer(StrictSerializer):
    """When there is not enough money."""

    openapi = {"examples": [{"times": 3, "every_hours": 24}]}

    times = WholeField(min_value=0, max_value=10, default=3)
    every_hours = WholeField(min_value=1, max_value=168, default=24)


class NewStandingOrderSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "to": {"phone_number": "+254712345678"},
                "amount": "15000.00", "currency": "KES", "memo": "rent", "schedule": SCHEDULE,
                "retry": {"times": 3, "every_hours": 24},
            }
        ]
    }  # fmt: skip

    from_wallet_id = serializers.UUIDField()
    to = RecipientSerializer()
    amount = AmountField()
    currency = CurrencyField()
    memo = TextField(max_length=140, required=False, allow_blank=True, help_text="the recipient reads it")
    schedule = ScheduleSerializer()
    retry = RetrySerializer(required=False)

    def validate_to(self, to: dict[str, Any]) -> Address:
        if len(to) != 1:
            raise serializers.ValidationError("Give exactly one of wallet_id, phone_number and email.")
        ((name, value),) = to.items()
        return Address(NAMES[name], str(value))


class StandingOrderChangeSerializer(StrictSerializer):
    """What is sent changes, from the next date on."""

    openapi = {"minProperties": 1, "examples": [{"amount": "16000.00", "end_on": None}]}

    amount = AmountField(required=False)
    memo = TextField(max_length=140, required=False, allow_blank=True)
    end_on = serializers.DateField(required=False, allow_null=True)
    runs = WholeField(
        min_value=1,
        max_value=MOST_RUNS,
        required=False,
        allow_null=True,
        help_text="all told, those of before included",
    )


class SkipDateSerializer(StrictSerializer):
    openapi = {"examples": [{"due_on": "2026-04-30"}]}

    due_on = serializers.DateField(help_text="the next date, as `next_dates` says it, or one that waits for money")


class PlannedDateSerializer(serializers.Serializer):
    planned_on = serializers.DateField(help_text="as you said it")
    due_on = serializers.DateField(help_text="as the calendar of your country puts it")


class PlannedDatesSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "dates": [
                    {"planned_on": "2026-03-31", "due_on": "2026-03-31"},
                    {"planned_on": "2026-04-30", "due_on": "2026-04-30"},
                    {"planned_on": "2026-05-31", "due_on": "2026-05-29"},
                ],
                "how_often": "each month on the last day",
            }
        ]
    }  # fmt: skip

    dates = PlannedDateSerializer(many=True)
    how_often = serializers.CharField(help_text="in words")


class StandingOrderSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "standing_order_id": "01981f73-2b4e-7a90-9c11-4d5e6f708192",
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21",
                "to_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "recipient": "Eric H.", "amount": "15000.00",
                "currency": "KES", "memo": "rent", "version": 1,
                "schedule": SCHEDULE | {"every": 1, "end_on": None, "runs": None},
                "retry": {"times": 3, "every_hours": 24}, "status": "active", "paused_by_us": False,
                "next_dates": [{"planned_on": "2026-03-31", "due_on": "2026-03-31"}], "runs_left": None,
                "created_at": "2026-03-01T08:15:30.123456Z", "closed_at": None, "ended_reason": None,
            }
        ]
    }  # fmt: skip

    standing_order_id = serializers.UUIDField()
    from_wallet_id = serializers.UUIDField()
    to_wallet_id = serializers.UUIDField(
        help_text="found when it was set up: a number that changes hands is not followed"
    )
    recipient = serializers.CharField(help_text="masked name")
    amount = serializers.CharField()
    currency = CurrencyField()
    memo = serializers.CharField(allow_blank=True)
    version = serializers.IntegerField(help_text="1, and one more with each change")
    schedule = ScheduleSerializer()
    retry = RetrySerializer()
    status = serializers.ChoiceField(choices=OrderState.choices)
    paused_by_us = serializers.BooleanField(help_text="only we let it go on")
    next_dates = PlannedDateSerializer(many=True, help_text="five at most; of a paused one those that would come")
    runs_left = serializers.IntegerField(allow_null=True, help_text="null: no number was given")
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    ended_reason = serializers.CharField(
        allow_null=True,
        help_text="of one that has ended: `no_date_left`, or the code of the refusal after which it could never pay "
        "again, a page under /problems/",
    )


class StandingOrderPageSerializer(serializers.Serializer):
    data = StandingOrderSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class StandingOrderRunSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "due_on": "2026-03-31", "planned_on": "2026-03-31", "amount": "15000.00", "currency": "KES",
                "status": "completed", "tries": 2, "next_try_at": None,
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB", "code": None,
                "done_at": "2026-04-01T03:00:12.004211Z",
            }
        ]
    }  # fmt: skip

    due_on = serializers.DateField()
    planned_on = serializers.DateField()
    amount = serializers.CharField()
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=[(one, one.label) for one in RunState if one != RunState.STUCK])
    tries = serializers.IntegerField(help_text="so far")
    next_try_at = serializers.DateTimeField(allow_null=True)
    transaction_id = serializers.UUIDField(allow_null=True, help_text="of the last try")
    receipt = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True, help_text="why the last try was refused: a page under /problems/")
    done_at = serializers.DateTimeField(allow_null=True)


class StandingOrderRunPageSerializer(serializers.Serializer):
    data = StandingOrderRunSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


# --- Reading --------------------------------------------------------------------------------------------------------


def read_schedule(body: dict[str, Any]) -> Schedule:
    """Of a `ScheduleSerializer`."""
    return Schedule(
        frequency=body["frequency"], start_on=body["start_on"], every=body["every"], month_day=body.get("day_of_month"),
        rule=body["business_day_rule"], end_on=body.get("end_on"), runs=body.get("runs"),
    )  # fmt: skip


def read_order(body: dict[str, Any]) -> NewOrder:
    """Of a `NewStandingOrderSerializer`. Raises: those of `positive`."""
    retry = body.get("retry") or {"times": 3, "every_hours": 24}
    return NewOrder(
        from_wallet_id=body["from_wallet_id"], to=body["to"], amount=positive(body["amount"], body["currency"]),
        memo=body.get("memo", ""), schedule=read_schedule(body["schedule"]), retries=retry["times"],
        retry_hours=retry["every_hours"],
    )  # fmt: skip


def read_changes(body: dict[str, Any], currency: str) -> dict[str, Any]:
    """Of a `StandingOrderChangeSerializer`. Raises: as `positive`, DRF's ValidationError where nothing was sent."""
    if not body:
        raise serializers.ValidationError({"amount": ["Send what is to change: amount, memo, end_on or runs."]})
    changes = dict(body)
    if "amount" in changes:
        money = Money.parse(changes["amount"], currency)
        if money.amount_minor <= 0:
            raise AmountNotPositive()
        changes["amount"] = money.amount_minor
    return changes


# --- Rendering ------------------------------------------------------------------------------------------------------


def dates_body(dates: Iterable[tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Planned and due date of each."""
    return [{"planned_on": planned, "due_on": due} for planned, due in dates]


def order_body(
    order: StandingOrder, version: OrderVersion, dates: Sequence[tuple[Any, Any]], ended_reason: str | None = None
) -> dict[str, Any]:
    """A `StandingOrderSerializer`'s answer."""
    return {
        "standing_order_id": order.pk,
        "from_wallet_id": order.wallet_id,
        "to_wallet_id": order.payee_id,
        "recipient": masked_name(order.payee.customer.full_name),
        "amount": decimal_string(version.amount, order.currency),
        "currency": order.currency,
        "memo": version.memo,
        "version": version.number,
        "schedule": {
            "frequency": order.frequency,
            "every": order.every,
            "start_on": order.start_on,
            "day_of_month": order.month_day or None,
            "business_day_rule": order.rule,
            "end_on": version.end_on,
            "runs": version.runs,
        },
        "retry": {"times": order.retries, "every_hours": order.retry_hours},
        "status": order.state,
        "paused_by_us": is_of_staff(order.paused_by),
        "next_dates": dates_body(dates),
        "runs_left": runs_left(order, version),
        "created_at": order.created_at,
        "closed_at": order.closed_at,
        "ended_reason": ended_reason,
    }


def created_body(order: StandingOrder) -> dict[str, Any]:
    """The answer to setting it up, as it was then: nothing of it changes with the order."""
    event = OrderEvent.objects.get(order_id=order.pk, kind=OrderEvent.Kind.CREATED)
    version = OrderVersion.objects.get(order=order, number=1)
    then = {"status": OrderState.ACTIVE, "paused_by_us": False, "runs_left": version.runs, "closed_at": None}
    if order.payee_name:
        then["recipient"] = order.payee_name
    return order_body(order, version, event.facts["dates"]) | then


def run_body(run: OrderRun, currency: str) -> dict[str, Any]:
    """A `StandingOrderRunSerializer`'s answer. One that waits for our staff just waits."""
    waits = run.done_at is None
    return {
        "due_on": run.due_on,
        "planned_on": run.planned_on,
        "amount": decimal_string(run.version.amount, currency),
        "currency": currency,
        "status": RunState.DUE if waits else run.state,
        "tries": run.tries + (run.state in (RunState.COMPLETED, RunState.FAILED)),
        "next_try_at": run.due_at if waits else None,
        "transaction_id": run.transaction_id,
        "receipt": run.transaction.receipt if run.transaction else None,
        "code": run.refusal_code or None,
        "done_at": run.done_at,
    }
