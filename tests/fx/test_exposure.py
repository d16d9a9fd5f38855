"""Caps of positions: judged with every promise, both ways, and never where a promise is taken."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from core.models import AuditRecord
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import Session
from fx import services
from fx.errors import FxDayPassed, FxExposureExceeded, InvalidTerms
from fx.models import ExposureCap, Quote
from staff.approvals import approve, request_approval
from staff.errors import ApprovalNeeded
from staff.models import User
from tests.admin.conftest import client_of
from tests.books import assert_books_balance, fund, key, posted
from tests.factories import new_wallet
from tests.fx.conftest import CALLER, today
from tests.racing import at_once
from tests.transactions.test_conversions import conversion, quoted
from transactions.models import Kind, State, Transaction
from transactions.movements import Settlement
from transactions.positions import exposures
from transactions.posting import post_one
from transactions.services.cash_outs import start_cash_out
from transactions.services.conversions import ConversionOrder, convert
from wallets.models import Wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def kes(db: None) -> Wallet:
    wallet = new_wallet(tier=2)
    fund(wallet, 50_000_00)
    return wallet


@pytest.fixture
def usd(kes: Wallet) -> Wallet:
    return new_wallet(kes.customer, "USD")


def cap(currency: str, most: int | None, **said: Any) -> ExposureCap:
    said = {"effective_from": today(), "actor": None} | said
    return services.add_exposure_cap(currency=currency, most=most, **said)


def ask(sell: str = "KES", buy: str = "USD", sell_minor: int = 13_000_00, caller: str = CALLER) -> Quote:
    return services.quote(caller=caller, sell=sell, buy=buy, sell_minor=sell_minor)


def test_open_quotes_count_towards_the_cap_to_the_minor_unit(market: None) -> None:
    """Thirteen thousand shillings bring 99.60 dollars: we are short of that, margin included, not of 99.10."""
    cap("USD", 2 * 99_60)
    ask(), ask()

    with pytest.raises(FxExposureExceeded) as refusal:
        ask(sell_minor=200_00)

    assert refusal.value.facts == {"currency": "USD"}
    assert Quote.objects.count() == 2
    assert exposures(["USD", "KES"]) == {"USD": ("USD", 0, 0, 199_20), "KES": ("KES", 0, 26_000_00, 0)}
    with pytest.raises(FxExposureExceeded):
        services.estimate(sell="KES", buy="USD", sell_minor=200_00)


def test_what_is_sold_to_us_is_capped_too_and_one_unit_less_is_given(market: None) -> None:
    cap("KES", 13_000_00 - 1)
    with pytest.raises(FxExposureExceeded):
        ask()
    assert ask(sell_minor=12_999_99).sell_minor == 12_999_99


def test_the_other_way_round_is_not_refused_and_does_not_make_room(market: None) -> None:
    """Whether the other one is taken, nobody knows."""
    cap("USD", 99_60)
    ask()

    assert ask("USD", "KES", 90_00)
    with pytest.raises(FxExposureExceeded):
        ask(sell_minor=1_300_00)


def test_a_promise_is_kept_whatever_the_cap_is_by_then(market: None, kes: Wallet, usd: Wallet) -> None:
    promised = quoted(kes)
    cap("USD", 1)
    with pytest.raises(FxExposureExceeded):
        quoted(kes)

    post_one(conversion(promised, kes, usd)).or_raise()

    assert posted(usd) == promised.buy_minor
    assert exposures(["USD"])["USD"] == ("USD", -99_60, 0, 0)
    back = quoted(usd, "KES", 50_00)  # beyond the cap, but towards zero
    post_one(conversion(back, usd, kes)).or_raise()
    assert exposures(["USD"])["USD"].held == -49_60
    assert_books_balance()


def test_a_conversion_without_a_quote_is_refused_and_says_why(market: None, kes: Wallet, usd: Wallet) -> None:
    cap("USD", 50_00)
    session = Session.objects.create(customer=kes.customer)
    order = ConversionOrder(wallet_id=kes.pk, amount=Money(13_000_00, "KES"), to_currency="USD")

    outcome = convert(order, actor=CustomerPrincipal(kes.customer_id, session.pk), idempotency_key=key(), post=post_one)

    assert outcome.error is not None and outcome.error.code == "fx_exposure_exceeded"
    assert Transaction.objects.get(kind=Kind.CONVERSION).refusal_code == "fx_exposure_exceeded"
    assert (posted(kes), posted(usd), Quote.objects.count()) == (50_000_00, 0, 0)
    assert_books_balance()


def test_a_withdrawal_counts_from_its_quote_until_the_bank_has_paid_or_not(
    market: None, kes: Wallet, usd: Wallet
) -> None:
    """Its positions are posted when the bank has paid; until then the promise is neither open nor in the books."""
    fund(usd, 200_00)
    quote = quoted(usd, "KES", 100_00, kind="cash_out")
    before = exposures(["USD", "KES"])
    session = Session.objects.create(customer=usd.customer)
    account = {"bank_id": "WEKEZA", "account_number": "0123456789", "account_name": "Aline Mukamana"}
    asked = start_cash_out(
        usd.pk, Money(quote.sell_minor - quote.fee_minor, "USD"), account, idempotency_key=key(), quote=quote.pk,
        actor=CustomerPrincipal(usd.customer_id, session.pk), post=post_one,
    ).or_raise()  # fmt: skip
    assert asked.transaction and asked.state == State.PENDING

    assert exposures(["USD", "KES"]) == before
    post_one(Settlement(transaction=asked.transaction, to=State.COMPLETED, actor="rail:sandbox")).or_raise()

    sold, bought = quote.sell_minor - quote.fee_minor, quote.buy_minor + quote.margin_minor
    assert before == {"USD": ("USD", 0, sold, 0), "KES": ("KES", 0, 0, bought)}
    assert exposures(["USD", "KES"]) == {"USD": ("USD", sold, 0, 0), "KES": ("KES", -bought, 0, 0)}
    assert_books_balance()


def test_the_page_shows_each_position_against_its_cap(market: None, kes: Wallet, usd: Wallet) -> None:
    finance = client_of(User.objects.create_user("finance", "correct horse battery staple", "finance"))
    url = reverse("admin:fx_positions")
    post_one(conversion(quoted(kes), kes, usd)).or_raise()
    assert "No caps: positions go as far as customers take them." in finance.get(url).text

    cap("USD", 199_20)
    ask(sell_minor=6_500_00)
    page = finance.get(url).text

    assert "<b>50 %</b>" in page and "75 % with what is promised" in page and "room left" in page.lower()
    assert 'value="75"' in page and "no cap" in page
    cap("USD", 99_60)
    page = finance.get(url).text
    assert "<b>100 %</b>" in page and "Full" in page and "150 % with what is promised" in page and 'value="100"' in page


def test_caps_are_dated_and_are_lifted(market: None, kes: Wallet) -> None:
    cap("USD", 1, effective_from=today() + timedelta(days=1))
    assert ask()
    cap("USD", 1)
    with pytest.raises(FxExposureExceeded):
        ask()
    cap("USD", None)
    assert ask()


def test_quotes_at_once_never_promise_more_than_the_cap(transactional_db: None, market: None) -> None:
    cap("USD", 3 * 99_60)

    outcomes = at_once([lambda n=n: tried(n) for n in range(8)])

    assert sorted(outcomes) == ["given"] * 3 + ["refused"] * 5
    assert exposures(["USD"])["USD"].worst == 3 * 99_60


def tried(number: int) -> str:
    try:
        ask(caller=f"customer:{number}")
    except FxExposureExceeded:
        return "refused"
    return "given"


def test_two_people_agree_on_a_cap_and_it_stays(market: None) -> None:
    maker = User.objects.create_user("amina", "correct horse battery staple", "finance", full_name="Amina")
    checker = User.objects.create_user("kato", "correct horse battery staple", "finance_checker", full_name="Kato")
    params = {"currency": "USD", "most": 50_00, "effective_from": str(today())}

    request = request_approval("fx_exposure_cap", params, maker=maker, reason="the board's limit")
    assert ["At most, either way", "no cap → USD 50.00"] in request.preview["facts"]
    assert ask()
    approve(request.pk, actor=checker)

    with pytest.raises(FxExposureExceeded):
        ask()
    record = AuditRecord.objects.get(action="add_exposure_cap")
    assert (record.actor, record.after["approved_by"]) == (maker.principal, checker.principal)
    with pytest.raises(ApprovalNeeded):
        cap("USD", 60_00, actor=maker)
    for attempt in ("UPDATE fx_exposurecap SET most = 1", "DELETE FROM fx_exposurecap"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(attempt)


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"currency": "XXX"}, InvalidTerms), ({"most": 0}, InvalidTerms), ({"most": -1}, InvalidTerms),
        ({"effective_from": today() - timedelta(days=1)}, FxDayPassed),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_no_cap(said: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        services.add_exposure_cap(**{"currency": "USD", "most": 1, "effective_from": today(), "actor": None} | said)
    assert not ExposureCap.objects.exists()
