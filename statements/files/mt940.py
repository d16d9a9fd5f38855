"""MT940, the older statement that many accounting programs still read: one message as a file of text, its blocks 1, 2
and 5 left to whoever sends it through a network. It is not cut into messages of 2,000 characters, as files never are.

Letters are those of SWIFT's character set X; others become their nearest, or a point. What a payer wrote is taken for
no part of the form: not for our reference, which begins at the first two slashes, nor for codes within field 86.
"""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from zoneinfo import ZoneInfo

from core.money import decimal_string
from statements.selectors import Line, Stated, lines
from transactions.models import Kind

ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")
TYPES: dict[str, str] = {Kind.TRANSFER: "NTRF", Kind.PAYMENT: "NTRF", Kind.CASH_OUT: "NTRF", Kind.TOP_UP: "NTRF"}
WIDE, MOST = 65, 6  # of field 86: lines of so many letters, so many lines
SLASHES = re.compile(r"[/ ]*/[/ ]*")
CODES = re.compile(r"\?(?=[0-9]{2})|/(?=[A-Z]{2,8}/)")  # of fields 86 that have a form: `?20`, `/EREF/`


def parts(stated: Stated) -> Iterator[bytes]:
    found = stated.figures
    days, currency = found.days, found.currency
    zone = ZoneInfo(days.timezone)
    yield block(
        f":20:{stated.reference[:16].upper()}",
        f":25:{stated.wallet.pk.hex}",
        f":28C:{(stated.number or 0) % 100_000}",
        f":60F:{balance(found.opening, currency, days.first)}",
    )
    for line in lines(stated):
        yield movement(line, currency, zone)
    closing = ":62F:" if found.is_final else ":62M:"  # intermediate: the day is not over
    yield block(f"{closing}{balance(found.closing, currency, days.last)}", "-")


def block(*rows: str) -> bytes:
    return "".join(f"{row}\r\n" for row in rows).encode("ascii")


def amount(minor: int, currency: str) -> str:
    """With a comma, which stands at the end where the currency has no decimals."""
    whole, _, fraction = decimal_string(abs(minor), currency).partition(".")
    return f"{whole},{fraction}"


def balance(minor: int, currency: str, day: date) -> str:
    return f"{'D' if minor < 0 else 'C'}{day:%y%m%d}{currency}{amount(minor, currency)}"


def movement(line: Line, currency: str, zone: ZoneInfo) -> bytes:
    """Field 61 with our receipt as the account servicing institution's reference, field 86 with what is known of it."""
    day = line.at.astimezone(zone).date()
    mark = "D" if line.is_debit else "C"
    if line.kind == Kind.REVERSAL:  # money that comes back reverses a debit, money that is taken back a credit
        mark = "RC" if line.is_debit else "RD"
    kind = TYPES.get(line.kind, "NMSC")
    reference = SLASHES.sub("/", plain(line.reference or line.order_reference or "")).strip("/ ")[:16].rstrip("/ ")
    told = [f"{line.kind.replace('_', ' ')} {line.counterparty.replace(',', '.')}".strip()]
    if line.fee:
        told.append(f"fee {amount(line.fee, currency)}" + (" returned" if line.fee < 0 else ""))
    if line.reverses:
        told.append(f"reverses {line.reverses}")
    told += [f"{name} {said}" for name, said in (("order", line.order_reference), ("memo", line.memo)) if said]
    moved = f"{day:%y%m%d}{day:%m%d}{mark}{amount(line.amount, currency)}"
    rows = [f":61:{moved}{kind}{reference or 'NONREF'}//{line.receipt or 'NONREF'}"]
    said = CODES.sub(".", plain(", ".join(told)))
    pieces = [said[start : start + WIDE] for start in range(0, min(len(said), WIDE * MOST), WIDE)]
    for number, piece in enumerate(pieces):
        # a line that began with a colon or a hyphen would be taken for the next field, or for the end
        rows.append(f":86:{piece}" if number == 0 else f".{piece[1:]}" if piece[0] in ":-" else piece)
    return block(*rows)


def plain(said: str) -> str:
    """In the letters that every reader has: ``é`` is ``e``, what has no such letter a point."""
    parted = unicodedata.normalize("NFKD", said)
    return "".join(one if one in ALLOWED else "." for one in parted if not unicodedata.combining(one))
