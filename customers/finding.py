"""What a person says on the phone, as customers: a number in any notation, an address, some words of a name, an id.

Numbers and addresses are found whole or not at all. By longer and longer beginnings anybody would read out what the
mask hides, digit by digit.
"""

import re

import phonenumbers
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Q, QuerySet

from core.admin.search import read_identity
from core.contacts import mailbox
from customers.models import Country, Customer

PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]*", re.ASCII)
MOST = 1_000  # that are looked for; who means one of more says more


def exactly(text: str) -> Q | None:
    """Who is named by ``text`` beyond doubt: the whole number, address or id. None when it is none of these."""
    if (identity := read_identity(text)) is not None and identity.is_whole:
        return Q(pk=identity.first)
    if (address := mailbox(text)) is not None:
        return Q(email=address)
    if PHONE.fullmatch(text) and (numbers := possible_numbers(text)):
        return Q(phone_number__in=numbers)
    return None


def matching(text: str) -> QuerySet[Customer]:
    """Customers that ``text`` could mean, MOST of them, in no order; each way to mean one reads one index."""
    customers = Customer.objects.all()
    if (named := exactly(text)) is not None and customers.filter(named).exists():
        return customers.filter(named)
    ways: list[QuerySet[Customer]] = []
    if (identity := read_identity(text)) is not None:
        ways.append(customers.filter(identity.within()))
    if "@" not in text and len(max(words := re.findall(r"[^\W_]+", text), key=len, default="")) > 1:
        asked = SearchQuery(" & ".join(f"{word}:*" for word in words), config="simple", search_type="raw")
        ways.append(customers.annotate(words=SearchVector("full_name", config="simple")).filter(words=asked))
    # As many as this make the planner read the index of words, rather than rows in the hope of meeting them soon.
    found = [way.order_by().values("pk")[:MOST] for way in ways]
    return customers.filter(pk__in=found[0].union(*found[1:])) if found else customers.none()


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
