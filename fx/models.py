"""Rates, providers, routes, quotes. Nothing here is ever changed: what changes is a newer row, and the newest counts.

A rate says how many units of ``quote`` one unit of ``base`` is: always, whoever published it and however (docs/fx.md).
Rates are exact decimals, amounts whole minor units.
"""

from typing import Any

from django.db import models
from django.db.models import F, Q

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES

MOST_DIGITS, MOST_DECIMALS = 28, 12


class RateField(models.DecimalField):
    """An exact rate: sixteen digits before the point, twelve after it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_digits": MOST_DIGITS, "decimal_places": MOST_DECIMALS} | options)


class RateSource(AppendOnly):
    """Where rates come from, as of one moment: of the rows with one ``code`` the newest counts.

    ``priority``: of two sources with fresh rates for a pair the lower one is the benchmark.
    """

    class Format(models.TextChoices):
        ECB = "ecb", "European Central Bank (XML, CSV)"
        CBK = "cbk", "Central Bank of Kenya (CSV)"
        CBN = "cbn", "Central Bank of Nigeria (CSV)"
        JSON = "json", "JSON, by its paths"
        CSV = "csv", "CSV, by its columns"

    code = models.SlugField(max_length=20, db_index=False)
    name = models.CharField(max_length=80)
    format = models.CharField(max_length=4, choices=Format)
    url = models.CharField(max_length=500, blank=True, help_text="empty: as settings say, else only by hand")
    options = models.JSONField(default=dict, help_text="paths or columns, for JSON and CSV")
    daily = models.BooleanField(default=True, help_text="one rate a business day, rather than at any minute")
    max_age = models.PositiveIntegerField(help_text="business days of a daily source, else minutes")
    pair_max_ages = models.JSONField(default=dict, help_text='other limits by pair: {"USD/NGN": 3}')
    max_move = models.PositiveIntegerField(
        default=20, db_default=20, help_text="percent between two rates of a pair; a file with more is refused"
    )
    calendar = models.CharField(max_length=8, choices=[("weekdays", "Monday to Friday"), ("target", "TARGET days")])
    priority = models.PositiveSmallIntegerField(default=100)
    is_on = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    newest_load = ""  # its state, of those that were read: `selectors.sources_now` looks it up

    class Meta:
        ordering = ["code", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(max_age__gt=0), name="rate_source_max_age"),
            models.CheckConstraint(condition=Q(max_move__gt=0), name="rate_source_max_move"),
        ]
        indexes = [models.Index(fields=["code", "-id"], name="rate_source_newest")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_doubted(self) -> bool:
        """The file with its newest rates was refused because one leaps: either that is wrong or all before it are."""
        return self.newest_load == RateLoad.State.LEAPT


class RateLoad(AppendOnly):
    """One attempt to take rates from a file: what came of it, or why not and where in the file."""

    class State(models.TextChoices):
        LOADED = "loaded"
        NOTHING_NEW = "nothing_new", "nothing new"
        REFUSED = "refused"
        LEAPT = "leapt", "refused: a rate leaps"
        NOT_FETCHED = "not_fetched", "not fetched"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=State)
    file_name = models.CharField(max_length=200, blank=True)
    bytes = models.PositiveIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    fetched_at = models.DateTimeField()
    rows = models.PositiveIntegerField(default=0, help_text="rates in the file")
    added = models.PositiveIntegerField(default=0)
    revised = models.PositiveIntegerField(default=0, help_text="of those added: another rate for a time we knew")
    left_out = models.JSONField(default=list, help_text="what was not read, and why")
    first_as_of = models.DateTimeField(null=True, blank=True)
    last_as_of = models.DateTimeField(null=True, blank=True)
    line = models.PositiveIntegerField(null=True, blank=True)
    field = models.CharField(max_length=80, blank=True)
    problem = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=80)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["source", "-id"], name="rate_load_by_source"),
            models.Index(fields=["source", "-last_as_of", "-id"], name="rate_load_by_day"),
            models.Index(fields=["state", "-id"], name="rate_load_by_state"),
            models.Index(fields=["sha256"], condition=~Q(sha256=""), name="rate_load_by_sha256"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(revised__lte=F("added"), added__lte=F("rows")), name="rate_load_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.file_name}"


class Rate(AppendOnly):
    """``mid`` units of ``quote`` for one of ``base``, as of a time; ``bid`` and ``ask`` where the source has them.

    A daily rate is as of 00:00 UTC of its day. A source that corrects itself makes a new row with the next
    ``revision``: of a time the greatest counts.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    load = models.ForeignKey(RateLoad, models.PROTECT, related_name="rates", db_index=False)
    source = models.CharField(max_length=20)
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    as_of = models.DateTimeField()
    revision = models.PositiveSmallIntegerField(default=0)
    bid = RateField(null=True, blank=True)
    mid = RateField()
    ask = RateField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "base", "quote", "as_of", "revision"], name="rate_once"),
            models.CheckConstraint(condition=~Q(base=F("quote")), name="rate_of_two_currencies"),
            models.CheckConstraint(
                condition=Q(mid__gt=0) & (Q(bid=None) | Q(bid__gt=0)) & (Q(ask=None) | Q(ask__gt=0)),
                name="rate_positive",
            ),
            models.CheckConstraint(
                condition=(Q(bid=None) | Q(bid__lte=F("mid"))) & (Q(ask=None) | Q(ask__gte=F("mid"))),
                name="rate_bid_mid_ask",
            ),
        ]
        indexes = [
            models.Index(fields=["source", "-id"], name="rate_by_source"),
            models.Index(fields=["base", "-id"], name="rate_by_base"),
            models.Index(fields=["quote", "-id"], name="rate_by_quote"),
            models.Index(fields=["load", "-id"], name="rate_by_load"),
        ]

    def __str__(self) -> str:
        return f"{self.base}/{self.quote} {self.mid.normalize():f}"


