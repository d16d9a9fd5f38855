"""What movements cost: a new fee is a new row with the day from which it counts. And what reversals do with it."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import IntegrityError
from django.db import transaction as db_transaction

from core import audit
from core.audit import actor_name
from customers.errors import RuleExists
from customers.models import Customer
from customers.services import check_day
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions import tariff
from transactions.errors import FeePolicyUnclear, WaiverUnclear
from transactions.models import FeeRule, FeeWaiver, ReversalReason


def add_fee_rule(
    *, kind: str, currency: str, flat: int, bps: int, effective_from: date, actor: Any, checker: User | None = None,
    reason: str = "", terms: Mapping[str, Any] | None = None,
) -> FeeRule:  # fmt: skip
    """From a day on this kind of movement costs ``flat`` minor units plus ``bps`` hundredths of a percent.

    Args:
        terms: the other columns of `FeeRule`, as far as they say something: bands, bounds, rounding, who bears it, for
            whom, until when.
        checker: the second person, who has approved it (`approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, DayPassed, RuleExists.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("Fees are changed by two people.")
    check_day(effective_from)
    terms = dict(terms or {})
    rule = FeeRule(kind=kind, currency=currency, flat=flat, bps=bps, effective_from=effective_from, **terms)
    try:
        with db_transaction.atomic():
            rule.save(force_insert=True)
            after = {"kind": kind, "currency": currency, "flat": flat, "bps": bps}
            after |= {name: str(value) if isinstance(value, date) else value for name, value in terms.items()}
            after |= {"effective_from": str(effective_from)} | ({"approved_by": checker.principal} if checker else {})
            audit.record(actor=actor, action="add_fee_rule", subject=rule, after=after, reason=reason)
            db_transaction.on_commit(tariff.forget)
    except IntegrityError as exc:
        if "fee_rule_once" not in str(exc):
            raise
        raise RuleExists(f"Another fee begins on {effective_from:%-d %b %Y}.") from exc
    return rule


def grant_waiver(
    *, customer: Customer, kind: str | None, currency: str | None, bps: int, effective_from: date, last_day: date,
    actor: Any, checker: User | None = None, reason: str,
) -> FeeWaiver:  # fmt: skip
    """The customer pays ``bps`` hundredths of a percent less of their fees on these days; of several the latest counts,
    so that one of 0 ends another. None: any kind, any currency.

    Args:
        checker: the second person, who has approved it (`approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, DayPassed, WaiverUnclear.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("Customers are spared their fees by two people.")
    check_day(effective_from)
    if last_day < effective_from or not 0 <= bps <= tariff.WHOLE_BPS:
        raise WaiverUnclear()
    days = {"effective_from": effective_from, "last_day": last_day}
    with db_transaction.atomic():
        waiver = FeeWaiver.objects.create(
            customer=customer, kind=kind, currency=currency, bps=bps, **days, reason=reason,
            granted_by=actor_name(actor),
        )  # fmt: skip
        after: dict[str, Any] = {"kind": kind, "currency": currency, "bps": bps, "waiver": waiver.pk}
        after |= {name: str(day) for name, day in days.items()}
        after |= {"approved_by": checker.principal} if checker else {}
        for subject in (waiver, customer):
            audit.record(actor=actor, action="grant_fee_waiver", subject=subject, after=after, reason=reason)
        db_transaction.on_commit(tariff.forget)
    return waiver


def set_reversal_reason(
    *, code: str, title: str, refunds_fee: bool, fee_by_share: bool, is_active: bool, actor: Any,
    checker: User | None = None, reason: str = "",
) -> ReversalReason:  # fmt: skip
    """A new reason to reverse, or what one says and does with the fee from now on; earlier reversals stay as they were.

    Args:
        checker: the second person, who has approved it (`approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, FeePolicyUnclear. Locks: the reason.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("What a reversal does with the fee is changed by two people.")
    if fee_by_share and not refunds_fee:
        raise FeePolicyUnclear()
    fields = {"title": title, "refunds_fee": refunds_fee, "fee_by_share": fee_by_share, "is_active": is_active}
    with db_transaction.atomic():
        before = ReversalReason.objects.select_for_update().filter(pk=code).values(*fields).first()
        row, _ = ReversalReason.objects.update_or_create(code=code, defaults=fields)
        after = fields | ({"approved_by": checker.principal} if checker else {})
        audit.record(actor=actor, action="set_reversal_reason", subject=row, before=before, after=after, reason=reason)
    return row
