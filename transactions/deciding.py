"""Accept or refuse: pure Python over one batch in memory (`World`), tested without a database and against a model.

What is accepted is posted onto the accounts in memory at once, so that the next movement of the batch sees it; the
clock and the numbers of receipts are the batch's own, and the only dice are those of ids.
"""

from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from core.errors import AmountNotPositive, Declined, IllegalTransition, TekanaError
from core.ids import new_receipt, uuid7
from ledger import books as ledger_books
from ledger.chart import CREDIT, DEBIT, fee_income, rail_float, receivable, suspense, type_of, wallet_account
from transactions import journals
from transactions.errors import (
    AmountBelowFee,
    CurrencyMismatch,
    IdempotencyKeyReused,
    InsufficientFunds,
    MoreThanOwed,
    NotReversible,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientShort,
    ReferenceTaken,
    ReversalExceedsOriginal,
    SelfTransfer,
    ShortfallChanged,
    TransactionNotFound,
)
from transactions.models import LEGAL, OPEN, PAYS_AT_ONCE, REVERSIBLE, THROUGH_A_RAIL, Kind, State
from transactions.movements import Holding, Movement, Order, Outcome, Settlement
from transactions.policies import Case, ask
from transactions.world import EventRow, Target, Tell, TransactionRow, World
from wallets.errors import WalletClosed, WalletNotFound
from wallets.parties import Address, Party

RELEASED_AS = {State.COMPLETED: "captured", State.FAILED: "voided", State.CANCELLED: "voided", State.EXPIRED: "expired"}
FINAL = frozenset(RELEASED_AS)


def decide(order: Order, world: World) -> Tell:
    """Accept or refuse one order against the world as the orders before it left it. Pure but for the dice of ids.

    What it decides is posted onto the accounts in memory before it returns. What it returns tells the outcome, and with
    it writes up transaction and event: Python does that while PostgreSQL writes the books.

    A refusal that is understood (Declined) keeps its row and code; one that is not (nobody there, not yours, another
    body under the same key) leaves nothing behind. Its traceback is dropped: it is an answer, and the frames would
    keep the whole batch in memory.
    """
    if not isinstance(order, Movement):
        try:
            return _known(_settle(order, world) if isinstance(order, Settlement) else _set_aside(order, world))
        except TekanaError as error:
            return _known(Outcome(error.with_traceback(None)))
    if past := world.seen.get((order.caller, order.key)):
        return partial(_told_again, past, order)
    if order.reference and (order.caller, order.reference) in world.references:
        return _known(Outcome(ReferenceTaken(reference=order.reference)))
    try:
        attempt = _Attempt(order, world)
        attempt.decide()
    except TekanaError as error:
        return _known(Outcome(error.with_traceback(None)))
    world.seen[order.caller, order.key] = attempt.tell
    if order.reference:
        world.references.add((order.caller, order.reference))
    return attempt.tell


def _known(outcome: Outcome) -> Tell:
    return lambda: outcome


def _told_again(first: Tell, order: Movement) -> Outcome:
    """The first answer to this key, if it was asked for the same thing."""
    outcome = first()
    if outcome.fingerprint != order.fingerprint:
        return Outcome(IdempotencyKeyReused())
    return replace(outcome, replayed=True)


