"""What customers read of their movements, filtered by the caller: somebody else's is a missing one."""

import json
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from core.work import prepared
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import Customer, TierLimit
from customers.selectors import current_limits
from transactions.errors import HoldNotFound, LimitsNotSet, TransactionNotFound
from transactions.models import Kind, State, Transaction, Usage
from wallets.errors import WalletNotFound, WalletPromised
from wallets.models import Wallet
from wallets.selectors import MASKED_NAME, wallet_of


class HistoryRow(NamedTuple):
    """One line of a wallet's history, newest first. ``seq`` is the entry's number, None for what has not moved money;
    ``at`` is RFC 3339 already."""

    seq: int | None
    at: str
    change: int | None
    balance_after: int | None
    id: UUID
    receipt: str
    kind: str
    state: str
    is_payer: bool
    amount: int
    fee: int
    currency: str
    memo: str
    reference: str | None
    refusal_code: str
    reverses: UUID | None
    rail: str
    counterparty_wallet: UUID | None
    counterparty: str | None
    received: int | None
    received_currency: str | None
    wallet_currency: str
    order_reference: str | None
    hold: UUID | None


class Filters(NamedTuple):
    """What of a history is wanted; None wants all. ``since`` is included, ``until`` is not."""

    kind: str | None = None
    state: str | None = None
    direction: str | None = None
    since: datetime | None = None
    until: datetime | None = None


# Money that moved is found through the entries of the account, in the order and with the balances of the books. What
# has not (refused, pending, unknown) is found through two partial indexes: as payer all but what others failed to
# capture, as payee only top-ups and holds, for nobody is told of what others failed to send. All are keyset scans; a
# date becomes an entry number by bisection.
SHOWN = """t.id, t.receipt, t.kind, t.state, t.payer_id, t.payee_id, t.amount, t.fee, t.payee_fee, t.currency, t.memo,
           t.caller, t.reference, t.refusal_code, t.reverses_id, t.rail,
           t.destination, t.received, t.received_currency, t.hold_id"""
PAGE = f"""
WITH me AS (
    SELECT s.revoked_at IS NOT NULL AS ended, c.state AS customer_state, w.id AS wallet, w.currency, a.id AS account,
           'customer:' || c.id AS principal,
           least(%(seq)s, 1 + CASE
               WHEN %(until)s::timestamptz IS NULL THEN a.seq
               ELSE ledger_entry_at(a.id, %(until)s::timestamptz - interval '1 microsecond') END) AS below,
           CASE WHEN %(since)s::timestamptz IS NULL THEN 0
                ELSE ledger_entry_at(a.id, %(since)s::timestamptz - interval '1 microsecond') END AS above
    FROM {{session}} s
    JOIN customers_customer c ON c.id = s.customer_id
    LEFT JOIN (wallets_wallet w JOIN ledger_account a ON a.id = w.account_id)
           ON w.id = %(wallet)s AND w.customer_id = c.id
    WHERE s.id = %(session)s AND s.customer_id = %(customer)s
), page AS (
    SELECT x.* FROM me CROSS JOIN LATERAL (
        (SELECT e.seq, e.recorded_at AS at, e.side * -e.amount AS change, e.balance_after, {SHOWN}
         FROM ledger_entry e JOIN transactions_transaction t ON t.id = e.journal_id
         WHERE e.account_id = me.account AND e.seq < me.below {{since}}
           AND (%(side)s::smallint IS NULL OR e.side = %(side)s)
           AND (%(kind)s::text IS NULL OR t.kind = %(kind)s) AND (%(state)s::text IS NULL OR t.state = %(state)s)
         ORDER BY e.seq DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT NULL, t.created_at, NULL, NULL, {SHOWN} FROM transactions_transaction t
         WHERE t.payer_id = me.wallet AND t.id < %(id)s AND t.kind <> 'reversal' AND t.hold_id IS NULL
           AND t.state IN ('pending', 'processing', 'unknown', 'failed', 'cancelled', 'expired')
           AND (%(since)s IS NULL OR t.created_at >= %(since)s)
           AND (%(until)s IS NULL OR t.created_at < %(until)s)
           AND (%(side)s IS NULL OR %(side)s = 1)
           AND (%(kind)s IS NULL OR t.kind = %(kind)s) AND (%(state)s IS NULL OR t.state = %(state)s)
         ORDER BY t.id DESC LIMIT %(limit)s)
        UNION ALL
        (SELECT NULL, t.created_at, NULL, NULL, {SHOWN} FROM transactions_transaction t
         WHERE t.payee_id = me.wallet AND t.id < %(id)s
           AND (t.kind = 'top_up' OR t.kind = 'hold' AND t.state <> 'failed')
           AND t.state IN ('pending', 'processing', 'unknown', 'failed', 'cancelled', 'expired')
           AND (%(since)s IS NULL OR t.created_at >= %(since)s)
           AND (%(until)s IS NULL OR t.created_at < %(until)s)
           AND (%(side)s IS NULL OR %(side)s = -1)
           AND (%(kind)s IS NULL OR t.kind = %(kind)s) AND (%(state)s IS NULL OR t.state = %(state)s)
         ORDER BY t.id DESC LIMIT %(limit)s)
    ) x ORDER BY x.at DESC, x.id DESC LIMIT %(limit)s
)
SELECT me.ended, me.customer_state, me.wallet, p.seq,
       to_char(p.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p.change, p.balance_after, p.id,
       p.receipt, p.kind, p.state,
       p.payer_id IS NOT DISTINCT FROM me.wallet, p.amount,
       CASE WHEN p.payer_id = me.wallet OR p.kind = 'top_up' THEN p.fee ELSE p.payee_fee END, p.currency, p.memo,
       CASE WHEN p.caller = me.principal THEN p.reference END,
       CASE WHEN p.payer_id = me.wallet OR p.kind = 'top_up' THEN p.refusal_code ELSE '' END,
       p.reverses_id, coalesce(p.destination ->> 'bank_id', p.rail), o.id, {MASKED_NAME.format("oc.full_name")},
       p.received, p.received_currency, me.currency,
       (SELECT order_reference FROM transactions_transaction WHERE id = coalesce(p.reverses_id, p.id)), p.hold_id
FROM me LEFT JOIN page p ON true
LEFT JOIN wallets_wallet o ON o.id = CASE WHEN p.payer_id = me.wallet THEN p.payee_id ELSE p.payer_id END
LEFT JOIN customers_customer oc ON oc.id = o.customer_id
ORDER BY p.at DESC, p.id DESC
"""  # noqa: S608
# Without blanks that need not be: a statement of more than 4,096 characters is taken apart by psycopg anew each time.
PAGE = "\n".join(line.strip() for line in PAGE.replace(SHOWN, SHOWN.replace(", ", ",")).splitlines())
LATEST = (2**62, UUID(int=2**128 - 1))


