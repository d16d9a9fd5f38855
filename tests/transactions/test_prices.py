"""Prices: what a rule comes to, to the minor unit and against exact fractions; which rule goes first; who pays."""

import math
from datetime import date, timedelta
from fractions import Fraction
from itertools import permutations

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.db import transaction as db_transaction
from hypothesis import given
from hypothesis import strategies as st

from core.errors import AmountTooLarge
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Session
from fx.errors import NoRoute
from ledger.selectors import legs_of
from staff.approvals import approve, request_approval
from staff.models import User
from tests.books import assert_books_balance, fund, key, posted, transfer
from transactions import tariff
from transactions.models import FeeRule, FeeWaiver, Kind, ReversalReason, Transaction
from transactions.movements import Movement
from transactions.posting import dry_run, post_one
from transactions.price_approvals import fees
from transactions.prices import as_fee, concerning
from transactions.services.conversions import ConversionOrder, ask_quote, convert
from transactions.services.reversals import preview_reversal, reverse_transaction
from transactions.tariff import FREE, WHOLE_BPS, Band, Fee, Side, Tariff, Waiver
from transactions.world import World

TODAY = date(2026, 3, 1)
AMOUNTS = st.integers(1, 10**13)
BPS = st.integers(0, WHOLE_BPS)
ROUNDINGS = st.sampled_from(["half_up", "up", "down"])


BOOLEANS = st.booleans()


@st.composite
def rules(draw, marginal=BOOLEANS):
    step = draw(st.sampled_from([1, 5, 100, 5_000]))
    above = sorted(draw(st.sets(st.integers(1, 10**12), max_size=5)))
    bands = tuple(Band(one, draw(st.integers(0, 10**6)), draw(BPS)) for one in above)
    bounds = sorted(step * draw(st.integers(0, 10**5)) for _ in range(2))
    return Fee(
        draw(st.integers(0, 10**6)), draw(BPS), TODAY, bands=bands, marginal=draw(marginal),
        least=draw(st.sampled_from([None, bounds[0]])), most=draw(st.sampled_from([None, bounds[1]])),
        round_to=step, rounding=draw(ROUNDINGS), payee_bps=draw(BPS),
    )  # fmt: skip


def exactly(rule: Fee, amount: int) -> Fraction:
    """The price before rounding, said in another way: unit by unit of the bands, in fractions."""
    bands = [(0, rule.flat, rule.bps), *rule.bands]
    if rule.marginal:
        ends = [above for above, *_ in bands[1:]] + [None]
        exact = Fraction(0)
        for (above, flat, bps), end in zip(bands, ends, strict=True):
            if amount >= above:
                part = (amount if end is None or amount < end else end) - above
                exact += flat + Fraction(part * bps, WHOLE_BPS)
    else:
        _, flat, bps = [band for band in bands if band[0] <= amount][-1]
        exact = flat + Fraction(amount * bps, WHOLE_BPS)
    if rule.least is not None:
        exact = max(exact, Fraction(rule.least))
    return exact if rule.most is None else min(exact, Fraction(rule.most))


# --- arithmetic ----------------------------------------------------------------------------------------------------
@given(rule=rules(), amount=AMOUNTS)
def test_a_price_is_the_exact_one_in_whole_steps_of_its_rounding(rule, amount):
    fee, exact = rule.on(amount), exactly(rule, amount)

    assert type(fee) is int and fee >= 0 and fee % rule.round_to == 0
    steps = exact / rule.round_to
    rounded = {"up": math.ceil(steps), "down": math.floor(steps), "half_up": math.floor(steps + Fraction(1, 2))}
    assert fee == rounded[rule.rounding] * rule.round_to


@given(rule=rules(), amount=AMOUNTS)
def test_a_price_is_never_below_its_least_nor_above_its_most(rule, amount):
    fee = rule.on(amount)

    assert rule.least is None or fee >= rule.least or rule.most == fee
    assert rule.most is None or fee <= rule.most


@given(rule=rules(marginal=st.just(True)), amount=AMOUNTS, more=st.integers(0, 10**12))
def test_by_parts_a_larger_amount_never_costs_less(rule, amount, more):
    assert rule.on(amount) <= rule.on(amount + more)


