"""Group commit when something goes wrong: one bad order harms nobody else, and nobody is told what may not be true."""

import fcntl
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from functools import partial

import psycopg
import pytest
from django.db import OperationalError, connection

from core.errors import OutcomeUnknown, Unavailable
from core.roles import connected_as_owner
from core.work import SYNC_WAIT_CANCELLED, Work
from tests.books import assert_books_balance, fund, posted, transfer
from tests.racing import at_once
from transactions import posting, tariff
from transactions.models import Transaction
from transactions.poster import Poster, Turn, turn
from transactions.posting import post, post_one

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def submit_together():
    """Submit orders to a poster that is held up until all but the first wait: those become one batch.

    Gives what became of all but the first, refused or raised, and the sizes of the batches.
    """
    batches: list[int] = []
    busy, ready = threading.Event(), threading.Event()

    def post_when_ready(orders):
        busy.set()
        ready.wait(30)
        batches.append(len(orders))
        return post(orders)

    poster = Poster(post_when_ready, 256)

    def result_of(order):
        try:
            return poster.submit(order)
        except Exception as error:
            return error

    def let_go_of(waiting):
        while len(poster._waiting) < waiting:
            time.sleep(0.01)
        ready.set()

    def submit(first, *others):
        alone = threading.Thread(target=result_of, args=[first])
        alone.start()
        busy.wait(30)
        threading.Thread(target=let_go_of, args=[len(others)]).start()
        results = at_once([partial(result_of, order) for order in others])
        alone.join()
        return results, batches

    return submit


def test_waiting_orders_share_a_commit(submit_together, aline, eric):
    fund(aline, 100)

    results, batches = submit_together(*(transfer(aline, eric, 1) for _ in range(21)))

    assert batches == [1, 20]
    assert [result.state for result in results] == ["completed"] * 20
    assert posted(eric) == 21
    assert_books_balance()


def test_a_batch_is_at_most_so_large(aline, eric):
    fund(aline, 100)
    sizes: list[int] = []
    poster = Poster(lambda orders: sizes.append(len(orders)) or time.sleep(0.01) or post(orders), 4)

    at_once([partial(poster.submit, transfer(aline, eric, 1)) for _ in range(20)])

    assert max(sizes) == 4
    assert sum(sizes) == posted(eric) == 20


def test_a_poisoned_order_harms_nobody_else(submit_together, aline, eric):
    """PostgreSQL holds no NUL in text; the door refuses it, and this one came past the door."""
    fund(aline, 100)
    orders = [transfer(aline, eric, 1) for _ in range(10)]
    poisoned = transfer(aline, eric, 50, memo="rent\x00")

    results, batches = submit_together(*orders, poisoned)

    assert batches == [1, 10, *[1] * 10]  # together, and then each alone
    assert [getattr(result, "state", type(result)) for result in results] == ["completed"] * 9 + [
        psycopg.errors.UntranslatableCharacter
    ]
    assert posted(eric) == 10
    assert not Transaction.objects.filter(idempotency_key=poisoned.key).exists()
    assert_books_balance()


def at_commit(monkeypatch, act, which=1) -> None:
    """Do ``act`` with the connection as soon as this COMMIT, counted from now, is on its way."""
    run, commits = Work.run, itertools.count(1)

    def watched(self, query, *params):
        cursor = run(self, query, *params)
        if query == "COMMIT" and next(commits) == which:
            act(self.raw)
        return cursor

    monkeypatch.setattr(Work, "run", watched)


def lose_the_answer(to, raw) -> None:
    """COMMIT reaches PostgreSQL, which commits; its answer never reaches us, for the line is cut."""
    raw.pgconn.pipeline_sync()
    while raw.pgconn.flush():
        pass
    with psycopg.connect(raw.info.dsn, password=raw.info.password, autocommit=True) as other:
        while not other.execute("SELECT FROM transactions_transaction WHERE idempotency_key = %s", [to.key]).rowcount:
            time.sleep(0.01)
    here, there = socket.socketpair()
    there.close()
    os.dup2(here.fileno(), raw.fileno())
    here.close()


