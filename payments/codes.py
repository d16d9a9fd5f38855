"""The public code of a payment request: short enough to read out, too many to guess."""

import secrets

from core.ids import CROCKFORD, MISREAD, check_character

DIGITS = 11  # 55 bits by chance, and a check character: with the throttle of the doors nobody finds one


def new_code() -> str:
    body = "".join(secrets.choice(CROCKFORD) for _ in range(DIGITS))
    return body + check_character(body)


def spaced(code: str) -> str:
    """In groups, as links and people write it: ``7F3K-9QX2-ABMT``."""
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def read_code(text: str) -> str | None:
    """What was typed or scanned as a code, tidied; None when it cannot be one (length, alphabet, check character)."""
    tidy = text.upper().translate(MISREAD)
    if len(tidy) != DIGITS + 1 or any(c not in CROCKFORD for c in tidy):
        return None
    return tidy if check_character(tidy[:-1]) == tidy[-1] else None
