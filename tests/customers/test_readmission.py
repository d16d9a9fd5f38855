"""Whom compliance suspended, compliance lets back in: alone, or by deciding what colleagues ask for."""

from importlib import import_module

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from core import audit
from core.models import AuditRecord
from customers.links import declare_link
from customers.models import Customer, CustomerState, Suspension
from customers.services import reactivate_customer, suspend_customer
from staff.approvals import approve, checkers_of, reject, request_approval
from staff.errors import ApprovalNeeded, MayNotCheck
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.factories import CustomerFactory, fresh

Cause = Suspension.Cause


@pytest.fixture
def people(db: None) -> dict[str, User]:
    return {role: member(role) for role in Role.values}


def asked(maker: User, customer: Customer) -> Approval:
    params = {"customer": customer.pk, "state": CustomerState.ACTIVE}
    return request_approval("reinstatement", params, maker=maker, reason="she brought her papers")


def test_a_suspension_says_why_by_whom_and_how_it_ended(mary: Customer, people: dict[str, User]) -> None:
    suspend_customer(mary, cause=Cause.LOST, reason="stolen phone", actor=people[Role.SUPPORT])
    reactivate_customer(mary, reason="found it", actor=people[Role.SENIOR_SUPPORT])

    kept = mary.suspensions.get()
    assert (kept.cause, kept.reason, kept.placed_by, kept.placed_role) == (
        "lost", "stolen phone", people[Role.SUPPORT].principal, "support",
    )  # fmt: skip
    assert (kept.ended_by, kept.end_reason) == (people[Role.SENIOR_SUPPORT].principal, "found it")
    assert kept.ended_at > kept.placed_at
    record = AuditRecord.objects.get(action="suspend")
    assert (record.before, record.after) == ("active", {"state": "suspended", "cause": "lost"})


@pytest.mark.parametrize(
    ("by", "cause"),
    [
        (Role.COMPLIANCE, Cause.OTHER),
        (Role.SUPPORT, Cause.CASE),
        (Role.SUPPORT, Cause.ORDERED),
        (Role.SUPPORT, Cause.FRAUD),
    ],
)
def test_nobody_else_lets_them_back_in_alone(mary: Customer, people: dict[str, User], by: str, cause: str) -> None:
    suspend_customer(mary, cause=cause, reason="case 4", actor=people[by])

    for role in set(Role) - {Role.COMPLIANCE}:
        with pytest.raises(ApprovalNeeded):
            reactivate_customer(mary, reason="they called", actor=people[role])
    assert fresh(mary).state == "suspended"
    reactivate_customer(mary, reason="case closed", actor=people[Role.COMPLIANCE])
    assert fresh(mary).state == "active"


@pytest.mark.parametrize("cause", [Cause.LOST, Cause.ASKED, Cause.OTHER])
def test_what_support_did_for_the_customer_support_undoes(mary: Customer, people: dict[str, User], cause: str) -> None:
    suspend_customer(mary, cause=cause, reason="stolen phone", actor=people[Role.SUPPORT])

    reactivate_customer(mary, reason="found it", actor=people[Role.SENIOR_SUPPORT])

    assert fresh(mary).state == "active"


def test_support_asks_and_only_compliance_decides(mary: Customer, people: dict[str, User]) -> None:
    suspend_customer(mary, cause=Cause.CASE, reason="case 4", actor=people[Role.COMPLIANCE])
    approval = asked(people[Role.SUPPORT], mary)

    assert list(checkers_of(approval)) == [people[Role.COMPLIANCE]]
    for role in (Role.SENIOR_SUPPORT, Role.ADMINISTRATOR, Role.FINANCE_CHECKER):
        with pytest.raises(MayNotCheck):
            approve(approval.pk, actor=people[role])
    assert fresh(mary).state == "suspended"
    approve(approval.pk, actor=people[Role.COMPLIANCE])

    assert fresh(mary).state == "active"
    assert mary.suspensions.get().ended_by == people[Role.SUPPORT].principal
    record = AuditRecord.objects.get(action="reactivate")
    assert record.after == {"state": "active", "approved_by": people[Role.COMPLIANCE].principal}


