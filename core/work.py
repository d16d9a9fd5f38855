"""A unit of work: the set-wise statements of one posting, pipelined, between one BEGIN and one COMMIT.

Django's ORM is not on this road: statements go to the raw psycopg connection, prepared, several to a round trip.
"""

import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString

import msgspec
import psycopg
from django.db import OperationalError, connection
from django.db import transaction as db_transaction
from psycopg import errors
from psycopg.pq import TransactionStatus

from core.errors import OutcomeUnknown, Unavailable

# What a rival caused: it is worth doing again.
CONFLICTS = (errors.DeadlockDetected, errors.SerializationFailure, errors.UniqueViolation)
SYNC_WAIT_CANCELLED = "canceling wait for synchronous replication"


INSERT: LiteralString = """
new_TABLE AS (INSERT INTO TABLE SELECT * FROM json_populate_recordset(NULL::TABLE, %s::json))
"""


class Work:
    """Runs statements on one connection; results are fetched when asked for, so that neighbours share a round trip."""

    def __init__(self, raw: "psycopg.Connection[Any]") -> None:
        self.raw = raw

    def run(self, query: LiteralString, *params: Any) -> "psycopg.Cursor[Any]":
        """Lists travel as arrays, whose type the query tells (``= ANY(%s)``, ``%s::text[]``)."""
        given = [array(param) if type(param) is list else param for param in params]
        return psycopg.Cursor(self.raw).execute(query, given, prepare=True)

    def write(self, new_rows: Mapping[LiteralString, Sequence[Any]], last: LiteralString, *rows: Sequence[Any]) -> None:
        """Insert rows into tables and run ``last`` with ``rows``, all in one statement, so that guards see the whole.

        Rows are structs or dicts by column name; they travel as one JSON document per table. Tables without new rows
        are left out: their triggers would fire for nothing. In ``last`` each ``%s::json`` is the next of ``rows``.
        """
        tables = [table for table, new in new_rows.items() if new]
        inserts: list[LiteralString] = [INSERT.replace("TABLE", table) for table in tables]
        query = f"WITH {', '.join(inserts)} {last}" if inserts else last
        documents = [msgspec.json.encode(new).decode() for new in (*(new_rows[table] for table in tables), *rows)]
        self.run(query, *documents)
        while self.raw.pgconn.flush():  # the rest of a large document: PostgreSQL works on it while Python goes on
            select.select([], [self.raw.pgconn.socket], [], 1)


def array(values: list[Any]) -> str | list[Any]:
    """PostgreSQL's literal of an array, from JSON's, which is written six times as fast as psycopg writes a list: other
    brackets, but the same quotes, commas and nulls. Where something was escaped the two differ: psycopg's turn then."""
    text = msgspec.json.encode(values).decode()
    return values if "\\" in text else f"{{{text[1:-1]}}}"


@contextmanager
def unit_of_work() -> Iterator[Work]:
    """BEGIN … COMMIT around the block; inside an open ``atomic`` block a savepoint of it instead.

    Raises: OutcomeUnknown when the connection was lost, or a synchronous standby given up on, while committing: the
    work may or may not have happened, and only a retry with the same idempotency key tells. Any other exception means
    that nothing happened: Unavailable for a database that is away or too slow, psycopg's own for a conflict.
    """
    if connection.in_atomic_block:
        with db_transaction.atomic():
            raw = connection.connection
            with raw.pipeline():
                yield Work(raw)
        return
    try:
        connection.ensure_connection()
    except OperationalError as exc:
        raise Unavailable(retry_after=1) from exc
    raw = connection.connection
    notices: list[str] = []

    def watch(diagnostic: errors.Diagnostic) -> None:
        notices.append(diagnostic.message_primary or "")

    raw.add_notice_handler(watch)
    committing = False
    try:
        with raw.pipeline():
            work = Work(raw)
            work.run("BEGIN")
            yield work
            committing = True
            work.run("COMMIT")
    except CONFLICTS:
        _roll_back(raw)
        raise
    except (psycopg.OperationalError, OperationalError) as exc:  # the driver's own, or through Django's cursor
        # An error that leaves the session as it was is the answer "no"; a session that is gone answered nothing.
        answered = _roll_back(raw)
        raise (OutcomeUnknown() if committing and not answered else Unavailable(retry_after=1)) from exc
    except BaseException:
        _roll_back(raw)
        raise
    finally:
        raw.remove_notice_handler(watch)
    if any(SYNC_WAIT_CANCELLED in notice for notice in notices):
        raise OutcomeUnknown()


def _roll_back(raw: "psycopg.Connection[Any]") -> bool:
    """Whether the session is still there, fit for use. A connection may be lost and not know it yet."""
    try:
        if not raw.closed and raw.info.transaction_status != TransactionStatus.IDLE:
            raw.execute("ROLLBACK")
    except psycopg.Error:
        raw.close()
    if raw.closed:
        connection.close()
        return False
    return True


def prepared(query: LiteralString, params: Mapping[str, Any]) -> list[Any]:
    """The rows of a read that is asked so often that planning it each time would cost more than running it.

    Runs on the thread's own connection, inside its open transaction if there is one. Django binds on the client, where
    nothing is ever prepared. A connection that was lost since its last use is opened again, once.
    """
    for attempt in ("with the connection as it is", "anew"):
        connection.ensure_connection()
        try:
            with connection.wrap_database_errors:
                return psycopg.Cursor(connection.connection).execute(query, params, prepare=True).fetchall()
        except OperationalError:
            if attempt == "anew" or connection.in_atomic_block or not connection.connection.closed:
                raise
            connection.close()
    raise AssertionError("unreachable")
