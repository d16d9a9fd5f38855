"""The schema is complete, true, and the one that is committed."""

import io
import re
from collections import Counter
from typing import Any

import jsonschema_rs
import pytest
import yaml
from django.conf import settings
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from core.problems import catalogue
from tests.api.doors import routes
from tests.api.matrix import MATRIX

UNLISTED = {"POST v1/rails/<slug:rail>/callbacks", "GET api/schema", "GET api/docs"}
FILES = {"text/csv", "application/pdf", "application/xml", "text/plain", "image/svg+xml"}
STATEMENTS = ("statement", "merchant-statement", "statements/{number}")
WITH_FILES = {f"GET /v1/wallets/{{wallet_id}}/{path}" for path in STATEMENTS}
WITH_FILES |= {"GET /v1/payouts/{payout_id}/results"}
WITH_FILES |= {"GET /v1/payment-requests/{code}/qr.svg"}


@pytest.fixture(scope="module")
def schema() -> Any:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(schema: Any) -> dict[str, Any]:
    """By ``"POST /v1/transfers"``."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def resolved(schema: Any, node: Any) -> Any:
    return schema["components"]["schemas"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def test_the_committed_schema_is_that_of_the_code():
    made = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=made)

    committed = (settings.BASE_DIR / "openapi.yaml").read_text()
    assert made.getvalue().strip() == committed.strip(), "run: make openapi"


def test_every_door_for_customers_is_in_it(schema):
    doors = {
        re.sub(r"<(?:uuid|int|slug):(\w+)>", r"{\1}", door.replace(" ", " /", 1)) for door in set(MATRIX) - UNLISTED
    }

    assert set(operations(schema)) == doors


def test_every_operation_says_what_it_is(schema):
    ids = Counter(operation["operationId"] for operation in operations(schema).values())

    assert ids.most_common(1)[0][1] == 1
    for door, operation in operations(schema).items():
        assert operation["description"], door
        assert operation["tags"], door
        assert "default" in operation["responses"], door
        for status, response in operation["responses"].items():
            expected = "application/problem+json" if status == "default" or int(status) >= 400 else "application/json"
            files = FILES if door in WITH_FILES and status == "200" else set()
            assert set(response.get("content", {})) <= {expected} | files, (door, status)


def test_every_body_that_is_sent_has_an_example_that_fits(schema):
    for door, operation in operations(schema).items():
        if "requestBody" not in operation:
            continue
        body = resolved(schema, operation["requestBody"]["content"]["application/json"]["schema"])
        assert body["examples"], door
        assert body["additionalProperties"] is False, door


def test_the_examples_fit_their_schemas(schema):
    given = {name: part for name, part in schema["components"]["schemas"].items() if "examples" in part}
    assert len(given) > 12

    for name, part in given.items():
        for example in part["examples"]:
            validator = jsonschema_rs.Draft202012Validator({**part, "components": schema["components"]})
            assert [error.message for error in validator.iter_errors(example)] == [], name
            shown = set(part["properties"]) if "properties" in part else set()
            assert set(example) <= shown, name


def test_every_money_post_asks_for_a_key(schema):
    keyed = {
        door
        for door, operation in operations(schema).items()
        if any(p["name"] == "Idempotency-Key" and p["required"] for p in operation.get("parameters", []))
    }

    assert keyed == {
        re.sub(r"<(?:uuid|int|slug):(\w+)>", r"{\1}", door.replace(" ", " /", 1))
        for door, row in MATRIX.items()
        if door not in UNLISTED and row.ask(AnyIds(), AnyIds()).keyed
    }


class AnyIds:
    """Answers to every name."""

    def __getattr__(self, name: str) -> Any:
        return AnyIds()


def test_every_code_that_is_mentioned_has_its_page(schema):
    known = set(catalogue())

    for door, operation in operations(schema).items():
        for status, response in operation["responses"].items():
            if status.isdigit() and int(status) >= 400:
                codes = response["description"].partition(": ")[2].replace("`", "").split(", ")
                assert set(codes) <= known, (door, status)


def test_the_server_serves_it_and_swagger_reads_it(client, db):
    served = client.get("/api/schema")
    page = client.get("/api/docs")

    assert yaml.safe_load(served.content) == yaml.safe_load((settings.BASE_DIR / "openapi.yaml").read_text())
    assert page.status_code == 200
    assert "<script>" not in page.text  # the content policy would not run it
    assert "/api/schema" in client.get("/api/docs", {"script": ""}).text
    assert "//cdn" not in page.text, "nothing comes from another host"


def test_no_view_is_hidden_from_it_by_mistake():
    api = {route.path for route in routes() if route.view and route.path.startswith("v1/")}

    assert api == {door.split()[1] for door in MATRIX if " v1/" in door}
