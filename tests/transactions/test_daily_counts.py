"""Daily counts say what the transactions say, at every moment, whatever has been handed on and whatever comes later."""

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from core import valkey
from core.roles import connected_as_owner
from tests.books import assert_books_balance, fund, key, transfer
from tests.factories import new_wallet
from transactions.models import DailyCount, Kind, OutboxEntry, State
from transactions.movements import Movement
from transactions.posting import post, post_one
from transactions.services import relay
from transactions.services.counting import Counted, count_again, counted_since
from transactions.services.reversals import reverse_transaction
from transactions.services.settling import settle
from wallets.models import Wallet
from wallets.parties import Address

BEGINNING = date(2000, 1, 1)
SOURCE = """
SELECT (created_at AT TIME ZONE 'UTC')::date, currency, kind,
       CASE WHEN state = 'failed' THEN 'failed' ELSE 'completed' END,
       CASE WHEN state = 'failed' THEN refusal_code ELSE '' END, count(*), sum(amount)::bigint
FROM transactions_transaction WHERE state IN ('completed', 'partially_reversed', 'reversed', 'failed')
GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""


def from_the_transactions() -> list[Counted]:
    with connection.cursor() as cursor:
        cursor.execute(SOURCE)
        return [Counted(*row) for row in cursor.fetchall()]


def cash_out(wallet: Wallet, amount: int) -> Any:
    return post_one(
        Movement(
            kind=Kind.CASH_OUT, amount=amount, currency=wallet.currency, caller=f"customer:{wallet.customer_id}",
            key=key(), payer=Address("wallet", str(wallet.pk)), owner=wallet.customer_id, rail="sandbox",
            destination={"bank_id": "wekeza", "account_number": "0102030405", "account_name": "X"},
        )
    ).or_raise().transaction  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_counts_equal_the_transactions_after_every_step(db: None, seed: int) -> None:
    chance = random.Random(seed)
    wallets = [new_wallet(tier=2) for _ in range(3)] + [new_wallet(country_id="RW", phone_number="+250788123456")]
    for wallet in wallets:
        fund(wallet, 1_000_00)
    sent: list[Any] = []
    waiting: list[Any] = []

    for number in range(40):
        match chance.randrange(7):
            case 0 | 1:
                payer, payee = chance.sample(wallets[:3], 2)
                outcomes = post([transfer(payer, payee, chance.choice([1_00, 5_00, 9_000_000_00])) for _ in range(3)])
                sent += [one.transaction for one in outcomes if one.error is None]
            case 2:
                waiting.append(cash_out(chance.choice(wallets), 2_00))
            case 3 if waiting:
                ends = (State.COMPLETED, State.FAILED, State.CANCELLED)
                settle(waiting.pop(), to=chance.choice(ends), actor="rail:sandbox", refusal_code="account_closed")
            case 4 if sent:
                reverse_transaction(
                    sent.pop(), amount=50, reason_code="fraud", note="", actor=None, idempotency_key=f"r{number:016}"
                )
            case 5:
                relay.relay_batch()
            case 6:
                DailyCount.objects.count()
        assert counted_since(BEGINNING) == from_the_transactions()

    relay.relay_events()
    assert not OutboxEntry.objects.exists()
    assert counted_since(BEGINNING) == from_the_transactions()
    assert DailyCount.objects.filter(state=State.FAILED).exclude(refusal_code="").exists()
    assert_books_balance()


def test_what_ends_days_later_counts_for_the_day_it_was_asked_for(db: None) -> None:
    wallet = new_wallet()
    fund(wallet, 100_00)
    waiting = cash_out(wallet, 10_00)
    relay.relay_events()
    before = sum(one.number for one in counted_since(BEGINNING))

    settle(waiting, to=State.COMPLETED, actor="rail:sandbox")

    assert sum(one.number for one in counted_since(BEGINNING)) == before + 1
    tomorrow = counted_since(BEGINNING)[0].day + timedelta(days=1)
    assert counted_since(tomorrow) == []


def test_a_relay_that_is_stopped_before_its_commit_counts_nothing_twice(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet, other = new_wallet(), new_wallet()
    fund(wallet, 100_00)
    post_one(transfer(wallet, other, 1_00)).or_raise()

    class Down(Exception):
        pass

    def publish(events: Any) -> None:
        raise Down

    with monkeypatch.context() as patch:
        patch.setattr(relay, "publish", publish)
        for _ in range(2):
            with pytest.raises(Down):
                relay.relay_events()
        assert not DailyCount.objects.exists()
        assert counted_since(BEGINNING) == from_the_transactions()
    relay.relay_events()

    assert counted_since(BEGINNING) == from_the_transactions()


def test_counting_again_gives_the_same_and_repairs_what_was_lost(db: None) -> None:
    wallet, other = new_wallet(), new_wallet()
    fund(wallet, 100_00)
    post([transfer(wallet, other, 1_00) for _ in range(5)])
    relay.relay_batch()
    post_one(transfer(wallet, other, 2_00)).or_raise()  # which is not handed on yet
    before = Counter(DailyCount.objects.values_list("day", "kind", "state", "count", "amount"))
    DailyCount.objects.update(count=7)
    assert counted_since(BEGINNING) != from_the_transactions()

    count_again()

    assert Counter(DailyCount.objects.values_list("day", "kind", "state", "count", "amount")) == before
    assert counted_since(BEGINNING) == from_the_transactions()


def test_without_the_trigger_the_comparison_would_notice(transactional_db: None) -> None:
    wallet, other = new_wallet(), new_wallet()
    fund(wallet, 100_00)
    post_one(transfer(wallet, other, 1_00)).or_raise()
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE transactions_outboxentry DISABLE TRIGGER count_handed_on")
        cursor.execute("DELETE FROM transactions_outboxentry")
        cursor.execute("ALTER TABLE transactions_outboxentry ENABLE TRIGGER count_handed_on")

    assert counted_since(BEGINNING) != from_the_transactions()


def test_the_relay_still_tells_customers_and_publishes(db: None) -> None:
    wallet, other = new_wallet(), new_wallet()
    fund(wallet, 100_00)
    post_one(transfer(wallet, other, 1_00)).or_raise()

    assert relay.relay_events() == 2
    assert valkey.client().xlen(valkey.key("events")) == 2
