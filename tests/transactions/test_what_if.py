"""A price tried on what was comes to what it would have come to: the same arithmetic, whatever the price."""

from datetime import date, timedelta

import pytest

from tests.books import fund, transfer
from transactions import tariff
from transactions.models import FeeRule, Kind, Transaction
from transactions.posting import post, post_one
from transactions.tariff import Band, Fee
from transactions.what_if import what_if

AMOUNTS = [7, 99, 100, 101, 100, 1_500, 25_000]
PRICES = [
    Fee(10, 150, date.min),
    Fee(0, 100, date.min, least=5, most=40),
    Fee(3, 0, date.min, bands=(Band(100, 20, 0), Band(1_000, 0, 90)), round_to=5, rounding="up"),
    Fee(3, 33, date.min, bands=(Band(100, 1, 20), Band(1_000, 7, 9)), marginal=True, round_to=10),
]


@pytest.fixture
def moved(db, aline, eric):
    FeeRule.objects.create(kind="transfer", currency="RWF", effective_from=date.today(), flat=4)
    tariff.forget()
    fund(aline, 100_000)
    outcomes = post([transfer(aline, eric, amount) for amount in AMOUNTS])
    assert all(one.error is None for one in outcomes)
    post_one(transfer(aline, eric, 10_000_000))  # refused: counts for nothing
    yield
    tariff.forget()


@pytest.mark.parametrize("fee", PRICES)
def test_it_comes_to_what_each_movement_would_have_cost(moved, fee):
    found = what_if("transfer", "RWF", fee)

    assert (found.all.count, found.all.actual) == (len(AMOUNTS), 4 * len(AMOUNTS))
    assert found.met.would_be == found.all.would_be == sum(fee.on(amount) for amount in AMOUNTS)
    changes = [fee.on(amount) - 4 for amount in AMOUNTS]
    assert (found.dearer, found.same, found.cheaper) == (
        sum(one > 0 for one in changes), sum(one == 0 for one in changes), sum(one < 0 for one in changes),
    )  # fmt: skip
    assert sum(one.would_be for one in found.by_size.values()) == found.all.would_be
    assert not FeeRule.objects.filter(flat=fee.flat, bps=fee.bps).exists()


def test_the_price_that_is_in_force_would_have_brought_what_it_brought(moved):
    found = what_if("transfer", "RWF", Fee(4, 0, date.min))

    assert found.all.actual == found.all.would_be and found.same == len(AMOUNTS)


def test_a_price_for_others_or_of_another_kind_changes_nothing(moved, aline):
    nobody = Fee(99, 0, date.min, tier=aline.customer.tier + 1)

    for kind, fee in (("transfer", nobody), ("cash_out", Fee(99, 0, date.min))):
        found = what_if(kind, "RWF", fee)
        assert found.met.count == 0 and found.all.actual == found.all.would_be


def test_of_more_than_are_looked_at_the_newest_count(moved):
    found = what_if("transfer", "RWF", Fee(1, 0, date.min), most=3)

    assert found.is_cut and found.met.count == 3


def test_a_rule_of_somebodys_own_goes_before_it(moved, aline, eric):
    FeeRule.objects.create(
        kind="transfer", currency="RWF", effective_from=date.today() - timedelta(days=40), flat=1,
        tier=aline.customer.tier,
    )  # fmt: skip
    assert Transaction.objects.filter(kind=Kind.TRANSFER).exists()

    assert what_if("transfer", "RWF", Fee(9, 0, date.min)).met.count == 0
