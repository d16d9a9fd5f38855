"""Published files beside the project: each is read whole and right, or refused with line and field."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from fx import selectors, services
from fx.models import Rate, RateLoad
from tests.fx.conftest import load

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "fx"
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not FOLDER.exists(), reason=f"no published rates in {FOLDER}"),
    pytest.mark.django_db,
]


def published(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def mid(source: str, base: str, quote: str, day: str) -> Decimal:
    as_of = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return Rate.objects.get(source=source, base=base, quote=quote, as_of=as_of).mid


def test_the_history_of_the_ecb() -> None:
    first = load("ecb", published("ecb/eurofxref-hist_2018_2024.csv"))

    assert first.rows == first.added == 1793 * 41 - 17396
    assert first.left_out == [["not quoted (N/A)", 17396]]
    assert mid("ecb", "EUR", "USD", "2024-12-31") == Decimal("1.0389")
    assert mid("ecb", "EUR", "HRK", "2022-08-09") == Decimal("7.514")


def test_an_older_copy_agrees_on_every_day_that_both_have() -> None:
    old = load("ecb", published("ecb/eurofxref-hist_old_copy_2022-08-09_head.csv"))
    new = load("ecb", published("ecb/eurofxref-hist_2018_2024.csv"))
    again = load("ecb", published("ecb/eurofxref-hist_2018_2024.csv"))

    assert (new.added, new.revised) == (new.rows - old.rows, 0)
    assert (again.state, again.added) == (RateLoad.State.NOTHING_NEW, 0)


def test_the_central_bank_of_kenya_quotes_its_neighbours_the_other_way_round() -> None:
    averages = load("cbk", published("cbk_kenya/trade_weighted_2024_jan_may.csv"))
    old = load("cbk", published("cbk_kenya/key_indicative_2010_jan_apr.csv"))
    snapshot = load("cbk", published("cbk_kenya/key_indicative_2023-12_snapshot.csv"), of=date(2023, 12, 29))

    assert (averages.added, old.added, snapshot.added) == (2121, 1577, 21)
    assert mid("cbk", "USD", "KES", "2024-05-31") == Decimal("130.2333")
    assert mid("cbk", "KES", "UGX", "2024-05-31") == Decimal("29.3035")
    assert mid("cbk", "JPY", "KES", "2024-05-31") == Decimal("0.830702")
    row = Rate.objects.get(base="JPY", as_of=datetime(2023, 12, 29, tzinfo=UTC))
    assert (row.bid, row.mid, row.ask) == (Decimal("1.098363"), Decimal("1.101215"), Decimal("1.104068"))


def test_a_snapshot_without_a_day_is_refused_until_somebody_says_it() -> None:
    with pytest.raises(services.RateFileRefused) as refused:
        load("cbk", published("cbk_kenya/key_indicative_2023-12_snapshot.csv"))

    assert (refused.value.facts["line"], refused.value.facts["field"]) == (1, "Date")


def test_the_central_bank_of_nigeria_printed_three_days_twice() -> None:
    loaded = load("cbn", published("cbn_nigeria/nfem_usd_ngn.csv"))

    assert loaded.rows == 94 - 3
    assert loaded.left_out == [["the same rate again", 3]]
    assert mid("cbn", "USD", "NGN", "2025-04-14") == Decimal("1604.4809")


def test_market_rates_by_columns_and_by_paths() -> None:
    columns = {"date": "date", "base": "base", "quote": "currency", "rate": "units_per_usd"}
    services.set_source(code="market", name="Market", format="csv", max_age=60, options=columns, actor=None)
    services.set_source(
        code="raw", name="Raw", format="json", max_age=60, actor=None,
        options={"date": "date", "rates": "usd", "base": "USD"},
    )  # fmt: skip

    table = load("market", published("market/african_currencies_usd_2024_2025.csv"))
    raw = load("raw", published("market/usd_2025-12-06_raw.json"))

    assert table.added == 480
    assert raw.added + sum(times for _, times in raw.left_out) == 250
    assert dict(raw.left_out)["no currency of ISO 4217"] > 80  # crypto, metals, money of long ago
    assert mid("raw", "USD", "KES", "2025-12-06") == mid("market", "USD", "KES", "2025-12-06")
    assert not Rate.objects.filter(quote__in=["BTC", "XAU", "ADA", "DEM"]).exists()


def test_monthly_rates_of_the_rand_agree_with_the_crosses_of_the_ecb() -> None:
    columns = {"date": "Date", "base": "=USD", "quote": "=ZAR", "rate": "Exchange rate"}
    services.set_source(code="fred", name="FRED", format="csv", max_age=60, options=columns, actor=None)
    assert load("fred", published("zar/fred_monthly_zar_usd.csv")).added == 318
    load("ecb", published("ecb/eurofxref-hist_2018_2024.csv"))

    at = datetime(2024, 12, 31, tzinfo=UTC)
    then = selectors.Snapshot(
        at=at, sources={"ecb": services.source_now("ecb")}, latest=selectors.latest_rates(["ecb"], at), terms=[],
        providers_off=set(), margins=[],
    )  # fmt: skip
    cross = then.benchmark("USD", "ZAR").rate

    assert cross == Fraction("19.6188") * Fraction(10_000, 10_389)
    assert abs(cross - Fraction(mid("fred", "USD", "ZAR", "2024-12-01"))) < Fraction(4, 5)  # a day, a month's average
