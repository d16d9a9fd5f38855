"""Routing alone, without a database: cheapest, within limits, exact, explained."""

from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bench.routing import crowd
from fx.routing import Market, NoWay, Offer, Route, route, route_for

CODES = ["AAA", "BBB", "CCC", "DDD"]


def offer(provider: str, sell: str, buy: str, rate: str, **said: Any) -> Offer:
    """``rate`` minor units of ``buy`` for one of ``sell``."""
    exact = Fraction(rate)
    said = {"maximum": 10**12, "key": f"{provider}:{sell}:{buy}"} | said
    return Offer(provider=provider, sell=sell, buy=buy, num=exact.numerator, den=exact.denominator, **said)


def found(market: Market, amount: int, **said: Any) -> Route:
    answer = route(market, "KES", "NGN", amount, **said)
    assert isinstance(answer, Route), answer
    return answer


def trades_of(answer: Route) -> list[tuple[str, int, int]]:
    return [(leg.offer.provider, leg.sell_minor, leg.buy_minor) for part in answer.parts for leg in part]


# --- By hand ----------------------------------------------------------------------------------------------------------


def test_the_cheapest_of_two_direct_offers() -> None:
    answer = found(Market([offer("dear", "KES", "NGN", "11"), offer("cheap", "KES", "NGN", "11.4")]), 1_000)

    assert trades_of(answer) == [("cheap", 1_000, 11_400)]
    assert list(answer.alternatives) == [("KES>NGN (dear)", 11_000, "{} less", 400, "NGN")]


def test_through_another_currency_where_that_brings_more_and_every_trade_rounds_down() -> None:
    offers = [offer("d", "KES", "NGN", "11"), offer("a", "KES", "USD", "0.0077"), offer("b", "USD", "NGN", "1500")]
    answer = found(Market(offers), 10_000_00)

    assert answer.via == "KES>USD>NGN"
    assert trades_of(answer) == [("a", 10_000_00, 7_700), ("b", 7_700, 11_550_000)]
    assert found(Market(offers), 10_000_99).parts[0][0].buy_minor == 7_700  # 7,700.7623 rounded down


def test_through_two_others() -> None:
    offers = [
        offer("a", "KES", "USD", "0.0077"), offer("b", "USD", "EUR", "0.9"), offer("c", "EUR", "NGN", "1700"),
        offer("d", "KES", "NGN", "11"),
    ]  # fmt: skip

    assert found(Market(offers), 10**9).via == "KES>USD>EUR>NGN"


def test_what_is_too_much_for_one_is_split_and_adds_up() -> None:
    offers = [offer("a", "KES", "NGN", "12", maximum=600), offer("b", "KES", "NGN", "11", maximum=300),
              offer("c", "KES", "NGN", "10")]  # fmt: skip

    assert trades_of(found(Market(offers), 1_001)) == [("a", 600, 7_200), ("b", 300, 3_300), ("c", 101, 1_010)]


def test_a_daily_cap_counts_what_is_used() -> None:
    capped = offer("a", "KES", "NGN", "12", cap=1_000)
    offers = Market([capped, offer("b", "KES", "NGN", "11")])

    assert trades_of(found(offers, 500, used={capped.key: 900})) == [("a", 100, 1_200), ("b", 400, 4_400)]
    assert trades_of(found(offers, 500, used={capped.key: 1_000})) == [("b", 500, 5_500)]


def test_a_rest_below_the_least_trade_is_taken_from_the_part_before() -> None:
    offers = Market([offer("a", "KES", "NGN", "12", maximum=600), offer("b", "KES", "NGN", "11", minimum=100)])

    assert trades_of(found(offers, 610)) == [("a", 510, 6_120), ("b", 100, 1_100)]


def test_a_cost_per_trade_decides_small_amounts_and_not_large_ones() -> None:
    offers = Market([offer("flat", "KES", "NGN", "12", flat=100), offer("free", "KES", "NGN", "11")])

    assert trades_of(found(offers, 500)) == [("free", 500, 5_500)]
    assert trades_of(found(offers, 5_000)) == [("flat", 5_000, 58_800)]


