"""Adjustments: one account debited, another credited, by two people, and by nobody alone: not even with raw SQL."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils.timezone import now

from core.errors import TekanaError
from core.models import AuditRecord
from core.roles import connected_as_owner
from customers.models import TierLimit
from ledger import chart
from ledger.selectors import account_ids, balance_at, legs_of
from ledger.services import open_account
from staff.approvals import Preview, approve, request_approval
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, fund, key, posted
from tests.factories import fresh, new_wallet
from transactions.errors import CurrencyMismatch, InsufficientFunds, SameAccount, UnknownAccount
from transactions.models import Kind, State, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services.adjustments import post_adjustment
from transactions.services.relay import relay_events
from transactions.services.reversals import reverse_transaction
from transactions.services.settling import settle
from transactions.verify import verify
from wallets.errors import WalletClosed
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet

COSTS = chart.adjustments("RWF")
SUSPENSE = chart.suspense("RWF")


@pytest.fixture
def samuel(db: None) -> User:
    """Of finance: asks."""
    return member(Role.FINANCE, "samuel")


@pytest.fixture
def diane(db: None) -> User:
    """Administrator: decides."""
    return member(Role.ADMINISTRATOR, "diane")


def code(wallet: Wallet) -> str:
    return chart.wallet_account(wallet.pk)


def ask(maker: User, debit: str, credit: str, amount: int = 500, currency: str = "RWF") -> Approval:
    params: dict[str, Any] = {"debit": debit, "credit": credit, "amount_minor": amount, "currency": currency}
    return request_approval("adjustment", params, maker=maker, reason="ticket 12")


def adjusted(approval: Approval) -> Transaction:
    return Transaction.objects.get(pk=fresh(approval).result["id"])


@pytest.mark.parametrize("side", ["debit", "credit"])
def test_goodwill_and_its_opposite_move_one_wallet_and_our_costs(
    aline: Wallet, samuel: User, diane: User, side: str
) -> None:
    fund(aline, 2_000)
    up = side == "credit"
    debit, credit = (COSTS, code(aline)) if up else (code(aline), COSTS)

    approval = ask(samuel, debit, credit)
    assert posted(aline) == 2_000
    approve(approval.pk, actor=diane)

    txn = adjusted(approval)
    assert posted(aline) == (2_500 if up else 1_500)
    assert (txn.kind, txn.state, txn.amount, txn.fee, txn.caller) == (
        "adjustment",
        "completed",
        500,
        0,
        samuel.principal,
    )
    assert (txn.payer_id, txn.payee_id) == ((None, aline.pk) if up else (aline.pk, None))
    assert {(leg.code, leg.side, leg.amount) for leg in legs_of(txn.pk)} == {(debit, 1, 500), (credit, -1, 500)}
    record = AuditRecord.objects.get(action="adjust")
    assert (record.actor, record.after["approved_by"], record.reason) == (
        samuel.principal, diane.principal, "ticket 12",
    )  # fmt: skip
    assert_books_balance()


def test_between_two_wallets_and_between_two_accounts_of_ours(
    aline: Wallet, eric: Wallet, samuel: User, diane: User
) -> None:
    fund(aline, 2_000)

    rail = chart.rail_float("sandbox", "RWF")
    for debit, credit in ((code(aline), code(eric)), (rail, SUSPENSE)):
        approval = ask(samuel, debit, credit)
        approve(approval.pk, actor=diane)

    assert approval.about == [f"ledger.account:{account_ids([rail])[rail]}"]  # the other one was opened by it
    assert (posted(aline), posted(eric)) == (1_500, 500)
    assert_books_balance()


def test_the_customer_sees_it_and_is_told(aline: Wallet, samuel: User, diane: User) -> None:
    fund(aline, 2_000)
    approve(ask(samuel, code(aline), COSTS).pk, actor=diane)
    relay_events()

    told = list(aline.customer.notifications.order_by("-id").values_list("kind", "title"))

    assert told[0] == ("balance_lowered", "RWF 500 was taken from your wallet")


def test_freezes_and_limits_do_not_stop_it(aline: Wallet, samuel: User, diane: User) -> None:
    freeze_wallet(aline, mode="both", reason="fraud", actor=None)

    approve(ask(samuel, COSTS, code(aline), 900_000_000).pk, actor=diane)

    assert posted(aline) == 900_000_000
    assert_books_balance()


def test_no_wallet_goes_below_zero_and_the_request_stays(
    aline: Wallet, eric: Wallet, samuel: User, diane: User
) -> None:
    fund(aline, 500)
    approval = ask(samuel, code(aline), COSTS)
    approve(ask(samuel, code(aline), code(eric), 100).pk, actor=diane)

    with pytest.raises(InsufficientFunds):
        approve(approval.pk, actor=diane)

    assert posted(aline) == 400
    assert fresh(approval).state == "open"
    assert not Transaction.objects.filter(kind=Kind.ADJUSTMENT, state=State.FAILED).exists()
    assert_books_balance()


def parked(amount: int) -> None:
    """Money that arrived for a wallet closed meanwhile."""
    gone = new_wallet(currency="RWF")
    waiting = post_one(
        Movement(
            kind=Kind.TOP_UP, amount=amount, currency="RWF", caller="job:t", key=key(), rail="sandbox",
            payee=Address("wallet", str(gone.pk)),
        )
    ).or_raise()  # fmt: skip
    close_wallet(gone, actor=None)
    settle(waiting.transaction, to=State.COMPLETED, actor="rail:sandbox")


@pytest.mark.parametrize("floor", [0, None], ids=["its floor", "an account from before it had one"])
def test_nothing_is_given_out_of_suspense_that_is_not_there(
    aline: Wallet, samuel: User, diane: User, floor: int | None
) -> None:
    """Money was made of nothing that way: e-money without cover, and every proof stayed green."""
    open_account(SUSPENSE, "RWF", chart.CREDIT, floor=floor)
    for amount in (0, 700):
        if amount:
            parked(amount)
        with pytest.raises(InsufficientFunds):
            ask(samuel, SUSPENSE, code(aline), amount + 1)
    both = [ask(samuel, SUSPENSE, code(aline), 700), ask(samuel, SUSPENSE, COSTS, 1)]

    approve(both[0].pk, actor=diane)
    with pytest.raises(InsufficientFunds):  # it was there when it was asked for
        approve(both[1].pk, actor=diane)

    assert (posted(aline), balance_at(account_ids([SUSPENSE])[SUSPENSE]).posted) == (700, 0)
    assert_books_balance()


def test_who_decides_sees_what_cover_and_tier_say_about_it(aline: Wallet, samuel: User) -> None:
    fund(aline, 2_000)
    rule: dict[str, Any] = {"country": aline.customer.country, "currency": "RWF", "tier": aline.customer.tier}
    TierLimit.objects.create(**rule, balance=2_400, effective_from=now().date(), source="a test")
    fees = chart.fee_income("transfer", "RWF")

    weighed = dict(Preview.kept(ask(samuel, fees, code(aline), 500)).context)

    assert weighed["E-money and its cover now"] == "RWF 2,000 held for RWF 2,000 owed: covered"
    assert weighed["Afterwards"] == "RWF 2,000 held for RWF 2,500 owed: NOT COVERED, RWF 500 is missing"
    assert weighed["Their tier may hold"] == "RWF 2,400; afterwards they hold RWF 2,500, which is MORE"


@pytest.mark.parametrize(
    ("debit", "credit", "amount", "currency", "refusal"),
    [
        ("{aline}", "{aline}", 1, "RWF", SameAccount),
        ("{aline}", "income:nothing:RWF", 1, "RWF", UnknownAccount),
        ("{aline}", "liability:suspense:KES", 1, "RWF", UnknownAccount),
        ("{aline}", "liability:wallet:nonsense", 1, "RWF", UnknownAccount),
        ("{aline}", "liability:wallet:0192f0c4-0000-7000-8000-000000000000", 1, "RWF", UnknownAccount),
        ("{aline}", "equity:everything:RWF", 1, "RWF", UnknownAccount),
        ("{aline}", "{shillings}", 1, "RWF", CurrencyMismatch),
        ("{aline}", "{closed}", 1, "RWF", WalletClosed),
        ("{aline}", COSTS, 0, "RWF", TekanaError),
        ("{aline}", COSTS, 2_001, "RWF", InsufficientFunds),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_asked_for(
    aline: Wallet, samuel: User, debit: str, credit: str, amount: int, currency: str, refusal: type[TekanaError]
) -> None:
    fund(aline, 2_000)
    closed = new_wallet(currency="RWF")
    close_wallet(closed, actor=None)
    names = {"aline": code(aline), "shillings": code(new_wallet(currency="KES")), "closed": code(closed)}

    with pytest.raises(refusal):
        ask(samuel, debit.format(**names), credit.format(**names), amount, currency)

    assert not Approval.objects.exists()


def test_only_finance_asks_and_nobody_posts_alone(aline: Wallet, samuel: User, diane: User) -> None:
    fund(aline, 2_000)
    asked: dict[str, Any] = {
        "debit": code(aline), "credit": COSTS, "amount": 500, "currency": "RWF", "reason": "mine", "actor": samuel,
        "idempotency_key": "alone-1234567890",
    }  # fmt: skip

    for checker in (None, samuel):
        with pytest.raises(ApprovalNeeded):
            post_adjustment(**asked, checker=checker)
    for maker in (diane, member(Role.SUPPORT, "grace")):
        with pytest.raises(TekanaError):
            ask(maker, code(aline), COSTS)

    assert posted(aline) == 2_000


def test_an_adjustment_is_not_reversed(aline: Wallet, samuel: User, diane: User) -> None:
    fund(aline, 2_000)
    approval = ask(samuel, COSTS, code(aline))
    approve(approval.pk, actor=diane)

    with pytest.raises(TekanaError, match="cannot be reversed"):
        reverse_transaction(
            adjusted(approval).pk, amount=1, reason_code="fraud", actor=diane, idempotency_key="reverse-123456789"
        )
    assert_books_balance()


# --- What the database says ------------------------------------------------------------------------------------------


def forged(aline: Wallet, caller: str, key: str, amount: int = 500) -> Movement:
    return Movement(
        kind=Kind.ADJUSTMENT, amount=amount, currency="RWF", caller=caller, key=key, debit=COSTS, credit=code(aline)
    )


@pytest.mark.django_db(transaction=True)
def test_the_database_takes_no_adjustment_that_nobody_approved(aline: Wallet, samuel: User, diane: User) -> None:
    waiting = ask(samuel, COSTS, code(aline))
    done = ask(samuel, COSTS, code(aline), 700)
    approve(done.pk, actor=diane)
    before = posted(aline)

    for movement in (
        forged(aline, samuel.principal, "something-else-12345"),
        forged(aline, samuel.principal, "approval-nonsense"),
        forged(aline, samuel.principal, f"approval-{waiting.pk}"),  # not decided yet
        forged(aline, diane.principal, f"approval-{done.pk}", 700),  # asked for by somebody else
    ):
        with pytest.raises(DatabaseError, match="nobody has approved it"), transaction.atomic():
            post_one(movement)

    assert posted(aline) == before
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_the_proof_finds_one_that_came_in_with_the_guard_off(aline: Wallet, samuel: User) -> None:
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE transactions_transaction DISABLE TRIGGER check_adjustment")
    try:
        post_one(forged(aline, samuel.principal, "something-else-12345")).or_raise()
    finally:
        with connected_as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE transactions_transaction ENABLE TRIGGER check_adjustment")

    assert [one.wrong for one in verify().findings if one.number == "I1"] != []
    assert any("approved by nobody" in one.wrong for one in verify().findings)
