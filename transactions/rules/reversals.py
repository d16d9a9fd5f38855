"""Reversals and refunds: the mirror of a transfer or payment, in part or in whole. And what they brought, set aside
meanwhile."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from core.money import Money
from ledger.books import Line
from ledger.chart import fee_income, fx_result, receivable, wallet_account
from transactions import journals
from transactions.attempt import Attempt, note_change, told_of
from transactions.errors import (
    InsufficientFunds,
    NotRefundable,
    NotReversible,
    RecipientShort,
    ReversalExceedsOriginal,
    ShortfallChanged,
    TransactionNotFound,
)
from transactions.models import REVERSIBLE, Kind, State
from transactions.movements import Holding, Movement, Outcome
from transactions.rules import exchanges
from transactions.undoing import UNDONE, Way
from transactions.world import Target, World
from wallets.errors import WalletClosed
from wallets.parties import Address, Party


def between(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """Back from the payee of the original to its payer. Raises: TransactionNotFound."""
    original = _original(order, world)
    return _party(world, original.payee_id), _party(world, original.payer_id)


def between_merchant_and_payer(order: Movement, world: World) -> tuple[Party | None, Party | None]:
    """Back from the payee of a payment, who asks for it, to its payer. Raises: TransactionNotFound, NotRefundable."""
    original = _original(order, world)
    payer, payee = between(order, world)
    if payer is None or payer.customer != order.owner:
        raise TransactionNotFound()
    if original.kind != Kind.PAYMENT:
        raise NotRefundable(f"A {Kind(original.kind).label} is not refunded.".capitalize(), kind=original.kind)
    return payer, payee


def touches(order: Movement, world: World) -> set[str]:
    original = world.targets.get(order.reverses)  # type: ignore[arg-type]
    if original is None:
        return set()
    codes = {fee_income(original.kind, original.currency)} if original.fee or original.payee_fee else set()
    if original.received_currency:
        codes |= exchanges.positions(original.currency, original.received_currency)
        return codes if order.worth is None else codes | {fx_result(original.currency)}
    return codes | ({receivable(original.id, original.currency)} if order.owed else set())


def accept(attempt: Attempt) -> None:
    """Freezes do not stop it: staff put right what went wrong."""
    order, world, accounts = attempt.order, attempt.world, attempt.world.books.accounts
    original = _original(order, world)
    left = _left(original, order.amount)
    assert attempt.payer is not None and attempt.payee is not None
    giver, taker = accounts[attempt.payer.account], accounts[attempt.payee.account]
    if giver.closed or taker.closed:
        raise WalletClosed()
    if order.owed and original.received:
        raise NotReversible("In another currency nobody owes: reverse what they have.", state=original.state)
    needed = _needed(original, order)
    missing = 0 if giver.can_give(needed) else needed - max(giver.available, 0)
    if order.owed and missing != order.owed:
        raise ShortfallChanged(shortfall_minor=missing)
    if missing and not order.owed:
        raise RecipientShort(shortfall_minor=missing)
    _give_back(attempt, original, left)


def accept_refund(attempt: Attempt) -> None:
    """The merchant's own act: session, suspension and freezes stop it as they stop what it sends; limits do not count
    what is given back."""
    order, world = attempt.order, attempt.world
    original = _original(order, world)
    left = _left(original, order.amount)
    attempt.ask_policies()
    assert attempt.payer is not None
    needed = _needed(original, order)
    if not world.books.accounts[attempt.payer.account].can_give(needed):
        raise InsufficientFunds()
    _give_back(attempt, original, left)


def _give_back(attempt: Attempt, original: Target, left: int) -> None:
    """Post the mirror of so much of the original, of which ``left`` minor units had not gone back before."""
    order, world = attempt.order, attempt.world
    assert attempt.payer is not None and attempt.payee is not None
    whole = order.amount == left
    returned, payee_returned = _fee_returned(original, order), _payee_fee_returned(original, order)
    attempt.facts["fee_returned_minor"] = returned
    if payee_returned:
        attempt.facts["payee_fee_returned_minor"] = payee_returned
    if order.owed:
        attempt.facts["owed_minor"] = order.owed
    attempt.post(
        _lines(attempt, original, returned, payee_returned),
        reverses=original.id,
        reverses_all=whole and original.reversed_amount == 0,
    )
    original.fee_returned += returned
    original.payee_fee_returned += payee_returned
    original.reversed_amount += order.amount
    note_change(
        world, original, State.REVERSED if whole else State.PARTIALLY_REVERSED, actor=order.caller,
        reason=order.reason, request_id=order.request_id,
        facts={"reversed_by": str(attempt.id), "amount_minor": order.amount, "reason_code": order.reason_code},
    )  # fmt: skip
    attempt.balance_after = world.books.accounts[attempt.payer.account].posted


def _needed(original: Target, order: Movement) -> int:
    """What the payee must have. What they get back of their own fee is not needed."""
    if original.received:
        return exchanges.mirrored(original, order.amount)[0]
    return order.amount - _payee_fee_returned(original, order)


def _lines(attempt: Attempt, original: Target, returned: int, payee_returned: int) -> list[Line]:
    order, payer, payee = attempt.order, attempt.payer, attempt.payee
    assert payer is not None and payee is not None
    sides = (payee.account, payer.account, order.amount)
    fees = fee_income(original.kind, original.currency)
    if original.received and original.received_currency:
        received, margin = exchanges.mirrored(original, order.amount)
        worth = order.amount if order.worth is None else order.worth
        attempt.received, attempt.received_currency = received or None, original.received_currency if received else ""
        attempt.facts["undone"] = {"worth_minor": worth, "result_minor": order.amount - worth, "margin_minor": margin}
        return journals.exchange_reversal_lines(
            payee.account, payer.account, original.currency, order.amount, returned, fees, original.received_currency,
            received, margin, worth,
        )  # fmt: skip
    if order.owed:
        owed = (receivable(original.id, original.currency), order.owed)
        return journals.owed_reversal_lines(*sides, returned, fees, *owed, payee_returned)
    return journals.reversal_lines(*sides, returned, fees, payee_returned)


def set_aside(order: Holding, world: World) -> Outcome:
    """Hold what is there of what a transaction brought to its payee, never more; or let go of such a hold.

    Freezes do not stop it: nothing leaves the wallet. Raises: TransactionNotFound, NotReversible,
    ReversalExceedsOriginal, WalletClosed; RecipientShort, when nothing at all is there.
    """
    target = world.targets.get(order.transaction)
    if target is None:
        raise TransactionNotFound()
    code, amount = wallet_account(target.payee_id), order.amount
    if order.kind != "placed":
        world.books.release(code, order.kind, amount, order.remaining, hold=order.hold, moment=world.books.tick())
        return told_of(target)
    if target.received:
        raise NotReversible(
            "It arrived in another currency, so it is not recalled: ask the recipient, and reverse what they have.",
            state=target.state,
        )
    _left(target, amount)
    account = world.books.accounts[code]
    if account.closed:
        raise WalletClosed()
    there = min(amount, max(account.available - (account.floor or 0), 0))
    if not there:
        raise RecipientShort(shortfall_minor=amount)
    world.books.hold(code, there, hold=order.hold, moment=world.books.tick(), expires_at=order.expires_at)
    return replace(told_of(target), amount=there)


def _original(order: Movement, world: World) -> Target:
    original = world.targets.get(order.reverses)  # type: ignore[arg-type]
    if original is None:
        raise TransactionNotFound()
    return original


def _party(world: World, wallet: UUID | None) -> Party | None:
    return world.parties.at(Address("wallet", str(wallet)), "") if wallet else None


def _left(original: Target, amount: int) -> int:
    """What of a transfer or payment can still be given back. Raises: NotReversible; ReversalExceedsOriginal, when
    ``amount`` is more."""
    if Way.REVERSAL not in UNDONE[original.kind].ways or original.state not in REVERSIBLE:
        raise NotReversible(
            f"A {Kind(original.kind).label} that is {State(original.state).label} cannot be reversed.".capitalize(),
            state=original.state,
        )
    left = original.amount - original.reversed_amount
    if amount > left:
        raise exceeds(left, original.currency)
    return left


def exceeds(left: int, currency: str) -> ReversalExceedsOriginal:
    """That more is asked for than what is left, in minor units, of what was paid."""
    rest = Money(left, currency)
    return ReversalExceedsOriginal(f"{rest} is left to give back.", left=rest.decimal, currency=rest.currency)


def _fee_returned(original: Target, order: Movement) -> int:
    """What of the payer's fee goes back to them with this part."""
    return fee_back(original.fee, original.fee_returned, **_part(original, order))


