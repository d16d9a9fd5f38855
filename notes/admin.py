"""Notes as staff meet them: a panel and a dialog on the pages of what they are about, and a page of each.

`Noted` gives an admin class both; everything else follows from the subject's own permission.
"""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import CharField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce, Concat, NullIf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import content_disposition_header
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from core import contacts
from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    ReasonForm,
    StaffAdmin,
    StaffForm,
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
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING, may, page_url
from core.errors import TekanaError
from core.ids import uuid7
from notes.files import SUFFIXES
from notes.models import LONGEST, Note
from notes.selectors import notes_of, withdrawal_of
from notes.services import WITHDRAW_OTHERS, Upload, open_file, withdraw_note, write_note
from staff.models import User
from staff.selectors import named, names

SEE, WRITE = "notes.view_note", "notes.write"


class NoteForm(StaffForm):
    intro = "It stays for good, with your name and the time. A mistake is withdrawn, which stays visible too."
    submit = "Add note"

    text = forms.CharField(
        label="Note",
        max_length=LONGEST,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 5}),
        help_text="The customer does not see it.",
    )
    file = forms.FileField(
        required=False,
        widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}),
        help_text="A picture, a PDF or plain text, up to 10 MB.",
    )
    key = forms.UUIDField(widget=forms.HiddenInput)  # of this dialog: sent twice, it is written once

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        self.fields["key"].initial = uuid7()

    @property
    def upload(self) -> Upload | None:
        file = self.cleaned_data["file"]
        return Upload(file.name, file.read()) if file else None


class Noted(StaffAdmin):
    """For the admin class of what staff write notes about; list ``add_note`` among its ``actions_detail``."""

    always_possible = ("add_note",)

    @staff_action("Add note", permission=WRITE, form=NoteForm, done="Noted.", icon="note_add")
    def add_note(self, request: HttpRequest, subject: Any, form: NoteForm) -> bool:
        asked = form.cleaned_data
        return self.call(form, write_note, subject, asked["text"], key=f"note-{asked['key']}", upload=form.upload)


def noted(label: str) -> Noted | None:
    """The admin class of ``customers.customer``, if notes are written about such."""
    for model, one in admin.site._registry.items():
        if model._meta.label_lower == label and isinstance(one, Noted):
            return one
    return None


@panel(None, order=40, permission=SEE)
def notes_panel(request: HttpRequest, subject: Any) -> Panel | None:
    if noted(subject._meta.label_lower) is None:
        return None
    staff = names()
    return Part(
        title="Notes",
        template="admin/notes/notes.html",
        context={"notes": [shown(request, note, staff) for note in notes_of(subject)]},
    )


def shown(request: HttpRequest, note: Note, staff: dict[str, str]) -> dict[str, Any]:
    """A note as its template reads it."""
    withdrawal = withdrawal_of(note)
    return {
        "note": note,
        "text": masking.words(request, note.text),
        "author": named(note.author, staff),
        "file": file_link(request, note),
        "withdrawal": withdrawal,
        "withdrawn_because": masking.words(request, withdrawal.text) if withdrawal else "",
        "withdrawn_by": named(withdrawal.author, staff) if withdrawal else "",
        "may_withdraw": not withdrawal and may_withdraw(request, note),
    }


def may_withdraw(request: HttpRequest, note: Note) -> bool:
    mine = note.author == getattr(request.user, "principal", None)
    return may(request, WRITE) and (mine or may(request, WITHDRAW_OTHERS))


def file_link(request: HttpRequest, note: Note) -> Any:
    if not note.sha256:
        return ""
    return format_html(
        '<a class="to" href="{}" download><span class="material-symbols-outlined" aria-hidden="true">attach_file</span>'
        '{}</a> <span class="muted small">{}, {}</span>',
        reverse("admin:notes_file", args=[note.pk]),
        masking.words(request, note.file_name),
        note.media_type,
        filesizeformat(note.size),
    )


