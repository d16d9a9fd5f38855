"""Fees, tier limits and calendars: dated rows, read together and kept for a second in each process.

Rows are only ever added and take effect on a day: a second of staleness changes no decision but the first of that day.
"""

import time
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection

KEPT_SECONDS = 1


class Fee(NamedTuple):
    """``flat`` minor units plus ``bps`` hundredths of a percent."""

    flat: int
    bps: int
    effective_from: date

    def on(self, amount: int) -> int:
        """Whole minor units, half up: an exact integer division, nothing in between."""
        return self.flat + (amount * self.bps + 5_000) // 10_000


FREE = Fee(0, 0, date.min)


class Limits(NamedTuple):
    """Minor units; None is unlimited."""

    tier: int
    per_movement: int | None
    per_day: int | None
    per_month: int | None
    balance: int | None


class Tariff:
    """A snapshot of the dated rows, with the questions that deciding asks."""

    def __init__(
        self,
        fees: list[tuple[str, str, int, int, date]],
        limits: list[tuple[str | None, str, int, int | None, int | None, int | None, int | None, date]],
        countries: list[tuple[str, str]],
    ) -> None:
        self._fees: dict[tuple[str, str], list[Fee]] = {}
        for kind, currency, flat, bps, day in fees:
            self._fees.setdefault((kind, currency), []).append(Fee(flat, bps, day))
        self._limits: dict[tuple[str | None, str, int], list[tuple[date, Limits]]] = {}
        for country, currency, tier, movement, per_day, month, balance, day in limits:
            rows = self._limits.setdefault((country, currency, tier), [])
            rows.append((day, Limits(tier, movement, per_day, month, balance)))
        self._zones = {code: ZoneInfo(zone) for code, zone in countries}

    def fee(self, kind: str, currency: str, on: date) -> Fee:
        """The rule in force; no rule is no fee."""
        return next((fee for fee in self._fees.get((kind, currency), ()) if fee.effective_from <= on), FREE)

    def ever_costs(self, kind: str, currency: str) -> bool:
        """Whether any rule, whenever in force, asks for a fee."""
        return any(fee.flat or fee.bps for fee in self._fees.get((kind, currency), ()))

    def limits(self, country: str, currency: str, tier: int, on: date) -> Limits | None:
        """The country's own row in force, else everybody's, else None: and then nothing moves."""
        for key in ((country, currency, tier), (None, currency, tier)):
            for day, limits in self._limits.get(key, ()):
                if day <= on:
                    return limits
        return None

    def day(self, country: str, at: datetime) -> date:
        """The calendar day there: limits count by it."""
        return at.astimezone(self._zones[country]).date()


_kept: tuple[float, Tariff] | None = None


def current() -> Tariff:
    """The tariff, at most a second old: three small statements once a second, whatever the number of batches."""
    global _kept
    now = time.monotonic()
    if _kept is None or now - _kept[0] > KEPT_SECONDS:
        _kept = (now, _read())
    return _kept[1]


def forget() -> None:
    """Read afresh at the next question."""
    global _kept
    _kept = None


def _read() -> Tariff:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT kind, currency, flat, bps, effective_from FROM transactions_feerule ORDER BY effective_from DESC"
        )
        fees = cursor.fetchall()
        cursor.execute(
            "SELECT country_id, currency, tier, per_movement, per_day, per_month, balance, effective_from"
            " FROM customers_tierlimit ORDER BY effective_from DESC"
        )
        limits = cursor.fetchall()
        cursor.execute("SELECT code, timezone FROM customers_country")
        return Tariff(fees, limits, cursor.fetchall())
