"""A day in finance, in a real browser: a break is found, followed to its transactions and signed off."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdf
import pytest

from core.money import grouped
from reports import proofs, totals
from reports.models import DailyProof, IssuedPaper, SavedExport
from staff.roles import Role
from tests.books import posted
from tests.factories import empty_statement
from tests.journeys import test_admin_browser as support
from tests.journeys.looks import well_seen
from tests.reports.test_balances import lived as lived_fixture
from tests.reports.test_daily_proof import guards_off
from transactions import proving
from wallets.models import Wallet

pytestmark = [*support.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles, lived = support.browser, support.troubles, lived_fixture


@pytest.fixture
def page(lived: list[Wallet], browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    with support.desk_of("faith", Role.FINANCE, browser, live_server, troubles) as page:
        yield page


def open_menu(page: Any, name: str) -> None:
    page.locator("#nav-sidebar").get_by_role("link", name=name, exact=True).click()


def test_a_break_is_found_and_followed_to_its_transactions(page: Any, lived: list[Wallet]) -> None:
    with guards_off("ledger_account") as cursor:
        cursor.execute("UPDATE ledger_account SET posted = posted + 100 WHERE id = %s", [lived[1].account_id])
    totals.sum_days()
    proving.prove()
    assert proofs.prove_daily() is not None

    open_menu(page, "Daily proof")
    page.get_by_role("link", name="20").first.click()
    page.get_by_text("do not agree").first.wait_for()
    code = f"liability:wallet:{lived[1].pk}"
    page.locator("#what-is-wrong").get_by_role("link", name=code).first.click()

    page.get_by_role("heading", name="General ledger").wait_for()
    assert "John Otieno" in page.locator(".page-title").inner_text()
    page.locator("#movements tbody tr").first.locator("td[data-label=Transaction] a").click()
    page.wait_for_url("**/transactions/transaction/*/change/")
    assert "Completed" in page.locator(".page-title").inner_text()

    open_menu(page, "Daily proof")
    page.get_by_role("link", name="20").first.click()
    page.locator(".actions").get_by_role("link", name="Sign off").click()
    dialog = page.get_by_role("dialog", name="Sign off")
    dialog.get_by_label("I have looked").check()
    dialog.get_by_role("button", name="Sign off").click()
    dialog.get_by_text("Say what is known about the break").wait_for()
    well_seen(page)
    dialog.get_by_label("Note").fill("Ticket 7: somebody with the owner's password")
    dialog.get_by_role("button", name="Sign off").click()
    page.get_by_text("Signed off.", exact=True).wait_for()
    assert DailyProof.objects.get().sign_off.note.startswith("Ticket 7")


def test_a_figure_of_the_trial_balance_is_followed_down(page: Any, lived: list[Wallet]) -> None:
    totals.sum_days()

    open_menu(page, "Trial balance")
    page.get_by_role("link", name="This year").click()
    page.get_by_text("balanced").first.wait_for()
    assert page.get_by_text("balanced").count() == 2
    well_seen(page)
    page.locator("#KES").get_by_role("link", name="Wallets").click()
    page.get_by_role("link", name=f"liability:wallet:{lived[0].pk}").click()
    ledger = page.locator("#movements")
    ledger.wait_for()
    assert "John Otieno" in ledger.inner_text()
    closing = page.locator(".figures dd").last.inner_text()
    page.get_by_label("From").focus()
    page.keyboard.press("Enter")  # the form is sent by the keyboard, too
    page.locator("#movements").wait_for()
    assert page.locator(".figures dd").last.inner_text() == closing


def test_a_statement_goes_out_as_a_paper(page: Any, lived: list[Wallet]) -> None:
    page.goto(f"/admin/wallets/wallet/{lived[0].pk}/change/")
    page.locator(".actions").get_by_role("link", name="Make a statement").click()
    page.get_by_role("link", name="This month").click()
    page.get_by_text("not final yet").wait_for()
    well_seen(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="PDF").click()
    content = Path(downloading.value.path())

    row = IssuedPaper.objects.get()
    assert row.number in downloading.value.suggested_filename
    text = pypdf.PdfReader(content).pages[0].extract_text()
    assert grouped(posted(lived[0]), "KES") in text and "Wanjiku Kamau" in text and row.data_sha256 in text
    open_menu(page, "Papers")
    page.get_by_role("link", name=f"Statement of {lived[0].pk}").click()
    page.get_by_text(row.file_sha256).wait_for()


def test_a_statement_that_was_sent_is_found_and_proven(page: Any, lived: list[Wallet]) -> None:
    empty_statement(lived[0])
    open_menu(page, "Statements")
    page.get_by_role("link", name="No. 1").click()
    page.get_by_text("Proven", exact=True).wait_for()
    well_seen(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="CSV").click()

    assert Path(downloading.value.path()).read_text().count("\n") == 3


def test_an_export_is_saved_and_scheduled(page: Any, lived: list[Wallet]) -> None:
    page.goto("/admin/transactions/transaction/?kind=transfer")
    page.get_by_role("link", name="Export", exact=True).click()
    dialog = page.get_by_role("dialog", name="Export transactions")
    dialog.get_by_label("receipt", exact=True).check()
    dialog.get_by_label("amount", exact=True).check()
    dialog.get_by_label("Save as").fill("Transfers of the day")
    dialog.get_by_role("button", name="Export").click()
    page.wait_for_url("**/reports/export/*/change/")
    page.get_by_role("link", name="Transfers of the day").click()

    page.locator(".actions").get_by_role("link", name="Schedule").click()
    plan = page.get_by_role("dialog", name="Schedule")
    plan.get_by_label("Runs").select_option(label="Daily")
    plan.get_by_role("button", name="Schedule").click()
    plan.get_by_text("Say at what time").wait_for()
    well_seen(page)
    plan.get_by_label("At").fill("06:30")
    plan.get_by_label("Days of the list").select_option(label="the day before")
    plan.get_by_role("button", name="Schedule").click()
    page.get_by_text("Scheduled.", exact=True).wait_for()

    kept = SavedExport.objects.get()
    assert (kept.every, kept.covers, kept.columns) == ("daily", "day", ["receipt", "amount"])
    assert "daily at 06:30 UTC" in page.locator("#saved-export").inner_text()


def test_the_pages_of_finance_fit_their_window_light_and_dark(page: Any, lived: list[Wallet]) -> None:
    totals.sum_days()
    proving.prove()
    proofs.prove_daily()
    wallet = f"liability:wallet:{lived[0].pk}"
    pages = [
        "/admin/finance/trial-balance/", "/admin/finance/trial-balance/accounts/?line=liability:wallet&currency=KES",
        f"/admin/finance/ledger/?account={wallet}", f"/admin/finance/balance/?account={wallet}",
        "/admin/statements/statement/", f"/admin/wallets/wallet/{lived[0].pk}/change/", "/admin/finance/books-now/",
        "/admin/reports/dailyproof/",
        f"/admin/reports/dailyproof/{DailyProof.objects.get().pk}/change/", "/admin/reports/summedday/",
        "/admin/reports/savedexport/", "/admin/reports/holdline/", "/admin/reports/export/new/transactions/",
    ]  # fmt: skip
    for url in pages:
        page.goto(url)
        well_seen(page)
