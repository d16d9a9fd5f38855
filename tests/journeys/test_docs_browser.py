"""The API's documentation in a real browser, which keeps to our content security policy."""

from typing import Any

import pytest

from tests.journeys import test_admin_browser as support

pytestmark = [*support.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles = support.browser, support.troubles


@pytest.mark.parametrize("path", ["/", "/api/docs", "/api/docs/"])
def test_the_operations_are_shown_and_the_browser_has_nothing_to_complain_about(
    browser: Any, live_server: Any, troubles: list[str], path: str
) -> None:
    context = browser.new_context(base_url=live_server.url)
    page = context.new_page()
    hosts: set[str] = set()
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url))
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if "://" in request.url else None)

    page.goto(path)

    page.get_by_role("heading", name="Tekana API").wait_for(timeout=15_000)
    transfer = page.locator(".opblock", has_text="/v1/transfers").first
    transfer.locator(".opblock-summary-control").click()
    transfer.get_by_text("Idempotency-Key").first.wait_for()
    assert hosts == {live_server.url.split("/")[2]}  # nothing comes from elsewhere
    context.close()
    assert troubles == []
