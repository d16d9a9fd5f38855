"""Proving that transactions and books tell the same story, on top of `ledger/verify.py`."""
# ruff: noqa: S608 (the queries are put together from our own text)

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction
from django.utils.module_loading import import_string

from ledger.verify import CHECKS as LEDGER_CHECKS
from ledger.verify import Check, Finding, HoldOwner, Result, run
from transactions.authority import MOST_ALONE, MOST_WAIVED_ALONE
from transactions.models import BORN, LEGAL, OPEN, State
from transactions.proving_exchanges import EXCHANGES, PROVIDER_USES
from transactions.proving_revaluations import REVALUATIONS

MOVED = "('completed', 'partially_reversed', 'reversed')"
# Its birth, each move, and each further part that was reversed.
STEPPED = LEGAL | {("", state) for state in BORN} | {(State.PARTIALLY_REVERSED, State.PARTIALLY_REVERSED)}
STEPS = ", ".join(f"('{before}', '{after}')" for before, after in sorted(STEPPED))
OWNERS: list[HoldOwner] = [import_string(path) for path in settings.HOLD_OWNERS]
OWNED = " UNION ALL ".join(one.ids for one in OWNERS) or "SELECT NULL::uuid AS id WHERE false"
MOST = ", ".join(f"('{currency}', {amount}::bigint)" for currency, amount in sorted(MOST_ALONE.items()))
# With one currency on both sides; of those with two, the entries are told again in a query of their own.
NO_EXCHANGE = """
    t.received IS NULL AND (t.reverses_id IS NULL OR NOT EXISTS (
        SELECT FROM transactions_transaction x WHERE x.id = t.reverses_id AND x.received IS NOT NULL))
"""
MOST_WAIVED = ", ".join(f"('{currency}', {amount}::bigint)" for currency, amount in sorted(MOST_WAIVED_ALONE.items()))
STILL_OPEN = ", ".join(f"'{state}'" for state in sorted(OPEN))
# Requests to give something back that a second person approved: what each posted, who asked, whom it was about.
GIVING_BACK = ("reversal", "receivable", "recall_consent")  # a proof names them itself; a test holds it to the program
APPROVED = f"""
    SELECT result ->> 'id' AS led_to, 'staff:' || maker_id AS maker, about FROM staff_approval
    WHERE state = 'approved' AND checker_id <> maker_id AND result ->> 'model' = 'transactions.transaction'
      AND operation IN {GIVING_BACK}
"""
# What the captures of each hold took of it.
TAKEN = f"""
    SELECT hold_id, sum(amount + fee) AS taken FROM transactions_transaction
    WHERE hold_id IS NOT NULL AND state IN {MOVED} GROUP BY hold_id
"""

WAIVED = (
    "(SELECT coalesce(sum(w.amount), 0) FROM transactions_waivedfee w WHERE w.transaction_id = o.id AND {} w.of_payee)"
)

