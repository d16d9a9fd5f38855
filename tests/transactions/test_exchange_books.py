"""Exchanges of any amount, rate, margin and fee through the real books, against sums in a dictionary."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction as db_transaction
from django.utils.timezone import now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import uuid7
from customers.models import TierLimit
from fx.models import Quote, RoutingDecision
from ledger.models import Account
from tests.books import assert_books_balance, fund
from tests.factories import new_wallet
from tests.transactions.test_conversions import conversion
from transactions import journals, positions, posting, tariff
from transactions.models import Kind
from transactions.movements import Movement
from transactions.posting import post
from wallets.models import Wallet

CURRENCIES = ("KES", "USD", "RWF")  # two with decimals, one without
MUCH = 10**12
STEPS = st.lists(
    st.tuples(
        st.sampled_from([Kind.CONVERSION, Kind.TRANSFER]),
        st.permutations(CURRENCIES).map(lambda codes: tuple(codes[:2])),
        st.integers(1, 10**9),  # exchanged
        st.integers(0, 10**7),  # fee
        st.integers(1, 10**9),  # received
        st.integers(0, 10**7),  # margin
    ),
    min_size=1,
    max_size=6,
)
Step = tuple[Kind, tuple[str, str], int, int, int, int]


def quotes_of(caller: str, *terms: tuple[str, str, str, int, int, int, int]) -> list[Quote]:
    """As quoting would keep them: kind, sell, buy, exchanged, fee, received, margin."""
    at, decisions, quotes = now(), [], []
    for kind, sell, buy, amount, fee, received, margin in terms:
        decision = RoutingDecision(
            id=uuid7(), sell=sell, buy=buy, sell_minor=amount, buy_minor=received + margin, benchmark_minor=received,
            benchmark="test", via=f"{sell}>{buy}", speed_seconds=0, is_split=False, alternatives=[], left_out=[], at=at,
        )  # fmt: skip
        decisions.append(decision)
        quotes.append(
            Quote(
                caller=caller, kind=kind, fixed="sell", sell=sell, buy=buy, sell_minor=amount + fee, fee_minor=fee,
                buy_minor=received, margin_minor=margin, margin_bps=0, decision=decision, created_at=at,
                expires_at=at + timedelta(minutes=5),
            )
        )  # fmt: skip
    RoutingDecision.objects.bulk_create(decisions)
    return Quote.objects.bulk_create(quotes)


@pytest.fixture
def purses(db: None) -> Iterator["Purses"]:
    yield Purses()
    tariff.forget()


class Purses:
    """Aline, who gives, and Eric, who gets what she transfers: a wallet in each currency."""

    def __init__(self) -> None:
        self.alines, self.erics = self._wallets("Aline Mukamana"), self._wallets("Eric Habimana")
        country = self.alines["KES"].customer.country
        for currency in CURRENCIES:
            TierLimit.objects.create(
                country=country, tier=2, currency=currency, effective_from=date.today(), source="unlimited"
            )
        tariff.forget()
        for wallet in self.alines.values():
            fund(wallet, MUCH)

    def _wallets(self, name: str) -> dict[str, Wallet]:
        first = new_wallet(full_name=name, tier=2, currency=CURRENCIES[0])
        return {CURRENCIES[0]: first} | {code: new_wallet(first.customer, code) for code in CURRENCIES[1:]}

    def order(self, quote: Quote) -> Movement:
        payees = self.alines if quote.kind == Kind.CONVERSION else self.erics
        return conversion(quote, self.alines[quote.sell], payees[quote.buy], kind=quote.kind)

    def post(self, steps: list[Step]) -> None:
        """In one batch. Afterwards each account has what the sums say, and all of them together nothing."""
        caller = f"customer:{self.alines['KES'].customer_id}"
        before = balances()
        quotes = quotes_of(caller, *((kind, *pair, *amounts) for kind, pair, *amounts in steps))
        said: Counter[str] = Counter()
        traded: list[tuple[str, str, int, int]] = []
        for outcome in post([self.order(quote) for quote in quotes]):
            outcome.or_raise()
        for kind, (sell, buy), amount, fee, received, margin in steps:
            payees = self.alines if kind == Kind.CONVERSION else self.erics
            said[f"liability:wallet:{self.alines[sell].pk}"] -= amount + fee
            said[f"liability:wallet:{payees[buy].pk}"] += received
            said[f"income:fees:{kind}:{sell}"] += fee
            said[f"income:fx_margin:{buy}"] += margin
            said[f"equity:fx:{sell}"] += amount
            said[f"equity:fx:{buy}"] -= received + margin
            traded.append((sell, buy, amount, -received - margin))

        assert balances() - before == +said and before - balances() == -said
        for currency in CURRENCIES:  # all of these are liabilities, income and equity: what one gets another gives
            assert not sum(change for code, change in said.items() if self.currency_of(code) == currency)
        told = {(one.base, one.quote): one for one in positions.results()}
        assert told == {(one.base, one.quote): one for one in positions.pairs_of(traded)}
        for pair in told.values():
            assert pair.held == in_pair(pair, traded, pair.base)
            assert pair.realised == pair.cost + in_pair(pair, traded, pair.quote)
        assert_books_balance()

    def currency_of(self, code: str) -> str:
        wallets = {str(one.pk): one.currency for one in (*self.alines.values(), *self.erics.values())}
        last = code.rpartition(":")[2]
        return wallets.get(last, last)


def in_pair(pair: positions.Pair, traded: list[tuple[str, str, int, int]], currency: str) -> int:
    """How the position in one of its currencies changed by trades of this pair."""
    mine = [one for one in traded if {one[0], one[1]} == {pair.base, pair.quote}]
    return sum(change if sell == currency else other for sell, _, change, other in mine)


def balances() -> Counter[str]:
    return Counter(dict(Account.objects.exclude(code__startswith="asset:").values_list("code", "posted")))


@contextmanager
def forgotten() -> Iterator[None]:
    """What happens within is rolled back."""
    with db_transaction.atomic():
        yield
        db_transaction.set_rollback(True)


def test_exchanges_of_anything_are_exact_in_each_currency(purses: Purses) -> None:
    @settings(
        max_examples=int(os.environ.get("MODEL_EXAMPLES", "40")), deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )  # fmt: skip
    @given(STEPS)
    def exact(steps: list[Step]) -> None:
        with forgotten():
            purses.post(steps)

    exact()


def test_a_minor_unit_that_goes_elsewhere_is_noticed(purses: Purses, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a journal that balances, and gives one unit of our margin to the payee."""
    real = journals.exchange_lines
    step: Step = (Kind.CONVERSION, ("KES", "USD"), 13_000_00, 5_00, 99_10, 50)
    with forgotten():
        purses.post([step])

    def spoilt(*given: Any) -> Any:
        *rest, received, margin = given
        return real(*rest, received + 1, margin - 1)

    monkeypatch.setattr(journals, "exchange_lines", spoilt)
    with pytest.raises(AssertionError), forgotten():
        purses.post([step])


def test_a_thousand_conversions_take_as_many_statements_as_one(purses: Purses, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    caller, terms = f"customer:{purses.alines['KES'].customer_id}", ("conversion", "KES", "USD", 1_300, 7, 9, 1)
    orders = [purses.order(quote) for quote in quotes_of(caller, *[terms] * 1_002)]
    post(orders[:1])  # opens the accounts of the house
    run = posting.Work.run
    monkeypatch.setattr(posting.Work, "run", lambda self, query, *given: sent.append(query) or run(self, query, *given))

    post(orders[1:2])
    one = len(sent)
    outcomes = post(orders[2:])

    assert [outcome.error for outcome in outcomes] == [None] * 1_000
    assert len(sent) == 2 * one <= 20
    assert_books_balance()
