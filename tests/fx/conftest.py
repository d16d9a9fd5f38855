"""A small market: invented rates of today, three providers. KES 130 are a dollar, 1500 naira too."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest

from core.ids import uuid7
from fx import selectors, services
from fx.models import ProviderTerms, RateLoad

CALLER = "customer:01980000-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
def _fresh_snapshot() -> Iterator[None]:
    """What is kept for a second is of the test before, whose rows are gone."""
    selectors.forget()
    yield
    selectors.forget()


def today() -> date:
    return datetime.now(UTC).date()


def cbk(*lines: str, head: str = "Date,Currency,Mean,Buy,Sell") -> bytes:
    return "\n".join([head, *lines, ""]).encode()


def load(source: str, content: bytes, **options: Any) -> RateLoad:
    return services.load_rates(source, content, **options)


def load_rates_of(day: date) -> None:
    load("cbk", cbk(f"{day:%d/%m/%Y},US DOLLAR,130,129.5,130.5", f"{day:%d/%m/%Y},KES / USHS,28.5,28.4,28.6"))
    load("cbn", f'"DATE","NFEM RATE","HIGHEST RATE","LOWEST RATE"\n"{day:%B-%d-%Y}","1500","1510","1490"\n'.encode())
    load("ecb", f"Date,USD,GBP,ZAR,\n{day},1.04,0.83,19.5,\n".encode())


@pytest.fixture
def rates(db: None) -> None:
    load_rates_of(today())


def terms(provider: str, sell: str, buy: str, cost_bps: int = 0, **said: Any) -> ProviderTerms:
    said = {"maximum": 10**12, "effective_from": today(), "actor": None} | said
    return services.add_terms(provider=provider, sell=sell, buy=buy, cost_bps=cost_bps, **said)


@pytest.fixture
def market(rates: None) -> None:
    three_providers()


def three_providers() -> None:
    """Wekeza trades shillings and dollars both ways; Lagos dollars and naira; Duka shillings for naira, dearly."""
    for code, name in (("wekeza", "Wekeza Bank"), ("lagos", "Lagos Exchange"), ("duka", "Duka Forex")):
        services.add_provider(code=code, name=name, actor=None)
    terms("wekeza", "KES", "USD", 40)
    terms("wekeza", "USD", "KES", 40)
    terms("lagos", "USD", "NGN", 60, speed_seconds=3600)
    terms("lagos", "NGN", "USD", 60, speed_seconds=3600)
    terms("duka", "KES", "NGN", 250, maximum=5_000_000)


def trade_currency(caller: str) -> None:
    """Something in every table, for pages to show: rates, providers one of whom was off, and a quote that was used."""
    load_rates_of(today())
    three_providers()
    duka = services.provider_of("duka")
    for on in (False, True):
        services.switch_provider(duka.pk, on=on, reason="moved house", actor=None)
    services.add_exposure_cap(currency="USD", most=1_000_000_00, effective_from=today(), actor=None)
    one = services.quote(caller=caller, sell="KES", buy="NGN", sell_minor=10_000_00)
    services.take_quote(one.pk, caller=caller, transaction=uuid7())
    services.quote(caller=caller, sell="KES", buy="USD", buy_minor=50_00)
