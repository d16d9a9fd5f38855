"""Rows for tests, as the services would have made them."""

from datetime import date
from typing import Any

import factory
from django.contrib.auth.hashers import make_password
from factory.django import DjangoModelFactory

from customers.models import AccountType, Customer
from customers.tokens import Tokens, start_session
from statements.models import Statement, StatementSettings
from statements.periods import Days
from statements.selectors import figures
from statements.services import keep
from wallets.models import Wallet
from wallets.services import open_wallet

PASSWORD = "a long enough sentence"


class CustomerFactory(DjangoModelFactory[Customer]):
    """An active Kenyan on tier 0 whose password is PASSWORD."""

    class Meta:
        model = Customer

    full_name = factory.Sequence(lambda n: f"Mary Wanjiku {n}")
    email = factory.Sequence(lambda n: f"mary{n}@example.com")
    phone_number = factory.Sequence(lambda n: f"+2547{10_000_000 + n}")
    country_id = "KE"
    account_type = AccountType.INDIVIDUAL
    password = factory.LazyFunction(lambda: make_password(PASSWORD))


def signed_in(customer: Customer) -> dict[str, str]:
    """Headers of a fresh session, for Django's test client: ``client.get("/v1/me", headers=signed_in(customer))``."""
    return bearer(start_session(customer))


def bearer(tokens: Tokens) -> dict[str, Any]:
    return {"Authorization": f"Bearer {tokens.access_token}"}


def new_wallet(customer: Customer | None = None, currency: str | None = None, **fields: Any) -> Wallet:
    """An open, empty wallet of ``customer``, or of a new one with these ``fields``; in the country's currency."""
    customer = customer or CustomerFactory.create(**fields)
    return open_wallet(customer, currency or customer.country.currency, actor=None)


def empty_statement(wallet: Wallet) -> Statement:
    """Its first, of a day before there was anything."""
    days = Days(date(2020, 1, 1), date(2020, 1, 1), wallet.customer.country.timezone)
    settings = StatementSettings(wallet=wallet, every="daily")
    return keep(wallet, settings, figures(wallet, days))


def fresh(row: Any) -> Any:
    """The row as it is in the database now; ``refresh_from_db`` stops at a protected state."""
    return type(row)._base_manager.get(pk=row.pk)
