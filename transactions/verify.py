"""Proving that transactions and books tell the same story, on top of `ledger/verify.py`."""

import time
from datetime import UTC, datetime
from typing import NamedTuple

from django.db import connection
from django.db import transaction as db_transaction

from ledger.verify import CHECKS as LEDGER_CHECKS
from ledger.verify import Check, Finding, findings

MOVED = "('completed', 'partially_reversed', 'reversed')"
CHECKS = [
    Check(
        "I1", "each transaction that moved money has its journal with its amounts, and no other has one",
        f"""
        SELECT 'transaction ' || t.id, 'is ' || t.state || ' and its journal is missing'
        FROM transactions_transaction t LEFT JOIN ledger_journal j ON j.id = t.id
        WHERE t.state IN {MOVED} AND j.id IS NULL
        UNION ALL
        SELECT 'journal ' || j.id, coalesce('its transaction is ' || t.state, 'has no transaction')
        FROM ledger_journal j LEFT JOIN transactions_transaction t ON t.id = j.id
        WHERE t.id IS NULL OR t.state NOT IN {MOVED}
        UNION ALL
        SELECT 'transaction ' || t.id, 'says ' || t.amount || ', its journal moved ' || e.moved
        FROM transactions_transaction t JOIN (
            SELECT journal_id, sum(amount) FILTER (WHERE side = 1) AS moved, sum(amount) FILTER (WHERE code LIKE
                   'income:%%') AS fees
            FROM ledger_entry JOIN ledger_account a ON a.id = account_id GROUP BY journal_id
        ) e ON e.journal_id = t.id
        WHERE e.moved <> t.amount + CASE t.kind
            WHEN 'top_up' THEN 0 WHEN 'reversal' THEN coalesce(e.fees, 0) ELSE t.fee END
        UNION ALL
        SELECT 'transaction ' || o.id, 'says ' || o.reversed_amount || ' was reversed, its reversals come to '
                                       || coalesce(sum(r.amount), 0)
        FROM transactions_transaction o
        LEFT JOIN transactions_transaction r ON r.reverses_id = o.id AND r.state = 'completed'
        WHERE o.reversed_amount > 0 OR r.id IS NOT NULL
        GROUP BY o.id HAVING o.reversed_amount <> coalesce(sum(r.amount), 0)
        """,  # noqa: S608 (constants of ours)
    ),
    Check(
        "I7", "each transaction has the events that lead to its state, one for each step",
        """
        SELECT 'transaction ' || t.id, 'is ' || t.state || '; its events lead to ' || coalesce(e.last, 'nothing')
        FROM transactions_transaction t
        LEFT JOIN (
            SELECT transaction_id, (array_agg(to_state ORDER BY id DESC))[1] AS last,
                   bool_and(from_state = before) AS chained
            FROM (SELECT *, coalesce(lag(to_state) OVER (PARTITION BY transaction_id ORDER BY id), '') AS before
                  FROM transactions_event) steps
            GROUP BY transaction_id
        ) e ON e.transaction_id = t.id
        WHERE e.last IS DISTINCT FROM t.state OR NOT e.chained
        UNION ALL
        SELECT 'event ' || e.id, 'has no transaction'
        FROM transactions_event e LEFT JOIN transactions_transaction t ON t.id = e.transaction_id WHERE t.id IS NULL
        """,
    ),
    Check(
        "I8", "a kept answer tells of its own transaction",
        """
        SELECT 'transaction ' || id, 'the kept answer tells of something else'
        FROM transactions_transaction
        WHERE answer IS NOT NULL
          AND (answer::json ->> 'transaction_id' IS DISTINCT FROM id::text
               OR answer::json ->> 'receipt' IS DISTINCT FROM receipt
               OR (answer_status >= 400) <> (answer::json ->> 'code' IS NOT NULL))
        """,
    ),
    Check(
        "I9", "what was refused, cancelled or expired changed and holds nothing; an open cash-out holds its all",
        """
        SELECT 'transaction ' || t.id, 'is ' || t.state || ' and holds ' || coalesce(h.remaining, 0)
        FROM transactions_transaction t
        LEFT JOIN (
            SELECT hold, sum(CASE kind WHEN 'placed' THEN amount ELSE -amount END) AS remaining
            FROM ledger_holdevent GROUP BY hold
        ) h ON h.hold = t.id
        WHERE coalesce(h.remaining, 0) <> CASE
            WHEN t.kind = 'cash_out' AND t.state IN ('pending', 'processing', 'unknown') THEN t.amount + t.fee
            ELSE 0 END
        UNION ALL
        SELECT 'transaction ' || t.id, 'is ' || t.state || ' and has entries'
        FROM transactions_transaction t
        WHERE t.state IN ('failed', 'cancelled', 'expired')
          AND EXISTS (SELECT FROM ledger_entry e WHERE e.journal_id = t.id)
        """,
    ),
]  # fmt: skip


class Proof(NamedTuple):
    """What a run found, over how much, in how long."""

    at: datetime
    findings: list[Finding]
    accounts: int
    entries: int
    transactions: int
    milliseconds: int


def verify() -> Proof:
    """Check every invariant in one snapshot (REPEATABLE READ), so that postings meanwhile do not disturb it."""
    started = time.monotonic_ns()
    checks = sorted(CHECKS + LEDGER_CHECKS)
    if connection.in_atomic_block:
        found = findings(checks)
        counts = _counts()
    else:
        with db_transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            found = findings(checks)
            counts = _counts()
    return Proof(datetime.now(UTC), found, *counts, (time.monotonic_ns() - started) // 1_000_000)


def _counts() -> tuple[int, int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ledger_account), (SELECT count(*) FROM ledger_entry),"
            " (SELECT count(*) FROM transactions_transaction)"
        )
        return cursor.fetchone()
