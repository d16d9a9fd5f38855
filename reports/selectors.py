"""What can be exported: the lists of the back office, the columns of a file, its control totals.

What the filters of a list mean is said by the list itself: its own code makes the queryset, so that the file holds what
the screen showed, all pages of it. Amounts are computed by PostgreSQL as exact decimals; no float is near them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from django.contrib import admin
from django.contrib.admin.views import main
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Case, Count, F, Func, QuerySet, Sum, TextField, Value, When
from django.http import HttpRequest, QueryDict
from unfold.contrib.filters.admin import DropdownFilter

from core.admin.lists import MadeBetween
from core.money import EXPONENTS
from reports.errors import InvalidFilter, UnknownFilter, UnknownList
from reports.models import EntryLine, Export
from transactions.models import Transaction

LONGEST_VALUE = 200
# How a list is looked at, rather than what is in it.
OF_THE_SCREEN = frozenset({main.PAGE_VAR, main.ORDER_VAR, main.ALL_VAR, main.ERROR_FLAG})

# --- Cells -----------------------------------------------------------------------------------------------------------

# A spreadsheet takes for a formula what begins with one of STARTS, even behind blanks, quotes and the invisible. One
# that splits at the semicolon (where the comma is the decimal sign), or at others, begins a cell behind each of these.
BLANKS = "\\s\"'`‘’“”«»\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff"
STARTS = "=+@\\-\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20"
CONTROLS = "\u0001-\u001f\u007f-\u009f"
SEPARATORS = ";|\t\r\n"
FORMULA = f"^(?=[{BLANKS}]*[{STARTS}{CONTROLS}])"
FORMULA_BEHIND = f"([{SEPARATORS}])(?=[{BLANKS}]*[{STARTS}])"


class Replace(Func):
    """PostgreSQL's regexp_replace(text, pattern, replacement, flags)."""

    function = "regexp_replace"
    output_field = TextField()


def inert(text: str) -> Replace:
    """Text that no spreadsheet computes: an apostrophe before whatever could start a formula."""
    behind = Replace(F(text), Value(FORMULA_BEHIND), Value(r"\1'"), Value("g"))
    return Replace(behind, Value(FORMULA), Value("'"))


class Instant(Func):
    """RFC 3339 in UTC, to the microsecond."""

    template = "to_char(timezone('UTC', %(expressions)s), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    output_field = TextField()


def decimals(amount: str) -> Case:
    """Minor units of the row's currency as a decimal with all its decimals: 105075 KES is 1050.75."""
    places = sorted(set(EXPONENTS.values()))
    codes = {n: [code for code, exponent in EXPONENTS.items() if exponent == n] for n in places}
    return Case(
        *[When(currency__in=codes[n], then=F(amount) * Value(Decimal(1).scaleb(-n))) for n in places],
        output_field=models.DecimalField(),
    )


class Cell(models.TextChoices):
    """What a cell holds: ``free`` is text that other people wrote, ``text`` our own."""

    TEXT = "text"
    FREE = "free"
    AMOUNT = "amount"
    WHOLE = "whole"
    INSTANT = "instant"


@dataclass(frozen=True)
class Column:
    """``source``: the field's path, or the name of minor units to show as decimals."""

    name: str
    source: str
    cell: Cell = Cell.TEXT

    def expression(self, *, as_inert: bool) -> Any:
        match self.cell:
            case Cell.AMOUNT:
                return decimals(self.source)
            case Cell.INSTANT:
                return Instant(F(self.source))
            case Cell.FREE if as_inert:
                return inert(self.source)
        return F(self.source)


# --- Lists -----------------------------------------------------------------------------------------------------------


class Total(NamedTuple):
    """The control totals of one currency: rows, and each sum in minor units under its name."""

    currency: str
    rows: int
    sums: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"currency": self.currency, "rows": self.rows, **self.sums}


@dataclass(frozen=True)
class Exportable:
    """One list of the back office; ``order`` is that of the file's rows, ``sums`` names what is added up."""

    name: str
    model: type[models.Model]
    permission: str
    order: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    sums: dict[str, str] = field(repr=False)

    @property
    def title(self) -> str:
        return self.name.capitalize()

    def rows(self, listed: QuerySet, *, as_inert: bool) -> tuple[str, tuple[Any, ...]]:
        """The SELECT of the file's rows and its parameters; ``as_inert`` where the file does not say what is text.

        The LIMIT limits nothing. The planner cannot read it, so it plans for the first tenth of the rows to come soon
        (along an index, streaming) rather than for the last to come early (by sorting all before the first).
        """
        columns = [column.expression(as_inert=as_inert) for column in self.columns]
        select, params = statement(listed.order_by(*self.order).values_list(*columns))
        return f"{select} LIMIT (SELECT 9223372036854775807)", params

    def totals(self, listed: QuerySet) -> list[Total]:
        """What the rows add up to, by a statement of its own."""
        sums = {f"sum_{name}": Sum(source) for name, source in self.sums.items()}
        rows = listed.order_by("currency").values("currency").annotate(rows=Count("*"), **sums)
        return [
            Total(row["currency"], row["rows"], {name: int(row[f"sum_{name}"] or 0) for name in self.sums})
            for row in rows
        ]


