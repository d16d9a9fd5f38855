"""A shift of operations in a real browser: what waits, taken, looked into, started again, and nothing left."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now

from core.models import FailedJob
from recalls.services import open_recall
from staff.models import Assignment, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.admin.test_failed_jobs import poisoned_message
from tests.admin.test_work import ending, failed, unknown
from tests.books import assert_books_balance
from tests.factories import fresh
from tests.journeys import test_approval_browser as approval_browser
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import CHROMIUM, action, heading
from transactions.models import RailMessage

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, desk, _committed = (
    approval_browser.staff, approval_browser.world, approval_browser.browser, approval_browser.troubles,
    approval_browser.desk, approval_browser._committed,
)  # fmt: skip
Desk = Callable[..., Any]


@pytest.fixture
def busy(world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> World:
    """Something in every queue, some of it late."""
    poisoned_message(world, monkeypatch)
    failed(failed_at=now() - timedelta(hours=30), error="SMTPServerDisconnected")
    failed(failed_at=now() - timedelta(hours=5))
    unknown(world, attempts=4, due_at=now() + timedelta(minutes=9))
    unknown(world, attempts=3, quarantined_at=now())
    ending(world.wallet, 1)
    ending(world.johns, 30, cause="fraud", mode="both")
    open_recall(world.undone.pk, amount=1_00, reason_code="duplicate", note="x", actor=staff[Role.SUPPORT])
    return world


def beside(page: Any, name: str) -> str:
    return str(page.locator("#nav-sidebar-apps").get_by_role("link", name=name).inner_text())


@pytest.mark.django_db(transaction=True)
def test_a_failed_job_is_found_from_the_menu_taken_and_started_again(desk: Desk, busy: World) -> None:
    page = desk(Role.OPERATIONS, "ops")
    job = FailedJob.objects.get(kind="rail_message")
    page.locator("#nav-sidebar-apps").get_by_role("link", name="Work", exact=True).click()
    assert "3" in beside(page, "Failed jobs") or "4" in beside(page, "Failed jobs")
    assert "!!" in beside(page, "Failed jobs"), "late, and not by colour alone"
    page.locator("#what-waits").get_by_role("link", name="Failed jobs").click()
    page.get_by_role("link", name="Message of a bank").click()
    assert "Message of a bank" in heading(page)
    assert "rail_messages.py" in page.locator("#the-last-steps-to-the-error").inner_text()

    action(page, "Take").click()
    well_seen(page)
    page.get_by_role("dialog", name="Take").get_by_role("button", name="Take it").click()
    page.get_by_text("It is yours.").wait_for()
    assert page.get_by_text("has it.").is_visible()
    action(page, "Start again").click()
    dialog = page.get_by_role("dialog", name="Start again")
    dialog.get_by_role("button", name="Start again").press("Enter")
    dialog.get_by_text("This field is required.").wait_for()
    dialog.get_by_label("Reason").fill("release 12 reads it")
    well_seen(page)
    dialog.get_by_role("button", name="Start again").press("Enter")

    page.get_by_text("It is being done again.").wait_for()
    assert fresh(job).state == FailedJob.State.RETRIED
    assert RailMessage.objects.get(pk=job.subject_id).state == RailMessage.State.RECEIVED
    assert "release 12 reads it" in page.locator("#history").inner_text()
    well_seen(page)
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_an_outcome_is_taken_from_the_list_and_handed_over(desk: Desk, busy: World, staff: dict[str, User]) -> None:
    page = desk(Role.OPERATIONS, "ops")
    page.locator("#nav-sidebar-apps").get_by_role("link", name="Unknown outcomes").click()
    page.get_by_role("link", name="Take top_up").first.click()
    page.get_by_role("dialog", name="Take").get_by_role("button", name="Take it").press("Enter")
    page.get_by_text("It is yours.").wait_for()

    action(page, "Hand over").click()
    dialog = page.get_by_role("dialog", name="Hand over")
    dialog.get_by_label("To").select_option(label="Support Person (support)")
    dialog.get_by_label("Note").fill("She talks to the bank.")
    well_seen(page)
    dialog.get_by_role("button", name="Hand over").click()
    page.get_by_text("Handed over.").wait_for()

    assert Assignment.objects.get().owner == staff[Role.SUPPORT]


@pytest.mark.django_db(transaction=True)
def test_a_freeze_that_would_end_tonight_is_extended(desk: Desk, busy: World) -> None:
    page = desk(Role.SUPPORT, "support")
    page.locator("#nav-sidebar-apps").get_by_role("link", name="Freezes").click()
    page.get_by_role("link", name="Wanjiku Kamau").click()
    action(page, "Extend").click()
    dialog = page.get_by_role("dialog", name="Extend")
    dialog.get_by_label("Until").fill(f"{now() + timedelta(days=9):%Y-%m-%dT%H:%M}")
    dialog.get_by_label("Reason").fill("The police has not answered.")
    dialog.get_by_role("button", name="Extend").click()

    page.get_by_text("It lasts until").wait_for()
    assert busy.wallet.freezes.get(lifted_at=None).expires_at > now() + timedelta(days=8)


@pytest.mark.django_db(transaction=True)
def test_the_pages_fit_and_are_read_in_light_and_dark(desk: Desk, busy: World, tmp_path: Path) -> None:
    page = desk(Role.ADMINISTRATOR, "administrator", dark=True)
    job = FailedJob.objects.get(kind="rail_message")
    for name, address in {
        "work": "/admin/work/",
        "failed": "/admin/core/failedjob/?state=waiting",
        "job": f"/admin/core/failedjob/{job.pk}/change/",
        "retry-many": "/admin/core/failedjob/retry_many/",
        "outcomes": "/admin/transactions/unknownoutcome/",
        "freezes": "/admin/wallets/freeze/?live=ending",
        "messages": "/admin/transactions/railmessage/?state=odd",
        "recalls": "/admin/recalls/recall/?state=open",
        "empty": "/admin/transactions/unknownoutcome/?owner=mine",
    }.items():
        page.goto(page.url.split("/admin/")[0] + address)
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        well_seen(page)
