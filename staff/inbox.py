"""Approvals: the inbox of what waits for a second person, the page of one request, and what it shows elsewhere."""

from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from core.admin import (
    Facts,
    Header,
    Hit,
    MadeBetween,
    Panel,
    Part,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    finder,
    link,
    masking,
    moment,
    money,
    notice,
    page_url,
    panel,
    staff_action,
)
from core.admin.dialogs import LONGEST_REASON, go_to, told
from core.admin.pages import NOTHING, age
from core.contacts import masked_text
from core.errors import TekanaError
from core.ids import read_uuid
from core.models import AuditRecord
from core.problems import catalogue
from staff import approvals, letters
from staff.approvals import ASK_ANEW, Fact, Leg, Preview, operations
from staff.models import Approval, User
from staff.queues import queue
from staff.selectors import named, names
from staff.work import tone_badge

State = Approval.State
TONES = {
    State.OPEN: "busy", State.APPROVED: "good", State.REJECTED: "bad", State.WITHDRAWN: "", State.EXPIRED: "odd",
}  # fmt: skip
SHOWN_ELSEWHERE = 5


def state_badge(approval: Approval) -> Any:
    return badge(approval.get_state_display(), TONES[State(approval.state)])


def urgency(approval: Approval) -> Any:
    """How long it has waited, and whether that is late."""
    return tone_badge(QUEUE, approval)


def kind_of(approval: Approval) -> str:
    known = operations().get(approval.operation)
    return known.title if known else approval.operation


def subject_link(request: HttpRequest, approval: Approval) -> Any:
    return row_link(request, approval.subject_type, approval.subject_id, approval.subject_title)


def row_link(request: HttpRequest, model: str, pk: str, title: str) -> Any:
    """A link where there is a page of such rows, for whom it is."""
    shown = {one._meta.label_lower for one in admin.site._registry}
    return link(request, model, pk, title) if model in shown else title


# --- What it would do --------------------------------------------------------------------------------------------


@dataclass
class Look:
    """A preview as pages and dialogs show it, or why there is none."""

    heading: str
    facts: list[Fact]
    lines: Table | None = None
    refusal: str = ""


def look(heading: str, preview: Preview) -> Look:
    return Look(heading, preview.facts, lines_table(preview.legs) if preview.legs else None)


def masked(preview: Preview) -> Preview:
    """As it is shown. What is agreed to is its digest from before."""

    def hidden(facts: list[Fact]) -> list[Fact]:
        return [Fact(one.label, masked_text(one.value)) for one in facts]

    return replace(preview, facts=hidden(preview.facts), context=hidden(preview.context))


def lines_table(legs: list[Leg]) -> Table:
    columns = ["Account", "Debit", "Credit", "Balance after"]
    return Table(
        title="What will be posted",
        columns=columns,
        numeric=columns[1:],
        rows=[
            (
                format_html('{}<br><span class="muted small">{}</span>', leg.name, leg.account),
                money(leg.amount_minor, leg.currency) if leg.side == "debit" else "",
                money(leg.amount_minor, leg.currency) if leg.side == "credit" else "",
                money(leg.balance_after_minor, leg.currency),
            )
            for leg in legs
        ],
    )


class Outlook:
    """What a request promised, and what it would do at this moment if it still waits."""

    def __init__(self, approval: Approval) -> None:
        operation = operations().get(approval.operation)
        self.of_colleagues = operation is not None and operation.of_colleagues
        self.kept = Preview.kept(approval)
        self.now: Preview | None = None
        self.refusal = ""
        if approval.state == State.OPEN:
            try:
                self.now = approvals.operation_of(approval.operation).preview(approval.params)
            except TekanaError as refusal:
                self.refusal = told(refusal)
        self.stale = self.now is not None and self.now.digest != approval.digest

    @property
    def looks(self) -> list[Look]:
        if self.refusal:
            refused = Look("Now it would be refused", [], refusal=self.refusal)
            return [look("What was asked for", self.shown(self.kept)), refused]
        if self.stale and self.now:
            said, now = self.shown(self.kept), self.shown(self.now)
            return [look("What was asked for", said), look("What it would do now", now)]
        return [look("What it does", self.shown(self.now or self.kept))]

    @property
    def context(self) -> list[Fact]:
        return self.shown(self.now or self.kept).context

    def shown(self, preview: Preview) -> Preview:
        return preview if self.of_colleagues else masked(preview)

    @property
    def warning(self) -> str:
        if self.refusal:
            return f"It cannot be done at the moment: {self.refusal}"
        if self.stale:
            return f"Things have changed since this was asked for: it cannot be approved. {ASK_ANEW}"
        return ""


