"""What a second person approves of calendars (`staff/approvals.py`)."""

from datetime import date
from typing import Any

from customers.models import Country
from schedules.calendar import check_entry, enter_day
from schedules.selectors import calendar_of
from staff.approvals import About, Fact, Operation, Preview, Row, lock_name
from staff.models import Approval, User


class CalendarEntry(Operation):
    """A day that is a holiday, or is none. ``params``: country (code), day, name (empty: no holiday)."""

    name = "calendar_entry"
    title = "Entry in a calendar"
    request = "schedules.change_calendar"
    check = "schedules.approve_calendar"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        day = date.fromisoformat(str(params["day"]))
        return {"country": str(params["country"]), "day": str(day), "name": " ".join(str(params["name"]).split())[:80]}

    def about(self, params: dict[str, Any]) -> About:
        country, day = Country.objects.get(pk=params["country"]), date.fromisoformat(params["day"])
        what = f"“{params['name']}”" if params["name"] else "no holiday"
        subject = Row("customers.country", country.pk, country.name)
        return About(title=f"{country.name}, {day:%-d %b %Y}: {what}", subject=subject, slot=_slot(params))

    def lock(self, params: dict[str, Any]) -> None:
        """Rows are only added, so there is none to lock: their name."""
        lock_name(f"holiday:{_slot(params)}")

    def preview(self, params: dict[str, Any]) -> Preview:
        day = date.fromisoformat(params["day"])
        check_entry(params["country"], day, params["name"])
        days = calendar_of(params["country"])
        before = days.holiday(day) or ("weekend" if days.is_weekend(day) else "business day")
        after = params["name"] or ("weekend" if days.is_weekend(day) else "business day")
        return Preview(
            facts=[
                Fact("Country", Country.objects.get(pk=params["country"]).name),
                Fact("Day", f"{day:%A, %-d %B %Y}"),
                Fact("What it is", f"{before} → {after}"),
                Fact("Standing orders", "Those that follow the calendar are moved where they must; no run is undone"),
            ]
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        row = enter_day(
            params["country"], date.fromisoformat(params["day"]), params["name"], actor=approval.maker,
            checker=checker, reason=approval.reason,
        )  # fmt: skip
        return Row("schedules.holiday", str(row.pk), str(row))


def _slot(params: dict[str, Any]) -> str:
    return f"{params['country']}:{params['day']}"


calendar_entry = CalendarEntry()
