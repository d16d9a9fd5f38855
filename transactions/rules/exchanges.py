"""Movements whose payee gets another currency than the payer gives, at the rate of a quote: conversions above all."""

from functools import cache

from ledger.chart import fee_income, fx_margin, fx_position
from transactions import journals
from transactions.attempt import Attempt
from transactions.errors import NoWalletInCurrency
from transactions.movements import Movement
from transactions.quotes import QuoteClaim, QuoteClaims
from transactions.world import Target, World


def touches(order: Movement, world: World) -> set[str]:
    """Both positions, and what we earn on it."""
    claims, claim = world.claims[QuoteClaims], order.claim
    assert isinstance(claims, QuoteClaims) and isinstance(claim, QuoteClaim)
    terms = claims.terms.get(claim.quote) if claim.quote else None
    if terms is None:
        return set()
    codes = {*positions(terms.sell, terms.buy)}
    if terms.fee_minor:
        codes.add(fee_income(order.kind, terms.sell))
    return codes


@cache
def positions(sold: str, bought: str) -> frozenset[str]:
    return frozenset((fx_position(sold), fx_position(bought), fx_margin(bought)))


def accept(attempt: Attempt) -> None:
    """A conversion. Raises: NoWalletInCurrency."""
    if attempt.order.received and attempt.payee is None:
        raise NoWalletInCurrency()
    pay(attempt)


def pay(attempt: Attempt) -> None:
    """At once, from wallet to wallet. Without a quote what would arrive is not known, nor where: then the payer's side
    is judged, and the claim says why there is none."""
    order = attempt.order
    if not order.received:
        attempt.payee = None
    today = attempt.ask_policies()
    attempt.take_from_payer(today)
    payer, payee, terms = attempt.payer, attempt.payee, attempt.exchange
    assert payer is not None and payee is not None and terms is not None
    attempt.post(
        journals.exchange_lines(
            payer.account, payee.account, terms.sell, order.amount, attempt.fee, attempt.fee_account, terms.buy,
            terms.buy_minor, terms.margin_minor,
        )
    )  # fmt: skip
    attempt.balance_after = attempt.world.books.accounts[payer.account].posted


def mirrored(original: Target, amount: int) -> tuple[int, int]:
    """What of the received and of our margin goes back with the next ``amount`` of an exchange: shares rounded down of
    what has gone back before and with it, so that the parts come to all of it whatever they are."""
    before, after = original.reversed_amount, original.reversed_amount + amount
    received, margin = (
        total * after // original.amount - total * before // original.amount
        for total in (original.received or 0, original.margin)
    )
    return received, margin
