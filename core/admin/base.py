"""The base of every admin class: staff look, and call services. No form of a model exists, so none can edit one."""

from dataclasses import replace
from typing import Any, NoReturn

from django.contrib import admin, messages
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.dataclasses import UnfoldAction

from core.admin.dialogs import StaffForm
from core.admin.lists import CappedPaginator, StaffList
from core.admin.masking import look_at
from core.admin.pages import (
    NOTHING,
    Facts,
    Header,
    Panel,
    buttons_of,
    list_url,
    moment,
    notices_of,
    page_url,
    panels_of,
)
from core.errors import TekanaError

CLOSED_DOORS = ("_add", "_delete", "_history")


class StaffAdmin(ModelAdmin):
    """Read-only: a list, and for each row a page of panels. What may be done is an action that calls one service.

    Say what the list shows as in any ModelAdmin, and in `header` and `panels` what the page shows. The page runs a
    number of statements that does not depend on how much there is to show.
    """

    checks_class = ModelAdminChecks  # Unfold's look for permission rows in the database; ours are code
    actions = None
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = CappedPaginator
    sortable_by = ()
    list_filter_submit = True
    page_select_related: tuple[str, ...] = ()
    always_possible: tuple[str, ...] = ()  # actions to which no state of the row is an obstacle
    empty_value_display = NOTHING

    # --- Nothing is added, changed or deleted here -------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise PermissionDenied("Staff pages write through services alone.")

    save_model = delete_model = delete_queryset = save_formset = save_related = _refuse

    def get_urls(self) -> list[URLPattern]:
        """Only the doors there are: none adds, deletes or redirects from addresses of old."""
        return [url for url in super().get_urls() if url.name and not url.name.endswith(CLOSED_DOORS)]

    # --- The list ----------------------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        return super().changelist_view(request, extra_context)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[StaffList]:
        return StaffList

    # --- The page ----------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        subject = self.subject(request, object_id)
        if subject is None:
            return self.missing(request)
        look_at(request, self.whose(subject))
        panels = [*self.panels(request, subject), *panels_of(request, subject)]
        actions = self._get_actions_navigation(
            self.actions_detail, self.get_actions_detail(request, object_id), object_id
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": self.name_of(subject),
            "original": subject,
            "name": self.name_of(subject),
            "header": self.header(request, subject),
            "notices": notices_of(request, subject),
            "panels": [one for one in panels if not one.side],
            "side_panels": [one for one in panels if one.side],
            "actions_detail": [*actions, *buttons_of(request, subject)],
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/page.html", context)

    def whose(self, subject: Any) -> list[Any]:
        """Ids of the customers whose personal data its page shows; in the clear where all are revealed (`masking.py`).

        Reads nothing that the page has not read.
        """
        return []

    def name_of(self, subject: Any) -> str:
        """What the way back, the tab and the history of the browser call it."""
        return capfirst(str(subject))

    def header(self, request: HttpRequest, subject: Any) -> Header:
        return Header(title=self.name_of(subject))

    def panels(self, request: HttpRequest, subject: Any) -> list[Panel]:
        """Every field of the row; most classes say it better."""
        rows = []
        for field in subject._meta.concrete_fields:
            value = subject.serializable_value(field.attname)
            if isinstance(field, models.DateTimeField):
                value = moment(value)
            elif isinstance(value, bool):
                value = "yes" if value else "no"
            elif field.choices:
                value = getattr(subject, f"get_{field.name}_display")()
            rows.append((capfirst(field.verbose_name), NOTHING if value in (None, "") else value))
        return [Facts(title=capfirst(subject._meta.verbose_name), rows=rows)]

    # --- Rows --------------------------------------------------------------------------------------------------------

    def subject(self, request: HttpRequest, object_id: str) -> Any:
        """The row a page or dialog is about, read once per request; None where there is none.

        ``object_id`` is that of the address, where Django has quoted what an address cannot carry.
        """
        read: dict[tuple[str, str], Any] = request.__dict__.setdefault("staff_subjects", {})
        key = (self.opts.label_lower, object_id)
        if key not in read:
            read[key] = self.get_object(request, unquote(object_id))
        return read[key]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        on_page = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows.select_related(*self.page_select_related) if on_page and self.page_select_related else rows

    def missing(self, request: HttpRequest) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Not found"}
        return TemplateResponse(request, "admin/missing.html", context, status=404)

    def address_of(self, subject: models.Model | None) -> str:
        label = self.opts.label_lower
        return list_url(label) if subject is None else page_url(label, subject.pk)

    # --- Actions -----------------------------------------------------------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        subject, actions = self.subject(request, object_id), []
        for one in super().get_actions_detail(request, object_id):
            name = one.method.original_function_name
            if self.offers(request, subject, name):
                dialog: Any = {**(one.dialog or {}), "why_not": self.obstacle(request, subject, name)}
                actions.append(replace(one, dialog=dialog))
        return actions

    def offers(self, request: HttpRequest, subject: Any, name: str) -> bool:
        """Whether action ``name`` is for rows like this one at all; otherwise there is no button."""
        return True

    def why_not(self, request: HttpRequest, subject: Any, name: str) -> str:
        """Why action ``name`` cannot be done to this row as it is, in words for who would do it; empty if it can.

        The button stays, set back, and its dialog says this instead of asking. The service decides anyway. Reads
        nothing that the page has not read.
        """
        return ""

    def obstacle(self, request: HttpRequest, subject: Any, name: str) -> str:
        return "" if name in self.always_possible else self.why_not(request, subject, name)

    def call(self, form: StaffForm, service: Any, *args: Any, **kwargs: Any) -> bool:
        """Run one service as the member of staff who filled in ``form``; a refusal is said there, a bug escapes."""
        try:
            service(*args, actor=form.user, **kwargs)
        except TekanaError as refusal:
            form.refuse(refusal)
            return False
        return True

    def tell(self, request: HttpRequest, text: str) -> None:
        messages.success(request, text)
