"""A seeded world in which anything may go wrong: nothing is lost or doubled, and it all comes to its end.

``SIMULATION_SEEDS=2000 make run-tests ARGS=tests/transactions/test_simulation.py`` looks longer than `make test` does.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from core.roles import connected_as_owner
from payments.claims import RequestClaims
from tests.transactions.simulation import CLOCK, REAL_CLOCK, Simulation, Violation, simulated
from transactions.models import State
from transactions.rails.base import Failed, NoAnswer
from transactions.rules import exchanges
from transactions.services import rail_calls

SEEDS = int(os.environ.get("SIMULATION_SEEDS", "6"))
STEPS = 200


@pytest.fixture(scope="module")
def _clock(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    def tell(clock: str) -> None:
        with django_db_blocker.unblock(), connected_as_owner(), connection.cursor() as cursor:
            cursor.execute(clock)

    tell(CLOCK)
    yield
    tell(REAL_CLOCK)


@pytest.fixture
def world(_clock: None, db: None, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Any:
    def run(seed: int, steps: int = STEPS) -> tuple[Simulation, str]:
        with monkeypatch.context() as patch, simulated(seed, patch, settings) as simulation:
            return simulation, simulation.run(steps)

    return run


@pytest.mark.parametrize("seed", range(1, SEEDS + 1))
def test_nothing_is_lost_or_doubled_whatever_goes_wrong(world: Any, seed: int) -> None:
    simulation, _ = world(seed)

    assert simulation.happened.total() > 5, simulation.happened  # things did go wrong
    told = [one.told for one in simulation.asked]
    assert sum(one is not None and one.state == State.COMPLETED for one in told) > 10  # and money moved


def test_the_same_seed_is_the_same_world_to_the_last_event(world: Any) -> None:
    fingerprints = [world(seed, 120)[1] for seed in (99, 99, 100)]

    assert fingerprints[0] == fingerprints[1] != fingerprints[2]


def test_a_worker_that_takes_silence_for_a_no_is_caught(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the bank has paid, its answer was lost, and the money is given back."""
    ask = rail_calls._ask

    def silence_is_a_no(call: Any) -> Any:
        answer = ask(call)
        return Failed("no_answer") if isinstance(answer, NoAnswer) else answer

    monkeypatch.setattr(rail_calls, "_ask", silence_is_a_no)
    with pytest.raises(Violation, match="at the bank"):
        [world(seed) for seed in range(1, 4)]


def all_of_the_margin(original: Any, amount: int) -> tuple[int, int]:
    return original.received * amount // original.amount, original.margin


@pytest.mark.parametrize(
    ("owner", "name", "fault", "said"),
    [
        (exchanges, "mirrored", all_of_the_margin, "position"),
        (RequestClaims, "taken", lambda self: ("payments_requestuse", []), "without its use"),
    ],
)
def test_what_exchanges_and_requests_would_lose_is_seen(
    world: Any, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, fault: Any, said: str
) -> None:
    """The controls: our margin given back with every part; payments of a request that do not use it up."""
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(Violation, match=said):
        [world(seed, 120) for seed in range(1, 6)]
