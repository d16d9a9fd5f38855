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


class FailedJob(models.Model):
    """Work of the clock or the queue that a worker gave up on: it waits for a person (`core/failures.py`).

    One row per piece of work, whatever becomes of it; given up once more, it waits again. Ids and codes alone: what an
    error says may name people, and is not kept.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a person"
        RETRIED = "retried", "started again"
        CLOSED = "closed", "closed without it"
        SETTLED = "settled", "no longer needed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=20, help_text="a name in settings.RETRIABLE_JOBS")
    subject_id = models.CharField(max_length=64, help_text="of the row that is the work")
    arguments = models.JSONField(default=dict, help_text="ids and names of jobs")
    attempts = models.PositiveSmallIntegerField(help_text="made in vain, the last time")
    times = models.PositiveSmallIntegerField(default=1, help_text="given up so often")
    error = models.CharField(max_length=60, help_text="a code of ours, or the kind of the exception")
    trace = models.TextField(blank=True, help_text="file, line and function of each step; no values")
    failed_at = models.DateTimeField(help_text="given up, the last time")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    handled_at = models.DateTimeField(null=True, blank=True)
    handled_by = models.CharField(max_length=80, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject_id"], name="failed_job_once"),
            models.CheckConstraint(
                condition=Q(state="waiting", handled_at=None) | (~Q(state="waiting") & Q(handled_at__isnull=False)),
                name="failed_job_handled_or_waiting",
            ),
        ]
        indexes = [
            models.Index(fields=["failed_at", "id"], condition=Q(state="waiting"), name="failed_job_waiting"),
            models.Index(fields=["state", "-id"], name="failed_job_by_state"),
            models.Index(fields=["kind", "-id"], name="failed_job_by_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}"
