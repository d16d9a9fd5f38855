"""A dialog in a real browser: Back closes it and no more; who was signed out meanwhile loses nothing that was typed."""

from typing import Any

import pytest

from staff.models import Session
from tests.admin.conftest import World
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.factories import fresh
from tests.journeys import test_admin_browser as day

pytestmark = day.pytestmark
staff, world = staff_fixture, world_fixture
browser, troubles, _committed, page = day.browser, day.troubles, day._committed, day.page


@pytest.mark.django_db(transaction=True)
def test_back_closes_the_dialog_and_stays_on_the_page(page: Any, world: World) -> None:
    page.goto("/admin/customers/customer/")
    address = f"/admin/customers/customer/{world.wanjiku.pk}/change/"
    page.goto(address)
    dialog = page.get_by_role("dialog", name="Suspend")
    for close in (page.go_back, lambda: page.keyboard.press("Escape")):
        day.action(page, "Suspend").click()
        dialog.get_by_label("Reason").wait_for()
        close()
        dialog.wait_for(state="hidden")
        assert page.url.endswith(address)

    page.go_back()
    page.wait_for_url("**/customers/customer/")


@pytest.mark.django_db(transaction=True)
def test_who_is_signed_out_while_typing_signs_in_and_sends_it_again(page: Any, world: World) -> None:
    page.goto(f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    day.action(page, "Suspend").click()
    dialog = page.get_by_role("dialog", name="Suspend")
    dialog.get_by_label("Reason").fill("Caller identified, ticket 12")
    Session.objects.all().delete()
    dialog.get_by_role("button", name="Suspend").click()
    dialog.get_by_text("You have been signed out; nothing was done.").wait_for()
    assert dialog.get_by_label("Reason").input_value() == "Caller identified, ticket 12"

    with page.context.expect_page() as opened:
        dialog.get_by_role("link", name="Sign in in another tab").click()
    other = opened.value
    other.set_default_timeout(10_000)
    day.sign_in(other, "grace")
    other.close()
    page.bring_to_front()
    page.evaluate("dispatchEvent(new Event('focus'))")  # what the browser of a person sends when the tab is back
    page.wait_for_timeout(500)
    dialog.get_by_role("button", name="Suspend").click()
    page.get_by_text("Suspended.").wait_for()

    assert fresh(world.wanjiku).state == "suspended"
