"""The story of one transaction in order: what was asked, what was decided and why, what the rail said, who was told."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.timezone import now

from core.admin import badge, code, link, masking, moment, money
from core.money import Money
from fx.admin.shown import of_amounts
from notes.admin import file_link
from notes.models import Note
from notes.selectors import notes_of, withdrawal_of
from notifications.admin import delivery_badge
from notifications.models import Notification
from staff.selectors import named
from transactions.admin.refusals import explain
from transactions.admin.shown import (
    MESSAGE_TONES,
    TONES,
    kind_shown,
    message_badge,
    reason_shown,
    receipt_shown,
    state_badge,
)
from transactions.models import GIVES_BACK, Event, RailCall, RailMessage, State, Transaction
from transactions.policies import policies
from transactions.prices import percent

PERIODS = {"movement": "this movement", "day": "that day", "month": "that month", "balance": "balance after it"}
CHECKS = {
    "session_is_live": "Session is live",
    "customers_are_active": "Customers are active",
    "wallets_are_usable": "Wallets are usable",
    "within_limits": "Within limits",
}
CALL_TONES = {
    "accepted": "good",
    "completed": "good",
    "refused": "bad",
    "failed": "bad",
    "no_answer": "odd",
    "lost": "odd",
}
SAID_ELSEWHERE = {"exchange", "undone", "verdicts", "fee", "refusal", "answer", "callback", "rail", "call", "to"}
LOST = "No outcome: the worker was lost."


@dataclass
class Moment:
    """One thing that happened. ``raw`` holds what was said word for word, folded away: ``(title, text)``."""

    at: datetime
    icon: str
    title: Any
    by: Any = ""
    tone: str = ""
    state: Any = ""
    text: str = ""
    facts: list[tuple[str, Any]] = field(default_factory=list)
    raw: list[tuple[str, Any]] = field(default_factory=list)


def timeline(
    request: HttpRequest, transaction: Transaction, staff: dict[str, str], reasons: dict[str, str]
) -> list[Moment]:
    """Everything that happened to a transaction, oldest first: six statements, however long the story is."""
    events = list(transaction.events.all())
    moments = [requested(request, transaction, events, staff)]
    moments += [changed(request, transaction, event, staff, reasons) for event in events]
    for call in transaction.rail_calls.all():
        moments += called(call)
    moments += [heard(request, message) for message in transaction.rail_messages.all()]
    told = (
        Notification.objects.filter(transaction=transaction.pk)
        .select_related("customer")
        .prefetch_related("deliveries")
    )
    moments += [notified(request, one) for one in told.order_by("id")]
    moments += [undone(request, one, staff, reasons) for one in transaction.reversals.all()]
    moments += [noted(request, one, staff) for one in notes_of(transaction)]
    in_order = sorted(moments, key=lambda one: one.at)
    return masked(request, in_order)  # stable: what happened at one instant stays in the order above


def masked(request: HttpRequest, moments: list[Moment]) -> list[Moment]:
    """What people wrote and what banks said in the story, with numbers and addresses in it masked; JSON for reading."""
    for one in moments:
        one.text = masking.words(request, one.text)
        one.facts = [
            (label, masking.words(request, value) if type(value) is str else value) for label, value in one.facts
        ]
        one.raw = [(title, pretty(masking.document(request, value))) for title, value in one.raw]
    return moments


def requested(request: HttpRequest, transaction: Transaction, events: list[Event], staff: dict[str, str]) -> Moment:
    request_id = events[0].request_id if events else ""
    facts = [
        ("Asked by", caller(request, transaction.caller, staff)),
        ("Idempotency key", code(masking.words(request, transaction.idempotency_key))),
        ("Reference", code(masking.words(request, transaction.reference))),
        ("Request id", code(request_id)),
    ]
    if transaction.memo:
        facts.append(("Memo", transaction.memo))
    if transaction.answer_status:
        facts.append(("Answered", transaction.answer_status))
    raw: list[tuple[str, Any]] = [("The answer they got", transaction.answer)] if transaction.answer else []
    return Moment(transaction.created_at, "edit_note", "Request received", facts=facts, raw=raw)


def caller(request: HttpRequest, principal: str, staff: dict[str, str]) -> Any:
    kind, _, identity = principal.partition(":")
    if kind == "customer":
        return link(request, "customers.customer", identity, "the customer")
    return named(principal, staff)


def changed(
    request: HttpRequest, transaction: Transaction, event: Event, staff: dict[str, str], reasons: dict[str, str]
) -> Moment:
    state = State(event.to_state)
    title = (
        f"{state.label.capitalize()}"
        if not event.from_state
        else f"{State(event.from_state).label.capitalize()} → {state.label.lower()}"
    )
    facts: list[tuple[str, Any]] = []
    refusal = event.facts.get("refusal")
    text = ""
    if refusal:
        why, detail = explain(refusal["code"]), refusal.get("detail", "")
        title, text = f"Refused: {why.title}", "" if detail in (why.title, why.customer) else detail
        facts.append(("Code", code(refusal["code"])))
    if to := event.facts.get("to"):  # whom a refused attempt named
        facts.append(("Asked for", f"{to['by']} {to['value']}"))
    facts += verdicts(event.facts, transaction.currency, transaction.arriving.currency)
    facts += fee(request, event.facts.get("fee"), transaction)
    facts += exchange(request, event.facts, transaction)
    facts += others(request, event.facts, transaction.currency, reasons)
    raw = [(name.capitalize(), event.facts[name]) for name in ("answer", "callback") if event.facts.get(name)]
    if event.reason:
        of_reversal = transaction.kind in GIVES_BACK or "reason_code" in event.facts
        facts.append(("Note" if of_reversal else "Reason", event.reason))
    by = "" if refusal else named(event.actor, staff)  # refused by us, whoever asked
    if by and event.actor == transaction.caller and event.actor.startswith("customer:"):
        by = "the customer"
    return Moment(event.at, "flag", title, by=by, tone=TONES[state], text=text, facts=facts, raw=raw)


def verdicts(facts: dict[str, Any], currency: str, of_payee: str) -> Iterator[tuple[str, Any]]:
    """What each policy looked at or refused, in the order of the policies; jsonb keeps none."""
    said, order = facts.get("verdicts") or {}, [name for name, _ in policies()]
    for name in sorted(said, key=lambda name: order.index(name) if name in order else len(order)):
        label, verdict = CHECKS.get(name, name.replace("_", " ").capitalize()), said[name]
        match verdict:
            case "refused":
                yield label, badge("refused", "bad")
                yield from overstepped(facts.get("refusal") or {}, currency)
            case dict():
                yield label, badge("ok", "good")
                yield from limits(verdict, {"payer": currency, "payee": of_payee})
            case _:
                yield label, badge("ok", "good") if verdict == "ok" else badge("not asked")


def overstepped(refusal: dict[str, Any], currency: str) -> Iterator[tuple[str, Any]]:
    """Which limit it was and what was left, as far as the refusal says so, in decimals."""
    period = PERIODS.get(refusal.get("period", "balance"), "")
    for name in ("limit", "left"):
        if name in refusal:
            label = f"{name.capitalize()}, {period}"
            yield label, money(Money.parse(refusal[name], currency).amount_minor, currency)


def limits(said: dict[str, Any], currencies: dict[str, str]) -> Iterator[tuple[str, Any]]:
    """``[reached, allowed]`` in minor units, None for no limit."""
    for side in ("payer", "payee"):
        for what, label in PERIODS.items():
            if what in said.get(side, {}):
                reached, allowed = said[side][what]
                yield f"{side.capitalize()}'s limit, {label}", used_of(reached, allowed, currencies[side])


def used_of(reached: int, allowed: int | None, currency: str) -> Any:
    limit = "no limit" if allowed is None else money(allowed, currency)
    return format_html("{} of {}", money(reached, currency), limit)


def fee(request: HttpRequest, said: dict[str, int] | None, transaction: Transaction) -> Iterator[tuple[str, Any]]:
    """What each side pays, by which rule, and what they were spared of it."""
    if not said:
        return
    currency = transaction.currency
    rule: Any = f"{Money(said['flat'], currency)} flat + {percent(said['bps'])}"
    if said.get("rule"):
        rule = link(request, "transactions.feerule", said["rule"], "by this price")
    yield "Fee", format_html("{} ({})", money(said["minor"], currency), rule)
    if said.get("payee_minor"):
        yield "Fee of the payee", money(said["payee_minor"], currency)
    for side, label in (("", "Waived"), ("payee_", "Waived for the payee")):
        if said.get(f"{side}waiver"):
            waiver = link(request, "transactions.feewaiver", said[f"{side}waiver"], "by this waiver")
            yield label, format_html("{} ({})", money(said[f"{side}waived_minor"], currency), waiver)


def exchange(request: HttpRequest, said: dict[str, Any], transaction: Transaction) -> Iterator[tuple[str, Any]]:
    """At which quote another currency arrived; or, of a reversal, what of that went back, and at which rate."""
    if taken := said.get("exchange"):
        yield "Quote", format_html(
            "{}, held until {}", link(request, "fx.quote", taken["quote"], "this one"),
            moment(datetime.fromisoformat(taken["expires_at"])),
        )  # fmt: skip
        yield "Fee in it", money(taken["fee_minor"], transaction.currency)
        yield "Received", money(taken["received_minor"], taken["currency"])
        yield "Rate", of_amounts(transaction.amount, transaction.currency, taken["received_minor"], taken["currency"])
        yield "Our margin", money(taken["margin_minor"], taken["currency"])
    if undone := said.get("undone"):
        yield "The payer got for it", money(undone["worth_minor"], transaction.currency)
        yield "Our result of it", money(undone["result_minor"], transaction.currency)


def others(
    request: HttpRequest, said: dict[str, Any], currency: str, reasons: dict[str, str]
) -> Iterator[tuple[str, Any]]:
    """Facts without a shape of their own, in words."""
    for name, value in said.items():
        if name in SAID_ELSEWHERE:
            continue
        if name == "reason_code":
            yield "Why", reason_shown(value, reasons)
            continue
        if name == "hold":
            value = link(request, "transactions.transaction", value, "this hold")
        if name in ("expires_at", "capture_at"):
            value = moment(datetime.fromisoformat(value))
        if name == "reversed_by":
            value = link(request, "transactions.transaction", value, "this reversal")
        label = name.removesuffix("_minor").replace("_", " ").capitalize()
        yield label, money(value, currency) if name.endswith("_minor") and isinstance(value, int) else value


def called(call: RailCall) -> Iterator[Moment]:
    """The call and its answer. Of a call whose worker was lost there is none, whenever somebody noticed."""
    what = "Sent to the rail" if call.purpose == RailCall.Purpose.SUBMIT else "Asked the rail about it"
    leased = now() < call.started_at + timedelta(seconds=settings.RAIL_LEASE_SECONDS)
    lost = call.outcome == "lost" or not (call.outcome or leased)
    yield Moment(
        call.started_at,
        "call_made",
        f"{what}, call {call.number}",
        by="System",
        tone=CALL_TONES["lost"] if lost else "",
        text=LOST if lost else "" if call.outcome else "No answer yet.",
        raw=[("What we said", call.request)],
    )
    if call.finished_at and not lost:
        said = call.outcome.replace("_", " ")
        raw = [("What it said", call.response)] if call.response else []
        tone = CALL_TONES.get(call.outcome, "")
        yield Moment(
            call.finished_at, "call_received", f"Call {call.number}: {said}", by="The rail", tone=tone, raw=raw
        )


def heard(request: HttpRequest, message: RailMessage) -> Moment:
    return Moment(
        message.received_at,
        "mark_email_read",
        link(request, "transactions.railmessage", message.pk, "Message from the rail"),
        by=message.rail,
        tone=MESSAGE_TONES[RailMessage.State(message.state)],
        state=message_badge(message),
        text=message.note,
        facts=[("Message", code(message.message_id))],
        raw=[("What it said", message.payload)],
    )


def notified(request: HttpRequest, notification: Notification) -> Moment:
    deliveries = [delivery_badge(one) for one in notification.deliveries.all()]
    facts = [("Delivery", one) for one in deliveries]
    facts.append(("Read", moment(notification.read_at)))
    who = link(request, "customers.customer", notification.customer_id, notification.customer.full_name)
    what = masking.words(request, notification.title)
    title = format_html("Told {}: {}", who, link(request, "notifications.notification", notification.pk, what))
    return Moment(notification.created_at, "notifications", title, text=notification.body, facts=facts)


def undone(request: HttpRequest, reversal: Transaction, staff: dict[str, str], reasons: dict[str, str]) -> Moment:
    named_as = f"{kind_shown(reversal)} {receipt_shown(reversal.receipt)}"
    title = link(request, "transactions.transaction", reversal.pk, named_as)
    facts = [
        ("Amount", money(reversal.amount, reversal.currency)),
        ("Why", reason_shown(reversal.reason_code, reasons)),
    ]
    return Moment(
        reversal.created_at, "undo", title, by=named(reversal.caller, staff), state=state_badge(reversal), facts=facts
    )


def noted(request: HttpRequest, note: Note, staff: dict[str, str]) -> Moment:
    withdrawal = withdrawal_of(note)
    facts = [("File", file_link(request, note))] if note.sha256 else []
    if withdrawal:
        facts.append(("Withdrawn", f"by {named(withdrawal.author, staff)}: {withdrawal.text}"))
    state, by = badge("withdrawn", "odd") if withdrawal else "", named(note.author, staff)
    return Moment(note.at, "sticky_note_2", "Note", by=by, state=state, text=note.text, facts=facts)


def pretty(value: Any) -> str:
    """JSON for reading; an answer is kept as the text it was."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)
