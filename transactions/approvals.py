"""What a second person approves of movements and of what they cost (`staff/approvals.py`)."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.text import capfirst
from django.utils.timezone import now

from core.contacts import masked_text
from core.errors import AmountNotPositive
from core.ids import spaced_receipt
from core.money import Money
from customers.selectors import current_limits
from fx.errors import RateMissing, RateStale
from ledger.chart import suspense, type_of, wallet_account
from ledger.selectors import Coverage, account_ids, coverage
from staff.approvals import ASK_ANEW, About, Fact, Leg, Operation, Preview, Row, lock_name
from staff.models import Approval, User
from transactions.errors import FeePolicyUnclear, ShortfallChanged, TransactionNotFound
from transactions.models import Kind, ReversalReason, Transaction
from transactions.services.adjustments import post_adjustment, preview_adjustment, wallet_in
from transactions.services.fees import set_reversal_reason
from transactions.services.receivables import (
    COLLECT,
    WRITE_OFF,
    preview_settling,
    receivable_of,
    settle_receivable,
)
from transactions.services.reversals import (
    APPROVED,
    ReversalPreview,
    freezes_of,
    given_back_alone,
    preview_reversal,
    rejections_of,
    reverse_transaction,
    worth_today,
)
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

    ``params``: transaction (id), amount_minor, reason_code; of an exchange ``today``: at today's rate.
    """

    name = "reversal"
    title = "Reversal"
    request = "transactions.reverse"
    check = "transactions.approve_reversal"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        amount = int(params["amount_minor"])
        if amount <= 0:
            raise AmountNotPositive()
        cleaned = {
            "transaction": str(UUID(str(params["transaction"]))), "amount_minor": amount,
            "reason_code": str(params["reason_code"]),
        }  # fmt: skip
        return cleaned | {"today": True} if params.get("today") else cleaned

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
            original.pk, amount=params["amount_minor"], reason_code=params["reason_code"], actor=None,
            owed=params.get("owed_minor", 0), today=params.get("today", False),
        )  # fmt: skip
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
            Fact("What the reason does with the fee", reason.fee_policy),
            Fact("Left to reverse afterwards", str(Money(found.left_after, currency))),
            Fact("Why", reason.title),
        ]
        if found.payee_fee_returned:
            facts.append(Fact("Fee that goes back to the recipient", str(Money(found.payee_fee_returned, currency))))
        if found.taken:
            facts += rates_of(original, found)
        if found.owed:
            facts.append(Fact("Of it the recipient will owe us", str(Money(found.owed, currency))))
        legs = [Leg(name=owners.get(line["account"]) or type_of(line["account"]).name, **line)
                for line in found.lines]  # fmt: skip
        assert original.payee is not None
        return Preview(facts=facts, legs=legs, context=[*standing_of(original.payee, original), *history_of(original)])

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        outcome = reverse_transaction(
            UUID(params["transaction"]), amount=params["amount_minor"], reason_code=params["reason_code"],
            note=approval.reason, actor=approval.maker, checker=checker, idempotency_key=f"{APPROVED}{approval.pk}",
            owed=params.get("owed_minor", 0), today=params.get("today", False),
        )  # fmt: skip
        return Row("transactions.transaction", str(outcome.transaction), f"Reversal {spaced_receipt(outcome.receipt)}")

    def _original(self, params: dict[str, Any]) -> Transaction:
        rows = Transaction.objects.select_related("payer__customer", "payee__customer", "payee__account")
        original = rows.filter(pk=params["transaction"]).first()
        if original is None:
            raise TransactionNotFound()
        return original


def rates_of(original: Transaction, found: ReversalPreview) -> list[Fact]:
    """Of an exchange that is undone: at which rate, and what that comes to beside the other one."""
    currency, worth = original.currency, found.amount if found.worth is None else found.worth
    result = Money(found.amount - worth, currency)
    try:
        at_today = str(Money(worth_today(original, found.amount), currency))
    except (RateStale, RateMissing) as unknown:
        at_today = unknown.detail
    return [
        Fact("Taken from the recipient", str(found.taken)),
        Fact("At the original rate the payer gets", str(Money(found.amount, currency))),
        Fact("At today's rate the payer gets", at_today),
        Fact("Asked for is", "today's rate" if worth != found.amount else "the original rate"),
        Fact("Our result of it", str(result)),
    ]