class Provider(AppendOnly):
    """Somebody who sells us one currency for another: a bank, a broker, an exchange."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    code = models.SlugField(max_length=20, unique=True)
    name = models.CharField(max_length=80)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.name


class ProviderTerms(AppendOnly):
    """What a provider asks for one currency in exchange for another, from a day on; the newest row of a day counts.

    Amounts are minor units of ``sell``: ``flat`` of each trade, ``minimum`` and ``maximum`` of one, ``daily_cap`` of
    all of a UTC day. ``cost_bps``: hundredths of a percent off the mid rate of ``rate_source`` (empty: the benchmark).
    Open from ``opens`` to ``closes`` (UTC; the same: all day) on ``weekdays`` (1 is Monday).
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="terms", db_index=False)
    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    rate_source = models.CharField(max_length=20, blank=True)
    cost_bps = models.PositiveIntegerField()
    flat = models.BigIntegerField(default=0)
    minimum = models.BigIntegerField(default=1)
    maximum = models.BigIntegerField()
    daily_cap = models.BigIntegerField(null=True, blank=True)
    speed_seconds = models.PositiveIntegerField(default=0, help_text="until the other currency is there")
    opens = models.TimeField()
    closes = models.TimeField()
    weekdays = models.CharField(max_length=7, default="1234567")
    priority = models.PositiveSmallIntegerField(default=100, help_text="of two equal offers the lower one is taken")
    is_on = models.BooleanField(default=True)
    effective_from = models.DateField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "terms of providers"
        constraints = [
            models.CheckConstraint(condition=~Q(sell=F("buy")), name="terms_of_two_currencies"),
            models.CheckConstraint(
                condition=Q(cost_bps__lt=10_000, flat__gte=0, minimum__gt=0, maximum__gte=F("minimum"))
                & (Q(daily_cap=None) | Q(daily_cap__gt=0)),
                name="terms_make_sense",
            ),
        ]
        indexes = [models.Index(fields=["provider", "sell", "buy", "effective_from", "-id"], name="terms_newest")]

    def __str__(self) -> str:
        return f"{self.sell} to {self.buy} from {self.effective_from}"


class ProviderSwitch(AppendOnly):
    """A provider was taken out of routing, or back in: the newest row counts; without one it is in."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="switches", db_index=False)
    is_on = models.BooleanField()
    reason = models.CharField(max_length=500)
    actor = models.CharField(max_length=80)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["provider", "-id"], name="switch_newest")]

    def __str__(self) -> str:
        return f"{self.provider} {'on' if self.is_on else 'off'}"


class Margin(AppendOnly):
    """What we keep of what a route brings, in hundredths of a percent, from a day on; the newest row of a day counts.

    Empty currencies and tier mean any. The row that says most counts: pair before one currency before none, then tier.
    """

    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES, blank=True)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES, blank=True)
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    bps = models.PositiveIntegerField()
    effective_from = models.DateField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(bps__lt=10_000), name="margin_below_all")]

    def __str__(self) -> str:
        tier = "" if self.tier is None else f", tier {self.tier}"
        return f"{self.sell or 'any'} to {self.buy or 'any'}{tier}"


class ExposureCap(AppendOnly):
    """The most that our position in a currency may come to, too much of it or too little, from a day on; the newest row
    of a day counts. ``most`` is in minor units; without one there is no cap from that day on."""

    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    most = models.BigIntegerField(null=True, blank=True)
    effective_from = models.DateField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(most=None) | Q(most__gt=0), name="exposure_cap_above_zero")]

    def __str__(self) -> str:
        return f"{self.currency} from {self.effective_from}"


class RoutingDecision(AppendOnly):
    """Which way a quote goes, which others there were, and why not those. Minor units of ``sell`` and ``buy``."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    sell_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField(help_text="what the providers give for it")
    benchmark_minor = models.BigIntegerField(help_text="at the mid rate, rounded down")
    benchmark = models.CharField(max_length=120, help_text="where the mid rate comes from")
    via = models.CharField(max_length=60, help_text="the ways that are taken: KES>USD>NGN")
    speed_seconds = models.PositiveIntegerField()
    is_split = models.BooleanField()
    alternatives = models.JSONField(help_text="other ways: via, buy_minor, why not")
    left_out = models.JSONField(help_text="offers that were not considered, and why")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["sell", "-id"], name="decision_by_sell"),
            models.Index(fields=["buy", "-id"], name="decision_by_buy"),
        ]

    def __str__(self) -> str:
        return f"{self.sell} to {self.buy} via {self.via}"


