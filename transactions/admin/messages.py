"""Messages of rails: the list, with those that need a person, and a page that lays each beside our own record."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    choice_filter,
    code,
    link,
    masking,
    moment,
    money,
    staff_action,
)
from core.admin.pages import NOTHING, page_url
from core.ids import read_uuid
from staff.queues import queue
from staff.work import owner_filter, worked
from transactions.admin.finding import messages
from transactions.admin.shown import kind_shown, message_badge, parties_of, receipt_tag, sides, state_badge
from transactions.admin.timeline import pretty
from transactions.models import RailMessage
from transactions.services.rail_messages import GIVEN_UP, close_odd

# What needs a person is offered first. What broke our worker is a failed job, and is not looked for here too.
STATES = [*RailMessage.State.choices, ("given_up", "given up: a failed job")]
STATES.sort(key=lambda choice: choice[0] != RailMessage.State.ODD)


ODD = Q(state=RailMessage.State.ODD) & ~Q(note=GIVEN_UP)


class StateFilter(choice_filter("state", "state", STATES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case RailMessage.State.ODD:
                return queryset.filter(ODD)
            case "given_up":
                return queryset.filter(state=RailMessage.State.ODD, note=GIVEN_UP)
        return queryset.filter(state=self.value()) if self.value() else queryset


class CloseForm(ReasonForm):
    intro = "It has been dealt with. This moves no money and changes no transaction."
    submit = "Close"


queue(
    name="odd_messages",
    title="Rail messages",
    icon="mail",
    about="What a bank says and fits none of ours. Look beside our own record, then close it.",
    model="transactions.railmessage",
    view="transactions_railmessage_changelist",
    query="state=odd",
    see="transactions.view_railmessage",
    act="transactions.close_message",
    which=lambda user: ODD,
    waits=lambda message: message.state == RailMessage.State.ODD and message.note != GIVEN_UP,
    since="received_at",
    order="pk",
)


@admin.register(RailMessage)
class RailMessageAdmin(worked("odd_messages", "transactions.close_message")):  # type: ignore[misc]
    list_display = [
        "received_at", "rail", "message_id", "state_shown", "transaction_shown", "waits_shown", "owner_shown",
    ]  # fmt: skip
    list_select_related = ["transaction"]
    list_filter = [
        StateFilter,
        owner_filter("odd_messages"),
        choice_filter("rail", "rail", [(name, name) for name in settings.RAILS]),
        MadeBetween,
    ]
    ordering = ["-pk"]
    search_fields = ["message_id"]
    search_help_text = "Message id, id of a transaction"
    page_select_related = ("transaction__payer__customer", "transaction__payee__customer")
    actions_detail = ["close", "take", "hand_over"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """By its ids or that of its transaction, each of which is a look-up in an index."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        ways = [messages(asked).order_by().values("pk")]
        if (transaction := read_uuid(asked)) is not None:
            ways.append(RailMessage.objects.filter(transaction=transaction).order_by().values("pk"))
        return queryset.filter(pk__in=ways[0].union(*ways[1:])), False

    @display(description="State")
    def state_shown(self, message: RailMessage) -> Any:
        return message_badge(message)

    @display(description="Transaction")
    def transaction_shown(self, message: RailMessage) -> Any:
        """Whoever sees messages sees transactions (`staff/roles.py`)."""
        txn = message.transaction
        if txn is None:
            return NOTHING
        url = page_url("transactions.transaction", txn.pk)
        return format_html('<a class="to" href="{}">{}</a>', url, receipt_tag(txn.receipt))

    def whose(self, message: RailMessage) -> list[Any]:
        return parties_of(message.transaction) if message.transaction else []

    def name_of(self, message: RailMessage) -> str:
        return f"Message {message.message_id}"

    # --- The page ----------------------------------------------------------------------------------------------------

    def header(self, request: HttpRequest, message: RailMessage) -> Header:
        odd = message.state == RailMessage.State.ODD
        return Header(
            title=f"Message from {message.rail}",
            badge=message_badge(message),
            lines=[code(message.message_id), moment(message.received_at)],
            notice=f"This one needs a person: {masking.words(request, message.note)}" if odd else "",
        )

    def panels(self, request: HttpRequest, message: RailMessage) -> list[Panel]:
        said = {"text": pretty(masking.document(request, message.payload))}
        rows = [
            ("Note", masking.words(request, message.note) or NOTHING),
            ("Attempts", message.attempts),
            ("Received", moment(message.received_at)),
            ("Processed", moment(message.processed_at)),
            ("Id", code(message.pk)),
        ]
        return [
            Part(title="What it says", template="admin/transactions/payload.html", context=said),
            our_record(request, message),
            Facts(title="What became of it", side=True, rows=rows),
        ]

    # --- What can be done --------------------------------------------------------------------------------------------

    def why_not(self, request: HttpRequest, message: RailMessage, name: str) -> str:
        match message.state:
            case RailMessage.State.RECEIVED:
                return "The worker has not taken it up yet. It comes to a person only if the worker finds it odd."
            case RailMessage.State.PROCESSED:
                return "It has been dealt with and needs nobody any more."
        return ""

    @staff_action(
        "Close", permission="transactions.close_message", form=CloseForm, done="Closed.", icon="mark_email_read"
    )
    def close(self, request: HttpRequest, message: RailMessage, form: CloseForm) -> bool:
        return self.call(form, close_odd, message.pk, reason=form.cleaned_data["reason"])


def our_record(request: HttpRequest, message: RailMessage) -> Facts:
    """The transaction it is about, as we have it: to be compared with what the rail says."""
    txn = message.transaction
    if txn is None:
        return Facts(title="Our record", rows=[("Transaction", "None of ours was matched.")])
    payer, payee = sides(request, txn)
    rows = [
        ("Transaction", link(request, "transactions.transaction", txn.pk, receipt_tag(txn.receipt))),
        ("State", state_badge(txn)),
        ("Kind", format_html("{}: {} → {}", kind_shown(txn), payer, payee)),
        ("Amount", money(txn.amount, txn.currency)),
        ("Rail's reference", code(txn.rail_reference)),
        ("Our reference there", code(txn.pk)),
    ]
    return Facts(title="Our record", rows=rows)
