"""What the customer's app shows, as pages of the back office. Each is one or more answers of the API, laid out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget

from core.admin import Facts, Panel, Table, badge, code, masking, moment, money, place, words
from core.admin.pages import NOTHING
from core.days import end_of, midnight
from core.ids import spaced_receipt
from core.money import grouped
from core.problems import catalogue
from transactions.models import Kind, State
from viewings.asking import Answer, ask
from viewings.errors import ViewingNotFound, ViewingOver
from viewings.models import Viewing
from viewings.selectors import VIEW_AS, check_open, viewing_of

# The page, its name, and pages below it.
TABS: list[tuple[str, ...]] = [
    (
        "viewings_home", "Account", "viewings_history", "viewings_transaction", "viewings_statements", "viewings_kept",
        "viewings_takings", "viewings_quote",
    ),
    ("viewings_requests", "Requests", "viewings_request"),
    ("viewings_orders", "Standing orders", "viewings_order"),
    ("viewings_holds", "Holds", "viewings_hold"),
    ("viewings_payouts", "Payouts", "viewings_payout"),
    ("viewings_prices", "Prices"),
    ("viewings_notifications", "Notifications"),
    ("viewings_recalls", "Asked back"),
    ("viewings_accesses", "Access log"),
]  # fmt: skip
TONES = {
    "active": "good", "frozen": "busy", "completed": "good", "failed": "bad", "pending": "busy", "processing": "busy",
    "unknown": "odd", "open": "busy", "refused": "bad", "consented": "good", "paused": "busy", "due": "busy",
    "unfunded": "bad", "missed": "bad", "awaiting": "busy", "confirmed": "good", "rejected": "bad", "draft": "odd",
    "validated": "busy", "approved": "busy", "posting": "busy", "waiting": "busy", "paid": "good", "used_up": "good",
    "partially_reversed": "odd", "reversed": "odd",
}  # fmt: skip


Page = Callable[..., HttpResponse]


# --- What every page has ------------------------------------------------------------------------------------------


def open_view(function: Page) -> Page:
    """A page of an open view of who asks; the audit trail gets to know of whom it is."""

    @wraps(function)
    def page(request: HttpRequest, viewing_id: UUID, **path: Any) -> HttpResponse:
        agent: Any = request.user
        try:
            viewing = viewing_of(agent, viewing_id)
        except ViewingNotFound:
            context = {**admin.site.each_context(request), "title": "Not found"}
            return TemplateResponse(request, "admin/viewings/none.html", context, status=404)
        request.looked_at = (  # type: ignore[attr-defined]  # `staff/looks.py`
            "customers.customer", str(viewing.customer_id), {"viewing": str(viewing.pk)},
        )  # fmt: skip
        try:
            check_open(viewing, session_began_at(request))
        except ViewingOver as over:
            return shown(request, viewing, "over", "The view has ended", said=over.detail, status=over.status)
        masking.look_at(request, [viewing.customer_id])
        response = function(request, viewing, **path)
        # The browser asks again when the time is over, and then gets what is shown afterwards; no script is needed.
        response["Refresh"] = str(int(seconds_left(viewing)) + 1)
        return response

    return page


def session_began_at(request: HttpRequest) -> datetime | None:
    row = getattr(request.session, "row", None)
    return row.started_at if row is not None else None


def seconds_left(viewing: Viewing) -> int:
    return max(int((viewing.ends_at - now()).total_seconds()), 0)


def shown(
    request: HttpRequest, viewing: Viewing, template: str, title: str, *, status: int = 200, **context: Any
) -> TemplateResponse:
    here = request.resolver_match.url_name if request.resolver_match else ""
    who = viewing.customer.full_name.split()[0]
    context |= {
        **admin.site.each_context(request),
        "title": f"{who}'s app: {title}",
        "viewing": viewing,
        "who": who,
        "note": masking.words(request, viewing.note),
        "left": seconds_left(viewing),
        "tabs": [
            (text, reverse(f"admin:{name}", args=[viewing.pk]), here in (name, *below)) for name, text, *below in TABS
        ],
    }  # fmt: skip
    return TemplateResponse(request, f"admin/viewings/{template}.html", context, status=status)


def refused(request: HttpRequest, viewing: Viewing, answer: Answer) -> HttpResponse:
    """The app would show this instead."""
    return shown(request, viewing, "refused", answer.body["title"], problem=answer.body, status=answer.status)


def following(request: HttpRequest, answer: Answer) -> dict[str, Any]:
    """Links to the beginning and to what is older, with the filters as they are."""
    asked = request.GET.copy()
    asked.pop("cursor", None)
    links: dict[str, Any] = {"first": f"?{asked.urlencode()}"} if "cursor" in request.GET else {}
    if answer.body.get("next"):
        asked["cursor"] = answer.body["next"]
        links["older"] = f"?{asked.urlencode()}"
    return links


def cursor_of(request: HttpRequest) -> dict[str, str]:
    return {"cursor": request.GET["cursor"]} if request.GET.get("cursor") else {}


def amount(text: str | None, currency: str) -> Any:
    """The API's decimal string, which has every decimal of its currency, as staff pages show money."""
    return NOTHING if text is None else money(int(text.replace(".", "")), currency)


