"""Batches of payouts, their items and steps; who approves for a business, and how much its owner may approve alone.

Guards for any client are in `migrations/0002_guards.sql`. A batch's row is the queue: it says when a worker is to look
at it (`due_at`).
"""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES


class BatchState(models.TextChoices):
    DRAFT = "draft", "lines to put right"
    VALIDATED = "validated", "waits for approval"
    APPROVED = "approved", "approved, not begun"
    POSTING = "posting", "being paid"
    COMPLETED = "completed"
    FAILED = "failed", "nobody was paid"
    CANCELLED = "cancelled"
    EXPIRED = "expired", "not approved in time"


class Mode(models.TextChoices):
    CONTINUE = "continue", "refused items stop no others"
    ALL_OR_NOTHING = "all_or_nothing", "all or nothing"


OPEN = (BatchState.VALIDATED, BatchState.APPROVED, BatchState.POSTING)
RUNNABLE = Q(state__in=["approved", "posting"], quarantined_at=None)
EXPIRING = Q(state__in=["draft", "validated"])
OVER_UNPAID = (BatchState.FAILED, BatchState.CANCELLED, BatchState.EXPIRED)
PAYS = Q(state__in=["validated", "approved", "posting"]) | Q(state__in=["completed", "cancelled"], posted__gt=0)
# One file is paid once: what may still pay, or has paid something, unless the payer said that they mean it.
COUNTS_ONCE = Q(again=False) & PAYS


