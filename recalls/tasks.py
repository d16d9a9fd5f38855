"""What the clock does to recalls. The row is the deadline; nothing is lost when a message is."""

from celery import shared_task

from recalls import services


@shared_task(name="recalls.tasks.expire_recalls")
def expire_recalls() -> int:
    """Each minute: close what nobody answered in time, and let its money go."""
    return services.expire_recalls()
