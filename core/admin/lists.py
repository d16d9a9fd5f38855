"""Lists of any size in bounded time: counted up to a cap only, cut by date through the time inside uuid7 ids."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.text import capfirst
from unfold.contrib.filters.admin import DropdownFilter
from unfold.widgets import UnfoldAdminSingleDateWidget

MOST_COUNTED = 10_000


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


def first_id_at(at: datetime) -> UUID:
    """The smallest uuid7 of that millisecond: ``id >= first_id_at(t)`` reads the primary key; no index on time."""
    return UUID(int=int(at.timestamp() * 1000) << 80)


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
            queryset = queryset.filter(**{f"{self.field}__lt": first_id_at(midnight(last + timedelta(days=1)))})
        return queryset

    def choices(self, changelist: ChangeList) -> Any:
        yield {"form": self.form}

    @property
    def shown(self) -> str:
        """What the list is cut to, in words; nothing when it is not."""
        days = [(word, self.form.cleaned_data.get(word)) for word in ("from", "to")]
        return " ".join(f"{word} {day:%d %b %Y}" for word, day in days if day)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


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
