"""Quotes as what movements use up: one quote, one movement, at the rate and for the amounts that were promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, LiteralString
from uuid import UUID

import msgspec

from core.days import written
from core.errors import Declined
from core.work import Work
from fx.errors import QuoteExpired, QuoteMismatch
from fx.selectors import QUOTES, QuoteTerms
from fx.services import verify_quote
from transactions.claims import Claim, Claims

if TYPE_CHECKING:
    from transactions.attempt import Attempt


class UseRow(msgspec.Struct):
    """A row of fx_quoteuse, column by column."""

    transaction: UUID
    quote_id: UUID
    at: datetime


AHEAD_US = 50_000_000  # PostgreSQL takes no use of later than in a minute


class QuoteClaims(Claims):
    """Quotes never change, so nothing is locked: a use is a row with a unique key. Whoever comes second is refused by
    PostgreSQL, begins anew and then sees it."""

    def __init__(self, claims: Sequence["QuoteClaim"]) -> None:
        super().__init__(claims)
        self.terms: dict[UUID, QuoteTerms] = {}
        self._uses: dict[UUID, UseRow] = {}

    def ask(self, work: Work, *, peek: bool) -> None:
        self._asked = work.run(QUOTES, list({claim.quote for claim in self.claims if claim.quote}))

    def fetch(self) -> None:
        self.terms = {terms.id: terms for terms in map(QuoteTerms.read, self._asked.fetchall())}

    def check(self, claim: "QuoteClaim", attempt: "Attempt") -> None:
        """Raises: why there was none to be had; QuoteNotFound, QuoteUsed, QuoteExpired (by the database's time under
        the lock, to the microsecond; also where its clock was set back and the books are ahead of it), QuoteMismatch.
        """
        order = attempt.order
        if claim.refused:
            raise claim.refused
        found = self.terms.get(claim.quote) if claim.quote else None
        if found and found.id in self._uses:
            found = found._replace(used_by=self._uses[found.id].transaction)
        found = verify_quote(
            found, caller=order.caller, at=attempt.moment.at, sell=order.currency, buy=order.received_currency
        )
        if attempt.moment.us - attempt.world.now_us > AHEAD_US:
            raise QuoteExpired(expires_at=written(found.expires_at))
        if (found.kind, found.exchanged, found.buy_minor) != (order.kind, order.amount, order.received):
            raise QuoteMismatch()
        attempt.exchange, attempt.fee = found, found.fee_minor
        attempt.facts["exchange"] = {
            "quote": found.id, "received_minor": found.buy_minor, "currency": found.buy, "fee_minor": found.fee_minor,
            "margin_minor": found.margin_minor, "expires_at": found.expires_at,
        }  # fmt: skip

    def take(self, claim: "QuoteClaim", attempt: "Attempt") -> None:
        assert claim.quote is not None
        self._uses[claim.quote] = UseRow(attempt.id, claim.quote, attempt.moment.at)

    def taken(self) -> tuple[LiteralString, Sequence[UseRow]]:
        return "fx_quoteuse", list(self._uses.values())


@dataclass(frozen=True, slots=True)
class QuoteClaim(Claim):
    """``quote`` is the one that is taken. ``refused``: why none could be given, which is then why nothing moves."""

    batch: ClassVar[type[Claims]] = QuoteClaims

    quote: UUID | None
    refused: Declined | None = None
