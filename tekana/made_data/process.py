"""What runs in a process of its own: one country after the other, over one session. It starts without Django."""

from typing import Any

import psycopg
from psycopg import sql

_made: Any = None
_session: Any = None


def start(made: Any, parameters: dict[str, Any]) -> None:
    """Once in each process. ``made`` counts transactions over all of them."""
    import django

    django.setup()
    global _made, _session
    _made = made
    _session = psycopg.connect(**parameters, autocommit=True)
    _session.execute("SET synchronous_commit = off")
    _session.execute("SET statement_timeout = 0")


def make_country(plan: Any) -> None:
    """Each chunk is a COPY per table, committed by itself."""
    from tekana.made_data.activity import Activity
    from tekana.made_data.rows import COLUMNS

    def write(table: str, document: bytes) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(COLUMNS[table])
        )
        with _session.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(document)

    def count(transactions: int) -> None:
        with _made.get_lock():
            _made.value += transactions

    Activity(plan, write, count).live()
