"""Finance takes a whole list home: from the filtered list, through a real worker, to a checked file on the disk."""

import csv
import hashlib
import io
import os
import re
import resource
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from django.db import connection
from django.utils.timezone import now

from core import bell, valkey
from core.roles import connected_as_owner
from reports.models import Export
from staff.models import Session
from staff.roles import Role
from tests.admin.conftest import code_of
from tests.books import fund, transfer
from tests.factories import new_wallet
from tests.fakes.worker import running_worker
from tests.journeys import test_admin_browser as support
from tests.journeys.looks import well_seen
from tests.reports.test_run_export import MANY_ROWS
from transactions.models import Transaction
from transactions.posting import post

pytestmark = [*support.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles = support.browser, support.troubles
TRANSFERS = 120
MANY = int(os.environ.get("EXPORT_ROWS", 50_000))  # docs/performance.md tells what came of a million


@pytest.fixture
def worker(settings: Any, tmp_path: Path) -> "Iterator[subprocess.Popen[Any]]":
    """A Celery worker in a process of its own, which hears the bell of this test's web server."""
    settings.EXPORTS_DIR = tmp_path / "exports"
    settings.CELERY_BROKER_TRANSPORT_OPTIONS |= {"global_keyprefix": settings.VALKEY_PREFIX}
    bell._door.cache_clear()
    db = connection.settings_dict
    env = os.environ | {
        "DATABASE_URL": f"postgres://{db['USER']}:{quote(db['PASSWORD'])}@{db['HOST']}:{db['PORT']}/{db['NAME']}",
        "REDIS_URL": settings.REDIS_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "VALKEY_PREFIX": settings.VALKEY_PREFIX,
        "EXPORTS_DIR": str(settings.EXPORTS_DIR),
    }
    with running_worker(env, tmp_path / "worker.log") as process:
        yield process
    bell._door.cache_clear()
    for left in valkey.client().scan_iter(f"{settings.VALKEY_PREFIX}*"):
        valkey.client().delete(left)


@pytest.fixture
def page(transactional_db: None, worker: None, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    with support.desk_of("faith", Role.FINANCE, browser, live_server, troubles) as page:
        page.set_default_timeout(30_000)
        yield page


def test_a_filtered_list_is_exported_watched_and_fetched(page: Any, tmp_path: Path) -> None:
    wanjiku, john = new_wallet(full_name="Wanjiku Kamau", tier=2), new_wallet(full_name="=John Otieno", tier=2)
    fund(wanjiku, 50_000_00)
    for outcome in post([transfer(wanjiku, john, 1_00 + n) for n in range(TRANSFERS)]):
        outcome.or_raise()

    page.goto("/admin/transactions/transaction/?kind=transfer&p=2")
    page.get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export transactions")
    assert "Transfer" in dialog.inner_text() and f"{TRANSFERS}" in dialog.inner_text()
    well_seen(page)
    dialog.get_by_label("Excel workbook").check()
    dialog.get_by_role("button", name="Export").click()

    page.wait_for_url("**/reports/export/*/change/")
    download = page.get_by_role("link", name="Download", exact=True)
    download.wait_for()  # the page turns by itself
    well_seen(page)
    with page.expect_download() as downloading:
        download.click()
    content = Path(downloading.value.path()).read_bytes()

    made = Export.objects.get()
    assert downloading.value.suggested_filename == made.file_name
    shown = page.locator("#content, main, body").first.inner_text()
    assert hashlib.sha256(content).hexdigest() == made.sha256 and made.sha256 in shown
    total = sum(Transaction.objects.filter(kind="transfer").values_list("amount", flat=True))
    assert f"{total // 100:,}.{total % 100:02}" in shown
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    heads = [cell.value for cell in sheet[1]]
    rows = [dict(zip(heads, [cell.value for cell in row])) for row in sheet.iter_rows(min_row=2)]
    assert len(rows) == TRANSFERS and sum(row["amount_minor"] for row in rows) == total
    assert {row["payee"] for row in rows} == {"=John Otieno"}
    page.reload()
    assert "download export" in page.get_by_role("region", name="Audit trail").inner_text()


def peaks(worker: Any) -> dict[str, int]:
    """The most memory, in KiB, that each process of the worker has had so far."""
    group = subprocess.run(["ps", "-o", "pid=", "-g", str(worker.pid)], capture_output=True, text=True, check=True)
    said = {pid: Path(f"/proc/{pid}/status").read_text() for pid in group.stdout.split()}
    return {pid: int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0]) for pid, text in said.items()}