@given(rule=rules(marginal=st.just(False)), amount=AMOUNTS, more=st.integers(0, 10**12))
def test_within_a_band_a_larger_amount_never_costs_less(rule, amount, more):
    ends = [band.above for band in rule.bands if band.above > amount]
    assert rule.on(amount) <= rule.on(min([amount + more, *(end - 1 for end in ends)]))


@given(rule=rules(), amount=AMOUNTS)
def test_what_both_sides_pay_is_exactly_the_price(rule, amount):
    fee = rule.on(amount)
    of_payer, of_payee = rule.shared(fee)

    assert of_payer >= 0 and of_payee >= 0 and of_payer + of_payee == fee
    assert 0 <= Fraction(fee * rule.payee_bps, WHOLE_BPS) - of_payee < 1


@given(fee=st.integers(0, 10**12), bps=BPS)
def test_a_waiver_leaves_its_part_rounded_for_the_customer(fee, bps):
    off = Waiver(1, None, None, bps, TODAY, TODAY).off(fee)

    assert 0 <= off <= fee and 0 <= off - Fraction(fee * bps, WHOLE_BPS) < 1


def test_a_rounding_that_is_off_by_one_is_noticed():
    """The negative control of the comparison above."""
    rule, amount = Fee(0, 50, TODAY, round_to=100, rounding="up"), 10_000

    assert rule.on(amount) == 100 != Fee(0, 50, TODAY, round_to=100, rounding="down").on(amount - 1) == 0


@pytest.mark.parametrize(
    ("amount", "whole", "by_parts"),
    [(99, 10, 10), (100, 20, 30), (199, 20, 30), (1_000, 10, 26 + 14), (2_000, 20, 36 + 14)],
)
def test_bands_price_all_of_an_amount_or_each_part_of_it(amount, whole, by_parts):
    """10 below 100; 20 from there; one percent from 1,000."""
    bands = (Band(100, 20, 0), Band(1_000, 0, 100))

    assert Fee(10, 0, TODAY, bands=bands).on(amount) == whole
    assert Fee(10, 0, TODAY, bands=bands, marginal=True).on(amount) == (
        by_parts if amount < 1_000 else 30 + (amount - 1_000) // 100
    )


# --- which rule ----------------------------------------------------------------------------------------------------
KENYAN, RWANDAN = Side("KE", "individual", 0), Side("RW", "sme", 2)


def first(*rules: Fee, payer=KENYAN, payee=RWANDAN, partner="", on=TODAY) -> Fee:
    found = {
        Tariff([("transfer", "KES", *rule) for rule in order], [], []).fee(
            "transfer", "KES", on, lambda: (payer, payee), partner
        )
        for order in permutations(rules)
    }
    assert len(found) == 1, "the order in which rows are read decides"
    return found.pop()


def rule(flat: int, **fields) -> Fee:
    return Fee(flat, 0, fields.pop("effective_from", date(2026, 1, 1)), **fields)


def test_who_is_named_goes_before_who_is_not_in_a_stated_order():
    ladder = [
        rule(1, partner="wekeza"), rule(2, to_country="RW"), rule(3, from_country="KE"),
        rule(4, account_type="individual"), rule(5, tier=0), rule(6, last_day=date(2026, 3, 31)),
        rule(7, effective_from=date(2026, 2, 1)), rule(8),
    ]  # fmt: skip
    for place in range(len(ladder)):
        for other in ladder[place:]:
            assert first(ladder[place], other, partner="wekeza") == ladder[place]


def test_a_rule_for_somebody_else_or_another_time_is_passed_over():
    everybody = rule(8)
    others = [
        rule(1, partner="wekeza"), rule(2, to_country="KE"), rule(3, from_country="RW"), rule(4, account_type="sme"),
        rule(5, tier=2), rule(6, last_day=date(2026, 2, 28)), rule(7, effective_from=date(2026, 3, 2)),
    ]  # fmt: skip
    for other in others:
        assert first(other, everybody) == everybody
        assert first(other) == FREE


