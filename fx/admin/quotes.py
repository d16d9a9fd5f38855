"""Quotes and the routes they took; and what a conversion would cost, without one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    link,
    moment,
    money,
    place,
)
from core.admin.dialogs import read_amount, told
from core.errors import TekanaError
from core.money import CURRENCY_CHOICES
from fx.admin.shown import of_amounts, pair_shown
from fx.approvals import percent, said_seconds
from fx.models import Quote, RouteLeg, RoutingDecision
from fx.pricing import Price
from fx.routing import trades
from fx.selectors import Snapshot
from fx.services import estimate


class Trade(NamedTuple):
    """One leg in words."""

    part: int
    provider: Any
    sell_minor: int
    sell: str
    buy_minor: int
    buy: str


def route_table(legs: Iterable[Trade]) -> Table:
    return Table(
        title="Route",
        columns=["Part", "Provider", "Sold", "Bought", "Rate"],
        numeric=["Sold", "Bought"],
        rows=[
            (
                one.part, one.provider, money(one.sell_minor, one.sell), money(one.buy_minor, one.buy),
                of_amounts(one.sell_minor, one.sell, one.buy_minor, one.buy),
            )
            for one in legs
        ],
    )  # fmt: skip


def alternatives_table(found: Sequence[dict[str, Any]], buy: str) -> Table:
    """Ways that were not taken."""
    return Table(
        title="Alternatives",
        columns=["Way", "Would bring", "Why not"],
        numeric=["Would bring"],
        rows=[
            (
                one["via"], money(one["buy_minor"], buy),
                format_html(one["why_not"], money(one["of_minor"], one["of_currency"])),
            )
            for one in found
        ],
        empty="There was no other way.",
    )  # fmt: skip


def left_out_table(found: Sequence[dict[str, Any]]) -> Table:
    return Table(
        title="Not considered",
        columns=["Provider", "Pair", "Why"],
        rows=[(one["provider"], f"{one['sell']} to {one['buy']}", one["why"]) for one in found],
        empty="Every provider with terms for these currencies was considered.",
    )


# --- What would it cost? ----------------------------------------------------------------------------------------------


class CostForm(forms.Form):
    fixed = forms.ChoiceField(
        label="Amount is", required=False, widget=UnfoldAdminSelectWidget,
        choices=[("sell", "what is given"), ("buy", "what is received")],
    )  # fmt: skip
    sell = forms.ChoiceField(label="From", choices=CURRENCY_CHOICES, widget=UnfoldAdminSelectWidget)
    buy = forms.ChoiceField(label="To", choices=CURRENCY_CHOICES, widget=UnfoldAdminSelectWidget)
    amount = forms.CharField(
        max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autofocus": True})
    )
    tier = forms.TypedChoiceField(
        label="KYC tier", required=False, coerce=int, empty_value=None, widget=UnfoldAdminSelectWidget,
        choices=[("", "Any"), *((tier, f"Tier {tier}") for tier in range(4))],
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        currency = asked.get("buy" if asked.get("fixed") == "buy" else "sell")
        if currency and asked.get("amount"):
            asked["amount"] = read_amount(self, "amount", currency)
        return asked


@place("fx/cost/", name="fx_cost", permission="fx.view_quote")
def cost(request: HttpRequest) -> HttpResponse:
    """A conversion priced as it would be now, with its route and all others; nothing is promised or kept."""
    form = CostForm(request.GET or None)
    context = {**admin.site.each_context(request), "title": "What would it cost?", "form": form, "panels": []}
    if request.GET and form.is_valid():
        asked = form.cleaned_data
        side = "buy_minor" if asked["fixed"] == "buy" else "sell_minor"
        try:
            known, price = estimate(sell=asked["sell"], buy=asked["buy"], tier=asked["tier"], **{side: asked["amount"]})
        except TekanaError as refusal:
            context["refusal"] = told(refusal)
        else:
            context |= {"figures": figures(price), "panels": priced(known, price)}
    return TemplateResponse(request, "admin/fx/cost.html", context)


def figures(price: Price) -> list[tuple[str, Any]]:
    return [
        ("Given", money(price.sell_minor, price.sell)),
        ("Fee in it", money(price.fee_minor, price.sell)),
        ("Received", money(price.buy_minor, price.buy)),
        ("Rate", of_amounts(price.route.sell_minor, price.sell, price.buy_minor, price.buy)),
    ]


def priced(known: Snapshot, price: Price) -> list[Panel]:
    route, buy = price.route, price.buy
    legs = [
        Trade(
            part, known.terms_of[leg.offer.key].provider.name, leg.sell_minor, leg.offer.sell, leg.buy_minor,
            leg.offer.buy,
        )
        for part, _, leg in trades(route.parts)
    ]  # fmt: skip
    left = [one._asdict() for one in known.left_out if {price.sell, buy} & {one.sell, one.buy}]
    return [
        made_up(price.benchmark_minor, route.buy_minor, price.margin_minor, price.margin_bps, price.buy_minor, buy,
                price.benchmark.said, route.via, route.speed),
        route_table(legs),
        alternatives_table([one._asdict() for one in route.alternatives], buy),
        left_out_table(left),
    ]  # fmt: skip


def made_up(
    benchmark_minor: int, route_minor: int, margin_minor: int, margin_bps: int, buy_minor: int, buy: str,
    benchmark: str, via: str, speed: int,
) -> Facts:  # fmt: skip
    """From the mid rate to what is received."""
    return Facts(
        title="How it comes about",
        rows=[
            ("At the mid rate", money(benchmark_minor, buy)),
            ("Mid rate", benchmark),
            ("Providers cost", money(benchmark_minor - route_minor, buy)),
            ("The route brings", money(route_minor, buy)),
            ("We keep", format_html("{} <span class=\"muted\">({} and what rounding leaves)</span>",
                                    money(margin_minor, buy), percent(margin_bps))),
            ("Received", money(buy_minor, buy)),
            ("Way", via),
            ("Takes", said_seconds(speed)),
        ],
    )  # fmt: skip


# --- Decisions and quotes ---------------------------------------------------------------------------------------------


def legs_of(request: HttpRequest, decision: RoutingDecision) -> list[Trade]:
    rows: QuerySet[RouteLeg] = decision.legs.select_related("provider").order_by("part", "number")
    return [
        Trade(one.part, link(request, "fx.provider", one.provider_id, one.provider.name), one.sell_minor, one.sell,
              one.buy_minor, one.buy)
        for one in rows
    ]  # fmt: skip


def how_it_went(request: HttpRequest, decision: RoutingDecision, quote: Quote | None) -> list[Panel]:
    given = decision.buy_minor - (quote.margin_minor if quote else 0)
    panels: list[Panel] = []
    if quote:
        panels.append(
            made_up(
                decision.benchmark_minor, decision.buy_minor, quote.margin_minor, quote.margin_bps, given, decision.buy,
                decision.benchmark, decision.via, decision.speed_seconds,
            )
        )  # fmt: skip
    return [
        *panels,
        route_table(legs_of(request, decision)),
        alternatives_table(decision.alternatives, decision.buy),
        left_out_table(decision.left_out),
    ]


@admin.register(RoutingDecision)
class RoutingDecisionAdmin(StaffAdmin):
    list_display = ["when", "pair", "sold", "bought", "lost", "via", "is_split"]
    list_filter = [
        choice_filter("sell", "from", CURRENCY_CHOICES), choice_filter("buy", "to", CURRENCY_CHOICES), MadeBetween,
    ]  # fmt: skip
    ordering = ["-id"]
    page_select_related = ("quote",)

    @display(description="When")
    def when(self, one: RoutingDecision) -> Any:
        return moment(one.at)

    @display(description="Pair")
    def pair(self, one: RoutingDecision) -> Any:
        return pair_shown(one.sell, one.buy)

    @display(description="Sold")
    def sold(self, one: RoutingDecision) -> Any:
        return money(one.sell_minor, one.sell)

    @display(description="Bought")
    def bought(self, one: RoutingDecision) -> Any:
        return money(one.buy_minor, one.buy)

    @display(description="Below mid")
    def lost(self, one: RoutingDecision) -> Any:
        return money(one.benchmark_minor - one.buy_minor, one.buy)

    def name_of(self, subject: RoutingDecision) -> str:
        return f"Route {subject.sell} to {subject.buy}"

    def header(self, request: HttpRequest, one: RoutingDecision) -> Header:
        figures = [("Sold", self.sold(one)), ("Bought", self.bought(one)), ("Below mid", self.lost(one))]
        lines = [one.via, moment(one.at), link(request, "fx.quote", one.quote.pk, "Its quote")]
        return Header(
            title=self.name_of(one), badge=badge("split") if one.is_split else "", figures=figures, lines=lines
        )

    def panels(self, request: HttpRequest, one: RoutingDecision) -> list[Panel]:
        return how_it_went(request, one, one.quote)


def state_of(quote: Quote, at: datetime) -> Any:
    if hasattr(quote, "use"):
        return badge("used", "good")
    return badge("open", "busy") if at <= quote.expires_at else badge("expired")


@admin.register(Quote)
class QuoteAdmin(StaffAdmin):
    list_display = ["when", "pair", "given", "received", "kept", "state", "caller"]
    list_filter = [
        choice_filter("sell", "from", CURRENCY_CHOICES), choice_filter("buy", "to", CURRENCY_CHOICES), MadeBetween,
    ]  # fmt: skip
    list_select_related = ["use"]
    ordering = ["-id"]
    page_select_related = ("decision", "use")

    def whose(self, subject: Quote) -> list[Any]:
        kind, _, pk = subject.caller.partition(":")
        return [pk] if kind == "customer" else []

    @display(description="When")
    def when(self, quote: Quote) -> Any:
        return moment(quote.created_at)

    @display(description="Pair")
    def pair(self, quote: Quote) -> Any:
        return pair_shown(quote.sell, quote.buy)

    @display(description="Given")
    def given(self, quote: Quote) -> Any:
        return money(quote.sell_minor, quote.sell)

    @display(description="Received")
    def received(self, quote: Quote) -> Any:
        return money(quote.buy_minor, quote.buy)

    @display(description="We keep")
    def kept(self, quote: Quote) -> Any:
        return money(quote.margin_minor, quote.buy)

    @display(description="State")
    def state(self, quote: Quote) -> Any:
        return state_of(quote, now())

    def name_of(self, subject: Quote) -> str:
        return f"Quote {subject.sell} to {subject.buy}"

    def header(self, request: HttpRequest, quote: Quote) -> Header:
        figures = [
            ("Given", self.given(quote)), ("Fee in it", money(quote.fee_minor, quote.sell)),
            ("Received", self.received(quote)),
            ("Rate", of_amounts(quote.sell_minor - quote.fee_minor, quote.sell, quote.buy_minor, quote.buy)),
        ]  # fmt: skip
        return Header(title=self.name_of(quote), badge=self.state(quote), lines=[code(quote.pk)], figures=figures)

    def panels(self, request: HttpRequest, quote: Quote) -> list[Panel]:
        kind, _, pk = quote.caller.partition(":")
        whose = link(request, "customers.customer", pk, quote.caller) if kind == "customer" else quote.caller
        use = getattr(quote, "use", None)
        rows = [
            ("For", whose), ("Asked", moment(quote.created_at)), ("Holds until", moment(quote.expires_at)),
            ("Fixed is", quote.get_fixed_display()), ("KYC tier", "–" if quote.tier is None else quote.tier),
            ("Used", moment(use.at) if use else "–"),
            ("Conversion", link(request, "transactions.transaction", use.transaction, use.transaction) if use else "–"),
            ("Route", link(request, "fx.routingdecision", quote.decision_id, quote.decision.via)),
        ]  # fmt: skip
        return [Facts(title="Quote", rows=rows, side=True), *how_it_went(request, quote.decision, quote)]
