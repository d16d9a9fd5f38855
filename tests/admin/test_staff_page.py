"""Administrators let people in and out; nobody touches their own role, and one administrator remains."""

from functools import partial
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.html import conditional_escape

from core.admin.places import places
from core.models import AuditRecord
from core.money import grouped
from staff import letters, services
from staff.approvals import approve, operations, request_approval
from staff.errors import (
    AlreadyActive,
    AlreadyInactive,
    ApprovalNeeded,
    LastAdministrator,
    MayNotManage,
    NoStaffEmail,
    NotYourself,
    OddUserName,
    SameEmail,
    SameRole,
    StaffEmailTaken,
    UnknownRole,
    UserNameTaken,
    WeakStaffPassword,
)
from staff.models import Approval, User
from staff.roles import PERMISSIONS, RIGHTS, Role
from tests.admin.conftest import PASSWORD, client_of, member
from tests.admin.test_new_password import choose, link_in
from tests.factories import fresh
from transactions.authority import REVERSES_ALONE, REVERSES_ALONE_A_DAY

NEW = {"username": "kato", "full_name": "Kato Ssali", "email": "kato@example.com", "role": "support", "reason": "joins"}


@pytest.fixture
def compliance(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.COMPLIANCE])


def action(name: str, user: User) -> str:
    return reverse(f"admin:staff_user_{name}", args=[user.pk])


def decide(client: Client) -> Any:
    """Approve what waits, through its page; the answer."""
    waiting = Approval.objects.get(state="open")
    url = reverse("admin:staff_approval_approve", args=[waiting.pk])
    return client.post(url, {"agreed": waiting.digest, "comment": ""})


def test_two_people_let_somebody_in_who_chooses_a_password_by_a_link_that_nobody_else_sees(
    administrator: Client, compliance: Client, staff: dict[str, User], client: Client, mailoutbox: list[Any]
) -> None:
    administrator.post(reverse("admin:staff_user_create"), {**NEW, "is_superuser": "on", "is_active": ""})
    assert not User.objects.filter(username="kato").exists(), "nothing has effect before"

    answer = decide(compliance)
    letters.send_due()

    kato = User.objects.get(username="kato")
    assert (kato.role, kato.is_active, kato.is_superuser) == (Role.SUPPORT, True, False)
    assert not kato.has_usable_password()
    record = AuditRecord.objects.get(action="create_staff")
    assert record.actor == staff[Role.ADMINISTRATOR].principal
    assert record.after["approved_by"] == staff[Role.COMPLIANCE].principal

    assert record.reason == "joins"
    invited = next(one for one in mailoutbox if one.to == ["kato@example.com"])
    link = link_in(invited)
    assert link not in answer.text
    assert not any(link.rpartition("/")[0] in str(one) for one in AuditRecord.objects.values_list("after"))
    choose(client, link, PASSWORD)
    assert client.post("/admin/login/", {"username": "kato", "password": PASSWORD}).status_code == 302
    assert client.get("/admin/second-factor/").headers["Location"] == "/admin/enrol/"


def test_nobody_decides_about_themselves_nor_what_they_asked_for(
    administrator: Client, compliance: Client, staff: dict[str, User]
) -> None:
    administrator.post(action("set_role", staff[Role.COMPLIANCE]), {"role": "administrator", "reason": "grows"})

    alone = decide(administrator)
    themselves = decide(compliance)

    assert "somebody else decides" in alone.text
    assert "Not for your own account" in themselves.text
    assert User.objects.get(pk=staff[Role.COMPLIANCE].pk).role == Role.COMPLIANCE
    assert Approval.objects.get(state="open").maker == staff[Role.ADMINISTRATOR]


def test_nobody_asks_for_their_own_role_past_the_dialog(staff: dict[str, User]) -> None:
    """The dialog says so before; the operation itself refuses when it is decided."""
    ada = staff[Role.ADMINISTRATOR]
    asked = request_approval("role", {"user": ada.pk, "role": "finance_checker"}, maker=ada, reason="x")

    with pytest.raises(NotYourself):
        approve(asked.pk, actor=staff[Role.COMPLIANCE])
    assert User.objects.get(pk=ada.pk).role == Role.ADMINISTRATOR


def test_what_a_role_brings_is_in_the_request(
    administrator: Client, compliance: Client, staff: dict[str, User]
) -> None:
    administrator.post(action("set_role", staff[Role.SUPPORT]), {"role": "finance_checker", "reason": "moves desks"})
    waiting = Approval.objects.get(state="open")

    page = compliance.get(reverse("admin:staff_approval_change", args=[waiting.pk])).text

    assert "Support → Finance checker" in page
    assert "Decide adjustments" in page
    assert "Suspend customers and let them back in" in page, "what goes is said too"


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


