"""What rails tell us unasked: verified, kept as it came, answered, and only then made something of.

A message moves *our* record and nothing else: it is matched by our reference, its amount and currency are compared with
our own, and what does not fit is kept as odd for a person, never credited.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction as db_transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from core import audit, failures
from core.bell import ring
from core.errors import JobCannotBeRetried
from core.models import FailedJob
from transactions.errors import RailMessageNotFound
from transactions.models import RailMessage, State, Transaction
from transactions.rails import rail
from transactions.rails.base import Callback, Completed, UnreadableMessage
from transactions.services import settling
from transactions.services.rail_calls import AT_THE_RAIL, code_of

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 3
LEASE = timedelta(seconds=30)
SWEEP = 500
GIVEN_UP = "Given up after three attempts."


class Odd(Exception):
    """It does not fit our record; the text says how."""


def receive(rail_name: str, headers: Mapping[str, str], body: bytes) -> None:
    """Keep a signed message, once by its id, and ring for a worker.

    Raises: RailNotFound, InvalidSignature, UnreadableMessage.
    """
    message_id, content = rail(rail_name).verify(headers, body)
    message, _ = RailMessage.objects.get_or_create(rail=rail_name, message_id=message_id, defaults={"payload": content})
    if message.state == RailMessage.State.RECEIVED:
        ring("transactions.tasks.process_rail_message", message.pk)


def process(message_pk: UUID) -> None:
    """Make something of a received message, once; after three attempts that broke down it is odd, and a failed job.

    Locks: the message, then the transaction it is about.
    """
    waiting = RailMessage.objects.select_for_update(skip_locked=True).filter(
        pk=message_pk, state=RailMessage.State.RECEIVED
    )
    with db_transaction.atomic(durable=True):  # counted before the work, so that work which kills its worker ends
        message = waiting.filter(due_at__lte=Now()).first()
        if message is None:
            return
        if message.attempts >= MAX_ATTEMPTS:
            _give_up(message)
            return
        attempt = message.attempts + 1
        waiting.update(attempts=attempt, due_at=Now() + LEASE)
    try:
        _attempt(waiting.filter(attempts=attempt))
    except Exception as exc:
        if attempt >= MAX_ATTEMPTS:
            with db_transaction.atomic(durable=True):
                if (message := waiting.filter(attempts=attempt).first()) is not None:
                    _give_up(message, exc)
        raise


def _attempt(mine: QuerySet[RailMessage]) -> None:
    with db_transaction.atomic(durable=True):
        message = mine.first()
        if message is None:
            return  # our lease is over, and somebody else went on
        txn = None
        try:
            callback = rail(message.rail).read(message.payload)
            txn = _transaction_of(message.rail, callback.reference)
            note = _apply(callback, txn)
        except (Odd, UnreadableMessage) as odd:
            _close(message, txn, RailMessage.State.ODD, str(odd))
        else:
            _close(message, txn, RailMessage.State.PROCESSED, note)


def _give_up(message: RailMessage, exc: Exception | None = None) -> None:
    _close(message, None, RailMessage.State.ODD, GIVEN_UP)
    args = {"rail": message.rail, "message": message.message_id}
    failures.give_up(Processing.name, [failures.Given(str(message.pk), args, message.attempts)], exc)


def sweep() -> int:
    """Process what no bell brought to a worker; how many were tried. One that breaks down stops no other."""
    waiting = RailMessage.objects.filter(state=RailMessage.State.RECEIVED, due_at__lte=Now()).order_by("due_at", "pk")
    ids = list(waiting.values_list("pk", flat=True)[:SWEEP])
    for message_pk in ids:
        try:
            process(message_pk)
        except Exception:
            logger.exception("a rail's message could not be processed")
    return len(ids)


def close_odd(message_pk: UUID, *, actor: Any, reason: str) -> None:
    """A person has dealt with an odd message; saying so moves no money. Raises: RailMessageNotFound."""
    with db_transaction.atomic():
        failures.settle(Processing.name, message_pk)
        odd = RailMessage.objects.select_for_update().filter(pk=message_pk, state=RailMessage.State.ODD)
        message = odd.first()
        if message is None:
            raise RailMessageNotFound()
        odd.update(state=RailMessage.State.PROCESSED)
        audit.record(
            actor=actor, action="close", subject=message, before={"state": message.state, "note": message.note},
            after={"state": RailMessage.State.PROCESSED}, reason=reason,
        )  # fmt: skip


def _transaction_of(rail_name: str, reference: str) -> Transaction:
    try:
        wanted = UUID(reference)
    except ValueError:
        raise Odd("The reference is not one of ours.") from None
    txn = Transaction.objects.select_for_update(no_key=True).filter(pk=wanted, rail=rail_name).first()
    if txn is None:
        raise Odd("The reference is not one of ours.")
    return txn


def _apply(callback: Callback, txn: Transaction) -> str:
    """Settle what is open; what had been settled the same way before is only noted. Raises: Odd."""
    result = callback.result
    settle = partial(
        settling.settle,
        txn.pk,
        actor=f"rail:{txn.rail}",
        rail_reference=result.rail_reference,
        facts={"rail": txn.rail, "callback": asdict(result)},
    )
    if isinstance(result, Completed):
        if (result.amount_minor, result.currency) != txn.arriving:
            raise Odd(f"Another amount than ours: {result.currency} {result.amount_minor} (minor units).")
        if txn.state in AT_THE_RAIL:
            settle(to=State.COMPLETED)
            return "Completed."
        if txn.state == State.COMPLETED and txn.rail_reference == result.rail_reference:
            return "Was completed before."
        raise Odd(f"A success for what is {txn.state} (rail reference {result.rail_reference}).")
    if txn.state in AT_THE_RAIL:
        settle(to=State.FAILED, refusal_code=code_of(result.code))
        return "Failed."
    if txn.state == State.FAILED:
        return "Had failed before."
    raise Odd(f"A failure for what is {txn.state}.")


def _close(message: RailMessage, txn: Transaction | None, state: RailMessage.State, note: str) -> None:
    RailMessage.objects.filter(pk=message.pk).update(transaction=txn, state=state, note=note[:200], processed_at=Now())
    if state == RailMessage.State.ODD:
        facts = {"rail": message.rail, "transaction": txn.pk if txn else None}
        logger.error("a rail's message needs a person: %s", note[:200], extra=facts)


class Processing(failures.Retriable):
    """Making something of one message. What it says may have been said since by an inquiry: then that is noted."""

    name = "rail_message"
    title = "Message of a bank"
    model = "transactions.railmessage"

    def retry(self, job: FailedJob) -> None:
        odd = RailMessage.objects.filter(pk=job.subject_id, state=RailMessage.State.ODD)
        if not odd.update(
            state=RailMessage.State.RECEIVED, attempts=0, due_at=Now(), note="", processed_at=None, transaction=None
        ):
            raise JobCannotBeRetried("It has been dealt with.")
        ring("transactions.tasks.process_rail_message", job.subject_id)

    def now(self, job: FailedJob) -> str:
        message = RailMessage.objects.filter(pk=job.subject_id).first()
        return f"{message.get_state_display().lower()}. {message.note}".strip() if message else "gone"

    def close(self, job: FailedJob, *, actor: Any, reason: str) -> None:
        """Whoever closed the message meanwhile has left only this to close."""
        if RailMessage.objects.filter(pk=job.subject_id, state=RailMessage.State.ODD).exists():
            close_odd(UUID(job.subject_id), actor=actor, reason=reason)


processing = Processing()
