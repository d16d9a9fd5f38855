"""Rates: what one currency is in another, how fresh, its history; sources and loads."""

import json
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    moment,
    place,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import alarm, list_url, page_url
from core.errors import TekanaError
from core.money import EXPONENTS
from fx.admin.shown import SourceFilter, rate_text
from fx.ages import limit_of, said_age
from fx.approvals import said_source, sources
from fx.errors import RateMissing, RateStale
from fx.models import Rate, RateLoad, RateSource
from fx.selectors import Benchmark, Latest, Snapshot, snapshot, sources_now, too_old, turned
from fx.services import MAX_MOVE, MOST_MOVE, load_rates, url_of
from staff.inbox import ask

DAYS = 180
MOST_POINTS = 400
MOST_ROWS = 30
LOADS_SHOWN = 10
PAIRS_NAMED = 4
LINES = ["--color-primary-500", "--chart-bad", "--color-primary-300", "--color-primary-800"]
STATES = {
    RateLoad.State.LOADED: "good", RateLoad.State.NOTHING_NEW: "", RateLoad.State.REFUSED: "bad",
    RateLoad.State.LEAPT: "bad", RateLoad.State.NOT_FETCHED: "odd",
}  # fmt: skip


# --- The matrix -------------------------------------------------------------------------------------------------------


@place("fx/rates/", name="fx_rates", permission="fx.view_rate")
def rates(request: HttpRequest) -> HttpResponse:
    """What one unit of each currency is in each other, as a conversion would be priced now."""
    now = snapshot()
    stale = [one for one in now.latest if now.stale(one)]
    context = {
        **admin.site.each_context(request), "title": "Exchange rates", "panels": [matrix(now), freshness(now)],
        "stale": sorted({f"{one.base}/{one.quote} of {one.source}" for one in stale}), "at": moment(now.at),
    }  # fmt: skip
    return TemplateResponse(request, "admin/fx/rates.html", context)


@alarm(permission="fx.view_rate")
def too_old_to_quote(request: HttpRequest) -> Any:
    """By source: which pairs, of when, and how old that is."""
    at = timezone.now()
    of: dict[str, list[Latest]] = {}
    sources = {}
    for one, source in too_old(at):
        of.setdefault(one.source, []).append(one)
        sources[one.source] = source
    if not of:
        return ""
    said = format_html_join(
        "; ", "{}, {} ({}, {})",
        ((sources[code].name, pairs_named(found), f"newest of {max(one.as_of for one in found):%-d %b %Y}",
          "a newer file was refused: a rate leaps" if sources[code].is_doubted
          else f"{said_age(sources[code], max(one.as_of for one in found), at)} old") for code, found in of.items()),
    )  # fmt: skip
    return format_html(
        'Exchange rates are too old, and nothing is quoted with them: {}. <a href="{}">Look at the rates</a> or at'
        ' <a href="{}">why none were loaded</a>.',
        said, reverse("admin:fx_rates"), list_url("fx.rateload"),
    )  # fmt: skip


def pairs_named(found: list[Latest]) -> str:
    """``USD/KES, EUR/KES, GBP/KES and 4 more``."""
    named = ", ".join(f"{one.base}/{one.quote}" for one in found[:PAIRS_NAMED])
    return named if len(found) <= PAIRS_NAMED else f"{named} and {len(found) - PAIRS_NAMED} more"


def matrix(now: Snapshot) -> Table:
    known = {code for one in now.latest for code in (one.base, one.quote)}
    codes = [code for code in EXPONENTS if code in known]
    return Table(
        title="One unit of … is",
        columns=["", *codes],
        numeric=codes,
        rows=[[one, *(cell(now, one, other) for other in codes)] for one in codes],
        empty="No rates yet. Load a file, or give a source an address.",
    )


def cell(now: Snapshot, one: str, other: str) -> Any:
    if one == other:
        return "1"
    try:
        found = now.benchmark(one, other)
    except RateStale:
        text: Any = badge("too old", "bad")
    except RateMissing:
        return "–"
    else:
        text = rate_text(found.rate) if len(found.steps) == 1 else format_html("<i>{}</i>", rate_text(found.rate))
    return format_html('<a class="to" href="{}">{}</a>', pair_url(one, other), text)


