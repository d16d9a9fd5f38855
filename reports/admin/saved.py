"""Saved exports: what is run again under a name, by hand or by the clock, and who is told."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    Panel,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    moment,
    page_url,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING
from core.errors import TekanaError
from reports import saving
from reports.admin.exports import TONES, words_shown
from reports.lists import exportable
from reports.models import Export, SavedExport
from reports.selectors import PERMISSION, listing, saved_for
from staff.models import User

RUNS_SHOWN = 20
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
Every = SavedExport.Every


class RunForm(StaffForm):
    intro = "With the data as it is now, and your own rights."
    submit = "Run"
    agreed = forms.BooleanField(initial=True, widget=forms.HiddenInput)


class ScheduleForm(StaffForm):
    intro = (
        "It runs by itself with its owner's rights, once for each business date. Who is chosen gets a link by e-mail,"
        " and signs in to fetch the file. Times are UTC."
    )
    submit = "Schedule"

    every = forms.ChoiceField(
        label="Runs",
        required=False,
        choices=[("", "only by hand"), *Every.choices],
        widget=UnfoldAdminSelectWidget,
    )
    at = forms.TimeField(
        label="At", required=False, widget=UnfoldAdminTextInputWidget(attrs={"type": "time"}), help_text="UTC"
    )
    weekday = forms.TypedChoiceField(
        label="On, if weekly",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "–"), *enumerate(WEEKDAYS)],
        widget=UnfoldAdminSelectWidget,
    )
    month_day = forms.TypedChoiceField(
        label="On, if monthly",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "–"), *[(day, str(day)) for day in range(1, 32)]],
        widget=UnfoldAdminSelectWidget,
        help_text="In a shorter month, its last day.",
    )
    covers = forms.ChoiceField(
        label="Days of the list", required=False, choices=SavedExport.Covers.choices, widget=UnfoldAdminSelectWidget
    )
    recipients = forms.ModelMultipleChoiceField(
        label="Told by e-mail",
        required=False,
        queryset=User.objects.none(),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "ticks"}),
    )
    agreed = forms.BooleanField(initial=True, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, subject: SavedExport, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        people = User.objects.filter(is_active=True).exclude(email="").order_by("full_name")
        allowed = exportable(subject.subject).permission
        may = [one.pk for one in people if one.has_perm(PERMISSION) and one.has_perm(allowed)]
        self.fields["recipients"].queryset = people.filter(pk__in=may)  # type: ignore[attr-defined]
        if not may:
            self.fields["recipients"].help_text = "Nobody who may see this list has an e-mail address here."
        self.initial = {
            "every": subject.every,
            "at": subject.at,
            "weekday": subject.weekday,
            "month_day": subject.month_day,
            "covers": subject.covers,
            "recipients": list(subject.recipients.values_list("pk", flat=True)),
            "agreed": True,
        }


class ShareForm(StaffForm):
    submit = "Save"
    shared = forms.ChoiceField(
        label="Who sees it",
        choices=[("no", "only me and whom it is sent to"), ("yes", "everybody who may export")],
        widget=UnfoldAdminSelectWidget,
        help_text="With it, its runs and their files; each list still asks for its own permission.",
    )


class EndForm(StaffForm):
    intro = "It does not run any more, and its name is free. What it made stays."
    submit = "End it"
    agreed = forms.BooleanField(initial=True, widget=forms.HiddenInput)


class LiveFilter(choice_filter("live", "state", [("live", "in use"), ("ended", "ended")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(ended_at__isnull=self.value() == "live") if self.value() else queryset


@admin.register(SavedExport)
class SavedExportAdmin(StaffAdmin):
    list_display = ["name", "list_shown", "when", "next_run", "owner", "shared", "state_shown"]
    list_select_related = page_select_related = ("owner",)
    list_filter = [LiveFilter, choice_filter("every", "schedule", Every.choices)]
    ordering = ["name", "pk"]
    search_fields = ["name"]
    search_help_text = "The beginning of a name"
    actions_detail = ["run", "plan", "share", "end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return saved_for(request.user)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return queryset.filter(name__istartswith=search_term.strip()), False

    @display(description="List")
    def list_shown(self, saved: SavedExport) -> str:
        try:
            return f"{exportable(saved.subject).title}, {saved.format.upper()}"
        except TekanaError:
            return saved.subject

    @display(description="Runs")
    def when(self, saved: SavedExport) -> str:
        if not saved.every or saved.at is None:
            return "by hand"
        at = f"{saved.at:%H:%M} UTC"
        match saved.every:
            case Every.WEEKLY:
                return f"{WEEKDAYS[saved.weekday or 0]}s at {at}"
            case Every.MONTHLY:
                return f"monthly on the {saved.month_day}. at {at}"
        return f"daily at {at}"

    @display(description="Next")
    def next_run(self, saved: SavedExport) -> Any:
        return NOTHING if saved.ended_at else moment(saving.next_due(saved, now()))

    @display(description="Shared", boolean=True)
    def shared(self, saved: SavedExport) -> bool:
        return saved.is_shared

    @display(description="State")
    def state_shown(self, saved: SavedExport) -> Any:
        return badge("ended") if saved.ended_at else badge("in use", "good")

    def header(self, request: HttpRequest, saved: SavedExport) -> Header:
        return Header(title=saved.name, badge=self.state_shown(saved), lines=[words_shown(words_of(saved))])

    def panels(self, request: HttpRequest, saved: SavedExport) -> list[Panel]:
        runs = saved.runs.select_related("requested_by").order_by("-pk")[:RUNS_SHOWN]
        table = Table(
            title="Runs",
            columns=["Business date", "State", "Rows", "By", "When", ""],
            numeric=["Rows"],
            rows=[
                (
                    f"{run.business_date:%-d %b %Y}" if run.business_date else NOTHING,
                    badge(run.get_state_display().lower(), TONES[run.state]),
                    f"{run.rows_written:,}" if run.state == Export.State.DONE else NOTHING,
                    "the clock" if run.business_date else run.requested_by.full_name,
                    moment(run.created_at),
                    open_link(run),
                )
                for run in runs
            ],
            empty="It has not run yet.",
        )
        told = ", ".join(one.full_name for one in saved.recipients.order_by("full_name"))
        facts = Facts(
            title="Saved export",
            side=True,
            rows=[
                ("List", self.list_shown(saved)),
                ("Columns", ", ".join(saved.columns) or "all that who runs it may take"),
                ("Owner", saved.owner.full_name),
                ("Seen by", "everybody who may export" if saved.is_shared else "its owner and whom it is sent to"),
                ("Runs", self.when(saved)),
                ("Days of the list", saved.get_covers_display() if saved.every else NOTHING),
                ("Next", self.next_run(saved)),
                ("Told by e-mail", told or NOTHING),
                ("Saved", moment(saved.created_at)),
                ("Ended", moment(saved.ended_at)),
                ("Id", code(saved.pk)),
            ],
        )
        return [table, facts]

    def why_not(self, request: HttpRequest, saved: SavedExport, name: str) -> str:
        if saved.ended_at:
            return "It has ended."
        mine = saved.owner_id == request.user.pk or request.user.has_perm("reports.view_all_exports")
        return "" if mine or name == "run" else f"It is {saved.owner.full_name}'s."

    @staff_action("Run now", permission=PERMISSION, form=RunForm, icon="play_arrow")
    def run(self, request: HttpRequest, saved: SavedExport, form: RunForm) -> bool | HttpResponse:
        try:
            export = saving.run_saved(saved, actor=form.user)
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return go_to(request, page_url("reports.export", export.pk))

    @staff_action("Schedule", permission=PERMISSION, form=ScheduleForm, done="Scheduled.", icon="schedule")
    def plan(self, request: HttpRequest, saved: SavedExport, form: ScheduleForm) -> bool:
        given = {name: value for name, value in form.cleaned_data.items() if name != "agreed"}
        return self.call(form, saving.schedule, saved, **given)

    @staff_action("Share", permission=PERMISSION, form=ShareForm, done="Saved.", icon="group")
    def share(self, request: HttpRequest, saved: SavedExport, form: ShareForm) -> bool:
        return self.call(form, saving.share, saved, is_shared=form.cleaned_data["shared"] == "yes")

    @staff_action("End", permission=PERMISSION, form=EndForm, done="Ended.", icon="stop")
    def end(self, request: HttpRequest, saved: SavedExport, form: EndForm) -> bool:
        return self.call(form, saving.end, saved)


def open_link(run: Export) -> Any:
    return format_html('<a class="to" href="{}">open</a>', page_url("reports.export", run.pk))


def words_of(saved: SavedExport) -> list[tuple[str, str]]:
    try:
        return listing(exportable(saved.subject), saved.filters, saved.owner).words
    except TekanaError:
        return list(saved.filters.items())
