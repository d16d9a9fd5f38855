"""Grace of support, at whose desk customers are viewed, and the small world of the back office."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from fx.models import Quote
from payments.models import PaymentRequest
from payments.services import NewRequest, create_request
from payouts.models import Batch
from schedules.models import StandingOrder
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.admin.conftest import count as count
from tests.admin.conftest import staff as staff
from tests.admin.conftest import world as world
from tests.api.doors import somebody
from transactions.models import Transaction
from viewings.models import Viewing

START = "admin:viewings_viewing_start"


@pytest.fixture
def grace(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.SUPPORT])


def begin(client: Client, customer: Any, **said: str) -> Viewing:
    """Through the dialog; the view that began."""
    asked = {"customer": str(customer.pk), "why": "asked", "note": "ticket 4711: cannot see the rent"} | said
    answer = client.post(reverse(START), asked)
    assert answer.status_code == 302, answer.context["form"].errors
    found = Viewing.objects.latest("pk")
    assert answer["Location"] == page("home", found)
    return found


def page(name: str, viewing: Viewing | UUID, *ids: Any) -> str:
    return reverse(f"admin:viewings_{name}", args=[getattr(viewing, "pk", viewing), *ids])


@pytest.fixture
def viewing(grace: Client, world: World) -> Viewing:
    return begin(grace, world.wanjiku)


def pages_about(
    viewing: Viewing, *, wallet: Any, transaction: Any, asked: str, order: Any, hold: Any, payout: Any, quote: Any
) -> dict[str, str]:
    """Every page of the view, about these."""
    about = {
        "history": wallet, "statements": wallet, "takings": wallet, "transaction": transaction, "request": asked,
        "order": order, "hold": hold, "payout": payout, "quote": quote,
    }  # fmt: skip
    lists = (
        "home", "requests", "orders", "holds", "payouts", "prices", "notifications", "recalls", "accesses",
    )  # fmt: skip
    found = {name: page(name, viewing) for name in lists} | {"kept": page("kept", viewing, wallet, 1)}
    return found | {name: page(name, viewing, pk) for name, pk in about.items()}


def pages_of(viewing: Viewing, world: World) -> dict[str, str]:
    """Every page of the view, about what is Wanjiku's."""
    hers = world.wanjiku
    asked = PaymentRequest.objects.filter(customer=hers).first() or create_request(
        NewRequest(wallet_id=world.wallet.pk, currency="KES", least=5_00, description="Call 0712345679"),
        actor=somebody(world.wallet),
    )
    hold = Transaction.objects.filter(kind="hold", payer=world.wallet).first() or world.promised(70_00)
    return pages_about(
        viewing, wallet=world.wallet.pk, transaction=world.sent.pk, asked=asked.spaced_code, hold=hold.pk,
        order=StandingOrder.objects.get(customer=hers).pk, payout=Batch.objects.get(customer=hers).pk,
        quote=Quote.objects.filter(caller=hers.principal, use=None).get().pk,
    )  # fmt: skip
