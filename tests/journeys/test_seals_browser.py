"""Whoever checks on us, in a real browser: from the dashboard to the block of a transaction, in light and dark."""

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils.timezone import now

from evidence.models import Block, Check, Mark, Publication
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.journeys.test_admin_browser import _committed, browser, pytestmark, troubles

__all__ = ["_committed", "browser", "pytestmark", "troubles"]
PICTURES = os.environ.get("PICTURES")  # a folder, to look at the pages

staff = staff_fixture
world = world_fixture


@pytest.fixture(params=[("light", 1440), ("dark", 900)], ids=["light", "dark-900"])
def page(
    request: Any, _committed: None, world: World, staff: dict[str, User], browser: Any, live_server: Any,
    troubles: list[str],
) -> Iterator[Any]:  # fmt: skip
    """Somebody of finance, signed in; the last check found something, and half of the chain is published."""
    Mark.objects.create(at=now() - timedelta(minutes=7), horizon="1")
    first = Block.objects.get(pk=1)
    Publication.objects.create(block=first, sink="file", line={"block": 1}, at=now())
    fault = {
        "block": 1,
        "table": "ledger_entry",
        "key": "account_id=7 seq=12",
        "wrong": "changed: amount, balance_after",
    }
    Check.objects.create(
        at=now(), ok=False, scope="blocks 1 to 2", blocks=2, rows=172, head=2, findings=[fault], milliseconds=41
    )  # fmt: skip
    scheme, width = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, base_url=live_server.url, color_scheme=scheme, reduced_motion="reduce"
    )  # fmt: skip
    cookie = client_of(staff[Role.FINANCE]).cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    yield page
    context.close()
    connections.close_all()
    assert troubles == []


def look(page: Any, name: str) -> None:
    """Nothing reaches out of the window; and a picture, for who wants to look."""
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{name} is too wide"
    if PICTURES:
        width = page.viewport_size["width"]
        page.screenshot(path=Path(PICTURES) / f"{name}-{width}.png", full_page=True)


def test_from_the_dashboard_to_the_block_of_a_transaction(page: Any, world: World) -> None:
    page.goto("/admin/")
    chain = page.locator("#hash-chain")
    chain.get_by_text("Broken").wait_for()
    assert "changed: amount, balance_after" in chain.inner_text()
    look(page, "dashboard")

    chain.get_by_role("link", name="Seals").click()
    page.get_by_text("Everything is sealed but the last").wait_for()
    assert page.locator("#result_list tbody tr").count() == 2
    look(page, "seals")

    page.get_by_role("link", name="All checks").click()
    page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    page.get_by_text("Change nothing.").wait_for()
    look(page, "check")

    page.goto(f"/admin/transactions/transaction/{world.sent.pk}/change/")
    seal = page.locator("#seal")
    assert f"prove_sealed {world.sent.receipt}" in seal.inner_text()
    look(page, "transaction")
    seal.get_by_role("link", name="block 1").click()
    page.get_by_text("What it seals").wait_for()
    look(page, "block")

    page.goto("/admin/evidence/block/2/change/")
    page.get_by_text("Configuration as it came to be").wait_for()
    look(page, "settings")


def test_a_block_is_found_by_its_number_with_the_keyboard(page: Any) -> None:
    page.goto("/admin/evidence/block/")
    page.locator("#searchbar").focus()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    page.wait_for_url("**?q=2*")

    assert page.locator("#result_list tbody tr").count() == 1
