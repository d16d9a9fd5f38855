"""Statements of the customer's wallets, as their app shows them: those that were sent, with their lines; and what a day
came to for a merchant."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.widgets import UnfoldAdminSingleDateWidget

from core.admin import Facts, Panel, Table, badge, code, masking, place, words
from core.admin.pages import NOTHING
from core.ids import spaced_receipt
from statements.admin import said_days
from statements.models import BUSINESSES, Format
from viewings.asking import ask
from viewings.models import Viewing
from viewings.pages import (
    address,
    amount,
    cursor_of,
    figure,
    following,
    instant,
    open_view,
    receipt_link,
    refused,
    shown,
    state,
    to_page,
    written,
)
from viewings.selectors import VIEW_AS

# Of what is not the newest first.
IN_ORDER: dict[str, Any] = {"first_called": "First lines", "next_called": "Next lines"}


def days(one: Mapping[str, Any]) -> str:
    return said_days(date.fromisoformat(one["from"]), date.fromisoformat(one["to"]))


# --- Those that are kept ------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/wallets/<uuid:wallet_id>/statements/", name="viewings_statements", permission=VIEW_AS)
@open_view
def statements(request: HttpRequest, viewing: Viewing, wallet_id: UUID) -> HttpResponse:
    """Those that were made by themselves, and how often they are."""
    wanted = ask(viewing, "statement_settings", wallet_id=wallet_id)
    answer = ask(viewing, "statements", cursor_of(request), wallet_id=wallet_id)
    for one in (wanted, answer):
        if one.is_refused:
            return refused(request, viewing, one)
    chosen = wanted.body
    how = [
        ("Sent", "not at all" if chosen["every"] == "none" else chosen["every"]),
        ("As", Format(chosen["format"]).label),
        ("Language", chosen["language"]),
        ("Next one", instant(chosen["next_at"])),
        ("Wallet", to_page(viewing, "history", wallet_id, "History")),
    ]
    if viewing.customer.account_type in BUSINESSES:
        how.append(("As a merchant", to_page(viewing, "takings", wallet_id, "What a day came to")))
    amounts = ["Opening", "In", "Out", "Closing"]
    table = Table(
        title="Statements",
        columns=["No.", "Days", "Lines", *amounts],
        numeric=["No.", "Lines", *amounts],
        rows=[
            (
                format_html(
                    '<a class="to" href="{}">{}</a>', address("kept", viewing, wallet_id, row["number"]), row["number"]
                ),
                days(row),
                row["lines_in"] + row["lines_out"],
                *(
                    amount(row[field], row["currency"])
                    for field in ("opening_balance", "total_in", "total_out", "closing_balance")
                ),
            )
            for row in answer.body["data"]
        ],
        empty="None was made by itself yet.",
    )
    return shown(
        request, viewing, "page", "Statements", panels=[table], side_panels=[Facts(title="Settings", rows=how)],
        **following(request, answer),
    )  # fmt: skip


@place(
    "view-as/<uuid:viewing_id>/wallets/<uuid:wallet_id>/statements/<int:number>/", name="viewings_kept",
    permission=VIEW_AS,
)  # fmt: skip
@open_view
def kept(request: HttpRequest, viewing: Viewing, wallet_id: UUID, number: int) -> HttpResponse:
    """One of them: its figures of then, and a line for each movement, oldest first."""
    answer = ask(viewing, "kept_statement", cursor_of(request), wallet_id=wallet_id, number=number)
    if answer.is_refused:
        return refused(request, viewing, answer)
    one, currency = answer.body, answer.body["currency"]
    sums = (
        ("Opening balance", "opening_balance"), ("In", "total_in"), ("Out", "total_out"), ("Fees in these", "fees"),
        ("Closing balance", "closing_balance"), ("Control total", "control_total"),
    )  # fmt: skip
    rows = [
        ("Days", days(one)),
        ("Time zone", one["timezone"]),
        *((label, amount(one[field], currency)) for label, field in sums),
        ("Lines", f"{one['lines_in'] + one['lines_out']:,}"),
        ("Made", instant(one["made_at"])),
        ("Checksum", code(one["sha256"])),
        ("Wallet", to_page(viewing, "statements", wallet_id, "Statements")),
    ]
    return shown(
        request, viewing, "page", f"Statement {number}", panels=[lines_table(request, viewing, currency, one["data"])],
        side_panels=[Facts(title=f"Statement {number}", rows=rows)], **following(request, answer), **IN_ORDER,
    )  # fmt: skip


def lines_table(request: HttpRequest, viewing: Viewing, currency: str, lines: list[dict[str, Any]]) -> Panel:
    amounts = ["In", "Out", "Balance"]
    return Table(
        title=f"Lines in {currency}",
        columns=["No.", "Receipt", "When", "With", *amounts],
        numeric=["No.", *amounts],
        rows=[
            (
                line["number"],
                beneath(receipt_link(viewing, line) if line["receipt"] else NOTHING, words(line["kind"])),
                instant(line["timestamp"]),
                with_words(request, line),
                moved(line, currency) if line["direction"] == "in" else "",
                moved(line, currency) if line["direction"] == "out" else "",
                figure(line["balance_after"], currency),
            )
            for line in lines
        ],
        empty="No money moved in these days.",
    )


def beneath(shown: Any, small: str) -> Any:
    return format_html('{}<br><span class="muted small">{}</span>', shown, small) if small else shown


def moved(line: Mapping[str, Any], currency: str) -> Any:
    """The amount, and beneath it what of it is a fee, or a fee given back."""
    fee = f"fee {figure(line['fee'], currency)}" if line["fee"].strip("0.") else ""
    return beneath(figure(line["amount"], currency), fee)


def with_words(request: HttpRequest, line: Mapping[str, Any]) -> Any:
    """The other party, masked by the API already; and what was written with it, the order that it was for."""
    name = line["counterparty"] or NOTHING
    notes = [masking.words(request, line[field]) for field in ("memo", "order_reference") if line[field]]
    return beneath(name, " · ".join(notes))


# --- A merchant's day ---------------------------------------------------------------------------------------------


class DayForm(forms.Form):
    use_required_attribute = False
    day = forms.DateField(label="Day", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))


@place("view-as/<uuid:viewing_id>/wallets/<uuid:wallet_id>/takings/", name="viewings_takings", permission=VIEW_AS)
@open_view
def takings(request: HttpRequest, viewing: Viewing, wallet_id: UUID) -> HttpResponse:
    """What a business was paid on a day, by the calendar of its country: today, until another is asked for."""
    wallet = ask(viewing, "wallet", wallet_id=wallet_id)
    if wallet.is_refused:
        return refused(request, viewing, wallet)
    today = now().astimezone(ZoneInfo(viewing.customer.country.timezone)).date()
    form = DayForm(request.GET if "day" in request.GET else {"day": today})
    page: dict[str, Any] = {"form": form, "wallet": wallet_id, "said": "", "panels": [], "side_panels": []}
    if not form.is_valid():
        return shown(request, viewing, "takings", "A merchant's day", **page)
    day = form.cleaned_data["day"]
    answer = ask(viewing, "takings", {"day": day.isoformat()} | cursor_of(request), wallet_id=wallet_id)
    if answer.is_refused:  # a person has none, nor has a day to come
        return shown(request, viewing, "takings", "A merchant's day", **page | {"said": answer.body["detail"]})
    one, currency = answer.body, answer.body["currency"]
    rows = [
        *(
            (label, amount(one[field], currency))
            for label, field in (
                ("Payments", "payments"), ("Refunds", "refunds"), ("Reversals", "reversals"), ("Fees", "fees"),
                ("Net", "net"),
            )
        ),
        ("How many", f"{one['payment_count']:,} paid, {one['refund_count'] + one['reversal_count']:,} given back"),
        ("Is it over?", "yes" if one["is_final"] else "no: there may be more of it"),
        ("Time zone", one["timezone"]),
    ]  # fmt: skip
    page |= {
        "panels": [takings_table(request, viewing, day, currency, one["data"])],
        "side_panels": [Facts(title="What it came to", rows=rows)],
    }
    return shown(request, viewing, "takings", "A merchant's day", **page, **following(request, answer), **IN_ORDER)


def takings_table(
    request: HttpRequest, viewing: Viewing, day: date, currency: str, lines: list[dict[str, Any]]
) -> Panel:  # fmt: skip
    amounts = ["Gross", "Fee", "Net"]
    return Table(
        title=f"{day:%-d %b %Y}, in {currency}, by order reference",
        columns=["Order", "Receipt", "When", "What", *amounts, "The payment"],
        numeric=amounts,
        rows=[
            (
                written(request, line["order_reference"]),
                receipt_link(viewing, line),
                instant(line["timestamp"]),
                words(line["kind"]),
                *(figure(line[field], currency) for field in ("gross", "fee", "net")),
                state(line["state"]) if line["kind"] == "payment" else of_payment(viewing, line),
            )
            for line in lines
        ],
        empty="Nobody paid, and nothing went back.",
    )


def of_payment(viewing: Viewing, line: Mapping[str, Any]) -> Any:
    link = to_page(viewing, "transaction", line["payment_id"], spaced_receipt(line["payment_receipt"]))
    return format_html("{} {}", badge("of"), link)
