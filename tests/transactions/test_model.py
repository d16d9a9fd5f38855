"""The road to the books against a ledger of two hundred lines of plain Python: whatever is asked, both say the same.

`MODEL_EXAMPLES=500` looks longer than `make test` does.
"""

import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any

import pytest
from django.db import transaction as db_transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from core.errors import TekanaError
from customers.models import TierLimit
from ledger.selectors import balance_at, coverage
from tests.books import assert_books_balance, key
from tests.factories import new_wallet
from transactions import tariff
from transactions.models import FeeRule, State, Transaction
from transactions.movements import Movement, Outcome, Settlement
from transactions.posting import post
from wallets.models import Freeze
from wallets.parties import Address
from wallets.services import close_wallet, freeze_wallet, lift_freeze

FEES = {"transfer": (7, 150), "payment": (4, 90), "payout": (0, 0), "cash_out": (5, 100), "top_up": (10, 25)}
PAYEES_PART = {"payment": 3_000}  # of ten thousand; the rest is the payer's
PER_MOVEMENT, PER_DAY, BALANCE = 5_000, 20_000, 12_000
OPEN = {"pending", "processing", "unknown"}
SETTLED = {
    "pending": {"processing", "unknown", "completed", "failed", "cancelled", "expired"},
    "processing": {"unknown", "completed", "failed"},
    "unknown": {"completed", "failed"},
}


# --- the model -----------------------------------------------------------------------------------------------------
@dataclass
class Purse:
    posted: int = 0
    held: int = 0
    used: int = 0
    coming: int = 0
    may_send: bool = True
    may_receive: bool = True
    closed: bool = False


@dataclass
class Deal:
    kind: str
    state: str
    payer: str | None
    payee: str | None
    amount: int
    fee: int
    payee_fee: int = 0
    payee_returned: int = 0
    reversed: int = 0
    captured: int = 0
    fees_taken: tuple[int, int] = (0, 0)


def half_up(whole: int, parts: int) -> int:
    quotient, rest = divmod(whole, parts)
    return quotient + (1 if rest * 2 >= parts else 0)


class Refused(Exception):
    """With its code; ``kept`` when the attempt leaves a failed transaction behind."""

    def __init__(self, code: str, kept: bool = True) -> None:
        self.code, self.kept = code, kept


