"""Running standing orders: which dates have come, and paying them, set-wise. Rows are the queue; any number of workers.

1. `begin_due` makes a run of every date that has come: one row per order and date, decided by the database.
2. `run_due` takes up runs that are due, counts the attempt and commits; then, in one database transaction, locks them,
   posts their transfers through the one road and writes down what came of each. Killed in between, it has paid nothing
   and noted nothing. The key of a transfer is made of order, date and try, so that not even a run that was forgotten
   (a restored backup) is paid twice.
3. `end_finished` closes orders that have no date left.

What time it is, is the database's to say, or the caller's (``at``). A clock that jumps ahead brings many dates at once:
those late by more than ``STANDING_ORDER_LATE_DAYS`` are not made up, and the customer is told. One that jumps back
brings none: what has begun never begins again.
"""

import json
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from core import failures
from core.errors import JobCannotBeRetried, Unavailable
from core.ids import uuid7
from core.models import FailedJob
from core.problems import catalogue
from notifications.services import Notice, notify_many
from schedules.models import OrderEvent, OrderRun, OrderState, RunState, StandingOrder
from schedules.selectors import calendars, database_now, next_dates, runs_at, versions_now
from schedules.services import counted_runs, note_step, notice_of, plan, said_day
from transactions.errors import InsufficientFunds, RailRefused
from transactions.models import Kind
from transactions.movements import Movement, Outcome
from transactions.posting import post
from wallets.parties import Address

logger = logging.getLogger(__name__)

CHUNK = 1_000
MOST_DATES = 31  # of one order at a time; what is left comes with the next look
MAX_ATTEMPTS = 3
LEASE = timedelta(minutes=2)  # longer than a chunk can take: statements end after 30 s
ROUND_SECONDS = 45
MOST_REFUSED = 3  # dates in a row
ACTOR = "job:standing_orders"
Step = OrderEvent.Kind


def run_standing_orders() -> int:
    """One round: begin, run and end, until nothing is due or the round is over; how many runs were tried."""
    over_at, tried = monotonic() + ROUND_SECONDS, 0
    while begin_due() and monotonic() < over_at:
        pass
    while monotonic() < over_at and (claimed := claim()):
        run_claimed(claimed)
        tried += len(claimed)
    end_finished()
    return tried


# --- Dates that have come --------------------------------------------------------------------------------------------

BEGIN = """
INSERT INTO schedules_orderrun
    (id, order_id, version_id, planned_on, due_on, created_at, state, due_at, tries, attempts, refusal_code)
SELECT id, order_id, version_id, planned_on, due_on, %s, 'due', due_at, 0, 0, ''
FROM json_to_recordset(%s::json)
    AS n(id uuid, order_id uuid, version_id uuid, planned_on date, due_on date, due_at timestamptz)
ON CONFLICT (order_id, due_on) DO NOTHING
"""
GO_ON = """
UPDATE schedules_standingorder o
SET next_number = n.next_number, next_on = n.next_on, next_at = n.next_at, last_on = n.last_on, counted = n.counted
FROM json_to_recordset(%s::json)
    AS n(id uuid, next_number integer, next_on date, next_at timestamptz, last_on date, counted integer)
WHERE o.id = n.id
"""


def begin_due(at: datetime | None = None) -> int:
    """Make a run of every date that has come, of up to CHUNK orders; how many orders were looked at.

    The same statements for one order and for a thousand. Locks: the orders, skipping those that others have.
    """
    with db_transaction.atomic():
        at = at or database_now()
        rows = StandingOrder.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        rows = rows.filter(state=OrderState.ACTIVE, next_at__lte=at).select_related("customer__country")
        orders = list(rows.order_by("next_at")[:CHUNK])
        if not orders:
            return 0
        versions = versions_now(orders)
        days = calendars(order.customer.country_id for order in orders)
        begun, moved = [], []
        for order in orders:
            version, country = versions[order.pk], order.customer.country
            dates = next_dates(order, version, days[country.pk])
            come = takewhile(lambda one, country=country: runs_at(country, one.due) <= at, dates)  # type: ignore[misc]
            for _, one in zip(range(MOST_DATES), come):
                begun.append(
                    {
                        "id": uuid7(), "order_id": order.pk, "version_id": version.pk, "planned_on": one.planned,
                        "due_on": one.due, "due_at": runs_at(country, one.due),
                    }
                )  # fmt: skip
                order.last_on, order.next_number = one.due, one.number + 1
                order.counted += 1
            plan(order, version, days[country.pk])
            moved.append(
                {name: getattr(order, name) for name in
                 ("id", "next_number", "next_on", "next_at", "last_on", "counted")}
            )  # fmt: skip
        with connection.cursor() as cursor:
            if begun:
                cursor.execute(BEGIN, [at, json.dumps(begun, default=str)])
            cursor.execute(GO_ON, [json.dumps(moved, default=str)])
    return len(orders)


