"""What one country's share of a data set is to be: its plan; a movement that is not over; receipts."""

from dataclasses import dataclass
from typing import NamedTuple

from core.ids import CROCKFORD, DOUBLED, TICK_US, VALUES
from tekana import demo_plan
from transactions.tariff import Tariff

RAIL = "sandbox"
HOUSE = ("rail", "transfer", "payment", "top_up", "cash_out")  # the accounts of a country that are not wallets
SECOND = 1_000_000
DAY = 86_400 * SECOND

TRIPLES = [a + b + c for a in CROCKFORD for b in CROCKFORD for c in CROCKFORD]
OUTER = [DOUBLED[three[0]] + VALUES[three[1]] + DOUBLED[three[2]] for three in TRIPLES]
INNER = [VALUES[three[0]] + DOUBLED[three[1]] + VALUES[three[2]] for three in TRIPLES]


def receipt(at: int, country: int, number: int) -> bytes:
    """As `core.ids.new_receipt` makes them, in order of time; of the numbers of a tick each country has an eighth."""
    tick = at // TICK_US & 0x1FFF_FFFF
    value = tick << 16 | country << 13 | number * 3_571 & 0x1FFF
    first, second, third = value >> 30, value >> 15 & 0x7FFF, value & 0x7FFF
    check = CROCKFORD[-(OUTER[first] + INNER[second] + OUTER[third]) % 32]
    return (TRIPLES[first] + TRIPLES[second] + TRIPLES[third] + check).encode()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One country's share of a data set, and the rules that hold there. Times are microseconds since 1970."""

    country: str
    zone: str
    seed: str
    customers: int
    transactions: int
    start: int
    until: int
    first_account: int  # id of the first customer's account; house accounts come right before
    number: int  # of the country: its receipts are told from others by it
    first_delivery: int
    tariff: Tariff
    texts: dict[str, tuple[str, str]]  # title and body of each kind of notification, with {places}
    titles: dict[str, str]  # of each refusal, by its code

    @property
    def currency(self) -> str:
        return demo_plan.CURRENCY[self.country]


class Flow(NamedTuple):
    """A movement whose row waits until it is known how it ends."""

    id: bytes
    receipt: bytes
    kind: str
    payer: int  # positions; -1 is outside
    payee: int
    amount: int
    fee: int
    memo: bytes
    key: bytes
    caller: bytes
    answer: bytes
    at: int
    born: str
