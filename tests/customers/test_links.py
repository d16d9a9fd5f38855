"""Who is linked to a customer decides nothing about them: not by any service, and not with raw SQL."""

from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from core.errors import TekanaError
from core.models import AuditRecord
from core.roles import connected_as_owner
from customers.errors import LinkedCustomer, LinkEnded, LinkExists, MayNotRecordLink, NotOwnLink
from customers.links import declare_link, end_link, linked_customers
from customers.models import Customer, CustomerState, StaffLink
from customers.services import reactivate_customer, suspend_customer
from recalls.models import Recall
from recalls.services import open_recall, refuse, withdraw
from staff.approvals import approve, assign, checkers_of, operations, reject, request_approval
from staff.errors import ApprovalNeeded, LinkedChecker, NotAChecker
from staff.inbox import for_me
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import fresh
from tests.fakes.rail_work import cash_out, top_up
from transactions.models import Transaction
from transactions.posting import post_one
from transactions.services.rail_calls import release
from transactions.services.reversals import reverse_transaction
from wallets.models import Wallet
from wallets.services import close_wallet, extend_freeze, freeze_wallet, lift_freeze

Relation = StaffLink.Relation


@pytest.fixture
def grace(db: None) -> User:
    """Support: asks."""
    return member(Role.SUPPORT, "grace")


@pytest.fixture
def amina(db: None) -> User:
    """Senior support: decides."""
    return member(Role.SENIOR_SUPPORT, "amina")


@pytest.fixture
def diane(db: None) -> User:
    """Administrator: decides, and records links."""
    return member(Role.ADMINISTRATOR, "diane")


@pytest.fixture
def sent(aline: Wallet, eric: Wallet) -> Transaction:
    """Aline paid Eric a little, which support gives back alone."""
    fund(aline, 2_000)
    return Transaction.objects.get(pk=post_one(transfer(aline, eric, 500)).or_raise().transaction)


def declared(staff: User, customer: Customer, relation: str = Relation.FAMILY) -> StaffLink:
    return declare_link(staff, customer, relation=relation, actor=staff)


def reverse(sent: Transaction, actor: User) -> Any:
    return reverse_transaction(
        sent.pk, amount=500, reason_code="duplicate", note="x", actor=actor, idempotency_key="reverse-1234567890"
    )


# --- On record -------------------------------------------------------------------------------------------------------


def test_one_declares_ones_own_and_others_are_recorded_by_who_may(
    aline: Wallet, eric: Wallet, grace: User, amina: User, diane: User
) -> None:
    mine = declare_link(grace, aline.customer, relation=Relation.OWN, note="my own wallet", actor=grace)
    theirs = declare_link(grace, eric.customer, relation=Relation.HOUSEHOLD, actor=diane)

    assert linked_customers(grace) == {aline.customer_id: "own", eric.customer_id: "household"}
    assert (mine.declared_by, theirs.declared_by) == (grace, diane)
    record = AuditRecord.objects.get(action="declare_link", subject_id=str(mine.pk))
    assert (record.actor, record.reason, record.after["relation"]) == (grace.principal, "my own wallet", "own")
    with pytest.raises(LinkExists):
        declared(grace, aline.customer)
    with pytest.raises(MayNotRecordLink):
        declare_link(diane, eric.customer, relation=Relation.FAMILY, actor=amina)


def test_a_link_is_ended_by_another_and_for_a_reason(aline: Wallet, grace: User, diane: User) -> None:
    link, own = declared(grace, aline.customer), declared(diane, aline.customer)

    for actor, ended, reason, refusal in (
        (grace, link, "we parted", MayNotRecordLink),
        (diane, own, "we parted", NotOwnLink),
        (diane, link, "  ", TekanaError),
    ):
        with pytest.raises(refusal):
            end_link(ended, reason=reason, actor=actor)
    end_link(link, reason="moved out", actor=diane)

    assert linked_customers(grace) == {}
    assert (fresh(link).ended_by, fresh(link).end_reason) == (diane, "moved out")
    with pytest.raises(LinkEnded):
        end_link(link, reason="again", actor=diane)
    assert declared(grace, aline.customer).pk != link.pk  # there may be another one


def test_the_same_address_is_a_link_that_nobody_has_to_declare(aline: Wallet, grace: User) -> None:
    User.objects.filter(pk=grace.pk).update(email=aline.customer.email.upper())

    assert linked_customers(fresh(grace)) == {aline.customer_id: "own"}


# --- Nothing alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["aline", "eric"])
def test_not_even_a_small_reversal_alone(
    aline: Wallet, eric: Wallet, sent: Transaction, grace: User, amina: User, side: str
) -> None:
    declared(grace, {"aline": aline, "eric": eric}[side].customer)

    with pytest.raises(ApprovalNeeded, match="linked to"):
        reverse(sent, grace)
    assert posted(eric) == 500

    params = {"transaction": sent.pk, "amount_minor": 500, "reason_code": "duplicate"}
    approve(request_approval("reversal", params, maker=grace, reason="x").pk, actor=amina)
    assert posted(eric) == 0
    assert_books_balance()


