"""The door for the clock."""

from celery import shared_task

from evidence import checks, services


@shared_task(name="evidence.tasks.seal")
def seal() -> None:
    """Seals what is settled. One at a time: a second one passes by."""
    services.seal()


@shared_task(name="evidence.tasks.publish_head")
def publish_head() -> None:
    """Sends the head to its file, and once a day to those who get it by e-mail."""
    services.publish_head()
    services.mail_head()
    services.warn_when_behind()


@shared_task(name="evidence.tasks.check_chain")
def check_chain() -> None:
    """Once a day, at the first tick."""
    checks.check_daily()
