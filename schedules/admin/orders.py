"""The list of standing orders, and the story of one: its dates, versions, what happened to it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.enums import ActionVariant

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    Table,
    choice_filter,
    code,
    link,
    masking,
    moment,
    money,
    staff_action,
)
from core.admin.pages import NOTHING, list_url
from core.admin.search import read_identity
from core.money import CURRENCY_CHOICES
from customers.finding import matching
from customers.links import concerns
from customers.models import Country
from notes.admin import Noted
from notes.selectors import notes_of
from notifications.models import Notification
from schedules.admin.runs import runs_table
from schedules.admin.shown import day, order_badge, paused_by, said_often
from schedules.models import OrderEvent, OrderState, OrderVersion, StandingOrder
from schedules.running import ACTOR
from schedules.selectors import calendar_of, first_dates, versions_now
from schedules.services import is_of_staff, pause_order, resume_order
from staff.selectors import named, names
from transactions.admin.refusals import explain
from transactions.admin.timeline import Moment, masked, noted, notified
from wallets.models import Wallet

concerns("schedules.standingorder", "customer_id", "payee.customer_id")

STEER = "schedules.steer"
ICONS = {
    "created": "event_repeat", "changed": "edit_calendar", "paused": "pause_circle", "resumed": "play_circle",
    "skipped": "skip_next", "cancelled": "cancel", "ended": "event_available", "unfunded": "hourglass_bottom",
    "given_up": "money_off", "failed": "block", "missed": "event_busy", "stopped": "stop_circle",
}  # fmt: skip
STEP_TONES = {"unfunded": "odd", "given_up": "bad", "failed": "bad", "missed": "bad", "paused": "odd"}
CHANGED = {"memo": "Memo", "end_on": "Ends", "runs": "Number of runs", "next_on": "Goes on with"}
PAUSED_BY = [("paused_by_us", "paused by us"), ("paused_by_itself", "paused by itself")]
NEXT = [("today", "today or before"), ("tomorrow", "until tomorrow"), ("week", "within seven days")]
DAYS_AHEAD = {"today": 0, "tomorrow": 1, "week": 7}
MOST_OWNERS = 100  # whose orders are shown to a name
RUNS_SHOWN = 50
STORY = 200


class PauseForm(ReasonForm):
    intro = (
        "No date is begun until staff let it go on, and what waits for another try is stopped. The customer is told."
    )
    submit = "Pause"


class ResumeForm(ReasonForm):
    intro = (
        "It goes on with its next date; dates that passed meanwhile are not made up, and where none is left it ends."
        " The customer is told."
    )
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
    """Of those that run; today is that of UTC."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in DAYS_AHEAD:
            return queryset
        until = datetime.now(UTC).date() + timedelta(days=DAYS_AHEAD[self.value()])
        return queryset.filter(state=OrderState.ACTIVE, next_on__lte=until)


class SetUpBetween(MadeBetween):
    title = "day it was set up"


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
        "Let it go on", permission=STEER, form=ResumeForm, done="Done, and the customer is told.",
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
