"""The fields that every door shares. Input is strict: unknown fields, loose types and control characters are a 400."""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from core.contacts import e164, mailbox
from core.days import written
from core.money import CURRENCY_CHOICES, DECIMAL

MOST_TOLD = 100  # unknown fields of one body: an answer does not grow with what it answers
# Letters that turn the reading direction let a name or memo show as something else than it is.
BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
UNPRINTABLE = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what it does not know: a typing mistake must not silently become a default, nor ``role`` be tried."""

    openapi: dict[str, Any] = {}  # what the schema says of it beyond its fields: examples, how many at once

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = [name for name, field in self.fields.items() if not field.read_only]
            if unknown := [str(name) for name in data if name not in known][:MOST_TOLD]:
                told = f"Unknown field. Known here: {', '.join(known)}."
                wrong: dict[str, Any] = {name: [ErrorDetail(told, code="unknown_field")] for name in unknown}
                try:
                    super().to_internal_value(data)
                except serializers.ValidationError as also:
                    wrong |= cast("dict[str, Any]", also.detail)
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Printable text on one line, trimmed, in Unicode's composed form. Numbers and booleans are not text."""

    default_error_messages = {"unprintable": "Control characters are not allowed."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text = unicodedata.normalize("NFC", super().to_internal_value(data))
        if any(c in BIDI_CONTROLS or unicodedata.category(c) in UNPRINTABLE for c in text):
            self.fail("unprintable")
        return text


class ReferenceField(TextField):
    """A client's own reference, and none that an app gives (RESERVED_REFERENCES): it is unique for ever."""

    default_error_messages = {"reserved": "References that begin like this one are ours. Choose another one."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=80, help_text="your own, unique for ever", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text.startswith(settings.RESERVED_REFERENCES):
            self.fail("reserved")
        return text


class SecretField(serializers.CharField):
    """A password or token: taken exactly as sent, never shown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, write_only=True, style={"input_type": "password"}, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_field(
    {
        "oneOf": [{"type": "string", "pattern": r"^[0-9]{1,18}(\.[0-9]{1,18})?$"}, {"type": "number"}],
        "description": "A decimal string in the currency's main unit; an exact JSON number is accepted.",
        "examples": ["1050.75"],
    }
)
class AmountField(serializers.Field[Any, Any, Any, Any]):
    """What ``Money.parse`` takes: a decimal string. Sign, decimals and size are judged there, with the currency."""

    default_error_messages = {"invalid_amount": 'Write an amount as a decimal string, for example "1050.75".'}

    def to_internal_value(self, data: Any) -> str:
        match data:
            case bool():
                self.fail("invalid_amount")
            case int():
                text = str(data) if abs(data) < 10**18 else ""
            case Decimal():  # a JSON number, exact; 1e3 is 1000, and 1e999999 is not worth writing out
                text = f"{data:f}" if data.is_finite() and abs(data.adjusted()) <= 18 else ""
            case str():
                text = data
            case _:
                text = ""
        if not DECIMAL.fullmatch(text):
            self.fail("invalid_amount")
        return text

    def to_representation(self, value: Any) -> str:
        return str(value)


class CurrencyField(serializers.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=CURRENCY_CHOICES, **kwargs)


@extend_schema_field(
    {"type": "string", "maxLength": 32, "pattern": r"^(\+|00)[0-9 ().-]{6,30}$", "examples": ["+254712345678"]}
)
class PhoneField(TextField):
    """A phone number with its country code, however written, read as E.164: ``+254 712-345678`` is +254712345678."""

    default_error_messages = {"invalid_phone": "Write the number with its country code, for example +254712345678."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=32, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        number = e164(super().to_internal_value(data))
        if number is None:
            self.fail("invalid_phone")
        return number


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[Any, Any, Any, Any]):
    """An instant in RFC 3339, with its offset: a time without one would mean another moment to each reader."""

    default_error_messages = {"invalid_instant": "Write an instant with its offset, for example 2026-01-31T23:59:59Z."}

    def to_internal_value(self, data: Any) -> datetime:
        text = str(data).strip().replace(" ", "+")  # in a query string an unescaped "+" arrives as a space
        try:
            instant = datetime.fromisoformat(text)
            if "T" not in text or instant.tzinfo is None:
                self.fail("invalid_instant")
            return instant.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail("invalid_instant")

    def to_representation(self, value: datetime) -> str:
        return written(value)


class WholeField(serializers.IntegerField):
    """A whole number written as one: neither a text nor a truth value."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class FlagField(serializers.BooleanField):
    """true or false, and nothing that only looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


@extend_schema_field({"type": "string", "format": "email", "maxLength": 254})
class EmailField(TextField):
    """A mailbox, in lower case; a domain in another script is kept in its ASCII form, so that look-alikes differ."""

    default_error_messages = {"invalid_email": "This is not an e-mail address."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        address = mailbox(super().to_internal_value(data))
        if address is None:
            self.fail("invalid_email")
        return address
