"""The cheapest way from one currency to another through what providers offer. Pure: no clock, no database, no chance.

A route is made of parts, a part of one to three trades that follow each other, each selling all that the one before it
brought. Parts add up to the amount exactly. Amounts are whole minor units; every trade rounds down, which is what a
provider does, so nothing is ever made by rounding.

How it is found: the best path by what one more unit brings is filled up to its limits, then the next best takes what is
left, and so on. Beginning with each direct offer in turn, and without offers that charge per trade, gives a few plans;
the one that brings most is taken. So no plan is worse than the best single direct offer. A plan for more continues the
plan for less, and therefore brings no less, as far as minimum trades leave a choice (docs/fx.md).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heapreplace
from typing import NamedTuple

ONE = 1 << 64  # gains are compared as fixed-point numbers; what a plan brings is exact
MOST_PARTS = 30
MOST_STARTS = 5
MOST_ALTERNATIVES = 8


class Offer:
    """A provider gives ``num/den`` minor units of ``buy`` for one of ``sell``, ``flat`` taken off before; rounded down.

    One trade takes ``minimum`` to ``maximum``; ``key`` is whose daily use is counted (`route`'s ``used``), ``cap`` how
    much a day takes.
    """

    __slots__ = (
        "buy", "cap", "den", "flat", "gain", "key", "least", "maximum", "minimum", "num", "priority", "provider",
        "sell", "speed",
    )  # fmt: skip

    def __init__(
        self, *, key: str, provider: str, sell: str, buy: str, num: int, den: int, maximum: int, minimum: int = 1,
        flat: int = 0, cap: int | None = None, speed: int = 0, priority: int = 100,
    ) -> None:  # fmt: skip
        assert sell != buy and num > 0 and den > 0 and 0 < minimum <= maximum and flat >= 0
        self.key, self.provider, self.sell, self.buy = key, provider, sell, buy
        self.num, self.den, self.flat, self.cap = num, den, flat, cap
        self.minimum, self.maximum, self.speed, self.priority = minimum, maximum, speed, priority
        self.gain = num * ONE // den
        self.least = max(minimum, flat - (-den // num))  # that brings anything at all

    def gives(self, amount: int) -> int:
        return max(amount - self.flat, 0) * self.num // self.den

    def takes(self, result: int) -> int:
        """The most that can be sold for no more than ``result``."""
        return ((result + 1) * self.den - 1) // self.num + self.flat

    @property
    def order(self) -> tuple[int, int, int, str, str]:
        return (-self.gain, self.priority, self.speed, self.provider, self.key)


class Leg(NamedTuple):
    """One trade; minor units of the offer's currencies."""

    offer: Offer
    sell_minor: int
    buy_minor: int


Part = tuple[Leg, ...]


class Alternative(NamedTuple):
    """A way that was not taken: what it would bring (None: it cannot take the amount), and why not, in words about
    ``of_minor`` of a currency, which stands for ``{}`` in them."""

    via: str
    buy_minor: int | None
    why_not: str
    of_minor: int
    of_currency: str


class Route(NamedTuple):
    """``looked``: how many offers were weighed, as a measure of work."""

    sell_minor: int
    buy_minor: int
    parts: tuple[Part, ...]
    alternatives: tuple[Alternative, ...]
    looked: int

    @property
    def via(self) -> str:
        """``KES>USD>NGN + KES>NGN``: each way once."""
        return " + ".join(dict.fromkeys(way([leg.offer for leg in part]) for part in self.parts))

    @property
    def speed(self) -> int:
        """Seconds until the last part is there."""
        return max(sum(leg.offer.speed for leg in part) for part in self.parts)

    @property
    def is_split(self) -> bool:
        return len(self.parts) > 1


class NoWay(NamedTuple):
    """``too_small``: more would find a way."""

    too_small: bool
    alternatives: tuple[Alternative, ...]
    looked: int


Path = tuple[Offer, ...]


# What a way brings at best (negative, so that the least is the best), its number, the offers for each step of it.
Way = tuple[int, int, tuple[tuple[Offer, ...], ...]]


def way(path: Sequence[Offer]) -> str:
    return ">".join([path[0].sell, *(offer.buy for offer in path)])


class Market:
    """Offers by pair, the best first. Made once for many questions, and remembers what it worked out for one."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self.pairs: dict[str, dict[str, tuple[Offer, ...]]] = {}
        self._ways: dict[tuple[str, str], list[Way]] = {}
        found: dict[tuple[str, str], list[Offer]] = {}
        for offer in offers:
            found.setdefault((offer.sell, offer.buy), []).append(offer)
        for (sell, buy), same in sorted(found.items()):
            self.pairs.setdefault(sell, {})[buy] = tuple(sorted(same, key=lambda one: one.order))

    def ways(self, sell: str, buy: str) -> list[Way]:
        """Directly and through one or two other currencies, by what each could bring at best; the best first."""
        known = self._ways.get((sell, buy))
        if known is not None:
            return known
        found: list[tuple[int, tuple[tuple[Offer, ...], ...]]] = []
        if direct := self.between(sell, buy):
            found.append((direct[0].gain, (direct,)))
        firsts = [(bridge, offers) for bridge, offers in self.pairs.get(sell, {}).items() if bridge != buy]
        lasts = {
            bridge: (onward[buy], onward[buy][0].gain)
            for bridge, onward in self.pairs.items()
            if bridge != sell and buy in onward
        }
        for bridge, first in firsts:
            gain = first[0].gain
            if bridge in lasts:
                last, last_gain = lasts[bridge]
                found.append((gain * last_gain // ONE, (first, last)))
            for second, middle in self.pairs.get(bridge, {}).items():
                if second in lasts and second != buy:
                    last, last_gain = lasts[second]
                    found.append((gain * middle[0].gain // ONE * last_gain // ONE, (first, middle, last)))
        found.sort(key=lambda one: (-one[0], len(one[1])))
        known = [(-gain, number, way_) for number, (gain, way_) in enumerate(found)]
        self._ways[sell, buy] = known
        return known

    def between(self, sell: str, buy: str) -> tuple[Offer, ...]:
        return self.pairs.get(sell, {}).get(buy, ())


class _Plan:
    """A search under way: what offers have left, and what was put together so far."""

    def __init__(
        self, market: Market, sell: str, buy: str, used: Mapping[str, int], within: int | None, only_free: bool
    ) -> None:
        self.market, self.sell, self.buy, self.used, self.within = market, sell, buy, used, within
        self.only_free = only_free
        self.left: dict[Offer, int] = {}
        self.parts: list[Part] = []
        self.banned: set[Offer] = set()
        self.heap: list[Way] | None = None
        self.looked = 0

    def room(self, offer: Offer) -> int:
        """How much it takes yet: of one conversion and of the day."""
        if offer not in self.left:
            most = offer.maximum
            if offer.cap is not None:
                most = min(most, offer.cap - self.used.get(offer.key, 0))
            self.left[offer] = most
        return self.left[offer]

    def best(self, offers: Sequence[Offer]) -> Offer | None:
        for offer in offers:
            self.looked += 1
            if offer in self.banned or (self.only_free and offer.flat):
                continue
            if self.within is not None and offer.speed > self.within:
                continue
            if self.room(offer) >= offer.least:
                return offer
        return None

    def search(self) -> Path | None:
        """The path of one to three trades on which one more unit brings most; no currency comes twice on it.

        What a way brings only falls while offers are used up, so what it brought when it was last looked at bounds it:
        the best of these bounds is looked at anew, until one holds. Most ways are never looked at.
        """
        if self.heap is None:
            self.heap = list(self.market.ways(self.sell, self.buy))
        while self.heap:
            bound, number, way_ = self.heap[0]
            path = self.along(way_)
            if path is None:
                heappop(self.heap)
            elif (gain := path_gain(path)) == -bound:
                return path
            else:
                heapreplace(self.heap, (-gain, number, way_))
        return None

    def along(self, way_: Sequence[tuple[Offer, ...]]) -> Path | None:
        """The best offers for each step that have anything left, and are in time."""
        path = []
        for offers in way_:
            if (offer := self.best(offers)) is None:
                return None
            path.append(offer)
        return tuple(path) if self.in_time(path) else None

    def in_time(self, path: Sequence[Offer]) -> bool:
        return self.within is None or sum(offer.speed for offer in path) <= self.within

    def most(self, path: Path) -> int:
        """The most of ``sell`` that fits through all of it."""
        most = self.room(path[-1])
        for offer in reversed(path[:-1]):
            most = min(self.room(offer), offer.takes(most))
        return most

    def walk(self, path: Path, amount: int) -> Part | Offer:
        """The trades with ``amount``, or the offer to which it would be too little."""
        legs = []
        for offer in path:
            if amount < offer.least:
                return offer
            legs.append(Leg(offer, amount, offer.gives(amount)))
            amount = legs[-1].buy_minor
        return tuple(legs)

    def put(self, part: Part) -> None:
        self.parts.append(part)
        for leg in part:
            self.left[leg.offer] = self.room(leg.offer) - leg.sell_minor

    def take_back(self) -> Part:
        part = self.parts.pop()
        for leg in part:
            self.left[leg.offer] += leg.sell_minor
        return part

    def fill(self, amount: int, first: Path | None = None) -> bool:
        """Put all of ``amount`` into parts, ``first`` before others; whether there was room."""
        path = first
        while amount:
            path = path or self.search()
            if path is None or len(self.parts) == MOST_PARTS:
                return bool(self.parts) and self.shift(amount)
            part = self.walk(path, min(amount, self.most(path)))
            if isinstance(part, Offer):
                self.banned.add(part)
            else:
                self.put(part)
                amount -= part[0].sell_minor
            path = None
        return True

    def shift(self, rest: int) -> bool:
        """``rest`` is too little for anybody: the last part gives up as much as somebody's least trade needs."""
        last = self.take_back()
        path: Path = tuple(leg.offer for leg in last)
        for offer in self.market.between(self.sell, self.buy):
            self.looked += 1
            if (self.within is not None and offer.speed > self.within) or (self.only_free and offer.flat):
                continue
            kept = self.walk(path, last[0].sell_minor - max(offer.least - rest, 0))
            if (
                offer in path
                or isinstance(kept, Offer)
                or not offer.least <= max(offer.least, rest) <= self.room(offer)
            ):
                continue
            self.put(kept)
            moved = self.walk((offer,), rest + last[0].sell_minor - kept[0].sell_minor)
            assert not isinstance(moved, Offer)
            self.put(moved)
            return True
        return False

    @property
    def result(self) -> int:
        return sum(part[-1].buy_minor for part in self.parts)

    @property
    def order(self) -> tuple[object, ...]:
        """Most first; then the simplest, the quickest, and names, so that there is one answer."""
        legs = [leg for part in self.parts for leg in part]
        return (
            -self.result, len(self.parts), len(legs), sum(leg.offer.speed for leg in legs),
            [(leg.offer.order, leg.sell_minor) for leg in legs],
        )  # fmt: skip


def route(
    market: Market, sell: str, buy: str, amount: int, *, used: Mapping[str, int] | None = None,
    within_seconds: int | None = None,
) -> Route | NoWay:  # fmt: skip
    """The cheapest way to sell exactly ``amount`` minor units of ``sell`` for ``buy``.

    Args:
        used: by an offer's ``key``, what of its daily ``cap`` is gone.
        within_seconds: no path that takes longer, trade after trade.
    """
    assert amount > 0 and sell != buy
    counted, plans = used or {}, []
    direct = undominated(market.between(sell, buy))[:MOST_STARTS]
    singles = [offer for offer in market.between(sell, buy) if offer.least <= amount <= offer.maximum]
    if singles and (best := max(singles, key=lambda offer: offer.gives(amount))) not in direct:
        direct.append(best)
    starts: list[tuple[Path | None, bool]] = [(None, False), *(((offer,), False) for offer in direct)]
    if any(offer.flat for onward in market.pairs.get(sell, {}).values() for offer in onward):
        starts.append((None, True))
    looked = 0
    for first, only_free in starts:
        plan = _Plan(market, sell, buy, counted, within_seconds, only_free)
        usable = first is None or (plan.best(first) is not None)
        if usable and plan.fill(amount, first):
            plans.append(plan)
        looked += plan.looked
    alternatives, small = weighed(market, sell, buy, amount, counted, within_seconds)
    if not plans:
        return NoWay(small, tuple(one for _, one in alternatives[:MOST_ALTERNATIVES]), looked)
    chosen = min(plans, key=lambda plan: plan.order)
    taken = {tuple(leg.offer for leg in part) for part in chosen.parts} if len(chosen.parts) == 1 else set()
    others = [
        one if one.buy_minor is None else one._replace(why_not="{} less", of_minor=chosen.result - one.buy_minor)
        for path, one in alternatives
        if path not in taken
    ]
    return Route(amount, chosen.result, tuple(chosen.parts), tuple(others[:MOST_ALTERNATIVES]), looked)


def undominated(offers: Sequence[Offer]) -> list[Offer]:
    """Without those to which another is better or equal in everything; the order decides between equals."""
    kept: list[Offer] = []
    for offer in offers:  # by gain already
        if not any(
            one.flat <= offer.flat and one.least <= offer.least and one.maximum >= offer.maximum
            and one.speed <= offer.speed and one.cap is None
            for one in kept
        ):  # fmt: skip
            kept.append(offer)
    return kept


def weighed(
    market: Market, sell: str, buy: str, amount: int, used: Mapping[str, int], within: int | None
) -> tuple[list[tuple[Path, Alternative]], bool]:
    """Each direct offer, and the best way through each other currency, with the whole amount; the best first.

    And whether somebody would take more, who does not take this little.
    """
    plan = _Plan(market, sell, buy, used, within, only_free=False)
    paths: list[Path] = [(offer,) for offer in market.between(sell, buy)]
    for bridge, offers in market.pairs.get(sell, {}).items():
        if bridge != buy and (onward := market.between(bridge, buy)):
            paths.append((plan.best(offers) or offers[0], plan.best(onward) or onward[0]))
    found, small = [], False
    for path in paths:
        said = f"{way(path)} ({', '.join(offer.provider for offer in path)})"
        most, part = plan.most(path), plan.walk(path, amount)
        if not plan.in_time(path):
            one = Alternative(said, None, "too slow", 0, sell)
        elif isinstance(part, Offer):
            small = True
            one = Alternative(said, None, f"{part.provider} takes at least {{}}", part.least, part.sell)
        elif amount > most:
            one = Alternative(said, None, "takes at most {}", max(most, 0), sell)
        else:
            one = Alternative(said, part[-1].buy_minor, "not with others", 0, buy)
        found.append((path, one))
    found.sort(key=lambda pair: (-(pair[1].buy_minor or 0), len(pair[0]), pair[1].via))
    return found, small


def route_for(
    market: Market, sell: str, buy: str, result: int, *, at_least: int = 1, used: Mapping[str, int] | None = None,
    within_seconds: int | None = None,
) -> Route | NoWay:  # fmt: skip
    """The cheapest way to get ``result`` minor units of ``buy`` or hardly more, selling ``at_least`` or more."""
    guess = _Plan(market, sell, buy, used or {}, within_seconds, only_free=False)
    path = guess.search()
    if path is None:
        return NoWay(False, (), guess.looked)
    wanted = result
    for offer in reversed(path):
        wanted = -(-wanted * offer.den // offer.num) + offer.flat
    gain = max(1, path_gain(path))
    amount, low, high = max(wanted, at_least), at_least - 1, None
    answer: Route | NoWay = NoWay(True, (), guess.looked)
    for _ in range(40):
        tried = route(market, sell, buy, amount, used=used, within_seconds=within_seconds)
        if isinstance(tried, Route) and tried.buy_minor >= result:
            answer, high = tried, amount
            step = max((tried.buy_minor - result) * ONE // gain, 1)
            amount = max(amount - step, low + 1)
        else:
            if isinstance(tried, NoWay) and not tried.too_small:
                return answer if isinstance(answer, Route) else tried
            low = max(low, amount)
            short = result - tried.buy_minor if isinstance(tried, Route) else amount * gain // ONE
            amount += max(-(-short * ONE // gain), 1)
        if high is not None:
            if high - low <= 1:
                break
            if not low < amount < high:
                amount = (low + high) // 2
    return answer


def path_gain(path: Sequence[Offer]) -> int:
    """Of one more unit; a fixed-point number."""
    gain = path[0].gain
    for offer in path[1:]:
        gain = gain * offer.gain // ONE
    return gain


def trades(parts: Iterable[Part]) -> Iterator[tuple[int, int, Leg]]:
    """Part and number from 1, and the trade."""
    for part, legs in enumerate(parts, 1):
        for number, leg in enumerate(legs, 1):
            yield part, number, leg
