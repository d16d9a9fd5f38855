"""Holds: placed, captured in parts, voided, expired, captured by themselves; each step at most once."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from core.errors import IllegalTransition, Unavailable
from core.money import Money
from customers.models import Customer, TierLimit
from customers.services import suspend_customer
from ledger.selectors import balance_at, hold_of
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from tests.factories import new_wallet
from tests.holding import any_dates, capture, expire, held, overdue, promise, state_of, void
from tests.racing import at_once
from transactions import posting, tariff
from transactions.errors import CaptureExceedsHold, HoldDatesImpossible, HoldExpired, HoldNotFound, HoldOver
from transactions.models import Event, FeeRule, FeeWaiver, Kind, State, Transaction, Usage
from transactions.movements import Movement, Settlement, Terms
from transactions.posting import post, post_one
from transactions.rules import holds as rule
from transactions.services import holds
from wallets.errors import WalletNotEmpty, WalletPromised
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet, lift_freeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def fee(db):
    """A payment costs 5 and one percent."""
    FeeRule.objects.create(kind=Kind.PAYMENT, currency="RWF", flat=5, bps=100, effective_from=datetime.now(UTC).date())
    tariff.forget()
    yield
    tariff.forget()


def used(wallet):
    return tuple(Usage.objects.filter(wallet=wallet).values_list("amount", "count").first() or (0, 0))


def payment(payer, payee, amount):
    return Movement(
        kind=Kind.PAYMENT, amount=amount, currency="RWF", caller=f"customer:{payer.customer_id}", key=key(),
        payer=Address("wallet", str(payer.pk)), payee=Address("wallet", str(payee.pk)), owner=payer.customer_id,
    )  # fmt: skip


def on_hold(wallet):
    return balance_at(wallet.account_id).held


def told(hold):
    """What the event of its end says."""
    return Event.objects.filter(transaction=hold).order_by("-id").first().facts


# --- placing -------------------------------------------------------------------------------------------------------
def test_what_is_promised_is_not_available_and_has_not_moved(aline, eric, fee):
    fund(aline, 2_000)

    outcome = post_one(promise(aline, eric, 1_000)).or_raise()

    assert (outcome.state, outcome.fee) == ("pending", 15)
    assert (posted(aline), available(aline), posted(eric)) == (2_000, 985, 0)
    assert used(aline) == (1_000, 1)
    (step,) = hold_of(outcome.transaction)
    assert (step.kind, step.amount, step.remaining) == ("placed", 1_015, 1_015)
    txn = Transaction.objects.get(pk=outcome.transaction)
    assert txn.due_at == outcome.promise.expires_at
    assert txn.due_at - txn.created_at == rule.USUAL
    assert_books_balance()


def test_more_than_is_there_with_the_fee_is_not_promised(aline, eric, fee):
    fund(aline, 1_014)

    outcome = post_one(promise(aline, eric, 1_000))

    assert (outcome.error.code, outcome.state) == ("insufficient_funds", "failed")
    assert (available(aline), on_hold(aline), used(aline)) == (1_014, 0, (0, 0))
    assert_books_balance()


def test_the_same_key_holds_once(aline, eric):
    fund(aline, 2_000)
    order = promise(aline, eric, 500, terms=Terms(expires_in=60))

    first, again = post([order, order])
    later = post_one(order)

    assert (again.transaction, again.replayed) == (later.transaction, later.replayed) == (first.transaction, True)
    assert on_hold(aline) == 500
    other = promise(aline, eric, 500, terms=Terms(expires_in=61), key=order.key)
    assert post_one(other).error.code == "idempotency_key_reused"


@pytest.mark.parametrize(
    "terms",
    [
        Terms(expires_in=0),
        Terms(expires_in=30 * 86_400 + 1),
        Terms(expires_at=datetime(2020, 1, 1, tzinfo=UTC)),
        Terms(expires_at=datetime(2999, 1, 1, tzinfo=UTC)),
        Terms(capture_at=datetime(2020, 1, 1, tzinfo=UTC)),
        Terms(capture_at=datetime(2999, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_hold_runs_from_now_for_thirty_days_at_the_most(aline, eric, terms):
    fund(aline, 1_000)

    outcome = post_one(promise(aline, eric, 500, terms=terms))

    assert (type(outcome.error), outcome.transaction) == (HoldDatesImpossible, None)
    assert on_hold(aline) == 0


def test_a_wallet_is_not_closed_while_something_of_it_is_promised(aline, eric):
    fund(aline, 500)
    held(aline, eric, 500)

    with pytest.raises(WalletNotEmpty):
        close_wallet(aline, actor=None)


def test_nor_the_wallet_that_it_is_promised_to(aline, eric):
    fund(aline, 500)
    hold = held(aline, eric, 500)

    with pytest.raises(WalletPromised):
        close_wallet(eric, actor=None)
    post_one(void(hold)).or_raise()

    assert close_wallet(eric, actor=None).closed_at
    assert_books_balance()


def test_so_many_holds_of_a_wallet_are_open_and_no_more(aline, eric, settings):
    settings.HOLDS_OPEN_MAX = 3
    fund(aline, 1_000)
    first = held(aline, eric, 10)

    outcomes = post([promise(aline, eric, 10) for _ in range(3)])
    post_one(void(first)).or_raise()
    again = post_one(promise(aline, eric, 10))

    assert [outcome.error and outcome.error.code for outcome in outcomes] == [None, None, "too_many_holds"]
    assert outcomes[-1].error.facts["limit"] == 3
    assert (again.error, on_hold(aline)) == (None, 30)
    assert post_one(promise(eric, aline, 1)).error.code == "insufficient_funds"
    assert post_one(promise(aline, eric, 10)).error.code == "too_many_holds"
    assert used(aline) == (30, 3)  # what was refused counts against no limit
    assert_books_balance()


# --- capturing -----------------------------------------------------------------------------------------------------
def test_parts_are_payments_of_their_own_and_cost_together_what_one_costs(aline, eric, fee):
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)

    parts = [post_one(capture(hold, amount)).or_raise() for amount in (333, 333, 334)]

    assert [part.kind for part in parts] == ["payment"] * 3
    assert [part.fee for part in parts] == [8, 4, 3]  # of payments of 333, 666 and 1,000, less what was taken before
    assert [part.promise.remaining for part in parts] == [667, 334, 0]
    assert (posted(aline), available(aline), posted(eric)) == (985, 985, 1_000)
    assert (state_of(hold), used(aline)) == ("completed", (1_000, 1))
    assert [(step.kind, step.amount, step.remaining) for step in hold_of(hold)] == [
        ("placed", 1_015, 1_015), ("captured", 341, 674), ("captured", 337, 337), ("captured", 337, 0),
    ]  # fmt: skip
    assert told(hold) == {"ended": "captured", "captured_minor": 1_000, "returned_minor": 0}
    assert set(Transaction.objects.filter(hold=hold).values_list("pk", flat=True)) == {p.transaction for p in parts}
    assert_books_balance()


def test_without_an_amount_all_that_is_left_is_captured(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    post_one(capture(hold, 200)).or_raise()
    order = capture(hold)

    rest = post_one(order).or_raise()

    assert (rest.amount, state_of(hold), posted(eric)) == (500, "completed", 700)
    assert post_one(order).replayed
    assert posted(eric) == 700
    assert_books_balance()


def test_a_final_part_gives_the_rest_back(aline, eric, fee):
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)

    part = post_one(capture(hold, 300, final=True)).or_raise()

    assert (part.fee, part.promise.state, part.promise.remaining) == (8, "completed", 0)
    assert (available(aline), on_hold(aline), posted(eric)) == (1_692, 0, 300)
    assert used(aline) == (300, 1)
    assert [step.kind for step in hold_of(hold)] == ["placed", "captured", "voided"]
    assert told(hold) == {"ended": "voided", "captured_minor": 300, "returned_minor": 700}
    assert_books_balance()


def test_what_the_payee_bears_of_the_price_is_that_of_one_payment_too(aline, eric):
    FeeRule.objects.create(
        kind=Kind.PAYMENT, currency="RWF", flat=31, payee_bps=10_000, effective_from=datetime.now(UTC).date()
    )
    tariff.forget()
    fund(aline, 1_000)
    hold = held(aline, eric, 900)

    parts = [post_one(capture(hold, 300)).or_raise() for _ in range(3)]

    assert [(part.fee, part.payee_fee) for part in parts] == [(0, 31), (0, 0), (0, 0)]
    assert (posted(aline), posted(eric)) == (100, 869)
    assert_books_balance()
    tariff.forget()


def price(**fields):
    """A payment costs this from today on."""
    rule = FeeRule.objects.create(
        kind=Kind.PAYMENT, currency="RWF", effective_from=datetime.now(UTC).date(), **({"bps": 0} | fields)
    )
    tariff.forget()
    return rule


@pytest.fixture(autouse=True)
def _forget_prices():
    yield
    tariff.forget()


@pytest.mark.parametrize(
    "rule",
    [
        {"flat": 100}, {"bps": 150, "least": 40}, {"bps": 150, "least": 10, "most": 60, "round_to": 10},
        {"flat": 3, "bps": 90, "bands": [[500, 20, 40], [5_000, 60, 10]], "bands_are": "marginal"},
        {"flat": 9, "bands": [[1_000, 40, 0], [9_000, 90, 0]], "bands_are": "whole"},
        {"flat": 100, "payee_bps": 4_000, "bps": 70},
    ],
)  # fmt: skip
def test_however_it_is_captured_it_costs_what_a_payment_of_it_costs(aline, eric, rule):
    """No fee is avoided by promising much and capturing little, nor by capturing it in parts."""
    price(**rule)
    fund(aline, 60_000)
    for taken in (700, 1_234, 9_999):
        whole = post_one(payment(aline, eric, taken)).or_raise()
        little, parts = held(aline, eric, 10_000), held(aline, eric, 10_000)
        one = post_one(capture(little, taken, final=True)).or_raise()
        several = [post_one(capture(parts, part)).or_raise() for part in (taken // 2, taken - taken // 2)]
        post_one(void(parts)).or_raise()

        assert (one.fee, one.payee_fee) == (whole.fee, whole.payee_fee) != (0, 0)
        assert sum(part.fee for part in several) == whole.fee
        assert sum(part.payee_fee for part in several) == whole.payee_fee
    assert on_hold(aline) == 0
    assert_books_balance()


def test_the_price_and_what_is_waived_of_it_are_those_of_the_day_it_was_placed(aline, eric):
    price(flat=100, least=100)
    FeeWaiver.objects.create(
        customer_id=aline.customer_id, bps=5_000, effective_from=datetime.now(UTC).date(),
        last_day=datetime.now(UTC).date(), reason="a promise", granted_by="staff:1",
    )  # fmt: skip
    tariff.forget()
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)
    price(flat=1, last_day=datetime.now(UTC).date())  # goes first from now on

    assert post_one(capture(hold, 300)).or_raise().fee == 50
    assert post_one(capture(hold)).or_raise().fee == 0
    assert_books_balance()


def test_where_more_costs_less_no_more_is_taken_than_was_set_aside(aline, eric):
    price(flat=100, bands=[[1_000, 10, 0]], bands_are="whole")
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)

    fees = [post_one(capture(hold, part)).or_raise().fee for part in (300, 300, 400)]

    assert (fees, on_hold(aline), posted(aline)) == ([10, 0, 0], 0, 990)
    assert_books_balance()


def test_the_last_minor_unit_can_be_captured_where_the_payee_pays_the_fee(aline, eric):
    """Capturing all but what the fee comes to is refused before it strands the rest."""
    price(flat=100, payee_bps=10_000)
    fund(aline, 1_000)
    hold = held(aline, eric, 202)

    assert post_one(capture(hold, 100)).error.code == "amount_below_fee"
    assert [post_one(capture(hold, part)).or_raise().payee_fee for part in (101, 100, 1)] == [100, 0, 0]
    assert (state_of(hold), posted(eric)) == ("completed", 102)
    assert_books_balance()


def test_a_part_that_would_bring_the_payee_nothing_is_refused(aline, eric):
    FeeRule.objects.create(
        kind=Kind.PAYMENT, currency="RWF", flat=899, payee_bps=10_000, effective_from=datetime.now(UTC).date()
    )
    tariff.forget()
    fund(aline, 1_000)
    hold = held(aline, eric, 900)

    assert post_one(capture(hold, 1)).error.code == "amount_below_fee"
    assert post_one(capture(hold)).error is None
    assert posted(eric) == 1
    assert_books_balance()
    tariff.forget()


def test_more_than_is_left_is_refused_with_what_is(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    post_one(capture(hold, 200)).or_raise()

    outcome = post_one(capture(hold, 501))

    assert type(outcome.error) is CaptureExceedsHold
    assert outcome.error.facts["left"] == str(Money(500, "RWF").decimal)
    assert "500" in outcome.error.detail
    assert Transaction.objects.get(pk=outcome.transaction).refusal_code == "capture_exceeds_hold"
    assert (state_of(hold), on_hold(aline), posted(eric)) == ("pending", 500, 200)
    assert_books_balance()


def test_captures_of_one_call_come_one_after_the_other(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)

    outcomes = post([capture(hold, 300), capture(hold, 300), capture(hold, 300), void(hold), capture(hold, 1)])

    codes = [outcome.error and outcome.error.code for outcome in outcomes]
    assert codes == [None, None, "capture_exceeds_hold", None, "hold_over"]
    assert (state_of(hold), posted(eric), available(aline)) == ("completed", 600, 400)
    assert_books_balance()


def test_neither_payer_nor_a_stranger_captures(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    mallory = new_wallet(currency="RWF")

    by_payer = post_one(capture(hold, owner=aline.customer_id))
    by_stranger = post_one(capture(hold, owner=mallory.customer_id))
    elsewhere = post_one(capture(post_one(transfer(aline, eric, 1)).transaction))

    assert [one.error.code for one in (by_payer, by_stranger, elsewhere)] == [
        "not_payee_of_hold", "hold_not_found", "hold_not_found",
    ]  # fmt: skip
    assert Transaction.objects.filter(kind=Kind.PAYMENT).count() == 0
    assert on_hold(aline) == 700


def test_a_hold_is_for_the_payee_it_names(aline, eric):
    """A capture that names other sides than its hold does is nobody's."""
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    mallory = new_wallet(currency="RWF")
    order = capture(hold)
    stolen = Movement(
        kind=Kind.PAYMENT, amount=700, currency="RWF", caller="job:test", key=key(), payer=order.payer,
        payee=transfer(aline, mallory, 1).payee, owner=mallory.customer_id, hold=hold,
    )  # fmt: skip

    assert type(post_one(stolen).error) is HoldNotFound
    assert posted(mallory) == 0


