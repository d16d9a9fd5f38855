"""Changing money: a quote kept to the last microsecond, one journal balanced in each currency, over HTTP too."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import CustomerState, Session, TierLimit
from customers.tokens import start_session
from fx import services as fx
from fx.models import Quote, QuoteUse
from ledger.books import instant
from ledger.models import Entry
from tests.books import assert_books_balance, available, fund, key, posted
from tests.factories import bearer, new_wallet, signed_in
from tests.fx.conftest import load_rates_of, today
from tests.racing import at_once
from transactions import posting, tariff
from transactions.models import Kind, State, Transaction
from transactions.movements import Movement, Outcome, Settlement
from transactions.posting import post, post_one
from transactions.quotes import QuoteClaim
from transactions.services.cash_outs import start_cash_out
from transactions.services.conversions import ConversionOrder, convert
from wallets.models import Wallet
from wallets.parties import Address
from wallets.services import freeze_wallet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("market")]


def me(wallet: Wallet) -> CustomerPrincipal:
    session = Session.objects.create(customer=wallet.customer)
    return CustomerPrincipal(wallet.customer_id, session.pk)


def quoted(wallet: Wallet, buy: str = "USD", sell_minor: int = 13_000_00, kind: str = "conversion") -> Quote:
    return fx.quote(caller=f"customer:{wallet.customer_id}", sell=wallet.currency, buy=buy, sell_minor=sell_minor,
                    tier=2, kind=kind)  # fmt: skip


def conversion(quote: Quote, payer: Wallet, payee: Wallet, **extra: Any) -> Movement:
    fields = {
        "kind": Kind.CONVERSION, "amount": quote.sell_minor - quote.fee_minor, "currency": quote.sell,
        "caller": f"customer:{payer.customer_id}", "key": key(), "owner": payer.customer_id,
        "payer": Address("wallet", str(payer.pk)), "payee": Address("wallet", str(payee.pk)),
        "received": quote.buy_minor, "received_currency": quote.buy, "claim": QuoteClaim(quote.pk),
    }  # fmt: skip
    return Movement(**fields | extra)


def lines(transaction: UUID | None) -> dict[str, int]:
    """Of a journal: account and signed amount, debits above zero."""
    rows = Entry.objects.filter(journal_id=transaction).values_list("account__code", "side", "amount")
    return {code: side * amount for code, side, amount in rows}


# --- One conversion ---------------------------------------------------------------------------------------------------


def test_one_journal_is_balanced_in_each_currency_and_keeps_fee_and_margin_apart(
    kes: Wallet, usd: Wallet, settings: Any
) -> None:
    settings.FX_FEE = "tests.transactions.test_conversions.ten_shillings"
    quote = quoted(kes)

    done = post_one(conversion(quote, kes, usd)).or_raise()

    assert lines(done.transaction) == {
        f"liability:wallet:{kes.pk}": 13_000_00, "income:fees:conversion:KES": -10_00, "equity:fx:KES": -12_990_00,
        "equity:fx:USD": 99_52, f"liability:wallet:{usd.pk}": -quote.buy_minor,
        "income:fx_margin:USD": -quote.margin_minor,
    }  # fmt: skip
    assert (done.amount, done.fee, done.received, done.received_currency) == (12_990_00, 10_00, quote.buy_minor, "USD")
    assert (posted(kes), posted(usd)) == (37_000_00, quote.buy_minor)
    assert QuoteUse.objects.get().transaction == done.transaction
    assert_books_balance()


def ten_shillings(kind: str, currency: str, amount: int) -> int:
    return 10_00


def test_a_quote_is_honoured_to_the_last_microsecond_and_not_after(
    kes: Wallet, usd: Wallet, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """By the clock of the batch, which is the database's, under the lock."""
    settings.FX_QUOTE_SECONDS = 30  # PostgreSQL takes no use of later than in a minute
    last, late = quoted(kes), quoted(kes)
    real, asked = posting.read, []

    def read(work: Any, orders: Any, **options: Any) -> Any:
        world = real(work, orders, **options)
        world.books.now_us = asked.pop()
        return world

    monkeypatch.setattr(posting, "read", read)
    for quote, after in ((last, 0), (late, 1)):
        asked.append(microseconds(quote.expires_at) + after - 1)  # a movement takes the next one
        outcome = post_one(conversion(quote, kes, usd))
        assert instant(microseconds(quote.expires_at)) == quote.expires_at
        if after:
            assert outcome.error is not None and outcome.error.code == "quote_expired"
        else:
            assert outcome.or_raise().state == State.COMPLETED
            assert Transaction.objects.get(pk=outcome.transaction).created_at == quote.expires_at
    assert QuoteUse.objects.get().quote_id == last.pk


