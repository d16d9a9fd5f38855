"""A real Celery worker in a process of its own, on the test's database and a queue of the test's own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.db import connection

from tests.fakes.bank import SECRET
from transactions.rails.sandbox_server import SandboxBank

ROOT = Path(__file__).resolve().parent.parent.parent
TWO_PROCESSES_FOR_ALL = ("-c", "2", "-P", "prefork", "-Q", "celery,rails")


def environment(bank: SandboxBank, callback_url: str, mail: Path) -> dict[str, str]:
    """What the worker needs to know of the test; its leases are short."""
    db = connection.settings_dict
    return os.environ | {
        "DATABASE_URL": f"postgres://{db['USER']}:{quote(db['PASSWORD'])}@{db['HOST']}:{db['PORT']}/{db['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "VALKEY_PREFIX": settings.VALKEY_PREFIX,
        "RAIL_SANDBOX_URL": bank.url,
        "RAIL_SANDBOX_SECRET": SECRET,
        "RAIL_SANDBOX_CALLBACK_URL": callback_url,
        "RAIL_TIMEOUT_SECONDS": "1",
        "RAIL_CALLS_PER_CUSTOMER": "100",
        "RAIL_LEASE_SECONDS": "3",
        "RAIL_INQUIRE_AFTER_SECONDS": "2",
        "RAIL_INQUIRY_SECONDS": "1",
        "RAIL_RESUBMIT_AFTER_SECONDS": "1",
        "EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend",
        "EMAIL_FILE_PATH": str(mail),
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def running_worker(env: dict[str, str], log: Path, *options: str) -> Iterator["subprocess.Popen[Any]"]:
    """One for all queues, or as ``options`` say; whatever is left of it at the end is killed."""
    command = [sys.executable, "-m", "celery", "-A", "tekana.celery", "-q", "worker"]
    command += options or TWO_PROCESSES_FOR_ALL
    with log.open("ab") as output:
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle", "--without-heartbeat"],
            cwd=ROOT, env=env, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield worker
    finally:
        kill(worker)


def kill(worker: "subprocess.Popen[Any]") -> None:
    """`kill -9` of the worker with its processes, as a machine that fails would."""
    with suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
