"""Takes open movements to their rail, and finds out what became of them.

Three commits, and never a call inside a database transaction:

    claim     the row is locked, the call counted and written down, the movement due again when the lease is over
    call      one exchange with the rail under the movement's fixed reference: its id
    record    the outcome goes to the `RailCall`; the movement moves on, if this is still its latest call

    pending ─ submit ─ Accepted ─ processing, asked about later        Refused ─ failed        NoAnswer ─ unknown
    processing, unknown ─ inquire ─ Completed ─ completed    Failed ─ failed    InProgress, NoAnswer ─ asked again later

Nothing is submitted on top of a submission whose outcome is not known: the rail is asked first. Where it has *never
heard* of the reference, and promises to do each reference once, the movement is submitted again under the same
reference after a safety delay; had the first submission been under way after all, the rail would recognise it. The
money stays held all the while. After `SUBMISSIONS` of them the movement fails.

A call without an outcome is a worker that was lost. After `LOST_CALLS` of them the movement is quarantined: no more
calls until a person has looked and released it.

A rail that is silent to one customer must not hold up the others: of one customer, `RAIL_CALLS_PER_CUSTOMER`
submissions wait for an answer at a time, and what comes on top stays pending until the next sweep.
"""

import logging
import random
import re
from collections import Counter
from dataclasses import asdict
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models.functions import Now
from django.utils import timezone

from core import audit
from core.errors import IllegalTransition
from customers.links import leave_to_colleague
from transactions.errors import RailRefused, RailUnreachable, TransactionNotFound
from transactions.models import OPEN, Kind, RailCall, State, Transaction
from transactions.rails import rail
from transactions.rails.base import (
    Accepted,
    Completed,
    Failed,
    InProgress,
    Instruction,
    NoAnswer,
    NotKnown,
    Operation,
    Refused,
)
from transactions.services import settling

logger = logging.getLogger(__name__)

SUBMISSIONS = 3
LOST_CALLS = 3
SWEEP = 100
SWEEP_SECONDS = 8
# In one sweep a rail that stayed silent this often is left alone, so that it does not hold up the others.
SILENCES = 3
JOB = "job:rail_calls"

Answer = Accepted | Refused | Completed | Failed | InProgress | NotKnown | NoAnswer
OUTCOMES: dict[type[Any], str] = {
    Accepted: "accepted", Refused: "refused", Completed: "completed", Failed: "failed", InProgress: "in_progress",
    NotKnown: "not_known", NoAnswer: "no_answer",
}  # fmt: skip
AT_THE_RAIL = frozenset({State.PROCESSING, State.UNKNOWN})


def submit_to_rail(transaction_id: UUID) -> str:
    """Submit a pending movement to its rail; the outcome's name, empty where there was nothing to do.

    One that nobody took up in time expires instead. Safe to run twice and at once: the second finds nothing to do.
    """
    return _carry_out(_claim_submission(transaction_id))


def inquire(transaction_id: UUID) -> str:
    """Ask the rail about a movement that is due for it; the outcome's name, empty where there was nothing to do."""
    return _carry_out(_claim_inquiry(transaction_id))


def sweep() -> int:
    """Take up what is due, oldest first; how many were tried. What fails is logged and stops no other."""
    due = Transaction.objects.filter(state__in=OPEN, quarantined_at=None, due_at__lte=Now()).exclude(rail="")
    silences: Counter[str] = Counter()
    over_at, tried = monotonic() + SWEEP_SECONDS, 0
    for transaction_id, state, name in list(due.order_by("due_at", "pk").values_list("pk", "state", "rail")[:SWEEP]):
        if silences[name] >= SILENCES:
            continue
        if monotonic() > over_at:
            break
        tried += 1
        try:
            outcome = submit_to_rail(transaction_id) if state == State.PENDING else inquire(transaction_id)
        except Exception:
            logger.exception("a movement could not be taken up", extra={"transaction": transaction_id, "rail": name})
        else:
            silences[name] += outcome == OUTCOMES[NoAnswer]
    return tried


