"""Saved exports: run again by hand or by the clock, once for each business date; who is told, and of what."""

import threading
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from core.models import AuditRecord
from reports import saving, services
from reports.errors import InvalidSchedule, NameTaken, NotYourSavedExport, SavedExportNotFound
from reports.lists import CUSTOMERS, LIMITS, TRANSACTIONS
from reports.models import Export, SavedExport
from reports.saving import end, last_due, next_due, run_saved, save_export, schedule, share, start_due, tell_recipients
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.admin.conftest import world as world_fixture
from tests.factories import fresh
from tests.reports.conftest import dialog, fetch

pytestmark = pytest.mark.django_db(transaction=True)
world = world_fixture
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)  # 08:00


@pytest.fixture
def faith(staff: dict[str, User]) -> User:
    User.objects.filter(pk=staff[Role.FINANCE].pk).update(email="faith@example.com")
    return User.objects.get(pk=staff[Role.FINANCE].pk)


@pytest.fixture
def colleague(staff: dict[str, User]) -> User:
    user = member(Role.FINANCE, "colleague")
    User.objects.filter(pk=user.pk).update(email="colleague@example.com")
    return User.objects.get(pk=user.pk)


@pytest.fixture
def saved(faith: User) -> SavedExport:
    return save_export(TRANSACTIONS, {"state": "failed"}, name="Failed", file_format="csv", actor=faith)


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    monkeypatch.setattr(saving, "utc_now", lambda: now)


