"""What we would have earned if another price had been in force: the movements of some days, priced anew by `Fee.on`.

Set-wise where it can be: PostgreSQL counts movements that no rule could tell apart, Python prices each such group once,
as the books do: a capture with those of its hold before it and by the day of the hold, what a quote was taken for by
all that left the wallet, both less what customers were granted. Tiers and kinds of account are those of today; what was
waived of single fees, or went back with reversals, is taken off neither side.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from django.db import connection

from core.admin.lists import first_id_at
from core.money import EXPONENTS
from transactions import tariff
from transactions.models import Kind
from transactions.tariff import Fee, Side, Tariff, less

CHUNK = 20_000  # movements of the currency, of whatever kind, that are looked at in one statement
END = (
    "SELECT id FROM transactions_transaction WHERE currency = %s AND id > %s AND id < %s ORDER BY id OFFSET %s LIMIT 1"
)
MOVED = "('completed', 'partially_reversed', 'reversed')"
WAIVED = """
    LEFT JOIN LATERAL (
        SELECT bps FROM transactions_feewaiver WHERE customer_id = {whose} AND m.day BETWEEN effective_from AND last_day
          AND (kind IS NULL OR kind = %(kind)s) AND (currency IS NULL OR currency = %(currency)s)
        ORDER BY id DESC LIMIT 1
    ) {name} ON true
"""
GROUPS = f"""
SELECT m.amount, m.paid, m.day, m.rail, m.exchanged, m.promised, m.before, coalesce(less.bps, 0),
       coalesce(payee_less.bps, 0), m.p_country, m.p_type, m.p_tier, m.q_country, m.q_type, m.q_tier, count(*)
