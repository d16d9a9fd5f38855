"""Notes in the back office: written and withdrawn in dialogs, shown where they belong, files saved and never shown."""

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from core.models import AuditRecord
from notes.files import path_of
from notes.models import Note
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tests.admin.conftest import World

KEY = "01a1f000-0000-7000-8000-000000000001"  # of a dialog
PDF = b"%PDF-1.7\n<script>alert(1)</script>" + b"x" * 50


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.NOTE_FILES_DIR = tmp_path / "notes"
    return settings.NOTE_FILES_DIR


def dialog(name: str, pk: object) -> str:
    return reverse(f"admin:{name}", args=[pk])


def add(client: Client, world: World, **extra: Any) -> Any:
    form = {"text": "Called about <b>rent</b>.\nWill send a paper.", "key": KEY} | extra
    return client.post(dialog("transactions_transaction_add_note", world.sent.pk), form)


@pytest.mark.parametrize("kind", ["customers_customer", "wallets_wallet", "transactions_transaction"])
def test_a_note_is_added_and_shown_where_it_belongs_whatever_state_that_is_in(
    support: Client, world: World, staff: dict[str, User], kind: str
) -> None:
    subject = {
        "customers_customer": world.john, "wallets_wallet": world.frozen, "transactions_transaction": world.refused,
    }[kind]  # fmt: skip
    url = dialog(f"{kind}_add_note", subject.pk)

    assert 'enctype="multipart/form-data"' in support.get(url).text
    answer = support.post(url, {"text": "Called about <b>rent</b>.", "key": KEY}, follow=True)

    assert "Noted." in answer.text
    assert "Called about &lt;b&gt;rent&lt;/b&gt;." in answer.text
    assert "Support Person (support)" in answer.text
    note = Note.objects.get(key=f"note-{KEY}")
    assert (note.subject_id, note.author) == (str(subject.pk), staff[Role.SUPPORT].principal)


def test_on_a_transaction_notes_are_part_of_the_story(support: Client, world: World) -> None:
    response = support.get(dialog("transactions_transaction_change", world.sent.pk))
    story = next(panel for panel in response.context["panels"] if panel.title == "What happened").context["moments"]

    (noted,) = [one for one in story if one.title == "Note"]
    assert (noted.text, noted.by) == ("She asked what it was for.", "Support Person (support)")
    assert 'id="notes"' in response.text


def test_pages_without_notes_have_no_panel_for_them(support: Client, world: World) -> None:
    assert 'id="notes"' not in support.get(dialog("wallets_freeze_change", world.frozen.freezes.get().pk)).text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"text": ""}, "This field is required."),
        ({"text": "x" * 4_001}, "at most 4000 characters"),
        ({"file": SimpleUploadedFile("a.html", b"<script>alert(1)</script>")}, "Files of this kind are not taken."),
        ({"file": SimpleUploadedFile("a.pdf", b"MZ\x90\x00\x03")}, "It is none of pdf, png"),
        ({"file": SimpleUploadedFile("a.pdf", b"")}, "The submitted file is empty."),
        ({"file": SimpleUploadedFile("a.pdf", PDF * 40)}, "The file is too large"),
    ],
)
def test_what_is_not_taken_is_said_in_the_dialog(
    support: Client, world: World, folder: Path, settings: Any, form: dict[str, Any], said: str
) -> None:
    settings.NOTE_FILE_BYTES = 1_000
    before = Note.objects.count()

    answer = add(support, world, **form)

    assert answer.status_code == 200
    assert said in strip_tags(answer.text)
    assert Note.objects.count() == before
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_saved_and_never_shown_and_each_time_is_recorded(
    support: Client, finance: Client, world: World, staff: dict[str, User]
) -> None:
    add(support, world, file=SimpleUploadedFile("../bank slip é.pdf", PDF, content_type="text/html"))
    note = Note.objects.get(key=f"note-{KEY}")
    page = finance.get(dialog("transactions_transaction_change", world.sent.pk)).text
    url = reverse("admin:notes_file", args=[note.pk])

    answer = finance.get(url)

    assert url in page
    assert answer.content == PDF
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == "attachment; filename*=utf-8''bank%20slip%20%C3%A9.pdf"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cache-Control"].startswith("no-store")
    record = AuditRecord.objects.get(action="download_file")
    assert (record.actor, record.subject_id) == (staff[Role.FINANCE].principal, str(note.pk))
    assert finance.post(url).status_code == 405