def pair_url(one: str, other: str) -> str:
    return reverse("admin:fx_pair", args=[f"{one}-{other}"])


def freshness(now: Snapshot) -> Table:
    """Of each source the newest rate, and how old the oldest of those is that count."""
    rows = []
    for source in now.sources.values():
        own = [one for one in now.latest if one.source == source.code]
        newest = max((one.as_of for one in own), default=None)
        stale = [one for one in own if now.stale(one)]
        verdict = badge("no rates", "odd") if not own else badge("fresh", "good")
        if stale:
            verdict = badge("too old" if len(stale) == len(own) else f"{len(stale)} pairs too old", "bad")
        if source.is_doubted:
            verdict = badge("a rate leaps", "bad")
        unit = "business days" if source.daily else "min"
        rows.append(
            (
                format_html('<a class="to" href="{}">{}</a>', page_url("fx.ratesource", source.pk), source.name),
                verdict, moment(newest), said_age(source, newest, now.at) if newest else "–",
                f"{source.max_age} {unit}", len(own), "by itself" if url_of(source) else "by hand",
            )
        )  # fmt: skip
    return Table(
        title="How fresh",
        columns=["Source", "", "Newest", "Age", "Too old after", "Pairs of ours", "Loaded"],
        numeric=["Pairs of ours"],
        rows=rows,
        empty="No source is in use.",
        more=("Loads", list_url("fx.rateload")),
    )


# --- A pair -----------------------------------------------------------------------------------------------------------


@place("fx/rates/<slug:pair>/", name="fx_pair", permission="fx.view_rate")
def pair(request: HttpRequest, pair: str) -> HttpResponse:
    """One pair: what it is made of now, and what each source published of it."""
    one, _, other = pair.partition("-")
    if not {one, other} <= set(EXPONENTS) or one == other:
        raise Http404
    now = snapshot()
    found, refusal = None, ""
    try:
        found = now.benchmark(one, other)
    except (RateStale, RateMissing) as exc:
        refusal = exc.detail
    published = history(one, other, now.at - timedelta(days=DAYS))
    panels = [made_of(now, found), chart(one, other, published), published_rates(request, one, other, published)]
    context = {
        **admin.site.each_context(request), "title": f"{one} in {other}", "panels": panels, "refusal": refusal,
        "rate": rate_text(found.rate) if found else "", "one": one, "other": other, "turned": pair_url(other, one),
    }  # fmt: skip
    return TemplateResponse(request, "admin/fx/pair.html", context)


def history(one: str, other: str, since: datetime) -> list[Rate]:
    """Published for the pair in either direction; of a time and source the last revision, the newest first."""
    rows: dict[tuple[str, str, datetime], Rate] = {}
    for base, quote in ((one, other), (other, one)):
        found = Rate.objects.filter(source__in=[source.code for source in sources_now()], base=base, quote=quote)
        for rate in found.filter(as_of__gte=since).order_by("as_of", "revision"):
            rows[rate.source, rate.base, rate.as_of] = rate
    return sorted(rows.values(), key=lambda rate: (rate.as_of, rate.source), reverse=True)[:MOST_POINTS]


def oriented(rate: Rate, one: str) -> Fraction:
    return Fraction(rate.mid) if rate.base == one else turned(Fraction(rate.mid))


def made_of(now: Snapshot, found: Benchmark | None) -> Table:
    def row(step: Latest) -> tuple[Any, ...]:
        source = now.sources[step.source]
        return (
            f"{step.base}/{step.quote}", rate_text(step.mid), source.name, moment(step.as_of),
            said_age(source, step.as_of, now.at), str(limit_of(source, step.base, step.quote)),
        )  # fmt: skip

    return Table(
        title="Made of",
        columns=["Published", "Mid", "Source", "As of", "Age", "Limit"],
        numeric=["Mid", "Limit"],
        rows=[row(step) for step in found.steps] if found else [],
        empty="There is no rate to quote with.",
    )


