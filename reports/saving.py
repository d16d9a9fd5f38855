"""Saved exports: a list, filters, columns and format under a name, run again by hand or by the clock.

A run by the clock is an `Export` of a business date, of which the database takes one per saved export: whatever clock,
broker and workers do, it is made once. It runs with its owner's rights as they are then. When it has ended, its
recipients are written to: a link to the page, behind the sign-in, and never the file.
"""

import calendar
import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import mail
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.db.models.functions import Now
from django.urls import reverse

from core import audit
from core.bell import ring
from core.errors import TekanaError
from core.ids import uuid7
from reports.errors import InvalidSchedule, NameTaken, NotYourSavedExport, SavedExportNotFound
from reports.lists import exportable
from reports.models import Export, SavedExport
from reports.selectors import PERSONAL, for_user, listing, refuse_unless_allowed, saved_for
from reports.services import request_export
from reports.tables import Exportable
from reports.totals import utc_now
from staff.models import User

logger = logging.getLogger(__name__)

JOB = "job:saved exports"
Every, Covers = SavedExport.Every, SavedExport.Covers
TOLD_AT_A_TIME = 20


# --- Saving ----------------------------------------------------------------------------------------------------------


def save_export(
    of: Exportable, filters: dict[str, str], *, name: str, file_format: str, columns: Sequence[str] = (),
    is_shared: bool = False, actor: Any,
) -> SavedExport:  # fmt: skip
    """Keep what an export is of under a name of its owner's.

    Raises: NameTaken, and as `services.request_export`.
    """
    for_user(of, actor, columns)
    listing(of, filters, actor)
    try:
        with db_transaction.atomic():
            saved = SavedExport.objects.create(
                name=name, owner=actor, is_shared=is_shared, subject=of.name, format=Export.Format(file_format),
                filters=filters, columns=list(columns),
            )  # fmt: skip
            audit.record(actor=actor, action="save_export", subject=saved, after=shown(saved))
    except IntegrityError as taken:
        raise NameTaken(f"You have a saved export called {name!r}.") from taken
    return saved


def run_saved(saved: SavedExport, *, actor: Any, key: UUID | None = None) -> Export:
    """Ask for it once more, now: of the data as it is, with the rights of whoever asks.

    Raises: SavedExportNotFound, and as `services.request_export`.
    """
    found = readable(saved, actor)
    of, filters, columns = exportable(found.subject), filters_on(found, utc_now().date()), columns_for(found, actor)
    return request_export(
        of, filters, file_format=found.format, columns=columns, actor=actor, key=key or uuid7(), saved=found
    )


def columns_for(saved: SavedExport, actor: Any) -> list[str]:
    """Those that were saved, less the personal ones where ``actor`` may not take them: a shared export is for many."""
    if actor.has_perm(PERSONAL):
        return list(saved.columns)
    personal = {column.name for column in exportable(saved.subject).columns if column.personal}
    return [name for name in saved.columns if name not in personal]


def schedule(
    saved: SavedExport, *, every: str, at: time | None = None, weekday: int | None = None, month_day: int | None = None,
    covers: str = "", recipients: Sequence[User] = (), actor: Any,
) -> None:  # fmt: skip
    """Say when it runs by itself and who is written to; with ``every`` empty, that it does not.

    It first runs at the next such instant. Raises: SavedExportNotFound, NotYourSavedExport, InvalidSchedule. Locks: it.
    """
    with db_transaction.atomic():
        locked = own(saved, actor)
        of = exportable(locked.subject)
        before = shown(locked)
        when = {
            "": (None, None, None),
            Every.DAILY: (at, None, None),
            Every.WEEKLY: (at, weekday, None),
            Every.MONTHLY: (at, None, month_day),
        }[every]
        if every and (
            at is None or (every == Every.WEEKLY and weekday is None) or (every == Every.MONTHLY and not month_day)
        ):
            raise InvalidSchedule("Say at what time, and on which day.")
        if every and covers and not has_days(of, locked, actor):
            raise InvalidSchedule(f"The list of {of.words} has no days to choose.")
        chosen = [one for one in recipients if every]
        for one in chosen:
            if not (one.is_active and one.email and one.has_perm("reports.export") and one.has_perm(of.permission)):
                raise InvalidSchedule(f"{one.full_name} has no e-mail address here, or may not see {of.words}.")
        locked.every, (locked.at, locked.weekday, locked.month_day) = every, when
        locked.covers = covers if every else ""
        locked.scheduled_at = utc_now() if every else None
        locked.save()
        locked.recipients.set(chosen)
        audit.record(actor=actor, action="schedule_export", subject=locked, before=before, after=shown(locked))


