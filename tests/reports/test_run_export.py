"""The worker: one run whoever rings, nothing lost by a kill, an end to every try, and little memory."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from celery import current_app
from django.conf import settings
from django.db import connection, connections
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from xlsxwriter.exceptions import FileSizeError

from core.models import AuditRecord
from core.roles import connected_as_owner
from reports import services, tasks, writers
from reports.errors import ExportNotFailed
from reports.lists import EXPORTABLE
from reports.models import Export
from reports.selectors import listing
from reports.tables import statement
from tests.books import transfer
from tests.reports.conftest import TRANSFERS, World, ask, export, fetch, read_csv, said
from transactions.models import Transaction
from transactions.posting import post_one

pytestmark = pytest.mark.django_db(transaction=True)


def fresh(made: Export) -> Export:
    return Export.objects.get(pk=made.pk)


def lease_ends(made: Export) -> None:
    Export.objects.filter(pk=made.pk).update(due_at=Now())


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


# --- One run ---------------------------------------------------------------------------------------------------------


def test_the_bell_brings_a_worker_and_another_one_nothing(world: World, finance: Client, bells: list[Any]) -> None:
    made = ask(finance)
    assert bells == [("reports.tasks.run_export", str(made.pk))]

    tasks.run_export(str(made.pk))
    done = fresh(made)
    tasks.run_export(str(made.pk))

    assert done.state == "done" and fresh(made).lease == done.lease and fresh(made).attempts == 1


def test_what_is_rung_and_ticked_exists() -> None:
    current_app.loader.import_default_modules()

    assert {"reports.tasks.run_export", "reports.tasks.sweep_exports"} <= set(current_app.tasks)
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] / 2 > tasks.TIME_LIMIT
    assert services.MOST_SECONDS < tasks.TIME_LIMIT


def test_a_lost_bell_is_swept_up(world: World, finance: Client) -> None:
    first, second = ask(finance), ask(finance, "entries")

    tasks.sweep_exports()

    assert fresh(first).state == fresh(second).state == "done"
    assert services.sweep_exports() == 0


def test_two_sweeps_at_once_make_one_run(world: World, finance: Client) -> None:
    made = ask(finance)
    together = threading.Barrier(4)

    def sweep() -> int:
        together.wait()
        try:
            return services.sweep_exports()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        taken = [future.result() for future in [pool.submit(sweep) for _ in range(4)]]

    assert sum(taken) == 1 and fresh(made).attempts == 1 and fresh(made).state == "done"


def test_one_export_runs_at_a_time_and_the_end_of_it_rings_for_the_next(
    world: World, finance: Client, bells: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ask(finance), ask(finance, "entries")
    bells.clear()
    tried: list[bool] = []
    monkeypatch.setattr(writers, "COUNT_EVERY", 100)
    count = services.Lease.count

    def while_it_runs(lease: services.Lease, rows: int) -> None:
        count(lease, rows)
        if not tried:
            with ThreadPoolExecutor(1) as pool:
                tried.append(pool.submit(elsewhere, second.pk).result())

    monkeypatch.setattr(services.Lease, "count", while_it_runs)
    services.run_export(first.pk)

    assert tried == [False] and fresh(second).state == "queued" and fresh(second).attempts == 0
    assert bells == [("reports.tasks.run_export", str(second.pk))]


def elsewhere(export_id: UUID) -> bool:
    try:
        return services.run_export(export_id)
    finally:
        connections.close_all()


def test_everything_in_a_file_is_of_one_instant(world: World, finance: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "COUNT_EVERY", 100)
    count, moved = services.Lease.count, []

    def while_it_runs(lease: services.Lease, rows: int) -> None:
        count(lease, rows)
        if not moved:
            with ThreadPoolExecutor(1) as pool:
                moved.append(pool.submit(move, world).result())

    monkeypatch.setattr(services.Lease, "count", while_it_runs)
    made, content = export(finance)

    ids = {row["id"] for row in read_csv(content)}
    assert str(moved[0]) not in ids and Transaction.objects.filter(pk=moved[0]).exists()
    assert sum(total["rows"] for total in made.control_totals or []) == len(ids) == made.rows_written
    assert made.as_of and made.as_of < Transaction.objects.get(pk=moved[0]).created_at


def move(world: World) -> UUID:
    try:
        moved = post_one(transfer(world.wanjiku, world.john, 1)).or_raise().transaction
        assert moved is not None
        return moved
    finally:
        connections.close_all()


# --- Lost workers ----------------------------------------------------------------------------------------------------

SLOW_WORKER = """
import sys, time, uuid
import django
django.setup()
from reports import services, writers
writers.COUNT_EVERY = 10
services.BEAT_SECONDS = 0.05
count = services.Lease.count
def slowly(lease, rows):
    count(lease, rows)
    time.sleep(0.3)
