"""One box that takes any identifier: each app contributes what it can find, and how.

What it finds it finds through an index, and at most MOST_HITS of a kind; the rest is behind a link to the kind's list,
whose own box takes the same text. Every row with a uuid is found by it, in whole or by its beginning, with or without
dashes.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.db.models import Model, Q, UUIDField
from django.http import HttpRequest
from django.utils.text import capfirst

from core.admin.pages import list_url, page_url

MOST_HITS = 20
LONGEST = 200
FEWEST_HEX = 8  # of an id: that is a minute of a uuid7's time


@dataclass
class Hit:
    """``exact``: the text named this one thing, rather than something like it."""

    title: str
    url: str
    detail: Any = ""
    state: Any = ""
    exact: bool = False


@dataclass
class Group:
    """``more``: where the whole list is, when there are others than these."""

    title: str
    hits: list[Hit] = field(default_factory=list)
    more: str = ""

    @property
    def is_exact(self) -> bool:
        return any(hit.exact for hit in self.hits)


Finder = Callable[[str], Iterable[Hit]]


class Found(NamedTuple):
    """A way to find rows; ``model`` is the one whose list takes the same text, empty for none."""

    order: int
    title: str
    permission: str
    finder: Finder
    model: str


_finders: list[Found] = []


def finder(title: str, *, order: int, permission: str, model: str = "") -> Callable[[Finder], Finder]:
    """Contribute a way to find rows; it answers from indexes alone, with little more than MOST_HITS at most.

    Args:
        model: e.g. ``"customers.customer"``; its list is where "see all" leads.
    """

    def register(function: Finder) -> Finder:
        _finders.append(Found(order, title, permission, function, model))
        _finders.sort(key=lambda found: found.order)
        return function

    return register


def find(text: str, user: Any) -> list[Group]:
    """What ``user`` may see of what ``text`` could mean, by kind; what is meant exactly comes first, kinds and rows."""
    text = " ".join(text[:LONGEST].replace("\x00", "").split())
    if not text:
        return []
    groups = []
    for found in _finders:
        if user.has_perm(found.permission):
            hits = sorted(found.finder(text), key=lambda hit: not hit.exact)
            more = list_url(found.model, q=text) if found.model and len(hits) > MOST_HITS else ""
            groups.append(Group(found.title, hits[:MOST_HITS], more))
    known = {hit.url for group in groups for hit in group.hits}
    groups += by_identity(text, user, known)
    return sorted((group for group in groups if group.hits), key=lambda group: not group.is_exact)


def only_exact(groups: list[Group]) -> Hit | None:
    """The one thing that was named, if it is one."""
    exact = [hit for group in groups for hit in group.hits if hit.exact]
    return exact[0] if len(exact) == 1 else None


# --- Ids --------------------------------------------------------------------------------------------------------------


class Identity(NamedTuple):
    """The ids that a text could be the beginning of: one, where it is whole."""

    first: UUID
    last: UUID

    @property
    def is_whole(self) -> bool:
        return self.first == self.last

    def within(self, column: str = "pk") -> Q:
        """Rows with such an id; a range of an index."""
        if self.is_whole:
            return Q(**{column: self.first})
        return Q(**{f"{column}__gte": self.first, f"{column}__lte": self.last})


def read_identity(text: str) -> Identity | None:
    """``text`` as an id or as the beginning of one; None when it is neither."""
    text = text.strip().strip("{}").removeprefix("urn:uuid:").lower()
    if not re.fullmatch(r"[0-9a-f]+(-[0-9a-f]+)*-?", text):
        return None
    digits = text.replace("-", "")
    if not FEWEST_HEX <= len(digits) <= 32:
        return None
    return Identity(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))


def by_identity(text: str, user: Any, known: set[str]) -> Iterator[Group]:
    """Rows with uuids of every list of the back office, as this user sees it, but for addresses ``known`` before."""
    identity = read_identity(text)
    if identity is None:
        return
    request = HttpRequest()
    request.method, request.user = "GET", user
    own = {found.model for found in _finders}
    for model, model_admin in admin.site._registry.items():
        if model._meta.label_lower in own or model._meta.proxy or not isinstance(model._meta.pk, UUIDField):
            continue
        if model_admin.has_view_permission(request):
            rows = model_admin.get_queryset(request).filter(identity.within()).order_by("-pk")[:MOST_HITS]
            hits = [identified(row, identity) for row in rows]
            yield Group(capfirst(str(model._meta.verbose_name_plural)), [hit for hit in hits if hit.url not in known])


def identified(row: Model, identity: Identity) -> Hit:
    return Hit(
        title=capfirst(str(row)),
        detail=str(row.pk),
        url=page_url(row._meta.label, row.pk),
        exact=identity.is_whole,
    )
