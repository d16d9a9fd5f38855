"""The bell: after commit, tells a worker that a row waits for it.

The row is the queue and a sweep finds it anyway, so a bell that does not ring costs seconds and never an error: it has
its own connection with short timeouts, tries once, and after a failure stays quiet for a while, so that a broker that
is down slows one request, not each.
"""

import logging
import time
from functools import cache, partial

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import pools
from kombu.connection import Connection

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.5
QUIET_SECONDS = 5.0
_quiet_until = 0.0


def ring(task: str, *args: object) -> None:
    """Send ``task`` by its dotted name once the caller's database transaction has committed (at once outside of one).

    Args are ids; they travel as strings. Never raises and never waits longer than about a second.
    """
    transaction.on_commit(partial(_send, task, [str(arg) for arg in args]))


def _send(task: str, args: list[str]) -> None:
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        producers = pools.producers[_door(settings.CELERY_BROKER_URL)]
        with producers.acquire(block=True, timeout=TIMEOUT_SECONDS) as producer:
            current_app.send_task(task, args, producer=producer, retry=False, ignore_result=True)
    except Exception as exc:  # sockets, kombu and the client each have their own family of errors
        _quiet_until = time.monotonic() + QUIET_SECONDS
        logger.warning("the bell did not ring: %s", type(exc).__name__, extra={"task": task})


@cache
def _door(url: str) -> Connection:
    timeouts = {"socket_timeout": TIMEOUT_SECONDS, "socket_connect_timeout": TIMEOUT_SECONDS, "max_retries": 0}
    return Connection(url, transport_options=settings.CELERY_BROKER_TRANSPORT_OPTIONS | timeouts)
