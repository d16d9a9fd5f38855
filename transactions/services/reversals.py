"""Undoing a transfer or payment, in whole or in part: a new transaction with mirrored lines, linked both ways."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction as db_transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.module_loading import import_string

import wallets.services
from core import audit, context
from core.admin.lists import first_id_at
from core.audit import actor_name
from core.errors import AmountNotPositive, TekanaError
from core.ids import uuid7
from core.money import Money
from customers.links import why_linked
from fx.selectors import snapshot
from staff.approvals import lock_name, operations
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from transactions import posting
from transactions.authority import REVERSES_ALONE, REVERSES_ALONE_A_DAY
from transactions.errors import NotReversible, RecipientShort, TransactionNotFound, UnknownReason
from transactions.models import Kind, ReversalReason, State, Transaction
from transactions.movements import Movement, Order, Outcome
from transactions.posting import post_one
from transactions.services.receivables import open_receivable
from wallets.models import Freeze

# Begins the idempotency key of what a second person approved: an approval posts once. It proves nothing; what was
# approved, the request says that led to it (`approval_of`).
APPROVED = "approval-"
DECIDES = ("transactions.approve_reversal", "transactions.approve_receivable")
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ReversalPreview:
    """What a reversal would post, minor units. With ``refusal`` nothing; ``shortfall``: what the recipient lacks;
    ``owed``: what of it they would owe from then on. Of an exchange: what is ``taken`` from the recipient, and what the
    payer gets for the amount, ``worth``."""

    amount: int
    fee_returned: int
    left_after: int
    lines: list[dict[str, Any]]
    refusal: TekanaError | None = None
    shortfall: int = 0
    owed: int = 0
    payee_fee_returned: int = 0
    worth: int | None = None
    taken: Money | None = None


def reverse_transaction(
    transaction: UUID, *, amount: int | None = None, reason_code: str, note: str = "", actor: Any, idempotency_key: str,
    owed: int = 0, today: bool = False, checker: User | None = None, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Give ``amount`` minor units (None: all that is left) back to the payer.

    Freezes do not stop it; one for fraud or by order takes a second person. What becomes of the fee, the reason says.

    Args:
        owed: of the amount, what the recipient lacks and will owe us; never without a second person.
        today: of an exchange, at today's rate instead of its own; never without a second person. What the payer gets is
            what goes back to us is worth now, and the difference is our result.
        checker: the second person, who has approved it (`approvals.py`); without one, staff stay within their role's.
    Raises: TransactionNotFound, UnknownReason, AmountNotPositive, NotReversible, ReversalExceedsOriginal,
    RecipientShort (a customer never goes below zero), ShortfallChanged, WalletClosed, ApprovalNeeded, and what an app
    above has against it (`obstacle`).
    Locks: the original, where staff act alone then the payee's wallet and the actor's sum, then both accounts.
    """
    movement = reversal_movement(
        transaction, amount, reason_code, note, actor, idempotency_key, owed=owed, today=today
    )  # fmt: skip
    if today and checker is None and isinstance(actor, User):
        raise ApprovalNeeded("A second person decides whether an exchange is undone at today's rate.")
    if owed and checker is None:
        raise ApprovalNeeded("Finance decides whether somebody owes us.")
    if checker is None and idempotency_key.startswith(APPROVED):
        raise ApprovalNeeded("Under the name of a request goes back only what was approved.")
    with db_transaction.atomic():
        # Locked first: of two parts at once, the second counts the first; and nothing comes in the way meanwhile.
        rows = Transaction.objects.select_for_update(no_key=True, of=("self",)).select_related("payer", "payee")
        original = rows.get(pk=transaction)
        if (stopped := obstacle(transaction)) is not None:
            raise stopped
        if checker is None and isinstance(actor, User):
            refuse_alone(original, movement.amount, actor, but_for=idempotency_key)
        outcome = post(movement)
        if outcome.error is None and not outcome.replayed:
            after = {"amount_minor": movement.amount, "reason_code": reason_code, "reversal": str(outcome.transaction)}
            after |= {"approved_by": checker.principal} if checker else {}
            if owed:
                after |= {"receivable": str(open_receivable(Transaction.objects.get(pk=transaction)).pk)}
                after |= {"owed_minor": owed}
            audit.record(actor=actor, action="reverse", subject=Transaction(pk=transaction), after=after, reason=note)
    return outcome.or_raise()  # outside: the kept attempt of a refusal is committed too