def test_not_lifting_a_freeze_of_any_cause(aline: Wallet, grace: User, diane: User) -> None:
    declared(grace, aline.customer, Relation.OWN)
    freeze = freeze_wallet(aline, mode="both", reason="lost phone", actor=diane)

    with pytest.raises(ApprovalNeeded, match="your own account"):
        lift_freeze(freeze, actor=grace, reason="found it")
    approval = request_approval("unfreeze", {"freeze": freeze.pk}, maker=grace, reason="found it")
    assert fresh(freeze).lifted_at is None
    approve(approval.pk, actor=diane)

    assert fresh(freeze).lifted_at is not None


def test_not_suspending_and_not_letting_back_in(aline: Wallet, grace: User, amina: User) -> None:
    declared(grace, aline.customer)

    for state, alone in ((CustomerState.SUSPENDED, suspend_customer), (CustomerState.ACTIVE, reactivate_customer)):
        with pytest.raises(LinkedCustomer):
            alone(aline.customer, actor=grace, reason="x")
        params = {"customer": aline.customer_id, "state": state}
        approval = request_approval("standing", params, maker=grace, reason="she asked")
        assert fresh(aline.customer).state != state
        approve(approval.pk, actor=amina)
        assert fresh(aline.customer).state == state
        with pytest.raises(TekanaError):  # it is so already
            request_approval("standing", params, maker=grace, reason="again")


def test_not_opening_refusing_or_withdrawing_a_recall(
    aline: Wallet, eric: Wallet, sent: Transaction, grace: User, amina: User
) -> None:
    declared(grace, eric.customer)
    opening = {"step": "open", "transaction": sent.pk, "amount_minor": None, "reason_code": "wrong_recipient"}

    with pytest.raises(LinkedCustomer):
        open_recall(sent.pk, reason_code="wrong_recipient", note="x", actor=grace)
    approval = request_approval("recall_step", opening, maker=grace, reason="she asked")
    assert not Recall.objects.exists()
    approve(approval.pk, actor=amina)

    recall = Recall.objects.get()
    assert (recall.state, recall.held, recall.opened_by) == ("open", 500, grace.principal)
    for step, alone in (("refuse", refuse), ("withdraw", withdraw)):
        with pytest.raises(LinkedCustomer):
            alone(recall.pk, actor=grace, note="x")
        asked = request_approval("recall_step", {"step": step, "recall": recall.pk}, maker=grace, reason=step)
        if step == "refuse":
            reject(asked.pk, comment="ask him", actor=amina)
    assert fresh(recall).state == "open"
    approve(asked.pk, actor=amina)
    assert fresh(recall).state == "withdrawn"
    assert_books_balance()


def test_not_freezing_not_longer_and_not_closing(
    aline: Wallet, eric: Wallet, grace: User, amina: User, diane: User
) -> None:
    declared(grace, aline.customer, Relation.OWN)
    declared(grace, eric.customer)
    passing = freeze_wallet(
        eric, mode="both", reason="lost phone", actor=diane, expires_at=timezone.now() + timedelta(hours=1)
    )
    later = timezone.now() + timedelta(days=30)

    for alone, why in (
        (lambda who: freeze_wallet(aline, mode="credit", reason="x", actor=who), "your own account"),
        (lambda who: extend_freeze(passing, expires_at=later, reason="x", actor=who), "linked to"),
        (lambda who: close_wallet(aline, reason="x", actor=who), "your own account"),
    ):
        with pytest.raises(LinkedCustomer, match=f"{why}.*Ask a colleague"):
            alone(grace)

    assert fresh(passing).expires_at == passing.expires_at and fresh(passing).lifted_at is None
    assert not aline.freezes.exists() and fresh(aline).closed_at is None
    extend_freeze(passing, expires_at=later, reason="x", actor=amina)  # a colleague does
    lift_freeze(freeze_wallet(aline, mode="credit", reason="x", actor=amina), reason="x", actor=amina)
    assert close_wallet(aline, actor=aline.customer).closed_at  # and so does the owner, as a customer


def test_not_asking_a_rail_again(aline: Wallet, grace: User, diane: User) -> None:
    fund(aline, 100_000)
    for txn in (Transaction(pk=cash_out(aline, 10_000)), Transaction(pk=top_up(aline, 10_000))):
        Transaction.objects.filter(pk=txn.pk).update(quarantined_at=timezone.now())
        link = declared(grace, aline.customer)

        with pytest.raises(LinkedCustomer, match="Ask a colleague"):
            release(txn.pk, actor=grace, reason="x")
        assert fresh(txn).quarantined_at

        end_link(link, reason="over", actor=diane)
        release(txn.pk, actor=grace, reason="x")
        assert fresh(txn).quarantined_at is None


