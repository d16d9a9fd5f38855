"""A merchant gives payments back: whole, in parts, never more than there was, whoever else gives back."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now

from core.errors import TekanaError
from customers.services import suspend_customer
from recalls.errors import RecallOpen
from recalls.services import consent, open_recall
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.factories import fresh
from tests.payments.conftest import paid, principal
from tests.racing import at_once
from transactions import tariff
from transactions.errors import NotRefundable, NotReversible, RecipientNoMerchant, TransactionNotFound
from transactions.models import FeeRule, Kind, ReversalReason, State, Transaction
from transactions.posting import post_one
from transactions.services.refunds import REASON, refund_payment
from transactions.services.relay import relay_events
from transactions.services.reversals import reverse_transaction
from wallets.models import Wallet
from wallets.services import freeze_wallet


def refund(payment: Transaction, shop: Wallet, amount: int | None = None, **changed: Any) -> Any:
    asked = {"actor": principal(shop), "idempotency_key": key(), "memo": "Out of stock"} | changed
    return refund_payment(payment.pk, amount=amount, **asked)


def code(outcome: Any) -> str:
    return outcome.error.code if outcome.error else ""


def test_in_parts_until_nothing_is_left(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000, order_reference="A-17")

    first = refund(payment, shop, 300).or_raise()
    assert fresh(payment).state == State.PARTIALLY_REVERSED
    refund(payment, shop).or_raise()

    assert fresh(payment).state == State.REVERSED
    assert (posted(payer), posted(shop)) == (50_000, 0)
    row = Transaction.objects.get(pk=first.transaction)
    assert (row.kind, row.payer_id, row.payee_id, row.reason_code) == (Kind.REFUND, shop.pk, payer.pk, REASON)
    with pytest.raises(NotReversible):
        refund(payment, shop)
    assert_books_balance()


def test_never_more_than_the_payment_with_what_staff_gave_back(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    reverse_transaction(payment.pk, amount=700, reason_code="duplicate", actor="job:test", idempotency_key=key())

    refused = refund(payment, shop, 301)
    assert (code(refused), refused.error.detail) == ("reversal_exceeds_original", "RWF 300 is left to give back.")
    assert (refused.error.facts["left"], refused.error.facts["currency"]) == ("300", "RWF")
    refund(payment, shop, 300).or_raise()

    assert posted(payer) == 50_000
    assert_books_balance()


def test_the_same_key_refunds_once_also_without_an_amount(payer: Wallet, shop: Wallet) -> None:
    payment, same = paid(payer, shop, 1_000), key()

    first = refund(payment, shop, idempotency_key=same).or_raise()
    again = refund(payment, shop, idempotency_key=same).or_raise()

    assert again.replayed
    assert again.transaction == first.transaction
    assert code(refund(payment, shop, 5, idempotency_key=same)) == "idempotency_key_reused"
    assert posted(payer) == 50_000


def test_only_what_is_there_goes_back(payer: Wallet, shop: Wallet, eric: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    post_one(transfer(shop, eric, 600)).or_raise()

    refused = refund(payment, shop)

    assert code(refused) == "insufficient_funds"
    assert Transaction.objects.get(pk=refused.transaction).state == State.FAILED
    assert fresh(payment).state == State.COMPLETED
    refund(payment, shop, 400).or_raise()
    assert_books_balance()


def test_payments_alone_and_by_their_payee_alone(payer: Wallet, shop: Wallet, eric: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    sent = post_one(transfer(payer, eric, 500)).or_raise()
    before = Transaction.objects.count()

    for stranger in (payer, eric):
        with pytest.raises(TransactionNotFound):
            refund(payment, stranger)
    outcome = refund_payment(sent.transaction, actor=principal(eric), idempotency_key=key())  # type: ignore[arg-type]

    assert isinstance(outcome.error, NotRefundable)
    with pytest.raises(RecipientNoMerchant):
        paid(payer, eric, 10)
    assert Transaction.objects.count() == before


def test_a_merchant_who_is_stopped_refunds_nothing(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    stopped = principal(shop)

    freeze_wallet(shop, mode="debit", reason="a court order", cause="ordered", actor=None)
    assert code(refund(payment, shop)) == "wallet_frozen"
    suspend_customer(shop.customer, cause="fraud", reason="a suspicion", actor=None)
    assert code(refund(payment, shop, actor=stopped)) == "customer_suspended"

    assert posted(shop) == 1_000
    assert_books_balance()


def test_limits_do_not_count_what_goes_back(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE customers_customer SET tier = 0")  # which may neither send nor hold so much
        cursor.execute("SELECT coalesce(sum(amount), 0) FROM transactions_usage WHERE wallet_id = %s", [shop.pk])
        before = cursor.fetchone()

    refund(payment, shop).or_raise()

    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(amount), 0) FROM transactions_usage WHERE wallet_id = %s", [shop.pk])
        assert cursor.fetchone() == before


@pytest.fixture
def costly(db: None) -> Iterator[None]:
    """A payment costs its payer 10."""
    yesterday = (now() - timedelta(days=1)).date()
    FeeRule.objects.create(kind=Kind.PAYMENT, currency="RWF", flat=10, bps=0, effective_from=yesterday)
    tariff.forget()
    yield
    tariff.forget()


@pytest.mark.usefixtures("costly")
def test_each_part_takes_its_share_of_the_fee_unless_the_policy_says_otherwise(payer: Wallet, shop: Wallet) -> None:
    by_share, kept = paid(payer, shop, 1_000), paid(payer, shop, 1_000)
    before = posted(payer)

    refund(by_share, shop, 500).or_raise()
    assert posted(payer) - before == 505

    ReversalReason.objects.filter(pk=REASON).update(refunds_fee=False, fee_by_share=False)
    refund(kept, shop, 500).or_raise()
    assert posted(payer) - before == 1_005
    ReversalReason.objects.filter(pk=REASON).update(refunds_fee=True, fee_by_share=True)
    assert_books_balance()


@pytest.fixture
def borne(db: None) -> Iterator[None]:
    """A payment costs its payee 2 %."""
    yesterday = (now() - timedelta(days=1)).date()
    FeeRule.objects.create(
        kind=Kind.PAYMENT, currency="RWF", flat=0, bps=200, payee_bps=10_000, effective_from=yesterday
    )
    tariff.forget()
    yield
    tariff.forget()


@pytest.mark.usefixtures("borne")
def test_what_the_merchant_bore_of_the_fee_comes_back_to_them_by_share(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    assert (posted(payer), posted(shop)) == (49_000, 980)

    refund(payment, shop, 250).or_raise()
    assert (posted(payer), posted(shop)) == (49_250, 735)
    refund(payment, shop).or_raise()

    assert (posted(payer), posted(shop)) == (50_000, 0)
    assert_books_balance()


@pytest.mark.usefixtures("borne")
@pytest.mark.parametrize("parts", [(990, 10), (500, 485, 15), (1, 979, 20), (981, 19)])
def test_what_the_merchant_bore_comes_back_whole_also_where_the_last_part_is_less_than_it(
    payer: Wallet, shop: Wallet, parts: tuple[int, ...]
) -> None:
    """As staff's reasons have it: at the end, and not with each part."""
    payment = paid(payer, shop, 1_000)

    for part in parts:
        reverse_transaction(payment.pk, amount=part, reason_code="duplicate", actor="job:test", idempotency_key=key())

    assert (fresh(payment).state, posted(payer), posted(shop)) == (State.REVERSED, 50_000, 0)
    assert_books_balance()


