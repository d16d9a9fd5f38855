"""The numbers on the first page of the back office. Each is one set-wise statement; amounts never mix currencies."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now

import ledger.selectors
from core.admin import Panel, Part, Table, badge, link, moment, money, words
from core.admin.lists import first_id_at, midnight
from core.admin.pages import age, list_url, may
from core.money import EXPONENTS, decimal_string
from customers.models import AccountType, Customer
from staff.inbox import for_me
from staff.models import Approval
from transactions.admin.refusals import explain
from transactions.models import RailMessage, State, Transaction

DAYS = 30
OLDEST_SHOWN = 10
FINDINGS_SHOWN = 10
PROOF_HOLDS = timedelta(hours=26)  # it is made daily


class Day(NamedTuple):
    """One UTC day of one currency; ``volume`` in minor units is what was accepted, without what staff put right."""

    currency: str
    day: date
    accepted: int
    volume: int
    failed: int
    reversed: int


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook: what `templates/admin/index.html` shows. As many statements for little data as for much."""
    at = now()
    days = days_since(at.date() - timedelta(days=DAYS - 1))
    currencies = [code for code in EXPONENTS if any(day.currency == code for day in days)]
    chosen = request.GET.get("currency", "")
    if chosen not in currencies:
        chosen = max(currencies, key=lambda code: sum(d.accepted for d in days if d.currency == code), default="")
    panels: list[Panel] = [
        volumes(days, currencies, at.date()),
        open_transactions(request, at),
        charts(days, currencies, chosen, at.date()),
    ]
    urgent: list[Panel] = [needs_a_person(request, at)]
    if may(request, "ledger.view_account"):
        panels += [coverage(), books(request)]
        urgent.append(proof(at))
    side = [failures(at), segments(at)]
    return {**context, "urgent_panels": urgent, "panels": panels, "side_panels": side, "at": at}


# --- Activity ---------------------------------------------------------------------------------------------------

BY_DAY = """
SELECT currency, (created_at AT TIME ZONE 'UTC')::date AS day,
       count(*) FILTER (WHERE kind NOT IN ('reversal', 'adjustment')
                          AND state IN ('completed', 'partially_reversed', 'reversed')),
       coalesce(sum(amount) FILTER (WHERE kind NOT IN ('reversal', 'adjustment')
                                      AND state IN ('completed', 'partially_reversed', 'reversed')), 0)::bigint,
       count(*) FILTER (WHERE state = 'failed'),
       count(*) FILTER (WHERE kind = 'reversal' AND state = 'completed')
FROM transactions_transaction WHERE id >= %s GROUP BY 1, 2 ORDER BY 1, 2
"""


def days_since(first: date) -> list[Day]:
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, [first_id_at(midnight(first))])
        return [Day(*row) for row in cursor.fetchall()]


def volumes(days: Sequence[Day], currencies: Sequence[str], today: date) -> Table:
    """Per currency: what was accepted today, in 7 and in 30 days, and how much of it failed or was reversed."""
    rows = []
    for currency in currencies:
        cells: list[Any] = [currency]
        for length in (1, 7, DAYS):
            recent = [d for d in days if d.currency == currency and d.day > today - timedelta(days=length)]
            count, volume = sum(d.accepted for d in recent), sum(d.volume for d in recent)
            cells.append(
                format_html('{}<br><span class="muted">{} moved</span>', money(volume, currency), f"{count:,}")
            )
        failed, tried = sum(d.failed for d in recent), sum(d.failed + d.accepted for d in recent)
        cells.append(format_html('{}<br><span class="muted">{}</span>', f"{failed:,}", share(failed, tried)))
        cells.append(f"{sum(d.reversed for d in recent):,}")
        rows.append(cells)
    heads = ["Today", "7 days", f"{DAYS} days", f"Failed, {DAYS} days", f"Reversals, {DAYS} days"]
    return Table(
        title="Volume",
        columns=["Currency", *heads],
        numeric=heads,
        rows=rows,
        empty=f"Nothing has moved in {DAYS} days.",
    )


