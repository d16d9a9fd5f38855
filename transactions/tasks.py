"""The door for the queue and the clock. Arguments are ids; a task may run twice or get lost: the rows are the queue."""

from uuid import UUID

from celery import shared_task

from transactions import proving
from transactions.services import holds, price_trials, rail_calls, rail_messages, relay


@shared_task(name="transactions.tasks.submit_to_rail")
def submit_to_rail(transaction_id: str) -> None:
    rail_calls.submit_to_rail(UUID(transaction_id))


@shared_task(name="transactions.tasks.process_rail_message")
def process_rail_message(message_id: str) -> None:
    rail_messages.process(UUID(message_id))


@shared_task(name="transactions.tasks.sweep")
def sweep() -> None:
    """Finishes what a lost message or worker left. Several may run at once: each takes the rows no other has."""
    rail_messages.sweep()


@shared_task(name="transactions.tasks.sweep_rails")
def sweep_rails() -> None:
    """The same for calls to rails. It waits for their answers, and has the queue of those who do."""
    rail_calls.sweep()


@shared_task(name="transactions.tasks.sweep_holds")
def sweep_holds() -> None:
    """Captures by themselves, or lets expire, the holds whose time has come."""
    holds.sweep()


@shared_task(name="transactions.tasks.try_price")
def try_price(trial_id: str) -> None:
    """For a turn: of a long time it rings for the next."""
    price_trials.run_trial(UUID(trial_id))


@shared_task(name="transactions.tasks.sweep_price_trials")
def sweep_price_trials() -> None:
    """Takes up the prices that are being tried where a lost message or worker left them."""
    price_trials.sweep_trials()


@shared_task(name="transactions.tasks.relay_events")
def relay_events() -> None:
    relay.relay_events()


@shared_task(name="transactions.tasks.prove_books")
def prove_books() -> None:
    """Once a day, at the first tick."""
    proving.prove_daily()
