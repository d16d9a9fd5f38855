"""Deposits and withdrawals over HTTP, through the worker and the bank, to what the customer reads."""

import json

import pytest

from tests.books import assert_books_balance, fund, key
from tests.factories import signed_in
from tests.fakes.rail_work import BANK_ACCOUNT, work_until_settled
from transactions.models import RailCall, Transaction
from transactions.services.relay import relay_events


@pytest.fixture
def ask(client, aline, bank):
    """POST to a door of Aline's wallet, GET what she may read."""
    headers = signed_in(aline.customer)

    def ask(path, body=None, idempotency_key=None):
        if body is None:
            return client.get(path, headers=headers).json()
        return client.post(
            f"/v1/wallets/{aline.pk}/{path}", json.dumps(body), content_type="application/json",
            headers=headers | {"Idempotency-Key": idempotency_key or key()},
        )  # fmt: skip

    return ask


def test_a_deposit_is_pending_then_completed_and_told(ask, aline, bank, time_passes):
    answer = ask("deposit", {"amount": "10000", "currency": "RWF", "reference": "salary"})

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["status"], body["amount"], body["fee"]) == ("pending", "10000", "0")
    assert ask(f"/v1/wallets/{aline.pk}/balance")["balance"] == "0"
    work_until_settled(time_passes)
    relay_events()

    assert ask(f"/v1/transactions/{body['transaction_id']}")["status"] == "completed"
    assert ask(f"/v1/wallets/{aline.pk}/balance")["balance"] == "10000"
    (told,) = ask("/v1/notifications")["data"]
    assert (told["kind"], told["transaction_id"]) == ("top_up_completed", body["transaction_id"])
    assert_books_balance()


def test_a_withdrawal_is_held_then_paid_with_its_fee(ask, aline, bank, time_passes):
    fund(aline, 50_000)
    order = {"amount": "10000", "currency": "RWF", "bank_account": BANK_ACCOUNT}

    first, again = (ask("withdraw", order, "the-same-key-twice") for _ in range(2))

    assert first.content == again.content
    assert again["Idempotency-Replayed"] == "true"
    balance = ask(f"/v1/wallets/{aline.pk}/balance")
    assert (balance["balance"], balance["held"], balance["available"]) == ("50000", "10500", "39500")
    work_until_settled(time_passes)

    txn = ask(f"/v1/transactions/{first.json()['transaction_id']}")
    assert (txn["status"], txn["fee"]) == ("completed", "500")
    balance = ask(f"/v1/wallets/{aline.pk}/balance")
    assert (balance["balance"], balance["held"]) == ("39500", "0")
    assert bank.executed("pay", "RWF") == 10_000
    assert Transaction.objects.get(pk=txn["transaction_id"]).destination == BANK_ACCOUNT
    assert_books_balance()


def test_what_the_bank_refuses_comes_back_with_the_reason(ask, aline, bank, time_passes):
    fund(aline, 50_000)

    answer = ask("withdraw", {"amount": "10902", "currency": "RWF", "bank_account": BANK_ACCOUNT})
    work_until_settled(time_passes)
    relay_events()

    txn = ask(f"/v1/transactions/{answer.json()['transaction_id']}")
    assert (txn["status"], txn["code"]) == ("failed", "account_closed")
    assert ask(f"/v1/wallets/{aline.pk}/balance")["available"] == "50000"
    assert ask("/v1/notifications")["data"][0]["kind"] == "cash_out_failed"
    assert_books_balance()


def test_what_was_refused_before_the_bank_never_reaches_it(ask, aline, bank):
    answer = ask("withdraw", {"amount": "10000", "currency": "RWF", "bank_account": BANK_ACCOUNT})

    assert (answer.status_code, answer.json()["code"]) == (422, "insufficient_funds")
    assert not RailCall.objects.exists()
    assert bank.orders == {}
