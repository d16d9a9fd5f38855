"""What a recipient no longer has, they owe us: the sender gets all back, the books say who owes, two people settle."""

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from core.errors import TekanaError
from core.models import AuditRecord
from core.roles import connected_as_owner
from ledger import chart
from ledger.selectors import legs_of
from staff.approvals import approve, request_approval
from staff.errors import ApprovalNeeded, ApprovalStale, MayNotCheck
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.factories import fresh
from transactions.errors import InsufficientFunds, MoreThanOwed, RecipientShort, ShortfallChanged
from transactions.models import Kind, Receivable, Transaction
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services.receivables import COLLECT, WRITE_OFF, settle_receivable
from transactions.services.relay import relay_events
from transactions.services.reversals import preview_reversal, reverse_transaction
from transactions.verify import verify
from wallets.models import Wallet


@pytest.fixture
def grace(db: None) -> User:
    """Support: asks for the reversal."""
    return member(Role.SUPPORT, "grace")


@pytest.fixture
def samuel(db: None) -> User:
    """Finance: asks for collecting and writing off."""
    return member(Role.FINANCE, "samuel")


@pytest.fixture
def farida(db: None) -> User:
    """Finance checker: decides."""
    return member(Role.FINANCE_CHECKER, "farida")


@pytest.fixture
def sent(aline: Wallet, eric: Wallet) -> Transaction:
    """Aline paid Eric 1,000, of which he has 300 left."""
    fund(aline, 2_000)
    original = post_one(transfer(aline, eric, 1_000)).or_raise().transaction
    post_one(transfer(eric, aline, 700)).or_raise()
    return Transaction.objects.get(pk=original)


def ask(maker: User, sent: Transaction, owed: int = 700, amount: int = 1_000) -> Approval:
    params = {"transaction": sent.pk, "amount_minor": amount, "reason_code": "wrong_recipient", "owed_minor": owed}
    return request_approval("receivable", params, maker=maker, reason="ticket 31")


@pytest.fixture
def owed(sent: Transaction, grace: User, farida: User) -> Receivable:
    """Eric owes us 700."""
    approve(ask(grace, sent).pk, actor=farida)
    return Receivable.objects.get()


def settle(how: str, row: Receivable, amount: int, maker: User, checker: User) -> Transaction:
    params = {"receivable": row.pk, "amount_minor": amount}
    approval = approve(request_approval(how, params, maker=maker, reason="ticket 32").pk, actor=checker)
    assert approval.result is not None
    return Transaction.objects.get(pk=approval.result["id"])


def left(row: Receivable) -> int:
    return int(fresh(row).account.posted)


# --- Booking it ------------------------------------------------------------------------------------------------------


def test_the_sender_gets_all_back_and_the_recipient_owes_the_rest(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, farida: User
) -> None:
    preview = preview_reversal(sent.pk, reason_code="wrong_recipient", actor=grace)
    assert (preview.shortfall, preview.lines) == (700, [])
    had = posted(aline)

    approval = ask(grace, sent)
    assert (posted(aline), posted(eric)) == (had, 300)
    approve(approval.pk, actor=farida)

    row = Receivable.objects.get()
    account = chart.receivable(sent.pk, "RWF")
    reversal = Transaction.objects.get(pk=fresh(approval).result["id"])
    assert (posted(aline), posted(eric), left(row)) == (had + 1_000, 0, 700)
    assert {(leg.code, leg.side, leg.amount) for leg in legs_of(reversal.pk)} == {
        (chart.wallet_account(eric.pk), 1, 300), (account, 1, 700), (chart.wallet_account(aline.pk), -1, 1_000),
    }  # fmt: skip
    assert (row.transaction, row.debtor, row.account.code) == (sent, eric, account)
    assert (fresh(sent).state, reversal.amount, reversal.events.get().facts["owed_minor"]) == ("reversed", 1_000, 700)
    record = AuditRecord.objects.get(action="reverse")
    assert (record.actor, record.after["approved_by"], record.after["owed_minor"]) == (
        grace.principal, farida.principal, 700,
    )  # fmt: skip
    assert_books_balance()