# --- Paying ----------------------------------------------------------------------------------------------------------


def claim(at: datetime | None = None, limit: int = CHUNK) -> list[OrderRun]:
    """Take up runs that are due for `LEASE`: their attempt is counted and committed before anything is posted.

    Locks: the rows, skipping those that another worker has.
    """
    with db_transaction.atomic():
        at = at or database_now()
        # A lease that ends later than one can was given before the clock was set back.
        free = Q(taken_until=None) | Q(taken_until__lte=at) | Q(taken_until__gt=at + LEASE)
        due = OrderRun.objects.select_for_update(skip_locked=True, no_key=True).filter(free)
        found = list(due.filter(state=RunState.DUE, due_at__lte=at).order_by("due_at", "pk")[:limit])
        spent = [run for run in found if run.attempts >= MAX_ATTEMPTS]
        give_up(spent)
        # What two workers have died with goes alone, and takes no other with it a third time.
        fit = [run for run in found if run.attempts < MAX_ATTEMPTS]
        claimed = [run for run in fit if run.attempts < MAX_ATTEMPTS - 1] or fit[:1]
        OrderRun.objects.filter(pk__in=[run.pk for run in claimed]).update(
            attempts=F("attempts") + 1, taken_until=at + LEASE
        )
    for run in claimed:
        run.attempts += 1
    return claimed


def run_claimed(claimed: Sequence[OrderRun], at: datetime | None = None) -> None:
    """Pay what was taken up. Where all together fail, each alone, so that one holds up no other."""
    try:
        pay(claimed, at)
    except Unavailable:
        raise
    except Exception as exc:
        if len(claimed) > 1:
            logger.warning("standing orders are paid one by one", exc_info=True, extra={"count": len(claimed)})
            for run in claimed:
                run_claimed([run], at)
            return
        (run,) = claimed
        logger.exception("a standing order could not be run", extra={"count": run.attempts})
        if run.attempts >= MAX_ATTEMPTS:
            give_up([run], exc)


SETTLE = """
UPDATE schedules_orderrun r
SET state = n.state, due_at = n.due_at, tries = n.tries, attempts = 0, taken_until = NULL, done_at = n.done_at,
    transaction_id = n.transaction_id, refusal_code = n.refusal_code
FROM json_to_recordset(%s::json)
    AS n(id uuid, state text, due_at timestamptz, tries integer, done_at timestamptz, transaction_id uuid,
         refusal_code text)
WHERE r.id = n.id
"""


def pay(claimed: Sequence[OrderRun], at: datetime | None = None) -> None:
    """Post the transfers of these runs in order of their dates and note what came of each: all in one database
    transaction, with the same statements for one and for a thousand.

    Locks: the orders, the runs, then what `post` locks. A run that somebody else has taken up or stopped meanwhile is
    left alone.
    """
    attempts = {run.pk: run.attempts for run in claimed}
    with db_transaction.atomic():
        at = at or database_now()
        ours = StandingOrder.objects.select_for_update(no_key=True, of=("self",)).select_related(
            "wallet", "payee__customer"
        )
        orders = {row.pk: row for row in ours.filter(pk__in={run.order_id for run in claimed}).order_by("pk")}
        rows = OrderRun.objects.select_for_update(no_key=True, of=("self",)).filter(pk__in=attempts, state=RunState.DUE)
        runs = [run for run in rows.select_related("version").order_by("pk") if run.attempts == attempts[run.pk]]
        for run in runs:
            run.order = orders[run.order_id]
        runs.sort(key=lambda run: (run.due_on, run.order_id))
        late = [run for run in runs if at - run.due_at > timedelta(days=settings.STANDING_ORDER_LATE_DAYS)]
        timely = [run for run in runs if run not in set(late)]
        results = [_Result(run, at) for run in late]
        for result in results:
            result.too_late()
        for run, outcome in zip(timely, post([transfer_of(run) for run in timely]) if timely else [], strict=True):
            results.append(_Result(run, at))
            results[-1].came_to(outcome)
        if not results:
            return
        with connection.cursor() as cursor:
            cursor.execute(SETTLE, [json.dumps([result.row() for result in results], default=str)])
        OrderEvent.objects.bulk_create([result.event for result in results if result.event])
        notices = halt(results, at)
        notify_many([*(result.notice for result in results if result.notice), *notices])


REFUSED_IN_A_ROW = """
SELECT o.id, count(*) FROM schedules_orderrun r JOIN unnest(%s::uuid[]) o (id) ON r.order_id = o.id
WHERE r.state = 'failed' AND r.due_on > coalesce(
    (SELECT max(p.due_on) FROM schedules_orderrun p WHERE p.order_id = o.id AND p.state IN ('completed', 'unfunded')),
    '-infinity')
GROUP BY o.id
"""


