"""Questions about notes."""

from typing import Any

from django.db import models

from notes.models import Note


def notes_of(subject: models.Model) -> list[Note]:
    """What was written about one object, the newest first, each with its withdrawal; one statement."""
    rows = Note.objects.filter(subject_type=subject._meta.label_lower, subject_id=str(subject.pk), withdraws=None)
    return list(rows.select_related("withdrawal"))


def withdrawal_of(note: Note) -> Any:
    """The row that withdraws it, or None."""
    return getattr(note, "withdrawal", None)
