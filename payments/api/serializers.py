"""What payments, refunds and payment requests look like on the wire."""

from datetime import datetime
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.money import Money, decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import AmountField, CurrencyField, InstantField, ReferenceField, StrictSerializer, TextField
from payments.models import PaymentRequest, RequestUse, Status, UseAnswer
from payments.qr import CONTENTS, link_of
from payments.selectors import paid_by
from payments.services import NewRequest
from transactions.api.requests import positive
from transactions.api.serializers import (
    LimitsLeftSerializer,
    MovementSerializer,
    RecipientSerializer,
    TransferredSerializer,
    movement_body,
    transfer_body,
)
from transactions.models import State, Transaction
from transactions.movements import Outcome
from wallets.selectors import masked_name, shown_name

MOST_USES = 1_000_000

# --- Paying and giving back -------------------------------------------------------------------------------------


class PayingSerializer(StrictSerializer):
    """Either ``to`` with amount and currency, or ``request_code``."""

    openapi: dict[str, Any] = {
        "examples": [
            {
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "to": {"phone_number": "+250788000009"},
                "amount": "1500", "currency": "RWF", "order_reference": "A-17", "memo": "two crates",
            },
            {"from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "request_code": "7F3K-9QX2-ABMT"},
        ]
    }  # fmt: skip

    from_wallet_id = serializers.UUIDField()
    to = RecipientSerializer(required=False, help_text="a business")
    request_code = TextField(max_length=20, required=False, help_text="of a payment request, instead of `to`")
    amount = AmountField(required=False, help_text="may be left out where the request says it")
    currency = CurrencyField(required=False)
    memo = TextField(max_length=140, required=False, allow_blank=True, help_text="the merchant reads it")
    order_reference = TextField(
        max_length=80, required=False, allow_null=True, help_text="the merchant's; a request has its own"
    )
    reference = ReferenceField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("to" in attrs) == ("request_code" in attrs):
            raise serializers.ValidationError({"to": ["Give either `to` or `request_code`."]})
        if "to" in attrs:
            if len(attrs["to"]) != 1:
                raise serializers.ValidationError({"to": ["Give exactly one of wallet_id, phone_number and email."]})
            missing = [name for name in ("amount", "currency") if name not in attrs]
            if missing:
                raise serializers.ValidationError({name: ["This field is required."] for name in missing}, "required")
        elif attrs.get("order_reference"):
            raise serializers.ValidationError({"order_reference": ["The request has its own."]})
        return attrs


class PayRequestSerializer(StrictSerializer):
    openapi = {"examples": [{"from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "amount": "1500"}]}

    from_wallet_id = serializers.UUIDField()
    amount = AmountField(required=False, help_text="may be left out where the request says it")
    memo = TextField(
        max_length=140, required=False, allow_blank=True, help_text="without one it bears the request's description"
    )
    reference = ReferenceField(required=False, allow_null=True)


class PaidSerializer(TransferredSerializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB", "amount": "1500",
                "fee": "0", "currency": "RWF", "status": "completed", "timestamp": "2026-03-01T08:15:30.123456Z",
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21",
                "to_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "balance_after": "48500",
                "order_reference": "A-17", "request_code": "7F3K-9QX2-ABMT",
            }
        ]
    }  # fmt: skip

    order_reference = serializers.CharField(allow_null=True)
    request_code = serializers.CharField(allow_null=True)


class PaymentPreviewSerializer(serializers.Serializer):
    recipient = serializers.CharField(help_text="a business by its name, a person masked")
    to_wallet_id = serializers.UUIDField()
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="on top of the amount")
    total = serializers.CharField(help_text="amount and fee")
    currency = CurrencyField()
    balance_after = serializers.CharField()
    limits_left = LimitsLeftSerializer()
    order_reference = serializers.CharField(allow_null=True)


class PaymentQuery(PageQuery):
    order_reference = TextField(max_length=80, help_text="yours: the whole of it, as it was given")
    cursor = CursorField(UUID)


class ReceivedPaymentSerializer(serializers.Serializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB",
                "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "payer": "Aline M.", "amount": "1500",
                "returned": "500", "currency": "RWF", "status": "partially_reversed", "order_reference": "A-17",
                "memo": "two crates", "timestamp": "2026-03-01T08:15:30.123456Z",
            }
        ]
    }  # fmt: skip

    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField()
    wallet_id = serializers.UUIDField(help_text="yours, where the money went")
    payer = serializers.CharField(help_text="masked name")
    amount = serializers.CharField()
    returned = serializers.CharField(help_text="what you refunded, and what was reversed, of it")
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=State.choices)
    order_reference = serializers.CharField(allow_null=True)
    memo = serializers.CharField()
    timestamp = serializers.DateTimeField()


