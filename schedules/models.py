"""Standing orders, their versions, runs and steps; calendars. Guards for any client: `migrations/0002_guards.sql`.

The rows are the queue: an order says when it is to be looked at (`next_at`), a run when it is to be tried (`due_at`).
"""

from typing import Any
from zoneinfo import ZoneInfo

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES
from schedules.dates import Recurrence, earliest

# --- Calendars -------------------------------------------------------------------------------------------------------


class Weekend(AppendOnly):
    """From a day on these weekdays are the weekend of a country; the newest row whose day has come counts."""

    country = models.ForeignKey("customers.Country", models.PROTECT, related_name="+")
    weekdays = models.CharField(max_length=7, help_text="1 is Monday: 67 is Saturday and Sunday")
    effective_from = models.DateField()

    class Meta:
        ordering = ["country", "effective_from", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(weekdays__regex=r"^1?2?3?4?5?6?7?$"), name="weekend_weekdays"),
            models.CheckConstraint(condition=~Q(weekdays="1234567"), name="weekend_leaves_a_day"),
        ]

    def __str__(self) -> str:
        return f"weekend of {self.country_id} from {self.effective_from}"


class HolidayRule(AppendOnly):
    """A public holiday that comes each year (`dates.Feast`). Of a country's rows with one name the newest counts."""

    class Substitute(models.TextChoices):
        NONE = "", "none"
        SUNDAY = "sunday", "the next day, if it falls on a Sunday"
        WEEKEND = "weekend", "the next working day, if it falls on a weekend"

    country = models.ForeignKey("customers.Country", models.PROTECT, related_name="+")
    name = models.CharField(max_length=80)
    month = models.PositiveSmallIntegerField(null=True, blank=True)
    day = models.PositiveSmallIntegerField(null=True, blank=True)
    easter = models.SmallIntegerField(null=True, blank=True, help_text="days from Easter Sunday")
    nth = models.PositiveSmallIntegerField(null=True, blank=True, help_text="the first, second … such weekday")
    weekday = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 is Monday")
    substitute = models.CharField(max_length=8, choices=Substitute, blank=True)
    first_year = models.PositiveSmallIntegerField(default=1)
    last_year = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["country", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(easter__isnull=False, month=None, day=None, nth=None, weekday=None)
                | Q(easter=None, month__range=(1, 12), day__range=(1, 31), nth=None, weekday=None)
                | Q(easter=None, month__range=(1, 12), day=None, nth__range=(1, 4), weekday__range=(1, 7)),
                name="holiday_rule_one_way",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.country_id})"


class Holiday(AppendOnly):
    """What was entered for one date in one country: a holiday that no rule knows, or none that day in spite of a rule.

    Never changed: the newest row of a country and day counts.
    """

    country = models.ForeignKey("customers.Country", models.PROTECT, related_name="+", db_index=False)
    day = models.DateField()
    name = models.CharField(max_length=80, blank=True, help_text="empty: a day like any other")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "calendar entry"
        verbose_name_plural = "calendar entries"
        indexes = [models.Index(fields=["country", "day", "-id"], name="holiday_newest")]

    def __str__(self) -> str:
        return f"{self.name or 'no holiday'} on {self.day:%-d %b %Y}"

    @property
    def is_free(self) -> bool:
        return bool(self.name)


# --- Orders ----------------------------------------------------------------------------------------------------------


class OrderState(models.TextChoices):
    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    CANCELLED = "cancelled"


OPEN = (OrderState.ACTIVE, OrderState.PAUSED)


