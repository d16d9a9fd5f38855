"""Money is a whole number of minor units and a currency. Nothing in Tekana holds it in any other form."""

import re
from typing import NamedTuple

from core.errors import AmountTooLarge, AmountTooPrecise, InvalidAmount

# ISO 4217 exponents: how many decimals the currency's minor unit has. RWF and UGX have none.
EXPONENTS = {
    "KES": 2, "RWF": 0, "UGX": 0, "TZS": 2, "NGN": 2, "GHS": 2, "ZAR": 2, "USD": 2, "EUR": 2, "GBP": 2,
}  # fmt: skip
CURRENCY_CHOICES = [(code, code) for code in EXPONENTS]

# One movement at most: far above any limit row, far below what a bigint balance can hold after a lifetime of them.
MAX_MINOR = 10**15

DECIMAL = re.compile(r"(-?)([0-9]{1,18})(?:\.([0-9]{1,18}))?", re.ASCII)


class Money(NamedTuple):
    """``amount_minor`` whole minor units (KES 10.50 is 1050, RWF 10 is 10) of one ISO ``currency``."""

    amount_minor: int
    currency: str

    @classmethod
    def parse(cls, text: str, currency: str) -> "Money":
        """Read a decimal string such as ``"1050.75"``; at most MAX_MINOR either way.

        Raises: InvalidAmount, AmountTooPrecise (more decimals than the currency has), AmountTooLarge.
        """
        match = DECIMAL.fullmatch(text)
        if match is None or currency not in EXPONENTS:
            raise InvalidAmount(f"{text[:40]!r} is not an amount of money.")
        sign, whole, fraction = match[1], match[2], (match[3] or "").rstrip("0")
        exponent = EXPONENTS[currency]
        if len(fraction) > exponent:
            raise AmountTooPrecise(f"{currency} has {exponent} decimals.", currency=currency, decimals=exponent)
        minor = int(whole + fraction.ljust(exponent, "0"))
        if minor > MAX_MINOR:
            raise AmountTooLarge(f"At most {decimal_string(MAX_MINOR, currency)} {currency} at once.")
        return cls(-minor if sign else minor, currency)

    @property
    def decimal(self) -> str:
        return decimal_string(self.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.currency} {grouped(self.amount_minor, self.currency)}"


def decimal_string(amount_minor: int, currency: str) -> str:
    """The wire form: ``decimal_string(105075, "KES") == "1050.75"``; every decimal of the currency, always."""
    exponent = EXPONENTS[currency]
    if not exponent:
        return str(amount_minor)
    whole, fraction = divmod(abs(amount_minor), 10**exponent)
    return f"{'-' if amount_minor < 0 else ''}{whole}.{str(fraction).zfill(exponent)}"


def grouped(amount_minor: int, currency: str) -> str:
    """For people: ``grouped(105075, "KES") == "1,050.75"``."""
    whole, _, fraction = decimal_string(abs(amount_minor), currency).partition(".")
    text = f"{int(whole):,}" + (f".{fraction}" if fraction else "")
    return f"-{text}" if amount_minor < 0 else text
