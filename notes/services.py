"""Writing notes, withdrawing them, handing out their files."""

import logging
from typing import NamedTuple

from django.db import IntegrityError, models
from django.db import transaction as db_transaction

from core import audit
from core.ids import uuid7
from notes import files
from notes.errors import FileAltered, FileGone, NoFile, NoteEmpty, NoteTooLong, NoteWithdrawn, NotYourNote
from notes.models import LONGEST, Note
from notes.selectors import withdrawal_of
from staff.models import User

logger = logging.getLogger(__name__)

WITHDRAW_OTHERS = "notes.withdraw_others"


class Upload(NamedTuple):
    """A file as it was sent."""

    name: str
    content: bytes


def write_note(subject: models.Model, text: str, *, actor: User, key: str, upload: Upload | None = None) -> Note:
    """Write down ``text`` about a row, with a file or without; under the same key again it is the note of then.

    The file is on the disk before the row is committed; a file without a row is nobody's and harmless.
    Raises: NoteEmpty, NoteTooLong, FileEmpty, FileTooLarge, FileNotTaken.
    """
    note = Note(
        id=uuid7(), subject_type=subject._meta.label_lower, subject_id=str(subject.pk), text=stated(text),
        author=actor.principal, key=key,
    )  # fmt: skip
    if earlier := Note.objects.filter(author=note.author, key=key).first():
        return earlier
    if upload is None:
        return _added(note, "add_note", subject)
    kept = files.judged(upload.name, upload.content)
    note.file_name, note.media_type, note.size, note.sha256 = kept
    files.keep(note.pk, upload.content)
    try:
        added = _added(note, "add_note", subject)
    except BaseException:
        files.drop(note.pk)
        raise
    if added.pk != note.pk:
        files.drop(note.pk)
    return added


def _added(note: Note, action: str, subject: models.Model) -> Note:
    try:
        with db_transaction.atomic():
            note.save(force_insert=True)
            after = {"note": str(note.pk)}
            if note.sha256:
                after |= {"file": note.file_name, "sha256": note.sha256}
            audit.record(actor=note.author, action=action, subject=subject, after=after)
    except IntegrityError as rival:
        if "note_once" not in str(rival):
            raise
        return Note.objects.get(author=note.author, key=note.key)
    return note


def withdraw_note(note: Note, *, actor: User, reason: str) -> Note:
    """Say that a note no longer counts, and why: a new row. The note stays where it is, and its file.

    Raises: NoteEmpty, NoteTooLong, NotYourNote, NoteWithdrawn (also when a rival was quicker).
    """
    reason = stated(reason)
    if note.author != actor.principal and not actor.has_perm(WITHDRAW_OTHERS):
        raise NotYourNote()
    if note.withdraws_id or withdrawal_of(note):
        raise NoteWithdrawn()
    withdrawal = Note(
        id=uuid7(), subject_type=note.subject_type, subject_id=note.subject_id, text=reason, author=actor.principal,
        key=f"withdraw-{note.pk}", withdraws=note,
    )  # fmt: skip
    try:
        with db_transaction.atomic():
            withdrawal.save(force_insert=True)
            audit.record(
                actor=actor, action="withdraw_note", subject=note, before={"withdrawn": False},
                after={"withdrawn": True}, reason=reason,
            )  # fmt: skip
    except IntegrityError as rival:
        raise NoteWithdrawn() from rival
    return withdrawal


def open_file(note: Note, *, actor: User) -> bytes:
    """The file of a note, whole and as it was added; each handing out is recorded.

    Raises: NoFile, FileGone, FileAltered (which is recorded too, and logged: somebody has been at the disk).
    """
    if not note.sha256:
        raise NoFile()
    try:
        content = files.read(note)
    except (FileGone, FileAltered) as fault:
        logger.error("a note's file is not as it was added: %s", fault.code, extra={"note": str(note.pk)})
        audit.record(actor=actor, action="download_refused", subject=note, after={"code": fault.code})
        raise
    audit.record(actor=actor, action="download_file", subject=note, after={"sha256": note.sha256})
    return content


def stated(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise NoteEmpty()
    if len(text) > LONGEST:
        raise NoteTooLong(f"At most {LONGEST} characters.")
    return text
