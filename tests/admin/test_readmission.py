"""Letting back in whom compliance suspended, in the back office: the dialogs say who decides, and ask them."""

import pytest
from django.test import Client
from django.urls import reverse

from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.factories import fresh


def url(name: str, world: World) -> str:
    return reverse(f"admin:customers_customer_{name}", args=[world.john.pk])


@pytest.fixture
def compliance(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.COMPLIANCE])


def suspended(client: Client, world: World, **said: str) -> str:
    answer = client.post(url("suspend", world), {"reason": "three sanctions hits", **said}, follow=True)
    assert fresh(world.john).state == "suspended"
    return answer.text


def test_compliance_suspends_and_support_can_only_ask(
    support: Client, compliance: Client, checker: Client, world: World
) -> None:
    suspended(compliance, world, cause="case")

    shown = support.get(url("reactivate", world)).text
    assert "Compliance suspended them, so compliance decides" in shown and "Ask for approval" in shown
    answer = support.post(url("reactivate", world), {"reason": "she called"}, follow=True).text

    assert "waits for a second person" in answer
    assert fresh(world.john).state == "suspended"
    approval = Approval.objects.get(operation="reinstatement")
    decide = reverse("admin:staff_approval_approve", args=[approval.pk])
    form = {"agreed": approval.digest, "comment": ""}
    page = compliance.get(reverse("admin:staff_approval_change", args=[approval.pk])).text
    for said in ("three sanctions hits", "identity, sanctions, laundering", "Compliance Person"):
        assert said in page, said
    assert "Your role does not decide requests of this kind" in checker.get(decide).text
    checker.post(decide, form)
    assert fresh(world.john).state == "suspended"

    assert "Approved and done." in compliance.post(decide, form, follow=True).text
    assert fresh(world.john).state == "active"


def test_compliance_itself_lets_them_back_in_at_once(compliance: Client, world: World) -> None:
    suspended(compliance, world, cause="case")

    assert "Ask for approval" not in compliance.get(url("reactivate", world)).text
    compliance.post(url("reactivate", world), {"reason": "case closed"})

    assert fresh(world.john).state == "active"
    assert not Approval.objects.filter(operation="reinstatement").exists()


def test_support_suspends_for_support_and_undoes_it(support: Client, world: World) -> None:
    page = suspended(support, world, cause="lost")

    for said in ("Suspensions", "Lost or stolen phone", "three sanctions hits", "Support Person"):
        assert said in page, said
    support.post(url("reactivate", world), {"reason": "found it"})
    assert fresh(world.john).state == "active"
    page = support.get(reverse("admin:customers_customer_change", args=[world.john.pk])).text
    assert "found it" in page


def test_a_cause_that_there_is_none_of_is_refused(support: Client, world: World) -> None:
    answer = support.post(url("suspend", world), {"reason": "x", "cause": "<b>"}).text

    assert "Select a valid choice" in answer
    assert fresh(world.john).state == "active"
