"""The end of a day in finance, in a real browser: the night's proof signed off, the period closed by two people, and
what comes in too late found beside it."""

from typing import Any

import pytest

from ledger.models import PeriodClose
from reports import proofs, totals
from reports.models import DailyProof
from staff.roles import Role
from tests.books import assert_books_balance
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import well_seen
from tests.ledger.test_periods import come_in
from tests.reports.test_balances import lived as lived_fixture
from tests.reports.test_balances import midnight
from transactions import proving
from wallets.models import Wallet

pytestmark = [*two.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles, _committed, desk = two.browser, two.troubles, two._committed, two.desk
lived = lived_fixture


@pytest.fixture
def world(lived: list[Wallet]) -> list[Wallet]:
    """Some days of two currencies, and what the night does with them."""
    totals.sum_days()
    proving.prove()
    assert proofs.prove_daily() is not None
    return lived


def open_menu(page: Any, name: str) -> None:
    page.locator("#nav-sidebar").get_by_role("link", name=name, exact=True).click()


def test_yesterday_is_proven_signed_off_and_closed_by_two(desk: Any, world: list[Wallet]) -> None:
    yesterday = midnight(1).date()
    faith = desk(Role.FINANCE, "faith")
    open_menu(faith, "Daily proof")
    faith.locator("#result_list").get_by_role("link").first.click()
    faith.wait_for_url("**/reports/dailyproof/*/change/")
    assert "proven" in day.heading(faith).lower()
    well_seen(faith)
    day.action(faith, "Sign off").focus()
    faith.keyboard.press("Enter")
    dialog = faith.get_by_role("dialog", name="Sign off")
    dialog.get_by_label("I have looked").check()
    well_seen(faith)
    dialog.get_by_role("button", name="Sign off").press("Enter")
    faith.get_by_text("Signed off.", exact=True).wait_for()
    assert DailyProof.objects.get(day=yesterday).sign_off.signed_by.username == "faith"

    open_menu(faith, "Closed periods")
    faith.wait_for_url("**/ledger/periodclose/")
    well_seen(faith)
    faith.get_by_role("link", name="Close a period").click()
    dialog = faith.get_by_role("dialog", name="Close a period")
    assert dialog.get_by_label("Through the end of").input_value() == str(yesterday)
    dialog.get_by_role("button", name="Ask for approval").click()
    dialog.get_by_text("This field is required.").wait_for()
    dialog.get_by_label("Reason").fill("Everything of the day is in")
    well_seen(faith)
    dialog.get_by_role("button", name="Ask for approval").click()
    faith.get_by_text("waits for a second person").wait_for()
    assert not PeriodClose.objects.exists()

    samuel = desk(Role.FINANCE_CHECKER, "samuel", width=900, dark=True)
    samuel.goto("/admin/staff/approval/?state=open")
    samuel.locator("#result_list").get_by_role("link", name="Close the books").click()
    impact = samuel.locator("#impact").inner_text()
    assert "KES" in impact and "RWF" in impact
    assert "Faith Person" in samuel.locator("main, #main").first.inner_text()
    well_seen(samuel)
    day.action(samuel, "Approve").click()
    dialog = samuel.get_by_role("dialog", name="Approve")
    dialog.get_by_label("What it does").wait_for()
    well_seen(samuel)
    dialog.get_by_role("button", name="Approve").click()
    samuel.get_by_text("Approved and done.").wait_for()
    closed = PeriodClose.objects.get()
    assert closed.last_day == yesterday

    late = come_in(world[0], yesterday)  # the bank's file of the day, a day late
    assert late.effective_at == closed.closed_before
    open_menu(faith, "Closed periods")
    faith.locator("#result_list").get_by_role("link").first.click()
    assert "approved by Samuel Person" in faith.locator("#close").inner_text()
    well_seen(faith)
    faith.locator("#came-too-late").get_by_role("link", name=late.reference).click()
    faith.wait_for_url("**/ledger/journal/*/change/")
    well_seen(faith)
    assert_books_balance()
