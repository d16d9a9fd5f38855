"""Who approves payouts of a business beside its owner, and how much the owner may approve alone.

The owner names somebody, who accepts. From then on a payout of the business has two pairs of eyes: how much of that the
owner may do without is for an approver to say, and only to be lowered by the owner.
"""

from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.db.models import Q
from django.utils import timezone

from core import audit
from core.ids import uuid7
from core.money import Money
from core.transitions import advance
from customers.authentication import CustomerPrincipal
from customers.models import Customer
from notifications.services import Notice, notify_many
from payouts.errors import (
    ApproverClosed,
    ApproverExists,
    ApproverIsOwner,
    ApproverNotFound,
    NotABusiness,
    OnlyApproversRaise,
    TooManyApprovers,
)
from payouts.models import AloneLimit, Approver, ApproverState
from payouts.selectors import alone_limit, approvers_around
from wallets.parties import Address
from wallets.selectors import masked_name

MOST = 20  # of one business


def name_approver(to: Address, *, actor: CustomerPrincipal) -> Approver:
    """Ask a customer, by phone number or e-mail, to approve for the business of ``actor``.

    Raises: NotABusiness, ApproverNotFound, ApproverIsOwner, ApproverExists, TooManyApprovers. Locks: the owner.
    """
    owner = Customer.objects.get(pk=actor.id)
    if not owner.is_business:
        raise NotABusiness()
    found = Customer.objects.filter(Q(phone_number=to.value) if to.by == "phone" else Q(email=to.value)).first()
    if found is None:
        raise ApproverNotFound()
    if found == owner:
        raise ApproverIsOwner()
    row = Approver(id=uuid7(), business=owner, approver=found, invited_at=timezone.now())
    try:
        with db_transaction.atomic():
            _refuse_many(owner)
            row.save(force_insert=True)
            audit.record(actor=actor, action="name_approver", subject=row, after=f"customer:{found.pk}")
            _tell(row.pk, found.pk, "approver_named", business=owner.full_name)
    except IntegrityError as rival:
        if "payout_approver_once" not in str(rival):
            raise
        raise ApproverExists() from rival
    return row


def _refuse_many(owner: Customer) -> None:
    """Asking sends somebody a text with the name of the business, as does each payout. Raises: TooManyApprovers."""
    Customer.objects.select_for_update(no_key=True).get(pk=owner.pk)
    lately = Q(invited_at__gt=timezone.now() - timedelta(hours=24))
    if Approver.objects.filter(~Q(state=ApproverState.ENDED) | lately, business=owner).count() >= MOST:
        raise TooManyApprovers(most=MOST)


def accept(approver_id: UUID, *, actor: CustomerPrincipal) -> Approver:
    """Agree to approve for a business. Agreed to before is no error. Raises: ApproverNotFound, ApproverClosed."""
    with db_transaction.atomic():
        row = _locked(approver_id, actor)
        if row.approver_id != actor.id:
            raise ApproverNotFound()
        if row.state == ApproverState.ENDED:
            raise ApproverClosed()
        if row.state == ApproverState.INVITED:
            advance(row.accept, actor=actor, at=timezone.now())
            _tell(uuid7(), row.business_id, "approver_accepted", name=masked_name(row.approver.full_name))
    return row


def end(approver_id: UUID, *, actor: CustomerPrincipal) -> Approver:
    """Decline, step down, or take the right away: either side may. Ended before is no error.

    Raises: ApproverNotFound.
    """
    with db_transaction.atomic():
        row = _locked(approver_id, actor)
        if row.state != ApproverState.ENDED:
            by = row.business if actor.id == row.business_id else row.approver
            other = row.approver_id if by == row.business else row.business_id
            advance(row.end, actor=actor, at=timezone.now(), by=by)
            _tell(
                uuid7(),
                other,
                "approver_ended",
                business=row.business.full_name,
                name=masked_name(row.approver.full_name),
            )
    return row


def set_alone(business: UUID, amount: Money, *, actor: CustomerPrincipal) -> AloneLimit:
    """Say up to how much in 24 hours the owner approves alone; 0: nothing. ``business`` is the owner's id.

    Raises: NotABusiness, ApproverNotFound, OnlyApproversRaise.
    """
    with db_transaction.atomic():
        owner = Customer.objects.select_for_update(no_key=True).get(pk=business)
        if not owner.is_business:
            raise NotABusiness()
        before = alone_limit(business, amount.currency)
        if actor.id == business:
            if amount.amount_minor > before:
                raise OnlyApproversRaise()
        elif not Approver.objects.filter(business=business, approver_id=actor.id, state=ApproverState.ACTIVE).exists():
            raise ApproverNotFound()
        row = AloneLimit(
            id=uuid7(), business=owner, currency=amount.currency, amount=amount.amount_minor, set_by_id=actor.id,
            at=timezone.now(),
        )  # fmt: skip
        row.save(force_insert=True)
        audit.record(
            actor=actor, action="set_alone_limit", subject=row, before=before,
            after={"amount_minor": row.amount, "currency": row.currency},
        )  # fmt: skip
        if actor.id != business:
            _tell(row.pk, business, "approver_alone", amount=str(amount) if amount.amount_minor else "")
    return row


def _locked(approver_id: UUID, actor: CustomerPrincipal) -> Approver:
    rows = approvers_around(actor.id).select_for_update(no_key=True, of=("self",))
    row = rows.filter(pk=approver_id).first()
    if row is None:
        raise ApproverNotFound()
    return row


def _tell(event: UUID, customer: UUID, kind: str, **facts: str) -> None:
    notify_many([Notice(event, customer, None, kind, facts)])
