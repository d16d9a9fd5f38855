"""What we hold of each currency since we exchange, and what that has brought: from postings alone (docs/fx.md).

Every exchange changes two positions, up in what was sold to us and down in what was bought from us; a reversal changes
them back. So each is a trade in its pair, of minor units on both sides, and a pair's result is told by average cost.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.utils.timezone import now

from core.admin.lists import first_id_at
from fx.exposure import Exposure

# Which of two currencies a pair is counted in units of: the first of these; its result is in the other one.
BASES = ("GBP", "EUR", "USD", "GHS", "ZAR", "KES", "NGN", "RWF", "TZS", "UGX")

POSITIONS = """
SELECT id, currency, posted FROM ledger_account WHERE starts_with(code, 'equity:fx:') ORDER BY currency
"""
EARNED = """
SELECT currency, coalesce(sum(posted) FILTER (WHERE code ~ '^income:fees:conversion:'), 0)::bigint,
       coalesce(sum(posted) FILTER (WHERE starts_with(code, 'income:fx_margin:')), 0)::bigint,
       coalesce(sum(posted) FILTER (WHERE starts_with(code, 'income:fx_result:')), 0)::bigint
FROM ledger_account
WHERE code ~ '^income:fees:conversion:' OR starts_with(code, 'income:fx_margin:')
   OR starts_with(code, 'income:fx_result:')
GROUP BY currency ORDER BY currency
"""
# A reversal belongs to the pair of what it undoes, which may have given back of one side only.
TRADES = """
SELECT o.currency, o.received_currency,
       coalesce(sum(-e.side * e.amount) FILTER (WHERE e.currency = o.currency), 0)::bigint,
       coalesce(sum(-e.side * e.amount) FILTER (WHERE e.currency = o.received_currency), 0)::bigint
FROM ledger_account a
JOIN ledger_entry e ON e.account_id = a.id
JOIN transactions_transaction t ON t.id = e.journal_id
JOIN transactions_transaction o ON o.id = coalesce(t.reverses_id, t.id)
WHERE starts_with(a.code, 'equity:fx:') AND (%s::timestamptz IS NULL OR e.recorded_at <= %s)
GROUP BY t.id, o.id ORDER BY t.id
"""
# What is promised of each currency: by quotes that may still be taken, and by those that were taken by what has not
# been posted yet. One statement, so that what is taken meanwhile is in one of the two and not in both or none.
EXPOSURES = """
WITH promised AS MATERIALIZED (
    SELECT q.sell, q.buy, q.sell_minor - q.fee_minor AS rising, q.buy_minor + q.margin_minor AS falling
    FROM fx_quote q WHERE q.id >= %(since)s AND q.expires_at >= clock_timestamp() - %(under_way)s
        AND NOT EXISTS (SELECT FROM fx_quoteuse u WHERE u.quote_id = q.id)
    UNION ALL
    SELECT q.sell, q.buy, q.sell_minor - q.fee_minor, q.buy_minor + q.margin_minor
    FROM transactions_transaction t JOIN fx_quoteuse u ON u.transaction = t.id JOIN fx_quote q ON q.id = u.quote_id
    WHERE t.state IN ('pending', 'processing', 'unknown') AND t.received_currency IS NOT NULL
)
SELECT c.code, coalesce((SELECT posted FROM ledger_account WHERE code = 'equity:fx:' || c.code), 0),
       coalesce((SELECT sum(rising) FROM promised WHERE sell = c.code), 0)::bigint,
       coalesce((SELECT sum(falling) FROM promised WHERE buy = c.code), 0)::bigint
FROM unnest(%(codes)s::text[]) AS c (code)
"""
UNDER_WAY = timedelta(seconds=10)  # a quote that was taken in time may still be on its way into the books
# By pair, since an id: what customers gave and got by quotes whose movement is through, less what was undone of it, in
# the shares of `rules.exchanges.mirrored`; at the mid rate, too. What a bank has yet to pay, or has refused, is none.
VOLUMES = """
SELECT q.sell, q.buy, count(*), sum(t.amount - t.reversed_amount)::bigint, sum(q.fee_minor)::bigint,
       sum(t.reversed_amount)::bigint, sum(q.buy_minor - undone.received)::bigint,
       sum(q.margin_minor - undone.margin)::bigint, sum(d.benchmark_minor - undone.benchmark)::bigint
