"""What this app refuses."""

from core.errors import BadRequest, Conflict, Declined, NotAllowed, NotFound, TooMany, Unauthenticated, Unavailable
from staff.errors import ApprovalNeeded


class DayPassed(BadRequest):
    """A fee or limit counts from today on or from a later day; the past stays what it was."""

    code, title = "day_passed", "The day has passed"


class RuleExists(Conflict):
    """A fee or limit that begins on that day is there already; rows are added and never edited."""

    code, title = "rule_exists", "Something else begins on that day already"


class LinkedCustomer(ApprovalNeeded):
    """The customer is the member of staff, or linked to them: what concerns their money takes an unlinked colleague."""

    code, title = "linked_customer", "This is about yourself, or somebody you are linked to"


class LinkExists(Conflict):
    code, title = "link_exists", "This link is on record already"


class LinkEnded(Conflict):
    code, title = "link_ended", "This link has ended already"


class MayNotRecordLink(NotAllowed):
    """Of themselves anybody declares a link; of colleagues compliance and administrators record one, and end it."""

    code, title = "may_not_record_link", "Only compliance or an administrator does this"


class NotOwnLink(NotAllowed):
    """Who is linked says so; that they are linked no more somebody else says."""

    code, title = "not_own_link", "Somebody else ends your links"


class LimitsOutOfOrder(BadRequest):
    """Limits are above zero; what may move at once is within what may move in a day, and that within a month."""

    code, title = "limits_out_of_order", "These limits do not fit together"


class InvalidAccessToken(Unauthenticated):
    """The access token is not ours, was altered, or has expired. Refresh, or sign in."""

    code, title = "invalid_access_token", "The access token is not valid"
    for_customer = "Please sign in again."


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is unknown, expired, or its session has ended. Sign in."""

    code, title = "invalid_refresh_token", "The refresh token is not valid"
    for_customer = "Please sign in again."


class RefreshTokenReused(Unauthenticated):
    """A refresh token is good once. This one came a second time, so somebody else may have it: the session is ended."""

    code, title = "refresh_token_reused", "The refresh token was used before; the session is ended"
    for_customer = "To keep your account safe we have signed you out. Please sign in again."


class SessionEnded(Unauthenticated):
    """Signed out, here or elsewhere, or ended by us. Sign in."""

    code, title = "session_ended", "The session has ended"
    for_customer = "You have been signed out. Please sign in again."


class InvalidCredentials(Unauthenticated):
    """No account has this phone number or e-mail address together with this password. Which of the two is not said."""

    code, title = "invalid_credentials", "Wrong phone number, e-mail address or password"
    for_customer = "The phone number, the e-mail address or the password is not right. Please try again."


class CustomerSuspended(NotAllowed):
    """The account is suspended: no sign-in and no movement of money until support reactivates it."""

    code, title = "customer_suspended", "The account is suspended"
    for_customer = "Your account is on hold. Please contact us: we will tell you what is needed."


class TooManyAttempts(TooMany):
    """Too many wrong guesses, for this account or from this address. Wait ``retry_after`` seconds."""

    code, title = "too_many_attempts", "Too many attempts"
    for_customer = "There were too many attempts. To keep your account safe, please wait a while and try again."


class SignInUnavailable(Unavailable):
    """Guesses cannot be counted at the moment, so none is taken."""

    code, title = "sign_in_unavailable", "Signing in is not possible at the moment"
    for_customer = "Signing in is not possible right now. Please try again in a few minutes."


class AlreadyRegistered(Conflict):
    """The phone number or the e-mail address belongs to an account. Which of the two is not said; sign in instead."""

    code, title = "already_registered", "There is an account already"
    for_customer = "There is an account with this phone number or e-mail address. Please sign in instead."


class CountryNotOpen(Declined):
    """We do not serve this country, or not yet."""

    code, title = "country_not_open", "We are not open in this country"
    for_customer = "We are not open in this country yet."


class WeakPassword(BadRequest):
    """Too short, too long, or among the first that a thief would try. There are no rules about digits or symbols."""

    code, title = "weak_password", "Choose another password"
    for_customer = "This password is easy to guess. Please choose a longer one, for example a few words."


class BusinessStaysOne(NotAllowed):
    """An account of one person may become a business, and not the other way round: what takes two people for a business
    would take one. Who wants an account of their own registers it."""

    code, title = "business_stays_one", "A business account does not become a personal one"
    for_customer = "A business account cannot become a personal one. You can open a personal account beside it."


class PasswordNeeded(NotAllowed):
    """Changing the phone number or the e-mail address takes ``current_password`` in the same request."""

    code, title = "password_needed", "Send current_password too"
    for_customer = "Please enter your current password to change this."


class WrongPassword(NotAllowed):
    """``current_password`` is not the account's password. It counts as a wrong guess."""

    code, title = "wrong_password", "The current password is wrong"
    for_customer = "Your current password is not right. Please try again."


class SessionNotFound(NotFound):
    code, title = "session_not_found", "No such session"
    for_customer = "This device is signed out already."


class MayNotReveal(NotAllowed):
    """Personal data of customers is not for this role."""

    code, title = "may_not_reveal", "Your role does not see customers' personal data"


class CaseIsForCompliance(NotAllowed):
    """Of a reveal for a case or for an authority the customer is not told: that reason is for compliance alone."""

    code, title = "case_is_for_compliance", "Only compliance reveals somebody for a case, or for an authority"


class RevealQuotaUsed(TooMany):
    """An agent reveals so many customers in any 24 hours, by role. ``retry_after``: seconds until the next one."""

    code, title = "reveal_quota_used", "You have revealed as many customers as your role may in 24 hours"


class ViewIsReadOnly(NotAllowed):
    """Staff who view as a customer see what the customer sees, and do nothing in their name."""

    code, title = "view_is_read_only", "Whoever views as a customer changes nothing"
