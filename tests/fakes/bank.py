"""The sandbox bank in a thread, speaking real HTTP, quick enough for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transactions.rails.sandbox_server import Delays, SandboxBank

SECRET = "whsec_dGVzdHMgYW5kIHRoZWlyIGJhbmsgc2hhcmUgdGhpcw=="
TIMEOUT = 0.5
QUICK = Delays(settle=0.05, slow=1.0, hang=2.0, retry=0.1)
NOWHERE = "http://127.0.0.1:1/callbacks"


@contextmanager
def running_bank(data: Path, **options: Any) -> Iterator[SandboxBank]:
    bank = SandboxBank(data=data, secret=SECRET, **{"delays": QUICK} | options)
    bank.start()
    try:
        yield bank
    finally:
        bank.stop()


def rail_settings(bank: SandboxBank, callback_url: str = NOWHERE) -> dict[str, dict[str, Any]]:
    """``settings.RAILS`` with this bank behind the sandbox rail."""
    return {
        "sandbox": {
            "client": "transactions.rails.sandbox.SandboxRail",
            "url": bank.url,
            "secret": SECRET,
            "callback_url": callback_url,
            "timeout_seconds": TIMEOUT,
        }
    }
