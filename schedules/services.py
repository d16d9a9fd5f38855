"""What can be done with a standing order: set it up, change it, pause, resume, skip a date, cancel. Running it is in
`running.py`, entering what the calendars say in `calendar.py`.

Each step is one database transaction: the order, its event, the audit row, and what the customer is told. Locks are
taken in one order, the order before its runs, the runs before accounts.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.db.models import Count, Q

import wallets.selectors
from core import audit, context
from core.audit import actor_name
from core.errors import AmountNotPositive
from core.ids import uuid7
from core.money import Money
from core.transitions import advance
from core.work import unit_of_work
from customers.authentication import CustomerPrincipal
from customers.links import leave_to_colleague
from customers.models import Country, Customer
from notifications.services import Notice, notify_many
from schedules.dates import BusinessDays, Date, Recurrence, earliest, upcoming
from schedules.errors import (
    ChangedTooOften,
    NoDates,
    NotNextDate,
    StandingOrderClosed,
    StandingOrderNotFound,
    StandingOrderPaused,
    StandingOrderPausedByUs,
    StartPassed,
    StartTooFarAhead,
    TooManyStandingOrders,
)
from schedules.models import OPEN, OrderEvent, OrderRun, OrderState, OrderVersion, RunState, StandingOrder
from schedules.selectors import (
    RELATED,
    SHOWN,
    calendar_of,
    database_now,
    next_dates,
    passed,
    runs_at,
    today_in,
    version_now,
)
from staff.errors import ReasonMissing
from staff.models import User
from transactions.errors import (
    CurrencyMismatch,
    IdempotencyKeyReused,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientUnavailable,
    SelfTransfer,
)
from wallets.errors import WalletClosed
from wallets.parties import Address, Party
from wallets.parties import find as find_parties
from wallets.parties import found as found_parties
from wallets.selectors import masked_name

MOST_ORDERS = 100  # of one customer, that have not ended
MOST_YEARS = 5
MOST_CHANGES = 1_000  # of one order
COMPLETED = Q(state=RunState.COMPLETED)
Kind = OrderEvent.Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When, as a customer says it. ``month_day``: of a monthly one, None for the day of the start; 31 is the last."""

    frequency: str
    start_on: date
    every: int = 1
    month_day: int | None = None
    rule: str = "same"
    end_on: date | None = None
    runs: int | None = None

    def recurrence(self, made_on: date) -> Recurrence:
        """Of an order made on that day."""
        is_monthly = self.frequency == StandingOrder.Frequency.MONTHLY
        return Recurrence(
            frequency=self.frequency, every=self.every, start_on=self.start_on, rule=self.rule, end_on=self.end_on,
            month_day=(self.month_day or self.start_on.day) if is_monthly else 0,
            earliest=earliest(self.start_on, made_on),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a customer asks for: ``to`` is a wallet id, phone number or e-mail."""

    from_wallet_id: UUID
    to: Address
    amount: Money
    schedule: Schedule
    memo: str = ""
    retries: int = 3
    retry_hours: int = 24

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


# --- Setting it up ---------------------------------------------------------------------------------------------------


def preview_dates(customer: Customer, schedule: Schedule, count: int) -> list[Date]:
    """The first dates of a schedule in the customer's country; keeps nothing. Raises: those of `check_schedule`."""
    country = customer.country
    return check_schedule(schedule, country, calendar_of(country.pk), database_now(), count)


def check_schedule(
    schedule: Schedule, country: Country, days: BusinessDays, at: datetime, count: int = 1
) -> list[Date]:
    """Its first dates. Raises: StartPassed, StartTooFarAhead, NoDates."""
    today = today_in(country, at)
    if schedule.start_on < today:
        raise StartPassed(f"The start is today, {today:%-d %b %Y}, or later.", today=str(today))
    if schedule.start_on > today + timedelta(days=366 * MOST_YEARS):
        raise StartTooFarAhead(years=MOST_YEARS)
    dates = list(islice(upcoming(schedule.recurrence(today), days, left=schedule.runs), count))
    if not dates:
        raise NoDates()
    return dates


def create_order(asked: NewOrder, *, actor: CustomerPrincipal, idempotency_key: str) -> tuple[StandingOrder, bool]:
    """Set up a standing order; and whether it was there before, under the same key.

    Raises: IdempotencyKeyReused, AmountNotPositive, WalletNotFound, WalletClosed, CurrencyMismatch, RecipientNotFound,
    RecipientHasNoWallet, RecipientUnavailable, SelfTransfer, TooManyStandingOrders, those of `check_schedule`.
    Locks: the customer, so that two at once are counted.
    """
    if past := _made_before(asked, actor.id, idempotency_key):
        return past, True
    if asked.amount.amount_minor <= 0:
        raise AmountNotPositive()
    wallet = wallets.selectors.wallet_of(actor.id, asked.from_wallet_id)
    if wallet.closed_at:
        raise WalletClosed()
    if wallet.currency != asked.amount.currency:
        raise CurrencyMismatch(f"This wallet holds {wallet.currency}.", wallet_currency=wallet.currency)
    payee = _recipient(asked.to, wallet.currency)
    if payee.wallet == wallet.pk:
        raise SelfTransfer()
    schedule, at = asked.schedule, database_now()
    try:
        with db_transaction.atomic():
            customer = Customer.objects.select_for_update(no_key=True, of=("self",)).select_related("country")
            owner = customer.get(pk=actor.id)
            if StandingOrder.objects.filter(customer=owner, state__in=OPEN).count() >= MOST_ORDERS:
                raise TooManyStandingOrders(most=MOST_ORDERS)
            dates = check_schedule(schedule, owner.country, calendar_of(owner.country_id), at, SHOWN)
            first, recurrence = dates[0], schedule.recurrence(today_in(owner.country, at))
            masked = asked.to.masked
            payee_name = masked_name(Customer.objects.values_list("full_name", flat=True).get(wallets=payee.wallet))
            order = StandingOrder(
                customer=owner, wallet=wallet, payee_id=payee.wallet, named_by=masked["by"], named_as=masked["value"],
                payee_name=payee_name, currency=wallet.currency, frequency=schedule.frequency, every=schedule.every,
                month_day=recurrence.month_day, start_on=schedule.start_on, rule=schedule.rule, retries=asked.retries,
                retry_hours=asked.retry_hours, idempotency_key=idempotency_key, fingerprint=asked.fingerprint,
                created_at=at, next_number=first.number, next_on=first.due,
                next_at=runs_at(owner.country, first.due),
            )  # fmt: skip
            version = _new_version(
                order, 1, actor=actor, at=at, amount=asked.amount.amount_minor, memo=asked.memo,
                end_on=schedule.end_on, runs=schedule.runs,
            )  # fmt: skip
            event = note_step(order, Kind.CREATED, actor=actor, at=at, facts=said_dates(dates))
            order.save(force_insert=True)
            after = {"version": 1, "amount_minor": version.amount, "payee": str(payee.wallet)}
            audit.record(actor=actor, action="create_standing_order", subject=order, after=after)
            order = StandingOrder.objects.select_related(*RELATED).get(pk=order.pk)
            tell(order, version, event, "order_created", first=said_day(first.due))
    except IntegrityError as rival:
        if "standing_order_key_once" not in str(rival):
            raise
        past = _made_before(asked, actor.id, idempotency_key)
        assert past is not None
        return past, True
    return order, False


def _made_before(asked: NewOrder, customer: UUID, key: str) -> StandingOrder | None:
    """Raises: IdempotencyKeyReused."""
    past = StandingOrder.objects.select_related(*RELATED).filter(customer=customer, idempotency_key=key).first()
    if past is not None and past.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused()
    return past


def _recipient(to: Address, currency: str) -> Party:
    """Raises: RecipientNotFound, RecipientHasNoWallet, RecipientUnavailable, CurrencyMismatch."""
    with unit_of_work() as work:
        parties = found_parties(find_parties(work, [to]))
    party = parties.at(to, currency)
    if party is None:
        raise RecipientHasNoWallet() if parties.knows(to) else RecipientNotFound()
    if party.is_closed:
        raise RecipientUnavailable()
    if party.currency != currency:
        raise CurrencyMismatch("The recipient's wallet is in another currency.")
    return party


# --- Changing it -----------------------------------------------------------------------------------------------------


def change_order(order_id: UUID, changes: Mapping[str, Any], *, actor: CustomerPrincipal) -> StandingOrder:
    """Another amount, memo or end from the next date on: a new version; what was before stays on record.

    Args:
        changes: some of ``amount`` (minor units), ``memo``, ``end_on``, ``runs``. Nothing new makes no version.
    A date that has begun and waits for money keeps what it began with; `skip_date` leaves it out. The customer is told.

    Raises: StandingOrderNotFound, StandingOrderClosed, AmountNotPositive, NoDates, ChangedTooOften. Locks: the order.
    """
    with db_transaction.atomic():
        order, version = _locked(order_id, actor)
        before = {name: getattr(version, name) for name in ("amount", "memo", "end_on", "runs")}
        after = before | dict(changes)
        if after == before:
            return order
        if after["amount"] <= 0:
            raise AmountNotPositive()
        if order.version > MOST_CHANGES:
            raise ChangedTooOften(most=MOST_CHANGES)
        at = database_now()
        order.version += 1
        version = _new_version(order, order.version, actor=actor, at=at, **after)
        first = plan(order, version, calendar_of(order.customer.country_id), after=passed(order, at))
        if first is None:
            raise NoDates()
        if order.state == OrderState.PAUSED:
            order.next_at = None
        changed = {name: _said(after[name]) for name in after if after[name] != before[name]}
        event = note_step(order, Kind.CHANGED, actor=actor, at=at, facts={"version": order.version} | changed)
        order.save()
        said = "; ".join(_said_change(name, before[name], after[name], order.currency) for name in changed)
        tell(order, version, event, "order_changed", changes=said, first=said_day(first.due))
        audit.record(
            actor=actor, action="change_standing_order", subject=order, after=changed,
            before={name: _said(before[name]) for name in changed},
        )  # fmt: skip
    return order


def pause_order(order_id: UUID, *, actor: Any, reason: str = "") -> StandingOrder:
    """Nothing runs until it is resumed. What waits for another try is stopped. Paused before is no error, but what a
    customer had paused stays paused by staff.

    Args:
        reason: of staff, who always give one; the customer does not read it.
    Raises: StandingOrderNotFound, StandingOrderClosed, ReasonMissing, LinkedCustomer. Locks: the order, then its runs.
    """
    reason = _reason(actor, reason)
    with db_transaction.atomic():
        order, version = _locked(order_id, actor)
        by_staff = isinstance(actor, User)
        if order.state == OrderState.PAUSED:
            if not by_staff or is_of_staff(order.paused_by):
                return order
            order.paused_by = actor_name(actor)
            event = note_step(order, Kind.PAUSED, actor=actor, note=reason)
            order.save()
            audit.record(actor=actor, action="pause", subject=order, reason=reason, after={"state": order.state})
        else:
            event = note_step(order, Kind.PAUSED, actor=actor, note=reason)
            stop_runs(order, actor=actor)
            order.next_at = None
            advance(order.pause, actor=actor, reason=reason, by=actor_name(actor))
        if by_staff:
            tell(order, version, event, "order_paused")
    return order


def resume_order(order_id: UUID, *, actor: Any, reason: str = "") -> StandingOrder:
    """It goes on with the next date, today's included; dates that passed meanwhile are not made up. Where none is left
    it ends. Resumed before is no error. The customer is told.

    Raises: as `pause_order`, and StandingOrderPausedByUs for a customer whose order staff have paused.
    Locks: the order.
    """
    reason = _reason(actor, reason)
    with db_transaction.atomic():
        order, version = _locked(order_id, actor)
        if order.state == OrderState.ACTIVE:
            return order
        if is_of_staff(order.paused_by) and not isinstance(actor, User):
            raise StandingOrderPausedByUs()
        at = database_now()
        first = plan(order, version, calendar_of(order.customer.country_id), after=passed(order, at))
        facts = {"next_on": str(first.due) if first else None}
        event = note_step(order, Kind.RESUMED, actor=actor, note=reason, at=at, facts=facts)
        advance(order.resume, actor=actor, reason=reason)
        if first is None:
            event = note_step(order, Kind.ENDED, actor=actor, at=at)
            advance(order.end, actor=actor, at=at)
            tell(order, version, event, "order_ended", **counted_runs([order])[order.pk])
            return order
        by_us = {} if isinstance(actor, CustomerPrincipal) else {"by_us": "yes"}
        tell(order, version, event, "order_resumed", first=said_day(first.due), **by_us)
    return order


def skip_date(order_id: UUID, due_on: date, *, actor: Any) -> StandingOrder:
    """Leave the next date out, or one that waits for money; it does not count towards the number of runs. The customer
    is told. Skipped before is no error.

    Args:
        due_on: the date that is meant: the next one, or that of a run which waits.
    Raises: StandingOrderNotFound, StandingOrderClosed, StandingOrderPaused, NotNextDate.
    Locks: the order, then the run that waits.
    """
    with db_transaction.atomic():
        order, version = _locked(order_id, actor)
        if OrderRun.objects.filter(order=order, due_on=due_on, state=RunState.SKIPPED).exists():
            return order
        if order.state != OrderState.ACTIVE:
            raise StandingOrderPaused()
        days, at = calendar_of(order.customer.country_id), database_now()
        waits = OrderRun.objects.select_for_update(no_key=True, of=("self",)).filter(
            order=order, due_on=due_on, state=RunState.DUE
        )
        if run := waits.select_related("version").first():
            event = note_step(order, Kind.SKIPPED, actor=actor, run=run, at=at, facts={"due_on": str(due_on)})
            run.state, run.done_at = RunState.SKIPPED, at
            run.save(update_fields=["state", "done_at"])
            order.counted -= 1  # as when it was skipped before it began
        else:
            skipped = next(iter(next_dates(order, version, days)), None)
            if skipped is None or skipped.due != due_on:
                raise NotNextDate(**({"next_on": str(skipped.due)} if skipped else {}))
            run = OrderRun.objects.create(
                order=order, version=version, planned_on=skipped.planned, due_on=skipped.due, created_at=at, due_at=at,
                state=RunState.SKIPPED, done_at=at,
            )  # fmt: skip
            order.last_on, order.next_number = skipped.due, skipped.number + 1
            event = note_step(order, Kind.SKIPPED, actor=actor, run=run, at=at, facts={"due_on": str(due_on)})
        first = plan(order, version, days)
        order.save()
        left_out = {"day": said_day(due_on), "first": said_day(first.due) if first else ""}
        tell(order, run.version, event, "order_skipped", **left_out)
        audit.record(actor=actor, action="skip_date", subject=order, after={"due_on": str(due_on)})
    return order


def cancel_order(order_id: UUID, *, actor: Any) -> StandingOrder:
    """For good. What waits for another try is stopped. Cancelled before is no error.

    Raises: StandingOrderNotFound, StandingOrderClosed (it has ended by itself). Locks: the order, then its runs.
    """
    with db_transaction.atomic():
        order, _ = _locked(order_id, actor, closed_too=True)
        if order.state == OrderState.CANCELLED:
            return order
        if order.state == OrderState.ENDED:
            raise StandingOrderClosed(state=order.state)
        at = database_now()
        note_step(order, Kind.CANCELLED, actor=actor, at=at)
        stop_runs(order, actor=actor)
        order.next_on = order.next_at = None
        advance(order.cancel, actor=actor, at=at)
    return order


# --- How -------------------------------------------------------------------------------------------------------------


def is_of_staff(principal: str) -> bool:
    return principal.startswith("staff:")


def plan(order: StandingOrder, version: OrderVersion, days: BusinessDays, *, after: date | None = None) -> Date | None:
    """Set on the order which date is next and when to look at it. None: no date is left."""
    first = next(iter(next_dates(order, version, days, after=after)), None)
    if first is None:
        order.next_on = order.next_at = None
    else:
        order.next_number, order.next_on = first.number, first.due
        order.next_at = runs_at(order.customer.country, first.due)
    return first


def stop_runs(order: StandingOrder, *, actor: Any) -> None:
    """End what waits. The caller has locked the order; the runs are locked by their ids."""
    at = database_now()
    waiting = OrderRun.objects.select_for_update(no_key=True, of=("self",)).filter(
        order=order, state__in=[RunState.DUE, RunState.STUCK]
    )
    for run in waiting.order_by("pk"):
        run.state, run.done_at = RunState.STOPPED, at
        run.save(update_fields=["state", "done_at"])
        note_step(order, Kind.STOPPED, actor=actor, run=run, at=at, facts={"due_on": str(run.due_on)})


def note_step(
    order: StandingOrder, kind: str, *, actor: Any, note: str = "", run: OrderRun | None = None,
    at: datetime | None = None, facts: dict[str, Any] | None = None,
) -> OrderEvent:  # fmt: skip
    """Written before the state itself, which the guards hold against it."""
    return OrderEvent.objects.create(
        id=uuid7(), order_id=order.pk, run=run, kind=kind, actor=actor_name(actor), note=note, facts=facts or {},
        request_id=context.request_id.get(), at=at or database_now(),
    )  # fmt: skip


def tell(order: StandingOrder, version: OrderVersion, event: OrderEvent, text: str, **facts: str) -> None:
    notify_many([notice_of(order, version, event.pk, text, facts)])


def notice_of(
    order: StandingOrder, version: OrderVersion, event: UUID, text: str, facts: Mapping[str, str],
    transaction: UUID | None = None,
) -> Notice:  # fmt: skip
    """What the payer is told; ``order`` comes with its payee's owner. The recipient is told when they are paid."""
    about = {
        "amount": str(Money(version.amount, order.currency)),
        "counterparty": masked_name(order.payee.customer.full_name),
        "how_often": how_often(order.frequency, order.every, order.month_day),
    }
    return Notice(event, order.customer_id, transaction, text, {**about, **facts})


def how_often(frequency: str, every: int, month_day: int) -> str:
    """``every 2 weeks``, ``each month on the last day``, in words."""
    if frequency == StandingOrder.Frequency.ONCE:
        return "once"
    unit = {"daily": "day", "weekly": "week", "monthly": "month"}[frequency]
    said = f"each {unit}" if every == 1 else f"every {every} {unit}s"
    if frequency == StandingOrder.Frequency.MONTHLY:
        return f"{said} on {'the last day' if month_day == 31 else f'day {month_day}'}"
    return said


def counted_runs(orders: Sequence[StandingOrder]) -> dict[UUID, dict[str, str]]:
    """How many dates each had and how many of them were paid, as facts of a notice; one statement."""
    ids = [order.pk for order in orders]
    runs = OrderRun.objects.filter(order__in=ids).exclude(state=RunState.SKIPPED).order_by()
    found = dict.fromkeys(ids, (0, 0))
    for row in runs.values("order").annotate(dates=Count("pk"), paid=Count("pk", filter=COMPLETED)):
        found[row["order"]] = row["dates"], row["paid"]
    return {pk: {"dates": str(dates), "paid": str(paid)} for pk, (dates, paid) in found.items()}


def said_dates(dates: Sequence[Date]) -> dict[str, Any]:
    return {"dates": [[str(one.planned), str(one.due)] for one in dates]}


def said_day(day: date) -> str:
    return f"{day:%-d %b %Y}"


def _locked(order_id: UUID, actor: Any, *, closed_too: bool = False) -> tuple[StandingOrder, OrderVersion]:
    """Somebody else's is a missing one, but for staff. Raises: StandingOrderNotFound, StandingOrderClosed,
    LinkedCustomer."""
    rows = StandingOrder.objects.select_for_update(no_key=True, of=("self",)).select_related(*RELATED)
    if isinstance(actor, CustomerPrincipal):
        rows = rows.filter(customer_id=actor.id)
    order = rows.filter(pk=order_id).first()
    if order is None:
        raise StandingOrderNotFound()
    leave_to_colleague(actor, order.customer_id, order.payee.customer_id)
    if order.closed_at is not None and not closed_too:
        raise StandingOrderClosed(state=order.state)
    return order, version_now(order)


def _new_version(order: StandingOrder, number: int, *, actor: Any, at: datetime, **what: Any) -> OrderVersion:
    return OrderVersion.objects.create(order_id=order.pk, number=number, actor=actor_name(actor), at=at, **what)


def _reason(actor: Any, reason: str) -> str:
    reason = " ".join(reason.split())[:500]
    if isinstance(actor, User) and not reason:
        raise ReasonMissing()
    return reason


def _said_change(name: str, before: Any, after: Any, currency: str) -> str:
    """In words; a memo is not quoted."""
    match name:
        case "amount":
            return f"{Money(after, currency)} instead of {Money(before, currency)} is paid each time"
        case "end_on":
            return f"it ends on {said_day(after)}" if after else "it has no last day any more"
        case "runs":
            return f"{after} dates are paid all told" if after else "the number of its dates has no limit any more"
    return "the memo is another one"


def _said(value: Any) -> Any:
    return str(value) if isinstance(value, date) else value
