"""What customers are spared of their fees: for a time, asked for here; of one transaction, from its page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    Panel,
    ReasonForm,
    StaffAdmin,
    Table,
    badge,
    choice_filter,
    link,
    masking,
    moment,
    money,
    panel,
    staff_action,
)
from core.admin.dialogs import far_ahead, go_to, read_amount
from core.admin.pages import list_url
from core.errors import TekanaError
from core.ids import uuid7
from core.money import CURRENCY_CHOICES, Money, decimal_string
from customers.finding import exactly
from customers.links import concerns
from customers.models import Customer
from staff.approvals import request_approval
from staff.inbox import ask, tell_it_waits
from staff.selectors import named, names
from transactions.admin.rules import read_percent
from transactions.models import FeeWaiver, Kind, Transaction
from transactions.price_approvals import COSTS, fee_return, fee_waiver, waiver_in_words
from transactions.prices import percent
from transactions.services.waivers import fee_left, waive_fee, why_second_person

concerns("transactions.feewaiver", "customer_id")
SHOWN = 10


class WaiveFeeForm(ReasonForm):
    """Of one transaction; above what the role may alone it asks for a second person."""

    intro = "The fee goes back to who paid it, by an adjustment of its own. It does not go back again with a reversal."
    submit = "Waive"
    field_order = ["whose", "amount", "key", "reason"]

    whose = forms.ChoiceField(label="Whose fee", widget=UnfoldAdminSelectWidget)
    amount = forms.CharField(max_length=24, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}))
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, subject: Transaction, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        left = {whose: fee_left(subject, of_payee=whose == "payee") for whose in ("payer", "payee")}
        own = "The customer's" if subject.payer is None or subject.payee is None else "The payer's"
        self.fields["whose"].choices = [  # type: ignore[attr-defined]
            (whose, f"{label}: {Money(left[whose], subject.currency)} left")
            for whose, label in (("payer", own), ("payee", "The recipient's"))
            if left[whose]
        ]
        if not any(left.values()):
            self.intro = "Of this transaction no fee is left to waive: it went back, or was waived before."
        first = next((one for one in left.values() if one), 0)
        self.fields["amount"].label = f"Amount in {subject.currency}"
        self.fields["amount"].initial = decimal_string(first, subject.currency)
        self.fields["key"].initial = uuid7()

    def clean_amount(self) -> int | None:
        return read_amount(self, "amount", self.subject.currency)

    def waive(self, request: HttpRequest, *, back: str) -> bool | HttpResponse:
        """Do it, or ask a second person; False leaves the dialog open with a refusal."""
        asked, subject = self.cleaned_data, self.subject
        of_payee, amount = asked["whose"] == "payee", asked["amount"]
        try:
            if why_second_person(subject, amount, self.user):
                params = {"transaction": subject.pk, "amount_minor": amount, "of_payee": of_payee}
                waits = request_approval(fee_return.name, params, maker=self.user, reason=asked["reason"])
                tell_it_waits(request, waits)
                return go_to(request, back)
            waive_fee(
                subject.pk, amount=amount, of_payee=of_payee, reason=asked["reason"], actor=self.user,
                idempotency_key=f"waive-{asked['key']}",
            )  # fmt: skip
        except TekanaError as refusal:
            self.refuse(refusal)
            return False
        return True


class GrantForm(ReasonForm):
    intro = "This will ask for a second person. Nothing that was paid before goes back; of several the latest counts."
    submit = "Ask for approval"
    field_order = ["customer", "part", "kind", "currency", "effective_from", "last_day", "reason"]

    customer = forms.CharField(
        max_length=120, widget=UnfoldAdminTextInputWidget, help_text="Their id, phone number or e-mail address."
    )
    part = forms.CharField(
        label="How much less they pay, in percent", initial="100", max_length=6,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"}),
        help_text="100 is no fee at all. 0 ends a waiver that was granted before.",
    )  # fmt: skip
    kind = forms.ChoiceField(
        label="Of", required=False, widget=UnfoldAdminSelectWidget,
        choices=[("", "Everything"), *((one.value, f"{one.label.capitalize()}s") for one in Kind if one in COSTS)],
    )  # fmt: skip
    currency = forms.ChoiceField(
        required=False, choices=[("", "Any"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget
    )
    effective_from = forms.DateField(label="From", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))
    last_day = forms.DateField(
        label="Last day", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}), help_text="That day included."
    )

    def __init__(self, data: Any = None, *, subject: FeeWaiver | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        today = datetime.now(UTC).date()
        self.fields["effective_from"].initial, self.fields["last_day"].initial = today, today + timedelta(days=30)

    def clean_customer(self) -> Customer:
        typed = self.cleaned_data["customer"].strip()
        found = exactly(typed)
        rows = list(Customer.objects.filter(found)[:2]) if found is not None else []
        if len(rows) != 1:
            raise forms.ValidationError("No customer is named by this.")
        return rows[0]

    def clean_part(self) -> int:
        return read_percent(self.cleaned_data["part"])

    def unusual(self) -> list[str]:
        return far_ahead("It ends", self.cleaned_data["last_day"])

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        days = {name: asked[name] for name in ("effective_from", "last_day")}
        return {"customer": asked["customer"].pk, "bps": asked["part"], "kind": asked["kind"],
                "currency": asked["currency"], **days}  # fmt: skip


NOW = [("now", "in force"), ("replaced", "replaced or ended"), ("coming", "coming"), ("past", "past")]


def with_later(rows: QuerySet[FeeWaiver]) -> QuerySet[FeeWaiver]:
    """Each with whether a later row counts in its place today (`tariff.Tariff.waiver`): `is_replaced`."""
    today = datetime.now(UTC).date()
    later = FeeWaiver.objects.filter(
        Q(kind=None) | Q(kind=OuterRef("kind")), Q(currency=None) | Q(currency=OuterRef("currency")),
        customer=OuterRef("customer"), pk__gt=OuterRef("pk"), effective_from__lte=today, last_day__gte=today,
    )  # fmt: skip
    return rows.annotate(is_replaced=Exists(later))


class NowFilter(choice_filter("when", "when", NOW)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        today = datetime.now(UTC).date()
        now = queryset.filter(effective_from__lte=today, last_day__gte=today)
        match self.value():
            case "now":
                return now.filter(is_replaced=False, bps__gt=0)
            case "replaced":
                return now.filter(Q(is_replaced=True) | Q(bps=0))
            case "coming":
                return queryset.filter(effective_from__gt=today)
            case "past":
                return queryset.filter(last_day__lt=today)
        return queryset


@admin.register(FeeWaiver)
class FeeWaiverAdmin(StaffAdmin):
    list_display = ["customer_shown", "less", "kind_shown", "currency_shown", "effective_from", "last_day", "state"]
    list_select_related = ["customer"]
    list_filter = [NowFilter]
    ordering = ["-pk"]
    page_select_related = ("customer",)
    actions_list = ["grant"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return with_later(super().get_queryset(request))

    @display(description="Customer")
    def customer_shown(self, waiver: FeeWaiver) -> str:
        return waiver.customer.full_name

    @display(description="Less")
    def less(self, waiver: FeeWaiver) -> str:
        return percent(waiver.bps)

    @display(description="Of")
    def kind_shown(self, waiver: FeeWaiver) -> str:
        return Kind(waiver.kind).label if waiver.kind else "everything"

    @display(description="Currency")
    def currency_shown(self, waiver: FeeWaiver) -> str:
        return waiver.currency or "any"

    @display(description="State")
    def state(self, waiver: FeeWaiver) -> Any:
        return state_of(waiver)

    def whose(self, waiver: FeeWaiver) -> list[Any]:
        return [waiver.customer_id]

    def name_of(self, waiver: FeeWaiver) -> str:
        return f"Waiver for {waiver.customer.full_name}"

    def header(self, request: HttpRequest, waiver: FeeWaiver) -> Header:
        return Header(title=self.name_of(waiver), badge=state_of(waiver), lines=[waiver_in_words(waiver)])

    def panels(self, request: HttpRequest, waiver: FeeWaiver) -> list[Panel]:
        rows = [
            ("Customer", link(request, "customers.customer", waiver.customer_id, waiver.customer.full_name)),
            ("They pay less", percent(waiver.bps)),
            ("Of", self.kind_shown(waiver)),
            ("Currency", self.currency_shown(waiver)),
            ("From", waiver.effective_from),
            ("Last day", waiver.last_day),
            ("Why", masking.words(request, waiver.reason)),
            ("Granted", moment(waiver.granted_at)),
            ("Asked for by", named(waiver.granted_by, names())),
        ]
        return [Facts(title="Waiver of fees", rows=rows)]

    @staff_action(
        "New waiver", permission="transactions.waive_fees", form=GrantForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def grant(self, request: HttpRequest, subject: None, form: GrantForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, fee_waiver.name, form.params, reason=reason, back=self.address_of(None))


def state_of(waiver: Any) -> Any:
    """Of a row `with_later`. One with 0 only ends what was granted before."""
    today = datetime.now(UTC).date()
    if waiver.last_day < today:
        return badge("past")
    if waiver.effective_from > today:
        return badge("coming", "busy")
    if waiver.is_replaced:
        return badge("replaced")
    return badge("in force", "good") if waiver.bps else badge("ends those before")


@panel("customers.customer", order=60, permission="transactions.view_feewaiver")
def waivers_of_customer(request: HttpRequest, customer: Any) -> Panel | None:
    """What they are spared of their fees; nothing where there never was a waiver."""
    rows = list(with_later(customer.fee_waivers.all())[:SHOWN])
    if not rows:
        return None
    return Table(
        title="Waivers of fees",
        columns=["Less", "Of", "From", "Last day", "State"],
        rows=[
            (
                link(request, "transactions.feewaiver", one.pk, percent(one.bps)),
                f"{Kind(one.kind).label if one.kind else 'everything'}, {one.currency or 'any currency'}",
                one.effective_from,
                one.last_day,
                state_of(one),
            )
            for one in rows
        ],
        more=("All", list_url("transactions.feewaiver")),
    )


@panel("transactions.transaction", order=30, permission="transactions.view_transaction")
def waived_of_transaction(request: HttpRequest, transaction: Transaction) -> Panel | None:
    """What of its fee was waived, with the adjustment; or whose fee it gave back."""
    if transaction.kind == Kind.ADJUSTMENT:
        return _waives(request, transaction)
    if not (transaction.fee or transaction.payee_fee):
        return None
    rows = list(transaction.waived_fees.select_related("movement"))
    if not rows:
        return None
    staff = names()
    return Table(
        title="Waived of its fee",
        columns=["When", "Adjustment", "Given to", "By", "Amount"],
        numeric=["Amount"],
        rows=[
            (
                moment(one.movement.created_at),
                link(request, "transactions.transaction", one.movement_id, one.movement.receipt),
                "the recipient" if one.of_payee else "who paid it",
                named(one.movement.caller, staff),
                money(one.amount, transaction.currency),
            )
            for one in rows
        ],
    )


def _waives(request: HttpRequest, adjustment: Transaction) -> Panel | None:
    waived = getattr(adjustment, "waives", None) if adjustment.reason_code else None
    if waived is None:
        return None
    original = link(request, "transactions.transaction", waived.transaction_id, str(waived.transaction))
    return Facts(title="Waived fee", rows=[("Of", original), ("Amount", money(waived.amount, adjustment.currency))])
