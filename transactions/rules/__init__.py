"""How each kind of movement is decided: one file for what belongs together, and the table of them all.

Pure Python over one batch in memory (`world.py`). What is accepted is posted onto the accounts in memory at once, so
that the next order of the batch sees it.
"""

from collections.abc import Callable
from typing import NamedTuple

from transactions.attempt import Attempt
from transactions.models import Kind
from transactions.movements import Movement, Outcome, Settlement
from transactions.rules import adjustments, exchanges, holds, payments, rails, reversals
from transactions.world import World
from wallets.parties import Party


class Rule(NamedTuple):
    """One kind of movement.

    ``between``: payer and payee. Raises: a refusal of which nothing is kept.
    ``touches``: our own accounts that it may post to; those of the wallets that are named are locked anyway.
    ``accept``: posts it onto the accounts in memory, or raises a refusal.
    """

    between: Callable[[Movement, World], tuple[Party | None, Party | None]]
    touches: Callable[[Movement, World], set[str]]
    accept: Callable[[Attempt], None]


RULES: dict[str, Rule] = {
    Kind.TRANSFER: Rule(payments.named, payments.fees, payments.accept),
    Kind.PAYMENT: Rule(payments.named, payments.fees, payments.accept),
    Kind.PAYOUT: Rule(payments.named, payments.fees, payments.accept),
    Kind.HOLD: Rule(holds.named, holds.touches, holds.place),
    Kind.TOP_UP: Rule(payments.named, rails.touches, rails.accept),
    Kind.CASH_OUT: Rule(payments.named, rails.touches, rails.accept),
    Kind.REFUND: Rule(reversals.between_merchant_and_payer, reversals.touches, reversals.accept_refund),
    Kind.CONVERSION: Rule(payments.named, exchanges.touches, exchanges.accept),
    Kind.REVERSAL: Rule(reversals.between, reversals.touches, reversals.accept),
    Kind.ADJUSTMENT: Rule(adjustments.between, adjustments.touches, adjustments.accept),
}
CAPTURE = Rule(holds.between, holds.fees, holds.capture)


def rule_of(order: Movement) -> Rule:
    return CAPTURE if order.hold else RULES[order.kind]


def settle(order: Settlement, world: World) -> Outcome:
    """What becomes of an open transaction without its payer or payee moving money: at its rail, or of a hold."""
    target = world.targets.get(order.transaction)
    return holds.end(order, world) if target and target.kind == Kind.HOLD else rails.settle(order, world)
