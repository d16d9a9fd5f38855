"""Giving the fee of one transaction back afterwards: an adjustment with its own journal, linked to what it was of."""

from collections.abc import Callable
from uuid import UUID

from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet, Sum
from django.db.models.functions import Cast
from django.utils import timezone

from core import audit, context
from core.admin.lists import first_id_at
from core.errors import AmountNotPositive
from core.money import Money
from customers.links import why_linked
from ledger.chart import fee_income, wallet_account
from staff.approvals import lock_name
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions.authority import WAIVES_ALONE, WAIVES_ALONE_A_DAY
from transactions.errors import MoreThanFee, NoFeeLeft, TransactionNotFound
from transactions.models import Kind, State, Transaction, WaivedFee
from transactions.movements import Movement, Order, Outcome
from transactions.posting import FEES_RETURNED, post_one, shares
from transactions.services.reversals import DAY, led_to
from wallets.models import Wallet
from wallets.parties import Address

MOVED = frozenset({State.COMPLETED, State.PARTIALLY_REVERSED, State.REVERSED})
REASON = "fee_waiver"
NAME = "fee_return"  # of the operation by which a second person approves it


def waive_fee(
    transaction: UUID, *, amount: int, of_payee: bool = False, reason: str, actor: User, idempotency_key: str,
    checker: User | None = None, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Give ``amount`` minor units of a transaction's fee back to whoever paid it.

    What is waived does not go back a second time with a reversal. Freezes and limits do not stop it.

    Args:
        of_payee: of what the payee bore, not of the fee itself.
        checker: the second person, who has approved it (`approvals.py`); without one, staff stay within their role's.
    Raises: TransactionNotFound, NoFeeLeft, MoreThanFee, AmountNotPositive, ApprovalNeeded, WalletClosed.
    Locks: the original, where staff act alone the actor's sum, then both accounts.
    """
    with db_transaction.atomic():
        rows = Transaction.objects.select_for_update(no_key=True, of=("self",)).select_related("payer", "payee")
        original = rows.filter(pk=transaction).first()
        if original is None:
            raise TransactionNotFound()
        again = Transaction.objects.filter(caller=actor.principal, idempotency_key=idempotency_key).exists()
        if not again:
            _check(original, amount, fee_left(original, of_payee=of_payee))
            if checker is None:
                lock_name(f"waived alone:{actor.principal}")
                if why := why_second_person(original, amount, actor):
                    raise ApprovalNeeded(why)
        movement = _movement(original, amount, of_payee, reason, actor, idempotency_key)
        outcome = post(movement).or_raise()
        if not outcome.replayed:
            assert outcome.transaction is not None
            WaivedFee.objects.create(
                transaction=original, movement_id=outcome.transaction, of_payee=of_payee, amount=movement.amount
            )
            after = {"amount_minor": movement.amount, "of_payee": of_payee, "adjustment": str(outcome.transaction)}
            after |= {"approved_by": checker.principal} if checker else {}
            audit.record(actor=actor, action="waive_fee", subject=original, after=after, reason=reason)
    return outcome


def fee_left(original: Transaction, *, of_payee: bool) -> int:
    """What of a side's fee was neither given back with a reversal nor waived; 0 of what did not go through, and of a
    hold, which only sets it aside: it is paid with the captures."""
    if original.state not in MOVED or original.kind == Kind.HOLD:
        return 0
    paid = original.payee_fee if of_payee else original.fee
    if not paid:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(FEES_RETURNED, [[original.pk], [original.pk]])
        row = cursor.fetchone()
    of_payer, of_recipient = shares(*row[1:], is_exchange=bool(original.received)) if row else (0, 0)
    return paid - (of_recipient if of_payee else of_payer)


def beneficiary(original: Transaction, *, of_payee: bool) -> Wallet:
    """The wallet that paid it: of money that came in, that of its owner."""
    wallet = original.payee if of_payee or original.payer is None else original.payer
    assert wallet is not None
    return wallet


def why_second_person(original: Transaction, amount: int, actor: User) -> str:
    """Why waiving ``amount`` minor units needs somebody else's approval, in words; empty if the actor may alone.

    What was waived alone before counts too: of this transaction by anybody, of all by the actor in 24 hours.
    """
    customers = [wallet.customer_id for wallet in (original.payer, original.payee) if wallet]
    if linked := why_linked(actor, *customers):
        return linked
    currency = original.currency
    alone = WAIVES_ALONE.get(actor.role, {}).get(currency, 0)
    if not alone:
        return f"Your role waives nothing in {currency} alone."
    waived = WaivedFee.objects.filter(movement__currency=currency)
    before = waived_alone(waived.filter(transaction=original))
    if amount + before > alone:
        return f"Your role waives at most {Money(alone, currency)} of one transaction's fee alone."
    day = WAIVES_ALONE_A_DAY.get(actor.role, {}).get(currency, 0)
    mine = waived.filter(movement__caller=actor.principal, movement_id__gte=first_id_at(timezone.now() - DAY))
    today = waived_alone(mine)
    if amount + today > day:
        why = f"Your role waives at most {Money(day, currency)} alone in 24 hours"
        return f"{why}; you have waived {Money(today, currency)}."
    return ""


def waived_alone(waived: QuerySet[WaivedFee]) -> int:
    """Of these, what staff waived without a second person, in minor units."""
    approved = led_to(Cast(OuterRef("movement_id"), CharField())).filter(operation=NAME)
    return waived.exclude(Exists(approved)).aggregate(sum=Sum("amount"))["sum"] or 0


def _check(original: Transaction, amount: int, left: int) -> None:
    if not left:
        raise NoFeeLeft(f"Of this {Kind(original.kind).label} no fee is left to waive.")
    if amount <= 0:
        raise AmountNotPositive()
    if amount > left:
        raise MoreThanFee(left_minor=left)


def _movement(
    original: Transaction, amount: int, of_payee: bool, reason: str, actor: User, idempotency_key: str
) -> Movement:
    wallet = beneficiary(original, of_payee=of_payee)
    return Movement(
        kind=Kind.ADJUSTMENT, amount=amount, currency=original.currency, caller=actor.principal, key=idempotency_key,
        payee=Address("wallet", str(wallet.pk)), debit=fee_income(original.kind, original.currency),
        credit=wallet_account(wallet.pk), reason_code=REASON, reason=reason, request_id=context.request_id.get(),
    )  # fmt: skip