def test_tier_and_kind_of_account_are_those_of_who_pays_it():
    of_payee = rule(1, tier=2, payee_bps=WHOLE_BPS)
    of_both = rule(2, tier=2, payee_bps=5_000)

    assert first(of_payee, rule(9)) == of_payee
    assert first(of_both, rule(9)) == rule(9)
    assert first(rule(3, account_type="sme"), payer=None) == rule(3, account_type="sme")  # comes in: its owner's
    # Both name a tier, each of another side: the last rule of the order decides.
    assert first(of_payee, rule(4, tier=0)) == of_payee


def test_who_cannot_be_known_is_nobody_in_particular():
    assert first(rule(1, to_country="RW"), rule(2), payee=None) == rule(2)
    assert first(rule(1, from_country="KE"), rule(2), payer=None) == rule(2)


CASES = st.builds(Side, st.sampled_from(["KE", "RW"]), st.sampled_from(["individual", "sme"]), st.integers(0, 1))
SELECTED = st.builds(
    lambda **fields: rule(1, **fields),
    partner=st.sampled_from([None, "a", "b"]), to_country=st.sampled_from([None, "KE", "RW"]),
    from_country=st.sampled_from([None, "KE", "RW"]), account_type=st.sampled_from([None, "individual", "sme"]),
    tier=st.sampled_from([None, 0, 1]), last_day=st.sampled_from([None, TODAY, TODAY + timedelta(days=1)]),
    effective_from=st.sampled_from([TODAY, TODAY - timedelta(days=1)]),
    payee_bps=st.sampled_from([0, 5_000, WHOLE_BPS]),
)  # fmt: skip


@given(found=st.sets(SELECTED, min_size=2, max_size=6), payer=CASES, payee=CASES, partner=st.sampled_from(["a", "b"]))
def test_of_the_rules_that_fit_no_two_have_the_same_rank(found, payer, payee, partner):
    """Where the table allows both: who says the same of whom and when is there once, whoever pays."""
    once = {(one.effective_from, one.last_day, *one[11:16]): one for one in found}.values()
    ranks = [one.rank for one in once if one.fits(payer, payee, partner)]

    assert len(ranks) == len(set(ranks))


@given(
    found=st.sets(SELECTED, min_size=1, max_size=6), payer=CASES, payee=CASES, partner=st.sampled_from(["a", "b", ""]),
    kind=st.sampled_from([Kind.TRANSFER, Kind.TOP_UP, Kind.CASH_OUT]),
)  # fmt: skip
def test_what_a_movement_costs_is_on_the_list_of_whom_it_costs(found, payer, payee, partner, kind):
    """Whoever is on the other side."""
    rules = Tariff([(kind, "RWF", *one) for one in found], [], [])
    sides = (None if kind == Kind.TOP_UP else payer, None if kind == Kind.CASH_OUT else payee)
    counted = rules.fee(kind, "RWF", TODAY, lambda: sides, partner)

    lists = [concerning(rules.in_force(kind, "RWF", TODAY), kind, side) if side else [] for side in sides]

    if counted != FREE:
        assert kind == Kind.TOP_UP or counted in lists[0]
        assert kind == Kind.CASH_OUT or not (counted.payee_bps or kind == Kind.TOP_UP) or counted in lists[1]


def test_what_is_for_others_alone_is_on_nobodys_list():
    others = [rule(1, from_country="RW"), rule(2, tier=2), rule(3, account_type="sme"), rule(4)]
    behind = rule(5, effective_from=date(2025, 1, 1))

    assert concerning([*others, behind], Kind.TRANSFER, KENYAN) == [rule(4)]
    of_payee = rule(6, tier=2, payee_bps=WHOLE_BPS)
    assert concerning([of_payee, rule(4)], Kind.TRANSFER, KENYAN) == [of_payee, rule(4)], (
        "whom they pay may be of tier 2"
    )
    assert concerning([of_payee, rule(4)], Kind.TRANSFER, RWANDAN) == [of_payee, rule(4)]


# --- the table -----------------------------------------------------------------------------------------------------
ROW = {"kind": "transfer", "currency": "RWF", "effective_from": TODAY}


