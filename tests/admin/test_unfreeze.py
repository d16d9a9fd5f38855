"""Letting go of a wallet that was frozen for fraud: asked for by one, done when another approves."""

import pytest
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from staff.approvals import approve
from staff.errors import ApprovalNeeded, ApprovalStale
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, transfer
from tests.factories import fresh
from transactions.posting import post_one
from wallets.errors import FreezeLifted
from wallets.models import Freeze
from wallets.services import expire_freezes, freeze_wallet, lift_freeze

REASON = {"reason": "The bank cleared it, case 9"}


def url(name: str, pk: object) -> str:
    return reverse(f"admin:wallets_{name}", args=[pk])


@pytest.fixture(params=["fraud", "ordered"])
def fraud(world: World, staff: dict[str, User], request: pytest.FixtureRequest) -> Freeze:
    """John's wallet is frozen: he may be a fraudster, or a court has said so."""
    how = {"mode": "both", "cause": request.param, "reason": "three victims"}
    return freeze_wallet(world.johns, **how, actor=staff[Role.SUPPORT])


def asked(client: Client, freeze: Freeze) -> Approval:
    client.post(url("freeze_lift_this", freeze.pk), REASON)
    return Approval.objects.get(operation="unfreeze")


def test_a_wallet_is_frozen_for_fraud_in_the_dialog(support: Client, world: World) -> None:
    form = {"mode": "both", "cause": "fraud", "reason": "three victims"}

    support.post(url("wallet_freeze", world.johns.pk), form)

    freeze = world.johns.freezes.get()
    assert freeze.takes_two
    assert "Fraud" in support.get(url("wallet_change", world.johns.pk)).text
    assert "Fraud, or a suspicion of it" in support.get(url("freeze_change", freeze.pk)).text
    assert AuditRecord.objects.filter(action="freeze_wallet").first().after["cause"] == "fraud"


@pytest.mark.parametrize("door", ["freeze_lift_this", "wallet_lift"])
def test_lifting_it_asks_a_second_person_who_lifts_it(
    support: Client, checker: Client, world: World, fraud: Freeze, staff: dict[str, User], door: str
) -> None:
    pk = fraud.pk if door == "freeze_lift_this" else world.johns.pk
    form = REASON if door == "freeze_lift_this" else {**REASON, "freeze": fraud.pk}
    shown = support.get(url(door, pk))
    answer = support.post(url(door, pk), form, follow=True)
    approval = Approval.objects.get(operation="unfreeze")

    assert "This will ask for a second person" in shown.text
    assert "Ask for approval" in shown.text
    assert "Asked for." in answer.text
    assert "Waiting for approval since" in support.get(url("wallet_change", world.johns.pk)).text
    assert fresh(world.johns).status == "frozen"
    assert post_one(transfer(world.wallet, world.johns, 1_00)).error is not None
    page = checker.get(reverse("admin:staff_approval_change", args=[approval.pk])).text
    for said in ("three victims", "sends and receives again", "KES 1,300.00", "Support Person"):
        assert said in page, said

    answer = checker.post(
        reverse("admin:staff_approval_approve", args=[approval.pk]), {"agreed": approval.digest, "comment": ""},
        follow=True,
    )  # fmt: skip

    assert "Approved and done." in answer.text
    assert fresh(world.johns).status == "active"
    kept = fresh(fraud)
    assert (kept.lifted_by, kept.lift_reason) == (staff[Role.SUPPORT].principal, REASON["reason"])
    record = AuditRecord.objects.get(action="lift_freeze")
    assert record.after["approved_by"] == staff[Role.FINANCE_CHECKER].principal
    assert post_one(transfer(world.wallet, world.johns, 1_00)).error is None
    assert_books_balance()


def test_the_service_itself_refuses_one_person(world: World, fraud: Freeze, staff: dict[str, User]) -> None:
    for who in staff.values():
        with pytest.raises(ApprovalNeeded):
            lift_freeze(fraud, actor=who, reason="I say so")

    assert fresh(world.johns).status == "frozen"


def test_others_are_lifted_in_one_step_as_before(support: Client, world: World) -> None:
    freeze = world.frozen.freezes.get()

    support.post(url("freeze_lift_this", freeze.pk), REASON)

    assert fresh(freeze).lifted_at
    assert not Approval.objects.filter(operation="unfreeze").exists()


def test_of_several_only_that_one_needs_two(
    support: Client, world: World, fraud: Freeze, staff: dict[str, User]
) -> None:
    other = freeze_wallet(world.johns, mode="debit", reason="lost phone", actor=staff[Role.SUPPORT])

    shown = support.get(url("wallet_lift", world.johns.pk)).text
    support.post(url("wallet_lift", world.johns.pk), {**REASON, "freeze": other.pk})

    assert "For one of them: This will ask for a second person" in shown
    assert f"{fraud.get_cause_display()}, since" in shown
    assert fresh(other).lifted_at
    assert fresh(world.johns).status == "frozen"


def test_another_freeze_meanwhile_makes_the_request_stale(
    support: Client, world: World, fraud: Freeze, staff: dict[str, User]
) -> None:
    approval = asked(support, fraud)
    freeze_wallet(world.johns, mode="debit", reason="lost phone", actor=staff[Role.SUPPORT])

    with pytest.raises(ApprovalStale):
        approve(approval.pk, actor=staff[Role.FINANCE_CHECKER])

    assert not fresh(fraud).lifted_at


def test_one_that_ended_by_itself_is_refused_and_the_request_stays(
    support: Client, world: World, fraud: Freeze, staff: dict[str, User]
) -> None:
    approval = asked(support, fraud)
    lift_freeze(fraud, actor=None, reason="on the server itself")

    with pytest.raises(FreezeLifted):
        approve(approval.pk, actor=staff[Role.FINANCE_CHECKER])

    assert fresh(approval).state == "open"


def test_the_clock_still_ends_what_has_an_end(world: World, fraud: Freeze) -> None:
    assert expire_freezes() == 0
    assert fresh(world.johns).status == "frozen"