def share(saved: SavedExport, *, is_shared: bool, actor: Any) -> None:
    """Whether colleagues see it, its runs and their files.

    Raises: SavedExportNotFound, NotYourSavedExport. Locks: it.
    """
    with db_transaction.atomic():
        locked = own(saved, actor)
        before = shown(locked)
        locked.is_shared = is_shared
        locked.save(update_fields=["is_shared"])
        audit.record(actor=actor, action="share_export", subject=locked, before=before, after=shown(locked))


def end(saved: SavedExport, *, actor: Any) -> None:
    """It runs no more and its name is free; what it made stays. Raises: SavedExportNotFound, NotYourSavedExport."""
    with db_transaction.atomic():
        locked = own(saved, actor)
        SavedExport.objects.filter(pk=locked.pk).update(ended_at=Now())
        after = {"ended": True}
        audit.record(actor=actor, action="end_saved_export", subject=locked, before=shown(locked), after=after)


def readable(saved: SavedExport, actor: Any) -> SavedExport:
    found = saved_for(actor).filter(pk=saved.pk, ended_at=None).first()
    if found is None:
        raise SavedExportNotFound()
    return found


def own(saved: SavedExport, actor: Any) -> SavedExport:
    """Locked, for who may change it: its owner, and who answers for everybody's, while they may export at all."""
    refuse_unless_allowed(exportable(readable(saved, actor).subject), actor)
    locked = SavedExport.objects.select_for_update(of=("self",)).get(pk=saved.pk)
    if locked.owner_id != actor.pk and not actor.has_perm("reports.view_all_exports"):
        raise NotYourSavedExport()
    return locked


def has_days(of: Exportable, saved: SavedExport, actor: Any) -> bool:
    try:
        listing(of, filters_of_days(saved.filters, date(2026, 1, 1), date(2026, 1, 1)), actor)
    except TekanaError:
        return False
    return True


def shown(saved: SavedExport) -> dict[str, Any]:
    """What the audit trail keeps of it."""
    kept = {
        "name": saved.name, "list": saved.subject, "format": saved.format, "filters": saved.filters,
        "columns": saved.columns, "shared": saved.is_shared, "every": saved.every, "covers": saved.covers,
        "at": saved.at and saved.at.isoformat(), "weekday": saved.weekday, "month_day": saved.month_day,
        "recipients": sorted(saved.recipients.values_list("pk", flat=True)),
    }  # fmt: skip
    return {name: value for name, value in kept.items() if value not in (None, "", [], {})}


# --- When ------------------------------------------------------------------------------------------------------------


def filters_on(saved: SavedExport, day: date) -> dict[str, str]:
    """Its filters on a business date: the days before it, where it ``covers`` them."""
    first_of_month = day.replace(day=1)
    match saved.covers:
        case Covers.DAY:
            return filters_of_days(saved.filters, day - timedelta(days=1), day - timedelta(days=1))
        case Covers.WEEK:
            return filters_of_days(saved.filters, day - timedelta(days=7), day - timedelta(days=1))
        case Covers.MONTH:
            last = first_of_month - timedelta(days=1)
            return filters_of_days(saved.filters, last.replace(day=1), last)
    return dict(saved.filters)


def filters_of_days(filters: dict[str, str], first: date, last: date) -> dict[str, str]:
    return {**filters, "from": first.isoformat(), "to": last.isoformat()}


def last_due(saved: SavedExport, now: datetime) -> date | None:
    """The latest business date whose instant has come since it was scheduled; None when there is none."""
    if not saved.every or saved.at is None or saved.scheduled_at is None:
        return None
    day = now.date()
    for _ in range(32):
        instant = datetime.combine(day, saved.at, UTC)
        if saved.scheduled_at < instant <= now and falls_on(saved, day):
            return day
        day -= timedelta(days=1)
    return None


def next_due(saved: SavedExport, now: datetime) -> datetime | None:
    """When it will run next."""
    if not saved.every or saved.at is None:
        return None
    days = (now.date() + timedelta(days=ahead) for ahead in range(33))
    instants = (datetime.combine(day, saved.at, UTC) for day in days if falls_on(saved, day))
    return next((instant for instant in instants if instant > now), None)


