"""Verbs: register, sign in and out, change profile or password, suspend and reactivate; change what a tier may do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit
from core.contacts import e164, mailbox
from core.transitions import advance
from customers import guesses, passwords
from customers.errors import (
    AlreadyRegistered,
    BusinessStaysOne,
    CountryNotOpen,
    DayPassed,
    InvalidCredentials,
    LimitsOutOfOrder,
    PasswordNeeded,
    RuleExists,
    SessionNotFound,
    WrongPassword,
)
from customers.links import refuse_linked
from customers.models import ONE_PERSON, Country, Customer, Session, Suspension, TierLimit
from customers.tokens import Tokens, end_sessions, start_session
from staff.errors import ApprovalNeeded
from staff.models import User
from staff.roles import Role

REINSTATES = "customers.approve_reinstatement"  # who may end what is compliance's, and decide it for others
UNUSABLE_PASSWORD = make_password(None)  # nobody signs in with it
CONTACT_FIELDS = frozenset({"email", "phone_number"})  # whoever holds them can sign in and is found by payers


def register(
    *, full_name: str, email: str, phone_number: str, country: str, account_type: str, password: str
) -> Customer:
    """A new active customer on tier 0. Joins the caller's atomic block, where the first wallet is opened too.

    Args:
        email, phone_number: as ``core.contacts.mailbox`` and ``e164`` give them.
        country: ISO 3166 code of an open country.
        account_type: one of ``AccountType``.
    Raises: CountryNotOpen, WeakPassword, AlreadyRegistered, TooManyAttempts, SignInUnavailable.

    A taken number must be told, since a free one answers with tokens. So that nobody reads our customer list that way:
    the answer is the same for either field, the hash is made before looking, and each refusal counts as a wrong guess
    of the client's address (`guesses.py`). Follow with ``tokens.start_session(customer)`` to sign the customer in.
    """
    home = Country.objects.filter(code=country.upper(), is_open=True).first()
    if home is None:
        raise CountryNotOpen(f"We are not open in {country[:2]}.", country=country)
    passwords.check_choice(password, personal=[email, phone_number, full_name])
    guesses.count_guess()
    customer = Customer(
        full_name=full_name,
        email=email,
        phone_number=phone_number,
        country=home,
        account_type=account_type,
        password=make_password(password),
    )
    save_contacts(customer, force_insert=True)
    audit.record(actor=customer, action="register", subject=customer)
    guesses.forgive()
    return customer


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who comes from another system and was identified there; fields as `register` takes them.

    ``password``: an argon2id hash, or empty for somebody who cannot sign in yet.
    """

    full_name: str
    email: str
    phone_number: str
    account_type: str
    password: str = ""


def register_many(newcomers: Sequence[Newcomer], *, country: str, tier: int, actor: Any) -> tuple[dict[str, UUID], int]:
    """Register those who are not here yet, known by their e-mail address; ids of all by address, and how many are new.

    The same few statements and one line of audit, whatever their number, in the caller's atomic block. Who is here
    already stays as they are.
    Raises: CountryNotOpen, AlreadyRegistered (a phone number that belongs to another address).
    """
    emails = [newcomer.email for newcomer in newcomers]
    known = ids_by_email(emails)
    rows = [
        Customer(
            full_name=newcomer.full_name,
            email=newcomer.email,
            phone_number=newcomer.phone_number,
            country_id=country,
            account_type=newcomer.account_type,
            tier=tier,
            password=newcomer.password or UNUSABLE_PASSWORD,
        )
        for newcomer in sorted(newcomers, key=lambda newcomer: newcomer.email)  # in one order: rivals cannot deadlock
        if newcomer.email not in known
    ]
    if not rows:
        return known, 0
    home = Country.objects.filter(code=country, is_open=True).first()
    if home is None:
        raise CountryNotOpen(f"We are not open in {country[:2]}.", country=country)
    Customer.objects.bulk_create(rows, ignore_conflicts=True)
    known |= ids_by_email([row.email for row in rows])
    if len(known) < len(set(emails)):
        raise AlreadyRegistered("One of the phone numbers belongs to somebody else.")
    after = {"count": len(rows), "tier": tier, "first": str(rows[0].pk), "last": str(rows[-1].pk)}
    audit.record(actor=actor, action="register_many", subject=home, after=after)
    return known, len(rows)


def ids_by_email(emails: Sequence[str]) -> dict[str, UUID]:
    return dict(Customer.objects.filter(email__in=emails).values_list("email", "pk"))


def save_contacts(customer: Customer, **how: Any) -> None:
    """Save a row whose number or address may be taken. Raises: AlreadyRegistered."""
    try:
        with db_transaction.atomic():
            customer.save(**how)
    except IntegrityError as exc:
        others = Customer.objects.exclude(pk=customer.pk)
        if others.filter(email=customer.email).exists() or others.filter(phone_number=customer.phone_number).exists():
            raise AlreadyRegistered() from exc
        raise


