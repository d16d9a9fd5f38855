"""A notification is a row the customer can read; a delivery carries it over one more channel."""

from django.db import models
from django.db.models import Q

from core.ids import uuid7


class Notification(models.Model):
    """Idempotent by ``(event, customer)``: telling twice writes once."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("customers.Customer", models.CASCADE, related_name="notifications")
    event = models.UUIDField(help_text="the event it tells of")
    transaction = models.UUIDField(null=True, blank=True)
    kind = models.CharField(max_length=40, help_text="money_sent, money_received, cash_out_failed …")
    title = models.CharField(max_length=120)
    body = models.CharField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["event", "customer"], name="notification_once")]
        indexes = [
            models.Index(fields=["customer", "-id"], name="notification_inbox"),
            models.Index(fields=["transaction"], name="notification_of"),
        ]

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """One channel's copy of a notification; the row is the queue (`due_at`), Celery only rings the bell."""

    class State(models.TextChoices):
        PENDING = "pending"
        SENT = "sent"
        FAILED = "failed", "given up after three attempts"

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=10, default="email")
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["notification", "channel"], name="delivery_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="pending"), name="delivery_due"),
            models.Index(fields=["notification"], condition=Q(state="failed"), name="delivery_failed"),
        ]
