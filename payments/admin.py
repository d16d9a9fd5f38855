"""Payment requests as staff see them: the list, one with what was paid on it, and on the pages of others."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant

from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    code,
    finder,
    link,
    masking,
    moment,
    money,
    page_url,
    panel,
    staff_action,
)
from core.admin.pages import NOTHING, list_url
from core.admin.search import MOST_HITS, read_identity
from core.contacts import masked_text
from core.money import CURRENCY_CHOICES
from customers.links import concerns
from payments.codes import read_code, spaced
from payments.models import PaymentRequest, RequestUse, Status, UseAnswer
from payments.pages import amount_shown
from payments.qr import link_of
from payments.selectors import (
    awaiting,
    nothing_to_cancel,
    paid_by,
    payments_of,
    request_paid_by,
    standing,
    why_unpayable,
)
from payments.services import cancel_request
from staff.selectors import named, names
from transactions.admin.finding import spellings
from transactions.admin.shown import receipt_tag, state_badge
from transactions.models import Transaction

concerns("payments.paymentrequest", "customer_id")

SEE, CANCEL = "payments.view_paymentrequest", "payments.cancel"
TONES = {Status.OPEN: "busy", Status.USED_UP: "good", Status.EXPIRED: "", Status.CANCELLED: "odd"}
ANSWERS = {"awaiting": "busy", **dict.fromkeys(UseAnswer.Outcome.values, "")}
SHOWN, FEW = 50, 5


def status_badge(asked: PaymentRequest) -> Any:
    status = asked.status(now())
    return badge(status.label, TONES[status])


def often(asked: PaymentRequest) -> str:
    return f"{asked.used:,} of {asked.max_uses:,}" if asked.max_uses else f"{asked.used:,}, without limit"


def at_most(times: int | None) -> str:
    return "without limit" if times is None else "once" if times == 1 else f"{times:,} times"


class StatusFilter(choice_filter("status", "status", Status.choices)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(standing(str(self.value()), now())) if self.value() in Status.values else queryset


class CancelForm(ReasonForm):
    intro = (
        "Nobody can pay it any more; what was paid stays paid. Who made it is told that we cancelled it, and not why."
    )
    submit = "Cancel the request"


@admin.register(PaymentRequest)
class PaymentRequestAdmin(StaffAdmin):
    list_display = ["code_shown", "who", "asked_money", "often", "status_shown", "order", "made", "ends"]
    list_select_related = ["customer"]
    list_filter = [StatusFilter, choice_filter("currency", "currency", CURRENCY_CHOICES), MadeBetween]
    ordering = ["-pk"]
    search_fields = ["code"]
    search_help_text = "Code, order reference, or the id of the request, its customer or wallet"
    page_select_related = ("customer__country", "wallet__account")
    actions_detail = ["cancel"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        return (queryset.filter(pk__in=matching(asked).values("pk")) if asked else queryset), False

    @display(description="Code")
    def code_shown(self, asked: PaymentRequest) -> Any:
        return format_html('<span class="receipt">{}</span>', asked.spaced_code)

    @display(description="Who asks")
    def who(self, asked: PaymentRequest) -> str:
        return asked.customer.full_name

    @display(description="Asks for")
    def asked_money(self, asked: PaymentRequest) -> str:
        return amount_shown(asked)

    @display(description="Used")
    def often(self, asked: PaymentRequest) -> str:
        return often(asked)

    @display(description="Status")
    def status_shown(self, asked: PaymentRequest) -> Any:
        return status_badge(asked)

    @display(description="Order reference")
    def order(self, asked: PaymentRequest) -> Any:
        return masked_text(asked.order_reference) if asked.order_reference else NOTHING

    @display(description="Made")
    def made(self, asked: PaymentRequest) -> Any:
        return moment(asked.created_at)

    @display(description="Ends")
    def ends(self, asked: PaymentRequest) -> Any:
        return moment(asked.closed_at or asked.expires_at)

    # --- The page ----------------------------------------------------------------------------------------------------

    def whose(self, asked: PaymentRequest) -> list[Any]:
        return [asked.customer_id]

    def name_of(self, asked: PaymentRequest) -> str:
        return f"Payment request {asked.spaced_code}"

    def header(self, request: HttpRequest, asked: PaymentRequest) -> Header:
        who = link(request, "customers.customer", asked.customer_id, asked.customer.full_name)
        lines: list[Any] = [format_html("{} asks for {}", who, amount_shown(asked))]
        if asked.description:
            lines.append(masking.words(request, asked.description))
        waiting = awaiting(asked).count() if asked.needs_confirmation else 0
        why = why_unpayable(asked) if asked.status(now()) == Status.OPEN else ""
        return Header(
            title=format_html('<span class="receipt">{}</span>', asked.spaced_code),
            badge=status_badge(asked),
            lines=lines,
            notice=f"Nobody can pay it: {why}." if why else "",
            figures=[("Used", often(asked)), *([("Awaits confirmation", f"{waiting:,}")] if waiting else [])],
        )

    def panels(self, request: HttpRequest, asked: PaymentRequest) -> list[Panel]:
        return [uses_table(request, asked), details(request, asked)]

    def why_not(self, request: HttpRequest, asked: PaymentRequest, name: str) -> str:
        ended = nothing_to_cancel(asked, now())
        return f"It is {ended.label} already." if ended else ""

    @staff_action(
        "Cancel", permission=CANCEL, form=CancelForm, done="Cancelled; who made it is told.", icon="cancel",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def cancel(self, request: HttpRequest, asked: PaymentRequest, form: CancelForm) -> bool:
        return self.call(form, cancel_request, asked.pk, reason=form.cleaned_data["reason"])


def uses_table(request: HttpRequest, asked: PaymentRequest) -> Table:
    """What was paid on it, or is held until who made it says whether they agree; the newest first. Two statements."""
    uses = list(asked.uses.select_related("answer")[:SHOWN])
    payments = payments_of(uses)
    rows = []
    for use in uses:
        one = paid_by(use, payments)
        assert one.payer is not None
        rows.append(
            (
                moment(use.at),
                link(request, "transactions.transaction", one.pk, receipt_tag(one.receipt)),
                link(request, "customers.customer", use.payer_id, one.payer.customer.full_name),
                format_html("{} {}", state_badge(one), answer_shown(use)),
                money(one.amount, one.currency),
            )
        )
    return Table(
        title="Payments" if len(uses) < SHOWN else f"The last {SHOWN} payments",
        columns=["When", "Receipt", "Payer", "State", "Amount"],
        numeric=["Amount"],
        rows=rows,
        empty="Nobody has paid it yet.",
        more=("All", list_url("payments.requestuse", q=asked.pk)) if rows else None,
    )


@admin.register(RequestUse)
class RequestUseAdmin(StaffAdmin):
    """What was paid on requests, as a list alone: the page of each is that of its payment or hold."""

    list_display = ["when", "receipt", "who_asks", "who_pays", "state_shown", "paid_money"]
    list_select_related = ["request__customer", "payer", "answer"]
    list_filter = [MadeBetween]
    ordering = ["-pk"]
    search_fields = ["id"]
    search_help_text = "Code of a request, or the id of one, of a payment or of its payer"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        if (said := read_code(asked)) is not None:
            return queryset.filter(request__in=PaymentRequest.objects.filter(code=said)), False
        identity = read_identity(asked)
        if identity is None:
            return queryset.none(), False
        found = [
            RequestUse.objects.filter(identity.within(column)).order_by().values("pk")
            for column in ("pk", "request", "payer")
        ]
        return queryset.filter(pk__in=found[0].union(*found[1:])), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Their payments, read at once."""
        changelist = super().get_changelist_instance(request)
        payments = payments_of(changelist.result_list)
        for use in changelist.result_list:
            use.made, use.paid = payments[use.pk], paid_by(use, payments)
        return changelist

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.admin_site.get_model_admin(Transaction).change_view(request, object_id)

    @display(description="When")
    def when(self, use: RequestUse) -> Any:
        return moment(use.at)

    @display(description="Receipt, request")
    def receipt(self, use: Any) -> Any:
        return format_html(
            '{}<br><span class="muted small receipt">{}</span>', receipt_tag(use.made.receipt), use.request.spaced_code
        )

    @display(description="Who asks")
    def who_asks(self, use: RequestUse) -> str:
        return use.request.customer.full_name

    @display(description="Payer")
    def who_pays(self, use: RequestUse) -> str:
        return use.payer.full_name

    @display(description="State")
    def state_shown(self, use: Any) -> Any:
        return format_html("{} {}", state_badge(use.paid), answer_shown(use))

    @display(description="Amount")
    def paid_money(self, use: Any) -> Any:
        return money(use.paid.amount, use.paid.currency)


