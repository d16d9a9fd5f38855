"""Revealing a customer's personal data as staff meet it: the dialog, what pages say meanwhile, who revealed whom."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.timezone import now
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from core import contacts
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
    notice,
    panel,
)
from core.admin.dialogs import LONGEST_REASON
from core.admin.lists import first_id_at
from core.admin.pages import list_url
from customers.finding import matching
from customers.models import Reveal
from customers.reveals import A_DAY, PERIOD, PERMISSION, allowance_of, free_at, live_reveals, reasons_of, reveals_of
from staff.admin import OneOf
from staff.models import User
from staff.roles import Role

SEE = "customers.view_reveal"
SHOWN = 10
NEARLY = 80  # per cent of the quota, from which on it stands out


class RevealForm(StaffForm):
    """Says how many are left before one is spent."""

    submit = "Reveal"
    field_order = ["because", "reason"]

    because = forms.ChoiceField(label="Why", widget=UnfoldAdminSelectWidget)
    reason = forms.CharField(
        label="In words",
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Kept with your name and the time. The customer may be told that one of us looked.",
    )

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        because: Any = self.fields["because"]
        because.choices = [("", "Choose"), *((one.value, capfirst(one.label)) for one in reasons_of(user))]
        allowance = allowance_of(user)
        minutes = settings.STAFF_REVEAL_MINUTES
        self.intro = f"Phone number, e-mail and what else is masked is shown to you alone for {minutes} minutes. "
        if allowance.next_at:
            used = f"You have used all {allowance.quota} of the last 24 hours"
            self.intro += f"{used}: the next is free at {free_at(allowance.next_at)}."
        else:
            self.intro += f"You have {allowance.left} of {allowance.quota} left in 24 hours."


# --- What pages say meanwhile -----------------------------------------------------------------------------------


@masking.reveals
def are_revealed(request: HttpRequest, people: Any) -> bool:
    """Whether who asks sees the data of all ``people`` at this moment. Kept for the notice; asked of the page once."""
    user: Any = request.user
    live = list(live_reveals(user, people)) if user.has_perm(PERMISSION) else []
    request.__dict__["staff_reveals"] = live
    return {str(one.customer_id) for one in live} == set(people)


def revealed_until(request: HttpRequest) -> datetime | None:
    """When the page is masked again; None while it is masked."""
    live: list[Reveal] = request.__dict__.get("staff_reveals", [])
    return min(one.until for one in live) if live and masking.is_clear(request) else None


def why_not_reveal(request: HttpRequest, customer: Any) -> str:
    """On the page what it has read already; the dialog is no page, and asks."""
    live: list[Reveal] = request.__dict__.get("staff_reveals", [])
    if "staff_reveals" not in request.__dict__:
        user: Any = request.user
        live = list(live_reveals(user, [customer.pk]))
    return f"It is shown to you already, until {live[0].until:%H:%M:%S} UTC." if live else ""


@notice(permission=PERMISSION)
def shown_in_clear(request: HttpRequest, subject: Any) -> Any:
    """The page asks for itself anew when the time is over (`admin.js`), and then is masked."""
    if (until := revealed_until(request)) is None:
        return ""
    return format_html(
        '<span data-masked-from="{}">Personal data is shown to you, {}, until {}. Then it is masked again.</span>',
        until.isoformat(), request.user, moment(until),
    )  # fmt: skip


@panel("customers.customer", order=85, permission=SEE)
def reveals_table(request: HttpRequest, customer: Any) -> Panel | None:
    rows = reveals_of(customer.pk)[:SHOWN]
    return Table(
        title="Revealed to",
        side=True,
        columns=["When", "Who", "Why"],
        rows=[
            (
                moment(one.at),
                one.agent,
                format_html("{}<br>{}", capfirst(one.get_because_display()), masking.words(request, one.reason)),
            )
            for one in rows
        ],
        empty="To nobody.",
        more=("All", list_url("customers.reveal", q=str(customer.pk))),
    )


# --- Who revealed whom ------------------------------------------------------------------------------------------


class AgentFilter(OneOf):
    title, parameter_name, column = "user name", "agent", "agent__username"


class RoleFilter(choice_filter("role", "role", [(role.value, role.label) for role in Role if role in A_DAY])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(agent__role=self.value()) if self.value() else queryset


@admin.register(Reveal)
class RevealAdmin(StaffAdmin):
    list_display = ["when", "who", "customer", "why"]
    list_select_related = ["agent", "customer"]
    list_filter = [AgentFilter, RoleFilter, choice_filter("because", "why", Reveal.Because.choices), MadeBetween]
    list_before_template = "admin/customers/reveals_today.html"
    ordering = ["-pk"]
    search_fields = ["customer__phone_number"]
    search_help_text = "The customer's whole phone number or e-mail address, words of a name, id"
    page_select_related = ("agent", "customer")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"panel": today(), **(extra_context or {})})

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        return (queryset.filter(customer__in=matching(asked).values("pk")) if asked else queryset), False

    @display(description="When")
    def when(self, row: Reveal) -> Any:
        return moment(row.at)

    @display(description="Who")
    def who(self, row: Reveal) -> Any:
        return format_html('{}<br><span class="muted">{}</span>', row.agent, row.agent.get_role_display())

    @display(description="Why")
    def why(self, row: Reveal) -> Any:
        reason = contacts.masked_text(row.reason)
        return format_html('{}<br><span class="muted">{}</span>', capfirst(row.get_because_display()), reason)

    def whose(self, row: Reveal) -> list[Any]:
        return [row.customer_id]

    def name_of(self, row: Reveal) -> str:
        return f"Reveal of {row.customer.full_name}"

    def header(self, request: HttpRequest, row: Reveal) -> Header:
        return Header(title=self.name_of(row), lines=[row.agent, moment(row.at)])

    def panels(self, request: HttpRequest, row: Reveal) -> list[Panel]:
        rows = [
            ("Customer", link(request, "customers.customer", row.customer_id, row.customer.full_name)),
            ("Shown to", link(request, "staff.user", row.agent_id, row.agent)),
            ("Why", capfirst(row.get_because_display())),
            ("In words", masking.words(request, row.reason)),
            ("From", moment(row.at)),
            ("Until", moment(row.until)),
            ("Id", code(row.pk)),
        ]
        return [Facts(title="Reveal", rows=rows)]


def today() -> Table:
    """How much of their quota everybody has used in the last 24 hours, who used most of it first. One statement."""
    since = now() - PERIOD
    counted = (
        Reveal.objects.filter(pk__gte=first_id_at(since), at__gt=since)
        .values("agent")
        .annotate(used=Count("pk"), customers=Count("customer", distinct=True), last=Max("at"))
    )
    found = {row["agent"]: row for row in counted}
    agents = [(agent, found[agent.pk]) for agent in User.objects.filter(pk__in=list(found))]
    shares = sorted(((share_of(agent, row["used"]), agent, row) for agent, row in agents), key=lambda one: -one[0])
    return Table(
        title="In the last 24 hours",
        columns=["Who", "Role", "Reveals", "Customers", "Of their quota", "Last"],
        numeric=["Reveals", "Customers"],
        rows=[
            (
                format_html(
                    '<a class="to" href="{}">{}</a>', list_url("customers.reveal", agent=agent.username), agent
                ),
                agent.get_role_display(),
                row["used"],
                row["customers"],
                badge(f"{share} % of {A_DAY.get(agent.role, 0)}", "odd" if share >= NEARLY else ""),
                moment(row["last"]),
            )
            for share, agent, row in shares
        ],
        empty="Nobody has revealed anybody.",
    )


def share_of(agent: User, used: int) -> int:
    """Per cent; above hundred where the role, and with it the quota, became a smaller one."""
    return used * 100 // (A_DAY.get(agent.role, 0) or 1)
