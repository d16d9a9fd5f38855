"""S22, S23, S24: one administrator alone is never two people. Whatever of staff's accounts they may touch is written
here, from the registry and from the services, with what it can do without anybody else; what is new fails until it is.

Being somebody else takes their password and their second factor, or a mailbox where links go. So after each act alone
nobody knows more of the colleague's than before, and nobody has got more rights.
"""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from staff import approvals, letters, services
from staff.errors import ApprovalNeeded, NotYourself, OwnRequest
from staff.models import Approval, Letter, Totp, User
from staff.roles import Role
from tests.admin.conftest import PASSWORD, client_of, code_of, member
from tests.factories import fresh

# Dialogs about a colleague, or a new one: how each is filled in, and what changes of the colleague at once.
FILLED: dict[str, tuple[dict[str, str], set[str]]] = {
    "create": ({"username": "kato", "full_name": "Kato", "email": "k@example.com", "role": "administrator"}, set()),
    "set_role": ({"role": "administrator"}, set()),
    "set_email": ({"email": "mine@example.com"}, set()),
    "send_password_link": ({}, {"password"}),  # none, until they choose one
    "reset_factor": ({}, set()),
    "lift_lockout": ({}, set()),
    "deactivate": ({}, {"password", "is_active"}),
    "reactivate": ({}, set()),
}
# Services that write an account: who may call them alone.
TAKES_TWO = {"create_staff", "set_role", "set_email", "reactivate", "reset_factor"}
ALONE = {"deactivate", "send_password_link", "end_session", "lift_lockout"}
ONESELF = {"choose_password", "changed_own_password", "signed_out", "record_sign_in", "check_password"}
SERVER = {"reset_password", "clear_sessions"}  # no actor: the command line, the clock
RULES = {"refuse_unless_manager", "refuse_alone", "approved_by", "refuse_without_administrator", "lock", "known",
         "checked", "new_password", "user_name", "count_guess", "end_sessions", "locked_for"}  # fmt: skip


@pytest.fixture
def ada(staff: dict[str, User]) -> User:
    return staff[Role.ADMINISTRATOR]


@pytest.fixture
def grace(staff: dict[str, User]) -> User:
    code_of("support")
    return staff[Role.SUPPORT]


def keys_of(user: User) -> dict[str, Any]:
    """All that makes somebody them, and what they may do."""
    row = fresh(user)
    return {
        "password": row.password, "is_active": row.is_active, "role": row.role, "email": row.email,
        "totp": bytes(Totp.objects.get(user=user).secret), "passkeys": list(user.passkeys.values()),
        "recovery codes": list(user.recovery_codes.values("digest", "used_at")),
    }  # fmt: skip


def dialogs() -> set[str]:
    one: Any = admin.site._registry[User]
    found = (*one._get_base_actions_detail(), *one._get_base_actions_list())
    return {action.method.original_function_name for action in found}


def test_every_dialog_and_every_service_has_a_row() -> None:
    ours = {
        name for name, one in inspect.getmembers(services, inspect.isfunction) if one.__module__ == "staff.services"
    }

    assert dialogs() == set(FILLED)
    assert ours == TAKES_TWO | ALONE | ONESELF | SERVER | RULES


@pytest.mark.parametrize("name", FILLED)
def test_after_each_dialog_one_administrator_knows_no_more_and_nobody_may_more(
    ada: User, grace: User, mailoutbox: list[Any], name: str
) -> None:
    if name == "reactivate":
        services.deactivate(grace, reason="x", actor=None)
    if name == "lift_lockout":
        lock_out(grace)
    client, before, people = client_of(ada), keys_of(grace), set(User.objects.values_list("pk", flat=True))
    form, changes = FILLED[name]

    url = reverse(f"admin:staff_user_{name}", args=[] if name == "create" else [grace.pk])
    answer = client.post(url, {"reason": "because", **form}, follow=True)
    letters.send_due()

    assert 'role="alert"' not in answer.text and "errorlist" not in answer.text, answer.text[-3000:]
    assert {key for key, value in keys_of(grace).items() if value != before[key]} == changes
    assert fresh(grace).password[0] == "!" or "password" not in changes, "what changed, nobody knows: it is none"
    assert set(User.objects.values_list("pk", flat=True)) == people
    told = answer.text + str([(one.to, one.body) for one in mailoutbox if grace.email not in one.to])
    assert "/new-password/" not in told
    if not changes - {"password"} and name != "lift_lockout" and name != "send_password_link":
        assert Approval.objects.get().state == "open", "it was asked for, and nothing has happened"


def lock_out(user: User) -> None:
    for _ in range(5):
        Client().post("/admin/login/", {"username": user.username, "password": "wrong"})


def call(name: str, user: User, **who: Any) -> None:
    fields: dict[str, dict[str, Any]] = {
        "create_staff": {"username": "kato", "full_name": "K", "role": "administrator", "email": "k@example.com"},
        "set_role": {"user": user, "role": "administrator", "reason": "x"},
        "set_email": {"user": user, "email": "mine@example.com", "reason": "x"},
        "reactivate": {"user": user, "reason": "x"},
        "reset_factor": {"user": user, "reason": "x"},
        "deactivate": {"user": user, "reason": "x"},
        "send_password_link": {"user": user, "reason": "x"},
        "lift_lockout": {"user": user, "reason": "x"},
    }
    getattr(services, name)(**fields[name], **who)


