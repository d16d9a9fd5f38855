"""A small world in one process and one thread: customers, staff, workers, broker, bank, a consumer of events, a clock.

Everything that chooses draws from one seed: who asks for what and when, which message is lost, doubled, delayed or
overtaken, where a process dies. So whatever goes wrong goes wrong again with the same seed. The code under test is
what runs in production; only the clock, the dice, the network and the bank are ours.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import Count, Q, Sum

import payments.services
from core import bell, ids
from core.errors import OutcomeUnknown, TekanaError, Unavailable
from core.money import Money
from core.work import unit_of_work
from customers.authentication import CustomerPrincipal
from customers.models import Session, TierLimit
from fx import selectors as fx_selectors
from fx import services as fx_services
from fx.errors import AmountTooSmallToConvert
from fx.models import Quote, QuoteUse
from ledger.models import Account
from ledger.selectors import coverage
from payments.claims import RequestClaim
from payments.models import PaymentRequest, RequestUse
from payments.services import NewRequest, Paying
from tests.books import assert_books_balance
from tests.factories import new_wallet
from tests.fx.conftest import cbk, load, terms
from transactions import posting, tariff
from transactions.errors import IdempotencyKeyReused
from transactions.models import Event, FeeRule, Kind, OutboxEntry, RailMessage, State, Transaction, Usage
from transactions.movements import Movement, Outcome, Settlement, Terms
from transactions.posting import post_one
from transactions.rails.base import (
    Accepted,
    Callback,
    Completed,
    Failed,
    InProgress,
    Instruction,
    NoAnswer,
    NotKnown,
    Operation,
    Rail,
    Refused,
)
from transactions.services import holds, rail_calls, rail_messages, relay
from transactions.services.cash_outs import start_cash_out
from transactions.services.conversions import ConversionOrder, ask_quote, convert
from transactions.services.transfers import TransferOrder, send_transfer
from transactions.tasks import process_rail_message, submit_to_rail
from wallets.models import Freeze, Wallet
from wallets.parties import Address
from wallets.services import freeze_wallet, lift_freeze

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMES = ["aline", "eric", "mary", "paul", "ruth"]
DOLLARS = ["aline$", "eric$", "mary$"]  # the others have none
PER_MOVEMENT, PER_DAY, BALANCE = 6_000, 15_000, 40_000
RATES = {"US DOLLAR": "129.3", "KES / RWF": "11.2"}
EXCHANGED = Q(code__startswith="equity:fx:") | Q(code__startswith="income:fx_margin:")
TASKS = {task.name: task for task in (submit_to_rail, process_rail_message)}

# Guards that ask for the time have a search path of their own. Outside of a simulation the clock is PostgreSQL's.
CLOCK = """
CREATE SCHEMA IF NOT EXISTS simulated;
CREATE OR REPLACE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql
    AS $$ SELECT coalesce(nullif(current_setting('simulated.now', true), '')::timestamptz,
                          pg_catalog.clock_timestamp()) $$;
