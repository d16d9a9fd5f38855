"""What is decided of one order, and all that is written up of it: every column, every event, every answer."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from core.errors import AmountNotPositive, Declined, IllegalTransition
from core.problems import catalogue
from core.work import Work
from customers.models import TierLimit
from ledger.models import Account, Entry, HoldEvent, Journal
from ledger.selectors import balance_at, coverage
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from tests.factories import CustomerFactory, fresh
from tests.forgery import told
from transactions import tariff
from transactions.attempt import refusal
from transactions.errors import (
    IdempotencyKeyReused,
    InsufficientFunds,
    NotReversible,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientShort,
    ReferenceTaken,
    ReversalExceedsOriginal,
    SelfTransfer,
    TransactionNotFound,
)
from transactions.models import Event, Kind, OutboxEntry, State, Transaction, Usage
from transactions.movements import Movement, Settlement
from transactions.posting import dry_run, post, post_one
from wallets.errors import WalletClosed, WalletNotFound
from wallets.parties import Address
from wallets.services import close_wallet

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-7000-8000-000000000000"


def cash_out(wallet, amount, **more):
    return Movement(
        kind=Kind.CASH_OUT, amount=amount, currency=wallet.currency, caller="job:t", key=key(), rail="sandbox",
        payer=Address("wallet", str(wallet.pk)), destination={"bank_id": "wekeza"}, **more,
    )  # fmt: skip


def top_up(wallet, amount, **more):
    return Movement(
        kind=Kind.TOP_UP, amount=amount, currency=wallet.currency, caller="job:t", key=key(), rail="sandbox",
        payee=Address("wallet", str(wallet.pk)), **more,
    )  # fmt: skip


def reversal(original, amount, **more):
    return Movement(
        kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:7", key=key(), reverses=original,
        reason_code="duplicate", reason="Sent twice.", request_id="req-9", **more,
    )  # fmt: skip


def settling(txn, to, **more):
    return post_one(Settlement(transaction=txn, to=to, actor="rail:sandbox", **more))


def events_of(txn):
    return list(Event.objects.filter(transaction=txn))


def usage_of(wallet):
    return [(row.amount, row.count) for row in Usage.objects.filter(wallet=wallet)]


# --- a transfer ----------------------------------------------------------------------------------------------------
def test_a_transfer_is_written_up_in_full(aline, eric):
    fund(aline, 1_000)
    said = {"memo": "rent", "reference": "march", "reason": "because", "request_id": "req-1"}
    order = transfer(aline, eric, 400, answer=told, **said)

    outcome = post_one(order)

    row = Transaction.objects.get(pk=outcome.transaction)
    assert (row.kind, row.state, row.amount, row.fee, row.currency) == ("transfer", "completed", 400, 0, "RWF")
    assert (row.payer_id, row.payee_id, row.memo, row.reference) == (aline.pk, eric.pk, "rent", "march")
    assert (row.caller, row.idempotency_key, row.fingerprint) == (order.caller, order.key, order.fingerprint)
    assert (row.answer_status, row.answer) == (outcome.status, outcome.answer) == told(outcome)
    assert (row.refusal_code, row.reversed_amount, row.reason_code, row.reverses_id) == ("", 0, "", None)
    assert (row.rail, row.rail_reference, row.destination, row.due_at, row.attempts) == ("", "", None, None, 0)
    assert row.completed_at == row.created_at == outcome.created_at
    assert row.pk.int >> 80 == int(row.created_at.timestamp() * 1_000_000) // 1_000  # its id is of that moment
    assert row.quarantined_at is None
    assert (outcome.error, outcome.receipt, outcome.kind, outcome.state) == (None, row.receipt, "transfer", "completed")
    assert (outcome.payer, outcome.payee, outcome.amount, outcome.fee, outcome.currency) == (
        aline.pk, eric.pk, 400, 0, "RWF",
    )  # fmt: skip
    assert (outcome.balance_after, outcome.replayed) == (600, False)

    (event,) = events_of(row.pk)
    assert (event.type, event.from_state, event.to_state) == ("transaction.completed", "", "completed")
    assert (event.actor, event.reason, event.request_id, event.at) == (order.caller, "because", "req-1", row.created_at)
    assert event.facts["fee"] == {"minor": 0, "flat": 0, "bps": 0}
    assert set(event.facts["verdicts"]) >= {"customers_are_active", "wallets_are_usable", "within_limits"}
    assert OutboxEntry.objects.filter(event=event).count() == 1

    journal = Journal.objects.get(pk=row.pk)
    assert (journal.kind, journal.reference) == ("transfer", f"transfer:{row.pk}")
    assert (journal.recorded_at, journal.effective_at) == (row.created_at, row.created_at)
    assert (journal.reverses_id, journal.reverses_all) == (None, False)
    assert usage_of(aline) == [(400, 1)]
    assert usage_of(eric) == []


def test_business_time_is_the_callers_where_he_says_so(aline):
    then = fresh(aline).created_at - timedelta(days=3)
    outcome = post_one(top_up(aline, 100, settled=True, effective_at=then))
    journal = Journal.objects.get(pk=outcome.transaction)
    assert (journal.effective_at, journal.recorded_at) == (then, outcome.created_at)


def test_a_refusal_is_written_up_in_full_and_moves_nothing(aline, eric):
    fund(aline, 100)
    order = transfer(aline, eric, 400, memo="rent", reference="march", answer=told)

    outcome = post_one(order)

    row = Transaction.objects.get(pk=outcome.transaction)
    assert type(outcome.error) is InsufficientFunds
    assert outcome.error.facts == {"transaction_id": str(row.pk), "receipt": row.receipt}
    assert outcome.error.__traceback__ is None
    assert (outcome.state, outcome.fee, outcome.balance_after, outcome.status) == ("failed", 0, None, 422)
    assert (row.state, row.refusal_code, row.fee, row.memo, row.reference) == (
        "failed", "insufficient_funds", 0, "rent", "march",
    )  # fmt: skip
    assert (row.payer_id, row.payee_id, row.completed_at, row.due_at) == (aline.pk, eric.pk, row.created_at, None)
    (event,) = events_of(row.pk)
    assert (event.type, event.from_state, event.to_state) == ("transaction.failed", "", "failed")
    assert event.facts["refusal"]["code"] == "insufficient_funds"
    assert event.facts["refusal"]["detail"] == InsufficientFunds.for_customer
    assert not Journal.objects.filter(pk=row.pk).exists()
    assert usage_of(aline) == []


def test_nothing_asked_is_nothing_done():
    assert post([]) == []
    assert not Transaction.objects.exists()


# --- who ------------------------------------------------------------------------------------------------------------
def test_whoever_is_not_there_leaves_no_row(aline, eric):
    fund(aline, 100)
    for order, error in [
        (transfer(aline, eric, 1, owner=eric.customer_id), WalletNotFound),
        (replace(transfer(aline, eric, 1), payer=Address("wallet", NOBODY)), WalletNotFound),
        (replace(top_up(aline, 1), payee=Address("wallet", NOBODY)), WalletNotFound),
        (top_up(aline, 1, owner=eric.customer_id), WalletNotFound),
        (transfer(aline, eric, 0), AmountNotPositive),
        (transfer(aline, eric, -5), AmountNotPositive),
        (reversal(NOBODY, 1), TransactionNotFound),
    ]:
        outcome = post_one(order)
        assert type(outcome.error) is error
        assert (outcome.transaction, outcome.receipt) == (None, "")
        assert outcome.error.__traceback__ is None
    assert type(settling(NOBODY, State.COMPLETED).error) is TransactionNotFound
    assert Transaction.objects.count() == 1  # the top-up
    assert post_one(transfer(aline, eric, 1, owner=None)).error is None  # jobs dispose of any wallet


def test_a_recipient_who_is_nobody_is_told_from_one_without_a_wallet(aline):
    fund(aline, 100)
    CustomerFactory(phone_number="+250788777777", email="known@example.com")
    for address, error, masked in [
        (Address("phone", "+250788999111"), RecipientNotFound, "+2507•••111"),
        (Address("email", "nobody@example.com"), RecipientNotFound, "n•••@example.com"),
        (Address("wallet", NOBODY), RecipientNotFound, NOBODY),
        (Address("phone", "+250788777777"), RecipientHasNoWallet, "+2507•••777"),
        (Address("email", "known@example.com"), RecipientHasNoWallet, "k•••@example.com"),
    ]:
        outcome = post_one(replace(transfer(aline, aline, 1), payee=address))

        assert type(outcome.error) is error
        row = Transaction.objects.get(pk=outcome.transaction)
        assert (row.payer_id, row.payee_id) == (aline.pk, None)
        assert events_of(row.pk)[0].facts["to"] == {"by": address.by, "value": masked}


def test_nobody_pays_himself(aline):
    fund(aline, 100)
    named = [Address("wallet", str(aline.pk)), Address("phone", aline.customer.phone_number)]
    for payee in named:
        outcome = post_one(replace(transfer(aline, aline, 1), payee=payee))
        assert type(outcome.error) is SelfTransfer
        assert Transaction.objects.get(pk=outcome.transaction).payee_id == aline.pk
    assert posted(aline) == 100


# --- the same key ----------------------------------------------------------------------------------------------------
def test_a_success_is_told_again_as_it_was(aline, eric):
    fund(aline, 1_000)
    order = transfer(aline, eric, 400, answer=told)

    first, again = post_one(order), post_one(order)

    assert again == replace(first, replayed=True, balance_after=None)
    assert Transaction.objects.filter(kind="transfer").count() == Journal.objects.filter(kind="transfer").count() == 1
    assert usage_of(aline) == [(400, 1)]


@pytest.mark.parametrize("answer", [None, told])
def test_a_refusal_is_told_again_by_its_code(aline, eric, answer):
    order = transfer(aline, eric, 400, answer=answer)

    first = post_one(order)
    fund(aline, 1_000)  # it comes too late for this key
    again = post_one(order)

    assert type(again.error) is type(first.error) is InsufficientFunds
    assert (again.error.detail, again.error.facts) == (InsufficientFunds.for_customer, {})
    assert replace(again, error=None) == replace(first, error=None, replayed=True)
    assert posted(eric) == 0


def test_a_top_up_that_failed_later_is_told_again_as_it_was_taken_up(aline):
    order = top_up(aline, 100, answer=told)
    first = post_one(order)
    settling(first.transaction, State.FAILED, refusal_code="rail_refused").or_raise()

    again = post_one(order)

    assert (again.error, again.state, again.status, again.answer) == (None, State.FAILED, 201, first.answer)
    assert again.replayed


def test_within_a_batch_the_second_is_told_what_the_first_was(aline, eric):
    fund(aline, 1_000)
    order, poor = transfer(aline, eric, 400, answer=told), transfer(aline, eric, 10_000)

    first, again, refused, refused_again, other = post([order, order, poor, poor, replace(order, amount=401)])

    assert (first.replayed, refused.replayed) == (False, False)
    assert again == replace(first, replayed=True)
    assert refused_again == replace(refused, replayed=True)
    assert (type(other.error), other.transaction) == (IdempotencyKeyReused, None)
    assert (posted(eric), usage_of(aline)) == (400, [(400, 1)])
    assert_books_balance()


def test_keys_are_the_callers_own(aline, eric):
    fund(aline, 100)
    fund(eric, 100)
    mine, theirs = transfer(aline, eric, 10, key="k" * 16), transfer(eric, aline, 20, key="k" * 16)
    assert [outcome.replayed for outcome in post([mine, theirs])] == [False, False]
    assert (posted(aline), posted(eric)) == (110, 90)


def test_a_reference_is_unique_for_ever_and_the_callers_own(aline, eric):
    fund(aline, 100)
    fund(eric, 100)
    first, second = post([transfer(aline, eric, 10, reference="r"), transfer(aline, eric, 10, reference="r")])
    later, of_another = post([transfer(aline, eric, 10, reference="r"), transfer(eric, aline, 10, reference="r")])
    without = post([transfer(aline, eric, 1), transfer(aline, eric, 1, reference=None)])

    assert (first.error, of_another.error) == (None, None)
    for refused in (second, later):
        assert (type(refused.error), refused.transaction) == (ReferenceTaken, None)
        assert refused.error.facts == {"reference": "r"}
    assert [outcome.error for outcome in without] == [None, None]


def test_every_refusal_is_known_by_its_code():
    kept = [kind for kind in catalogue().values() if issubclass(kind, Declined)]
    assert len(kept) > 15
    assert [type(refusal(kind.code)) for kind in kept] == kept
    unknown = refusal("of_old_times")
    assert (type(unknown), unknown.facts) == (Declined, {"code": "of_old_times"})


# --- through a rail ---------------------------------------------------------------------------------------------------
def test_a_cash_out_waits_with_its_money_held(aline):
    fund(aline, 10_000)

    outcome = post_one(cash_out(aline, 4_000))

    row = Transaction.objects.get(pk=outcome.transaction)
    assert (row.state, row.fee, row.rail, row.destination) == ("pending", 500, "sandbox", {"bank_id": "wekeza"})
    assert (row.due_at, row.completed_at, outcome.balance_after) == (row.created_at, None, 10_000)
    assert (posted(aline), available(aline), usage_of(aline)) == (10_000, 5_500, [(4_000, 1)])
    hold = HoldEvent.objects.get(hold=row.pk)
    assert (hold.kind, hold.amount, hold.remaining_after, hold.recorded_at) == ("placed", 4_500, 4_500, row.created_at)
    assert events_of(row.pk)[0].facts["fee"] == {"minor": 500, "flat": 500, "bps": 0}


@pytest.mark.parametrize(
    ("to", "kind", "left", "used"),
    [
        (State.COMPLETED, "captured", 5_500, [(4_000, 1)]),
        (State.FAILED, "voided", 10_000, [(0, 0)]),
        (State.CANCELLED, "voided", 10_000, [(0, 0)]),
        (State.EXPIRED, "expired", 10_000, [(0, 0)]),
    ],
)
def test_a_cash_out_that_ends_lets_go_of_its_hold_and_unless_paid_of_its_limit(aline, to, kind, left, used):
    fund(aline, 10_000)
    txn = post_one(cash_out(aline, 4_000)).transaction

    said = {"reason": "r", "refusal_code": "c", "rail_reference": "ref", "facts": {"a": 1}, "request_id": "req"}
    outcome = settling(txn, to, due_at=fresh(aline).created_at, **said)

    row = Transaction.objects.get(pk=txn)
    event = events_of(txn)[-1]
    assert (outcome.state, outcome.replayed, outcome.amount, outcome.fee) == (to, False, 4_000, 500)
    assert (outcome.transaction, outcome.payer, outcome.payee) == (txn, aline.pk, None)
    assert (outcome.receipt, outcome.kind, outcome.currency, outcome.created_at) == (
        row.receipt, "cash_out", "RWF", row.created_at,
    )  # fmt: skip
    assert (row.state, row.refusal_code, row.rail_reference, row.due_at) == (to, "c", "ref", None)
    assert row.completed_at == HoldEvent.objects.filter(hold=txn).latest("seq").recorded_at > row.created_at
    assert (event.type, event.from_state, event.to_state) == (f"transaction.{to}", "pending", to)
    assert (event.actor, event.reason, event.facts, event.request_id) == ("rail:sandbox", "r", {"a": 1}, "req")
    assert event.at > row.created_at
    assert event.pk.int >> 80 == int(event.at.timestamp() * 1_000_000) // 1_000  # its id is of that moment
    assert OutboxEntry.objects.filter(event=event).exists()
    last = HoldEvent.objects.filter(hold=txn).latest("seq")
    assert (last.kind, last.amount, last.remaining_after) == (kind, 4_500, 0)
    assert (posted(aline), available(aline), usage_of(aline)) == (left, left, used)
    assert Journal.objects.filter(pk=txn).exists() == (to == State.COMPLETED)
    assert settling(txn, to).replayed
    assert len(events_of(txn)) == 2
    assert_books_balance()


def test_on_its_way_it_is_due_again_and_keeps_what_was_said(aline):
    fund(aline, 10_000)
    txn = post_one(cash_out(aline, 4_000)).transaction
    later = fresh(Transaction(pk=txn)).created_at + timedelta(minutes=5)

    settling(txn, State.PROCESSING, due_at=later, rail_reference="ref", refusal_code="slow").or_raise()
    row = Transaction.objects.get(pk=txn)
    assert (row.state, row.due_at, row.completed_at, row.rail_reference, row.refusal_code) == (
        "processing", later, None, "ref", "slow",
    )  # fmt: skip
    settling(txn, State.UNKNOWN).or_raise()
    row = Transaction.objects.get(pk=txn)
    assert (row.state, row.due_at, row.rail_reference, row.refusal_code) == ("unknown", None, "ref", "slow")
    assert HoldEvent.objects.filter(hold=txn).count() == 1
    assert usage_of(aline) == [(4_000, 1)]
    refused = settling(txn, State.PROCESSING)
    assert type(refused.error) is IllegalTransition
    assert (refused.error.facts, refused.error.detail) == ({"state": "unknown"}, "This cash_out is unknown.")


def test_a_settlement_is_of_what_is_open(aline, eric):
    fund(aline, 10_000)
    paid = post_one(cash_out(aline, 4_000, settled=True)).transaction
    sent = post_one(transfer(aline, eric, 100)).transaction
    for txn, to in [
        (paid, State.REVERSED),
        (paid, State.PARTIALLY_REVERSED),
        (paid, State.FAILED),
        (sent, State.REVERSED),
    ]:
        refused = settling(txn, to)
        assert type(refused.error) is IllegalTransition
        assert refused.error.facts == {"state": "completed"}
        assert len(events_of(txn)) == 1


def test_a_cash_out_that_a_partner_paid_already_is_done_at_once(aline):
    fund(aline, 10_000)

    outcome = post_one(cash_out(aline, 4_000, settled=True))

    assert (outcome.state, outcome.balance_after, posted(aline), available(aline)) == ("completed", 5_500, 5_500, 5_500)
    assert not HoldEvent.objects.exists()
    assert Journal.objects.get(pk=outcome.transaction).reference == f"cash_out:{outcome.transaction}"
    assert coverage() == [("RWF", 5_500, 0, 6_000, 500)]
    assert_books_balance()


def test_a_top_up_brings_nothing_until_the_rail_has_it(aline):
    outcome = post_one(top_up(aline, 100))
    row = Transaction.objects.get(pk=outcome.transaction)
    assert (row.state, row.payer_id, row.payee_id, outcome.balance_after) == ("pending", None, aline.pk, 0)
    assert (posted(aline), usage_of(aline), HoldEvent.objects.count()) == (0, [], 0)

    done = settling(row.pk, State.COMPLETED).or_raise()
    assert (done.transaction, done.payer, done.payee) == (row.pk, None, aline.pk)
    assert (posted(aline), usage_of(aline)) == (100, [])
    assert Journal.objects.get(pk=row.pk).reference == f"top_up:{row.pk}"


@pytest.fixture
def at_most_a_thousand(aline):
    """What Aline's wallet may hold."""
    TierLimit.objects.create(
        country_id="RW", currency="RWF", tier=aline.customer.tier, balance=1_000, effective_from=date(2026, 1, 2),
        source="test",
    )  # fmt: skip
    tariff.forget()
    yield
    tariff.forget()


