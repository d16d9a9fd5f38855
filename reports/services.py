"""Asking for an export, running it, fetching its file.

The row is the queue. A worker takes it under a lease, which a thread renews while the worker lives, and writes the file
under a name of that lease:

    claim     the row is locked, the attempt counted, a new lease written; committed
    write     one snapshot of the database: the control totals, then the rows, streamed to a file nobody else knows
    record    under the same lease: the file's name, size, checksum and totals; done

A worker that is killed leaves a lease that ends, and the next one starts afresh; one that comes back too late records
nothing, and its file goes. After `ATTEMPTS` the export has failed, and says why. One export runs at a time: the other
hands of the worker are for customers.
"""

import errno
import hashlib
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, time
from typing import Any, BinaryIO
from uuid import UUID, uuid4

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import F
from django.db.models.functions import Now

from core import audit, failures
from core.bell import ring
from core.errors import JobCannotBeRetried, TekanaError
from core.models import FailedJob
from reports.errors import (
    ExportFileGone,
    ExportNotDone,
    ExportNotFailed,
    ExportNotFound,
    ExportTookTooLong,
    ExportTooLarge,
    MayNotExport,
    TooManyExports,
)
from reports.lists import exportable
from reports.models import Export, SavedExport
from reports.selectors import PERSONAL, Listing, for_user, listing, refuse_unless_allowed, visible_to
from reports.tables import Exportable, Total
from reports.writers import WRITERS, Writer

logger = logging.getLogger(__name__)

MOST_WAITING = 10  # of one person
ATTEMPTS = 3
MOST_REMOVED = 500  # at a sweep
MOST_SECONDS = 20 * 60
SWEEP_SECONDS = 8
LEASE = timedelta(seconds=30)
BEAT_SECONDS = 1.0
AGAIN_AFTER = timedelta(seconds=20)
JOB = "job:exports"
ONE_AT_A_TIME = 0x7E6A_0E01  # advisory lock of those who claim
WAITING = (Export.State.QUEUED, Export.State.RUNNING)


class LeaseLost(Exception):
    """Another worker has taken the export over: nothing of ours counts any more."""


# --- Asking -----------------------------------------------------------------------------------------------------------


def request_export(
    of: Exportable, filters: dict[str, str], *, file_format: str, actor: Any, key: UUID, columns: Sequence[str] = (),
    saved: SavedExport | None = None,
) -> Export:  # fmt: skip
    """Ask for all rows of a list under its filters, as a file. A second request with the same ``key`` is the first one.

    Args:
        columns: names of those to take; none for all that ``actor`` may take.
        saved: what it was saved as, if it was.
    Raises: MayNotExport, UnknownColumn, TooManyExports, and as `selectors.listing` for filters that the list does not
        have.
    """
    chosen = for_user(of, actor, columns)
    listing(of, filters, actor)
    with db_transaction.atomic():
        waiting = Export.objects.filter(requested_by=actor, state__in=WAITING).exclude(pk=key)
        if waiting.count() >= MOST_WAITING:
            raise TooManyExports(f"{MOST_WAITING} of your exports are waiting or running; wait for one of them.")
        export, is_new = Export.objects.get_or_create(
            pk=key,
            defaults={
                "subject": of.name,
                "format": Export.Format(file_format),
                "filters": filters,
                "columns": list(columns),
                "has_personal": chosen.is_personal,
                "requested_by": actor,
                "saved": saved,
            },
        )
        if export.requested_by_id != actor.pk:
            raise ExportNotFound()
        if is_new:
            asked = {"list": of.name, "format": file_format, "filters": filters}
            asked |= {"columns": list(columns)} if columns else {}
            audit.record(actor=actor, action="request_export", subject=export, after=asked)
            ring("reports.tasks.run_export", export.pk)
    return export


def run_again(export: Export, *, actor: Any) -> None:
    """Start over an export that failed, or whose file is gone, with its filters and the data of now.

    Raises: MayNotExport, ExportNotFound, ExportNotFailed. Locks: the export.
    """
    with db_transaction.atomic():
        failures.settle(Running.name, export.pk)
        locked = visible_to(actor).select_for_update(of=("self",)).filter(pk=export.pk).first()
        if locked is None:
            raise ExportNotFound()
        refuse_unless_allowed(exportable(locked.subject), actor)
        if locked.state in WAITING or (locked.state == Export.State.DONE and file_of(locked).exists()):
            raise ExportNotFailed()
        before = {"state": locked.state, "error": locked.error}
        begin_anew(locked)
        after = {"state": Export.State.QUEUED, "error": ""}
        audit.record(actor=actor, action="run_export_again", subject=locked, before=before, after=after)


