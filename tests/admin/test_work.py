"""Work queues: how much waits for whom, how late it is, who has it, and that it changes hands once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.timezone import now

from core import failures
from core.errors import TekanaError
from core.models import AuditRecord, FailedJob
from recalls.services import open_recall
from staff.approvals import assign
from staff.errors import MayNotWork, NotWaiting, NoWorker, OwnerChanged
from staff.models import Assignment, User
from staff.queues import MOST_COUNTED, Waiting, hand_over, queue_of, queues_of, take, waiting
from staff.roles import PERMISSIONS, Role
from tests.admin.conftest import World, client_of, member, odd_message
from tests.books import assert_books_balance
from tests.factories import fresh
from tests.holding import overdue
from tests.racing import at_once
from transactions.models import Kind, RailMessage, State, Transaction
from transactions.services.holds import sweep
from transactions.services.settling import mark, settle
from wallets.errors import ExpiryNotLater, FreezeLifted
from wallets.models import Freeze, Wallet
from wallets.services import expire_freezes, extend_freeze, freeze_wallet, lift_freeze

Count = Callable[[Client, str], int]
WORK = reverse("admin:staff_work")
OUTCOMES = reverse("admin:transactions_unknownoutcome_changelist")
FREEZES = reverse("admin:wallets_freeze_changelist", query={"live": "ending"})


@pytest.fixture
def operations(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.OPERATIONS])


def door(action: str, subject: Any) -> str:
    return reverse(f"admin:{subject._meta.app_label}_{subject._meta.model_name}_{action}", args=[subject.pk])


def unknown(world: World, **fields: Any) -> Transaction:
    txn = world.through_a_rail(Kind.TOP_UP, 50_00)
    mark(txn.pk, to=State.UNKNOWN, actor="job:rail_calls")
    Transaction.objects.filter(pk=txn.pk).update(**fields)
    return fresh(txn)


def ending(wallet: Wallet, hours: float, actor: Any = None, **fields: Any) -> Freeze:
    given = {"mode": "debit", "reason": "lost phone", "actor": actor} | fields
    return freeze_wallet(wallet, expires_at=now() + timedelta(hours=hours), **given)


def failed(**fields: Any) -> FailedJob:
    subject = str(uuid4().int % 10**9)
    failures.give_up("email", [failures.Given(subject, {"notification": str(uuid4()), "channel": "email"}, 3)])
    FailedJob.objects.filter(subject_id=subject).update(**fields)
    return FailedJob.objects.get(subject_id=subject)


def beside(client: Client, title: str) -> dict[str, Any]:
    """An entry of the menu."""
    menu = [item for group in client.get(WORK).context["sidebar_navigation"] for item in group["items"]]
    return next(item for item in menu if item["title"] == title)


def listed(client: Client, url: str, **query: str) -> list[Any]:
    return list(client.get(url, query).context["cl"].result_list)


# --- How much ----------------------------------------------------------------------------------------------------


def test_every_queue_counts_what_waits_its_oldest_what_is_late_and_whose_it_is(
    world: World, staff: dict[str, User], settings: LazySettings
) -> None:
    user = staff[Role.ADMINISTRATOR]
    FailedJob.objects.all().delete()
    first = failed(failed_at=now() - timedelta(hours=30))
    failed(failed_at=now() - timedelta(hours=5))
    failed()
    take(queue_of("failed_jobs"), first, actor=user)
    unknown(world)
    ending(world.wallet, 1)
    open_recall(world.undone.pk, amount=1_00, reason_code="duplicate", note="x", actor=staff[Role.SUPPORT])

    found = waiting(user)

    assert list(found) == [*settings.WORK_SLA_MINUTES, "my_requests"]
    jobs = found["failed_jobs"]
    assert (jobs.count, jobs.late, jobs.nobodys, jobs.mine, jobs.tone, jobs.words) == (3, 1, 2, 1, "bad", "late")
    assert jobs.since == first.failed_at
    assert [(found[name].count, found[name].tone) for name in ("unknown_outcomes", "odd_messages", "recalls")] == [
        (1, "good"), (1, "good"), (1, "good"),
    ]  # fmt: skip
    assert (found["ending_freezes"].count, found["ending_freezes"].words) == (1, "nearly over")
    assert found["approvals"].count == 1


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_did_not_end_by_itself_waits_and_goes_on_when_it_is_let(
    world: World, staff: dict[str, User], operations: Client
) -> None:
    hold = overdue(world.wallet, world.johns, 5_00)
    Transaction.objects.filter(pk=hold).update(quarantined_at=now(), attempts=3)
    sweep()
    one = Transaction.objects.get(pk=hold)
    assert one.state == State.PENDING and waiting(staff[Role.OPERATIONS])["unknown_outcomes"].count == 1
    assert [row.pk for row in listed(operations, OUTCOMES, kind="hold")] == [hold]

    answer = operations.post(door("release", one), {"reason": "The worker is mended."})

    assert answer.status_code == 302 and waiting(staff[Role.OPERATIONS])["unknown_outcomes"].count == 0
    sweep()
    assert fresh(one).state == State.EXPIRED
    assert_books_balance()


def test_thresholds_are_settings(world: World, staff: dict[str, User], settings: LazySettings) -> None:
    job = failed(failed_at=now() - timedelta(minutes=10))
    one = queue_of("failed_jobs")

    tones = []
    for minutes in ([30, 60], [5, 60], [1, 9]):
        settings.WORK_SLA_MINUTES = settings.WORK_SLA_MINUTES | {"failed_jobs": minutes}
        tones.append((one.tone_of(job), one.words(one.tone_of(job))))

    assert tones == [("good", "in time"), ("odd", "soon late"), ("bad", "late")]


def test_everybody_sees_the_queues_of_what_they_may_see_and_no_other(world: World, staff: dict[str, User]) -> None:
    for role, user in staff.items():
        shown = strip_tags(client_of(user).get(WORK).text)
        seen = {one.name for one in queues_of(user)}
        assert seen == set(waiting(user))
        assert ("failed_jobs" in seen) == (role in (Role.OPERATIONS, Role.AUDITOR, Role.ADMINISTRATOR))
        assert {"unknown_outcomes", "odd_messages", "recalls", "ending_freezes"} <= seen
        assert ("Work of ours that broke down" in shown) == ("failed_jobs" in seen)


def test_the_menu_says_how_much_waits_and_how_late_the_worst_is(operations: Client, world: World) -> None:
    FailedJob.objects.all().delete()
    assert beside(operations, "Failed jobs")["count"] == 0
    failed(failed_at=now() - timedelta(hours=6))

    entry = beside(operations, "Failed jobs")
    text = operations.get(WORK).text

    assert (entry["shown"], entry["tone"], entry["words"]) == ("1", "odd", "soon late")
    assert entry["link"].endswith("?state=waiting")
    assert 'title="1 waiting, the worst soon late"' in text
    assert '<span class="sr-only">, soon late</span>' in text, "not by colour alone"


def test_the_menu_asks_once_whatever_waits(
    operations: Client, world: World, staff: dict[str, User], statements: list[str], count: Count
) -> None:
    few = count(operations, WORK)
    assert sum("staff_assignment" in one for one in statements) == 1

    for _ in range(200):
        failed()
    for n in range(5):
        unknown(world)
        odd_message(f"m{n}")
        ending(world.johns, 1)

    assert count(operations, WORK) == few
    assert sum("core_failedjob" in one for one in statements) == 1
    assert sum("transactions_railmessage" in one for one in statements) == 1


def test_a_count_ends_at_the_cap(staff: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("staff.queues.MOST_COUNTED", 3)
    for _ in range(6):
        failed()

    found = waiting(staff[Role.OPERATIONS])["failed_jobs"]

    assert (found.count, found.shown) == (4, "3+")
    assert MOST_COUNTED == 1_000


def test_when_nothing_waits_the_page_says_so(operations: Client, staff: dict[str, User]) -> None:
    assert "Nothing waits" in operations.get(WORK).text
    empty = operations.get(reverse("admin:core_failedjob_changelist", query={"state": "waiting"})).text
    assert "Nothing waits" in empty
    assert "Nothing waits" not in operations.get(reverse("admin:core_failedjob_changelist")).text


def test_what_waits_for_others_is_not_nothing(operations: Client, world: World) -> None:
    """An empty list of one's own, and of what nobody has, beside one that waits."""
    empty = {whose: operations.get(OUTCOMES, {"owner": whose}).text for whose in ("mine", "nobody")}
    assert all("Nothing waits" in text for text in empty.values())

    txn = unknown(world)

    mine = operations.get(OUTCOMES, {"owner": "mine"})
    assert "None of them is yours" in mine.text and "1 waits all the same." in mine.text
    assert "Nothing waits" not in mine.text
    assert listed(operations, mine.context["cl"].all_that_wait) == [txn]
    operations.post(door("take", txn), {"confirmed": "yes"})
    assert listed(operations, OUTCOMES, owner="mine") == [txn]
    unowned = operations.get(OUTCOMES, {"owner": "nobody"}).text
    assert "Each of them has somebody" in unowned and "Nothing waits" not in unowned


