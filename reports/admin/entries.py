"""The entries of the books as a list to look through and to export."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin import Facts, MadeBetween, Panel, StaffAdmin, choice_filter, code, moment, money, page_url, words
from core.admin.pages import NOTHING
from core.money import CURRENCY_CHOICES
from customers.finding import read_uuid
from reports.models import EntryLine
from transactions.admin.shown import account_shown
from transactions.models import Kind


class PostedBetween(MadeBetween):
    """A journal's id carries the time of its posting, and entries have an index on it."""

    field = "journal_id"


@admin.register(EntryLine)
class EntryLineAdmin(StaffAdmin):
    list_display = [
        "recorded_at",
        "account_shown",
        "journal_shown",
        "debit_money",
        "credit_money",
        "balance_money",
    ]
    list_display_links = None
    list_filter = [
        choice_filter("kind", "kind", Kind.choices),
        choice_filter("currency", "currency", CURRENCY_CHOICES),
        PostedBetween,
    ]
    list_select_related = page_select_related = ("account__wallet__customer",)
    # When it was recorded: a journal's id is of when its movement was asked for, which may be days before.
    ordering = ["-journal__recorded_at", "-journal_id", "account_id"]
    search_fields = ["account_code"]
    search_help_text = "The beginning of an account's code, or a journal's id or reference"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Each way reads one index."""
        asked = search_term.strip()
        if not asked:
            return queryset, False
        if (journal := read_uuid(asked)) is not None:
            return queryset.filter(journal_id=journal), False
        if asked.startswith(("asset", "liability", "income", "equity")):
            return queryset.filter(account_code__startswith=asked), False
        return queryset.filter(reference=asked), False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> EntryLine | None:
        """By the entry's real key; nothing indexes the text that the view makes of it."""
        account, _, seq = object_id.partition("-")
        if not (account.isdecimal() and seq.isdecimal() and len(account) < 19 and len(seq) < 19):
            return None
        return self.get_queryset(request).filter(account_id=int(account), seq=int(seq)).first()

    def panels(self, request: HttpRequest, entry: EntryLine) -> list[Panel]:
        rows = [
            ("Account", self.account_shown(entry)),
            ("Name", entry.account_name or NOTHING),
            ("Number", entry.seq),
            ("Journal", self.journal_shown(entry)),
            ("Reference", code(entry.reference)),
            (entry.get_side_display().capitalize(), money(entry.amount, entry.currency)),
            ("Balance after", self.balance_money(entry)),
            ("Recorded", moment(entry.recorded_at)),
            ("Effective", moment(entry.effective_at)),
        ]
        return [Facts(title="Entry", rows=rows)]

    @display(description="Account")
    def account_shown(self, entry: EntryLine) -> SafeString:
        wallet = getattr(entry.account, "wallet", None)  # our own accounts have none
        owners = {entry.account_code: wallet.customer.full_name} if wallet else {}
        shown = account_shown(entry.account_code, owners)
        return format_html('<a class="to" href="{}">{}</a>', page_url("ledger.account", entry.account_id), shown)

    @display(description="Debit")
    def debit_money(self, entry: EntryLine) -> Any:
        return "" if entry.debit is None else money(entry.debit, entry.currency)

    @display(description="Credit")
    def credit_money(self, entry: EntryLine) -> Any:
        return "" if entry.credit is None else money(entry.credit, entry.currency)

    @display(description="Balance after")
    def balance_money(self, entry: EntryLine) -> Any:
        return money(entry.balance_after, entry.currency)

    @display(description="Journal")
    def journal_shown(self, entry: EntryLine) -> SafeString:
        """Its kind in words leads to it."""
        address = page_url("ledger.journal", entry.journal_id)
        return format_html('<a class="to" href="{}">{}</a>', address, words(entry.kind))
