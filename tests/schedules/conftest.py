"""Aline pays Eric each month, in Rwanda, which is two hours ahead of UTC all year; runs are at 06:00 there."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.tokens import start_session
from schedules.dates import Date
from schedules.models import OrderRun, StandingOrder
from schedules.running import begin_due, claim, end_finished, run_claimed
from schedules.services import NewOrder, Schedule, create_order
from tests.books import key
from wallets.parties import Address

KIGALI = ZoneInfo("Africa/Kigali")


def today() -> date:
    return datetime.now(KIGALI).date()


def morning(day: date, hour: int = 6) -> datetime:
    """By the clocks of Rwanda."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=KIGALI).astimezone(UTC)


def run_at(at: datetime) -> int:
    """One round of the clock, as if it were ``at``; how many runs were tried."""
    while begin_due(at):
        pass
    tried = 0
    while claimed := claim(at):
        run_claimed(claimed, at)
        tried += len(claimed)
    end_finished(at)
    return tried


def principal(wallet: Any) -> CustomerPrincipal:
    start_session(wallet.customer)
    return CustomerPrincipal(wallet.customer_id, wallet.customer.sessions.latest("id").pk)


@pytest.fixture
def order(aline: Any, eric: Any) -> Callable[..., StandingOrder]:
    """Aline's to Eric: 1,000 each day from tomorrow on, unless said otherwise."""

    def made(**changed: Any) -> StandingOrder:
        payer, payee = changed.pop("payer", aline), changed.pop("payee", eric)
        extra = {name: changed.pop(name) for name in ("memo", "retries", "retry_hours") if name in changed}
        amount = Money(changed.pop("amount", 1_000), "RWF")
        schedule = {"frequency": "daily", "start_on": today() + timedelta(days=1)} | changed
        asked = NewOrder(
            from_wallet_id=payer.pk, to=Address("wallet", str(payee.pk)), amount=amount,
            schedule=Schedule(**schedule), **extra,
        )  # fmt: skip
        return create_order(asked, actor=principal(payer), idempotency_key=key())[0]

    return made


def states(order: StandingOrder) -> list[str]:
    """What came of its dates, in order."""
    return list(OrderRun.objects.filter(order=order).order_by("due_on").values_list("state", flat=True))


def dues(found: list[Date]) -> list[date]:
    return [one.due for one in found]