def test_whoever_decides_nothing_waits_for_nothing(staff: dict[str, User], world: World) -> None:
    found: dict[str, Waiting] = waiting(staff[Role.COMPLIANCE])

    assert found["approvals"].count == 0, "a reversal is not compliance's to decide"
    assert "approvals" not in waiting(staff[Role.SUPPORT])


# --- Who has it --------------------------------------------------------------------------------------------------


def test_taking_it_shows_on_the_list_the_page_and_in_the_trail(
    operations: Client, world: World, staff: dict[str, User]
) -> None:
    txn = unknown(world)
    row = strip_tags(operations.get(OUTCOMES).text)
    assert "Take" in row and "Nobody has taken it yet." in operations.get(door("change", txn)).text

    answer = operations.post(door("take", txn), {"confirmed": "yes"}, follow=True)

    assert "It is yours." in answer.text
    assert "<b>Operations Person</b> has it." in answer.text
    assert "Operations Person" in strip_tags(client_of(staff[Role.AUDITOR]).get(OUTCOMES).text)
    assert [one.pk for one in listed(operations, OUTCOMES, owner="mine")] == [txn.pk]
    assert listed(operations, OUTCOMES, owner="nobody") == []
    record = AuditRecord.objects.get(action="take_work")
    assert (record.subject_id, record.after) == (str(txn.pk), staff[Role.OPERATIONS].principal)
    other = client_of(staff[Role.SUPPORT]).post(door("take", txn), {"confirmed": "yes"})
    assert "Operations Person has it. It can be handed over." in strip_tags(other.text)
    assert Assignment.objects.get().owner == staff[Role.OPERATIONS]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_take_it_at_once_one_gets_it(world: World, staff: dict[str, User]) -> None:
    txn, one = unknown(world), queue_of("unknown_outcomes")

    def taken_by(user: User) -> str:
        try:
            take(one, txn, actor=user)
        except TekanaError as refusal:
            return refusal.code
        return user.username

    for _ in range(5):
        Assignment.objects.all().delete()
        ends = at_once([lambda: taken_by(staff[Role.OPERATIONS]), lambda: taken_by(staff[Role.SUPPORT])])
        owner = Assignment.objects.get().owner
        assert sorted(ends) == sorted(["already_taken", owner.username])


