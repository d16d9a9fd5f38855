"""What a second person approves of the books as a whole (`staff/approvals.py`)."""

from datetime import date, timedelta
from typing import Any

from core.days import end_of, midnight
from core.money import Money
from ledger.selectors import last_proof
from ledger.services import check_closable, close_period, lock_periods
from reports.balances import Basis, Period, trial_balance
from reports.errors import PeriodHasBreaks
from reports.models import DailyProof
from reports.totals import first_day, utc_now
from staff.approvals import About, Fact, Operation, Preview, Row
from staff.models import Approval, User

NAMED = 10  # days that are named; of more it is said how many


class PeriodClosing(Operation):
    """Closing the books through the end of a day. ``params``: through (a day).

    What the days came to, by their business time, is what is agreed to: if something comes in for one of them before
    it is decided, the request is stale. Nothing can while it is being approved.
    """

    name = "close_period"
    title = "Closing a period"
    request = "ledger.close_period"
    check = "ledger.approve_close"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"through": str(date.fromisoformat(str(params["through"])))}

    def about(self, params: dict[str, Any]) -> About:
        through = date.fromisoformat(params["through"])
        books = Row("", "", "The books")
        return About(title=f"Close the books through {through:%-d %b %Y}", subject=books, slot="the books")

    def lock(self, params: dict[str, Any]) -> None:
        lock_periods()

    def preview(self, params: dict[str, Any]) -> Preview:
        through = date.fromisoformat(params["through"])
        last = check_closable(through)
        first = last.last_day + timedelta(days=1) if last else first_day() or through
        proofs = list(DailyProof.objects.filter(day__gte=first, day__lte=through).select_related("sign_off"))
        unsigned = [one for one in proofs if not hasattr(one, "sign_off")]
        if broken := [one.day for one in unsigned if not one.ok]:
            raise PeriodHasBreaks(f"Nobody has answered for what the daily proofs found: {in_words(broken)}.")
        days = (through - first).days + 1
        facts = [
            Fact("From", f"{first:%-d %b %Y}" if last else f"the beginning, {first:%-d %b %Y}"),
            Fact("Through the end of", f"{through:%-d %b %Y}, UTC"),
        ]
        period = Period(midnight(first), end_of(through), Basis.EFFECTIVE, known_at=utc_now())
        for section in trial_balance(period):
            (debits, credits), currency = section.totals.moved, section.currency
            facts.append(Fact(f"{currency}, debits", str(Money(debits, currency))))
            facts.append(Fact(f"{currency}, credits", str(Money(credits, currency))))
        proven = last_proof()
        context = [
            Fact("Books proven", f"{proven.at:%-d %b %Y %H:%M} UTC" if proven else "never"),
            Fact("Daily proofs", f"{len(proofs)} of {days} days"),
            Fact("Signed off", f"{len(proofs) - len(unsigned)} of {len(proofs)}"),
        ]
        if unsigned:
            context.append(Fact("Not signed off", in_words([one.day for one in unsigned])))
        return Preview(facts=facts, context=context)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        through = date.fromisoformat(approval.params["through"])
        closed = close_period(through, actor=approval.maker, note=approval.reason, checker=checker)
        return Row("ledger.periodclose", str(closed.pk), f"Books closed through {through:%-d %b %Y}")


def in_words(days: list[date]) -> str:
    said = ", ".join(f"{day:%-d %b %Y}" for day in sorted(days)[:NAMED])
    return f"{said} and {len(days) - NAMED} more" if len(days) > NAMED else said


closing = PeriodClosing()
