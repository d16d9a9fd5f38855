"""A business with money, who approves for it, and people to pay."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from customers.models import Customer
from tests.books import fund, key
from tests.factories import CustomerFactory, new_wallet, signed_in
from wallets.models import Wallet

FUNDS = 10_000_000


class Person:
    """A signed-in customer at the doors of the API."""

    def __init__(self, customer: Customer, wallet: Wallet | None = None) -> None:
        self.customer, self.wallet, self.headers = customer, wallet, signed_in(customer)

    def get(self, path: str, **query: Any) -> Any:
        return Client().get(f"/v1/payouts{path}", query_params=query, headers=self.headers)

    def post(self, path: str, body: Any = None, *, key: str = "", **extra: Any) -> Any:
        headers = self.headers | ({"Idempotency-Key": key} if key else {})
        return Client().post(
            f"/v1/payouts{path}", json.dumps(body or {}), content_type="application/json", headers=headers, **extra
        )

    def send(self, content: bytes, **options: Any) -> Any:
        """A CSV as it is."""
        query = {"from_wallet_id": str(self.wallet.pk)} | options  # type: ignore[union-attr]
        headers = self.headers | {"Idempotency-Key": options.pop("key", key())}
        query.pop("key", None)
        return Client().post("/v1/payouts", content, content_type="text/csv", query_params=query, headers=headers)

    def make(self, items: list[dict[str, Any]], *, key: str, **options: Any) -> Any:
        assert self.wallet
        return self.post("", {"from_wallet_id": str(self.wallet.pk), "items": items} | options, key=key)


def person(funds: int = 0, **fields: Any) -> Person:
    customer = CustomerFactory.create(**{"tier": 2} | fields)
    wallet = new_wallet(customer)
    if funds:
        fund(wallet, funds)
    return Person(customer, wallet)


@pytest.fixture
def business(db: None) -> Person:
    return person(FUNDS, full_name="Kazi Ltd", account_type="sme")


@pytest.fixture
def approver(business: Person) -> Person:
    """Somebody who has agreed to approve for the business."""
    found = person(full_name="Wanjiru Kamau")
    named = business.post("/approvers", {"phone_number": found.customer.phone_number})
    assert named.status_code == 201
    assert found.post(f"/approvers/{named.json()['approver_id']}/accept").status_code == 200
    return found


@pytest.fixture
def staff_of(db: None) -> Callable[[int], list[Wallet]]:
    return lambda count: [new_wallet(tier=2) for _ in range(count)]


def lines(wallets: list[Wallet], amount: int = 100_00) -> list[dict[str, Any]]:
    return [
        {"to": {"phone_number": wallet.customer.phone_number}, "amount": f"{amount // 100}.{amount % 100:02}",
         "name": wallet.customer.full_name, "reference": f"E-{number}"}
        for number, wallet in enumerate(wallets)
    ]  # fmt: skip
