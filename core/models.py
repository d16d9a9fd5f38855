"""Append-only rows, and the record of what staff and the system did."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import Q

from core.ids import uuid7


class AppendOnly(models.Model):
    """Rows that are added and never changed: the app's database role may only SELECT and INSERT (`core/roles.py`), and
    a trigger refuses UPDATE, DELETE and TRUNCATE to everybody (`core/migrations/0002_append_only.sql`)."""

    class Meta:
        abstract = True


class AuditRecord(AppendOnly):
    """One act of a person or of the system on one object: who in which role, what, before, after, why, from where.

    Or one look of staff at a page or list (``look``): of those there are a hundred times more, so that what is asked of
    acts has indexes of its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=80, help_text="staff:3, customer:0192…, or system")
    role = models.CharField(max_length=20, blank=True, help_text="of staff, then; else what kind of actor it is")
    action = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=64)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    door = models.CharField(max_length=8, blank=True, help_text="admin, api, or job")
    look = models.BooleanField(default=False, help_text="seen, and nothing done")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["subject_id", "-id"], name="audit_by_subject_id"),
            models.Index(fields=["actor", "-id"], name="audit_by_actor"),
            models.Index(fields=["request_id"], name="audit_by_request"),
            models.Index(fields=["-id"], condition=Q(look=False), name="audit_acts"),
            models.Index(
                fields=["subject_type", "subject_id", "-id"], condition=Q(look=False), name="audit_acts_by_subject"
            ),
            models.Index(fields=["actor", "-id"], condition=Q(look=False), name="audit_acts_by_actor"),
            models.Index(fields=["action", "-id"], condition=Q(look=False), name="audit_acts_by_action"),
            GinIndex(SearchVector("reason", config="simple"), condition=~Q(reason=""), name="audit_by_word"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.subject_type} {self.subject_id}"


class JobRun(models.Model):
    """A daily job on one business day: the row by which it runs once (`core/jobs.py`)."""

    job = models.CharField(max_length=60)
    business_date = models.DateField()
    attempts = models.PositiveSmallIntegerField(help_text="counted before each")
    started_at = models.DateTimeField(help_text="of the last attempt")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "business_date"], name="job_once_a_day")]

    def __str__(self) -> str:
        return f"{self.job} of {self.business_date}"
