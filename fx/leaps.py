"""Rates with which nobody should quote before a person has looked: a slip of a finger, a price of a hundred read as one
of a unit, a pair turned round.

A rate is held against the one before it, of the same source; the first of a pair against what other sources say. How
far apart the two may be is the source's ``max_move``. Who knows that a currency did move that far has the limit raised,
for which it takes two people, and loads the file again. Until a file of that day or a later one is read nothing is
quoted with the source's rates (`RateSource.is_doubted`): if the leap is right, it is the earlier ones that cost money.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from django.db import connection

from core.money import EXPONENTS
from fx.ages import age_of, limit_of
from fx.errors import RateLeaps, RateMissing, RateStale
from fx.models import RateSource
from fx.readers.base import Read
from fx.selectors import Snapshot, latest_rates, sources_now

BEFORE = timedelta(days=31)  # what a currency was earlier than that says little of what it is
Pair = tuple[str, str]
Mids = dict[Pair, dict[datetime, Fraction]]
KNOWN = """
SELECT DISTINCT ON (base, quote, as_of) base, quote, as_of, mid FROM fx_rate
WHERE source = %s AND as_of BETWEEN %s AND %s AND (base, quote) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
ORDER BY base, quote, as_of, revision DESC
"""


def refuse_leaps(source: RateSource, added: Sequence[Read]) -> None:
    """Whether rates that we do not know yet are near enough to those that we do. What is too old, or of a currency that
    is not ours, prices nothing and may be anything: histories have leaps.

    One statement, and two more where there is a pair without any rate before.
    Raises: RateLeaps, with the line of the first that is not.
    """
    now = datetime.now(UTC)
    ages = {as_of: age_of(source, as_of, now) for as_of in {one.as_of for one in added}}
    fresh = [
        one for one in added
        if {one.base, one.quote} <= EXPONENTS.keys() and ages[one.as_of] <= limit_of(source, one.base, one.quote)
    ]  # fmt: skip
    if not fresh:
        return
    known, others = _known(source.code, fresh), None
    for one in sorted(fresh, key=lambda read: read.as_of):
        mid, mids = Fraction(one.mid), known.setdefault(one.key[:2], {})
        for side in (one.bid, one.ask):
            if side is not None:
                _compare(source, one, side, mid, f"its mid, {one.mid:f}")
        earlier = [at for at in mids if one.as_of - BEFORE <= at < one.as_of]
        if earlier or one.as_of in mids:  # without an earlier one it corrects the very first
            than = max(earlier, default=one.as_of)
            _compare(source, one, one.mid, mids[than], f"the rate of {than:%-d %b %Y}")
        else:
            others = others or _others(source, now)
            if (said := _by(others, one)) is not None:
                _compare(source, one, one.mid, said, "what other sources say")
        mids[one.as_of] = mid


def _compare(source: RateSource, one: Read, rate: Decimal, than: Fraction, which: str) -> None:
    """By how much the greater is above the less, so that both ways round are as far. Raises: RateLeaps."""
    low, high = sorted((Fraction(rate), than))
    if (high - low) * 100 > low * source.max_move:
        pair, way = f"{one.base}/{one.quote}", "above" if rate > than else "below"
        raise RateLeaps(
            f"Line {one.line}, {pair}: {rate:f} is {way} {which}, by more than the {source.max_move} % that rates of "
            "this source may move; if it is right, finance raises that limit first.",
            line=one.line, field=pair,
        )  # fmt: skip


def _known(source: str, rates: Sequence[Read]) -> Mids:
    times, pairs = [one.as_of for one in rates], sorted({one.key[:2] for one in rates})
    found: Mids = {}
    with connection.cursor() as cursor:
        cursor.execute(
            KNOWN, [source, min(times) - BEFORE, max(times), [base for base, _ in pairs], [quote for _, quote in pairs]]
        )
        for base, quote, as_of, mid in cursor.fetchall():
            found.setdefault((base, quote), {})[as_of] = Fraction(mid)
    return found


def _others(source: RateSource, at: datetime) -> Snapshot:
    sources = {one.code: one for one in sources_now() if one.is_on and one.code != source.code}
    latest = latest_rates(sources, at)
    return Snapshot(at=at, sources=sources, latest=latest, terms=[], providers_off=set(), margins=[])


def _by(others: Snapshot, one: Read) -> Fraction | None:
    """None where they say nothing, or nothing fresh."""
    try:
        return others.benchmark(one.base, one.quote).rate
    except (RateStale, RateMissing):
        return None
