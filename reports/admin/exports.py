"""Exports: asked for from a list, watched while they run, fetched."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction as db_transaction
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from core.admin import (
    Facts,
    Header,
    MadeBetween,
    Panel,
    Part,
    StaffAdmin,
    StaffForm,
    Table,
    badge,
    choice_filter,
    code,
    moment,
    money,
    page_url,
    staff_action,
)
from core.admin.dialogs import go_to
from core.admin.pages import NOTHING, list_url, may
from core.errors import TekanaError
from core.ids import uuid7
from core.models import AuditRecord
from reports import saving, services
from reports.lists import EXPORTABLE, exportable
from reports.models import Export
from reports.selectors import PERMISSION, as_query, for_user, listing, read_query, refuse_unless_allowed, visible_to
from reports.tables import Exportable
from reports.writers import WRITERS
from staff.selectors import named, names
from staff.step_up import first_prove

DOWN = SafeString('<span class="material-symbols-outlined" aria-hidden="true">download</span>')
FETCHED_SHOWN = 50
TONES = {"queued": "busy", "running": "busy", "done": "good", "failed": "bad"}


class ExportForm(StaffForm):
    """``words``: the filters as the list shows them, and how many rows they leave. ``subject``: the list."""

    intro = (
        "Every row that these filters leave, not only this page. It is made in the background; you may go on working."
    )
    submit = "Export"
    before_template = "admin/reports/filters.html"
    words: list[tuple[str, str]] = []

    file_format = forms.ChoiceField(
        label="As",
        choices=[("csv", "CSV: for programs, any size"), ("xlsx", "Excel workbook: with control totals")],
        initial="csv",
        widget=UnfoldAdminRadioSelectWidget,
    )
    columns = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": "ticks"}),
        help_text="Without any: all of them.",
    )
    save_as = forms.CharField(
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text="A name, to run it again or by the clock; found under Saved exports.",
    )
    query = forms.CharField(required=False, widget=forms.HiddenInput)
    key = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, subject: Any, user: Any) -> None:
        super().__init__(data, subject=subject, user=user)
        offered = for_user(subject, user)
        self.fields["columns"].choices = [(one.name, one.name.replace("_", " ")) for one in offered.columns]  # type: ignore[attr-defined]
        if len(offered.columns) < len(subject.columns):
            left_out = ", ".join(one.name for one in subject.columns if one not in offered.columns)
            self.fields["columns"].help_text = f"Without any: all of them. Your role does not take: {left_out}."


class AgainForm(StaffForm):
    intro = "With the same filters, and the data as it is now."
    submit = "Run again"


@admin.register(Export)
class ExportAdmin(StaffAdmin):
    list_display = ["what", "filters_shown", "state_shown", "rows", "size", "requested_by", "created_at"]
    list_select_related = ["requested_by", "saved"]
    list_filter = [
        choice_filter("subject", "list", [(one.name, one.title) for one in EXPORTABLE.values()]),
        choice_filter("state", "state", Export.State.choices),
        MadeBetween,
    ]
    ordering = ["-pk"]
    actions_detail = ["again"]

    def get_urls(self) -> list[URLPattern]:
        ours = [
            path("new/<slug:name>/", self.admin_site.admin_view(self.new), name="reports_export_new"),
            path(
                "<uuid:export_id>/progress/", self.admin_site.admin_view(self.progress), name="reports_export_progress"
            ),
            path(
                "<uuid:export_id>/download/", self.admin_site.admin_view(self.download), name="reports_export_download"
            ),
        ]
        return ours + super().get_urls()

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return visible_to(request.user)

    @display(description="What")
    def what(self, export: Export) -> str:
        name = export.saved.name if export.saved else title_of(export)
        return f"{name}, {export.get_format_display()}"

    @display(description="Filters")
    def filters_shown(self, export: Export) -> str:
        return ", ".join(f"{name}: {value}" for name, value in sorted(export.filters.items())) or "everything"

    @display(description="State")
    def state_shown(self, export: Export) -> Any:
        text = f"{export.percent} %" if export.state == Export.State.RUNNING else export.get_state_display().lower()
        return badge(text, TONES[export.state])

    @display(description="Rows")
    def rows(self, export: Export) -> str:
        return f"{export.rows_written:,}" if export.state == Export.State.DONE else NOTHING

    @display(description="Size")
    def size(self, export: Export) -> str:
        return NOTHING if export.bytes is None else filesizeformat(export.bytes)

    # --- The page ----------------------------------------------------------------------------------------------------

    def header(self, request: HttpRequest, export: Export) -> Header:
        figures, lines = [], [words_shown(words_of(export))]
        if export.state == Export.State.DONE:
            address = reverse("admin:reports_export_download", args=[export.pk])
            if export.file_removed_at is None:
                lines.append(format_html('<a class="button main" href="{}">{} Download</a>', address, DOWN))
            figures = [("Rows", f"{export.rows_written:,}"), ("Size", self.size(export)), ("Took", took(export))]
        return Header(
            title=self.what(export),
            badge=badge(export.get_state_display().lower(), TONES[export.state]),
            lines=lines,
            figures=figures,
            notice=export.error if export.state == Export.State.FAILED else "",
        )

    def panels(self, request: HttpRequest, export: Export) -> list[Panel]:
        facts = Facts(
            title="Export",
            side=True,
            rows=[
                ("Requested by", export.requested_by.full_name),
                ("Requested", moment(export.created_at)),
                ("Started", moment(export.started_at)),
                ("Finished", moment(export.finished_at)),
                ("Took", took(export)),
                ("Attempts", export.attempts),
                ("Columns", ", ".join(export.columns) or "all"),
                ("Saved as", saved_link(export)),
                *([("Business date", f"{export.business_date:%-d %b %Y}")] if export.business_date else []),
                *([("Recipients told", moment(export.told_at))] if export.business_date else []),
                ("Id", code(export.pk)),
            ],
        )
        if export.state in services.WAITING:
            return [progress_panel(export), facts]
        if export.state == Export.State.FAILED:
            return [facts]
        file = Facts(
            title="File",
            rows=[
                ("Name", code(export.file_name)),
                ("Data as of", moment(export.as_of)),
                ("Rows", f"{export.rows_written:,}"),
                ("Size", f"{self.size(export)} ({export.bytes:,} bytes)"),
                ("SHA-256", code(export.sha256)),
                ("Personal data", "yes: fetched by few" if export.has_personal else "no columns of that kind"),
                ("Kept", kept(export)),
            ],
        )
        return [totals_table(export), file, fetched_table(export), facts]

    def progress(self, request: HttpRequest, export_id: UUID) -> HttpResponse:
        """What the page asks for each second while the export waits or runs; where its state changed, the page anew."""
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None or not self.has_view_permission(request):
            raise PermissionDenied
        if export.state != request.GET.get("state"):
            return HttpResponse(headers={"HX-Refresh": "true"})
        context = {"panel": progress_panel(export)}
        return TemplateResponse(request, "admin/reports/progress.html", context, headers={"Cache-Control": "no-store"})

    def download(self, request: HttpRequest, export_id: UUID) -> HttpResponse | FileResponse:
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        if not may(request, PERMISSION):
            raise PermissionDenied
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None:
            return self.missing(request)
        if (prove := first_prove(request)) is not None:  # lists have names, numbers and amounts of customers
            return prove
        try:
            file = services.open_file(export, actor=request.user)
        except TekanaError as refusal:
            messages.error(request, refusal.detail)
            return go_to(request, self.address_of(export))
        return FileResponse(
            file,
            as_attachment=True,
            filename=export.file_name,
            content_type=WRITERS[export.format].media_type,
            headers={"Cache-Control": "no-store"},
        )

    # --- What can be done --------------------------------------------------------------------------------------------

    def new(self, request: HttpRequest, name: str) -> HttpResponse:
        """The dialog on a list. Its address carries the list's own query string."""
        try:
            of = exportable(name)
            refuse_unless_allowed(of, request.user)
        except TekanaError as refusal:
            raise PermissionDenied(refusal.detail) from refusal
        posted = request.method == "POST"
        form = ExportForm(request.POST if posted else None, subject=of, user=request.user)
        query = request.POST.get("query", "") if posted else request.GET.urlencode()
        filters = read_query(query)
        form.initial = {"query": as_query(filters), "key": uuid7(), "file_format": "csv"}
        back = f"{list_url(of.model._meta.label)}?{as_query(filters)}"
        try:
            listed = listing(of, filters, request.user)
            form.words = [*listed.words, ("Rows now", listed.size)]
            if posted and form.is_valid():
                return go_to(request, page_url("reports.export", self.asked_for(of, filters, form).pk))
        except TekanaError as refusal:
            if not posted:
                messages.error(request, refusal.detail)
                return go_to(request, back)
            form.refuse(refusal)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Export {of.words}",
            "form": form,
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/dialog.html", context)

    def asked_for(self, of: Exportable, filters: dict[str, str], form: ExportForm) -> Export:
        """Saved under its name first, where it has one: then both are there, or neither."""
        given = form.cleaned_data
        asked: dict[str, Any] = {"file_format": given["file_format"], "columns": given["columns"], "actor": form.user}
        with db_transaction.atomic():
            name = given["save_as"].strip()
            known = Export.objects.filter(pk=given["key"]).exists()  # pressed twice
            saved = saving.save_export(of, filters, name=name, **asked) if name and not known else None
            return services.request_export(of, filters, key=given["key"], saved=saved, **asked)

    def why_not(self, request: HttpRequest, export: Export, name: str) -> str:
        if export.state in services.WAITING:
            return "It has not ended yet."
        if export.state == Export.State.DONE and services.file_of(export).exists():
            return "Its file is here. For the data as it is now, export the list again."
        return ""

    @staff_action("Run again", permission="reports.export", form=AgainForm, done="It will be run again.", icon="replay")
    def again(self, request: HttpRequest, export: Export, form: AgainForm) -> bool:
        return self.call(form, services.run_again, export)


