"""How each kind of movement is undone. Nothing is ever edited: what went wrong is put right by another movement."""

from typing import NamedTuple

from django.db import models

from transactions.models import Kind


class Way(models.TextChoices):
    REVERSAL = "reversal"
    REFUND = "refund"
    VOID = "void"
    COUNTER_PAYMENT = "counter_payment", "counter-payment"
    NOT_AT_ALL = "not_at_all", "not at all"


class Undoing(NamedTuple):
    """``ways`` in the order in which one would try them; ``how`` in words, for staff."""

    ways: tuple[Way, ...]
    how: str


UNDONE: dict[str, Undoing] = {
    Kind.TRANSFER: Undoing((Way.REVERSAL,), "Support reverses it, in whole or in part."),
    Kind.PAYMENT: Undoing(
        (Way.REFUND, Way.REVERSAL), "The payee refunds it, or support reverses it: in whole or in part."
    ),
    Kind.PAYOUT: Undoing((Way.REVERSAL,), "Support reverses it, each item by itself, in whole or in part."),
    Kind.HOLD: Undoing((Way.VOID,), "A hold is voided. What was captured of it is a payment, and undone as one."),
    Kind.TOP_UP: Undoing(
        (Way.COUNTER_PAYMENT,), "A top-up went through a bank or partner: the money goes back by a cash-out."
    ),
    Kind.CASH_OUT: Undoing(
        (Way.COUNTER_PAYMENT,),
        "A cash-out went through a bank or partner and can only come back through them, as a top-up. One that has not "
        "gone out yet is called off.",
    ),
    Kind.CONVERSION: Undoing(
        (Way.REVERSAL,), "Support reverses it at the original or at today's rate; the difference goes to our result."
    ),
    Kind.REFUND: Undoing((Way.NOT_AT_ALL,), "A refund is not reversed. Whoever got the money back can pay again."),
    Kind.REVERSAL: Undoing(
        (Way.NOT_AT_ALL,), "A reversal is not reversed. Whoever got the money back can send it again."
    ),
    Kind.ADJUSTMENT: Undoing(
        (Way.COUNTER_PAYMENT,), "An adjustment is undone by another one, the other way round, by two people."
    ),
}  # fmt: skip
REVERSED = frozenset(kind for kind, undoing in UNDONE.items() if Way.REVERSAL in undoing.ways)


def how_undone(kind: str, *, in_two_currencies: bool) -> str:
    """In words; a transfer of which another currency arrived is undone as an exchange is."""
    return UNDONE[Kind.CONVERSION if in_two_currencies and kind in REVERSED else kind].how
