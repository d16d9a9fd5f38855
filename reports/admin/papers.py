"""Papers: PDFs that somebody signs or a customer gets, and the register of those that were made.

Each takes a number, so that it is asked for by POST: a link, a reload or a browser that looks ahead makes none.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from core.admin import (
    Facts,
    Hit,
    MadeBetween,
    Panel,
    StaffAdmin,
    choice_filter,
    code,
    finder,
    moment,
    page_url,
    panel,
    place,
)
from core.errors import TekanaError
from core.ids import read_receipt
from ledger.chart import wallet_account
from reports import balances, documents
from reports.admin.books import ISSUE
from reports.admin.periods import PeriodForm
from reports.models import DailyProof, IssuedPaper
from transactions.admin.shown import receipt_tag
from wallets.models import Wallet

Kind = IssuedPaper.Kind


def sent(request: HttpRequest, kind: str, build: Callable[[], documents.Content], back: str) -> HttpResponse:
    """The paper as a download; a refusal is said on the page it was asked from."""
    try:
        issued = documents.issue(kind, build, actor=request.user)  # type: ignore[arg-type]
    except TekanaError as refusal:
        messages.error(request, f"{refusal.title}. {refusal.detail}")
        return HttpResponseRedirect(back)
    headers = {
        "Content-Disposition": f'attachment; filename="{issued.row.file_name}"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(issued.content, content_type="application/pdf", headers=headers)


@place("finance/trial-balance.pdf", name="reports_trial_balance_pdf", permission=ISSUE, acts=True)
def trial_balance_pdf(request: HttpRequest) -> HttpResponse:
    form = PeriodForm(request)
    back = f"{reverse('admin:reports_trial_balance')}?{request.GET.urlencode()}"
    if not form.is_valid():
        return HttpResponseRedirect(back)
    return sent(request, Kind.TRIAL_BALANCE, lambda: documents.trial_balance(form.period), back)


@place("finance/ledger.pdf", name="reports_ledger_pdf", permission=ISSUE, acts=True)
def ledger_pdf(request: HttpRequest) -> HttpResponse:
    form = PeriodForm(request, recorded_only=True)
    account = balances.find_account(request.GET.get("account", "").strip()[:80])
    back = f"{reverse('admin:reports_ledger')}?{request.GET.urlencode()}"
    if account is None or not form.is_valid():
        return HttpResponseRedirect(back)
    return sent(request, Kind.LEDGER, lambda: documents.general_ledger(account, form.period), back)


@place("finance/proofs/<int:proof_id>.pdf", name="reports_proof_pdf", permission=ISSUE, acts=True)
def proof_pdf(request: HttpRequest, proof_id: int) -> HttpResponse:
    proof = DailyProof.objects.select_related("sign_off__signed_by", "books").filter(pk=proof_id).first()
    back = reverse("admin:reports_dailyproof_changelist")
    if proof is None:
        return HttpResponseRedirect(back)
    return sent(request, Kind.DAILY_PROOF, lambda: documents.daily_proof(proof), back)


@panel("wallets.wallet", order=86, permission="ledger.view_account")
def ledger_of_wallet(request: HttpRequest, wallet: Wallet) -> Panel:
    """On the wallet's page, for who reads the books."""
    to_ledger = f"{reverse('admin:reports_ledger')}?account={wallet_account(wallet.pk)}"
    rows = [("Ledger", format_html('<a class="to" href="{}">movements and balances</a>', to_ledger))]
    return Facts(title="Books", side=True, rows=rows)


@finder("Papers", order=70, permission="reports.view_issuedpaper")
def find_papers(text: str) -> list[Hit]:
    """By the number on it, as it is read out."""
    number = read_receipt(text)
    return [
        Hit(title=paper.title, detail=paper.number, url=page_url("reports.issuedpaper", paper.pk), exact=True)
        for paper in IssuedPaper.objects.filter(number=number or "")
    ]


# --- The register ----------------------------------------------------------------------------------------------------


@admin.register(IssuedPaper)
class IssuedPaperAdmin(StaffAdmin):
    list_display = ["title", "number_shown", "kind", "made_by", "made_at", "pages"]
    list_select_related = page_select_related = ("made_by",)
    list_filter = [choice_filter("kind", "kind", Kind.choices), MadeBetween]
    ordering = ["-pk"]
    search_fields = ["number"]
    search_help_text = "The number on a paper, or the whole of its SHA-256"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        if len(asked) == 64:
            return queryset.filter(data_sha256=asked.lower()) | queryset.filter(file_sha256=asked.lower()), False
        return queryset.filter(number=read_receipt(asked) or asked.upper()), False

    @display(description="Number")
    def number_shown(self, paper: IssuedPaper) -> Any:
        return receipt_tag(paper.number)

    def panels(self, request: HttpRequest, paper: IssuedPaper) -> list[Panel]:
        facts = Facts(
            title="Paper",
            rows=[
                ("Number", receipt_tag(paper.number)),
                ("Kind", paper.get_kind_display().capitalize()),
                *[(name.capitalize(), value) for name, value in paper.about.items()],
                ("Pages", paper.pages),
                ("SHA-256 of the data", code(paper.data_sha256)),
                ("SHA-256 of the file", code(paper.file_sha256)),
                ("Made by", paper.made_by.full_name),
                ("Made", moment(paper.made_at)),
            ],
        )
        return [facts]
