"""Workers at the same time, workers that are killed, clocks that jump: each date of each order is paid exactly once."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.db.models import Count

from core.roles import connected_as_owner
from schedules import running
from schedules.errors import NotNextDate
from schedules.models import OrderRun, StandingOrder
from schedules.services import cancel_order, skip_date
from tests.books import assert_books_balance, fund, posted
from tests.racing import answer_of, at_once, in_another_process
from tests.schedules import clocks
from tests.schedules.conftest import morning, principal, run_at, states, today
from transactions.models import Transaction

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
MANY = 40
Order = Callable[..., StandingOrder]


@pytest.fixture
def many(order: Order, aline: Any) -> list[StandingOrder]:
    fund(aline, 1_000_000)
    return [order(amount=100) for _ in range(MANY)]


def paid_once(orders: list[StandingOrder], days: int, eric: Any) -> None:
    assert OrderRun.objects.filter(state="completed").count() == len(orders) * days
    assert OrderRun.objects.exclude(state="completed").count() == 0
    twice = Transaction.objects.filter(kind="transfer").values("reference").annotate(n=Count("id")).filter(n__gt=1)
    assert not twice
    assert Transaction.objects.filter(kind="transfer").count() == len(orders) * days
    assert posted(eric) == 100 * len(orders) * days
    assert_books_balance()


def test_two_processes_and_a_thread_run_the_same_dates_once(many: list[StandingOrder], eric: Any) -> None:
    at = morning(today() + 3 * DAY)  # three dates of each
    rivals = [in_another_process("tests.schedules.rounds", at.isoformat(), "never") for _ in range(2)]
    tried = run_at(at)

    assert tried + sum(answer_of(rival) for rival in rivals) == 3 * MANY
    paid_once(many, 3, eric)


@pytest.mark.parametrize("when", ["claimed", "posted", "paid"])
def test_a_worker_that_is_killed_leaves_nothing_done_twice_or_undone(
    many: list[StandingOrder], eric: Any, when: str
) -> None:
    at = morning(today() + DAY)
    lost = in_another_process("tests.schedules.rounds", at.isoformat(), when)
    lost.communicate(timeout=120)
    assert lost.returncode == -9
    assert posted(eric) == (1_000 if when == "paid" else 0)

    run_at(at + running.LEASE + timedelta(seconds=1))

    paid_once(many, 1, eric)


def test_workers_whose_clocks_disagree_pay_each_date_once(many: list[StandingOrder], eric: Any) -> None:
    first = today() + DAY
    clocks = [morning(first + n * DAY) for n in (2, 0, 1, 2)]
    at_once([lambda at=at: run_at(at) for at in clocks])
    run_at(clocks[0] + running.LEASE)

    paid_once(many, 3, eric)


def test_the_harness_notices_a_worker_that_forgets_what_has_begun(
    many: list[StandingOrder], eric: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without date and key, the second look pays again, and the check says so."""
    really, count = running.transfer_of, iter(range(1_000))

    def careless(run: OrderRun) -> Any:
        movement = really(run)
        running.post([type(movement)(**{**fields(movement), "key": f"careless-{next(count)}", "reference": None})])
        return movement

    monkeypatch.setattr(running, "transfer_of", careless)
    run_at(morning(today() + DAY))

    with pytest.raises(AssertionError):
        paid_once(many, 1, eric)


# --- Clocks that jump -------------------------------------------------------------------------------------------------
LIBFAKETIME = next((str(path) for path in Path("/usr/lib").glob("**/faketime/libfaketime.so.1")), "")


