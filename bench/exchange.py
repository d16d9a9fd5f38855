"""What a quote costs: asked for and used at once, beside a plain transfer; and transfers in batches, each at one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

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

ONE_BY_ONE, IN_BATCHES, BATCH = 300, 2_000, 100


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


def p50s_us(*sides: Sequence[Callable[[], object]]) -> list[int]:
    """Of each side, one by one and in turn, so that what the machine does beside falls on all."""
    took: list[list[int]] = [[] for _ in sides]
    for turn in zip(*sides, strict=True):
        for one, times in zip(turn, took, strict=True):
            started = time.monotonic_ns()
            one()
            times.append((time.monotonic_ns() - started) // 1_000)
    return [sorted(times)[len(times) // 2] for times in took]


def rates(*sides: Sequence[Movement]) -> list[int]:
    """Movements a second of each side, by its middle batch; batches take turns."""
    batches = [[partial(posted, side[n : n + BATCH]) for n in range(0, len(side), BATCH)] for side in sides]
    return [BATCH * 10**6 // p50 for p50 in p50s_us(*batches)]


def posted(movements: Sequence[Movement]) -> None:
    for outcome in post(movements):
        outcome.or_raise()


def measure(wallets: Sequence[data.Wallet], one_by_one: int, in_batches: int) -> dict[str, int]:
    """Half of the wallets pay the other half, in shillings or into their dollars: plain or not, as many are touched."""
    theirs = dollars(wallets)
    half = len(wallets) // 2
    pairs = [(wallets[n % half], wallets[half + n % half]) for n in range(max(one_by_one, in_batches))]
    plain = [lambda a=a, b=b: post_one(data.transfer(a, b.id)).or_raise() for a, b in pairs[:one_by_one]]
    converted = [lambda a=a: post_one(at(quote_of(a), a, theirs[a])).or_raise() for a, _ in pairs[:one_by_one]]
    for warm in (*plain[:5], *converted[:5]):
        warm()
    transfer, converting = p50s_us(plain, converted)
    quotes = [quote_of(payer, Kind.TRANSFER) for payer, _ in pairs[:in_batches]]
    plain_rate, quoted_rate = rates(
        [data.transfer(payer, payee.id) for payer, payee in pairs[:in_batches]],
        [at(quote, payer, theirs[payee]) for quote, (payer, payee) in zip(quotes, pairs, strict=False)],
    )
    return {
        "transfer_p50_us": transfer, "quote_and_convert_p50_us": converting, "plain_rate": plain_rate,
        "quoted_rate": quoted_rate,
    }  # fmt: skip


if __name__ == "__main__":
    for name, figure in measure(data.everybody()[1:201], ONE_BY_ONE, IN_BATCHES).items():
        print(name, figure)
