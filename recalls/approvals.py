"""What a second person approves of recalls (`staff/approvals.py`)."""

from typing import Any
from uuid import UUID

from core.ids import spaced_receipt
from core.money import Money
from customers.models import Customer
from ledger.chart import type_of, wallet_account
from recalls.errors import RecallClosed, RecallNotFound
from recalls.models import Recall, RecallReason, RecallState
from recalls.services import consent, open_recall, orders_of, refuse, refuse_second, withdraw
from staff.approvals import About, Fact, Leg, Operation, Preview, Row
from staff.models import Approval, User
from transactions.approvals import standing_of
from transactions.errors import NotReversible, TransactionNotFound
from transactions.models import PAYS_AT_ONCE, Transaction
from transactions.posting import dry_run
from transactions.rules.reversals import exceeds


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
            Fact("Answer due", f"{recall.deadline_at:%-d %b %Y %H:%M} UTC"),
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
                Leg(name=owners.get(line["account"]) or type_of(line["account"]).name, **line) for line in world.lines()
            ]
        return Preview(facts=facts, legs=legs, context=standing_of(recall.wallet, original))

    def apply(self, approval: Approval, *, checker: User) -> Row:
        recall = consent(UUID(approval.params["recall"]), actor=approval.maker, note=approval.reason, checker=checker)
        if reversal := recall.reversal:  # what a second person has approved, and so counts as nobody's alone
            return Row("transactions.transaction", str(reversal.pk), f"Reversal {spaced_receipt(reversal.receipt)}")
        return Row("recalls.recall", str(recall.pk), f"Recall of {spaced_receipt(recall.transaction.receipt)}")


def _recall(params: dict[str, Any]) -> Recall:
    rows = Recall.objects.select_related("transaction", "reason", "sender", "recipient", "wallet__account",
                                         "wallet__customer")  # fmt: skip
    recall = rows.filter(pk=params["recall"]).first()
    if recall is None:
        raise RecallNotFound()
    return recall


class Step(Operation):
    """Opening, refusing or withdrawing a recall, asked for by staff who are linked to one of the two.

    ``params``: step (open, refuse or withdraw); to open: transaction (id), amount_minor or None, reason_code; else:
    recall (id).
    """

    name = "recall_step"
    title = "Recall of one's own"
    request = "recalls.open"
    check = "transactions.approve_reversal"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        step = str(params["step"])
        if step != "open":
            assert step in DONE_BY_STEP
            return {"step": step, "recall": str(UUID(str(params["recall"])))}
        amount = params["amount_minor"]
        return {
            "step": step, "transaction": str(UUID(str(params["transaction"]))),
            "amount_minor": None if amount is None else int(amount), "reason_code": str(params["reason_code"]),
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        original = self._original(params)
        sender, recipient = self._parties(original)
        receipt = spaced_receipt(original.receipt)
        also = [Row("customers.customer", str(one.pk)) for one in (sender, recipient)]
        payment = Row("transactions.transaction", str(original.pk), f"Payment {receipt}")
        if params["step"] == "open":
            return About(title=f"Open a recall of {receipt}", subject=payment, also=also)
        subject = Row("recalls.recall", params["recall"], f"Recall of {receipt}")
        title = f"{DONE_BY_STEP[params['step']]} of {receipt}"
        return About(title=title, subject=subject, also=[payment, *also])

    def lock(self, params: dict[str, Any]) -> None:
        if params["step"] == "open":
            list(Transaction.objects.select_for_update(no_key=True).filter(pk=params["transaction"]))
        else:
            list(Recall.objects.select_for_update(no_key=True).filter(pk=params["recall"]))

    def preview(self, params: dict[str, Any]) -> Preview:
        original = self._original(params)
        sender, recipient = self._parties(original)
        facts = [
            Fact("Sender", sender.full_name),
            Fact("Recipient", recipient.full_name),
            Fact("Of", f"{spaced_receipt(original.receipt)}, {Money(original.amount, original.currency)}"),
        ]
        assert original.payee is not None
        if params["step"] != "open":
            recall = _recall(params)
            if recall.state != RecallState.OPEN:
                raise RecallClosed(state=recall.state)
            facts += [
                Fact("What happens", DONE_BY_STEP[params["step"]]),
                Fact("Is let go", str(Money(recall.held, recall.currency))),
            ]
            return Preview(facts=facts, context=standing_of(original.payee, original))
        refuse_second(original)
        claimed = params["amount_minor"]
        left = original.amount - original.reversed_amount
        if claimed is not None and claimed > left:
            raise exceeds(left, original.currency)
        facts += [
            Fact("Claimed", str(Money(claimed or left, original.currency))),
            Fact("What happens", "What of it is left at the recipient is held, and they are asked"),
            Fact("Why", RecallReason.objects.get(pk=params["reason_code"]).title),
        ]
        return Preview(facts=facts, context=standing_of(original.payee, original))

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params: dict[str, Any] = approval.params
        by: dict[str, Any] = {"actor": approval.maker, "note": approval.reason, "checker": checker}
        if params["step"] == "open":
            recall = open_recall(
                UUID(params["transaction"]), amount=params["amount_minor"], reason_code=params["reason_code"], **by
            )
        else:
            recall = (refuse if params["step"] == "refuse" else withdraw)(UUID(params["recall"]), **by)
        return Row("recalls.recall", str(recall.pk), f"Recall of {spaced_receipt(recall.transaction.receipt)}")

    def _original(self, params: dict[str, Any]) -> Transaction:
        rows = Transaction.objects.select_related("payer__customer", "payee__customer", "payee__account")
        pk = params["transaction"] if params["step"] == "open" else _recall(params).transaction_id
        original = rows.filter(pk=pk).first()
        if original is None:
            raise TransactionNotFound()
        if original.payer is None or original.payee is None or original.kind not in PAYS_AT_ONCE:
            raise NotReversible(state=original.state)
        return original

    def _parties(self, original: Transaction) -> tuple[Customer, Customer]:
        assert original.payer is not None and original.payee is not None
        return original.payer.customer, original.payee.customer


DONE_BY_STEP = {"refuse": "The recipient refused the recall", "withdraw": "The sender withdraws the recall"}
recall_consent, recall_step = Consent(), Step()
