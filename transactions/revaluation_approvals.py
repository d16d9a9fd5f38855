"""What a second person approves of revaluing our positions (`staff/approvals.py`)."""

from datetime import date
from fractions import Fraction
from typing import Any

from core.money import Money
from fx.pricing import rate_string
from ledger.chart import type_of
from ledger.services import lock_periods
from staff.approvals import About, Fact, Leg, Operation, Preview, Row, lock_name
from staff.models import Approval, User
from transactions.errors import RevaluationRateUnclear
from transactions.services.revaluations import (
    CHOSEN,
    PairValue,
    Plan,
    RateUsed,
    apart,
    mid_of,
    plan_revaluation,
    post_revaluation,
    preview_revaluation,
)

NOTHING_POSTED = "Nothing: no position is worth more or less than it cost"


class RevaluationRequest(Operation):
    """Revaluing the positions at the end of a day.

    ``params``: day; ``rates``, by currency those that were chosen instead of the day's mid; ``because``, why they were.
    If a rate of that day is loaded or corrected before it is decided, the request is stale.
    """

    name = "revaluation"
    title = "Revaluation of positions"
    request = "transactions.revalue"
    check = "transactions.approve_revaluation"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        cleaned: dict[str, Any] = {"day": str(date.fromisoformat(str(params["day"])))}
        rates = {str(code): str(rate) for code, rate in sorted((params.get("rates") or {}).items())}
        because = str(params.get("because") or "").strip()
        if rates and not because:
            raise RevaluationRateUnclear("Say why another rate than that day's mid is right.")
        return cleaned | ({"rates": rates, "because": because} if rates else {})

    def about(self, params: dict[str, Any]) -> About:
        day = date.fromisoformat(params["day"])
        positions = Row("", "", "Our positions")
        return About(title=f"Revalue our positions as of {day:%-d %b %Y}", subject=positions, slot="positions")

    def lock(self, params: dict[str, Any]) -> None:
        """The day stays open, and its revaluation the only one."""
        lock_name("revaluation")
        lock_periods()

    def preview(self, params: dict[str, Any]) -> Preview:
        plan = plan_of(params)
        facts = [Fact("At the end of", f"{plan.day:%-d %b %Y}, UTC"), Fact("Reported in", plan.currency)]
        facts += [Fact(f"Rate {one.base}/{one.quote}", said_rate(one, plan.day)) for one in plan.rates]
        if because := params.get("because"):
            facts.append(Fact("Why another rate", because))
        for one in plan.pairs:
            facts += said_pair(one, plan.currency)
        facts.append(Fact("Unrealised in all", str(Money(plan.result, plan.currency))))
        if plan.before:
            facts.append(Fact("Taken back", said_before(plan)))
        legs = [Leg(name=type_of(line["account"]).name, **line) for line in preview_revaluation(plan)]
        return Preview(facts=facts if legs else [*facts, Fact("Posted", NOTHING_POSTED)], legs=legs)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        done = post_revaluation(plan_of(approval.params), approval=approval, actor=approval.maker, checker=checker)
        return Row("transactions.revaluation", str(done.pk), str(done))


def plan_of(params: dict[str, Any]) -> Plan:
    return plan_revaluation(date.fromisoformat(params["day"]), params.get("rates", {}))


def said_rate(one: RateUsed, day: date) -> str:
    """Of a chosen one also how far it is off the mid, for whoever is to approve it."""
    if one.source != CHOSEN:
        return f"{one.rate}, the mid of that day ({one.source})"
    mid = mid_of(day, one.base, one.quote)
    if mid is None:
        return f"{one.rate}, chosen; that day has no mid"
    return f"{one.rate}, chosen; {said_apart(apart(one.rate, mid))} off the mid of that day, {rate_string(mid)}"


def said_apart(share: Fraction) -> str:
    """``1.1 %``, rounded down."""
    tenths = share * 1_000 // 1
    return f"{tenths // 10}.{tenths % 10} %"


def said_pair(one: PairValue, reporting: str) -> list[Fact]:
    pair = f"{one.base}/{one.quote}"
    return [
        Fact(f"{pair}: held", str(Money(one.held, one.base))),
        Fact(f"{pair}: book value at average cost", str(Money(one.cost, one.quote))),
        Fact(f"{pair}: value at the rate", str(Money(one.value, one.quote))),
        Fact(f"{pair}: unrealised", f"{Money(one.unrealised, one.quote)}, which is {Money(one.result, reporting)}"),
    ]


def said_before(plan: Plan) -> str:
    assert plan.before is not None
    total = sum(one.result for one in plan.before.lines.all())
    return f"{Money(total, plan.before.currency)}, as posted for {plan.before.day:%-d %b %Y}"


revaluation = RevaluationRequest()
