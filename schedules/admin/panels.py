"""Standing orders on the pages of customers, wallets and transactions."""

from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from core.admin import Facts, Panel, Table, link, money, panel
from core.admin.pages import NOTHING, list_url
from customers.models import Customer
from schedules.admin.shown import day, order_badge, run_badge, said_often
from schedules.models import OPEN, OrderRun, OrderState, StandingOrder
from schedules.selectors import versions_now

SEE = "schedules.view_standingorder"
SHOWN = 5


def orders_table(request: HttpRequest, orders: QuerySet[StandingOrder]) -> Table | None:
    rows = list(orders.select_related("customer", "payee__customer").order_by("-id")[:SHOWN])
    if not rows:
        return None
    versions = versions_now(rows)
    return Table(
        title="Standing orders",
        columns=["To", "Amount", "How often", "Next", ""],
        numeric=["Amount"],
        rows=[
            (
                link(request, "schedules.standingorder", one.pk, one.payee.customer.full_name),
                money(versions[one.pk].amount, one.currency),
                capfirst(said_often(one)),
                day(one.next_on) if one.state == OrderState.ACTIVE else NOTHING,
                order_badge(one),
            )
            for one in rows
        ],
        more=("All of them", list_url("schedules.standingorder", q=rows[0].customer_id)),
    )


@panel("customers.customer", order=54, permission=SEE)
def orders_of_customer(request: HttpRequest, customer: Customer) -> Panel | None:
    """What they pay by standing order; nothing of who never did."""
    return orders_table(request, StandingOrder.objects.filter(customer=customer))


@panel("wallets.wallet", order=35, permission=SEE)
def orders_of_wallet(request: HttpRequest, wallet: Any) -> Panel | None:
    """What is to leave it by standing orders that have not ended."""
    return orders_table(request, StandingOrder.objects.filter(wallet=wallet, state__in=OPEN))


@panel("transactions.transaction", order=14, permission=SEE)
def order_of_transaction(request: HttpRequest, transaction: Any) -> Panel | None:
    """Which standing order it comes from, also where it was a try in vain: its key says so."""
    named_in = order_and_date(transaction.idempotency_key)
    if named_in is None:
        return None
    rows = OrderRun.objects.filter(order=named_in[0], due_on=named_in[1], order__wallet=transaction.payer_id)
    run = rows.select_related("order").first()
    if run is None:
        return None
    return Facts(
        title="Standing order",
        side=True,
        rows=[
            ("Order", link(request, "schedules.standingorder", run.order_id, capfirst(said_often(run.order)))),
            ("Date", link(request, "schedules.orderrun", run.pk, day(run.due_on))),
            ("What became of it", run_badge(run)),
        ],
    )


def order_and_date(key: str) -> tuple[UUID, date] | None:
    """What the key of a run's transfer is made of (`running.transfer_of`); None of any other."""
    match key.split(":"):
        case ["standing-order", order, due_on, _]:
            try:
                return UUID(order), date.fromisoformat(due_on)
            except ValueError:  # a customer's own key may look like anything
                return None
    return None
