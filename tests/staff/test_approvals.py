"""Two people: what one asks for another decides, once, in time, seeing what it does; before that nothing has effect."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils.timezone import now

from core.errors import TekanaError
from core.models import AuditRecord
from staff import approvals, services
from staff.approvals import approve, assign, reject, request_approval, withdraw
from staff.errors import (
    ApprovalDecided,
    ApprovalExpired,
    ApprovalNotFound,
    ApprovalStale,
    ApprovalWaiting,
    CommentMissing,
    MakerGone,
    MayNotCheck,
    MayNotRequest,
    NotAChecker,
    NotYourRequest,
    OwnRequest,
    RequestReasonMissing,
    UnknownOperation,
)
from staff.models import Approval, User
from staff.tasks import expire_approvals
from tests.admin.conftest import client_of
from tests.factories import fresh
from tests.racing import at_once
from tests.staff.operations import NoMoreWords, Word

Ask = Callable[..., Approval]
State = Approval.State


def trail(approval: Approval) -> list[tuple[str, str]]:
    records = AuditRecord.objects.filter(subject_type="staff.approval", subject_id=str(approval.pk)).order_by("id")
    return [(one.actor, one.action) for one in records]


def expired(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> Approval:
    with monkeypatch.context() as patch:
        patch.setattr("staff.approvals.timezone.now", lambda: now() - timedelta(hours=73))
        return ask()


# --- Asking ----------------------------------------------------------------------------------------------------------


def test_what_is_asked_for_has_no_effect_and_waits(ask: Ask, operation: Word, grace: User) -> None:
    approval = ask()

    kept = fresh(approval)
    assert (kept.state, kept.maker, kept.params) == (State.OPEN, grace, {"word": "hello"})
    assert kept.preview["facts"] == [["World", "quiet"]]
    assert kept.expires_at - kept.created_at == timedelta(hours=72)
    assert operation.said == []
    assert trail(kept) == [(grace.principal, "request_approval")]


def test_who_may_not_ask_is_refused(operation: Word, samuel: User) -> None:
    with pytest.raises(MayNotRequest):
        request_approval("word", {"word": "x"}, maker=samuel, reason="please")

    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("name", "reason", "refusal"), [("word", " ", RequestReasonMissing), ("wrod", "please", UnknownOperation)]
)
def test_a_request_names_what_and_why(
    operation: Word, grace: User, name: str, reason: str, refusal: type[TekanaError]
) -> None:
    with pytest.raises(refusal):
        request_approval(name, {"word": "x"}, maker=grace, reason=reason)

    assert not Approval.objects.exists()


def test_what_would_be_refused_now_is_not_even_asked_for(ask: Ask, operation: Word) -> None:
    operation.refuses = True

    with pytest.raises(NoMoreWords):
        ask()

    assert not Approval.objects.exists()


def test_the_same_is_asked_for_once_at_a_time(ask: Ask, grace: User, diane: User) -> None:
    first = ask()

    with pytest.raises(ApprovalWaiting) as refused:
        ask(maker=diane)
    other = ask("goodbye")
    withdraw(first.pk, actor=grace)
    again = ask()

    assert refused.value.facts["approval_id"] == str(first.pk)
    assert {other.state, again.state} == {State.OPEN}


# --- Deciding --------------------------------------------------------------------------------------------------------


def test_a_colleague_approves_and_it_is_done_under_both_names(
    ask: Ask, operation: Word, grace: User, samuel: User
) -> None:
    approval = ask()

    approve(approval.pk, comment=" Looks right. ", actor=samuel)

    kept = fresh(approval)
    assert operation.said == [("hello", grace.principal, samuel.principal)]
    assert (kept.state, kept.checker, kept.comment) == (State.APPROVED, samuel, "Looks right.")
    assert kept.result == {"model": "tests.word", "id": "1", "title": "A word"}
    assert trail(kept) == [(grace.principal, "request_approval"), (samuel.principal, "approve")]
    record = AuditRecord.objects.get(action="approve")
    assert (record.before, record.after["state"], record.reason) == ("open", "approved", "Looks right.")


def test_nobody_decides_what_they_asked_for(ask: Ask, operation: Word, diane: User) -> None:
    approval = ask(maker=diane)

    for act in (lambda: approve(approval.pk, actor=diane), lambda: reject(approval.pk, comment="x", actor=diane)):
        with pytest.raises(OwnRequest):
            act()

    assert fresh(approval).state == State.OPEN
    assert operation.said == []
    assert trail(approval)[1:] == [(diane.principal, "approval_refused")] * 2
    assert AuditRecord.objects.filter(action="approval_refused").first().after["code"] == "own_request"


def test_who_may_not_check_is_refused(ask: Ask, operation: Word, grace: User, diane: User) -> None:
    approval = ask(maker=diane)

    with pytest.raises(MayNotCheck):
        approve(approval.pk, actor=grace)

    assert fresh(approval).state == State.OPEN
    assert operation.said == []


def test_a_rejection_says_why_and_nothing_happens(ask: Ask, operation: Word, samuel: User) -> None:
    approval = ask()

    with pytest.raises(CommentMissing):
        reject(approval.pk, comment="  ", actor=samuel)
    reject(approval.pk, comment="Not ours to say.", actor=samuel)

    kept = fresh(approval)
    assert (kept.state, kept.checker, kept.comment) == (State.REJECTED, samuel, "Not ours to say.")
    assert operation.said == []


def test_who_asked_withdraws_and_nobody_else(ask: Ask, grace: User, samuel: User) -> None:
    approval = ask()

    with pytest.raises(NotYourRequest):
        withdraw(approval.pk, actor=samuel)
    withdraw(approval.pk, comment="A mistake", actor=grace)

    kept = fresh(approval)
    assert (kept.state, kept.checker, kept.comment) == (State.WITHDRAWN, None, "A mistake")


def test_it_is_decided_once(ask: Ask, operation: Word, grace: User, samuel: User, diane: User) -> None:
    approval = ask()
    approve(approval.pk, actor=samuel)

    for act in (
        lambda: approve(approval.pk, actor=diane), lambda: reject(approval.pk, comment="no", actor=diane),
        lambda: withdraw(approval.pk, actor=grace), lambda: assign(approval.pk, to=diane, actor=diane),
    ):  # fmt: skip
        with pytest.raises(ApprovalDecided):
            act()

    assert len(operation.said) == 1
    with pytest.raises(ApprovalNotFound):
        approve(uuid4(), actor=samuel)


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_decide_once(ask: Ask, operation: Word, samuel: User, diane: User) -> None:
    approval = ask()

    def tried(act: Callable[[], Any]) -> Callable[[], str]:
        def run() -> str:
            try:
                act()
            except ApprovalDecided:
                return "too late"
            return "decided"

        return run

    outcomes = at_once(
        [
            tried(lambda: approve(approval.pk, actor=samuel)),
            tried(lambda: approve(approval.pk, actor=diane)),
            tried(lambda: reject(approval.pk, comment="no", actor=diane)),
        ]
    )

    assert sorted(outcomes) == ["decided", "too late", "too late"]
    assert len(operation.said) == (fresh(approval).state == State.APPROVED)


def test_what_is_approved_is_what_was_shown(ask: Ask, operation: Word, samuel: User) -> None:
    approval = ask()
    operation.world = "loud"

    with pytest.raises(ApprovalStale):
        approve(approval.pk, actor=samuel)

    assert fresh(approval).state == State.OPEN
    assert operation.said == []
    assert AuditRecord.objects.get(action="approval_refused").after["code"] == "approval_stale"


def test_what_helps_to_decide_may_change(ask: Ask, operation: Word, samuel: User) -> None:
    approval = ask()
    operation.weather = "wet"

    approve(approval.pk, actor=samuel)

    assert fresh(approval).state == State.APPROVED


def test_what_is_refused_when_it_is_done_stays_open_and_is_recorded(
    ask: Ask, operation: Word, samuel: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = ask()

    def refuse(*args: Any, **kwargs: Any) -> None:
        Approval.objects.filter(pk=approval.pk).update(assigned_to=samuel)  # is undone with the rest
        raise NoMoreWords()

    monkeypatch.setattr(operation, "apply", refuse)
    with pytest.raises(NoMoreWords):
        approve(approval.pk, actor=samuel)
    monkeypatch.undo()

    assert (fresh(approval).state, fresh(approval).assigned_to) == (State.OPEN, None)
    assert AuditRecord.objects.get(action="approval_refused").after["code"] == "no_more_words"
    approve(approval.pk, actor=samuel)
    assert len(operation.said) == 1


def test_a_bug_decides_nothing(ask: Ask, operation: Word, samuel: User, monkeypatch: pytest.MonkeyPatch) -> None:
    approval = ask()
    monkeypatch.setattr(operation, "apply", lambda *args, **kwargs: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        approve(approval.pk, actor=samuel)

    assert fresh(approval).state == State.OPEN


def test_what_somebody_asked_for_who_has_left_goes_nowhere(
    ask: Ask, operation: Word, grace: User, samuel: User, diane: User
) -> None:
    approval = ask()
    services.deactivate(grace, reason="gone", actor=diane)

    with pytest.raises(MakerGone):
        approve(approval.pk, actor=samuel)
    reject(approval.pk, comment="Grace has left.", actor=samuel)

    assert operation.said == []


def test_a_kind_that_is_gone_is_decided_by_nobody_and_its_page_says_so(
    ask: Ask, operation: Word, grace: User, diane: User, settings: Any
) -> None:
    approval = ask()
    settings.APPROVAL_OPERATIONS = settings.APPROVAL_OPERATIONS[:-1]

    with pytest.raises(UnknownOperation):
        approve(approval.pk, actor=diane)
    page = client_of(diane).get(reverse("admin:staff_approval_change", args=[approval.pk]))
    dialogs = [
        client_of(diane).get(reverse(f"admin:staff_approval_{name}", args=[approval.pk]))
        for name in ("approve", "assign")
    ]
    withdraw(approval.pk, actor=grace)

    assert "No such operation" in page.text
    assert all("not decided any more" in dialog.text for dialog in dialogs)


# --- Time ------------------------------------------------------------------------------------------------------------


def test_after_its_time_it_is_not_approved_but_closed(
    ask: Ask, operation: Word, samuel: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = expired(ask, monkeypatch)

    with pytest.raises(ApprovalExpired):
        approve(approval.pk, actor=samuel)

    kept = fresh(approval)
    assert (kept.state, kept.checker) == (State.EXPIRED, None)
    assert operation.said == []
    assert [action for _, action in trail(kept)] == ["request_approval", "expire", "approval_refused"]


def test_the_clock_closes_what_nobody_decided(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    old = expired(ask, monkeypatch)
    young = ask("goodbye")

    assert expire_approvals() == 1
    assert expire_approvals() == 0

    assert (fresh(old).state, fresh(young).state) == (State.EXPIRED, State.OPEN)
    assert trail(old)[-1] == ("system", "expire")


# --- Assigning -------------------------------------------------------------------------------------------------------


def test_it_is_taken_and_passed_on_and_others_may_still_decide(
    ask: Ask, grace: User, samuel: User, diane: User
) -> None:
    approval = ask()

    assign(approval.pk, to=samuel, actor=samuel)
    assert fresh(approval).assigned_to == samuel
    assign(approval.pk, to=diane, actor=samuel)
    record = AuditRecord.objects.filter(action="assign_approval").first()
    assert (record.before, record.after) == (samuel.principal, diane.principal)
    assign(approval.pk, to=None, actor=diane)
    assign(approval.pk, to=diane, actor=diane)

    approve(approval.pk, actor=samuel)

    assert fresh(approval).assigned_to == diane


def test_it_is_assigned_by_and_to_those_who_decide(ask: Ask, grace: User, samuel: User, diane: User) -> None:
    approval = ask(maker=diane)

    for to in (grace, diane):
        with pytest.raises(NotAChecker):
            assign(approval.pk, to=to, actor=samuel)
    with pytest.raises(MayNotCheck):
        assign(approval.pk, to=samuel, actor=grace)

    assert list(approvals.checkers_of(approval)) == [samuel]
    assert fresh(approval).assigned_to is None
