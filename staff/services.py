"""Who may work here: staff come, change roles and go; each act is recorded with its reason. Signing in is here too."""

import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from redis import RedisError

from core import audit, guesses
from core.ids import CROCKFORD
from core.models import AuditRecord
from staff import letters, second_factor
from staff.errors import (
    AlreadyActive,
    AlreadyInactive,
    ApprovalNeeded,
    LastAdministrator,
    LiftedOften,
    LinkSpent,
    MayNotManage,
    NoStaffEmail,
    NotYourself,
    NotYourSession,
    OddUserName,
    ReasonMissing,
    SameEmail,
    SameRole,
    SignInClosed,
    StaffEmailTaken,
    TooManySignIns,
    UnknownRole,
    UserNameTaken,
    WeakStaffPassword,
    WrongPassword,
)
from staff.models import USER_NAME, Letter, Session, User
from staff.roles import Role
from staff.sessions import live

MANAGE = "staff.manage"
LIFTED_A_DAY = 3  # lockouts of one colleague, by hand
NOBODY = User(pk=0)  # who failed to sign in under a name that nobody has; the name may be a mistyped password


def create_staff(
    *,
    username: str,
    full_name: str,
    role: str,
    actor: Any,
    email: str = "",
    password: str | None = None,
    reason: str = "",
    checker: User | None = None,
) -> tuple[User, str]:
    """Let somebody in. Returns the user and the password, made up when none is given; it is not kept anywhere else.

    Args:
        actor: an administrator, or None for the command line.
        checker: the second person, who has approved it (`access.py`). Who was asked for by an administrator has no
            password: a link to choose one goes to their address, and nobody else ever has it.
    Raises: MayNotManage, ApprovalNeeded, OddUserName, UserNameTaken, StaffEmailTaken, NoStaffEmail, UnknownRole,
    WeakStaffPassword.
    """
    refuse_unless_manager(actor)
    refuse_alone(actor, checker)
    username = user_name(username)
    if actor and not email:
        raise NoStaffEmail("Links to choose a password go there.")
    role = known(role)
    password = checked(password) if password is not None else new_password()
    try:
        with transaction.atomic():
            kept = None if actor else password
            user = User.objects.create_user(username, kept, role, full_name=full_name.strip(), email=email)
            after = {"username": user.username, "role": role, "email": email} | approved_by(checker)
            audit.record(actor=actor, action="create_staff", subject=user, after=after, reason=reason)
            if actor:
                letters.write(user, Letter.Kind.INVITATION)
    except IntegrityError as exc:
        raise (StaffEmailTaken() if "staff_email_of_one" in str(exc) else UserNameTaken()) from exc
    return user, password


def set_email(user: User, *, email: str, reason: str, actor: Any, checker: User | None = None) -> None:
    """Give a colleague another address: that is where links to choose a password go.

    Args:
        checker: the second person, who has approved it (`access.py`).
    Raises: MayNotManage, NotYourself, ApprovalNeeded, SameEmail, StaffEmailTaken.
    Locks: the user.
    """
    refuse_unless_manager(actor, of=user)
    refuse_alone(actor, checker, of=user)
    try:
        with transaction.atomic():
            locked = lock(user)
            before, locked.email = locked.email, email
            if before == email:
                raise SameEmail()
            locked.save(update_fields=["email"])
            audit.record(
                actor=actor, action="set_email", subject=locked, before={"email": before},
                after={"email": email} | approved_by(checker), reason=reason,
            )  # fmt: skip
    except IntegrityError as exc:
        raise StaffEmailTaken() from exc
    user.email = email


def set_role(user: User, *, role: str, reason: str, actor: Any, checker: User | None = None) -> None:
    """Give a colleague another role. Their sessions end, so that they sign in with it.

    Args:
        checker: the second person, who has approved it (`access.py`).
    Raises: MayNotManage, NotYourself, ApprovalNeeded, UnknownRole, SameRole, LastAdministrator.
    Locks: the user, and the active administrators.
    """
    refuse_unless_manager(actor, of=user)
    refuse_alone(actor, checker, of=user)
    role = known(role)
    with transaction.atomic():
        locked = lock(user)
        if locked.role == role:
            raise SameRole()
        before, locked.role = locked.role, role
        locked.save(update_fields=["role"])
        refuse_without_administrator(before)
        end_sessions(locked)
        audit.record(
            actor=actor, action="set_role", subject=locked, before={"role": before},
            after={"role": role} | approved_by(checker), reason=reason,
        )  # fmt: skip
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
        end_sessions(locked)
        audit.record(
            actor=actor, action="deactivate_staff", subject=locked, before={"access": "active"},
            after={"access": "ended"}, reason=reason,
        )  # fmt: skip