def halt(results: Sequence["_Result"], at: datetime) -> list[Notice]:
    """End the orders that can never pay again, for a wallet is closed, and pause those that were refused on
    MOST_REFUSED dates in a row and have more to come. Each is told once, in place of what is told of its dates. The
    caller has locked them.

    The same statements for one order and for a thousand, none where nothing was refused.
    """
    failed: dict[UUID, list[_Result]] = {}
    for result in results:
        if result.run.state == RunState.FAILED:
            failed.setdefault(result.run.order_id, []).append(result)
    if not failed:
        return []
    with connection.cursor() as cursor:
        cursor.execute(REFUSED_IN_A_ROW, [list(failed)])
        in_a_row = dict(cursor.fetchall())
    last = {pk: found[-1].run for pk, found in failed.items()}
    ended = {pk for pk, run in last.items() if run.order.wallet.closed_at or run.order.payee.closed_at}
    paused = {pk for pk, run in last.items() if in_a_row.get(pk, 0) >= MOST_REFUSED and run.order.next_on} - ended
    halted = sorted(ended | paused)
    if not halted:
        return []
    events, notices = [], []
    for pk in halted:
        run, facts = last[pk], {"due_on": str(last[pk].due_on), "code": last[pk].refusal_code}
        kind, text = (Step.ENDED, "order_ended_refused") if pk in ended else (Step.PAUSED, "order_paused_refused")
        event = OrderEvent(id=uuid7(), order_id=pk, run=run, kind=kind, actor=ACTOR, facts=facts, at=at)
        events.append(event)
        about = {"day": said_day(run.due_on), "reason": reason_of(run.refusal_code), "times": str(in_a_row.get(pk, 0))}
        notices.append(notice_of(run.order, run.version, event.pk, text, about, run.transaction_id))
        for result in failed[pk]:
            result.notice = None
    waiting = OrderRun.objects.select_for_update(no_key=True).filter(
        order__in=halted, state__in=[RunState.DUE, RunState.STUCK]
    )
    stopped = list(waiting.order_by("pk"))
    if stopped:
        OrderRun.objects.filter(pk__in=[run.pk for run in stopped]).update(state=RunState.STOPPED, done_at=at)
        events += [
            OrderEvent(
                id=uuid7(), order_id=run.order_id, run=run, kind=Step.STOPPED, actor=ACTOR, at=at,
                facts={"due_on": str(run.due_on)},
            )
            for run in stopped
        ]  # fmt: skip
    OrderEvent.objects.bulk_create(events)
    StandingOrder.objects.filter(pk__in=ended).update(state=OrderState.ENDED, closed_at=at, next_on=None, next_at=None)
    StandingOrder.objects.filter(pk__in=paused).update(state=OrderState.PAUSED, paused_by=ACTOR, next_at=None)
    return notices


def transfer_of(run: OrderRun) -> Movement:
    """The transfer of this try, as its customer would send it: without a session, within all that holds for them."""
    order, name = run.order, f"standing-order:{run.order_id}:{run.due_on}:{run.tries}"
    return Movement(
        kind=Kind.TRANSFER, amount=run.version.amount, currency=order.currency, caller=f"customer:{order.customer_id}",
        key=name, payer=Address("wallet", str(order.wallet_id)), payee=Address("wallet", str(order.payee_id)),
        owner=order.customer_id, memo=run.version.memo, reference=name,
    )  # fmt: skip


