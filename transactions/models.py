"""Transactions: what customers and staff see of a movement; its events, fees, usage and talks with a rail."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES, Money
from customers.models import AccountType


class Kind(models.TextChoices):
    TRANSFER = "transfer"
    TOP_UP = "top_up", "top-up"
    CASH_OUT = "cash_out", "cash-out"
    PAYMENT = "payment"
    PAYOUT = "payout"
    HOLD = "hold"
    CONVERSION = "conversion"
    REFUND = "refund"
    REVERSAL = "reversal"
    ADJUSTMENT = "adjustment"


class State(models.TextChoices):
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARTIALLY_REVERSED = "partially_reversed", "partially reversed"
    REVERSED = "reversed"


PAYS_AT_ONCE = frozenset({Kind.TRANSFER, Kind.PAYMENT, Kind.PAYOUT})  # from wallet to wallet; what can be reversed
GIVES_BACK = frozenset({Kind.REVERSAL, Kind.REFUND})  # some of an earlier movement, to who paid it
THROUGH_A_RAIL = frozenset({Kind.TOP_UP, Kind.CASH_OUT})
BORN = frozenset({State.COMPLETED, State.FAILED, State.PENDING})
OPEN = frozenset({State.PENDING, State.PROCESSING, State.UNKNOWN})
REVERSIBLE = frozenset({State.COMPLETED, State.PARTIALLY_REVERSED})
# At a rail that did not answer, or given up by the worker: somebody should look at it.
UNRESOLVED = Q(state="unknown") | Q(state__in=["pending", "processing"], quarantined_at__isnull=False)


class Transaction(models.Model):
    """One attempt to move money, accepted or refused. Amounts in minor units of ``currency``.

    ``id`` is a uuid7 of database time taken under the lock, so that ids of a wallet sort as its entries do; its
    journal, where money moved, has the same id, and so has its hold. Columns other than the state and what goes with
    it never change; a trigger sees to both (`migrations/0002_guards.sql`).
    """

    id = models.UUIDField(primary_key=True)
    receipt = models.CharField(max_length=10)
    kind = models.CharField(max_length=12, choices=Kind)
    state = FSMField(choices=State.choices, protected=True)
    payer = models.ForeignKey(
        "wallets.Wallet",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    payee = models.ForeignKey(
        "wallets.Wallet",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    amount = models.BigIntegerField()
    fee = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    memo = models.CharField(max_length=140, blank=True)
    caller = models.CharField(max_length=80, help_text="who asked: customer:…, staff:…, job:…")
    reference = models.CharField(max_length=80, null=True, blank=True, help_text="the client's own, unique for ever")
    idempotency_key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the validated request")
    answer = models.TextField(null=True, blank=True, help_text="what the caller was told, byte for byte")
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    refusal_code = models.CharField(max_length=40, blank=True)
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, db_index=False, related_name="reversals"
    )
    reversed_amount = models.BigIntegerField(default=0, help_text="sum of its reversals so far")
    reason_code = models.CharField(max_length=40, blank=True, help_text="why it was reversed")
    hold = models.ForeignKey(
        "self",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="captures",
        help_text="the hold that this payment captured",
    )
    received = models.BigIntegerField(
        null=True, blank=True, help_text="minor units of the currency that arrived, where it is another"
    )
    received_currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES, null=True, blank=True)
    payee_fee = models.BigIntegerField(default=0, db_default=0, help_text="the fee that the payee bears")
    order_reference = models.CharField(max_length=80, null=True, blank=True, help_text="the merchant's own")
    capture_at = models.DateTimeField(
        null=True, blank=True, help_text="when what is left of a hold is captured by itself"
    )
    rail = models.CharField(max_length=20, blank=True)
    rail_reference = models.CharField(max_length=80, blank=True, help_text="the rail's own reference")
    destination = models.JSONField(null=True, blank=True, help_text="bank account of a cash-out")
    due_at = models.DateTimeField(null=True, blank=True, help_text="when the sweeper must look at it")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="calls to the rail, counted before each")
    quarantined_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True, help_text="when a final state was reached")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["receipt"], name="transaction_receipt_once"),
            # The key first: staff look it up without knowing whose it is.
            models.UniqueConstraint(fields=["idempotency_key", "caller"], name="transaction_key_once"),
            models.UniqueConstraint(
                fields=["reference", "caller"], condition=Q(reference__isnull=False), name="transaction_reference_once"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0, fee__gte=0), name="transaction_amounts"),
            models.CheckConstraint(
                condition=Q(payee_fee__gte=0, payee_fee__lt=F("amount")), name="transaction_payee_fee"
            ),
            models.CheckConstraint(
                condition=Q(received=None, received_currency=None)
                | Q(received__gt=0, received_currency__isnull=False) & ~Q(received_currency=F("currency")),
                name="transaction_received",
            ),
            models.CheckConstraint(
                condition=Q(reversed_amount__gte=0, reversed_amount__lte=F("amount")),
                name="transaction_reversed_at_most",
            ),
        ]
        indexes = [
            models.Index(fields=["reverses"], condition=Q(reverses__isnull=False), name="transaction_reversals"),
            models.Index(fields=["hold"], condition=Q(hold__isnull=False), name="transaction_captures"),
            # What somebody promised, and what was promised to them, newest first.
            models.Index(fields=["payer", "-id"], condition=Q(kind="hold"), name="transaction_holds_given"),
            models.Index(fields=["payee", "-id"], condition=Q(kind="hold"), name="transaction_holds_got"),
            models.Index(
                fields=["order_reference", "payee"], condition=Q(order_reference__isnull=False),
                name="transaction_order",  # staff look it up without knowing whose it is
            ),
            # What is on its way into a wallet counts against what it may hold.
            models.Index(
                fields=["payee"], name="transaction_coming",
                condition=Q(kind="top_up", state__in=["pending", "processing", "unknown"]),
            ),
            # What has no entry on the wallet (refused, or not yet through) is found here; the rest through entries.
            models.Index(
                fields=["payer", "-id"], name="transaction_unposted_payer",
                condition=Q(state__in=["pending", "processing", "unknown", "failed", "cancelled", "expired"]),
            ),
            models.Index(
                fields=["payee", "-id"], name="transaction_unposted_payee",
                condition=Q(state__in=["pending", "processing", "unknown", "failed", "cancelled", "expired"]),
            ),
            # Found by staff: by the partner's reference, by why it was refused, by having been reversed. Few rows are.
            models.Index(
                fields=["rail_reference"], name="transaction_rail_reference", condition=~Q(rail_reference="")
            ),
            models.Index(
                fields=["refusal_code", "-id"], name="transaction_refusals", condition=~Q(refusal_code="")
            ),
            models.Index(
                fields=["-id"], name="transaction_undone", condition=Q(state__in=["partially_reversed", "reversed"])
            ),
            models.Index(
                fields=["due_at"], name="transaction_due", condition=Q(state__in=["pending", "processing", "unknown"])
            ),
            models.Index(fields=["id"], name="transaction_unresolved", condition=UNRESOLVED),
            # Filters of the list that leave few of many: a currency that few have, rare kinds, what came to nothing.
            models.Index(fields=["currency", "-id"], name="transaction_by_currency"),
            models.Index(
                fields=["kind", "-id"], name="transaction_rare_kinds",
                condition=~Q(kind__in=["transfer", "payment", "top_up", "cash_out"]),
            ),
            models.Index(
                fields=["state", "-id"], name="transaction_not_done",
                condition=Q(state__in=["failed", "cancelled", "expired"]),
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.receipt}"

    @property
    def arriving(self) -> Money:
        """What its payee, a wallet or a bank, gets of it before any fee of theirs, in its own currency."""
        return Money(self.received or self.amount, self.received_currency or self.currency)

    # The legal moves. `posting.py` reads the same table (LEGAL, below); a trigger holds it against any client.

    @transition(state, source=[State.PENDING], target=State.PROCESSING)
    def start(self) -> None:
        """A worker took it to the rail."""

    @transition(state, source=[State.PENDING, State.PROCESSING], target=State.UNKNOWN)
    def lose_sight(self) -> None:
        """The rail did not answer: the money stays held until inquiry or settlement file decide."""

    @transition(state, source=[State.PENDING, State.PROCESSING, State.UNKNOWN], target=State.COMPLETED)
    def complete(self) -> None:
        """The money moved."""

    @transition(state, source=[State.PENDING, State.PROCESSING, State.UNKNOWN], target=State.FAILED)
    def fail(self) -> None:
        """The rail refused; what was held is free again."""

    @transition(state, source=[State.PENDING], target=State.CANCELLED)
    def cancel(self) -> None:
        """Called off before the rail heard of it."""

    @transition(state, source=[State.PENDING], target=State.EXPIRED)
    def expire(self) -> None:
        """Nobody took it up in time."""

    @transition(state, source=[State.COMPLETED], target=State.PARTIALLY_REVERSED)
    def reverse_part(self) -> None:
        """Some of it went back."""

    @transition(state, source=[State.COMPLETED, State.PARTIALLY_REVERSED], target=State.REVERSED)
    def reverse_rest(self) -> None:
        """All of it went back."""


class UnknownOutcome(Transaction):
    """A movement of which only the bank knows what became of it: a list of the back office."""

    class Meta:
        proxy = True
        verbose_name = "unknown outcome"


def legal_moves() -> frozenset[tuple[str, str]]:
    """Every (from, to) that the state machine above allows."""
    field: Any = Transaction._meta.get_field("state")
    return frozenset((t.source, t.target) for t in field.get_all_transitions(Transaction))


LEGAL = legal_moves()
# A hold waits for nobody but its payee, and what is captured of it is a payment, and reversed as one.
LEGAL_OF_HOLDS = frozenset((State.PENDING, end) for end in (State.COMPLETED, State.CANCELLED, State.EXPIRED))


class Event(AppendOnly):
    """One change of state: the support timeline, the audit trail and the outbox in one table.

    Written in the database transaction of the change itself; ``type`` is ``transaction.<new state>``.
    """

    id = models.UUIDField(primary_key=True)
    transaction = models.ForeignKey(Transaction, models.DO_NOTHING, db_constraint=False, related_name="events")
    type = models.CharField(max_length=40)
    from_state = models.CharField(max_length=20, blank=True)
    to_state = models.CharField(max_length=20)
    actor = models.CharField(max_length=80)
    reason = models.CharField(max_length=500, blank=True)
    facts = models.JSONField(default=dict, help_text="verdicts of fees, limits and policies; what the rail said")
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]


class OutboxEntry(models.Model):
    """An event that the relay has not handed on yet; gone when it has."""

    event = models.OneToOneField(Event, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="+")


class DailyCount(models.Model):
    """Movements that ended one way on one day, as far as the relay has handed them on: `services/counting.py`."""

    day = models.DateField(help_text="UTC, when they were asked for")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=9, help_text="completed or failed")
    refusal_code = models.CharField(max_length=40, blank=True)
    count = models.BigIntegerField()
    amount = models.BigIntegerField(help_text="minor units")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "currency", "kind", "state", "refusal_code"], name="daily_count_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.kind} {self.currency} {self.state} on {self.day}"


class Usage(models.Model):
    """What left a wallet on one calendar day of its owner's country: the counter that limits count against."""

    pk = models.CompositePrimaryKey("wallet_id", "day")
    wallet = models.ForeignKey("wallets.Wallet", models.DO_NOTHING, db_constraint=False, db_index=False)
    day = models.DateField()
    amount = models.BigIntegerField(default=0)
    count = models.IntegerField(default=0)


