"""What staff see of statements: those that were sent, whether the entries still come to them, and one for any days as
the customer would get it. A file is asked for by POST: it is an act, on record with who made it."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timezone import now
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
    Part,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    finder,
    link,
    moment,
    money,
    panel,
    place,
)
from core.admin.dialogs import told
from core.admin.pages import Button, button, list_url, may, page_url
from core.admin.search import MOST_HITS, read_identity
from core.errors import TekanaError
from customers.links import concerns
from statements import files, services
from statements.merchants import takings
from statements.models import BUSINESSES, FOR_BUSINESSES, MAILED, Every, Format, Language, Statement
from statements.selectors import Stated, is_proven, language_of, lines_after, stated_again, wallet_with_owner
from statements.services import make_again_for_customer, make_for_customer, settings_of
from statements.words import told as told_line
from wallets.models import Wallet

MAKE = "statements.make"
SEE = "statements.view_statement"
SHOWN = 6
LINES_SHOWN = 50
CHECKSUM = 64  # characters
EVERY = [(one, one.label) for one in Every if one != Every.NONE]
concerns("statements.statement", "wallet.customer_id")


def formats_of(account_type: str) -> list[tuple[str, str]]:
    """What an account of this type is offered as a file."""
    return [(one, one.label) for one in MAILED if account_type in BUSINESSES or one not in FOR_BUSINESSES]


# --- Any days, as the customer would get them ------------------------------------------------------------------------


class DaysForm(forms.Form):
    """What is not given is last month. Days are those of the customer's country, both included."""

    use_required_attribute = False
    field_order = ["from", "to", "language"]

    to = forms.DateField(label="To", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    language = forms.ChoiceField(label="Language", choices=Language.choices, widget=UnfoldAdminSelectWidget)

    def __init__(self, request: HttpRequest, wallet: Wallet) -> None:
        self.wallet = wallet
        self.today = now().astimezone(ZoneInfo(wallet.customer.country.timezone)).date()
        last = self.today.replace(day=1) - timedelta(days=1)
        asked = {
            "from": str(last.replace(day=1)), "to": str(last), "language": language_of(wallet),
        } | {name: request.GET[name][:40] for name in ("from", "to", "language") if request.GET.get(name)}  # fmt: skip
        super().__init__(asked)
        widget = UnfoldAdminTextInputWidget(attrs={"type": "date"})
        self.fields["from"] = forms.DateField(label="From", widget=widget)
        self.order_fields(self.field_order)
        self.stated: Any = None

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors:
            try:
                self.stated = services.state(self.wallet, given["from"], given["to"], given["language"])
            except TekanaError as refusal:
                self.add_error("to", told(refusal))
        return given

    @property
    def query(self) -> str:
        return urlencode({name: self.cleaned_data[name] for name in self.field_order})

    @property
    def presets(self) -> list[tuple[str, str]]:
        """Name and query of the days that are asked for most."""
        month = self.today.replace(day=1)
        last = month - timedelta(days=1)
        days: list[tuple[str, date, date]] = [
            ("Today", self.today, self.today),
            ("This month", month, self.today),
            ("Last month", last.replace(day=1), last),
            ("This year", month.replace(month=1), self.today),
            ("Last year", date(self.today.year - 1, 1, 1), date(self.today.year - 1, 12, 31)),
        ]
        kept = {"language": self.data["language"]}
        return [(name, urlencode({"from": first, "to": until} | kept)) for name, first, until in days]


@place("statements/of/<uuid:wallet_id>/", name="statements_make", permission=MAKE)
def make(request: HttpRequest, wallet_id: UUID) -> Any:
    """What a statement would say, before it is made."""
    wallet = wallet_with_owner(wallet_id).first()
    if wallet is None:
        return HttpResponseRedirect(reverse("admin:wallets_wallet_changelist"))
    form = DaysForm(request, wallet)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Statement of {wallet.customer.full_name}",
        "form": form,
        "wallet": wallet,
        "way_back": link(request, "wallets.wallet", wallet.pk, f"{wallet.currency} wallet"),
    }
    if form.is_valid():
        address = f"{reverse('admin:statements_file', args=[wallet.pk])}?{form.query}"
        offered = formats_of(wallet.customer.account_type)
        context |= {
            "found": form.stated.figures,
            "figures": figures_of(form.stated.figures),
            "takings": takings_of(form.stated),
            "panel": movements_of(request, form.stated),
            "downloads": [(f"{address}&format={one}", label) for one, label in offered],
        }
    return TemplateResponse(request, "admin/statements/make.html", context)


@place("statements/of/<uuid:wallet_id>/file/", name="statements_file", permission=MAKE, acts=True)
def file(request: HttpRequest, wallet_id: UUID) -> Any:
    wallet = wallet_with_owner(wallet_id).first()
    back = f"{reverse('admin:statements_make', args=[wallet_id])}?{request.GET.urlencode()}"
    if wallet is None:
        return HttpResponseRedirect(back)
    form, wanted = DaysForm(request, wallet), request.GET.get("format", Format.PDF)
    if not form.is_valid() or wanted not in files.KINDS:
        return HttpResponseRedirect(back)
    return sent(request, lambda: make_for_customer(form.stated, wanted, actor=request.user), wanted, back)


