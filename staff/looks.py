"""Every page of the back office that is shown leaves a row in the audit trail: who saw what, which list cut how, what
was searched for, and who was refused. One INSERT for each, before the page is rendered: without it nothing is shown.

What is *done* is recorded by the services that do it.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from core import audit, context

# What the browser asks for by itself, and shows no row: translations; how far a job is.
BY_ITSELF = {"jsi18n", "reports_export_progress", "transactions_pricetrial_progress"}
# Looks are sealed and stay for good: what an address may add to one has an end.
LONGEST_VALUE, LONGEST_NAME, MOST_NAMES = 100, 40, 12

View = Callable[..., HttpResponse]


def noted(view: View) -> View:
    """``view`` of somebody who is signed in, with its looks on record."""

    @wraps(view)
    def looked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        role = context.role.set(getattr(request.user, "role", ""))
        try:
            response = view(request, *args, **kwargs)
        except PermissionDenied:
            note(request, "refused")
            raise
        finally:
            context.role.reset(role)
        if response.status_code == 403:
            note(request, "refused")
        elif response.status_code == 200 or is_search(request):  # by whatever method it was asked for
            note(request)
        return response

    return looked


def is_search(request: HttpRequest) -> bool:
    """Its answer may be the way to the one thing that was named."""
    return request.resolver_match is not None and request.resolver_match.url_name == "search"


def note(request: HttpRequest, action: str = "") -> None:
    match = request.resolver_match
    user: Any = request.user
    if match is None or not match.url_name or match.url_name in BY_ITSELF or not user.is_authenticated:
        return
    kind, door = parts(match.url_name)
    asked = cut_of(request)
    asked |= request.__dict__.get("look_marks", {})  # what an app has to say of this look (`customers/link_admin.py`)
    asked |= audit.searched(plain(str(request.GET.get("q", ""))))
    does = {"changelist": "list", "change": "view", "search": "search", "index": "view"}
    if door not in does and kind:
        asked |= {"dialog": door}
    subject_type, subject_id = (
        kind or f"page.{match.url_name}"[:60],
        unquote(str(next(iter(match.kwargs.values()), ""))),
    )
    # A page may know better whom it shows: of what kind, which one, and what else is to be on record.
    if (looked_at := getattr(request, "looked_at", None)) is not None:
        subject_type, subject_id, more = looked_at
        asked |= {"page": match.url_name, **{name: str(value) for name, value in match.kwargs.items()}, **more}
    audit.looked(
        actor=user,
        action=action or does.get(door, "open" if kind else "view"),
        subject_type=subject_type,
        subject_id=plain(subject_id),
        at=asked,
    )


def cut_of(request: HttpRequest) -> dict[str, str]:
    """What the address asks for beside the search: as much of it as any page of ours reads."""
    given = [(plain(name)[:LONGEST_NAME], plain(str(value))) for name, value in request.GET.items() if value]
    asked = [(name, value) for name, value in given if name != "q"]
    more = {"…": f"{len(asked) - MOST_NAMES} more"} if len(asked) > MOST_NAMES else {}
    return dict(asked[:MOST_NAMES]) | more


def plain(text: str) -> str:
    """PostgreSQL keeps no NUL; what is longer than anything we ask for is cut."""
    return text.replace("\x00", "")[:LONGEST_VALUE]


def parts(url_name: str) -> tuple[str, str]:
    """``customers_customer_change`` is (``customers.customer``, ``change``); ("", name) where it is of no model."""
    for model in admin.site._registry:
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        if url_name.startswith(prefix):
            return model._meta.label_lower, url_name.removeprefix(prefix)
    return "", url_name