def test_a_lost_answer_to_commit_is_an_unknown_outcome_and_a_retry_tells_that_it_happened(monkeypatch, aline, eric):
    fund(aline, 100)
    order = transfer(aline, eric, 60)
    at_commit(monkeypatch, partial(lose_the_answer, order))

    with pytest.raises(OutcomeUnknown):
        post_one(order)
    again = post_one(order)

    assert again.replayed
    assert again.transaction == Transaction.objects.get(idempotency_key=order.key).pk
    assert posted(eric) == 60
    assert_books_balance()


def test_everybody_in_the_batch_is_told_that_the_outcome_is_unknown(monkeypatch, submit_together, aline, eric):
    fund(aline, 100)
    orders = [transfer(aline, eric, 1) for _ in range(6)]
    at_commit(monkeypatch, partial(lose_the_answer, orders[1]), which=2)

    results, batches = submit_together(*orders)
    again = [post_one(order) for order in orders]

    assert batches == [1, 5]  # nobody was posted a second time
    assert [type(result) for result in results] == [OutcomeUnknown] * 5
    assert [outcome.replayed for outcome in again] == [True] * 6
    assert posted(eric) == 6
    assert_books_balance()


@contextmanager
def when_committing(body: str):
    """Run this PL/pgSQL at the end of each database transaction that made a transaction."""
    name = "at_the_end"
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$;"
            f"CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON transactions_transaction DEFERRABLE INITIALLY DEFERRED"
            f" FOR EACH ROW EXECUTE FUNCTION {name}()"
        )
    try:
        yield
    finally:
        with connected_as_owner(), connection.cursor() as cursor:
            cursor.execute(f"DROP FUNCTION {name}() CASCADE")


def test_a_synchronous_standby_that_was_given_up_on_is_an_unknown_outcome(aline, eric):
    """PostgreSQL says success, and only warns that the standby may not have it."""
    fund(aline, 100)
    order = transfer(aline, eric, 60)

    with when_committing(f"RAISE WARNING '{SYNC_WAIT_CANCELLED} due to user request';"):
        with pytest.raises(OutcomeUnknown):
            post_one(order)
    again = post_one(order)

    assert again.replayed
    assert posted(eric) == 60
    assert_books_balance()


def test_other_warnings_while_committing_change_nothing(aline, eric):
    fund(aline, 100)
    with when_committing("RAISE WARNING 'the weather is bad';"):
        assert not post_one(transfer(aline, eric, 60)).replayed
    assert posted(eric) == 60


def test_a_commit_that_is_refused_is_no_unknown_outcome(aline, eric):
    """The database answered, and what it answered is no: a timeout, in this case. Each try is a new one."""
    fund(aline, 100)
    order = transfer(aline, eric, 60)

    with when_committing("RAISE EXCEPTION 'too slow' USING ERRCODE = 'query_canceled';"):
        with pytest.raises(Unavailable) as refused:
            post_one(order)
    assert not isinstance(refused.value, OutcomeUnknown)
    assert posted(eric) == 0

    assert not post_one(order).replayed
    assert posted(eric) == 60
    assert_books_balance()


def test_a_backend_that_is_killed_harms_only_those_it_worked_for(monkeypatch, aline, eric):
    """Sessions are ended at random while many pay; whoever is told "unavailable" or "unknown" asks again until told."""
    fund(aline, 5_000)
    dice, over = random.Random(1), threading.Event()
    orders = [transfer(aline, eric, 1) for _ in range(900)]
    poster, settled = Poster(post, 16), []

    def killer() -> Counter[str]:
        """Another session for every few orders that were settled, so that all get on wherever it is slow."""
        killed: Counter[str] = Counter()
        going_on = 0
        while not over.wait(0.002):
            if len(settled) < going_on:
                continue
            going_on = len(settled) + 4
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user"
                    " AND pid <> pg_backend_pid() AND query <> '' ORDER BY pid"
                )
                if victims := cursor.fetchall():
                    cursor.execute("SELECT pg_terminate_backend(%s)", dice.choice(victims))
                    killed["sessions"] += 1
        return killed

    def client(mine) -> Counter[str]:
        told: Counter[str] = Counter()
        for order in mine:
            for _ in range(200):
                try:
                    outcome = poster.submit(order)
                except Unavailable as error:
                    told[error.code] += 1
                    time.sleep(0.02)
                else:
                    told["replayed" if outcome.replayed else outcome.state] += 1
                    settled.append(order)
                    break
        return told

    def clients() -> Counter[str]:
        try:
            return sum(at_once([partial(client, orders[n::10]) for n in range(10)]), Counter())
        finally:
            over.set()

    told, killed = at_once([clients, killer])

    connection.close()  # it may be among them
    assert killed["sessions"] >= 30
    assert told["completed"] + told["replayed"] == 900
    assert posted(eric) == Transaction.objects.filter(kind="transfer").count() == 900
    assert_books_balance()


