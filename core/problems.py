"""Every refusal as an RFC 9457 problem: the TekanaError tree, what DRF raises, and Django's own 400, 404 and 500.

A body is ``type`` (a page of ours that explains the code), ``title``, ``status``, ``detail``, ``instance``, then
``code``, ``request_id`` and the facts of the refusal. What is not a refusal is a bug: logged with its stack,
told without it.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.views import defaults
from django.views.decorators.http import require_safe
from rest_framework import exceptions as drf

from core import context, errors
from core.errors import TekanaError

logger = logging.getLogger("tekana.problems")

CONTENT_TYPE = "application/problem+json"
HTML_PAGES = ("/admin/", "/api/docs")
# A server that is starting, failing over or overloaded: worth another try, with the same Idempotency-Key.
DATABASE_RETRY_SECONDS = 2


def exception_handler(exc: Exception, view_context: dict[str, Any]) -> HttpResponse:
    """DRF's hook: an answer for whatever a view raised."""
    error = refusal_of(exc)
    if error is None:
        error = bug(view_context["request"]._request)
    elif isinstance(error, errors.MethodNotAllowed):
        view = view_context["view"]  # which would list OPTIONS too; nothing answers to that here
        view.headers["Allow"] = ", ".join(method for method in view.allowed_methods if method != "OPTIONS")
    return problem(error, view_context["request"].path)


def problem(error: TekanaError, instance: str) -> HttpResponse:
    """The answer to one refusal of a request for the path ``instance``.

    Facts named ``retry_after`` (seconds) and ``rate_limit`` become headers too.
    """
    body = error.facts | {
        "type": f"{settings.PUBLIC_URL}/problems/{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": error.detail,
        "instance": quote(instance),
        "code": error.code,
        "request_id": context.request_id.get(),
    }
    response = HttpResponse(
        json.dumps(body, cls=DjangoJSONEncoder, ensure_ascii=False), content_type=CONTENT_TYPE, status=error.status
    )
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    if "retry_after" in error.facts:
        response["Retry-After"] = str(error.facts["retry_after"])
    if "rate_limit" in error.facts:
        response["RateLimit-Limit"] = str(error.facts["rate_limit"])
        response["RateLimit-Remaining"] = "0"
        response["RateLimit-Reset"] = response["Retry-After"]
    return response


def refusal_of(exc: BaseException) -> TekanaError | None:
    """``exc`` as a refusal, or None when it is a bug."""
    match exc:
        case TekanaError():
            return exc
        case drf.ValidationError():
            return errors.ValidationFailed(errors=list(field_errors(exc.detail)))
        case drf.ParseError():
            return errors.MalformedBody(str(exc.detail))
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return errors.Unauthenticated()
        case drf.PermissionDenied() | PermissionDenied():
            return errors.NotAllowed()
        case drf.NotFound() | Http404():
            return errors.NotFound()
        case drf.MethodNotAllowed():
            return errors.MethodNotAllowed()
        case drf.UnsupportedMediaType():
            return errors.UnsupportedMediaType()
        case drf.Throttled():
            return errors.RateLimited(retry_after=round(getattr(exc, "wait", None) or 1))
        case SuspiciousOperation():
            return errors.BadRequest()
        case OperationalError() | InterfaceError():
            logger.error("database unavailable", exc_info=exc)
            return errors.Unavailable(retry_after=DATABASE_RETRY_SECONDS)
    return None


def field_errors(detail: Any, path: str = "") -> Iterator[dict[str, str]]:
    """DRF's nested error detail as a flat list; nested fields are written ``bank_account.account_number``."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            step = "" if name == "non_field_errors" else str(name)
            yield from field_errors(inner, f"{path}.{step}" if path and step else path or step)
    elif isinstance(detail, list):
        for inner in detail:
            yield from field_errors(inner, path)
    else:
        yield {"field": path, "code": getattr(detail, "code", "invalid"), "message": str(detail)}


def bug(request: HttpRequest) -> TekanaError:
    """Called while handling: logs the exception and tells Django (and with it the test client)."""
    logger.exception("unhandled exception")
    got_request_exception.send(sender=None, request=request)
    return errors.InternalError()


# Django's own handlers: no view was reached, or one outside the API failed.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith(HTML_PAGES):
        return in_the_back_office(request, 400) or defaults.bad_request(request, exception)
    return problem(errors.BadRequest(), request.path)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith(HTML_PAGES):
        return in_the_back_office(request, 403) or defaults.permission_denied(request, exception)
    return problem(errors.NotAllowed(), request.path)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    if request.path_info.startswith(HTML_PAGES):
        return in_the_back_office(request, 404) or defaults.page_not_found(request, exception)
    return problem(errors.NotFound(), request.path)


OF_STAFF = {
    400: ("This cannot be read", "The address, or what was sent with it, is not what a page of ours asks for."),
    403: ("Not for your role", "Your role does not include this page or action. An administrator can say who may."),
    404: ("No such page", "The address may be cut short or out of date."),
}


def in_the_back_office(request: HttpRequest, status: int) -> HttpResponse | None:
    """For who is signed in there, with menu and search; None for others, and where no session was read."""
    if not (request.path_info.startswith("/admin/") and hasattr(request, "session") and hasattr(request, "user")):
        return None
    if not admin.site.has_permission(request):
        return None
    title, said = OF_STAFF[status]
    context = {**admin.site.each_context(request), "title": title, "said": said}
    return TemplateResponse(request, "admin/error.html", context, status=status)


def server_error(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith(HTML_PAGES):
        return defaults.server_error(request)
    return problem(errors.InternalError(), request.path)


# The pages that ``type`` points to, made from the classes.


def catalogue() -> dict[str, type[TekanaError]]:
    """Every refusal by its code, sorted."""
    found: dict[str, type[TekanaError]] = {}
    waiting = TekanaError.__subclasses__()
    while waiting:
        kind = waiting.pop()
        waiting.extend(kind.__subclasses__())
        found.setdefault(kind.code, kind)
    return dict(sorted(found.items()))


def described(kind: type[TekanaError]) -> dict[str, Any]:
    explanation = " ".join((kind.__doc__ or "").split())
    return {
        "type": f"{settings.PUBLIC_URL}/problems/{kind.code}",
        "code": kind.code,
        "title": kind.title,
        "status": kind.status,
        "explanation": explanation,
        "for_customer": kind.for_customer,
    }


@require_safe
def problem_pages(request: HttpRequest, code: str | None = None) -> HttpResponse:
    """What a code means; without one, all of them. HTML for browsers, JSON for everything else."""
    kinds = catalogue()
    if code is not None and code not in kinds:
        return not_found(request, Http404())
    rows = [described(kind) for name, kind in kinds.items() if code in (None, name)]
    if request.accepts("text/html") and "text/html" in request.headers.get("Accept", ""):
        return render(request, "core/problems.html", {"problems": rows, "one": code is not None})
    body = rows[0] if code is not None else {"data": rows}
    return HttpResponse(json.dumps(body), content_type="application/json")
