"""Work that waits for somebody: every queue of the back office, how much is in each, and who of staff has what.

An app says what waits by a `Queue`. The menu and the page of all queues ask for all of them in one statement, which
counts each up to a cap along an index of its own. Who has something is one row of `Assignment`: the database decides
between two who take it at the same moment.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from django.apps import apps
from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import F, Model, Q, QuerySet
from django.utils.timezone import now

from core import audit
from staff.errors import AlreadyTaken, MayNotWork, NotWaiting, NoWorker, OwnerChanged
from staff.models import Assignment, User
from staff.roles import PERMISSIONS

MOST_COUNTED = 1_000
IN_TIME, SOON, LATE = "good", "odd", "bad"
NEVER = timedelta(days=36_500)
WORDS = {IN_TIME: "in time", SOON: "soon late", LATE: "late"}
WORDS_OF_ENDS = {IN_TIME: "in time", SOON: "soon over", LATE: "nearly over"}


@dataclass(frozen=True, kw_only=True)
class Queue:
    """One kind of work. Thresholds are in ``settings.WORK_SLA_MINUTES`` under its ``name``.

    Args:
        about: what waits there and what to do with it, in a line.
        model: of what waits; the assignment and the trail name rows of it.
        view, query: the list in the back office that shows it.
        see, act: permissions to look at it, and to take and do what is there.
        which: the rows that wait for this user; an index of their own answers it.
        waits: the same of one row, as it was read.
        since: the field that says since when it waits.
        clock: the field that the thresholds count from; the list and the count begin with the oldest.
        ends: ``clock`` is when it ends by itself, and the thresholds are what is left until then.
        owner: the column with the owner, where the rows have one; by default `Assignment`.
        order: by which an index finds the oldest, where it is not ``clock``.
    """

    name: str
    title: str
    icon: str
    about: str
    model: str
    view: str
    see: str
    act: str
    which: Callable[[Any], Q]
    waits: Callable[[Any], bool]
    since: str
    clock: str = ""
    query: str = ""
    ends: bool = False
    owner: str = ""
    order: str = ""

    def rows(self, user: Any) -> "QuerySet[Any]":
        return self.those(self.which(user))

    def those(self, which: Q) -> "QuerySet[Any]":
        return apps.get_model(self.model)._default_manager.filter(which).order_by(*self.ordering)

    @property
    def ordering(self) -> list[str]:
        return [self.order or self.clock or self.since, "pk"]

    @property
    def cut(self) -> dict[str, str]:
        """What cuts the list to what waits."""
        return dict(parse_qsl(self.query))

    @property
    def is_timed(self) -> bool:
        """Whether there is a time within which somebody is to do it."""
        return self.name in settings.WORK_SLA_MINUTES

    def limits(self) -> tuple[timedelta, timedelta]:
        """How far from its clock something is soon late, and late; negative before it."""
        if not self.is_timed:
            return NEVER, NEVER
        soon, late = (timedelta(minutes=minutes) for minutes in settings.WORK_SLA_MINUTES[self.name])
        return (-soon, -late) if self.ends else (soon, late)

    def tone(self, clock: datetime | None, at: datetime) -> str:
        if clock is None:
            return IN_TIME
        soon, late = self.limits()
        return LATE if at - clock >= late else SOON if at - clock >= soon else IN_TIME

    def tone_of(self, row: Any) -> str:
        return self.tone(getattr(row, self.clock or self.since), now())

    def words(self, tone: str) -> str:
        return (WORDS_OF_ENDS if self.ends else WORDS)[tone]


_queues: dict[str, Queue] = {}


def queue(**said: Any) -> Queue:
    """Contribute one."""
    made = Queue(**said)
    _queues[made.name] = made
    return made


def queue_of(name: str) -> Queue:
    return _queues[name]


def queues_of(user: Any) -> list[Queue]:
    """Those that this member of staff may see, in the order of the settings; last what nobody is late with."""
    names = [*settings.WORK_SLA_MINUTES, *sorted(_queues.keys() - settings.WORK_SLA_MINUTES.keys())]
    return [_queues[name] for name in names if name in _queues and user.has_perm(_queues[name].see)]


# --- How much waits --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How much waits in a queue, counted up to MOST_COUNTED; ``tone`` is that of what is worst."""

    queue: Queue
    count: int
    since: datetime | None
    clock: datetime | None
    late: int
    nobodys: int
    mine: int
    tone: str

    @property
    def shown(self) -> str:
        return f"{MOST_COUNTED:,}+" if self.count > MOST_COUNTED else f"{self.count:,}"

    @property
    def words(self) -> str:
        return self.queue.words(self.tone)


@lru_cache(maxsize=1_000)
def _counted(name: str, which: Q, most: int) -> tuple[str, tuple[Any, ...]] | None:
    """The part of the statement that counts a queue, and what it is given for ``which``; None if that can be nothing.

    Every page asks for every queue, and mostly in the same words: what the ORM makes of them is kept.
    """
    one = _queues[name]
    fields = {"w_since": F(one.since), "w_clock": F(one.clock or one.since)}
    fields |= {"w_owner": F(one.owner)} if one.owner else {}
    try:
        rows = one.those(which).annotate(**fields).values_list("pk", *fields)
        inner, given = rows[: most + 1].query.sql_with_params()
    except EmptyResultSet:
        return None
    if one.owner:
        join, owner = "", "w.w_owner"
    else:
        join = "LEFT JOIN staff_assignment a ON a.subject_type = %s AND a.subject_id = w.w_pk::text"
        owner = "a.owner_id"
    columns = "w_pk, w_since, w_clock" + (", w_owner" if one.owner else "")
    return (  # names of ours, and what the ORM made
        f"SELECT %s, count(*), min(w_since), min(w_clock), count(*) FILTER (WHERE w_clock <= %s),"  # noqa: S608
        f" count(*) FILTER (WHERE {owner} IS NULL), count(*) FILTER (WHERE {owner} = %s)"
        f" FROM ({inner}) w ({columns}) {join}"
    ), given