def test_it_is_handed_over_and_given_back_and_never_taken_from_somebody_unseen(
    operations: Client, world: World, staff: dict[str, User]
) -> None:
    txn, mine = unknown(world), staff[Role.OPERATIONS]
    operations.post(door("take", txn), {"confirmed": "yes"})
    form = operations.get(door("hand_over", txn)).context["form"]

    assert form.fields["seen"].initial == mine.pk
    assert set(form.offered.values()) == {
        user for role, user in staff.items() if "transactions.release" in PERMISSIONS[role] and user != mine
    }
    to = staff[Role.SUPPORT]
    answer = operations.post(door("hand_over", txn), {"seen": mine.pk, "to": to.pk, "note": "she knows"}, follow=True)
    assert "<b>Support Person</b> has it." in answer.text
    record = AuditRecord.objects.get(action="hand_over_work")
    assert (record.before, record.after, record.reason) == (mine.principal, to.principal, "she knows")

    stale = operations.post(door("hand_over", txn), {"seen": mine.pk, "to": "nobody"})
    assert "Support Person has it now." in strip_tags(stale.text)
    assert Assignment.objects.get().owner == to
    operations.post(door("hand_over", txn), {"seen": to.pk, "to": "nobody"})
    assert not Assignment.objects.exists()
    assert AuditRecord.objects.get(action="let_go_work").after == "nobody"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({}, "This field is required."),
        ({"to": "auditor"}, "Select a valid choice."),
        ({"to": "999999"}, "Select a valid choice."),
        ({"to": "support", "note": "x" * 501}, "at most 500 characters"),
        ({"to": "support", "seen": "x"}, "Open it again."),
        ({"to": "support", "seen": "4711"}, "Nobody has it any more."),
    ],
)
def test_what_is_wrong_is_said_in_the_dialog(
    operations: Client, world: World, staff: dict[str, User], form: dict[str, str], said: str
) -> None:
    txn = unknown(world)
    form = form | ({"to": str(staff[form["to"]].pk)} if form.get("to") in staff else {})

    answer = operations.post(door("hand_over", txn), form)

    assert said in strip_tags(answer.text)
    assert not Assignment.objects.exists()


