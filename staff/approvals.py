"""Maker and checker: what one member of staff asks for and another decides. The one mechanism for all of it.

An app above says what can be asked for: an `Operation`, named in ``settings.APPROVAL_OPERATIONS`` as policies are. A
request keeps its parameters and a preview of what it would do. Approving locks the request, makes the preview anew,
refuses when it promises something else, applies and decides, in one database transaction: nothing has effect before.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from core import audit
from core.errors import TekanaError
from core.rounds import each
from staff import letters
from staff.errors import (
    AlreadyTaken,
    ApprovalDecided,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalStale,
    ApprovalWaiting,
    CommentMissing,
    LinkedChecker,
    MakerGone,
    MayNotCheck,
    MayNotRequest,
    NotAChecker,
    NotYourRequest,
    OwnRequest,
    RequestReasonMissing,
    UnknownOperation,
)
from staff.models import Approval, Letter, User
from staff.roles import PERMISSIONS

State = Approval.State
ASK_ANEW = "Reject or withdraw it, so that it can be asked for anew."


class Fact(NamedTuple):
    """A label and what it says, in words."""

    label: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One line that would be posted; minor units of ``currency``. The balance is that of the moment of looking."""

    account: str
    name: str
    side: str
    amount_minor: int
    currency: str
    balance_after_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an operation would do. ``facts`` and ``legs`` (without their balances) are what is asked for and approved;
    ``context`` helps to decide and may change meanwhile: how the recipient stands, what a balance is."""

    facts: list[Fact]
    legs: list[Leg] = field(default_factory=list)
    context: list[Fact] = field(default_factory=list)

    @property
    def digest(self) -> str:
        promised = [(leg.account, leg.side, leg.amount_minor, leg.currency) for leg in self.legs]
        return hashlib.sha256(msgspec.json.encode([self.facts, promised])).hexdigest()

    @property
    def json(self) -> dict[str, Any]:
        legs = [asdict(leg) for leg in self.legs]
        return {"facts": [list(f) for f in self.facts], "legs": legs, "context": [list(f) for f in self.context]}

    @classmethod
    def kept(cls, approval: Approval) -> "Preview":
        """As it was shown when it was asked for."""
        said = approval.preview
        return cls(
            facts=[Fact(*fact) for fact in said["facts"]],
            legs=[Leg(**leg) for leg in said["legs"]],
            context=[Fact(*fact) for fact in said["context"]],
        )


class Row(NamedTuple):
    """A row of ours by name: ``Row("wallets.wallet", id, "KES wallet of …")``."""

    model: str
    id: str
    title: str = ""

    @property
    def key(self) -> str:
        return f"{self.model}:{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a request is about: ``title`` says in a line what is asked for, ``subject`` is the row it is done to, and
    the pages of ``also`` show it too. Of one ``slot`` there is one open request at a time; by default the subject's."""

    title: str
    subject: Row
    also: list[Row] = field(default_factory=list)
    slot: str = ""


class Operation(ABC):
    """Something that needs a second person. Subclasses are stateless; settings name an instance.

    ``request`` and ``check`` are the permissions to ask for it and to decide it. ``of_colleagues``: what it says names
    colleagues by their addresses, which whoever decides has to read; of all others it is masked.
    """

    name: str
    title: str
    request: str
    check: str
    of_colleagues: ClassVar[bool] = False

    @abstractmethod
    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters as they will be kept, plain JSON. Raises: a refusal for what can never be done."""

    @abstractmethod
    def about(self, params: dict[str, Any]) -> About: ...

    @abstractmethod
    def preview(self, params: dict[str, Any]) -> Preview:
        """What `apply` would do now; writes nothing. Raises: the refusal that `apply` would meet."""

    @abstractmethod
    def apply(self, approval: Approval, *, checker: User) -> Row | None:
        """Do it, in the caller's database transaction, for ``approval.maker`` with ``approval.reason``; what came of
        it, to be linked. Raises: refusals, which undo all of it."""

    def lock(self, params: dict[str, Any]) -> None:  # noqa: B027 (few operations have anything to lock)
        """Lock what the preview depends on, so that `apply` does what it says: after the request, before accounts."""


def lock_name(name: str) -> None:
    """For `Operation.lock` where there is no row to lock: others that lock the same name wait until the end of this
    database transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"approval:{name}"])


def operations() -> dict[str, Operation]:
    """Every operation there is, by name."""
    return _operations(tuple(settings.APPROVAL_OPERATIONS))


@cache
def _operations(paths: tuple[str, ...]) -> dict[str, Operation]:
    found: list[Operation] = [import_string(path) for path in paths]
    return {one.name: one for one in found}


def operation_of(name: str) -> Operation:
    """Raises: UnknownOperation."""
    if name not in operations():
        raise UnknownOperation(f"{name} is not registered.")
    return operations()[name]


def checkable_by(user: User) -> list[str]:
    """The names of the operations that this user may decide."""
    return [name for name, one in operations().items() if user.has_perm(one.check)]


