"""Every door there is, read from the URLconf, and the people who try them."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLResolver
from django.utils.timezone import now
from rest_framework.views import APIView

import fx.services
from core.ids import uuid7
from core.money import Money
from customers.authentication import CustomerPrincipal
from customers.models import AccountType, Customer, Session
from customers.tokens import start_session
from notifications.models import Notification
from payments.services import NewRequest, Paying, create_request, pay_request
from payouts.models import Approver
from payouts.reading import read_json
from payouts.services import PayoutOrder, make_payout, paying_wallet
from recalls.services import open_recall
from schedules.services import NewOrder, Schedule, create_order
from tests.books import fund, key, transfer
from tests.factories import PASSWORD, empty_statement, new_wallet
from tests.fx.conftest import load_rates_of, three_providers, today
from tests.holding import held
from transactions.posting import post_one
from wallets.models import Wallet
from wallets.parties import Address

SHOP = "+254700000881"  # a merchant's number


class Route(NamedTuple):
    path: str
    callback: Any

    @property
    def view(self) -> type[APIView] | None:
        """The API view behind it, None for pages that are not DRF's."""
        found = getattr(self.callback, "cls", None)
        return found if found and issubclass(found, APIView) else None

    @property
    def methods(self) -> list[str]:
        return [name.upper() for name in self.view.http_method_names if hasattr(self.view, name)] if self.view else []


def routes() -> list[Route]:
    return list(_walk(get_resolver().url_patterns))


def _walk(patterns: list[Any], prefix: str = "") -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, path)
        else:
            yield Route(path, pattern.callback)


class Mine(NamedTuple):
    """The ids of what one person owns, or of nothing at all."""

    wallet: UUID
    empty_wallet: UUID
    transaction: UUID
    notification: UUID
    session: UUID
    recall: UUID
    payment: UUID
    asked: str
    promised: UUID
    standing_order: UUID
    quote: UUID
    payout: UUID
    payout_approver: UUID
    hold: UUID
    password: str = PASSWORD

    @classmethod
    def nobody(cls) -> "Mine":
        return cls(*(uuid7() for _ in cls._fields[:-1]))


class Person(NamedTuple):
    customer: Customer
    mine: Mine
    token: str

    @property
    def private(self) -> list[str]:
        """What nobody else may read. Ids too: whoever cannot name a thing cannot ask for it."""
        customer, mine = self.customer, self.mine
        own = [customer.id, customer.email, customer.phone_number, customer.full_name, customer.password, *mine[:-1]]
        return [str(value) for value in own]


class World(NamedTuple):
    """Aline and Mallory each own one of everything; Eric is paid by both."""

    aline: Person
    mallory: Person
    eric: Wallet
    asked: str


def new_world() -> World:
    load_rates_of(today())
    three_providers()
    eric = new_wallet(full_name="Eric Habimana")
    new_wallet(full_name="Kibanda Fresh Foods", phone_number=SHOP, account_type=AccountType.SME)
    asked = create_request(NewRequest(wallet_id=eric.pk, currency="KES", max_uses=None), actor=somebody(eric))
    return World(person("Aline Mukamana", eric), person("Mallory Wanjiru", eric), eric, asked.spaced_code)


def person(full_name: str, payee: Wallet) -> Person:
    wallet = new_wallet(full_name=full_name, tier=2)
    customer = wallet.customer
    empty_wallet = new_wallet(customer, "USD")
    tokens = start_session(customer)
    other_session = Session.objects.create(customer=customer)
    fund(wallet, 500_000)
    paid = post_one(transfer(wallet, payee, 1_000)).or_raise()
    notification = Notification.objects.create(
        customer=customer, event=uuid4(), transaction=paid.transaction, kind="money_sent", title="Sent", body="KES 10"
    )
    assert paid.transaction
    fund(payee, 1_000)
    asked_back = post_one(transfer(payee, wallet, 700)).or_raise()
    assert asked_back.transaction
    recall = open_recall(asked_back.transaction, reason_code="fraud", note="He called.", actor=None)
    empty_statement(wallet)
    standing_order, _ = create_order(
        NewOrder(
            from_wallet_id=wallet.id, to=Address("wallet", str(payee.id)), amount=Money(100, wallet.currency),
            schedule=Schedule(frequency="daily", start_on=date.today() + timedelta(days=2)),
        ),
        actor=CustomerPrincipal(customer.id, other_session.id), idempotency_key=key(),
    )  # fmt: skip
    asked = asked_for(wallet, payee)
    quote = fx.services.quote(caller=f"customer:{customer.id}", sell="KES", buy="USD", sell_minor=1_300_00)
    mine = Mine(
        wallet.id, empty_wallet.id, paid.transaction, notification.id, other_session.id, recall.id,
        *asked, standing_order.id, quote.pk,
        *a_payout(wallet, payee), held(payee, wallet, 300),
    )  # fmt: skip
    return Person(customer, mine, tokens.access_token)


def a_payout(wallet: Wallet, payee: Wallet) -> tuple[UUID, UUID]:
    """One that waits for approval; and the payee has asked the owner to approve theirs."""
    customer = wallet.customer
    file = read_json([{"to": str(payee.id), "amount": "20.00"}], wallet.currency)
    paying = paying_wallet(customer.id, wallet.id)
    made: list[UUID] = []
    make_payout(
        PayoutOrder(wallet_id=wallet.id), file, paying, actor=CustomerPrincipal(customer.id, customer.id),
        idempotency_key=key(), shown=lambda batch: made.append(batch.pk) or {},
    )  # fmt: skip
    asked = Approver.objects.create(business=payee.customer, approver=customer, invited_at=now())
    return made[0], asked.pk


def asked_for(wallet: Wallet, payer: Wallet) -> tuple[UUID, str, UUID]:
    """A payment to the owner; the code of a request of theirs, and what was promised on it, for them to confirm."""
    made = [
        create_request(
            NewRequest(wallet_id=wallet.pk, currency="KES", max_uses=None, needs_confirmation=confirms),
            actor=somebody(wallet),
        )
        for confirms in (False, True)
    ]
    fund(payer, 1_800)
    paying = Paying(from_wallet_id=payer.pk, amount=900)
    paid, promised = (
        pay_request(one, paying, actor=somebody(payer), idempotency_key=key(), post=post_one).or_raise().transaction
        for one in made
    )
    assert paid and promised
    return paid, made[1].spaced_code, promised


def somebody(wallet: Wallet) -> CustomerPrincipal:
    return CustomerPrincipal(wallet.customer_id, Session.objects.create(customer=wallet.customer).pk)


class Ask(NamedTuple):
    """One request: what fills the path, the query, the body, and whether it wants an Idempotency-Key, or which."""

    path: dict[str, Any] = {}
    query: dict[str, Any] = {}
    body: dict[str, Any] | None = None
    keyed: bool | str = False


def send(door: str, ask: Ask, token: str | None = None, client: Client | None = None) -> HttpResponse:
    """Knock at ``"POST v1/transfers"``."""
    method, _, pattern = door.partition(" ")
    path = "/" + re.sub(r"<\w+:(\w+)>", lambda converter: str(ask.path[converter[1]]), pattern)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if ask.keyed:
        headers["Idempotency-Key"] = ask.keyed if isinstance(ask.keyed, str) else key()
    return (client or Client(raise_request_exception=False)).generic(
        method,
        path,
        b"" if ask.body is None else json.dumps(ask.body, default=str).encode(),
        content_type="application/json",
        query_params=ask.query,
        headers=headers,
    )
