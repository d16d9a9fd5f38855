"""What a recipient has spent: support asks, finance decides, collects what has come in and writes off the rest; and a
colleague who is close to the debtor is told that it is not theirs to decide."""

from typing import Any

import pytest

from customers.links import declare_link
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, member
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import fresh
from tests.journeys import test_admin_browser as day
from tests.journeys import test_approval_browser as two
from tests.journeys.looks import well_seen
from transactions.models import Receivable
from transactions.posting import post_one

pytestmark = day.pytestmark
staff, world, browser, troubles, _committed, desk = (
    two.staff, two.world, two.browser, two.troubles, two._committed, two.desk,
)  # fmt: skip


def approve_first(page: Any, title: str) -> None:
    page.goto("/admin/staff/approval/?state=open")
    page.get_by_role("link", name=title).click()
    day.action(page, "Approve").click()
    dialog = page.get_by_role("dialog", name="Approve")
    dialog.get_by_role("button", name="Approve").click()
    page.get_by_text("Approved and done.").wait_for()


def fits(page: Any) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.django_db(transaction=True)
def test_the_sender_gets_all_back_and_the_debt_is_collected_and_written_off(desk: Any, world: World) -> None:
    payment = world.send(600_00)
    post_one(transfer(world.johns, world.wallet, posted(world.johns) - 50_00)).or_raise()
    had = posted(world.wallet)
    grace = desk(Role.SUPPORT, "grace")
    grace.goto(f"/admin/transactions/transaction/{payment.pk}/change/")
    day.action(grace, "Reverse").click()
    dialog = grace.get_by_role("dialog", name="Reverse")
    dialog.get_by_label("Why").select_option(label="Sent to the wrong person")
    dialog.get_by_label("Note").fill("Ticket 5001")
    dialog.get_by_role("button", name="Preview").click()
    dialog.get_by_role("button", name="Preview all of it, KES 550.00 owed by the recipient").click()
    dialog.get_by_text("Finance decides whether the recipient owes us the rest.").wait_for()
    well_seen(grace)
    dialog.get_by_role("button", name="Ask for approval of KES 600.00").click()
    grace.get_by_text("Asked for.").wait_for()

    farida = desk(Role.FINANCE_CHECKER, "farida", width=900, dark=True)
    declare_link(User.objects.get(username="farida"), world.john, relation="family",
                 actor=User.objects.get(username="farida"))  # fmt: skip
    farida.goto("/admin/staff/approval/?state=open")
    farida.get_by_role("link", name="Reverse KES 600.00").click()
    farida.locator(".notice").get_by_text("This is about somebody you are linked to.").wait_for()
    day.action(farida, "Approve").click()
    farida.get_by_role("dialog", name="Approve").get_by_text("so a colleague decides").wait_for()

    joyce = desk(Role.FINANCE_CHECKER, "joyce", width=900)
    approve_first(joyce, "Reverse KES 600.00")
    assert (posted(world.wallet) - had, posted(world.johns)) == (600_00, 0)

    fund(world.johns, 100_00)
    samuel = desk(Role.FINANCE, "samuel", width=900, dark=True)
    samuel.goto("/admin/transactions/receivable/?state=open")
    assert fits(samuel)
    samuel.locator("#result_list").get_by_role("link", name="John Otieno").click()
    assert fits(samuel)
    for name, amount in (("Collect", "100"), ("Write off", "450")):
        day.action(samuel, name).click()
        dialog = samuel.get_by_role("dialog", name=name)
        dialog.get_by_label("Amount in KES").fill(amount)
        dialog.get_by_label("Reason").fill("Ticket 5001")
        well_seen(samuel)
        dialog.get_by_role("button", name="Ask for approval").click()
        samuel.get_by_text("Asked for.").wait_for()
        approve_first(joyce, f"{name} KES {amount}.00")
        samuel.reload()

    row = Receivable.objects.get(transaction=payment)
    assert fresh(row).account.posted == 0
    assert "Settled" in day.heading(samuel)
    assert samuel.locator("#what-was-booked tbody tr").count() == 3
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_one_says_who_is_close_and_then_asks_for_what_one_did_alone(desk: Any, world: World) -> None:
    member(Role.SUPPORT, "grace")
    grace = desk(Role.SUPPORT, "grace", width=900)
    grace.goto("/admin/customers/stafflink/")
    grace.get_by_role("link", name="Declare my own").click()
    dialog = grace.get_by_role("dialog", name="Declare my own")
    dialog.get_by_label("Customer").fill("0712 345 678")
    dialog.get_by_label("Relation").select_option(label="In one household")
    dialog.get_by_role("button", name="Declare").click()
    grace.get_by_text("It is on record, and counts.").wait_for()
    assert fits(grace)

    grace.goto(f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    grace.locator(".notice").get_by_text("This is about somebody you are linked to.").wait_for()
    day.action(grace, "Suspend").click()
    dialog = grace.get_by_role("dialog", name="Suspend")
    dialog.get_by_text("Nothing happens until an unlinked colleague approves it.").wait_for()
    dialog.get_by_label("Reason").fill("She asked me to.")
    dialog.get_by_role("button", name="Ask for approval").click()
    grace.get_by_text("Asked for.").wait_for()
    assert fresh(world.wanjiku).state == "active"
