"""Where people are signed in: one's own sessions for everybody, all of them for who looks after staff."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin import Facts, Header, Panel, StaffAdmin, StaffForm, Table, badge, choice_filter, link, moment, panel
from core.admin.dialogs import LONGEST_REASON, go_to, staff_action
from core.admin.pages import NOTHING, list_url, page_url
from staff import services
from staff.models import Session, User
from staff.sessions import live


class WhoseSession(choice_filter("whose", "whose", [("mine", "mine"), ("others", "others'")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "mine":
                return queryset.filter(user=request.user.pk)
            case "others":
                return queryset.exclude(user=request.user.pk)
        return queryset


class EndForm(StaffForm):
    intro = "Whoever sits there is signed out at the next click."
    submit = "Sign out there"

    reason = forms.CharField(
        max_length=LONGEST_REASON, required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept in the audit trail with your name. Needed for a colleague's session.",
    )  # fmt: skip

    def clean_reason(self) -> str:
        reason: str = self.cleaned_data["reason"].strip()
        if not reason and self.subject.user_id != self.user.pk:
            raise forms.ValidationError("Say why you end a colleague's session.")
        return reason


def is_this(request: HttpRequest, session: Session) -> bool:
    row = getattr(request.session, "row", None)
    return row is not None and row.pk == session.pk


@admin.register(Session)
class SessionAdmin(StaffAdmin):
    list_display = ["who", "device", "address", "started", "used", "here"]
    list_display_links = ["who", "device"]
    list_filter = [WhoseSession]
    ordering = ["-used_at"]
    list_select_related = ["user"]
    page_select_related = ("user",)
    actions_detail = ["end"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).filter(live(now()))
        return rows if request.user.has_perm("staff.view_user") else rows.filter(user=request.user.pk)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        changelist = super().get_changelist_instance(request)
        for session in changelist.result_list:
            session.is_this = is_this(request, session)
        return changelist

    @display(description="Who")
    def who(self, session: Session) -> Any:
        return session.user

    @display(description="Device")
    def device(self, session: Session) -> str:
        return session.device

    @display(description="Address")
    def address(self, session: Session) -> Any:
        return session.ip or NOTHING

    @display(description="Since")
    def started(self, session: Session) -> Any:
        return moment(session.started_at)

    @display(description="Last used")
    def used(self, session: Session) -> Any:
        return moment(session.used_at)

    @display(description="")
    def here(self, session: Any) -> Any:
        return badge("this one", "good") if session.is_this else ""

    def name_of(self, session: Session) -> str:
        return f"Session of {session.user}"

    def header(self, request: HttpRequest, session: Session) -> Header:
        here = badge("this one", "good") if is_this(request, session) else ""
        return Header(title=self.name_of(session), badge=here, lines=[session.device])

    def panels(self, request: HttpRequest, session: Session) -> list[Panel]:
        rows = [
            ("Who", link(request, "staff.user", session.user_id, session.user)),
            ("Device", session.device),
            ("As the browser says it", session.user_agent or NOTHING),
            ("Address", session.ip or NOTHING),
            ("Since", moment(session.started_at)),
            ("Last used", moment(session.used_at)),
            ("Proved who they are", moment(session.proved_at)),
        ]
        return [Facts(title="Session", rows=rows)]

    def why_not(self, request: HttpRequest, session: Session, name: str) -> str:
        if is_this(request, session):
            return "This is where you are. Log out instead."
        if session.user_id != request.user.pk and not request.user.has_perm(services.MANAGE):
            return "Only an administrator ends a colleague's session."
        return ""

    @staff_action(
        "Sign out there", permission="staff.end_session", form=EndForm, icon="logout",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def end(self, request: HttpRequest, session: Session, form: EndForm) -> Any:
        if not self.call(form, services.end_session, session, **form.cleaned_data):
            return False
        self.tell(request, "Signed out there.")
        return go_to(request, self.address_of(None))


@panel("staff.user", order=20, permission="staff.view_user")
def sessions_of(request: HttpRequest, user: User) -> Panel:
    rows = Session.objects.filter(live(now()), user=user).order_by("-used_at")[:10]
    return Table(
        title="Signed in",
        columns=["Device", "Address", "Since", "Last used"],
        rows=[
            (
                format_html('<a class="to" href="{}">{}</a>', page_url("staff.session", one.pk), one.device),
                one.ip or NOTHING, moment(one.started_at), moment(one.used_at),
            )
            for one in rows
        ],
        empty="Nowhere at the moment.",
        more=("All sessions", list_url("staff.session")),
    )  # fmt: skip
