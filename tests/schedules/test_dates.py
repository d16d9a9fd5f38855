"""The arithmetic of dates against a model that knows only how to go through a calendar day by day."""

from datetime import date, timedelta
from functools import partial
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import dates
from schedules.dates import BusinessDays, Feast, Recurrence, WeekendFrom, earliest, easter, upcoming

DAY = timedelta(days=1)
WEEKEND = [WeekendFrom(date(1970, 1, 1), frozenset({6, 7}))]
SUBSTITUTES = st.sampled_from(["", "sunday", "weekend"])
START = st.dates(date(2024, 1, 1), date(2032, 12, 31))


def day_by_day(rule: Recurrence, days: BusinessDays, count: int) -> list[date]:
    """The model: walk from the start, ask of each day whether the customer means it, move it as the rule says."""
    found: list[date] = []
    day, met = rule.start_on, 0
    while len(found) < count and (rule.end_on is None or day <= rule.end_on) and day.year < 2080:
        if is_meant(rule, day):
            if met % rule.every == 0:
                due = put(rule, day, days)
                if not found or due > found[-1]:
                    found.append(due)
                if rule.frequency == "once":
                    break
            met += 1
        day += DAY
    return found


def is_meant(rule: Recurrence, day: date) -> bool:
    if rule.frequency == "weekly":
        return day.weekday() == rule.start_on.weekday()
    if rule.frequency == "monthly":
        is_last = (day + DAY).month != day.month
        return day.day == rule.month_day or (is_last and day.day < rule.month_day)
    return True


def put(rule: Recurrence, day: date, days: BusinessDays) -> date:
    if rule.rule == "same" or days.is_business_day(day):
        return day
    back = day
    while rule.rule == "previous" and back >= (rule.earliest or rule.start_on):
        if days.is_business_day(back):
            return back
        back -= DAY
    while not days.is_business_day(day):
        day += DAY
    return day


@st.composite
def recurrences(draw: st.DrawFn) -> Recurrence:
    frequency = draw(st.sampled_from(["once", "daily", "weekly", "monthly"]))
    start = draw(START)
    return Recurrence(
        frequency=frequency,
        start_on=start,
        every=draw(st.integers(1, 5)),
        month_day=draw(st.integers(1, 31)) if frequency == "monthly" else 0,
        rule=draw(st.sampled_from(["same", "next", "previous"])),
        end_on=draw(st.none() | st.integers(0, 800).map(lambda ahead: start + ahead * DAY)),
        earliest=draw(st.none() | st.integers(0, 20).map(lambda back: start - back * DAY)),
    )


@st.composite
def calendars(draw: st.DrawFn) -> BusinessDays:
    feasts = [
        Feast(
            name=f"fixed {n}", month=one.month, day=one.day, substitute=draw(st.sampled_from(["", "sunday", "weekend"]))
        )
        for n, one in enumerate(draw(st.lists(START, max_size=12)))
    ] + [Feast(name="Good Friday", easter=-2), Feast(name="Easter Monday", easter=1)]
    entered = draw(st.dictionaries(START, st.sampled_from(["declared", ""]), max_size=6))
    return BusinessDays(WEEKEND, feasts, entered)


@settings(max_examples=300, deadline=None)
@given(recurrences(), calendars())
def test_dates_are_those_of_the_model(rule: Recurrence, days: BusinessDays) -> None:
    found = [one.due for one in islice(upcoming(rule, days), 15)]

    assert found == day_by_day(rule, days, 15)
    assert found == sorted(set(found))
    assert rule.rule == "same" or all(days.is_business_day(day) for day in found)
    assert all(day >= (rule.earliest or rule.start_on) for day in found)


@settings(max_examples=100, deadline=None)
@given(recurrences(), calendars(), st.integers(0, 12))
def test_going_on_is_the_same_as_never_having_stopped(rule: Recurrence, days: BusinessDays, stop: int) -> None:
    whole = list(islice(upcoming(rule, days), 20))
    begun = whole[:stop]

    rest = upcoming(rule, days, number=begun[-1].number + 1, after=begun[-1].due) if begun else upcoming(rule, days)

    assert begun + list(islice(rest, 20 - len(begun))) == whole


@settings(max_examples=50, deadline=None)
@given(recurrences(), st.integers(1, 10))
def test_no_more_dates_than_were_asked_for(rule: Recurrence, left: int) -> None:
    assert len(list(upcoming(rule, BusinessDays(WEEKEND), left=left))) <= left