@pytest.mark.parametrize("clock", ["before it was made", "behind the books"])
def test_by_a_clock_that_was_set_back_a_quote_is_refused_and_nothing_breaks(
    kes: Wallet, usd: Wallet, monkeypatch: pytest.MonkeyPatch, clock: str
) -> None:
    """PostgreSQL takes no use of before the quote was made, or of a time to come: whoever asks gets a refusal, and not
    its error."""
    quote, real = quoted(kes), posting.read

    def read(work: Any, orders: Any, **options: Any) -> Any:
        world = real(work, orders, **options)
        if clock == "behind the books":
            world.now_us -= 3_600_000_000
        else:
            world.books.now_us = microseconds(quote.created_at) - 2  # a movement takes the next one
        return world

    monkeypatch.setattr(posting, "read", read)
    outcome = post_one(conversion(quote, kes, usd))

    assert outcome.error is not None and outcome.error.code == "quote_expired"
    assert not QuoteUse.objects.exists() and posted(usd) == 0


def microseconds(at: Any) -> int:
    return (at - instant(0)) // timedelta(microseconds=1)


def test_it_is_taken_once_also_by_two_of_one_batch_and_the_second_is_kept_as_refused(kes: Wallet, usd: Wallet) -> None:
    quote = quoted(kes)

    first, second = post([conversion(quote, kes, usd), conversion(quote, kes, usd)])
    third = post_one(conversion(quote, kes, usd))

    assert first.error is None
    for refused in (second, third):
        assert refused.error is not None and refused.error.code == "quote_used"
        assert Transaction.objects.get(pk=refused.transaction).refusal_code == "quote_used"
    assert posted(usd) == quote.buy_minor
    assert_books_balance()


def test_a_batch_at_quotes_takes_one_statement_more_than_a_plain_one_however_many_they_are(
    kes: Wallet, usd: Wallet, statements: list[str]
) -> None:
    """The one that reads the quotes: uses are written with the transactions."""
    eric = new_wallet(country_id="KE", phone_number="+254733000001")

    def exchanges(many: int) -> list[Movement]:
        return [conversion(quoted(kes, sell_minor=1_300_00), kes, usd) for _ in range(many)]

    def plain() -> list[Movement]:
        nothing = {"claim": None, "received": None, "received_currency": ""}
        return [replace(one, kind=Kind.TRANSFER, payee=Address("wallet", str(eric.pk)), **nothing)
                for one in exchanges(1)]  # fmt: skip

    post([*plain(), *exchanges(1)])  # opens the accounts of the house
    sent = []
    for batch in (plain(), exchanges(1), exchanges(4)):
        tariff.current()
        statements.clear()
        for outcome in post(batch):
            outcome.or_raise()
        sent.append(len(statements))

    assert sent == [sent[0], sent[0] + 1, sent[0] + 1]


@pytest.mark.django_db(transaction=True)
def test_of_rivals_in_batches_of_their_own_one_gets_it(kes: Wallet, usd: Wallet) -> None:
    quote = quoted(kes)
    outcomes: list[Outcome] = []

    at_once([lambda: outcomes.append(post_one(conversion(quote, kes, usd)))] * 4)

    assert sorted(one.error.code if one.error else "" for one in outcomes) == ["", *["quote_used"] * 3]
    assert posted(usd) == quote.buy_minor
    assert_books_balance()