def outlook(approval: Approval) -> Outlook:
    """Looked at once per request: the row is read once too."""
    found: Outlook = approval.__dict__.setdefault("_outlook", None) or Outlook(approval)
    approval.__dict__["_outlook"] = found
    return found


# --- Forms -------------------------------------------------------------------------------------------------------

COMMENT = UnfoldAdminTextareaWidget(attrs={"rows": 2})


class DecisionForm(StaffForm):
    before_template = "admin/staff/preview_dialog.html"

    @cached_property
    def looks(self) -> list[Look]:
        return outlook(self.subject).looks


class ApproveForm(DecisionForm):
    """``agreed`` names the preview that the dialog showed: nothing is approved unseen."""

    intro = "It is done at once, under both your names."
    submit = "Approve"

    agreed = forms.CharField(widget=forms.HiddenInput, max_length=64)
    comment = forms.CharField(
        max_length=LONGEST_REASON, required=False, widget=COMMENT, help_text="Kept with the request."
    )

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["agreed"].initial = subject.digest

    def clean_agreed(self) -> str:
        agreed: str = self.cleaned_data["agreed"]
        if agreed != self.subject.digest:
            raise forms.ValidationError("This is not what the request says. Look again.")
        return agreed


class RejectForm(DecisionForm):
    intro = "Nothing of it happens. It can be asked for anew."
    submit = "Reject"

    comment = forms.CharField(
        max_length=LONGEST_REASON, widget=COMMENT, label="Why not", help_text="Who asked for it reads this."
    )


class WithdrawForm(StaffForm):
    intro = "Nothing of it happens."
    submit = "Withdraw"

    comment = forms.CharField(max_length=LONGEST_REASON, widget=COMMENT, label="Why")


class TakeForm(StaffForm):
    intro = "Colleagues see that you look into it. Others may still decide."
    submit = "Take it"

    confirmed = forms.CharField(widget=forms.HiddenInput, initial="yes", max_length=3)


class AssignForm(StaffForm):
    intro = "Colleagues see who looks into it. Others may still decide."
    submit = "Assign"

    to = forms.ChoiceField(widget=UnfoldAdminSelectWidget)

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        choice: Any = self.fields["to"]
        self.offered = {str(one.pk): one for one in approvals.checkers_of(subject)}
        people = [(pk, f"{one} ({one.get_role_display().lower()})") for pk, one in self.offered.items()]
        choice.choices = [("", "Choose"), ("nobody", "Nobody in particular"), *people]
        choice.initial = subject.assigned_to_id

    def clean_to(self) -> User | None:
        return self.offered.get(self.cleaned_data["to"])


# --- The list ----------------------------------------------------------------------------------------------------


def for_me(user: Any) -> Q:
    """What waits for this user's decision: theirs, or nobody's yet."""
    mine = Q(state=State.OPEN, operation__in=approvals.checkable_by(user)) & ~Q(maker=user.pk)
    if linked := approvals.linked_rows(user):
        mine &= ~Q(about__overlap=sorted(linked))
    return mine & (Q(assigned_to=None) | Q(assigned_to=user.pk))


QUEUE = queue(
    name="approvals",
    title="Approvals",
    icon="how_to_reg",
    about="What colleagues asked for and you may decide.",
    model="staff.approval",
    view="staff_approval_changelist",
    query="state=open",
    see="staff.approve",
    act="staff.approve",
    which=for_me,
    waits=lambda approval: approval.state == State.OPEN,
    since="created_at",
    owner="assigned_to",
)


WHOSE = [("check", "for me to decide"), ("assigned", "assigned to me"), ("made", "asked for by me")]