class WithdrawnFilter(choice_filter("withdrawn", "state", [("no", "counts"), ("yes", "withdrawn")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(withdrawal__isnull=self.value() == "no") if self.value() else queryset


class FileFilter(choice_filter("file", "file", [("yes", "with a file"), ("no", "without")])):  # type: ignore[misc]
    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        match self.value():
            case "yes":
                return queryset.exclude(sha256="")
            case "no":
                return queryset.filter(sha256="")
        return queryset


class WithdrawForm(ReasonForm):
    intro = "The note stays where it is, crossed out, with your name and this reason. Its file stays too."
    submit = "Withdraw"


@admin.register(Note)
class NoteAdmin(StaffAdmin):
    list_display = ["text_shown", "about", "author_shown", "file_shown", "state_shown", "at"]
    list_filter = [WithdrawnFilter, FileFilter, MadeBetween]
    list_select_related = ["withdrawal"]
    page_select_related = ("withdrawal",)
    actions_detail = ["withdraw"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Notes on what one may see, withdrawals beside what they withdraw."""
        seen = [
            model._meta.label_lower
            for model, one in admin.site._registry.items()
            if isinstance(one, Noted) and one.has_view_permission(request)
        ]
        whose = User.objects.annotate(principal_=Concat(Value("staff:"), Cast("pk", CharField())))
        name = whose.filter(principal_=OuterRef("author")).values(
            name_=Coalesce(NullIf("full_name", Value("")), "username")
        )
        rows = super().get_queryset(request).filter(withdraws=None, subject_type__in=seen)
        return rows.annotate(author_name=Subquery(name))

    @display(description="Note")
    def text_shown(self, note: Note) -> str:
        text = contacts.masked_text(note.text)
        return text if len(text) <= 80 else f"{text[:79]}…"

    @display(description="About")
    def about(self, note: Note) -> str:
        return note.subject_type.partition(".")[2]

    @display(description="By")
    def author_shown(self, note: Note) -> Any:
        return note.author_name or named(note.author, {})  # type: ignore[attr-defined]

    @display(description="File")
    def file_shown(self, note: Note) -> Any:
        return contacts.masked_text(note.file_name) or NOTHING

    @display(description="State")
    def state_shown(self, note: Note) -> Any:
        return badge("withdrawn", "odd") if withdrawal_of(note) else badge("counts", "good")

    def whose(self, note: Note) -> list[Any]:
        return [note.subject_id] if note.subject_type == "customers.customer" else []

    def name_of(self, note: Note) -> str:
        return f"Note of {note.at:%-d %b %Y}"

    def header(self, request: HttpRequest, note: Note) -> Header:
        return Header(
            title="Note",
            badge=badge("withdrawn", "odd") if withdrawal_of(note) else "",
            lines=[
                link(request, note.subject_type, note.subject_id, f"On a {note.subject_type.partition('.')[2]}"),
                moment(note.at),
            ],
        )

    def panels(self, request: HttpRequest, note: Note) -> list[Panel]:
        staff = names()
        panels: list[Panel] = [
            Part(
                title="What it says",
                template="admin/notes/notes.html",
                context={"notes": [shown(request, note, staff) | {"may_withdraw": False}]},
            )
        ]
        if note.sha256:
            rows = [
                ("Name", code(masking.words(request, note.file_name))),
                ("Content", note.media_type),
                ("Size", f"{note.size:,} bytes"),
                ("SHA-256", code(note.sha256)),
            ]
            panels.append(Facts(title="File", side=True, rows=rows))
        return panels

    def why_not(self, request: HttpRequest, note: Note, name: str) -> str:
        if withdrawal_of(note):
            return "It has been withdrawn already."
        return "" if may_withdraw(request, note) else "Its author, senior support or an administrator withdraws it."

    @staff_action("Withdraw", permission=WRITE, form=WithdrawForm, icon="block", variant=ActionVariant.DANGER)
    def withdraw(self, request: HttpRequest, note: Note, form: WithdrawForm) -> bool | HttpResponse:
        if not self.call(form, withdraw_note, note, reason=form.cleaned_data["reason"]):
            return False
        messages.success(request, "Withdrawn.")
        return go_to(request, page_url(note.subject_type, note.subject_id))


@place("notes/<uuid:note_id>/file/", name="notes_file", permission=SEE)
def download(request: HttpRequest, note_id: UUID) -> HttpResponse:
    """The file, never shown by the browser: whatever it is, it is saved. Each time is recorded (`open_file`)."""
    page = admin.site._registry[Note]
    note = get_object_or_404(page.get_queryset(request), pk=note_id)
    try:
        content = open_file(note, actor=request.user)  # type: ignore[arg-type]
    except TekanaError as refusal:
        messages.error(request, f"{refusal.title}.")
        return go_to(request, page_url("notes.note", note.pk))
    response = HttpResponse(content, content_type=note.media_type)
    disposition = content_disposition_header(as_attachment=True, filename=note.file_name)
    response["Content-Disposition"] = disposition or "attachment"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store"
    return response
