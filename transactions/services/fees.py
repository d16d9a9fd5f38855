"""What movements cost: a new fee is a new row with the day from which it counts."""

from datetime import date
from typing import Any

from django.db import IntegrityError
from django.db import transaction as db_transaction

from core import audit
from customers.errors import RuleExists
from customers.services import check_day
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions import tariff
from transactions.models import FeeRule


def add_fee_rule(
    *, kind: str, currency: str, flat: int, bps: int, effective_from: date, actor: Any, checker: User | None = None,
    reason: str = "",
) -> FeeRule:  # fmt: skip
    """From a day on this kind of movement costs ``flat`` minor units plus ``bps`` hundredths of a percent.

    Args:
        checker: the second person, who has approved it (`approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, DayPassed, RuleExists.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("Fees are changed by two people.")
    check_day(effective_from)
    rule = FeeRule(kind=kind, currency=currency, flat=flat, bps=bps, effective_from=effective_from)
    try:
        with db_transaction.atomic():
            rule.save(force_insert=True)
            after = {"kind": kind, "currency": currency, "flat": flat, "bps": bps}
            after |= {"effective_from": str(effective_from)} | ({"approved_by": checker.principal} if checker else {})
            audit.record(actor=actor, action="add_fee_rule", subject=rule, after=after, reason=reason)
            db_transaction.on_commit(tariff.forget)
    except IntegrityError as exc:
        if "fee_rule_once" not in str(exc):
            raise
        raise RuleExists(f"Another fee begins on {effective_from:%d %b %Y}.") from exc
    return rule