def test_the_model_notices_an_end_of_month_that_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Recurrence(frequency="monthly", start_on=date(2027, 1, 31), month_day=31)
    right = day_by_day(rule, BusinessDays(), 4)

    monkeypatch.setattr(dates, "monthrange", lambda year, month: (0, 30 if month != 2 else 28))

    assert [one.due for one in islice(upcoming(rule, BusinessDays()), 4)] != right


def test_the_31st_is_the_last_day_of_a_shorter_month() -> None:
    rule = Recurrence(frequency="monthly", start_on=date(2027, 11, 30), month_day=31)

    found = [str(one.due) for one in islice(upcoming(rule, BusinessDays()), 6)]

    assert found == ["2027-11-30", "2027-12-31", "2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]


def test_a_daily_order_on_business_days_pays_a_weekend_once() -> None:
    rule = Recurrence(frequency="daily", start_on=date(2026, 12, 24), rule="next")
    days = BusinessDays(WEEKEND, [Feast(name="Christmas", month=12, day=25)])

    found = [str(one.due) for one in islice(upcoming(rule, days), 3)]

    assert found == ["2026-12-24", "2026-12-28", "2026-12-29"]  # Friday is Christmas, then comes the weekend


def test_a_date_is_not_moved_to_before_the_start() -> None:
    rule = Recurrence(frequency="weekly", start_on=date(2026, 11, 21), rule="previous")  # a Saturday

    found = [str(one.due) for one in islice(upcoming(rule, BusinessDays(WEEKEND)), 2)]

    assert found == ["2026-11-23", "2026-11-27"]


def test_the_first_date_is_moved_back_but_not_to_the_day_on_which_it_is_made() -> None:
    christmas = BusinessDays(WEEKEND, [Feast(name="Christmas", month=12, day=25)])  # of 2026 a Friday
    once = partial(Recurrence, frequency="once", start_on=date(2026, 12, 25), rule="previous")
    made = [date(2026, 11, 20), date(2026, 12, 23), date(2026, 12, 24), date(2026, 12, 25)]

    dues = [next(upcoming(once(earliest=earliest(date(2026, 12, 25), day)), christmas)).due for day in made]

    assert [str(day) for day in dues] == ["2026-12-24", "2026-12-24", "2026-12-28", "2026-12-28"]


def test_a_holiday_on_a_sunday_gives_the_next_free_day() -> None:
    feasts = [
        Feast(name="Christmas", month=12, day=25, substitute="sunday"),
        Feast(name="Boxing Day", month=12, day=26, substitute="sunday"),
    ]

    of_2022 = BusinessDays(WEEKEND, feasts).in_year(2022)  # the 25th was a Sunday, the 26th a holiday of its own

    assert {str(day): name for day, name in of_2022.items()} == {
        "2022-12-25": "Christmas", "2022-12-26": "Boxing Day", "2022-12-27": "Christmas (in lieu)",
    }  # fmt: skip


def test_the_weekend_may_change() -> None:
    days = BusinessDays([*WEEKEND, WeekendFrom(date(2027, 1, 1), frozenset({5, 6}))])

    assert days.is_business_day(date(2026, 12, 25)) and not days.is_business_day(date(2027, 1, 1))
    assert not days.is_business_day(date(2026, 12, 27)) and days.is_business_day(date(2027, 1, 3))


def test_the_first_friday_of_a_month() -> None:
    umuganura = Feast(name="Umuganura Day", month=8, nth=1, weekday=5)

    assert [str(umuganura.on(year)) for year in (2025, 2026, 2027)] == ["2025-08-01", "2026-08-07", "2027-08-06"]


def test_easter_of_some_years() -> None:
    known = {2000: (4, 23), 2008: (3, 23), 2011: (4, 24), 2024: (3, 31), 2025: (4, 20), 2026: (4, 5), 2038: (4, 25)}

    assert {year: (easter(year).month, easter(year).day) for year in known} == known


@pytest.mark.parametrize("frequency", ["daily", "weekly", "monthly"])
def test_time_ends(frequency: str) -> None:
    start = date(9999, 12, 1)
    rule = Recurrence(frequency=frequency, start_on=start, month_day=1 if frequency == "monthly" else 0, rule="next")

    assert 1 <= len(list(upcoming(rule, BusinessDays(WEEKEND)))) <= 31
