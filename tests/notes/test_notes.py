"""Notes are added and withdrawn, never edited; their files are what they are, or are not handed out."""

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from core.models import AuditRecord
from core.roles import connected_as_owner
from notes import files
from notes.errors import (
    FileAltered,
    FileEmpty,
    FileGone,
    FileNotTaken,
    FileTooLarge,
    NoFile,
    NoteEmpty,
    NoteTooLong,
    NoteWithdrawn,
    NotYourNote,
)
from notes.files import LONGEST_NAME, clean_name, judged, path_of
from notes.models import LONGEST, Note
from notes.selectors import notes_of
from notes.services import Upload, open_file, withdraw_note, write_note
from staff.models import User
from staff.roles import Role

PDF = b"%PDF-1.7\n" + b"x" * 50
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 50


def write(wallet: Any, author: User, text: str = "She called.", key: str = "note-1", **extra: Any) -> Note:
    return write_note(wallet, text, actor=author, key=key, **extra)


def test_a_note_has_author_and_time_and_is_found_by_its_object(aline, eric, grace):
    first, second = write(aline, grace), write(aline, grace, "She called again.", "note-2")
    write(eric, grace, "Not hers.", "note-3")

    assert [(one.text, one.author) for one in notes_of(aline)] == [
        (second.text, grace.principal), (first.text, grace.principal),
    ]  # fmt: skip
    record = AuditRecord.objects.filter(action="add_note", subject_id=str(aline.pk)).first()
    assert record.after == {"note": str(second.pk)}
    assert "called" not in str(AuditRecord.objects.values())  # what was written is in one place


def test_the_same_dialog_sent_twice_writes_once(aline, grace, otis, folder):
    first = write(aline, grace, upload=Upload("a.pdf", PDF))
    again = write(aline, grace, upload=Upload("a.pdf", PDF))
    others = write(aline, otis)

    assert again == first != others
    assert Note.objects.count() == 2
    assert [path for path in folder.rglob("*") if path.is_file()] == [path_of(first.pk)]


@pytest.mark.parametrize("text", ["", " \r\n ", "\x00"])
def test_a_note_says_something(aline, grace, text):
    with pytest.raises(NoteEmpty):
        write(aline, grace, text)
    with pytest.raises(NoteTooLong):
        write(aline, grace, "x" * (LONGEST + 1))
    assert not Note.objects.exists()


def test_a_note_is_withdrawn_by_a_new_row_and_stays(aline, grace, otis):
    note = write(aline, grace)
    before = Note.objects.filter(pk=note.pk).values().get()

    with pytest.raises(NotYourNote):
        withdraw_note(note, actor=otis, reason="I disagree")
    withdrawal = withdraw_note(note, actor=grace, reason="wrong customer")

    assert Note.objects.filter(pk=note.pk).values().get() == before
    (shown,) = notes_of(aline)
    assert (shown.pk, shown.withdrawal.pk) == (note.pk, withdrawal.pk)
    assert (withdrawal.text, withdrawal.author) == ("wrong customer", grace.principal)
    record = AuditRecord.objects.get(action="withdraw_note")
    assert (record.subject_id, record.reason) == (str(note.pk), "wrong customer")
    with pytest.raises(NoteWithdrawn):
        withdraw_note(shown, actor=grace, reason="again")
    with pytest.raises(NoteWithdrawn):
        withdraw_note(withdrawal, actor=grace, reason="no, it counts")
    with pytest.raises(NoteEmpty):
        withdraw_note(write(aline, grace, key="note-9"), actor=grace, reason=" ")


def test_an_administrator_withdraws_what_others_wrote(aline, grace):
    boss = User.objects.create_user("boss", None, Role.ADMINISTRATOR)

    assert withdraw_note(write(aline, grace), actor=boss, reason="names a third person").author == boss.principal