def checkers_of(approval: Approval) -> Iterable[User]:
    """Active colleagues who may decide this request, without those who are linked to whom it is about."""
    if approval.operation not in operations():
        return []
    permission = operations()[approval.operation].check
    roles = [role for role, granted in PERMISSIONS.items() if permission in granted]
    rows = User.objects.filter(role__in=roles, is_active=True).exclude(pk=approval.maker_id).order_by("full_name")
    return [user for user in rows if not is_linked(user, approval)]


def linked_rows(user: User) -> set[str]:
    """The rows, as ``Approval.about`` names them, of customers who are this user or linked to them.

    An app above knows: ``settings.LINKED_ROWS`` names its function.
    """
    found: set[str] = import_string(settings.LINKED_ROWS)(user)
    return found


def is_linked(user: User, approval: Approval) -> bool:
    """Whether the request is about somebody this user is linked to. Asked once for a row and a user."""
    known: dict[int, bool] = approval.__dict__.setdefault("_linked", {})
    if user.pk not in known:
        known[user.pk] = not linked_rows(user).isdisjoint(approval.about)
    return known[user.pk]


def why_not_decide(approval: Approval, user: User) -> str:
    """Why this user cannot approve or reject it, in words; empty if they can."""
    if approval.state != State.OPEN:
        return decided(approval)
    if approval.maker_id == user.pk:
        return "You asked for this yourself, so somebody else decides. You can withdraw it."
    if approval.operation not in operations():
        return "Requests of this kind are not decided any more. It is withdrawn, or it expires."
    if not user.has_perm(operations()[approval.operation].check):
        return "Your role does not decide requests of this kind. It waits for a colleague who may."
    if is_linked(user, approval):
        return "It is about you, or somebody you are linked to, so a colleague decides."
    return ""


def decided(approval: Approval) -> str:
    assert approval.decided_at is not None
    return f"It was {approval.get_state_display().lower()} on {approval.decided_at:%-d %b %Y at %H:%M} UTC."


# --- Asking ----------------------------------------------------------------------------------------------------------


def request_approval(name: str, params: dict[str, Any], *, maker: User, reason: str) -> Approval:
    """File a request for a second person; nothing of it has effect.

    Raises: UnknownOperation, MayNotRequest, RequestReasonMissing, ApprovalWaiting (the same waits already), and
    whatever the operation would refuse now.
    """
    operation = operation_of(name)
    if not maker.has_perm(operation.request):
        raise MayNotRequest()
    if not (reason := reason.strip()):
        raise RequestReasonMissing()
    params = operation.clean(params)
    preview, about = operation.preview(params), operation.about(params)
    created_at = timezone.now()
    approval = Approval(
        operation=name, title=about.title, subject_type=about.subject.model, subject_id=about.subject.id,
        subject_title=about.subject.title, about=[row.key for row in (about.subject, *about.also) if row.model],
        slot=about.slot or about.subject.key, params=params, preview=preview.json, digest=preview.digest, maker=maker,
        reason=reason, created_at=created_at, expires_at=created_at + timedelta(hours=settings.APPROVAL_HOURS),
    )  # fmt: skip
    try:
        with transaction.atomic():
            approval.save(force_insert=True)
            after = {"operation": name, "subject": about.subject.key, "params": params}
            audit.record(actor=maker, action="request_approval", subject=approval, after=after, reason=reason)
    except IntegrityError as exc:
        if "approval_one_open" not in str(exc):
            raise
        waiting = Approval.objects.filter(operation=name, slot=approval.slot, state=State.OPEN).first()
        raise ApprovalWaiting(**({"approval_id": str(waiting.pk)} if waiting else {})) from exc
    return approval


# --- Deciding --------------------------------------------------------------------------------------------------------


def approve(approval: UUID, *, comment: str = "", actor: User) -> Approval:
    """Do what was asked for, and mark it approved: both or neither.

    What refuses leaves the request open (an expired one is closed), and the attempt is in the audit trail.

    Raises: ApprovalNotFound, ApprovalDecided, ApprovalExpired, OwnRequest, MayNotCheck, LinkedChecker, MakerGone,
    ApprovalStale, and whatever the operation refuses.
    Locks: the request, what the operation locks, then accounts.
    """

    def do(row: Approval, now: datetime) -> None:
        operation = operation_of(row.operation)
        if not row.maker.has_perm(operation.request):
            raise MakerGone()
        operation.lock(row.params)
        preview = operation.preview(row.params)
        if preview.digest != row.digest:
            raise ApprovalStale()
        result = operation.apply(row, checker=actor)
        row.result = result._asdict() if result else None
        close(row, State.APPROVED, now, actor=actor, comment=comment)

    return _decide(approval, do, actor=actor, attempt="approve")


def reject(approval: UUID, *, comment: str, actor: User) -> Approval:
    """Say no, and why.

    Raises: ApprovalNotFound, ApprovalDecided, ApprovalExpired, OwnRequest, MayNotCheck, LinkedChecker, CommentMissing.
    Locks: the request.
    """

    def do(row: Approval, now: datetime) -> None:
        if not comment.strip():
            raise CommentMissing()
        close(row, State.REJECTED, now, actor=actor, comment=comment)

    return _decide(approval, do, actor=actor, attempt="reject")


