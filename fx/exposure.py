"""How far our position in a currency may go: what we hold with what is promised, against the cap of finance.

A promised rate is honoured, so the cap is judged when it is promised, and never when it is taken. It holds all the
same: quotes in a capped currency are given one after the other, each beside all that the others promise.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string

from fx.errors import FxExposureExceeded
from fx.pricing import Price

LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('fx:exposure:' || code, 0)) FROM unnest(%s::text[]) AS c (code)"


class Exposure(NamedTuple):
    """Minor units. ``held``: our position, above zero too much, below zero too little. ``rising`` and ``falling``: what
    quotes promise that are open, or taken by what is not through yet; whether all of them come, nobody knows."""

    currency: str
    held: int
    rising: int
    falling: int

    @property
    def at_most(self) -> int:
        return self.held + self.rising

    @property
    def at_least(self) -> int:
        return self.held - self.falling

    @property
    def worst(self) -> int:
        """How far from zero it may come to be, whichever of the promises are taken."""
        return max(self.at_most, -self.at_least)


# By currency, as of one moment.
Exposures = Callable[[Collection[str]], dict[str, Exposure]]


def exposures(currencies: Collection[str]) -> dict[str, Exposure]:
    """``settings.FX_EXPOSURE``: the books are known to an app above."""
    hook: Exposures = import_string(settings.FX_EXPOSURE)
    return hook(currencies)


def refuse_above(caps: dict[str, int], found: Price, *, waiting: bool) -> None:
    """Whether the position may go where this price would take it: up in what is sold to us, down in what is bought.

    What brings a position back towards zero is never refused for being above its cap already.

    Args:
        caps: minor units by currency, in force now.
        waiting: until other quotes in these currencies are given or refused, in the caller's database transaction.
    Raises: FxExposureExceeded. Locks: with ``waiting``, one name for each capped currency of the two, in order.
    """
    capped = sorted({found.sell, found.buy} & caps.keys())
    if not capped:
        return
    if waiting:
        with connection.cursor() as cursor:
            cursor.execute(LOCK, [capped])
    now = exposures(capped)
    for currency in capped:
        one = now[currency]
        if currency == found.sell:
            comes_to = one.at_most + found.route.sell_minor
        else:
            comes_to = found.route.buy_minor - one.at_least
        if comes_to > caps[currency]:
            raise FxExposureExceeded(currency=currency)
