"""``make screenshots``: the pictures in docs/screenshots, taken of the demo that runs on this machine.

With other data than the demo's they would be others. Needs Chromium, as the journeys do; CHROMIUM names it.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from environ import Env
from playwright.sync_api import sync_playwright

from tekana.embedded import codes
from tekana.embedded.folders import DataFolder

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "var" / "demo"
PICTURES = ROOT / "docs" / "screenshots"
CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium")) or shutil.which("chromium-browser")


@contextmanager
def signed_in(browser: Any, role: str, *, dark: bool = False, on_the_way: str = "") -> Iterator[Any]:
    """A page of the back office as somebody of this role sees it; ``on_the_way``: the picture of the second factor."""
    login = next(login for login in logins() if login["role"] == role)
    context = browser.new_context(
        base_url=address(), viewport={"width": 1440, "height": 900}, color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto("/admin/")
    page.get_by_label("Username").fill(login["username"])
    page.get_by_label("Password").fill(login["password"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Code of your app").wait_for()
    if on_the_way:
        picture(page, on_the_way, height=560)
    page.get_by_label("Code of your app").fill(unused_code(role))
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Dashboard").wait_for()
    yield page
    context.close()


used: dict[str, str] = {}


def unused_code(role: str) -> str:
    """Waits where this run has used the present one already: each works once."""
    while (code := codes.codes_at(DataFolder("demo"), time.time())[role]) == used.get(role):
        time.sleep(1)
    used[role] = code
    return code


def logins() -> list[dict[str, str]]:
    return list(json.loads((DEMO / "logins.json").read_text()))


def address() -> str:
    env = Env()
    env.read_env(DEMO / "env", overwrite=True)
    return str(env.str("PUBLIC_URL"))


def picture(page: Any, name: str, *, height: int = 900) -> None:
    page.set_viewport_size({"width": 1440, "height": height})
    page.wait_for_timeout(600)  # charts are drawn once their box has its size
    page.screenshot(path=PICTURES / f"{name}.png")
    print(PICTURES / f"{name}.png")


def open_first(page: Any, listed: str) -> None:
    page.goto(listed)
    page.locator("#result_list tbody tr").first.get_by_role("link").first.click()
    page.locator(".page-title").wait_for()


def action(page: Any, name: str) -> Any:
    return page.locator(".actions").get_by_role("link", name=name, exact=True)


def main() -> None:
    if CHROMIUM is None or not (DEMO / "env").exists():
        sys.exit("Start the demo first (`make demo`), with Chromium installed.")
    PICTURES.mkdir(exist_ok=True)
    known = next(login["username"] for login in logins() if login["role"] == "customer")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with signed_in(browser, "finance") as page:
            picture(page, "dashboard", height=1200)
            open_first(page, "/admin/transactions/receivable/")
            picture(page, "receivable", height=760)
        with signed_in(browser, "finance", dark=True) as page:
            picture(page, "dashboard-dark", height=1200)
        with signed_in(browser, "operations") as page:
            page.goto("/admin/work/")
            page.locator(".page-title, #what-waits").first.wait_for()
            picture(page, "work", height=820)
        with signed_in(browser, "administrator") as page:
            page.goto("/admin/staff/roles/")
            page.locator("table.rights").first.wait_for()
            picture(page, "roles", height=1000)
        with signed_in(browser, "support", on_the_way="second-factor") as page:
            open_first(page, "/admin/transactions/transaction/?reversed=yes")
            picture(page, "transaction", height=1500)
            open_first(page, "/admin/transactions/transaction/?kind=transfer&state=completed")
            action(page, "Reverse").click()
            dialog = page.get_by_role("dialog", name="Reverse")
            dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
            dialog.get_by_label("Note").fill("Called us at once: one digit of the number was wrong.")
            dialog.get_by_role("button", name="Preview").click()
            dialog.get_by_label("Preview", exact=True).wait_for()
            picture(page, "reverse", height=1000)
            page.goto(f"/admin/search/?q={quote(known)}")
            page.locator(".page-title").wait_for()
            picture(page, "customer", height=1100)
            action(page, "Reveal").click()
            dialog = page.get_by_role("dialog", name="Reveal")
            dialog.get_by_label("Why").select_option(label="To check who is calling")
            dialog.get_by_label("In words").fill("Calls from a new number and wants to know where the rent went.")
            picture(page, "reveal", height=760)
            page.keyboard.press("Escape")
            action(page, "View as customer").click()
            dialog = page.get_by_role("dialog", name="View as a customer")
            dialog.get_by_label("Why").select_option(label="the customer asked us to look")
            dialog.get_by_label("Note").fill("The rent is missing in the app, the customer says.")
            dialog.get_by_role("button", name="Begin").click()
            page.wait_for_url("**/view-as/*/")
            picture(page, "view-as-customer", height=860)
            page.get_by_role("button", name="End now").click()
            page.get_by_text("The view has ended.").wait_for()
        browser.close()


if __name__ == "__main__":
    main()
