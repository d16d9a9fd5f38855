"""What can be done with a recall. Each step is one database transaction: hold and postings (by the one road), the
state, its event, the audit row, and what the two parties are told."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.utils.timezone import now

from core import audit, context
from core.audit import actor_name
from core.errors import AmountNotPositive, TekanaError
from core.ids import uuid7
from core.money import Money
from core.rounds import each
from core.transitions import advance
from customers.links import refuse_linked
from notifications.services import Notice, notify_many
from recalls.amounts import Claimed
from recalls.errors import RecallClosed, RecallExists, RecallNoteMissing, RecallNotFound, UnknownRecallReason
from recalls.models import Recall, RecallEvent, RecallReason, RecallState
from recalls.selectors import RELATED, open_recalls
from staff.models import User
from transactions.errors import NotReversible, RecipientShort, TransactionNotFound
from transactions.models import PAYS_AT_ONCE, REVERSIBLE, Transaction
from transactions.movements import Holding, Order
from transactions.posting import post
from transactions.rules.reversals import exceeds
from transactions.services.reversals import freezes_of, refuse_alone, reversal_movement
from wallets.errors import WalletFrozen
from wallets.selectors import masked_name

# What is told to whom when a recall reaches a state: the text for the sender, the text for the recipient.
TOLD: dict[str, tuple[str | None, str | None]] = {
    RecallState.OPEN: ("recall_opened", "recall_asked"),
    RecallState.CONSENTED: ("recall_consented", "recall_answered"),
    RecallState.REFUSED: ("recall_refused", "recall_released"),
    RecallState.EXPIRED: ("recall_expired", "recall_released"),
    RecallState.WITHDRAWN: ("recall_withdrawn", "recall_released"),
}


def open_recall(
    transaction: UUID, *, amount: int | None = None, reason_code: str, note: str, actor: Any,
    checker: User | None = None,
) -> Recall:  # fmt: skip
    """Claim ``amount`` minor units (None: all that is left) of a transfer or payment back for its sender.

    What of it is at the recipient, up to what they got of it (`amounts.py`), is held at once; both are told. Freezes do
    not stop it.
    ``checker``: the second person, where who opens it is linked to a party; the same with all that follow.

    Raises: TransactionNotFound, UnknownRecallReason, RecallNoteMissing, AmountNotPositive, NotReversible,
    ReversalExceedsOriginal, RecipientShort (nothing is there), WalletClosed, RecallExists, LinkedCustomer.
    Locks: the transaction, then the accounts of both wallets.
    """
    note = stated(note)
    reason = RecallReason.objects.select_related("reversal_reason").filter(pk=reason_code, is_active=True).first()
    if reason is None:
        raise UnknownRecallReason(reason_code=reason_code[:40])
    rows = Transaction.objects.select_related("payer__customer", "payee__customer")
    original = rows.filter(pk=transaction).first()
    if original is None:
        raise TransactionNotFound()
    if original.kind not in PAYS_AT_ONCE or original.payer is None or original.payee is None:
        raise NotReversible(state=original.state)
    amounts = Claimed(original, reason)
    claimed = amounts.left if amount is None else amount
    if claimed <= 0:
        raise AmountNotPositive()
    if original.state in REVERSIBLE and claimed > amounts.left:
        raise exceeds(amounts.left, original.currency)
    refuse_linked(actor, checker, original.payer.customer_id, original.payee.customer_id)
    refuse_second(original)
    at = now()
    recall = Recall(
        id=uuid7(), transaction=original, sender=original.payer.customer, recipient=original.payee.customer,
        wallet=original.payee, currency=original.currency, claimed=claimed, reason=reason, note=note,
        opened_by=actor_name(actor), opened_at=at, deadline_at=at + timedelta(days=reason.answer_days),
    )  # fmt: skip
    try:
        with db_transaction.atomic():
            # Under the lock: a part may have gone back since it was looked at, and less is left to claim.
            now_is = Transaction.objects.select_for_update(no_key=True).get(pk=original.pk)
            amounts = Claimed(now_is, reason)
            if now_is.state in REVERSIBLE and claimed > amounts.left:
                raise exceeds(amounts.left, original.currency)
            (held,) = post(
                [
                    Holding(
                        hold=recall.pk, transaction=original.pk, kind="placed", amount=amounts.to_hold(claimed),
                        expires_at=recall.deadline_at,
                    )
                ]
            )  # fmt: skip
            recall.held = held.or_raise().amount
            event = note_step(recall, "", actor=actor, note=note, facts={"claimed": claimed, "held": recall.held})
            recall.save(force_insert=True)
            audit.record(
                actor=actor, action="open_recall", subject=original, reason=note,
                after={"recall": str(recall.pk), "claimed_minor": claimed, "held_minor": recall.held},
            )  # fmt: skip
            tell(recall, event)
    except RecipientShort:
        refuse_second(original)  # a rival was quicker, and holds what was there
        raise
    except IntegrityError as rival:
        if "recall_once_per_transaction" not in str(rival):
            raise
        raise RecallExists() from rival
    return recall


def refuse_second(original: Transaction) -> None:
    """Raises: RecallExists."""
    if original.recalls.exclude(state=RecallState.WITHDRAWN).exists():
        raise RecallExists()


def consent(recall: UUID, *, actor: Any, note: str = "", checker: User | None = None) -> Recall:
    """The recipient agrees: what is held goes back to the sender by a reversal, in one step with the answer.

    Of it goes back what of the payment is left, if staff have given back some of it meanwhile; the rest is let go.
    Agreed to before is no error.

    Args:
        note: how the recipient agreed, where staff answer for them.
        checker: the second person, who has approved it (`approvals.py`); without one, staff stay within their role's.
    Raises: RecallNotFound, RecallClosed (also when its time was over, which then is noted), RecallNoteMissing,
    ApprovalNeeded, LinkedCustomer, WalletClosed (the sender's, meanwhile), WalletFrozen (for fraud or by order).
    Locks: the recall, the transaction, then the accounts of both wallets.
    """
    return _closed(recall, RecallState.CONSENTED, actor=actor, note=note, checker=checker)


def refuse(recall: UUID, *, actor: Any, note: str = "", checker: User | None = None) -> Recall:
    """The recipient keeps the money: the hold is let go. Raises and locks as `consent`; refused before is no error."""
    return _closed(recall, RecallState.REFUSED, actor=actor, note=note, checker=checker)


def withdraw(recall: UUID, *, actor: Any, note: str, checker: User | None = None) -> Recall:
    """The sender takes the claim back, or it should not have been made. Raises and locks as `consent`."""
    return _closed(recall, RecallState.WITHDRAWN, actor=actor, note=stated(note), checker=checker)


def expire_recalls() -> int:
    """Close every recall that nobody answered in time; how many. Safe to run in several workers at once."""
    due = open_recalls().filter(deadline_at__lte=now()).order_by("deadline_at").values_list("pk", flat=True)
    return each(list(due), _expired)


def _expired(recall: UUID) -> bool:
    try:
        _closed(recall, RecallState.EXPIRED, actor=None, note="")
    except RecallClosed:  # somebody was quicker
        return False
    return True


def orders_of(recall: Recall, original: Transaction, *, actor: Any, note: str) -> tuple[int, list[Order]]:
    """What consenting posts now: how many minor units go back, and what is taken out of the hold for that."""
    amounts = Claimed(original, recall.reason)
    returned = amounts.back_for(recall.held, recall.claimed)
    if not returned:
        return 0, [released(recall, "voided", recall.held)]
    taken = amounts.taken(returned)
    rest, key = recall.held - taken, f"recall-{recall.pk}"
    orders: list[Order] = [
        released(recall, "captured", taken, remaining=rest),
        reversal_movement(original.pk, returned, recall.reason.reversal_reason_id, note, actor, key),
    ]
    return returned, [*orders, *([released(recall, "voided", rest)] if rest else [])]


def released(recall: Recall, kind: str, amount: int, *, remaining: int = 0) -> Holding:
    return Holding(
        hold=recall.pk, transaction=recall.transaction_id, kind=kind, amount=amount, remaining=remaining
    )  # fmt: skip


def _closed(recall_id: UUID, to: RecallState, *, actor: Any, note: str, checker: User | None = None) -> Recall:
    if isinstance(actor, User):
        note = stated(note)
    with db_transaction.atomic():
        rows = Recall.objects.select_for_update(no_key=True, of=("self",)).select_related(*RELATED)
        recall = rows.filter(pk=recall_id).first()
        if recall is None:
            raise RecallNotFound()
        if recall.state == to and to != RecallState.EXPIRED:
            return recall
        if recall.state != RecallState.OPEN:
            raise closed(recall)
        refuse_linked(actor, checker, recall.sender_id, recall.recipient_id)
        # Looked at after the lock: the clock and the recipient may come at the same moment.
        is_late = now() >= recall.deadline_at
        if to == RecallState.EXPIRED and not is_late:
            raise closed(recall)
        if is_late:
            _close(recall, RecallState.EXPIRED, actor=None, note="")
        else:
            _close(recall, to, actor=actor, note=note, checker=checker)
    if is_late and to != RecallState.EXPIRED:
        raise closed(recall)  # outside: that its time is over is committed
    return recall


def refuse_alone_or_frozen(original: Transaction, returned: int, actor: Any) -> None:
    """Staff without a second person stay within their role's; the recipient moves nothing out of a wallet that only two
    people let go. Raises: ApprovalNeeded, WalletFrozen."""
    if isinstance(actor, User):
        refuse_alone(original, returned, actor)
    elif any(freeze.takes_two for freeze in freezes_of(original)):
        raise WalletFrozen()


def _close(recall: Recall, to: RecallState, *, actor: Any, note: str, checker: User | None = None) -> None:
    """End it: hold, reversal, state, event, notices. The caller holds its lock."""
    returned, reversal = 0, None
    if to == RecallState.CONSENTED:
        rows = Transaction.objects.select_for_update(no_key=True, of=("self",)).select_related("payer", "payee")
        original = rows.get(pk=recall.transaction_id)
        said = note or "The recipient agreed to the recall."
        returned, orders = orders_of(recall, original, actor=actor, note=said)
        if checker is None:
            refuse_alone_or_frozen(original, returned, actor)
    else:
        orders = [released(recall, "expired" if to == RecallState.EXPIRED else "voided", recall.held)]
    for outcome in post(orders):
        outcome.or_raise()
        reversal = outcome.transaction if outcome.transaction != recall.transaction_id else reversal
    facts: dict[str, Any] = {"returned": returned, "released": recall.held - returned}
    if reversal:
        facts["reversal"] = str(reversal)
    if checker:
        facts["approved_by"] = checker.principal
    event = note_step(recall, recall.state, to=to, actor=actor, note=note, facts=facts)
    recall.closed_at, recall.closed_by = event.at, event.actor
    match to:
        case RecallState.CONSENTED:
            advance(recall.consent, actor=actor, reason=note, returned=returned, reversal_id=reversal)
        case RecallState.REFUSED:
            advance(recall.refuse, actor=actor, reason=note)
        case RecallState.EXPIRED:
            advance(recall.expire, actor=actor, reason=note)
        case _:
            advance(recall.withdraw, actor=actor, reason=note)
    tell(recall, event)


def note_step(
    recall: Recall, before: str, *, actor: Any, note: str, facts: dict[str, Any], to: str = RecallState.OPEN
) -> RecallEvent:
    """Written before the state itself, which the guards hold against it."""
    return RecallEvent.objects.create(
        id=uuid7(), recall_id=recall.pk, from_state=before, to_state=to, actor=actor_name(actor), note=note,
        facts=facts, request_id=context.request_id.get(), at=now(),
    )  # fmt: skip


def tell(recall: Recall, event: RecallEvent) -> None:
    """Tell both parties of a step. Neither learns the other's full name, nor what staff wrote."""
    facts = {
        "claimed": str(Money(recall.claimed, recall.currency)),
        "held": str(Money(recall.held, recall.currency)),
        "returned": str(Money(recall.returned, recall.currency)) if recall.returned else "",
        "receipt": recall.transaction.receipt,
        "reason": recall.reason.title,
        "deadline": f"{recall.deadline_at:%-d %b %Y %H:%M} UTC",
    }
    for_sender, for_recipient = TOLD[event.to_state]
    parties = [(for_sender, recall.sender, recall.recipient), (for_recipient, recall.recipient, recall.sender)]
    notify_many(
        [
            Notice(event.pk, to.pk, recall.transaction_id, kind, facts | {"counterparty": masked_name(other.full_name)})
            for kind, to, other in parties
            if kind
        ]
    )


def closed(recall: Recall) -> TekanaError:
    return RecallClosed(state=recall.state)


def stated(note: str) -> str:
    note = " ".join(note.split())
    if not note:
        raise RecallNoteMissing()
    return note[:500]
