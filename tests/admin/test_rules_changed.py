"""New fees and limits: asked for by one, made when another approves, counted from their day on, by every movement."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from customers.models import TierLimit
from customers.services import add_tier_limit
from staff.approvals import approve
from staff.errors import ApprovalNeeded
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, transfer
from transactions import tariff
from transactions.models import FeeRule
from transactions.posting import post_one
from transactions.services.fees import add_fee_rule

Form = dict[str, Any]


def today() -> date:
    return now().date()


@pytest.fixture(autouse=True)
def _fresh_tariff() -> Any:
    tariff.forget()
    yield
    tariff.forget()


@pytest.fixture
def fee(db: None) -> Form:
    return {
        "kind": "transfer", "currency": "KES", "flat": "10", "part": "0.5", "effective_from": str(today()),
        "reason": "Board decision 12",
    }  # fmt: skip


@pytest.fixture
def limits(db: None) -> Form:
    return {
        "country": "", "currency": "KES", "tier": "0", "per_movement": "500", "per_day": "1,000.00",
        "per_month": "20,000", "balance": "none", "effective_from": str(today()), "source": "Circular 3 of 2026",
        "reason": "The regulator asks for it",
    }  # fmt: skip


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


def approved(client: Client) -> Approval:
    approval = Approval.objects.exclude(operation="reversal").get()
    page = url("staff_approval_approve", approval.pk)
    answer = client.post(page, {"agreed": approval.digest, "comment": ""}, follow=True)
    assert "Approved and done." in answer.text
    return approval


# --- Fees ------------------------------------------------------------------------------------------------------------


def test_a_new_fee_is_asked_for_seen_and_counts_when_approved(
    finance: Client, administrator: Client, world: World, fee: Form, staff: dict[str, User]
) -> None:
    before = FeeRule.objects.count()
    dialog = finance.get(url("transactions_feerule_propose")).text
    answer = finance.post(url("transactions_feerule_propose"), fee, follow=True)

    assert "This will ask for a second person" in dialog
    assert "Asked for." in answer.text
    assert FeeRule.objects.count() == before
    assert post_one(transfer(world.wallet, world.johns, 1_000_00)).or_raise().fee == 0
    approval = Approval.objects.get(operation="fee_rule")
    page = administrator.get(url("staff_approval_change", approval.pk)).text
    for said in (
        "KES 0.00 → KES 10.00",
        "0.00 % → 0.50 %",
        "On KES 1,000.00",
        "KES 0.00 → KES 15.00",
        "further notice",
    ):
        assert said in page, said

    approved(administrator)
    tariff.forget()  # as each process does within a second

    assert FeeRule.objects.count() == before + 1
    assert post_one(transfer(world.wallet, world.johns, 1_000_00)).or_raise().fee == 15_00
    record = AuditRecord.objects.get(action="add_fee_rule")
    assert (record.actor, record.reason) == (staff[Role.FINANCE].principal, fee["reason"])
    assert record.after["approved_by"] == staff[Role.ADMINISTRATOR].principal
    assert_books_balance()


def test_a_fees_own_page_begins_with_its_figures_and_shows_what_waits(finance: Client, world: World) -> None:
    rule = FeeRule.objects.create(kind="transfer", currency="KES", flat=5_00, bps=125, effective_from=today())

    form = finance.get(url("transactions_feerule_propose_next", rule.pk)).context["form"]
    typed = {name: form[name].initial for name in ("kind", "currency", "flat", "part", "effective_from")}
    finance.post(url("transactions_feerule_propose_next", rule.pk), {**typed, "flat": "7", "reason": "dearer"})

    assert (typed["flat"], typed["part"]) == ("5.00", "1.25")
    page = finance.get(url("transactions_feerule_change", rule.pk)).text
    assert "Waiting for approval since" in page
    assert "Fee of a transfer in KES, from" in page
    approval = Approval.objects.get(operation="fee_rule")
    assert ["Flat", "KES 5.00 → KES 7.00"] in approval.preview["facts"]
    assert ["Part of the amount", "1.25 %"] in approval.preview["facts"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"flat": "1.005"}, "KES has 2 decimals"),
        ({"flat": "a bit"}, "is not an amount of money"),
        ({"flat": "-1"}, "A fee is nothing or more"),
        ({"part": "1.255"}, "A percentage with at most two decimals"),
        ({"part": "101"}, "no more than the whole amount"),
        ({"kind": "reversal"}, "Select a valid choice"),
        ({"currency": "XXX"}, "Select a valid choice"),
        ({"effective_from": "2020-01-01"}, "The day has passed"),
        ({"effective_from": "soon"}, "Enter a valid date"),
        ({"reason": " "}, "This field is required"),
        ({"flat": ""}, "This field is required"),
    ],
)
def test_a_fee_that_cannot_be_is_explained(finance: Client, world: World, fee: Form, changed: Form, said: str) -> None:
    answer = finance.post(url("transactions_feerule_propose"), fee | changed)

    assert said in answer.text
    assert not Approval.objects.filter(operation="fee_rule").exists()


def test_a_day_that_is_taken_is_refused_and_an_earlier_row_makes_it_stale(
    finance: Client, administrator: Client, world: World, fee: Form
) -> None:
    tomorrow = today() + timedelta(days=1)
    FeeRule.objects.create(kind="transfer", currency="KES", flat=1, bps=0, effective_from=tomorrow)
    taken = finance.post(url("transactions_feerule_propose"), fee | {"effective_from": str(tomorrow)})
    finance.post(url("transactions_feerule_propose"), fee | {"effective_from": str(tomorrow + timedelta(days=2))})
    approval = Approval.objects.get(operation="fee_rule")
    FeeRule.objects.create(kind="transfer", currency="KES", flat=2, bps=0, effective_from=tomorrow + timedelta(days=1))

    answer = administrator.post(url("staff_approval_approve", approval.pk), {"agreed": approval.digest, "comment": ""})

    assert "Something else begins on that day already" in taken.text
    assert "Things have changed since this was asked for" in answer.text


def test_nobody_of_staff_adds_a_fee_or_limit_alone(world: World, staff: dict[str, User]) -> None:
    for who in staff.values():
        with pytest.raises(ApprovalNeeded):
            add_fee_rule(kind="transfer", currency="KES", flat=0, bps=0, effective_from=today(), actor=who)
        with pytest.raises(ApprovalNeeded):
            add_tier_limit(
                country=None, currency="KES", tier=0, per_movement=None, per_day=None, per_month=None, balance=None,
                effective_from=today(), source="x", actor=who,
            )  # fmt: skip


def test_support_neither_asks_for_nor_decides_rules(support: Client, world: World, fee: Form, limits: Form) -> None:
    assert support.post(url("transactions_feerule_propose"), fee).status_code == 403
    assert support.post(url("customers_tierlimit_propose"), limits).status_code == 403
    assert "New fee" not in support.get(url("transactions_feerule_changelist")).text


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_new_limits_are_asked_for_seen_and_count_when_approved(
    checker: Client, administrator: Client, world: World, limits: Form, staff: dict[str, User]
) -> None:
    answer = administrator.post(url("customers_tierlimit_propose"), limits | {"country": "KE"}, follow=True)
    assert "Asked for." in answer.text
    assert post_one(transfer(world.wallet, world.johns, 600_00)).error is None
    approval = Approval.objects.get(operation="tier_limit")
    page = checker.get(url("staff_approval_change", approval.pk)).text
    for said in (
        "Limits of tier 0 in KES, Kenya", "→ KES 500.00", "→ KES 1,000.00", "→ no limit", "Circular 3 of 2026",
        "Customers whom it concerns",
    ):  # fmt: skip
        assert said in page, said

    approved(checker)
    tariff.forget()

    row = TierLimit.objects.latest("pk")
    assert (row.per_movement, row.per_day, row.per_month, row.balance) == (500_00, 1_000_00, 20_000_00, None)
    refused = post_one(transfer(world.wallet, world.johns, 600_00))
    assert refused.error is not None
    assert refused.error.code == "limit_exceeded"
    record = AuditRecord.objects.get(action="add_tier_limit")
    assert (record.actor, record.after["approved_by"]) == (
        staff[Role.ADMINISTRATOR].principal, staff[Role.FINANCE_CHECKER].principal,
    )  # fmt: skip
    assert_books_balance()


def test_a_countrys_own_limits_go_before_those_of_everywhere_else(
    checker: Client, administrator: Client, world: World, limits: Form
) -> None:
    administrator.post(url("customers_tierlimit_propose"), limits)
    approval = Approval.objects.get(operation="tier_limit")
    assert ["Where", "everywhere else"] in approval.preview["facts"]
    assert ["Customers whom it concerns", "0"] in approval.preview["context"]  # both are in Kenya

    approved(checker)
    tariff.forget()

    assert post_one(transfer(world.wallet, world.johns, 600_00)).error is None
    assert TierLimit.objects.latest("pk").country is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"per_movement": "5000"}, "These limits do not fit together"),
        ({"per_day": "0"}, "These limits do not fit together"),
        ({"per_month": ""}, "This field is required"),
        ({"balance": "much"}, "is not an amount of money"),
        ({"tier": "9"}, "Select a valid choice"),
        ({"country": "XX"}, "Select a valid choice"),
        ({"source": ""}, "This field is required"),
        ({"effective_from": "2020-01-01"}, "The day has passed"),
    ],
)
def test_limits_that_cannot_be_are_explained(
    finance: Client, world: World, limits: Form, changed: Form, said: str
) -> None:
    answer = finance.post(url("customers_tierlimit_propose"), limits | changed)

    assert said in answer.text
    assert not Approval.objects.filter(operation="tier_limit").exists()


def test_a_rows_own_page_begins_with_its_figures(finance: Client, world: World) -> None:
    row = TierLimit.objects.filter(currency="KES", tier=0, country=None).latest("effective_from")

    form = finance.get(url("customers_tierlimit_propose_next", row.pk)).context["form"]

    assert form["currency"].initial == "KES"
    assert form["per_movement"].initial.replace(".", "").isdigit()


def test_a_day_that_passed_while_it_waited_is_refused(
    world: World, finance: Client, fee: Form, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    finance.post(url("transactions_feerule_propose"), fee)
    approval = Approval.objects.get(operation="fee_rule")
    later = now() + timedelta(days=2)

    class Later:
        @staticmethod
        def now(zone: Any) -> Any:
            return later

    monkeypatch.setattr("customers.services.datetime", Later)

    with pytest.raises(Exception, match="has passed"):
        approve(approval.pk, actor=staff[Role.ADMINISTRATOR])

    assert not FeeRule.objects.filter(flat=10_00).exists()
