"""Freezes add up, end by themselves, and are lifted once."""

import threading
import time
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core.models import AuditRecord
from staff.models import User
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import CustomerFactory, new_wallet
from transactions.posting import post_one
from wallets import tasks
from wallets.errors import ExpiryPassed, FreezeLifted, ReasonMissing, WalletClosed
from wallets.models import Freeze, Wallet
from wallets.services import close_wallet, expire_freezes, freeze_wallet, lift_freeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet() -> Wallet:
    return new_wallet()


@pytest.fixture
def agent() -> User:
    return User.objects.create_user("eric", "a long enough sentence", "support", full_name="Eric")


def flags(wallet: Wallet) -> tuple[bool, bool]:
    """May not send, may not receive: as the account says now."""
    account = Wallet.objects.select_related("account").get(pk=wallet.pk).account
    return account.debits_frozen, account.credits_frozen


def soon() -> datetime:
    return timezone.now() + timedelta(milliseconds=80)


def age(freeze: Freeze) -> None:
    """Wait until the freeze has run out: nobody can write another end into it."""
    assert freeze.expires_at is not None
    time.sleep(max((freeze.expires_at - timezone.now()).total_seconds(), 0) + 0.01)


@pytest.mark.parametrize(
    ("mode", "expected"), [("debit", (True, False)), ("credit", (False, True)), ("both", (True, True))]
)
def test_a_freeze_stops_what_its_mode_says(wallet, agent, mode, expected):
    freeze = freeze_wallet(wallet, mode=mode, reason="stolen phone", actor=agent)

    assert flags(wallet) == expected
    assert (freeze.placed_by, freeze.reason, freeze.lifted_at) == (agent.principal, "stolen phone", None)
    assert Wallet.objects.get(pk=wallet.pk).status == "frozen"


def test_freezing_and_lifting_are_on_the_record(wallet, agent):
    freeze = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent)
    lift_freeze(freeze, actor=agent, reason="phone found")

    lifted, placed = AuditRecord.objects.filter(subject_id=str(wallet.id), actor=agent.principal)
    assert (placed.action, placed.reason, placed.after["mode"]) == ("freeze_wallet", "stolen phone", "debit")
    assert (lifted.action, lifted.reason) == ("lift_freeze", "phone found")
    assert placed.after["freeze"] == lifted.before["freeze"] == str(freeze.id)


def test_what_is_frozen_does_not_move(agent):
    aline, eric = new_wallet(), new_wallet()
    fund(aline, 2000)
    freeze = freeze_wallet(aline, mode="debit", reason="stolen phone", actor=agent)
    incoming = freeze_wallet(eric, mode="credit", reason="court order", actor=agent)

    assert post_one(transfer(aline, eric, 500)).error.code == "wallet_frozen"
    lift_freeze(freeze, actor=agent, reason="phone found")
    assert post_one(transfer(aline, eric, 500)).error is not None
    lift_freeze(incoming, actor=agent, reason="order lifted")
    assert post_one(transfer(aline, eric, 500)).error is None

    assert (posted(aline), posted(eric)) == (1500, 500)
    assert_books_balance()


def test_freezes_add_up_and_lifting_one_leaves_the_others(wallet, agent):
    first = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent)
    second = freeze_wallet(wallet, mode="both", reason="court order", actor=agent)
    third = freeze_wallet(wallet, mode="credit", reason="limit reached", actor=agent)

    assert flags(wallet) == (True, True)
    lift_freeze(second, actor=agent, reason="order lifted")
    assert flags(wallet) == (True, True)
    lift_freeze(first, actor=agent, reason="phone found")
    assert flags(wallet) == (False, True)
    lift_freeze(third, actor=agent, reason="verified")
    assert flags(wallet) == (False, False)


def test_a_freeze_is_lifted_once(wallet, agent):
    freeze = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent)
    lift_freeze(freeze, actor=agent, reason="phone found")

    with pytest.raises(FreezeLifted) as refusal:
        lift_freeze(freeze, actor=None, reason="once more")

    assert refusal.value.code == "freeze_lifted"
    assert (freeze.lifted_by, freeze.lift_reason) == (agent.principal, "phone found")


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_staff_say_why(wallet, agent, reason):
    with pytest.raises(ReasonMissing):
        freeze_wallet(wallet, mode="debit", reason=reason, actor=agent)
    freeze = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent)
    with pytest.raises(ReasonMissing):
        lift_freeze(freeze, actor=agent, reason=reason)

    assert flags(wallet) == (True, False)
    assert Freeze.objects.count() == 1


