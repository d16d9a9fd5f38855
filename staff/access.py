"""What a second person approves of staff: who gets in, who comes back, who has which role and which address, whose
second factor is lost (`approvals.py`).

Whoever it is about neither asks for it nor decides it, so that nobody's own rights grow by their own hand.
"""

from abc import abstractmethod
from typing import Any

from core.contacts import mailbox
from staff import second_factor, services
from staff.approvals import About, Fact, Operation, Preview, Row
from staff.errors import (
    AlreadyActive,
    AlreadyInactive,
    BadStaffEmail,
    NoStaffEmail,
    NothingEnrolled,
    NotYourself,
    SameEmail,
    SameRole,
    StaffEmailTaken,
    StaffNotFound,
    UserNameTaken,
)
from staff.models import Approval, User
from staff.roles import PURPOSE, RIGHTS, Role


class OnStaff(Operation):
    """Something done to a colleague's account. ``params``: user (id), and what the operation adds."""

    request = "staff.manage"
    check = "staff.approve_access"
    of_colleagues = True

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        user = self.user({"user": int(params["user"])})
        return {"user": user.pk}

    def user(self, params: dict[str, Any]) -> User:
        user = User.objects.filter(pk=params["user"]).first()
        if user is None:
            raise StaffNotFound()
        return user

    def lock(self, params: dict[str, Any]) -> None:
        services.lock(self.user(params))

    def about(self, params: dict[str, Any]) -> About:
        user = self.user(params)
        return About(title=self.says(user, params), subject=row_of(user))

    @abstractmethod
    def says(self, user: User, params: dict[str, Any]) -> str: ...

    def refuse_for_oneself(self, approval: Approval, checker: User) -> User:
        """The user, if it is about neither of the two."""
        user = self.user(approval.params)
        if user.pk in (approval.maker_id, checker.pk):
            raise NotYourself("It is about one of the two who would decide it.")
        return user


def row_of(user: User) -> Row:
    return Row("staff.user", str(user.pk), f"{user} ({user.username})")


def gains(role: str, before: str = "") -> list[Fact]:
    """What somebody with this role may do that ``before`` could not, and the other way round, in words."""
    rights = [right for group in RIGHTS.values() for right in group]
    more = [right.words for right in rights if right.given_to(role) and not right.given_to(before)]
    less = [right.words for right in rights if right.given_to(before) and not right.given_to(role)]
    facts = [Fact("Role", f"{Role(before).label} → {Role(role).label}" if before else Role(role).label)]
    facts.append(Fact("It is for", PURPOSE[Role(role)]))
    if more:
        facts.append(Fact("May then" if not before else "May then also", "; ".join(more)))
    if less:
        facts.append(Fact("May no longer", "; ".join(less)))
    return facts


class NewStaff(Operation):
    """A new member of staff. ``params``: username, full_name, email (a link to choose a password goes there), role."""

    name = "new_staff"
    title = "New member of staff"
    request = "staff.manage"
    check = "staff.approve_access"
    of_colleagues = True

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        said = {name: " ".join(str(params.get(name, "")).split()) for name in ("username", "full_name", "email")}
        said |= {"username": services.user_name(said["username"]), "email": address(said["email"])}
        return said | {"role": services.known(str(params["role"]))}

    def about(self, params: dict[str, Any]) -> About:
        title = f"Let {params['full_name']} ({params['username']}) in as {Role(params['role']).label.lower()}"
        return About(title=title, subject=Row("", "", f"{params['full_name']} (new)"), slot=params["username"])

    def preview(self, params: dict[str, Any]) -> Preview:
        if User.objects.filter(username=params["username"]).exists():
            raise UserNameTaken()
        refuse_taken(params["email"])
        facts = [Fact("User name", params["username"]), Fact("Full name", params["full_name"])]
        facts += [Fact("E-mail", params["email"]), *gains(params["role"])]
        context = [Fact("Password", "they choose one; a link for it goes to their address")]
        for other in User.objects.filter(full_name__iexact=params["full_name"]).order_by("username"):
            context.append(Fact("Of the same name", f"{other.username}, {other.get_role_display()}"))
        return Preview(facts=facts, context=context)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        user, _ = services.create_staff(
            **approval.params, reason=approval.reason, actor=approval.maker, checker=checker
        )
        return row_of(user)


def address(text: str) -> str:
    """Raises: BadStaffEmail."""
    if (found := mailbox(text)) is None:
        raise BadStaffEmail()
    return found


