"""A payment request behind its link, on a phone and on a desk; and in the back office, up to cancelling it."""

from itertools import product
from typing import Any

import pytest

from payments.models import PaymentRequest, RequestState
from tests.admin.conftest import World
from tests.factories import fresh
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import LEAST_CONTRAST, LEAST_OF_LARGE, MEASURE, well_seen
from tests.journeys.test_admin_browser import CHROMIUM, action, find, heading

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, page, _committed = (
    desk.staff, desk.world, desk.browser, desk.troubles, desk.page, desk._committed
)  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_link_is_opened_by_anybody_and_cancelled_by_support(page: Any, world: World, live_server: Any) -> None:
    request = PaymentRequest.objects.earliest("pk")
    link = f"{live_server.url}/pay/{request.spaced_code}"

    page.goto(link)
    assert page.title() == "Pay John O. | Tekana"
    assert page.get_by_alt_text("QR code of this payment request").evaluate("image => image.naturalWidth") > 0
    assert page.get_by_role("link", name="Open the app").get_attribute("href") == f"tekana://pay/{request.code}"
    seen_by_anybody(page)
    page.goto(f"{live_server.url}/admin/")
    find(page, request.spaced_code)
    assert request.spaced_code in heading(page)
    well_seen(page)
    action(page, "Cancel").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("A scam, by what two payers say.")
    well_seen(page)
    dialog.get_by_role("button", name="Cancel the request").click()
    page.get_by_text("Cancelled; who made it is told.").wait_for()
    assert fresh(request).state == RequestState.CANCELLED

    page.goto(link)
    assert "was cancelled" in page.get_by_role("status").inner_text()
    seen_by_anybody(page)


def seen_by_anybody(page: Any) -> None:
    """On a phone and on a desk, light and dark: nothing too wide, and all of it to be read."""
    before = page.viewport_size
    for scheme, width in product(("light", "dark"), (390, 1440)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(MEASURE, [LEAST_CONTRAST, LEAST_OF_LARGE]) == [], (scheme, width)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)