def _decide(approval: UUID, do: Callable[[Approval, datetime], None], *, actor: User, attempt: str) -> Approval:
    try:
        with transaction.atomic():
            row, now = _lock_open(approval)
            if now < row.expires_at:
                if row.maker_id == actor.pk:
                    raise OwnRequest()
                if not actor.has_perm(operation_of(row.operation).check):
                    raise MayNotCheck()
                if is_linked(actor, row):
                    raise LinkedChecker()
                do(row, now)
            else:
                close(row, State.EXPIRED, now, actor=None)
        if row.state == State.EXPIRED:
            raise ApprovalExpired()  # after the commit that says so
    except TekanaError as refusal:
        if not isinstance(refusal, ApprovalNotFound):
            after = {"attempt": attempt, "code": refusal.code, "detail": refusal.detail}
            audit.record(actor=actor, action="approval_refused", subject=Approval(pk=approval), after=after)
        raise
    return row


def withdraw(approval: UUID, *, comment: str = "", actor: User) -> Approval:
    """Take back one's own request.

    Raises: ApprovalNotFound, ApprovalDecided, NotYourRequest.
    Locks: the request.
    """
    with transaction.atomic():
        row, now = _lock_open(approval)
        if row.maker_id != actor.pk:
            raise NotYourRequest()
        close(row, State.WITHDRAWN, now, actor=actor, comment=comment)
    return row


def expire_due() -> int:
    """Close every request that nobody decided in time; how many. Safe to run in several workers at once."""
    due = Approval.objects.filter(state=State.OPEN, expires_at__lte=timezone.now()).values_list("pk", flat=True)
    return each(list(due), _expired)


def _expired(approval: UUID) -> bool:
    with transaction.atomic():
        # Somebody decides this very moment, or another worker closes it: it is theirs.
        rows = Approval.objects.select_for_update(skip_locked=True, no_key=True)
        row = rows.filter(pk=approval, state=State.OPEN).first()
        if row is None or (now := _clock()) < row.expires_at:
            return False
        close(row, State.EXPIRED, now, actor=None)
    return True


def assign(approval: UUID, *, to: User | None, actor: User, only_free: bool = False) -> Approval:
    """Say who is to decide, oneself or a colleague; None gives it back to all. Others may still decide.

    Args:
        only_free: not if a colleague has it. Of two who take it at once one gets it.
    Raises: ApprovalNotFound, ApprovalDecided, MayNotCheck (assigning is for those who decide), NotAChecker,
    AlreadyTaken.
    Locks: the request.
    """
    with transaction.atomic():
        row, _ = _lock_open(approval)
        check = operation_of(row.operation).check
        if not actor.has_perm(check):
            raise MayNotCheck()
        if to is not None and (to.pk == row.maker_id or not to.has_perm(check) or is_linked(to, row)):
            raise NotAChecker()
        # By the id: whoever waited for the lock has the row as it is now, and what was joined to it as it was before.
        before = User.objects.get(pk=row.assigned_to_id) if row.assigned_to_id else None
        if only_free and before is not None and before != to:
            raise AlreadyTaken(f"{before} has it.")
        row.assigned_to = to
        row.save(update_fields=["assigned_to"])
        audit.record(
            actor=actor, action="assign_approval", subject=row,
            before=before and before.principal, after=to and to.principal,
        )  # fmt: skip
    return row


def _lock_open(approval: UUID) -> tuple[Approval, datetime]:
    """The open request, ours until the end of the database transaction, and the time after the lock."""
    rows = Approval.objects.select_for_update(of=("self",), no_key=True).select_related("maker", "assigned_to")
    row = rows.filter(pk=approval).first()
    if row is None:
        raise ApprovalNotFound()
    if row.state != State.OPEN:
        raise ApprovalDecided(decided(row), state=row.state)
    return row, _clock()


def _clock() -> datetime:
    """The database's time: the guards compare with it too, and web servers may differ."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def close(row: Approval, state: str, now: datetime, *, actor: User | None, comment: str = "") -> None:
    """Write the decision; the caller holds the lock. The maker's own and the clock's have no checker."""
    row.state, row.decided_at, row.comment = state, now, comment.strip()
    row.checker = actor if state in (State.APPROVED, State.REJECTED) else None
    row.save(update_fields=["state", "decided_at", "comment", "checker", "result"])
    after = {"state": state} | ({"result": row.result} if row.result else {})
    action = {
        State.APPROVED: "approve", State.REJECTED: "reject", State.WITHDRAWN: "withdraw", State.EXPIRED: "expire",
    }[State(state)]  # fmt: skip
    audit.record(actor=actor, action=action, subject=row, before=State.OPEN, after=after, reason=row.comment)
    if row.state != State.WITHDRAWN:
        letters.write(row.maker, Letter.Kind.DECIDED, row)
