"""Unknown outcomes: movements of which only the bank knows what became of them, the oldest first."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from core.admin import MadeBetween, badge, choice_filter, moment, money, page_url
from core.admin.pages import NOTHING
from staff.queues import queue
from staff.work import owner_filter, worked
from transactions.admin.finding import matching
from transactions.admin.shown import kind_shown, receipt_tag, state_badge
from transactions.models import OPEN, THROUGH_A_RAIL, UNRESOLVED, Kind, State, Transaction, UnknownOutcome

ACT = "transactions.release"
PAGE = "transactions.transaction"

queue(
    name="unknown_outcomes",
    title="Unknown outcomes",
    icon="help_center",
    about="A bank has not said what became of it, or a hold did not end by itself: the money stays held. Ask the bank; "
    "the worker asks it too, and takes a hold up again when you let it.",
    model=PAGE,
    view="transactions_unknownoutcome_changelist",
    see="transactions.view_unknownoutcome",
    act=ACT,
    which=lambda user: UNRESOLVED,
    waits=lambda txn: txn.state == State.UNKNOWN or (txn.state in OPEN and txn.quarantined_at is not None),
    since="created_at",
    order="id",
)

GIVEN_UP = [("yes", "given up by the worker"), ("no", "still being asked about")]


class GivenUpFilter(choice_filter("given_up", "worker", GIVEN_UP)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in dict(GIVEN_UP):
            return queryset
        return queryset.filter(quarantined_at__isnull=self.value() == "no")


@admin.register(UnknownOutcome)
class UnknownOutcomeAdmin(worked("unknown_outcomes", ACT)):  # type: ignore[misc]
    """A list alone: the page of each is that of the transaction."""

    list_display = [
        "receipt_shown", "customer", "amount_money", "waits_shown", "owner_shown", "rail", "attempts", "next_attempt",
        "state_shown",
    ]  # fmt: skip
    list_display_links = None
    list_select_related = ["payer__customer", "payee__customer"]
    list_filter = [
        owner_filter("unknown_outcomes"),
        GivenUpFilter,
        choice_filter("rail", "rail", [(name, name) for name in settings.RAILS]),
        choice_filter("kind", "kind", [(kind, Kind(kind).label) for kind in sorted({*THROUGH_A_RAIL, Kind.HOLD})]),
        MadeBetween,
    ]
    search_fields = ["receipt"]
    search_help_text = "Receipt, reference, key, id"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).filter(UNRESOLVED)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        return (queryset.filter(pk__in=matching(asked).values("pk")) if asked else queryset), False

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.admin_site.get_model_admin(Transaction).change_view(request, object_id)

    @display(description="Receipt")
    def receipt_shown(self, txn: Transaction) -> Any:
        """Whoever sees these sees transactions (`staff/roles.py`)."""
        return format_html(
            '<a class="to" href="{}">{}</a><br><span class="muted small">{}</span>',
            page_url(PAGE, txn.pk), receipt_tag(txn.receipt), kind_shown(txn),
        )  # fmt: skip

    @display(description="Customer")
    def customer(self, txn: Transaction) -> Any:
        wallet = txn.payer or txn.payee
        return wallet.customer.full_name if wallet else NOTHING

    @display(description="Amount")
    def amount_money(self, txn: Transaction) -> Any:
        return money(txn.amount, txn.currency)

    @display(description="State")
    def state_shown(self, txn: Transaction) -> Any:
        return state_badge(txn)

    @display(description="Next attempt")
    def next_attempt(self, txn: Any) -> Any:
        """The worker's own; where it gave up, the dialog that lets it ask again."""
        if txn.quarantined_at is None:
            return moment(txn.due_at)
        if not txn.work_to_take:
            return badge("given up", "bad")
        return format_html(
            '{0} <a class="to" href="{1}" aria-haspopup="dialog" hx-get="{1}" hx-target="#modal-content"'
            ' hx-select="#dialog" x-on:htmx:after-on-load="openModal = true">Ask again</a>',
            badge("given up", "bad"), reverse("admin:transactions_transaction_release", args=[txn.pk]),
        )  # fmt: skip
