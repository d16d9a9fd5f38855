"""Work that waits for somebody: how much of it, beside its entry in the menu."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

Count = Callable[[HttpRequest], int]
_queues: dict[str, tuple[str, str, Count]] = {}


def queue(view: str, *, permission: str, query: str = "") -> Callable[[Count], Count]:
    """Contribute the count of what waits behind the menu's entry ``view`` (``"staff_approval_changelist"``) for whoever
    asks. It is on every page of those with ``permission``: one look at a partial index. ``query`` cuts the list that
    the entry leads to."""

    def register(count: Count) -> Count:
        _queues[view] = (permission, query, count)
        return count

    return register


def query_of(view: str) -> str:
    return f"?{_queues[view][1]}" if view in _queues and _queues[view][1] else ""


def waiting(request: HttpRequest, view: str) -> int:
    """How much waits there for this member of staff; asked once per request."""
    if view not in _queues:
        return 0
    permission, _, count = _queues[view]
    known: dict[str, Any] = request.__dict__.setdefault("staff_queues", {})
    if view not in known:
        known[view] = count(request) if request.user.has_perm(permission) else 0
    return int(known[view])