def refuse_taken(email: str) -> None:
    """Raises: StaffEmailTaken."""
    if User.objects.filter(email__iexact=email).exists():
        raise StaffEmailTaken()


class RoleChange(OnStaff):
    """Another role for a colleague. ``params``: user (id), role."""

    name = "role"
    title = "Change of a role"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return super().clean(params) | {"role": services.known(str(params["role"]))}

    def says(self, user: User, params: dict[str, Any]) -> str:
        return f"Make {user} {Role(params['role']).label.lower()}"

    def preview(self, params: dict[str, Any]) -> Preview:
        user = self.user(params)
        if not user.is_active:
            raise AlreadyInactive()
        if user.role == params["role"]:
            raise SameRole()
        facts = [Fact("User name", user.username), Fact("Full name", user.full_name)]
        return Preview(facts=facts + gains(params["role"], user.role))

    def apply(self, approval: Approval, *, checker: User) -> Row:
        user = self.refuse_for_oneself(approval, checker)
        services.set_role(
            user, role=approval.params["role"], reason=approval.reason, actor=approval.maker, checker=checker
        )
        return row_of(user)


class Readmission(OnStaff):
    """Access again for somebody whose access had ended. ``params``: user (id)."""

    name = "readmission"
    title = "Letting somebody back in"

    def says(self, user: User, params: dict[str, Any]) -> str:
        return f"Let {user} back in as {user.get_role_display().lower()}"

    def preview(self, params: dict[str, Any]) -> Preview:
        user = self.user(params)
        if user.is_active:
            raise AlreadyActive()
        if not user.email:
            raise NoStaffEmail()
        facts = [Fact("User name", user.username), Fact("Full name", user.full_name), Fact("E-mail", user.email)]
        note = "they choose one; a link for it goes to their address"
        return Preview(facts=facts + gains(user.role), context=[Fact("Password", note)])

    def apply(self, approval: Approval, *, checker: User) -> Row:
        user = self.refuse_for_oneself(approval, checker)
        services.reactivate(user, reason=approval.reason, actor=approval.maker, checker=checker)
        return row_of(user)


class EmailChange(OnStaff):
    """Another address for a colleague: links to choose a password go there. ``params``: user (id), email."""

    name = "staff_email"
    title = "Change of an e-mail address"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return super().clean(params) | {"email": address(str(params["email"]))}

    def says(self, user: User, params: dict[str, Any]) -> str:
        return f"Change the e-mail address of {user}"

    def preview(self, params: dict[str, Any]) -> Preview:
        user = self.user(params)
        if user.email == params["email"]:
            raise SameEmail()
        refuse_taken(params["email"])
        facts = [
            Fact("User name", user.username),
            Fact("Full name", user.full_name),
            Fact("E-mail", f"{user.email or 'none'} → {params['email']}"),
            Fact("Afterwards", "links to choose a password go there: make sure that it is theirs"),
        ]
        return Preview(facts=facts)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        user = self.refuse_for_oneself(approval, checker)
        services.set_email(
            user, email=approval.params["email"], reason=approval.reason, actor=approval.maker, checker=checker
        )
        return row_of(user)


class FactorReset(OnStaff):
    """Taking off the second factor of somebody who lost it, recovery codes included. ``params``: user (id)."""

    name = "factor_reset"
    title = "Reset of a second factor"

    def says(self, user: User, params: dict[str, Any]) -> str:
        return f"Reset the second factor of {user}"

    def preview(self, params: dict[str, Any]) -> Preview:
        user = self.user(params)
        have = second_factor.factors_of(user)
        if not have.is_enrolled:
            raise NothingEnrolled()
        facts = [
            Fact("User name", user.username),
            Fact("Full name", user.full_name),
            Fact("Role", user.get_role_display()),
            Fact("App", "is taken off" if have.totp else "none"),
            Fact("Passkeys", ", ".join(one.name for one in have.passkeys) or "none"),
            Fact("Afterwards", "they are signed out, and enrol another one when they sign in with their password"),
        ]
        return Preview(facts=facts, context=[Fact("Recovery codes left", str(have.codes_left))])

    def apply(self, approval: Approval, *, checker: User) -> Row:
        user = self.refuse_for_oneself(approval, checker)
        services.reset_factor(user, reason=approval.reason, actor=approval.maker, checker=checker)
        return row_of(user)


new_staff, role, readmission = NewStaff(), RoleChange(), Readmission()
email, factor_reset = EmailChange(), FactorReset()
