"""Fees, waivers, tier limits and calendars: dated rows, read together and kept for a second in each process.

Rows are only ever added and take effect on a day: a second of staleness changes no decision but the first of that day.
What a rule comes to is `Fee.on`, and nothing else computes it: posting, previews, price lists and what-if reports ask
the same function. docs/adr/0048-prices.md says why.
"""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection

KEPT_SECONDS = 1
WHOLE_BPS = 10_000  # all of it


class Band(NamedTuple):
    """From ``above`` minor units on: ``flat`` minor units and ``bps`` hundredths of a percent."""

    above: int
    flat: int
    bps: int


class Fee(NamedTuple):
    """One row of the tariff. Minor units; ``bps`` are hundredths of a percent.

    ``bands`` ascend. The amounts below the first cost ``flat`` and ``bps``. ``marginal``: each part of the amount costs
    the bps of the band it lies in, and the flat of each band that it reaches is added up; otherwise the band in which
    the amount lies says what all of it costs. ``least`` and ``most`` are whole multiples of ``round_to``, so that it
    is the same whether they are applied before rounding or after. ``payee_bps``: how much of the fee the payee bears.
    ``partner`` … ``tier`` say for whom it is; None is for everybody. ``last_day`` is included.
    """

    flat: int
    bps: int
    effective_from: date
    last_day: date | None = None
    bands: tuple[Band, ...] = ()
    marginal: bool = False
    least: int | None = None
    most: int | None = None
    round_to: int = 1
    rounding: str = "half_up"
    payee_bps: int = 0
    partner: str | None = None
    to_country: str | None = None
    from_country: str | None = None
    account_type: str | None = None
    tier: int | None = None
    id: int | None = None

    def on(self, amount: int) -> int:
        """What it comes to, in whole steps of ``round_to``: exact integers until the one division at the end."""
        parts = self._by_band(amount) if self.bands else self.flat * WHOLE_BPS + amount * self.bps
        if self.least is not None and parts < self.least * WHOLE_BPS:
            parts = self.least * WHOLE_BPS
        if self.most is not None and parts > self.most * WHOLE_BPS:
            parts = self.most * WHOLE_BPS
        step = self.round_to * WHOLE_BPS
        if self.rounding == "half_up":
            parts += step // 2
        elif self.rounding == "up":
            parts += step - 1
        return parts // step * self.round_to

    def _by_band(self, amount: int) -> int:
        """In ten thousandths of a minor unit, exact."""
        bands = (Band(0, self.flat, self.bps), *self.bands)
        if not self.marginal:
            band = next(band for band in reversed(bands) if amount >= band.above)
            return band.flat * WHOLE_BPS + amount * band.bps
        parts = 0
        for band, following in zip(bands, (*bands[1:], None), strict=True):
            if amount < band.above:
                break
            reached = amount if following is None else min(amount, following.above)
            parts += band.flat * WHOLE_BPS + (reached - band.above) * band.bps
        return parts

    def shared(self, fee: int) -> tuple[int, int]:
        """What of it the payer and the payee pay: the payee's part rounded down, together exactly ``fee``."""
        of_payee = fee * self.payee_bps // WHOLE_BPS
        return fee - of_payee, of_payee

    def borne(self, amount: int, waived_bps: int = 0, payee_waived_bps: int = 0) -> tuple[int, int]:
        """What payer and payee pay, each less what they were granted."""
        payer, payee = self.shared(self.on(amount))
        return less(payer, waived_bps), less(payee, payee_waived_bps)

    @property
    def costs(self) -> bool:
        return bool(self.flat or self.bps or self.least or any(band.flat or band.bps for band in self.bands))

    @property
    def is_general(self) -> bool:
        """For everybody; it may still be for a time."""
        return (self.partner, self.to_country, self.from_country, self.account_type, self.tier) == (None,) * 5

    @property
    def is_plain(self) -> bool:
        """Flat and percentage in the currency's own rounding, on top for the payer, for everybody."""
        return self[3:16] == PLAIN

    @property
    def rank(self) -> tuple[Any, ...]:
        """Which of the rules that fit goes first: the least. No two that fit the same movement have the same, for they
        would then say the same of whom they are for and when they begin and end, which the table does not allow.

        Named before unnamed: partner, country of the payee, country of the payer, kind of account, tier. Then: for a
        time before until further notice, the later beginning, the earlier end, the payee's before the payer's.
        """
        return (
            self.partner is None, self.to_country is None, self.from_country is None, self.account_type is None,
            self.tier is None, self.last_day is None, -self.effective_from.toordinal(), self.last_day or date.max,
            self.payee_bps != WHOLE_BPS,
        )  # fmt: skip

    def fits(self, payer: "Side | None", payee: "Side | None", partner: str) -> bool:
        """Kind of account and tier are those of who pays it: the payee's where all of it is theirs, else the payer's;
        of money that comes in, its owner's."""
        bears = payee if payer is None or (self.payee_bps == WHOLE_BPS and payee is not None) else payer
        return (
            (self.partner is None or self.partner == partner)
            and (self.to_country is None or (payee is not None and self.to_country == payee.country))
            and (self.from_country is None or (payer is not None and self.from_country == payer.country))
            and (self.account_type is None or (bears is not None and self.account_type == bears.account_type))
            and (self.tier is None or (bears is not None and self.tier == bears.tier))
        )


