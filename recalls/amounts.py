"""How much a recipient gives for a claim, where they bore a fee: never more than what they got of the payment.

What goes back to the sender is a reversal's amount; the recipient gives that much less what they get back of their own
fee, as the reason of the reversal says.
"""

from recalls.models import RecallReason
from transactions.models import Transaction
from transactions.rules.reversals import payee_fee_back
from transactions.services.waivers import fee_left


class Claimed:
    """The amounts of claims to one payment, in minor units, as it stands."""

    def __init__(self, original: Transaction, reason: RecallReason) -> None:
        self.original, self.policy = original, reason.reversal_reason
        self.left = original.amount - original.reversed_amount
        self.fee_left = fee_left(original, of_payee=True)

    def taken(self, amount: int) -> int:
        """From the recipient, so that ``amount`` goes back."""
        return amount - payee_fee_back(
            self.original.payee_fee, self.original.payee_fee - self.fee_left, amount=self.original.amount,
            gone=self.original.reversed_amount, part=amount, refunds_fee=self.policy.refunds_fee,
            fee_by_share=self.policy.fee_by_share,
        )  # fmt: skip

    def to_hold(self, claimed: int) -> int:
        """Of what the recipient has: what would be taken, and no more than is left of what they got."""
        return min(self.taken(claimed), self.left - self.fee_left)

    def back_for(self, held: int, claimed: int) -> int:
        """The most of the claim that goes back for what is held."""
        most = min(claimed, self.left)
        if self.taken(most) <= held:
            return most
        least = 0  # of two amounts, never more is taken for the smaller
        while most - least > 1:
            middle = (least + most) // 2
            least, most = (middle, most) if self.taken(middle) <= held else (least, middle)
        return least
