"""What is personal is masked on every staff page, whoever looks; in the clear only while what the page is about has
been revealed to who looks at it.

Each page says of whom it is (`StaffAdmin.whose`), and whoever knows what has been revealed is asked once per page.
Lists, searches and dialogs are about nobody in particular, and always masked. How a mask looks: `core/contacts.py`.
"""

import json
from collections.abc import Callable, Collection
from typing import Any

from django.http import HttpRequest

from core import contacts
from core.admin.pages import NOTHING, code

Revealed = Callable[[HttpRequest, Collection[str]], bool]
_asked: list[Revealed] = []


def reveals(function: Revealed) -> Revealed:
    """Contribute who knows whether the data of all these customers (ids) is revealed to who asks; one statement."""
    _asked.append(function)
    return function


def look_at(request: HttpRequest, whose: Collection[Any]) -> None:
    """From now on ``request`` shows a page about these customers."""
    people = {str(one) for one in whose if one}
    request.__dict__["staff_sees_clear"] = bool(people) and any(ask(request, people) for ask in _asked)


def is_clear(request: HttpRequest) -> bool:
    return bool(request.__dict__.get("staff_sees_clear"))


def phone(request: HttpRequest, number: str) -> Any:
    """In the clear it can be copied."""
    return code(number) if is_clear(request) else contacts.masked_phone(number) if number else NOTHING


def email(request: HttpRequest, address: str) -> Any:
    return code(address) if is_clear(request) else contacts.masked_email(address) if address else NOTHING


def ip(request: HttpRequest, address: str | None) -> str:
    """Of a customer; empty for none."""
    return (address if is_clear(request) else contacts.masked_ip(address)) if address else ""


def words(request: HttpRequest, text: str | None) -> str:
    """What somebody wrote: numbers and addresses in it are masked. Empty for nothing."""
    return (text if is_clear(request) else contacts.masked_text(text)) if text else ""


def document(request: HttpRequest, value: Any) -> Any:
    """JSON, or the text of some, with what is personal in it masked."""
    if is_clear(request):
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return contacts.masked_text(value)
    return contacts.masked_document(value)
