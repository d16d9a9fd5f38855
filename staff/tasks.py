"""What the clock does to staff's requests. The request is the row; nothing is lost when a message is."""

from celery import shared_task

from staff import approvals


@shared_task
def expire_approvals() -> int:
    """Each minute: close the requests that nobody decided in time."""
    return approvals.expire_due()
