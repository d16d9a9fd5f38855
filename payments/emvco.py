"""EMVCo merchant-presented QR payloads (EMV QR Code Specification for Payment Systems, merchant-presented mode, 1.1).

A payload is a row of objects ``id length value``: two digits, two digits, as many characters. The last is a CRC over
all before it. Texts are ASCII, so that characters and bytes are the same to every reader.
"""

import unicodedata
from collections.abc import Iterable

from core.money import Money

CURRENCY_NUMBERS = {  # ISO 4217
    "KES": "404", "RWF": "646", "UGX": "800", "TZS": "834", "NGN": "566", "GHS": "936", "ZAR": "710", "USD": "840",
    "EUR": "978", "GBP": "826",
}  # fmt: skip
NO_CATEGORY = "0000"  # we do not keep what line of business a merchant is in
LONGEST_NAME, LONGEST_CITY, LONGEST_ADDITION, LONGEST_AMOUNT = 25, 15, 25, 13


def merchant_payload(
    *, gui: str, code: str, once: bool, amount: Money | None, currency: str, country: str, city: str, name: str,
    bill: str = "", purpose: str = "",
) -> str:  # fmt: skip
    """What a wallet app scans to pay a merchant's request.

    Args:
        gui: whose scheme it is, a reverse domain name; ``code`` is what we know the request by.
        once: shown for one payment (dynamic), or left standing (static).
        amount: in decimals of its currency; without one, or where the standard has no room for it (`fits`), the payer
            enters it.
        bill: the merchant's order reference; left out where the standard cannot say it whole, for it would be another.
    """
    additional = [("01", bill if plain(bill, LONGEST_ADDITION) == bill else ""), ("05", code), ("08", purpose)]
    objects = [
        ("00", "01"),
        ("01", "12" if once else "11"),
        ("26", joined([("00", gui), ("01", code)])),
        ("52", NO_CATEGORY),
        ("53", CURRENCY_NUMBERS[currency]),
        ("54", amount.decimal if amount and fits(amount) else ""),
        ("58", country),
        ("59", plain(name, LONGEST_NAME) or "-"),
        ("60", plain(city, LONGEST_CITY) or "-"),
        ("62", joined([(id, plain(value, LONGEST_ADDITION)) for id, value in additional])),
    ]
    body = joined(objects) + "6304"
    return body + f"{crc16(body.encode()):04X}"


def fits(amount: Money | None) -> bool:
    """Whether an amount can be written as the standard wants it."""
    return amount is None or len(amount.decimal) <= LONGEST_AMOUNT


def joined(objects: Iterable[tuple[str, str]]) -> str:
    """Empty ones are left out: an object has at least one character."""
    return "".join(f"{id}{len(value):02}{value}" for id, value in objects if value)


def plain(text: str, most: int) -> str:
    """In printable ASCII, cut to so many characters: accents go, what has no Latin letter goes."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join("".join(c for c in ascii_only if c.isprintable()).split())[:most].strip()


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE (ISO/IEC 13239 as the specification wants it): polynomial 0x1021, beginning with 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc
