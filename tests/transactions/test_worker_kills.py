"""A worker that dies between any two steps: the next round finishes its work, once (G14, G29)."""

import pytest
from django.db.models.functions import Now

from tests.books import assert_books_balance, available, fund, posted
from tests.fakes.rail_work import cash_out, top_up, work_until_settled
from transactions.models import OPEN, Event, RailMessage, State, Transaction
from transactions.services import rail_calls, rail_messages, settling

FUNDS, FEE = 100_000, 500

BOUNDARIES = [
    (rail_calls, "_lock", "after"),  # the row is locked, nothing is written
    (settling, "mark", "after"),  # marked, not counted, not committed
    (rail_calls, "_count", "after"),  # counted, not committed
    (rail_calls, "_ask", "before"),  # committed, not asked
    (rail_calls, "_ask", "after"),  # asked, the answer lost
    (rail_calls, "_again", "after"),  # the answer written, not committed
    (settling, "settle", "before"),
    (settling, "settle", "after"),  # settled, not committed
    (rail_calls, "_record", "after"),  # recorded and committed
    (rail_messages, "_transaction_of", "before"),  # the message is claimed, its attempt committed
    (rail_messages, "_apply", "after"),  # settled, the message still open, not committed
    (rail_messages, "_close", "after"),  # all written, not committed
]


class Killed(BaseException):
    """What `kill -9` looks like from inside: nothing catches it, open database transactions roll back."""


def die_once(patch, module, name, when):
    """The next time ``module.name`` is reached, die before or after it; the list says whether that happened."""
    real, deaths = getattr(module, name), []

    def dying(*args, **kwargs):
        if deaths:
            return real(*args, **kwargs)
        if when == "after":
            real(*args, **kwargs)
        deaths.append(name)
        raise Killed

    patch.setattr(module, name, dying)
    return deaths


@pytest.mark.parametrize(
    ("start", "amount"),
    [
        *((cash_out, amount) for amount in (10_000, 10_901, 10_902, 10_904, 10_907, 10_909)),
        *((top_up, amount) for amount in (10_000, 10_901, 10_907)),
    ],
)
def test_killed_between_any_two_steps_everything_is_done_once(bank, aline, time_passes, monkeypatch, start, amount):
    """One movement for each boundary; its worker is killed there, and another takes over when the lease is over."""
    fund(aline, 12 * FUNDS)
    txns, reached = [], 0
    for module, name, when in BOUNDARIES:
        txns.append(start(aline, amount))
        with monkeypatch.context() as patch:
            deaths = die_once(patch, module, name, when)
            for _ in range(100):  # until it is done, or this boundary is not on this movement's way
                try:
                    work_until_settled(lease_over(time_passes))
                    break
                except Killed:
                    lease_over(time_passes)()
        reached += len(deaths)
        assert not Transaction.objects.filter(state__in=OPEN).exists(), (name, when)

    end = State.FAILED if amount in (10_901, 10_902) else State.COMPLETED
    moved = amount if end == State.COMPLETED else 0
    assert reached >= 6
    assert set(Transaction.objects.filter(pk__in=txns).values_list("state", flat=True)) == {end}
    assert Event.objects.filter(transaction__in=txns, to_state=end).count() == len(txns)
    operation = "pay" if start is cash_out else "collect"
    assert bank.executed(operation, "RWF") == moved * len(txns)
    change = -(moved + FEE * bool(moved)) if start is cash_out else moved
    assert posted(aline) == available(aline) == 12 * FUNDS + change * len(txns)
    assert not RailMessage.objects.exclude(state=RailMessage.State.PROCESSED).exists()
    assert_books_balance()


def lease_over(time_passes):
    def passes():
        RailMessage.objects.update(due_at=Now())
        return time_passes()

    return passes