@pytest.mark.parametrize("name", sorted(TAKES_TWO))
def test_services_refuse_one_person_in_every_disguise(
    ada: User, grace: User, staff: dict[str, User], name: str
) -> None:
    if name == "reactivate":
        User.objects.filter(pk__in=[grace.pk, ada.pk]).update(is_active=False)
        grace.is_active = False
    ada.is_active = True
    before = keys_of(grace)

    for who in ({"actor": ada}, {"actor": ada, "checker": None}, {"actor": ada, "checker": ada}):
        with pytest.raises(ApprovalNeeded):
            call(name, grace, **who)
    if name != "create_staff":
        with pytest.raises(NotYourself):
            call(name, ada, actor=ada, checker=staff[Role.COMPLIANCE])
        with pytest.raises(NotYourself):
            call(name, grace, actor=ada, checker=grace)
    assert keys_of(grace) == before


@pytest.mark.parametrize("name", sorted(ALONE - {"end_session"}))
def test_what_one_may_do_alone_is_never_about_oneself(ada: User, name: str) -> None:
    code_of("administrator")
    before = keys_of(ada)

    with pytest.raises(NotYourself):
        call(name, ada, actor=ada)

    assert keys_of(ada) == before


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("new_staff", lambda user: {"username": "kk", "full_name": "K", "email": "k@example.com", "role": "finance"}),
        ("role", lambda user: {"user": user.pk, "role": "administrator"}),
        ("staff_email", lambda user: {"user": user.pk, "email": "mine@example.com"}),
        ("factor_reset", lambda user: {"user": user.pk}),
        ("readmission", lambda user: {"user": user.pk}),
    ],
)
def test_who_asks_decides_neither_in_the_program_nor_in_the_database(
    ada: User, grace: User, operation: str, params: Callable[[User], dict[str, Any]]
) -> None:
    if operation == "readmission":
        services.deactivate(grace, reason="x", actor=None)
    asked = approvals.request_approval(operation, params(grace), maker=ada, reason="x")
    before = keys_of(grace)

    with pytest.raises(OwnRequest):
        approvals.approve(asked.pk, actor=ada)
    with pytest.raises(IntegrityError, match="approval_by_another"), transaction.atomic():
        Approval.objects.filter(pk=asked.pk).update(state="approved", checker=ada, decided_at=now())

    assert keys_of(grace) == before and not User.objects.filter(username="kk").exists()


def test_every_operation_on_accounts_is_among_them() -> None:
    named = {name for name, one in approvals.operations().items() if one.check == "staff.approve_access"}

    assert named == {"new_staff", "role", "staff_email", "factor_reset", "readmission"}


def test_one_mailbox_is_one_persons(ada: User, grace: User) -> None:
    """Else links for a second account would go to the first one's owner."""
    for params in (
        {"username": "kk", "full_name": "K", "email": ada.email.upper(), "role": "compliance"},
        {"username": "kk", "full_name": "K", "email": grace.email, "role": "compliance"},
    ):
        with pytest.raises(services.StaffEmailTaken):
            approvals.request_approval("new_staff", params, maker=ada, reason="x")
    with pytest.raises(services.StaffEmailTaken):
        approvals.request_approval("staff_email", {"user": grace.pk, "email": ada.email}, maker=ada, reason="x")
    with pytest.raises(IntegrityError, match="staff_email_of_one"), transaction.atomic():
        User.objects.filter(pk=grace.pk).update(email=ada.email.upper())


def test_the_whole_way_an_administrator_would_go_ends_at_the_colleagues_mailbox(
    ada: User, grace: User, staff: dict[str, User], mailoutbox: list[Any]
) -> None:
    """A link for the colleague, the reset of their factor waved through by somebody who trusts: still not them."""
    client, compliance = client_of(ada), staff[Role.COMPLIANCE]
    client.post(reverse("admin:staff_user_send_password_link", args=[grace.pk]), {"reason": "x"})
    client.post(reverse("admin:staff_user_reset_factor", args=[grace.pk]), {"reason": "x"})
    approvals.approve(Approval.objects.get().pk, actor=compliance)
    letters.send_due()

    assert {tuple(one.to) for one in mailoutbox if "/new-password/" in one.body} == {(grace.email,)}
    for password in ("", PASSWORD, fresh(grace).password):
        stranger = Client()
        assert stranger.post("/admin/login/", {"username": "support", "password": password}).status_code == 200
        assert stranger.get("/admin/enrol/").status_code == 302
    assert Letter.objects.filter(user=ada, kind="password").count() == 0


def test_this_test_would_see_a_password_that_is_shown(ada: User, grace: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a service that sets a password somebody knows."""
    second = member(Role.ADMINISTRATOR, "second")
    code_of("second")
    before = keys_of(second)

    services.reset_password(second, reason="x")

    assert keys_of(second) != before and fresh(second).has_usable_password()
