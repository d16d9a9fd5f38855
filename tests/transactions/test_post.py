"""The road to the books: what is posted, refused and kept, and that it costs the same for one and for many."""

import pytest
from django.db import connection

from core.work import Work
from customers.errors import SessionEnded
from customers.models import Session
from customers.tokens import start_session
from ledger.models import Account
from ledger.selectors import legs_of
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from transactions import posting
from transactions.errors import IdempotencyKeyReused, InsufficientFunds
from transactions.models import Event, Kind, State, Transaction
from transactions.movements import Movement, Settlement
from transactions.posting import post, post_one
from wallets.parties import Address

pytestmark = pytest.mark.django_db


def test_a_transfer_moves_money_and_leaves_its_story(aline, eric):
    fund(aline, 2000)

    outcome = post_one(transfer(aline, eric, 1500, memo="rent"))

    assert outcome.error is None
    assert (posted(aline), posted(eric)) == (500, 1500)
    assert outcome.balance_after == 500
    txn = Transaction.objects.get(pk=outcome.transaction)
    assert (txn.state, txn.kind, txn.amount, txn.memo) == (State.COMPLETED, Kind.TRANSFER, 1500, "rent")
    assert [(leg.side, leg.amount) for leg in legs_of(txn.pk)] == [(1, 1500), (-1, 1500)]
    assert [e.type for e in Event.objects.filter(transaction=txn)] == ["transaction.completed"]
    assert_books_balance()


def test_an_unfunded_transfer_is_kept_with_its_code_and_moves_nothing(aline, eric):
    fund(aline, 100)

    outcome = post_one(transfer(aline, eric, 101))

    assert isinstance(outcome.error, InsufficientFunds)
    txn = Transaction.objects.get(pk=outcome.transaction)
    assert (txn.state, txn.refusal_code) == (State.FAILED, "insufficient_funds")
    assert (posted(aline), posted(eric)) == (100, 0)
    assert_books_balance()


def test_the_same_key_moves_money_once_and_another_body_is_refused(aline, eric):
    fund(aline, 1000)
    movement = transfer(aline, eric, 300, key="the-same-key-16ch")

    first, second, in_one_batch = post_one(movement), post_one(movement), post([movement, movement])
    other = post_one(transfer(aline, eric, 301, key="the-same-key-16ch"))

    assert second.replayed
    assert {first.transaction, second.transaction} | {o.transaction for o in in_one_batch} == {first.transaction}
    assert isinstance(other.error, IdempotencyKeyReused)
    assert posted(eric) == 300
    assert_books_balance()


def test_one_refusal_does_not_spoil_a_batch_and_later_movements_see_earlier_ones(aline, eric):
    fund(aline, 100)

    outcomes = post(
        [transfer(aline, eric, 80), transfer(aline, eric, 80), transfer(eric, aline, 80), transfer(aline, eric, 80)]
    )

    assert [o.error.code if o.error else o.state for o in outcomes] == [
        "completed", "insufficient_funds", "completed", "completed",
    ]  # fmt: skip
    assert (posted(aline), posted(eric)) == (20, 80)
    assert_books_balance()


def test_a_cash_out_holds_then_pays_with_its_fee(aline):
    fund(aline, 20000)
    order = Movement(
        kind=Kind.CASH_OUT, amount=10000, currency="RWF", caller="job:t", key=key(),
        payer=Address("wallet", str(aline.pk)), rail="sandbox", destination={"bank_id": "x"},
    )  # fmt: skip

    outcome = post_one(order).or_raise()

    assert (outcome.state, outcome.fee) == (State.PENDING, 500)
    assert (posted(aline), available(aline)) == (20000, 9500)
    done = post_one(Settlement(transaction=outcome.transaction, to=State.COMPLETED, actor="system")).or_raise()
    again = post_one(Settlement(transaction=outcome.transaction, to=State.COMPLETED, actor="system")).or_raise()
    assert (done.state, again.replayed) == (State.COMPLETED, True)
    assert (posted(aline), available(aline)) == (9500, 9500)
    assert_books_balance()


def test_a_failed_cash_out_lets_go_of_what_it_held(aline):
    fund(aline, 20000)
    order = Movement(
        kind=Kind.CASH_OUT, amount=10000, currency="RWF", caller="job:t", key=key(),
        payer=Address("wallet", str(aline.pk)), rail="sandbox",
    )  # fmt: skip
    outcome = post_one(order).or_raise()

    post_one(Settlement(transaction=outcome.transaction, to=State.FAILED, actor="system", refusal_code="rail_refused"))

    assert (posted(aline), available(aline)) == (20000, 20000)
    late = post_one(Settlement(transaction=outcome.transaction, to=State.COMPLETED, actor="system"))
    assert late.error and late.error.code == "illegal_transition"
    assert_books_balance()


