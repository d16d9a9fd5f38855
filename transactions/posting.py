"""The one road from a movement to the books: `post`, for one movement or for ten thousand.

lock, read, decide, write: the same statements for 1 and for 1,000. Everything between the reads and the writes is pure
Python over what was read (`World`), so that one refusal never spoils a batch and two movements of one batch see each other.

    1  who is named: business rows that are changed (locked), wallets and owners, live sessions
    2  the accounts, locked in the order of their ids; then, in a fresh snapshot: keys seen before, limits used, holds
    3  decide
    4  the books: journals, entries, holds and balances in one statement; transactions, events, usage in another
    5  commit
"""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from psycopg import errors as pg

from core.errors import Declined, IllegalTransition, TekanaError
from core.ids import new_receipt, uuid7
from core.work import Work, unit_of_work
from ledger import books as ledger_books
from ledger.books import Books, instant
from ledger.chart import fee_income, rail_float, suspense, wallet_account
from transactions import journals, tariff
from transactions.errors import (
    IdempotencyKeyReused,
    InsufficientFunds,
    NotReversible,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientShort,
    ReferenceTaken,
    ReversalExceedsOriginal,
    SelfTransfer,
    TransactionNotFound,
)
from transactions.models import LEGAL, Kind, State
from transactions.movements import Movement, Outcome, Settlement
from transactions.policies import Case, Used, verdicts
from wallets import parties as wallet_parties
from wallets.errors import WalletClosed, WalletNotFound
from wallets.parties import Address, Parties, Party

Order = Movement | Settlement
RETRIES = 3
PAYS_AT_ONCE = frozenset({Kind.TRANSFER, Kind.PAYMENT})
THROUGH_A_RAIL = frozenset({Kind.TOP_UP, Kind.CASH_OUT})
REVERSIBLE = frozenset({State.COMPLETED, State.PARTIALLY_REVERSED})
RELEASED_AS = {State.COMPLETED: "captured", State.FAILED: "voided", State.CANCELLED: "voided", State.EXPIRED: "expired"}
FINAL = frozenset(RELEASED_AS)


class TransactionRow(msgspec.Struct, kw_only=True):
    """A row of transactions_transaction, column by column."""

    id: UUID
    receipt: str
    kind: str
    state: str
    amount: int
    fee: int
    currency: str
    memo: str
    caller: str
    reference: str | None
    idempotency_key: str
    fingerprint: str
    answer: str | None = None
    answer_status: int | None = None
    refusal_code: str = ""
    reversed_amount: int = 0
    reason_code: str = ""
    rail: str = ""
    rail_reference: str = ""
    destination: dict[str, str] | None = None
    due_at: datetime | None = None
    attempts: int = 0
    quarantined_at: datetime | None = None
    created_at: datetime
    completed_at: datetime | None = None
    payer_id: UUID | None
    payee_id: UUID | None
    reverses_id: UUID | None = None


class EventRow(msgspec.Struct, kw_only=True):
    """A row of transactions_event, column by column."""

    id: UUID
    transaction_id: UUID
    type: str
    from_state: str
    to_state: str
    actor: str
    reason: str
    facts: dict[str, Any]
    request_id: str
    at: datetime


class Target(msgspec.Struct, kw_only=True):
    """A transaction that is settled or reversed: locked, changed in memory, written back."""

    id: UUID
    kind: str
    state: str
    payer_id: UUID | None
    payee_id: UUID | None
    amount: int
    fee: int
    currency: str
    reversed_amount: int
    rail: str
    receipt: str
    created_at: datetime
    refusal_code: str
    rail_reference: str
    due_at: datetime | None
    completed_at: datetime | None
    changed: bool = False


