"""Payouts as staff see them: the list, the story of one, its items, stopping one; who approves for a business."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant

from core import contacts
from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    finder,
    link,
    masking,
    moment,
    money,
    panel,
    place,
    staff_action,
)
from core.admin.pages import NOTHING, age, list_url, page_url
from core.admin.search import MOST_HITS, read_identity
from core.money import Money
from customers.links import concerns
from customers.models import Customer
from notes.admin import Noted
from notes.selectors import notes_of
from notifications.models import Notification
from payouts.models import (
    OPEN,
    AloneLimit,
    Approver,
    ApproverState,
    Batch,
    BatchEvent,
    BatchState,
    Item,
    ItemState,
    ItemStatus,
)
from payouts.selectors import (
    ItemRow,
    approvers_around,
    given_back,
    items_of,
    needs_second_person,
    payout_of_transaction,
)
from payouts.services import cancel
from staff.selectors import named, names
from transactions.admin.finding import FEWEST, spellings
from transactions.admin.refusals import explain
from transactions.admin.shown import receipt_tag
from transactions.admin.timeline import Moment, masked, noted, notified
from transactions.models import Kind, Transaction
from wallets.selectors import masked_name

concerns("payouts.batch", "customer_id")

SEE, STOP = "payouts.view_batch", "payouts.stop"
TONES = {
    BatchState.DRAFT: "", BatchState.VALIDATED: "busy", BatchState.APPROVED: "busy", BatchState.POSTING: "busy",
    BatchState.COMPLETED: "good", BatchState.FAILED: "bad", BatchState.CANCELLED: "", BatchState.EXPIRED: "",
}  # fmt: skip
STEPS = {
    "draft": ("edit_document", "Sent in, with lines to put right"),
    "validated": ("upload_file", "Sent in and checked"),
    "approved": ("verified", "Approved"),
    "posting": ("play_arrow", "Taken up by a worker"),
    "completed": ("task_alt", "Everybody paid or refused"),
    "failed": ("block", "Nobody paid: all or nothing"),
    "cancelled": ("cancel", "Cancelled"),
    "expired": ("timer_off", "Nobody approved it in time"),
}
ITEM_TONES = {ItemStatus.WAITING: "busy", ItemStatus.PAID: "good", ItemStatus.REFUSED: "bad", ItemStatus.UNPAID: ""}
FEW, SHOWN, ITEMS_SHOWN, A_PAGE = 5, 10, 25, 100
AGES = [("hour", "older than an hour"), ("day", "older than a day"), ("week", "older than 7 days")]


def state_badge(batch: Batch) -> Any:
    if batch.quarantined_at and batch.state in OPEN:
        return badge("given up by workers", "bad")
    tone = "odd" if batch.state == BatchState.COMPLETED and batch.refused else TONES[BatchState(batch.state)]
    return badge(batch.get_state_display(), tone)


def day(value: date | None) -> Any:
    return f"{value:%a %-d %b %Y}" if value else NOTHING


class AgeFilter(choice_filter("age", "open since", AGES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        passed = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}
        if (since := passed.get(self.value() or "")) is None:
            return queryset
        return queryset.filter(state__in=OPEN, created_at__lte=now() - since)


class StopForm(ReasonForm):
    intro = (
        "What is not paid by then is not, and the customer is told that it was cancelled. What is paid stays paid: "
        "that is given back item by item."
    )
    submit = "Stop the payout"


@admin.register(Batch)
class BatchAdmin(Noted):
    list_display = ["what", "payer", "items", "total_shown", "done", "state_shown", "age_shown", "made"]
    list_select_related = ["customer"]
    list_filter = [choice_filter("state", "state", BatchState.choices), AgeFilter, MadeBetween]
    ordering = ["-pk"]
    search_fields = ["id"]
    search_help_text = "Id of the payout, its payer or wallet, or its beginning; or what the payer calls it, whole"
    page_select_related = ("customer__country", "wallet", "made_by", "approved_by")
    actions_detail = ["stop", "add_note"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        on_page = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows if on_page else rows.defer("errors", "warnings")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        identity = read_identity(search_term)
        if identity is None:
            return queryset.filter(pk__in=matching(search_term.strip()).values("pk")), False
        return queryset.filter(identity.within("pk") | identity.within("customer") | identity.within("wallet")), False

    @display(description="Payout")
    def what(self, batch: Batch) -> str:
        return contacts.masked_text(batch.label) or "without a label"

    @display(description="Payer")
    def payer(self, batch: Batch) -> str:
        return batch.customer.full_name

    @display(description="Items")
    def items(self, batch: Batch) -> str:
        return f"{batch.lines:,}"

    @display(description="Total")
    def total_shown(self, batch: Batch) -> Any:
        return money(batch.total, batch.currency)

    @display(description="Paid, refused")
    def done(self, batch: Batch) -> str:
        return f"{batch.posted:,}, {batch.refused:,}"

    @display(description="State")
    def state_shown(self, batch: Batch) -> Any:
        return state_badge(batch)

    @display(description="Age")
    def age_shown(self, batch: Batch) -> str:
        return age((batch.finished_at or now()) - batch.created_at)

    @display(description="Sent in")
    def made(self, batch: Batch) -> Any:
        return moment(batch.created_at)

    # --- The page ----------------------------------------------------------------------------------------------------

    def whose(self, batch: Batch) -> list[Any]:
        return [batch.customer_id]

    def name_of(self, batch: Batch) -> str:
        return f"Payout of {batch.lines:,} items"

    def header(self, request: HttpRequest, batch: Batch) -> Header:
        payer = link(request, "customers.customer", batch.customer_id, batch.customer.full_name)
        lines: list[Any] = [format_html("{} pays {} items", payer, f"{batch.lines:,}")]
        if batch.label:
            lines.append(masking.words(request, batch.label))
        if batch.state == BatchState.VALIDATED:
            second = needs_second_person(batch, batch.customer)
            lines.append("Waits for an approver of the business." if second else "Waits for its owner to approve it.")
            lines.append(format_html("It can be approved until {}.", moment(batch.expires_at)))
        if batch.state == BatchState.APPROVED and batch.execute_on:
            lines.append(f"Is paid on {day(batch.execute_on)}, from midnight in {batch.customer.country.name}.")
        if batch.refusal_code:
            lines.append(f"Line {batch.refusal_line}: {explain(batch.refusal_code).title}")
        figures = [
            ("Total", money(batch.total, batch.currency)),
            ("Paid", money(batch.posted_amount, batch.currency)),
        ]
        items, amount = given_back(batch.pk) if batch.posted else (0, 0)
        if amount:
            figures.append((f"Given back since, of {items:,}", money(amount, batch.currency)))
        return Header(title=self.name_of(batch), badge=state_badge(batch), lines=lines, figures=figures)

    def panels(self, request: HttpRequest, batch: Batch) -> list[Panel]:
        staff = names()
        found: list[Panel] = []
        if batch.has_items:
            context = {"batch": batch, "done": batch.posted + batch.refused, "said": how_far(batch)}
            found += [
                Part(title="How far it is", template="admin/payouts/progress.html", context=context),
                items_table(request, batch),
            ]
        if batch.errors_total:
            found.append(faults_table(request, "Lines to put right", batch.errors, batch.errors_total))
        if batch.warnings_total:
            found.append(faults_table(request, "Lines to look at", batch.warnings, batch.warnings_total))
        story = {"moments": timeline(request, batch, staff)}
        found.append(Part(title="What happened", template="admin/transactions/timeline.html", context=story))
        return [*found, self.details(request, batch)]

    def details(self, request: HttpRequest, batch: Batch) -> Facts:
        approved_by = batch.approved_by
        return Facts(
            title="Details",
            side=True,
            rows=[
                ("From", link(request, "wallets.wallet", batch.wallet_id, f"{batch.currency} wallet")),
                ("Mode", capfirst(batch.get_mode_display())),
                ("Fees", money(batch.fees, batch.currency)),
                ("Fees paid", money(batch.posted_fees, batch.currency)),
                ("Left in the wallet, as of the check", money(batch.leaves, batch.currency)),
                ("To be paid on", day(batch.execute_on) if batch.execute_on else "once approved"),
                ("A second time", "meant by the payer" if batch.again else "no"),
                ("Approved by", link(request, "customers.customer", approved_by.pk, approved_by.full_name)
                 if approved_by else NOTHING),
                ("Approved", moment(batch.approved_at)),
                ("Begun", moment(batch.begun_at)),
                ("Finished", moment(batch.finished_at)),
                ("Taken up by workers", batch.runs),
                ("Sent in", moment(batch.created_at)),
                ("Id", code(batch.pk)),
            ],
        )  # fmt: skip

    def why_not(self, request: HttpRequest, batch: Batch, name: str) -> str:
        return "" if batch.state in OPEN else f"It is over: {batch.get_state_display()}."

    @staff_action(
        "Stop", permission=STOP, form=StopForm, done="Stopped, and the customer is told.", icon="stop_circle",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def stop(self, request: HttpRequest, batch: Batch, form: StopForm) -> bool:
        return self.call(form, cancel, batch.pk, note=form.cleaned_data["reason"])


def timeline(request: HttpRequest, batch: Batch, staff: dict[str, str]) -> list[Moment]:
    """Steps, who was told, notes, in order. Three statements."""
    events = list(batch.events.all())
    moments = [stepped(batch, event, staff) for event in events]
    told = Notification.objects.filter(event__in=[event.pk for event in events])
    told = told.select_related("customer").prefetch_related("deliveries").order_by("id")
    moments += [notified(request, one) for one in told]
    moments += [noted(request, one, staff) for one in notes_of(batch)]
    return masked(request, sorted(moments, key=lambda one: one.at))


def stepped(batch: Batch, event: BatchEvent, staff: dict[str, str]) -> Moment:
    icon, title = STEPS[event.to_state]
    said = event.facts
    labels = {"items": "Items", "errors": "Lines to put right", "posted": "Paid", "refused": "Refused", "left": "Left",
              "again": "Tried again", "line": "Line"}  # fmt: skip
    facts: list[tuple[str, Any]] = [(label, f"{said[name]:,}") for name, label in labels.items() if said.get(name)]
    if refusal := said.get("code"):
        facts.append(("Why", explain(refusal).title))
    by = "the payer" if event.actor == f"customer:{batch.customer_id}" else named(event.actor, staff)
    if event.actor.startswith("customer:") and event.actor != f"customer:{batch.customer_id}":
        by = "an approver"
    if event.actor.startswith("job:"):
        by = ""
    return Moment(event.at, icon, title, by=by, tone=TONES[BatchState(event.to_state)], text=event.note, facts=facts)


def how_far(batch: Batch) -> str:
    said = [f"{batch.posted:,} of {batch.lines:,} paid"]
    if batch.refused:
        said.append(f"{batch.refused:,} refused")
    if batch.left:
        said.append(f"{batch.left:,} {'left' if batch.state in OPEN else 'not paid'}")
    return ", ".join(said)


def faults_table(request: HttpRequest, title: str, faults: list[dict[str, Any]], total: int) -> Table:
    shown = faults[:ITEMS_SHOWN]
    return Table(
        title=f"{title}: {total:,}" + (f", the first {len(shown)}" if total > len(shown) else ""),
        columns=["Line", "Field", "What"],
        rows=[
            (fault["line"] or "all", fault["field"] or NOTHING, masking.words(request, fault["message"]))
            for fault in shown
        ],
    )


# --- Items ----------------------------------------------------------------------------------------------------------


def items_table(request: HttpRequest, batch: Batch) -> Table:
    """What was refused first, then the beginning of the file."""
    refused = list(items_of(batch.pk, state=ItemState.REFUSED, limit=ITEMS_SHOWN)) if batch.refused else []
    rest = [row for row in items_of(batch.pk, limit=ITEMS_SHOWN) if row.state != ItemState.REFUSED]
    return rows_table(
        request, batch, [*refused, *rest][:ITEMS_SHOWN], title="Items",
        more=("All items", reverse("admin:payouts_items", args=[batch.pk])),
    )  # fmt: skip


def rows_table(request: HttpRequest, batch: Batch, rows: list[ItemRow], **more: Any) -> Table:
    return Table(
        columns=["Line", "To", "Reaches", "Amount", "", "Why not", "Receipt"],
        numeric=["Line", "Amount"],
        rows=[
            (
                row.line,
                named_as(row),
                row.recipient or NOTHING,
                money(row.amount, batch.currency),
                what_came_of(row, batch.currency),
                explain(row.refusal_code).title if row.refusal_code else NOTHING,
                link(request, "transactions.transaction", row.transaction, receipt_tag(row.receipt))
                if row.transaction and row.receipt else NOTHING,
            )
            for row in rows
        ],
        empty="There are none.",
        **more,
    )  # fmt: skip


def what_came_of(row: ItemRow, currency: str) -> Any:
    told = badge(row.state, ITEM_TONES[ItemStatus(row.state)])
    if not row.returned:
        return told
    return format_html('{}<br><span class="muted small">{} given back</span>', told, money(row.returned, currency))


def named_as(row: ItemRow | Item) -> str:
    """As the file names them, masked whoever looks: the page is about the payer."""
    match row.to_by:
        case "phone":
            return contacts.masked_phone(row.to_value)
        case "email":
            return contacts.masked_email(row.to_value)
    return "wallet"


# --- Found by -------------------------------------------------------------------------------------------------------


def matching(text: str) -> QuerySet[Batch]:
    """By id or its beginning, or by what the payer calls it, as it was typed or in one case: by indexes. Slice it."""
    identity = read_identity(text)
    if identity is not None:
        return Batch.objects.filter(identity.within())
    if len(text) < FEWEST:
        return Batch.objects.none()
    ways = [
        Batch.objects.filter(label=said).order_by("-pk").values("pk")[: MOST_HITS + 1] for said in spellings(text)
    ]  # fmt: skip
    return Batch.objects.filter(pk__in=ways[0].union(*ways[1:]))


@finder("Payouts", order=13, permission=SEE, model="payouts.batch")
def find_payouts(text: str) -> list[Hit]:
    identity = read_identity(text)
    rows = matching(text).select_related("customer").defer("errors", "warnings")
    return [
        Hit(
            title=f"Payout of {one.lines:,} items",
            detail=format_html("{} · {} · {}", one.customer.full_name, money(one.total, one.currency),
                               moment(one.created_at)),
            state=state_badge(one),
            url=page_url("payouts.batch", one.pk),
            exact=identity is None or identity.is_whole,
        )
        for one in rows.order_by("-pk")[: MOST_HITS + 1]
    ]  # fmt: skip


@admin.register(Item)
class ItemAdmin(StaffAdmin):
    """Of every payout, the newest first: a list to look one payout up in and to export; the page is the payout's."""

    list_display = ["of", "line", "to", "reaches", "amount_shown", "state_shown", "why", "receipt"]
    list_select_related = ["batch", "wallet__customer", "transaction"]
    ordering = ["-pk"]
    search_fields = ["batch"]
    search_help_text = "Id of the payout, or its beginning"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not search_term.strip():
            return queryset, False
        identity = read_identity(search_term)
        return (queryset.none() if identity is None else queryset.filter(identity.within("batch"))), False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        items = Item.objects.filter(pk=object_id) if object_id.isdecimal() else Item.objects.none()
        batch = items.values_list("batch", flat=True).first()
        return self.admin_site.get_model_admin(Batch).change_view(request, str(batch))

    @display(description="Payout")
    def of(self, item: Item) -> Any:
        return format_html(
            '{}<br><span class="muted small">{}</span>', contacts.masked_text(item.batch.label) or "without a label",
            moment(item.batch.created_at),
        )  # fmt: skip

    @display(description="To")
    def to(self, item: Item) -> str:
        return named_as(item)

    @display(description="Reaches")
    def reaches(self, item: Item) -> str:
        return masked_name(item.wallet.customer.full_name)

    @display(description="Amount")
    def amount_shown(self, item: Item) -> Any:
        return money(item.amount, item.batch.currency)

    @display(description="State")
    def state_shown(self, item: Item) -> Any:
        return badge(item.status, ITEM_TONES[item.status])

    @display(description="Why not")
    def why(self, item: Item) -> Any:
        return explain(item.refusal_code).title if item.refusal_code else NOTHING

    @display(description="Receipt")
    def receipt(self, item: Item) -> Any:
        return receipt_tag(item.transaction.receipt) if item.transaction else NOTHING


