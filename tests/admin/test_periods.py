"""Finance asks for closing the books, a colleague decides; what came too late is found on the page of the close."""

from datetime import date, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import PeriodClose
from ledger.selectors import latest_proof
from ledger.services import keep_proof
from reports.models import DailyProof
from reports.proofs import sign_off
from staff.approvals import approve
from staff.errors import ApprovalStale
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World, client_of
from tests.factories import fresh
from tests.ledger.test_periods import come_in

pytestmark = pytest.mark.django_db
LIST = "/admin/ledger/periodclose/"
YESTERDAY = timezone.now().date() - timedelta(days=1)


def ask(client: Client, day: object, note: str = "October is done") -> str:
    url = reverse("admin:ledger_periodclose_close_period")
    return client.post(url, {"through": str(day), "reason": note}, follow=True).content.decode()


@pytest.fixture
def proven(world: World) -> None:
    """In the past something came in for yesterday; the books are proven now."""
    come_in(world.wallet, YESTERDAY)
    keep_proof(at=timezone.now(), findings=[], counts={}, milliseconds=1)


def daily_proof(day: date, *, ok: bool = True) -> DailyProof:
    books = latest_proof()
    assert books is not None
    return DailyProof.objects.create(day=day, ok=ok, figures=[], findings=[], books_id=books[0], sha256="1" * 64)


def test_finance_asks_and_a_colleague_closes(finance: Client, proven: None, world: World, checker: Client) -> None:
    shown = ask(finance, YESTERDAY)
    assert "waits for a second person" in shown
    assert "KES, debits" in shown and "KES 5.00" in shown  # what came in for that day
    assert PeriodClose.objects.count() == 1

    approval = Approval.objects.get(operation="close_period")
    form = checker.get(reverse("admin:staff_approval_approve", args=[approval.pk])).context["form"]
    checker.post(
        reverse("admin:staff_approval_approve", args=[approval.pk]), {"agreed": form["agreed"].initial, "comment": ""}
    )

    closed = PeriodClose.objects.first()
    assert closed is not None and closed.last_day == YESTERDAY and closed.note == "October is done"
    assert "approved by" in finance.get(LIST).content.decode()
    page = f"{LIST}{closed.pk}/change/"
    assert "Nothing came in for these days" in finance.get(page).content.decode()
    late = come_in(world.wallet, YESTERDAY - timedelta(days=1))
    assert late.reference in finance.get(page).content.decode()
    assert "Came too late for" in finance.get(f"/admin/ledger/journal/{late.pk}/change/").content.decode()


def test_what_comes_in_for_the_period_meanwhile_makes_the_request_stale(
    finance: Client, proven: None, world: World, staff: dict[str, User]
) -> None:
    ask(finance, YESTERDAY)
    approval = Approval.objects.get(operation="close_period")
    come_in(world.wallet, YESTERDAY - timedelta(days=1))

    with pytest.raises(ApprovalStale):
        approve(approval.pk, actor=staff[Role.FINANCE_CHECKER])

    assert PeriodClose.objects.count() == 1 and fresh(approval).state == "open"


def test_what_goes_on_today_does_not(finance: Client, proven: None, world: World, staff: dict[str, User]) -> None:
    ask(finance, YESTERDAY)
    world.send(5_00)

    approve(Approval.objects.get(operation="close_period").pk, actor=staff[Role.FINANCE_CHECKER])

    assert PeriodClose.objects.count() == 2


def test_a_break_that_nobody_answers_for_is_in_the_way(
    finance: Client, proven: None, world: World, staff: dict[str, User]
) -> None:
    unsigned, broken = daily_proof(YESTERDAY - timedelta(days=1)), daily_proof(YESTERDAY, ok=False)

    assert "A daily proof of this period found a break" in ask(finance, YESTERDAY)
    assert not Approval.objects.filter(operation="close_period").exists()
    sign_off(broken, actor=staff[Role.FINANCE_CHECKER], note="A rounding of the bank's; written off.")

    shown = ask(finance, YESTERDAY)
    assert "waits for a second person" in shown
    assert "1 of 3" in shown and "Not signed off" in shown and f"{unsigned.day:%-d %b %Y}" in shown


def test_a_close_that_cannot_be_says_why(finance: Client, world: World) -> None:
    today = timezone.now().date()
    assert "This period is not over yet" in ask(finance, today)
    assert "31 Dec 9999 is over ten minutes after midnight" in ask(finance, "9999-12-31")
    assert "The books are not proven" in ask(finance, YESTERDAY)
    assert "closed already" in ask(finance, "2019-06-30")
    assert "This field is required." in ask(finance, "")
    assert PeriodClose.objects.count() == 1 and not Approval.objects.filter(operation="close_period").exists()


def test_who_closes_periods(support: Client, checker: Client, world: World, staff: dict[str, User]) -> None:
    assert support.get(LIST).status_code == 403
    for client in (support, checker, client_of(staff[Role.AUDITOR])):
        assert client.post(reverse("admin:ledger_periodclose_close_period"), {}).status_code == 403
