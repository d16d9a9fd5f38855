"""One movement while it is decided: who it is between, what it costs, what becomes of it.

What the kinds have in common is here; what each does of its own is in `rules/`.
"""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET, UnsetType

from core.errors import Declined
from core.ids import new_receipt, uuid7
from fx.selectors import QuoteTerms
from ledger.books import Line
from ledger.chart import fee_income
from transactions.errors import AmountBelowFee, InsufficientFunds
from transactions.models import Kind, State
from transactions.movements import Movement, Outcome, Promise
from transactions.policies import Case, ask
from transactions.tariff import Side
from transactions.world import EventRow, Target, TransactionRow, World
from wallets.parties import Party


class Attempt:
    """``payer`` and ``payee`` are the sides whose wallets it moves; None where the money comes from or goes outside."""

    # Of holds and what is captured of them. ``asked``: the order as it came, where what it leaves open was filled in.
    due_at: datetime | None = None
    capture_at: datetime | UnsetType | None = UNSET
    promise: Promise | None = None
    asked: Movement | None = None

    def __init__(self, order: Movement, world: World, payer: Party | None, payee: Party | None) -> None:
        self.order, self.world, self.payer, self.payee = order, world, payer, payee
        self.moment = world.books.tick()
        self.id = uuid7(self.moment.us)
        self.state: str = State.COMPLETED
        self.fee = self.payee_fee = 0
        self.exchange: QuoteTerms | None = None
        self.received, self.received_currency = order.received, order.received_currency
        self.facts: dict[str, Any] = {}
        self.balance_after: int | None = None
        self.refused: Declined | None = None
        self._told: Outcome | None = None

    @property
    def mine(self) -> Party:
        """The caller's side: the payer, or the payee of money that comes in or is captured."""
        party = self.payee if self.order.hold else self.payer or self.payee
        assert party is not None
        return party

    @property
    def fee_account(self) -> str:
        return fee_income(self.order.kind, self.order.currency)

    def ask_policies(self) -> date:
        """Every policy in turn; the calendar day there. Raises: the first refusal, noted with what the others saw."""
        today, world = self.world.today(self.mine), self.world
        case = Case(
            self.order, self.payer, self.payee, world.books.accounts, world.standings, world.live_sessions, world.used,
            world.tariff, today,
        )  # fmt: skip
        ask(case, self.facts.setdefault("verdicts", {}))
        if claim := self.order.claim:
            world.claims[claim.batch].check(claim, self)
        return today

    @property
    def priced_as(self) -> str:
        """The kind whose fees it bears: what is held is going to be paid."""
        return Kind.PAYMENT if self.order.kind == Kind.HOLD else self.order.kind

    def charge(self, today: date) -> None:
        """What it costs each side, by the rule in force, less what they were granted. Raises: AmountBelowFee, when
        nothing would reach the payee."""
        order, tariff = self.order, self.world.tariff
        rule = tariff.fee(self.priced_as, order.currency, today, self._sides, order.rail)
        self.fee = rule.on(order.amount)
        said: dict[str, Any] = {"minor": self.fee, "flat": rule.flat, "bps": rule.bps}
        self.facts["fee"] = said
        if not rule.is_plain:
            self.fee, self.payee_fee = rule.shared(self.fee)
            said |= {"minor": self.fee, "rule": rule.id}
        if tariff.grants:
            self._spare(today, said)
        if self.payee_fee:
            said["payee_minor"] = self.payee_fee
            if self.payee_fee >= order.amount:
                raise AmountBelowFee()

    def _sides(self) -> tuple[Side | None, Side | None]:
        """What the tariff may ask of those it is between."""
        sides: list[Side | None] = []
        for party in (self.payer, self.payee):
            standing = self.world.standings[party.customer] if party else None
            sides.append(Side(party.country, standing.account_type, standing.tier) if party and standing else None)
        return sides[0], sides[1]

    def _spare(self, today: date, said: dict[str, Any]) -> None:
        """What either side was granted, off what is theirs to pay."""
        order, tariff = self.order, self.world.tariff
        waiver = tariff.waiver(self.mine.customer, self.priced_as, order.currency, today) if self.fee else None
        if waiver and (off := waiver.off(self.fee)):
            self.fee -= off
            said |= {"minor": self.fee, "waived_minor": off, "waiver": waiver.id, "waived_bps": waiver.bps}
        theirs = self.payee if self.payee_fee else None
        waiver = tariff.waiver(theirs.customer, self.priced_as, order.currency, today) if theirs else None
        if waiver and (off := waiver.off(self.payee_fee)):
            self.payee_fee -= off
            said |= {"payee_waived_minor": off, "payee_waiver": waiver.id, "payee_waived_bps": waiver.bps}

    def take_from_payer(self, today: date) -> None:
        """Count it against the payer's limits. Raises: InsufficientFunds, when amount and fee are not there."""
        assert self.payer is not None
        if not self.world.books.accounts[self.payer.account].can_give(self.order.amount + self.fee):
            raise InsufficientFunds()
        self.world.count(self.payer, today, self.order.amount, 1)

    def post(self, lines: list[Line], reverses: UUID | None = None, reverses_all: bool = False) -> None:
        """Its journal, onto the accounts in memory."""
        self.world.books.post(
            lines, id=self.id, moment=self.moment, kind=self.order.kind, reference=f"{self.order.kind}:{self.id}",
            effective_at=self.order.effective_at, reverses=reverses, reverses_all=reverses_all,
        )  # fmt: skip

    def refuse(self, refused: Declined) -> None:
        """A refusal that is understood: nothing moves, the attempt is kept with the code."""
        self.state, self.fee, self.payee_fee, self.balance_after = State.FAILED, 0, 0, None
        self.facts["refusal"] = {"code": refused.code, "detail": refused.detail} | refused.facts
        refused.facts = refused.facts | {"transaction_id": str(self.id)}
        self.refused = refused.with_traceback(None)

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
            fingerprint=(self.asked or order).fingerprint, promise=self.promise, payee_fee=self.payee_fee,
            received=order.received, received_currency=order.received_currency,
            quote=self.exchange.id if self.exchange else None,
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
                due_at=(self.due_at or at) if is_open else None, completed_at=None if is_open else at,
                hold_id=order.hold, received=self.received, received_currency=self.received_currency or None,
                payee_fee=self.payee_fee, order_reference=order.order_reference, capture_at=self.capture_at,
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


def note_change(
    world: World, target: Target, to: str, *, actor: str, reason: str, request_id: str, facts: dict[str, Any]
) -> None:
    """A change of state after the first, with its event; the event that a transaction is born with bears its id."""
    moment = world.books.tick()
    world.events.append(
        EventRow(
            id=uuid7(moment.us), transaction_id=target.id, type=f"transaction.{to}", from_state=target.state,
            to_state=to, actor=actor, reason=reason, facts=facts, request_id=request_id, at=moment.at,
        )
    )  # fmt: skip
    target.state, target.changed = to, True


def told_of(target: Target, *, replayed: bool = False) -> Outcome:
    """What whoever moved it on is told."""
    return Outcome(
        None, target.id, target.receipt, target.kind, target.state, target.payer_id, target.payee_id, target.amount,
        target.fee, target.currency, None, target.created_at, replayed,
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
