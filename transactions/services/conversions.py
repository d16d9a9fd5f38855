"""Quotes for customers, and changing one's own money into another currency at the rate of one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.timezone import now

import fx.services
from core import context
from core.admin.lists import first_id_at
from core.errors import Declined
from core.money import Money
from core.work import prepared
from customers.authentication import CustomerPrincipal
from customers.errors import CustomerSuspended, SessionEnded
from fx.errors import QuoteMismatch, TooManyQuotes
from fx.models import Quote
from fx.selectors import QuoteTerms, read_quotes, terms_of
from transactions.errors import LimitsNotSet
from transactions.models import Kind
from transactions.movements import Answer, Movement, Order, Outcome
from transactions.policies import above
from transactions.poster import submit
from transactions.quotes import QuoteClaim
from transactions.tariff import Side, current, own_fee
from wallets.parties import Address

# What a customer may ask a quote for.
QUOTED_CHOICES = [(kind.value, kind.label) for kind in (Kind.CONVERSION, Kind.TRANSFER, Kind.CASH_OUT)]

# All that is to know of a customer before a quote is given or taken; posting judges again, under the lock.
ASKING = """
SELECT c.state = 'active', s.revoked_at IS NULL, c.country_id, c.account_type, c.tier, w.id,
       EXISTS (SELECT FROM transactions_transaction WHERE idempotency_key = %(key)s AND caller = %(caller)s),
       (SELECT count(*) FROM fx_quote q WHERE q.caller = %(caller)s AND q.id >= %(since)s
            AND q.expires_at >= clock_timestamp() AND NOT EXISTS (SELECT FROM fx_quoteuse u WHERE u.quote_id = q.id))
