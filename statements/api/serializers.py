"""What statements look like on the wire. Amounts are decimal strings, instants RFC 3339 in UTC, days of the customer's
country."""

from typing import Any

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import CurrencyField, StrictSerializer
from statements.merchants import Taking, Takings
from statements.models import MAILED, Every, Format, Language, StatementSettings
from statements.selectors import Line, Stated

SENT_AS = [(one.value, one.label) for one in MAILED]


class KeptStatementQuery(PageQuery):
    cursor = CursorField(int)
    language = serializers.ChoiceField(
        choices=Language.choices, required=False, help_text="of a PDF; absent: that of the wallet's settings"
    )

    def get_fields(self) -> dict[str, Any]:
        # ``format`` and ``from`` are words of DRF's and Python's, and cannot be declared above
        of = serializers.ChoiceField(choices=Format.choices, default=Format.JSON, help_text="JSON in pages, or a file.")
        return super().get_fields() | {"format": of}


class StatementQuery(KeptStatementQuery):
    to = serializers.DateField(help_text="The last day that is in it, at most today.")

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField(help_text="The first day.")} | super().get_fields()


class MerchantStatementQuery(PageQuery):
    cursor = CursorField(int)
    day = serializers.DateField(help_text="by the calendar of your country; at most today")

    def get_fields(self) -> dict[str, Any]:
        choices = [(one.value, one.label) for one in (Format.JSON, Format.CSV)]
        of = serializers.ChoiceField(choices=choices, default=Format.JSON, help_text="JSON in pages, or a file.")
        return super().get_fields() | {"format": of}


class StatementsQuery(PageQuery):
    cursor = CursorField(int)


class StatementSettingsSerializer(StrictSerializer):
    openapi = {"examples": [{"every": "monthly", "format": "pdf", "language": "en"}]}

    every = serializers.ChoiceField(choices=Every.choices)
    language = serializers.ChoiceField(choices=Language.choices, required=False, help_text="absent: as it is")

    def get_fields(self) -> dict[str, Any]:
        of = serializers.ChoiceField(choices=SENT_AS, required=False, help_text="of the e-mail; absent: as it is")
        return super().get_fields() | {"format": of}


class SettingsShownSerializer(serializers.Serializer):
    openapi = {"examples": [{"every": "monthly", "language": "en", "next_at": "2026-03-31T21:10:00Z", "format": "pdf"}]}

    every = serializers.ChoiceField(choices=Every.choices)
    language = serializers.ChoiceField(choices=Language.choices)
    next_at = serializers.DateTimeField(allow_null=True, help_text="when the next one is made")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | {"format": serializers.ChoiceField(choices=SENT_AS)}


class StatementLineSerializer(serializers.Serializer):
    number = serializers.IntegerField(help_text="of the entry on this wallet, without gaps")
    timestamp = serializers.DateTimeField()
    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField(allow_null=True)
    kind = serializers.CharField(help_text="as in the history")
    direction = serializers.ChoiceField(choices=["in", "out"])
    amount = serializers.CharField(help_text="by which the balance changed, fee included")
    fee = serializers.CharField(help_text="what of the amount is our fee; below zero: given back")
    balance_before = serializers.CharField()
    balance_after = serializers.CharField()
    counterparty = serializers.CharField(allow_null=True, help_text="masked, as in the history")
    memo = serializers.CharField()
    reference = serializers.CharField(allow_null=True, help_text="yours, if you gave one")
    order_reference = serializers.CharField(allow_null=True, help_text="the merchant's own")
    hold_id = serializers.UUIDField(allow_null=True, help_text="what it was captured of")
    reversal_of = serializers.UUIDField(allow_null=True)


