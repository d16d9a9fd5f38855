"""What can be done with a wallet: open, freeze, lift, close. Moving its money is not here but in `transactions`."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError
from django.db import transaction as db_transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

import customers.services
import ledger.errors
import ledger.services
from core import audit
from core.ids import uuid7
from core.rounds import each
from customers.links import leave_to_colleague, why_linked
from customers.models import Country
from customers.services import Newcomer
from customers.tokens import start_session
from ledger import chart
from staff.errors import ApprovalNeeded
from staff.models import User
from wallets.errors import (
    ExpiryNotLater,
    ExpiryPassed,
    FreezeKeyUsed,
    FreezeLifted,
    ReasonMissing,
    WalletClosed,
    WalletExists,
    WalletFrozen,
    WalletNotEmpty,
)
from wallets.models import Freeze, Wallet

if TYPE_CHECKING:
    from customers.models import Customer
    from customers.tokens import Tokens

# What else keeps a wallet open: apps above say so, and raise why.
keeps_open: list[Callable[[UUID], None]] = []
LIVE = Q(lifted_at=None) & (Q(expires_at=None) | Q(expires_at__gt=Now()))
OVER = Q(lifted_at=None, expires_at__lte=Now())


def sign_up(*, user_agent: str = "", **registration: str) -> tuple["Customer", Wallet, "Tokens"]:
    """`onboard_customer`, and the first session of the new customer: all or nothing."""
    with db_transaction.atomic():
        customer, wallet = onboard_customer(**registration)
        return customer, wallet, start_session(customer, user_agent=user_agent)


def onboard_customer(**registration: str) -> tuple["Customer", Wallet]:
    """Register a customer and open a wallet in the country's currency: both or neither.

    Args:
        registration: what ``customers.services.register`` takes.
    Raises: what it raises.
    """
    with db_transaction.atomic():
        customer = customers.services.register(**registration)
        return customer, open_wallet(customer, customer.country.currency, actor=customer)


class Onboarded(NamedTuple):
    """Open wallets by their owners' e-mail addresses; how many owners are new, and whose wallets were opened now."""

    wallets: dict[str, UUID]
    registered: int
    opened: frozenset[str]


def onboard_many(newcomers: Sequence[Newcomer], *, country: str, currency: str, tier: int, actor: Any) -> Onboarded:
    """See to it that each is a customer with an open wallet in ``currency``; the same few statements for 1 or 1,000.

    Who is a customer already stays as they are, so that it may be repeated.
    Raises: CountryNotOpen, AlreadyRegistered (`customers.services.register_many`), WalletExists when a rival opens one
    at the same moment; then nothing was done.
    """
    with db_transaction.atomic():
        ids, registered = customers.services.register_many(newcomers, country=country, tier=tier, actor=actor)
        have = dict(
            Wallet.objects.filter(customer__in=ids.values(), currency=currency, closed_at=None).values_list(
                "customer_id", "pk"
            )
        )
        new = {email: Wallet(customer_id=pk, currency=currency) for email, pk in ids.items() if pk not in have}
        codes = [chart.wallet_account(wallet.pk) for wallet in new.values()]
        accounts = ledger.services.open_accounts(codes, currency, chart.CREDIT, floor=0)
        for wallet, account_id in zip(new.values(), accounts, strict=True):
            wallet.account_id = account_id
        try:
            with db_transaction.atomic():
                Wallet.objects.bulk_create(new.values())
        except IntegrityError as exc:
            if "wallet_one_per_currency" not in str(exc):
                raise
            raise WalletExists(currency=currency) from exc
        if new:
            after = {"count": len(new), "currency": currency, "first": codes[0], "last": codes[-1]}
            audit.record(actor=actor, action="open_wallets", subject=Country(code=country), after=after)
    found = {email: have.get(pk) or new[email].pk for email, pk in ids.items()}
    return Onboarded(found, registered, frozenset(new))


def open_wallet(customer: "Customer", currency: str, *, actor: Any) -> Wallet:
    """Open an empty wallet and its ledger account, which can never go below zero.

    Raises: WalletExists, when an open one in this currency is there; the database decides, also between two at once.
    """
    wallet = Wallet(id=uuid7(), customer=customer, currency=currency)
    try:
        with db_transaction.atomic():
            code = chart.wallet_account(wallet.id)
            wallet.account_id = ledger.services.open_account(code, currency, chart.CREDIT, floor=0)
            wallet.save(force_insert=True)
            audit.record(actor=actor, action="open_wallet", subject=wallet, after={"currency": currency})
    except IntegrityError as exc:
        if "wallet_one_per_currency" not in str(exc):
            raise
        raise WalletExists(f"There is an open {currency} wallet already.", currency=currency) from exc
    return wallet


