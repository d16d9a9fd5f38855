"""Movements through a rail, and a worker that is driven by hand."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from django.db import connection

from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import Session
from customers.tokens import start_session
from tests.books import key
from transactions.models import OPEN, RailMessage, Transaction
from transactions.posting import post_one
from transactions.services import rail_calls, rail_messages
from transactions.services.cash_outs import start_cash_out
from transactions.services.top_ups import start_top_up
from wallets.models import Wallet

BANK_ACCOUNT = {"bank_id": "wekeza", "account_number": "0011223344", "account_name": "Aline Mukamana"}


def owner_of(wallet: Wallet) -> CustomerPrincipal:
    """The wallet's owner, signed in."""
    session = Session.objects.filter(customer=wallet.customer).first()
    if session is None:
        start_session(wallet.customer)
        session = Session.objects.get(customer=wallet.customer)
    return CustomerPrincipal(wallet.customer_id, session.pk)


def cash_out(wallet: Wallet, amount: int) -> UUID:
    """A pending cash-out; its id."""
    outcome = start_cash_out(
        wallet.pk, Money(amount, wallet.currency), BANK_ACCOUNT, actor=owner_of(wallet), idempotency_key=key(),
        post=post_one,
    ).or_raise()  # fmt: skip
    assert outcome.transaction is not None
    return outcome.transaction


def top_up(wallet: Wallet, amount: int) -> UUID:
    """A pending top-up; its id."""
    outcome = start_top_up(
        wallet.pk, Money(amount, wallet.currency), actor=owner_of(wallet), idempotency_key=key(), post=post_one
    ).or_raise()
    assert outcome.transaction is not None
    return outcome.transaction


def until(happened: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for it. Raises: AssertionError."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def in_threads(count: int, work: Callable[[], object]) -> None:
    """``work`` in so many threads at once, each with its own connection. Raises what one of them raised."""

    def one(_: int) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        list(threads.map(one, range(count)))


def message_about(transaction_id: UUID, number: int = 1) -> RailMessage:
    """The callback about a movement, once the bank has sent ``number`` of them; not processed yet."""
    said = RailMessage.objects.filter(payload__reference=str(transaction_id)).order_by("received_at")
    until(lambda: said.count() >= number)
    return said[number - 1]


def work_until_settled(time_passes: Callable[[], int], seconds: float = 8.0) -> None:
    """Round after round of the worker, until nothing is open but what waits for a person."""
    deadline = time.monotonic() + seconds
    while Transaction.objects.filter(state__in=OPEN, quarantined_at=None).exists():
        assert time.monotonic() < deadline, list(Transaction.objects.filter(state__in=OPEN).values("state", "amount"))
        rail_messages.sweep()
        rail_calls.sweep()
        time.sleep(0.03)
        time_passes()
    rail_messages.sweep()