CREATE OR REPLACE FUNCTION simulated.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('simulated.now')::timestamptz $$;
CREATE OR REPLACE FUNCTION simulated.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT current_setting('simulated.now')::timestamptz $$;
GRANT USAGE ON SCHEMA simulated TO PUBLIC;
ALTER FUNCTION fx_check_use() SET search_path = simulated, pg_catalog, public, pg_temp;
ALTER FUNCTION fx_count_promised() SET search_path = simulated, pg_catalog, public, pg_temp;
"""
REAL_CLOCK = """
ALTER FUNCTION fx_check_use() SET search_path = public, pg_temp;
ALTER FUNCTION fx_count_promised() SET search_path = public, pg_temp;
"""


class Killed(BaseException):
    """The process is gone: nothing after this line happens in it, and what was not committed never was."""


class Violation(AssertionError):
    """With the seed and the step, so that it can be looked at again."""


@dataclass
class Done:
    """What the bank did for one reference, once."""

    operation: str
    amount: int
    currency: str
    verdict: str = ""  # completed, failed; empty while it makes up its mind
    decides_at: datetime = START


class SimulatedBank(Rail):
    """Stateless for the product's cache of rails: the bank of the running simulation answers."""

    not_known_is_final = True
    of: "Simulation"

    def submit(self, instruction: Instruction) -> Accepted | Refused:
        return self.of.bank_takes(instruction)

    def inquire(self, reference: str) -> Completed | Failed | InProgress | NotKnown:
        return self.of.bank_says(reference)

    def verify(self, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
        return headers["message"], {"reference": body.decode()}

    def read(self, content: dict[str, Any]) -> Callback:
        return Callback(content["reference"], self.of.verdict(content["reference"]))


@dataclass
class Asked:
    """A movement of a client's, and what it was told so far. ``verb``: the service that makes the movement, anew
    whenever it is asked again."""

    order: Movement | None
    told: Outcome | None = None
    verb: Callable[..., Outcome] | None = None

    def post(self, order: Movement) -> Outcome:
        self.order = order
        return post_one(order)


@dataclass
class Simulation:
    """``faults`` of a hundred steps go wrong somewhere. ``trace`` is all that can be seen from outside, in order."""

    seed: int
    faults: int = 12
    now: datetime = START
    asked: list[Asked] = field(default_factory=list)
    broker: list[tuple[str, str]] = field(default_factory=list)
    network: list[tuple[str, str]] = field(default_factory=list)  # callbacks under way: message id, reference
    bank: dict[str, Done] = field(default_factory=dict)
    consumed: list[str] = field(default_factory=list)
    freezes: list[Freeze] = field(default_factory=list)
    quotes: list[tuple[str, Quote]] = field(default_factory=list)  # with the wallet that gives
    requests: list[PaymentRequest] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    quiet: bool = False

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.moving: Any = None

    # --- the clock and the dice ------------------------------------------------------------------------------------
    def set_clock(self, at: datetime) -> None:
        self.now = at
        self.moving.move_to(at)
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('simulated.now', %s, false)", [at.isoformat()])

    def wrong(self, *ways: str) -> str:
        """Whether something goes wrong now, and which of these ways."""
        if self.quiet or self.dice.randrange(100) >= self.faults:
            return ""
        way = self.dice.choice(ways)
        self.happened[way] += 1
        return way

    # --- what the product calls ------------------------------------------------------------------------------------
    @contextmanager
    def posting(self) -> Iterator[Any]:
        """A database that may be away, a process that may die before COMMIT, an answer to COMMIT that may be lost."""
        way = self.wrong("database away", "killed before commit", "answer lost")
        if way == "database away":
            raise Unavailable()
        with unit_of_work() as work:
            yield work
            if way == "killed before commit":
                raise Killed
        if way == "answer lost":
            raise OutcomeUnknown()

    def rang(self, task: str, args: list[str]) -> None:
        """The broker: a bell may be lost, or heard twice."""
        for _ in range({"bell lost": 0, "bell doubled": 2}.get(self.wrong("bell lost", "bell doubled"), 1)):
            self.broker.append((task, args[0]))

    def publish(self, events: Any) -> None:
        """The consumer of events: the relay may die before it has them, or after."""
        way = self.wrong("killed before publishing", "killed after publishing")
        if way == "killed before publishing":
            raise Killed
        self.consumed += [str(event.pk) for event in events]
        if way == "killed after publishing":
            raise Killed

    # --- the bank --------------------------------------------------------------------------------------------------
    def bank_takes(self, instruction: Instruction) -> Accepted | Refused:
        way = self.wrong("request lost", "answer of the bank lost", "killed during the call", "refused")
        if way == "request lost":
            raise NoAnswer("the request was lost")
        known = instruction.reference in self.bank
        if way == "refused" and not known:
            return Refused("account_closed")
        if not known:
            self.bank[instruction.reference] = Done(
                str(instruction.operation), instruction.amount_minor, instruction.currency,
                decides_at=self.now + timedelta(seconds=self.dice.randrange(180)),
            )  # fmt: skip
        if way == "killed during the call":
            raise Killed
        if way == "answer of the bank lost":
            raise NoAnswer("the answer was lost")
        return Accepted(self.reference_of(instruction.reference))

    def bank_says(self, reference: str) -> Completed | Failed | InProgress | NotKnown:
        if self.wrong("inquiry lost"):
            raise NoAnswer("the inquiry was lost")
        if reference not in self.bank:
            return NotKnown()
        self.bank_decides()
        return self.verdict(reference) if self.bank[reference].verdict else InProgress(self.reference_of(reference))

    def bank_decides(self) -> None:
        """What was taken on is done or not, once; the bank says so by a message, which the network may mangle."""
        for reference, done in self.bank.items():
            if not done.verdict and done.decides_at <= self.now:
                done.verdict = "failed" if self.dice.randrange(6) == 0 else "completed"
                copies = {"callback lost": 0, "callback doubled": 2}
                for copy in range(copies.get(self.wrong(*copies), 1)):
                    self.network.append((f"{self.reference_of(reference)}-{copy}", reference))

    def verdict(self, reference: str) -> Completed | Failed:
        done = self.bank[reference]
        if done.verdict == "completed":
            return Completed(self.reference_of(reference), done.amount, done.currency)
        return Failed("account_closed", self.reference_of(reference))

    def reference_of(self, reference: str) -> str:
        return f"bank-{list(self.bank).index(reference)}"

    # --- what people do --------------------------------------------------------------------------------------------
    def settle_down(self) -> None:
        today = self.now.date()
        fees = {Kind.TRANSFER: (7, 150), Kind.PAYMENT: (4, 90), Kind.CASH_OUT: (5, 100), Kind.TOP_UP: (10, 25)}
        for kind, (flat, bps) in fees.items():
            FeeRule.objects.create(kind=kind, currency="RWF", flat=flat, bps=bps, effective_from=today)
        TierLimit.objects.create(
            country_id="RW", currency="RWF", tier=2, per_movement=PER_MOVEMENT, per_day=PER_DAY, per_month=None,
            balance=BALANCE, effective_from=today, source="simulation",
        )  # fmt: skip
        self.open_market(fees)
        tariff.forget()
        self.wallets: dict[str, Wallet] = {
            name: new_wallet(
                country_id="RW", tier=2, password="!", full_name=name, email=f"{name}@example.com",
                phone_number=f"+25078800000{number}",
            )
            for number, name in enumerate(NAMES)
        }  # fmt: skip
        customers = {name: wallet.customer for name, wallet in self.wallets.items()}
        self.people = {
            name: CustomerPrincipal(customer.pk, Session.objects.create(customer=customer).pk)
            for name, customer in customers.items()
        }
        self.wallets |= {name: new_wallet(customers[name[:-1]], "USD") for name in DOLLARS}

    def open_market(self, fees: Mapping[str, tuple[int, int]]) -> None:
        """A bank that changes francs into dollars and back; prices in dollars."""
        today = self.now.date()
        rates = (f"{today:%d/%m/%Y},{name},{rate},{rate},{rate}" for name, rate in RATES.items())
        load("cbk", cbk(*rates))
        fx_services.add_provider(code="wekeza", name="Wekeza Bank", actor=None)
        for sell, buy in (("RWF", "USD"), ("USD", "RWF")):
            terms("wekeza", sell, buy, 40)
            fx_services.add_margin(sell=sell, buy=buy, bps=75, effective_from=today, actor=None)
            FeeRule.objects.create(kind=Kind.CONVERSION, currency=sell, flat=2, bps=60, effective_from=today)
        for kind in fees:
            FeeRule.objects.create(kind=kind, currency="USD", flat=1, bps=50, effective_from=today)
        TierLimit.objects.create(
            country_id="RW", currency="USD", tier=2, per_movement=900, per_day=PER_DAY, per_month=None, balance=4_000,
            effective_from=today, source="simulation",
        )  # fmt: skip
        fx_selectors.forget()

    def address(self, name: str) -> Address:
        return Address("wallet", str(self.wallets[name].pk))

    def ask(self, kind: str, amount: int, payer: str = "", payee: str = "", currency: str = "RWF", **more: Any) -> None:
        order = Movement(
            kind=kind, amount=amount, currency=currency, caller="job:simulation", key=f"key-{len(self.asked):012}",
            payer=self.address(payer) if payer else None, payee=self.address(payee) if payee else None, **more,
        )  # fmt: skip
        self.asked.append(Asked(order))
        self.tell(self.asked[-1])

    def tell(self, asked: Asked) -> None:
        """Post what a client asks for. Whoever is not answered asks again later, under the same key."""
        if asked.verb is None:
            outcome = asked.post(asked.order)
        else:
            try:
                outcome = asked.verb(post=asked.post)
            except (OutcomeUnknown, Unavailable):
                raise
            except TekanaError as refused:  # of which nothing is kept
                self.say(refused)
                return
        if asked.told and asked.told.transaction:
            assert outcome.replayed, "the same key was carried out twice"
            assert outcome.transaction == asked.told.transaction, "the same key was told of another movement"
        else:
            asked.told = outcome
        self.say(outcome.error.code if outcome.error else outcome.state, outcome.amount, outcome.fee)
        if outcome.state == State.PENDING and asked.verb is None and asked.order.rail and not outcome.replayed:
            self.rang(submit_to_rail.name, [str(outcome.transaction)])

    def pay(self) -> None:
        payer, payee = self.dice.choice(NAMES), self.dice.choice(NAMES)
        self.ask(
            self.dice.choice([Kind.TRANSFER, Kind.PAYMENT, Kind.PAYOUT]), self.dice.randrange(1, 3_000), payer, payee
        )

    def top_up(self) -> None:
        self.ask(Kind.TOP_UP, self.dice.randrange(1, 7_000), payee=self.dice.choice(NAMES), rail="simulated")

    def cash_out(self) -> None:
        self.ask(Kind.CASH_OUT, self.dice.randrange(1, 3_000), payer=self.dice.choice(NAMES), rail="simulated")

    def service(self, verb: Callable[..., Outcome], *given: Any, by: str, **more: Any) -> None:
        """By the door's verb, which may do more than post."""
        call = partial(
            verb, *given, actor=self.people[by], idempotency_key=f"key-{len(self.asked):012}", **more
        )  # fmt: skip
        self.asked.append(Asked(None, verb=call))
        self.tell(self.asked[-1])

    def owner_of(self, wallet: str) -> str:
        return wallet.rstrip("$")

    def change(self) -> None:
        """Into the other currency: at the rate of the moment, or at a quote that somebody was given earlier."""
        name = self.dice.choice(NAMES[:3] + DOLLARS)
        self.service(convert, self.changing(name, self.dice.randrange(1, 700)), by=self.owner_of(name))

    def changing(self, name: str, amount: int, quote: UUID | None = None) -> ConversionOrder:
        sell, buy = ("USD", "RWF") if name.endswith("$") else ("RWF", "USD")
        return ConversionOrder(
            wallet_id=self.wallets[name].pk, amount=Money(amount, sell), to_currency=buy, quote=quote
        )

    def ask_rate(self) -> None:
        name, kind = self.dice.choice(NAMES[:3] + DOLLARS), self.dice.choice(["conversion", "transfer", "cash_out"])
        sell, buy = ("USD", "RWF") if name.endswith("$") else ("RWF", "USD")
        amount = self.dice.randrange(20, 700)
        try:
            quote = ask_quote(
                actor=self.people[self.owner_of(name)], sell=sell, buy=buy, sell_minor=amount, kind=kind
            )  # fmt: skip
        except AmountTooSmallToConvert as refused:
            self.say(refused)
        else:
            self.quotes.append((name, quote))

    def take_rate(self) -> None:
        """Of the last few; some of them are over, or used."""
        if not self.quotes:
            return
        name, quote = self.dice.choice(self.quotes[-6:])
        by, wallet = self.owner_of(name), self.wallets[name].pk
        money = Money(quote.sell_minor - quote.fee_minor, quote.sell)
        if quote.kind == "conversion":
            self.service(convert, self.changing(name, quote.sell_minor, quote.pk), by=by)
        elif quote.kind == "transfer":
            payee = self.dice.choice(DOLLARS if quote.buy == "USD" else NAMES)
            order = TransferOrder(from_wallet_id=wallet, to=self.address(payee), amount=money, quote=quote.pk)
            self.service(send_transfer, order, by=by)
        else:
            self.service(start_cash_out, wallet, money, {}, by=by, rail="simulated", quote=quote.pk)

    def ask_for_money(self) -> None:
        """A request; some end soon, of some the payments are to be confirmed."""
        name = self.dice.choice(NAMES + DOLLARS)
        amount = self.dice.choice([None, self.dice.randrange(1, 900)])
        order = NewRequest(
            wallet_id=self.wallets[name].pk, currency="USD" if name.endswith("$") else "RWF", amount=amount,
            max_uses=self.dice.choice([1, 2, 3, None]), max_uses_per_payer=self.dice.choice([1, 2, None]),
            needs_confirmation=self.dice.randrange(2) == 0,
            expires_at=self.now + timedelta(seconds=self.dice.randrange(200, 6_000)),
        )  # fmt: skip
        self.requests.append(payments.services.create_request(order, actor=self.people[self.owner_of(name)]))

    def pay_request(self) -> None:
        if self.requests:
            request = self.dice.choice(self.requests[-5:])
            name = self.dice.choice(DOLLARS if request.currency == "USD" else NAMES)
            amount = request.amount or self.dice.randrange(1, 900)
            paying = Paying(from_wallet_id=self.wallets[name].pk, amount=amount)
            self.service(payments.services.pay_request, request, paying, by=self.owner_of(name))

    def answer_use(self) -> None:
        waiting = list(RequestUse.objects.filter(is_promise=True).order_by("pk").select_related("request"))
        if waiting:
            use = self.dice.choice(waiting[-4:])
            verb = self.dice.choice([payments.services.confirm, payments.services.confirm, payments.services.reject])
            actor = next(one for one in self.people.values() if one.id == use.request.customer_id)
            try:
                self.say(verb(use.pk, actor=actor).outcome)
            except (OutcomeUnknown, Unavailable):
                raise
            except TekanaError as refused:
                self.say(refused)

    def cancel_request(self) -> None:
        if self.requests:
            request = self.dice.choice(self.requests[-5:])
            actor = next(one for one in self.people.values() if one.id == request.customer_id)
            try:
                self.say(payments.services.cancel_request(request.pk, actor=actor).state)
            except TekanaError as refused:
                self.say(refused)

    def ask_again(self) -> None:
        if self.asked:
            self.tell(self.dice.choice(self.asked))

    def ask_something_else(self) -> None:
        if kept := [one for one in self.asked if one.told and one.told.transaction]:
            order = self.dice.choice(kept).order
            other = replace(order, amount=order.amount + 1, asked=("another",) if order.asked else ())
            error = post_one(other).error
            assert isinstance(error, IdempotencyKeyReused), "another body under a used key was not refused"

    def promise(self) -> None:
        lasts = self.dice.randrange(60, 3_600)
        capture_at = self.now + timedelta(seconds=lasts // 2) if self.dice.randrange(3) == 0 else None
        payer, payee = self.dice.choice(NAMES), self.dice.choice(NAMES)
        terms = Terms(expires_in=lasts, capture_at=capture_at)
        self.ask(Kind.HOLD, self.dice.randrange(1, 3_000), payer, payee, terms=terms)

    def capture(self) -> None:
        if hold := self.one_of(Kind.HOLD):
            order, told = hold
            self.asked_by_payee(
                Kind.PAYMENT, self.dice.randrange(1, told.amount + 1), order, hold=told.transaction,
                payer=order.payer, payee=order.payee, final=self.dice.randrange(3) == 0,
            )  # fmt: skip

    def void(self) -> None:
        if hold := self.one_of(Kind.HOLD):
            ended = Settlement(transaction=hold[1].transaction, to=State.CANCELLED, actor="job:simulation")
            self.say(post_one(ended).error or "voided")

    def refund(self) -> None:
        if paid := self.one_of(Kind.PAYMENT):
            order, told = paid
            self.asked_by_payee(
                Kind.REFUND, self.dice.randrange(1, told.amount + 1), order, reverses=told.transaction,
                reason_code="merchant_refund", refunds_fee=bool(self.dice.randrange(2)),
            )  # fmt: skip

    def reverse(self) -> None:
        kinds = self.dice.choice([(Kind.TRANSFER, Kind.PAYMENT, Kind.PAYOUT), (Kind.CONVERSION,)])
        if paid := self.one_of(*kinds):
            order, told = paid
            amount = told.amount if self.dice.randrange(3) == 0 else self.dice.randrange(1, told.amount + 1)
            self.ask(
                Kind.REVERSAL, amount, currency=order.currency, reverses=told.transaction,
                reason_code="duplicate", refunds_fee=bool(self.dice.randrange(2)),
            )  # fmt: skip

    def one_of(self, *kinds: str) -> tuple[Movement, Any] | None:
        """What was asked for before, and kept, with what its client was told."""
        told = [(one.order, one.told) for one in self.asked if one.told and one.told.transaction]
        fitting = [(order, outcome) for order, outcome in told if order.kind in kinds]
        return self.dice.choice(fitting) if fitting else None

    def asked_by_payee(self, kind: str, amount: int, of: Movement, **more: Any) -> None:
        owner = next(w.customer_id for w in self.wallets.values() if of.payee == Address("wallet", str(w.pk)))
        order = Movement(
            kind=kind, amount=amount, currency=of.currency, caller="job:simulation", key=f"key-{len(self.asked):012}",
            owner=owner, **more,
        )  # fmt: skip
        self.asked.append(Asked(order))
        self.tell(self.asked[-1])

    def freeze(self) -> None:
        wallet = self.wallets[self.dice.choice(NAMES)]
        mode = self.dice.choice(["debit", "credit", "both"])
        self.freezes.append(freeze_wallet(wallet, mode=mode, reason="simulation", actor=None))

    def lift(self) -> None:
        if self.freezes:
            lift_freeze(self.freezes.pop(self.dice.randrange(len(self.freezes))), actor=None, reason="simulation")

    # --- what machines do ------------------------------------------------------------------------------------------
    def work(self) -> None:
        """A worker takes any message, not the oldest."""
        if self.broker:
            name, subject = self.broker.pop(self.dice.randrange(len(self.broker)))
            TASKS[name](subject)

    def deliver(self) -> None:
        self.bank_decides()
        if self.network:
            message, reference = self.network.pop(self.dice.randrange(len(self.network)))
            rail_messages.receive("simulated", {"message": message}, reference.encode())

    def sweep(self) -> None:
        rail_calls.sweep()
        rail_messages.sweep()
        holds.sweep()
        payments.services.note_ended_promises()
        payments.services.expire_requests()

    def relay(self) -> None:
        relay.relay_events()

    def time_passes(self) -> None:
        """Mostly a little; now and then the database's clock is set wrong by an hour."""
        jump = self.wrong("clock set back", "clock set forward")
        hours = {"clock set back": -1, "clock set forward": 1}.get(jump, 0)
        self.set_clock(self.now + timedelta(hours=hours, seconds=self.dice.randrange(1, 90)))

    STEPS = (
        ("pay", 30), ("top_up", 12), ("cash_out", 10), ("ask_again", 8), ("ask_something_else", 2), ("reverse", 5),
        ("promise", 10), ("capture", 10), ("void", 2), ("refund", 4), ("change", 8), ("ask_rate", 6), ("take_rate", 8),
        ("ask_for_money", 4), ("pay_request", 10), ("answer_use", 6), ("cancel_request", 1),
        ("freeze", 1), ("lift", 2), ("work", 22), ("deliver", 16), ("sweep", 6), ("relay", 8), ("time_passes", 20),
    )  # fmt: skip

    def step(self) -> None:
        names, weights = zip(*self.STEPS, strict=True)
        (name,) = self.dice.choices(names, weights)
        self.say(name)
        try:
            getattr(self, name)()
        except (Killed, Unavailable, OutcomeUnknown) as gone:
            self.say(type(gone).__name__)

    def say(self, *words: Any) -> None:
        self.trace.append(" ".join(str(getattr(word, "code", word)) for word in words))

    # --- what must hold --------------------------------------------------------------------------------------------
    def run(self, steps: int) -> str:
        """Live through it, heal, look at everything; the fingerprint of all that could be seen."""
        self.settle_down()
        self.quiet = True
        for name in NAMES[:3]:
            self.ask(Kind.TOP_UP, 5_900, payee=name, rail="simulated", settled=True)
        for name in DOLLARS:
            self.ask(Kind.TOP_UP, 800, payee=name, currency="USD", rail="simulated", settled=True)
        self.quiet = False
        for number in range(steps):
            self.step()
            try:
                self.look()
            except AssertionError as wrong:
                raise Violation(f"seed {self.seed}, step {number}: {self.trace[-6:]}: {wrong}") from wrong
        try:
            self.heal()
            self.look_at_everything()
        except AssertionError as wrong:
            raise Violation(f"seed {self.seed}, at the end: {wrong}") from wrong
        return self.fingerprint()

    def look(self) -> None:
        """After every step: the books balance, nobody is below zero or above a limit, clients were told the truth."""
        exchanged = Counter(dict(Account.objects.filter(EXCHANGED).values_list("currency").annotate(Sum("posted"))))
        for sums in coverage():
            owed = sums.wallets + sums.suspense + sums.fees + exchanged[sums.currency]
            assert sums.rails == owed, f"the books do not balance: {sums}, exchanged: {exchanged}"
        with connection.cursor() as cursor:
            cursor.execute("SELECT code FROM ledger_account WHERE floor IS NOT NULL AND posted - held < floor")
            assert not cursor.fetchall(), "somebody is below zero"
        assert not Usage.objects.filter(amount__gt=PER_DAY).exists(), "somebody sent more than a day's limit"
        states = dict(Transaction.objects.values_list("pk", "state"))
        for asked in self.asked:
            if asked.told and asked.told.transaction:
                before, now = asked.told.state, states[asked.told.transaction]
                assert before == now or (before, now) not in ((State.COMPLETED, State.FAILED), (State.FAILED, now))

    def heal(self) -> None:
        """Faults end; whatever was asked is asked again; machines go on until nothing is left to do."""
        self.quiet = True
        for asked in self.asked:
            self.tell(asked)
        for _ in range(60):
            self.set_clock(self.now + timedelta(minutes=16))
            while self.network:
                self.deliver()
            while self.broker:
                self.work()
            self.sweep()
            self.relay()
            waiting = Transaction.objects.filter(state__in=[State.PENDING, State.PROCESSING, State.UNKNOWN])
            messages = RailMessage.objects.filter(state=RailMessage.State.RECEIVED)
            if not self.network and not messages.exists() and not waiting.filter(quarantined_at=None).exists():
                break
        assert not waiting.filter(quarantined_at=None).exists(), "something never came to its end"

    def look_at_everything(self) -> None:
        assert_books_balance()
        rows = {str(row.pk): row for row in Transaction.objects.all()}
        wanted = {str(asked.told.transaction) for asked in self.asked if asked.told and asked.told.transaction}
        by_themselves = {
            pk for pk, row in rows.items()
            if row.caller == holds.JOB or (row.idempotency_key or "").startswith("confirm-")
        }  # fmt: skip
        assert set(rows) == wanted | by_themselves, "something moved that nobody asked for"
        for reference, row in rows.items():
            if row.kind == Kind.HOLD:
                assert row.state in (State.COMPLETED, State.CANCELLED, State.EXPIRED, State.FAILED), (
                    "a hold never ended"
                )
            if row.rail and not row.quarantined_at and row.reference != "settled" and reference not in self.settled:
                done = self.bank.get(reference)
                paid = done is not None and done.verdict == "completed"
                assert paid == (row.state == State.COMPLETED), f"{row.kind} is {row.state}; at the bank {done}"
                operation = Operation.PAY if row.kind == Kind.CASH_OUT else Operation.COLLECT
                assert done is None or (done.operation, done.amount) == (str(operation), row.received or row.amount)
        self.look_at_exchanges(list(rows.values()))
        self.look_at_requests(rows)
        assert not OutboxEntry.objects.exists()
        events = [str(pk) for pk in Event.objects.order_by("pk").values_list("pk", flat=True)]
        assert set(self.consumed) == set(events), "an event reached nobody"
        assert not RailMessage.objects.filter(state=RailMessage.State.RECEIVED).exists()

    def look_at_exchanges(self, rows: list[Transaction]) -> None:
        """Each took a quote of its own in time; what we hold of each currency is what they brought."""
        exchanges = {row.pk: row for row in rows if row.received_currency and not row.reverses_id}
        taken = {use.transaction: use for use in QuoteUse.objects.select_related("quote")}
        lasting = {pk for pk, row in exchanges.items() if row.state != State.FAILED}
        assert lasting <= set(taken) <= set(exchanges), "an exchange without its quote"
        held: Counter[str] = Counter()
        kept: Counter[str] = Counter()
        for pk, use in taken.items():
            row, quote = exchanges[pk], use.quote
            assert use.at <= quote.expires_at, "a quote was taken late"
            assert (row.amount, row.fee, row.received) == (
                quote.sell_minor - quote.fee_minor,
                quote.fee_minor,
                quote.buy_minor,
            )
            if row.state not in (State.COMPLETED, State.PARTIALLY_REVERSED, State.REVERSED):
                continue
            back = row.reversed_amount
            margin = quote.margin_minor - quote.margin_minor * back // row.amount
            held[quote.sell] += row.amount - back
            held[quote.buy] -= quote.buy_minor - quote.buy_minor * back // row.amount + margin
            kept[quote.buy] += margin
        accounts = dict(Account.objects.filter(EXCHANGED).values_list("code", "posted"))
        told = {f"equity:fx:{code}": held[code] for code in held} | {
            f"income:fx_margin:{code}": kept[code] for code in kept
        }
        assert {code: amount for code, amount in accounts.items() if amount} == {
            code: amount for code, amount in told.items() if amount
        }, "the position is not what exchanges brought"

    def look_at_requests(self, rows: Mapping[str, Transaction]) -> None:
        """Each payment of a request has used it once, its counter says so, and every promise was answered."""
        done = [one for one in self.asked if one.told and one.told.transaction and one.told.error is None]
        paid = {str(one.told.transaction) for one in done if isinstance(one.order.claim, RequestClaim)}
        assert {str(use) for use in RequestUse.objects.values_list("pk", flat=True)} == paid, (
            "a payment without its use"
        )
        lasting = RequestUse.objects.filter(Q(answer=None) | Q(answer__outcome="confirmed"))
        used = dict(lasting.values_list("request").annotate(Count("pk")))
        for request in PaymentRequest.objects.all():
            assert request.used == used.get(request.pk, 0), "the uses of a request are miscounted"
        assert not RequestUse.objects.filter(is_promise=True, answer=None).exists(), "a promise was never answered"
        for use in RequestUse.objects.filter(answer__outcome="confirmed").select_related("answer"):
            assert rows[str(use.answer.payment)].hold_id == use.pk

    @property
    def settled(self) -> set[str]:
        """What a partner had moved already: no bank is asked about it."""
        return {str(one.told.transaction) for one in self.asked if one.order and one.order.settled and one.told}

    def fingerprint(self) -> str:
        """Of what was said and of every event, by the order in which transactions were born."""
        numbers = {pk: at for at, pk in enumerate(Transaction.objects.order_by("pk").values_list("pk", flat=True))}
        events = Event.objects.order_by("pk").values_list("transaction_id", "type", "from_state", "to_state", "at")
        lines = self.trace + [f"{numbers[txn]} {rest}" for txn, *rest in events]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@contextmanager
def simulated(seed: int, patch: pytest.MonkeyPatch, settings: Any, **more: Any) -> Iterator[Simulation]:
    """A simulation in a transaction of its own, rolled back at the end; everything around it is as it was before."""
    simulation = Simulation(seed, **more)
    SimulatedBank.of = simulation
    settings.RAILS = {"simulated": {"client": f"{__name__}.SimulatedBank"}}
    settings.RAIL_CALLS_PER_CUSTOMER = 1_000
    settings.FX_OPEN_QUOTES, settings.PAYMENT_CONFIRMATION_HOURS = 1_000, 1
    dice = random.getstate()
    random.seed(seed)
    patch.setattr(ids, "os", SimpleNamespace(urandom=random.Random(seed).randbytes))
    patch.setattr(ids, "_last", 0)
    patch.setattr(bell, "transaction", SimpleNamespace(on_commit=lambda send: send()))
    patch.setattr(bell, "_send", simulation.rang)
    patch.setattr(posting, "unit_of_work", simulation.posting)
    patch.setattr(posting, "time", SimpleNamespace(sleep=lambda seconds: None))
    patch.setattr(rail_calls, "monotonic", lambda: 0)
    patch.setattr(relay, "publish", simulation.publish)
    atomic = db_transaction.atomic()
    atomic._from_testcase = True  # what asks for the outermost transaction gets it
    try:
        with time_machine.travel(START, tick=False) as simulation.moving, atomic:
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL search_path = simulated, pg_catalog, public")
            simulation.set_clock(START)
            yield simulation
            db_transaction.set_rollback(True)
    finally:
        random.setstate(dice)
        tariff.forget()
        fx_selectors.forget()
