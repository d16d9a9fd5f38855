"""Exports: asked for from a list, watched while they run, fetched."""

from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminRadioSelectWidget

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
from reports import services
from reports.models import Export
from reports.selectors import EXPORTABLE, as_query, exportable, listing, read_query, visible_to
from reports.writers import WRITERS

DOWN = SafeString('<span class="material-symbols-outlined" aria-hidden="true">download</span>')
TONES = {"queued": "busy", "running": "busy", "done": "good", "failed": "bad"}


class ExportForm(StaffForm):
    """``words``: the filters as the list shows them, and how many rows they leave."""

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
    query = forms.CharField(required=False, widget=forms.HiddenInput)
    key = forms.UUIDField(widget=forms.HiddenInput)


class AgainForm(StaffForm):
    intro = "With the same filters, and the data as it is now."
    submit = "Run again"


@admin.register(Export)
class ExportAdmin(StaffAdmin):
    list_display = ["what", "filters_shown", "state_shown", "rows", "size", "requested_by", "created_at"]
    list_select_related = ["requested_by"]
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
        return f"{export.subject.capitalize()}, {export.get_format_display()}"

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
            lines.append(format_html('<a class="button main" href="{}" download>{} Download</a>', address, DOWN))
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
                ("Kept", f"{settings.EXPORTS_KEPT_DAYS} days"),
            ],
        )
        return [totals_table(export), file, facts]

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
        if not may(request, services.PERMISSION):
            raise PermissionDenied
        export = self.get_queryset(request).filter(pk=export_id).first()
        if export is None:
            return self.missing(request)
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
            services.refuse_unless_allowed(of, request.user)
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
                asked = {"file_format": form.cleaned_data["file_format"], "key": form.cleaned_data["key"]}
                export = services.request_export(of, filters, actor=request.user, **asked)
                return go_to(request, page_url("reports.export", export.pk))
        except TekanaError as refusal:
            if not posted:
                messages.error(request, refusal.detail)
                return go_to(request, back)
            form.refuse(refusal)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Export {of.name}",
            "form": form,
            "opts": self.opts,
            "back": back,
        }
        return TemplateResponse(request, "admin/dialog.html", context)

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
    names = [name.capitalize() for name in exportable(export.subject).sums]
    return Table(
        title="Control totals",
        columns=["Currency", "Rows", *names],
        numeric=["Rows", *names],
        rows=[
            (
                total["currency"],
                f"{total['rows']:,}",
                *[money(total[name.lower()], total["currency"]) for name in names],
            )
            for total in export.control_totals or []
        ],
        empty="No rows: the file has its header, and all totals are 0.",
    )
