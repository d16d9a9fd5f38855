"""Two people in two browsers: what is too much for one is asked for, looked at, and done under both names."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, member
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.books import assert_books_balance, posted
from tests.factories import fresh
from tests.journeys import test_admin_browser as day
from tests.journeys.looks import well_seen
from transactions.authority import REVERSES_ALONE

pytestmark = day.pytestmark
staff, world = staff_fixture, world_fixture
browser, troubles, _committed = day.browser, day.troubles, day._committed


@pytest.fixture
def desk(_committed: None, world: World, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    """A browser of somebody's own, signed in. Whatever one complains about fails the test."""
    contexts = []

    def signed_in(role: str, name: str, *, width: int = 1440, dark: bool = False) -> Any:
        if not User.objects.filter(username=name).exists():
            member(role, name)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, base_url=live_server.url,
            color_scheme="dark" if dark else "light",
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto("/admin/")
        day.sign_in(page, name)
        return page

    yield signed_in
    for context in contexts:
        context.close()
    connections.close_all()
    assert troubles == []


@pytest.mark.django_db(transaction=True)
def test_a_large_reversal_is_asked_for_by_one_and_approved_by_another(
    desk: Any, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REVERSES_ALONE[Role.SUPPORT], "KES", 300_00)
    grace = desk(Role.SUPPORT, "grace")
    grace.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    day.action(grace, "Reverse").click()
    dialog = grace.get_by_role("dialog", name="Reverse")
    dialog.get_by_label("Amount in KES").fill("400")
    dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
    dialog.get_by_label("Note").fill("Wanjiku called, ticket 4411")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_text("This will ask for a second person.").wait_for()
    well_seen(grace)
    dialog.get_by_role("button", name="Ask for approval of KES 400.00").click()
    grace.get_by_text("Asked for.").wait_for()
    assert "Waiting for approval since" in grace.locator(".notice").inner_text()
    assert posted(world.wallet) == 8_700_00

    samuel = desk(Role.FINANCE_CHECKER, "samuel", width=900, dark=True)
    samuel.goto("/admin/staff/approval/?state=open")
    samuel.get_by_role("link", name="Reverse KES 400.00").click()
    assert "Wanjiku called, ticket 4411" in samuel.locator("#request").inner_text()
    assert "John Otieno" in samuel.locator("#to-weigh-as-of-now").inner_text()
    well_seen(samuel)
    day.action(samuel, "Approve").focus()
    samuel.keyboard.press("Enter")
    dialog = samuel.get_by_role("dialog", name="Approve")
    dialog.get_by_label("What it does").wait_for()
    assert samuel.evaluate("document.activeElement.ariaLabel") == "What it does"
    well_seen(samuel)
    dialog.get_by_label("Comment").focus()
    samuel.keyboard.type("Seen the ticket")
    dialog.get_by_role("button", name="Approve").press("Enter")
    samuel.get_by_text("Approved and done.").wait_for()

    assert posted(world.wallet) == 9_100_00
    grace.reload()
    assert "Partially reversed" in day.heading(grace)
    assert grace.locator("#approvals").get_by_text("Approved").count() == 1
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_who_asked_is_told_why_they_cannot_decide_and_takes_it_back(desk: Any, world: World) -> None:
    approval = Approval.objects.get(pk=world.asked.pk)
    mine = desk(Role.SUPPORT, "support")
    mine.goto(f"/admin/staff/approval/{approval.pk}/change/")

    assert "You asked for this yourself" in mine.locator(".notice").inner_text()
    day.action(mine, "Withdraw").click()
    dialog = mine.get_by_role("dialog", name="Withdraw")
    dialog.get_by_label("Why").fill("Found another way")
    dialog.get_by_role("button", name="Withdraw").click()
    mine.get_by_text("Withdrawn.", exact=True).wait_for()

    assert fresh(approval).state == "withdrawn"


@pytest.mark.django_db(transaction=True)
def test_senior_support_clears_the_inbox_in_the_morning(desk: Any, world: World) -> None:
    rose = desk(Role.SENIOR_SUPPORT, "rose", width=900)
    rose.goto("/admin/work/")
    well_seen(rose)
    rose.goto("/admin/staff/approval/?state=open")
    well_seen(rose)
    rose.locator("#result_list").get_by_role("link", name="Reverse KES 100.00").click()
    rose.wait_for_url("**/staff/approval/*/change/**")
    day.action(rose, "Reject").click()
    dialog = rose.get_by_role("dialog", name="Reject")
    dialog.get_by_role("button", name="Reject").click()
    dialog.get_by_text("This field is required.").wait_for()
    assert fresh(world.asked).state == "open"
    well_seen(rose)
    dialog.get_by_label("Why not").fill("He has paid her back himself, see the next one.")
    dialog.get_by_role("button", name="Reject").click()
    rose.get_by_text("Rejected.").wait_for()
    assert fresh(world.asked).state == "rejected"

    rose.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    day.action(rose, "Reverse").click()
    dialog = rose.get_by_role("dialog", name="Reverse")
    dialog.get_by_label("Amount in KES").fill("1000")
    dialog.get_by_label("Why").select_option(label="Both parties agreed")
    dialog.get_by_label("Note").fill("Both on the line")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Reverse KES 1,000.00").click()
    rose.get_by_text("Reversed.", exact=True).wait_for()
    assert fresh(world.sent).state == "reversed"
    assert_books_balance()
