"""The QR of a payment request: what it says, and how it is drawn."""

import io

import segno
from django.conf import settings

from core.money import Money
from customers.models import ONE_PERSON
from payments import emvco
from payments.models import PaymentRequest
from wallets.selectors import shown_name

CONTENTS = ("emvco", "link")
SCALE, QUIET_ZONE = 8, 4  # of the drawing: pixels of a module, modules of white around it


def link_of(request: PaymentRequest) -> str:
    """The page that anybody may open: it says who asks for how much."""
    return f"{settings.PUBLIC_URL}/pay/{request.spaced_code}"


def app_link_of(request: PaymentRequest) -> str:
    """The same in the app, where there is one on the phone."""
    return str(settings.PAYMENT_APP_LINK).replace("{code}", request.code)


def content_of(request: PaymentRequest) -> str:
    """What its QR says unless asked otherwise: what other wallets read too, for a merchant; the link for a person, who
    is no merchant, and where the standard has no room for the amount."""
    is_person = request.customer.account_type in ONE_PERSON
    return "link" if is_person or not emvco.fits(_amount(request)) else "emvco"


def payload_of(request: PaymentRequest, content: str) -> str:
    """``content`` is one of CONTENTS. Reads the requester and their country."""
    if content == "link":
        return link_of(request)
    country = request.customer.country
    return emvco.merchant_payload(
        gui=settings.PAYMENT_QR_GUI, code=request.code, once=request.max_uses == 1, amount=_amount(request),
        currency=request.currency, country=country.code, city=country.name, name=shown_name(request.customer),
        bill=request.order_reference or "", purpose=request.description,
    )  # fmt: skip


def svg_of(text: str) -> bytes:
    """Black on white whatever the page is: a scanner sees no themes. A quarter of it may be covered (level Q)."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="q").save(
        drawn, kind="svg", scale=SCALE, border=QUIET_ZONE, dark="#000", light="#fff", xmldecl=False, omitsize=True
    )
    return drawn.getvalue()


def _amount(request: PaymentRequest) -> Money | None:
    return None if request.amount is None else Money(request.amount, request.currency)
