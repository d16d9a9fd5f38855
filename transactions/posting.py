"""The one road from a movement to the books: `post`, for one movement or for ten thousand.

lock, read, decide, write: the same statements for 1 and for 1,000. Everything between the reads and the writes is pure
Python over what was read (`deciding.py`, `rules/`), so that a refusal never spoils a batch and movements of one batch
see each other.

    1  who is named: business rows that are changed and what is claimed (locked), wallets and their owners
    2  the accounts, locked in the order of their ids; then, in a fresh snapshot: how the owners stand, live sessions,
       keys seen before, limits used
    3  decide
    4  the books: journals, entries, holds and balances in one statement; transactions, events, usage and what was
       claimed in another
    5  commit
"""

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, LiteralString
from uuid import UUID

from core.errors import OutcomeUnknown, Unavailable
from core.work import CONFLICTS, Work, unit_of_work
from fx.selectors import MARGINS
from ledger import books as ledger_books
from ledger.books import Books
from transactions.attempt import told_before
from transactions.deciding import decide, touched
from transactions.models import Kind
from transactions.movements import Movement, Order, Outcome
from transactions.policies import Standing, Used
from transactions.tariff import FIELDS, FREE, Fee, fee_of
from transactions.undoing import REVERSED
from transactions.world import Target, World
from wallets import parties as wallet_parties
from wallets.parties import Address

RETRIES = 3


def post(orders: Sequence[Order]) -> list[Outcome]:
    """Post a batch; outcomes in the order of ``orders``. Joins an open atomic block, else commits before it returns.

    A refusal is an outcome, not an exception. Orders that change the same transaction come into batches of their own,
    one after the other. Raises: OutcomeUnknown (a retry with the same keys tells), Unavailable or an error of psycopg's
    (nothing of that batch happened).
    Locks: transactions that are settled, captured or reversed; what is claimed; then every account, each set by primary
    key.
    """
    return [outcome for batch in batches(orders) for outcome in _post(batch)]


def batches(orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
    """In the same order; of each batch no two orders change the same transaction."""
    named: set[UUID] = set()
    first = 0
    for at, order in enumerate(orders):
        if not named.isdisjoint(names := _named(order)):
            yield orders[first:at]
            first, named = at, set()
        named.update(names)
    yield orders[first:]


def _post(orders: Sequence[Order]) -> list[Outcome]:
    for attempt in range(RETRIES + 1):
        try:
            with unit_of_work() as work:
                world = read(work, orders)
                decided = [decide(order, world) for order in orders]
                ledger_books.write(work, world.books)
                outcomes = [tell() for tell in decided]  # while PostgreSQL writes the books
                write(work, world)
            world.seen.clear()  # attempts and world hold each other: freed now, not when the collector comes by
        except OutcomeUnknown:
            raise
        except (*CONFLICTS, Unavailable):
            # A rival took the same key, reference or receipt, or a lock: on the next round it is seen. Or the database
            # came back since this connection was last used.
            if attempt == RETRIES:
                raise
            time.sleep(random.uniform(0, 0.01) * attempt)  # noqa: S311 (jitter)
        else:
            return outcomes
    raise AssertionError("unreachable")


def post_one(order: Order) -> Outcome:
    """`post` for a single movement: what admin actions, tasks and tests use."""
    return post([order])[0]


def dry_run(*orders: Order) -> tuple[Outcome, World]:
    """What `post` would answer now to the last of ``orders``, and the world it would write; nothing is written, nobody
    is locked out.

    A refusal is an outcome without transaction: no attempt is kept of a question.
    """
    with unit_of_work() as work:
        world = read(work, orders, peek=True)
        outcome = [decide(order, world)() for order in orders][-1]
    if outcome.error:
        for fact in ("transaction_id", "receipt"):
            outcome.error.facts.pop(fact, None)
    return replace(outcome, transaction=None, receipt=""), world


TARGETS = """
SELECT id, kind, state, payer_id, payee_id, amount, fee, payee_fee, currency, received, received_currency,
       reversed_amount, rail, receipt, created_at, refusal_code, rail_reference, due_at, completed_at,
       (SELECT (extract(epoch FROM max(at)) * 1000000)::bigint FROM transactions_event WHERE transaction_id = t.id)
FROM transactions_transaction t WHERE id = ANY(%s) ORDER BY id
"""
# The first statement of each batch. Plans are made once for the life of a connection, maybe while tables are small;
# what reaches every row through an index, and nothing else, stays right when they have grown.
START = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint,
       ARRAY(SELECT nextval('transactions_receipt') FROM generate_series(1, %s)),
       set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true)
"""
# Read after the lock, so that who was suspended or signed out while this batch waited for it is seen as such.
STANDING = """
SELECT id, state = 'active', tier, account_type, NULL::uuid FROM customers_customer WHERE id = ANY(%s)
UNION ALL
SELECT customer_id, NULL, NULL, NULL, id FROM customers_session WHERE id = ANY(%s) AND revoked_at IS NULL
"""
SEEN = """
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, t.caller, t.idempotency_key, t.id,
       t.receipt, t.kind, t.state, t.payer_id, t.payee_id, t.amount, t.fee, t.currency, t.created_at, t.refusal_code,
       t.answer_status, t.answer, t.fingerprint
