"""Phone numbers and e-mail addresses in the one form in which they are stored and compared."""

import re

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
