"""Daily proofs: each day's figures, what was wrong, who signed it off. And the books as they are now."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldBooleanWidget

from core.admin import (
    Facts,
    Header,
    Panel,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    money,
    page_url,
    place,
    staff_action,
)
from core.admin.pages import NOTHING, may
from core.days import midnight
from core.ids import read_uuid
from core.money import grouped
from ledger.selectors import last_proof
from reports import proofs
from reports.admin.books import ISSUE, SummedBetween, page
from reports.admin.periods import PeriodForm, query_of
from reports.balances import Period, open_items, trial_balance
from reports.drill import drilled
from reports.models import DailyProof
from reports.proofs import Figures, Finding
from reports.totals import summed_kinds
from transactions.admin.shown import receipt_tag

PAGES = {"journal": "ledger.journal", "transaction": "transactions.transaction", "wallet": "wallets.wallet"}

LEADS = '<a class="to" href="{}">Trial balance of this day</a>'


class SignOffForm(StaffForm):
    intro = "Under your name, once. It cannot be taken back."
    submit = "Sign off"
    agreed = forms.BooleanField(
        label="I have looked at the figures of this day and at what was found", widget=UnfoldBooleanWidget
    )
    note = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Needed where the proof is broken: what is known about it, and what is done.",
    )


class OutcomeFilter(choice_filter("ok", "outcome", [("True", "proven"), ("False", "broken")])):  # type: ignore[misc]
    """Whether anything was found."""


class SignedFilter(choice_filter("signed", "signed off", [("yes", "signed off"), ("no", "not yet")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(sign_off__isnull=self.value() == "no") if self.value() else queryset


def verdict(proof: DailyProof) -> Any:
    return badge("proven", "good") if proof.ok else badge("broken", "bad")


@admin.register(DailyProof)
class DailyProofAdmin(StaffAdmin):
    list_display = ["day", "verdict_shown", "found", "signed", "made_at"]
    list_filter = [OutcomeFilter, SignedFilter, SummedBetween]
    list_select_related = page_select_related = ("sign_off__signed_by", "books")
    list_before_template = "admin/reports/to_books_now.html"
    actions_detail = ["sign_off"]

    @display(description="Outcome")
    def verdict_shown(self, proof: DailyProof) -> Any:
        return verdict(proof)

    @display(description="Found")
    def found(self, proof: DailyProof) -> Any:
        return len(proof.findings) or NOTHING

    @display(description="Signed off by")
    def signed(self, proof: DailyProof) -> Any:
        signed = getattr(proof, "sign_off", None)
        return signed.signed_by.full_name if signed else NOTHING

    def header(self, request: HttpRequest, proof: DailyProof) -> Header:
        signed = getattr(proof, "sign_off", None)
        said = badge(f"signed off by {signed.signed_by.full_name}", "good") if signed else badge("not signed off")
        books = f"{reverse('admin:reports_trial_balance')}?{query_of(period_of(proof))}"
        pdf = reverse("admin:reports_proof_pdf", args=[proof.pk])
        button = {"url": pdf, "text": "PDF to sign"}
        paper = render_to_string("admin/reports/issue.html", button, request) if may(request, ISSUE) else ""
        return Header(
            title=str(proof),
            badge=verdict(proof),
            lines=[said, format_html(LEADS, books), paper] if paper else [said, format_html(LEADS, books)],
            figures=[("Found", len(proof.findings))] if proof.findings else [],
            notice="" if proof.ok else "The books of this day do not agree. What was found is below, by name.",
        )

    def panels(self, request: HttpRequest, proof: DailyProof) -> list[Panel]:
        figures = [Figures(**one) for one in proof.figures]
        findings = [Finding(**one) for one in proof.findings]
        signed = getattr(proof, "sign_off", None)
        facts = Facts(
            title="Proof",
            side=True,
            rows=[
                ("Day", f"{proof.day:%-d %b %Y}, UTC"),
                ("Made", moment(proof.made_at)),
                ("Rows proven", moment(proof.books.at)),
                ("Rows read", f"{sum(proof.books.counts.values()):,}"),
                ("SHA-256", code(proof.sha256)),
            ],
        )
        signature = Facts(
            title="Signed off",
            side=True,
            rows=[
                ("By", signed.signed_by.full_name if signed else NOTHING),
                ("When", moment(signed.signed_at if signed else None)),
                ("Note", masking.words(request, signed.note if signed else "") or NOTHING),
            ],
        )
        waiting = suspense_table(request, period_of(proof).end)
        query = query_of(period_of(proof))
        tables = [drilled(one, query) for one in (agreement_table(figures), cover_table(figures))]
        return [findings_table(findings), *tables, stored_table(figures, proof.made_at), waiting, facts, signature]

    def why_not(self, request: HttpRequest, proof: DailyProof, name: str) -> str:
        return "It is signed off already." if getattr(proof, "sign_off", None) else ""

    @staff_action(
        "Sign off",
        permission=proofs.PERMISSION,
        form=SignOffForm,
        done="Signed off.",
        icon="signature",
        variant=ActionVariant.PRIMARY,
    )
    def sign_off(self, request: HttpRequest, proof: DailyProof, form: SignOffForm) -> bool:
        return self.call(form, proofs.sign_off, proof, note=form.cleaned_data["note"])


def period_of(proof: DailyProof) -> Period:
    return Period(midnight(proof.day), midnight(proof.day + timedelta(days=1)))


def findings_table(findings: list[Finding]) -> Table:
    return Table(
        title="What is wrong",
        columns=["", "Where", "What"],
        rows=[(one.number, named(one.name), one.wrong) for one in findings],
        empty="Nothing: debits equal credits, every balance is what its entries come to, and e-money is covered.",
    )


def named(name: str) -> Any:
    """What a finding names, with its page where it has one: an account, a journal, a transaction, a wallet."""
    kind, _, rest = name.partition(" ")
    if kind in PAGES and (found := read_uuid(rest)) is not None:
        return format_html('<a class="to" href="{}">{}</a>', page_url(PAGES[kind], found), name)
    account = rest if kind == "account" and rest.isdecimal() else name if ":" in name else ""
    if not account or account in summed_kinds():
        return name
    return format_html('<a class="to" href="{}?account={}">{}</a>', reverse("admin:reports_ledger"), account, name)


def agreement_table(figures: list[Figures]) -> Table:
    amounts = ["Debits", "Credits", "Debit balances", "Credit balances"]
    return Table(
        title="Debits and credits of the day, balances at its end",
        columns=["Currency", "", *amounts],
        numeric=amounts,
        rows=[
            (
                one.currency,
                verdict_on((one.debits, one.credits), (one.debit_balances, one.credit_balances)),
                grouped(one.debits, one.currency),
                grouped(one.credits, one.currency),
                grouped(one.debit_balances, one.currency),
                grouped(one.credit_balances, one.currency),
            )
            for one in figures
        ],
        empty="Nothing had been posted by the end of this day.",
    )


def stored_table(figures: list[Figures], at: datetime) -> Table:
    """A table of its own, for its figures are of another instant than those of the day."""
    amounts = ["Stored", "Summed"]
    return Table(
        title=f"All debit balances at {at:%H:%M:%S} on {at:%-d %b %Y}, when the proof was made",
        columns=["Currency", "", *amounts],
        numeric=amounts,
        rows=[
            (
                one.currency,
                verdict_on((one.stored, one.summed)),
                grouped(one.stored, one.currency),
                grouped(one.summed, one.currency),
            )
            for one in figures
        ],
        empty="No account had a balance.",
    )


def verdict_on(*pairs: tuple[int, int]) -> Any:
    agree = all(left == right for left, right in pairs)
    return badge("agree", "good") if agree else badge("do not agree", "bad")


def cover_table(figures: list[Figures]) -> Table:
    amounts = ["E-money issued", "In suspense", "At banks and rails", "Difference", "Owed to us"]
    return Table(
        title="E-money issued and what covers it",
        columns=["Currency", "", *amounts],
        numeric=amounts,
        rows=[
            (
                one.currency,
                badge("covered", "good") if one.covered else badge("not covered", "bad"),
                grouped(one.wallets, one.currency),
                grouped(one.suspense, one.currency),
                grouped(one.rails, one.currency),
                grouped(one.difference, one.currency),
                grouped(one.receivables, one.currency) if one.receivables else NOTHING,
            )
            for one in figures
        ],
        empty="No e-money had been issued.",
    )


def suspense_table(request: HttpRequest, before: datetime) -> Table:
    """What arrived and could not be credited and is still there, the oldest first; debits use up the oldest."""
    return Table(
        title="Suspense, open items",
        columns=["Since", "Transaction", "Account", "Came", "Open"],
        numeric=["Came", "Open"],
        rows=[
            (
                moment(one.recorded_at),
                link(request, "transactions.transaction", one.journal, receipt_tag(one.receipt))
                if one.receipt
                else link(request, "ledger.journal", one.journal, "journal"),
                named(one.code),
                money(one.amount, one.currency),
                money(one.open, one.currency),
            )
            for one in open_items("liability:suspense", before)
        ],
        empty="Nothing waits in suspense.",
    )


@place("finance/books-now/", name="reports_books_now", permission="reports.view_dailyproof")
def books_now(request: HttpRequest) -> HttpResponse:
    """The same figures live: by the accounts, by the entries, and by the trial balance of today."""
    form = PeriodForm(request)
    lines = proofs.stored_and_summed()
    today = Period(midnight(form.now.date()), form.now)
    sections = trial_balance(today)
    figures = [proofs.figures_of(section, lines) for section in sections]
    findings = proofs.torn_accounts(lines) + proofs.found_in(sections) + proofs.not_covered(figures)
    last = last_proof()
    return page(
        request,
        "books_now",
        "The books now",
        at=form.now,
        findings=findings,
        last=last,
        last_at=moment(last.at if last else None),
        panels=[
            findings_table(findings),
            drilled(agreement_table(figures), query_of(today)),
            drilled(cover_table(figures), query_of(today)),
            stored_table(figures, form.now),
            suspense_table(request, form.now),
        ],
    )
