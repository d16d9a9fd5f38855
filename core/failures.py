"""What workers gave up on, in one place for the people who look after it.

The row that is the work (a delivery, an export, a message of a bank, a daily job) counts its own attempts. Whoever
gives it up says so here, in the same database transaction; a person then retries it, or closes it, with a reason. An
app says how by a `Retriable`, named in ``settings.RETRIABLE_JOBS`` as policies are.

Of an exception its kind and the way to it are kept, never what it says: that may name people.
"""

import json
import traceback
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string

from core import audit
from core.errors import FailedJobHandled, FailedJobNotFound, JobCannotBeRetried, TekanaError, TooManyJobs
from core.ids import uuid7
from core.models import FailedJob

State = FailedJob.State
MOST_AT_ONCE = 100
FRAMES = 8
NOT_THERE = (ObjectDoesNotExist, ValidationError, ValueError)  # what a row that names no work of ours leads to
LOST = "worker_lost"  # no exception: the process was killed, or hung
GIVE_UP = """
INSERT INTO core_failedjob
    (id, kind, subject_id, arguments, attempts, times, error, trace, failed_at, state, handled_by)
SELECT id, %s, subject_id, arguments::jsonb, attempts, 1, %s, %s, statement_timestamp(), 'waiting', ''
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::int[]) AS given (id, subject_id, arguments, attempts)
ON CONFLICT (kind, subject_id) DO UPDATE SET
    arguments = excluded.arguments, attempts = excluded.attempts, error = excluded.error, trace = excluded.trace,
    failed_at = excluded.failed_at, times = core_failedjob.times + 1,
    state = 'waiting', handled_at = NULL, handled_by = ''
WHERE core_failedjob.state <> 'waiting'
"""


class Retriable(ABC):
    """A kind of work that can be given up on. Subclasses are stateless; settings name an instance."""

    name: str
    title: str
    model: str = ""  # of the page that shows the work, if there is one

    @abstractmethod
    def retry(self, job: FailedJob) -> None:
        """Begin anew, with no attempt counted, in the caller's database transaction. Raises: JobCannotBeRetried."""

    @abstractmethod
    def now(self, job: FailedJob) -> str:
        """What the work is at, in a word or two; one statement."""

    def close(self, job: FailedJob, *, actor: Any, reason: str) -> None:  # noqa: B027 (most have nothing to tidy up)
        """Somebody decided to leave it undone; in the caller's database transaction."""

    def page(self, job: FailedJob) -> str:
        """The id of what ``model`` shows of it."""
        return job.subject_id


class Given(NamedTuple):
    """A piece of work: the id of its row, what it was to work on (ids and names of jobs), the attempts it had."""

    subject_id: str
    arguments: Mapping[str, Any]
    attempts: int


class Retried(NamedTuple):
    """How a selection went: how many were started, and why the others were not."""

    started: int
    refused: list[str]


def kinds() -> dict[str, Retriable]:
    """Every kind of work there is, by name."""
    return _kinds(tuple(settings.RETRIABLE_JOBS))


@cache
def _kinds(paths: tuple[str, ...]) -> dict[str, Retriable]:
    found: list[Retriable] = [import_string(path) for path in paths]
    return {one.name: one for one in found}


def title_of(job: FailedJob) -> str:
    return kinds()[job.kind].title if job.kind in kinds() else job.kind


def now_of(job: FailedJob) -> str:
    """What the work is at; a row that names none is shown like any other, and says so. Empty for a kind of old."""
    kind = kinds().get(job.kind)
    try:
        return kind.now(job) if kind else ""
    except NOT_THERE:
        return "not to be found: the row names no work of this kind"


def page_of(job: FailedJob) -> str:
    """The id of what its kind's ``model`` shows of it; empty where there is nothing to show."""
    kind = kinds().get(job.kind)
    try:
        return kind.page(job) if kind and kind.model else ""
    except (LookupError, TypeError):  # of the arguments
        return ""


# --- Workers ---------------------------------------------------------------------------------------------------------


def give_up(kind: str, given: Iterable[Given], exc: BaseException | None = None) -> None:
    """Note that workers will not try these again; in the caller's database transaction, in one statement.

    Args:
        exc: what the last attempt met; None when its worker was lost.
    """
    rows = [(uuid7(), str(one.subject_id), json.dumps(dict(one.arguments)), one.attempts) for one in given]
    if not rows:
        return
    error, trace = (error_of(exc), trace_of(exc)) if exc else (LOST, "")
    with connection.cursor() as cursor:
        cursor.execute(GIVE_UP, [kind, error, trace, *(list(column) for column in zip(*rows, strict=True))])


