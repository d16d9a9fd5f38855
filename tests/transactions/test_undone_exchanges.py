"""Undoing an exchange: at its own rate, or at today's with the difference as our result; parts come to the whole."""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import uuid7
from core.money import Money
from fx import selectors
from fx.errors import RateStale
from ledger.models import Entry
from notifications.models import Notification
from staff.errors import ApprovalNeeded
from staff.models import User
from statements.selectors import lines_after, wallet_with_owner
from tests.books import assert_books_balance, available, key, posted, transfer
from tests.factories import new_wallet
from tests.fx.conftest import cbk, load, today
from tests.transactions.test_conversions import conversion, lines, quoted
from transactions import tariff
from transactions.errors import NoFeeLeft, NotReversible, RecipientShort
from transactions.models import Event, FeeRule, ReversalReason, State, Transaction
from transactions.movements import Holding
from transactions.posting import post, post_one
from transactions.rules.exchanges import mirrored
from transactions.services.relay import relay_events
from transactions.services.reversals import preview_reversal, reverse_transaction
from transactions.services.waivers import fee_left, waive_fee
from wallets.models import Wallet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("market")]
REASON = "wrong_recipient"


@pytest.fixture
def done(kes: Wallet, usd: Wallet) -> Transaction:
    """KES 13,000.00 into USD 99.10, USD 0.50 kept."""
    return Transaction.objects.get(pk=post_one(conversion(quoted(kes), kes, usd)).or_raise().transaction)


def undo(done: Transaction, amount: int | None = None, **said: Any) -> Any:
    said = {"actor": "job:test", "idempotency_key": key(), "reason_code": REASON} | said
    return reverse_transaction(done.pk, amount=amount, **said)


def dollar_costs(shillings: str) -> None:
    """From today on; what was published yesterday was another."""
    load("cbk", cbk(f"{today():%d/%m/%Y},US DOLLAR,{shillings},{shillings},{shillings}"))
    selectors.forget()


def test_at_its_own_rate_it_is_the_mirror(done: Transaction, kes: Wallet, usd: Wallet) -> None:
    dollar_costs("150")

    back = undo(done)

    assert lines(back.transaction) == {code: -amount for code, amount in lines(done.pk).items()}
    assert (posted(kes), posted(usd)) == (50_000_00, 0)
    assert Transaction.objects.get(pk=done.pk).state == State.REVERSED
    assert_books_balance()


@pytest.mark.parametrize(("rate", "worth"), [("150", 14_865_00), ("120", 11_892_00)])
def test_at_todays_rate_the_difference_is_our_result(
    done: Transaction, kes: Wallet, usd: Wallet, rate: str, worth: int
) -> None:
    dollar_costs(rate)
    preview = preview_reversal(done.pk, reason_code=REASON, actor=None, today=True)

    back = undo(done, today=True)

    assert (preview.worth, str(preview.taken)) == (worth, "USD 99.10")
    assert lines(back.transaction) == {
        f"liability:wallet:{usd.pk}": 99_10, "income:fx_margin:USD": 50, "equity:fx:USD": -99_60,
        "equity:fx:KES": 13_000_00, f"liability:wallet:{kes.pk}": -worth, "income:fx_result:KES": worth - 13_000_00,
    }  # fmt: skip
    assert posted(kes) == 37_000_00 + worth
    assert_books_balance()


def test_both_wallets_say_what_was_undone_and_their_owner_is_told_once(
    costly: Transaction, kes: Wallet, usd: Wallet
) -> None:
    dollar_costs("150")
    back = undo(costly, today=True)
    relay_events()

    worth = post_worth(back.transaction)
    said = [fee_lines(wallet) for wallet in (kes, usd)]
    assert said == [[("conversion", 10_00), ("reversal", -10_00)], [("conversion", 0), ("reversal", 0)]]
    (told,) = Notification.objects.filter(transaction=back.transaction)
    assert told.title == f"A conversion was undone: you have {worth} back"
    assert "We took back USD 99." in told.body and "With it came KES 10.00 of the fee." in told.body


def test_who_received_another_currency_is_told_what_was_taken_of_that(kes: Wallet) -> None:
    friend = new_wallet(currency="USD", tier=2)
    sent = post_one(conversion(quoted(kes, kind="transfer"), kes, friend, kind="transfer")).or_raise().transaction
    back = undo(Transaction.objects.get(pk=sent), 6_500_00)
    relay_events()

    titles = dict(Notification.objects.filter(transaction=back.transaction).values_list("customer_id", "title"))
    assert titles == {
        friend.customer_id: "USD 49.55 was taken back", kes.customer_id: "KES 6,500.00 was returned to you",
    }  # fmt: skip


def post_worth(reversal: Any) -> Money:
    facts = Event.objects.get(pk=reversal).facts
    return Money(facts["undone"]["worth_minor"], "KES")


def fee_lines(wallet: Wallet) -> list[tuple[str, int]]:
    whole = wallet_with_owner(wallet.pk).get()
    return [(line.kind, line.fee) for line in lines_after(whole, 0, 99, 99) if line.kind in ("conversion", "reversal")]