class WhoseFilter(choice_filter("whose", "whose", WHOSE)):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "check":
                return queryset.filter(for_me(request.user))
            case "assigned":
                return queryset.filter(assigned_to=request.user.pk)
            case "made":
                return queryset.filter(maker=request.user.pk)
        return queryset


class OperationFilter(DropdownFilter):
    title = "kind"
    parameter_name = "operation"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, one.title) for name, one in operations().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(operation=self.value()) if self.value() else queryset

    @property
    def shown(self) -> str:
        label = dict(self.lookup_choices).get(str(self.value()))
        return f"{self.title}: {label}" if label else ""


@admin.register(Approval)
class ApprovalAdmin(StaffAdmin):
    list_display = [
        "title_shown",
        "kind",
        "subject_shown",
        "asked_by",
        "age_shown",
        "expires",
        "state_shown",
        "assigned_to",
    ]
    list_select_related = ["maker", "assigned_to"]
    list_filter = [choice_filter("state", "state", State.choices), WhoseFilter, OperationFilter, MadeBetween]
    search_fields = ["id"]
    search_help_text = "Id of the request, or of what it is about"
    page_select_related = ("maker", "checker", "assigned_to")
    actions_detail = ["approve", "reject", "withdraw", "take", "assign"]

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What waits, by how soon it expires; otherwise the newest first."""
        waits = request.GET.get("state") == State.OPEN or request.GET.get("whose") == "check"
        return ["expires_at", "pk"] if waits else ["-pk"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Cells do not know who asks, and link only where they may go."""
        changelist = super().get_changelist_instance(request)
        for approval in changelist.result_list:
            approval.subject_link = subject_link(request, approval)
        return changelist

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()
        if not asked:
            return queryset, False
        ways = Q(about__overlap=[f"{model._meta.label_lower}:{asked}" for model in admin.site._registry])
        if (identity := read_uuid(asked)) is not None:
            ways |= Q(pk=identity)
        return queryset.filter(ways), False

    @display(description="Request")
    def title_shown(self, approval: Approval) -> str:
        return approval.title

    @display(description="Asked for by")
    def asked_by(self, approval: Approval) -> User:
        return approval.maker

    @display(description="Kind")
    def kind(self, approval: Approval) -> str:
        return kind_of(approval)

    @display(description="About")
    def subject_shown(self, approval: Any) -> Any:
        return approval.subject_link

    @display(description="Waiting")
    def age_shown(self, approval: Approval) -> Any:
        if approval.state != State.OPEN:
            return NOTHING
        return urgency(approval)

    @display(description="Expires")
    def expires(self, approval: Approval) -> Any:
        return f"in {age(approval.expires_at - now())}" if approval.state == State.OPEN else NOTHING

    @display(description="State")
    def state_shown(self, approval: Approval) -> Any:
        return state_badge(approval)

    # --- The page ----------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who asked has then seen what became of it."""
        response = super().change_view(request, object_id, form_url, extra_context)
        approval = self.subject(request, object_id)
        if approval is not None and approval.state != State.OPEN and approval.maker_id == request.user.pk:
            letters.saw(approval.maker, approval)
        return response

    def header(self, request: HttpRequest, approval: Approval) -> Header:
        open_ = approval.state == State.OPEN
        waits = [
            ("Age", urgency(approval)),
            ("Expires in", age(approval.expires_at - now())),
        ]
        mine = approval.maker_id == request.user.pk
        own = "You asked for this yourself, so somebody else decides." if open_ and mine else ""
        return Header(
            title=approval.title,
            badge=state_badge(approval),
            lines=[f"{kind_of(approval)}, asked for by {approval.maker} ({approval.maker.get_role_display().lower()})"],
            figures=waits if open_ else [],
            notice=" ".join(one for one in (own, outlook(approval).warning) if one),
        )

    def whose(self, approval: Approval) -> list[Any]:
        return [row.partition(":")[2] for row in approval.about if row.startswith("customers.customer:")]

    def panels(self, request: HttpRequest, approval: Approval) -> list[Panel]:
        promised = outlook(approval)
        context = promised.context
        asked = Facts(
            title="Request",
            rows=[
                ("About", subject_link(request, approval)),
                ("Reason", masking.words(request, approval.reason)),
                ("Asked for by", f"{approval.maker} ({approval.maker.get_role_display().lower()})"),
                ("On", moment(approval.created_at)),
            ],
        )
        what = Part(title="Impact", template="admin/staff/preview_panel.html", context={"looks": promised.looks})
        side: list[Panel] = [decision(request, approval)]
        if context:
            title = "To weigh, as of now" if promised.now else "To weigh, as it was"
            side.append(Facts(title=title, side=True, rows=context))
        return [asked, what, history(request, approval), *side]

    # --- What can be done --------------------------------------------------------------------------------------------

    def offers(self, request: HttpRequest, approval: Approval, name: str) -> bool:
        """Once decided nothing is to be done. Who asked withdraws; it is theirs alone."""
        if approval.state != State.OPEN:
            return False
        return name != "withdraw" or approval.maker_id == request.user.pk

    def why_not(self, request: HttpRequest, approval: Approval, name: str) -> str:
        user: Any = request.user
        if name == "withdraw" and approval.state == State.OPEN:
            return "" if approval.maker_id == user.pk else "Only who asked for it withdraws it. You can reject it."
        if name == "assign" and approval.maker_id == user.pk and approval.state == State.OPEN:
            return ""
        return approvals.why_not_decide(approval, user)

    @staff_action(
        "Approve", permission="staff.approve", form=ApproveForm, done="Approved and done.", icon="check",
        variant=ActionVariant.PRIMARY, step_up=True,
    )  # fmt: skip
    def approve(self, request: HttpRequest, approval: Approval, form: ApproveForm) -> bool:
        return self.call(form, approvals.approve, approval.pk, comment=form.cleaned_data["comment"])

    @staff_action(
        "Reject", permission="staff.approve", form=RejectForm, done="Rejected.", icon="close",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def reject(self, request: HttpRequest, approval: Approval, form: RejectForm) -> bool:
        return self.call(form, approvals.reject, approval.pk, comment=form.cleaned_data["comment"])

    @staff_action("Withdraw", permission="staff.request", form=WithdrawForm, done="Withdrawn.", icon="undo")
    def withdraw(self, request: HttpRequest, approval: Approval, form: WithdrawForm) -> bool:
        return self.call(form, approvals.withdraw, approval.pk, comment=form.cleaned_data["comment"])

    @staff_action("Take", permission="staff.approve", form=TakeForm, done="It is yours.", icon="front_hand")
    def take(self, request: HttpRequest, approval: Approval, form: TakeForm) -> bool:
        return self.call(form, approvals.assign, approval.pk, to=form.user, only_free=True)

    @staff_action("Assign", permission="staff.approve", form=AssignForm, done="Assigned.", icon="assignment_ind")
    def assign(self, request: HttpRequest, approval: Approval, form: AssignForm) -> bool:
        return self.call(form, approvals.assign, approval.pk, to=form.cleaned_data["to"])


def decision(request: HttpRequest, approval: Approval) -> Facts:
    rows: list[tuple[str, Any]] = [("State", state_badge(approval))]
    if approval.state == State.OPEN:
        rows.append(("Assigned to", approval.assigned_to or "nobody in particular"))
        rows.append(("Until", moment(approval.expires_at)))
    else:
        by = approval.checker or (approval.maker if approval.state == State.WITHDRAWN else "the clock")
        rows += [
            ("By", by),
            ("On", moment(approval.decided_at)),
            ("Comment", masking.words(request, approval.comment) or NOTHING),
        ]
    if result := approval.result:
        rows.append(("Done", row_link(request, result["model"], result["id"], result["title"])))
    return Facts(title="Decision", side=True, rows=[*rows, ("Id", code(approval.pk))])


def history(request: HttpRequest, approval: Approval) -> Table:
    """Every step, refused attempts with what refused them."""
    records = AuditRecord.objects.filter(
        subject_type=approval._meta.label_lower, subject_id=str(approval.pk), look=False
    )
    staff = names()
    return Table(
        title="History",
        columns=["When", "Who", "What", "Said"],
        rows=[
            (moment(one.at), named(one.actor, staff), STEPS.get(one.action, one.action), said(request, one, staff))
            for one in records.order_by("id")
        ],
    )


STEPS = {
    "request_approval": "Asked", "assign_approval": "Assigned", "approval_refused": "Tried, and was refused",
    "approve": "Approved", "reject": "Rejected", "withdraw": "Withdrew", "expire": "Expired",
}  # fmt: skip


def said(request: HttpRequest, record: AuditRecord, staff: dict[str, str]) -> Any:
    match record.action:
        case "approval_refused":
            refused: Any = record.after
            words = in_our_words(request, refused["code"], refused["detail"])
            return format_html("{} {}", words, code(refused["code"]))
        case "assign_approval":
            return f"to {named(record.after, staff)}" if record.after else "to nobody in particular"
    return masking.words(request, record.reason) or NOTHING


def in_our_words(request: HttpRequest, why: str, detail: str) -> Any:
    """Of a refusal, for staff: what the row has may be what a customer would have been told."""
    kind = catalogue().get(why)
    return masking.words(request, told(kind(detail)) if kind else detail)


@finder("Approvals", order=60, permission="staff.view_approval")
def find_approvals(text: str) -> list[Hit]:
    if (identity := read_uuid(text)) is None:
        return []
    return [
        Hit(
            title=one.title,
            detail=kind_of(one),
            state=state_badge(one),
            url=page_url("staff.approval", one.pk),
            exact=True,
        )
        for one in Approval.objects.filter(pk=identity)
    ]


# --- On the pages of what it is about ------------------------------------------------------------------------------


def requests_about(request: HttpRequest, subject: Any) -> list[Approval]:
    """The last ones, read once per request."""
    known: dict[str, list[Approval]] = request.__dict__.setdefault("staff_approvals", {})
    key = f"{subject._meta.label_lower}:{subject.pk}"
    if key not in known:
        rows = Approval.objects.filter(about__contains=[key]).select_related("maker", "checker")
        known[key] = list(rows.order_by("-id")[:SHOWN_ELSEWHERE])
    return known[key]


@notice(permission="staff.view_approval")
def waits(request: HttpRequest, subject: Any) -> Any:
    """The newest that waits, on top of the page of whatever it is about."""
    if isinstance(subject, (Approval, AuditRecord)):
        return ""
    for one in requests_about(request, subject):
        if one.state == State.OPEN:
            return format_html(
                'Waiting for approval since {}: <a class="to" href="{}">{}</a>, asked for by {}.',
                moment(one.created_at), page_url("staff.approval", one.pk), one.title, one.maker,
            )  # fmt: skip
    return ""


@panel(None, order=5, permission="staff.view_approval")
def approvals_of(request: HttpRequest, subject: Any) -> Panel | None:
    if isinstance(subject, (Approval, AuditRecord)) or not (rows := requests_about(request, subject)):
        return None
    return Table(
        title="Approvals",
        columns=["Asked", "What", "By", "", "Decided"],
        rows=[
            (
                moment(one.created_at), link(request, "staff.approval", one.pk, one.title), one.maker, state_badge(one),
                format_html("{}<br>{}", moment(one.decided_at), one.checker or "") if one.decided_at else NOTHING,
            )
            for one in rows
        ],
    )  # fmt: skip


def ask(
    request: HttpRequest, form: StaffForm, operation: str, params: dict[str, Any], *, reason: str, back: str = ""
) -> bool | HttpResponse:
    """What a dialog does with what needs a second person: file the request and go ``back`` (without one, to the page of
    the request), or say why not."""
    try:
        approval = approvals.request_approval(operation, params, maker=form.user, reason=reason)
    except TekanaError as refusal:
        form.refuse(refusal)
        return False
    tell_it_waits(request, approval)
    return go_to(request, back or page_url("staff.approval", approval.pk))


def tell_it_waits(request: HttpRequest, approval: Approval) -> None:
    """After asking for something: where it went."""
    page = page_url("staff.approval", approval.pk)
    text = format_html('Asked for. <a class="to" href="{}">The request</a> waits for a second person.', page)
    messages.success(request, text)
