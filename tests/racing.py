"""Many at once, for real: threads that start together, each with its own connection, or a process of its own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from django.db import connection

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """Do all of them, each in a thread, all released at the same instant; what they returned, in order.

    Raises: what the first of them raised, after all have ended.
    """
    results: list[Any] = [None] * len(acts)
    errors: list[BaseException] = []
    start = threading.Barrier(len(acts))

    def run(position: int, act: Callable[[], T]) -> None:
        try:
            start.wait(60)
            results[position] = act()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=arguments) for arguments in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def database_url() -> str:
    """Of the test database, as the app role."""
    where = connection.settings_dict
    password = quote(where["PASSWORD"], safe="")
    return f"postgres://{where['USER']}:{password}@{where['HOST']}:{where['PORT']}/{where['NAME']}"


def in_another_process(module: str, *args: object, **environment: str) -> "subprocess.Popen[str]":
    """``python -m module`` with Django on the test database; `answer_of` waits for the JSON that it prints."""
    env = os.environ | {"DATABASE_URL": database_url(), "TEST_DB": "", "DJANGO_SETTINGS_MODULE": "tekana.settings"}
    env |= environment
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, args)], cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE
    )


def answer_of(process: "subprocess.Popen[str]") -> Any:
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(out)


def deadlocks() -> int:
    """How many PostgreSQL has resolved in this database; sessions report theirs with their next transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])
