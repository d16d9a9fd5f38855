"""Holds: money promised to somebody, who captures it in one or more parts, or lets it go.

The ledger's hold bears the id of the transaction of kind ``hold``, and sets aside amount and fee. Each capture is a
payment of its own, whose journal takes what the hold lets go of. The price is fixed when the hold is placed, and the
fee of the whole amount set aside; each capture bears what a payment of all that is captured by then costs at that
price, less what those before it bore.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from core.days import written
from core.errors import IllegalTransition
from core.money import Money
from ledger.books import instant
from ledger.chart import fee_income
from transactions import journals
from transactions.attempt import Attempt, note_change, told_of
from transactions.errors import (
    AmountBelowFee,
    CaptureExceedsHold,
    HoldDatesImpossible,
    HoldExpired,
    HoldNotFound,
    HoldOver,
    NotPayeeOfHold,
    TooManyHolds,
)
from transactions.models import Kind, State
from transactions.movements import Movement, Outcome, Promise, Settlement, Terms
from transactions.rules import payments
from transactions.tariff import so_far
from transactions.world import Target, World
from wallets.parties import Address, Party

USUAL, LONGEST = timedelta(days=7), timedelta(days=30)
ENDED_AS = {State.CANCELLED: "voided", State.EXPIRED: "expired"}


# --- placing -------------------------------------------------------------------------------------------------------
def named(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """Raises: WalletNotFound, HoldDatesImpossible."""
    sides = payments.named(order, world)
    _expiry(order.terms or Terms(), instant(world.now_us))
    return sides


def touches(order: Movement, world: World) -> set[str]:
    return set()


def place(attempt: Attempt) -> None:
    """Held until its payee captures or voids it, or it expires; counted against the payer's limits at once."""
    payments.meet(attempt)
    today = attempt.ask_policies()
    attempt.charge(today)
    order, world, payer = attempt.order, attempt.world, attempt.payer
    assert payer is not None
    most, is_open = settings.HOLDS_OPEN_MAX, world.open_holds
    if is_open.get(payer.wallet, 0) >= most:
        raise TooManyHolds(f"{most} holds of this wallet are open. One has to end first.", limit=most)
    terms = order.terms or Terms()
    expires_at = _expiry(terms, attempt.moment.at)
    attempt.take_from_payer(today)  # the last that may refuse: it counts against the limits
    is_open[payer.wallet] = is_open.get(payer.wallet, 0) + 1
    world.books.hold(
        payer.account, order.amount + attempt.fee, hold=attempt.id, moment=attempt.moment, expires_at=expires_at
    )
    attempt.state = State.PENDING
    attempt.capture_at = terms.capture_at
    attempt.due_at = terms.capture_at or expires_at
    attempt.facts["expires_at"] = expires_at
    if terms.capture_at:
        attempt.facts["capture_at"] = terms.capture_at
    attempt.promise = Promise(attempt.id, State.PENDING, order.amount, 0, expires_at, terms.capture_at)
    attempt.balance_after = world.books.accounts[payer.account].posted


def _expiry(terms: Terms, now: datetime) -> datetime:
    """Raises: HoldDatesImpossible."""
    lasts = USUAL if terms.expires_in is None else timedelta(seconds=terms.expires_in)
    expires_at, latest = terms.expires_at or now + lasts, now + LONGEST
    if not now < expires_at <= latest:
        said = "A hold expires in the future, 30 days from now at the latest."
        raise HoldDatesImpossible(said, latest=written(latest))
    if terms.capture_at and not now < terms.capture_at < expires_at:
        said = "A hold is captured by itself in the future, before it expires."
        raise HoldDatesImpossible(said, latest=written(expires_at))
    return expires_at


