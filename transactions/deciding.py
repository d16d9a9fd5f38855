"""Accept or refuse: pure Python over one batch in memory (`World`), tested without a database and against a model.

The clock and the numbers of receipts are the batch's own, and the only dice are those of ids. What is particular to a
kind of movement is in `rules/`.
"""

from dataclasses import replace
from functools import partial

from core.errors import AmountNotPositive, Declined, TekanaError
from transactions.attempt import Attempt
from transactions.errors import IdempotencyKeyReused, ReferenceTaken
from transactions.movements import Holding, Movement, Order, Outcome, Settlement
from transactions.rules import rails, reversals, rule_of, settle
from transactions.world import Tell, World


def touched(order: Order, world: World) -> set[str]:
    """Every account of the house that an order may post to; those of the wallets it names are locked anyway."""
    match order:
        case Settlement():
            return rails.settling_touches(order, world)
        case Holding():
            return set()
    return rule_of(order).touches(order, world)


def decide(order: Order, world: World) -> Tell:
    """Accept or refuse one order against the world as the orders before it left it. Pure but for the dice of ids.

    What it decides is posted onto the accounts in memory before it returns. What it returns tells the outcome, and with
    it writes up transaction and event: Python does that while PostgreSQL writes the books.

    A refusal that is understood (Declined) keeps its row and code; one that is not (nobody there, not yours, another
    body under the same key) leaves nothing behind. Its traceback is dropped: it is an answer, and the frames would
    keep the whole batch in memory.
    """
    try:
        match order:
            case Settlement():
                return _known(settle(order, world))
            case Holding():
                return _known(reversals.set_aside(order, world))
        return _decide_movement(order, world)
    except TekanaError as error:
        return _known(Outcome(error.with_traceback(None)))


def _decide_movement(order: Movement, world: World) -> Tell:
    if past := world.seen.get((order.caller, order.key)):
        return partial(_told_again, past, order)
    if order.reference and (order.caller, order.reference) in world.references:
        raise ReferenceTaken(reference=order.reference)
    if order.amount <= 0 and not (order.hold and order.amount == 0):
        raise AmountNotPositive()
    rule = rule_of(order)
    attempt = Attempt(order, world, *rule.between(order, world))
    try:
        rule.accept(attempt)
        if claim := order.claim:
            world.claims[claim.batch].take(claim, attempt)
    except Declined as refused:
        attempt.refuse(refused)
    world.seen[order.caller, order.key] = attempt.tell
    if order.reference:
        world.references.add((order.caller, order.reference))
    return attempt.tell


def _known(outcome: Outcome) -> Tell:
    return lambda: outcome


def _told_again(first: Tell, order: Movement) -> Outcome:
    """The first answer to this key, if it was asked for the same thing."""
    outcome = first()
    if outcome.fingerprint != order.fingerprint:
        return Outcome(IdempotencyKeyReused())
    return replace(outcome, replayed=True)
