"""The pages of fees: prices as a matrix, a price in words with examples, waiving, what they brought and would have."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from staff.models import Approval
from tests.admin.conftest import World
from tests.books import assert_books_balance
from transactions import tariff
from transactions.models import FeeRule, FeeWaiver, PriceTrial, WaivedFee
from transactions.services.fees import grant_waiver
from transactions.services.price_trials import run_trial


def url(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


@pytest.fixture(autouse=True)
def _fresh_tariff() -> Any:
    tariff.forget()
    yield
    tariff.forget()


@pytest.fixture
def dear(world: World) -> FeeRule:
    rule = FeeRule.objects.create(
        kind="transfer", currency="KES", effective_from=now().date(), flat=10_00, bands=[[1_000_00, 25_00, 50]],
        bands_are="whole", most=90_00, payee_bps=4_000,
    )  # fmt: skip
    tariff.forget()
    return rule


def test_the_list_begins_with_what_each_kind_costs_today(finance: Client, world: World, dear: FeeRule) -> None:
    FeeRule.objects.create(kind="transfer", currency="KES", effective_from=now().date(), tier=2)
    later = now().date() + timedelta(days=9)
    FeeRule.objects.create(kind="cash_out", currency="KES", effective_from=later, flat=1)
    tariff.forget()

    page = finance.get(url("transactions_feerule_changelist"), {"when": "now", "currency": "KES"}).text

    assert "below KES 1,000.00: KES 10.00; from KES 1,000.00: KES 25.00 + 0.50 %, at most KES 90.00" in page
    assert "1 for some" in page and f"changes {later:%-d %b %Y}" in page


def test_a_price_says_what_an_amount_comes_to(finance: Client, world: World, dear: FeeRule) -> None:
    page = finance.get(url("transactions_feerule_change", dear.pk), {"amount": "2,000"}).text

    assert "The band of the amount prices all of it" in page
    assert ">In force<" in page
    for said in ("35.00", "2,021.00", "1,986.00"):
        assert said in page, said


def test_every_kind_of_price_is_asked_for_in_the_dialog(finance: Client, world: World) -> None:
    form = {
        "kind": "transfer", "currency": "KES", "flat": "10", "part": "0.5", "effective_from": str(now().date()),
        "last_day": str(now().date() + timedelta(days=31)), "least": "5", "most": "300", "bands": "1,000 25.00 0.25",
        "bands_are": "marginal", "round_to": "1", "rounding": "up", "who_pays": "both", "payee_part": "25", "tier": "1",
        "account_type": "sme", "from_country": "KE", "to_country": "RW", "reason": "Board decision 13",
    }  # fmt: skip
    finance.post(url("transactions_feerule_propose"), form)

    asked = Approval.objects.get(operation="fee_rule").params
    assert (asked["bands"], asked["bands_are"], asked["payee_bps"]) == ([[1_000_00, 25_00, 25]], "marginal", 2_500)
    assert (asked["least"], asked["most"], asked["round_to"], asked["rounding"]) == (5_00, 300_00, 1_00, "up")
    assert (asked["tier"], asked["account_type"], asked["from_country"], asked["to_country"]) == (1, "sme", "KE", "RW")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bands": "1,000 25.00"}, "cannot be read"),
        ({"bands": "a b 1", "bands_are": "whole"}, "names no two amounts"),
        ({"bands": "1,000 25.00 0.25"}, "Say what the other prices are of."),
        ({"who_pays": "both"}, "Say how much of it the recipient pays."),
        ({"least": "9", "most": "5"}, "The least is more than the most."),
        ({"kind": "cash_out", "who_pays": "payee"}, "A recipient bears fees of what goes from wallet to wallet."),
    ],
)
def test_what_is_no_price_is_explained(finance: Client, world: World, changed: dict[str, str], said: str) -> None:
    form = {"kind": "transfer", "currency": "KES", "flat": "10", "part": "0.5", "effective_from": str(now().date())}
    answer = finance.post(url("transactions_feerule_propose"), form | {"reason": "x"} | changed)

    assert said in answer.text and not Approval.objects.filter(operation="fee_rule").exists()


def test_a_fee_is_waived_from_the_page_of_its_transaction(support: Client, world: World, dear: FeeRule) -> None:
    sent = world.send(100_00)
    dialog = support.get(url("transactions_transaction_waive_fee", sent.pk)).context["form"]
    typed = {"whose": "payer", "amount": "6", "key": str(dialog["key"].value()), "reason": "We were late"}
    support.post(url("transactions_transaction_waive_fee", sent.pk), typed)

    waived = WaivedFee.objects.get(transaction=sent)
    page = support.get(url("transactions_transaction_change", sent.pk)).text
    assert waived.amount == 6_00 and "Waived of its fee" in page and "Fee of the payee" in page
    assert "Waived fee" in support.get(url("transactions_transaction_change", waived.movement_id)).text
    assert_books_balance()


def test_of_waivers_that_fit_only_the_one_that_counts_is_in_force(support: Client, world: World) -> None:
    today, url = now().date(), reverse("admin:transactions_feewaiver_changelist")

    def grant(bps: int, kind: str | None, currency: str | None) -> int:
        days = {"effective_from": today, "last_day": today + timedelta(days=30)}
        return grant_waiver(
            customer=world.wanjiku, kind=kind, currency=currency, bps=bps, actor=None, reason="a promise", **days
        ).pk

    ended = FeeWaiver.objects.get().pk  # of payments in KES, and 0 %
    for_all, payments, no_more = grant(20_00, None, None), grant(50_00, "payment", "KES"), grant(0, "payment", "KES")

    def shown(when: str) -> set[int]:
        rows = support.get(url, {"when": when}).context["cl"].result_list
        return {one.pk for one in rows}

    assert shown("now") == {for_all} and shown("replaced") == {ended, payments, no_more}
    page = support.get(reverse("admin:transactions_feewaiver_change", args=[payments])).text
    assert "Replaced" in page and "In force" not in page
    assert "Ends those before" in support.get(reverse("admin:customers_customer_change", args=[world.wanjiku.pk])).text


def test_fee_income_is_shown_by_kind_and_as_a_file(finance: Client, world: World, dear: FeeRule) -> None:
    world.send(100_00)

    page = finance.get(url("reports_fee_income"), {"account": "income:fees:transfer:KES"}).text
    file = finance.get(url("reports_fee_income_file")).content.decode()

    assert "Transfer" in page and "10.00" in page and "Transfer in KES, by day" in page
    assert "transfer,KES,10.00,0.00,10.00,1000" in file


def typed(client: Client, **changed: str) -> dict[str, str]:
    dialog = client.get(url("transactions_pricetrial_try_price")).context["form"]
    return {"kind": "transfer", "currency": "KES", "flat": "7", "part": "0", "days": "30",
            "key": str(dialog["key"].value())} | changed  # fmt: skip


def test_a_price_is_tried_on_what_was_by_a_worker(finance: Client, world: World) -> None:
    form = typed(finance)
    page = finance.post(url("transactions_pricetrial_try_price"), form, follow=True).text
    again = finance.post(url("transactions_pricetrial_try_price"), form, follow=True)
    trial = PriceTrial.objects.get(pk=form["key"])
    asking = url("transactions_pricetrial_progress", trial.pk)
    looks = AuditRecord.objects.count()
    assert "Waiting for a worker" in page and "Waiting for a worker" in finance.get(asking).text
    assert AuditRecord.objects.count() == looks  # the browser asks by itself, each second
    assert again.redirect_chain[-1][0].endswith(f"{trial.pk}/change/")

    PriceTrial.objects.update(until=now() + timedelta(seconds=1))
    assert run_trial(trial.pk)

    assert finance.get(asking).headers["HX-Refresh"] == "true"
    page = finance.get(url("transactions_pricetrial_change", trial.pk)).text
    assert "Whom it would have been for" in page and "Would have" in page and "14.00" in page
    file = finance.get(url("transactions_pricetrial_file", trial.pk))
    assert file["Content-Type"].startswith("text/csv") and ",met,2,0.00,14.00" in file.content.decode()
    row = finance.get(url("transactions_pricetrial_changelist"), {"state": "done"}).text
    assert "Transfer in KES: KES 7.00" in row and "Nothing is changed." in row
    other = finance.get(url("transactions_pricetrial_try_another", trial.pk)).context["form"]
    assert (other["flat"].value(), other["kind"].value()) == ("7.00", "transfer")


def test_what_is_no_price_is_not_tried_and_what_failed_says_so(finance: Client, world: World) -> None:
    wrong = finance.post(url("transactions_pricetrial_try_price"), typed(finance, most="1", least="2")).text
    assert "The least is more than the most." in wrong and PriceTrial.objects.count() == 1

    PriceTrial.objects.update(attempts=3)
    trial = PriceTrial.objects.get()
    assert not run_trial(trial.pk)
    page = finance.get(url("transactions_pricetrial_change", trial.pk))
    assert "Given up after 3 attempts" in page.text and "CSV" not in page.text
    assert finance.get(url("transactions_pricetrial_file", trial.pk)).status_code == 302