FROM (
    SELECT t.amount + CASE WHEN t.received IS NULL THEN 0 ELSE t.fee END AS amount, t.fee + t.payee_fee AS paid, t.rail,
           t.received IS NOT NULL AS exchanged, h.amount AS promised,
           CASE WHEN h.id IS NOT NULL THEN ARRAY(
               SELECT c.amount FROM transactions_transaction c
               WHERE c.hold_id = h.id AND c.id < t.id AND c.state IN {MOVED} ORDER BY c.id) END AS before,
           (coalesce(h.created_at, t.created_at) AT TIME ZONE z.timezone)::date AS day,
           coalesce(pc.id, qc.id) AS mine, qc.id AS payee,
           pc.country_id AS p_country, pc.account_type AS p_type, pc.tier AS p_tier,
           qc.country_id AS q_country, qc.account_type AS q_type, qc.tier AS q_tier
    FROM transactions_transaction t
    LEFT JOIN transactions_transaction h ON h.id = t.hold_id
    LEFT JOIN wallets_wallet p ON p.id = t.payer_id LEFT JOIN customers_customer pc ON pc.id = p.customer_id
    LEFT JOIN wallets_wallet q ON q.id = t.payee_id LEFT JOIN customers_customer qc ON qc.id = q.customer_id
    JOIN customers_country z ON z.code = coalesce(pc.country_id, qc.country_id)
    WHERE t.currency = %(currency)s AND t.kind = %(kind)s AND t.id > %(after)s AND t.id <= %(end)s
      AND t.state IN {MOVED}
) m
{WAIVED.format(whose="m.mine", name="less")}
{WAIVED.format(whose="m.payee", name="payee_less")}
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
"""  # noqa: S608


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

    def less(self, other: "Sums") -> "Sums":
        return Sums(self.count - other.count, self.actual - other.actual, self.would_be - other.would_be)


@dataclass
class WhatIf:
    """``met``: those that the price would have been for. ``dearer``, ``same``, ``cheaper``: how many of them; of which
    ``refused``: would have been refused, for nothing would have arrived. ``by_size``: by the least power of ten, in
    minor units, above the amount."""

    all: Sums = field(default_factory=Sums)
    met: Sums = field(default_factory=Sums)
    dearer: int = 0
    same: int = 0
    cheaper: int = 0
    refused: int = 0
    by_size: dict[int, Sums] = field(default_factory=dict)

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """As `dataclasses.asdict` wrote it into a row."""
        sizes = {int(size): Sums(**sums) for size, sums in kept["by_size"].items()}
        return cls(**(kept | {"all": Sums(**kept["all"]), "met": Sums(**kept["met"]), "by_size": sizes}))


class Group(NamedTuple):
    """Movements alike: each of ``amount`` minor units, of which ``paid`` was earned in fees. ``exchanged``: at a quote,
    and ``amount`` is all that left the wallet. Of captures: how much was ``promised``, and what was captured
    ``before``."""

    amount: int
    paid: int
    day: date
    rail: str
    exchanged: bool
    promised: int | None
    before: list[int] | None
    waived_bps: int
    payee_waived_bps: int
    payer: Side | None
    payee: Side | None
    movements: int


class Trial:
    """As if from ``since`` on what ``fee`` says had been the price for those it names, in place of what they had;
    promotions and what others had stay."""

    def __init__(self, kind: str, currency: str, fee: Fee, since: datetime, found: WhatIf | None = None) -> None:
        self.kind, self.currency, self.found = kind, currency, found or WhatIf()
        self.fee = fee._replace(effective_from=since.date(), last_day=None, id=None)
        others = [
            (of, code, *rule)
            for of, code, *rule in tariff.fee_rows()
            if (of, code) != (kind, currency) or Fee(*rule)[11:16] != self.fee[11:16] or Fee(*rule).last_day
        ]
        self.rules = Tariff([*others, (kind, currency, *self.fee)], [], [])

    def chunk(self, after: UUID, until: UUID) -> UUID | None:
        """Price those with ids above ``after`` and below ``until``, as many as fit one statement; the id up to which
        they were, None when there are no more."""
        asked: dict[str, Any] = {"kind": self.kind, "currency": self.currency, "after": after}
        with connection.cursor() as cursor:
            cursor.execute(END, [self.currency, after, until, CHUNK - 1])
            row = cursor.fetchone()
            cursor.execute(GROUPS, asked | {"end": row[0] if row else until})
            for group in groups(cursor):
                self.add(group)
        return row[0] if row else None

    def add(self, group: Group) -> None:
        sides = (group.payer, None if group.exchanged else group.payee)
        rule = self.rules.fee(self.kind, self.currency, group.day, lambda: sides, group.rail)
        met, found, count, actual = rule == self.fee, self.found, group.movements, group.paid * group.movements
        each = charged(rule, group, self.kind) if met else group.paid
        would_be = (each or 0) * count
        found.all.add(count, actual, would_be)
        if not met:
            return
        found.met.add(count, actual, would_be)
        size = 10 ** max(len(str(group.amount)), EXPONENTS[self.currency] + 1)
        found.by_size.setdefault(size, Sums()).add(count, actual, would_be)
        if each is None:
            found.refused += count
        elif each > group.paid:
            found.dearer += count
        elif each < group.paid:
            found.cheaper += count
        else:
            found.same += count


def charged(rule: Fee, group: Group, kind: str) -> int | None:
    """What one of them would have paid in all; None where it would have been refused."""
    amount, less_bps = group.amount, (group.waived_bps, group.payee_waived_bps)
    if group.exchanged:  # the payer bears all of it
        fee = less(rule.on(amount), group.waived_bps)
        return fee if fee < amount else None
    if group.promised is None:
        payer, payee = rule.borne(amount, *less_bps)
    else:
        payer, payee = captured(rule, group.promised, [*(group.before or []), amount], less_bps)
    return None if payee >= amount or (kind == Kind.TOP_UP and payer >= amount) else payer + payee


def captured(rule: Fee, promised: int, parts: list[int], less_bps: tuple[int, int]) -> tuple[int, int]:
    """What payer and payee bear of the last of these parts of a hold (`rules.holds`)."""
    most, taken, bore, before = rule.borne(promised, *less_bps), 0, (0, 0), (0, 0)
    for part in parts:
        taken, before = taken + part, bore
        bore = tariff.so_far(rule.borne(taken, *less_bps), most=most, before=bore)
    return bore[0] - before[0], bore[1] - before[1]


def before(since: datetime) -> UUID:
    """The id just below the first of that instant."""
    return UUID(int=first_id_at(since).int - 1)


def groups(rows: Any) -> Iterator[Group]:
    for *told, p_country, p_type, p_tier, q_country, q_type, q_tier, movements in rows:
        sides = (_side(p_country, p_type, p_tier), _side(q_country, q_type, q_tier))
        yield Group._make([*told, *sides, movements])


def _side(country: str | None, account_type: str | None, tier: int | None) -> Side | None:
    return None if country is None or account_type is None or tier is None else Side(country, account_type, tier)
