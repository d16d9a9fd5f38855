"""A price tried on what was: what it would have brought in the last days, for whom it would have been dearer. A worker
counts; the page shows how far it is, then what came of it."""

import csv
from io import StringIO
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget

from core.admin import (
    Facts,
    Header,
    Panel,
    Part,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    moment,
    money,
    page_url,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING, may
from core.errors import TekanaError
from core.ids import uuid7
from core.money import CURRENCY_CHOICES, Money, decimal_string
from transactions.admin.rules import FeeForm, typed
from transactions.models import Kind, PriceTrial
from transactions.price_approvals import COSTS, fee_of, rule_of
from transactions.prices import for_whom, in_words
from transactions.services.price_trials import DAYS, WAITING, request_trial
from transactions.what_if import Sums, WhatIf

EXPORT = "reports.export"
TONES = {"queued": "busy", "running": "busy", "done": "good", "failed": "bad"}
DOWN = SafeString('<span class="material-symbols-outlined" aria-hidden="true">csv</span>')
State = PriceTrial.State


class TrialForm(FeeForm):
    """A price as it is asked for, without a day or a reason: nothing comes of it. On the page of an earlier one its
    figures are there to begin with."""

    intro = "Nothing is changed: what went through in the last days is priced anew, by the arithmetic of posting."
    submit = "Try it"

    days = forms.TypedChoiceField(
        label="Of the last", coerce=int, initial=DAYS[0], widget=UnfoldAdminSelectWidget,
        choices=[(days, f"{days} days" if days > 1 else "day") for days in DAYS],
    )  # fmt: skip
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, subject: PriceTrial | None, user: Any) -> None:
        super().__init__(data, subject=None, user=user)
        for name in ("effective_from", "last_day", "reason"):
            del self.fields[name]
        self.fields["key"].initial = uuid7()
        if subject:
            for name, value in typed(rule_of(subject.params)).items():
                self.fields[name].initial = value

    def unusual(self) -> list[str]:
        return []  # nothing comes of it

    @property
    def params(self) -> dict[str, Any]:
        self.cleaned_data |= {"effective_from": None, "last_day": None}
        return super().params