def answer_shown(use: RequestUse) -> Any:
    answer = getattr(use, "answer", None)
    if answer is not None:
        return badge(answer.get_outcome_display(), ANSWERS[answer.outcome])
    return badge("awaits confirmation", ANSWERS["awaiting"]) if use.is_promise else ""


def details(request: HttpRequest, asked: PaymentRequest) -> Facts:
    rows: list[tuple[str, Any]] = [
        ("Wallet", link(request, "wallets.wallet", asked.wallet_id, f"{asked.currency} wallet")),
        ("Order reference", code(masking.words(request, asked.order_reference)) if asked.order_reference else NOTHING),
        ("In all", at_most(asked.max_uses)),
        ("By one payer", at_most(asked.max_uses_per_payer)),
        ("Confirmation", "by who made it, while the money is held" if asked.needs_confirmation else "not needed"),
        ("Link", code(link_of(asked))),
        ("Made", moment(asked.created_at)),
        ("Expires", moment(asked.expires_at)),
    ]
    if asked.closed_at:
        by = named(asked.closed_by, names())
        rows.append((asked.get_state_display().capitalize(), format_html("{}<br>{}", moment(asked.closed_at), by)))
    if asked.close_reason:
        rows.append(("Why", masking.words(request, asked.close_reason)))
    return Facts(title="Details", side=True, rows=[*rows, ("Id", code(asked.pk))])


