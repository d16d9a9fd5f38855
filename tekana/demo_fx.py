"""What `make demo` knows of exchange: invented rates of sixty business days, four providers, a few quotes. Repeatable.

The rates are nobody's: they have a source of their own, so that no page says a central bank published them.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import transaction as db_transaction

from fx.models import Quote
from fx.services import add_provider, add_terms, load_rates, quote, set_source

CALLER = "job:demo"
SOURCE = "demo"
DAYS = 60
# Units of the second for one of the first, in ten-thousandths, on the first day; each then takes a walk.
RATES = {
    ("USD", "KES"): 1_292_000, ("USD", "UGX"): 36_500_000, ("USD", "TZS"): 24_500_000, ("USD", "RWF"): 14_500_000,
    ("USD", "NGN"): 14_800_000, ("USD", "GHS"): 113_000, ("USD", "ZAR"): 173_000, ("EUR", "USD"): 11_600,
    ("GBP", "USD"): 13_300, ("KES", "UGX"): 282_500,
}  # fmt: skip
PROVIDERS: dict[str, tuple[str, list[tuple[str, str, int]], dict[str, Any]]] = {
    "wekeza": ("Wekeza Bank", [("KES", "USD", 35), ("USD", "KES", 35), ("KES", "UGX", 60), ("UGX", "KES", 60),
                               ("KES", "TZS", 70), ("TZS", "KES", 70)], {"daily_cap": 20_000_000_00}),
    "lagos": ("Lagos Exchange", [("USD", "NGN", 55), ("NGN", "USD", 75), ("USD", "GHS", 90), ("GHS", "USD", 110)],
              {"speed_seconds": 3_600}),
    "kigali": ("Kigali Forex", [("USD", "RWF", 45), ("RWF", "USD", 45), ("KES", "RWF", 80), ("RWF", "KES", 80)], {}),
    "atlas": ("Atlas Brokers", [("USD", "KES", 20), ("KES", "USD", 20), ("USD", "EUR", 8), ("EUR", "USD", 8),
                                ("USD", "GBP", 9), ("GBP", "USD", 9), ("USD", "ZAR", 15), ("ZAR", "USD", 15)],
              {"minimum": 50_000_00, "speed_seconds": 86_400, "weekdays": "12345"}),
}  # fmt: skip
QUOTES = [("KES", "USD", 25_000_00), ("KES", "NGN", 40_000_00), ("USD", "RWF", 300_00), ("KES", "USD", 900_000_00)]


@db_transaction.atomic
def load(today: date) -> bool:
    """Once, all of it or nothing; whether it had to be done."""
    if Quote.objects.filter(caller=CALLER).exists():
        return False
    columns = {"date": "date", "base": "base", "quote": "quote", "rate": "rate"}
    set_source(
        code=SOURCE, name="Invented rates of the demo", format="csv", options=columns, max_age=250, priority=50,
        actor=CALLER,
    )  # fmt: skip
    load_rates(SOURCE, invented(today), file_name="invented.csv", actor=CALLER)
    for code, (name, pairs, said) in PROVIDERS.items():
        add_provider(code=code, name=name, actor=CALLER)
        for sell, buy, bps in pairs:
            add_terms(
                provider=code, sell=sell, buy=buy, cost_bps=bps, maximum=50_000_000_00, effective_from=today,
                actor=CALLER, **said,
            )  # fmt: skip
    for sell, buy, amount in QUOTES:
        quote(caller=CALLER, sell=sell, buy=buy, sell_minor=amount)
    return True


def invented(today: date) -> bytes:
    """The file: the same walk every time, ending on the last business day."""
    return "\n".join(["date,base,quote,rate", *lines(today), ""]).encode()


def lines(today: date) -> Iterator[str]:
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS * 7 // 5))]
    for number, ((base, other), start) in enumerate(sorted(RATES.items())):
        chance, rate = Random(number), start  # noqa: S311 (a picture, no secret)
        for day in days:
            if day.isoweekday() <= 5:
                rate += rate * chance.randint(-40, 41) // 10_000
                yield f"{day},{base},{other},{Decimal(rate).scaleb(-4)}"
