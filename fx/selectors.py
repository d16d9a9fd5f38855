"""Questions about rates, terms, margins and quotes. `snapshot` is what quoting reads, at most a second old."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Subquery

from core.days import written
from core.money import EXPONENTS
from core.work import prepared
from fx.ages import is_stale
from fx.errors import RateMissing, RateStale
from fx.models import ExposureCap, Margin, ProviderTerms, Quote, RateLoad, RateSource
from fx.routing import Market, Offer

KEPT_SECONDS = 1
READ = (RateLoad.State.LOADED, RateLoad.State.NOTHING_NEW, RateLoad.State.LEAPT)  # whole, and so they say something
MOST_BETWEEN = 3  # shillings of Uganda, of Kenya, dollars, euro, pounds
OFTEN_BETWEEN = ("USD", "EUR", "GBP")  # of two equal ways through another currency

LATEST = """
SELECT s.source, b.base, q.quote, r.as_of, r.bid, r.mid, r.ask
FROM unnest(%s::text[]) AS s (source), unnest(%s::text[]) AS b (base), unnest(%s::text[]) AS q (quote)
CROSS JOIN LATERAL (
    SELECT as_of, bid, mid, ask FROM fx_rate
    WHERE source = s.source AND base = b.base AND quote = q.quote AND as_of <= %s
    ORDER BY as_of DESC, revision DESC LIMIT 1
) r WHERE b.base <> q.quote
"""
# By whom, what for what, how much of a day is gone: `ProviderUse`. Without a time it is now.
USED = """
WITH moment AS MATERIALIZED (SELECT coalesce(%(at)s::timestamptz, clock_timestamp()) AS at)
SELECT m.at, gone.* FROM moment m LEFT JOIN LATERAL (
    SELECT provider_id, sell, buy, sum(CASE WHEN expires_at >= m.at THEN promised ELSE used END)::bigint AS minor
    FROM fx_provideruse WHERE provider_id = ANY(%(providers)s) AND day = (m.at AT TIME ZONE 'UTC')::date
    GROUP BY 1, 2, 3
) gone ON gone.minor > 0
"""
# Rows are read by `QuoteTerms.read`: times as text, for Django's loader of times is five times all the rest of a row.
QUOTES = """
SELECT u.transaction, q.created_at::text, q.expires_at::text, q.id, q.caller, q.kind, q.sell, q.buy, q.sell_minor,
       q.fee_minor, q.buy_minor, q.margin_minor