def freeze_wallet(
    wallet: Wallet, *, mode: str, reason: str, actor: Any, cause: str = Freeze.Cause.OTHER,
    expires_at: datetime | None = None, key: UUID | None = None,
) -> Freeze:  # fmt: skip
    """Stop a wallet from sending (``debit``), receiving (``credit``) or ``both``; freezes add up.

    Args:
        cause: what kind of trouble it is. What is frozen for fraud or by order takes two people to lift.
        key: of this freeze, made by who asks: asked twice, it is placed once.

    Raises: LinkedCustomer (a colleague does it), ReasonMissing, ExpiryPassed, WalletClosed, FreezeKeyUsed.
    Locks: the wallet, then its account.
    """
    leave_to_colleague(actor, wallet.customer_id)
    mode, cause, reason = Freeze.Mode(mode), Freeze.Cause(cause), stated(reason)
    if expires_at is not None and expires_at <= timezone.now():
        raise ExpiryPassed(expires_at=expires_at)
    with db_transaction.atomic():
        locked = lock(wallet)
        if key and (earlier := Freeze.objects.filter(pk=key).first()):
            if (earlier.wallet_id, earlier.placed_by) != (locked.pk, audit.actor_name(actor)):
                raise FreezeKeyUsed()
            return earlier
        refuse_closed(locked)
        freeze = Freeze.objects.create(
            id=key or uuid7(), wallet=locked, mode=mode, cause=cause, reason=reason, placed_by=audit.actor_name(actor),
            expires_at=expires_at,
        )  # fmt: skip
        apply_freezes(locked)
        until = expires_at and expires_at.isoformat()
        after = {"freeze": str(freeze.id), "mode": mode, "cause": cause, "expires_at": until}
        audit.record(actor=actor, action="freeze_wallet", subject=locked, after=after, reason=reason)
    return freeze


def lift_freeze(freeze: Freeze, *, actor: Any, reason: str, checker: User | None = None) -> None:
    """End one freeze; the wallet stays frozen as far as others say so.

    Args:
        checker: the second person, who has approved it (`approvals.py`); staff lift none for fraud or by order
            without one.
    Raises: ReasonMissing, FreezeLifted, ApprovalNeeded.
    Locks: the wallet, then its account.
    """
    reason = stated(reason)
    if checker is None and (why := why_lifted_by_two(freeze, actor)):
        raise ApprovalNeeded(why)
    with db_transaction.atomic():
        wallet = lock(freeze.wallet)
        freeze.refresh_from_db()  # after the lock: two may lift at once, or the clock and a person
        if freeze.lifted_at:
            raise FreezeLifted(f"Lifted by {freeze.lifted_by}.", lifted_at=freeze.lifted_at)
        end(freeze, actor=actor, reason=reason, checker=checker)
        apply_freezes(wallet)


def why_lifted_by_two(freeze: Freeze, actor: Any) -> str:
    """Why lifting it takes a second person, in words; empty where the actor may alone."""
    if freeze.takes_two and isinstance(actor, User):
        return f"A wallet that was frozen for this is let go by two people: {freeze.get_cause_display()}."
    return why_linked(actor, freeze.wallet.customer_id)


def extend_freeze(freeze: Freeze, *, expires_at: datetime | None, actor: Any, reason: str) -> Freeze:
    """Make a freeze last longer (None: until it is lifted): another takes its place, in one step. One is never edited.

    Raises: LinkedCustomer (a colleague does it), ReasonMissing, FreezeLifted, ExpiryNotLater, ExpiryPassed.
    Locks: the wallet, then its account.
    """
    leave_to_colleague(actor, freeze.wallet.customer_id)
    reason = stated(reason)
    with db_transaction.atomic():
        wallet = lock(freeze.wallet)
        freeze.refresh_from_db()  # after the lock: its time may be over this very moment
        if freeze.lifted_at:
            raise FreezeLifted(f"Lifted by {freeze.lifted_by}.", lifted_at=freeze.lifted_at)
        if freeze.expires_at is None or (expires_at is not None and expires_at <= freeze.expires_at):
            raise ExpiryNotLater(expires_at=freeze.expires_at)
        if expires_at is not None and expires_at <= timezone.now():
            raise ExpiryPassed(expires_at=expires_at)
        longer = Freeze.objects.create(
            wallet=wallet, mode=freeze.mode, cause=freeze.cause, reason=freeze.reason,
            placed_by=audit.actor_name(actor), expires_at=expires_at,
        )  # fmt: skip
        freeze.lifted_at, freeze.lifted_by = timezone.now(), audit.actor_name(actor)
        freeze.lift_reason = f"Extended: {reason}"
        freeze.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
        apply_freezes(wallet)
        before = {"freeze": str(freeze.pk), "expires_at": freeze.expires_at.isoformat()}
        after = {"freeze": str(longer.pk), "expires_at": expires_at and expires_at.isoformat()}
        audit.record(actor=actor, action="extend_freeze", subject=wallet, before=before, after=after, reason=reason)
    return longer


