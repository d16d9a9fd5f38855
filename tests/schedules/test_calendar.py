"""The calendars that are there from the start, and what operators enter."""

from datetime import date, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core.models import AuditRecord
from customers.models import Country
from schedules.calendar import enter_day
from schedules.models import Holiday
from schedules.selectors import calendar_of, calendars
from tests.schedules.conftest import today

pytestmark = pytest.mark.django_db

# What governments published for 2026, but for what is declared by the moon and by shifting days within a week.
PUBLISHED = {
    "KE": ["01-01", "04-03", "04-06", "05-01", "06-01", "10-10", "10-20", "12-12", "12-25", "12-26"],
    "ZA": ["01-01", "03-21", "04-03", "04-06", "04-27", "05-01", "06-16", "08-09", "08-10", "09-24", "12-16", "12-25",
           "12-26"],
    "NG": ["01-01", "04-03", "04-06", "05-01", "06-12", "10-01", "12-25", "12-26"],
    "UG": ["01-01", "01-26", "02-16", "03-08", "04-03", "04-06", "05-01", "06-03", "06-09", "10-09", "12-25", "12-26"],
    "TZ": ["01-01", "01-12", "04-03", "04-06", "04-07", "04-26", "05-01", "07-07", "08-08", "10-14", "12-09", "12-25",
           "12-26"],
}  # fmt: skip


@pytest.mark.parametrize("country", PUBLISHED)
def test_the_holidays_of_a_year_are_those_that_were_published(country: str) -> None:
    assert [f"{day:%m-%d}" for day in calendar_of(country).in_year(2026)] == PUBLISHED[country]


def test_every_country_that_is_open_has_a_calendar() -> None:
    found = calendars(Country.objects.filter(is_open=True).values_list("pk", flat=True))

    assert set(found) == {"KE", "RW", "NG", "ZA", "GH", "UG", "TZ"}
    for country, days in found.items():
        assert days.is_weekend(date(2026, 11, 21)) and not days.is_weekend(date(2026, 11, 23)), country
        assert days.holiday(date(2026, 4, 3)) == "Good Friday", country
        assert len(days.in_year(2027)) >= 8, country


def test_of_one_day_the_newest_entry_counts() -> None:
    day = date(today().year + 1, 8, 17)
    enter_day("KE", day, "Election day", actor=None)
    assert calendar_of("KE").holiday(day) == "Election day"

    enter_day("KE", day, "", actor=None)

    assert calendar_of("KE").holiday(day) == ""
    assert Holiday.objects.count() == 2, "nothing is changed, something is added"


def test_an_operator_enters_a_day() -> None:
    out, day = StringIO(), today() + timedelta(days=40)

    call_command("enter_holiday", "rw", str(day), "Day of mourning", "--reason", "Gazette 7", stdout=out)

    assert "Day of mourning" in out.getvalue()
    assert calendar_of("RW").holiday(day) == "Day of mourning"
    record = AuditRecord.objects.get(action="enter_calendar_day")
    assert (record.actor, record.reason) == ("job:operator", "Gazette 7")
    with pytest.raises(CommandError, match="says so already"):
        call_command("enter_holiday", "rw", str(day), "Day of mourning")
    with pytest.raises(CommandError, match="country"):
        call_command("enter_holiday", "xx", str(day), "Day of mourning")
