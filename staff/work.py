"""Work that waits, as staff meet it: the page of all queues, and on the lists and pages of what waits its age, its
owner and the dialogs by which it changes hands.

`worked` gives the admin class of what waits in a queue all of that; list ``take`` and ``hand_over`` among its
``actions_detail``, ``waits_shown`` and ``owner_shown`` among its columns, `owner_filter` among its filters.
"""

from datetime import datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import CharField, Exists, Model, OuterRef, QuerySet
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import now
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from core.admin import StaffAdmin, StaffForm, Table, badge, choice_filter, notice, place, staff_action
from core.admin.dialogs import LONGEST_REASON
from core.admin.pages import NOTHING, age, alarms_of, may
from staff.models import Assignment, User
from staff.queues import (
    Queue,
    Waiting,
    assignment_of,
    hand_over,
    owned_ids,
    owners,
    queue_of,
    queues_of,
    take,
    waiting,
    workers,
)

CHANGES_HANDS = ("take", "hand_over")
NOBODY = "nobody"


def work_of(request: HttpRequest) -> dict[str, Waiting]:
    """How much waits for whoever asks, by queue; asked once per request."""
    known = request.__dict__.get("staff_work")
    if known is None:
        known = request.__dict__["staff_work"] = waiting(request.user)
    return cast("dict[str, Waiting]", known)


def list_of(one: Queue, **query: str) -> str:
    """Its list in the back office, cut to what waits."""
    return reverse(f"admin:{one.view}", query=one.cut | query or None)


def is_cut(one: Queue, model: type[Model], request: HttpRequest) -> bool:
    """Whether this look at a list is one at the queue: at its own list, and at what waits of it."""
    is_its = one.view == f"{model._meta.app_label}_{model._meta.model_name}_changelist"
    return is_its and all(request.GET.get(key) == value for key, value in one.cut.items())


def tone_badge(one: Queue, row: Any) -> Any:
    """How long it has waited, or what is left of it, and in words whether that is late."""
    tone = one.tone_of(row)
    if one.ends:
        left = getattr(row, one.clock) - now()
        text = f"{age(left)} left" if left.total_seconds() > 0 else "over"
    else:
        text = age(now() - getattr(row, one.since))
    return badge(f"{text}, {one.words(tone)}" if tone != "good" else text, tone)


# --- Who has it --------------------------------------------------------------------------------------------------


class TakeForm(StaffForm):
    intro = "Colleagues see that you look into it."
    submit = "Take it"

    confirmed = forms.CharField(widget=forms.HiddenInput, initial="yes", max_length=3)


class HandOverForm(StaffForm):
    """``seen`` is whose it was when the dialog was opened: nothing is taken from somebody unseen."""

    intro = "To a colleague who does this work, or back to all."
    submit = "Hand over"

    seen = forms.IntegerField(required=False, widget=forms.HiddenInput)
    to = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    note = forms.CharField(
        required=False,
        max_length=LONGEST_REASON,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="What they should know. Kept in the audit trail.",
    )

    queue: Queue

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        has = assignment_of(self.queue, subject)
        self.fields["seen"].initial = has and has.owner_id
        choice: Any = self.fields["to"]
        self.offered = {str(one.pk): one for one in workers(self.queue) if not has or one.pk != has.owner_id}
        people = [(pk, f"{one} ({one.get_role_display().lower()})") for pk, one in self.offered.items()]
        choice.choices = [("", "Choose"), *([(NOBODY, "Nobody in particular")] if has else []), *people]
        if has:
            self.intro = f"{has.owner} has it. {self.intro}"

    def clean_to(self) -> User | None:
        return self.offered.get(self.cleaned_data["to"])

    def clean(self) -> None:
        if "seen" in self.errors:  # the field is hidden, and so is what is wrong with it
            self.add_error(None, "This dialog is not as it was made. Open it again.")