def test_a_file_is_for_who_may_see_what_it_is_about(
    support: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(support, world, file=SimpleUploadedFile("a.pdf", PDF))
    url = reverse("admin:notes_file", args=[Note.objects.get(key=f"note-{KEY}").pk])
    page = dialog("notes_note_change", Note.objects.get(key=f"note-{KEY}").pk)

    assert Client().get(url).status_code == 302
    assert support.get(reverse("admin:notes_file", args=[world.sent.pk])).status_code == 404
    monkeypatch.setitem(PERMISSIONS, Role.SUPPORT, PERMISSIONS[Role.SUPPORT] - {"transactions.view_transaction"})
    assert support.get(url).status_code == support.get(page).status_code == 404
    monkeypatch.setitem(PERMISSIONS, Role.SUPPORT, PERMISSIONS[Role.SUPPORT] - {"notes.view_note"})
    assert support.get(url).status_code == support.get(page).status_code == 403
    assert not AuditRecord.objects.filter(action="download_file").exists()


def test_a_file_that_was_tampered_with_is_not_handed_out(support: Client, world: World) -> None:
    add(support, world, file=SimpleUploadedFile("a.pdf", PDF))
    note = Note.objects.get(key=f"note-{KEY}")
    path_of(note.pk).write_bytes(b"%PDF-1.7 another")

    answer = support.get(reverse("admin:notes_file", args=[note.pk]), follow=True)

    assert "The file is not the one that was added." in answer.text
    assert AuditRecord.objects.get(action="download_refused").after == {"code": "file_altered"}


def test_a_withdrawn_note_stays_crossed_out_with_who_and_why(support: Client, finance: Client, world: World) -> None:
    add(support, world)
    note = Note.objects.get(key=f"note-{KEY}")
    url = dialog("notes_note_withdraw", note.pk)
    page = dialog("transactions_transaction_change", world.sent.pk)

    assert url in support.get(page).text
    assert url not in finance.get(page).text
    assert "Its author, senior support" in finance.post(url, {"reason": "not mine"}).text
    assert "This field is required." in support.post(url, {"reason": ""}).text
    answer = support.post(url, {"reason": "wrong customer"}, follow=True)

    assert answer.redirect_chain[-1][0] == page
    assert 'class="withdrawn"' in answer.text
    assert "wrong customer" in answer.text
    assert "Called about &lt;b&gt;rent&lt;/b&gt;." in answer.text
    assert url not in answer.text
    assert "withdrawn already" in support.post(url, {"reason": "again"}).text
    assert Note.objects.filter(withdraws=note).count() == 1


def test_a_browser_does_not_choose_what_a_note_is_called(support: Client, world: World) -> None:
    """Under the name of a withdrawal, a note would be in the way of it."""
    add(support, world)
    note = Note.objects.get(key=f"note-{KEY}")

    refused = add(support, world, text="x", key=f"withdraw-{note.pk}")
    add(support, world, text="x", key=str(note.pk))
    support.post(dialog("notes_note_withdraw", note.pk), {"reason": "wrong customer"})

    assert "missing or wrong" in refused.text
    assert Note.objects.get(text="x").key == f"note-{note.pk}"
    assert Note.objects.filter(withdraws=note).count() == 1


def test_all_notes_are_listed_and_cut_down(support: Client, world: World) -> None:
    add(support, world, file=SimpleUploadedFile("a.pdf", PDF))
    support.post(dialog("notes_note_withdraw", Note.objects.get(key=f"note-{KEY}").pk), {"reason": "x"})
    url = reverse("admin:notes_note_changelist")

    def listed(**query: str) -> int:
        return support.get(url, query).context["cl"].result_count

    assert (listed(), listed(withdrawn="yes"), listed(withdrawn="no")) == (2, 1, 1)
    assert (listed(file="yes"), listed(file="no")) == (1, 1)


def test_a_page_takes_as_many_statements_for_many_notes_as_for_one(
    support: Client, world: World, staff: dict[str, User], count: Any
) -> None:
    from notes.services import withdraw_note, write_note

    url = dialog("transactions_transaction_change", world.sent.pk)
    listed = reverse("admin:notes_note_changelist")
    few, few_listed = count(support, url), count(support, listed)

    for number in range(5):
        note = write_note(world.sent, "again", actor=staff[Role.SUPPORT], key=f"many-{number}")
        withdraw_note(note, actor=staff[Role.SUPPORT], reason="x")

    assert (count(support, url), count(support, listed)) == (few, few_listed)
