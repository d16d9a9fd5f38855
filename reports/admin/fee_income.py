"""What we earned in fees: by kind and currency over a period, by day, from the income accounts of the ledger."""

import csv
from io import StringIO
from typing import Any

from django.contrib import admin
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from core.admin import Panel, Table, money, place
from core.admin.pages import may
from core.days import midnight
from core.money import EXPONENTS, decimal_string
from ledger.chart import fee_income
from reports import balances
from reports.admin.books import EXPORT, PERMISSION
from reports.admin.periods import PeriodForm, query_of
from reports.balances import Line, Period
from transactions.models import Kind

FEES = fee_income("", "").rstrip(":")  # what their codes begin with
# Whole days that were added up already; what a further revision of a day adds counts with it.
BY_DAY = """
SELECT recorded_on, sum(credits)::bigint, sum(debits)::bigint FROM reports_daytotal
WHERE line = %s AND recorded_on >= %s AND recorded_on < %s GROUP BY recorded_on ORDER BY recorded_on DESC LIMIT 400
"""


@place("finance/fee-income/", name="reports_fee_income", permission=PERMISSION)
def fee_income_page(request: HttpRequest) -> HttpResponse:
    form = PeriodForm(request)
    context: dict[str, Any] = {**admin.site.each_context(request), "title": "Fee income", "form": form, "panels": []}
    if form.is_valid():
        period = form.period
        account = request.GET.get("account", "")
        lines = lines_of(period)
        panels: list[Panel] = [table(period, lines)]
        if any(line.line == account for line in lines):
            panels.append(by_day(period, account))
        query = query_of(period) if may(request, EXPORT) else ""
        context |= {"period": period, "panels": panels, "query": query, "keep": {"account": account} if account else {}}
    return TemplateResponse(request, "admin/reports/fee_income.html", context)


@place("finance/fee-income/file/", name="reports_fee_income_file", permission=EXPORT)
def fee_income_file(request: HttpRequest) -> HttpResponse:
    """The same figures as CSV. That it was taken is in the audit trail, as every look is."""
    form = PeriodForm(request)
    if not form.is_valid():
        return HttpResponseRedirect(f"{reverse('admin:reports_fee_income')}?{request.GET.urlencode()}")
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(["kind", "currency", "earned", "given_back", "kept", "kept_minor"])
    for line in lines_of(form.period):
        earned, returned = line.credits, line.debits
        amounts = [decimal_string(one, line.currency) for one in (earned, returned, earned - returned)]
        rows.writerow([kind_of(line.line), line.currency, *amounts, earned - returned])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"fee-income-{form.period.start:%Y%m%d}-{form.period.end:%Y%m%d}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def lines_of(period: Period) -> list[Line]:
    """The income accounts on which something was booked, by currency and kind."""
    found = [
        line for section in balances.trial_balance(period) for _, lines in section.classes for line in lines
        if line.line.startswith(f"{FEES}:") and (line.debits or line.credits)
    ]  # fmt: skip
    order = list(EXPONENTS)
    return sorted(found, key=lambda line: (order.index(line.currency), line.line))


def kind_of(code: str) -> str:
    return code.split(":")[2]


def table(period: Period, lines: list[Line]) -> Table:
    rows = [
        (
            format_html('<a class="to" href="?{}">{}</a>', query_of(period, account=line.line), named(line.line)),
            line.currency,
            money(line.credits, line.currency),
            money(line.debits, line.currency),
            money(line.credits - line.debits, line.currency),
            ledger_link(period, line.line),
        )
        for line in lines
    ]
    return Table(
        title="By kind and currency",
        columns=["Kind", "Currency", "Earned", "Given back", "Kept", ""],
        numeric=["Earned", "Given back", "Kept"],
        rows=rows,
        empty="No fees were booked in this time.",
    )


def by_day(period: Period, account: str) -> Table:
    """Each whole day (UTC) that has been added up; the days lead to the ledger."""
    currency = account.rpartition(":")[2]
    with connection.cursor() as cursor:
        cursor.execute(BY_DAY, [account, period.start.date(), period.end.date()])
        days = cursor.fetchall()
    return Table(
        title=f"{named(account)} in {currency}, by day",
        columns=["Day", "Earned", "Given back", "Kept", ""],
        numeric=["Earned", "Given back", "Kept"],
        rows=[
            (
                day,
                money(earned, currency),
                money(returned, currency),
                money(earned - returned, currency),
                ledger_link(Period(midnight(day), midnight(day.fromordinal(day.toordinal() + 1))), account),
            )
            for day, earned, returned in days
        ],
        empty="No whole day of this time has been added up yet: that is done after midnight UTC.",
    )


def named(code: str) -> str:
    kind = kind_of(code)
    return capfirst(Kind(kind).label) if kind in Kind.values else kind


def ledger_link(period: Period, account: str) -> Any:
    address = f"{reverse('admin:reports_ledger')}?{query_of(period, account=account)}"
    return format_html('<a class="to" href="{}">Ledger</a>', address)
