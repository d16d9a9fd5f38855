"""Setting aside what a transaction brought to its payee: never more than is there, and out of it in the same batch."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.ids import uuid7
from ledger.models import HoldEvent
from tests.books import available, fund, posted, transfer
from transactions.errors import NotReversible, RecipientShort, ReversalExceedsOriginal, TransactionNotFound
from transactions.movements import Holding
from transactions.posting import dry_run, post, post_one
from transactions.services.reversals import reversal_movement


@pytest.fixture
def sent(aline: Any, eric: Any) -> UUID:
    fund(aline, 5_000)
    transaction = post_one(transfer(aline, eric, 1_000)).or_raise().transaction
    assert transaction
    return transaction


def placed(transaction: UUID, amount: int) -> Holding:
    return Holding(hold=uuid7(), transaction=transaction, kind="placed", amount=amount)


def test_as_much_as_is_there_is_held_and_the_outcome_says_how_much(aline, eric, sent):
    post_one(transfer(eric, aline, 600)).or_raise()

    outcome = post_one(placed(sent, 1_000)).or_raise()

    assert (outcome.amount, outcome.transaction) == (400, sent)
    assert (posted(eric), available(eric)) == (400, 0)


@pytest.mark.parametrize(
    ("amount", "refusal"), [(1_001, ReversalExceedsOriginal), (10_000_000, ReversalExceedsOriginal)]
)
def test_no_more_than_what_is_left_of_the_transaction(eric, sent, amount, refusal):
    assert isinstance(post_one(placed(sent, amount)).error, refusal)
    assert available(eric) == 1_000


def test_nothing_there_nobody_there_and_nothing_to_give_back(aline, eric, sent):
    top_up = fund(aline, 1).transaction
    post_one(transfer(eric, aline, 1_000)).or_raise()

    errors = [post_one(placed(one, 1)).error for one in (sent, uuid7(), top_up)]

    assert [type(error) for error in errors] == [RecipientShort, TransactionNotFound, NotReversible]
    assert not HoldEvent.objects.exists()


def test_two_holds_of_one_batch_share_what_is_there(aline, eric, sent):
    other = post_one(transfer(aline, eric, 500)).or_raise().transaction
    post_one(transfer(eric, aline, 700)).or_raise()

    outcomes = post([placed(sent, 600), placed(other, 500), placed(other, 1)])

    assert [outcome.amount for outcome in outcomes[:2]] == [600, 200]
    assert isinstance(outcomes[2].error, RecipientShort)
    assert available(eric) == 0


def test_what_is_captured_goes_back_in_the_same_batch_and_not_without(aline, eric, sent):
    hold = placed(sent, 1_000)
    post_one(hold).or_raise()
    back = reversal_movement(sent, 700, "fraud", "", "job:test", "back-1234567890abc")

    assert isinstance(dry_run(back)[0].error, RecipientShort)
    captured = Holding(hold=hold.hold, transaction=sent, kind="captured", amount=700, remaining=300)
    outcome, world = dry_run(captured, back)
    assert outcome.error is None
    assert [(line["side"], line["amount_minor"]) for line in world.lines()] == [("debit", 700), ("credit", 700)]
    for one in post([captured, back]):
        one.or_raise()

    assert (posted(eric), available(eric)) == (300, 0)
    post_one(Holding(hold=hold.hold, transaction=sent, kind="voided", amount=300)).or_raise()
    assert available(eric) == 300


def test_a_hold_is_let_go_once_whoever_asks(eric, sent):
    hold = placed(sent, 1_000)
    post_one(hold).or_raise()
    voided = Holding(hold=hold.hold, transaction=sent, kind="voided", amount=1_000)
    post_one(voided).or_raise()

    with pytest.raises(psycopg.Error):
        post_one(voided)
