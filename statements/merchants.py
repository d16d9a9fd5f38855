"""A merchant's statement: what a business was paid in some days, what it gave back, and what that cost it, by order.

The same entries as the statement of the wallet, but only those of payments that the wallet received: the payments,
their refunds and reversals, and fees of theirs that were waived. So the net of all lines is what these made of its
balance.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from statements.errors import MerchantStatementNotOffered
from statements.models import BUSINESSES
from statements.selectors import FEE, Figures
from wallets.models import Wallet

# ``p`` is the payment that an entry belongs to. What went back of it counts to the end of the days, so that the same
# days say the same later; gross, fee and net are below zero where they lower what the merchant has.
TAKINGS = f"""
SELECT l.seq, l.at, l.transaction, l.receipt, l.kind, l.order_reference, l.payment, l.payment_receipt,
       l.net + l.fee AS gross, l.fee, l.net, l.refunded,
       CASE l.refunded WHEN 0 THEN 'completed' WHEN l.paid THEN 'reversed' ELSE 'partially_reversed' END AS state
FROM (
    SELECT e.seq, e.recorded_at AS at, t.id AS transaction, t.receipt,
           CASE WHEN w.id IS NULL THEN t.kind ELSE 'fee_waiver' END AS kind, p.order_reference,
           p.id AS payment, p.receipt AS payment_receipt, -e.side * e.amount AS net,
           CASE WHEN w.id IS NULL THEN {FEE} ELSE -e.amount END AS fee,
           CASE e.currency WHEN p.currency THEN p.amount ELSE p.received END AS paid,
           (SELECT coalesce(sum(CASE e.currency WHEN b.currency THEN b.amount ELSE b.received END), 0)::bigint
            FROM transactions_transaction b
            WHERE b.reverses_id = p.id AND b.state = 'completed' AND b.created_at < %(end)s) AS refunded
    FROM ledger_entry e
    JOIN transactions_transaction t ON t.id = e.journal_id
    LEFT JOIN transactions_waivedfee w ON w.movement_id = t.id AND w.of_payee
    JOIN transactions_transaction p
      ON p.id = CASE t.kind WHEN 'payment' THEN t.id WHEN 'adjustment' THEN w.transaction_id ELSE t.reverses_id END
    WHERE e.account_id = %(account)s AND e.seq > %(after)s AND e.seq <= %(until)s
      AND p.kind = 'payment' AND p.payee_id = %(wallet)s
) l
"""  # noqa: S608
SUMS = f"""
SELECT count(*), count(*) FILTER (WHERE kind = 'payment'), count(*) FILTER (WHERE kind = 'refund'),
       count(*) FILTER (WHERE kind = 'reversal'),
       coalesce(sum(gross) FILTER (WHERE kind = 'payment'), 0)::bigint,
       coalesce(-sum(gross) FILTER (WHERE kind = 'refund'), 0)::bigint,
       coalesce(-sum(gross) FILTER (WHERE kind = 'reversal'), 0)::bigint,
       coalesce(sum(fee), 0)::bigint, coalesce(sum(net), 0)::bigint
FROM ({TAKINGS}) l
"""  # noqa: S608
IN_ORDER = 'order_reference IS NULL, order_reference COLLATE "C", seq'  # what has no order reference comes last
KEY = "order_reference IS NULL, coalesce(order_reference, '') COLLATE \"C\", seq"
PAGE = f"""
WITH l AS MATERIALIZED ({TAKINGS})
SELECT * FROM l
WHERE %(page)s::bigint IS NULL OR ({KEY}) > (SELECT {KEY} FROM l WHERE seq = %(page)s)
ORDER BY {IN_ORDER} LIMIT %(limit)s
"""  # noqa: S608


class Takings(NamedTuple):
    """What the payments of a wallet came to, in minor units of its currency: payments - refunds - reversals - fees =
    net. ``fees`` are what the merchant bore, less what it got back of them."""

    lines: int
    payment_count: int
    refund_count: int
    reversal_count: int
    payments: int
    refunds: int
    reversals: int
    fees: int
    net: int

    @property
    def returned(self) -> int:
        return self.refunds + self.reversals


class Taking(NamedTuple):
    """One line. ``kind``: payment, refund, reversal, or fee_waiver; ``payment`` is what it belongs to, ``refunded``
    what of that has gone back by the end of the days, and ``state`` says it in the words of transactions."""

    seq: int
    at: datetime
    transaction: UUID
    receipt: str
    kind: str
    order_reference: str | None
    payment: UUID
    payment_receipt: str
    gross: int
    fee: int
    net: int
    refunded: int
    state: str


def refuse_person(wallet: Wallet) -> None:
    """Raises: MerchantStatementNotOffered."""
    if wallet.customer.account_type not in BUSINESSES:
        raise MerchantStatementNotOffered()


def takings(wallet: Wallet, found: Figures) -> Takings:
    """The sums over the entries that ``found`` bounds."""
    with connection.cursor() as cursor:
        cursor.execute(SUMS, takings_query(wallet, found))
        return Takings(*cursor.fetchone())


def takings_after(wallet: Wallet, found: Figures, page: int | None, limit: int) -> list[Taking]:
    """Up to ``limit`` lines by order reference, then by number; after the one of number ``page``, or the first."""
    with connection.cursor() as cursor:
        cursor.execute(PAGE, takings_query(wallet, found) | {"page": page, "limit": limit})
        return [Taking(*row) for row in cursor.fetchall()]


def takings_query(wallet: Wallet, found: Figures) -> dict[str, Any]:
    """The parameters of `TAKINGS`."""
    return {
        "account": wallet.account_id, "wallet": wallet.pk, "after": found.seq_before, "until": found.seq_last,
        "end": found.days.end,
    }  # fmt: skip