def obstacle(transaction: UUID) -> TekanaError | None:
    """Why an app above wants nothing of it given back just now (``settings.REVERSAL_OBSTACLES``); None if none does."""
    found = (import_string(path)(transaction) for path in settings.REVERSAL_OBSTACLES)
    return next((refusal for refusal in found if refusal is not None), None)


def refuse_alone(original: Transaction, amount: int, actor: User, *, but_for: str = "") -> None:
    """What every service asks that gives back without a second person. The caller has locked the original.

    Raises: ApprovalNeeded. Locks: the payee's wallet, so that no freeze lands between the look and the posting, and
    the actor's sum of the day, so that of two at once the second counts the first.
    """
    if original.payee is not None:
        wallets.services.lock(original.payee)
    lock_name(f"given back alone:{actor.principal}")
    if why := why_second_person(original, amount, actor, but_for=but_for):
        raise ApprovalNeeded(why)


def why_second_person(original: Transaction, amount: int, actor: User, *, but_for: str = "") -> str:
    """Why giving back ``amount`` minor units needs somebody else's approval, in words; empty if the actor may alone.

    What was given back alone before counts too, except by the actor under the key ``but_for``: of this transaction by
    anybody, so that parts come to no more, and of all by the actor in 24 hours. Alone nobody gives back what is in a
    wallet that takes two to let go, what a colleague has rejected to give back, or what is of customers they are
    linked to.
    """
    if linked := why_linked(actor, *(wallet.customer_id for wallet in (original.payer, original.payee) if wallet)):
        return linked
    currency = original.currency
    alone = REVERSES_ALONE.get(actor.role, {}).get(currency, 0)
    if not alone:
        return f"Your role gives back nothing in {currency} alone."
    for freeze in freezes_of(original):
        if freeze.takes_two:
            return f"The recipient's wallet is frozen: {freeze.get_cause_display()}."
    if rejections_of(original):
        return "A colleague has rejected to give it back, or some of it."
    this = {"caller": actor.principal, "idempotency_key": but_for}  # of the two together there is one
    before = given_back_alone(original.reversals.exclude(**this))
    if amount + before > alone:
        why = f"Your role gives back at most {Money(alone, currency)} of one transaction alone."
        return f"{why} {Money(before, currency)} of it was given back alone before." if before else why
    day = REVERSES_ALONE_A_DAY.get(actor.role, {}).get(currency, 0)
    since = first_id_at(timezone.now() - DAY)
    mine = Transaction.objects.filter(kind=Kind.REVERSAL, pk__gte=since, currency=currency, caller=actor.principal)
    today = given_back_alone(mine.exclude(**this))
    if amount + today > day:
        why = f"Your role gives back at most {Money(day, currency)} alone in 24 hours"
        return f"{why}; you have given back {Money(today, currency)}."
    return ""


def given_back_alone(reversals: QuerySet[Transaction]) -> int:
    """Of these reversals what staff posted without a second person, in minor units."""
    done = reversals.filter(state=State.COMPLETED, caller__startswith="staff:")
    approved = led_to(Cast(OuterRef("pk"), CharField())).filter(operation__in=giving_back())
    return done.exclude(Exists(approved)).aggregate(sum=Sum("amount"))["sum"] or 0


