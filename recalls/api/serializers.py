"""What recalls look like on the wire: to the one who is asked for money back."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import CurrencyField, StrictSerializer, TextField
from recalls.models import Recall, RecallState
from wallets.selectors import masked_name


class RecallQuery(PageQuery):
    status = serializers.ChoiceField(choices=RecallState.choices, required=False)
    cursor = CursorField(UUID)


class RefusalSerializer(StrictSerializer):
    openapi = {"examples": [{"reason": "This was for the rent of March."}]}

    reason = TextField(
        max_length=300, required=False, allow_blank=True, help_text="for us; the sender does not read it"
    )


class RecallSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "recall_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e77",
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB",
                "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "asked_by": "Aline M.",
                "reason": "Sent to the wrong person", "amount": "1050.75", "held": "800.00", "returned": "0.00",
                "currency": "KES", "status": "open", "opened_at": "2026-03-01T09:00:00Z",
                "answer_by": "2026-03-08T09:00:00Z", "closed_at": None,
            }
        ]
    }  # fmt: skip

    recall_id = serializers.UUIDField()
    transaction_id = serializers.UUIDField(help_text="the payment that is asked back")
    receipt = serializers.CharField()
    wallet_id = serializers.UUIDField(help_text="yours, where the money is held")
    asked_by = serializers.CharField(help_text="masked name of the sender")
    reason = serializers.CharField()
    amount = serializers.CharField(help_text="what is asked back")
    held = serializers.CharField(help_text="what was there of it, and is set aside while the status is open")
    returned = serializers.CharField()
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=RecallState.choices)
    opened_at = serializers.DateTimeField()
    answer_by = serializers.DateTimeField(help_text="afterwards the money is yours to use again")
    closed_at = serializers.DateTimeField(allow_null=True)


class RecallPageSerializer(serializers.Serializer):
    data = RecallSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def recall_body(recall: Recall) -> dict[str, Any]:
    """A `RecallSerializer`'s answer."""
    return {
        "recall_id": recall.pk,
        "transaction_id": recall.transaction_id,
        "receipt": recall.transaction.receipt,
        "wallet_id": recall.wallet_id,
        "asked_by": masked_name(recall.sender.full_name),
        "reason": recall.reason.title,
        "amount": decimal_string(recall.claimed, recall.currency),
        "held": decimal_string(recall.held, recall.currency),
        "returned": decimal_string(recall.returned, recall.currency),
        "currency": recall.currency,
        "status": recall.state,
        "opened_at": recall.opened_at,
        "answer_by": recall.deadline_at,
        "closed_at": recall.closed_at,
    }