@pytest.mark.django_db(transaction=True)
def test_of_two_who_withdraw_at_once_one_does(aline, grace):
    note = write(aline, grace)
    start, said = threading.Barrier(2), []

    def withdraw() -> None:
        mine = Note.objects.get(pk=note.pk)
        start.wait(10)
        try:
            said.append(withdraw_note(mine, actor=grace, reason="twice").pk)
        except NoteWithdrawn:
            said.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=withdraw) for _ in range(2)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert sorted(pk is None for pk in said) == [False, True]
    assert Note.objects.filter(withdraws=note).count() == 1


# --- The database ---------------------------------------------------------------------------------------------------

INSERT = (
    "INSERT INTO notes_note (id, subject_type, subject_id, text, author, at, withdraws_id, key, file_name, media_type,"
    " size, sha256) VALUES (gen_random_uuid(), 'wallets.wallet', "
)
ATTACKS = [
    "UPDATE notes_note SET text = 'something else'",
    "UPDATE notes_note SET author = 'staff:0'",
    "UPDATE notes_note SET sha256 = repeat('0', 64)",
    "UPDATE notes_note SET at = at - interval '1 year'",
    "DELETE FROM notes_note",
    "TRUNCATE notes_note CASCADE",
    INSERT + "%(subject)s, '', 'staff:1', now(), NULL, 'k', '', '', 0, '')",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), NULL, 'k', 'a.pdf', '', 0, '')",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), NULL, 'k', 'a.pdf', 'application/pdf', 5, 'ABC')",
    INSERT + "'another', 'x', 'staff:1', now(), %(note)s, 'k', '', '', 0, '')",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), gen_random_uuid(), 'k', '', '', 0, '')",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), %(note)s, 'k', 'a.pdf', 'application/pdf', 5, repeat('0', 64))",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), %(withdrawal)s, 'k', '', '', 0, '')",
    INSERT + "%(subject)s, 'x', 'staff:1', now(), %(withdrawn)s, 'k', '', '', 0, '')",
    INSERT + "%(subject)s, 'x', %(author)s, now(), NULL, 'note-1', '', '', 0, '')",
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("role", [nullcontext, connected_as_owner], ids=["app", "owner"])
def test_the_database_refuses_whoever_would_rewrite_a_note(aline, grace, role):
    note = write(aline, grace, upload=Upload("a.pdf", PDF))
    withdrawn = write(aline, grace, key="note-2")
    names = {
        "subject": str(aline.pk), "note": note.pk, "withdrawn": withdrawn.pk, "author": grace.principal,
        "withdrawal": withdraw_note(withdrawn, actor=grace, reason="wrong").pk,
    }  # fmt: skip
    before = list(Note.objects.order_by("pk").values())

    with role():
        for attack in ATTACKS:
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(attack, names)
        # What the attacks leave out is taken, so it is not the form of the statement that is refused.
        with connection.cursor() as cursor:
            cursor.execute(INSERT + "%(subject)s, 'x', 'staff:1', now(), %(note)s, 'k', '', '', 0, '')", names)

    assert list(Note.objects.exclude(key="k").order_by("pk").values()) == before


# --- Files ----------------------------------------------------------------------------------------------------------


def test_a_file_is_kept_under_a_name_nobody_chose_and_handed_out_as_it_was(aline, grace, otis, folder):
    note = write(aline, grace, upload=Upload("../../Receipt from the bank.PDF", PDF))

    assert (note.file_name, note.media_type, note.size) == ("Receipt from the bank.PDF", "application/pdf", len(PDF))
    path = path_of(note.pk)
    assert path.parent.parent == folder
    assert path.name == note.pk.hex
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert open_file(note, actor=otis) == PDF
    record = AuditRecord.objects.get(action="download_file")
    assert (record.actor, record.subject_id, record.after) == (otis.principal, str(note.pk), {"sha256": note.sha256})


