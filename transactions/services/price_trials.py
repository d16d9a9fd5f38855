"""Trying another price on what was: asked for, and worked off by the queue, chunk by chunk.

The row is the queue. A worker takes it under a lease, and notes with what it found of a chunk how far it got; so one
that is killed leaves nothing undone or counted twice, and whoever comes back too late writes nothing. After a turn it
lets others have theirs.
"""

import logging
from dataclasses import asdict
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from core import audit, failures
from core.admin.lists import first_id_at
from core.bell import ring
from core.errors import JobCannotBeRetried
from core.models import FailedJob
from staff.models import User
from transactions.errors import PriceTrialNotFound, TooManyPriceTrials
from transactions.models import PriceTrial
from transactions.price_approvals import fee_of, fees
from transactions.what_if import Trial, WhatIf, before

logger = logging.getLogger(__name__)

DAYS = (30, 7, 1)
MOST_WAITING = 5  # of one person
ATTEMPTS = 3
TURN_SECONDS = 20
LEASE = timedelta(seconds=60)
AGAIN_AFTER = timedelta(seconds=20)
ONE_AT_A_TIME = 0x7E6A_0E02  # advisory lock of those who claim
TASK = "transactions.tasks.try_price"
State = PriceTrial.State
WAITING = (State.QUEUED, State.RUNNING)


def request_trial(params: dict[str, Any], *, days: int, actor: User, key: UUID) -> PriceTrial:
    """Ask what a price would have brought in the last ``days``. A second request with the same ``key`` is the first.

    Args:
        params: as a change of the fee is asked for (`price_approvals.FeeChange`); its days say nothing here.
    Raises: PriceUnclear, InvalidAmount, TooManyPriceTrials, PriceTrialNotFound (somebody else's key).
    """
    assert days in DAYS
    asked = fees.clean(params | {"effective_from": "2000-01-01", "last_day": None})
    until = timezone.now()
    with db_transaction.atomic():
        waiting = PriceTrial.objects.filter(requested_by=actor, state__in=WAITING).exclude(pk=key)
        if waiting.count() >= MOST_WAITING:
            raise TooManyPriceTrials(f"{MOST_WAITING} of yours are waiting or running; wait for one of them.")
        trial, is_new = PriceTrial.objects.get_or_create(
            pk=key,
            defaults={
                "kind": asked["kind"], "currency": asked["currency"], "params": asked, "until": until,
                "since": until - timedelta(days=days), "requested_by": actor,
            },
        )  # fmt: skip
        if trial.requested_by_id != actor.pk:
            raise PriceTrialNotFound()
        if is_new:
            audit.record(actor=actor, action="try_price", subject=trial, after=asked | {"days": days})
            ring(TASK, trial.pk)
    return trial


def run_trial(trial_id: UUID) -> bool:
    """Work on one for a turn if it is due and no other is worked on; whether it was. Safe to run twice and at once."""
    trial = claim(trial_id)
    if trial is None:
        return False
    mine = PriceTrial.objects.filter(pk=trial.pk, lease=trial.lease, state=State.RUNNING)
    try:
        _take_turn(trial, mine)
    except Exception as exc:
        logger.exception("a price could not be tried", extra={"job": str(trial.pk)})
        _try_later(trial, mine, exc)
    following = PriceTrial.objects.filter(state=State.QUEUED, due_at__lte=Now()).order_by("due_at").first()
    if following is not None:
        ring(TASK, following.pk)
    return True


def sweep_trials() -> bool:
    """Take up the oldest that a lost message or worker left; whether there was one. It rings for the next."""
    due = PriceTrial.objects.filter(state__in=WAITING, due_at__lte=Now()).order_by("due_at").first()
    return due is not None and run_trial(due.pk)


def claim(trial_id: UUID) -> PriceTrial | None:
    """Take it for `LEASE`; its attempt is counted and committed before any work. None: there is nothing to do now.

    Locks: the trial; the advisory lock, so that of two who claim different ones the second sees the first.
    """
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        due = PriceTrial.objects.select_for_update(of=("self",)).filter(state__in=WAITING, due_at__lte=Now())
        trial = due.filter(pk=trial_id).first()
        if trial is None or PriceTrial.objects.filter(state=State.RUNNING, due_at__gt=Now()).exists():
            return None
        row = PriceTrial.objects.filter(pk=trial.pk)
        if trial.attempts >= ATTEMPTS:
            _fail(trial, row, f"Given up after {ATTEMPTS} attempts: the worker was lost each time.", None)
            return None
        row.update(state=State.RUNNING, attempts=F("attempts") + 1, lease=uuid4(), due_at=Now() + LEASE)
        return row.get()


def _take_turn(trial: PriceTrial, mine: Any) -> None:
    found = WhatIf.of(trial.found) if trial.found else None
    work = Trial(trial.kind, trial.currency, fee_of(trial.params), trial.since, found)
    reached, over_at = trial.through or before(trial.since), monotonic() + TURN_SECONDS
    while monotonic() < over_at:
        following = work.chunk(reached, first_id_at(trial.until))
        done = asdict(work.found)
        if following is None:
            mine.update(state=State.DONE, found=done, error="", finished_at=Now())
            return
        reached = following
        if not mine.update(found=done, through=reached, due_at=Now() + LEASE, attempts=0):
            return  # another has taken it over
    mine.update(state=State.QUEUED, due_at=Now())


def _try_later(trial: PriceTrial, mine: Any, exc: Exception) -> None:
    """Back into the queue, from where it got to, unless it was the last attempt."""
    reason = f"The worker met an error ({type(exc).__name__})."
    with db_transaction.atomic():
        now = mine.select_for_update().first()
        if now is None:
            return
        if now.attempts >= ATTEMPTS:
            _fail(now, mine, f"Given up after {ATTEMPTS} attempts. {reason}", exc)
        else:
            mine.update(state=State.QUEUED, error=reason, due_at=Now() + AGAIN_AFTER)


def _fail(trial: PriceTrial, row: Any, reason: str, exc: Exception | None) -> None:
    """The caller has locked the row."""
    row.update(state=State.FAILED, error=reason, finished_at=Now())
    audit.record(actor="job:price_trials", action="fail_price_trial", subject=trial, reason=reason)
    given = failures.Given(str(trial.pk), {"kind": trial.kind, "currency": trial.currency}, trial.attempts)
    failures.give_up(Trying.name, [given], exc)


class Trying(failures.Retriable):
    """Trying a price, from where it got to."""

    name = "price_trial"
    title = "Price tried on what was"
    model = "transactions.pricetrial"

    def retry(self, job: FailedJob) -> None:
        row = PriceTrial.objects.filter(pk=job.subject_id)
        trial = row.select_for_update().first()
        if trial is None or trial.state != State.FAILED:
            raise JobCannotBeRetried("It has been tried, or is about to be.")
        row.update(state=State.QUEUED, attempts=0, error="", finished_at=None, lease=None, due_at=Now())
        ring(TASK, trial.pk)

    def now(self, job: FailedJob) -> str:
        trial = PriceTrial.objects.filter(pk=job.subject_id).first()
        return trial.get_state_display().lower() if trial else "gone"


trying = Trying()
