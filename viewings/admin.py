"""Where a view begins and ends, and the list of all of them for who watches over it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

import viewings.orders
import viewings.pages
import viewings.prices
import viewings.statements  # noqa: F401
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    panel,
    staff_action,
)
from core.admin.dialogs import LONGEST_REASON, go_to, told
from core.admin.pages import Button, button, list_url, page_url
from core.errors import TekanaError
from customers.finding import exactly
from customers.models import Customer
from staff.models import User
from staff.roles import Role
from viewings.accesses import agent_code, said_why
from viewings.models import Viewing, ViewingEnd
from viewings.pages import session_began_at
from viewings.selectors import SEE, VIEW_AS, ended, live
from viewings.services import end_viewing, refuse_view, start_viewing

SHOWN = 5


class StartForm(StaffForm):
    """Of the customer whose page it was opened on, or of one who is named in it."""

    intro = (
        "You will see what their app shows, for a while and without being able to change anything. "
        "They are told that you looked and why, and find it in their access log."
    )
    submit = "Begin"
    prefilled = ("customer",)
    before_template = "admin/viewings/whom.html"

    customer = forms.CharField(
        max_length=254, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Phone number, e-mail address or id.",
    )  # fmt: skip
    why = forms.ChoiceField(
        choices=[("", "Choose a reason"), *Viewing.Why.choices], widget=UnfoldAdminSelectWidget,
        help_text="The customer reads it, in words of ours.",
    )  # fmt: skip
    note = forms.CharField(
        max_length=LONGEST_REASON, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What you want to see, and the ticket. Kept with your name; the customer does not see it.",
    )  # fmt: skip

    @cached_property
    def whom(self) -> Customer | None:
        """Who is meant; None while nobody is, or nobody for sure."""
        text = str(self["customer"].value() or "").strip()
        named = exactly(text) if text else None
        found = [] if named is None else list(Customer.objects.filter(named)[:2])
        return found[0] if len(found) == 1 else None

    def hidden_fields(self) -> list[Any]:
        if self.whom is not None:
            self.fields["customer"].widget = forms.HiddenInput()
            self.fields["why"].widget.attrs["autofocus"] = True
        return super().hidden_fields()

    @property
    def why_not(self) -> str:
        if self.whom is not None:
            try:
                refuse_view(self.whom, self.user)
            except TekanaError as refusal:
                return told(refusal)
        return ""

    def clean_customer(self) -> str:
        if self.whom is None:
            raise forms.ValidationError("There is no customer with this number, address or id.")
        return str(self.cleaned_data["customer"])


class EndForm(StaffForm):
    intro = "You see no more of it, and the customer is told that you looked."
    submit = "End the view"


class EndedFilter(choice_filter("ended", "state", [("no", "going on"), *ViewingEnd.How.choices])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "no":
                return queryset.filter(end=None, ends_at__gt=now())
            case None:
                return queryset
        return queryset.filter(end__how=self.value())


@admin.register(Viewing)
class ViewingAdmin(StaffAdmin):
    """Compliance, auditors and administrators see all of them; who views ends their own."""

    list_display = ["when", "who", "code_of", "whom", "reason", "lasted", "state_shown"]
    list_select_related = ["agent", "customer", "end"]
    page_select_related = ("agent", "customer", "end")
    list_filter = [
        choice_filter("why", "reason", Viewing.Why.choices), choice_filter("role", "role", Role.choices), EndedFilter,
        MadeBetween,
    ]  # fmt: skip
    search_fields = ["customer"]
    search_help_text = "The customer's phone, e-mail or id; a username; or the code that customers read"
    ordering = ["-pk"]
    actions_list = ["start"]
    actions_detail = ["end"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        if not (asked := search_term.strip()):
            return queryset, False
        if (named := exactly(asked)) is not None:
            return queryset.filter(customer__in=Customer.objects.filter(named).values("pk")), False
        return queryset.filter(agent__in=agents_named(asked)), False

    @display(description="When")
    def when(self, viewing: Viewing) -> Any:
        return moment(viewing.started_at)

    @display(description="Who")
    def who(self, viewing: Viewing) -> str:
        return f"{viewing.agent} ({Role(viewing.role).label.lower()})"

    @display(description="As customers know them")
    def code_of(self, viewing: Viewing) -> Any:
        return code(agent_code(viewing.agent_id))

    @display(description="Customer")
    def whom(self, viewing: Viewing) -> str:
        return viewing.customer.full_name

    @display(description="Why")
    def reason(self, viewing: Viewing) -> str:
        return str(viewing.get_why_display())

    @display(description="For")
    def lasted(self, viewing: Viewing) -> str:
        over = ended(viewing)
        seconds = int(((over.at if over else now()) - viewing.started_at) / timedelta(seconds=1))
        return f"{seconds // 60}:{seconds % 60:02} min"

    @display(description="State")
    def state_shown(self, viewing: Viewing) -> Any:
        return badge("going on", "busy") if ended(viewing) is None else badge("ended")

    # --- One of them -------------------------------------------------------------------------------------------------

    def whose(self, viewing: Viewing) -> list[Any]:
        return [viewing.customer_id]

    def header(self, request: HttpRequest, viewing: Viewing) -> Header:
        return Header(
            title=f"{viewing.agent} as {viewing.customer.full_name}",
            badge=self.state_shown(viewing),
            lines=[str(viewing.get_why_display())],
            figures=[("For", self.lasted(viewing))],
        )

    def panels(self, request: HttpRequest, viewing: Viewing) -> list[Panel]:
        over = ended(viewing)
        rows = [
            ("Customer", link(request, "customers.customer", viewing.customer_id, viewing.customer.full_name)),
            ("By", link(request, "staff.user", viewing.agent_id, self.who(viewing))),
            ("As customers know them", code(agent_code(viewing.agent_id))),
            ("Why", viewing.get_why_display()),
            ("The customer reads", said_why(viewing)),
            ("Note", masking.words(request, viewing.note)),
            ("Began", moment(viewing.started_at)),
            ("Ends by itself", moment(viewing.ends_at)),
            ("Ended", moment(over.at if over else None)),
            ("Because", over.words if over else "it goes on"),
            ("Id", code(viewing.pk)),
        ]
        return [Facts(title="View as customer", rows=rows)]

    def address_of(self, subject: Any) -> str:
        """Who views need not be who watches over views: for them it is the customers."""
        return super().address_of(subject) if subject is not None else list_url("customers.customer")

    def offers(self, request: HttpRequest, viewing: Viewing, name: str) -> bool:
        return viewing.agent_id == request.user.pk and ended(viewing) is None

    def why_not(self, request: HttpRequest, viewing: Viewing, name: str) -> str:
        if viewing.agent_id != request.user.pk:
            return "This is a colleague's view."
        return "It has ended already." if ended(viewing) else ""

    @staff_action(
        "View as a customer", permission=VIEW_AS, form=StartForm, icon="visibility", variant=ActionVariant.PRIMARY
    )
    def start(self, request: HttpRequest, subject: None, form: StartForm) -> bool | HttpResponse:
        assert form.whom is not None
        began_at, asked = session_began_at(request), form.cleaned_data
        assert began_at is not None  # who is signed in has a session
        try:
            viewing = start_viewing(
                form.whom, agent=form.user, session_began_at=began_at, why=asked["why"], note=asked["note"]
            )
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return go_to(request, reverse("admin:viewings_home", args=[viewing.pk]))

    @staff_action("End now", permission=VIEW_AS, form=EndForm, icon="visibility_off")
    def end(self, request: HttpRequest, viewing: Viewing, form: EndForm) -> bool | HttpResponse:
        end_viewing(viewing, ViewingEnd.How.DONE)
        messages.success(request, "The view has ended.")
        return go_to(request, page_url("customers.customer", viewing.customer_id))


def agents_named(text: str) -> list[int]:
    """By username, or by the code that customers know them by. Staff are few."""
    asked = text.upper().removeprefix("S-")
    return [
        pk
        for pk, username in User.objects.values_list("pk", "username")
        if username == text or agent_code(pk) == f"S-{asked}"
    ]


# --- On the customer's page ---------------------------------------------------------------------------------------


@button("customers.customer", permission=VIEW_AS)
def way_in(request: HttpRequest, customer: Customer) -> Button:
    """Or back into the view that is open."""
    agent: Any = request.user
    own = next((one for one in live(agent) if one.customer_id == customer.pk), None)
    if own is not None and own.session_began_at == session_began_at(request):
        return Button(title="Back to the view", path=reverse("admin:viewings_home", args=[own.pk]), icon="visibility")
    start = reverse("admin:viewings_viewing_start", query={"customer": customer.pk})
    return Button(title="View as customer", path=start, icon="visibility", dialog={"title": "View as a customer"})


@panel("customers.customer", order=90, permission=SEE)
def views_of_customer(request: HttpRequest, customer: Customer) -> Panel | None:
    found = Viewing.objects.filter(customer=customer).select_related("agent")[:SHOWN]
    table = Table(
        title="Viewed as this customer",
        columns=["When", "Who", "Why"],
        rows=[
            (link(request, "viewings.viewing", one.pk, moment(one.started_at)), str(one.agent), one.get_why_display())
            for one in found
        ],
        more=("All", list_url("viewings.viewing", q=customer.pk)),
    )
    return table if table.rows else None