class StatementHeadSerializer(serializers.Serializer):
    number = serializers.IntegerField(allow_null=True, help_text="of this wallet, without gaps; null: on demand")
    currency = CurrencyField()
    to = serializers.DateField()
    timezone = serializers.CharField()
    opening_balance = serializers.CharField()
    total_in = serializers.CharField()
    total_out = serializers.CharField()
    fees = serializers.CharField(help_text="within the totals")
    closing_balance = serializers.CharField(help_text="opening + in - out")
    lines_in = serializers.IntegerField()
    lines_out = serializers.IntegerField()
    control_total = serializers.CharField(help_text="all amounts, whichever way they went")
    sha256 = serializers.CharField(allow_null=True, help_text="of the entries; of statements that are kept")
    made_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        return {"from": serializers.DateField()} | super().get_fields()


WALLET = "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21"
HEAD = {
    "number": None, "currency": "KES", "from": "2026-03-01", "to": "2026-03-31", "timezone": "Africa/Nairobi",
    "opening_balance": "5000.00", "total_in": "0.00", "total_out": "1060.75", "fees": "10.00",
    "closing_balance": "3939.25", "lines_in": 0, "lines_out": 1, "control_total": "1060.75", "sha256": None,
    "made_at": "2026-04-02T08:00:00Z",
}  # fmt: skip
LINE = {
    "number": 42, "timestamp": "2026-03-01T08:15:30.123456Z", "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10",
    "receipt": "7K2M9QX4TB", "kind": "transfer", "direction": "out", "amount": "1060.75", "fee": "10.00",
    "balance_before": "5000.00", "balance_after": "3939.25", "counterparty": "Eric H.", "memo": "rent, March",
    "reference": None, "order_reference": None, "hold_id": None, "reversal_of": None,
}  # fmt: skip


class StatementSerializer(StatementHeadSerializer):
    openapi = {"examples": [{"wallet_id": WALLET, **HEAD, "is_final": True, "data": [LINE], "next": None}]}

    wallet_id = serializers.UUIDField()
    is_final = serializers.BooleanField(help_text="false while its last day may still see movements")
    data = StatementLineSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class TakingSerializer(serializers.Serializer):
    number = serializers.IntegerField(help_text="of the entry on this wallet")
    timestamp = serializers.DateTimeField()
    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField()
    kind = serializers.ChoiceField(choices=["payment", "refund", "reversal", "fee_waiver"])
    order_reference = serializers.CharField(allow_null=True, help_text="of the payment; those without one come last")
    payment_id = serializers.UUIDField(help_text="the payment that it belongs to")
    payment_receipt = serializers.CharField()
    gross = serializers.CharField(help_text="below zero: given back")
    fee = serializers.CharField(help_text="what you bore of the fee; below zero: you got it back")
    net = serializers.CharField(help_text="gross - fee: by which the balance changed")
    refunded = serializers.CharField(help_text="of the payment, by the end of the day")
    state = serializers.ChoiceField(
        choices=["completed", "partially_reversed", "reversed"], help_text="of the payment, by the end of the day"
    )


TAKING = {
    "number": 42, "timestamp": "2026-03-01T08:15:30.123456Z", "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10",
    "receipt": "7K2M9QX4TB", "kind": "payment", "order_reference": "A-17",
    "payment_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "payment_receipt": "7K2M9QX4TB", "gross": "1000.00",
    "fee": "20.00", "net": "980.00", "refunded": "0.00", "state": "completed",
}  # fmt: skip


class MerchantStatementSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "wallet_id": WALLET, "currency": "KES", "day": "2026-03-01", "timezone": "Africa/Nairobi",
                "payments": "1000.00", "refunds": "0.00", "reversals": "0.00", "fees": "20.00", "net": "980.00",
                "payment_count": 1, "refund_count": 0, "reversal_count": 0, "is_final": True,
                "made_at": "2026-03-02T06:00:00Z", "data": [TAKING], "next": None,
            }
        ]
    }  # fmt: skip

    wallet_id = serializers.UUIDField()
    currency = CurrencyField()
    day = serializers.DateField()
    timezone = serializers.CharField()
    payments = serializers.CharField(help_text="what you were paid, before fees")
    refunds = serializers.CharField(help_text="what you gave back")
    reversals = serializers.CharField(help_text="what was taken back by our support")
    fees = serializers.CharField(help_text="what you bore, less what you got back")
    net = serializers.CharField(help_text="payments - refunds - reversals - fees")
    payment_count = serializers.IntegerField()
    refund_count = serializers.IntegerField()
    reversal_count = serializers.IntegerField()
    is_final = serializers.BooleanField(help_text="false while the day may still see movements")
    made_at = serializers.DateTimeField()
    data = TakingSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class KeptStatementSerializer(StatementHeadSerializer):
    openapi = {"examples": [HEAD | {"number": 3, "sha256": "5f0c" * 16}]}


class StatementsPageSerializer(serializers.Serializer):
    data = KeptStatementSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


def settings_body(row: StatementSettings) -> dict[str, Any]:
    """A `SettingsShownSerializer`'s answer."""
    return {"every": row.every, "format": row.format, "language": row.language, "next_at": row.due_at}


def head_body(stated: Stated) -> dict[str, Any]:
    """A `StatementHeadSerializer`'s answer."""
    found = stated.figures

    def shown(minor: int) -> str:
        return decimal_string(minor, found.currency)

    return {
        "number": stated.number,
        "currency": found.currency,
        "from": found.days.first,
        "to": found.days.last,
        "timezone": found.days.timezone,
        "opening_balance": shown(found.opening),
        "total_in": shown(found.credits),
        "total_out": shown(found.debits),
        "fees": shown(found.fees),
        "closing_balance": shown(found.closing),
        "lines_in": found.credit_count,
        "lines_out": found.debit_count,
        "control_total": shown(found.control_total),
        "sha256": stated.sha256 or None,
        "made_at": stated.made_at or found.as_of,
    }


def line_body(line: Line, currency: str) -> dict[str, Any]:
    """A `StatementLineSerializer`'s answer."""
    return {
        "number": line.seq,
        "timestamp": line.at,
        "transaction_id": line.transaction,
        "receipt": line.receipt,
        "kind": line.kind,
        "direction": "out" if line.is_debit else "in",
        "amount": decimal_string(line.amount, currency),
        "fee": decimal_string(line.fee, currency),
        "balance_before": decimal_string(line.balance_before, currency),
        "balance_after": decimal_string(line.balance_after, currency),
        "counterparty": line.counterparty or None,
        "memo": line.memo,
        "reference": line.reference,
        "order_reference": line.order_reference,
        "hold_id": line.hold,
        "reversal_of": line.reverses_id,
    }


def takings_body(stated: Stated, total: Takings) -> dict[str, Any]:
    """A `MerchantStatementSerializer`'s answer, without its page of lines."""
    found = stated.figures
    sums = {name: getattr(total, name) for name in ("payments", "refunds", "reversals", "fees", "net")}
    return {
        "wallet_id": stated.wallet.pk,
        "currency": found.currency,
        "day": found.days.first,
        "timezone": found.days.timezone,
        **{name: decimal_string(minor, found.currency) for name, minor in sums.items()},
        "payment_count": total.payment_count,
        "refund_count": total.refund_count,
        "reversal_count": total.reversal_count,
        "is_final": found.is_final,
        "made_at": found.as_of,
    }


def taking_body(line: Taking, currency: str) -> dict[str, Any]:
    """A `TakingSerializer`'s answer."""
    return {
        "number": line.seq,
        "timestamp": line.at,
        "transaction_id": line.transaction,
        "receipt": line.receipt,
        "kind": line.kind,
        "order_reference": line.order_reference,
        "payment_id": line.payment,
        "payment_receipt": line.payment_receipt,
        "gross": decimal_string(line.gross, currency),
        "fee": decimal_string(line.fee, currency),
        "net": decimal_string(line.net, currency),
        "refunded": decimal_string(line.refunded, currency),
        "state": line.state,
    }
