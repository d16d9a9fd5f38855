"""No request sets what it is not meant to set: every field of every model is tried on every door that writes."""

import re
from functools import cache

import pytest
from django.apps import apps
from django.db import connection
from drf_spectacular.generators import SchemaGenerator
from rest_framework.serializers import Serializer

from core.serializers import StrictSerializer
from customers.models import Customer
from tests.api.doors import Ask, World, new_world, send
from tests.api.matrix import MATRIX
from tests.standing import standing

WRITING = [door for door in MATRIX if door.split()[0] in ("POST", "PUT", "PATCH") and "rails/" not in door]
OURS = {
    "core", "staff", "notes", "customers", "ledger", "wallets", "transactions", "recalls", "payments", "notifications",
    "reports", "statements",
}  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _patience(settings) -> None:
    settings.THROTTLE_BURST = settings.FILES_BURST = 100_000


@standing
def world() -> World:
    return new_world()


def every_model_field() -> set[str]:
    fields = {
        name
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.get_fields()
        for name in (field.name, getattr(field, "attname", field.name))
    }
    return fields | {"is_staff", "is_superuser", "is_admin", "role", "owner", "actor", "customer_id", "__proto__"}


def everything_stored() -> dict[str, str]:
    """A digest of each table."""
    digests = {}
    with connection.cursor() as cursor:
        for table in sorted(connection.introspection.table_names(cursor)):
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t")
            digests[table] = cursor.fetchone()[0]
    return digests


def objects_in(body: dict, path: str = ""):
    """The body itself and each object within it, by path."""
    yield path, body
    for name, value in body.items():
        if isinstance(value, dict):
            yield from objects_in(value, f"{path}{name}.")


@pytest.mark.parametrize("door", WRITING)
def test_no_model_field_can_be_slipped_in(door, world):
    ask = MATRIX[door].ask(world.aline.mine, world)
    documented = set(documented_fields(door))
    before = everything_stored()

    for path, _ in objects_in(ask.body):
        left = {name for name in every_model_field() if f"{path}{name}" not in documented}
        assert len(left) > 100
        while left:
            body = with_fields(ask.body, path, dict.fromkeys(sorted(left), "1"))
            answer = send(door, ask._replace(body=body), world.aline.token)

            assert answer.status_code == 400, answer.content
            assert answer.json()["code"] == "validation_failed"
            refused = {e["field"] for e in answer.json()["errors"] if e["code"] == "unknown_field"}
            known = {f"{path}{name}" for name in left} & refused
            assert known, f"accepted without a word: {sorted(left)}"
            left -= {name.removeprefix(path) for name in known}

    assert everything_stored() == before


def documented_fields(door: str):
    """The request's fields as the schema shows them, nested ones with their path."""
    schema = schema_of_all()
    method, _, pattern = door.partition(" ")
    path = "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", pattern)
    body = schema["paths"][path][method.lower()].get("requestBody")
    if body is None:
        return
    yield from properties(schema, body["content"]["application/json"]["schema"])


@cache
def schema_of_all() -> dict:
    return SchemaGenerator().get_schema(request=None, public=True)


def properties(schema: dict, node: dict, path: str = ""):
    for part in node.get("allOf", []) + node.get("oneOf", []):
        yield from properties(schema, part, path)
    if "$ref" in node:
        yield from properties(schema, schema["components"]["schemas"][node["$ref"].rpartition("/")[2]], path)
    for name, inner in node.get("properties", {}).items():
        yield f"{path}{name}"
        yield from properties(schema, inner, f"{path}{name}.")


def with_fields(body: dict, path: str, extra: dict) -> dict:
    head, _, rest = path.partition(".")
    return body | {head: with_fields(body[head], rest, extra)} if head else body | extra


def test_a_documented_request_changes_what_it_documents_and_nothing_else(world):
    before = everything_stored()

    answer = send("PATCH v1/me", Ask(body={"full_name": "Aline M."}), world.aline.token)

    assert answer.status_code == 200
    changed = {table for table, digest in everything_stored().items() if digest != before[table]}
    assert changed == {"customers_customer", "core_auditrecord"}
    was, now = world.aline.customer, Customer.objects.get(pk=world.aline.customer.pk)
    columns = [field.attname for field in Customer._meta.concrete_fields]
    assert [name for name in columns if getattr(was, name) != getattr(now, name)] == ["full_name", "updated_at"]


def test_the_trial_notices_a_serializer_that_is_not_strict(world, monkeypatch):
    monkeypatch.setattr(StrictSerializer, "to_internal_value", Serializer.to_internal_value)

    with pytest.raises(AssertionError):
        test_no_model_field_can_be_slipped_in("PATCH v1/me", world)