FROM fx_quote q LEFT JOIN fx_quoteuse u ON u.quote_id = q.id
WHERE q.id = ANY(%s)
"""


# What we kept of the exchange of a movement, by the quote that it took.
MARGINS = """
SELECT u.transaction, q.margin_minor FROM fx_quoteuse u JOIN fx_quote q ON q.id = u.quote_id
WHERE u.transaction = ANY(%s)
"""


class Latest(NamedTuple):
    """The newest rate of one source: units of ``quote`` for one of ``base``."""

    source: str
    base: str
    quote: str
    as_of: datetime
    bid: Fraction | None
    mid: Fraction
    ask: Fraction | None


class Benchmark(NamedTuple):
    """The mid rate from one currency to another, exactly: major units of the second for one of the first.

    ``steps``: the published rates it is made of. ``as_of``: of the oldest of them.
    """

    rate: Fraction
    steps: tuple[Latest, ...]

    @property
    def as_of(self) -> datetime:
        return min(step.as_of for step in self.steps)

    @property
    def said(self) -> str:
        """``cbk USD/KES of 2026-11-20 × ecb EUR/USD of 2026-11-19``."""
        return " × ".join(f"{one.source} {one.base}/{one.quote} of {one.as_of:%Y-%m-%d}" for one in self.steps)

    def minor(self, sell: str, buy: str) -> Fraction:
        """In minor units of both."""
        return self.rate * in_minor(sell, buy)


def in_minor(sell: str, buy: str) -> Fraction:
    """What a rate of major units is multiplied by to be one of minor units."""
    return Fraction(10) ** (EXPONENTS[buy] - EXPONENTS[sell])


def turned(rate: Fraction) -> Fraction:
    """Read from the other side; exactly."""
    return Fraction(rate.denominator, rate.numerator)


class LeftOut(NamedTuple):
    """An offer that does not count at the moment, and why."""

    provider: str
    sell: str
    buy: str
    why: str


@dataclass
class Snapshot:
    """Everything quoting needs but what was quoted today, as of ``at``."""

    at: datetime
    sources: dict[str, RateSource]
    latest: list[Latest]
    terms: list[ProviderTerms]
    providers_off: set[UUID]
    margins: list[Margin]
    caps: dict[str, int] = field(default_factory=dict)  # minor units by currency, where there is a cap

    def __post_init__(self) -> None:
        self._best: dict[frozenset[str], tuple[Latest, bool]] = {}
        for one in sorted(self.latest, key=self._preference):
            self._best.setdefault(frozenset((one.base, one.quote)), (one, self.stale(one)))
        self._benchmarks: dict[tuple[str, str, str], Benchmark | RateStale | RateMissing] = {}
        self.left_out: list[LeftOut] = []
        self.terms_of: dict[str, ProviderTerms] = {}
        self.market = Market(self._offers())

    # --- Rates -------------------------------------------------------------------------------------------------------

    def stale(self, one: Latest) -> bool:
        return is_stale(self.sources[one.source], one.base, one.quote, one.as_of, self.at)

    def best(self) -> list[tuple[Latest, bool]]:
        """Of each pair the rate that counts, and whether it is too old."""
        return sorted(self._best.values(), key=lambda found: (found[0].base, found[0].quote))

    def _preference(self, one: Latest) -> tuple[bool, int, str, str]:
        """Fresh before stale, then by the source's priority; names decide between equals, for both directions alike."""
        return (self.stale(one), self.sources[one.source].priority, one.source, one.base)

    def benchmark(self, sell: str, buy: str, source: str = "") -> Benchmark:
        """The mid rate: published for the pair in either direction, else through as few other currencies as possible.

        ``source``: by its rates alone. Raises: RateStale, RateMissing.
        """
        key = (sell, buy, source)
        if key not in self._benchmarks:
            self._benchmarks[key] = self._find(sell, buy, source)
        found = self._benchmarks[key]
        if isinstance(found, Benchmark):
            return found
        raise type(found)(found.detail, **found.facts)

    def _find(self, sell: str, buy: str, source: str) -> Benchmark | RateStale | RateMissing:
        pairs = self._best
        if source:
            own = [one for one in self.latest if one.source == source]
            pairs = {frozenset((one.base, one.quote)): (one, self.stale(one)) for one in own}
        codes = sorted({code for pair in pairs for code in pair} - {sell, buy})
        for stale_too in (False, True):
            tried = (self._ways(sell, buy, codes, steps, pairs, stale_too) for steps in range(MOST_BETWEEN + 1))
            ways = next(filter(None, tried), [])
            if not ways:
                continue
            best = min(ways, key=lambda way: self._simplest(way, pairs))
            steps = [found[0] for found in _steps(best, pairs) if found is not None]
            if stale_too:
                old = next(one for one in steps if self.stale(one))
                said = f"The newest {old.base}/{old.quote} of {old.source} is of {old.as_of:%-d %b %Y %H:%M} UTC."
                if self.sources[old.source].is_doubted:
                    said += " A newer file was refused, because a rate leaps."
                return RateStale(said, source=old.source, as_of=written(old.as_of))
            rate = Fraction(1)
            for held, one in zip(best, steps):
                rate *= one.mid if one.base == held else turned(one.mid)
            return Benchmark(rate, tuple(steps))
        return RateMissing(f"No rate leads from {sell} to {buy}.")

    def _ways(
        self, sell: str, buy: str, between: Sequence[str], steps: int, pairs: "Pairs", stale_too: bool
    ) -> list[tuple[str, ...]]:
        """Through so many others, with a rate for each step."""
        ways = ((sell, *some, buy) for some in permutations(between, steps))
        return [
            way for way in ways
            if all(found is not None and (stale_too or not found[1]) for found in _steps(way, pairs))
        ]  # fmt: skip

    def _simplest(self, way: Sequence[str], pairs: "Pairs") -> tuple[object, ...]:
        """The same for a way and its way back, so that one rate is exactly the reciprocal of the other."""
        priorities = sum(self.sources[found[0].source].priority for found in _steps(way, pairs) if found)
        seldom = sum(code not in OFTEN_BETWEEN for code in way[1:-1])
        return (len(way), priorities, seldom, min(tuple(way), tuple(reversed(way))))

    # --- Offers ------------------------------------------------------------------------------------------------------

    def _offers(self) -> list[Offer]:
        offers = []
        for one in self.terms:
            if why := self._why_not(one):
                self.left_out.append(LeftOut(one.provider.code, one.sell, one.buy, why))
                continue
            try:
                rate = self._price(one)
            except (RateStale, RateMissing) as exc:
                why = "its rate is too old" if isinstance(exc, RateStale) else "there is no rate"
                self.left_out.append(LeftOut(one.provider.code, one.sell, one.buy, why))
                continue
            rate *= Fraction(10_000 - one.cost_bps, 10_000) * in_minor(one.sell, one.buy)
            key = use_key(one.provider_id, one.sell, one.buy)
            self.terms_of[key] = one
            offers.append(
                Offer(
                    key=key, provider=one.provider.code, sell=one.sell, buy=one.buy, num=rate.numerator,
                    den=rate.denominator, maximum=one.maximum, minimum=one.minimum, flat=one.flat, cap=one.daily_cap,
                    speed=one.speed_seconds, priority=one.priority,
                )
            )  # fmt: skip
        return offers

    def _price(self, terms: ProviderTerms) -> Fraction:
        """Major units of ``buy`` for one of ``sell``, before cost: where the provider's own source has the pair with
        two sides, the side that we would get; else mid."""
        found = self.benchmark(terms.sell, terms.buy, terms.rate_source)
        if terms.rate_source and len(found.steps) == 1:
            step = found.steps[0]
            if step.base == terms.sell and step.bid is not None:
                return step.bid
            if step.quote == terms.sell and step.ask is not None:
                return turned(step.ask)
        return found.rate

    def _why_not(self, terms: ProviderTerms) -> str:
        if not terms.is_on:
            return "not offered"
        if terms.provider_id in self.providers_off:
            return "switched off"
        return "" if is_open(terms, self.at) else "closed at this hour"

    def margin_bps(self, sell: str, buy: str, tier: int | None) -> int:
        """Hundredths of a percent, by the row that says most; of rows that say as much, the newest."""
        day = self.at.date()
        fit = [
            one for one in self.margins
            if one.sell in ("", sell) and one.buy in ("", buy) and one.tier in (None, tier)
            and one.effective_from <= day
        ]  # fmt: skip
        best = max(
            fit, default=None,
            key=lambda one: (bool(one.sell) + bool(one.buy), one.tier is not None, one.effective_from, one.pk),
        )  # fmt: skip
        return best.bps if best else 0