def test_a_payer_who_may_not_pay_keeps_the_hold_and_the_payee_waits(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    freeze = freeze_wallet(aline, mode="debit", actor=None, reason="stolen phone")

    refused = post_one(capture(hold))
    lift_freeze(freeze, actor=None, reason="found")
    taken = post_one(capture(hold))

    assert (refused.error.code, taken.error) == ("payer_unavailable", None)
    assert (state_of(hold), posted(eric)) == ("completed", 700)
    assert_books_balance()


def test_a_suspended_payer_does_not_pay_either(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    suspend_customer(Customer.objects.get(pk=aline.customer_id), actor=None, reason="fraud alert")

    assert post_one(capture(hold)).error.code == "payer_unavailable"
    assert (state_of(hold), on_hold(aline)) == ("pending", 700)


def test_a_payee_who_may_not_receive_is_told_as_its_own(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    freeze_wallet(eric, mode="credit", actor=None, reason="fraud")

    assert post_one(capture(hold)).error.code == "wallet_frozen"
    assert on_hold(aline) == 700


def test_what_was_counted_once_is_not_counted_again(aline, eric):
    """The limit of a tier-2 wallet is used up by the hold; its captures are within it."""
    TierLimit.objects.create(
        country_id="RW", currency="RWF", tier=2, per_movement=700, per_day=700, per_month=700, balance=None,
        effective_from=datetime.now(UTC).date(), source="test",
    )  # fmt: skip
    tariff.forget()
    fund(aline, 2_000)
    hold = held(aline, eric, 700)

    refused = post_one(transfer(aline, eric, 1))
    post_one(capture(hold, 100, final=True)).or_raise()
    sent = post_one(transfer(aline, eric, 600))

    assert (refused.error.code, sent.error) == ("limit_exceeded", None)
    tariff.forget()


def test_a_capture_is_reversed_like_any_payment_and_a_hold_is_not(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)
    part = post_one(capture(hold, 300, final=True)).or_raise()

    def reversal(original):
        return Movement(
            kind=Kind.REVERSAL, amount=300, currency="RWF", caller="staff:1", key=key(), reverses=original,
            reason_code="duplicate",
        )  # fmt: skip

    assert post_one(reversal(hold)).error.code == "not_reversible"
    post_one(reversal(part.transaction)).or_raise()

    assert (posted(aline), posted(eric), state_of(hold)) == (1_000, 0, "completed")
    assert_books_balance()


# --- its end -------------------------------------------------------------------------------------------------------
def test_what_is_voided_is_free_and_given_back_to_the_limits(aline, eric, fee):
    fund(aline, 2_000)
    hold = held(aline, eric, 1_000)

    post_one(void(hold)).or_raise()

    assert (state_of(hold), available(aline), used(aline)) == ("cancelled", 2_000, (0, 0))
    assert told(hold) == {"ended": "voided", "captured_minor": 0, "returned_minor": 1_000}
    assert_books_balance()


def test_what_is_over_is_over(aline, eric):
    fund(aline, 3_000)
    ways = {"completed": capture, "cancelled": void}

    for state, end in ways.items():
        hold = held(aline, eric, 500)
        post_one(end(hold)).or_raise()
        later = [post_one(order) for order in (capture(hold), capture(hold, 1), void(hold), expire(hold))]

        assert {type(one.error) for one in later} == {HoldOver}
        assert {one.error.facts["state"] for one in later} == {state}
        assert state_of(hold) == state
    assert_books_balance()


def test_a_hold_goes_no_other_way(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 500)

    for to in set(State) - {State.CANCELLED}:
        outcome = post_one(Settlement(transaction=hold, to=to, actor="job:test"))
        assert type(outcome.error) is IllegalTransition

    assert (state_of(hold), on_hold(aline)) == ("pending", 500)


def test_who_comes_late_finds_it_expired_before_the_sweeper_does(aline, eric):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 500)

    late = post_one(capture(hold)).error
    assert type(late) is HoldExpired
    assert late.facts["expired_at"].endswith("Z")
    assert state_of(hold) == "pending"
    assert holds.sweep() == 1
    assert (state_of(hold), available(aline), used(aline)) == ("expired", 1_000, (0, 0))
    assert holds.sweep() == 0
    assert_books_balance()


def test_what_is_voided_late_has_expired_before_the_sweeper_comes(aline, eric):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 500)

    outcome = post_one(void(hold)).or_raise()

    assert (outcome.state, state_of(hold), available(aline)) == ("expired", "expired", 1_000)
    assert told(hold)["ended"] == "expired"
    assert [step.kind for step in hold_of(hold)] == ["placed", "expired"]
    assert_books_balance()


def test_what_was_captured_in_part_and_expires_is_completed(aline, eric):
    fund(aline, 1_000)
    with any_dates():
        hold = held(aline, eric, 500, expires_at=datetime.now(UTC) + timedelta(milliseconds=300))
    post_one(capture(hold, 200)).or_raise()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rule, "instant", lambda at_us: datetime.now(UTC) + timedelta(days=1))
        post_one(expire(hold)).or_raise()

    assert (state_of(hold), available(aline), posted(eric), used(aline)) == ("completed", 800, 200, (200, 1))
    assert told(hold) == {"ended": "expired", "captured_minor": 200, "returned_minor": 300}
    assert_books_balance()


