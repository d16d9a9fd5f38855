"""Staff, and the audit trail of what they and the system did."""

from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from unfold.contrib.filters.admin import TextFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core import contacts
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
    code,
    link,
    masking,
    moment,
    panel,
    place,
    staff_action,
)
from core.admin.pages import NOTHING, list_url
from core.ids import read_uuid
from core.models import AuditRecord
from core.money import grouped
from staff import access, failed_jobs, my_requests, services, session_admin
from staff.inbox import ask
from staff.models import Approval, Letter, User
from staff.roles import PURPOSE, RIGHTS, Right, Role, Sums, role_sums
from staff.second_factor import factors_of
from staff.selectors import named, names

__all__ = ["failed_jobs", "my_requests", "session_admin"]  # are registered with this module

SHOWN = 10

admin.site.unregister(Group)  # roles are code; nobody edits groups


class NewStaffForm(ReasonForm):
    intro = "A second person decides. After that a link goes to their address, with which they choose a password."
    submit = "Ask for approval"
    field_order = ["username", "full_name", "email", "role", "reason"]

    username = forms.CharField(
        max_length=60, widget=UnfoldAdminTextInputWidget, help_text="a-z, 0-9, dot, dash and underscore; it stays."
    )
    full_name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    email = forms.EmailField(
        widget=UnfoldAdminEmailInputWidget,
        help_text="Theirs alone: a link to choose a password goes there.",
    )
    role = forms.ChoiceField(choices=[("", "Choose a role"), *Role.choices], widget=UnfoldAdminSelectWidget)


class RoleForm(ReasonForm):
    intro = "A second person decides. After that they are signed out, and sign in with the new role."
    submit = "Ask for approval"
    field_order = ["role", "reason"]

    role = forms.ChoiceField(choices=Role.choices, widget=UnfoldAdminSelectWidget)


class DeactivateForm(ReasonForm):
    intro = "They are signed out at their next click and cannot sign in. What they did stays under their name."
    submit = "End access"


class ReactivateForm(ReasonForm):
    intro = "A second person decides. After that a link goes to their address, with which they choose a password."
    submit = "Ask for approval"


class ResetFactorForm(ReasonForm):
    intro = "For who lost the device and the recovery codes. A second person decides; then they enrol another one."
    submit = "Ask for approval"


class LiftLockoutForm(ReasonForm):
    intro = "They were locked out after too many wrong attempts. Make sure that it was them."
    submit = "Let them try again"


class PasswordLinkForm(ReasonForm):
    intro = (
        "Their password stops working, they are signed out, and a link to choose another goes to their address. Nobody"
        " else sees it, and it asks for their second factor."
    )
    submit = "Send the link"


class EmailForm(ReasonForm):
    intro = "Links to choose a password go there. A second person decides: both of you make sure that it is theirs."
    submit = "Ask for approval"
    field_order = ["email", "reason"]

    email = forms.EmailField(widget=UnfoldAdminEmailInputWidget)


