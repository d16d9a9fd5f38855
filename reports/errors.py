"""The refusals this app can give."""

from core.errors import BadRequest, Conflict, Declined, NotAllowed, NotFound


class MayNotExport(NotAllowed):
    """Exports are for finance and administrators, of what they may see."""

    code, title = "may_not_export", "You may not export this"


class ExportNotFound(NotFound):
    """No such export, or somebody else's."""

    code, title = "export_not_found", "No such export"


class UnknownList(NotFound):
    """Nothing under this name can be exported."""

    code, title = "unknown_list", "This cannot be exported"


class PeriodHasBreaks(Conflict):
    """A daily proof of the period found a break and nobody of finance has signed it off with what they know of it."""

    code, title = "period_has_breaks", "A daily proof of this period found a break"


class UnknownFilter(BadRequest):
    """The list is filtered by something that an export does not know."""

    code, title = "unknown_filter", "This filter cannot be exported"


class InvalidFilter(BadRequest):
    """A filter has a value that the list does not offer."""

    code, title = "invalid_filter", "This filter is not right"


class UnknownColumn(BadRequest):
    """The list has no such column."""

    code, title = "unknown_column", "No such column"


class TooManyExports(Conflict):
    """As many of yours are waiting or running as may be."""

    code, title = "too_many_exports", "Too many exports at once"


class ExportNotFailed(Conflict):
    """Only an export that failed, or whose file is gone, is run again."""

    code, title = "export_not_failed", "This export need not be run again"


class ExportNotDone(Conflict):
    """There is no file yet."""

    code, title = "export_not_done", "This export is not finished"


class ExportFileGone(NotFound):
    """The file was deleted from where exports are kept; running the export again makes a new one."""

    code, title = "export_file_gone", "The file is no longer kept"


class ExportTookTooLong(Declined):
    """It would have kept a worker for longer than any export may."""

    code, title = "export_took_too_long", "This took too long"


class ExportTooLarge(Declined):
    """There is no room for the file where exports are kept, or its format cannot hold it."""

    code, title = "export_too_large", "There is no room for this file"


class ProofNotFound(NotFound):
    """No such proof."""

    code, title = "proof_not_found", "No such proof"


class MayNotSignOff(NotAllowed):
    """Daily proofs are signed off by finance and administrators."""

    code, title = "may_not_sign_off", "You may not sign off a proof"


class ProofSigned(Conflict):
    """A proof is signed off once."""

    code, title = "proof_signed", "This proof is signed off already"


class BreakNeedsNote(BadRequest):
    """What is signed off although it is broken needs a word about it."""

    code, title = "break_needs_note", "Say what is known about the break"


class MayNotIssue(NotAllowed):
    """Papers are made by those who may see what is on them."""

    code, title = "may_not_issue", "You may not make this paper"


class PaperTooLong(Declined):
    """More lines than anybody prints: a file takes any number."""

    code, title = "paper_too_long", "This paper would be too long"


class SavedExportNotFound(NotFound):
    """No saved export of this kind that one may look at."""

    code, title = "saved_export_not_found", "No such saved export"


class NotYourSavedExport(NotAllowed):
    """A saved export is changed by its owner, or by whoever answers for all exports."""

    code, title = "not_your_saved_export", "This saved export is somebody else's"


class NameTaken(Conflict):
    """One of one's saved exports has this name."""

    code, title = "name_taken", "You have a saved export of this name"


class InvalidSchedule(BadRequest):
    """When it is to run does not say a day, or nobody could get it."""

    code, title = "invalid_schedule", "This schedule is not right"