@pytest.mark.usefixtures("borne")
def test_of_a_fee_that_was_kept_before_no_more_comes_back_than_the_part(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    fund(shop, 10)
    for part, reason in ((990, "customer_request"), (10, "duplicate")):
        reverse_transaction(payment.pk, amount=part, reason_code=reason, actor="job:test", idempotency_key=key())

    assert (fresh(payment).state, posted(payer), posted(shop)) == (State.REVERSED, 50_000, 0)
    assert_books_balance()


def test_while_the_payer_claims_it_back_the_claim_is_answered_instead(payer: Wallet, shop: Wallet) -> None:
    """A refund on top would give back twice; the refund of before is still told to who asks again."""
    payment, same = paid(payer, shop, 1_000), key()
    refund(payment, shop, 100, idempotency_key=same).or_raise()
    recall = open_recall(payment.pk, reason_code="not_received", note="Nothing came.", actor=None)

    with pytest.raises(RecallOpen) as refused:
        refund(payment, shop)
    assert refused.value.facts["recall_id"] == str(recall.pk)
    assert refund(payment, shop, 100, idempotency_key=same).replayed

    consent(recall.pk, actor=principal(shop))
    assert fresh(payment).state == State.REVERSED
    assert posted(payer) == 50_000
    assert_books_balance()


def test_both_are_told_of_which_order(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000, order_reference="A-17")
    refund(payment, shop, 400).or_raise()

    relay_events()

    kinds = lambda wallet: list(wallet.customer.notifications.order_by("id").values_list("kind", flat=True))  # noqa: E731
    assert kinds(payer)[-2:] == ["payment_made", "refund_received"]
    assert kinds(shop) == ["payment_received", "refund_made"]
    told = [*payer.customer.notifications.order_by("id")[1:], *shop.customer.notifications.order_by("id")]
    assert [" Order A-17. Receipt " in one.body for one in told] == [True] * 4


def test_a_payment_without_an_order_says_nothing_of_one_and_a_reversal_names_it(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000, order_reference="A-17")
    reverse_transaction(payment.pk, amount=1_000, reason_code="duplicate", actor="job:test", idempotency_key=key())
    paid(payer, shop, 10)

    relay_events()

    for wallet, kind in ((payer, "money_returned"), (shop, "money_taken_back")):
        assert " Order A-17. Receipt " in wallet.customer.notifications.get(kind=kind).body
        assert "Order" not in wallet.customer.notifications.order_by("-id")[0].body


@pytest.mark.django_db(transaction=True)
def test_refunds_and_reversals_at_once_come_to_no_more_than_the_payment(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    fund(shop, 5_000)
    actor = principal(shop)

    def said(give_back: Any) -> str:
        try:
            return code(give_back())
        except TekanaError as refused:
            return refused.code

    def reverse() -> Any:
        return reverse_transaction(
            payment.pk, amount=400, reason_code="duplicate", actor="job:test", idempotency_key=key()
        )

    told = at_once([lambda: said(lambda: refund(payment, shop, 400, actor=actor)), lambda: said(reverse)] * 3)

    assert sorted(told) == ["", ""] + ["reversal_exceeds_original"] * 4
    assert (posted(payer), fresh(payment).reversed_amount) == (50_000 - 1_000 + 800, 800)
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_many_refunds_at_once_come_to_no_more_than_the_payment(payer: Wallet, shop: Wallet) -> None:
    payment = paid(payer, shop, 1_000)
    fund(shop, 5_000)
    actor = principal(shop)

    def act() -> str:
        try:
            return code(refund(payment, shop, 300, actor=actor))
        except TekanaError as refused:
            return refused.code

    said = at_once([act] * 6)

    assert sorted(said) == ["", "", ""] + ["reversal_exceeds_original"] * 3
    assert posted(payer) == 50_000 - 1_000 + 900
    assert_books_balance()
