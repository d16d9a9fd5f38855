"""Questions about notifications, always those of one customer."""

from uuid import UUID

from django.db.models import QuerySet

from notifications.models import Notification


def inbox(customer_id: UUID, *, unread: bool = False, before: UUID | None = None) -> QuerySet[Notification]:
    """The customer's notifications, newest first; ``before`` one of them, and only ``unread`` ones where asked."""
    rows = Notification.objects.filter(customer_id=customer_id).order_by("-id")
    if unread:
        rows = rows.filter(read_at=None)
    return rows.filter(id__lt=before) if before else rows
