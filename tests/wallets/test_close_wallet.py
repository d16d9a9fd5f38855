"""A wallet closes at zero, for good, and never takes money with it."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import AuditRecord
from ledger.selectors import legs_of
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from tests.factories import new_wallet
from transactions.movements import Movement, Settlement
from transactions.posting import post_one
from wallets.errors import WalletClosed, WalletFrozen, WalletNotEmpty
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet

pytestmark = pytest.mark.django_db


def test_an_empty_wallet_closes():
    wallet = new_wallet()

    closed = close_wallet(wallet, actor=wallet.customer)

    assert closed.closed_at
    assert Wallet.objects.get(pk=wallet.pk).status == "closed"
    assert closed.account.closed_at
    record = AuditRecord.objects.get(subject_id=str(wallet.id), action="close_wallet")
    assert (record.actor, record.before, record.after) == (wallet.customer.principal, "open", "closed")


def test_money_keeps_a_wallet_open():
    wallet = new_wallet()
    fund(wallet, 1)

    with pytest.raises(WalletNotEmpty) as refusal:
        close_wallet(wallet, actor=wallet.customer)

    assert refusal.value.code == "wallet_not_empty"
    assert Wallet.objects.get(pk=wallet.pk).status == "active"
    assert posted(wallet) == 1
    assert_books_balance()


def test_a_cash_out_under_way_keeps_a_wallet_open():
    wallet = new_wallet()
    fund(wallet, 50_000)
    promised = post_one(through_a_rail(wallet, "cash_out", 5_000)).or_raise()
    post_one(transfer(wallet, new_wallet(), available(wallet))).or_raise()
    assert available(wallet) == 0

    with pytest.raises(WalletNotEmpty):
        close_wallet(wallet, actor=wallet.customer)
    post_one(Settlement(transaction=promised.transaction, to="completed", actor="rail:sandbox")).or_raise()
    close_wallet(wallet, actor=wallet.customer)

    assert Wallet.objects.get(pk=wallet.pk).status == "closed"
    assert_books_balance()


def test_a_top_up_that_comes_too_late_is_not_lost():
    wallet = new_wallet()
    promised = post_one(through_a_rail(wallet, "top_up", 7_000)).or_raise()
    close_wallet(wallet, actor=wallet.customer)

    post_one(Settlement(transaction=promised.transaction, to="completed", actor="rail:sandbox")).or_raise()

    assert posted(wallet) == 0
    legs = {leg.code: (leg.side, leg.amount) for leg in legs_of(promised.transaction)}
    assert legs["liability:suspense:KES"] == (-1, 7_000 - promised.fee)
    assert_books_balance()


def through_a_rail(wallet: Wallet, kind: str, amount: int) -> Movement:
    address = Address("wallet", str(wallet.pk))
    ends = {"payee": address} if kind == "top_up" else {"payer": address, "destination": {"bank_id": "WEKEZA"}}
    return Movement(
        kind=kind, amount=amount, currency=wallet.currency, caller=f"customer:{wallet.customer_id}", key=key(),
        owner=wallet.customer_id, rail="sandbox", **ends,
    )  # fmt: skip


def test_a_closed_wallet_neither_sends_nor_receives():
    wallet, other = new_wallet(), new_wallet()
    fund(other, 1000)
    close_wallet(wallet, actor=None)

    assert post_one(transfer(other, wallet, 100)).error is not None
    assert post_one(transfer(wallet, other, 100)).error.code == "wallet_closed"

    assert (posted(other), posted(wallet)) == (1000, 0)
    assert_books_balance()


def test_it_closes_once():
    wallet = new_wallet()
    close_wallet(wallet, actor=None)

    with pytest.raises(WalletClosed):
        close_wallet(wallet, actor=None)

    assert AuditRecord.objects.filter(action="close_wallet").count() == 1


def test_a_frozen_wallet_stays_until_the_question_is_settled():
    wallet = new_wallet()
    freeze = freeze_wallet(
        wallet, mode="credit", reason="court order", actor=None, expires_at=timezone.now() + timedelta(seconds=1)
    )

    with pytest.raises(WalletFrozen):
        close_wallet(wallet, actor=wallet.customer)
    time.sleep(max((freeze.expires_at - timezone.now()).total_seconds(), 0) + 0.01)
    close_wallet(wallet, actor=wallet.customer)

    assert Wallet.objects.get(pk=wallet.pk).status == "closed"