FREE = Fee(0, 0, date.min)
PLAIN = FREE[3:16]


class Side(NamedTuple):
    """What a rule may ask of the payer or payee."""

    country: str
    account_type: str
    tier: int


Sides = Callable[[], tuple[Side | None, Side | None]]


class Waiver(NamedTuple):
    """A customer pays ``bps`` less of what is theirs to pay, from a day to another, both included. None: any kind, any
    currency."""

    id: int
    kind: str | None
    currency: str | None
    bps: int
    effective_from: date
    last_day: date

    def off(self, fee: int) -> int:
        """How much less: the rest is rounded down, for the customer."""
        return fee - less(fee, self.bps)


def less(fee: int, bps: int) -> int:
    """What is left of a fee of which ``bps`` are waived."""
    return fee * (WHOLE_BPS - bps) // WHOLE_BPS


def so_far(cost: tuple[int, int], *, most: tuple[int, int], before: tuple[int, int]) -> tuple[int, int]:
    """What payer and payee have borne of a hold once as much is captured as costs ``cost``: never more than what was
    said when it was placed, and never less than they bore ``before``, where a price falls as the amount rises."""
    payer, payee = (max(min(now, top), bore) for now, top, bore in zip(cost, most, before, strict=True))
    return payer, payee


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
        fees: Sequence[tuple[Any, ...]],
        limits: list[tuple[str | None, str, int, int | None, int | None, int | None, int | None, date]],
        countries: list[tuple[str, str]],
        waivers: Sequence[tuple[Any, ...]] = (),
    ) -> None:
        """Args: fees: kind, currency, then the fields of `Fee`; waivers: customer, then those of `Waiver`."""
        self._fees: dict[tuple[str, str], list[Fee]] = {}
        for kind, currency, *fields in fees:
            self._fees.setdefault((kind, currency), []).append(Fee(*fields))
        for rules in self._fees.values():
            rules.sort(key=lambda rule: rule.rank)
        self._cost = {key for key, rules in self._fees.items() if any(rule.costs for rule in rules)}
        # By day, made when first asked for: the rules in force, or the one that is everybody's if it goes first.
        self._in_force: dict[tuple[str, str, date], Fee | list[Fee]] = {}
        self._waivers: dict[UUID, list[Waiver]] = {}
        for customer, *fields in waivers:
            self._waivers.setdefault(customer, []).append(Waiver(*fields))
        self._limits: dict[tuple[str | None, str, int], list[tuple[date, Limits]]] = {}
        for country, currency, tier, movement, per_day, month, balance, day in limits:
            rows = self._limits.setdefault((country, currency, tier), [])
            rows.append((day, Limits(tier, movement, per_day, month, balance)))
        self._limits_on: dict[tuple[str, str, int, date], Limits | None] = {}  # made when first asked for
        self._zones = {code: ZoneInfo(zone) for code, zone in countries}

    def fee(self, kind: str, currency: str, on: date, sides: Sides | None = None, partner: str = "") -> Fee:
        """The rule in force that is first by `Fee.rank` of those that fit; no rule is no fee.

        ``sides`` tells of payer and payee, and is asked only where a rule is not for everybody.
        """
        found = self._in_force.get((kind, currency, on))
        if found is None:
            found = self._in_force[kind, currency, on] = self._on(kind, currency, on)
        if isinstance(found, Fee):
            return found
        payer, payee = sides() if sides else (None, None)
        return next((rule for rule in found if rule.fits(payer, payee, partner)), FREE)

    def _on(self, kind: str, currency: str, on: date) -> Fee | list[Fee]:
        rules = self.in_force(kind, currency, on) or [FREE]
        return rules[0] if rules[0].is_general else rules

    def in_force(self, kind: str, currency: str, on: date) -> list[Fee]:
        """All rules in force on a day, for whomever they are, in the order in which they are asked."""
        return [
            rule
            for rule in self._fees.get((kind, currency), ())
            if rule.effective_from <= on and (rule.last_day is None or on <= rule.last_day)
        ]

    def met(self, kind: str, currency: str, on: date) -> list[Fee]:
        """Those in force that some movement could meet: for the same people and ways the first, up to everybody's."""
        met: list[Fee] = []
        for rule in self.in_force(kind, currency, on):
            if all(rule[11:16] != one[11:16] for one in met):
                met.append(rule)
            if rule.is_general:
                break
        return met

    def coming(self, kind: str, currency: str, on: date) -> list[Fee]:
        """Those that begin after a day."""
        return [rule for rule in self._fees.get((kind, currency), ()) if rule.effective_from > on]

    def priced(self) -> list[tuple[str, str]]:
        """The kinds and currencies that there are rules for."""
        return sorted(self._fees)

    def ever_costs(self, kind: str, currency: str) -> bool:
        """Whether any rule, whenever in force, asks for a fee."""
        return (kind, currency) in self._cost

    def waiver(self, customer: UUID, kind: str, currency: str, on: date) -> Waiver | None:
        """What a customer was granted for that day; of several the latest counts."""
        fit = (
            one
            for one in self._waivers.get(customer, ())
            if one.effective_from <= on <= one.last_day
            and one.kind in (None, kind)
            and one.currency in (None, currency)
        )
        return max(fit, default=None)

    @property
    def grants(self) -> bool:
        """Whether anybody was granted anything."""
        return bool(self._waivers)

    def limits(self, country: str, currency: str, tier: int, on: date) -> Limits | None:
        """The country's own row in force, else everybody's, else None: and then nothing moves."""
        asked = country, currency, tier, on
        if asked not in self._limits_on:
            rows = [*self._limits.get((country, currency, tier), ()), *self._limits.get((None, currency, tier), ())]
            self._limits_on[asked] = next((limits for day, limits in rows if day <= on), None)
        return self._limits_on[asked]

    def day(self, country: str, at: datetime) -> date:
        """The calendar day there: limits count by it."""
        return at.astimezone(self._zones[country]).date()