@admin.register(User)
class UserAdmin(StaffAdmin):
    list_display = ["full_name", "username", "role", "active", "last_login", "created_at"]
    list_filter = [choice_filter("role", "role", Role.choices)]
    ordering = ["username"]
    actions_list = ["create"]
    actions_detail = [
        "set_role", "send_password_link", "set_email", "reset_factor", "lift_lockout", "deactivate", "reactivate",
    ]  # fmt: skip

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Who is locked out is asked of Valkey once for the page."""
        changelist = super().get_changelist_instance(request)
        locked = services.locked_for(changelist.result_list)
        for user in changelist.result_list:
            user.locked = locked.get(user.username, 0)
        return changelist

    def subject(self, request: HttpRequest, object_id: str) -> Any:
        user = super().subject(request, object_id)
        if user is not None and not hasattr(user, "locked"):
            user.locked = services.locked_for([user]).get(user.username, 0)
        return user

    @display(description="Access")
    def active(self, user: Any) -> Any:
        if user.locked:
            return badge(f"locked for {-(-user.locked // 60)} min", "bad")
        return badge("active", "good") if user.is_active else badge("ended")

    def header(self, request: HttpRequest, user: User) -> Header:
        return Header(title=user.full_name, badge=self.active(user), lines=[user.username])

    def panels(self, request: HttpRequest, user: User) -> list[Panel]:
        facts = Facts(
            title="Member of staff",
            rows=[
                ("User name", user.username),
                ("Full name", user.full_name),
                ("E-mail", user.email or NOTHING),
                ("Role", user.get_role_display()),
                ("Password", password_shown(user)),
                ("Second factor", factors_shown(user)),
                ("Last signed in", moment(user.last_login)),
                ("Here since", moment(user.created_at)),
            ],
        )
        may = Facts(
            title="What this role may do",
            side=True,
            rows=[
                (group, format_html_join(SafeString("<br>"), "{}", ((right.words,) for right in rights)))
                for group, rights in rights_of(user.role).items()
            ],
            more=("All roles", reverse("admin:staff_roles")),
        )
        did = Table(
            title="What they did last",
            columns=["When", "What", "To", "Reason"],
            rows=[
                (
                    moment(one.at),
                    one.action.replace("_", " "),
                    subject_of(request, one),
                    masking.words(request, one.reason),
                )
                for one in AuditRecord.objects.filter(actor=user.principal, look=False).order_by("-id")[:SHOWN]
            ],
            more=("All", list_url("core.auditrecord", q=user.principal)),
        )
        return [facts, did, may]

    def why_not(self, request: HttpRequest, user: Any, name: str) -> str:
        if user.pk == request.user.pk:
            return "Nobody does this to themselves: ask another administrator."
        if name == "lift_lockout" and not user.locked:
            return "They are not locked out."
        if name == "reactivate":
            return "Their access has not ended." if user.is_active else no_address(user)
        if name == "set_email":
            return ""
        if name == "send_password_link" and user.is_active:
            return no_address(user)
        return "" if user.is_active else "Their access has ended. Let them back in first."

    @staff_action(
        "New member of staff",
        permission="staff.manage",
        form=NewStaffForm,
        icon="person_add",
        variant=ActionVariant.PRIMARY,
        step_up=True,
    )
    def create(self, request: HttpRequest, subject: None, form: NewStaffForm) -> bool | HttpResponse:
        reason = form.cleaned_data.pop("reason")
        return ask(request, form, access.new_staff.name, form.cleaned_data, reason=reason, back=self.address_of(None))

    @staff_action("Change role", permission="staff.manage", form=RoleForm, icon="badge", step_up=True)
    def set_role(self, request: HttpRequest, user: User, form: RoleForm) -> bool | HttpResponse:
        params = {"user": user.pk, "role": form.cleaned_data["role"]}
        reason = form.cleaned_data["reason"]
        return ask(request, form, access.role.name, params, reason=reason, back=self.address_of(user))

    @staff_action(
        "New password", permission="staff.manage", form=PasswordLinkForm, done="The link is on its way to them.",
        icon="key", step_up=True,
    )  # fmt: skip
    def send_password_link(self, request: HttpRequest, user: User, form: PasswordLinkForm) -> bool:
        return self.call(form, services.send_password_link, user, **form.cleaned_data)

    @staff_action("Change e-mail", permission="staff.manage", form=EmailForm, icon="alternate_email", step_up=True)
    def set_email(self, request: HttpRequest, user: User, form: EmailForm) -> bool | HttpResponse:
        params = {"user": user.pk, "email": form.cleaned_data["email"]}
        reason = form.cleaned_data["reason"]
        return ask(request, form, access.email.name, params, reason=reason, back=self.address_of(user))

    @staff_action(
        "Reset second factor", permission="staff.manage", form=ResetFactorForm, icon="phonelink_erase", step_up=True
    )
    def reset_factor(self, request: HttpRequest, user: User, form: ResetFactorForm) -> bool | HttpResponse:
        reason, params = form.cleaned_data["reason"], {"user": user.pk}
        return ask(request, form, access.factor_reset.name, params, reason=reason, back=self.address_of(user))

    @staff_action(
        "Lift lockout", permission="staff.manage", form=LiftLockoutForm, done="They can try again.", icon="lock_open",
        step_up=True,
    )  # fmt: skip
    def lift_lockout(self, request: HttpRequest, user: User, form: LiftLockoutForm) -> bool:
        return self.call(form, services.lift_lockout, user, **form.cleaned_data)

    @staff_action(
        "End access", permission="staff.manage", form=DeactivateForm, done="Their access has ended.", icon="block",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def deactivate(self, request: HttpRequest, user: User, form: DeactivateForm) -> bool:
        return self.call(form, services.deactivate, user, **form.cleaned_data)

    @staff_action(
        "Let back in", permission="staff.manage", form=ReactivateForm, icon="undo", variant=ActionVariant.PRIMARY,
        step_up=True,
    )  # fmt: skip
    def reactivate(self, request: HttpRequest, user: User, form: ReactivateForm) -> bool | HttpResponse:
        reason = form.cleaned_data["reason"]
        return ask(request, form, access.readmission.name, {"user": user.pk}, reason=reason, back=self.address_of(user))


def no_address(user: User) -> str:
    return "" if user.email else "They have no e-mail address, and a link has to go somewhere: ask for one first."


def password_shown(user: User) -> str:
    if user.has_usable_password():
        return "chosen"
    letter = user.letters.filter(kind=Letter.Kind.INVITATION).order_by("-id").first()
    if letter is None or not user.is_active:
        return "none"
    if letter.sent_at:
        return f"none yet; a link left on {letter.sent_at:%-d %b %Y at %H:%M} UTC"
    return "none yet; a link is on its way" if letter.due_at else "none; the mail server did not take the link"


def factors_shown(user: User) -> str:
    have = factors_of(user)
    shown = ["app"] if have.totp else []
    shown += [f"passkey {one.name}" for one in have.passkeys]
    return f"{', '.join(shown)}; {have.codes_left} recovery codes left" if shown else "none yet"


def rights_of(role: str) -> dict[str, list[Right]]:
    """What the role may do, in words, by group; groups without any are left out."""
    found = {group: [right for right in rights if right.given_to(role)] for group, rights in RIGHTS.items()}
    return {group: rights for group, rights in found.items() if rights}


def sums_of(one: Sums) -> list[tuple[str, list[tuple[str, str]]]]:
    """By currency: what each role does alone."""
    currencies = dict.fromkeys(currency for sums in one.by_role.values() for currency in sums)
    return [
        (currency, [(role, grouped(sums.get(currency, 0), currency)) for role, sums in one.by_role.items()])
        for currency in currencies
    ]


@place("staff/roles/", name="staff_roles", permission="staff.view_roles")
def roles(request: HttpRequest) -> HttpResponse:
    """Who may do what: the table in `roles.py`, as it is."""
    user: Any = request.user
    context = {
        **admin.site.each_context(request),
        "title": "Roles",
        "mine": user.role,
        "roles": [(role.value, role.label, PURPOSE[role]) for role in Role],
        "groups": [
            (group, [(right.words, [(role.value, right.given_to(role)) for role in Role]) for right in rights])
            for group, rights in RIGHTS.items()
        ],
        "sums": [(one.words, [(Role(role).label, role) for role in one.by_role], sums_of(one)) for one in role_sums()],
    }
    return TemplateResponse(request, "admin/staff/roles.html", context)


# --- The audit trail ------------------------------------------------------------------------------------------


def subject_of(request: HttpRequest, record: Any) -> Any:
    """What it was done to, with a link for who may see it; a colleague by name where it is known."""
    name = getattr(record, "subject_name", None)
    kind = record.subject_type.partition(".")[2].replace("_", " ")
    try:
        model = apps.get_model(record.subject_type)
    except (LookupError, ValueError):  # a page, a list, or what there is no more
        return f"{kind} {record.subject_id}"
    which = record.subject_id[:8] + "…" if read_uuid(record.subject_id) else record.subject_id
    text = name or f"{model._meta.verbose_name} {which}"
    known = admin.site.is_registered(model) and record.subject_id
    return link(request, model._meta.label, record.subject_id, text) if known else text


def as_lines(document: Any) -> Any:
    """Of a JSON object label and value, one to a line."""
    if document in (None, {}, []):
        return NOTHING
    if not isinstance(document, dict):
        return plain(document)
    lines = ((capfirst(str(name).replace("_", " ")), plain(value)) for name, value in document.items())
    return format_html_join("", '<div><span class="muted">{}:</span> {}</div>', lines)


def plain(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(plain, value)) or "none"
        case dict():
            return "; ".join(f"{name.replace('_', ' ')} {plain(inner)}" for name, inner in value.items()) or "none"
    return str(value)


class LookFilter(choice_filter("look", "what", [("looks", "looks at pages"), ("all", "acts and looks")])):  # type: ignore[misc]
    """Acts alone where nothing is chosen: of looks there are a hundred times more."""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() == "all":
            return queryset
        return queryset.filter(look=self.value() == "looks")


class OneOf(TextFilter):
    """An exact text in one column."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        asked = (self.value() or "").replace("\x00", "").strip()
        return queryset.filter(**{self.column: self.read(asked)[:80]}) if asked else queryset

    def read(self, asked: str) -> str:
        return asked

    @property
    def shown(self) -> str:
        return f"{self.title}: {self.value()}" if self.value() else ""


