"""A note is a row, and so is its withdrawal. Guards for any client are in `migrations/0002_guards.sql`."""

from django.db import models
from django.db.models import Q

from core.ids import uuid7
from core.models import AppendOnly

LONGEST = 4_000


class Note(AppendOnly):
    """What one member of staff wrote about one object, maybe with a file; or, with ``withdraws``, that and why an
    earlier note no longer counts. The file itself is in ``settings.NOTE_FILES_DIR`` under the note's id."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject_type = models.CharField(max_length=60, help_text="customers.customer …")
    subject_id = models.CharField(max_length=64)
    text = models.TextField(max_length=LONGEST)
    author = models.CharField(max_length=80, help_text="staff:3")
    at = models.DateTimeField(auto_now_add=True)
    withdraws = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="withdrawal")
    key = models.CharField(max_length=64, help_text="of the dialog: sent twice, it is written once")
    file_name = models.CharField(max_length=120, blank=True)
    media_type = models.CharField(max_length=40, blank=True, help_text="what its content is, whatever it is called")
    size = models.BigIntegerField(default=0, help_text="bytes")
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["author", "key"], name="note_once"),
            models.CheckConstraint(condition=~Q(text=""), name="note_says_something"),
            models.CheckConstraint(
                condition=Q(
                    file_name="",
                    media_type="",
                    size=0,
                    sha256="",
                )
                | (~Q(file_name="") & ~Q(media_type="") & Q(size__gt=0, sha256__regex=r"^[0-9a-f]{64}$")),
                name="note_file_whole",
            ),
        ]
        indexes = [models.Index(fields=["subject_type", "subject_id", "-id"], name="note_by_subject")]

    def __str__(self) -> str:
        return f"note of {self.at:%-d %b %Y %H:%M}"
