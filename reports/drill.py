"""Where a figure of the books leads: each column of a summary to what it is the sum of, as of the same instants."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html

from core.admin import Table
from core.admin.pages import NOTHING

# By the title of a column: the place, and what it is asked for in a currency. Others lead to the trial balance.
ACCOUNTS = {
    "E-money issued": "liability:wallet", "Owed to customers": "liability:wallet", "Owed to us": "asset:receivable",
}  # fmt: skip
LEDGERS = {"In suspense": "liability:suspense"}


def drilled(table: Table, query: str = "") -> Table:
    """``table``, whose first column is a currency, with its figures as links; ``query`` says as of which instants."""
    columns = list(table.columns)
    rows = [
        [
            leading(cell, columns[position], row[0], query) if columns[position] in table.numeric else cell
            for position, cell in enumerate(row)
        ]
        for row in table.rows
    ]
    return replace(table, rows=rows)


def leading(cell: Any, column: str, currency: str, query: str) -> Any:
    if cell in ("", NOTHING):
        return cell
    if column in ACCOUNTS:
        address = f"{reverse('admin:reports_accounts')}?{asked(query, line=ACCOUNTS[column], currency=currency)}"
    elif column in LEDGERS:
        address = f"{reverse('admin:reports_ledger')}?{asked(query, account=f'{LEDGERS[column]}:{currency}')}"
    else:
        address = f"{reverse('admin:reports_trial_balance')}?{query}#{currency}"
    return format_html('<a class="figure" href="{}">{}</a>', address, cell)


def asked(query: str, **more: str) -> str:
    return "&".join(part for part in (query, urlencode(more)) if part)
