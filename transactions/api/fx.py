"""Exchange: today's rates, quotes, conversions. Rates are units of the second currency for one of the first."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import NotFound
from core.money import decimal_string
from core.serializers import AmountField, CurrencyField, StrictSerializer
from customers.api.views import read_body
from customers.authentication import caller
from customers.errors import CustomerSuspended, SessionEnded
from customers.permissions import LiveSession
from fx.ages import age_of
from fx.errors import (
    AmountTooSmallToConvert,
    FxExposureExceeded,
    NoRoute,
    RateMissing,
    RateStale,
    SameCurrency,
    TooManyQuotes,
)
from fx.models import Quote, RateSource
from fx.pricing import rate_string
from fx.selectors import Latest, snapshot
from transactions import errors
from transactions.api.requests import answer_with, idempotency_key, positive
from transactions.api.serializers import ExchangeSerializer, exchange_body
from transactions.api.views import AMOUNTS, IDEMPOTENT, QUOTED, SENDING, told
from transactions.models import Kind, State
from transactions.movements import Outcome
from transactions.services.conversions import QUOTED_CHOICES, ConversionOrder, ask_quote, convert

QUOTING: list[Any] = [
    SameCurrency, AmountTooSmallToConvert, NoRoute, FxExposureExceeded, RateStale, RateMissing, TooManyQuotes,
]  # fmt: skip
WALLET, QUOTE = "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "01981f70-22aa-7b19-9c31-0d5e7f9a4c62"


class RateQuery(StrictSerializer):
    currency = CurrencyField(required=False, help_text="only pairs with this one")


class RateSerializer(serializers.Serializer):
    openapi = {
        "examples": [
            {
                "base": "USD", "quote": "KES", "mid": "129.35", "bid": "129.1", "ask": "129.6",
                "provider": "Central Bank of Kenya", "timestamp": "2026-03-02T00:00:00Z", "age": 1,
                "age_unit": "business_days", "is_stale": False,
            }
        ]
    }  # fmt: skip

    base = serializers.CharField(help_text="the rate says what one unit of this is worth ...")
    quote = serializers.CharField(help_text="... in units of this")
    mid = serializers.CharField()
    bid = serializers.CharField(allow_null=True)
    ask = serializers.CharField(allow_null=True)
    provider = serializers.CharField(help_text="who published it")
    timestamp = serializers.DateTimeField(help_text="as of when")
    age = serializers.IntegerField()
    age_unit = serializers.ChoiceField(choices=["business_days", "minutes"])
    is_stale = serializers.BooleanField(help_text="too old: nothing is quoted with it")


class RatesSerializer(serializers.Serializer):
    data = RateSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True, help_text="always null: all of them are here")


class AskQuoteSerializer(StrictSerializer):
    openapi = {
        "examples": [{"currency_from": "KES", "currency_to": "USD", "amount_from": "13000.00", "kind": "conversion"}]
    }

    currency_from = CurrencyField()
    currency_to = CurrencyField()
    amount_from = AmountField(required=False, help_text="all that is to be taken, the fee included")
    amount_to = AmountField(required=False, help_text="what is to arrive; give one of the two")
    kind = serializers.ChoiceField(
        choices=QUOTED_CHOICES, default=Kind.CONVERSION.value, help_text="what it will be used for"
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("amount_from" in attrs) == ("amount_to" in attrs):
            raise serializers.ValidationError({"amount_from": ["Give amount_from or amount_to."]})
        return attrs


class QuoteSerializer(ExchangeSerializer):
    openapi = {
        "examples": [
            {
                "quote_id": QUOTE, "kind": "conversion", "amount_from": "13000.00", "fee": "0.00",
                "exchanged": "13000.00", "amount_to": "99.10", "currency_from": "KES", "currency_to": "USD",
                "fx_rate": "0.007623076923", "status": "open", "transaction_id": None,
                "created_at": "2026-03-02T08:15:30.123456Z", "expires_at": "2026-03-02T08:16:30.123456Z",
            }
        ]
    }  # fmt: skip

    quote_id = serializers.UUIDField()
    kind = serializers.CharField()
    fee = serializers.CharField(help_text="in currency_from, part of amount_from")
    exchanged = serializers.CharField(help_text="amount_from without the fee")
    status = serializers.ChoiceField(choices=["open", "used", "expired"])
    transaction_id = serializers.UUIDField(allow_null=True, help_text="what used it")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(help_text="honoured to this moment, included")


class ConvertSerializer(StrictSerializer):
    openapi = {
        "examples": [{"wallet_id": WALLET, "amount": "13000.00", "currency_from": "KES", "currency_to": "USD"}]
    }  # fmt: skip

    wallet_id = serializers.UUIDField(help_text="the wallet that gives")
    amount = AmountField(help_text="all that leaves it, the fee included")
    currency_from = CurrencyField()
    currency_to = CurrencyField(help_text="you have a wallet in it")
    quote_id = serializers.UUIDField(required=False, allow_null=True, help_text="without one: at the present rate")


class ConvertedSerializer(ExchangeSerializer):
    openapi = {
        "examples": [
            {
                "transaction_id": "01981f6f-0d1e-7c33-8a44-5f0c9d3e2b10", "receipt": "7K2M9QX4TB", "wallet_id": WALLET,
                "to_wallet_id": "01981f6e-9b02-7d18-b3c6-2e4f7a8d5c90", "amount_from": "13000.00",
                "amount_to": "99.10", "currency_from": "KES", "currency_to": "USD", "fx_rate": "0.007623076923",
                "fee": "0.00", "quote_id": QUOTE, "status": "completed", "timestamp": "2026-03-02T08:15:42.123456Z",
            }
        ]
    }  # fmt: skip

    transaction_id = serializers.UUIDField()
    receipt = serializers.CharField(help_text="ten characters to read out over the phone")
    wallet_id = serializers.UUIDField()
    to_wallet_id = serializers.UUIDField()
    fee = serializers.CharField(help_text="in currency_from, part of amount_from")
    quote_id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=State.choices)
    timestamp = serializers.DateTimeField()


class RatesView(APIView):
    permission_classes = [LiveSession]

    @extend_schema(operation_id="list_fx_rates", parameters=[RateQuery], responses=RatesSerializer)
    def get(self, request: Request) -> Response:
        """The rate that counts for each pair, at most a second old here, with its source and age."""
        query = RateQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted, known, at = query.validated_data.get("currency"), snapshot(), datetime.now(UTC)
        rows = [
            rate_body(one, is_stale, known.sources[one.source], at)
            for one, is_stale in known.best() if wanted in (None, one.base, one.quote)
        ]  # fmt: skip
        return Response({"data": rows, "next": None})


class QuotesView(APIView):
    permission_classes = [IsAuthenticated]  # who asks is looked at in the statement that counts their open quotes
    problems = [
        *AMOUNTS, SessionEnded, CustomerSuspended, errors.LimitExceeded, errors.LimitsNotSet, *QUOTING,
    ]  # fmt: skip

    @extend_schema(operation_id="ask_fx_quote", request=AskQuoteSerializer, responses={201: QuoteSerializer})
    def post(self, request: Request) -> Response:
        """A rate that holds for a minute, for you and once: for a conversion, a transfer or a withdrawal."""
        body = read_body(request, AskQuoteSerializer)
        sell, buy = body["currency_from"], body["currency_to"]
        amounts = {
            f"{side}_minor": positive(body[name], currency).amount_minor
            for side, name, currency in (("sell", "amount_from", sell), ("buy", "amount_to", buy)) if name in body
        }  # fmt: skip
        made = ask_quote(actor=caller(request), sell=sell, buy=buy, kind=body["kind"], **amounts)
        return Response(quote_body(made, made.created_at), status=201)


class QuoteView(APIView):
    permission_classes = [LiveSession]
    problems = [NotFound]

    @extend_schema(operation_id="read_fx_quote", responses=QuoteSerializer)
    def get(self, request: Request, quote_id: UUID) -> Response:
        """One of your quotes: whether it still holds, and what used it."""
        me = f"customer:{caller(request).id}"
        found = Quote.objects.select_related("use").filter(pk=quote_id, caller=me).first()
        if found is None:
            raise NotFound()
        return Response(quote_body(found, datetime.now(UTC)))


class ConvertView(APIView):
    permission_classes = [IsAuthenticated]  # as for transfers
    idempotent = True
    problems = [
        *SENDING, errors.NoWalletInCurrency, errors.BalanceLimitExceeded, errors.RecipientUnavailable, *QUOTED,
        *QUOTING, *IDEMPOTENT,
    ]  # fmt: skip

    @extend_schema(operation_id="convert", request=ConvertSerializer, responses={201: ConvertedSerializer})
    def post(self, request: Request) -> HttpResponse:
        """Change money between two of your wallets: at the rate of your quote, or at the present one."""
        key = idempotency_key(request)
        body = read_body(request, ConvertSerializer)
        order = ConversionOrder(
            wallet_id=body["wallet_id"], amount=positive(body["amount"], body["currency_from"]),
            to_currency=body["currency_to"], quote=body.get("quote_id"),
        )  # fmt: skip
        answer = answer_with(converted_body, request)
        return told(convert(order, actor=caller(request), idempotency_key=key, answer=answer))


def rate_body(one: Latest, is_stale: bool, source: RateSource, at: datetime) -> dict[str, Any]:
    return {
        "base": one.base,
        "quote": one.quote,
        "mid": rate_string(one.mid),
        "bid": one.bid and rate_string(one.bid),
        "ask": one.ask and rate_string(one.ask),
        "provider": source.name,
        "timestamp": one.as_of,
        "age": age_of(source, one.as_of, at),
        "age_unit": "business_days" if source.daily else "minutes",
        "is_stale": is_stale,
    }


def quote_body(quote: Quote, at: datetime) -> dict[str, Any]:
    use = getattr(quote, "use", None)
    return {
        "quote_id": quote.pk,
        "kind": quote.kind,
        **exchange_body(quote.sell_minor - quote.fee_minor, quote.fee_minor, quote.sell, quote.buy_minor, quote.buy),
        "fee": decimal_string(quote.fee_minor, quote.sell),
        "exchanged": decimal_string(quote.sell_minor - quote.fee_minor, quote.sell),
        "status": "used" if use else "open" if at <= quote.expires_at else "expired",
        "transaction_id": use.transaction if use else None,
        "created_at": quote.created_at,
        "expires_at": quote.expires_at,
    }


def converted_body(outcome: Outcome) -> dict[str, Any]:
    assert outcome.received is not None
    return {
        "transaction_id": outcome.transaction,
        "receipt": outcome.receipt,
        "wallet_id": outcome.payer,
        "to_wallet_id": outcome.payee,
        **exchange_body(outcome.amount, outcome.fee, outcome.currency, outcome.received, outcome.received_currency),
        "fee": decimal_string(outcome.fee, outcome.currency),
        "quote_id": outcome.quote,
        "status": outcome.state,
        "timestamp": outcome.created_at,
    }
