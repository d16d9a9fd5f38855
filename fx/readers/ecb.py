"""Euro reference rates of the European Central Bank: XML and CSV, one day or the history. Units of each per euro.

Cells that say N/A are of currencies that were not quoted that day.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any
from xml.parsers import expat

from fx.readers.base import CURRENCIES, FORMER, Read, Reading, day, need, number, refuse, table

NOT_QUOTED = "N/A"


def read(content: bytes, options: Mapping[str, Any], of: date | None) -> Reading:
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return (read_xml if start == b"<" else read_csv)(content)


def read_csv(content: bytes) -> Reading:
    head, lines = table(content)
    need(head, "date")
    for column in head:
        if column != "date":
            currency(column.upper(), 1, column)
    reading = Reading()
    for line in lines:
        as_of = day(line["date"], line.number, "Date", "iso", "d month y")
        for column, text in line.cells.items():
            if column == "date":
                continue
            if text == NOT_QUOTED:
                reading.leave_out("not quoted (N/A)")
                continue
            code = column.upper()
            mid = number(text, line.number, code)
            reading.add(Read("EUR", code, as_of, None, mid, None, line.number), code)
    return reading.finished()


def read_xml(content: bytes) -> Reading:
    """A parser that knows no entities and no document types: none of ours comes from a server of others."""
    reading, parser = Reading(), expat.ParserCreate()
    days: list[Any] = []

    def started(name: str, attributes: dict[str, str]) -> None:
        line = parser.CurrentLineNumber
        if name.rpartition(":")[2] != "Cube":
            days.append(None)
            return
        if "time" in attributes:
            days.append(day(attributes["time"], line, "time", "iso"))
            return
        days.append(None)
        if not attributes:
            return
        code = currency(attributes.get("currency", ""), line, "currency")
        as_of = next((one for one in reversed(days) if one), None)
        if as_of is None:
            refuse(line, code, "a rate outside of a day")
        text = attributes.get("rate", "")
        if text == NOT_QUOTED:
            reading.leave_out("not quoted (N/A)")
            return
        reading.add(Read("EUR", code, as_of, None, number(text, line, code), None, line), code)

    def refused(*_: Any) -> None:
        refuse(parser.CurrentLineNumber, "DOCTYPE", "a document type or entity is not taken")

    parser.StartElementHandler = started
    parser.EndElementHandler = lambda name: days.pop()
    parser.StartDoctypeDeclHandler = refused
    parser.EntityDeclHandler = refused
    try:
        parser.Parse(content, True)
    except expat.ExpatError as exc:
        refuse(exc.lineno, "", f"not XML: {expat.ErrorString(exc.code)}")
    return reading.finished()


def currency(code: str, line: int, column: str) -> str:
    if code not in CURRENCIES and code not in FORMER:
        refuse(line, column, f"{code[:10]!r} is no currency that we know")
    return code
