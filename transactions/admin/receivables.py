"""What recipients owe us: the list with age, the case with all that was booked on it, collecting and writing off."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    link,
    moment,
    money,
    page_url,
    panel,
    staff_action,
    words,
)
from core.admin.dialogs import read_amount
from core.admin.pages import age, list_url
from core.ids import read_receipt
from core.money import CURRENCY_CHOICES, Money, decimal_string
from customers.links import concerns
from customers.models import Customer
from staff.inbox import ask
from transactions.admin.shown import receipt_shown, receipt_tag
from transactions.approvals import collection, write_off
from transactions.models import Receivable, Transaction
from wallets.models import Wallet

SEE, SETTLE = "transactions.view_receivable", "transactions.adjust"
SHOWN = 10

concerns("transactions.receivable", "debtor.customer_id")


def state_badge(row: Receivable) -> Any:
    return badge("open", "odd") if row.account.posted else badge("settled", "good")


def age_of(row: Receivable) -> str:
    return age(now() - row.opened_at)


# --- Dialogs ---------------------------------------------------------------------------------------------------------


class SettleForm(ReasonForm):
    """``most`` is what can be settled now; it is what the dialog offers."""

    submit = "Ask for approval"
    field_order = ["amount", "reason"]

    amount = forms.CharField(max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))

    def __init__(self, data: Any = None, *, subject: Receivable, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        most, currency = self.most(subject), subject.currency
        self.fields["amount"].label = f"Amount in {currency}"
        self.fields["amount"].initial = decimal_string(most, currency)
        self.fields["amount"].help_text = f"At most {Money(most, currency)} now."

    def most(self, subject: Receivable) -> int:
        return subject.account.posted

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("amount"):
            self.cleaned_data["amount"] = read_amount(self, "amount", self.subject.currency)
        return self.cleaned_data


class CollectForm(SettleForm):
    intro = (
        "Takes it from what their wallet has now, and tells them. This will ask for a second person: nothing is posted "
        "until a colleague approves it."
    )

    def most(self, subject: Receivable) -> int:
        wallet = subject.debtor.account
        return max(min(subject.account.posted, wallet.posted - wallet.held), 0)


class WriteOffForm(SettleForm):
    intro = (
        "We bear it ourselves: it goes to write-offs, and they owe us that much less. This will ask for a second "
        "person: nothing is posted until a colleague approves it."
    )


# --- The list --------------------------------------------------------------------------------------------------------

STATES = [("open", "open"), ("settled", "settled")]
AGES = [("7", "older than 7 days"), ("30", "older than 30 days"), ("90", "older than 90 days")]


class StateFilter(choice_filter("state", "state", STATES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in dict(STATES):
            return queryset
        return queryset.filter(account__posted__gt=0) if self.value() == "open" else queryset.filter(account__posted=0)


class AgeFilter(choice_filter("age", "age", AGES)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if (days := self.value()) not in dict(AGES):
            return queryset
        return queryset.filter(opened_at__lte=now() - timedelta(days=int(str(days))))


@admin.register(Receivable)
class ReceivableAdmin(StaffAdmin):
    list_display = ["debtor_shown", "payment", "owed_money", "state_shown", "age_shown", "opened_at"]
    list_filter = [StateFilter, AgeFilter, choice_filter("currency", "currency", CURRENCY_CHOICES), MadeBetween]
    search_fields = ["transaction__receipt"]
    search_help_text = "Receipt of the payment"
    page_select_related = ("debtor__customer", "debtor__account", "transaction__payer__customer", "account")
    actions_detail = ["collect", "write_off"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """What a page of them names is read by ids: a join of few receivables could read every account there is."""
        return super().get_queryset(request).prefetch_related("transaction", "account", "debtor__customer")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not (asked := search_term.strip()):
            return queryset, False
        return queryset.filter(transaction__receipt=read_receipt(asked) or ""), False

    @display(description="Debtor")
    def debtor_shown(self, row: Receivable) -> str:
        return row.debtor.customer.full_name

    @display(description="Payment")
    def payment(self, row: Receivable) -> Any:
        return receipt_tag(row.transaction.receipt)

    @display(description="Owed")
    def owed_money(self, row: Receivable) -> Any:
        return money(row.account.posted, row.currency)

    @display(description="State")
    def state_shown(self, row: Receivable) -> Any:
        return state_badge(row)

    @display(description="Age")
    def age_shown(self, row: Receivable) -> str:
        return age_of(row)

    # --- The case ----------------------------------------------------------------------------------------------------

    def name_of(self, row: Receivable) -> str:
        return f"Receivable of {receipt_shown(row.transaction.receipt)}"

    def header(self, request: HttpRequest, row: Receivable) -> Header:
        wallet = row.debtor.account
        debtor = link(request, "customers.customer", row.debtor.customer_id, row.debtor.customer.full_name)
        return Header(
            title=self.name_of(row),
            badge=state_badge(row),
            lines=[
                format_html(
                    "{} {} us what was given back and was not there any more",
                    debtor,
                    "owes" if row.account.posted else "owed",
                )
            ],
            figures=[
                ("Owed", money(row.account.posted, row.currency)),
                ("In their wallet", money(wallet.posted - wallet.held, row.currency)),
                ("Age", age_of(row)),
            ],
        )

    def panels(self, request: HttpRequest, row: Receivable) -> list[Panel]:
        payment = row.transaction
        details = [
            ("Debtor", link(request, "wallets.wallet", row.debtor_id, row.debtor.customer.full_name)),
            ("Payment", link(request, "transactions.transaction", payment.pk, receipt_tag(payment.receipt))),
            ("Its amount", money(payment.amount, payment.currency)),
            ("Paid by", payment.payer.customer.full_name if payment.payer else ""),
            ("Account", link(request, "ledger.account", row.account_id, row.account.code)),
            ("Owed since", moment(row.opened_at)),
        ]
        return [booked(request, row), Facts(title="Details", side=True, rows=details)]

    # --- What can be done --------------------------------------------------------------------------------------------

    def why_not(self, request: HttpRequest, row: Receivable, name: str) -> str:
        if not row.account.posted:
            return "Nothing of it is owed any more."
        wallet = row.debtor.account
        if name == "collect" and wallet.posted - wallet.held <= 0:
            return "Their wallet has nothing that could be taken. Try again when something has come in."
        return ""

    @staff_action(
        "Collect", permission=SETTLE, form=CollectForm, icon="savings", variant=ActionVariant.PRIMARY, step_up=True
    )
    def collect(self, request: HttpRequest, row: Receivable, form: CollectForm) -> bool | HttpResponse:
        return self.asked(request, row, form, collection.name)

    @staff_action(
        "Write off", permission=SETTLE, form=WriteOffForm, icon="money_off", variant=ActionVariant.DANGER, step_up=True
    )
    def write_off(self, request: HttpRequest, row: Receivable, form: WriteOffForm) -> bool | HttpResponse:
        return self.asked(request, row, form, write_off.name)

    def asked(self, request: HttpRequest, row: Receivable, form: SettleForm, operation: str) -> bool | HttpResponse:
        params = {"receivable": row.pk, "amount_minor": form.cleaned_data["amount"]}
        reason = form.cleaned_data["reason"]
        return ask(request, form, operation, params, reason=reason, back=self.address_of(row))


def booked(request: HttpRequest, row: Receivable) -> Table:
    """Every entry of its account, with what was owed after it."""
    entries = row.account.entry_set.select_related("journal").order_by("seq")
    return Table(
        title="What was booked",
        columns=["When", "", "More owed", "Less owed", "Owed after"],
        numeric=["More owed", "Less owed", "Owed after"],
        rows=[
            (
                moment(one.recorded_at),
                link(request, "transactions.transaction", one.journal_id, words(one.journal.kind)),
                money(one.amount, one.currency) if one.side > 0 else "",
                money(one.amount, one.currency) if one.side < 0 else "",
                money(one.balance_after, one.currency),
            )
            for one in entries
        ],
    )


# --- On other pages --------------------------------------------------------------------------------------------------


def table_of(request: HttpRequest, rows: QuerySet[Receivable]) -> Table | None:
    found = list(rows.select_related("transaction", "account")[:SHOWN])
    if not found:
        return None
    return Table(
        title="Owed to us",
        side=True,
        columns=["Of", "", "Owed"],
        numeric=["Owed"],
        rows=[
            (
                format_html('<a class="to" href="{}">{}</a>', page_url("transactions.receivable", one.pk),
                            receipt_tag(one.transaction.receipt)),
                state_badge(one),
                money(one.account.posted, one.currency),
            )
            for one in found
        ],
        more=("All receivables", list_url("transactions.receivable")),
    )  # fmt: skip


@panel("wallets.wallet", order=45, permission=SEE)
def owed_by_wallet(request: HttpRequest, wallet: Wallet) -> Panel | None:
    return table_of(request, wallet.receivables.all())


@panel("customers.customer", order=45, permission=SEE)
def owed_by_customer(request: HttpRequest, customer: Customer) -> Panel | None:
    return table_of(request, Receivable.objects.filter(debtor__customer=customer.pk))


@panel("transactions.transaction", order=45, permission=SEE)
def owed_of_payment(request: HttpRequest, transaction: Transaction) -> Panel | None:
    return table_of(request, Receivable.objects.filter(transaction=transaction.reverses_id or transaction.pk))
