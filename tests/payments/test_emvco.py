"""What a QR says: read back by a parser of our own that reads published payloads of others, too."""

import re
from datetime import timedelta
from typing import Any

import pytest
import segno
from django.utils.timezone import now

from core.money import Money
from payments.emvco import crc16, joined, merchant_payload, plain
from payments.models import PaymentRequest
from payments.qr import CONTENTS, QUIET_ZONE, content_of, payload_of, shown_name, svg_of
from payments.services import NewRequest, create_request
from tests.payments.conftest import principal
from wallets.models import Wallet

# From the specification's own example, and from the manual of Brazil's Pix.
BEST_TRANSPORT = (
    "00020101021229300012D156000000000510A93FO3230Q31280012D15600000001030812345678520441115802CN5914BEST TRANSPORT"
    "6007BEIJING64200002ZH0104最佳运输0202北京540523.7253031565502016233030412340603***0708A60086670902ME91320016"
    "A0112233449988770708123456786304A13A"
)
PIX = (
    "00020126580014br.gov.bcb.pix0136123e4567-e12b-12d1-a456-4266554400005204000053039865802BR5913Fulano de Tal"
    "6008BRASILIA62070503***63041D3D"
)
TEMPLATES = {f"{id:02}" for id in range(26, 52)} | {"62", "64"}


def objects(text: str) -> dict[str, str]:
    """Raises: ValueError, for what is cut short."""
    found, at = {}, 0
    while at < len(text):
        id, length = text[at : at + 2], int(text[at + 2 : at + 4])
        value = text[at + 4 : at + 4 + length]
        if len(value) != length or id in found:
            raise ValueError(text[at:])
        found[id] = value
        at += 4 + length
    return found


def parsed(payload: str) -> dict[str, Any]:
    """A payload as ids and values, nested in templates. Raises: ValueError, also for a wrong check sum."""
    found: dict[str, Any] = objects(payload)
    if not payload.startswith("000201") or list(found)[-1] != "63":
        raise ValueError("it begins with its version and ends with its check sum")
    if f"{crc16(payload[:-4].encode()):04X}" != found["63"]:
        raise ValueError("check sum")
    return {id: objects(value) if id in TEMPLATES else value for id, value in found.items()}


def test_published_payloads_are_read_with_their_check_sums() -> None:
    assert crc16(b"123456789") == 0x29B1  # the check value that catalogues of CRCs give
    transport, pix = parsed(BEST_TRANSPORT), parsed(PIX)

    assert (transport["59"], transport["54"], transport["53"]) == ("BEST TRANSPORT", "23.72", "156")
    assert transport["62"] == {"03": "1234", "06": "***", "07": "A6008667", "09": "ME"}
    assert (pix["26"]["00"], pix["58"], pix["62"]) == ("br.gov.bcb.pix", "BR", {"05": "***"})
    for wrong in (PIX.replace("Fulano", "Fulana"), PIX[:-1] + "C", PIX[:-4]):
        with pytest.raises(ValueError):
            parsed(wrong)


def ask(wallet: Wallet, **asked: Any) -> PaymentRequest:
    return create_request(NewRequest(wallet_id=wallet.pk, currency=wallet.currency, **asked), actor=principal(wallet))


def test_a_merchants_request_is_an_emvco_payload(shop: Wallet) -> None:
    request = ask(shop, amount=1_500, description="Deux caisses d'été", order_reference="A-17")

    payload = payload_of(request, content_of(request))

    assert parsed(payload) == {
        "00": "01", "01": "12", "26": {"00": "com.tekana", "01": request.code}, "52": "0000", "53": "646",
        "54": "1500", "58": "RW", "59": "Kimironko Fresh Foods", "60": "Rwanda",
        "62": {"01": "A-17", "05": request.code, "08": "Deux caisses d'ete"}, "63": payload[-4:],
    }  # fmt: skip


def test_an_open_amount_is_left_to_the_payer_and_a_standing_code_is_static(shop: Wallet) -> None:
    request = ask(shop, least=100, max_uses=None, expires_at=now() + timedelta(days=300), order_reference="x" * 26)

    found = parsed(payload_of(request, "emvco"))

    assert "54" not in found
    assert found["01"] == "11"
    assert found["62"] == {"05": request.code}


def test_a_persons_request_is_a_link_that_shows_no_whole_name(aline: Wallet) -> None:
    request = ask(aline, amount=10)

    assert content_of(request) == "link"
    assert payload_of(request, "link").endswith(f"/pay/{request.code[:4]}-{request.code[4:8]}-{request.code[8:]}")
    assert shown_name(request.customer) == "Aline M."
    assert parsed(payload_of(request, "emvco"))["59"] == "Aline M."


def test_decimals_are_those_of_the_currency_and_lengths_are_the_standards() -> None:
    payload = merchant_payload(
        gui="com.tekana", code="A" * 12, once=True, amount=Money(105_075, "KES"), currency="KES", country="KE",
        city="Kenya", name="Ñandú & " + "Sons " * 9,
    )  # fmt: skip

    found = parsed(payload)
    assert (found["54"], found["53"]) == ("1050.75", "404")
    assert (found["59"], len(found["59"]) <= 25) == ("Nandu & Sons Sons Sons So", True)
    assert plain("Café\u0000 北京  bar", 99) == "Cafe bar"
    assert joined([("01", "")]) == ""


def test_what_the_standard_cannot_say_whole_is_left_out() -> None:
    """Another order's number, or an amount without its last figures, would be worse than none."""
    said = {"gui": "com.tekana", "code": "A" * 12, "once": True, "country": "UG", "city": "Uganda", "name": "Duka"}

    longest = parsed(merchant_payload(**said, amount=Money(10**12, "UGX"), currency="UGX", bill="A-½"))
    too_long = parsed(merchant_payload(**said, amount=Money(10**13, "UGX"), currency="UGX", bill="A 17"))

    assert (longest["54"], longest["53"], longest["62"]) == ("1000000000000", "800", {"05": "A" * 12})
    assert "54" not in too_long and too_long["62"]["01"] == "A 17"


def drawn(svg: bytes) -> list[list[bool]]:
    """The modules of a drawing, row by row, without the quiet zone: its one path is strokes ``h`` and moves ``m``."""
    path = re.search(r'class="qrline" stroke="#000" d="([^"]+)"', svg.decode())
    assert path
    dark, x, y = set(), 0, 0
    for verb, numbers in re.findall(r"([Mmh])([-0-9. ]+)", path[1]):
        across, *down = [float(number) for number in numbers.split()]
        if verb == "h":
            dark |= {(x + step, y) for step in range(int(across))}
            x += int(across)
        else:
            x, y = (int(across), int(down[0])) if verb == "M" else (x + int(across), y + int(down[0]))
    rows = max(y for _, y in dark) + 1
    return [[(x, y) in dark for x in range(QUIET_ZONE, rows)] for y in range(QUIET_ZONE, rows)]


def test_what_is_drawn_is_what_was_said(shop: Wallet) -> None:
    """Read back from its strokes, the drawing is the matrix of what it says; something else draws another."""
    request = ask(shop, amount=1_500, description="Two crates", order_reference="A-17")

    def matrix(text: str) -> list[list[bool]]:
        return [[bool(module) for module in row] for row in segno.make_qr(text, error="q").matrix]

    for content in CONTENTS:
        text = payload_of(request, content)
        assert drawn(svg_of(text)) == matrix(text)
        assert drawn(svg_of(text)) != matrix(text[:-1] + "?")
