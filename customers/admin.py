"""What support sees of a customer, and what it may do: suspend, reactivate. Other apps add panels to the page."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSingleDateWidget, UnfoldAdminTextInputWidget

from core import contacts
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
    masking,
    moment,
    money,
    page_url,
    panel,
    staff_action,
)
from core.admin.dialogs import far_ahead, read_amount
from core.admin.pages import NOTHING
from core.admin.search import MOST_HITS
from core.money import CURRENCY_CHOICES, decimal_string
from customers import link_admin
from customers.approvals import LIMITS, limits, reinstatement, standing
from customers.finding import exactly, matching
from customers.link_admin import ASKS, ask_instead
from customers.models import AccountType, Country, Customer, CustomerState, Session, Suspension, TierLimit
from customers.reveal_admin import RevealForm, why_not_reveal
from customers.reveals import PERMISSION as REVEAL
from customers.reveals import reveal
from customers.services import open_suspension, reactivate_customer, suspend_customer, why_compliance
from notes.admin import Noted
from staff.inbox import ask
from staff.selectors import named, names

__all__ = ["link_admin"]  # is registered with this module

TONES = {CustomerState.ACTIVE: "good", CustomerState.SUSPENDED: "bad"}
SESSIONS_SHOWN = 10
SUSPENSIONS_SHOWN = 10


def state_badge(customer: Customer) -> Any:
    return badge(customer.get_state_display(), TONES[CustomerState(customer.state)])


class SuspendForm(ReasonForm):
    intro = "They are signed out everywhere, cannot sign in, and neither send nor receive money until reactivated."
    submit = "Suspend"
    field_order = ["cause", "reason"]

    cause = forms.ChoiceField(
        label="Because of",
        choices=[(one, capfirst(one.label)) for one in Suspension.Cause],
        initial=Suspension.Cause.OTHER,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Who is suspended by compliance, for fraud, a case of theirs or an order, compliance lets back in.",
    )

    def clean_cause(self) -> str:
        return self.cleaned_data["cause"] or Suspension.Cause.OTHER

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        ask_instead(self, subject.pk)


class ReactivateForm(ReasonForm):
    intro = "They can sign in and move money again."
    submit = "Reactivate"

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        ask_instead(self, subject.pk)
        suspension = open_suspension(subject.pk)
        self.is_of_compliance = suspension is not None and suspension.is_of_compliance
        if why := why_compliance(suspension, user):
            self.why_second_person = why
            self.intro, self.submit = f"{why} Nothing happens until they approve it.", ASKS


@admin.register(Customer)
class CustomerAdmin(Noted):
    list_display = ["name_shown", "phone_shown", "email_shown", "country", "tier", "state_shown", "created_at"]
    list_select_related = ["country"]
    list_filter = [
        choice_filter("state", "state", CustomerState.choices),
        choice_filter("account_type", "account type", AccountType.choices),
        choice_filter("tier", "KYC tier", [(tier, f"Tier {tier}") for tier in range(4)]),
        MadeBetween,
    ]
    ordering = ["-pk"]
    search_fields = ["phone_number"]
    search_help_text = "The whole phone number or e-mail address, words of a name, id or its beginning"
    page_select_related = ("country",)
    actions_detail = ["reveal", "suspend", "reactivate", "add_note"]

    @display(description="Name")
    def name_shown(self, customer: Any) -> Any:
        """Who was searched for by the whole number or address, of which the list shows a part, is said to be meant."""
        if not getattr(customer, "was_named", False):
            return customer.full_name
        return format_html('{} <span class="hit-exact">exact</span>', customer.full_name)

    @display(description="Phone")
    def phone_shown(self, customer: Customer) -> str:
        return contacts.masked_phone(customer.phone_number)

    @display(description="E-mail")
    def email_shown(self, customer: Customer) -> str:
        return contacts.masked_email(customer.email)

    @display(description="State")
    def state_shown(self, customer: Customer) -> Any:
        return state_badge(customer)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        found = matching(search_term) if search_term.strip() else None
        return (queryset if found is None else queryset.filter(pk__in=found.values("pk"))), False

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Cells do not know what was searched for."""
        changelist = super().get_changelist_instance(request)
        if asked := changelist.query.strip():
            for customer in changelist.result_list:
                customer.was_named = is_named(customer, asked)
        return changelist

    def whose(self, customer: Customer) -> list[Any]:
        return [customer.pk]

    def header(self, request: HttpRequest, customer: Customer) -> Header:
        return Header(
            title=customer.full_name,
            badge=state_badge(customer),
            lines=[
                format_html(
                    "{} · {}", masking.phone(request, customer.phone_number), masking.email(request, customer.email)
                )
            ],
            figures=[("KYC tier", customer.tier), ("Country", customer.country.name)],
        )

    def panels(self, request: HttpRequest, customer: Customer) -> list[Panel]:
        identity = Facts(
            title="Identity",
            side=True,
            rows=[
                ("Full name", customer.full_name),
                ("Phone", masking.phone(request, customer.phone_number)),
                ("E-mail", masking.email(request, customer.email)),
                ("Country", f"{customer.country.name} ({customer.country.timezone})"),
                ("Account type", customer.get_account_type_display()),
                ("Customer since", moment(customer.created_at)),
                ("Last changed", moment(customer.updated_at)),
                ("Id", code(customer.id)),
            ],
        )
        sessions = Table(
            title="Sessions",
            side=True,
            columns=["Signed in", "From", "Ended"],
            rows=[
                (
                    moment(session.created_at),
                    whence(request, session),
                    badge("live", "good") if session.revoked_at is None else session.revoked_because or "ended",
                )
                for session in customer.sessions.order_by("-id")[:SESSIONS_SHOWN]
            ],
            empty="Never signed in.",
        )
        return [identity, sessions]

    def why_not(self, request: HttpRequest, customer: Customer, name: str) -> str:
        if name == "reveal":
            return why_not_reveal(request, customer)
        active = customer.state == CustomerState.ACTIVE
        if name == "suspend":
            return "" if active else "This customer is suspended already: see Suspensions, on their page."
        return "This customer is active: there is nothing to undo." if active else ""

    @staff_action("Reveal", permission=REVEAL, form=RevealForm, done="Shown to you.", icon="contact_phone")
    def reveal(self, request: HttpRequest, customer: Customer, form: RevealForm) -> bool:
        return self.call(form, reveal, customer, **form.cleaned_data)

    @staff_action(
        "Suspend", permission="customers.suspend", form=SuspendForm, done="Suspended.", icon="block",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def suspend(self, request: HttpRequest, customer: Customer, form: SuspendForm) -> bool | HttpResponse:
        if form.why_second_person:
            params = {"customer": customer.pk, "state": CustomerState.SUSPENDED, "cause": form.cleaned_data["cause"]}
            return self.ask_for(request, form, customer, standing.name, params)
        return self.call(form, suspend_customer, customer, **form.cleaned_data)

    @staff_action(
        "Reactivate", permission="customers.suspend", form=ReactivateForm, done="Active again.", icon="undo",
        variant=ActionVariant.PRIMARY,
    )  # fmt: skip
    def reactivate(self, request: HttpRequest, customer: Customer, form: ReactivateForm) -> bool | HttpResponse:
        if form.why_second_person:
            operation = reinstatement if form.is_of_compliance else standing
            params = {"customer": customer.pk, "state": CustomerState.ACTIVE}
            return self.ask_for(request, form, customer, operation.name, params)
        return self.call(form, reactivate_customer, customer, reason=form.cleaned_data["reason"])

    def ask_for(
        self, request: HttpRequest, form: ReasonForm, customer: Customer, operation: str, params: dict[str, Any]
    ) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, operation, params, reason=reason, back=self.address_of(customer))


