"""What movements look like on the wire. Amounts are decimal strings, instants RFC 3339 in UTC."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import (
    AmountField,
    CurrencyField,
    EmailField,
    InstantField,
    PhoneField,
    ReferenceField,
    StrictSerializer,
    TextField,
)
from fx.pricing import effective_rate
from fx.selectors import QuoteTerms
from transactions.attempt import refusal
from transactions.errors import RailRefused
from transactions.models import Kind, State
from transactions.movements import Outcome
from transactions.selectors import HistoryRow, LimitsLeft

DIRECTIONS = ["in", "out"]


class RecipientSerializer(StrictSerializer):
    """Exactly one of the three."""

    openapi = {"minProperties": 1, "maxProperties": 1}

    wallet_id = serializers.UUIDField(required=False)
    phone_number = PhoneField(required=False)
    email = EmailField(required=False)


class TransferSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "to": {"phone_number": "+254712345678"},
                "amount": "1050.75", "currency": "KES", "memo": "rent, March",
            }
        ]
    }  # fmt: skip

    from_wallet_id = serializers.UUIDField()
    to = RecipientSerializer()
    amount = AmountField()
    currency = CurrencyField()
    memo = TextField(max_length=140, required=False, allow_blank=True, help_text="the recipient reads it")
    reference = ReferenceField(required=False, allow_null=True)
    quote_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="the recipient gets what it promises; amount is its `exchanged`"
    )


class DepositSerializer(StrictSerializer):
    openapi = {"examples": [{"amount": "5000.00", "currency": "KES", "reference": "top-up-0042"}]}

    amount = AmountField()
    currency = CurrencyField()
    reference = ReferenceField(required=False, allow_null=True)


class BankAccountSerializer(StrictSerializer):
    bank_id = TextField(max_length=40)
    account_number = TextField(max_length=40)
    account_name = TextField(max_length=120)


class WithdrawSerializer(DepositSerializer):
    openapi = {
        "examples": [
            {
                "amount": "2500.00", "currency": "KES",
                "bank_account": {
                    "bank_id": "WEKEZA", "account_number": "0123456789", "account_name": "Aline Mukamana",
                },
            }
        ]
    }  # fmt: skip

    bank_account = BankAccountSerializer()
    quote_id = serializers.UUIDField(
        required=False, allow_null=True, help_text="the bank account gets what it promises; amount is its `exchanged`"
    )


class ExchangeSerializer(serializers.Serializer):
    amount_from = serializers.CharField(help_text="all that was taken, the fee included")
    amount_to = serializers.CharField(help_text="what arrived")
    currency_from = CurrencyField()
    currency_to = CurrencyField()
    fx_rate = serializers.CharField(help_text="units of currency_to for one of currency_from, after the fee")


class MovementSerializer(serializers.Serializer):
    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField(help_text="ten characters to read out over the phone")
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="on top of the amount, taken from the same wallet")
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=State.choices)
    timestamp = serializers.DateTimeField()
    quote_id = serializers.UUIDField(required=False, help_text="where one was taken")
    exchange = ExchangeSerializer(required=False, help_text="where a quote was taken")


class TransferredSerializer(MovementSerializer):
    openapi = {
        "examples": [
            {
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB", "amount": "1050.75",
                "fee": "0.00", "currency": "KES", "status": "completed", "timestamp": "2026-03-01T08:15:30.123456Z",
                "from_wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21",
                "to_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "balance_after": "3949.25",
            }
        ]
    }  # fmt: skip

    from_wallet_id = serializers.UUIDField()
    to_wallet_id = serializers.UUIDField()
    balance_after = serializers.CharField(help_text="of the paying wallet")


class RailMovementSerializer(MovementSerializer):
    wallet_id = serializers.UUIDField()


class LineSerializer(serializers.Serializer):
    account = serializers.CharField()
    side = serializers.ChoiceField(choices=["debit", "credit"])
    amount = serializers.CharField()
    currency = CurrencyField()


class LimitsLeftSerializer(serializers.Serializer):
    movement = serializers.CharField(allow_null=True, help_text="most at once; null: unlimited")
    day = serializers.CharField(allow_null=True, help_text="left today after this transfer")
    month = serializers.CharField(allow_null=True, help_text="left this month after this transfer")


class PreviewSerializer(serializers.Serializer):
    recipient = serializers.CharField(help_text="masked name")
    to_wallet_id = serializers.UUIDField()
    amount = serializers.CharField()
    fee = serializers.CharField()
    total = serializers.CharField(help_text="amount and fee")
    arrives = serializers.CharField(help_text="the amount less what the recipient pays of the fee")
    currency = CurrencyField()
    balance_after = serializers.CharField()
    limits_left = LimitsLeftSerializer()
    lines = LineSerializer(many=True)
    exchange = ExchangeSerializer(required=False, help_text="with a quote: what arrives, at which rate")
    expires_at = serializers.DateTimeField(required=False, help_text="with a quote: until when it holds")


class UsedLimitSerializer(serializers.Serializer):
    limit = serializers.CharField(allow_null=True, help_text="null: unlimited")
    used = serializers.CharField(help_text="what has left the wallet, in your country's calendar")
    left = serializers.CharField(allow_null=True)


class WalletLimitsSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "currency": "KES", "tier": 1,
                "per_movement": "100000.00", "day": {"limit": "130000.00", "used": "1500.00", "left": "128500.00"},
                "month": {"limit": "1000000.00", "used": "21500.00", "left": "978500.00"}, "balance": "300000.00",
            }
        ]
    }  # fmt: skip

    wallet_id = serializers.UUIDField()
    currency = CurrencyField()
    tier = serializers.IntegerField(help_text="KYC tier")
    per_movement = serializers.CharField(allow_null=True, help_text="most at once; null: unlimited")
    day = UsedLimitSerializer()
    month = UsedLimitSerializer()
    balance = serializers.CharField(allow_null=True, help_text="most that the wallet may hold; null: unlimited")


class CounterpartySerializer(serializers.Serializer):
    name = serializers.CharField(help_text="masked; of a bank or partner its name")
    wallet_id = serializers.UUIDField(allow_null=True)


class HistoryRowSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB", "kind": "transfer",
                "direction": "out", "amount": "1050.75", "fee": "0.00", "currency": "KES", "status": "completed",
                "balance_change": "-1050.75", "balance_after": "3949.25",
                "counterparty": {"name": "Eric H.", "wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90"},
                "memo": "rent, March", "reference": None, "code": None, "reversal_of": None,
                "hold_id": None, "order_reference": None, "exchange": None, "timestamp": "2026-03-01T08:15:30.123456Z",
            }
        ]
    }  # fmt: skip

    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    direction = serializers.ChoiceField(choices=DIRECTIONS)
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="what you pay: on top as payer, off what arrives as payee")
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=State.choices)
    balance_change = serializers.CharField(allow_null=True, help_text="signed; null while no money moved")
    balance_after = serializers.CharField(allow_null=True, help_text="running balance; null while no money moved")
    counterparty = CounterpartySerializer(allow_null=True)
    memo = serializers.CharField()
    reference = serializers.CharField(allow_null=True, help_text="yours, if you gave one")
    code = serializers.CharField(allow_null=True, help_text="why it was refused")
    reversal_of = serializers.UUIDField(allow_null=True)
    hold_id = serializers.UUIDField(allow_null=True, help_text="of which it was captured")
    order_reference = serializers.CharField(allow_null=True, help_text="the merchant's, also of what gives it back")
    exchange = ExchangeSerializer(allow_null=True, help_text="where the two sides have different currencies")
    timestamp = serializers.DateTimeField()


class HistoryPageSerializer(serializers.Serializer):
    data = HistoryRowSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class TransactionSerializer(serializers.Serializer):
    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    direction = serializers.ChoiceField(choices=DIRECTIONS)
    amount = serializers.CharField()
    fee = serializers.CharField(help_text="what you pay: on top as payer, off what arrives as payee")
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=State.choices)
    counterparty = CounterpartySerializer(allow_null=True)
    memo = serializers.CharField()
    reference = serializers.CharField(allow_null=True)
    code = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True, help_text="the code in words")
    reversal_of = serializers.UUIDField(allow_null=True)
    hold_id = serializers.UUIDField(allow_null=True, help_text="of which it was captured")
    order_reference = serializers.CharField(allow_null=True, help_text="the merchant's, also of what gives it back")
    reversed_by = serializers.ListField(child=serializers.UUIDField())
    reversed_amount = serializers.CharField()
    exchange = ExchangeSerializer(allow_null=True)
    quote_id = serializers.UUIDField(allow_null=True, help_text="whose rate it is")
    timestamp = serializers.DateTimeField()
    completed_at = serializers.DateTimeField(allow_null=True)


class HistoryQuery(PageQuery):
    cursor = CursorField(int, UUID)
    kind = serializers.ChoiceField(choices=Kind.choices, required=False)
    status = serializers.ChoiceField(choices=State.choices, required=False)
    direction = serializers.ChoiceField(choices=DIRECTIONS, required=False)
    to = InstantField(required=False, help_text="before this instant")

    def get_fields(self) -> dict[str, Any]:
        # ``from`` is a word of Python's and cannot be declared above
        return super().get_fields() | {"from": InstantField(required=False, help_text="from this instant on")}


def exchange_body(amount: int, fee: int, currency: str, received: int, received_currency: str) -> dict[str, str]:
    """An `ExchangeSerializer`'s answer."""
    return {
        "amount_from": decimal_string(amount + fee, currency),
        "amount_to": decimal_string(received, received_currency),
        "currency_from": currency,
        "currency_to": received_currency,
        "fx_rate": effective_rate(amount, currency, received, received_currency),
    }


