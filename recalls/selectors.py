"""Questions about recalls. A customer's come filtered by the customer: somebody else's is a missing one."""

from uuid import UUID

from django.db.models import QuerySet

from core.errors import TekanaError
from core.money import Money
from recalls.errors import RecallNotFound, RecallOpen
from recalls.models import Recall, RecallState

RELATED = ("transaction", "reason", "sender", "recipient")


def recalls_of(recipient_id: UUID) -> QuerySet[Recall]:
    """What is or was asked back of this customer, the newest first."""
    return Recall.objects.filter(recipient_id=recipient_id).select_related(*RELATED)


def recall_of(recipient_id: UUID, recall_id: UUID) -> Recall:
    """Raises: RecallNotFound, also for somebody else's."""
    recall = recalls_of(recipient_id).filter(pk=recall_id).first()
    if recall is None:
        raise RecallNotFound()
    return recall


def why_not_reversed(transaction: UUID) -> TekanaError | None:
    """What is against reversing it (``settings.REVERSAL_OBSTACLES``): a recall of it that is open."""
    recall = open_recalls().filter(transaction=transaction).first()
    if recall is None:
        return None
    held, until = Money(recall.held, recall.currency), f"{recall.deadline_at:%-d %b %Y %H:%M} UTC"
    return RecallOpen(
        f"{held} of it is held at the recipient until {until}.", recall_id=str(recall.pk),
        row=f"recalls.recall:{recall.pk}",
    )  # fmt: skip


def open_recalls() -> QuerySet[Recall]:
    return Recall.objects.filter(state=RecallState.OPEN)
