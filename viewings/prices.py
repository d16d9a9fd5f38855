"""What things cost the customer, as their app tells it: prices, exchange rates, and the quotes they were given."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from core.admin import Facts, Table, badge, code, place, words
from core.admin.pages import NOTHING
from viewings.asking import ask
from viewings.models import Viewing
from viewings.pages import amount, instant, open_view, refused, shown, state, transaction_links
from viewings.selectors import VIEW_AS


@place("view-as/<uuid:viewing_id>/prices/", name="viewings_prices", permission=VIEW_AS)
@open_view
def prices(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """Of their wallets' currencies, today; and the rates, of one currency unless all are asked for."""
    fees, wallets = ask(viewing, "fees"), ask(viewing, "wallets")
    for answer in (fees, wallets):
        if answer.is_refused:
            return refused(request, viewing, answer)
    held = [one["currency"] for one in wallets.body["data"]]
    asked = request.GET.get("currency") or (held[0] if held else "all")
    rates = ask(viewing, "rates", {} if asked == "all" else {"currency": asked})
    if rates.is_refused:
        return refused(request, viewing, rates)
    panels = [prices_table(fees.body["data"]), rates_table(rates.body["data"], asked, held)]
    return shown(request, viewing, "page", "Prices", panels=panels)


def prices_table(rows: list[dict[str, Any]]) -> Table:
    return Table(
        title="Prices today",
        columns=["For", "Currency", "Price", "Recipient pays", "Where it differs"],
        numeric=["Recipient pays"],
        rows=[
            (
                words(row["kind"]),
                row["currency"],
                format_html("{} {}", row["words"], waived(row["waived_percent"])),
                NOTHING if row["recipient_pays_percent"] == "0.00" else f"{row['recipient_pays_percent']} %",
                narrowed(row),
            )
            for row in rows
        ],
        empty="Nothing costs a fee, or nothing may move yet.",
    )


def waived(percent: str) -> Any:
    return "" if percent == "0.00" else badge(f"{percent} % less", "good")


def narrowed(row: dict[str, Any]) -> str:
    """For whom alone it is, in the order in which prices are chosen; a dash where it is for all."""
    said = [
        f"{word} {row[field]}"
        for word, field in (("through", "through"), ("from", "from_country"), ("to", "to_country"), ("tier", "tier"))
        if row[field] is not None
    ]
    said += [words(row["account_type"])] if row["account_type"] else []
    said += [f"until {row['last_day']}"] if row["last_day"] else []
    return ", ".join(said) or NOTHING


def rates_table(rows: list[dict[str, Any]], asked: str, held: list[str]) -> Table:
    one = asked != "all"
    back = (f"Only {held[0]}", "?") if held else None
    return Table(
        title=f"Exchange rates of {asked}" if one else "Exchange rates",
        more=("All", "?currency=all") if one else back,
        columns=["Pair", "Rate", "Buying", "Selling", "Published by", "As of", "Age"],
        numeric=["Rate", "Buying", "Selling"],
        rows=[
            (
                f"{row['base']}/{row['quote']}",
                row["mid"],
                row["bid"] or NOTHING,
                row["ask"] or NOTHING,
                row["provider"],
                instant(row["timestamp"]),
                format_html(
                    "{} {} {}", row["age"], row["age_unit"].replace("_", " "),
                    badge("too old to quote", "bad") if row["is_stale"] else "",
                ),
            )
            for row in rows
        ],
        empty="There are none.",
    )  # fmt: skip


@place("view-as/<uuid:viewing_id>/quotes/<uuid:quote_id>/", name="viewings_quote", permission=VIEW_AS)
@open_view
def quote(request: HttpRequest, viewing: Viewing, quote_id: UUID) -> HttpResponse:
    """What was promised for an exchange; the transaction that took it leads here."""
    answer = ask(viewing, "quote", quote_id=quote_id)
    if answer.is_refused:
        return refused(request, viewing, answer)
    one = answer.body
    rows = [
        ("Status", state(one["status"])),
        ("For", words(one["kind"])),
        ("Taken, with the fee", amount(one["amount_from"], one["currency_from"])),
        ("Fee", amount(one["fee"], one["currency_from"])),
        ("Arrives", amount(one["amount_to"], one["currency_to"])),
        ("Rate after the fee", one["fx_rate"]),
        ("Used by", transaction_links(viewing, [one["transaction_id"]] if one["transaction_id"] else [])),
        ("Asked for", instant(one["created_at"])),
        ("Held until", instant(one["expires_at"])),
        ("Quote id", code(one["quote_id"])),
    ]
    return shown(request, viewing, "page", "Quote", panels=[Facts(title="Quote", rows=rows)])