def reactivate(user: User, *, reason: str, actor: Any, checker: User | None = None) -> None:
    """Let a colleague back in. They have no password: a link to choose one goes to their address.

    Args:
        checker: the second person, who has approved it (`access.py`).
    Raises: MayNotManage, NotYourself, ApprovalNeeded, AlreadyActive, NoStaffEmail.
    Locks: the user.
    """
    refuse_unless_manager(actor, of=user)
    refuse_alone(actor, checker, of=user)
    if actor and not user.email:
        raise NoStaffEmail()
    with transaction.atomic():
        locked = lock(user)
        if locked.is_active:
            raise AlreadyActive()
        locked.is_active = True
        locked.set_unusable_password()
        locked.save(update_fields=["is_active", "password"])
        audit.record(
            actor=actor, action="reactivate_staff", subject=locked, before={"access": "ended"},
            after={"access": "active"} | approved_by(checker), reason=reason,
        )  # fmt: skip
        if actor:
            letters.write(locked, Letter.Kind.INVITATION)


def send_password_link(user: User, *, reason: str, actor: User) -> None:
    """Have a colleague choose a new password: the old one is dead, they are signed out, and a link goes to their
    address. Nobody else sees it, and who has a second factor proves it there; so none can become somebody else by this.

    Raises: MayNotManage, NotYourself (one's own is changed with the old one), AlreadyInactive, NoStaffEmail.
    Locks: the user.
    """
    refuse_unless_manager(actor, of=user)
    with transaction.atomic():
        locked = lock(user)
        if not locked.is_active:
            raise AlreadyInactive()
        if not locked.email:
            raise NoStaffEmail()
        locked.set_unusable_password()
        locked.save(update_fields=["password"])
        end_sessions(locked)
        audit.record(
            actor=actor, action="send_password_link", subject=locked, before={"signs_in_with": "a password"},
            after={"signs_in_with": "nothing, until they choose one"}, reason=reason,
        )  # fmt: skip
        letters.write(locked, Letter.Kind.INVITATION)


def choose_password(user: User, token: str, password: str) -> None:
    """What the link that went to their address is for: once.

    Raises: LinkSpent, WeakStaffPassword.
    Locks: the user.
    """
    with transaction.atomic():
        locked = lock(user)
        if not locked.is_active or not letters.link_token.check_token(locked, token):
            raise LinkSpent()
        locked.set_password(checked(password, locked))
        locked.save(update_fields=["password"])
        end_sessions(locked)
        audit.record(
            actor=locked, action="choose_password", subject=locked, before={"signs_in_with": "nothing"},
            after={"signs_in_with": "what they chose by the link"},
        )  # fmt: skip


def reset_password(user: User, *, reason: str) -> str:
    """A new password, which ends their sessions; returns it. For the command line on the server itself alone, where
    mail does not work: who sees it could be them.

    Raises: AlreadyInactive. Locks: the user.
    """
    password = new_password()
    with transaction.atomic():
        locked = lock(user)
        if not locked.is_active:
            raise AlreadyInactive()
        locked.set_password(password)
        locked.save(update_fields=["password"])
        end_sessions(locked)
        audit.record(
            actor=None, action="reset_password", subject=locked, before={"signs_in_with": "a password"},
            after={"signs_in_with": "another"}, reason=reason,
        )  # fmt: skip
    return password


def reset_factor(user: User, *, reason: str, actor: Any, checker: User | None = None) -> None:
    """Take off a colleague's second factor, so that they enrol another one when they next sign in.

    Args:
        checker: the second person, who has approved it (`access.py`).
    Raises: MayNotManage, NotYourself, ApprovalNeeded.
    Locks: the user.
    """
    refuse_unless_manager(actor, of=user)
    refuse_alone(actor, checker, of=user)
    with transaction.atomic():
        locked = lock(user)
        before = second_factor.reset(locked)
        end_sessions(locked)
        audit.record(
            actor=actor, action="reset_factor", subject=locked, before=before, after=approved_by(checker), reason=reason
        )


# --- Sessions and lockouts --------------------------------------------------------------------------------------------


def end_sessions(user: User) -> None:
    """Wherever they are signed in, they are out at the next click."""
    Session.objects.filter(user=user).delete()


def end_session(session: Session, *, reason: str, actor: User) -> None:
    """Sign out one browser: one's own, or, for administrators, anybody's with a reason.

    Raises: NotYourSession, ReasonMissing.
    """
    if session.user_id != actor.pk:
        if not actor.has_perm(MANAGE):
            raise NotYourSession()
        if not reason.strip():
            raise ReasonMissing()
    with transaction.atomic():
        session.delete()
        before = {"device": session.device, "ip": session.ip, "since": session.started_at.isoformat()}
        audit.record(
            actor=actor, action="end_session", subject=session.user or actor, before=before, after={"ended": True},
            reason=reason,
        )  # fmt: skip