# --- by itself -----------------------------------------------------------------------------------------------------
def a_second_ago():
    return datetime.now(UTC) - timedelta(seconds=1)


def test_on_its_date_the_rest_is_captured_by_itself_once(aline, eric):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 700, capture_at=a_second_ago())
    post_one(capture(hold, 300)).or_raise()

    assert [holds.sweep(), holds.sweep()] == [1, 0]

    assert (state_of(hold), posted(eric)) == ("completed", 700)
    last = Transaction.objects.filter(hold=hold).latest("id")
    assert (last.amount, last.caller, last.idempotency_key) == (400, "job:holds", f"hold-capture:{hold}")
    assert_books_balance()


def test_a_payer_who_may_not_pay_on_the_date_keeps_the_hold_until_it_expires(aline, eric):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 700, capture_at=a_second_ago())
    freeze_wallet(aline, mode="debit", actor=None, reason="stolen phone")

    assert [holds.sweep(), holds.sweep()] == [1, 0]

    one = Transaction.objects.get(pk=hold)
    assert (one.state, posted(eric), on_hold(aline)) == ("pending", 0, 700)
    assert one.due_at - one.created_at == rule.USUAL
    assert Transaction.objects.get(hold=hold).refusal_code == "payer_unavailable"
    assert_books_balance()


