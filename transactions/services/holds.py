"""Money promised to somebody: placing a hold, capturing it in one or more parts, voiding it; and what the clock does.

pending ─ capture (part) ─ pending        capture (the rest, or final) ─ completed
        ─ void ─ cancelled, or completed where a part was captured        expiry ─ expired, or completed
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db import transaction as db_transaction

from core import audit, context
from core.errors import OutcomeUnknown, Unavailable
from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.links import leave_to_colleague
from transactions import posting
from transactions.errors import HoldNotFound, NotPayeeOfHold
from transactions.models import Kind, State, Transaction
from transactions.movements import Answer, Movement, Order, Outcome, Settlement, Terms
from transactions.poster import submit
from transactions.services.payments import PaymentOrder, payment_movement, refuse_person
from transactions.services.settling import settle
from wallets.parties import Address

logger = logging.getLogger(__name__)

SWEEP = 500
TRIES = 3
JOB = "job:holds"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldOrder(PaymentOrder):
    """A payment that is promised: made when, and as far as, the merchant captures it."""

    terms: Terms | None = None


class HoldPreview(NamedTuple):
    """What placing it would do, minor units. ``limits_left``: per movement, day, month after it; None is unlimited."""

    payee: UUID
    fee: int
    available_after: int
    expires_at: datetime
    limits_left: dict[str, int | None]


def place_hold(
    order: HoldOrder, *, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None = None,
    post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Set amount and fee aside for a merchant. A refusal is an outcome with ``error``, kept where it was understood.

    Raises: RecipientNoMerchant, for a person: what is captured is a payment.
    """
    refuse_person(order)
    return post(_placing(order, actor, idempotency_key, answer))


def preview_hold(order: HoldOrder, *, actor: CustomerPrincipal) -> HoldPreview:
    """The verdict, fee and limits of the same hold; posts nothing and keeps nothing.

    Raises: what `place_hold` would be refused with.
    """
    refuse_person(order)
    movement = replace(_placing(order, actor, f"preview-{uuid7()}", None), reference=None)
    outcome, world = posting.dry_run(movement)
    outcome.or_raise()
    assert outcome.payee is not None and outcome.promise is not None and outcome.promise.expires_at is not None
    payer = world.parties.at(movement.payer, movement.currency)  # type: ignore[arg-type]
    assert payer is not None
    used = world.events[-1].facts["verdicts"]["within_limits"]["payer"]
    left = {
        period: None if allowed is None else allowed - reached if period != "movement" else allowed
        for period in ("movement", "day", "month")
        for reached, allowed in [used[period]]
    }
    available = world.books.accounts[payer.account].available
    return HoldPreview(outcome.payee, outcome.fee, available, outcome.promise.expires_at, left)


def _placing(order: HoldOrder, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None) -> Movement:
    return replace(payment_movement(order, actor, idempotency_key, answer, Kind.HOLD), terms=order.terms)


def hold_for(customer: UUID, hold: UUID) -> Transaction:
    """The hold, for its payee alone. Raises: HoldNotFound, for a stranger too; NotPayeeOfHold, for the payer."""
    found = Transaction.objects.filter(pk=hold, kind=Kind.HOLD).exclude(state=State.FAILED)
    one = found.select_related("payer", "payee").first()
    if one is None or one.payer is None or one.payee is None:
        raise HoldNotFound()
    if one.payee.customer_id != customer:
        raise NotPayeeOfHold() if one.payer.customer_id == customer else HoldNotFound()
    return one


