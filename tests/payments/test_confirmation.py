"""Requests whose payments the requester confirms: the money is held until they say, or until it is late."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.db import transaction as db_transaction
from django.utils.timezone import now

from core.ids import uuid7
from core.money import Money
from payments.errors import RequestClosed, UseAnswered, UseNotFound
from payments.models import PaymentRequest, RequestUse, Status, UseAnswer
from payments.selectors import paid_to
from payments.services import cancel_request, confirm, note_ended_promises, reject
from tests.books import assert_books_balance, available, fund, key, posted
from tests.factories import fresh
from tests.payments.conftest import principal
from tests.payments.test_requests import ask, code, pay
from tests.racing import at_once
from transactions.errors import HoldExpired
from transactions.models import Kind, State, Transaction
from transactions.rules import holds as rules
from transactions.services import holds
from transactions.services.refunds import refund_payment
from wallets.models import Wallet


@pytest.fixture
def request_(shop: Wallet) -> PaymentRequest:
    return ask(shop, amount=1_000, order_reference="A-17", needs_confirmation=True)


def promised(request: PaymentRequest, payer: Wallet, **extra: Any) -> Any:
    outcome = pay(request, payer, **extra).or_raise()
    return outcome.transaction


def test_confirming_takes_what_was_held(payer: Wallet, shop: Wallet, request_: PaymentRequest) -> None:
    use = promised(request_, payer)
    hold = Transaction.objects.get(pk=use)
    assert (hold.kind, hold.state, available(payer), posted(shop)) == (Kind.HOLD, State.PENDING, 49_000, 0)
    assert fresh(request_).used == 1
    assert code(pay(request_, payer)) == "payment_request_used_up"

    answer = confirm(use, actor=principal(shop))

    assert confirm(use, actor=principal(shop)).pk == answer.pk
    payment = Transaction.objects.get(pk=answer.payment)
    assert (payment.kind, payment.amount, payment.order_reference) == (Kind.PAYMENT, 1_000, "A-17")
    assert (posted(payer), posted(shop), fresh(request_).used) == (49_000, 1_000, 1)
    with pytest.raises(UseAnswered):
        reject(use, actor=principal(shop))
    refund_payment(payment.pk, actor=principal(shop), idempotency_key=key()).or_raise()
    assert posted(payer) == 50_000
    assert_books_balance()


def test_rejecting_lets_it_go_and_gives_the_use_back(
    payer: Wallet, shop: Wallet, eric: Wallet, request_: PaymentRequest
) -> None:
    use = promised(request_, payer)
    for stranger in (payer, eric):
        with pytest.raises(UseNotFound):
            reject(use, actor=principal(stranger))

    reject(use, actor=principal(shop))

    assert (available(payer), fresh(request_).used) == (50_000, 0)
    assert Transaction.objects.get(pk=use).state == State.CANCELLED
    fund(eric, 1_000)
    confirm(promised(request_, eric), actor=principal(shop))
    assert (posted(shop), fresh(request_).used) == (1_000, 1)
    assert_books_balance()


def test_of_one_payer_what_was_rejected_does_not_count(payer: Wallet, shop: Wallet) -> None:
    request = ask(shop, amount=10, needs_confirmation=True, max_uses=None, max_uses_per_payer=1)

    use = promised(request, payer)
    assert code(pay(request, payer)) == "payment_request_used_up_by_payer"
    reject(use, actor=principal(shop))

    assert code(pay(request, payer)) == ""


def test_what_nobody_confirms_in_time_is_the_payers_again(
    payer: Wallet, shop: Wallet, request_: PaymentRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_expiry", lambda terms, at: at - timedelta(seconds=1))
    use = promised(request_, payer)
    assert note_ended_promises() == 0
    holds.sweep()

    assert [note_ended_promises(), note_ended_promises()] == [1, 0]

    answer = UseAnswer.objects.get(use=use)
    assert (answer.outcome, answer.answered_by) == (UseAnswer.Outcome.EXPIRED, "system")
    assert (available(payer), fresh(request_).used) == (50_000, 0)


def test_captured_by_another_door_it_is_confirmed(payer: Wallet, shop: Wallet, request_: PaymentRequest) -> None:
    use, actor = promised(request_, payer), principal(shop)
    hold = holds.hold_for(shop.customer_id, use)
    captured = holds.capture_hold(hold, None, actor=actor, idempotency_key=key(), post=holds.posting.post_one)

    note_ended_promises()

    assert UseAnswer.objects.get(use=use).payment == captured.or_raise().transaction
    assert fresh(request_).used == 1


def test_rejected_after_its_time_it_has_expired_and_says_so(
    payer: Wallet, shop: Wallet, request_: PaymentRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the sweeper: neither the money nor the use."""
    monkeypatch.setattr(rules, "_expiry", lambda terms, at: at - timedelta(seconds=1))
    use = promised(request_, payer)
    with pytest.raises(HoldExpired):
        confirm(use, actor=principal(shop))

    for answer in (reject, reject, confirm):
        with pytest.raises(UseAnswered) as refused:
            answer(use, actor=principal(shop))
        assert refused.value.facts["outcome"] == UseAnswer.Outcome.EXPIRED

    assert (available(payer), posted(shop), fresh(request_).used) == (50_000, 0, 0)
    assert_books_balance()


