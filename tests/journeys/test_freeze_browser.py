"""A freeze from the call to its end, in a real browser: placed until a day, tried, extended, lifted, by keyboard alone;
and one for fraud, which two people let go."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, posted, transfer
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import reach, well_seen
from transactions.models import Transaction
from transactions.posting import post_one
from wallets.models import Freeze

pytestmark = two.pytestmark
staff, world, browser, troubles, _committed, desk = (
    two.staff, two.world, two.browser, two.troubles, two._committed, two.desk
)  # fmt: skip


def press(page: Any, wanted: Any, key: str = "Enter") -> None:
    reach(page, wanted)
    page.keyboard.press(key)


def type_in(page: Any, box: Any, text: str) -> None:
    reach(page, box)
    page.keyboard.type(text)


def type_moment(page: Any, box: Any, days: int) -> None:
    """Into a field of day and time, part by part, as an American browser has them."""
    at = now() + timedelta(days=days)
    reach(page, box)
    page.keyboard.type(f"{at:%m%d%Y}")
    page.keyboard.press("ArrowRight")
    page.keyboard.type(f"{at:%I%M%p}")
    assert box.input_value() == f"{at:%Y-%m-%dT%H:%M}"


@pytest.mark.django_db(transaction=True)
def test_a_wallet_is_frozen_until_a_day_tried_extended_and_let_go_without_a_mouse(desk: Any, world: World) -> None:
    page = desk(Role.SUPPORT, "grace", width=900, dark=True)
    day.find(page, "0712 345 678")
    page.wait_for_url("**/change/")
    press(page, page.get_by_role("link", name="KES wallet"))
    page.wait_for_url("**/wallets/wallet/*/change/")
    well_seen(page)
    press(page, day.action(page, "Freeze"))
    dialog = page.get_by_role("dialog", name="Freeze")
    reach(page, dialog.get_by_label("may neither send nor receive", exact=True))
    page.keyboard.press("ArrowDown")
    assert dialog.get_by_label("may not send", exact=True).is_checked()
    type_moment(page, dialog.get_by_label("Until"), 2)
    type_in(page, dialog.get_by_label("Reason"), "Phone stolen in Kisumu")
    well_seen(page)
    press(page, dialog.get_by_role("button", name="Freeze"))
    page.get_by_text("Frozen.", exact=True).wait_for()
    placed = Freeze.objects.get(wallet=world.wallet)
    assert (placed.mode, placed.reason) == ("debit", "Phone stolen in Kisumu")
    assert timedelta(days=1, hours=23) < placed.expires_at - now() <= timedelta(days=2)

    before = posted(world.wallet)
    tried = post_one(transfer(world.wallet, world.johns, 1_00))
    post_one(transfer(world.johns, world.wallet, 1_00)).or_raise()  # it still receives
    refused = Transaction.objects.get(pk=tried.transaction)
    assert (refused.state, refused.refusal_code, posted(world.wallet)) == ("failed", "wallet_frozen", before + 1_00)
    day.find(page, refused.receipt)
    page.locator("#why-was-it-refused").get_by_text("The wallet may not send").wait_for()
    well_seen(page)

    day.find(page, "0712 345 678")
    press(page, page.locator("#freezes").get_by_role("link", name="KES", exact=True))
    page.wait_for_url("**/wallets/freeze/*/change/")
    well_seen(page)
    press(page, day.action(page, "Extend"))
    dialog = page.get_by_role("dialog", name="Extend")
    type_moment(page, dialog.get_by_label("Until"), 9)
    type_in(page, dialog.get_by_label("Reason"), "No answer from the police yet")
    press(page, dialog.get_by_role("button", name="Extend"))
    page.get_by_text("It lasts until").wait_for()
    longer = Freeze.objects.get(wallet=world.wallet, lifted_at=None)
    assert longer.pk != placed.pk and longer.expires_at > now() + timedelta(days=8)

    press(page, day.action(page, "Lift"))
    dialog = page.get_by_role("dialog", name="Lift")
    press(page, dialog.get_by_role("button", name="Lift"))
    dialog.get_by_text("This field is required.").wait_for()
    type_in(page, dialog.get_by_label("Reason"), "She has her number back")
    press(page, dialog.get_by_role("button", name="Lift"))
    page.get_by_text("Lifted.", exact=True).wait_for()
    post_one(transfer(world.wallet, world.johns, 1_00)).or_raise()
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_what_was_frozen_for_fraud_is_let_go_by_compliance_with_a_comment_or_not(desk: Any, world: World) -> None:
    grace = desk(Role.SUPPORT, "grace")
    grace.goto(f"/admin/wallets/wallet/{world.johns.pk}/change/")
    day.action(grace, "Freeze").click()
    dialog = grace.get_by_role("dialog", name="Freeze")
    dialog.get_by_label("Because of").select_option(label="Fraud, or a suspicion of it")
    dialog.get_by_label("Reason").fill("Three callers say he sold them phones")
    dialog.get_by_role("button", name="Freeze").click()
    grace.get_by_text("Frozen.", exact=True).wait_for()

    for time, decision in enumerate(("Reject", "Approve")):
        day.action(grace, "Lift freeze").click()
        dialog = grace.get_by_role("dialog", name="Lift freeze")
        dialog.get_by_label("Reason").fill("He brought the receipts")
        dialog.get_by_role("button", name="Ask for approval").click()
        grace.get_by_text("Asked for.").wait_for()
        assert Freeze.objects.filter(wallet=world.johns, lifted_at=None).exists()

        amina = desk(Role.COMPLIANCE, "amina", width=900, dark=True)
        amina.goto("/admin/staff/approval/?state=open")
        amina.get_by_role("link", name="Let go of the KES wallet of John Otieno").click()
        assert "sends and receives again" in amina.locator("#impact").inner_text()
        well_seen(amina)
        day.action(amina, decision).click()
        dialog = amina.get_by_role("dialog", name=decision)
        if time == 0:
            dialog.get_by_role("button", name=decision).click()
            dialog.get_by_text("This field is required.").wait_for()
            well_seen(amina)
        dialog.get_by_label("Comment" if time else "Why not").fill("Seen them" if time else "Which? Attach them.")
        dialog.get_by_role("button", name=decision).click()
        amina.get_by_text("Approved and done." if time else "Rejected.").wait_for()
        grace.goto(f"/admin/wallets/wallet/{world.johns.pk}/change/")

    assert not Freeze.objects.filter(wallet=world.johns, lifted_at=None).exists()
    assert_books_balance()
