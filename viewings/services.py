"""Verbs: begin to view as a customer, and end it. The customer is told when it has ended."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction as db_transaction
from django.utils.timezone import now

from core import audit
from core.admin.lists import first_id_at
from customers.errors import CustomerSuspended, LinkedCustomer
from customers.links import why_linked
from customers.models import Customer, CustomerState
from notifications.services import Notice, notify_many
from staff.models import Session, User
from staff.sessions import live as live_session
from viewings.accesses import agent_code, said_why
from viewings.models import Viewing, ViewingEnd
from viewings.selectors import VIEW_AS, live

# Views that nobody ended are ended by the clock within a minute; after so long without a clock they stay as they are.
LOOKED_BACK = timedelta(days=30)


def refuse_view(customer: Customer, agent: User) -> None:
    """Raises: CustomerSuspended, LinkedCustomer."""
    if customer.state != CustomerState.ACTIVE:
        raise CustomerSuspended("Their app shows only that the account is on hold, so there is nothing to see.")
    if why_not := why_linked(agent, customer.pk):
        raise LinkedCustomer(f"{why_not} A colleague looks at what the app shows.")


def start_viewing(customer: Customer, *, agent: User, session_began_at: datetime, why: str, note: str) -> Viewing:
    """See what this customer's app shows, for VIEWING_MINUTES. Of an agent's views this one ends any other.

    Args:
        session_began_at: when the session of ``agent`` in which it is asked for began; the view ends with it.
        why: one of Viewing.Why; ``note`` says more, for us alone.
    Raises: CustomerSuspended: their app shows nothing but that. LinkedCustomer: nobody serves themselves or their own.
    Locks: the member of staff, so that of several at once one stays.
    """
    refuse_view(customer, agent)
    with db_transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=agent.pk)
        for other in live(agent):
            end_viewing(other, ViewingEnd.How.ANOTHER)
        at = now()
        viewing = Viewing.objects.create(
            customer=customer, agent=agent, role=agent.role, why=Viewing.Why(why), note=note,
            session_began_at=session_began_at, started_at=at,
            ends_at=at + timedelta(minutes=settings.VIEWING_MINUTES),
        )  # fmt: skip
        after = {"viewing": str(viewing.pk), "why": viewing.why, "ends_at": viewing.ends_at.isoformat()}
        audit.record(actor=agent, action="start_viewing", subject=customer, after=after, reason=note)
    return viewing


def end_viewing(viewing: Viewing, how: str, at: datetime | None = None) -> bool:
    """It is over; the customer is told of it, once. Whether it was this call that ended it."""
    at = min(at or now(), viewing.ends_at)
    with db_transaction.atomic():
        end, is_new = ViewingEnd.objects.get_or_create(viewing=viewing, defaults={"at": at, "how": how})
        if is_new:
            after = {"viewing": str(viewing.pk), "how": end.how}
            actor = viewing.agent if how == ViewingEnd.How.DONE else None
            audit.record(actor=actor, action="end_viewing", subject=viewing.customer, after=after)
            notify_many([notice_of(viewing, end)])
    return is_new


def notice_of(viewing: Viewing, end: ViewingEnd) -> Notice:
    minutes = max(round((end.at - viewing.started_at).total_seconds() / 60), 1)
    facts = {
        "at": f"{viewing.started_at:%-d %b %Y at %H:%M} UTC",
        "minutes": "one minute" if minutes == 1 else f"{minutes} minutes",
        "why": said_why(viewing),
        "agent": agent_code(viewing.agent_id),
    }
    return Notice(viewing.pk, viewing.customer_id, None, "account_viewed", facts)


def end_viewings() -> int:
    """End what is over: by the clock, with the agent's session, or because the agent may no longer; how many it were.

    Pages ask all this for themselves: nothing is shown after it, whether this runs or not.
    """
    at, count = now(), 0
    waiting = Viewing.objects.filter(end=None, pk__gte=first_id_at(at - LOOKED_BACK))
    for viewing in waiting.select_related("customer", "agent"):
        how = over_by_now(viewing, at)
        count += bool(how) and end_viewing(viewing, how, at)
    return count


def over_by_now(viewing: Viewing, at: datetime) -> str:
    if at >= viewing.ends_at:
        return ViewingEnd.How.TIME
    if not viewing.agent.has_perm(VIEW_AS):
        return ViewingEnd.How.RIGHT
    sessions = Session.objects.filter(live_session(at), user=viewing.agent_id, started_at=viewing.session_began_at)
    return "" if sessions.exists() else ViewingEnd.How.SESSION