class ReceivedPaymentPageSerializer(serializers.Serializer):
    data = ReceivedPaymentSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class RefundSerializer(StrictSerializer):
    openapi = {"examples": [{"amount": "500", "reason": "one crate was missing"}]}

    amount = AmountField(required=False, help_text="without one all that is left; in the currency of the payment")
    reason = TextField(max_length=140, required=False, allow_blank=True, help_text="the payer reads it")


class RefundedSerializer(MovementSerializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "transaction_id": "01981f70-0d1e-7c33-8a44-5f0c9d3e2b11", "receipt": "7K2M9QX5VD", "amount": "500",
                "fee": "0", "currency": "RWF", "status": "completed", "timestamp": "2026-03-02T10:00:00.000001Z",
                "payment_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "balance_after": "1000",
            }
        ]
    }  # fmt: skip

    payment_id = serializers.UUIDField(help_text="what it gives back")
    balance_after = serializers.CharField(help_text="of your wallet")


def paid_body(outcome: Outcome, order_reference: str | None, request_code: str | None) -> dict[str, Any]:
    """A `PaidSerializer`'s answer."""
    return transfer_body(outcome) | {"order_reference": order_reference, "request_code": request_code}


def refunded_body(outcome: Outcome, payment_id: Any) -> dict[str, Any]:
    """A `RefundedSerializer`'s answer."""
    assert outcome.balance_after is not None
    return movement_body(outcome) | {
        "payment_id": payment_id,
        "balance_after": decimal_string(outcome.balance_after, outcome.currency),
    }


def received_body(payment: Transaction) -> dict[str, Any]:
    """A `ReceivedPaymentSerializer`'s answer."""
    assert payment.payer is not None
    return {
        "transaction_id": payment.pk,
        "receipt": payment.receipt,
        "wallet_id": payment.payee_id,
        "payer": masked_name(payment.payer.customer.full_name),
        "amount": decimal_string(payment.amount, payment.currency),
        "returned": decimal_string(payment.reversed_amount, payment.currency),
        "currency": payment.currency,
        "status": payment.state,
        "order_reference": payment.order_reference,
        "memo": payment.memo,
        "timestamp": payment.created_at,
    }


class UseQuery(PageQuery):
    cursor = CursorField(UUID)


class UseSerializer(ReceivedPaymentSerializer):
    """``transaction_id`` is the payment, or the hold of what is to be confirmed; it names it to confirm and reject."""

    openapi: dict[str, Any] = {
        "examples": [
            ReceivedPaymentSerializer.openapi["examples"][0]
            | {"status": "pending", "returned": "0", "confirmation": "awaiting", "payment_id": None}
        ]
    }

    confirmation = serializers.ChoiceField(
        choices=["not_needed", "awaiting", *UseAnswer.Outcome.values], help_text="where the request wants it"
    )
    payment_id = serializers.UUIDField(allow_null=True, help_text="the payment, once confirmed; refunds name it")


class UsePageSerializer(serializers.Serializer):
    data = UseSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def use_body(use: RequestUse, payments: dict[UUID, Transaction]) -> dict[str, Any]:
    """A `UseSerializer`'s answer; ``payments`` has what was paid or held, by id, and what was taken of a hold."""
    answer = getattr(use, "answer", None)
    return received_body(paid_by(use, payments)) | {
        "transaction_id": use.pk,
        "confirmation": answer.outcome if answer else "awaiting" if use.is_promise else "not_needed",
        "payment_id": answer.payment if answer else None if use.is_promise else use.pk,
    }


# --- Requests ---------------------------------------------------------------------------------------------------


class NewPaymentRequestSerializer(StrictSerializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "currency": "RWF", "amount": "1500",
                "description": "Two crates of tomatoes", "order_reference": "A-17",
            },
            {
                "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "currency": "RWF", "least": "100",
                "most": "50000", "description": "At the till", "max_uses": None,
                "expires_at": "2026-12-31T22:00:00Z",
            },
        ]
    }  # fmt: skip

    wallet_id = serializers.UUIDField(help_text="yours, where the money goes")
    currency = CurrencyField()
    amount = AmountField(required=False, help_text="fixed; without one the payer chooses")
    least = AmountField(required=False, help_text="of an open amount")
    most = AmountField(required=False, help_text="of an open amount")
    description = TextField(max_length=140, required=False, allow_blank=True, help_text="whoever has the link reads it")
    order_reference = TextField(max_length=80, required=False, allow_null=True, help_text="yours")
    max_uses = serializers.IntegerField(
        min_value=1, max_value=MOST_USES, required=False, allow_null=True, default=1, help_text="null: without limit"
    )
    max_uses_per_payer = serializers.IntegerField(
        min_value=1, max_value=MOST_USES, required=False, allow_null=True, help_text="null: without limit"
    )
    needs_confirmation = serializers.BooleanField(
        required=False, default=False, help_text="the payer's money is held until you confirm or reject"
    )
    expires_at = InstantField(required=False)


