"""What this app refuses. What is wrong with one line is no refusal: the answer tells it (`reading.py`)."""

from core.errors import BadRequest, Conflict, NotAllowed, NotFound, TekanaError, TooMany


class PayoutNotFound(NotFound):
    """No such payout, or neither yours nor one that you may approve."""

    code, title = "payout_not_found", "No such payout"
    for_customer = "We could not find this payout."


class PayoutFileTooLarge(TekanaError):
    """More bytes than a file of 10,000 lines needs; ``most_bytes`` says how many are taken."""

    status, code, title = 413, "payout_file_too_large", "The file is too large"
    for_customer = "This file is too large. Please divide it."


class PayoutFileUnreadable(BadRequest):
    """The file as a whole cannot be read: not UTF-8, no line of titles, titles that nobody knows, quotes that do not
    end. ``detail`` says which; nothing was kept of it."""

    code, title = "payout_file_unreadable", "The file cannot be read"
    for_customer = "We could not read this file. Please save it as CSV UTF-8 and try again."


class TooManyItems(BadRequest):
    """At most 10,000 items at once. Nothing was kept of the file."""

    code, title = "too_many_items", "Too many items"
    for_customer = "This file has more than 10,000 lines. Please divide it."


class NoItems(BadRequest):
    """There is nothing to pay in it."""

    code, title = "no_items", "There are no items"
    for_customer = "There is nothing to pay in this file."


class PayoutLinesUsedUp(TooMany):
    """So many lines have come in from you within 24 hours; ``most`` says how many are read. Nothing was kept of this
    file."""

    code, title = "payout_lines_used_up", "Too many lines for one day"
    for_customer = "You have sent in very many lines today. Please try again tomorrow."


class InvalidExecutionDate(BadRequest):
    """Before today in the payer's country, or more than a year ahead."""

    code, title = "invalid_execution_date", "Not a day on which it could be paid"
    for_customer = "Please choose a day between today and a year from now."


class PayoutExists(Conflict):
    """The same items in the same currency were sent before, in whatever order: ``payout_id`` names that payout, which
    is waiting or has paid something. Cancel it, or send ``again: true`` if you mean to pay them a second time."""

    code, title = "payout_exists", "This file has been sent before"
    for_customer = "You have sent this file before. Please look at that payout first."


class PayoutNotOpen(Conflict):
    """It is not in a state in which this can be done; ``state`` says in which it is."""

    code, title = "payout_not_open", "Not possible with this payout any more"
    for_customer = "This is no longer possible: please look at the payout again."


class NothingToRetry(Conflict):
    """No item of it was refused."""

    code, title = "nothing_to_retry", "There is nothing to try again"
    for_customer = "Everybody in this payout has been paid."


class SecondPersonNeeded(NotAllowed):
    """The owner of a business approves alone only up to what an approver has set, in 24 hours: above it an approver
    does. ``alone_left`` says how much of it is left."""

    code, title = "second_person_needed", "Somebody else has to approve this"
    for_customer = "This payout has to be approved by one of your approvers."


class NotABusiness(NotAllowed):
    """Approvers are for business accounts: individuals and freelancers approve for themselves."""

    code, title = "not_a_business", "For business accounts only"
    for_customer = "This is open to business accounts only."


class ApproverNotFound(NotFound):
    """No such approver of yours, no business that you approve for, or nobody with this number or address."""

    code, title = "approver_not_found", "No such approver"
    for_customer = "We could not find this person."


class ApproverExists(Conflict):
    """They are an approver already, or have been asked."""

    code, title = "approver_exists", "They have been asked already"
    for_customer = "You have asked this person already."


class TooManyApprovers(Conflict):
    """So many approve for you, or were asked within 24 hours: ``most`` says how many may. Each is told of each payout
    that waits."""

    code, title = "too_many_approvers", "Too many approvers"
    for_customer = "You have asked very many people. Please end one of them, or wait a day."


class ApproverIsOwner(BadRequest):
    """Nobody is the second person of their own business."""

    code, title = "approver_is_owner", "An approver is somebody else"
    for_customer = "Please choose somebody else: you cannot approve for yourself."


class ApproverClosed(Conflict):
    """The invitation was answered before, or has ended."""

    code, title = "approver_closed", "This has been answered already"
    for_customer = "This has been answered already."


class OnlyApproversRaise(NotAllowed):
    """How much the owner approves alone is raised by an approver; the owner may lower it."""

    code, title = "only_approvers_raise", "Only an approver raises this"
    for_customer = "Only one of your approvers can raise this amount."
