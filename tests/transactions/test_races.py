"""Rivals for the same money, key or transaction, on real threads, connections and processes."""

import itertools
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import psycopg
import pytest
from django.db import connection
from django.db import transaction as db_transaction
from django.test import Client

from core.roles import connected_as_owner
from ledger import books as ledger_books
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from tests.factories import new_wallet, signed_in
from tests.forgery import CREDIT, DEBIT, OWNER, Forgery, session
from tests.racing import answer_of, at_once, deadlocks, in_another_process
from transactions.errors import IdempotencyKeyReused
from transactions.models import LEGAL, Event, Kind, State, Transaction
from transactions.movements import Movement, Outcome, Settlement
from transactions.poster import submit
from transactions.posting import post_one
from transactions.verify import verify
from wallets.models import Wallet
from wallets.parties import Address

pytestmark = pytest.mark.django_db(transaction=True)


def cash_out(wallet, amount) -> Movement:
    return Movement(
        kind=Kind.CASH_OUT, amount=amount, currency=wallet.currency, caller="job:test", key=key(),
        payer=Address("wallet", str(wallet.pk)), rail="sandbox",
    )  # fmt: skip


def reversal(original, amount) -> Movement:
    return Movement(
        kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=original,
        reason_code="duplicate",
    )  # fmt: skip


# --- one key -------------------------------------------------------------------------------------------------------
def test_two_bodies_with_one_key_are_one_payment_and_the_losers_are_told(aline, eric):
    """G2, over HTTP: twenty of each, interleaved."""
    fund(aline, 100_000)
    headers = signed_in(aline.customer) | {"Idempotency-Key": "one-key-for-two-bodies"}

    def send(amount):
        body = {"from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": amount, "currency": "RWF"}
        return Client().post("/v1/transfers", json.dumps(body), content_type="application/json", headers=headers)

    answers = at_once([partial(send, amount) for amount in ["7", "8"] * 20])

    assert Counter(answer.status_code for answer in answers) == {201: 20, 422: 20}
    won = {answer.content for answer in answers if answer.status_code == 201}
    assert len(won) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 422} == {"idempotency_key_reused"}
    assert str(posted(eric)) == json.loads(won.pop())["amount"]
    assert Transaction.objects.filter(kind=Kind.TRANSFER).count() == 1
    assert_books_balance()


def test_one_key_in_many_sessions_is_one_payment(aline, eric):
    """The same without the poster's queue between them: each has its own connection and transaction."""
    fund(aline, 100)
    one, other = (transfer(aline, eric, amount, key="the-same-key-16ch") for amount in (7, 8))

    outcomes = at_once([partial(post_one, order) for order in [one, other] * 6])

    first = Transaction.objects.get(kind=Kind.TRANSFER)
    assert {o.transaction for o in outcomes if not o.error} == {first.pk}
    assert sum(not o.error and not o.replayed for o in outcomes) == 1
    assert sum(isinstance(o.error, IdempotencyKeyReused) for o in outcomes) == 6
    assert posted(eric) == first.amount
    assert_books_balance()


# --- one balance, many spenders ------------------------------------------------------------------------------------
BALANCE, FEE = 1_000, 500  # a cash-out in RWF costs 500


def test_a_balance_is_spent_once_however_many_try(aline, eric):
    """G3: fifty debits of all there is, of every kind, through the poster and past it; twenty rounds."""
    for _ in range(20):
        fund(aline, BALANCE - available(aline))
        ways = [submit, submit, submit, submit, post_one]
        acts = [
            partial(way, order(aline))
            for way, order in itertools.islice(itertools.cycle(itertools.product(ways, spend_all(eric))), 50)
        ]

        outcomes = at_once(acts)

        assert successes(outcomes) == 1
        assert {o.error.code for o in outcomes if o.error} == {"insufficient_funds"}
        assert available(aline) == 0
    assert_books_balance()


