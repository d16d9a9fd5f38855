"""The root of every refusal. Services raise these; `core/problems.py` turns them into RFC 9457 answers.

A refusal is a class with a stable ``code``, a ``title`` and an HTTP-free family; it is raised with a sentence for the
reader and facts for the program: ``raise WalletFrozen("…", wallet_id=…)``. The families carry the status codes.

What customers can meet has ``for_customer`` too: short, kind, nothing of our insides. It is the ``detail`` where
whoever raises knows nothing better, so that an app may show ``detail`` as it comes. Staff have words of their own
(`transactions/admin/refusals.py`).
"""

from typing import Any, ClassVar


class TekanaError(Exception):
    """The root; never raised itself."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something went wrong"
    for_customer: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        """Each class has its own words for customers, or none: a family's would say too little."""
        cls.for_customer = vars(cls).get("for_customer", "")

    def __init__(self, detail: str = "", /, **facts: Any) -> None:
        self.detail = detail or self.for_customer or self.title
        self.facts = facts
        super().__init__(self.detail)


class BadRequest(TekanaError):
    """We could not read it."""

    status, code, title = 400, "invalid_request", "The request could not be read"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class Unauthenticated(TekanaError):
    """We do not know who asks."""

    status, code, title = 401, "not_authenticated", "Sign in first"
    for_customer = "Please sign in first."


class NotAllowed(TekanaError):
    """Not yours to ask."""

    status, code, title = 403, "not_allowed", "Not allowed"
    for_customer = "This is not open to you. Please contact us if you think that it should be."


class NotFound(TekanaError):
    """No such thing, or not for you: the two look the same."""

    status, code, title = 404, "not_found", "Not found"
    for_customer = "We could not find this."


class Conflict(TekanaError):
    """Not in this state."""

    status, code, title = 409, "conflict", "Not possible in this state"
    for_customer = "This is not possible as things stand."


class Declined(TekanaError):
    """Understood, and refused."""

    status, code, title = 422, "declined", "Declined"
    for_customer = "We could not do this. Please contact us: we will find out why."


class TooMany(TekanaError):
    """Slow down."""

    status, code, title = 429, "too_many_requests", "Too many requests"
    for_customer = "Please wait a moment and try again."


class Unavailable(TekanaError):
    """Try again later."""

    status, code, title = 503, "unavailable", "Try again later"
    for_customer = "This is not possible right now. Please try again in a moment."


class InvalidAmount(BadRequest):
    code, title = "invalid_amount", "Not an amount"
    for_customer = "Please enter the amount in digits."


class AmountTooPrecise(BadRequest):
    code, title = "amount_too_precise", "More decimals than the currency has"
    for_customer = "This currency does not have so many decimals. Please round the amount."


class AmountTooLarge(BadRequest):
    code, title = "amount_too_large", "Too large an amount"
    for_customer = "This amount is too large."


class AmountNotPositive(BadRequest):
    code, title = "amount_not_positive", "An amount must be above zero"
    for_customer = "Please enter an amount above zero."


class IllegalTransition(Conflict):
    code, title = "illegal_transition", "Not possible in this state"
    for_customer = "Something has changed in the meantime, and this is no longer possible."


class OutcomeUnknown(Unavailable):
    """The database did not say whether it committed. Retrying with the same key tells."""

    code, title = "outcome_unknown", "The outcome is not known; retry with the same Idempotency-Key"
    for_customer = "We do not know yet whether this went through. Please look at your history before you try again."


# What the door itself refuses, before any service is asked.


class ValidationFailed(BadRequest):
    """One or more fields are missing, unknown or wrong; ``errors`` names each: ``{field, code, message}``."""

    code, title = "validation_failed", "Some fields are not right"
    for_customer = "Something is missing or not quite right. Please check what you entered."


class MalformedBody(BadRequest):
    """The body is not one JSON object in UTF-8, or says the same key twice."""

    code, title = "malformed_body", "The body is not a JSON object"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class MethodNotAllowed(TekanaError):
    """The address exists and does not know this method; ``Allow`` lists those that it knows."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class BodyTooLarge(TekanaError):
    """No request of ours needs more than 64 kB."""

    status, code, title = 413, "body_too_large", "The body is too large"
    for_customer = "This is too much at once. Please make it shorter."


class UnsupportedMediaType(TekanaError):
    """Bodies are ``application/json``."""

    status, code, title = 415, "unsupported_media_type", "Send application/json"
    for_customer = "The app sent something that we could not read. Please update the app and try again."


class RateLimited(TooMany):
    """Faster than the token bucket refills; ``Retry-After`` tells when there is a token again."""

    code, title = "rate_limited", "Too many requests"
    for_customer = "That was a little fast. Please wait a moment and try again."


class InternalError(TekanaError):
    """Our mistake. It is logged under ``request_id``; a movement may be retried with the same Idempotency-Key."""

    status, code, title = 500, "internal_error", "Something went wrong on our side"
    for_customer = "Something went wrong on our side, and we are sorry. Please try again in a moment."


# What a worker gave up on (`core/failures.py`).


class FailedJobNotFound(NotFound):
    code, title = "failed_job_not_found", "There is no such failed job"


class FailedJobHandled(Conflict):
    """Somebody was quicker: it was started again, closed, or is not needed any more."""

    code, title = "failed_job_handled", "It does not wait any more"


class JobCannotBeRetried(Conflict):
    """What it was to do is over, or was done otherwise. It can be closed."""

    code, title = "job_cannot_be_retried", "Starting it again would do nothing"


class TooManyJobs(BadRequest):
    code, title = "too_many_jobs", "Too many at once"
