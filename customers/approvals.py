"""What a second person approves of customers and their tiers (`staff/approvals.py`)."""

from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Q

from core.errors import IllegalTransition
from core.money import CURRENCY_CHOICES, Money
from customers.errors import CountryNotOpen, RuleExists
from customers.models import Country, Customer, CustomerState, Suspension, TierLimit
from customers.services import (
    REINSTATES,
    add_tier_limit,
    check_day,
    check_limits,
    locked,
    open_suspension,
    reactivate_customer,
    suspend_customer,
)
from staff.approvals import About, Fact, Operation, Preview, Row, lock_name
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from staff.selectors import named, names

LIMITS = {
    "per_movement": "Per movement", "per_day": "Leaving the wallet per day",
    "per_month": "Leaving the wallet per month", "balance": "Most that the wallet may hold",
}  # fmt: skip
MOST_COUNTED = 10_000


class LimitChange(Operation):
    """A new row of tier limits.

    ``params``: country (code or None), currency, tier, the four limits in minor units or None, effective_from, source.
    """

    name = "tier_limit"
    title = "Change of limits"
    request = "customers.change_limits"
    check = "customers.approve_limits"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        currency, day = str(params["currency"]), date.fromisoformat(str(params["effective_from"]))
        assert currency in dict(CURRENCY_CHOICES)
        limits = {name: None if params[name] is None else int(params[name]) for name in LIMITS}
        check_limits(**limits)
        return {
            "country": params["country"] or None, "currency": currency, "tier": int(params["tier"]),
            "effective_from": str(day), "source": str(params["source"]),
        } | limits  # fmt: skip

    def about(self, params: dict[str, Any]) -> About:
        row = self._in_force(params)
        title = f"Limits of tier {params['tier']} in {params['currency']}, {self._where(params)}"
        subject = Row("customers.tierlimit", str(row.pk), title) if row else Row("", "", f"{title} (none so far)")
        return About(title=f"{title}, from {day_of(params):%-d %b %Y}", subject=subject, slot=slot_of(params))

    def lock(self, params: dict[str, Any]) -> None:
        """Rows are only added, so there is none to lock: their name."""
        lock_name(f"tier_limit:{slot_of(params)}")

    def preview(self, params: dict[str, Any]) -> Preview:
        check_day(day_of(params))
        before, currency = self._in_force(params), params["currency"]
        same = TierLimit.objects.filter(currency=currency, tier=params["tier"], country=params["country"])
        if same.filter(effective_from=day_of(params)).exists():
            raise RuleExists(f"Another limit begins on {day_of(params):%-d %b %Y}.")
        later = same.filter(effective_from__gt=day_of(params)).order_by("effective_from").first()
        facts = [
            Fact("Tier", str(params["tier"])),
            Fact("Where", self._where(params)),
            Fact("From", f"{day_of(params):%-d %b %Y}"),
            Fact("Until", f"{later.effective_from:%-d %b %Y}, when other limits begin" if later else "further notice"),
        ]
        for name, label in LIMITS.items():
            now, then = said(getattr(before, name), currency) if before else "not set", said(params[name], currency)
            facts.append(Fact(label, then if now == then else f"{now} → {then}"))
        facts.append(Fact("Source", params["source"]))
        return Preview(facts=facts, context=[Fact("Customers whom it concerns", self._concerned(params))])

    def apply(self, approval: Approval, *, checker: User) -> Row:
        params = approval.params | {"effective_from": day_of(approval.params)}
        row = add_tier_limit(**params, actor=approval.maker, checker=checker, reason=approval.reason)
        return Row("customers.tierlimit", str(row.pk), "The new limits")

    def _in_force(self, params: dict[str, Any]) -> TierLimit | None:
        """What would count on that day without the change: the country's own row, else the general one."""
        rows = TierLimit.objects.filter(
            Q(country=params["country"]) | Q(country=None), currency=params["currency"], tier=params["tier"],
            effective_from__lte=day_of(params),
        )  # fmt: skip
        own = rows.filter(country=params["country"]).order_by("-effective_from").first()
        return own or rows.filter(country=None).order_by("-effective_from").first()

    def _where(self, params: dict[str, Any]) -> str:
        """Raises: CountryNotOpen for a country that there is not."""
        if params["country"] is None:
            return "everywhere else"
        country = Country.objects.filter(code=params["country"]).first()
        if country is None:
            raise CountryNotOpen(country=params["country"])
        return country.name

    def _concerned(self, params: dict[str, Any]) -> str:
        rows = Customer.objects.filter(tier=params["tier"])
        if params["country"]:
            rows = rows.filter(country=params["country"])
        else:  # a country's own limits go before these
            own = TierLimit.objects.filter(
                currency=params["currency"], tier=params["tier"], country__isnull=False,
                effective_from__lte=day_of(params),
            )  # fmt: skip
            rows = rows.exclude(country__in=own.values("country"))
        count = rows.order_by()[: MOST_COUNTED + 1].count()
        return f"more than {MOST_COUNTED:,}" if count > MOST_COUNTED else f"{count:,}"


