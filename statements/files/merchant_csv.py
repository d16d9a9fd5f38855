"""The merchant's statement as CSV (RFC 4180, UTF-8): a row for each payment, refund and reversal, by order reference,
and one with the totals. PostgreSQL makes the bytes, as in `csv_rows.py`."""

from collections.abc import Iterator
from decimal import Decimal

from core.money import EXPONENTS, decimal_string
from reports.tables import FORMULA, FORMULA_BEHIND
from statements.files.csv_rows import INERT, SUSPECT, copied, row
from statements.merchants import IN_ORDER, TAKINGS, takings, takings_query
from statements.selectors import Stated

COLUMNS = [
    "record", "order_reference", "kind", "receipt", "payment_receipt", "date", "time", "timestamp", "gross", "fee",
    "net", "currency", "refunded", "state", "transaction_id", "number",
]  # fmt: skip
ROWS = f"""
COPY (
    SELECT 'line', {INERT.format("order_reference")}, kind, receipt, payment_receipt, to_char(local, 'YYYY-MM-DD'),
           to_char(local, 'HH24:MI:SS'), to_char(timezone('UTC', at), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           gross * {{unit}}, fee * {{unit}}, net * {{unit}}, %(currency)s, refunded * {{unit}}, state, transaction, seq
    FROM (SELECT l.*, timezone(%(timezone)s, l.at) AS local FROM ({TAKINGS}) l) l
    ORDER BY {IN_ORDER}
) TO STDOUT (FORMAT csv)
"""  # noqa: S608


def parts(stated: Stated) -> Iterator[bytes]:
    found, currency = stated.figures, stated.figures.currency
    total = takings(stated.wallet, found)

    def shown(minor: int) -> str:
        return decimal_string(minor, currency)

    yield row(dict(zip(COLUMNS, COLUMNS)), COLUMNS)
    asked = takings_query(stated.wallet, found) | {
        "currency": currency, "timezone": found.days.timezone, "suspect": SUSPECT, "behind": FORMULA_BEHIND,
        "formula": FORMULA,
    }  # fmt: skip
    yield from copied(ROWS.format(unit=Decimal(1).scaleb(-EXPONENTS[currency])), asked)
    yield row(
        {
            "record": "total",
            "date": found.days.last,
            "gross": shown(total.payments - total.returned),
            "fee": shown(total.fees),
            "net": shown(total.net),
            "currency": currency,
            "refunded": shown(total.returned),
            "number": total.lines,
        },
        COLUMNS,
    )
