"""The bell rings after commit, and costs nobody anything when it does not."""

import json
import logging
import socket
import time

import pytest
from django.db import transaction as db_transaction

from core import bell, valkey

TASK = "tests.no_such_task"


@pytest.fixture(autouse=True)
def _ready(settings, monkeypatch):
    """Rings go to a queue of this test's own, which nobody works at."""
    options = settings.CELERY_BROKER_TRANSPORT_OPTIONS | {"global_keyprefix": settings.VALKEY_PREFIX}
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = options
    monkeypatch.setattr(bell, "_quiet_until", 0.0)
    bell._door.cache_clear()
    yield
    valkey.client().delete(valkey.key("celery"))
    bell._door.cache_clear()


def rung():
    queue = valkey.client().lrange(valkey.key("celery"), 0, -1)
    return [json.loads(message)["headers"] for message in reversed(queue)]


@pytest.mark.django_db(transaction=True)
def test_it_rings_after_commit_and_not_before():
    with db_transaction.atomic():
        bell.ring(TASK, 17)
        assert rung() == []

    assert [(headers["task"], headers["argsrepr"]) for headers in rung()] == [(TASK, "['17']")]


@pytest.mark.django_db(transaction=True)
def test_what_was_rolled_back_does_not_ring():
    with db_transaction.atomic():
        bell.ring(TASK, 17)
        db_transaction.set_rollback(True)

    assert rung() == []


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_fails_nobody_and_is_left_alone_for_a_while(settings, caplog, monkeypatch):
    settings.CELERY_BROKER_URL, here = "redis://127.0.0.1:1/0", settings.CELERY_BROKER_URL
    began = time.monotonic()
    for _ in range(100):
        bell.ring(TASK, 17)
    assert time.monotonic() - began < 1
    assert [record.levelno for record in caplog.records if record.name == "core.bell"] == [logging.WARNING]

    settings.CELERY_BROKER_URL = here
    bell.ring(TASK, 18)
    assert rung() == []  # still quiet
    monkeypatch.setattr(bell, "_quiet_until", 0.0)
    bell.ring(TASK, 19)
    assert [headers["argsrepr"] for headers in rung()] == ["['19']"]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_hangs_slows_one_request_by_a_second_at_most(settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        began = time.monotonic()
        for _ in range(100):
            bell.ring(TASK, 17)

    assert time.monotonic() - began < 1.5


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_the_broker_dropped_costs_one_bell_at_most(monkeypatch):
    bell.ring(TASK, 1)
    for connection in valkey.client().client_list():
        if connection["id"] != str(valkey.client().client_id()) and connection["cmd"] in ("lpush", "LPUSH"):
            valkey.client().client_kill_filter(_id=connection["id"])

    bell.ring(TASK, 2)
    monkeypatch.setattr(bell, "_quiet_until", 0.0)
    bell.ring(TASK, 3)

    assert rung()[-1]["argsrepr"] == "['3']"
