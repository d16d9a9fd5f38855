"""What the books consist of. Guards that hold for any client, raw SQL included, are in `migrations/0002_guards.sql`."""

from datetime import UTC, date, timedelta

from django.db import models
from django.db.models import F, Q

from core.models import AppendOnly
from core.money import CURRENCY_CHOICES


class Side(models.IntegerChoices):
    """The sign lets sums be written as ``amount * side``: debits plus credits of a journal come to zero."""

    DEBIT = 1, "debit"
    CREDIT = -1, "credit"


class Account(models.Model):
    """One ledger account, e.g. ``liability:wallet:0192…``; ``available = posted - held``; minor units of ``currency``.

    ``posted`` grows with entries on the normal side. The row is the lock of the account and caches the last entry's
    ``balance_after`` and the last hold event's ``held_after``; a trigger keeps the three equal.
    """

    code = models.CharField(max_length=80)
    name = models.CharField(max_length=120, blank=True)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    normal_side = models.SmallIntegerField(choices=Side)
    posted = models.BigIntegerField(default=0)
    held = models.BigIntegerField(default=0)
    floor = models.BigIntegerField(null=True, blank=True, help_text="posted - held never goes below; empty: no floor")
    seq = models.BigIntegerField(default=0, help_text="number of the last entry")
    hold_seq = models.BigIntegerField(default=0, help_text="number of the last hold event")
    last_at = models.DateTimeField(null=True, blank=True, help_text="time of the last entry or hold event")
    debits_frozen = models.BooleanField(default=False)
    credits_frozen = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # Not unique=True: that would add a second index, for LIKE, to each row written.
            models.UniqueConstraint(fields=["code"], name="account_code_once"),
            models.CheckConstraint(condition=Q(normal_side__in=[1, -1]), name="account_normal_side"),
            models.CheckConstraint(condition=Q(held__gte=0), name="account_held_not_negative"),
            models.CheckConstraint(
                condition=Q(floor=None) | Q(posted__gte=F("floor") + F("held")), name="account_not_below_floor"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None) | Q(posted=0, held=0), name="account_closed_only_at_zero"
            ),
        ]
        # For the lists of staff; written when an account is opened, and never by a posting.
        indexes = [
            models.Index(fields=["code"], opclasses=["varchar_pattern_ops"], name="account_by_beginning"),
            models.Index(
                fields=["code"], condition=~Q(code__startswith="liability:wallet:"), name="account_of_the_house"
            ),
            models.Index(fields=["currency", "code"], name="account_by_currency"),
        ]

    def __str__(self) -> str:
        return self.code


# Most journals are of these kinds; whatever else there is, is rare and found by an index of its own.
DAILY_KINDS = ["transfer", "payment", "top_up", "cash_out"]


class Journal(AppendOnly):
    """A balanced set of entries, posted once. Its id is that of the transaction it records."""

    id = models.UUIDField(primary_key=True)
    kind = models.CharField(max_length=30)
    reference = models.CharField(max_length=80, help_text="what this records, unique for ever")
    effective_at = models.DateTimeField(help_text="business time")
    recorded_at = models.DateTimeField(help_text="database time of the posting")
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, db_index=False, related_name="reversed_by"
    )
    reverses_all = models.BooleanField(default=False, help_text="the whole of what it reverses")
    metadata = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reference"], name="journal_reference_once"),
            models.UniqueConstraint(fields=["reverses"], condition=Q(reverses_all=True), name="journal_reversed_once"),
        ]
        indexes = [
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="journal_reversals"),
            # The list of entries, in the order in which they were recorded; and the kinds of which there are few.
            models.Index(fields=["recorded_at", "id"], name="journal_by_time"),
            models.Index(fields=["kind", "recorded_at"], condition=~Q(kind__in=DAILY_KINDS), name="journal_rare_kinds"),
            models.Index(fields=["effective_at"], condition=~Q(metadata={}), name="journal_too_late"),
        ]

    def __str__(self) -> str:
        return self.reference


class Entry(AppendOnly):
    """One debit or credit on one account, numbered without gaps, with the balance it left behind.

    No foreign-key constraints: the set-wise guard checks account, journal and currency at a fraction of the price.
    """

    pk = models.CompositePrimaryKey("account_id", "seq")
    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, db_index=False)
    seq = models.BigIntegerField()
    journal = models.ForeignKey(Journal, models.DO_NOTHING, db_constraint=False, related_name="entries")
    side = models.SmallIntegerField(choices=Side)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    balance_after = models.BigIntegerField()
    recorded_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "entries"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="entry_amount_positive"),
            models.CheckConstraint(condition=Q(side__in=[1, -1]), name="entry_side"),
        ]


class HoldEvent(AppendOnly):
    """A hold is a sequence of these: ``placed`` once, then captured, voided or expired until nothing remains.

    Numbered per account like entries; ``held_after`` is the account's, ``remaining_after`` this hold's.
    """

    class Kind(models.TextChoices):
        PLACED = "placed"
        CAPTURED = "captured"
        VOIDED = "voided"
        EXPIRED = "expired"

    pk = models.CompositePrimaryKey("account_id", "seq")
    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, db_index=False)
    seq = models.BigIntegerField()
    hold = models.UUIDField(help_text="the hold's id: that of the transaction it belongs to")
    kind = models.CharField(max_length=8, choices=Kind)
    amount = models.BigIntegerField()
    held_after = models.BigIntegerField()
    remaining_after = models.BigIntegerField()
    expires_at = models.DateTimeField(null=True, blank=True)
    recorded_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0, held_after__gte=0, remaining_after__gte=0), name="hold_amounts"
            ),
            models.CheckConstraint(condition=Q(kind__in=["placed", "captured", "voided", "expired"]), name="hold_kind"),
            models.UniqueConstraint(fields=["hold"], condition=Q(kind="placed"), name="hold_placed_once"),
            models.UniqueConstraint(fields=["hold"], condition=Q(remaining_after=0), name="hold_ended_once"),
        ]
        indexes = [models.Index(fields=["hold", "seq"], name="hold_events")]


class PeriodClose(AppendOnly):
    """Business time before ``closed_before`` is over: the books take nothing into it any more.

    What comes too late is posted at the beginning of what is open, with a link to when it was meant for
    (`books.py`); a guard refuses the rest, raw SQL included (`migrations/0005_periods.sql`). Staff close by two.
    """

    closed_before = models.DateTimeField(unique=True)
    closed_at = models.DateTimeField()
    closed_by = models.CharField(max_length=80)
    approved_by = models.CharField(max_length=80, blank=True, help_text="the second person, where staff close it")
    note = models.CharField(max_length=500)

    class Meta:
        ordering = ["-closed_before"]
        verbose_name = "closed period"

    @property
    def last_day(self) -> date:
        return self.closed_before.astimezone(UTC).date() - timedelta(days=1)

    def __str__(self) -> str:
        return f"closed through {self.last_day:%-d %b %Y}"


class Proof(AppendOnly):
    """What `verify_ledger` found, once: the history of proofs is itself history."""

    at = models.DateTimeField()
    ok = models.BooleanField()
    findings = models.JSONField(help_text="of each offender: number of the invariant, name, what is wrong")
    counts = models.JSONField(help_text="rows read, by table")
    milliseconds = models.BigIntegerField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {'proven' if self.ok else 'broken'}"
