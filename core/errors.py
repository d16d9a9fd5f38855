"""The root of every refusal. Services raise these; `core/problems.py` turns them into RFC 9457 answers.

A refusal is a class with a stable ``code``, a ``title`` and an HTTP-free family; it is raised with a sentence for the
reader and facts for the program: ``raise WalletFrozen("…", wallet_id=…)``. The families carry the status codes.
"""

from typing import Any, ClassVar


class TekanaError(Exception):
    """The root; never raised itself."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str = "", /, **facts: Any) -> None:
        self.detail = detail or self.title
        self.facts = facts
        super().__init__(self.detail)


class BadRequest(TekanaError):
    """We could not read it."""

    status, code, title = 400, "invalid_request", "The request could not be read"


class Unauthenticated(TekanaError):
    """We do not know who asks."""

    status, code, title = 401, "not_authenticated", "Sign in first"


class NotAllowed(TekanaError):
    """Not yours to ask."""

    status, code, title = 403, "not_allowed", "Not allowed"


class NotFound(TekanaError):
    """No such thing, or not for you: the two look the same."""

    status, code, title = 404, "not_found", "Not found"


class Conflict(TekanaError):
    """Not in this state."""

    status, code, title = 409, "conflict", "Not possible in this state"


class Declined(TekanaError):
    """Understood, and refused."""

    status, code, title = 422, "declined", "Declined"


class TooMany(TekanaError):
    """Slow down."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(TekanaError):
    """Try again later."""

    status, code, title = 503, "unavailable", "Try again later"


class InvalidAmount(BadRequest):
    code, title = "invalid_amount", "Not an amount"


class AmountTooPrecise(BadRequest):
    code, title = "amount_too_precise", "More decimals than the currency has"


class AmountTooLarge(BadRequest):
    code, title = "amount_too_large", "Too large an amount"


class AmountNotPositive(BadRequest):
    code, title = "amount_not_positive", "An amount must be above zero"


class IllegalTransition(Conflict):
    code, title = "illegal_transition", "Not possible in this state"


class OutcomeUnknown(Unavailable):
    """The database did not say whether it committed. Retrying with the same key tells."""

    code, title = "outcome_unknown", "The outcome is not known; retry with the same Idempotency-Key"


# What the door itself refuses, before any service is asked.


class ValidationFailed(BadRequest):
    """One or more fields are missing, unknown or wrong; ``errors`` names each: ``{field, code, message}``."""

    code, title = "validation_failed", "Some fields are not right"


class MalformedBody(BadRequest):
    """The body is not one JSON object in UTF-8, or says the same key twice."""

    code, title = "malformed_body", "The body is not a JSON object"


class MethodNotAllowed(TekanaError):
    """The address exists and does not know this method; ``Allow`` lists those that it knows."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class BodyTooLarge(TekanaError):
    """No request of ours needs more than 64 kB."""

    status, code, title = 413, "body_too_large", "The body is too large"


class UnsupportedMediaType(TekanaError):
    """Bodies are ``application/json``."""

    status, code, title = 415, "unsupported_media_type", "Send application/json"


class RateLimited(TooMany):
    """Faster than the token bucket refills; ``Retry-After`` tells when there is a token again."""

    code, title = "rate_limited", "Too many requests"


class InternalError(TekanaError):
    """Our mistake. It is logged under ``request_id``; a movement may be retried with the same Idempotency-Key."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"