class ActorFilter(OneOf):
    title, parameter_name, column = "user name, or customer:id", "actor", "actor"

    def read(self, asked: str) -> str:
        """A colleague's user name is their principal."""
        user = None if ":" in asked else User.objects.filter(username=asked).first()
        return user.principal if user else asked


class SubjectFilter(OneOf):
    title, parameter_name, column = "id of what it was done to", "subject", "subject_id"


class ActionFilter(OneOf):
    title, parameter_name, column = "what was done", "action", "action"

    def read(self, asked: str) -> str:
        return "_".join(asked.lower().split())


class RequestFilter(OneOf):
    title, parameter_name, column = "request", "request", "request_id"


@admin.register(AuditRecord)
class AuditRecordAdmin(StaffAdmin):
    list_display = ["at", "who", "role_shown", "what", "told", "address"]
    list_filter = [LookFilter, ActorFilter, SubjectFilter, ActionFilter, RequestFilter, MadeBetween]
    search_fields = ["reason"]
    search_help_text = "Words of the reason, staff:3, customer:id, or the id of what it was done to"

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        whose = User.objects.annotate(principal_=Concat(Value("staff:"), Cast("pk", CharField())))
        name = whose.filter(principal_=OuterRef("actor")).values("full_name")[:1]
        named_ = User.objects.annotate(key_=Cast("pk", CharField())).filter(key_=OuterRef("subject_id"))
        colleague = Case(When(subject_type="staff.user", then=Subquery(named_.values("full_name")[:1])))
        rows = super().get_queryset(request).annotate(staff_name=Subquery(name), subject_name=colleague)
        if request.user.has_perm("staff.view_user"):
            return rows
        return rows.filter(look=False).exclude(subject_type="staff.user")  # what colleagues look at is for oversight

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.replace("\x00", "").strip()
        if not asked:
            return queryset, False
        if ":" in asked or asked in ("system", "unknown"):
            return queryset.filter(actor=asked[:80]), False
        if asked.isdigit() or read_uuid(asked):
            return queryset.filter(subject_id=asked), False
        words = SearchQuery(asked, config="simple", search_type="websearch")
        found = queryset.exclude(reason="").annotate(words_=SearchVector("reason", config="simple"))
        return found.filter(words_=words), False

    @display(description="Who")
    def who(self, record: Any) -> Any:
        return record.staff_name or named(record.actor, {})

    @display(description="Role")
    def role_shown(self, record: AuditRecord) -> Any:
        return role_words(record)

    @display(description="What")
    def what(self, record: AuditRecord) -> str:
        return record.action.replace("_", " ")

    @display(description="Reason, or what was asked for")
    def told(self, record: AuditRecord) -> Any:
        if record.look:
            asked = ", ".join(f"{name} {value}" for name, value in (record.after or {}).items())
            return contacts.masked_text(asked) or NOTHING
        return contacts.masked_text(record.reason) or NOTHING

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        @display(description="To")
        def to(record: AuditRecord) -> Any:
            return subject_of(request, record)

        return ["at", "who", "role_shown", "what", to, "told", "address"]

    @display(description="Address")
    def address(self, record: AuditRecord) -> Any:
        return contacts.masked_ip(record.ip) if record.ip and is_customers(record) else record.ip

    def whose(self, record: AuditRecord) -> list[Any]:
        """Whose it is about, and who did it, as far as they are customers."""
        people = {record.subject_id} if record.subject_type == "customers.customer" else set()
        return sorted(people | ({record.actor.partition(":")[2]} if is_customers(record) else set()))

    def name_of(self, record: AuditRecord) -> str:
        return self.what(record).capitalize()

    def header(self, request: HttpRequest, record: AuditRecord) -> Header:
        return Header(title=self.name_of(record), lines=[named(record.actor, names())])

    def panels(self, request: HttpRequest, record: AuditRecord) -> list[Panel]:
        rows = [
            ("When", moment(record.at)),
            ("Who", code(record.actor)),
            ("In the role of", role_words(record)),
            ("What", f"{self.what(record)}{', a look' if record.look else ''}"),
            ("To", format_html("{}<br>{}", subject_of(request, record), code(record.subject_id))),
            ("Before", as_lines(masking.document(request, record.before))),
            ("After", as_lines(masking.document(request, record.after))),
            ("Reason", masking.words(request, record.reason) or NOTHING),
            ("Address", (masking.ip(request, record.ip) if is_customers(record) else record.ip) or NOTHING),
            ("Door", record.door or NOTHING),
            ("Request", code(record.request_id)),
        ]
        return [Facts(title="Look" if record.look else "Act", rows=rows)]


def is_customers(record: AuditRecord) -> bool:
    """Done by a customer, from where they are."""
    return record.actor.startswith("customer:")


def role_words(record: AuditRecord) -> Any:
    """Of rows from before roles were kept there is none."""
    return Role(record.role).label if record.role in Role.values else record.role.capitalize() or NOTHING


@panel(None, order=90, permission="core.view_auditrecord")
def audit_trail(request: HttpRequest, subject: Any) -> Panel | None:
    """On every page: who did what to this. Acts on staff are for those who manage staff."""
    if isinstance(subject, (AuditRecord, Approval)):  # a request tells its own story
        return None
    records = AuditRecord.objects.filter(subject_type=subject._meta.label_lower, subject_id=str(subject.pk), look=False)
    rows = list(records.order_by("-id")[:SHOWN])
    if not rows:
        return None
    staff = names()
    return Table(
        title="Audit trail",
        columns=["When", "Who", "What", "Reason"],
        rows=[
            (
                moment(one.at),
                named(one.actor, staff),
                one.action.replace("_", " "),
                masking.words(request, one.reason),
            )
            for one in rows
        ],
        more=("All", list_url("core.auditrecord", q=str(subject.pk))),
    )
