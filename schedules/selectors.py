"""Questions about standing orders and calendars. A customer's come filtered by the customer: somebody else's is a
missing one."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import F, QuerySet

from customers.models import Country
from schedules.dates import BusinessDays, Date, Feast, WeekendFrom, upcoming
from schedules.errors import StandingOrderNotFound
from schedules.models import (
    Holiday,
    HolidayRule,
    OrderEvent,
    OrderRun,
    OrderState,
    OrderVersion,
    StandingOrder,
    Weekend,
)

RELATED = ("customer__country", "wallet", "payee__customer")
SHOWN = 5
NO_DATE_LEFT = "no_date_left"


def orders_of(customer_id: UUID) -> QuerySet[StandingOrder]:
    """The newest first, those that have ended too."""
    return StandingOrder.objects.filter(customer_id=customer_id).select_related(*RELATED)


def order_of(customer_id: UUID, order_id: UUID) -> StandingOrder:
    """Raises: StandingOrderNotFound, also for somebody else's."""
    order = orders_of(customer_id).filter(pk=order_id).first()
    if order is None:
        raise StandingOrderNotFound()
    return order


def runs_of(order: StandingOrder) -> QuerySet[OrderRun]:
    """The latest date first."""
    return OrderRun.objects.filter(order=order).select_related("version", "transaction").order_by("-due_on")


def versions_now(orders: Iterable[StandingOrder]) -> dict[Any, OrderVersion]:
    """What each of them pays now, by order; one statement."""
    ids = [order.pk for order in orders]
    return {row.order_id: row for row in OrderVersion.objects.filter(order__in=ids, number=F("order__version"))}


def version_now(order: StandingOrder) -> OrderVersion:
    return versions_now([order])[order.pk]


def ended_reasons(orders: Iterable[StandingOrder]) -> dict[Any, str]:
    """Of those that have ended by themselves, why: the code of the refusal after which they could never pay again, or
    `NO_DATE_LEFT`. One statement, none where none has ended."""
    ids = [order.pk for order in orders if order.state == OrderState.ENDED]
    if not ids:
        return {}
    ends = OrderEvent.objects.filter(order__in=ids, kind=OrderEvent.Kind.ENDED).values_list("order_id", "facts")
    return {order_id: facts.get("code") or NO_DATE_LEFT for order_id, facts in ends}


# --- Calendars -------------------------------------------------------------------------------------------------------


def calendars(codes: Iterable[str]) -> dict[str, BusinessDays]:
    """The business days of these countries, as they are entered now; three statements whatever their number."""
    wanted = sorted(set(codes))
    weekends: dict[str, list[WeekendFrom]] = {code: [] for code in wanted}
    for weekend in Weekend.objects.filter(country__in=wanted).order_by("effective_from", "id"):
        weekends[weekend.country_id].append(
            WeekendFrom(weekend.effective_from, frozenset(int(one) for one in weekend.weekdays))
        )
    feasts: dict[str, dict[str, Feast]] = {code: {} for code in wanted}
    for rule in HolidayRule.objects.filter(country__in=wanted).order_by("id"):
        feasts[rule.country_id][rule.name] = Feast(
            name=rule.name, month=rule.month, day=rule.day, easter=rule.easter, nth=rule.nth, weekday=rule.weekday,
            substitute=rule.substitute, first_year=rule.first_year, last_year=rule.last_year,
        )  # fmt: skip
    days: dict[str, dict[date, str]] = {code: {} for code in wanted}
    for holiday in Holiday.objects.filter(country__in=wanted).order_by("id"):
        days[holiday.country_id][holiday.day] = holiday.name
    return {code: BusinessDays(weekends[code], list(feasts[code].values()), days[code]) for code in wanted}


def calendar_of(country: str) -> BusinessDays:
    return calendars([country])[country]


def today_in(country: Country, at: datetime | None = None) -> date:
    return (at or database_now()).astimezone(ZoneInfo(country.timezone)).date()


def runs_at(country: Country, day: date) -> datetime:
    """When what is due on a day is run: at the same hour everywhere, by the clocks there."""
    hour = time(settings.STANDING_ORDER_HOUR)
    return datetime.combine(day, hour, ZoneInfo(country.timezone)).astimezone(UTC)


def database_now() -> datetime:
    """By the clock of the database, which all workers share."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        return cursor.fetchone()[0]


# --- Dates -----------------------------------------------------------------------------------------------------------


def runs_left(order: StandingOrder, version: OrderVersion) -> int | None:
    return None if version.runs is None else max(version.runs - order.counted, 0)


def next_dates(
    order: StandingOrder, version: OrderVersion, days: BusinessDays, *, after: date | None = None
) -> Iterable[Date]:
    """The dates that have no run yet, in order; due later than ``after`` where that is later than the last run."""
    latest = max((day for day in (order.last_on, after) if day), default=None)
    return upcoming(
        order.recurrence(version), days, number=order.next_number, after=latest, left=runs_left(order, version)
    )


def first_dates(
    order: StandingOrder, version: OrderVersion, days: BusinessDays, count: int = SHOWN, at: datetime | None = None
) -> Sequence[Date]:
    """The next few dates as things stand; none of a closed order. A paused one, resumed at ``at``, would go on so."""
    if order.closed_at is not None:
        return []
    return list(islice(next_dates(order, version, days, after=passed(order, at)), count))


def passed(order: StandingOrder, at: datetime | None = None) -> date | None:
    """The last day whose dates a paused order has let pass: yesterday."""
    return None if order.state == OrderState.ACTIVE else today_in(order.customer.country, at) - timedelta(days=1)