@place("payouts/<uuid:payout_id>/items/", name="payouts_items", permission=SEE)
def items_page(request: HttpRequest, payout_id: UUID) -> HttpResponse:
    """A hundred at a time, in the order of the file; cut to a state if asked."""
    batch = Batch.objects.filter(pk=payout_id).select_related("customer").first()
    if batch is None:
        raise Http404
    state = request.GET.get("state", "")
    state = state if state in ItemStatus.values else ""
    asked = request.GET.get("after", "")
    after = int(asked) if asked.isdecimal() and len(asked) < 7 else 0
    rows = list(items_of(batch.pk, after=after, state=state, limit=A_PAGE + 1))
    here = reverse("admin:payouts_items", args=[batch.pk])

    def at(**query: Any) -> str:
        return f"{here}?{urlencode({name: value for name, value in query.items() if value})}"

    choices = [("All", ""), *((capfirst(label), value) for value, label in ItemStatus.choices)]
    context = {
        **admin.site.each_context(request),
        "title": "Items",
        "heading": f"Items of a payout of {batch.customer.full_name}",
        "back": page_url("payouts.batch", batch.pk),
        "states": [(text, at(state=value), value == state) for text, value in choices],
        "panel": rows_table(request, batch, rows[:A_PAGE], title="Items"),
        "first": at(state=state) if after else "",
        "next": at(state=state, after=rows[A_PAGE - 1].line) if len(rows) > A_PAGE else "",
        "listed": list_url("payouts.item", q=batch.pk),
    }
    return TemplateResponse(request, "admin/payouts/items.html", context)


