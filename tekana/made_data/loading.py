"""Getting a data set into PostgreSQL: several processes make countries and COPY them, then indexes are built.

Keeping an index while its table grows by millions of rows costs several times as much as sorting it once, and a guard
that looks at each batch again costs more than the batch. So a load begins by taking indexes, foreign keys and triggers
away and ends by putting them back: indexes and keys are checked by being built, and what the guards hold is proven
afterwards, over all rows, by `verify_ledger`. What was taken away is written down in a table of its own (`UNFINISHED`),
in the same database transaction. While that table is there the load has not ended; the next one begins by emptying the
tables.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from django.db import connection
from psycopg import sql

from core import audit
from core.roles import APP_ROLE, connected_as_owner
from customers.models import Country
from notifications.services import rendered
from reports import figures
from reports.totals import sum_all_days
from tekana.made_data import process
from tekana.made_data.people import SHARES
from tekana.made_data.plan import HOUSE, Plan
from tekana.made_data.rows import COLUMNS
from transactions import tariff
from transactions.services.counting import count_again
from transactions.services.relay import TOLD

UNFINISHED = "make_data_unfinished"
DELIVERIES_EACH = 6  # of each transaction, at most
FOREIGN_KEYS = """
SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid)
FROM pg_constraint
WHERE contype = 'f' AND (conrelid = ANY(%(tables)s::regclass[]) OR confrelid = ANY(%(tables)s::regclass[]))
"""
INDEXES = """
SELECT i.indexrelid::regclass::text, i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid),
       CASE c.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE '' END
FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
WHERE i.indrelid = ANY(%(tables)s::regclass[])
"""


class Refused(Exception):
    """This database is not one to be filled; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How much of what. ``until`` is the end of the period, of ``days`` days."""

    customers: int
    transactions: int
    seed: str
    until: datetime
    days: int
    processes: int


@dataclass(kw_only=True)
class Progress:
    """What is told on the way: ``steps(title, total, unit)`` gives a function that takes how many more are done."""

    steps: Callable[[str, int, str], Any]


def make(wanted: Wanted, progress: Progress) -> dict[str, int]:
    """Fill an empty database; how long each part took, in seconds.

    Raises: Refused. The database transaction of the caller must not be open: several sessions work at it.
    """
    took: dict[str, int] = {}
    with connected_as_owner():
        with connection.cursor() as cursor:
            refuse_unless_fit(cursor)
            take_away(cursor)
        plans = plans_of(wanted)
        with timed(took, "rows"), progress.steps("Transactions", wanted.transactions, " transactions") as done:
            load(plans, wanted.processes, done)
        with timed(took, "indexes"):
            put_back(wanted.processes, progress)
        with timed(took, "statistics"), progress.steps("Vacuum and statistics", len(COLUMNS), " tables") as done:
            at_once([sql.SQL("VACUUM (ANALYZE) {}").format(sql.Identifier(t)) for t in COLUMNS], wanted.processes, done)
    with timed(took, "totals"), progress.steps("Totals", 3, "") as done:
        for add_up in (count_again, sum_all_days, figures.keep):
            add_up()
            done(1)
    for plan in plans:
        after = {"customers": plan.customers, "transactions": plan.transactions, "seed": wanted.seed}
        audit.record(actor="job:make_data", action="make_data", subject=Country(code=plan.country), after=after)
    return took


@contextmanager
def timed(took: dict[str, int], what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took[what] = round(time.monotonic() - began)


# --- Before ----------------------------------------------------------------------------------------------------------


def refuse_unless_fit(cursor: Any) -> None:
    """Raises: Refused where somebody is, or works."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [UNFINISHED])
    if not cursor.fetchone()[0]:
        for table in COLUMNS:
            cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(table)))
            if cursor.fetchone()[0]:
                raise Refused(
                    f"There are rows in {table}. Data are made in an empty database only: indexes and guards are off"
                    " meanwhile. Take another one: python -m tekana.embedded run --data scale -- ..."
                )
    cursor.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND usename = %s AND pid <> pg_backend_pid()",
        [APP_ROLE],
    )
    if others := cursor.fetchone()[0]:
        raise Refused(f"{others} sessions are connected. Stop web servers and workers first: the guards will be off.")


def take_away(cursor: Any) -> None:
    """Note what there is and drop it, in one database transaction; empty what an interrupted load left behind."""
    tables = list(COLUMNS)
    cursor.execute("BEGIN")
    cursor.execute(
        f"CREATE TABLE IF NOT EXISTS {UNFINISHED}"
        " (kind text, name text PRIMARY KEY, belongs_to text, definition text, key text)"
    )
    note = f"INSERT INTO {UNFINISHED} VALUES (%s, %s, %s, %s, %s) ON CONFLICT (name) DO NOTHING"  # noqa: S608
    cursor.execute(FOREIGN_KEYS, {"tables": tables})
    for name, table, definition in cursor.fetchall():
        cursor.execute(note, ["foreign key", name, table, definition, ""])
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute(INDEXES, {"tables": tables})
    found = cursor.fetchall()
    for name, table, definition, key in found:
        cursor.execute(note, ["index", name, table, definition, key])
        if key:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        else:
            cursor.execute(f"DROP INDEX {name}")
    for table in tables:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    cursor.execute(f"TRUNCATE {', '.join(tables)}")
    cursor.execute("COMMIT")


def session_parameters() -> dict[str, Any]:
    """How another session of the same role reaches the same database."""
    given = connection.get_connection_params()
    return {name: given[name] for name in ("host", "port", "user", "password", "dbname", "sslmode") if given.get(name)}


