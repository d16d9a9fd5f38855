"""Every kind of movement says how it is undone."""

import pytest

from transactions.models import PAYS_AT_ONCE, THROUGH_A_RAIL, Kind
from transactions.undoing import UNDONE, Way, how_undone


def test_every_kind_says_how_it_is_undone():
    assert set(UNDONE) == set(Kind)
    assert all(undone.ways and undone.how.endswith(".") for undone in UNDONE.values())


@pytest.mark.parametrize("kind", sorted(PAYS_AT_ONCE))
def test_what_goes_from_wallet_to_wallet_is_reversed(kind):
    assert Way.REVERSAL in UNDONE[kind].ways


@pytest.mark.parametrize("kind", sorted(THROUGH_A_RAIL))
def test_what_went_through_a_bank_comes_back_through_one(kind):
    assert UNDONE[kind].ways == (Way.COUNTER_PAYMENT,)


def test_a_transfer_that_arrived_in_another_currency_is_undone_as_an_exchange():
    assert "today's rate" in how_undone(Kind.TRANSFER, in_two_currencies=True)
    assert "rate" not in how_undone(Kind.TRANSFER, in_two_currencies=False)
    assert how_undone(Kind.CASH_OUT, in_two_currencies=True) == UNDONE[Kind.CASH_OUT].how
