"""Payment requests and their uses. Guards for any client are in `migrations/0002_guards.sql`."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES
from payments.codes import spaced


class RequestState(models.TextChoices):
    """How it ends. That it is used up is seen from its counter (`Status`)."""

    OPEN = "open"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Status(models.TextChoices):
    """How a request stands, for everybody."""

    OPEN = "open", "can be paid"
    USED_UP = "used_up", "used up"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class PaymentRequest(models.Model):
    """Somebody asks for money: of a fixed ``amount``, or of any from ``least`` to ``most`` (null: no bound); minor
    units of ``currency``. May be paid ``max_uses`` times in all, and so often by one payer (null: as often as one
    likes).

    What it asks for never changes. ``used`` counts what was paid or awaits confirmation; the database keeps it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.CharField(max_length=12, unique=True, help_text="names it to who may pay")
    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="payment_requests", db_index=False)
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+", help_text="where the money goes")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    amount = models.BigIntegerField(null=True, blank=True, help_text="null: the payer chooses")
    least = models.BigIntegerField(null=True, blank=True)
    most = models.BigIntegerField(null=True, blank=True)
    description = models.CharField(max_length=140, blank=True)
    order_reference = models.CharField(max_length=80, null=True, blank=True, help_text="the requester's own")
    max_uses = models.PositiveIntegerField(null=True, blank=True, default=1)
    max_uses_per_payer = models.PositiveIntegerField(null=True, blank=True)
    needs_confirmation = models.BooleanField(
        default=False, db_default=False, help_text="the payer's money is held until the requester agrees"
    )
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField()
    state = FSMField(choices=RequestState.choices, default=RequestState.OPEN, protected=True)
    used = models.PositiveIntegerField(default=0)
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.CharField(max_length=80, blank=True)
    close_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, least=None, most=None)
                | Q(amount=None)
                & (Q(least=None) | Q(least__gt=0))
                & (Q(most=None) | Q(most__gt=0))
                & (Q(least=None) | Q(most=None) | Q(least__lte=F("most"))),
                name="payment_request_amounts",
            ),
            models.CheckConstraint(
                condition=(Q(max_uses=None) | Q(max_uses__gt=0))
                & (Q(max_uses_per_payer=None) | Q(max_uses_per_payer__gt=0)),
                name="payment_request_limits",
            ),
            models.CheckConstraint(
                condition=Q(max_uses=None) | Q(used__lte=F("max_uses")), name="payment_request_never_overused"
            ),
            models.CheckConstraint(
                condition=Q(state="open", closed_at=None, closed_by="")
                | (~Q(state="open") & Q(closed_at__isnull=False) & ~Q(closed_by="")),
                name="payment_request_closed_whole",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="payment_request_of"),
            models.Index(fields=["wallet", "-id"], name="payment_request_of_wallet"),
            models.Index(
                fields=["order_reference"], condition=Q(order_reference__isnull=False), name="payment_request_order"
            ),
            models.Index(
                fields=["expires_at"], name="payment_request_to_expire",
                condition=Q(state="open") & (Q(max_uses=None) | Q(used__lt=F("max_uses"))),
            ),
            models.Index(fields=["state", "-id"], condition=~Q(state="open"), name="payment_request_closed"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"payment request {self.spaced_code}"

    @property
    def spaced_code(self) -> str:
        return spaced(self.code)

    def status(self, at: datetime) -> Status:
        """As it stands at that moment; the clock closes what is over a little later."""
        if self.state == RequestState.CANCELLED:
            return Status.CANCELLED
        if self.max_uses is not None and self.used >= self.max_uses:
            return Status.USED_UP
        return Status.EXPIRED if self.state == RequestState.EXPIRED or at >= self.expires_at else Status.OPEN

    @transition(state, source=[RequestState.OPEN], target=RequestState.CANCELLED)
    def cancel(self, *, at: datetime, by: str, why: str = "") -> None:
        """Nobody pays it any more; what was paid stays paid."""
        self.closed_at, self.closed_by, self.close_reason = at, by, why

    @transition(state, source=[RequestState.OPEN], target=RequestState.EXPIRED)
    def expire(self, *, at: datetime) -> None:
        """Its time is over."""
        self.closed_at, self.closed_by = at, "system"


class RequestUse(AppendOnly):
    """One payment of a request; written with it, in the same statement as all uses of a batch.

    Where the requester confirms it is a hold of the payer's money, and what became of it the `answer`.
    """

    id = models.UUIDField(primary_key=True, help_text="that of the payment, or of the hold")
    request = models.ForeignKey(PaymentRequest, models.PROTECT, related_name="uses", db_index=False)
    payer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    is_promise = models.BooleanField(default=False, db_default=False, help_text="a hold, which the requester answers")

    class Meta:
        verbose_name = "payment of a request"
        verbose_name_plural = "payments of requests"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(is_promise=True), name="request_use_promised"),
            models.Index(fields=["request", "-id"], name="request_use_of"),
            models.Index(fields=["request", "payer"], name="request_use_by"),
            models.Index(fields=["payer", "-id"], name="request_use_of_payer"),
        ]

    def __str__(self) -> str:
        return f"use of a payment request at {self.at:%-d %b %Y %H:%M}"


class UseAnswer(AppendOnly):
    """What became of a payment that the requester was to confirm; once."""

    class Outcome(models.TextChoices):
        CONFIRMED = "confirmed"
        REJECTED = "rejected"
        EXPIRED = "expired", "not answered in time"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    use = models.OneToOneField(RequestUse, models.PROTECT, related_name="answer")
    outcome = models.CharField(max_length=9, choices=Outcome)
    payment = models.UUIDField(null=True, blank=True, help_text="what was taken of the hold")
    answered_by = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="confirmed", payment__isnull=False) | (~Q(outcome="confirmed") & Q(payment=None)),
                name="use_answer_paid_when_confirmed",
            ),
        ]

    def __str__(self) -> str:
        return self.get_outcome_display()
