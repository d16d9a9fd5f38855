"""What a second person approves of recalls (`staff/approvals.py`)."""

from typing import Any
from uuid import UUID

from core.ids import spaced_receipt
from core.money import Money
from ledger.chart import type_of, wallet_account
from recalls.errors import RecallClosed, RecallNotFound
from recalls.models import Recall, RecallState
from recalls.services import consent, orders_of
from staff.approvals import About, Fact, Leg, Operation, Preview, Row
from staff.models import Approval, User
from transactions.approvals import standing_of
from transactions.posting import dry_run


class Consent(Operation):
    """Writing down that a recipient agreed, where more goes back than one's role gives back alone.

    ``params``: recall (id).
    """

    name = "recall_consent"
    title = "Consent to a recall"
    request = "recalls.answer"
    check = "transactions.approve_reversal"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return {"recall": str(UUID(str(params["recall"])))}

    def about(self, params: dict[str, Any]) -> About:
        recall = _recall(params)
        also = [
            Row("transactions.transaction", str(recall.transaction_id)), Row("wallets.wallet", str(recall.wallet_id)),
            *(Row("customers.customer", str(pk)) for pk in (recall.sender_id, recall.recipient_id)),
        ]  # fmt: skip
        held = Money(recall.held, recall.currency)
        receipt = spaced_receipt(recall.transaction.receipt)
        subject = Row("recalls.recall", str(recall.pk), f"Recall of {receipt}")
        return About(title=f"Return {held} of {receipt}: the recipient agreed", subject=subject, also=also)

    def lock(self, params: dict[str, Any]) -> None:
        list(Recall.objects.select_for_update(no_key=True).filter(pk=params["recall"]))

    def preview(self, params: dict[str, Any]) -> Preview:
        recall = _recall(params)
        if recall.state != RecallState.OPEN:
            raise RecallClosed(state=recall.state)
        currency, original = recall.currency, recall.transaction
        returned, orders = orders_of(recall, original, actor=None, note="")
        facts = [
            Fact("Goes back", str(Money(returned, currency))),
            Fact("Out of what is held", str(Money(recall.held, currency))),
            Fact("Claimed", str(Money(recall.claimed, currency))),
            Fact("Why", recall.reason.title),
            Fact("Answer due", f"{recall.deadline_at:%d %b %Y %H:%M} UTC"),
        ]
        legs = []
        if returned:
            outcome, world = dry_run(*orders[:2])  # out of the hold, then back
            outcome.or_raise()
            owners = {
                wallet_account(original.payer_id): recall.sender.full_name,
                wallet_account(original.payee_id): recall.recipient.full_name,
            }
            legs = [
                Leg(name=owners.get(line["account"]) or type_of(line["account"]).name, currency=currency, **line)
                for line in world.lines()
            ]
        return Preview(facts=facts, legs=legs, context=standing_of(recall.wallet, original))

    def apply(self, approval: Approval, *, checker: User) -> Row:
        recall = consent(UUID(approval.params["recall"]), actor=approval.maker, note=approval.reason, checker=checker)
        return Row("recalls.recall", str(recall.pk), f"Recall of {spaced_receipt(recall.transaction.receipt)}")


def _recall(params: dict[str, Any]) -> Recall:
    rows = Recall.objects.select_related("transaction", "reason", "sender", "recipient", "wallet__account",
                                         "wallet__customer")  # fmt: skip
    recall = rows.filter(pk=params["recall"]).first()
    if recall is None:
        raise RecallNotFound()
    return recall


recall_consent = Consent()
