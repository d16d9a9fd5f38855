"""What a movement costs: the rule in force, whole minor units half up, and where the fee goes."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.selectors import coverage, legs_of
from tests.books import assert_books_balance, available, fund, key, posted, transfer
from transactions import tariff
from transactions.models import FeeRule, Kind, State, Transaction
from transactions.movements import Movement, Settlement
from transactions.posting import post_one
from transactions.tariff import FREE, Fee, Tariff
from wallets.parties import Address

TODAY = date(2026, 3, 1)


@pytest.fixture
def charge(db):
    """Set what a kind of movement costs in RWF, from today or another day on."""

    def set_fee(kind, flat, bps=0, days=0):
        day = date.today() + timedelta(days=days)
        FeeRule.objects.create(kind=kind, currency="RWF", flat=flat, bps=bps, effective_from=day)
        tariff.forget()

    yield set_fee
    tariff.forget()


# --- arithmetic ----------------------------------------------------------------------------------------------------
@given(amount=st.integers(1, 10**15), flat=st.integers(0, 10**6), bps=st.integers(0, 10_000))
def test_a_fee_is_the_exact_share_rounded_half_up(amount, flat, bps):
    fee = Fee(flat, bps, TODAY).on(amount)

    exact = flat + Fraction(amount * bps, 10_000)
    assert type(fee) is int
    assert -Fraction(1, 2) < fee - exact <= Fraction(1, 2)


@pytest.mark.parametrize(("amount", "bps", "fee"), [(50, 100, 1), (49, 100, 0), (150, 100, 2), (1, 4_999, 0)])
def test_half_a_minor_unit_is_rounded_up(amount, bps, fee):
    assert Fee(0, bps, TODAY).on(amount) == fee


# --- which rule ----------------------------------------------------------------------------------------------------
def test_the_newest_rule_in_force_counts():
    rules = [("transfer", "RWF", 9, 0, date(2026, 5, 1)), ("transfer", "RWF", 0, 50, date(2026, 3, 1)),
             ("transfer", "RWF", 4, 0, date(2026, 1, 1))]  # fmt: skip
    fees = Tariff(rules, [], [])

    def asked(day, kind="transfer", currency="RWF"):
        return fees.fee(kind, currency, day)[:2]

    assert asked(date(2025, 12, 31)) == FREE[:2] == (0, 0)
    assert asked(date(2026, 1, 1)) == asked(date(2026, 2, 28)) == (4, 0)
    assert asked(date(2026, 3, 1)) == asked(date(2026, 4, 30)) == (0, 50)
    assert asked(date(2026, 5, 1)) == asked(date.max) == (9, 0)
    assert asked(date.max, currency="KES") == asked(date.max, kind="cash_out") == (0, 0)


def test_a_kind_ever_costs_something_when_any_rule_asks_for_it():
    rules = [("transfer", "RWF", 0, 0, date(2026, 5, 1)), ("transfer", "RWF", 0, 1, date(2026, 1, 1)),
             ("cash_out", "RWF", 1, 0, date(2026, 1, 1)), ("payment", "RWF", 0, 0, date(2026, 1, 1))]  # fmt: skip
    fees = Tariff(rules, [], [])

    assert [fees.ever_costs(kind, "RWF") for kind in ("transfer", "cash_out", "payment", "top_up")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert not fees.ever_costs("transfer", "KES")


# --- where it goes -------------------------------------------------------------------------------------------------
def fees_earned() -> int:
    return next((sums.fees for sums in coverage() if sums.currency == "RWF"), 0)


def test_a_transfer_costs_the_payer_and_its_fee_is_a_leg_of_the_same_journal(charge, aline, eric):
    charge(Kind.TRANSFER, 10, 100)
    fund(aline, 2_000)

    outcome = post_one(transfer(aline, eric, 1_500)).or_raise()

    assert (outcome.fee, posted(aline), posted(eric), fees_earned()) == (25, 475, 1_500, 25)
    legs = [(leg.side, leg.amount, leg.code.partition(":")[0]) for leg in legs_of(outcome.transaction)]
    assert legs == [(1, 1_525, "liability"), (-1, 25, "income"), (-1, 1_500, "liability")]
    assert_books_balance()


def test_what_is_available_must_cover_the_fee_too(charge, aline, eric):
    charge(Kind.TRANSFER, 10)
    fund(aline, 109)

    refused = post_one(transfer(aline, eric, 100))
    assert refused.error and refused.error.code == "insufficient_funds"
    assert (refused.fee, Transaction.objects.get(pk=refused.transaction).fee) == (0, 0)
    assert post_one(transfer(aline, eric, 99)).or_raise().fee == 10
    assert (posted(aline), posted(eric), fees_earned()) == (0, 99, 10)


def test_a_fee_that_a_later_rule_will_drop_is_taken_until_then(charge, aline, eric):
    charge(Kind.TRANSFER, 10)
    charge(Kind.TRANSFER, 0, days=30)
    fund(aline, 110)

    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 10
    assert fees_earned() == 10
    assert_books_balance()


def test_a_fee_that_begins_tomorrow_is_not_taken_today(charge, aline, eric):
    charge(Kind.TRANSFER, 10, days=2)
    fund(aline, 100)

    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 0
    assert (posted(aline), posted(eric)) == (0, 100)


@pytest.mark.parametrize("settled", [True, False])
def test_a_top_up_pays_its_fee_out_of_what_comes_in(charge, aline, settled):
    charge(Kind.TOP_UP, 10)
    order = Movement(
        kind=Kind.TOP_UP, amount=100, currency="RWF", caller="job:test", key=key(), rail="sandbox", settled=settled,
        payee=Address("wallet", str(aline.pk)),
    )  # fmt: skip

    outcome = post_one(order).or_raise()
    if not settled:
        assert posted(aline) == 0
        post_one(Settlement(transaction=outcome.transaction, to=State.COMPLETED, actor="job:test")).or_raise()

    assert (posted(aline), fees_earned()) == (90, 10)
    assert_books_balance()


@pytest.mark.parametrize(("amount", "code"), [(9, "amount_below_fee"), (10, "amount_below_fee"), (11, None)])
@pytest.mark.parametrize("settled", [True, False])
def test_a_top_up_that_its_fee_would_take_whole_is_refused(charge, aline, settled, amount, code):
    charge(Kind.TOP_UP, 10)
    order = Movement(
        kind=Kind.TOP_UP, amount=amount, currency="RWF", caller="job:test", key=key(), rail="sandbox", settled=settled,
        payee=Address("wallet", str(aline.pk)),
    )  # fmt: skip

    outcome = post_one(order)

    assert (outcome.error.code if outcome.error else None) == code
    assert posted(aline) == (1 if settled and code is None else 0)
    assert_books_balance()


@pytest.mark.parametrize(
    ("reversals", "fee_back"),
    [
        ([(100, True)], 10),
        ([(100, False)], 0),
        ([(60, True), (40, True)], 10),
        ([(60, True), (40, False)], 0),
        ([(60, True)], 0),
    ],
)
def test_the_fee_goes_back_with_the_last_part_when_the_reason_says_so(charge, aline, eric, reversals, fee_back):
    charge(Kind.TRANSFER, 10)
    fund(aline, 110)
    original = post_one(transfer(aline, eric, 100)).or_raise().transaction

    for amount, refunds_fee in reversals:
        post_one(
            Movement(
                kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=original,
                reason_code="duplicate", refunds_fee=refunds_fee,
            )
        ).or_raise()  # fmt: skip

    given_back = sum(amount for amount, _ in reversals)
    assert (posted(aline), posted(eric), fees_earned()) == (given_back + fee_back, 100 - given_back, 10 - fee_back)
    assert_books_balance()


@pytest.mark.parametrize(
    ("fee", "reversals", "returned"),
    [
        # amount, policy; what goes back with each part
        (10, [(100, "share")], [10]),
        (10, [(33, "share"), (33, "share"), (34, "share")], [3, 4, 3]),  # 3.3, 6.6 and 10 in all, half up
        (7, [(1, "share"), (49, "share"), (50, "share")], [0, 4, 3]),  # 3.5 is rounded up once, never twice
        (1, [(50, "share"), (50, "share")], [1, 0]),
        (10, [(60, "share"), (40, "last")], [6, 4]),  # the last part brings what is left of it, and no more
        (10, [(60, "last"), (40, "share")], [0, 4]),
        (10, [(60, "kept"), (40, "share")], [0, 4]),
        (10, [(60, "share"), (40, "kept")], [6, 0]),
        (10, [(60, "kept"), (40, "last")], [0, 10]),
        (0, [(60, "share"), (40, "last")], [0, 0]),
    ],
)
def test_what_goes_back_of_the_fee_follows_the_reason_and_is_never_more_than_the_fee(
    charge, aline, eric, fee, reversals, returned
):
    charge(Kind.TRANSFER, fee)
    fund(aline, 100 + fee)
    original = post_one(transfer(aline, eric, 100)).or_raise().transaction

    back = []
    for amount, policy in reversals:
        before = fees_earned()
        post_one(
            Movement(
                kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=original,
                reason_code="duplicate", refunds_fee=policy != "kept", fee_by_share=policy == "share",
            )
        ).or_raise()  # fmt: skip
        back.append(before - fees_earned())

    assert back == returned
    assert posted(aline) == 100 + sum(returned) and fees_earned() == fee - sum(returned)
    assert_books_balance()


def test_a_cash_out_holds_its_fee_and_earns_it_only_when_it_is_paid(charge, aline):
    charge(Kind.CASH_OUT, 7, 100)
    fund(aline, 1_000)
    order = Movement(
        kind=Kind.CASH_OUT, amount=300, currency="RWF", caller="job:test", key=key(), rail="sandbox",
        payer=Address("wallet", str(aline.pk)),
    )  # fmt: skip

    outcome = post_one(order).or_raise()
    assert (outcome.fee, available(aline), fees_earned()) == (10, 690, 0)
    post_one(Settlement(transaction=outcome.transaction, to=State.COMPLETED, actor="job:test")).or_raise()

    assert (posted(aline), available(aline), fees_earned()) == (690, 690, 10)
    assert_books_balance()
