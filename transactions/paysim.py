"""PaySim's log of mobile money: how one line is read, and what it means here.

PaySim (Lopez-Rojas, Elmir, Axelsson, 2016) simulates a mobile-money service; a line is one movement of ``nameOrig``:

    TRANSFER   nameOrig pays the customer nameDest      transfer
    PAYMENT    nameOrig pays the merchant nameDest      payment
    CASH_IN    nameOrig hands cash to an agent          top-up, settled: the agent has the cash
    CASH_OUT   nameOrig gets cash from an agent         cash-out, settled, to the agent
    DEBIT      nameOrig sends money to a bank account   cash-out, settled, to the bank account

Agents and banks stand outside: their side is the rail ``paysim``, and ``nameDest`` is only kept with the movement.
Whoever else is named is a customer with a wallet; the same name is the same customer in every PaySim file, for all
published files are parts of one simulation. Balances after the movement and of the destination are the simulator's,
contradict each other in many lines, and are not read; neither are the two fraud columns.
"""

import csv
import re
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from core.errors import TekanaError
from core.money import Money
from customers.models import AccountType
from customers.services import Newcomer
from transactions.models import Kind

RAIL = "paysim"
COLUMNS = [
    "step", "type", "amount", "nameOrig", "oldbalanceOrg", "newbalanceOrig", "nameDest", "oldbalanceDest",
    "newbalanceDest", "isFraud", "isFlaggedFraud",
]  # fmt: skip
KINDS = {
    "TRANSFER": Kind.TRANSFER, "PAYMENT": Kind.PAYMENT, "CASH_IN": Kind.TOP_UP, "CASH_OUT": Kind.CASH_OUT,
    "DEBIT": Kind.CASH_OUT,
}  # fmt: skip
# A letter and a number without leading zeros, so that two names never come to one phone number.
NAME = re.compile(r"[CM](0|[1-9][0-9]{0,10})", re.ASCII)
# As Java and Python print numbers: large ones come as 1.096363464E7, which is exact.
NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?([Ee]\+?[0-9]{1,2})?", re.ASCII)
STEP = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


class BadRow(Exception):
    """A line that is no movement: a stable code and a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code, self.sentence = code, sentence


class Row(NamedTuple):
    """One movement of ``name``, minor units. ``other`` has a wallet too, ``outside`` is an agent or a bank account."""

    kind: str
    amount: int
    name: str
    balance_before: int
    other: str
    outside: str
    after_start: timedelta

    @property
    def names(self) -> list[str]:
        return [self.name, self.other] if self.other else [self.name]

    @property
    def destination(self) -> dict[str, str] | None:
        """Where a cash-out went, in the fields of a bank account."""
        if self.kind != Kind.CASH_OUT:
            return None
        return {"bank_id": RAIL, "account_number": self.outside, "account_name": self.outside}


def read(line: str, currency: str) -> Row:
    """Raises: BadRow."""
    try:
        cells = next(csv.reader([line], strict=True), [])
    except csv.Error as exc:
        raise BadRow("unreadable_line", f"Not a line of CSV: {exc}.") from None
    if len(cells) != len(COLUMNS):
        raise BadRow("wrong_columns", f"{len(cells)} columns where PaySim has {len(COLUMNS)}.")
    step, kind, amount, name, balance, _, other = (cell.strip() for cell in cells[:7])
    if kind not in KINDS:
        raise BadRow("unknown_type", f"{kind!r} is none of {', '.join(KINDS)}.")
    if not STEP.fullmatch(step):
        raise BadRow("bad_step", f"{step!r} is no hour from 1 to 99999.")
    for column, text in (("nameOrig", name), ("nameDest", other)):
        if not text:
            raise BadRow("missing_name", f"{column} is empty.")
        if not NAME.fullmatch(text):
            raise BadRow("bad_name", f"{column} {text!r} is not C or M and up to 11 digits.")
    if name == other:
        raise BadRow("same_name", f"{name} moves money to itself.")
    minor = minor_units(amount, currency)
    if minor <= 0:
        raise BadRow("amount_not_positive", f"{amount} is not above zero.")
    before = minor_units(balance, currency)
    if before < 0:
        raise BadRow("negative_balance", f"oldbalanceOrg is {balance}.")
    inside = KINDS[kind] in (Kind.TRANSFER, Kind.PAYMENT)
    return Row(
        KINDS[kind], minor, name, before, other if inside else "", "" if inside else other,
        timedelta(hours=int(step) - 1),
    )  # fmt: skip


def minor_units(text: str, currency: str) -> int:
    """Exactly: more decimals than the currency has are a bad row, not rounded away. Raises: BadRow."""
    plain = format(Decimal(text), "f") if NUMBER.fullmatch(text) else text
    try:
        return Money.parse(plain, currency).amount_minor
    except TekanaError as error:
        raise BadRow(error.code, f"{text[:40]!r}: {error.detail}") from None


# --- Whom a name stands for: all of it made up from the name, the same in every run -----------------------------------
def email(name: str) -> str:
    """At a domain that never exists (RFC 2606)."""
    return f"{name.lower()}@paysim.example"


def phone_number(name: str) -> str:
    """Under +999, which the ITU keeps in reserve and gives to nobody: 1 or 2 for the letter, then the number."""
    return f"+999{'CM'.index(name[0]) + 1}{name[1:].rjust(11, '0')}"


def newcomer(name: str) -> Newcomer:
    number = int(name[1:])
    if name[0] == "M":
        full_name, account_type = f"{SHOPS[number % len(SHOPS)]} {number}", AccountType.SME
    else:
        given, family = GIVEN[number % len(GIVEN)], FAMILY[number // len(GIVEN) % len(FAMILY)]
        full_name, account_type = f"{given} {family}", AccountType.INDIVIDUAL
    return Newcomer(full_name=full_name, email=email(name), phone_number=phone_number(name), account_type=account_type)


GIVEN = [
    "Achieng", "Amina", "Baraka", "Chebet", "Daudi", "Esther", "Faith", "Grace", "Hassan", "Irene", "Juma", "Kamau",
    "Lulu", "Mercy", "Njeri", "Otieno", "Peter", "Rehema", "Salim", "Wanjiku", "Zawadi",
]  # fmt: skip
FAMILY = [
    "Abdi", "Barasa", "Chepkoech", "Gitau", "Kariuki", "Kiprono", "Macharia", "Mutua", "Mwangi", "Njoroge", "Ochieng",
    "Odhiambo", "Omondi", "Onyango", "Wafula", "Wambui",
]  # fmt: skip
SHOPS = ["Duka", "Chemist", "Hardware", "Kiosk", "Bakery", "Filling Station", "Stationers"]