def test_a_connection_lost_while_the_tariff_is_read_is_lost_like_any_other(monkeypatch, aline, eric):
    """Fees and limits are read through Django, whose errors are its own; nothing has happened, and all goes on."""
    fund(aline, 100)
    lost = iter([OperationalError("server closed the connection unexpectedly")] * (posting.RETRIES + 1))
    current = tariff.current

    def maybe_lost():
        if error := next(lost, None):
            raise error
        return current()

    monkeypatch.setattr(tariff, "current", maybe_lost)
    with pytest.raises(Unavailable):
        post_one(transfer(aline, eric, 1))

    assert post_one(transfer(aline, eric, 2)).error is None
    assert posted(eric) == 2
    assert_books_balance()


# --- Turns ---------------------------------------------------------------------------------------------------------
def test_whoever_waits_for_its_turn_takes_along_what_comes_in_meanwhile(aline, eric, tmp_path):
    fund(aline, 10_000)
    batches: dict[str, list[int]] = {"one": [], "other": []}
    posting, go_on = threading.Event(), threading.Event()

    def post_as(name):
        def post_and_note(orders):
            batches[name].append(len(orders))
            if name == "one":
                posting.set()
                go_on.wait(30)
            return post(orders)

        return post_and_note

    one, other = [Poster(post_as(name), 256, lambda: Turn(tmp_path / "turn")) for name in batches]
    first = threading.Thread(target=one.submit, args=[transfer(aline, eric, 1)])
    first.start()
    posting.wait(30)
    rest = [threading.Thread(target=other.submit, args=[transfer(aline, eric, 1)]) for _ in range(5)]
    for thread in rest:
        thread.start()
        time.sleep(0.05)  # so that the first of them would have gone alone
    assert batches["other"] == []
    go_on.set()
    for thread in [first, *rest]:
        thread.join(30)

    assert batches == {"one": [1], "other": [5]}
    assert posted(eric) == 6
    assert_books_balance()


def test_nobody_posts_twice_while_another_waits(tmp_path):
    one, other, order = Turn(tmp_path / "turn"), Turn(tmp_path / "turn"), []

    def wait_for_a_turn():
        with other:
            order.append("other")

    for _ in range(20):
        waiting = threading.Thread(target=wait_for_a_turn)
        with one:
            waiting.start()
            time.sleep(0.01)
        with one:
            order.append("one")
        waiting.join()

    assert order == ["other", "one"] * 20


def test_a_turn_is_given_back_by_a_process_that_is_killed(tmp_path):
    hold = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, 2); print('mine', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, tmp_path / "turn"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "mine\n"
    mine = Turn(tmp_path / "turn")
    with pytest.raises(BlockingIOError):
        fcntl.flock(mine._posts, fcntl.LOCK_EX | fcntl.LOCK_NB)
    holder.kill()
    holder.communicate()

    with mine:
        pass


def test_without_a_place_for_the_file_everybody_posts_at_once(settings, tmp_path, caplog):
    settings.VAR_DIR = tmp_path / "nowhere"
    with turn():
        assert "posting without turns" in caplog.text
    settings.VAR_DIR, settings.POSTER_TAKES_TURNS = tmp_path, False
    with turn():
        assert list(tmp_path.iterdir()) == []