services.Lease.count = slowly
services.run_export(uuid.UUID(sys.argv[1]))
"""


def environment() -> dict[str, str]:
    db = connection.settings_dict
    return os.environ | {
        "DATABASE_URL": f"postgres://{db['USER']}:{quote(db['PASSWORD'])}@{db['HOST']}:{db['PORT']}/{db['NAME']}",
        "EXPORTS_DIR": str(settings.EXPORTS_DIR),
        "PYTHONPATH": str(settings.BASE_DIR),
        "DJANGO_SETTINGS_MODULE": "tekana.settings",
        "TEST_DB": "",
    }


def wait_until(true: Callable[[], bool]) -> None:
    over_at = time.monotonic() + 30
    while not true():
        assert time.monotonic() < over_at
        time.sleep(0.02)


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_a_worker_killed_half_way_loses_nothing(
    world: World, finance: Client, exports_dir: Path, file_format: str
) -> None:
    made = ask(finance, file_format=file_format)
    worker = subprocess.Popen([sys.executable, "-c", SLOW_WORKER, str(made.pk)], env=environment())
    wait_until(lambda: fresh(made).rows_written > 20)
    worker.send_signal(signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
    left = fresh(made)
    assert left.state == "running" and 20 < left.rows_written < TRANSFERS and len(files(exports_dir)) == 1

    assert services.sweep_exports() == 0, "its lease is not over yet"
    lease_ends(made)
    assert services.sweep_exports() == 1

    done = fresh(made)
    assert done.state == "done" and done.attempts == 2 and done.lease != left.lease
    assert done.rows_written == Transaction.objects.count()
    assert files(exports_dir) == [services.file_of(done).name]
    assert len(fetch(finance, made.pk)) == done.bytes


def test_a_lease_is_renewed_while_its_worker_lives(
    world: World, finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(finance, file_format="xlsx")
    monkeypatch.setattr(services, "BEAT_SECONDS", 0.02)
    seen: list[Export] = []
    finish = writers.XlsxWriter.finish

    def slowly(writer: Any, *args: Any) -> None:
        lease_ends(made)
        wait_until(lambda: fresh(made).percent == 100 and fresh(made).due_at > made.created_at + services.LEASE / 2)
        seen.append(fresh(made))
        finish(writer, *args)

    monkeypatch.setattr(writers.XlsxWriter, "finish", slowly)
    services.run_export(made.pk)

    (packing,) = seen
    assert packing.state == "running" and packing.percent == 100
    assert packing.rows_written == packing.rows_expected == fresh(made).rows_written
    assert fresh(made).state == "done"


def test_whoever_comes_back_too_late_reports_nothing_and_leaves_nothing(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first worker sleeps through its lease, at the worst moment: its file is complete, and is not recorded yet."""
    made = ask(finance)
    record, rivals = services.record, []

    def late(*args: Any) -> None:
        if not rivals:
            rivals.append(fresh(made).lease)
            lease_ends(made)
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(elsewhere, made.pk).result()
        record(*args)

    monkeypatch.setattr(services, "record", late)
    services.run_export(made.pk)

    done = fresh(made)
    assert done.state == "done" and done.attempts == 2 and done.lease not in rivals
    assert files(exports_dir) == [services.file_of(done).name]
    assert len(read_csv(fetch(finance, made.pk))) == done.rows_written


