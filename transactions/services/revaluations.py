"""Revaluing what we hold of each currency at the end of a day: what it is worth beyond its cost, put into the books.

Always by two people (`revaluation_approvals.py`). Positions stay as they are, for no money moved: the unrealised result
is posted in the reporting currency, pair by pair, and what the revaluation before it had posted is taken back with it.
So `equity:fx_revaluation` and `income:fx_unrealised` always say what the latest one found.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit, context
from core.days import end_of
from core.money import MAX_MINOR
from fx.errors import RateMissing, RateStale
from fx.pricing import rate_string
from fx.selectors import Snapshot, in_minor, read_snapshot, turned
from ledger.selectors import closed_through
from ledger.services import SETTLES_IN
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from transactions import journals, positions
from transactions.errors import (
    NothingToRevalue,
    RevaluationDayClosed,
    RevaluationDayOpen,
    RevaluationDone,
    RevaluationRateUnclear,
)
from transactions.models import Kind, Revaluation, RevaluationLine
from transactions.movements import Movement
from transactions.positions import BASES, Pair
from transactions.posting import dry_run, post

REASON = "fx_revaluation"
CHOSEN = "chosen"  # the source of a rate that finance chose
RATE = re.compile(r"[0-9]{1,16}(\.[0-9]{1,12})?", re.ASCII)


class RateUsed(NamedTuple):
    """``rate`` units of ``quote`` for one of ``base``, one of which is the reporting currency; and where it is from."""

    base: str
    quote: str
    rate: str
    source: str


class PairValue(NamedTuple):
    """One pair at the rates: as `RevaluationLine` keeps it."""

    base: str
    quote: str
    held: int
    cost: int
    value: int
    unrealised: int
    result: int


@dataclass(frozen=True)
class Plan:
    """What revaluing a day would post. ``before``: the revaluation that it would take back."""

    day: date
    currency: str
    rates: list[RateUsed]
    pairs: list[PairValue]
    before: Revaluation | None

    @property
    def result(self) -> int:
        return sum(one.result for one in self.pairs)


def mid_of(day: date, base: str, quote: str) -> Fraction | None:
    """As quoting would have read it at the end of the day; None where it was missing or too old."""
    try:
        return read_snapshot(end_of(day) - timedelta(microseconds=1)).benchmark(base, quote).rate
    except (RateStale, RateMissing):
        return None


def apart(rate: str, mid: Fraction) -> Fraction:
    """How far a rate is off the mid, as a share of that."""
    return abs(Fraction(Fraction(rate), mid) - 1)


def pair_of(currency: str, reporting: str) -> tuple[str, str]:
    """Which way round the rate between them is said: as of any pair, by the first of `positions.BASES`."""
    one, other = sorted((currency, reporting), key=BASES.index)
    return one, other


def plan_revaluation(day: date, chosen: Mapping[str, str]) -> Plan:
    """What revaluing the positions at the end of ``day`` comes to now; writes nothing.

    Args:
        chosen: by currency, a rate to the reporting one as `pair_of` says it; of all others that day's mid is taken.
    Raises: RevaluationDayOpen, RevaluationDayClosed, RevaluationDone, NothingToRevalue, RevaluationRateUnclear,
    RateStale, RateMissing.
    """
    before = _check_day(day)
    reporting, last_moment = settings.REPORTING_CURRENCY, end_of(day) - timedelta(microseconds=1)
    taken_back = {(one.base, one.quote) for one in before.lines.exclude(result=0)} if before else set()
    pairs = [one for one in positions.results(last_moment) if one.held or (one.base, one.quote) in taken_back]
    if not pairs:
        raise NothingToRevalue()
    needed = {code for one in pairs if one.held for code in (one.base, one.quote)} - {reporting}
    if unknown := sorted(set(chosen) - needed):
        raise RevaluationRateUnclear(f"No position depends on a rate of {', '.join(unknown)[:40]}.")
    known = read_snapshot(last_moment)
    rates = [_rate(code, reporting, chosen, known) for code in sorted(needed, key=BASES.index)]
    worth = {reporting: Fraction(1)} | {_other(one, reporting): _worth(one, reporting) for one in rates}
    valued = [_valued(one, worth) for one in pairs]
    if any(max(abs(one.value), abs(one.unrealised), abs(one.result)) > MAX_MINOR for one in valued):
        raise RevaluationRateUnclear("At these rates a position is worth more than the books can hold.")
    return Plan(day, reporting, rates, valued, before)


def preview_revaluation(plan: Plan) -> list[dict[str, Any]]:
    """The lines that it would post now, with balances."""
    orders = [order for _, order in _movements(plan, "job:preview", "")]
    if not orders:
        return []
    outcome, world = dry_run(*orders)
    outcome.or_raise()
    return world.lines()


def post_revaluation(plan: Plan, *, approval: Approval, actor: User, checker: User | None) -> Revaluation:
    """Take back what the revaluation before has posted, and post this one: a journal for each pair and each way.

    Raises: ApprovalNeeded; RevaluationDone, for the day itself or a later one.
    Locks: the two accounts of each reporting currency; the caller has locked periods and other revaluations
    (`revaluation_approvals.py`).
    """
    if checker is None or checker.pk == actor.pk:
        raise ApprovalNeeded("Positions are revalued by two people.")
    with db_transaction.atomic():
        revaluation = Revaluation.objects.create(
            day=plan.day, currency=plan.currency, rates=[one._asdict() for one in plan.rates], approval=approval
        )
        named = _movements(plan, actor.principal, approval.reason)
        outcomes = post([order for _, order in named])
        posted = {name: outcome.or_raise().transaction for (name, _), outcome in zip(named, outcomes, strict=True)}
        undone = {(one.base, one.quote): one for one in plan.before.lines.exclude(result=0)} if plan.before else {}
        RevaluationLine.objects.bulk_create(
            RevaluationLine(
                revaluation=revaluation, **one._asdict(), movement_id=posted.get((one.base, one.quote, "new")),
                undoes=undone.get((one.base, one.quote)), undo_id=posted.get((one.base, one.quote, "undo")),
            )
            for one in plan.pairs
        )  # fmt: skip
        after = {"day": str(plan.day), "currency": plan.currency, "result_minor": plan.result}
        after |= {"approved_by": checker.principal}
        audit.record(actor=actor, action="revalue_positions", subject=revaluation, after=after, reason=approval.reason)
    return revaluation


def latest() -> Revaluation | None:
    return Revaluation.objects.order_by("-day").first()


def utc_now() -> datetime:
    return timezone.now()


def _check_day(day: date) -> Revaluation | None:
    """The revaluation before that day."""
    if end_of(day) > utc_now() - SETTLES_IN:
        raise RevaluationDayOpen(f"{day:%-d %b %Y} is over ten minutes after midnight, UTC.")
    closed, last = closed_through(), latest()
    if closed and day <= closed:
        raise RevaluationDayClosed(f"The books are closed through {closed:%-d %b %Y}.", closed_through=str(closed))
    if last and day <= last.day:
        raise RevaluationDone(f"The latest revaluation is of {last.day:%-d %b %Y}.", day=str(last.day))
    return last


def _rate(code: str, reporting: str, chosen: Mapping[str, str], known: Snapshot) -> RateUsed:
    base, quote = pair_of(code, reporting)
    if code not in chosen:
        found = known.benchmark(base, quote)
        return RateUsed(base, quote, rate_string(found.rate), found.said)
    if not RATE.fullmatch(chosen[code]) or not Fraction(chosen[code]):
        raise RevaluationRateUnclear(f"{chosen[code][:40]!r} is no rate of {base}/{quote}.")
    return RateUsed(base, quote, rate_string(Fraction(chosen[code])), CHOSEN)


def _other(one: RateUsed, reporting: str) -> str:
    return one.quote if one.base == reporting else one.base


def _worth(one: RateUsed, reporting: str) -> Fraction:
    """Minor units of the reporting currency for one of the other."""
    rate, other = Fraction(one.rate), _other(one, reporting)
    return (rate if one.base == other else turned(rate)) * in_minor(other, reporting)


def _valued(pair: Pair, worth: Mapping[str, Fraction]) -> PairValue:
    if not pair.held:  # what its last trade left is realised
        return PairValue(pair.base, pair.quote, 0, 0, 0, 0, 0)
    unrealised = pair.unrealised(Fraction(worth[pair.base], worth[pair.quote]))
    result = unrealised * worth[pair.quote].numerator // worth[pair.quote].denominator
    return PairValue(pair.base, pair.quote, pair.held, pair.cost, unrealised + pair.cost, unrealised, result)


def _movements(plan: Plan, caller: str, reason: str) -> list[tuple[tuple[str, str, str], Movement]]:
    """By pair and way: first what is taken back, then what is posted. Nothing comes to no movement."""
    moves = []
    if before := plan.before:
        posted = before.lines.exclude(result=0)
        moves = [(one.base, one.quote, "undo", -one.result, before.currency) for one in posted]
    moves += [(one.base, one.quote, "new", one.result, plan.currency) for one in plan.pairs if one.result]
    return [
        ((base, quote, way), _movement(plan.day, f"{base}/{quote}", way, result, currency, caller, reason))
        for base, quote, way, result, currency in moves
    ]


def _movement(day: date, pair: str, way: str, result: int, currency: str, caller: str, reason: str) -> Movement:
    """At the day's last moment, to which positions and rates belong."""
    debited, credited = journals.revaluation_lines(result, currency)
    return Movement(
        kind=Kind.ADJUSTMENT, amount=abs(result), currency=currency, caller=caller,
        key=f"revaluation-{day}-{pair}-{way}", debit=debited.account, credit=credited.account,
        memo=f"revaluation of {pair}, {'taken back' if way == 'undo' else str(day)}", reason_code=REASON, reason=reason,
        effective_at=end_of(day) - timedelta(microseconds=1), request_id=context.request_id.get(),
    )  # fmt: skip
