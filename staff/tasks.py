"""What the clock does to staff's requests and sessions. The request is the row; nothing is lost when a message is."""

from celery import shared_task

from staff import approvals, services


@shared_task
def expire_approvals() -> int:
    """Each minute: close the requests that nobody decided in time."""
    return approvals.expire_due()


@shared_task
def clear_sessions() -> int:
    """Each hour: drop what is left of sessions that are over."""
    return services.clear_sessions()
