"""What the clock does to staff's requests, letters and sessions. The row is the queue: a lost bell loses nothing."""

from celery import shared_task

from staff import approvals, letters, services


@shared_task
def expire_approvals() -> int:
    """Each minute: close the requests that nobody decided in time."""
    return approvals.expire_due()


@shared_task
def send_letters() -> int:
    """Each ten seconds, and when the bell rings: e-mails to staff that are due."""
    return letters.send_due()


@shared_task
def clear_sessions() -> int:
    """Each hour: drop what is left of sessions that are over."""
    return services.clear_sessions()
