"""What a second person approves of prices: a new one, and what single customers are spared (`staff/approvals.py`)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.utils.timezone import now

from core.errors import AmountNotPositive, InvalidAmount
from core.ids import spaced_receipt
from core.money import EXPONENTS, Money
from customers.errors import RuleExists
from customers.models import AccountType, Country, Customer
from customers.services import check_day
from staff.approvals import About, Fact, Operation, Preview, Row, lock_name
from staff.models import Approval, User
from transactions.approvals import named, row_of
from transactions.errors import MoreThanFee, NoFeeLeft, PriceUnclear, TransactionNotFound, WaiverUnclear
from transactions.models import PAYS_AT_ONCE, THROUGH_A_RAIL, FeeRule, FeeWaiver, Kind, Transaction
from transactions.prices import as_fee, for_whom, in_words, percent
from transactions.services.fees import add_fee_rule, grant_waiver
from transactions.services.reversals import APPROVED
from transactions.services.waivers import NAME, beneficiary, fee_left, waive_fee
from transactions.tariff import FREE, WHOLE_BPS, Fee

COSTS = PAYS_AT_ONCE | THROUGH_A_RAIL | {Kind.CONVERSION}  # what may have a fee
TERMS = (
    "last_day", "bands", "bands_are", "least", "most", "round_to", "rounding", "payee_bps", "partner", "to_country",
    "from_country", "account_type", "tier",
)  # fmt: skip
EXAMPLES = (100, 1_000, 10_000)  # units of the currency
WEIGHED_DAYS = 90
PAID = """
SELECT w.currency, sum(t.fee)::bigint
FROM wallets_wallet w CROSS JOIN LATERAL (
    SELECT journal_id FROM ledger_entry WHERE account_id = w.account_id AND side = 1 ORDER BY seq DESC LIMIT 500
) e JOIN transactions_transaction t ON t.id = e.journal_id AND t.payer_id = w.id AND t.created_at >= %(since)s
WHERE w.customer_id = %(customer)s GROUP BY w.currency HAVING sum(t.fee) > 0 ORDER BY w.currency
"""


class FeeChange(Operation):
    """A new price. ``params``: kind, currency, flat (minor units), bps (hundredths of a percent), effective_from; and
    of `FeeRule`'s other columns those that say something."""

    name = "fee_rule"
    title = "Change of a fee"
    request = "transactions.change_fees"
    check = "transactions.approve_fees"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        kind, currency = Kind(params["kind"]), str(params["currency"])
        assert kind in COSTS and currency in EXPONENTS
        flat, bps = int(params["flat"]), int(params["bps"])
        if flat < 0 or not 0 <= bps <= WHOLE_BPS:
            raise InvalidAmount("A fee is nothing or more, and no more than the whole amount.")
        day = date.fromisoformat(str(params["effective_from"]))
        asked = {"kind": kind.value, "currency": currency, "flat": flat, "bps": bps, "effective_from": str(day)}
        terms = {name: params[name] for name in TERMS if params.get(name) not in (None, "", [])}
        if "last_day" in terms:
            terms["last_day"] = str(date.fromisoformat(str(terms["last_day"])))
        _check(kind, asked, terms)
        return asked | terms

    def about(self, params: dict[str, Any]) -> About:
        title, fee = f"Fee of a {Kind(params['kind']).label.lower()} in {params['currency']}", fee_of(params)
        whom, row = for_whom(fee), self._in_force(params)
        subject = Row("transactions.feerule", str(row.pk), title) if row else Row("", "", f"{title} (none so far)")
        slot = f"{params['kind']}:{params['currency']}"
        if not fee.is_general or fee.last_day:
            slot = f"{slot}:{whom}:{fee.last_day or ''}"
        of = "" if fee.is_general else f", {whom}"
        return About(title=f"{title}{of}, from {fee.effective_from:%-d %b %Y}", subject=subject, slot=slot)

    def lock(self, params: dict[str, Any]) -> None:
        """Rows are only added, so there is none to lock: their name."""
        lock_name(f"fee_rule:{params['kind']}:{params['currency']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        after, currency = fee_of(params), params["currency"]
        day = after.effective_from
        check_day(day)
        same = self._same(params)
        if same.filter(effective_from=day, last_day=after.last_day).exists():
            raise RuleExists(f"Another fee begins on {day:%-d %b %Y}.")
        later = same.filter(effective_from__gt=day, last_day=None).order_by("effective_from").first()
        row = self._in_force(params)
        before = as_fee(row) if row else FREE
        if after.last_day:
            until = f"{after.last_day:%-d %b %Y}, that day included"
        else:
            until = f"{later.effective_from:%-d %b %Y}, when another fee begins" if later else "further notice"
        facts = [
            Fact("Kind", Kind(params["kind"]).label.capitalize()),
            Fact("From", f"{day:%-d %b %Y}"),
            Fact("Until", until),
            *([Fact("Afterwards", self._afterwards(params, after))] if after.last_day else []),
            Fact("Flat", changed(before.flat, after.flat, currency)),
            Fact("Part of the amount", changed_part(before.bps, after.bps)),
        ]
        if not after.is_general:
            facts.insert(1, Fact("For", for_whom(after)))
        if not (after.is_plain and before.is_plain):
            facts.append(Fact("In words", in_words(after, currency)))
            facts.append(Fact("Before", in_words(before, currency) if row else "no price of its own"))
        for units in EXAMPLES:
            amount = units * 10 ** EXPONENTS[currency]
            facts.append(Fact(f"On {Money(amount, currency)}", changed(before.on(amount), after.on(amount), currency)))
        return Preview(facts=facts)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = dict(approval.params)
        terms = columns({name: params.pop(name) for name in TERMS if name in params})
        params["effective_from"] = date.fromisoformat(params["effective_from"])
        rule = add_fee_rule(**params, terms=terms, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("transactions.feerule", str(rule.pk), "The new fee")

    def _same(self, params: dict[str, Any]) -> Any:
        """The rows for the same people and ways, whenever."""
        fee = fee_of(params)
        return FeeRule.objects.filter(
            kind=params["kind"], currency=params["currency"], partner=fee.partner, to_country=fee.to_country,
            from_country=fee.from_country, account_type=fee.account_type, tier=fee.tier,
        )  # fmt: skip

    def _afterwards(self, params: dict[str, Any], after: Fee) -> str:
        """What a promotion leaves behind: a price, or the gap that it would be."""
        assert after.last_day
        row = self._in_force(params, after.last_day + timedelta(days=1))
        if row is None:
            return "no price of theirs: everybody's counts" if not after.is_general else "no price: it is free"
        return in_words(as_fee(row), params["currency"])

    def _in_force(self, params: dict[str, Any], on: date | None = None) -> FeeRule | None:
        """What would count for them on that day, or the first, without the change; None where they have no price of
        their own."""
        on = on or date.fromisoformat(params["effective_from"])
        standing = self._same(params).filter(effective_from__lte=on, last_day=None)
        promised = self._same(params).filter(effective_from__lte=on, last_day__gte=on)
        return min([*standing, *promised], key=lambda row: as_fee(row).rank, default=None)


def _check(kind: str, asked: dict[str, Any], terms: dict[str, Any]) -> None:
    """Whether they make a price. Raises: PriceUnclear."""
    if ("bands" in terms) != ("bands_are" in terms):
        raise PriceUnclear("Say the amounts from which the price is another, and what they price.")
    above = 0
    for band in terms.get("bands", []):
        if len(band) != 3 or band[0] <= above or band[1] < 0 or not 0 <= band[2] <= WHOLE_BPS:
            raise PriceUnclear("The amounts from which the price is another ascend from above zero.")
        above = band[0]
    if kind == Kind.CONVERSION and terms.get("bands_are") == FeeRule.Bands.WHOLE:
        raise PriceUnclear("What a conversion costs grows with its amount: price each part by its own band.")
    least, most, step = terms.get("least"), terms.get("most"), terms.get("round_to", 1)
    if step < 1 or any(one is not None and (one < 0 or one % step) for one in (least, most)):
        raise PriceUnclear("Least and most are whole steps of the rounding.")
    if least is not None and most is not None and least > most:
        raise PriceUnclear("The least is more than the most.")
    if "payee_bps" in terms and kind not in PAYS_AT_ONCE:
        raise PriceUnclear("A recipient bears fees of what goes from wallet to wallet.")
    if ("from_country" in terms and kind == Kind.TOP_UP) or ("to_country" in terms and kind == Kind.CASH_OUT):
        raise PriceUnclear("Only a country in which we have the payer's or the payee's wallet is known.")
    if "partner" in terms and kind not in THROUGH_A_RAIL:
        raise PriceUnclear("A partner is for what goes through one.")
    if terms.get("last_day", asked["effective_from"]) < asked["effective_from"]:
        raise PriceUnclear("It ends before it begins.")
    known = {
        "partner": settings.RAILS, "account_type": AccountType.values, "rounding": FeeRule.Rounding.values,
        "bands_are": FeeRule.Bands.values,
    }  # fmt: skip
    assert all(terms[name] in values for name, values in known.items() if name in terms)
    countries = {terms[name] for name in ("to_country", "from_country") if name in terms}
    assert Country.objects.filter(pk__in=countries).count() == len(countries)


def columns(terms: dict[str, Any]) -> dict[str, Any]:
    """As `FeeRule` names and types them."""
    terms = {f"{name}_id" if name.endswith("_country") else name: value for name, value in terms.items()}
    return terms | ({"last_day": date.fromisoformat(terms["last_day"])} if "last_day" in terms else {})


def fee_of(params: dict[str, Any]) -> Fee:
    """What a request asks for, as deciding would know it."""
    return as_fee(rule_of(params))


def rule_of(params: dict[str, Any]) -> FeeRule:
    """The row that a request asks for, as nobody has written it yet."""
    asked = dict(params)
    asked["effective_from"] = date.fromisoformat(asked["effective_from"])
    return FeeRule(**columns({name: asked.pop(name) for name in TERMS if name in asked}), **asked)


class FeeWaiving(Operation):
    """A customer is spared their fees for a time.

    ``params``: customer (id), kind and currency (null: any), bps (hundredths of a percent), effective_from, last_day.
    """

    name = "fee_waiver"
    title = "Waiver of fees"
    request = "transactions.waive_fees"
    check = "transactions.approve_waiver"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        kind, currency, bps = params.get("kind") or None, params.get("currency") or None, int(params["bps"])
        assert kind is None or Kind(kind) in COSTS
        assert currency is None or currency in EXPONENTS
        first, last = (date.fromisoformat(str(params[name])) for name in ("effective_from", "last_day"))
        if last < first or not 0 <= bps <= WHOLE_BPS:
            raise WaiverUnclear()
        return {
            "customer": str(UUID(str(params["customer"]))), "kind": kind and Kind(kind).value, "currency": currency,
            "bps": bps, "effective_from": str(first), "last_day": str(last),
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        customer = Customer.objects.get(pk=params["customer"])
        title = f"Waive {percent(params['bps'])} of the fees of {customer.full_name}, {_what(params)}"
        return About(title=title[:200], subject=Row("customers.customer", str(customer.pk), customer.full_name))

    def lock(self, params: dict[str, Any]) -> None:
        lock_name(f"fee_waiver:{params['customer']}")

    def preview(self, params: dict[str, Any]) -> Preview:
        first, last = (date.fromisoformat(params[name]) for name in ("effective_from", "last_day"))
        check_day(first)
        customer = Customer.objects.get(pk=params["customer"])
        facts = [
            Fact("Customer", f"{customer.full_name}, KYC tier {customer.tier}"),
            Fact("They pay less", percent(params["bps"])),
            Fact("Of", _what(params)),
            Fact("From", f"{first:%-d %b %Y}"),
            Fact("Until", f"{last:%-d %b %Y}, that day included"),
        ]
        before = FeeWaiver.objects.filter(customer=customer, last_day__gte=first, effective_from__lte=last)
        context = [Fact("They have already", waiver_in_words(one)) for one in before[:3]]
        context += [Fact(f"Fees they paid in {WEIGHED_DAYS} days", paid) for paid in fees_paid(customer)]
        return Preview(facts=facts, context=context)

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        days = {name: date.fromisoformat(params[name]) for name in ("effective_from", "last_day")}
        waiver = grant_waiver(
            customer=Customer.objects.get(pk=params["customer"]), kind=params["kind"], currency=params["currency"],
            bps=params["bps"], **days, actor=approval.maker, checker=checker, reason=approval.reason,
        )  # fmt: skip
        return Row("transactions.feewaiver", str(waiver.pk), "The waiver")


def _what(params: dict[str, Any]) -> str:
    kind = f"{Kind(params['kind']).label.lower()}s" if params["kind"] else "everything"
    return f"{kind} in {params['currency'] or 'any currency'}"


class FeeReturn(Operation):
    """Giving the fee of one transaction back, more of it than one's role does alone.

    ``params``: transaction (id), amount_minor, of_payee.
    """

    name = NAME
    title = "Waiver of one fee"
    request = "transactions.waive_fees"
    check = "transactions.approve_waiver"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        amount = int(params["amount_minor"])
        if amount <= 0:
            raise AmountNotPositive()
        return {
            "transaction": str(UUID(str(params["transaction"]))), "amount_minor": amount,
            "of_payee": bool(params["of_payee"]),
        }  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        original = self._original(params)
        amount = Money(params["amount_minor"], original.currency)
        wallet = beneficiary(original, of_payee=params["of_payee"])
        also = [Row("wallets.wallet", str(wallet.pk)), Row("customers.customer", str(wallet.customer_id))]
        title = f"Waive {amount} of the fee of {named(original)}"
        return About(title=title[:200], subject=row_of(original), also=also, slot=f"{original.pk}:fee")

    def lock(self, params: dict[str, Any]) -> None:
        """The original: what is left of its fee stays as previewed."""
        list(Transaction.objects.select_for_update(no_key=True).filter(pk=params["transaction"]))

    def preview(self, params: dict[str, Any]) -> Preview:
        original, of_payee = self._original(params), params["of_payee"]
        amount, currency = params["amount_minor"], original.currency
        left = fee_left(original, of_payee=of_payee)
        if not left:
            raise NoFeeLeft(f"Of this {Kind(original.kind).label} no fee is left to waive.")
        if amount > left:
            raise MoreThanFee(left_minor=left)
        wallet = beneficiary(original, of_payee=of_payee)
        return Preview(
            facts=[
                Fact("Waived", str(Money(amount, currency))),
                Fact("Of", f"{named(original)}, {Money(original.amount, currency)}"),
                Fact("Fee", str(Money(original.payee_fee if of_payee else original.fee, currency))),
                Fact("Left of it afterwards", str(Money(left - amount, currency))),
                Fact("Given to", f"the {currency} wallet of {wallet.customer.full_name}, who paid it"),
            ]
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params
        outcome = waive_fee(
            UUID(params["transaction"]), amount=params["amount_minor"], of_payee=params["of_payee"],
            reason=approval.reason, actor=approval.maker, checker=checker,
            idempotency_key=f"{APPROVED}{approval.pk}",
        )  # fmt: skip
        return Row(
            "transactions.transaction", str(outcome.transaction), f"Adjustment {spaced_receipt(outcome.receipt)}"
        )

    def _original(self, params: dict[str, Any]) -> Transaction:
        rows = Transaction.objects.select_related("payer__customer", "payee__customer")
        original = rows.filter(pk=params["transaction"]).first()
        if original is None:
            raise TransactionNotFound()
        return original


def waiver_in_words(waiver: FeeWaiver) -> str:
    of = _what({"kind": waiver.kind, "currency": waiver.currency})
    return f"{percent(waiver.bps)} less, {of}, {waiver.effective_from:%-d %b %Y} to {waiver.last_day:%-d %b %Y}"


def fees_paid(customer: Customer) -> list[str]:
    """What they paid as payers lately, by currency: of each wallet the last 500 entries, through its account."""
    asked: dict[str, Any] = {"customer": customer.pk, "since": now() - timedelta(days=WEIGHED_DAYS)}
    with connection.cursor() as cursor:
        cursor.execute(PAID, asked)
        return [str(Money(fees, currency)) for currency, fees in cursor.fetchall()]


def changed(before: int, after: int, currency: str) -> str:
    now, then = str(Money(before, currency)), str(Money(after, currency))
    return then if now == then else f"{now} → {then}"


def changed_part(before: int, after: int) -> str:
    now, then = percent(before), percent(after)
    return then if now == then else f"{now} → {then}"


fees, fee_waiver, fee_return = FeeChange(), FeeWaiving(), FeeReturn()
