"""Keyset pages: ``{"data": […], "next": cursor}``. A cursor says after which row to go on, so the last page of a long
history costs what the first does, and a row that arrives meanwhile moves nothing."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from core.serializers import StrictSerializer

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class LimitField(serializers.IntegerField):
    """From 1; more than MAX_LIMIT is read as MAX_LIMIT."""

    def __init__(self) -> None:
        super().__init__(
            min_value=1,
            default=DEFAULT_LIMIT,
            help_text=f"Rows per page; more than {MAX_LIMIT} is read as {MAX_LIMIT}.",
        )

    def to_internal_value(self, data: Any) -> int:
        return min(super().to_internal_value(data), MAX_LIMIT)


@extend_schema_field(OpenApiTypes.STR)
class CursorField(serializers.Field[Any, Any, Any, Any]):
    """The ``next`` of the page before, read back into its key: one value for each of ``types``."""

    default_error_messages = {"invalid_cursor": "Not a cursor that we gave for this list."}

    def __init__(self, *types: Callable[[Any], Any]) -> None:
        self.types = types
        super().__init__(required=False, help_text="`next` of the page before.")

    def __deepcopy__(self, memo: dict[Any, Any]) -> "CursorField":
        return CursorField(*self.types)

    def to_internal_value(self, data: Any) -> tuple[Any, ...]:
        try:
            return read_cursor(str(data)[:200], *self.types)
        except ValueError:
            self.fail("invalid_cursor")

    def to_representation(self, value: Any) -> str:
        return str(value)


class PageQuery(StrictSerializer):
    """The query of a list. Subclass it to add filters and a ``cursor = CursorField(…)`` of the list's key."""

    limit = LimitField()


class Page(NamedTuple):
    """``limit`` rows after the row whose key is ``after`` (None: from the start); ``filters``: what else was asked."""

    limit: int
    after: tuple[Any, ...] | None
    filters: dict[str, Any]


def read_page(request: Request, query: type[PageQuery]) -> Page:
    """Read and check the query string. Raises: DRF's ValidationError, a 400 that names the parameter."""
    if not request.query_params and not any(field.required for field in query._declared_fields.values()):
        return Page(DEFAULT_LIMIT, None, {})
    serializer = query(data=request.query_params.dict())
    serializer.is_valid(raise_exception=True)
    asked = dict(serializer.validated_data)
    return Page(limit=asked.pop("limit"), after=asked.pop("cursor", None), filters=asked)


def page_body(
    rows: Sequence[Any], limit: int, *, key: Callable[[Any], Sequence[Any]], shown: Callable[[Any], Any]
) -> dict[str, Any]:
    """The answer for ``limit + 1`` fetched rows: the one too many tells that there is a next page."""
    following = write_cursor(*key(rows[limit - 1])) if len(rows) > limit else None
    return {"data": [shown(row) for row in rows[:limit]], "next": following}


def write_cursor(*key: Any) -> str:
    text = json.dumps([part if isinstance(part, int) else str(part) for part in key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, *types: Callable[[Any], Any]) -> tuple[Any, ...]:
    """The key in ``text``. Raises: ValueError for anything that ``write_cursor`` did not write for these types.

    Not signed: a cursor can only name a place in a list that the caller may see anyway.
    """
    padded = text.encode("ascii") + b"=" * (-len(text) % 4)
    parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    if not isinstance(parts, list) or len(parts) != len(types):
        raise ValueError("not a key of this list")
    try:
        key = tuple(kind(part) for kind, part in zip(types, parts, strict=True))
    except (TypeError, AttributeError) as exc:
        raise ValueError("not a key of this list") from exc
    if any(isinstance(part, int) and abs(part) >= 2**63 for part in key):
        raise ValueError("beyond a bigint")
    return key
