"""Lists of any size in bounded time: counted up to a cap only, cut by date through the time inside uuid7 ids."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList
from unfold.widgets import UnfoldAdminSingleDateWidget

from core.days import end_of, midnight

MOST_COUNTED = 10_000
LONGEST_VALUE = 200  # of a filter


class CappedPaginator(Paginator):
    """Counts no further than MOST_COUNTED rows: what is asked of a long list is its beginning, or a filter.

    In the order of the list, so that the rows are counted along the index that the page is read along.
    """

    template_name = "admin/panels/pagination.html"

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Model]", self.object_list)
        return rows[: MOST_COUNTED + 1].count()

    @property
    def is_capped(self) -> bool:
        return self.count > MOST_COUNTED

    @property
    def most_counted(self) -> int:
        return MOST_COUNTED


class StaffList(ChangeList):
    """A list under its own filters, its own search, and pages that there are. No look-up of Django's gets through, nor
    an order that no index gives; what an address asks for beyond that is left out, and `remarks` say so."""

    def __init__(self, request: HttpRequest, *args: Any) -> None:
        self.remarks: list[str] = []
        asked: Any = request.GET.copy()
        for name in [one for one in asked if one in FOREIGN or not is_legible(one)]:
            del asked[name]
            self.remarks.append(f"This list knows no “{name.replace(NUL, '')[:40]}” in its address; it was left out.")
        for name, values in list(asked.lists()):
            if not all(is_legible(value) and len(value) <= LONGEST_VALUE for value in values):
                del asked[name]
                self.remarks.append(f"“{name}” is too long, or has characters that cannot be read; it was left out.")
        request.GET = asked
        super().__init__(request, *args)

    def get_filters(self, request: HttpRequest) -> tuple[list[Any], bool, dict[str, Any], bool, bool]:
        left, kinds = self.get_filters_params(), cast("Sequence[Any]", self.list_filter)
        given = set(left)
        specs = [kind(request, left, self.model, self.model_admin) for kind in kinds]
        for name in left:
            self.remarks.append(f"This list has no filter “{name[:40]}”; it was left out.")
        for spec in specs:
            if wrong := wrong_with(spec):
                self.remarks.append(f"{wrong} The list is not cut by it.")
                spec.used_parameters.clear()
        shown = [spec for spec in specs if spec.has_output()]
        return shown, bool(shown), {}, False, bool(given)

    def get_results(self, request: HttpRequest) -> None:
        asked = request.GET.get(PAGE_VAR, "1")
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            self.page_num = 1
            super().get_results(request)
        if asked not in map(str, self.paginator.page_range):
            self.page_num = 1
            self.remarks.append(f"There is no page “{asked[:40]}”; this is the first.")


NUL = "\x00"
FOREIGN = frozenset({"o", "e", "all", "_to_field", "_popup", "_facets", "_source_model"})  # Django's, not ours


def is_legible(text: str) -> bool:
    """Whether the database can read it: no NUL, no half of a surrogate pair."""
    return NUL not in text and not any("\ud800" <= one <= "\udfff" for one in text)


def wrong_with(spec: Any) -> str:
    """What is wrong with what a list's filter was given, as a sentence; empty where nothing is."""
    if isinstance(spec, DropdownFilter):
        value = spec.value()
        if value and str(value) not in {str(offered) for offered, _ in spec.lookup_choices}:
            return f"The list offers no {spec.title} “{str(value)[:40]}”."
    return getattr(spec, "wrong", "") if spec.used_parameters else ""


def first_id_at(at: datetime) -> UUID:
    """The smallest uuid7 of that millisecond: ``id >= first_id_at(t)`` reads the primary key; no index on time.

    Before 1970 there are none: the very first.
    """
    return UUID(int=max(int(at.timestamp() * 1000), 0) << 80)


class MadeBetween(SimpleListFilter):
    """From one day to another, both included, in UTC; ``field`` is a uuid7, by default the primary key."""

    title = "day"
    parameter_name = "from"
    field = "pk"
    template = "admin/panels/between.html"

    class Days(forms.Form):
        field_order = ["from", "to"]
        to = forms.DateField(required=False, label="To", widget=UnfoldAdminSingleDateWidget(attrs={"type": "date"}))

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            widget = UnfoldAdminSingleDateWidget(attrs={"type": "date"})
            self.fields["from"] = forms.DateField(required=False, label="From", widget=widget)
            self.order_fields(self.field_order)

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: type[Model], model_admin: ModelAdmin
    ) -> None:
        asked: dict[str, str] = {name: params.pop(name)[-1] for name in ("from", "to") if name in params}
        super().__init__(request, params, model, model_admin)
        self.used_parameters.update(asked)
        self.form = self.Days(asked)
        self.form.is_valid()

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("days", "days")]

    def expected_parameters(self) -> list[str | None]:
        return ["from", "to"]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        first, last = (self.form.cleaned_data.get(name) for name in ("from", "to"))
        if first:
            queryset = queryset.filter(**{f"{self.field}__gte": first_id_at(midnight(first))})
        if last:
            queryset = queryset.filter(**{f"{self.field}__lt": first_id_at(end_of(last))})
        return queryset

    @property
    def wrong(self) -> str:
        names = [f"“{self.used_parameters.get(name, '')[:40]}”" for name in self.form.errors]
        return f"{' and '.join(names)} is no {self.title}." if names else ""

    def choices(self, changelist: ChangeList) -> Any:
        yield {"form": self.form}

    @property
    def shown(self) -> str:
        """What the list is cut to, in words; nothing when it is not."""
        days = [(word, self.form.cleaned_data.get(word)) for word in ("from", "to")]
        return " ".join(f"{word} {day:%-d %b %Y}" for word, day in days if day)


def choice_filter(field: str, title_: str, choices: Sequence[tuple[Any, Any]]) -> type[DropdownFilter]:
    """A drop-down over values known in the code; no DISTINCT over the table."""

    class Choice(DropdownFilter):
        title = title_
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
            return [(str(value), capfirst(str(label))) for value, label in choices]

        def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
            return queryset.filter(**{field: self.value()}) if self.value() else queryset

        @property
        def shown(self) -> str:
            """What the list is cut to, in words; nothing when it is not."""
            label = dict(self.lookup_choices).get(str(self.value()))
            return f"{self.title}: {label}" if label else ""

    return Choice