class OwedReversal(Reversal):
    """Giving back more than the recipient has: they owe us the rest. Finance decides.

    ``params``: those of a reversal, and owed_minor, which is exactly what the recipient lacks.
    """

    name = "receivable"
    title = "Reversal with a receivable"
    check = "transactions.approve_receivable"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        owed, cleaned = int(params["owed_minor"]), super().clean(params)
        if not 0 < owed <= cleaned["amount_minor"]:
            raise AmountNotPositive()
        return cleaned | {"owed_minor": owed}

    def about(self, params: dict[str, Any]) -> About:
        about = super().about(params)
        owed = Money(params["owed_minor"], self._original(params).currency)
        return replace(about, title=f"{about.title}, of which {owed} will be owed")

    def preview(self, params: dict[str, Any]) -> Preview:
        """What the recipient lacks changes with each payment: the refusal says how much it is now, and what to do."""
        try:
            return super().preview(params)
        except ShortfallChanged as changed:
            currency, lacking = self._original(params).currency, changed.facts["shortfall_minor"]
            asked = Money(params["owed_minor"], currency)
            lacks = f"lacks {Money(lacking, currency)}" if lacking else "lacks nothing"
            said = f"The recipient now {lacks}; asked for was that they owe {asked}."
            raise ShortfallChanged(f"{said} {ASK_ANEW}", **changed.facts) from changed


