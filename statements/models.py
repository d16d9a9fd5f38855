"""How a customer wants statements of a wallet, and the statements that were made."""

from django.db import models
from django.db.models import F, Q

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES
from customers.models import AccountType

BUSINESSES = frozenset({
    AccountType.SME, AccountType.EXPORTER, AccountType.ECOMMERCE, AccountType.NGO, AccountType.STARTUP,
})  # fmt: skip


class Format(models.TextChoices):
    JSON = "json", "JSON"
    CSV = "csv", "CSV"
    PDF = "pdf", "PDF"
    CAMT053 = "camt053", "camt.053"
    MT940 = "mt940", "MT940"
    MERCHANT = "merchant", "Payments by order (CSV)"


FOR_BUSINESSES = frozenset({Format.CAMT053, Format.MT940, Format.MERCHANT})
# As they are offered. JSON is for programs, which ask for it.
MAILED = [Format.PDF, Format.CSV, Format.CAMT053, Format.MT940, Format.MERCHANT]


class Language(models.TextChoices):
    ENGLISH = "en", "English"
    FRENCH = "fr", "français"
    SWAHILI = "sw", "Kiswahili"
    KINYARWANDA = "rw", "Ikinyarwanda"


class Every(models.TextChoices):
    NONE = "none"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class StatementSettings(models.Model):
    """How often statements of a wallet are made, and in what form; a wallet without a row gets none.

    The row is the queue: at ``due_at`` the next one can be made. The first one begins on ``begins``, each other where
    the one before it ended. ``since`` is the first day of the period in which ``every`` was chosen: the next statement
    ends with that period at the earliest.
    """

    wallet = models.OneToOneField("wallets.Wallet", models.PROTECT, primary_key=True, related_name="statement_settings")
    every = models.CharField(max_length=7, choices=Every, default=Every.NONE)
    format = models.CharField(max_length=8, choices=Format, default=Format.PDF)
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    begins = models.DateField(null=True, blank=True)
    since = models.DateField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="at what is due, counted before each")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "statement settings"
        constraints = [
            models.CheckConstraint(
                condition=~Q(every="none") | Q(due_at=None), name="statement_settings_none_is_never_due"
            ),
            models.CheckConstraint(condition=~Q(format="json"), name="statement_settings_mailed"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="statement_settings_due")]

    def __str__(self) -> str:
        return f"{self.every} statements of {self.wallet_id}"


class Statement(AppendOnly):
    """A statement that was made by the clock, one after the other: each begins where the one before it ended.

    A guard (`migrations/0002_guards.sql`) compares it with the entries and with the one before. Amounts in minor units.
    ``sha256`` is that of `selectors.digest`: of the entries and of the statement before, so that it can be proven.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="statements", db_index=False)
    number = models.PositiveIntegerField(help_text="of this wallet, from 1 without gaps")
    every = models.CharField(max_length=7, choices=Every)
    format = models.CharField(max_length=8, choices=Format, help_text="as it was sent")
    language = models.CharField(max_length=2, choices=Language)
    timezone = models.CharField(max_length=40)
    from_day = models.DateField()
    to_day = models.DateField(help_text="the last day that is in it")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(help_text="not in it any more")
    seq_before = models.BigIntegerField(help_text="number of the last entry before it")
    seq_last = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    opening = models.BigIntegerField()
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    debit_count = models.BigIntegerField()
    credit_count = models.BigIntegerField()
    fees = models.BigIntegerField(help_text="within debits and credits; given back counts against it")
    closing = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["wallet", "number"], name="statement_number_once"),
            models.UniqueConstraint(fields=["wallet", "to_day"], name="statement_day_once"),
            models.CheckConstraint(
                condition=Q(closing=F("opening") + F("credits") - F("debits")), name="statement_adds_up"
            ),
            models.CheckConstraint(
                condition=Q(debit_count=F("seq_last") - F("seq_before") - F("credit_count")),
                name="statement_has_every_entry",
            ),
            models.CheckConstraint(
                condition=Q(from_day__lte=F("to_day"), starts_at__lt=F("ends_at"), number__gt=0),
                name="statement_days_in_order",
            ),
        ]
        indexes = [  # filters of the list of staff
            models.Index(fields=["every", "-id"], name="statement_by_every"),
            models.Index(fields=["format", "-id"], name="statement_by_format"),
            models.Index(fields=["sha256"], name="statement_by_checksum"),
        ]

    def __str__(self) -> str:
        return f"Statement {self.number} of {self.wallet_id}"
