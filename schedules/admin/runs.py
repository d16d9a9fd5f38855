"""What became of the dates of standing orders: the list of runs, and one of them."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from core.admin import Facts, Header, MadeBetween, Panel, StaffAdmin, Table, code, link, moment, money
from core.admin.pages import NOTHING
from core.admin.search import read_identity
from customers.links import concerns
from schedules.admin.shown import day, run_badge
from schedules.models import OrderRun, RunState
from transactions.admin.refusals import explain
from transactions.admin.shown import receipt_tag

concerns("schedules.orderrun", "order.customer_id", "order.payee.customer_id")

NOT_PAID = [RunState.FAILED, RunState.UNFUNDED, RunState.MISSED, RunState.STUCK]


class BegunBetween(MadeBetween):
    title = "day the run began"


def runs_table(request: HttpRequest, runs: list[OrderRun], currency: str, **more: Any) -> Table:
    return Table(
        title="Runs",
        columns=["Due", "", "Amount", "Receipt", "Why not", "Next try"],
        numeric=["Amount"],
        rows=[
            (
                link(request, "schedules.orderrun", run.pk, day(run.due_on)),
                run_badge(run),
                money(run.version.amount, currency),
                receipt_of(request, run),
                explain(run.refusal_code).title if run.refusal_code else NOTHING,
                NOTHING if run.done_at else moment(run.due_at),
            )
            for run in runs
        ],
        empty="No date has come yet.",
        **more,
    )


def receipt_of(request: HttpRequest, run: OrderRun) -> Any:
    if run.transaction is None:
        return NOTHING
    return link(request, "transactions.transaction", run.transaction_id, receipt_tag(run.transaction.receipt))


class OutcomeFilter(DropdownFilter):
    """Those that were not paid are what one looks for; completed ones are the rest."""

    title = "what became of it"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("not_paid", "Not paid"), *((str(one), capfirst(str(one.label))) for one in RunState)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "not_paid":
            return queryset.filter(state__in=NOT_PAID)
        return queryset.filter(state=self.value()) if self.value() in RunState.values else queryset

    @property
    def shown(self) -> str:
        label = dict(self.lookup_choices).get(str(self.value()))
        return f"{self.title}: {label}" if label else ""


@admin.register(OrderRun)
class OrderRunAdmin(StaffAdmin):
    list_display = ["due_shown", "who", "recipient", "amount_shown", "state_shown", "why", "receipt"]
    list_select_related = ["order__customer", "order__payee__customer", "version", "transaction"]
    list_filter = [OutcomeFilter, BegunBetween]
    ordering = ["-pk"]
    search_fields = ["id"]
    search_help_text = "Id of the order or of the run, or its beginning"
    page_select_related = ("order__customer", "order__payee__customer", "version", "transaction")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        identity = read_identity(search_term)
        found = queryset.none() if identity is None else queryset.filter(identity.within() | identity.within("order"))
        return found, False

    @display(description="Due")
    def due_shown(self, run: OrderRun) -> Any:
        return day(run.due_on)

    @display(description="Payer")
    def who(self, run: OrderRun) -> str:
        return run.order.customer.full_name

    @display(description="Recipient")
    def recipient(self, run: OrderRun) -> str:
        return run.order.payee.customer.full_name

    @display(description="Amount")
    def amount_shown(self, run: OrderRun) -> Any:
        return money(run.version.amount, run.order.currency)

    @display(description="State")
    def state_shown(self, run: OrderRun) -> Any:
        return run_badge(run)

    @display(description="Why not")
    def why(self, run: OrderRun) -> Any:
        return explain(run.refusal_code).title if run.refusal_code else NOTHING

    @display(description="Receipt")
    def receipt(self, run: OrderRun) -> Any:
        return receipt_tag(run.transaction.receipt) if run.transaction else NOTHING

    def whose(self, run: OrderRun) -> list[Any]:
        return [run.order.customer_id, run.order.payee.customer_id]

    def name_of(self, run: OrderRun) -> str:
        return f"Run of {run.due_on:%-d %b %Y}"

    def header(self, request: HttpRequest, run: OrderRun) -> Header:
        payer = link(request, "customers.customer", run.order.customer_id, run.order.customer.full_name)
        payee = link(request, "customers.customer", run.order.payee.customer_id, run.order.payee.customer.full_name)
        return Header(
            title=self.name_of(run),
            badge=run_badge(run),
            lines=[
                format_html("{} pays {}", payer, payee),
                link(request, "schedules.standingorder", run.order_id, "The standing order"),
            ],
            figures=[("Amount", money(run.version.amount, run.order.currency))],
        )

    def panels(self, request: HttpRequest, run: OrderRun) -> list[Panel]:
        rows = [
            ("Due", day(run.due_on)),
            ("Planned for", day(run.planned_on)),
            ("Begun", moment(run.created_at)),
            ("Next try" if run.done_at is None else "Last try", moment(run.due_at)),
            ("Not enough money so far", f"{run.tries} times" if run.tries else "never"),
            ("Transaction", receipt_of(request, run)),
            ("Done", moment(run.done_at)),
            ("Id", code(run.pk)),
        ]
        panels: list[Panel] = [Facts(title="Run", rows=rows)]
        if run.refusal_code:
            why = explain(run.refusal_code)
            words = [("Code", code(run.refusal_code)), ("Means", why.title), ("The customer reads", why.customer)]
            panels.append(Facts(title="Why the last try was refused", rows=words))
        return panels
