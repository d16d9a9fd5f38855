"""What payouts look like on the wire. Amounts are decimal strings, instants RFC 3339 in UTC."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import AmountField, CurrencyField, EmailField, PhoneField, StrictSerializer, TextField
from payouts.models import AloneLimit, Approver, ApproverState, Batch, BatchState, ItemStatus, Mode
from payouts.reading import MOST_ITEMS
from payouts.results import reason_of
from payouts.selectors import ItemRow
from transactions.api.serializers import RecipientSerializer
from wallets.selectors import masked_name

ITEM = {
    "to": {"phone_number": "+254712345678"}, "amount": "32500.00", "name": "Aline Mukamana", "memo": "salary, March",
    "reference": "E-0042",
}  # fmt: skip
WALLET = "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21"


class WholeTruthField(serializers.BooleanField):
    """``true`` or ``false``, and nothing that is like them."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class PayoutOptionsSerializer(StrictSerializer):
    """What goes with the items: fields of the JSON object or form, or the query of a CSV that is sent as it is."""

    from_wallet_id = serializers.UUIDField()
    mode = serializers.ChoiceField(
        choices=Mode.choices, required=False,
        help_text="`continue`: refused items stop no others; `all_or_nothing`: one refused item and nobody is paid",
    )  # fmt: skip
    label = TextField(  # type: ignore[assignment]
        max_length=80, required=False, allow_blank=True, help_text="yours, to find it again"
    )
    execute_on = serializers.DateField(
        required=False, allow_null=True, help_text="a day in your country, up to a year ahead; by default at once"
    )
    again = WholeTruthField(
        required=False, help_text="you mean to pay the same items a second time; otherwise they are refused"
    )


class PayoutItemSerializer(StrictSerializer):
    """One item. What is wrong with it is no refusal of the whole: the answer is a draft that tells it line by line."""

    openapi = {
        "properties": {
            "to": {"description": "exactly one of `wallet_id`, `phone_number` and `email`, or a text that is one"},
            "amount": {"description": "a decimal string in the wallet's currency, such as `32500.00`; above zero"},
            "currency": {"description": "if given, that of the paying wallet"},
            "name": {"description": "whom you take it to be, up to 120 characters; not checked"},
            "memo": {"description": "up to 140 characters; the recipient reads it"},
            "reference": {"description": "yours, such as a payroll number, up to 80 characters; need not be unique"},
        },
        "additionalProperties": True,
        "examples": [ITEM],
    }

    to = RecipientSerializer(required=False)


class NewPayoutSerializer(PayoutOptionsSerializer):
    openapi = {
        "examples": [{"from_wallet_id": WALLET, "label": "Salaries, March", "mode": "continue", "items": [ITEM]}]
    }

    items = serializers.ListField(child=PayoutItemSerializer(), min_length=1, max_length=MOST_ITEMS)


class PayoutFormSerializer(PayoutOptionsSerializer):
    file = serializers.FileField(help_text="CSV with a line of titles: to, amount; name, memo, reference, currency")


class PayoutQuery(PageQuery):
    status = serializers.ChoiceField(choices=BatchState.choices, required=False)
    role = serializers.ChoiceField(
        choices=["payer", "approver"], required=False, help_text="your own, or those of businesses you approve for"
    )
    cursor = CursorField(UUID)


class ItemQuery(PageQuery):
    status = serializers.ChoiceField(choices=ItemStatus.choices, required=False)
    cursor = CursorField(int)


class CancelSerializer(StrictSerializer):
    openapi = {"examples": [{"reason": "Two of them have left us."}]}

    reason = TextField(max_length=300, required=False, allow_blank=True, help_text="the other side reads it")


class PayoutFaultSerializer(serializers.Serializer):
    line = serializers.IntegerField(allow_null=True, help_text="of the file; null: of all of it")
    field = serializers.CharField()
    code = serializers.CharField()
    message = serializers.CharField()


class PayoutSummarySerializer(serializers.Serializer):
    items = serializers.IntegerField()
    total = serializers.CharField()
    fees = serializers.CharField(help_text="as of the check")
    leaves = serializers.CharField(help_text="in the wallet, as of the check; below zero: so much was missing")
    errors = serializers.IntegerField(  # type: ignore[assignment]
        help_text="how many; the first 500 are listed"
    )
    warnings = serializers.IntegerField()


class PayoutProgressSerializer(serializers.Serializer):
    paid = serializers.IntegerField()
    refused = serializers.IntegerField()
    left = serializers.IntegerField(help_text="neither; in a payout that is over they are not paid")
    amount = serializers.CharField(help_text="paid so far, also what was given back since")
    fees = serializers.CharField()


