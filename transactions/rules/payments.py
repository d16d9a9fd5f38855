"""Transfers and payments: from one wallet to another, at once."""

from ledger.chart import fee_income
from transactions import journals
from transactions.attempt import Attempt
from transactions.errors import RecipientHasNoWallet, RecipientNotFound, SelfTransfer
from transactions.movements import Movement
from transactions.quotes import QuoteClaim
from transactions.rules import exchanges
from transactions.world import World
from wallets.errors import WalletNotFound
from wallets.parties import Party


def named(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """Those whom the order names; the caller's side is there and its own. Raises: WalletNotFound."""
    payer = world.parties.at(order.payer, order.currency) if order.payer else None
    payee = world.parties.at(order.payee, order.received_currency or order.currency) if order.payee else None
    mine = payer if order.payer else payee
    if mine is None or (order.owner and mine.customer != order.owner):
        raise WalletNotFound()
    return payer, payee


def fees(order: Movement, world: World) -> set[str]:
    if isinstance(order.claim, QuoteClaim):
        return exchanges.touches(order, world)
    return {fee_income(order.kind, order.currency)} if world.tariff.ever_costs(order.kind, order.currency) else set()


def accept(attempt: Attempt) -> None:
    if isinstance(attempt.order.claim, QuoteClaim):
        if attempt.order.received:
            meet(attempt)
        exchanges.pay(attempt)
        return
    meet(attempt)
    today = attempt.ask_policies()
    attempt.charge(today)
    attempt.take_from_payer(today)
    payer, payee, order = attempt.payer, attempt.payee, attempt.order
    assert payer is not None and payee is not None
    accounts = (payer.account, payee.account)
    lines = journals.transfer_lines(*accounts, order.amount, attempt.fee, attempt.fee_account, attempt.payee_fee)
    attempt.post(lines)
    attempt.balance_after = attempt.world.books.accounts[payer.account].posted


def meet(attempt: Attempt) -> None:
    """The recipient is there, and somebody else. Raises: RecipientHasNoWallet, RecipientNotFound, SelfTransfer."""
    order, parties = attempt.order, attempt.world.parties
    assert order.payee is not None
    if attempt.payee is None:
        attempt.facts["to"] = order.payee.masked
        raise RecipientHasNoWallet() if parties.knows(order.payee) else RecipientNotFound()
    if attempt.payer and attempt.payer.wallet == attempt.payee.wallet:
        raise SelfTransfer()
