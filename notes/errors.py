"""What this app refuses."""

from core.errors import BadRequest, Conflict, NotAllowed, NotFound


class NoteEmpty(BadRequest):
    """A note says something; a file alone does not say why it is there."""

    code, title = "note_empty", "Write something"


class NoteTooLong(BadRequest):
    code, title = "note_too_long", "The note is too long"


class FileTooLarge(BadRequest):
    code, title = "file_too_large", "The file is too large"


class FileEmpty(BadRequest):
    code, title = "file_empty", "The file is empty"


class FileNotTaken(BadRequest):
    """By its content it is none of the kinds that are taken, or its name says another kind than its content."""

    code, title = "file_not_taken", "Files of this kind are not taken"


class NoFile(NotFound):
    code, title = "no_file", "This note has no file"


class FileGone(NotFound):
    """The row is here and the file is not: somebody removed it from where files are kept."""

    code, title = "file_gone", "The file is no longer there"


class FileAltered(Conflict):
    """What is stored is not what was added: its SHA-256 differs. It is not handed out."""

    code, title = "file_altered", "The file is not the one that was added"


class NoteWithdrawn(Conflict):
    """A note is withdrawn once."""

    code, title = "note_withdrawn", "This note has been withdrawn already"


class NotYourNote(NotAllowed):
    """A note is withdrawn by who wrote it; others' notes by those whose role may."""

    code, title = "not_your_note", "Only who wrote it can withdraw it"
