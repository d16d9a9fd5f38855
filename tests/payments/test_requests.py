"""Payment requests: what they ask for, how often they are paid, how they end."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, connection
from django.db import transaction as db_transaction
from django.utils.timezone import now

from core.errors import AmountNotPositive, TekanaError
from core.ids import CROCKFORD
from core.models import AuditRecord
from notifications.models import Notification
from payments.codes import new_code, read_code, spaced
from payments.errors import RequestAmountMissing, RequestClosed, RequestExpiry, RequestNotWhole
from payments.models import PaymentRequest, RequestState, RequestUse, Status
from payments.selectors import standing
from payments.services import (
    NewRequest,
    Paying,
    cancel_request,
    create_request,
    expire_requests,
    order_of,
    pay_request,
    preview_request,
)
from staff.models import User
from staff.roles import Role
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.factories import CustomerFactory, fresh
from tests.payments.conftest import paid, principal
from tests.racing import at_once, deadlocks
from transactions.errors import CurrencyMismatch
from transactions.models import Kind, State, Transaction
from transactions.posting import post, post_one
from transactions.services.payments import payment_movement
from wallets.errors import WalletNotFound
from wallets.models import Wallet
from wallets.services import open_wallet


def ask(shop: Wallet, **asked: Any) -> PaymentRequest:
    return create_request(NewRequest(wallet_id=shop.pk, currency="RWF", **asked), actor=principal(shop))


def pay(request: PaymentRequest, payer: Wallet, amount: int | None = None, **extra: Any) -> Any:
    paying = Paying(from_wallet_id=payer.pk, amount=amount)
    asked = {"actor": principal(payer), "idempotency_key": key(), "post": post_one} | extra
    return pay_request(request, paying, **asked)


def code(outcome: Any) -> str:
    return outcome.error.code if outcome.error else ""


# --- Asking -----------------------------------------------------------------------------------------------------


def test_a_request_of_a_fixed_amount_is_paid_once(payer: Wallet, shop: Wallet) -> None:
    request = ask(shop, amount=1_500, description="Two crates", order_reference="A-17")

    made = pay(request, payer).or_raise()

    row = Transaction.objects.get(pk=made.transaction)
    assert (row.kind, row.amount, row.memo, row.order_reference) == (Kind.PAYMENT, 1_500, "Two crates", "A-17")
    use = RequestUse.objects.get()
    assert (use.pk, use.request_id, use.payer_id) == (row.pk, request.pk, payer.customer_id)
    assert fresh(request).used == 1
    assert fresh(request).status(now()) == Status.USED_UP
    refused = pay(request, payer)
    assert code(refused) == "payment_request_used_up"
    kept = Transaction.objects.get(pk=refused.transaction)
    assert (kept.state, kept.refusal_code) == (State.FAILED, "payment_request_used_up")
    assert posted(shop) == 1_500
    assert_books_balance()


def test_the_amount_is_what_was_asked_for(payer: Wallet, shop: Wallet) -> None:
    fixed = ask(shop, amount=1_500, max_uses=None)
    bounded = ask(shop, least=100, most=200, max_uses=None)
    open_one = ask(shop, max_uses=None)

    assert code(pay(fixed, payer, 1_499)) == "payment_request_amount_mismatch"
    assert code(pay(fixed, payer, 1_500)) == ""
    for amount, said in ((99, "out_of_bounds"), (100, ""), (200, ""), (201, "out_of_bounds")):
        assert code(pay(bounded, payer, amount)).endswith(said)
    with pytest.raises(RequestAmountMissing):
        pay(open_one, payer)
    assert code(pay(open_one, payer, 7)) == ""

    assert posted(shop) == 1_500 + 300 + 7
    assert [fresh(one).used for one in (fixed, bounded, open_one)] == [1, 2, 1]
    assert_books_balance()


def test_uses_are_counted_in_all_and_for_each_payer(payer: Wallet, shop: Wallet, eric: Wallet) -> None:
    fund(eric, 5_000)
    request = ask(shop, amount=10, max_uses=3, max_uses_per_payer=2)

    said = [code(pay(request, who)) for who in (payer, payer, payer, eric, eric)]

    assert said == ["", "", "payment_request_used_up_by_payer", "", "payment_request_used_up"]
    assert posted(shop) == 30


def test_a_payment_that_is_refused_uses_nothing_up(shop: Wallet, eric: Wallet) -> None:
    request = ask(shop, amount=10)

    assert code(pay(request, eric)) == "insufficient_funds"

    assert fresh(request).used == 0
    assert not RequestUse.objects.exists()
    fund(eric, 10)
    assert code(pay(request, eric)) == ""


def test_the_same_key_pays_once_also_when_it_is_used_up_since(payer: Wallet, shop: Wallet) -> None:
    request, same = ask(shop, amount=10), key()

    first = pay(request, payer, idempotency_key=same).or_raise()
    again = pay(request, payer, idempotency_key=same).or_raise()

    assert (again.replayed, again.transaction) == (True, first.transaction)
    assert posted(shop) == 10


def test_previewing_uses_nothing_up_and_tells_the_same_refusals(payer: Wallet, shop: Wallet) -> None:
    request = ask(shop, amount=10)

    preview = preview_request(request, Paying(from_wallet_id=payer.pk), actor=principal(payer))
    assert (preview.payee, preview.balance_after) == (shop.pk, 49_990)
    pay(request, payer).or_raise()
    with pytest.raises(TekanaError) as refused:
        preview_request(request, Paying(from_wallet_id=payer.pk), actor=principal(payer))

    assert refused.value.code == "payment_request_used_up"


def test_what_cannot_be_asked_for(shop: Wallet, eric: Wallet) -> None:
    for wrong, refusal in [
        ({"amount": 0}, AmountNotPositive),
        ({"amount": 5, "least": 1}, RequestNotWhole),
        ({"least": 6, "most": 5}, RequestNotWhole),
        ({"amount": 5, "expires_at": now() - timedelta(seconds=1)}, RequestExpiry),
        ({"amount": 5, "expires_at": now() + timedelta(days=400)}, RequestExpiry),
    ]:
        with pytest.raises(refusal):
            ask(shop, **wrong)
    with pytest.raises(CurrencyMismatch):
        create_request(NewRequest(wallet_id=shop.pk, currency="KES", amount=5), actor=principal(shop))
    with pytest.raises(WalletNotFound):
        create_request(NewRequest(wallet_id=shop.pk, currency="RWF", amount=5), actor=principal(eric))

    assert not PaymentRequest.objects.exists()


# --- Its end ----------------------------------------------------------------------------------------------------


def test_a_cancelled_request_is_not_paid(payer: Wallet, shop: Wallet) -> None:
    request = ask(shop, amount=10)

    cancel_request(request.pk, actor=principal(shop), reason="sold out")
    cancel_request(request.pk, actor=principal(shop))

    assert code(pay(request, payer)) == "payment_request_cancelled"
    assert fresh(request).status(now()) == Status.CANCELLED
    assert AuditRecord.objects.filter(action="cancel", subject_id=str(request.pk)).count() == 1
    assert not Notification.objects.exists()


def test_staff_cancel_with_a_reason_and_the_requester_is_told(shop: Wallet) -> None:
    grace = User.objects.create_user("grace", None, Role.SUPPORT, full_name="Grace")
    request = ask(shop, amount=10, description="Two crates")

    cancel_request(request.pk, actor=grace, reason="a scam")

    told = Notification.objects.get()
    assert (told.customer_id, told.kind) == (shop.customer_id, "payment_request_cancelled")
    assert "scam" not in told.body
    assert fresh(request).close_reason == "a scam"


def test_time_ends_it_and_the_requester_is_told_once(payer: Wallet, shop: Wallet) -> None:
    short, lasting = ask(shop, amount=10, expires_at=now() + timedelta(hours=1)), ask(shop, amount=10)
    done = ask(shop, amount=10, expires_at=now() + timedelta(hours=1))
    pay(done, payer).or_raise()

    assert expire_requests() == 0
    with time_machine.travel(now() + timedelta(hours=2)):
        assert fresh(short).status(now()) == Status.EXPIRED
        assert [expire_requests(), expire_requests()] == [1, 0]

    assert fresh(short).state == RequestState.EXPIRED
    assert (fresh(lasting).state, fresh(done).state) == (RequestState.OPEN, RequestState.OPEN)
    told = Notification.objects.get(kind="payment_request_expired")
    assert (told.customer_id, "has expired unpaid." in told.body) == (shop.customer_id, True)
    assert code(pay(short, payer)) == "payment_request_expired"
    with pytest.raises(RequestClosed):
        cancel_request(short.pk, actor=principal(shop))


def test_who_asked_is_told_how_often_it_was_paid_and_what_still_awaits_an_answer(payer: Wallet, shop: Wallet) -> None:
    hour = now() + timedelta(hours=1)
    plain = ask(shop, amount=10, max_uses=None, expires_at=hour)
    awaiting = ask(shop, amount=10, max_uses=None, expires_at=hour, needs_confirmation=True)
    for request in (plain, awaiting):
        pay(request, payer).or_raise()

    with time_machine.travel(now() + timedelta(hours=2)):
        expire_requests()

    said = [one.body for one in Notification.objects.filter(kind="payment_request_expired").order_by("pk")]
    assert [("paid once." in one, "unpaid" in one, "awaits your answer" in one) for one in said] == [
        (True, False, False), (False, False, True),
    ]  # fmt: skip


def test_by_the_clock_of_the_database_it_is_over_before_anybody_closed_it(payer: Wallet, shop: Wallet) -> None:
    with time_machine.travel(now() - timedelta(days=30), tick=False):
        request = ask(shop, amount=10)

    assert code(pay(request, payer)) == "payment_request_expired"


def test_how_it_stands_is_the_same_asked_of_a_row_and_of_the_database(payer: Wallet, shop: Wallet) -> None:
    made = [ask(shop, amount=10) for _ in range(3)]
    pay(made[0], payer).or_raise()
    cancel_request(made[1].pk, actor=None)

    for at in (now(), now() + timedelta(days=30)):
        for status in Status:
            found = set(PaymentRequest.objects.filter(standing(status, at)).values_list("pk", flat=True))
            assert found == {one.pk for one in made if fresh(one).status(at) == status}


# --- Many at once -----------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_of_twenty_payers_at_once_five_get_the_five_uses(shop: Wallet) -> None:
    payers = [
        open_wallet(CustomerFactory(country_id="RW", phone_number=f"+2507890000{n:02}", tier=2), "RWF", actor=None)
        for n in range(20)
    ]
    for one in payers:
        fund(one, 100)
    request, before = ask(shop, amount=10, max_uses=5), deadlocks()
    actors = [principal(one) for one in payers]

    def act(wallet: Wallet, actor: Any) -> Any:
        return lambda: code(pay(request, wallet, actor=actor))

    said = at_once([act(wallet, actor) for wallet, actor in zip(payers, actors, strict=True)])

    assert sorted(said) == [""] * 5 + ["payment_request_used_up"] * 15
    assert (posted(shop), fresh(request).used, RequestUse.objects.count()) == (50, 5, 5)
    assert deadlocks() == before
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_what_is_paid_while_it_is_being_cancelled_is_paid_or_refused_and_counted(payer: Wallet, shop: Wallet) -> None:
    request, actor, maker = ask(shop, amount=10, max_uses=None), principal(payer), principal(shop)

    def act() -> str:
        return code(pay(request, payer, actor=actor))

    said = at_once([act, act, act, lambda: cancel_request(request.pk, actor=maker).state, act, act])

    paid_times = said.count("")
    assert sorted(said) == [""] * paid_times + [RequestState.CANCELLED] + ["payment_request_cancelled"] * (
        5 - paid_times
    )
    assert (fresh(request).used, posted(shop)) == (paid_times, paid_times * 10)
    assert code(pay(request, payer)) == "payment_request_cancelled"
    assert_books_balance()


def test_in_one_batch_the_last_use_is_seen_and_the_statements_do_not_grow(
    payer: Wallet, shop: Wallet, statements: list[str]
) -> None:
    """Two requests of one batch, one of which runs out in it; one payer's own limit, too."""
    first, second = ask(shop, amount=10, max_uses=3), ask(shop, amount=10, max_uses=9, max_uses_per_payer=2)
    actor = principal(payer)

    def movement(request: PaymentRequest) -> Any:
        return payment_movement(order_of(request, Paying(from_wallet_id=payer.pk), actor), actor, key(), None)

    post([movement(second)])
    statements.clear()
    post([movement(second)])
    for_one = len(statements)
    statements.clear()
    outcomes = post([movement(first) for _ in range(5)] + [movement(second) for _ in range(3)])

    assert len(statements) == for_one
    assert [code(one) for one in outcomes] == (
        [""] * 3 + ["payment_request_used_up"] * 2 + ["payment_request_used_up_by_payer"] * 3
    )
    assert posted(shop) == 50