# --- capturing -----------------------------------------------------------------------------------------------------
def between(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """The sides of the hold. Raises: HoldNotFound, also for who is neither; NotPayeeOfHold."""
    hold = world.targets.get(order.hold)  # type: ignore[arg-type]
    payer = world.parties.at(order.payer, order.currency) if order.payer else None
    payee = world.parties.at(order.payee, order.currency) if order.payee else None
    if (
        hold is None or (hold.kind, order.kind) != (Kind.HOLD, Kind.PAYMENT) or hold.state == State.FAILED
        or payer is None or payee is None or (payer.wallet, payee.wallet) != (hold.payer_id, hold.payee_id)
    ):  # fmt: skip
        raise HoldNotFound()
    if order.owner and order.owner != payee.customer:
        raise NotPayeeOfHold() if order.owner == payer.customer else HoldNotFound()
    return payer, payee


def fees(order: Movement, world: World) -> set[str]:
    hold = world.targets.get(order.hold)  # type: ignore[arg-type]
    return {fee_income(Kind.PAYMENT, hold.currency)} if hold and (hold.fee or hold.payee_fee) else set()


def capture(attempt: Attempt) -> None:
    """Take what was promised, or a part; with the last part, or a ``final`` one, the hold is over and the rest free.

    Who asks late finds it expired, whether the sweeper has been there or not. A capture that was agreed on beforehand
    (a job's: nobody's own) comes when it comes.
    """
    order, world, payer, payee = attempt.order, attempt.world, attempt.payer, attempt.payee
    assert order.hold is not None and payer is not None and payee is not None
    hold = world.targets[order.hold]
    left = hold.amount - hold.captured
    if not order.amount:
        attempt.asked = order
        attempt.order = order = replace(order, amount=left or hold.amount)
    if hold.state != State.PENDING:
        raise HoldOver(state=hold.state)
    if order.owner and hold.expires_at and attempt.moment.at >= hold.expires_at:
        raise HoldExpired(expired_at=written(hold.expires_at))
    if order.amount > left:
        rest = Money(left, hold.currency)
        raise CaptureExceedsHold(f"{rest} is left of this hold.", left=rest.decimal, currency=hold.currency)
    attempt.ask_policies()
    captured = hold.captured + order.amount
    borne, payee_bore = _cost(hold, captured)
    fee, payee_fee = borne - hold.captured_fee, payee_bore - hold.captured_payee_fee
    if payee_fee >= order.amount:
        raise AmountBelowFee()
    attempt.fee, attempt.payee_fee = fee, payee_fee
    hold.captured, hold.captured_fee, hold.captured_payee_fee = captured, borne, payee_bore
    world.books.release(payer.account, "captured", order.amount + fee, _held(hold), hold=hold.id, moment=attempt.moment)
    accounts = (payer.account, payee.account)
    attempt.post(journals.transfer_lines(*accounts, order.amount, fee, attempt.fee_account, payee_fee))
    attempt.facts["hold"] = str(hold.id)
    attempt.balance_after = world.books.accounts[payee.account].posted
    if order.final or hold.captured == hold.amount:
        _end(world, hold, payer, State.CANCELLED, actor=order.caller, reason="", request_id=order.request_id)
    attempt.promise = Promise(hold.id, hold.state, hold.amount, hold.captured, hold.expires_at)


def _cost(hold: Target, captured: int) -> tuple[int, int]:
    """What payer and payee bear of a payment of all that is captured: so it costs the same in parts."""
    cost = hold.price.borne(captured, hold.waived_bps, hold.payee_waived_bps)
    bore = (hold.captured_fee, hold.captured_payee_fee)
    return so_far(cost, most=(hold.fee, hold.payee_fee), before=bore)


def _held(hold: Target) -> int:
    """What is still set aside."""
    return hold.amount + hold.fee - hold.captured - hold.captured_fee


# --- the end -------------------------------------------------------------------------------------------------------
def end(order: Settlement, world: World) -> Outcome:
    """Void it, or let it expire: what was not captured is free, and given back to the limits.

    Freezes do not stop it, for nothing leaves the wallet. What is voided late has expired, whether the sweeper has been
    there or not. Raises: HoldOver; IllegalTransition, before its time is up.
    """
    hold = world.targets[order.transaction]
    if order.to not in ENDED_AS:
        raise IllegalTransition("A hold is captured, voided or expires.", state=hold.state)
    if hold.state != State.PENDING:
        raise HoldOver(state=hold.state)
    is_late = hold.expires_at is not None and instant(world.books.now_us) >= hold.expires_at
    if order.to == State.EXPIRED and not is_late:
        raise IllegalTransition("This hold has not expired yet.", state=hold.state)
    payer = world.parties.at(Address("wallet", str(hold.payer_id)), "")
    assert payer is not None
    to = State.EXPIRED if is_late else State.CANCELLED
    _end(world, hold, payer, to, actor=order.actor, reason=order.reason, request_id=order.request_id)
    return told_of(hold)


def _end(
    world: World, hold: Target, payer: Party, to: State, *, actor: str, reason: str, request_id: str
) -> None:  # fmt: skip
    """Let go of the rest, whatever ended it; of what something was captured, it is completed."""
    moment, left, held = world.books.tick(), hold.amount - hold.captured, _held(hold)
    if held:
        world.books.release(payer.account, ENDED_AS[to], held, 0, hold=hold.id, moment=moment)
    if left:
        world.count(payer, world.tariff.day(payer.country, hold.created_at), -left, 0 if hold.captured else -1)
    hold.due_at, hold.completed_at = None, moment.at
    note_change(
        world, hold, State.COMPLETED if hold.captured else to, actor=actor, reason=reason, request_id=request_id,
        facts={"ended": ENDED_AS[to] if left else "captured", "captured_minor": hold.captured, "returned_minor": left},
    )  # fmt: skip
