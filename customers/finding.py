"""What a person says on the phone, as customers: a number in any notation, an address, some words of a name, an id."""

import re

import phonenumbers
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q, QuerySet

from core.contacts import mailbox
from core.ids import read_uuid as read_uuid
from customers.models import Country, Customer

PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]*", re.ASCII)
FEWEST_DIGITS = 5


def exactly(text: str) -> Q | None:
    """Who is named by ``text`` beyond doubt: the whole number, address or id. None when it is none of these."""
    if (identity := read_uuid(text)) is not None:
        return Q(pk=identity)
    if (address := mailbox(text)) is not None:
        return Q(email=address)
    if PHONE.fullmatch(text) and (numbers := possible_numbers(text)):
        return Q(phone_number__in=numbers)
    return None


def matching(text: str) -> QuerySet[Customer]:
    """Customers that ``text`` could mean, in no order; index scans only. Slice it."""
    customers = Customer.objects.all()
    if (named := exactly(text)) is not None and customers.filter(named).exists():
        return customers.filter(named)
    if "@" in text:
        return customers.filter(email__startswith=text.lower())
    if PHONE.fullmatch(text):
        beginnings = possible_beginnings(text)
        return customers.filter(beginnings) if beginnings else customers.none()
    words = re.findall(r"[^\W_]+", text)
    if sum(map(len, words)) < 2:
        return customers.none()
    asked = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
    return customers.annotate(words=SearchVector("full_name", config="simple")).filter(words=asked)


def countries() -> list[str]:
    return list(Country.objects.values_list("code", flat=True))


def possible_numbers(text: str) -> list[str]:
    """Valid numbers in E.164 that these digits are, dialled from abroad or from any country we serve."""
    found = set()
    for region in [None, *countries()]:
        try:
            number = phonenumbers.parse(text if region else "+" + re.sub(r"\D", "", text).removeprefix("00"), region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            found.add(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return sorted(found)


def possible_beginnings(text: str) -> Q | None:
    """The same for a number that is not complete."""
    digits = re.sub(r"\D", "", text).removeprefix("00")
    if len(digits) < FEWEST_DIGITS:
        return None
    beginnings = Q(phone_number__startswith=f"+{digits}")
    if not text.startswith(("+", "00")):
        for region in countries():
            code = phonenumbers.country_code_for_region(region)
            beginnings |= Q(phone_number__startswith=f"+{code}{digits.removeprefix('0')}")
    return beginnings