@place("statements/<uuid:statement_id>/file/", name="statements_kept_file", permission=MAKE, acts=True)
def kept_file(request: HttpRequest, statement_id: UUID) -> Any:
    statement = Statement.objects.select_related("wallet__customer__country").filter(pk=statement_id).first()
    wanted = request.GET.get("format", Format.PDF)
    if statement is None or wanted not in files.KINDS:
        return HttpResponseRedirect(reverse("admin:statements_statement_changelist"))
    back = page_url("statements.statement", statement.pk)
    return sent(request, lambda: make_again_for_customer(statement, wanted, actor=request.user), wanted, back)


def sent(request: HttpRequest, build: Any, wanted: str, back: str) -> Any:
    """The file as a download; a refusal is said on the page it was asked from."""
    try:
        content, name = build()
    except TekanaError as refusal:
        messages.error(request, told(refusal))
        return HttpResponseRedirect(back)
    return FileResponse(
        content, as_attachment=True, filename=name, content_type=files.KINDS[wanted].media_type,
        headers={"Cache-Control": "no-store"},
    )  # fmt: skip


def figures_of(found: Any) -> list[tuple[str, Any]]:
    return [
        ("Opening", money(found.opening, found.currency)),
        ("In", money(found.credits, found.currency)),
        ("Out", money(found.debits, found.currency)),
        ("Closing", money(found.closing, found.currency)),
    ]


def movements_of(request: HttpRequest, stated: Stated) -> Table:
    """The last of its lines, newest first; the files have them all."""
    found, zone = stated.figures, ZoneInfo(stated.figures.days.timezone)
    first = max(found.seq_before, found.seq_last - LINES_SHOWN)
    some = f", the last {LINES_SHOWN}" if first > found.seq_before else ""
    return Table(
        title=f"Movements{some}",
        columns=["When", "What", "Receipt", "In", "Out", "Balance"],
        numeric=["In", "Out", "Balance"],
        rows=[
            (
                f"{line.at.astimezone(zone):%-d %b %Y %H:%M}",
                # what a customer wrote is in the files alone, whose making is on record
                told_line(line._replace(memo="", order_reference=None), found.currency, Language.ENGLISH),
                link(request, "transactions.transaction", line.transaction, line.receipt) if line.receipt else "",
                "" if line.is_debit else money(line.amount, found.currency),
                money(line.amount, found.currency) if line.is_debit else "",
                money(line.balance_after, found.currency),
            )
            for line in reversed(lines_after(stated.wallet, first, found.seq_last, LINES_SHOWN))
        ],
        empty="Nothing moved in these days.",
    )


def said_days(first: date, last: date) -> str:
    """As dates are written everywhere here; one day once."""
    return f"{first:%-d %b %Y}" if first == last else f"{first:%-d %b %Y} – {last:%-d %b %Y}"


def takings_of(stated: Stated) -> list[tuple[str, Any]]:
    """What a business was paid by its customers; nothing for a person."""
    if stated.wallet.customer.account_type not in BUSINESSES:
        return []
    total, currency = takings(stated.wallet, stated.figures), stated.figures.currency
    return [
        (f"Paid by customers ({total.payment_count:,})", money(total.payments, currency)),
        (f"Given back ({total.refund_count + total.reversal_count:,})", money(total.returned, currency)),
        ("Fees borne", money(total.fees, currency)),
        ("Net", money(total.net, currency)),
    ]


# --- On the wallet's page --------------------------------------------------------------------------------------------


@button("wallets.wallet", permission=MAKE)
def way_to_make(request: HttpRequest, wallet: Wallet) -> Button:
    return Button(
        title="Make a statement", path=reverse("admin:statements_make", args=[wallet.pk]), icon="receipt_long"
    )


@panel("wallets.wallet", order=85, permission=SEE)
def statements_of_wallet(request: HttpRequest, wallet: Wallet) -> Panel:
    wanted = settings_of(wallet)
    how = "none are sent"
    if wanted.every != Every.NONE:
        how = f"sent {wanted.every} as {wanted.get_format_display()} in {wanted.get_language_display()}"
    made = list(wallet.statements.order_by("-number")[:SHOWN])
    return Table(
        title=f"Statements: {how}",
        columns=["No.", "Days", "Opening", "Closing", "Movements"],
        numeric=["Opening", "Closing", "Movements"],
        rows=[
            (
                link(request, "statements.statement", one.pk, one.number),
                said_days(one.from_day, one.to_day),
                money(one.opening, one.currency),
                money(one.closing, one.currency),
                one.debit_count + one.credit_count,
            )
            for one in made
        ],
        empty="None was made yet.",
        more=("All", list_url("statements.statement", q=wallet.pk)) if made else None,
    )


# --- Found by --------------------------------------------------------------------------------------------------------


