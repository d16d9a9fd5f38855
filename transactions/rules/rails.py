"""Top-ups and cash-outs: asked for here, settled when the rail says what became of them."""

from collections.abc import Callable

from core.errors import IllegalTransition
from ledger.books import Line
from ledger.chart import fee_income, rail_float, suspense, wallet_account
from transactions import journals
from transactions.attempt import Attempt, note_change, told_of
from transactions.errors import AmountBelowFee, TransactionNotFound
from transactions.models import LEGAL, OPEN, THROUGH_A_RAIL, Kind, State
from transactions.movements import Movement, Outcome, Settlement
from transactions.rules import exchanges, payments
from transactions.world import World
from wallets.parties import Address

RELEASED_AS = {State.COMPLETED: "captured", State.FAILED: "voided", State.CANCELLED: "voided", State.EXPIRED: "expired"}
FINAL = frozenset(RELEASED_AS)


def touches(order: Movement, world: World) -> set[str]:
    if order.claim:
        return set()  # nothing is posted before the rail answers
    return payments.fees(order, world) | ({rail_float(order.rail, order.currency)} if order.settled else set())


def accept(attempt: Attempt) -> None:
    """Held until the rail answers, what goes out; counted as coming, what comes in; at once, what has happened."""
    order, world, mine = attempt.order, attempt.world, attempt.mine
    today = attempt.ask_policies()
    if attempt.exchange is None:
        attempt.charge(today)
    if attempt.payer:
        attempt.take_from_payer(today)
    elif order.amount <= attempt.fee:
        raise AmountBelowFee()
    if order.settled:
        rail = rail_float(order.rail, order.currency)
        attempt.post(_lines(order.kind)(mine.account, rail, order.amount, attempt.fee, attempt.fee_account))
    else:
        attempt.state = State.PENDING
        if attempt.payer:
            world.books.hold(mine.account, order.amount + attempt.fee, hold=attempt.id, moment=attempt.moment)
        else:
            world.used[mine.wallet].coming += order.amount - attempt.fee
    attempt.balance_after = world.books.accounts[mine.account].posted


def settling_touches(order: Settlement, world: World) -> set[str]:
    target = world.targets.get(order.transaction)
    if target is None or not target.rail or order.to != State.COMPLETED:
        return set()
    codes = {rail_float(target.rail, target.received_currency or target.currency), suspense(target.currency)}
    if target.received_currency:
        codes |= exchanges.positions(target.currency, target.received_currency)
    return codes | ({fee_income(target.kind, target.currency)} if target.fee else set())


def settle(order: Settlement, world: World) -> Outcome:
    """Move an open transaction on: capture or let go of what it held, credit what came in.

    Already there is no error: whoever comes second is told what the first did. Freezes do not stop it, for the outside
    world has acted; money for a wallet closed meanwhile goes to suspense.
    """
    target = world.targets.get(order.transaction)
    if target is None:
        raise TransactionNotFound()
    if target.state == order.to:
        return told_of(target, replayed=True)
    if target.kind not in THROUGH_A_RAIL or target.state not in OPEN or (target.state, order.to) not in LEGAL:
        raise IllegalTransition(f"This {target.kind} is {target.state}.", state=target.state)
    accounts, moment = world.books.accounts, world.books.tick()
    payer = world.parties.at(Address("wallet", str(target.payer_id)), "") if target.payer_id else None
    if payer and order.to in FINAL:
        world.books.release(
            payer.account, RELEASED_AS[State(order.to)], target.amount + target.fee, 0, hold=target.id, moment=moment
        )
        if order.to != State.COMPLETED:
            world.count(payer, world.tariff.day(payer.country, target.created_at), -target.amount, -1)
    if order.to == State.COMPLETED:
        wallet = wallet_account(target.payer_id or target.payee_id)
        if target.kind == Kind.TOP_UP and accounts[wallet].closed:
            wallet = suspense(target.currency)
        rail = rail_float(target.rail, target.received_currency or target.currency)
        fees = fee_income(target.kind, target.currency)
        if target.received and target.received_currency:
            lines = journals.exchange_lines(
                wallet, rail, target.currency, target.amount, target.fee, fees, target.received_currency,
                target.received, target.margin,
            )  # fmt: skip
        else:
            lines = _lines(target.kind)(wallet, rail, target.amount, target.fee, fees)
        world.books.post(lines, id=target.id, moment=moment, kind=target.kind, reference=f"{target.kind}:{target.id}")
    target.refusal_code = order.refusal_code or target.refusal_code
    target.rail_reference = order.rail_reference or target.rail_reference
    target.due_at = None if order.to in FINAL else order.due_at
    target.completed_at = moment.at if order.to in FINAL else None
    note_change(
        world, target, order.to, actor=order.actor, reason=order.reason, request_id=order.request_id, facts=order.facts
    )
    return told_of(target)


def _lines(kind: str) -> Callable[[str, str, int, int, str], list[Line]]:
    return journals.top_up_lines if kind == Kind.TOP_UP else journals.cash_out_lines
