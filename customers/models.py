"""Customers, why they were suspended, their sessions, who of us saw their data or is linked to them, the countries we
are open in and the limits of each KYC tier."""

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Lower
from django.utils import timezone
from django_fsm import FSMField, transition

from core.ids import uuid7
from core.models import AppendOnly
from core.money import CURRENCY_CHOICES
from staff.roles import Role


class Country(models.Model):
    """A country we serve: its currency is that of the first wallet, its time zone starts the day that limits count."""

    code = models.CharField(max_length=2, primary_key=True, help_text="ISO 3166")
    name = models.CharField(max_length=60)
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    timezone = models.CharField(max_length=40)
    is_open = models.BooleanField(default=True, help_text="customers may register")

    class Meta:
        verbose_name_plural = "countries"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CustomerState(models.TextChoices):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class AccountType(models.TextChoices):
    INDIVIDUAL = "individual"
    FREELANCER = "freelancer"
    SME = "sme", "SME"
    EXPORTER = "exporter"
    ECOMMERCE = "ecommerce", "e-commerce"
    NGO = "ngo", "NGO"
    STARTUP = "startup"


ONE_PERSON = (AccountType.INDIVIDUAL, AccountType.FREELANCER)  # all others are businesses


class Customer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    full_name = models.CharField(max_length=120)
    email = models.EmailField(unique=True, help_text="lower case")
    phone_number = models.CharField(max_length=16, unique=True, help_text="E.164, e.g. +254712345678")
    country = models.ForeignKey(Country, models.PROTECT)
    account_type = models.CharField(max_length=12, choices=AccountType)
    tier = models.PositiveSmallIntegerField(default=0, help_text="KYC tier; 0 at start")
    state = FSMField(default=CustomerState.ACTIVE, choices=CustomerState.choices, protected=True)
    password = models.CharField(max_length=200, help_text="argon2id")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    is_authenticated = True  # what DRF asks of a principal

    class Meta:
        # Each word of a name, and the beginnings of each: `finding.py`. Filters of the list that leave few of many.
        indexes = [
            GinIndex(SearchVector("full_name", config="simple"), name="customer_by_word"),
            models.Index(fields=["tier", "-id"], name="customer_by_tier"),
            models.Index(
                fields=["account_type", "-id"], condition=~Q(account_type="individual"), name="customer_firms"
            ),
            models.Index(fields=["-id"], condition=~Q(state="active"), name="customer_not_active"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(email=Lower("email")), name="customer_email_lower"),
            models.CheckConstraint(
                condition=Q(phone_number__regex=r"^\+[1-9][0-9]{6,14}$"), name="customer_phone_e164"
            ),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def principal(self) -> str:
        return f"customer:{self.id}"

    @property
    def is_business(self) -> bool:
        return self.account_type not in ONE_PERSON

    @transition(state, source=CustomerState.ACTIVE, target=CustomerState.SUSPENDED)
    def suspend(self) -> None:
        """No sign-in and no movement of money until reactivated."""

    @transition(state, source=CustomerState.SUSPENDED, target=CustomerState.ACTIVE)
    def reactivate(self) -> None:
        """Back to normal; signs in anew."""


class Suspension(models.Model):
    """A customer may neither sign in nor move money until they are let back in. Ended once, never edited; who came
    suspended from elsewhere has none."""

    class Cause(models.TextChoices):
        """What kind of trouble it is; the reason says more."""

        FRAUD = "fraud", "fraud, or a suspicion of it"
        CASE = "case", "a case of compliance: identity, sanctions, laundering"
        ORDERED = "ordered", "a court or authority ordered it"
        LOST = "lost", "lost or stolen phone"
        ASKED = "asked", "they asked for it"
        OTHER = "other", "something else"

    OF_COMPLIANCE = (Cause.FRAUD, Cause.CASE, Cause.ORDERED)

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="suspensions")
    cause = models.CharField(max_length=8, choices=Cause)
    reason = models.TextField()
    placed_by = models.CharField(max_length=80)
    placed_role = models.CharField(max_length=20, help_text="of staff, then; else what kind of actor it was")
    placed_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=80, blank=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(ended_at=None), name="suspension_one_open"),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by="") | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="suspension_ended_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"suspension of {self.customer_id}"

    @property
    def is_of_compliance(self) -> bool:
        """Whether compliance decides how it ends: they placed it, or it is for what is theirs to judge."""
        return self.placed_role == Role.COMPLIANCE or self.cause in self.OF_COMPLIANCE


