"""Questions about customers: where are they signed in, what does their tier allow."""

from datetime import date
from uuid import UUID

from django.db.models import F, Q, QuerySet

from core.money import EXPONENTS
from customers.models import Customer, Session, TierLimit


def live_sessions(customer_id: UUID) -> QuerySet[Session]:
    """Newest first."""
    return Session.objects.filter(customer_id=customer_id, revoked_at=None).order_by("-id")


def current_limits(customer: Customer, currency: str, *, on: date) -> TierLimit | None:
    """The row that counts on ``on`` (the customer's calendar day): the country's own, else the general one; the latest
    that has begun. None: nothing is allowed. For display; posting asks the same in its own SQL, after the lock."""
    return (
        TierLimit.objects.filter(
            Q(country_id=customer.country_id) | Q(country=None),
            currency=currency,
            tier=customer.tier,
            effective_from__lte=on,
        )
        .order_by(F("country").asc(nulls_last=True), "-effective_from")
        .first()
    )


def all_limits(customer: Customer, *, on: date) -> list[TierLimit]:
    """``current_limits`` of every currency that has some, in one query."""
    rows = (
        TierLimit.objects.filter(
            Q(country_id=customer.country_id) | Q(country=None), tier=customer.tier, effective_from__lte=on
        )
        .order_by("currency", F("country").asc(nulls_last=True), "-effective_from")
        .distinct("currency")
    )
    by_currency = {row.currency: row for row in rows}
    return [by_currency[currency] for currency in EXPONENTS if currency in by_currency]
