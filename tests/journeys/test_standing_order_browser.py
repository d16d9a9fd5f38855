"""From a customer's page to their standing order, what became of its dates, pausing it; and a country's calendar."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from schedules.models import StandingOrder
from tests.admin.conftest import World
from tests.factories import fresh
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import CHROMIUM, action, find, heading
from tests.schedules.conftest import run_at

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, page, _committed = (
    desk.staff, desk.world, desk.browser, desk.troubles, desk.page, desk._committed
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_standing_order_is_found_read_and_paused(page: Any, world: World) -> None:
    order = StandingOrder.objects.get()
    run_at(now() + timedelta(days=10))
    find(page, str(world.wanjiku.pk))
    page.wait_for_url("**/change/")
    page.locator(f'a[href*="/standingorder/{order.pk}"]').click()
    page.wait_for_url("**/schedules/standingorder/**")
    assert "Standing order to John Otieno" in heading(page)
    well_seen(page)

    action(page, "Pause").click()
    dialog = page.get_by_role("dialog", name="Pause")
    dialog.get_by_label("Reason").fill("Wanjiku called: John has moved out.")
    well_seen(page)
    dialog.get_by_role("button", name="Pause").click()

    page.get_by_text("Paused, and the customer is told.").wait_for()
    well_seen(page)
    story = page.locator(".timeline").inner_text()
    for said in ("Set up", "A date is skipped", "Paused", "John has moved out", "We have paused your standing order"):
        assert said in story, said
    assert fresh(order).state == "paused"
    for address in (
        "schedules/orderrun/",
        "schedules/standingorder/",
        "schedules/holiday/",
        "customers/country/KE/change/",
    ):
        page.goto(page.url.split("/admin/")[0] + f"/admin/{address}")
        well_seen(page)
