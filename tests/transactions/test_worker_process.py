"""A real worker on a real broker, killed with signal 9 while 200 tasks are under way (G14)."""

import json
import time
from dataclasses import replace

import pytest
from celery import current_app
from kombu.connection import Connection
from kombu.pools import producers

from core import valkey
from notifications.models import Delivery, Notification
from tests.books import assert_books_balance, available, fund, posted, transfer
from tests.fakes.bank import QUICK, rail_settings, running_bank
from tests.fakes.rail_work import cash_out, top_up, until
from tests.fakes.worker import environment, kill, running_worker
from transactions.models import OPEN, Event, OutboxEntry, RailCall, State, Transaction
from transactions.posting import post

FEE = 500
SECONDS = 90
RAIL_WORKER = ("-Q", "rails", "-P", "threads", "-c", "8", "--hostname", "rails@%h")
OTHER_WORKER = ("-Q", "celery", "-P", "prefork", "-c", "2", "--hostname", "other@%h")


@pytest.fixture
def send(settings):
    """Puts a task into the queue of this test's worker; what the web server rings goes there too."""
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": settings.VALKEY_PREFIX}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
    door = Connection(settings.CELERY_BROKER_URL, transport_options=options)

    def send(task, *args):
        with producers[door].acquire(block=True) as producer:
            current_app.send_task(task, [str(arg) for arg in args], producer=producer, ignore_result=True)

    yield send
    for left in valkey.client().scan_iter(f"{settings.VALKEY_PREFIX}*"):
        valkey.client().delete(left)


@pytest.mark.slow
def test_a_worker_killed_three_times_over_200_tasks_does_each_once(bank, live_server, aline, eric, send, tmp_path):
    fund(aline, 10_000_000)
    rests = [0, 0, 0, 0, 0, 0, 901, 902, 904, 907]
    amounts = [1000 + 1000 * (n // 10) + rests[n % 10] for n in range(100)]
    txns = {cash_out(aline, amount): amount for amount in amounts} | {
        top_up(eric, amount): amount for amount in amounts
    }
    for txn in txns:
        send("transactions.tasks.submit_to_rail", txn)
    env = environment(bank, f"{live_server.url}/v1/rails/sandbox/callbacks", tmp_path / "mail")
    log = tmp_path / "worker.log"
    done = Transaction.objects.exclude(state__in=OPEN).filter(pk__in=txns)

    for round_ in (1, 2, 3):
        with running_worker(env, log) as worker:
            until(lambda: RailCall.objects.count() >= 35 * round_, seconds=SECONDS)  # noqa: B023
            kill(worker)
    lost = RailCall.objects.filter(outcome="").count()
    with running_worker(env, log):
        deadline = time.monotonic() + SECONDS
        while done.count() < len(txns) or OutboxEntry.objects.exists() or waiting_mails():
            assert time.monotonic() < deadline, (Transaction.objects.filter(state__in=OPEN).values(), log.read_text())
            for task in (
                "transactions.tasks.sweep",
                "transactions.tasks.sweep_rails",
                "transactions.tasks.relay_events",
                "notifications.tasks.sweep_deliveries",
            ):
                send(task)
            time.sleep(1)

    ends = dict(Transaction.objects.filter(pk__in=txns).values_list("pk", "state"))
    assert all(
        end == (State.FAILED if txns[txn] % 1000 in (901, 902) else State.COMPLETED) for txn, end in ends.items()
    )
    moved = sum(amount for amount in amounts if amount % 1000 not in (901, 902))
    assert bank.executed("pay", "RWF") == bank.executed("collect", "RWF") == moved == posted(eric)
    assert posted(aline) == available(aline) == 10_000_000 - moved - 80 * FEE
    for state in ("processing", *{*ends.values()}):
        per_transaction = Event.objects.filter(transaction__in=txns, to_state=state).values_list(
            "transaction", flat=True
        )
        assert len(per_transaction) == len(set(per_transaction))
    assert Notification.objects.count() == len(txns) + 1  # and the money at the start
    assert lost <= 6  # two processes, three deaths
    assert_books_balance()


def waiting_mails():
    """Deliveries that nobody is carrying; one that died with its worker waits for the end of its lease."""
    return Delivery.objects.filter(state=Delivery.State.PENDING, attempts=0).exists()


def test_one_customer_with_a_silent_bank_holds_up_nobody_else(live_server, settings, aline, eric, send, tmp_path):
    """16 calls of five seconds each, and the workers write what the web writes: a JSON object a line."""
    fund(aline, 10_000_000)
    silent = [cash_out(aline, 10_904 + 1000 * n) for n in range(16)]
    logs = tmp_path / "rails.log", tmp_path / "other.log"
    with running_bank(tmp_path / "patient.jsonl", delays=replace(QUICK, hang=60)) as bank:
        callbacks = f"{live_server.url}/v1/rails/sandbox/callbacks"
        settings.RAILS = rail_settings(bank, callbacks)
        env = environment(bank, callbacks, tmp_path / "mail")
        env |= {"RAIL_TIMEOUT_SECONDS": "5", "RAIL_CALLS_PER_CUSTOMER": "2", "LOG_LEVEL": "INFO"}
        with running_worker(env, logs[0], *RAIL_WORKER), running_worker(env, logs[1], *OTHER_WORKER):
            for txn in silent:
                send("transactions.tasks.submit_to_rail", txn)
            send("transactions.tasks.sweep_rails")
            until(lambda: RailCall.objects.count() == 2, seconds=20)
            began = time.monotonic()
            rich = top_up(eric, 10_000)
            send("transactions.tasks.submit_to_rail", rich)
            (sent,) = post([transfer(aline, eric, 1000)])
            told = Delivery.objects.filter(notification__transaction=sent.transaction, state=Delivery.State.SENT)
            while Transaction.objects.get(pk=rich).state != State.COMPLETED or not told.exists():
                assert time.monotonic() < began + 15, [log.read_text() for log in logs]
                for tick in ("transactions.tasks.sweep", "transactions.tasks.relay_events"):
                    send(tick)
                send("notifications.tasks.sweep_deliveries")
                time.sleep(0.5)
            took = time.monotonic() - began

    assert took < 4  # less than one silent call
    calls = RailCall.objects.filter(transaction__in=silent)
    assert calls.count() == 2
    assert set(calls.values_list("outcome", flat=True)) == {""}  # still waiting
    for log in logs:
        # To root Celery says first, and plainly, that it should not be root.
        lines = [json.loads(line) for line in log.read_text()[log.read_text().index("{") :].splitlines()]
        assert all({"at", "level", "logger", "message"} <= set(line) for line in lines)
        assert any(line.get("task", "").startswith("transactions.tasks.") for line in lines)


def test_the_names_of_the_tasks_that_are_rung_exist():
    current_app.loader.import_default_modules()

    rung = {"transactions.tasks.submit_to_rail", "transactions.tasks.process_rail_message"}
    assert rung <= set(current_app.tasks)
