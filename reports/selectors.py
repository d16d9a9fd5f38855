"""What is in a file: a list of the back office under some filters, as one user sees it; and which exports one sees.

What the filters of a list mean is said by the list itself: its own code makes the queryset, so that the file holds what
the screen showed, all pages of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.contrib.admin.views import main
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, QueryDict
from unfold.contrib.filters.admin import DropdownFilter

from core import contacts
from core.admin.lists import MadeBetween, wrong_with
from reports.errors import InvalidFilter, MayNotExport, UnknownColumn, UnknownFilter
from reports.models import Export, SavedExport
from reports.tables import Exportable

PERMISSION = "reports.export"
PERSONAL = "reports.export_personal"
LONGEST_VALUE = 200
# How a list is looked at, rather than what is in it.
OF_THE_SCREEN = frozenset({main.PAGE_VAR, main.ORDER_VAR, main.ALL_VAR, main.ERROR_FLAG})

# --- Columns ---------------------------------------------------------------------------------------------------------


def refuse_unless_allowed(of: Exportable, user: Any) -> None:
    """Raises: MayNotExport."""
    if not (user.has_perm(PERMISSION) and user.has_perm(of.permission)):
        raise MayNotExport(f"Your role does not export {of.words}.")


def for_user(of: Exportable, user: Any, names: Sequence[str] = ()) -> Exportable:
    """The list with the columns named, or all of them: those that this person may take out of the house.

    Raises: MayNotExport (the list, or a personal column that was asked for by name), UnknownColumn.
    """
    refuse_unless_allowed(of, user)
    offered = {column.name for column in of.columns if not column.personal or user.has_perm(PERSONAL)}
    known = {column.name for column in of.columns}
    if unknown := [name for name in names if name not in known]:
        raise UnknownColumn(f"{of.title} have no column {unknown[0][:40]!r}.")
    if refused := [name for name in names if name not in offered]:
        raise MayNotExport(f"Your role does not export {refused[0]!r} of {of.words}.")
    return of.only(names or offered)


# --- Filters ---------------------------------------------------------------------------------------------------------


def read_query(query: str) -> dict[str, str]:
    """The filters in a list's address (its query string), without what only concerns the screen; the last of each.

    Nothing is checked here: `listing` does, each time.
    """
    return {name: value for name, value in parse_qsl(query) if name not in OF_THE_SCREEN}


def as_query(filters: Mapping[str, str]) -> str:
    return urlencode(filters)


@dataclass(frozen=True)
class Listing:
    """A list of the back office under some filters, as one user sees it."""

    changelist: ChangeList
    filters: Mapping[str, str]

    @property
    def rows(self) -> QuerySet:
        """All of them, not only the page."""
        return self.changelist.queryset

    @property
    def words(self) -> list[tuple[str, str]]:
        """The filters as the list shows them."""
        words: list[tuple[str, str]] = []
        for spec in self.changelist.filter_specs:
            for parameter in map(str, spec.expected_parameters()):
                if parameter in self.filters:
                    label = parameter if isinstance(spec, MadeBetween) else str(spec.title)
                    words.append((label.capitalize(), label_of(spec, self.filters[parameter])))
        if SEARCH_VAR in self.filters:
            words.append(("Search", contacts.masked_text(self.filters[SEARCH_VAR])))
        return words

    @property
    def size(self) -> str:
        """How many rows there are now, as far as the list counts."""
        paginator: Any = self.changelist.paginator
        return f"more than {paginator.most_counted:,}" if paginator.is_capped else f"{paginator.count:,}"


def listing(of: Exportable, filters: Mapping[str, str], user: Any) -> Listing:
    """The list under these filters, made by the list's own code.

    Raises: UnknownFilter for anything but the list's own filters and its search (no look-up of Django's gets through),
    InvalidFilter for a value that the list would ignore or does not offer.
    """
    if any(len(value) > LONGEST_VALUE or not value.isprintable() for value in filters.values()):
        raise InvalidFilter("A filter is too long, or has characters that cannot be seen.")
    request = HttpRequest()
    request.method, request.user = "GET", user
    request.GET = QueryDict(as_query(filters))
    model_admin = admin.site.get_model_admin(of.model)
    kinds: Any = model_admin.list_filter
    specs = [kind(request, dict(request.GET.lists()), of.model, model_admin) for kind in kinds]
    known = {parameter for spec in specs for parameter in spec.expected_parameters()}
    known |= {SEARCH_VAR} if model_admin.search_fields else set()
    if unknown := sorted(set(filters) - known):
        raise UnknownFilter(f"An export of {of.words} cannot be filtered by {unknown[0][:40]!r}.", filter=unknown[0])
    for spec in specs:
        check(spec, filters)
    return Listing(model_admin.get_changelist_instance(request), filters)


def label_of(spec: Any, value: str) -> str:
    return str(dict(spec.lookup_choices).get(value, value)) if isinstance(spec, DropdownFilter) else value


def check(spec: Any, filters: Mapping[str, str]) -> None:
    """A value that the list would quietly ignore must not widen the export to everything."""
    if wrong := wrong_with(spec):
        raise InvalidFilter(wrong, filter=next(iter(set(spec.expected_parameters()) & set(filters)), None))


# --- Exports ---------------------------------------------------------------------------------------------------------


def visible_to(user: Any) -> QuerySet[Export]:
    """One's own, those of saved exports that are shared or sent to one; all of them for who answers for them."""
    exports = Export.objects.select_related("requested_by", "saved")
    if user.has_perm("reports.view_all_exports"):
        return exports
    mine = saved_for(user).values("pk")
    return exports.filter(Q(requested_by=user) | Q(saved__in=mine))


def saved_for(user: Any) -> QuerySet[SavedExport]:
    """Saved exports that one may look at and run: one's own, shared ones, those one gets by e-mail."""
    saved = SavedExport.objects.select_related("owner")
    if user.has_perm("reports.view_all_exports"):
        return saved
    sent = SavedExport.recipients.through.objects.filter(user=user).values("savedexport")
    return saved.filter(Q(owner=user) | Q(is_shared=True) | Q(pk__in=sent))
