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
    PayerUnavailable,
    RecipientUnavailable,
)
from transactions.movements import Movement
from transactions.tariff import Limits, Tariff
from wallets.errors import WalletClosed, WalletFrozen
from wallets.parties import Party


@dataclass(slots=True)
class Used:
    """What left a wallet so far on its owner's ``today`` and in that month, and what is coming in; minor units."""

    today: date
    day: int
    month: int
    coming: int = 0


class Standing(NamedTuple):
    """How a customer stands at this moment."""

    is_active: bool
    tier: int
    account_type: str = ""


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
        """The caller's side: the payer, or the payee of money that comes in or is captured."""
        party = self.payee if self.movement.hold else self.payer or self.payee
        assert party is not None
        return party

    @property
    def arriving(self) -> tuple[int, str]:
        """What the payee gets, in its own currency."""
        movement = self.movement
        return movement.received or movement.amount, movement.received_currency or movement.currency


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
    if case.movement.hold and case.payer and not case.standings[case.payer.customer].is_active:
        raise PayerUnavailable()
    if case.payee and not case.standings[case.payee.customer].is_active:
        raise RecipientUnavailable()
    return "ok"


def wallets_are_usable(case: Case) -> Any:
    """Right currency, open, not frozen on the side that is needed: read from the locked accounts.

    What is captured is the caller's to receive; how the payer's wallet stands is the payer's business.
    """
    currency, captures = case.movement.currency, case.movement.hold is not None
    if case.mine.currency != currency:
        raise CurrencyMismatch(f"This wallet holds {case.mine.currency}.", wallet_currency=case.mine.currency)
    if case.payer:
        account = case.accounts[case.payer.account]
        if account.closed:
            raise WalletClosed()
        if account.debits_frozen:
            raise PayerUnavailable() if captures else WalletFrozen()
    if case.payee:
        account = case.accounts[case.payee.account]
        if case.payee.currency != case.arriving[1]:
            raise CurrencyMismatch("The recipient's wallet is in another currency.")
        if account.closed or account.credits_frozen:
            if case.payer is None or captures:
                raise WalletClosed() if account.closed else WalletFrozen()
            raise RecipientUnavailable()
    return "ok"


def within_limits(case: Case) -> Any:
    """The payer's tier limits per movement, day and month; the payee's on what its wallet may hold, with what is on its
    way in, and per movement for money that a customer brings in. What a partner has moved already fits or does not.
    What is given back counts for nobody, and what is captured was counted for the payer when it was held."""
    facts: dict[str, Any] = {}
    if case.movement.reverses:
        return "gives back"
    if case.payer and not case.movement.hold:
        facts["payer"] = _may_send(case, case.payer)
    if case.payee:
        facts["payee"] = _may_hold(case, case.payee)
    return facts


def _may_send(case: Case, payer: Party) -> dict[str, Any]:
    limits, used, amount = _limits(case, payer, case.movement.currency), case.used[payer.wallet], case.movement.amount
    facts: dict[str, Any] = {
        "tier": limits.tier, "movement": [amount, limits.per_movement], "day": [used.day + amount, limits.per_day],
        "month": [used.month + amount, limits.per_month],
    }  # fmt: skip
    for period in ("movement", "day", "month"):
        _refuse_above(case, period, *facts[period])
    return facts


def _may_hold(case: Case, payee: Party) -> dict[str, Any]:
    movement, (arriving, currency) = case.movement, case.arriving
    limits = _limits(case, payee, currency)
    if case.payer is None and not movement.settled:
        _refuse_above(case, "movement", movement.amount, limits.per_movement)
    reached = case.accounts[payee.account].posted + case.used[payee.wallet].coming + arriving
    if limits.balance is not None and reached > limits.balance:
        # How much somebody else's wallet holds is nobody's business.
        left = Money(max(limits.balance - (reached - arriving), 0), currency)
        raise BalanceLimitExceeded(**({} if case.payer and not movement.hold else {"left": left.decimal}))
    return {"tier": limits.tier, "balance": [reached, limits.balance]}


def _limits(case: Case, party: Party, currency: str) -> Limits:
    """Raises: LimitsNotSet."""
    tier = case.standings[party.customer].tier
    limits = case.tariff.limits(party.country, currency, tier, case.today)
    if limits is None:
        raise LimitsNotSet()
    return limits


def _refuse_above(case: Case, period: str, reached: int, limit: int | None) -> None:
    """Raises: LimitExceeded."""
    if limit is not None and reached > limit:
        raise above(period, limit, max(limit - (reached - case.movement.amount), 0), case.movement.currency)


def above(period: str, limit: int, left: int, currency: str) -> LimitExceeded:
    """Of minor units of a currency; ``period``: movement, day or month."""
    allowed, rest = Money(limit, currency), Money(left, currency)
    return LimitExceeded(
        f"Your limit per {period} is {allowed}; {rest} is left.",
        period=period, limit=allowed.decimal, left=rest.decimal,
    )  # fmt: skip
