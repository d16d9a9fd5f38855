"""Positions and results from postings alone, against a model that keeps every unit in a list."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from django.urls import reverse
from django.utils.html import strip_tags
from hypothesis import given, settings
from hypothesis import strategies as st

from core.money import Money
from staff.models import User
from tests.admin.conftest import client_of
from tests.books import assert_books_balance, fund, key
from tests.transactions.test_conversions import conversion, me, quoted
from transactions.models import State, Transaction
from transactions.movements import Settlement
from transactions.positions import Pair, earned, pairs_of, positions, results, routes, subtotals, volumes
from transactions.posting import post_one
from transactions.services.cash_outs import start_cash_out
from transactions.services.reversals import reverse_transaction
from wallets.models import Wallet


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50).filter(bool), st.integers(1, 900)), max_size=40))
def test_average_cost_against_a_model_in_fractions(trades: list[tuple[int, int]]) -> None:
    """The model has no rounding: each step of ours is off by less than two minor units of it, and in all by nothing."""
    pair, held, cost, realised = Pair("USD", "KES"), 0, Fraction(0), Fraction(0)
    paid = 0
    for base, price in trades:
        quote = -base * price
        paid += quote
        closing = min(abs(base), abs(held)) if base * held < 0 else 0
        if closing:
            share = cost * closing / abs(held)
            realised += Fraction(quote * closing, abs(base)) - share
            cost -= share
        held += base
        cost += (abs(base) - closing) * price * (1 if base > 0 else -1)
        pair.trade(base, quote)

    assert pair.held == held and pair.trades == len(trades)
    assert abs(pair.realised - realised) <= 2 * len(trades) and abs(pair.cost - cost) <= 2 * len(trades)
    assert pair.realised == pair.cost + paid
    assert pair.held or pair.cost == 0


def test_bought_cheap_and_sold_dear_is_realised_and_the_rest_is_not() -> None:
    pair = Pair("USD", "KES")
    pair.trade(100, -13_000)
    pair.trade(100, -13_400)
    pair.trade(-50, 7_000)

    assert (pair.held, pair.cost, pair.realised) == (150, 19_800, 400)
    assert pair.unrealised(Fraction(140)) == 21_000 - 19_800
    pair.trade(-200, 28_000)  # all of it, and fifty that we do not have
    assert (pair.held, pair.cost, pair.realised) == (-50, -7_000, 400 + 1_200)
    assert pair.unrealised(Fraction(130)) == 500


def test_a_pair_is_the_same_from_both_sides() -> None:
    (pair,) = pairs_of([("KES", "USD", 13_000, -100), ("USD", "KES", 100, -12_900)])

    assert (pair.base, pair.quote, pair.held, pair.realised, pair.trades) == ("USD", "KES", 0, 100, 2)


@pytest.mark.django_db
@pytest.mark.usefixtures("market")
def test_the_books_tell_positions_results_and_what_was_earned(kes: Wallet, usd: Wallet) -> None:
    fund(usd, 10_00)
    there = post_one(conversion(quoted(kes), kes, usd)).or_raise()
    quote = quoted(usd, "KES", 50_00)
    post_one(conversion(quote, usd, kes)).or_raise()
    back = quote.buy_minor + quote.margin_minor

    (pair,) = results()

    assert (pair.base, pair.quote, pair.held) == ("USD", "KES", -99_60 + 50_00)
    assert pair.realised == -(-13_000_00 * 50_00 // 99_60) - back
    assert {one.currency: one.held for one in positions()} == {"USD": -49_60, "KES": 13_000_00 - back}
    assert {one.currency: one.margins for one in earned()} == {"USD": 50, "KES": quote.margin_minor}
    by_pair = {(one.sell, one.buy): one for one in volumes(there.created_at.replace(microsecond=0))}  # type: ignore[union-attr]
    assert by_pair["KES", "USD"].saved == 99_10 - 100_00 * 97 // 100
    reverse_transaction(
        there.transaction, amount=6_500_00, reason_code="wrong_recipient", actor="job:test", idempotency_key=key()
    )  # type: ignore[arg-type]
    assert results()[0].held == -49_60 + 49_80
    assert_books_balance()


@pytest.mark.django_db
@pytest.mark.usefixtures("market")
def test_what_the_page_adds_up_is_what_the_books_have(kes: Wallet, usd: Wallet) -> None:
    """Positions are what pairs hold and have cost; margins are those of what is through, less what was undone of it."""
    fund(usd, 500_00)
    first = post_one(conversion(quoted(kes), kes, usd)).or_raise()
    post_one(conversion(quoted(usd, "KES", 77_77), usd, kes)).or_raise()
    for result in (State.COMPLETED, State.FAILED, None):
        quote = quoted(usd, "KES", 31_13, kind="cash_out")
        out = start_cash_out(
            usd.pk, Money(31_13 - quote.fee_minor, "USD"), {}, actor=me(usd), idempotency_key=key(), quote=quote.pk,
            post=post_one,
        ).or_raise()  # fmt: skip
        if result:
            assert out.transaction
            post_one(Settlement(transaction=out.transaction, to=result, actor="rail:sandbox")).or_raise()
    for part in (1, 3_333_33, 99):
        reverse_transaction(
            first.transaction, amount=part, reason_code="wrong_recipient", actor="job:test", idempotency_key=key()
        )  # type: ignore[arg-type]

    shown = {(one.sell, one.buy): one for one in volumes(datetime(2026, 1, 1, tzinfo=UTC))}

    assert (shown["USD", "KES"].times, shown["KES", "USD"].times) == (2, 1), "the bank has yet to pay one, refused one"
    assert (shown["KES", "USD"].sold, shown["KES", "USD"].undone) == (13_000_00 - 3_334_33, 3_334_33)
    for one in earned():
        assert one.margins == sum(pair.margins for pair in shown.values() if pair.buy == one.currency)
    for one in positions():
        of_pairs = sum(pair.held for pair in results() if pair.base == one.currency)
        assert one.held == of_pairs + sum(pair.realised - pair.cost for pair in results() if pair.quote == one.currency)
    assert routes(datetime(2026, 1, 1, tzinfo=UTC))[0][2] == 2
    assert_books_balance()


def test_results_are_added_up_by_currency_and_say_what_has_no_rate() -> None:
    pairs = [
        Pair("USD", "KES", 100, 13_000, 50, 2),
        Pair("EUR", "KES", -10, -1_500, -20, 1),
        Pair("USD", "UGX", 1, 2, 3, 1),
    ]
    rates = {"USD": Fraction(135), "EUR": None}

    kes, ugx = subtotals((one, rates[one.base] if one.quote == "KES" else None) for one in pairs)

    assert kes == ("KES", 2, 30, 500, ["EUR/KES"]) and kes.together == 530
    assert ugx == ("UGX", 1, 3, 0, ["USD/UGX"])


@pytest.mark.django_db
def test_the_page_says_that_there_is_nothing_then_what_there_is(db: None, request: pytest.FixtureRequest) -> None:
    finance = client_of(User.objects.create_user("finance", "correct horse battery staple", "finance"))
    url = reverse("admin:fx_positions")
    assert "Nothing has been exchanged yet" in finance.get(url).text

    request.getfixturevalue("market")
    kes, usd = request.getfixturevalue("kes"), request.getfixturevalue("usd")
    post_one(conversion(quoted(kes), kes, usd)).or_raise()

    page: Any = finance.get(url)
    for shown in (
        "USD/KES",
        "13,000.00",
        "99.60",
        "KES to USD",
        "wekeza",
        "Saved against 3.00 %",
        "Result in each currency",
    ):
        assert shown in page.text, shown


@pytest.mark.django_db
@pytest.mark.usefixtures("market")
def test_pages_of_wallets_and_customers_say_what_it_was_in_the_other_currency(kes: Wallet, usd: Wallet) -> None:
    finance = client_of(User.objects.create_user("finance", "correct horse battery staple", "finance"))
    post_one(conversion(quoted(kes), kes, usd)).or_raise()

    def told(page: str, pk: Any) -> str:
        text = finance.get(reverse(f"admin:{page}_change", args=[pk])).text
        return " ".join(strip_tags(text.replace("<br>", " ")).split())

    assert "KES 13,000.00 for USD 99.10" in told("wallets_wallet", kes.pk)
    assert "USD 99.10 for KES 13,000.00" in told("wallets_wallet", usd.pk)
    assert "KES 13,000.00 for USD 99.10" in told("customers_customer", kes.customer_id)
    done = Transaction.objects.get(kind="conversion")
    assert "1 USD = 131.181 KES" in told("transactions_transaction", done.pk)
    assert "KES 50,000.00 for" not in told("wallets_wallet", kes.pk), "what came in in its own currency"