@dataclass
class Model:
    """Minor units of one currency. Every method changes it or raises Refused and changes nothing."""

    purses: dict[str, Purse] = field(default_factory=dict)
    deals: list[Deal] = field(default_factory=list)
    fees = suspense = rail = 0

    def fee(self, kind: str, amount: int) -> int:
        flat, bps = FEES[kind]
        return flat + half_up(amount * bps, 10_000)

    def shared(self, kind: str, amount: int) -> tuple[int, int]:
        """What the payer pays of it, and the payee."""
        fee = self.fee(kind, amount)
        of_payee = fee * PAYEES_PART.get(kind, 0) // 10_000
        return fee - of_payee, of_payee

    def start(self, kind: str, payer: str | None, payee: str | None, amount: int, settled: bool = False) -> Deal:
        if payer and payer == payee:
            raise Refused("self_transfer")
        sender, taker = self.purses.get(payer or ""), self.purses.get(payee or "")
        if sender and sender.closed:
            raise Refused("wallet_closed")
        if sender and not sender.may_send:
            raise Refused("wallet_frozen")
        if taker and (taker.closed or not taker.may_receive):
            raise Refused("recipient_unavailable" if sender else "wallet_closed" if taker.closed else "wallet_frozen")
        if sender and (amount > PER_MOVEMENT or sender.used + amount > PER_DAY):
            raise Refused("limit_exceeded")
        if taker and not sender and not settled and amount > PER_MOVEMENT:
            raise Refused("limit_exceeded")
        if taker and taker.posted + taker.coming + amount > BALANCE:
            raise Refused("balance_limit_exceeded")
        priced_as = "payment" if kind == "hold" else kind
        fee, payee_fee = self.shared(priced_as, amount)
        deal = Deal(kind, "pending", payer, payee, amount, fee, payee_fee)
        if amount <= (payee_fee if sender else deal.fee):
            raise Refused("amount_below_fee")
        if sender:
            if sender.posted - sender.held < amount + deal.fee:
                raise Refused("insufficient_funds")
            sender.used += amount
            sender.held += amount + deal.fee
        elif taker:
            taker.coming += amount - deal.fee
        if settled or (sender and taker and kind != "hold"):
            self.complete(deal)
        self.deals.append(deal)
        return deal

    def capture(self, hold: Deal, amount: int, final: bool) -> Deal:
        if hold.kind != "hold":
            raise Refused("hold_not_found", kept=False)
        left = hold.amount - hold.captured
        if hold.state != "pending":
            raise Refused("hold_over")
        if amount > left:
            raise Refused("capture_exceeds_hold")
        sender, taker = self.purses[hold.payer or ""], self.purses[hold.payee or ""]
        if not sender.may_send:
            raise Refused("payer_unavailable")
        if taker.closed or not taker.may_receive:
            raise Refused("wallet_closed" if taker.closed else "wallet_frozen")
        if taker.posted + taker.coming + amount > BALANCE:
            raise Refused("balance_limit_exceeded")
        taken = self.shared("payment", hold.captured + amount)
        fee, payee_fee = (after - before for after, before in zip(taken, hold.fees_taken, strict=True))
        if payee_fee >= amount:
            raise Refused("amount_below_fee")
        hold.captured, hold.fees_taken = hold.captured + amount, taken
        deal = Deal("payment", "pending", hold.payer, hold.payee, amount, fee, payee_fee)
        self.complete(deal)
        if final or hold.captured == hold.amount:
            self.end(hold, "cancelled")
        return deal

    def end(self, hold: Deal, to: str) -> None:
        sender = self.purses[hold.payer or ""]
        sender.held -= hold.amount + hold.fee - hold.captured - hold.fees_taken[0]
        sender.used -= hold.amount - hold.captured
        hold.state = "completed" if hold.captured else to

    def complete(self, deal: Deal) -> None:
        deal.state = "completed"
        self.let_go(deal)
        self.fees += deal.fee + deal.payee_fee
        if deal.payer:
            self.purses[deal.payer].posted -= deal.amount + deal.fee
        else:
            self.rail += deal.amount
        arriving = deal.amount - (deal.payee_fee if deal.payer else deal.fee)
        if deal.payee is None:
            self.rail -= deal.amount
        elif self.purses[deal.payee].closed:
            self.suspense += arriving
        else:
            self.purses[deal.payee].posted += arriving

    def let_go(self, deal: Deal) -> None:
        """It is no longer under way: neither held nor coming."""
        if deal.payer:
            self.purses[deal.payer].held -= deal.amount + deal.fee
        elif deal.payee:
            self.purses[deal.payee].coming -= deal.amount - deal.fee

    def settle(self, deal: Deal, to: str) -> None:
        if deal.kind == "hold":
            if to not in ("cancelled", "expired"):
                raise Refused("illegal_transition", kept=False)
            if deal.state != "pending":
                raise Refused("hold_over", kept=False)
            if to == "expired":  # its time is not up
                raise Refused("illegal_transition", kept=False)
            self.end(deal, to)
            return
        if deal.state == to:
            return
        if deal.kind not in ("top_up", "cash_out") or to not in SETTLED.get(deal.state, ()):
            raise Refused("illegal_transition", kept=False)
        if to == "completed":
            self.complete(deal)
        elif to not in OPEN:
            self.let_go(deal)
            if deal.payer:
                self.purses[deal.payer].used -= deal.amount
        deal.state = to

    def reverse(self, deal: Deal, amount: int, refunds_fee: bool, by_merchant: bool = False) -> Deal:
        if by_merchant and deal.kind != "payment":
            raise Refused("not_refundable", kept=False)
        left = deal.amount - deal.reversed
        if deal.kind not in ("transfer", "payment", "payout") or deal.state not in ("completed", "partially_reversed"):
            raise Refused("not_reversible", kept=False)
        if amount > left:
            raise Refused("reversal_exceeds_original")
        giver, taker = self.purses[deal.payee or ""], self.purses[deal.payer or ""]
        if by_merchant:
            self.may_refund(giver, taker, amount)
        elif giver.closed or taker.closed:
            raise Refused("wallet_closed")
        returned = deal.fee if amount == left and refunds_fee else 0
        # What the payee bore comes back so early that it is never more than the part.
        to_giver = min(max(deal.payee_fee - deal.payee_returned - (left - amount), 0), amount) if refunds_fee else 0
        if giver.posted - giver.held < amount - to_giver:
            raise Refused("insufficient_funds" if by_merchant else "recipient_short")
        giver.posted -= amount - to_giver
        taker.posted += amount + returned
        self.fees -= returned + to_giver
        deal.reversed += amount
        deal.payee_returned += to_giver
        deal.state = "reversed" if amount == left else "partially_reversed"
        return Deal("refund" if by_merchant else "reversal", "completed", deal.payee, deal.payer, amount, 0)

    def may_refund(self, giver: Purse, taker: Purse, amount: int) -> None:
        """The merchant's own act: freezes stop it; limits do not count it."""
        if giver.closed:
            raise Refused("wallet_closed")
        if not giver.may_send:
            raise Refused("wallet_frozen")
        if taker.closed or not taker.may_receive:
            raise Refused("recipient_unavailable")

    def close(self, name: str) -> None:
        purse = self.purses[name]
        if purse.closed:
            raise Refused("wallet_closed")
        if not (purse.may_send and purse.may_receive):
            raise Refused("wallet_frozen")
        if purse.posted or purse.held:
            raise Refused("wallet_not_empty")
        if any(one.kind == "hold" and one.state == "pending" and one.payee == name for one in self.deals):
            raise Refused("wallet_promised")
        purse.closed = True


