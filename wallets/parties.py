"""Who a movement names: the wallets and owners behind wallet ids, phone numbers and e-mails, set-wise."""

from collections.abc import Collection
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from core.contacts import masked_email, masked_phone
from core.work import Work
from ledger.chart import wallet_account


class Party(NamedTuple):
    """One wallet and who owns it: what does not change. How its owner stands is read later, under the lock."""

    wallet: UUID
    customer: UUID
    currency: str
    is_closed: bool
    country: str
    phone_number: str
    email: str
    account: str


class Address(NamedTuple):
    """How somebody names a wallet: ``by`` is ``wallet``, ``phone`` (E.164) or ``email`` (lower case)."""

    by: str
    value: str

    @property
    def masked(self) -> dict[str, str]:
        """Enough for support to see what was mistyped; books and events keep nobody's number or address."""
        match self.by:
            case "phone":
                return {"by": self.by, "value": masked_phone(self.value)}
            case "email":
                return {"by": self.by, "value": masked_email(self.value)}
        return {"by": self.by, "value": self.value}


COLUMNS = """w.id, w.customer_id, w.currency, w.closed_at IS NOT NULL, c.country_id, c.phone_number, c.email"""
BY_WALLET = f"""
SELECT {COLUMNS} FROM wallets_wallet w JOIN customers_customer c ON c.id = w.customer_id WHERE w.id = ANY(%s)
"""  # noqa: S608
BY_OWNER = f"""
SELECT {COLUMNS}
FROM customers_customer c LEFT JOIN wallets_wallet w ON w.customer_id = c.id AND w.closed_at IS NULL
WHERE c.phone_number = ANY(%s)
UNION
SELECT {COLUMNS}
FROM customers_customer c LEFT JOIN wallets_wallet w ON w.customer_id = c.id AND w.closed_at IS NULL
WHERE c.email = ANY(%s)
"""  # noqa: S608


class Parties:
    """The parties of one batch, found by any address they were named by."""

    def __init__(self, rows: Collection[Any]) -> None:
        self._rows = rows
        self._by_wallet: dict[str, Party] = {}
        for row in rows:
            if row[0] is not None:
                wallet = str(row[0])
                self._by_wallet[wallet] = Party._make((*row, wallet_account(wallet)))

    @cached_property
    def _by_owner(self) -> dict[tuple[str, str], Party]:
        """Made when first asked for: most batches name wallets alone."""
        found = {}
        for wallet, *_ in self._rows:
            if wallet is not None:
                party = self._by_wallet[str(wallet)]
                found[party.phone_number, party.currency] = found[party.email, party.currency] = party
        return found

    def at(self, address: Address, currency: str) -> Party | None:
        """The wallet at an address; an owner is reached at the open wallet in ``currency``."""
        if address.by == "wallet":
            return self._by_wallet.get(address.value)
        return self._by_owner.get((address.value, currency))

    def knows(self, address: Address) -> bool:
        """Whether somebody is there at all, with or without a wallet in the currency."""
        if address.by == "wallet":
            return address.value in self._by_wallet
        return address.value in self._owners

    @cached_property
    def _owners(self) -> set[str]:
        """Made when first asked for: when somebody was not found."""
        return {value for *_, phone_number, email in self._rows for value in (phone_number, email)}

    def __iter__(self) -> Any:
        return iter(self._by_wallet.values())


def find(work: Work, addresses: Collection[Address]) -> Any:
    """Ask for the parties at these addresses; `Parties` reads the cursors. One statement, two when owners are named."""
    wallets = [a.value for a in addresses if a.by == "wallet"]
    phones = [a.value for a in addresses if a.by == "phone"]
    emails = [a.value for a in addresses if a.by == "email"]
    cursors = [work.run(BY_WALLET, wallets)]
    if phones or emails:
        cursors.append(work.run(BY_OWNER, phones, emails))
    return cursors


def found(cursors: Any) -> Parties:
    return Parties([row for cursor in cursors for row in cursor.fetchall()])