@pytest.mark.parametrize("parts", [[1000], [400, 600], [1, 998, 1]])
def test_a_reversal_in_parts_never_exceeds_the_original(aline, eric, parts):
    fund(aline, 1000)
    original = post_one(transfer(aline, eric, 1000)).or_raise()

    for part in parts:
        post_one(reversal(original.transaction, part)).or_raise()

    more = post_one(reversal(original.transaction, 1))
    assert more.error and more.error.code == "not_reversible"
    assert (posted(aline), posted(eric)) == (1000, 0)
    assert Transaction.objects.get(pk=original.transaction).state == State.REVERSED
    assert_books_balance()


def test_an_account_says_when_it_was_last_moved(aline, eric):
    fund(aline, 100)
    txn = Transaction.objects.get(pk=post_one(transfer(aline, eric, 1)).transaction)

    times = Account.objects.filter(pk__in=[aline.account_id, eric.account_id]).values_list("last_at", flat=True)
    assert set(times) == {txn.created_at}


def test_only_a_session_that_lives_moves_its_owners_money(aline, eric):
    fund(aline, 100)
    for wallet in (aline, eric):
        start_session(wallet.customer)
    mine, other = [Session.objects.get(customer=wallet.customer) for wallet in (aline, eric)]

    assert post_one(transfer(aline, eric, 1, session=mine.pk)).error is None
    assert isinstance(post_one(transfer(aline, eric, 1, session=other.pk)).error, SessionEnded)
    Session.objects.filter(pk=mine.pk).update(revoked_at=mine.created_at)
    assert isinstance(post_one(transfer(aline, eric, 1, session=mine.pk)).error, SessionEnded)
    assert posted(eric) == 1


def test_accounts_and_what_is_reversed_are_locked_but_not_for_a_preview(aline, eric, monkeypatch):
    fund(aline, 100)
    sent = post_one(transfer(aline, eric, 50)).transaction
    asked: list[str] = []
    run = Work.run
    monkeypatch.setattr(Work, "run", lambda work, query, *params: asked.append(query) or run(work, query, *params))

    posting.dry_run(reversal(sent, 1))
    assert not any("FOR NO KEY UPDATE" in query for query in asked)

    post_one(reversal(sent, 1))
    locking = [query for query in asked if "FOR NO KEY UPDATE" in query]
    named = [table for query in locking for table in ("transactions_transaction", "ledger_account") if table in query]
    assert named == ["transactions_transaction", "ledger_account"]


def reversal(transaction, amount):
    return Movement(
        kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=transaction,
        reason_code="duplicate", refunds_fee=True,
    )  # fmt: skip


def test_the_number_of_statements_is_the_same_for_one_and_for_a_thousand(aline, eric, monkeypatch):
    fund(aline, 100_000)
    statements: list[str] = []
    run = posting.Work.run
    monkeypatch.setattr(
        posting.Work, "run", lambda self, query, *params: statements.append(query) or run(self, query, *params)
    )

    post([transfer(aline, eric, 1)])
    one = len(statements)
    post([transfer(aline, eric, 1) for _ in range(1000)])

    assert len(statements) == 2 * one
    assert one <= 8
    assert posted(eric) == 1001
    assert_books_balance()


def test_times_numbers_and_ids_of_a_wallet_sort_alike(aline, eric):
    fund(aline, 1000)
    post([transfer(aline, eric, 1) for _ in range(50)])
    with connection.cursor() as cursor:
        cursor.execute("SELECT journal_id FROM ledger_entry WHERE account_id = %s ORDER BY seq", [aline.account_id])
        by_number = [row[0] for row in cursor.fetchall()]
    assert by_number == sorted(by_number)
    assert len(by_number) == 51


def test_parts_of_one_payment_go_back_in_one_call_and_among_others_in_order(aline, eric):
    fund(aline, 2_000)
    original = post_one(transfer(aline, eric, 1_000)).transaction

    def part(amount: int) -> Movement:
        return Movement(
            kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=original,
            reason_code="wrong_recipient",
        )  # fmt: skip

    orders = [part(300), transfer(aline, eric, 50), part(600), part(200), part(100)]
    outcomes = post(orders)

    assert [outcome.error and outcome.error.code for outcome in outcomes] == [
        None, None, None, "reversal_exceeds_original", None,
    ]  # fmt: skip
    assert [outcome.amount for outcome in outcomes] == [300, 50, 600, 200, 100]
    assert [len(batch) for batch in posting.batches(orders)] == [2, 1, 1, 1]
    assert Transaction.objects.get(pk=original).state == State.REVERSED
    assert (posted(aline), posted(eric)) == (1_950, 50)
    assert_books_balance()