def spend_all(eric):
    def to_eric(kind: Kind) -> Callable[[Wallet], Movement]:
        return lambda aline: replace(transfer(aline, eric, BALANCE), kind=kind)

    at_once = [to_eric(kind) for kind in (Kind.TRANSFER, Kind.PAYMENT, Kind.PAYOUT, Kind.HOLD)]
    return [*at_once, lambda aline: cash_out(aline, BALANCE - FEE)]


def successes(outcomes) -> int:
    return sum(outcome is not None and outcome.error is None for outcome in outcomes)


def test_the_harness_catches_a_spender_without_a_lock(aline):
    """The control of the test above: read, think, write, with the guards off, is caught by the count and the proof."""
    fund(aline, BALANCE)
    thinking = threading.Barrier(10)

    def spend() -> Outcome:
        with connection.cursor() as cursor:
            cursor.execute("SELECT posted FROM ledger_account WHERE id = %s", [aline.account_id])
            (balance,) = cursor.fetchone()
            thinking.wait()
            cursor.execute("UPDATE ledger_account SET posted = %s WHERE id = %s", [balance - BALANCE, aline.account_id])
        return Outcome()

    guards("DISABLE")
    try:
        outcomes = at_once([spend] * 10)
    finally:
        guards("ENABLE")

    assert successes(outcomes) > 1
    assert f"liability:wallet:{aline.pk}" in {finding.name for finding in verify().findings}


def guards(switch: str) -> None:
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE ledger_account {switch} TRIGGER USER")


def test_without_our_lock_the_database_still_lets_one_through(monkeypatch, aline, eric):
    """Numbers of entries are unique and follow each other: the second to write comes too late."""
    monkeypatch.setattr(ledger_books, "LOCK", ledger_books.PEEK)
    fund(aline, BALANCE)
    reading = threading.Barrier(8)
    decided = ledger_books.held_accounts

    def together(*args, **kwargs):
        accounts = decided(*args, **kwargs)
        if not reading.broken:
            reading.wait(10)
            reading.abort()
        return accounts

    monkeypatch.setattr(ledger_books, "held_accounts", together)

    def spend() -> Outcome | None:
        try:
            return post_one(transfer(aline, eric, BALANCE))
        except (psycopg.Error, threading.BrokenBarrierError):
            return None

    outcomes = at_once([spend] * 8)

    assert successes(outcomes) == 1
    assert (posted(aline), posted(eric)) == (0, BALANCE)
    assert_books_balance()


# --- both directions -----------------------------------------------------------------------------------------------
def test_a_pair_that_pays_each_other_never_locks_up(aline, eric):
    """G4: a thousand transfers in 32 threads through the poster, and at the same time from two other processes."""
    fund(aline, 10_000)
    fund(eric, 10_000)
    before = deadlocks()
    rivals = [in_another_process("tests.rival", *pair, 150) for pair in [(aline.pk, eric.pk), (eric.pk, aline.pk)]]

    def pay(direction) -> Counter[str]:
        states: Counter[str] = Counter()
        for n in range(32):
            payer, payee = (aline, eric) if (direction + n) % 2 else (eric, aline)
            outcome = submit(transfer(payer, payee, 1))
            states[outcome.error.code if outcome.error else outcome.state] += 1
        return states

    states = sum(at_once([partial(pay, direction) for direction in range(32)]), Counter())
    theirs = [answer_of(rival) for rival in rivals]

    assert states == {"completed": 1024}
    assert theirs == [{"completed": 150}] * 2
    assert posted(aline) + posted(eric) == 20_000
    time.sleep(1.1)
    submit(transfer(aline, eric, 1))  # the poster's session reports what it saw
    assert deadlocks() == before
    assert_books_balance()


# --- a bank at work ------------------------------------------------------------------------------------------------
SUMS = """
SELECT a.currency, sum(a.posted * a.normal_side), sum(a.posted) FILTER (WHERE starts_with(a.code, 'liability:wallet:')),
       bool_or(a.posted - a.held < a.floor), count(*) FILTER (WHERE a.posted <> coalesce(e.balance_after, 0))
FROM ledger_account a LEFT JOIN ledger_entry e ON e.account_id = a.id AND e.seq = a.seq
GROUP BY a.currency ORDER BY a.currency
"""