class World:
    """Everything one batch was read to know, and everything it will write."""

    def __init__(self) -> None:
        self.tariff = tariff.current()
        self.now_us = 0
        self.targets: dict[UUID, Target] = {}
        self.fees_returned: dict[UUID, bool] = {}
        self.parties: Parties
        self.books: Books
        self.live_sessions: dict[UUID, UUID] = {}
        self.seen: dict[tuple[str, str], tuple[str, Outcome]] = {}
        self.references: set[tuple[str, str]] = set()
        self.used: dict[UUID, Used] = {}
        self.born: list[TransactionRow] = []
        self.events: list[EventRow] = []
        self.usage: dict[tuple[UUID, date], list[int]] = {}

    def today(self, party: Party) -> date:
        return self.tariff.day(party.country, instant(self.now_us))

    def lines(self) -> list[dict[str, Any]]:
        """What would be written into the books, for previews: account code, side in words, minor units."""
        codes = {account.id: account.code for account in self.books.accounts.values()}
        return [
            {
                "account": codes[entry.account_id],
                "side": "debit" if entry.side > 0 else "credit",
                "amount_minor": entry.amount,
                "balance_after_minor": entry.balance_after,
            }
            for entry in self.books.entries
        ]

    def count(self, party: Party, day: date, amount: int, count: int) -> None:
        """Count what leaves a wallet, or take it back, against its limits: here at once, in the database at the end."""
        total = self.usage.setdefault((party.wallet, day), [0, 0])
        total[0] += amount
        total[1] += count
        if party.wallet in self.used:
            self.used[party.wallet].day += amount
            self.used[party.wallet].month += amount


# --- the road ------------------------------------------------------------------------------------------------------
def post(orders: Sequence[Order]) -> list[Outcome]:
    """Post a batch; outcomes in the order of ``orders``. Joins an open atomic block, else commits before it returns.

    A refusal is an outcome, not an exception. Raises: core.errors.OutcomeUnknown (retry with the same keys tells),
    psycopg errors (nothing happened).
    Locks: transactions that are settled or reversed, then every account, each set by primary key.
    """
    for attempt in range(RETRIES + 1):
        try:
            with unit_of_work() as work:
                world = read(work, orders)
                outcomes = [decide(order, world) for order in orders]
                ledger_books.write(work, world.books)
                write(work, world)
        except (pg.DeadlockDetected, pg.SerializationFailure, pg.UniqueViolation):
            # A rival took the same key, reference or receipt, or a lock: on the next round it is seen.
            if attempt == RETRIES:
                raise
            time.sleep(random.uniform(0, 0.01) * attempt)  # noqa: S311 (jitter)
        else:
            return outcomes
    raise AssertionError("unreachable")


def post_one(order: Order) -> Outcome:
    """`post` for a single movement: what admin actions, tasks and tests use."""
    return post([order])[0]


def dry_run(order: Order) -> tuple[Outcome, World]:
    """What `post` would answer now, and the world it would write; nothing is written, nobody is locked out.

    A refusal is an outcome without transaction: no attempt is kept of a question.
    """
    with unit_of_work() as work:
        world = read(work, [order], peek=True)
        outcome = decide(order, world)
    if outcome.error:
        for fact in ("transaction_id", "receipt"):
            outcome.error.facts.pop(fact, None)
    return replace(outcome, transaction=None, receipt=""), world