def settle(kind: str, subject_id: Any) -> None:
    """It was done, or begun anew, another way than from here: nobody need look at it. Before the work's own row is
    locked, as `retry` does."""
    waiting = FailedJob.objects.filter(kind=kind, subject_id=str(subject_id), state=State.WAITING)
    waiting.update(state=State.SETTLED, handled_at=Now(), handled_by=audit.actor_name(None))


def error_of(exc: BaseException) -> str:
    return exc.code if isinstance(exc, TekanaError) else type(exc).__name__[:60]


def trace_of(exc: BaseException) -> str:
    """The last steps to it, ours below our folder and others' below theirs: ``file:line function``."""
    steps = traceback.extract_tb(exc.__traceback__)[-FRAMES:]
    return "\n".join(f"{_short(step.filename)}:{step.lineno} {step.name}" for step in steps)


def _short(filename: str) -> str:
    path = Path(filename)
    if "site-packages" in path.parts:
        return "/".join(path.parts[path.parts.index("site-packages") + 1 :])
    return str(path.relative_to(settings.BASE_DIR)) if path.is_relative_to(settings.BASE_DIR) else path.name


# --- People ----------------------------------------------------------------------------------------------------------


def retry(job: UUID, *, actor: Any, reason: str) -> FailedJob:
    """Start one again, with all its attempts. Of two at once one does, and the other is told.

    Raises: FailedJobNotFound, FailedJobHandled, JobCannotBeRetried. Locks: the failed job, then the row of the work.
    """
    with db_transaction.atomic():
        row = _lock_waiting(job)
        try:
            _kind_of(row).retry(row)
        except NOT_THERE as exc:
            raise JobCannotBeRetried("It names no work that can be found: close it.") from exc
        _handle(row, State.RETRIED, "retry_job", actor=actor, reason=reason)
    return row


def retry_many(jobs: Sequence[UUID], *, actor: Any, reason: str) -> Retried:
    """Start each again that still waits; what is refused stops no other. Raises: TooManyJobs."""
    if len(jobs) > MOST_AT_ONCE:
        raise TooManyJobs(f"At most {MOST_AT_ONCE}.", most=MOST_AT_ONCE)
    started, refused = 0, []
    for job in jobs:
        try:
            retry(job, actor=actor, reason=reason)
            started += 1
        except TekanaError as refusal:
            refused.append(refusal.detail)
    return Retried(started, refused)


def close(job: UUID, *, actor: Any, reason: str) -> FailedJob:
    """Leave it undone. What has no work behind it is closed like any other, or it would wait for ever.

    Raises: FailedJobNotFound, FailedJobHandled. Locks: as `retry`.
    """
    with db_transaction.atomic():
        row = _lock_waiting(job)
        if row.kind in kinds():
            with suppress(*NOT_THERE):
                kinds()[row.kind].close(row, actor=actor, reason=reason)
        _handle(row, State.CLOSED, "close_job", actor=actor, reason=reason)
    return row


def _lock_waiting(job: UUID) -> FailedJob:
    row = FailedJob.objects.select_for_update().filter(pk=job).first()
    if row is None:
        raise FailedJobNotFound()
    if row.state != State.WAITING:
        raise FailedJobHandled(f"It was {row.get_state_display().lower()} at {row.handled_at:%H:%M} UTC.")
    return row


def _kind_of(job: FailedJob) -> Retriable:
    if job.kind not in kinds():
        raise FailedJobNotFound(f"There is no work of the kind {job.kind} any more.")
    return kinds()[job.kind]


def _handle(row: FailedJob, state: FailedJob.State, action: str, *, actor: Any, reason: str) -> None:
    before = {"state": row.state, "attempts": row.attempts, "error": row.error}
    row.state, row.handled_at, row.handled_by = state, Now(), audit.actor_name(actor)
    row.save(update_fields=["state", "handled_at", "handled_by"])
    after = {"state": state} | ({"attempts": 0} if state == State.RETRIED else {})
    audit.record(actor=actor, action=action, subject=row, before=before, after=after, reason=reason)
