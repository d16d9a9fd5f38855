"""Callbacks: what a bank, or somebody who would like to be one, says to us (G32, G35)."""

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx2
import pytest
from django.db.models.functions import Now

from core.models import AuditRecord
from tests.books import assert_books_balance, available, fund, posted
from tests.fakes.bank import SECRET
from tests.fakes.rail_work import cash_out, in_threads, message_about, top_up
from transactions.errors import RailMessageNotFound
from transactions.models import Event, RailMessage, State, Transaction
from transactions.rails.signing import Signer
from transactions.services import rail_calls, rail_messages, settling

URL = "/v1/rails/sandbox/callbacks"
FUNDS = 100_000


def report(transaction_id, amount_minor=10_907, **changes):
    said = {"reference": str(transaction_id), "rail_reference": "SBX1", "status": "completed", "currency": "RWF"}
    return said | {"amount_minor": amount_minor} | changes


def tell(client, said, *, signer=None, message_id="", at=None, body=None):
    """POST a callback as the bank would."""
    raw = json.dumps(said).encode()
    headers = (signer or Signer(SECRET)).sign(raw, message_id=message_id, at=at)
    del headers["content-type"]
    return client.post(URL, body or raw, content_type="application/json", headers=headers)


@pytest.fixture
def out(bank, aline):
    """A cash-out of 10,907 that the bank has carried out and never calls back about."""
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_907)
    rail_calls.submit_to_rail(txn)
    return txn


@pytest.fixture
def reference(bank, out):
    return bank.orders[str(out)].rail_reference


def state_of(transaction_id):
    return Transaction.objects.get(pk=transaction_id).state


def odd():
    return list(RailMessage.objects.filter(state=RailMessage.State.ODD).values_list("note", flat=True))


def test_a_message_is_kept_then_processed(client, out):
    answer = tell(client, report(out), message_id="msg_1")

    assert (answer.status_code, answer.json()) == (200, {"status": "received"})
    message = RailMessage.objects.get()
    assert (message.rail, message.message_id, message.state) == ("sandbox", "msg_1", RailMessage.State.RECEIVED)
    assert message.payload == report(out)
    assert rail_messages.sweep() == 1
    assert state_of(out) == State.COMPLETED
    assert_books_balance()


def test_ten_times_the_same_message_is_one_effect(client, out):
    answers = [tell(client, report(out), message_id="msg_1") for _ in range(10)]
    rail_messages.sweep()
    late = tell(client, report(out), message_id="msg_1")

    assert {answer.status_code for answer in [*answers, late]} == {200}
    assert RailMessage.objects.count() == 1
    assert Event.objects.filter(transaction=out, to_state="completed").count() == 1
    assert_books_balance()


def test_ten_messages_and_ten_workers_at_once_are_one_effect(client, out, reference):
    for n in range(10):
        tell(client, report(out, rail_reference=reference), message_id=f"msg_{n}")

    in_threads(5, rail_messages.sweep)

    assert RailMessage.objects.filter(state=RailMessage.State.PROCESSED).count() == 10
    assert Event.objects.filter(transaction=out, to_state="completed").count() == 1
    assert_books_balance()


def test_the_same_id_at_once_is_kept_once(bank, out, live_server):
    raw = json.dumps(report(out)).encode()
    headers = Signer(SECRET).sign(raw, message_id="msg_1")
    answers = []

    in_threads(10, lambda: answers.append(httpx2.post(live_server.url + URL, content=raw, headers=headers).status_code))

    assert answers == [200] * 10
    assert RailMessage.objects.count() == 1


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_stale_message_is_refused(client, out, seconds):
    answer = tell(client, report(out), at=datetime.now(UTC) + timedelta(seconds=seconds))

    assert answer.status_code == 401
    assert not RailMessage.objects.exists()


def test_a_forged_message_is_refused_and_moves_nothing(client, out, aline):
    before = available(aline)

    answers = [
        tell(client, report(out), signer=Signer("not the secret that we share")),
        tell(client, report(out), body=json.dumps(report(out, 99)).encode()),
        client.post(URL, json.dumps(report(out)), content_type="application/json"),
    ]
    rail_messages.sweep()

    for answer in answers:
        assert answer.status_code == 401
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "invalid_signature"
    assert not RailMessage.objects.exists()
    assert (state_of(out), available(aline)) == (State.PROCESSING, before)


def test_other_doors_are_closed(client, out):
    assert client.get(URL).status_code == 405
    assert (
        client.post("/v1/rails/mpesa/callbacks", "{}", content_type="application/json").json()["code"]
        == "rail_not_found"
    )
    assert tell(client, ["not", "an", "object"]).status_code == 400


def test_an_unknown_reference_is_odd(client, out):
    for reference in (uuid4(), "not one of ours", "'; DROP TABLE"):
        assert tell(client, report(reference)).status_code == 200

    rail_messages.sweep()

    assert odd() == ["The reference is not one of ours."] * 3
    assert_books_balance()