class FeeRule(AppendOnly):
    """What a kind of movement costs in one currency from a day on: what it comes to is `tariff.Fee.on`.

    ``bands`` are ``[[above, flat, bps], …]``: from so many minor units on. Null says what it always was: flat and part
    of the amount, no least or most, half up to the minor unit, paid by the payer, until further notice, for everybody.
    Checks see to the rest (`migrations/0016_pricing.sql`).
    """

    class Bands(models.TextChoices):
        """What a band says."""

        WHOLE = "whole", "the band of the amount prices all of it"
        MARGINAL = "marginal", "each part of the amount is priced by its own band"

    class Rounding(models.TextChoices):
        HALF_UP = "half_up", "to the nearest, half up"
        UP = "up", "up"
        DOWN = "down", "down"

    kind = models.CharField(max_length=12, choices=Kind)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    flat = models.BigIntegerField(default=0, help_text="minor units")
    bps = models.PositiveIntegerField(default=0, help_text="hundredths of a percent")
    effective_from = models.DateField()
    last_day = models.DateField(null=True, blank=True, help_text="included; empty: until further notice")
    bands = models.JSONField(null=True, blank=True, help_text="[[above, flat, bps], …] in minor units")
    bands_are = models.CharField(max_length=8, choices=Bands, null=True, blank=True)
    least = models.BigIntegerField(null=True, blank=True, help_text="minor units")
    most = models.BigIntegerField(null=True, blank=True, help_text="minor units")
    round_to = models.BigIntegerField(null=True, blank=True, help_text="minor units; empty: one")
    rounding = models.CharField(max_length=8, choices=Rounding, null=True, blank=True, help_text="empty: half up")
    payee_bps = models.PositiveIntegerField(
        null=True, blank=True, help_text="how much of the fee the payee bears, in hundredths of a percent"
    )
    partner = models.CharField(max_length=20, null=True, blank=True, help_text="through whom; empty: anybody")
    to_country = models.ForeignKey(
        "customers.Country", models.PROTECT, null=True, blank=True, related_name="+", help_text="of the payee"
    )
    from_country = models.ForeignKey(
        "customers.Country", models.PROTECT, null=True, blank=True, related_name="+", help_text="of the payer"
    )
    account_type = models.CharField(max_length=12, choices=AccountType, null=True, blank=True)
    tier = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            # No two rules can say the same of whom they are for and when: so one always goes first (`Fee.rank`).
            models.UniqueConstraint(
                fields=[
                    "kind", "currency", "effective_from", "last_day", "partner", "to_country", "from_country",
                    "account_type", "tier",
                ],
                nulls_distinct=False,
                name="fee_rule_once",
            ),
            models.CheckConstraint(condition=Q(flat__gte=0, bps__lte=10_000), name="fee_rule_sane"),
            models.CheckConstraint(
                condition=Q(last_day=None) | Q(last_day__gte=F("effective_from")), name="fee_rule_days"
            ),
            models.CheckConstraint(
                condition=(Q(least=None) | Q(least__gte=0))
                & (Q(most=None) | Q(most__gte=0))
                & (Q(least=None) | Q(most=None) | Q(least__lte=F("most"))),
                name="fee_rule_bounds",
            ),
            models.CheckConstraint(
                condition=Q(payee_bps=None)
                | Q(payee_bps__gte=1, payee_bps__lte=10_000, kind__in=["transfer", "payment", "payout"]),
                name="fee_rule_payee_bears",
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.kind} {self.currency} from {self.effective_from}"


