import re

import pytest
from django.urls import URLPattern, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from rest_framework.permissions import AllowAny

PUBLIC = {
    "v1/auth/login", "v1/auth/refresh", "v1/auth/register", "v1/rails/<slug:rail>/callbacks", "api/schema", "api/docs",
}  # fmt: skip


@pytest.fixture(scope="module")
def schema():
    GENERATOR_STATS.reset()
    made = SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, "drf-spectacular warns"
    return made


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_the_schema_is_valid_openapi_31(schema):
    assert schema["openapi"].startswith("3.1")
    validate_schema(schema)


def test_every_operation_tells_its_problems_and_who_may_ask(schema):
    for name, operation in operations(schema):
        responses = operation["responses"]
        assert "default" in responses, name
        for status, response in responses.items():
            if status == "default" or int(status) >= 400:
                assert set(response["content"]) == {"application/problem+json"}, (name, status)
        public = name.split(" /")[1] in {re.sub(r"<\w+:(\w+)>", r"{\1}", route) for route in PUBLIC}
        assert ({} in operation["security"]) == public, name
        assert ("401" in responses) or public, name
        if name.startswith(("POST", "PATCH", "PUT")):
            assert {"400", "413", "415"} <= set(responses), name
        if "{" in name:
            assert "404" in responses, name


def test_what_moves_money_asks_for_a_key(schema):
    asked = {
        name
        for name, operation in operations(schema)
        if any(p["name"] == "Idempotency-Key" and p["required"] for p in operation.get("parameters", []))
    }

    assert asked == {
        "POST /v1/transfers",
        "POST /v1/wallets/{wallet_id}/deposit",
        "POST /v1/wallets/{wallet_id}/withdraw",
        "POST /v1/payouts",
        "POST /v1/payouts/{payout_id}/approve",
        "POST /v1/payouts/{payout_id}/retry",
        "POST /v1/standing-orders",
        "POST /v1/holds",
        "POST /v1/holds/{hold_id}/capture",
        "POST /v1/payments",
        "POST /v1/payments/{payment_id}/refunds",
        "POST /v1/payment-requests/{code}/pay",
        "POST /v1/fx/convert",
    }


def test_the_codes_of_a_view_are_in_its_description(schema):
    login = schema["paths"]["/v1/auth/login"]["post"]["responses"]

    assert "`invalid_credentials`" in login["401"]["description"]
    assert "`customer_suspended`" in login["403"]["description"]
    assert "`too_many_attempts`" in login["429"]["description"]


def test_every_view_denies_by_default():
    """Whoever opens a view to the public says so here too."""
    opened = set()
    for route, pattern in routes(get_resolver().url_patterns):
        view = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
        permissions = getattr(view, "permission_classes", None)
        if permissions is None:
            continue
        assert permissions, f"{route} asks nobody anything"
        if AllowAny in permissions:
            opened.add(route)

    assert opened == PUBLIC


def routes(patterns, prefix=""):
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from routes(pattern.url_patterns, route)