class PayoutStoppedBySerializer(serializers.Serializer):
    line = serializers.IntegerField()
    code = serializers.CharField()
    message = serializers.CharField()


class PayoutSerializer(serializers.Serializer):
    openapi: dict[str, Any] = {
        "examples": [
            {
                "payout_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e77", "from_wallet_id": WALLET,
                "payer": "Kazi Ltd", "label": "Salaries, March", "mode": "continue", "status": "validated",
                "currency": "KES", "execute_on": None, "needs_second_person": True,
                "summary": {"items": 1, "total": "32500.00", "fees": "0.00", "leaves": "-500.00", "errors": 0,
                            "warnings": 1},
                "progress": {"paid": 0, "refused": 0, "left": 1, "amount": "0.00", "fees": "0.00"},
                "stopped_by": None, "created_at": "2026-03-01T09:00:00Z", "expires_at": "2026-03-15T09:00:00Z",
                "approved_at": None, "finished_at": None,
            }
        ]
    }  # fmt: skip

    payout_id = serializers.UUIDField()
    from_wallet_id = serializers.UUIDField()
    payer = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    mode = serializers.ChoiceField(choices=Mode.choices)
    status = serializers.ChoiceField(choices=BatchState.choices)
    currency = CurrencyField()
    execute_on = serializers.DateField(allow_null=True)
    needs_second_person = serializers.BooleanField(help_text="it waits for an approver, not for its owner")
    summary = PayoutSummarySerializer()
    progress = PayoutProgressSerializer()
    stopped_by = PayoutStoppedBySerializer(
        allow_null=True, help_text="all or nothing: the line because of which it failed"
    )
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="while nobody has approved it: until then it can be"
    )
    approved_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class CheckedPayoutSerializer(PayoutSerializer):
    errors = PayoutFaultSerializer(many=True)  # type: ignore[assignment]
    warnings = PayoutFaultSerializer(many=True)

    openapi = {
        "examples": [
            PayoutSerializer.openapi["examples"][0]
            | {
                "errors": [],
                "warnings": [
                    {"line": None, "field": "", "code": "insufficient_funds",
                     "message": "KES 500.00 is missing in the wallet as it is now."}
                ],
            }
        ]
    }  # fmt: skip


class PayoutPageSerializer(serializers.Serializer):
    data = PayoutSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class PayoutItemResultSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "line": 2, "to": "+254712345678", "to_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90",
                "recipient": "Aline M.", "amount": "32500.00", "currency": "KES", "name": "Aline Mukamana",
                "memo": "salary, March", "reference": "E-0042", "status": "paid", "refusal_code": None,
                "refusal": None, "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB",
                "fee": "0.00", "paid_at": "2026-03-01T09:05:00Z", "returned": "0.00",
            }
        ]
    }  # fmt: skip

    line = serializers.IntegerField()
    to = serializers.CharField()
    to_wallet_id = serializers.UUIDField()
    recipient = serializers.CharField(help_text="masked name of whom this reaches; compare it with `name`")
    amount = serializers.CharField()
    currency = CurrencyField()
    name = serializers.CharField()
    memo = serializers.CharField()
    reference = serializers.CharField()
    status = serializers.ChoiceField(
        choices=ItemStatus.choices, help_text="`unpaid`: nobody tries it any more, for the payout is over"
    )
    refusal_code = serializers.CharField(allow_null=True)
    refusal = serializers.CharField(allow_null=True)
    transaction_id = serializers.UUIDField(allow_null=True, help_text="of the last try")
    receipt = serializers.CharField(allow_null=True)
    fee = serializers.CharField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)
    returned = serializers.CharField(allow_null=True, help_text="of what was paid, so much was given back since")


class PayoutItemResultPageSerializer(serializers.Serializer):
    data = PayoutItemResultSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def payout_body(batch: Batch, *, needs_second_person: bool) -> dict[str, Any]:
    """A `PayoutSerializer`'s answer."""

    def shown(amount: int) -> str:
        return decimal_string(amount, batch.currency)

    stopped = {"line": batch.refusal_line, "code": batch.refusal_code, "message": reason_of(batch.refusal_code)}
    return {
        "payout_id": batch.pk,
        "from_wallet_id": batch.wallet_id,
        "payer": batch.customer.full_name,
        "label": batch.label,
        "mode": batch.mode,
        "status": batch.state,
        "currency": batch.currency,
        "execute_on": batch.execute_on,
        "needs_second_person": needs_second_person,
        "summary": {
            "items": batch.lines, "total": shown(batch.total), "fees": shown(batch.fees),
            "leaves": shown(batch.leaves), "errors": batch.errors_total, "warnings": batch.warnings_total,
        },
        "progress": {
            "paid": batch.posted, "refused": batch.refused, "left": batch.left,
            "amount": shown(batch.posted_amount), "fees": shown(batch.posted_fees),
        },
        "stopped_by": stopped if batch.refusal_code else None,
        "created_at": batch.created_at,
        "expires_at": batch.expires_at if batch.state == BatchState.VALIDATED else None,
        "approved_at": batch.approved_at,
        "finished_at": batch.finished_at,
    }  # fmt: skip