def worked(name: str, act: str) -> type[StaffAdmin]:
    """The base of the admin class of what waits in queue ``name``, whose work is for who has ``act``."""

    class Handing(HandOverForm):
        @property
        def queue(self) -> Queue:  # type: ignore[override]  # apps contribute theirs after this class is made
            return queue_of(name)

    class Worked(StaffAdmin):
        queue_name = name

        # --- On the list -----------------------------------------------------------------------------------------

        def get_changelist_instance(self, request: HttpRequest) -> Any:
            """Whose the rows are. Where it is the queue that is shown and nothing is in it, that is good news; where
            only one's own or what nobody has is shown, what waits besides is named."""
            changelist = super().get_changelist_instance(request)
            one = queue_of(name)
            has = owners(one, [row.pk for row in changelist.result_list]) if request.user.has_perm(one.see) else {}
            for row in changelist.result_list:
                row.work_owner = has.get(str(row.pk))
                row.work_to_take = request.user.has_perm(act) and one.waits(row)
            changelist.is_queue = is_cut(one, self.model, request) and set(request.GET) <= {*one.cut, "owner"}
            changelist.owner_asked = request.GET.get("owner", "")
            if changelist.is_queue and changelist.owner_asked and name in (known := work_of(request)):
                changelist.waits_besides, changelist.all_that_wait = known[name], list_of(one)
            return changelist

        def get_ordering(self, request: HttpRequest) -> Any:
            """Where it is the queue that is shown, the oldest first."""
            one = queue_of(name)
            return one.ordering if is_cut(one, self.model, request) else super().get_ordering(request)

        @display(description="Waiting")
        def waits_shown(self, row: Any) -> Any:
            one = queue_of(name)
            return tone_badge(one, row) if one.waits(row) else NOTHING

        @display(description="Who has it")
        def owner_shown(self, row: Any) -> Any:
            if not queue_of(name).waits(row):
                return NOTHING
            if row.work_owner is not None:
                return row.work_owner.owner
            return take_link(name, row) if row.work_to_take else "nobody"

        # --- On the page -----------------------------------------------------------------------------------------

        def offers(self, request: HttpRequest, subject: Any, action: str) -> bool:
            if action in CHANGES_HANDS:
                return queue_of(name).waits(subject)
            return super().offers(request, subject, action)

        def obstacle(self, request: HttpRequest, subject: Any, action: str) -> str:
            if action not in CHANGES_HANDS:
                return super().obstacle(request, subject, action)
            if not queue_of(name).waits(subject):
                return "It does not wait any more."
            has = owner_on_page(request, queue_of(name), subject)
            if action == "take" and has is not None:
                mine = has.owner_id == request.user.pk
                return "You have it already." if mine else f"{has.owner} has it. It can be handed over."
            return ""

        @staff_action("Take", permission=act, form=TakeForm, done="It is yours.", icon="front_hand")
        def take(self, request: HttpRequest, subject: Any, form: TakeForm) -> bool:
            return self.call(form, lambda **who: take(queue_of(name), subject, **who))

        @staff_action("Hand over", permission=act, form=Handing, done="Handed over.", icon="assignment_ind")
        def hand_over(self, request: HttpRequest, subject: Any, form: HandOverForm) -> bool:
            asked = form.cleaned_data
            given = {"to": asked["to"], "seen": asked["seen"], "reason": asked["note"]}
            return self.call(form, lambda **who: hand_over(queue_of(name), subject, **given, **who))

    return Worked


def take_link(name: str, row: Any) -> Any:
    """Nobody has it: the way to take it, in the dialog of the page."""
    address = reverse(f"admin:{queue_of(name).model.replace('.', '_')}_take", args=[row.pk])
    return format_html(
        '<a class="to" href="{0}" aria-haspopup="dialog" aria-label="Take {1}" hx-get="{0}" hx-target="#modal-content"'
        ' hx-select="#dialog" x-on:htmx:after-on-load="openModal = true">Take</a>', address, row,
    )  # fmt: skip


