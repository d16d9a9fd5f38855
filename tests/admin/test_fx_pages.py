"""Exchange in the back office: the matrix, a pair, what it would cost, and what quotes say of themselves."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from fx import selectors, services
from fx.admin.shown import rate_text
from fx.models import Provider, Quote, Rate, RateLoad, RoutingDecision
from tests.admin.conftest import World
from tests.fx.conftest import cbk, load, today

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Fraction(130), "130.00"), (Fraction("129.3567"), "129.357"), (Fraction(1, 130), "0.00769231"),
        (Fraction("3648.66"), "3,648.66"), (Fraction("1234567.891"), "1,234,567.89"), (Fraction(1, 3), "0.333333"),
        (Fraction("0.999999999"), "1.00"), (Fraction(1, 10**9), "0.000000001"),
    ],
)  # fmt: skip
def test_rates_are_shown_with_six_digits(rate: Fraction, text: str) -> None:
    assert rate_text(rate) == text


def test_the_matrix_shows_both_directions_and_crosses(support: Client, world: World) -> None:
    page = support.get(reverse("admin:fx_rates")).text

    assert "130.00" in page and "0.00769231" in page
    assert "<i>11.5385</i>" in page  # shillings to naira, through the dollar
    assert "too old" not in page.replace("Too old after", "")


def test_what_is_too_old_is_said_on_the_page_of_rates(support: Client, world: World) -> None:
    services.set_source(code="old", name="Old", format="cbk", max_age=1, priority=1, actor=None)
    load("old", cbk(f"{today() - timedelta(days=20):%d/%m/%Y},SA RAND,7,6,8"))

    page = support.get(reverse("admin:fx_rates")).text

    assert "Some rates are too old to quote with:" in page and "ZAR/KES of old" in page


def test_what_is_too_old_is_an_alarm_on_the_first_page_and_that_of_work(support: Client, world: World) -> None:
    pages = [reverse("admin:index"), reverse("admin:staff_work")]
    assert not any("too old" in support.get(page).text for page in pages)
    services.set_source(code="old", name="Old Bank", format="cbk", max_age=1, priority=1, actor=None)
    load("old", cbk(*(f"{today() - timedelta(days=20):%d/%m/%Y},{one},7,6,8" for one in ("SA RAND", "US DOLLAR"))))

    for page in pages:
        text = support.get(page).text
        assert "nothing is quoted with them: Old Bank, ZAR/KES (newest of " in text, "another has a fresh USD/KES"
        assert "business days old)" in text and f'href="{reverse("admin:fx_rates")}"' in text
    load("old", cbk(f"{today():%d/%m/%Y},SA RAND,7,6,8"))
    assert not any("too old" in support.get(page).text for page in pages)


def test_a_pair_shows_what_it_is_made_of_and_its_history(support: Client, world: World) -> None:
    made = support.get(reverse("admin:fx_pair", args=["KES-NGN"])).text
    assert "USD/KES" in made and "USD/NGN" in made and "made of others" in made
    own = support.get(reverse("admin:fx_pair", args=["KES-USD"])).text
    assert 'data-type="line"' in own and "129.50" in own
    assert "No rate leads from KES to GHS." in support.get(reverse("admin:fx_pair", args=["KES-GHS"])).text
    for nonsense in ("KES-KES", "KES-XXX", "KES"):
        assert support.get(reverse("admin:fx_pair", args=[nonsense])).status_code == 404


def test_what_it_would_cost_is_what_a_quote_says_and_leaves_nothing(support: Client, world: World) -> None:
    before = RoutingDecision.objects.count()
    asked = {"sell": "KES", "buy": "NGN", "amount": "1,000", "fixed": "sell"}

    page = support.get(reverse("admin:fx_cost"), asked)

    price = services.quote(caller="x:y", sell="KES", buy="NGN", sell_minor=1_000_00)
    assert RoutingDecision.objects.count() == before + 1
    assert f"{price.buy_minor // 100:,}.{price.buy_minor % 100:02}" in page.text
    assert "KES&gt;USD&gt;NGN" in page.text and "Duka Forex" not in page.text and "(duka)" in page.text
    assert " less" in page.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"sell": "KES", "buy": "KES"}, "Both currencies are the same"),
        ({"sell": "KES", "buy": "GHS"}, "There is no exchange rate"),
        ({"sell": "KES", "buy": "ZAR"}, "Nobody exchanges this now"),
        ({"amount": "much"}, "is not an amount"),
        ({"amount": "0.01"}, "too small to convert"),
        ({"sell": "XXX"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_priced_says_why(support: Client, world: World, asked: dict[str, str], said: str) -> None:
    asked = {"sell": "KES", "buy": "USD", "amount": "100", "fixed": "buy" if "amount" in asked else "sell"} | asked
    asked |= {"fixed": "sell"}

    assert said in support.get(reverse("admin:fx_cost"), asked).text


def test_a_quote_tells_whose_it_is_how_it_came_about_and_what_took_it(support: Client, world: World) -> None:
    used = Quote.objects.get(use__isnull=False)

    page = support.get(reverse("admin:fx_quote_change", args=[used.pk])).text

    assert reverse("admin:customers_customer_change", args=[world.wanjiku.pk]) in page
    assert str(used.use.transaction) in page
    for words in ("How it comes about", "Alternatives", "Not considered", "Wekeza Bank", "Lagos Exchange", "(duka)"):
        assert words in page, words


def test_a_list_says_which_quotes_are_open_used_or_expired(
    support: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = reverse("admin:fx_quote_changelist")
    assert {"Used", "Open"} <= set(support.get(url).text.replace(">", " ").replace("<", " ").split())
    monkeypatch.setattr("fx.admin.quotes.now", lambda: now() + timedelta(minutes=2))
    assert "Expired" in support.get(url).text


def test_a_file_is_loaded_or_its_refusal_said(finance: Client, world: World) -> None:
    url = reverse("admin:fx_rateload_upload")

    def post(content: bytes) -> Any:
        file = SimpleUploadedFile("rates.csv", content)
        return finance.post(url, {"source": "cbk", "file": file})

    refused = post(cbk("02/03/2026,EURO,140,139,soon"))
    assert "Line 2, Sell: &#x27;soon&#x27; is not a number." in refused.text
    loaded = post(cbk("02/03/2026,EURO,140,139,141"))

    assert loaded.status_code == 302
    assert Rate.objects.filter(base="EUR", quote="KES", mid=140).exists()
    newest = RateLoad.objects.latest("id")
    assert newest.actor.startswith("staff:") and newest.file_name == "rates.csv"
    page = finance.get(reverse("admin:fx_rateload_change", args=[RateLoad.objects.get(state="refused").pk])).text
    assert "line 2, Sell" in page


def test_a_provider_is_switched_by_its_page(finance: Client, world: World) -> None:
    lagos = Provider.objects.get(code="lagos")
    page = reverse("admin:fx_provider_change", args=[lagos.pk])
    assert "Switch off" in finance.get(page).text and "Switch on" not in finance.get(page).text

    finance.post(reverse("admin:fx_provider_switch_off", args=[lagos.pk]), {"reason": "Their line is down"})

    assert lagos.pk in selectors.switched_off()
    assert "Switch on" in finance.get(page).text and "Their line is down" in finance.get(page).text
    selectors.forget()
    assert "switched off" in finance.get(reverse("admin:fx_cost"), {"sell": "KES", "buy": "NGN", "amount": "100"}).text


def test_a_page_of_rates_takes_as_many_statements_with_more_of_them(
    finance: Client, world: World, count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selectors, "KEPT_SECONDS", 3_600)  # however slow the machine
    urls = [reverse("admin:fx_pair", args=["USD-KES"])]
    urls += [reverse(f"admin:fx_{name}_changelist") for name in ("quote", "routingdecision", "rate", "ratesource")]

    def counted() -> list[int]:
        found = []
        for url in urls:
            finance.get(url)
            found.append(count(finance, url))
        return found

    few = counted()
    load("cbk", cbk(*(f"{today() - timedelta(days=ago):%d/%m/%Y},US DOLLAR,129,128,130" for ago in range(1, 60))))
    for _ in range(5):
        services.quote(caller="x:y", sell="KES", buy="USD", sell_minor=1_000_00)
    services.set_source(code="cbk", name="CBK", format="cbk", max_age=9, actor=None)

    assert counted() == few
