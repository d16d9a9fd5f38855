"""The entries and the holds of the books as lists to look through and to export."""

from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from core.admin import (
    Facts,
    MadeBetween,
    Panel,
    StaffAdmin,
    badge,
    choice_filter,
    code,
    link,
    moment,
    money,
    page_url,
    words,
)
from core.admin.pages import NOTHING
from core.admin.search import read_identity
from core.days import end_of, midnight
from core.ids import read_uuid
from core.money import CURRENCY_CHOICES
from ledger.selectors import account_ids_beginning, account_ids_in, journal_ids
from reports.balances import CLASSES
from reports.models import EntryLine, HoldLine
from transactions.admin.shown import account_shown
from transactions.models import Kind

MOST_ACCOUNTS = 100  # whose entries are looked for one by one
MOST_ACCOUNTS_IN = 2_000  # of one currency: beyond that, every so many entries are in it


class RecordedBetween(MadeBetween):
    """By the time that the list is in the order of."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = (self.form.cleaned_data.get(name) for name in ("from", "to"))
        if first:
            queryset = queryset.filter(journal__recorded_at__gte=midnight(first))
        if last:
            queryset = queryset.filter(journal__recorded_at__lt=end_of(last))
        return queryset


class KindFilter(choice_filter("kind", "kind", Kind.choices)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """Of the journal whose time the list is in the order of, for which there is an index."""
        return queryset.filter(journal__kind=self.value()) if self.value() else queryset


class CurrencyFilter(choice_filter("currency", "currency", CURRENCY_CHOICES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        """An entry is in its account's currency. Where few accounts are, their entries are found through them."""
        if not self.value():
            return queryset
        accounts = account_ids_in(str(self.value()), MOST_ACCOUNTS_IN)
        few = {"account_id__in": accounts} if len(accounts) < MOST_ACCOUNTS_IN else {}
        return queryset.filter(currency=self.value(), **few)


class AccountFilter(admin.SimpleListFilter):
    """Only by address, from the ledger of an account: its code."""

    title = parameter_name = "account"
    template = "admin/transactions/of_wallet.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(self.title, self.title)]

    def choices(self, changelist: Any) -> Any:
        return [{"name": self.parameter_name, "value": self.value()}]

    @property
    def shown(self) -> str:
        return f"{self.title} {self.value()}" if self.value() else ""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(account_code=self.value()) if self.value() else queryset


class RecordedFilter(AccountFilter):
    """The same for an instant from which, or up to which, entries were recorded."""

    title, parameter_name = "recorded from", "recorded_from"
    lookup = "recorded_at__gte"

    @property
    def at(self) -> datetime | None:
        try:
            at = parse_datetime(str(self.value()))
            return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC) if at else None
        except (ValueError, OverflowError):  # the last: in UTC it is before the year 1, or after 9999
            return None

    @property
    def wrong(self) -> str:
        return "" if self.value() is None or self.at else f"{self.title.capitalize()} is not an instant."

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() is None:
            return queryset
        return queryset.filter(**{self.lookup: self.at}) if self.at else queryset.none()


class RecordedBefore(RecordedFilter):
    title, parameter_name = "recorded before", "recorded_before"
    lookup = "recorded_at__lt"


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
        KindFilter,
        CurrencyFilter,
        RecordedBetween,
        AccountFilter,
        RecordedFilter,
        RecordedBefore,
    ]
    list_select_related = page_select_related = ("account__wallet__customer",)
    # When it was recorded: a journal's id is of when its movement was asked for, which may be days before.
    ordering = ["-journal__recorded_at", "-journal_id", "account_id"]
    search_fields = ["account_code"]
    search_help_text = "An account's code or the beginning that few share, or a journal's id or reference"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Each way reads one index. The entries of one account are in the order of their numbers, which is the same.

        What many accounts begin with finds nothing: the filters are for that, and for one customer the whole code.
        """
        asked = search_term.strip()
        if not asked:
            return queryset, False
        if (identity := read_identity(asked)) is not None:
            return queryset.filter(identity.within("journal_id")), False
        if asked.startswith(CLASSES):
            accounts = account_ids_beginning(asked, MOST_ACCOUNTS)
            if len(accounts) == 1:
                return queryset.filter(account_id=accounts[0]).order_by("-seq"), False
            if len(accounts) < MOST_ACCOUNTS:
                return queryset.filter(account_id__in=accounts), False
            return queryset.none(), False
        return queryset.filter(journal_id__in=journal_ids(asked)), False

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


# --- Holds -----------------------------------------------------------------------------------------------------------


@admin.register(HoldLine)
class HoldLineAdmin(StaffAdmin):
    """What is set aside and not yet posted: of cash-outs under way, and what became of those before."""

    list_display = ["placed_at", "account_shown", "amount_money", "remaining_money", "state_shown", "expires_at"]
    list_filter = [
        choice_filter("state", "state", HoldLine.State.choices),
        MadeBetween,
    ]
    list_select_related = page_select_related = ("account__wallet__customer",)
    ordering = ["-pk"]
    search_fields = ["account_code"]
    search_help_text = "The whole of an account's code, or a transaction's id"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        if (transaction := read_uuid(asked)) is not None:
            return queryset.filter(pk=transaction), False
        return queryset.filter(account_code=asked), False

    @display(description="Account")
    def account_shown(self, hold: HoldLine) -> SafeString:
        wallet = getattr(hold.account, "wallet", None)
        owners = {hold.account_code: wallet.customer.full_name} if wallet else {}
        return account_shown(hold.account_code, owners)

    @display(description="Amount")
    def amount_money(self, hold: HoldLine) -> Any:
        return money(hold.amount, hold.currency)

    @display(description="Remaining")
    def remaining_money(self, hold: HoldLine) -> Any:
        return money(hold.remaining, hold.currency)

    @display(description="State")
    def state_shown(self, hold: HoldLine) -> Any:
        return badge(hold.get_state_display(), "busy" if hold.state == HoldLine.State.OPEN else "")

    def panels(self, request: HttpRequest, hold: HoldLine) -> list[Panel]:
        rows = [
            ("Account", link(request, "ledger.account", hold.account_id, self.account_shown(hold))),
            ("Transaction", link(request, "transactions.transaction", hold.pk, "open")),
            ("Amount", self.amount_money(hold)),
            ("Remaining", self.remaining_money(hold)),
            ("State", self.state_shown(hold)),
            ("Placed", moment(hold.placed_at)),
            ("Last changed", moment(hold.changed_at)),
            ("Expires", moment(hold.expires_at)),
            ("Id", code(hold.pk)),
        ]
        return [Facts(title="Hold", rows=rows)]
