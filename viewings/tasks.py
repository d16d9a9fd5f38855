"""What the clock does to views. Pages look at the clock themselves."""

from celery import shared_task

from viewings import services


@shared_task(name="viewings.tasks.end_viewings")
def end_viewings() -> int:
    """Each minute: write down which views are over, and tell their customers."""
    return services.end_viewings()