def figure(text: str | None, currency: str) -> Any:
    """The same where the currency is that of the whole table."""
    return NOTHING if text is None else grouped(int(text.replace(".", "")), currency)


def written(request: HttpRequest, text: str | None) -> Any:
    """What somebody wrote, with numbers and addresses in it masked."""
    return masking.words(request, text) or NOTHING


def instant(text: str | None) -> Any:
    return NOTHING if text is None else moment(datetime.fromisoformat(text))


def state(text: str) -> Any:
    return badge(text.replace("_", " "), TONES.get(text, ""))


# --- The account --------------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/", name="viewings_home", permission=VIEW_AS)
@open_view
def home(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    me, wallets, limits = (ask(viewing, what) for what in ("me", "wallets", "limits"))
    for answer in (me, wallets, limits):
        if answer.is_refused:
            return refused(request, viewing, answer)
    panels = [wallets_table(viewing, wallets.body["data"]), limits_table(limits.body)]
    return shown(
        request, viewing, "page", "Account", panels=panels, side_panels=[profile(request, me.body)],
    )  # fmt: skip


def profile(request: HttpRequest, me: Mapping[str, Any]) -> Panel:
    rows = [
        ("Full name", me["full_name"]),
        ("Phone", masking.phone(request, me["phone_number"])),
        ("E-mail", masking.email(request, me["email"])),
        ("Country", me["country"]),
        ("Account type", words(me["account_type"])),
        ("KYC tier", me["tier"]),
        ("Status", state(me["status"])),
        ("Customer since", instant(me["created_at"])),
        ("Customer id", code(me["customer_id"])),
    ]
    return Facts(title="Profile", rows=rows)


def wallets_table(viewing: Viewing, wallets: list[dict[str, Any]]) -> Panel:
    amounts = ["Available", "Held", "Balance"]
    return Table(
        title="Wallets",
        columns=["Wallet", "Status", *amounts],
        numeric=amounts,
        rows=[
            (
                to_page(viewing, "history", one["wallet_id"], f"{one['currency']} wallet"),
                state(one["status"]),
                *(amount(one[field], one["currency"]) for field in ("available", "held", "balance")),
            )
            for one in wallets
        ],
        empty="No wallet yet.",
    )  # fmt: skip


def limits_table(limits: Mapping[str, Any]) -> Panel:
    fields = {
        "per_movement": "At once", "per_day": "A day", "per_month": "A month", "balance": "Most in the wallet",
    }  # fmt: skip
    return Table(
        title=f"Limits of tier {limits['tier']}",
        columns=["Currency", *fields.values()],
        numeric=list(fields.values()),
        rows=[
            (
                one["currency"],
                *("no limit" if one[field] is None else amount(one[field], one["currency"]) for field in fields),
            )
            for one in limits["data"]
        ],
        empty="Nothing may move yet.",
    )


def address(page: str, viewing: Viewing, *ids: Any) -> str:
    return reverse(f"admin:viewings_{page}", args=[viewing.pk, *ids])


# --- History and one transaction ----------------------------------------------------------------------------------


def choices(any_: str, known: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("", any_), *((value, words(value)) for value, _ in known)]


class HistoryForm(forms.Form):
    """The filters of the API, with days for instants; days are UTC."""

    use_required_attribute = False
    kind = forms.ChoiceField(
        required=False, choices=choices("Every kind", Kind.choices), widget=UnfoldAdminSelectWidget
    )
    status = forms.ChoiceField(
        required=False, choices=choices("Every status", State.choices), widget=UnfoldAdminSelectWidget
    )
    direction = forms.ChoiceField(
        required=False, choices=[("", "Both ways"), ("in", "In"), ("out", "Out")], widget=UnfoldAdminSelectWidget
    )
    until = forms.DateField(required=False, label="To", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        widget = UnfoldAdminSingleDateWidget(attrs={"type": "date"})
        self.fields["since"] = forms.DateField(required=False, label="From", widget=widget)
        self.order_fields(["kind", "status", "direction", "since", "until"])

    @property
    def query(self) -> dict[str, str]:
        """Of a form that is valid, as the API reads it."""
        asked = self.cleaned_data
        query = {name: asked[name] for name in ("kind", "status", "direction") if asked[name]}
        if asked["since"]:
            query["from"] = f"{midnight(asked['since']):%Y-%m-%dT%H:%M:%SZ}"
        if asked["until"]:
            query["to"] = f"{end_of(asked['until']):%Y-%m-%dT%H:%M:%SZ}"
        return query


@place("view-as/<uuid:viewing_id>/wallets/<uuid:wallet_id>/", name="viewings_history", permission=VIEW_AS)
@open_view
def history(request: HttpRequest, viewing: Viewing, wallet_id: UUID) -> HttpResponse:
    """Both ways, with running balances, as the app shows it."""
    wallet, limits = ask(viewing, "wallet", wallet_id=wallet_id), ask(viewing, "wallet_limits", wallet_id=wallet_id)
    if wallet.is_refused:
        return refused(request, viewing, wallet)
    top = wallet_shown(wallet.body, limits)
    form = HistoryForm(request.GET)
    if not form.is_valid():
        return shown(request, viewing, "history", "Wallet", form=form, wallet=top, panel=None)
    answer = ask(viewing, "history", form.query | cursor_of(request), wallet_id=wallet_id)
    if answer.is_refused:
        return refused(request, viewing, answer)
    currency = wallet.body["currency"]
    return shown(
        request, viewing, "history", f"{currency} wallet", form=form, wallet=top,
        panel=history_table(request, viewing, currency, answer.body["data"]), **following(request, answer),
    )  # fmt: skip


def wallet_shown(wallet: Mapping[str, Any], limits: Answer) -> dict[str, Any]:
    """Its figures, and what the limits still allow; where none are set, the words that the app gets."""
    currency = wallet["currency"]
    figures = [(words(field), amount(wallet[field], currency)) for field in ("available", "held", "balance")]
    if not limits.is_refused:
        for name, period in (("Left today", "day"), ("Left this month", "month")):
            left = limits.body[period]["left"]
            figures.append((name, "no limit" if left is None else amount(left, currency)))
    said = limits.body["detail"] if limits.is_refused else ""
    return {
        "id": wallet["wallet_id"], "currency": currency, "state": state(wallet["status"]), "figures": figures,
        "said": said,
    }  # fmt: skip


def history_table(request: HttpRequest, viewing: Viewing, currency: str, rows: list[dict[str, Any]]) -> Panel:
    amounts = ["Amount", "Change", "Balance after"]
    return Table(
        title=f"History in {currency}",
        columns=["Receipt", "When", "What", "With", "Status", *amounts],
        numeric=amounts,
        rows=[
            (
                receipt_link(viewing, row),
                instant(row["timestamp"]),
                format_html("{} {}", words(row["kind"]), badge(row["direction"])),
                counterparty(request, row),
                state(row["status"]),
                with_fee(row),
                figure(row["balance_change"], row["currency"]),
                figure(row["balance_after"], row["currency"]),
            )
            for row in rows
        ],
        empty="Nothing that fits.",
    )


def with_fee(row: Mapping[str, Any]) -> Any:
    """The amount, and the fee beneath it where there is one."""
    paid, fee = figure(row["amount"], row["currency"]), figure(row["fee"], row["currency"])
    is_free = not row["fee"].strip("0.")
    return paid if is_free else format_html('{}<br><span class="muted">fee {}</span>', paid, fee)


def receipt_link(viewing: Viewing, row: Mapping[str, Any]) -> Any:
    return format_html(
        '<a class="to receipt" href="{}">{}</a>', address("transaction", viewing, row["transaction_id"]),
        spaced_receipt(row["receipt"]),
    )  # fmt: skip


def counterparty(request: HttpRequest, row: Mapping[str, Any]) -> Any:
    """Masked by the API already; and what was written with it."""
    name = row["counterparty"]["name"] if row["counterparty"] else NOTHING
    memo = masking.words(request, row["memo"]) if row["memo"] else ""
    return format_html('{}<br><span class="muted">{}</span>', name, memo) if memo else name


@place("view-as/<uuid:viewing_id>/transactions/<uuid:transaction_id>/", name="viewings_transaction", permission=VIEW_AS)
@open_view
def transaction(request: HttpRequest, viewing: Viewing, transaction_id: UUID) -> HttpResponse:
    """One of the customer's, with what the app says where it was refused."""
    answer = ask(viewing, "transaction", transaction_id=transaction_id)
    if answer.is_refused:
        return refused(request, viewing, answer)
    one = answer.body
    currency = one["currency"]
    rows = [
        ("Receipt", code(one["receipt"])),
        ("What", format_html("{} {}", words(one["kind"]), badge(one["direction"]))),
        ("Status", state(one["status"])),
        ("With", counterparty(request, one | {"memo": ""})),
        ("Amount", amount(one["amount"], currency)),
        ("Fee", amount(one["fee"], currency)),
        *exchanged(viewing, one),
        ("Memo", written(request, one["memo"])),
        ("Their own reference", written(request, one["reference"])),
        ("Order reference", written(request, one["order_reference"])),
        ("Captured of", to_page(viewing, "hold", one["hold_id"], "a hold") if one["hold_id"] else NOTHING),
        ("When", instant(one["timestamp"])),
        ("Completed", instant(one["completed_at"])),
        ("Given back", amount(one["reversed_amount"], currency)),
        ("Reverses", transaction_links(viewing, [one["reversal_of"]] if one["reversal_of"] else [])),
        ("Reversed by", transaction_links(viewing, one["reversed_by"])),
    ]
    refusal = None
    if one["code"]:
        kind = catalogue().get(one["code"])
        refusal = {"code": one["code"], "reason": one["reason"], "told": kind.for_customer if kind else ""}
    return shown(
        request, viewing, "transaction", f"Transaction {spaced_receipt(one['receipt'])}", refusal=refusal,
        panels=[Facts(title="Transaction", rows=rows)],
    )  # fmt: skip


def exchanged(viewing: Viewing, one: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What arrived, where two currencies were in it, and at which promise."""
    rows: list[tuple[str, Any]] = []
    if exchange := one["exchange"]:
        rows += [
            ("Taken, with the fee", amount(exchange["amount_from"], exchange["currency_from"])),
            ("Arrives", amount(exchange["amount_to"], exchange["currency_to"])),
            ("Rate after the fee", exchange["fx_rate"]),
        ]
    if one["quote_id"]:
        rows.append(("Quote", to_page(viewing, "quote", one["quote_id"], f"{one['quote_id'][:13]}…")))
    return rows


def to_page(viewing: Viewing, page: str, identity: Any, text: Any) -> Any:
    return format_html('<a class="to" href="{}">{}</a>', address(page, viewing, identity), text)


def transaction_links(viewing: Viewing, ids: list[str]) -> Any:
    links = [to_page(viewing, "transaction", i, f"{i[:13]}…") for i in ids]
    return format_html(" ".join(["{}"] * len(links)), *links) if links else NOTHING


# --- Lists --------------------------------------------------------------------------------------------------------


@place("view-as/<uuid:viewing_id>/notifications/", name="viewings_notifications", permission=VIEW_AS)
@open_view
def notifications(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """What the customer was told. Looking at it here marks nothing as read."""
    unread = {"unread": "true"} if request.GET.get("unread") else {}
    answer = ask(viewing, "notifications", unread | cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    table = Table(
        title="Unread notifications" if unread else "Notifications",
        more=("All", "?") if unread else ("Only unread", "?unread=yes"),
        columns=["When", "What", "Read"],
        rows=[
            (
                instant(row["created_at"]),
                format_html("<b>{}</b><br>{}", row["title"], masking.words(request, row["body"])),
                instant(row["read_at"]) if row["read_at"] else badge("unread", "busy"),
            )
            for row in answer.body["data"]
        ],
        empty="Nothing to read.",
    )
    return shown(
        request, viewing, "page", "Notifications", panels=[table], **following(request, answer),
    )  # fmt: skip


@place("view-as/<uuid:viewing_id>/recalls/", name="viewings_recalls", permission=VIEW_AS)
@open_view
def recalls(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """Payments that senders ask back of the customer, who alone answers."""
    answer = ask(viewing, "recalls", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    amounts = ["Asked back", "Held", "Given back"]
    table = Table(
        title="Asked back by senders",
        columns=["Receipt", "By", "Why", *amounts, "Status", "Answer by"],
        numeric=amounts,
        rows=[
            (
                receipt_link(viewing, row),
                row["asked_by"],
                row["reason"],
                *(amount(row[field], row["currency"]) for field in ("amount", "held", "returned")),
                state(row["status"]),
                instant(row["answer_by"]),
            )
            for row in answer.body["data"]
        ],
        empty="Nobody asks for money back.",
    )
    return shown(
        request, viewing, "page", "Asked back", panels=[table], **following(request, answer),
    )  # fmt: skip


@place("view-as/<uuid:viewing_id>/accesses/", name="viewings_accesses", permission=VIEW_AS)
@open_view
def accesses(request: HttpRequest, viewing: Viewing) -> HttpResponse:
    """The customer's own access log, this view in it."""
    answer = ask(viewing, "accesses", cursor_of(request))
    if answer.is_refused:
        return refused(request, viewing, answer)
    table = Table(
        title="Access log",
        columns=["When", "What", "Who", "Until"],
        rows=[
            (
                instant(row["at"]),
                format_html("{}<br><span class=muted>{}</span>", row["title"], row["reason"] or ""),
                by_whom(request, row),
                instant(row["until"]),
            )
            for row in answer.body["data"]
        ],
        empty="Nobody has signed in or looked.",
    )
    return shown(
        request, viewing, "page", "Access log", panels=[table], **following(request, answer),
    )  # fmt: skip


def by_whom(request: HttpRequest, row: Mapping[str, Any]) -> Any:
    if row["by"] == "staff":
        return f"{row['role']}, agent {row['agent']}"
    who = "The customer" if row["by"] == "customer" else "Not known"
    return f"{who}, from {masking.ip(request, row['ip'])}" if row["ip"] else who