def sign_in(username: str, password: str, *, user_agent: str = "") -> Tokens:
    """Sign in by phone number or e-mail address.

    Known or not, one guess is counted and one hash evaluated, and the refusal is the same. Both ways of naming an
    account count as that account.
    Raises: InvalidCredentials, TooManyAttempts, SignInUnavailable; CustomerSuspended only for the right password.
    Locks: the customer, so that a suspension that lands meanwhile is seen, or ends this session too.
    """
    identifier = e164(username) or mailbox(username) or username
    column = "email" if "@" in identifier else "phone_number"
    customer = Customer.objects.filter(**{column: identifier}).first()
    account = customer.principal if customer else identifier
    guesses.count_guess(account)
    correct = passwords.is_correct(password, customer)
    if customer is None or not correct:
        raise InvalidCredentials()
    guesses.forgive(account)
    with db_transaction.atomic():
        tokens = start_session(locked(customer.id), user_agent=user_agent)
        audit.record(actor=customer, action="sign_in", subject=customer)
    return tokens


def locked(customer_id: UUID) -> Customer:
    """The row, locked against other changes but not against rows that point to it. Joins the caller's atomic block."""
    return Customer.objects.select_for_update(no_key=True).get(pk=customer_id)


def sign_out(customer_id: UUID, session_id: UUID) -> None:
    """End the session; nothing happens when it has ended already."""
    with db_transaction.atomic():
        if end_sessions(customer_id, because="signed out", only=session_id):
            audit.record(actor=Customer(pk=customer_id), action="sign_out", subject=Session(pk=session_id))


def end_session(customer_id: UUID, session_id: UUID) -> None:
    """End one of the customer's sessions from another. Raises: SessionNotFound, for strangers' and ended ones too."""
    with db_transaction.atomic():
        if not end_sessions(customer_id, because="ended by the customer", only=session_id):
            raise SessionNotFound()
        audit.record(actor=Customer(pk=customer_id), action="end_session", subject=Session(pk=session_id))


def update_profile(customer_id: UUID, changes: dict[str, str], *, current_password: str | None = None) -> Customer:
    """Change some of full_name, account_type, email, phone_number.

    Raises: PasswordNeeded and WrongPassword when the number or the address changes, BusinessStaysOne,
    AlreadyRegistered, TooManyAttempts. Locks: the customer.
    """
    customer = Customer.objects.get(pk=customer_id)
    changes = {name: value for name, value in changes.items() if getattr(customer, name) != value}
    reachable_elsewhere = bool(CONTACT_FIELDS & changes.keys())
    if reachable_elsewhere:
        if current_password is None:
            raise PasswordNeeded()
        confirm_password(customer, current_password)
    with db_transaction.atomic():
        customer = locked(customer_id)
        if customer.is_business and changes.get("account_type") in ONE_PERSON:
            raise BusinessStaysOne()
        before = {name: getattr(customer, name) for name in changes}
        for name, value in changes.items():
            setattr(customer, name, value)
        if changes:
            save_contacts(customer, update_fields=[*changes, "updated_at"])
            audit.record(actor=customer, action="update_profile", subject=customer, before=before, after=changes)
    if reachable_elsewhere:  # only now: a taken number counts as a wrong guess, as it does at registration
        guesses.forgive(customer.principal)
    return customer


def confirm_password(customer: Customer, password: str) -> None:
    """The signed-in customer shows who they are once more. The guess stays counted; forgive it when all is done.

    Raises: WrongPassword, TooManyAttempts, SignInUnavailable.
    """
    guesses.count_guess(customer.principal)
    if not passwords.is_correct(password, customer):
        raise WrongPassword()


def change_password(customer_id: UUID, *, session_id: UUID, current_password: str, new_password: str) -> None:
    """Every other session ends. Raises: WrongPassword, WeakPassword, TooManyAttempts. Locks: the customer."""
    customer = Customer.objects.get(pk=customer_id)
    confirm_password(customer, current_password)
    guesses.forgive(customer.principal)
    passwords.check_choice(new_password, personal=[customer.email, customer.phone_number, customer.full_name])
    encoded = make_password(new_password)
    with db_transaction.atomic():
        customer = locked(customer_id)
        customer.password = encoded
        customer.save(update_fields=["password", "updated_at"])
        end_sessions(customer_id, because="password changed", but=session_id)
        audit.record(actor=customer, action="change_password", subject=customer)


def suspend_customer(
    customer: Customer, *, actor: Any, reason: str, cause: str = Suspension.Cause.OTHER, checker: User | None = None
) -> Customer:
    """No sign-in and no movement of money until reactivated; every session ends. Returns the row as it is now.

    Args:
        cause: what kind of trouble it is. Who is suspended by compliance, or for what is theirs to judge, is let back
            in by compliance.
        checker: the second person, who has approved it where staff are linked to the customer.
    Raises: IllegalTransition, LinkedCustomer. Locks: the customer.
    """
    cause = Suspension.Cause(cause)
    refuse_linked(actor, checker, customer.pk)
    with db_transaction.atomic():
        customer = locked(customer.pk)
        recorded = {"cause": cause} | ({"approved_by": checker.principal} if checker else {})
        advance(customer.suspend, actor=actor, reason=reason, recorded=recorded)
        Suspension.objects.create(
            customer=customer, cause=cause, reason=reason, placed_by=audit.actor_name(actor),
            placed_role=audit.role_of(actor),
        )  # fmt: skip
        end_sessions(customer.pk, because="suspended")
    return customer


