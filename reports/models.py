"""What finance reads: the books' entries, their totals of each day, exports of lists."""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES
from transactions.models import Kind


class Side(models.IntegerChoices):
    """As the ledger has it, whose models are its own."""

    DEBIT = 1, "debit"
    CREDIT = -1, "credit"


class SavedExport(models.Model):
    """A list, its filters, columns and format under a name, to be run again: by hand, or by the clock.

    By the clock it runs with its owner's rights. ``every`` and the columns after it say when: at ``at`` (UTC) on
    each day, on ``weekday`` (Monday is 0) or on ``month_day``, or the last of a shorter month. ``covers`` moves the
    list's own days to those before the business date. Each run is an `Export`; of a business date there is one.
    """

    class Every(models.TextChoices):
        DAILY = "daily"
        WEEKLY = "weekly"
        MONTHLY = "monthly"

    class Covers(models.TextChoices):
        AS_SAVED = "", "as it was saved"
        DAY = "day", "the day before"
        WEEK = "week", "the seven days before"
        MONTH = "month", "the month before"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    is_shared = models.BooleanField(default=False)
    subject = models.CharField(max_length=60, help_text="the list")
    format = models.CharField(max_length=4)
    filters = models.JSONField(default=dict, blank=True)
    columns = models.JSONField(default=list, blank=True, help_text="names; none: all that the owner may take")
    every = models.CharField(max_length=7, choices=Every, blank=True)
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)
    month_day = models.PositiveSmallIntegerField(null=True, blank=True)
    at = models.TimeField(null=True, blank=True)
    covers = models.CharField(max_length=5, choices=Covers, blank=True)
    scheduled_at = models.DateTimeField(null=True, blank=True, help_text="since when it runs by the clock")
    recipients = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)
    created_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        verbose_name = "saved export"
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], condition=Q(ended_at=None), name="saved_export_name"),
            models.CheckConstraint(
                condition=(Q(every="") & Q(at=None) & Q(weekday=None) & Q(month_day=None))
                | (Q(every="daily") & Q(at__isnull=False) & Q(weekday=None) & Q(month_day=None))
                | (Q(every="weekly") & Q(at__isnull=False) & Q(weekday__lte=6) & Q(month_day=None))
                | (Q(every="monthly") & Q(at__isnull=False) & Q(weekday=None) & Q(month_day__range=(1, 31))),
                name="saved_export_when",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Export(models.Model):
    """The row is the queue: a worker takes it, counts rows as it writes, and leaves file, totals and checksum.

    ``lease`` is the fencing token of the worker that took it last, which renews ``due_at`` while it lives. It is part
    of the stored file's name, so that a worker which comes back too late can neither report nor replace anything.
    """

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "Excel (XLSX)"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=60, help_text="the list")
    format = models.CharField(max_length=4, choices=Format)
    filters = models.JSONField(default=dict)
    columns = models.JSONField(default=list, blank=True, help_text="names; none: all that who asked may take")
    has_personal = models.BooleanField(default=False, help_text="by which people are reached: fetched by few")
    saved = models.ForeignKey(SavedExport, models.PROTECT, null=True, blank=True, related_name="runs")
    business_date = models.DateField(null=True, blank=True, help_text="of a run by the clock")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    rows_expected = models.BigIntegerField(null=True, blank=True)
    rows_written = models.BigIntegerField(default=0)
    control_totals = models.JSONField(null=True, blank=True, help_text="per currency: rows, and sums in minor units")
    sha256 = models.CharField(max_length=64, blank=True)
    file_name = models.CharField(max_length=120, blank=True)
    bytes = models.BigIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    as_of = models.DateTimeField(null=True, blank=True, help_text="the instant whose data it shows")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    due_at = models.DateTimeField(db_default=Now())
    told_at = models.DateTimeField(null=True, blank=True, help_text="when its recipients were written to")
    file_removed_at = models.DateTimeField(null=True, blank=True, help_text="kept long enough; the row stays")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["saved", "business_date"], name="export_once_a_business_date")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["queued", "running"]), name="export_due"),
            models.Index(fields=["finished_at"], condition=Q(file_removed_at=None), name="export_kept"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} as {self.get_format_display()}"

    @property
    def percent(self) -> int:
        """How much of it is written, 0 to 100."""
        if self.state == self.State.DONE:
            return 100
        return min(self.rows_written * 100 // self.rows_expected, 100) if self.rows_expected else 0

    @property
    def duration(self) -> timedelta | None:
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class KeptFigure(models.Model):
    """What the dashboard shows and takes long to add up, as it was at ``at``; made anew by the clock: `figures.py`."""

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()
    rows = models.JSONField(help_text="lists of values in the order of the figure's columns; minor units")

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%Y-%m-%d %H:%M}"