def test_the_preview_that_was_approved_is_what_is_posted(sent: Transaction, grace: User, farida: User) -> None:
    approval = ask(grace, sent)
    legs = {(leg["account"], leg["side"], leg["amount_minor"]) for leg in approval.preview["legs"]}
    approve(approval.pk, actor=farida)

    posted_legs = legs_of(fresh(approval).result["id"])
    assert {(leg.code, "debit" if leg.side > 0 else "credit", leg.amount) for leg in posted_legs} == legs
    assert ["Of it the recipient will owe us", "RWF 700"] in approval.preview["facts"]


def test_both_are_told_and_the_recipient_what_they_owe(owed: Receivable, aline: Wallet, eric: Wallet) -> None:
    relay_events()

    told = eric.customer.notifications.order_by("-id").first()
    assert told is not None and told.kind == "money_taken_back_owed"
    assert "RWF 700" in told.title and "RWF 300" in told.body
    assert aline.customer.notifications.order_by("-id").first().kind == "money_returned"


def test_money_that_came_in_meanwhile_makes_the_request_stale(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, farida: User
) -> None:
    approval = ask(grace, sent)
    post_one(transfer(aline, eric, 50)).or_raise()

    with pytest.raises(ShortfallChanged) as refused:
        approve(approval.pk, actor=farida)

    assert refused.value.facts["shortfall_minor"] == 650
    assert refused.value.detail == (
        "The recipient now lacks RWF 650; asked for was that they owe RWF 700. "
        "Reject or withdraw it, so that it can be asked for anew."
    )
    assert fresh(approval).state == "open" and not Receivable.objects.exists()
    assert posted(eric) == 350
    assert_books_balance()


@pytest.mark.parametrize(("amount", "short"), [(1_000, 699), (1_000, 701), (300, 1), (1_000, 1_001), (1_000, 0)])
def test_exactly_what_is_missing_is_owed_or_nothing(
    sent: Transaction, grace: User, eric: Wallet, amount: int, short: int
) -> None:
    with pytest.raises(TekanaError):
        ask(grace, sent, owed=short, amount=amount)

    assert not Approval.objects.exists() and posted(eric) == 300


def test_only_finance_decides_and_nobody_does_it_alone(sent: Transaction, grace: User, farida: User) -> None:
    boss = member(Role.ADMINISTRATOR, "diane")
    by: dict[str, Any] = {"reason_code": "fraud", "actor": boss, "idempotency_key": "reverse-1234567890"}
    with pytest.raises(ApprovalNeeded):
        reverse_transaction(sent.pk, owed=700, **by)
    with pytest.raises(RecipientShort):
        reverse_transaction(sent.pk, **by)

    approval = ask(grace, sent)
    for other in (boss, member(Role.SENIOR_SUPPORT, "amina")):
        with pytest.raises(MayNotCheck):
            approve(approval.pk, actor=other)

    assert not Receivable.objects.exists()


def test_a_second_part_adds_to_the_same_receivable(
    sent: Transaction, aline: Wallet, eric: Wallet, grace: User, farida: User
) -> None:
    approve(ask(grace, sent, owed=100, amount=400).pk, actor=farida)
    approve(ask(grace, sent, owed=600, amount=600).pk, actor=farida)

    row = Receivable.objects.get()
    assert (left(row), posted(eric)) == (700, 0)
    assert_books_balance()


# --- Settling it -----------------------------------------------------------------------------------------------------


def test_it_is_collected_from_what_the_debtor_has_now(
    owed: Receivable, eric: Wallet, samuel: User, farida: User
) -> None:
    fund(eric, 500)

    txn = settle("collection", owed, 500, samuel, farida)

    assert (left(owed), posted(eric)) == (200, 0)
    assert (txn.kind, txn.amount, txn.payer_id, txn.payee_id) == ("adjustment", 500, eric.pk, None)
    assert AuditRecord.objects.filter(action="collect_receivable", subject_id=str(owed.pk)).count() == 1
    assert_books_balance()


