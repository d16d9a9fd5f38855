"""What workers gave up on: the queue of operations, a page for each, starting again and closing with a reason."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from core import failures
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    Table,
    badge,
    choice_filter,
    code,
    link,
    masking,
    moment,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING
from core.errors import TekanaError
from core.models import AuditRecord, FailedJob
from staff.queues import queue
from staff.selectors import named, names
from staff.work import owner_filter, worked

SEE, ACT = "core.view_failedjob", "core.retry_job"
State = FailedJob.State
TONES = {State.WAITING: "odd", State.RETRIED: "busy", State.CLOSED: "", State.SETTLED: "good"}
STEPS = {
    "retry_job": "Started again", "close_job": "Closed", "take_work": "Taken", "hand_over_work": "Handed over",
    "let_go_work": "Given back",
}  # fmt: skip

WORKER_LOST = "Its worker was lost: killed, or hung until its time was over. There is no trace of that."
NO_TRACE = "No steps were kept: it was refused with this error, and nothing broke."

FAILED = queue(
    name="failed_jobs",
    title="Failed jobs",
    icon="running_with_errors",
    about="Work of ours that broke down three times. Find out why, then start it again, or close it.",
    model="core.failedjob",
    view="core_failedjob_changelist",
    query="state=waiting",
    see=SEE,
    act=ACT,
    which=lambda user: Q(state=State.WAITING),
    waits=lambda job: job.state == State.WAITING,
    since="failed_at",
)


def state_badge(job: FailedJob) -> Any:
    return badge(job.get_state_display(), TONES[State(job.state)])


def what(job: FailedJob) -> str:
    """``E-mail to a customer``, ``Daily job prove_books of 2026-11-20``."""
    said = arguments_of(job)
    named = "job" in said and "day" in said
    return f"{failures.title_of(job)} {said['job']} of {said['day']}" if named else failures.title_of(job)


def arguments_of(job: FailedJob) -> dict[str, Any]:
    return job.arguments if isinstance(job.arguments, dict) else {}


# --- Forms -------------------------------------------------------------------------------------------------------


class RetryForm(ReasonForm):
    intro = "It gets three new attempts. What it had done before is not done twice."
    submit = "Start again"


class CloseForm(ReasonForm):
    intro = "It stays undone, and leaves the queue."
    submit = "Close"


class RetryManyForm(ReasonForm):
    intro = "Each gets three new attempts, under the same reason. What was dealt with meanwhile stops no other."
    submit = "Start them again"
    prefilled = ("jobs",)
    field_order = ["jobs", "reason"]

    jobs = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": "One of them does not wait any more. Open this again."},
    )

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        waiting = FAILED.rows(user)[: failures.MOST_AT_ONCE]
        choice: Any = self.fields["jobs"]
        choice.choices = [(str(job.pk), f"{what(job)}: {job.error}, {job.failed_at:%-d %b %H:%M}") for job in waiting]
        choice.initial = [value for value, _ in choice.choices]
        choice.help_text = f"Those that wait longest, {failures.MOST_AT_ONCE} at most."


# --- The list ----------------------------------------------------------------------------------------------------


class KindFilter(DropdownFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, one.title) for name, one in failures.kinds().items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset

    @property
    def shown(self) -> str:
        label = dict(self.lookup_choices).get(str(self.value()))
        return f"{self.title}: {label}" if label else ""


@admin.register(FailedJob)
class FailedJobAdmin(worked("failed_jobs", ACT)):  # type: ignore[misc]
    list_display = ["what_shown", "error_shown", "waits_shown", "owner_shown", "attempts", "failed_at", "state_shown"]
    list_filter = [choice_filter("state", "state", State.choices), owner_filter("failed_jobs"), KindFilter, MadeBetween]
    search_fields = ["subject_id"]
    search_help_text = "Id of the job, or of what it was to work on"
    actions_list = ["retry_many"]
    actions_detail = ["retry", "close", "take", "hand_over"]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        asked = search_term.strip()[:64]
        return (queryset.filter(subject_id=asked) if asked else queryset), False

    @display(description="What")
    def what_shown(self, job: FailedJob) -> str:
        return what(job)

    @display(description="Error")
    def error_shown(self, job: FailedJob) -> Any:
        return format_html("<code>{}</code>", job.error)

    @display(description="State")
    def state_shown(self, job: FailedJob) -> Any:
        return state_badge(job)

    # --- The page ----------------------------------------------------------------------------------------------------

    def name_of(self, job: FailedJob) -> str:
        return what(job)

    def header(self, request: HttpRequest, job: FailedJob) -> Header:
        return Header(
            title=what(job),
            badge=state_badge(job),
            lines=[format_html("Given up with <code>{}</code> after {} attempts", job.error, job.attempts)],
        )

    def panels(self, request: HttpRequest, job: FailedJob) -> list[Panel]:
        kind = failures.kinds().get(job.kind)
        there = failures.page_of(job)
        page = link(request, kind.model, there, "Its page") if kind and there else ""
        rows = [
            ("It was to work on", format_html("{} {}", code(job.subject_id), page)),
            *[(name.replace("_", " ").capitalize(), code(value)) for name, value in arguments_of(job).items()],
            ("It is now", capfirst(failures.now_of(job)) or NOTHING),
        ]
        trace = job.trace or (WORKER_LOST if job.error == failures.LOST else NO_TRACE)
        side = [
            ("Error", code(job.error)),
            ("Attempts", job.attempts),
            ("Given up", f"{job.times} times" if job.times > 1 else "once"),
            ("The last time", moment(job.failed_at)),
            ("Id", code(job.pk)),
        ]
        return [
            Facts(title="Job", rows=rows),
            Part(title="The last steps to the error", template="admin/staff/trace.html", context={"text": trace}),
            history(request, job),
            Facts(title="What happened", side=True, rows=side),
        ]  # fmt: skip

    # --- What can be done --------------------------------------------------------------------------------------------

    def why_not(self, request: HttpRequest, job: FailedJob, name: str) -> str:
        return "" if job.state == State.WAITING else f"It does not wait any more: {job.get_state_display().lower()}."

    @staff_action(
        "Start again", permission=ACT, form=RetryForm, done="It is being done again.", icon="replay",
        variant=ActionVariant.PRIMARY,
    )  # fmt: skip
    def retry(self, request: HttpRequest, job: FailedJob, form: RetryForm) -> bool:
        return self.call(form, failures.retry, job.pk, reason=form.cleaned_data["reason"])

    @staff_action("Close", permission=ACT, form=CloseForm, done="Closed.", icon="close", variant=ActionVariant.DANGER)
    def close(self, request: HttpRequest, job: FailedJob, form: CloseForm) -> bool:
        return self.call(form, failures.close, job.pk, reason=form.cleaned_data["reason"])

    @staff_action("Start several again", permission=ACT, form=RetryManyForm, icon="replay")
    def retry_many(self, request: HttpRequest, subject: None, form: RetryManyForm) -> bool | HttpResponse:
        chosen = [UUID(one) for one in form.cleaned_data["jobs"]]
        try:
            outcome = failures.retry_many(chosen, actor=form.user, reason=form.cleaned_data["reason"])
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        messages.success(request, f"{outcome.started} of {len(chosen)} are being done again.")
        for why in sorted(set(outcome.refused)):
            messages.warning(request, f"{outcome.refused.count(why)} not: {why}")
        return go_to(request, reverse("admin:core_failedjob_changelist", query={"state": State.WAITING}))


def history(request: HttpRequest, job: FailedJob) -> Table:
    """What people did about it."""
    records = AuditRecord.objects.filter(subject_type="core.failedjob", subject_id=str(job.pk), look=False)
    staff = names()
    return Table(
        title="History",
        columns=["When", "Who", "What", "Said"],
        rows=[
            (
                moment(one.at), named(one.actor, staff), STEPS.get(one.action, one.action),
                masking.words(request, one.reason) or NOTHING,
            )
            for one in records.order_by("id")
        ],
        empty="Nobody has done anything about it yet.",
    )  # fmt: skip
