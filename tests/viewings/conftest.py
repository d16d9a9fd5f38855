"""Grace of support, at whose desk customers are viewed, and the small world of the back office."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.admin.conftest import count as count
from tests.admin.conftest import staff as staff
from tests.admin.conftest import world as world
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


def pages_of(viewing: Viewing, world: World) -> dict[str, str]:
    """Every page of the view, about what is Wanjiku's."""
    return {
        "home": page("home", viewing),
        "history": page("history", viewing, world.wallet.pk),
        "transaction": page("transaction", viewing, world.sent.pk),
        "notifications": page("notifications", viewing),
        "recalls": page("recalls", viewing),
        "accesses": page("accesses", viewing),
    }
