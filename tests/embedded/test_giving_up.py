"""When the launcher starts again what died, and when it gives up."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tekana.embedded import demo, folders
from tekana.embedded.demo import DEATHS_AT_START, START_SECONDS, Demo, Part
from tekana.embedded.trouble import Trouble
from tests.embedded.checkouts import until


class Clock:
    """Time that passes when we say so."""

    sleep, time = time.sleep, time.time

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(demo, "time", clock)
    return clock


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Demo]:
    """A demo whose only part ends as soon as it has started."""
    monkeypatch.setattr(folders, "VAR", tmp_path)
    running = Demo("8123", time.time())
    running.folder.make()
    running.servers = SimpleNamespace(revive=list)  # type: ignore[assignment]
    running.parts = {"worker": Part("worker", [sys.executable, "-c", "print('no luck')"])}
    running._start("worker", {})
    yield running
    running.processes.end("worker")


def die(running: Demo) -> None:
    assert until(lambda: not running.processes.running("worker"))
    running._watch({})


def test_deaths_spread_over_minutes_are_no_reason_to_stop(watched: Demo, clock: Clock) -> None:
    for _ in range(3 * DEATHS_AT_START):
        clock.now += START_SECONDS
        die(watched)


def test_what_dies_at_every_start_is_given_up_with_the_end_of_its_log(watched: Demo, clock: Clock) -> None:
    for _ in range(DEATHS_AT_START - 1):
        clock.now += START_SECONDS - 1
        die(watched)

    with pytest.raises(Trouble, match=r"(?s)worker keeps dying.*no luck"):
        die(watched)


def test_one_start_that_lived_wipes_the_slate(watched: Demo, clock: Clock) -> None:
    for _ in range(2):
        for _ in range(DEATHS_AT_START - 1):
            die(watched)
        clock.now += START_SECONDS
        die(watched)
