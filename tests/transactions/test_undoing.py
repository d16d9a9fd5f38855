"""Every kind of movement says how it is undone."""

import pytest

from transactions.models import PAYS_AT_ONCE, THROUGH_A_RAIL, Kind
from transactions.undoing import UNDONE, Way


def test_every_kind_says_how_it_is_undone():
    assert set(UNDONE) == set(Kind)
    assert all(undone.ways and undone.how.endswith(".") for undone in UNDONE.values())


@pytest.mark.parametrize("kind", sorted(PAYS_AT_ONCE))
def test_what_goes_from_wallet_to_wallet_is_reversed(kind):
    assert Way.REVERSAL in UNDONE[kind].ways


@pytest.mark.parametrize("kind", sorted(THROUGH_A_RAIL))
def test_what_went_through_a_bank_comes_back_through_one(kind):
    assert UNDONE[kind].ways == (Way.COUNTER_PAYMENT,)