def day_of(params: dict[str, Any]) -> date:
    return date.fromisoformat(params["effective_from"])


def slot_of(params: dict[str, Any]) -> str:
    return f"{params['country'] or 'everywhere'}:{params['currency']}:{params['tier']}"


def said(amount_minor: int | None, currency: str) -> str:
    return "no limit" if amount_minor is None else str(Money(amount_minor, currency))


class Standing(Operation):
    """Suspending a customer, or letting them back in, asked for by staff who are linked to them.

    ``params``: customer (id), state (to be reached), and when suspending a cause.
    """

    name = "standing"
    title = "Suspending or readmitting one's own"
    request = "customers.suspend"
    check = "customers.approve_standing"

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        cleaned = {"customer": str(UUID(str(params["customer"]))), "state": CustomerState(params["state"]).value}
        if cleaned["state"] == CustomerState.SUSPENDED:
            cleaned["cause"] = Suspension.Cause(params.get("cause", Suspension.Cause.OTHER)).value
        return cleaned

    def about(self, params: dict[str, Any]) -> About:
        customer = self._customer(params)
        verb = "Suspend" if params["state"] == CustomerState.SUSPENDED else "Reactivate"
        row = Row("customers.customer", str(customer.pk), customer.full_name)
        return About(title=f"{verb} {customer.full_name}", subject=row)

    def lock(self, params: dict[str, Any]) -> None:
        locked(UUID(params["customer"]))

    def preview(self, params: dict[str, Any]) -> Preview:
        customer = self._customer(params)
        if customer.state == params["state"]:
            raise IllegalTransition(f"They are {customer.get_state_display().lower()} already.", state=customer.state)
        facts = [
            Fact("Customer", customer.full_name),
            Fact("Now", customer.get_state_display()),
            Fact("Afterwards", CustomerState(params["state"]).label),
        ]
        if "cause" in params:
            facts.append(Fact("Why", Suspension.Cause(params["cause"]).label))
        if suspension := open_suspension(customer.pk):
            self.check_kind(suspension)
            by = f"{named(suspension.placed_by, names())}, {suspension.placed_at:%-d %b %Y %H:%M} UTC"
            facts += [
                Fact("Why suspended", suspension.get_cause_display()),
                Fact("Reason", suspension.reason),
                Fact("Suspended by", by),
            ]
        return Preview(
            facts=facts,
            context=[
                Fact("KYC tier", str(customer.tier)),
                Fact("Customer since", f"{customer.created_at:%-d %b %Y}"),
            ],
        )

    def apply(self, approval: Approval, *, checker: User) -> Row:
        customer = self._customer(approval.params)
        how: dict[str, Any] = {"actor": approval.maker, "reason": approval.reason, "checker": checker}
        if approval.params["state"] == CustomerState.SUSPENDED:
            suspend_customer(customer, cause=approval.params.get("cause", Suspension.Cause.OTHER), **how)
        else:
            reactivate_customer(customer, **how)
        return Row("customers.customer", str(customer.pk), customer.full_name)

    def check_kind(self, suspension: Suspension) -> None:
        """Raises: ApprovalNeeded for what compliance decides: that is another request."""
        if suspension.is_of_compliance:
            raise ApprovalNeeded("Compliance decides whether they come back.")

    def _customer(self, params: dict[str, Any]) -> Customer:
        return Customer.objects.get(pk=params["customer"])


class Reinstatement(Standing):
    """Letting back in a customer whom compliance suspended, or who was suspended for what is theirs to judge.

    ``params``: customer (id), state (active).
    """

    name = "reinstatement"
    title = "Letting back in whom compliance suspended"
    check = REINSTATES

    def clean(self, params: dict[str, Any]) -> dict[str, Any]:
        return super().clean(params | {"state": CustomerState.ACTIVE})

    def check_kind(self, suspension: Suspension) -> None:
        """Compliance decides this as well as any other."""


limits, standing, reinstatement = LimitChange(), Standing(), Reinstatement()
