"""What this app refuses."""

from core.errors import BadRequest, Conflict, NotAllowed, TooMany, Unauthenticated, Unavailable


class WrongPassword(Unauthenticated):
    """No active member of staff has this user name and password. Which of the three is wrong is not said."""

    code, title = "wrong_password", "Wrong user name or password"


class TooManySignIns(TooMany):
    """Too many wrong passwords for this user name or from this address."""

    code, title = "too_many_sign_ins", "Too many attempts; wait a while"


class SignInClosed(Unavailable):
    """Attempts cannot be counted at the moment, so none is taken."""

    code, title = "sign_in_closed", "Signing in is not possible at the moment"


class NotYourself(NotAllowed):
    """Nobody changes their own role, ends or restores their own access."""

    code, title = "not_yourself", "Not for your own account: ask another administrator"


class MayNotManage(NotAllowed):
    code, title = "may_not_manage", "Only an administrator manages staff"


class UserNameTaken(Conflict):
    code, title = "user_name_taken", "Another member of staff has this user name"


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
