"""Prices in a browser: the matrix, a price with its examples, one tried on what was, what fees brought; waiving."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from staff.roles import Role
from tests.books import fund, transfer
from tests.factories import new_wallet
from tests.journeys import test_admin_browser as support
from tests.journeys.looks import well_seen
from transactions import tariff
from transactions.models import FeeRule, PriceTrial, Transaction, WaivedFee
from transactions.posting import post_one
from transactions.services.price_trials import run_trial

pytestmark = [*support.pytestmark, pytest.mark.django_db(transaction=True)]
browser, troubles = support.browser, support.troubles


@pytest.fixture
def sent(transactional_db: None) -> Iterator[Transaction]:
    """A transfer of KES 2,000.00 at a price with bands that both sides bear."""
    FeeRule.objects.create(
        kind="transfer", currency="KES", effective_from=now().date(), flat=10_00, most=90_00, payee_bps=4_000,
        bands=[[1_000_00, 25_00, 50]], bands_are="whole",
    )  # fmt: skip
    FeeRule.objects.create(kind="transfer", currency="KES", effective_from=now().date(), tier=2, flat=5_00)
    tariff.forget()
    payer, payee = new_wallet(full_name="Wanjiku Kamau"), new_wallet(full_name="John Otieno")
    fund(payer, 10_000_00)
    yield Transaction.objects.get(pk=post_one(transfer(payer, payee, 2_000_00)).or_raise().transaction)
    tariff.forget()


def open_menu(page: Any, name: str) -> None:
    page.locator("#nav-sidebar").get_by_role("link", name=name, exact=True).click()


def test_prices_are_read_tried_and_seen_in_what_they_brought(
    sent: Transaction, browser: Any, live_server: Any, troubles: list[str]
) -> None:
    with support.desk_of("faith", Role.FINANCE, browser, live_server, troubles) as page:
        open_menu(page, "Fees")
        page.get_by_role("heading", name="Prices today").wait_for()
        assert "1 for some" in page.locator("#prices").inner_text()
        well_seen(page)
        page.locator("#prices").get_by_role("link", name="below KES 1,000.00").click()
        page.locator("#result_list").get_by_role("link").first.click()
        page.get_by_label("Amount in KES").fill("3,000")
        page.get_by_role("button", name="Show", exact=True).click()
        page.get_by_text("3,000.00").first.wait_for()
        well_seen(page)

        open_menu(page, "What if it cost …")
        page.locator(".actions").get_by_role("link", name="Try a price").click()
        dialog = page.get_by_role("dialog", name="Try a price")
        dialog.get_by_label("Kind").select_option("transfer")
        dialog.get_by_label("Currency").select_option("KES")
        dialog.get_by_label("Flat").fill("50")
        dialog.get_by_label("Part of the amount, in percent").fill("0")
        dialog.get_by_role("button", name="Try it").click()
        page.get_by_text("Waiting for a worker").wait_for()
        well_seen(page)
        PriceTrial.objects.update(until=now() + timedelta(seconds=1))
        assert run_trial(PriceTrial.objects.get().pk)
        page.get_by_role("heading", name="Whom it would have been for").wait_for()
        well_seen(page)
        open_menu(page, "What if it cost …")
        page.get_by_text("Transfer in KES: KES 50.00").wait_for()
        well_seen(page)

        open_menu(page, "Fee income")
        page.get_by_role("link", name="Transfer").click()
        page.get_by_role("heading", name="Transfer in KES, by day").wait_for()
        assert "35.00" in page.locator("#by-kind-and-currency").inner_text()
        well_seen(page)


def test_a_fee_is_waived_at_the_desk(sent: Transaction, browser: Any, live_server: Any, troubles: list[str]) -> None:
    with support.desk_of("grace", Role.SUPPORT, browser, live_server, troubles) as page:
        page.goto(f"{live_server.url}/admin/transactions/transaction/{sent.pk}/change/")
        page.locator(".actions").get_by_role("link", name="Waive fee").click()
        dialog = page.get_by_role("dialog", name="Waive fee")
        dialog.get_by_label("Reason").fill("We were late.")
        dialog.get_by_role("button", name="Waive").click()
        page.get_by_role("heading", name="Waived of its fee").wait_for()
        well_seen(page)
    assert WaivedFee.objects.get().amount == 21_00
