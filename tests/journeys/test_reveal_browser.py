"""A number is found though it is masked, revealed with a reason, seen for a while, and masked again by itself."""

from collections.abc import Iterator
from typing import Any

import pytest

from core.models import AuditRecord
from customers.models import Reveal
from staff.roles import Role
from tests.admin.conftest import World
from tests.journeys import test_admin_browser as day
from tests.journeys.looks import well_seen

pytestmark = day.pytestmark
_committed, browser, staff, troubles, world = day._committed, day.browser, day.staff, day.troubles, day.world

PHONE, EMAIL = "+254712345678", "wanjiku@example.com"


@pytest.fixture
def page(_committed: None, world: World, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    with day.desk_of("grace", Role.SUPPORT, browser, live_server, troubles) as page:
        yield page


def reveal(page: Any, reason: str = "She calls, and asks where it went.") -> None:
    day.action(page, "Reveal").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Reveal")
    dialog.get_by_label("Why").select_option(label="To check who is calling")
    dialog.get_by_label("In words").fill(reason)
    well_seen(page)
    dialog.get_by_role("button", name="Reveal").press("Enter")
    page.get_by_text("Shown to you.").wait_for()


@pytest.mark.django_db(transaction=True)
def test_a_number_is_revealed_for_a_while_and_masked_again_by_itself(page: Any, world: World, settings: Any) -> None:
    settings.STAFF_REVEAL_MINUTES = 0.15
    day.find(page, "0712 345 678")
    page.wait_for_url("**/change/")
    assert "+2547•••678" in page.locator("#identity").inner_text()
    assert PHONE not in page.content() and EMAIL not in page.content()
    assert PHONE not in page.title() and "Copy +" not in page.content()

    reveal(page)

    shown = page.locator("#identity")
    assert PHONE in shown.inner_text() and EMAIL in shown.inner_text()
    notice = page.get_by_role("status").filter(has_text="Personal data is shown to you, Grace Person, until")
    assert notice.is_visible()
    row = Reveal.objects.get(customer=world.wanjiku)
    assert (row.agent.username, row.because, row.reason) == ("grace", "identify", "She calls, and asks where it went.")
    assert AuditRecord.objects.get(action="reveal", actor=row.agent.principal).door == "admin"

    day.action(page, "Suspend").click()  # what is typed in a dialog is not taken away by the end of the time
    page.get_by_role("dialog").get_by_label("Reason").fill("still typing")
    page.wait_for_timeout(max((row.until - row.at).total_seconds() * 1000, 0))
    assert page.get_by_role("dialog").get_by_label("Reason").input_value() == "still typing"
    page.keyboard.press("Escape")
    notice.wait_for(state="detached")
    assert "+2547•••678" in page.locator("#identity").inner_text() and PHONE not in page.content()


@pytest.mark.django_db(transaction=True)
def test_oversight_sees_who_revealed_whom(
    page: Any, world: World, browser: Any, live_server: Any, troubles: list[str]
) -> None:
    page.goto(f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    reveal(page, f"She gave {PHONE} as hers.")

    with day.desk_of("amina", Role.COMPLIANCE, browser, live_server, troubles) as other:
        other.get_by_role("link", name="Reveals").click()
        today = other.locator("#in-the-last-24-hours").inner_text()
        assert "Grace Person" in today and "2 % of 50" in today
        rows = other.locator("#result_list").inner_text()
        well_seen(other)
        assert "Wanjiku Kamau" in rows and "She gave +2547•••678 as hers." in rows and PHONE not in other.content()
