"""Questions about payouts. A customer's come filtered: what is not theirs, to pay or to approve, is a missing one."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from customers.models import Customer
from payouts.errors import ApproverNotFound, PayoutNotFound
from payouts.models import AloneLimit, Approver, ApproverState, Batch
from wallets.selectors import MASKED_NAME

ALONE_HOURS = timedelta(hours=24)


def payouts_seen_by(customer_id: UUID) -> QuerySet[Batch]:
    """Their own, and those of the businesses that they approve for; the newest first."""
    approves = Approver.objects.filter(
        business=OuterRef("customer"), approver_id=customer_id, state=ApproverState.ACTIVE
    )
    return Batch.objects.filter(Q(customer_id=customer_id) | Q(Exists(approves)) & Q(errors_total=0))


def page_of_payouts(
    customer_id: UUID, *, role: str = "", status: str = "", after: UUID | None = None, limit: int
) -> list[Batch]:
    """The same as a page: of each payer the newest, along the index, and then the newest of them all; each with its
    payer. ``role``: only as payer, or as approver."""
    approves = Approver.objects.filter(approver_id=customer_id, state=ApproverState.ACTIVE)
    businesses = [] if role == "payer" else list(approves.values_list("business_id", flat=True))
    ways = [Batch.objects.filter(customer_id=business, errors_total=0) for business in businesses]
    if role != "approver":
        ways.append(Batch.objects.filter(customer_id=customer_id))
    if not ways:
        return []
    wanted = Q(**({"state": status} if status else {}), **({"pk__lt": after} if after else {}))
    newest = [rows.filter(wanted).order_by("-id").values_list("id", flat=True)[:limit] for rows in ways]
    found = sorted(newest[0].union(*newest[1:], all=True), reverse=True)[:limit]
    rows = Batch.objects.filter(pk__in=found).select_related("customer").defer("errors", "warnings")
    return list(rows.order_by("-id"))


def payout_for(customer_id: UUID, payout_id: UUID) -> Batch:
    """Raises: PayoutNotFound."""
    found = payouts_seen_by(customer_id).filter(pk=payout_id).first()
    if found is None:
        raise PayoutNotFound()
    return found


class ItemRow(NamedTuple):
    """An item with whom it reaches and what came of it; minor units. ``recipient`` is a masked name, ``state`` an
    `ItemStatus`, ``returned`` what of it was given back since."""

    line: int
    to_by: str
    to_value: str
    wallet: UUID
    recipient: str
    amount: int
    name: str
    memo: str
    reference: str
    state: str
    refusal_code: str
    transaction: UUID | None
    receipt: str | None
    fee: int | None
    paid_at: Any
    returned: int | None


# What waits in a payout that is over is unpaid; of all or nothing, the line that stopped it says why.
ITEMS = f"""
SELECT i.line, i.to_by, i.to_value, i.wallet_id, {MASKED_NAME.format("c.full_name")}, i.amount, i.name, i.memo,
       i.reference, told.state, CASE WHEN i.line = b.refusal_line THEN b.refusal_code ELSE i.refusal_code END,
       i.transaction_id, t.receipt, CASE WHEN i.state = 'paid' THEN t.fee END,
       CASE WHEN i.state = 'paid' THEN t.created_at END, CASE WHEN i.state = 'paid' THEN t.reversed_amount END
FROM payouts_batch b JOIN payouts_item i ON i.batch_id = b.id
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.state = 'waiting' AND b.state IN ('failed', 'cancelled', 'expired') THEN 'unpaid'
                ELSE i.state END AS state
) told
LEFT JOIN wallets_wallet w ON w.id = i.wallet_id LEFT JOIN customers_customer c ON c.id = w.customer_id
LEFT JOIN transactions_transaction t ON t.id = i.transaction_id
WHERE b.id = %s AND i.batch_id = %s AND i.line > %s AND (%s = '' OR told.state = %s)
ORDER BY i.line LIMIT %s
"""  # noqa: S608
RETURNED = """
SELECT count(*), coalesce(sum(t.reversed_amount), 0)::bigint FROM payouts_item i
JOIN transactions_transaction t ON t.id = i.transaction_id
WHERE i.batch_id = %s AND i.state = 'paid' AND t.reversed_amount > 0
"""


def items_of(payout_id: UUID, *, after: int = 0, state: str = "", limit: int) -> Sequence[ItemRow]:
    """In the order of the file."""
    with connection.cursor() as cursor:
        cursor.execute(ITEMS, [payout_id, payout_id, after, state, state, limit])
        return [ItemRow._make(row) for row in cursor.fetchall()]


def given_back(payout_id: UUID) -> tuple[int, int]:
    """Of how many items something was given back after they were paid, and how much: minor units."""
    with connection.cursor() as cursor:
        cursor.execute(RETURNED, [payout_id])
        items, amount = cursor.fetchone()
    return items, amount


def alone_limit(business: UUID, currency: str) -> int:
    """Up to how much in 24 hours the owner approves alone; 0: nothing."""
    row = AloneLimit.objects.filter(business=business, currency=currency).order_by("-id").first()
    return row.amount if row else 0


def alone_left(business: UUID, currency: str, at: datetime | None = None) -> int:
    """What of it is left after what the owner approved alone in the 24 hours before, by default before now."""
    since = (at or timezone.now()) - ALONE_HOURS
    mine = Batch.objects.filter(customer=business, currency=currency, approved_by=business, approved_at__gt=since)
    used = mine.aggregate(sum=Sum("total"))["sum"] or 0
    return max(alone_limit(business, currency) - used, 0)


def alone_left_of(batches: Sequence[Batch]) -> dict[tuple[UUID, str], int]:
    """`alone_left` of the businesses among those who pay these, by owner and currency."""
    pairs = {(batch.customer_id, batch.currency) for batch in batches if batch.customer.is_business}
    return {pair: alone_left(*pair) for pair in pairs}


def needs_second_person(batch: Batch, owner: Customer) -> bool:
    """Whether the owner cannot approve it alone, as of now."""
    return owner.is_business and batch.total > alone_left(owner.pk, batch.currency)


def approvers_around(customer_id: UUID) -> QuerySet[Approver]:
    """Who approves for this customer, and for whom this customer does; the oldest first."""
    rows = Approver.objects.filter(Q(business=customer_id) | Q(approver=customer_id))
    return rows.select_related("business", "approver").order_by("id")


def approver_for(customer_id: UUID, approver_id: UUID) -> Approver:
    """Raises: ApproverNotFound, also where it is about two others."""
    found = approvers_around(customer_id).filter(pk=approver_id).first()
    if found is None:
        raise ApproverNotFound()
    return found


def active_approvers(business: UUID) -> QuerySet[Approver]:
    return Approver.objects.filter(business=business, state=ApproverState.ACTIVE)


def payout_of_transaction(idempotency_key: str) -> UUID | None:
    """The payout whose item it is, which the key of its transaction says."""
    parts = idempotency_key.removeprefix("payout-").rsplit("-", 2)
    return UUID(parts[0]) if len(parts) == 3 else None
