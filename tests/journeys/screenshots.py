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
def signed_in(browser: Any, role: str, *, dark: bool = False) -> Iterator[Any]:
    """A page of the back office as somebody of this role sees it."""
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


def main() -> None:
    if CHROMIUM is None or not (DEMO / "env").exists():
        sys.exit("Start the demo first (`make demo`), with Chromium installed.")
    PICTURES.mkdir(exist_ok=True)
    known = next(login["username"] for login in logins() if login["role"] == "customer")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with signed_in(browser, "finance") as page:
            picture(page, "dashboard", height=1200)
        with signed_in(browser, "finance", dark=True) as page:
            picture(page, "dashboard-dark", height=1200)
        with signed_in(browser, "support") as page:
            open_first(page, "/admin/transactions/transaction/?reversed=yes")
            picture(page, "transaction", height=1500)
            open_first(page, "/admin/transactions/transaction/?kind=transfer&state=completed")
            page.locator(".actions").get_by_role("link", name="Reverse", exact=True).click()
            dialog = page.get_by_role("dialog", name="Reverse")
            dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
            dialog.get_by_label("Note").fill("Called us at once: one digit of the number was wrong.")
            dialog.get_by_role("button", name="Preview").click()
            dialog.get_by_label("Preview", exact=True).wait_for()
            picture(page, "reverse", height=1000)
            page.goto(f"/admin/search/?q={quote(known)}")
            page.locator(".page-title").wait_for()
            picture(page, "customer", height=1100)
        browser.close()


if __name__ == "__main__":
    main()