class RouteLeg(AppendOnly):
    """One trade of a route: ``sell_minor`` to a provider for ``buy_minor``. Those of one ``part`` follow each other."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    decision = models.ForeignKey(RoutingDecision, models.PROTECT, related_name="legs", db_index=False)
    part = models.PositiveSmallIntegerField()
    number = models.PositiveSmallIntegerField(help_text="within the part, from 1")
    provider = models.ForeignKey(Provider, models.PROTECT, related_name="+", db_index=False)
    terms = models.ForeignKey(ProviderTerms, models.PROTECT, related_name="+", db_index=False)
    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    sell_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField()

    class Meta:
        ordering = ["decision", "part", "number"]
        constraints = [
            models.UniqueConstraint(fields=["decision", "part", "number"], name="route_leg_once"),
            models.CheckConstraint(condition=Q(sell_minor__gt=0, buy_minor__gt=0), name="route_leg_amounts"),
        ]
        indexes = [models.Index(fields=["provider", "sell", "buy", "-id"], name="route_leg_of_provider")]

    def __str__(self) -> str:
        return f"{self.sell} to {self.buy}"


class Quote(AppendOnly):
    """A promise: until ``expires_at``, for this caller and once, ``sell_minor`` is worth ``buy_minor``.

    Minor units: ``sell_minor`` is all that is taken, ``fee_minor`` of it is the fee, the rest is exchanged. The
    decision's ``buy_minor`` is what the route brings; ``margin_minor`` of that is ours, ``buy_minor`` the caller's.
    """

    class Fixed(models.TextChoices):
        SELL = "sell", "what is given"
        BUY = "buy", "what is received"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    caller = models.CharField(max_length=80)
    kind = models.CharField(max_length=12, default="conversion", db_default="conversion", help_text="of movement")
    fixed = models.CharField(max_length=4, choices=Fixed)
    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    sell_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    buy_minor = models.BigIntegerField()
    margin_minor = models.BigIntegerField()
    margin_bps = models.PositiveIntegerField()
    tier = models.PositiveSmallIntegerField(null=True, blank=True)
    decision = models.OneToOneField(RoutingDecision, models.PROTECT, related_name="quote")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="honoured to this moment, included")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(fee_minor__gte=0, sell_minor__gt=F("fee_minor"), buy_minor__gt=0, margin_minor__gte=0),
                name="quote_amounts",
            ),
            models.CheckConstraint(condition=~Q(sell=F("buy")), name="quote_of_two_currencies"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="quote_expires_later"),
        ]
        indexes = [
            models.Index(fields=["caller", "-id"], name="quote_of_caller"),
            models.Index(fields=["sell", "-id"], name="quote_by_sell"),
            models.Index(fields=["buy", "-id"], name="quote_by_buy"),
        ]

    def __str__(self) -> str:
        return f"{self.sell} to {self.buy}"


class QuoteUse(AppendOnly):
    """The one conversion that a quote was good for: written with it. PostgreSQL refuses a second and a late one."""

    transaction = models.UUIDField(primary_key=True, help_text="id of the conversion")
    # A trigger looks for the quotes of all uses of a statement at once; none is ever deleted.
    quote = models.OneToOneField(Quote, models.PROTECT, related_name="use", db_constraint=False)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-transaction"]

    def __str__(self) -> str:
        return f"{self.quote_id}"


class ProviderUse(models.Model):
    """How much a provider was promised in a day of one currency for another, and how much of it was used; minor units
    of ``sell``. Until the quotes of a row expire it counts for what they promise, after that for what of them was used.
    PostgreSQL counts it with quotes and uses, for any client, and lets nobody write it.
    """

    provider = models.ForeignKey(Provider, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)
    sell = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    buy = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    day = models.DateField(help_text="UTC, when it was promised")
    expires_at = models.DateTimeField(help_text="of these quotes; the day's beginning: of earlier ones")
    promised = models.BigIntegerField(help_text="minor units of what is sold, in all of these quotes")
    used = models.BigIntegerField(help_text="in those of them that were used")

    class Meta:
        ordering = ["provider", "sell", "buy", "day", "expires_at"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "sell", "buy", "day", "expires_at"], name="provider_use_once"),
            models.CheckConstraint(condition=Q(promised__gte=0, used__gte=0), name="provider_use_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.sell} to {self.buy} on {self.day}"