class Session(models.Model):
    """One sign-in on one device; every token of it dies when it is revoked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    customer = models.ForeignKey(Customer, models.CASCADE, related_name="sessions")
    user_agent = models.CharField(max_length=200, blank=True)
    ip = models.GenericIPAddressField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_because = models.CharField(max_length=40, blank=True)

    def __str__(self) -> str:
        return f"session {self.id}"


class RefreshToken(models.Model):
    """Good once. Using it a second time revokes its session: one of the two users is a thief."""

    session = models.ForeignKey(Session, models.CASCADE, related_name="refresh_tokens")
    digest = models.BinaryField(max_length=32, unique=True, help_text="SHA-256 of the token, which is not kept")
    issued_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"refresh token {self.pk}"


class StaffLink(models.Model):
    """A member of staff who is a customer of ours, or lives or deals with one, and so decides nothing about them.

    Declared by who it is about, or recorded by compliance or an administrator; ended once, by another than who it is
    about (`migrations/0007_staff_links.sql`). That staff and customer have one e-mail address is a link without a row.
    """

    class Relation(models.TextChoices):
        OWN = "own", "themselves"
        HOUSEHOLD = "household", "in one household"
        FAMILY = "family", "of their family"
        BUSINESS = "business", "in business with them"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    staff = models.ForeignKey("staff.User", models.PROTECT, related_name="customer_links")
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="staff_links")
    relation = models.CharField(max_length=10, choices=Relation)
    note = models.CharField(max_length=500, blank=True)
    declared_by = models.ForeignKey("staff.User", models.PROTECT, related_name="+", db_index=False)
    declared_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey("staff.User", models.PROTECT, null=True, blank=True, related_name="+", db_index=False)
    end_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "link to a customer"
        verbose_name_plural = "links to customers"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["staff", "customer"], condition=Q(ended_at=None), name="staff_link_once"),
            models.CheckConstraint(condition=~Q(ended_by=F("staff")), name="staff_link_ended_by_another"),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by=None, end_reason="")
                | Q(ended_at__isnull=False, ended_by__isnull=False, end_reason__regex=r"\S"),
                name="staff_link_ended_for_a_reason",
            ),
        ]
        indexes = [models.Index(fields=["customer", "-id"], name="staff_link_of_customer")]

    def __str__(self) -> str:
        return f"{self.staff} and {self.customer}: {self.get_relation_display()}"


class TierLimit(AppendOnly):
    """What a tier may do in one currency from a day on, in minor units; empty means unlimited.

    A row with a country goes before one without. A change is a new row with a later day; a missing row refuses.
    """

    country = models.ForeignKey(Country, models.PROTECT, null=True, blank=True, help_text="empty: everywhere else")
    currency = models.CharField(max_length=3, choices=CURRENCY_CHOICES)
    tier = models.PositiveSmallIntegerField()
    per_movement = models.BigIntegerField(null=True, blank=True)
    per_day = models.BigIntegerField(null=True, blank=True, help_text="leaving the wallet, the customer's calendar day")
    per_month = models.BigIntegerField(null=True, blank=True, help_text="leaving the wallet, calendar month")
    balance = models.BigIntegerField(null=True, blank=True, help_text="most that the wallet may hold")
    effective_from = models.DateField()
    source = models.CharField(max_length=200, help_text="the rule or decision it comes from")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["country", "currency", "tier", "effective_from"], nulls_distinct=False, name="tier_limit_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.country_id or 'any'} {self.currency} tier {self.tier} from {self.effective_from}"


class Reveal(AppendOnly):
    """A member of staff was shown the personal data of one customer, for a while and with a reason (`reveals.py`)."""

    class Because(models.TextChoices):
        IDENTIFY = "identify", "to check who is calling"
        CONTACT = "contact", "to call them or write to them"
        COMPARE = "compare", "to compare with a bank's or partner's record"
        CASE = "case", "a compliance case, or an authority asks"
        SAMPLE = "sample", "a sample of an audit"
        OTHER = "other", "something else"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey("staff.User", models.PROTECT, related_name="+", db_index=False)
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="reveals", db_index=False)
    because = models.CharField(max_length=10, choices=Because)
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()
    until = models.DateTimeField(help_text="masked again from then on")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-at"], name="reveal_by_agent"),
            models.Index(fields=["customer", "-id"], name="reveal_of_customer"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("at")), name="reveal_ends_after_it_began"),
            models.CheckConstraint(condition=~Q(reason=""), name="reveal_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"reveal of {self.customer_id}"
