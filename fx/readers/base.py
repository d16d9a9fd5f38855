"""What all readers share: rows, strict numbers, days, currencies, and how a refusal says where."""

import calendar
import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

from core.days import midnight
from fx.errors import RateFileRefused
from fx.models import MOST_DECIMALS, MOST_DIGITS

# ISO 4217: currencies that people pay with. Funds, metals and units of account are none.
CURRENCIES = frozenset(
    re.findall(
        "[A-Z]+",
        """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF
    CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD
    MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
    QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD
    TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG
    """,
    )
)
# Before the euro or a new unit; old files have rates of them.
FORMER = frozenset(["CYP", "EEK", "HRK", "LTL", "LVL", "MTL", "ROL", "SIT", "SKK", "TRL"])
NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]+)?", re.ASCII)
MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name)}
FORMATS_OF_DAYS = {
    "iso": re.compile(r"(?P<y>[0-9]{4})-(?P<m>[0-9]{2})-(?P<d>[0-9]{2})", re.ASCII),
    "d/m/y": re.compile(r"(?P<d>[0-9]{1,2})/(?P<m>[0-9]{1,2})/(?P<y>[0-9]{4})", re.ASCII),
    "m/d/y": re.compile(r"(?P<m>[0-9]{1,2})/(?P<d>[0-9]{1,2})/(?P<y>[0-9]{4})", re.ASCII),
    "d month y": re.compile(r"(?P<d>[0-9]{1,2}) (?P<month>[A-Za-z]+) (?P<y>[0-9]{4})", re.ASCII),
    "month-d-y": re.compile(r"(?P<month>[A-Za-z]+)-(?P<d>[0-9]{1,2})-(?P<y>[0-9]{4})", re.ASCII),
}
SLACK = timedelta(days=1)  # of clocks and time zones: a file from the east may be of tomorrow


class Read(NamedTuple):
    """One rate: ``mid`` units of ``quote`` for one of ``base``; ``line`` is where it stands."""

    base: str
    quote: str
    as_of: datetime
    bid: Decimal | None
    mid: Decimal
    ask: Decimal | None
    line: int

    @property
    def key(self) -> tuple[str, str, datetime]:
        return self.base, self.quote, self.as_of

    @property
    def said(self) -> tuple[Decimal | None, Decimal, Decimal | None]:
        return self.bid, self.mid, self.ask


@dataclass
class Reading:
    """All rates of a file, each time and pair once. ``left_out``: what is no rate for us, by reason, with how often."""

    rates: list[Read] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    _seen: dict[tuple[str, str, datetime], Read] = field(default_factory=dict)

    def add(self, read: Read, column: str) -> None:
        """Raises: RateFileRefused for what contradicts itself or another line."""
        if read.base == read.quote:
            refuse(read.line, column, f"{read.base} against itself")
        if (read.bid is not None and read.bid > read.mid) or (read.ask is not None and read.ask < read.mid):
            refuse(read.line, column, f"bid, mid and ask are out of order: {read.bid}, {read.mid}, {read.ask}")
        if read.as_of > datetime.now(UTC) + SLACK:
            refuse(read.line, column, f"{read.as_of:%Y-%m-%d} is in the future")
        before = self._seen.setdefault(read.key, read)
        if before is read:
            self.rates.append(read)
        elif before.said == read.said:
            self.leave_out("the same rate again")
        else:
            refuse(
                read.line, column,
                f"{read.base}/{read.quote} of {read.as_of:%-d %b %Y} is {before.mid} in line {before.line}",
            )  # fmt: skip

    def leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1

    def finished(self) -> "Reading":
        """Raises: RateFileRefused for a file without a single rate."""
        if not self.rates:
            refuse(1, "", "there is no rate in it")
        return self


def refuse(line: int, column: str, why: str) -> NoReturn:
    """Raises: RateFileRefused, always."""
    where = f"Line {line}, {column}" if column else f"Line {line}"
    raise RateFileRefused(f"{where}: {why}.", line=line, field=column[:80])