def begin_anew(export: Export) -> None:
    """The caller has locked the row."""
    Export.objects.filter(pk=export.pk).update(
        state=Export.State.QUEUED, due_at=Now(), lease=None, attempts=0, error="", started_at=None,
        finished_at=None, as_of=None, file_removed_at=None, rows_written=0, rows_expected=None,
        control_totals=None, sha256="", bytes=None, file_name="",
    )  # fmt: skip
    ring("reports.tasks.run_export", export.pk)


def open_file(export: Export, *, actor: Any) -> BinaryIO:
    """The finished file, opened for reading; each fetching of it is recorded.

    Raises: MayNotExport, ExportNotFound, ExportNotDone, ExportFileGone.
    """
    if not visible_to(actor).filter(pk=export.pk).exists():
        raise ExportNotFound()
    refuse_unless_allowed(exportable(export.subject), actor)
    if export.has_personal and not actor.has_perm(PERSONAL):
        raise MayNotExport("It has personal data, which your role does not take out of the house.")
    if export.state != Export.State.DONE:
        raise ExportNotDone()
    try:
        file = file_of(export).open("rb")
    except FileNotFoundError as gone:
        raise ExportFileGone() from gone
    audit.record(actor=actor, action="download_export", subject=export, after={"sha256": export.sha256})
    return file


# --- Running ----------------------------------------------------------------------------------------------------------


def run_export(export_id: UUID) -> bool:
    """Run one export if it is due and no other is running; whether it was taken up. Safe to run twice and at once."""
    export = claim(export_id)
    if export is None:
        return False
    try:
        with Lease(export) as lease:
            write(export, lease)
    except LeaseLost:
        logger.warning("an export was taken over by another worker", extra={"job": str(export.pk)})
    except TekanaError as refusal:
        give_up(export, refusal.detail)
    except OSError as exc:
        logger.exception("an export could not be written", extra={"job": str(export.pk)})
        full = exc.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = ExportTooLarge.title if full else "The file could not be written"
        try_later(export, f"{reason}: {os.strerror(exc.errno or errno.EIO)}.", exc)
    except Exception as exc:
        logger.exception("an export broke down", extra={"job": str(export.pk)})
        try_later(export, f"The worker met an error ({type(exc).__name__}).", exc)
    following = Export.objects.filter(state=Export.State.QUEUED, due_at__lte=Now()).order_by("due_at").first()
    if following is not None:
        ring("reports.tasks.run_export", following.pk)
    return True


def sweep_exports() -> int:
    """Run what is due, oldest first, for a while; how many were taken up. Files that were kept long enough go."""
    remove_old_files()
    over_at, taken = monotonic() + SWEEP_SECONDS, 0
    due = Export.objects.filter(state__in=WAITING, due_at__lte=Now()).order_by("due_at")
    for export_id in list(due.values_list("pk", flat=True)[:MOST_WAITING]):
        taken += run_export(export_id)
        if monotonic() > over_at:
            break
    return taken


def claim(export_id: UUID) -> Export | None:
    """Take an export for `LEASE`; its attempt is counted and committed before any work. None: there is nothing to do.

    Locks: the export; the advisory lock, so that of two who claim different exports the second sees the first.
    """
    with db_transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        due = Export.objects.select_for_update(of=("self",)).filter(state__in=WAITING, due_at__lte=Now())
        export = due.filter(pk=export_id).first()
        running = Export.objects.filter(state=Export.State.RUNNING, due_at__gt=Now())
        if export is None or running.exists():
            return None
        remove_files(export)
        if export.attempts >= ATTEMPTS:
            reason = f"Given up after {ATTEMPTS} attempts: the worker was lost each time."
            fail(export, export.error or reason)
            quarantine(export)
            return None
        Export.objects.filter(pk=export.pk).update(
            state=Export.State.RUNNING, attempts=F("attempts") + 1, lease=uuid4(), due_at=Now() + LEASE,
            started_at=Now(), rows_written=0, rows_expected=None,
        )  # fmt: skip
        return Export.objects.select_related("requested_by", "saved").get(pk=export.pk)