# --- On other pages -------------------------------------------------------------------------------------------------


@panel("transactions.transaction", order=13, permission=SEE)
def payout_of_item(request: HttpRequest, transaction: Transaction) -> Panel | None:
    """The payout that it is an item of."""
    if transaction.kind != Kind.PAYOUT:
        return None
    found = payout_of_transaction(transaction.idempotency_key)
    batch = Batch.objects.filter(pk=found).first() if found else None
    if batch is None:
        return None
    line = transaction.idempotency_key.rsplit("-", 2)[1]
    rows = [("Payout", link(request, "payouts.batch", batch.pk, f"{batch.lines:,} items")), ("Line", line)]
    return Facts(title="Payout", side=True, rows=[*rows, ("State", state_badge(batch))])


@panel("customers.customer", order=56, permission=SEE)
def payouts_of_customer(request: HttpRequest, customer: Customer) -> Panel | None:
    rows = Batch.objects.filter(customer=customer).defer("errors", "warnings").order_by("-id")[:FEW]
    if not rows:
        return None
    return Table(
        title="Payouts",
        columns=["Sent in", "", "Items", "Total"],
        numeric=["Items", "Total"],
        rows=[
            (
                link(request, "payouts.batch", one.pk, moment(one.created_at)),
                state_badge(one),
                f"{one.lines:,}",
                money(one.total, one.currency),
            )
            for one in rows
        ],
        more=("All", list_url("payouts.batch", q=customer.pk)),
    )