def expire_freezes() -> int:
    """Lift every freeze whose time has come; returns how many. Safe to run in several workers at once."""
    return each(list(Freeze.objects.filter(OVER).values_list("wallet_id", flat=True).distinct()), _lifted)


def _lifted(wallet_id: UUID) -> int:
    with db_transaction.atomic():
        # Another worker, or a person, has this wallet: it is theirs, or it is here again in ten seconds.
        wallet = Wallet.objects.select_for_update(no_key=True, skip_locked=True).filter(pk=wallet_id).first()
        if wallet is None:
            return 0
        over = list(wallet.freezes.filter(OVER))
        for freeze in over:
            end(freeze, actor=None, reason="expired")
        apply_freezes(wallet)
    return len(over)


def close_wallet(wallet: Wallet, *, actor: Any, reason: str = "") -> Wallet:
    """Close a wallet for good and return it; another one in its currency can be opened afterwards.

    A closed account refuses every entry, so a top-up that arrives later is parked in suspense (`transactions`).

    Raises: LinkedCustomer (a colleague does it), WalletClosed, WalletFrozen (lift first: a freeze is a question still
    open), WalletNotEmpty; what `keeps_open` raises.
    Locks: the wallet, then its account.
    """
    leave_to_colleague(actor, wallet.customer_id)
    with db_transaction.atomic():
        locked = lock(wallet)
        refuse_closed(locked)
        if locked.freezes.filter(LIVE).exists():
            raise WalletFrozen(wallet_id=locked.id)
        try:
            ledger.services.close_account(locked.account_id)
        except ledger.errors.AccountNotEmpty as exc:
            raise WalletNotEmpty(wallet_id=locked.id) from exc
        for refuse in keeps_open:  # after the lock of the account: what is promised to a wallet is promised under it
            refuse(locked.id)
        locked.closed_at = timezone.now()
        locked.save(update_fields=["closed_at"])
        audit.record(actor=actor, action="close_wallet", subject=locked, before="open", after="closed", reason=reason)
    return locked


def lock(wallet: Wallet) -> Wallet:
    """The row as it is now, ours until the end of the database transaction. Always before the account's."""
    return Wallet.objects.select_for_update(no_key=True).get(pk=wallet.pk)


def apply_freezes(wallet: Wallet) -> None:
    """The account's flags are the union of the live freezes. The caller holds the wallet's lock, so none slips in."""
    modes = set(wallet.freezes.filter(LIVE).values_list("mode", flat=True))
    both = Freeze.Mode.BOTH in modes
    ledger.services.set_frozen(
        wallet.account_id, debits=both or Freeze.Mode.DEBIT in modes, credits=both or Freeze.Mode.CREDIT in modes
    )


def end(freeze: Freeze, *, actor: Any, reason: str, checker: User | None = None) -> None:
    freeze.lifted_at, freeze.lifted_by, freeze.lift_reason = timezone.now(), audit.actor_name(actor), reason
    freeze.save(update_fields=["lifted_at", "lifted_by", "lift_reason"])
    before = {"freeze": str(freeze.id), "mode": freeze.mode, "cause": freeze.cause}
    after = {"freeze": str(freeze.id), "mode": "lifted"} | ({"approved_by": checker.principal} if checker else {})
    audit.record(actor=actor, action="lift_freeze", subject=freeze.wallet, before=before, after=after, reason=reason)


def stated(reason: str) -> str:
    reason = reason.strip()
    if not reason:
        raise ReasonMissing
    return reason


def refuse_closed(wallet: Wallet) -> None:
    if wallet.closed_at:
        raise WalletClosed(wallet_id=wallet.id)
