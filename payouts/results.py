"""What came of each item, as a file for the payer: a spreadsheet opens it as it is, and takes nothing for a sum."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC

from core.errors import TekanaError
from core.money import decimal_string
from core.problems import catalogue
from payouts.models import Batch
from payouts.selectors import ItemRow, items_of

TITLES = (
    "line", "to", "name", "recipient", "amount", "fee", "currency", "memo", "reference", "status", "code", "reason",
    "transaction_id", "receipt", "paid_at", "returned",
)  # fmt: skip
AT_A_TIME = 1_000
# What a spreadsheet may take for a formula, even behind blanks and quotes. The same as in exports; a test compares.
FORMULA = re.compile(
    "^[\\s\"'`‘’“”«»\u00a0\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff]*[=+@\\-\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
)


def result_file(batch: Batch) -> Iterator[bytes]:
    """CSV in UTF-8 with its mark, piece by piece."""
    yield "\ufeff".encode() + _written([TITLES])
    after = 0
    while rows := items_of(batch.pk, after=after, limit=AT_A_TIME):
        yield _written([_cells(batch, row) for row in rows])
        after = rows[-1].line


def _cells(batch: Batch, row: ItemRow) -> tuple[str, ...]:
    fee = "" if row.fee is None else decimal_string(row.fee, batch.currency)
    returned = decimal_string(row.returned, batch.currency) if row.returned else ""
    paid_at = row.paid_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if row.paid_at else ""
    texts = (row.to_value, row.name, row.recipient or "")
    return (
        str(row.line), *map(inert, texts), decimal_string(row.amount, batch.currency), fee, batch.currency,
        inert(row.memo), inert(row.reference), row.state, row.refusal_code, reason_of(row.refusal_code),
        str(row.transaction or ""), row.receipt or "", paid_at, returned,
    )  # fmt: skip


def inert(text: str) -> str:
    """With an apostrophe before what could be a formula; a phone number's plus sign is one."""
    return f"'{text}" if FORMULA.match(text) else text


def reason_of(code: str) -> str:
    """A refusal in words for the payer."""
    if not code:
        return ""
    kind = catalogue().get(code, TekanaError)
    return kind.for_customer or kind.title


def _written(rows: list[tuple[str, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