class EntryLine(models.Model):
    """An entry with the names of its account and journal: a database view (`migrations/0003_entry_lines.sql`)."""

    id = models.TextField(primary_key=True, help_text="account's id and entry's number")
    account = models.ForeignKey("ledger.Account", models.DO_NOTHING, db_constraint=False, related_name="+")
    seq = models.BigIntegerField()
    account_code = models.CharField(max_length=80)
    account_name = models.CharField(max_length=120)
    journal = models.ForeignKey("ledger.Journal", models.DO_NOTHING, db_constraint=False, related_name="+")
    kind = models.CharField(max_length=30, choices=Kind)
    reference = models.CharField(max_length=80)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    side = models.SmallIntegerField(choices=Side)
    amount = models.BigIntegerField()
    debit = models.BigIntegerField(null=True)
    credit = models.BigIntegerField(null=True)
    balance_after = models.BigIntegerField()
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        managed = False
        verbose_name = "entry"
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"entry {self.seq} of {self.account_code}"


class HoldLine(models.Model):
    """A hold as it stands, under the id of its transaction: a database view (`migrations/0007_saved_exports.sql`)."""

    class State(models.TextChoices):
        OPEN = "open"
        CAPTURED = "captured"
        VOIDED = "voided"
        EXPIRED = "expired"

    id = models.UUIDField(primary_key=True)
    account = models.ForeignKey("ledger.Account", models.DO_NOTHING, db_constraint=False, related_name="+")
    account_code = models.CharField(max_length=80)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    amount = models.BigIntegerField()
    remaining = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State)
    placed_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        verbose_name = "hold"

    def __str__(self) -> str:
        return f"hold {self.id}"


class SummedDay(AppendOnly):
    """A UTC day whose entries, by the time they were recorded, have been added up (`totals.py`).

    One row a day as a rule, also for a day without entries. A later ``revision`` says that entries of that day turned
    up afterwards, which only a restore or a load of old data can bring about; its totals are what was missing.
    """

    day = models.DateField()
    revision = models.PositiveSmallIntegerField(default=1)
    entries = models.BigIntegerField(help_text="how many were added up")
    summed_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-day", "-revision"]
        verbose_name = "day of totals"
        verbose_name_plural = "daily totals"
        constraints = [models.UniqueConstraint(fields=["day", "revision"], name="summed_day_once")]

    def __str__(self) -> str:
        return f"Totals of {self.day:%-d %b %Y}"


class DayTotal(AppendOnly):
    """What was debited and credited on one line of the trial balance, in minor units.

    ``line`` is the code of an account of ours, or the beginning that a whole kind of account has in common
    (``liability:wallet``). Of the entries that were recorded on one day, those which count from ``effective_on``.
    """

    summed = models.ForeignKey(SummedDay, models.PROTECT, related_name="totals")
    recorded_on = models.DateField()
    effective_on = models.DateField()
    line = models.CharField(max_length=80)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    entries = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["recorded_on", "line", "currency", "effective_on", "summed"], name="day_total_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.currency} on {self.recorded_on}"


class DailyProof(AppendOnly):
    """That the books of one UTC day agree, in figures; made once, when the day is added up and the books are proven.

    ``figures`` are what `proofs.Figures` says per currency, ``findings`` dicts of number, name and wrong, as the
    ledger's own proof has them. ``sha256`` is of both and the day, as `proofs.checksum` writes them.
    """

    day = models.DateField()
    ok = models.BooleanField()
    figures = models.JSONField()
    findings = models.JSONField()
    books = models.ForeignKey("ledger.Proof", models.PROTECT, related_name="+", help_text="the proof of all rows")
    sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-day"]
        constraints = [models.UniqueConstraint(fields=["day"], name="daily_proof_once")]

    def __str__(self) -> str:
        return f"Proof of {self.day:%-d %b %Y}"


class SignOff(AppendOnly):
    """Somebody of finance has looked at a daily proof and answers for it; with what they said where it was broken."""

    proof = models.OneToOneField(DailyProof, models.PROTECT, related_name="sign_off")
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    note = models.CharField(max_length=500, blank=True)
    sha256 = models.CharField(max_length=64, help_text="of the proof that was signed")
    signed_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"{self.proof} signed by {self.signed_by}"


class IssuedPaper(AppendOnly):
    """A PDF that left the house, by its number: what it was about, who made it, and what it must hash to.

    The file itself is not kept: the same figures can be made again, with the same ``data_sha256``.
    """

    class Kind(models.TextChoices):
        STATEMENT = "statement", "wallet statement"
        LEDGER = "ledger", "general ledger"
        TRIAL_BALANCE = "trial_balance", "trial balance"
        DAILY_PROOF = "daily_proof", "daily proof"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    number = models.CharField(max_length=10)
    kind = models.CharField(max_length=13, choices=Kind)
    title = models.CharField(max_length=200)
    about = models.JSONField(help_text="what it shows: period, account, day")
    data_sha256 = models.CharField(max_length=64)
    file_sha256 = models.CharField(max_length=64)
    pages = models.PositiveIntegerField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name = "paper"
        constraints = [models.UniqueConstraint(fields=["number"], name="paper_number_once")]

    def __str__(self) -> str:
        return f"{self.title} {self.number}"

    @property
    def file_name(self) -> str:
        return f"tekana-{self.kind.replace('_', '-')}-{self.number}.pdf"
