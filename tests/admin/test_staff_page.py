"""Administrators let people in and out; nobody touches their own role, and one administrator remains."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from staff import services
from staff.errors import (
    AlreadyActive,
    AlreadyInactive,
    LastAdministrator,
    MayNotManage,
    NotYourself,
    SameRole,
    UnknownRole,
    UserNameTaken,
    WeakStaffPassword,
)
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, client_of, member

NEW = {"username": "kato", "full_name": "Kato Ssali", "email": "", "role": "support"}


def action(name: str, user: User) -> str:
    return reverse(f"admin:staff_user_{name}", args=[user.pk])


def test_an_administrator_lets_somebody_in_and_is_shown_the_password_once(
    administrator: Client, staff: dict[str, User], client: Client
) -> None:
    answer = administrator.post(reverse("admin:staff_user_create"), {**NEW, "is_superuser": "on", "is_active": ""})

    password = answer.context["password"]
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.text.count(password) == 1
    kato = User.objects.get(username="kato")
    assert (kato.role, kato.is_active, kato.is_superuser) == (Role.SUPPORT, True, False)
    assert client.post("/admin/login/", {"username": "kato", "password": password}).status_code == 302
    record = AuditRecord.objects.get(action="create_staff")
    assert record.actor == staff[Role.ADMINISTRATOR].principal
    assert password not in str(record.after)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"username": "support"}, "Another member of staff has this user name"),
        ({"role": "superuser"}, "Select a valid choice"),
        ({"role": ""}, "This field is required"),
        ({"username": ""}, "This field is required"),
        ({"email": "not an address"}, "Enter a valid email address"),
    ],
)
def test_what_cannot_be_is_explained(
    administrator: Client, staff: dict[str, User], changed: dict[str, str], said: str
) -> None:
    before = User.objects.count()

    answer = administrator.post(reverse("admin:staff_user_create"), {**NEW, **changed})

    assert said in answer.text
    assert User.objects.count() == before


def test_a_role_holds_from_the_next_click(administrator: Client, support: Client, staff: dict[str, User]) -> None:
    accounts = reverse("admin:ledger_account_changelist")
    assert support.get(accounts).status_code == 403

    administrator.post(action("set_role", staff[Role.SUPPORT]), {"role": "finance", "reason": "moves desks"})

    assert support.get(accounts).status_code == 200
    record = AuditRecord.objects.get(action="set_role")
    assert (record.before, record.after, record.reason) == ("support", "finance", "moves desks")


def test_ending_access_ends_sessions_for_good(administrator: Client, support: Client, staff: dict[str, User]) -> None:
    administrator.post(action("deactivate", staff[Role.SUPPORT]), {"reason": "left"})
    assert support.get("/admin/").status_code == 302

    answer = administrator.post(action("reactivate", staff[Role.SUPPORT]), {"reason": "came back"})

    assert support.get("/admin/").status_code == 302, "an old session must not come back to life"
    assert client_of(User.objects.get(username="support")).get("/admin/").status_code == 200
    assert not User.objects.get(username="support").check_password(PASSWORD)
    assert User.objects.get(username="support").check_password(answer.context["password"])


@pytest.mark.parametrize("name", ["set_role", "deactivate", "reset_password", "reactivate"])
def test_nobody_does_it_to_themselves(administrator: Client, staff: dict[str, User], name: str) -> None:
    me = staff[Role.ADMINISTRATOR]
    page = administrator.get(reverse("admin:staff_user_change", args=[me.pk]))

    answer = administrator.post(action(name, me), {"role": "support", "reason": "tired"})

    assert action(name, me) in page.text
    assert "ask another administrator" in answer.text
    assert User.objects.get(pk=me.pk).role == Role.ADMINISTRATOR
    assert administrator.get("/admin/").status_code == 200


def test_the_last_administrator_stays(staff: dict[str, User]) -> None:
    last = staff[Role.ADMINISTRATOR]

    for refused in (
        lambda: services.set_role(last, role="support", reason="x", actor=None),
        lambda: services.deactivate(last, reason="x", actor=None),
    ):
        with pytest.raises(LastAdministrator):
            refused()
    assert User.objects.get(pk=last.pk).role == Role.ADMINISTRATOR
    assert User.objects.get(pk=last.pk).is_active

    second = member(Role.ADMINISTRATOR, "second")
    services.deactivate(last, reason="leaves", actor=second)
    assert not User.objects.get(pk=last.pk).is_active


def test_services_refuse_whoever_does_not_manage_staff(staff: dict[str, User]) -> None:
    for role in (Role.SUPPORT, Role.FINANCE):
        for act in (
            lambda actor: services.create_staff(username="x", full_name="X", role="support", actor=actor),
            lambda actor: services.set_role(staff[Role.ADMINISTRATOR], role="support", reason="x", actor=actor),
            lambda actor: services.deactivate(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
            lambda actor: services.reactivate(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
            lambda actor: services.reset_password(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
        ):
            with pytest.raises(MayNotManage):
                act(staff[role])


def test_services_refuse_what_makes_no_sense(staff: dict[str, User]) -> None:
    ada, support = staff[Role.ADMINISTRATOR], staff[Role.SUPPORT]
    refused = [
        (SameRole, lambda: services.set_role(support, role="support", reason="x", actor=ada)),
        (UnknownRole, lambda: services.set_role(support, role="root", reason="x", actor=ada)),
        (AlreadyActive, lambda: services.reactivate(support, reason="x", actor=ada)),
        (NotYourself, lambda: services.set_role(ada, role="support", reason="x", actor=ada)),
        (UserNameTaken, lambda: services.create_staff(username="support", full_name="x", role="support", actor=ada)),
        (
            WeakStaffPassword,
            lambda: services.create_staff(username="y", full_name="x", role="support", actor=ada, password="short"),
        ),
    ]
    for error, act in refused:
        with pytest.raises(error):
            act()
    services.deactivate(support, reason="x", actor=ada)
    with pytest.raises(AlreadyInactive):
        services.deactivate(support, reason="x", actor=ada)
    with pytest.raises(AlreadyInactive):
        services.reset_password(support, reason="x", actor=ada)


def test_the_command_prints_the_password_it_made(db: None, client: Client) -> None:
    out = StringIO()
    call_command("create_staff", "ada", role="administrator", full_name="Ada Uwase", stdout=out)
    password = out.getvalue().strip()

    assert len(password) == 23
    assert client.post("/admin/login/", {"username": "ada", "password": password}).status_code == 302
    with pytest.raises(CommandError, match="Another member of staff"):
        call_command("create_staff", "ada", role="support", stdout=StringIO())


def test_the_command_takes_a_password_from_standard_input(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(PASSWORD + "\n"))
    out = StringIO()

    call_command("create_staff", "ada", role="finance", password_stdin=True, stdout=out)

    assert out.getvalue() == ""
    assert User.objects.get(username="ada").check_password(PASSWORD)


def test_acts_on_staff_are_in_the_trail_for_administrators_alone(
    administrator: Client, support: Client, staff: dict[str, User]
) -> None:
    administrator.post(action("set_role", staff[Role.FINANCE]), {"role": "support", "reason": "moves desks"})
    trail = reverse("admin:core_auditrecord_changelist")

    assert "moves desks" in administrator.get(trail).text
    assert "Administrator Person" in administrator.get(trail).text
    assert "moves desks" not in support.get(trail).text
