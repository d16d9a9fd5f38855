"""What the customer has asked for, and asked of others, as their app shows it: payment requests, standing orders, holds
and payouts, each as a list and one of it."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst

from core.admin import Facts, Panel, Table, badge, code, place, words
from core.admin.pages import NOTHING
from core.contacts import masked_email, masked_phone
from core.ids import spaced_receipt
from core.problems import catalogue
from schedules.models import StandingOrder
from schedules.selectors import NO_DATE_LEFT
from schedules.services import how_often
from viewings.asking import ask
from viewings.models import Viewing
from viewings.pages import (
    amount,
    cursor_of,
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


def day(text: str | None) -> str:
    return f"{date.fromisoformat(text):%-d %b %Y}" if text else NOTHING


def why(refusal: str | None) -> str:
    """The title that the app shows for a code."""
    if not refusal:
        return NOTHING
    kind = catalogue().get(refusal)
    return kind.title if kind else refusal


# --- Payment requests ---------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/payment-requests/", name="viewings_requests", permission=VIEW_AS)
@open_view
def requests(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """What the customer asks others to pay."""
    answer = ask(viewing, "requests", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    table = Table(
        title="Payment requests",
        columns=["Code", "For", "Amount", "Paid", "Status", "Until"],
        numeric=["Amount"],
        rows=[
            (
                to_page(viewing, "request", row["code"], row["code"]),
                written(request, row["description"]),
                asked_for(row),
                times(row["own"]),
                state(row["status"]),
                instant(row["expires_at"]),
            )
            for row in answer.body["data"]
        ],
        empty="They have asked nobody to pay.",
    )
    return shown(request, viewing, "page", "Payment requests", panels=[table], **following(request, answer))


def asked_for(row: Mapping[str, Any]) -> Any:
    """The amount, or within what the payer chooses it."""
    if row["amount"]:
        return amount(row["amount"], row["currency"])
    bounds = [
        format_html("{} {}", word, amount(row[field], row["currency"]))
        for word, field in (("from", "least"), ("to", "most"))
        if row[field]
    ]
    said = format_html(" ".join(["{}"] * len(bounds)), *bounds) if bounds else row["currency"]
    return format_html('{}<br><span class="muted small">the payer chooses</span>', said)


def times(own: Mapping[str, Any]) -> str:
    return f"{own['used']:,} of {own['max_uses']:,}" if own["max_uses"] else f"{own['used']:,}"


@place("view-as/<uuid:viewing_id>/payment-requests/<slug:code_said>/", name="viewings_request", permission=VIEW_AS)
@open_view
def payment_request(request: HttpRequest, viewing: Viewing, code_said: str) -> HttpResponse:
    """One of theirs, and who paid it."""
    asked = ask(viewing, "request", code=code_said)
    paid = ask(viewing, "request_payments", cursor_of(request), code=code_said)
    for answer in (asked, paid):
        if answer.is_refused:
            return refused(request, viewing, answer)
    one, own = asked.body, asked.body["own"]
    rows = [
        ("Code", code(one["code"])),
        ("Status", state(one["status"])),
        ("Amount", asked_for(one)),
        ("For", written(request, one["description"])),
        ("Order reference", written(request, one["order_reference"])),
        ("Paid", times(own)),
        ("By one payer", own["max_uses_per_payer"] or "as often as they like"),
        ("Confirmation", "they confirm each payment" if one["needs_confirmation"] else "not needed"),
        ("Link", code(one["link"])),
        ("Made", instant(own["created_at"])),
        ("Until", instant(one["expires_at"])),
        ("Closed", instant(own["closed_at"])),
    ]
    table = Table(
        title="Payments",
        columns=["Receipt", "When", "By", "Amount", "Given back", "Status", "Confirmation"],
        numeric=["Amount", "Given back"],
        rows=[
            (
                payment_link(viewing, row),
                instant(row["timestamp"]),
                row["payer"],
                amount(row["amount"], row["currency"]),
                amount(row["returned"], row["currency"]),
                state(row["status"]),
                NOTHING if row["confirmation"] == "not_needed" else state(row["confirmation"]),
            )
            for row in paid.body["data"]
        ],
        empty="Nobody has paid it yet.",
    )
    return shown(
        request, viewing, "page", f"Payment request {one['code']}", panels=[table],
        side_panels=[Facts(title="Payment request", rows=rows)], **following(request, paid),
    )  # fmt: skip


def payment_link(viewing: Viewing, row: Mapping[str, Any]) -> Any:
    """What is to be confirmed, or never was, is a hold; else it is the payment."""
    page, identity = ("transaction", row["payment_id"]) if row["payment_id"] else ("hold", row["transaction_id"])
    return to_page(viewing, page, identity, spaced_receipt(row["receipt"]))


# --- Standing orders ----------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/standing-orders/", name="viewings_orders", permission=VIEW_AS)
@open_view
def standing_orders(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """What they pay by itself, and when next."""
    answer = ask(viewing, "standing_orders", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    table = Table(
        title="Standing orders",
        columns=["To", "Amount", "How often", "Next", "Status"],
        numeric=["Amount"],
        rows=[
            (
                to_page(viewing, "order", row["standing_order_id"], row["recipient"]),
                amount(row["amount"], row["currency"]),
                often(row["schedule"]),
                day(row["next_dates"][0]["due_on"]) if row["next_dates"] else NOTHING,
                state(row["status"]),
            )
            for row in answer.body["data"]
        ],
        empty="They pay nothing by standing order.",
    )
    return shown(request, viewing, "page", "Standing orders", panels=[table], **following(request, answer))


ENDED = {NO_DATE_LEFT: "no date is left"}


def often(schedule: Mapping[str, Any]) -> str:
    return capfirst(how_often(schedule["frequency"], schedule["every"], schedule["day_of_month"] or 0))


@place("view-as/<uuid:viewing_id>/standing-orders/<uuid:order_id>/", name="viewings_order", permission=VIEW_AS)
@open_view
def standing_order(request: HttpRequest, viewing: Viewing, order_id: UUID) -> HttpResponse:
    """One of theirs, and what became of each date."""
    order = ask(viewing, "standing_order", order_id=order_id)
    runs = ask(viewing, "runs", cursor_of(request), order_id=order_id)
    for answer in (order, runs):
        if answer.is_refused:
            return refused(request, viewing, answer)
    one = order.body
    retry = one["retry"]
    rows = [
        ("Status", state(one["status"])),
        ("Paused by", "us" if one["paused_by_us"] else NOTHING),
        ("To", one["recipient"]),
        ("Amount", amount(one["amount"], one["currency"])),
        ("Memo", written(request, one["memo"])),
        ("How often", often(one["schedule"])),
        ("From", day(one["schedule"]["start_on"])),
        ("Until", day(one["schedule"]["end_on"])),
        ("No business day", StandingOrder.Rule(one["schedule"]["business_day_rule"]).label),
        ("Without money", f"tried {retry['times']} times more, every {retry['every_hours']} h"),
        ("Dates left", NOTHING if one["runs_left"] is None else one["runs_left"]),
        ("Next dates", ", ".join(day(each["due_on"]) for each in one["next_dates"]) or NOTHING),
        ("Made", instant(one["created_at"])),
        ("Closed", instant(one["closed_at"])),
        ("Ended because", ENDED.get(one["ended_reason"]) or why(one["ended_reason"])),
    ]
    table = Table(
        title="Dates so far",
        columns=["Date", "Amount", "Status", "Tries", "Why not", "Receipt", "Next try"],
        numeric=["Amount", "Tries"],
        rows=[
            (
                day(row["due_on"]),
                amount(row["amount"], row["currency"]),
                state(row["status"]),
                row["tries"],
                why(row["code"]),
                receipt_link(viewing, row) if row["receipt"] else NOTHING,
                instant(row["next_try_at"]),
            )
            for row in runs.body["data"]
        ],
        empty="No date has come yet.",
    )
    return shown(
        request, viewing, "page", "Standing order", panels=[table],
        side_panels=[Facts(title="Standing order", rows=rows)], **following(request, runs),
    )  # fmt: skip


# --- Holds --------------------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/holds/", name="viewings_holds", permission=VIEW_AS)
@open_view
def holds(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """What they have promised, and what is promised to them."""
    answer = ask(viewing, "holds", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    amounts = ["Amount", "Captured", "Left"]
    table = Table(
        title="Holds",
        columns=["Receipt", "When", "With", *amounts, "Status", "Until"],
        numeric=amounts,
        rows=[
            (
                to_page(viewing, "hold", row["hold_id"], spaced_receipt(row["receipt"])),
                instant(row["created_at"]),
                format_html("{} {}", row["counterparty"]["name"], badge(row["direction"])),
                *(amount(row[field], row["currency"]) for field in ("amount", "captured", "remaining")),
                state(row["status"]),
                instant(row["expires_at"]),
            )
            for row in answer.body["data"]
        ],
        empty="No money is set aside, and none was.",
    )
    return shown(request, viewing, "page", "Holds", panels=[table], **following(request, answer))


@place("view-as/<uuid:viewing_id>/holds/<uuid:hold_id>/", name="viewings_hold", permission=VIEW_AS)
@open_view
def hold(request: HttpRequest, viewing: Viewing, hold_id: UUID) -> HttpResponse:
    """One of them, and what was taken of it."""
    answer = ask(viewing, "hold", hold_id=hold_id)
    if answer.is_refused:
        return refused(request, viewing, answer)
    one = answer.body
    rows = [
        ("Receipt", code(one["receipt"])),
        ("Status", state(one["status"])),
        ("With", format_html("{} {}", one["counterparty"]["name"], badge(one["direction"]))),
        *(
            (label, amount(one[field], one["currency"]))
            for label, field in (
                ("Amount", "amount"), ("Fee", "fee"), ("Captured", "captured"), ("Left", "remaining"),
            )
        ),
        ("Memo", written(request, one["memo"])),
        ("Their own reference", written(request, one["reference"])),
        ("Order reference", written(request, one["order_reference"])),
        ("Made", instant(one["created_at"])),
        ("Until", instant(one["expires_at"])),
        ("Captured by itself", instant(one["capture_at"])),
        ("Over since", instant(one["ended_at"])),
    ]  # fmt: skip
    table = Table(
        title="Captured",
        columns=["Receipt", "When", "Amount", "Status"],
        numeric=["Amount"],
        rows=[
            (
                receipt_link(viewing, row),
                instant(row["timestamp"]),
                amount(row["amount"], one["currency"]),
                state(row["status"]),
            )
            for row in one["captures"]
        ],
        empty="Nothing of it was taken.",
    )
    return shown(
        request, viewing, "page", "Hold", panels=[table], side_panels=[Facts(title="Hold", rows=rows)],
    )  # fmt: skip


# --- Payouts ------------------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/payouts/", name="viewings_payouts", permission=VIEW_AS)
@open_view
def payouts(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """Theirs, and those of businesses for which they approve."""
    answer = ask(viewing, "payouts", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    table = Table(
        title="Payouts",
        columns=["Sent in", "What", "Payer", "Items", "Total", "Paid", "Refused", "Status"],
        numeric=["Items", "Total", "Paid", "Refused"],
        rows=[
            (
                to_page(viewing, "payout", row["payout_id"], instant(row["created_at"])),
                written(request, row["label"]),
                row["payer"],
                f"{row['summary']['items']:,}",
                amount(row["summary"]["total"], row["currency"]),
                f"{row['progress']['paid']:,}",
                f"{row['progress']['refused']:,}",
                state(row["status"]),
            )
            for row in answer.body["data"]
        ],
        empty="They have sent in no payout, and approve for nobody who has.",
    )
    return shown(request, viewing, "page", "Payouts", panels=[table], **following(request, answer))


@place("view-as/<uuid:viewing_id>/payouts/<uuid:payout_id>/", name="viewings_payout", permission=VIEW_AS)
@open_view
def payout(request: HttpRequest, viewing: Viewing, payout_id: UUID) -> HttpResponse:
    """One of them: what was wrong with its lines, and what came of each item."""
    found = ask(viewing, "payout", payout_id=payout_id)
    items = ask(viewing, "payout_items", cursor_of(request), payout_id=payout_id)
    for answer in (found, items):
        if answer.is_refused:
            return refused(request, viewing, answer)
    one = found.body
    currency, summary, progress, stopped = one["currency"], one["summary"], one["progress"], one["stopped_by"]
    rows = [
        ("Status", state(one["status"])),
        ("What", written(request, one["label"])),
        ("Payer", one["payer"]),
        ("Mode", words(one["mode"])),
        ("Waits for", "an approver" if one["needs_second_person"] and one["status"] == "validated" else NOTHING),
        ("Items", f"{summary['items']:,}"),
        ("Total", amount(summary["total"], currency)),
        ("Fees", amount(summary["fees"], currency)),
        ("Paid", f"{progress['paid']:,}"),
        ("Refused", f"{progress['refused']:,}"),
        ("Paid so far", amount(progress["amount"], currency)),
        ("Stopped by", f"Line {stopped['line']}: {stopped['message']}" if stopped else NOTHING),
        ("To be paid on", day(one["execute_on"])),
        ("Sent in", instant(one["created_at"])),
        ("Approved", instant(one["approved_at"])),
        ("Finished", instant(one["finished_at"])),
    ]
    panels = [
        problems(request, title, summary[name], one[name])
        for title, name in (("Lines to put right", "errors"), ("Lines to look at", "warnings"))
        if summary[name]
    ]
    return shown(
        request, viewing, "page", "Payout", panels=[*panels, items_table(request, viewing, items.body["data"])],
        side_panels=[Facts(title="Payout", rows=rows)], **following(request, items),
    )  # fmt: skip


MOST_PROBLEMS = 50


def problems(request: HttpRequest, title: str, total: int, faults: list[dict[str, Any]]) -> Panel:
    """The app gets up to 500 of them, which nobody reads here."""
    first = faults[:MOST_PROBLEMS]
    return Table(
        title=f"{title}: {total:,}" + (f", the first {len(first)}" if total > len(first) else ""),
        columns=["Line", "Field", "What"],
        rows=[
            (one["line"] or "all", one["field"] or NOTHING, written(request, one["message"]))
            for one in first
        ],
    )  # fmt: skip


def items_table(request: HttpRequest, viewing: Viewing, rows: list[dict[str, Any]]) -> Panel:
    return Table(
        title="Items",
        columns=["Line", "To", "Reaches", "Amount", "Status", "Why not", "Receipt"],
        numeric=["Line", "Amount"],
        rows=[
            (
                row["line"],
                format_html('{}<br><span class="muted small">{}</span>', named_as(row["to"]),
                            written(request, row["name"])),
                row["recipient"] or NOTHING,
                amount(row["amount"], row["currency"]),
                state(row["status"]),
                row["refusal"] or NOTHING,
                receipt_link(viewing, row) if row["receipt"] else NOTHING,
            )
            for row in rows
        ],
        empty="There are none: a draft has only lines.",
    )  # fmt: skip


def named_as(said: str) -> str:
    """Masked whatever was revealed: the view is of the payer, and this is somebody else's."""
    if "@" in said:
        return masked_email(said)
    return masked_phone(said) if said.startswith("+") else "wallet"
