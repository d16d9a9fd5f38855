"""The numbers on the first page of the back office. They cost the same however much there is: movements come from daily
counts, sums over all accounts and customers from what the clock keeps. Amounts never mix currencies."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import now

import ledger.selectors
from core.admin import Panel, Part, Table, badge, link, moment, money, words
from core.admin.pages import age, alarms_of, list_url, may
from core.money import EXPONENTS, decimal_string
from customers.models import AccountType
from reports.drill import drilled
from reports.figures import Figures, figures
from staff.work import list_of, oldest, work_of
from transactions.admin.refusals import explain
from transactions.models import GIVES_BACK, Kind, State, Transaction
from transactions.services.counting import Counted, counted_since

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
    counts = counted_since(at.date() - timedelta(days=DAYS - 1))
    days, known = days_of(counts), figures(at)
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
        panels += [drilled(coverage(known)), drilled(books(known))]
        urgent.append(proof(at))
    side = [failures(counts, at.date()), segments(known)]
    alarms = alarms_of(request)
    return {**context, "alarms": alarms, "urgent_panels": urgent, "panels": panels, "side_panels": side, "at": at}


# --- Activity ---------------------------------------------------------------------------------------------------

# What goes back, what staff put right, and what is only promised: what is captured of that is a payment.
NO_VOLUME = GIVES_BACK | {Kind.ADJUSTMENT, Kind.HOLD}


def days_of(counts: Sequence[Counted]) -> list[Day]:
    found: dict[tuple[str, date], list[int]] = {}
    for one in counts:
        accepted, volume, failed, undone = range(4)
        sums = found.setdefault((one.currency, one.day), [0, 0, 0, 0])
        if one.state == State.FAILED:
            sums[failed] += one.number
        elif one.kind not in NO_VOLUME:
            sums[accepted] += one.number
            sums[volume] += one.amount
        elif one.kind in GIVES_BACK:
            sums[undone] += one.number
    return [Day(currency, day, *sums) for (currency, day), sums in sorted(found.items())]


def volumes(days: Sequence[Day], currencies: Sequence[str], today: date) -> Table:
    """Per currency: what was accepted today, in 7 and in 30 days, and how much of it failed or was reversed."""
    rows = []
    for currency in currencies:
        cells: list[Any] = [currency]
        for length in (1, 7, DAYS):
            recent = [d for d in days if d.currency == currency and d.day > today - timedelta(days=length)]
            count, volume = sum(d.accepted for d in recent), sum(d.volume for d in recent)
            since = {"currency": currency, "from": str(today - timedelta(days=length - 1))}
            moved = format_html('{}<br><span class="muted">{} moved</span>', money(volume, currency), f"{count:,}")
            cells.append(figure(moved, **since))
        failed, tried = sum(d.failed for d in recent), sum(d.failed + d.accepted for d in recent)
        shown = format_html('{}<br><span class="muted">{}</span>', f"{failed:,}", share(failed, tried))
        cells.append(figure(shown, **since, state=State.FAILED.value))
        cells.append(figure(f"{sum(d.reversed for d in recent):,}", **since, reversed="is"))
        rows.append(cells)
    heads = ["Today", "7 days", f"{DAYS} days", f"Failed, {DAYS} days", f"Reversals, {DAYS} days"]
    return Table(
        title="Volume",
        columns=["Currency", *heads],
        numeric=heads,
        rows=rows,
        empty=f"Nothing has moved in {DAYS} days.",
    )


def figure(shown: Any, **query: str) -> SafeString:
    """A figure that leads to the transactions it counts."""
    return format_html('<a class="figure" href="{}">{}</a>', list_url("transactions.transaction", **query), shown)


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
    """What is under way, oldest first: a rail that does not answer is somebody's waiting money. A hold waits for its
    payee, for days, and for nobody else until the worker gives it up."""
    waiting = Transaction.objects.filter(state__in=OPEN).exclude(kind=Kind.HOLD, quarantined_at=None)
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
    """The work queues of whoever looks, as far as something waits; each leads to its list. Asked for with the menu."""
    waiting = [one for one in work_of(request).values() if one.queue.is_timed and one.count]
    return Table(
        title="Needs a person",
        columns=["What", "How many", "Oldest"],
        numeric=["How many"],
        rows=[
            (
                format_html('<a class="to" href="{}">{}</a>', list_of(one.queue), one.queue.title),
                one.shown,
                badge(f"{oldest(one, at)}{'' if one.tone == 'good' else f', {one.words}'}", one.tone),
            )
            for one in waiting
        ],
        empty="Nothing waits for a decision.",
        more=("Work", reverse("admin:staff_work")),
    )


def failures(counts: Sequence[Counted], today: date) -> Table:
    """Refusals by code: counts over all currencies, which is no sum of money."""
    in_week: Counter[str] = Counter()
    in_day: Counter[str] = Counter()
    for one in counts:
        if one.state == State.FAILED and one.day > today - timedelta(days=7):
            in_week[one.refusal_code] += one.number
            in_day[one.refusal_code] += one.number if one.day == today else 0
    return Table(
        title="Refused",
        columns=["Why", "Today", "7 days"],
        numeric=["Today", "7 days"],
        rows=[
            (
                format_html(
                    '<a class="to" href="{}">{}</a>',
                    list_url("transactions.transaction", refusal=code),
                    explain(code).title if code else "No code",
                ),
                f"{in_day[code]:,}",
                f"{count:,}",
            )
            for code, count in sorted(in_week.items(), key=lambda one: (-one[1], one[0]))
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


def books(known: Figures) -> Table:
    return Table(
        title=f"Books{of_when(known)}",
        columns=["Currency", "Debits", "Credits", ""],
        numeric=["Debits", "Credits"],
        rows=[
            (
                row.currency,
                money(row.debits, row.currency),
                money(row.credits, row.currency),
                badge("balanced", "good") if row.debits == row.credits else badge("do not balance", "bad"),
            )
            for row in known.trial_balance
        ],
        empty="Nothing has been posted yet.",
        more=("Accounts", list_url("ledger.account")),
    )


def coverage(known: Figures) -> Table:
    """E-money issued, beside the money that banks and partners hold for it: never less than what we owe."""
    rows = []
    for one in known.coverage:
        rows.append(
            (
                one.currency,
                money(one.wallets, one.currency),
                money(one.suspense, one.currency),
                money(one.rails, one.currency),
                money(one.fees, one.currency),
                badge("covered", "good") if one.covered else badge("not covered", "bad"),
            )
        )
    heads = ["Owed to customers", "In suspense", "Held at rails", "Fees earned"]
    return Table(
        title=f"E-money issued and what covers it{of_when(known)}",
        columns=["Currency", *heads, ""],
        numeric=heads,
        rows=rows,
        empty="No e-money has been issued yet.",
    )


# --- Customers --------------------------------------------------------------------------------------------------


def segments(known: Figures) -> Table:
    names = dict(AccountType.choices)
    heads = ["All", f"{DAYS} days", "Suspended"]
    return Table(
        title=f"Customers by segment{of_when(known)}",
        columns=["Segment", *heads],
        numeric=heads,
        rows=[
            (str(names[one.account_type]), f"{one.all:,}", f"{one.new:,}", f"{one.stopped:,}") for one in known.segments
        ],
        empty="No customers yet.",
    )


def of_when(known: Figures) -> str:
    """Figures of a moment ago say so; those made now need not."""
    return f", {known.at.astimezone(UTC):%-d %b %H:%M:%S} UTC" if known.at else ""