@panel("customers.customer", order=45, permission="customers.view_customer")
def suspensions_of(request: HttpRequest, customer: Customer) -> Panel | None:
    """Why they are suspended, and were; nothing of who never was."""
    rows = list(customer.suspensions.order_by("-id")[:SUSPENSIONS_SHOWN])
    if not rows:
        return None
    staff = names()
    return Table(
        title="Suspensions",
        columns=["Because of", "Placed", "Reason", "Ended", "Because"],
        rows=[
            (
                capfirst(row.get_cause_display()),
                format_html("{}<br>{}", moment(row.placed_at), named(row.placed_by, staff)),
                masking.words(request, row.reason),
                format_html("{}<br>{}", moment(row.ended_at), named(row.ended_by, staff))
                if row.ended_at
                else badge("in force", "bad"),
                masking.words(request, row.end_reason) or NOTHING,
            )
            for row in rows
        ],
    )


def whence(request: HttpRequest, session: Session) -> str:
    where = masking.ip(request, session.ip) or "unknown address"
    return f"{where} {masking.words(request, session.user_agent)[:40]}"


@finder("Customers", order=20, permission="customers.view_customer", model="customers.customer")
def find_customers(text: str) -> list[Hit]:
    exact = exactly(text) is not None
    found = list(matching(text).order_by("-pk")[: MOST_HITS + 1])
    return [
        Hit(
            title=customer.full_name,
            detail=f"{contacts.masked_phone(customer.phone_number)} · {contacts.masked_email(customer.email)}",
            state=state_badge(customer),
            url=page_url("customers.customer", customer.pk),
            exact=exact and is_named(customer, text),
        )
        for customer in found
    ]


def is_named(customer: Customer, text: str) -> bool:
    """Whether it was the whole number, address or id, and not a beginning of one that looks like a whole."""
    digits = "".join(c for c in text if c.isdigit()).lstrip("0")
    return (
        text.lower() in (str(customer.pk), customer.pk.hex, customer.email)
        or (len(digits) >= 7 and customer.phone_number.endswith(digits))
    )  # fmt: skip


# --- Rules ------------------------------------------------------------------------------------------------------


@admin.register(Country)
class CountryAdmin(StaffAdmin):
    list_display = ["name", "code", "currency", "timezone", "is_open"]
    ordering = ["name"]


NO_LIMIT = "none"