# --- read ----------------------------------------------------------------------------------------------------------
TARGETS = """
SELECT id, kind, state, payer_id, payee_id, amount, fee, currency, reversed_amount, rail, receipt, created_at,
       refusal_code, rail_reference, due_at, completed_at
FROM transactions_transaction WHERE id = ANY(%s) ORDER BY id
"""
SESSIONS = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, s.id, s.customer_id
FROM (SELECT 1) one LEFT JOIN customers_session s ON s.id = ANY(%s) AND s.revoked_at IS NULL
"""
SEEN = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, t.caller, t.idempotency_key, t.fingerprint, t.id,
       t.receipt, t.kind, t.state, t.payer_id, t.payee_id, t.amount, t.fee, t.currency, t.created_at, t.refusal_code,
       t.answer_status, t.answer
FROM (SELECT 1) one LEFT JOIN (
    unnest(%s::text[], %s::text[]) AS asked(caller, key)
    JOIN transactions_transaction t ON t.caller = asked.caller AND t.idempotency_key = asked.key
) ON true
"""
REFERENCES = """
SELECT t.caller, t.reference FROM unnest(%s::text[], %s::text[]) AS asked(caller, reference)
JOIN transactions_transaction t ON t.caller = asked.caller AND t.reference = asked.reference
"""
USED = """
SELECT asked.wallet, coalesce(sum(u.amount) FILTER (WHERE u.day = asked.day), 0)::bigint,
       coalesce(sum(u.amount), 0)::bigint
FROM unnest(%s::uuid[], %s::date[]) AS asked(wallet, day)
LEFT JOIN transactions_usage u
    ON u.wallet_id = asked.wallet AND u.day BETWEEN date_trunc('month', asked.day)::date AND asked.day
GROUP BY asked.wallet
"""


def read(work: Work, orders: Sequence[Order], *, peek: bool = False) -> World:
    """Load and lock what these orders are about; with ``peek`` only load it."""
    world = World()
    movements = [order for order in orders if isinstance(order, Movement)]
    if wanted := {o.transaction if isinstance(o, Settlement) else o.reverses for o in orders} - {None}:
        targets = work.run(TARGETS if peek else TARGETS + "FOR NO KEY UPDATE", list(wanted)).fetchall()
        world.targets = {row[0]: Target(**dict(zip(Target.__struct_fields__, row, strict=False))) for row in targets}

    addresses = {address for m in movements for address in (m.payer, m.payee) if address}
    addresses |= {
        Address("wallet", str(wallet)) for t in world.targets.values() for wallet in (t.payer_id, t.payee_id) if wallet
    }
    asked = wallet_parties.find(work, addresses)
    sessions = work.run(SESSIONS, list({m.session for m in movements if m.session})).fetchall()
    world.now_us = sessions[0][0]
    world.live_sessions = {session: customer for _, session, customer in sessions if session}
    world.parties = wallet_parties.found(asked)

    codes = list(_codes(orders, world))
    locked = ledger_books.peek(work, codes) if peek else ledger_books.lock(work, codes)
    seen = work.run(SEEN, [m.caller for m in movements], [m.key for m in movements])
    named = [m for m in movements if m.reference]
    references = work.run(REFERENCES, [m.caller for m in named], [m.reference for m in named]) if named else None
    payers = {p.wallet: p for m in movements if m.payer and (p := world.parties.at(m.payer, m.currency))}
    used = work.run(USED, list(payers), [world.today(p) for p in payers.values()]) if payers else None

    accounts = ledger_books.held_accounts(work, locked, codes, peek=peek)
    for now_us, caller, key, fingerprint, *columns in seen.fetchall():
        world.now_us = now_us
        if caller is not None:
            world.seen[caller, key] = (fingerprint, _past(*columns))
    world.books = Books(accounts, world.now_us)
    if references:
        world.references = set(references.fetchall())
    if used:
        world.used = {wallet: Used(day, month) for wallet, day, month in used.fetchall()}
    return world


def _codes(orders: Iterable[Order], world: World) -> set[str]:
    """Every account these orders may touch."""
    codes = {party.account for party in world.parties}
    for order in orders:
        if isinstance(order, Settlement):
            if (target := world.targets.get(order.transaction)) and order.to == State.COMPLETED:
                codes |= {rail_float(target.rail, target.currency), suspense(target.currency)}
                if target.fee:
                    codes.add(fee_income(target.kind, target.currency))
        elif order.kind == Kind.REVERSAL:
            if (target := world.targets.get(order.reverses)) and target.fee:  # type: ignore[arg-type]
                codes.add(fee_income(target.kind, target.currency))
        else:
            if order.settled:
                codes.add(rail_float(order.rail, order.currency))
            if any(world.tariff.fee(order.kind, order.currency, date.max)[:2]):
                codes.add(fee_income(order.kind, order.currency))
    return codes


