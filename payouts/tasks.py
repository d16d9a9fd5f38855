"""The door for the queue and the clock. The rows are the queue; a task may run twice or get lost."""

from uuid import UUID

from celery import shared_task

from payouts import running


@shared_task(name="payouts.tasks.run_payout")
def run_payout(payout_id: str) -> None:
    running.run(UUID(payout_id))


@shared_task(name="payouts.tasks.sweep_payouts")
def sweep_payouts() -> int:
    """Begins what is due, and finishes what a lost message or worker left."""
    return running.run_due()
