"""What staff see of standing orders, what they do with them, and how two of them change a calendar."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from schedules.models import Holiday, OrderRun, StandingOrder
from schedules.selectors import calendar_of
from schedules.services import pause_order
from staff.approvals import approve
from staff.models import Approval
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.books import fund
from tests.factories import fresh
from tests.schedules.conftest import morning, run_at, states, today

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def url(name: str, pk: Any = None) -> str:
    return reverse(f"admin:schedules_{name}", args=[pk] if pk else [])


@pytest.fixture
def operations(db: None) -> Client:
    return client_of(member(Role.OPERATIONS))


@pytest.fixture
def daily(order: Callable[..., StandingOrder], aline: Any) -> StandingOrder:
    """Paid once, then without money."""
    fund(aline, 1_000)
    made = order(memo="bread, or call +250788123456")
    run_at(morning(today() + DAY))
    run_at(morning(today() + 2 * DAY))
    return made


def test_the_page_tells_the_story(operations: Client, daily: StandingOrder) -> None:
    page = operations.get(url("standingorder_change", daily.pk)).content.decode()

    for said in (
        "Standing order to Eric Habimana", "Aline Mukamana", "each day", "Active", "Next dates", "Waits for money",
        "Not enough money: tried again later", "Set up", "Your standing order waits for money", "Africa/Kigali",
    ):  # fmt: skip
        assert said in page, said
    assert "+250788123456" not in page, "a number in a memo is masked"
    paid = OrderRun.objects.get(state="completed")
    assert paid.transaction and reverse("admin:transactions_transaction_change", args=[paid.transaction_id]) in page


def test_other_pages_lead_to_it(operations: Client, daily: StandingOrder, aline: Any) -> None:
    paid, waits = OrderRun.objects.order_by("due_on")
    pages = [
        reverse("admin:customers_customer_change", args=[aline.customer_id]),
        reverse("admin:wallets_wallet_change", args=[aline.pk]),
        reverse("admin:transactions_transaction_change", args=[paid.transaction_id]),
        reverse("admin:transactions_transaction_change", args=[waits.transaction_id]),
        url("orderrun_change", waits.pk),
    ]

    for page in pages:
        assert url("standingorder_change", daily.pk) in operations.get(page).content.decode(), page


def test_lists_say_what_each_pays_and_which_were_not_paid(operations: Client, daily: StandingOrder) -> None:
    orders = operations.get(url("standingorder_changelist"), {"q": str(daily.customer_id), "state": "active"})
    runs = operations.get(url("orderrun_changelist"), {"state": "due", "q": str(daily.pk)}).content.decode()
    none = operations.get(url("orderrun_changelist"), {"state": "not_paid"}).content.decode()

    assert "1,000" in orders.content.decode() and "Each day" in orders.content.decode()
    assert "Waits for money" in runs and "Not enough money available" in runs
    assert "Aline Mukamana" not in none


def test_orders_are_found_by_people_and_by_what_is_next(operations: Client, order: Any, aline: Any, eric: Any) -> None:
    weekly = order(frequency="weekly", start_on=today() + 20 * DAY)
    address = url("standingorder_changelist")

    def found(**asked: str) -> bool:
        page = operations.get(address, asked)
        assert page.status_code == 200
        return url("standingorder_change", weekly.pk) in page.content.decode()

    for person in (aline.customer, eric.customer):
        assert found(q=person.phone_number) and found(q=person.full_name) and found(q=str(person.pk))
    assert not found(q="+250788777777") and not found(q="nobody@example.com")
    assert found(currency="RWF", customer__country="RW") and not found(currency="KES")
    assert not found(customer__country="KE") and not found(next="week")
    assert not found(state="paused_by_us")
    pause_order(weekly.pk, actor=member(Role.COMPLIANCE), reason="x")
    assert found(state="paused_by_us") and not found(state="paused_by_itself")
    page = operations.get(address).content.decode()
    assert f"Each week on {weekly.start_on:%A}" in page and "By day it was set up (UTC)" in page


def test_a_page_costs_the_same_for_many_runs(operations: Client, daily: StandingOrder, statements: list[str]) -> None:
    def counted() -> int:
        operations.get(url("standingorder_change", daily.pk))
        statements.clear()
        assert operations.get(url("standingorder_change", daily.pk)).status_code == 200
        return len(statements)

    few = counted()
    for days in range(3, 9):
        run_at(morning(today() + days * DAY))

    assert counted() == few


def test_operations_pause_it_with_a_reason_and_let_it_go_on(operations: Client, daily: StandingOrder) -> None:
    pause, resume = url("standingorder_pause", daily.pk), url("standingorder_resume", daily.pk)
    assert operations.post(pause, {"reason": ""}).status_code == 200
    assert fresh(daily).state == "active"

    operations.post(pause, {"reason": "The recipient is suspected of fraud."})

    assert (fresh(daily).state, fresh(daily).paused_by[:6]) == ("paused", "staff:")
    assert states(daily) == ["completed", "stopped"]
    page = operations.get(url("standingorder_change", daily.pk)).content.decode()
    assert "Paused by Operations Person" in page and "suspected of fraud" in page
    operations.post(resume, {"reason": "It was not."})
    assert fresh(daily).state == "active"


def test_finance_sees_and_does_not_steer(daily: StandingOrder) -> None:
    finance = client_of(member(Role.FINANCE))

    assert finance.get(url("standingorder_change", daily.pk)).status_code == 200
    assert finance.post(url("standingorder_pause", daily.pk), {"reason": "x"}).status_code == 403


def test_two_people_enter_a_holiday(operations: Client) -> None:
    day = date(today().year + 1, 8, 14)
    before = calendar_of("RW").holiday(day)
    params = {"country": "RW", "day": str(day), "name": "Election day"}
    operations.post(url("holiday_propose"), params | {"reason": "Gazette no. 12"})
    asked = Approval.objects.get(operation="calendar_entry")
    assert not Holiday.objects.exists()

    approve(asked.pk, comment="Seen.", actor=member(Role.FINANCE_CHECKER))

    assert (before, calendar_of("RW").holiday(day)) == ("", "Election day")
    assert "Election day" in operations.get(url("holiday_changelist")).content.decode()
    country = operations.get(reverse("admin:customers_country_change", args=["RW"])).content.decode()
    assert "Election day" in country and "Umuganura Day" in country and "Saturday, Sunday" in country
    again = operations.post(url("holiday_propose"), params | {"reason": "once more"}).content.decode()
    assert "The calendar says so already" in again


def test_a_day_that_makes_no_sense_is_refused(operations: Client) -> None:
    long_ago = {"country": "RW", "day": "2020-01-01", "name": "x", "reason": "x"}
    none = {"country": "RW", "day": f"{today().year + 1}-02-17", "name": "", "reason": "x"}

    assert "makes no sense" in operations.post(url("holiday_propose"), long_ago).content.decode()
    assert "says so already" in operations.post(url("holiday_propose"), none).content.decode()
    assert not Approval.objects.exists()
