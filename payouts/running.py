"""Paying what was approved, in chunks through the one road. The row is the queue; any number of workers may look.

A worker takes a payout up (`_take`, committed) and so becomes its last run. Then, chunk by chunk, one database
transaction each: the payout is locked and still this run's, the next items in the order of the file are posted, what
came of each is written, and how far it is. Killed in between, nothing of that chunk has happened, and whoever takes it
up next goes on behind the last one. An item's key is made of payout, line and try, so that not even a payout that was
forgotten (a restored backup) pays twice.

All or nothing is the same in a single database transaction: the first refusal undoes it all. Every account of the file
is locked first, in the order in which everybody locks, and others who want one of them wait until it is over.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from core import failures
from core.errors import JobCannotBeRetried
from core.models import FailedJob
from core.transitions import advance
from core.work import unit_of_work
from ledger import books as ledger_books
from ledger.chart import fee_income, wallet_account
from payouts.models import RUNNABLE, Batch, BatchState, ItemState, Mode
from payouts.services import JOB, note_step, tell_payer
from transactions import tariff
from transactions.models import Kind
from transactions.movements import Movement, Outcome
from transactions.posting import post
from wallets.parties import Address

logger = logging.getLogger(__name__)

CHUNK = 1_000
MAX_ATTEMPTS = 3
LEASE = timedelta(minutes=2)  # longer than a chunk can take: statements end after 30 s
LEASE_OF_ALL = timedelta(minutes=10)
ROUND_SECONDS = 60
ACTOR = "job:payouts"  # who asks for the movements: nobody else can take the keys

NEXT = """
SELECT id, line, wallet_id, amount, memo, tries FROM payouts_item
WHERE batch_id = %s AND state = 'waiting' ORDER BY line LIMIT %s
"""
TELL = """
UPDATE payouts_item i
SET state = n.state, refusal_code = n.code, transaction_id = n.transaction, tries = i.tries + 1
FROM json_to_recordset(%s::json) AS n(id bigint, state text, code text, transaction uuid)
WHERE i.id = n.id
"""


class Refused(Exception):
    """All or nothing, and one item was refused."""

    def __init__(self, line: int, code: str) -> None:
        super().__init__(code)
        self.line, self.code = line, code


def run_due() -> int:
    """Pay what is due, the longest due first, until nothing is or the round is over; how many were taken up."""
    over_at, taken = monotonic() + ROUND_SECONDS, 0
    due = Batch.objects.filter(RUNNABLE, due_at__lte=Now()).order_by("due_at").values_list("pk", flat=True)
    for payout_id in due[:CHUNK]:
        if monotonic() > over_at:
            break
        taken += run(payout_id)
    return taken


def run(payout_id: UUID) -> bool:
    """Pay one payout, if it is due and nobody else is at it. Whether it was taken up."""
    batch = _take(payout_id)
    if batch is None:
        return False
    try:
        if batch.mode == Mode.ALL_OR_NOTHING:
            _pay_all(batch)
        else:
            while _pay_chunk(batch.pk, batch.runs):
                pass
    except Exception as exc:
        logger.exception("a payout stopped", extra={"job": JOB, "attempt": batch.attempts})
        _stopped(batch, exc)
    return True


def _take(payout_id: UUID) -> Batch | None:
    """Take it up for `LEASE`: the attempt is counted and committed before anything is posted.

    Locks: the row; one that another worker has is passed by.
    """
    with db_transaction.atomic():
        rows = Batch.objects.select_for_update(skip_locked=True, no_key=True, of=("self",)).select_related("customer")
        batch = rows.filter(RUNNABLE, pk=payout_id, due_at__lte=Now()).first()
        if batch is None:
            return None
        if batch.attempts >= MAX_ATTEMPTS:
            _give_up(batch, None)
            return None
        at = timezone.now()
        batch.runs, batch.attempts = batch.runs + 1, batch.attempts + 1
        batch.due_at = at + (LEASE_OF_ALL if batch.mode == Mode.ALL_OR_NOTHING else LEASE)
        if batch.state == BatchState.APPROVED:
            note_step(batch, batch.state, to=BatchState.POSTING, actor=ACTOR)
            advance(batch.begin, actor=ACTOR, at=at)
        else:
            batch.save(update_fields=["runs", "attempts", "due_at"])
    return batch


def _pay_chunk(payout_id: UUID, number: int) -> bool:
    """Pay the next items, and say so in one commit; whether there may be more. Locks: the payout, then the accounts."""
    with db_transaction.atomic():
        batch = _mine(payout_id, number)
        if batch is None:
            return False
        if items := _next(batch):
            _pay(batch, items)
            batch.attempts, batch.due_at = 0, timezone.now() + LEASE  # it got on
            _keep(batch)
            return True
        _complete(batch)
    return False


def _pay_all(taken: Batch) -> None:
    try:
        with db_transaction.atomic():
            if batch := _mine(taken.pk, taken.runs):
                _lock_accounts(batch)
                while items := _next(batch):
                    _pay(batch, items)
                _keep(batch)
                _complete(batch)
    except Refused as refused:
        with db_transaction.atomic():
            if batch := _mine(taken.pk, taken.runs):
                facts = {"line": refused.line, "code": refused.code}
                event = note_step(batch, batch.state, to=BatchState.FAILED, actor=ACTOR, facts=facts)
                batch.attempts = 0
                advance(batch.fail, actor=ACTOR, at=timezone.now(), line=refused.line, code=refused.code)
                tell_payer(batch, event, "payout_failed")


def _mine(payout_id: UUID, number: int) -> Batch | None:
    """The payout, locked, while this run is its last and nobody called it off."""
    rows = Batch.objects.select_for_update(no_key=True, of=("self",)).select_related("customer")
    return rows.filter(pk=payout_id, state=BatchState.POSTING, runs=number).first()


def _next(batch: Batch) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [batch.pk, CHUNK])
        return cursor.fetchall()


def _pay(batch: Batch, items: Sequence[Any]) -> None:
    """Post these items and write down what came of each. Raises: Refused, where one stops all."""
    outcomes = post([movement(batch, *item) for item in items])
    told = []
    for (item, line, *_), outcome in zip(items, outcomes, strict=True):
        if outcome.error:
            if batch.mode == Mode.ALL_OR_NOTHING:
                raise Refused(line, outcome.error.code)
            batch.refused += 1
        else:
            batch.posted += 1
            batch.posted_amount += outcome.amount
            batch.posted_fees += outcome.fee
        told.append({"id": item, "transaction": outcome.transaction, **_result(outcome)})
    with connection.cursor() as cursor:
        cursor.execute(TELL, [msgspec.json.encode(told).decode()])


def movement(batch: Batch, item: int, line: int, wallet: UUID, amount: int, memo: str, tries: int) -> Movement:
    return Movement(
        kind=Kind.PAYOUT, amount=amount, currency=batch.currency, caller=ACTOR,
        key=f"payout-{batch.pk}-{line}-{tries}", payer=Address("wallet", str(batch.wallet_id)),
        payee=Address("wallet", str(wallet)), owner=batch.customer_id, memo=memo,
    )  # fmt: skip


def _result(outcome: Outcome) -> dict[str, str]:
    refused = outcome.error
    return {"state": ItemState.REFUSED if refused else ItemState.PAID, "code": refused.code if refused else ""}


def _keep(batch: Batch) -> None:
    batch.save(update_fields=["posted", "posted_amount", "posted_fees", "refused", "attempts", "due_at"])


def _complete(batch: Batch) -> None:
    facts = {"posted": batch.posted, "refused": batch.refused}
    event = note_step(batch, batch.state, to=BatchState.COMPLETED, actor=ACTOR, facts=facts)
    batch.attempts = 0
    advance(batch.complete, actor=ACTOR, at=timezone.now())
    tell_payer(batch, event, "payout_done")


def _lock_accounts(batch: Batch) -> None:
    """Every account of the file, before the first item is paid: chunk by chunk, two payouts could wait for each other.
    That of the fees with them: somebody else may have it, and wait for one of these wallets."""
    wallets = {*batch.items.filter(state=ItemState.WAITING).values_list("wallet_id", flat=True), batch.wallet_id}
    codes = [wallet_account(wallet) for wallet in wallets]
    if tariff.current().ever_costs(Kind.PAYOUT, batch.currency):
        codes.append(fee_income(Kind.PAYOUT, batch.currency))
    with unit_of_work() as work:
        ledger_books.held_accounts(work, ledger_books.lock(work, codes), codes)


# --- What workers give up on -----------------------------------------------------------------------------------------


def _stopped(taken: Batch, exc: Exception) -> None:
    """Nothing of the chunk happened: again in a while, longer each time; after three in a row it waits for a person."""
    with db_transaction.atomic():
        batch = _mine(taken.pk, taken.runs)
        if batch is None:
            return
        if batch.attempts >= MAX_ATTEMPTS:
            _give_up(batch, exc)
        else:
            batch.due_at = timezone.now() + timedelta(seconds=5 * 2**batch.attempts)
            batch.save(update_fields=["due_at"])


def _give_up(batch: Batch, exc: Exception | None) -> None:
    batch.quarantined_at = timezone.now()
    batch.save(update_fields=["quarantined_at"])
    failures.give_up(JOB, [failures.Given(str(batch.pk), {}, batch.attempts)], exc)


class Running(failures.Retriable):
    """It goes on behind the last item that was paid or refused."""

    name = JOB
    title = "Payout"
    model = "payouts.batch"

    def retry(self, job: FailedJob) -> None:
        rows = Batch.objects.select_for_update(no_key=True).filter(~Q(quarantined_at=None), pk=job.subject_id)
        batch = rows.filter(state__in=[BatchState.APPROVED, BatchState.POSTING]).first()
        if batch is None:
            raise JobCannotBeRetried("It is over, or was cancelled.")
        batch.quarantined_at, batch.attempts, batch.due_at = None, 0, timezone.now()
        batch.save(update_fields=["quarantined_at", "attempts", "due_at"])

    def now(self, job: FailedJob) -> str:
        batch = Batch.objects.get(pk=job.subject_id)
        return f"{batch.state}, {batch.left:,} of {batch.lines:,} left"


running = Running()
