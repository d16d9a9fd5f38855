"""What a tier still allows in a wallet, as the customer asks."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client

from customers.models import Customer, TierLimit
from tests.books import fund, transfer
from tests.factories import new_wallet, signed_in
from transactions.models import Usage
from transactions.posting import post_one
from wallets.models import Wallet

pytestmark = pytest.mark.django_db
NOON = datetime(2027, 3, 15, 12, tzinfo=UTC)


@pytest.fixture
def wallet() -> Wallet:
    wallet = new_wallet(full_name="Aline Mukamana")
    fund(wallet, 50_000_00)
    return wallet


def limits(wallet: Wallet, client: Client) -> dict[str, Any]:
    answer = client.get(f"/v1/wallets/{wallet.pk}/limits", headers=signed_in(wallet.customer))
    assert answer.status_code == 200
    return dict(answer.json())


def test_what_has_left_counts_and_what_was_refused_does_not(client: Client, wallet: Wallet) -> None:
    payee = new_wallet()
    fund(payee, 5_00)
    for amount in (1_000_00, 500_00, 90_000_000_00):
        post_one(transfer(wallet, payee, amount))
    post_one(transfer(payee, wallet, 5_00)).or_raise()

    assert limits(wallet, client) == {
        "wallet_id": str(wallet.pk), "currency": "KES", "tier": 0, "per_movement": "100000.00",
        "day": {"limit": "130000.00", "used": "1500.00", "left": "128500.00"},
        "month": {"limit": "1000000.00", "used": "1500.00", "left": "998500.00"}, "balance": "300000.00",
    }  # fmt: skip


def test_days_and_months_are_those_of_the_customers_country(client: Client, wallet: Wallet) -> None:
    """In Nairobi the day begins at 21:00 UTC of the day before."""
    for day, amount in ((14, 1_00), (15, 20_00), (1, 300_00)):
        Usage.objects.create(wallet_id=wallet.pk, day=NOON.date().replace(day=day), amount=amount, count=1)
    Usage.objects.create(wallet_id=wallet.pk, day=datetime(2027, 2, 28).date(), amount=4_000_00, count=1)

    used = []
    for at in (NOON, NOON.replace(hour=20, minute=59), NOON.replace(hour=21), datetime(2027, 3, 31, 21, tzinfo=UTC)):
        with time_machine.travel(at, tick=False):
            found = limits(wallet, client)
        used.append((found["day"]["used"], found["month"]["used"]))

    assert used == [("20.00", "321.00"), ("20.00", "321.00"), ("0.00", "321.00"), ("0.00", "0.00")]


def test_without_a_limit_nothing_is_left_to_say_and_never_less_than_nothing(client: Client, wallet: Wallet) -> None:
    day = (NOON - timedelta(days=365 * 2)).date()
    TierLimit.objects.create(
        country_id="KE", currency="KES", tier=5, per_movement=None, per_day=1_000_00, per_month=None, balance=None,
        effective_from=day, source="test",
    )  # fmt: skip
    Customer.objects.filter(pk=wallet.customer_id).update(tier=5)
    with time_machine.travel(NOON, tick=False):
        Usage.objects.create(wallet_id=wallet.pk, day=NOON.date(), amount=1_500_00, count=1)
        found = limits(wallet, client)

    assert found["day"] == {"limit": "1000.00", "used": "1500.00", "left": "0.00"}
    assert found["month"] == {"limit": None, "used": "1500.00", "left": None}
    assert found["per_movement"] is found["balance"] is None


def test_where_no_limits_are_set_it_says_so(client: Client, wallet: Wallet) -> None:
    Customer.objects.filter(pk=wallet.customer_id).update(tier=9)

    answer = client.get(f"/v1/wallets/{wallet.pk}/limits", headers=signed_in(wallet.customer))

    assert (answer.status_code, answer.json()["code"]) == (422, "limits_not_set")