class _Result:
    """What came of a run: its new columns, the step and the notice, if there is something to tell."""

    def __init__(self, run: OrderRun, at: datetime) -> None:
        self.run, self.at = run, at
        self.event: OrderEvent | None = None
        self.notice: Notice | None = None

    def row(self) -> dict[str, Any]:
        names = ("id", "state", "due_at", "tries", "done_at", "transaction_id", "refusal_code")
        return {name: getattr(self.run, name) for name in names}

    def too_late(self) -> None:
        run = self.run
        if run.tries:
            self._done(RunState.UNFUNDED)
            self._tell(Step.GIVEN_UP, "order_given_up")
            return
        self._done(RunState.MISSED)
        self._tell(Step.MISSED, "order_missed")

    def came_to(self, outcome: Outcome) -> None:
        run = self.run
        run.transaction_id = outcome.transaction
        if outcome.error is None:
            run.refusal_code = ""
            self._done(RunState.COMPLETED)
            return
        run.refusal_code = outcome.error.code
        if not isinstance(outcome.error, InsufficientFunds):
            self._done(RunState.FAILED)
            self._tell(Step.FAILED, "order_failed", reason=reason_of(run.refusal_code))
            return
        run.tries += 1
        if run.tries > run.order.retries:
            self._done(RunState.UNFUNDED)
            self._tell(Step.GIVEN_UP, "order_given_up")
            return
        run.due_at = self.at + timedelta(hours=run.order.retry_hours)
        self._tell(Step.UNFUNDED, "order_unfunded", again=f"{run.due_at:%-d %b %Y %H:%M} UTC")

    def _done(self, state: RunState) -> None:
        self.run.state, self.run.done_at = state, self.at

    def _tell(self, kind: str, text: str, **facts: str) -> None:
        run = self.run
        about = {"due_on": str(run.due_on), "tries": run.tries, "code": run.refusal_code}
        if run.transaction_id:
            about["transaction"] = str(run.transaction_id)
        self.event = OrderEvent(
            id=uuid7(), order_id=run.order_id, run=run, kind=kind, actor=ACTOR, facts=about, at=self.at
        )
        facts = {"day": said_day(run.due_on), "goes_on": "yes" if run.order.next_on else ""} | facts
        self.notice = notice_of(run.order, run.version, self.event.pk, text, facts, run.transaction_id)


def reason_of(code: str) -> str:
    """A refusal in words."""
    return catalogue().get(code, RailRefused).title


# --- The end ---------------------------------------------------------------------------------------------------------


def end_finished(at: datetime | None = None) -> int:
    """Close orders that have no date left and no run that waits; how many, at most CHUNK. Locks: the orders."""
    with db_transaction.atomic():
        at = at or database_now()
        rows = StandingOrder.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        rows = rows.filter(state=OrderState.ACTIVE, next_on=None).exclude(
            runs__state__in=[RunState.DUE, RunState.STUCK]
        )
        orders = list(rows.select_related("payee__customer").order_by("pk")[:CHUNK])
        if not orders:
            return 0
        versions = versions_now(orders)
        ids = [order.pk for order in orders]
        events = {pk: OrderEvent(id=uuid7(), order_id=pk, kind=Step.ENDED, actor=ACTOR, at=at) for pk in ids}
        OrderEvent.objects.bulk_create(events.values())
        StandingOrder.objects.filter(pk__in=ids).update(state=OrderState.ENDED, closed_at=at)
        runs = counted_runs(orders)
        notify_many(
            [notice_of(row, versions[row.pk], events[row.pk].pk, "order_ended", runs[row.pk]) for row in orders]
        )
    return len(orders)


# --- What workers give up --------------------------------------------------------------------------------------------


def give_up(runs: Sequence[OrderRun], exc: Exception | None = None) -> None:
    """They wait for a person from now on (`core/failures.py`), but for those that somebody has run meanwhile."""
    if not runs:
        return
    with db_transaction.atomic():
        rows = OrderRun.objects.select_for_update(no_key=True).filter(
            pk__in=[run.pk for run in runs], state=RunState.DUE, attempts__gte=MAX_ATTEMPTS
        )
        mine = list(rows.order_by("pk"))
        OrderRun.objects.filter(pk__in=[run.pk for run in mine]).update(state=RunState.STUCK, taken_until=None)
        given = [
            failures.Given(str(run.pk), {"order": str(run.order_id), "due_on": str(run.due_on)}, run.attempts)
            for run in mine
        ]
        failures.give_up(RunJob.name, given, exc)
    if mine:
        logger.error("runs of standing orders were given up", extra={"count": len(mine)})


class RunJob(failures.Retriable):
    """One date of a standing order. Tried again at the next round; too late for that, it is noted as missed."""

    name = "standing_order"
    title = "Run of a standing order"
    model = "schedules.standingorder"

    def retry(self, job: FailedJob) -> None:
        stuck = OrderRun.objects.filter(pk=job.subject_id, state=RunState.STUCK)
        if not stuck.update(state=RunState.DUE, attempts=0):
            raise JobCannotBeRetried("It has been run, or was stopped with its order.")

    def close(self, job: FailedJob, *, actor: Any, reason: str) -> None:
        run = OrderRun.objects.select_for_update(no_key=True, of=("self",)).filter(
            pk=job.subject_id, state=RunState.STUCK
        )
        for one in run.select_related("order"):
            note_step(one.order, Step.STOPPED, actor=actor, run=one, note=reason, facts={"due_on": str(one.due_on)})
            run.update(state=RunState.STOPPED, done_at=Now())

    def now(self, job: FailedJob) -> str:
        run = OrderRun.objects.filter(pk=job.subject_id).first()
        return str(run.get_state_display()) if run else "gone"

    def page(self, job: FailedJob) -> str:
        return str(job.arguments["order"])


running = RunJob()
