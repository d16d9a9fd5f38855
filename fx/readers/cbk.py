"""Indicative rates of the Central Bank of Kenya as CSV: shillings per unit, but for the neighbours' currencies.

Currencies are written as words. ``KES/USHS`` and the like are units of the other currency per shilling, ``JPY(100)`` is
the price of a hundred. Mean, buy and sell, or one average; with a date in each line (dd/mm/yyyy), or of a day that
whoever loads the file says.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from core.days import midnight
from fx.readers.base import Read, Reading, day, need, number, refuse, table, tidy


class Name(NamedTuple):
    """The other currency; ``per``: the price is of so many units; ``turned``: units of it per shilling."""

    currency: str
    per: int = 1
    turned: bool = False


NAMES = {
    "us dollar": Name("USD"), "stg pound": Name("GBP"), "sterling pound": Name("GBP"), "euro": Name("EUR"),
    "sa rand": Name("ZAR"), "south african rand": Name("ZAR"), "canadian dollar": Name("CAD"),
    "australian dollar": Name("AUD"), "swiss franc": Name("CHF"), "indian rupee": Name("INR"),
    "japanese yen(100)": Name("JPY", 100), "ae dirham": Name("AED"), "can $": Name("CAD"), "s franc": Name("CHF"),
    "jpy(100)": Name("JPY", 100), "sw kroner": Name("SEK"), "nor kroner": Name("NOK"), "dan kroner": Name("DKK"),
    "ind rupee": Name("INR"), "hongkong $": Name("HKD"), "hongkong dollar": Name("HKD"),
    "singapore $": Name("SGD"), "singapore dollar": Name("SGD"), "saudi riyal": Name("SAR"),
    "chinese yuan": Name("CNY"), "australian $": Name("AUD"),
    "kes/ushs": Name("UGX", turned=True), "kes/tshs": Name("TZS", turned=True), "kes/rwf": Name("RWF", turned=True),
    "kes/bif": Name("BIF", turned=True),
}  # fmt: skip
AVERAGE = "exchange rate"


def read(content: bytes, options: Mapping[str, Any], of: date | None) -> Reading:
    head, lines = table(content)
    need(head, "currency")
    if AVERAGE not in head:
        need(head, "mean", "buy", "sell")
    if "date" not in head and of is None:
        refuse(1, "Date", "there is no column with the day; say which day the file is of")
    reading = Reading()
    for line in lines:
        name = NAMES.get(tidy(line["currency"]))
        if name is None:
            refuse(line.number, "Currency", f"{line['currency'][:30]!r} is no currency that we know")
        if "date" in head:
            as_of = day(line["date"], line.number, "Date", "d/m/y", "iso")
        else:
            assert of is not None
            as_of = midnight(of)
        base, quote = ("KES", name.currency) if name.turned else (name.currency, "KES")
        if AVERAGE in head:
            bid, ask = None, None
            mid = number(line[AVERAGE], line.number, "Exchange rate", per=name.per)
        else:
            bid, mid, ask = (
                number(line[column], line.number, column.capitalize(), per=name.per)
                for column in ("buy", "mean", "sell")
            )
        reading.add(Read(base, quote, as_of, bid, mid, ask, line.number), line["currency"])
    return reading.finished()
