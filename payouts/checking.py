"""A file that was read, held against what there is: whom it pays, what it costs, what it leaves. Writes nothing.

Set-wise: the same statements for one item and for 10,000.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import connection
from django.utils import timezone

from core.admin.lists import first_id_at
from core.errors import AmountTooLarge, TekanaError
from core.money import MAX_MINOR, Money
from core.work import unit_of_work
from payouts.models import PAYS, Batch
from payouts.reading import Asked, Faults, File
from transactions import tariff
from transactions.errors import (
    AmountBelowFee,
    CurrencyMismatch,
    InsufficientFunds,
    LimitExceeded,
    RecipientHasNoWallet,
    RecipientNotFound,
    RecipientUnavailable,
    SelfTransfer,
)
from transactions.models import Kind
from transactions.selectors import LimitsLeft, limits_left
from wallets import parties
from wallets.models import Wallet
from wallets.parties import Parties, Party

SIDES = "SELECT id, country_id, account_type, tier FROM customers_customer WHERE id = ANY(%s)"
AWAY = """
SELECT w.id FROM wallets_wallet w JOIN customers_customer c ON c.id = w.customer_id
JOIN ledger_account a ON a.id = w.account_id
WHERE w.id = ANY(%s) AND (c.state <> 'active' OR a.credits_frozen)
"""


ALIKE = timedelta(days=20)  # shorter than from one month's wages to the next


@dataclass(slots=True)
class Checked:
    """What a file comes to, in minor units. ``payees``: the wallet of each item, in their order."""

    payees: list[UUID] = field(default_factory=list)
    total: int = 0
    fees: int = 0
    leaves: int = 0
    eaten: set[int] = field(default_factory=set)  # lines of which nothing would arrive
    warnings: Faults = field(default_factory=Faults)


def check(file: File, wallet: Wallet) -> Checked:
    """Whom each item reaches now, and what all of it comes to. What is wrong joins ``file.errors``.

    That the wallet has enough, that its limits allow it and that everybody can receive just now is not asked of a file:
    money comes in until it is paid, and days go by. What would be refused now is a warning. ``wallet`` comes with its
    account and owner. Raises: AmountTooLarge (all of it), LimitsNotSet.
    """
    checked = Checked()
    checked.total = sum(item.amount for item in file.items)
    if checked.total > MAX_MINOR:
        raise AmountTooLarge(f"All items together come to more than {Money(MAX_MINOR, wallet.currency)}.")
    with unit_of_work() as work:
        asked = parties.find(work, {item.to for item in file.items})
        found = parties.found(asked)
    for item in file.items:
        party = found.at(item.to, wallet.currency)
        if wrong := _wrong(item, party, found, wallet):
            file.errors.add(item.line, "to", wrong.code, wrong.for_customer)
        elif party:
            checked.payees.append(party.wallet)
    file.errors.told.sort()
    checked.fees = _fees(file, wallet, found, checked.eaten)
    checked.leaves = wallet.account.posted - wallet.account.held - checked.total - checked.fees
    if not file.errors.total:
        _warn(file, checked, limits_left(wallet.customer_id, wallet.pk))
    return checked


def _wrong(item: Asked, party: Party | None, found: Parties, wallet: Wallet) -> type[TekanaError] | None:
    if party is None:
        return RecipientHasNoWallet if found.knows(item.to) else RecipientNotFound
    if party.currency != wallet.currency:
        return CurrencyMismatch
    if party.wallet == wallet.pk:
        return SelfTransfer
    return RecipientUnavailable if party.is_closed else None


def _fees(file: File, wallet: Wallet, found: Parties, eaten: set[int]) -> int:
    """What the payer would pay for all of them today, as `transactions.attempt` charges it. Lines of which the payee's
    part of the price leaves nothing are ``eaten``, and cost nothing."""
    prices, currency = tariff.current(), wallet.currency
    if not prices.ever_costs(Kind.PAYOUT, currency):
        return 0
    today = prices.day(wallet.customer.country_id, timezone.now())

    def waived(customer: UUID, fee: int) -> int:
        waiver = prices.waiver(customer, Kind.PAYOUT, currency, today) if fee and prices.grants else None
        return waiver.off(fee) if waiver else 0

    reached = [(item, party) for item in file.items if (party := found.at(item.to, currency))]
    with connection.cursor() as cursor:
        cursor.execute(SIDES, [list({party.customer for _, party in reached} | {wallet.customer_id})])
        sides = {customer: tariff.Side(*side) for customer, *side in cursor.fetchall()}
    total = 0
    for item, party in reached:
        both = (sides[wallet.customer_id], sides[party.customer])
        rule = prices.fee(Kind.PAYOUT, currency, today, lambda both=both: both)  # type: ignore[misc]
        fee, theirs = rule.shared(rule.on(item.amount))
        if theirs - waived(party.customer, theirs) >= item.amount:
            eaten.add(item.line)
            continue
        total += fee - waived(wallet.customer_id, fee)
    return total


def _warn(file: File, checked: Checked, limits: LimitsLeft) -> None:
    """What nobody is stopped by: one like it, the wallet short of money, limits that would be reached, the same line
    twice."""
    alike = Batch.objects.filter(
        PAYS, customer=limits.wallet.customer_id, currency=limits.wallet.currency, lines=file.lines,
        total=checked.total, pk__gte=first_id_at(timezone.now() - ALIKE),
    )  # fmt: skip
    if one := alike.order_by("-pk").values_list("created_at", "label").first():
        said = f" (“{one[1]}”)" if one[1] else ""
        what = f"One of as many items and the same total came in on {one[0]:%-d %B %Y}{said}, and waits or was paid."
        checked.warnings.add(0, "", "looks_sent_before", what)
    warn, currency = checked.warnings.add, limits.wallet.currency
    if checked.leaves < 0:
        missing = Money(-checked.leaves, currency)
        warn(0, "", InsufficientFunds.code, f"{missing} is missing in the wallet as it is now.")
    for period, allowed, used in (
        ("day", limits.limit.per_day, limits.today),
        ("month", limits.limit.per_month, limits.month),
    ):
        left = limits.left(allowed, used)
        if left is not None and checked.total > left:
            warn(0, "", LimitExceeded.code, f"Of your limit per {period} {Money(left, currency)} is left.")
    with connection.cursor() as cursor:
        cursor.execute(AWAY, [list(set(checked.payees))])
        away = {wallet for (wallet,) in cursor.fetchall()}
    seen: dict[UUID, int] = {}
    references: dict[str, int] = {}
    for item, payee in zip(file.items, checked.payees, strict=True):
        if limits.limit.per_movement is not None and item.amount > limits.limit.per_movement:
            allowed_now = Money(limits.limit.per_movement, currency)
            warn(item.line, "amount", LimitExceeded.code, f"Your limit per movement is {allowed_now}.")
        if item.line in checked.eaten:
            warn(
                item.line, "amount", AmountBelowFee.code, "Nothing of it would arrive: the recipient's fee is as high."
            )
        if payee in away:
            warn(item.line, "to", RecipientUnavailable.code, "The recipient cannot receive money as of now.")
        if (first := seen.setdefault(payee, item.line)) != item.line:
            warn(item.line, "to", "recipient_twice", f"The same recipient as in line {first}.")
        if item.reference and (first := references.setdefault(item.reference, item.line)) != item.line:
            warn(item.line, "reference", "reference_twice", f"The same reference as in line {first}.")
