"""A transaction by whatever somebody can name of it: id, receipt, reference, key. Each is an index look-up."""

from django.db.models import Q, QuerySet
from django.utils.html import format_html

from core.admin import Hit, finder, moment, money, page_url
from core.admin.search import MOST_HITS
from core.ids import read_receipt
from customers.finding import read_uuid
from transactions.admin.shown import receipt_shown, state_badge
from transactions.models import Transaction

FEWEST = 4  # characters of a reference or key


def named(text: str) -> list[Q]:
    """Every way in which ``text`` could name a transaction, each of which reads one index."""
    if (identity := read_uuid(text)) is not None:
        return [Q(pk=identity), Q(idempotency_key=text), Q(reference=text), Q(rail_reference=text)]
    ways = []
    if (receipt := read_receipt(text)) is not None:
        ways.append(Q(receipt=receipt))
    if len(text) >= FEWEST:
        ways += [Q(idempotency_key=text), Q(reference=text), Q(rail_reference=text) & ~Q(rail_reference="")]
    return ways


def matching(text: str) -> QuerySet[Transaction]:
    """A union of index look-ups, not one OR, which would read the table. Slice it."""
    ways = [Transaction.objects.filter(way).order_by().values("pk")[:MOST_HITS] for way in named(text)]
    if not ways:
        return Transaction.objects.none()
    return Transaction.objects.filter(pk__in=ways[0].union(*ways[1:]))


@finder("Transactions", order=10, permission="transactions.view_transaction")
def find_transactions(text: str) -> list[Hit]:
    found = matching(text).select_related("payer__customer", "payee__customer")[:MOST_HITS]
    return [
        Hit(
            title=f"{one.get_kind_display().capitalize()} {receipt_shown(one.receipt)}",
            detail=format_html("{} · {}", money(one.amount, one.currency), moment(one.created_at)),
            state=state_badge(one),
            url=page_url("transactions.transaction", one.pk),
            exact=True,
        )
        for one in found
    ]