def quoted_body(terms: QuoteTerms) -> dict[str, Any]:
    """What a preview says of the quote that would be taken."""
    exchange = exchange_body(terms.exchanged, terms.fee_minor, terms.sell, terms.buy_minor, terms.buy)
    return {"exchange": exchange, "expires_at": terms.expires_at}


def movement_body(outcome: Outcome) -> dict[str, Any]:
    body = _movement_body(outcome)
    if outcome.received:
        body["quote_id"] = outcome.quote
        body["exchange"] = exchange_body(
            outcome.amount, outcome.fee, outcome.currency, outcome.received, outcome.received_currency
        )
    return body


def _movement_body(outcome: Outcome) -> dict[str, Any]:
    return {
        "transaction_id": outcome.transaction,
        "receipt": outcome.receipt,
        "amount": decimal_string(outcome.amount, outcome.currency),
        "fee": decimal_string(outcome.fee, outcome.currency),
        "currency": outcome.currency,
        "status": outcome.state,
        "timestamp": outcome.created_at,
    }


def transfer_body(outcome: Outcome) -> dict[str, Any]:
    """A `TransferredSerializer`'s answer, written by hand: the hottest one."""
    assert outcome.balance_after is not None
    return movement_body(outcome) | {
        "from_wallet_id": outcome.payer,
        "to_wallet_id": outcome.payee,
        "balance_after": decimal_string(outcome.balance_after, outcome.currency),
    }