def share(part: int, whole: int) -> str:
    """``2.5 %``, in tenths, by whole numbers."""
    tenths = (part * 2000 // whole + 1) // 2 if whole else 0
    return f"{tenths // 10}.{tenths % 10} %"


def charts(days: Sequence[Day], currencies: Sequence[str], chosen: str, today: date) -> Part:
    dates = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    found = {d.day: d for d in days if d.currency == chosen}
    series = [found.get(day, Day(chosen, day, 0, 0, 0, 0)) for day in dates]
    labels = [f"{day:%-d %b}" for day in dates]
    volume = [decimal_string(d.volume, chosen) for d in series] if chosen else []
    return Part(
        title="Day by day",
        template="admin/panels/charts.html",
        context={
            "currencies": currencies,
            "chosen": chosen,
            "volume": chart(labels, [(f"Volume, {chosen}", volume, "--color-primary-500")]),
            "counts": chart(
                labels,
                [
                    ("Accepted", [d.accepted for d in series], "--color-primary-500"),
                    ("Failed", [d.failed for d in series], "--chart-bad"),
                ],
            ),
            "options": json.dumps(CHART_OPTIONS),
            "days": [(d.day, money(d.volume, chosen), d.accepted, d.failed) for d in reversed(series)]
            if chosen
            else [],
        },
    )


def chart(labels: list[str], series: list[tuple[str, list[Any], str]]) -> str:
    """Chart.js reads decimal strings as numbers for drawing; nothing is computed from them."""
    datasets = [
        {"label": label, "data": data, "backgroundColor": f"var({color})", "borderRadius": 3, "maxBarThickness": 14}
        for label, data, color in series
    ]
    return json.dumps({"labels": labels, "datasets": datasets})


AXIS: dict[str, Any] = {
    "border": {"display": False},
    "ticks": {"color": "#8a94a3", "maxRotation": 0, "autoSkipPadding": 14},
}
CHART_OPTIONS: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {
            "align": "start",
            "labels": {"boxWidth": 8, "boxHeight": 8, "color": "#8a94a3", "usePointStyle": True},
        }
    },
    "scales": {
        "x": {**AXIS, "stacked": True, "grid": {"display": False}},
        "y": {**AXIS, "stacked": True, "beginAtZero": True, "grid": {"tickLength": 0}},
    },
}


# --- What needs somebody ----------------------------------------------------------------------------------------

OPEN = [State.PENDING, State.PROCESSING, State.UNKNOWN]
TONES = {State.PENDING: "busy", State.PROCESSING: "busy", State.UNKNOWN: "odd"}


def open_transactions(request: HttpRequest, at: datetime) -> Table:
    """What is under way, oldest first: a rail that does not answer is somebody's waiting money."""
    waiting = Transaction.objects.filter(state__in=OPEN)
    counts = waiting.aggregate(
        **{state: Count("pk", filter=Q(state=state)) for state in OPEN},
        stuck=Count("pk", filter=~Q(quarantined_at=None)),
    )
    oldest = waiting.order_by("pk")[:OLDEST_SHOWN]
    said = ", ".join(f"{counts[state]:,} {state}" for state in OPEN if counts[state])
    stuck = f"; {counts['stuck']:,} given up by the worker" if counts["stuck"] else ""
    return Table(
        title=f"Under way: {said}{stuck}" if said else "Under way",
        columns=["Since", "Age", "What", "State", "Amount", "Attempts"],
        numeric=["Amount", "Attempts"],
        rows=[
            (
                moment(one.created_at),
                age(at - one.created_at),
                link(request, "transactions.transaction", one.pk, f"{words(one.kind)} {one.receipt}"),
                badge("given up", "bad") if one.quarantined_at else badge(one.state, TONES[State(one.state)]),
                money(one.amount, one.currency),
                one.attempts,
            )
            for one in oldest
        ],
        empty="Nothing is waiting for a bank or mobile-money partner.",
        more=("All", list_url("transactions.transaction", state="open")),
    )


def needs_a_person(request: HttpRequest, at: datetime) -> Table:
    """What no worker can decide, with the age of the oldest; each leads to its list."""
    odd = RailMessage.objects.filter(state=RailMessage.State.ODD).aggregate(count=Count("pk"), since=Min("received_at"))
    given_up = Transaction.objects.filter(state__in=OPEN, quarantined_at__isnull=False).aggregate(
        count=Count("pk"), since=Min("quarantined_at")
    )
    kinds = [
        ("Rail messages", list_url("transactions.railmessage", state=RailMessage.State.ODD), odd),
        ("Given up by the worker", list_url("transactions.transaction", state="given_up"), given_up),
    ]
    if may(request, "staff.approve"):
        asked = Approval.objects.filter(for_me(request.user)).aggregate(count=Count("pk"), since=Min("created_at"))
        kinds.insert(0, ("Approvals", list_url("staff.approval", whose="check"), asked))
    return Table(
        title="Needs a person",
        columns=["What", "How many", "Oldest"],
        numeric=["How many", "Oldest"],
        rows=[
            (format_html('<a class="to" href="{}">{}</a>', url, what), f"{found['count']:,}", age(at - found["since"]))
            for what, url, found in kinds
            if found["count"]
        ],
        empty="Nothing waits for a decision.",
    )


