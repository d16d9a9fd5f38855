"""What customers, staff and the clock do with a payout before and after it is paid: send it in, approve, cancel, let
it expire, try again.

Each is one database transaction: the row, its event, the audit record, what is told, and the answer to the key.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, connection
from django.db import transaction as db_transaction
from django.db.models import Sum
from django.utils import timezone

from core import audit, context, failures
from core.admin.lists import first_id_at
from core.audit import actor_name
from core.bell import ring
from core.ids import uuid7
from core.money import Money, decimal_string
from core.rounds import each
from core.transitions import advance
from customers.authentication import CustomerPrincipal
from customers.links import refuse_linked
from customers.models import Customer
from notifications.services import Notice, notify_many
from payouts.answers import Told, once
from payouts.checking import Checked, check
from payouts.errors import (
    InvalidExecutionDate,
    NothingToRetry,
    PayoutExists,
    PayoutLinesUsedUp,
    PayoutNotFound,
    PayoutNotOpen,
    SecondPersonNeeded,
)
from payouts.models import COUNTS_ONCE, EXPIRING, OPEN, Batch, BatchEvent, BatchState, ItemState, Mode
from payouts.reading import File
from payouts.selectors import active_approvers, alone_left, needs_second_person, payouts_seen_by
from staff.models import User
from wallets.errors import WalletClosed, WalletNotFound
from wallets.models import Wallet

RUN = "payouts.tasks.run_payout"
FARTHEST = timedelta(days=366)
EXPIRY = "job:payout_expiry"
JOB = "payout"  # the name of its failed jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutOrder:
    """What a customer asks for beside the items. ``execute_on``: a day in their country; None: once it is approved."""

    wallet_id: UUID
    mode: str = Mode.CONTINUE
    label: str = ""
    execute_on: date | None = None
    again: bool = False


Shown = Callable[[Batch], dict[str, Any]]

ITEMS = """
INSERT INTO payouts_item
    (batch_id, line, to_by, to_value, wallet_id, amount, name, memo, reference, state, tries, refusal_code)
SELECT %s, n.line, n.to_by, n.to_value, n.wallet, n.amount, n.name, n.memo, n.reference, 'waiting', 0, ''
FROM json_to_recordset(%s::json) AS n(line integer, to_by text, to_value text, wallet uuid, amount bigint, name text,
                                      memo text, reference text)