@pytest.mark.parametrize(
    "fields",
    [
        {"bands": [[100, 1, 0], [100, 2, 0]], "bands_are": "whole"},
        {"bands": [[0, 1, 0]], "bands_are": "whole"},
        {"bands": [[100, 1]], "bands_are": "marginal"},
        {"bands": [[100, "1", 0]], "bands_are": "marginal"},
        {"bands": [[100, 1, 10_001]], "bands_are": "whole"},
        {"bands": [], "bands_are": "whole"},
        {"bands": [[100, 1, 0]]},
        {"bands_are": "whole"},
        {"bands": [[100, 1, 0]], "bands_are": "sometimes"},
        {"least": 100, "most": 50},
        {"least": -1},
        {"least": 150, "round_to": 100},
        {"round_to": 0},
        {"rounding": "nearly"},
        {"payee_bps": 0},
        {"payee_bps": 10_001},
        {"kind": "cash_out", "payee_bps": 10_000},
        {"last_day": TODAY - timedelta(days=1)},
    ],
)
def test_the_database_refuses_what_would_be_no_price(db, fields):
    with pytest.raises((IntegrityError, DatabaseError)), db_transaction.atomic():
        FeeRule.objects.create(**(ROW | fields))


def test_one_row_says_what_a_price_is_for_somebody_from_a_day_on(db):
    FeeRule.objects.create(**ROW, tier=1)
    FeeRule.objects.create(**ROW, tier=1, last_day=TODAY)

    with pytest.raises(IntegrityError, match="fee_rule_once"), db_transaction.atomic():
        FeeRule.objects.create(**ROW, tier=1, flat=5)


def test_no_rule_and_no_waiver_is_rewritten(db, aline):
    row = FeeRule.objects.create(**ROW)
    with pytest.raises(DatabaseError), db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE transactions_feerule SET most = 1 WHERE id = %s", [row.pk])
    waiver = grant(aline)
    with pytest.raises(DatabaseError), db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE transactions_feewaiver SET bps = 0 WHERE id = %s", [waiver.pk])


def test_a_row_means_the_same_to_deciding_and_to_the_pages(db):
    row = FeeRule.objects.create(
        **ROW, flat=10, bps=25, bands=[[1_000, 5, 10]], bands_are="marginal", least=20, most=500, round_to=10,
        rounding="up", payee_bps=2_500, partner="sandbox", to_country_id="RW", from_country_id="KE",
        account_type=AccountType.SME, tier=1, last_day=TODAY,
    )  # fmt: skip
    read = next(fields for fields in tariff.fee_rows() if fields[-1] == row.pk)

    assert Fee(*read[2:]) == as_fee(row)


# --- who pays ------------------------------------------------------------------------------------------------------
@pytest.fixture
def price(db):
    def set_price(kind=Kind.TRANSFER, **fields):
        FeeRule.objects.create(kind=kind, currency="RWF", effective_from=date.today(), **fields)
        tariff.forget()

    yield set_price
    tariff.forget()


def grant(wallet, bps=WHOLE_BPS, **fields):
    days = {"effective_from": date.today() - timedelta(days=1), "last_day": date.today() + timedelta(days=1)}
    made = FeeWaiver.objects.create(
        customer_id=wallet.customer_id, bps=bps, reason="late twice", granted_by="staff:1", **(days | fields)
    )
    tariff.forget()
    return made


def test_what_the_payee_bears_is_taken_off_what_arrives(price, aline, eric):
    price(flat=10, bps=100, payee_bps=WHOLE_BPS)
    fund(aline, 2_000)

    outcome = post_one(transfer(aline, eric, 1_000)).or_raise()

    kept = Transaction.objects.get(pk=outcome.transaction)
    assert (outcome.fee, kept.fee, kept.payee_fee, outcome.payee_fee) == (0, 0, 20, 20)
    assert (posted(aline), posted(eric)) == (1_000, 980)
    assert [(leg.side, leg.amount) for leg in legs_of(kept.pk)] == [(1, 1_000), (-1, 20), (-1, 980)]
    assert kept.events.get().facts["fee"]["payee_minor"] == 20
    assert_books_balance()


def test_a_price_that_both_bear_is_shared_to_the_unit(price, aline, eric):
    price(flat=15, payee_bps=5_000)
    fund(aline, 2_000)

    post_one(transfer(aline, eric, 1_000)).or_raise()

    assert (posted(aline), posted(eric)) == (992, 993)
    assert_books_balance()


