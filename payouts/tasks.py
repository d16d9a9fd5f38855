"""The door for the queue and the clock. The rows are the queue; a task may run twice or get lost."""

from uuid import UUID

from celery import shared_task

from payouts import running, services


@shared_task(name="payouts.tasks.run_payout")
def run_payout(payout_id: str) -> None:
    running.run(UUID(payout_id))


@shared_task(name="payouts.tasks.sweep_payouts")
def sweep_payouts() -> int:
    """Begins what is due, and finishes what a lost message or worker left."""
    return running.run_due()


@shared_task(name="payouts.tasks.expire_payouts")
def expire_payouts() -> int:
    """Each minute: closes what nobody approved in time."""
    return services.expire_payouts()