# --- Found by ---------------------------------------------------------------------------------------------------


def matching(text: str) -> QuerySet[PaymentRequest]:
    """By code, order reference, or an id of the request, its customer or wallet: each is an index look-up."""
    ways = []
    if (asked := read_code(text)) is not None:
        ways.append(PaymentRequest.objects.filter(code=asked))
    if (identity := read_identity(text)) is not None:
        ways += [PaymentRequest.objects.filter(identity.within(column)) for column in ("pk", "customer", "wallet")]
    if len(text) >= 4:
        ways.append(PaymentRequest.objects.filter(order_reference__in=spellings(text)))
    if not ways:
        return PaymentRequest.objects.none()
    found = [way.order_by().values("pk")[: MOST_HITS + 1] for way in ways]
    return PaymentRequest.objects.filter(pk__in=found[0].union(*found[1:]))


@finder("Payment requests", order=12, permission=SEE, model="payments.paymentrequest")
def find_requests(text: str) -> list[Hit]:
    """By code and id; an order reference leads to its payments first, and to what they paid from there."""
    asked, identity = read_code(text), read_identity(text)
    if asked is not None:
        found = PaymentRequest.objects.filter(code=asked)
    elif identity is not None:
        found = PaymentRequest.objects.filter(identity.within())
    elif len(text) >= 4:
        found = PaymentRequest.objects.filter(order_reference__in=spellings(text))
    else:
        return []
    return [
        Hit(
            title=f"Payment request {spaced(one.code)}",
            detail=format_html("{} · {}", amount_shown(one), moment(one.created_at)),
            state=status_badge(one),
            url=page_url("payments.paymentrequest", one.pk),
            exact=identity is None or identity.is_whole,
        )
        for one in found.order_by("-pk")[: MOST_HITS + 1]
    ]


# --- On other pages ---------------------------------------------------------------------------------------------


@panel("transactions.transaction", order=11, permission=SEE)
def request_of_transaction(request: HttpRequest, transaction: Transaction) -> Panel | None:
    """The request that it paid, or that its hold promised to pay."""
    if transaction.kind not in ("payment", "hold"):
        return None
    asked = request_paid_by(transaction.hold_id or transaction.pk)
    if asked is None:
        return None
    rows: list[tuple[str, Any]] = [
        ("Code", link(request, "payments.paymentrequest", asked.pk, code(asked.spaced_code))),
        ("Asks for", amount_shown(asked)),
        ("Used", often(asked)),
        ("Status", status_badge(asked)),
    ]
    return Facts(title="Payment request", side=True, rows=rows)


def table_of(request: HttpRequest, requests: QuerySet[PaymentRequest], whose: str) -> Table | None:
    rows = [
        (
            link(request, "payments.paymentrequest", one.pk, code(one.spaced_code)),
            amount_shown(one),
            status_badge(one),
            often(one),
            moment(one.closed_at or one.expires_at),
        )
        for one in requests[:FEW]
    ]
    if not rows:
        return None
    return Table(
        title="Payment requests",
        columns=["Code", "Asks for", "", "Used", "Ends"],
        rows=rows,
        more=("All", list_url("payments.paymentrequest", q=whose)),
    )


@panel("customers.customer", order=55, permission=SEE)
def requests_of_customer(request: HttpRequest, customer: Any) -> Panel | None:
    return table_of(request, customer.payment_requests.all(), str(customer.pk))


@panel("wallets.wallet", order=36, permission=SEE)
def requests_of_wallet(request: HttpRequest, wallet: Any) -> Panel | None:
    return table_of(request, PaymentRequest.objects.filter(wallet=wallet), str(wallet.pk))
