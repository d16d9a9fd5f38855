"""G43: every admin class, door and action, tried by every role: each gets what `staff/roles.py` says, no more."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import models
from django.test import Client
from django.urls import NoReverseMatch, reverse

from core.admin import StaffAdmin
from customers.links import SEE_ALL
from customers.models import StaffLink
from reports.models import Export
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tests.admin.conftest import World, client_of
from tests.factories import signed_in
from transactions.models import Kind

REGISTRY: dict[type[models.Model], StaffAdmin] = admin.site._registry  # type: ignore[assignment]
MODELS = sorted(REGISTRY, key=lambda model: model._meta.label)
EVIL = {
    "action": "delete_selected", "_selected_action": "1", "index": "0", "post": "yes", "_save": "Save",
    "_popup": "1", "state": "completed", "amount": "1", "posted": "1", "balance_after": "1", "role": "administrator",
    "is_superuser": "on", "is_active": "on", "tier": "3", "form-0-id": "1", "form-TOTAL_FORMS": "1",
}  # fmt: skip


def address(model: type[models.Model], door: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{door}", args=args)


def rows() -> dict[str, list[Any]]:
    """Everything that staff can look at, as it is; but not that they looked."""
    found = {model._meta.label: list(model._base_manager.order_by("pk").values()) for model in MODELS}
    found["core.AuditRecord"] = [row for row in found["core.AuditRecord"] if not row["look"]]
    for row in found["staff.Session"]:  # to the minute
        del row["used_at"]
    return found


def may(role: str, model: type[models.Model]) -> bool:
    return f"{model._meta.app_label}.view_{model._meta.model_name}" in PERMISSIONS[role]


@pytest.fixture(params=Role.values)
def role(request: Any) -> str:
    return request.param


@pytest.fixture
def client(world: World, staff: dict[str, User], role: str) -> Client:
    world.through_a_rail(Kind.CASH_OUT, 1_00)  # of holds there is a list, too
    return client_of(staff[role])


def test_every_class_is_read_only_by_its_base() -> None:
    assert all(isinstance(one, StaffAdmin) for one in REGISTRY.values())
    assert not {Group, Permission} & set(REGISTRY)
    assert not any("superuser" in field.name for field in User._meta.get_fields())


def test_nothing_is_edited_through_an_address(client: Client, role: str) -> None:
    before = rows()
    methods = [client.post, client.put, client.patch, client.delete]
    for model in MODELS:
        row = model._base_manager.first()
        assert row is not None, f"the world has no {model._meta.label}"
        for url in (address(model, "changelist"), address(model, "change", row.pk)):
            for method in methods if role == Role.ADMINISTRATOR else methods[:1]:
                assert method(url, EVIL).status_code in (403, 405), (method.__name__, url)

    assert rows() == before


def test_there_is_no_address_to_add_or_delete_anything(administrator: Client, world: World) -> None:
    """Of nobody's: where there is no address, no role is asked for."""
    before = rows()
    for model in MODELS:
        for door, args in (("add", ()), ("delete", ("1",)), ("history", ("1",))):
            with pytest.raises(NoReverseMatch):
                address(model, door, *args)
        base, row = address(model, "changelist"), model._base_manager.first()
        if row is None:  # a hold, which the world above has
            continue
        for url in (f"{base}add/", f"{base}{row.pk}/", f"{base}{row.pk}/delete/", f"{base}{row.pk}/history/"):
            for method in (administrator.get, administrator.post):
                assert method(url, EVIL).status_code == 404, url

    assert rows() == before


def test_lists_and_pages_open_for_whom_the_role_says(client: Client, role: str) -> None:
    for model in MODELS:
        expected = 200 if may(role, model) else 403
        row = model._base_manager.first()
        assert row is not None

        assert client.get(address(model, "changelist")).status_code == expected, model
        page = client.get(address(model, "change", row.pk))
        hidden = model is Export and role == Role.FINANCE_CHECKER  # a colleague's: for them there is none
        hidden |= model is StaffLink and not PERMISSIONS[role] & {SEE_ALL}
        assert page.status_code == (404 if hidden else expected), model


def actions() -> list[Any]:
    """(model, name, permission, needs a row) of every action there is."""
    found = []
    for model in MODELS:
        for one in REGISTRY[model]._get_base_actions_detail():
            found.append((model, one.action_name, one.method.allowed_permissions[0], True))
        for one in REGISTRY[model]._get_base_actions_list():
            found.append((model, one.action_name, one.method.allowed_permissions[0], False))
        assert not REGISTRY[model].actions
        assert not REGISTRY[model].actions_row
        assert not REGISTRY[model].actions_submit_line
    return found


def test_actions_open_for_whom_the_role_says_and_do_nothing_unasked(client: Client, role: str) -> None:
    before = rows()
    for model, name, permission, needs_row in actions():
        url = reverse(f"admin:{name}", args=[model._base_manager.first().pk] if needs_row else [])
        # 302 and 404: a file that is not there yet, or somebody else's
        expected = {200, 302, 404} if permission in PERMISSIONS[role] else {403}

        assert client.get(url).status_code in expected, (name, "GET")
        if role == Role.ADMINISTRATOR:
            assert client.head(url).status_code in expected, (name, "HEAD")
        assert client.post(url, {}).status_code in expected, (name, "POST without a reason")

    assert rows() == before


@pytest.mark.parametrize(
    "action",
    ["customers_customer_suspend", "wallets_wallet_freeze", "transactions_transaction_reverse",
     "transactions_railmessage_close"],
)  # fmt: skip
def test_finance_cannot_act_even_with_a_complete_form(finance: Client, world: World, action: str) -> None:
    before = rows()
    subjects = {"customer": world.john, "wallet": world.johns, "transaction": world.sent, "railmessage": world.odd}
    subject = subjects[action.split("_")[1]]
    form = {
        "reason": "because", "mode": "both", "amount": "1", "reason_code": "fraud", "note": "x", "key": "k" * 20,
        "step": "confirm", "agreed": "100:0:99900:fraud",
    }  # fmt: skip

    assert finance.post(reverse(f"admin:{action}", args=[subject.pk]), form).status_code == 403
    assert rows() == before


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        (Role.SUPPORT, {"Customers", "Transactions", "Rail messages", "Audit trail"}),
        (Role.FINANCE, {"Transactions", "Rail messages", "Accounts"}),
        (Role.ADMINISTRATOR, {"Accounts", "Staff"}),
    ],
)
def test_the_menu_shows_what_may_be_opened(staff: dict[str, User], who: str, sees: set[str]) -> None:
    hidden = {Role.SUPPORT: {"Accounts", "Exports", "Staff"}, Role.FINANCE: {"Staff"}, Role.ADMINISTRATOR: set()}[
        Role(who)
    ]
    menu = client_of(staff[who]).get(reverse("admin:index")).context["sidebar_navigation"]
    titles = {item["title"] for group in menu for item in group["items"]}

    assert sees <= titles
    assert not hidden & titles


def test_whoever_lost_access_is_out_at_the_next_click(support: Client, staff: dict[str, User]) -> None:
    User.objects.filter(pk=staff[Role.SUPPORT].pk).update(is_active=False)

    assert support.get(reverse("admin:index")).status_code == 302


def test_a_customer_is_nobody_here(world: World, client: Client) -> None:
    stranger = Client()

    assert stranger.get(reverse("admin:index"), headers=signed_in(world.john)).status_code == 302
    assert stranger.get(reverse("admin:search") + "?q=john", headers=signed_in(world.john)).status_code == 302
