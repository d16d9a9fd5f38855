"""Per-request facts, and Django's middleware confined to the pages that need it.

The customer API is the hot path and carries no cookies: sessions, CSRF, messages and the page policies are skipped
there by one comparison each. Subclasses keep Django's system checks satisfied.
"""

import ipaddress
import logging
import re
import time
from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.csrf import CsrfViewMiddleware
from django.middleware.security import SecurityMiddleware
from whitenoise.middleware import WhiteNoiseMiddleware

from core import context
from core.ids import uuid7

logger = logging.getLogger("tekana.requests")
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
STAFF_PAGES = ("/admin/", "/static/", "/api/docs")
QUIET = frozenset({"/healthz", "/readyz"})


class RequestMiddleware:
    """Gives each request an id (the client's own where it is sane), notes the client's address, logs one line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter_ns()
        offered = request.META.get("HTTP_X_REQUEST_ID", "")  # request.headers would read all of them for this one
        request_id = offered if SAFE_REQUEST_ID.fullmatch(offered) else uuid7().hex
        context.request_id.set(request_id)
        context.client_ip.set(client_address(request.META))
        context.door.set("admin" if request.path_info.startswith("/admin/") else "api")
        response = self.get_response(request)
        response["X-Request-ID"] = request_id
        if request.path_info.startswith("/v1/"):
            response.setdefault("Cache-Control", "no-store")
        if request.path_info not in QUIET and logger.isEnabledFor(logging.INFO):
            match = request.resolver_match
            logger.info(
                "request",
                extra={
                    "method": request.method,
                    # the route, not the path: ids and whatever a client puts into a path stay out of the log
                    "route": match.route if match else "unmatched",
                    "status": response.status_code,
                    "microseconds": (time.perf_counter_ns() - started) // 1000,
                },
            )
        return response


def client_address(meta: dict[str, Any]) -> str:
    """The address that counts: the peer's, or what the outermost trusted proxy wrote into X-Forwarded-For."""
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in meta.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if len(hops) >= settings.TRUSTED_PROXIES and is_address(hops[-settings.TRUSTED_PROXIES]):
            return hops[-settings.TRUSTED_PROXIES]
    return meta.get("REMOTE_ADDR", "")


def is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Security(SecurityMiddleware):
    """HSTS, nosniff, referrer policy and the redirect to HTTPS: for every answer."""


class ForStaffPages:
    """Mixed in before a Django middleware: leaves every other path alone."""

    get_response: Any

    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(STAFF_PAGES):
            return super().__call__(request)  # type: ignore[misc]
        return self.get_response(request)


class StaffStatic(ForStaffPages, WhiteNoiseMiddleware): ...


class StaffSession(ForStaffPages, SessionMiddleware):
    def process_request(self, request: HttpRequest) -> None:
        context.user_agent.set(request.META.get("HTTP_USER_AGENT", ""))
        super().process_request(request)


class StaffCommon(ForStaffPages, CommonMiddleware): ...


class StaffCsrf(ForStaffPages, CsrfViewMiddleware):
    def process_view(self, request: HttpRequest, *args: Any) -> Any:
        return super().process_view(request, *args) if request.path_info.startswith(STAFF_PAGES) else None


class StaffAuthentication(ForStaffPages, AuthenticationMiddleware): ...


class StaffMessages(ForStaffPages, MessageMiddleware): ...


class StaffFrames(ForStaffPages, XFrameOptionsMiddleware): ...


class StaffContentPolicy(ForStaffPages, CSPMiddleware): ...
