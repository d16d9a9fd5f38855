"""Movements through a rail that behaves, and one that does not: from the worker to the rows."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.db import transaction as db_transaction

from core.ids import uuid7
from core.models import AuditRecord
from tests.books import assert_books_balance, available, fund, posted
from tests.fakes.rail_work import BANK_ACCOUNT, cash_out, in_threads, message_about, top_up, work_until_settled
from transactions.models import Event, RailCall, RailMessage, State, Transaction
from transactions.rails.sandbox import SandboxRail
from transactions.services import rail_calls, rail_messages

FEE = 500  # of a cash-out in RWF
FUNDS = 100_000


def calls_of(transaction_id):
    return list(
        RailCall.objects.filter(transaction=transaction_id).order_by("number").values_list("purpose", "outcome")
    )


def states_of(transaction_id):
    return [event.to_state for event in Event.objects.filter(transaction=transaction_id)]


def test_a_cash_out_is_paid_when_the_bank_says_so(bank, aline):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)

    assert rail_calls.submit_to_rail(txn) == "accepted"
    assert (posted(aline), available(aline)) == (FUNDS, FUNDS - 10_000 - FEE)
    message = message_about(txn)
    rail_messages.process(message.pk)

    row = Transaction.objects.get(pk=txn)
    assert states_of(txn) == ["pending", "processing", "completed"]
    assert (row.state, row.rail_reference, row.due_at) == (State.COMPLETED, bank.orders[str(txn)].rail_reference, None)
    assert posted(aline) == available(aline) == FUNDS - 10_000 - FEE
    assert bank.executed("pay", "RWF") == 10_000
    message.refresh_from_db()
    assert (message.state, message.transaction_id) == (RailMessage.State.PROCESSED, txn)
    assert_books_balance()


def test_a_top_up_is_credited_when_the_bank_says_so(bank, aline):
    txn = top_up(aline, 10_000)

    rail_calls.submit_to_rail(txn)
    assert posted(aline) == 0
    rail_messages.process(message_about(txn).pk)

    assert Transaction.objects.get(pk=txn).state == State.COMPLETED
    assert posted(aline) == 10_000 == bank.executed("collect", "RWF")
    assert_books_balance()


# What becomes of each magic amount: the last state, its code, the states on the way.
ENDS = [
    (10_000, "completed", "", ["processing"]),
    (10_901, "failed", "insufficient_funds_at_bank", ["processing"]),
    (10_902, "failed", "account_closed", ["processing"]),
    (10_903, "completed", "", ["processing"]),
    (10_904, "completed", "", ["processing", "unknown"]),
    (10_905, "failed", "rail_unreachable", ["processing", "unknown"]),
    (10_906, "completed", "", ["processing"]),
    (10_907, "completed", "", ["processing"]),
    (10_909, "completed", "", ["processing"]),
]


@pytest.mark.parametrize(("amount", "end", "code", "on_the_way"), ENDS)
def test_a_cash_out_ends_as_the_bank_says(bank, aline, time_passes, amount, end, code, on_the_way):
    fund(aline, FUNDS)
    txn = cash_out(aline, amount)

    work_until_settled(time_passes)

    row = Transaction.objects.get(pk=txn)
    assert (row.state, row.refusal_code) == (end, code)
    assert states_of(txn) == ["pending", *on_the_way, end]
    paid = amount if end == "completed" else 0
    assert bank.executed("pay", "RWF") == paid
    assert posted(aline) == available(aline) == FUNDS - paid - (FEE if paid else 0)
    assert not RailMessage.objects.exclude(state=RailMessage.State.PROCESSED).exists()
    assert_books_balance()


@pytest.mark.parametrize(("amount", "end", "code", "on_the_way"), ENDS)
def test_a_top_up_ends_as_the_bank_says(bank, aline, time_passes, amount, end, code, on_the_way):
    txn = top_up(aline, amount)

    work_until_settled(time_passes)

    row = Transaction.objects.get(pk=txn)
    assert (row.state, row.refusal_code) == (end, code)
    assert states_of(txn) == ["pending", *on_the_way, end]
    collected = amount if end == "completed" else 0
    assert bank.executed("collect", "RWF") == posted(aline) == collected
    assert_books_balance()


@pytest.mark.parametrize("start", [cash_out, top_up])
def test_another_amount_is_never_taken_for_ours(bank, aline, time_passes, start):
    fund(aline, FUNDS)
    txn = start(aline, 10_908)
    before = posted(aline)

    rail_calls.submit_to_rail(txn)
    message = message_about(txn)
    rail_messages.process(message.pk)
    time_passes()
    rail_calls.sweep()  # asks, and is told the same

    message.refresh_from_db()
    row = Transaction.objects.get(pk=txn)
    assert (message.state, message.transaction_id) == (RailMessage.State.ODD, txn)
    assert "RWF 10909" in message.note
    assert (row.state, row.quarantined_at is None) == (State.PROCESSING, False)
    assert posted(aline) == before
    assert (
        AuditRecord.objects.get(action="quarantine", subject_id=str(txn)).reason
        == "The rail says RWF 10909 (minor units)."
    )
    assert_books_balance()


def test_a_callback_twice_pays_once(bank, aline, time_passes):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_906)

    rail_calls.submit_to_rail(txn)
    first, second = message_about(txn, 1), message_about(txn, 2)
    rail_messages.sweep()

    assert first.message_id != second.message_id
    notes = RailMessage.objects.order_by("received_at").values_list("state", "note")
    assert list(notes) == [("processed", "Completed."), ("processed", "Was completed before.")]
    assert states_of(txn).count("completed") == 1
    assert_books_balance()


def test_success_before_accepted_is_one_payment(bank, aline):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_909)
    said = []

    def answer(self, instruction):
        """The callback is in before the bank answers; a worker takes it up at once."""
        answered = submit(self, instruction)
        rail_messages.process(message_about(txn).pk)
        said.append(Transaction.objects.get(pk=txn).state)
        return answered

    submit = SandboxRail.submit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxRail, "submit", answer)
        assert rail_calls.submit_to_rail(txn) == "accepted"

    assert said == ["completed"]
    assert Transaction.objects.get(pk=txn).due_at is None
    assert calls_of(txn) == [("submit", "accepted")]
    assert_books_balance()


def test_silence_is_asked_about_before_anything_else_happens(bank, aline, time_passes):
    fund(aline, FUNDS)
    executed, never = cash_out(aline, 10_904), cash_out(aline, 10_905)

    for txn in (executed, never):
        assert rail_calls.submit_to_rail(txn) == "no_answer"
        assert Transaction.objects.get(pk=txn).state == State.UNKNOWN
    assert available(aline) == FUNDS - 10_904 - 10_905 - 2 * FEE  # still held
    assert rail_calls.submit_to_rail(never) == ""  # never on top of an unknown outcome
    assert rail_calls.inquire(never) == ""  # nor before its time
    time_passes()
    work_until_settled(time_passes)

    assert calls_of(executed) == [("submit", "no_answer"), ("inquire", "completed")]
    assert calls_of(never) == [
        ("submit", "no_answer"), ("inquire", "not_known"),
        ("submit", "no_answer"), ("inquire", "not_known"),
        ("submit", "no_answer"), ("inquire", "not_known"),
    ]  # fmt: skip
    assert posted(aline) == available(aline) == FUNDS - 10_904 - FEE
    assert_books_balance()


def test_never_heard_of_is_not_believed_too_soon(bank, aline, time_passes, settings):
    settings.RAIL_RESUBMIT_AFTER_SECONDS = 60
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_905)

    rail_calls.submit_to_rail(txn)
    time_passes()
    rail_calls.inquire(txn)

    row = Transaction.objects.get(pk=txn)
    assert calls_of(txn) == [("submit", "no_answer"), ("inquire", "not_known")]
    assert row.state == State.UNKNOWN
    call = RailCall.objects.get(transaction=txn, number=1)
    assert abs(row.due_at - call.started_at - timedelta(seconds=60)) < timedelta(seconds=1)


def test_a_rail_that_promises_nothing_is_only_asked_again(bank, aline, time_passes, monkeypatch):
    monkeypatch.setattr(SandboxRail, "not_known_is_final", False)
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_905)

    rail_calls.submit_to_rail(txn)
    for _ in range(3):
        time_passes()
        rail_calls.inquire(txn)

    assert [purpose for purpose, _ in calls_of(txn)] == ["submit", "inquire", "inquire", "inquire"]
    assert Transaction.objects.get(pk=txn).state == State.UNKNOWN


def test_inquiries_grow_rarer(bank, aline, time_passes, settings):
    settings.RAIL_INQUIRY_SECONDS, settings.RAIL_INQUIRY_SECONDS_MOST = 10, 60
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_903)
    rail_calls.submit_to_rail(txn)

    waits = []
    for _ in range(4):
        time_passes()
        assert rail_calls.inquire(txn) == "in_progress"
        asked = RailCall.objects.filter(transaction=txn).latest("number").finished_at
        waits.append((Transaction.objects.get(pk=txn).due_at - asked).total_seconds())

    for wait, longest in zip(waits, [20, 40, 60, 60]):
        assert longest / 2 <= wait <= longest


def test_two_workers_at_once_submit_once(bank, aline):
    fund(aline, FUNDS)
    txns = [cash_out(aline, 1000 + n) for n in range(6)]
    outcomes = []

    in_threads(3, lambda: outcomes.extend(rail_calls.submit_to_rail(txn) for txn in txns))

    assert sorted(filter(None, outcomes)) == ["accepted"] * 6
    assert RailCall.objects.count() == 6


def test_of_one_customer_only_so_many_submissions_wait_for_the_bank(bank, aline, eric, settings, time_passes):
    settings.RAIL_CALLS_PER_CUSTOMER = 2
    fund(aline, FUNDS)
    txns = [cash_out(aline, 1904 + 1000 * n) for n in range(5)]  # the bank carries them out in silence
    waiting = iter(txns)

    in_threads(5, lambda: rail_calls.submit_to_rail(next(waiting)))

    assert RailCall.objects.filter(outcome="no_answer").count() == RailCall.objects.count() == 2
    left = Transaction.objects.filter(pk__in=txns, state=State.PENDING)
    assert left.count() == 3  # none failed, and none is forgotten
    work_until_settled(time_passes)
    assert not Transaction.objects.filter(pk__in=txns).exclude(state=State.COMPLETED).exists()
    assert RailCall.objects.filter(purpose="submit").count() == 5
    assert_books_balance()


def test_what_nobody_took_up_in_time_expires(bank, aline, settings):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)
    settings.RAIL_EXPIRY_SECONDS = 0

    assert rail_calls.sweep() == 1

    assert Transaction.objects.get(pk=txn).state == State.EXPIRED
    assert bank.orders == {}
    assert posted(aline) == available(aline) == FUNDS
    assert_books_balance()


def test_a_call_never_happens_inside_a_database_transaction(bank, aline):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)

    with pytest.raises(RuntimeError, match="durable"), db_transaction.atomic():
        rail_calls.submit_to_rail(txn)

    seen = []
    submit = SandboxRail.submit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxRail, "submit", lambda *args: (seen.append(connection.in_atomic_block), submit(*args))[1])
        rail_calls.submit_to_rail(txn)
    assert seen == [False]


def test_the_account_number_is_kept_in_one_place(bank, aline):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)

    rail_calls.submit_to_rail(txn)

    call = RailCall.objects.get(transaction=txn)
    assert call.request == {"reference": str(txn), "operation": "pay", "amount_minor": 10_000, "currency": "RWF"}
    assert BANK_ACCOUNT["account_number"] not in str(call.response)


def test_one_that_breaks_down_stops_no_other(bank, aline, monkeypatch):
    fund(aline, FUNDS)
    broken, sound = cash_out(aline, 10_000), cash_out(aline, 20_000)
    submit = SandboxRail.submit

    def bug(self, instruction):
        if instruction.reference == str(broken):
            raise ZeroDivisionError
        return submit(self, instruction)

    monkeypatch.setattr(SandboxRail, "submit", bug)

    assert rail_calls.sweep() == 2

    assert calls_of(broken) == [("submit", "")]
    assert calls_of(sound) == [("submit", "accepted")]


def test_three_lost_calls_are_quarantined_until_a_person_releases_them(bank, aline, time_passes, monkeypatch, caplog):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)
    with monkeypatch.context() as poison:
        for verb in ("submit", "inquire"):
            poison.setattr(SandboxRail, verb, lambda *args: 1 / 0)
        for _ in range(6):
            rail_calls.sweep()
            time_passes()

    row = Transaction.objects.get(pk=txn)
    assert calls_of(txn) == [("submit", ""), ("inquire", ""), ("inquire", "")]
    assert (row.state, row.quarantined_at is None) == (State.UNKNOWN, False)
    assert available(aline) == FUNDS - 10_000 - FEE
    assert any(record.levelname == "ERROR" and "quarantined" in record.message for record in caplog.records)

    rail_calls.release(txn, actor="staff:1", reason="the bug is fixed")
    work_until_settled(time_passes)

    assert Transaction.objects.get(pk=txn).state == State.COMPLETED
    assert [outcome for _, outcome in calls_of(txn)][:3] == ["lost"] * 3
    assert AuditRecord.objects.get(action="release", subject_id=str(txn)).actor == "staff:1"
    assert bank.executed("pay", "RWF") == 10_000
    assert_books_balance()


def test_a_worker_that_comes_back_after_its_lease_moves_nothing(bank, aline, time_passes):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_907)
    submit = SandboxRail.submit

    def stopped(self, instruction):
        """Another worker finds the lease over and settles the matter, while this one was stopped."""
        answered = submit(self, instruction)
        time_passes()
        assert rail_calls.inquire(txn) == "completed"
        return answered

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SandboxRail, "submit", stopped)
        rail_calls.submit_to_rail(txn)

    assert calls_of(txn) == [("submit", "accepted"), ("inquire", "completed")]
    assert states_of(txn) == ["pending", "processing", "unknown", "completed"]
    assert Transaction.objects.get(pk=txn).due_at is None
    assert_books_balance()


def test_a_worker_held_up_before_its_call_does_not_make_it_any_more(bank, aline, time_passes):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)
    ask = rail_calls._ask

    def stopped(call):
        call.started_at -= timedelta(minutes=1)
        return ask(call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rail_calls, "_ask", stopped)
        assert rail_calls.submit_to_rail(txn) == "no_answer"
    assert bank.orders == {}

    work_until_settled(time_passes)
    assert Transaction.objects.get(pk=txn).state == State.COMPLETED


def test_a_silent_rail_does_not_hold_up_a_sweep(bank, aline, time_passes):
    fund(aline, FUNDS)
    for n in range(8):
        cash_out(aline, 1_905 + n * 1000)

    rail_calls.sweep()

    assert RailCall.objects.count() == rail_calls.SILENCES


@pytest.fixture
def a_fresh_reference_each_time(monkeypatch):
    """The mistake that all of this is about."""
    make = rail_calls._instruction
    monkeypatch.setattr(rail_calls, "_instruction", lambda txn: replace(make(txn), reference=str(uuid7())))


def test_control_a_fresh_reference_for_each_call_pays_twice_and_it_shows(
    bank, aline, time_passes, a_fresh_reference_each_time
):
    fund(aline, FUNDS)
    cash_out(aline, 10_904)

    work_until_settled(time_passes)

    assert bank.executed("pay", "RWF") == 3 * 10_904
    assert posted(aline) == FUNDS  # told that it failed, after three payments


def test_g33_what_the_bank_paid_is_what_the_books_say(bank, aline, time_passes):
    """40 cash-outs, 30 % of them without an answer, half of those carried out all the same."""
    fund(aline, 1_000_000)
    amounts = [1000 * (n + 1) + {0: 904, 1: 905}.get(n % 2, 0) if n < 12 else 1000 * (n + 1) for n in range(40)]
    txns = {cash_out(aline, amount): amount for amount in amounts}

    in_threads(4, lambda: work_until_settled(time_passes, 60.0))
    # On a slow machine the four take each other for lost, for time passes quickly here; a person lets those go on.
    for quarantined in Transaction.objects.filter(quarantined_at__isnull=False).values_list("pk", flat=True):
        rail_calls.release(quarantined, actor="staff:1", reason="the worker was only slow")
    work_until_settled(time_passes, 60.0)

    rows = {row.pk: row for row in Transaction.objects.filter(pk__in=txns)}
    paid = sum(row.amount for row in rows.values() if row.state == State.COMPLETED)
    assert paid == bank.executed("pay", "RWF") == sum(amount for amount in amounts if amount % 1000 != 905)
    for row in rows.values():
        calls = calls_of(row.pk)
        if row.state == State.FAILED:
            assert calls.count(("inquire", "not_known")) >= rail_calls.SUBMISSIONS  # two workers may ask at once
            assert str(row.pk) not in bank.orders
        if ("submit", "no_answer") in calls:
            assert calls[1][0] == "inquire"
    assert (
        posted(aline)
        == available(aline)
        == 1_000_000 - paid - FEE * sum(row.state == State.COMPLETED for row in rows.values())
    )
    assert_books_balance()