def release(transaction_id: UUID, *, actor: Any, reason: str) -> None:
    """Let a quarantined movement be asked about again; its lost calls are marked as looked at.

    Raises: TransactionNotFound, LinkedCustomer (a colleague does it). Locks: the transaction.
    """
    with db_transaction.atomic():
        txn = _lock(transaction_id)
        if txn is None:
            raise TransactionNotFound()
        leave_to_colleague(actor, *_owners(txn))
        if txn.quarantined_at is None:
            return
        txn.rail_calls.filter(outcome="").update(outcome="lost", finished_at=Now())
        Transaction.objects.filter(pk=txn.pk).update(quarantined_at=None, due_at=Now())
        audit.record(
            actor=actor, action="release", subject=txn, before={"given_up": txn.quarantined_at.isoformat()},
            after={"given_up": None}, reason=reason,
        )  # fmt: skip


def call_off(transaction_id: UUID, *, actor: Any, reason: str) -> None:
    """End a top-up or cash-out that has not been taken to the rail: what was held is free, the limit given back.

    A claim for the rail and this see each other by the lock: whichever comes second finds the other's state.

    Raises: TransactionNotFound, LinkedCustomer (a colleague does it), IllegalTransition (the rail may know of it).
    Locks: the transaction, then its accounts.
    """
    with db_transaction.atomic():
        txn = _lock(transaction_id)
        if txn is None:
            raise TransactionNotFound()
        leave_to_colleague(actor, *_owners(txn))
        if txn.state != State.PENDING:
            raise IllegalTransition(f"This {txn.kind} is {txn.state}.", state=txn.state)
        settling.settle(txn.pk, to=State.CANCELLED, actor=actor, reason=reason)
        audit.record(
            actor=actor, action="call_off", subject=txn, before=State.PENDING, after=State.CANCELLED, reason=reason
        )


def _owners(txn: Transaction) -> list[UUID]:
    return [wallet.customer_id for wallet in (txn.payer, txn.payee) if wallet]


# --- claim ---------------------------------------------------------------------------------------------------------
def _claim_submission(transaction_id: UUID) -> RailCall | None:
    with db_transaction.atomic(durable=True):
        txn = _lock(transaction_id, skip_locked=True)
        if txn is None or txn.state != State.PENDING or txn.quarantined_at:
            return None
        if txn.now > txn.created_at + timedelta(seconds=settings.RAIL_EXPIRY_SECONDS):
            settling.settle(txn.pk, to=State.EXPIRED, actor=JOB, reason="Nobody took it to the rail in time.")
            return None
        if _enough_under_way(txn):
            _again(txn, settings.RAIL_TIMEOUT_SECONDS)
            return None
        settling.mark(txn.pk, to=State.PROCESSING, actor=JOB)
        return _count(txn, RailCall.Purpose.SUBMIT)


def _enough_under_way(txn: Any) -> bool:
    """Whether the customer has as many calls waiting for answers as one may. Locks: the customer's claims."""
    with connection.cursor() as cursor:  # claims at the same moment must see each other
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"rail calls of {txn.caller}"])
    since = txn.now - timedelta(seconds=settings.RAIL_TIMEOUT_SECONDS)
    under_way = Transaction.objects.filter(
        caller=txn.caller, state__in=AT_THE_RAIL, due_at__gt=txn.now,
        rail_calls__outcome="", rail_calls__started_at__gt=since,
    )  # fmt: skip
    return under_way.count() >= settings.RAIL_CALLS_PER_CUSTOMER