def test_a_freeze_cannot_end_before_it_begins(wallet, agent):
    with pytest.raises(ExpiryPassed):
        freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent, expires_at=timezone.now())

    assert flags(wallet) == (False, False)


def test_a_closed_wallet_is_not_frozen(wallet, agent):
    close_wallet(wallet, actor=None)

    with pytest.raises(WalletClosed):
        freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent)


def test_an_unknown_mode_is_a_mistake_of_the_caller(wallet, agent):
    with pytest.raises(ValueError, match="sideways"):
        freeze_wallet(wallet, mode="sideways", reason="stolen phone", actor=agent)


def test_a_freeze_ends_by_itself(wallet, agent):
    passing = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent, expires_at=soon())
    lasting = freeze_wallet(wallet, mode="credit", reason="court order", actor=agent)
    assert expire_freezes() == 0

    age(passing)
    assert tasks.expire_freezes() == 1
    assert tasks.expire_freezes() == 0

    assert flags(wallet) == (False, True)
    passing.refresh_from_db()
    lasting.refresh_from_db()
    assert (passing.lifted_by, passing.lift_reason) == ("system", "expired")
    assert passing.lifted_at
    assert not lasting.lifted_at
    assert AuditRecord.objects.filter(action="lift_freeze", actor="system", subject_id=str(wallet.id)).count() == 1


def test_a_freeze_that_has_run_out_no_longer_counts_when_another_is_lifted(wallet, agent):
    """The union is of live freezes, whether or not the clock has come round to lifting them."""
    passing = freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=agent, expires_at=soon())
    lasting = freeze_wallet(wallet, mode="credit", reason="court order", actor=agent)
    age(passing)

    lift_freeze(lasting, actor=agent, reason="order lifted")

    assert flags(wallet) == (False, False)


def test_every_wallet_with_a_freeze_run_out_is_seen_to(agent):
    wallets = [new_wallet() for _ in range(3)]
    for wallet in wallets:
        for mode in ("debit", "credit"):
            age(freeze_wallet(wallet, mode=mode, reason="fraud alert", actor=agent, expires_at=soon()))

    assert expire_freezes() == 6

    assert [flags(wallet) for wallet in wallets] == [(False, False)] * 3


@pytest.mark.django_db(transaction=True)
def test_a_wallet_in_other_hands_is_left_for_the_next_round():
    wallet, other = new_wallet(), new_wallet()
    for each in (wallet, other):
        age(freeze_wallet(each, mode="debit", reason="fraud alert", actor=None, expires_at=soon()))
    held, seen = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Wallet.objects.select_for_update().get(pk=wallet.pk)
                held.set()
                seen.wait(10)
        finally:
            connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    lifted = expire_freezes()
    seen.set()
    holder.join()

    assert lifted == 1
    assert (flags(wallet), flags(other)) == ((True, False), (False, False))
    assert expire_freezes() == 1
    assert flags(wallet) == (False, False)


@pytest.mark.django_db(transaction=True)
def test_freezes_placed_and_lifted_at_once_leave_the_union_of_what_lives():
    """Each computes the flags under the wallet's lock, so none overwrites what another has just decided."""
    wallet = new_wallet(CustomerFactory.create())
    lasting = [freeze_wallet(wallet, mode="credit", reason="court order", actor=None) for _ in range(3)]
    together = threading.Barrier(6)

    def place() -> None:
        together.wait()
        freeze_wallet(wallet, mode="debit", reason="stolen phone", actor=None)
        connection.close()

    def lift(freeze: Freeze) -> None:
        together.wait()
        lift_freeze(freeze, actor=None, reason="order lifted")
        connection.close()

    threads = [threading.Thread(target=place) for _ in range(3)]
    threads += [threading.Thread(target=lift, args=[freeze]) for freeze in lasting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert flags(wallet) == (True, False)
    assert Freeze.objects.filter(lifted_at=None).count() == 3
