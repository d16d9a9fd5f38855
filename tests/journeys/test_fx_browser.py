"""Exchange in a real browser: rates, a pair's history, what it would cost, a provider's terms; light and dark, wide and
narrow."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connections

from fx.models import ExposureCap, Provider, Quote, RateLoad
from fx.services import add_exposure_cap, load_rates, set_source
from staff.models import Approval, User
from staff.roles import Role
from tekana import demo_fx
from tests.admin.conftest import client_of
from tests.admin.conftest import staff as staff_fixture
from tests.books import fund
from tests.factories import new_wallet
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import _committed, browser, pytestmark, troubles
from tests.transactions.test_conversions import conversion, quoted
from transactions.posting import post_one

__all__ = ["_committed", "browser", "pytestmark", "troubles"]
PICTURES = os.environ.get("PICTURES")  # a folder, to look at the pages

staff = staff_fixture


@pytest.fixture(params=[("light", 1440), ("dark", 900)], ids=["light", "dark-900"])
def page(
    request: Any, _committed: None, staff: dict[str, User], browser: Any, live_server: Any, troubles: list[str]
) -> Iterator[Any]:
    """Somebody of finance, signed in, where the demo's rates and providers are."""
    demo_fx.load(datetime.now(UTC).date())
    scheme, width = request.param
    context = browser.new_context(
        viewport={"width": width, "height": 900}, base_url=live_server.url, color_scheme=scheme, reduced_motion="reduce"
    )  # fmt: skip
    cookie = client_of(staff[Role.FINANCE]).cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": live_server.url}])
    page = context.new_page()
    page.set_default_timeout(15_000)
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


def test_from_the_rates_to_what_it_would_cost(page: Any) -> None:
    page.goto("/admin/fx/rates/")
    page.get_by_role("heading", name="One unit of").wait_for()
    look(page, "rates")

    page.goto("/admin/fx/rates/USD-KES/")
    page.locator("canvas.chart").wait_for()
    assert page.evaluate("Chart.getChart(document.querySelector('canvas.chart')).data.datasets[0].data.length") > 40
    look(page, "pair")

    page.goto("/admin/fx/cost/")
    page.get_by_label("Amount", exact=True).fill("40,000")
    page.get_by_label("From", exact=True).select_option("KES")
    page.get_by_label("To", exact=True).select_option("NGN")
    page.get_by_role("button", name="Show", exact=True).click()
    page.get_by_role("heading", name="Route").wait_for()
    assert "KES>USD>NGN" in page.locator("#how-it-comes-about").inner_text()
    look(page, "cost")
    well_seen(page)

    page.goto(f"/admin/fx/quote/{Quote.objects.latest('id').pk}/change/")
    page.get_by_role("heading", name="Alternatives").wait_for()
    look(page, "quote")
    for name in ("quote", "routingdecision", "provider", "providerterms", "margin", "rateload", "ratesource", "rate"):
        page.goto(f"/admin/fx/{name}/")
        page.locator("#result_list").wait_for()
        look(page, f"list-{name}")


def test_terms_are_asked_for_and_a_file_is_loaded(page: Any, tmp_path: Path) -> None:
    wekeza = Provider.objects.get(code="wekeza")
    page.goto(f"/admin/fx/provider/{wekeza.pk}/change/")
    look(page, "provider")
    page.get_by_role("link", name="New terms").click()
    dialog = page.locator("#dialog")
    dialog.get_by_label("We sell").select_option("KES")
    dialog.get_by_label("We buy").select_option("USD")
    dialog.get_by_label("Cost, in percent").fill("0.30")
    dialog.get_by_label("Least of one trade").fill("100")
    dialog.get_by_label("Most of one trade").fill("1,000,000")
    dialog.get_by_label("Reason").fill("The new contract")
    look(page, "terms-dialog")
    well_seen(page)
    dialog.get_by_role("button", name="Ask for approval").click()
    page.get_by_text("Asked for.").wait_for()
    assert Approval.objects.get().preview["facts"][4] == ["Cost", "0.35 % → 0.30 %"]
    page.goto(f"/admin/staff/approval/{Approval.objects.get().pk}/change/")
    look(page, "terms-request")

    file = tmp_path / "cbk.csv"
    file.write_text("Date,Currency,Mean,Buy,Sell\n02/03/2026,EURO,140,139,not yet\n")
    page.goto("/admin/fx/rateload/")
    page.get_by_role("link", name="Load a file").click()
    dialog.get_by_label("Source").select_option("cbk")
    dialog.get_by_label("File").set_input_files(file)
    dialog.get_by_role("button", name="Load").click()
    dialog.get_by_text("Line 2, Sell: 'not yet' is not a number.").wait_for()
    look(page, "refused-file")
    file.write_text("Date,Currency,Mean,Buy,Sell\n02/03/2026,EURO,140,139,141\n")
    dialog.get_by_label("File").set_input_files(file)
    dialog.get_by_role("button", name="Load").click()
    page.get_by_role("heading", name="Left out").wait_for()
    look(page, "load")
    assert set(RateLoad.objects.filter(source="cbk").values_list("state", flat=True)) == {"loaded", "refused"}


def test_what_exchanging_has_left_us_with(page: Any) -> None:
    page.goto("/admin/fx/positions/")
    assert page.get_by_role("heading", name="Nothing has been exchanged yet").is_visible()
    kes = new_wallet(tier=2)
    usd = new_wallet(kes.customer, "USD")
    fund(kes, 50_000_00)
    there = post_one(conversion(quoted(kes), kes, usd)).or_raise()
    post_one(conversion(quoted(usd, "KES", 40_00), usd, kes)).or_raise()

    for currency, most in (("USD", 60_00), ("KES", 9_000_00), ("NGN", 1_000_000_00)):
        add_exposure_cap(currency=currency, most=most, effective_from=datetime.now(UTC).date(), actor=None)
    set_source(code="old", name="Old Bank", format="cbk", max_age=1, priority=1, actor=None)
    long_ago = datetime.now(UTC) - timedelta(days=20)
    load_rates("old", f"Date,Currency,Mean,Buy,Sell\n{long_ago:%d/%m/%Y},SA RAND,7,6,8\n".encode(), actor=None)

    page.reload()

    assert page.get_by_role("heading", name="Positions", exact=True).is_visible()
    assert page.locator("#against-caps meter").count() == 3
    assert page.get_by_text("USD/KES").first.is_visible()
    well_seen(page)
    look(page, "exchange")
    page.goto("/admin/fx/exposurecap/")
    page.locator("#result_list").wait_for()
    look(page, "list-exposurecap")
    page.goto(f"/admin/fx/exposurecap/{ExposureCap.objects.get(currency='USD').pk}/change/")
    page.get_by_role("link", name="Change").click()
    page.locator("#dialog").get_by_label("At most").wait_for()
    look(page, "cap-dialog")
    well_seen(page)
    page.goto(f"/admin/transactions/transaction/{there.transaction}/change/")
    look(page, "conversion")
    for name, path in (("dashboard", "/admin/"), ("work", "/admin/work/"), ("stale-rates", "/admin/fx/rates/")):
        page.goto(path)
        assert "too old" in page.get_by_role("alert").first.inner_text()
        look(page, f"{name}-stale")
        well_seen(page)