def text_of(content: bytes) -> str:
    """The file as text with ``\\n`` at the ends of lines. UTF-8, or UTF-16 that says so."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        refuse(line, "", f"not {encoding[:6].upper().rstrip('-')} text (byte {exc.start + 1})")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\x00" in text:
        refuse(text[: text.index("\x00")].count("\n") + 1, "", "there is a NUL character, so it is no text")
    return text


@dataclass(frozen=True)
class Line:
    """A row of a CSV: where it ends, and its cells by the (tidied, lower-case) head of their column."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


def table(content: bytes) -> tuple[list[str], Iterator[Line]]:
    """Head and lines of a CSV with a head. An empty last column, as after a trailing comma, is none.

    Raises: RateFileRefused for lines of another width, and columns of the same name.
    """
    reader = csv.reader(io.StringIO(text_of(content)), strict=True)
    lines = _cells(reader)
    first = next(lines, None)
    if first is None:
        refuse(1, "", "the file is empty")
    _, cells = first
    trailing = not cells[-1]
    head = [tidy(cell) for cell in (cells[:-1] if trailing else cells)]
    for cell in head:
        if not cell or head.count(cell) > 1:
            refuse(1, cell, "two columns have this name" if cell else "a column has no name")

    def rest() -> Iterator[Line]:
        for number, row in lines:
            if len(row) != len(cells):
                refuse(number, "", f"{len(row)} cells under {len(cells)} columns")
            if trailing and row[-1]:
                refuse(number, row[-1][:20], "a cell under no column")
            yield Line(number, dict(zip(head, row)))

    return head, rest()


def _cells(reader: Any) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, [cell.strip() for cell in row]
    except csv.Error as exc:
        refuse(reader.line_num, "", f"not CSV: {exc}")


def tidy(text: str) -> str:
    """Heads and names compare without case and without how much space there is, none around a slash or parenthesis."""
    return re.sub(r"\s*([/()])\s*", r"\1", " ".join(text.split())).lower()


def need(head: list[str], *columns: str) -> None:
    for column in columns:
        if column not in head:
            refuse(1, column, f"there is no such column; there are {', '.join(head)}"[:250])


def number(text: str, line: int, column: str, *, per: int = 1) -> Decimal:
    """A positive decimal without exponent, sign or grouping, exactly; ``per``: it is the price of so many units.

    Raises: RateFileRefused.
    """
    if not NUMBER.fullmatch(text):
        refuse(line, column, f"{text[:30]!r} is not a number" if text else "there is nothing")
    if len(text) > MOST_DIGITS:  # beyond which decimals would begin to round
        refuse(line, column, f"{text[:40]} has more digits than we keep")
    value = Decimal(text).scaleb(-power_of_ten(per))
    if value <= 0:
        refuse(line, column, "a rate is above zero")
    _, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    if -exponent > MOST_DECIMALS or len(digits) + exponent > MOST_DIGITS - MOST_DECIMALS:
        refuse(line, column, f"{text[:40]} has more digits than we keep")
    return value


def power_of_ten(per: int) -> int:
    """``100`` is 2. Others do not divide exactly, and no source has them."""
    digits = str(per)
    assert digits == "1" + "0" * (len(digits) - 1)
    return len(digits) - 1


def day(text: str, line: int, column: str, *forms: str) -> datetime:
    """00:00 UTC of the day, written in one of ``forms`` (`FORMATS_OF_DAYS`). Raises: RateFileRefused."""
    for form in forms:
        if found := FORMATS_OF_DAYS[form].fullmatch(" ".join(text.split())):
            parts = found.groupdict()
            month = MONTHS.get(parts["month"].lower(), 0) if "month" in parts else int(parts["m"])
            try:
                return midnight(date(int(parts["y"]), month, int(parts["d"])))
            except ValueError:
                break
    refuse(line, column, f"{text[:30]!r} is not a day ({' or '.join(forms)})")


Reader = Callable[[bytes, Mapping[str, Any], date | None], Reading]