Pairs = dict[frozenset[str], tuple[Latest, bool]]


def _steps(way: Sequence[str], pairs: Pairs) -> list[tuple[Latest, bool] | None]:
    return [pairs.get(frozenset(step)) for step in pairwise(way)]


def use_key(provider_id: UUID, sell: str, buy: str) -> str:
    return f"{provider_id}:{sell}:{buy}"


def is_open(terms: ProviderTerms, at: datetime) -> bool:
    """By UTC; hours may go over midnight, and then belong to the day on which they begin."""
    clock, weekday = at.astimezone(UTC).time(), at.isoweekday()
    if terms.opens < terms.closes or terms.opens == terms.closes:
        in_hours = terms.opens == terms.closes or terms.opens <= clock < terms.closes
    else:
        in_hours = clock >= terms.opens or clock < terms.closes
        weekday = (weekday - 2) % 7 + 1 if clock < terms.closes else weekday
    return in_hours and str(weekday) in terms.weekdays


# --- Reading ----------------------------------------------------------------------------------------------------------

_kept: tuple[float, Snapshot] | None = None


def snapshot() -> Snapshot:
    """Sources, newest rates, terms, margins and caps in force: six statements once a second in each process."""
    global _kept
    now = time.monotonic()
    if _kept is None or now - _kept[0] > KEPT_SECONDS:
        _kept = (now, read_snapshot(datetime.now(UTC)))
    return _kept[1]


def forget() -> None:
    """Read afresh at the next question."""
    global _kept
    _kept = None


def read_snapshot(at: datetime) -> Snapshot:
    sources = {one.code: one for one in sources_now(at) if one.is_on}
    terms = (
        ProviderTerms.objects.filter(effective_from__lte=at.date())
        .order_by("provider_id", "sell", "buy", "-effective_from", "-id")
        .distinct("provider_id", "sell", "buy")
        .select_related("provider")
    )
    return Snapshot(
        at=at, sources=sources, latest=latest_rates(sources, at), terms=list(terms), providers_off=switched_off(),
        margins=list(Margin.objects.filter(effective_from__lte=at.date())),
        caps={one.currency: one.most for one in caps_on(at.date()) if one.most is not None},
    )  # fmt: skip