def test_a_file_that_somebody_changed_or_removed_is_not_handed_out(aline, grace, caplog):
    note = write(aline, grace, upload=Upload("a.pdf", PDF))
    path_of(note.pk).write_bytes(PDF[:-1] + b"y")

    with pytest.raises(FileAltered):
        open_file(note, actor=grace)
    path_of(note.pk).unlink()
    with pytest.raises(FileGone):
        open_file(note, actor=grace)
    with pytest.raises(NoFile):
        open_file(write(aline, grace, key="note-2"), actor=grace)

    refused = AuditRecord.objects.filter(action="download_refused").order_by("pk")
    assert [record.after["code"] for record in refused] == ["file_altered", "file_gone"]
    assert caplog.text.count("not as it was added") == 2


def test_a_row_that_is_not_written_leaves_no_file(aline, grace, folder, monkeypatch):
    def broken(**said: Any) -> None:
        raise RuntimeError("no audit, no note")

    monkeypatch.setattr("notes.services.audit.record", broken)
    with pytest.raises(RuntimeError):
        write(aline, grace, upload=Upload("a.pdf", PDF))

    assert not Note.objects.exists()
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("a.pdf", PDF, "application/pdf"),
        ("a.PNG", PNG, "image/png"),
        ("a.jpeg", b"\xff\xd8\xff\xe0" + b"x" * 20, "image/jpeg"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("a.heic", b"\x00\x00\x00\x18ftypheic\x00\x00", "image/heic"),
        ("a.csv", "nom;montant\nZoé;5".encode(), "text/plain"),
    ],
)
def test_what_phones_and_scanners_make_is_taken(name, content, media_type):
    assert judged(name, content).media_type == media_type


@pytest.mark.parametrize(
    ("name", "content", "refusal"),
    [
        ("a.pdf", b"", FileEmpty),
        ("a.pdf", b"MZ\x90\x00" + b"\x00" * 50, FileNotTaken),  # a program
        ("a.png", b"<svg onload=alert(1)>\x00", FileNotTaken),
        ("a.html", b"<script>alert(1)</script>", FileNotTaken),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", FileNotTaken),
        ("a.zip", b"PK\x03\x04" + b"\x00" * 50, FileNotTaken),
        ("a.pdf", PNG, FileNotTaken),  # the name says another kind
        ("a.pdf.exe", PDF, FileNotTaken),
        ("pdf", PDF, FileNotTaken),
        ("a.txt", b"\x1b[2Jnot for a terminal", FileNotTaken),
        ("a.txt", b"\xff\xfeU\x00T\x00F\x00", FileNotTaken),
    ],
)
def test_what_runs_or_pretends_is_not(name, content, refusal):
    with pytest.raises(refusal):
        judged(name, content)


def test_a_file_has_a_largest_size(settings):
    settings.NOTE_FILE_BYTES = len(PDF)

    assert judged("a.pdf", PDF).size == len(PDF)
    with pytest.raises(FileTooLarge):
        judged("a.pdf", PDF + b"x")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("C:\\Users\\grace\\scan.pdf", "scan.pdf"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        (".htaccess", "htaccess"),
        ('a"b\r\nSet-Cookie: x=1.pdf', "x=1.pdf"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  many   spaces .pdf ", "many spaces.pdf"),
        ("", "file"),
        ("re\u0301sume\u0301.pdf", "résumé.pdf"),
    ],
)
def test_names_are_made_harmless(given, kept):
    cleaned = clean_name(given)

    assert cleaned == kept
    assert Path(cleaned).name == cleaned
    assert not set(cleaned) & set('\r\n\x00/\\:"<>|*?')


def test_a_long_name_keeps_its_ending():
    cleaned = clean_name("x" * 300 + ".pdf")

    assert len(cleaned) == LONGEST_NAME
    assert cleaned.endswith("x.pdf")
    assert len(clean_name("a." + "y" * 300)) <= LONGEST_NAME


def test_of_an_upload_no_more_goes_on_than_shows_that_it_is_too_large(settings):
    settings.NOTE_FILE_BYTES = 100
    upload = files.CappedUpload()
    chunk, passed, seen = b"x" * 60, 0, 0

    for _ in range(1_000):
        passed += len(upload.receive_data_chunk(chunk, seen) or b"")
        seen += len(chunk)

    assert 100 < passed <= 160
