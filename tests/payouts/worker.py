"""A worker that dies where it is told to: ``python -m tests.payouts.worker CHUNK STEP NUMBER``.

After that call of that step of `running` it says so, and stays there, its database transaction open, until it is
killed.
"""

import sys
import time
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

    from payouts import running

    chunk, step, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    real, calls = getattr(running, step), []

    def last(*args: Any, **kwargs: Any) -> Any:
        result = real(*args, **kwargs)
        calls.append(step)
        if len(calls) == number:
            print("here", flush=True)
            time.sleep(300)
        return result

    running.CHUNK = chunk
    setattr(running, step, last)
    running.run_due()
