"""Quotes as what movements use up: one quote, one movement, at the rate and for the amounts that were promised."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import msgspec

from core.errors import Declined
from core.ids import uuid7
from core.work import Work
from fx.errors import QuoteMismatch
from fx.selectors import QUOTES, QuoteTerms
from fx.services import verify_quote
from transactions.claims import Claim, Claims

if TYPE_CHECKING:
    from transactions.attempt import Attempt

USE = """
INSERT INTO fx_quoteuse (id, quote_id, transaction, at)
SELECT * FROM json_to_recordset(%s::json) AS n(id uuid, quote_id uuid, transaction uuid, at timestamptz)
"""


class QuoteClaims(Claims):
    """Quotes never change, so nothing is locked: a use is a row with a unique key. Whoever comes second is refused by
    PostgreSQL, begins anew and then sees it."""

    def __init__(self, claims: Sequence["QuoteClaim"]) -> None:
        super().__init__(claims)
        self.terms: dict[UUID, QuoteTerms] = {}
        self._used: list[dict[str, Any]] = []

    def ask(self, work: Work, *, peek: bool) -> None:
        self._asked = work.run(QUOTES, list({claim.quote for claim in self.claims if claim.quote}))

    def fetch(self) -> None:
        self.terms = {row[0]: QuoteTerms(*row) for row in self._asked.fetchall()}

    def check(self, claim: "QuoteClaim", attempt: "Attempt") -> None:
        """Raises: why there was none to be had; QuoteNotFound, QuoteUsed, QuoteExpired (by the database's time under
        the lock, to the microsecond), QuoteMismatch."""
        order = attempt.order
        if claim.refused:
            raise claim.refused
        found = verify_quote(
            self.terms.get(claim.quote) if claim.quote else None, caller=order.caller, at=attempt.moment.at,
            sell=order.currency, buy=order.received_currency,
        )  # fmt: skip
        if (found.kind, found.exchanged, found.buy_minor) != (order.kind, order.amount, order.received):
            raise QuoteMismatch()
        attempt.exchange, attempt.fee = found, found.fee_minor
        attempt.facts["exchange"] = {
            "quote": str(found.id), "received_minor": found.buy_minor, "currency": found.buy,
            "fee_minor": found.fee_minor, "margin_minor": found.margin_minor,
            "expires_at": found.expires_at.isoformat(),
        }  # fmt: skip

    def take(self, claim: "QuoteClaim", attempt: "Attempt") -> None:
        assert claim.quote is not None
        self.terms[claim.quote] = self.terms[claim.quote]._replace(used_by=attempt.id)
        self._used.append(
            {"id": uuid7(), "quote_id": claim.quote, "transaction": attempt.id, "at": attempt.moment.at}
        )  # fmt: skip

    def write(self, work: Work) -> None:
        if self._used:
            work.run(USE, msgspec.json.encode(self._used).decode())


@dataclass(frozen=True, slots=True)
class QuoteClaim(Claim):
    """``quote`` is the one that is taken. ``refused``: why none could be given, which is then why nothing moves."""

    batch: ClassVar[type[Claims]] = QuoteClaims

    quote: UUID | None
    refused: Declined | None = None