@pytest.mark.usefixtures("at_most_a_thousand")
def test_within_a_batch_what_is_on_its_way_in_adds_up(aline):
    orders = [top_up(aline, 400) for _ in range(3)]
    assert [outcome.error and outcome.error.code for outcome in post(orders)] == [None, None, "balance_limit_exceeded"]
    assert post_one(top_up(aline, 201)).error.code == "balance_limit_exceeded"
    assert post_one(top_up(aline, 200)).error is None


def test_money_for_a_wallet_closed_meanwhile_waits_in_suspense(aline):
    txn = post_one(top_up(aline, 100)).transaction
    close_wallet(aline, actor=None)

    settling(txn, State.COMPLETED).or_raise()

    assert posted(aline) == 0
    assert coverage() == [("RWF", 0, 100, 100, 0)]
    assert Account.objects.get(code="liability:suspense:RWF").posted == 100
    assert_books_balance()


# --- reversals --------------------------------------------------------------------------------------------------------
def test_a_reversal_is_written_up_in_full(aline, eric):
    fund(aline, 1_000)
    original = post_one(transfer(aline, eric, 400)).transaction

    outcome = post_one(reversal(original, 150))

    row = Transaction.objects.get(pk=outcome.transaction)
    assert (row.kind, row.state, row.amount, row.fee, row.reverses_id) == ("reversal", "completed", 150, 0, original)
    assert (row.payer_id, row.payee_id, row.reason_code) == (eric.pk, aline.pk, "duplicate")
    assert (outcome.payer, outcome.payee, outcome.balance_after) == (eric.pk, aline.pk, 250)
    assert events_of(row.pk)[0].facts == {"fee_returned_minor": 0}
    reversed_ = Transaction.objects.get(pk=original)
    assert (reversed_.state, reversed_.reversed_amount) == ("partially_reversed", 150)
    event = events_of(original)[-1]
    assert (event.from_state, event.to_state, event.actor) == ("completed", "partially_reversed", "staff:7")
    assert (event.reason, event.request_id) == ("Sent twice.", "req-9")
    assert event.facts == {"reversed_by": str(row.pk), "amount_minor": 150, "reason_code": "duplicate"}
    journal = Journal.objects.get(pk=row.pk)
    assert (journal.reverses_id, journal.reverses_all) == (original, False)
    assert usage_of(eric) == []
    assert usage_of(aline) == [(400, 1)]  # what was sent was sent


