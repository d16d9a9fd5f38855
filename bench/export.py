"""One export of every entry as CSV, as the worker makes it: rows a second, extra memory, time to the first byte."""

import resource
import threading
import time
from uuid import uuid4

import django

django.setup()

from django.conf import settings  # noqa: E402

from core.ids import uuid7  # noqa: E402
from reports import services  # noqa: E402
from reports.lists import exportable  # noqa: E402
from reports.models import Export  # noqa: E402
from staff.models import User  # noqa: E402
from staff.roles import Role  # noqa: E402


def first_byte(started: int, found: list[int], done: threading.Event) -> None:
    """Watch for the first file that is not empty."""
    while not found and not done.wait(0.002):
        if any(path.is_file() and path.stat().st_size for path in settings.EXPORTS_DIR.rglob("part")):
            found.append(time.monotonic_ns() - started)


if __name__ == "__main__":
    finance = User.objects.create_user(f"bench-{uuid4()}", "", Role.FINANCE)
    export = services.request_export(exportable("entries"), {}, file_format="csv", actor=finance, key=uuid7())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: list[int] = []
    done = threading.Event()
    started = time.monotonic_ns()
    watcher = threading.Thread(target=first_byte, args=(started, found, done))
    watcher.start()
    services.run_export(export.pk)
    took = time.monotonic_ns() - started
    done.set()
    watcher.join()
    export = Export.objects.get(pk=export.pk)
    if export.state != Export.State.DONE:
        raise SystemExit(export.error)
    print("rows", export.rows_written)
    print("rate", export.rows_written * 10**9 // took)
    print("extra_kb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print("first_byte_ms", (found[0] if found else took) // 10**6)
    services.file_of(export).unlink()
