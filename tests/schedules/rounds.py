"""A worker of its own: ``python -m tests.schedules.rounds AT WHEN`` runs what is due at ``AT``, chunk by chunk.

``WHEN``: ``never``, or where it is killed: ``claimed``, ``posted`` (before the commit), ``paid`` (after it). Prints how
many runs it tried.
"""

import json
import os
import signal
import sys
from datetime import datetime
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

    from schedules import running

    at, when = datetime.fromisoformat(sys.argv[1]), sys.argv[2]

    def die(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    post, pay, tried = running.post, running.pay, 0
    if when == "claimed":
        running.pay = die
    if when == "posted":
        running.post = lambda movements: die(post(movements))
    if when == "paid":
        running.pay = lambda *args: die(pay(*args))
    while running.begin_due(at):
        pass
    while claimed := running.claim(at, 10):
        running.run_claimed(claimed, at)
        tried += len(claimed)
    running.end_finished(at)
    print(json.dumps(tried))
