"""Support finds what is set aside for a merchant, reads what became of it, and lets go of the rest."""

from typing import Any

import pytest

from tests.admin.conftest import World
from tests.books import assert_books_balance, available
from tests.holding import capture, state_of
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import CHROMIUM, action, find
from transactions.posting import post_one

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, page, _committed = (
    desk.staff, desk.world, desk.browser, desk.troubles, desk.page, desk._committed
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_an_open_hold_is_found_read_and_voided(page: Any, world: World) -> None:
    before = available(world.wallet)
    hold = world.promised(60_00)
    part = post_one(capture(hold.pk, 20_00)).or_raise()

    page.goto(page.url.split("/admin/")[0] + "/admin/transactions/transaction/?state=held")
    row = page.locator("tbody tr").filter(has=page.locator(f'a[href*="{hold.pk}"]'))
    assert "40.00" in row.inner_text()
    well_seen(page)
    row.locator("th a, td a").first.click()
    page.wait_for_url(f"**/{hold.pk}/change/**")
    assert "Captures: KES 40.00 left" in page.locator("body").inner_text()
    well_seen(page)

    action(page, "Void").click()
    dialog = page.get_by_role("dialog", name="Void")
    assert "KES 40.00" in dialog.inner_text()
    dialog.get_by_label("Reason").fill("The shop has closed; Wanjiku called.")
    well_seen(page)
    dialog.get_by_role("button", name="Void").click()

    page.locator(".timeline").get_by_text("The shop has closed").first.wait_for()
    well_seen(page)
    assert state_of(hold.pk) == "completed"
    assert available(world.wallet) == before - 20_00
    find(page, part.receipt)
    page.wait_for_url(f"**/{part.transaction}/change/**")
    assert "Captured of" in page.locator("body").inner_text()
    assert_books_balance()
