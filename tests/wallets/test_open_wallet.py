"""One wallet per customer and currency, whoever asks and however many at once."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from core.models import AuditRecord
from customers.errors import AlreadyRegistered
from customers.models import Customer
from ledger.chart import CREDIT
from ledger.selectors import balance_at
from ledger.services import open_account
from tests.factories import PASSWORD, CustomerFactory, new_wallet
from wallets.errors import WalletExists
from wallets.models import Wallet
from wallets.services import close_wallet, onboard_customer, open_wallet

ALINE = {
    "full_name": "Aline Uwase",
    "email": "aline@example.com",
    "phone_number": "+250788123456",
    "country": "RW",
    "account_type": "individual",
    "password": PASSWORD,
}


def test_a_wallet_opens_empty_with_an_account_that_cannot_go_below_zero(db):
    customer = CustomerFactory.create()

    wallet = open_wallet(customer, "USD", actor=customer)

    assert balance_at(wallet.account_id) == (0, 0, None)
    assert (wallet.account.code, wallet.account.currency) == (f"liability:wallet:{wallet.id}", "USD")
    assert (wallet.account.floor, wallet.account.normal_side) == (0, -1)
    assert wallet.status == "active"
    record = AuditRecord.objects.get(subject_id=str(wallet.id))
    assert (record.actor, record.action, record.after) == (customer.principal, "open_wallet", {"currency": "USD"})


def test_each_currency_has_a_wallet_of_its_own(db):
    customer = CustomerFactory.create()

    for currency in ("KES", "USD", "RWF"):
        open_wallet(customer, currency, actor=customer)

    assert set(customer.wallets.values_list("currency", flat=True)) == {"KES", "USD", "RWF"}


def test_a_second_wallet_in_the_currency_is_refused_and_leaves_nothing_behind(db):
    wallet = new_wallet(currency="KES")
    audited = AuditRecord.objects.count()

    with pytest.raises(WalletExists) as refusal:
        open_wallet(wallet.customer, "KES", actor=None)

    assert refusal.value.code == "wallet_exists"
    assert refusal.value.facts == {"currency": "KES"}
    assert Wallet.objects.count() == 1
    assert AuditRecord.objects.count() == audited
    assert accounts_of_wallets() == 1


def test_after_closing_another_can_be_opened(db):
    wallet = new_wallet(currency="KES")
    close_wallet(wallet, actor=None)

    another = open_wallet(wallet.customer, "KES", actor=None)

    assert another.id != wallet.id
    with pytest.raises(WalletExists):
        open_wallet(wallet.customer, "KES", actor=None)


def test_the_database_itself_refuses_a_second_open_wallet(db):
    wallet = new_wallet(currency="KES")
    spare = open_account("liability:wallet:spare", "KES", CREDIT, floor=0)

    with pytest.raises(IntegrityError, match="wallet_one_per_currency"), transaction.atomic():
        Wallet.objects.create(customer=wallet.customer, currency="KES", account_id=spare)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_open_the_same_wallet_at_once_one_succeeds():
    customer = CustomerFactory.create()
    together = threading.Barrier(2)
    outcomes = []

    def race() -> None:
        try:
            together.wait()
            outcomes.append(open_wallet(customer, "USD", actor=customer).currency)
        except WalletExists as refusal:
            outcomes.append(refusal.code)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["USD", "wallet_exists"]
    assert customer.wallets.count() == 1
    assert accounts_of_wallets() == 1


def test_a_new_customer_has_a_wallet_in_the_currency_of_the_country(db):
    customer, wallet = onboard_customer(**ALINE)

    assert (wallet.customer, wallet.currency) == (customer, "RWF")
    assert (customer.tier, customer.state) == (0, "active")


def test_without_a_wallet_there_is_no_customer(db, monkeypatch):
    def broken(*args: object, **kwargs: object) -> None:
        raise ConnectionError("the disk is full")

    monkeypatch.setattr("ledger.services.open_account", broken)

    with pytest.raises(ConnectionError):
        onboard_customer(**ALINE)

    assert not Customer.objects.exists()


def test_a_taken_number_makes_neither_customer_nor_wallet(db):
    onboard_customer(**ALINE)

    with pytest.raises(AlreadyRegistered):
        onboard_customer(**ALINE | {"email": "somebody@example.com"})

    assert Customer.objects.count() == Wallet.objects.count() == 1


def accounts_of_wallets() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger_account WHERE code LIKE 'liability:wallet:%'")
        return cursor.fetchone()[0]
