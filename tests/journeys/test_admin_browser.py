"""A day in support, in a real browser on the real server: find, reverse, freeze, suspend, look at the figures."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections

from staff.models import Session
from staff.roles import Role
from tests.admin.conftest import PASSWORD, World, code_of, member
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.books import assert_books_balance, posted, transfer
from tests.factories import fresh
from tests.journeys.conftest import CHROMIUM
from tests.journeys.looks import well_seen
from transactions.models import Transaction
from transactions.posting import post_one

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff = staff_fixture
world = world_fixture


@pytest.fixture
def _committed(transactional_db: None) -> None:
    """Before the world is made: the server's threads read what is committed."""


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """Nobody's windows, cookies and storage of the test before are in it."""
    assert chromium.contexts == []
    yield chromium
    for context in chromium.contexts:
        context.close()


@pytest.fixture
def troubles() -> list[str]:
    return []


def sign_in(page: Any, name: str) -> None:
    """On the page where one logs in: password, then the code of the app."""
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    code = code_of(name)
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Code of your app").fill(code)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Dashboard").wait_for()


@contextmanager
def desk_of(name: str, role: str, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    """The page of somebody of that role, signed in. Whatever the browser complains about fails the test."""
    member(role, name)
    context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=live_server.url)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.goto("/admin/")
    sign_in(page, name)
    yield page
    context.close()
    connections.close_all()
    assert troubles == []


@pytest.fixture
def page(_committed: None, world: World, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    with desk_of("grace", Role.SUPPORT, browser, live_server, troubles) as page:
        yield page


def find(page: Any, text: str) -> None:
    """With the keyboard alone, from any page."""
    page.keyboard.press("Control+k")
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def action(page: Any, name: str) -> Any:
    return page.locator(".actions").get_by_role("link", name=name, exact=True)


def heading(page: Any) -> str:
    return page.locator(".page-title").inner_text()


@pytest.mark.django_db(transaction=True)
def test_a_receipt_read_out_on_the_phone_is_found_and_reversed_in_part(page: Any, world: World) -> None:
    receipt = world.sent.receipt
    find(page, f"{receipt[:3].lower()}-{receipt[3:6]} {receipt[6:]}")
    page.wait_for_url("**/change/")
    assert receipt[:3] in heading(page)
    well_seen(page)

    action(page, "Reverse").click()
    dialog = page.get_by_role("dialog", name="Reverse")
    dialog.get_by_label("Amount in KES").fill("400")
    dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
    dialog.get_by_label("Note").fill("Wanjiku called, ticket 4411")
    dialog.get_by_role("button", name="Preview").click()
    preview = dialog.get_by_label("Preview", exact=True)
    assert "9,100.00" in preview.inner_text()
    assert "600.00 of the original can be reversed afterwards" in preview.inner_text()
    assert posted(world.wallet) == 8_700_00
    well_seen(page)
    dialog.get_by_role("button", name="Reverse KES 400.00").click()

    page.get_by_text("Reversed.", exact=True).wait_for()
    story = page.locator(".timeline").inner_text()
    assert "Completed → partially reversed" in story
    assert "Grace Person (support)" in story
    assert "Wanjiku called, ticket 4411" in story
    assert "Partially reversed" in heading(page)
    assert posted(world.wallet) == 9_100_00
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_dialog_is_worked_with_the_keyboard_and_says_what_is_wrong(page: Any, world: World) -> None:
    page.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    action(page, "Reverse").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.wait_for()

    assert page.evaluate("document.activeElement.name") == "amount"
    page.keyboard.press("Control+a")
    page.keyboard.type("12.345")
    dialog.get_by_label("Why").select_option(index=1)
    dialog.get_by_label("Note").fill("x")
    page.keyboard.press("Tab")
    dialog.get_by_role("button", name="Preview").press("Enter")
    dialog.get_by_text("KES has 2 decimals").wait_for()
    page.wait_for_function("document.activeElement.name == 'amount'")
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('#modal')")
        assert inside, "the focus left the dialog"
    page.keyboard.press("Escape")

    dialog.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.textContent").strip().endswith("Reverse")
    assert fresh(world.sent).state == "completed"


@pytest.mark.django_db(transaction=True)
def test_a_stolen_phone_is_frozen_and_the_refused_transfer_says_why(page: Any, world: World) -> None:
    find(page, "0712 345 678")
    page.get_by_role("link", name="KES wallet").click()
    action(page, "Freeze").click()
    dialog = page.get_by_role("dialog", name="Freeze")
    dialog.get_by_label("may not send", exact=True).check()
    dialog.get_by_label("Reason").fill("Phone stolen in Kisumu")
    dialog.get_by_role("button", name="Freeze").click()
    page.get_by_text("Frozen.", exact=True).wait_for()
    assert page.locator(".notice", has_text="it may not send").count() == 1

    outcome = post_one(transfer(world.wallet, world.johns, 1_00))
    refused = Transaction.objects.get(pk=outcome.transaction)
    find(page, refused.receipt)

    why = page.locator("#why-was-it-refused")
    why.wait_for()
    well_seen(page)
    assert "The wallet may not send" in why.inner_text()
    assert "who froze it" in why.inner_text()
    assert "Failed" in heading(page)
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_customer_is_suspended_and_reactivated_with_reasons(page: Any, world: World) -> None:
    find(page, "wanjiku kam")
    page.get_by_role("link", name=re.compile("Wanjiku Kamau")).click()
    for act, done, state in (("Suspend", "Suspended.", "suspended"), ("Reactivate", "Active again.", "active")):
        action(page, act).click()
        dialog = page.get_by_role("dialog", name=act)
        dialog.get_by_role("button", name=act).click()
        dialog.get_by_text("This field is required").wait_for()
        well_seen(page)
        dialog.get_by_label("Reason").fill("Documents do not match")
        dialog.get_by_role("button", name=act).click()
        page.get_by_text(done, exact=True).wait_for()
        assert fresh(world.wanjiku).state == state

    assert page.locator("#audit-trail").get_by_text("Documents do not match").count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_dashboard_draws_its_charts_and_changes_currency(page: Any, world: World) -> None:
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"

    for canvas in page.locator("canvas.chart").all():
        assert canvas.evaluate(drawn)
    assert "KES 11,510.00" in page.locator("#volume").inner_text()
    page.get_by_text("As a table").click()
    assert "11,510.00" in page.locator("#day-by-day details").inner_text()
    page.get_by_role("link", name=re.compile("Above what|Not enough money")).click()
    page.get_by_text(world.refused.receipt[:3]).first.wait_for()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [1440, 900])
