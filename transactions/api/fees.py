"""What things cost, before they are done: the price list of whoever asks, and previews of what goes through a rail."""

from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.money import Money, decimal_string
from core.serializers import AmountField, CurrencyField, StrictSerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import AccountType, Customer
from customers.permissions import LiveSession
from transactions import errors
from transactions.api.requests import positive
from transactions.api.serializers import LimitsLeftSerializer
from transactions.api.views import AMOUNTS, SENDING
from transactions.models import FeeRule, Kind
from transactions.prices import Price, in_words, price_list
from transactions.services.rail_previews import preview_cash_out, preview_top_up
from wallets.errors import WalletClosed, WalletFrozen, WalletNotFound

# --- The price list --------------------------------------------------------------------------------------------------


class BandSerializer(serializers.Serializer):
    above = serializers.CharField(help_text="from this amount on")
    flat = serializers.CharField()
    percent = serializers.CharField()


class PriceSerializer(serializers.Serializer):
    kind = serializers.ChoiceField(choices=Kind.choices)
    currency = CurrencyField()
    words = serializers.CharField(help_text="the same in English")
    flat = serializers.CharField(help_text="of each movement")
    percent = serializers.CharField(help_text="of the amount")
    at_least = serializers.CharField(allow_null=True)
    at_most = serializers.CharField(allow_null=True)
    bands = BandSerializer(many=True, help_text="another price from an amount on; empty: there is none")
    bands_price = serializers.ChoiceField(
        choices=FeeRule.Bands.choices, allow_null=True,
        help_text="whole: the band of the amount prices all of it; marginal: each part is priced by its own band",
    )  # fmt: skip
    rounded_to = serializers.CharField(help_text="in steps of this")
    rounding = serializers.ChoiceField(choices=FeeRule.Rounding.choices)
    recipient_pays_percent = serializers.CharField(help_text="of the fee; taken off what arrives")
    account_type = serializers.ChoiceField(choices=AccountType.choices, allow_null=True, help_text="null: any")
    tier = serializers.IntegerField(allow_null=True, help_text="KYC tier of who pays it; null: any")
    from_country = serializers.CharField(allow_null=True, help_text="of the payer; null: any")
    to_country = serializers.CharField(allow_null=True, help_text="of the recipient; null: any")
    through = serializers.CharField(allow_null=True, help_text="bank or partner; null: any")
    from_day = serializers.DateField()
    last_day = serializers.DateField(allow_null=True, help_text="included; null: until further notice")
    waived_percent = serializers.CharField(help_text="of your part of it, today")


class PriceListSerializer(serializers.Serializer):
    openapi: ClassVar[dict[str, Any]] = {
        "examples": [
            {
                "data": [
                    {
                        "kind": "cash_out", "currency": "KES", "words": "KES 30.00 + 0.50 %, at most KES 250.00",
                        "flat": "30.00", "percent": "0.50", "at_least": None, "at_most": "250.00", "bands": [],
                        "bands_price": None, "rounded_to": "0.01", "rounding": "half_up",
                        "recipient_pays_percent": "0.00", "account_type": None, "tier": None, "from_country": None,
                        "to_country": None, "through": None, "from_day": "2026-03-01", "last_day": None,
                        "waived_percent": "0.00",
                    }
                ]
            }
        ]
    }  # fmt: skip

    data = PriceSerializer(many=True)  # type: ignore[assignment]


class FeesView(APIView):
    permission_classes = [LiveSession]
    problems = [SessionEnded, CustomerSuspended]

    @extend_schema(operation_id="list_fees", responses=PriceListSerializer)
    def get(self, request: Request) -> Response:
        """What each kind of movement costs you today, in the currencies of your wallets. Of several prices for the same
        kind and currency, the first that fits a movement counts."""
        customer = Customer.objects.get(pk=caller(request).id)
        return Response({"data": [price_body(one) for one in price_list(customer)]})