class StandingOrder(models.Model):
    """A customer pays from a wallet of theirs to somebody else's on certain dates. Amounts: of its current version.

    The recipient is a wallet, found when the order is made: a phone number that changes hands later takes no money
    along. ``named_as`` is how the customer named it, masked.

    ``next_number`` and ``next_on`` are the next date that has no run yet (`dates.Date`), ``last_on`` the latest that
    has one: it never goes back, and no date up to it is ever begun again. ``counted``: runs that count towards
    the number of runs, which is all but skipped ones. ``next_at``: when it is to be looked at.
    """

    class Frequency(models.TextChoices):
        ONCE = "once"
        DAILY = "daily"
        WEEKLY = "weekly"
        MONTHLY = "monthly"

    class Rule(models.TextChoices):
        SAME = "same", "on the day itself"
        NEXT = "next", "on the next business day"
        PREVIOUS = "previous", "on the business day before"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="+", db_index=False)
    wallet = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+")
    payee = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="+")
    named_by = models.CharField(max_length=6, help_text="wallet, phone or email")
    named_as = models.CharField(max_length=80, help_text="masked")
    payee_name = models.CharField(max_length=200, blank=True, help_text="masked, as it was when the order was made")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    frequency = models.CharField(max_length=8, choices=Frequency)
    every = models.PositiveSmallIntegerField(default=1, help_text="so many days, weeks or months")
    month_day = models.PositiveSmallIntegerField(default=0, help_text="of a monthly order; 31 is the last")
    start_on = models.DateField()
    rule = models.CharField(max_length=8, choices=Rule, default=Rule.SAME, help_text="where it is no business day")
    retries = models.PositiveSmallIntegerField(default=3, help_text="where there is not enough money")
    retry_hours = models.PositiveSmallIntegerField(default=24, help_text="between them")
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    state = FSMField(choices=OrderState.choices, default=OrderState.ACTIVE, protected=True)
    version = models.PositiveSmallIntegerField(default=1)
    paused_by = models.CharField(max_length=80, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    next_number = models.PositiveIntegerField(default=0)
    next_on = models.DateField(null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    last_on = models.DateField(null=True, blank=True)
    counted = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["customer", "idempotency_key"], name="standing_order_key_once"),
            models.CheckConstraint(
                condition=Q(every__range=(1, 99), retries__lte=10, retry_hours__range=(1, 168)),
                name="standing_order_sane",
            ),
            models.CheckConstraint(
                condition=Q(frequency="monthly", month_day__range=(1, 31)) | (~Q(frequency="monthly") & Q(month_day=0)),
                name="standing_order_month_day",
            ),
            models.CheckConstraint(condition=~Q(wallet=F("payee")), name="standing_order_between_two"),
            models.CheckConstraint(
                condition=Q(state__in=["active", "paused"], closed_at=None)
                | Q(state__in=["ended", "cancelled"], closed_at__isnull=False),
                name="standing_order_closed_whole",
            ),
            models.CheckConstraint(
                condition=~Q(paused_by="") & Q(state="paused") | Q(paused_by="") & ~Q(state="paused"),
                name="standing_order_paused_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(last_on=None) | Q(next_on=None) | Q(next_on__gt=F("last_on")),
                name="standing_order_goes_on",
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="standing_order_of"),
            models.Index(fields=["next_at"], condition=Q(state="active"), name="standing_order_next"),
            models.Index(fields=["state", "-id"], name="standing_order_by_state"),
        ]

    def __str__(self) -> str:
        return f"standing order of {self.currency}"

    def recurrence(self, version: "OrderVersion") -> Recurrence:
        """The order comes with its customer's country."""
        made_on = self.created_at.astimezone(ZoneInfo(self.customer.country.timezone)).date()
        return Recurrence(
            frequency=self.frequency, every=self.every, month_day=self.month_day, start_on=self.start_on,
            rule=self.rule, end_on=version.end_on, earliest=earliest(self.start_on, made_on),
        )  # fmt: skip

    @transition(state, source=[OrderState.ACTIVE], target=OrderState.PAUSED)
    def pause(self, *, by: str) -> None:
        """Nothing runs until it is resumed; dates that pass meanwhile are passed over."""
        self.paused_by = by

    @transition(state, source=[OrderState.PAUSED], target=OrderState.ACTIVE)
    def resume(self) -> None:
        """It goes on with the next date."""
        self.paused_by = ""

    @transition(state, source=[OrderState.ACTIVE, OrderState.PAUSED], target=OrderState.CANCELLED)
    def cancel(self, *, at: Any) -> None:
        """Nothing runs any more."""
        self.closed_at, self.paused_by = at, ""

    @transition(state, source=[OrderState.ACTIVE], target=OrderState.ENDED)
    def end(self, *, at: Any) -> None:
        """There is no date any more, or none that could be paid."""
        self.closed_at = at


