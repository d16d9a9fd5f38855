"""The page that a payment request's link opens, for anybody: who asks for how much, the QR, and the way into the app.

It knows nobody: no cookie, no script, nothing from another host, and of the requester no more than the payer must see.
"""

import math
from collections.abc import Callable
from functools import wraps
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from core import context, throttling
from core.money import Money
from payments.errors import RequestNotFound
from payments.models import PaymentRequest, Status
from payments.qr import app_link_of, content_of, payload_of, svg_of
from payments.selectors import by_code, why_unpayable
from wallets.selectors import shown_name

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SAID = {
    Status.OPEN: "This request cannot be paid at the moment.",  # who asks takes no money; why is nobody's business
    Status.USED_UP: "This has been paid already.",
    Status.EXPIRED: "This request has expired.",
    Status.CANCELLED: "This request was cancelled.",
}
AROUND = " .,;:!?()<>\"'…"  # what a sentence leaves on a link that is copied out of it
View = Callable[[HttpRequest, str], HttpResponse]


def public(view: View) -> View:
    """GET alone, one token of the address's bucket each, and headers that let nothing else into the page or out of it.

    A code that is none and one that nobody has are the same: a page that says so, with 404.
    """

    @wraps(view)
    def answer(request: HttpRequest, code: str) -> HttpResponse:
        if wait := throttling.take(f"ip:{context.client_ip.get()}"):
            response = page(request, "Too many at once", "Please try again in a moment.", status=429)
            response["Retry-After"] = str(math.ceil(wait))
        else:
            try:
                response = view(request, code.strip(AROUND))
            except RequestNotFound:
                response = page(
                    request, "No such payment request", "Please check the link, or ask who sent it.", status=404
                )
        response["Content-Security-Policy"] = POLICY
        response["Cache-Control"] = "no-store"
        response["Referrer-Policy"] = "no-referrer"
        response["X-Robots-Tag"] = "noindex"
        return response

    return require_safe(answer)


@public
def request_page(request: HttpRequest, code: str) -> HttpResponse:
    asked = by_code(code)
    status = asked.status(now())
    return render(
        request,
        "payments/request.html",
        {
            "asked": asked,
            "code": asked.spaced_code,
            "name": shown_name(asked.customer),
            "amount": amount_shown(asked),
            "is_open": status == Status.OPEN and not why_unpayable(asked),
            "said": SAID[status],
            "app_link": app_link_of(asked),
            "until": until(asked),
        },
    )


@public
def request_qr(request: HttpRequest, code: str) -> HttpResponse:
    asked = by_code(code)
    return HttpResponse(svg_of(payload_of(asked, content_of(asked))), content_type="image/svg+xml")


def until(asked: PaymentRequest) -> str:
    """``23 Nov 2026, 20:16 Kigali time``: where it is asked, and most likely paid."""
    zone = ZoneInfo(asked.customer.country.timezone)
    city = zone.key.rpartition("/")[2].replace("_", " ")
    return f"{asked.expires_at.astimezone(zone):%-d %b %Y, %H:%M} {city} time"


def amount_shown(asked: PaymentRequest) -> str:
    """``KES 1,050.75``, or within which bounds the payer chooses."""

    def shown(amount: int) -> str:
        return str(Money(amount, asked.currency))

    match asked.amount, asked.least, asked.most:
        case (int() as amount, _, _):
            return shown(amount)
        case (_, int() as least, int() as most):
            return f"{shown(least)} to {shown(most)}"
        case (_, int() as least, _):
            return f"{shown(least)} or more"
        case (_, _, int() as most):
            return f"up to {shown(most)}"
    return f"any amount in {asked.currency}"


def page(request: HttpRequest, title: str, said: str, *, status: int) -> HttpResponse:
    return render(request, "payments/request.html", {"title": title, "said": said}, status=status)
