"""Who sells us currency, at which terms; what we keep; how far positions go. All asked for here, made when approved."""

import re
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSingleTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from core.admin import (
    Facts,
    Header,
    Panel,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    link,
    masking,
    moment,
    money,
    staff_action,
)
from core.admin.dialogs import go_to, read_amount
from core.admin.pages import list_url, page_url
from core.errors import TekanaError
from core.money import CURRENCY_CHOICES, decimal_string, grouped
from fx.admin.shown import pair_shown
from fx.approvals import WEEKDAYS, caps, margins, percent, said_seconds, said_terms, terms
from fx.models import ExposureCap, Margin, Provider, ProviderSwitch, ProviderTerms
from fx.selectors import sources_now, use_key, used_today
from fx.services import add_provider, switch_provider
from staff.inbox import ask
from staff.selectors import names

PERCENT = re.compile(r"([0-9]{1,2})(?:\.([0-9]{1,2}))?", re.ASCII)
PAST_SHOWN = 20


def read_percent(text: str) -> int:
    """Hundredths of a percent. Raises: ValidationError."""
    match = PERCENT.fullmatch(text.strip().removesuffix("%").strip())
    if match is None:
        raise forms.ValidationError("A percentage below 100 with at most two decimals, such as 0.40.")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def said_percent(bps: int) -> str:
    return f"{bps // 100}.{bps % 100:02}"


# --- Providers --------------------------------------------------------------------------------------------------------


class ProviderForm(ReasonForm):
    intro = "It trades nothing until terms for it have been approved."
    submit = "Add"
    field_order = ["code", "name", "reason"]

    code = forms.SlugField(max_length=20, widget=UnfoldAdminTextInputWidget, help_text="Short, and for good.")
    name = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget)


class OffForm(ReasonForm):
    intro = "No new quote goes through it from now on. Quotes that are open keep what they promise."
    submit = "Switch off"


class OnForm(ReasonForm):
    intro = "New quotes may go through it again."
    submit = "Switch on"


