"""What the clock does to statements. The row is the queue; a tick that is lost costs seconds."""

from celery import shared_task

from statements import services


@shared_task(name="statements.tasks.make_statements")
def make_statements() -> int:
    """Make those whose period is over. Several may run at once: each takes what no other has."""
    return services.make_due()