FROM customers_session s JOIN customers_customer c ON c.id = s.customer_id
LEFT JOIN wallets_wallet w ON w.customer_id = c.id AND w.currency = %(buy)s AND w.closed_at IS NULL
WHERE s.id = %(session)s AND c.id = %(customer)s
"""


class Asking(NamedTuple):
    """Who asks: whether they may, what prices go by, their open wallet in the currency that is bought; whether the key
    has come before; how many quotes of theirs are open."""

    is_active: bool
    is_live: bool
    country: str
    account_type: str
    tier: int
    wallet: UUID | None
    was_here: bool
    open_quotes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionOrder:
    """``amount`` is all that leaves the wallet, a fee included. Without ``quote`` it is at the rate of this moment."""

    wallet_id: UUID
    amount: Money
    to_currency: str
    quote: UUID | None = None


def ask_quote(
    *, actor: CustomerPrincipal, sell: str, buy: str, sell_minor: int | None = None, buy_minor: int | None = None,
    kind: str = Kind.CONVERSION,
) -> Quote:  # fmt: skip
    """Promise a customer a rate (`fx.services.quote`), unless too many promises to them are open.

    Raises: SessionEnded, CustomerSuspended, TooManyQuotes, LimitsNotSet, LimitExceeded, and what `fx.services.quote`
    raises.
    """
    asking = _asking(actor, buy)
    if asking is None or not asking.is_live:
        raise SessionEnded()
    if not asking.is_active:
        raise CustomerSuspended()
    _refuse_hoarding(asking)
    return fx.services.quote(
        caller=actor.principal, sell=sell, buy=buy, sell_minor=sell_minor, buy_minor=buy_minor, tier=asking.tier,
        kind=kind, fee=_fee_of(actor, asking), may_move=_limit_of(asking, sell),
    )  # fmt: skip


def convert(
    order: ConversionOrder, *, actor: CustomerPrincipal, idempotency_key: str, answer: Answer | None = None,
    post: Callable[[Order], Outcome] = submit,
) -> Outcome:  # fmt: skip
    """Change money between two of the caller's wallets, at once.

    Why there is no quote (too small, no route) is a refusal of the conversion and stays with it. Raises: RateStale,
    RateMissing, TooManyQuotes, of which nothing is kept.
    """
    sell, buy, amount = order.amount.currency, order.to_currency, order.amount.amount_minor
    asking = _asking(actor, buy, idempotency_key)
    terms: QuoteTerms | None = None
    refused: Declined | None = None
    if order.quote:
        terms = quote_of(order.quote, actor)
        if terms and (terms.sell, terms.buy, terms.sell_minor) != (sell, buy, amount):
            terms, refused = None, QuoteMismatch()
    elif asking and asking.is_live and asking.is_active and not asking.was_here:
        _refuse_hoarding(asking)
        try:
            made = fx.services.quote(
                caller=actor.principal, sell=sell, buy=buy, sell_minor=amount, tier=asking.tier,
                fee=_fee_of(actor, asking), may_move=_limit_of(asking, sell),
            )  # fmt: skip
        except Declined as exc:
            refused = exc
        else:
            terms = terms_of(made)
    return post(
        Movement(
            kind=Kind.CONVERSION, amount=terms.exchanged if terms else amount, currency=sell, caller=actor.principal,
            key=idempotency_key, payer=Address("wallet", str(order.wallet_id)),
            payee=Address("wallet", str(asking.wallet)) if asking and asking.wallet else None, owner=actor.id,
            session=actor.session_id, claim=QuoteClaim(terms.id if terms else order.quote, refused),
            received=terms.buy_minor if terms else None, received_currency=terms.buy if terms else "",
            asked=(str(order.wallet_id), str(amount), sell, buy, str(order.quote or "")),
            request_id=context.request_id.get(), answer=answer,
        )
    )  # fmt: skip


def quote_of(quote: UUID, actor: CustomerPrincipal) -> QuoteTerms | None:
    """What it promises the caller; None where it is nobody's, or somebody else's. Terms never change, uses do."""
    found = read_quotes([quote]).get(quote)
    return found if found and found.caller == actor.principal else None


def at_quote(quote: UUID | None, currency: str, actor: CustomerPrincipal) -> dict[str, Any]:
    """What of a `Movement` in ``currency`` a quote says: the claim to it, and what arrives; nothing without one.

    One that is for another currency is claimed all the same, so that posting refuses it.
    """
    if quote is None:
        return {}
    terms = quote_of(quote, actor)
    if terms is None or terms.sell != currency:
        return {"claim": QuoteClaim(quote)}
    return {"claim": QuoteClaim(quote), "received": terms.buy_minor, "received_currency": terms.buy}


def _asking(actor: CustomerPrincipal, buy: str, key: str = "") -> Asking | None:
    params = {
        "key": key, "caller": actor.principal, "session": actor.session_id, "customer": actor.id, "buy": buy,
        "since": first_id_at(now() - timedelta(seconds=settings.FX_QUOTE_SECONDS + 1)),  # they end with a full second
    }  # fmt: skip
    return next((Asking._make(row) for row in prepared(ASKING, params)), None)


def _fee_of(actor: CustomerPrincipal, asking: Asking) -> Callable[[str, str, int], int]:
    return own_fee(actor.id, Side(asking.country, asking.account_type, asking.tier))


def _limit_of(asking: Asking, currency: str) -> Callable[[int], None]:
    """What posting would refuse whenever the quote is taken is not promised: it would only occupy what providers and
    caps leave for others. Raises, when asked: LimitsNotSet, LimitExceeded."""
    rules = current()
    limits = rules.limits(asking.country, currency, asking.tier, rules.day(asking.country, now()))

    def may_move(exchanged: int) -> None:
        if limits is None:
            raise LimitsNotSet()
        if limits.per_movement is not None and exchanged > limits.per_movement:
            raise above("movement", limits.per_movement, limits.per_movement, currency)

    return may_move


def _refuse_hoarding(asking: Asking) -> None:
    """Open quotes count towards what providers take in a day. Raises: TooManyQuotes."""
    if asking.open_quotes >= settings.FX_OPEN_QUOTES:
        raise TooManyQuotes(retry_after=settings.FX_QUOTE_SECONDS)
