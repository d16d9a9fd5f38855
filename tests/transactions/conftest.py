"""A bank to talk to, and the worker's rounds without waiting for the clock."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models.functions import Now

from tests.books import fund
from tests.factories import new_wallet
from tests.fakes.bank import rail_settings, running_bank
from tests.fx.conftest import _fresh_snapshot, market, rates  # noqa: F401
from transactions.models import OPEN, Transaction
from transactions.rails.sandbox_server import SandboxBank
from wallets.models import Wallet


@pytest.fixture
def bank(live_server: Any, settings: Any, tmp_path: Any) -> Iterator[SandboxBank]:
    """The sandbox bank, calling back to a real web server of ours; resubmission waits for nothing."""
    settings.RAIL_RESUBMIT_AFTER_SECONDS = 0
    with running_bank(tmp_path / "bank.jsonl") as bank:
        settings.RAILS = rail_settings(bank, f"{live_server.url}/v1/rails/sandbox/callbacks")
        yield bank


@pytest.fixture
def time_passes() -> Callable[[], int]:
    """Leases end, and what waits for its next inquiry is due."""
    return lambda: Transaction.objects.filter(state__in=OPEN).update(due_at=Now())


@pytest.fixture
def kes(db: None) -> Wallet:
    """Fifty thousand shillings of Aline's."""
    wallet = new_wallet(full_name="Aline Mukamana", tier=2)
    fund(wallet, 50_000_00)
    return wallet


@pytest.fixture
def usd(kes: Wallet) -> Wallet:
    """Her wallet in dollars, empty."""
    return new_wallet(kes.customer, "USD")
