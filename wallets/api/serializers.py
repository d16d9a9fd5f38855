"""What wallets look like on the wire. Amounts are decimal strings, instants RFC 3339 in UTC."""

from typing import Any
from uuid import UUID

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import CurrencyField, InstantField, StrictSerializer
from customers.api.serializers import CustomerSerializer, TokensSerializer
from wallets.models import Wallet
from wallets.selectors import WalletBalance


class OpenWalletSerializer(StrictSerializer):
    openapi = {"examples": [{"currency": "USD"}]}

    currency = CurrencyField()


class WalletQuery(PageQuery):
    cursor = CursorField(UUID)


class BalanceQuery(StrictSerializer):
    at = InstantField(required=False, help_text="As of this past instant; absent: now.")


class AmountsSerializer(serializers.Serializer):
    balance = serializers.CharField(help_text="what the wallet holds: a decimal string in its currency")
    available = serializers.CharField(help_text="what can be spent: balance less held")
    held = serializers.CharField(help_text="set aside for movements under way")


class WalletSerializer(AmountsSerializer):
    openapi = {
        "examples": [
            {
                "wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "currency": "KES", "balance": "5000.00",
                "available": "4000.00", "held": "1000.00", "status": "active", "created_at": "2026-01-05T07:00:00Z",
            }
        ]
    }  # fmt: skip

    wallet_id = serializers.UUIDField()
    currency = CurrencyField()
    status = serializers.ChoiceField(choices=["active", "frozen", "closed"], help_text="frozen: one way or both")
    created_at = serializers.DateTimeField()

    def to_representation(self, wallet: Wallet) -> dict[str, Any]:
        return {
            "wallet_id": wallet.id,
            "currency": wallet.currency,
            **amounts(wallet.account.posted, wallet.account.held, wallet.currency),
            "status": wallet.status,
            "created_at": wallet.created_at,
        }


class WalletPageSerializer(serializers.Serializer):
    data = WalletSerializer(many=True)  # type: ignore[assignment]
    next = serializers.CharField(allow_null=True)


class BalanceSerializer(AmountsSerializer):
    openapi = {
        "examples": [
            {
                "wallet_id": "01981f6e-3c55-7f4a-9d2b-6a1e8c0f7b21", "balance": "5000.00", "available": "4000.00",
                "held": "1000.00", "currency": "KES", "last_updated": "2026-03-01T08:15:30.123456Z",
            }
        ]
    }  # fmt: skip

    wallet_id = serializers.UUIDField()
    currency = CurrencyField()
    last_updated = serializers.DateTimeField(
        allow_null=True, help_text="when the wallet last changed; null for an instant before it was opened"
    )


class SignedUpSerializer(TokensSerializer):
    customer = CustomerSerializer()
    wallet = WalletSerializer()


def balance_body(balance: WalletBalance) -> dict[str, Any]:
    """A `BalanceSerializer`'s answer, written by hand: nothing is read more often."""
    return {
        "wallet_id": balance.wallet_id,
        **amounts(balance.posted, balance.held, balance.currency),
        "currency": balance.currency,
        "last_updated": balance.last_updated,
    }


def amounts(posted: int, held: int, currency: str) -> dict[str, str]:
    return {
        "balance": decimal_string(posted, currency),
        "available": decimal_string(posted - held, currency),
        "held": decimal_string(held, currency),
    }
