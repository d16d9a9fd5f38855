"""Figures that add up every account or every customer: kept by the clock, and shown with the time they are of.

Adding up a million accounts takes a good part of a second. The worker does so once a minute, all in one snapshot; the
dashboard shows what was kept and says of when. Until something is kept, on a new system, they are made on the spot.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import Count, Q

import ledger.selectors
from core.admin.lists import first_id_at
from customers.models import Customer, CustomerState
from ledger.selectors import Coverage, TrialRow
from reports.models import KeptFigure

NEW_FOR = timedelta(days=30)


class Segment(NamedTuple):
    """Customers of one account type: all, those of the last 30 days, those suspended."""

    account_type: str
    all: int
    new: int
    stopped: int


class Figures(NamedTuple):
    """``at``: the instant whose data they show; None is now."""

    at: datetime | None
    coverage: list[Coverage]
    trial_balance: list[TrialRow]
    segments: list[Segment]


def segments(at: datetime) -> list[Segment]:
    """The largest first."""
    new = Count("pk", filter=Q(pk__gte=first_id_at(at - NEW_FOR)))
    stopped = Count("pk", filter=Q(state=CustomerState.SUSPENDED))
    rows = Customer.objects.values("account_type").annotate(all=Count("pk"), new=new, stopped=stopped)
    return [Segment(**row) for row in rows.order_by("-all", "account_type")]


MAKERS: dict[str, Callable[[datetime], list[Any]]] = {
    "coverage": lambda at: ledger.selectors.coverage(),
    "trial_balance": lambda at: ledger.selectors.trial_balance(),
    "segments": segments,
}
SHAPES: dict[str, Callable[..., Any]] = {"coverage": Coverage, "trial_balance": TrialRow, "segments": Segment}


def keep() -> None:
    """Make all figures anew, of one snapshot, and keep them in place of those before."""
    has_begun = connection.in_atomic_block  # as in tests: its isolation is what it is
    with db_transaction.atomic(), connection.cursor() as cursor:
        if not has_begun:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT clock_timestamp(), set_config('statement_timeout', '0', true)")
        at = cursor.fetchone()[0]
        made = {name: [list(row) for row in make(at)] for name, make in MAKERS.items()}
    KeptFigure.objects.bulk_create(
        [KeptFigure(name=name, at=at, rows=rows) for name, rows in made.items()],
        update_conflicts=True,
        unique_fields=["name"],
        update_fields=["at", "rows"],
    )


def figures(now: datetime) -> Figures:
    """As they were kept last; made now where nothing is kept."""
    found = {one.name: one for one in KeptFigure.objects.filter(name__in=MAKERS)}
    if set(found) < set(MAKERS):
        return Figures(None, *(MAKERS[name](now) for name in MAKERS))
    rows = {name: [SHAPES[name](*row) for row in found[name].rows] for name in MAKERS}
    return Figures(min(one.at for one in found.values()), **rows)
