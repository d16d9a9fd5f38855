"""Pages that are about no single row: a trial balance, a ledger. Apps contribute them; `staff/site.py` opens them."""

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


_places: list[Place] = []


def place(route: str, *, name: str, permission: str) -> Callable[[View], View]:
    """Contribute a page ``(request, **from the route) -> response`` for who has ``permission``. It only shows."""

    def register(function: View) -> View:
        @wraps(function)
        def view(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not may(request, permission):
                raise PermissionDenied
            if request.method not in ("GET", "HEAD"):
                return HttpResponseNotAllowed(["GET"])
            return function(request, **kwargs)

        _places.append(Place(route, name, permission, view))
        return view

    return register


def places() -> list[Place]:
    return list(_places)