class _Attempt:
    """One movement being decided: who it is between, what it costs, what becomes of it."""

    def __init__(self, order: Movement, world: World) -> None:
        """Raises: WalletNotFound (no such wallet, or not the caller's), TransactionNotFound, AmountNotPositive."""
        self.order, self.world = order, world
        self.moment = world.books.tick()
        self.id = uuid7(self.moment.us)
        self.state: str = State.COMPLETED
        self.fee = 0
        self.facts: dict[str, Any] = {}
        self.balance_after: int | None = None
        self.refused: Declined | None = None
        self.original: Target | None = None
        self._told: Outcome | None = None
        if order.amount <= 0:
            raise AmountNotPositive()
        if order.kind == Kind.REVERSAL:
            self.original = world.targets.get(order.reverses)  # type: ignore[arg-type]
            if self.original is None:
                raise TransactionNotFound()
            self.payer = self._party(self.original.payee_id)
            self.payee = self._party(self.original.payer_id)
        else:
            self.payer = world.parties.at(order.payer, order.currency) if order.payer else None
            self.payee = world.parties.at(order.payee, order.currency) if order.payee else None
            mine = self.payer if order.payer else self.payee
            if order.kind == Kind.ADJUSTMENT:  # names accounts, of which wallets are some
                return
            if mine is None or (order.owner and mine.customer != order.owner):
                raise WalletNotFound()

    def _party(self, wallet: UUID | None) -> Party | None:
        return self.world.parties.at(Address("wallet", str(wallet)), "") if wallet else None

    def decide(self) -> None:
        """Post it onto the accounts in memory, or note why not. Raises: a refusal of which nothing is kept."""
        try:
            self._accept()
        except Declined as refused:
            self.state, self.fee, self.balance_after = State.FAILED, 0, None
            self.facts["refusal"] = {"code": refused.code, "detail": refused.detail} | refused.facts
            refused.facts = refused.facts | {"transaction_id": str(self.id)}
            self.refused = refused.with_traceback(None)

    def _accept(self) -> None:
        if self.order.kind == Kind.REVERSAL:
            self._reverse()
            return
        if self.order.kind == Kind.ADJUSTMENT:
            self._adjust()
            return
        order, world = self.order, self.world
        if order.payer and order.payee and self.payee is None:
            self.facts["to"] = order.payee.masked
            raise RecipientHasNoWallet() if world.parties.knows(order.payee) else RecipientNotFound()
        if self.payer and self.payee and self.payer.wallet == self.payee.wallet:
            raise SelfTransfer()
        mine = self.payer or self.payee
        assert mine is not None
        today = world.today(mine)
        case = Case(
            order, self.payer, self.payee, world.books.accounts, world.standings, world.live_sessions, world.used,
            world.tariff, today,
        )  # fmt: skip
        ask(case, self.facts.setdefault("verdicts", {}))
        fee = world.tariff.fee(order.kind, order.currency, today)
        self.fee = fee.on(order.amount)
        self.facts["fee"] = {"minor": self.fee, "flat": fee.flat, "bps": fee.bps}
        if self.payer:
            self._take_from_payer(self.payer, today)
        elif order.amount <= self.fee:
            raise AmountBelowFee()
        if order.kind in PAYS_AT_ONCE:
            assert self.payer is not None and self.payee is not None
            self._post(
                journals.transfer_lines(self.payer.account, self.payee.account, order.amount, self.fee, self._fees)
            )
        elif order.settled:
            self._post(self._rail_lines(order.kind, mine.account, order.rail))
        else:
            self.state = State.PENDING
            if self.payer:
                world.books.hold(self.payer.account, order.amount + self.fee, hold=self.id, moment=self.moment)
            else:
                world.used[mine.wallet].coming += order.amount - self.fee
        self.balance_after = world.books.accounts[mine.account].posted

    def _take_from_payer(self, payer: Party, today: date) -> None:
        account = self.world.books.accounts[payer.account]
        needed = self.order.amount + self.fee
        if not account.can_give(needed):
            raise InsufficientFunds()
        self.world.count(payer, today, self.order.amount, 1)

    @property
    def _fees(self) -> str:
        return fee_income(self.order.kind, self.order.currency)

    def _rail_lines(self, kind: str, wallet: str, rail: str) -> list[ledger_books.Line]:
        lines = journals.top_up_lines if kind == Kind.TOP_UP else journals.cash_out_lines
        return lines(wallet, rail_float(rail, self.order.currency), self.order.amount, self.fee, self._fees)

    def _post(self, lines: list[ledger_books.Line], reverses: UUID | None = None, reverses_all: bool = False) -> None:
        self.world.books.post(
            lines, id=self.id, moment=self.moment, kind=self.order.kind, reference=f"{self.order.kind}:{self.id}",
            effective_at=self.order.effective_at, reverses=reverses, reverses_all=reverses_all,
        )  # fmt: skip

    def _reverse(self) -> None:
        """Mirror a transfer or payment, in whole or part. Freezes do not stop it: staff put right what went wrong."""
        order, original, accounts = self.order, self.original, self.world.books.accounts
        assert original is not None
        left = _left(original, order.amount)
        assert self.payer is not None and self.payee is not None
        giver, taker = accounts[self.payer.account], accounts[self.payee.account]
        if giver.closed or taker.closed:
            raise WalletClosed()
        missing = 0 if giver.can_give(order.amount) else order.amount - max(giver.available, 0)
        if order.owed and missing != order.owed:
            raise ShortfallChanged(shortfall_minor=missing)
        if missing and not order.owed:
            raise RecipientShort(shortfall_minor=missing)
        whole = order.amount == left
        returned = _fee_returned(original, order, whole)
        self.fee = 0
        self.facts["fee_returned_minor"] = returned
        if order.owed:
            self.facts["owed_minor"] = order.owed
        sides = (self.payee.account, self.payer.account, order.amount)
        fees = fee_income(original.kind, original.currency)
        owed = (receivable(original.id, original.currency), order.owed)
        self._post(
            journals.owed_reversal_lines(*sides, returned, fees, *owed)
            if order.owed
            else journals.reversal_lines(*sides, returned, fees),
            reverses=original.id,
            reverses_all=whole and original.reversed_amount == 0,
        )
        original.fee_returned += returned
        before, original.reversed_amount = original.state, original.reversed_amount + order.amount
        after = State.REVERSED if whole else State.PARTIALLY_REVERSED
        original.state, original.changed = after, True
        _event(
            self.world, original.id, before, after, order.caller, order.reason, order.request_id,
            {"reversed_by": str(self.id), "amount_minor": order.amount, "reason_code": order.reason_code},
        )  # fmt: skip
        self.balance_after = giver.posted

    def _adjust(self) -> None:
        """One account debited, another credited, as two people agreed. Neither freezes nor limits stop it; no wallet
        goes below zero, nor does suspense."""
        order, accounts = self.order, self.world.books.accounts
        debited, credited = accounts[order.debit], accounts[order.credit]
        if {debited.currency, credited.currency} != {order.currency}:
            raise CurrencyMismatch(f"Both accounts must hold {order.currency}.")
        if debited.closed or credited.closed:
            raise WalletClosed()
        if debited.normal_side == CREDIT and not _can_give(debited, order.amount):
            raise InsufficientFunds()
        if credited.normal_side == DEBIT and not credited.can_give(order.amount):
            raise MoreThanOwed(owed_minor=credited.available)
        self.facts |= {"debit": order.debit, "credit": order.credit}
        self._post(journals.adjustment_lines(order.debit, order.credit, order.amount))
        self.balance_after = debited.posted

    def tell(self) -> Outcome:
        """Write up transaction and event, once, and say what the caller is told."""
        if self._told is None:
            self._told = self._written_up()
        return self._told

    def _written_up(self) -> Outcome:
        order, world, refused, at = self.order, self.world, self.refused, self.moment.at
        receipt = new_receipt(self.moment.us, next(world.receipts))
        outcome = Outcome(
            refused, self.id, receipt, order.kind, self.state, self.payer.wallet if self.payer else None,
            self.payee.wallet if self.payee else None, order.amount, self.fee, order.currency, self.balance_after, at,
            fingerprint=order.fingerprint,
        )  # fmt: skip
        if refused:
            refused.facts["receipt"] = outcome.receipt
        if order.answer:
            status, answer = order.answer(outcome)
            outcome = replace(outcome, status=status, answer=answer)
        is_open = self.state == State.PENDING
        world.born.append(
            TransactionRow(
                id=self.id, receipt=outcome.receipt, kind=order.kind, state=self.state, payer_id=outcome.payer,
                payee_id=outcome.payee, amount=order.amount, fee=self.fee, currency=order.currency, memo=order.memo,
                caller=order.caller, reference=order.reference, idempotency_key=order.key,
                fingerprint=outcome.fingerprint, answer=outcome.answer, answer_status=outcome.status,
                refusal_code=refused.code if refused else "", reason_code=order.reason_code, rail=order.rail,
                destination=order.destination, reverses_id=order.reverses, created_at=at,
                due_at=at if is_open else None, completed_at=None if is_open else at,
            )
        )  # fmt: skip
        world.events.append(
            EventRow(
                id=self.id, transaction_id=self.id, type=f"transaction.{self.state}", from_state="",
                to_state=self.state, actor=order.caller, reason=order.reason, facts=self.facts,
                request_id=order.request_id, at=at,
            )
        )  # fmt: skip
        return outcome