# --- Guards -----------------------------------------------------------------------------------------------------


USE = "INSERT INTO payments_requestuse (id, request_id, payer_id, at) VALUES (%({})s, %(request)s, %(payer)s, now())"


@pytest.mark.parametrize(
    ("statement", "state"),
    [
        ("UPDATE payments_paymentrequest SET amount = 1 WHERE id = %(request)s", "TK011"),
        ("UPDATE payments_paymentrequest SET used = 0 WHERE id = %(request)s", "TK035"),
        ("UPDATE payments_paymentrequest SET state = 'used' WHERE id = %(request)s", "TK030"),
        ("UPDATE payments_paymentrequest SET closed_by = 'me' WHERE id = %(request)s", "TK030"),
        ("DELETE FROM payments_paymentrequest", "TK001"),
        (USE.format("sent"), "TK034"),
        (USE.format("nothing"), "TK034"),
        (USE.format("paid"), "23514"),
    ],
)
def test_postgresql_refuses_what_nobody_should_do(payer: Wallet, shop: Wallet, statement: str, state: str) -> None:
    """A use is a payment to who asks, no transfer, and no more of them are there than are allowed."""
    request = ask(shop, amount=10)
    pay(request, payer).or_raise()
    names = {
        "request": request.pk, "payer": payer.customer_id, "paid": paid(payer, shop, 10).pk, "nothing": shop.pk,
        "sent": post_one(transfer(payer, shop, 10)).or_raise().transaction,
    }  # fmt: skip

    with pytest.raises(DatabaseError) as refused, db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, names)

    assert refused.value.__cause__.sqlstate == state  # type: ignore[union-attr]


# --- Codes ------------------------------------------------------------------------------------------------------


def test_codes_are_read_as_people_write_them_and_mistakes_are_seen() -> None:
    codes = {new_code() for _ in range(500)}

    assert len(codes) == 500
    for one in codes:
        assert set(one) <= set(CROCKFORD)
        assert read_code(spaced(one)) == read_code(one.lower()) == one
        assert read_code(f" {one[:4]} {one[4:]}".replace("0", "O").replace("1", "l")) == one
        wrong = ("1" if one[0] != "1" else "2") + one[1:]
        assert read_code(wrong) is None
    assert read_code("") is None and read_code("PAY-ME") is None


def test_a_claim_is_part_of_what_is_asked_for(payer: Wallet, shop: Wallet) -> None:
    """The same key for another request is another body."""
    first, second, same = ask(shop, amount=10), ask(shop, amount=10), key()
    pay(first, payer, idempotency_key=same).or_raise()

    assert code(pay(second, payer, idempotency_key=same)) == "idempotency_key_reused"
