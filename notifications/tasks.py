"""The door for the queue and the clock."""

from celery import shared_task

from notifications import services


@shared_task(name="notifications.tasks.deliver")
def deliver(delivery_id: str) -> None:
    services.deliver(int(delivery_id))


@shared_task(name="notifications.tasks.sweep_deliveries")
def sweep_deliveries() -> None:
    services.deliver_due()