def test_a_rejected_request_leaves_them_suspended(mary: Customer, people: dict[str, User]) -> None:
    suspend_customer(mary, reason="case 4", actor=people[Role.COMPLIANCE])

    reject(asked(people[Role.SUPPORT], mary).pk, comment="the case is open", actor=people[Role.COMPLIANCE])

    assert fresh(mary).state == "suspended"


def test_the_request_of_somebody_linked_is_no_way_round(mary: Customer, people: dict[str, User]) -> None:
    """What colleagues ask for about their own, senior support decides; but not over compliance's head, not even when
    compliance stepped in after the request was filed."""
    grace, amina = people[Role.SUPPORT], people[Role.SENIOR_SUPPORT]
    declare_link(grace, mary, relation="family", actor=grace)
    suspend_customer(mary, cause=Cause.LOST, reason="stolen phone", actor=amina)
    params = {"customer": mary.pk, "state": CustomerState.ACTIVE}
    approval = request_approval("standing", params, maker=grace, reason="found it")
    reactivate_customer(mary, reason="found it", actor=amina)
    suspend_customer(mary, cause=Cause.CASE, reason="case 4", actor=people[Role.COMPLIANCE])

    with pytest.raises(ApprovalNeeded):
        approve(approval.pk, actor=amina)
    with pytest.raises(ApprovalNeeded):
        request_approval("standing", params, maker=people[Role.SENIOR_SUPPORT], reason="again")

    assert fresh(mary).state == "suspended"
    assert fresh(approval).state == "open"


def test_compliance_that_is_linked_decides_nothing_alone_either(mary: Customer, people: dict[str, User]) -> None:
    diane = people[Role.COMPLIANCE]
    suspend_customer(mary, cause=Cause.CASE, reason="case 4", actor=diane)
    declare_link(diane, mary, relation="business", actor=diane)

    with pytest.raises(ApprovalNeeded):
        reactivate_customer(mary, reason="case closed", actor=diane)
    approve(asked(diane, mary).pk, actor=member(Role.COMPLIANCE, "dora"))

    assert fresh(mary).state == "active"


def test_who_came_suspended_from_elsewhere_is_let_back_in_as_before(people: dict[str, User]) -> None:
    mary = CustomerFactory(state="suspended")

    assert reactivate_customer(mary, reason="y", actor=people[Role.SUPPORT]).state == "active"


def test_at_the_upgrade_who_is_suspended_gets_a_row_from_the_trail(people: dict[str, User]) -> None:
    """What migration 0008 does: compliance's own stay compliance's, also where the role was not on record yet."""
    migration = import_module("customers.migrations.0008_suspensions")
    of_compliance, of_support, _ = (CustomerFactory(state="suspended") for _ in range(3))
    actor = people[Role.COMPLIANCE].principal
    AuditRecord.objects.create(
        actor=actor, action="suspend", subject_type="customers.customer", subject_id=of_compliance.pk, reason="case 4"
    )
    for reason in ("first", "last"):
        audit.record(actor=people[Role.SUPPORT], action="suspend", subject=of_support, reason=reason)
    audit.record(actor=people[Role.SUPPORT], action="suspend", subject=CustomerFactory(), reason="is back")

    migration.who_is_suspended_now(apps, None)

    kept = {one.customer_id: one for one in Suspension.objects.all()}
    assert set(kept) == {of_compliance.pk, of_support.pk}
    assert kept[of_compliance.pk].is_of_compliance and not kept[of_support.pk].is_of_compliance
    assert (kept[of_support.pk].reason, kept[of_compliance.pk].placed_by) == ("last", actor)


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE customers_suspension SET cause = 'asked'",
        "UPDATE customers_suspension SET placed_role = 'support'",
        "UPDATE customers_suspension SET ended_at = now()",
        "DELETE FROM customers_suspension",
        "INSERT INTO customers_suspension (id, customer_id, cause, reason, placed_by, placed_role, placed_at, ended_by,"
        " end_reason) SELECT gen_random_uuid(), customer_id, 'asked', 'x', 'x', 'x', now(), '', ''"
        " FROM customers_suspension",
    ],
)
def test_the_database_keeps_it_as_it_was(mary: Customer, people: dict[str, User], attack: str) -> None:
    suspend_customer(mary, cause=Cause.CASE, reason="case 4", actor=people[Role.COMPLIANCE])

    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack)