FROM fx_quoteuse u JOIN fx_quote q ON q.id = u.quote_id JOIN fx_routingdecision d ON d.id = q.decision_id
JOIN transactions_transaction t ON t.id = u.transaction AND t.state IN ('completed', 'partially_reversed', 'reversed'),
LATERAL (
    SELECT div(q.buy_minor::numeric * t.reversed_amount, t.amount) AS received,
           div(q.margin_minor::numeric * t.reversed_amount, t.amount) AS margin,
           div(d.benchmark_minor::numeric * t.reversed_amount, t.amount) AS benchmark
) undone
WHERE u.transaction >= %s GROUP BY q.sell, q.buy ORDER BY count(*) DESC, q.sell, q.buy
"""
ROUTES = """
SELECT d.via, p.code, count(*), d.sell, sum(l.sell_minor) FILTER (WHERE l.sell = d.sell)::bigint
FROM fx_quoteuse u JOIN fx_quote q ON q.id = u.quote_id JOIN fx_routingdecision d ON d.id = q.decision_id
JOIN transactions_transaction t ON t.id = u.transaction AND t.state IN ('completed', 'partially_reversed', 'reversed')
JOIN fx_routeleg l ON l.decision_id = d.id JOIN fx_provider p ON p.id = l.provider_id
WHERE u.transaction >= %s GROUP BY d.via, p.code, d.sell ORDER BY count(*) DESC, d.via, p.code LIMIT 50
"""


class Position(NamedTuple):
    """Minor units; above zero we have too much of the currency, below zero too little. ``account``: in the ledger."""

    account: int
    currency: str
    held: int


class Earned(NamedTuple):
    """Minor units that conversions have brought so far in one currency."""

    currency: str
    fees: int
    margins: int
    results: int


@dataclass
class Pair:
    """One pair by average cost; minor units. ``held`` of ``base`` (below zero: owed) has cost ``cost`` of ``quote``.

    What a trade adds to what is held is added to the cost; what it takes away is taken away with its share of the cost,
    rounded down, and what the trade brought beside that share is realised. A trade that goes through zero is both.
    Therefore, to the minor unit: ``realised == cost + all that was ever paid or received of quote``.
    """

    base: str
    quote: str
    held: int = 0
    cost: int = 0
    realised: int = 0
    trades: int = 0

    def trade(self, base: int, quote: int) -> None:
        """The positions change by so much: one up, the other down, as a rule."""
        self.trades += 1
        closing = min(abs(base), abs(self.held)) if base * self.held < 0 else 0
        if closing:
            paid = quote * closing // abs(base)
            released = self.cost * closing // abs(self.held)
            self.realised += paid - released
            self.cost -= released
            self.held += closing if base > 0 else -closing
            base, quote = base - (closing if base > 0 else -closing), quote - paid
        if base:
            self.held += base
            self.cost -= quote
        else:
            self.realised += quote

    def unrealised(self, rate: Fraction) -> int:
        """What it would bring to sell what is held at ``rate`` (minor units of quote for one of base), rounded down."""
        return self.held * rate.numerator // rate.denominator - self.cost


class Volume(NamedTuple):
    """What was exchanged of a pair; minor units of ``sell`` and of ``buy``. ``sold`` is without the ``fees`` that were
    taken beside it and, like all that is in ``buy``, without what was ``undone``."""

    sell: str
    buy: str
    times: int
    sold: int
    fees: int
    undone: int
    bought: int
    margins: int
    benchmark: int

    @property
    def saved(self) -> int:
        """What customers got beyond what a bank would have given, which takes ``settings.FX_BENCHMARK_BPS`` off mid."""
        return self.bought - self.benchmark * (10_000 - settings.FX_BENCHMARK_BPS) // 10_000


def positions() -> list[Position]:
    return [Position(*row) for row in _rows(POSITIONS)]


def exposures(currencies: Collection[str]) -> dict[str, Exposure]:
    """Of each the position, and what is promised on top of it (`fx.exposure`); one statement."""
    since = now() - timedelta(seconds=settings.FX_QUOTE_SECONDS) - 2 * UNDER_WAY
    params: dict[str, Any] = {"codes": list(currencies), "since": first_id_at(since), "under_way": UNDER_WAY}
    with connection.cursor() as cursor:
        cursor.execute(EXPOSURES, params)
        return {row[0]: Exposure(*row) for row in cursor.fetchall()}


def earned() -> list[Earned]:
    return [Earned(*row) for row in _rows(EARNED)]


def results(at: datetime | None = None) -> list[Pair]:
    """Every pair that was ever exchanged, as of an instant; reads all entries of the positions."""
    return pairs_of(_rows(TRADES, at, at))


def pairs_of(trades: Iterable[tuple[str, str, int, int]]) -> list[Pair]:
    """``trades``: two currencies and how the position in each changed, in the order of the books."""
    pairs: dict[tuple[str, str], Pair] = {}
    for one, other, change, other_change in trades:
        if BASES.index(other) < BASES.index(one):
            one, other, change, other_change = other, one, other_change, change
        pairs.setdefault((one, other), Pair(one, other)).trade(change, other_change)
    return [pair for _, pair in sorted(pairs.items())]


class Subtotal(NamedTuple):
    """All pairs whose result is in one currency; minor units of it. ``unrealised`` is of the pairs that have a rate;
    ``unknown``: those that have none."""

    currency: str
    pairs: int
    realised: int
    unrealised: int
    unknown: list[str]

    @property
    def together(self) -> int:
        return self.realised + self.unrealised


def subtotals(valued: Iterable[tuple[Pair, Fraction | None]]) -> list[Subtotal]:
    """By the currency of the result. ``valued``: each pair with its rate in minor units, where there is one."""
    found: dict[str, Subtotal] = {}
    for pair, rate in valued:
        one = found.get(pair.quote) or Subtotal(pair.quote, 0, 0, 0, [])
        unrealised = 0 if rate is None else pair.unrealised(rate)
        unknown = [f"{pair.base}/{pair.quote}"] if rate is None and pair.held else []
        found[pair.quote] = Subtotal(
            pair.quote, one.pairs + 1, one.realised + pair.realised, one.unrealised + unrealised, one.unknown + unknown
        )
    return [one for _, one in sorted(found.items())]


def volumes(since: datetime) -> list[Volume]:
    return [Volume(*row) for row in _rows(VOLUMES, first_id_at(since))]


def routes(since: datetime) -> list[tuple[str, str, int, str, int | None]]:
    """Way and provider, how often, and what was sold to the provider of the currency that customers gave."""
    return _rows(ROUTES, first_id_at(since))


def _rows(query: str, *params: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.fetchall()