def test_a_date_that_nobody_kept_in_time_is_kept_late(aline, eric):
    """The worker was away over both dates: what was agreed on first is what happens."""
    fund(aline, 1_000)
    with any_dates():
        hold = held(aline, eric, 700, capture_at=a_second_ago(), expires_at=a_second_ago())

    holds.sweep()

    assert (state_of(hold), posted(eric)) == ("completed", 700)


def test_one_hold_that_cannot_be_taken_up_stops_no_other_and_waits_for_a_person(aline, eric, monkeypatch):
    fund(aline, 1_000)
    bad, good = overdue(aline, eric, 100), overdue(aline, eric, 100)
    end = rule.end

    def broken(order, world):
        if order.transaction == bad:
            raise RuntimeError("a bug")
        return end(order, world)

    monkeypatch.setattr(rule, "end", broken)
    for _ in range(holds.TRIES):
        holds.sweep()

    assert (state_of(bad), state_of(good)) == ("pending", "expired")
    assert Transaction.objects.get(pk=bad).quarantined_at
    assert holds.sweep() == 0


def broken_down(error):
    def fail(*args):
        raise error

    return fail


def test_a_failure_that_passes_postpones_nothing(aline, eric, monkeypatch):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 700, capture_at=a_second_ago())
    with monkeypatch.context() as broken:
        broken.setattr(posting, "post", broken_down(RuntimeError("a bug")))
        broken.setattr(posting, "post_one", broken_down(RuntimeError("a bug")))
        assert [holds.sweep() for _ in range(holds.TRIES - 1)] == [0, 0]
    one = Transaction.objects.get(pk=hold)
    assert (one.attempts, one.quarantined_at, one.due_at) == (2, None, one.capture_at)

    assert holds.sweep() == 1

    assert (state_of(hold), posted(eric)) == ("completed", 700)
    assert_books_balance()


