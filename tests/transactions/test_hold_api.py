"""Holds over HTTP: promised, captured, let go of; what each side sees, and what neither may."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from customers.models import AccountType
from tests.books import assert_books_balance, available, fund, key, posted
from tests.factories import new_wallet, signed_in
from tests.holding import held
from transactions import tariff
from transactions.api.holds import CaptureView
from transactions.errors import AmountBelowFee
from transactions.models import FeeRule, Transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def shop(db):
    return new_wallet(full_name="Kimironko Fresh Foods", country_id="RW", tier=2, account_type=AccountType.SME)


def ask(method, path, wallet, body=None, **headers):
    return Client().generic(
        method, f"/v1/{path}", json.dumps(body or {}), content_type="application/json",
        headers=signed_in(wallet.customer) | headers,
    )  # fmt: skip


def place(payer, payee, amount, *, idempotency_key=None, **more):
    body = {"from_wallet_id": str(payer.pk), "to": {"wallet_id": str(payee.pk)}, "amount": amount, "currency": "RWF"}
    return ask("POST", "holds", payer, body | more, **{"Idempotency-Key": idempotency_key or key()})


def capture(wallet, hold, *, idempotency_key=None, **body):
    return ask("POST", f"holds/{hold}/capture", wallet, body, **{"Idempotency-Key": idempotency_key or key()})


def test_from_promise_to_payment(aline, shop):
    fund(aline, 2_000)
    in_two_days = (timezone.now() + timedelta(days=2)).isoformat()

    placed = place(aline, shop, "1000", memo="two crates", order_reference="order-9", capture_at=in_two_days)
    hold = placed.json()["hold_id"]
    balance = ask("GET", f"wallets/{aline.pk}/balance", aline).json()
    part = capture(shop, hold, amount="400")
    seen = ask("GET", f"holds/{hold}", shop).json()
    rest = capture(shop, hold)

    assert (placed.status_code, placed.json()["status"], placed.json()["balance_after"]) == (201, "pending", "2000")
    assert (balance["balance"], balance["available"]) == ("2000", "1000")
    assert (part.status_code, part.json()["remaining"], part.json()["hold_status"]) == (201, "600", "pending")
    assert (seen["direction"], seen["captured"], seen["remaining"], seen["memo"]) == ("in", "400", "600", "two crates")
    assert [one["transaction_id"] for one in seen["captures"]] == [part.json()["transaction_id"]]
    assert (rest.json()["amount"], rest.json()["remaining"], rest.json()["hold_status"]) == ("600", "0", "completed")
    assert (posted(aline), posted(shop)) == (1_000, 1_000)
    payment = Transaction.objects.get(pk=rest.json()["transaction_id"])
    assert (payment.order_reference, payment.memo) == ("order-9", "two crates")
    assert_books_balance()


def test_each_step_happens_once_and_is_answered_alike(aline, shop):
    fund(aline, 2_000)
    once, again = (place(aline, shop, "500", idempotency_key="one-key-for-a-hold") for _ in range(2))
    hold = once.json()["hold_id"]
    taken, taken_again = (capture(shop, hold, amount="200", idempotency_key="one-key-for-a-part") for _ in range(2))
    other = capture(shop, hold, amount="201", idempotency_key="one-key-for-a-part")

    assert (again.content, again["Idempotency-Replayed"]) == (once.content, "true")
    assert (taken_again.content, taken_again["Idempotency-Replayed"]) == (taken.content, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert (posted(shop), available(aline)) == (200, 1_500)


def test_over_capture_names_what_is_left(aline, shop):
    fund(aline, 2_000)
    hold = held(aline, shop, 500)

    refused = capture(shop, hold, amount="501")

    assert (refused.status_code, refused.json()["code"], refused.json()["left"]) == (422, "capture_exceeds_hold", "500")
    assert posted(shop) == 0


def test_the_payee_lets_go_of_it_once(aline, shop):
    fund(aline, 2_000)
    hold = held(aline, shop, 500)

    first, second = (ask("POST", f"holds/{hold}/void", shop) for _ in range(2))

    assert (first.status_code, first.json()["status"], first.json()["remaining"]) == (200, "cancelled", "0")
    assert (second.status_code, second.json()["code"], second.json()["state"]) == (422, "hold_over", "cancelled")
    assert available(aline) == 2_000


def test_the_payer_sees_it_and_touches_it_no_more(aline, shop):
    fund(aline, 2_000)
    hold = held(aline, shop, 500)

    answers = [capture(aline, hold), ask("POST", f"holds/{hold}/void", aline)]

    assert {(one.status_code, one.json()["code"]) for one in answers} == {(403, "not_payee_of_hold")}
    assert ask("GET", f"holds/{hold}", aline).json()["direction"] == "out"
    assert available(aline) == 1_500


def test_a_person_is_promised_nothing_for_what_is_captured_is_a_payment(aline, eric):
    fund(aline, 2_000)

    assert place(aline, eric, "500").json()["code"] == "recipient_no_merchant"
    assert available(aline) == 2_000


@pytest.mark.parametrize(
    "more",
    [
        {"expires_in": 0},
        {"expires_in": "60"},
        {"expires_in": True},
        {"expires_in": 60, "expires_at": "2999-01-01T00:00:00Z"},
        {"expires_in": 2_592_001},
    ],
)
def test_terms_that_make_no_sense_are_named(aline, shop, more):
    answer = place(aline, shop, "500", **more)

    assert (answer.status_code, answer.json()["code"]) == (400, "validation_failed")


def test_dates_are_looked_at_when_it_is_placed_and_not_when_it_is_told_again(aline, shop, monkeypatch):
    fund(aline, 2_000)
    past = place(aline, shop, "500", expires_at="2020-01-01T00:00:00Z")
    soon = (timezone.now() + timedelta(seconds=1)).isoformat()
    once = place(aline, shop, "500", expires_at=soon, idempotency_key="one-key-for-a-hold")
    monkeypatch.setattr("transactions.rules.holds.LONGEST", timedelta(0))
    again = place(aline, shop, "500", expires_at=soon, idempotency_key="one-key-for-a-hold")

    assert (past.status_code, past.json()["code"]) == (400, "hold_dates_impossible")
    assert once.content == again.content


def test_both_sides_list_theirs_newest_first_page_by_page(aline, shop):
    fund(aline, 2_000)
    ids = [str(held(aline, shop, 100 + n)) for n in range(5)]
    ask("POST", f"holds/{ids[1]}/void", shop)
    place(aline, shop, "999999")  # refused: no hold

    first = ask("GET", "holds?limit=3", shop).json()
    then = ask("GET", f"holds?limit=3&cursor={first['next']}", shop).json()

    assert [one["hold_id"] for one in first["data"] + then["data"]] == ids[::-1]
    assert then["next"] is None
    assert {one["direction"] for one in first["data"]} == {"in"}
    assert [one["hold_id"] for one in ask("GET", "holds?status=cancelled", aline).json()["data"]] == [ids[1]]
    assert ask("GET", "holds?direction=in", aline).json()["data"] == []
    assert len(ask("GET", "holds?direction=out", aline).json()["data"]) == 5


def test_a_preview_says_what_it_would_do_and_holds_nothing(aline, shop):
    fund(aline, 2_000)
    body = {"from_wallet_id": str(aline.pk), "to": {"wallet_id": str(shop.pk)}, "amount": "700", "currency": "RWF"}

    answer = ask("POST", "holds/preview", aline, body | {"expires_in": 60}).json()

    assert (answer["total"], answer["available_after"], answer["recipient"]) == ("700", "1300", "Kimironko Fresh Foods")
    assert (available(aline), Transaction.objects.filter(kind="hold").count()) == (2_000, 0)
    assert ask("POST", "holds/preview", aline, body | {"amount": "2001"}).json()["code"] == "insufficient_funds"


def test_history_shows_what_is_pending_to_both_and_its_captures(aline, shop):
    fund(aline, 2_000)
    hold = held(aline, shop, 700)
    capture(shop, hold, amount="300")
    capture(shop, hold, amount="999")  # refused: the shop's own business

    theirs = ask("GET", f"wallets/{shop.pk}/transactions", shop).json()["data"]
    mine = ask("GET", f"wallets/{aline.pk}/transactions", aline).json()["data"]

    assert [(one["kind"], one["status"], one["direction"]) for one in theirs] == [
        ("payment", "completed", "in"), ("hold", "pending", "in"),
    ]  # fmt: skip
    assert [(one["kind"], one["status"], one["direction"]) for one in mine] == [
        ("payment", "completed", "out"), ("hold", "pending", "out"), ("top_up", "completed", "in"),
    ]  # fmt: skip
    assert ask("GET", f"transactions/{hold}", shop).json()["kind"] == "hold"


def test_each_side_is_told_of_its_own_fee_and_whose_order_a_part_and_a_refund_are_of(aline, shop):
    FeeRule.objects.create(
        kind="payment", currency="RWF", flat=100, payee_bps=4_000, effective_from=timezone.now().date()
    )
    tariff.forget()
    fund(aline, 2_000)
    hold = place(aline, shop, "1000", order_reference="order-9").json()["hold_id"]

    part = capture(shop, hold, amount="500").json()
    refund = ask("POST", f"payments/{part['transaction_id']}/refunds", shop, {"amount": "100"},
                 **{"Idempotency-Key": key()})  # fmt: skip
    seen = {wallet: ask("GET", f"holds/{hold}", wallet).json() for wallet in (aline, shop)}
    one = ask("GET", f"transactions/{part['transaction_id']}", shop).json()
    lines = ask("GET", f"wallets/{shop.pk}/transactions", shop).json()["data"]
    tariff.forget()

    assert (part["fee"], part["balance_after"]) == ("40", "460")
    assert [(one["fee"], one["captures"][0]["fee"]) for one in seen.values()] == [("60", "60"), ("40", "40")]
    assert (one["hold_id"], one["order_reference"]) == (hold, "order-9")
    assert refund.status_code == 201, refund.text
    assert [(line["kind"], line["hold_id"], line["order_reference"]) for line in lines] == [
        ("refund", None, "order-9"), ("payment", hold, "order-9"), ("hold", None, "order-9"),
    ]  # fmt: skip


def test_a_part_that_its_fee_would_eat_up_is_refused_as_the_api_says(aline, shop):
    FeeRule.objects.create(
        kind="payment", currency="RWF", flat=100, payee_bps=10_000, effective_from=timezone.now().date()
    )
    tariff.forget()
    fund(aline, 2_000)

    refused = capture(shop, held(aline, shop, 500), amount="100")
    tariff.forget()

    assert (refused.status_code, refused.json()["code"]) == (422, "amount_below_fee")
    assert AmountBelowFee in CaptureView.problems


@pytest.mark.parametrize("final", ["yes", "true", 1, None])
def test_nothing_is_taken_for_true_that_only_looks_like_it(aline, shop, final):
    fund(aline, 2_000)
    hold = held(aline, shop, 500)

    refused = capture(shop, hold, amount="1", final=final)

    assert (refused.status_code, refused.json()["code"]) == (400, "validation_failed")
    assert posted(shop) == 0
