"""Personal data of one customer in the clear, for one member of staff, for a while: asked for with a reason, on record,
and only so often. How it is masked otherwise: `core/admin/masking.py`. What the customer may be told: `reveals_of`."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.db import transaction as db_transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from core import audit
from customers.errors import CaseIsForCompliance, MayNotReveal, RevealQuotaUsed
from customers.models import Customer, Reveal
from staff.models import User
from staff.roles import Role

PERMISSION = "customers.reveal"
PERIOD = timedelta(hours=24)
# Customers that each member of staff reveals in any 24 hours. Part of the program, as roles are; who is not here: none.
A_DAY: dict[str, int] = {
    Role.SUPPORT: 50,
    Role.SENIOR_SUPPORT: 100,
    Role.COMPLIANCE: 200,
    Role.OPERATIONS: 10,
    Role.AUDITOR: 20,
    Role.ADMINISTRATOR: 50,
}


def reasons_of(agent: User) -> list[Reveal.Because]:
    """What this member of staff may say it is for. Of a case the customer is told nothing: that is for compliance."""
    return [one for one in Reveal.Because if one != Reveal.Because.CASE or agent.role == Role.COMPLIANCE]


class Allowance(NamedTuple):
    """``used`` of ``quota`` in the last 24 hours; ``next_at`` is when one is free again, None while one is."""

    quota: int
    used: int
    next_at: datetime | None

    @property
    def left(self) -> int:
        return max(self.quota - self.used, 0)


def allowance_of(agent: User) -> Allowance:
    """As it is now; `reveal` asks again under the lock."""
    quota = A_DAY.get(agent.role, 0)
    spent = Reveal.objects.filter(agent=agent, at__gt=now() - PERIOD).order_by("at").values_list("at", flat=True)
    times = list(spent)
    is_full = quota and len(times) >= quota
    return Allowance(quota, len(times), times[len(times) - quota] + PERIOD if is_full else None)


def live_reveals(agent: User, customers: Collection[Any]) -> QuerySet[Reveal]:
    """Those of ``customers`` (ids) whose data this member of staff sees at this moment."""
    return Reveal.objects.filter(agent=agent, customer__in=customers, until__gt=now())


def reveals_of(customer_id: UUID) -> QuerySet[Reveal]:
    """Who has seen this customer's data, newest first: for staff, and for the customer."""
    return Reveal.objects.filter(customer=customer_id).select_related("agent").order_by("-id")


def reveal(customer: Customer, *, actor: User, because: str, reason: str) -> Reveal:
    """Show the customer's personal data to ``actor`` for STAFF_REVEAL_MINUTES.

    Whoever sees it already gets the row that says so: nothing is counted twice. A refusal for the quota is on record.
    Args:
        because: one of `reasons_of` the actor; ``reason`` says more, in words.
    Raises: MayNotReveal, CaseIsForCompliance, RevealQuotaUsed.
    Locks: the member of staff, so that of several at once no more pass than are left.
    """
    with db_transaction.atomic():
        agent = User.objects.select_for_update(no_key=True).get(pk=actor.pk)
        if not agent.has_perm(PERMISSION):
            raise MayNotReveal()
        if Reveal.Because(because) not in reasons_of(agent):
            raise CaseIsForCompliance()
        if (seen := live_reveals(agent, [customer.pk]).first()) is not None:
            return seen
        allowance = allowance_of(agent)
        if allowance.left:
            at = now()
            row = Reveal.objects.create(
                agent=agent, customer=customer, because=Reveal.Because(because), reason=reason, at=at,
                until=at + timedelta(minutes=settings.STAFF_REVEAL_MINUTES),
            )  # fmt: skip
            after = {"because": row.because, "until": row.until.isoformat(), "number": allowance.used + 1}
            audit.record(actor=agent, action="reveal", subject=customer, after=after, reason=reason)
            return row
        refusal = refused(allowance)
        after = {"code": refusal.code, "quota": allowance.quota}
        audit.record(actor=agent, action="reveal_refused", subject=customer, after=after, reason=reason)
    raise refusal


def refused(allowance: Allowance) -> RevealQuotaUsed:
    if allowance.next_at is None:
        return RevealQuotaUsed("Your role reveals none.", quota=0)
    wait = max(int((allowance.next_at - now()).total_seconds()) + 1, 1)
    text = f"That is {allowance.quota}. The next one is free at {free_at(allowance.next_at)}."
    return RevealQuotaUsed(text, quota=allowance.quota, retry_after=wait)


def free_at(at: datetime) -> str:
    """To the minute, and never too early."""
    return f"{at + timedelta(minutes=1):%H:%M UTC on %-d %b}"
