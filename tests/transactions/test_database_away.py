"""What a caller is told when the database is lost at any moment of a posting; and that a retry brings the truth."""

import json

import psycopg
import pytest
from django.db import connection

from core.work import Work
from tests.books import assert_books_balance, fund, posted
from tests.factories import signed_in
from transactions.models import Transaction

pytestmark = pytest.mark.django_db(transaction=True)
KEY = {"Idempotency-Key": "the-same-key-again-16"}


@pytest.fixture
def send(client, aline, eric):
    fund(aline, 1000)
    headers = signed_in(aline.customer) | KEY
    body = {"from_wallet_id": str(aline.pk), "to": {"wallet_id": str(eric.pk)}, "amount": "400", "currency": "RWF"}
    return lambda: client.post("/v1/transfers", json.dumps(body), content_type="application/json", headers=headers)


def cut(work: Work) -> None:
    """End the session that posts, from another one, and wait until it is gone."""
    info = work.raw.info
    with psycopg.connect(info.dsn, password=info.password, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [info.backend_pid])
        alive = other.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [info.backend_pid]).fetchone()
        assert alive == (0,)  # also when an earlier test had ended it already


def before(monkeypatch, statement, act, times=1):
    """Do ``act`` just before a statement that begins like this is sent, the first ``times`` times."""
    run, left = Work.run, [times]

    def watched(self, query, *params):
        if query.lstrip().startswith(statement) and left[0]:
            left[0] -= 1
            act(self)
        return run(self, query, *params)

    monkeypatch.setattr(Work, "run", watched)


@pytest.mark.parametrize("statement", ["BEGIN", "SELECT id, code", "WITH"])
def test_a_connection_lost_before_commit_is_opened_again_and_the_money_moves_once(
    monkeypatch, send, aline, eric, statement
):
    before(monkeypatch, statement, cut)

    assert send().status_code == 201
    assert send()["Idempotency-Replayed"] == "true"
    assert (posted(aline), posted(eric)) == (600, 400)
    assert_books_balance()


def test_a_connection_lost_each_time_is_told_and_nothing_moved(monkeypatch, send, aline, eric):
    before(monkeypatch, "SELECT id, code", cut, times=4)

    answer = send()

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer["Retry-After"]
    assert not Transaction.objects.filter(kind="transfer").exists()
    assert send().status_code == 201
    assert posted(eric) == 400


def test_a_connection_lost_while_committing_is_an_unknown_outcome_that_a_retry_clears_up(monkeypatch, send, eric):
    before(monkeypatch, "COMMIT", cut)

    answer = send()

    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    assert send().status_code == 201
    assert posted(eric) == 400
    assert_books_balance()


def test_a_read_on_a_lost_connection_is_asked_again(client, aline):
    headers = signed_in(aline.customer)
    path = f"/v1/wallets/{aline.pk}/balance"
    assert client.get(path, headers=headers).status_code == 200
    connection.connection.close()

    assert client.get(path, headers=headers).status_code == 200
