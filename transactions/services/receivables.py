"""What recipients owe us after a reversal that gave back more than they had (`reversals.py`): collecting it from what
they have now, and writing off what nobody will pay. Always two people (`approvals.py`)."""

from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit, context
from core.errors import AmountNotPositive
from core.ids import uuid7
from ledger import chart
from ledger.selectors import account_ids
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions import posting
from transactions.errors import ReceivableNotFound
from transactions.models import Kind, Receivable, Transaction
from transactions.movements import Movement, Outcome
from transactions.posting import post_one
from wallets.parties import Address

COLLECT, WRITE_OFF = "collect", "write_off"


class Settled(NamedTuple):
    """The accounts that a step debits and credits."""

    debit: str
    credit: str


def open_receivable(original: Transaction) -> Receivable:
    """The row that says whose debt the payment's receivable is; joins the database transaction that booked it."""
    assert original.payee_id is not None
    code = chart.receivable(original.pk, original.currency)
    known = Receivable.objects.filter(transaction=original.pk).first()
    return known or Receivable.objects.create(
        id=uuid7(), transaction=original, debtor_id=original.payee_id, account_id=account_ids([code])[code],
        currency=original.currency, opened_at=timezone.now(),
    )  # fmt: skip


def settle_receivable(
    receivable: UUID, how: str, *, amount: int, reason: str, actor: User, checker: User | None, idempotency_key: str
) -> Outcome:
    """Take ``amount`` minor units of what is owed from the debtor's wallet (COLLECT), or bear it ourselves (WRITE_OFF).

    Freezes and limits do not stop it; no wallet goes below zero, and no receivable.

    Raises: ApprovalNeeded, ReceivableNotFound, AmountNotPositive, InsufficientFunds, WalletClosed, MoreThanOwed.
    Locks: both accounts.
    """
    if checker is None or checker.pk == actor.pk:
        raise ApprovalNeeded("What is owed to us is collected or written off by two people.")
    row = receivable_of(receivable)
    movement = _movement(row, how, amount, reason, actor.principal, idempotency_key)
    with db_transaction.atomic():
        outcome = post_one(movement)
        if outcome.error is None and not outcome.replayed:
            after = {"amount_minor": amount, "currency": row.currency, "transaction": str(outcome.transaction)}
            after |= {"approved_by": checker.principal}
            audit.record(actor=actor, action=f"{how}_receivable", subject=row, after=after, reason=reason)
    return outcome.or_raise()


def preview_settling(receivable: UUID, how: str, *, amount: int) -> list[dict[str, Any]]:
    """The lines that it would post now, with balances. Raises: what posting would."""
    movement = _movement(receivable_of(receivable), how, amount, "", "job:preview", "preview-receivable")
    outcome, world = posting.dry_run(movement)
    outcome.or_raise()
    return world.lines()


def receivable_of(receivable: UUID) -> Receivable:
    """Raises: ReceivableNotFound."""
    rows = Receivable.objects.select_related("transaction", "debtor__customer", "debtor__account", "account")
    row = rows.filter(pk=receivable).first()
    if row is None:
        raise ReceivableNotFound()
    return row


def accounts_of(row: Receivable, how: str) -> Settled:
    credit = chart.receivable(row.transaction_id, row.currency)
    debit = chart.wallet_account(row.debtor_id) if how == COLLECT else chart.write_offs(row.currency)
    return Settled(debit, credit)


def _movement(row: Receivable, how: str, amount: int, reason: str, caller: str, key: str) -> Movement:
    if amount <= 0:
        raise AmountNotPositive()
    debit, credit = accounts_of(row, how)
    return Movement(
        kind=Kind.ADJUSTMENT, amount=amount, currency=row.currency, caller=caller, key=key, debit=debit, credit=credit,
        payer=Address("wallet", str(row.debtor_id)) if how == COLLECT else None, reason=reason,
        request_id=context.request_id.get(),
    )  # fmt: skip