class Lease:
    """Ours while we renew it. A thread does so each second and writes progress down, so that neither a slow first row
    nor the packing of a big workbook looks like a dead worker."""

    def __init__(self, export: Export) -> None:
        self.mine = Export.objects.filter(pk=export.pk, lease=export.lease, state=Export.State.RUNNING)
        self.rows = 0
        self.told: dict[str, Any] = {}  # what else to write down; the snapshot's own transaction may write nothing
        self.over_at = monotonic() + MOST_SECONDS
        self.lost = False
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.keep, name="export lease", daemon=True)

    def __enter__(self) -> "Lease":
        self.thread.start()
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.done.set()
        self.thread.join()

    def keep(self) -> None:
        try:
            while not self.done.wait(BEAT_SECONDS):
                try:
                    self.lost = not self.mine.update(rows_written=self.rows, due_at=Now() + LEASE, **self.told)
                except Exception:  # the database is away for a moment, or for good: then the lease ends by itself
                    logger.warning("the lease of an export was not renewed", exc_info=True)
                    connection.close()
        finally:
            connection.close()

    def count(self, rows: int) -> None:
        """Note how many rows are written. Raises: LeaseLost, ExportTookTooLong."""
        self.rows = rows
        if self.lost:
            raise LeaseLost()
        if monotonic() > self.over_at:
            raise ExportTookTooLong(f"Stopped after {MOST_SECONDS // 60} minutes; narrow the filters, or take CSV.")


def write(export: Export, lease: Lease) -> None:
    """The work itself. Raises: TekanaError for what will not work next time either, LeaseLost."""
    user = export.requested_by
    of = for_user(exportable(export.subject), user, export.columns)  # the role may have changed since
    settings.EXPORTS_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=settings.EXPORTS_DIR, prefix=f"{export.pk}.{export.lease}.") as folder:
        part = Path(folder) / "part"
        writer = WRITERS[export.format](part, of)
        with snapshot() as as_of:
            listed = listing(of, export.filters, user)
            totals = of.totals(listed.rows)
            expected = sum(total.rows for total in totals)
            lease.told |= {"rows_expected": expected, "as_of": as_of, "has_personal": of.is_personal}
            written = copy_rows(of.rows(listed.rows, as_inert=writer.as_inert), writer, lease)
        if written != expected:
            raise RuntimeError(f"{written} rows were written and {expected} counted in one snapshot")
        lease.count(written)
        writer.finish(facts_of(export, listed, as_of, written), totals)
        record(export, lease, part, totals)


@contextmanager
def snapshot() -> Iterator[datetime]:
    """Everything read within this block is of one instant, which is its value. Read-only, and as slow as need be."""
    with db_transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT set_config('statement_timeout', '0', true), now()")
        yield cursor.fetchone()[1]


def copy_rows(query: tuple[str, Sequence[Any]], writer: Writer, lease: Lease) -> int:
    """COPY, because it streams: the first row is there at once, and no side ever holds many."""
    select, params = query
    raw: Any = connection.connection
    with raw.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT ({writer.copy_format})", params) as copy:
        return writer.rows(copy, lease.count)


def facts_of(export: Export, listed: Listing, as_of: datetime, rows: int) -> list[tuple[str, str]]:
    """What a workbook says about itself. Its filters are in words, as the list shows them."""
    return [
        ("Export", str(export.pk)),
        ("List", exportable(export.subject).words),
        *([("Saved as", export.saved.name)] if export.saved else []),
        *([("Business date", export.business_date.isoformat())] if export.business_date else []),
        *listed.words,
        ("Data as of", f"{as_of:%Y-%m-%d %H:%M:%S} UTC"),
        ("Requested by", export.requested_by.full_name),
        ("Rows", str(rows)),
    ]