def reactivate_customer(customer: Customer, *, actor: Any, reason: str, checker: User | None = None) -> Customer:
    """Back to normal; the customer signs in anew.

    Args:
        checker: the second person, who has approved it. Where the suspension is compliance's, they are of compliance.
    Raises: IllegalTransition, LinkedCustomer, ApprovalNeeded. Locks: the customer.
    """
    refuse_linked(actor, checker, customer.pk)
    with db_transaction.atomic():
        customer = locked(customer.pk)
        suspension = open_suspension(customer.pk)
        if why := why_compliance(suspension, checker or actor):
            raise ApprovalNeeded(why)
        advance(
            customer.reactivate, actor=actor, reason=reason,
            recorded={"approved_by": checker.principal} if checker else None,
        )  # fmt: skip
        if suspension:
            suspension.ended_at, suspension.ended_by = timezone.now(), audit.actor_name(actor)
            suspension.end_reason = reason
            suspension.save(update_fields=["ended_at", "ended_by", "end_reason"])
    return customer


def open_suspension(customer_id: UUID) -> Suspension | None:
    """The one that counts now; None for who is active, and for who came suspended from elsewhere."""
    return Suspension.objects.filter(customer=customer_id, ended_at=None).first()


def why_compliance(suspension: Suspension | None, decider: Any) -> str:
    """Why it is not for ``decider`` to end this suspension, in words; empty if it is."""
    if suspension is None or not suspension.is_of_compliance or not isinstance(decider, User):
        return ""
    if decider.has_perm(REINSTATES):
        return ""
    if suspension.placed_role == Role.COMPLIANCE:
        return "Compliance suspended them, so compliance decides whether they come back."
    return f"Compliance decides whether they come back. Why they were suspended: {suspension.get_cause_display()}."


# --- What a tier may do -----------------------------------------------------------------------------------------------


def add_tier_limit(
    *, country: str | None, currency: str, tier: int, per_movement: int | None, per_day: int | None,
    per_month: int | None, balance: int | None, effective_from: date, source: str, actor: Any,
    checker: User | None = None, reason: str = "",
) -> TierLimit:  # fmt: skip
    """From a day on a tier may do this much in one currency: a new row; the old one stays.

    Args:
        country: ISO 3166 code; None is everywhere that has no row of its own.
        per_movement, per_day, per_month, balance: minor units; None is unlimited.
        checker: the second person, who has approved it (`approvals.py`); no member of staff does it alone.
    Raises: ApprovalNeeded, DayPassed, LimitsOutOfOrder, RuleExists.
    """
    if checker is None and isinstance(actor, User):
        raise ApprovalNeeded("Limits are changed by two people.")
    check_limits(per_movement=per_movement, per_day=per_day, per_month=per_month, balance=balance)
    check_day(effective_from)
    row = TierLimit(
        country_id=country, currency=currency, tier=tier, per_movement=per_movement, per_day=per_day,
        per_month=per_month, balance=balance, effective_from=effective_from, source=source,
    )  # fmt: skip
    try:
        with db_transaction.atomic():
            row.save(force_insert=True)
            after = {"country": country, "currency": currency, "tier": tier, "effective_from": str(effective_from)}
            after |= {"per_movement": per_movement, "per_day": per_day, "per_month": per_month, "balance": balance}
            after |= {"approved_by": checker.principal} if checker else {}
            audit.record(actor=actor, action="add_tier_limit", subject=row, after=after, reason=reason)
    except IntegrityError as exc:
        if "tier_limit_once" not in str(exc):
            raise
        raise RuleExists(f"Another limit begins on {effective_from:%-d %b %Y}.") from exc
    return row


def check_limits(**limits: int | None) -> None:
    """Raises: LimitsOutOfOrder."""
    if any(limit is not None and limit <= 0 for limit in limits.values()):
        raise LimitsOutOfOrder("A limit is above zero. To stop a tier altogether, suspend or freeze.")
    growing = [limits[name] for name in ("per_movement", "per_day", "per_month")]
    known = [limit for limit in growing if limit is not None]
    if known != sorted(known):
        raise LimitsOutOfOrder("At once at most what may move in a day, in a day at most what may move in a month.")


def check_day(day: date) -> None:
    """Raises: DayPassed. By UTC: further east the day has begun, further west it has yet to."""
    if day < datetime.now(UTC).date():
        raise DayPassed(f"{day:%-d %b %Y} has passed.")
