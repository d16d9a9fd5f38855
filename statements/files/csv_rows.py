"""CSV (RFC 4180, UTF-8): a row with the opening balance, one for each movement, one with the totals and the closing
balance, `interim` while the days are not over. PostgreSQL makes the bytes: a hundred thousand rows are streamed without
one of them becoming an object here.
"""

import csv
from collections.abc import Iterator, Sequence
from decimal import Decimal
from io import StringIO
from typing import Any

from django.db import connection

from core.money import EXPONENTS, decimal_string
from reports.tables import FORMULA, FORMULA_BEHIND, SEPARATORS, STARTS
from statements.selectors import LINES, Stated, lines_query

COLUMNS = [
    "record", "number", "date", "time", "timestamp", "kind", "receipt", "counterparty", "memo", "reference",
    "order_reference", "reversal_of", "debit", "credit", "fee", "balance_before", "balance_after", "currency",
    "transaction_id", "movements", "hold_id",
]  # fmt: skip
# Only a text with one of these can be taken for a formula: most have none, and are looked at once.
SUSPECT = f"[{SEPARATORS}{STARTS}\\x01-\\x1f]"
ROWS = """
COPY (
    SELECT 'movement', seq, to_char(local, 'YYYY-MM-DD'), to_char(local, 'HH24:MI:SS'),
           to_char(timezone('UTC', at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), kind, receipt, {counterparty}, {memo},
           {reference}, {order_reference}, reverses,
           CASE side WHEN 1 THEN amount * {unit} END, CASE side WHEN -1 THEN amount * {unit} END,
           CASE WHEN fee <> 0 THEN fee * {unit} END, (balance_after + side * amount) * {unit}, balance_after * {unit},
           %(currency)s, transaction, NULL, hold_id
    FROM (SELECT l.*, timezone(%(timezone)s, l.at) AS local FROM ({lines}) l) l
    ORDER BY seq
) TO STDOUT (FORMAT csv)
"""
INERT = """CASE WHEN {0} ~ %(suspect)s
    THEN regexp_replace(regexp_replace({0}, %(behind)s, '\\1''', 'g'), %(formula)s, '''') ELSE {0} END"""


def parts(stated: Stated) -> Iterator[bytes]:
    found, currency = stated.figures, stated.figures.currency
    days = found.days

    def shown(minor: int) -> str:
        return decimal_string(minor, currency)

    opening = {"record": "opening", "date": days.first, "balance_after": shown(found.opening)}
    closing = {
        "record": "closing" if found.is_final else "interim", "date": days.last, "debit": shown(found.debits),
        "credit": shown(found.credits), "fee": shown(found.fees), "balance_before": shown(found.opening),
        "balance_after": shown(found.closing), "movements": found.entries,
    }  # fmt: skip
    yield row(dict(zip(COLUMNS, COLUMNS))) + row(opening | {"currency": currency})
    query = ROWS.format(
        lines=LINES, unit=Decimal(1).scaleb(-EXPONENTS[currency]),
        **{name: INERT.format(name) for name in ("counterparty", "memo", "reference", "order_reference")},
    )  # fmt: skip
    asked = lines_query(stated.wallet, found.seq_before, found.seq_last) | {
        "currency": currency, "timezone": days.timezone, "suspect": SUSPECT, "behind": FORMULA_BEHIND,
        "formula": FORMULA,
    }  # fmt: skip
    yield from copied(query, asked)
    yield row(closing | {"currency": currency})


def copied(query: str, asked: dict[str, Any]) -> Iterator[bytes]:
    """What PostgreSQL makes of a COPY to us, as it comes."""
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.cursor() as cursor, cursor.copy(query, asked) as copy:
        for part in copy:
            yield bytes(part)


def row(values: dict[str, Any], columns: Sequence[str] = COLUMNS) -> bytes:
    text = StringIO()
    csv.DictWriter(text, columns, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