# Without a beginning the scan must have no lower bound either, or PostgreSQL expects few rows of it and sorts them all.
HISTORY_SINCE = PAGE.format(session="customers_session", since="AND e.seq > me.above")
HISTORY = PAGE.format(session="customers_session", since="")
# Staff who view as the customer have no session of theirs.
VIEWED = "(SELECT %(session)s::uuid AS id, %(customer)s::uuid AS customer_id, NULL::timestamptz AS revoked_at)"
VIEWED_SINCE = PAGE.format(session=VIEWED, since="AND e.seq > me.above")
VIEWED_WHOLE = PAGE.format(session=VIEWED, since="")


def history(
    customer: UUID, session: UUID, wallet: UUID, filters: Filters, after: tuple[int, UUID] | None, limit: int,
    *, viewed: bool = False,
) -> list[HistoryRow]:  # fmt: skip
    """Up to ``limit`` rows of a wallet's history after the key ``(entry number, id of an attempt)``: one statement.

    ``viewed``: for staff who view as the customer; no session is asked for.
    Raises: SessionEnded, CustomerSuspended, WalletNotFound (also for somebody else's).
    """
    seq, attempt = after or LATEST
    params = filters._asdict() | {
        "customer": customer, "session": session, "wallet": wallet, "seq": seq, "id": attempt, "limit": limit,
        "side": {"out": 1, "in": -1, None: None}[filters.direction],
    }  # fmt: skip
    whole, since = (VIEWED_WHOLE, VIEWED_SINCE) if viewed else (HISTORY, HISTORY_SINCE)
    rows = prepared(since if filters.since else whole, params)
    if rows and rows[0][1] != "active":
        raise CustomerSuspended()
    if not rows or rows[0][0]:
        raise SessionEnded()
    if rows[0][2] is None:
        raise WalletNotFound()
    return [HistoryRow._make(row[3:]) for row in rows if row[7] is not None]


def next_key(rows: list[HistoryRow], after: tuple[int, UUID] | None) -> tuple[int, UUID]:
    """The key after these rows: how far each of the two sources has been read."""
    seq, attempt = after or LATEST
    numbers = [row.seq for row in rows if row.seq is not None]
    attempts = [row.id for row in rows if row.seq is None]
    return (numbers[-1] if numbers else seq, attempts[-1] if attempts else attempt)