def _past(
    id: UUID, receipt: str, kind: str, state: str, payer: UUID | None, payee: UUID | None, amount: int, fee: int,
    currency: str, created_at: datetime, refusal_code: str, status: int | None, answer: str | None,
) -> Outcome:  # fmt: skip
    """What was answered the first time. A refusal is told again by its code."""
    error = refusal(refusal_code) if refusal_code and state == State.FAILED and status != 201 else None
    return Outcome(
        error, id, receipt, kind, state, payer, payee, amount, fee, currency, None, created_at, True, status, answer
    )


def refusal(code: str) -> Declined:
    """The refusal class with this code, without the sentence and facts of the first time."""
    families = [Declined]
    for family in families:
        families += family.__subclasses__()
    return next((family() for family in families if family.code == code), Declined(code=code))


# --- decide --------------------------------------------------------------------------------------------------------
def decide(order: Order, world: World) -> Outcome:
    """Accept or refuse one order against the world as the orders before it left it. Pure but for the clock and dice of ids.

    A refusal that is understood (Declined) keeps its row and code; one that is not (nobody there, not yours, another
    body under the same key) leaves nothing behind.
    """
    if isinstance(order, Settlement):
        try:
            return _settle(order, world)
        except TekanaError as error:
            return Outcome(error)
    if past := world.seen.get((order.caller, order.key)):
        fingerprint, outcome = past
        return replace(outcome, replayed=True) if fingerprint == order.fingerprint else Outcome(IdempotencyKeyReused())
    if order.reference and (order.caller, order.reference) in world.references:
        return Outcome(ReferenceTaken(reference=order.reference))
    try:
        attempt = _Attempt(order, world)
    except TekanaError as error:
        return Outcome(error)
    try:
        attempt.decide()
    except Declined as error:
        return attempt.refused(error)
    except TekanaError as error:
        return Outcome(error)
    return attempt.accepted()