def record(export: Export, lease: Lease, part: Path, totals: Sequence[Total]) -> None:
    """Put the file in its place and say that it is done, unless somebody else has taken over. Raises: LeaseLost."""
    part.chmod(0o600)
    with part.open("rb") as file:
        os.fsync(file.fileno())
        checksum = hashlib.file_digest(file, "sha256").hexdigest()  # of what is stored, not of what was meant to be
        size = os.fstat(file.fileno()).st_size
    part.rename(file_of(export))
    reported = lease.mine.update(
        state=Export.State.DONE, rows_written=lease.rows, sha256=checksum, bytes=size, error="", finished_at=Now(),
        control_totals=[total.as_json() for total in totals], file_removed_at=None, **lease.told,
        file_name=f"tekana-{export.subject}-{lease.told['as_of']:%Y%m%d-%H%M%S}.{export.format}",
    )  # fmt: skip
    if not reported:
        file_of(export).unlink(missing_ok=True)
        raise LeaseLost()


# --- Failing ----------------------------------------------------------------------------------------------------------


def try_later(export: Export, reason: str, exc: Exception) -> None:
    """Back into the queue, unless it was the last attempt."""
    if export.attempts >= ATTEMPTS:
        give_up(export, f"Given up after {ATTEMPTS} attempts. {reason}", exc)
        return
    Export.objects.filter(pk=export.pk, lease=export.lease, state=Export.State.RUNNING).update(
        state=Export.State.QUEUED, error=reason[:300], rows_written=0, due_at=Now() + AGAIN_AFTER
    )


def give_up(export: Export, reason: str, exc: Exception | None = None) -> None:
    """What was refused (``exc`` is None) is for whoever asked for it to mend; what broke down is for operations."""
    with db_transaction.atomic():
        mine = Export.objects.select_for_update().filter(pk=export.pk, lease=export.lease, state=Export.State.RUNNING)
        if mine.exists():
            fail(export, reason)
            if exc is not None:
                quarantine(export, exc)


def fail(export: Export, reason: str) -> None:
    """The caller has locked the row."""
    Export.objects.filter(pk=export.pk).update(state=Export.State.FAILED, error=reason[:300], finished_at=Now())
    audit.record(actor=JOB, action="fail_export", subject=export, reason=reason)
    logger.error("an export failed", extra={"job": str(export.pk)})


def quarantine(export: Export, exc: Exception | None = None) -> None:
    args = {"list": export.subject, "format": export.format}
    failures.give_up(Running.name, [failures.Given(str(export.pk), args, export.attempts)], exc)


class Running(failures.Retriable):
    """Running an export, with the filters and rights of whoever asked for it."""

    name = "export"
    title = "Export"
    model = "reports.export"

    def retry(self, job: FailedJob) -> None:
        export = Export.objects.select_for_update(of=("self",)).filter(pk=job.subject_id).first()
        if export is None or export.state != Export.State.FAILED:
            raise JobCannotBeRetried("It has been run, or is about to be.")
        begin_anew(export)

    def now(self, job: FailedJob) -> str:
        export = Export.objects.filter(pk=job.subject_id).first()
        return export.get_state_display().lower() if export else "gone"


running = Running()


# --- Files -----------------------------------------------------------------------------------------------------------


def file_of(export: Export) -> Path:
    """Where the file of the export's present lease is, or will be."""
    return settings.EXPORTS_DIR / f"{export.pk}.{export.lease}.{export.format}"


def remove_files(export: Export) -> None:
    """What workers before left of it: whoever wrote it has no lease any more."""
    for left in settings.EXPORTS_DIR.glob(f"{export.pk}.*"):
        remove(left)


def remove_old_files() -> None:
    """Personal data is not kept for ever. The row stays, with its totals and checksum, and can be run again."""
    kept = timedelta(days=settings.EXPORTS_KEPT_DAYS)
    oldest = time() - kept.total_seconds()
    for file in settings.EXPORTS_DIR.glob("*.*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < oldest:
                remove(file)
    old = Export.objects.filter(state=Export.State.DONE, file_removed_at=None, finished_at__lt=Now() - kept)
    for export in old.order_by("finished_at")[:MOST_REMOVED]:
        remove_files(export)
        Export.objects.filter(pk=export.pk).update(file_removed_at=Now())
        audit.record(actor=JOB, action="remove_export_file", subject=export, before={"sha256": export.sha256})


def remove(file: Path) -> None:
    shutil.rmtree(file, ignore_errors=True) if file.is_dir() else file.unlink(missing_ok=True)
