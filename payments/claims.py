"""One use of a payment request, claimed by the payment that pays it: `transactions.claims` says how.

The rows of the requests are locked before any account, in the order of their ids, so that the last use goes to one of
many who pay at the same moment. What one payer has used is counted in a statement of its own: after the lock, or it
would not see what was committed while this batch waited for it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, LiteralString, NamedTuple
from uuid import UUID

from core.days import written
from core.money import Money
from core.work import Work
from payments.errors import (
    RequestAmountMismatch,
    RequestAmountOutOfBounds,
    RequestCancelled,
    RequestExpired,
    RequestNotFound,
    RequestUsedUp,
    RequestUsedUpByPayer,
)
from payments.models import RequestState
from transactions.attempt import Attempt
from transactions.claims import Claim, Claims
from transactions.models import State

READ: LiteralString = """
SELECT id, currency, amount, least, most, max_uses, max_uses_per_payer, expires_at, state, used
FROM payments_paymentrequest WHERE id = ANY(%s) ORDER BY id
"""
USED = """
SELECT u.request_id, u.payer_id, count(*) FROM payments_requestuse u
LEFT JOIN payments_useanswer a ON a.use_id = u.id AND a.outcome <> 'confirmed'
WHERE u.request_id = ANY(%s) AND u.payer_id = ANY(%s) AND a.id IS NULL
GROUP BY u.request_id, u.payer_id
"""


class Asked(NamedTuple):
    """A request as it stands under the lock; minor units."""

    id: UUID
    currency: str
    amount: int | None
    least: int | None
    most: int | None
    max_uses: int | None
    max_uses_per_payer: int | None
    expires_at: datetime
    state: str
    used: int


class RequestClaims(Claims):
    def __init__(self, claims: "Sequence[RequestClaim]") -> None:
        super().__init__(claims)
        self.uses: list[dict[str, Any]] = []

    def ask(self, work: Work, *, peek: bool) -> None:
        requests = list({claim.request for claim in self.claims})
        self._rows = work.run(READ if peek else READ + "FOR NO KEY UPDATE", requests)
        self._counts = work.run(USED, requests, list({claim.payer for claim in self.claims}))

    def fetch(self) -> None:
        self.asked = {row[0]: Asked(*row) for row in self._rows.fetchall()}
        self.used = Counter({request: row.used for request, row in self.asked.items()})
        self.used_by = Counter({(request, payer): count for request, payer, count in self._counts.fetchall()})

    def check(self, claim: "RequestClaim", attempt: Attempt) -> None:
        """Raises: RequestNotFound, RequestCancelled, RequestUsedUp, RequestExpired (by the database's time under the
        lock), RequestUsedUpByPayer, RequestAmountMismatch, RequestAmountOutOfBounds."""
        row = self.asked.get(claim.request)
        if row is None:
            raise RequestNotFound()
        if row.state == RequestState.CANCELLED:
            raise RequestCancelled()
        if row.max_uses is not None and self.used[row.id] >= row.max_uses:
            raise RequestUsedUp()
        if row.state == RequestState.EXPIRED or attempt.moment.at >= row.expires_at:
            raise RequestExpired(expired_at=written(row.expires_at))
        if row.max_uses_per_payer is not None and self.used_by[row.id, claim.payer] >= row.max_uses_per_payer:
            raise RequestUsedUpByPayer(max_uses_per_payer=row.max_uses_per_payer)
        _refuse_amount(row, attempt.order.amount)

    def take(self, claim: "RequestClaim", attempt: Attempt) -> None:
        self.used[claim.request] += 1
        self.used_by[claim.request, claim.payer] += 1
        self.uses.append(
            {
                "id": attempt.id,
                "request_id": claim.request,
                "payer_id": claim.payer,
                "at": attempt.moment.at,
                "is_promise": attempt.state == State.PENDING,
            }
        )

    def taken(self) -> tuple[LiteralString, Sequence[Any]]:
        """The counters of the requests follow by a trigger, which no other client gets around either."""
        return "payments_requestuse", self.uses


@dataclass(frozen=True, slots=True)
class RequestClaim(Claim):
    """One use of a ``request`` by a ``payer``."""

    request: UUID
    payer: UUID

    batch: ClassVar = RequestClaims


def _refuse_amount(row: Asked, amount: int) -> None:
    """Raises: RequestAmountMismatch, RequestAmountOutOfBounds."""
    if row.amount is not None and amount != row.amount:
        raise RequestAmountMismatch(amount=Money(row.amount, row.currency).decimal)
    if (row.least is not None and amount < row.least) or (row.most is not None and amount > row.most):
        bounds = {"least": row.least, "most": row.most}
        raise RequestAmountOutOfBounds(
            **{name: Money(bound, row.currency).decimal for name, bound in bounds.items() if bound is not None}
        )