def checked_body(batch: Batch, *, needs_second_person: bool) -> dict[str, Any]:
    """A `CheckedPayoutSerializer`'s answer."""
    told = {"errors": _lines(batch.errors), "warnings": _lines(batch.warnings)}
    return payout_body(batch, needs_second_person=needs_second_person) | told


def _lines(faults: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [fault | {"line": fault["line"] or None} for fault in faults]


def item_body(row: ItemRow, currency: str) -> dict[str, Any]:
    """An `PayoutItemResultSerializer`'s answer."""
    return {
        "line": row.line,
        "to": row.to_value,
        "to_wallet_id": row.wallet,
        "recipient": row.recipient,
        "amount": decimal_string(row.amount, currency),
        "currency": currency,
        "name": row.name,
        "memo": row.memo,
        "reference": row.reference,
        "status": row.state,
        "refusal_code": row.refusal_code or None,
        "refusal": reason_of(row.refusal_code) or None,
        "transaction_id": row.transaction,
        "receipt": row.receipt,
        "fee": None if row.fee is None else decimal_string(row.fee, currency),
        "paid_at": row.paid_at,
        "returned": None if row.returned is None else decimal_string(row.returned, currency),
    }


# --- Approvers -------------------------------------------------------------------------------------------------------


class NewApproverSerializer(StrictSerializer):
    """Exactly one of the two."""

    openapi = {"minProperties": 1, "maxProperties": 1, "examples": [{"phone_number": "+254712345678"}]}

    phone_number = PhoneField(required=False)
    email = EmailField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if len(attrs) != 1:
            raise serializers.ValidationError("Give exactly one of phone_number and email.")
        return attrs


class ApproverQuery(PageQuery):
    cursor = CursorField(UUID)


class ApproverSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "approver_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e78", "role": "business", "name": "Aline M.",
                "status": "invited", "invited_at": "2026-03-01T09:00:00Z", "accepted_at": None, "ended_at": None,
            }
        ]
    }  # fmt: skip

    approver_id = serializers.UUIDField()
    role = serializers.ChoiceField(
        choices=["business", "approver"], help_text="what you are in it: the business, or who approves for one"
    )
    name = serializers.CharField(help_text="of the other: an approver's is masked")
    status = serializers.ChoiceField(choices=ApproverState.choices)
    invited_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)


class ApproverPageSerializer(serializers.Serializer):
    data = ApproverSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class NewAloneLimitSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {"approver_id": "01981f70-7a11-7f0e-8f0a-3b5a1c9d2e78", "amount": "50000.00", "currency": "KES"}
        ]
    }  # fmt: skip

    approver_id = serializers.UUIDField(
        required=False, help_text="as an approver: yours, which says for which business; the owner leaves it out"
    )
    amount = AmountField(help_text="in 24 hours; 0: always two")
    currency = CurrencyField()


class AloneLimitSerializer(serializers.Serializer):
    openapi = {
        "examples": [{"amount": "50000.00", "left": "50000.00", "currency": "KES", "at": "2026-03-01T09:00:00Z"}]
    }

    amount = serializers.CharField()
    left = serializers.CharField(help_text="of it, after what the owner approved alone in the last 24 hours")
    currency = CurrencyField()
    at = serializers.DateTimeField()


def approver_body(row: Approver, me: UUID) -> dict[str, Any]:
    """An `ApproverSerializer`'s answer."""
    mine = row.business_id == me
    return {
        "approver_id": row.pk,
        "role": "business" if mine else "approver",
        "name": masked_name(row.approver.full_name) if mine else row.business.full_name,
        "status": row.state,
        "invited_at": row.invited_at,
        "accepted_at": row.accepted_at,
        "ended_at": row.ended_at,
    }


def alone_body(row: AloneLimit, left: int) -> dict[str, Any]:
    """An `AloneLimitSerializer`'s answer."""
    return {
        "amount": decimal_string(row.amount, row.currency),
        "left": decimal_string(left, row.currency),
        "currency": row.currency,
        "at": row.at,
    }