def test_what_fails_again_and_again_waits_for_a_person(aline, eric, monkeypatch):
    fund(aline, 1_000)
    hold = overdue(aline, eric, 700, capture_at=a_second_ago())
    monkeypatch.setattr(posting, "post", broken_down(RuntimeError("a bug")))
    monkeypatch.setattr(posting, "post_one", broken_down(RuntimeError("a bug")))

    assert [holds.sweep() for _ in range(holds.TRIES)] == [0, 0, 0]

    one = Transaction.objects.get(pk=hold)
    assert (one.state, one.attempts, bool(one.quarantined_at), one.due_at) == ("pending", 3, True, one.capture_at)


def test_while_the_books_are_away_nobody_who_was_not_tried_is_postponed(aline, eric, monkeypatch):
    fund(aline, 1_000)
    due = [overdue(aline, eric, 100, capture_at=a_second_ago()) for _ in range(3)]
    with monkeypatch.context() as away:
        away.setattr(posting, "post", broken_down(RuntimeError("a bug")))
        away.setattr(posting, "post_one", broken_down(Unavailable()))
        assert holds.sweep() == 0

    assert holds.sweep() == 3

    assert [state_of(hold) for hold in due] == ["completed"] * 3
    assert_books_balance()


# --- at once -------------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_of_captures_at_once_no_more_than_the_hold_goes_through(aline, eric):
    fund(aline, 1_000)
    hold = held(aline, eric, 700)

    outcomes = at_once([partial(post_one, capture(hold, 200)) for _ in range(6)])

    assert (
        sorted(outcome.error.code if outcome.error else "" for outcome in outcomes)
        == ["", "", ""] + ["capture_exceeds_hold"] * 3
    )
    assert (posted(eric), on_hold(aline)) == (600, 100)
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("end", [void, expire])
def test_a_capture_or_the_end_wins_and_never_both(aline, eric, end, monkeypatch):
    fund(aline, 4_000)
    if end is expire:  # a capture that is agreed on meets the sweeper
        monkeypatch.setattr(rule, "instant", lambda at_us: datetime.now(UTC) + timedelta(days=8))
    pairs = [(hold, [capture(hold), end(hold)]) for hold in (held(aline, eric, 100) for _ in range(10))]

    outcomes = at_once([partial(post_one, order) for _, orders in pairs for order in orders])

    for (hold, _), took, ended in zip(pairs, outcomes[::2], outcomes[1::2], strict=True):
        assert (took.error is None) is (ended.error is not None)
        assert state_of(hold) == ("completed" if took.error is None else {void: "cancelled", expire: "expired"}[end])
    assert on_hold(aline) == 0
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_two_sweepers_capture_once(aline, eric):
    fund(aline, 4_000)
    due = [overdue(aline, eric, 100, capture_at=a_second_ago()) for _ in range(5)]
    due += [overdue(aline, eric, 100) for _ in range(5)]

    at_once([holds.sweep] * 3)

    assert (posted(eric), on_hold(aline)) == (500, 0)
    assert [state_of(hold) for hold in due] == ["completed"] * 5 + ["expired"] * 5
    assert_books_balance()


def test_the_number_of_statements_is_the_same_for_one_capture_and_for_a_thousand(aline, eric, monkeypatch, settings):
    settings.HOLDS_OPEN_MAX = 2_000
    fund(aline, 100_000)
    holds_of_many = [one.transaction for one in post([promise(aline, eric, 10) for _ in range(1_001)])]
    payee = capture(holds_of_many[0])
    sent: list[str] = []
    run = posting.Work.run
    monkeypatch.setattr(
        posting.Work, "run", lambda self, query, *params: sent.append(query) or run(self, query, *params)
    )

    def captures(some):
        return [
            Movement(
                kind=Kind.PAYMENT, amount=0, currency="RWF", caller="job:test", key=key(), payer=payee.payer,
                payee=payee.payee, hold=hold,
            )
            for hold in some
        ]  # fmt: skip

    post(captures(holds_of_many[:1]))
    one = len(sent)
    post(captures(holds_of_many[1:]))

    assert (len(sent), posted(eric), on_hold(aline)) == (2 * one, 10_010, 0)
    assert one <= 10
    assert_books_balance()
