"""A price tried on what was: what it would have brought in the last days, for whom it would have been dearer."""

import csv
from io import StringIO
from typing import Any

from django import forms
from django.contrib import admin
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from unfold.widgets import UnfoldAdminSelectWidget

from core.admin import Panel, Table, money, place
from core.admin.dialogs import told
from core.admin.pages import may
from core.errors import TekanaError
from core.money import Money, decimal_string
from transactions.admin.rules import FeeForm
from transactions.models import Kind
from transactions.price_approvals import fee_of, fees
from transactions.prices import for_whom, in_words
from transactions.what_if import DAYS, MOST, Sums, WhatIf, what_if

EXPORT = "reports.export"


class WhatIfForm(FeeForm):
    """A price as it is asked for, without a day or a reason: nothing comes of it."""

    days = forms.TypedChoiceField(
        label="Of the last", coerce=int, initial=DAYS, required=True, widget=UnfoldAdminSelectWidget,
        choices=[(30, "30 days"), (7, "7 days"), (1, "day")],
    )  # fmt: skip

    def __init__(self, data: Any, *, user: Any) -> None:
        super().__init__(data, subject=None, user=user)
        for name in ("effective_from", "last_day", "reason"):
            del self.fields[name]

    def unusual(self) -> list[str]:
        return []  # nothing comes of it

    @property
    def params(self) -> dict[str, Any]:
        self.cleaned_data |= {"effective_from": "2000-01-01", "last_day": None}
        return fees.clean(super().params)

    @property
    def sections(self) -> list[tuple[str, list[Any]]]:
        """Its fields: what everybody fills in, and what few do."""
        first = ("kind", "currency", "flat", "part", "least", "most", "days")
        return [
            ("Price", [self[name] for name in first]),
            ("Bands, rounding, who pays, for whom", [one for one in self.visible_fields() if one.name not in first]),
        ]


@place("rules/what-if/", name="transactions_what_if", permission="transactions.view_feerule")
def tried(request: HttpRequest) -> HttpResponse:
    form = WhatIfForm(request.GET or None, user=request.user)
    context = {**admin.site.each_context(request), "title": "What if it cost …", "form": form, "panels": []}
    if request.GET and form.is_valid():
        try:
            params = form.params
            fee, currency = fee_of(params), params["currency"]
            found = what_if(params["kind"], currency, fee, days=form.cleaned_data["days"])
        except TekanaError as refusal:
            context["refusal"] = told(refusal)
        except OperationalError:
            context["refusal"] = "There are too many movements to count while you wait. Ask for fewer days."
        else:
            if request.GET.get("format") == "csv" and may(request, EXPORT):
                return as_csv(params["kind"], currency, found)
            what = f"{Kind(params['kind']).label.capitalize()}s in {currency}, {for_whom(fee)}"
            context |= {
                "what": f"{what}: {in_words(fee, currency)}", "panels": panels(found, currency),
                "since": found.since, "most": f"{MOST:,}" if found.is_cut else "",
                "query": request.GET.urlencode() if may(request, EXPORT) else "",
                "figures": [
                    ("Earned", money(found.all.actual, currency)), ("Would have", money(found.all.would_be, currency)),
                    ("Difference", money(found.all.would_be - found.all.actual, currency)),
                ],
            }  # fmt: skip
    return TemplateResponse(request, "admin/transactions/what_if.html", context)


def panels(found: WhatIf, currency: str) -> list[Panel]:
    others = Sums(
        found.all.count - found.met.count, found.all.actual - found.met.actual, found.all.would_be - found.met.would_be
    )
    columns = ["", "Movements", "Earned", "Would have earned", "Difference"]
    whom = Table(
        title="Whom it would have been for", columns=columns, numeric=columns[1:],
        rows=[row("Met by this price", found.met, currency), row("Others, as they were", others, currency)],
        total=row("All", found.all, currency),
    )  # fmt: skip
    sizes = Table(
        title="By size of the amount", columns=columns, numeric=columns[1:],
        rows=[row(f"below {Money(size, currency)}", found.by_size[size], currency) for size in sorted(found.by_size)],
        empty="It would have been for no movement of these days.",
    )  # fmt: skip
    change = Table(
        title="Dearer or cheaper", columns=["Dearer", "The same", "Cheaper"],
        numeric=["Dearer", "The same", "Cheaper"],
        rows=[(f"{found.dearer:,}", f"{found.same:,}", f"{found.cheaper:,}")],
    )  # fmt: skip
    return [whom, change, sizes]


def row(name: str, sums: Sums, currency: str) -> tuple[Any, ...]:
    difference = money(sums.would_be - sums.actual, currency)
    return name, f"{sums.count:,}", money(sums.actual, currency), money(sums.would_be, currency), difference


def as_csv(kind: str, currency: str, found: WhatIf) -> HttpResponse:
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(["kind", "currency", "of", "movements", "earned", "would_have_earned"])
    lines = [("all", found.all), ("met", found.met)]
    lines += [(f"below {decimal_string(size, currency)}", found.by_size[size]) for size in sorted(found.by_size)]
    for name, sums in lines:
        amounts = [decimal_string(one, currency) for one in (sums.actual, sums.would_be)]
        rows.writerow([kind, currency, name, sums.count, *amounts])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="what-if-{kind}-{currency}.csv"'
    return response
