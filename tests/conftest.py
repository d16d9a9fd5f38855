"""The test database, made as the owner and used as the app role, as in production."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, connections
from django.db import transaction as db_transaction

from core import throttling, valkey
from core.hashers import Argon2id
from core.roles import connected_as_owner, grant_app_role
from tests.standing import forget, pytest_collection_modifyitems, pytest_fixture_setup, pytest_runtest_setup, take_down

__all__ = ["pytest_collection_modifyitems", "pytest_fixture_setup", "pytest_runtest_setup"]
# Rows that migrations put in and every test may rely on.
SEEDED = {
    "customers_country", "customers_tierlimit", "transactions_feerule", "transactions_reversalreason",
    "recalls_recallreason", "fx_ratesource", "fx_margin", "schedules_weekend", "schedules_holidayrule",
    "django_migrations", "django_content_type", "auth_permission",
}  # fmt: skip
# Of these, tests add rows of their own.
DATED = ["customers_tierlimit", "transactions_feerule", "fx_ratesource", "fx_margin"]
last_seed: dict[str, int] = {}
owners: dict[str, Any] = {}  # by database


@pytest.fixture(scope="session")
def django_db_setup(
    request: Any, django_test_environment: None, django_db_blocker: Any, worker_id: str
) -> Iterator[None]:
    """Create and migrate as the owner, then connect as the app role; one database per worker.

    ``--reuse-db`` takes the one that is there and leaves it there, with ``--create-db`` made anew before.
    """
    from django.test.utils import setup_databases, teardown_databases

    suffix = {} if worker_id == "master" else {"parallel": 0}
    reuse = request.config.getvalue("reuse_db")
    with django_db_blocker.unblock():
        if worker_id != "master":
            name = connection.settings_dict["TEST"].get("NAME") or f"test_{connection.settings_dict['NAME']}"
            connection.settings_dict["TEST"]["NAME"] = f"{name}_{worker_id}"
        with connected_as_owner():
            keep = reuse and not request.config.getvalue("create_db")
            databases = setup_databases(verbosity=0, interactive=False, keepdb=keep, **suffix)
            grant_app_role()
            with connection.cursor() as cursor:
                for table in DATED:
                    cursor.execute(f"SELECT max(id) FROM {table}")
                    (last_seed[table],) = cursor.fetchone()
    yield
    with django_db_blocker.unblock():
        take_down(0)
        for one in owners.values():
            one.close()
        with connection.cursor() as cursor:  # threads of the application keep their connections
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
            )
        with connected_as_owner():
            teardown_databases(databases, verbosity=0, keepdb=reuse)


@pytest.fixture(scope="session")
def worker_id(request: Any) -> str:
    return getattr(request.config, "workerinput", {}).get("workerid", "master")


@pytest.fixture(scope="session", autouse=True)
def _empty_tables_after_commits() -> Iterator[None]:
    """After a test that commits Django flushes with TRUNCATE; the app role may not, and the guards refuse it to all.

    So the owner does it with the triggers off, and the rows that migrations made stay. For the whole session, because a
    fixture of one test would be undone before or after pytest-django's own, depending on how the test asks for it.
    """
    from django.test import TransactionTestCase

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda self: empty_tables())
        yield


def owner() -> Any:
    """One that stays open: each new one would have to learn of more than a hundred tables first.

    It plans the checks of foreign keys once, for tables of three rows; without an index the next test's 14,000
    customers would be read once for each of them.
    """
    name = connection.settings_dict["NAME"]
    if name not in owners:
        owners[name] = connection.copy()
        owners[name].settings_dict |= {key: settings.DATABASE_OWNER[key] for key in ("USER", "PASSWORD")}
        owners[name].settings_dict["OPTIONS"] = settings.DATABASES["default"]["OPTIONS"] | {
            "options": "-c enable_seqscan=off -c statement_timeout=300s"
        }
    owners[name].health_check_done = False
    owners[name].close_if_health_check_failed()
    return owners[name]


def empty_tables() -> None:
    """One transaction for all, at the end of which the foreign keys hold again; the guards are off for no longer.

    Of the tables that have rows: a test leaves some in a dozen of more than a hundred.
    """
    take_down(0)
    connection.close()
    tables = sorted({m._meta.db_table for m in apps.get_models(include_auto_created=True) if m._meta.managed} - SEEDED)
    rows = {table: table for table in tables}
    rows |= {table: f"{table} WHERE id > {last}" for table, last in last_seed.items()}
    with owner().cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {r})" for t, r in rows.items()))
        if left := [table for (table,) in cursor.fetchall()]:
            guards = "; ".join(f"ALTER TABLE {table} {{verb}} TRIGGER USER" for table in left)
            deletes = "; ".join(f"DELETE FROM {rows[table]}" for table in left)
            off, on = guards.format(verb="DISABLE"), guards.format(verb="ENABLE")
            cursor.execute(f"{off}; {deletes}; SET CONSTRAINTS ALL IMMEDIATE; {on}")
    forget()


@pytest.fixture(scope="session", autouse=True)
def real_hash_costs() -> Iterator[dict[str, int]]:
    """Passwords are hashed with the same algorithm at a thousandth of its cost, which is what this keeps."""
    cheap = {"memory_cost": 64, "time_cost": 1}
    real = {name: getattr(Argon2id, name) for name in cheap}
    with pytest.MonkeyPatch.context() as patch:
        for name, cost in cheap.items():
            patch.setattr(Argon2id, name, cost)
        yield real


@pytest.fixture(autouse=True)
def _own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids never go back; a test that travels to another year does not take the next one along."""
    monkeypatch.setattr("core.ids._last", 0)


@pytest.fixture(autouse=True)
def _own_counters(settings: Any) -> None:
    """Throttles and guesses of one test do not count for the next: each has its own keys, which expire alone."""
    settings.VALKEY_PREFIX = f"test:{uuid4().hex}:"


@pytest.fixture
def aline(db: None) -> Any:
    """A customer's wallet in RWF, empty."""
    return open_rwf_wallet("Aline Mukamana", "+250788000001")


@pytest.fixture
def eric(db: None) -> Any:
    return open_rwf_wallet("Eric Habimana", "+250788000002")


def open_rwf_wallet(full_name: str, phone_number: str) -> Any:
    from tests.factories import CustomerFactory
    from wallets.services import open_wallet

    customer = CustomerFactory(full_name=full_name, phone_number=phone_number, country_id="RW", tier=2)
    return open_wallet(customer, "RWF", actor=customer)


@pytest.fixture
def posts_within(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What requests hand to the poster is posted within the transaction of the test, which need not commit for it.

    Its thread uses our connection while we wait for it; what COMMIT would check is checked where it would be.
    """
    from transactions.poster import _poster

    ours, post = connections["default"], _poster._post

    def post_within(orders: Any) -> Any:
        its_own = connections["default"]
        connections["default"] = ours
        ours.inc_thread_sharing()
        try:
            with db_transaction.atomic():
                told = post(orders)
                with ours.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            return told
        finally:
            ours.dec_thread_sharing()
            connections["default"] = its_own

    monkeypatch.setattr(_poster, "_post", post_within)


@pytest.fixture
def valkey_down(settings: Any) -> Iterator[None]:
    """Nobody listens where Valkey should be."""
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    valkey.client.cache_clear()
    yield
    valkey.client.cache_clear()
    throttling._paused_until = 0.0


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement sent to PostgreSQL from now on, by Django or past it: empty the list, act, count."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def noted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.Cursor, "execute", noted)
    return sent
