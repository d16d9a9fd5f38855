"""The dialog of an adjustment: finance names two accounts, a colleague sees the lines and approves."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ledger import chart
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, posted
from transactions.models import Transaction
from transactions.services.adjustments import house_accounts

URL = reverse("admin:transactions_transaction_adjust")


def place(code: str) -> str:
    """How the dialog calls an account of ours."""
    return str(house_accounts(code.rpartition(":")[2]).index(code))


@pytest.fixture
def goodwill(world: World) -> dict[str, Any]:
    return {
        "currency": "KES", "amount": "1,250.50", "debit": place(chart.adjustments("KES")), "debit_wallet": "",
        "credit": "wallet", "credit_wallet": "0712 345 678", "reason": "Paid twice at the till, ticket 88",
    }  # fmt: skip


def test_finance_asks_an_administrator_approves_and_the_books_balance(
    finance: Client, administrator: Client, world: World, goodwill: dict[str, Any], staff: dict[str, User]
) -> None:
    before = posted(world.wallet)

    asked = finance.post(URL, goodwill, follow=True)
    approval = Approval.objects.get(operation="adjustment")

    assert "Asked for." in asked.text
    assert asked.request["PATH_INFO"] == reverse("admin:staff_approval_change", args=[approval.pk])
    assert "You asked for this yourself" in asked.text
    assert posted(world.wallet) == before
    for url in (
        reverse("admin:wallets_wallet_change", args=[world.wallet.pk]),
        reverse("admin:customers_customer_change", args=[world.wanjiku.pk]),
        reverse("admin:ledger_account_change", args=[world.wallet.account_id]),
    ):
        assert "Waiting for approval since" in finance.get(url).text, url
    page = administrator.get(reverse("admin:staff_approval_change", args=[approval.pk])).text
    for said in (
        "wallet of Wanjiku Kamau",
        "KES 1,250.50",
        "Paid twice at the till",
        "expense:adjustments:KES",
        "9,950.50",
    ):
        assert said in page, said

    done = administrator.post(
        reverse("admin:staff_approval_approve", args=[approval.pk]), {"agreed": approval.digest, "comment": "Seen"},
        follow=True,
    )  # fmt: skip

    assert "Approved and done." in done.text
    assert posted(world.wallet) == before + 1_250_50
    txn = Transaction.objects.get(kind="adjustment")
    story = finance.get(reverse("admin:transactions_transaction_change", args=[txn.pk])).text
    for said in (
        "Adjustment",
        "our books",
        "Finance Person (finance maker)",
        "Paid twice at the till",
        "expense:adjustments:KES",
    ):
        assert said in story, said
    assert (
        "An adjustment is undone by another one"
        in administrator.get(reverse("admin:transactions_transaction_reverse", args=[txn.pk])).text
    )
    listed = finance.get(reverse("admin:transactions_transaction_changelist") + "?kind=adjustment")
    assert list(listed.context["cl"].result_list) == [txn]
    assert_books_balance()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"amount": "1.005"}, "KES has 2 decimals"),
        ({"amount": "0"}, "An amount must be above zero"),
        ({"amount": ""}, "This field is required"),
        ({"amount": "99999999999999999999"}, "is not an amount of money"),
        ({"credit_wallet": ""}, "No open KES wallet is named by this"),
        ({"credit_wallet": "nobody@example.com"}, "No open KES wallet is named by this"),
        ({"credit_wallet": "wanjiku"}, "No open KES wallet is named by this"),
        ({"currency": "EUR"}, "No open EUR wallet is named by this"),
        ({"debit": "wallet", "debit_wallet": "wanjiku@example.com"}, "Debit one account and credit another"),
        ({"debit_wallet": "wanjiku@example.com"}, "Only where a wallet is chosen"),
        ({"debit": "99"}, "Select a valid choice"),
        ({"debit": "equity"}, "Select a valid choice"),
        ({"reason": " "}, "This field is required"),
        ({"debit": "wallet", "debit_wallet": "0712345679", "amount": "5000"}, "Not enough money available"),
    ],
)
def test_what_cannot_be_is_explained_and_not_asked_for(
    finance: Client, world: World, goodwill: dict[str, Any], changed: dict[str, Any], said: str
) -> None:
    answer = finance.post(URL, goodwill | changed)

    assert said in answer.text
    assert not Approval.objects.filter(operation="adjustment").exists()


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.ADMINISTRATOR])
def test_only_finance_asks(request: Any, world: World, goodwill: dict[str, Any], role: str) -> None:
    client = request.getfixturevalue(role)

    assert client.get(URL).status_code == client.post(URL, goodwill).status_code == 403
    assert "New adjustment" not in client.get(reverse("admin:transactions_transaction_changelist")).text


def test_a_wallet_is_named_by_its_id_too(finance: Client, world: World, goodwill: dict[str, Any]) -> None:
    finance.post(URL, goodwill | {"credit_wallet": str(world.johns.pk)})

    approval = Approval.objects.get(operation="adjustment")
    assert approval.params["credit"] == chart.wallet_account(world.johns.pk)
    assert approval.params["amount_minor"] == 1_250_50
