"""Phone numbers and e-mail addresses in the one form in which they are stored and compared, and how they are masked."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError, validate_email


def e164(text: str) -> str | None:
    """``text`` as a valid number in E.164, or None: ``+254 712-345678`` is +254712345678. ``00`` is read as ``+``."""
    if not re.fullmatch(r"(\+|00)[0-9 ().-]{6,30}", text, re.ASCII):
        return None
    try:
        number = phonenumbers.parse("+" + text.removeprefix("00").removeprefix("+"))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mailbox(text: str) -> str | None:
    """``text`` as an e-mail address in lower case, or None. A domain in another script is given in its ASCII form, so
    that look-alikes differ; no DNS is asked."""
    if len(text) > 254:
        return None
    try:
        address = validate_email(text, check_deliverability=False, allow_smtputf8=False).ascii_email
    except EmailNotValidError:
        return None
    return address.lower() if address else None


# --- Masks: enough to recognise what one knows already, too little to reach anybody ----------------------------------

HIDDEN = "•••"
APART = r"\s@<>()\[\]{}\"',:;=/&?|\\•"  # what no address has in it
EMAIL = re.compile(rf"(?<![^{APART}])[^{APART}]+@[^{APART}]+\.[^{APART}.]+")
# Patterns of numbers, for texts in which other spaces, dashes, digits and signs are written as these (`folded`). All
# but the last are PostgreSQL's as well, with what a file leaves of a number in the first group (`reports/tables.py`).
DIGIT = r"[ ().\-/_]{0,3}[0-9]"
# Where a number may begin: not within another one, nor within an id or a digest, which have no letter behind f.
AFTER_LETTER = r"(?<=[g-zG-Z])|(?<=[g-zG-Z][a-fA-F])"
# Where digits alone end and begin: not beside more of an id, of decimals, of a row of numbers.
END = r"(?![\w•]|-\w|[.,][0-9]|[ ][0-9]{3})"
BEGIN = r"(?<![\w•+])(?<![0-9A-Za-z][.,\-])"
# With + or 00 and a country code.
DIALLED = (
    rf"(?<![0-9•+])(\+|(?<![A-Za-z_])(?<![0-9a-fA-F]{{4}}-)00)[1-9](?:{DIGIT}){{6,14}}(?![\w•]|-[0-9a-fA-F]{{4}}-)"
)
# As dialled at home, with one 0; not the end of a time before a day, nor the beginning of a day.
NO_DAY = r"(?!0[1-9] (?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}(?![0-9])|0[1-9][\-./][0-9]{2}[\-./](?:19|20)[0-9]{2}(?![0-9]))"
AT_HOME = rf"(?<![\w•+])(?<![0-9a-fA-F]{{4}}-){NO_DAY}(0[1-9])(?:{DIGIT}){{7,10}}(?![\w•]|-[0-9a-fA-F])"
AFTER_WORD = rf"(?:{AFTER_LETTER})(0[1-9])(?:{DIGIT}){{8,9}}(?![\w•]|-[0-9a-fA-F])"
# With a country code of Africa and no sign: in groups, too.
ABROAD = rf"(?:{BEGIN}|{AFTER_LETTER})(2[1-69][0-9])(?! ?000)(?:[ ()\-/_]{{0,3}}[0-9]){{8,10}}{END}"
# Nothing before it: nine digits, or ten as in Nigeria. Round ones count something.
BARE = (
    rf"{BEGIN}(?<![0-9] )()(?:(?![67][0-9]{{2}}000000)[67][0-9]{{2}}[ \-_]?[0-9]{{3}}[ \-_]?[0-9]{{3}}"
    rf"|(?![0-9]{{4}}000000)[789][01][0-9][ \-_]?[0-9]{{3}}[ \-_]?[0-9]{{4}}){END}"
)
# The digits of any international number, which counts for one if there are such.
ALONE = rf"{BEGIN}[1-9][0-9]{{9,14}}(?![\w•]|-\w|[.,][0-9])"
PHONE = re.compile(f"{DIALLED}|{AT_HOME}|{AFTER_WORD}|{BARE}|(?P<perhaps>{ABROAD}|{ALONE})", re.ASCII)
LEAST_HIDDEN = 3
# Names of fields whose values people are reached or known by, as far as they are in every spelling of them.
PHONES = ("phone", "msisdn", "mobile")
NUMBERS = ("accountnumber", "iban", "nationalid", "idnumber", "passport", "taxid", "cardnumber", "birthdate",
           "dateofbirth")  # fmt: skip
ADDRESSES = ("postaladdress", "homeaddress", "street", "address")


def masked_phone(number: str) -> str:
    """``+2547•••678``; of a short one less. At least three digits are hidden, all where there are no more than that."""
    if len(number) < 6:
        return HIDDEN
    return f"{number[: min(5, max(len(number) - 6, 1))]}{HIDDEN}{number[-3:] if len(number) > 6 else ''}"


def masked_email(address: str) -> str:
    """``w•••@example.com``."""
    name, at, domain = address.partition("@")
    return f"{name[:1] if len(name) > 1 else ''}{HIDDEN}{at}{domain}"


def masked_number(number: str) -> str:
    """Of an account, a document: ``•••405``."""
    return f"{HIDDEN}{number[-3:] if len(number) > 6 else ''}"


def masked_ip(address: str) -> str:
    """The network, roughly: ``41.90.•••``, ``2001:db8:•••``."""
    separator = ":" if ":" in address else "."
    return separator.join([*address.split(separator)[:2], HIDDEN])


@cache
def foldings() -> dict[int, str]:
    """Digits of other scripts, other spaces and dashes, wide and small signs: what each stands for, one for one."""
    found = dict(zip(map(ord, "\u3002\u00b7\u2027\u2212"), "...-"))
    for position in (*range(0x80, 0xD800), *range(0xE000, 0x10000), *range(0x1D7CE, 0x1D800)):
        sign = chr(position)
        kind, plain = unicodedata.category(sign), unicodedata.normalize("NFKC", sign)
        if kind == "Nd":
            found[position] = str(unicodedata.decimal(sign))
        elif kind in ("Zs", "Zl", "Zp"):
            found[position] = " "
        elif kind in ("Pd", "Cf"):  # what cannot be seen parts digits as a dash does, and may be in an address
            found[position] = "-"
        elif plain in tuple("0123456789+@.()/_"):
            found[position] = plain
    return found


def folded(text: str) -> str:
    """``text`` as patterns read it, as long as it was."""
    return text if text.isascii() else text.translate(foldings())


def masked_text(text: str) -> str:
    """``text`` with every phone number and e-mail address in it masked. What only looks like one is masked too.

    The rest stays as it was written; an address or number in signs of another script is masked as if it was in ours.
    """
    return replaced(PHONE, masked_found, replaced(EMAIL, lambda found: masked_email(found[0]), text))


def replaced(pattern: re.Pattern[str], mask: Callable[[re.Match[str]], str], text: str) -> str:
    left, done = [], 0
    for found in pattern.finditer(folded(text)):
        if (masked := mask(found)) != found[0]:
            left += [text[done : found.start()], masked]
            done = found.end()
    return "".join([*left, text[done:]])


def masked_found(found: re.Match[str]) -> str:
    number, digits = found[0], re.sub("[^0-9]", "", found[0])
    if found["perhaps"] and is_no_number(digits):
        first = re.match("[0-9]+", number)
        at = first.end() if first else 0  # behind a number of something there may be one of somebody
        return number[:at] + replaced(PHONE, masked_found, number[at:])
    masked = masked_phone(number)
    are_hidden = len(digits) - sum(sign.isdigit() for sign in masked) >= LEAST_HIDDEN
    return masked if are_hidden else masked_number(digits)


def is_no_number(digits: str) -> bool:
    """Of digits that may count anything: whether no telephone has them."""
    try:
        return not phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return True


def masked_document(value: Any, name: str = "") -> Any:
    """JSON with what is personal in it masked: by the name of the field, and texts by what they contain."""
    if isinstance(value, dict):
        return {key: masked_document(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [masked_document(one, name) for one in value]
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        return value
    field = "".join(letter for letter in name.lower() if letter.isalnum())
    if any(word in field for word in PHONES):
        return masked_phone(str(value))
    if any(field.endswith(word) for word in NUMBERS):
        return masked_number(str(value))
    if isinstance(value, int):
        return value
    if field in ("ip", "ipaddress"):
        return masked_ip(value)
    if "mail" not in field and any(field.endswith(word) for word in ADDRESSES):
        return HIDDEN
    return masked_text(value)
