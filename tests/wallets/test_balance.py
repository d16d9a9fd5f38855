"""A balance is what the entries and holds say, now or as of any instant that has been."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from customers.errors import CustomerSuspended, SessionEnded
from customers.models import Session
from customers.services import suspend_customer
from customers.tokens import start_session
from ledger.models import Entry, HoldEvent
from tests.books import assert_books_balance, fund, key, transfer
from tests.factories import CustomerFactory, new_wallet
from transactions.models import Kind
from transactions.movements import Movement, Settlement
from transactions.posting import post_one
from wallets.errors import InstantNotReached, WalletNotFound
from wallets.models import Wallet
from wallets.parties import Address
from wallets.selectors import MASKED_NAME, balance, balance_for, masked_name, wallet_of, wallets_of

pytestmark = pytest.mark.django_db


def cash_out(wallet: Wallet, amount: int) -> Movement:
    return Movement(
        kind=Kind.CASH_OUT, amount=amount, currency=wallet.currency, caller=f"customer:{wallet.customer_id}", key=key(),
        payer=Address("wallet", str(wallet.pk)), owner=wallet.customer_id, rail="sandbox",
        destination={"bank_id": "WEKEZA", "account_number": "0123456789", "account_name": "Aline"},
    )  # fmt: skip


def session_of(wallet: Wallet) -> Session:
    start_session(wallet.customer)
    return Session.objects.filter(customer=wallet.customer).latest("id")


def test_an_untouched_wallet_is_at_zero_since_its_opening():
    wallet = new_wallet()

    found = balance(wallet.id)

    assert found == (wallet.id, "KES", 0, 0, wallet.created_at)
    assert found.available == 0


def test_what_is_held_is_there_but_not_available():
    wallet = new_wallet()
    fund(wallet, 10_000)
    promised = post_one(cash_out(wallet, 4_000)).or_raise()

    found = balance(wallet.id)

    assert (found.posted, found.held) == (10_000, 4_000 + promised.fee)
    assert found.available == 6_000 - promised.fee
    assert_books_balance()


def test_any_past_instant_can_be_asked_for():
    wallet, other = new_wallet(), new_wallet()
    fund(wallet, 10_000)
    post_one(transfer(wallet, other, 2_500)).or_raise()
    promised = post_one(cash_out(wallet, 1_000)).or_raise()
    post_one(Settlement(transaction=promised.transaction, to="completed", actor="rail:sandbox"))
    entries = Entry.objects.filter(account=wallet.account_id)
    holds = HoldEvent.objects.filter(account=wallet.account_id, kind="placed")
    moments = sorted(row.recorded_at for rows in (entries, holds) for row in rows)
    spent = 1_000 + promised.fee

    history = [balance(wallet.id, at=moment) for moment in moments]

    assert [(then.posted, then.held) for then in history] == [
        (10_000, 0), (7_500, 0), (7_500, spent), (7_500 - spent, 0)
    ]  # fmt: skip
    assert [then.last_updated for then in history] == moments
    just_before = balance(wallet.id, at=moments[0] - timedelta(microseconds=1))
    assert (just_before.posted, just_before.held, just_before.last_updated) == (0, 0, wallet.created_at)
    between = balance(wallet.id, at=moments[1] + timedelta(microseconds=1))
    assert (between.posted, between.last_updated) == (7_500, moments[1])
    assert balance(wallet.id, at=timezone.now())[:4] == balance(wallet.id)[:4]
    assert_books_balance()


def test_before_it_was_opened_a_wallet_held_nothing():
    wallet = new_wallet()
    fund(wallet, 10_000)

    assert balance(wallet.id, at=datetime(2020, 1, 1, tzinfo=UTC)) == (wallet.id, "KES", 0, 0, None)


def test_the_future_is_not_known():
    wallet = new_wallet()

    with pytest.raises(InstantNotReached):
        balance(wallet.id, at=timezone.now() + timedelta(minutes=1))


def test_the_owner_reads_it_in_one_statement(statements):
    wallet = new_wallet()
    fund(wallet, 10_000)
    session = session_of(wallet)

    statements.clear()
    found = balance_for(wallet.customer_id, session.id, wallet.id)
    assert len(statements) == 1

    assert found == balance(wallet.id)
    assert balance_for(wallet.customer_id, session.id, wallet.id, wallet.created_at).posted == 0


def test_nobody_else_reads_it():
    wallet, stranger = new_wallet(), new_wallet()
    session = session_of(stranger)

    with pytest.raises(WalletNotFound):
        balance_for(stranger.customer_id, session.id, wallet.id)
    with pytest.raises(SessionEnded):  # somebody's session with somebody else's name
        balance_for(wallet.customer_id, session.id, wallet.id)


def test_an_ended_session_reads_nothing():
    wallet = new_wallet()
    session = session_of(wallet)
    Session.objects.filter(pk=session.pk).update(revoked_at=timezone.now())

    with pytest.raises(SessionEnded):
        balance_for(wallet.customer_id, session.id, wallet.id)


def test_a_suspended_customer_reads_nothing():
    wallet = new_wallet()
    session = session_of(wallet)
    suspend_customer(wallet.customer, actor=None, reason="fraud alert")

    with pytest.raises(CustomerSuspended):
        balance_for(wallet.customer_id, session.id, wallet.id)


def test_a_wallet_is_found_by_its_owner_alone():
    owner = CustomerFactory.create()
    wallets = [new_wallet(owner, currency) for currency in ("KES", "USD")]
    stranger = new_wallet()

    assert list(wallets_of(owner.id)) == wallets
    assert wallet_of(owner.id, wallets[0].id) == wallets[0]
    with pytest.raises(WalletNotFound):
        wallet_of(stranger.customer_id, wallets[0].id)


@pytest.mark.parametrize(
    ("full_name", "masked"),
    [
        ("Aline Mukamana", "Aline M."),
        ("Jean Baptiste Habimana", "Jean H."),
        ("Oluwaseun", "O…"),
        ("Ng'ang'a Wanjikũ", "Ng'ang'a W."),
        ("Éric Ébène", "Éric É."),
        ("", "…"),
    ],
)
def test_a_masked_name_is_recognised_and_not_looked_up(full_name, masked):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {MASKED_NAME.format('n')} FROM (SELECT %s::text AS n) given", [full_name])
        in_sql = cursor.fetchone()[0]

    assert masked_name(full_name) == in_sql == masked