def _can_give(account: ledger_books.Held, amount: int) -> bool:
    """Also where it was opened before accounts of its type had a floor (`ledger/chart.py`): each keeps its own."""
    floor = type_of(account.code).floor
    return account.can_give(amount) and (floor is None or account.available - amount >= floor)


def _left(original: Target, amount: int) -> int:
    """What of a transfer or payment can still be given back. Raises: NotReversible; ReversalExceedsOriginal, when
    ``amount`` is more."""
    if original.kind not in PAYS_AT_ONCE or original.state not in REVERSIBLE:
        raise NotReversible(
            f"A {Kind(original.kind).label} that is {State(original.state).label} cannot be reversed.".capitalize(),
            state=original.state,
        )
    left = original.amount - original.reversed_amount
    if amount > left:
        raise ReversalExceedsOriginal(left_minor=left)
    return left


def _fee_returned(original: Target, order: Movement, whole: bool) -> int:
    """What of the original's fee goes back with this part: never more in all than it was.

    By share each part takes what of the fee had gone back after it, in half-up rounding, less what had before it, so
    that the parts come to all of it whatever they are.
    """
    left = original.fee - original.fee_returned
    if not order.refunds_fee:
        return 0
    if not order.fee_by_share:
        return left if whole else 0
    before, after = (
        (2 * original.fee * part + original.amount) // (2 * original.amount)
        for part in (original.reversed_amount, original.reversed_amount + order.amount)
    )
    return min(after - before, left)


