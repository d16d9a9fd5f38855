"""Which customers a member of staff is, or is linked to: of these they decide nothing alone, and nothing for others.

What concerns money or the standing of such a customer is asked for like any other act that needs a second person
(`staff/approvals.py`), and whoever decides is not linked either: the service refuses, and so does PostgreSQL
(`migrations/0007_staff_links.sql`). Looking is allowed, and marked in the audit trail.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit
from customers.errors import LinkedCustomer, LinkEnded, LinkExists, MayNotRecordLink, NotOwnLink
from customers.models import Customer, StaffLink
from staff.errors import ReasonMissing
from staff.models import Approval, User

Relation = StaffLink.Relation
RECORD = "customers.record_link"
SEE_ALL = "customers.view_all_links"


def linked_customers(user: User) -> dict[UUID, str]:
    """The customers that this member of staff is or is linked to, each with the relation. Two short statements."""
    links = StaffLink.objects.filter(staff=user.pk, ended_at=None)
    found: dict[UUID, str] = dict(links.values_list("customer_id", "relation"))
    if user.email:
        same = Customer.objects.filter(email=user.email.lower()).values_list("pk", flat=True)
        found |= dict.fromkeys(same, Relation.OWN.value)
    return found


def linked_rows(user: User) -> set[str]:
    """The same as approvals name rows (``settings.LINKED_ROWS``): who is linked to one of these decides no request
    about it."""
    return {f"{Customer._meta.label_lower}:{pk}" for pk in linked_customers(user)}


def why_linked(actor: Any, *customers: UUID | None) -> str:
    """Why somebody else must decide what concerns these customers, in words; empty for who is linked to none of them,
    and for all but staff."""
    if not isinstance(actor, User):
        return ""
    linked = linked_customers(actor)
    relations = {linked[pk] for pk in customers if pk in linked}
    if not relations:
        return ""
    if Relation.OWN in relations:
        return "This is about your own account with us."
    return f"This is about somebody you are linked to ({Relation(min(relations)).label})."


def refuse_linked(actor: Any, checker: User | None, *customers: UUID | None) -> None:
    """What every service asks that touches a customer's money or standing. Raises: LinkedCustomer."""
    if checker is None and (why := why_linked(actor, *customers)):
        raise LinkedCustomer(f"{why} A second person decides it.")


def leave_to_colleague(actor: Any, *customers: UUID | None) -> None:
    """The same for what nobody asks a second person for, since any colleague can do it. Raises: LinkedCustomer."""
    if why := why_linked(actor, *customers):
        raise LinkedCustomer(f"{why} Ask a colleague to do it.")


# --- Declaring and ending --------------------------------------------------------------------------------------------


def declare_link(staff: User, customer: Customer, *, relation: str, note: str = "", actor: User) -> StaffLink:
    """Put on record that a member of staff is this customer or is linked to them; it counts at once.

    Of oneself anybody declares; of colleagues who may record links.

    Raises: MayNotRecordLink, LinkExists.
    """
    if staff.pk != actor.pk and not actor.has_perm(RECORD):
        raise MayNotRecordLink()
    link = StaffLink(staff=staff, customer=customer, relation=Relation(relation), note=note.strip(), declared_by=actor)
    try:
        with db_transaction.atomic():
            link.save(force_insert=True)
            after = {"staff": staff.principal, "customer": str(customer.pk), "relation": link.relation}
            audit.record(actor=actor, action="declare_link", subject=link, after=after, reason=link.note)
    except IntegrityError as taken:
        if "staff_link_once" not in str(taken):
            raise
        raise LinkExists() from taken
    return link


def end_link(link: StaffLink, *, reason: str, actor: User) -> StaffLink:
    """The two have nothing to do with each other any more. Not for who it is about: they would decide about themselves.

    Raises: MayNotRecordLink, NotOwnLink, ReasonMissing, LinkEnded. Locks: the link.
    """
    if not actor.has_perm(RECORD):
        raise MayNotRecordLink()
    if link.staff_id == actor.pk:
        raise NotOwnLink()
    if not (reason := reason.strip()):
        raise ReasonMissing()
    with db_transaction.atomic():
        row = StaffLink.objects.select_for_update(no_key=True).get(pk=link.pk)
        if row.ended_at is not None:
            raise LinkEnded()
        row.ended_at, row.ended_by, row.end_reason = timezone.now(), actor, reason
        row.save(update_fields=["ended_at", "ended_by", "end_reason"])
        audit.record(actor=actor, action="end_link", subject=row, before=row.relation, after="ended", reason=reason)
    return row


# --- Looking ---------------------------------------------------------------------------------------------------------

_concerned: dict[str, tuple[str, ...]] = {Customer._meta.label_lower: ("pk",)}


def concerns(model: str, *paths: str) -> None:
    """Whom rows of ``model`` concern: dotted paths to the ids of customers, ``payer.customer_id``."""
    _concerned[model] = paths


def customers_of(subject: Any) -> Iterable[UUID]:
    """The customers that a row concerns, as far as an app has said so (`concerns`); of a request, those it names."""
    if isinstance(subject, Approval):
        named = (key.partition(":") for key in subject.about)
        yield from (UUID(pk) for model, _, pk in named if model == Customer._meta.label_lower)
    for path in _concerned.get(subject._meta.label_lower, ()):
        found: Any = subject
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is not None:
            yield found