def test_nothing_is_sent_of_which_nothing_would_arrive(price, aline, eric):
    price(flat=10, payee_bps=WHOLE_BPS)
    fund(aline, 2_000)

    refused = post_one(transfer(aline, eric, 10))

    assert refused.error and refused.error.code == "amount_below_fee"
    assert (posted(aline), posted(eric)) == (2_000, 0)
    assert post_one(transfer(aline, eric, 11)).or_raise().payee_fee == 10
    assert_books_balance()


def test_bands_bounds_and_rounding_count_when_it_is_posted(price, aline, eric):
    price(bps=100, bands=[[1_000, 7, 50]], bands_are="marginal", least=4, most=20, round_to=2, rounding="up")
    fund(aline, 10_000)

    fees = [post_one(transfer(aline, eric, amount)).or_raise().fee for amount in (100, 1_000, 1_100, 4_000)]

    assert fees == [4, 18, 18, 20]
    assert_books_balance()


def test_a_price_for_a_tier_a_kind_of_account_or_a_way_is_theirs_alone(price, aline, eric):
    price(flat=10)
    price(flat=3, tier=aline.customer.tier, account_type=aline.customer.account_type)
    price(flat=5, tier=aline.customer.tier + 1)
    fund(aline, 1_000)

    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 3
    price(flat=1, from_country=aline.customer.country, to_country=eric.customer.country)
    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 1


def test_a_price_of_a_partner_counts_for_what_goes_through_it(price, aline):
    price(kind=Kind.TOP_UP, flat=10)
    price(kind=Kind.TOP_UP, flat=4, partner="sandbox")

    assert fund(aline, 100).fee == 4
    assert posted(aline) == 96


def test_a_promotion_ends_with_its_last_day(price, aline, eric):
    price(flat=10)
    price(last_day=date.today() + timedelta(days=1))
    fund(aline, 1_000)

    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 0
    rules = tariff.current()
    assert rules.fee("transfer", "RWF", date.today() + timedelta(days=2)).flat == 10


# --- waivers -------------------------------------------------------------------------------------------------------
def test_a_waiver_spares_its_customer_what_is_theirs_to_pay(price, aline, eric):
    price(flat=15, payee_bps=5_000)
    waiver = grant(aline, bps=5_000)
    fund(aline, 2_000)

    sent = post_one(transfer(aline, eric, 100)).or_raise()

    facts = Transaction.objects.get(pk=sent.transaction).events.get().facts["fee"]
    assert (sent.fee, sent.payee_fee) == (4, 7)
    assert (facts["waived_minor"], facts["waiver"]) == (4, waiver.pk)
    grant(eric, kind=Kind.TRANSFER, currency="RWF")
    assert post_one(transfer(aline, eric, 100)).or_raise().payee_fee == 0
    grant(eric, bps=0)  # the latest row counts: this one ends it
    assert post_one(transfer(aline, eric, 100)).or_raise().payee_fee == 7
    assert_books_balance()


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": Kind.CASH_OUT}, {"currency": "KES"},
        {"effective_from": date.today() - timedelta(days=9), "last_day": date.today() - timedelta(days=2)},
        {"effective_from": date.today() + timedelta(days=2), "last_day": date.today() + timedelta(days=9)},
    ],
)  # fmt: skip
def test_a_waiver_of_another_kind_currency_or_time_spares_nothing(price, aline, eric, fields):
    price(flat=15)
    grant(aline, **fields)
    fund(aline, 2_000)

    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 15


# --- given back ----------------------------------------------------------------------------------------------------
def give_back(sent, amount, reason):
    return reverse_transaction(sent, amount=amount, reason_code=reason, actor=None, idempotency_key=key())


@pytest.fixture
def by_share(db):
    return ReversalReason.objects.create(code="shared", title="Shared", refunds_fee=True, fee_by_share=True).pk


@pytest.mark.parametrize("parts", [[1_000], [1, 999], [333, 333, 334], [500, 1, 499]])
@pytest.mark.parametrize("payee_bps", [0, 3_300, WHOLE_BPS])
def test_parts_that_go_back_take_both_fees_along_to_the_unit(price, by_share, aline, eric, parts, payee_bps):
    price(flat=7, bps=150, payee_bps=payee_bps or None, bands=[[500, 3, 90]], bands_are="marginal")
    fund(aline, 2_000)
    sent = post_one(transfer(aline, eric, 1_000)).or_raise().transaction

    for part in parts:
        give_back(sent, part, by_share)
        assert_books_balance()

    assert (posted(aline), posted(eric)) == (2_000, 0)


