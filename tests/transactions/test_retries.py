"""What `post` does again, how often, and what it never does again."""

from contextlib import contextmanager

import psycopg
import pytest

from core.errors import OutcomeUnknown, Unavailable
from core.work import unit_of_work
from tests.books import assert_books_balance, fund, posted, transfer
from transactions import posting
from transactions.models import Transaction
from transactions.posting import RETRIES, post_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def failing(monkeypatch):
    """Let the next so many units of work end like this, after all is written; the pauses in between."""
    pauses: list[float] = []
    monkeypatch.setattr(posting.time, "sleep", pauses.append)

    def fail(error, times):
        left = [times]

        @contextmanager
        def unit():
            with unit_of_work() as work:
                yield work
                if left[0]:
                    left[0] -= 1
                    raise error

        monkeypatch.setattr(posting, "unit_of_work", unit)
        return pauses

    return fail


AGAIN = [
    psycopg.errors.DeadlockDetected(), psycopg.errors.SerializationFailure(), psycopg.errors.UniqueViolation(),
    Unavailable(),
]  # fmt: skip


@pytest.mark.parametrize("error", AGAIN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("times", [1, RETRIES])
def test_what_a_rival_or_a_lost_connection_caused_is_done_again(failing, aline, eric, error, times):
    fund(aline, 100)
    pauses = failing(error, times)

    assert post_one(transfer(aline, eric, 60)).or_raise().state == "completed"

    assert len(pauses) == times
    assert pauses[0] == 0  # at once, the first time
    assert all(0 <= pause <= 0.01 * attempt for attempt, pause in enumerate(pauses))
    assert posted(eric) == 60
    assert_books_balance()


@pytest.mark.parametrize("error", AGAIN, ids=lambda error: type(error).__name__)
def test_but_not_for_ever(failing, aline, eric, error):
    fund(aline, 100)
    pauses = failing(error, RETRIES + 1)

    with pytest.raises(type(error)):
        post_one(transfer(aline, eric, 60))

    assert len(pauses) == RETRIES == 3
    assert posted(eric) == 0
    assert post_one(transfer(aline, eric, 60)).or_raise()


@pytest.mark.parametrize(
    "error", [OutcomeUnknown(), ValueError(), psycopg.errors.CheckViolation(), KeyboardInterrupt()]
)
def test_an_unknown_outcome_and_a_mistake_are_never_done_again(failing, aline, eric, error):
    fund(aline, 100)
    pauses = failing(error, 1)

    with pytest.raises(type(error)):
        post_one(transfer(aline, eric, 60))

    assert pauses == []
    assert Transaction.objects.filter(kind="transfer").count() == 0