# --- the machine ---------------------------------------------------------------------------------------------------
NAMES = ["aline", "eric", "mary", "paul"]
names = st.sampled_from(NAMES)
pairs = st.one_of(st.permutations(NAMES), st.permutations(NAMES), st.tuples(names, names))
amounts = st.one_of(st.integers(1, 300), st.integers(1, 1_500), st.integers(1, 6_000))
batches = st.lists(
    st.tuples(st.sampled_from(["transfer", "payment", "payout", "hold"]), pairs, amounts), min_size=1, max_size=4
)
states = st.sampled_from(State.values)
CODES: Counter[str] = Counter()


def code_of(outcome: Outcome) -> str:
    return outcome.error.code if outcome.error else ""


class Machine(RuleBasedStateMachine):
    """Asks the same of the model and of `post`, in batches and one by one, and compares all there is to see."""

    deals = Bundle("deals")
    orders = Bundle("orders")
    promises = Bundle("promises")

    def __init__(self) -> None:
        super().__init__()
        self.atomic = db_transaction.atomic()
        self.atomic.__enter__()
        self.wallets = {name: new_wallet(country_id="RW", tier=2, password="!") for name in NAMES}
        self.freezes: dict[str, list[Freeze]] = {name: [] for name in NAMES}
        self.model = Model({name: Purse() for name in NAMES})
        self.told: dict[Any, Deal] = {}

    @initialize()
    def begin(self) -> None:
        for name, amount in [("aline", 9_000), ("eric", 3_000), ("mary", 700)]:  # Paul has nothing, and may close
            self.top_up(name, amount, settled=True)

    def teardown(self) -> None:
        try:
            self.everything_agrees()
        finally:
            db_transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def movement(
        self, kind: str, amount: int, payer: str | None = None, payee: str | None = None, **more: Any
    ) -> Movement:
        def address(name: str | None) -> Address | None:
            return Address("wallet", str(self.wallets[name].pk)) if name else None

        return Movement(
            kind=kind, amount=amount, currency="RWF", caller="job:model", key=key(), payer=address(payer),
            payee=address(payee), **more,
        )  # fmt: skip

    def ask(self, *asked: tuple[Movement, Callable[[], Deal]]) -> Any:
        """Post the movements as one batch, ask the model one after the other, compare; what was kept."""
        kept = []
        for outcome, (movement, of_model) in zip(post([movement for movement, _ in asked]), asked):
            refused = None
            try:
                deal = of_model()
            except Refused as error:
                refused, deal = error, Deal(movement.kind, "failed", None, None, movement.amount, 0)
            assert code_of(outcome) == (refused.code if refused else "")
            CODES[code_of(outcome)] += 1
            if refused and not refused.kept:
                assert outcome.transaction is None
                continue
            assert (outcome.state, outcome.fee, outcome.replayed) == (deal.state, deal.fee, False)
            self.told[outcome.transaction] = deal
            kept.append((outcome.transaction, movement, outcome))
        return kept

    @rule(target=deals, name=names, amount=amounts, settled=st.booleans())
    def comes_in(self, name, amount, settled):
        return multiple(*(txn for txn, *_ in self.top_up(name, amount, settled)))

    def top_up(self, name: str, amount: int, settled: bool) -> Any:
        movement = self.movement("top_up", amount, payee=name, rail="sandbox", settled=settled)
        return self.ask((movement, lambda: self.model.start("top_up", None, name, amount, settled)))

    @rule(target=deals, name=names, amount=amounts)
    def cash_out(self, name, amount):
        movement = self.movement("cash_out", amount, payer=name, rail="sandbox")
        kept = self.ask((movement, lambda: self.model.start("cash_out", name, None, amount)))
        return multiple(*(txn for txn, *_ in kept))

    @rule(target=orders, batch=batches)
    def pay(self, batch):
        asked = [
            (self.movement(kind, amount, payer, payee), partial(self.model.start, kind, payer, payee, amount))
            for kind, (payer, payee, *_), amount in batch
        ]
        return multiple(*self.ask(*asked))

    @rule(target=promises, pair=pairs, amount=amounts)
    def promise(self, pair, amount):
        payer, payee, *_ = pair
        movement = self.movement("hold", amount, payer, payee)
        return multiple(*self.ask((movement, lambda: self.model.start("hold", payer, payee, amount))))

    @rule(target=deals, order=promises)
    def look_at_promise(self, order):
        return order[0]

    @rule(target=deals, order=orders)
    def look_at(self, order):
        return order[0]

    @rule(order=orders)
    def say_it_again(self, order):
        txn, movement, first = order
        (again,) = post([movement])
        assert again.replayed
        assert (again.transaction, again.receipt) == (txn, first.receipt)
        assert code_of(again) == code_of(first)

    @rule(order=orders)
    def say_something_else_under_the_same_key(self, order):
        movement = order[1]
        other = self.movement(movement.kind, movement.amount + 1, "aline", "eric")
        (outcome,) = post([replace(other, key=movement.key)])
        assert (code_of(outcome), outcome.transaction) == ("idempotency_key_reused", None)

    @rule(target=orders, order=orders, amount=amounts, whole=st.booleans(), refunds_fee=st.booleans())
    def reverse(self, order, amount, whole, refunds_fee):
        txn = order[0]
        deal = self.told[txn]
        if whole and deal.amount > deal.reversed:
            amount = deal.amount - deal.reversed
        movement = self.movement("reversal", amount, reverses=txn, reason_code="duplicate", refunds_fee=refunds_fee)
        return multiple(*self.ask((movement, lambda: self.model.reverse(deal, amount, refunds_fee))))

    @rule(target=orders, order=orders, amount=amounts, whole=st.booleans())
    def refund(self, order, amount, whole):
        deal = self.told[order[0]]
        if deal.payee is None or deal.payer is None:
            return multiple()
        if whole and deal.amount > deal.reversed:
            amount = deal.amount - deal.reversed
        owner = self.wallets[deal.payee].customer_id
        movement = self.movement("refund", amount, reverses=order[0], reason_code="merchant_refund", owner=owner)
        return multiple(*self.ask((movement, lambda: self.model.reverse(deal, amount, False, by_merchant=True))))

    @rule(
        target=orders,
        order=st.one_of(promises, promises, orders),
        amount=amounts,
        whole=st.booleans(),
        final=st.booleans(),
    )
    def capture(self, order, amount, whole, final):
        hold = self.told[order[0]]
        if hold.payee is None or hold.payer is None:
            return multiple()
        if whole and hold.amount > hold.captured:
            amount = hold.amount - hold.captured
        owner = self.wallets[hold.payee].customer_id
        movement = self.movement(
            "payment", amount, hold.payer, hold.payee, hold=order[0], final=final, owner=owner
        )  # fmt: skip
        return multiple(*self.ask((movement, lambda: self.model.capture(hold, amount, final))))

    @rule(txn=deals, to=states)
    def settle(self, txn, to):
        (outcome,) = post([Settlement(transaction=txn, to=to, actor="job:model")])
        refused = ""
        try:
            self.model.settle(self.told[txn], to)
        except Refused as error:
            refused = error.code
        assert code_of(outcome) == refused
        assert refused or outcome.state == self.told[txn].state
        CODES[refused] += 1

    @rule(name=names, mode=st.sampled_from(["debit", "credit", "both"]))
    def freeze(self, name, mode):
        if not self.model.purses[name].closed and sum(map(len, self.freezes.values())) < 2:
            self.freezes[name].append(freeze_wallet(self.wallets[name], mode=mode, reason="model", actor=None))
            self.thaw(name)

    @rule(name=names)
    def lift(self, name):
        if self.freezes[name]:
            lift_freeze(self.freezes[name].pop(), actor=None, reason="model")
            self.thaw(name)

    def thaw(self, name: str) -> None:
        modes = {freeze.mode for freeze in self.freezes[name]}
        self.model.purses[name].may_send = not modes & {"debit", "both"}
        self.model.purses[name].may_receive = not modes & {"credit", "both"}

    @rule()
    def close(self):
        code = wanted = ""
        try:
            self.model.close("paul")
        except Refused as refused:
            wanted = refused.code
        try:
            close_wallet(self.wallets["paul"], actor=None)
        except TekanaError as error:
            code = error.code
        assert code == wanted

    @invariant()
    def balances_agree(self) -> None:
        for name, purse in self.model.purses.items():
            balance = balance_at(self.wallets[name].account_id)
            assert (name, balance.posted, balance.held) == (name, purse.posted, purse.held)

    def everything_agrees(self) -> None:
        rows = Transaction.objects.in_bulk(list(self.told))
        for txn, deal in self.told.items():
            row = rows[txn]
            assert (row.kind, row.state, row.amount, row.fee, row.payee_fee, row.reversed_amount) == (
                deal.kind, deal.state, deal.amount, deal.fee, deal.payee_fee, deal.reversed,
            )  # fmt: skip
        assert len(rows) == Transaction.objects.count()
        for sums in coverage():
            assert (sums.suspense, sums.rails, sums.fees) == (self.model.suspense, self.model.rail, self.model.fees)
            assert sums.wallets == sum(purse.posted for purse in self.model.purses.values())
        assert_books_balance()


