"""What a conversion costs its customer: the route, our margin off what it brings, the fee. Writes nothing.

Rounding: each trade rounds down; what the customer gets is the route's result without the margin, rounded down, and
never more than the benchmark gives, so that nobody makes money by converting there and back. What rounding leaves is
part of the margin. The fee is taken from the source amount.
"""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from core.errors import AmountNotPositive, AmountTooLarge
from core.money import EXPONENTS, MAX_MINOR
from fx.errors import AmountTooSmallToConvert, NoRoute, RateMissing, SameCurrency
from fx.models import MOST_DECIMALS, Quote
from fx.routing import NoWay, Route, route, route_for
from fx.selectors import Benchmark, Snapshot

RATE_DIGITS = 10
# ``(kind, currency, amount_minor) -> fee in minor units``; the amount is all that is taken, the fee included.
FeeHook = Callable[[str, str, int], int]


def no_fee(kind: str, currency: str, amount_minor: int) -> int:
    return 0


def fee_hook() -> FeeHook:
    """``settings.FX_FEE``: fees are known to an app above."""
    hook: FeeHook = import_string(settings.FX_FEE)
    return hook


class Price(NamedTuple):
    """Minor units: ``sell_minor`` is taken, ``fee_minor`` of it the fee; the route sells the rest for
    ``route.buy_minor``, of which ``margin_minor`` is ours. ``benchmark_minor``: the rest at the mid rate."""

    sell: str
    buy: str
    fixed: str
    sell_minor: int
    fee_minor: int
    buy_minor: int
    margin_minor: int
    margin_bps: int
    benchmark_minor: int
    benchmark: Benchmark
    route: Route


def effective_rate(sold_minor: int, sold: str, bought_minor: int, bought: str) -> str:
    """What one major unit of ``sold`` brought, as a decimal string of ten significant digits or fewer."""
    rate = Fraction(bought_minor * 10 ** EXPONENTS[sold], sold_minor * 10 ** EXPONENTS[bought])
    whole = rate.numerator // rate.denominator
    zeros = 0 if whole else len(str(rate.denominator // rate.numerator)) - 1
    return rate_string(rate, max(RATE_DIGITS - len(str(whole)), 0) if whole else RATE_DIGITS + zeros)


def rate_string(rate: Fraction, places: int = MOST_DECIMALS) -> str:
    """A decimal string with so many places or fewer, half up; exact for a rate as it was published."""
    scaled = (rate.numerator * 10**places * 2 + rate.denominator) // (2 * rate.denominator)
    whole, rest = divmod(scaled, 10**places)
    return f"{whole}.{str(rest).zfill(places)}".rstrip("0").rstrip(".") if places else str(whole)


def price(
    now: Snapshot, *, sell: str, buy: str, sell_minor: int | None = None, buy_minor: int | None = None,
    tier: int | None = None, within_seconds: int | None = None, kind: str = "conversion",
    used: Mapping[str, int] | None = None, fee: FeeHook | None = None,
    may_move: Callable[[int], None] | None = None,
) -> Price:  # fmt: skip
    """Price a conversion of which exactly one amount is given.

    Args:
        fee: what it costs this one; without it everybody's fee.
        may_move: refuses more than may be exchanged.
    Raises: SameCurrency, AmountNotPositive, AmountTooLarge, AmountTooSmallToConvert, NoRoute, RateStale, RateMissing,
        and what ``may_move`` raises.
    """
    assert (sell_minor is None) != (buy_minor is None)
    if sell == buy:
        raise SameCurrency()
    if not {sell, buy} <= set(EXPONENTS):
        raise RateMissing(f"{sell} or {buy} is no currency of ours.")
    amount = sell_minor if sell_minor is not None else buy_minor
    assert amount is not None
    if amount <= 0:
        raise AmountNotPositive()
    if amount > MAX_MINOR:
        raise AmountTooLarge()
    benchmark, bps, fee = now.benchmark(sell, buy), now.margin_bps(sell, buy, tier), fee or fee_hook()
    mid = benchmark.minor(sell, buy)
    if sell_minor is not None:
        charged = fee(kind, sell, sell_minor)
        if charged >= sell_minor:
            raise AmountTooSmallToConvert()
        found = _found(
            now, route(now.market, sell, buy, sell_minor - charged, used=used, within_seconds=within_seconds)
        )
        worth = found.sell_minor * mid.numerator // mid.denominator
        received = min(found.buy_minor * (10_000 - bps) // 10_000, worth)
        if received <= 0:
            raise AmountTooSmallToConvert()
    else:
        assert buy_minor is not None
        needed = -(-buy_minor * 10_000 // (10_000 - bps))
        at_least = -(-buy_minor * mid.denominator // mid.numerator)
        found = _found(
            now,
            route_for(
                now.market, sell, buy, needed, at_least=at_least, used=used, within_seconds=within_seconds
            ),
        )  # fmt: skip
        worth = found.sell_minor * mid.numerator // mid.denominator
        received = buy_minor
        sell_minor = _with_fee(fee, kind, sell, found.sell_minor)
        charged = sell_minor - found.sell_minor
        if sell_minor > MAX_MINOR:
            raise AmountTooLarge()
    if may_move:
        may_move(found.sell_minor)
    return Price(
        sell=sell, buy=buy, fixed=Quote.Fixed.SELL if buy_minor is None else Quote.Fixed.BUY, sell_minor=sell_minor,
        fee_minor=charged, buy_minor=received, margin_minor=found.buy_minor - received, margin_bps=bps,
        benchmark_minor=worth, benchmark=benchmark, route=found,
    )  # fmt: skip


def _found(now: Snapshot, found: Route | NoWay) -> Route:
    if isinstance(found, Route):
        return found
    if found.too_small:
        raise AmountTooSmallToConvert()
    raise NoRoute()


def _with_fee(fee: FeeHook, kind: str, currency: str, rest: int) -> int:
    """The least amount of which ``rest`` is left after its fee; fees grow slower than amounts. Raises: AmountTooLarge,
    also where a fee takes so much of anything that never as much is left."""
    least, enough = rest, rest + fee(kind, currency, rest)
    while enough - fee(kind, currency, enough) < rest:
        least, enough = enough, 2 * enough
        if least > MAX_MINOR:
            raise AmountTooLarge()
    while least < enough:
        middle = (least + enough) // 2
        if middle - fee(kind, currency, middle) < rest:
            least = middle + 1
        else:
            enough = middle
    return enough
