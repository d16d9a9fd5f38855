"""Holds, as tests place and capture them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.books import key
from transactions.models import Kind, State, Transaction
from transactions.movements import Movement, Settlement, Terms
from transactions.posting import post_one
from transactions.rules import holds
from wallets.models import Wallet
from wallets.parties import Address


def promise(payer: Wallet, payee: Wallet, amount: int, **more: Any) -> Movement:
    fields = {"caller": f"customer:{payer.customer_id}", "key": key(), "owner": payer.customer_id} | more
    return Movement(
        kind=Kind.HOLD, amount=amount, currency=payer.currency, payer=Address("wallet", str(payer.pk)),
        payee=Address("wallet", str(payee.pk)), **fields,
    )  # fmt: skip


def held(payer: Wallet, payee: Wallet, amount: int, **terms: Any) -> UUID:
    """A hold that was placed."""
    found = post_one(promise(payer, payee, amount, terms=Terms(**terms))).or_raise().transaction
    assert found
    return found


def capture(hold: UUID, amount: int = 0, *, final: bool = False, **more: Any) -> Movement:
    """By its payee; all that is left, where no amount is said."""
    one = Transaction.objects.select_related("payee").get(pk=hold)
    assert one.payee
    fields = {"caller": f"customer:{one.payee.customer_id}", "key": key(), "owner": one.payee.customer_id} | more
    return Movement(
        kind=Kind.PAYMENT, amount=amount, currency=one.currency, payer=Address("wallet", str(one.payer_id)),
        payee=Address("wallet", str(one.payee_id)), hold=hold, final=final, **fields,
    )  # fmt: skip


def void(hold: UUID) -> Settlement:
    return Settlement(transaction=hold, to=State.CANCELLED, actor="job:test")


def expire(hold: UUID) -> Settlement:
    return Settlement(transaction=hold, to=State.EXPIRED, actor="job:test")


def state_of(hold: UUID) -> str:
    return str(Transaction.objects.values_list("state", flat=True).get(pk=hold))


@contextmanager
def any_dates() -> Iterator[None]:
    """Holds may be placed that are over already: no test waits a week."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holds, "_expiry", lambda terms, now: terms.expires_at or now + holds.USUAL)
        yield


def overdue(payer: Wallet, payee: Wallet, amount: int, *, capture_at: datetime | None = None) -> UUID:
    """One that expired a second ago, or whose date to be captured by itself was then."""
    ago = datetime.now(UTC) - timedelta(seconds=1)
    with any_dates():
        return held(payer, payee, amount, expires_at=ago if capture_at is None else None, capture_at=capture_at)
