"""Receivables in the back office: asked for by the reversal dialog, decided by finance, collected, written off."""

from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from staff.approvals import approve
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.admin.test_reverse_dialog import opened, previewed
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import fresh
from transactions import tariff
from transactions.models import FeeRule, Receivable, ReversalReason, Transaction
from transactions.posting import post_one

pytestmark = pytest.mark.django_db
LIST = "/admin/transactions/receivable/"


def dialog(name: str, row: Any) -> str:
    return reverse(f"admin:transactions_{row._meta.model_name}_{name}", args=[row.pk])


@pytest.fixture
def spent(world: World) -> Transaction:
    """Of 600.00 that Wanjiku sent John, he has 50.00 left of everything."""
    payment = world.send(600_00)
    post_one(transfer(world.johns, world.wallet, posted(world.johns) - 50_00)).or_raise()
    return payment


@pytest.fixture
def owed(support: Client, spent: Transaction, world: World, staff: dict[str, User]) -> Receivable:
    typed = opened(support, spent)
    url = dialog("reverse", spent)
    form = support.post(url, {**typed, "step": "owe"}).context["form"]
    support.post(url, {**typed, "owe": "on", "agreed": form.data["agreed"], "step": "confirm"})
    approve(Approval.objects.get(operation="receivable").pk, actor=staff[Role.FINANCE_CHECKER])
    return Receivable.objects.get(transaction=spent)


def test_the_dialog_offers_that_the_rest_is_owed_and_asks_finance(
    support: Client, spent: Transaction, world: World
) -> None:
    answer, typed = previewed(support, spent)
    assert "Preview KES 50.00 instead" in answer.text
    assert "Preview all of it, KES 550.00 owed by the recipient" in answer.text

    shown = support.post(dialog("reverse", spent), {**typed, "step": "owe"})
    assert "The recipient will owe us" in shown.text and "Finance decides" in shown.text
    assert "Ask for approval of KES 600.00" in shown.text
    agreed = shown.context["form"].data["agreed"]
    support.post(dialog("reverse", spent), {**typed, "owe": "on", "agreed": agreed, "step": "confirm"})

    asked = Approval.objects.get(operation="receivable")
    assert (asked.state, asked.params["owed_minor"], asked.params["amount_minor"]) == ("open", 550_00, 600_00)
    assert posted(world.johns) == 50_00


def test_what_was_agreed_to_is_asked_for_and_nothing_else(support: Client, spent: Transaction, world: World) -> None:
    typed = opened(support, spent)
    agreed = support.post(dialog("reverse", spent), {**typed, "step": "owe"}).context["form"].data["agreed"]
    fund(world.johns, 10_00)

    answer = support.post(dialog("reverse", spent), {**typed, "owe": "on", "agreed": agreed, "step": "confirm"})

    assert "The figures have changed since the preview" in answer.text
    assert not Approval.objects.filter(operation="receivable").exists()


def test_a_request_whose_figures_are_over_says_what_is_lacking_now_and_what_to_do(
    support: Client, checker: Client, spent: Transaction, world: World
) -> None:
    typed = opened(support, spent)
    agreed = support.post(dialog("reverse", spent), {**typed, "step": "owe"}).context["form"].data["agreed"]
    support.post(dialog("reverse", spent), {**typed, "owe": "on", "agreed": agreed, "step": "confirm"})
    asked = Approval.objects.get(operation="receivable")

    for more, lacks in ((100_00, "lacks KES 450.00"), (900_00, "lacks nothing")):
        fund(world.johns, more)
        said = f"The recipient now {lacks}; asked for was that they owe KES 550.00. Reject or withdraw it, so that it"
        for url in (f"/admin/staff/approval/{asked.pk}/change/", f"/admin/staff/approval/{asked.pk}/approve/"):
            assert said in checker.get(url).text, url
    checker.post(f"/admin/staff/approval/{asked.pk}/reject/", {"comment": "He has it all now."})
    assert fresh(asked).state == "rejected"


def test_the_list_and_the_pages_say_who_owes_what(support: Client, owed: Receivable, world: World) -> None:
    shown = support.get(f"{LIST}?state=open").content.decode()
    assert "John Otieno" in shown and "550.00" in shown
    assert "550.00" not in support.get(f"{LIST}?state=settled").content.decode()
    case = support.get(f"{LIST}{owed.pk}/change/").content.decode()
    assert "What was booked" in case and "More owed" in case
    for model, pk in (
        ("wallets/wallet", world.johns.pk), ("customers/customer", world.john.pk),
        ("transactions/transaction", owed.transaction_id),
    ):  # fmt: skip
        assert "Owed to us" in support.get(f"/admin/{model}/{pk}/change/").content.decode()


