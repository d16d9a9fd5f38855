"""Adding up the books day by day, so that no page ever adds up all of them.

A day is over when no posting can still carry a time of it. What was debited and credited on each line of the trial
balance is then written down once, and never changed. Lines are the accounts of ours, one by one, and each kind of
account that customers have as a whole. `reports/balances.py` reads these rows, and entries for the rest of a day.

`differences` proves the rows against the entries; the daily proof runs it.
"""
# ruff: noqa: S608 (the queries are put together from our own text)

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db import transaction as db_transaction

from core.days import midnight
from core.jobs import once_a_day
from ledger.chart import CHART
from reports.models import SummedDay

# A posting reads the clock before it writes; its statements may take 30 s each, and an idle transaction lives 60 s.
SETTLED_AFTER = timedelta(minutes=10)
ONE_AT_A_TIME = 0x7E6A_0E02  # advisory lock of those who add up
# Placeholders of which there are as many as customers, or as cases with them.
OF_CUSTOMERS = ("wallet", "customer", "card", "transaction")


def summed_kinds() -> dict[str, str]:
    """Beginning of the code, name, of each kind of account that is one line: there are millions of them."""
    kinds = {}
    for account_type in CHART:
        beginning, _, rest = account_type.pattern.partition(":{")
        if rest.partition("}")[0] in OF_CUSTOMERS:
            kinds[beginning] = account_type.name
    return kinds


def line_of(column: str) -> str:
    """SQL: the line of the trial balance to which an account with this code belongs."""
    cases = " ".join(f"WHEN starts_with({column}, '{kind}:') THEN '{kind}'" for kind in summed_kinds())
    return f"CASE {cases} ELSE {column} END"


SUMS = """
SELECT {line} AS line, e.currency, (j.effective_at AT TIME ZONE 'UTC')::date AS effective_on,
       coalesce(sum(e.amount) FILTER (WHERE e.side = 1), 0)::bigint AS debits,
       coalesce(sum(e.amount) FILTER (WHERE e.side = -1), 0)::bigint AS credits,
       count(*) AS entries
FROM ledger_entry e
JOIN ledger_account a ON a.id = e.account_id
JOIN ledger_journal j ON j.id = e.journal_id
WHERE e.recorded_at >= %(first)s AND e.recorded_at < %(end)s
GROUP BY 1, 2, 3
"""
# Entries less what is written down of them: nothing, or what is missing.
MISSING = f"""
SELECT line, currency, effective_on,
       sum(debits)::bigint AS debits, sum(credits)::bigint AS credits, sum(entries)::bigint AS entries
FROM (
    {SUMS.format(line=line_of("a.code"))}
    UNION ALL
    SELECT line, currency, effective_on, -debits, -credits, -entries FROM reports_daytotal
    WHERE recorded_on >= %(first_day)s AND recorded_on < %(end_day)s
) all_of_it
GROUP BY 1, 2, 3 HAVING sum(debits) <> 0 OR sum(credits) <> 0 OR sum(entries) <> 0
ORDER BY 1, 2, 3
"""
WRITE = f"""
WITH missing AS ({MISSING}), summed AS (
    INSERT INTO reports_summedday (day, revision, entries)
    SELECT %(first_day)s, %(revision)s, coalesce(sum(entries), 0) FROM missing
    RETURNING id, day
)
INSERT INTO reports_daytotal (summed_id, recorded_on, effective_on, line, currency, debits, credits, entries)
SELECT summed.id, summed.day, effective_on, line, currency, debits, credits, entries FROM missing, summed
"""


# The same for every day that is over, in one go through the entries.
WRITE_ALL = f"""
WITH sums AS MATERIALIZED (
    SELECT (e.recorded_at AT TIME ZONE 'UTC')::date AS recorded_on,
           (j.effective_at AT TIME ZONE 'UTC')::date AS effective_on, {line_of("a.code")} AS line, e.currency,
           coalesce(sum(e.amount) FILTER (WHERE e.side = 1), 0)::bigint AS debits,
           coalesce(sum(e.amount) FILTER (WHERE e.side = -1), 0)::bigint AS credits,
           count(*) AS entries
    FROM ledger_entry e
    JOIN ledger_account a ON a.id = e.account_id
    JOIN ledger_journal j ON j.id = e.journal_id
    WHERE e.recorded_at < %(end)s
    GROUP BY 1, 2, 3, 4
), summed AS (
    INSERT INTO reports_summedday (day, revision, entries)
    SELECT day::date, 1, coalesce((SELECT sum(entries) FROM sums WHERE recorded_on = day::date), 0)
    FROM generate_series(%(first_day)s::timestamp, %(last_day)s::timestamp, '1 day') day ORDER BY day
    RETURNING id, day
)
INSERT INTO reports_daytotal (summed_id, recorded_on, effective_on, line, currency, debits, credits, entries)
SELECT summed.id, recorded_on, effective_on, line, currency, debits, credits, entries
FROM sums JOIN summed ON summed.day = recorded_on ORDER BY 2, 3, 4, 5
"""