def words_of(export: Export) -> list[tuple[str, str]]:
    """Its filters in words; as they were written, where the list no longer has them."""
    try:
        return listing(exportable(export.subject), export.filters, export.requested_by).words
    except TekanaError:
        return list(export.filters.items())


def words_shown(words: list[tuple[str, str]]) -> Any:
    shown = format_html_join(", ", "{}: <b>{}</b>", words)
    return shown or "Everything, without a filter"


def title_of(export: Export) -> str:
    """The name of its list; as it was written, where there is no such list any more."""
    try:
        return exportable(export.subject).title
    except TekanaError:
        return export.subject


def saved_link(export: Export) -> Any:
    if export.saved is None:
        return NOTHING
    return format_html('<a class="to" href="{}">{}</a>', page_url("reports.savedexport", export.saved_id), export.saved)


def kept(export: Export) -> Any:
    if export.file_removed_at:
        return format_html("removed {}; totals and checksum stay", moment(export.file_removed_at))
    return f"{settings.EXPORTS_KEPT_DAYS} days"


def fetched_table(export: Export) -> Table:
    """Each download is in the audit trail; here they are again, for who answers for the file."""
    records = AuditRecord.objects.filter(
        subject_type=export._meta.label_lower, subject_id=str(export.pk), action="download_export"
    ).order_by("-id")[:FETCHED_SHOWN]
    whose = names()
    return Table(
        title="Fetched",
        columns=["When", "By", "From"],
        rows=[(moment(one.at), named(one.actor, whose), one.ip or NOTHING) for one in records],
        empty="Nobody has fetched the file.",
    )


def took(export: Export) -> str:
    if export.duration is None:
        return NOTHING
    minutes, seconds = divmod(export.duration.total_seconds(), 60)
    return f"{minutes:.0f} min {seconds:.0f} s" if minutes else f"{seconds:.1f} s"


def progress_panel(export: Export) -> Part:
    return Part(
        title="Progress",
        template="admin/reports/progress.html",
        context={"export": export, "packing": export.rows_expected and export.rows_written >= export.rows_expected},
    )


def totals_table(export: Export) -> Table:
    """What the file must add up to. Currencies are never added to each other."""
    heads = [name.capitalize() for name in exportable(export.subject).sums]
    return Table(
        title="Control totals",
        columns=["Currency", "Rows", *heads],
        numeric=["Rows", *heads],
        rows=[
            (
                total["currency"] or "all",
                f"{total['rows']:,}",
                *[money(total[name.lower()], total["currency"]) for name in heads],
            )
            for total in export.control_totals or []
        ],
        empty="No rows: the file has its header, and all totals are 0.",
    )
