"""Entering what the calendar of a country says of a day: a declared holiday, or none in spite of the rule.

Staff do it in two (`approvals.py`), an operator by a command. Rows are added, never changed; the newest of a day
counts.
"""

from datetime import date
from typing import Any

from django.db import transaction as db_transaction
from django.db.models.functions import Now

from core import audit
from customers.errors import CountryNotOpen
from customers.models import Country
from schedules.errors import CalendarEntryUnclear, CalendarUnchanged
from schedules.models import Holiday, OrderState, StandingOrder
from schedules.selectors import calendar_of, database_now
from staff.approvals import lock_name
from staff.errors import ApprovalNeeded
from staff.models import User

YEARS_AHEAD = 10


def check_entry(country: str, day: date, name: str) -> None:
    """Raises: CountryNotOpen, CalendarEntryUnclear, CalendarUnchanged."""
    if not Country.objects.filter(pk=country).exists():
        raise CountryNotOpen(country=country)
    today = database_now().date()
    if not today.year <= day.year <= today.year + YEARS_AHEAD:
        raise CalendarEntryUnclear(f"A day of {today.year} to {today.year + YEARS_AHEAD}.")
    if calendar_of(country).holiday(day) == name:
        said = f"a holiday, “{name}”," if name else "no holiday"
        raise CalendarUnchanged(f"{day:%-d %b %Y} is {said} already.")


def enter_day(
    country: str, day: date, name: str, *, actor: Any, checker: User | None = None, reason: str = ""
) -> Holiday:
    """Say that a day is a holiday, or with an empty ``name`` that it is none.

    Orders that follow the calendar are looked at again at the next round, and their next date is moved where it must.

    Args:
        checker: the second person, who has approved it; no member of staff does it alone.
    Raises: ApprovalNeeded, those of `check_entry`.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("What a calendar says is changed by two people.")
    name = " ".join(name.split())
    with db_transaction.atomic():
        lock_name(f"holiday:{country}:{day}")
        check_entry(country, day, name)
        row = Holiday.objects.create(country_id=country, day=day, name=name)
        follow = StandingOrder.objects.filter(
            customer__country=country, state=OrderState.ACTIVE, next_on__isnull=False
        ).exclude(rule=StandingOrder.Rule.SAME)
        follow.update(next_at=Now())
        after = {"country": country, "day": str(day), "name": name}
        after |= {"approved_by": checker.principal} if checker else {}
        audit.record(actor=actor, action="enter_calendar_day", subject=row, after=after, reason=reason)
    return row
