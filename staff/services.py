"""Who may work here: staff come, change roles and go; each act is recorded with its reason. Signing in is here too."""

import secrets
from typing import Any

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from redis import RedisError

from core import audit, guesses
from core.ids import CROCKFORD
from staff.errors import (
    AlreadyActive,
    AlreadyInactive,
    LastAdministrator,
    MayNotManage,
    NotYourself,
    SameRole,
    SignInClosed,
    TooManySignIns,
    UnknownRole,
    UserNameTaken,
    WeakStaffPassword,
    WrongPassword,
)
from staff.models import User
from staff.roles import Role

MANAGE = "staff.manage"
NOBODY = User(pk=0)  # who failed to sign in under a name that nobody has; the name may be a mistyped password


def create_staff(
    *, username: str, full_name: str, role: str, actor: Any, email: str = "", password: str | None = None
) -> tuple[User, str]:
    """Let somebody in. Returns the user and the password, made up when none is given; it is not kept anywhere else.

    Args:
        actor: an administrator, or None for the command line.
    Raises: MayNotManage, UserNameTaken, UnknownRole, WeakStaffPassword.
    """
    refuse_unless_manager(actor)
    role = known(role)
    password = checked(password) if password is not None else new_password()
    try:
        with transaction.atomic():
            user = User.objects.create_user(username.strip(), password, role, full_name=full_name.strip(), email=email)
            audit.record(
                actor=actor, action="create_staff", subject=user, after={"username": user.username, "role": role}
            )
    except IntegrityError as exc:
        raise UserNameTaken() from exc
    return user, password


def set_role(user: User, *, role: str, reason: str, actor: Any) -> None:
    """Give a colleague another role; it holds from their next click.

    Raises: MayNotManage, NotYourself, UnknownRole, SameRole, LastAdministrator.
    Locks: the user, and the active administrators.
    """
    refuse_unless_manager(actor, of=user)
    role = known(role)
    with transaction.atomic():
        locked = lock(user)
        if locked.role == role:
            raise SameRole()
        before, locked.role = locked.role, role
        locked.save(update_fields=["role"])
        refuse_without_administrator(before)
        audit.record(actor=actor, action="set_role", subject=locked, before=before, after=role, reason=reason)
    user.role = role


def deactivate(user: User, *, reason: str, actor: Any) -> None:
    """End a colleague's access at their next click. Their password dies with it, so that no old session comes back.

    Raises: MayNotManage, NotYourself, AlreadyInactive, LastAdministrator.
    Locks: the user, and the active administrators.
    """
    refuse_unless_manager(actor, of=user)
    with transaction.atomic():
        locked = lock(user)
        if not locked.is_active:
            raise AlreadyInactive()
        locked.is_active = False
        locked.set_unusable_password()
        locked.save(update_fields=["is_active", "password"])
        refuse_without_administrator(locked.role)
        audit.record(
            actor=actor, action="deactivate_staff", subject=locked, before="active", after="inactive", reason=reason
        )


def reactivate(user: User, *, reason: str, actor: Any) -> str:
    """Let a colleague back in; returns their new password.

    Raises: MayNotManage, NotYourself, AlreadyActive.
    """
    refuse_unless_manager(actor, of=user)
    password = new_password()
    with transaction.atomic():
        locked = lock(user)
        if locked.is_active:
            raise AlreadyActive()
        locked.is_active = True
        locked.set_password(password)
        locked.save(update_fields=["is_active", "password"])
        audit.record(
            actor=actor, action="reactivate_staff", subject=locked, before="inactive", after="active", reason=reason
        )
    return password


def reset_password(user: User, *, reason: str, actor: Any) -> str:
    """Give a colleague a new password, which ends their sessions; returns it.

    Raises: MayNotManage, NotYourself (one's own is changed with the old one), AlreadyInactive.
    """
    refuse_unless_manager(actor, of=user)
    password = new_password()
    with transaction.atomic():
        locked = lock(user)
        if not locked.is_active:
            raise AlreadyInactive()
        locked.set_password(password)
        locked.save(update_fields=["password"])
        audit.record(actor=actor, action="reset_password", subject=locked, reason=reason)
    return password


# --- Signing in -------------------------------------------------------------------------------------------------


def sign_in(request: HttpRequest | None, username: str, password: str) -> User:
    """The member of staff with this name and password. Each attempt is counted before it is looked at, and recorded.

    Raises: WrongPassword, TooManySignIns, SignInClosed.
    """
    try:
        wait = guesses.take("staff", username)
    except RedisError as exc:
        raise SignInClosed() from exc
    if wait:
        raise TooManySignIns(f"Too many attempts. Wait {-(-wait // 60)} minutes.", retry_after=wait)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        known_user = User.objects.filter(username=username).first()
        audit.record(actor="unknown", action="sign_in_failed", subject=known_user or NOBODY)
        raise WrongPassword()
    guesses.give_back("staff", username)
    audit.record(actor=user, action="sign_in", subject=user)
    return user


def signed_out(user: User) -> None:
    audit.record(actor=user, action="sign_out", subject=user)


def changed_own_password(user: User) -> None:
    audit.record(actor=user, action="change_password", subject=user)


# --- Rules ------------------------------------------------------------------------------------------------------


def refuse_unless_manager(actor: Any, *, of: User | None = None) -> None:
    """None is the command line on the server itself."""
    if actor is None:
        return
    if not actor.has_perm(MANAGE):
        raise MayNotManage()
    if of is not None and of.pk == actor.pk:
        raise NotYourself()


def refuse_without_administrator(role_given_up: str) -> None:
    if (
        role_given_up == Role.ADMINISTRATOR
        and not User.objects.filter(role=Role.ADMINISTRATOR, is_active=True).exists()
    ):
        raise LastAdministrator()


def lock(user: User) -> User:
    """The row as it is now; all active administrators with it, so that two cannot remove each other at once."""
    who = User.objects.filter(role=Role.ADMINISTRATOR, is_active=True) | User.objects.filter(pk=user.pk)
    return next(row for row in who.order_by("pk").select_for_update(no_key=True) if row.pk == user.pk)


def known(role: str) -> str:
    if role not in Role.values:
        raise UnknownRole(f"One of {', '.join(Role.values)}.")
    return role


def checked(password: str) -> str:
    try:
        validate_password(password)
    except ValidationError as exc:
        raise WeakStaffPassword(" ".join(exc.messages)) from exc
    return password


def new_password() -> str:
    """A hundred random bits in four groups that can be typed: ``7k3m9-x0h2q-…``."""
    letters = "".join(secrets.choice(CROCKFORD) for _ in range(20)).lower()
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))
