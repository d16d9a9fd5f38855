"""Who asked for something is told what became of it: by e-mail, and in the menu until they looked."""

import contextlib
import sys
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils.timezone import now

from core import failures
from core.errors import FailedJobHandled
from core.models import FailedJob
from staff import approvals, letters
from staff.models import Approval, Letter, User
from staff.roles import Role
from staff.tasks import send_letters
from tests.admin.conftest import World, client_of
from tests.admin.conftest import staff as staff_fixture
from tests.admin.conftest import world as world_fixture
from tests.factories import fresh
from tests.racing import at_once

staff, world = staff_fixture, world_fixture
MINE = "/admin/staff/my-requests/"


@pytest.fixture
def asked(world: World) -> Approval:
    return world.asked


@pytest.fixture
def samuel(staff: dict[str, User]) -> User:
    return staff[Role.FINANCE_CHECKER]


def test_a_decision_is_written_to_who_asked(asked: Approval, samuel: User, mailoutbox: list[Any]) -> None:
    approvals.reject(asked.pk, comment="Wanjiku says that it was right.", actor=samuel)

    assert send_letters() == 1
    assert send_letters() == 0
    (letter,) = mailoutbox
    assert letter.to == ["support@example.com"]
    assert letter.subject == "Tekana: your request was rejected"
    assert "rejected by Finance_checker Person" in letter.body
    assert f"/admin/staff/approval/{asked.pk}/change/" in letter.body
    assert "Wanjiku" not in letter.body and "KES" not in letter.body, "who reads mail signs in to see"
    assert asked.letters.get().sent_at


def test_what_the_clock_ends_is_told_and_what_one_takes_back_is_not(
    asked: Approval, staff: dict[str, User], mailoutbox: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ask = staff[Role.ADMINISTRATOR], approvals.request_approval
    taken_back = ask("role", {"user": staff[Role.SUPPORT].pk, "role": "auditor"}, maker=ada, reason="x")
    approvals.withdraw(taken_back.pk, actor=ada)
    with monkeypatch.context() as earlier:
        earlier.setattr("staff.approvals.timezone.now", lambda: now() - timedelta(hours=73))
        ask("role", {"user": staff[Role.FINANCE].pk, "role": "auditor"}, maker=ada, reason="x")

    assert approvals.expire_due() == 1
    letters.send_due()

    assert [(one.to, one.subject) for one in mailoutbox] == [
        (["administrator@example.com"], "Tekana: your request has expired")
    ]


def test_nothing_is_written_about_what_was_undone(
    asked: Approval, samuel: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("staff.approvals.letters.write", fails)
    with pytest.raises(RuntimeError):
        approvals.reject(asked.pk, comment="no", actor=samuel)

    assert fresh(asked).state == "open" and not Letter.objects.exists()


def test_the_menu_counts_until_they_have_looked(asked: Approval, samuel: User, staff: dict[str, User]) -> None:
    support = client_of(staff[Role.SUPPORT])
    assert Letter.objects.filter(letters.unseen(staff[Role.SUPPORT])).count() == 0
    approvals.reject(asked.pk, comment="not yet", actor=samuel)
    assert Letter.objects.filter(letters.unseen(staff[Role.SUPPORT])).count() == 1

    client_of(samuel).get(f"/admin/staff/approval/{asked.pk}/change/")
    assert Letter.objects.filter(letters.unseen(staff[Role.SUPPORT])).count() == 1, (
        "somebody else's look is none of theirs"
    )
    page = support.get(MINE)

    assert "not yet" in page.text and 'badge busy">New' in page.text
    assert Letter.objects.filter(letters.unseen(staff[Role.SUPPORT])).count() == 0
    assert 'badge busy">New' not in support.get(MINE).text


def test_the_page_of_the_request_counts_as_looking(asked: Approval, samuel: User, staff: dict[str, User]) -> None:
    approvals.reject(asked.pk, comment="not yet", actor=samuel)

    client_of(staff[Role.SUPPORT]).get(f"/admin/staff/approval/{asked.pk}/change/")

    assert Letter.objects.filter(letters.unseen(staff[Role.SUPPORT])).count() == 0


def test_ones_own_requests_and_nobody_elses(asked: Approval, staff: dict[str, User], support: Client) -> None:
    assert asked.title in support.get(MINE).text
    assert asked.title not in client_of(staff[Role.FINANCE]).get(MINE).text


@pytest.fixture
def support(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.SUPPORT])


def test_a_mail_server_that_is_away_costs_time_and_is_given_up_in_the_end(
    asked: Approval, samuel: User, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    approvals.reject(asked.pk, comment="no", actor=samuel)
    with monkeypatch.context() as away:
        away.setattr("staff.letters.mail.send_mail", lambda *_: 1 / 0)
        assert letters.send_due() == 1
        assert letters.send_due() == 0, "not at once again"
    with time_machine.travel(now() + timedelta(minutes=3)):
        assert letters.send_due() == 1
    assert len(mailoutbox) == 1

    Letter.objects.update(due_at=now(), attempts=letters.MAX_ATTEMPTS - 1)
    monkeypatch.setattr("staff.letters.mail.send_mail", lambda *_: 1 / 0)
    letters.send_due()
    assert Letter.objects.get().due_at is None


@pytest.mark.django_db(transaction=True)
def test_of_several_workers_one_sends_it(staff: dict[str, User], mailoutbox: list[Any]) -> None:
    letters.write(staff[Role.SUPPORT], Letter.Kind.INVITATION)

    sent = at_once([letters.send_due] * 4)

    assert sorted(sent) == [0, 0, 0, 1]
    assert len(mailoutbox) == 1


@pytest.mark.parametrize("how", ["refused", "killed"])
def test_a_letter_that_no_attempt_could_send_waits_for_operations_and_is_sent_once(
    asked: Approval,
    samuel: User,
    staff: dict[str, User],
    mailoutbox: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    approvals.reject(asked.pk, comment="no", actor=samuel)
    with monkeypatch.context() as broken:
        broken.setattr(letters, "send", {"refused": lambda letter: 1 / 0, "killed": lambda letter: sys.exit()}[how])
        for _ in range(letters.MAX_ATTEMPTS + 1):
            with contextlib.suppress(SystemExit):
                send_letters()
            Letter.objects.exclude(due_at=None).update(due_at=now())

    job = FailedJob.objects.get(kind="letter")
    assert (job.attempts, job.error) == (8, {"refused": "ZeroDivisionError", "killed": "worker_lost"}[how])
    assert job.arguments == {"staff": staff[Role.SUPPORT].principal, "letter": "decided"}
    assert send_letters() == 0
    failures.retry(job.pk, actor=staff[Role.OPERATIONS], reason="mail server mended")
    assert [send_letters(), send_letters()] == [1, 0]
    assert len(mailoutbox) == 1
    with pytest.raises(FailedJobHandled):
        failures.retry(job.pk, actor=staff[Role.OPERATIONS], reason="again")
