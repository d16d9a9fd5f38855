"""The road to the books against a ledger of plain Python (`model.py`): whatever is asked, both say the same.

`MODEL_EXAMPLES=500` looks longer than `make test` does.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from django.db import transaction as db_transaction
from django.utils.timezone import now
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import payments.claims
import payments.services
from core.errors import TekanaError
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import Session, TierLimit
from fx import selectors as fx_selectors
from fx import services as fx_services
from fx.errors import TooManyQuotes
from ledger import chart
from ledger.models import Account
from ledger.selectors import balance_at, coverage
from payments.claims import RequestClaims
from payments.models import PaymentRequest
from payments.services import NewRequest, Paying
from schedules import running
from schedules.models import OrderRun, RunState, StandingOrder
from schedules.services import NewOrder, Schedule, create_order
from staff.models import Approval, User
from tests.books import assert_books_balance, key
from tests.factories import new_wallet
from tests.fx.conftest import cbk, load, terms
from tests.fx.conftest import today as fx_today
from tests.schedules.conftest import morning, run_at
from tests.schedules.conftest import today as kigali_today
from tests.transactions.model import (
    BANKS_BPS,
    BANKS_FLAT,
    FEES,
    FRANCS,
    LIMITS,
    MARGIN_BPS,
    MOST_QUOTES,
    PAYEES_PART,
    SHILLINGS,
    Deal,
    Model,
    Purse,
    Quote,
    Refused,
    Request,
    Standing,
)
from transactions import tariff
from transactions.models import FeeRule, State, Transaction
from transactions.movements import Movement, Outcome, Settlement
from transactions.posting import post
from transactions.rules import exchanges
from transactions.services.cash_outs import start_cash_out
from transactions.services.conversions import ConversionOrder, ask_quote, convert
from transactions.services.reversals import worth_today
from transactions.services.transfers import TransferOrder, send_transfer
from wallets.models import Freeze
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet, lift_freeze

# --- the machine ---------------------------------------------------------------------------------------------------
NAMES = ["aline", "eric", "mary", "paul"]
DOLLARS = ["aline$", "eric$"]  # Mary and Paul have none
names, purses = st.sampled_from(NAMES), st.sampled_from(NAMES + DOLLARS)
pairs = st.one_of(
    st.permutations(NAMES), st.permutations(NAMES), st.permutations(NAMES), st.permutations(DOLLARS),
    st.tuples(purses, purses),
)  # fmt: skip
amounts = st.one_of(st.integers(1, 300), st.integers(1, 1_500), st.integers(1, 6_000))
batches = st.lists(
    st.tuples(st.sampled_from(["transfer", "payment", "payout", "hold", "conversion"]), pairs, amounts),
    min_size=1, max_size=4,
)  # fmt: skip
numbers = st.integers(0, 99)
seldom = st.integers(0, 5).map(lambda n: n == 0)
often = st.integers(0, 5).map(bool)
states = st.sampled_from(State.values)
outcomes = st.sampled_from(["confirmed", "confirmed", "rejected"])
few = st.sampled_from([1, 1, 2, 3, None])
CODES: Counter[str] = Counter()
DONE: Counter[str] = Counter()
ALL_WAYS = [
    "top_up",
    "cash_out",
    "transfer",
    "payment",
    "payout",
    "hold",
    "refund",
    "reversal",
    "confirmed",
    "adjustment",
    "standing order",
] + [f"{kind} into another currency" for kind in ("conversion", "transfer", "cash_out", "reversal")]
Asked = tuple[Movement, Callable[[], Deal]]


def code_of(outcome: Outcome) -> str:
    return outcome.error.code if outcome.error else ""


def currency_of(name: str) -> str:
    return "USD" if name.endswith("$") else "RWF"


@contextmanager
def two_hours_ago() -> Iterator[None]:
    """What is promised within has long expired; PostgreSQL's clock cannot be set, so it is told of another time."""
    used_today, ago = fx_selectors.used_today, timedelta(hours=2)

    def then(*given: Any) -> Any:
        at, gone = used_today(*given)
        return at - ago, gone

    with ExitStack() as patches:
        patches.enter_context(patch.object(fx_selectors, "used_today", then))
        patches.enter_context(patch.object(payments.services, "now", lambda: now() - ago))
        yield


