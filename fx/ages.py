"""How old a rate may be: a daily one in business days of its source's calendar, any other in minutes."""

from datetime import date, datetime, timedelta
from functools import cache

from fx.models import RateSource

MOST_DAYS = 400  # older is old, whatever the limit


def age_of(source: RateSource, as_of: datetime, at: datetime) -> int:
    """Whole business days that have begun since, or minutes."""
    if not source.daily:
        return max(int((at - as_of).total_seconds()) // 60, 0)
    return business_days(as_of.date(), at.date(), source.calendar)


def limit_of(source: RateSource, base: str, quote: str) -> int:
    limits = source.pair_max_ages
    return int(limits.get(f"{base}/{quote}") or limits.get(f"{quote}/{base}") or source.max_age)


def is_stale(source: RateSource, base: str, quote: str, as_of: datetime, at: datetime) -> bool:
    return source.is_doubted or age_of(source, as_of, at) > limit_of(source, base, quote)


def said_age(source: RateSource, as_of: datetime, at: datetime) -> str:
    age = age_of(source, as_of, at)
    if source.daily:
        return f"{age} business day{'' if age == 1 else 's'}" if age < MOST_DAYS else "over a year"
    return f"{age} min" if age < 120 else f"{age // 60} h" if age < 2880 else f"{age // 1440} d"


def business_days(since: date, until: date, calendar: str) -> int:
    """Days after ``since``, to ``until`` included, on which the source publishes."""
    days = min((until - since).days, MOST_DAYS)
    if days == MOST_DAYS:
        return MOST_DAYS
    return sum(is_business_day(since + timedelta(days=n), calendar) for n in range(1, days + 1))


def is_business_day(day: date, calendar: str) -> bool:
    return day.isoweekday() <= 5 and not (calendar == "target" and day in target_holidays(day.year))


@cache
def target_holidays(year: int) -> frozenset[date]:
    """Days on which the ECB publishes no rates: New Year, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    easter = easter_sunday(year)
    fixed = [(1, 1), (5, 1), (12, 25), (12, 26)]
    return frozenset(
        {date(year, month, day) for month, day in fixed} | {easter - timedelta(days=2), easter + timedelta(days=1)}
    )


def easter_sunday(year: int) -> date:
    """By the Gregorian calendar (Meeus, Jones, Butcher)."""
    golden, century, within = year % 19, year // 100, year % 100
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (within // 4) - epact - within % 4) % 7
    late = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