def waiting(user: Any) -> dict[str, Waiting]:
    """Every queue this user may see, by name: one statement, however many queues there are and whatever is in them."""
    at, parts, params = now(), [], []
    seen = queues_of(user)
    for one in seen:
        if (asked := _counted(one.name, one.which(user), MOST_COUNTED)) is None:  # nothing can be for this user
            continue
        part, given = asked
        parts.append(part)
        params += [one.name, at - one.limits()[1], user.pk, *given, *([] if one.owner else [one.model])]
    found: dict[str, Sequence[Any]] = {}
    if parts:
        with connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(parts), params)
            found = {row[0]: row[1:] for row in cursor.fetchall()}
    nothing = (0, None, None, 0, 0, 0)
    counted = {}
    for one in seen:
        count, since, clock, late_ones, nobodys, mine = found.get(one.name, nothing)
        counted[one.name] = Waiting(
            queue=one, count=count, since=since, clock=clock, late=late_ones, nobodys=nobodys, mine=mine,
            tone=one.tone(clock, at),
        )  # fmt: skip
    return counted


# --- Who has it ------------------------------------------------------------------------------------------------------


def owners(one: Queue, ids: Iterable[Any]) -> dict[str, Assignment]:
    """Who has these, by the ids as text; one statement."""
    rows = Assignment.objects.filter(subject_type=one.model, subject_id__in=[str(pk) for pk in ids])
    return {row.subject_id: row for row in rows.select_related("owner")}


def assignment_of(one: Queue, subject: Model) -> Assignment | None:
    return owners(one, [subject.pk]).get(str(subject.pk))


def owned_ids(one: Queue, user: Any) -> list[str]:
    """What this user has of what a queue is of, whether it still waits or not."""
    rows = Assignment.objects.filter(subject_type=one.model, owner=user.pk)
    return list(rows.order_by("-pk").values_list("subject_id", flat=True)[:MOST_COUNTED])


def workers(one: Queue) -> list[User]:
    """Active colleagues whose role does what is in the queue."""
    roles = [role for role, granted in PERMISSIONS.items() if one.act in granted]
    return list(User.objects.filter(role__in=roles, is_active=True).order_by("full_name", "pk"))


def take(one: Queue, subject: Model, *, actor: User) -> None:
    """Make it one's own, if nobody has it; taken before by oneself is no error. Of two at once one gets it.

    Raises: MayNotWork, NotWaiting, AlreadyTaken.
    """
    with db_transaction.atomic():
        _refuse_unless_waiting(one, subject, actor)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO staff_assignment (subject_type, subject_id, owner_id, since)"
                " VALUES (%s, %s, %s, statement_timestamp()) ON CONFLICT (subject_type, subject_id) DO NOTHING",
                [one.model, str(subject.pk), actor.pk],
            )
            taken = cursor.rowcount == 1
        if taken:
            audit.record(actor=actor, action="take_work", subject=subject, after=actor.principal)
            return
        has = assignment_of(one, subject)
        if has is not None and has.owner_id != actor.pk:
            raise AlreadyTaken(f"{has.owner} has had it since {has.since:%-d %b %H:%M} UTC.", since=has.since)


def hand_over(one: Queue, subject: Model, *, to: User | None, seen: int | None, actor: User, reason: str = "") -> None:
    """Give it to a colleague, or back to all (None). ``seen`` is whose it was when that was decided (an id of staff).

    Raises: MayNotWork, NotWaiting, NoWorker, OwnerChanged. Locks: the assignment.
    """
    with db_transaction.atomic():
        _refuse_unless_waiting(one, subject, actor)
        if to is not None and not to.has_perm(one.act):
            raise NoWorker(f"{to} does not do this work.")
        rows = Assignment.objects.select_for_update(of=("self",)).select_related("owner")
        has = rows.filter(subject_type=one.model, subject_id=str(subject.pk)).first()
        if (has.owner_id if has else None) != seen:
            raise OwnerChanged(f"{has.owner} has it now." if has else "Nobody has it any more.")
        if to == (has.owner if has else None):
            return
        if has is None:
            assert to is not None
            _, is_new = Assignment.objects.get_or_create(
                subject_type=one.model, subject_id=str(subject.pk), defaults={"owner": to}
            )
            if not is_new:
                raise OwnerChanged("Somebody has just taken it.")
        elif to is None:
            has.delete()
        else:
            Assignment.objects.filter(pk=has.pk).update(owner=to, since=now())
        audit.record(
            actor=actor, action="hand_over_work" if to else "let_go_work", subject=subject, reason=reason,
            before=has and has.owner.principal, after=to.principal if to else "nobody",
        )  # fmt: skip


def _refuse_unless_waiting(one: Queue, subject: Model, actor: User) -> None:
    if not actor.has_perm(one.act):
        raise MayNotWork()
    if not one.rows(actor).filter(pk=subject.pk).exists():
        raise NotWaiting()
