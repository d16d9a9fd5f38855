"""A hold in the back office: its story, what is left and until when; voiding it; who has what set aside for whom."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from customers.errors import LinkedCustomer
from customers.links import declare_link
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, member
from tests.books import assert_books_balance
from tests.holding import capture, state_of
from transactions.posting import post_one
from transactions.services.holds import void_by_staff
from wallets.models import Wallet


def page(client: Client, model: str, pk: object) -> str:
    return client.get(reverse(f"admin:{model}_change", args=[pk])).text


def test_its_page_tells_what_was_captured_and_what_is_left(support: Client, world: World) -> None:
    hold = world.promised(60_00)
    part = post_one(capture(hold.pk, 20_00)).or_raise()
    post_one(capture(hold.pk, 90_00))

    shown = page(support, "transactions_transaction", hold.pk)

    assert "Captures: KES 40.00 left" in shown
    assert re.search(r">\s*Left\s*<.{0,200}40\.00", shown, re.DOTALL), "at the top, where one looks first"
    assert "Expires" in shown and "It is set aside in the payer&#x27;s wallet." in shown
    assert shown.count("More than what is left of the hold") == 0  # that is told on the page of the attempt
    assert reverse("admin:transactions_transaction_void", args=[hold.pk]) in shown
    assert reverse("admin:transactions_transaction_release", args=[hold.pk]) not in shown  # no rail has it
    of_part = page(support, "transactions_transaction", part.transaction)
    assert "Captured of" in of_part and hold.receipt[:3] in of_part


def test_the_list_has_the_open_ones_with_what_is_left_until_when(support: Client, world: World) -> None:
    hold, over = world.promised(60_00), world.promised(10_00)
    post_one(capture(over.pk))
    post_one(capture(hold.pk, 20_00)).or_raise()
    post_one(capture(hold.pk, 90_00))  # refused: it counts for nothing
    url = reverse("admin:transactions_transaction_changelist")
    listed = support.get(url, {"state": "held"}).text

    assert str(hold.pk) in listed and str(over.pk) not in listed
    assert all(figure in listed for figure in ("60.00", "20.00", "40.00"))
    assert "Expires" in listed and "Expires" not in support.get(url).text


def test_one_that_was_captured_is_among_the_movements_of_both_wallets(support: Client, world: World) -> None:
    hold = world.promised(60_00)
    post_one(capture(hold.pk, 20_00, final=True)).or_raise()
    assert hold.payee and state_of(hold.pk) == "completed"
    url = reverse("admin:transactions_transaction_changelist")

    for of in (
        {"wallet": world.wallet.pk}, {"wallet": hold.payee_id, "kind": "hold"}, {"customer": hold.payee.customer_id},
    ):  # fmt: skip
        assert str(hold.pk) in support.get(url, of).text, of


def test_customer_and_wallet_say_what_is_held_for_whom_until_when(support: Client, world: World) -> None:
    hold = world.promised(60_00)
    post_one(capture(hold.pk, 20_00)).or_raise()
    assert hold.payee

    for shown in (
        page(support, "wallets_wallet", world.wallet.pk), page(support, "customers_customer", world.wanjiku.pk),
    ):  # fmt: skip
        assert "Held" in shown and hold.payee.customer.full_name in shown and "40.00" in shown


def test_voiding_takes_a_reason_and_leaves_a_row(support: Client, world: World) -> None:
    hold = world.promised(60_00)
    url = reverse("admin:transactions_transaction_void", args=[hold.pk])

    post_one(capture(hold.pk, 20_00)).or_raise()
    asked = support.get(url).text
    assert "KES 40.00 and what is held for its fee are the payer&#x27;s again" in asked and "merchant are told" in asked
    support.post(url, {"reason": "The shop closed."})

    assert state_of(hold.pk) == "completed"
    record = AuditRecord.objects.get(action="void")
    assert (record.before, record.after, record.reason) == ("pending", "completed", "The shop closed.")
    assert "Only a hold that is open can be voided." in support.get(url).text
    assert_books_balance()


def test_nobody_voids_for_those_close_to_them(db: None, aline: Wallet, world: World) -> None:
    agent: User = member(Role.SENIOR_SUPPORT, "agnes")
    hold = world.promised(60_00)
    declare_link(agent, world.wanjiku, relation="own", actor=agent)

    with pytest.raises(LinkedCustomer):
        void_by_staff(hold.pk, actor=agent, reason="mine")

    assert state_of(hold.pk) == "pending"