def chart(one: str, other: str, published: list[Rate]) -> Part:
    """Chart.js reads decimal strings as numbers for drawing; nothing is computed from them."""
    times = sorted({rate.as_of for rate in published})
    lines = []
    for number, source in enumerate(sorted({rate.source for rate in published})):
        of = {
            rate.as_of: rate_text(oriented(rate, one), 8).replace(",", "")
            for rate in published
            if rate.source == source
        }
        color = f"var({LINES[number % len(LINES)]})"
        lines.append(
            {
                "label": source, "data": [of.get(at) for at in times], "borderColor": color, "backgroundColor": color,
                "borderWidth": 2, "pointRadius": 0, "pointHitRadius": 8, "spanGaps": True, "maxTicksXLimit": 8,
            }
        )  # fmt: skip
    return Part(
        title=f"{DAYS} days",
        template="admin/fx/chart.html",
        context={
            "value": json.dumps({"labels": [f"{at:%-d %b %y}" for at in times], "datasets": lines}) if times else "",
            "options": json.dumps(CHART_OPTIONS),
            "about": f"{other} for one {one}, by source",
        },
    )


AXIS: dict[str, Any] = {
    "border": {"display": False},
    "ticks": {"color": "#8a94a3", "maxRotation": 0, "autoSkipPadding": 14},
}
CHART_OPTIONS: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {
            "display": True,
            "align": "start",
            "labels": {"boxWidth": 8, "boxHeight": 8, "color": "#8a94a3", "usePointStyle": True},
        }
    },
    "scales": {"x": {**AXIS, "grid": {"display": False}}, "y": {**AXIS, "grid": {"tickLength": 0}}},
}


def published_rates(request: HttpRequest, one: str, other: str, published: list[Rate]) -> Table:
    return Table(
        title="Published",
        columns=["As of", "Source", "As published", f"{other} for one {one}", "Bid", "Ask"],
        numeric=["As published", f"{other} for one {one}", "Bid", "Ask"],
        rows=[
            (
                moment(rate.as_of), rate.source,
                link(request, "fx.rate", rate.pk, f"{rate.base}/{rate.quote} {rate_text(Fraction(rate.mid), 8)}"),
                rate_text(oriented(rate, one)), side(rate.bid), side(rate.ask),
            )
            for rate in published[:MOST_ROWS]
        ],
        empty="Nobody publishes this pair itself: it is made of others.",
        more=("All rates", list_url("fx.rate", base=one)),
    )  # fmt: skip


def side(value: Any) -> str:
    return "–" if value is None else rate_text(Fraction(value), 8)


# --- Lists ------------------------------------------------------------------------------------------------------------

CODES = [(code, code) for code in EXPONENTS]


@admin.register(Rate)
class RateAdmin(StaffAdmin):
    list_display = ["pair", "mid_shown", "bid_shown", "ask_shown", "source", "as_of_shown", "revision"]
    list_filter = [SourceFilter, choice_filter("base", "one of", CODES), choice_filter("quote", "is so many", CODES)]
    ordering = ["-id"]
    page_select_related = ("load",)

    @display(description="Pair")
    def pair(self, rate: Rate) -> str:
        return f"{rate.base}/{rate.quote}"

    @display(description="Mid")
    def mid_shown(self, rate: Rate) -> str:
        return side(rate.mid)

    @display(description="Bid")
    def bid_shown(self, rate: Rate) -> str:
        return side(rate.bid)

    @display(description="Ask")
    def ask_shown(self, rate: Rate) -> str:
        return side(rate.ask)

    @display(description="As of")
    def as_of_shown(self, rate: Rate) -> Any:
        return moment(rate.as_of)

    def header(self, request: HttpRequest, rate: Rate) -> Header:
        figures = [("Bid", side(rate.bid)), ("Mid", side(rate.mid)), ("Ask", side(rate.ask))]
        return Header(title=f"{rate.base}/{rate.quote}", figures=figures)

    def panels(self, request: HttpRequest, rate: Rate) -> list[Panel]:
        rows = [
            ("One", rate.base), ("Is so many", rate.quote), ("As of", moment(rate.as_of)), ("Source", rate.source),
            ("Revision", rate.revision), ("Loaded with", link(request, "fx.rateload", rate.load_id, rate.load)),
        ]  # fmt: skip
        return [Facts(title="Rate", rows=rows)]


def load_badge(load: RateLoad) -> Any:
    return badge(load.get_state_display(), STATES[RateLoad.State(load.state)])