def statement(queryset: QuerySet) -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters, also of a queryset that Django knows to be empty."""
    return queryset.query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()


TRANSACTIONS = Exportable(
    name="transactions",
    model=Transaction,
    permission="transactions.view_transaction",
    order=("pk",),
    columns=(
        Column("created_at", "created_at", Cell.INSTANT),
        Column("receipt", "receipt"),
        Column("kind", "kind"),
        Column("state", "state"),
        Column("currency", "currency"),
        Column("amount", "amount", Cell.AMOUNT),
        Column("fee", "fee", Cell.AMOUNT),
        Column("reversed", "reversed_amount", Cell.AMOUNT),
        Column("payer", "payer__customer__full_name", Cell.FREE),
        Column("payee", "payee__customer__full_name", Cell.FREE),
        Column("memo", "memo", Cell.FREE),
        Column("reference", "reference", Cell.FREE),
        Column("refusal_code", "refusal_code", Cell.FREE),
        Column("rail", "rail"),
        Column("rail_reference", "rail_reference", Cell.FREE),
        Column("completed_at", "completed_at", Cell.INSTANT),
        Column("amount_minor", "amount", Cell.WHOLE),
        Column("fee_minor", "fee", Cell.WHOLE),
        Column("reversed_minor", "reversed_amount", Cell.WHOLE),
        Column("payer_wallet", "payer_id"),
        Column("payee_wallet", "payee_id"),
        Column("reverses", "reverses_id"),
        Column("id", "id"),
    ),
    sums={"amount": "amount", "fee": "fee", "reversed": "reversed_amount"},
)
ENTRIES = Exportable(
    name="entries",
    model=EntryLine,
    permission="reports.view_entryline",
    order=("journal_id", "account_id"),
    columns=(
        Column("recorded_at", "recorded_at", Cell.INSTANT),
        Column("effective_at", "effective_at", Cell.INSTANT),
        Column("account", "account_code"),
        Column("account_name", "account_name", Cell.FREE),
        Column("number", "seq", Cell.WHOLE),
        Column("kind", "kind"),
        Column("reference", "reference", Cell.FREE),
        Column("currency", "currency"),
        Column("debit", "debit", Cell.AMOUNT),
        Column("credit", "credit", Cell.AMOUNT),
        Column("balance_after", "balance_after", Cell.AMOUNT),
        Column("debit_minor", "debit", Cell.WHOLE),
        Column("credit_minor", "credit", Cell.WHOLE),
        Column("balance_after_minor", "balance_after", Cell.WHOLE),
        Column("journal", "journal_id"),
    ),
    sums={"debits": "debit", "credits": "credit"},
)
EXPORTABLE = {one.name: one for one in (TRANSACTIONS, ENTRIES)}


def exportable(name: str) -> Exportable:
    """Raises: UnknownList."""
    if name not in EXPORTABLE:
        raise UnknownList(f"There is no list {name[:20]!r} to export.")
    return EXPORTABLE[name]


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
            words.append(("Search", self.filters[SEARCH_VAR]))
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
        raise UnknownFilter(f"An export of {of.name} cannot be filtered by {unknown[0][:40]!r}.", filter=unknown[0])
    for spec in specs:
        check(spec, filters)
    return Listing(model_admin.get_changelist_instance(request), filters)


def label_of(spec: Any, value: str) -> str:
    return str(dict(spec.lookup_choices).get(value, value)) if isinstance(spec, DropdownFilter) else value


def check(spec: Any, filters: Mapping[str, str]) -> None:
    """A value that the list would quietly ignore must not widen the export to everything."""
    if isinstance(spec, MadeBetween):
        if not spec.form.is_valid():
            raise InvalidFilter(f"A {spec.title} is not a date.")
    elif isinstance(spec, DropdownFilter):
        value = filters.get(spec.parameter_name or "")
        if value is not None and value not in {str(offered) for offered, _ in spec.lookup_choices}:
            raise InvalidFilter(f"The list offers no {spec.title} {value[:40]!r}.", filter=spec.parameter_name)


# --- Exports ---------------------------------------------------------------------------------------------------------


def visible_to(user: Any) -> QuerySet[Export]:
    """One's own; all of them for who answers for them."""
    exports = Export.objects.select_related("requested_by")
    return exports if user.has_perm("reports.view_all_exports") else exports.filter(requested_by=user)