FROM (SELECT 1) one LEFT JOIN (
    unnest(%s::text[], %s::text[]) AS asked(caller, key)
    JOIN transactions_transaction t ON t.caller = asked.caller AND t.idempotency_key = asked.key
) ON true
"""
REFERENCES = """
SELECT t.caller, t.reference FROM unnest(%s::text[], %s::text[]) AS asked(caller, reference)
JOIN transactions_transaction t ON t.caller = asked.caller AND t.reference = asked.reference
"""
# What counts against limits: what left on the day and in the month so far, and what is on its way in.
USED = """
SELECT asked.wallet, coalesce(sum(u.amount) FILTER (WHERE u.day = asked.day), 0)::bigint,
       coalesce(sum(u.amount), 0)::bigint,
       (SELECT coalesce(sum(t.amount - t.fee), 0)::bigint FROM transactions_transaction t
        WHERE t.payee_id = asked.wallet AND t.kind = 'top_up' AND t.state IN ('pending', 'processing', 'unknown'))
FROM unnest(%s::uuid[], %s::date[]) AS asked(wallet, day)
LEFT JOIN transactions_usage u
    ON u.wallet_id = asked.wallet AND u.day BETWEEN date_trunc('month', asked.day)::date AND asked.day
GROUP BY asked.wallet
"""


# What of its fees went back with earlier parts, by the books: to the payer, who got that much more than the amount of
# the part; and all of it. And what was waived of them.
FEES_RETURNED = """
SELECT original, coalesce(sum(to_payer), 0)::bigint, coalesce(sum(fees), 0)::bigint FROM (
    SELECT r.reverses_id AS original,
           sum(e.amount - r.amount) FILTER (WHERE a.code = 'liability:wallet:' || r.payee_id) AS to_payer,
           sum(e.side * e.amount) FILTER (WHERE starts_with(a.code, 'income:fees:')) AS fees
    FROM transactions_transaction r
    JOIN ledger_entry e ON e.journal_id = r.id JOIN ledger_account a ON a.id = e.account_id
    WHERE r.reverses_id = ANY(%s) AND r.state = 'completed' GROUP BY r.reverses_id
    UNION ALL
    SELECT transaction_id, sum(amount) FILTER (WHERE NOT of_payee), sum(amount) FROM transactions_waivedfee
    WHERE transaction_id = ANY(%s) GROUP BY transaction_id
) given GROUP BY original
"""


def shares(to_payer: int, fees: int, *, is_exchange: bool) -> tuple[int, int]:
    """What of its fees payer and payee have back, by a row of `FEES_RETURNED`. Of an exchange all is the payer's; what
    they got beside it may be more or less than the amount, for it may have been undone at another rate."""
    return (fees, 0) if is_exchange else (to_payer, fees - to_payer)


# How far holds were captured, when they expire, and at what price they were placed: the row of the rule itself, for the
# tariff in memory may be older than the hold. A plain rule is told whole.
CAPTURED = f"""
SELECT h.hold, h.expires_at, taken.amount, taken.fee, taken.payee_fee, (e.facts -> 'fee')::text, rule.*
FROM ledger_holdevent h
CROSS JOIN LATERAL (
    SELECT coalesce(sum(t.amount), 0)::bigint AS amount, coalesce(sum(t.fee), 0)::bigint AS fee,
           coalesce(sum(t.payee_fee), 0)::bigint AS payee_fee
    FROM transactions_transaction t
    WHERE t.hold_id = h.hold AND t.state IN ('completed', 'partially_reversed', 'reversed')
) taken
JOIN transactions_event e ON e.id = h.hold
LEFT JOIN LATERAL (
    SELECT {FIELDS} FROM transactions_feerule WHERE id = (e.facts -> 'fee' ->> 'rule')::bigint
) rule ON true
WHERE h.hold = ANY(%s) AND h.kind = 'placed'
"""  # noqa: S608


# In the words of the index that it goes by.
OPEN_HOLDS = """
SELECT payer_id, count(*) FROM transactions_transaction
WHERE payer_id = ANY(%s) AND kind = 'hold' AND state = 'pending' AND hold_id IS NULL
GROUP BY payer_id
"""


def _named(order: Order) -> list[UUID]:
    """The transactions that an order may change."""
    names = (order.reverses, order.hold) if isinstance(order, Movement) else (order.transaction,)
    return [name for name in names if name]


def read(work: Work, orders: Sequence[Order], *, peek: bool = False) -> World:
    """Load and lock what these orders are about; with ``peek`` only load it."""
    world = World()
    movements = [order for order in orders if isinstance(order, Movement)]
    start = work.run(START, 0 if peek else len(movements))
    if wanted := {name for order in orders for name in _named(order)}:
        targets = work.run(TARGETS if peek else TARGETS + "FOR NO KEY UPDATE OF t", list(wanted)).fetchall()
        world.targets = {row[0]: Target(**dict(zip(Target.__struct_fields__, row, strict=False))) for row in targets}

    # In an order that every process has, or two batches with claims of two kinds could wait for each other.
    for kind in sorted({m.claim.batch for m in movements if m.claim}, key=lambda kind: kind.__name__):
        claimed = kind([m.claim for m in movements if m.claim and m.claim.batch is kind])
        claimed.ask(work, peek=peek)
        world.claims[kind] = claimed

    addresses = {address for m in movements for address in (m.payer, m.payee) if address}
    addresses |= {
        Address("wallet", str(wallet)) for t in world.targets.values() for wallet in (t.payer_id, t.payee_id) if wallet
    }
    asked = wallet_parties.find(work, addresses)
    world.now_us, numbers, *_ = start.fetchall()[0]
    if not peek:
        world.receipts = iter(numbers)
    world.parties = wallet_parties.found(asked)
    for claimed in world.claims.values():
        claimed.fetch()

    codes = list({party.account for party in world.parties}.union(*(touched(order, world) for order in orders)))
    locked = ledger_books.peek(work, codes) if peek else ledger_books.lock(work, codes)
    sessions = list({m.session for m in movements if m.session})
    standing = work.run(STANDING, list({party.customer for party in world.parties}), sessions)
    seen = work.run(SEEN, [m.caller for m in movements], [m.key for m in movements])
    may_go_back = [target for target in world.targets.values() if target.kind in REVERSED]
    charged = [target.id for target in may_go_back if target.fee or target.payee_fee]
    returned = work.run(FEES_RETURNED, charged, charged) if charged else None
    exchanged = [target.id for target in world.targets.values() if target.received]
    margins = work.run(MARGINS, exchanged) if exchanged else None
    holds = [target.id for target in world.targets.values() if target.kind == Kind.HOLD]
    captured = work.run(CAPTURED, holds) if holds else None
    promising = {world.parties.at(m.payer, m.currency) for m in movements if m.kind == Kind.HOLD and m.payer}
    open_holds = work.run(OPEN_HOLDS, [party.wallet for party in promising if party]) if promising else None
    named = [m for m in movements if m.reference]
    references = work.run(REFERENCES, [m.caller for m in named], [m.reference for m in named]) if named else None
    named_in = [
        world.parties.at(address, currency) for m in movements
        for address, currency in ((m.payer, m.currency), (m.payee, m.received_currency or m.currency)) if address
    ]  # fmt: skip
    todays = {party.wallet: world.today(party) for party in named_in if party}
    used = work.run(USED, list(todays), list(todays.values())) if todays else None
    open_from = ledger_books.open_from(work) if any(m.effective_at for m in movements) else None

    accounts = ledger_books.held_accounts(work, locked, codes, peek=peek)
    for customer, is_active, tier, account_type, session in standing.fetchall():
        if session is None:
            world.standings[customer] = Standing(is_active, tier, account_type)
        else:
            world.live_sessions[session] = customer
    for now_us, caller, key, *columns in seen.fetchall():
        world.now_us = now_us
        if caller is not None:
            world.seen[caller, key] = partial(told_before, *columns)
    # What happens to a transaction is later than what happened to it before, also where a clock was set back meanwhile.
    world.now_us = max([world.now_us, *(target.last_us for target in world.targets.values())])
    world.books = Books(accounts, world.now_us, *(open_from.fetchone() if open_from else ()))
    for original, to_payer, fees in returned.fetchall() if returned else ():
        target = world.targets[original]
        target.fee_returned, target.payee_fee_returned = shares(to_payer, fees, is_exchange=bool(target.received))
    for hold, expires_at, taken, fee, payee_fee, priced, *rule in captured.fetchall() if captured else ():
        target, said = world.targets[hold], json.loads(priced)
        target.expires_at = expires_at
        target.captured, target.captured_fee, target.captured_payee_fee = taken, fee, payee_fee
        target.price = fee_of(rule) if "rule" in said else Fee(said["flat"], said["bps"], FREE.effective_from)
        target.waived_bps, target.payee_waived_bps = said.get("waived_bps", 0), said.get("payee_waived_bps", 0)
    world.open_holds = dict(open_holds.fetchall()) if open_holds else {}
    for exchange, margin in margins.fetchall() if margins else ():
        world.targets[exchange].margin = margin
    if references:
        world.references = set(references.fetchall())
    if used:
        world.used = {wallet: Used(todays[wallet], *used_so_far) for wallet, *used_so_far in used.fetchall()}
    return world


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
    """Write transactions and their changes, events with their outbox rows, what was claimed, and usage."""
    if not world.events:
        return
    new: dict[LiteralString, Sequence[Any]] = {
        "transactions_transaction": world.born,
        "transactions_event": world.events,
        "transactions_outboxentry": [{"event_id": event.id} for event in world.events],
        **dict(claimed.taken() for claimed in world.claims.values()),
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
