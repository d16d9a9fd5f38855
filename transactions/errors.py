"""Why a movement is refused. The code is stable and documented; the title answers "why was my transfer refused?".

Declined ones are kept as failed transactions; the others never reach the books and leave no row.
"""

from core.errors import BadRequest, Conflict, Declined, NotAllowed, NotFound, TekanaError, Unauthenticated


class SessionRevoked(Unauthenticated):
    code, title = "session_revoked", "This session was ended; sign in again"


class CustomerSuspended(NotAllowed):
    code, title = "customer_suspended", "Your account is suspended"


class TransactionNotFound(NotFound):
    code, title = "transaction_not_found", "No such transaction"


class MissingIdempotencyKey(BadRequest):
    code, title = "missing_idempotency_key", "Idempotency-Key header missing"


class InvalidIdempotencyKey(BadRequest):
    code, title = "invalid_idempotency_key", "Idempotency-Key must be 16 to 255 printable characters"


class IdempotencyKeyReused(TekanaError):
    status, code, title = 422, "idempotency_key_reused", "This Idempotency-Key was used with another request"


class ReferenceTaken(Conflict):
    code, title = "reference_taken", "This reference was used before"


class SelfTransfer(Declined):
    code, title = "self_transfer", "A wallet cannot pay itself"


class RecipientNotFound(Declined):
    code, title = "recipient_not_found", "No such recipient"


class RecipientHasNoWallet(Declined):
    code, title = "recipient_has_no_wallet", "The recipient has no wallet in this currency"


class RecipientUnavailable(Declined):
    code, title = "recipient_unavailable", "The recipient cannot receive money now"


class CurrencyMismatch(Declined):
    code, title = "currency_mismatch", "The wallet is in another currency"


class InsufficientFunds(Declined):
    code, title = "insufficient_funds", "Not enough money available"


class LimitExceeded(Declined):
    code, title = "limit_exceeded", "Above what this account may move"


class BalanceLimitExceeded(Declined):
    code, title = "balance_limit_exceeded", "The receiving wallet may not hold this much"


class LimitsNotSet(Declined):
    code, title = "limits_not_set", "No limits are set for this account and currency"


class RailRefused(Declined):
    code, title = "rail_refused", "The bank or mobile-money partner refused"


class NotReversible(Conflict):
    code, title = "not_reversible", "This transaction cannot be reversed"


class ReversalExceedsOriginal(Declined):
    code, title = "reversal_exceeds_original", "More than what is left of the original"


class RecipientShort(Declined):
    code, title = "recipient_short", "The recipient no longer has this much"


class UnknownReason(BadRequest):
    code, title = "unknown_reason", "No such reversal reason"
