"""What a second person approves of movements and of what they cost (`staff/approvals.py`)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.text import capfirst
from django.utils.timezone import now

from core.errors import AmountNotPositive
from core.ids import spaced_receipt
from core.money import Money
from ledger.chart import type_of, wallet_account
from staff.approvals import About, Fact, Leg, Operation, Preview, Row
from staff.models import Approval, User
from transactions.errors import TransactionNotFound
from transactions.models import Kind, ReversalReason, Transaction
from transactions.services.reversals import APPROVED, preview_reversal, reverse_transaction
from wallets.models import Wallet

# What a checker wants to know of the one who would lose money, from the end of the account alone.
LATELY = """
SELECT count(*) FILTER (WHERE j.kind = 'reversal' AND j.recorded_at > %(since)s),
       coalesce(sum(e.amount) FILTER (WHERE j.recorded_at > %(after)s), 0)::bigint
FROM (SELECT journal_id, amount, side FROM ledger_entry WHERE account_id = %(account)s ORDER BY seq DESC LIMIT 200) e
JOIN ledger_journal j ON j.id = e.journal_id WHERE e.side = 1
"""
RISK_DAYS = 90


class Reversal(Operation):
    """Giving back more of a transaction than one's role gives back alone.

    ``params``: transaction (id), amount_minor, reason_code.
    """

    name = "reversal"
    title = "Reversal"
    request = "transactions.reverse"
    check = "transactions.approve_reversal"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        amount = int(params["amount_minor"])
        if amount <= 0:
            raise AmountNotPositive()
        return {
            "transaction": str(UUID(str(params["transaction"]))), "amount_minor": amount,
            "reason_code": str(params["reason_code"]),
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        original = self._original(params)
        amount = Money(params["amount_minor"], original.currency)
        wallets = [wallet for wallet in (original.payer, original.payee) if wallet]
        also = [Row("wallets.wallet", str(wallet.pk)) for wallet in wallets]
        also += [Row("customers.customer", str(pk)) for pk in dict.fromkeys(wallet.customer_id for wallet in wallets)]
        return About(title=f"Reverse {amount} of {named(original)}", subject=row_of(original), also=also)

    def lock(self, params: dict[str, Any]) -> None:
        """The original: what is left of it, and so whether its fee goes back, stays as previewed."""
        list(Transaction.objects.select_for_update(no_key=True).filter(pk=params["transaction"]))

    def preview(self, params: dict[str, Any]) -> Preview:
        original = self._original(params)
        found = preview_reversal(
            original.pk, amount=params["amount_minor"], reason_code=params["reason_code"], actor=None
        )
        if found.refusal:
            raise found.refusal
        currency = original.currency
        wallets = [wallet for wallet in (original.payer, original.payee) if wallet]
        owners = {wallet_account(wallet.pk): wallet.customer.full_name for wallet in wallets}
        reason = ReversalReason.objects.get(pk=params["reason_code"])
        facts = [
            Fact("Given back", str(Money(found.amount, currency))),
            Fact("Of", f"{named(original)}, {Money(original.amount, currency)}"),
            Fact("Fee that goes back", str(Money(found.fee_returned, currency))),
            Fact("Left to reverse afterwards", str(Money(found.left_after, currency))),
            Fact("Why", reason.title),
        ]
        legs = [Leg(name=owners.get(line["account"]) or type_of(line["account"]).name, currency=currency, **line)
                for line in found.lines]  # fmt: skip
        assert original.payee is not None
        return Preview(facts=facts, legs=legs, context=standing_of(original.payee, original))

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        outcome = reverse_transaction(
            UUID(params["transaction"]), amount=params["amount_minor"], reason_code=params["reason_code"],
            note=approval.reason, actor=approval.maker, checker=checker, idempotency_key=f"{APPROVED}{approval.pk}",
        )  # fmt: skip
        return Row("transactions.transaction", str(outcome.transaction), f"Reversal {spaced_receipt(outcome.receipt)}")

    def _original(self, params: dict[str, Any]) -> Transaction:
        rows = Transaction.objects.select_related("payer__customer", "payee__customer", "payee__account")
        original = rows.filter(pk=params["transaction"]).first()
        if original is None:
            raise TransactionNotFound()
        return original


def standing_of(wallet: Wallet, original: Transaction) -> list[Fact]:
    """How the one who received the money stands now: what a checker weighs."""
    customer, currency = wallet.customer, wallet.currency
    asked: dict[str, Any] = {
        "account": wallet.account_id,
        "since": now() - timedelta(days=RISK_DAYS),
        "after": original.created_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(LATELY, asked)
        taken_back, spent = cursor.fetchone()
    available = Money(wallet.account.posted - wallet.account.held, currency)
    return [
        Fact("Recipient", f"{customer.full_name}, KYC tier {customer.tier}, {customer.get_state_display().lower()}"),
        Fact("Customer since", f"{customer.created_at:%d %b %Y}"),
        Fact("Their wallet", f"{wallet.status}, {available} available"),
        Fact("Went out of it since", str(Money(spent, currency))),
        Fact(f"Taken back from it in {RISK_DAYS} days", f"{taken_back} times" if taken_back != 1 else "once"),
    ]


def named(transaction: Transaction) -> str:
    return f"{Kind(transaction.kind).label.lower()} {spaced_receipt(transaction.receipt)}"


def row_of(transaction: Transaction) -> Row:
    return Row("transactions.transaction", str(transaction.pk), capfirst(named(transaction)))


reversal = Reversal()
