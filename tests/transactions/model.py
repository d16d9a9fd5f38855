"""A ledger of a few hundred lines of plain Python, which knows nothing of the product: no database, no batch, no lock.

`test_model.py` asks the same of it and of the road to the books. Minor units; a purse is named after its owner, with a
``$`` behind it the one in dollars.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple


class Limits(NamedTuple):
    per_movement: int
    per_day: int
    balance: int


# Flat, and hundredths of a percent.
FEES = {
    ("transfer", "RWF"): (7, 150), ("payment", "RWF"): (4, 90), ("payout", "RWF"): (0, 0),
    ("cash_out", "RWF"): (5, 100), ("top_up", "RWF"): (10, 25), ("conversion", "RWF"): (3, 120),
    ("transfer", "USD"): (1, 80), ("payment", "USD"): (0, 250), ("cash_out", "USD"): (2, 0),
    ("conversion", "USD"): (1, 65),
}  # fmt: skip
PAYEES_PART = {"payment": 3_000}  # of ten thousand; the rest is the payer's
LIMITS = {"RWF": Limits(5_000, 20_000, 12_000), "USD": Limits(450, 1_500, 900)}
# Francs for a shilling, shillings for a dollar; what the one bank that trades takes off each trade and of it; our part.
FRANCS, SHILLINGS = Decimal("11.2"), Decimal("129.3")
BANKS_FLAT, BANKS_BPS, MARGIN_BPS = {"RWF": 4, "USD": 1}, {"RWF": 40, "USD": 55}, 75
MOST_QUOTES = 5
OPEN = {"pending", "processing", "unknown"}
SETTLED = {
    "pending": {"processing", "unknown", "completed", "failed", "cancelled", "expired"},
    "processing": {"unknown", "completed", "failed"},
    "unknown": {"completed", "failed"},
}
GIVES_BACK = {"rejected", "expired"}  # the use of a request


def half_up(whole: int, parts: int) -> int:
    quotient, rest = divmod(whole, parts)
    return quotient + (1 if rest * 2 >= parts else 0)


def rate(sell: str) -> Fraction:
    """Minor units of the other currency for one of this: a franc has no cents."""
    francs_for_a_cent = Fraction(FRANCS * SHILLINGS) / 100
    return francs_for_a_cent if sell == "USD" else 1 / francs_for_a_cent


class Refused(Exception):
    """With its code; ``kept`` when the attempt leaves a failed transaction behind."""

    def __init__(self, code: str, kept: bool = True) -> None:
        self.code, self.kept = code, kept


@dataclass
class Purse:
    owner: str
    currency: str = "RWF"
    posted: int = 0
    held: int = 0
    used: int = 0
    coming: int = 0
    may_send: bool = True
    may_receive: bool = True
    closed: bool = False


@dataclass(eq=False)
class Quote:
    owner: str
    kind: str
    sell: str
    buy: str
    sell_minor: int
    fee: int
    buy_minor: int
    margin: int
    expired: bool = False
    used: bool = False

    @property
    def exchanged(self) -> int:
        return self.sell_minor - self.fee


@dataclass(eq=False)
class Deal:
    kind: str
    state: str
    payer: str | None
    payee: str | None
    amount: int
    currency: str = "RWF"
    fee: int = 0
    payee_fee: int = 0
    payee_returned: int = 0
    received: int = 0  # of the other currency, where the payee gets that
    received_currency: str = ""
    margin: int = 0
    reversed: int = 0
    captured: int = 0
    fees_taken: tuple[int, int] = (0, 0)

    @property
    def arriving(self) -> tuple[int, str]:
        return (self.received, self.received_currency) if self.received_currency else (self.amount, self.currency)


@dataclass(eq=False)
class Request:
    payee: str
    currency: str
    amount: int | None
    least: int | None
    most: int | None
    max_uses: int | None
    per_payer: int | None
    confirms: bool
    expired: bool
    state: str = "open"
    uses: list["Use"] = field(default_factory=list)

    def used(self, by: str = "") -> int:
        return sum(use.answer not in GIVES_BACK for use in self.uses if by in ("", use.by))


@dataclass(eq=False)
class Use:
    request: Request
    by: str
    deal: Deal
    answer: str = ""


@dataclass(eq=False)
class Standing:
    """A transfer each day from ``starts`` on. ``runs``: what became of each day; ``tries``: how often there was too
    little."""

    payer: str
    payee: str
    amount: int
    currency: str
    retries: int
    starts: int
    state: str = "active"
    runs: dict[int, str] = field(default_factory=dict)
    tries: Counter[int] = field(default_factory=Counter)

    @property
    def refused_in_a_row(self) -> int:
        paid = max((day for day, state in self.runs.items() if state in ("completed", "unfunded")), default=0)
        return sum(state == "failed" and day > paid for day, state in self.runs.items())


@dataclass
class Model:
    """Every method changes it or raises Refused and changes nothing."""

    purses: dict[str, Purse]
    deals: list[Deal] = field(default_factory=list)
    quotes: list[Quote] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    standing: list[Standing] = field(default_factory=list)
    expenses: Counter[str] = field(default_factory=Counter)
    fees: Counter[str] = field(default_factory=Counter)  # these by currency
    suspense: Counter[str] = field(default_factory=Counter)
    rail: Counter[str] = field(default_factory=Counter)
    position: Counter[str] = field(default_factory=Counter)
    margin: Counter[str] = field(default_factory=Counter)
    result: Counter[str] = field(default_factory=Counter)

    # --- prices ----------------------------------------------------------------------------------------------------
    def fee(self, kind: str, currency: str, amount: int) -> int:
        flat, bps = FEES.get((kind, currency), (0, 0))
        return flat + half_up(amount * bps, 10_000)

    def shared(self, kind: str, currency: str, amount: int) -> tuple[int, int]:
        """What the payer pays of it, and the payee."""
        fee = self.fee(kind, currency, amount)
        of_payee = fee * PAYEES_PART.get(kind, 0) // 10_000
        return fee - of_payee, of_payee

    def quote(
        self, owner: str, kind: str, sell: str, buy: str, sold: int | None = None, bought: int | None = None,
        expired: bool = False,
    ) -> Quote:  # fmt: skip
        """One of the two amounts is given: all that is taken, or all that is received."""
        if sum(one.owner == owner and not one.used and not one.expired for one in self.quotes) >= MOST_QUOTES:
            raise Refused("too_many_quotes", kept=False)
        if sell == buy:
            raise Refused("fx_same_currency")
        flat, gain = BANKS_FLAT[sell], rate(sell) * (10_000 - BANKS_BPS[sell]) / 10_000
        if sold is not None:
            fee = self.fee(kind, sell, sold)
            rest = sold - fee
            brought = int(max(rest - flat, 0) * gain)
            received = min(brought * (10_000 - MARGIN_BPS) // 10_000, int(rest * rate(sell)))
        else:
            assert bought is not None
            needed = -(-bought * 10_000 // (10_000 - MARGIN_BPS))
            rest = max(flat - int(-needed / gain // 1), -int(-bought / rate(sell) // 1))
            brought, received, sold = int((rest - flat) * gain), bought, rest
            while sold - self.fee(kind, sell, sold) < rest:
                sold += 1
            fee = sold - rest
        if received <= 0:
            raise Refused("fx_amount_too_small")
        if rest > LIMITS[sell].per_movement:
            raise Refused("limit_exceeded")
        self.quotes.append(Quote(owner, kind, sell, buy, sold, fee, received, brought - received, expired))
        return self.quotes[-1]

    # --- from one to another ---------------------------------------------------------------------------------------
    def start(
        self, kind: str, payer: str | None, payee: str | None, amount: int, *, currency: str = "RWF",
        settled: bool = False, request: Request | None = None,
    ) -> Deal:  # fmt: skip
        if payer and payer == payee:
            raise Refused("self_transfer")
        deal = Deal(kind, "pending", payer, payee, amount, currency)
        self.judge(deal, settled)
        if request:
            self.may_use(request, self.purses[payer or ""].owner, amount)
        deal.fee, deal.payee_fee = self.shared("payment" if kind == "hold" else kind, currency, amount)
        if amount <= (deal.payee_fee if payer else deal.fee):
            raise Refused("amount_below_fee")
        self.take(deal)
        if settled or (payer and payee and kind != "hold"):
            self.complete(deal)
        if request:
            request.uses.append(Use(request, self.purses[payer or ""].owner, deal))
        return deal

    def exchange(
        self, kind: str, payer: str, payee: str | None, amount: int, *, currency: str, quote: Quote | None, by: str,
        why: str = "",
    ) -> Deal:  # fmt: skip
        """``why`` there is no quote to be had. What it does not promise for this nobody knows where to put."""
        deal = Deal(kind, "pending", payer, payee, amount, currency)
        if quote and not why and (quote.owner, quote.sell) == (by, currency):
            deal.received, deal.received_currency, deal.margin = quote.buy_minor, quote.buy, quote.margin
            if kind == "conversion" and payee is None:
                raise Refused("no_wallet_in_currency")
            if payer == payee:
                raise Refused("self_transfer")
        else:
            deal.payee = None
        self.judge(deal)
        if why:
            raise Refused(why)
        assert quote
        if quote.owner != by:
            raise Refused("quote_not_found")
        if quote.used:
            raise Refused("quote_used")
        if quote.expired:
            raise Refused("quote_expired")
        if (quote.sell, quote.kind, quote.exchanged) != (currency, kind, amount):
            raise Refused("quote_mismatch")
        deal.fee = quote.fee
        self.take(deal)
        quote.used = True
        if kind != "cash_out":
            self.complete(deal)
        return deal

    def judge(self, deal: Deal, settled: bool = False) -> None:
        """Whether those whom it is between may, and within their limits."""
        sender, taker = self.purses.get(deal.payer or ""), self.purses.get(deal.payee or "")
        mine, limits, (arriving, currency) = sender or taker, LIMITS[deal.currency], deal.arriving
        if mine and mine.currency != deal.currency:
            raise Refused("currency_mismatch")
        if sender and sender.closed:
            raise Refused("wallet_closed")
        if sender and not sender.may_send:
            raise Refused("wallet_frozen")
        if taker and taker.currency != currency:
            raise Refused("currency_mismatch")
        if taker and (taker.closed or not taker.may_receive):
            raise Refused("recipient_unavailable" if sender else "wallet_closed" if taker.closed else "wallet_frozen")
        if sender and (deal.amount > limits.per_movement or sender.used + deal.amount > limits.per_day):
            raise Refused("limit_exceeded")
        if taker and not sender and not settled and deal.amount > limits.per_movement:
            raise Refused("limit_exceeded")
        if taker and taker.posted + taker.coming + arriving > LIMITS[taker.currency].balance:
            raise Refused("balance_limit_exceeded")

    def take(self, deal: Deal) -> None:
        """Under way: held, or coming."""
        if deal.payer:
            sender = self.purses[deal.payer]
            if sender.posted - sender.held < deal.amount + deal.fee:
                raise Refused("insufficient_funds")
            sender.used += deal.amount
            sender.held += deal.amount + deal.fee
        else:
            self.purses[deal.payee or ""].coming += deal.amount - deal.fee
        self.deals.append(deal)

    def complete(self, deal: Deal) -> None:
        deal.state = "completed"
        self.let_go(deal)
        self.fees[deal.currency] += deal.fee + deal.payee_fee
        arriving, currency = deal.arriving
        if deal.payer:
            self.purses[deal.payer].posted -= deal.amount + deal.fee
        else:
            self.rail[currency] += deal.amount
        if deal.received_currency:
            self.position[deal.currency] += deal.amount
            self.position[currency] -= arriving + deal.margin
            self.margin[currency] += deal.margin
        arriving -= deal.payee_fee if deal.payer else deal.fee
        if deal.payee is None:
            self.rail[currency] -= arriving
        elif self.purses[deal.payee].closed:
            self.suspense[currency] += arriving
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

    # --- promises --------------------------------------------------------------------------------------------------
    def capture(self, hold: Deal, amount: int, final: bool) -> Deal:
        if hold.kind != "hold" or hold.state == "failed":
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
        if taker.posted + taker.coming + amount > LIMITS[taker.currency].balance:
            raise Refused("balance_limit_exceeded")
        taken = self.shared("payment", hold.currency, hold.captured + amount)
        fee, payee_fee = (after - before for after, before in zip(taken, hold.fees_taken, strict=True))
        if payee_fee >= amount:
            raise Refused("amount_below_fee")
        hold.captured, hold.fees_taken = hold.captured + amount, taken
        deal = Deal("payment", "pending", hold.payer, hold.payee, amount, hold.currency, fee, payee_fee)
        self.complete(deal)
        if final or hold.captured == hold.amount:
            self.end(hold, "cancelled")
        return deal

    def end(self, hold: Deal, to: str) -> None:
        sender = self.purses[hold.payer or ""]
        sender.held -= hold.amount + hold.fee - hold.captured - hold.fees_taken[0]
        sender.used -= hold.amount - hold.captured
        hold.state = "completed" if hold.captured else to

    # --- and back --------------------------------------------------------------------------------------------------
    def reverse(
        self, deal: Deal, amount: int, refunds_fee: bool, by_merchant: bool = False, today: bool = False
    ) -> Deal:
        """At the rate of then, or ``today`` at the mid rate, which is the same here."""
        if by_merchant and deal.kind != "payment":
            raise Refused("not_refundable", kept=False)
        left = deal.amount - deal.reversed
        may = deal.kind in ("transfer", "payment", "payout", "conversion")
        if not may or deal.state not in ("completed", "partially_reversed"):
            raise Refused("not_reversible", kept=False)
        if amount > left:
            raise Refused("reversal_exceeds_original")
        giver, taker = self.purses[deal.payee or ""], self.purses[deal.payer or ""]
        if by_merchant:
            self.may_refund(giver, taker)
        elif giver.closed or taker.closed:
            raise Refused("wallet_closed")
        returned = deal.fee if amount == left and refunds_fee else 0
        # What the payee bore comes back so early that it is never more than the part.
        to_giver = min(max(deal.payee_fee - deal.payee_returned - (left - amount), 0), amount) if refunds_fee else 0
        given, worth, margin = amount - to_giver, amount, 0
        if deal.received_currency:
            given, margin = (
                whole * (deal.reversed + amount) // deal.amount - whole * deal.reversed // deal.amount
                for whole in (deal.received, deal.margin)
            )
            worth = int(given * rate(deal.received_currency)) if today else amount
        if giver.posted - giver.held < given:
            raise Refused("insufficient_funds" if by_merchant else "recipient_short")
        giver.posted -= given
        taker.posted += worth + returned
        self.fees[deal.currency] -= returned + to_giver
        if deal.received_currency:
            self.position[deal.currency] -= amount
            self.position[deal.received_currency] += given + margin
            self.margin[deal.received_currency] -= margin
            self.result[deal.currency] += amount - worth
        deal.reversed += amount
        deal.payee_returned += to_giver
        deal.state = "reversed" if amount == left else "partially_reversed"
        back = Deal("refund" if by_merchant else "reversal", "completed", deal.payee, deal.payer, amount, deal.currency)
        back.received = given if deal.received_currency else 0
        return back

    def may_refund(self, giver: Purse, taker: Purse) -> None:
        """The merchant's own act: freezes stop it; limits do not count it."""
        if giver.closed:
            raise Refused("wallet_closed")
        if not giver.may_send:
            raise Refused("wallet_frozen")
        if taker.closed or not taker.may_receive:
            raise Refused("recipient_unavailable")

    # --- by hand and by the clock ----------------------------------------------------------------------------------
    def adjust(self, debited: str, credited: str, amount: int, currency: str) -> Deal:
        """Between purses, what is parked (``suspense``) and what we bear (``expenses``). Neither freezes nor limits."""
        purses = [self.purses[name] for name in (debited, credited) if name in self.purses]
        if any(purse.currency != currency for purse in purses):
            raise Refused("currency_mismatch")
        if any(purse.closed for purse in purses):
            raise Refused("wallet_closed")
        giver = self.purses.get(debited)
        there = giver.posted - giver.held if giver else self.suspense[currency]
        if debited != "expenses" and there < amount:
            raise Refused("insufficient_funds")
        for name, change in ((debited, -amount), (credited, amount)):
            if name == "expenses":
                self.expenses[currency] -= change
            elif name == "suspense":
                self.suspense[currency] += change
            else:
                self.purses[name].posted += change
        return Deal("adjustment", "completed", None, None, amount, currency)

    def stand(self, payer: str, payee: str, amount: int, currency: str, retries: int, starts: int) -> Standing:
        if self.purses[payer].closed:
            raise Refused("wallet_closed")
        if self.purses[payee].closed:
            raise Refused("recipient_unavailable")
        if self.purses[payee].currency != currency:
            raise Refused("currency_mismatch")
        if payer == payee:
            raise Refused("self_transfer")
        self.standing.append(Standing(payer, payee, amount, currency, retries, starts))
        return self.standing[-1]

    def day_comes(self, today: int) -> list[tuple[Standing, int, Deal]]:
        """The transfers that are tried, those of earlier days first; then orders that are refused come to rest."""
        for order in self.standing:
            if order.state == "active" and order.starts <= today:
                order.runs[today] = "due"
        due = [(day, n) for n, order in enumerate(self.standing) for day, state in order.runs.items() if state == "due"]
        tried, refused = [], set()
        for day, n in sorted(due):
            order = self.standing[n]
            try:
                deal = self.start("transfer", order.payer, order.payee, order.amount, currency=order.currency)
                order.runs[day] = "completed"
            except Refused as error:
                deal = Deal("transfer", "failed", None, None, order.amount, order.currency)
                if error.code == "insufficient_funds":
                    order.tries[day] += 1
                    order.runs[day] = "unfunded" if order.tries[day] > order.retries else "due"
                else:
                    order.runs[day] = "failed"
                    refused.add(n)
            tried.append((order, day, deal))
        for order in (self.standing[n] for n in refused):
            ends = self.purses[order.payer].closed or self.purses[order.payee].closed
            if ends or order.refused_in_a_row >= 3:
                order.state = "ended" if ends else "paused"
                order.runs |= {day: "stopped" for day, state in order.runs.items() if state == "due"}
        return tried

    # --- requests --------------------------------------------------------------------------------------------------
    def ask_for(self, **asked: Any) -> Request:
        request = Request(**asked)
        if self.purses[request.payee].closed:
            raise Refused("wallet_closed")
        if request.amount is not None and (request.least, request.most) != (None, None):
            raise Refused("payment_request_not_whole")
        if request.least is not None and request.most is not None and request.least > request.most:
            raise Refused("payment_request_not_whole")
        self.requests.append(request)
        return request

    def pay_request(self, request: Request, payer: str, amount: int | None) -> Callable[[], Deal]:
        amount = request.amount if amount is None else amount
        if amount is None:
            raise Refused("payment_request_amount_missing", kept=False)
        kind = "hold" if request.confirms else "payment"
        return lambda: self.start(
            kind, payer, request.payee, amount, currency=request.currency, request=request
        )  # fmt: skip

    def may_use(self, request: Request, by: str, amount: int) -> None:
        if request.state == "cancelled":
            raise Refused("payment_request_cancelled")
        if request.max_uses is not None and request.used() >= request.max_uses:
            raise Refused("payment_request_used_up")
        if request.expired:
            raise Refused("payment_request_expired")
        if request.per_payer is not None and request.used(by) >= request.per_payer:
            raise Refused("payment_request_used_up_by_payer")
        if request.amount is not None and amount != request.amount:
            raise Refused("payment_request_amount_mismatch")
        if amount < (request.least or 0) or (request.most is not None and amount > request.most):
            raise Refused("payment_request_amount_out_of_bounds")

    def answer(self, deal: Deal, by: str, outcome: str) -> Deal | None:
        """The requester confirms or rejects what was promised; the payment, if it makes one."""
        use = self.use_of(deal)
        if use is None or deal.kind != "hold" or self.purses[use.request.payee].owner != by:
            raise Refused("payment_request_use_not_found")
        payment = None
        if self.noted(use) or use.answer:
            pass
        elif outcome == "confirmed":
            payment = self.capture(deal, deal.amount - deal.captured, final=True)
        else:
            self.settle(deal, "cancelled")
        self.noted(use)
        if use.answer != outcome:
            raise Refused("payment_request_use_answered")
        return payment

    def noted(self, use: Use) -> bool:
        """What its hold says became of it, whichever door ended that: noted once."""
        if use.answer or use.deal.kind != "hold" or use.deal.state == "pending":
            return False
        use.answer = {"cancelled": "rejected", "expired": "expired"}.get(use.deal.state, "confirmed")
        return True

    def use_of(self, deal: Deal) -> Use | None:
        return next((use for request in self.requests for use in request.uses if use.deal is deal), None)

    def note_ended(self) -> int:
        """Promises that ended by another door."""
        return sum(self.noted(use) for request in self.requests for use in request.uses)

    def cancel(self, request: Request) -> None:
        if request.state == "cancelled":
            return
        waits = any(use.deal.kind == "hold" and not use.answer for use in request.uses)
        used_up = request.max_uses is not None and request.used() >= request.max_uses
        if (used_up and not waits) or (not used_up and request.expired):
            raise Refused("payment_request_closed")
        request.state = "cancelled"

    def expire(self) -> int:
        late = [one for one in self.requests if one.expired and one.state == "open"]
        ended = [one for one in late if one.max_uses is None or one.used() < one.max_uses]
        for one in ended:
            one.state = "expired"
        return len(ended)

    # --- the end of a purse ----------------------------------------------------------------------------------------
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
