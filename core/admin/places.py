"""Pages that are about no single row: a trial balance, a ledger. Apps contribute them; `staff/site.py` opens them.

A page shows and changes nothing. What makes something, such as a numbered paper, is asked for by POST, with CSRF.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from core.admin.pages import may

View = Callable[..., HttpResponse]


@dataclass(frozen=True)
class Place:
    """``name`` is that of its address in the admin; every view checks ``permission`` itself."""

    route: str
    name: str
    permission: str
    view: Any
    acts: bool


_places: list[Place] = []


def place(route: str, *, name: str, permission: str, acts: bool = False) -> Callable[[View], View]:
    """Contribute a page ``(request, **from the route) -> response`` for who has ``permission``.

    Args:
        acts: it makes something and calls a service that records it: by POST alone. Others only show.
    """
    methods = ("POST",) if acts else ("GET", "HEAD")

    def register(function: View) -> View:
        @wraps(function)
        def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not may(request, permission):
                raise PermissionDenied
            if request.method not in methods:
                return HttpResponseNotAllowed(methods)
            return function(request, **kwargs)

        _places.append(Place(route, name, permission, view, acts))
        return view

    return register


def places() -> list[Place]:
    return list(_places)
