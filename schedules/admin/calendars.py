"""Calendars of business days: what was entered for single days, and the year of a country."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from core.admin import Header, Panel, ReasonForm, StaffAdmin, Table, badge, choice_filter, link, panel, staff_action
from core.admin.pages import NOTHING, list_url
from customers.models import Country
from schedules.admin.shown import day
from schedules.approvals import calendar_entry
from schedules.models import Holiday
from schedules.selectors import calendar_of
from staff.inbox import ask

SEE_CALENDAR = "schedules.view_holiday"
WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class EntryForm(ReasonForm):
    intro = (
        "A declared holiday, or none in spite of the rule. Nothing changes until a colleague has approved it; then "
        "standing orders that follow the calendar are moved where they must."
    )
    submit = "Ask for approval"
    field_order = ["country", "day", "name", "reason"]
    prefilled = ("country",)

    country = forms.ModelChoiceField(
        queryset=Country.objects.order_by("name"), empty_label="Choose", widget=UnfoldAdminSelectWidget
    )
    day = forms.DateField(widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))
    name = forms.CharField(
        max_length=80, required=False, label="Holiday", widget=UnfoldAdminTextInputWidget,
        help_text="Its name. Leave it empty where the day is a day like any other.",
    )  # fmt: skip


@admin.register(Holiday)
class HolidayAdmin(StaffAdmin):
    """What was entered for single days. The holidays of each year are on the pages of the countries."""

    list_display = ["day_shown", "country", "what", "counts", "created_at"]
    list_select_related = ["country"]
    list_filter = [choice_filter("country", "country", [])]
    ordering = ["-id"]
    actions_list = ["propose"]
    page_select_related = ("country",)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [choice_filter("country", "country", list(Country.objects.order_by("name").values_list("pk", "name")))]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        days = {(one.country_id, one.day) for one in changelist.result_list}
        newest: dict[Any, int] = {}
        for row in Holiday.objects.filter(day__in=[one for _, one in days]).order_by("id"):
            newest[row.country_id, row.day] = row.pk
        for one in changelist.result_list:
            one.is_newest = newest[one.country_id, one.day] == one.pk
        return changelist

    @display(description="Day")
    def day_shown(self, row: Holiday) -> Any:
        return day(row.day)

    @display(description="What it is")
    def what(self, row: Holiday) -> str:
        return row.name or "a day like any other"

    @display(description="Counts")
    def counts(self, row: Any) -> Any:
        return badge("counts", "good") if row.is_newest else badge("a later entry counts")

    def header(self, request: HttpRequest, row: Holiday) -> Header:
        where = link(request, "customers.country", row.country_id, row.country.name)
        return Header(title=self.name_of(row), lines=[where])

    @staff_action(
        "New entry", permission="schedules.change_calendar", form=EntryForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: EntryForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        params = {"country": asked["country"].pk, "day": asked["day"], "name": asked["name"]}
        return ask(request, form, calendar_entry.name, params, reason=asked["reason"], back=self.address_of(None))


@panel("customers.country", order=10, permission=SEE_CALENDAR)
def calendar_of_country(request: HttpRequest, country: Country) -> Panel:
    """This year's holidays and the next's, and on which of them banks would be closed anyway."""
    days, this_year = calendar_of(country.pk), datetime.now(UTC).year
    found = [*days.in_year(this_year).items(), *days.in_year(this_year + 1).items()]
    weekend = ", ".join(name for number, name in enumerate(WEEKDAYS, 1) if is_weekend(days, number))
    return Table(
        title=f"Calendar of business days: weekends are {weekend or 'not set'}",
        columns=["Day", "Holiday", ""],
        rows=[
            (
                day(one), name,
                badge("entered", "busy") if one in days.days else badge("weekend") if days.is_weekend(one) else NOTHING,
            )
            for one, name in found
        ],
        empty="No holiday is known: every day but weekends is a business day.",
        more=("Entries for single days", list_url("schedules.holiday", country=country.pk)),
    )  # fmt: skip


def is_weekend(days: Any, weekday: int) -> bool:
    return bool(days.weekends) and weekday in days.weekends[-1].weekdays