"""


def paying_wallet(owner: UUID, wallet_id: UUID) -> Wallet:
    """With its account and owner. Raises: WalletNotFound, WalletClosed."""
    rows = Wallet.objects.filter(customer_id=owner, pk=wallet_id).select_related("account", "customer__country")
    wallet = rows.first()
    if wallet is None:
        raise WalletNotFound()
    if wallet.closed_at:
        raise WalletClosed()
    return wallet


def make_payout(
    order: PayoutOrder, file: File, wallet: Wallet, *, actor: CustomerPrincipal, idempotency_key: str, shown: Shown
) -> Told:
    """Check a file that was read and keep it: validated, or a draft that says what to put right. Nothing moves.

    The same items under way or paid before are refused, in whatever order, unless ``order.again``.
    Raises: InvalidExecutionDate, PayoutLinesUsedUp, AmountTooLarge, LimitsNotSet, PayoutExists, IdempotencyKeyReused.
    """
    asked = ["make", str(order.wallet_id), order.mode, order.label, str(order.execute_on), order.again,
             [tuple(item) for item in file.items], [tuple(fault) for fault in file.errors.told]]  # fmt: skip

    def act() -> tuple[int, dict[str, Any]]:
        today = timezone.now().astimezone(ZoneInfo(wallet.customer.country.timezone)).date()
        if order.execute_on and not today <= order.execute_on <= today + FARTHEST:
            raise InvalidExecutionDate()
        _refuse_floods(actor.id, file)
        checked = check(file, wallet)
        try:
            with db_transaction.atomic():
                return 201, shown(_kept(order, file, checked, wallet, actor))
        except IntegrityError as rival:
            if "payout_file_once" not in str(rival):
                raise
        same = Batch.objects.filter(
            COUNTS_ONCE, customer=actor.id, currency=wallet.currency, fingerprint=file.fingerprint
        ).first()
        raise PayoutExists(payout_id=str(same.pk) if same else None)  # called off meanwhile: sent again it is taken

    return once(actor.principal, idempotency_key, asked, act)


def _refuse_floods(owner: UUID, file: File) -> None:
    """Each line tells whether somebody is a customer, and is kept. Raises: PayoutLinesUsedUp. Locks: the customer, so
    that of two files the second sees the first."""
    Customer.objects.select_for_update(no_key=True).get(pk=owner)
    most = settings.PAYOUT_LINES_PER_DAY
    lately = Batch.objects.filter(customer=owner, pk__gte=first_id_at(timezone.now() - timedelta(hours=24)))
    if (lately.aggregate(sum=Sum("lines"))["sum"] or 0) + file.lines > most:
        raise PayoutLinesUsedUp(most=most)


def _kept(order: PayoutOrder, file: File, checked: Checked, wallet: Wallet, actor: CustomerPrincipal) -> Batch:
    state = BatchState.DRAFT if file.errors.total else BatchState.VALIDATED
    batch = Batch(
        id=uuid7(), customer=wallet.customer, wallet=wallet, currency=wallet.currency, label=order.label,
        mode=order.mode, execute_on=order.execute_on, again=order.again, fingerprint=file.fingerprint, state=state,
        lines=file.lines, total=checked.total, fees=checked.fees, leaves=checked.leaves,
        errors=[fault._asdict() for fault in file.errors.told], errors_total=file.errors.total,
        warnings=[fault._asdict() for fault in checked.warnings.told], warnings_total=checked.warnings.total,
        made_by=wallet.customer, created_at=timezone.now(),
    )  # fmt: skip
    batch.expires_at = _can_be_approved_until(batch)
    facts = {"items": file.lines, "errors": file.errors.total, "total": checked.total}
    event = note_step(batch, "", to=state, actor=actor, facts=facts)
    batch.save(force_insert=True)
    if state == BatchState.VALIDATED:
        rows = [
            {
                "line": item.line, "to_by": item.to.by, "to_value": item.to.value, "wallet": str(payee),
                "amount": item.amount, "name": item.name, "memo": item.memo, "reference": item.reference,
            }
            for item, payee in zip(file.items, checked.payees, strict=True)
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(ITEMS, [batch.pk, json.dumps(rows)])
        if needs_second_person(batch, wallet.customer):
            _tell_approvers(batch, event, "payout_waiting")
    audit.record(actor=actor, action="make_payout", subject=batch, after={"state": state, **facts})
    return batch


def _can_be_approved_until(batch: Batch) -> datetime:
    """PAYOUT_APPROVAL_DAYS after it was sent in; if its own day is later than that, until that day is over."""
    until = batch.created_at + timedelta(days=settings.PAYOUT_APPROVAL_DAYS)
    if batch.execute_on is None:
        return until
    return max(until, _midnight(batch, batch.execute_on + timedelta(days=1)))


def approve(payout_id: UUID, *, actor: CustomerPrincipal, idempotency_key: str, shown: Shown) -> Told:
    """Let it be paid: at once, or on its day. The owner of an individual account does; for a business somebody it has
    named, and the owner alone only up to what those have set.

    Raises: PayoutNotFound, PayoutNotOpen, SecondPersonNeeded, IdempotencyKeyReused. Locks: the key, the payout.
    """

    def act() -> tuple[int, dict[str, Any]]:
        batch = locked(payout_id, actor)
        at, due_at = timezone.now(), _day_begins(batch)
        if batch.state == BatchState.VALIDATED and at >= batch.expires_at:  # the clock has not come by yet
            raise PayoutNotOpen("Its time is over.", state=BatchState.EXPIRED)
        if batch.state != BatchState.VALIDATED:
            raise not_open(batch)
        if actor.id == batch.customer_id and batch.customer.is_business:
            _refuse_alone(batch, at)
        event = note_step(batch, batch.state, to=BatchState.APPROVED, actor=actor)
        by = batch.customer if actor.id == batch.customer_id else Customer.objects.get(pk=actor.id)
        advance(batch.approve, actor=actor, by=by, at=at, due_at=due_at)
        if due_at <= at:
            ring(RUN, batch.pk)
        if actor.id != batch.customer_id:
            tell_payer(batch, event, "payout_approved")
        return 200, shown(batch)

    return once(actor.principal, idempotency_key, ["approve", str(payout_id)], act)


def _refuse_alone(batch: Batch, at: datetime) -> None:
    """One approval of the owner's at a time, so that two do not both fit. Raises: SecondPersonNeeded."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"payouts alone {batch.customer_id}"])
    left = alone_left(batch.customer_id, batch.currency, at)
    if batch.total > left:
        raise SecondPersonNeeded(alone_left=decimal_string(left, batch.currency), currency=batch.currency)