def test_a_role_holds_from_the_next_click_which_asks_to_sign_in(
    administrator: Client, support: Client, compliance: Client, staff: dict[str, User]
) -> None:
    accounts = reverse("admin:ledger_account_changelist")
    assert support.get(accounts).status_code == 403

    administrator.post(action("set_role", staff[Role.SUPPORT]), {"role": "finance", "reason": "moves desks"})
    assert support.get(accounts).status_code == 403
    decide(compliance)

    assert support.get(accounts).status_code == 302, "they sign in anew"
    assert client_of(User.objects.get(username="support")).get(accounts).status_code == 200
    record = AuditRecord.objects.get(action="set_role")
    after = {"role": "finance", "approved_by": staff[Role.COMPLIANCE].principal}
    assert (record.before, record.after, record.reason) == ({"role": "support"}, after, "moves desks")


def test_ending_access_ends_sessions_for_good(
    administrator: Client, support: Client, compliance: Client, staff: dict[str, User]
) -> None:
    administrator.post(action("deactivate", staff[Role.SUPPORT]), {"reason": "left"})
    assert support.get("/admin/").status_code == 302

    administrator.post(action("reactivate", staff[Role.SUPPORT]), {"reason": "came back"})
    assert not User.objects.get(username="support").is_active
    decide(compliance)

    assert support.get("/admin/").status_code == 302, "an old session must not come back to life"
    assert client_of(User.objects.get(username="support")).get("/admin/").status_code == 200
    assert not User.objects.get(username="support").has_usable_password()
    assert staff[Role.SUPPORT].letters.get().kind == "password"


@pytest.mark.parametrize("name", ["set_role", "deactivate", "send_password_link", "set_email", "reactivate"])
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


def test_nobody_has_a_name_that_only_looks_like_a_colleagues(staff: dict[str, User]) -> None:
    with pytest.raises(IntegrityError, match="staff_user_name"), transaction.atomic():
        User.objects.create_user("Support", PASSWORD, Role.SUPPORT, full_name="x")

    asked = {**NEW, "full_name": str(staff[Role.SUPPORT]).upper()}
    shown = operations()["new_staff"].preview(operations()["new_staff"].clean(asked))
    assert ("Of the same name", "support, Support") in [(fact.label, fact.value) for fact in shown.context]
    assert "(kato)" in operations()["new_staff"].about(asked).title


