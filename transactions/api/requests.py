"""Reading what clients ask of money: the Idempotency-Key, amounts, and the body of a transfer, by msgspec.

The transfer is the hottest call: its body goes from bytes to a struct in one pass. The rules and refusals are those of
`core.serializers`; the schema is that of `serializers.TransferSerializer`.
"""

import contextvars
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from core.chunks import MAX_BODY_BYTES
from core.errors import AmountNotPositive, BodyTooLarge, MalformedBody, UnsupportedMediaType, ValidationFailed
from core.money import EXPONENTS, Money
from core.parsing import read_object
from core.problems import field_errors, problem
from core.serializers import AmountField, EmailField, PhoneField, ReferenceField, TextField
from transactions.errors import InvalidIdempotencyKey, MissingIdempotencyKey
from transactions.movements import Answer, Outcome
from transactions.services.transfers import TransferOrder
from wallets.parties import Address

KEY = re.compile(r"[\x21-\x7e]{16,255}", re.ASCII)


def idempotency_key(request: Request) -> str:
    """Raises: MissingIdempotencyKey, InvalidIdempotencyKey."""
    key = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if not key:
        raise MissingIdempotencyKey()
    if not KEY.fullmatch(key) or key.startswith(settings.RESERVED_KEYS):
        raise InvalidIdempotencyKey()
    return str(key)


def positive(amount: str, currency: str) -> Money:
    """Raises: InvalidAmount, AmountTooPrecise, AmountTooLarge, AmountNotPositive."""
    money = Money.parse(amount, currency)
    if money.amount_minor <= 0:
        raise AmountNotPositive()
    return money


class Recipient(msgspec.Struct, forbid_unknown_fields=True):
    """Exactly one of the three."""

    wallet_id: UUID | None = None
    phone_number: str | None = None
    email: str | None = None


class TransferBody(msgspec.Struct, forbid_unknown_fields=True):
    from_wallet_id: UUID
    to: Recipient
    amount: Any
    currency: str
    memo: str = ""
    reference: str | None = None
    quote_id: UUID | None = None


# Names that may come once: msgspec would take the last of two, which another reader might not.
_names = [f'"{name}"'.encode() for struct in (TransferBody, Recipient) for name in struct.__struct_fields__]
_decode = msgspec.json.Decoder(TransferBody, float_hook=Decimal).decode
_fields = {
    "amount": AmountField(),
    "memo": TextField(max_length=140, allow_blank=True),
    "reference": ReferenceField(),
    "to.phone_number": PhoneField(),
    "to.email": EmailField(),
}


def read_transfer(request: Request) -> TransferOrder:
    """Raises: UnsupportedMediaType, BodyTooLarge, MalformedBody, ValidationFailed, and those of `positive`."""
    if request.META.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        raise UnsupportedMediaType()
    raw = request._request.read(MAX_BODY_BYTES + 1)
    if len(raw) > MAX_BODY_BYTES:
        raise BodyTooLarge()
    if any(raw.count(name) > 1 for name in _names):
        read_object(raw)
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, ArithmeticError, RecursionError) as exc:
        read_object(raw)  # what is not one JSON object is refused as at every other door
        if isinstance(exc, msgspec.ValidationError):
            raise ValidationFailed(errors=[_explained(exc)]) from exc
        raise MalformedBody() from exc
    if body.currency not in EXPONENTS:
        raise _wrong("currency", "invalid_choice", f"One of {', '.join(EXPONENTS)}.")
    return TransferOrder(
        from_wallet_id=body.from_wallet_id,
        to=_address(body.to),
        amount=positive(_field("amount", body.amount), body.currency),
        memo=_field("memo", body.memo) if body.memo else "",
        reference=None if body.reference is None else _field("reference", body.reference),
        quote=body.quote_id,
    )


def _address(to: Recipient) -> Address:
    named = [name for name in to.__struct_fields__ if getattr(to, name) is not None]
    match named:
        case ["wallet_id"]:
            return Address("wallet", str(to.wallet_id))
        case ["phone_number"]:
            return Address("phone", _field("to.phone_number", to.phone_number))
        case ["email"]:
            return Address("email", _field("to.email", to.email))
    raise _wrong("to", "invalid", "Give exactly one of wallet_id, phone_number and email.")


def _field(name: str, value: Any) -> Any:
    """The value by the rules of the field that the schema shows."""
    try:
        return _fields[name].run_validation(value)
    except ValidationError as exc:
        raise ValidationFailed(errors=list(field_errors(exc.detail, name))) from exc


def _wrong(field: str, code: str, message: str) -> ValidationFailed:
    return ValidationFailed(errors=[{"field": field, "code": code, "message": message}])


def _explained(exc: msgspec.ValidationError) -> dict[str, str]:
    """msgspec's sentence as a field error: what is wrong, at `$.to.wallet_id`."""
    message, _, place = str(exc).partition(" - at ")
    field = place.strip("`").removeprefix("$.").removeprefix("$")
    code = "unknown_field" if "unknown field" in message else "required" if "missing" in message else "invalid"
    if code != "invalid":
        name = message.rpartition("`")[0].rpartition("`")[2]
        field = f"{field}.{name}" if field else name
    return {"field": field, "code": code, "message": f"{message}."}


def answer_with(body: Callable[[Outcome], dict[str, Any]], request: Request) -> Answer:
    """Renders what the caller is told, to be kept with it. Runs in the poster's thread, in this request's context."""
    request_context, path = contextvars.copy_context(), request.path

    def render(outcome: Outcome) -> tuple[int, str]:
        if outcome.error:
            response = request_context.run(problem, outcome.error, path)
            return response.status_code, response.content.decode()
        return 201, msgspec.json.encode(body(outcome)).decode()

    return render