def capture_hold(
    hold: Transaction, amount: Money | None, *, final: bool = False, actor: CustomerPrincipal, idempotency_key: str,
    answer: Answer | None = None, post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Take ``amount`` of it, or all that is left, by a payment of its own; ``final`` lets the payer have the rest.

    ``hold`` is what `hold_for` found: what is read of it never changes. A refusal is an outcome with ``error``.
    """
    return post(
        replace(
            _capturing(hold, amount, final), caller=actor.principal, key=idempotency_key, owner=actor.id,
            session=actor.session_id, request_id=context.request_id.get(), answer=answer,
        )
    )  # fmt: skip


def _capturing(hold: Any, amount: Money | None = None, final: bool = False) -> Movement:
    """A capture by nobody; ``hold`` is the transaction, or a row with the same names."""
    return Movement(
        kind=Kind.PAYMENT, amount=amount.amount_minor if amount else 0, currency=hold.currency, caller=JOB,
        key=f"hold-capture:{hold.pk}", payer=Address("wallet", str(hold.payer_id)),
        payee=Address("wallet", str(hold.payee_id)), memo=hold.memo, order_reference=hold.order_reference,
        hold=hold.pk, final=final,
    )  # fmt: skip


def void_hold(hold: UUID, *, actor: CustomerPrincipal) -> Outcome:
    """The payee lets go of what was not captured. Raises: HoldNotFound, NotPayeeOfHold, HoldOver."""
    return settle(hold_for(actor.id, hold).pk, to=State.CANCELLED, actor=actor)


def void_by_staff(hold: UUID, *, actor: Any, reason: str) -> Outcome:
    """Staff let go of it for the payee.

    Raises: HoldNotFound, HoldOver, LinkedCustomer (a colleague does it). Locks: the hold, then its payer's account.
    """
    with db_transaction.atomic():
        one = Transaction.objects.filter(pk=hold, kind=Kind.HOLD).select_related("payer", "payee").first()
        if one is None:
            raise HoldNotFound()
        leave_to_colleague(actor, *(wallet.customer_id for wallet in (one.payer, one.payee) if wallet))
        outcome = settle(one.pk, to=State.CANCELLED, actor=actor, reason=reason)
        audit.record(actor=actor, action="void", subject=one, before=State.PENDING, after=outcome.state, reason=reason)
    return outcome


# --- the clock -----------------------------------------------------------------------------------------------------
class Due(NamedTuple):
    """A hold whose time has come. ``captures``: by itself, which nobody has tried yet."""

    pk: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    memo: str
    order_reference: str | None
    captures: bool
    has_expired: bool

    @property
    def order(self) -> Order | None:
        """What to do with it: capture what is left, or let it expire."""
        if self.captures:
            return _capturing(self)
        if self.has_expired:
            return Settlement(transaction=self.pk, to=State.EXPIRED, actor=JOB, reason="Nobody captured it in time.")
        return None


DUE = """
SELECT t.id, t.payer_id, t.payee_id, t.currency, t.memo, t.order_reference,
       coalesce(t.capture_at <= now(), false) AND NOT EXISTS (
           SELECT FROM transactions_transaction c
           WHERE c.idempotency_key = 'hold-capture:' || t.id AND c.caller = %(job)s),
       h.expires_at <= now()
FROM transactions_transaction t JOIN ledger_holdevent h ON h.hold = t.id AND h.kind = 'placed'
WHERE t.state IN ('pending', 'processing', 'unknown') AND t.kind = 'hold' AND t.due_at <= now()
  AND t.quarantined_at IS NULL
ORDER BY t.due_at, t.id LIMIT %(most)s
"""
# Whatever became of a capture by itself, what comes next is the expiry.
NEXT = """
UPDATE transactions_transaction t SET due_at = h.expires_at
FROM ledger_holdevent h
WHERE h.hold = t.id AND h.kind = 'placed' AND t.id = ANY(%s) AND t.state = 'pending' AND t.due_at < h.expires_at
"""
GIVE_UP = """
UPDATE transactions_transaction
SET attempts = attempts + 1, quarantined_at = CASE WHEN attempts + 1 >= %s THEN now() END
WHERE id = ANY(%s) AND state = 'pending'
"""


def sweep() -> int:
    """Capture by themselves, or let expire, the holds that are due, oldest first; how many of them had an outcome.

    Safe to run twice and at once: of two orders for a hold the books take one. What had none stays due, and is taken up
    in the next round; what fails alone ``TRIES`` times waits for a person, and stops no other.
    """
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"job": JOB, "most": SWEEP})
        due = [Due(*row) for row in cursor.fetchall()]
    decided = _taken_up(due) if due else []
    if decided:
        with connection.cursor() as cursor:
            cursor.execute(NEXT, [[one.pk for one in decided]])
    return len(decided)


def _taken_up(due: Sequence[Due]) -> list[Due]:
    """Those whose capture or expiry came to something, done or refused: now, or in an earlier round."""
    asked = [(one, order) for one in due if (order := one.order) is not None]
    decided = [one for one in due if one.order is None]
    try:
        posting.post([order for _, order in asked])
        return list(due)
    except (OutcomeUnknown, Unavailable):
        return decided
    except Exception:
        logger.exception("holds could not be taken up together")
    for one, order in asked:
        try:
            posting.post_one(order)
        except (OutcomeUnknown, Unavailable):
            break
        except Exception:
            logger.exception("a hold could not be taken up", extra={"transaction": one.pk})
            with connection.cursor() as cursor:
                cursor.execute(GIVE_UP, [TRIES, [one.pk]])
        else:
            decided.append(one)
    return decided
