"""What staff see of a payout: what was refused first, all items page by page, and the way there from a transaction."""

from typing import Any

import pytest
from django.urls import reverse

from payouts import admin, running
from payouts.models import Item
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of
from tests.books import key
from tests.payouts.conftest import Person, lines, person
from wallets.services import freeze_wallet


def test_a_payout_shows_what_was_refused_first_and_leads_both_ways(
    db: None, staff_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "ITEMS_SHOWN", 2)
    monkeypatch.setattr(admin, "A_PAGE", 2)
    staff, owner = staff_of(5), person(1_000_00, full_name="Grace Achieng")
    freeze_wallet(staff[3], mode="both", reason="stolen phone", actor=None)
    items = lines(staff, 10_00)
    made = owner.make(items, key=key(), label="Rent of +254712345687").json()["payout_id"]
    owner.post(f"/{made}/approve", key=key())
    running.run_due()
    client = client_of(User.objects.create_user("otieno", None, Role.OPERATIONS, full_name="Otieno"))

    page = client.get(reverse("admin:payouts_batch_change", args=[made])).text
    first = client.get(reverse("admin:payouts_items", args=[made]))
    refused = client.get(reverse("admin:payouts_items", args=[made]), {"state": "refused", "after": "junk"})
    paid = Item.objects.filter(batch=made, state="paid").first()
    assert paid
    transaction = client.get(reverse("admin:transactions_transaction_change", args=[paid.transaction_id])).text

    assert "4 of 5 paid, 1 refused" in page and "+254712345687" not in page
    shown = page[page.index("All items") :]
    assert shown.index("The recipient cannot receive") < shown.index("paid")
    assert [row[0] for row in first.context["panel"].rows] == [1, 2] and first.context["next"].endswith("after=2")
    assert [row[0] for row in refused.context["panel"].rows] == [4] and refused.context["next"] == ""
    assert all(wallet.customer.phone_number not in first.text for wallet in staff)
    assert reverse("admin:payouts_batch_change", args=[made]) in transaction
    assert client.get(reverse("admin:payouts_batch_changelist"), {"q": made}).status_code == 200


def test_a_page_takes_the_same_statements_however_many_items_there_are(
    business: Person, staff_of: Any, statements: list[str]
) -> None:
    client = client_of(User.objects.create_user("otieno", None, Role.OPERATIONS, full_name="Otieno"))
    counted = []
    for count in (1, 1, 9):  # the first fills what is read once per process
        made = business.make(lines(staff_of(count), 1_00), key=key()).json()["payout_id"]
        statements.clear()
        assert client.get(reverse("admin:payouts_batch_change", args=[made])).status_code == 200
        counted.append(len(statements))

    assert counted[1] == counted[2], counted