def owner_on_page(request: HttpRequest, one: Queue, subject: Any) -> Assignment | None:
    """Asked once per request."""
    known: dict[str, Any] = request.__dict__.setdefault("staff_owner", {})
    key = f"{one.name}:{subject.pk}"
    if key not in known:
        known[key] = assignment_of(one, subject)
    return cast("Assignment | None", known[key])


@notice(permission="staff.view_work")
def who_has_it(request: HttpRequest, subject: Any) -> Any:
    """On top of the page of whatever waits in a queue: since when, and who looks into it."""
    for one in queues_of(request.user):
        if one.model == subject._meta.label_lower and not one.owner and one.waits(subject):
            has = owner_on_page(request, one, subject)
            who = format_html("<b>{}</b> has it.", has.owner) if has else "Nobody has taken it yet."
            waits = tone_badge(one, subject)
            way = format_html('<a class="to" href="{}">{}</a>', list_of(one), one.title.lower())
            return format_html("Waits in {} {} {}", way, waits, who)
    return ""


def owner_filter(name: str) -> type[admin.SimpleListFilter]:
    """Of what waits in the queue, one's own or what nobody has."""

    class OwnerFilter(choice_filter("owner", "owner", [("mine", "mine"), (NOBODY, "nobody's")])):  # type: ignore[misc]
        def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
            if self.value() not in ("mine", NOBODY):
                return queryset
            one = queue_of(name)
            waits = queryset.filter(one.which(request.user))
            if self.value() == "mine":
                return waits.filter(pk__in=owned_ids(one, request.user))
            taken = Assignment.objects.filter(subject_type=one.model, subject_id=Cast(OuterRef("pk"), CharField()))
            return waits.exclude(Exists(taken))

    return OwnerFilter


# --- All of it ---------------------------------------------------------------------------------------------------


@place("work/", name="staff_work", permission="staff.view_work")
def work(request: HttpRequest) -> HttpResponse:
    """Every queue that one may see: how much, since when, whose."""
    found = [one for one in work_of(request).values() if one.queue.is_timed]
    at = now()
    table = Table(
        title="What waits",
        columns=["Queue", "Waiting", "", "Oldest, or next end", "Late", "Nobody’s", "Mine"],
        numeric=["Waiting", "Late", "Nobody’s", "Mine"],
        rows=[
            (
                format_html(
                    '<a class="to" href="{}">{}</a><br><span class="muted small">{}</span>',
                    list_of(one.queue), one.queue.title, one.queue.about,
                ),
                one.shown,
                badge(one.words, one.tone) if one.count else badge("nothing waits"),
                oldest(one, at),
                f"{one.late:,}",
                owned(one, one.nobodys, NOBODY),
                owned(one, one.mine, "mine") if may(request, one.queue.act) else NOTHING,
            )
            for one in found
        ],
        empty="There is no queue for your role.",
    )  # fmt: skip
    context = {
        **admin.site.each_context(request),
        "title": "Work",
        "alarms": alarms_of(request),
        "panels": [table],
        "all_done": not any(one.count for one in found),
        "limits": [(one.queue.title, said(one.queue)) for one in found],
    }
    return TemplateResponse(request, "admin/staff/work.html", context)


def oldest(one: Waiting, at: datetime) -> Any:
    if one.since is None or one.clock is None:
        return NOTHING
    if not one.queue.ends:
        return age(at - one.since)
    return f"{age(one.clock - at)} left" if one.clock > at else "over"


def owned(one: Waiting, count: int, whose: str) -> Any:
    if not count or one.queue.owner:
        return f"{count:,}"
    return format_html('<a class="to" href="{}">{}</a>', list_of(one.queue, owner=whose), f"{count:,}")


def said(one: Queue) -> str:
    """The thresholds in words."""
    soon, late = (abs(limit) for limit in one.limits())
    if one.ends:
        return f"{one.words('odd')} with {age(soon)} left, {one.words('bad')} with {age(late)} left"
    return f"{one.words('odd')} after {age(soon)}, {one.words('bad')} after {age(late)}"