@pytest.fixture
def shifted() -> Iterator[Callable[[int], None]]:
    """A clock of the database that can be set; only who asks for it goes by it."""

    def as_owner(statement: str) -> None:
        with connected_as_owner(), connection.cursor() as cursor:
            cursor.execute(statement)

    def jump(ahead: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(clocks.JUMP, [ahead])

    as_owner(clocks.SHIFTED)
    yield jump
    as_owner(clocks.REAL)


def over_the_date(seed: int) -> str:
    """Forward over the first date and the second, and back, by minutes, hours and a day; in the end beyond both. The
    worker's own clock is elsewhere."""
    dice, until = random.Random(seed), (morning(today() + DAY) - datetime.now(UTC)) // timedelta(seconds=1)
    hour, day = 3_600, 86_400
    at_clock = [until + jump for jump in (60, -60, hour, -hour, 60 - day, 90, day - 60, day + 60, -hour, day + hour)]
    dice.shuffle(at_clock)
    at_clock += [until + day + 3 * hour] * 2
    return json.dumps([[ahead, dice.choice([day, -day, hour, -hour, until + 60])] for ahead in at_clock])


@pytest.mark.parametrize(
    "shifted_by",
    [
        "time-machine",
        pytest.param(
            "libfaketime",
            marks=pytest.mark.skipif(not LIBFAKETIME, reason="libfaketime is not installed (Debian: faketime)"),
        ),
    ],
)
def test_two_workers_whose_clocks_jump_over_the_dates_pay_each_once(
    many: list[StandingOrder], eric: Any, shifted: Callable[[int], None], tmp_path: Path, shifted_by: str
) -> None:
    """The database's clock, which decides, and their own, which do not."""
    rivals = []
    for number in (1, 2):
        environment = {}
        if shifted_by == "libfaketime":
            clock = tmp_path / f"clock-{number}"
            clock.write_text("+0")
            environment = {
                "LD_PRELOAD": LIBFAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }  # fmt: skip
        rivals.append(in_another_process("tests.schedules.clocks", over_the_date(number), **environment))

    assert sum(answer_of(rival) for rival in rivals) >= 2 * MANY

    paid_once(many, 2, eric)
    assert not OrderRun.objects.values("order", "due_on").annotate(n=Count("id")).filter(n__gt=1)


def begun_by(own: timedelta) -> None:
    with time_machine.travel(datetime.now(UTC) + own), connection.cursor() as cursor:
        cursor.execute(clocks.BY_IT)
        try:
            running.run_standing_orders()
        finally:
            cursor.execute("RESET search_path")


def test_a_date_comes_by_the_clock_of_the_database_alone(
    many: list[StandingOrder], eric: Any, shifted: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    until = (morning(today() + DAY) - datetime.now(UTC)) // timedelta(seconds=1)

    begun_by(2 * DAY)
    assert not OrderRun.objects.exists()
    shifted(until + 60)
    begun_by(-DAY)
    paid_once(many, 1, eric)
    shifted(0)
    begun_by(timedelta(0))
    paid_once(many, 1, eric)

    # The control: a worker that trusts its own clock begins what nobody's date is.
    monkeypatch.setattr(running, "database_now", lambda: datetime.now(UTC))
    begun_by(2 * DAY)
    with pytest.raises(AssertionError):
        paid_once(many, 1, eric)


def fields(movement: Any) -> dict[str, Any]:
    return {name: getattr(movement, name) for name in movement.__slots__}


def test_whoever_cancels_while_it_runs_is_before_it_or_after(many: list[StandingOrder], aline: Any, eric: Any) -> None:
    at, me = morning(today() + DAY), principal(aline)
    acts: list[Callable[[], Any]] = [lambda: run_at(at), lambda: run_at(at)]
    acts += [lambda order=order: cancel_order(order.pk, actor=me) for order in many[:20]]
    at_once(acts)
    run_at(at + running.LEASE + timedelta(seconds=1))

    ends = {order.pk: states(order) for order in many}
    assert all(ends[order.pk] == ["completed"] for order in many[20:])
    assert all(ends[order.pk] in ([], ["completed"], ["stopped"]) for order in many[:20])
    assert posted(eric) == 100 * OrderRun.objects.filter(state="completed").count()
    assert set(StandingOrder.objects.filter(pk__in=[one.pk for one in many[:20]]).values_list("state", flat=True)) == {
        "cancelled"
    }
    assert_books_balance()


def test_a_date_that_is_skipped_while_it_begins_is_skipped_or_paid(order: Order, aline: Any, eric: Any) -> None:
    fund(aline, 1_000)
    daily, first, me = order(amount=100), today() + DAY, principal(aline)

    def skip() -> None:
        with suppress(NotNextDate):
            skip_date(daily.pk, first, actor=me)

    at_once([skip, lambda: run_at(morning(first)), lambda: run_at(morning(first))])
    run_at(morning(first) + timedelta(hours=1))

    assert states(daily) in (["skipped"], ["completed"])
    assert posted(eric) == (100 if states(daily) == ["completed"] else 0)
