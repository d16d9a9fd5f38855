"""What workers gave up on: from the work's own row to the queue, and back by a person with a reason."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.timezone import now

from core import failures
from core.errors import FailedJobHandled, TekanaError
from core.jobs import ATTEMPTS, once_a_day
from core.models import AuditRecord, FailedJob, JobRun
from reports import services as exports
from reports.models import Export
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of, odd_message
from tests.books import assert_books_balance, posted
from tests.factories import fresh
from tests.racing import at_once
from transactions.models import Event, Kind, RailMessage, State, Transaction
from transactions.services import rail_messages, settling
from transactions.services.settling import mark

Waits = FailedJob.State
Count = Callable[[Client, str], int]
LIST = reverse("admin:core_failedjob_changelist")


@pytest.fixture
def operations(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.OPERATIONS])


def page(door: str, job: FailedJob) -> str:
    return reverse(f"admin:core_failedjob_{door}", args=[job.pk])


def failed(kind: str = "email", **fields: Any) -> FailedJob:
    """One that waits, of work that is not there."""
    subject = str(fields.pop("subject_id", uuid4().int % 10**9))
    arguments = {"notification": str(uuid4()), "channel": "email"} if kind == "email" else {"job": "x", "day": "y"}
    failures.give_up(kind, [failures.Given(subject, arguments, 3)], fields.pop("exc", None))
    FailedJob.objects.filter(subject_id=subject).update(**fields)
    return FailedJob.objects.get(kind=kind, subject_id=subject)


def waiting(client: Client) -> list[FailedJob]:
    return list(client.get(LIST, {"state": "waiting"}).context["cl"].result_list)


def poisoned_message(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[RailMessage, Transaction]:
    """The bank says that a top-up was paid, and our own code breaks down over it three times."""
    txn = world.through_a_rail(Kind.TOP_UP, 70_00)
    mark(txn.pk, to=State.PROCESSING, actor="job:rail_calls")
    said = {"reference": str(txn.pk), "rail_reference": "SBX1", "status": "completed", "currency": "KES"}
    message = RailMessage.objects.create(rail="sandbox", message_id="m1", payload=said | {"amount_minor": 70_00})
    with monkeypatch.context() as broken:
        broken.setattr(settling, "settle", lambda *args, **kwargs: [][7])
        for _ in range(5):
            rail_messages.sweep()
            RailMessage.objects.update(due_at=Now())
    return fresh(message), txn


@pytest.mark.django_db(transaction=True)
def test_a_message_that_broke_the_worker_three_times_is_mended_and_retried_and_credits_once(
    world: World, operations: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = posted(world.wallet)
    message, txn = poisoned_message(world, monkeypatch)
    settled = FailedJob.objects.get(kind="rail_message")

    assert (message.state, message.attempts, posted(world.wallet)) == (RailMessage.State.ODD, 3, before)
    assert (settled.error, settled.attempts, settled.state) == ("IndexError", 3, Waits.WAITING)
    assert "transactions/services/rail_messages.py" in settled.trace
    assert settled in waiting(operations)
    text = strip_tags(operations.get(page("change", settled)).text)
    for shown in (
        "Message of a bank",
        "IndexError",
        "after 3 attempts",
        "rail_messages.py",
        "It is now",
        "Needs a person",
    ):
        assert shown in text, shown
    odd = reverse("admin:transactions_railmessage_changelist", query={"state": "odd"})
    assert message not in operations.get(odd).context["cl"].result_list, "it is in one queue"

    answer = operations.post(page("retry", settled), {"reason": "release 12 reads it"}, follow=True)
    assert "It is being done again." in answer.text
    for _ in range(3):
        rail_messages.sweep()

    assert (fresh(message).state, fresh(txn).state) == (RailMessage.State.PROCESSED, State.COMPLETED)
    assert Event.objects.filter(transaction=txn, to_state="completed").count() == 1
    assert posted(world.wallet) == before + 70_00
    assert settled not in waiting(operations)
    assert fresh(settled).state == Waits.RETRIED
    record = AuditRecord.objects.get(action="retry_job")
    assert record.before == {"state": "waiting", "attempts": 3, "error": "IndexError"}
    assert (record.role, record.reason) == ("operations", "release 12 reads it")
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_of_two_who_retry_at_once_one_does(
    world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_message(world, monkeypatch)
    job = FailedJob.objects.get(kind="rail_message")

    def press() -> str:
        try:
            failures.retry(job.pk, actor=staff[Role.OPERATIONS], reason="mended")
        except TekanaError as refusal:
            return refusal.code
        return "started"

    assert sorted(at_once([press, press])) == [FailedJobHandled.code, "started"]
    assert AuditRecord.objects.filter(action="retry_job").count() == 1
    rail_messages.sweep()
    assert_books_balance()


@pytest.mark.django_db(transaction=True)
def test_what_fails_again_waits_again_and_says_how_often(
    world: World, operations: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_message(world, monkeypatch)
    job = FailedJob.objects.get(kind="rail_message")
    operations.post(page("retry", job), {"reason": "perhaps now"})

    with monkeypatch.context() as broken:
        broken.setattr(settling, "settle", lambda *args, **kwargs: 1 / 0)
        for _ in range(4):
            rail_messages.sweep()
            RailMessage.objects.update(due_at=Now())

    again = fresh(job)
    assert (again.state, again.times, again.error) == (Waits.WAITING, 2, "ZeroDivisionError")
    assert again in waiting(operations)
    assert "2 times" in operations.get(page("change", job)).text


@pytest.mark.django_db(transaction=True)
def test_who_closes_the_message_itself_takes_the_job_out_of_the_queue(
    world: World, operations: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, _ = poisoned_message(world, monkeypatch)
    job = FailedJob.objects.get(kind="rail_message")

    operations.post(reverse("admin:transactions_railmessage_close", args=[message.pk]), {"reason": "paid by hand"})

    assert fresh(job).state == Waits.SETTLED
    assert "no longer needed" in operations.post(page("retry", job), {"reason": "x"}).text


@pytest.mark.django_db(transaction=True)
def test_closing_a_job_closes_its_message(world: World, operations: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    message, txn = poisoned_message(world, monkeypatch)
    job = FailedJob.objects.get(kind="rail_message")

    answer = operations.post(page("close", job), {"reason": "the statement decides"}, follow=True)

    assert "Closed." in answer.text
    assert (fresh(job).state, fresh(message).state) == (Waits.CLOSED, RailMessage.State.PROCESSED)
    assert fresh(txn).state == State.PROCESSING
    assert AuditRecord.objects.get(action="close_job").reason == "the statement decides"


@pytest.mark.django_db(transaction=True)
def test_an_export_that_broke_down_is_retried_for_who_asked(
    world: World, operations: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, settings: Any
) -> None:
    settings.EXPORTS_DIR = tmp_path
    made = Export.objects.get()
    with monkeypatch.context() as broken:
        broken.setattr(exports, "copy_rows", lambda *args: 1 / 0)
        for _ in range(exports.ATTEMPTS):
            exports.run_export(made.pk)
            Export.objects.filter(pk=made.pk).update(due_at=Now())
    job = FailedJob.objects.get(kind="export")

    assert (fresh(made).state, job.error, job.arguments) == (
        Export.State.FAILED, "ZeroDivisionError", {"list": "transactions", "format": "csv"},
    )  # fmt: skip
    operations.post(page("retry", job), {"reason": "fixed"})
    assert (fresh(made).state, fresh(made).attempts) == (Export.State.QUEUED, 0)
    assert exports.run_export(made.pk)
    assert fresh(made).state == Export.State.DONE
    assert job not in waiting(operations)


@pytest.mark.django_db(transaction=True)
def test_what_a_person_can_mend_by_asking_otherwise_is_no_failed_job(
    world: World, tmp_path: Any, settings: Any
) -> None:
    settings.EXPORTS_DIR = tmp_path
    made = Export.objects.get()
    User.objects.filter(pk=made.requested_by_id).update(role=Role.SUPPORT)  # may no longer export

    exports.run_export(made.pk)

    assert fresh(made).state == Export.State.FAILED
    assert not FailedJob.objects.filter(kind="export").exists()


def run(breaks: bool = False) -> bool:
    """Whether the job was done by this tick; what it does then is to break down."""
    with once_a_day("settle") as day:
        if breaks and day:
            raise LookupError("of +254712345678")
        return day is not None


def an_hour_later() -> None:
    JobRun.objects.update(started_at=F("started_at") - timedelta(hours=1))


def broken_three_times() -> FailedJob:
    for _ in range(ATTEMPTS):
        with pytest.raises(LookupError):
            run(breaks=True)
        an_hour_later()
    return FailedJob.objects.get(kind="daily_job", error="LookupError")


@pytest.mark.django_db(transaction=True)
def test_a_daily_job_is_retried_by_the_next_tick(staff: dict[str, User], operations: Client) -> None:
    job = broken_three_times()

    assert (job.arguments["job"], job.attempts, job.error) == ("settle", 3, "LookupError")
    assert "+254" not in f"{job.trace}{job.arguments}"
    assert not run()
    operations.post(page("retry", job), {"reason": "table mended"})
    assert [run(), run()] == [True, False]
    assert waiting(operations) == []
    assert "Has run" in operations.get(page("change", job)).text


@pytest.mark.django_db(transaction=True)
def test_a_daily_job_whose_workers_were_lost_is_found_by_a_later_tick(staff: dict[str, User]) -> None:
    JobRun.objects.create(
        job="settle", business_date=now().date(), attempts=ATTEMPTS, started_at=now() - timedelta(hours=1)
    )

    assert not run()
    assert not run()

    job = FailedJob.objects.get()
    assert (job.error, job.times) == (failures.LOST, 1)


@pytest.mark.django_db(transaction=True)
def test_a_day_that_is_over_is_not_retried_and_the_next_run_makes_up_for_it(
    staff: dict[str, User], operations: Client
) -> None:
    job = broken_three_times()
    JobRun.objects.update(business_date=F("business_date") - timedelta(days=1))

    refused = operations.post(page("retry", job), {"reason": "again"})
    assert "Its day is over" in refused.text
    assert fresh(job).state == Waits.WAITING
    assert run()
    assert fresh(job).state == Waits.SETTLED


@pytest.mark.parametrize("door", ["retry", "close"])
@pytest.mark.parametrize(
    ("form", "said"),
    [({}, "This field is required."), ({"reason": "  "}, "This field is required."),
     ({"reason": "x" * 501}, "at most 500 characters")],
)  # fmt: skip
def test_without_a_good_reason_nothing_happens(
    staff: dict[str, User], operations: Client, door: str, form: dict[str, str], said: str
) -> None:
    job = failed()

    answer = operations.post(page(door, job), form)

    assert said in strip_tags(answer.text)
    assert fresh(job).state == Waits.WAITING
    assert not AuditRecord.objects.filter(subject_id=str(job.pk), look=False).exists()


ODD = [{}, {"job": "x"}, {"day": "y"}, {"staff": None}, {"notification": None}, {"job": [1], "day": 7}, [], "x", 5]


@pytest.mark.parametrize("kind", [*failures.kinds(), "of_old"])
@pytest.mark.parametrize("subject_id", ["abc", "", "9" * 64, "7", "01a1f918-ba1f-7c5c-95a9-36db863f0c59"])
def test_one_bad_row_breaks_no_page_and_can_be_closed(
    staff: dict[str, User], operations: Client, kind: str, subject_id: str
) -> None:
    """Whatever its id and arguments are: list, dialogs and page show it; retried it is refused, closed it is gone."""
    good = failed()
    failures.give_up(kind, [failures.Given(subject_id, {}, 3)])
    job = FailedJob.objects.get(kind=kind, subject_id=subject_id)
    many = reverse("admin:core_failedjob_retry_many")
    for arguments in ODD:
        FailedJob.objects.filter(pk=job.pk).update(arguments=arguments)
        for url in (LIST, page("change", job), page("retry", job), many):
            assert operations.get(url).status_code == 200, (url, arguments)
    assert set(waiting(operations)) == {good, job}

    both = {"jobs": [str(good.pk), str(job.pk)], "reason": "mended"}
    assert "0 of 2 are being done again." in operations.post(many, both, follow=True).text
    assert fresh(job).state == Waits.WAITING
    operations.post(page("close", job), {"reason": "it names nothing"})

    assert fresh(job).state == Waits.CLOSED
    assert AuditRecord.objects.filter(action="close_job", subject_id=str(job.pk)).count() == 1


def test_a_job_whose_message_was_dealt_with_can_be_closed(staff: dict[str, User], operations: Client) -> None:
    done = odd_message("m1")
    failures.give_up("rail_message", [failures.Given(str(done.pk), {"rail": "sandbox"}, 3)])
    RailMessage.objects.update(state=RailMessage.State.PROCESSED)
    job = FailedJob.objects.get()

    operations.post(page("close", job), {"reason": "it was dealt with"})

    assert fresh(job).state == Waits.CLOSED


def test_without_a_trace_it_says_what_is_known_and_no_more(staff: dict[str, User], operations: Client) -> None:
    lost, refused = failed(), failed(exc=FailedJobHandled())

    assert "Its worker was lost" in operations.get(page("change", lost)).text
    shown = operations.get(page("change", refused)).text
    assert "No steps were kept" in shown and "worker was lost" not in shown
    broken = failed()
    FailedJob.objects.filter(pk=broken.pk).update(error="OSError")
    assert "worker was lost" not in operations.get(page("change", broken)).text


def test_what_is_not_there_or_was_dealt_with_says_so(staff: dict[str, User], operations: Client) -> None:
    job = failed()
    gone = reverse("admin:core_failedjob_retry", args=[uuid4()])

    assert operations.post(gone, {"reason": "x"}).status_code == 404
    assert "has been sent, or is about to be" in operations.post(page("retry", job), {"reason": "x"}).text
    operations.post(page("close", job), {"reason": "its customer is gone"})
    for door in ("retry", "close"):
        assert "does not wait any more" in operations.post(page(door, job), {"reason": "x"}).text
    assert fresh(job).state == Waits.CLOSED


def test_many_are_retried_under_one_reason_and_one_that_cannot_stops_no_other(
    world: World, staff: dict[str, User], operations: Client
) -> None:
    messages = [odd_message(f"m{n}") for n in range(3)]
    failures.give_up("rail_message", [failures.Given(str(one.pk), {"rail": "sandbox"}, 3) for one in messages])
    stuck = failed()
    door = reverse("admin:core_failedjob_retry_many")
    offered = [value for value, _ in operations.get(door).context["form"].fields["jobs"].choices]
    chosen = [str(job.pk) for job in FailedJob.objects.exclude(kind="daily_job")]

    assert set(chosen) < set(offered)
    assert "This field is required." in operations.post(door, {"jobs": [], "reason": "x"}).text
    assert "does not wait any more" in operations.post(door, {"jobs": [str(uuid4())], "reason": "x"}).text
    answer = operations.post(door, {"jobs": chosen, "reason": "all mended"}, follow=True)

    assert "3 of 4 are being done again." in answer.text
    assert "1 not: It has been sent, or is about to be." in answer.text
    assert fresh(stuck).state == Waits.WAITING
    assert {fresh(one).state for one in messages} == {RailMessage.State.RECEIVED}
    assert AuditRecord.objects.filter(action="retry_job", reason="all mended").count() == 3


def test_at_most_a_hundred_at_once(staff: dict[str, User], operations: Client) -> None:
    given = [failures.Given(str(n), {"notification": str(uuid4()), "channel": "email"}, 3) for n in range(150)]
    failures.give_up("email", given)
    door = reverse("admin:core_failedjob_retry_many")

    assert len(operations.get(door).context["form"].fields["jobs"].choices) == failures.MOST_AT_ONCE
    with pytest.raises(TekanaError, match="At most 100"):
        failures.retry_many([uuid4()] * 101, actor=staff[Role.OPERATIONS], reason="x")


def test_the_queue_takes_as_many_statements_for_two_hundred_as_for_one(
    staff: dict[str, User], operations: Client, count: Count
) -> None:
    job = failed()
    urls = [LIST, LIST + "?state=waiting", LIST + "?owner=nobody", page("change", job), reverse("admin:staff_work")]
    few = [count(operations, url) for url in urls]

    for _ in range(200):
        failed()

    assert [count(operations, url) for url in urls] == few


def test_a_list_of_waiting_ones_begins_with_the_oldest_and_is_cut_by_kind(
    staff: dict[str, User], operations: Client
) -> None:
    late = failed(failed_at=now() - timedelta(days=2))
    soon = failed(failed_at=now() - timedelta(hours=5))
    other = failed(kind="daily_job")

    assert waiting(operations) == [late, soon, other]
    text = strip_tags(operations.get(LIST, {"state": "waiting"}).text)
    assert "2 d, late" in text and "5 h, soon late" in text
    assert list(operations.get(LIST, {"kind": "daily_job"}).context["cl"].result_list) == [other]
    assert list(operations.get(LIST, {"q": soon.subject_id}).context["cl"].result_list) == [soon]


def test_postgresql_keeps_one_row_for_each_piece_of_work(staff: dict[str, User]) -> None:
    job = failed()
    failures.give_up("email", [failures.Given(job.subject_id, {}, 3)])

    assert (FailedJob.objects.count(), fresh(job).times) == (1, 1), "it waited already"
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM core_failedjob WHERE handled_at IS NOT NULL AND state = 'waiting'")
        assert cursor.fetchone() == (0,)