class FeeWaiver(AppendOnly):
    """A customer pays ``bps`` less of their fees, from a day to another, both included: 10,000 is nothing at all.

    Of those that fit, the latest row counts: a new one with 0 for the same days ends it.
    """

    customer = models.ForeignKey("customers.Customer", models.PROTECT, related_name="fee_waivers")
    kind = models.CharField(max_length=12, choices=Kind, null=True, blank=True, help_text="empty: any")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES, null=True, blank=True, help_text="empty: any")
    bps = models.PositiveIntegerField(help_text="how much less, in hundredths of a percent")
    effective_from = models.DateField()
    last_day = models.DateField(help_text="included")
    reason = models.CharField(max_length=500)
    granted_by = models.CharField(max_length=80)
    granted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(bps__lte=10_000, last_day__gte=F("effective_from")), name="fee_waiver_sane"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-id"], name="fee_waiver_of"),
            models.Index(fields=["last_day"], name="fee_waiver_in_force"),
        ]

    def __str__(self) -> str:
        return f"waiver for {self.customer_id} until {self.last_day}"


class WaivedFee(AppendOnly):
    """Some of the fee of one transaction, given back afterwards: ``movement`` is the adjustment that posted it.

    Of each side no more than it paid, less what went back with reversals; a trigger sees to it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="waived_fees", help_text="whose fee")
    movement = models.OneToOneField(Transaction, models.PROTECT, related_name="waives")
    of_payee = models.BooleanField(help_text="of what the payee bore; otherwise the fee itself")
    amount = models.BigIntegerField(help_text="minor units")
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="waived_fee_amount")]

    def __str__(self) -> str:
        return f"waived fee of {self.transaction_id}"


class PriceTrial(models.Model):
    """A price tried on the movements of some days (`what_if.py`). The row is the queue: a worker takes it under a
    lease, and notes with each chunk how far it got, ``through``, and what it found so far; the next goes on from there.

    ``params`` are those of a change of the fee; ``found`` is a `what_if.WhatIf`.
    """

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=12, choices=Kind)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    params = models.JSONField()
    since = models.DateTimeField()
    until = models.DateTimeField()
    requested_by = models.ForeignKey("staff.User", models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    through = models.UUIDField(null=True, blank=True, help_text="the transaction up to which it has got")
    found = models.JSONField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    due_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(since__lt=F("until")), name="price_trial_days")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state__in=["queued", "running"]), name="price_trial_due")
        ]

    def __str__(self) -> str:
        return f"{self.kind} in {self.currency} at another price"

    @property
    def percent(self) -> int:
        """How much of the time it has gone through, 0 to 100; the time of an id is in the id."""
        if self.state == self.State.DONE:
            return 100
        if self.through is None:
            return 0
        reached = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=self.through.int >> 80)
        return min(max((reached - self.since) * 100 // (self.until - self.since), 0), 99)


class Revaluation(AppendOnly):
    """What all positions were worth at the end of a UTC day, in the reporting ``currency``; one a day at most, and days
    go forward. Who asked for it and who approved it says the request. ``rates``: of each currency ``base``, ``quote``,
    ``rate`` (units of quote for one of base, a decimal string) and ``source``: where it is from, or that it was chosen.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    day = models.DateField(unique=True)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    rates = models.JSONField(default=list)
    approval = models.OneToOneField("staff.Approval", models.PROTECT, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"Revaluation of {self.day:%-d %b %Y}"


class RevaluationLine(AppendOnly):
    """One pair of a revaluation; ``held`` in minor units of ``base``; ``cost``, ``value`` and ``unrealised`` (the one
    less the other) of ``quote``; ``result`` is ``unrealised`` in the reporting currency, rounded down.

    ``movement`` posted the result, ``undo`` took back that of the line before, which it ``undoes``.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    revaluation = models.ForeignKey(Revaluation, models.PROTECT, related_name="lines")
    base = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    quote = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    held = models.BigIntegerField()
    cost = models.BigIntegerField()
    value = models.BigIntegerField()
    unrealised = models.BigIntegerField()
    result = models.BigIntegerField()
    movement = models.OneToOneField(Transaction, models.PROTECT, null=True, blank=True, related_name="revalues")
    undoes = models.OneToOneField("self", models.PROTECT, null=True, blank=True, related_name="undone_by")
    undo = models.OneToOneField(Transaction, models.PROTECT, null=True, blank=True, related_name="undoes_revaluation")

    class Meta:
        ordering = ["base", "quote"]
        constraints = [
            models.UniqueConstraint(fields=["revaluation", "base", "quote"], name="revaluation_line_once"),
            models.CheckConstraint(condition=Q(unrealised=F("value") - F("cost")), name="revaluation_line_result"),
            models.CheckConstraint(
                condition=Q(result=0, movement=None) | ~Q(result=0) & Q(movement__isnull=False),
                name="revaluation_line_posted",
            ),
            models.CheckConstraint(
                condition=Q(undoes=None, undo=None) | Q(undoes__isnull=False, undo__isnull=False),
                name="revaluation_line_undoes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} of {self.revaluation}"


class ReversalReason(models.Model):
    """Why staff may reverse, and whether the fee goes back with it. Changed by two people (`services/fees.py`)."""

    code = models.CharField(max_length=40, primary_key=True)
    title = models.CharField(max_length=120)
    refunds_fee = models.BooleanField(default=True)
    fee_by_share = models.BooleanField(
        default=False, help_text="each part takes its share of the fee along; otherwise it goes with the last part"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        ordering = ["title"]
        constraints = [
            models.CheckConstraint(condition=Q(fee_by_share=False) | Q(refunds_fee=True), name="reason_fee_policy"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def fee_policy(self) -> str:
        """What happens with the fee, in words."""
        if not self.refunds_fee:
            return "The fee stays with us"
        return "Each part takes its share of the fee along" if self.fee_by_share else "The fee goes with the last part"


class Receivable(AppendOnly):
    """What the recipient of a payment owes us since more of it was given back than they had.

    One for each payment. How much it still is, is the balance of its account, which never goes below zero; each change
    of it is an entry.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.OneToOneField(Transaction, models.PROTECT, related_name="receivable", help_text="the payment")
    debtor = models.ForeignKey("wallets.Wallet", models.PROTECT, related_name="receivables")
    account = models.OneToOneField("ledger.Account", models.PROTECT, related_name="receivable")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    opened_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"receivable of {self.transaction}"


class RailCall(models.Model):
    """One call to a rail: the row is committed before the call, the outcome after it; none means we crashed between."""

    class Purpose(models.TextChoices):
        SUBMIT = "submit"
        INQUIRE = "inquire"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    transaction = models.ForeignKey(Transaction, models.PROTECT, related_name="rail_calls")
    number = models.PositiveSmallIntegerField()
    purpose = models.CharField(max_length=8, choices=Purpose)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=20, blank=True, help_text="accepted, refused, no_answer, completed …")
    request = models.JSONField(default=dict)
    response = models.JSONField(null=True, blank=True)

    class Meta:
        ordering = ["started_at"]
        constraints = [models.UniqueConstraint(fields=["transaction", "number"], name="rail_call_number")]


class RailMessage(models.Model):
    """A signed callback, kept as it came before anything is made of it; processed from here, once."""

    class State(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        ODD = "odd", "needs a person"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    rail = models.CharField(max_length=20)
    message_id = models.CharField(max_length=80)
    transaction = models.ForeignKey(Transaction, models.PROTECT, null=True, blank=True, related_name="rail_messages")
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State, default=State.RECEIVED)
    note = models.CharField(max_length=200, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    received_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(auto_now_add=True, help_text="when it may be taken up, the first time or again")
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["received_at"]
        constraints = [models.UniqueConstraint(fields=["rail", "message_id"], name="rail_message_once")]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="received"), name="rail_message_to_do"),
            models.Index(fields=["-id"], condition=Q(state="odd"), name="rail_message_odd"),
            models.Index(fields=["rail", "-id"], name="rail_message_by_rail"),
        ]
