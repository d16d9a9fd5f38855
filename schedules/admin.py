"""Standing orders as staff see them: the list, the story of one, what became of its dates; their calendars."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    money,
    panel,
    staff_action,
)
from core.admin.pages import NOTHING, list_url
from core.admin.search import read_identity
from core.money import CURRENCY_CHOICES
from customers.finding import matching
from customers.links import concerns
from customers.models import Country, Customer
from notes.admin import Noted
from notes.selectors import notes_of
from notifications.models import Notification
from schedules.approvals import calendar_entry
from schedules.models import (
    OPEN,
    Holiday,
    OrderEvent,
    OrderRun,
    OrderState,
    OrderVersion,
    RunState,
    StandingOrder,
)
from schedules.running import ACTOR, MOST_REFUSED
from schedules.selectors import calendar_of, first_dates, versions_now
from schedules.services import how_often, is_of_staff, pause_order, resume_order
from staff.inbox import ask
from staff.selectors import named, names
from transactions.admin.refusals import explain
from transactions.admin.shown import receipt_tag
from transactions.admin.timeline import Moment, masked, noted, notified
from wallets.models import Wallet

concerns("schedules.standingorder", "customer_id", "payee.customer_id")
concerns("schedules.orderrun", "order.customer_id", "order.payee.customer_id")

SEE, SEE_RUNS, STEER, SEE_CALENDAR = (
    "schedules.view_standingorder", "schedules.view_orderrun", "schedules.steer", "schedules.view_holiday",
)  # fmt: skip
TONES = {OrderState.ACTIVE: "good", OrderState.PAUSED: "odd", OrderState.ENDED: "", OrderState.CANCELLED: ""}
RUN_TONES = {
    RunState.DUE: "busy", RunState.STUCK: "bad", RunState.COMPLETED: "good", RunState.FAILED: "bad",
    RunState.UNFUNDED: "bad", RunState.MISSED: "bad", RunState.SKIPPED: "", RunState.STOPPED: "",
}  # fmt: skip
ICONS = {
    "created": "event_repeat", "changed": "edit_calendar", "paused": "pause_circle", "resumed": "play_circle",
    "skipped": "skip_next", "cancelled": "cancel", "ended": "event_available", "unfunded": "hourglass_bottom",
    "given_up": "money_off", "failed": "block", "missed": "event_busy", "stopped": "stop_circle",
}  # fmt: skip
STEP_TONES = {"unfunded": "odd", "given_up": "bad", "failed": "bad", "missed": "bad", "paused": "odd"}
PAUSED_BY = [("paused_by_us", "paused by us"), ("paused_by_itself", "paused by itself")]
NEXT = [("today", "today or before"), ("tomorrow", "until tomorrow"), ("week", "within seven days")]
DAYS_AHEAD = {"today": 0, "tomorrow": 1, "week": 7}
MOST_OWNERS = 100  # whose orders are shown to a name
SHOWN = 5
RUNS_SHOWN = 50
STORY = 200
NOT_PAID = [RunState.FAILED, RunState.UNFUNDED, RunState.MISSED, RunState.STUCK]


def order_badge(order: StandingOrder) -> Any:
    return badge(order.get_state_display(), TONES[OrderState(order.state)])


def run_badge(run: OrderRun) -> Any:
    waits = run.state == RunState.DUE and run.tries
    return badge("waits for money" if waits else run.get_state_display(), RUN_TONES[RunState(run.state)])


def said_often(order: StandingOrder) -> str:
    often = how_often(order.frequency, order.every, order.month_day)
    return f"{often} on {order.start_on:%A}" if order.frequency == StandingOrder.Frequency.WEEKLY else often


def paused_by(order: StandingOrder) -> str:
    if order.paused_by == ACTOR:
        return f"Paused by itself after {MOST_REFUSED} refusals in a row; the customer may resume it"
    who = named(order.paused_by, names()) if is_of_staff(order.paused_by) else "the customer"
    return f"Paused by {who}"


def day(value: date | None) -> Any:
    return f"{value:%a %-d %b %Y}" if value else NOTHING


# --- Orders ---------------------------------------------------------------------------------------------------------


class PauseForm(ReasonForm):
    intro = (
        "No date is begun until staff let it go on, and what waits for another try is stopped. The customer is told."
    )
    submit = "Pause"


class ResumeForm(ReasonForm):
    intro = "It goes on with its next date; dates that passed meanwhile are not made up. The customer is told."
    submit = "Let it go on"


class StateFilter(choice_filter("state", "state", [*OrderState.choices, *PAUSED_BY])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "paused_by_us":
                return queryset.filter(state=OrderState.PAUSED, paused_by__startswith="staff:")
            case "paused_by_itself":
                return queryset.filter(state=OrderState.PAUSED, paused_by=ACTOR)
        return super().queryset(request, queryset)


class NextFilter(choice_filter("next", "next date", NEXT)):  # type: ignore[misc]
    """Of those that run, by the days of the customers' countries."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in DAYS_AHEAD:
            return queryset
        until = datetime.now(UTC).date() + timedelta(days=DAYS_AHEAD[self.value()])
        return queryset.filter(state=OrderState.ACTIVE, next_on__lte=until)


