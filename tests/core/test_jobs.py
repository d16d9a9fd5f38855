"""Daily jobs: once a day, however often the clock ticks and whoever dies on the way."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F

from core.jobs import ATTEMPTS, once_a_day
from core.models import JobRun

pytestmark = pytest.mark.django_db(transaction=True)


def run(job="settle"):
    """Whether the job was done by this tick."""
    with once_a_day(job) as day:
        return day is not None


def break_down():
    with once_a_day("settle") as day:
        assert day
        raise ZeroDivisionError


def long_ago(job="settle", **change):
    JobRun.objects.filter(job=job).update(started_at=F("started_at") - timedelta(hours=1), **change)


def test_a_job_runs_at_the_first_tick_of_a_day_and_no_other():
    with once_a_day("settle") as day:
        assert day == datetime.now(UTC).date()
    assert [run(), run()] == [False, False]
    assert run("another job")
    row = JobRun.objects.get(job="settle")
    assert (row.business_date, row.attempts) == (day, 1)
    assert row.finished_at is not None


def test_the_next_day_it_runs_again():
    assert run()
    long_ago(business_date=F("business_date") - timedelta(days=1))
    assert run()
    assert JobRun.objects.count() == 2


def test_many_ticks_at_once_are_one_run():
    ran, together = [], threading.Barrier(8)

    def tick():
        together.wait()
        ran.append(run())
        connection.close()

    threads = [threading.Thread(target=tick) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == [False] * 7 + [True]


def test_a_run_that_was_killed_is_taken_up_when_it_can_no_longer_be_under_way():
    with pytest.raises(ZeroDivisionError):
        break_down()
    assert not run()  # as far as anybody knows it is still under way
    long_ago()
    assert run()
    assert JobRun.objects.get().attempts == 2


def test_it_is_given_up_after_three_attempts():
    for _ in range(ATTEMPTS):
        with pytest.raises(ZeroDivisionError):
            break_down()
        long_ago()
    assert not run()
    assert JobRun.objects.get().finished_at is None


def test_a_run_given_up_for_lost_does_not_finish_its_successors():
    with once_a_day("settle"):
        long_ago()
        with pytest.raises(ZeroDivisionError):
            break_down()
    assert JobRun.objects.get().finished_at is None
