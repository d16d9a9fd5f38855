"""Sending money over HTTP: door to row to what both parties see."""

import json
import threading
from itertools import pairwise

import pytest
from django.test import Client

from customers.models import CustomerState
from tests.books import assert_books_balance, available, fund, key, posted
from tests.factories import signed_in
from transactions.models import State, Transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def send(client, aline, eric):
    headers = signed_in(aline.customer)

    def post(idempotency_key=None, path="/v1/transfers", **changes):
        body = {
            "from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": "1500", "currency": "RWF",
        } | changes  # fmt: skip
        return client.post(
            path, json.dumps(body), content_type="application/json",
            headers=headers | {"Idempotency-Key": idempotency_key or key()},
        )  # fmt: skip

    return post


def test_a_transfer_reaches_both_histories(client, send, aline, eric):
    fund(aline, 2000)

    answer = send(memo="rent", reference="march")

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body.keys() == {
        "transaction_id", "receipt", "from_wallet_id", "to_wallet_id", "amount", "fee", "currency", "balance_after",
        "status", "timestamp",
    }  # fmt: skip
    assert (body["amount"], body["fee"], body["balance_after"], body["status"]) == ("1500", "0", "500", "completed")
    out = history(client, aline)[0]
    into = history(client, eric)[0]
    assert (out["direction"], out["balance_change"], out["balance_after"]) == ("out", "-1500", "500")
    assert (out["counterparty"]["name"], out["reference"], out["memo"]) == ("Eric H.", "march", "rent")
    assert (into["direction"], into["balance_change"], into["balance_after"]) == ("in", "1500", "1500")
    assert (into["counterparty"]["name"], into["reference"]) == ("Aline M.", None)
    assert out["receipt"] == into["receipt"] == body["receipt"]
    for wallet in (aline, eric):
        seen = client.get(f"/v1/transactions/{body['transaction_id']}", headers=signed_in(wallet.customer))
        assert seen.json()["receipt"] == body["receipt"]
    assert_books_balance()


