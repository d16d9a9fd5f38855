"""A customer says that her app shows it differently: support looks at what it shows, can do nothing there, is sent away
when the time is over, and she finds the look in her own access log."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from tests.admin.conftest import World
from tests.books import assert_books_balance, posted
from tests.factories import signed_in
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import HEIGHT, WIDTHS, well_seen
from tests.journeys.test_admin_browser import CHROMIUM, find
from tests.viewings.conftest import pages_of
from viewings.models import Viewing
from viewings.services import end_viewings

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, page, _committed = (
    desk.staff, desk.world, desk.browser, desk.troubles, desk.page, desk._committed
)  # fmt: skip


def begin(page: Any, world: World) -> Viewing:
    """From the customer's page, with the keyboard as far as it goes."""
    page.goto(f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    page.get_by_role("link", name="View as customer").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="View as a customer")
    dialog.get_by_label("Why").select_option(label="the customer asked us to look")
    dialog.get_by_label("Note").fill("Ticket 4711: the rent is missing in her app")
    well_seen(page)
    dialog.get_by_role("button", name="Begin").press("Enter")
    page.wait_for_url("**/view-as/*/")
    return Viewing.objects.latest("pk")


def bar(page: Any) -> Any:
    return page.get_by_role("region", name="View as customer")


@pytest.mark.django_db(transaction=True)
def test_support_sees_what_the_app_shows_and_can_do_nothing_there(page: Any, world: World, troubles: list[str]) -> None:
    before = posted(world.wallet)
    viewing = begin(page, world)

    said = bar(page).inner_text()
    for part in ("You are seeing what Wanjiku sees", "read-only", "left", "Ticket 4711", "End now"):
        assert part in said, part
    page.wait_for_function("/^1[0-5]:[0-5][0-9] left$/.test(document.querySelector('[data-left]').textContent)")
    page.get_by_role("link", name="KES wallet").click()
    page.get_by_label("Direction").select_option(label="Out")
    page.get_by_role("button", name="Show", exact=True).click()
    history = page.locator("#history-in-kes")
    history.get_by_text("rent", exact=True).wait_for()
    receipt = world.refused.receipt
    history.get_by_role("link", name=f"{receipt[:3]} {receipt[3:6]} {receipt[6:]}").click()
    page.locator("#refused blockquote").wait_for()
    pages = pages_of(viewing, world)
    for tab, one in (
        ("Requests", "request"), ("Standing orders", "order"), ("Holds", "hold"), ("Payouts", "payout"),
        ("Prices", "quote"), ("Notifications", "statements"), ("Asked back", ""), ("Access log", ""), ("Account", ""),
    ):  # fmt: skip
        if one:
            page.goto(pages[one])
            well_seen(page)
        page.get_by_role("navigation", name="Wanjiku's app").get_by_role("link", name=tab).click()
        well_seen(page)
        assert "You are seeing what Wanjiku sees" in bar(page).inner_text()

    # A crafted request, with all that the browser has: cookie, token of the form, and the address of the view.
    token = page.locator(".viewing-bar input[name=csrfmiddlewaretoken]").input_value()
    headers = {"X-CSRFToken": token, "Referer": page.url}
    wallet = f"{page.url}wallets/{world.wallet.pk}/"
    for address in (page.url, wallet):
        for method in ("post", "put", "patch", "delete"):
            answer = getattr(page.request, method)(address, data={"amount": "1.00", "currency": "KES"}, headers=headers)
            assert answer.status == 405, (method, address)
    paid = page.request.post("/v1/transfers", data={"amount": "1.00"}, headers=headers | {"Idempotency-Key": "k" * 16})
    assert paid.status == 401
    assert posted(world.wallet) == before

    with time_machine.travel(viewing.started_at + timedelta(minutes=8)):
        page.goto(wallet)
        assert "8,700.00" in page.content()
    with time_machine.travel(viewing.ends_at + timedelta(seconds=1)):
        page.goto(wallet)
        page.get_by_role("heading", name="This view has ended").wait_for()
        assert "8,700.00" not in page.content()
        page.get_by_role("link", name="View again, with a reason").wait_for()
        assert end_viewings() == 1
    assert all("409" in trouble for trouble in troubles) and troubles
    troubles.clear()

    log = Client().get("/v1/me/accesses", headers=signed_in(world.wanjiku)).json()["data"]
    assert [(row["kind"], row["reason"], row["role"]) for row in log] == [
        ("support_view", "You asked us to look.", "Support")
    ]
    told = Client().get("/v1/notifications", headers=signed_in(world.wanjiku)).json()["data"][0]
    assert told["kind"] == "account_viewed" and log[0]["agent"] in told["body"]
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_it_is_ended_with_the_keyboard_and_found_again_meanwhile(page: Any, world: World) -> None:
    begin(page, world)
    find(page, "0712 345 678")
    page.get_by_role("link", name="Back to the view").click()
    bar(page).get_by_role("button", name="End now").press("Enter")

    page.get_by_text("The view has ended.", exact=True).wait_for()
    page.get_by_role("link", name="View as customer").wait_for()
    assert reverse("admin:customers_customer_change", args=[world.wanjiku.pk]) in page.url


@pytest.mark.django_db(transaction=True)
def test_its_pages_fit_and_are_read_in_light_and_dark(page: Any, world: World) -> None:
    viewing = begin(page, world)
    home = f"/admin/view-as/{viewing.pk}/"
    for address in (
        home, f"{home}wallets/{world.wallet.pk}/", f"{home}transactions/{world.refused.pk}/", f"{home}notifications/",
        f"{home}recalls/", f"{home}accesses/",
    ):  # fmt: skip
        page.goto(address)
        well_seen(page)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.mouse.wheel(0, 3_000)
            top = bar(page).bounding_box()["y"]
            assert 0 <= top < HEIGHT, "the bar stays in sight"
