"""What the dashboard keeps: the same as made on the spot, of one moment, said to be of it."""

from datetime import timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

import ledger.selectors
from customers.models import Customer
from reports import figures
from reports.models import KeptFigure
from reports.tasks import keep_figures
from tests.books import fund
from tests.factories import new_wallet
from tests.reports.conftest import World


def panels(client: Client) -> dict[str, Any]:
    context = client.get(reverse("admin:index")).context
    return {panel.title: panel for panel in [*context["urgent_panels"], *context["panels"], *context["side_panels"]]}


def test_what_is_kept_is_what_is_made_on_the_spot(world: World) -> None:
    fresh = figures.figures(now())

    keep_figures()
    kept = figures.figures(now())

    assert fresh.at is None
    assert kept.at is not None
    assert kept[1:] == fresh[1:]
    assert kept.coverage == ledger.selectors.coverage()
    assert kept.trial_balance == ledger.selectors.trial_balance()
    assert {one.account_type: one.all for one in kept.segments} == {"individual": Customer.objects.count()}


def test_what_is_kept_stays_until_it_is_made_anew(world: World) -> None:
    keep_figures()
    before = figures.figures(now())
    fund(new_wallet(), 77_00)

    between = figures.figures(now())
    keep_figures()
    after = figures.figures(now())

    assert between == before
    assert after.coverage != before.coverage
    assert after.at > before.at
    assert KeptFigure.objects.count() == len(figures.MAKERS)


def test_the_dashboard_says_of_when_its_figures_are(finance: Client, world: World) -> None:
    live = set(panels(finance))
    keep_figures()
    KeptFigure.objects.update(at=now() - timedelta(hours=3))

    kept = panels(finance)

    (books,) = [title for title in kept if title.startswith("Books")]
    assert "Books" in live
    assert books != "Books"
    assert books.endswith("UTC")
    assert f"{now() - timedelta(hours=3):%H:}" in books