def test_the_service_refuses_whom_the_dialog_would_not_ask(world: World, staff: dict[str, User]) -> None:
    txn, one = unknown(world), queue_of("unknown_outcomes")
    me, auditor = staff[Role.OPERATIONS], staff[Role.AUDITOR]

    with pytest.raises(MayNotWork):
        take(one, txn, actor=auditor)
    with pytest.raises(NoWorker):
        hand_over(one, txn, to=auditor, seen=None, actor=me)
    with pytest.raises(OwnerChanged):
        hand_over(one, txn, to=me, seen=auditor.pk, actor=me)
    with pytest.raises(NotWaiting):
        take(one, world.sent, actor=me)
    assert not Assignment.objects.exists()
    take(one, txn, actor=me)
    take(one, txn, actor=me)
    assert AuditRecord.objects.filter(action="take_work").count() == 1


def test_what_does_not_wait_is_not_offered(operations: Client, world: World) -> None:
    text = operations.get(door("change", world.sent)).text

    assert door("take", world.sent) not in text and "Nobody has taken it" not in text
    assert "It does not wait any more." in operations.post(door("take", world.sent), {"confirmed": "yes"}).text
    assert not Assignment.objects.exists()


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.FINANCE])
def test_who_does_not_do_the_work_sees_it_and_is_offered_nothing(
    world: World, staff: dict[str, User], role: str
) -> None:
    txn = unknown(world)
    client = client_of(staff[role])

    assert "Nobody has taken it yet." in client.get(door("change", txn)).text
    assert door("take", txn) not in client.get(OUTCOMES).text + client.get(door("change", txn)).text
    assert client.post(door("take", txn), {"confirmed": "yes"}).status_code == 403


# --- Unknown outcomes --------------------------------------------------------------------------------------------


def test_unknown_outcomes_are_shown_with_what_one_needs_the_oldest_first(
    operations: Client, world: World, staff: dict[str, User]
) -> None:
    asked = unknown(world, attempts=4, due_at=now() + timedelta(minutes=9))
    given_up = unknown(world, quarantined_at=now(), attempts=3)
    world.through_a_rail(Kind.TOP_UP, 9_00)  # waits its turn: nothing is unknown of it

    rows = listed(operations, OUTCOMES)
    text = operations.get(OUTCOMES).text

    assert [row.pk for row in rows] == [asked.pk, given_up.pk]
    for shown in ("Wanjiku", "50.00", "sandbox", "Given up", "Ask again", "Unknown", door("change", asked)):
        assert shown in text, shown
    assert door("release", given_up) in text and door("release", asked) not in text
    assert [row.pk for row in listed(operations, OUTCOMES, given_up="yes")] == [given_up.pk]
    assert [row.pk for row in listed(operations, OUTCOMES, given_up="no")] == [asked.pk]
    same = operations.get(reverse("admin:transactions_unknownoutcome_change", args=[asked.pk]))
    assert same.context["original"] == asked and door("take", asked) in same.text, "the page of the transaction"
    operations.post(door("release", given_up), {"reason": "the bank is back"})
    assert fresh(given_up).quarantined_at is None


