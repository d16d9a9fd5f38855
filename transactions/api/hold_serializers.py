"""What holds look like on the wire: as they are asked for, placed, captured and read again."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import (
    AmountField,
    CurrencyField,
    FlagField,
    InstantField,
    ReferenceField,
    StrictSerializer,
    TextField,
    WholeField,
)
from transactions.api.serializers import DIRECTIONS, CounterpartySerializer, LimitsLeftSerializer, RecipientSerializer
from transactions.models import State
from transactions.movements import Outcome
from transactions.rules.holds import LONGEST
from transactions.selectors import HoldRow

SEEN = [State.PENDING, State.COMPLETED, State.CANCELLED, State.EXPIRED]
WALLET, OTHER = "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90"
HOLD, PART = "01981f72-4a10-7b55-9c1e-0d2f3a4b5c6d", "01981f73-11aa-7e01-8f3d-9a8b7c6d5e4f"
PLACED = {
    "hold_id": HOLD, "receipt": "7K2M9QX4TB", "status": "pending", "amount": "12000.00", "fee": "0.00",
    "currency": "KES", "from_wallet_id": WALLET, "to_wallet_id": OTHER, "expires_at": "2026-03-08T08:15:30.123456Z",
    "capture_at": None,
}  # fmt: skip


class PlaceHoldSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {
                "from_wallet_id": WALLET, "to": {"phone_number": "+254712345678"}, "amount": "12000.00",
                "currency": "KES", "memo": "room 12, two nights", "order_reference": "booking-881",
                "expires_in": 259200,
            }
        ]
    }  # fmt: skip

    from_wallet_id = serializers.UUIDField()
    to = RecipientSerializer()
    amount = AmountField()
    currency = CurrencyField()
    memo = TextField(max_length=140, required=False, allow_blank=True, help_text="the recipient reads it")
    order_reference = TextField(max_length=80, required=False, allow_null=True, help_text="the merchant's own")
    reference = ReferenceField(required=False, allow_null=True)
    expires_in = WholeField(
        min_value=1, max_value=int(LONGEST.total_seconds()), required=False,
        help_text="seconds until what is not captured is free again; without it and expires_at, 7 days",
    )  # fmt: skip
    expires_at = InstantField(required=False, help_text="the same as an instant, 30 days from now at the latest")
    capture_at = InstantField(
        required=False, help_text="when what is left is captured by itself, before it expires; without it never"
    )

    def validate(self, attrs: Any) -> Any:
        if len({"expires_in", "expires_at"} & set(attrs)) == 2:
            raise ValidationError({"expires_at": "Say one of expires_in and expires_at."})
        if len(attrs["to"]) != 1:
            raise ValidationError({"to": "Give exactly one of wallet_id, phone_number and email."})
        return attrs


class PlacedHoldSerializer(serializers.Serializer):
    openapi = {"examples": [PLACED | {"timestamp": "2026-03-01T08:15:30.123456Z", "balance_after": "15949.25"}]}

    hold_id = serializers.UUIDField()
    receipt = serializers.CharField(help_text="ten characters to read out over the phone")
    status = serializers.ChoiceField(choices=SEEN)
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="held on top; what is captured costs what a payment of it costs")
    currency = CurrencyField()
    from_wallet_id = serializers.UUIDField()
    to_wallet_id = serializers.UUIDField()
    expires_at = serializers.DateTimeField()
    capture_at = serializers.DateTimeField(allow_null=True)
    balance_after = serializers.CharField(help_text="of the paying wallet, what is held included")
    timestamp = serializers.DateTimeField()


class HoldPreviewSerializer(serializers.Serializer):
    recipient = serializers.CharField(help_text="masked name")
    to_wallet_id = serializers.UUIDField()
    amount = serializers.CharField()
    fee = serializers.CharField()
    total = serializers.CharField(help_text="amount and fee: what is set aside")
    currency = CurrencyField()
    available_after = serializers.CharField()
    expires_at = serializers.DateTimeField()
    limits_left = LimitsLeftSerializer()


class CaptureSerializer(StrictSerializer):
    openapi = {"examples": [{"amount": "8000.00", "final": True}]}

    amount = AmountField(required=False, help_text="in the hold's currency; without it, all that is left")
    final = FlagField(
        required=False, default=False, help_text="nothing more will be captured: the rest is the payer's again"
    )


class CapturedSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "transaction_id": PART, "receipt": "9C4M1VX7KD", "status": "completed", "amount": "8000.00",
                "fee": "0.00", "currency": "KES", "timestamp": "2026-03-02T10:00:00.123456Z", "hold_id": HOLD,
                "hold_status": "completed", "captured": "8000.00", "remaining": "0.00", "balance_after": "21000.00",
            }
        ]
    }  # fmt: skip

    transaction_id = serializers.UUIDField(help_text="the payment that it made")
    receipt = serializers.CharField()
    status = serializers.ChoiceField(choices=State.choices)
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="what you bear of it, off what arrives")
    currency = CurrencyField()
    timestamp = serializers.DateTimeField()
    hold_id = serializers.UUIDField()
    hold_status = serializers.ChoiceField(choices=SEEN)
    captured = serializers.CharField(help_text="by all captures so far")
    remaining = serializers.CharField(help_text="what can still be captured")
    balance_after = serializers.CharField(help_text="of your wallet")


class CaptureRowSerializer(serializers.Serializer):
    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField()
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="what you bear of it: on top as payer, off what arrives as payee")
    status = serializers.ChoiceField(choices=State.choices)
    timestamp = serializers.DateTimeField()


class HoldSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            PLACED | {
                "direction": "out", "captured": "8000.00", "remaining": "4000.00",
                "counterparty": {"name": "Sarova S.", "wallet_id": OTHER}, "memo": "room 12, two nights",
                "reference": None, "order_reference": "booking-881", "created_at": "2026-03-01T08:15:30.123456Z",
                "ended_at": None,
                "captures": [
                    {
                        "transaction_id": PART, "receipt": "9C4M1VX7KD", "amount": "8000.00", "fee": "0.00",
                        "status": "completed", "timestamp": "2026-03-02T10:00:00.123456Z",
                    }
                ],
            }
        ]
    }  # fmt: skip

    hold_id = serializers.UUIDField()
    receipt = serializers.CharField()
    status = serializers.ChoiceField(choices=SEEN, help_text="completed: over, and something of it was captured")
    direction = serializers.ChoiceField(choices=DIRECTIONS, help_text="out: you promised it; in: it is for you")
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="what you bear for all of it: on top as payer, off what arrives as payee")
    captured = serializers.CharField()
    remaining = serializers.CharField(help_text="what can still be captured")
    currency = CurrencyField()
    from_wallet_id = serializers.UUIDField()
    to_wallet_id = serializers.UUIDField()
    counterparty = CounterpartySerializer()
    memo = serializers.CharField()
    reference = serializers.CharField(allow_null=True, help_text="yours, if you gave one")
    order_reference = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    capture_at = serializers.DateTimeField(allow_null=True, help_text="when the rest is captured by itself")
    ended_at = serializers.DateTimeField(allow_null=True)
    captures = CaptureRowSerializer(many=True)


class HoldPageSerializer(serializers.Serializer):
    data = HoldSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class HoldQuery(PageQuery):
    cursor = CursorField(UUID)
    status = serializers.ChoiceField(choices=SEEN, required=False)
    direction = serializers.ChoiceField(choices=DIRECTIONS, required=False)


def placed_body(outcome: Outcome) -> dict[str, Any]:
    """A `PlacedHoldSerializer`'s answer."""
    assert outcome.promise is not None and outcome.balance_after is not None
    return {
        "hold_id": outcome.transaction,
        "receipt": outcome.receipt,
        "status": outcome.state,
        "amount": decimal_string(outcome.amount, outcome.currency),
        "fee": decimal_string(outcome.fee, outcome.currency),
        "currency": outcome.currency,
        "from_wallet_id": outcome.payer,
        "to_wallet_id": outcome.payee,
        "expires_at": outcome.promise.expires_at,
        "capture_at": outcome.promise.capture_at,
        "balance_after": decimal_string(outcome.balance_after, outcome.currency),
        "timestamp": outcome.created_at,
    }


