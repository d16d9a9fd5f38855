"""Suspension and signing out count from the moment they are there, also for what was waiting for a lock just then."""

import threading
import time

import psycopg
import pytest
from django.db import connection

from customers.services import suspend_customer
from tests.books import assert_books_balance, fund, posted, transfer
from tests.factories import signed_in
from transactions.models import Event
from transactions.poster import submit
from transactions.posting import post_one

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held_up(aline, eric):
    """A transfer of aline's that waits for her account, which somebody else holds; let go by ``release()``."""
    fund(aline, 1000)
    signed_in(aline.customer)
    session = aline.customer.sessions.get().pk
    info = connection.connection.info
    rival = psycopg.connect(info.dsn, password=info.password)
    rival.execute("SELECT 1 FROM ledger_account WHERE id = %s FOR UPDATE", [aline.account_id])
    outcomes = []
    waiting = threading.Thread(target=lambda: outcomes.append(submit(transfer(aline, eric, 400, session=session))))
    waiting.start()
    wait_until_someone_waits()

    def release():
        rival.rollback()
        rival.close()
        waiting.join()
        return outcomes[0]

    return release


def wait_until_someone_waits():
    for _ in range(200):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone()[0]:
                return
        time.sleep(0.02)
    raise AssertionError("nobody waits")


def test_who_is_suspended_while_a_transfer_waits_does_not_pay(held_up, aline, eric):
    suspend_customer(aline.customer, actor=None, reason="stolen phone")

    outcome = held_up()

    assert outcome.error.code == "customer_suspended"
    assert (posted(aline), posted(eric)) == (1000, 0)
    assert_books_balance()


def test_who_signs_out_while_a_transfer_waits_does_not_pay(held_up, aline, eric):
    aline.customer.sessions.update(revoked_at="2026-01-01T00:00Z")

    assert held_up().error.code == "session_ended"
    assert posted(eric) == 0


def test_one_who_stays_pays(held_up, eric):
    assert held_up().error is None
    assert posted(eric) == 400


def test_a_refusal_keeps_the_verdicts_up_to_it(aline, eric):
    fund(aline, 1000)

    outcome = post_one(transfer(aline, eric, 99_999_999))

    facts = Event.objects.get(transaction=outcome.transaction).facts
    assert facts["refusal"]["code"] == "limit_exceeded"
    assert facts["verdicts"] == {
        "customers_are_active": "ok", "session_is_live": "none", "wallets_are_usable": "ok", "within_limits": "refused",
    }  # fmt: skip
