"""The authenticator app in Chromium, from the QR code to the end of a session: what a member of staff does, and what a
thief would try. Pictures of the pages, wide and narrow, light and dark, are left in pytest's folder of each test."""

import base64
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import segno
from django.db import connections
from django.utils.timezone import now

from core.models import AuditRecord
from staff import letters, second_factor
from staff.approvals import reject
from staff.models import Session, Totp, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, World, code_of, member
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.admin.test_new_password import CHOSEN, link_in
from tests.factories import fresh
from tests.journeys import test_admin_browser as day

pytestmark = day.pytestmark
staff, world = staff_fixture, world_fixture
browser, troubles, _committed = day.browser, day.troubles, day._committed
LOOKS = [(1440, False), (900, True)]


@pytest.fixture
def window(
    _committed: None, world: World, browser: Any, live_server: Any, troubles: list[str]
) -> Iterator[Callable[..., Any]]:
    """A browser of somebody's own. Whatever one complains about fails the test."""
    contexts = []

    def opened(width: int = 1440, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, base_url=live_server.url, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return page

    yield opened
    for context in contexts:
        context.close()
    connections.close_all()
    assert troubles == []


def password(page: Any, name: str, typed: str = PASSWORD) -> None:
    page.goto("/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(typed)
    page.get_by_role("button", name="Log in").click()


def prove(page: Any, code: str) -> None:
    page.get_by_label("Code of your app").fill(code)
    page.get_by_role("button", name="Sign in").click()


def home(page: Any) -> None:
    page.get_by_role("heading", name="Dashboard").wait_for()


def code_at(user: User, steps: int = 0) -> str:
    """What an app whose clock is off by so many half minutes shows, early enough to type it in the same half minute."""
    while now().timestamp() % second_factor.STEP_SECONDS > second_factor.STEP_SECONDS - 5:
        time.sleep(0.2)
    secret = second_factor.unseal(bytes(Totp.objects.get(user=user).secret), user)
    at = int(now().timestamp()) + steps * second_factor.STEP_SECONDS
    return second_factor.app(secret).generate(at).decode()


def fits(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def picture(page: Any, name: str, folder: Path) -> None:
    page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_an_app_is_enrolled_at_the_first_sign_in_and_signs_in_from_then_on(
    window: Callable[..., Any], width: int, dark: bool, tmp_path: Path
) -> None:
    user = member(Role.SUPPORT, "grace")
    page = window(width, dark)
    password(page, "grace")
    page.get_by_role("heading", name="Set up your second factor").wait_for()
    fits(page)
    picture(page, f"enrol-{width}", tmp_path)
    page.goto("/admin/customers/customer/")
    page.get_by_role("button", name="Log in").wait_for()
    password(page, "grace")

    box = page.get_by_alt_text("QR code for your authenticator app")
    assert box.evaluate("image => image.complete && image.naturalWidth > 100")
    page.get_by_text("Cannot scan it?").click()
    shown = page.locator("code.secret").inner_text().replace(" ", "")
    secret = base64.b32decode(shown + "=" * (-len(shown) % 8))
    drawn = segno.make(second_factor.address_of(secret, user), error="m")
    assert box.get_attribute("src") == drawn.svg_data_uri(scale=5, border=2, light="#fff"), "the picture says the same"
    page.get_by_label("Six digits").fill("000000")
    page.get_by_role("button", name="Use this app").click()
    page.get_by_text("Wrong code, or used already").wait_for()
    spent = second_factor.app(secret).generate(int(now().timestamp())).decode()
    page.get_by_label("Six digits").fill(spent)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Recovery codes").wait_for()
    codes = page.get_by_label("Recovery codes").locator("li").all_inner_texts()
    assert len(set(codes)) == 10
    fits(page)
    picture(page, f"codes-{width}", tmp_path)
    page.get_by_role("link", name="I have kept them").click()
    home(page)

    again = window(width, dark)
    password(again, "grace")
    prove(again, spent)
    again.get_by_text("Wrong code, or used already").wait_for()
    fits(again)
    picture(again, f"code-{width}", tmp_path)
    prove(again, code_at(user, +1))
    home(again)
    third = window(width, dark)
    password(third, "grace")
    prove(third, codes[3].upper())
    third.get_by_text("That recovery code is spent; 9 are left.").wait_for()
    fourth = window(width, dark)
    password(fourth, "grace")
    prove(fourth, codes[3])
    fourth.get_by_text("Wrong code, or used already").wait_for()
    assert AuditRecord.objects.filter(action="sign_in", actor=user.principal).count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("steps", "gets_in"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_half_a_minute(
    window: Callable[..., Any], staff: dict[str, User], steps: int, gets_in: bool
) -> None:
    code_of("support")
    page = window()
    password(page, "support")
    prove(page, code_at(staff[Role.SUPPORT], steps))

    if gets_in:
        home(page)
    else:
        page.get_by_text("Wrong code, or used already").wait_for()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_money_asks_again_after_five_minutes(
    window: Callable[..., Any], world: World, staff: dict[str, User], width: int, dark: bool, tmp_path: Path
) -> None:
    page = window(width, dark)
    page.goto("/admin/")
    day.sign_in(page, "finance_checker")
    Session.objects.update(proved_at=now() - timedelta(minutes=5, seconds=1))
    page.goto(f"/admin/staff/approval/{world.asked.pk}/change/")
    day.action(page, "Approve").click()
    dialog = page.get_by_role("dialog", name="Approve")
    dialog.get_by_text("Prove that it is you").wait_for()
    dialog.get_by_label("Comment").fill("Seen the report")
    dialog.get_by_label("Code of your app").fill("000000")
    dialog.get_by_role("button", name="Approve").click()
    dialog.get_by_text("Wrong code, or used already").wait_for()
    assert dialog.get_by_label("Comment").input_value() == "Seen the report"
    assert fresh(world.asked).state == "open"
    picture(page, f"step-up-{width}", tmp_path)
    fits(page)

    dialog.get_by_label("Code of your app").fill(code_of("finance_checker"))
    dialog.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved and done.").wait_for()

    assert fresh(world.asked).state == "approved"
    assert AuditRecord.objects.get(action="step_up").actor == staff[Role.FINANCE_CHECKER].principal


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("moved", "is_over"),
    [
        ({"used_at": timedelta(minutes=14)}, False),
        ({"used_at": timedelta(minutes=15, seconds=1)}, True),
        ({"started_at": timedelta(hours=7, minutes=59)}, False),
        ({"started_at": timedelta(hours=8, seconds=1)}, True),
    ],
)
def test_a_session_ends_when_idle_and_when_old(
    window: Callable[..., Any], moved: dict[str, timedelta], is_over: bool
) -> None:
    """The session's times are moved and the clock is not: the browser has one of its own."""
    page = window()
    page.goto("/admin/")
    day.sign_in(page, "support")
    Session.objects.filter(user__username="support").update(**{name: now() - by for name, by in moved.items()})

    page.goto("/admin/transactions/transaction/")

    if is_over:
        page.get_by_role("button", name="Log in").wait_for()
        assert AuditRecord.objects.filter(action="session_ended").count() == 1
    else:
        page.locator("#result_list").wait_for()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_who_was_sent_a_link_chooses_a_password_and_comes_in_with_it(
    window: Callable[..., Any], staff: dict[str, User], mailoutbox: list[Any], width: int, dark: bool, tmp_path: Path
) -> None:
    ada, grace = window(width, dark), window(width, dark)
    ada.goto("/admin/")
    day.sign_in(ada, "administrator")
    ada.goto(f"/admin/staff/user/{staff[Role.SUPPORT].pk}/change/")
    day.action(ada, "New password").click()
    dialog = ada.get_by_role("dialog", name="New password")
    dialog.get_by_label("Reason").fill("forgot it over the holidays")
    dialog.get_by_role("button", name="Send the link").click()
    ada.get_by_text("The link is on its way to them.").wait_for()
    code_of("support")
    letters.send_due()
    fits(ada)
    picture(ada, f"colleague-{width}", tmp_path)

    grace.goto(link_in(mailoutbox[0]))
    grace.get_by_label("New password").fill(CHOSEN)
    grace.get_by_label("The same again").fill("something else entirely")
    grace.get_by_label("Code of your app").fill("000000")
    grace.get_by_role("button", name="Set the password").click()
    grace.locator(".error").first.wait_for()
    picture(grace, f"link-{width}", tmp_path)
    fits(grace)
    grace.get_by_label("New password").fill(CHOSEN)
    grace.get_by_label("The same again").fill(CHOSEN)
    grace.get_by_label("Code of your app").fill(code_of("support"))
    grace.keyboard.press("Enter")
    grace.get_by_text("Your password is set. Sign in with it.").wait_for()
    password(grace, "support", CHOSEN)
    prove(grace, code_of("support"))
    home(grace)

    thief = window()
    thief.goto(link_in(mailoutbox[0]))
    thief.get_by_role("heading", name="This link does not work any more").wait_for()
    fits(thief)


@pytest.mark.django_db(transaction=True)
def test_who_asked_sees_in_the_menu_that_it_was_decided(
    window: Callable[..., Any], world: World, staff: dict[str, User], tmp_path: Path
) -> None:
    page = window(900, True)
    page.goto("/admin/")
    day.sign_in(page, "support")
    reject(world.asked.pk, comment="Ask her for the receipt first.", actor=staff[Role.FINANCE_CHECKER])

    page.goto("/admin/staff/my-requests/")
    page.get_by_text("Ask her for the receipt first.").wait_for()
    assert page.get_by_text("New", exact=True).count() == 1
    picture(page, "my-requests-900", tmp_path)
    fits(page)
    page.reload()
    assert page.get_by_text("New", exact=True).count() == 0