def test_who_is_not_linked_goes_on_as_before(sent: Transaction, eric: Wallet, grace: User) -> None:
    reverse(sent, grace)

    assert posted(eric) == 0


# --- Nothing for others ----------------------------------------------------------------------------------------------


@pytest.fixture
def asked(sent: Transaction, grace: User) -> Approval:
    params = {"transaction": sent.pk, "amount_minor": 500, "reason_code": "duplicate"}
    return request_approval("reversal", params, maker=grace, reason="x")


def test_who_is_linked_to_either_side_does_not_decide(
    asked: Approval, aline: Wallet, eric: Wallet, amina: User, diane: User
) -> None:
    declared(amina, eric.customer)
    declared(diane, aline.customer)

    for linked in (amina, diane):
        with pytest.raises(LinkedChecker):
            approve(asked.pk, actor=linked)
        with pytest.raises(LinkedChecker):
            reject(asked.pk, comment="no", actor=linked)
        assert not Approval.objects.filter(for_me(linked)).exists()
    assert list(checkers_of(fresh(asked))) == []
    with pytest.raises(NotAChecker):
        assign(asked.pk, to=amina, actor=member(Role.FINANCE_CHECKER, "farida"))

    assert fresh(asked).state == "open"
    assert AuditRecord.objects.filter(action="approval_refused", after__code="linked_checker").count() == 4


def test_once_the_link_has_ended_they_decide(asked: Approval, eric: Wallet, amina: User, diane: User) -> None:
    end_link(declared(amina, eric.customer), reason="moved out", actor=diane)

    approve(asked.pk, actor=amina)

    assert posted(eric) == 0


def test_every_operation_about_wallets_names_their_owners(asked: Approval) -> None:
    """The guard reads ``about``: what does not name the customer there is not held against anybody."""
    assert {"customers.customer", "wallets.wallet"} < {key.partition(":")[0] for key in asked.about}
    assert {"reversal", "adjustment", "unfreeze", "recall_consent", "recall_step", "standing"} <= set(operations())


# --- What the database says ------------------------------------------------------------------------------------------

DECIDE = (
    "UPDATE staff_approval SET state = '{}', decided_at = now(), checker_id = %(checker)s, comment = 'x'"
    " WHERE id = %(open)s"
)
ATTACKS = {
    "approved by who is linked": DECIDE.format("approved"),
    "rejected by who is linked": DECIDE.format("rejected"),
    "the request says nothing of the customer": "UPDATE staff_approval SET about = '{{}}', state = 'approved',"
    " decided_at = now(), checker_id = %(checker)s WHERE id = %(open)s",
    "the link is deleted": "DELETE FROM customers_stafflink",
    "the link is emptied out": "TRUNCATE customers_stafflink",
    "the link is somebody else's": "UPDATE customers_stafflink SET staff_id = %(maker)s",
    "the link is to somebody else": "UPDATE customers_stafflink SET customer_id = gen_random_uuid()",
    "ended by who is linked": "UPDATE customers_stafflink SET ended_at = now(), end_reason = 'x',"
    " ended_by_id = staff_id",
    "ended without a reason": "UPDATE customers_stafflink SET ended_at = now(), ended_by_id = %(maker)s",
    "ended by nobody": "UPDATE customers_stafflink SET ended_at = now(), end_reason = 'x'",
}  # fmt: skip
GUARDS = {"TK017", "TK011", "TK001", "23514", "42501"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", [nullcontext, connected_as_owner], ids=["app role", "owner"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_the_database_keeps_links_and_lets_nobody_decide_about_their_own(
    asked: Approval, eric: Wallet, grace: User, amina: User, role: Any, attack: str
) -> None:
    link = declared(amina, eric.customer)
    names = {"open": asked.pk, "checker": amina.pk, "maker": grace.pk}

    with pytest.raises(DatabaseError) as refused, role(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(ATTACKS[attack].replace("{{}}", "{}"), names)

    assert refused.value.__cause__.sqlstate in GUARDS  # type: ignore[union-attr]
    assert fresh(asked).state == "open" and fresh(link).ended_at is None


@pytest.mark.django_db(transaction=True)
def test_the_database_knows_the_same_address_too(asked: Approval, eric: Wallet, amina: User) -> None:
    User.objects.filter(pk=amina.pk).update(email=eric.customer.email)

    with pytest.raises(DatabaseError, match="linked"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DECIDE.format("approved"), {"open": asked.pk, "checker": amina.pk})


@pytest.mark.django_db(transaction=True)
def test_the_same_attack_by_who_is_not_linked_succeeds(asked: Approval, amina: User) -> None:
    """The negative control: it is the link that is refused."""
    with connection.cursor() as cursor:
        cursor.execute(DECIDE.format("rejected"), {"open": asked.pk, "checker": amina.pk})

    assert fresh(asked).state == "rejected"