@pytest.fixture
def our_tariff(db):
    """Fees on everything but payments, and limits that are easily reached."""
    today = date.today()
    for kind, (flat, bps) in FEES.items():
        FeeRule.objects.create(
            kind=kind, currency="RWF", flat=flat, bps=bps, effective_from=today, payee_bps=PAYEES_PART.get(kind)
        )
    TierLimit.objects.create(
        country_id="RW", currency="RWF", tier=2, per_movement=PER_MOVEMENT, per_day=PER_DAY, per_month=None,
        balance=BALANCE, effective_from=today, source="model",
    )  # fmt: skip
    tariff.forget()
    yield
    tariff.forget()


def compare(examples: int, **more: Any) -> None:
    calm = settings(
        max_examples=examples, stateful_step_count=50, deadline=None, database=None, report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck), **more,
    )  # fmt: skip
    run_state_machine_as_test(Machine, settings=calm)


def test_the_books_do_what_a_ledger_of_a_hundred_lines_does(our_tariff):
    examples = int(os.environ.get("MODEL_EXAMPLES", "60"))
    # A short look (`make mutation`) says that there is a difference; others look for the shortest way to it.
    compare(examples, phases=[Phase.generate, Phase.shrink][: 1 + (examples >= 60)])
    assert CODES[""] > examples  # money moved


def test_the_comparison_catches_a_ledger_that_rounds_otherwise(our_tariff, monkeypatch):
    """The control: one minor unit, in one fee, on one kind of movement."""
    monkeypatch.setattr(tariff.Fee, "on", lambda fee, amount: fee.flat + amount * fee.bps // 10_000)
    with pytest.raises(AssertionError):
        compare(80, phases=[Phase.generate])