def test_a_worker_that_lost_its_lease_stops_writing(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ask(finance)
    monkeypatch.setattr(writers, "COUNT_EVERY", 10)
    monkeypatch.setattr(services, "BEAT_SECONDS", 0.01)
    count, counted = services.Lease.count, []

    def robbed(lease: services.Lease, rows: int) -> None:
        counted.append(rows)
        if rows == 20:
            Export.objects.filter(pk=made.pk).update(lease=UUID(int=1))
            wait_until(lambda: lease.lost)
        count(lease, rows)

    # The update is made from a thread: this one is inside the export's read-only snapshot.
    def elsewhere_robbed(lease: services.Lease, rows: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_closing(robbed), lease, rows).result()

    monkeypatch.setattr(services.Lease, "count", elsewhere_robbed)
    services.run_export(made.pk)

    assert counted == [10, 20]
    assert fresh(made).state == "running" and fresh(made).lease == UUID(int=1), "it is the other's now"
    assert files(exports_dir) == []


def _closing(function: Callable[..., None]) -> Callable[..., None]:
    def closed(*args: Any) -> None:
        try:
            function(*args)
        finally:
            connections.close_all()

    return closed


# --- Failing ---------------------------------------------------------------------------------------------------------


def test_three_lost_workers_are_enough(world: World, finance: Client, exports_dir: Path) -> None:
    made = ask(finance)
    for _ in range(services.ATTEMPTS):
        assert services.claim(made.pk) is not None  # and then it is killed
        lease_ends(made)

    assert not services.run_export(made.pk)

    failed = fresh(made)
    assert failed.state == "failed" and failed.attempts == services.ATTEMPTS
    assert failed.error == "Given up after 3 attempts: the worker was lost each time."
    assert AuditRecord.objects.get(action="fail_export").reason == failed.error
    assert "Given up after 3 attempts" in said(finance.get(reverse("admin:reports_export_change", args=[made.pk])))
    lease_ends(made)
    assert services.sweep_exports() == 0


def test_what_breaks_down_is_tried_again_later_and_then_given_up(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise ValueError("a secret of the database")

    monkeypatch.setattr(services, "copy_rows", broken)
    made = ask(finance)
    for attempt in (1, 2):
        assert services.run_export(made.pk)
        assert fresh(made).state == "queued" and fresh(made).attempts == attempt
        assert fresh(made).error == "The worker met an error (ValueError)."
        assert fresh(made).due_at > fresh(made).created_at + services.AGAIN_AFTER / 2
        assert not services.run_export(made.pk), "not before it is due"
        lease_ends(made)
    assert services.run_export(made.pk)

    assert fresh(made).state == "failed"
    assert fresh(made).error == "Given up after 3 attempts. The worker met an error (ValueError)."
    assert files(exports_dir) == []


def test_a_full_disk_is_said_to_be_full(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(services, "copy_rows", full)
    made = ask(finance)
    services.run_export(made.pk)

    assert fresh(made).error == "There is no room for this file: No space left on device."
    assert files(exports_dir) == []


def test_a_disk_that_fills_up_while_a_workbook_is_packed_is_said_to_be_full(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("xlsxwriter.workbook.ZipFile", full)
    made = ask(finance, file_format="xlsx")
    services.run_export(made.pk)

    assert fresh(made).error == "There is no room for this file: No space left on device."
    assert files(exports_dir) == []


def test_a_workbook_that_its_format_cannot_hold_fails_with_advice(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*args: Any) -> None:
        raise FileSizeError("zip64")

    monkeypatch.setattr("xlsxwriter.Workbook.close", too_large)
    made = ask(finance, file_format="xlsx")
    services.run_export(made.pk)

    assert fresh(made).state == "failed"
    assert fresh(made).error == "Too large for a workbook: take CSV, or narrow the filters."
    assert files(exports_dir) == []


def test_an_export_that_takes_too_long_is_stopped(
    world: World, finance: Client, exports_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_SECONDS", 0)
    made = ask(finance)
    services.run_export(made.pk)

    assert fresh(made).state == "failed" and fresh(made).error.startswith("Stopped after")
    assert files(exports_dir) == []


def test_a_filter_that_the_list_no_longer_has_fails_at_once(world: World, finance: Client) -> None:
    made = ask(finance)
    Export.objects.filter(pk=made.pk).update(filters={"payer__customer__email": "x"})

    services.run_export(made.pk)

    assert fresh(made).state == "failed" and "cannot be filtered by 'payer__customer__email'" in fresh(made).error
    assert finance.get(reverse("admin:reports_export_change", args=[made.pk])).status_code == 200


def test_a_count_that_differs_from_the_file_is_a_failure(
    world: World, finance: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control of the control totals."""
    copy_rows = services.copy_rows
    monkeypatch.setattr(services, "copy_rows", lambda *args: copy_rows(*args) - 1)
    made = ask(finance)

    services.run_export(made.pk)

    assert fresh(made).state == "queued" and fresh(made).error == "The worker met an error (RuntimeError)."


def test_a_failed_export_is_run_again_from_its_page(world: World, finance: Client, bells: list[Any]) -> None:
    made = ask(finance, query="state=failed")
    Export.objects.filter(pk=made.pk).update(state="failed", error="The disk was full", attempts=3, rows_written=7)
    bells.clear()

    again = reverse("admin:reports_export_again", args=[made.pk])
    assert "With the same filters" in said(finance.get(again)) and fresh(made).state == "failed"
    finance.post(again, {})

    assert fresh(made).state == "queued" and fresh(made).attempts == 0 and fresh(made).error == ""
    assert bells == [("reports.tasks.run_export", str(made.pk))]
    assert AuditRecord.objects.get(action="run_export_again").before == {
        "state": "failed",
        "error": "The disk was full",
    }
    tasks.run_export(str(made.pk))
    assert fresh(made).state == "done" and fresh(made).rows_written == 1


def test_what_waits_or_is_done_is_not_run_again(world: World, finance: Client) -> None:
    made = ask(finance)
    with pytest.raises(ExportNotFailed):
        services.run_again(made, actor=made.requested_by)
    services.run_export(made.pk)
    with pytest.raises(ExportNotFailed):
        services.run_again(made, actor=made.requested_by)
    assert fresh(made).state == "done"


def test_an_administrator_runs_somebody_elses_again(world: World, finance: Client, administrator: Client) -> None:
    made = ask(finance)
    Export.objects.filter(pk=made.pk).update(state="failed")

    administrator.post(reverse("admin:reports_export_again", args=[made.pk]), {})

    assert fresh(made).state == "queued"


# --- Size ------------------------------------------------------------------------------------------------------------

MANY_ROWS = """
ALTER TABLE transactions_transaction DISABLE TRIGGER USER;
INSERT INTO transactions_transaction (
    id, receipt, kind, state, payer_id, payee_id, amount, fee, currency, memo, caller, reference, idempotency_key,
    fingerprint, refusal_code, reversed_amount, reason_code, rail, rail_reference, attempts, created_at, completed_at)
SELECT (lpad(to_hex(1700000000000 + i), 12, '0') || '70008' || substr(md5(i::text), 1, 15))::uuid,
       lpad(i::text, 10, '0'), 'transfer', 'completed',
       %(payer)s, %(payee)s, 100 + i, 0, 'KES', 'school fees, term ' || i %% 3, 'job:test',
       'ref-' || i, 'key-' || i, '', '', 0, '', '', '', 0, now(), now()
FROM generate_series(1, %(many)s) i;
ALTER TABLE transactions_transaction ENABLE TRIGGER USER;
ALTER TABLE ledger_journal DISABLE TRIGGER USER;
INSERT INTO ledger_journal (id, kind, reference, effective_at, recorded_at, reverses_all, metadata)
SELECT id, kind, id, created_at, created_at, false, '{}' FROM transactions_transaction WHERE reference LIKE 'ref-%%';
ALTER TABLE ledger_journal ENABLE TRIGGER USER;
ALTER TABLE ledger_entry DISABLE TRIGGER USER;
INSERT INTO ledger_entry (account_id, seq, journal_id, side, amount, currency, balance_after, recorded_at)
SELECT account.id, 1000000 + t.receipt::int, t.id, side, t.amount, t.currency, 0, t.created_at
FROM transactions_transaction t
CROSS JOIN (VALUES (1), (-1)) sides (side)
JOIN wallets_wallet wallet ON wallet.id = CASE side WHEN 1 THEN t.payer_id ELSE t.payee_id END
JOIN ledger_account account ON account.id = wallet.account_id
WHERE t.reference LIKE 'ref-%%';
ALTER TABLE ledger_entry ENABLE TRIGGER USER;
VACUUM ANALYZE transactions_transaction, ledger_journal, ledger_entry, ledger_account;
"""
MEASURED = """
import json, resource, sys, uuid
import django
django.setup()
from reports import services, writers
services.exportable("transactions")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert services.run_export(uuid.UUID(sys.argv[1]))
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
"""


@pytest.fixture
def many(request: pytest.FixtureRequest, world: World) -> int:
    rows: int = getattr(request, "param", 50_000)
    with connected_as_owner(), connection.cursor() as cursor:
        params = {"payer": world.wanjiku.pk, "payee": world.john.pk, "many": rows}
        for part in MANY_ROWS.strip().split(";\n"):
            cursor.execute(part, params)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(("many", "file_format"), [(200_000, "csv"), (50_000, "xlsx")], indirect=["many"])
def test_many_rows_take_little_memory(many: int, finance: Client, file_format: str) -> None:
    made = ask(finance, file_format=file_format)

    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, str(made.pk)], env=environment(), capture_output=True, text=True, check=True
    )

    grown_kb = json.loads(ran.stdout.splitlines()[-1])
    assert grown_kb <= 32 * 1024
    done = fresh(made)
    assert done.state == "done" and done.rows_written == Transaction.objects.count() > many


def test_the_first_row_comes_before_the_others_are_looked_at(many: int, finance: Client) -> None:
    """Plans that stream: nothing is sorted or gathered as a whole before the first row leaves."""
    made = ask(finance)
    for of in (EXPORTABLE["transactions"], EXPORTABLE["entries"]):
        for filters in ({}, {"currency": "KES"}, {"kind": "transfer", "from": "2020-01-01"}):
            select, params = of.rows(listing(of, filters, made.requested_by).rows, as_inert=True)
            assert streams(select, params), (of.name, filters)
            assert not streams(f"SELECT * FROM ({select}) gathered ORDER BY random()", params), "control"


def streams(select: str, params: Any) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {select}", params)
        plan = json.loads(json.dumps(cursor.fetchone()[0]))[0]["Plan"]
    return bool(plan["Startup Cost"] < max(plan["Total Cost"] / 50, 500))


def test_a_list_that_is_known_to_be_empty_still_has_a_statement(db: None) -> None:
    select, params = statement(Transaction.objects.none().values_list("pk"))

    with connection.cursor() as cursor:
        cursor.execute(select, params)
        assert cursor.fetchall() == []
