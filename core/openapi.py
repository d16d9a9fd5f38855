"""What every operation of the schema says without being told: its problems, its Idempotency-Key, its page of rows."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any

import uritemplate
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from core import errors
from core.errors import TekanaError
from core.problems import CONTENT_TYPE
from core.serializers import ReferenceField, StrictSerializer, TextField

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Branch on `code`; further members are facts of the refusal.",
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "A page that explains the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {
            "type": "string",
            "description": "In words for the customer, to be shown as they come; of a mistake that only a program can "
            "make, for its author.",
        },
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable; for programs."},
        "request_id": {"type": "string", "description": "Name it to support."},
        "errors": {
            "type": "array",
            "description": "With `validation_failed`: what is wrong with which field.",
            "items": {
                "type": "object",
                "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
                "required": ["field", "code", "message"],
            },
        },
        "retry_after": {"type": "integer", "description": "Seconds, as in the `Retry-After` header."},
    },
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
}

IDEMPOTENCY_KEY = OpenApiParameter(
    name="Idempotency-Key",
    type={"type": "string", "minLength": 16, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
    location=OpenApiParameter.HEADER,
    required=True,
    description="Yours, one per intended movement, e.g. a UUID. The same key and body get the same answer, byte for "
    "byte, with `Idempotency-Replayed: true`; the same key with another body is refused.",
)


# What ECMA's regular expressions can say of `TextField`: no control characters, line ends or direction marks.
PRINTABLE = r"^[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]*$"


class ProblemSchema(AutoSchema):
    """A view may say ``idempotent = True`` (its POST needs a key) and ``problems = [WalletFrozen, …]`` (its own
    refusals, listed with their codes; a dict by method where methods differ)."""

    def get_override_parameters(self) -> list[Any]:
        return [*super().get_override_parameters(), *([IDEMPOTENCY_KEY] if self.idempotent else [])]

    @property
    def idempotent(self) -> bool:
        return self.method == "POST" and getattr(self.view, "idempotent", False)

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        """A strict serializer takes no other fields; a serializer's ``openapi`` says more, e.g. examples."""
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema | getattr(serializer, "openapi", {})

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)
        if type(field) in (TextField, ReferenceField) and direction == "request":
            schema["pattern"] = PRINTABLE
        return schema

    def _get_response_bodies(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        responses: dict[str, Any] = super()._get_response_bodies(*args, **kwargs)
        content = {CONTENT_TYPE: {"schema": self.problem_component().ref}}
        for status, codes in self.codes_by_status().items():
            described = f"{HTTPStatus(status).phrase}: {', '.join(f'`{code}`' for code in codes)}"
            responses.setdefault(str(status), {"description": described, "content": content})
        responses["default"] = {"description": "Any other problem", "content": content}
        return responses

    def codes_by_status(self) -> dict[int, list[str]]:
        declared = getattr(self.view, "problems", [])
        kinds: list[type[TekanaError]] = list(declared.get(self.method, []) if isinstance(declared, dict) else declared)
        kinds += [errors.RateLimited, errors.InternalError, errors.Unavailable]
        if self.view.get_authenticators():
            kinds += [errors.Unauthenticated, errors.NotAllowed]
        if self.method in {"POST", "PUT", "PATCH"}:
            kinds += [errors.ValidationFailed, errors.MalformedBody, errors.BodyTooLarge, errors.UnsupportedMediaType]
        elif self.get_override_parameters():
            kinds += [errors.ValidationFailed]
        if uritemplate.variables(self.path):
            kinds += [errors.NotFound]
        grouped = defaultdict(list)
        for kind in dict.fromkeys(kinds):
            grouped[kind.status].append(kind.code)
        return dict(sorted(grouped.items()))

    def problem_component(self) -> ResolvedComponent:
        component = ResolvedComponent(name="Problem", type=ResolvedComponent.SCHEMA, schema=PROBLEM, object="Problem")
        self.registry.register_on_missing(component)
        return component
