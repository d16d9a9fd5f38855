"""Customers and wallets by the thousand."""

import pytest
from django.contrib.auth.hashers import make_password

from core.models import AuditRecord
from customers.errors import AlreadyRegistered, CountryNotOpen
from customers.models import Customer
from customers.services import Newcomer
from customers.services import sign_in as customer_sign_in
from tests.books import assert_books_balance, fund, posted
from tests.factories import CustomerFactory, new_wallet
from wallets.models import Wallet
from wallets.services import close_wallet, onboard_many

pytestmark = pytest.mark.django_db


def newcomer(number: int, **changes: str) -> Newcomer:
    fields = {
        "full_name": f"Njeri {number}", "email": f"njeri{number}@example.com",
        "phone_number": f"+2547{20_000_000 + number}", "account_type": "individual",
    }  # fmt: skip
    return Newcomer(**fields | changes)


def onboard(*newcomers: Newcomer, currency: str = "KES", country: str = "KE", tier: int = 1):
    return onboard_many(newcomers, country=country, currency=currency, tier=tier, actor="job:test")


def test_many_are_registered_with_a_wallet_and_one_line_of_audit_for_each_step():
    done = onboard(*map(newcomer, range(50)))

    assert (done.registered, len(done.opened), len(done.wallets)) == (50, 50, 50)
    wallet = Wallet.objects.select_related("customer", "account").get(pk=done.wallets["njeri7@example.com"])
    assert (wallet.customer.full_name, wallet.customer.tier, wallet.customer.state) == ("Njeri 7", 1, "active")
    assert (wallet.account.code, wallet.account.floor) == (f"liability:wallet:{wallet.pk}", 0)
    audited = AuditRecord.objects.order_by("action").values_list("action", "actor", "after__count")
    assert list(audited) == [("open_wallets", "job:test", 50), ("register_many", "job:test", 50)]
    fund(wallet, 500)
    assert posted(wallet) == 500
    assert_books_balance()


def test_repeated_it_changes_nothing_and_says_so():
    first = onboard(newcomer(1), newcomer(2))

    again = onboard(newcomer(2, full_name="Somebody Else"), newcomer(1), tier=2)

    assert again.wallets == first.wallets and (again.registered, again.opened) == (0, frozenset())
    assert list(Customer.objects.order_by("email").values_list("full_name", "tier")) == [("Njeri 1", 1), ("Njeri 2", 1)]
    assert AuditRecord.objects.count() == 2


def test_who_is_here_already_keeps_their_wallet_or_gets_one():
    has_one = new_wallet(email="njeri1@example.com")
    has_none = CustomerFactory.create(email="njeri2@example.com")
    closed = close_wallet(new_wallet(email="njeri3@example.com"), actor=None)

    done = onboard(newcomer(1), newcomer(2), newcomer(3), newcomer(4))

    assert (done.registered, done.opened) == (1, {f"njeri{n}@example.com" for n in (2, 3, 4)})
    assert done.wallets["njeri1@example.com"] == has_one.pk
    assert Wallet.objects.get(pk=done.wallets["njeri2@example.com"]).customer == has_none
    assert done.wallets["njeri3@example.com"] != closed.pk


def test_the_same_person_twice_in_one_batch_is_one_customer():
    done = onboard(newcomer(1), newcomer(1))

    assert len(done.wallets) == Customer.objects.count() == Wallet.objects.count() == 1


def test_a_number_of_somebody_else_refuses_them_all():
    CustomerFactory.create(phone_number="+254720000002", email="owner@example.com")

    with pytest.raises(AlreadyRegistered):
        onboard(newcomer(1), newcomer(2))

    assert Customer.objects.count() == 1 and not Wallet.objects.exists()


def test_a_country_that_is_not_open_refuses_them_all():
    with pytest.raises(CountryNotOpen):
        onboard(newcomer(1), country="FR")

    assert not Customer.objects.exists()


def test_with_a_password_they_sign_in_without_one_nobody_does():
    onboard(newcomer(1), newcomer(2, password=make_password("a long enough sentence")))

    assert customer_sign_in("njeri2@example.com", "a long enough sentence").access_token
    assert Customer.objects.get(email="njeri1@example.com").password.startswith("!")