class Batch(models.Model):
    """A file that a customer sent in: what is to be paid, and how far that is. Amounts in minor units of ``currency``.

    A draft has lines to put right and no items. What was asked for never changes; figures and state do.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", help_text="who pays")
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    label = models.CharField(max_length=80, blank=True, help_text="the payer's own, such as: salaries of March")
    mode = models.CharField(max_length=14, choices=Mode)
    execute_on = models.DateField(null=True, blank=True, help_text="in the payer's country; empty: at once")
    again = models.BooleanField(default=False, help_text="the payer means to pay a file a second time")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the items, in whatever order")
    state = FSMField(choices=BatchState.choices, protected=True)
    lines = models.PositiveIntegerField(help_text="items read")
    total = models.BigIntegerField(help_text="without fees")
    fees = models.BigIntegerField(help_text="as of the check")
    leaves = models.BigIntegerField(help_text="in the wallet after it, as of the check; below zero: short of it")
    errors = models.JSONField(default=list, help_text="lines to put right, the first of them")
    errors_total = models.PositiveIntegerField(default=0)
    warnings = models.JSONField(default=list, help_text="lines to look at, the first of them")
    warnings_total = models.PositiveIntegerField(default=0)
    posted = models.PositiveIntegerField(default=0, help_text="items paid")
    posted_amount = models.BigIntegerField(default=0)
    posted_fees = models.BigIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0, help_text="items refused, as of now")
    refusal_line = models.PositiveIntegerField(null=True, blank=True, help_text="because of which nobody was paid")
    refusal_code = models.CharField(max_length=40, blank=True)
    made_by = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    approved_by = models.ForeignKey(
        "customers.Customer", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="until when it can be approved")
    approved_at = models.DateTimeField(null=True, blank=True)
    begun_at = models.DateTimeField(null=True, blank=True, help_text="the last time")
    finished_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="when a worker is to look at it")
    runs = models.PositiveIntegerField(default=0, help_text="times that a worker took it up: who has the last pays")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="of these, since it last got on")
    quarantined_at = models.DateTimeField(null=True, blank=True, help_text="given up by the workers")

    class Meta:
        verbose_name = "payout"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "currency", "fingerprint"], condition=COUNTS_ONCE, name="payout_file_once"
            ),
            models.CheckConstraint(
                condition=Q(posted_amount__gte=0, posted_amount__lte=F("total"), posted_fees__gte=0)
                & Q(lines__gte=F("posted") + F("refused")),
                name="payout_figures",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["draft", "cancelled", "expired"]) | Q(errors_total=0, total__gt=0),
                name="payout_without_errors",
            ),
            models.CheckConstraint(
                condition=Q(
                    approved_by=None, approved_at=None, state__in=["draft", "validated", "cancelled", "expired"]
                )
                | Q(approved_by__isnull=False, approved_at__isnull=False)
                & ~Q(state__in=["draft", "validated", "expired"]),
                name="payout_approved_whole",
            ),
            models.CheckConstraint(
                condition=(Q(approved_at=None) | Q(approved_at__lte=F("expires_at")))
                & (~Q(state="expired") | Q(finished_at__gte=F("expires_at"))),
                name="payout_in_time",
            ),
            models.CheckConstraint(
                condition=Q(state="failed", refusal_line__isnull=False) & ~Q(refusal_code="")
                | ~Q(state="failed") & Q(refusal_line=None, refusal_code=""),
                name="payout_failed_at_a_line",
            ),
        ]  # fmt: skip
        indexes = [
            models.Index(fields=["customer", "-id"], name="payout_of_customer"),
            models.Index(fields=["state", "-id"], name="payout_by_state"),
            models.Index(fields=["label", "-id"], condition=~Q(label=""), name="payout_by_label"),
            models.Index(fields=["due_at"], condition=RUNNABLE, name="payout_due"),
            models.Index(fields=["expires_at"], condition=EXPIRING, name="payout_expiring"),
            models.Index(
                fields=["customer", "approved_at"], condition=~Q(approved_at=None), name="payout_approved_lately"
            ),
        ]

    def __str__(self) -> str:
        return self.label or f"payout of {self.lines} items"

    @property
    def has_items(self) -> bool:
        """What has lines to put right has none, whatever became of it."""
        return not self.errors_total

    @property
    def left(self) -> int:
        return self.lines - self.posted - self.refused if self.has_items else 0

    @transition(state, source=[BatchState.VALIDATED], target=BatchState.APPROVED)
    def approve(self, *, by: Any, at: Any, due_at: Any) -> None:
        """Whoever may has approved it; it waits for its day, or for a worker."""
        self.approved_by, self.approved_at, self.due_at = by, at, due_at

    @transition(state, source=[BatchState.APPROVED], target=BatchState.POSTING)
    def begin(self, *, at: Any) -> None:
        """A worker took it up."""
        self.begun_at = at

    @transition(state, source=[BatchState.POSTING], target=BatchState.COMPLETED)
    def complete(self, *, at: Any) -> None:
        """Every item is paid or refused."""
        self.finished_at, self.due_at = at, None

    @transition(state, source=[BatchState.POSTING], target=BatchState.FAILED)
    def fail(self, *, at: Any, line: int, code: str) -> None:
        """All or nothing, and one was refused: nobody was paid."""
        self.finished_at, self.due_at, self.refusal_line, self.refusal_code = at, None, line, code

    @transition(
        state,
        source=[BatchState.DRAFT, BatchState.VALIDATED, BatchState.APPROVED, BatchState.POSTING],
        target=BatchState.CANCELLED,
    )
    def cancel(self, *, at: Any) -> None:
        """Called off: what was not paid by then is not."""
        self.finished_at, self.due_at = at, None

    @transition(state, source=[BatchState.DRAFT, BatchState.VALIDATED], target=BatchState.EXPIRED)
    def expire(self, *, at: Any) -> None:
        """Its time is over, and nobody has approved it."""
        self.finished_at = at

    @transition(state, source=[BatchState.COMPLETED, BatchState.FAILED], target=BatchState.APPROVED)
    def try_again(self, *, at: Any) -> None:
        """What was refused is tried once more, under the approval that it has."""
        self.finished_at, self.due_at, self.refusal_line, self.refusal_code = None, at, None, ""


class ItemState(models.TextChoices):
    WAITING = "waiting"
    PAID = "paid"
    REFUSED = "refused"


class ItemStatus(models.TextChoices):
    """As it is told: what waits in a payout that is over waits for nothing."""

    WAITING = "waiting"
    PAID = "paid"
    REFUSED = "refused"
    UNPAID = "unpaid"


class Item(models.Model):
    """One line of a batch: whom, how much. ``wallet`` is whose it was when the file was checked: who approves sees the
    name behind it, and nobody else is paid, whoever has the number or address by then."""

    batch = models.ForeignKey(Batch, models.PROTECT, related_name="items", db_index=False)
    line = models.PositiveIntegerField(help_text="of the file; in JSON the item's number, from 1")
    to_by = models.CharField(max_length=6, help_text="wallet, phone or email")
    to_value = models.CharField(max_length=254)
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    amount = models.BigIntegerField(help_text="minor units")
    name = models.CharField(
        max_length=120, blank=True, help_text="whom the payer takes it to be; checked against nothing"
    )
    memo = models.CharField(max_length=140, blank=True)
    reference = models.CharField(max_length=80, blank=True, help_text="the payer's own; need not be unique")
    state = models.CharField(max_length=7, choices=ItemState, default=ItemState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0, help_text="answers so far; the next try's key has this number")
    refusal_code = models.CharField(max_length=40, blank=True)
    transaction = models.ForeignKey(
        "transactions.Transaction", models.DO_NOTHING, null=True, blank=True, related_name="+", db_index=False,
        db_constraint=False, help_text="of the last try; none where nothing was kept of a refusal",
    )  # fmt: skip

    class Meta:
        verbose_name = "item of a payout"
        verbose_name_plural = "items of payouts"
        ordering = ["batch", "line"]
        constraints = [
            models.UniqueConstraint(fields=["batch", "line"], name="payout_item_line"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="payout_item_amount"),
            models.CheckConstraint(
                condition=Q(state="waiting", refusal_code="")
                | Q(state="paid", refusal_code="", transaction__isnull=False)
                | Q(state="refused") & ~Q(refusal_code=""),
                name="payout_item_told",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"line {self.line}"

    @property
    def status(self) -> ItemStatus:
        over = self.state == ItemState.WAITING and self.batch.state in OVER_UNPAID
        return ItemStatus.UNPAID if over else ItemStatus(self.state)


class BatchEvent(AppendOnly):
    """One step of a batch, written with it: who, what, why. Notifications of it bear its id."""

    id = models.UUIDField(primary_key=True)
    batch = models.ForeignKey(Batch, models.DO_NOTHING, db_constraint=False, related_name="events")
    from_state = models.CharField(max_length=10, blank=True)
    to_state = models.CharField(max_length=10)
    actor = models.CharField(max_length=80)
    note = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class Answer(AppendOnly):
    """What was answered to an Idempotency-Key, byte for byte."""

    id = models.UUIDField(primary_key=True)
    caller = models.CharField(max_length=80)
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of what was asked")
    status = models.PositiveSmallIntegerField()
    body = models.TextField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="payout_answer_once")]


# --- Who approves for a business -------------------------------------------------------------------------------------


class ApproverState(models.TextChoices):
    INVITED = "invited", "has not answered"
    ACTIVE = "active"
    ENDED = "ended"


class Approver(models.Model):
    """A customer who approves payouts of a business: named by it, and willing. Ended once, by either of the two."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    business = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    approver = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+")
    state = FSMField(choices=ApproverState.choices, default=ApproverState.INVITED, protected=True)
    invited_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        "customers.Customer", models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(business=F("approver")), name="payout_approver_is_another"),
            models.UniqueConstraint(
                fields=["business", "approver"], condition=~Q(state="ended"), name="payout_approver_once"
            ),
            models.CheckConstraint(
                condition=Q(state="invited", accepted_at=None, ended_at=None, ended_by=None)
                | Q(state="active", accepted_at__isnull=False, ended_at=None, ended_by=None)
                | Q(state="ended", ended_at__isnull=False, ended_by__isnull=False),
                name="payout_approver_whole",
            ),
        ]
        indexes = [models.Index(fields=["business"], name="payout_approver_of")]

    def __str__(self) -> str:
        return "payout approver"

    @transition(state, source=[ApproverState.INVITED], target=ApproverState.ACTIVE)
    def accept(self, *, at: Any) -> None:
        self.accepted_at = at

    @transition(state, source=[ApproverState.INVITED, ApproverState.ACTIVE], target=ApproverState.ENDED)
    def end(self, *, at: Any, by: Any) -> None:
        self.ended_at, self.ended_by = at, by


class AloneLimit(AppendOnly):
    """Up to how much in 24 hours the owner of a business approves alone: the newest row counts; without one, nothing.

    It is not for the owner to say: an approver does. The owner may lower it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    business = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    amount = models.BigIntegerField(help_text="minor units; 0: always two")
    set_by = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gte=0), name="payout_alone_amount")]
        indexes = [models.Index(fields=["business", "currency", "-id"], name="payout_alone_now")]
