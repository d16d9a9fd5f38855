"""Jobs that run once a day, whatever clock, broker and workers do: ticks come often, and the row decides.

A tick that finds the day's row taken passes by. An attempt without an end is taken up again when no task can still be
at it, three times at most. A row and its time, and not a session's advisory lock: behind a pooler sessions are shared.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from core.models import JobRun

logger = logging.getLogger(__name__)

ATTEMPTS = 3
CLAIM = """
INSERT INTO core_jobrun AS run (job, business_date, attempts, started_at)
VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 1, now())
ON CONFLICT (job, business_date) DO UPDATE SET attempts = run.attempts + 1, started_at = now()
WHERE run.finished_at IS NULL AND run.attempts < %s AND run.started_at < now() - %s * interval '1 second'
RETURNING id, business_date, attempts
"""


@contextmanager
def once_a_day(job: str) -> Iterator[date | None]:
    """The business date (UTC, by the database's clock) to whoever may work for it now; None to everybody else.

    Finished when the block ends without an exception. Database rows of its own, outside the block's transactions: not
    to be used inside one.
    """
    lease = settings.CELERY_TASK_TIME_LIMIT + 60
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, [job, ATTEMPTS, lease])
        claimed = cursor.fetchone()
    if claimed is None:
        yield None
        return
    run_id, business_date, attempt = claimed
    if attempt > 1:
        logger.error("a daily job is tried again", extra={"job": job, "attempt": attempt})
    yield business_date
    # An attempt that was given up for lost, and was not, marks nothing of its successor's.
    JobRun.objects.filter(pk=run_id, attempts=attempt).update(finished_at=Now())