def test_a_withdrawal_at_a_quote_holds_one_currency_and_pays_another(kes: Wallet, usd: Wallet) -> None:
    """Dollars are held; the bank is told shillings, at the rate of the quote, whenever it answers."""
    fund(usd, 200_00)
    quote = quoted(usd, "KES", 100_00, kind="cash_out")
    account = {"bank_id": "WEKEZA", "account_number": "0123456789", "account_name": "Aline Mukamana"}

    asked = start_cash_out(
        usd.pk, Money(100_00 - quote.fee_minor, "USD"), account, actor=me(usd), idempotency_key=key(), quote=quote.pk,
        post=post_one,
    ).or_raise()  # fmt: skip

    transaction = Transaction.objects.get(pk=asked.transaction)
    assert transaction.arriving == Money(quote.buy_minor, "KES")
    assert (posted(usd), available(usd)) == (200_00, 100_00)
    assert_books_balance()
    assert asked.transaction
    post_one(Settlement(transaction=asked.transaction, to=State.COMPLETED, actor="rail:sandbox")).or_raise()
    assert lines(asked.transaction) == {
        f"liability:wallet:{usd.pk}": 100_00, "equity:fx:USD": quote.fee_minor - 100_00,
        "income:fees:cash_out:USD": -quote.fee_minor, "asset:rail:sandbox:KES": -quote.buy_minor,
        "equity:fx:KES": quote.buy_minor + quote.margin_minor, "income:fx_margin:KES": -quote.margin_minor,
    }  # fmt: skip
    assert_books_balance()


def test_a_withdrawal_that_the_bank_refuses_gives_back_what_was_held(kes: Wallet, usd: Wallet) -> None:
    fund(usd, 200_00)
    quote = quoted(usd, "KES", 100_00, kind="cash_out")
    asked = start_cash_out(
        usd.pk, Money(100_00 - quote.fee_minor, "USD"), {}, actor=me(usd), idempotency_key=key(), quote=quote.pk,
        post=post_one,
    ).or_raise()  # fmt: skip
    assert asked.transaction

    post_one(Settlement(transaction=asked.transaction, to=State.FAILED, actor="rail:sandbox")).or_raise()

    assert (posted(usd), available(usd)) == (200_00, 200_00)
    assert_books_balance()


# --- Who may ----------------------------------------------------------------------------------------------------------


def refused(wallet: Wallet, actor: CustomerPrincipal | None = None, **said: Any) -> str:
    outcome = convert(
        ConversionOrder(**{"wallet_id": wallet.pk, "amount": Money(13_000_00, "KES"), "to_currency": "USD"} | said),
        actor=actor or me(wallet), idempotency_key=key(), post=post_one,
    )  # fmt: skip
    assert outcome.error is not None
    if outcome.transaction:
        assert Transaction.objects.get(pk=outcome.transaction).refusal_code == outcome.error.code
    assert_books_balance()
    return outcome.error.code


def test_limits_of_the_payer_count_in_what_is_sold(kes: Wallet, usd: Wallet) -> None:
    fund(kes, 450_000_00)
    assert refused(kes, amount=Money(400_000_00, "KES")) == "limit_exceeded"


