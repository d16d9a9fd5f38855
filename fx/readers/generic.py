"""Files of others, described by the options of their source's row: JSON by paths, CSV by columns.

Options of JSON: ``rates`` (path to an object of code: rate), ``date`` (path; a day, an instant, or seconds since 1970),
and ``base`` (a code, or ``@`` and a path). Of CSV: ``date``, ``base``, ``quote``, ``rate`` (columns; ``=USD`` is the
code itself) and ``day`` (how days are written). Of both: ``per`` (the rates are of so many units), ``turned`` (units of
the base for one of the other). What is no currency of ISO 4217 is left out; so is the base against itself.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from core.days import midnight
from fx.errors import InvalidRateSource
from fx.models import MOST_DIGITS
from fx.readers.base import (
    CURRENCIES,
    FORMATS_OF_DAYS,
    Read,
    Reading,
    day,
    need,
    number,
    refuse,
    table,
    text_of,
    tidy,
)

NEEDED = {"json": ("rates", "base"), "csv": ("date", "base", "quote", "rate")}
KNOWN = {
    "json": {"rates", "base", "date", "per", "turned"},
    "csv": {"date", "base", "quote", "rate", "day", "per", "turned"},
}
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.]+(Z|[+-][0-9]{2}:?[0-9]{2})", re.ASCII)


def check_options(format: str, options: Mapping[str, Any]) -> None:
    """Raises: InvalidRateSource."""
    if format not in NEEDED:
        if options:
            raise InvalidRateSource("This format has no options.")
        return
    for name in NEEDED[format]:
        if not isinstance(options.get(name), str) or not options[name]:
            raise InvalidRateSource(f"The option {name} is missing.", option=name)
    if unknown := set(options) - KNOWN[format]:
        raise InvalidRateSource(f"There is no option {min(unknown)}.", option=min(unknown))
    if options.get("per", 1) not in (1, 10, 100, 1000) or not isinstance(options.get("turned", False), bool):
        raise InvalidRateSource("Rates are of 1, 10, 100 or 1000 units; turned is true or false.")
    if options.get("day", "iso") not in FORMATS_OF_DAYS:
        raise InvalidRateSource(f"Days are written as one of {', '.join(FORMATS_OF_DAYS)}.", option="day")


def read_csv(content: bytes, options: Mapping[str, Any], of: date | None) -> Reading:
    head, lines = table(content)
    columns = {name: options[name] for name in NEEDED["csv"]}
    need(head, *(tidy(column) for column in columns.values() if not column.startswith("=")))
    reading = Reading()
    for line in lines:
        said = {name: column[1:] if column.startswith("=") else line[tidy(column)] for name, column in columns.items()}
        codes = [said[name].upper() for name in ("base", "quote")]
        if not set(codes) <= CURRENCIES:
            reading.leave_out("no currency of ISO 4217")
            continue
        as_of = day(said["date"], line.number, columns["date"], options.get("day", "iso"))
        mid = number(said["rate"], line.number, columns["rate"], per=options.get("per", 1))
        base, quote = reversed(codes) if options.get("turned") else codes
        reading.add(Read(base, quote, as_of, None, mid, None, line.number), columns["rate"])
    return reading.finished()


def read_json(content: bytes, options: Mapping[str, Any], of: date | None) -> Reading:
    text = text_of(content)
    try:
        document = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_number, object_pairs_hook=_once
        )
    except json.JSONDecodeError as exc:
        refuse(exc.lineno, f"column {exc.colno}", f"not JSON: {exc.msg}")
    except RecursionError:
        refuse(1, "", "not JSON of rates: nested too deeply")
    base = options["base"]
    if base.startswith("@"):
        base = _at(document, base[1:], text)
    base = str(base).upper()
    if base not in CURRENCIES:
        refuse(line_of(text, options["base"].lstrip("@")), "base", f"{base[:10]!r} is no currency that we know")
    as_of = _instant(_at(document, options["date"], text), options["date"], text) if "date" in options else None
    if as_of is None and of is None:
        refuse(1, "date", "the file says no day; say which day it is of")
    rates = _at(document, options["rates"], text)
    if not isinstance(rates, dict) or not rates:
        refuse(line_of(text, options["rates"]), options["rates"], "there are no rates by currency")
    reading, after = Reading(), text.find(f'"{options["rates"].split(".")[-1]}"')
    for code, value in rates.items():
        line = line_of(text, code, after)
        where = f"{options['rates']}.{code}"
        if code.upper() not in CURRENCIES:
            reading.leave_out("no currency of ISO 4217")
            continue
        if code.upper() == base:
            reading.leave_out("the base against itself")
            continue
        if isinstance(value, bool) or not isinstance(value, (Decimal, str)):
            refuse(line, where, f"{str(value)[:30]!r} is not a number")
        if isinstance(value, Decimal):
            if not -MOST_DIGITS < value.adjusted() < MOST_DIGITS:  # written out it would fill the memory
                refuse(line, where, f"{value} is no rate")
            value = f"{value:f}"
        mid = number(value, line, where, per=options.get("per", 1))
        one, other = (code.upper(), base) if options.get("turned") else (base, code.upper())
        if as_of is None:
            assert of is not None
            as_of = midnight(of)
        reading.add(Read(one, other, as_of, None, mid, None, line), where)
    return reading.finished()


def _no_number(text: str) -> Any:
    return text  # NaN, Infinity: then refused as no number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            refuse(1, key, "the same name twice in one object")
        found[key] = value
    return found


def _at(document: Any, path: str, text: str) -> Any:
    """``quotes.usd`` of a document. Raises: RateFileRefused."""
    for step in path.split("."):
        if not isinstance(document, dict) or step not in document:
            refuse(line_of(text, step), path, "there is no such member")
        document = document[step]
    return document


def _instant(said: Any, path: str, text: str) -> datetime:
    line = line_of(text, path.split(".")[-1])
    if isinstance(said, Decimal):
        if not 0 < said < 10**11 or said != int(said):
            refuse(line, path, f"{said} are no seconds since 1970")
        return datetime.fromtimestamp(int(said), UTC)
    if isinstance(said, str) and INSTANT.fullmatch(said):
        try:
            return datetime.fromisoformat(said).astimezone(UTC)
        except ValueError:
            refuse(line, path, f"{said[:40]!r} is no instant")
    return day(str(said), line, path, "iso")


def line_of(text: str, key: str, after: int = 0) -> int:
    """Where a member of that name stands; the first line when it does not."""
    found = text.find(f'"{key.split(".")[-1]}"', max(after, 0))
    return text[: max(found, 0)].count("\n") + 1
