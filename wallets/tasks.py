"""What the clock does to wallets. A freeze is the row; nothing is lost when a message is."""

from celery import shared_task

from wallets import services


@shared_task
def expire_freezes() -> int:
    """Each ten seconds: lift the freezes whose time has come."""
    return services.expire_freezes()