def price_body(price: Price) -> dict[str, Any]:
    """A `PriceSerializer`'s answer."""
    fee, currency = price.fee, price.currency

    def shown(amount: int | None) -> str | None:
        return None if amount is None else decimal_string(amount, currency)

    return {
        "kind": price.kind,
        "currency": currency,
        "words": in_words(fee, currency),
        "flat": shown(fee.flat),
        "percent": percent(fee.bps),
        "at_least": shown(fee.least),
        "at_most": shown(fee.most),
        "bands": [
            {"above": shown(band.above), "flat": shown(band.flat), "percent": percent(band.bps)} for band in fee.bands
        ],
        "bands_price": (FeeRule.Bands.MARGINAL if fee.marginal else FeeRule.Bands.WHOLE) if fee.bands else None,
        "rounded_to": shown(fee.round_to),
        "rounding": fee.rounding,
        "recipient_pays_percent": percent(fee.payee_bps),
        "account_type": fee.account_type,
        "tier": fee.tier,
        "from_country": fee.from_country,
        "to_country": fee.to_country,
        "through": fee.partner,
        "from_day": fee.effective_from,
        "last_day": fee.last_day,
        "waived_percent": percent(price.waiver.bps if price.waiver else 0),
    }


def percent(bps: int) -> str:
    """``1.25``: hundredths of a percent as a decimal."""
    return f"{bps // 100}.{bps % 100:02}"


# --- Previews --------------------------------------------------------------------------------------------------------


class RailPreviewQuery(StrictSerializer):
    openapi = {"examples": [{"amount": "2500.00", "currency": "KES"}]}

    amount = AmountField()
    currency = CurrencyField()


class PreviewedSerializer(serializers.Serializer):
    amount = serializers.CharField()
    fee = serializers.CharField()
    currency = CurrencyField()
    available_after = serializers.CharField(help_text="in the wallet, from then on")


class WithdrawPreviewSerializer(PreviewedSerializer):
    total = serializers.CharField(help_text="amount and fee, which leave the wallet")
    arrives = serializers.CharField(help_text="at the bank account")
    limits_left = LimitsLeftSerializer()


class DepositPreviewSerializer(PreviewedSerializer):
    arrives = serializers.CharField(help_text="in the wallet: the amount less the fee, once the partner has it")
    balance_left = serializers.CharField(allow_null=True, help_text="what the wallet may still hold; null: unlimited")


class WithdrawPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = SENDING

    @extend_schema(
        operation_id="preview_withdraw", request=RailPreviewQuery, responses={200: WithdrawPreviewSerializer}
    )
    def post(self, request: Request, wallet_id: UUID) -> Response:
        """What the same withdrawal would cost, what arrives and which limits are left. Holds and posts nothing."""
        amount = asked(request)
        preview = preview_cash_out(wallet_id, amount, actor=caller(request))
        shown = shown_in(amount.currency)
        return Response(
            {
                "amount": amount.decimal,
                "fee": shown(preview.fee),
                "total": shown(amount.amount_minor + preview.fee),
                "arrives": shown(preview.arrives),
                "currency": amount.currency,
                "available_after": shown(preview.available),
                "limits_left": {period: shown(left) for period, left in preview.limits_left.items()},
            }
        )


class DepositPreviewView(APIView):
    permission_classes = [LiveSession]
    problems = [
        *AMOUNTS, SessionEnded, CustomerSuspended, WalletNotFound, errors.CurrencyMismatch, WalletFrozen, WalletClosed,
        errors.AmountBelowFee, errors.BalanceLimitExceeded, errors.LimitExceeded, errors.LimitsNotSet,
    ]  # fmt: skip

    @extend_schema(operation_id="preview_deposit", request=RailPreviewQuery, responses={200: DepositPreviewSerializer})
    def post(self, request: Request, wallet_id: UUID) -> Response:
        """What the same top-up would cost and what arrives in the wallet. Asks no partner and posts nothing."""
        amount = asked(request)
        preview = preview_top_up(wallet_id, amount, actor=caller(request))
        shown = shown_in(amount.currency)
        return Response(
            {
                "amount": amount.decimal,
                "fee": shown(preview.fee),
                "arrives": shown(preview.arrives),
                "currency": amount.currency,
                "available_after": shown(preview.available),
                "balance_left": shown(preview.limits_left["balance"]),
            }
        )


def asked(request: Request) -> Money:
    body = read_body(request, RailPreviewQuery)
    return positive(body["amount"], body["currency"])


def shown_in(currency: str) -> Callable[[int | None], str | None]:
    return lambda amount: None if amount is None else decimal_string(amount, currency)
