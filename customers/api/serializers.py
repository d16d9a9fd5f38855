"""What goes in and comes out. Input is strict; a password or hash never comes out."""

from uuid import UUID

from rest_framework import serializers

from core.money import decimal_string
from core.pagination import CursorField, PageQuery
from core.serializers import CurrencyField, EmailField, PhoneField, SecretField, StrictSerializer, TextField
from customers.models import AccountType, CustomerState, TierLimit
from customers.passwords import LONGEST


class RegistrationSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {
                "full_name": "Aline Mukamana", "email": "aline@example.com", "phone_number": "+250788123456",
                "country": "RW", "account_type": "individual", "password": "correct horse battery staple",
            }
        ]
    }  # fmt: skip

    full_name = TextField(min_length=2, max_length=120)
    email = EmailField()
    phone_number = PhoneField()
    country = TextField(min_length=2, max_length=2, help_text="ISO 3166, e.g. KE")
    account_type = serializers.ChoiceField(choices=AccountType.choices)
    password = SecretField(max_length=LONGEST)


class LoginSerializer(StrictSerializer):
    openapi = {"examples": [{"username": "+250788123456", "password": "correct horse battery staple"}]}

    username = TextField(max_length=254, help_text="phone number with its country code, or e-mail address")
    password = SecretField(max_length=LONGEST)


class RefreshSerializer(StrictSerializer):
    openapi = {"examples": [{"refresh_token": "Yc0V8m0xkqfJ3h4QkV3b1oCqY7rT2nW5pLsE9uZ6dAg"}]}

    refresh_token = SecretField(max_length=200)


class EmptySerializer(StrictSerializer):
    """Nothing to say."""

    openapi = {"examples": [{}]}


class TokensSerializer(serializers.Serializer):
    access_token = serializers.CharField(help_text="JWT, for `Authorization: Bearer`")
    refresh_token = serializers.CharField(help_text="opaque; good once")
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="seconds the access token lives")


class CustomerSerializer(serializers.Serializer):
    customer_id = serializers.UUIDField(source="id")
    full_name = serializers.CharField()
    email = serializers.EmailField()
    phone_number = serializers.CharField()
    country = serializers.CharField(source="country_id")
    account_type = serializers.ChoiceField(choices=AccountType.choices)
    tier = serializers.IntegerField(help_text="KYC tier")
    status = serializers.ChoiceField(source="state", choices=CustomerState.choices)
    created_at = serializers.DateTimeField()


class ProfileChangeSerializer(StrictSerializer):
    openapi = {"examples": [{"phone_number": "+250788654321", "current_password": "correct horse battery staple"}]}

    full_name = TextField(min_length=2, max_length=120, required=False)
    account_type = serializers.ChoiceField(choices=AccountType.choices, required=False)
    email = EmailField(required=False)
    phone_number = PhoneField(required=False)
    current_password = SecretField(
        max_length=LONGEST, required=False, help_text="needed to change phone_number or email"
    )


class PasswordChangeSerializer(StrictSerializer):
    openapi = {
        "examples": [
            {"current_password": "correct horse battery staple", "new_password": "seven quiet herons wade at dusk"}
        ]
    }

    current_password = SecretField(max_length=LONGEST)
    new_password = SecretField(max_length=LONGEST)


class SessionSerializer(serializers.Serializer):
    session_id = serializers.UUIDField(source="id")
    user_agent = serializers.CharField()
    ip = serializers.IPAddressField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    current = serializers.SerializerMethodField(help_text="the session that asks")

    def get_current(self, session: object) -> bool:
        return getattr(session, "id", None) == self.context["session_id"]


class SessionPageSerializer(serializers.Serializer):
    data = SessionSerializer(many=True)  # type: ignore[assignment]  # a field; the stubs mean Serializer.data
    next = serializers.CharField(allow_null=True)


class SessionQuery(PageQuery):
    cursor = CursorField(UUID)


class LimitsSerializer(serializers.Serializer):
    """Decimal strings in the currency; null: no limit of that sort."""

    currency = CurrencyField()
    per_movement = serializers.CharField(allow_null=True)
    per_day = serializers.CharField(allow_null=True, help_text="leaving the wallet, the customer's calendar day")
    per_month = serializers.CharField(allow_null=True, help_text="leaving the wallet, calendar month")
    balance = serializers.CharField(allow_null=True, help_text="most that the wallet may hold")

    def to_representation(self, limit: TierLimit) -> dict[str, str | None]:
        def shown(minor: int | None) -> str | None:
            return None if minor is None else decimal_string(minor, limit.currency)

        return {
            "currency": limit.currency,
            "per_movement": shown(limit.per_movement),
            "per_day": shown(limit.per_day),
            "per_month": shown(limit.per_month),
            "balance": shown(limit.balance),
        }


class AllLimitsSerializer(serializers.Serializer):
    tier = serializers.IntegerField()
    data = LimitsSerializer(many=True)  # type: ignore[assignment]
