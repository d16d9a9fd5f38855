"""Proving the books: each invariant as one query that finds what breaks it. Nothing here trusts a trigger.

Numbers are those of the list in docs/adr/0002-double-entry.md. Each query returns ``(name, what is wrong)`` rows.
"""

from typing import NamedTuple

from django.db import connection


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


CHECKS = [
    Check(
        "I2", "all accounts together come to zero in each currency",
        """
        SELECT currency, 'all accounts together come to ' || sum(posted * normal_side)
        FROM ledger_account GROUP BY currency HAVING sum(posted * normal_side) <> 0
        """,
    ),
    Check(
        "I3", "each balance is the sum of its entries, and each entry's balance follows from the one before",
        """
        SELECT a.code, 'says ' || a.posted || ' after ' || a.seq || ' entries; its ' || coalesce(e.n, 0)
                       || ' entries come to ' || coalesce(e.total, 0)
                       || CASE WHEN coalesce(e.broken, 0) > 0 THEN '; ' || e.broken || ' do not follow' ELSE '' END
        FROM ledger_account a
        LEFT JOIN (
            SELECT account_id, count(*) AS n, max(seq) AS last, sum(change) AS total,
                   count(*) FILTER (
                       WHERE seq <> position OR balance_after <> running OR recorded_at <= before) AS broken
            FROM (
                SELECT e.account_id, e.seq, e.balance_after, e.recorded_at, e.side * b.normal_side * e.amount AS change,
                       row_number() OVER w AS position, lag(e.recorded_at) OVER w AS before,
                       sum(e.side * b.normal_side * e.amount) OVER w AS running
                FROM ledger_entry e JOIN ledger_account b ON b.id = e.account_id
                WINDOW w AS (PARTITION BY e.account_id ORDER BY e.seq)
            ) chain GROUP BY account_id
        ) e ON e.account_id = a.id
        WHERE a.posted <> coalesce(e.total, 0) OR a.seq <> coalesce(e.last, 0) OR coalesce(e.broken, 0) > 0
        UNION ALL
        SELECT 'account ' || e.account_id, 'has entries and does not exist'
        FROM ledger_entry e LEFT JOIN ledger_account a ON a.id = e.account_id
        WHERE a.id IS NULL GROUP BY e.account_id
        """,
    ),
    Check(
        "I4", "the entries of each journal come to zero per currency, each in its account's currency",
        """
        SELECT 'journal ' || journal_id, 'comes to ' || sum(side * amount) || ' ' || currency
        FROM ledger_entry GROUP BY journal_id, currency HAVING sum(side * amount) <> 0
        UNION ALL
        SELECT a.code, 'entry ' || e.seq || ' is in ' || e.currency || ', the account in ' || a.currency
        FROM ledger_entry e JOIN ledger_account a ON a.id = e.account_id WHERE e.currency <> a.currency
        UNION ALL
        SELECT 'journal ' || coalesce(j.id, e.journal_id),
               CASE WHEN j.id IS NULL THEN 'has entries and does not exist' ELSE 'has no entries' END
        FROM ledger_journal j FULL JOIN (SELECT DISTINCT journal_id FROM ledger_entry) e ON e.journal_id = j.id
        WHERE j.id IS NULL OR e.journal_id IS NULL
        """,
    ),
    Check(
        "I5", "what is available never goes below the floor",
        """
        SELECT code, 'has ' || (posted - held) || ' available, its floor is ' || floor
        FROM ledger_account WHERE posted - held < floor OR held < 0
        """,
    ),
    Check(
        "I6", "what an account holds is the sum of its open holds",
        """
        SELECT a.code, 'holds ' || a.held || '; its open holds come to ' || coalesce(h.total, 0)
        FROM ledger_account a
        LEFT JOIN (
            SELECT account_id, max(seq) AS last, count(*) AS n,
                   sum(CASE kind WHEN 'placed' THEN amount ELSE -amount END) AS total
            FROM ledger_holdevent GROUP BY account_id
        ) h ON h.account_id = a.id
        WHERE a.held <> coalesce(h.total, 0) OR a.hold_seq <> coalesce(h.last, 0)
           OR coalesce(h.last, 0) <> coalesce(h.n, 0)
        UNION ALL
        SELECT 'hold ' || hold, 'more was let go than was placed'
        FROM ledger_holdevent GROUP BY hold HAVING sum(CASE kind WHEN 'placed' THEN amount ELSE -amount END) < 0
        """,
    ),
]  # fmt: skip


def findings(checks: list[Check], at_most: int = 100) -> list[Finding]:
    """Run checks in one snapshot of the database; the first ``at_most`` offenders of each."""
    found: list[Finding] = []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        for check in checks:
            cursor.execute(f"SELECT * FROM ({check.offenders}) o LIMIT {at_most}")  # noqa: S608 (our own text)
            found += [Finding(check.number, name, wrong) for name, wrong in cursor.fetchall()]
    return found