def daily(saved: SavedExport, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> SavedExport:
    """Scheduled at 06:00 of each day, on Monday at 08:00."""
    at(monkeypatch, MONDAY)
    schedule(saved, **{"every": "daily", "at": time(6), "actor": saved.owner} | fields)
    return SavedExport.objects.get(pk=saved.pk)


# --- When -----------------------------------------------------------------------------------------------------------


def planned(every: str, **fields: Any) -> SavedExport:
    return SavedExport(every=every, at=time(6), scheduled_at=MONDAY, **fields)


@pytest.mark.parametrize(
    ("plan", "now", "due", "following"),
    [
        (planned("daily"), MONDAY + timedelta(hours=1), None, datetime(2026, 3, 3, 6, tzinfo=UTC)),
        (planned("daily"), datetime(2026, 3, 3, 5, 59, tzinfo=UTC), None, datetime(2026, 3, 3, 6, tzinfo=UTC)),
        (planned("daily"), datetime(2026, 3, 3, 6, tzinfo=UTC), date(2026, 3, 3), datetime(2026, 3, 4, 6, tzinfo=UTC)),
        (planned("daily"), datetime(2026, 3, 9, 1, tzinfo=UTC), date(2026, 3, 8), datetime(2026, 3, 9, 6, tzinfo=UTC)),
        (planned("weekly", weekday=0), MONDAY, None, datetime(2026, 3, 9, 6, tzinfo=UTC)),
        (planned("weekly", weekday=2), datetime(2026, 3, 7, tzinfo=UTC), date(2026, 3, 4),
         datetime(2026, 3, 11, 6, tzinfo=UTC)),
        (planned("monthly", month_day=31), datetime(2026, 5, 1, tzinfo=UTC), date(2026, 4, 30),
         datetime(2026, 5, 31, 6, tzinfo=UTC)),
        (planned("monthly", month_day=1), datetime(2026, 3, 31, tzinfo=UTC), None,
         datetime(2026, 4, 1, 6, tzinfo=UTC)),
        (planned(""), MONDAY + timedelta(days=40), None, None),
    ],
)  # fmt: skip
def test_when_it_was_due_last_and_will_be_next(
    plan: SavedExport, now: datetime, due: date | None, following: datetime | None
) -> None:
    assert (last_due(plan, now), next_due(plan, now)) == (due, following)


@pytest.mark.parametrize(
    ("covers", "first", "last"),
    [("day", "2026-03-01", "2026-03-01"), ("week", "2026-02-23", "2026-03-01"), ("month", "2026-02-01", "2026-02-28")],
)
def test_the_days_before_the_business_date(covers: str, first: str, last: str) -> None:
    plan = SavedExport(covers=covers, filters={"state": "failed", "from": "2020-01-01"})

    assert saving.filters_on(plan, date(2026, 3, 2)) == {"state": "failed", "from": first, "to": last}
    assert saving.filters_on(SavedExport(filters={"kind": "x"}), date(2026, 3, 2)) == {"kind": "x"}


# --- By the clock ---------------------------------------------------------------------------------------------------


def test_it_runs_once_for_each_business_date(
    world: Any, saved: SavedExport, monkeypatch: pytest.MonkeyPatch, bells: list[Any]
) -> None:
    plan = daily(saved, monkeypatch, covers="day")
    assert start_due() == 0
    at(monkeypatch, datetime(2026, 3, 3, 6, 1, tzinfo=UTC))

    assert [start_due(), start_due()] == [1, 0]
    assert saving.start(plan, date(2026, 3, 3)) is None
    at(monkeypatch, datetime(2026, 3, 6, 7, tzinfo=UTC))  # of the days on which nothing ran, the last
    assert [start_due(), start_due()] == [1, 0]

    runs = list(Export.objects.filter(saved=saved).order_by("business_date"))
    assert [run.business_date for run in runs] == [date(2026, 3, 3), date(2026, 3, 6)]
    assert runs[0].filters == {"state": "failed", "from": "2026-03-02", "to": "2026-03-02"}
    assert all(run.requested_by_id == saved.owner_id and run.state == "queued" for run in runs)
    assert AuditRecord.objects.filter(action="start_saved_export").count() == 2


def test_two_clocks_at_once_make_one_run(saved: SavedExport, monkeypatch: pytest.MonkeyPatch) -> None:
    daily(saved, monkeypatch)
    at(monkeypatch, datetime(2026, 3, 3, 7, tzinfo=UTC))
    monkeypatch.setattr(saving, "ring", lambda *args: None)
    together, started = threading.Barrier(4), []

    def tick() -> None:
        together.wait()
        started.append(start_due())
        connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sum(started) == 1 and Export.objects.count() == 1


def test_recipients_get_a_link_and_no_file(
    world: Any, saved: SavedExport, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(saved, monkeypatch, recipients=[colleague])
    at(monkeypatch, datetime(2026, 3, 3, 7, tzinfo=UTC))
    start_due()
    made = Export.objects.get(saved=saved)
    assert tell_recipients() == 0  # not before it has ended
    assert services.run_export(made.pk)

    assert [tell_recipients(), tell_recipients()] == [1, 0]

    (sent,) = mail.outbox
    assert sent.to == ["colleague@example.com"] and sent.attachments == []
    assert reverse("admin:reports_export_change", args=[made.pk]) in sent.body and fresh(made).sha256 in sent.body
    assert "failed" not in sent.subject and fresh(made).told_at
    assert fetch(client_of(colleague), made.pk)
    assert client_of(member(Role.FINANCE, "stranger")).get(
        reverse("admin:reports_export_download", args=[made.pk])
    ).status_code == 404  # fmt: skip


def test_a_mail_server_that_is_away_is_tried_again(
    saved: SavedExport, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(saved, monkeypatch, recipients=[colleague])
    at(monkeypatch, datetime(2026, 3, 3, 7, tzinfo=UTC))
    start_due()
    services.run_export(Export.objects.get().pk)

    def away(*args: Any) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as broken:
        broken.setattr(mail, "send_mail", away)
        assert tell_recipients() == 0 and Export.objects.get().told_at is None

    assert tell_recipients() == 1 and len(mail.outbox) == 1


def test_an_owner_who_may_no_more_makes_none_and_says_so(
    saved: SavedExport, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(saved, monkeypatch, recipients=[colleague])
    User.objects.filter(pk=saved.owner_id).update(role=Role.SUPPORT)
    at(monkeypatch, datetime(2026, 3, 3, 7, tzinfo=UTC))

    assert start_due() == 1 and tell_recipients() == 1

    made = Export.objects.get()
    assert made.state == "failed" and "may no longer make it" in made.error
    assert "failed" in mail.outbox[0].subject


def test_whoever_lost_the_right_is_not_told(
    saved: SavedExport, colleague: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily(saved, monkeypatch, recipients=[colleague])
    User.objects.filter(pk=colleague.pk).update(role=Role.SUPPORT)
    at(monkeypatch, datetime(2026, 3, 3, 7, tzinfo=UTC))
    start_due()
    services.run_export(Export.objects.get().pk)

    assert tell_recipients() == 1 and mail.outbox == []


# --- Saving ---------------------------------------------------------------------------------------------------------


def test_it_is_saved_from_the_dialog_of_a_list(world: Any, faith: User) -> None:
    client = client_of(faith)
    hidden = client.get(dialog("transactions", "state=failed")).context["form"].initial
    form = {**hidden, "save_as": "Failed", "columns": ["receipt"], "file_format": "xlsx"}

    first, again = client.post(dialog("transactions"), form), client.post(dialog("transactions"), form)

    kept = SavedExport.objects.get(name="Failed")
    assert first["Location"] == again["Location"] and kept.runs.get().pk == hidden["key"]
    assert (kept.subject, kept.filters, kept.columns, kept.format, kept.owner) == (
        "transactions", {"state": "failed"}, ["receipt"], "xlsx", faith,
    )  # fmt: skip
    taken = client.post(dialog("transactions"), {**form, "key": str(saving.uuid7())})
    assert "You have a saved export called" in taken.text and Export.objects.filter(saved=kept).count() == 1


def test_a_name_is_free_again_when_its_export_has_ended(saved: SavedExport, faith: User, colleague: User) -> None:
    with pytest.raises(NameTaken):
        save_export(TRANSACTIONS, {}, name="Failed", file_format="csv", actor=faith)
    save_export(TRANSACTIONS, {}, name="Failed", file_format="csv", actor=colleague)
    end(saved, actor=faith)

    save_export(TRANSACTIONS, {}, name="Failed", file_format="csv", actor=faith)

    with pytest.raises(SavedExportNotFound):
        run_saved(saved, actor=faith)


def test_one_person_or_all(world: Any, saved: SavedExport, faith: User, colleague: User, support: Client) -> None:
    other = client_of(colleague)
    page = reverse("admin:reports_savedexport_change", args=[saved.pk])
    assert other.get(page).status_code == 404 and support.get(page).status_code == 403
    with pytest.raises(SavedExportNotFound):
        run_saved(saved, actor=colleague)

    share(saved, is_shared=True, actor=faith)

    assert other.get(page).status_code == 200
    made = run_saved(saved, actor=colleague)
    assert made.requested_by == colleague and services.run_export(made.pk)
    assert fetch(client_of(faith), made.pk)
    for change in (lambda: share(saved, is_shared=False, actor=colleague), lambda: end(saved, actor=colleague)):
        with pytest.raises(NotYourSavedExport):
            change()
    assert "Finance Person&#x27;s" in other.get(reverse("admin:reports_savedexport_end", args=[saved.pk])).text


def test_a_shared_export_has_for_each_what_each_may_take(staff: dict[str, User], faith: User) -> None:
    boss = staff[Role.ADMINISTRATOR]
    columns = ["name", "phone_number"]
    saved = save_export(CUSTOMERS, {}, name="All", file_format="csv", columns=columns, is_shared=True, actor=boss)

    assert run_saved(saved, actor=boss).has_personal
    mine = run_saved(saved, actor=faith)
    assert mine.columns == ["name"] and not mine.has_personal


@pytest.mark.parametrize(
    "wrong",
    [
        {"at": None},
        {"every": "weekly"},
        {"every": "monthly"},
        {"covers": "day", "of": "limits"},
        {"to": "support"},
        {"to": "no address"},
    ],
    ids=str,
)
def test_a_schedule_that_is_none_is_refused(
    saved: SavedExport, staff: dict[str, User], colleague: User, wrong: dict[str, Any]
) -> None:
    if wrong.pop("of", ""):
        saved = save_export(LIMITS, {}, name="Limits", file_format="csv", actor=saved.owner)
    staff[Role.ADMINISTRATOR].email = ""
    staff[Role.ADMINISTRATOR].save()
    people = {"support": staff[Role.SUPPORT], "no address": staff[Role.ADMINISTRATOR]}
    to = [people[name] for name in [wrong.pop("to", "")] if name]
    User.objects.filter(role=Role.SUPPORT).update(email="grace@example.com")

    with pytest.raises(InvalidSchedule):
        schedule(saved, **{"every": "daily", "at": time(6), "recipients": to, "actor": saved.owner} | wrong)

    assert fresh(saved).every == ""


def test_it_is_scheduled_and_stopped_by_dialogs(saved: SavedExport, faith: User, colleague: User) -> None:
    client = client_of(faith)
    url = reverse("admin:reports_savedexport_plan", args=[saved.pk])
    form = {
        "every": "weekly",
        "at": "06:30",
        "weekday": "0",
        "covers": "week",
        "recipients": [colleague.pk],
        "agreed": "on",
    }
    assert client.post(url, form).status_code == 302

    kept = fresh(saved)
    assert (kept.every, kept.weekday, kept.at, kept.covers) == ("weekly", 0, time(6, 30), "week")
    assert list(kept.recipients.all()) == [colleague]
    page = client.get(reverse("admin:reports_savedexport_change", args=[saved.pk]))
    assert "Mondays at 06:30 UTC" in page.text and "Colleague Person" in page.text
    assert client.get(reverse("admin:reports_savedexport_changelist")).status_code == 200
    record = AuditRecord.objects.get(action="schedule_export")
    assert record.after["every"] == "weekly" and "every" not in record.before

    client.post(url, {"every": "", "agreed": "on"})
    assert fresh(saved).every == "" and fresh(saved).at is None and not saved.recipients.exists()
    ran = client.post(reverse("admin:reports_savedexport_run", args=[saved.pk]), {"agreed": "on"})
    assert ran["Location"] == reverse("admin:reports_export_change", args=[Export.objects.get().pk])
    client.post(reverse("admin:reports_savedexport_share", args=[saved.pk]), {"shared": "yes"})
    assert fresh(saved).is_shared
    client.post(reverse("admin:reports_savedexport_end", args=[saved.pk]), {"agreed": "on"})
    assert fresh(saved).ended_at
    assert "It has ended" in client.get(reverse("admin:reports_savedexport_run", args=[saved.pk])).text
