"""A claim to what was captured of a hold that is still open, with fees of both sides: each step counts once, everywhere
where it is told."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Session
from ledger.selectors import balance_at
from recalls.errors import RecallOpen
from recalls.models import Recall
from recalls.services import consent, open_recall
from tests.books import assert_books_balance, fund, key
from tests.factories import new_wallet, signed_in
from tests.holding import capture, held, state_of, void
from transactions import tariff
from transactions.models import FeeRule, Transaction, Usage
from transactions.posting import post_one
from transactions.services.refunds import refund_payment
from wallets.models import Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared_price() -> Iterator[None]:
    """2 % of a payment, half of it the shop's to bear."""
    price = {"flat": 0, "bps": 200, "payee_bps": 5_000, "effective_from": date(2026, 1, 1)}
    FeeRule.objects.create(kind="payment", currency="KES", **price)
    tariff.forget()
    yield
    tariff.forget()


def shopkeeper(shop: Wallet) -> CustomerPrincipal:
    return CustomerPrincipal(shop.customer_id, Session.objects.create(customer_id=shop.customer_id).pk)


def available(wallet: Wallet) -> int:
    return balance_at(wallet.account_id).available


@pytest.mark.usefixtures("shared_price")
def test_a_capture_is_claimed_back_while_its_hold_goes_on(client: Client) -> None:
    payer, shop = new_wallet(tier=2), new_wallet(tier=2, account_type=AccountType.SME)
    fund(payer, 1_000_00)
    hold, me = held(payer, shop, 100_00), shopkeeper(shop)
    first = post_one(capture(hold, 60_00)).or_raise().transaction
    recall = open_recall(first, reason_code="wrong_recipient", note="ticket 3", actor=None)
    assert (recall.claimed, recall.held, available(shop)) == (60_00, 59_40, 0)

    with pytest.raises(RecallOpen):
        refund_payment(first, actor=me, idempotency_key=key())
    second = post_one(capture(hold, 10_00)).or_raise().transaction
    consent(recall.pk, actor=me)
    refund_payment(second, amount=4_00, actor=me, idempotency_key=key()).or_raise()
    post_one(void(hold)).or_raise()

    claimed = Transaction.objects.get(pk=first)
    assert (Recall.objects.get(pk=recall.pk).state, claimed.state) == ("consented", "reversed")
    # of 10.00 that the shop kept 4.00 went back, and with them 0.04 of what each side bore: 0.06 each is left of it
    assert (available(payer), available(shop)) == (1_000_00 - 6_06, 5_94)
    assert balance_at(payer.account_id).held == 0 and state_of(hold) == "completed"
    # what was voided is given back to the limits, what went back by refund or reversal is not
    assert Usage.objects.filter(wallet=payer).values_list("amount", "count").get() == (70_00, 1)
    told = ask(client, shop, f"merchant-statement?day={today()}")
    assert [told[name] for name in ("payments", "refunds", "reversals", "fees", "net")] == [
        "70.00", "4.00", "60.00", "0.06", "5.94",
    ]  # fmt: skip
    lines = ask(client, payer, f"statement?from={today()}&to={today()}")["data"]
    assert [(one["kind"], one["amount"], one["fee"]) for one in lines] == [
        ("top_up", "1000.00", "0.00"), ("payment", "60.60", "0.60"), ("payment", "10.10", "0.10"),
        ("reversal", "60.60", "-0.60"), ("refund", "4.04", "-0.04"),
    ]  # fmt: skip
    assert [one["hold_id"] for one in lines] == [None, str(hold), str(hold), None, None]
    assert_books_balance()


def ask(client: Client, wallet: Wallet, path: str) -> Any:
    answer = client.get(f"/v1/wallets/{wallet.pk}/{path}", headers=signed_in(wallet.customer))
    assert answer.status_code == 200, answer.content
    return answer.json()


def today() -> date:
    """In Nairobi."""
    return datetime.now(UTC).astimezone(ZoneInfo("Africa/Nairobi")).date()
