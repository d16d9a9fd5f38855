"""Pages that are about no single row: each, tried by every role, opens for whom the role says, and only shows."""

from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from core.admin.places import places
from payouts.models import Batch
from reports.models import DailyProof
from staff.models import User
from staff.roles import PERMISSIONS, Role
from statements.models import Statement
from tests.admin.conftest import World, client_of
from viewings.models import Viewing

# What an address needs beside its name, in order. A place that needs more has a row here.
ARGS = {
    "statements_make": "wallet",
    "statements_file": "wallet",
    "statements_kept_file": "statement",
    "reports_proof_pdf": "proof",
    "notes_file": "note",
    "payouts_items": "payout",
    "fx_pair": "pair",
    "viewings_home": "viewing",
    "viewings_history": "viewing wallet",
    "viewings_transaction": "viewing transaction",
    "viewings_notifications": "viewing",
    "viewings_recalls": "viewing",
    "viewings_accesses": "viewing",
    "viewings_statements": "viewing wallet",
    "viewings_kept": "viewing wallet number",
    "viewings_takings": "viewing wallet",
    "viewings_prices": "viewing",
    "viewings_requests": "viewing",
    "viewings_request": "viewing code",
    "viewings_orders": "viewing",
    "viewings_holds": "viewing",
    "viewings_payouts": "viewing",
    **dict.fromkeys(["viewings_order", "viewings_hold", "viewings_payout", "viewings_quote"], "viewing nothing"),
}
NAMES = sorted(one.name for one in places())


def address(name: str, world: World) -> str:
    args: dict[str, Any] = {
        "wallet": world.wallet.pk,
        "proof": DailyProof.objects.values_list("pk", flat=True).first(),
        "note": UUID(int=7),
        "payout": Batch.objects.values_list("pk", flat=True).first(),
        "statement": Statement.objects.values_list("pk", flat=True).first(),
        "pair": "USD-KES",
        "transaction": world.sent.pk,
        "code": "NOSUCHCODE",
        "number": 1,
        "nothing": UUID(int=7),
        "viewing": Viewing.objects.values_list("pk", flat=True).first(),
    }
    return reverse(f"admin:{name}", args=[args[one] for one in ARGS.get(name, "").split()])


@pytest.mark.parametrize("name", NAMES)
def test_a_place_opens_for_whom_the_role_says(name: str, world: World, staff: dict[str, User]) -> None:
    ((permission, acts),) = {(one.permission, one.acts) for one in places() if one.name == name}
    url = address(name, world)
    for role in Role.values:
        client = client_of(staff[role])
        allowed = permission in PERMISSIONS[role]
        # 302: it was asked for nothing, and leads to where one asks; 404: no such note; 409: a view that is over
        methods = {name: getattr(client, name) for name in ("get", "post", "put", "patch", "delete")}
        opened = methods.pop("post" if acts else "get")(url)
        assert opened.status_code in ({200, 302, 404, 409} if allowed else {403}), role
        for method in methods.values():
            assert method(url).status_code == (405 if allowed else 403), role
    answer = Client().get(url)
    assert answer.status_code == 302 and "/login/" in answer["Location"]


def test_there_are_places() -> None:
    """The control."""
    assert {"reports_trial_balance", "reports_ledger", "reports_balance", "reports_books_now"} <= set(NAMES)