@admin.register(PriceTrial)
class PriceTrialAdmin(StaffAdmin):
    list_display = ["price", "whom", "days", "state_shown", "difference", "requested_by", "created_at"]
    list_select_related = ["requested_by"]
    list_filter = [
        choice_filter("kind", "kind", [(kind.value, kind.label) for kind in Kind if kind in COSTS]),
        choice_filter("currency", "currency", CURRENCY_CHOICES), choice_filter("state", "state", State.choices),
    ]  # fmt: skip
    page_select_related = ("requested_by",)
    ordering = ["-pk"]
    list_before_template = "admin/transactions/trials.html"
    actions_list = ["try_price"]
    actions_detail = ["try_another"]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            path(f"<uuid:trial_id>/{name}/", self.admin_site.admin_view(view), name=f"transactions_pricetrial_{name}")
            for name, view in (("progress", self.progress), ("file", self.file))
        ]
        return ours + super().get_urls()

    # --- The list ----------------------------------------------------------------------------------------------------
    @display(description="Price")
    def price(self, trial: PriceTrial) -> str:
        of = f"{capfirst(Kind(trial.kind).label)} in {trial.currency}"
        return f"{of}: {in_words(fee_of(trial.params), trial.currency)}"

    @display(description="For")
    def whom(self, trial: PriceTrial) -> str:
        return for_whom(fee_of(trial.params))

    @display(description="Tried on")
    def days(self, trial: PriceTrial) -> str:
        return f"{trial.since:%-d %b} to {trial.until:%-d %b %Y}"

    @display(description="State")
    def state_shown(self, trial: PriceTrial) -> Any:
        running = trial.state == State.RUNNING or (trial.state == State.QUEUED and trial.through)
        return badge(f"{trial.percent} %" if running else trial.get_state_display().lower(), TONES[trial.state])

    @display(description="Difference")
    def difference(self, trial: PriceTrial) -> Any:
        if trial.state != State.DONE:
            return NOTHING
        sums = found_of(trial).all
        return money(sums.would_be - sums.actual, trial.currency)

    # --- The page ----------------------------------------------------------------------------------------------------
    def name_of(self, trial: PriceTrial) -> str:
        return f"What if: {self.price(trial)}"

    def header(self, request: HttpRequest, trial: PriceTrial) -> Header:
        lines: list[Any] = [
            f"For {self.whom(trial)}. What went through from {trial.since:%-d %b %Y} to {trial.until:%-d %b %Y}, priced"
            " anew; tiers and kinds of account are those of today. Nothing is changed."
        ]
        figures = []
        if trial.state == State.DONE:
            sums = found_of(trial).all
            figures = [
                ("Earned", money(sums.actual, trial.currency)), ("Would have", money(sums.would_be, trial.currency)),
                ("Difference", money(sums.would_be - sums.actual, trial.currency)),
            ]  # fmt: skip
            if may(request, EXPORT):
                address = reverse("admin:transactions_pricetrial_file", args=[trial.pk])
                lines.append(format_html('<a class="button" href="{}" download>{} CSV</a>', address, DOWN))
        return Header(
            title=self.name_of(trial), badge=badge(trial.get_state_display().lower(), TONES[trial.state]), lines=lines,
            figures=figures, notice=trial.error if trial.state == State.FAILED else "",
        )  # fmt: skip

    def panels(self, request: HttpRequest, trial: PriceTrial) -> list[Panel]:
        rows = [
            ("Asked for by", trial.requested_by.full_name),
            ("Asked for", moment(trial.created_at)),
            ("Finished", moment(trial.finished_at)),
            ("Id", code(trial.pk)),
        ]
        facts = Facts(title="Trial", side=True, rows=rows)
        if trial.state in WAITING:
            return [progress_panel(trial), facts]
        if trial.state == State.FAILED:
            return [facts]
        return [*tables(found_of(trial), trial.currency), facts]

    def progress(self, request: HttpRequest, trial_id: UUID) -> HttpResponse:
        """What the page asks for each second while it waits or runs; once it has ended, the page anew."""
        row = self.get_queryset(request).filter(pk=trial_id).first()
        if row is None or not self.has_view_permission(request):
            raise PermissionDenied
        if row.state not in WAITING:
            return HttpResponse(headers={"HX-Refresh": "true"})
        context = {"panel": progress_panel(row)}
        return TemplateResponse(
            request, "admin/transactions/trial_progress.html", context, headers={"Cache-Control": "no-store"}
        )

    def file(self, request: HttpRequest, trial_id: UUID) -> HttpResponse:
        """What came of it, as CSV. That it was taken is in the audit trail, as every look is."""
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not may(request, EXPORT) or not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_queryset(request).filter(pk=trial_id).first()
        if row is None:
            return self.missing(request)
        if row.state != State.DONE:
            return go_to(request, self.address_of(row))
        return as_csv(row)

    # --- What can be done --------------------------------------------------------------------------------------------
    @staff_action(
        "Try a price", permission="transactions.try_price", form=TrialForm, icon="query_stats",
        variant=ActionVariant.PRIMARY,
    )  # fmt: skip
    def try_price(self, request: HttpRequest, subject: None, form: TrialForm) -> bool | HttpResponse:
        return self.tried(request, form)

    @staff_action("Try another", permission="transactions.try_price", form=TrialForm, icon="query_stats")
    def try_another(self, request: HttpRequest, trial: PriceTrial, form: TrialForm) -> bool | HttpResponse:
        return self.tried(request, form)

    def tried(self, request: HttpRequest, form: TrialForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        try:
            trial = request_trial(form.params, days=asked["days"], key=asked["key"], actor=form.user)
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return go_to(request, page_url("transactions.pricetrial", trial.pk))


def found_of(trial: PriceTrial) -> WhatIf:
    assert trial.found is not None  # of one that is done
    return WhatIf.of(trial.found)


def progress_panel(trial: PriceTrial) -> Part:
    return Part(title="Progress", template="admin/transactions/trial_progress.html", context={"trial": trial})


def tables(found: WhatIf, currency: str) -> list[Panel]:
    columns = ["", "Movements", "Earned", "Would have earned", "Difference"]
    whom = Table(
        title="Whom it would have been for", columns=columns, numeric=columns[1:],
        rows=[
            row("Met by this price", found.met, currency),
            row("Others, as they were", found.all.less(found.met), currency),
        ],
        total=row("All", found.all, currency),
    )  # fmt: skip
    sizes = Table(
        title="By size of the amount", columns=columns, numeric=columns[1:],
        rows=[row(f"below {Money(size, currency)}", found.by_size[size], currency) for size in sorted(found.by_size)],
        empty="It would have been for no movement of these days.",
    )  # fmt: skip
    heads = ["Dearer", "The same", "Cheaper", "Refused: nothing would have arrived"]
    change = Table(
        title="Dearer or cheaper", columns=heads, numeric=heads,
        rows=[tuple(f"{many:,}" for many in (found.dearer, found.same, found.cheaper, found.refused))],
    )  # fmt: skip
    return [whom, change, sizes]


def row(name: str, sums: Sums, currency: str) -> tuple[Any, ...]:
    difference = money(sums.would_be - sums.actual, currency)
    return name, f"{sums.count:,}", money(sums.actual, currency), money(sums.would_be, currency), difference


def as_csv(trial: PriceTrial) -> HttpResponse:
    text, found, currency = StringIO(), found_of(trial), trial.currency
    rows = csv.writer(text)
    rows.writerow(["kind", "currency", "since", "until", "of", "movements", "earned", "would_have_earned"])
    lines = [("all", found.all), ("met", found.met)]
    lines += [(f"below {decimal_string(size, currency)}", found.by_size[size]) for size in sorted(found.by_size)]
    days = [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (trial.since, trial.until)]
    for name, sums in lines:
        amounts = [decimal_string(one, currency) for one in (sums.actual, sums.would_be)]
        rows.writerow([trial.kind, currency, *days, name, sums.count, *amounts])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"what-if-{trial.kind}-{currency}-{trial.until:%Y%m%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
