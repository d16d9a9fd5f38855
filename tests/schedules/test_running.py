"""What becomes of dates: paid, tried again, refused, missed. The clock is the test's own."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from core.failures import retry
from core.models import FailedJob
from customers.services import reactivate_customer, suspend_customer
from notifications.models import Notification
from schedules import running
from schedules.calendar import enter_day
from schedules.errors import ChangedTooOften, NoDates
from schedules.models import OrderEvent, OrderRun, StandingOrder
from schedules.selectors import calendar_of, first_dates
from schedules.services import (
    MOST_CHANGES,
    cancel_order,
    change_order,
    pause_order,
    resume_order,
    skip_date,
)
from tests.books import assert_books_balance, fund, posted
from tests.factories import fresh, new_wallet
from tests.schedules.conftest import morning, principal, run_at, states, today
from transactions.models import Transaction
from transactions.services.relay import relay_events
from wallets.services import close_wallet, freeze_wallet, lift_freeze

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
# Read again each second.
TARIFF = ("transactions_feerule", "transactions_feewaiver", "customers_tierlimit", "SELECT code, timezone")
Order = Callable[..., StandingOrder]


def told(order: StandingOrder) -> list[str]:
    return list(
        Notification.objects.filter(customer=order.customer, kind__startswith="order_")
        .order_by("id").values_list("kind", flat=True)
    )  # fmt: skip


def test_each_date_is_paid_once_on_its_morning(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 10_000)
    daily, first = order(memo="bread"), today() + DAY

    assert run_at(morning(first, 5)) == 0
    assert run_at(morning(first)) == 1
    assert run_at(morning(first, 23)) == 0
    assert run_at(morning(first + DAY)) == 1

    assert states(daily) == ["completed", "completed"]
    assert (posted(aline), posted(eric)) == (8_000, 2_000)
    run = OrderRun.objects.get(order=daily, due_on=first)
    assert run.transaction and (run.transaction.memo, run.transaction.payer_id) == ("bread", aline.pk)
    assert run.transaction.reference == f"standing-order:{daily.pk}:{first}:0"
    assert run.transaction.caller == f"customer:{aline.customer_id}"
    assert_books_balance()


def test_without_money_it_is_tried_again_and_then_paid(order: Order, aline: Any, eric: Any) -> None:
    first = today() + DAY
    once = order(frequency="once", retries=2, retry_hours=6)

    run_at(morning(first))
    assert run_at(morning(first, 11)) == 0
    fund(aline, 1_000)
    assert run_at(morning(first, 12)) == 1

    assert states(once) == ["completed"]
    assert posted(eric) == 1_000
    assert fresh(once).state == "ended"
    assert told(once) == ["order_created", "order_unfunded", "order_ended"]
    relay_events()
    kinds = Notification.objects.filter(customer=aline.customer).values_list("kind", flat=True)
    assert "money_sent" in kinds and "transfer_failed" not in kinds  # the order has told of it
    assert sorted(Transaction.objects.filter(payer=aline).values_list("state", flat=True)) == ["completed", "failed"]
    assert_books_balance()


def test_after_the_last_try_it_is_given_up_and_the_customer_told(order: Order, aline: Any) -> None:
    first = today() + DAY
    once = order(frequency="once", retries=2, retry_hours=6)

    for hour in (6, 12, 18):
        run_at(morning(first, hour))
    fund(aline, 1_000)
    assert run_at(morning(first + 2 * DAY)) == 0

    run = OrderRun.objects.get(order=once)
    assert (run.state, run.tries, run.refusal_code) == ("unfunded", 3, "insufficient_funds")
    assert posted(aline) == 1_000
    assert told(once) == ["order_created", "order_unfunded", "order_unfunded", "order_given_up", "order_ended"]


def test_another_refusal_ends_the_date_with_its_code_and_not_the_order(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    daily, first = order(), today() + DAY
    freeze = freeze_wallet(eric, mode="credit", reason="stolen phone", actor=None)

    run_at(morning(first))
    lift_freeze(freeze, actor=None, reason="found")
    run_at(morning(first + DAY))

    refused, paid = OrderRun.objects.filter(order=daily).order_by("due_on")
    assert (refused.state, refused.refusal_code, refused.tries) == ("failed", "recipient_unavailable", 0)
    assert refused.transaction and refused.transaction.state == "failed"
    assert paid.state == "completed"
    assert "order_failed" in told(daily)


def test_all_that_holds_for_the_customer_holds_for_the_order(order: Order, aline: Any, eric: Any) -> None:
    """Suspension leaves no transaction, limits and freezes one that says why."""
    fund(aline, 2_000_000)
    daily, much, first = order(), order(amount=900_000_000), today() + DAY
    suspend_customer(aline.customer, actor=None, reason="fraud alert")
    run_at(morning(first))
    reactivate_customer(fresh(aline.customer), actor=None, reason="cleared")
    freeze_wallet(aline, mode="debit", reason="lost phone", actor=None)
    run_at(morning(first + DAY))

    codes = {
        one: list(OrderRun.objects.filter(order=one).order_by("due_on").values_list("refusal_code", flat=True))
        for one in (daily, much)
    }
    assert codes[daily] == ["customer_suspended", "wallet_frozen"]
    assert codes[much] == ["customer_suspended", "wallet_frozen"]
    assert OrderRun.objects.filter(transaction=None).count() == 2
    assert posted(eric) == 0


def test_limits_count_for_it(order: Order, aline: Any) -> None:
    fund(aline, 2_000_000)
    much = order(amount=900_000_000)

    run_at(morning(today() + DAY))

    assert OrderRun.objects.get(order=much).refusal_code == "limit_exceeded"


def test_a_wallet_that_is_gone_or_anothers_pays_nothing(order: Order, aline: Any, eric: Any) -> None:
    daily = order()
    close_wallet(aline, actor=aline.customer)

    run_at(morning(today() + DAY))

    assert OrderRun.objects.get(order=daily).refusal_code == "wallet_closed"


@pytest.mark.parametrize(("who", "code"), [("aline", "wallet_closed"), ("eric", "recipient_unavailable")])
def test_once_a_wallet_is_closed_the_order_ends_and_it_is_told_once(
    order: Order, aline: Any, eric: Any, who: str, code: str
) -> None:
    daily, other, first = order(), order(payee=new_wallet(currency="RWF")), today() + DAY
    closed = {"aline": aline, "eric": eric}[who]
    close_wallet(closed, actor=closed.customer)

    run_at(morning(first + DAY))  # two dates at once
    run_at(morning(first + 2 * DAY))

    ended = fresh(daily)
    assert (ended.state, ended.next_on, ended.next_at) == ("ended", None, None)
    assert list(OrderRun.objects.filter(order=daily).values_list("state", "refusal_code")) == [("failed", code)] * 2
    event = OrderEvent.objects.get(order_id=daily.pk, kind="ended")
    notice = Notification.objects.get(event=event.pk)
    assert (event.facts["code"], notice.kind) == (code, "order_ended_refused")
    assert "has ended" in notice.body
    assert "order_failed" not in told(daily)
    assert fresh(other).state == ("ended" if who == "aline" else "active")


def test_a_retry_that_finds_a_wallet_closed_ends_the_order_also_after_a_later_date_was_paid(
    order: Order, aline: Any, eric: Any
) -> None:
    daily, first = order(retries=2, retry_hours=36), today() + DAY
    run_at(morning(first))  # nothing is there: it waits
    fund(aline, 1_000)
    run_at(morning(first + DAY))
    assert states(daily) == ["due", "completed"]
    close_wallet(aline, actor=aline.customer)

    run_at(morning(first) + timedelta(hours=36))

    assert (states(daily), fresh(daily).state) == (["failed", "completed"], "ended")
    assert "order_ended_refused" in told(daily)


def test_an_order_whose_last_date_is_the_third_refusal_ends_and_does_not_wait_to_be_resumed(
    order: Order, aline: Any, eric: Any
) -> None:
    fund(aline, 10_000)
    thrice, first = order(runs=3), today() + DAY
    suspend_customer(eric.customer, actor=None, reason="fraud alert")

    for day in range(3):
        run_at(morning(first + day * DAY))

    assert (states(thrice), fresh(thrice).state) == (["failed"] * 3, "ended")
    assert "order_paused_refused" not in told(thrice)


def test_refused_on_three_dates_in_a_row_it_pauses_itself_and_tells(order: Order, aline: Any, eric: Any) -> None:
    """A recipient who is suspended may come back: the payer says when it goes on."""
    fund(aline, 10_000)
    daily, first = order(), today() + DAY
    run_at(morning(first))
    suspend_customer(eric.customer, actor=None, reason="fraud alert")

    for day in (1, 2, 3, 4):
        run_at(morning(first + day * DAY))

    paused = fresh(daily)
    assert states(daily) == ["completed", "failed", "failed", "failed"]
    assert (paused.state, paused.paused_by, paused.next_at) == ("paused", running.ACTOR, None)
    assert told(daily) == ["order_created", "order_failed", "order_failed", "order_paused_refused"]
    assert "3 dates in a row" in Notification.objects.get(kind="order_paused_refused").body
    reactivate_customer(fresh(eric.customer), actor=None, reason="cleared")
    resume_order(daily.pk, actor=principal(aline))
    run_at(morning(first + 5 * DAY))
    assert fresh(daily).state == "active" and states(daily)[-1] == "completed"
    assert_books_balance()


def test_a_date_that_waits_for_money_can_be_skipped(order: Order, aline: Any, eric: Any) -> None:
    daily, first = order(runs=2), today() + DAY
    run_at(morning(first))
    change_order(daily.pk, {"amount": 10}, actor=principal(aline))  # from the next date on

    skip_date(daily.pk, first, actor=principal(aline))
    fund(aline, 5_000)
    run_at(morning(first + DAY))
    run_at(morning(first + 2 * DAY))

    assert states(daily) == ["skipped", "completed", "completed"]
    assert posted(eric) == 20
    assert fresh(daily).counted == 2


def test_what_a_stolen_session_could_change_is_told(order: Order, aline: Any) -> None:
    daily, me, first = order(), principal(aline), today() + DAY
    change_order(daily.pk, {"amount": 999_999, "memo": "not quoted"}, actor=me)
    skip_date(daily.pk, first, actor=me)
    pause_order(daily.pk, actor=me)
    resume_order(daily.pk, actor=me)

    bodies = {one.kind: one.body for one in Notification.objects.filter(customer=aline.customer)}
    assert set(bodies) == {"order_created", "order_changed", "order_skipped", "order_resumed"}
    assert all("If this was not you" in body for body in bodies.values())
    assert "999,999 instead of" in bodies["order_changed"] and "not quoted" not in bodies["order_changed"]


def test_words_say_no_more_than_is_so(order: Order, aline: Any) -> None:
    order(frequency="once", retries=0)
    run_at(morning(today() + DAY))

    bodies = {one.kind: one.body for one in Notification.objects.filter(customer=aline.customer)}
    assert bodies["order_created"].startswith("On ") and "on we pay" not in bodies["order_created"]
    assert "0 of 1 were paid" in bodies["order_ended"]
    assert "next dates" not in bodies["order_given_up"]
    assert all(".." not in body for body in bodies.values())


def test_what_a_paused_order_shows_and_takes_are_dates_to_come(order: Order, aline: Any) -> None:
    daily, me = order(end_on=today() + 30 * DAY), principal(aline)
    pause_order(daily.pk, actor=me)
    later = morning(today() + 20 * DAY)
    version, days = daily.versions.get(), calendar_of("RW")
    assert first_dates(fresh(daily), version, days, at=later)[0].due == today() + 20 * DAY
    assert first_dates(fresh(daily), version, days, at=morning(today() + 60 * DAY)) == []


def test_a_paused_order_whose_dates_have_passed_ends_when_it_is_resumed(
    order: Order, aline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily, me = order(end_on=today() + 30 * DAY), principal(aline)
    pause_order(daily.pk, actor=me)
    monkeypatch.setattr("schedules.services.database_now", lambda: morning(today() + 60 * DAY))
    with pytest.raises(NoDates):
        change_order(daily.pk, {"end_on": today() + 40 * DAY}, actor=me)

    assert resume_order(daily.pk, actor=me).state == "ended"

    assert (fresh(daily).state, told(daily)) == ("ended", ["order_created", "order_ended"])


def test_there_are_not_more_than_so_many_changes(order: Order, aline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_CHANGES < 32_767
    monkeypatch.setattr("schedules.services.MOST_CHANGES", 1)
    daily, me = order(), principal(aline)
    change_order(daily.pk, {"amount": 2}, actor=me)

    with pytest.raises(ChangedTooOften):
        change_order(daily.pk, {"amount": 3}, actor=me)

    assert fresh(daily).version == 2


def test_a_recipient_who_changes_their_number_is_paid_all_the_same(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 1_000)
    order()
    type(eric.customer).objects.filter(pk=eric.customer_id).update(phone_number="+250788999999")

    run_at(morning(today() + DAY))

    assert posted(eric) == 1_000


# --- The clock -------------------------------------------------------------------------------------------------------


def test_a_clock_that_jumps_ahead_makes_up_what_is_not_too_late(order: Order, aline: Any, eric: Any) -> None:
    """Ten days at once: what is late by three days at most is paid, in order; the rest is missed, and told."""
    fund(aline, 100_000)
    daily, first = order(), today() + DAY

    run_at(morning(first + 9 * DAY))

    assert states(daily) == ["missed"] * 6 + ["completed"] * 4
    assert posted(eric) == 4_000
    paid = OrderRun.objects.filter(order=daily, state="completed").order_by("transaction_id")
    assert [run.due_on for run in paid] == [first + n * DAY for n in range(6, 10)]
    assert told(daily).count("order_missed") == 6
    assert_books_balance()


def test_a_clock_that_jumps_back_pays_nothing_again(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 100_000)
    daily, first = order(), today() + DAY
    run_at(morning(first + 2 * DAY))
    assert posted(eric) == 3_000

    for day in (2, 1, 0, 1, 2):
        run_at(morning(first + day * DAY))
    assert posted(eric) == 3_000
    run_at(morning(first + 3 * DAY))

    assert posted(eric) == 4_000
    assert states(daily) == ["completed"] * 4


def test_a_lease_given_by_a_clock_that_was_ahead_holds_nothing_up(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 1_000)
    order()
    at = morning(today() + DAY)
    running.begin_due(at)
    assert running.claim(at + 30 * DAY)  # a worker that died, by a clock that was set back afterwards

    assert run_at(at) == 1
    assert posted(eric) == 1_000


def test_a_year_at_once_comes_in_parts_and_all_of_it(order: Order, aline: Any) -> None:
    daily, first = order(), today() + DAY

    run_at(morning(first + 364 * DAY))

    assert len(states(daily)) == 365


def test_what_was_paid_before_the_runs_were_lost_is_not_paid_again(order: Order, aline: Any, eric: Any) -> None:
    """As after a restored backup of another part: the key of the transfer says that it has been paid."""
    fund(aline, 5_000)
    once, first = order(frequency="once"), today() + DAY
    begun = OrderRun(
        order=once, version=once.versions.get(), planned_on=first, due_on=first, created_at=morning(first),
        due_at=morning(first),
    )  # fmt: skip
    running.post([running.transfer_of(begun)])[0].or_raise()

    run_at(morning(first))

    assert states(once) == ["completed"]
    assert posted(eric) == 1_000


# --- What the customer does ------------------------------------------------------------------------------------------


def test_a_skipped_date_is_left_out_and_does_not_count(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    daily, first = order(runs=2), today() + DAY

    skip_date(daily.pk, first, actor=principal(aline))
    skip_date(daily.pk, first, actor=principal(aline))  # said twice, meant once
    for day in range(4):
        run_at(morning(first + day * DAY))

    assert states(daily) == ["skipped", "completed", "completed"]
    assert fresh(daily).state == "ended"
    assert posted(eric) == 2_000


def test_while_paused_dates_pass_and_what_waits_is_stopped(order: Order, aline: Any, eric: Any) -> None:
    daily, first = order(), today() + DAY
    run_at(morning(first))  # no money: it waits for another try
    pause_order(daily.pk, actor=principal(aline))
    fund(aline, 5_000)
    for day in (1, 2):
        run_at(morning(first + day * DAY))

    assert states(daily) == ["stopped"]
    assert posted(eric) == 0
    resume_order(daily.pk, actor=principal(aline))
    assert fresh(daily).state == "active"


def test_a_cancelled_order_never_runs(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    daily = order()
    cancel_order(daily.pk, actor=principal(aline))
    cancel_order(daily.pk, actor=principal(aline))

    run_at(morning(today() + 3 * DAY))

    assert states(daily) == []
    assert posted(eric) == 0


def test_a_change_counts_from_the_next_date_and_history_is_kept(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    daily, first = order(), today() + DAY
    run_at(morning(first))
    change_order(daily.pk, {"amount": 1_500, "end_on": first + DAY}, actor=principal(aline))
    for day in (1, 2):
        run_at(morning(first + day * DAY))

    assert posted(eric) == 2_500
    assert fresh(daily).state == "ended"
    assert list(daily.versions.order_by("number").values_list("amount", flat=True)) == [1_000, 1_500]
    assert OrderEvent.objects.get(order_id=daily.pk, kind="changed").facts["amount"] == 1_500


def test_a_holiday_that_is_declared_moves_the_next_date(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 5_000)
    first = today() + DAY
    while first.isoweekday() > 4:
        first += DAY
    weekly = order(frequency="weekly", start_on=first, rule="next")
    due = fresh(weekly).next_on

    enter_day("RW", due, "Day of mourning", actor=None)
    run_at(morning(due, 5))

    moved = fresh(weekly).next_on
    assert moved is not None and moved > due
    run_at(morning(due))
    assert states(weekly) == []
    run_at(morning(moved))
    assert states(weekly) == ["completed"]


# --- Work that fails -------------------------------------------------------------------------------------------------


def test_one_that_breaks_holds_up_no_other_and_waits_for_a_person(
    order: Order, aline: Any, eric: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fund(aline, 5_000)
    good, bad, first = order(memo="good"), order(memo="poison"), today() + DAY
    really = running.transfer_of
    monkeypatch.setattr(running, "transfer_of", lambda run: really(run) if run.version.memo == "good" else 1 // 0)

    for minutes in (0, 3, 6, 9):
        run_at(morning(first) + timedelta(minutes=minutes))

    assert (states(good), states(bad)) == (["completed"], ["stuck"])
    (job,) = FailedJob.objects.filter(kind="standing_order")
    assert (job.error, job.arguments["order"]) == ("ZeroDivisionError", str(bad.pk))
    monkeypatch.undo()
    retry(job.pk, actor=None, reason="mended")
    run_at(morning(first) + timedelta(minutes=12))
    assert states(bad) == ["completed"]
    assert posted(eric) == 2_000


def test_a_worker_that_dies_each_time_does_not_try_for_ever(order: Order, aline: Any) -> None:
    order()
    at = morning(today() + DAY)
    running.begin_due(at)
    for round_ in range(3):
        assert len(running.claim(at + round_ * timedelta(minutes=3))) == 1
    assert running.claim(at + timedelta(minutes=9)) == []

    assert FailedJob.objects.get(kind="standing_order").error == "worker_lost"


def test_as_many_statements_for_many_as_for_few(order: Order, aline: Any, eric: Any, statements: list[str]) -> None:
    fund(aline, 500_000)

    def counted(count: int, day: date) -> int:
        for _ in range(count):
            order(start_on=day, frequency="once")
        statements.clear()
        run_at(morning(day))
        return len([one for one in statements if not any(name in one for name in TARIFF)])

    counted(1, today() + DAY)

    assert counted(2, today() + 2 * DAY) == counted(25, today() + 3 * DAY)