class _Attempt:
    """One movement being decided: who it is between, what it costs, what becomes of it."""

    def __init__(self, order: Movement, world: World) -> None:
        """Raises: WalletNotFound (no such wallet, or not the caller's), TransactionNotFound."""
        self.order, self.world = order, world
        self.at_us = world.books.tick()
        self.id = uuid7(self.at_us)
        self.state: str = State.COMPLETED
        self.fee = 0
        self.facts: dict[str, Any] = {}
        self.balance_after: int | None = None
        self.original: Target | None = None
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
            if mine is None or (order.owner and mine.customer != order.owner):
                raise WalletNotFound()

    def _party(self, wallet: UUID | None) -> Party | None:
        return self.world.parties.at(Address("wallet", str(wallet)), "") if wallet else None

    def decide(self) -> None:
        """Post it onto the accounts in memory, or raise why not."""
        if self.order.kind == Kind.REVERSAL:
            self._reverse()
            return
        order, world = self.order, self.world
        if order.payer and order.payee and self.payee is None:
            raise RecipientHasNoWallet() if world.parties.knows(order.payee) else RecipientNotFound()
        if self.payer and self.payee and self.payer.wallet == self.payee.wallet:
            raise SelfTransfer()
        mine = self.payer or self.payee
        assert mine is not None
        today = world.today(mine)
        case = Case(
            order, self.payer, self.payee, world.books.accounts, world.live_sessions, world.used, world.tariff, today
        )
        self.facts["verdicts"] = verdicts(case)
        fee = world.tariff.fee(order.kind, order.currency, today)
        self.fee = fee.on(order.amount)
        self.facts["fee"] = {"minor": self.fee, "flat": fee.flat, "bps": fee.bps}
        if self.payer:
            self._take_from_payer(self.payer, today)
        if order.kind in PAYS_AT_ONCE:
            assert self.payer is not None and self.payee is not None
            self._post(journals.transfer_lines(self.payer.account, self.payee.account, order.amount, self.fee, self._fees))
        elif order.settled:
            self._post(self._rail_lines(order.kind, mine.account, order.rail))
        else:
            self.state = State.PENDING
            if self.payer:
                world.books.hold(self.payer.account, order.amount + self.fee, hold=self.id, at_us=self.at_us)
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
            lines, id=self.id, at_us=self.at_us, kind=self.order.kind, reference=f"{self.order.kind}:{self.id}",
            effective_at=self.order.effective_at, reverses=reverses, reverses_all=reverses_all,
        )  # fmt: skip

    def _reverse(self) -> None:
        """Mirror a transfer or payment, in whole or in part. Freezes do not stop it: staff put right what went wrong."""
        order, original, accounts = self.order, self.original, self.world.books.accounts
        assert original is not None
        if original.kind not in PAYS_AT_ONCE or original.state not in REVERSIBLE:
            raise NotReversible(f"A {original.kind} that is {original.state} cannot be reversed.", state=original.state)
        assert self.payer is not None and self.payee is not None
        left = original.amount - original.reversed_amount
        if order.amount > left:
            raise ReversalExceedsOriginal(left_minor=left)
        giver, taker = accounts[self.payer.account], accounts[self.payee.account]
        if giver.closed or taker.closed:
            raise WalletClosed()
        if not giver.can_give(order.amount):
            raise RecipientShort(shortfall_minor=order.amount - max(giver.available, 0))
        whole = order.amount == left
        returned = original.fee if whole and order.refunds_fee else 0
        self.fee = 0
        self.facts["fee_returned_minor"] = returned
        self._post(
            journals.reversal_lines(
                self.payee.account, self.payer.account, order.amount, returned, fee_income(original.kind, original.currency)
            ),
            reverses=original.id,
            reverses_all=whole and original.reversed_amount == 0,
        )
        before, original.reversed_amount = original.state, original.reversed_amount + order.amount
        after = State.REVERSED if whole else State.PARTIALLY_REVERSED
        original.changed = True
        if before != after:
            original.state = after
            _event(
                self.world, original.id, before, after, order.caller, order.reason, order.request_id,
                {"reversed_by": str(self.id), "amount_minor": order.amount, "reason_code": order.reason_code},
            )  # fmt: skip
        self.balance_after = giver.posted

    def accepted(self) -> Outcome:
        return self._born(self._outcome(None))

    def refused(self, error: Declined) -> Outcome:
        """Nothing moved; the row stays, with the code."""
        self.state, self.fee, self.balance_after = State.FAILED, 0, None
        self.facts["refusal"] = {"code": error.code, "detail": error.detail} | error.facts
        error.facts = error.facts | {"transaction_id": str(self.id)}
        return self._born(self._outcome(error))

    def _outcome(self, error: Declined | None) -> Outcome:
        order = self.order
        return Outcome(
            error, self.id, new_receipt(), order.kind, self.state, self.payer.wallet if self.payer else None,
            self.payee.wallet if self.payee else None, order.amount, self.fee, order.currency, self.balance_after,
            instant(self.at_us),
        )  # fmt: skip

    def _born(self, outcome: Outcome) -> Outcome:
        order, world = self.order, self.world
        if outcome.error:
            outcome.error.facts["receipt"] = outcome.receipt
        if order.answer:
            status, answer = order.answer(outcome)
            outcome = replace(outcome, status=status, answer=answer)
        world.born.append(
            TransactionRow(
                id=self.id, receipt=outcome.receipt, kind=order.kind, state=self.state, payer_id=outcome.payer,
                payee_id=outcome.payee, amount=order.amount, fee=self.fee, currency=order.currency, memo=order.memo,
                caller=order.caller, reference=order.reference, idempotency_key=order.key,
                fingerprint=order.fingerprint, answer=outcome.answer, answer_status=outcome.status,
                refusal_code=outcome.error.code if outcome.error else "", reason_code=order.reason_code,
                rail=order.rail, destination=order.destination, reverses_id=order.reverses,
                created_at=instant(self.at_us), due_at=instant(self.at_us) if self.state == State.PENDING else None,
                completed_at=None if self.state == State.PENDING else instant(self.at_us),
            )
        )  # fmt: skip
        _event(world, self.id, "", self.state, order.caller, order.reason, order.request_id, self.facts, self.at_us)
        world.seen[order.caller, order.key] = (order.fingerprint, outcome)
        if order.reference:
            world.references.add((order.caller, order.reference))
        return outcome


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
    if (target.state, order.to) not in LEGAL or target.kind not in THROUGH_A_RAIL:
        raise IllegalTransition(f"This {target.kind} is {target.state}.", state=target.state)
    accounts, at_us = world.books.accounts, world.books.tick()
    before = target.state
    payer = world.parties.at(Address("wallet", str(target.payer_id)), "") if target.payer_id else None
    if payer and order.to in FINAL:
        world.books.release(
            payer.account, RELEASED_AS[State(order.to)], target.amount + target.fee, 0, hold=target.id, at_us=at_us
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
        world.books.post(lines, id=target.id, at_us=at_us, kind=target.kind, reference=f"{target.kind}:{target.id}")
    target.state, target.changed = order.to, True
    target.refusal_code = order.refusal_code or target.refusal_code
    target.rail_reference = order.rail_reference or target.rail_reference
    target.due_at = None if order.to in FINAL else order.due_at
    target.completed_at = instant(at_us) if order.to in FINAL else None
    _event(
        world, target.id, before, order.to, order.actor, order.reason, order.request_id, order.facts, world.books.tick()
    )
    return _settled(target, replayed=False)


def _settled(target: Target, *, replayed: bool) -> Outcome:
    return Outcome(
        None, target.id, target.receipt, target.kind, target.state, target.payer_id, target.payee_id, target.amount,
        target.fee, target.currency, None, target.created_at, replayed,
    )  # fmt: skip


def _event(
    world: World, transaction: UUID, before: str, after: str, actor: str, reason: str, request_id: str,
    facts: dict[str, Any], at_us: int | None = None,
) -> None:  # fmt: skip
    at_us = world.books.tick() if at_us is None else at_us
    world.events.append(
        EventRow(
            id=uuid7(at_us), transaction_id=transaction, type=f"transaction.{after}", from_state=before, to_state=after,
            actor=actor, reason=reason, facts=facts, request_id=request_id, at=instant(at_us),
        )
    )  # fmt: skip


# --- write ---------------------------------------------------------------------------------------------------------
MOVE = """
UPDATE transactions_transaction t
SET state = n.state, reversed_amount = n.reversed_amount, refusal_code = n.refusal_code,
    rail_reference = n.rail_reference, due_at = n.due_at, completed_at = n.completed_at
FROM json_to_recordset(%s::json) AS n(id uuid, state text, reversed_amount bigint, refusal_code text,
                                      rail_reference text, due_at timestamptz, completed_at timestamptz)
WHERE t.id = n.id
"""
COUNT = """
INSERT INTO transactions_usage AS u (wallet_id, day, amount, count)
SELECT * FROM json_to_recordset(%s::json) AS n(wallet_id uuid, day date, amount bigint, count integer)
ON CONFLICT (wallet_id, day) DO UPDATE SET amount = u.amount + excluded.amount, count = u.count + excluded.count
"""


def write(work: Work, world: World) -> None:
    """Write transactions and their changes, events with their outbox rows, and usage."""
    if not world.events:
        return
    new = {
        "transactions_transaction": world.born,
        "transactions_event": world.events,
        "transactions_outboxentry": [{"event_id": event.id} for event in world.events],
    }
    if moved := [target for target in world.targets.values() if target.changed]:
        work.write(new, MOVE, moved)
        new = {}
    if world.usage or new:
        usage = [
            {"wallet_id": wallet, "day": day, "amount": amount, "count": count}
            for (wallet, day), (amount, count) in world.usage.items()
        ]
        work.write(new, COUNT, usage)