def _set_aside(order: Holding, world: World) -> Outcome:
    """Hold what is there of what a transaction brought to its payee, never more; or let go of such a hold.

    Freezes do not stop it: nothing leaves the wallet. Raises: TransactionNotFound, NotReversible,
    ReversalExceedsOriginal, WalletClosed; RecipientShort, when nothing at all is there.
    """
    target = world.targets.get(order.transaction)
    if target is None:
        raise TransactionNotFound()
    code, amount = wallet_account(target.payee_id), order.amount
    if order.kind != "placed":
        world.books.release(code, order.kind, amount, order.remaining, hold=order.hold, moment=world.books.tick())
        return _settled(target, replayed=False)
    _left(target, amount)
    account = world.books.accounts[code]
    if account.closed:
        raise WalletClosed()
    there = min(amount, max(account.available - (account.floor or 0), 0))
    if not there:
        raise RecipientShort(shortfall_minor=amount)
    world.books.hold(code, there, hold=order.hold, moment=world.books.tick(), expires_at=order.expires_at)
    return replace(_settled(target, replayed=False), amount=there)


def _settle(order: Settlement, world: World) -> Outcome:
    """Move an open transaction on: capture or let go of what it held, credit what came in.

    Already there is no error: whoever comes second is told what the first did. Freezes do not stop it, for the outside
    world has acted; money for a wallet closed meanwhile goes to suspense.
    """
    target = world.targets.get(order.transaction)
    if target is None:
        raise TransactionNotFound()
    if target.state == order.to:
        return _settled(target, replayed=True)
    if target.kind not in THROUGH_A_RAIL or target.state not in OPEN or (target.state, order.to) not in LEGAL:
        raise IllegalTransition(f"This {target.kind} is {target.state}.", state=target.state)
    accounts, moment = world.books.accounts, world.books.tick()
    before = target.state
    payer = world.parties.at(Address("wallet", str(target.payer_id)), "") if target.payer_id else None
    if payer and order.to in FINAL:
        world.books.release(
            payer.account, RELEASED_AS[State(order.to)], target.amount + target.fee, 0, hold=target.id, moment=moment
        )
        if order.to != State.COMPLETED:
            world.count(payer, world.tariff.day(payer.country, target.created_at), -target.amount, -1)
    if order.to == State.COMPLETED:
        rail, fees = rail_float(target.rail, target.currency), fee_income(target.kind, target.currency)
        if payer:
            lines = journals.cash_out_lines(payer.account, rail, target.amount, target.fee, fees)
        else:
            wallet = wallet_account(target.payee_id)
            into = suspense(target.currency) if accounts[wallet].closed else wallet
            lines = journals.top_up_lines(into, rail, target.amount, target.fee, fees)
        world.books.post(lines, id=target.id, moment=moment, kind=target.kind, reference=f"{target.kind}:{target.id}")
    target.state, target.changed = order.to, True
    target.refusal_code = order.refusal_code or target.refusal_code
    target.rail_reference = order.rail_reference or target.rail_reference
    target.due_at = None if order.to in FINAL else order.due_at
    target.completed_at = moment.at if order.to in FINAL else None
    _event(world, target.id, before, order.to, order.actor, order.reason, order.request_id, order.facts)
    return _settled(target, replayed=False)


def _settled(target: Target, *, replayed: bool) -> Outcome:
    return Outcome(
        None, target.id, target.receipt, target.kind, target.state, target.payer_id, target.payee_id, target.amount,
        target.fee, target.currency, None, target.created_at, replayed,
    )  # fmt: skip


def _event(
    world: World, transaction: UUID, before: str, after: str, actor: str, reason: str, request_id: str,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    """A change of state after the first; the event that a transaction is born with bears its id."""
    moment = world.books.tick()
    world.events.append(
        EventRow(
            id=uuid7(moment.us), transaction_id=transaction, type=f"transaction.{after}", from_state=before,
            to_state=after, actor=actor, reason=reason, facts=facts, request_id=request_id, at=moment.at,
        )
    )  # fmt: skip


def told_before(
    id: UUID, receipt: str, kind: str, state: str, payer: UUID | None, payee: UUID | None, amount: int, fee: int,
    currency: str, created_at: datetime, refusal_code: str, status: int | None, answer: str | None, fingerprint: str,
) -> Outcome:  # fmt: skip
    """What was answered the first time. A refusal is told again by its code."""
    error = refusal(refusal_code) if refusal_code and state == State.FAILED and status != 201 else None
    return Outcome(
        error, id, receipt, kind, state, payer, payee, amount, fee, currency, None, created_at, True, status, answer,
        fingerprint,
    )  # fmt: skip


def refusal(code: str) -> Declined:
    """The refusal class with this code, without the sentence and facts of the first time."""
    families = [Declined]
    for family in families:
        families += family.__subclasses__()
    return next((family() for family in families if family.code == code), Declined(code=code))