def test_what_is_settled_leaves_the_queue(operations: Client, world: World) -> None:
    txn = unknown(world)
    before = len(listed(operations, OUTCOMES))
    settle(txn.pk, to=State.FAILED, actor="rail:sandbox", refusal_code="rail_refused")

    assert (before, listed(operations, OUTCOMES)) == (1, [])
    assert "Nobody has taken it" not in operations.get(door("change", txn)).text
    assert_books_balance()


def test_an_odd_message_is_taken_and_leaves_when_it_is_closed(operations: Client, world: World) -> None:
    url = reverse("admin:transactions_railmessage_changelist", query={"state": "odd"})
    operations.post(door("take", world.odd), {"confirmed": "yes"})

    assert [row.pk for row in listed(operations, url)] == [world.odd.pk]
    assert "<b>Operations Person</b> has it." in operations.get(door("change", world.odd)).text
    operations.post(door("close", world.odd), {"reason": "not ours"})
    assert listed(operations, url) == []
    assert fresh(world.odd).state == RailMessage.State.PROCESSED


def test_the_lists_take_as_many_statements_for_many_as_for_one(
    support: Client, world: World, staff: dict[str, User], count: Count
) -> None:
    take(queue_of("unknown_outcomes"), unknown(world), actor=staff[Role.SUPPORT])
    unknown(world)
    ending(world.wallet, 1)
    urls = [OUTCOMES, FREEZES, OUTCOMES + "?owner=mine", OUTCOMES + "?owner=nobody"]
    few = [count(support, url) for url in urls]

    for n in range(20):
        txn = unknown(world)
        ending(world.wallet, n + 1)
        if n % 2:
            take(queue_of("unknown_outcomes"), txn, actor=staff[Role.SUPPORT])

    assert [count(support, url) for url in urls] == few


# --- Ending freezes ----------------------------------------------------------------------------------------------


def test_freezes_that_end_soon_wait_the_soonest_first_and_those_over_show_it(
    support: Client, world: World, settings: LazySettings
) -> None:
    soon, later = ending(world.wallet, 30), ending(world.wallet, 71)
    ending(world.wallet, 100)
    freeze_wallet(world.johns, mode="debit", reason="for good", actor=None)
    over = ending(world.johns, 1)
    # Its time is over and the sweep has not come: history never changes, so that its row is made like that.
    Freeze.objects.bulk_create([Freeze(wallet=world.johns, mode="debit", reason="x", placed_by="system",
                                       expires_at=now() - timedelta(minutes=5))])  # fmt: skip

    rows = listed(support, FREEZES)
    text = strip_tags(support.get(FREEZES).text)

    assert [row.pk for row in rows[1:]] == [over.pk, soon.pk, later.pk]
    assert "Over, nearly over" in text and "29 h left" not in text and "1 d left" in text
    settings.FREEZES_END_SOON_HOURS = 2
    assert len(listed(support, FREEZES)) == 2