# --- The rows --------------------------------------------------------------------------------------------------------


def plans_of(wanted: Wanted) -> list[Plan]:
    """Each country's share, the largest first."""
    rules, texts, titles = tariff.current(), texts_of_notifications(), titles_of_refusals()
    until = wanted.until.astimezone(UTC)
    start = datetime.combine(until.date() - timedelta(days=wanted.days - 1), datetime.min.time(), UTC)
    zones = dict(Country.objects.values_list("code", "timezone"))
    plans, account, deliveries, passed, people, movements = [], 1, 0, 0, 0, 0
    for number, (country, share) in enumerate(SHARES.items()):
        passed += share
        customers = wanted.customers * passed // 100 - people
        transactions = wanted.transactions * passed // 100 - movements
        people, movements = people + customers, movements + transactions
        plans.append(
            Plan(
                country=country, zone=zones[country], seed=wanted.seed, customers=customers, transactions=transactions,
                start=microseconds(start), until=microseconds(until), first_account=account + len(HOUSE),
                number=number, first_delivery=deliveries,
                tariff=rules, texts=texts, titles=titles,
            )
        )  # fmt: skip
        account += len(HOUSE) + customers
        deliveries += transactions * DELIVERIES_EACH
    return plans


def microseconds(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def texts_of_notifications() -> dict[str, tuple[str, str]]:
    """Title and body of each kind, from its own template, with the names of facts where the facts go."""
    kinds = {kind for pair in TOLD.values() for kind in pair if kind}
    places = {name: f"{{{name}}}" for name in ("amount", "counterparty", "receipt", "reason")}
    texts = {}
    for kind in kinds:
        for name, fee in ((kind, ""), (f"{kind} with a fee", "{fee}")):
            title, _, body = rendered(kind, places | {"fee": fee}).strip().partition("\n")
            texts[name] = (title, " ".join(body.split()))
    return texts


def titles_of_refusals() -> dict[str, str]:
    from core.problems import catalogue

    return {code: str(problem.title) for code, problem in catalogue().items()}


def load(plans: list[Plan], processes: int, done: Callable[[int], Any]) -> None:
    """Make the countries in ``processes`` processes of their own and copy what they make as it comes."""
    spawning = multiprocessing.get_context("spawn")
    made = spawning.Value("q", 0)
    told = 0
    with ProcessPoolExecutor(processes, spawning, process.start, (made, session_parameters())) as pool:
        waiting = {pool.submit(process.make_country, plan) for plan in plans}
        try:
            while waiting:
                ended, waiting = wait(waiting, timeout=0.3)
                done(made.value - told)
                told = made.value
                for one in ended:
                    one.result()  # raises what its process raised
        except BaseException:
            for child in list(pool._processes.values()):  # not to make to the end what nobody wants any more
                child.terminate()
            raise
    deliveries = plans[-1].first_delivery + plans[-1].transactions * DELIVERIES_EACH + 1
    accounts = plans[-1].first_account + plans[-1].customers
    with connection.cursor() as cursor:
        for table, last in (("ledger_account", accounts), ("notifications_delivery", deliveries)):
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])


# --- After -----------------------------------------------------------------------------------------------------------


def put_back(processes: int, progress: Progress) -> None:
    """Indexes, keys, triggers, and at last the note that they were away is thrown away."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT kind, name, belongs_to, definition, key FROM {UNFINISHED} ORDER BY name")  # noqa: S608
        noted = cursor.fetchall()
    indexes = [(name, table, definition, key) for kind, name, table, definition, key in noted if kind == "index"]
    keys = [(name, table, definition) for kind, name, table, definition, _ in noted if kind == "foreign key"]
    heavy = sorted(indexes, key=lambda index: -WEIGHT.get(index[1], 0))
    with progress.steps("Indexes", len(indexes), " indexes") as done:
        at_once([sql.SQL(definition) for _, _, definition, _ in heavy], processes, done)
    statements = [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {key} USING INDEX {name}" for name, table, _, key in indexes if key
    ]
    statements += [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}' for name, table, definition in keys]
    for table in COLUMNS:
        statements.append(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        statements.append(f"ALTER TABLE {table} RESET (autovacuum_enabled)")
    statements.append(f"DROP TABLE {UNFINISHED}")
    with progress.steps("Keys and guards", len(statements), "") as done, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in statements:
            cursor.execute(statement)
            done(1)


WEIGHT = {"ledger_entry": 3, "transactions_transaction": 2, "transactions_event": 2, "ledger_journal": 1}


def at_once(statements: list[Any], sessions: int, done: Callable[[int], Any]) -> None:
    """Run them in the given order over several sessions, as many at a time."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 16 // sessions // 1024
    idle: list[psycopg.Connection[Any]] = []

    def run(statement: Any) -> None:
        session = idle.pop()
        session.execute(statement)
        idle.append(session)

    with ThreadPoolExecutor(sessions) as pool:
        for _ in range(sessions):
            idle.append(psycopg.connect(**session_parameters(), autocommit=True))
            idle[-1].execute("SET statement_timeout = 0")
            idle[-1].execute("SET max_parallel_maintenance_workers = 0")
            idle[-1].execute(f"SET maintenance_work_mem = '{min(max(memory, 65_536), 1_048_576)}kB'")
        try:
            for _ in pool.map(run, statements):
                done(1)
        finally:
            for session in idle:
                session.close()