CHECKS = [
    Check(
        "I1", "each transaction that moved money has its journal, on its own wallets with its amounts; no other has",
        f"""
        SELECT 'transaction ' || t.id, 'is ' || t.state || ' and its journal is missing'
        FROM transactions_transaction t LEFT JOIN ledger_journal j ON j.id = t.id
        WHERE t.state IN {MOVED} AND t.kind <> 'hold' AND j.id IS NULL
        UNION ALL
        SELECT 'journal ' || j.id, coalesce('its transaction is ' || t.state, 'has no transaction')
        FROM ledger_journal j LEFT JOIN transactions_transaction t ON t.id = j.id
        WHERE t.id IS NULL OR t.state NOT IN {MOVED} OR t.kind = 'hold'
        UNION ALL
        SELECT 'transaction ' || h.hold_id, 'its captures come to ' || h.amount || ' of ' || coalesce(t.amount, 0)
               || ', or are none of its payer and payee'
        FROM (
            SELECT c.hold_id, sum(c.amount) AS amount, bool_or(
                       c.kind <> 'payment' OR (c.payer_id, c.payee_id, c.currency)
                       IS DISTINCT FROM (o.payer_id, o.payee_id, o.currency)) AS foreign_one
            FROM transactions_transaction c LEFT JOIN transactions_transaction o ON o.id = c.hold_id
            WHERE c.hold_id IS NOT NULL AND c.state IN {MOVED} GROUP BY c.hold_id
        ) h LEFT JOIN transactions_transaction t ON t.id = h.hold_id AND t.kind = 'hold'
        WHERE t.id IS NULL OR h.foreign_one OR h.amount > t.amount
        UNION ALL
        SELECT 'transaction ' || id, 'says ' || amount || ' and a fee of ' || fee
               || CASE WHEN payee_fee > 0 THEN ', of the payee ' || payee_fee ELSE '' END
               || '; its journal moved ' || debits || ', ' || taken || ' from the payer, ' || given || ' to the payee, '
               || fees || ' to fees'
        FROM (
            SELECT t.id, t.kind, t.amount, t.fee, t.payee_fee, t.payer_id, t.payee_id,
                   bool_or(e.currency <> t.currency) AS foreign_money,
                   sum(e.amount) FILTER (WHERE e.side = 1) AS debits,
                   coalesce(sum(e.side * e.amount) FILTER (
                       WHERE a.code = 'liability:wallet:' || t.payer_id), 0) AS taken,
                   -coalesce(sum(e.side * e.amount) FILTER (
                       WHERE a.code = 'liability:wallet:' || t.payee_id
                          OR (t.kind = 'top_up' AND starts_with(a.code, 'liability:suspense:'))), 0) AS given,
                   -coalesce(sum(e.side * e.amount) FILTER (WHERE starts_with(a.code, 'income:fees:')), 0) AS fees,
                   coalesce(sum(e.side * e.amount) FILTER (
                       WHERE a.code = 'asset:receivable:' || t.reverses_id || ':' || t.currency), 0) AS owed,
                   count(*) FILTER (
                       WHERE starts_with(a.code, 'liability:wallet:')
                         AND a.code <> 'liability:wallet:' || coalesce(t.payer_id::text, '')
                         AND a.code <> 'liability:wallet:' || coalesce(t.payee_id::text, '')) AS strangers
            FROM transactions_transaction t
            JOIN ledger_entry e ON e.journal_id = t.id
            JOIN ledger_account a ON a.id = e.account_id
            WHERE {NO_EXCHANGE}
            GROUP BY t.id
        ) moved
        WHERE foreign_money OR strangers > 0 OR CASE kind
            WHEN 'top_up' THEN (debits, taken, given, fees) <> (amount, 0, amount - fee, fee)
            WHEN 'cash_out' THEN (debits, taken, given, fees) <> (amount + fee, amount + fee, 0, fee)
            WHEN 'reversal' THEN debits <> given OR given < amount OR taken + owed > amount
                OR given - taken - owed <> -fees
            WHEN 'refund' THEN debits <> given OR given < amount OR taken > amount OR given - taken <> -fees
            WHEN 'adjustment' THEN (debits, taken, given) <> (
                amount, CASE WHEN payer_id IS NULL THEN 0 ELSE amount END,
                CASE WHEN payee_id IS NULL THEN 0 ELSE amount END)
            ELSE (debits, taken, given, fees) <> (amount + fee, amount + fee, amount - payee_fee, fee + payee_fee) END
        UNION ALL
        {EXCHANGES}
        UNION ALL
        {PROVIDER_USES}
        UNION ALL
        {REVALUATIONS}
        UNION ALL
        SELECT 'transaction ' || t.id, 'adjusts the books and was approved by nobody'
        FROM transactions_transaction t
        LEFT JOIN staff_approval a ON 'approval-' || a.id = t.idempotency_key
            AND a.operation IN ('adjustment', 'collection', 'write_off')
            AND a.state = 'approved' AND a.checker_id <> a.maker_id
        LEFT JOIN transactions_waivedfee w ON w.movement_id = t.id
        WHERE t.kind = 'adjustment' AND a.id IS NULL AND w.id IS NULL AND NOT EXISTS (
            SELECT FROM transactions_revaluationline l WHERE t.id IN (l.movement_id, l.undo_id))
        UNION ALL
        SELECT 'transaction ' || t.id, 'a waiver of its fee says something else than its adjustment'
        FROM transactions_waivedfee w
        JOIN transactions_transaction t ON t.id = w.transaction_id
        LEFT JOIN transactions_transaction m ON m.id = w.movement_id
        WHERE (m.kind, m.state, m.amount, m.currency, m.payee_id) IS DISTINCT FROM (
                  'adjustment', 'completed', w.amount, t.currency,
                  CASE WHEN w.of_payee OR t.payer_id IS NULL THEN t.payee_id ELSE t.payer_id END)
           OR NOT EXISTS (
                  SELECT FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
                  WHERE e.journal_id = m.id AND e.side = 1 AND e.amount = w.amount
                    AND a.code = 'income:fees:' || t.kind || ':' || t.currency)
        UNION ALL
        SELECT 'transaction ' || t.id, sum(w.amount) || ' of its fee was waived without a second person'
        FROM transactions_waivedfee w
        JOIN transactions_transaction t ON t.id = w.transaction_id
        LEFT JOIN staff_approval a ON a.result ->> 'id' = w.movement_id::text AND a.operation = 'fee_return'
            AND a.state = 'approved' AND a.checker_id <> a.maker_id
        LEFT JOIN (VALUES {MOST_WAIVED}) most (currency, amount) ON most.currency = t.currency
        WHERE a.id IS NULL
        GROUP BY t.id, most.amount
        HAVING sum(w.amount) > coalesce(most.amount, 0)
        UNION ALL
        SELECT 'transaction ' || t.id, 'leaves its recipient owing ' || e.amount || ' and was approved by nobody'
        FROM ledger_account l
        JOIN ledger_entry e ON e.account_id = l.id AND e.side = 1
        JOIN transactions_transaction t ON t.id = e.journal_id
        LEFT JOIN staff_approval a ON 'approval-' || a.id = t.idempotency_key AND a.operation = 'receivable'
            AND a.state = 'approved' AND a.checker_id <> a.maker_id
        WHERE starts_with(l.code, 'asset:receivable:') AND a.id IS NULL
        UNION ALL
        SELECT 'transaction ' || t.id, 'says that a second person approved it, and nobody did'
        FROM transactions_transaction t
        LEFT JOIN ({APPROVED}) a ON a.led_to = t.id::text AND a.maker = t.caller AND a.about @> ARRAY[
            'transactions.transaction:' || t.reverses_id]::varchar[]
        WHERE t.kind = 'reversal' AND t.state = 'completed' AND starts_with(t.caller, 'staff:')
          AND starts_with(t.idempotency_key, 'approval-') AND a.led_to IS NULL
        UNION ALL
        SELECT 'transaction ' || t.reverses_id, sum(t.amount) || ' of it was given back without a second person'
        FROM transactions_transaction t
        LEFT JOIN ({APPROVED}) a ON a.led_to = t.id::text
        LEFT JOIN (VALUES {MOST}) most (currency, amount) ON most.currency = t.currency
        WHERE t.kind = 'reversal' AND t.state = 'completed' AND starts_with(t.caller, 'staff:') AND a.led_to IS NULL
        GROUP BY t.reverses_id, most.amount
        HAVING sum(t.amount) > coalesce(most.amount, 0)
        UNION ALL
        SELECT coalesce(l.code, 'receivable ' || r.id), CASE
                   WHEN r.id IS NULL THEN 'belongs to no receivable'
                   ELSE 'is not on the account of its payment, or owed by another than its recipient' END
        FROM (SELECT * FROM ledger_account WHERE starts_with(code, 'asset:receivable:')) l
        FULL JOIN transactions_receivable r ON r.account_id = l.id
        LEFT JOIN transactions_transaction t ON t.id = r.transaction_id
        WHERE r.id IS NULL OR l.id IS NULL OR l.code <> 'asset:receivable:' || t.id || ':' || t.currency
           OR r.debtor_id IS DISTINCT FROM t.payee_id OR r.currency <> t.currency
        UNION ALL
        SELECT 'transaction ' || o.id, CASE
                   WHEN o.reversed_amount <> coalesce(sum(r.amount), 0)
                   THEN 'says ' || o.reversed_amount || ' was reversed, its reversals come to '
                        || coalesce(sum(r.amount), 0)
                   ELSE 'its reversals did not mirror it: they name another original, payer or payee, or returned '
                        || -coalesce(sum(r.fees), 0) || ' of its fee of ' || (o.fee + o.payee_fee) || ', of it '
                        || coalesce(sum(r.to_payer), 0) || ' to the payer' END
        FROM transactions_transaction o
        LEFT JOIN (
            SELECT r.*, j.reverses_id AS mirrored, (
                       SELECT -sum(e.side * e.amount) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
                       WHERE e.journal_id = r.id AND starts_with(a.code, 'income:fees:')) AS fees, (
                       SELECT sum(-e.side * e.amount) FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id
                       WHERE e.journal_id = r.id AND a.code IN (
                           'liability:wallet:' || r.payee_id, 'income:fx_result:' || r.currency)) - r.amount AS to_payer
            FROM transactions_transaction r JOIN ledger_journal j ON j.id = r.id
            WHERE r.reverses_id IS NOT NULL AND r.state = 'completed'
        ) r ON r.reverses_id = o.id
        WHERE o.reversed_amount > 0 OR r.id IS NOT NULL
        GROUP BY o.id
        HAVING o.reversed_amount <> coalesce(sum(r.amount), 0)
            OR coalesce(sum(r.to_payer), 0) NOT BETWEEN 0 AND o.fee - {WAIVED.format("NOT")}
            OR -coalesce(sum(coalesce(r.fees, 0) + r.to_payer), 0) NOT BETWEEN 0 AND o.payee_fee - {WAIVED.format("")}
            OR bool_or((r.mirrored, r.payer_id, r.payee_id) IS DISTINCT FROM (o.id, o.payee_id, o.payer_id))
        UNION ALL
        SELECT 'wallet ' || w.id, 'points to ' || a.code || ' in ' || a.currency
        FROM wallets_wallet w JOIN ledger_account a ON a.id = w.account_id
        WHERE a.code <> 'liability:wallet:' || w.id OR a.currency <> w.currency
        """,
    ),
    Check(
        "I7", "each transaction has the events that lead to its state, one for each legal step",
        f"""
        SELECT 'transaction ' || coalesce(t.id, e.transaction_id), CASE
                   WHEN t.id IS NULL THEN 'has events and does not exist'
                   WHEN e.torn THEN 'event ' || e.id || ' does not follow from the one before'
                   ELSE 'is ' || t.state || '; its events lead to ' || coalesce(e.to_state, 'nothing') END
        FROM transactions_transaction t
        FULL JOIN (
            SELECT id, transaction_id, to_state,
                   from_state <> lag(to_state, 1, '') OVER chain OR (from_state, to_state) NOT IN ({STEPS}) AS torn,
                   lead(id) OVER chain IS NULL AS is_last
            FROM transactions_event WINDOW chain AS (PARTITION BY transaction_id ORDER BY id)
        ) e ON e.transaction_id = t.id
        WHERE t.id IS NULL OR e.id IS NULL OR e.torn OR (e.is_last AND e.to_state <> t.state)
        UNION ALL
        SELECT 'outbox entry ' || o.event_id, 'has no event'
        FROM transactions_outboxentry o LEFT JOIN transactions_event e ON e.id = o.event_id WHERE e.id IS NULL
        """,
    ),
    # Read as text: an answer that is not even JSON is an offender, not an error.
    Check(
        "I8", "a kept answer tells of its own transaction, and of a refusal when it was refused",
        """
        SELECT 'transaction ' || id, 'the kept answer tells of something else'
        FROM transactions_transaction
        WHERE (answer IS NULL) <> (answer_status IS NULL)
           OR strpos(answer, '"' || id || '"') = 0 OR strpos(answer, '"' || receipt || '"') = 0
           OR (answer_status >= 400) <> (strpos(answer, '"code"') > 0)
           OR (answer_status >= 400 AND (state <> 'failed' OR strpos(answer, '"' || refusal_code || '"') = 0))
        """,
    ),
    Check(
        "I9",
        "what was refused or called off moved nothing and holds nothing;"
        " an open cash-out, hold or recall holds its money; a payment request was paid as often as it says",
        f"""
        SELECT coalesce('transaction ' || t.id, 'hold ' || h.hold),
               coalesce('is ' || t.state || ' and', 'has no transaction and') || ' holds ' || coalesce(h.remaining, 0)
        FROM transactions_transaction t
        FULL JOIN (
            SELECT hold, sum(CASE kind WHEN 'placed' THEN amount ELSE -amount END) AS remaining
            FROM ledger_holdevent e WHERE NOT EXISTS (SELECT FROM ({OWNED}) o WHERE o.id = e.hold)
            GROUP BY hold
        ) h ON h.hold = t.id
        LEFT JOIN ({TAKEN}) c ON c.hold_id = t.id
        WHERE t.id IS NULL OR coalesce(h.remaining, 0) <> CASE
            WHEN t.kind IN ('cash_out', 'hold') AND t.state IN ({STILL_OPEN})
            THEN t.amount + t.fee - coalesce(c.taken, 0) ELSE 0 END
        UNION ALL
        SELECT 'transaction ' || t.id, 'is ' || t.state || '; its captures took ' || coalesce(c.taken, 0)
               || ', its hold let go of ' || coalesce(h.captured, 0) || ' for them'
        FROM transactions_transaction t
        LEFT JOIN ({TAKEN}) c ON c.hold_id = t.id
        LEFT JOIN (
            SELECT hold, sum(amount) AS captured FROM ledger_holdevent WHERE kind = 'captured' GROUP BY hold
        ) h ON h.hold = t.id
        WHERE t.kind = 'hold'
          AND (coalesce(c.taken, 0) <> coalesce(h.captured, 0) OR CASE
              WHEN t.state IN ({STILL_OPEN}) THEN c.taken >= t.amount + t.fee
              ELSE (t.state = 'completed') <> (c.taken IS NOT NULL) END)
        UNION ALL
        SELECT 'transaction ' || t.id, 'is ' || t.state || ' and has entries'
        FROM transactions_transaction t
        WHERE t.state NOT IN {MOVED} AND EXISTS (SELECT FROM ledger_entry e WHERE e.journal_id = t.id)
        {"".join(f"UNION ALL {one.offenders}" for one in OWNERS)}
        """,
    ),
]  # fmt: skip

