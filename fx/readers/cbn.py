"""Rates of the Central Bank of Nigeria as CSV, naira per unit: the NFEM's daily dollar, or the list of currencies.

The NFEM's rate is the weighted average of the day's trades; highest and lowest are trades, not offers, and are checked
against it but not kept as bid and ask. The list has buying, central and selling rates, and currencies as words.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any

from fx.readers.base import Read, Reading, day, need, number, refuse, table, tidy

NFEM = "nfem rate"
NAMES = {
    "us dollar": "USD", "pounds sterling": "GBP", "pound sterling": "GBP", "euro": "EUR", "swiss franc": "CHF",
    "yen": "JPY", "cfa": "XOF", "yuan/renminbi": "CNY", "riyal": "SAR", "south african rand": "ZAR",
    "danish krona": "DKK", "danish krone": "DKK",
}  # fmt: skip
UNITS_OF_ACCOUNT = {"waua", "sdr"}


def read(content: bytes, options: Mapping[str, Any], of: date | None) -> Reading:
    head, lines = table(content)
    reading = Reading()
    if NFEM in head:
        need(head, "date", "highest rate", "lowest rate")
        for line in lines:
            as_of = day(line["date"], line.number, "DATE", "month-d-y", "iso")
            mid = number(line[NFEM], line.number, "NFEM RATE")
            highest = number(line["highest rate"], line.number, "HIGHEST RATE")
            lowest = number(line["lowest rate"], line.number, "LOWEST RATE")
            if not lowest <= mid <= highest:
                refuse(line.number, "NFEM RATE", f"{mid} is not between the day's {lowest} and {highest}")
            reading.add(Read("USD", "NGN", as_of, None, mid, None, line.number), "NFEM RATE")
        return reading.finished()
    need(head, "rate date", "currency", "buying rate", "central rate", "selling rate")
    for line in lines:
        name = tidy(line["currency"])
        if name in UNITS_OF_ACCOUNT:
            reading.leave_out("a unit of account, no currency")
            continue
        if name not in NAMES:
            refuse(line.number, "Currency", f"{line['currency'][:30]!r} is no currency that we know")
        as_of = day(line["rate date"], line.number, "Rate Date", "m/d/y")
        bid, mid, ask = (
            number(line[f"{kind} rate"], line.number, f"{kind.capitalize()} Rate")
            for kind in ("buying", "central", "selling")
        )
        reading.add(Read(NAMES[name], "NGN", as_of, bid, mid, ask, line.number), line["currency"])
    return reading.finished()
