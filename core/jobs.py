"""Jobs that run once a day, whatever clock, broker and workers do: ticks come often, and the row decides.

A tick that finds the day's row taken passes by. An attempt without an end is taken up again when no task can still be
at it, three times at most; then it waits for a person. A row and its time, and not a session's advisory lock: behind a
pooler sessions are shared.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from core import failures
from core.errors import JobCannotBeRetried
from core.models import FailedJob, JobRun

logger = logging.getLogger(__name__)

ATTEMPTS = 3
CLAIM = """
INSERT INTO core_jobrun AS run (job, business_date, attempts, started_at)
VALUES (%s, (now() AT TIME ZONE 'UTC')::date, 1, now())
ON CONFLICT (job, business_date) DO UPDATE SET attempts = run.attempts + 1, started_at = now()
WHERE run.finished_at IS NULL AND run.attempts < %s AND run.started_at < now() - %s * interval '1 second'
RETURNING id, business_date, attempts
"""
LOST = """
SELECT id, job, business_date, attempts FROM core_jobrun run
WHERE job = %s AND business_date = (now() AT TIME ZONE 'UTC')::date
  AND finished_at IS NULL AND attempts >= %s AND started_at < now() - %s * interval '1 second'
  AND NOT EXISTS (SELECT FROM core_failedjob f
                  WHERE f.kind = %s AND f.subject_id = run.id::text AND f.state <> 'retried')
"""
AT_ONCE = "UPDATE core_jobrun SET attempts = 0, started_at = now() - interval '1 day' WHERE id = %s"


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
            cursor.execute(LOST, [job, ATTEMPTS, lease, DailyJob.name])
            for run in cursor.fetchall():
                give_up(*run)
    if claimed is None:
        yield None
        return
    run_id, business_date, attempt = claimed
    if attempt > 1:
        logger.error("a daily job is tried again", extra={"job": job, "attempt": attempt})
    try:
        yield business_date
    except Exception as exc:
        if attempt >= ATTEMPTS:
            give_up(run_id, job, business_date, attempt, exc)
        raise
    # An attempt that was given up for lost, and was not, marks nothing of its successor's.
    JobRun.objects.filter(pk=run_id, attempts=attempt).update(finished_at=Now())
    settle(job)


def give_up(run_id: int, job: str, day: date, attempts: int, exc: Exception | None = None) -> None:
    logger.error("a daily job was given up", extra={"job": job, "attempt": attempts})
    failures.give_up(DailyJob.name, [failures.Given(str(run_id), {"job": job, "day": day.isoformat()}, attempts)], exc)


def settle(job: str) -> None:
    """It has run: what was given up of it, today or on days before, need not be looked at any more."""
    waiting = FailedJob.objects.filter(kind=DailyJob.name, arguments__job=job, state=FailedJob.State.WAITING)
    for run_id in waiting.values_list("subject_id", flat=True):
        failures.settle(DailyJob.name, run_id)


class DailyJob(failures.Retriable):
    """The next tick begins it anew, within a minute."""

    name = "daily_job"
    title = "Daily job"

    def retry(self, job: FailedJob) -> None:
        run = JobRun.objects.select_for_update().filter(pk=job.subject_id).first()
        with connection.cursor() as cursor:
            cursor.execute("SELECT (now() AT TIME ZONE 'UTC')::date")
            (today,) = cursor.fetchone()
            if run is None or run.finished_at or run.business_date != today:
                raise JobCannotBeRetried("Its day is over, or it has run: close it, and see to the next.")
            cursor.execute(AT_ONCE, [run.pk])

    def now(self, job: FailedJob) -> str:
        run = JobRun.objects.filter(pk=job.subject_id).first()
        if run is None or run.finished_at:
            return "has run"
        return f"has not run; {run.attempts} of {ATTEMPTS} attempts"


daily_job = DailyJob()
