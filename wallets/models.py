"""Wallets and the freezes placed on them."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import uuid7
from core.money import CURRENCY_CHOICES


class Wallet(models.Model):
    """One per customer and currency while open. Balances and freeze flags are those of its ledger account."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="wallets")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    account = models.OneToOneField("ledger.Account", models.PROTECT, related_name="wallet")
    created_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "currency"], condition=Q(closed_at=None), name="wallet_one_per_currency"
            ),
        ]
        indexes = [
            models.Index(fields=["currency", "-id"], name="wallet_by_currency"),
            models.Index(fields=["-id"], condition=Q(closed_at__isnull=False), name="wallet_closed"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} wallet {self.id}"

    @property
    def status(self) -> str:
        """``active``, ``frozen`` (in either direction) or ``closed``."""
        if self.closed_at:
            return "closed"
        return "frozen" if self.account.debits_frozen or self.account.credits_frozen else "active"


class Freeze(models.Model):
    """Staff stopped a wallet from sending, receiving or both, until lifted or expired. Lifted once, never edited."""

    class Mode(models.TextChoices):
        DEBIT = "debit", "may not send"
        CREDIT = "credit", "may not receive"
        BOTH = "both", "neither"

    class Cause(models.TextChoices):
        """What kind of trouble it is; the reason says more. What is frozen for fraud or by order takes two to lift."""

        FRAUD = "fraud", "fraud, or a suspicion of it"
        LOST = "lost", "lost or stolen phone"
        ASKED = "asked", "its owner asked for it"
        ORDERED = "ordered", "a court or authority ordered it"
        OTHER = "other", "something else"

    TAKES_TWO = (Cause.FRAUD, Cause.ORDERED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    wallet = models.ForeignKey(Wallet, models.PROTECT, related_name="freezes")
    mode = models.CharField(max_length=6, choices=Mode)
    cause = models.CharField(max_length=8, choices=Cause, default=Cause.OTHER, db_default="other")
    reason = models.TextField()
    placed_by = models.CharField(max_length=80)
    placed_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.CharField(max_length=80, blank=True)
    lift_reason = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["expires_at"], condition=Q(lifted_at=None), name="freeze_to_expire"),
        ]

    def __str__(self) -> str:
        return f"{self.mode} freeze of {self.wallet_id}"

    @staticmethod
    def end_of_soon() -> datetime:
        return timezone.now() + timedelta(hours=settings.FREEZES_END_SOON_HOURS)

    @classmethod
    def ending(cls) -> Q:
        """Those that end so soon that somebody should say whether they may."""
        return Q(lifted_at=None, expires_at__lte=cls.end_of_soon())

    @property
    def is_ending(self) -> bool:
        return self.lifted_at is None and self.expires_at is not None and self.expires_at <= self.end_of_soon()

    @property
    def effect(self) -> str:
        """What the wallet may not do."""
        return "may neither send nor receive" if self.mode == self.Mode.BOTH else str(self.get_mode_display())

    @property
    def takes_two(self) -> bool:
        """Whether it takes a second person to lift it."""
        return self.cause in self.TAKES_TWO
