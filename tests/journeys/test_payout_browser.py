"""Operations follow a payout: what was refused, every item, what was given back; and stop one that waits."""

from collections.abc import Iterator
from typing import Any

import pytest

from payouts import running
from payouts.models import Batch, Item
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, key
from tests.factories import fresh, new_wallet
from tests.journeys import test_admin_browser as desk
from tests.journeys.looks import well_seen
from tests.journeys.test_admin_browser import CHROMIUM, World, action, desk_of, find, heading
from tests.payouts.conftest import lines, person
from transactions.services.reversals import reverse_transaction
from wallets.services import freeze_wallet

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: apt-get install chromium, or set CHROMIUM"),
]

staff, world, browser, troubles, _committed = desk.staff, desk.world, desk.browser, desk.troubles, desk._committed


@pytest.fixture
def page(_committed: None, world: World, browser: Any, live_server: Any, troubles: list[str]) -> Iterator[Any]:
    with desk_of("otieno", Role.OPERATIONS, browser, live_server, troubles) as page:
        yield page


@pytest.mark.django_db(transaction=True)
def test_a_payout_is_read_line_by_line_and_one_that_waits_is_stopped(
    page: Any, world: World, staff: dict[str, User]
) -> None:
    owner, payees = person(90_000_00, full_name="Kazi Rahisi Traders Ltd"), [new_wallet(tier=2) for _ in range(4)]
    freeze_wallet(payees[2], mode="both", reason="stolen phone", actor=None)
    paid = owner.make(lines(payees, 1_250_00), key=key(), label="Wages of March", again=True).json()["payout_id"]
    owner.post(f"/{paid}/approve", key=key())
    running.run_due()
    item = Item.objects.get(batch=paid, line=1)
    reverse_transaction(
        item.transaction_id, amount=250_00, reason_code="wrong_recipient", actor=staff[Role.ADMINISTRATOR],
        idempotency_key=key(),
    )  # fmt: skip

    find(page, "Wages of March")
    page.wait_for_url("**/payouts/batch/**")
    assert "Payout of 4 items" in heading(page)
    assert "3 of 4 paid, 1 refused" in page.locator(".progress").inner_text()
    assert "KES 250.00 given back" in page.locator("body").inner_text()
    well_seen(page)
    page.get_by_role("link", name="All items").click()
    page.get_by_role("link", name="Refused", exact=True).click()
    page.wait_for_url("**state=refused")
    assert page.locator("tbody tr").count() == 1
    well_seen(page)

    waiting = Batch.objects.get(customer=world.wanjiku)
    page.goto(f"/admin/payouts/batch/{waiting.pk}/change/")
    assert "It can be approved until" in page.locator("body").inner_text()
    action(page, "Stop").click()
    dialog = page.get_by_role("dialog", name="Stop")
    dialog.get_by_label("Reason").fill("Wanjiku called: she did not send it.")
    well_seen(page)
    dialog.get_by_role("button", name="Stop the payout").click()
    page.get_by_text("Stopped, and the customer is told.").wait_for()
    page.get_by_role("link", name="Payouts").first.click()
    well_seen(page)

    assert fresh(waiting).state == "cancelled"
    assert_books_balance()
