"""A worker whose clocks jump: ``python -m tests.schedules.clocks JUMPS`` runs what is due, round after round.

``JUMPS`` is JSON, a pair of seconds for each round: how far ahead the database's clock is, which all workers share, and
how far the worker's own. That one is shifted by libfaketime where the process was started with it, for C as for Python;
else by time-machine, for Python. Prints how many runs it tried.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django
import time_machine

SHIFTED = """
CREATE SCHEMA shifted;
CREATE TABLE shifted.clock AS SELECT interval '0' AS ahead;
CREATE FUNCTION shifted.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT pg_catalog.clock_timestamp() + ahead FROM shifted.clock $$;
CREATE FUNCTION shifted.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.statement_timestamp() + ahead FROM shifted.clock $$;
CREATE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.now() + ahead FROM shifted.clock $$;
GRANT USAGE ON SCHEMA shifted TO PUBLIC;
GRANT SELECT, UPDATE ON shifted.clock TO PUBLIC;
"""
REAL = "DROP SCHEMA shifted CASCADE"
BY_IT = "SET search_path = shifted, pg_catalog, public"
JUMP = "UPDATE shifted.clock SET ahead = make_interval(secs => %s)"


@contextmanager
def own_clock() -> Iterator[Callable[[int], None]]:
    """Sets the process's clock so many seconds ahead of where it really is."""
    told = os.environ.get("FAKETIME_TIMESTAMP_FILE")
    started, really = time.time(), time.monotonic()

    def is_now(ahead: int) -> None:
        off = time.time() - started - (time.monotonic() - really)
        assert abs(off - ahead) < 5, f"the clock is {off} s ahead, not {ahead}"

    if told:

        def jump(ahead: int) -> None:
            Path(told).write_text(f"{ahead:+d}")
            is_now(ahead)

        yield jump
        return
    with time_machine.travel(datetime.now(UTC)) as traveller:

        def jump(ahead: int) -> None:
            passed = time.monotonic() - really
            traveller.move_to(datetime.fromtimestamp(started, UTC) + timedelta(seconds=ahead + passed))
            is_now(ahead)

        yield jump


if __name__ == "__main__":
    django.setup()

    from django.db import connection

    from schedules.running import run_standing_orders

    tried = 0
    with own_clock() as jump, connection.cursor() as cursor:
        cursor.execute(BY_IT)
        for ahead, own in json.loads(sys.argv[1]):
            cursor.execute(JUMP, [ahead])
            jump(own)
            tried += run_standing_orders()
    print(json.dumps(tried))
