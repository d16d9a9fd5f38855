"""The accounting of every movement, in one place: which account, which side. Pure; an accountant can read it.

Wallets are liabilities: a debit lowers what we owe their owner. Money at a rail is an asset. Fees are income.
Zero lines are skipped by the books.
"""

from ledger.books import Line, credit, debit
from ledger.chart import fx_margin, fx_position, fx_result, fx_revaluation, fx_unrealised


def transfer_lines(payer: str, payee: str, amount: int, fee: int, fees: str, payee_fee: int = 0) -> list[Line]:
    """Payer pays amount and fee; payee gets the amount less what they bear of the price; we keep both fees."""
    return [debit(payer, amount + fee), credit(payee, amount - payee_fee), credit(fees, fee + payee_fee)]


def top_up_lines(wallet: str, rail: str, amount: int, fee: int, fees: str) -> list[Line]:
    """The rail holds more for us; we owe the owner that much more, less the fee."""
    return [debit(rail, amount), credit(wallet, amount - fee), credit(fees, fee)]


def cash_out_lines(wallet: str, rail: str, amount: int, fee: int, fees: str) -> list[Line]:
    """The rail paid out; we owe the owner that much less, and the fee."""
    return [debit(wallet, amount + fee), credit(rail, amount), credit(fees, fee)]


def exchange_lines(
    payer: str, payee: str, sold: str, amount: int, fee: int, fees: str, bought: str, received: int, margin: int
) -> list[Line]:
    """A movement whose payee, a wallet or a rail, gets another currency than the payer gives. The position in the one
    ``sold`` grows by the amount; that in the one ``bought`` shrinks by what the payee gets and what we keep of it."""
    return [
        debit(payer, amount + fee), credit(fees, fee), credit(fx_position(sold), amount),
        debit(fx_position(bought), received + margin), credit(payee, received), credit(fx_margin(bought), margin),
    ]  # fmt: skip


def exchange_reversal_lines(
    payer: str, payee: str, sold: str, amount: int, fee: int, fees: str, bought: str, received: int, margin: int,
    worth: int,
) -> list[Line]:  # fmt: skip
    """The mirror of an exchange, in part or in whole. The payer gets what the amount is ``worth``: at the original rate
    all of it; at another, what there is more or less of it than was sold is our result."""
    gain = amount - worth
    result = [credit(fx_result(sold), gain)] if gain > 0 else [debit(fx_result(sold), -gain)]
    return [
        debit(payee, received), debit(fx_margin(bought), margin), credit(fx_position(bought), received + margin),
        debit(fx_position(sold), amount), debit(fees, fee), credit(payer, worth + fee), *result,
    ]  # fmt: skip


def adjustment_lines(debited: str, credited: str, amount: int) -> list[Line]:
    """What two people agreed on: one account debited, another credited. Collecting what is owed to us debits the wallet
    and credits the receivable; writing it off debits our loss."""
    return [debit(debited, amount), credit(credited, amount)]


def revaluation_lines(result: int, currency: str) -> list[Line]:
    """What a position is worth beyond its cost, in the reporting currency alone: the position itself stays what it is,
    for no money moved. A loss, below zero, is the other way round; so is taking a gain back."""
    gained, lost = fx_revaluation(currency), fx_unrealised(currency)
    if result < 0:
        gained, lost = lost, gained
    return adjustment_lines(gained, lost, abs(result))


def reversal_lines(payer: str, payee: str, amount: int, fee: int, fees: str, payee_fee: int = 0) -> list[Line]:
    """The mirror of a transfer, in part or in whole: ``payer`` and ``payee`` are those of the original. What each gets
    back of their fee, we give back: the payee by giving that much less."""
    return [debit(payee, amount - payee_fee), debit(fees, fee + payee_fee), credit(payer, amount + fee)]


def owed_reversal_lines(
    payer: str, payee: str, amount: int, fee: int, fees: str, receivable: str, owed: int, payee_fee: int = 0
) -> list[Line]:
    """The same where the payee has too little left: ``owed`` of it they owe us from now on."""
    return [
        debit(payee, amount - payee_fee - owed), debit(receivable, owed), debit(fees, fee + payee_fee),
        credit(payer, amount + fee),
    ]  # fmt: skip
