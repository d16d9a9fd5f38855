"""What the clock does to standing orders. The rows say what is due; nothing is lost when a message is."""

from celery import shared_task

from schedules import running


@shared_task(name="schedules.tasks.run_standing_orders")
def run_standing_orders() -> int:
    """Each minute: begin what is due, pay it, close what has ended."""
    return running.run_standing_orders()