def test_every_look_at_the_whole_ledger_sees_the_same_sums(capsys):
    """G5: 32 clients pay each other for some seconds; somebody adds everything up in one snapshot, again and again."""
    seed = random.randrange(2**32)
    print("seed", seed)
    wallets = {
        currency: [new_wallet(country_id=country, tier=2, password="!") for _ in range(8)]
        for currency, country in [("KES", "KE"), ("RWF", "RW")]
    }
    for wallet in itertools.chain(*wallets.values()):
        fund(wallet, 10_000)
    until = time.monotonic() + 6

    def client(number: int) -> Counter[str]:
        dice, states = random.Random(seed + number), Counter()
        way = post_one if number % 8 == 0 else submit
        while time.monotonic() < until:
            payer, payee = dice.sample(wallets[dice.choice(["KES", "RWF"])], 2)
            outcome = way(transfer(payer, payee, dice.choice([1, 10, 5_000])))
            states[outcome.error.code if outcome.error else outcome.state] += 1
        return states

    def auditor() -> Counter[str]:
        looks: Counter[str] = Counter()
        while time.monotonic() < until:
            with db_transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                cursor.execute(SUMS)
                assert cursor.fetchall() == [("KES", 0, 80_000, False, 0), ("RWF", 0, 80_000, False, 0)]
                cursor.execute(
                    "SELECT currency, sum(side * amount) FROM ledger_entry GROUP BY currency ORDER BY currency"
                )
                assert cursor.fetchall() == [("KES", 0), ("RWF", 0)]
            looks["looks"] += 1
        return looks

    counted = sum(at_once([auditor, *(partial(client, number) for number in range(32))]), Counter())

    assert counted["looks"] >= 10
    assert counted["completed"] > 500
    assert set(counted) <= {"looks", "completed", "insufficient_funds"}
    moved = Transaction.objects.filter(kind=Kind.TRANSFER, state=State.COMPLETED).count()
    assert moved == counted["completed"]
    assert_books_balance()


# --- reversals -----------------------------------------------------------------------------------------------------
def test_reversals_that_race_never_give_back_more_than_was_sent(aline, eric):
    """G8: ten at once, whole and in part, thirty rounds."""
    dice = random.Random(8)
    fund(aline, 3_000)
    for _ in range(30):
        original = post_one(transfer(aline, eric, 100)).or_raise().transaction
        parts = [100, 100, 100, *(dice.choice([20, 35, 60]) for _ in range(7))]
        dice.shuffle(parts)

        outcomes = at_once([partial(dice.choice([submit, post_one]), reversal(original, part)) for part in parts])

        given_back = [outcome.amount for outcome in outcomes if outcome.error is None]
        codes = {outcome.error.code for outcome in outcomes if outcome.error}
        row = Transaction.objects.get(pk=original)
        assert sum(given_back) == row.reversed_amount <= 100
        assert given_back.count(100) <= 1
        assert given_back
        assert (row.state == State.REVERSED) == (row.reversed_amount == 100)
        assert codes <= {"reversal_exceeds_original", "not_reversible"}
        steps = [(event.from_state, event.to_state) for event in Event.objects.filter(transaction=original)]
        changes = [step for step in steps if step[0] != step[1]]  # a further part is an event of its own
        assert len(changes) == len(set(changes))
    assert_books_balance()


@pytest.mark.parametrize("role", ["app role", OWNER])
def test_two_sessions_with_raw_sql_cannot_reverse_more_than_the_original(aline, eric, role):
    """Over different accounts, so that no row lock makes them meet; the first is not committed when the other comes."""
    fund(aline, 1_000)
    original = post_one(transfer(aline, eric, 100)).or_raise().transaction
    strangers = [new_wallet(currency="RWF", password="!") for _ in range(2)]
    fund(strangers[0], 1_000)
    mine = Forgery().lines((eric.account_id, DEBIT, 60), (aline.account_id, CREDIT, 60), reverses_id=original)
    theirs = Forgery().lines(
        (strangers[0].account_id, DEBIT, 60), (strangers[1].account_id, CREDIT, 60), reverses_id=original
    )
    ended: list[str | None] = []

    def rival() -> None:
        try:
            second.execute(*theirs.statement())
            ended.append("")
        except psycopg.Error as error:
            ended.append(error.sqlstate)

    with session(role) as first, session(role) as second:
        first.execute(*mine.statement())
        thread = threading.Thread(target=rival)
        thread.start()
        thread.join(0.3)
        assert ended == [], "the second did not wait for the first"
        first.commit()
        thread.join()

    assert ended == ["TK006"]