COUNTED = {
    "accounts": "ledger_account", "entries": "ledger_entry", "hold events": "ledger_holdevent",
    "transactions": "transactions_transaction", "events": "transactions_event",
}  # fmt: skip


class Proof(NamedTuple):
    """What a run found, in how many rows, in how long."""

    at: datetime
    results: list[Result]
    counts: dict[str, int]
    milliseconds: int

    @property
    def findings(self) -> list[Finding]:
        return [finding for result in self.results for finding in result.findings]

    @property
    def ok(self) -> bool:
        return not self.findings


def verify(progress: Callable[[Check], None] = lambda check: None) -> Proof:
    """Check every invariant in one snapshot (REPEATABLE READ), so that postings going on meanwhile do not disturb it.

    Inside an open atomic block it runs there, each check with a snapshot of its own: for tests.
    """
    if connection.in_atomic_block:
        return _prove(progress)
    with db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0; SET LOCAL work_mem = '64MB'")
        return _prove(progress)


def _prove(progress: Callable[[Check], None]) -> Proof:
    started = time.monotonic_ns()
    results = run(sorted(CHECKS + LEDGER_CHECKS), progress)
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(f"SELECT '{name}', count(*) FROM {table}" for name, table in COUNTED.items()))
        counted = dict(cursor.fetchall())
    counts = {name: counted[name] for name in COUNTED}  # several processes may have counted, in any order
    return Proof(datetime.now(UTC), results, counts, (time.monotonic_ns() - started) // 1_000_000)
