"""The outbox: every event handed on, in order per wallet, to both parties and to the stream."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import valkey
from ledger.selectors import balance_at
from notifications.models import Delivery, Notification
from tests.books import assert_books_balance, fund, key, transfer
from tests.fakes.rail_work import cash_out, in_threads, top_up
from tests.holding import capture, expire, held, overdue
from transactions.models import Event, Kind, OutboxEntry, State, Transaction
from transactions.movements import Movement, Settlement
from transactions.posting import post, post_one
from transactions.rules import holds as rule
from transactions.services import holds, relay, settling
from wallets.services import freeze_wallet

pytestmark = pytest.mark.django_db
PERSONAL = ("Aline", "Mukamana", "Eric", "Habimana", "+2507", "@example.com", "secret memo")


def stream():
    """What consumers of the stream read, oldest first."""
    rows = valkey.client().xrange(valkey.key("events"))
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]


def told(wallet):
    return list(
        Notification.objects.filter(customer=wallet.customer).order_by("id").values_list("kind", "title", "body")
    )


@pytest.fixture(autouse=True)
def _clean_stream(db):
    yield
    valkey.client().delete(valkey.key("events"))


def test_a_transfer_is_told_to_both_and_published_once(aline, eric):
    fund(aline, 200_000)
    relay.relay_events()
    receipt = post_one(transfer(aline, eric, 150_000, memo="secret memo")).receipt

    assert relay.relay_events() == 1
    assert relay.relay_events() == 0

    assert told(aline)[-1] == (
        "money_sent", "You sent RWF 150,000", f"Eric H. has RWF 150,000 from you. Receipt {receipt}.",
    )  # fmt: skip
    assert told(eric) == [
        ("money_received", "You received RWF 150,000", f"Aline M. sent you RWF 150,000. Receipt {receipt}.")
    ]
    assert Delivery.objects.count() == 3
    assert not OutboxEntry.objects.exists()
    last = stream()[-1]
    assert set(last) == {"id", "type", "transaction", "wallets", "at", "json"}
    assert last["wallets"] == f"{aline.pk},{eric.pk}"
    said = json.loads(last["json"])
    assert (said["type"], said["amount"], said["currency"]) == ("transaction.completed", 150_000, "RWF")
    assert not any(word in text for event in stream() for text in event.values() for word in PERSONAL)


def test_a_refusal_is_told_to_the_payer_alone(aline, eric):
    post_one(transfer(aline, eric, 5))

    relay.relay_events()

    ((kind, title, body),) = told(aline)
    assert (kind, title) == ("transfer_failed", "Your transfer of RWF 5 was refused")
    assert "Not enough money available. Nothing left your wallet." in body
    assert told(eric) == []


def test_a_cash_out_tells_its_owner_how_it_ended_with_the_fee(aline):
    fund(aline, 50_000)
    paid, failed, expired = (cash_out(aline, 10_000) for _ in range(3))
    settling.mark(paid, to=State.PROCESSING, actor="job:t")
    settling.settle(paid, to=State.COMPLETED, actor="rail:sandbox")
    settling.settle(failed, to=State.FAILED, actor="rail:sandbox", refusal_code="account_closed")
    settling.settle(expired, to=State.EXPIRED, actor="job:t")

    relay.relay_events()

    by_kind = {kind: body for kind, _, body in told(aline)}
    assert set(by_kind) == {"top_up_completed", "cash_out_completed", "cash_out_failed", "cash_out_expired"}
    assert "The fee was RWF 500." in by_kind["cash_out_completed"]
    assert "The bank or mobile-money partner refused" in by_kind["cash_out_failed"]


def test_a_reversal_tells_who_gets_back_and_who_gives_back(aline, eric):
    fund(aline, 1000)
    original = post_one(transfer(aline, eric, 1000)).transaction
    relay.relay_events()
    reversal = Movement(
        kind=Kind.REVERSAL, amount=400, currency="RWF", caller="staff:1", key=key(), reverses=original,
        reason_code="wrong_recipient",
    )  # fmt: skip
    post_one(reversal).or_raise()

    relay.relay_events()

    assert told(aline)[-1][:2] == ("money_returned", "RWF 400 was returned to you")
    assert "sent to Eric H." in told(aline)[-1][2]
    assert told(eric)[-1][:2] == ("money_taken_back", "RWF 400 was taken back")
    assert Notification.objects.filter(transaction=original).count() == 2  # its own change of state tells nothing new


def test_every_end_of_every_kind_is_told_or_left_out_on_purpose():
    silent = {
        (Kind.REVERSAL, State.FAILED),  # staff's attempt
        (Kind.ADJUSTMENT, State.FAILED),
        (Kind.PAYOUT, State.FAILED),  # told with the batch
        *((kind, State.PENDING) for kind in Kind if kind != Kind.HOLD),
        *((kind, state) for kind in Kind for state in (State.PROCESSING, State.UNKNOWN)),
        *((kind, state) for kind in Kind for state in (State.REVERSED, State.PARTIALLY_REVERSED)),
        *((kind, state) for kind in set(Kind) - {Kind.TOP_UP, Kind.CASH_OUT, Kind.HOLD}
          for state in (State.CANCELLED, State.EXPIRED)),
    }  # fmt: skip
    assert set(relay.TOLD) | silent == {(kind, state) for kind in Kind for state in State}
    assert not set(relay.TOLD) & silent


def test_events_of_a_wallet_arrive_in_the_order_of_its_entries(transactional_db, aline, eric):
    fund(aline, 100_000)
    fund(eric, 100_000)

    def both_ways():
        for amount in range(1, 26):
            post([transfer(aline, eric, amount), transfer(eric, aline, amount)])

    stop = threading.Event()

    def relaying():
        while not stop.wait(0.01):
            relay.relay_events()
        relay.relay_events()
        connection.close()

    relays = [threading.Thread(target=relaying) for _ in range(2)]
    for thread in relays:
        thread.start()
    in_threads(4, both_ways)
    stop.set()
    for thread in relays:
        thread.join()

    published = [event["id"] for event in stream()]
    assert len(published) == Event.objects.count() == 202
    assert published == sorted(published)
    entries = Transaction.objects.filter(pk__in=[event["transaction"] for event in stream()])
    assert entries.count() == 202
    assert balance_at(aline.account_id).posted + balance_at(eric.account_id).posted == 200_000
    assert_books_balance()


class Killed(BaseException):
    """What `kill -9` looks like from inside."""


def killed(*args, **kwargs):
    raise Killed


def test_killed_between_publishing_and_commit_it_repeats_and_tells_once(transactional_db, aline, eric, monkeypatch):
    fund(aline, 1000)
    post_one(transfer(aline, eric, 10))
    publish = relay.publish
    with monkeypatch.context() as patch:
        patch.setattr(relay, "publish", lambda events: (publish(events), killed()))
        with pytest.raises(Killed):
            relay.relay_events()
    assert (OutboxEntry.objects.count(), Notification.objects.count(), len(stream())) == (2, 0, 2)

    relay.relay_events()

    assert Counter(event["id"] for event in stream()).most_common() == [
        (str(event), 2) for event in Event.objects.order_by("id").values_list("id", flat=True)
    ]
    assert Notification.objects.count() == 3
    assert Delivery.objects.count() == 3
    assert not OutboxEntry.objects.exists()


@pytest.mark.parametrize("step", ["waiting_events", "notify_many", "publish"])
def test_killed_at_any_step_nothing_is_lost(transactional_db, aline, eric, monkeypatch, step):
    fund(aline, 1000)
    post_one(transfer(aline, eric, 10))
    with monkeypatch.context() as patch:
        patch.setattr(relay, step, killed)
        with pytest.raises(Killed):
            relay.relay_events()

    relay.relay_events()

    assert (len(stream()), Notification.objects.count(), OutboxEntry.objects.count()) == (2, 3, 0)


def test_without_valkey_events_wait(transactional_db, aline, settings):
    fund(aline, 1000)
    settings.REDIS_URL, here = "redis://127.0.0.1:1/0", settings.REDIS_URL
    valkey.client.cache_clear()
    with pytest.raises(redis.RedisError):
        relay.relay_events()
    settings.REDIS_URL = here
    valkey.client.cache_clear()
    assert OutboxEntry.objects.count() == 1

    relay.relay_events()

    assert (len(stream()), OutboxEntry.objects.count()) == (1, 0)


def test_a_text_that_cannot_be_made_stops_nothing(aline, eric, monkeypatch, caplog):
    fund(aline, 1000)
    post_one(transfer(aline, eric, 10))
    monkeypatch.setitem(relay.TOLD, (Kind.TRANSFER, State.COMPLETED), ("no_such_text", "money_received"))

    relay.relay_events()

    assert [kind for kind, _, _ in told(eric)] == ["money_received"]
    assert "money_sent" not in [kind for kind, _, _ in told(aline)]
    assert not OutboxEntry.objects.exists()
    assert any(record.levelname == "ERROR" for record in caplog.records)


def test_statements_do_not_grow_with_the_batch(aline, eric):
    fund(aline, 1000)
    relay.relay_events()
    counts = []
    for size in (1, 20):
        post([transfer(aline, eric, 1) for _ in range(size)])
        with CaptureQueriesContext(connection) as counted:
            relay.relay_batch()
        counts.append(len(counted))

    assert counts[0] == counts[1]


def test_a_top_up_is_told_to_the_wallet_that_it_fills(aline):
    txn = top_up(aline, 10_000)
    settling.settle(txn, to=State.FAILED, actor="rail:sandbox", refusal_code="rail_unreachable")

    relay.relay_events()

    ((kind, _, body),) = told(aline)
    assert kind == "top_up_failed"
    assert "could not be reached. Nothing was added" in body


# --- holds ---------------------------------------------------------------------------------------------------------
def newly_told(*wallets):
    """Kind, title and beginning of the text of what each was told last, or nothing."""
    before = [len(told(wallet)) for wallet in wallets]
    relay.relay_events()
    return [told(wallet)[known:] for wallet, known in zip(wallets, before, strict=True)]


def as_payee(hold):
    return Settlement(transaction=hold, to=State.CANCELLED, actor="customer:payee")


def as_staff(hold):
    return Settlement(transaction=hold, to=State.CANCELLED, actor="staff:1")


@pytest.mark.parametrize("taken", [0, 200])
@pytest.mark.parametrize(
    ("end", "to_payer", "to_payee"),
    [(as_payee, "hold_released", None), (as_staff, "hold_voided", "promise_voided"),
     (expire, "hold_expired", "promise_expired")],
)  # fmt: skip
def test_each_end_of_a_hold_is_told_as_it_was(aline, eric, end, to_payer, to_payee, taken, monkeypatch):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    if taken:
        post_one(capture(hold, taken)).or_raise()
    relay.relay_events()
    if end is expire:
        monkeypatch.setattr(rule, "instant", lambda at_us: datetime.now(UTC) + timedelta(days=8))
    post_one(end(hold)).or_raise()

    mine, theirs = newly_told(aline, eric)

    left = f"RWF {700 - taken}"
    assert [(kind, title.startswith(left)) for kind, title, _ in mine] == [(to_payer, True)]
    assert [(kind, title.startswith(left)) for kind, title, _ in theirs] == ([(to_payee, True)] if to_payee else [])
    for _, _, body in mine + theirs:
        assert ("took RWF 200 of" in body) is bool(taken)
        assert ("does not need" in body) is (end is as_payee)


def test_a_final_part_tells_the_payer_what_was_taken_and_what_is_free(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    relay.relay_events()
    post_one(capture(hold, 300, final=True)).or_raise()

    mine, theirs = newly_told(aline, eric)

    assert [kind for kind, _, _ in mine] == ["payment_made", "hold_released"]
    assert mine[1][1:] == (
        "RWF 400 is free again",
        "Eric H. took RWF 300 of what was set aside for them and does not need the rest. "
        f"Receipt {Transaction.objects.get(pk=hold).receipt}.",
    )
    assert [kind for kind, _, _ in theirs] == ["payment_received"]


def test_a_capture_by_itself_that_was_refused_is_told_to_the_payee_alone(aline, eric):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 700, capture_at=datetime.now(UTC) - timedelta(seconds=1))
    relay.relay_events()
    freeze_wallet(aline, mode="debit", actor=None, reason="stolen phone")
    post_one(capture(hold))  # by the payee, who has the answer
    holds.sweep()

    mine, theirs = newly_told(aline, eric)

    assert mine == []
    ((kind, title, body),) = theirs
    assert (kind, title) == ("capture_failed", "RWF 700 could not be captured")
    assert "You can capture it yourself until it expires." in body
    assert Transaction.objects.get(pk=hold).receipt in body