# --- states --------------------------------------------------------------------------------------------------------
WAY_TO = {
    "pending": [], "processing": ["processing"], "unknown": ["processing", "unknown"], "completed": ["completed"],
    "failed": ["failed"], "cancelled": ["cancelled"], "expired": ["expired"],
}  # fmt: skip
REVERSED = {"partially_reversed", "reversed"}


def brought_to(wallet, state):
    """A cash-out in that state."""
    txn = post_one(cash_out(wallet, 100)).or_raise().transaction
    for step in WAY_TO[state]:
        post_one(Settlement(transaction=txn, to=step, actor="job:test")).or_raise()
    return txn


@pytest.mark.parametrize(("before", "after"), sorted(move for move in LEGAL if not REVERSED & set(move)))
def test_a_legal_move_is_made_once_by_ten_at_once(aline, before, after):
    """G9: one success, one event, one effect; the others are told that it was done."""
    fund(aline, 2_000)
    txn = brought_to(aline, before)

    outcomes = at_once([partial(post_one, Settlement(transaction=txn, to=after, actor="job:test"))] * 10)

    assert [o.error for o in outcomes] == [None] * 10
    assert {o.state for o in outcomes} == {after}
    assert sum(not o.replayed for o in outcomes) == 1
    assert Event.objects.filter(transaction=txn, from_state=before, to_state=after).count() == 1
    left = {"completed": 1_400, "failed": 2_000, "cancelled": 2_000, "expired": 2_000}
    assert available(aline) == left.get(after, 1_400)
    assert_books_balance()


@pytest.mark.parametrize(
    ("given_back", "amount", "before", "after"),
    [
        ([], 60, "completed", "partially_reversed"),
        ([], 100, "completed", "reversed"),
        ([60], 40, "partially_reversed", "reversed"),
    ],
)
def test_a_reversal_is_made_once_by_ten_at_once(aline, eric, given_back, amount, before, after):
    fund(aline, 100)
    original = post_one(transfer(aline, eric, 100)).or_raise().transaction
    for part in given_back:
        post_one(reversal(original, part)).or_raise()

    outcomes = at_once([partial(post_one, reversal(original, amount)) for _ in range(10)])

    assert successes(outcomes) == 1
    assert Event.objects.filter(transaction=original, from_state=before, to_state=after).count() == 1
    assert Transaction.objects.get(pk=original).state == after
    assert posted(aline) == sum(given_back) + amount
    assert_books_balance()


def test_every_other_move_is_refused_and_leaves_nothing_behind(aline, eric):
    fund(aline, 20_000)
    txns = {state: brought_to(aline, state) for state in WAY_TO}
    for state, amount in [("partially_reversed", 60), ("reversed", 100)]:
        txns[state] = post_one(transfer(aline, eric, 100)).or_raise().transaction
        post_one(reversal(txns[state], amount)).or_raise()
    transferred = post_one(transfer(aline, eric, 100)).or_raise().transaction
    events = Event.objects.count()
    refused = 0
    for before, after in itertools.product(txns, State.values):
        if (before, after) in LEGAL and after not in REVERSED:
            continue
        outcome = post_one(Settlement(transaction=txns[before], to=after, actor="job:test"))
        if before == after:
            assert outcome.replayed
        else:
            assert outcome.error and outcome.error.code == "illegal_transition", (before, after, outcome)
            refused += 1
    assert refused == 9 * 8 - len(LEGAL) + 3
    for after in set(State.values) - {"completed"}:
        assert post_one(Settlement(transaction=transferred, to=after, actor="job:test")).error
    assert Event.objects.count() == events
    assert_books_balance()
