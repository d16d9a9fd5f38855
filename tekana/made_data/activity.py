"""What the customers of one country do, moment by moment, and how the books follow.

A country has a currency and house accounts of its own, so that several processes can make countries at the same time.
Within one, everything happens in the order of time, each posting in a microsecond of its own: entries are numbered, and
balances follow, as in the books that `posting.py` keeps. Fees, limits and calendars are those in force; nobody spends
what they do not have. A few do most of it: one payer in ten sends nearly half of the money, and a few merchants receive
every other payment.
"""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate
from struct import Struct
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from core.ids import CROCKFORD, DOUBLED, TICK_US, VALUES
from core.money import EXPONENTS
from ledger.chart import CREDIT, DEBIT, fee_income, rail_float, type_of
from tekana import demo_plan
from tekana.made_data import rows
from tekana.made_data.people import BUSINESS_EVERY, People, is_business
from tekana.made_data.rows import (
    NULL,
    boolean,
    document,
    instant,
    jsonb,
    row,
    shown,
    sized,
    small,
    text,
    uuid,
    uuid7,
    whole,
)
from transactions.tariff import FREE, Fee, Tariff

RAIL = "sandbox"
CHUNK = 10_000  # transactions that are written at once
NOTIFIED_SHARE = 10  # of the period, the last tenth: older notifications have been cleared away
JOINED_BEFORE = 80  # of a hundred customers, those who were there when the period began
EARLIEST = timedelta(days=730)  # how long before the period the first of them joined
SECOND = 1_000_000
DAY = 86_400 * SECOND
NO_LIMIT = 1 << 60
HOUSE = ("rail", "transfer", "payment", "top_up", "cash_out")  # the accounts of a country that are not wallets

# When people move money, by the hour of their day, and on which days of a month.
HOURS = (2, 1, 1, 1, 2, 6, 18, 34, 46, 50, 52, 58, 64, 60, 54, 52, 56, 68, 80, 78, 60, 36, 18, 7)
PAYDAYS = {1: 130, 2: 120, 3: 112, 25: 118, 26: 116, 27: 114, 28: 120, 29: 122, 30: 126, 31: 126}
WEEKDAYS = (96, 97, 100, 104, 118, 112, 78)

# What is sent, in what people round to (`demo_plan.ROUND`), the smaller the more often.
STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 24, 30, 40, 50, 60, 80, 100, 150, 200)
OFTEN = (60, 90, 60, 70, 100, 40, 60, 90, 30, 50, 60, 16, 36, 24, 24, 12, 10, 12, 4, 3)
REASONS = ("wrong_recipient", "duplicate", "fraud", "technical_error")  # which give the fee back
BANKS = ("wekeza", "amani", "jamii", "umoja", "soko")

ENTRY = Struct(">hiqiqi16sihiqi3siqiq").pack
TRIPLES = [a + b + c for a in CROCKFORD for b in CROCKFORD for c in CROCKFORD]
OUTER = [DOUBLED[three[0]] + VALUES[three[1]] + DOUBLED[three[2]] for three in TRIPLES]
INNER = [VALUES[three[0]] + DOUBLED[three[1]] + VALUES[three[2]] for three in TRIPLES]


def receipt(at: int, country: int, number: int) -> bytes:
    """As `core.ids.new_receipt` makes them, in order of time; of the numbers of a tick each country has an eighth."""
    tick = at // TICK_US & 0x1FFF_FFFF
    value = tick << 16 | country << 13 | number * 3_571 & 0x1FFF
    first, second, third = value >> 30, value >> 15 & 0x7FFF, value & 0x7FFF
    check = CROCKFORD[-(OUTER[first] + INNER[second] + OUTER[third]) % 32]
    return (TRIPLES[first] + TRIPLES[second] + TRIPLES[third] + check).encode()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One country's share of a data set, and the rules that hold there. Times are microseconds since 1970."""

    country: str
    zone: str
    seed: str
    customers: int
    transactions: int
    start: int
    until: int
    first_account: int  # id of the first customer's account; house accounts come right before
    number: int  # of the country: its receipts are told from others by it
    first_delivery: int
    tariff: Tariff
    texts: dict[str, tuple[str, str]]  # title and body of each kind of notification, with {places}
    titles: dict[str, str]  # of each refusal, by its code

    @property
    def currency(self) -> str:
        return demo_plan.CURRENCY[self.country]


class Flow(NamedTuple):
    """A movement whose row waits until it is known how it ends."""

    id: bytes
    receipt: bytes
    kind: str
    payer: int  # positions; -1 is outside
    payee: int
    amount: int
    fee: int
    memo: bytes
    key: bytes
    caller: bytes
    answer: bytes
    at: int
    born: str


