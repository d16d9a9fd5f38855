"""The door for the queue and the clock."""

from uuid import UUID

from celery import shared_task

from reports import figures, proofs, saving, services, totals

# Above the time that `services` gives an export, and below half of the broker's visibility timeout.
TIME_LIMIT = services.MOST_SECONDS + 5 * 60


@shared_task(name="reports.tasks.run_export", time_limit=TIME_LIMIT)
def run_export(export_id: str) -> None:
    services.run_export(UUID(export_id))


@shared_task(name="reports.tasks.sweep_exports", time_limit=TIME_LIMIT)
def sweep_exports() -> None:
    """Takes up what a lost message or worker left. Several may run at once: each takes what no other has."""
    services.sweep_exports()


@shared_task(name="reports.tasks.sum_days", time_limit=TIME_LIMIT)
def sum_days() -> None:
    """Once a day, at the first tick after yesterday has settled."""
    totals.sum_daily()


@shared_task(name="reports.tasks.prove_day", time_limit=TIME_LIMIT)
def prove_day() -> None:
    """Once a day, at the first tick at which yesterday is added up and the books were proven after it."""
    proofs.prove_daily()


@shared_task(name="reports.tasks.watch_books", time_limit=TIME_LIMIT)
def watch_books() -> None:
    """Finds within minutes what the daily proof would find by tomorrow."""
    proofs.watch()


@shared_task(name="reports.tasks.keep_figures", time_limit=TIME_LIMIT)
def keep_figures() -> None:
    """What the dashboard shows of all accounts and all customers."""
    figures.keep()


@shared_task(name="reports.tasks.run_saved", time_limit=TIME_LIMIT)
def run_saved() -> None:
    """Asks for the saved exports whose time has come, and writes to the recipients of those that have ended."""
    saving.start_due()
    saving.tell_recipients()