def falls_on(saved: SavedExport, day: date) -> bool:
    match saved.every:
        case Every.WEEKLY:
            return day.weekday() == saved.weekday
        case Every.MONTHLY:
            return day.day == min(saved.month_day or 1, calendar.monthrange(day.year, day.month)[1])
    return True


# --- By the clock ----------------------------------------------------------------------------------------------------


def start_due() -> int:
    """Ask for every saved export whose time has come, of its latest business date; how many. Safe to run at once.

    Of days on which nothing ran, only the last is made: the others can be run by hand.
    """
    started = 0
    now = utc_now()
    for saved in SavedExport.objects.filter(ended_at=None).exclude(every="").select_related("owner"):
        day = last_due(saved, now)
        if day is not None and not saved.runs.filter(business_date=day).exists():
            started += start(saved, day) is not None
    return started


def start(saved: SavedExport, day: date) -> Export | None:
    """The run of one business date, queued, or failed with the reason; None when it has been started."""
    of, owner = exportable(saved.subject), saved.owner
    filters = filters_on(saved, day)
    reason, has_personal = "", False
    try:
        chosen = for_user(of, owner, saved.columns)
        has_personal = chosen.is_personal
        listing(of, filters, owner)
    except TekanaError as refusal:
        reason = f"{owner.full_name}, whose it is, may no longer make it. {refusal.detail}"
    failed: dict[str, Any] = {"state": Export.State.FAILED, "error": reason[:300], "finished_at": Now()}
    try:
        with db_transaction.atomic():
            export = Export.objects.create(
                subject=saved.subject, format=saved.format, filters=filters, columns=saved.columns, requested_by=owner,
                saved=saved, business_date=day, has_personal=has_personal, **(failed if reason else {}),
            )  # fmt: skip
            facts = {"saved": str(saved.pk), "business_date": day.isoformat(), "filters": filters}
            audit.record(actor=JOB, action="start_saved_export", subject=export, after=facts, reason=reason)
            if not reason:
                ring("reports.tasks.run_export", export.pk)
    except IntegrityError:  # somebody was quicker
        return None
    return export


# --- Telling ---------------------------------------------------------------------------------------------------------


def tell_recipients() -> int:
    """Write to the recipients of runs by the clock that have ended; how many runs. At least once each.

    Locks: each export while its mails leave, so that two workers do not write the same.
    """
    told = 0
    for _ in range(TOLD_AT_A_TIME):
        with db_transaction.atomic():
            ended = Export.objects.select_for_update(of=("self",), skip_locked=True).select_related("saved")
            waiting = ended.filter(
                business_date__isnull=False, told_at=None, state__in=(Export.State.DONE, Export.State.FAILED)
            )
            export = waiting.order_by("finished_at").first()
            if export is None or export.saved is None:
                return told
            if not write_to(export, export.saved):
                return told  # the mail server is away: the next sweep tries again
            Export.objects.filter(pk=export.pk).update(told_at=Now())
            told += 1
    return told


def write_to(export: Export, saved: SavedExport) -> bool:
    """Whether the mail could be handed over; there may be nobody to write to."""
    people = [one.email for one in saved.recipients.filter(is_active=True).exclude(email="") if may_look(one, export)]
    if not people:
        return True
    page = settings.PUBLIC_URL + reverse("admin:reports_export_change", args=[export.pk])
    done = export.state == Export.State.DONE
    outcome = f"It has {export.rows_written:,} rows." if done else f"It failed: {export.error}"
    text = [f"{saved.name}, {export.business_date:%-d %b %Y}. {outcome}", "", page, "", "Sign in to see it."]
    if done:
        text.append(f"The file is kept for {settings.EXPORTS_KEPT_DAYS} days; its SHA-256 is {export.sha256}.")
    subject = f"Tekana: {saved.name}, {export.business_date:%-d %b %Y}" + ("" if done else " failed")
    try:
        mail.send_mail(subject, "\n".join(text), None, people)
    except OSError:  # of sockets and of SMTP alike
        logger.exception("recipients of an export could not be written to", extra={"job": str(export.pk)})
        return False
    audit.record(actor=JOB, action="tell_recipients", subject=export, after={"recipients": len(people)})
    return True


def may_look(user: User, export: Export) -> bool:
    """The role may have changed since."""
    return user.has_perm("reports.export") and user.has_perm(exportable(export.subject).permission)