def caps_on(day: date) -> list[ExposureCap]:
    """Of each currency the row that counts on that day."""
    rows = ExposureCap.objects.filter(effective_from__lte=day)
    return list(rows.order_by("currency", "-effective_from", "-id").distinct("currency"))


def sources_now(at: datetime | None = None) -> list[RateSource]:
    """The row of each source that counts, and what became of the file of it that was read (by ``at``) with the newest
    rates; of several with the same the latest read. A file of earlier days says nothing about a leap after them."""
    loads = (
        RateLoad.objects.filter(source=OuterRef("code"), state__in=READ).order_by("-last_as_of", "-id").values("state")
    )
    if at is not None:
        loads = loads.filter(fetched_at__lte=at)
    rows = RateSource.objects.order_by("code", "-id").distinct("code").annotate(newest=Subquery(loads[:1]))
    sources: list[RateSource] = []
    for one in rows:
        one.newest_load = one.newest or ""
        sources.append(one)
    return sources


def source_now(code: str) -> RateSource | None:
    return RateSource.objects.filter(code=code).order_by("-id").first()


def latest_rates(sources: Iterable[str], at: datetime, currencies: Iterable[str] = EXPONENTS) -> list[Latest]:
    """Of each source and pair the newest rate by then; a probe of an index for each."""
    codes = list(currencies)
    with connection.cursor() as cursor:
        cursor.execute(LATEST, [list(sources), codes, codes, at])
        rows = cursor.fetchall()
    return [
        Latest(source, base, quote, as_of, bid and Fraction(bid), Fraction(mid), ask and Fraction(ask))
        for source, base, quote, as_of, bid, mid, ask in rows
    ]


def too_old(at: datetime) -> list[tuple[Latest, RateSource]]:
    """Of pairs whose every rate is too old, the one that would count: read now, whatever is kept; two statements."""
    sources = {one.code: one for one in sources_now() if one.is_on}
    rates = Snapshot(
        at=at, sources=sources, latest=latest_rates(sources, at), terms=[], providers_off=set(), margins=[]
    )  # fmt: skip
    return [(one, sources[one.source]) for one, is_stale in rates.best() if is_stale]


def switched_off() -> set[UUID]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT provider_id FROM (SELECT DISTINCT ON (provider_id) provider_id, is_on FROM fx_providerswitch"
            " ORDER BY provider_id, id DESC) newest WHERE NOT is_on"
        )
        return {pk for (pk,) in cursor.fetchall()}


def used_today(providers: Sequence[UUID], at: datetime | None = None) -> tuple[datetime, dict[str, int]]:
    """What of their daily caps is gone (`use_key`): what was converted, and what open quotes promise. And as of when:
    now by the database's clock, unless ``at`` says it. In one statement."""
    rows = prepared(USED, {"providers": list(providers), "at": at})
    return rows[0][0], {use_key(provider, sell, buy): gone for _, provider, sell, buy, gone in rows if provider}


class QuoteTerms(NamedTuple):
    """A quote as posting needs it; minor units. ``used_by``: the conversion that took it, if one did.

    ``sell_minor`` is taken from the caller, of it ``fee_minor`` as the fee; of what the rest is sold for
    ``margin_minor`` is ours and ``buy_minor`` the caller's.
    """

    id: UUID
    caller: str
    kind: str
    sell: str
    buy: str
    sell_minor: int
    fee_minor: int
    buy_minor: int
    margin_minor: int
    created_at: datetime
    expires_at: datetime
    used_by: UUID | None

    @classmethod
    def read(cls, row: tuple[Any, ...]) -> "QuoteTerms":
        """A row of `QUOTES`."""
        used_by, created_at, expires_at, *said = row
        times = map(datetime.fromisoformat, (created_at, expires_at))
        return cls._make((*said, *times, used_by))

    @property
    def exchanged(self) -> int:
        """What of the amount is sold: all but the fee."""
        return self.sell_minor - self.fee_minor


def terms_of(quote: Quote) -> QuoteTerms:
    """Of a quote that was given just now."""
    return QuoteTerms(
        quote.pk, quote.caller, quote.kind, quote.sell, quote.buy, quote.sell_minor, quote.fee_minor, quote.buy_minor,
        quote.margin_minor, quote.created_at, quote.expires_at, None,
    )  # fmt: skip


def read_quotes(ids: Sequence[UUID]) -> dict[UUID, QuoteTerms]:
    """In one statement; who posts asks after the lock."""
    with connection.cursor() as cursor:
        cursor.execute(QUOTES, [list(ids)])
        return {terms.id: terms for terms in map(QuoteTerms.read, cursor.fetchall())}
