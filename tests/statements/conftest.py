"""A shop in Nairobi over the end of a February: fees, reversals, a text that means mischief, a midnight."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from customers.models import AccountType
from tekana.demo_clock import Clock, clock_set_to
from tests.books import fund, transfer
from tests.factories import new_wallet, signed_in
from transactions.models import FeeRule, Kind
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction
from wallets.models import Wallet

MEMO = "=cmd|' /C calc'!A0; “<&>” ñ 🙂"


def at(day: int, hour: int, minute: int = 0, month: int = 2) -> datetime:
    """UTC; in Nairobi it is three hours later."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@dataclass
class Lived:
    """``shop`` sells to ``john``; six movements of the shop in February, two in March."""

    shop: Wallet
    john: Wallet


def open_world() -> Lived:
    FeeRule.objects.create(kind=Kind.TRANSFER, currency="KES", flat=10_00, effective_from=date(2026, 1, 1))
    shop = new_wallet(full_name="Wanjiku Traders", tier=2, account_type=AccountType.SME)
    return Lived(shop, new_wallet(full_name="John Otieno", tier=2))


def live_february(world: Lived, clock: Clock) -> None:
    fund(world.shop, 20_000_00)
    fund(world.john, 9_000_00)
    clock.set(at(26, 10))
    paid = post_one(transfer(world.john, world.shop, 2_500_00, memo=MEMO)).or_raise()
    post_one(transfer(world.shop, world.john, 100_00, memo="change", reference="INV/2026//02-0000001")).or_raise()
    reverse_transaction(
        paid.transaction, amount=500_00, reason_code="fraud", note="case 7", actor=None,
        idempotency_key="reverse-1234567890",
    )  # fmt: skip
    back = post_one(transfer(world.shop, world.john, 300_00)).or_raise()
    reverse_transaction(
        back.transaction, amount=300_00, reason_code="duplicate", note="", actor=None,
        idempotency_key="reverse-1234567891",
    )  # fmt: skip
    clock.set(at(28, 20, 30))  # half past eleven in Nairobi
    post_one(transfer(world.john, world.shop, 1_05)).or_raise()


def live_march(world: Lived, clock: Clock) -> None:
    clock.set(at(28, 21, 30))  # half past midnight
    post_one(transfer(world.john, world.shop, 7_00)).or_raise()
    clock.set(at(10, 12, month=3))
    post_one(transfer(world.shop, world.john, 50_00)).or_raise()


@pytest.fixture
def clock(transactional_db: None) -> Iterator[Clock]:
    with clock_set_to(at(25, 8)) as clock:
        yield clock


@pytest.fixture
def world(clock: Clock) -> Lived:
    """It is the middle of March."""
    world = open_world()
    live_february(world, clock)
    live_march(world, clock)
    clock.set(at(15, 9, month=3))
    return world


@pytest.fixture
def ask(client: Client, world: Lived) -> Any:
    """The shop's app asks about the shop's wallet."""
    headers = signed_in(world.shop.customer)

    def asked(path: str, wallet: Wallet = world.shop, *, who: dict[str, str] = headers, put: Any = None) -> Any:
        url = f"/v1/wallets/{wallet.pk}/{path}"
        if put is None:
            return client.get(url, headers=who)
        return client.put(url, put, content_type="application/json", headers=who)

    return asked