def led_to(transaction: Any) -> QuerySet[Approval]:
    """The request that posted a transaction, once approved: the text of its id, or an expression for that."""
    rows = Approval.objects.annotate(model=KT("result__model"), row=KT("result__id"))
    return rows.filter(state=Approval.State.APPROVED, model=Transaction._meta.label_lower, row=transaction)


def approval_of(transaction: Transaction) -> Approval | None:
    """The request that led to it, if a second person approved it."""
    return led_to(str(transaction.pk)).select_related("checker").first()


def giving_back() -> list[str]:
    """The names of the operations by which a second person gives money back."""
    return [one.name for one in operations().values() if one.check in DECIDES]


def freezes_of(original: Transaction) -> list[Freeze]:
    """The freezes in force on the wallet that would give it back."""
    return list(original.payee.freezes.filter(wallets.services.LIVE).order_by("placed_at")) if original.payee else []


def rejections_of(original: Transaction) -> list[Approval]:
    """Requests to give some of it back that a colleague rejected, the newest first."""
    rows = Approval.objects.filter(
        about__contains=[f"{original._meta.label_lower}:{original.pk}"], state=Approval.State.REJECTED,
        operation__in=giving_back(),
    )  # fmt: skip
    return list(rows.select_related("maker", "checker").order_by("-id"))


def preview_reversal(
    transaction: UUID, *, amount: int | None = None, reason_code: str, actor: Any, owed: int = 0, today: bool = False
) -> ReversalPreview:
    """What the same call would post now. Raises: TransactionNotFound, UnknownReason, AmountNotPositive."""
    key = f"preview-{uuid7()}"
    movement = reversal_movement(transaction, amount, reason_code, "", actor, key, owed=owed, today=today)
    if (stopped := obstacle(transaction)) is not None:
        whole, gone = Transaction.objects.values_list("amount", "reversed_amount").get(pk=transaction)
        return ReversalPreview(movement.amount, 0, whole - gone, [], stopped)
    outcome, world = posting.dry_run(movement)
    original = world.targets[transaction]
    if outcome.error:
        shortfall = outcome.error.facts.get("shortfall_minor", 0) if isinstance(outcome.error, RecipientShort) else 0
        return ReversalPreview(
            movement.amount, 0, original.amount - original.reversed_amount, [], outcome.error, shortfall
        )
    facts = world.events[-1].facts
    left = original.amount - original.reversed_amount
    return ReversalPreview(
        movement.amount, facts["fee_returned_minor"], left, world.lines(), owed=owed,
        payee_fee_returned=facts.get("payee_fee_returned_minor", 0), worth=facts.get("undone", {}).get("worth_minor"),
        taken=Money(world.born[-1].received or 0, original.received_currency) if original.received_currency else None,
    )  # fmt: skip


def reversal_movement(
    transaction: UUID, amount: int | None, reason_code: str, note: str, actor: Any, idempotency_key: str, *,
    owed: int = 0, today: bool = False,
) -> Movement:  # fmt: skip
    """What is posted to give ``amount`` minor units back. Raises: TransactionNotFound, UnknownReason, NotReversible,
    AmountNotPositive; RateStale and RateMissing, where today's rate is asked for."""
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
        worth=worth_today(original, amount) if today else None,
        request_id=context.request_id.get(),
    )  # fmt: skip


def worth_today(original: Transaction, amount: int) -> int:
    """What the payer of an exchange gets for ``amount`` of it at today's mid rate, rounded down: so much is what goes
    back of the received worth now. Raises: NotReversible for what is no exchange, RateStale, RateMissing."""
    if original.received is None or original.received_currency is None:
        raise NotReversible("It is in one currency: there is no rate.", state=original.state)
    before, after = original.reversed_amount, original.reversed_amount + amount
    back = original.received * after // original.amount - original.received * before // original.amount
    rate = snapshot().benchmark(original.received_currency, original.currency)
    mid = rate.minor(original.received_currency, original.currency)
    return back * mid.numerator // mid.denominator
