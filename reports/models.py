"""An export: what was asked, how far it is, and what came out of it."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from core.ids import uuid7


class Export(models.Model):
    """The row is the queue: a worker takes it, counts rows as it writes, and leaves file, totals and checksum."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "Excel (XLSX)"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=20, help_text="transactions or entries")
    format = models.CharField(max_length=4, choices=Format)
    filters = models.JSONField(default=dict)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    rows_expected = models.BigIntegerField(null=True, blank=True)
    rows_written = models.BigIntegerField(default=0)
    control_totals = models.JSONField(null=True, blank=True, help_text="per currency, minor units")
    sha256 = models.CharField(max_length=64, blank=True)
    file_name = models.CharField(max_length=120, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["due_at"], condition=Q(state__in=["queued", "running"]), name="export_due")]
