"""Operations call off what no bank has heard of; a worker who takes it there and they see each other."""

import pytest

from core.errors import IllegalTransition
from core.models import AuditRecord
from customers.errors import LinkedCustomer
from customers.links import declare_link
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, available, fund, posted
from tests.factories import fresh
from tests.fakes.rail_work import cash_out, top_up
from tests.racing import at_once
from transactions.errors import TransactionNotFound
from transactions.models import Event, State, Transaction
from transactions.services import rail_calls
from transactions.services.rail_calls import call_off
from transactions.services.relay import relay_events
from wallets.models import Wallet


@pytest.fixture
def peter(db: None) -> User:
    return member(Role.OPERATIONS, "peter")


def test_what_was_held_is_free_and_the_customer_is_told(aline: Wallet, peter: User) -> None:
    fund(aline, 100_000)
    txn = Transaction(pk=cash_out(aline, 10_000))
    assert available(aline) < 90_000

    call_off(txn.pk, actor=peter, reason="She asked; the bank is closed.")

    assert (fresh(txn).state, fresh(txn).due_at, available(aline)) == (State.CANCELLED, None, 100_000)
    assert [event.to_state for event in Event.objects.filter(transaction=txn.pk)] == ["pending", "cancelled"]
    record = AuditRecord.objects.get(action="call_off")
    assert (record.actor, record.before, record.after) == (peter.principal, "pending", "cancelled")
    relay_events()
    assert aline.customer.notifications.latest("id").kind == "cash_out_cancelled"
    assert rail_calls.submit_to_rail(txn.pk) == ""  # and nobody takes it there any more
    assert_books_balance()


def test_a_top_up_is_called_off_too(aline: Wallet, peter: User) -> None:
    txn = Transaction(pk=top_up(aline, 10_000))

    call_off(txn.pk, actor=peter, reason="x")

    assert fresh(txn).state == State.CANCELLED and posted(aline) == 0


def test_what_the_bank_may_know_of_is_not(aline: Wallet, peter: User) -> None:
    fund(aline, 100_000)
    txn = Transaction(pk=cash_out(aline, 10_000))
    call_off(txn.pk, actor=peter, reason="x")
    with pytest.raises(IllegalTransition):
        call_off(txn.pk, actor=peter, reason="again")
    for state in (State.PROCESSING, State.UNKNOWN):
        other = Transaction(pk=cash_out(aline, 10_000))
        rail_calls.settling.mark(other.pk, to=State.PROCESSING, actor="job:rails")
        if state == State.UNKNOWN:
            rail_calls.settling.mark(other.pk, to=state, actor="job:rails")

        with pytest.raises(IllegalTransition):
            call_off(other.pk, actor=peter, reason="x")

        assert fresh(other).state == state
    with pytest.raises(TransactionNotFound):
        call_off(aline.pk, actor=peter, reason="x")
    assert_books_balance()


def test_not_ones_own(aline: Wallet, peter: User) -> None:
    fund(aline, 100_000)
    txn = Transaction(pk=cash_out(aline, 10_000))
    declare_link(peter, aline.customer, relation="own", actor=peter)

    with pytest.raises(LinkedCustomer):
        call_off(txn.pk, actor=peter, reason="mine")

    assert fresh(txn).state == State.PENDING


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_calls_it_off(aline: Wallet, peter: User) -> None:
    fund(aline, 100_000)
    txn = cash_out(aline, 10_000)

    def off() -> str:
        try:
            call_off(txn, actor=peter, reason="x")
        except IllegalTransition:
            return "too late"
        return "done"

    answers = at_once([off, off, off])

    assert sorted(answers) == ["done", "too late", "too late"]
    assert available(aline) == 100_000
    assert_books_balance()
