"""What this app refuses."""

from core.errors import BadRequest, Conflict, NotFound


class RecallNotFound(NotFound):
    """No such recall, or it does not ask for money of yours."""

    code, title = "recall_not_found", "No such recall"
    for_customer = "We could not find this request."


class RecallExists(Conflict):
    """A payment is claimed back once; only a recall that was withdrawn makes room for another."""

    code, title = "recall_exists", "This payment has been claimed back already"


class RecallOpen(Conflict):
    """A payment whose recipient is being asked for it is not reversed on top: the money would be taken twice for a
    while, held and gone. ``recall_id`` names the recall: answer or withdraw it first."""

    code, title = "recall_open", "A recall of this payment is open: answer or withdraw it first"
    for_customer = "The payer has asked for this money back. Please answer that request instead."


class RecallClosed(Conflict):
    """It has been answered, withdrawn or has run out; ``state`` says which."""

    code, title = "recall_closed", "This recall is closed"
    for_customer = "This request has been closed already."


class UnknownRecallReason(BadRequest):
    """The reason code is not on the list, or no longer in use."""

    code, title = "unknown_recall_reason", "No such reason"


class RecallNoteMissing(BadRequest):
    """What the sender claims, or how the recipient answered, is written down."""

    code, title = "recall_note_missing", "Say what was claimed or answered, and how"
