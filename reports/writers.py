"""Files, written row by row in bounded memory from what PostgreSQL streams (COPY).

A CSV file is bytes of the database's own making. A workbook is made here: its cells say what they are, so that text is
text whatever it begins with, and amounts are numbers where a spreadsheet can hold them exactly.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xlsxwriter
from xlsxwriter.exceptions import FileCreateError, FileSizeError

from core.money import EXPONENTS, decimal_string
from reports.errors import ExportTooLarge
from reports.tables import Cell, Exportable, Total

if TYPE_CHECKING:
    from psycopg import Copy

CHUNK = 1 << 18
COUNT_EVERY = 500
LONGEST_NAME = 27  # of 31 characters that a sheet's name may have, with room for a number
SHEET_ROWS = 1_048_576  # of a worksheet, its header included
EXACT_DIGITS = 15  # of any decimal that a spreadsheet's number, an IEEE double, keeps
DAY = timedelta(days=1)
SPREADSHEET_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)

Count = Callable[[int], None]


class Writer(ABC):
    """One file in the making: `rows` once, then `finish` with what they add up to."""

    media_type: str
    copy_format: str
    as_inert: bool  # whether text that could be a formula is to come with an apostrophe

    @abstractmethod
    def __init__(self, path: Path, of: Exportable) -> None: ...

    @abstractmethod
    def rows(self, copy: "Copy", count: Count) -> int:
        """Write all rows, telling ``count`` every now and then how many there are; how many there were."""

    @abstractmethod
    def finish(self, facts: Sequence[tuple[str, str]], totals: Sequence[Total]) -> None:
        """``facts`` are what a file that has room for it says about itself."""


class CsvWriter(Writer):
    """RFC 4180 in UTF-8: one header, then the rows as they come."""

    media_type = "text/csv; charset=utf-8"
    copy_format = "FORMAT csv"
    as_inert = True

    def __init__(self, path: Path, of: Exportable) -> None:
        self.file = path.open("wb", buffering=CHUNK)
        self.file.write(",".join(column.name for column in of.columns).encode() + b"\n")
        self.file.flush()

    def rows(self, copy: "Copy", count: Count) -> int:
        written = 0
        write = self.file.write
        for row in copy:  # the server sends each row as one message
            write(row)
            written += 1
            if written % COUNT_EVERY == 0:
                count(written)
        return written

    def finish(self, facts: Sequence[tuple[str, str]], totals: Sequence[Total]) -> None:
        self.file.close()


class XlsxWriter(Writer):
    """A workbook: the rows, on as many sheets as they need, and the control totals on the second."""

    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    copy_format = "FORMAT text"
    as_inert = False

    def __init__(self, path: Path, of: Exportable) -> None:
        self.of = of
        options = {
            "constant_memory": True,
            "tmpdir": str(path.parent),
            "strings_to_formulas": False,
            "strings_to_numbers": False,
            "strings_to_urls": False,
        }
        self.book = xlsxwriter.Workbook(path, options)
        self.book.use_zip64()
        self.bold = self.book.add_format({"bold": True})
        # Text stays text even where somebody edits the cell.
        self.text = self.book.add_format({"quote_prefix": True})
        self.instant = self.book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self.whole = self.book.add_format({"num_format": "0"})
        self.amounts = {
            code: self.book.add_format({"num_format": "#,##0" + ("." + "0" * places if places else "")})
            for code, places in EXPONENTS.items()
        }
        self.sheets = 0
        first = self.new_sheet()
        self.totals_sheet = self.book.add_worksheet("Control totals")
        self.sheet = first

    def new_sheet(self) -> Any:
        self.sheets += 1
        sheet = self.book.add_worksheet(self.of.title[:LONGEST_NAME] + (f" {self.sheets}" if self.sheets > 1 else ""))
        for position, column in enumerate(self.of.columns):
            sheet.write_string(0, position, column.name, self.bold)
        sheet.freeze_panes(1, 0)
        return sheet

    def rows(self, copy: "Copy", count: Count) -> int:
        cells = [column.cell for column in self.of.columns]
        at = {column.source: position for position, column in enumerate(self.of.columns)}
        currency_at = [
            at.get(column.of or self.of.currency) if column.cell == Cell.AMOUNT else None for column in self.of.columns
        ]
        written, line = 0, 0
        for row in copy.rows():
            line += 1
            if line == SHEET_ROWS:
                self.sheet, line = self.new_sheet(), 1
            for position, (cell, value, currency) in enumerate(zip(cells, row, currency_at)):
                if value:
                    self.write(line, position, cell, value, row[currency] if currency is not None else "")
            written += 1
            if written % COUNT_EVERY == 0:
                count(written)
        return written

    def write(self, line: int, position: int, cell: Cell, value: str, currency: str) -> None:
        sheet = self.sheet
        if cell == Cell.AMOUNT:
            write_number(sheet, line, position, value, self.amounts.get(currency))
        elif cell == Cell.WHOLE:
            write_number(sheet, line, position, value, self.whole)
        elif cell == Cell.INSTANT:
            days = (datetime.fromisoformat(value) - SPREADSHEET_EPOCH) / DAY
            sheet.write_number(line, position, days, self.instant)
        else:
            sheet.write_string(line, position, value, self.text if cell in (Cell.FREE, Cell.JSON) else None)

    def finish(self, facts: Sequence[tuple[str, str]], totals: Sequence[Total]) -> None:
        sheet = self.totals_sheet
        sheet.set_column(0, 0, 18)
        sheet.set_column(1, 12, 22)
        line = 0
        for label, value in facts:
            sheet.write_string(line, 0, label, self.bold)
            sheet.write_string(line, 1, value, self.text)
            line += 1
        line += 1
        heads = ["currency", "rows", *self.of.sums, *[f"{name}_minor" for name in self.of.sums]]
        for position, head in enumerate(heads):
            sheet.write_string(line, position, head, self.bold)
        for total in totals or [Total("", 0, dict.fromkeys(self.of.sums, 0))]:
            line += 1
            sheet.write_string(line, 0, total.currency)
            sheet.write_number(line, 1, total.rows, self.whole)
            places = self.amounts.get(total.currency, self.whole)
            for position, minor in enumerate(total.sums.values(), start=2):
                amount = decimal_string(minor, total.currency) if total.currency else str(minor)
                write_number(sheet, line, position, amount, places)
                write_number(sheet, line, position + len(total.sums), str(minor), self.whole)
        try:
            self.book.close()
        except FileSizeError as exc:
            raise ExportTooLarge("Too large for a workbook: take CSV, or narrow the filters.") from exc
        except FileCreateError as exc:  # what the system said is inside
            raise (exc.args[0] if exc.args and isinstance(exc.args[0], OSError) else exc) from exc


def write_number(sheet: Any, line: int, position: int, value: str, style: Any) -> None:
    """A decimal as a number where a spreadsheet keeps it, as text otherwise."""
    if len(value) <= EXACT_DIGITS:
        # The only float there is: up to so many digits it stands for the decimal that was written and no other.
        sheet.write_number(line, position, float(value), style)
    else:
        sheet.write_string(line, position, value)


WRITERS: dict[str, type[Writer]] = {"csv": CsvWriter, "xlsx": XlsxWriter}
