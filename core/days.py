"""Days of the books, from midnight to midnight, UTC; and instants as they are written."""

from datetime import UTC, date, datetime, time, timedelta


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def end_of(day: date) -> datetime:
    """The next midnight; of the last day there is, its last microsecond."""
    return midnight(day + timedelta(days=1)) if day < date.max else datetime.combine(day, time.max, tzinfo=UTC)


def written(at: datetime) -> str:
    """An instant as every answer has it: RFC 3339 in UTC, with a Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