class Activity:
    """Lives through the period. ``write`` is handed a table's name and one COPY document at a time."""

    def __init__(
        self, plan: Plan, write: Callable[[str, bytes], Any], progress: Callable[[int], Any] = lambda made: None
    ) -> None:
        self.plan, self.write, self.progress = plan, write, progress
        self.throw = random.Random(f"{plan.seed}:{plan.country}:activity")  # noqa: S311 (the same throws every time)
        self.currency = plan.currency.encode()
        self.minor = EXPONENTS[plan.currency]
        self.step = demo_plan.ROUND[plan.country]
        self.amounts = [amount * self.step for amount in self.throw.choices(STEPS, OFTEN, k=4096)]
        self.zone = ZoneInfo(plan.zone)
        offset = datetime.fromtimestamp(plan.start // SECOND, UTC).astimezone(self.zone).utcoffset()
        self.offset = int((offset or timedelta()).total_seconds()) * SECOND  # none of these has summer time
        self.notify_from = plan.until - (plan.until - plan.start) // NOTIFIED_SHARE
        self.rows: dict[str, list[bytes]] = {table: [] for table in rows.COLUMNS}
        self.now = plan.start
        self.receipts = 0
        self.deliveries = plan.first_delivery
        self.minute, self.minute_shown = -1, ""
        self._people()
        self._accounts()
        # What is to happen: (when, a number that keeps the order, what, of which movement).
        self.due: list[tuple[int, int, Callable[..., Any], Any]] = []
        self.reversals: list[tuple[int, int, Flow]] = []
        self.number = 0
        self.open: dict[bytes, tuple[Flow, str, int, bytes, int]] = {}
        self.used: dict[int, dict[int, list[int]]] = {}
        self.used_today: dict[int, list[int]] = {}
        self.used_month: dict[int, int] = {}
        self.today = self.month = 0
        self.references = 0

    # --- Who there is -------------------------------------------------------------------------------------------------

    def _people(self) -> None:
        """Their ids, by position; who joined earlier has the smaller one."""
        plan, bits = self.plan, self.throw.getrandbits
        people = People(plan.country, plan.seed)
        before = max(plan.customers * JOINED_BEFORE // 100, min(plan.customers, 10))
        self.before, earliest = before, plan.start - int(EARLIEST.total_seconds()) * SECOND
        self.people = [people.next(position) for position in range(plan.customers)]
        self.joined, self.customer_ids, self.wallet_ids, self.callers = [], [], [], []
        later, period = max(plan.customers - before, 1), plan.until - plan.start
        for position in range(plan.customers):
            if position < before:
                at = earliest + (plan.start - earliest) * position // before
            else:
                at = plan.start + period * (position - before) // later
            at += bits(19)
            self.joined.append(at)
            self.customer_ids.append(uuid7(at, bits(62)))
            self.wallet_ids.append(uuid7(at + 1000, bits(62)))
            self.callers.append(sized(f"customer:{shown(self.customer_ids[-1])}".encode()))

    def _accounts(self) -> None:
        count = self.plan.customers
        self.posted, self.held, self.coming = [0] * count, [0] * count, [0] * count
        self.seq, self.hold_seq, self.last = [0] * count, [0] * count, [0] * count
        first = self.plan.first_account - len(HOUSE)
        self.house = {name: [first + at, 0, 0, 0] for at, name in enumerate(HOUSE)}  # id, posted, seq, last
        self.tiers = [person.tier for person in self.people]

    # --- The period ---------------------------------------------------------------------------------------------------

    def live(self) -> None:
        """Everything, from the first movement to the state of every account at the end."""
        plan, due = self.plan, self.due
        for made, at in enumerate(self.moments(), 1):
            while due and due[0][0] <= at:
                when, _, do, flow = heappop(due)
                self.now = max(when, self.now + 3)
                do(flow)
            self.now = at = max(at, self.now + 3)
            if (at + self.offset) // DAY != self.today:
                self._new_day(at)
            if not (self.reversals and self.reversals[0][0] <= at and self._reverse(heappop(self.reversals)[2])):
                self._move(at)
            if made % CHUNK == 0:
                self.flush()
                self.progress(CHUNK)
        self._end()
        self.flush()
        self.progress(plan.transactions % CHUNK)

    def moments(self) -> Iterator[int]:
        """When each transaction is asked for: as many as planned, in order."""
        plan = self.plan
        first, last = plan.start // DAY, plan.until // DAY
        weights = []
        for number in range(first, last + 1):
            on = date.fromordinal(number + date(1970, 1, 1).toordinal())
            weight = (
                WEEKDAYS[on.weekday()] * PAYDAYS.get(on.day, 100) * (700 + 600 * (number - first) // (last - first + 1))
            )
            if number == last:
                weight = weight * (plan.until - last * DAY) // DAY
            weights.append(weight)
        whole_weight, counted, passed = sum(weights), 0, 0
        shift = self.offset // (3600 * SECOND)
        hours = [HOURS[(hour + shift) % 24] for hour in range(24)]
        for number, weight in zip(range(first, last + 1), weights, strict=True):
            passed += weight
            count = plan.transactions * passed // whole_weight - counted
            counted += count
            midnight = number * DAY
            length = min(plan.until - midnight, DAY)
            minutes = -(-length // (60 * SECOND))
            if not count:
                continue
            chosen = self.throw.choices(
                range(minutes), cum_weights=list(accumulate(hours[m // 60] for m in range(minutes))), k=count
            )
            bits = self.throw.getrandbits
            for at in sorted(midnight + minute * 60 * SECOND + bits(26) % (60 * SECOND) for minute in chosen):
                yield min(at, plan.until - 1)

    def _new_day(self, at: int) -> None:
        """The calendar's, in the country: limits begin anew, and a fee or limit may have changed."""
        self.today = (at + self.offset) // DAY
        self.ordinal = self.today + date(1970, 1, 1).toordinal()
        on = date.fromordinal(self.ordinal)
        for past in [
            number for number in self.used if number < self.today - 1
        ]:  # what fails tomorrow is taken off today
            self._keep_usage(past)
        self.used_today = self.used.setdefault(self.today, {})
        if on.month != self.month:
            self.month, self.used_month = on.month, {}
        tariff, code = self.plan.tariff, self.plan.currency
        self.fees = {kind: tariff.fee(kind, code, on) if tariff.ever_costs(kind, code) else FREE for kind in HOUSE[1:]}
        self.limits = []
        for tier in range(3):
            limits = tariff.limits(self.plan.country, code, tier, on)
            if limits is None:
                raise LookupError(f"No limits are set for tier {tier} in {self.plan.country}: nothing would move.")
            self.limits.append([NO_LIMIT if limit is None else limit for limit in limits[1:]])

    def _keep_usage(self, day: int) -> None:
        on = rows.day(day + date(1970, 1, 1).toordinal())
        kept = self.rows["transactions_usage"]
        for position, (amount, count) in self.used.pop(day).items():
            kept.append(row(uuid(self.wallet_ids[position]), on, whole(amount), rows.int4(4, count)))

    # --- One movement -------------------------------------------------------------------------------------------------

    def _move(self, at: int) -> None:
        """Somebody moves money: what they would like to, or what they must do first."""
        chance = self.throw.random
        here = self.before + (self.plan.customers - self.before) * (at - self.plan.start) // (
            self.plan.until - self.plan.start
        )
        here = max(here, 2)
        share = chance()
        payer = int(here * (0.05 * share + 0.95 * share * share * share))  # who joined early does more
        what = self.throw.getrandbits(10)
        amount = self.amounts[self.throw.getrandbits(12)]
        limits = self.limits[self.tiers[payer]]
        if what < 16:
            self._refused(payer, amount, here, what)
            return
        if what < 120:
            self._top_up(payer, amount * 5, here)
            return
        kind = "transfer" if what < 560 else "payment" if what < 910 else "cash_out"
        if kind == "cash_out":
            amount *= 3
        available = self.posted[payer] - self.held[payer]
        if is_business(payer) and self.posted[payer] * 10 > limits[3] * 6:
            kind, amount = "cash_out", available - available % self.step
        fee = self.fees[kind]
        used = self.used_today.get(payer)
        left = min(limits[0], limits[1] - used[0] if used else limits[1], limits[2] - self.used_month.get(payer, 0))
        amount = min(amount, left - left % self.step)
        if amount <= 0:
            self._refused(payer, max(left, 0) + self.step, here, 3)
            return
        if kind == "cash_out":
            if available >= amount + fee.on(amount):
                self._cash_out(payer, amount, fee)
            else:
                self._top_up(payer, amount * 2, here)
            return
        payee = self._recipient(payer, kind, here)
        if kind == "payment" and payee < BUSINESS_EVERY * 40:
            amount = self.step * (1 + self.throw.getrandbits(2))  # where most people pay, they pay little
        if available < amount + fee.on(amount):
            self._top_up(payer, amount * (3 + self.throw.getrandbits(2)), here)
        elif payee == payer or self.posted[payee] + self.coming[payee] + amount > self.limits[self.tiers[payee]][3]:
            self._refused(payer, amount, here, 0, payee)
        else:
            self._transfer(kind, payer, payee, amount, fee)

    def _recipient(self, payer: int, kind: str, here: int) -> int:
        chance = self.throw.random
        if kind == "payment":
            share = chance()
            businesses = (here - 1) // BUSINESS_EVERY + 1
            return int(businesses * share**4) * BUSINESS_EVERY
        if self.throw.getrandbits(2):  # one of a dozen whom they know
            share = chance()
            return (payer * 7919 + int(share * share * 12) * 104_729 + 17) % self.before
        share = chance()
        return int(here * (0.05 * share + 0.95 * share * share * share))

    def _transfer(self, kind: str, payer: int, payee: int, amount: int, rule: Fee) -> None:
        at, bits, fee = self.now, self.throw.getrandbits, rule.on(amount)
        id = uuid7(at, bits(62))
        self._count(payer, amount)
        facts = self._facts(payer, payee, amount, fee, rule)
        self._journal(id, kind, at)
        self._wallet(id, payer, DEBIT, amount + fee, at)
        self._wallet(id, payee, CREDIT, amount, at)
        if fee:
            self._account(id, kind, CREDIT, fee, at)
        memo = MEMOS[bits(4) % len(MEMOS)]
        number = self._receipt()
        told = self._answer(id, number, amount, fee, "completed", at, payer, payee)
        flow = Flow(
            id,
            number,
            kind,
            payer,
            payee,
            amount,
            fee,
            memo,
            bits(128).to_bytes(16),
            self.callers[payer],
            told,
            at,
            "completed",
        )
        self._event(id, id, "", "completed", self.callers[payer], facts, at)
        if at >= self.notify_from:
            self._notify(id, id, at, "money_sent" if kind == "transfer" else "payment_made", payer, payee, flow)
            self._notify(id, id, at, "money_received" if kind == "transfer" else "payment_received", payee, payer, flow)
        if bits(9) == 0:
            self.number += 1
            heappush(self.reversals, (at + 60 * SECOND + bits(31), self.number, flow))
        else:
            self._transaction(flow, "completed", at)

    def _top_up(self, payee: int, amount: int, here: int) -> None:
        """Two in three come in a partner's file; the others are collected through the rail."""
        at, bits = self.now, self.throw.getrandbits
        limits, rule = self.limits[self.tiers[payee]], self.fees["top_up"]
        room = min(limits[3] - self.posted[payee] - self.coming[payee], limits[0])
        amount = min(amount, room - room % self.step)
        fee = rule.on(amount)
        if amount <= fee:
            self._refused(payee, self.step, here, 0, (payee + 1) % self.before)
            return
        id, number = uuid7(at, bits(62)), self._receipt()
        settled = bits(4) < 11
        caller = FILE if settled else self.callers[payee]
        state = "completed" if settled else "pending"
        told = b"" if settled else self._answer(id, number, amount, fee, state, at, payee, -1)
        flow = Flow(id, number, "top_up", -1, payee, amount, fee, b"", bits(128).to_bytes(16), caller, told, at, state)
        facts = self._facts(-1, payee, amount, fee, rule)
        self._event(id, id, "", state, caller, facts, at)
        if settled:
            self._enter_top_up(flow, at)
            self._transaction(flow, "completed", at)
            if at >= self.notify_from:
                self._notify(id, id, at, "top_up_completed", payee, -1, flow)
        else:
            self.coming[payee] += amount - fee
            self._to_the_rail(flow)

    def _cash_out(self, payer: int, amount: int, rule: Fee) -> None:
        at, bits, fee = self.now, self.throw.getrandbits, rule.on(amount)
        id, number = uuid7(at, bits(62)), self._receipt()
        self._count(payer, amount)
        facts = self._facts(payer, -1, amount, fee, rule)
        told = self._answer(id, number, amount, fee, "pending", at, payer, -1)
        flow = Flow(
            id,
            number,
            "cash_out",
            payer,
            -1,
            amount,
            fee,
            b"",
            bits(128).to_bytes(16),
            self.callers[payer],
            told,
            at,
            "pending",
        )
        self._event(id, id, "", "pending", self.callers[payer], facts, at)
        self._hold(id, payer, "placed", amount + fee, amount + fee, at)
        self._to_the_rail(flow)

    def _refused(self, payer: int, amount: int, here: int, why: int, payee: int = -2) -> None:
        """An attempt that moves nothing and keeps its code."""
        at, bits = self.now, self.throw.getrandbits
        limits = self.limits[self.tiers[payer]]
        facts: dict[str, Any] = {}
        available = self.posted[payer] - self.held[payer]
        if payee >= 0:
            code = "self_transfer" if payee == payer else "balance_limit_exceeded"
        elif why % 4 == 0:
            code, facts["to"] = "recipient_not_found", {"by": "phone", "value": "+2547•••000"}
        elif why % 4 == 1 and limits[0] < NO_LIMIT:
            code, amount = "limit_exceeded", limits[0] + amount
        else:
            code = "insufficient_funds" if why != 3 else "limit_exceeded"
            amount = available + amount if why != 3 else amount
        if payee < 0 and code != "recipient_not_found":
            payee = self._recipient(payer, "transfer", here)
        id, number = uuid7(at, bits(62)), self._receipt()
        title = self.plan.titles[code]
        answer = (
            f'{{"transaction_id": "{shown(id)}", "receipt": "{number.decode()}", "title": "{title}", "status": 422,'
            f' "detail": "{title}.", "instance": "/v1/transfers", "code": "{code}"}}'
        ).encode()
        told = (
            f'{{"verdicts": {{"customers_are_active": "ok", "session_is_live": "ok"}}, "refusal": {{"code": "{code}", '
            f'"detail": "{title}."}}}}'
        ).encode()
        flow = Flow(
            id,
            number,
            "transfer",
            payer,
            payee,
            amount,
            0,
            b"",
            bits(128).to_bytes(16),
            self.callers[payer],
            answer,
            at,
            "failed",
        )
        self._event(id, id, "", "failed", self.callers[payer], told, at)
        self._transaction(flow, "failed", at, refusal=code)
        if at >= self.notify_from:
            self._notify(id, id, at, "transfer_failed", payer, payee, flow, reason=title)

    def _reverse(self, original: Flow) -> bool:
        """Staff give it back, all or half of it, if the recipient still has it. False where nothing was moved."""
        at, bits = self.now, self.throw.getrandbits
        whole_of_it = bool(bits(2))
        amount = original.amount if whole_of_it else original.amount // 2
        giver, taker = original.payee, original.payer
        if self.posted[giver] - self.held[giver] < amount or amount == 0:
            self._transaction(original, "completed", original.at)
            return False
        returned = original.fee if whole_of_it else 0
        id, number = uuid7(at, bits(62)), self._receipt()
        reason = REASONS[bits(2)]
        state = "reversed" if whole_of_it else "partially_reversed"
        self._journal(id, "reversal", at, original.id, whole_of_it)
        self._wallet(id, giver, DEBIT, amount, at)
        if returned:
            self._account(id, original.kind, DEBIT, returned, at)
        self._wallet(id, taker, CREDIT, amount + returned, at)
        flow = Flow(
            id, number, "reversal", giver, taker, amount, 0, b"", bits(128).to_bytes(16), STAFF, b"", at, "completed"
        )
        self._event(id, id, "", "completed", STAFF, b'{"fee_returned_minor": %d}' % returned, at, SAID[reason])
        self._transaction(flow, "completed", at, reverses=original.id, reason=reason)
        self.now = at + 1
        facts = b'{"reversed_by": "%b", "amount_minor": %d, "reason_code": "%b"}' % (
            shown(id).encode(),
            amount,
            reason.encode(),
        )
        self._event(uuid7(at + 1, bits(62)), original.id, "completed", state, STAFF, facts, at + 1, SAID[reason])
        self._transaction(original, state, original.at, reversed_amount=amount)
        if at >= self.notify_from:
            self._notify(id, id, at, "money_returned", taker, giver, flow)
            self._notify(id, id, at, "money_taken_back", giver, taker, flow)
        return True

    # --- Through the rail ---------------------------------------------------------------------------------------------

    def _later(self, after: int, do: Callable[[Flow], None], flow: Flow) -> None:
        self.number += 1
        heappush(self.due, (self.now + after, self.number, do, flow))

    def _to_the_rail(self, flow: Flow) -> None:
        """A worker takes it there a second later; a few are called off, or lie too long."""
        what = self.throw.getrandbits(10)
        self.open[flow.id] = (flow, "pending", flow.at, b"", 0)
        if what < 6:
            self._later(20 * SECOND + self.throw.getrandbits(25), self._call_off, flow)
        elif what < 8:
            self._later(3_600 * SECOND + self.throw.getrandbits(25), self._expire, flow)
        else:
            self._later(SECOND // 2 + self.throw.getrandbits(20), self._submit, flow)

    def _submit(self, flow: Flow) -> None:
        at, bits = self.now, self.throw.getrandbits
        ended, silent = at + 40_000 + bits(18), bits(9) == 0
        self._event(uuid7(at, bits(62)), flow.id, "pending", "processing", WORKER, b"{}", at)
        reference = b"" if silent else b"SBX%012X" % bits(48)
        asked = b'{"reference": "%b", "operation": "%b", "amount_minor": %d, "currency": "%b"}' % (
            shown(flow.id).encode(),
            b"pay" if flow.kind == "cash_out" else b"collect",
            flow.amount,
            self.currency,
        )
        said = b'{"error": "TimeoutError"}' if silent else b'{"rail_reference": "%b"}' % reference
        self._call(flow, 1, "submit", at, ended, "no_answer" if silent else "accepted", asked, said)
        if silent:
            self.now = ended
            self._event(uuid7(ended, bits(62)), flow.id, "processing", "unknown", WORKER, said, ended, SILENCE)
            self.open[flow.id] = (flow, "unknown", ended + 300 * SECOND, b"", 1)
            self._later(60 * SECOND + bits(30), self._inquire, flow)
        else:
            self.open[flow.id] = (flow, "processing", ended + 60 * SECOND, reference, 1)
            self._later(3 * SECOND + bits(25), self._called_back, flow)

    def _inquire(self, flow: Flow) -> None:
        """What did not answer is asked again, and says what it did."""
        at, bits = self.now, self.throw.getrandbits
        reference = b"SBX%012X" % bits(48)
        said = self._said(flow, reference)
        self._call(
            flow, 2, "inquire", at, at + 30_000, "completed", b'{"reference": "%b"}' % shown(flow.id).encode(), said
        )
        self.now = at + 30_001
        self._settle(flow, "unknown", "completed", reference, 2, b'{"rail": "sandbox", "call": 2, "answer": %b}' % said)

    def _called_back(self, flow: Flow) -> None:
        at, bits = self.now, self.throw.getrandbits
        reference = self.open[flow.id][3]
        failed = bits(6) == 0
        status, code = (b"failed", b"account_closed") if failed else (b"completed", b"")
        names = (shown(flow.id).encode(), reference, status, code)
        payload = b'{"reference": "%b", "rail_reference": "%b", "status": "%b", "code": "%b", ' % names
        payload += b'"amount_minor": %d, "currency": "%b"}' % (flow.amount, self.currency)
        self.rows["transactions_railmessage"].append(
            row(
                uuid(uuid7(at - 2, bits(62))),
                RAIL_FIELD,
                sized(b"msg_%032x" % bits(128)),
                uuid(flow.id),
                jsonb(payload),
                WORDS["processed"],
                text("Failed." if failed else "Completed."),
                small(1),
                instant(at - 2),
                instant(at - 1),
                instant(at + 1),
            )
        )
        said = self._said(flow, reference)
        facts = b'{"rail": "sandbox", "callback": %b}' % said
        self._settle(
            flow,
            "processing",
            "failed" if failed else "completed",
            reference,
            1,
            facts,
            "account_closed" if failed else "",
        )

    def _said(self, flow: Flow, reference: bytes) -> bytes:
        """The rail's word that it has done it."""
        asked = (reference, flow.amount, self.currency)
        return b'{"rail_reference": "%b", "amount_minor": %d, "currency": "%b"}' % asked

    def _call_off(self, flow: Flow) -> None:
        self._settle(flow, "pending", "cancelled", b"", 0, b"{}", by=flow.caller)

    def _expire(self, flow: Flow) -> None:
        self._settle(flow, "pending", "expired", b"", 0, b"{}", by=WORKER)

    def _settle(
        self,
        flow: Flow,
        before: str,
        state: str,
        reference: bytes,
        calls: int,
        facts: bytes,
        refusal: str = "",
        by: bytes = b"",
    ) -> None:
        """The end of what went through the rail: what was held is taken or let go, what came in is credited."""
        at = self.now
        del self.open[flow.id]
        cash_out = flow.kind == "cash_out"
        if cash_out:
            how = {"completed": "captured", "expired": "expired"}.get(state, "voided")
            self._hold(flow.id, flow.payer, how, flow.amount + flow.fee, 0, at)
            if state != "completed":
                self._count(flow.payer, -flow.amount, -1, (flow.at + self.offset) // DAY)
        else:
            self.coming[flow.payee] -= flow.amount - flow.fee
        if state == "completed":
            if cash_out:
                self._journal(flow.id, "cash_out", at)
                self._wallet(flow.id, flow.payer, DEBIT, flow.amount + flow.fee, at)
                self._account(flow.id, "rail", CREDIT, flow.amount, at)
                if flow.fee:
                    self._account(flow.id, "cash_out", CREDIT, flow.fee, at)
            else:
                self._enter_top_up(flow, at)
        event = uuid7(at, self.throw.getrandbits(62))
        self._event(event, flow.id, before, state, by or BY_RAIL, facts, at)
        self._transaction(flow, state, at, refusal=refusal, rail_reference=reference, calls=calls)
        if at >= self.notify_from:
            owner, reason = (flow.payer if cash_out else flow.payee), refusal and self.plan.titles["rail_refused"]
            self._notify(event, flow.id, at, f"{flow.kind}_{state}", owner, -1, flow, reason=reason)

    def _enter_top_up(self, flow: Flow, at: int) -> None:
        self._journal(flow.id, "top_up", at)
        self._account(flow.id, "rail", DEBIT, flow.amount, at)
        self._wallet(flow.id, flow.payee, CREDIT, flow.amount - flow.fee, at)
        if flow.fee:
            self._account(flow.id, "top_up", CREDIT, flow.fee, at)

    # --- The books ----------------------------------------------------------------------------------------------------

    def _journal(self, id: bytes, kind: str, at: int, reverses: bytes = b"", all_of_it: bool = False) -> None:
        moment = instant(at)
        self.rows["ledger_journal"].append(
            b"".join(
                (
                    b"\0\x08\0\0\0\x10",
                    id,
                    WORDS[kind],
                    sized(f"{kind}:{shown(id)}".encode()),
                    moment,
                    moment,
                    uuid(reverses) if reverses else NULL,
                    boolean(all_of_it),
                    NO_FACTS,
                )
            )
        )

    def _wallet(self, journal: bytes, position: int, side: int, amount: int, at: int) -> None:
        balance = self.posted[position] = self.posted[position] - side * amount
        seq = self.seq[position] = self.seq[position] + 1
        self.last[position] = at
        self.rows["ledger_entry"].append(
            ENTRY(
                8,
                8,
                self.plan.first_account + position,
                8,
                seq,
                16,
                journal,
                2,
                side,
                8,
                amount,
                3,
                self.currency,
                8,
                balance,
                8,
                at - rows.EPOCH_US,
            )
        )

    def _account(self, journal: bytes, name: str, side: int, amount: int, at: int) -> None:
        account = self.house[name]
        account[1] += side * amount if name == "rail" else -side * amount
        account[2] += 1
        account[3] = at
        self.rows["ledger_entry"].append(
            ENTRY(
                8,
                8,
                account[0],
                8,
                account[2],
                16,
                journal,
                2,
                side,
                8,
                amount,
                3,
                self.currency,
                8,
                account[1],
                8,
                at - rows.EPOCH_US,
            )
        )

    def _hold(self, id: bytes, position: int, kind: str, amount: int, remaining: int, at: int) -> None:
        held = self.held[position] = self.held[position] + (amount if kind == "placed" else -amount)
        seq = self.hold_seq[position] = self.hold_seq[position] + 1
        self.last[position] = at
        self.rows["ledger_holdevent"].append(
            row(
                whole(self.plan.first_account + position),
                whole(seq),
                uuid(id),
                WORDS[kind],
                whole(amount),
                whole(held),
                whole(remaining),
                NULL,
                instant(at),
            )
        )

    def _count(self, position: int, amount: int, count: int = 1, day: int = 0) -> None:
        """What leaves a wallet, or stays after all, against its limits of that day."""
        used = self.used_today if day in (0, self.today) else self.used.setdefault(day, {})
        so_far = used.setdefault(position, [0, 0])
        so_far[0] += amount
        so_far[1] += count
        self.used_month[position] = max(self.used_month.get(position, 0) + amount, 0)

    # --- Rows ---------------------------------------------------------------------------------------------------------

    def _receipt(self) -> bytes:
        self.receipts += 1
        return receipt(self.now, self.plan.number, self.receipts)

    def _decimal(self, amount: int) -> str:
        return f"{amount // 100}.{amount % 100:02}" if self.minor else str(amount)

    def _shown_at(self, at: int) -> str:
        minute, rest = divmod(at, 60 * SECOND)
        if minute != self.minute:
            self.minute = minute
            self.minute_shown = datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M:")
        return f"{self.minute_shown}{rest // SECOND:02}.{rest % SECOND:06}Z"

    def _answer(
        self, id: bytes, number: bytes, amount: int, fee: int, state: str, at: int, payer: int, payee: int
    ) -> bytes:
        """What the customer was told, as `transactions/api` writes it."""
        start = (
            f'{{"transaction_id":"{shown(id)}","receipt":"{number.decode()}","amount":"{self._decimal(amount)}",'
            f'"fee":"{self._decimal(fee)}","currency":"{self.plan.currency}","status":"{state}",'
            f'"timestamp":"{self._shown_at(at)}",'
        )
        if payee < 0:
            return f'{start}"wallet_id":"{shown(self.wallet_ids[payer])}"}}'.encode()
        return (
            f'{start}"from_wallet_id":"{shown(self.wallet_ids[payer])}","to_wallet_id":"{shown(self.wallet_ids[payee])}",'
            f'"balance_after":"{self._decimal(self.posted[payer])}"}}'
        ).encode()

    def _facts(self, payer: int, payee: int, amount: int, fee: int, rule: Fee) -> bytes:
        """What the policies looked at, as the event keeps it."""
        parts = []
        if payer >= 0:
            most = [b"null" if limit == NO_LIMIT else b"%d" % limit for limit in self.limits[self.tiers[payer]]]
            day, month = self.used_today[payer][0], self.used_month[payer]
            parts.append(
                b'"payer": {"tier": %d, "movement": [%d, %b], "day": [%d, %b], "month": [%d, %b]}'
                % (self.tiers[payer], amount, most[0], day, most[1], month, most[2])
            )
        if payee >= 0:
            limit = self.limits[self.tiers[payee]][3]
            reached = self.posted[payee] + self.coming[payee] + amount
            parts.append(
                b'"payee": {"tier": %d, "balance": [%d, %b]}'
                % (self.tiers[payee], reached, b"null" if limit == NO_LIMIT else b"%d" % limit)
            )
        return (
            b'{"verdicts": {"customers_are_active": "ok", "session_is_live": "ok", "wallets_are_usable": "ok", '
            b'"within_limits": {%b}}, "fee": {"minor": %d, "flat": %d, "bps": %d}}'
            % (b", ".join(parts), fee, rule.flat, rule.bps)
        )

    def _event(
        self,
        id: bytes,
        transaction: bytes,
        before: str,
        after: str,
        actor: bytes,
        facts: bytes,
        at: int,
        reason: bytes = rows.EMPTY,
    ) -> None:
        self.rows["transactions_event"].append(
            b"".join(
                (
                    b"\0\x0a\0\0\0\x10",
                    id,
                    b"\0\0\0\x10",
                    transaction,
                    TYPES[after],
                    WORDS[before],
                    WORDS[after],
                    actor,
                    reason,
                    length(len(facts) + 1),
                    b"\x01",
                    facts,
                    sized(self.throw.getrandbits(128).to_bytes(16).hex().encode()),
                    instant(at),
                )
            )
        )

    def _transaction(
        self,
        flow: Flow,
        state: str,
        ended: int | None,
        *,
        refusal: str = "",
        reverses: bytes = b"",
        reversed_amount: int = 0,
        reason: str = "",
        rail_reference: bytes = b"",
        calls: int = 0,
        due: int | None = None,
    ) -> None:
        id, payer, payee = flow.id, flow.payer, flow.payee
        through_a_rail = flow.kind in ("top_up", "cash_out")
        if flow.kind == "cash_out":
            person = self.people[payer]
            to = jsonb(
                f'{{"bank_id": "{BANKS[payer % 5]}", "account_number": "0{person.phone_number[-9:]}", '
                f'"account_name": "{person.full_name}"}}'.encode()
            )
        else:
            to = NULL
        reference = NULL
        if flow.kind == "transfer" and flow.key[0] < 8:
            self.references += 1
            reference = sized(b"INV-%b-%d" % (self.plan.country.encode(), self.references))
        self.rows["transactions_transaction"].append(
            b"".join(
                (
                    b"\0\x1b\0\0\0\x10",
                    id,
                    b"\0\0\0\x0a",
                    flow.receipt,
                    WORDS[flow.kind],
                    WORDS[state],
                    uuid(self.wallet_ids[payer]) if payer >= 0 else NULL,
                    uuid(self.wallet_ids[payee]) if payee >= 0 else NULL,
                    whole(flow.amount),
                    whole(flow.fee),
                    b"\0\0\0\x03",
                    self.currency,
                    flow.memo or rows.EMPTY,
                    flow.caller,
                    reference,
                    b"\0\0\0\x20",
                    flow.key.hex().encode(),
                    b"\0\0\0\x40",
                    hashlib.sha256(id).hexdigest().encode(),
                    sized(flow.answer) if flow.answer else NULL,
                    STATUS[flow.born == "failed"] if flow.answer else NULL,
                    text(refusal) if refusal else rows.EMPTY,
                    uuid(reverses) if reverses else NULL,
                    whole(reversed_amount),
                    text(reason) if reason else rows.EMPTY,
                    RAIL_FIELD if through_a_rail else rows.EMPTY,
                    sized(rail_reference),
                    to,
                    instant(due),
                    small(calls),
                    instant(flow.at),
                    instant(ended),
                )
            )
        )

    def _call(
        self, flow: Flow, number: int, purpose: str, at: int, ended: int, outcome: str, asked: bytes, said: bytes
    ) -> None:
        self.rows["transactions_railcall"].append(
            row(
                uuid(uuid7(at, self.throw.getrandbits(62))),
                uuid(flow.id),
                small(number),
                text(purpose),
                instant(at),
                instant(ended),
                text(outcome),
                jsonb(asked),
                jsonb(said),
            )
        )

    def _notify(
        self, event: bytes, transaction: bytes, at: int, kind: str, told: int, other: int, flow: Flow, reason: str = ""
    ) -> None:
        """In the app, and by an e-mail that has been sent."""
        bits = self.throw.getrandbits
        title, body = self.plan.texts[f"{kind} with a fee" if flow.fee else kind]
        name = ""
        if other >= 0:
            first, *_, last = self.people[other].full_name.split(" ")
            name = f"{first} {last[0]}."
        facts = {
            "amount": f"{self.plan.currency} {self._decimal(flow.amount)}",
            "counterparty": name,
            "reason": reason,
            "fee": f"{self.plan.currency} {self._decimal(flow.fee)}",
            "receipt": flow.receipt.decode(),
        }
        written = at + SECOND + bits(20)
        id = uuid7(written, bits(62))
        self.rows["notifications_notification"].append(
            row(
                uuid(id),
                uuid(self.customer_ids[told]),
                uuid(event),
                uuid(transaction),
                text(kind),
                text(title.format(**facts)),
                text(body.format(**facts)),
                instant(written),
                instant(written + bits(35)) if bits(3) > 2 and written + (1 << 35) < self.plan.until else NULL,
            )
        )
        self.deliveries += 1
        sent = instant(written + SECOND)
        self.rows["notifications_delivery"].append(
            row(whole(self.deliveries), uuid(id), WORDS["email"], WORDS["sent"], small(1), sent, sent, rows.EMPTY)
        )

    # --- The end ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        for table, written in self.rows.items():
            if written:
                self.write(table, document(*written))
                written.clear()

    def _end(self) -> None:
        """What is under way stays so; who there is and what they have is written as it stands now."""
        until = self.plan.until
        while self.due and self.due[0][0] < until:
            when, _, do, flow = heappop(self.due)
            self.now = max(when, self.now + 3)
            do(flow)
        for _, _, original in sorted(self.reversals):
            self._transaction(original, "completed", original.at)
        for flow, state, due, reference, calls in self.open.values():
            self._transaction(flow, state, None, rail_reference=reference, calls=calls, due=due)
        for day in list(self.used):
            self._keep_usage(day)
        frozen: dict[int, str] = {}
        for position in range(self.plan.customers):
            if position % 197 == 196 and self.last[position] + 3_600 * SECOND < until:
                frozen[position] = ("debit", "both", "credit")[position % 3]
                self._freeze(position, frozen[position])
            self._customer(position)
            self._wallet_rows(position, frozen.get(position, ""))
            if position % CHUNK == CHUNK - 1:
                self.flush()
        for name in HOUSE:
            self._house_account(name)

    def _customer(self, position: int) -> None:
        person, at = self.people[position], instant(self.joined[position])
        suspended = position % 311 == 310 and not self.held[position]
        self.rows["customers_customer"].append(
            row(
                uuid(self.customer_ids[position]),
                text(person.full_name),
                text(person.email),
                text(person.phone_number),
                text(self.plan.country),
                text(person.account_type),
                small(person.tier),
                WORDS["suspended" if suspended else "active"],
                NOBODY_SIGNS_IN,
                at,
                at,
            )
        )

    def _wallet_rows(self, position: int, mode: str) -> None:
        account, at = self.plan.first_account + position, instant(self.joined[position] + 1000)
        id = self.wallet_ids[position]
        self.rows["wallets_wallet"].append(
            row(uuid(id), uuid(self.customer_ids[position]), sized(self.currency), whole(account), at, NULL)
        )
        self.rows["ledger_account"].append(
            row(
                whole(account),
                sized(b"liability:wallet:" + shown(id).encode()),
                WORDS["Wallet"],
                sized(self.currency),
                small(CREDIT),
                whole(self.posted[position]),
                whole(self.held[position]),
                whole(0),
                whole(self.seq[position]),
                whole(self.hold_seq[position]),
                instant(self.last[position] or None),
                boolean(mode in ("debit", "both")),
                boolean(mode in ("credit", "both")),
                NULL,
                at,
            )
        )

    def _freeze(self, position: int, mode: str) -> None:
        at = max(self.last[position], self.joined[position] + 2000) + 3_600 * SECOND
        self.rows["wallets_freeze"].append(
            row(
                uuid(uuid7(at, self.throw.getrandbits(62))),
                uuid(self.wallet_ids[position]),
                text(mode),
                text("Phone stolen; the owner called."),
                text("staff:1"),
                instant(at),
                rows.EMPTY,
                rows.EMPTY,
            )
        )

    def _house_account(self, name: str) -> None:
        """Like every house account, it is opened at its first use."""
        account, posted, seq, last = self.house[name]
        if not seq:
            return
        code = rail_float(RAIL, self.plan.currency) if name == "rail" else fee_income(name, self.plan.currency)
        kind = type_of(code)
        self.rows["ledger_account"].append(
            row(
                whole(account),
                text(code),
                text(kind.name),
                sized(self.currency),
                small(kind.normal_side),
                whole(posted),
                whole(0),
                NULL,
                whole(seq),
                whole(0),
                instant(last),
                boolean(False),
                boolean(False),
                NULL,
                instant(self.plan.start),
            )
        )


length = rows.length
NO_FACTS = jsonb(b"{}")
MEMOS = [text(memo) for memo in demo_plan.MEMOS]
SAID = {reason: text(f"The customer called: {reason.replace('_', ' ')}.") for reason in REASONS}
SILENCE = text("The rail did not answer.")
STAFF, WORKER, BY_RAIL, FILE = (text(one) for one in ("staff:1", "job:rail_calls", f"rail:{RAIL}", "job:partner-file"))
RAIL_FIELD = text(RAIL)
NOBODY_SIGNS_IN = text("!")
STATUS = {False: small(201), True: small(422)}
STATES = (
    "pending",
    "processing",
    "completed",
    "failed",
    "unknown",
    "cancelled",
    "expired",
    "partially_reversed",
    "reversed",
)
TYPES = {state: text(f"transaction.{state}") for state in STATES}
WORDS = {
    word: text(word)
    for word in (
        "", *STATES, "transfer", "payment", "top_up", "cash_out", "reversal", "placed", "captured", "voided", "expired",
        "processed", "email", "sent", "active", "suspended", "Wallet",
    )
}  # fmt: skip
