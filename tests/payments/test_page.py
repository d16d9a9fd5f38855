"""The page behind a link: what anybody sees of a request, and what nobody does."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils.timezone import now

from customers.services import suspend_customer
from payments.services import NewRequest, cancel_request, create_request
from tests.payments.conftest import principal
from wallets.models import Wallet
from wallets.services import close_wallet, freeze_wallet


def ask(wallet: Wallet, **asked: Any) -> str:
    request = create_request(
        NewRequest(wallet_id=wallet.pk, currency=wallet.currency, **asked), actor=principal(wallet)
    )
    return request.spaced_code


def test_it_shows_who_asks_for_how_much_and_nothing_more(client: Client, aline: Wallet) -> None:
    over = datetime(2026, 12, 31, 22, 30, tzinfo=UTC)
    with time_machine.travel(over - timedelta(days=9)):
        code = ask(aline, amount=1_500, description="Rent <b>March</b>", order_reference="A-17", expires_at=over)

    with time_machine.travel(over - timedelta(days=1)):
        shown = client.get(f"/pay/{code.lower()}")

    assert shown.status_code == 200
    for said in ("Aline M. asks for", "RWF 1,500", "Rent &lt;b&gt;March", code, "Open the app", "tekana://pay/"):
        assert said in shown.text, said
    assert "Valid until 1 Jan 2027, 00:30 Kigali time." in shown.text
    customer = aline.customer
    for private in ("Mukamana", customer.phone_number, customer.email, str(customer.pk), str(aline.pk), "A-17"):
        assert private not in shown.text
    assert "<script" not in shown.text and "style=" not in shown.text
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert (shown.headers["Cache-Control"], shown.headers["X-Robots-Tag"]) == ("no-store", "noindex")
    assert not shown.cookies


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"least": 100, "most": 500}, "RWF 100 to RWF 500"),
        ({"least": 100}, "RWF 100 or more"),
        ({"most": 500}, "up to RWF 500"),
        ({}, "any amount in RWF"),
    ],
)
def test_an_open_amount_says_its_bounds(client: Client, shop: Wallet, asked: dict[str, int], said: str) -> None:
    shown = client.get(f"/pay/{ask(shop, **asked)}")

    assert said in shown.text
    assert "Kimironko Fresh Foods asks for" in shown.text


def test_what_is_over_says_so_and_has_no_code_to_scan(client: Client, shop: Wallet) -> None:
    code = ask(shop, amount=10)
    with time_machine.travel(now() + timedelta(days=30)):
        assert "has expired" in client.get(f"/pay/{code}").text
    cancel_request(shop.customer.payment_requests.get().pk, actor=None)

    shown = client.get(f"/pay/{code}")

    assert "was cancelled" in shown.text
    assert "qr.svg" not in shown.text and "tekana://" not in shown.text


def test_a_link_that_was_copied_out_of_a_sentence_is_understood(client: Client, shop: Wallet) -> None:
    code = ask(shop, amount=10)

    for written in (f"{code}.", f"{code}/", f"{code.replace('-', ' ')}", f"({code})", f"{code.lower()}…"):
        assert "RWF 10" in client.get(f"/pay/{written}").text, written
    for wrong in ("é", "%00", "a.b", "-"):
        assert "No such payment request" in client.get(f"/pay/{wrong}").text


def test_who_takes_no_money_is_not_asked_to_be_paid_and_nobody_is_told_why(
    client: Client, shop: Wallet, aline: Wallet, eric: Wallet
) -> None:
    codes = [ask(wallet, amount=10) for wallet in (shop, aline, eric)]
    suspend_customer(shop.customer, cause="fraud", reason="a scam", actor=None)
    freeze_wallet(aline, mode="credit", cause="fraud", reason="a scam", actor=None)
    close_wallet(eric, reason="moved away", actor=None)

    for code in codes:
        shown = client.get(f"/pay/{code}")
        assert shown.status_code == 200
        assert "cannot be paid at the moment" in shown.text
        assert "qr.svg" not in shown.text and "tekana://" not in shown.text
        assert not any(word in shown.text.lower() for word in ("suspend", "frozen", "closed", "scam"))


def test_its_drawing_is_an_svg_of_our_own(client: Client, shop: Wallet) -> None:
    drawn = client.get(f"/pay/{ask(shop, amount=10)}/qr.svg")

    assert drawn.headers["Content-Type"] == "image/svg+xml"
    assert drawn.content.startswith(b"<svg") and b"script" not in drawn.content
    assert drawn.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_codes_are_not_to_be_guessed(client: Client, shop: Wallet, settings: Any) -> None:
    """A wrong one and one that nobody has are the same page, and there are not many tries."""
    settings.THROTTLE_BURST = 3
    code = ask(shop, amount=10)

    wrong, nobodys = client.get("/pay/NO-SUCH-CODE"), client.get("/pay/0000-0000-0000")

    assert (wrong.status_code, nobodys.status_code) == (404, 404)
    assert wrong.content == nobodys.content
    answers = [client.get(f"/pay/{code}") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert client.post(f"/pay/{code}").status_code == 405
