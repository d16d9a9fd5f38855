"""Identifiers: uuid7 for rows, and the receipt a customer can read out over the phone."""

import os
import threading
import time
from array import array
from functools import cache
from random import Random
from uuid import UUID

from django.conf import settings

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH = 10
TICK_US = 2_000_000
VALUES = {digit: value for value, digit in enumerate(CROCKFORD)}
DOUBLED = {digit: value * 2 // 32 + value * 2 % 32 for digit, value in VALUES.items()}
# What people write or hear for a Crockford digit.
MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})

_last = 0
_last_lock = threading.Lock()


def uuid7(at_us: int | None = None) -> UUID:
    """A time-ordered UUID (RFC 9562) whose order is that of microseconds.

    Args:
        at_us: microseconds since 1970, e.g. database time taken under a lock: two ids made with growing ``at_us``
            sort that way. Without it the process clock is used, never standing still or going back.

    Layout: 48 bits of milliseconds, the microsecond within it in the 12 bits of ``rand_a`` (method 3), 62 random bits.
    """
    if at_us is None:
        global _last
        with _last_lock:
            at_us = _last = max(time.time_ns() // 1000, _last + 1)
    milliseconds, microsecond = divmod(at_us, 1000)
    random = int.from_bytes(os.urandom(8)) & 0x3FFF_FFFF_FFFF_FFFF
    return UUID(int=milliseconds << 80 | 0x7000 << 64 | (microsecond << 2) << 64 | 0b10 << 62 | random)


def read_uuid(text: str) -> UUID | None:
    """What a person pasted as an id; None when it is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def new_receipt(at_us: int, number: int) -> str:
    """Nine Crockford digits and a check character. Receipts made close to each other sort close to each other.

    Args:
        at_us: microseconds since 1970. A tick of two seconds makes 29 of the 45 bits: they come again after 34 years.
        number: from a counter that all processes share; 65,536 in a row give different receipts within a tick. Which
            digits it gives only this installation knows: a receipt tells nobody how many payments there are.
    """
    tick = at_us // TICK_US & 0x1FFF_FFFF
    value = tick << 16 | _scrambled()[number & 0xFFFF]
    body = "".join([CROCKFORD[value >> shift & 31] for shift in range(5 * (RECEIPT_LENGTH - 2), -1, -5)])
    return body + check_character(body)


@cache
def _scrambled() -> "array[int]":
    """Each 16-bit number once, in an order of this installation's own."""
    numbers = array("H", range(1 << 16))
    Random(f"receipts {settings.SECRET_KEY}").shuffle(numbers)  # noqa: S311 (hides volume, guards nothing)
    return numbers


def spaced_receipt(receipt: str) -> str:
    """In groups, as one reads it out: ``7F3 K9Q X2AB``."""
    return f"{receipt[:3]} {receipt[3:6]} {receipt[6:]}"


def read_receipt(text: str) -> str | None:
    """What a person typed as a receipt, tidied; None when it cannot be one (length, alphabet or check character)."""
    tidy = text.upper().translate(MISREAD)
    if len(tidy) != RECEIPT_LENGTH or any(c not in CROCKFORD for c in tidy):
        return None
    return tidy if check_character(tidy[:-1]) == tidy[-1] else None


def check_character(body: str) -> str:
    """Luhn modulo 32: finds every single wrong character and nearly every swap of neighbours."""
    total = sum([DOUBLED[digit] for digit in body[::-2]]) + sum([VALUES[digit] for digit in body[-2::-2]])
    return CROCKFORD[-total % 32]