class OrderVersion(AppendOnly):
    """What an order pays, from a change on: the next date that has no run yet goes by it. Minor units."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(StandingOrder, models.DO_NOTHING, db_constraint=False, related_name="versions")
    number = models.PositiveSmallIntegerField()
    amount = models.BigIntegerField()
    memo = models.CharField(max_length=140, blank=True)
    end_on = models.DateField(null=True, blank=True)
    runs = models.PositiveIntegerField(null=True, blank=True, help_text="how many, all told; empty: no end")
    actor = models.CharField(max_length=80)
    at = models.DateTimeField()

    class Meta:
        ordering = ["order", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["order", "number"], name="order_version_once"),
            models.CheckConstraint(condition=Q(amount__gt=0), name="order_version_amount"),
            models.CheckConstraint(condition=Q(runs=None) | Q(runs__gt=0), name="order_version_runs"),
        ]

    def __str__(self) -> str:
        return f"version {self.number}"


class RunState(models.TextChoices):
    DUE = "due", "waits"
    STUCK = "stuck", "given up by workers"
    COMPLETED = "completed", "paid"
    FAILED = "failed", "refused"
    UNFUNDED = "unfunded", "never enough money"
    MISSED = "missed", "too late to make up"
    SKIPPED = "skipped"
    STOPPED = "stopped", "stopped with the order"


class OrderRun(models.Model):
    """One date of one order: there is never a second. ``tries``: how often there was not enough money so far.

    ``attempts`` counts workers at the try at hand, and ``taken_until`` is how long one may be at it. ``transaction``:
    of the last try, as far as there is one. What is done stays as it is.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(StandingOrder, models.PROTECT, related_name="runs", db_index=False)
    version = models.ForeignKey(OrderVersion, models.PROTECT, related_name="+", db_index=False)
    planned_on = models.DateField(help_text="as the customer said it")
    due_on = models.DateField(help_text="as the calendar puts it")
    created_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=RunState, default=RunState.DUE)
    due_at = models.DateTimeField(help_text="of this try")
    tries = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    taken_until = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    transaction = models.OneToOneField(
        "transactions.Transaction", models.PROTECT, null=True, blank=True, related_name="of_run"
    )
    refusal_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "run of a standing order"
        verbose_name_plural = "runs of standing orders"
        constraints = [
            models.UniqueConstraint(fields=["order", "due_on"], name="order_run_once"),
            models.CheckConstraint(
                condition=Q(state__in=["due", "stuck"], done_at=None)
                | (~Q(state__in=["due", "stuck"]) & Q(done_at__isnull=False)),
                name="order_run_done_whole",
            ),
            models.CheckConstraint(
                condition=~Q(state="completed") | Q(transaction__isnull=False, refusal_code=""),
                name="order_run_paid_by_something",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="due"), name="order_run_due"),
            models.Index(fields=["state", "-id"], condition=~Q(state="completed"), name="order_run_by_state"),
        ]

    def __str__(self) -> str:
        return f"run of {self.due_on:%-d %b %Y}"


class OrderEvent(AppendOnly):
    """One step of an order that somebody may ask about, written with it: who, what, why. Notifications bear its id.

    That a run was paid is no step of its own: the run says so, with its transaction.
    """

    class Kind(models.TextChoices):
        CREATED = "created", "Set up"
        CHANGED = "changed", "Changed"
        PAUSED = "paused", "Paused"
        RESUMED = "resumed", "Resumed"
        SKIPPED = "skipped", "A date is skipped"
        CANCELLED = "cancelled", "Cancelled"
        ENDED = "ended", "Ended"
        UNFUNDED = "unfunded", "Not enough money: tried again later"
        GIVEN_UP = "given_up", "Not enough money: given up"
        FAILED = "failed", "Refused"
        MISSED = "missed", "Too late to make up"
        STOPPED = "stopped", "A run that waited was stopped"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order = models.ForeignKey(StandingOrder, models.DO_NOTHING, db_constraint=False, related_name="events")
    run = models.ForeignKey(
        OrderRun, models.DO_NOTHING, db_constraint=False, null=True, blank=True, related_name="events", db_index=False
    )
    kind = models.CharField(max_length=9, choices=Kind)
    actor = models.CharField(max_length=80)
    note = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return str(self.get_kind_display())