def _claim_inquiry(transaction_id: UUID) -> RailCall | None:
    with db_transaction.atomic(durable=True):
        txn = _lock(transaction_id, skip_locked=True)
        if txn is None or txn.state not in AT_THE_RAIL or txn.quarantined_at:
            return None
        if txn.due_at is None or txn.due_at > txn.now:
            return None
        if txn.rail_calls.filter(outcome="").count() >= LOST_CALLS:
            _quarantine(txn, f"{LOST_CALLS} calls to the rail were lost with their workers.")
            return None
        if txn.state == State.PROCESSING and not _was_accepted(txn):
            settling.mark(txn.pk, to=State.UNKNOWN, actor=JOB, reason="The worker was lost during the call.")
        return _count(txn, RailCall.Purpose.INQUIRE)


def _lock(transaction_id: UUID, *, skip_locked: bool = False) -> Any:
    """The locked transaction, with the database's time as ``now``; None where there is none, or another has it."""
    rows = Transaction.objects.select_for_update(no_key=True, skip_locked=skip_locked, of=("self",))
    return rows.select_related("payee__customer").annotate(now=Now()).filter(pk=transaction_id).first()


def _count(txn: Transaction, purpose: RailCall.Purpose) -> RailCall:
    """Write the call down before it is made. Its number is a fencing token: only the latest call moves the movement."""
    txn.attempts += 1
    Transaction.objects.filter(pk=txn.pk).update(attempts=txn.attempts, due_at=_in(settings.RAIL_LEASE_SECONDS))
    request: dict[str, Any] = {"reference": str(txn.pk)}
    if purpose == RailCall.Purpose.SUBMIT:  # where the money goes is in the transaction, once
        request |= {"operation": _operation(txn), **txn.arriving._asdict()}
    return RailCall.objects.create(transaction=txn, number=txn.attempts, purpose=purpose, request=request)


# --- call ----------------------------------------------------------------------------------------------------------
def _carry_out(call: RailCall | None) -> str:
    outcome = ""
    while call is not None:
        answer = _ask(call)
        outcome = OUTCOMES[type(answer)]
        call = _record(call, answer)
    return outcome


def _ask(call: RailCall) -> Answer:
    """Make the call. Anything but an answer or its absence is our bug: it is raised, and the call counts as lost."""
    txn = call.transaction
    if timezone.now() > call.started_at + timedelta(seconds=settings.RAIL_LEASE_SECONDS):
        return NoAnswer("not asked: this worker was held up, and somebody else may have gone on")
    try:
        if call.purpose == RailCall.Purpose.SUBMIT:
            return rail(txn.rail).submit(_instruction(txn))
        return rail(txn.rail).inquire(str(txn.pk))
    except NoAnswer as silence:
        return silence


def _instruction(txn: Transaction) -> Instruction:
    """A cash-out goes to the account it names; a top-up is collected from its owner's phone."""
    if txn.kind == Kind.CASH_OUT:
        counterparty = txn.destination or {}
    else:
        counterparty = {"phone_number": txn.payee.customer.phone_number} if txn.payee else {}
    return Instruction(str(txn.pk), _operation(txn), *txn.arriving, counterparty)


def _operation(txn: Transaction) -> Operation:
    return Operation.PAY if txn.kind == Kind.CASH_OUT else Operation.COLLECT


