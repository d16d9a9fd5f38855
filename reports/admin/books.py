"""The books as finance reads them: trial balance, the accounts behind a line, the ledger of an account."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from core.admin import Facts, MadeBetween, Panel, StaffAdmin, Table, link, moment, money, place, words
from core.admin.pages import NOTHING, may
from core.money import EXPONENTS, grouped
from ledger.chart import wallet_account
from reports import balances
from reports.admin.periods import InstantForm, PeriodForm, query_of, written
from reports.balances import Line, Section, Totals, find_account
from reports.models import SummedDay
from reports.sheets import trial_balance_sheet
from reports.totals import summed_kinds
from transactions.admin.shown import account_shown, receipt_tag
from transactions.models import Receivable
from wallets.models import Wallet

PERMISSION = "ledger.view_account"
EXPORT = "reports.export"
ISSUE = "reports.issue_paper"  # of papers that are numbered and signed: an act, not a look


def page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    context |= {"title": title, "may_issue": may(request, ISSUE)}
    return TemplateResponse(request, f"admin/reports/{template}.html", {**admin.site.each_context(request), **context})


# --- Trial balance ---------------------------------------------------------------------------------------------------


@place("finance/trial-balance/", name="reports_trial_balance", permission=PERMISSION)
def trial_balance(request: HttpRequest) -> HttpResponse:
    form = PeriodForm(request)
    if not form.is_valid():
        return page(request, "trial_balance", "Trial balance", form=form, sections=[])
    sections = balances.trial_balance(form.period)
    return page(
        request,
        "trial_balance",
        "Trial balance",
        form=form,
        period=form.period,
        query=query_of(form.period),
        may_export=may(request, EXPORT),
        sections=[shown_section(form, section) for section in sections],
        broken=[section.currency for section in sections if not section.agrees],
    )


FORMATS = ("csv", "xlsx")


@place("finance/trial-balance/file/", name="reports_trial_balance_file", permission=EXPORT)
def trial_balance_file(request: HttpRequest) -> HttpResponse:
    """The same figures for a spreadsheet. That it was taken is in the audit trail, as every look is."""
    form, file_format = PeriodForm(request), request.GET.get("format", FORMATS[0])
    if not form.is_valid() or file_format not in FORMATS:
        return HttpResponseRedirect(f"{reverse('admin:reports_trial_balance')}?{request.GET.urlencode()}")
    sheet = trial_balance_sheet(form.period, file_format)
    response = HttpResponse(sheet.content, content_type=sheet.media_type)
    response["Content-Disposition"] = f'attachment; filename="{sheet.name}"'
    return response


def shown_section(form: PeriodForm, section: Section) -> dict[str, Any]:
    """A currency's trial balance as its template reads it; amounts are written without the currency."""
    currency = section.currency
    return {
        "currency": currency,
        "agrees": section.agrees,
        "wrong": [
            (line.line, address_of_line(form, line), grouped(line.closing, currency), grouped(line.own or 0, currency))
            for line in section.wrong
        ],
        "classes": [
            {
                "name": name,
                "lines": [
                    {
                        "name": line.name,
                        "code": line.line,
                        "address": address_of_line(form, line),
                        "is_wrong": line.is_wrong,
                        "cells": cells(Totals.of([line]), currency),
                    }
                    for line in lines
                ],
                "cells": cells(Totals.of(lines), currency),
            }
            for name, lines in section.classes
        ],
        "cells": cells(section.totals, currency),
        "differences": differences(section.totals, currency),
    }


def cells(totals: Totals, currency: str) -> list[str]:
    """Debit and credit of opening, movements and closing; nothing where there is nothing."""
    return [grouped(amount, currency) if amount else "" for pair in totals for amount in pair]


def differences(totals: Totals, currency: str) -> list[str]:
    names = ("opening", "movements", "closing")
    return [
        f"{name}: debits {grouped(debit, currency)}, credits {grouped(credit, currency)}"
        for name, (debit, credit) in zip(names, totals)
        if debit != credit
    ]


def address_of_line(form: PeriodForm, line: Line) -> str:
    """Where a line leads: the ledger of an account of ours, the list of the accounts of a kind."""
    if line.account is not None:
        return f"{reverse('admin:reports_ledger')}?{query_of(form.period, account=line.line)}"
    more = {"line": line.line, "currency": line.currency}
    return f"{reverse('admin:reports_accounts')}?{query_of(form.period, **more)}"


