"""What may refuse a movement. Each policy is a pure function over facts loaded after the lock: it raises a refusal, or
returns what it looked at, which goes into the event for support to read. Named in ``settings.MOVEMENT_POLICIES``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from core.money import Money
from customers.errors import CustomerSuspended, SessionEnded
from ledger.books import Held
from transactions.errors import (
    BalanceLimitExceeded,
    CurrencyMismatch,
    LimitExceeded,
    LimitsNotSet,
    RecipientUnavailable,
)
from transactions.movements import Movement
from transactions.tariff import Tariff
from wallets.errors import WalletClosed, WalletFrozen
from wallets.parties import Party


@dataclass(slots=True)
class Used:
    """What left a wallet so far on its owner's ``today`` and in that month, minor units."""

    today: date
    day: int
    month: int


class Standing(NamedTuple):
    """How a customer stands at this moment."""

    is_active: bool
    tier: int


@dataclass(slots=True)
class Case:
    """One movement with everything that a policy may look at."""

    movement: Movement
    payer: Party | None
    payee: Party | None
    accounts: Mapping[str, Held]
    standings: Mapping[UUID, Standing]
    live_sessions: Mapping[UUID, UUID]
    used: Mapping[UUID, Used]
    tariff: Tariff
    today: date

    @property
    def mine(self) -> Party:
        """The caller's side: the payer, or the payee of money that comes in."""
        party = self.payer or self.payee
        assert party is not None
        return party


Policy = Callable[[Case], Any]


@cache
def policies() -> list[tuple[str, Policy]]:
    return [(path.rpartition(".")[2], import_string(path)) for path in settings.MOVEMENT_POLICIES]


def ask(case: Case, verdicts: dict[str, Any]) -> None:
    """Ask every policy in turn, noting its facts under its name; the first refusal ends it, and is noted too."""
    for name, policy in policies():
        verdicts[name] = "refused"
        verdicts[name] = policy(case)


def session_is_live(case: Case) -> Any:
    """Signing out, on any device, ends what that session can move from the next request on."""
    session = case.movement.session
    if session is not None and case.live_sessions.get(session) != case.movement.owner:
        raise SessionEnded()
    return "ok" if session else "none"


def customers_are_active(case: Case) -> Any:
    if not case.standings[case.mine.customer].is_active:
        raise CustomerSuspended()
    if case.payee and not case.standings[case.payee.customer].is_active:
        raise RecipientUnavailable()
    return "ok"


def wallets_are_usable(case: Case) -> Any:
    """Right currency, open, not frozen on the side that is needed: read from the locked accounts."""
    currency = case.movement.currency
    if case.mine.currency != currency:
        raise CurrencyMismatch(f"This wallet holds {case.mine.currency}.", wallet_currency=case.mine.currency)
    if case.payer:
        account = case.accounts[case.payer.account]
        if account.closed:
            raise WalletClosed()
        if account.debits_frozen:
            raise WalletFrozen()
    if case.payee:
        account = case.accounts[case.payee.account]
        if case.payee.currency != currency:
            raise CurrencyMismatch("The recipient's wallet is in another currency.")
        if account.closed or account.credits_frozen:
            if case.payer is None:
                raise WalletClosed() if account.closed else WalletFrozen()
            raise RecipientUnavailable()
    return "ok"


def within_limits(case: Case) -> Any:
    """The payer's tier limits per movement, day and month; the payee's on what its wallet may hold."""
    amount, currency = case.movement.amount, case.movement.currency
    facts: dict[str, Any] = {}
    if case.payer:
        limits = case.tariff.limits(case.payer.country, currency, case.standings[case.payer.customer].tier, case.today)
        if limits is None:
            raise LimitsNotSet()
        used = case.used[case.payer.wallet]
        facts["payer"] = {
            "tier": limits.tier,
            "movement": [amount, limits.per_movement],
            "day": [used.day + amount, limits.per_day],
            "month": [used.month + amount, limits.per_month],
        }
        for period in ("movement", "day", "month"):
            reached, allowed = facts["payer"][period]
            if allowed is not None and reached > allowed:
                left = max(allowed - (reached - amount), 0)
                raise LimitExceeded(
                    f"Your limit per {period} is {Money(allowed, currency)}; {Money(left, currency)} is left.",
                    period=period, limit=Money(allowed, currency).decimal, left=Money(left, currency).decimal,
                )  # fmt: skip
    if case.payee:
        limits = case.tariff.limits(case.payee.country, currency, case.standings[case.payee.customer].tier, case.today)
        if limits is None:
            raise LimitsNotSet()
        reached = case.accounts[case.payee.account].posted + amount
        facts["payee"] = {"tier": limits.tier, "balance": [reached, limits.balance]}
        if limits.balance is not None and reached > limits.balance:
            raise BalanceLimitExceeded()
    return facts
