"""What a second person approves of movements and of what they cost (`staff/approvals.py`)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.text import capfirst
from django.utils.timezone import now

from core.errors import AmountNotPositive, InvalidAmount
from core.ids import spaced_receipt
from core.money import EXPONENTS, Money
from customers.errors import RuleExists
from customers.services import check_day
from ledger.chart import type_of, wallet_account
from ledger.selectors import account_ids
from staff.approvals import About, Fact, Leg, Operation, Preview, Row, lock_name
from staff.models import Approval, User
from transactions.errors import TransactionNotFound
from transactions.models import PAYS_AT_ONCE, THROUGH_A_RAIL, FeeRule, Kind, ReversalReason, Transaction
from transactions.services.adjustments import post_adjustment, preview_adjustment, wallet_in
from transactions.services.fees import add_fee_rule
from transactions.services.reversals import APPROVED, preview_reversal, reverse_transaction
from transactions.tariff import FREE, Fee
from wallets.models import Wallet

# What a checker wants to know of the one who would lose money, from the end of the account alone.
LATELY = """
SELECT count(*) FILTER (WHERE j.kind = 'reversal' AND j.recorded_at > %(since)s),
       coalesce(sum(e.amount) FILTER (WHERE j.recorded_at > %(after)s), 0)::bigint
