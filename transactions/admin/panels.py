"""What this app shows on the pages of customers and wallets: recent movements both ways, holds, limits, usage."""

from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now

from core.admin import Panel, Table, link, moment, money, panel, words
from core.admin.pages import NOTHING, list_url
from core.contacts import masked_text
from core.money import Money
from customers.selectors import all_limits
from ledger.selectors import still_held
from transactions.admin.refusals import explain
from transactions.admin.shown import elsewhere, kind_shown, party, receipt_tag, state_badge
from transactions.admin.transactions import UNPOSTED
from transactions.models import OPEN, Transaction, Usage

SHOWN = 20

# Of each wallet its last entries and last attempts, then the newest of them all: index scans, whatever the history.
RECENT = f"""
WITH mine AS (SELECT id, account_id FROM wallets_wallet WHERE id = ANY(%(wallets)s))
SELECT id FROM (
    SELECT x.id FROM mine CROSS JOIN LATERAL (
        SELECT e.journal_id AS id FROM ledger_entry e WHERE e.account_id = mine.account_id
        ORDER BY seq DESC LIMIT %(most)s) x
    UNION SELECT x.id FROM mine CROSS JOIN LATERAL (
        SELECT t.id FROM transactions_transaction t
        WHERE t.payer_id = mine.id AND t.state IN {UNPOSTED} ORDER BY t.id DESC LIMIT %(most)s) x
    UNION SELECT x.id FROM mine CROSS JOIN LATERAL (
        SELECT t.id FROM transactions_transaction t
        WHERE t.payee_id = mine.id AND t.state IN {UNPOSTED} ORDER BY t.id DESC LIMIT %(most)s) x
) found ORDER BY id DESC LIMIT %(most)s
"""  # noqa: S608
UNPOSTED_OF = f"""
SELECT id FROM transactions_transaction WHERE payer_id = ANY(%(wallets)s) AND state IN {UNPOSTED}
UNION SELECT id FROM transactions_transaction WHERE payee_id = ANY(%(wallets)s) AND state IN {UNPOSTED}
ORDER BY id DESC LIMIT %(most)s
"""  # noqa: S608


def newest(query: LiteralString, wallets: list[UUID]) -> list[Transaction]:
    """What one of the queries above finds, newest first: two statements."""
    with connection.cursor() as cursor:
        cursor.execute(query, {"wallets": wallets, "most": SHOWN})
        ids = [row[0] for row in cursor.fetchall()]
    return list(
        Transaction.objects.filter(pk__in=ids).select_related("payer__customer", "payee__customer").order_by("-pk")
    )


def activity(
    request: HttpRequest,
    title: str,
    query: LiteralString,
    wallets: list[UUID],
    more: tuple[str, str] | None,
) -> Table:
    mine = set(wallets)
    rows = []
    for one in newest(query, wallets):
        outgoing = one.payer_id in mine
        other = one.payee if outgoing else one.payer
        arrow = format_html('<span aria-label="{}">{}</span>', "out" if outgoing else "in", "↗" if outgoing else "↙")
        who = link(request, "wallets.wallet", other.pk, other.customer.full_name) if other else elsewhere(one)
        why = (
            format_html('<br><span class="muted small">{}</span>', explain(one.refusal_code).title)
            if one.refusal_code
            else ""
        )
        rows.append(
            (
                moment(one.created_at),
                format_html('<span class="tight">{} {}</span>', arrow, what_moved(request, one)),
                who,
                format_html("{}{}", state_badge(one), why),
                with_other_side(money(one.amount, one.currency), one, one.currency),
            )
        )
    return Table(
        title=title,
        columns=["When", "Receipt", "With", "State", "Amount"],
        numeric=["Amount"],
        rows=rows,
        empty="Nothing yet.",
        more=more,
    )


@panel("customers.customer", order=20, permission="transactions.view_transaction")
def activity_of_customer(request: HttpRequest, customer: Any) -> Panel:
    wallets = list(customer.wallets.order_by("pk").values_list("pk", flat=True))
    more = ("All", list_url("transactions.transaction", customer=str(customer.pk))) if wallets else None
    return activity(request, "Recent activity", RECENT, wallets, more)


@panel("wallets.wallet", order=5, permission="transactions.view_transaction")
def entries_of_wallet(request: HttpRequest, wallet: Any) -> Panel:
    """The last entries on the wallet's account, each with the balance it left behind."""
    entries = list(wallet.account.entry_set.select_related("journal").order_by("-seq")[:SHOWN])
    parties = Transaction.objects.select_related("payer__customer", "payee__customer")
    posted = parties.in_bulk([entry.journal_id for entry in entries])
    rows = []
    for entry in entries:
        one = posted.get(entry.journal_id)
        amount = with_other_side(money(entry.amount, entry.currency), one, entry.currency)
        rows.append(
            (
                moment(entry.recorded_at),
                what_moved(request, one) if one else words(entry.journal.kind),
                with_whom(request, one, wallet.pk) if one else NOTHING,
                *(("", amount) if entry.side > 0 else (amount, "")),
                money(entry.balance_after, entry.currency),
            )
        )
    return Table(
        title="Entries",
        columns=["When", "Receipt", "With", "In", "Out", "Balance"],
        numeric=["In", "Out", "Balance"],
        rows=rows,
        empty="No money has moved here yet.",
    )


