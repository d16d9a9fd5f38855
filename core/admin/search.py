"""One box that takes any identifier: each app contributes what it can find, and how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

MOST_HITS = 20
LONGEST = 200


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
    title: str
    hits: list[Hit] = field(default_factory=list)


Finder = Callable[[str], Iterable[Hit]]
_finders: list[tuple[int, str, str, Finder]] = []


def finder(title: str, *, order: int, permission: str) -> Callable[[Finder], Finder]:
    """Contribute a way to find rows; it answers from indexes alone, with MOST_HITS at most."""

    def register(function: Finder) -> Finder:
        _finders.append((order, title, permission, function))
        _finders.sort(key=lambda entry: entry[0])
        return function

    return register


def find(text: str, user: Any) -> list[Group]:
    """What ``user`` may see of what ``text`` could mean, by kind; in each kind what is meant exactly comes first."""
    text = " ".join(text[:LONGEST].replace("\x00", "").split())
    if not text:
        return []
    groups = []
    for _, title, permission, function in _finders:
        if user.has_perm(permission):
            hits = sorted(function(text), key=lambda hit: not hit.exact)[:MOST_HITS]
            groups.append(Group(title, hits))
    return [group for group in groups if group.hits]


def only_exact(groups: list[Group]) -> Hit | None:
    """The one thing that was named, if it is one."""
    exact = [hit for group in groups for hit in group.hits if hit.exact]
    return exact[0] if len(exact) == 1 else None
