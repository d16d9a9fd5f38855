"""Reading a request's body: one JSON object, bounded, unambiguous, and no number ever a float."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from core.chunks import MAX_BODY_BYTES
from core.errors import BodyTooLarge, MalformedBody


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        return read_object(stream.read(MAX_BODY_BYTES + 1))


def read_object(body: bytes, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The one JSON object in ``body``; numbers with a point or exponent become Decimal, exactly as written.

    Raises: BodyTooLarge; MalformedBody for anything that two readers could understand differently (a key twice, NaN,
    a lone surrogate) or that PostgreSQL cannot store (NUL).
    """
    if len(body) > most:
        raise BodyTooLarge(f"At most {most} bytes.")
    try:
        value = json.loads(
            body.decode(), parse_float=Decimal, parse_constant=refuse_constant, object_pairs_hook=unique_keys
        )
        if b"\\u" in body:  # NUL and lone surrogates can only come in as escapes
            check_texts(value)
    except UnicodeDecodeError as exc:
        raise MalformedBody("The body is not UTF-8.") from exc
    except (ValueError, RecursionError) as exc:  # ValueError: also an integer of more than 4,300 digits
        said = isinstance(exc, json.JSONDecodeError | Ambiguous)
        raise MalformedBody(f"Not JSON: {exc if said else 'nested too deep, or too long a number'}.") from exc
    if not isinstance(value, dict):
        raise MalformedBody("The body must be one JSON object.")
    return value


class Ambiguous(ValueError):
    """JSON that parses and should not have."""


def refuse_constant(name: str) -> None:
    raise Ambiguous(f"{name} is not a number")


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Ambiguous("a key appears twice")
    return found


def check_texts(value: Any) -> None:
    match value:
        case str() if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            raise Ambiguous("NUL or half a surrogate pair in a string")
        case dict():
            for name, inner in value.items():
                check_texts(name)
                check_texts(inner)
        case list():
            for inner in value:
                check_texts(inner)


class AlwaysJSON(DefaultContentNegotiation):
    """One representation, whatever the Accept header says; there is no browsable API and no ``?format=``.

    DRF ties request and view to each other for its parsers. Ours asks for neither, so the knot is undone: what a
    request took is free when it has been answered, and not when the garbage collector comes by.
    """

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        request.parser_context.clear()
        return renderers[0], renderers[0].media_type
