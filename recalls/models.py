"""A recall and its steps. Guards for any client are in `migrations/0002_guards.sql`."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES


class RecallReason(models.Model):
    """Why a payment may be claimed back, how long the recipient has, and which reason the reversal then bears."""

    code = models.CharField(max_length=40, primary_key=True)
    title = models.CharField(max_length=120)
    answer_days = models.PositiveSmallIntegerField(default=7)
    reversal_reason = models.ForeignKey("transactions.ReversalReason", models.PROTECT, related_name="+")
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["title"]
        constraints = [models.CheckConstraint(condition=Q(answer_days__gt=0), name="recall_reason_days")]

    def __str__(self) -> str:
        return self.title


class RecallState(models.TextChoices):
    OPEN = "open", "waits for the recipient"
    CONSENTED = "consented", "recipient agreed"
    REFUSED = "refused", "recipient refused"
    EXPIRED = "expired", "not answered in time"
    WITHDRAWN = "withdrawn"


class Recall(models.Model):
    """A sender's claim to a completed transfer or payment. Amounts in minor units of ``currency``.

    Its id is that of the hold on the recipient's wallet: ``held``, as much as was there of what the recipient would
    give for the ``claimed``. ``returned`` is what went back to the sender: where the recipient bore a fee that goes
    back too, that much more than was taken. What it is never changes, what is closed stays so.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.ForeignKey("transactions.Transaction", models.PROTECT, related_name="recalls")
    sender = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+")
    recipient = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+", help_text="where the money is held")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    claimed = models.BigIntegerField()
    held = models.BigIntegerField(help_text="as much of it as was there")
    reason = models.ForeignKey(RecallReason, models.PROTECT, related_name="+", db_index=False)
    note = models.CharField(max_length=500, help_text="the sender's claim, as staff wrote it down")
    state = FSMField(choices=RecallState.choices, default=RecallState.OPEN, protected=True)
    opened_by = models.CharField(max_length=80)
    opened_at = models.DateTimeField()
    deadline_at = models.DateTimeField(help_text="the hold ends by itself")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=80, blank=True)
    returned = models.BigIntegerField(default=0, help_text="to the sender")
    reversal = models.OneToOneField(
        "transactions.Transaction", models.PROTECT, null=True, blank=True, related_name="of_recall"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["transaction"], condition=~Q(state="withdrawn"), name="recall_once_per_transaction"
            ),
            models.CheckConstraint(
                condition=Q(held__gt=0, held__lte=F("claimed"), returned__gte=0, returned__lte=F("claimed")),
                name="recall_amounts",
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None, closed_by="")
                | (~Q(state="open") & Q(closed_at__isnull=False) & ~Q(closed_by="")),
                name="recall_closed_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="expired") | Q(closed_at__gte=F("deadline_at")), name="recall_expires_at_deadline"
            ),
            models.CheckConstraint(
                condition=Q(returned=0, reversal=None) | Q(state="consented", returned__gt=0, reversal__isnull=False),
                name="recall_returned_by_reversal",
            ),
        ]
        indexes = [
            models.Index(fields=["recipient", "-id"], name="recall_of_recipient"),
            models.Index(fields=["deadline_at"], condition=Q(state="open"), name="recall_open"),
        ]

    def __str__(self) -> str:
        return f"recall of {self.currency}"

    @transition(state, source=[RecallState.OPEN], target=RecallState.CONSENTED)
    def consent(self, *, returned: int, reversal_id: Any) -> None:
        """The recipient agrees: what is held goes back."""
        self.returned, self.reversal_id = returned, reversal_id

    @transition(state, source=[RecallState.OPEN], target=RecallState.REFUSED)
    def refuse(self) -> None:
        """The recipient keeps the money: the hold is let go."""

    @transition(state, source=[RecallState.OPEN], target=RecallState.EXPIRED)
    def expire(self) -> None:
        """Nobody answered in time: the hold is let go."""

    @transition(state, source=[RecallState.OPEN], target=RecallState.WITHDRAWN)
    def withdraw(self) -> None:
        """The sender takes the claim back, or it should not have been made: the hold is let go."""


class RecallEvent(AppendOnly):
    """One step of a recall, written with it: who, what, why. Notifications of it bear its id."""

    id = models.UUIDField(primary_key=True)
    recall = models.ForeignKey(Recall, models.DO_NOTHING, db_constraint=False, related_name="events")
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    actor = models.CharField(max_length=80)
    note = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
