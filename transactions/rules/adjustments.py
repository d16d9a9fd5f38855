"""Adjustments: one account debited, another credited, as two people agreed."""

from ledger.books import Held
from ledger.chart import CREDIT, DEBIT, type_of
from transactions import journals
from transactions.attempt import Attempt
from transactions.errors import CurrencyMismatch, InsufficientFunds, MoreThanOwed
from transactions.movements import Movement
from transactions.world import World
from wallets.errors import WalletClosed
from wallets.parties import Party


def between(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """It names accounts, of which wallets are some."""
    payer = world.parties.at(order.payer, order.currency) if order.payer else None
    return payer, world.parties.at(order.payee, order.currency) if order.payee else None


def touches(order: Movement, world: World) -> set[str]:
    return {order.debit, order.credit}


def accept(attempt: Attempt) -> None:
    """Neither freezes nor limits stop it; no wallet goes below zero, nor does suspense."""
    order, accounts = attempt.order, attempt.world.books.accounts
    debited, credited = accounts[order.debit], accounts[order.credit]
    if {debited.currency, credited.currency} != {order.currency}:
        raise CurrencyMismatch(f"Both accounts must hold {order.currency}.")
    if debited.closed or credited.closed:
        raise WalletClosed()
    if debited.normal_side == CREDIT and not _can_give(debited, order.amount):
        raise InsufficientFunds()
    if credited.normal_side == DEBIT and not credited.can_give(order.amount):
        raise MoreThanOwed(owed_minor=credited.available)
    attempt.facts |= {"debit": order.debit, "credit": order.credit}
    attempt.post(journals.adjustment_lines(order.debit, order.credit, order.amount))
    attempt.balance_after = debited.posted


def _can_give(account: Held, amount: int) -> bool:
    """Also where it was opened before accounts of its type had a floor (`ledger/chart.py`): each keeps its own."""
    floor = type_of(account.code).floor
    return account.can_give(amount) and (floor is None or account.available - amount >= floor)
