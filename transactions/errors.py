"""Why a movement is refused. The code is stable and documented; the title answers "why was my transfer refused?".

Declined ones are kept as failed transactions; the others never reach the books and leave no row.
"""

from core.errors import BadRequest, Conflict, Declined, NotFound, TekanaError


class TransactionNotFound(NotFound):
    """No such transaction, or you are neither its payer nor its payee."""

    code, title = "transaction_not_found", "No such transaction"


class MissingIdempotencyKey(BadRequest):
    """A request that moves money carries an Idempotency-Key header, so that a retry never pays twice."""

    code, title = "missing_idempotency_key", "Idempotency-Key header missing"


class InvalidIdempotencyKey(BadRequest):
    """Send 16 to 255 printable ASCII characters without spaces, e.g. a UUID."""

    code, title = "invalid_idempotency_key", "Idempotency-Key must be 16 to 255 printable characters"


class IdempotencyKeyReused(TekanaError):
    """The key came with another request before. A new movement takes a new key."""

    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key was used with another request"


class ReferenceTaken(Conflict):
    """Your own reference is unique for ever: it belongs to an earlier transaction of yours."""

    code, title = "reference_taken", "This reference was used before"


class SelfTransfer(Declined):
    """Payer and recipient are the same wallet."""

    code, title = "self_transfer", "A wallet cannot pay itself"


class RecipientNotFound(Declined):
    """Nobody here has this wallet id, phone number or e-mail address."""

    code, title = "recipient_not_found", "No such recipient"


class RecipientHasNoWallet(Declined):
    """The recipient is a customer but has no open wallet in this currency."""

    code, title = "recipient_has_no_wallet", "The recipient has no wallet in this currency"


class RecipientUnavailable(Declined):
    """The recipient's account or wallet takes no money at the moment. We do not say why."""

    code, title = "recipient_unavailable", "The recipient cannot receive money now"


class CurrencyMismatch(Declined):
    """The wallet holds another currency than the one of the amount."""

    code, title = "currency_mismatch", "The wallet is in another currency"


class InsufficientFunds(Declined):
    """The available balance does not cover the amount and its fee. Money on hold is not available."""

    code, title = "insufficient_funds", "Not enough money available"


class AmountBelowFee(Declined):
    """The fee would take all that comes in: nothing would reach the wallet."""

    code, title = "amount_below_fee", "The amount does not cover its fee"


class LimitExceeded(Declined):
    """Above the tier's limit per movement, calendar day or month; `period`, `limit` and `left` tell which."""

    code, title = "limit_exceeded", "Above what this account may move"


class BalanceLimitExceeded(Declined):
    """With this amount the receiving wallet would hold more than its tier may."""

    code, title = "balance_limit_exceeded", "The receiving wallet may not hold this much"


class LimitsNotSet(Declined):
    """No limits are set for this tier, country and currency, and without limits nothing moves."""

    code, title = "limits_not_set", "No limits are set for this account and currency"


class RailRefused(Declined):
    """The bank or mobile-money partner refused; nothing was taken."""

    code, title = "rail_refused", "The bank or mobile-money partner refused"


class RailUnreachable(Declined):
    code, title = "rail_unreachable", "The bank or mobile-money partner could not be reached"


class RailMessageNotFound(NotFound):
    code, title = "rail_message_not_found", "No such message that needs a person"


class NotReversible(Conflict):
    """Only completed transfers and payments are reversed; this one is in another state or of another kind."""

    code, title = "not_reversible", "This transaction cannot be reversed"


class ReversalExceedsOriginal(Declined):
    """All reversals of a transaction together never exceed it; `left_minor` is what may still be reversed."""

    code, title = "reversal_exceeds_original", "More than what is left of the original"


class RecipientShort(Declined):
    """The recipient has spent some of it; a reversal takes nobody below zero. `shortfall_minor` is missing."""

    code, title = "recipient_short", "The recipient no longer has this much"


class UnknownReason(BadRequest):
    """The reason code is not on the list, or no longer in use."""

    code, title = "unknown_reason", "No such reversal reason"