class SetUpBetween(MadeBetween):
    title = "day it was set up"


class BegunBetween(MadeBetween):
    title = "day the run began"


@admin.register(StandingOrder)
class StandingOrderAdmin(Noted):
    list_display = ["who", "recipient", "amount_shown", "often", "next_shown", "state_shown", "made"]
    list_select_related = ["customer", "payee__customer"]
    list_filter = [
        StateFilter,
        choice_filter("frequency", "how often", StandingOrder.Frequency.choices),
        choice_filter("currency", "currency", CURRENCY_CHOICES),
        NextFilter,
        SetUpBetween,
    ]
    ordering = ["-pk"]
    search_fields = ["id"]
    search_help_text = "Phone number, e-mail or name of who pays or is paid; id of the order, a customer or a wallet"
    page_select_related = ("customer__country", "payee__customer", "wallet")
    actions_detail = ["pause", "resume", "add_note"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        people = list(matching(asked).order_by("-pk").values_list("pk", flat=True)[:MOST_OWNERS])
        found = Q(customer__in=people) | Q(payee__in=Wallet.objects.filter(customer__in=people).values("pk"))
        if (identity := read_identity(asked)) is not None:
            for column in ("pk", "wallet", "payee"):
                found |= identity.within(column)
        return queryset.filter(found), False

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        countries = list(Country.objects.order_by("name").values_list("pk", "name"))
        return [*self.list_filter[:3], choice_filter("customer__country", "country", countries), *self.list_filter[3:]]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """What each pays now, read at once."""
        changelist = super().get_changelist_instance(request)
        versions = versions_now(changelist.result_list)
        for order in changelist.result_list:
            order.now = versions[order.pk]
        return changelist

    @display(description="Payer")
    def who(self, order: StandingOrder) -> str:
        return order.customer.full_name

    @display(description="Recipient")
    def recipient(self, order: StandingOrder) -> str:
        return order.payee.customer.full_name

    @display(description="Amount")
    def amount_shown(self, order: Any) -> Any:
        return money(order.now.amount, order.currency)

    @display(description="How often")
    def often(self, order: StandingOrder) -> str:
        return capfirst(said_often(order))

    @display(description="Next")
    def next_shown(self, order: StandingOrder) -> Any:
        return day(order.next_on) if order.state == OrderState.ACTIVE else NOTHING

    @display(description="State")
    def state_shown(self, order: StandingOrder) -> Any:
        return order_badge(order)

    @display(description="Set up")
    def made(self, order: StandingOrder) -> Any:
        return moment(order.created_at)

    # --- The page ----------------------------------------------------------------------------------------------------

    def whose(self, order: StandingOrder) -> list[Any]:
        return [order.customer_id, order.payee.customer_id]

    def name_of(self, order: StandingOrder) -> str:
        return f"Standing order to {order.payee.customer.full_name}"

    def header(self, request: HttpRequest, order: StandingOrder) -> Header:
        version = self.version(request, order)
        payer = link(request, "customers.customer", order.customer_id, order.customer.full_name)
        payee = link(request, "customers.customer", order.payee.customer_id, order.payee.customer.full_name)
        lines: list[Any] = [format_html("{} pays {}, {}", payer, payee, said_often(order))]
        if order.state == OrderState.PAUSED:
            lines.append(f"{paused_by(order)}: nothing runs until it goes on.")
        figures = [("Amount", money(version.amount, order.currency))]
        if order.state == OrderState.ACTIVE:
            figures.append(("Next", day(order.next_on)))
        return Header(title=self.name_of(order), badge=order_badge(order), lines=lines, figures=figures)

    def version(self, request: HttpRequest, order: StandingOrder) -> OrderVersion:
        return next(one for one in self.versions(request, order) if one.number == order.version)

    def versions(self, request: HttpRequest, order: StandingOrder) -> list[OrderVersion]:
        """Read once for a page."""
        read: dict[Any, list[OrderVersion]] = request.__dict__.setdefault("order_versions", {})
        if order.pk not in read:
            read[order.pk] = list(order.versions.all())
        return read[order.pk]

    def panels(self, request: HttpRequest, order: StandingOrder) -> list[Panel]:
        staff = names()
        runs = list(order.runs.select_related("version", "transaction").order_by("-due_on")[:RUNS_SHOWN])
        return [
            self.dates(request, order),
            runs_table(request, runs, order.currency, more=("All runs", list_url("schedules.orderrun", q=order.pk))),
            Part(
                title="What happened",
                template="admin/transactions/timeline.html",
                context={"moments": story(request, order, staff)},
            ),
            self.details(request, order),
            self.changes(request, order, staff),
        ]

    def dates(self, request: HttpRequest, order: StandingOrder) -> Table:
        found = first_dates(order, self.version(request, order), calendar_of(order.customer.country_id))
        return Table(
            title="Next dates",
            side=True,
            columns=["Due", "Planned for"],
            rows=[(day(one.due), NOTHING if one.due == one.planned else day(one.planned)) for one in found],
            empty="None: it is closed." if order.closed_at else "None: its last date has been begun.",
        )

    def details(self, request: HttpRequest, order: StandingOrder) -> Facts:
        version = self.version(request, order)
        tries = f"{order.retries} more times, {order.retry_hours} h apart" if order.retries else "not again"
        return Facts(
            title="Details",
            side=True,
            rows=[
                ("Memo", masking.words(request, version.memo) or NOTHING),
                ("From", link(request, "wallets.wallet", order.wallet_id, f"{order.currency} wallet")),
                ("To", link(request, "wallets.wallet", order.payee_id, f"{order.currency} wallet")),
                ("Named by", f"{order.named_by} {order.named_as}"),
                ("Starts", day(order.start_on)),
                ("Ends", day(version.end_on) if version.end_on else "not by date"),
                ("Number of runs", version.runs or "no end"),
                ("Counted so far", order.counted),
                ("No business day", capfirst(order.get_rule_display())),
                ("Without money", f"tried {tries}"),
                ("Country", f"{order.customer.country.name} ({order.customer.country.timezone})"),
                ("Set up", moment(order.created_at)),
                ("Closed", moment(order.closed_at)),
                ("Id", code(order.pk)),
            ],
        )

    def changes(self, request: HttpRequest, order: StandingOrder, staff: dict[str, str]) -> Table:
        return Table(
            title="Versions",
            columns=["", "Since", "Amount", "Memo", "Ends", "Runs"],
            numeric=["Amount", "Runs"],
            rows=[
                (one.number, moment(one.at), money(one.amount, order.currency),
                 masking.words(request, one.memo) or NOTHING, day(one.end_on), one.runs or NOTHING)
                for one in self.versions(request, order)
            ],
        )  # fmt: skip

    # --- What can be done --------------------------------------------------------------------------------------------

    def offers(self, request: HttpRequest, order: StandingOrder, name: str) -> bool:
        if name == "pause":
            return order.state == OrderState.ACTIVE or (
                order.state == OrderState.PAUSED and not is_of_staff(order.paused_by)
            )
        return name != "resume" or order.state == OrderState.PAUSED

    @staff_action(
        "Pause", permission=STEER, form=PauseForm, done="Paused, and the customer is told.", icon="pause_circle",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def pause(self, request: HttpRequest, order: StandingOrder, form: PauseForm) -> bool:
        return self.call(form, pause_order, order.pk, reason=form.cleaned_data["reason"])

    @staff_action(
        "Let it go on", permission=STEER, form=ResumeForm, done="It goes on, and the customer is told.",
        icon="play_circle", variant=ActionVariant.PRIMARY,
    )  # fmt: skip
    def resume(self, request: HttpRequest, order: StandingOrder, form: ResumeForm) -> bool:
        return self.call(form, resume_order, order.pk, reason=form.cleaned_data["reason"])


def story(request: HttpRequest, order: StandingOrder, staff: dict[str, str]) -> list[Moment]:
    """What was done with it, what went wrong, who was told, notes: the latest of it, in order. Three statements."""
    events = list(order.events.order_by("-id")[:STORY])
    moments = [stepped(request, order, event, staff) for event in events]
    told = Notification.objects.filter(event__in=[event.pk for event in events])
    told = told.select_related("customer").prefetch_related("deliveries").order_by("id")
    moments += [notified(request, one) for one in told]
    moments += [noted(request, one, staff) for one in notes_of(order)]
    return masked(request, sorted(moments, key=lambda one: one.at))


def stepped(request: HttpRequest, order: StandingOrder, event: OrderEvent, staff: dict[str, str]) -> Moment:
    facts: list[tuple[str, Any]] = []
    said = event.facts
    if due := said.get("due_on"):
        facts.append(("Date", day(date.fromisoformat(due))))
    if refusal := said.get("code"):
        facts.append(("Why", explain(refusal).title))
    if said.get("tries"):
        facts.append(("Tries so far", said["tries"]))
    if "amount" in said:
        facts.append(("Amount", money(said["amount"], order.currency)))
    facts += [(label, said[name] or "none") for name, label in CHANGED.items() if name in said]
    if transaction := said.get("transaction"):
        facts.append(("Transaction", link(request, "transactions.transaction", transaction, "the attempt")))
    by = "the customer" if event.actor == f"customer:{order.customer_id}" else named(event.actor, staff)
    if event.actor.startswith("job:"):
        by = ""
    tone = STEP_TONES.get(event.kind, "")
    return Moment(event.at, ICONS[event.kind], event.get_kind_display(), by=by, tone=tone, text=event.note, facts=facts)


CHANGED = {"memo": "Memo", "end_on": "Ends", "runs": "Number of runs", "next_on": "Goes on with"}


# --- Runs -----------------------------------------------------------------------------------------------------------


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


# --- On other pages -------------------------------------------------------------------------------------------------


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


# --- Calendars ------------------------------------------------------------------------------------------------------


class EntryForm(ReasonForm):
    intro = (
        "A declared holiday, or none in spite of the rule. Nothing changes until a colleague has approved it; then "
        "standing orders that follow the calendar are moved where they must."
    )
    submit = "Ask for approval"
    field_order = ["country", "day", "name", "reason"]
    prefilled = ("country",)

    country = forms.ModelChoiceField(
        queryset=Country.objects.order_by("name"), empty_label="Choose", widget=UnfoldAdminSelectWidget
    )
    day = forms.DateField(widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))
    name = forms.CharField(
        max_length=80, required=False, label="Holiday", widget=UnfoldAdminTextInputWidget,
        help_text="Its name. Leave it empty where the day is a day like any other.",
    )  # fmt: skip


@admin.register(Holiday)
class HolidayAdmin(StaffAdmin):
    """What was entered for single days. The holidays of each year are on the pages of the countries."""

    list_display = ["day_shown", "country", "what", "counts", "created_at"]
    list_select_related = ["country"]
    list_filter = [choice_filter("country", "country", [])]
    ordering = ["-id"]
    actions_list = ["propose"]
    page_select_related = ("country",)

    def get_list_filter(self, request: HttpRequest) -> list[Any]:
        return [choice_filter("country", "country", list(Country.objects.order_by("name").values_list("pk", "name")))]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        days = {(one.country_id, one.day) for one in changelist.result_list}
        newest: dict[Any, int] = {}
        for row in Holiday.objects.filter(day__in=[one for _, one in days]).order_by("id"):
            newest[row.country_id, row.day] = row.pk
        for one in changelist.result_list:
            one.is_newest = newest[one.country_id, one.day] == one.pk
        return changelist

    @display(description="Day")
    def day_shown(self, row: Holiday) -> Any:
        return day(row.day)

    @display(description="What it is")
    def what(self, row: Holiday) -> str:
        return row.name or "a day like any other"

    @display(description="Counts")
    def counts(self, row: Any) -> Any:
        return badge("counts", "good") if row.is_newest else badge("a later entry counts")

    def header(self, request: HttpRequest, row: Holiday) -> Header:
        where = link(request, "customers.country", row.country_id, row.country.name)
        return Header(title=self.name_of(row), lines=[where])

    @staff_action(
        "New entry", permission="schedules.change_calendar", form=EntryForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: EntryForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        params = {"country": asked["country"].pk, "day": asked["day"], "name": asked["name"]}
        return ask(request, form, calendar_entry.name, params, reason=asked["reason"], back=self.address_of(None))


@panel("customers.country", order=10, permission=SEE_CALENDAR)
def calendar_of_country(request: HttpRequest, country: Country) -> Panel:
    """This year's holidays and the next's, and on which of them banks would be closed anyway."""
    days, this_year = calendar_of(country.pk), datetime.now(UTC).year
    found = [*days.in_year(this_year).items(), *days.in_year(this_year + 1).items()]
    weekend = ", ".join(name for number, name in enumerate(WEEKDAYS, 1) if is_weekend(days, number))
    return Table(
        title=f"Calendar of business days: weekends are {weekend or 'not set'}",
        columns=["Day", "Holiday", ""],
        rows=[
            (
                day(one), name,
                badge("entered", "busy") if one in days.days else badge("weekend") if days.is_weekend(one) else NOTHING,
            )
            for one, name in found
        ],
        empty="No holiday is known: every day but weekends is a business day.",
        more=("Entries for single days", list_url("schedules.holiday", country=country.pk)),
    )  # fmt: skip


WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def is_weekend(days: Any, weekday: int) -> bool:
    return bool(days.weekends) and weekday in days.weekends[-1].weekdays