def _day_begins(batch: Batch) -> datetime:
    """Midnight of its day in the payer's country; without a day a moment that is past by every clock."""
    if batch.execute_on is None:
        return batch.created_at
    return _midnight(batch, batch.execute_on)


def _midnight(batch: Batch, day: date) -> datetime:
    """Where a clock leaps over midnight, the first moment after it."""
    return datetime.combine(day, time(), ZoneInfo(batch.customer.country.timezone))


def cancel(payout_id: UUID, *, actor: Any, note: str = "") -> Batch:
    """Call it off, before anything of it is paid; staff also midway, and what is not paid by then is not. Cancelled
    before is no error. The other side is told. Raises: PayoutNotFound, PayoutNotOpen, LinkedCustomer. Locks: the
    payout."""
    with db_transaction.atomic():
        if isinstance(actor, User):
            failures.settle(JOB, payout_id)
        batch = locked(payout_id, actor)
        refuse_linked(actor, None, batch.customer_id)
        if batch.state == BatchState.CANCELLED:
            return batch
        if batch.state not in (*OPEN, BatchState.DRAFT):
            raise not_open(batch)
        if batch.posted and not isinstance(actor, User):
            raise not_open(batch)
        concerned = _concerns_approvers(batch)
        facts = {"posted": batch.posted, "left": batch.left}
        event = note_step(batch, batch.state, to=BatchState.CANCELLED, actor=actor, note=note, facts=facts)
        advance(batch.cancel, actor=actor, reason=note, at=timezone.now())
        said = "" if isinstance(actor, User) else note
        if actor_name(actor) != f"customer:{batch.customer_id}":
            tell_payer(batch, event, "payout_cancelled", note=said)
        if concerned:
            _tell_approvers(batch, event, "payout_withdrawn", but=actor.id, note=said)
    return batch


def expire_payouts() -> int:
    """Close what nobody approved while it could be, and tell payer and approvers; how many. It cannot be approved any
    more by then already. Safe to run in several workers at once. What had lines to put right ends in silence."""
    over = Batch.objects.filter(EXPIRING, expires_at__lte=timezone.now())

    def expired(payout_id: UUID) -> bool:
        with db_transaction.atomic():
            rows = over.select_for_update(no_key=True, of=("self",), skip_locked=True).select_related("customer")
            batch = rows.filter(pk=payout_id).first()
            if batch is None:  # somebody was quicker
                return False
            concerned = _concerns_approvers(batch)
            event = note_step(batch, batch.state, to=BatchState.EXPIRED, actor=EXPIRY)
            advance(batch.expire, actor=EXPIRY, at=timezone.now())
            if batch.has_items:
                tell_payer(batch, event, "payout_expired")
            if concerned:
                _tell_approvers(batch, event, "payout_withdrawn")
        return True

    return each(list(over.order_by("expires_at").values_list("pk", flat=True)), expired)