def test_of_what_was_captured_in_part_rejecting_lets_the_rest_go(
    payer: Wallet, shop: Wallet, request_: PaymentRequest
) -> None:
    use, actor = promised(request_, payer), principal(shop)
    hold, some = holds.hold_for(shop.customer_id, use), Money(400, "RWF")
    part = holds.capture_hold(hold, some, actor=actor, idempotency_key=key(), post=holds.posting.post_one).or_raise()

    with pytest.raises(UseAnswered) as refused:
        reject(use, actor=actor)

    assert refused.value.facts["outcome"] == UseAnswer.Outcome.CONFIRMED
    assert UseAnswer.objects.get(use=use).payment == part.transaction
    assert (available(payer), posted(shop), fresh(request_).used) == (49_600, 400, 1)
    assert_books_balance()


def test_voided_by_another_door_it_is_rejected_at_once(payer: Wallet, shop: Wallet, request_: PaymentRequest) -> None:
    use, actor = promised(request_, payer), principal(shop)
    holds.void_hold(use, actor=actor)

    with pytest.raises(UseAnswered):
        confirm(use, actor=actor)

    assert reject(use, actor=actor).outcome == UseAnswer.Outcome.REJECTED
    assert fresh(request_).used == 0


def test_what_was_held_and_then_taken_is_one_payment_of_its_order(
    payer: Wallet, shop: Wallet, request_: PaymentRequest
) -> None:
    answer = confirm(promised(request_, payer), actor=principal(shop))

    assert [one.pk for one in paid_to(shop.customer_id, "A-17")] == [answer.payment]


def test_a_request_is_not_cancelled_when_it_was_paid_but_while_it_awaits_an_answer(payer: Wallet, shop: Wallet) -> None:
    """Paid for good, its payer reads that it was paid, and not that it was cancelled."""
    plain, awaiting, confirmed = (ask(shop, amount=10, needs_confirmation=needs) for needs in (False, True, True))
    pay(plain, payer).or_raise()
    use = promised(awaiting, payer)
    confirm(promised(confirmed, payer), actor=principal(shop))

    for paid in (plain, confirmed):
        with pytest.raises(RequestClosed) as refused:
            cancel_request(paid.pk, actor=principal(shop))
        assert refused.value.facts["state"] == Status.USED_UP
    cancel_request(awaiting.pk, actor=principal(shop))
    reject(use, actor=principal(shop))

    assert code(pay(awaiting, payer)) == "payment_request_cancelled"


def test_the_same_key_promises_once(payer: Wallet, request_: PaymentRequest) -> None:
    same = key()

    first = promised(request_, payer, idempotency_key=same)
    again = pay(request_, payer, idempotency_key=same).or_raise()

    assert (again.replayed, again.transaction) == (True, first)
    assert RequestUse.objects.count() == 1


def test_postgresql_refuses_an_answer_that_its_hold_does_not_give(
    payer: Wallet, shop: Wallet, request_: PaymentRequest
) -> None:
    use = promised(request_, payer)

    for outcome, payment in (("confirmed", uuid7()), ("rejected", None), ("expired", None)):
        with pytest.raises(DatabaseError) as refused, db_transaction.atomic():
            UseAnswer.objects.create(use_id=use, outcome=outcome, payment=payment, answered_by="me", at=now())
        assert refused.value.__cause__.sqlstate == "TK036"  # type: ignore[union-attr]
    assert fresh(request_).used == 1


@pytest.mark.django_db(transaction=True)
def test_of_confirming_and_rejecting_at_once_one_happens(payer: Wallet, shop: Wallet, request_: PaymentRequest) -> None:
    use, actor = promised(request_, payer), principal(shop)

    def act(answer: Any) -> Any:
        def do() -> str:
            try:
                return str(answer(use, actor=actor).outcome)
            except UseAnswered as refused:
                return refused.code

        return do

    said = at_once([act(confirm), act(reject), act(confirm), act(reject)])

    assert sorted(said).count("payment_request_use_answered") == 2
    assert posted(shop) in (0, 1_000)
    assert available(payer) + posted(shop) == 50_000
    assert_books_balance()
