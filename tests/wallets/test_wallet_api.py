"""Wallets over HTTP: the published names, and every refusal with its code."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import Customer
from tests.books import assert_books_balance, fund
from tests.factories import PASSWORD, CustomerFactory, new_wallet, signed_in
from wallets.models import Wallet
from wallets.services import close_wallet, freeze_wallet

pytestmark = pytest.mark.django_db

ERIC = {
    "full_name": "Eric Habimana",
    "email": "Eric@Example.com",
    "phone_number": "+250 788 123 456",
    "country": "RW",
    "account_type": "freelancer",
    "password": PASSWORD,
}


@pytest.fixture
def customer() -> Customer:
    return CustomerFactory.create()


@pytest.fixture
def api(customer: Customer) -> Client:
    """Signed in as ``customer``."""
    return Client(headers=signed_in(customer))


def test_signing_up_makes_customer_wallet_and_session(client):
    answer = client.post("/v1/auth/register", ERIC, "application/json")

    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {"customer", "wallet", "access_token", "refresh_token", "token_type", "expires_in"}
    assert body["customer"] | {"customer_id": 0, "created_at": 0} == {
        "customer_id": 0, "full_name": "Eric Habimana", "email": "eric@example.com", "phone_number": "+250788123456",
        "country": "RW", "account_type": "freelancer", "tier": 0, "status": "active", "created_at": 0,
    }  # fmt: skip
    assert body["wallet"] | {"wallet_id": 0, "created_at": 0} == {
        "wallet_id": 0, "currency": "RWF", "balance": "0", "available": "0", "held": "0", "status": "active",
        "created_at": 0,
    }  # fmt: skip
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    assert PASSWORD not in answer.text
    assert "argon2" not in answer.text
    mine = client.get("/v1/wallets", headers={"Authorization": f"Bearer {body['access_token']}"}).json()
    assert [wallet["wallet_id"] for wallet in mine["data"]] == [body["wallet"]["wallet_id"]]


@pytest.mark.parametrize("field", ["role", "is_staff", "tier", "state", "id", "balance"])
def test_nobody_registers_as_more_than_a_customer(client, field):
    answer = client.post("/v1/auth/register", ERIC | {field: "administrator"}, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")
    assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, "unknown_field")]
    assert not Customer.objects.exists()


@pytest.mark.parametrize("missing", list(ERIC))
def test_signing_up_takes_every_field(client, missing):
    body = {name: value for name, value in ERIC.items() if name != missing}

    answer = client.post("/v1/auth/register", body, "application/json")

    assert answer.status_code == 400
    assert [e["field"] for e in answer.json()["errors"]] == [missing]
    assert not Customer.objects.exists()


def test_a_country_where_we_are_not_open_is_refused(client):
    answer = client.post("/v1/auth/register", ERIC | {"country": "FR"}, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (422, "country_not_open")
    assert not Wallet.objects.exists()


def test_a_wallet_is_opened_and_read(api, customer):
    opened = api.post("/v1/wallets", {"currency": "USD"}, "application/json")

    assert opened.status_code == 201
    body = opened.json()
    assert set(body) == {"wallet_id", "currency", "balance", "available", "held", "status", "created_at"}
    assert body["balance"] == body["available"] == body["held"] == "0.00"
    assert body["status"] == "active"
    assert body["created_at"].endswith("Z")
    read = api.get(f"/v1/wallets/{body['wallet_id']}")
    assert (read.status_code, read.json()) == (200, body)


def test_a_second_wallet_in_a_currency_is_refused(api, customer):
    new_wallet(customer, "KES")

    answer = api.post("/v1/wallets", {"currency": "KES"}, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (409, "wallet_exists")
    assert customer.wallets.count() == 1


@pytest.mark.parametrize("currency", ["XAU", "kes", "", None, 5])
def test_currencies_are_those_we_know(api, currency):
    answer = api.post("/v1/wallets", {"currency": currency}, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


def test_the_list_goes_on_where_a_page_ended(api, customer):
    wallets = [new_wallet(customer, currency) for currency in ("KES", "USD", "RWF", "EUR", "GBP")]
    new_wallet()

    first = api.get("/v1/wallets", {"limit": 3}).json()
    second = api.get("/v1/wallets", {"limit": 3, "cursor": first["next"]}).json()

    assert [w["wallet_id"] for w in first["data"] + second["data"]] == [str(w.id) for w in wallets]
    assert second["next"] is None
    assert [w["balance"] for w in first["data"]] == ["0.00", "0.00", "0"]


def test_the_list_costs_the_same_for_one_and_for_many(api, customer, django_assert_num_queries):
    for currency in ("KES", "USD", "RWF", "EUR", "GBP"):
        new_wallet(customer, currency)

    with django_assert_num_queries(2):  # the session, the wallets
        api.get("/v1/wallets")


def test_the_balance_is_told_in_the_currencys_own_decimals(api, customer):
    kes, rwf = new_wallet(customer, "KES"), new_wallet(customer, "RWF")
    fund(kes, 105_075)
    fund(rwf, 1_050)

    assert api.get(f"/v1/wallets/{kes.id}/balance").json()["balance"] == "1050.75"
    answer = api.get(f"/v1/wallets/{rwf.id}/balance").json()
    assert answer | {"last_updated": ""} == {
        "wallet_id": str(rwf.id), "balance": "1050", "available": "1050", "held": "0", "currency": "RWF",
        "last_updated": "",
    }  # fmt: skip
    assert datetime.fromisoformat(answer["last_updated"]).utcoffset() == timedelta(0)
    assert_books_balance()


def test_reading_a_balance_is_one_statement(api, customer, statements):
    wallet = new_wallet(customer)

    statements.clear()
    assert api.get(f"/v1/wallets/{wallet.id}/balance").status_code == 200
    assert len(statements) == 1


def test_the_balance_of_a_past_instant(api, customer):
    wallet = new_wallet(customer)
    before = timezone.now()
    fund(wallet, 500)

    then = api.get(f"/v1/wallets/{wallet.id}/balance", {"at": before.isoformat()})
    in_nairobi = api.get(f"/v1/wallets/{wallet.id}/balance?at=2020-01-01T00:00:00%2B03:00")

    assert (then.status_code, then.json()["balance"]) == (200, "0.00")
    assert then.json()["last_updated"] == wallet.created_at.isoformat().replace("+00:00", "Z")
    assert (in_nairobi.json()["balance"], in_nairobi.json()["last_updated"]) == ("0.00", None)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2999-01-01T00:00:00Z", "instant_not_reached"),
        ("2026-01-01T00:00:00", "validation_failed"),  # which zone?
        ("2026-01-01", "validation_failed"),
        ("yesterday", "validation_failed"),
        ("", "validation_failed"),
        ("9999-12-31T23:59:59-23:59", "validation_failed"),
    ],
)
def test_an_instant_that_cannot_be_answered_is_refused(api, customer, at, code):
    wallet = new_wallet(customer)

    answer = api.get(f"/v1/wallets/{wallet.id}/balance", {"at": at})

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_misspelt_parameter_is_not_taken_for_now(api, customer):
    wallet = new_wallet(customer)

    answer = api.get(f"/v1/wallets/{wallet.id}/balance", {"as_of": "2020-01-01T00:00:00Z"})

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


def test_an_empty_wallet_can_be_closed_by_its_owner(api, customer):
    wallet = new_wallet(customer)

    answer = api.post(f"/v1/wallets/{wallet.id}/close", {}, "application/json")

    assert (answer.status_code, answer.json()["status"]) == (200, "closed")
    assert api.get(f"/v1/wallets/{wallet.id}").json()["status"] == "closed"
    assert api.post("/v1/wallets", {"currency": "KES"}, "application/json").status_code == 201


def test_a_wallet_that_cannot_close_says_why(api, customer):
    full, frozen, closed = (new_wallet(customer, currency) for currency in ("KES", "USD", "EUR"))
    fund(full, 100)
    freeze_wallet(frozen, mode="debit", reason="stolen phone", actor=None)
    close_wallet(closed, actor=None)

    answers = [api.post(f"/v1/wallets/{w.id}/close", {}, "application/json") for w in (full, frozen, closed)]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [
        (409, "wallet_not_empty"), (422, "wallet_frozen"), (422, "wallet_closed")
    ]  # fmt: skip
    assert api.get(f"/v1/wallets/{full.id}").json()["balance"] == "1.00"


def test_a_freeze_shows_as_the_status_and_not_its_reason(api, customer):
    wallet = new_wallet(customer)
    freeze_wallet(wallet, mode="credit", reason="police inquiry 4711", actor=None)

    answer = api.get(f"/v1/wallets/{wallet.id}")

    assert answer.json()["status"] == "frozen"
    assert "4711" not in answer.text
