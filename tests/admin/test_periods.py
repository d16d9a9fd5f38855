"""Finance closes the books; what came too late is found on the page of the close."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ledger.models import PeriodClose
from ledger.services import keep_proof
from tests.admin.conftest import World
from tests.ledger.test_periods import come_in

pytestmark = pytest.mark.django_db
LIST = "/admin/ledger/periodclose/"


def close(client: Client, day: object, note: str = "October is done") -> str:
    url = reverse("admin:ledger_periodclose_close_period")
    return client.post(url, {"through": str(day), "reason": note}, follow=True).content.decode()


def test_finance_closes_a_day_and_finds_what_came_too_late(finance: Client, world: World) -> None:
    yesterday = timezone.now().date() - timedelta(days=1)
    keep_proof(at=timezone.now(), findings=[], counts={}, milliseconds=1)

    assert "The books are closed through that day." in close(finance, yesterday)

    closed = PeriodClose.objects.first()
    assert closed is not None and closed.last_day == yesterday and closed.note == "October is done"
    assert f"{yesterday:%A, %d %B %Y}" in finance.get(LIST).content.decode()
    page = f"{LIST}{closed.pk}/change/"
    assert "Nothing came in for these days" in finance.get(page).content.decode()
    late = come_in(world.wallet, yesterday)
    assert late.reference in finance.get(page).content.decode()
    assert "Came too late for" in finance.get(f"/admin/ledger/journal/{late.pk}/change/").content.decode()


def test_a_close_that_cannot_be_says_why(finance: Client, world: World) -> None:
    today = timezone.now().date()
    assert "This period is not over yet" in close(finance, today)
    assert "The books are not proven" in close(finance, today - timedelta(days=1))
    assert "closed already" in close(finance, "2019-06-30")
    assert "This field is required." in close(finance, "")
    assert PeriodClose.objects.count() == 1


def test_support_closes_nothing(support: Client, world: World) -> None:
    assert support.get(LIST).status_code == 403
    assert support.post(reverse("admin:ledger_periodclose_close_period"), {}).status_code == 403