class Settling(Operation):
    """Taking what somebody owes us from their wallet, or giving it up. ``params``: receivable (id), amount_minor,
    currency."""

    request = "transactions.adjust"
    check = "transactions.approve_adjustment"
    how: str
    verb: str

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        row = receivable_of(UUID(str(params["receivable"])))
        return {
            "receivable": str(row.pk), "amount_minor": int(params["amount_minor"]), "currency": row.currency,
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        row = receivable_of(UUID(params["receivable"]))
        amount = Money(params["amount_minor"], row.currency)
        owner = row.debtor.customer
        return About(
            title=f"{self.verb} {amount} that {owner.full_name} owes us",
            subject=Row("transactions.receivable", str(row.pk), f"Receivable from {owner.full_name}"),
            also=[
                row_of(row.transaction), Row("wallets.wallet", str(row.debtor_id)),
                Row("customers.customer", str(owner.pk)),
            ],
        )  # fmt: skip

    def preview(self, params: dict[str, Any]) -> Preview:
        row = receivable_of(UUID(params["receivable"]))
        lines = preview_settling(row.pk, self.how, amount=params["amount_minor"])
        owner, currency = row.debtor.customer, row.currency
        names = {wallet_account(row.debtor_id): f"wallet of {owner.full_name}"}
        return Preview(
            facts=[
                Fact("What happens", f"{self.verb} {Money(params['amount_minor'], currency)}"),
                Fact("Owed by", owner.full_name),
                Fact("Since the reversal of", named(row.transaction)),
            ],
            legs=[
                Leg(name=names.get(line["account"]) or type_of(line["account"]).name.lower(), **line) for line in lines
            ],
            context=[
                Fact("Owed now", str(Money(row.account.posted, currency))),
                Fact("Owed since", f"{row.opened_at:%-d %b %Y}"),
                Fact("Debtor", f"{owner.full_name}, KYC tier {owner.tier}, {owner.get_state_display().lower()}"),
                Fact("In their wallet", str(Money(row.debtor.account.posted - row.debtor.account.held, currency))),
            ],
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        outcome = settle_receivable(
            UUID(approval.params["receivable"]), self.how, amount=approval.params["amount_minor"],
            reason=approval.reason, actor=approval.maker, checker=checker,
            idempotency_key=f"{APPROVED}{approval.pk}",
        )  # fmt: skip
        return Row(
            "transactions.transaction", str(outcome.transaction), f"Adjustment {spaced_receipt(outcome.receipt)}"
        )


class Collection(Settling):
    name, title, how, verb = "collection", "Collecting what is owed", COLLECT, "Collect"


class WriteOff(Settling):
    name, title, how, verb = "write_off", "Write-off", WRITE_OFF, "Write off"


class ReasonChange(Operation):
    """A reason to reverse, new or changed. ``params``: code, title, refunds_fee, fee_by_share, is_active."""

    name = "reversal_reason"
    title = "Change of a reversal reason"
    request = "transactions.change_fees"
    check = "transactions.approve_fees"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        flags = {name: bool(params[name]) for name in ("refunds_fee", "fee_by_share", "is_active")}
        if flags["fee_by_share"] and not flags["refunds_fee"]:
            raise FeePolicyUnclear()
        return {"code": str(params["code"]), "title": str(params["title"]).strip(), **flags}

    def about(self, params: dict[str, Any]) -> About:
        row = ReversalReason.objects.filter(pk=params["code"]).first()
        subject = Row("transactions.reversalreason", params["code"] if row else "", params["title"])
        return About(title=f"Reason to reverse: {params['title']}"[:200], subject=subject, slot=params["code"])

    def lock(self, params: dict[str, Any]) -> None:
        lock_name(f"reversal_reason:{params['code']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        row, new = ReversalReason.objects.filter(pk=params["code"]).first(), ReversalReason(**params)

        def said(label: str, of: Callable[[ReversalReason], str]) -> Fact:
            now, then = of(row) if row else "not there", of(new)
            return Fact(label, then if now == then else f"{now} → {then}")

        return Preview(
            facts=[
                Fact("Code", params["code"]),
                said("Title", lambda one: one.title),
                said("Fee", lambda one: one.fee_policy),
                said("In use", lambda one: "yes" if one.is_active else "no"),
            ]
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        row = set_reversal_reason(**approval.params, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("transactions.reversalreason", row.code, row.title)


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
        Fact("Customer since", f"{customer.created_at:%-d %b %Y}"),
        Fact("Their wallet", f"{wallet.status}, {available} available"),
        *(
            Fact("It is frozen", f"{one.get_cause_display()}: {masked_text(one.reason)}")
            for one in freezes_of(original)
        ),
        Fact("Went out of it since", str(Money(spent, currency))),
        Fact(f"Taken back from it in {RISK_DAYS} days", f"{taken_back} times" if taken_back != 1 else "once"),
    ]


def history_of(original: Transaction) -> list[Fact]:
    """What was given back of it without a second person, and each no that there has been."""
    alone = Money(given_back_alone(original.reversals.all()), original.currency)
    return [
        Fact("Given back alone so far", str(alone)),
        *(
            Fact(
                f"Rejected on {one.decided_at:%-d %b %Y}",
                f"{one.title}, asked for by {one.maker}. {one.checker}: {masked_text(one.comment)}",
            )
            for one in rejections_of(original)
        ),
    ]


def named(transaction: Transaction) -> str:
    return f"{Kind(transaction.kind).label.lower()} {spaced_receipt(transaction.receipt)}"


def row_of(transaction: Transaction) -> Row:
    return Row("transactions.transaction", str(transaction.pk), capfirst(named(transaction)))


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
            legs=[Leg(name=names[line["account"]], **line) for line in lines],
            context=[*(fact for one in self._wallets(params) for fact in weighed(one, params)), *cover(params)],
        )

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


def weighed(wallet: Wallet, params: dict[str, Any]) -> list[Fact]:
    """Of a wallet that is adjusted: how its owner stands, and whether it would hold more than their tier may."""
    customer, currency = wallet.customer, wallet.currency
    state = f"{wallet.status}, KYC tier {customer.tier}, {customer.get_state_display().lower()}"
    facts = [Fact(f"Wallet of {customer.full_name}", state)]
    if params["credit"] == wallet_account(wallet.pk):
        limits = current_limits(customer, currency, on=now().date())
        most, then = limits.balance if limits else None, wallet.account.posted + params["amount_minor"]
        if most is not None:
            said = f"{Money(most, currency)}; afterwards they hold {Money(then, currency)}"
            facts.append(Fact("Their tier may hold", f"{said}, which is MORE" if then > most else said))
    return facts


def cover(params: dict[str, Any]) -> list[Fact]:
    """E-money and what covers it, before and after an adjustment."""
    amount, currency = params["amount_minor"], params["currency"]
    after = before = next(iter(coverage(currency)), Coverage(currency, 0, 0, 0, 0))
    for code, change in ((params["debit"], -amount), (params["credit"], amount)):
        if code.startswith(wallet_account("")):
            after = after._replace(wallets=after.wallets + change)
        elif code == suspense(currency):
            after = after._replace(suspense=after.suspense + change)
        elif code.startswith("asset:rail:"):  # grows on the debit side
            after = after._replace(rails=after.rails - change)
    return [Fact("E-money and its cover now", covered(before)), Fact("Afterwards", covered(after))]


def covered(one: Coverage) -> str:
    said = f"{Money(one.rails, one.currency)} held for {Money(one.owed, one.currency)} owed"
    missing = Money(one.owed - one.rails, one.currency)
    return f"{said}: covered" if one.covered else f"{said}: NOT COVERED, {missing} is missing"


def house_name(code: str) -> str:
    """``fees (cash-out)``, ``suspense``."""
    which, name = code.split(":")[2:-1], type_of(code).name.lower()
    return f"{name} ({which[0].replace('_', '-')})" if which else name


reversal, owed_reversal, reasons = Reversal(), OwedReversal(), ReasonChange()
adjustment, collection, write_off = Adjustment(), Collection(), WriteOff()
