"""Payments over HTTP: from asking for money to giving it back, as two apps would."""

from typing import Any

import pytest
from django.test import Client

from tests.books import assert_books_balance, key, posted
from tests.factories import signed_in
from transactions.models import Transaction
from wallets.models import Wallet

pytestmark = pytest.mark.django_db(transaction=True)  # the poster's thread has a connection of its own


class App:
    """Somebody's app: a session, and JSON."""

    def __init__(self, wallet: Wallet) -> None:
        self.client, self.headers, self.wallet = Client(), signed_in(wallet.customer), wallet

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"/v1/{path}", query_params=query, headers=self.headers)

    def post(self, path: str, body: dict[str, Any], idempotency_key: str = "") -> Any:
        headers = self.headers | {"Idempotency-Key": idempotency_key or key()}
        return self.client.post(f"/v1/{path}", body, content_type="application/json", headers=headers)


@pytest.fixture
def till(shop: Wallet) -> App:
    return App(shop)


@pytest.fixture
def phone(payer: Wallet) -> App:
    return App(payer)


def ask(till: App, **asked: Any) -> dict[str, Any]:
    made = till.post("payment-requests", {"wallet_id": str(till.wallet.pk), "currency": "RWF"} | asked)
    assert made.status_code == 201, made.content
    return dict(made.json())


def test_a_request_from_link_to_refund(till: App, phone: App) -> None:
    asked = ask(till, amount="1500", description="Two crates", order_reference="A-17")
    code, mine = asked["code"], {"from_wallet_id": str(phone.wallet.pk)}

    seen = phone.get(f"payment-requests/{code}").json()
    assert (seen["requested_by"], seen["amount"], seen["status"], seen["own"]) == (
        "Kimironko Fresh Foods", "1500", "open", None,
    )  # fmt: skip
    preview = phone.post("payments/preview", mine | {"request_code": code}).json()
    assert (preview["recipient"], preview["total"]) == ("Kimironko Fresh Foods", "1500")

    same = key()
    paid = phone.post(f"payment-requests/{code}/pay", mine, same)
    again = phone.post(f"payment-requests/{code}/pay", mine, same)
    assert (paid.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert paid.content == again.content
    answer = paid.json()
    assert (answer["order_reference"], answer["request_code"], answer["balance_after"]) == ("A-17", code, "48500")
    refused = phone.post("payments", mine | {"request_code": code})
    assert (refused.status_code, refused.json()["code"]) == (422, "payment_request_used_up")
    assert Transaction.objects.get(pk=refused.json()["transaction_id"]).refusal_code == "payment_request_used_up"

    found = till.get("payments", order_reference="A-17").json()["data"]
    (used,) = till.get(f"payment-requests/{code}/payments").json()["data"]
    assert used == found[0] | {"confirmation": "not_needed", "payment_id": answer["transaction_id"]}
    assert (found[0]["payer"], found[0]["amount"], found[0]["returned"]) == ("Aline M.", "1500", "0")
    assert phone.get("payments", order_reference="A-17").json()["data"] == []
    own = till.get(f"payment-requests/{code}").json()
    assert (own["status"], own["own"]["used"]) == ("used_up", 1)
    assert [one["code"] for one in till.get("payment-requests", status="used_up").json()["data"]] == [code]
    assert till.get("payment-requests", status="open").json()["data"] == []

    payment = answer["transaction_id"]
    back = till.post(f"payments/{payment}/refunds", {"amount": "500", "reason": "one was missing"})
    assert (back.status_code, back.json()["payment_id"], back.json()["balance_after"]) == (201, payment, "1000")
    assert phone.post(f"payments/{payment}/refunds", {}).status_code == 404
    assert till.get("payments", order_reference="A-17").json()["data"][0]["status"] == "partially_reversed"
    assert till.post(f"payments/{payment}/refunds", {}).json()["amount"] == "1000"
    nothing = till.post(f"payments/{payment}/refunds", {})
    assert (nothing.status_code, nothing.json()["code"]) == (409, "not_reversible")
    assert posted(phone.wallet) == 50_000
    assert_books_balance()


def test_a_merchant_is_paid_by_phone_number_under_their_order_reference(till: App, phone: App, eric: Wallet) -> None:
    body = {
        "from_wallet_id": str(phone.wallet.pk), "to": {"phone_number": till.wallet.customer.phone_number},
        "amount": "700", "currency": "RWF", "order_reference": "B-1", "memo": "tomatoes", "reference": "mine-1",
    }  # fmt: skip

    paid = phone.post("payments", body)
    person = phone.post("payments", body | {"to": {"wallet_id": str(eric.pk)}, "reference": None})

    assert (paid.status_code, paid.json()["order_reference"], paid.json()["request_code"]) == (201, "B-1", None)
    assert (person.status_code, person.json()["code"]) == (422, "recipient_no_merchant")
    assert phone.post("payments", body).json()["code"] == "reference_taken"
    assert posted(till.wallet) == 700


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"request_code": "7F3K-9QX2-ABMT"}, "to"),
        ({"to": None}, "to"),
        ({"to": {}}, "to"),
        ({"amount": None}, "amount"),
        ({"order": "A"}, "order"),
    ],
)
def test_what_does_not_say_what_to_pay_is_refused(phone: App, change: dict[str, Any], field: str) -> None:
    body = {
        "from_wallet_id": str(phone.wallet.pk), "to": {"email": "a@example.com"}, "amount": "1", "currency": "RWF",
    } | change  # fmt: skip
    body = {name: value for name, value in body.items() if value is not None}

    refused = phone.post("payments", body)

    assert refused.status_code == 400
    assert field in [error["field"].partition(".")[0] for error in refused.json()["errors"]]


