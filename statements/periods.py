"""Days of a customer's country as instants, and the periods that statements are made for. Pure."""

from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from statements.errors import StatementDaysReversed, StatementInFuture, StatementTooLong
from statements.models import Every

ONE_DAY = timedelta(days=1)
MOST_DAYS = 366


class Days(NamedTuple):
    """From the beginning of one day to the end of another, both included, in ``timezone``."""

    first: date
    last: date
    timezone: str

    @property
    def start(self) -> datetime:
        return midnight(self.first, self.timezone)

    @property
    def end(self) -> datetime:
        """The first instant that is not in them any more."""
        return midnight(self.last + ONE_DAY, self.timezone)


def midnight(day: date, timezone: str) -> datetime:
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(timezone))


def asked(first: date, last: date, timezone: str, now: datetime) -> Days:
    """The days somebody asks for. Raises: StatementDaysReversed, StatementInFuture, StatementTooLong."""
    if first > last:
        raise StatementDaysReversed()
    if last > now.astimezone(ZoneInfo(timezone)).date():
        raise StatementInFuture()
    if (last - first).days >= MOST_DAYS:
        raise StatementTooLong(days=(last - first).days + 1, most=MOST_DAYS)
    return Days(first, last, timezone)


def first_day(every: str, day: date) -> date:
    """Of the period that ``day`` lies in; weeks begin on Monday."""
    match every:
        case Every.WEEKLY:
            return day - timedelta(days=day.weekday())
        case Every.MONTHLY:
            return day.replace(day=1)
    return day


def last_day(every: str, day: date) -> date:
    """Of the period that ``day`` lies in."""
    match every:
        case Every.WEEKLY:
            return first_day(every, day) + timedelta(days=6)
        case Every.MONTHLY:
            return (first_day(every, day) + timedelta(days=31)).replace(day=1) - ONE_DAY
    return day


def following(every: str, since: date, first: date, timezone: str) -> Days:
    """What the next statement covers: from its ``first`` day to the end of the period that this lies in, or of the
    later one that ``since`` begins. So after a pause or another choice one is longer, or shorter, than the others.
    """
    return Days(first, last_day(every, max(first, since)), timezone)