def conversion_fee(kind: str, currency: str, amount: int) -> int:
    """What a conversion of ``amount`` minor units costs by today's price for everybody (``settings.FX_FEE``)."""
    return current().fee(kind, currency, datetime.now(UTC).date()).on(amount)


def own_fee(customer: UUID, side: Side) -> Callable[[str, str, int], int]:
    """What a quote costs a customer, who bears all of it: ``(kind, currency, amount)`` at their own price of today,
    less what they were granted. For whom it will be is not known yet."""
    rules = current()
    today = rules.day(side.country, datetime.now(UTC))

    def fee(kind: str, currency: str, amount: int) -> int:
        charged = rules.fee(kind, currency, today, lambda: (side, None)).on(amount)
        waiver = rules.waiver(customer, kind, currency, today)
        return less(charged, waiver.bps) if waiver else charged

    return fee


_kept: tuple[float, Tariff] | None = None


def current() -> Tariff:
    """The tariff, at most a second old: four small statements once a second, whatever the number of batches."""
    global _kept
    now = time.monotonic()
    if _kept is None or now - _kept[0] > KEPT_SECONDS:
        _kept = (now, _read())
    return _kept[1]


def forget() -> None:
    """Read afresh at the next question."""
    global _kept
    _kept = None


def bands_of(kept: Sequence[Sequence[int]] | None) -> tuple[Band, ...]:
    """As they are kept in a row: ``[[above, flat, bps], …]``."""
    return tuple(Band(*band) for band in kept or ())


FIELDS = """flat, bps, effective_from, last_day, bands::text,
       coalesce(bands_are = 'marginal', false), least, most,
       coalesce(round_to, 1), coalesce(rounding, 'half_up'), coalesce(payee_bps, 0), partner, to_country_id,
       from_country_id, account_type, tier, id"""
FEES = f"SELECT kind, currency, {FIELDS} FROM transactions_feerule"  # noqa: S608
BANDS = 4  # where they are in the fields
# Somewhere it is still yesterday, or tomorrow already.
WAIVERS = """
SELECT customer_id, id, kind, currency, bps, effective_from, last_day FROM transactions_feewaiver
WHERE last_day >= current_date - 1
"""


def fee_rows() -> list[tuple[Any, ...]]:
    """Every rule there ever was, as `Tariff` takes them."""
    with connection.cursor() as cursor:
        cursor.execute(FEES)
        rows = cursor.fetchall()
    return [(kind, currency, *fee_of(fields)) for kind, currency, *fields in rows]


def fee_of(fields: Sequence[Any]) -> Fee:
    """One rule, as `FIELDS` are read."""
    return Fee._make([*fields[:BANDS], bands_of(json.loads(fields[BANDS] or "[]")), *fields[BANDS + 1 :]])


def _read() -> Tariff:
    fees = fee_rows()
    with connection.cursor() as cursor:
        cursor.execute(WAIVERS)
        waivers = cursor.fetchall()
        cursor.execute(
            "SELECT country_id, currency, tier, per_movement, per_day, per_month, balance, effective_from"
            " FROM customers_tierlimit ORDER BY effective_from DESC"
        )
        limits = cursor.fetchall()
        cursor.execute("SELECT code, timezone FROM customers_country")
        return Tariff(fees, limits, cursor.fetchall(), waivers)
