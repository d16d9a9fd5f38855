"""Passkeys in Chromium, with the virtual authenticator of its DevTools: enrolled, signed in with, stepped up with."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connections
from django.utils.timezone import now

from core.models import AuditRecord
from staff.models import Passkey, Session, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, World, member
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.books import assert_books_balance
from tests.factories import fresh
from tests.journeys import test_admin_browser as day

pytestmark = day.pytestmark
staff, world = staff_fixture, world_fixture
browser, troubles, _committed = day.browser, day.troubles, day._committed

DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


@pytest.fixture
def phone(_committed: None, browser: Any, live_server: Any, troubles: list[str]) -> Any:
    """A browser with a device for passkeys: (page, the device's DevTools session, its id)."""
    context = browser.new_context(viewport={"width": 900, "height": 900}, base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    tools = context.new_cdp_session(page)
    tools.send("WebAuthn.enable")
    device = tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})["authenticatorId"]
    yield page, tools, device
    context.close()
    connections.close_all()
    assert troubles == []


def password(page: Any, name: str) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def home(page: Any) -> None:
    page.get_by_role("heading", name="Dashboard").wait_for()


def enrol(page: Any, name: str) -> None:
    password(page, name)
    page.get_by_role("heading", name="Set up your second factor").wait_for()
    page.get_by_label("Name, to know it again").fill("Work phone")
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    assert page.get_by_label("Recovery codes").locator("li").count() == 10
    page.get_by_role("link", name="I have kept them").click()
    home(page)


@pytest.mark.django_db(transaction=True)
def test_a_passkey_is_enrolled_signs_in_and_approves(phone: Any, world: World) -> None:
    page, *_ = phone
    joyce = User.objects.get(username="finance_checker")
    enrol(page, "finance_checker")
    passkey = Passkey.objects.get()
    assert (passkey.user, passkey.name, passkey.host) == (joyce, "Work phone", "localhost")

    page.context.clear_cookies()
    password(page, "finance_checker")
    page.get_by_role("button", name="Use a passkey").click()
    home(page)
    assert fresh(passkey).sign_count > passkey.sign_count
    record = AuditRecord.objects.filter(action="sign_in").first()
    assert record.after == {"with": "passkey Work phone"}

    Session.objects.update(proved_at=now() - timedelta(minutes=6))
    page.goto(f"/admin/staff/approval/{world.asked.pk}/change/")
    day.action(page, "Approve").click()
    dialog = page.get_by_role("dialog", name="Approve")
    dialog.get_by_label("Comment").fill("Seen the report")
    dialog.get_by_role("button", name="Use a passkey").click()
    dialog.get_by_text("Your passkey was taken.").wait_for()
    dialog.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved and done.").wait_for()

    assert fresh(world.asked).state == "approved"
    assert AuditRecord.objects.get(action="step_up").after == {"with": "passkey Work phone"}
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_device_that_was_not_enrolled_does_not_sign_in(phone: Any, world: World) -> None:
    """The same name on another device, and the copy of a key whose counter has fallen behind."""
    page, tools, device = phone
    enrol(page, "support")
    (credential,) = tools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
    Passkey.objects.update(sign_count=credential["signCount"] + 100)
    page.context.clear_cookies()
    password(page, "support")
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("This passkey did not work").wait_for()

    tools.send("WebAuthn.clearCredentials", {"authenticatorId": device})
    page.get_by_role("button", name="Use a passkey").click()
    page.get_by_text("It did not work, or was cancelled").wait_for()

    assert Session.objects.filter(user__isnull=False).count() == 1, "the one that enrolled, no other"
    assert AuditRecord.objects.filter(action="sign_in_failed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_answer_to_another_question_is_refused(phone: Any, world: World) -> None:
    """What the device once said is caught and sent again: the challenge in it is spent."""
    page, *_ = phone
    enrol(page, "support")
    page.context.clear_cookies()
    password(page, "support")
    page.get_by_role("button", name="Use a passkey").wait_for()
    caught: list[str] = []
    page.on("request", lambda request: caught.append(request.post_data or "") if request.method == "POST" else None)
    page.get_by_role("button", name="Use a passkey").click()
    home(page)
    (answer,) = parse_qs(next(one for one in caught if "proof_passkey" in one))["proof_passkey"]
    page.context.clear_cookies()
    password(page, "support")
    page.get_by_role("button", name="Use a passkey").wait_for()
    page.evaluate(
        "answer => { const field = document.querySelector('[name=proof_passkey]');"
        " field.value = answer; field.form.requestSubmit(); }",
        answer,
    )

    page.get_by_text("This passkey did not work").wait_for()
    assert Session.objects.filter(user__isnull=False).count() == 2, "the two from before, no other"


@pytest.mark.django_db(transaction=True)
def test_a_second_passkey_is_added_and_the_first_removed_on_ones_own_page(phone: Any, world: World) -> None:
    page, tools, device = phone
    member(Role.SUPPORT, "grace")
    enrol(page, "grace")
    tools.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})
    tools.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    page.goto("/admin/my-second-factor/")
    page.get_by_label("Name, to know it again").fill("Security key")
    page.get_by_role("button", name="Make a passkey").click()
    page.get_by_text("The passkey is enrolled.").wait_for()

    page.get_by_role("button", name="Remove").first.click()
    page.get_by_role("heading", name="Remove the passkey").last.wait_for()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Removed.").wait_for()
    assert list(Passkey.objects.values_list("name", flat=True)) == ["Security key"]
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("this is the last").wait_for()
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
