"""What the clock does to payment requests. The row is the deadline; nothing is lost when a message is."""

from celery import shared_task

from payments import services


@shared_task(name="payments.tasks.expire_requests")
def expire_requests() -> int:
    """Each minute: close what was not paid in time, and note which promises were not confirmed."""
    return services.expire_requests() + services.note_ended_promises()