class PaymentRequestQuery(PageQuery):
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    cursor = CursorField(UUID)


class QrQuery(StrictSerializer):
    content = serializers.ChoiceField(
        choices=CONTENTS, required=False, help_text="without one EMVCo for a business, the link for a person"
    )


class OwnSerializer(serializers.Serializer):
    """What only the one who asks sees."""

    request_id = serializers.UUIDField()
    wallet_id = serializers.UUIDField()
    max_uses = serializers.IntegerField(allow_null=True)
    max_uses_per_payer = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True, help_text="when it was cancelled, or expired")


class PaymentRequestSerializer(serializers.Serializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "code": "7F3K-9QX2-ABMT", "link": "https://pay.example/pay/7F3K-9QX2-ABMT",
                "requested_by": "Kimironko Fresh Foods", "currency": "RWF", "amount": "1500", "least": None,
                "most": None, "description": "Two crates of tomatoes", "order_reference": "A-17",
                "needs_confirmation": False, "status": "open", "expires_at": "2026-03-04T08:00:00Z",
                "own": {
                    "request_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e77",
                    "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "max_uses": 1, "max_uses_per_payer": None,
                    "used": 0, "created_at": "2026-03-01T08:00:00Z", "closed_at": None,
                },
            }
        ]
    }  # fmt: skip

    code = serializers.CharField()
    link = serializers.CharField(help_text="a page that anybody may open")
    requested_by = serializers.CharField(help_text="a business by its name, a person masked")
    currency = CurrencyField()
    amount = serializers.CharField(allow_null=True, help_text="null: the payer chooses")
    least = serializers.CharField(allow_null=True)
    most = serializers.CharField(allow_null=True)
    description = serializers.CharField()
    order_reference = serializers.CharField(allow_null=True)
    needs_confirmation = serializers.BooleanField(help_text="what you pay is held until the requester agrees")
    status = serializers.ChoiceField(choices=Status.choices)
    expires_at = serializers.DateTimeField()
    own = OwnSerializer(allow_null=True, help_text="null for everybody else")


class PaymentRequestPageSerializer(serializers.Serializer):
    data = PaymentRequestSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def read_new(body: dict[str, Any]) -> NewRequest:
    """Raises: InvalidAmount, AmountTooPrecise, AmountTooLarge, AmountNotPositive."""
    currency = body["currency"]
    amounts: dict[str, Any] = {
        name: positive(body[name], currency).amount_minor for name in ("amount", "least", "most") if name in body
    }
    expires_at: datetime | None = body.get("expires_at")
    return NewRequest(
        wallet_id=body["wallet_id"], currency=currency, description=body.get("description", ""),
        order_reference=body.get("order_reference"), max_uses=body["max_uses"],
        max_uses_per_payer=body.get("max_uses_per_payer"), needs_confirmation=body["needs_confirmation"],
        expires_at=expires_at, **amounts,
    )  # fmt: skip


def request_body(request: PaymentRequest, at: datetime, reader: UUID) -> dict[str, Any]:
    """A `PaymentRequestSerializer`'s answer to the customer ``reader``."""

    def shown(amount: int | None) -> str | None:
        return None if amount is None else Money(amount, request.currency).decimal

    own = {
        "request_id": request.pk,
        "wallet_id": request.wallet_id,
        "max_uses": request.max_uses,
        "max_uses_per_payer": request.max_uses_per_payer,
        "used": request.used,
        "created_at": request.created_at,
        "closed_at": request.closed_at,
    }
    return {
        "code": request.spaced_code,
        "link": link_of(request),
        "requested_by": shown_name(request.customer),
        "currency": request.currency,
        "amount": shown(request.amount),
        "least": shown(request.least),
        "most": shown(request.most),
        "description": request.description,
        "order_reference": request.order_reference,
        "needs_confirmation": request.needs_confirmation,
        "status": request.status(at),
        "expires_at": request.expires_at,
        "own": own if request.customer_id == reader else None,
    }