def test_what_nobody_will_pay_is_written_off_to_our_loss(owed: Receivable, samuel: User, farida: User) -> None:
    txn = settle("write_off", owed, 700, samuel, farida)

    assert left(owed) == 0
    assert {(leg.code, leg.side) for leg in legs_of(txn.pk)} == {
        (chart.write_offs("RWF"), 1), (chart.receivable(owed.transaction_id, "RWF"), -1),
    }  # fmt: skip
    assert_books_balance()


def test_nothing_goes_below_zero(owed: Receivable, eric: Wallet, samuel: User, farida: User) -> None:
    fund(eric, 100)
    for how, amount, refusal in (
        ("collection", 101, InsufficientFunds), ("write_off", 701, MoreThanOwed), ("write_off", 0, TekanaError),
    ):  # fmt: skip
        with pytest.raises(refusal):
            request_approval(how, {"receivable": owed.pk, "amount_minor": amount}, maker=samuel, reason="x")
    twice = request_approval("write_off", {"receivable": owed.pk, "amount_minor": 700}, maker=samuel, reason="x")
    settle("collection", owed, 100, samuel, farida)

    with pytest.raises((MoreThanOwed, ApprovalStale)):
        approve(twice.pk, actor=farida)

    assert (left(owed), posted(eric)) == (600, 0)
    assert_books_balance()


def test_nobody_settles_alone(owed: Receivable, samuel: User, farida: User, eric: Wallet) -> None:
    fund(eric, 700)
    for how in (COLLECT, WRITE_OFF):
        for checker in (None, samuel):
            with pytest.raises(ApprovalNeeded):
                settle_receivable(
                    owed.pk, how, amount=1, reason="x", actor=samuel, checker=checker, idempotency_key=f"alone-{key()}"
                )
    assert left(owed) == 700


# --- What the database and the proof say -----------------------------------------------------------------------------


def forged(sent: Transaction, caller: str, with_key: str, owed: int = 700) -> Movement:
    return Movement(
        kind=Kind.REVERSAL, amount=1_000, currency="RWF", caller=caller, key=with_key, reverses=sent.pk, owed=owed,
        reason_code="fraud",
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_the_database_takes_nothing_owed_that_nobody_approved(
    sent: Transaction, eric: Wallet, grace: User, farida: User
) -> None:
    waiting = ask(grace, sent)
    for movement in (
        forged(sent, grace.principal, "something-else-12345"),
        forged(sent, grace.principal, f"approval-{waiting.pk}"),
    ):
        with pytest.raises(DatabaseError, match="nobody has approved"), transaction.atomic():
            post_one(movement)

    assert posted(eric) == 300
    approve(waiting.pk, actor=farida)  # the negative control: this one goes through
    assert posted(eric) == 0
    assert_books_balance()


ATTACKS = {
    "changed": "UPDATE transactions_receivable SET debtor_id = (SELECT payer_id FROM transactions_transaction t"
    " WHERE t.id = transaction_id)",
    "deleted": "DELETE FROM transactions_receivable",
    "of somebody else": "INSERT INTO transactions_receivable SELECT gen_random_uuid(), currency, now(), account_id,"
    " debtor_id, (SELECT id FROM transactions_transaction WHERE kind = 'top_up' LIMIT 1) FROM transactions_receivable",
    "more is taken off than is owed": "UPDATE ledger_account SET posted = -1 WHERE starts_with(code, 'asset:rece')",
    "a reason is deleted": "DELETE FROM transactions_reversalreason",
}  # fmt: skip


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_keeps_who_owes_what(owed: Receivable, attack: str) -> None:
    for role in (transaction.atomic, connected_as_owner):
        with pytest.raises(DatabaseError), role(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(ATTACKS[attack])
    assert left(owed) == 700
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_the_proof_finds_what_came_in_with_the_guard_off(sent: Transaction, grace: User) -> None:
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE transactions_transaction DISABLE TRIGGER check_owed")
    try:
        post_one(forged(sent, grace.principal, "something-else-12345")).or_raise()
    finally:
        with connected_as_owner(), connection.cursor() as cursor:
            cursor.execute("ALTER TABLE transactions_transaction ENABLE TRIGGER check_owed")

    wrong = [one.wrong for one in verify().findings]
    assert any("owing 700 and was approved by nobody" in one for one in wrong)
    assert any("belongs to no receivable" in one for one in wrong)
