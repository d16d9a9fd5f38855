"""The exchange at a glance: positions, what each pair has brought, and what customers saved; from postings."""

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.timezone import now

from core.admin import Panel, Table, badge, link, money, place
from core.admin.pages import list_url
from fx.admin.shown import of_amounts, rate_text
from fx.ages import said_age
from fx.approvals import percent
from fx.errors import RateMissing, RateStale
from fx.exposure import Exposure
from fx.selectors import Snapshot, caps_on, snapshot
from transactions import positions
from transactions.models import RevaluationLine
from transactions.services.revaluations import latest

DAYS = 30
NEAR, FULL = 80, 100  # percent of a cap


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
    caps = {one.currency: one.most for one in caps_on(at.date()) if one.most is not None}
    panels: list[Panel] = []
    if held or caps:
        panels = [position_table(request, held), cap_table(held, caps)]
    if held:
        valued = [(pair, mid_of(known, pair)) for pair in positions.results()]
        panels += [
            results_table(valued), subtotal_table(positions.subtotals((pair, mid.minor) for pair, mid in valued)),
            earned_table(), volume_table(positions.volumes(since)), route_table(positions.routes(since)),
        ]  # fmt: skip
    context = {**admin.site.each_context(request), "title": "Positions and results", "panels": panels, "stale": stale}
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
        empty="Nothing has been exchanged yet.",
    )  # fmt: skip


def cap_table(held: list[positions.Position], caps: dict[str, int]) -> Table:
    """How far each position is, and how far open quotes may take it, against its cap."""
    found = positions.exposures({one.currency for one in held} | caps.keys()) if caps else {}
    rows = [
        (
            currency, money(one.held, currency), money(one.rising, currency), money(one.falling, currency),
            against(one, caps.get(currency)),
        )
        for currency, one in sorted(found.items())
    ]  # fmt: skip
    return Table(
        title="Against caps",
        columns=["Currency", "Position", "Promised to us", "Promised by us", "Of its cap"],
        numeric=["Position", "Promised to us", "Promised by us", "Of its cap"],
        rows=rows,
        empty="No caps: positions go as far as customers take them. Finance asks for one under Exposure caps.",
        more=("Exposure caps", list_url("fx.exposurecap")),
    )


def against(one: Exposure, cap: int | None) -> Any:
    """Number, share, words and a bar; both of the position and with what is promised."""
    if cap is None:
        return "no cap"
    used, then = abs(one.held) * 100 // cap, one.worst * 100 // cap
    tone, words = ("odd", "nearly full") if then >= NEAR else ("good", "room left")
    if then >= FULL:
        tone, words = "bad", "over the cap" if abs(one.held) > cap else "full"
    return format_html(
        '{} <span class="muted">of {}</span> <b>{} %</b> {}<br>'
        '<span class="muted small">{} % with what is promised</span>'
        '<meter min="0" max="{}" low="{}" high="{}" optimum="0" value="{}" aria-label="Position of its cap"></meter>',
        money(abs(one.held), one.currency), money(cap, one.currency), f"{used:,}", badge(words, tone), f"{then:,}",
        FULL, NEAR, FULL - 1, min(then, FULL),
    )  # fmt: skip


class Mid(NamedTuple):
    """The mid rate of a pair now, in words and in minor units of both; or why there is none."""

    said: Any
    minor: Fraction | None


def mid_of(known: Snapshot, pair: positions.Pair) -> Mid:
    try:
        found = known.benchmark(pair.base, pair.quote)
    except (RateStale, RateMissing) as refusal:
        return Mid(badge(refusal.title, "bad"), None)
    return Mid(rate_text(found.rate), found.minor(pair.base, pair.quote))


def results_table(valued: list[tuple[positions.Pair, Mid]]) -> Table:
    """The unrealised result as it is now, and as the latest revaluation has posted it."""
    last = latest()
    posted = f"Posted, {last.day:%-d %b %Y}" if last else "Posted"
    return Table(
        title="Result of each pair, by average cost",
        columns=["Pair", "Held", "Average", "Mid now", "Realised", "Unrealised now", posted, "Trades"],
        numeric=["Held", "Average", "Mid now", "Realised", "Unrealised now", posted, "Trades"],
        rows=list(
            result_rows(
                valued, {(one.base, one.quote): one for one in last.lines.select_related("revaluation")} if last else {}
            )
        ),
        more=("Revaluations", list_url("transactions.revaluation")),
    )


def result_rows(
    valued: list[tuple[positions.Pair, Mid]], posted: dict[tuple[str, str], RevaluationLine]
) -> Iterator[tuple[Any, ...]]:
    for pair, mid in valued:
        unrealised = "–" if mid.minor is None else money(pair.unrealised(mid.minor), pair.quote)
        average = of_amounts(abs(pair.held), pair.base, abs(pair.cost), pair.quote) if pair.held and pair.cost else "–"
        yield (
            f"{pair.base}/{pair.quote}", money(pair.held, pair.base), average, mid.said,
            money(pair.realised, pair.quote),
            unrealised, as_posted(posted.get((pair.base, pair.quote))), pair.trades,
        )  # fmt: skip


def subtotal_table(found: list[positions.Subtotal]) -> Table:
    """There is no sum over currencies: what it is in one of them, a revaluation says."""
    return Table(
        title="Result in each currency",
        columns=["Currency", "Pairs", "Realised", "Unrealised now", "Together"],
        numeric=["Pairs", "Realised", "Unrealised now", "Together"],
        rows=[
            (
                one.currency, one.pairs, money(one.realised, one.currency), unrealised_of(one),
                money(one.together, one.currency),
            )
            for one in found
        ],
    )  # fmt: skip


def unrealised_of(one: positions.Subtotal) -> Any:
    known = money(one.unrealised, one.currency)
    if not one.unknown:
        return known
    return format_html('{}<br><span class="muted small">without {}: no rate</span>', known, ", ".join(one.unknown))


def as_posted(line: RevaluationLine | None) -> Any:
    """In the pair's currency, and in the one it is reported in."""
    if line is None:
        return "–"
    reported = money(line.result, line.revaluation.currency)
    if line.quote == line.revaluation.currency:
        return reported
    return format_html('{}<br><span class="muted small">{}</span>', money(line.unrealised, line.quote), reported)


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
    """What is through, less what was undone. Savings are an estimate against a bank that takes so much off the mid."""
    saved = f"Saved against {percent(settings.FX_BENCHMARK_BPS)}"
    return Table(
        title=f"Exchanged in {DAYS} days",
        columns=["Pair", "Times", "Sold", "Fees beside it", "Undone", "Received", "Our margin", saved],
        numeric=["Times", "Sold", "Fees beside it", "Undone", "Received", "Our margin", saved],
        rows=[
            (
                f"{one.sell} to {one.buy}", one.times, money(one.sold, one.sell), money(one.fees, one.sell),
                money(one.undone, one.sell) if one.undone else "–", money(one.bought, one.buy),
                money(one.margins, one.buy), money(one.saved, one.buy),
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