def clear_sessions() -> int:
    """Drop the rows of sessions that are over, and of those who never finished signing in; how many."""
    now = timezone.now()
    begun = Q(user=None, used_at__gt=now - timedelta(minutes=settings.STAFF_IDLE_MINUTES))
    return Session.objects.exclude(live(now) | begun).delete()[0]


def locked_for(users: Iterable[User]) -> dict[str, int]:
    """User names with too many wrong passwords or codes, and for how many seconds more; none while Valkey is away."""
    names = {user.username: user.principal for user in users}
    try:
        passwords, codes = guesses.waits("staff", names), guesses.waits(second_factor.GUESSES, names.values())
    except RedisError:
        return {}
    found = {name: max(passwords.get(name, 0), codes.get(whose, 0)) for name, whose in names.items()}
    return {name: wait for name, wait in found.items() if wait}


def lift_lockout(user: User, *, reason: str, actor: Any) -> None:
    """Let a colleague try again before the lockout ends by itself; LIFTED_A_DAY times in a day, for each is a handful
    of guesses at their password and code, and who lifts might be who guesses.

    Raises: MayNotManage, NotYourself, LiftedOften, SignInClosed.
    Locks: the user.
    """
    refuse_unless_manager(actor, of=user)
    with transaction.atomic():
        locked = lock(user)
        lately = AuditRecord.objects.filter(
            look=False, subject_type=user._meta.label_lower, subject_id=str(user.pk), action="lift_lockout",
            at__gt=timezone.now() - timedelta(days=1),
        )  # fmt: skip
        if lately.count() >= LIFTED_A_DAY:
            raise LiftedOften()
        before = locked_for([locked])
        try:
            guesses.forget("staff", user.username)
            guesses.forget(second_factor.GUESSES, user.principal)
        except RedisError as exc:
            raise SignInClosed() from exc
        audit.record(
            actor=actor, action="lift_lockout", subject=locked, before={"locked_for_s": before.get(user.username, 0)},
            after={"locked_for_s": 0}, reason=reason,
        )  # fmt: skip


# --- Signing in -------------------------------------------------------------------------------------------------


def check_password(request: HttpRequest | None, username: str, password: str) -> User:
    """The member of staff with this name and password, who may still have to show a second factor.

    Each attempt is counted before it is looked at; a wrong one is recorded.

    Raises: WrongPassword, TooManySignIns, SignInClosed.
    """
    count_guess(username)
    user = authenticate(request, username=username, password=password)
    if not isinstance(user, User):
        whose = User.objects.filter(username=username).first() or NOBODY
        audit.record(actor="unknown", action="sign_in_failed", subject=whose, after={"with": "password"})
        if guesses.are_spent("staff", username):
            audit.record(actor="unknown", action="locked_out", subject=whose, after={"with": "password"})
        raise WrongPassword()
    guesses.give_back("staff", username)
    return user


def record_sign_in(user: User, how: str) -> None:
    audit.record(actor=user, action="sign_in", subject=user, after={"with": how})


def count_guess(username: str) -> None:
    """Raises: TooManySignIns, SignInClosed."""
    try:
        wait = guesses.take("staff", username)
    except RedisError as exc:
        raise SignInClosed() from exc
    if wait:
        raise TooManySignIns(f"Too many attempts. Wait {-(-wait // 60)} minutes.", retry_after=wait)


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


def refuse_alone(actor: Any, checker: User | None, *, of: User | None = None) -> None:
    """What gives rights takes two people, neither of them the one who gets them. None is the command line."""
    if actor is None:
        return
    if checker is None or checker.pk == actor.pk:
        raise ApprovalNeeded()
    if of is not None and of.pk == checker.pk:
        raise NotYourself()


def approved_by(checker: User | None) -> dict[str, str]:
    return {"approved_by": checker.principal} if checker else {}


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


def checked(password: str, user: User | None = None) -> str:
    try:
        validate_password(password, user)
    except ValidationError as exc:
        raise WeakStaffPassword(" ".join(exc.messages)) from exc
    return password


def user_name(text: str) -> str:
    """Raises: OddUserName."""
    if not re.fullmatch(USER_NAME, name := text.strip()) or len(name) > 60:
        raise OddUserName()
    return name


def new_password() -> str:
    """A hundred random bits in four groups that can be typed: ``7k3m9-x0h2q-…``."""
    letters = "".join(secrets.choice(CROCKFORD) for _ in range(20)).lower()
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))
