"""Questions about wallets. A caller's own come filtered by the caller: somebody else's wallet is a missing one."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

import ledger.selectors
from core.work import prepared
from customers.errors import CustomerSuspended, SessionEnded
from customers.models import ONE_PERSON, Customer, CustomerState
from wallets.errors import InstantNotReached, WalletNotFound
from wallets.models import Wallet


class WalletBalance(NamedTuple):
    """Minor units of ``currency``. ``last_updated``: when the wallet last changed, by entry, hold or opening."""

    wallet_id: UUID
    currency: str
    posted: int
    held: int
    last_updated: datetime | None

    @property
    def available(self) -> int:
        return self.posted - self.held


def wallets_of(customer_id: UUID) -> QuerySet[Wallet]:
    """The customer's wallets, closed ones too, oldest first."""
    return Wallet.objects.filter(customer_id=customer_id).select_related("account").order_by("id")


def wallet_of(customer_id: UUID, wallet_id: UUID) -> Wallet:
    """Raises: WalletNotFound, also for somebody else's."""
    try:
        return wallets_of(customer_id).get(pk=wallet_id)
    except Wallet.DoesNotExist:
        raise WalletNotFound from None


def balance(wallet_id: UUID, at: datetime | None = None) -> WalletBalance:
    """Now, or as it was at a past instant; before the wallet was opened: zero, never updated.

    Raises: WalletNotFound, InstantNotReached.
    """
    row = Wallet.objects.filter(pk=wallet_id).values_list(
        "id", "currency", "account__posted", "account__held", "account__last_at", "created_at", "account_id"
    )
    if not row:
        raise WalletNotFound
    return as_of(at, *row[0])


def balance_for(customer_id: UUID, session_id: UUID, wallet_id: UUID, at: datetime | None = None) -> WalletBalance:
    """The same for a signed-in customer, in one statement without objects (two for a past instant).

    Apps ask for balances more than for anything else, so what `LiveSession` checks for other views is checked here.

    Raises: SessionEnded, CustomerSuspended, WalletNotFound, InstantNotReached.
    """
    found = prepared(BALANCE, {"wallet": wallet_id, "session": session_id, "customer": customer_id})
    row = found[0] if found else None
    if row is not None and row[1] != CustomerState.ACTIVE:
        raise CustomerSuspended
    if row is None or row[0] is not None:
        raise SessionEnded
    if row[2] is None:
        raise WalletNotFound
    return as_of(at, *row[2:])


BALANCE = """
SELECT s.revoked_at, c.state, w.id, w.currency, a.posted, a.held, a.last_at, w.created_at, a.id
FROM customers_session s
JOIN customers_customer c ON c.id = s.customer_id
LEFT JOIN (wallets_wallet w JOIN ledger_account a ON a.id = w.account_id)
       ON w.id = %(wallet)s AND w.customer_id = c.id
WHERE s.id = %(session)s AND s.customer_id = %(customer)s
"""


def as_of(
    at: datetime | None, wallet_id: UUID, currency: str, posted: int, held: int, last_at: datetime | None,
    opened_at: datetime, account_id: int,
) -> WalletBalance:  # fmt: skip
    """The balance that was read, taken back to ``at``."""
    if at is None:
        return WalletBalance(wallet_id, currency, posted, held, last_at or opened_at)
    if at > timezone.now():
        raise InstantNotReached
    then = ledger.selectors.balance_at(account_id, at)
    return WalletBalance(
        wallet_id, currency, then.posted, then.held, then.last_at or (opened_at if at >= opened_at else None)
    )


def masked_name(full_name: str) -> str:
    """Enough to recognise whom one pays, too little to look somebody up: ``Aline Mukamana`` is ``Aline M.``."""
    first, _, last = full_name.rpartition(" ")
    first = first.partition(" ")[0]
    return f"{first} {last[:1]}." if first else f"{full_name[:1]}…"


def shown_name(customer: Customer) -> str:
    """To whoever is about to pay: a business is paid by its name; a person's is masked."""
    return masked_name(customer.full_name) if customer.account_type in ONE_PERSON else customer.full_name


# The same in SQL, for pages that the database builds: MASKED_NAME.format("c.full_name").
MASKED_NAME = (
    "CASE WHEN strpos({0}, ' ') > 0 THEN split_part({0}, ' ', 1) || ' ' || left(split_part({0}, ' ', -1), 1) || '.' "
    "ELSE left({0}, 1) || '…' END"
)