def test_parts_at_both_rates_come_to_all_of_it(done: Transaction, kes: Wallet, usd: Wallet) -> None:
    dollar_costs("140")

    for amount, at_today in ((1_00, True), (4_999_99, False), (3_333_33, True), (None, False)):
        undo(done, amount, today=at_today)

    assert Transaction.objects.get(pk=done.pk).state == State.REVERSED
    assert posted(usd) == 0
    positions = Entry.objects.filter(account__code__startswith="equity:fx:")
    assert set(positions.values_list("account__posted", flat=True)) == {0}
    assert_books_balance()


def test_what_is_gone_cannot_be_taken_nor_owed(done: Transaction, usd: Wallet) -> None:
    other = new_wallet(currency="USD", tier=2)
    post_one(transfer(usd, other, 50_00)).or_raise()

    with pytest.raises(RecipientShort) as short:
        undo(done)
    assert short.value.facts["shortfall_minor"] == 50_00
    with pytest.raises(NotReversible):
        undo(done, owed=50_00, checker=User.objects.create_user("two", "correct horse battery staple", "finance"))
    undo(done, 6_000_00)
    assert_books_balance()


def test_it_is_not_set_aside_for_a_recall_whose_opener_reads_what_to_do(done: Transaction, usd: Wallet) -> None:
    (asked,) = post([Holding(hold=uuid7(), transaction=done.pk, kind="placed", amount=1_000_00)])

    with pytest.raises(NotReversible, match="ask the recipient, and reverse what they have"):
        asked.or_raise()
    assert available(usd) == posted(usd)
    assert_books_balance()


def test_nobody_decides_alone_for_todays_rate(done: Transaction) -> None:
    person = User.objects.create_user("one", "correct horse battery staple", "senior_support")
    with pytest.raises(ApprovalNeeded):
        undo(done, today=True, actor=person)


def test_an_old_rate_is_none(done: Transaction, monkeypatch: pytest.MonkeyPatch) -> None:
    real = selectors.read_snapshot
    monkeypatch.setattr(selectors, "read_snapshot", lambda at: real(at + timedelta(days=30)))
    selectors.forget()

    with pytest.raises(RateStale):
        undo(done, today=True)


@pytest.fixture
def costly(kes: Wallet, usd: Wallet) -> Iterator[Transaction]:
    """The same, KES 10.00 of it a fee."""
    yesterday = date.today() - timedelta(days=1)
    FeeRule.objects.create(kind="conversion", currency="KES", effective_from=yesterday, flat=10_00)
    tariff.forget()
    yield Transaction.objects.get(pk=post_one(conversion(quoted(kes), kes, usd)).or_raise().transaction)
    tariff.forget()


def waive(done: Transaction, amount: int) -> None:
    person = User.objects.create_user("waives", "correct horse battery staple", "senior_support")
    waive_fee(done.pk, amount=amount, reason="late", actor=person, idempotency_key=key())


def test_the_fee_of_an_exchange_that_was_waived_does_not_go_back_with_it(costly: Transaction, kes: Wallet) -> None:
    waive(costly, 4_00)

    undo(costly)

    assert posted(kes) == 50_000_00
    assert_books_balance()


def test_reasons_that_differ_bring_the_fee_of_an_exchange_back_once(costly: Transaction, kes: Wallet) -> None:
    ReversalReason.objects.create(code="shared", title="Shared", refunds_fee=True, fee_by_share=True)

    undo(costly, costly.amount // 2, reason_code="shared")
    undo(costly)

    assert posted(kes) == 50_000_00
    assert_books_balance()


@pytest.mark.parametrize("rate", ["120", "150"])
def test_what_the_rate_made_of_an_exchange_is_no_fee(costly: Transaction, kes: Wallet, rate: str) -> None:
    """Undone at today's rate the payer gets more or less than the amount, beside the fee."""
    dollar_costs(rate)
    undo(costly, today=True)

    assert fee_left(Transaction.objects.get(pk=costly.pk), of_payee=False) == 0
    with pytest.raises(NoFeeLeft):
        waive(costly, 1)
    assert_books_balance()


class Original:
    def __init__(self, amount: int, received: int, margin: int) -> None:
        self.amount, self.received, self.margin, self.reversed_amount = amount, received, margin, 0


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.integers(1, 10**12), st.integers(1, 10**12), st.integers(0, 10**9),
    st.lists(st.fractions(0, 1), min_size=0, max_size=8),
)  # fmt: skip
def test_whatever_the_parts_they_give_back_exactly_what_was_received(
    amount: int, received: int, margin: int, cuts: list[Fraction]
) -> None:
    original = Original(amount, received, margin)
    edges = sorted({int(cut * amount) for cut in cuts} | {0, amount})
    gone = [0, 0]
    for low, high in pairwise(edges):
        part = mirrored(original, high - low)  # type: ignore[arg-type]
        assert min(part) >= 0
        gone = [gone[0] + part[0], gone[1] + part[1]]
        original.reversed_amount = high
    assert gone == [received, margin]