def _concerns_approvers(batch: Batch) -> bool:
    """Whether one of them was asked to approve it, or has."""
    if not batch.has_items:
        return False
    if batch.approved_by_id:
        return batch.approved_by_id != batch.customer_id
    return needs_second_person(batch, batch.customer)


def retry(payout_id: UUID, *, actor: CustomerPrincipal, idempotency_key: str, shown: Shown) -> Told:
    """Try what was refused once more, each under a new key; what is paid stays as it is. Its approval stands.

    Raises: PayoutNotFound, PayoutNotOpen, NothingToRetry, PayoutExists, IdempotencyKeyReused. Locks: as `approve`.
    """

    def act() -> tuple[int, dict[str, Any]]:
        batch = locked(payout_id, actor)
        if actor.id != batch.customer_id:
            raise PayoutNotFound()
        if batch.state not in (BatchState.COMPLETED, BatchState.FAILED):
            raise not_open(batch)
        if batch.state == BatchState.COMPLETED and not batch.refused:
            raise NothingToRetry()
        note_step(batch, batch.state, to=BatchState.APPROVED, actor=actor, facts={"again": batch.left + batch.refused})
        batch.items.filter(state=ItemState.REFUSED).update(state=ItemState.WAITING, refusal_code="")
        batch.refused, batch.attempts = 0, 0
        try:
            with db_transaction.atomic():
                advance(batch.try_again, actor=actor, at=batch.created_at)
        except IntegrityError as rival:  # nobody was paid, and the file was sent again since
            if "payout_file_once" not in str(rival):
                raise
            raise PayoutExists() from rival
        ring(RUN, batch.pk)
        return 200, shown(batch)

    return once(actor.principal, idempotency_key, ["retry", str(payout_id)], act)


def locked(payout_id: UUID, actor: Any) -> Batch:
    """The row, locked, if it is the actor's to do something with. Raises: PayoutNotFound."""
    seen = payouts_seen_by(actor.id) if isinstance(actor, CustomerPrincipal) else Batch.objects.all()
    rows = seen.select_for_update(no_key=True, of=("self",)).select_related("customer__country")
    batch = rows.filter(pk=payout_id).first()
    if batch is None:
        raise PayoutNotFound()
    return batch


def not_open(batch: Batch) -> PayoutNotOpen:
    return PayoutNotOpen(f"This payout is {batch.state}.", state=batch.state)


def note_step(
    batch: Batch, before: str, *, to: str, actor: Any, note: str = "", facts: dict[str, Any] | None = None
) -> BatchEvent:
    """Written before the state itself, which the guards hold against it."""
    return BatchEvent.objects.create(
        id=uuid7(), batch_id=batch.pk, from_state=before, to_state=to, actor=actor_name(actor), note=note[:500],
        facts=facts or {}, request_id=context.request_id.get(), at=timezone.now(),
    )  # fmt: skip


def tell_payer(batch: Batch, event: BatchEvent, kind: str, note: str = "") -> None:
    notify_many([Notice(event.pk, batch.customer_id, None, kind, _facts(batch) | {"note": note})])


def _tell_approvers(batch: Batch, event: BatchEvent, kind: str, but: Any = None, note: str = "") -> None:
    asked = active_approvers(batch.customer_id).values_list("approver_id", flat=True)
    facts = _facts(batch) | {"business": batch.customer.full_name, "note": note}
    notify_many([Notice(event.pk, approver, None, kind, facts) for approver in asked if approver != but])


def _facts(batch: Batch) -> dict[str, str]:
    return {
        "label": batch.label,
        "items": f"{batch.lines:,}",
        "total": str(Money(batch.total, batch.currency)),
        "posted": f"{batch.posted:,}",
        "posted_amount": str(Money(batch.posted_amount, batch.currency)),
        "refused": f"{batch.refused:,}" if batch.refused else "",
        "line": str(batch.refusal_line or ""),
        "expired": "yes" if batch.state == BatchState.EXPIRED else "",
    }