class TermsForm(ReasonForm):
    """On the page of terms their figures are there to begin with."""

    intro = "This will ask for a second person: the terms count from their day on when a colleague has approved them."
    submit = "Ask for approval"
    field_order = [
        "sell", "buy", "cost", "flat", "minimum", "maximum", "daily_cap", "minutes", "opens", "closes", "weekdays",
        "rate_source", "priority", "is_on", "effective_from", "reason",
    ]  # fmt: skip

    sell = forms.ChoiceField(
        label="We sell", choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget
    )
    buy = forms.ChoiceField(label="We buy", choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget)
    cost = forms.CharField(
        label="Cost, in percent",
        max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Off the mid rate, such as 0.40.",
    )
    flat = forms.CharField(
        label="Cost of each trade", max_length=24, initial="0",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}), help_text="In the currency that we sell.",
    )  # fmt: skip
    minimum = forms.CharField(
        label="Least of one trade", max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    )
    maximum = forms.CharField(
        label="Most of one trade", max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="What is above it is split over others.",
    )  # fmt: skip
    daily_cap = forms.CharField(
        label="Most of a day", max_length=24, initial="none",
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Days are UTC. “none” where there is no cap.",
    )  # fmt: skip
    minutes = forms.IntegerField(
        label="Minutes until we have it", min_value=0, max_value=14_400, initial=0, widget=UnfoldAdminTextInputWidget
    )
    opens = forms.TimeField(initial="00:00", widget=UnfoldAdminSingleTimeWidget(attrs={"type": "time"}))
    closes = forms.TimeField(
        initial="00:00", widget=UnfoldAdminSingleTimeWidget(attrs={"type": "time"}),
        help_text="UTC; the same as it opens: all day. Earlier than it opens: over midnight.",
    )  # fmt: skip
    weekdays = forms.MultipleChoiceField(
        choices=list(WEEKDAYS.items()), initial=list(WEEKDAYS), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    rate_source = forms.ChoiceField(
        label="By the rates of", required=False, widget=UnfoldAdminSelectWidget,
        help_text="The provider’s own file, where it has one.",
    )  # fmt: skip
    priority = forms.IntegerField(
        min_value=1, max_value=999, initial=100, widget=UnfoldAdminTextInputWidget,
        help_text="Of two equal offers the lower one is taken.",
    )  # fmt: skip
    is_on = forms.BooleanField(label="Offered", required=False, initial=True, widget=UnfoldBooleanSwitchWidget)
    effective_from = forms.DateField(
        label="From",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The day begins at 00:00 UTC.",
    )

    def __init__(self, data: Any = None, *, subject: Provider | ProviderTerms, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        sources: Any = self.fields["rate_source"]
        sources.choices = [("", "The benchmark"), *((one.code, one.name) for one in sources_now())]
        self.fields["effective_from"].initial = datetime.now(UTC).date()
        if isinstance(subject, ProviderTerms):
            for name in ("sell", "buy", "opens", "closes", "rate_source", "priority", "is_on"):
                self.fields[name].initial = getattr(subject, name)
            for name in ("flat", "minimum", "maximum", "daily_cap"):
                value = getattr(subject, name)
                self.fields[name].initial = "none" if value is None else decimal_string(value, subject.sell)
            self.fields["cost"].initial = said_percent(subject.cost_bps)
            self.fields["minutes"].initial = subject.speed_seconds // 60
            self.fields["weekdays"].initial = list(subject.weekdays)

    def clean_cost(self) -> int:
        return read_percent(self.cleaned_data["cost"])

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if sell := asked.get("sell"):
            for name in ("flat", "minimum", "maximum"):
                if asked.get(name):
                    asked[name] = read_amount(self, name, sell)
            if asked.get("daily_cap"):
                asked["daily_cap"] = read_amount(self, "daily_cap", sell, none="none")
        return asked

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        provider = self.subject.provider if isinstance(self.subject, ProviderTerms) else self.subject
        kept = ("sell", "buy", "flat", "minimum", "maximum", "daily_cap", "rate_source", "priority", "is_on")
        return {name: asked[name] for name in kept} | {
            "provider": provider.code, "cost_bps": asked["cost"], "speed_seconds": asked["minutes"] * 60,
            "opens": f"{asked['opens']:%H:%M}", "closes": f"{asked['closes']:%H:%M}",
            "weekdays": "".join(sorted(asked["weekdays"])), "effective_from": asked["effective_from"],
        }  # fmt: skip


def in_force(rows: list[ProviderTerms]) -> dict[tuple[Any, str, str], ProviderTerms]:
    """Of terms, the newest first, those that count today."""
    today = datetime.now(UTC).date()
    found: dict[tuple[Any, str, str], ProviderTerms] = {}
    for one in sorted(rows, key=lambda row: (row.effective_from, row.pk), reverse=True):
        if one.effective_from <= today:
            found.setdefault((one.provider_id, one.sell, one.buy), one)
    return found


@admin.register(Provider)
class ProviderAdmin(StaffAdmin):
    list_display = ["name", "code", "switch"]
    ordering = ["code"]
    actions_list = ["enter"]
    actions_detail = ["propose", "switch_off", "switch_on"]

    def get_queryset(self, request: HttpRequest) -> Any:
        newest = ProviderSwitch.objects.filter(provider=OuterRef("pk")).order_by("-id").values("is_on")[:1]
        return super().get_queryset(request).annotate(is_on=Coalesce(Subquery(newest), True))

    @display(description="Routing")
    def switch(self, provider: Any) -> Any:
        return badge("on", "good") if provider.is_on else badge("switched off", "bad")

    def header(self, request: HttpRequest, provider: Provider) -> Header:
        return Header(title=provider.name, badge=self.switch(provider), lines=[provider.code])

    def panels(self, request: HttpRequest, provider: Provider) -> list[Panel]:
        rows = list(provider.terms.order_by("-effective_from", "-id")[:200])
        now, (_, used) = in_force(rows), used_today([provider.pk])
        columns = ["Pair", "Cost", "Each trade", "One trade", "Today", "Takes", "Open", "From"]
        current = Table(
            title="Terms now",
            columns=columns,
            numeric=["Cost", "Each trade", "One trade", "Today"],
            rows=[
                (
                    link(request, "fx.providerterms", one.pk, f"{one.sell} to {one.buy}"),
                    percent(one.cost_bps) if one.is_on else badge("not offered", "odd"), money(one.flat, one.sell),
                    f"{grouped(one.minimum, one.sell)} to {grouped(one.maximum, one.sell)}",
                    self.today(one, used), said_seconds(one.speed_seconds), said_terms(one)["Open"], one.effective_from,
                )
                for one in sorted(now.values(), key=lambda row: (row.sell, row.buy))
            ],
            empty="No terms yet: it trades nothing.",
            more=("All terms", list_url("fx.providerterms", provider=provider.pk)),
        )  # fmt: skip
        coming = [one for one in rows if one.effective_from > datetime.now(UTC).date()]
        later = Table(
            title="Terms to come",
            columns=["Pair", "Cost", "From"],
            numeric=["Cost"],
            rows=[
                (link(request, "fx.providerterms", one.pk, f"{one.sell} to {one.buy}"), percent(one.cost_bps),
                 one.effective_from)
                for one in coming
            ],
            empty="None.",
        )  # fmt: skip
        people = names()
        switches = Table(
            title="Switched",
            columns=["When", "", "By", "Why"],
            rows=[
                (moment(one.at), badge("on", "good") if one.is_on else badge("off", "bad"),
                 people.get(one.actor, one.actor), masking.words(request, one.reason))
                for one in provider.switches.all()[:PAST_SHOWN]
            ],
            empty="It has always been on.",
        )  # fmt: skip
        return [current, later, switches]

    def today(self, one: ProviderTerms, used: dict[str, int]) -> Any:
        sold = used.get(use_key(one.provider_id, one.sell, one.buy), 0)
        if one.daily_cap is None:
            return money(sold, one.sell)
        return f"{grouped(sold, one.sell)} of {grouped(one.daily_cap, one.sell)}"

    def offers(self, request: HttpRequest, provider: Any, name: str) -> bool:
        return name not in ("switch_off", "switch_on") or provider.is_on == (name == "switch_off")

    @staff_action(
        "Add a provider", permission="fx.change_terms", form=ProviderForm, icon="add", variant=ActionVariant.PRIMARY
    )
    def enter(self, request: HttpRequest, subject: None, form: ProviderForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        try:
            row = add_provider(**asked, actor=form.user)
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return go_to(request, page_url("fx.provider", row.pk))

    @staff_action("New terms", permission="fx.change_terms", form=TermsForm, icon="add", step_up=True)
    def propose(self, request: HttpRequest, provider: Provider, form: TermsForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, terms.name, form.params, reason=reason, back=self.address_of(provider))

    @staff_action(
        "Switch off", permission="fx.switch", form=OffForm, icon="power_settings_new", variant=ActionVariant.DANGER,
        done="No new quote goes through it.",
    )  # fmt: skip
    def switch_off(self, request: HttpRequest, provider: Provider, form: OffForm) -> bool:
        return self.call(form, switch_provider, provider.pk, on=False, reason=form.cleaned_data["reason"])

    @staff_action(
        "Switch on", permission="fx.switch", form=OnForm, icon="power_settings_new", done="Quotes may go through it."
    )
    def switch_on(self, request: HttpRequest, provider: Provider, form: OnForm) -> bool:
        return self.call(form, switch_provider, provider.pk, on=True, reason=form.cleaned_data["reason"])


@admin.register(ProviderTerms)
class ProviderTermsAdmin(StaffAdmin):
    list_display = ["provider", "pair", "cost", "flat_shown", "maximum_shown", "cap", "offered", "effective_from"]
    list_select_related = ["provider"]
    list_filter = [
        choice_filter("sell", "we sell", CURRENCY_CHOICES), choice_filter("buy", "we buy", CURRENCY_CHOICES),
    ]  # fmt: skip
    ordering = ["-id"]
    actions_detail = ["propose_next"]
    page_select_related = ("provider",)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return lookup == "provider" or super().lookup_allowed(lookup, value, request)

    @display(description="Pair")
    def pair(self, one: ProviderTerms) -> Any:
        return pair_shown(one.sell, one.buy)

    @display(description="Cost")
    def cost(self, one: ProviderTerms) -> Any:
        return format_html('<span class="whitespace-nowrap">{}</span>', percent(one.cost_bps))

    @display(description="Each trade")
    def flat_shown(self, one: ProviderTerms) -> Any:
        return money(one.flat or None, one.sell)

    @display(description="Most of one")
    def maximum_shown(self, one: ProviderTerms) -> Any:
        return money(one.maximum, one.sell)

    @display(description="Most of a day")
    def cap(self, one: ProviderTerms) -> Any:
        return "no cap" if one.daily_cap is None else money(one.daily_cap, one.sell)

    @display(description="Offered")
    def offered(self, one: ProviderTerms) -> Any:
        return badge("yes", "good") if one.is_on else badge("no", "odd")

    def header(self, request: HttpRequest, one: ProviderTerms) -> Header:
        line = link(request, "fx.provider", one.provider_id, one.provider.name)
        return Header(title=f"{one.sell} to {one.buy}", badge=self.offered(one), lines=[line])

    def panels(self, request: HttpRequest, one: ProviderTerms) -> list[Panel]:
        return [Facts(title="Terms", rows=[*said_terms(one).items(), ("From", one.effective_from)])]

    @staff_action("Change", permission="fx.change_terms", form=TermsForm, icon="edit_calendar", step_up=True)
    def propose_next(self, request: HttpRequest, one: ProviderTerms, form: TermsForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, terms.name, form.params, reason=reason, back=self.address_of(one))


# --- Margins ----------------------------------------------------------------------------------------------------------


class MarginForm(ReasonForm):
    """On a margin's page its figures are there to begin with."""

    intro = "This will ask for a second person: the margin counts from its day on when a colleague has approved it."
    submit = "Ask for approval"
    field_order = ["sell", "buy", "tier", "part", "effective_from", "reason"]

    sell = forms.ChoiceField(
        label="Customers sell", required=False, choices=[("", "Any"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget
    )
    buy = forms.ChoiceField(
        label="Customers buy", required=False, choices=[("", "Any"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget
    )
    tier = forms.TypedChoiceField(
        label="KYC tier", required=False, coerce=int, empty_value=None,
        choices=[("", "Any"), *((tier, f"Tier {tier}") for tier in range(4))], widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    part = forms.CharField(
        label="We keep, in percent",
        max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Of what the route brings, such as 0.50.",
    )
    effective_from = forms.DateField(
        label="From",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The day begins at 00:00 UTC.",
    )

    def __init__(self, data: Any = None, *, subject: Margin | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["effective_from"].initial = datetime.now(UTC).date()
        if subject:
            for name in ("sell", "buy", "tier"):
                self.fields[name].initial = getattr(subject, name)
            self.fields["part"].initial = said_percent(subject.bps)

    def clean_part(self) -> int:
        return read_percent(self.cleaned_data["part"])

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        return {name: asked[name] for name in ("sell", "buy", "tier", "effective_from")} | {"bps": asked["part"]}


@admin.register(Margin)
class MarginAdmin(StaffAdmin):
    list_display = ["sells", "buys", "tier_shown", "part", "effective_from"]
    list_filter = [
        choice_filter("sell", "customers sell", CURRENCY_CHOICES),
        choice_filter("buy", "customers buy", CURRENCY_CHOICES),
    ]  # fmt: skip
    ordering = ["-id"]
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    @display(description="Customers sell")
    def sells(self, margin: Margin) -> str:
        return margin.sell or "any"

    @display(description="Customers buy")
    def buys(self, margin: Margin) -> str:
        return margin.buy or "any"

    @display(description="KYC tier")
    def tier_shown(self, margin: Margin) -> str:
        return "any" if margin.tier is None else str(margin.tier)

    @display(description="We keep")
    def part(self, margin: Margin) -> str:
        return percent(margin.bps)

    def panels(self, request: HttpRequest, margin: Margin) -> list[Panel]:
        rows = [
            ("Customers sell", self.sells(margin)), ("Customers buy", self.buys(margin)),
            ("KYC tier", self.tier_shown(margin)), ("We keep", self.part(margin)), ("From", margin.effective_from),
        ]  # fmt: skip
        return [Facts(title="Margin", rows=rows)]

    @staff_action(
        "New margin", permission="fx.change_terms", form=MarginForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: MarginForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="fx.change_terms", form=MarginForm, icon="edit_calendar", step_up=True)
    def propose_next(self, request: HttpRequest, margin: Margin, form: MarginForm) -> bool | HttpResponse:
        return self.asked(request, margin, form)

    def asked(self, request: HttpRequest, margin: Margin | None, form: MarginForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, margins.name, form.params, reason=reason, back=self.address_of(margin))


# --- Exposure caps ----------------------------------------------------------------------------------------------------


class CapForm(ReasonForm):
    """On a cap's page its figures are there to begin with."""

    intro = (
        "This will ask for a second person: the cap counts from its day on when a colleague has approved it. Rates that"
        " are promised by then are honoured."
    )
    submit = "Ask for approval"
    field_order = ["currency", "most", "effective_from", "reason"]

    currency = forms.ChoiceField(choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget)
    most = forms.CharField(
        label="At most", max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="Of what we may have too much of, or too little. “none” lifts the cap.",
    )  # fmt: skip
    effective_from = forms.DateField(
        label="From",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The day begins at 00:00 UTC.",
    )

    def __init__(self, data: Any = None, *, subject: ExposureCap | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["effective_from"].initial = datetime.now(UTC).date()
        if subject:
            self.fields["currency"].initial = subject.currency
            known = subject.most
            self.fields["most"].initial = "none" if known is None else decimal_string(known, subject.currency)

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        if asked.get("currency") and asked.get("most"):
            asked["most"] = read_amount(self, "most", asked["currency"], none="none")
        return asked

    @property
    def params(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("currency", "most", "effective_from")}


@admin.register(ExposureCap)
class ExposureCapAdmin(StaffAdmin):
    list_display = ["currency", "most_shown", "effective_from"]
    list_filter = [choice_filter("currency", "currency", CURRENCY_CHOICES)]
    ordering = ["-id"]
    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    @display(description="At most, either way")
    def most_shown(self, cap: ExposureCap) -> Any:
        return "no cap" if cap.most is None else money(cap.most, cap.currency)

    def name_of(self, subject: ExposureCap) -> str:
        return f"Exposure cap, {subject.currency}"

    def panels(self, request: HttpRequest, cap: ExposureCap) -> list[Panel]:
        position = format_html('<a class="to" href="{}">Positions and results</a>', reverse("admin:fx_positions"))
        rows = [
            ("Currency", cap.currency), ("At most, either way", self.most_shown(cap)), ("From", cap.effective_from),
            ("Against it", position),
        ]  # fmt: skip
        return [Facts(title="Exposure cap", rows=rows)]

    @staff_action(
        "New cap", permission="fx.change_terms", form=CapForm, icon="add", variant=ActionVariant.PRIMARY, step_up=True
    )
    def propose(self, request: HttpRequest, subject: None, form: CapForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="fx.change_terms", form=CapForm, icon="edit_calendar", step_up=True)
    def propose_next(self, request: HttpRequest, cap: ExposureCap, form: CapForm) -> bool | HttpResponse:
        return self.asked(request, cap, form)

    def asked(self, request: HttpRequest, cap: ExposureCap | None, form: CapForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, caps.name, form.params, reason=reason, back=self.address_of(cap))
