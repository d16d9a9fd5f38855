"""A role is granted by two people in two browsers, and a session is ended from another; wide, narrow, light, dark."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from core.models import AuditRecord
from staff.models import Session, User
from staff.roles import Role
from tests.admin.conftest import World, code_of
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.factories import fresh
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import well_seen

pytestmark = day.pytestmark
staff, world, desk = staff_fixture, world_fixture, two.desk
browser, troubles, _committed = day.browser, day.troubles, day._committed


@pytest.fixture
def support(staff: dict[str, User]) -> User:
    return staff[Role.SUPPORT]


@pytest.mark.django_db(transaction=True)
def test_a_role_is_asked_for_proved_and_granted(desk: Any, world: World, support: User) -> None:
    theirs = desk(Role.SUPPORT, "support")
    ada = desk(Role.ADMINISTRATOR, "administrator", width=900, dark=True)
    Session.objects.update(proved_at=now() - timedelta(minutes=6))
    ada.goto(f"/admin/staff/user/{support.pk}/change/")
    day.action(ada, "Change role").focus()
    ada.keyboard.press("Enter")
    dialog = ada.get_by_role("dialog", name="Change role")
    dialog.get_by_label("Role").select_option(label="Senior support")
    dialog.get_by_label("Reason").fill("Two years at the desk")
    dialog.get_by_label("Code of your app").fill("000000")
    dialog.get_by_role("button", name="Ask for approval").click()
    dialog.get_by_text("Wrong code").wait_for()
    assert dialog.get_by_label("Reason").input_value() == "Two years at the desk"
    well_seen(ada)
    dialog.get_by_label("Code of your app").fill(code_of("administrator"))
    dialog.get_by_role("button", name="Ask for approval").click()
    ada.get_by_text("Asked for.").wait_for()
    assert "Waiting for approval since" in ada.locator(".notice").first.inner_text()
    assert fresh(support).role == Role.SUPPORT

    zainab = desk(Role.COMPLIANCE, "compliance")
    zainab.goto("/admin/staff/approval/?state=open")
    zainab.get_by_role("link", name="Make Support Person senior support").click()
    assert "Support → Senior support" in zainab.locator("#impact").inner_text()
    well_seen(zainab)
    day.action(zainab, "Approve").click()
    dialog = zainab.get_by_role("dialog", name="Approve")
    dialog.get_by_role("button", name="Approve").click()
    zainab.get_by_text("Approved and done.").wait_for()

    assert fresh(support).role == Role.SENIOR_SUPPORT
    theirs.goto("/admin/")
    theirs.get_by_role("button", name="Log in").wait_for()
    day.sign_in(theirs, "support")
    theirs.goto("/admin/staff/roles/")
    assert theirs.get_by_role("region", name="Who may do what").locator("th.mine").inner_text() == "Senior support"
    well_seen(theirs)
    well_seen(ada)


@pytest.mark.django_db(transaction=True)
def test_a_session_that_was_left_behind_is_ended_from_another(desk: Any, world: World, support: User) -> None:
    behind, here = desk(Role.SUPPORT, "support"), desk(Role.SUPPORT, "support", width=900, dark=True)
    here.goto("/admin/staff/session/?whose=mine")
    assert here.get_by_text("This one").count() == 1
    well_seen(here)
    here.locator("tr", has_not=here.get_by_text("This one")).get_by_role("link", name="Support Person").click()
    day.action(here, "Sign out there").click()
    here.get_by_role("dialog", name="Sign out there").get_by_role("button", name="Sign out there").click()
    here.get_by_text("Signed out there.").wait_for()

    behind.goto("/admin/")
    behind.get_by_role("button", name="Log in").wait_for()
    assert AuditRecord.objects.get(action="end_session").actor == support.principal
