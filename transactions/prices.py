"""Prices in words, and which of them concern a customer. What one comes to is `tariff.Fee.on`, here as everywhere."""

from typing import NamedTuple

from django.utils import timezone

from core.money import Money
from customers.models import AccountType, Customer
from transactions import tariff
from transactions.models import FeeRule, Kind
from transactions.tariff import WHOLE_BPS, Fee, Side, Waiver, bands_of


def as_fee(row: FeeRule) -> Fee:
    """A row as deciding knows it."""
    return Fee(
        row.flat, row.bps, row.effective_from, row.last_day, bands_of(row.bands),
        row.bands_are == FeeRule.Bands.MARGINAL, row.least, row.most, row.round_to or 1,
        row.rounding or FeeRule.Rounding.HALF_UP, row.payee_bps or 0, row.partner, row.to_country_id,
        row.from_country_id, row.account_type, row.tier, row.pk,
    )  # fmt: skip


def percent(bps: int) -> str:
    """Hundredths of a percent in words: 125 is ``1.25 %``."""
    return f"{bps // 100}.{bps % 100:02} %"


def in_words(fee: Fee, currency: str) -> str:
    """What it costs and who bears it: ``KES 10.00 + 1.00 %, at most KES 300.00``."""
    if not fee.costs:
        return "free"
    said = [_banded(fee, currency) if fee.bands else _part(fee.flat, fee.bps, currency)]
    if fee.least is not None:
        said.append(f"at least {Money(fee.least, currency)}")
    if fee.most is not None:
        said.append(f"at most {Money(fee.most, currency)}")
    if (fee.round_to, fee.rounding) != (1, FeeRule.Rounding.HALF_UP):
        said.append(f"rounded {FeeRule.Rounding(fee.rounding).label} in steps of {Money(fee.round_to, currency)}")
    if fee.payee_bps == WHOLE_BPS:
        said.append("taken off what the recipient gets")
    elif fee.payee_bps:
        said.append(f"{percent(fee.payee_bps)} of it taken off what the recipient gets")
    return ", ".join(said)


def _part(flat: int, bps: int, currency: str) -> str:
    said = [str(Money(flat, currency))] if flat else []
    return " + ".join([*said, percent(bps)] if bps else said) or "free"


def _banded(fee: Fee, currency: str) -> str:
    of = "the part " if fee.marginal else ""
    said = [f"{of}below {Money(fee.bands[0].above, currency)}: {_part(fee.flat, fee.bps, currency)}"]
    said += [f"{of}from {Money(one.above, currency)}: {_part(one.flat, one.bps, currency)}" for one in fee.bands]
    return "; ".join(said)


def for_whom(fee: Fee) -> str:
    """``everybody``, or who and which way: ``KYC tier 2, SME, KE → any, through sandbox``."""
    said = []
    if fee.tier is not None:
        said.append(f"KYC tier {fee.tier}")
    if fee.account_type is not None:
        said.append(str(AccountType(fee.account_type).label))
    if fee.from_country or fee.to_country:
        said.append(f"{fee.from_country or 'any'} → {fee.to_country or 'any'}")
    if fee.partner is not None:
        said.append(f"through {fee.partner}")
    return ", ".join(said) or "everybody"


class Price(NamedTuple):
    """A rule that may concern a customer, and what they are spared of their part of it."""

    kind: str
    currency: str
    fee: Fee
    waiver: Waiver | None


def price_list(customer: Customer) -> list[Price]:
    """The rules in force today for the customer's open wallets, in the order in which they are asked for each kind: of
    those that fit a movement, the first counts."""
    rules = tariff.current()
    today = rules.day(customer.country_id, timezone.now())
    side = Side(customer.country_id, customer.account_type, customer.tier)
    held = set(customer.wallets.filter(closed_at=None).values_list("currency", flat=True))
    return [
        Price(kind, currency, fee, rules.waiver(customer.pk, kind, currency, today))
        for kind, currency in rules.priced()
        if currency in held
        for fee in concerning(rules.in_force(kind, currency, today), kind, side)
    ]


def concerning(rules: list[Fee], kind: str, side: Side) -> list[Fee]:
    """Of these, ranked, those that a customer may meet: what they send may cost, and what they bear of what they get.
    Each time up to the one that leaves nothing to those after it."""
    sends = _met(rules, side, pays=True, has_other=kind != Kind.CASH_OUT) if kind != Kind.TOP_UP else []
    gets = _met(rules, side, pays=False, has_other=kind != Kind.TOP_UP) if kind != Kind.CASH_OUT else []
    borne = gets if kind == Kind.TOP_UP else [rule for rule in gets if rule.payee_bps]
    return [rule for rule in rules if rule in sends or rule in borne]


def _met(rules: list[Fee], side: Side, *, pays: bool, has_other: bool) -> list[Fee]:
    """As payer or as payee, of somebody of whom nothing is known, or of nobody who has a wallet here."""
    met = []
    for rule in rules:
        own, other = (rule.from_country, rule.to_country) if pays else (rule.to_country, rule.from_country)
        is_mine = not has_other or pays == (
            rule.payee_bps != WHOLE_BPS
        )  # it is mine whose tier and kind of account count
        names = (rule.account_type, rule.tier)
        if own not in (None, side.country) or (other and not has_other):
            continue
        if is_mine and (names[0] not in (None, side.account_type) or names[1] not in (None, side.tier)):
            continue
        met.append(rule)
        if rule.partner is None and other is None and (is_mine or names == (None, None)):
            break
    return met