def test_extending_puts_a_longer_freeze_in_its_place_at_no_moment_without_one(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    freeze = ending(world.wallet, 5, cause="fraud", mode="both")
    until = (now() + timedelta(days=9)).replace(second=0, microsecond=0)
    answer = support.post(
        door("extend", freeze), {"expires_at": f"{until:%Y-%m-%dT%H:%M}", "reason": "court is slow"}, follow=True
    )

    longer = world.wallet.freezes.get(lifted_at=None)
    assert f"It lasts until {until:%-d %b %Y %H:%M} UTC." in answer.text
    assert (longer.mode, longer.cause, longer.reason, longer.expires_at) == ("both", "fraud", "lost phone", until)
    assert fresh(freeze).lift_reason == "Extended: court is slow"
    account = fresh(world.wallet).account
    assert account.debits_frozen and account.credits_frozen
    record = AuditRecord.objects.get(action="extend_freeze")
    assert record.before["freeze"] == str(freeze.pk) and record.after["freeze"] == str(longer.pk)
    assert record.reason == "court is slow" and record.role == "support"
    assert not AuditRecord.objects.filter(action="lift_freeze").exists()
    assert listed(support, FREEZES) == []
    expire_freezes()
    assert fresh(longer).lifted_at is None
    open_end = support.post(door("extend", longer), {"expires_at": "", "reason": "for good"}, follow=True)
    assert "It lasts until somebody lifts it." in open_end.text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"reason": ""}, "This field is required."),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"expires_at": "tomorrow"}, "Enter a valid date"),
        ({"expires_at": "2020-01-01T10:00"}, "It would not last longer"),
    ],
)
def test_an_extension_that_cannot_be_is_explained(
    support: Client, world: World, form: dict[str, str], said: str
) -> None:
    freeze = ending(world.wallet, 5)
    whole = {"expires_at": f"{now() + timedelta(days=3):%Y-%m-%dT%H:%M}", "reason": "why"} | form

    assert said in strip_tags(support.post(door("extend", freeze), whole).text)
    assert world.wallet.freezes.get(lifted_at=None) == freeze


def test_what_was_lifted_or_has_no_end_is_not_extended(world: World, staff: dict[str, User], support: Client) -> None:
    forever = freeze_wallet(world.johns, mode="debit", reason="x", actor=None)
    gone = ending(world.johns, 3)
    lift_freeze(gone, actor=None, reason="found it")

    with pytest.raises(ExpiryNotLater):
        extend_freeze(forever, expires_at=now() + timedelta(days=1), actor=None, reason="x")
    with pytest.raises(FreezeLifted):
        extend_freeze(gone, expires_at=now() + timedelta(days=1), actor=None, reason="x")
    assert door("extend", forever) not in support.get(door("change", forever)).text
    assert "It was lifted on" in support.post(door("extend", gone), {"reason": "x"}).text


@pytest.mark.django_db(transaction=True)
def test_extended_by_two_at_once_one_longer_freeze_is_left(world: World, staff: dict[str, User]) -> None:
    freeze = ending(world.wallet, 5)

    def extend(days: int) -> str:
        try:
            until = now() + timedelta(days=days)
            extend_freeze(Freeze.objects.get(pk=freeze.pk), expires_at=until, actor=None, reason="x")
        except TekanaError as refusal:
            return refusal.code
        return "extended"

    assert sorted(at_once([lambda: extend(2), lambda: extend(3)])) == ["extended", "freeze_lifted"]
    assert world.wallet.freezes.filter(lifted_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_is_taken_by_one_of_two_as_well(world: World, staff: dict[str, User]) -> None:
    def taken_by(user: User) -> str:
        try:
            assign(world.asked.pk, to=user, actor=user, only_free=True)
        except TekanaError as refusal:
            return refusal.code
        return user.username

    deciders = staff[Role.FINANCE_CHECKER], staff[Role.SENIOR_SUPPORT]
    ends = at_once([lambda: taken_by(deciders[0]), lambda: taken_by(deciders[1])])

    owner = fresh(world.asked).assigned_to
    assert owner in deciders and sorted(ends) == sorted(["already_taken", owner.username])
    found = waiting(owner)["approvals"]
    assert (found.count, found.mine, found.nobodys) == (1, 1, 0)
    answer = client_of(staff[Role.ADMINISTRATOR]).post(door("take", world.asked), {"confirmed": "yes"})
    assert f"A colleague has it. {owner} has it." in strip_tags(answer.text)


def test_a_recall_is_taken_like_everything_else(support: Client, world: World, staff: dict[str, User]) -> None:
    recall = open_recall(world.undone.pk, amount=1_00, reason_code="duplicate", note="x", actor=staff[Role.SUPPORT])

    answer = support.post(door("take", recall), {"confirmed": "yes"}, follow=True)

    assert "<b>Support Person</b> has it." in answer.text
    url = reverse("admin:recalls_recall_changelist")
    assert listed(support, url, state="open", owner="mine") == [recall]
    assert listed(client_of(member(Role.SUPPORT, "other")), url, owner="mine") == []
