"""A database of its own for each test that fills one: indexes are dropped in it, and what is loaded is committed."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from core.roles import APP_ROLE, connected_as_owner
from tekana.made_data import loading
from transactions import tariff

UNTIL = datetime(2026, 3, 2, 16, tzinfo=UTC)
CUSTOMERS, TRANSACTIONS = 700, 6_000


def wanted(**changed: Any) -> loading.Wanted:
    sizes = {"customers": CUSTOMERS, "transactions": TRANSACTIONS, "seed": "7", "until": UNTIL, "days": 40}
    return loading.Wanted(**{**sizes, "processes": 2, **changed})


def quietly(title: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], Any]]:
    return nullcontext(lambda steps: None)


QUIET = loading.Progress(steps=quietly)


@contextmanager
def scratch_database(blocker: Any) -> Iterator[None]:
    """A copy of the test database, with what migrations put in; the default connection uses it meanwhile."""
    usual = connection.settings_dict["NAME"]
    name = f"{usual}_made"
    with blocker.unblock():
        statements = (f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", f"CREATE DATABASE {name} TEMPLATE {usual}")
        elsewhere(usual, *statements)
        connection.close()
        connection.settings_dict["NAME"] = name
        tariff.forget()
        try:
            yield
        finally:
            connection.close()
            connection.settings_dict["NAME"] = usual
            elsewhere(usual, f"DROP DATABASE {name} WITH (FORCE)")
            tariff.forget()


def elsewhere(template: str, *statements: str) -> None:
    """As the owner, from another database: a template has no sessions."""
    with connected_as_owner():
        connection.settings_dict["NAME"], usual = "template1", connection.settings_dict["NAME"]
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND usename = ANY (%s)",
                    [template, [APP_ROLE, connection.settings_dict["USER"]]],
                )
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()
            connection.settings_dict["NAME"] = usual


@pytest.fixture
def scratch(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with scratch_database(django_db_blocker):
        yield


@pytest.fixture(scope="module")
def made(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """One data set for all tests that look at one."""
    with scratch_database(django_db_blocker):
        loading.make(wanted(), QUIET)
        yield


def rows(query: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()


def value(query: str, *params: Any) -> Any:
    ((found,),) = rows(query, *params)
    return found
