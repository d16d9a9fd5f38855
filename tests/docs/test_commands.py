"""The commands in the documents work as they are written, and are answered as it says below them.

``WRITE_DOCS=1`` writes the answers into the pages instead of comparing them: look at the difference, then commit it.
"""

import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils.timezone import now

from payouts import running as payouts
from tekana import demo_fx
from tests.books import assert_books_balance
from tests.docs.pages import ROOT, body_of, comparable, run, steps_of, written
from tests.fakes.bank import rail_settings, running_bank
from transactions.services import rail_calls, rail_messages, relay

WRITE = bool(os.environ.get("WRITE_DOCS"))


@pytest.fixture
def demo(transactional_db: None, live_server: Any, settings: Any, tmp_path: Path) -> Iterator[str]:
    """What `make demo` runs, in this process: web, worker, sandbox bank; and its rates of exchange."""
    demo_fx.load(now().date())
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            rail_calls.sweep()
            rail_messages.sweep()
            relay.relay_events()
            payouts.run_due()
        connection.close()

    with running_bank(tmp_path / "bank.jsonl") as bank:
        settings.RAILS = rail_settings(bank, f"{live_server.url}/v1/rails/sandbox/callbacks")
        worker = threading.Thread(target=work, name="worker")
        worker.start()
        yield live_server.url
        ended.set()
        worker.join()


@pytest.mark.parametrize("name", ["README.md", "docs/customer-api.md"])
def test_every_command_does_what_the_page_says(demo: str, name: str) -> None:
    page = ROOT / name
    steps = steps_of(page)
    assert len(steps) > 5

    printed = run(steps, demo)

    if WRITE:
        page.write_text(written(page, printed), encoding="utf-8")
        return
    for step, said in zip(steps, printed, strict=True):
        lines = [line.strip().lower() for line in said.partition("\r\n\r\n")[0].splitlines()]
        assert [header for header in step.headers if header.lower() not in lines] == [], f"{step.shell}\n{said}"
        if not step.answer:
            assert "/problems/" not in said, f"{step.shell}\n{said}"
        if step.body:
            assert comparable(json.loads(body_of(said))) == comparable(json.loads(step.body)), step.shell
    assert_books_balance()


@pytest.mark.parametrize("name", ["README.md", "docs/customer-api.md"])
def test_no_command_is_left_out(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    marked = [step.shell for step in steps_of(ROOT / name)]

    assert [shell for shell in re.findall(r"```(?:sh|text)\n(.*?)\n```", text, re.S) if "$API" in shell] == [
        shell for shell in marked if "$API" in shell
    ]


def test_an_answer_that_differs_would_be_noticed() -> None:
    right = {"amount": "1500", "at": "2026-03-01T08:15:30.123456Z", "receipt": "7K2M9QX4TB"}
    later = {"amount": "1500", "at": "2027-04-02T09:00:00.000001Z", "receipt": "0000000000"}

    assert comparable(right) == comparable(later)
    assert comparable(right) != comparable(later | {"amount": "1501"})
    assert comparable(right) != comparable(later | {"fee": "0"})
