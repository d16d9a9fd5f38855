"""The data to measure with: customers with money and sessions, and one wallet with a long history. Made once, kept."""

import random
from collections.abc import Iterator
from datetime import date
from itertools import count
from typing import NamedTuple
from uuid import UUID

from django.core.management import call_command
from django.db import connection
from tqdm import tqdm

from core.ids import uuid7
from core.roles import connected_as_owner
from customers.tokens import access_token
from transactions.models import FeeRule, Kind
from transactions.movements import Movement
from transactions.posting import post
from wallets.parties import Address

CUSTOMERS = 20_000
SIGNED_IN = 2_000
HISTORY = 100_000
ENTRIES = 1_000_000
CURRENCY = "KES"
CHUNK = 1_000


# Keys as a file's lines have them: its name and a running number.
FILE, line = uuid7().hex, count()


class Wallet(NamedTuple):
    """A wallet of a customer who is signed in."""

    id: UUID
    customer: UUID
    session: UUID

    @property
    def token(self) -> str:
        return access_token(self.customer, self.session)


# Set-wise and through the front door of every guard: accounts begin at zero, money comes by `post`.
OPEN = """
WITH people AS (
    INSERT INTO customers_customer (id, full_name, email, phone_number, country_id, account_type, tier, state, password,
                                    created_at, updated_at)
    SELECT gen_random_uuid(), 'Bench Person ' || n, 'bench' || n || '@example.com', '+2547' || 10000000 + n, 'KE',
           'individual', 9, 'active', '!', now(), now()
    FROM generate_series(1, %s) n RETURNING id, now() AS at
), sessions AS (
    INSERT INTO customers_session (id, customer_id, user_agent, created_at, last_used_at, revoked_because)
    SELECT gen_random_uuid(), id, 'bench', at, at, '' FROM people
), wallets AS (
    SELECT gen_random_uuid() AS id, id AS customer_id, at FROM people
), accounts AS (
    INSERT INTO ledger_account (code, name, currency, normal_side, posted, held, floor, seq, hold_seq, debits_frozen,
                                credits_frozen, created_at)
    SELECT 'liability:wallet:' || id, 'Wallet', 'KES', -1, 0, 0, 0, 0, 0, false, false, at FROM wallets
    RETURNING id, code
)
INSERT INTO wallets_wallet (id, customer_id, currency, account_id, created_at)
SELECT w.id, w.customer_id, 'KES', a.id, w.at FROM wallets w JOIN accounts a ON a.code = 'liability:wallet:' || w.id
"""


def prepare() -> list[Wallet]:
    """Migrate, and make what is missing. Tier 9 has no limits, so that no run hits them; they are looked up all the
    same. A transfer costs a fee here, so that every one of them touches one and the same account."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM customers_customer")
        if not cursor.fetchone()[0]:
            cursor.execute(
                "INSERT INTO customers_tierlimit (currency, tier, effective_from, source)"
                " VALUES ('KES', 9, '2024-01-01', 'bench: unlimited')"
            )
            cursor.execute(OPEN, [CUSTOMERS])
    FeeRule.objects.get_or_create(
        kind=Kind.TRANSFER, currency=CURRENCY, effective_from=date(2024, 1, 2), defaults={"flat": 5, "bps": 50}
    )
    wallets = everybody()
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(seq), 0)::bigint FROM ledger_account")
        entries = cursor.fetchone()[0]
    if not entries:
        _post(top_up(w.id, 1_000_000_000_000 if w is wallets[0] else 1_000_000_000) for w in wallets)
        _post((transfer(wallets[0], random.choice(wallets[1:]).id) for _ in range(HISTORY)), HISTORY)
        entries = 3 * HISTORY
    if missing := (ENTRIES - entries) // 3:
        _post((transfer(*random_pair(wallets)) for _ in range(missing)), max(missing, 0))
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return wallets


def everybody() -> list[Wallet]:
    """All wallets; the first is the one with the long history."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.id, w.customer_id, s.id FROM wallets_wallet w JOIN customers_session s USING (customer_id)"
            " WHERE w.currency = %s ORDER BY w.account_id",
            [CURRENCY],
        )
        return [Wallet(*row) for row in cursor.fetchall()]


def top_up(wallet: UUID, amount: int) -> Movement:
    return Movement(
        kind=Kind.TOP_UP, amount=amount, currency=CURRENCY, caller="job:bench", key=f"{FILE}-{next(line)}",
        payee=Address("wallet", str(wallet)), rail="bench", settled=True,
    )  # fmt: skip


def transfer(payer: Wallet, payee: UUID) -> Movement:
    return Movement(
        kind=Kind.TRANSFER, amount=100, currency=CURRENCY, caller=f"customer:{payer.customer}",
        key=f"{FILE}-{next(line)}", payer=Address("wallet", str(payer.id)), payee=Address("wallet", str(payee)),
        owner=payer.customer, session=payer.session,
    )  # fmt: skip


def random_pair(wallets: list[Wallet]) -> tuple[Wallet, UUID]:
    payer, payee = random.sample(wallets[1:], 2)
    return payer, payee.id


def _post(movements: Iterator[Movement], total: int = CUSTOMERS) -> None:
    chunk: list[Movement] = []
    with tqdm(total=total, desc="posting", unit="", mininterval=1) as progress:
        for movement in movements:
            chunk.append(movement)
            if len(chunk) == CHUNK:
                progress.update(bulk(chunk))
                chunk = []
        progress.update(bulk(chunk))


def bulk(movements: list[Movement]) -> int:
    """Post in chunks as a job does; how many. Raises: the first refusal."""
    for start in range(0, len(movements), CHUNK):
        for outcome in post(movements[start : start + CHUNK]):
            outcome.or_raise()
    return len(movements)
