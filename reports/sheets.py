"""The trial balance as a file for a spreadsheet: the figures of its page, line by line. Made at once: it is small."""

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import NamedTuple

import xlsxwriter

from core.money import EXPONENTS, decimal_string
from reports.balances import Period, Section, Totals, trial_balance
from reports.writers import CsvWriter, XlsxWriter, write_number

AMOUNTS = ("opening_debit", "opening_credit", "debits", "credits", "closing_debit", "closing_credit")
COLUMNS = ("currency", "class", "account", "name", *AMOUNTS, *(f"{name}_minor" for name in AMOUNTS))


class Sheet(NamedTuple):
    """A file that is complete: its name, what it is, its bytes."""

    name: str
    media_type: str
    content: bytes


def trial_balance_sheet(period: Period, file_format: str) -> Sheet:
    """``file_format`` is csv or xlsx. Amounts as decimals of their currency, and again in minor units."""
    sections = trial_balance(period)
    name = f"trial-balance-{period.start:%Y%m%dT%H%M%S}-{period.end:%Y%m%dT%H%M%S}.{file_format}"
    if file_format == "csv":
        return Sheet(name, CsvWriter.media_type, as_csv(sections))
    return Sheet(name, XlsxWriter.media_type, as_xlsx(sections, period))


def rows_of(section: Section) -> Iterator[tuple[list[str], list[int]]]:
    """Of each line: what it is, and its six amounts."""
    for account_class, lines in section.classes:
        for line in lines:
            yield [section.currency, account_class, line.line, line.name], amounts_of(Totals.of([line]))


def amounts_of(totals: Totals) -> list[int]:
    return [amount for pair in totals for amount in pair]


def as_csv(sections: list[Section]) -> bytes:
    """RFC 4180 in UTF-8, with a header."""
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for section in sections:
        for what, amounts in rows_of(section):
            rows.writerow([*what, *(decimal_string(one, section.currency) for one in amounts), *amounts])
    return text.getvalue().encode()


def as_xlsx(sections: list[Section], period: Period) -> bytes:
    """The lines on one sheet; on another what they are of, and each currency's totals with whether both sides agree."""
    file = BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False})
    bold, whole = book.add_format({"bold": True}), book.add_format({"num_format": "0"})
    places = {
        code: book.add_format({"num_format": "#,##0" + ("." + "0" * digits if digits else "")})
        for code, digits in EXPONENTS.items()
    }
    sheet, totals = book.add_worksheet("Trial balance"), book.add_worksheet("Control totals")

    def write(to: "xlsxwriter.worksheet.Worksheet", line: int, what: list[str], amounts: list[int]) -> None:
        for position, text in enumerate(what):
            to.write_string(line, position, text)
        for position, amount in enumerate(amounts, start=len(what)):
            write_number(to, line, position, decimal_string(amount, what[0]), places[what[0]])
            write_number(to, line, position + len(amounts), str(amount), whole)

    for position, name in enumerate(COLUMNS):
        sheet.write_string(0, position, name, bold)
    sheet.freeze_panes(1, 0)
    sheet.set_column(2, 2, 34)
    lines = (row for section in sections for row in rows_of(section))
    for number, (what, amounts) in enumerate(lines, start=1):
        write(sheet, number, what, amounts)
    facts = [
        ("From", f"{period.start:%Y-%m-%d %H:%M:%S} UTC"),
        ("Up to", f"{period.end:%Y-%m-%d %H:%M:%S} UTC"),
        ("By the time", "it is effective" if period.by_effect else "it was recorded"),
        *([("As known at", f"{period.known:%Y-%m-%d %H:%M:%S} UTC")] if period.by_effect else []),
    ]
    for number, (label, value) in enumerate(facts):
        totals.write_string(number, 0, label, bold)
        totals.write_string(number, 1, value)
    head = len(facts) + 1
    for position, name in enumerate(("currency", "agrees", *COLUMNS[4:])):
        totals.write_string(head, position, name, bold)
    for number, section in enumerate(sections, start=head + 1):
        write(totals, number, [section.currency, "yes" if section.agrees else "NO"], amounts_of(section.totals))
    book.close()
    return file.getvalue()
