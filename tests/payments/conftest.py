"""A shop in Kigali, and Aline who pays it."""

from typing import Any

import pytest

from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Session
from tests.books import fund, key
from tests.factories import CustomerFactory
from transactions.models import Transaction
from transactions.posting import post_one
from transactions.services.payments import PaymentOrder, pay
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import open_wallet


def principal(wallet: Wallet) -> CustomerPrincipal:
    session = Session.objects.create(customer_id=wallet.customer_id)
    return CustomerPrincipal(wallet.customer_id, session.pk)


def merchant(full_name: str, phone_number: str) -> Wallet:
    customer = CustomerFactory(
        full_name=full_name, phone_number=phone_number, country_id="RW", tier=2, account_type=AccountType.SME
    )
    return open_wallet(customer, "RWF", actor=customer)


@pytest.fixture
def shop(db: None) -> Wallet:
    return merchant("Kimironko Fresh Foods", "+250788000009")


@pytest.fixture
def payer(aline: Wallet) -> Wallet:
    fund(aline, 50_000)
    return aline


def paid(payer: Wallet, shop: Wallet, amount: int, **extra: Any) -> Transaction:
    """A payment that was made; RWF has no decimals."""
    order = PaymentOrder(
        from_wallet_id=payer.pk, to=Address("wallet", str(shop.pk)), amount=Money(amount, "RWF"), **extra
    )
    outcome = pay(order, actor=principal(payer), idempotency_key=key(), post=post_one).or_raise()
    return Transaction.objects.get(pk=outcome.transaction)