class LimitForm(ReasonForm):
    """On a row's page its figures are there to begin with. No limit is said, not left out."""

    intro = "This will ask for a second person: the limits count from their day on when a colleague has approved them."
    submit = "Ask for approval"
    field_order = ["country", "currency", "tier", *LIMITS, "effective_from", "source", "reason"]

    country = forms.ModelChoiceField(
        queryset=Country.objects.order_by("name"), required=False, empty_label="Everywhere else",
        widget=UnfoldAdminSelectWidget, help_text="A country's own limits go before those for everywhere else.",
    )  # fmt: skip
    currency = forms.ChoiceField(choices=[("", "Choose"), *CURRENCY_CHOICES], widget=UnfoldAdminSelectWidget)
    tier = forms.TypedChoiceField(
        label="KYC tier", coerce=int, choices=[("", "Choose"), *((tier, f"Tier {tier}") for tier in range(4))],
        widget=UnfoldAdminSelectWidget,
    )  # fmt: skip
    effective_from = forms.DateField(
        label="From", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}),
        help_text="The day begins at midnight in the customer's country.",
    )  # fmt: skip
    source = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="The rule or decision that they come from."
    )

    def __init__(self, data: Any = None, *, subject: TierLimit | None, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        for name, label in LIMITS.items():
            widget = UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
            self.fields[name] = forms.CharField(
                label=label, max_length=24, widget=widget, help_text=f"An amount, or the word {NO_LIMIT}."
            )
        self.order_fields(self.field_order)
        self.fields["effective_from"].initial = datetime.now(UTC).date() + timedelta(days=1)
        for name in ("country", "currency", "tier"):
            self.fields[name].initial = getattr(subject, name, None)
        if subject:
            for name in LIMITS:
                amount = getattr(subject, name)
                self.fields[name].initial = NO_LIMIT if amount is None else decimal_string(amount, subject.currency)

    def clean(self) -> dict[str, Any]:
        asked = self.cleaned_data
        for name in LIMITS:
            if asked.get("currency") and asked.get(name):
                asked[name] = read_amount(self, name, asked["currency"], none=NO_LIMIT)
        return asked

    def unusual(self) -> list[str]:
        return far_ahead("They begin", self.cleaned_data["effective_from"])

    @property
    def params(self) -> dict[str, Any]:
        asked = self.cleaned_data
        names = ("currency", "tier", *LIMITS, "effective_from", "source")
        return {name: asked[name] for name in names} | {"country": asked["country"] and asked["country"].pk}


@admin.register(TierLimit)
class TierLimitAdmin(StaffAdmin):
    """A change of limits is a new row, asked for here and made when a second person approves it."""

    actions_list = ["propose"]
    actions_detail = ["propose_next"]

    list_display = [
        "tier",
        "currency",
        "where",
        "movement_money",
        "day_money",
        "month_money",
        "most_money",
        "effective_from",
    ]
    list_select_related = ["country"]
    list_filter = [
        choice_filter("currency", "currency", CURRENCY_CHOICES),
        choice_filter("tier", "KYC tier", [(tier, f"Tier {tier}") for tier in range(4)]),
    ]
    ordering = ["currency", "tier", "-effective_from"]
    page_select_related = ("country",)

    @display(description="Country")
    def where(self, row: TierLimit) -> str:
        return row.country.name if row.country else "everywhere else"

    @display(description="Per movement")
    def movement_money(self, row: TierLimit) -> Any:
        return limit(row.per_movement, row.currency)

    @display(description="Per day")
    def day_money(self, row: TierLimit) -> Any:
        return limit(row.per_day, row.currency)

    @display(description="Per month")
    def month_money(self, row: TierLimit) -> Any:
        return limit(row.per_month, row.currency)

    @display(description="Most held")
    def most_money(self, row: TierLimit) -> Any:
        return limit(row.balance, row.currency)

    def panels(self, request: HttpRequest, row: TierLimit) -> list[Panel]:
        rows = [
            ("Tier", row.tier),
            ("Country", self.where(row)),
            ("Per movement", self.movement_money(row)),
            ("Leaving the wallet per day", self.day_money(row)),
            ("Leaving the wallet per month", self.month_money(row)),
            ("Most that the wallet may hold", self.most_money(row)),
            ("From", row.effective_from),
            ("Source", row.source),
        ]
        return [Facts(title="Limit", rows=rows)]

    @staff_action(
        "New limits", permission="customers.change_limits", form=LimitForm, icon="add", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def propose(self, request: HttpRequest, subject: None, form: LimitForm) -> bool | HttpResponse:
        return self.asked(request, subject, form)

    @staff_action("Change", permission="customers.change_limits", form=LimitForm, icon="edit_calendar", step_up=True)
    def propose_next(self, request: HttpRequest, row: TierLimit, form: LimitForm) -> bool | HttpResponse:
        return self.asked(request, row, form)

    def asked(self, request: HttpRequest, row: TierLimit | None, form: LimitForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, limits.name, form.params, reason=reason, back=self.address_of(row))


def limit(amount_minor: int | None, currency: str) -> Any:
    return "no limit" if amount_minor is None else money(amount_minor, currency)
