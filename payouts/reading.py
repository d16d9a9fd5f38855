"""From the bytes of a file to items, and what is wrong with which line. No database; nothing here decides about money.

What cannot be read at all is refused as a whole; what is wrong with single lines is told line by line, all of it at
once, so that a file is put right in one go.
"""

import csv
import hashlib
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from rest_framework.exceptions import ValidationError

from core.contacts import e164, mailbox
from core.errors import AmountNotPositive, TekanaError
from core.money import EXPONENTS, Money
from core.serializers import BIDI_CONTROLS, UNPRINTABLE, AmountField
from payouts.errors import NoItems, PayoutFileUnreadable, TooManyItems
from wallets.parties import Address

MOST_ITEMS = 10_000
MOST_BYTES = 8 * 2**20  # what 10,000 lines need with every field at its longest in plain letters, and room to spare
MOST_TOLD = 500  # lines that are named; beyond them they are counted
LONGEST = {"name": 120, "memo": 140, "reference": 80}
RECIPIENT = {"wallet_id": "wallet", "phone_number": "phone", "email": "email"}
COLUMNS = ("to", *RECIPIENT, "amount", "currency", *LONGEST)
KNOWN_TITLES = f"The titles are {', '.join(COLUMNS)}."
LONGEST_TITLES = 2_000
MOST_ROWS = 10 * MOST_ITEMS  # with empty ones, of which eight million fit in
SEPARATORS = ",;\t"
MORE_CELLS = ","  # stands in a row for cells beyond the last title; no title, for it separates them
SAID_SEPARATOR = re.compile(r"sep=([,;\t])\r?\n", re.I)  # what some spreadsheets write before the titles
NAME = re.compile(r"[A-Za-z_]{1,40}")  # a field's; what else is written there is nobody's to read
# One comma and one or two digits behind it are decimals to everybody; three might be thousands.
DECIMAL_COMMA = re.compile(r"([0-9]+),([0-9]{1,2})", re.ASCII)
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
ONE_RECIPIENT = "Give exactly one of wallet_id, phone_number and email."
SAID = {
    "required": "This is missing.",
    "invalid": "This is not text.",
    "unprintable": "Control characters are not allowed.",
    "invalid_phone": "Write the number with its country code, for example +254712345678.",
    "invalid_email": "This is not an e-mail address.",
    "invalid_wallet": "This is not the id of a wallet.",
    "invalid_recipient": "Write a wallet id, a phone number with its country code, or an e-mail address.",
    "ambiguous_amount": "This could be read in two ways: write 1050.75, without separators of thousands.",
    "unknown_field": "Unknown field.",
    "columns": "This line has more cells than there are titles.",
}


class Fault(NamedTuple):
    """What is wrong with, or odd about, one field of one line. Nothing of what was written there is repeated."""

    line: int
    field: str
    code: str
    message: str


class Asked(NamedTuple):
    """One item as it was asked for; ``amount`` in minor units of the paying wallet's currency."""

    line: int
    to: Address
    amount: int
    name: str
    memo: str
    reference: str


@dataclass(slots=True)
class Faults:
    """The first MOST_TOLD, and how many there are."""

    told: list[Fault] = field(default_factory=list)
    total: int = 0

    def add(self, line: int, field: str, code: str, message: str = "") -> None:
        self.total += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(Fault(line, field, code, message or SAID[code]))


@dataclass(slots=True)
class File:
    """What was read: ``lines`` items, of which ``items`` can be understood."""

    items: list[Asked] = field(default_factory=list)
    lines: int = 0
    errors: Faults = field(default_factory=Faults)

    @property
    def fingerprint(self) -> str:
        """Of whom is paid how much and what for, in whatever order."""
        rows = sorted((*item.to, item.amount, item.name, item.memo, item.reference) for item in self.items)
        return hashlib.sha256(msgspec.json.encode(rows)).hexdigest()


Row = tuple[int, Mapping[str, Any]]