class UploadForm(StaffForm):
    intro = "The whole file is read, or none of it. What is known already is not kept twice."
    submit = "Load"

    source = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    file = forms.FileField(
        widget=forms.FileInput(attrs={"accept": ".csv,.xml,.json,.txt"}), help_text="As the bank publishes it."
    )
    day = forms.DateField(
        required=False,
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="Only for a file that does not say which day it is of.",
    )

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        field: Any = self.fields["source"]
        field.choices = [("", "Choose"), *((one.code, one.name) for one in sources_now())]


@admin.register(RateLoad)
class RateLoadAdmin(StaffAdmin):
    list_display = ["fetched", "source", "state_shown", "rows", "added", "revised", "file_name", "problem"]
    list_filter = [SourceFilter, choice_filter("state", "outcome", RateLoad.State.choices), MadeBetween]
    ordering = ["-id"]
    actions_list = ["upload"]

    @display(description="When")
    def fetched(self, load: RateLoad) -> Any:
        return moment(load.fetched_at)

    @display(description="Outcome")
    def state_shown(self, load: RateLoad) -> Any:
        return load_badge(load)

    def header(self, request: HttpRequest, load: RateLoad) -> Header:
        figures = [("In the file", f"{load.rows:,}"), ("Added", f"{load.added:,}"), ("Revised", f"{load.revised:,}")]
        title = load.file_name or f"Load of {load.source}"
        return Header(title=title, badge=self.state_shown(load), figures=figures, notice=load.problem)

    def panels(self, request: HttpRequest, load: RateLoad) -> list[Panel]:
        where = ", ".join(filter(None, [f"line {load.line}" if load.line else "", load.field])) or "–"
        rows = [
            ("Source", load.source), ("When", moment(load.fetched_at)), ("By", load.actor),
            ("Rates from", moment(load.first_as_of)), ("to", moment(load.last_as_of)),
            ("Size", f"{load.bytes:,} bytes"), ("SHA-256", code(load.sha256)), ("Refused at", where),
        ]  # fmt: skip
        left = Table(
            title="Left out", columns=["Why", "Times"], numeric=["Times"], empty="Nothing was left out.",
            rows=[(why, f"{times:,}") for why, times in load.left_out],
        )  # fmt: skip
        return [Facts(title="Load", rows=rows), left]

    @staff_action(
        "Load a file", permission="fx.load", form=UploadForm, icon="upload_file", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def upload(self, request: HttpRequest, subject: None, form: UploadForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        try:
            load = load_rates(
                asked["source"], asked["file"].read(), file_name=asked["file"].name, of=asked["day"], actor=form.user
            )
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return go_to(request, page_url("fx.rateload", load.pk))


# --- Sources ----------------------------------------------------------------------------------------------------------


class SourceForm(ReasonForm):
    """On a source's page its settings are there to begin with."""

    intro = "This will ask for a second person: the source is like this when a colleague has approved it."
    submit = "Ask for approval"
    field_order = [
        "code", "name", "format", "url", "options", "daily", "max_age", "pair_max_ages", "max_move", "calendar",
        "priority", "is_on", "reason",
    ]  # fmt: skip

    code = forms.SlugField(max_length=20, widget=UnfoldAdminTextInputWidget, help_text="Such as ecb; it stays.")
    name = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget)
    format = forms.ChoiceField(
        label="Files", choices=[("", "Choose"), *RateSource.Format.choices], widget=UnfoldAdminSelectWidget
    )
    url = forms.CharField(
        label="Address", required=False, max_length=500, widget=UnfoldAdminTextInputWidget,
        help_text="Begins with https://. Without one, files are loaded by hand.",
    )  # fmt: skip
    options = forms.JSONField(
        required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text='For JSON: {"rates": "usd", "base": "USD", "date": "date"}; for CSV its columns. Else nothing.',
    )  # fmt: skip
    daily = forms.BooleanField(
        required=False, label="One rate a business day", widget=UnfoldBooleanSwitchWidget, initial=True
    )
    max_age = forms.IntegerField(
        label="Too old after", min_value=1, widget=UnfoldAdminTextInputWidget, initial=3,
        help_text="Business days of a daily source, else minutes. Nothing is quoted with what is older.",
    )  # fmt: skip
    pair_max_ages = forms.JSONField(
        label="Other limits by pair", required=False, widget=UnfoldAdminTextInputWidget, help_text='{"USD/NGN": 5}'
    )
    max_move = forms.IntegerField(
        label="Rates may move by, in percent", min_value=1, max_value=MOST_MOVE, widget=UnfoldAdminTextInputWidget,
        initial=MAX_MOVE, help_text="A file in which a rate is further from the one before it is refused.",
    )  # fmt: skip
    calendar = forms.ChoiceField(
        label="Publishes on", choices=[("weekdays", "Monday to Friday"), ("target", "TARGET days (ECB)")],
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    priority = forms.IntegerField(
        min_value=1, max_value=999, widget=UnfoldAdminTextInputWidget, initial=100,
        help_text="Of two sources with a fresh rate for a pair the lower one counts.",
    )  # fmt: skip
    is_on = forms.BooleanField(label="In use", required=False, widget=UnfoldBooleanSwitchWidget, initial=True)

    def __init__(self, data: Any = None, *, subject: RateSource | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        if subject:
            del self.fields["code"]
            for name in self.fields:
                if name != "reason":
                    self.fields[name].initial = getattr(subject, name)

    @property
    def params(self) -> dict[str, Any]:
        asked = {name: value for name, value in self.cleaned_data.items() if name != "reason"}
        asked |= {"code": self.subject.code} if self.subject else {}
        return asked | {"options": asked["options"] or {}, "pair_max_ages": asked["pair_max_ages"] or {}}


@admin.register(RateSource)
class RateSourceAdmin(StaffAdmin):
    list_display = ["name", "code", "format", "counts", "age_limit", "address", "priority", "since"]
    ordering = ["code", "-id"]
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    def get_queryset(self, request: HttpRequest) -> Any:
        newer = RateSource.objects.filter(code=OuterRef("code"), pk__gt=OuterRef("pk"))
        return super().get_queryset(request).annotate(is_past=Exists(newer))

    @display(description="Counts")
    def counts(self, source: Any) -> Any:
        if source.is_past:
            return badge("before")
        return badge("now", "good") if source.is_on else badge("switched off", "odd")

    @display(description="Too old after")
    def age_limit(self, source: RateSource) -> str:
        return said_source(source)["Too old after"]

    @display(description="Address")
    def address(self, source: RateSource) -> str:
        return url_of(source) or "–"

    @display(description="Since")
    def since(self, source: RateSource) -> Any:
        return moment(source.created_at)

    def header(self, request: HttpRequest, source: RateSource) -> Header:
        return Header(title=source.name, badge=self.counts(source), lines=[f"Since {source.created_at:%-d %b %Y}"])

    def panels(self, request: HttpRequest, source: RateSource) -> list[Panel]:
        loads = RateLoad.objects.filter(source=source.code)[:LOADS_SHOWN]
        table = Table(
            title="Last loads",
            columns=["When", "Outcome", "Rates", "Added", "File or reason"],
            numeric=["Rates", "Added"],
            rows=[
                (
                    moment(one.fetched_at), load_badge(one), f"{one.rows:,}", f"{one.added:,}",
                    link(request, "fx.rateload", one.pk, one.problem or one.file_name or "–"),
                )
                for one in loads
            ],
            empty="Nothing has been loaded yet.",
            more=("All", list_url("fx.rateload", source=source.code)),
        )  # fmt: skip
        return [Facts(title="Source", rows=list(said_source(source).items())), table]

    def why_not(self, request: HttpRequest, source: Any, name: str) -> str:
        return "This is how the source was before; its newest row is what counts." if source.is_past else ""

    @staff_action(
        "New source", permission="fx.change_terms", form=SourceForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: SourceForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="fx.change_terms", form=SourceForm, icon="edit", step_up=True)
    def propose_next(self, request: HttpRequest, source: RateSource, form: SourceForm) -> bool | HttpResponse:
        return self.asked(request, source, form)

    def asked(self, request: HttpRequest, source: RateSource | None, form: SourceForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, sources.name, form.params, reason=reason, back=self.address_of(source))