@pytest.mark.parametrize("change", [{"amount_minor": 10_908}, {"amount_minor": 1}, {"currency": "KES"}])
@pytest.mark.parametrize("start", [cash_out, top_up])
def test_another_amount_or_currency_is_odd_and_credits_nothing(client, bank, aline, start, change):
    fund(aline, FUNDS)
    txn = start(aline, 10_907)
    rail_calls.submit_to_rail(txn)
    before = posted(aline)

    tell(client, report(txn) | change)
    rail_messages.sweep()

    assert len(odd()) == 1
    assert (state_of(txn), posted(aline)) == (State.PROCESSING, before)
    assert_books_balance()


def test_a_success_for_what_was_never_submitted_is_odd(client, bank, aline):
    txn = top_up(aline, 10_907)

    tell(client, report(txn))
    rail_messages.sweep()

    assert odd() == ["A success for what is pending (rail reference SBX1)."]
    assert posted(aline) == 0


def test_a_late_success_after_failure_is_odd_and_pays_nothing(client, out, aline):
    tell(client, report(out, status="failed", code="account_closed"))
    rail_messages.sweep()
    assert (state_of(out), available(aline)) == (State.FAILED, FUNDS)

    tell(client, report(out))
    rail_messages.sweep()

    assert odd() == ["A success for what is failed (rail reference SBX1)."]
    assert (state_of(out), available(aline), posted(aline)) == (State.FAILED, FUNDS, FUNDS)
    assert_books_balance()


def test_a_failure_after_success_is_odd(client, out, aline, reference):
    tell(client, report(out, rail_reference=reference))
    rail_messages.sweep()
    after = posted(aline)

    tell(client, report(out, status="failed", code="account_closed"))
    tell(client, report(out, rail_reference="SBX2"))  # done a second time, under another reference of theirs
    rail_messages.sweep()

    assert odd() == ["A failure for what is completed.", "A success for what is completed (rail reference SBX2)."]
    assert (state_of(out), posted(aline)) == (State.COMPLETED, after)


def test_a_failure_twice_is_one(client, out):
    for _ in range(2):
        tell(client, report(out, status="failed", code="Account Closed!"))
    rail_messages.sweep()

    assert sorted(RailMessage.objects.values_list("note", flat=True)) == ["Failed.", "Had failed before."]
    assert Transaction.objects.get(pk=out).refusal_code == "rail_refused"  # their code cannot be one of ours


def test_what_cannot_be_read_is_odd_not_lost(client, out):
    tell(client, {"reference": str(out), "status": "perhaps"})

    rail_messages.sweep()

    assert RailMessage.objects.get().state == RailMessage.State.ODD
    assert state_of(out) == State.PROCESSING


def test_a_message_that_breaks_its_worker_is_odd_after_three_attempts_and_stops_no_other(client, out, monkeypatch):
    other = tell(client, report(uuid4()), message_id="other")
    tell(client, report(out), message_id="poison")
    with monkeypatch.context() as patch:
        patch.setattr(settling, "settle", lambda *args, **kwargs: 1 / 0)
        for _ in range(5):
            rail_messages.sweep()
            RailMessage.objects.update(due_at=Now())

    assert other.status_code == 200
    assert odd() == ["The reference is not one of ours.", "Given up after three attempts."]
    assert RailMessage.objects.get(message_id="poison").attempts == 3
    assert state_of(out) == State.PROCESSING  # and the next inquiry will tell
    assert_books_balance()


def test_the_bank_repeats_a_callback_until_it_is_heard(bank, aline, settings, monkeypatch):
    fund(aline, FUNDS)
    txn = cash_out(aline, 10_000)
    heard = []

    def hard_of_hearing(*args):
        heard.append(args[1]["webhook-id"])
        if len(heard) < 3:
            raise RuntimeError("this request fails")
        return receive(*args)

    receive = rail_messages.receive
    monkeypatch.setattr(rail_messages, "receive", hard_of_hearing)

    rail_calls.submit_to_rail(txn)
    rail_messages.process(message_about(txn).pk)

    assert len(heard) == 3
    assert len(set(heard)) == 1
    assert state_of(txn) == State.COMPLETED


def test_a_person_closes_an_odd_message(client, out):
    tell(client, report(uuid4()))
    rail_messages.sweep()
    message = RailMessage.objects.get()

    rail_messages.close_odd(message.pk, actor="staff:1", reason="a test payment of theirs")

    assert odd() == []
    record = AuditRecord.objects.get(subject_id=str(message.pk))
    assert (record.actor, record.reason) == ("staff:1", "a test payment of theirs")
    assert record.before == {"state": "odd", "note": message.note} and record.after == {"state": "processed"}
    with pytest.raises(RailMessageNotFound):
        rail_messages.close_odd(message.pk, actor="staff:1", reason="again")
