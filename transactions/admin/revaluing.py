"""Revaluations of our positions: the list, what one came to and posted, and the dialog that asks for the next."""

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSingleDateWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from core.admin import Facts, Header, Panel, ReasonForm, StaffAdmin, Table, link, masking, moment, money, staff_action
from core.admin.dialogs import told
from core.admin.pages import NOTHING
from core.errors import TekanaError
from core.money import EXPONENTS
from fx.pricing import rate_string
from staff.inbox import Look, ask, look
from transactions.models import Revaluation, RevaluationLine
from transactions.revaluation_approvals import revaluation, said_apart
from transactions.services.revaluations import CHOSEN, RATE, RateUsed, apart, mid_of, pair_of, utc_now

UNSAID = "not said yet"
FAR_OFF = Fraction(2, 100)  # a chosen rate further off the day's mid is asked for twice


class RevalueForm(ReasonForm):
    """Shows what it would post: at first of yesterday, then of what was filled in."""

    before_template = "admin/staff/preview_dialog.html"
    intro = (
        "What our positions are worth beyond what they cost is posted in the reporting currency, and what the "
        "revaluation before has posted is taken back. This will ask for a second person: nothing is posted until a "
        "colleague approves it."
    )
    submit = "Ask for approval"
    field_order = ["day", "rates", "because", "reason"]

    day = forms.DateField(
        label="At the end of",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="A day, UTC, that is over, and whose books are open.",
    )
    rates = forms.CharField(
        label="Other rates than that day's mid",
        required=False,
        max_length=600,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    because = forms.CharField(
        label="Why these rates", required=False, max_length=300, widget=UnfoldAdminTextInputWidget,
        help_text="Where there are any: who publishes them, and why they are right.",
    )  # fmt: skip

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["day"].initial = yesterday()
        one, other = pair_of("KES", settings.REPORTING_CURRENCY)
        example = f"{one}/{other} 129.50" if one != other else "GBP/KES 170.25"
        self.fields["rates"].help_text = f"One a line, for example: {example}. Empty: the mid of the day."

    def clean_rates(self) -> dict[str, str]:
        """By the currency that is not the reporting one."""
        reporting, found = settings.REPORTING_CURRENCY, {}
        for line in self.cleaned_data["rates"].splitlines():
            if not line.strip():
                continue
            pair, _, rate = line.strip().partition(" ")
            codes = [code for code in pair.upper().split("/") if code != reporting]
            if len(codes) != 1 or codes[0] not in EXPONENTS or codes[0] in found:
                raise forms.ValidationError(f"“{line[:40]}” is not one rate of {reporting}.")
            if "/".join(pair_of(codes[0], reporting)) != pair.upper():
                raise forms.ValidationError(f"Write it as {'/'.join(pair_of(codes[0], reporting))}.")
            if not RATE.fullmatch(rate.strip()) or not Fraction(rate.strip()):
                raise forms.ValidationError(f"“{rate[:40]}” is no rate: a decimal above zero, such as 129.50.")
            found[codes[0]] = rate.strip()
        return found

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("rates") and not self.cleaned_data.get("because"):
            self.add_error("because", "Say why another rate than that day's mid is right.")
        return self.cleaned_data

    def unusual(self) -> list[str]:
        """A rate that is far off the mid is seldom meant."""
        asked, said = self.cleaned_data, []
        for code, rate in asked["rates"].items():
            base, quote = pair_of(code, settings.REPORTING_CURRENCY)
            mid = mid_of(asked["day"], base, quote)
            if mid is not None and apart(rate, mid) > FAR_OFF:
                off = said_apart(apart(rate, mid))
                said.append(f"{base}/{quote} {rate} is {off} off the mid of that day, {rate_string(mid)}.")
        return said

    @property
    def params(self) -> dict[str, Any]:
        given = self.cleaned_data if self.is_bound else {}
        return {name: given.get(name) or initial for name, initial in
                (("day", yesterday()), ("rates", {}), ("because", ""))}  # fmt: skip

    @cached_property
    def looks(self) -> list[Look]:
        heading = f"What it would do as of {self.params['day']:%-d %b %Y}"
        shown = self.params | {"because": self.params["because"] or UNSAID}  # the field says that it is missing
        try:
            return [look(heading, revaluation.preview(revaluation.clean(shown)))]
        except TekanaError as refusal:
            return [Look(heading, [], refusal=told(refusal))]


def yesterday() -> date:
    return utc_now().date() - timedelta(days=1)


@admin.register(Revaluation)
class RevaluationAdmin(StaffAdmin):
    list_display = ["day_shown", "currency", "result_money", "pairs", "maker", "checker", "made_at"]
    ordering = ["-day"]
    actions_list = ["revalue"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return (
            super()
            .get_queryset(request)
            .select_related("approval__maker", "approval__checker")
            .prefetch_related("lines")
        )

    @display(description="As of")
    def day_shown(self, one: Revaluation) -> str:
        return f"{one.day:%a, %-d %b %Y}"

    @display(description="Unrealised")
    def result_money(self, one: Revaluation) -> Any:
        return money(total_of(one), one.currency)

    @display(description="Pairs")
    def pairs(self, one: Revaluation) -> int:
        return len(one.lines.all())

    @display(description="Asked for by")
    def maker(self, one: Revaluation) -> str:
        return str(one.approval.maker)

    @display(description="Approved by")
    def checker(self, one: Revaluation) -> Any:
        return str(one.approval.checker) if one.approval.checker else NOTHING

    # --- One of them -------------------------------------------------------------------------------------------------

    def name_of(self, one: Revaluation) -> str:
        return str(one)

    def header(self, request: HttpRequest, one: Revaluation) -> Header:
        return Header(title=str(one), figures=[("Unrealised", money(total_of(one), one.currency))])

    def panels(self, request: HttpRequest, one: Revaluation) -> list[Panel]:
        lines = list(one.lines.select_related("undoes__revaluation"))
        reason = masking.words(request, one.approval.reason)
        facts = Facts(
            title="Revaluation",
            side=True,
            rows=[
                ("At the end of", f"{one.day:%-d %b %Y}, UTC"),
                ("Reported in", one.currency),
                ("Request", link(request, "staff.approval", one.approval_id, reason)),
                ("Asked for by", self.maker(one)),
                ("Approved by", self.checker(one)),
                ("Posted", moment(one.made_at)),
            ],
        )
        return [results_of(one, lines), rates_of(request, one), posted_by(request, one, lines), facts]

    @staff_action(
        "Revalue", permission="transactions.revalue", form=RevalueForm, icon="published_with_changes",
        variant=ActionVariant.PRIMARY, step_up=True,
    )  # fmt: skip
    def revalue(self, request: HttpRequest, subject: None, form: RevalueForm) -> bool | HttpResponse:
        return ask(request, form, revaluation.name, form.params, reason=form.cleaned_data["reason"])


def total_of(one: Revaluation) -> int:
    return sum(line.result for line in one.lines.all())


def results_of(one: Revaluation, lines: list[RevaluationLine]) -> Table:
    return Table(
        title="What positions were worth",
        columns=["Pair", "Held", "Cost", "Value", "Unrealised", f"In {one.currency}"],
        numeric=["Held", "Cost", "Value", "Unrealised", f"In {one.currency}"],
        rows=[
            (
                f"{line.base}/{line.quote}", money(line.held, line.base), money(line.cost, line.quote),
                money(line.value, line.quote), money(line.unrealised, line.quote), money(line.result, one.currency),
            )
            for line in lines
        ],
        total=("Total", "", "", "", "", money(total_of(one), one.currency)),
        empty="No position was left.",
    )  # fmt: skip


def rates_of(request: HttpRequest, one: Revaluation) -> Table:
    because = masking.words(request, one.approval.params.get("because", ""))
    return Table(
        title="Rates",
        columns=["Pair", "Rate", "From"],
        numeric=["Rate"],
        rows=[
            (
                f"{rate.base}/{rate.quote}", rate.rate,
                f"chosen: {because}" if rate.source == CHOSEN else f"the mid of that day, {rate.source}",
            )
            for rate in (RateUsed(**said) for said in one.rates)
        ],
        empty="None was needed.",
    )  # fmt: skip


def posted_by(request: HttpRequest, one: Revaluation, lines: list[RevaluationLine]) -> Table:
    rows = [
        (
            link(request, "ledger.journal", line.undo_id, f"{line.base}/{line.quote}"), f"taken back: {before}",
            money(-line.undoes.result, before.currency),
        )
        for line in lines if line.undoes and (before := line.undoes.revaluation)
    ]  # fmt: skip
    rows += [
        (link(request, "ledger.journal", line.movement_id, f"{line.base}/{line.quote}"), "posted",
         money(line.result, one.currency))
        for line in lines if line.movement_id
    ]  # fmt: skip
    return Table(
        title="Journals",
        columns=["Of", "What", "Amount"],
        numeric=["Amount"],
        rows=rows,
        empty="None: nothing changed.",
    )