@pytest.mark.slow
@pytest.mark.timeout(1_800)
def test_a_list_of_many_is_watched_as_it_is_written_and_fetched_whole(
    page: Any, worker: Any, tmp_path: Path, record_property: Any
) -> None:
    """Both formats, of ``EXPORT_ROWS``: each shows how far it is, takes little memory, and adds up."""
    wanjiku, john = new_wallet(full_name="Wanjiku Kamau"), new_wallet(full_name="John Otieno")
    with connected_as_owner(), connection.cursor() as cursor:
        for part in MANY_ROWS.strip().split(";\n"):
            cursor.execute(part, {"payer": wanjiku.pk, "payee": john.pk, "many": MANY})
    page.set_default_timeout(1_200_000)
    before = peaks(worker)

    for name, ending in (("CSV", "csv"), ("Excel workbook", "xlsx")):
        page.goto("/admin/transactions/transaction/?kind=transfer")
        page.get_by_role("link", name="Export", exact=True).click()
        dialog = page.get_by_role("dialog", name="Export transactions")
        dialog.get_by_label(name).check()
        dialog.get_by_role("button", name="Export").click()
        page.wait_for_url("**/reports/export/*/change/")
        download = page.get_by_role("link", name="Download", exact=True)
        seen = watched(page, until=download)
        here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        Session.objects.update(proved_at=now() - timedelta(minutes=6))  # as when one had to wait for it
        download.click()
        page.get_by_label("Code of your app").fill(code_of("faith"))
        with page.expect_download() as downloading:
            page.get_by_role("button", name="Go on").click()
        fetched, sha256 = Path(downloading.value.path()), hashlib.sha256()
        with fetched.open("rb") as file:
            while piece := file.read(1 << 20):
                sha256.update(piece)

        made = Export.objects.get(format=ending)
        assert sha256.hexdigest() == made.sha256 and made.rows_written == MANY
        assert [(total["currency"], total["rows"]) for total in made.control_totals] == [("KES", MANY)]
        assert made.control_totals[0]["amount"] == sum(range(101, 101 + MANY))
        took = (made.finished_at - made.started_at).total_seconds()
        assert seen or took < 3, "the page says how far it is, to whom it takes long enough to look"
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - here <= 32 * 1024, "the web process streams it"
        if ending == "csv":
            with fetched.open(newline="", encoding="utf-8-sig") as file:
                assert sum(1 for _ in csv.DictReader(file)) == MANY
        after = peaks(worker)
        grown = max(after[pid] - before[pid] for pid in before)
        record_property(f"{ending}: seconds, bytes, KiB more at the worker", (took, made.bytes, grown))
        print(f"{MANY:,} rows as {ending}: {took:.1f} s, {made.bytes:,} bytes, {grown} KiB more; shown: {seen[:4]}")
    assert grown <= 48 * 1024


def watched(page: Any, until: Any) -> list[str]:
    """What the page of the export says, until it is there, about how far it is; each once."""
    seen: list[str] = []
    while not until.count():
        said = re.search(r"[\d,]+ of [\d,]+ rows", page.locator("body").inner_text())
        seen.extend([said[0]] if said and said[0] not in seen else [])
        page.wait_for_timeout(200)
    return seen