def rail_body(outcome: Outcome) -> dict[str, Any]:
    return movement_body(outcome) | {"wallet_id": outcome.payer or outcome.payee}


def limits_body(found: LimitsLeft) -> dict[str, Any]:
    """A `WalletLimitsSerializer`'s answer."""

    def shown(amount: int | None) -> str | None:
        return None if amount is None else decimal_string(amount, found.wallet.currency)

    def used(allowed: int | None, amount: int) -> dict[str, str | None]:
        return {"limit": shown(allowed), "used": shown(amount), "left": shown(found.left(allowed, amount))}

    limit = found.limit
    return {
        "wallet_id": found.wallet.pk,
        "currency": found.wallet.currency,
        "tier": limit.tier,
        "per_movement": shown(limit.per_movement),
        "day": used(limit.per_day, found.today),
        "month": used(limit.per_month, found.month),
        "balance": shown(limit.balance),
    }


def history_body(row: HistoryRow) -> dict[str, Any]:
    """A `HistoryRowSerializer`'s answer."""
    going_out = row.change < 0 if row.change is not None else row.is_payer
    own = row.received if row.received and row.wallet_currency == row.received_currency else row.amount
    return {
        "transaction_id": row.id,
        "receipt": row.receipt,
        "kind": row.kind,
        "direction": "out" if going_out else "in",
        "amount": decimal_string(own, row.wallet_currency),
        "fee": decimal_string(row.fee, row.wallet_currency),
        "currency": row.wallet_currency,
        "status": row.state,
        "balance_change": None if row.change is None else decimal_string(row.change, row.wallet_currency),
        "balance_after": None if row.balance_after is None else decimal_string(row.balance_after, row.wallet_currency),
        "counterparty": counterparty(row.counterparty, row.counterparty_wallet, row.rail),
        "memo": row.memo,
        "reference": row.reference,
        "code": row.refusal_code or None,
        "reversal_of": row.reverses,
        "hold_id": row.hold,
        "order_reference": row.order_reference,
        "exchange": exchange_of(row.kind, row.amount, row.fee, row.currency, row.received, row.received_currency),
        "timestamp": row.at,
    }


def exchange_of(
    kind: str, amount: int, fee: int, currency: str, received: int | None, received_currency: str | None
) -> dict[str, str] | None:
    """None where both sides have one currency. A reversal tells its amounts, and its original the rate."""
    if received is None or received_currency is None or kind == Kind.REVERSAL:
        return None
    return exchange_body(amount, fee, currency, received, received_currency)


def transaction_body(row: dict[str, Any]) -> dict[str, Any]:
    """A `TransactionSerializer`'s answer."""
    currency = row["currency"]
    other = "payee" if row["is_payer"] else "payer"
    code = row["refusal_code"]
    return {
        "transaction_id": row["id"],
        "receipt": row["receipt"],
        "kind": row["kind"],
        "direction": "out" if row["is_payer"] else "in",
        "amount": decimal_string(row["amount"], currency),
        "fee": decimal_string(row["fee"], currency),
        "currency": currency,
        "status": row["state"],
        "counterparty": counterparty(row[f"{other}_name"], row[f"{other}_id"], row["outside"]),
        "memo": row["memo"],
        "reference": row["reference"],
        "code": code or None,
        "reason": (RailRefused if code == RailRefused.code else type(refusal(code))).title if code else None,
        "reversal_of": row["reverses_id"],
        "hold_id": row["hold_id"],
        "order_reference": row["order_reference"],
        "reversed_by": row["reversed_by"],
        "reversed_amount": decimal_string(row["reversed_amount"], currency),
        "exchange": exchange_of(
            row["kind"], row["amount"], row["fee"], currency, row["received"], row["received_currency"]
        ),
        "quote_id": row["quote_id"],
        "timestamp": row["created_at"],
        "completed_at": row["completed_at"],
    }


def counterparty(name: str | None, wallet: UUID | None, rail: str) -> dict[str, Any] | None:
    if name is not None:
        return {"name": name, "wallet_id": wallet}
    return {"name": rail, "wallet_id": None} if rail else None
