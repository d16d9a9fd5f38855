"""Terms, margins and sources: asked for by one, decided by another, in force from their day."""

from datetime import timedelta
from typing import Any

import pytest

from core.models import AuditRecord
from fx import services
from fx.errors import FxDayPassed, InvalidRateSource, InvalidTerms
from fx.models import Margin, ProviderTerms, RateSource
from staff.approvals import approve, request_approval
from staff.errors import ApprovalStale, MayNotCheck, MayNotRequest, OwnRequest
from staff.models import Approval, User
from tests.fx.conftest import CALLER, terms, today

pytestmark = pytest.mark.django_db


@pytest.fixture
def maker(db: None) -> User:
    return User.objects.create_user("amina", "correct horse battery staple", "finance", full_name="Amina")


@pytest.fixture
def checker(db: None) -> User:
    return User.objects.create_user("kato", "correct horse battery staple", "finance_checker", full_name="Kato")


def asked(operation: str, maker: User, params: dict[str, Any]) -> Approval:
    return request_approval(operation, params, maker=maker, reason="the new contract")


TERMS = {
    "provider": "wekeza", "sell": "KES", "buy": "USD", "rate_source": "", "cost_bps": 10, "flat": 0, "minimum": 100,
    "maximum": 10**9, "daily_cap": None, "speed_seconds": 0, "opens": "00:00", "closes": "00:00",
    "weekdays": "1234567", "priority": 10, "is_on": True,
}  # fmt: skip


def test_terms_count_when_they_are_approved_and_not_before(market: None, maker: User, checker: User) -> None:
    before = services.quote(caller=CALLER, sell="KES", buy="USD", sell_minor=13_000_00)
    request = asked("fx_terms", maker, TERMS | {"effective_from": str(today())})
    assert ["Cost", "0.40 % → 0.10 %"] in request.preview["facts"]
    assert services.quote(caller=CALLER, sell="KES", buy="USD", sell_minor=13_000_00).buy_minor == before.buy_minor

    approve(request.pk, actor=checker)

    after = services.quote(caller=CALLER, sell="KES", buy="USD", sell_minor=13_000_00)
    assert after.decision.buy_minor == 99_90 > before.decision.buy_minor
    record = AuditRecord.objects.get(action="add_provider_terms", actor=maker.principal)
    assert (record.after["approved_by"], record.reason) == (checker.principal, "the new contract")


def test_terms_of_tomorrow_count_tomorrow(market: None, maker: User, checker: User) -> None:
    approve(asked("fx_terms", maker, TERMS | {"effective_from": str(today() + timedelta(days=1))}).pk, actor=checker)

    assert services.quote(caller=CALLER, sell="KES", buy="USD", sell_minor=13_000_00).decision.buy_minor == 99_60
    assert ProviderTerms.objects.filter(cost_bps=10).exists()


def test_what_has_changed_meanwhile_is_asked_for_anew(market: None, maker: User, checker: User) -> None:
    request = asked("fx_terms", maker, TERMS | {"effective_from": str(today())})
    terms("wekeza", "KES", "USD", 30)

    with pytest.raises(ApprovalStale):
        approve(request.pk, actor=checker)


def test_a_margin_and_a_source_go_the_same_way(market: None, maker: User, checker: User) -> None:
    margin = {"sell": "KES", "buy": "", "tier": None, "bps": 80, "effective_from": str(today())}
    source = {
        "code": "bnr", "name": "Bank of Rwanda", "format": "csv", "url": "https://rates.example/daily.csv",
        "options": {"date": "d", "base": "=USD", "quote": "c", "rate": "r"}, "daily": True, "max_age": 3,
        "pair_max_ages": {"USD/RWF": 5}, "calendar": "weekdays", "priority": 10, "is_on": True,
    }  # fmt: skip
    for operation, params in (("fx_margin", margin), ("fx_source", source)):
        approve(asked(operation, maker, params).pk, actor=checker)

    assert Margin.objects.latest("pk").bps == 80
    assert services.quote(caller=CALLER, sell="KES", buy="USD", sell_minor=13_000_00).margin_bps == 80
    assert RateSource.objects.get(code="bnr").pair_max_ages == {"USD/RWF": 5}


def test_who_may_not_does_not(market: None, maker: User, checker: User) -> None:
    params = {"sell": "", "buy": "", "tier": None, "bps": 80, "effective_from": str(today())}
    with pytest.raises(MayNotRequest):
        asked("fx_margin", checker, params)
    request = asked("fx_margin", maker, params)
    with pytest.raises(OwnRequest):
        approve(request.pk, actor=maker)
    with pytest.raises(MayNotCheck):
        approve(request.pk, actor=User.objects.create_user("sita", "correct horse battery staple", "support"))
    assert not Margin.objects.filter(bps=80).exists()


@pytest.mark.parametrize(
    ("operation", "params", "refusal"),
    [
        ("fx_terms", TERMS | {"effective_from": "2026-01-01"}, FxDayPassed),
        ("fx_terms", TERMS | {"effective_from": "2126-01-01", "maximum": 1}, InvalidTerms),
        (
            "fx_margin", {"sell": "KES", "buy": "KES", "tier": None, "bps": 1, "effective_from": "2126-01-01"},
            InvalidTerms,
        ),
        (
            "fx_source",
            {"code": "x", "name": "X", "format": "ecb", "url": "http://inside", "options": {}, "daily": True,
             "max_age": 1, "pair_max_ages": {}, "calendar": "weekdays", "priority": 1, "is_on": True},
            InvalidRateSource,
        ),
    ],
)  # fmt: skip
def test_what_makes_no_sense_cannot_even_be_asked_for(
    market: None, maker: User, operation: str, params: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        asked(operation, maker, params)

    assert not Approval.objects.exists()