class Missing(NamedTuple):
    """Entries of one line that the totals lack (or, below zero, have too much of), in minor units."""

    line: str
    currency: str
    effective_on: date
    debits: int
    credits: int
    entries: int


def sum_daily() -> None:
    """Once a day, when yesterday has settled."""
    if utc_now() - midnight(utc_now().date()) < SETTLED_AFTER:
        return
    with once_a_day("sum_days") as day:
        if day:
            sum_days()


def sum_days(*, again: bool = False) -> list[SummedDay]:
    """Add up every day that is over and has not been; the days, oldest first. Each is a commit of its own.

    ``again`` goes through the days that were added up before, too, and writes what turned up since. Safe to run twice
    and at once. Locks: an advisory lock, for one day.
    """
    done = []
    last = (utc_now() - SETTLED_AFTER).date() - timedelta(days=1)
    day = first_day() if again else unsummed_from() or first_day()
    while day is not None and day <= last:
        if (summed := sum_day(day, again=again)) is not None:
            done.append(summed)
        day += timedelta(days=1)
    return done


def sum_all_days() -> None:
    """Add up every day that is over, where none has been: of books that were loaded whole.

    Locks: an advisory lock. Reads all entries once, which takes a fraction of what `sum_days` does day by day.
    """
    last = (utc_now() - SETTLED_AFTER).date() - timedelta(days=1)
    with db_transaction.atomic(), unhurried() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        first = first_day()
        if unsummed_from() is None and first is not None and first <= last:
            cursor.execute(WRITE_ALL, {"first_day": first, "last_day": last, "end": midnight(last + timedelta(days=1))})


def sum_day(day: date, *, again: bool = False) -> SummedDay | None:
    """Add up one day. None: it has been, and ``again`` finds nothing new."""
    with db_transaction.atomic(), unhurried() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        before = SummedDay.objects.filter(day=day).order_by("-revision").first()
        if before is not None and not (again and missing(day, day)):
            return None
        revision = before.revision + 1 if before else 1
        cursor.execute(WRITE, {**bounds(day, day), "revision": revision})
        return SummedDay.objects.get(day=day, revision=revision)


def differences() -> Iterator[tuple[date, Missing]]:
    """Each day and line whose totals are not what its entries come to, a day at a time; none: they are proven."""
    day, end = first_day(), unsummed_from()
    while day is not None and end is not None and day < end:
        with db_transaction.atomic(), unhurried():
            found = missing(day, day)
        yield from ((day, one) for one in found)
        day += timedelta(days=1)


def missing(first: date, last: date) -> list[Missing]:
    with connection.cursor() as cursor:
        cursor.execute(MISSING, bounds(first, last))
        return [Missing(*row) for row in cursor.fetchall()]


def first_day() -> date | None:
    """The day on which the first entry was recorded. Reads all journals: asked for rarely."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT (min(recorded_at) AT TIME ZONE 'UTC')::date FROM ledger_journal")
        return cursor.fetchone()[0]


def unsummed_from() -> date | None:
    """The day after the last that was added up; None before the first."""
    last = SummedDay.objects.order_by("-day").values_list("day", flat=True).first()
    return last and last + timedelta(days=1)


def bounds(first: date, last: date) -> dict[str, Any]:
    end = last + timedelta(days=1)
    return {"first": midnight(first), "end": midnight(end), "first_day": first, "end_day": end}


@contextmanager
def unhurried() -> Iterator[Any]:
    """A cursor whose statements may take as long as they need, until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', true), set_config('work_mem', '64MB', true)")
        yield cursor


def utc_now() -> datetime:
    """By the database's clock, by which entries are recorded."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0].astimezone(UTC)