DETAIL = f"""
SELECT t.id, t.receipt, t.kind, t.state, t.amount,
       CASE WHEN payer.customer_id = %(customer)s OR t.kind = 'top_up' THEN t.fee ELSE t.payee_fee END AS fee,
       t.currency, t.memo, t.refusal_code, t.reversed_amount,
       t.received, t.received_currency, (SELECT u.quote_id FROM fx_quoteuse u WHERE u.transaction = t.id) AS quote_id,
       t.created_at, t.completed_at, t.payer_id, t.payee_id, t.reverses_id, t.hold_id,
       (SELECT o.order_reference FROM transactions_transaction o WHERE o.id = coalesce(t.reverses_id, t.id))
           AS order_reference,
       coalesce(t.destination ->> 'bank_id', t.rail) AS outside,
       CASE WHEN t.caller = 'customer:' || %(customer)s THEN t.reference END AS reference,
       payer.customer_id = %(customer)s AS is_payer,
       {MASKED_NAME.format("pc.full_name")} AS payer_name, {MASKED_NAME.format("qc.full_name")} AS payee_name,
       (SELECT coalesce(array_agg(r.id ORDER BY r.id), '{{}}') FROM transactions_transaction r
        WHERE r.reverses_id = t.id AND r.state = 'completed') AS reversed_by
FROM transactions_transaction t
LEFT JOIN (wallets_wallet payer JOIN customers_customer pc ON pc.id = payer.customer_id) ON payer.id = t.payer_id
LEFT JOIN (wallets_wallet payee JOIN customers_customer qc ON qc.id = payee.customer_id) ON payee.id = t.payee_id
WHERE t.id = %(id)s
  AND (payer.customer_id = %(customer)s
       OR (payee.customer_id = %(customer)s
           AND (t.kind = 'top_up' OR t.kind = 'hold' AND t.state <> 'failed'
                OR t.state IN ('completed', 'partially_reversed', 'reversed'))))
"""  # noqa: S608


def transaction_for(customer: UUID, transaction: UUID) -> dict[str, Any]:
    """One transaction as its payer or payee sees it; a payee sees of a transfer only that it came.

    Raises: TransactionNotFound, also for everybody else.
    """
    with connection.cursor() as cursor:
        cursor.execute(DETAIL, {"customer": customer, "id": transaction})
        row = cursor.fetchone()
        if row is None:
            raise TransactionNotFound()
        return dict(zip([column.name for column in cursor.description], row, strict=True))


class LimitsLeft(NamedTuple):
    """What the tier allows in one wallet, and what has left it today and this month, by its owner's calendar: minor
    units; None is unlimited."""

    wallet: Wallet
    limit: TierLimit
    today: int
    month: int

    @staticmethod
    def left(allowed: int | None, used: int) -> int | None:
        return None if allowed is None else max(allowed - used, 0)


def limits_left(customer: UUID, wallet: UUID) -> LimitsLeft:
    """For display; posting counts for itself, after the lock. Raises: WalletNotFound, LimitsNotSet."""
    mine = wallet_of(customer, wallet)
    owner = Customer.objects.select_related("country").get(pk=customer)
    today = timezone.now().astimezone(ZoneInfo(owner.country.timezone)).date()
    limit = current_limits(owner, mine.currency, on=today)
    if limit is None:
        raise LimitsNotSet()
    days = Usage.objects.filter(wallet_id=mine.pk, day__gte=today.replace(day=1), day__lte=today)
    used = dict(days.values_list("day", "amount"))
    return LimitsLeft(mine, limit, used.get(today, 0), sum(used.values()))


class HoldRow(NamedTuple):
    """A hold as one of its sides sees it, with the fees that side bears. Minor units; ``captured`` is what was taken so
    far, by ``captures``, oldest first: ``{"id", "receipt", "amount", "fee", "state", "at"}`` each."""

    id: UUID
    receipt: str
    state: str
    amount: int
    fee: int
    currency: str
    memo: str
    reference: str | None
    order_reference: str | None
    created_at: datetime
    completed_at: datetime | None
    expires_at: datetime
    capture_at: datetime | None
    is_payer: bool
    payer: UUID
    payee: UUID
    payer_name: str
    payee_name: str
    captured: int
    captures: list[dict[str, Any]]


