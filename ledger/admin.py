"""The books as finance looks at them: accounts with their trial balance, journals with their entries."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSingleDateWidget

from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
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
    page_url,
    staff_action,
    words,
)
from core.admin.pages import NOTHING
from core.admin.search import MOST_HITS, read_identity
from core.contacts import masked_text
from core.money import CURRENCY_CHOICES
from ledger import selectors
from ledger.books import TOO_LATE_FOR
from ledger.chart import CHART
from ledger.models import Account, Journal, PeriodClose, Side
from staff.inbox import ask
from staff.selectors import named, names

ENTRIES_SHOWN = 50
CLASSES = tuple(sorted({account_type.pattern.partition(":")[0] for account_type in CHART}))


def meant_for(journal: Journal) -> datetime | None:
    """The closed time a journal was meant for, if it came too late for it."""
    told = journal.metadata.get(TOO_LATE_FOR)
    return datetime.fromisoformat(told) if told else None


def debit_credit(amount: int, side: int, currency: str) -> tuple[Any, Any]:
    """The two columns of a book: the amount in one, nothing in the other."""
    return (money(amount, currency), "") if side == Side.DEBIT else ("", money(amount, currency))


class ClassFilter(choice_filter("class", "class", [(c, c) for c in CLASSES])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(code__startswith=f"{self.value()}:") if self.value() else queryset


class HouseFilter(choice_filter("whose", "whose", [("house", "ours"), ("wallets", "customers' wallets")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        wallets = {"code__startswith": "liability:wallet:"}
        match self.value():
            case "house":
                return queryset.exclude(**wallets)
            case "wallets":
                return queryset.filter(**wallets)
        return queryset


@admin.register(Account)
class AccountAdmin(StaffAdmin):
    list_display = ["code", "name", "currency", "side", "posted_money", "held_money", "entries", "last_at", "state"]
    list_filter = [HouseFilter, ClassFilter, choice_filter("currency", "currency", CURRENCY_CHOICES)]
    ordering = ["code"]
    search_fields = ["code"]
    search_help_text = "The beginning of a code, e.g. income:fees"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return queryset.filter(code__startswith=search_term.strip()), False

    @display(description="Grows by")
    def side(self, account: Account) -> str:
        return account.get_normal_side_display()

    @display(description="Posted")
    def posted_money(self, account: Account) -> Any:
        return money(account.posted, account.currency)

    @display(description="Held")
    def held_money(self, account: Account) -> Any:
        return money(account.held or None, account.currency)

    @display(description="Entries")
    def entries(self, account: Account) -> int:
        return account.seq

    @display(description="State")
    def state(self, account: Account) -> Any:
        if account.closed_at:
            return badge("closed")
        return badge("frozen", "odd") if account.debits_frozen or account.credits_frozen else badge("open", "good")

    def header(self, request: HttpRequest, account: Account) -> Header:
        return Header(
            title=account.code,
            badge=self.state(account),
            lines=[account.name] if account.name else [],
            figures=[
                ("Posted", money(account.posted, account.currency)),
                ("Held", money(account.held, account.currency)),
                ("Available", money(account.posted - account.held, account.currency)),
            ],
        )

    def panels(self, request: HttpRequest, account: Account) -> list[Panel]:
        _, _, rest = account.code.partition(":wallet:")
        facts = Facts(
            title="Account",
            side=True,
            rows=[
                ("Code", code(account.code)),
                ("Wallet", link(request, "wallets.wallet", rest, rest) if rest else NOTHING),
                ("Currency", account.currency),
                ("Grows by", account.get_normal_side_display()),
                ("Floor", NOTHING if account.floor is None else money(account.floor, account.currency)),
                ("Entries", account.seq),
                ("Debits", "frozen" if account.debits_frozen else "allowed"),
                ("Credits", "frozen" if account.credits_frozen else "allowed"),
                ("Opened", moment(account.created_at)),
                ("Last movement", moment(account.last_at)),
                ("Closed", moment(account.closed_at)),
            ],
        )
        recent = account.entry_set.select_related("journal").order_by("-seq")[:ENTRIES_SHOWN]
        entries = Table(
            title="Entries",
            columns=["No.", "When", "Journal", "Debit", "Credit", "Balance"],
            numeric=["Debit", "Credit", "Balance"],
            rows=[
                (
                    entry.seq,
                    moment(entry.recorded_at),
                    link(request, "ledger.journal", entry.journal_id, words(entry.journal.kind)),
                    *debit_credit(entry.amount, entry.side, entry.currency),
                    money(entry.balance_after, entry.currency),
                )
                for entry in recent
            ],
            empty="No entries yet.",
        )
        return [facts, entries]


@admin.register(Journal)
class JournalAdmin(StaffAdmin):
    list_display = ["reference", "kind_shown", "recorded_at", "effective_at", "is_reversal"]
    list_filter = [MadeBetween]
    ordering = ["-pk"]
    search_fields = ["reference"]
    search_help_text = "A whole reference, e.g. transfer:0192…, or an id or its beginning"
    page_select_related = ("reverses",)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        return queryset.filter(pk__in=journals(asked).values("pk")) if asked else queryset, False

    @display(description="Kind")
    def kind_shown(self, journal: Journal) -> str:
        return words(journal.kind)

    @display(description="Reverses", boolean=True)
    def is_reversal(self, journal: Journal) -> bool:
        return journal.reverses_id is not None

    def name_of(self, journal: Journal) -> str:
        return f"Journal of a {words(journal.kind).lower()}"

    def header(self, request: HttpRequest, journal: Journal) -> Header:
        return Header(title=self.name_of(journal), lines=[code(journal.reference)])

    def panels(self, request: HttpRequest, journal: Journal) -> list[Panel]:
        legs = selectors.legs_of(journal.pk)
        back = journal.reverses_id
        facts = Facts(
            title="Journal",
            side=True,
            rows=[
                ("Transaction", link(request, "transactions.transaction", journal.pk, "open")),
                ("Recorded", moment(journal.recorded_at)),
                ("Effective", moment(journal.effective_at)),
                ("Reverses", link(request, "ledger.journal", back, journal.reverses and journal.reverses.reference)),
                ("Came too late for", moment(meant_for(journal))),
                ("Id", code(journal.id)),
            ],
        )
        return [entries_table(request, legs), facts]


def entries_table(request: HttpRequest, legs: list[selectors.Leg]) -> Table:
    """A journal as a book shows it; the totals are equal, or the database would not have taken it."""
    totals: dict[str, list[int]] = {}
    for leg in legs:
        totals.setdefault(leg.currency, [0, 0])[leg.side < 0] += leg.amount
    total = [(money(debits, currency), money(credits, currency)) for currency, (debits, credits) in totals.items()]
    return Table(
        title="Entries",
        columns=["Account", "Debit", "Credit", "Balance after"],
        numeric=["Debit", "Credit", "Balance after"],
        rows=[
            (
                link(request, "ledger.account", leg.account_id, leg.code),
                *debit_credit(leg.amount, leg.side, leg.currency),
                money(leg.balance_after, leg.currency),
            )
            for leg in legs
        ],
        total=("Total", *total[0], "") if len(total) == 1 else (),
    )


class ClosePeriodForm(ReasonForm):
    intro = (
        "Closing is for good. What comes in later for these days is posted on the first day that is open, and says "
        "which day it was meant for. The books must have been proven since the end of the last day. This will ask for "
        "a second person, who sees what the period came to and which daily proofs are signed off."
    )
    submit = "Ask for approval"
    through = forms.DateField(
        label="Through the end of",
        widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The last day to close, UTC. Every earlier day is closed with it.",
    )
    field_order = ("through", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["through"].initial = timezone.now().date() - timedelta(days=1)


CLOSE = "close_period"  # the operation, which knows what a period came to (`reports/approvals.py`)


def closers(close: PeriodClose) -> str:
    """Who asked for it, and who approved it."""
    staff = names()
    asked = named(close.closed_by, staff)
    return f"{asked}, approved by {named(close.approved_by, staff)}" if close.approved_by else str(asked)


@admin.register(PeriodClose)
class PeriodCloseAdmin(StaffAdmin):
    list_display = ["through", "closed_at", "by", "said"]
    ordering = ["-closed_before"]
    actions_list = ["close_period"]

    @display(description="Closed through")
    def through(self, close: PeriodClose) -> str:
        return f"{close.last_day:%a, %-d %b %Y}"

    @display(description="By")
    def by(self, close: PeriodClose) -> str:
        return closers(close)

    @display(description="Note")
    def said(self, close: PeriodClose) -> str:
        return masked_text(close.note)

    def header(self, request: HttpRequest, close: PeriodClose) -> Header:
        return Header(title=f"Books closed through {close.last_day:%-d %b %Y}")

    def panels(self, request: HttpRequest, close: PeriodClose) -> list[Panel]:
        facts = Facts(
            title="Close",
            rows=[
                ("Nothing is posted before", moment(close.closed_before)),
                ("Closed", moment(close.closed_at)),
                ("By", closers(close)),
                ("Note", masking.words(request, close.note)),
            ],
        )
        late = selectors.too_late_for(close)
        table = Table(
            title="Came too late",
            columns=["Recorded", "Meant for", "Posted as of", "Journal"],
            rows=[
                (
                    moment(journal.recorded_at),
                    moment(meant_for(journal)),
                    moment(journal.effective_at),
                    link(request, "ledger.journal", journal.pk, journal.reference),
                )
                for journal in late
            ],
            empty="Nothing came in for these days after they were closed.",
        )
        return [table, facts]

    @staff_action(
        "Close a period",
        permission="ledger.close_period",
        form=ClosePeriodForm,
        icon="lock_clock",
        step_up=True,
    )
    def close_period(self, request: HttpRequest, subject: None, form: ClosePeriodForm) -> bool | HttpResponse:
        asked = form.cleaned_data
        return ask(request, form, CLOSE, {"through": asked["through"]}, reason=asked["reason"])


@finder("Accounts", order=40, permission="ledger.view_account", model="ledger.account")
def find_accounts(text: str) -> list[Hit]:
    """By the code or its beginning, of which no other identifier has the first word."""
    beginning = text.lower() if text.lower().startswith(CLASSES) else ""
    if not beginning:
        return []
    codes = {text, f"{beginning[:-3]}{beginning[-3:].upper()}"}  # house accounts end in a currency
    ways = [Q(code__in=codes), Q(code__startswith=text), Q(code__startswith=beginning)]
    ids = [Account.objects.filter(way).order_by("code").values("pk")[: MOST_HITS + 1] for way in ways]
    found = Account.objects.filter(pk__in=ids[0].union(*ids[1:]))
    return [
        Hit(
            title=account.code,
            detail=account.name,
            url=page_url("ledger.account", account.pk),
            exact=account.code in codes,
        )
        for account in found.order_by("code")[: MOST_HITS + 1]
    ]


@finder("Journals", order=45, permission="ledger.view_journal", model="ledger.journal")
def find_journals(text: str) -> list[Hit]:
    """By the reference; by the id too, which is that of a transaction and means the transaction first."""
    return [
        Hit(
            title=journal.reference,
            detail=format_html("{} · {}", words(journal.kind), moment(journal.recorded_at)),
            url=page_url("ledger.journal", journal.pk),
            exact=journal.reference == text,
        )
        for journal in journals(text).order_by("-pk")[: MOST_HITS + 1]
    ]


def journals(text: str) -> QuerySet[Journal]:
    """Each way to name one reads one index."""
    ways = [Journal.objects.filter(reference=text)]
    if (identity := read_identity(text)) is not None:
        ways.append(Journal.objects.filter(identity.within()))
    found = [way.order_by().values("pk")[: MOST_HITS + 1] for way in ways]
    return Journal.objects.filter(pk__in=found[0].union(*found[1:]))