@panel("customers.customer", order=47, permission=SEE)
def approvers_of_customer(request: HttpRequest, customer: Customer) -> Panel | None:
    """Who approves for this business, for whom this customer does, and how much the owner does alone."""
    rows = list(approvers_around(customer.pk)[:SHOWN])
    alone = AloneLimit.objects.filter(business=customer).order_by("currency", "-id").distinct("currency")
    if not rows and not customer.is_business:
        return None
    limits = ", ".join(str(Money(one.amount, one.currency)) for one in alone if one.amount)
    return Table(
        title="Payout approvers",
        side=True,
        columns=["Who", ""],
        rows=[
            (
                format_html(
                    '{}<br><span class="muted small">since {}</span>',
                    around(request, one, customer),
                    moment(one.invited_at),
                ),
                approver_badge(one),
            )
            for one in rows
        ]
        + ([("The owner alone, in 24 hours", limits or "nothing")] if rows else []),
        empty="None: payouts of this business cannot be approved.",
    )


def around(request: HttpRequest, row: Approver, customer: Customer) -> Any:
    if row.business_id == customer.pk:
        return link(request, "customers.customer", row.approver_id, row.approver.full_name)
    return format_html("for {}", link(request, "customers.customer", row.business_id, row.business.full_name))


def approver_badge(row: Approver) -> Any:
    tone = {ApproverState.INVITED: "busy", ApproverState.ACTIVE: "good", ApproverState.ENDED: ""}
    return badge(row.get_state_display(), tone[ApproverState(row.state)])
