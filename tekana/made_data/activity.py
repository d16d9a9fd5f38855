"""What the customers of one country do, moment by moment, and how the books follow.

A country has a currency and house accounts of its own, so that several processes can make countries at the same time.
Within one, everything happens in the order of time, each posting in a microsecond of its own: entries are numbered, and
balances follow, as in the books that `posting.py` keeps. Fees, limits and calendars are those in force; nobody spends
what they do not have. A few do most of it: one payer in ten sends nearly half of the money, and a few merchants receive
every other payment.
"""

from collections.abc import Iterator
from datetime import date
from heapq import heappop, heappush
from itertools import accumulate
from typing import Any

from ledger.chart import CREDIT, DEBIT
from tekana import demo_plan
from tekana.made_data.books import CHUNK, FILE, NO_LIMIT, STAFF
from tekana.made_data.ending import Ending
from tekana.made_data.people import BUSINESS_EVERY, is_business
from tekana.made_data.plan import DAY, HOUSE, SECOND, Flow
from tekana.made_data.rows import shown, text, uuid7
from tekana.made_data.through_rail import ThroughRail
from transactions.tariff import FREE, Fee

# When people move money, by the hour of their day, and on which days of a month.
HOURS = (2, 1, 1, 1, 2, 6, 18, 34, 46, 50, 52, 58, 64, 60, 54, 52, 56, 68, 80, 78, 60, 36, 18, 7)
PAYDAYS = {1: 130, 2: 120, 3: 112, 25: 118, 26: 116, 27: 114, 28: 120, 29: 122, 30: 126, 31: 126}
WEEKDAYS = (96, 97, 100, 104, 118, 112, 78)

REASONS = ("wrong_recipient", "duplicate", "fraud", "technical_error")  # which give the fee back
MEMOS = [text(memo) for memo in demo_plan.MEMOS]
SAID = {reason: text(f"The customer called: {reason.replace('_', ' ')}.") for reason in REASONS}


class Activity(ThroughRail, Ending):
    """Lives through the period."""

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
