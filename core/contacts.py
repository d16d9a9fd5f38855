"""Phone numbers and e-mail addresses in the one form in which they are stored and compared, and how they are masked."""

import re
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
# With + or 00 and a country code; as dialled at home, with one 0; or the digits of an international number alone.
PHONE = re.compile(
    r"(?<![\w•+])(?:\+|00)[1-9](?:[ ().\-/]{0,2}[0-9]){6,14}(?![\w•])"
    r"|(?<![\w•+])(?<![0-9a-f]{4}-)0[1-9](?:[ ().\-/]{0,2}[0-9]){7,10}(?![\w•]|-[0-9a-f])"
    r"|(?<![\w•+.,\-])[1-9][0-9]{9,14}(?![\w•\-]|[.,][0-9])",
    re.ASCII,
)
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


def masked_text(text: str) -> str:
    """``text`` with every phone number and e-mail address in it masked. What only looks like one is masked too."""
    text = EMAIL.sub(lambda found: masked_email(found[0]), text)
    return PHONE.sub(lambda found: found[0] if is_no_number(found[0]) else masked_phone(found[0]), text)


def is_no_number(text: str) -> bool:
    """Of digits alone, which may count anything: whether no telephone has them."""
    if not text.isdigit() or text.startswith("0"):
        return False
    try:
        return not phonenumbers.is_valid_number(phonenumbers.parse(f"+{text}"))
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
