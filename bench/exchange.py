"""What a quote costs: asked for and used at once, beside a plain transfer; and transfers in batches, each at one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import django

django.setup()

import fx.services  # noqa: E402
from bench import data  # noqa: E402
from customers.models import Customer, TierLimit  # noqa: E402
from fx.models import Quote  # noqa: E402
from tekana import demo_fx  # noqa: E402
from transactions import tariff  # noqa: E402
from transactions.models import Kind  # noqa: E402
from transactions.movements import Movement  # noqa: E402
from transactions.posting import post, post_one  # noqa: E402
from transactions.quotes import QuoteClaim  # noqa: E402
from wallets.models import Wallet  # noqa: E402
from wallets.parties import Address  # noqa: E402
from wallets.services import open_wallet  # noqa: E402

ONE_BY_ONE, IN_BATCHES = 300, 2_000


def dollars(wallets: Sequence[data.Wallet]) -> dict[data.Wallet, Wallet]:
    """A wallet in dollars for each of these customers; rates and providers as in the demo."""
    if not Quote.objects.exists():
        demo_fx.load(datetime.now(UTC).date())
    TierLimit.objects.get_or_create(
        country=None, currency="USD", tier=9, effective_from=date(2024, 1, 1), defaults={"source": "bench: unlimited"}
    )
    tariff.forget()
    people = Customer.objects.in_bulk([wallet.customer for wallet in wallets])
    there = {row.customer_id: row for row in Wallet.objects.filter(customer__in=people, currency="USD")}
    return {
        one: there.get(one.customer) or open_wallet(people[one.customer], "USD", actor=None) for one in wallets
    }  # fmt: skip


def quote_of(payer: data.Wallet, kind: str = Kind.CONVERSION) -> Quote:
    return fx.services.quote(
        caller=f"customer:{payer.customer}", sell="KES", buy="USD", sell_minor=130_00, tier=9, kind=kind
    )


def at(quote: Quote, payer: data.Wallet, payee: Wallet) -> Movement:
    return replace(
        data.transfer(payer, payee.pk), kind=quote.kind, amount=quote.sell_minor - quote.fee_minor,
        payee=Address("wallet", str(payee.pk)), received=quote.buy_minor, received_currency="USD",
        claim=QuoteClaim(quote.pk),
    )  # fmt: skip


def p50_us(what: Sequence[Callable[[], object]]) -> int:
    took = []
    for one in what:
        started = time.monotonic_ns()
        one()
        took.append((time.monotonic_ns() - started) // 1_000)
    return sorted(took)[len(took) // 2]


def rate(movements: list[Movement]) -> int:
    started = time.monotonic_ns()
    for first in range(0, len(movements), 100):
        for outcome in post(movements[first : first + 100]):
            outcome.or_raise()
    return len(movements) * 10**9 // (time.monotonic_ns() - started)


def measure(wallets: Sequence[data.Wallet], one_by_one: int, in_batches: int) -> dict[str, int]:
    """Both sides take turns in halves, so that what the machine does beside falls on both."""
    theirs = dollars(wallets)
    others = [*wallets[1:], wallets[0]]
    turns = [wallets[n % len(wallets)] for n in range(one_by_one)]
    pairs = [(wallets[n % len(wallets)], others[n % len(wallets)]) for n in range(in_batches)]
    plain = [lambda one=one: post_one(data.transfer(one, others[0].id)).or_raise() for one in turns if one != others[0]]
    converted = [lambda one=one: post_one(at(quote_of(one), one, theirs[one])).or_raise() for one in turns]
    for warm in (*plain[:5], *converted[:5]):
        warm()
    found = {"transfer_p50_us": p50_us(plain), "quote_and_convert_p50_us": p50_us(converted)}
    quotes = [quote_of(payer, Kind.TRANSFER) for payer, _ in pairs]
    found["plain_rate"] = rate([data.transfer(payer, payee.id) for payer, payee in pairs])
    found["quoted_rate"] = rate(
        [at(quote, payer, theirs[payee]) for quote, (payer, payee) in zip(quotes, pairs, strict=True)]
    )
    return found


if __name__ == "__main__":
    for name, figure in measure(data.everybody()[1:41], ONE_BY_ONE, IN_BATCHES).items():
        print(name, figure)