def test_pages_fit_their_window_light_and_dark(page: Any, world: World, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    pages = [
        "/admin/", "/admin/transactions/transaction/", f"/admin/transactions/transaction/{world.undone.pk}/change/",
        f"/admin/customers/customer/{world.wanjiku.pk}/change/", f"/admin/wallets/wallet/{world.wallet.pk}/change/",
        "/admin/search/?q=zzz",
    ]  # fmt: skip
    paper = "() => getComputedStyle(document.querySelector('#main')).backgroundColor"
    seen = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for url in pages:
            page.goto(url)
            page.wait_for_timeout(100)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{url} is {wide} px too wide at {width}, {scheme}"
        seen.append(page.evaluate(paper))

    assert len(set(seen)) == 2, "dark is not dark"


@pytest.mark.django_db(transaction=True)
def test_what_cannot_wait_comes_first_in_a_narrow_window(page: Any, world: World) -> None:
    def top(panel: str) -> float:
        return float(page.locator(panel).bounding_box()["y"])

    wide = [top(panel) for panel in ("#needs-a-person", "#volume")]
    page.set_viewport_size({"width": 900, "height": 900})
    narrow = [top(panel) for panel in ("#needs-a-person", "#volume", "#refused")]

    assert wide[0] == wide[1], "beside each other"
    assert narrow == sorted(narrow)


@pytest.mark.django_db(transaction=True)
def test_icons_are_not_read_out(page: Any, world: World) -> None:
    page.goto("/admin/")

    menu = page.locator("#nav-sidebar").get_by_role("link").all()
    names = [link.aria_snapshot().partition("\n")[0] for link in menu]

    assert any('link "Transactions"' in name for name in names), names
    assert not any("swap_horiz" in name for name in names), names


@pytest.mark.django_db(transaction=True)
def test_what_a_short_recipient_still_has_is_taken_with_one_more_click(page: Any, world: World) -> None:
    post_one(transfer(world.johns, world.wallet, 1_200_00)).or_raise()
    page.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    action(page, "Reverse").click()
    dialog = page.get_by_role("dialog", name="Reverse")
    dialog.get_by_label("Why").select_option(label="Both parties agreed")
    dialog.get_by_label("Note").fill("Gives back what is left")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Preview KES 100.00 instead").click()
    dialog.get_by_role("button", name="Reverse KES 100.00").click()

    page.get_by_text("Reversed.", exact=True).wait_for()
    assert "Both parties agreed customer_request" in page.locator(".timeline").inner_text()
    assert posted(world.johns) == 0
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_a_button_for_what_cannot_be_done_explains_itself(page: Any, world: World) -> None:
    page.goto(f"/admin/transactions/transaction/{world.refused.pk}/change/")

    action(page, "Reverse").click()
    dialog = page.get_by_role("dialog", name="Reverse")
    dialog.get_by_text("No money has moved").wait_for()
    dialog.get_by_role("link", name="Back").click()

    dialog.wait_for(state="hidden")


@pytest.mark.django_db(transaction=True)
def test_who_was_signed_out_meanwhile_is_led_to_sign_in(page: Any, world: World) -> None:
    page.goto(f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    Session.objects.all().delete()

    action(page, "Suspend").click()

    page.get_by_role("button", name="Log in").wait_for()