def failures(at: datetime) -> Table:
    """Refusals by code: counts over all currencies, which is no sum of money."""
    week, today = (first_id_at(midnight(at.date() - timedelta(days=ago))) for ago in (6, 0))
    rows = (
        Transaction.objects.filter(pk__gte=week, state=State.FAILED)
        .values("refusal_code")
        .annotate(week=Count("pk"), today=Count("pk", filter=Q(pk__gte=today)))
        .order_by("-week", "refusal_code")
    )
    return Table(
        title="Refused",
        columns=["Why", "Today", "7 days"],
        numeric=["Today", "7 days"],
        rows=[
            (
                format_html(
                    '<a class="to" href="{}">{}</a>',
                    list_url("transactions.transaction", refusal=row["refusal_code"]),
                    explain(row["refusal_code"]).title if row["refusal_code"] else "No code",
                ),
                f"{row['today']:,}",
                f"{row['week']:,}",
            )
            for row in rows
        ],
        empty="Nothing was refused in 7 days.",
    )


# --- The books --------------------------------------------------------------------------------------------------


def proof(at: datetime) -> Part:
    """What the last proof of the books found, and whether it is of today."""
    last = ledger.selectors.last_proof()
    context: dict[str, Any] = {"proof": last}
    if last is not None:
        stale = at - last.at > PROOF_HOLDS
        context |= {
            "verdict": badge("broken", "bad")
            if not last.ok
            else badge("old" if stale else "proven", "odd" if stale else "good"),
            "when": moment(last.at),
            "age": age(at - last.at),
            "rows": sum(last.counts.values()),
            "findings": last.findings[:FINDINGS_SHOWN],
            "more": max(len(last.findings) - FINDINGS_SHOWN, 0),
        }
    return Part(title="Proof of the books", template="admin/panels/proof.html", context=context)


def books(request: HttpRequest) -> Table:
    rows = ledger.selectors.trial_balance()
    return Table(
        title="Books",
        columns=["Currency", "Debits", "Credits", ""],
        numeric=["Debits", "Credits"],
        rows=[
            (
                row.currency,
                money(row.debits, row.currency),
                money(row.credits, row.currency),
                badge("balanced", "good") if row.debits == row.credits else badge("do not balance", "bad"),
            )
            for row in rows
        ],
        empty="Nothing has been posted yet.",
        more=("Accounts", list_url("ledger.account")),
    )


def coverage() -> Table:
    """E-money issued, beside the money that banks and partners hold for it: never less than what we owe."""
    rows = []
    for one in ledger.selectors.coverage():
        owed = one.wallets + one.suspense
        rows.append(
            (
                one.currency,
                money(one.wallets, one.currency),
                money(one.suspense, one.currency),
                money(one.rails, one.currency),
                money(one.fees, one.currency),
                badge("covered", "good") if one.rails >= owed else badge("not covered", "bad"),
            )
        )
    heads = ["Owed to customers", "In suspense", "Held at rails", "Fees earned"]
    return Table(
        title="E-money issued and what covers it",
        columns=["Currency", *heads, ""],
        numeric=heads,
        rows=rows,
        empty="No e-money has been issued yet.",
    )


# --- Customers --------------------------------------------------------------------------------------------------


def segments(at: datetime) -> Table:
    month = first_id_at(at - timedelta(days=DAYS))
    rows = (
        Customer.objects.values("account_type")
        .annotate(
            all=Count("pk"), new=Count("pk", filter=Q(pk__gte=month)), stopped=Count("pk", filter=Q(state="suspended"))
        )
        .order_by("-all")
    )
    names = dict(AccountType.choices)
    heads = ["All", f"{DAYS} days", "Suspended"]
    return Table(
        title="Customers by segment",
        columns=["Segment", *heads],
        numeric=heads,
        rows=[
            (str(names[row["account_type"]]), f"{row['all']:,}", f"{row['new']:,}", f"{row['stopped']:,}")
            for row in rows
        ],
        empty="No customers yet.",
    )