def test_a_reversal_at_once_is_marked_as_the_whole(aline, eric):
    fund(aline, 1_000)
    at_once, in_parts = (post_one(transfer(aline, eric, 400)).transaction for _ in range(2))

    whole = post_one(reversal(at_once, 400)).transaction
    parts = [post_one(reversal(in_parts, amount)).transaction for amount in (100, 300)]

    assert Journal.objects.get(pk=whole).reverses_all
    assert not Journal.objects.filter(pk__in=parts, reverses_all=True).exists()
    assert {Transaction.objects.get(pk=txn).state for txn in (at_once, in_parts)} == {"reversed"}


def test_why_a_reversal_is_refused(aline, eric):
    fund(aline, 1_000)
    original = post_one(transfer(aline, eric, 400)).transaction
    came_in = Transaction.objects.get(kind=Kind.TOP_UP).pk
    failed = post_one(transfer(aline, eric, 40_000)).transaction
    post_one(reversal(original, 100)).or_raise()

    too_much = post_one(reversal(original, 301))
    assert (type(too_much.error), too_much.error.facts["left"]) == (ReversalExceedsOriginal, "300")
    assert Transaction.objects.get(pk=too_much.transaction).refusal_code == "reversal_exceeds_original"
    for other, state in [(came_in, "completed"), (failed, "failed")]:
        refused = post_one(reversal(other, 1))
        assert (type(refused.error), refused.transaction) == (NotReversible, None)
        assert refused.error.facts == {"state": state}
    assert "transfer that is failed cannot be reversed" in post_one(reversal(failed, 1)).error.detail

    post_one(transfer(eric, aline, 250)).or_raise()
    short = post_one(reversal(original, 300))
    assert (type(short.error), short.error.facts["shortfall_minor"]) == (RecipientShort, 250)
    assert post_one(reversal(original, 50)).error is None
    assert posted(eric) == 0
    emptied = post_one(reversal(original, 250))
    assert emptied.error.facts["shortfall_minor"] == 250