@pytest.mark.parametrize("to", [{"phone_number": "+250 788 000 002"}, {"email": "ERIC@example.com"}])
def test_a_recipient_is_found_by_phone_or_email(send, aline, eric, to):
    type(eric.customer).objects.filter(pk=eric.customer_id).update(email="eric@example.com")
    fund(aline, 2000)

    assert send(to=to).status_code == 201
    assert posted(eric) == 1500


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount": "0"}, 400, "amount_not_positive"),
        ({"amount": "-5"}, 400, "amount_not_positive"),
        ({"amount": "10.5"}, 400, "amount_too_precise"),
        ({"amount": "1e3"}, 400, "validation_failed"),
        ({"amount": True}, 400, "validation_failed"),
        ({"amount": "9" * 18}, 400, "amount_too_large"),
        ({"currency": "XXX"}, 400, "validation_failed"),
        ({"to": {}}, 400, "validation_failed"),
        ({"to": {"phone_number": "+250788000002", "email": "a@b.co"}}, 400, "validation_failed"),
        ({"role": "admin"}, 400, "validation_failed"),
        ({"memo": "a\x00b"}, 400, "validation_failed"),
        ({"from_wallet_id": "nonsense"}, 400, "validation_failed"),
    ],
)
def test_what_cannot_be_read_is_refused_and_not_kept(send, aline, eric, changes, status, code):
    fund(aline, 2000)

    answer = send(**changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert not Transaction.objects.filter(kind="transfer").exists()
    assert posted(aline) == 2000


def test_a_field_that_comes_twice_is_refused(client, aline, eric):
    fund(aline, 2000)
    body = (
        f'{{"from_wallet_id": "{aline.pk}", "to": {{"wallet_id": "{eric.pk}"}}, "amount": "1", "amount": "2", '
        '"currency": "RWF"}'
    )
    headers = signed_in(aline.customer) | {"Idempotency-Key": key()}

    answer = client.post("/v1/transfers", body, content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert client.post(
        "/v1/transfers", body.replace('"amount": "1", ', '"memo": "amount", '), content_type="application/json",
        headers=headers,
    ).status_code == 201  # fmt: skip


def test_refusals_of_business_are_kept_each_with_its_code(send, aline, eric):
    fund(aline, 2000)
    cases = [
        ({"to": {"wallet_id": str(aline.pk)}}, "self_transfer"),
        ({"amount": "2001"}, "insufficient_funds"),
        ({"currency": "KES", "amount": "1"}, "currency_mismatch"),
        ({"amount": "99999999"}, "limit_exceeded"),
        ({"to": {"phone_number": "+250788999999"}}, "recipient_not_found"),
    ]
    for changes, code in cases:
        answer = send(**changes)

        body = answer.json()
        assert (answer.status_code, body["code"]) == (422, code)
        kept = Transaction.objects.get(pk=body["transaction_id"])
        assert (kept.state, kept.refusal_code, kept.receipt) == (State.FAILED, code, body["receipt"])
    assert (posted(aline), posted(eric)) == (2000, 0)
    assert_books_balance()


def test_the_same_key_gets_the_same_answer_byte_for_byte(send, aline, eric):
    fund(aline, 2000)

    first, second = send("a-key-of-16-chars"), send("a-key-of-16-chars")
    other = send("a-key-of-16-chars", amount="1501")
    refused, refused_again = send("another-key-16chars", amount="1000"), send("another-key-16chars", amount="1000")

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert refused.status_code == 422
    assert refused.content == refused_again.content
    assert posted(eric) == 1500
    assert_books_balance()


def test_two_hundred_at_once_with_one_key_are_one_payment(aline, eric):
    fund(aline, 100_000)
    answers = []
    headers = signed_in(aline.customer) | {"Idempotency-Key": "one-key-for-200-requests"}
    body = {"from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": "7", "currency": "RWF"}

    def go():
        answers.append(
            Client().post("/v1/transfers", json.dumps(body), content_type="application/json", headers=headers)
        )

    threads = [threading.Thread(target=go) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {(a.status_code, a.content) for a in answers} == {(201, answers[0].content)}
    assert posted(eric) == 7
    assert_books_balance()


def test_a_key_is_required(client, send, aline):
    answer = client.post("/v1/transfers", "{}", content_type="application/json", headers=signed_in(aline.customer))
    assert (answer.status_code, answer.json()["code"]) == (400, "missing_idempotency_key")


def test_somebody_elses_wallet_is_a_missing_one(send, aline, eric):
    fund(eric, 2000)

    answer = send(from_wallet_id=str(eric.pk), to={"wallet_id": str(aline.pk)})

    assert (answer.status_code, answer.json()["code"]) == (404, "wallet_not_found")
    assert posted(eric) == 2000


def test_suspension_and_logout_bite_at_the_next_request(client, send, aline, eric):
    fund(aline, 2000)
    type(aline.customer).objects.filter(pk=aline.customer_id).update(state=CustomerState.SUSPENDED)
    assert send().json()["code"] == "customer_suspended"
    type(aline.customer).objects.filter(pk=aline.customer_id).update(state=CustomerState.ACTIVE)
    aline.customer.sessions.update(revoked_at="2026-01-01T00:00Z")
    answer = send()
    assert (answer.status_code, answer.json()["code"]) == (401, "session_ended")
    assert posted(aline) == 2000


def test_a_preview_says_what_would_happen_and_posts_nothing(send, aline, eric):
    fund(aline, 2000)

    preview = send(path="/v1/transfers/preview").json()

    assert (preview["recipient"], preview["fee"], preview["balance_after"]) == ("Eric H.", "0", "500")
    assert [(line["side"], line["amount"]) for line in preview["lines"]] == [("debit", "1500"), ("credit", "1500")]
    assert preview["limits_left"]["day"] is not None
    assert send(path="/v1/transfers/preview", amount="2001").json()["code"] == "insufficient_funds"
    assert Transaction.objects.filter(kind="transfer").count() == 0
    assert (posted(aline), available(aline)) == (2000, 2000)


def test_history_pages_meet_without_gap_or_overlap(client, send, aline, eric):
    fund(aline, 100)
    for amount in range(1, 8):
        send(amount=str(amount))
        send(amount="5000")  # refused for lack of funds: kept between the others

    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(
            f"/v1/wallets/{aline.pk}/transactions?limit=4" + (f"&cursor={cursor}" if cursor else ""),
            headers=signed_in(aline.customer),
        ).json()
        seen += page["data"]
        cursor = page["next"]

    assert len(seen) == len({row["transaction_id"] for row in seen}) == 15
    assert [row["timestamp"] for row in seen] == sorted((row["timestamp"] for row in seen), reverse=True)
    moved = [row for row in seen if row["balance_after"]]
    for newer, older in pairwise(moved):
        assert int(newer["balance_after"]) - int(newer["balance_change"]) == int(older["balance_after"])
    assert [row["status"] for row in history(client, aline, "?status=failed")] == ["failed"] * 7
    assert len(history(client, aline, "?direction=in")) == 1
    assert len(history(client, aline, "?kind=top_up")) == 1
    assert history(client, aline, "?from=2100-01-01T00:00:00Z") == []


def history(client, wallet, query=""):
    answer = client.get(f"/v1/wallets/{wallet.pk}/transactions{query}", headers=signed_in(wallet.customer))
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


@pytest.mark.parametrize("chosen", ["short", "with a space in it", "standing-order:0192", "payout-0192-0001-00"])
def test_a_key_that_cannot_be_a_clients_is_refused(send, aline, chosen):
    """The last two begin as those do under which we move money for a customer."""
    fund(aline, 1_000)

    answer = send(idempotency_key=chosen)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")
    assert posted(aline) == 1_000