@place("finance/trial-balance/accounts/", name="reports_accounts", permission=PERMISSION)
def accounts(request: HttpRequest) -> HttpResponse:
    """The accounts of one kind and currency over the period, a page at a time in the order of their opening."""
    form, line, currency = PeriodForm(request), request.GET.get("line", ""), request.GET.get("currency", "")
    after = request.GET.get("after", "0")
    back = f"{reverse('admin:reports_trial_balance')}?{request.GET.urlencode()}"
    if not form.is_valid() or line not in summed_kinds() or currency not in EXPONENTS or not is_number(after):
        return HttpResponseRedirect(back)
    rows, following = balances.accounts_of(line, currency, form.period, after=int(after))
    owners = owners_of([row.code for row in rows])
    amounts = ["Opening", "Debits", "Credits", "Closing"]
    table = Table(
        title=f"{summed_kinds()[line]}s in {currency}",
        columns=["Owner", "Account", *amounts],
        numeric=amounts,
        rows=[
            (
                link(request, "wallets.wallet", *owners.get(row.code, (None, NOTHING))),
                format_html(
                    '<a class="to" href="{}?{}">{}</a>',
                    reverse("admin:reports_ledger"),
                    query_of(form.period, account=row.code),
                    row.code,
                ),
                money(row.opening, currency),
                money(row.debits, currency) if row.debits else "",
                money(row.credits, currency) if row.credits else "",
                money(row.closing, currency),
            )
            for row in rows
        ],
        empty="No such accounts.",
    )
    more = {"line": line, "currency": currency}
    return page(
        request,
        "accounts",
        f"{summed_kinds()[line]}s in {currency}",
        form=form,
        period=form.period,
        panel=table,
        back=f"{reverse('admin:reports_trial_balance')}?{query_of(form.period)}",
        first=f"?{query_of(form.period, **more)}" if after != "0" else "",
        following=f"?{query_of(form.period, **more, after=following)}" if following else "",
    )


def is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def owners_of(codes: list[str]) -> dict[str, tuple[Any, str]]:
    """Wallet and owner's name, of the accounts that are wallets'; of receivables those of the debtor."""
    wallets = Wallet.objects.filter(account__code__in=codes).select_related("customer", "account")
    owed = Receivable.objects.filter(account__code__in=codes).select_related("debtor__customer", "account")
    owners = {wallet_account(one.pk): (one.pk, one.customer.full_name) for one in wallets}
    return owners | {one.account.code: (one.debtor_id, one.debtor.customer.full_name) for one in owed}


# --- The ledger of an account ----------------------------------------------------------------------------------------


@place("finance/ledger/", name="reports_ledger", permission=PERMISSION)
def general_ledger(request: HttpRequest) -> HttpResponse:
    """One account from an instant to another: opening, each movement with its running balance, closing."""
    form = PeriodForm(request, recorded_only=True)
    asked, after = request.GET.get("account", "").strip()[:80], request.GET.get("after", "0")
    account = find_account(asked) if asked else None
    if asked and account is None:
        messages.error(request, f"There is no account {asked}.")
    if account is None or not form.is_valid() or not is_number(after):
        return page(request, "ledger", "General ledger", form=form, asked=asked, account=account)
    ledger = balances.account_ledger(account, form.period, after=int(after))
    currency = account.currency
    owners = owners_of([account.code, *(code for one in ledger.page for code in one.against)])
    names = {code: name for code, (_, name) in owners.items()}
    late = any(one.effective_at != one.recorded_at for one in ledger.page)
    amounts = ["Debit", "Credit", "Balance"]
    table = Table(
        title="Movements",
        columns=["No.", "Recorded", *(["Effective"] if late else []), "Transaction", "Journal", "Against", *amounts],
        numeric=["No.", *amounts],
        rows=[
            (
                one.seq,
                moment(one.recorded_at),
                *([moment(one.effective_at)] if late else []),
                link(request, "transactions.transaction", one.journal, receipt_tag(one.receipt))
                if one.receipt
                else NOTHING,
                link(request, "ledger.journal", one.journal, words(one.kind)),
                format_html_join(", ", "{}", [(account_shown(code, names),) for code in one.against]),
                grouped(one.amount, currency) if one.side > 0 else "",
                grouped(one.amount, currency) if one.side < 0 else "",
                grouped(one.balance_after, currency),
            )
            for one in ledger.page
        ],
        empty="No movements in this period.",
    )
    return page(
        request,
        "ledger",
        "General ledger",
        form=form,
        asked=account.code,
        account=account,
        ledger=ledger,
        period=form.period,
        panel=table,
        owner=link(request, "wallets.wallet", *owners[account.code]) if account.code in owners else "",
        account_link=link(request, "ledger.account", account.id, account.code),
        figures=[
            ("Opening", money(ledger.opening, currency)),
            ("Debits", money(ledger.debits, currency)),
            ("Credits", money(ledger.credits, currency)),
            ("Closing", money(ledger.closing, currency)),
        ],
        keep={"account": account.code},
        query=query_of(form.period, account=account.code),
        export_list="ledger" if may(request, "reports.export") else "",
        export_query=exported(account.code, form.period),
        first=f"?{query_of(form.period, account=account.code)}" if after != "0" else "",
        following=f"?{query_of(form.period, account=account.code, after=ledger.after)}" if ledger.after else "",
    )


