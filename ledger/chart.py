"""The chart of accounts: what kinds of account there are, as data. `docs/chart-of-accounts.md` is generated from it.

An account's code is a template filled in; the accounts of the house are opened at their first use.
"""

import re
from typing import NamedTuple

from core.money import EXPONENTS

DEBIT, CREDIT = 1, -1


class AccountType(NamedTuple):
    """``pattern`` with {placeholders}, the side it grows on, the floor (None: none), what it is for."""

    pattern: str
    normal_side: int
    floor: int | None
    name: str
    meaning: str


CHART = [
    AccountType(
        "liability:wallet:{wallet}", CREDIT, 0, "Wallet", "What we owe the owner of one wallet. Never below zero."
    ),
    AccountType(
        "liability:suspense:{currency}", CREDIT, 0, "Suspense",
        "Money that arrived and could not be credited, e.g. a top-up for a wallet closed meanwhile. Never below zero.",
    ),
    AccountType(
        "asset:rail:{rail}:{currency}", DEBIT, None, "Money at a rail",
        "What a bank or mobile-money partner holds for us: e-money issued is covered by these.",
    ),
    AccountType(
        "asset:receivable:{transaction}:{currency}", DEBIT, 0, "Receivable",
        "What the recipient of one payment owes us: more of it was given back than they had left. Never below zero.",
    ),
    AccountType("income:fees:{kind}:{currency}", CREDIT, None, "Fees", "What we earned on one kind of movement."),
    AccountType(
        "equity:fx:{currency}", CREDIT, None, "Exchange position",
        "What conversions brought in of one currency, less what they gave out: above zero we have too much of it, "
        "below zero we owe it to the market.",
    ),
    AccountType(
        "income:fx_margin:{currency}", CREDIT, None, "Exchange margin", "What we kept of what conversions brought."
    ),
    AccountType(
        "income:fx_result:{currency}", CREDIT, None, "Exchange result",
        "What undoing conversions at another rate than theirs has brought; below zero: what it has cost.",
    ),
    AccountType(
        "equity:fx_revaluation:{currency}", DEBIT, None, "Exchange revaluation",
        "What all exchange positions were worth beyond their cost at the last revaluation, in the reporting currency; "
        "below zero: what they had lost.",
    ),
    AccountType(
        "income:fx_unrealised:{currency}", CREDIT, None, "Unrealised exchange result",
        "The same as income: each revaluation takes back the one before it.",
    ),
    AccountType(
        "expense:adjustments:{currency}", DEBIT, None, "Adjustments",
        "What we bear ourselves: goodwill, differences that two people wrote off. On the credit side: what was found.",
    ),
    AccountType(
        "expense:write_offs:{currency}", DEBIT, None, "Write-offs",
        "Receivables that nobody will pay: two people of finance gave them up.",
    ),
]  # fmt: skip


def wallet_account(wallet: object) -> str:
    return f"liability:wallet:{wallet}"


def suspense(currency: str) -> str:
    return f"liability:suspense:{currency}"


def rail_float(rail: str, currency: str) -> str:
    return f"asset:rail:{rail}:{currency}"


def receivable(transaction: object, currency: str) -> str:
    return f"asset:receivable:{transaction}:{currency}"


def write_offs(currency: str) -> str:
    return f"expense:write_offs:{currency}"


def fee_income(kind: str, currency: str) -> str:
    return f"income:fees:{kind}:{currency}"


def fx_position(currency: str) -> str:
    return f"equity:fx:{currency}"


def fx_margin(currency: str) -> str:
    return f"income:fx_margin:{currency}"


def fx_result(currency: str) -> str:
    return f"income:fx_result:{currency}"


def fx_revaluation(currency: str) -> str:
    return f"equity:fx_revaluation:{currency}"


def fx_unrealised(currency: str) -> str:
    return f"income:fx_unrealised:{currency}"


def adjustments(currency: str) -> str:
    return f"expense:adjustments:{currency}"


def type_of(code: str) -> AccountType:
    """The type a code belongs to. Raises LookupError for a code that is not in the chart."""
    for account_type in CHART:
        if re.fullmatch(re.sub(r"\{\w+\}", "[A-Za-z0-9_-]+", account_type.pattern), code):
            return account_type
    raise LookupError(f"{code} is not in the chart of accounts")


def currency_of(code: str) -> str:
    """The currency that the code of a house account ends in."""
    currency = code.rpartition(":")[2]
    if currency not in EXPONENTS:
        raise LookupError(f"{code} does not end in a currency")
    return currency