@pytest.mark.parametrize("who", ["payer", "payee"])
def test_a_closed_wallet_neither_gives_nor_takes_back(aline, eric, who):
    fund(aline, 400)
    original = post_one(transfer(aline, eric, 400)).transaction
    if who == "payee":
        post_one(transfer(eric, aline, 400)).or_raise()
    close_wallet(eric if who == "payee" else aline, actor=None)

    outcome = post_one(reversal(original, 400))

    assert type(outcome.error) is WalletClosed
    assert_books_balance()


# --- questions --------------------------------------------------------------------------------------------------------
def test_a_question_is_answered_and_nothing_is_written(aline, eric):
    fund(aline, 1_000)
    before = (Transaction.objects.count(), Event.objects.count(), Entry.objects.count(), balance_at(aline.account_id))

    outcome, world = dry_run(transfer(aline, eric, 400))
    refused, _ = dry_run(transfer(aline, eric, 4_000))

    assert (outcome.error, outcome.transaction, outcome.receipt, outcome.balance_after) == (None, None, "", 600)
    assert (outcome.state, outcome.amount, outcome.payee) == ("completed", 400, eric.pk)
    assert world.lines() == [
        {"account": f"liability:wallet:{aline.pk}", "side": "debit", "amount_minor": 400, "balance_after_minor": 600}
        | {"currency": "RWF"},
        {"account": f"liability:wallet:{eric.pk}", "side": "credit", "amount_minor": 400, "balance_after_minor": 400}
        | {"currency": "RWF"},
    ]
    assert (type(refused.error), refused.error.facts) == (InsufficientFunds, {})
    assert (refused.transaction, refused.receipt) == (None, "")
    assert before == (
        Transaction.objects.count(), Event.objects.count(), Entry.objects.count(), balance_at(aline.account_id)
    )  # fmt: skip


def test_a_question_locks_nobody_out(monkeypatch, aline, eric):
    fund(aline, 1_000)
    original = post_one(transfer(aline, eric, 400)).transaction
    asked: list[str] = []
    run = Work.run
    monkeypatch.setattr(Work, "run", lambda self, query, *params: asked.append(query) or run(self, query, *params))

    for order in (transfer(aline, eric, 1), reversal(original, 1), top_up(aline, 1, settled=True)):
        assert dry_run(order)[0].error is None

    assert len(asked) > 10
    assert not [query for query in asked if "FOR NO KEY UPDATE" in query or "INSERT" in query or "UPDATE " in query]
