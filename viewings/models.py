"""A view as a customer, and how it ended."""

from django.db import models
from django.db.models import F, Q

from core.ids import uuid7
from core.models import AppendOnly


class Viewing(AppendOnly):
    """A member of staff sees what a customer's app shows, for a while and read-only.

    Bound to the session of staff in which it began, known by its beginning, for the key of a session changes.
    """

    class Why(models.TextChoices):
        ASKED = "asked", "the customer asked us to look"
        COMPLAINT = "complaint", "a complaint or dispute"
        FAULT = "fault", "something in the app does not work"
        SAFETY = "safety", "the account may not be safe"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    agent = models.ForeignKey("staff.User", models.PROTECT, related_name="+", db_index=False)
    role = models.CharField(max_length=20, help_text="of the agent, then")
    why = models.CharField(max_length=10, choices=Why, help_text="the customer reads it, in other words")
    note = models.CharField(max_length=500, help_text="for us alone")
    session_began_at = models.DateTimeField(help_text="of the agent's session, with which it ends")
    started_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="at the latest")

    class Meta:
        verbose_name = "view as customer"
        verbose_name_plural = "views as customer"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("started_at")), name="viewing_ends_later"),
            models.CheckConstraint(condition=Q(note__regex=r"\S"), name="viewing_with_note"),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="viewing_by_customer"),
            models.Index(fields=["agent", "-id"], name="viewing_by_agent"),
            models.Index(fields=["why", "-id"], name="viewing_by_why"),
        ]

    def __str__(self) -> str:
        return f"view as customer of {self.started_at:%-d %b %Y %H:%M}"


class ViewingEnd(AppendOnly):
    """How a view ended, once. One whose time is over has ended before this row says so."""

    class How(models.TextChoices):
        DONE = "done", "the agent had seen enough"
        TIME = "time", "the time was over"
        SESSION = "session", "the agent's session was over"
        RIGHT = "right", "the agent may no longer"
        ANOTHER = "another", "the agent began another"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    viewing = models.OneToOneField(Viewing, models.PROTECT, related_name="end")
    at = models.DateTimeField()
    how = models.CharField(max_length=10, choices=How)

    def __str__(self) -> str:
        return self.get_how_display()