# --- record --------------------------------------------------------------------------------------------------------
def _record(call: RailCall, answer: Answer) -> RailCall | None:
    """Write the outcome down and move the movement on; the next call, where there is one to make at once."""
    response = {"error": str(answer)} if isinstance(answer, NoAnswer) else asdict(answer)
    with db_transaction.atomic(durable=True):
        txn = _lock(call.transaction_id)
        RailCall.objects.filter(pk=call.pk).update(outcome=OUTCOMES[type(answer)], response=response, finished_at=Now())
        if txn.state not in AT_THE_RAIL:
            _compare(txn, answer)
        if txn.state not in AT_THE_RAIL or txn.attempts != call.number or txn.quarantined_at:
            return None  # a callback was quicker, or our lease is over and somebody else went on
        by_rail, facts = f"rail:{txn.rail}", {"rail": txn.rail, "call": call.number, "answer": response}
        match answer:
            case Accepted():
                _again(txn, settings.RAIL_INQUIRE_AFTER_SECONDS, answer.rail_reference)
            case Refused() | Failed():
                settling.settle(txn.pk, to=State.FAILED, actor=by_rail, facts=facts, refusal_code=code_of(answer.code))
            case Completed() if (answer.amount_minor, answer.currency) != txn.arriving:
                _quarantine(txn, f"The rail says {answer.currency} {answer.amount_minor} (minor units).")
            case Completed():
                settling.settle(
                    txn.pk, to=State.COMPLETED, actor=by_rail, facts=facts, rail_reference=answer.rail_reference
                )
            case InProgress():
                _again(txn, _backoff(call.number), answer.rail_reference)
            case NotKnown():
                return _after_not_known(txn)
            case NoAnswer() if txn.state == State.PROCESSING and not _was_accepted(txn):
                settling.mark(txn.pk, to=State.UNKNOWN, actor=JOB, reason="The rail did not answer.", facts=facts)
                _again(txn, _backoff(call.number))
            case NoAnswer():
                _again(txn, _backoff(call.number))
    return None


def _after_not_known(txn: Any) -> RailCall | None:
    """The rail has never heard of it. Believed only from a rail that promises as much, and not too soon."""
    submissions = list(txn.rail_calls.filter(purpose=RailCall.Purpose.SUBMIT).order_by("number"))
    believed_from = submissions[-1].started_at + timedelta(seconds=settings.RAIL_RESUBMIT_AFTER_SECONDS)
    if _was_accepted(txn):
        _quarantine(txn, "The rail does not know what it had accepted.")
    elif not rail(txn.rail).not_known_is_final:
        _again(txn, _backoff(txn.attempts))
    elif txn.now < believed_from:
        _again(txn, (believed_from - txn.now).total_seconds())
    elif len(submissions) < SUBMISSIONS:
        return _count(txn, RailCall.Purpose.SUBMIT)
    else:
        settling.settle(txn.pk, to=State.FAILED, actor=JOB, refusal_code=RailUnreachable.code)
    return None


def _was_accepted(txn: Transaction) -> bool:
    known = [OUTCOMES[kind] for kind in (Accepted, InProgress)]
    return txn.rail_calls.filter(outcome__in=known).exists()


def _again(txn: Transaction, seconds: float, rail_reference: str = "") -> None:
    Transaction.objects.filter(pk=txn.pk).update(
        due_at=_in(seconds), rail_reference=rail_reference or txn.rail_reference
    )


def _in(seconds: float) -> Any:
    return Now() + timedelta(seconds=seconds)


def _backoff(calls: int) -> float:
    """Doubling up to the most, spread so that what fell silent together does not come back together."""
    longest = settings.RAIL_INQUIRY_SECONDS * 2.0 ** min(calls - 1, 16)
    return min(longest, settings.RAIL_INQUIRY_SECONDS_MOST) * random.uniform(0.5, 1)  # noqa: S311


def _compare(txn: Transaction, answer: Answer) -> None:
    """The movement ended while we were asking; an answer to the contrary needs a person."""
    says_done, says_not = isinstance(answer, Completed), isinstance(answer, Refused | Failed)
    if (says_done and txn.state == State.FAILED) or (says_not and txn.state != State.FAILED):
        logger.error("the rail contradicts itself", extra={"transaction": txn.pk, "rail": txn.rail})


def _quarantine(txn: Transaction, reason: str) -> None:
    Transaction.objects.filter(pk=txn.pk).update(quarantined_at=Now())
    audit.record(actor=JOB, action="quarantine", subject=txn, reason=reason)
    logger.error("quarantined: %s", reason, extra={"transaction": txn.pk, "rail": txn.rail})


def code_of(code: str) -> str:
    """A rail's code where it can be one of ours."""
    return code if re.fullmatch("[a-z0-9_]{1,40}", code) else RailRefused.code