# --- One balance -----------------------------------------------------------------------------------------------------


@place("finance/balance/", name="reports_balance", permission=PERMISSION)
def balance(request: HttpRequest) -> HttpResponse:
    """What one account had at an instant, by either of the two times."""
    form = InstantForm(request)
    asked = request.GET.get("account", "").strip()[:80]
    account = find_account(asked) if asked else None
    if asked and account is None:
        messages.error(request, f"There is no account {asked}.")
    context: dict[str, Any] = {"form": form, "asked": asked, "account": account, "keep": {"account": asked}}
    if account is None or not form.is_valid():
        return page(request, "balance", "Balance as of an instant", **context)
    at, basis, known = (form.cleaned_data[name] for name in ("at", "basis", "known"))
    found = balances.balance_as_of(account, at, basis=basis, known_at=known)
    owners = owners_of([account.code])
    by_effect = basis == balances.Basis.EFFECTIVE
    period = balances.Period(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0), at)
    ledger = f"{reverse('admin:reports_ledger')}?{query_of(period, account=account.code)}"
    rows = [
        ("Account", link(request, "ledger.account", account.id, account.code)),
        ("Name", account.name or NOTHING),
        ("Owner", link(request, "wallets.wallet", *owners[account.code]) if account.code in owners else NOTHING),
        ("As of", moment(at)),
        ("By the time", "it is effective" if by_effect else "it was recorded"),
        *([("As known at", moment(known))] if by_effect else []),
        ("Posted", money(found.posted, account.currency)),
        *([("Held", money(found.held, account.currency))] if found.held is not None else []),
        *([("Available", money(found.posted - found.held, account.currency))] if found.held is not None else []),
        ("Grows by", "debits" if account.normal_side > 0 else "credits"),
        ("Ledger", format_html('<a class="to" href="{}">movements of that month</a>', ledger)),
    ]
    same = {"account": account.code, "at": written(at)} | (
        {"basis": basis, "known": written(known)} if by_effect else {}
    )
    context |= {"panel": Facts(title="Balance", rows=rows), "same": urlencode(same), "by_effect": by_effect}
    return page(request, "balance", "Balance as of an instant", **context)


def exported(code: str, period: balances.Period) -> str:
    """The filters under which the ledger of an account is exported (`entries.py`)."""
    recorded = {"recorded_from": written(period.start), "recorded_before": written(period.end)}
    return urlencode({"account": code, **recorded})


# --- Daily totals ----------------------------------------------------------------------------------------------------


class SummedBetween(MadeBetween):
    """The day itself is a column here."""

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        first, last = (self.form.cleaned_data.get(name) for name in ("from", "to"))
        queryset = queryset.filter(day__gte=first) if first else queryset
        return queryset.filter(day__lte=last) if last else queryset


@admin.register(SummedDay)
class SummedDayAdmin(StaffAdmin):
    list_display = ["day", "revision", "entries_shown", "summed_at"]
    list_filter = [SummedBetween]

    @display(description="Entries")
    def entries_shown(self, summed: SummedDay) -> str:
        return f"{summed.entries:,}"

    def panels(self, request: HttpRequest, summed: SummedDay) -> list[Panel]:
        totals = Table(
            title="What was added up",
            columns=["Line", "Effective on", "Debits", "Credits", "Entries"],
            numeric=["Debits", "Credits", "Entries"],
            rows=[
                (
                    total.line,
                    f"{total.effective_on:%-d %b %Y}",
                    money(total.debits, total.currency),
                    money(total.credits, total.currency),
                    f"{total.entries:,}",
                )
                for total in summed.totals.order_by("currency", "line", "effective_on")
            ],
            empty="Nothing was recorded on this day.",
        )
        facts = Facts(
            title="Day",
            side=True,
            rows=[
                ("Recorded on", f"{summed.day:%-d %b %Y}, UTC"),
                ("Revision", summed.revision),
                ("Entries", f"{summed.entries:,}"),
                ("Added up", moment(summed.summed_at)),
            ],
        )
        return [totals, facts]
