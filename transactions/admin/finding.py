"""A transaction by whatever somebody can name of it: id, receipt, reference, key. Each is an index look-up."""

from django.conf import settings
from django.db.models import F, Q, QuerySet
from django.utils.html import format_html

from core.admin import Hit, finder, moment, money, page_url
from core.admin.search import MOST_HITS, read_identity
from core.ids import read_receipt
from transactions.admin.shown import message_badge, receipt_shown, state_badge
from transactions.models import Event, RailMessage, Transaction

FEWEST = 4  # characters of a reference or key


def spellings(text: str) -> list[str]:
    """A reference as it was typed, and in one case: what is read out or copied by hand."""
    return list(dict.fromkeys((text, text.upper(), text.lower())))


def named(text: str) -> list[Q]:
    """Every way in which ``text`` could name a transaction, each of which reads one index."""
    ways = []
    if (identity := read_identity(text)) is not None:
        ways.append(identity.within())
    if (receipt := read_receipt(text)) is not None:
        ways.append(Q(receipt=receipt))
    if len(text) >= FEWEST:
        ways += [
            Q(idempotency_key=text),
            Q(reference__in=spellings(text)),
            Q(rail_reference__in=spellings(text)) & ~Q(rail_reference=""),
            Q(order_reference__in=spellings(text)),
        ]
    return ways


def matching(text: str) -> QuerySet[Transaction]:
    """A union of index look-ups, not one OR, which would read the table. Slice it."""
    ways = [Transaction.objects.filter(way).order_by().values("pk")[: MOST_HITS + 1] for way in named(text)]
    if not ways:
        return Transaction.objects.none()
    return Transaction.objects.filter(pk__in=ways[0].union(*ways[1:]))


def is_only_begun(text: str) -> bool:
    """Whether ``text`` may be the beginning of an id, and is no id."""
    identity = read_identity(text)
    return identity is not None and not identity.is_whole


@finder("Transactions", order=10, permission="transactions.view_transaction", model="transactions.transaction")
def find_transactions(text: str) -> list[Hit]:
    found = matching(text).select_related("payer__customer", "payee__customer").order_by("-pk")[: MOST_HITS + 1]
    begun, said = is_only_begun(text), spellings(text)
    receipt = read_receipt(text)
    return [
        Hit(
            title=f"{one.get_kind_display().capitalize()} {receipt_shown(one.receipt)}",
            detail=format_html("{} · {}", money(one.amount, one.currency), moment(one.created_at)),
            state=state_badge(one),
            url=page_url("transactions.transaction", one.pk),
            exact=not begun
            or one.receipt == receipt
            or one.idempotency_key == text
            or one.reference in said
            or one.rail_reference in said
            or one.order_reference in said,
        )
        for one in found
    ]


@finder("Rail messages", order=50, permission="transactions.view_railmessage", model="transactions.railmessage")
def find_messages(text: str) -> list[Hit]:
    return [
        Hit(
            title=f"Message {one.message_id}",
            detail=format_html("{} · {}", one.rail, moment(one.received_at)),
            state=message_badge(one),
            url=page_url("transactions.railmessage", one.pk),
            exact=not is_only_begun(text) or one.message_id in spellings(text),
        )
        for one in messages(text).order_by("-pk")[: MOST_HITS + 1]
    ]


def messages(text: str) -> QuerySet[RailMessage]:
    """By the rail's id of the message, which is unique within the rail, or by ours."""
    ways = [RailMessage.objects.filter(rail__in=list(settings.RAILS), message_id__in=spellings(text))]
    if (identity := read_identity(text)) is not None:
        ways.append(RailMessage.objects.filter(identity.within()))
    found = [way.order_by().values("pk")[: MOST_HITS + 1] for way in ways]
    return RailMessage.objects.filter(pk__in=found[0].union(*found[1:]))


@finder("Events", order=15, permission="transactions.view_transaction")
def find_events(text: str) -> list[Hit]:
    """An event leads to its transaction. The one that it is born with has its id, and is no hit of its own."""
    identity = read_identity(text)
    if identity is None:
        return []
    events = Event.objects.filter(identity.within()).exclude(pk=F("transaction_id")).select_related("transaction")
    return [
        Hit(
            title=f"{event.transaction.get_kind_display().capitalize()} {receipt_shown(event.transaction.receipt)}",
            detail=format_html("{} → {} · {}", event.from_state, event.to_state, moment(event.at)),
            url=page_url("transactions.transaction", event.transaction_id),
            exact=identity.is_whole,
        )
        for event in events.order_by("-pk")[:MOST_HITS]
    ]
