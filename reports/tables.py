"""What a file is made of: cells, columns, the lists they belong to, control totals.

Amounts are computed by PostgreSQL as exact decimals; no float is near them.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, NamedTuple

import phonenumbers
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models import Case, Count, F, Func, Q, QuerySet, Sum, TextField, Value, When
from django.db.models.functions import Cast
from django.db.models.lookups import Exact, Regex
from django.utils.text import capfirst

from core.contacts import ABROAD, AFTER_WORD, APART, AT_HOME, BARE, BEGIN, DIALLED, DIGIT, HIDDEN, foldings
from core.money import EXPONENTS
from customers.finding import countries

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


def inert(text: Any) -> Replace:
    """Text that no spreadsheet computes: an apostrophe before whatever could start a formula."""
    behind = Replace(text, Value(FORMULA_BEHIND), Value(r"\1'"), Value("g"))
    return Replace(behind, Value(FORMULA), Value("'"))


# What `core.contacts.masked_text` takes for addresses and numbers, as far as patterns go. Less is left of a number.
ADDRESS = rf"([^{APART}])[^{APART}]*@([^{APART}]+\.[^{APART}.]+)"
PERHAPS = rf"@|[0-9](?:{DIGIT}){{6}}"  # most texts have neither, and are looked at once
FOREIGN = "[^\u0001-\u007f]"


class Folded(Func):
    """PostgreSQL's translate(text, from, to): signs of other scripts as the patterns have them, one for one."""

    function = "translate"
    output_field = TextField()

    def __init__(self, text: Any) -> None:
        signs = foldings()
        super().__init__(text, Value("".join(map(chr, signs))), Value("".join(signs.values())))


def contactless(source: str) -> Case:
    """What somebody wrote, with addresses and phone numbers in it masked; asks once which countries there are.

    Only where something in it was masked do signs of other scripts leave as ours.
    """
    codes = "|".join(sorted({str(phonenumbers.country_code_for_region(code)) for code in countries()}) or ["none"])
    alone = rf"{BEGIN}({codes})[0-9]{{8,10}}(?![\w•]|-\w|[.,][0-9])"

    def masked(text: Any) -> Any:
        text = Replace(text, Value(ADDRESS), Value(rf"\1{HIDDEN}@\2"), Value("g"))
        for pattern in (DIALLED, AT_HOME, AFTER_WORD, BARE, ABROAD, alone):
            text = Replace(text, Value(pattern), Value(rf"\1{HIDDEN}"), Value("g"))
        return text

    text, plain = F(source), Folded(F(source))
    return Case(
        When(Q(Regex(text, Value(FOREIGN))) & Q(Regex(plain, Value(PERHAPS))), then=Case(
            When(Exact(masked(plain), plain), then=text), default=masked(plain), output_field=TextField(),
        )),
        When(Regex(text, Value(PERHAPS)), then=masked(text)),
        default=text, output_field=TextField(),
    )  # fmt: skip


class Instant(Func):
    """RFC 3339 in UTC, to the microsecond."""

    template = "to_char(timezone('UTC', %(expressions)s), 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    output_field = TextField()


def decimals(amount: str, currency: str) -> Case:
    """Minor units of the row's ``currency`` as a decimal with all its decimals: 105075 KES is 1050.75."""
    places = sorted(set(EXPONENTS.values()))
    codes = {n: [code for code, exponent in EXPONENTS.items() if exponent == n] for n in places}
    return Case(
        *[When(**{f"{currency}__in": codes[n]}, then=F(amount) * Value(Decimal(1).scaleb(-n))) for n in places],
        output_field=models.DecimalField(),
    )


class Rate(Func):
    """What one major unit of what was given brought of what was received, both as `decimals`: their quotient to twelve
    places, without zeros at the end; as text, which no program rounds. NULL where nothing was."""

    template = "trim_scale(round((%(expressions)s)::numeric, 12))::text"
    arg_joiner = " / "
    output_field = TextField()


class Cell(models.TextChoices):
    """What a cell holds: ``free`` is text that other people wrote, ``text`` our own; ``json`` is free text, too."""

    TEXT = "text"
    FREE = "free"
    AMOUNT = "amount"
    WHOLE = "whole"
    INSTANT = "instant"
    YES = "yes"
    JSON = "json"


