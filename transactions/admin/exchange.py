"""The exchange at a glance: positions, what each pair has brought, and what customers saved; from postings."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.timezone import now

from core.admin import Panel, Table, badge, link, money, place
from fx.admin.shown import of_amounts, rate_text
from fx.ages import said_age
from fx.approvals import percent
from fx.errors import RateMissing, RateStale
from fx.selectors import Snapshot, snapshot
from transactions import positions

DAYS = 30


@place("fx/positions/", name="fx_positions", permission="fx.view_quote")
def exchange(request: HttpRequest) -> HttpResponse:
    """Shows; changes nothing. Everything but the rates comes from postings and from quotes that were used."""
    known, at = snapshot(), now()
    since = at - timedelta(days=DAYS)
    stale = [
        f"{one.base}/{one.quote} of {known.sources[one.source].name}"
        f" ({said_age(known.sources[one.source], one.as_of, at)})"
        for one, is_stale in known.best()
        if is_stale
    ]
    held = positions.positions()
    panels: list[Panel] = []
    if held:
        panels = [
            position_table(request, held), results_table(known), earned_table(), volume_table(positions.volumes(since)),
            route_table(positions.routes(since)),
        ]  # fmt: skip
    context = {**admin.site.each_context(request), "title": "Exchange", "panels": panels, "stale": stale}
    return TemplateResponse(request, "admin/transactions/exchange.html", context)


def position_table(request: HttpRequest, held: list[positions.Position]) -> Table:
    return Table(
        title="Positions",
        columns=["Currency", "Position", "Which means"],
        numeric=["Position"],
        rows=[
            (
                link(request, "ledger.account", one.account, one.currency), money(one.held, one.currency),
                "we have too much of it" if one.held > 0 else "we owe it to the market" if one.held else "even",
            )
            for one in held
        ],
    )  # fmt: skip


def results_table(known: Snapshot) -> Table:
    return Table(
        title="Result of each pair, by average cost",
        columns=["Pair", "Held", "Average", "Mid now", "Realised", "Unrealised", "Trades"],
        numeric=["Held", "Average", "Mid now", "Realised", "Unrealised", "Trades"],
        rows=list(result_rows(known)),
    )


def result_rows(known: Snapshot) -> Iterator[tuple[Any, ...]]:
    for pair in positions.results():
        mid: Any
        unrealised: Any
        try:
            rate = known.benchmark(pair.base, pair.quote)
        except (RateStale, RateMissing) as refusal:
            mid, unrealised = badge(refusal.title, "bad"), "–"
        else:
            mid = rate_text(rate.rate)
            unrealised = money(pair.unrealised(rate.minor(pair.base, pair.quote)), pair.quote)
        average = of_amounts(abs(pair.held), pair.base, abs(pair.cost), pair.quote) if pair.held and pair.cost else "–"
        yield (
            f"{pair.base}/{pair.quote}", money(pair.held, pair.base), average, mid, money(pair.realised, pair.quote),
            unrealised, pair.trades,
        )  # fmt: skip


def earned_table() -> Table:
    return Table(
        title="Earned so far",
        columns=["Currency", "Fees of conversions", "Margins", "Undone at another rate"],
        numeric=["Fees of conversions", "Margins", "Undone at another rate"],
        rows=[
            (one.currency, *(money(amount, one.currency) for amount in (one.fees, one.margins, one.results)))
            for one in positions.earned()
        ],
        empty="Nothing yet.",
    )


def volume_table(found: list[positions.Volume]) -> Table:
    """Savings are an estimate against a bank that takes so much off the mid rate."""
    saved = f"Saved against {percent(settings.FX_BENCHMARK_BPS)}"
    return Table(
        title=f"Exchanged in {DAYS} days",
        columns=["Pair", "Times", "Given", "Fees in it", "Received", "Our margin", saved],
        numeric=["Times", "Given", "Fees in it", "Received", "Our margin", saved],
        rows=[
            (
                f"{one.sell} to {one.buy}", one.times, money(one.sold, one.sell), money(one.fees, one.sell),
                money(one.bought, one.buy), money(one.margins, one.buy), money(one.saved, one.buy),
            )
            for one in found
        ],
        empty=f"Nothing was exchanged in {DAYS} days.",
    )  # fmt: skip


def route_table(found: list[tuple[str, str, int, str, int | None]]) -> Table:
    return Table(
        title=f"Routes in {DAYS} days",
        columns=["Way", "Provider", "Trades", "Sold to them"],
        numeric=["Trades", "Sold to them"],
        rows=[(way, who, count, money(sold, currency) if sold else "–") for way, who, count, currency, sold in found],
        empty=f"Nothing was exchanged in {DAYS} days.",
    )
