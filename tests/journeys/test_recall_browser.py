"""A case from the call to the answer, in a real browser: the claim, the hold, notes and a file, what was answered."""

from typing import Any

import pytest

from recalls.models import Recall, RecallState
from tests.admin.conftest import World
from tests.books import assert_books_balance, available, posted
from tests.factories import fresh
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import CHROMIUM, action, find, heading

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, page, _committed = (
    desk.staff, desk.world, desk.browser, desk.troubles, desk.page, desk._committed
)  # fmt: skip


@pytest.fixture(autouse=True)
def _folder(tmp_path: Any, settings: Any) -> None:
    settings.NOTE_FILES_DIR = tmp_path


@pytest.mark.django_db(transaction=True)
def test_a_payment_to_the_wrong_number_is_held_asked_for_and_given_back(page: Any, world: World) -> None:
    before = posted(world.wallet)
    find(page, world.undone.receipt)
    page.wait_for_url("**/change/")
    page.get_by_role("link", name="Open a recall").click()
    dialog = page.get_by_role("dialog", name="Open a recall")
    assert dialog.get_by_label("Receipt").input_value() == world.undone.receipt
    dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
    dialog.get_by_label("Note").fill("Wanjiku called from her number: one digit was wrong.")
    well_seen(page)
    dialog.get_by_role("button", name="Hold it and ask").press("Enter")

    page.get_by_text("KES 300.00 of KES 300.00 is held, and both are told.").wait_for()
    assert "Recall of" in heading(page)
    recall = Recall.objects.get(transaction=world.undone)
    assert available(world.johns) == posted(world.johns) - 300_00

    action(page, "Add note").click()
    dialog = page.get_by_role("dialog", name="Add note")
    dialog.get_by_label("Note").fill("John calls back tomorrow.")
    dialog.get_by_label("File").set_input_files(
        {"name": "letter.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 a letter"}
    )
    dialog.get_by_role("button", name="Add note").click()
    page.get_by_text("Noted.", exact=True).wait_for()
    with page.expect_download() as fetched:
        page.locator("#notes").get_by_role("link", name="letter.pdf").click()
    assert fetched.value.suggested_filename == "letter.pdf"

    action(page, "They agreed").click()
    dialog = page.get_by_role("dialog", name="They agreed")
    assert "KES 300.00 goes back to Wanjiku Kamau" in dialog.inner_text()
    well_seen(page)
    dialog.get_by_label("Note").fill("He called from his number and is sorry.")
    dialog.get_by_role("button", name="They agreed").click()

    page.get_by_text("It went back.", exact=True).wait_for()
    well_seen(page)
    story = page.locator(".timeline").inner_text()
    for said in ("Claimed back", "one digit was wrong", "John calls back tomorrow", "The recipient agreed", "is sorry"):
        assert said in story, said
    assert fresh(recall).state == RecallState.CONSENTED
    assert posted(world.wallet) == before + 300_00
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_its_pages_fit_and_are_read_in_light_and_dark(page: Any, world: World) -> None:
    for address in (
        f"/admin/recalls/recall/{world.recall.pk}/change/", "/admin/recalls/recall/", "/admin/recalls/recall/open/",
        "/admin/notes/note/", "/admin/answers/", f"/admin/transactions/transaction/{world.undone.pk}/change/",
    ):  # fmt: skip
        page.goto(address)
        well_seen(page)
