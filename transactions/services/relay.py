"""Hands events on: to the customers they concern, and to the stream that other programs follow.

One relay at a time, in the order of event ids, which is the order of each wallet's entries. A batch is one database
transaction: notifications written, outbox emptied, then published, then committed. Killed before the commit it repeats
the batch: consumers of the stream know events by ``id``, notifications are unique by event and customer. While Valkey
is down nothing is handed on and nothing is lost.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction

from core import valkey
from core.money import Money
from core.problems import catalogue
from customers.models import Customer
from notifications.services import Notice, notify_many
from transactions.errors import HoldOver, RailRefused
from transactions.models import GIVES_BACK, Event, Kind, OutboxEntry, State, Transaction
from transactions.services import holds
from wallets.selectors import masked_name

logger = logging.getLogger(__name__)

STREAM_LENGTH = 100_000
BATCH = 500
LOCK = "transactions.relay"
WAIVED = "fee_waiver"  # the reason of an adjustment that gives a fee back (`waivers.py`)

# What is told to whom: (kind, state reached) -> text for the payer, text for the payee; None: nothing.
TOLD: dict[tuple[str, str], tuple[str | None, str | None]] = {
    (Kind.TRANSFER, State.COMPLETED): ("money_sent", "money_received"),
    (Kind.TRANSFER, State.FAILED): ("transfer_failed", None),
    (Kind.PAYMENT, State.COMPLETED): ("payment_made", "payment_received"),
    (Kind.PAYMENT, State.FAILED): ("payment_failed", None),
    (Kind.TOP_UP, State.COMPLETED): (None, "top_up_completed"),
    (Kind.TOP_UP, State.FAILED): (None, "top_up_failed"),
    (Kind.TOP_UP, State.EXPIRED): (None, "top_up_expired"),
    (Kind.TOP_UP, State.CANCELLED): (None, "top_up_cancelled"),
    (Kind.CASH_OUT, State.COMPLETED): ("cash_out_completed", None),
    (Kind.CASH_OUT, State.FAILED): ("cash_out_failed", None),
    (Kind.CASH_OUT, State.EXPIRED): ("cash_out_expired", None),
    (Kind.CASH_OUT, State.CANCELLED): ("cash_out_cancelled", None),
    (Kind.PAYOUT, State.COMPLETED): (None, "payout_received"),  # who pays is told of the batch
    # What is captured of a hold is a payment of its own.
    (Kind.HOLD, State.PENDING): ("money_held", "payment_promised"),
    (Kind.HOLD, State.FAILED): ("hold_failed", None),
    # How it ended says more than the state: see ENDED. Completed, if some of it was not captured.
    (Kind.HOLD, State.COMPLETED): ("hold_released", None),
    (Kind.HOLD, State.CANCELLED): ("hold_released", None),
    (Kind.HOLD, State.EXPIRED): ("hold_expired", "promise_expired"),
    (Kind.CONVERSION, State.COMPLETED): ("money_converted", None),
    (Kind.CONVERSION, State.FAILED): ("conversion_failed", None),
    (Kind.REFUND, State.COMPLETED): ("refund_made", "refund_received"),
    (Kind.REFUND, State.FAILED): ("refund_failed", None),
    # A reversal pays back: its payer is the payee of the original. One that failed concerns staff alone.
    (Kind.REVERSAL, State.COMPLETED): ("money_taken_back", "money_returned"),
    (Kind.ADJUSTMENT, State.COMPLETED): ("balance_lowered", "balance_raised"),
}
# Of a hold: by its time, or by us; its payee knows what they let go of themselves.
ENDED = {"expired": ("hold_expired", "promise_expired"), "by_us": ("hold_voided", "promise_voided")}


def relay_events() -> int:
    """Hand on everything that waits, batch by batch; how many events. Nothing when another relay is at work."""
    handed_on = 0
    while count := relay_batch():
        handed_on += count
    return handed_on


def relay_batch() -> int:
    """Locks: the relay's advisory lock, until the end of the batch's database transaction."""
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            if not cursor.fetchone()[0]:
                return 0
        events = waiting_events()
        notify_many([notice for event in events for notice in notices_of(event)])
        OutboxEntry.objects.filter(pk__in=[event.pk for event in events]).delete()
        publish(events)
    return len(events)


def waiting_events() -> list[Event]:
    entries = OutboxEntry.objects.order_by("pk").select_related(
        "event__transaction__payer__customer", "event__transaction__payee__customer", "event__transaction__reverses",
        "event__transaction__hold",
    )  # fmt: skip
    return [entry.event for entry in entries[:BATCH]]


def publish(events: Sequence[Event]) -> None:
    """Append to the stream, which keeps the last 100,000 or so. Ids, states and amounts; nothing about persons."""
    if not events:
        return
    stream = valkey.key("events")
    pipeline = valkey.client().pipeline(transaction=False)
    for event in events:
        pipeline.xadd(stream, stream_fields(event), maxlen=STREAM_LENGTH, approximate=True)
    pipeline.execute()


def stream_fields(event: Event) -> dict[Any, Any]:
    """Flat strings. ``json`` is the event as consumers read it; amounts are minor units."""
    txn = event.transaction
    wallets = [str(wallet) for wallet in (txn.payer_id, txn.payee_id) if wallet]
    body = {
        "id": str(event.pk),
        "type": event.type,
        "at": event.at.isoformat(),
        "transaction": str(txn.pk),
        "receipt": txn.receipt,
        "kind": txn.kind,
        "from_state": event.from_state,
        "state": event.to_state,
        "amount": txn.amount,
        "fee": txn.fee,
        "payee_fee": txn.payee_fee,
        "currency": txn.currency,
        "payer": str(txn.payer_id) if txn.payer_id else None,
        "payee": str(txn.payee_id) if txn.payee_id else None,
        "reverses": str(txn.reverses_id) if txn.reverses_id else None,
        "refusal_code": txn.refusal_code or None,
    }
    return {
        "id": body["id"],
        "type": event.type,
        "transaction": body["transaction"],
        "wallets": ",".join(wallets),
        "at": body["at"],
        "json": json.dumps(body),
    }


def notices_of(event: Event) -> Iterator[Notice]:
    """What the two parties are told of an event. A change that a later one undoes is not told (``processing``)."""
    txn = event.transaction
    if txn.hold_id and event.to_state == State.FAILED:
        # The payer has nothing to do with it. The payee was answered, unless it was the job that tried for them.
        if txn.caller == holds.JOB and txn.refusal_code != HoldOver.code and txn.payee:
            other = txn.payer.customer if txn.payer else None
            yield notice(event, "capture_failed", told=txn.payee.customer, other=other)
        return
    if txn.kind == Kind.HOLD and event.to_state == State.COMPLETED and not event.facts.get("returned_minor"):
        return
    if event.to_state == State.FAILED and txn.idempotency_key.startswith(settings.RESERVED_KEYS):
        return  # whoever gave the order for the customer tells what became of it
    payer, payee = (wallet.customer if wallet else None for wallet in (txn.payer, txn.payee))
    for_payer, for_payee = ENDED.get(how_ended(event)) or TOLD.get((txn.kind, event.to_state), (None, None))
    if for_payee and txn.reason_code == WAIVED:
        for_payee = "fee_waived"
    if txn.kind == Kind.REVERSAL and for_payee and payer and payee and payer.pk == payee.pk:
        yield notice(event, "conversion_undone", told=payee, other=None)  # one text of both sides: they are told once
        return
    if txn.kind in GIVES_BACK and txn.reverses and txn.reverses.received and not txn.received:
        for_payer = None  # a part so small that nothing was taken of what they had received
    if for_payer and payer:
        owed = event.facts.get("owed_minor", 0)  # of what is taken back, what was not there
        yield notice(event, f"{for_payer}_owed" if owed else for_payer, told=payer, other=payee, owed=owed)
    if for_payee and payee:
        yield notice(event, for_payee, told=payee, other=payer, arriving=txn.kind not in (Kind.REVERSAL, Kind.HOLD))


def how_ended(event: Event) -> str:
    """Of a hold that its payee did not end."""
    ended = event.facts.get("ended", "")
    return "by_us" if ended == "voided" and not event.actor.startswith("customer:") else str(ended)


def notice(
    event: Event, kind: str, *, told: Customer, other: Customer | None, owed: int = 0, arriving: bool = False
) -> Notice:
    """``arriving``: the amount is told as it comes in, in the currency of who gets it."""
    txn = event.transaction
    of_payer = told.pk == (txn.payer and txn.payer.customer_id)
    undone = kind == "conversion_undone"
    fee = fee_of(event, of_payer=of_payer and not undone)
    captured = event.facts.get("captured_minor", 0)
    facts = {
        "amount": str(amount_of(event, of_payer=of_payer and not undone, arriving=arriving)),
        "taken": str(txn.arriving if undone else Money(txn.amount - owed, txn.currency)),
        "received": str(Money(txn.received, txn.received_currency or "")) if txn.received else "",
        "owed": str(Money(owed, txn.currency)),
        "fee": str(Money(fee, txn.currency)) if fee else "",
        "captured": str(Money(captured, txn.currency)) if captured else "",
        "counterparty": masked_name(other.full_name) if other else "",
        "receipt": txn.hold.receipt if txn.hold and kind == "capture_failed" else txn.receipt,
        "order": order_of(txn),
        "reason": reason_of(txn),
    }
    return Notice(event=event.pk, customer=told.pk, transaction=txn.pk, kind=kind, facts=facts)


def amount_of(event: Event, *, of_payer: bool, arriving: bool) -> Money:
    """As it is in the wallet of who is told: of an exchange that is undone, what was taken back of the received, and
    what came of it at the rate of the undoing."""
    txn = event.transaction
    if txn.kind in GIVES_BACK and not of_payer:
        return Money(event.facts.get("undone", {}).get("worth_minor", txn.amount), txn.currency)
    if arriving or txn.kind in GIVES_BACK:
        return txn.arriving
    return Money(event.facts.get("returned_minor", txn.amount) if txn.kind == Kind.HOLD else txn.amount, txn.currency)


def fee_of(event: Event, *, of_payer: bool) -> int:
    """What one side paid for it, or of a reversal got back: its payer is the payee of the original."""
    txn = event.transaction
    if txn.kind in GIVES_BACK:
        return int(event.facts.get("payee_fee_returned_minor" if of_payer else "fee_returned_minor", 0))
    return txn.fee if of_payer or txn.kind == Kind.TOP_UP else txn.payee_fee


def order_of(txn: Transaction) -> str:
    """The merchant's reference of what was paid, also of what gives it back."""
    return txn.order_reference or (txn.reverses and txn.reverses.order_reference) or ""


def reason_of(txn: Transaction) -> str:
    """A refusal in words; a code of the bank's own is the bank's refusal."""
    if not txn.refusal_code:
        return ""
    return catalogue().get(txn.refusal_code, RailRefused).title