def captured_body(outcome: Outcome) -> dict[str, Any]:
    """A `CapturedSerializer`'s answer."""
    hold, currency = outcome.promise, outcome.currency
    assert hold is not None and outcome.balance_after is not None
    return {
        "transaction_id": outcome.transaction,
        "receipt": outcome.receipt,
        "status": outcome.state,
        "amount": decimal_string(outcome.amount, currency),
        "fee": decimal_string(outcome.payee_fee, currency),
        "currency": currency,
        "timestamp": outcome.created_at,
        "hold_id": hold.hold,
        "hold_status": hold.state,
        "captured": decimal_string(hold.captured, currency),
        "remaining": decimal_string(hold.remaining, currency),
        "balance_after": decimal_string(outcome.balance_after, currency),
    }


def hold_body(row: HoldRow) -> dict[str, Any]:
    """A `HoldSerializer`'s answer. Each side is told of the fees that are its own."""

    def shown(amount: int) -> str:
        return decimal_string(amount, row.currency)

    name, wallet = (row.payee_name, row.payee) if row.is_payer else (row.payer_name, row.payer)
    return {
        "hold_id": row.id,
        "receipt": row.receipt,
        "status": row.state,
        "direction": "out" if row.is_payer else "in",
        "amount": shown(row.amount),
        "fee": shown(row.fee),
        "captured": shown(row.captured),
        "remaining": shown(row.amount - row.captured if row.state == State.PENDING else 0),
        "currency": row.currency,
        "from_wallet_id": row.payer,
        "to_wallet_id": row.payee,
        "counterparty": {"name": name, "wallet_id": wallet},
        "memo": row.memo,
        "reference": row.reference,
        "order_reference": row.order_reference,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "capture_at": row.capture_at,
        "ended_at": row.completed_at,
        "captures": [
            {
                "transaction_id": part["id"],
                "receipt": part["receipt"],
                "amount": shown(part["amount"]),
                "fee": shown(part["fee"]),
                "status": part["state"],
                "timestamp": datetime.fromisoformat(part["at"]).astimezone(UTC),
            }
            for part in row.captures
        ],
    }
