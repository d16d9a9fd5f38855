"""The files of notes: what is taken, under which name, where it is kept. A file is known by its content, not its name.

Kept outside of anything that a web server shows, one file for each note, named by the note's id and nothing that a
person chose. Read back whole, against the SHA-256 in the row.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler

from core.serializers import BIDI_CONTROLS
from notes.errors import FileAltered, FileEmpty, FileGone, FileNotTaken, FileTooLarge
from notes.models import Note

LONGEST_NAME = 100
BOUNDARY = re.compile(r'[\\/:*?"<>|]+')


class Kept(NamedTuple):
    """A file as its row says it."""

    name: str
    media_type: str
    size: int
    sha256: str


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return not any(unicodedata.category(char) == "Cc" and char not in "\t\r\n" for char in text)


def _is_heic(content: bytes) -> bool:
    return content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"msf1")


# Media type: what its content looks like, what its name may end in. What phones and scanners make; nothing that runs.
TAKEN: dict[str, tuple[Callable[[bytes], bool], tuple[str, ...]]] = {
    "application/pdf": (lambda content: content.startswith(b"%PDF-"), (".pdf",)),
    "image/png": (lambda content: content.startswith(b"\x89PNG\r\n\x1a\n"), (".png",)),
    "image/jpeg": (lambda content: content.startswith(b"\xff\xd8\xff"), (".jpg", ".jpeg")),
    "image/webp": (lambda content: content[:4] == b"RIFF" and content[8:12] == b"WEBP", (".webp",)),
    "image/heic": (_is_heic, (".heic", ".heif")),
    "text/plain": (_is_text, (".txt", ".csv")),
}
SUFFIXES = tuple(suffix for _, suffixes in TAKEN.values() for suffix in suffixes)


def judged(name: str, content: bytes) -> Kept:
    """``content`` as it will be kept. Raises: FileEmpty, FileTooLarge, FileNotTaken."""
    if not content:
        raise FileEmpty()
    if len(content) > settings.NOTE_FILE_BYTES:
        raise FileTooLarge(f"At most {settings.NOTE_FILE_BYTES // 2**20} MB.")
    name = clean_name(name)
    suffix = Path(name).suffix.lower()
    for media_type, (looks_like_it, suffixes) in TAKEN.items():
        if looks_like_it(content):
            if suffix not in suffixes:
                raise FileNotTaken(f"By its content it is {media_type}; its name does not end in {suffixes[0]}.")
            return Kept(name, media_type, len(content), hashlib.sha256(content).hexdigest())
    raise FileNotTaken(f"It is none of {', '.join(suffix[1:] for suffix in SUFFIXES)}.")


def clean_name(name: str) -> str:
    """The last part of a path, printable, without what a shell, a browser or a disk would take for something else."""
    name = unicodedata.normalize("NFC", BOUNDARY.split(name)[-1])
    name = "".join(c for c in name if unicodedata.category(c)[0] not in "CZ" or c == " ")
    name = " ".join("".join(c for c in name if c not in BIDI_CONTROLS).split()).strip(". ")
    stem, suffix = os.path.splitext(name)
    return f"{stem[: LONGEST_NAME - len(suffix)].strip('. ') or 'file'}{suffix[:10]}"


def path_of(note_id: UUID) -> Path:
    """Folders by the end of the id, which is chance: a year's files do not all share one."""
    return Path(settings.NOTE_FILES_DIR) / note_id.hex[-2:] / note_id.hex


def keep(note_id: UUID, content: bytes) -> None:
    """Write it, readable by us alone, and have it on the disk before the row is committed."""
    path = path_of(note_id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def drop(note_id: UUID) -> None:
    """For a row that was not committed."""
    path_of(note_id).unlink(missing_ok=True)


def read(note: Note) -> bytes:
    """Raises: FileGone, FileAltered."""
    try:
        content = path_of(note.pk).read_bytes()
    except FileNotFoundError as gone:
        raise FileGone() from gone
    if len(content) != note.size or hashlib.sha256(content).hexdigest() != note.sha256:
        raise FileAltered()
    return content


class CappedUpload(FileUploadHandler):
    """Django's first upload handler: of one file no more goes on than shows that it is too large."""

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        return raw_data if start <= settings.NOTE_FILE_BYTES else None

    def file_complete(self, file_size: int) -> Any:
        return None