def test_payments_are_listed_by_an_order_reference_which_has_to_be_given(till: App) -> None:
    for query in ({}, {"limit": "5"}):
        refused = till.get("payments", **query)
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == ["order_reference"]


def test_a_request_of_an_open_amount(till: App, phone: App) -> None:
    code = ask(till, least="100", most="500", max_uses=None)["code"]
    mine = {"from_wallet_id": str(phone.wallet.pk)}

    said = [phone.post(f"payment-requests/{code}/pay", mine | amount) for amount in ({}, {"amount": "99"})]
    paid = phone.post(f"payment-requests/{code}/pay", mine | {"amount": "100", "memo": "coffee"})

    assert [(one.status_code, one.json()["code"]) for one in said] == [
        (400, "payment_request_amount_missing"), (422, "payment_request_amount_out_of_bounds"),
    ]  # fmt: skip
    assert (said[1].json()["least"], said[1].json()["most"]) == ("100", "500")
    assert (paid.status_code, Transaction.objects.get(pk=paid.json()["transaction_id"]).memo) == (201, "coffee")


def test_cancelling_and_its_qr(till: App, phone: App) -> None:
    code = ask(till, amount="10")["code"]

    drawn = phone.get(f"payment-requests/{code}/qr.svg", content="link")
    assert (drawn.status_code, drawn.headers["Content-Type"]) == (200, "image/svg+xml")
    assert drawn.content != phone.get(f"payment-requests/{code}/qr.svg").content
    assert phone.get(f"payment-requests/{code}/qr.svg", content="text").status_code == 400
    assert phone.post(f"payment-requests/{code}/cancel", {}).status_code == 404
    assert till.post(f"payment-requests/{code}/cancel", {}).json()["status"] == "cancelled"
    refused = phone.post(f"payment-requests/{code}/pay", {"from_wallet_id": str(phone.wallet.pk)})
    assert refused.json()["code"] == "payment_request_cancelled"


def test_confirming_and_rejecting(till: App, phone: App) -> None:
    code = ask(till, amount="10", max_uses=None, needs_confirmation=True)["code"]
    mine = {"from_wallet_id": str(phone.wallet.pk)}
    kept, dropped = (phone.post("payments", mine | {"request_code": code}).json() for _ in range(2))
    assert (kept["status"], dropped["status"]) == ("pending", "pending")
    path = f"payment-requests/{code}/payments"
    assert {one["confirmation"] for one in till.get(path).json()["data"]} == {"awaiting"}

    assert phone.post(f"{path}/{kept['transaction_id']}/confirm", {}).status_code == 404
    confirmed = till.post(f"{path}/{kept['transaction_id']}/confirm", {}).json()
    rejected = till.post(f"{path}/{dropped['transaction_id']}/reject", {}).json()
    late = till.post(f"{path}/{dropped['transaction_id']}/confirm", {})

    assert (confirmed["confirmation"], confirmed["status"]) == ("confirmed", "completed")
    assert (rejected["confirmation"], rejected["status"], rejected["payment_id"]) == ("rejected", "cancelled", None)
    assert (late.status_code, late.json()["code"]) == (409, "payment_request_use_answered")
    assert till.post(f"payments/{confirmed['payment_id']}/refunds", {}).status_code == 201
    assert posted(phone.wallet) == 50_000
    assert_books_balance()
