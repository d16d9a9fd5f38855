"""What things cost, over HTTP: the price list, previews that cost nothing, and the fee that each side sees."""

import json
from datetime import date, timedelta

import pytest

from customers.models import AccountType
from tests.books import assert_books_balance, available, fund, posted, transfer
from tests.factories import signed_in
from transactions import tariff
from transactions.models import Event, FeeRule, FeeWaiver, Kind, State, Transaction
from transactions.posting import post_one
from transactions.prices import in_words
from transactions.services.relay import notices_of, stream_fields
from transactions.tariff import Band, Fee

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 1)


@pytest.fixture
def price(db):
    def set_price(kind, **fields):
        FeeRule.objects.create(kind=kind, currency="RWF", effective_from=date.today(), **fields)
        tariff.forget()

    yield set_price
    tariff.forget()


def ask(client, wallet, path, body=None):
    headers = signed_in(wallet.customer)
    if body is None:
        return client.get(f"/v1/{path}", headers=headers)
    return client.post(f"/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)


# --- In words --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fee", "words"),
    [
        (Fee(0, 0, TODAY), "free"),
        (Fee(1_000, 0, TODAY), "KES 10.00"),
        (Fee(1_000, 125, TODAY, most=30_000), "KES 10.00 + 1.25 %, at most KES 300.00"),
        (Fee(0, 50, TODAY, least=500, round_to=100, rounding="up"),
         "0.50 %, at least KES 5.00, rounded up in steps of KES 1.00"),
        (Fee(0, 0, TODAY, bands=(Band(10_000, 1_000, 0),)), "below KES 100.00: free; from KES 100.00: KES 10.00"),
        (Fee(0, 100, TODAY, bands=(Band(10_000, 0, 50),), marginal=True),
         "the part below KES 100.00: 1.00 %; the part from KES 100.00: 0.50 %"),
        (Fee(1_000, 0, TODAY, payee_bps=10_000), "KES 10.00, taken off what the recipient gets"),
        (Fee(1_000, 0, TODAY, payee_bps=2_500), "KES 10.00, 25.00 % of it taken off what the recipient gets"),
    ],
)  # fmt: skip
def test_a_price_is_said_in_words(fee, words):
    assert in_words(fee, "KES") == words


# --- The list --------------------------------------------------------------------------------------------------------
def listed(client, wallet):
    answer = ask(client, wallet, "fees")
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def test_the_list_is_of_the_prices_that_a_customer_may_meet_in_order(client, price, aline):
    customer = aline.customer
    other = next(value for value in AccountType.values if value != customer.account_type)
    price(Kind.CASH_OUT, flat=700, account_type=customer.account_type, tier=customer.tier)
    price(Kind.CASH_OUT, flat=1, account_type=other)
    price(Kind.CASH_OUT, flat=2, tier=customer.tier + 1)
    price(Kind.TRANSFER, flat=30, to_country_id="KE")
    price(Kind.TRANSFER, bps=100, bands=[[1_000, 5, 50]], bands_are="marginal", least=10, most=90, payee_bps=5_000)
    FeeWaiver.objects.create(
        customer=customer, kind=Kind.CASH_OUT, bps=2_500, effective_from=date.today(), last_day=date.today(),
        reason="x", granted_by="staff:1",
    )  # fmt: skip
    tariff.forget()

    rows = listed(client, aline)

    assert {row["currency"] for row in rows} == {"RWF"}
    cash_outs = [row for row in rows if row["kind"] == "cash_out"]
    assert [(row["flat"], row["tier"], row["waived_percent"]) for row in cash_outs] == [
        ("700", customer.tier, "25.00")
    ]  # nothing is left to everybody's price
    transfers = [row for row in rows if row["kind"] == "transfer"]
    assert [row["to_country"] for row in transfers] == ["KE", None]
    last = transfers[1]
    assert (last["percent"], last["at_least"], last["at_most"], last["recipient_pays_percent"]) == (
        "1.00", "10", "90", "50.00",
    )  # fmt: skip
    assert last["bands"] == [{"above": "1000", "flat": "5", "percent": "0.50"}] and last["bands_price"] == "marginal"
    assert last["words"].startswith("the part below RWF 1,000: 1.00 %;")


# --- Previews --------------------------------------------------------------------------------------------------------
def test_a_withdrawal_is_previewed_at_its_price_and_holds_nothing(client, price, aline):
    price(Kind.CASH_OUT, flat=50, bps=100)
    fund(aline, 5_000)

    seen = ask(client, aline, f"wallets/{aline.pk}/withdraw/preview", {"amount": "1000", "currency": "RWF"})

    assert seen.status_code == 200, seen.content
    body = seen.json()
    assert (body["fee"], body["total"], body["arrives"], body["available_after"]) == ("60", "1060", "1000", "3940")
    assert body["limits_left"].keys() == {"movement", "day", "month"}
    assert available(aline) == 5_000 and not Transaction.objects.filter(kind=Kind.CASH_OUT).exists()
    refused = ask(client, aline, f"wallets/{aline.pk}/withdraw/preview", {"amount": "4990", "currency": "RWF"})
    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient_funds")
    assert not Transaction.objects.filter(state=State.FAILED).exists()
    assert_books_balance()


def test_a_top_up_is_previewed_at_its_price_and_asks_no_partner(client, price, aline, eric):
    price(Kind.TOP_UP, flat=50)

    path = f"wallets/{aline.pk}/deposit/preview"
    body = ask(client, aline, path, {"amount": "1000", "currency": "RWF"}).json()
    none_left = ask(client, aline, path, {"amount": "50", "currency": "RWF"})

    assert (body["fee"], body["arrives"]) == ("50", "950")
    assert none_left.json()["code"] == "amount_below_fee"
    assert ask(client, eric, path, {"amount": "1000", "currency": "RWF"}).status_code == 404
    assert not Transaction.objects.exists()


def test_a_transfers_preview_says_what_arrives(client, price, aline, eric):
    price(Kind.TRANSFER, flat=50, payee_bps=4_000)
    fund(aline, 5_000)
    body = {"from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": "1000", "currency": "RWF"}

    seen = ask(client, aline, "transfers/preview", body).json()

    assert (seen["fee"], seen["total"], seen["arrives"]) == ("30", "1030", "980")


# --- What each side sees ---------------------------------------------------------------------------------------------
def test_each_side_sees_its_own_fee_in_history_notice_and_stream(client, price, aline, eric):
    price(Kind.TRANSFER, flat=50, payee_bps=4_000)
    fund(aline, 5_000)
    sent = post_one(transfer(aline, eric, 1_000)).or_raise().transaction

    for wallet, fee in ((aline, "30"), (eric, "20")):
        row = ask(client, wallet, f"wallets/{wallet.pk}/transactions").json()["data"][0]
        assert (row["amount"], row["fee"]) == ("1000", fee)
        assert ask(client, wallet, f"transactions/{sent}").json()["fee"] == fee
    event = Event.objects.select_related("transaction__payer__customer", "transaction__payee__customer").get(pk=sent)
    assert [notice.facts["fee"] for notice in notices_of(event)] == ["RWF 30", "RWF 20"]
    assert json.loads(stream_fields(event)["json"])["payee_fee"] == 20
    assert posted(eric) == 980


def test_a_waiver_for_a_time_long_past_is_not_even_read(price, aline):
    past = date.today() - timedelta(days=9)
    FeeWaiver.objects.create(
        customer=aline.customer, bps=1, effective_from=past, last_day=past, reason="x", granted_by="staff:1"
    )
    tariff.forget()
    assert not tariff.current().grants
