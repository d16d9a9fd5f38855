"""A day of the auditor in a real browser: all pages of the menu, a row of many, and nothing to change anything."""

from typing import Any
from urllib.parse import urlsplit

import pytest

from core.models import AuditRecord
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import well_seen

pytestmark = two.pytestmark
staff, world, browser, troubles, _committed, desk = (
    two.staff, two.world, two.browser, two.troubles, two._committed, two.desk
)  # fmt: skip
OWN_AFFAIRS = {"Declare my own"}  # everybody says so for themselves
LOOKS = {"Reveal"}  # changes nothing but the record of who looked
OPENED = {
    "approval", "wallet", "customer", "transaction", "receivable", "dailyproof", "savedexport", "provider", "journal",
    "reversalreason", "auditrecord", "user",
}  # fmt: skip


def pressable(page: Any) -> set[str]:
    """What would do something: actions of the page, and buttons that send a form, but for that which signs out."""
    texts = page.evaluate("""() => [...document.querySelectorAll('.actions a, #main form[method=post] button')]
        .filter(one => one.checkVisibility() && !one.closest('.viewing-bar'))
        .map(one => [...one.childNodes].filter(node => node.nodeType === 3).map(node => node.data.trim()).join(''))""")
    return {text for text in texts if text} - OWN_AFFAIRS - LOOKS


@pytest.mark.django_db(transaction=True)
def test_the_auditor_reads_everything_and_finds_nothing_to_press(
    desk: Any, world: World, staff: dict[str, User]
) -> None:
    page = desk(Role.AUDITOR, "auditor")
    menu = page.locator("#nav-sidebar-apps").get_by_role("link")
    addresses = menu.evaluate_all("links => links.map(link => link.href)")
    assert len(addresses) > 45
    read = set()
    for address in addresses:
        page.goto(address)
        assert pressable(page) == set(), address
        well_seen(page)
        listed = urlsplit(address).path.rstrip("/").rpartition("/")[2]
        if listed in OPENED:
            page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
            page.wait_for_url("**/change/**")
            assert day.heading(page) and pressable(page) == set(), page.url
            read.add(listed)
    assert read == OPENED

    grace = desk(Role.SUPPORT, "support")  # the control: who may do something has something to press
    grace.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    assert "Reverse" in pressable(grace)
    done = AuditRecord.objects.filter(actor=staff[Role.AUDITOR].principal).values_list("action", flat=True)
    assert set(done) <= {"sign_in", "view", "list", "declare_link"}, "the last in the making of the world"
    assert_books_balance()