class Machine(RuleBasedStateMachine):
    """Asks the same of the model and of the product, in batches and one by one, and compares all there is to see."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = db_transaction.atomic()
        self.atomic.__enter__()
        self.wallets = {name: new_wallet(country_id="RW", tier=2, password="!") for name in NAMES}
        customers = {name: wallet.customer for name, wallet in self.wallets.items()}
        self.wallets |= {name: new_wallet(customers[name[:-1]], "USD") for name in DOLLARS}
        self.people = {
            name: CustomerPrincipal(customer.pk, Session.objects.create(customer=customer).pk)
            for name, customer in customers.items()
        }
        self.staff = [User.objects.create(username=name, password="!", role="finance") for name in ("grace", "samuel")]
        self.freezes: dict[str, list[Freeze]] = {name: [] for name in self.wallets}
        self.model = Model({name: Purse(name.rstrip("$"), currency_of(name)) for name in self.wallets})
        self.told: dict[UUID, Deal] = {}
        self.asked: list[tuple[Movement, Outcome]] = []
        self.quotes: list[tuple[Quote, UUID]] = []
        self.requests: list[tuple[Request, PaymentRequest]] = []
        self.standing: dict[UUID, Standing] = {}
        self.first_day, self.day = kigali_today(), 0

    @initialize()
    def begin(self) -> None:
        had = [("aline", 9_000), ("eric", 3_000), ("mary", 700), ("aline$", 600), ("eric$", 150)]
        for name, amount in had:  # Paul has nothing, and may close
            self.top_up(name, amount, settled=True)
        rates = [
            ("aline", "transfer", "RWF", 2_000), ("aline", "cash_out", "USD", 150), ("eric", "conversion", "RWF", 900),
        ]  # fmt: skip
        for owner, kind, sell, amount in rates:
            self.rate(owner, kind, sell, amount, None)
        self.request("eric$", None, (5, 300), None, None, confirms=False, late=False)
        self.request("mary", 500, None, 2, None, confirms=True, late=False)

    def teardown(self) -> None:
        try:
            self.everything_agrees()
        finally:
            db_transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    # --- asking ----------------------------------------------------------------------------------------------------
    def movement(
        self, kind: str, amount: int, payer: str | None = None, payee: str | None = None, **more: Any
    ) -> Movement:
        return Movement(
            kind=kind, amount=amount, currency=currency_of(payer or payee or ""), caller="job:model", key=key(),
            payer=self.address(payer) if payer else None, payee=self.address(payee) if payee else None, **more,
        )  # fmt: skip

    def address(self, name: str) -> Address:
        return Address("wallet", str(self.wallets[name].pk))

    def plain(self, kind: str, payer: str, payee: str, amount: int) -> Asked:
        asked = partial(self.model.start, kind, payer, payee, amount, currency=currency_of(payer))
        return self.movement(kind, amount, payer, payee), asked

    def ask(self, *asked: Asked) -> None:
        """Post the movements as one batch, ask the model one after the other, compare."""
        if not asked:
            return
        for outcome, (movement, of_model) in zip(post([movement for movement, _ in asked]), asked):
            refused = None
            try:
                deal = of_model()
            except Refused as error:
                refused, deal = error, Deal(movement.kind, "failed", None, None, movement.amount, movement.currency)
                deal.received = movement.received or 0
            assert code_of(outcome) == (refused.code if refused else "")
            CODES[code_of(outcome)] += 1
            if refused and not refused.kept:
                assert outcome.transaction is None
                continue
            assert (outcome.state, outcome.fee, outcome.replayed) == (deal.state, deal.fee, False)
            DONE[f"{deal.kind} into another currency" if deal.received else deal.kind] += refused is None
            self.told[outcome.transaction] = deal
            self.asked.append((movement, outcome))

    def chosen(self, n: int, odd: bool, *kinds: str) -> Any:
        """The ``n``th last of what was done of these kinds; or, ``odd``, of all that was ever asked for."""
        found = [
            txn for txn, deal in self.told.items() if odd or (deal.kind in kinds and deal.state != "failed")
        ]  # fmt: skip
        return found[-1 - n % len(found)] if found else None

    def same(self, of_model: Callable[[], Any], of_product: Callable[[], Any]) -> Any:
        """What both return, where nothing is posted; (None, None) where both refuse it with the same code."""
        wanted = code = ""
        mine = its = None
        try:
            mine = of_model()
        except Refused as refused:
            wanted = refused.code
        try:
            its = of_product()
        except TekanaError as error:
            code = error.code
        assert code == wanted
        CODES[code] += 1
        return mine, its

    def caught(self, verb: Callable[..., Any]) -> Movement:
        """What a service would post."""
        posted: list[Any] = []
        verb(idempotency_key=key(), post=lambda movement: posted.append(movement) or Outcome())
        return posted[0]

    # --- from one to another ---------------------------------------------------------------------------------------
    @rule(name=purses, amount=amounts, settled=st.booleans())
    def top_up(self, name, amount, settled):
        movement = self.movement("top_up", amount, payee=name, rail="sandbox", settled=settled)
        asked = partial(self.model.start, "top_up", None, name, amount, currency=currency_of(name), settled=settled)
        self.ask((movement, asked))

    @rule(name=purses, amount=amounts)
    def cash_out(self, name, amount):
        movement = self.movement("cash_out", amount, payer=name, rail="sandbox")
        asked = partial(self.model.start, "cash_out", name, None, amount, currency=currency_of(name))
        self.ask((movement, asked))

    @rule(batch=batches)
    def pay(self, batch):
        asked = []
        for kind, (payer, payee, *_), amount in batch:
            if kind == "conversion":
                asked += self.conversion(payer, "USD" if currency_of(payer) == "RWF" else "RWF", amount)
            else:
                asked.append(self.plain(kind, payer, payee, amount))
        self.ask(*asked)

    @rule(pair=pairs, amount=amounts)
    def promise(self, pair, amount):
        payer, payee, *_ = pair
        self.ask(self.plain("hold", payer, payee, amount))

    @rule(n=numbers, same_body=st.booleans())
    def say_it_again(self, n, same_body):
        """Under the same key; or something else under it."""
        if not self.asked:
            return
        movement, before = self.asked[-1 - n % len(self.asked)]
        if same_body:
            (again,) = post([movement])
            assert again.replayed
            assert (again.transaction, again.receipt) == (before.transaction, before.receipt)
            assert code_of(again) == code_of(before)
            return
        other = replace(movement, amount=movement.amount + 1, asked=("another",) if movement.asked else ())
        (outcome,) = post([other])
        assert (code_of(outcome), outcome.transaction) == ("idempotency_key_reused", None)

    # --- into another currency -------------------------------------------------------------------------------------
    @rule(
        owner=names, kind=st.sampled_from(["conversion", "conversion", "transfer", "cash_out"]),
        dollars=st.booleans(), amount=amounts, fixed=st.sampled_from(["sell", "buy"]), late=seldom,
    )  # fmt: skip
    def quote(self, owner, kind, dollars, amount, fixed, late):
        sold, bought = (amount, None) if fixed == "sell" else (None, amount)
        self.rate(owner, kind, "USD" if dollars else "RWF", sold, bought, late)

    def rate(self, owner: str, kind: str, sell: str, sold: int | None, bought: int | None, late: bool = False) -> None:
        buy = "RWF" if sell == "USD" else "USD"
        with two_hours_ago() if late else ExitStack():
            mine, its = self.same(
                partial(self.model.quote, owner, kind, sell, buy, sold, bought, late),
                partial(
                    ask_quote, actor=self.people[owner], sell=sell, buy=buy, sell_minor=sold, buy_minor=bought,
                    kind=kind,
                ),
            )  # fmt: skip
        if mine is None:
            return
        said = (its.sell_minor, its.fee_minor, its.buy_minor, its.margin_minor)
        assert said == (mine.sell_minor, mine.fee, mine.buy_minor, mine.margin)
        self.quotes.append((mine, its.pk))

    def conversion(self, payer: str, into: str, amount: int, quote: Any = None, by: str = "") -> Sequence[Asked]:
        """Without a quote, it is promised one first; what that is refused with may come before anything is posted."""
        owner, sell = by or payer.rstrip("$"), currency_of(payer)
        mine, pk = quote or (None, None)
        order = partial(self.convert, owner, payer, amount, into, pk)
        why = ""
        try:
            mine = mine or self.model.quote(owner, "conversion", sell, into, amount)
        except Refused as refused:
            why = refused.code
        if why == "too_many_quotes":
            with pytest.raises(TooManyQuotes):
                order()
            CODES[why] += 1
            return []
        movement = order()
        if quote and mine.owner == owner and (mine.sell, mine.buy, mine.sell_minor) != (sell, into, amount):
            why = "quote_mismatch"
        known = mine and not why and mine.owner == owner
        payee = f"{owner}$" if into == "USD" else owner
        asked = partial(
            self.model.exchange, "conversion", payer, payee if payee in self.wallets and self.is_open(payee) else None,
            mine.exchanged if known else amount, currency=sell, quote=mine, by=owner, why=why,
        )  # fmt: skip
        return [(movement, asked)]

    def convert(self, owner: str, payer: str, amount: int, into: str, quote: UUID | None) -> Movement:
        order = ConversionOrder(
            wallet_id=self.wallets[payer].pk, amount=Money(amount, currency_of(payer)), to_currency=into, quote=quote
        )
        return self.caught(partial(convert, order, actor=self.people[owner]))

    def is_open(self, name: str) -> bool:
        return not self.model.purses[name].closed

    @rule(name=purses, into=st.sampled_from(["RWF", "USD", "USD"]), amount=amounts)
    def convert_at_once(self, name, into, amount):
        self.ask(*self.conversion(name, into, amount))

    @rule(
        n=numbers, kind=st.sampled_from(["conversion", "transfer", "cash_out"]), as_said=often, payee=names,
        anywhere=seldom, stranger=seldom, other=names, exactly=often, again=seldom, times=st.sampled_from([1, 1, 2]),
    )  # fmt: skip
    def take(self, n, kind, as_said, payee, anywhere, stranger, other, exactly, again, times):
        """By whom it was given to and for what it was given, or not; once, or twice in one batch."""
        quotes = [quote for quote in self.quotes if again or not quote[0].used] or self.quotes
        quote = quotes[-1 - n % len(quotes)]
        mine = quote[0]
        by, kind = other if stranger else mine.owner, mine.kind if as_said else kind
        payer = f"{by}$" if mine.sell == "USD" and f"{by}$" in self.wallets else by
        if not anywhere and mine.buy == "USD" and f"{payee}$" in self.wallets:
            payee += "$"
        asked = []
        for _ in range(times):
            if kind == "conversion":
                amount = mine.sell_minor if exactly else mine.sell_minor + 1
                asked += self.conversion(payer, mine.buy, amount, quote, by)
            else:
                amount = mine.exchanged if exactly else mine.exchanged + 1
                asked.append(self.sent(kind, payer, payee, amount, quote, by))
        self.ask(*asked)

    def sent(self, kind: str, payer: str, payee: str, amount: int, quote: Any, by: str) -> Asked:
        mine, pk = quote
        money, wallet, actor = Money(amount, mine.sell), self.wallets[payer].pk, self.people[by]
        if kind == "transfer":
            order = TransferOrder(from_wallet_id=wallet, to=self.address(payee), amount=money, quote=pk)
            movement = self.caught(partial(send_transfer, order, actor=actor))
        else:
            movement = self.caught(partial(start_cash_out, wallet, money, {}, actor=actor, quote=pk))
        asked = partial(
            self.model.exchange, kind, payer, payee if kind == "transfer" else None, amount, currency=mine.sell,
            quote=mine, by=by,
        )  # fmt: skip
        return movement, asked

    # --- back ------------------------------------------------------------------------------------------------------
    @rule(n=numbers, odd=seldom, amount=amounts, whole=st.booleans(), refunds_fee=st.booleans(), today=st.booleans())
    def reverse(self, n, odd, amount, whole, refunds_fee, today):
        txn = self.chosen(n, odd, "transfer", "payment", "payout", "conversion")
        if txn is None:
            return
        deal = self.told[txn]
        if whole and deal.amount > deal.reversed:
            amount = deal.amount - deal.reversed
        movement = self.movement("reversal", amount, reverses=txn, reason_code="duplicate", refunds_fee=refunds_fee)
        movement = replace(movement, currency=deal.currency)
        today = today and bool(deal.received_currency)
        if today:
            movement = replace(movement, worth=worth_today(Transaction.objects.get(pk=txn), amount))
        self.ask((movement, partial(self.model.reverse, deal, amount, refunds_fee, today=today)))

    @rule(n=numbers, odd=seldom, amount=amounts, whole=st.booleans())
    def refund(self, n, odd, amount, whole):
        txn = self.chosen(n, odd, "payment")
        deal = self.told.get(txn)
        if deal is None or deal.payee is None or deal.payer is None:
            return
        if whole and deal.amount > deal.reversed:
            amount = deal.amount - deal.reversed
        owner = self.wallets[deal.payee].customer_id
        movement = self.movement("refund", amount, reverses=txn, reason_code="merchant_refund", owner=owner)
        movement = replace(movement, currency=deal.currency)
        self.ask((movement, partial(self.model.reverse, deal, amount, False, by_merchant=True)))

    # --- by hand and by the clock ----------------------------------------------------------------------------------
    @rule(sides=st.permutations(["suspense", "expenses", *NAMES[:2], *DOLLARS]), amount=amounts, dollars=st.booleans())
    def adjust(self, sides, amount, dollars):
        debited, credited, *_ = sides
        names = [name for name in (debited, credited) if name in self.wallets]
        currency = currency_of(names[0]) if names else ("USD" if dollars else "RWF")
        codes = {"suspense": chart.suspense(currency), "expenses": chart.adjustments(currency)}
        debit, credit = (
            chart.wallet_account(self.wallets[name].pk) if name in self.wallets else codes[name] for name in sides[:2]
        )
        movement = Movement(
            kind="adjustment", amount=amount, currency=currency, caller="job:model", key=self.approved(), debit=debit,
            credit=credit, payer=self.address(debited) if debited in self.wallets else None,
            payee=self.address(credited) if credited in self.wallets else None,
        )  # fmt: skip
        self.ask((movement, partial(self.model.adjust, debited, credited, amount, currency)))

    def approved(self) -> str:
        """The key of an adjustment that two people want: the proof asks for them."""
        one = Approval.objects.create(
            operation="adjustment", title="", subject_type="", subject_id="", subject_title="", about=[], slot=key(),
            params={}, preview={}, digest="", maker=self.staff[0], reason="model", expires_at=now() + timedelta(days=1),
        )  # fmt: skip
        Approval.objects.filter(pk=one.pk).update(state="approved", checker=self.staff[1], decided_at=now(), result={})
        return f"approval-{one.pk}"

    @rule(pair=pairs, amount=amounts, retries=st.integers(0, 1))
    def stand(self, pair, amount, retries):
        """Each day from the next one on."""
        payer, payee, *_ = pair
        order = NewOrder(
            from_wallet_id=self.wallets[payer].pk, to=self.address(payee), amount=Money(amount, currency_of(payer)),
            schedule=Schedule(frequency="daily", start_on=self.first_day + timedelta(days=self.day + 1)),
            retries=retries, retry_hours=24,
        )  # fmt: skip
        actor = self.people[payer.rstrip("$")]
        mine, made = self.same(
            partial(self.model.stand, payer, payee, amount, currency_of(payer), retries, self.day + 1),
            partial(create_order, order, actor=actor, idempotency_key=key()),
        )
        if mine:
            self.standing[made[0].pk] = mine

    @rule()
    def day_comes(self):
        self.day += 1
        run_at(morning(self.first_day + timedelta(days=self.day)))
        tried = self.model.day_comes(self.day)
        runs = {(run.order_id, run.due_on): run for run in OrderRun.objects.select_related("order")}
        ids = {order: pk for pk, order in self.standing.items()}
        for order, day, deal in tried:
            run = runs[ids[order], self.first_day + timedelta(days=day)]
            DONE["standing order"] += run.state == RunState.COMPLETED
            self.told[run.transaction_id] = deal
        for order, pk in ids.items():
            its = {(due - self.first_day).days: run.state for (of, due), run in runs.items() if of == pk}
            assert its == order.runs
        states = dict(StandingOrder.objects.values_list("pk", "state"))
        assert states == {pk: order.state for pk, order in self.standing.items()}

    # --- promises --------------------------------------------------------------------------------------------------
    @rule(n=numbers, odd=seldom, amount=amounts, whole=st.booleans(), final=st.booleans())
    def capture(self, n, odd, amount, whole, final):
        txn = self.chosen(n, odd, "hold")
        hold = self.told.get(txn)
        if hold is None or hold.payee is None or hold.payer is None:
            return
        if whole and hold.amount > hold.captured:
            amount = hold.amount - hold.captured
        owner = self.wallets[hold.payee].customer_id
        movement = self.movement("payment", amount, hold.payer, hold.payee, hold=txn, final=final, owner=owner)
        self.ask((movement, partial(self.model.capture, hold, amount, final)))

    @rule(n=numbers, odd=seldom, to=states)
    def settle(self, n, odd, to):
        txn = self.chosen(n, odd, "top_up", "cash_out", "hold")
        (outcome,) = post([Settlement(transaction=txn, to=to, actor="job:model")])
        refused = ""
        try:
            self.model.settle(self.told[txn], to)
        except Refused as error:
            refused = error.code
        assert code_of(outcome) == refused
        assert refused or outcome.state == self.told[txn].state
        CODES[refused] += 1

    # --- payment requests ------------------------------------------------------------------------------------------
    @rule(
        payee=purses, fixed=often, amount=amounts, bounds=st.none() | st.tuples(amounts, amounts), max_uses=few,
        per_payer=few, confirms=st.booleans(), late=seldom,
    )  # fmt: skip
    def ask_for(self, payee, fixed, amount, bounds, max_uses, per_payer, confirms, late):
        """Of a fixed amount, or an open one with bounds or without."""
        bounds = None if fixed and not late else bounds
        self.request(payee, amount if fixed else None, bounds, max_uses, per_payer, confirms, late)

    def request(
        self, payee: str, amount: int | None, bounds: tuple[int, int] | None, max_uses: int | None,
        per_payer: int | None, confirms: bool, late: bool,
    ) -> None:  # fmt: skip
        least, most = bounds or (None, None)
        asked: dict[str, Any] = {"amount": amount, "least": least, "most": most, "max_uses": max_uses}
        order = NewRequest(
            wallet_id=self.wallets[payee].pk, currency=currency_of(payee), max_uses_per_payer=per_payer,
            needs_confirmation=confirms, expires_at=now() + timedelta(hours=-1 if late else 1), **asked,
        )  # fmt: skip
        with two_hours_ago() if late else ExitStack():
            mine, its = self.same(
                partial(
                    self.model.ask_for, payee=payee, currency=currency_of(payee), per_payer=per_payer,
                    confirms=confirms, expired=late, **asked,
                ),
                partial(payments.services.create_request, order, actor=self.people[payee.rstrip("$")]),
            )  # fmt: skip
        if mine:
            self.requests.append((mine, its))

    @rule(
        n=numbers, payers=st.lists(names, min_size=1, max_size=3), anywhere=seldom, amount=amounts, as_asked=often,
        then=st.none() | st.tuples(names, amounts), answers=st.lists(outcomes, max_size=2),
    )  # fmt: skip
    def pay_request(self, n, payers, anywhere, amount, as_asked, then, answers):
        """By some in one batch, with a transfer behind them; some of them are answered at once."""
        mine, its = self.requests[-1 - n % len(self.requests)]
        if mine.currency == "USD" and not anywhere:
            payers = [f"{payer}$" if f"{payer}$" in self.wallets else payer for payer in payers]
        asked = []
        for payer in payers:
            wanted = None if as_asked and mine.amount is not None else amount
            if as_asked and mine.amount is None:
                wanted = min(max(amount, mine.least or 1), mine.most or amount)
            paying = Paying(from_wallet_id=self.wallets[payer].pk, amount=wanted)
            verb = partial(payments.services.pay_request, its, paying, actor=self.people[payer.rstrip("$")])
            asked.append((self.caught(verb), self.model.pay_request(mine, payer, wanted)))
        if mine.amount is None:  # then the payer has to say it
            verb = partial(payments.services.order_of, its, replace(paying, amount=None), None)
            self.same(partial(self.model.pay_request, mine, payers[-1], None), verb)
        if then:
            asked.append(self.plain("transfer", payers[-1], *then))
        self.ask(*asked)
        for latest, outcome in enumerate(answers):
            self.answer(latest, False, outcome, False, "")

    @rule(n=numbers, odd=seldom, outcome=outcomes, stranger=seldom, by=names)
    def answer(self, n, odd, outcome, stranger, by):
        of_requests = [txn for txn, deal in self.told.items() if deal.kind == "hold" and self.model.use_of(deal)]
        txn = of_requests[-1 - n % len(of_requests)] if of_requests and not odd else self.chosen(n, odd, "hold")
        if txn is None:
            return
        deal = self.told[txn]
        if deal.payee and not stranger:
            by = deal.payee.rstrip("$")
        verb = payments.services.confirm if outcome == "confirmed" else payments.services.reject
        payment, its = self.same(
            partial(self.model.answer, deal, by, outcome), partial(verb, txn, actor=self.people[by])
        )
        if payment:
            DONE["confirmed"] += 1
            self.told[its.payment] = payment

    @rule(n=numbers, how=st.sampled_from(["cancel", "by time", "by time"]))
    def end(self, n, how):
        mine, its = self.requests[-1 - n % len(self.requests)]
        if how == "cancel":
            actor = self.people[mine.payee.rstrip("$")]
            self.same(partial(self.model.cancel, mine), partial(payments.services.cancel_request, its.pk, actor=actor))
            return
        assert payments.services.note_ended_promises() == self.model.note_ended()
        assert payments.services.expire_requests() == self.model.expire()

    # --- wallets ---------------------------------------------------------------------------------------------------
    @rule(name=purses, mode=st.sampled_from(["debit", "credit", "both"]))
    def freeze(self, name, mode):
        if self.is_open(name) and sum(map(len, self.freezes.values())) < 2:
            self.freezes[name].append(freeze_wallet(self.wallets[name], mode=mode, reason="model", actor=None))
            self.thaw(name)

    @rule(name=purses)
    def lift(self, name):
        if self.freezes[name]:
            lift_freeze(self.freezes[name].pop(), actor=None, reason="model")
            self.thaw(name)

    def thaw(self, name: str) -> None:
        modes = {freeze.mode for freeze in self.freezes[name]}
        self.model.purses[name].may_send = not modes & {"debit", "both"}
        self.model.purses[name].may_receive = not modes & {"credit", "both"}

    @rule(name=st.sampled_from(["paul", "paul", "paul", "eric$"]), really=seldom)
    def close(self, name, really):
        if really:
            self.same(partial(self.model.close, name), partial(close_wallet, self.wallets[name], actor=None))

    # --- comparing -------------------------------------------------------------------------------------------------
    @invariant()
    def balances_agree(self) -> None:
        for name, purse in self.model.purses.items():
            balance = balance_at(self.wallets[name].account_id)
            assert (name, balance.posted, balance.held) == (name, purse.posted, purse.held)

    def everything_agrees(self) -> None:
        rows = Transaction.objects.in_bulk(list(self.told))
        for txn, deal in self.told.items():
            row = rows[txn]
            its = (row.kind, row.state, row.amount, row.currency, row.fee, row.payee_fee, row.reversed_amount)
            mine = (deal.kind, deal.state, deal.amount, deal.currency, deal.fee, deal.payee_fee, deal.reversed)
            assert (*its, row.received or 0) == (*mine, deal.received)
        assert len(rows) == Transaction.objects.count()
        self.house_agrees()
        requests = PaymentRequest.objects.order_by("pk").values_list("state", "used")
        assert list(requests) == [(one.state, one.used()) for one in self.model.requests]
        assert_books_balance()

    def house_agrees(self) -> None:
        """What is ours, and what we owe nobody by name."""
        of_model, model = Counter[str](), self.model
        for sums in coverage():
            wallets = sum(purse.posted for purse in model.purses.values() if purse.currency == sums.currency)
            kept = (model.suspense, model.rail, model.fees)
            assert sums[1:] == (wallets, *(one[sums.currency] for one in kept))
        sides = {
            "expense:adjustments": model.expenses,
            "equity:fx": model.position,
            "income:fx_margin": model.margin,
            "income:fx_result": model.result,
        }
        for prefix, sums in sides.items():
            of_model.update({f"{prefix}:{currency}": amount for currency, amount in sums.items()})
        accounts = Account.objects.filter(code__regex="^(expense:adjustments|equity:fx|income:fx_(margin|result)):")
        assert {code: posted for code, posted in accounts.values_list("code", "posted") if posted} == {
            code: amount for code, amount in of_model.items() if amount
        }


@pytest.fixture
def our_market(db: None, settings: Any) -> Iterator[None]:
    """A tariff with fees on almost everything, limits that are easily reached, one bank that trades."""
    today = date.today()
    for kind in {kind for kind, _ in FEES}:
        for currency in LIMITS:
            flat, bps = FEES.get((kind, currency), (0, 0))
            FeeRule.objects.create(
                kind=kind, currency=currency, flat=flat, bps=bps, effective_from=today, payee_bps=PAYEES_PART.get(kind)
            )
    for currency, limits in LIMITS.items():
        TierLimit.objects.create(
            country_id="RW", currency=currency, tier=2, **limits._asdict(), per_month=None, effective_from=today,
            source="model",
        )  # fmt: skip
    rates = {"US DOLLAR": SHILLINGS, "KES / RWF": FRANCS}
    load("cbk", cbk(*(f"{today:%d/%m/%Y},{name},{rate},{rate},{rate}" for name, rate in rates.items())))
    fx_services.add_provider(code="wekeza", name="Wekeza Bank", actor=None)
    for sell, buy in (("RWF", "USD"), ("USD", "RWF")):
        terms("wekeza", sell, buy, BANKS_BPS[sell], flat=BANKS_FLAT[sell])
        fx_services.add_margin(sell=sell, buy=buy, bps=MARGIN_BPS, effective_from=fx_today(), actor=None)
    settings.FX_OPEN_QUOTES, settings.FX_QUOTE_SECONDS = MOST_QUOTES, 3_600
    tariff.forget()
    fx_selectors.forget()
    yield
    tariff.forget()
    fx_selectors.forget()


def compare(examples: int, **more: Any) -> None:
    calm = settings(
        max_examples=examples, stateful_step_count=50, deadline=None, database=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), **more,
    )  # fmt: skip
    run_state_machine_as_test(Machine, settings=calm)


def test_the_books_do_what_a_ledger_of_a_hundred_lines_does(our_market):
    examples = int(os.environ.get("MODEL_EXAMPLES", "40"))
    # A short look (`make mutation`) says that there is a difference; others look for the shortest way to it.
    compare(examples, phases=[Phase.generate, Phase.shrink][: 1 + (examples >= 40)])
    assert CODES[""] > examples  # money moved
    if examples >= 500:  # and in every way there is
        assert set(ALL_WAYS) <= set(+DONE)


def a_short_life() -> None:
    """A little of everything that exchanges and requests can do, compared after each step."""
    machine = Machine()
    try:
        machine.begin()
        as_usual = {"as_said": True, "anywhere": False, "stranger": False, "exactly": True, "again": False, "times": 2}
        for _ in range(3):  # a conversion, a withdrawal, a transfer: each of them a second time too
            machine.take(n=0, kind="", payee="eric", other="", **as_usual)
        machine.convert_at_once(name="aline$", into="RWF", amount=400)
        for amount in (100, 99, 1):
            machine.reverse(n=amount == 1, odd=False, amount=amount, whole=False, refunds_fee=False, today=amount == 99)
        machine.pay_request(n=0, payers=["aline"], anywhere=False, amount=499, as_asked=False, then=None, answers=[])
        machine.pay_request(
            n=0, payers=["aline", "eric", "aline"], anywhere=False, amount=1, as_asked=True, then=None,
            answers=["confirmed", "rejected"],
        )  # fmt: skip
        machine.answer(n=0, odd=False, outcome="rejected", stranger=False, by="mary")  # what was confirmed
        machine.stand(pair=("eric", "mary"), amount=900, retries=1)
        machine.stand(pair=("mary", "aline"), amount=5_500, retries=0)  # more than a movement may be
        for _ in range(4):
            machine.day_comes()
        machine.adjust(sides=["expenses", "eric"], amount=7, dollars=False)
        machine.balances_agree()
    finally:
        machine.teardown()


def rounds_down(fee: tariff.Fee, amount: int) -> int:
    return fee.flat + amount * fee.bps // 10_000


def all_of_the_margin(original: Any, amount: int) -> tuple[int, int]:
    return original.received * amount // original.amount, original.margin


def test_a_short_life_is_the_same_in_both(our_market):
    a_short_life()


@pytest.mark.parametrize(
    ("owner", "name", "fault"),
    [
        (tariff.Fee, "on", rounds_down),
        (fx_selectors.Snapshot, "margin_bps", lambda self, sell, buy, tier: 74),
        (exchanges, "mirrored", all_of_the_margin),
        (RequestClaims, "take", lambda self, claim, attempt: None),
        (payments.claims, "_refuse_amount", lambda row, amount: None),
        (running, "MOST_REFUSED", 4),
    ],
)
def test_the_comparison_catches_a_product_with_a_fault(our_market, monkeypatch, owner, name, fault):
    """The controls: a minor unit of a fee, of a rate, of what goes back of an exchange; a request that is paid too
    often, or less than it asks for; a standing order that tries once too often."""
    monkeypatch.setattr(owner, name, fault)
    with pytest.raises(AssertionError):
        a_short_life()