def test_services_refuse_whoever_does_not_manage_staff(staff: dict[str, User]) -> None:
    for role in (Role.SUPPORT, Role.FINANCE):
        for act in (
            lambda actor: services.create_staff(username="xx", full_name="X", role="support", actor=actor),
            lambda actor: services.set_role(staff[Role.ADMINISTRATOR], role="support", reason="x", actor=actor),
            lambda actor: services.deactivate(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
            lambda actor: services.reactivate(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
            lambda actor: services.send_password_link(staff[Role.ADMINISTRATOR], reason="x", actor=actor),
            lambda actor: services.set_email(staff[Role.ADMINISTRATOR], email="x@x.com", reason="x", actor=actor),
        ):
            with pytest.raises(MayNotManage):
                act(staff[role])


def test_services_refuse_what_makes_no_sense(staff: dict[str, User]) -> None:
    ada, support = staff[Role.ADMINISTRATOR], staff[Role.SUPPORT]
    two = {"actor": ada, "checker": staff[Role.COMPLIANCE]}
    new = {"username": "yy", "full_name": "x", "role": "support"}
    reached = {"email": "Support@example.com"}
    refused = [
        (SameRole, lambda: services.set_role(support, role="support", reason="x", **two)),
        (UnknownRole, lambda: services.set_role(support, role="root", reason="x", **two)),
        (AlreadyActive, lambda: services.reactivate(support, reason="x", **two)),
        (NotYourself, lambda: services.set_role(ada, role="support", reason="x", **two)),
        (NotYourself, lambda: services.set_role(staff[Role.COMPLIANCE], role="support", reason="x", **two)),
        (ApprovalNeeded, lambda: services.set_role(support, role="auditor", reason="x", actor=ada)),
        (ApprovalNeeded, lambda: services.set_role(support, role="auditor", reason="x", actor=ada, checker=ada)),
        (ApprovalNeeded, lambda: services.reactivate(support, reason="x", actor=ada)),
        (ApprovalNeeded, lambda: services.create_staff(**new, actor=ada)),
        (UserNameTaken, lambda: services.create_staff(**new | {"username": "support", "email": "y@x.com"}, **two)),
        *(
            (OddUserName, partial(services.create_staff, **new | {"username": odd, "email": "y@x.com"}, **two))
            for odd in ("SUPPORT", "\u0455upport", "a b", "<b>x</b>", "abc\u202edef", "x", "", "-x", "x" * 61)
        ),
        (StaffEmailTaken, lambda: services.create_staff(**new, **reached, **two)),
        (StaffEmailTaken, lambda: services.set_email(staff[Role.FINANCE], **reached, reason="x", **two)),
        (SameEmail, lambda: services.set_email(support, email=support.email, reason="x", **two)),
        (ApprovalNeeded, lambda: services.set_email(support, email="z@x.com", reason="x", actor=ada)),
        (NotYourself, lambda: services.set_email(ada, email="z@x.com", reason="x", **two)),
        (WeakStaffPassword, lambda: services.create_staff(**new, actor=None, password="short")),
    ]
    for error, act in refused:
        with pytest.raises(error):
            act()
    services.deactivate(support, reason="x", actor=ada)
    with pytest.raises(AlreadyInactive):
        services.deactivate(support, reason="x", actor=ada)
    for act in (
        lambda: services.send_password_link(support, reason="x", actor=ada),
        lambda: services.reset_password(support, reason="x"),
    ):
        with pytest.raises(AlreadyInactive):
            act()
    User.objects.filter(pk=support.pk).update(email="")
    with pytest.raises(NoStaffEmail):
        services.reactivate(fresh(support), reason="x", **two)
    with pytest.raises(NoStaffEmail):
        services.create_staff(**new, **two)
    User.objects.filter(pk=support.pk).update(is_active=True)
    with pytest.raises(NoStaffEmail):
        services.send_password_link(support, reason="x", actor=ada)


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
    administrator.post(action("deactivate", staff[Role.FINANCE]), {"reason": "moves desks"})
    trail = reverse("admin:core_auditrecord_changelist")

    assert "moves desks" in administrator.get(trail).text
    assert "Administrator Person" in administrator.get(trail).text
    assert "moves desks" not in support.get(trail).text


@pytest.mark.parametrize("role", Role.values)
def test_everybody_reads_who_may_do_what(staff: dict[str, User], role: str) -> None:
    page = client_of(staff[role]).get(reverse("admin:staff_roles"))

    assert page.status_code == 200
    for words in (right.words for rights in RIGHTS.values() for right in rights):
        assert conditional_escape(words) in page.text
    assert page.context["mine"] == role
    for words in ("Given back alone, of one transaction", "Given back alone, in 24 hours"):
        assert words in page.text
    for sums in (REVERSES_ALONE, REVERSES_ALONE_A_DAY):
        assert f">{grouped(sums[Role.SUPPORT]['KES'], 'KES')}</td>" in page.text


def test_every_permission_that_is_asked_for_is_somebodys_right_and_in_words() -> None:
    """A page, place, action, queue or operation whose permission no role has would be closed to all by mistake."""
    known = {permission for rights in RIGHTS.values() for right in rights for permission in right.permissions}
    asked = {one.permission for one in places()}
    asked |= {permission for one in operations().values() for permission in (one.request, one.check)}
    for model, one in admin.site._registry.items():
        asked.add(f"{model._meta.app_label}.view_{model._meta.model_name}")
        asked |= {
            a.method.allowed_permissions[0] for a in (*one._get_base_actions_detail(), *one._get_base_actions_list())
        }

    assert asked <= known, asked - known
    assert all(right.words and right.roles for rights in RIGHTS.values() for right in rights)


def test_an_auditor_has_every_right_that_only_looks_and_no_other() -> None:
    """But for what is about themselves: their own sign-in, and whom of the customers they know."""
    own = {"staff.end_session", "customers.declare_link"}
    for right in (right for rights in RIGHTS.values() for right in rights):
        assert right.given_to(Role.AUDITOR) == (right.looks or bool(own & right.permissions)), right.words


def test_no_role_asks_for_money_and_decides_it_but_administrators_and_senior_support() -> None:
    """Who asks for what changes books and prices decides none of it; elsewhere `maker <> checker` holds."""
    both = {role for role in Role for one in operations().values() if {one.request, one.check} <= PERMISSIONS[role]}

    assert both == {Role.ADMINISTRATOR, Role.SENIOR_SUPPORT, Role.COMPLIANCE}
    assert not {"transactions.approve_adjustment", "staff.approve"} & PERMISSIONS[Role.FINANCE]
