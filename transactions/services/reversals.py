"""Undoing a transfer or payment, in whole or in part: a new transaction with mirrored lines, linked both ways."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction as db_transaction
from django.db.models import Sum

from core import audit, context
from core.audit import actor_name
from core.errors import AmountNotPositive, TekanaError
from core.ids import uuid7
from core.money import Money
from customers.links import why_linked
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions import posting
from transactions.authority import REVERSES_ALONE
from transactions.errors import NotReversible, RecipientShort, TransactionNotFound, UnknownReason
from transactions.models import Kind, ReversalReason, State, Transaction
from transactions.movements import Movement, Order, Outcome
from transactions.posting import post_one
from transactions.services.receivables import open_receivable

APPROVED = "approval-"  # begins the idempotency key of what a second person approved


@dataclass(frozen=True, slots=True)
class ReversalPreview:
    """What a reversal would post, minor units. With ``refusal`` nothing; ``shortfall``: what the recipient lacks;
    ``owed``: what of it they would owe from then on."""

    amount: int
    fee_returned: int
    left_after: int
    lines: list[dict[str, Any]]
    refusal: TekanaError | None = None
    shortfall: int = 0
    owed: int = 0


def reverse_transaction(
    transaction: UUID, *, amount: int | None = None, reason_code: str, note: str = "", actor: Any, idempotency_key: str,
    owed: int = 0, checker: User | None = None, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Give ``amount`` minor units (None: all that is left) back to the payer.

    Freezes do not stop it. What becomes of the fee, the reason says.

    Args:
        owed: of the amount, what the recipient lacks and will owe us; never without a second person.
        checker: the second person, who has approved it (`approvals.py`); without one, staff stay within their role's.
    Raises: TransactionNotFound, UnknownReason, AmountNotPositive, NotReversible, ReversalExceedsOriginal,
    RecipientShort (a customer never goes below zero), ShortfallChanged, WalletClosed, ApprovalNeeded.
    Locks: the original, then the accounts of both wallets.
    """
    movement = reversal_movement(transaction, amount, reason_code, note, actor, idempotency_key, owed=owed)
    if owed and checker is None:
        raise ApprovalNeeded("Finance decides whether somebody owes us.")
    with db_transaction.atomic():
        if checker is None and isinstance(actor, User):
            # Locked first: of two parts at once, the second counts the first.
            rows = Transaction.objects.select_for_update(no_key=True, of=("self",)).select_related("payer", "payee")
            original = rows.get(pk=transaction)
            if why := why_second_person(original, movement.amount, actor, but_for=idempotency_key):
                raise ApprovalNeeded(why)
        outcome = post(movement)
        if outcome.error is None and not outcome.replayed:
            after = {"amount_minor": movement.amount, "reason_code": reason_code, "reversal": str(outcome.transaction)}
            after |= {"approved_by": checker.principal} if checker else {}
            if owed:
                after |= {"receivable": str(open_receivable(Transaction.objects.get(pk=transaction)).pk)}
                after |= {"owed_minor": owed}
            audit.record(actor=actor, action="reverse", subject=Transaction(pk=transaction), after=after, reason=note)
    return outcome.or_raise()  # outside: the kept attempt of a refusal is committed too


def why_second_person(original: Transaction, amount: int, actor: User, *, but_for: str = "") -> str:
    """Why giving back ``amount`` minor units needs somebody else's approval, in words; empty if the actor may alone.

    What they gave back of it alone before counts too (except under the key ``but_for``): parts come to no more. Of
    payments by or to customers they are linked to they give back nothing alone.
    """
    if linked := why_linked(actor, *(wallet.customer_id for wallet in (original.payer, original.payee) if wallet)):
        return linked
    alone = REVERSES_ALONE.get(actor.role, {}).get(original.currency, 0)
    mine = original.reversals.filter(caller=actor.principal, state=State.COMPLETED)
    before = mine.exclude(idempotency_key__startswith=APPROVED).exclude(idempotency_key=but_for)
    if amount + (before.aggregate(sum=Sum("amount"))["sum"] or 0) <= alone:
        return ""
    if not alone:
        return f"Your role gives back nothing in {original.currency} alone."
    return f"Your role gives back at most {Money(alone, original.currency)} of one transaction alone."


def preview_reversal(
    transaction: UUID, *, amount: int | None = None, reason_code: str, actor: Any, owed: int = 0
) -> ReversalPreview:
    """What the same call would post now. Raises: TransactionNotFound, UnknownReason, AmountNotPositive."""
    movement = reversal_movement(transaction, amount, reason_code, "", actor, f"preview-{uuid7()}", owed=owed)
    outcome, world = posting.dry_run(movement)
    original = world.targets[transaction]
    if outcome.error:
        shortfall = outcome.error.facts.get("shortfall_minor", 0) if isinstance(outcome.error, RecipientShort) else 0
        return ReversalPreview(
            movement.amount, 0, original.amount - original.reversed_amount, [], outcome.error, shortfall
        )
    returned = world.events[-1].facts["fee_returned_minor"]
    left = original.amount - original.reversed_amount
    return ReversalPreview(movement.amount, returned, left, world.lines(), owed=owed)


def reversal_movement(
    transaction: UUID, amount: int | None, reason_code: str, note: str, actor: Any, idempotency_key: str, *,
    owed: int = 0,
) -> Movement:  # fmt: skip
    """What is posted to give ``amount`` minor units back. Raises: TransactionNotFound, UnknownReason, NotReversible,
    AmountNotPositive."""
    original = Transaction.objects.filter(pk=transaction).first()
    if original is None:
        raise TransactionNotFound()
    reason = ReversalReason.objects.filter(pk=reason_code, is_active=True).first()
    if reason is None:
        raise UnknownReason(reason_code=reason_code[:40])
    if amount is None:
        # Read without a lock: if a rival reverses meanwhile, posting refuses what no longer fits.
        amount = original.amount - original.reversed_amount
        if not amount:
            raise NotReversible(f"This {original.kind} is {original.state}.", state=original.state)
    if amount <= 0:
        raise AmountNotPositive()
    return Movement(
        kind=Kind.REVERSAL, amount=amount, currency=original.currency, caller=actor_name(actor), key=idempotency_key,
        reverses=original.pk, reason_code=reason.code, refunds_fee=reason.refunds_fee,
        fee_by_share=reason.fee_by_share, owed=owed, reason=note,
        request_id=context.request_id.get(),
    )  # fmt: skip