HOLD_ROW = f"""
SELECT t.id, t.receipt, t.state, t.amount,
       CASE WHEN payer.customer_id = %(customer)s THEN t.fee ELSE t.payee_fee END, t.currency, t.memo,
       CASE WHEN t.caller = 'customer:' || %(customer)s THEN t.reference END, t.order_reference,
       t.created_at, t.completed_at, h.expires_at, t.capture_at, payer.customer_id = %(customer)s,
       t.payer_id, t.payee_id, {MASKED_NAME.format("pc.full_name")}, {MASKED_NAME.format("qc.full_name")},
       taken.amount, taken.parts
FROM {{found}} f JOIN transactions_transaction t ON t.id = f.id
JOIN ledger_holdevent h ON h.hold = t.id AND h.kind = 'placed'
JOIN (wallets_wallet payer JOIN customers_customer pc ON pc.id = payer.customer_id) ON payer.id = t.payer_id
JOIN (wallets_wallet payee JOIN customers_customer qc ON qc.id = payee.customer_id) ON payee.id = t.payee_id
CROSS JOIN LATERAL (
    SELECT coalesce(sum(c.amount), 0)::bigint AS amount, coalesce(jsonb_agg(jsonb_build_object(
               'id', c.id, 'receipt', c.receipt, 'amount', c.amount, 'state', c.state, 'at', c.created_at,
               'fee', CASE WHEN payer.customer_id = %(customer)s THEN c.fee ELSE c.payee_fee END
           ) ORDER BY c.id), '[]') AS parts
    FROM transactions_transaction c
    WHERE c.hold_id = t.id AND c.state IN ('completed', 'partially_reversed', 'reversed')
) taken
"""  # noqa: S608
# Of each wallet its newest, each way; then the newest of them all.
HOLDS = HOLD_ROW.format(
    found="""(
    SELECT x.id FROM wallets_wallet mine CROSS JOIN LATERAL (
        SELECT t.id FROM transactions_transaction t
        WHERE t.kind = 'hold' AND t.payer_id = mine.id AND t.id < %(after)s AND t.state <> 'failed'
          AND (%(state)s::text IS NULL OR t.state = %(state)s)
        ORDER BY t.id DESC LIMIT %(limit)s) x
    WHERE mine.customer_id = %(customer)s AND coalesce(%(direction)s::text, 'out') = 'out'
    UNION SELECT x.id FROM wallets_wallet mine CROSS JOIN LATERAL (
        SELECT t.id FROM transactions_transaction t
        WHERE t.kind = 'hold' AND t.payee_id = mine.id AND t.id < %(after)s AND t.state <> 'failed'
          AND (%(state)s::text IS NULL OR t.state = %(state)s)
        ORDER BY t.id DESC LIMIT %(limit)s) x
    WHERE mine.customer_id = %(customer)s AND coalesce(%(direction)s::text, 'in') = 'in'
    ORDER BY id DESC LIMIT %(limit)s
)"""
)
ONE_HOLD = HOLD_ROW.format(
    found="""(
    SELECT id FROM transactions_transaction WHERE id = %(id)s AND kind = 'hold' AND state <> 'failed'
)"""
)


def holds_of(
    customer: UUID, *, state: str | None = None, direction: str | None = None, after: UUID | None = None, limit: int
) -> list[HoldRow]:
    """What the customer promised (``out``) or was promised (``in``), newest first: up to ``limit`` after ``after``."""
    params = {"customer": customer, "state": state, "direction": direction, "after": after or LATEST[1], "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(f"{HOLDS} ORDER BY t.id DESC", params)
        return [_hold_row(row) for row in cursor.fetchall()]


def refuse_promised(wallet: UUID) -> None:
    """Its owner could not capture any more, and the payers' money would stay set aside. Raises: WalletPromised."""
    if Transaction.objects.filter(payee_id=wallet, kind=Kind.HOLD, state=State.PENDING).exists():
        raise WalletPromised(wallet_id=wallet)


def hold_of(customer: UUID, hold: UUID) -> HoldRow:
    """One of them. Raises: HoldNotFound, also for somebody else's."""
    sides = "WHERE payer.customer_id = %(customer)s OR payee.customer_id = %(customer)s"
    with connection.cursor() as cursor:
        cursor.execute(f"{ONE_HOLD} {sides}", {"customer": customer, "id": hold})
        row = cursor.fetchone()
    if row is None:
        raise HoldNotFound()
    return _hold_row(row)


def _hold_row(row: Any) -> HoldRow:
    found = HoldRow._make(row)
    return found._replace(captures=json.loads(found.captures) if isinstance(found.captures, str) else found.captures)