def read_json(items: Any, currency: str) -> File:
    """``items`` as they came in a JSON body: a list of objects. Raises: NoItems, TooManyItems, PayoutFileUnreadable."""
    if not isinstance(items, list):
        raise PayoutFileUnreadable("`items` is a list of objects.")
    if not all(isinstance(item, dict) for item in items[: MOST_ITEMS + 1]):
        raise PayoutFileUnreadable("`items` is a list of objects.")
    return _read(enumerate(items, 1), currency)


def read_csv(content: bytes, currency: str) -> File:
    """A CSV with a line of titles, separated by commas, semicolons or tabs; in UTF-8, with or without its mark.

    Raises: PayoutFileUnreadable, NoItems, TooManyItems.
    """
    return _read(_rows(_text(content)), currency)


def _text(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PayoutFileUnreadable("This file is in UTF-16. Please save it as CSV UTF-8.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = content[: exc.start].count(b"\n") + 1
        raise PayoutFileUnreadable(f"Line {line} is not in UTF-8. Please save the file as CSV UTF-8.") from exc


def _rows(text: str) -> Iterator[Row]:
    if said := SAID_SEPARATOR.match(text):
        separator, skipped = said[1], 1
        text = text[said.end() :]
    else:
        first = re.split(r"[\r\n]", text.lstrip(), maxsplit=1)[0]
        separator, skipped = max(SEPARATORS, key=first.count), 0
        if len(first) > LONGEST_TITLES:
            raise PayoutFileUnreadable(f"The first line is too long. {KNOWN_TITLES}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    titles: list[str] = []
    ended = 0
    try:
        for number, cells in enumerate(reader):
            if number > MOST_ROWS:
                raise PayoutFileUnreadable(f"More than {MOST_ROWS:,} lines, most of them empty.")
            began, ended = ended + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not titles:
                titles = _titles(cells)
                continue
            row: dict[str, Any] = {title: cell for title, cell in zip(titles, cells) if cell.strip()}
            if any(cell.strip() for cell in cells[len(titles) :]):
                row[MORE_CELLS] = ""
            if separator == ";" and (comma := DECIMAL_COMMA.fullmatch(row.get("amount", "").strip())):
                row["amount"] = f"{comma[1]}.{comma[2]}"
            yield began + skipped, row
    except csv.Error as exc:
        raise PayoutFileUnreadable(f"Line {ended + 1 + skipped} cannot be read as CSV: {exc}.") from exc


def _titles(cells: list[str]) -> list[str]:
    titles = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in cells]
    while titles and not titles[-1]:
        titles.pop()
    if unknown := [title for title in titles if title not in COLUMNS]:
        raise PayoutFileUnreadable(
            f"The first line has a title that we do not know: “{unknown[0][:40]}”. {KNOWN_TITLES}"
        )
    if len(set(titles)) < len(titles):
        raise PayoutFileUnreadable("A title comes twice.")
    if "amount" not in titles or not {"to", *RECIPIENT} & set(titles):
        raise PayoutFileUnreadable(
            f"The first line has the titles of the columns; amount and to are needed. {KNOWN_TITLES}"
        )
    return titles


def _read(rows: Iterable[Row], currency: str) -> File:
    file = File()
    for line, row in rows:
        file.lines += 1
        if file.lines > MOST_ITEMS:
            raise TooManyItems(f"At most {MOST_ITEMS:,}.", most=MOST_ITEMS)
        before = file.errors.total
        item = _item(line, row, currency, file.errors)
        if file.errors.total == before and item:
            file.items.append(item)
    if not file.lines:
        raise NoItems()
    return file


def _item(line: int, row: Mapping[str, Any], currency: str, errors: Faults) -> Asked | None:
    for name in row:
        if name == MORE_CELLS:
            errors.add(line, "", "columns")
        elif name not in COLUMNS:
            errors.add(line, _named(name), "unknown_field")
    asked_in = row.get("currency", currency)
    if asked_in != currency and str(asked_in).strip().upper() != currency:
        errors.add(line, "currency", "currency_mismatch", f"The paying wallet holds {currency}.")
    texts = {name: _words(line, name, row[name], errors) if name in row else "" for name in LONGEST}
    amount = _amount(line, row.get("amount"), currency, errors)
    to = _recipient(line, row, errors)
    if to is None or not amount:
        return None
    return Asked(line, to, amount, **texts)


def _named(name: str) -> str:
    return name if NAME.fullmatch(name) else ""


def _words(line: int, name: str, value: Any, errors: Faults) -> str:
    """One line of printable text, as `core.serializers.TextField` reads it."""
    if not isinstance(value, str):
        errors.add(line, name, "invalid")
        return ""
    text = value.strip()
    if not (text.isascii() and text.isprintable()):
        text = unicodedata.normalize("NFC", text)
        if any(char in BIDI_CONTROLS or unicodedata.category(char) in UNPRINTABLE for char in text):
            errors.add(line, name, "unprintable")
    if len(text) > LONGEST[name]:
        errors.add(line, name, "max_length", f"At most {LONGEST[name]} characters.")
    return text


_amounts = AmountField()


def _amount(line: int, value: Any, currency: str, errors: Faults) -> int:
    if value is None or value == "":
        errors.add(line, "amount", "required")
        return 0
    if isinstance(value, str):
        value = value.strip()
        if "," in value or " " in value or "\u00a0" in value:
            errors.add(line, "amount", "ambiguous_amount")
            return 0
    try:
        money = Money.parse(_amounts.to_internal_value(value), currency)
        if money.amount_minor <= 0:
            raise AmountNotPositive()
        return money.amount_minor
    except TekanaError as refusal:
        errors.add(
            line, "amount", refusal.code, refusal.for_customer if refusal.code == "invalid_amount" else refusal.detail
        )
    except ValidationError:
        errors.add(
            line, "amount", "invalid_amount", f"Write an amount such as {'1050.75' if EXPONENTS[currency] else '1050'}."
        )
    return 0


def _recipient(line: int, row: Mapping[str, Any], errors: Faults) -> Address | None:
    """``to`` as an object with one of the three, or as text that tells which of them it is; or a column for each."""
    to = row.get("to")
    given: Mapping[str, Any] = to if isinstance(to, Mapping) else row
    named = [name for name in RECIPIENT if given.get(name) is not None]
    if isinstance(to, Mapping) and (unknown := set(to) - set(RECIPIENT)):
        errors.add(line, f"to.{_named(min(unknown))}", "unknown_field")
        return None
    if to is not None and not isinstance(to, str | Mapping):
        errors.add(line, "to", "invalid")
        return None
    if isinstance(to, str) and not named:
        text = to.strip().removeprefix("'")  # by which a spreadsheet is kept from taking a number for a sum
        by = "email" if "@" in text else "wallet" if ID.fullmatch(text) else "phone"
        return _address(
            line,
            "to",
            by,
            text,
            "invalid_recipient" if by == "phone" and not text[:1].isdigit() and text[:1] != "+" else "",
            errors,
        )
    if to is None and not named:
        errors.add(line, "to", "required")
        return None
    if len(named) != 1 or (to is not None and not isinstance(to, Mapping)):
        errors.add(line, "to", "invalid", ONE_RECIPIENT)
        return None
    (name,) = named
    value = given[name]
    place = f"to.{name}" if isinstance(to, Mapping) else name
    if not isinstance(value, str):
        errors.add(line, place, "invalid")
        return None
    return _address(line, place, RECIPIENT[name], value.strip().removeprefix("'"), "", errors)


def _address(line: int, place: str, by: str, text: str, wrong: str, errors: Faults) -> Address | None:
    value: str | None
    match by:
        case "wallet":
            value, code = (str(UUID(text)) if ID.fullmatch(text) else None), "invalid_wallet"
        case "phone":
            value, code = e164(text), "invalid_phone"
        case _:
            value, code = mailbox(text), "invalid_email"
    if value is None:
        errors.add(line, place, wrong or code)
        return None
    return Address(by, value)
