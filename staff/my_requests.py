"""What one has asked for: what became of it, newest first, and what still waits. The menu counts what is new."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.timezone import now

from core.admin import Table, badge, link, masking, moment, place
from core.admin.pages import NOTHING, age, list_url
from staff import letters
from staff.inbox import kind_of, state_badge, urgency
from staff.models import Approval, Letter
from staff.queues import queue

SHOWN = 20


queue(
    name="my_requests",
    title="My requests",
    icon="outbox",
    about="What was decided and you have not looked at since.",
    model="staff.letter",
    view="staff_my_requests",
    see="staff.request",
    act="staff.request",
    which=letters.unseen,
    waits=lambda letter: letter.seen_at is None,
    since="created_at",
)


@place("staff/my-requests/", name="staff_my_requests", permission="staff.request")
def mine(request: HttpRequest) -> HttpResponse:
    """Opening it is having seen it; what was new is marked once more on the way."""
    user: Any = request.user
    theirs = Approval.objects.filter(maker=user).select_related("checker", "assigned_to")
    waiting = list(theirs.filter(state=Approval.State.OPEN).order_by("expires_at")[:SHOWN])
    decided = list(theirs.exclude(state=Approval.State.OPEN).order_by("-decided_at")[:SHOWN])
    new = set(Letter.objects.filter(user=user, seen_at=None, approval__in=decided).values_list("approval", flat=True))
    context = {
        **admin.site.each_context(request),
        "title": "My requests",
        "panels": [decided_table(request, decided, new), waiting_table(request, waiting)],
        "all": list_url("staff.approval", whose="made"),
    }
    letters.saw(user)
    return TemplateResponse(request, "admin/staff/my_requests.html", context)


def decided_table(request: HttpRequest, decided: list[Approval], new: set[Any]) -> Table:
    return Table(
        title="Decided",
        columns=["When", "What", "", "By", "Said"],
        rows=[
            (
                moment(one.decided_at),
                format_html(
                    "{} {}", link(request, "staff.approval", one.pk, one.title),
                    badge("new", "busy") if one.pk in new else "",
                ),
                state_badge(one), one.checker or NOTHING, masking.words(request, one.comment) or NOTHING,
            )
            for one in decided
        ],
        empty="Nothing yet. What needs a second person is asked for on the page of what it is about.",
    )  # fmt: skip


def waiting_table(request: HttpRequest, waiting: list[Approval]) -> Table:
    return Table(
        title="Waiting",
        columns=["What", "Kind", "For", "Expires", "Looked into by"],
        rows=[
            (
                link(request, "staff.approval", one.pk, one.title), kind_of(one),
                urgency(one), f"in {age(one.expires_at - now())}",
                one.assigned_to or NOTHING,
            )
            for one in waiting
        ],
        empty="Nothing of yours waits for a decision.",
    )  # fmt: skip