def test_a_limit_of_time_leaves_out_what_takes_longer() -> None:
    offers = Market([offer("slow", "KES", "NGN", "12", speed=86_400), offer("quick", "KES", "NGN", "11", speed=60)])

    answer = found(offers, 100, within_seconds=3_600)

    assert trades_of(answer) == [("quick", 100, 1_100)]
    assert ("KES>NGN (slow)", None, "too slow", 0, "KES") in answer.alternatives


def test_equal_offers_go_by_priority() -> None:
    offers = Market([offer("a", "KES", "NGN", "12", priority=50), offer("b", "KES", "NGN", "12", priority=10)])

    assert trades_of(found(offers, 100))[0][0] == "b"


@pytest.mark.parametrize(
    ("amount", "too_small"), [(5, True), (5_000, False)], ids=["below the minimum", "above what all take"]
)
def test_no_way_says_whether_more_or_less_would_find_one(amount: int, too_small: bool) -> None:
    answer = route(Market([offer("a", "KES", "NGN", "12", minimum=10, maximum=1_000)]), "KES", "NGN", amount)

    assert isinstance(answer, NoWay) and answer.too_small is too_small
    assert answer.alternatives[0][2:] in (("a takes at least {}", 10, "KES"), ("takes at most {}", 1_000, "KES"))


def test_no_currency_comes_twice_on_a_way() -> None:
    """A market that is wrong by chance offers to make money in a circle: nobody is sent round it."""
    offers = [offer("x", "KES", "USD", "2"), offer("y", "USD", "KES", "2"), offer("z", "KES", "NGN", "1")]

    assert found(Market(offers), 100).via == "KES>NGN"


# --- Properties -------------------------------------------------------------------------------------------------------

values = st.integers(1, 10**6)
amounts = st.integers(1, 10**9)


@st.composite
def markets(draw: Any, *, plain: bool = False) -> list[Offer]:
    """Offers around one value of each currency, none better; ``plain``: none has a minimum or cost per trade."""
    worth = {code: draw(values) for code in CODES}
    found = []
    for number in range(draw(st.integers(2, 8))):
        sell, buy = (CODES[number], CODES[1 - number]) if number < 2 else draw(st.permutations(CODES))[:2]
        cost = draw(st.integers(0, 500))
        maximum = draw(st.integers(1, 10**9))
        minimum, flat = (
            (1, 0) if plain else (draw(st.integers(1, maximum)), draw(st.sampled_from([0, 0, 1, 50, 10_000])))
        )
        rate = Fraction(worth[sell] * (10_000 - cost), worth[buy] * 10_000)
        found.append(
            Offer(
                key=str(number), provider=f"p{number}", sell=sell, buy=buy, num=rate.numerator, den=rate.denominator,
                maximum=maximum, minimum=minimum, flat=flat, speed=draw(st.integers(0, 9)),
                cap=draw(st.none() | st.integers(1, 10**9)),
            )
        )  # fmt: skip
    return found


@settings(max_examples=100, deadline=None)
@given(markets(), amounts)
def test_a_route_is_exact_and_within_every_limit(offers: list[Offer], amount: int) -> None:
    answer = route(Market(offers), "AAA", "BBB", amount)
    assume(isinstance(answer, Route))
    assert isinstance(answer, Route)

    taken: dict[Offer, int] = {}
    for part in answer.parts:
        assert part[0].offer.sell == "AAA" and part[-1].offer.buy == "BBB" and len(part) <= 3
        assert len({leg.offer.sell for leg in part}) == len(part), "no currency twice"
        for leg in part:
            assert leg.buy_minor == leg.offer.gives(leg.sell_minor) > 0
            assert leg.sell_minor >= leg.offer.minimum
            taken[leg.offer] = taken.get(leg.offer, 0) + leg.sell_minor
        for before, after in pairwise(part):
            assert (before.buy_minor, before.offer.buy) == (after.sell_minor, after.offer.sell), (
                "nothing is left between"
            )
    assert sum(part[0].sell_minor for part in answer.parts) == amount
    assert sum(part[-1].buy_minor for part in answer.parts) == answer.buy_minor
    assert all(sold <= min(one.maximum, one.maximum if one.cap is None else one.cap) for one, sold in taken.items())


