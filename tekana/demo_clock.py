"""A clock for the demo alone, so that thirty days of a pilot are lived through in seconds.

What is recorded carries the time of the database, and nobody can pass in another: that holds for the demo too. So it is
the database's clock that is set. For the one session that loads the demo, a schema in front of ``pg_catalog`` answers
what time it is; Django's clock and that of the ids follow. The one guard that compares a row with the time, of a quote
that is used, asks there too. Nothing of this is there for any other session, for which the time is the time, and the
schema goes when the loading is done.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from django.db import connection
from django.utils import timezone
from psycopg import sql

from core import ids
from core.roles import APP_ROLE, connected_as_owner

SCHEMA = """
DROP SCHEMA IF EXISTS demo_clock CASCADE;
CREATE SCHEMA demo_clock;
CREATE FUNCTION demo_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp()
              + coalesce(nullif(current_setting('demo.ahead', true), ''), '0')::interval $$;
CREATE FUNCTION demo_clock.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.statement_timestamp() + current_setting('demo.ahead')::interval $$;
ALTER FUNCTION public.fx_check_use() SET search_path = demo_clock, pg_catalog, public, pg_temp;
GRANT USAGE ON SCHEMA demo_clock TO {role};
"""

GONE = """
ALTER FUNCTION public.fx_check_use() SET search_path = public, pg_temp;
DROP SCHEMA IF EXISTS demo_clock CASCADE;
"""


class Clock:
    """What time it is in the demo. It runs as fast as any, and is only ever set forward."""

    def __init__(self, start: datetime) -> None:
        self._set(start)

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def set(self, at: datetime) -> None:
        """Nothing happens where it is later already."""
        if at > self.now:
            self._set(at)

    def _set(self, at: datetime) -> None:
        self._ahead = at - datetime.now(UTC)
        _run("SELECT set_config('demo.ahead', %s, false)", [f"{self._ahead // timedelta(microseconds=1)} microseconds"])


@contextmanager
def clock_set_to(start: datetime) -> Iterator[Clock]:
    """Within this block it is ``start`` and later. Reconnects on the way in and out."""
    with connected_as_owner():
        _run(sql.SQL(SCHEMA).format(role=sql.Identifier(APP_ROLE)))
    real = (timezone.now, vars(ids)["time"])
    try:
        _run("SET search_path = demo_clock, pg_catalog, public")
        clock = Clock(start)
        timezone.now = lambda: clock.now
        vars(ids)["time"] = SimpleNamespace(time_ns=lambda: int(clock.now.timestamp() * 1_000_000) * 1_000)
        yield clock
    finally:
        timezone.now, vars(ids)["time"] = real
        connection.close()
        with connected_as_owner():
            _run(GONE)


def _run(query: Any, params: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
