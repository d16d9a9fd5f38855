"""What we would have earned if another price had been in force: the movements of some days, priced anew by `Fee.on`.

Set-wise where it can be: PostgreSQL counts movements that no rule could tell apart, Python prices each such group once.
Tiers and kinds of account are those of today; what was waived is not taken off what would have been.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from core.admin.lists import first_id_at
from core.money import EXPONENTS
from transactions import tariff
from transactions.tariff import Fee, Side, Tariff

DAYS = 30
MOST = 200_000  # movements that are looked at, the newest first
SECONDS = 20
GROUPS = """
SELECT t.amount, (t.created_at AT TIME ZONE 'UTC')::date, t.rail, pc.country_id, pc.account_type, pc.tier,
       qc.country_id, qc.account_type, qc.tier, count(*), sum(t.fee + t.payee_fee)::bigint
FROM (
    SELECT * FROM transactions_transaction
    WHERE currency = %(currency)s AND kind = %(kind)s AND id >= %(first)s
      AND state IN ('completed', 'partially_reversed', 'reversed')
    ORDER BY id DESC LIMIT %(most)s
) t
LEFT JOIN wallets_wallet p ON p.id = t.payer_id LEFT JOIN customers_customer pc ON pc.id = p.customer_id
LEFT JOIN wallets_wallet q ON q.id = t.payee_id LEFT JOIN customers_customer qc ON qc.id = q.customer_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


@dataclass
class Sums:
    """Movements and minor units: what was earned, and what would have been."""

    count: int = 0
    actual: int = 0
    would_be: int = 0

    def add(self, count: int, actual: int, would_be: int) -> None:
        self.count += count
        self.actual += actual
        self.would_be += would_be


@dataclass
class WhatIf:
    """``met``: those that the price would have been for. ``dearer``, ``same``, ``cheaper``: how many of them.
    ``by_size``: by the least power of ten, in minor units, above the amount. ``is_cut``: there were more movements."""

    since: date
    all: Sums = field(default_factory=Sums)
    met: Sums = field(default_factory=Sums)
    dearer: int = 0
    same: int = 0
    cheaper: int = 0
    by_size: dict[int, Sums] = field(default_factory=lambda: defaultdict(Sums))
    is_cut: bool = False


class Group(NamedTuple):
    """Movements alike, and what they paid in all."""

    amount: int
    day: date
    rail: str
    payer: Side | None
    payee: Side | None
    movements: int
    paid: int


def what_if(kind: str, currency: str, fee: Fee, *, days: int = DAYS, most: int = MOST) -> WhatIf:
    """As if for ``days`` what it says had been the price for those it names, in place of what they had; promotions and
    what others had stay. Raises OperationalError when it takes longer than SECONDS."""
    since = timezone.now() - timedelta(days=days)
    trial = fee._replace(effective_from=since.date(), last_day=None, id=None)
    others = [
        (of, code, *rule)
        for of, code, *rule in tariff.fee_rows()
        if (of, code) != (kind, currency) or Fee(*rule)[11:16] != trial[11:16] or Fee(*rule).last_day
    ]
    rules = Tariff([*others, (kind, currency, *trial)], [], [])
    found = WhatIf(since.date())
    for group in groups(kind, currency, since, most):
        sides = (group.payer, group.payee)
        rule = rules.fee(kind, currency, group.day, lambda sides=sides: sides, group.rail)  # type: ignore[misc]
        would_be = rule.on(group.amount) * group.movements if rule == trial else group.paid
        found.all.add(group.movements, group.paid, would_be)
        if rule != trial:
            continue
        found.met.add(group.movements, group.paid, would_be)
        found.dearer += group.movements if would_be > group.paid else 0
        found.cheaper += group.movements if would_be < group.paid else 0
        found.same += group.movements if would_be == group.paid else 0
        found.by_size[10 ** max(len(str(group.amount)), EXPONENTS[currency] + 1)].add(
            group.movements, group.paid, would_be
        )
    found.is_cut = found.all.count >= most
    return found


def groups(kind: str, currency: str, since: datetime, most: int) -> list[Group]:
    asked: dict[str, Any] = {"kind": kind, "currency": currency, "first": first_id_at(since), "most": most}
    with db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS}s"])
        cursor.execute(GROUPS, asked)
        return [
            Group(amount, day, rail, _side(*row[:3]), _side(*row[3:6]), row[6], row[7])
            for amount, day, rail, *row in cursor.fetchall()
        ]


def _side(country: str | None, account_type: str | None, tier: int | None) -> Side | None:
    return None if country is None or account_type is None or tier is None else Side(country, account_type, tier)
