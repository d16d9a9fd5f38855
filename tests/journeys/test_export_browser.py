"""Finance takes a whole list home: from the filtered list, through a real worker, to a checked file on the disk."""

import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openpyxl
import pytest
from django.db import connection

from core import bell, valkey
from reports.models import Export
from staff.roles import Role
from tests.books import fund, transfer
from tests.factories import new_wallet
from tests.fakes.worker import running_worker
from tests.journeys import test_admin_browser as support
from transactions.models import Transaction
from transactions.posting import post

pytestmark = [*support.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles = support.browser, support.troubles
TRANSFERS = 120


@pytest.fixture
def worker(settings: Any, tmp_path: Path) -> Iterator[None]:
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
    with running_worker(env, tmp_path / "worker.log"):
        yield
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
    dialog.get_by_label("Excel workbook").check()
    dialog.get_by_role("button", name="Export").click()

    page.wait_for_url("**/reports/export/*/change/")
    download = page.get_by_role("link", name="Download", exact=True)
    download.wait_for()  # the page turns by itself
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
