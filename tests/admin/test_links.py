"""Links between staff and customers in the back office: who sees them, what dialogs ask instead, what is marked."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from customers.links import declare_link
from customers.models import StaffLink
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.factories import fresh

pytestmark = pytest.mark.django_db
LIST = "/admin/customers/stafflink/"


@pytest.fixture
def linked(world: World, staff: dict[str, User]) -> StaffLink:
    """Support is close to Wanjiku."""
    support = staff[Role.SUPPORT]
    return declare_link(support, world.wanjiku, relation="household", note="my flatmate", actor=support)


def page(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200, response.status_code
    return str(response.content.decode())


def dialog(model: str, name: str, *pk: Any) -> str:
    return reverse(f"admin:{model}_{name}", args=pk)


def test_one_declares_ones_own_link_by_a_phone_number(support: Client, world: World, staff: dict[str, User]) -> None:
    url = dialog("customers_stafflink", "declare")
    asked = {"customer": "0712 345 678", "relation": "own", "note": ""}

    assert "beyond doubt" in support.post(url, asked | {"customer": "Wanjiku"}).content.decode()
    shown = support.post(url, asked, follow=True).content.decode()

    assert "It is on record, and counts." in shown and "Wanjiku Kamau" in shown
    assert StaffLink.objects.get(staff=staff[Role.SUPPORT]).customer == world.wanjiku
    assert "on record already" in support.post(url, asked).content.decode()


def test_compliance_records_and_ends_a_colleagues(world: World, staff: dict[str, User]) -> None:
    compliance, colleague = client_of(staff[Role.COMPLIANCE]), staff[Role.SENIOR_SUPPORT]
    asked = {"colleague": colleague.pk, "customer": str(world.john.pk), "relation": "family", "note": "his sister"}

    compliance.post(dialog("customers_stafflink", "record"), asked)
    row = StaffLink.objects.get(staff=colleague)
    compliance.post(dialog("customers_stafflink", "end", row.pk), {"reason": "recorded by mistake"})

    assert (fresh(row).ended_by, fresh(row).end_reason) == (staff[Role.COMPLIANCE], "recorded by mistake")


def test_each_sees_their_own_and_oversight_sees_all(
    support: Client, linked: StaffLink, world: World, staff: dict[str, User]
) -> None:
    auditors = StaffLink.objects.get(staff=staff[Role.AUDITOR])

    assert "Wanjiku Kamau" in page(support, LIST) and "John Otieno" not in page(support, LIST)
    assert support.get(f"{LIST}{auditors.pk}/change/").status_code == 404
    assert "my flatmate" in page(support, f"{LIST}{linked.pk}/change/")
    for role in (Role.COMPLIANCE, Role.AUDITOR, Role.ADMINISTRATOR):
        client = client_of(staff[role])
        assert "Wanjiku Kamau" in page(client, LIST) and "John Otieno" in page(client, LIST)
        assert "Staff linked to them" in page(client, f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    assert "Staff linked to them" not in page(support, f"/admin/customers/customer/{world.wanjiku.pk}/change/")
    shown = page(client, f"/admin/staff/user/{staff[Role.SUPPORT].pk}/change/")
    assert "Customers they are, or are linked to" in shown and "Wanjiku Kamau" in shown


def test_looking_is_allowed_said_and_marked(support: Client, finance: Client, linked: StaffLink, world: World) -> None:
    pages = [
        f"/admin/customers/customer/{world.wanjiku.pk}/change/",
        f"/admin/wallets/wallet/{world.wallet.pk}/change/",
        f"/admin/transactions/transaction/{world.sent.pk}/change/",
        f"/admin/recalls/recall/{world.recall.pk}/change/",
    ]
    for url in pages:
        assert "This is about somebody you are linked to." in page(support, url)
        assert "linked to" not in page(finance, url)
    page(support, f"/admin/customers/customer/{world.john.pk}/change/")

    looks = AuditRecord.objects.filter(look=True, action="view").order_by("id")
    assert [one.after for one in looks if one.role == Role.SUPPORT] == [{"linked": "household"}] * 4 + [None]
    assert {one.after for one in looks if one.role == Role.FINANCE and one.subject_type != "page.index"} == {None}


@pytest.mark.parametrize(
    ("model", "action", "row", "fields"),
    [
        ("customers_customer", "suspend", "wanjiku", {"reason": "she asked"}),
        ("wallets_wallet", "lift", "frozen", {"reason": "found it"}),
    ],
)
def test_a_dialog_says_that_it_asks_and_asks(
    support: Client, linked: StaffLink, world: World, model: str, action: str, row: str, fields: dict[str, Any]
) -> None:
    subject = getattr(world, row)
    if action == "lift":
        fields = fields | {"freeze": subject.freezes.get().pk}
    url = dialog(model, action, subject.pk)
    before = Approval.objects.count()

    assert "linked to" in page(support, url) and "Ask for approval" in page(support, url)
    assert "waits for a second person" in support.post(url, fields, follow=True).content.decode()

    assert Approval.objects.count() == before + 1
    assert fresh(world.wanjiku).state == "active" and world.frozen.freezes.filter(lifted_at=None).exists()


def test_a_small_reversal_and_a_recall_ask_too(support: Client, linked: StaffLink, world: World) -> None:
    asked = {"amount": "1.00", "reason_code": "duplicate", "note": "twice", "key": str(uuid4()), "agreed": ""}
    url = dialog("transactions_transaction", "reverse", world.sent.pk)
    assert "This will ask for a second person." in support.post(url, asked | {"step": "preview"}).content.decode()

    opening = {"receipt": world.sent.receipt, "amount": "", "reason": "wrong_recipient", "note": "ticket 10"}
    shown = support.post(dialog("recalls_recall", "open"), opening, follow=True).content.decode()

    assert "waits for a second person" in shown
    assert Approval.objects.get(operation="recall_step").params["transaction"] == str(world.sent.pk)


def test_who_is_linked_is_told_why_they_do_not_decide(world: World, staff: dict[str, User]) -> None:
    senior = staff[Role.SENIOR_SUPPORT]
    url = dialog("staff_approval", "approve", world.asked.pk)
    assert "It is done at once" in page(client_of(senior), url)

    declare_link(senior, world.john, relation="business", actor=senior)

    shown = page(client_of(senior), url)
    assert "It is about you, or somebody you are linked to, so a colleague decides." in shown
    assert page(client_of(senior), "/admin/staff/approval/?whose=check").count(world.asked.title) == 0