@finder("Statements", order=55, permission=SEE, model="statements.statement")
def find_statements(text: str) -> list[Hit]:
    """By id, or by the SHA-256 that is printed on it; its number is one of its wallet, on whose page they are."""
    identity, said = read_identity(text), "".join(text.split()).lower()
    if identity is not None:
        rows = Statement.objects.filter(identity.within()).order_by("-pk")
    elif len(said) == CHECKSUM:
        rows = Statement.objects.filter(sha256=said)
    else:
        return []
    return [
        Hit(
            title=f"Statement {one.number}",
            detail=f"{one.wallet.customer.full_name} · {said_days(one.from_day, one.to_day)}",
            url=page_url("statements.statement", one.pk),
            exact=identity is None or identity.is_whole,
        )
        for one in rows.select_related("wallet__customer")[: MOST_HITS + 1]
    ]


# --- Those that were sent --------------------------------------------------------------------------------------------


@admin.register(Statement)
class StatementAdmin(StaffAdmin):
    list_display = ["named", "whose_wallet", "days", "opening_shown", "closing_shown", "movements", "every", "format",
                    "made_at"]  # fmt: skip
    list_select_related = ["wallet__customer"]
    page_select_related = ("wallet__customer__country",)
    list_filter = [
        choice_filter("every", "how often", EVERY), choice_filter("format", "format", [(f, f.label) for f in MAILED]),
        MadeBetween,
    ]  # fmt: skip
    ordering = ["-pk"]
    search_fields = ["wallet"]
    search_help_text = "The id of a wallet, whole; or a statement's SHA-256"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip().lower()
        if not asked:
            return queryset, False
        if len(asked) == CHECKSUM:
            return queryset.filter(sha256=asked), False
        identity = read_identity(asked)
        if identity is None or not identity.is_whole:
            return queryset.none(), False
        return queryset.filter(wallet__in=Wallet.objects.filter(identity.within())), False

    @display(description="Statement")
    def named(self, statement: Statement) -> str:
        return f"No. {statement.number}"

    @display(description="Wallet")
    def whose_wallet(self, statement: Statement) -> str:
        return f"{statement.currency}, {statement.wallet.customer.full_name}"

    @display(description="Days")
    def days(self, statement: Statement) -> str:
        return said_days(statement.from_day, statement.to_day)

    @display(description="Opening")
    def opening_shown(self, statement: Statement) -> Any:
        return money(statement.opening, statement.currency)

    @display(description="Closing")
    def closing_shown(self, statement: Statement) -> Any:
        return money(statement.closing, statement.currency)

    @display(description="Movements")
    def movements(self, statement: Statement) -> str:
        return f"{statement.debit_count + statement.credit_count:,}"

    def whose(self, statement: Statement) -> list[Any]:
        return [statement.wallet.customer_id]

    def name_of(self, statement: Statement) -> str:
        return f"Statement {statement.number} of {statement.wallet.customer.full_name}"

    def header(self, request: HttpRequest, statement: Statement) -> Header:
        proven = is_proven(statement)
        wallet = statement.wallet
        return Header(
            title=f"Statement {statement.number}",
            badge=badge("proven", "good") if proven else badge("not proven", "bad"),
            lines=[
                link(request, "wallets.wallet", wallet.pk, f"{wallet.currency} wallet of {wallet.customer.full_name}"),
                f"{said_days(statement.from_day, statement.to_day)}, {statement.timezone}",
            ],
            figures=figures_of(stated_again(statement, wallet).figures),
            notice="" if proven else "The entries do not come to this statement: give it to nobody, and tell finance.",
        )

    def panels(self, request: HttpRequest, statement: Statement) -> list[Panel]:
        currency = statement.currency
        found = stated_again(statement, statement.wallet).figures
        neighbours = Statement.objects.filter(
            wallet=statement.wallet_id, number__in=[statement.number - 1, statement.number + 1]
        )
        near = {one.number: one for one in neighbours}
        facts = Facts(
            title="Statement",
            rows=[
                ("Number", f"{statement.number}, of this wallet and without gaps"),
                ("Made", moment(statement.made_at)),
                ("How often", statement.get_every_display()),
                ("Sent as", f"{statement.get_format_display()}, in {statement.get_language_display()}"),
                ("Movements in", f"{found.credit_count:,}"),
                ("Movements out", f"{found.debit_count:,}"),
                ("Fees in these", money(found.fees, currency)),
                ("Control total", money(found.control_total, currency)),
                ("Entries", f"{found.seq_before + 1:,} to {found.seq_last:,}" if found.entries else "none"),
                ("SHA-256", code(statement.sha256)),
                *[
                    (name, link(request, "statements.statement", near[at].pk, f"Statement {at}"))
                    for name, at in (("Before it", statement.number - 1), ("After it", statement.number + 1))
                    if at in near
                ],
            ],
        )
        if not may(request, MAKE):
            return [facts]
        address = reverse("admin:statements_kept_file", args=[statement.pk])
        offered = formats_of(statement.wallet.customer.account_type)
        files_again = Part(
            title="Files",
            side=True,
            template="admin/statements/kept_files.html",
            context={"downloads": [(f"{address}?format={one}", label) for one, label in offered]},
        )
        return [facts, files_again]
