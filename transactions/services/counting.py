"""Daily counts: how many movements of a kind were accepted or refused on a day, and what they came to.

Kept up by a trigger on the outbox (`migrations/0011_daily_counts.sql`): an event is counted in the database transaction
that takes it out, so once. `DailyCount` is what has left the outbox; with what is still in it, read in the same
statement, the figures are those of the transactions themselves at that instant. What they cost does not depend on how
many transactions there are.

Only an event that leads to *completed* or *failed* counts. Neither is ever taken back: what is reversed later stays
accepted, and its reversal is a movement of its own. A movement counts for the UTC day on which it was asked for.
"""

from datetime import date
from typing import NamedTuple

from django.db import connection
from django.db import transaction as db_transaction

from core.days import midnight

COLUMNS = "day, currency, kind, state, refusal_code, count, amount"
COUNTED = """
SELECT (t.created_at AT TIME ZONE 'UTC')::date AS day, t.currency, t.kind, e.to_state AS state,
       CASE e.to_state WHEN 'failed' THEN t.refusal_code ELSE '' END AS refusal_code,
       count(*) AS count, sum(t.amount)::bigint AS amount
FROM {events}
WHERE e.to_state IN ('completed', 'failed') {condition}
GROUP BY 1, 2, 3, 4, 5
"""
# Each is looked up: a table that is nearly always empty tells the planner nothing of how many it has to expect.
WAITING = COUNTED.format(
    events="""transactions_outboxentry o
CROSS JOIN LATERAL (SELECT to_state, transaction_id FROM transactions_event WHERE id = o.event_id OFFSET 0) e
CROSS JOIN LATERAL (SELECT * FROM transactions_transaction WHERE id = e.transaction_id OFFSET 0) t""",
    condition="AND t.created_at >= %(since)s",
)
SINCE = f"""
SELECT day, currency, kind, state, refusal_code, sum(count)::bigint, sum(amount)::bigint FROM (
    SELECT {COLUMNS} FROM transactions_dailycount WHERE day >= %(day)s
    UNION ALL {WAITING}
) both_parts GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
"""  # noqa: S608
AGAIN = f"""
INSERT INTO transactions_dailycount ({COLUMNS})
{
    COUNTED.format(
        events="transactions_event e JOIN transactions_transaction t ON t.id = e.transaction_id",
        condition="AND NOT EXISTS (SELECT FROM transactions_outboxentry o WHERE o.event_id = e.id)",
    )
}
"""


class Counted(NamedTuple):
    """How many of one kind on one UTC day ended so; ``amount`` in minor units of ``currency``."""

    day: date
    currency: str
    kind: str
    state: str
    refusal_code: str
    number: int
    amount: int


def counted_since(day: date) -> list[Counted]:
    """Every day from ``day`` on, to this instant."""
    with connection.cursor() as cursor:
        cursor.execute(SINCE, {"day": day, "since": midnight(day)})
        return [Counted(*row) for row in cursor.fetchall()]


def count_again() -> None:
    """Count everything anew from the events themselves: after rows were loaded past the outbox.

    Locks: the table of the counts, so that no event leaves the outbox meanwhile. Reads all events.
    """
    with db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("LOCK TABLE transactions_dailycount IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute("DELETE FROM transactions_dailycount")
        cursor.execute(AGAIN)
