"""Links between staff and customers: declaring one's own, recording those of colleagues, and marking looks at them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    Panel,
    ReasonForm,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    link,
    masking,
    moment,
    notice,
    panel,
    staff_action,
)
from core.admin.dialogs import LONGEST_REASON
from core.admin.pages import NOTHING, list_url, may
from customers.finding import exactly
from customers.links import RECORD, SEE_ALL, customers_of, declare_link, end_link, linked_customers, why_linked
from customers.models import Customer, StaffLink
from staff.models import User

ASKS = "Ask for approval"


def ask_instead(form: StaffForm, *customers: Any) -> None:
    """A dialog about customers who are linked to its user asks a second person: it says so and why, and its
    ``why_second_person`` is set."""
    form.why_second_person = why_linked(form.user, *customers)
    if form.why_second_person:
        form.intro = f"{form.why_second_person} Nothing happens until an unlinked colleague approves it."
        form.submit = ASKS


# --- Dialogs ---------------------------------------------------------------------------------------------------------


class DeclareForm(StaffForm):
    intro = (
        "Say so when you are a customer yourself, or when one is close to you. From then on what concerns their money "
        "takes two colleagues who are not linked to them. You go on seeing them; that you looked is marked."
    )
    submit = "Declare"
    prefilled = ("customer",)

    customer = forms.CharField(
        max_length=120,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Their phone number, e-mail address or id.",
    )
    relation = forms.ChoiceField(
        choices=[("", "Choose"), *((value, label.capitalize()) for value, label in StaffLink.Relation.choices)],
        widget=UnfoldAdminSelectWidget,
        help_text="The customer is ... ",
    )
    note = forms.CharField(
        max_length=LONGEST_REASON,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="If there is more to say.",
    )

    def clean_customer(self) -> Customer:
        named = exactly(self.cleaned_data["customer"].strip())
        found = list(Customer.objects.filter(named)[:2]) if named is not None else []
        if len(found) != 1:
            raise forms.ValidationError("No customer is named by this beyond doubt.")
        return found[0]


class RecordForm(DeclareForm):
    intro = "For a colleague: it counts at once, and they see it."
    submit = "Record"
    field_order = ["colleague", "customer", "relation", "note"]

    colleague = forms.ModelChoiceField(
        queryset=User.objects.none(), empty_label="Choose", widget=UnfoldAdminSelectWidget
    )

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        colleagues: Any = self.fields["colleague"]
        colleagues.queryset = User.objects.filter(is_active=True).exclude(pk=user.pk).order_by("full_name")


class EndForm(ReasonForm):
    intro = "From then on they decide about this customer like anybody else. The link stays on record."
    submit = "End"


# --- The list --------------------------------------------------------------------------------------------------------

OPEN_OR_NOT = [("open", "in force"), ("ended", "ended")]


class OpenFilter(choice_filter("state", "state", OPEN_OR_NOT)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(ended_at__isnull=self.value() == "open") if self.value() else queryset


def state_badge(row: StaffLink) -> Any:
    return badge("ended") if row.ended_at else badge("in force", "busy")


@admin.register(StaffLink)
class StaffLinkAdmin(StaffAdmin):
    """One's own; those who look after such things see everybody's."""

    list_display = ["who", "whom", "relation", "state_shown", "declared_at", "declared_by"]
    list_select_related = ["staff", "customer", "declared_by"]
    list_filter = [OpenFilter, choice_filter("relation", "relation", StaffLink.Relation.choices)]
    page_select_related = ("staff", "customer", "declared_by", "ended_by")
    actions_list = ["declare", "record"]
    actions_detail = ["end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        return rows if may(request, SEE_ALL) else rows.filter(staff=request.user.pk)

    @display(description="Member of staff")
    def who(self, row: StaffLink) -> Any:
        return row.staff

    @display(description="Customer")
    def whom(self, row: StaffLink) -> Any:
        return row.customer

    @display(description="State")
    def state_shown(self, row: StaffLink) -> Any:
        return state_badge(row)

    def whose(self, row: StaffLink) -> list[Any]:
        return [row.customer_id]

    def header(self, request: HttpRequest, row: StaffLink) -> Header:
        customer = link(request, "customers.customer", row.customer_id, row.customer)
        line = format_html("{} is {} to {}", customer, row.get_relation_display(), row.staff)
        if row.relation == StaffLink.Relation.OWN:
            line = format_html("{} is {} as a customer", customer, row.staff)
        return Header(title=f"{row.staff} and {row.customer}", badge=state_badge(row), lines=[line])

    def panels(self, request: HttpRequest, row: StaffLink) -> list[Panel]:
        rows = [
            ("Member of staff", link(request, "staff.user", row.staff_id, row.staff)),
            ("Customer", link(request, "customers.customer", row.customer_id, row.customer)),
            ("Relation", row.get_relation_display().capitalize()),
            ("Note", masking.words(request, row.note) or NOTHING),
            ("Declared", format_html("{}<br>{}", moment(row.declared_at), row.declared_by)),
        ]
        if row.ended_at:
            rows.append(("Ended", format_html("{}<br>{}", moment(row.ended_at), row.ended_by)))
            rows.append(("Because", masking.words(request, row.end_reason)))
        return [Facts(title="Link", rows=rows)]

    def why_not(self, request: HttpRequest, row: StaffLink, name: str) -> str:
        if row.ended_at:
            return f"It ended on {row.ended_at:%-d %b %Y at %H:%M} UTC."
        return "It is yours, so somebody else ends it." if row.staff_id == request.user.pk else ""

    @staff_action(
        "Declare my own", permission="customers.declare_link", form=DeclareForm, done="It is on record, and counts.",
        icon="volunteer_activism",
    )  # fmt: skip
    def declare(self, request: HttpRequest, subject: None, form: DeclareForm) -> bool:
        asked = form.cleaned_data
        return self.call(
            form, declare_link, form.user, asked["customer"], relation=asked["relation"], note=asked["note"]
        )

    @staff_action(
        "Record a colleague's", permission=RECORD, form=RecordForm, done="It is on record, and counts.",
        icon="group_add",
    )  # fmt: skip
    def record(self, request: HttpRequest, subject: None, form: RecordForm) -> bool:
        asked = form.cleaned_data
        return self.call(
            form, declare_link, asked["colleague"], asked["customer"], relation=asked["relation"], note=asked["note"]
        )

    @staff_action("End", permission=RECORD, form=EndForm, done="Ended.", icon="link_off", variant=ActionVariant.DANGER)
    def end(self, request: HttpRequest, row: StaffLink, form: EndForm) -> bool:
        return self.call(form, end_link, row, reason=form.cleaned_data["reason"])


# --- On other pages --------------------------------------------------------------------------------------------------


@notice(permission="customers.view_customer")
def linked(request: HttpRequest, subject: Any) -> str:
    """On the page of whom one is linked to: says so, and marks the look in the audit trail."""
    found = set(customers_of(subject))
    user: Any = request.user
    if not found or found.isdisjoint(linked := linked_customers(user)):
        return ""
    relations = {linked[pk] for pk in found if pk in linked}
    request.__dict__["look_marks"] = {"linked": ", ".join(sorted(relations))}
    who = "your own account with us" if StaffLink.Relation.OWN in relations else "somebody you are linked to"
    return (
        f"This is about {who}. That you looked is marked in the audit trail; what concerns the money is decided by "
        "colleagues who are not linked."
    )


@panel("staff.user", order=30, permission=SEE_ALL)
def customers_linked_to(request: HttpRequest, user: User) -> Panel:
    rows = user.customer_links.select_related("customer").order_by("-id")[:10]
    return Table(
        title="Customers they are, or are linked to",
        columns=["Customer", "Relation", "", "Declared"],
        rows=[
            (
                link(request, "customers.customer", one.customer_id, one.customer),
                link(request, "customers.stafflink", one.pk, one.get_relation_display()),
                state_badge(one),
                moment(one.declared_at),
            )
            for one in rows
        ],
        empty="None was declared.",
        more=("All links", list_url("customers.stafflink")),
    )


@panel("customers.customer", order=95, permission=SEE_ALL)
def staff_linked_to(request: HttpRequest, customer: Customer) -> Panel | None:
    rows = customer.staff_links.select_related("staff").order_by("-id")[:10]
    same = User.objects.filter(email__iexact=customer.email)
    found = [
        (
            link(request, "staff.user", one.staff_id, one.staff),
            link(request, "customers.stafflink", one.pk, one.get_relation_display()),
            state_badge(one),
        )
        for one in rows
    ] + [(link(request, "staff.user", one.pk, one), "same e-mail address", badge("in force", "busy")) for one in same]
    if not found:
        return None
    return Table(title="Staff linked to them", side=True, columns=["Who", "Relation", ""], rows=found)