def with_other_side(amount: Any, one: Transaction | None, currency: str) -> Any:
    """An amount, and below it what it was in the other currency of an exchange."""
    if one is None or not one.received:
        return amount
    there = one.arriving if currency == one.currency else Money(one.amount, one.currency)
    shown = money(there.amount_minor, there.currency)
    return format_html('{}<br><span class="muted small">for {}</span>', amount, shown)


def what_moved(request: HttpRequest, one: Transaction) -> Any:
    receipt = link(request, "transactions.transaction", one.pk, receipt_tag(one.receipt))
    return format_html('{}<br><span class="muted small">{}</span>', receipt, kind_shown(one))


def with_whom(request: HttpRequest, one: Transaction, wallet: UUID) -> Any:
    """The other side, and what the payer wrote: of two people, of whom the page is about one."""
    other = one.payee if one.payer_id == wallet else one.payer
    who = party(request, other) if other else elsewhere(one)
    said = masked_text(one.memo)
    return format_html('{}<br><span class="muted small">{}</span>', who, said) if said else who


@panel("wallets.wallet", order=20, permission="transactions.view_transaction")
def attempts_of_wallet(request: HttpRequest, wallet: Any) -> Panel:
    more = ("All movements", list_url("transactions.transaction", wallet=str(wallet.pk)))
    return activity(request, "Under way and refused", UNPOSTED_OF, [wallet.pk], more)


@panel("wallets.wallet", order=10, permission="transactions.view_transaction")
def holds_of_wallet(request: HttpRequest, wallet: Any) -> Panel | None:
    """What is set aside for open movements; apps above show what they hold."""
    if not wallet.account.held:
        return None
    return held_of(request, [wallet.pk], side=True)


@panel("customers.customer", order=25, permission="transactions.view_transaction")
def holds_of_customer(request: HttpRequest, customer: Any) -> Panel | None:
    """The same of all their wallets: for whom, and until when."""
    return held_of(request, list(customer.wallets.filter(account__held__gt=0).values_list("pk", flat=True)))


def held_of(request: HttpRequest, wallets: list[UUID], *, side: bool = False) -> Table | None:
    waiting = Transaction.objects.filter(payer_id__in=wallets, state__in=sorted(OPEN)).order_by("-pk")
    rows = list(waiting.select_related("payee__customer")[:SHOWN]) if wallets else []
    if not rows:
        return None
    held = still_held([one.pk for one in rows])
    return Table(
        title="Held",
        side=side,
        columns=["For", "Amount"] if side else ["Since", "For", "Until", "Amount"],
        numeric=["Amount"],
        rows=[held_row(request, one, *held.get(one.pk, (0, None)), side=side) for one in rows],
    )


def held_row(request: HttpRequest, one: Transaction, amount: int, until: datetime | None, *, side: bool) -> tuple:
    """For what and whom; on the side, until when beneath it, for two columns are all that fits."""
    named = link(request, "transactions.transaction", one.pk, f"{kind_shown(one)} {one.receipt}")
    whom = one.payee.customer.full_name if one.payee else elsewhere(one)
    for_whom = format_html('{}<br><span class="muted small">{}</span>', named, whom)
    if not side:
        return moment(one.created_at), for_whom, moment(until) if until else "", money(amount, one.currency)
    if until:
        for_whom = format_html('{}<br><span class="muted small">until {}</span>', for_whom, moment(until))
    return for_whom, money(amount, one.currency)


@panel("customers.customer", order=30, permission="customers.view_tierlimit")
def limits_of_customer(request: HttpRequest, customer: Any) -> Panel:
    """What the tier allows in the currencies they hold, and how far it is used, by the customer's calendar."""
    today = now().astimezone(ZoneInfo(customer.country.timezone)).date()
    first = today.replace(day=1)
    used: dict[str, list[int]] = {}
    rows = Usage.objects.filter(wallet__customer=customer, day__gte=first, day__lt=today + timedelta(days=1))
    for currency, day, amount in rows.values_list("wallet__currency", "day", "amount"):
        sums = used.setdefault(currency, [0, 0])
        sums[0] += amount if day == today else 0
        sums[1] += amount
    held = set(customer.wallets.filter(closed_at=None).values_list("currency", flat=True))
    heads = ["Per movement", "Today", "This month", "Most held"]
    return Table(
        title=f"Limits of tier {customer.tier}",
        columns=["Currency", *heads],
        numeric=heads,
        rows=[
            (
                limits.currency,
                allowed(limits.per_movement, limits.currency),
                of(used.get(limits.currency, [0, 0])[0], limits.per_day, limits.currency),
                of(used.get(limits.currency, [0, 0])[1], limits.per_month, limits.currency),
                allowed(limits.balance, limits.currency),
            )
            for limits in all_limits(customer, on=today)
            if limits.currency in held
        ],
        empty="No limits are set for this tier and its currencies, so nothing moves.",
    )


def allowed(amount_minor: int | None, currency: str) -> Any:
    return "no limit" if amount_minor is None else money(amount_minor, currency)


def of(used: int, limit: int | None, currency: str) -> Any:
    """How far a limit is used, with a bar; past nine tenths it stands out."""
    if limit is None:
        return money(used, currency)
    tenths = min(used * 10 // limit, 10) if limit else 10
    return format_html(
        '{} <span class="muted">of {}</span><meter min="0" max="10" high="9" optimum="0" value="{}"></meter>',
        money(used, currency),
        money(limit, currency),
        tenths,
    )
