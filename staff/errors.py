"""What this app refuses."""

from core.errors import BadRequest, Conflict, NotAllowed, NotFound, TooMany, Unauthenticated, Unavailable


class WrongPassword(Unauthenticated):
    """No active member of staff has this user name and password. Which of the three is wrong is not said."""

    code, title = "wrong_staff_password", "Wrong user name or password"


class TooManySignIns(TooMany):
    """Too many wrong passwords for this user name or from this address."""

    code, title = "too_many_sign_ins", "Too many attempts; wait a while"


class SignInClosed(Unavailable):
    """Attempts cannot be counted at the moment, so none is taken."""

    code, title = "sign_in_closed", "Signing in is not possible at the moment"


class WrongCode(Unauthenticated):
    """Not the code of the app at this moment, or one that was used already, or no recovery code that is left."""

    code, title = "wrong_code", "Wrong code, or used already"


class WrongPasskey(Unauthenticated):
    """The passkey is not one of theirs, or its answer was to another question than ours."""

    code, title = "wrong_passkey", "This passkey did not work; try again"


class PasskeyKnown(Conflict):
    code, title = "passkey_known", "This passkey is enrolled already"


class ProofMissing(BadRequest):
    """Neither a code nor a passkey was sent. That is no guess, and is not counted as one."""

    code, title = "proof_missing", "Type the code of your app or a recovery code, or use a passkey"


class FactorGone(Conflict):
    code, title = "factor_gone", "It was removed already, or is not yours: nothing was done"


class NothingEnrolled(Conflict):
    code, title = "nothing_enrolled", "They have no second factor"


class LastFactor(Conflict):
    """Who has one factor left keeps it; a lost one is reset by two colleagues."""

    code, title = "last_factor", "Enrol another one first: this is the last"


class NotYourself(NotAllowed):
    """Nobody changes their own role, ends or restores their own access."""

    code, title = "not_yourself", "Not for your own account: ask another administrator"


class MayNotManage(NotAllowed):
    code, title = "may_not_manage", "Only an administrator manages staff"


class StaffNotFound(NotFound):
    code, title = "staff_not_found", "No such member of staff"


class OddUserName(BadRequest):
    """What looks like a colleague's name is none: no capitals, no letters of other alphabets, no spaces."""

    code, title = "odd_user_name", "A user name has 2 to 60 of a-z, 0-9, dot, dash and underscore"


class UserNameTaken(Conflict):
    code, title = "user_name_taken", "Another member of staff has this user name"


class NoStaffEmail(Conflict):
    """Links to choose a password go to an e-mail address that two people have agreed to. There is none."""

    code, title = "no_staff_email", "They have no e-mail address yet: ask for one first"


class StaffEmailTaken(Conflict):
    """An address is one person's."""

    code, title = "staff_email_taken", "Another member of staff has this e-mail address"


class BadStaffEmail(BadRequest):
    code, title = "bad_staff_email", "Not an e-mail address"


class SameEmail(Conflict):
    code, title = "same_email", "They have this e-mail address already"


class LinkSpent(Conflict):
    """A link to choose a password works once, for a while, and until there is a newer one."""

    code, title = "link_spent", "This link does not work any more; ask an administrator for another"


class LiftedOften(TooMany):
    """Each lockout lifted is another handful of guesses: only so many a day are given away by hand."""

    code, title = "lifted_often", "Lifted often enough today; a lockout ends by itself"


class WeakStaffPassword(BadRequest):
    code, title = "weak_staff_password", "Choose another password"


class LastAdministrator(Conflict):
    """Without one nobody could let the next one in."""

    code, title = "last_administrator", "There must be another active administrator first"


class UnknownRole(BadRequest):
    code, title = "unknown_role", "No such role"


class SameRole(Conflict):
    code, title = "same_role", "They have this role already"


class AlreadyInactive(Conflict):
    code, title = "already_inactive", "Their access has ended already"


class AlreadyActive(Conflict):
    code, title = "already_active", "They have access already"


class NotYourSession(NotAllowed):
    """Only administrators end a colleague's session."""

    code, title = "not_your_session", "Not your session"


class ReasonMissing(BadRequest):
    """What is done to a colleague is done for a reason."""

    code, title = "staff_reason_missing", "Say why"


# Approvals


class ApprovalNeeded(NotAllowed):
    """This needs a second person: it is asked for, and a colleague who may approve it decides."""

    code, title = "approval_needed", "This needs a second person"


class MayNotRequest(NotAllowed):
    """The role may not ask for this operation."""

    code, title = "may_not_request", "Not for your role to ask for"


class MayNotCheck(NotAllowed):
    """The role may not approve or reject this operation."""

    code, title = "may_not_check", "Not for your role to decide"


class OwnRequest(NotAllowed):
    """Nobody decides what they asked for themselves. The database refuses it too."""

    code, title = "own_request", "You asked for this yourself: somebody else decides"


class LinkedChecker(NotAllowed):
    """Who is a customer, or linked to one, decides no request about them. The database refuses it too."""

    code, title = "linked_checker", "You are linked to whom this is about: somebody else decides"


class NotYourRequest(NotAllowed):
    """A request is withdrawn by who made it; everybody else rejects it."""

    code, title = "not_your_request", "Only who asked for it can withdraw it"


class ApprovalNotFound(NotFound):
    code, title = "approval_not_found", "No such request"


class ApprovalWaiting(Conflict):
    """The same was asked for before and still waits; ``approval_id`` names that request."""

    code, title = "approval_waiting", "This has been asked for already and waits for a decision"


class ApprovalDecided(Conflict):
    """A request is decided once."""

    code, title = "approval_decided", "This request has been decided already"


class ApprovalExpired(Conflict):
    """Nobody decided in time. It can be asked for anew."""

    code, title = "approval_expired", "This request has expired"


class ApprovalStale(Conflict):
    """What it would do now is not what was asked for. Reject it; it can be asked for anew with the new figures."""

    code, title = "approval_stale", "Things have changed since this was asked for"


class MakerGone(Conflict):
    """Who asked has left or may no longer ask for it; what they asked for goes nowhere."""

    code, title = "maker_gone", "Who asked for this may no longer do so"


class NotAChecker(BadRequest):
    """A request is assigned to an active colleague who may decide it, and who did not make it."""

    code, title = "not_a_checker", "They cannot decide this request"


class CommentMissing(BadRequest):
    """Who is told no is told why."""

    code, title = "comment_missing", "Say why"


class RequestReasonMissing(BadRequest):
    """The second person decides by what the first one says."""

    code, title = "request_reason_missing", "Say why you ask for it"


class UnknownOperation(NotFound):
    """No operation of this name is registered in ``settings.APPROVAL_OPERATIONS``."""

    code, title = "unknown_operation", "No such operation"


class MayNotWork(NotAllowed):
    code, title = "may_not_work", "Your role does not do what is in this queue"


class NotWaiting(Conflict):
    """It was dealt with meanwhile, or never was in the queue."""

    code, title = "not_waiting", "It does not wait any more"


class AlreadyTaken(Conflict):
    """Somebody was quicker. It can be handed over."""

    code, title = "already_taken", "A colleague has it"


class OwnerChanged(Conflict):
    """It changed hands between looking and deciding."""

    code, title = "owner_changed", "It has changed hands meanwhile; look again"


class NoWorker(Conflict):
    code, title = "no_worker", "Their role does not do what is in this queue"