def _payee_fee_returned(original: Target, order: Movement) -> int:
    """What of the payee's fee goes back to them with this part: they give that much less."""
    return payee_fee_back(original.payee_fee, original.payee_fee_returned, **_part(original, order))


def _part(original: Target, order: Movement) -> dict[str, Any]:
    return {
        "amount": original.amount, "gone": original.reversed_amount, "part": order.amount,
        "refunds_fee": order.refunds_fee, "fee_by_share": order.fee_by_share,
    }  # fmt: skip


def fee_back(fee: int, before: int, *, amount: int, gone: int, part: int, refunds_fee: bool, fee_by_share: bool) -> int:
    """What of a fee, of which ``before`` went back or was waived, goes back with ``part`` of an ``amount`` of which
    ``gone`` had: never more in all than it was.

    By share each part takes what of the fee had gone back after it, in half-up rounding, less what had before it, so
    that the parts come to all of it whatever they are.
    """
    left = fee - before
    if not refunds_fee:
        return 0
    if not fee_by_share:
        return left if gone + part == amount else 0
    due_before, due_after = ((2 * fee * share + amount) // (2 * amount) for share in (gone, gone + part))
    return min(due_after - due_before, left)


def payee_fee_back(
    fee: int, before: int, *, amount: int, gone: int, part: int, refunds_fee: bool, fee_by_share: bool
) -> int:
    """The same of the payee's, who gives that much less, and so never more than the part.

    A fee that goes back at the end does so with the parts before the last, as far as the last would be less than it.
    """
    if refunds_fee and not fee_by_share:
        return min(max(fee - before - (amount - gone - part), 0), part)
    policy = {"refunds_fee": refunds_fee, "fee_by_share": fee_by_share}
    return min(fee_back(fee, before, amount=amount, gone=gone, part=part, **policy), part)
