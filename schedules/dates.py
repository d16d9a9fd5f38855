"""On which dates a standing order runs. Pure arithmetic over plain data: no database, no clock.

A *planned* date is what the customer said (each 31st, each second Friday); the *due* date is where the calendar of
business days moves it. Planned dates are numbered from 0, so that a plan goes on where it stopped.
"""

from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
LONGEST_CLOSURE = 60  # days; a calendar that is closed for longer is wrong, and moves nothing


def easter(year: int) -> date:
    """Easter Sunday of the western churches, by the rule of 1582 (Meeus, Jones, Butcher)."""
    a, b, c = year % 19, year // 100, year % 100
    g = (8 * b + 13) // 25
    h = (19 * a + b - b // 4 - g + 15) % 30
    m = (a + 11 * h) // 319
    r = (2 * (b % 4) + 2 * (c // 4) - c % 4 - h + m + 32) % 7
    month = (h - m + r + 90) // 25
    return date(year, month, (h - m + r + month + 19) % 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Feast:
    """A public holiday that comes each year: on a date, so many days from Easter, or on the nth weekday of a month.

    ``substitute``: ``sunday`` gives the next day that is none where it falls on a Sunday, ``weekend`` the next working
    day where it falls on a weekend; both days are free then.
    """

    name: str
    month: int | None = None
    day: int | None = None
    easter: int | None = None
    nth: int | None = None
    weekday: int | None = None  # 1 is Monday
    substitute: str = ""
    first_year: int = 1
    last_year: int | None = None

    def on(self, year: int) -> date | None:
        """Its own date in a year; None in a year without it."""
        if year < self.first_year or (self.last_year is not None and year > self.last_year):
            return None
        if self.easter is not None:
            return easter(year) + self.easter * DAY
        assert self.month is not None
        if self.nth is not None and self.weekday is not None:
            first = date(year, self.month, 1)
            return first + ((self.weekday - first.isoweekday()) % 7 + 7 * (self.nth - 1)) * DAY
        assert self.day is not None
        return date(year, self.month, self.day) if self.day <= monthrange(year, self.month)[1] else None


class WeekendFrom(NamedTuple):
    """From a day on these weekdays are the weekend; 1 is Monday."""

    day: date
    weekdays: frozenset[int]


@dataclass(slots=True)
class BusinessDays:
    """The calendar of one country. ``days``: what somebody entered for single dates, a name or "" for "none that day";
    it goes before what the feasts say."""

    weekends: Sequence[WeekendFrom] = ()  # the earliest first
    feasts: Sequence[Feast] = ()
    days: dict[date, str] = field(default_factory=dict)
    _years: dict[int, dict[date, str]] = field(default_factory=dict)

    def is_business_day(self, day: date) -> bool:
        return not self.is_weekend(day) and not self.holiday(day)

    def is_weekend(self, day: date) -> bool:
        weekdays: frozenset[int] = frozenset()
        for one in self.weekends:
            if one.day <= day:
                weekdays = one.weekdays
        return day.isoweekday() in weekdays

    def holiday(self, day: date) -> str:
        """Its name; empty where there is none."""
        return self.in_year(day.year).get(day, "")

    def in_year(self, year: int) -> dict[date, str]:
        """Every public holiday of a year by date, with the days given instead."""
        if year not in self._years:
            found = {day: feast for feast in self.feasts if (day := feast.on(year))}
            named = {day: feast.name for day, feast in found.items()}
            for day, feast in sorted(found.items()):
                if instead := self._instead(day, feast, named):
                    named[instead] = f"{feast.name} (in lieu)"
            entered = {day: name for day, name in self.days.items() if day.year == year}
            named |= entered
            self._years[year] = {day: name for day, name in sorted(named.items()) if name}
        return self._years[year]

    def _instead(self, day: date, feast: Feast, named: dict[date, str]) -> date | None:
        if feast.substitute == "sunday" and day.isoweekday() == 7:
            instead = day + DAY
            while instead in named:
                instead += DAY
            return instead
        if feast.substitute == "weekend" and self.is_weekend(day):
            instead = day + DAY
            while instead in named or self.is_weekend(instead):
                instead += DAY
            return instead
        return None

    def moved(self, day: date, step: int) -> date:
        """The first business day from ``day`` on (``step`` 1) or back (-1); ``day`` itself where there is none near."""
        found = day
        for _ in range(LONGEST_CLOSURE):
            if self.is_business_day(found):
                return found
            if found in (date.min, date.max):
                return day
            found += step * DAY
        return day


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """Every how many days, weeks or months from ``start_on`` on, and what happens to a date that is no business day.

    ``month_day``: of a monthly order; in a shorter month its last day, so that 31 is always the last.
    ``end_on``: the last day on which a date may be planned; the calendar may move that one beyond it.
    ``earliest``: no date is moved to before this day, by default the start.
    """

    frequency: str  # once, daily, weekly, monthly
    start_on: date
    every: int = 1
    month_day: int = 0
    rule: str = "same"  # same, next, previous
    end_on: date | None = None
    earliest: date | None = None

    def planned(self, number: int) -> date | None:
        """The date with this number, as the customer said it; None where there is none any more."""
        try:
            day = self._nth(number)
        except (OverflowError, ValueError):  # beyond the last year there is
            return None
        return None if day is None or (self.end_on is not None and day > self.end_on) else day

    def _nth(self, number: int) -> date | None:
        match self.frequency:
            case "once":
                return self.start_on if number == 0 else None
            case "daily":
                return self.start_on + number * self.every * DAY
            case "weekly":
                return self.start_on + number * self.every * 7 * DAY
        start = self.start_on
        month = start.year * 12 + start.month - 1
        if self._in_month(month) < start:
            month += 1
        return self._in_month(month + number * self.every)

    def _in_month(self, month: int) -> date:
        year, index = divmod(month, 12)
        return date(year, index + 1, min(self.month_day, monthrange(year, index + 1)[1]))

    def due(self, planned: date, days: BusinessDays) -> date:
        """Where the calendar puts a planned date: never before the earliest, so that one is moved on instead."""
        if self.rule == "same":
            return planned
        if self.rule == "previous" and (before := days.moved(planned, -1)) >= (self.earliest or self.start_on):
            return before
        return days.moved(planned, 1)


def earliest(start_on: date, made_on: date) -> date:
    """Before the start a date may be moved, but not to the day on which the order is made: who begins tomorrow is not
    paid for today."""
    return min(start_on, made_on + DAY)


class Date(NamedTuple):
    number: int
    planned: date
    due: date


def upcoming(
    recurrence: Recurrence, days: BusinessDays, *, number: int = 0, after: date | None = None, left: int | None = None
) -> Iterator[Date]:
    """Dates from ``number`` on that are due later than ``after``, at most ``left``; each due date once, in order.

    Planned dates that the calendar puts onto one day (Saturday, Sunday and Monday of a daily order) are one.
    """
    while left is None or left > 0:
        planned = recurrence.planned(number)
        if planned is None:
            return
        due = recurrence.due(planned, days)
        if after is None or due > after:
            yield Date(number, planned, due)
            after = due
            left = None if left is None else left - 1
        number += 1