def test_the_receiving_wallet_holds_no_more_than_its_tier_may_in_its_currency(
    kes: Wallet, usd: Wallet, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(tariff.forget)
    TierLimit.objects.create(country_id="KE", currency="USD", tier=2, balance=99_09, effective_from=today())
    tariff.forget()
    assert refused(kes) == "balance_limit_exceeded"


@pytest.mark.parametrize(("side", "code"), [("kes", "wallet_frozen"), ("usd", "recipient_unavailable")])
def test_a_frozen_wallet_on_either_side_stops_it(kes: Wallet, usd: Wallet, side: str, code: str) -> None:
    freeze_wallet({"kes": kes, "usd": usd}[side], mode="both", reason="stolen phone", actor=None)
    assert refused(kes) == code


def test_without_a_wallet_in_the_other_currency_there_is_nowhere_to_put_it(kes: Wallet) -> None:
    assert refused(kes) == "no_wallet_in_currency"


def test_why_there_is_no_quote_is_why_it_is_refused_and_stays_with_it(kes: Wallet, usd: Wallet) -> None:
    assert refused(kes, to_currency="KES") == "fx_same_currency"
    assert refused(kes, amount=Money(1, "KES")) == "fx_amount_too_small"
    new_wallet(kes.customer, "GBP")
    assert refused(kes, to_currency="GBP") == "fx_no_route"


def test_the_session_and_the_customer_come_before_the_quote(kes: Wallet, usd: Wallet) -> None:
    quote = quoted(kes)
    ended = CustomerPrincipal(kes.customer_id, uuid7())
    assert refused(kes, quote=uuid7(), actor=ended) == "session_ended"
    actor = me(kes)
    type(kes.customer).objects.filter(pk=kes.customer_id).update(state=CustomerState.SUSPENDED)
    assert refused(kes, quote=quote.pk, actor=actor) == "customer_suspended"
    assert not QuoteUse.objects.exists()


def test_somebody_elses_quote_another_amount_and_another_kind_are_refused(kes: Wallet, usd: Wallet) -> None:
    other = new_wallet(tier=2)
    assert refused(kes, quote=quoted(other).pk) == "quote_not_found"
    assert refused(kes, quote=uuid7()) == "quote_not_found"
    assert refused(kes, quote=quoted(kes).pk, amount=Money(12_999_00, "KES")) == "quote_mismatch"
    assert refused(kes, quote=quoted(kes, "NGN").pk) == "quote_mismatch"
    assert refused(kes, quote=quoted(kes, kind="transfer").pk) == "quote_mismatch"


# --- Over HTTP --------------------------------------------------------------------------------------------------------

over_http = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call(client: Any, kes: Wallet) -> Any:
    headers = signed_in(kes.customer)

    def send(path: str, idempotency_key: str = "", **body: Any) -> Any:
        if not body:
            return client.get(path, headers=headers)
        return client.post(
            path, json.dumps(body, default=str), content_type="application/json",
            headers=headers | {"Idempotency-Key": idempotency_key or key()},
        )  # fmt: skip

    return send


@over_http
def test_the_published_call_works_without_a_quote(call: Any, kes: Wallet, usd: Wallet) -> None:
    asked = {"wallet_id": kes.pk, "amount": "13000.00", "currency_from": "KES", "currency_to": "USD"}
    again = key()

    answer = call("/v1/fx/convert", again, **asked)

    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert body | {"transaction_id": 0, "receipt": 0, "timestamp": 0, "quote_id": 0} == {
        "transaction_id": 0, "receipt": 0, "timestamp": 0, "quote_id": 0, "wallet_id": str(kes.pk),
        "to_wallet_id": str(usd.pk), "amount_from": "13000.00", "amount_to": "99.10", "currency_from": "KES",
        "currency_to": "USD", "fx_rate": "0.007623076923", "fee": "0.00", "status": "completed",
    }  # fmt: skip
    replay = call("/v1/fx/convert", again, **asked)
    assert (replay.content, replay["Idempotency-Replayed"]) == (answer.content, "true")
    assert Quote.objects.count() == 1
    assert call("/v1/fx/convert", again, **asked | {"amount": "12.00"}).json()["code"] == "idempotency_key_reused"
    shown = call(f"/v1/transactions/{body['transaction_id']}").json()
    assert (shown["quote_id"], shown["exchange"]["amount_to"]) == (body["quote_id"], "99.10")
    out = call(f"/v1/wallets/{kes.pk}/transactions").json()["data"][0]
    into = call(f"/v1/wallets/{usd.pk}/transactions").json()["data"][0]
    assert (out["direction"], out["balance_change"], out["currency"]) == ("out", "-13000.00", "KES")
    assert (into["direction"], into["balance_change"], into["currency"]) == ("in", "99.10", "USD")
    assert (into["amount"], into["kind"]) == ("99.10", "conversion")
    assert out["exchange"] == into["exchange"]
    assert_books_balance()


@over_http
def test_a_quote_is_asked_for_read_and_used_by_its_owner(call: Any, client: Any, kes: Wallet, usd: Wallet) -> None:
    answer = call("/v1/fx/quotes", currency_from="KES", currency_to="USD", amount_to="99.10")
    assert answer.status_code == 201, answer.content
    quote = answer.json()
    assert (quote["amount_to"], quote["status"], quote["transaction_id"]) == ("99.10", "open", None)

    done = call("/v1/fx/convert", wallet_id=kes.pk, amount=quote["amount_from"], currency_from="KES",
                currency_to="USD", quote_id=quote["quote_id"]).json()  # fmt: skip

    read = call(f"/v1/fx/quotes/{quote['quote_id']}").json()
    assert (read["status"], read["transaction_id"]) == ("used", done["transaction_id"])
    stranger = bearer(start_session(new_wallet().customer))
    assert client.get(f"/v1/fx/quotes/{quote['quote_id']}", headers=stranger).status_code == 404
    assert call("/v1/fx/quotes", currency_from="KES", currency_to="USD").status_code == 400


@over_http
def test_nobody_is_promised_what_their_limit_never_lets_them_take(call: Any, kes: Wallet, usd: Wallet) -> None:
    """They would occupy what providers and caps leave for others, with nothing in their wallet."""
    asked = {"currency_from": "KES", "currency_to": "USD"}

    for amounts in ({"amount_from": "300000.01"}, {"amount_to": "2400.00"}, {"amount_from": "9000000.00"}):
        for kind in ("conversion", "transfer", "cash_out"):
            answer = call("/v1/fx/quotes", kind=kind, **asked, **amounts)
            assert (answer.status_code, answer.json()["code"]) == (422, "limit_exceeded"), answer.content
            assert (answer.json()["limit"], answer.json()["period"]) == ("250000.00", "movement")
    assert call("/v1/fx/quotes", **asked, amount_from="250000.00").status_code == 201
    convert = {"wallet_id": kes.pk, "amount": "300000.01", **asked}
    assert call("/v1/fx/convert", **convert).json()["code"] == "limit_exceeded"
    assert Quote.objects.count() == 1
    assert_books_balance()


@over_http
def test_only_so_many_quotes_are_open_at_once(call: Any, settings: Any) -> None:
    settings.FX_OPEN_QUOTES = 2
    asked = {"currency_from": "KES", "currency_to": "USD", "amount_from": "13000"}
    answers = [call("/v1/fx/quotes", **asked) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert answers[2].json()["code"] == "too_many_quotes" and answers[2]["Retry-After"] == "60"


@over_http
def test_rates_say_who_published_them_and_whether_they_are_too_old(call: Any) -> None:
    load_rates_of(today() - timedelta(days=400))
    rows = {f"{one['base']}/{one['quote']}": one for one in call("/v1/fx/rates?currency=KES").json()["data"]}

    assert set(rows) == {"USD/KES", "KES/UGX"}
    assert (rows["USD/KES"]["mid"], rows["USD/KES"]["bid"], rows["USD/KES"]["is_stale"]) == ("130", "129.5", False)
    assert rows["USD/KES"]["provider"] == "Central Bank of Kenya"


@over_http
def test_a_transfer_at_a_quote_pays_the_recipient_in_their_currency(call: Any, kes: Wallet) -> None:
    eric = new_wallet(full_name="Eric Habimana", currency="USD", tier=2)
    quote = call("/v1/fx/quotes", currency_from="KES", currency_to="USD", amount_from="13000", kind="transfer").json()
    asked = {
        "from_wallet_id": kes.pk, "to": {"phone_number": eric.customer.phone_number}, "amount": quote["exchanged"],
        "currency": "KES", "quote_id": quote["quote_id"],
    }  # fmt: skip

    preview = call("/v1/transfers/preview", **asked).json()
    sent = call("/v1/transfers", **asked)

    assert (preview["recipient"], preview["exchange"]["amount_to"]) == ("Eric H.", "99.10")
    assert preview["expires_at"] == quote["expires_at"] and preview["limits_left"]["day"]
    assert {line["currency"] for line in preview["lines"]} == {"KES", "USD"}
    assert sent.status_code == 201, sent.content
    assert (sent.json()["exchange"]["amount_to"], sent.json()["quote_id"]) == ("99.10", quote["quote_id"])
    assert (posted(eric), posted(kes)) == (99_10, 37_000_00)
    assert call("/v1/transfers", **asked).json()["code"] == "quote_used"
    assert call("/v1/transfers", **asked | {"quote_id": uuid7()}).json()["code"] == "quote_not_found"
    assert_books_balance()