def test_with_the_last_part_both_fees_go_back_and_the_preview_says_so(price, aline, eric):
    price(flat=20, payee_bps=5_000)
    fund(aline, 2_000)
    sent = post_one(transfer(aline, eric, 1_000)).or_raise().transaction

    give_back(sent, 400, "duplicate")
    assert (posted(aline), posted(eric)) == (1_390, 590)
    seen = preview_reversal(sent, reason_code="duplicate", actor=None)
    give_back(sent, 600, "duplicate")

    assert (seen.fee_returned, seen.payee_fee_returned) == (10, 10)
    assert (posted(aline), posted(eric)) == (2_000, 0)
    assert_books_balance()


def test_a_fee_that_stays_with_us_stays_on_both_sides(price, aline, eric):
    price(flat=20, payee_bps=5_000)
    fund(aline, 2_000)
    fund(eric, 10)
    sent = post_one(transfer(aline, eric, 1_000)).or_raise().transaction

    give_back(sent, 1_000, "customer_request")

    assert (posted(aline), posted(eric)) == (1_990, 0)
    assert_books_balance()


def test_a_movement_to_a_wallet_counts_what_arrives_as_what_is_there_to_go_back(price, aline, eric):
    price(flat=20, payee_bps=WHOLE_BPS)
    fund(aline, 1_000)
    sent = post_one(transfer(aline, eric, 1_000)).or_raise().transaction
    post_one(
        Movement(
            kind=Kind.TRANSFER, amount=100, currency="RWF", caller="job:test", key=key(),
            payer=transfer(eric, aline, 1).payer, payee=transfer(eric, aline, 1).payee,
        )
    ).or_raise()  # fmt: skip

    short = preview_reversal(sent, reason_code="duplicate", actor=None)

    assert short.shortfall == 100
    assert_books_balance()


# --- While it changes ------------------------------------------------------------------------------------------------
def on(day: date, *rules: Fee) -> Fee:
    return Tariff([("transfer", "RWF", *rule) for rule in rules], [], []).fee("transfer", "RWF", day)


def test_between_two_packages_that_leave_a_gap_nothing_is_charged():
    days = [date(2026, 3, day) for day in (1, 10, 20, 31)]
    first_half = rule(5, effective_from=days[0], last_day=days[1])
    second_half = rule(7, effective_from=days[2], last_day=days[3])

    charged = [on(day, first_half, second_half).on(100) for day in (*days, days[1] + timedelta(days=1))]

    assert charged == [5, 5, 7, 7, 0]


def test_of_two_packages_of_the_same_days_the_one_of_fewer_days_counts():
    wide = rule(5, effective_from=date(2026, 3, 1), last_day=date(2026, 3, 31))
    narrow = rule(7, effective_from=date(2026, 3, 1), last_day=date(2026, 3, 15))
    later = rule(9, effective_from=date(2026, 3, 10), last_day=date(2026, 4, 30))

    assert [on(date(2026, 3, day), wide, narrow, later).flat for day in (1, 9, 10, 31)] == [7, 7, 9, 9]


def test_a_promotion_that_ends_after_the_preview_is_over_for_what_is_sent(price, aline, eric, monkeypatch):
    """A preview promises nothing: it is charged what is in force when it is posted, by the payer's calendar."""
    price(flat=10)
    price(last_day=date.today())
    fund(aline, 1_000)
    seen, _ = dry_run(transfer(aline, eric, 100))
    monkeypatch.setattr(World, "today", lambda self, party: date.today() + timedelta(days=1))

    sent = post_one(transfer(aline, eric, 100)).or_raise()

    assert (seen.fee, sent.fee, posted(aline)) == (0, 10, 890)
    assert_books_balance()


