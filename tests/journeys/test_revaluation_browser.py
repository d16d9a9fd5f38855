"""A month's end: finance asks for a revaluation at a rate of its own, a colleague approves it in the dark, and the page
of positions and the list have it."""

from datetime import timedelta
from typing import Any

import pytest

from fx import selectors
from staff.roles import Role
from tests.books import assert_books_balance, fund
from tests.factories import new_wallet
from tests.fx.conftest import today
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import well_seen
from tests.journeys.test_fx_browser import look
from tests.transactions.test_conversions import conversion, quoted
from transactions.models import Revaluation
from transactions.posting import post_one
from transactions.services import revaluations

pytestmark = [*two.pytestmark, pytest.mark.django_db(transaction=True)]
staff, world, browser, troubles, _committed, desk = (
    two.staff, two.world, two.browser, two.troubles, two._committed, two.desk,
)  # fmt: skip


@pytest.fixture
def month_over(world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """KES 13,000.00 against USD 99.60; and today is over."""
    selectors.forget()
    kes = new_wallet(tier=2)
    usd = new_wallet(kes.customer, "USD")
    fund(kes, 50_000_00)
    post_one(conversion(quoted(kes), kes, usd)).or_raise()
    real = revaluations.utc_now
    monkeypatch.setattr(revaluations, "utc_now", lambda: real() + timedelta(days=1))
    monkeypatch.setattr("transactions.admin.revaluing.utc_now", revaluations.utc_now)
    yield
    selectors.forget()


def test_positions_are_revalued_by_two(desk: Any, month_over: Any) -> None:
    faith = desk(Role.FINANCE, "faith")
    faith.goto("/admin/fx/positions/")
    assert "52.00" in faith.locator("#result-in-each-currency").inner_text()
    well_seen(faith)
    faith.goto("/admin/transactions/revaluation/")
    well_seen(faith)
    look(faith, "revaluations-before")
    faith.get_by_role("link", name="Revalue", exact=True).click()
    dialog = faith.get_by_role("dialog", name="Revalue")
    assert dialog.get_by_label("At the end of").input_value() == str(today())
    dialog.get_by_text("USD/KES: unrealised").wait_for()
    well_seen(faith)
    look(faith, "revalue-dialog")

    dialog.get_by_label("Other rates than that day's mid").fill("USD/KES 1345")
    dialog.get_by_label("Reason").fill("Month end")
    dialog.get_by_role("button", name="Ask for approval").click()
    dialog.get_by_text("Say why another rate than that day's mid is right.").wait_for()
    dialog.get_by_label("Why these rates").fill("The bank's closing rate")
    dialog.get_by_role("button", name="Ask for approval").click()
    dialog.get_by_text("USD/KES 1345 is 934.6 % off the mid of that day, 130.").wait_for()
    look(faith, "revalue-unusual")
    dialog.get_by_label("Other rates than that day's mid").fill("USD/KES 131.5")
    dialog.get_by_role("button", name="Ask for approval").click()
    faith.get_by_text("waits for a second person").wait_for()
    assert Revaluation.objects.count() == 1

    samuel = desk(Role.FINANCE_CHECKER, "samuel", width=900, dark=True)
    samuel.goto("/admin/staff/approval/?state=open")
    samuel.get_by_role("link", name="Revalue our positions").click()
    assert "131.5, chosen; 1.1 % off the mid of that day, 130" in samuel.locator("main, #main").first.inner_text()
    well_seen(samuel)
    look(samuel, "revaluation-request")
    day.action(samuel, "Approve").click()
    samuel.get_by_role("dialog", name="Approve").get_by_role("button", name="Approve").click()
    samuel.get_by_text("Approved and done.").wait_for()
    done = Revaluation.objects.latest("day")
    # USD 99.60 are owed, which cost KES 13,000.00 and are KES 13,097.40 now: a loss of KES 97.40
    assert [(one.unrealised, one.result) for one in done.lines.all()] == [(-97_40, -75)]

    samuel.goto(f"/admin/transactions/revaluation/{done.pk}/change/")
    assert "chosen: The bank's closing rate" in samuel.locator("#rates").inner_text()
    assert "USD -0.75" in samuel.locator("#journals").inner_text()
    well_seen(samuel)
    look(samuel, "revaluation")
    samuel.goto("/admin/transactions/revaluation/")
    samuel.locator("#result_list").wait_for()
    look(samuel, "revaluations")
    faith.goto("/admin/fx/positions/")
    assert "USD -0.75" in faith.locator("#result-of-each-pair-by-average-cost").inner_text()
    look(faith, "positions-revalued")
    assert_books_balance()
