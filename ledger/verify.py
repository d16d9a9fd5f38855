"""Proving the books: each invariant as one query that finds what breaks it. Nothing here trusts a trigger.

Numbers are those of the list in docs/adr/0002-double-entry.md. Each query returns ``(name, what is wrong)`` rows; it
reads each table once or twice, from one end to the other: the time grows with the history, the memory does not.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from django.db import connection

AT_MOST = 100  # offenders that are named, of each invariant


class Check(NamedTuple):
    """``number`` of the invariant, the sentence it states, the query that finds offenders."""

    number: str
    statement: str
    offenders: str


class Finding(NamedTuple):
    """One offender: which invariant, which account (or journal, or transaction), what is wrong."""

    number: str
    name: str
    wrong: str


class Result(NamedTuple):
    """One invariant's offenders, AT_MOST of them; ``more`` says that there are others."""

    check: Check
    findings: list[Finding]
    more: bool
    milliseconds: int


class HoldOwner(NamedTuple):
    """Rows of an app above that hold money: their ids, and a query like those of checks that finds which of them do not
    hold what they should. Named in ``settings.HOLD_OWNERS``."""

    ids: str
    offenders: str


CHECKS = [
    Check(
        "I2", "all accounts together come to zero in each currency",
        """
        SELECT 'currency ' || currency, 'all accounts together come to ' || sum(posted * normal_side)
        FROM ledger_account GROUP BY currency HAVING sum(posted * normal_side) <> 0
        """,
    ),
    # An entry's balance follows from the one before, the first from nothing: so the last one is the sum of all.
    Check(
        "I3", "each balance is the sum of its entries, and each entry follows from the one before",
        """
        SELECT coalesce(a.code, 'account ' || e.account_id),
               CASE WHEN a.id IS NULL THEN 'has entries and does not exist'
                    WHEN e.broken IS NOT NULL THEN 'entry ' || e.broken || ' does not follow from the one before'
                    ELSE 'says ' || a.posted || ' after ' || a.seq || ' entries; its ' || coalesce(e.last, 0)
                         || ' entries come to ' || coalesce(e.total * a.normal_side, 0) END
        FROM ledger_account a
        FULL JOIN (
            SELECT account_id, max(seq) AS last, sum(side * amount) AS total,
                   min(seq) FILTER (WHERE torn OR change <> amount * own_side) AS broken
            FROM (
                SELECT account_id, seq, side, amount,
                       side * (balance_after - lag(balance_after, 1, 0::bigint) OVER chain) AS change,
                       seq <> lag(seq, 1, 0::bigint) OVER chain + 1
                           OR recorded_at <= lag(recorded_at) OVER chain AS torn,
                       (SELECT normal_side FROM ledger_account WHERE id = account_id) AS own_side
                FROM ledger_entry WINDOW chain AS (PARTITION BY account_id ORDER BY seq)
            ) entries GROUP BY account_id
        ) e ON e.account_id = a.id
        WHERE a.id IS NULL OR e.broken IS NOT NULL
           OR a.posted <> coalesce(e.total * a.normal_side, 0) OR a.seq <> coalesce(e.last, 0)
        """,
    ),
    Check(
        "I4", "the entries of each journal come to zero per currency, each in its account's currency",
        """
        SELECT 'journal ' || coalesce(j.id, e.journal_id),
               CASE WHEN j.id IS NULL THEN 'has entries and does not exist'
                    WHEN e.journal_id IS NULL THEN 'has no entries'
                    ELSE 'comes to ' || e.rest || ' ' || e.currency END
        FROM ledger_journal j
        FULL JOIN (
            SELECT journal_id, currency, sum(side * amount) AS rest FROM ledger_entry GROUP BY journal_id, currency
        ) e ON e.journal_id = j.id
        WHERE j.id IS NULL OR e.journal_id IS NULL OR e.rest <> 0
        UNION ALL
        SELECT a.code, 'entry ' || e.seq || ' is in ' || e.currency || ', the account in ' || a.currency
        FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id WHERE e.currency <> a.currency
        """,
    ),
    Check(
        "I5", "what is available never goes below the floor, and the floor of a wallet is zero",
        """
        SELECT code, CASE
                   WHEN held < 0 THEN 'holds ' || held
                   WHEN posted - held < floor THEN 'has ' || (posted - held) || ' available, its floor is ' || floor
                   ELSE 'is a wallet and its floor is ' || coalesce(floor::text, 'missing') END
        FROM ledger_account
        WHERE held < 0 OR posted - held < floor OR (starts_with(code, 'liability:wallet:') AND floor IS DISTINCT FROM 0)
        """,
    ),
    Check(
        "I6", "what an account holds is the sum of its open holds, and of each hold no more is let go than was placed",
        """
        SELECT coalesce(a.code, 'account ' || h.account_id),
               CASE WHEN a.id IS NULL THEN 'has holds and does not exist'
                    WHEN h.broken IS NOT NULL THEN 'hold event ' || h.broken || ' does not follow from the one before'
                    ELSE 'holds ' || a.held || '; its open holds come to ' || coalesce(h.total, 0) END
        FROM ledger_account a
        FULL JOIN (
            SELECT account_id, max(seq) AS last, sum(change) AS total, min(seq) FILTER (WHERE torn) AS broken
            FROM (
                SELECT account_id, seq, change,
                       seq <> lag(seq, 1, 0::bigint) OVER chain + 1
                           OR recorded_at <= lag(recorded_at) OVER chain
                           OR held_after <> lag(held_after, 1, 0::bigint) OVER chain + change AS torn
                FROM (SELECT *, CASE kind WHEN 'placed' THEN amount ELSE -amount END AS change FROM ledger_holdevent) e
                WINDOW chain AS (PARTITION BY account_id ORDER BY seq)
            ) events GROUP BY account_id
        ) h ON h.account_id = a.id
        WHERE a.id IS NULL OR h.broken IS NOT NULL
           OR a.held <> coalesce(h.total, 0) OR a.hold_seq <> coalesce(h.last, 0)
        UNION ALL
        SELECT 'hold ' || hold, CASE WHEN sum(change) < 0 THEN 'more was let go than was placed'
                                     ELSE 'what remains does not follow from what was placed' END
        FROM (
            SELECT hold, change, (kind = 'placed') <> (lag(seq) OVER chain IS NULL)
                       OR remaining_after <> lag(remaining_after, 1, 0::bigint) OVER chain + change
                       OR account_id <> lag(account_id) OVER chain AS torn
            FROM (SELECT *, CASE kind WHEN 'placed' THEN amount ELSE -amount END AS change FROM ledger_holdevent) e
            WINDOW chain AS (PARTITION BY hold ORDER BY seq)
        ) events GROUP BY hold HAVING bool_or(torn) OR sum(change) < 0
        """,
    ),
]  # fmt: skip


def run(checks: Sequence[Check], progress: Callable[[Check], None] = lambda check: None) -> list[Result]:
    """Run the checks one after the other in the open database transaction, telling ``progress`` before each."""
    results = []
    for check in checks:
        progress(check)
        started = time.monotonic_ns()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM ({check.offenders}) o LIMIT {AT_MOST + 1}")  # noqa: S608 (our own text)
            found = [Finding(check.number, name, wrong) for name, wrong in cursor.fetchall()]
        spent = (time.monotonic_ns() - started) // 1_000_000
        results.append(Result(check, found[:AT_MOST], len(found) > AT_MOST, spent))
    return results