FROM (SELECT journal_id, amount, side FROM ledger_entry WHERE account_id = %(account)s ORDER BY seq DESC LIMIT 200) e
JOIN ledger_journal j ON j.id = e.journal_id WHERE e.side = 1
"""
RISK_DAYS = 90
COSTS = PAYS_AT_ONCE | THROUGH_A_RAIL  # what may have a fee


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


class FeeChange(Operation):
    """A new fee. ``params``: kind, currency, flat (minor units), bps (hundredths of a percent), effective_from."""

    name = "fee_rule"
    title = "Change of a fee"
    request = "transactions.change_fees"
    check = "transactions.approve_fees"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        kind, currency = Kind(params["kind"]), str(params["currency"])
        assert kind in COSTS and currency in EXPONENTS
        flat, bps = int(params["flat"]), int(params["bps"])
        if flat < 0 or not 0 <= bps <= 10_000:
            raise InvalidAmount("A fee is nothing or more, and no more than the whole amount.")
        day = date.fromisoformat(str(params["effective_from"]))
        return {"kind": kind.value, "currency": currency, "flat": flat, "bps": bps, "effective_from": str(day)}

    def about(self, params: dict[str, Any]) -> About:
        title = f"Fee of a {Kind(params['kind']).label.lower()} in {params['currency']}"
        row = self._in_force(params)
        subject = Row("transactions.feerule", str(row.pk), title) if row else Row("", "", f"{title} (none so far)")
        slot = f"{params['kind']}:{params['currency']}"
        return About(title=f"{title}, from {self._day(params):%d %b %Y}", subject=subject, slot=slot)

    def lock(self, params: dict[str, Any]) -> None:
        """Rows are only added, so there is none to lock: their name."""
        lock_name(f"fee_rule:{params['kind']}:{params['currency']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        day, currency = self._day(params), params["currency"]
        check_day(day)
        same = FeeRule.objects.filter(kind=params["kind"], currency=currency)
        if same.filter(effective_from=day).exists():
            raise RuleExists(f"Another fee begins on {day:%d %b %Y}.")
        later = same.filter(effective_from__gt=day).order_by("effective_from").first()
        row = self._in_force(params)
        before = Fee(row.flat, row.bps, row.effective_from) if row else FREE
        after = Fee(params["flat"], params["bps"], day)
        facts = [
            Fact("Kind", Kind(params["kind"]).label.capitalize()),
            Fact("From", f"{day:%d %b %Y}"),
            Fact("Until", f"{later.effective_from:%d %b %Y}, when another fee begins" if later else "further notice"),
            Fact("Flat", changed(before.flat, after.flat, currency)),
            Fact("Part of the amount", changed_part(before.bps, after.bps)),
        ]
        for units in (100, 1_000, 10_000):
            amount = units * 10 ** EXPONENTS[currency]
            facts.append(Fact(f"On {Money(amount, currency)}", changed(before.on(amount), after.on(amount), currency)))
        return Preview(facts=facts)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params | {"effective_from": self._day(approval.params)}
        rule = add_fee_rule(**params, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("transactions.feerule", str(rule.pk), "The new fee")

    def _day(self, params: dict[str, Any]) -> date:
        return date.fromisoformat(params["effective_from"])

    def _in_force(self, params: dict[str, Any]) -> FeeRule | None:
        """What would count on that day without the change."""
        rules = FeeRule.objects.filter(
            kind=params["kind"], currency=params["currency"], effective_from__lte=self._day(params)
        )
        return rules.order_by("-effective_from").first()


class Adjustment(Operation):
    """A correction of the books by hand, always by two people.

    ``params``: debit, credit (codes of accounts), amount_minor, currency.
    """

    name = "adjustment"
    title = "Adjustment"
    request = "transactions.adjust"
    check = "transactions.approve_adjustment"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return {
            "debit": str(params["debit"]), "credit": str(params["credit"]),
            "amount_minor": int(params["amount_minor"]), "currency": str(params["currency"]),
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        names, wallets = self._named(params), self._wallets(params)
        amount = Money(params["amount_minor"], params["currency"])
        title = f"Adjust {amount}: debit {names[params['debit']]}, credit {names[params['credit']]}"[:200]
        rows = [
            Row("wallets.wallet", str(one.pk), f"{one.currency} wallet of {one.customer.full_name}") for one in wallets
        ]
        known = account_ids([params["debit"], params["credit"]])
        rows += [Row("ledger.account", str(pk), capfirst(names[code])) for code, pk in sorted(known.items())]
        rows += [Row("customers.customer", str(pk)) for pk in dict.fromkeys(one.customer_id for one in wallets)]
        subject, *also = rows or [Row("", "", "Accounts of the house")]
        slot = f"{params['debit']}:{params['credit']}:{params['amount_minor']}"
        return About(title=title, subject=subject, also=also, slot=slot)

    def preview(self, params: dict[str, Any]) -> Preview:
        asked = {"debit": params["debit"], "credit": params["credit"]}
        amount, currency = params["amount_minor"], params["currency"]
        lines, names = preview_adjustment(**asked, amount=amount, currency=currency), self._named(params)
        return Preview(
            facts=[
                Fact("Amount", str(Money(amount, currency))),
                Fact("Debited", names[params["debit"]]),
                Fact("Credited", names[params["credit"]]),
            ],
            legs=[Leg(name=names[line["account"]], currency=currency, **line) for line in lines],
            context=[
                Fact(f"Wallet of {one.customer.full_name}", f"{one.status}, KYC tier {one.customer.tier}, "
                     f"{one.customer.get_state_display().lower()}") for one in self._wallets(params)
            ],
        )  # fmt: skip

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        outcome = post_adjustment(
            debit=params["debit"], credit=params["credit"], amount=params["amount_minor"], currency=params["currency"],
            reason=approval.reason, actor=approval.maker, checker=checker, idempotency_key=f"{APPROVED}{approval.pk}",
        )  # fmt: skip
        return Row(
            "transactions.transaction", str(outcome.transaction), f"Adjustment {spaced_receipt(outcome.receipt)}"
        )

    def _wallets(self, params: dict[str, Any]) -> list[Wallet]:
        ids = [pk for pk in (wallet_in(params["debit"]), wallet_in(params["credit"])) if pk]
        found = {one.pk: one for one in Wallet.objects.select_related("customer", "account").filter(pk__in=ids)}
        return [found[pk] for pk in ids]

    def _named(self, params: dict[str, Any]) -> dict[str, str]:
        """Both accounts in words."""
        owners = {wallet_account(one.pk): f"wallet of {one.customer.full_name}" for one in self._wallets(params)}
        return {code: owners.get(code) or house_name(code) for code in (params["debit"], params["credit"])}


def house_name(code: str) -> str:
    """``fees (transfer)``, ``suspense``."""
    which = code.split(":")[2:-1]
    return f"{type_of(code).name.lower()}{f' ({which[0]})' if which else ''}"


def changed(before: int, after: int, currency: str) -> str:
    now, then = str(Money(before, currency)), str(Money(after, currency))
    return then if now == then else f"{now} → {then}"


def changed_part(before: int, after: int) -> str:
    now, then = (f"{bps // 100}.{bps % 100:02} %" for bps in (before, after))
    return then if now == then else f"{now} → {then}"


reversal, fees, adjustment = Reversal(), FeeChange(), Adjustment()
