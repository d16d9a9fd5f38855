"""Putting the books right by hand: one account debited, another credited, always by two people (`approvals.py`)."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction as db_transaction

from core import audit, context
from core.errors import AmountNotPositive
from ledger import chart
from staff.errors import ApprovalNeeded
from staff.models import User
from transactions import posting
from transactions.errors import CurrencyMismatch, SameAccount, UnknownAccount
from transactions.models import PAYS_AT_ONCE, THROUGH_A_RAIL, Kind, Transaction
from transactions.movements import Movement, Order, Outcome
from transactions.posting import post_one
from wallets.models import Wallet
from wallets.parties import Address

WALLET = chart.wallet_account("")


def house_accounts(currency: str) -> list[str]:
    """The codes of our own accounts in a currency that can be adjusted; what was never used is opened then."""
    fees = [chart.fee_income(kind, currency) for kind in sorted(PAYS_AT_ONCE | THROUGH_A_RAIL)]
    rails = [chart.rail_float(rail, currency) for rail in settings.RAILS]
    return [chart.suspense(currency), chart.adjustments(currency), *rails, *fees]


def post_adjustment(
    *, debit: str, credit: str, amount: int, currency: str, reason: str, actor: User, checker: User | None,
    idempotency_key: str, post: Callable[[Order], Outcome] = post_one,
) -> Outcome:  # fmt: skip
    """Debit one account and credit another. Freezes and limits do not stop it; no wallet goes below zero.

    Args:
        debit, credit: codes of accounts, of wallets or of the house.
        amount: minor units of ``currency``.
        checker: the second person, who has approved it. There is none without.
    Raises: ApprovalNeeded, UnknownAccount, SameAccount, CurrencyMismatch, AmountNotPositive, InsufficientFunds,
    WalletClosed.
    Locks: both accounts.
    """
    if checker is None or checker.pk == actor.pk:
        raise ApprovalNeeded("The books are adjusted by two people.")
    movement = _movement(debit, credit, amount, currency, reason, actor.principal, idempotency_key)
    with db_transaction.atomic():
        outcome = post(movement)
        if outcome.error is None and not outcome.replayed:
            after = {"debit": debit, "credit": credit, "amount_minor": amount, "currency": currency}
            after |= {"approved_by": checker.principal}
            subject = Transaction(pk=outcome.transaction)
            audit.record(actor=actor, action="adjust", subject=subject, after=after, reason=reason)
    return outcome.or_raise()


def preview_adjustment(*, debit: str, credit: str, amount: int, currency: str) -> list[dict[str, Any]]:
    """The lines that it would post now, with balances. Raises: what posting would."""
    outcome, world = posting.dry_run(
        _movement(debit, credit, amount, currency, "", "job:preview", "preview-adjustment")
    )
    outcome.or_raise()
    return world.lines()


def wallet_in(code: str) -> UUID | None:
    """The wallet whose account this is."""
    return UUID(code.removeprefix(WALLET)) if code.startswith(WALLET) else None


def _movement(debit: str, credit: str, amount: int, currency: str, reason: str, caller: str, key: str) -> Movement:
    if amount <= 0:
        raise AmountNotPositive()
    if debit == credit:
        raise SameAccount()
    payer, payee = (_address(code, currency) for code in (debit, credit))
    return Movement(
        kind=Kind.ADJUSTMENT, amount=amount, currency=currency, caller=caller, key=key, payer=payer, payee=payee,
        debit=debit, credit=credit, reason=reason, request_id=context.request_id.get(),
    )  # fmt: skip


def _address(code: str, currency: str) -> Address | None:
    """How posting finds the wallet with this account; None for an account of the house."""
    if code in house_accounts(currency):
        return None
    identity = _uuid(code)
    wallet = Wallet.objects.filter(pk=identity).first() if identity else None
    if wallet is None:
        raise UnknownAccount(f"{code[:80]} is no account that can be adjusted in {currency}.")
    if wallet.currency != currency:
        raise CurrencyMismatch(f"This wallet holds {wallet.currency}.", wallet_currency=wallet.currency)
    return Address("wallet", str(wallet.pk))


def _uuid(code: str) -> UUID | None:
    try:
        return wallet_in(code)
    except ValueError:
        return None
