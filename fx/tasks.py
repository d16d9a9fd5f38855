"""What the clock does to rates: fetch them, where a source has an address."""

from celery import shared_task

from fx import services


@shared_task(name="fx.tasks.fetch_rates")
def fetch_rates() -> int:
    """Each five minutes; a daily source is asked once a business day."""
    return services.fetch_all_due()