@dataclass(frozen=True)
class Column:
    """``source``: the field's path, or the name of minor units to show as decimals.

    ``of``: the path to an amount's currency, where that is not the list's; it needs a column of its own.
    ``personal``: by which a person is reached or known; it leaves the house only with who may take it.
    ``prose``: somebody wrote it, and it may name how somebody is reached; that leaves the house with nobody.
    """

    name: str
    source: str
    cell: Cell = Cell.TEXT
    personal: bool = False
    prose: bool = False
    of: str = ""

    def expression(self, *, currency: str, as_inert: bool) -> Any:
        match self.cell:
            case Cell.AMOUNT:
                return decimals(self.source, self.of or currency)
            case Cell.YES:
                return Case(When(**{self.source: True}, then=Value("yes")), default=Value("no"))
            case Cell.JSON:
                text = Cast(self.source, TextField())
                return inert(text) if as_inert else text
            case Cell.INSTANT:
                return Instant(F(self.source))
        plain: Any = contactless(self.source) if self.prose else F(self.source)
        return inert(plain) if as_inert and self.cell == Cell.FREE else plain


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
    """One list of the back office; ``order`` is that of the file's rows, ``sums`` names what is added up.

    ``currency`` is the path to that of the row's amounts; empty where a list has none. ``also``: what columns and sums
    name that is no field of the model, and how it is looked up.
    """

    name: str
    model: type[models.Model]
    permission: str
    order: tuple[str, ...]
    columns: tuple[Column, ...] = field(repr=False)
    sums: dict[str, str] = field(default_factory=dict, repr=False)
    currency: str = "currency"
    called: str = ""
    also: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def words(self) -> str:
        """What it is called within a sentence."""
        return self.called or self.name.replace("_", " ")

    @property
    def title(self) -> str:
        return capfirst(self.words)

    def only(self, names: Collection[str]) -> "Exportable":
        """The same list with these columns; the currency stays where there are amounts."""
        chosen = {*names}
        if any(column.cell == Cell.AMOUNT and column.name in chosen for column in self.columns):
            chosen.add("currency")
        theirs = {column.of for column in self.columns if column.of and column.name in chosen}
        chosen |= {column.name for column in self.columns if column.source in theirs}
        return replace(self, columns=tuple(column for column in self.columns if column.name in chosen))

    @property
    def is_personal(self) -> bool:
        return any(column.personal for column in self.columns)

    def rows(self, listed: QuerySet, *, as_inert: bool) -> tuple[str, tuple[Any, ...]]:
        """The SELECT of the file's rows and its parameters; ``as_inert`` where the file does not say what is text.

        The LIMIT limits nothing. The planner cannot read it, so it plans for the first tenth of the rows to come soon
        (along an index, streaming) rather than for the last to come early (by sorting all before the first).
        """
        columns = [column.expression(currency=self.currency, as_inert=as_inert) for column in self.columns]
        select, params = statement(listed.annotate(**self.also).order_by(*self.order).values_list(*columns))
        return f"{select} LIMIT (SELECT 9223372036854775807)", params

    def totals(self, listed: QuerySet) -> list[Total]:
        """What the rows add up to, by a statement of its own; without a currency, how many there are."""
        if not self.currency:
            rows = listed.order_by().aggregate(rows=Count("*"))["rows"]
            return [Total("", rows, {})] if rows else []
        sums = {f"sum_{name}": Sum(source) for name, source in self.sums.items()}
        by_currency = (
            listed.annotate(**self.also).order_by(self.currency).values(self.currency).annotate(rows=Count("*"), **sums)
        )
        return [
            Total(row[self.currency], row["rows"], {name: int(row[f"sum_{name}"] or 0) for name in self.sums})
            for row in by_currency
        ]


def statement(queryset: QuerySet) -> tuple[str, tuple[Any, ...]]:
    """SQL and parameters, also of a queryset that Django knows to be empty."""
    return queryset.query.get_compiler(DEFAULT_DB_ALIAS, elide_empty=False).as_sql()