def test_a_price_that_two_people_change_while_a_preview_is_open_is_the_one_that_is_charged(price, aline, eric):
    price(flat=10)
    fund(aline, 1_000)
    seen, _ = dry_run(transfer(aline, eric, 100))
    asks, checks = (
        User.objects.create_user(name, "a long enough sentence", name, full_name=name, email=f"{name}@example.com")
        for name in ("finance", "finance_checker")
    )
    asked = {"kind": "transfer", "currency": "RWF", "flat": 25, "bps": 0, "effective_from": str(date.today())}
    waiting = request_approval(fees.name, asked | {"tier": aline.customer.tier}, maker=asks, reason="dearer")
    assert post_one(transfer(aline, eric, 100)).or_raise().fee == 10

    approve(waiting.pk, actor=checks)
    tariff.forget()

    assert (seen.fee, post_one(transfer(aline, eric, 100)).or_raise().fee) == (10, 25)
    assert_books_balance()


def test_who_approves_a_promotion_reads_what_comes_after_it(price):
    def afterwards(**terms):
        asked = {"kind": "payout", "currency": "RWF", "flat": 1, "bps": 0, "effective_from": str(date.today())}
        asked |= {"last_day": str(date.today() + timedelta(days=3))}
        return dict(fees.preview(fees.clean(asked | terms)).facts)["Afterwards"]

    assert afterwards() == "no price: it is free"
    price(kind=Kind.PAYOUT, flat=10)
    assert afterwards() == "RWF 10"
    assert afterwards(tier=1) == "no price of theirs: everybody's counts"


# --- To the minor unit -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("currency", "amount", "bps", "fee"),
    [
        ("RWF", "50", 100, "1"), ("RWF", "49", 100, "0"), ("UGX", "150", 100, "2"), ("UGX", "149", 100, "1"),
        ("KES", "0.50", 100, "0.01"), ("KES", "0.49", 100, "0.00"), ("KES", "1050.50", 50, "5.25"),
        ("KES", "1051.00", 50, "5.26"), ("NGN", "0.01", 5_000, "0.01"), ("NGN", "0.01", 4_999, "0.00"),
    ],
)  # fmt: skip
def test_half_of_the_smallest_unit_is_rounded_up_in_each_currency(currency, amount, bps, fee):
    charged = Fee(0, bps, TODAY).on(Money.parse(amount, currency).amount_minor)

    assert Money(charged, currency).decimal == fee


# --- At quotes -------------------------------------------------------------------------------------------------------
def test_a_quote_costs_its_customer_their_own_price_less_what_they_were_granted(market, kes, usd):
    me = CustomerPrincipal(kes.customer_id, Session.objects.create(customer=kes.customer).pk)
    day = date.today() - timedelta(days=1)
    FeeRule.objects.create(kind="conversion", currency="KES", effective_from=day, flat=10_00)
    FeeRule.objects.create(kind="conversion", currency="KES", effective_from=day, flat=8_00, tier=kes.customer.tier)
    FeeRule.objects.create(kind="conversion", currency="KES", effective_from=day, flat=1_00, tier=0)
    tariff.forget()
    asked = {"actor": me, "sell": "KES", "buy": "USD"}

    assert ask_quote(**asked, sell_minor=13_000_00).fee_minor == 8_00
    grant(kes, bps=2_500, kind=Kind.CONVERSION)
    quote = ask_quote(**asked, sell_minor=13_000_00)
    by_target = ask_quote(**asked, buy_minor=quote.buy_minor)
    order = ConversionOrder(wallet_id=kes.pk, amount=Money(13_000_00, "KES"), to_currency="USD")
    done = convert(order, actor=me, idempotency_key=key(), post=post_one).or_raise()

    assert (quote.fee_minor, by_target.fee_minor, done.fee) == (6_00, 6_00, 6_00)
    assert by_target.sell_minor <= quote.sell_minor
    assert_books_balance()
    tariff.forget()


@pytest.mark.parametrize("bps", [9_999, WHOLE_BPS])
def test_a_fee_that_takes_all_or_nearly_all_is_refused_and_not_searched_for_ever(market, kes, usd, bps):
    me = CustomerPrincipal(kes.customer_id, Session.objects.create(customer=kes.customer).pk)
    day = date.today() - timedelta(days=1)
    FeeRule.objects.create(kind="conversion", currency="KES", effective_from=day, bps=bps)
    tariff.forget()
    try:
        with pytest.raises((AmountTooLarge, NoRoute)):
            ask_quote(actor=me, sell="KES", buy="USD", buy_minor=10**13)
    finally:
        tariff.forget()