@settings(max_examples=100, deadline=None)
@given(markets(), amounts)
def test_it_is_never_worse_than_the_best_single_direct_offer(offers: list[Offer], amount: int) -> None:
    direct = [
        one.gives(amount) for one in offers
        if (one.sell, one.buy) == ("AAA", "BBB")
        and one.least <= amount <= min(one.maximum, one.maximum if one.cap is None else one.cap)
    ]  # fmt: skip
    assume(direct)

    answer = route(Market(offers), "AAA", "BBB", amount)

    assert isinstance(answer, Route) and answer.buy_minor >= max(direct)


@settings(max_examples=100, deadline=None)
@given(markets(), amounts)
def test_nobody_makes_money_there_and_back(offers: list[Offer], amount: int) -> None:
    market = Market(offers)
    there = route(market, "AAA", "BBB", amount)
    assume(isinstance(there, Route))
    assert isinstance(there, Route)

    back = route(market, "BBB", "AAA", there.buy_minor)

    assert isinstance(back, NoWay) or back.buy_minor <= amount


@settings(max_examples=100, deadline=None)
@given(markets(plain=True), amounts, amounts)
def test_more_brings_no_less(offers: list[Offer], one: int, other: int) -> None:
    """Where no minimum and no cost per trade leaves a choice; but for the unit that each part rounds off."""
    less, more = sorted((one, other))
    market = Market(offers)
    first, second = (route(market, "AAA", "BBB", amount) for amount in (less, more))
    assume(isinstance(first, Route) and isinstance(second, Route))
    assert isinstance(first, Route) and isinstance(second, Route)

    slack = sum(len(part) for part in second.parts) if second.is_split else 0
    assert second.buy_minor >= first.buy_minor - slack * max(one.gain >> 64 for one in offers) - slack


@settings(max_examples=60, deadline=None)
@given(markets(), amounts, st.randoms(use_true_random=False))
def test_the_order_of_the_offers_changes_nothing(offers: list[Offer], amount: int, chance: Random) -> None:
    before = route(Market(offers), "AAA", "BBB", amount)
    chance.shuffle(offers)

    assert route(Market(offers), "AAA", "BBB", amount) == before == route(Market(offers), "AAA", "BBB", amount)


@settings(max_examples=60, deadline=None)
@given(markets(), amounts)
def test_asked_from_the_other_side_it_finds_no_dearer_way(offers: list[Offer], amount: int) -> None:
    market = Market(offers)
    there = route(market, "AAA", "BBB", amount)
    assume(isinstance(there, Route))
    assert isinstance(there, Route)

    found = route_for(market, "AAA", "BBB", there.buy_minor)

    if isinstance(found, Route):
        assert found.buy_minor >= there.buy_minor
        if not any(one.flat or one.minimum > 1 for one in offers) and len(there.parts) == 1:
            assert found.sell_minor <= amount


def test_a_router_that_forgets_to_round_down_would_be_noticed() -> None:
    """The control: an offer that rounds up makes money in a circle."""

    class Generous(Offer):
        def gives(self, amount: int) -> int:
            return super().gives(amount) + 1

    pair = [
        Generous(key="a", provider="a", sell="AAA", buy="BBB", num=1, den=1, maximum=10**9),
        Generous(key="b", provider="b", sell="BBB", buy="AAA", num=1, den=1, maximum=10**9),
    ]
    there = route(Market(pair), "AAA", "BBB", 100)
    assert isinstance(there, Route)
    back = route(Market(pair), "BBB", "AAA", there.buy_minor)

    assert isinstance(back, Route) and back.buy_minor > 100


# --- Work -------------------------------------------------------------------------------------------------------------


def test_twenty_providers_and_thirty_currencies_take_a_bounded_number_of_looks() -> None:
    """Counts, not seconds: the time is in `make bench`."""
    market = crowd()

    looks = [
        answer.looked
        for amount in (10_000, 1_000_000, 3_000_000)
        for buy in ("C01", "C11", "C29")
        if isinstance(answer := route(market, "C00", buy, amount), Route)
    ]

    assert len(looks) == 9
    assert max(looks) < 3_000