def test_finance_collects_and_writes_off_with_a_second_person(
    finance: Client, support: Client, owed: Receivable, world: World, staff: dict[str, User]
) -> None:
    assert support.get(dialog("collect", owed)).status_code == 403
    assert "nothing that could be taken" in finance.get(dialog("collect", owed)).content.decode()
    fund(world.johns, 100_00)
    assert 'value="100.00"' in finance.get(dialog("collect", owed)).content.decode()

    for name, amount, left in (("collect", "100", 450_00), ("write_off", "450.00", 0)):
        answer = finance.post(dialog(name, owed), {"amount": amount, "reason": "case 31"}, follow=True)
        assert "waits for a second person" in answer.content.decode()
        approve(Approval.objects.get(state="open", operation__in=["collection", "write_off"]).pk,
                actor=staff[Role.FINANCE_CHECKER])  # fmt: skip
        assert fresh(owed).account.posted == left

    assert "Nothing of it is owed any more." in finance.get(dialog("collect", owed)).content.decode()
    assert_books_balance()


@pytest.mark.parametrize("amount", ["550.01", "0", "-1", "x", "1.005", ""])
def test_more_than_is_owed_and_nonsense_is_refused_in_the_dialog(
    finance: Client, owed: Receivable, amount: str
) -> None:
    answer = finance.post(dialog("write_off", owed), {"amount": amount, "reason": "case 31"})

    assert answer.context["form"].errors
    assert not Approval.objects.filter(operation="write_off").exists()


def test_the_trial_balance_has_a_line_for_all_of_them(finance: Client, owed: Receivable) -> None:
    books = finance.get("/admin/finance/trial-balance/").content.decode()
    assert "asset:receivable" in books and "550.00" in books
    accounts = finance.get("/admin/finance/trial-balance/accounts/?line=asset:receivable&currency=KES").content.decode()
    assert "John Otieno" in accounts and "550.00" in accounts
    now = finance.get("/admin/finance/books-now/").content.decode()
    assert "Owed to us" in now and "550.00" in now


# --- Reasons ---------------------------------------------------------------------------------------------------------


def test_a_reason_is_changed_by_two_people_and_says_what_becomes_of_the_fee(
    finance: Client, checker: Client, world: World, staff: dict[str, User]
) -> None:
    reason = ReversalReason.objects.get(pk="customer_request")
    url = dialog("propose_next", reason)
    assert "The fee stays with us" in finance.get(f"/admin/transactions/reversalreason/{reason.pk}/change/").text
    asked = {"title": reason.title, "fee": "share", "is_active": "on", "reason": "board, 3 March"}

    assert "waits for a second person" in finance.post(url, asked, follow=True).text
    assert not fresh(reason).refunds_fee
    approval = Approval.objects.get(operation="reversal_reason")
    assert ["Fee", "The fee stays with us → Each part takes its share of the fee along"] in approval.preview["facts"]
    approve(approval.pk, actor=staff[Role.FINANCE_CHECKER])

    assert fresh(reason).fee_policy == "Each part takes its share of the fee along"
    shown = finance.get("/admin/transactions/reversalreason/").text
    assert "Each part takes its share of the fee along" in shown


def test_a_new_reason_has_a_code_that_stays(finance: Client, world: World, staff: dict[str, User]) -> None:
    url = reverse("admin:transactions_reversalreason_propose")
    asked = {"title": "Court order", "fee": "last", "is_active": "on", "reason": "legal"}
    assert "code" in finance.post(url, asked | {"code": "Court Order!"}).context["form"].errors

    finance.post(url, asked | {"code": "court_order"})
    approve(Approval.objects.get(operation="reversal_reason").pk, actor=staff[Role.FINANCE_CHECKER])

    row = ReversalReason.objects.get(pk="court_order")
    assert (row.refunds_fee, row.fee_by_share, row.is_active) == (True, False, True)


def test_the_preview_says_what_becomes_of_the_fee_and_that_is_posted(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    FeeRule.objects.create(kind="transfer", currency="KES", flat=3_01, effective_from=date(2025, 1, 1))
    tariff.forget()
    payment = world.send(100_00)
    ReversalReason.objects.filter(pk="duplicate").update(fee_by_share=True)
    had = posted(world.wallet)

    answer, typed = previewed(support, payment, amount="50", reason_code="duplicate")
    assert "goes back too" in answer.text and "1.51" in answer.text  # 1.505, half up
    assert "Each part takes its share of the fee along" in answer.text
    support.post(dialog("reverse", payment), {**typed, "step": "confirm"})

    assert posted(world.wallet) - had == 50_00 + 1_51
    kept, _ = previewed(support, payment, amount="50", reason_code="customer_request")
    assert "Nothing of the fee goes back with this." in kept.text and "The fee stays with us" in kept.text
    last, _ = previewed(support, payment, amount="50", reason_code="fraud")
    assert "1.50" in last.text  # what is left of it, and no more
    assert_books_balance()
    tariff.forget()
