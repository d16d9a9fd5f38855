"""Loads: all or nothing, once, with revisions; the benchmark, its crosses and its age."""

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.utils.timezone import now

from core.days import midnight
from core.models import AuditRecord
from core.roles import connected_as_owner
from fx import selectors, services
from fx.ages import age_of, business_days, easter_sunday, is_stale
from fx.errors import InvalidRateSource, RateFileRefused, RateMissing, RateStale, UnknownRateSource
from fx.models import Rate, RateLoad, RateSource
from staff.errors import ApprovalNeeded
from staff.models import User
from tests.fx.conftest import cbk, load, load_rates_of, today

pytestmark = pytest.mark.django_db


def dollars(mean: str, day: str = "02/03/2026") -> bytes:
    return cbk(f"{day},US DOLLAR,{mean},1,1000")


def test_a_load_says_what_it_took() -> None:
    made = load("cbk", cbk("02/03/2026,US DOLLAR,130,129,131", "03/03/2026,EURO,140,139,141"), file_name="x.csv")

    assert (made.state, made.rows, made.added, made.revised) == ("loaded", 2, 2, 0)
    assert (made.first_as_of, made.last_as_of) == (midnight(date(2026, 3, 2)), midnight(date(2026, 3, 3)))
    assert len(made.sha256) == 64 and made.actor == "system"
    assert {str(one) for one in made.rates.all()} == {"USD/KES 130", "EUR/KES 140"}


def test_the_same_file_and_what_is_known_add_nothing() -> None:
    load("cbk", dollars("130"))

    again, more = load("cbk", dollars("130")), load("cbk", dollars("130") + b"03/03/2026,US DOLLAR,131,1,1000\n")

    assert (again.state, again.added) == ("nothing_new", 0)
    assert (more.rows, more.added, more.revised) == (2, 1, 0)
    assert Rate.objects.count() == 2


def test_a_source_that_corrects_itself_makes_a_revision_and_back_again_another() -> None:
    for mean in ("130", "131"):
        load("cbk", dollars(mean))
    back = load("cbk", dollars("130"))

    assert back.revised == 1
    assert [(one.revision, one.mid) for one in Rate.objects.order_by("revision")] == [(0, 130), (1, 131), (2, 130)]
    latest = selectors.latest_rates(["cbk"], midnight(date(2026, 3, 4)))
    assert [one.mid for one in latest] == [Fraction(130)]


def test_a_refused_file_leaves_its_reason_and_no_rate() -> None:
    with pytest.raises(RateFileRefused):
        load("cbk", dollars("130") + b"02/03/2026,EURO,nothing,1,2\n", file_name="bad.csv")

    kept = RateLoad.objects.get()
    assert (kept.state, kept.line, kept.field, kept.added) == ("refused", 3, "Mean", 0)
    assert kept.problem == "Line 3, Mean: 'nothing' is not a number."
    assert not Rate.objects.exists()


def test_a_file_too_large_or_for_nobody_is_refused(settings: Any) -> None:
    settings.FX_FILE_BYTES = 10
    with pytest.raises(RateFileRefused, match="larger"):
        load("cbk", dollars("130"))
    with pytest.raises(UnknownRateSource):
        load("nobody", b"")


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    file, out = tmp_path / "cbk.csv", StringIO()
    file.write_bytes(dollars("130"))

    call_command("load_rates", file, "--source", "cbk", stdout=out)
    call_command("load_rates", file, "--source", "cbk", stdout=out)

    assert "1 rates added" in out.getvalue() and "Nothing new in 1 rates." in out.getvalue()
    file.write_bytes(b"x")
    with pytest.raises(CommandError, match="Line 1"):
        call_command("load_rates", file, "--source", "cbk")
    with pytest.raises(CommandError, match="No such file"):
        call_command("load_rates", tmp_path / "gone.csv", "--source", "cbk")


@pytest.mark.parametrize("role", ["app", "owner"])
def test_nobody_rewrites_a_rate(role: str, transactional_db: None) -> None:
    load("cbk", dollars("130"))
    attempts = ["UPDATE fx_rate SET mid = 1", "DELETE FROM fx_rate", "UPDATE fx_margin SET bps = 0",
                "DELETE FROM fx_ratesource", "TRUNCATE fx_quoteuse"]  # fmt: skip

    def attack() -> None:
        from django.db import connection

        for attempt in attempts:
            with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(attempt)

    if role == "owner":
        with connected_as_owner():
            attack()
    else:
        attack()
    assert Rate.objects.get().mid == 130


# --- Leaps ------------------------------------------------------------------------------------------------------------


def line(mean: str, *, ago: int = 0, currency: str = "US DOLLAR", sides: tuple[str, str] | None = None) -> str:
    bid, ask = sides or (mean, mean)
    return f"{today() - timedelta(days=ago):%d/%m/%Y},{currency},{mean},{bid},{ask}"


@pytest.mark.parametrize("typed", ["1300", "13", "0.0076923", "156.01", "108.3"])
def test_a_rate_that_nobody_can_mean_is_refused_and_prices_nothing(typed: str) -> None:
    load("cbk", cbk(line("130", ago=1)))

    with pytest.raises(RateFileRefused, match="by more than the 20 %") as refused:
        load("cbk", cbk(line("150", currency="EURO"), line(typed)), file_name="typo.csv")

    assert (refused.value.code, refused.value.facts) == ("rate_leaps", {"line": 3, "field": "USD/KES"})
    assert RateLoad.objects.latest("pk").state == "leapt"
    with pytest.raises(RateStale, match="A newer file was refused, because a rate leaps"):
        mid("USD", "KES")  # if the currency did fall, what it was yesterday costs us money
    assert [(one.base, source.code) for one, source in selectors.too_old(now())] == [("USD", "cbk")]

    load("cbk", cbk(line("131")))
    assert mid("USD", "KES") == 131 and not selectors.too_old(now())


def test_while_one_source_is_in_doubt_another_counts_and_a_file_that_is_none_raises_no_doubt(rates: None) -> None:
    services.set_source(code="other", name="Other", format="cbk", max_age=3, priority=50, actor=None)
    load("other", cbk(line("133")))
    with pytest.raises(RateFileRefused):
        load("cbk", b"nothing")
    assert mid("USD", "KES") == 130

    with pytest.raises(RateFileRefused):
        load("cbk", cbk(line("1300")))

    assert mid("USD", "KES") == 133
    assert selectors.read_snapshot(now() - timedelta(minutes=1)).sources["cbk"].is_doubted is False
    load("cbk", cbk(line("130", ago=1)))  # of yesterday: that says nothing of today
    assert selectors.read_snapshot(now()).sources["cbk"].is_doubted is True
    load("cbk", cbk(line("130"), line("28.5", currency="KES / USHS")))  # the bank says again what it said
    assert mid("USD", "KES") == 130


def test_what_no_quote_is_made_of_may_leap() -> None:
    load("ecb", f"Date,USD,TRY,\n{today() - timedelta(days=1)},1.04,12,\n".encode())
    assert load("ecb", f"Date,USD,TRY,\n{today()},1.05,18,\n".encode()).added == 2


def test_it_may_move_as_far_as_its_limit_step_by_step_also_within_one_file() -> None:
    load("cbk", cbk(line("130", ago=2), line("156", ago=1), line("187.2")))
    selectors.forget()
    assert mid("USD", "KES") == Fraction("187.2")

    with pytest.raises(RateFileRefused, match="the rate of"):  # a correction is held against the day before it
        load("cbk", cbk(line("124")))


def test_the_first_rate_of_a_source_is_held_against_the_others(rates: None) -> None:
    services.set_source(code="mine", name="Mine", format="cbk", max_age=3, actor=None)
    with pytest.raises(RateFileRefused, match="what other sources say"):
        load("mine", cbk(line("0.00769")))
    with pytest.raises(RateFileRefused, match="EUR/KES"):  # which nobody publishes: by way of the dollar 135.2
        load("mine", cbk(line("13.5", currency="EURO")))

    assert load("mine", cbk(line("132"), line("139", currency="EURO"), line("15", currency="IND RUPEE"))).added == 3


@pytest.mark.parametrize("sides", [("13", "131"), ("129", "1310")])
def test_bid_and_ask_are_near_their_mid(sides: tuple[str, str]) -> None:
    with pytest.raises(RateFileRefused, match="its mid, 130"):
        load("cbk", cbk(line("130", sides=sides)))


def test_who_knows_that_it_did_move_that_far_has_the_limit_raised(rates: None) -> None:
    devalued = cbk(line("195"))
    with pytest.raises(RateFileRefused):
        load("cbk", devalued)
    said = {"code": "cbk", "name": "CBK", "format": "cbk", "max_age": 3, "priority": 10, "actor": None}

    services.set_source(**said, max_move=60)
    assert load("cbk", devalued).revised == 1
    services.set_source(**said)

    assert load("cbk", devalued).state == "nothing_new", "what is known is not asked again"
    assert load("cbk", cbk(line("20", ago=300), line("3", ago=299))).added == 2, "what is too old prices nothing"


# --- The benchmark ----------------------------------------------------------------------------------------------------


def mid(sell: str, buy: str) -> Fraction:
    return selectors.snapshot().benchmark(sell, buy).rate


def test_both_directions_are_exact_reciprocals(rates: None) -> None:
    assert mid("USD", "KES") == 130
    assert mid("KES", "USD") == Fraction(1, 130)
    assert mid("KES", "UGX") == Fraction("28.5")
    for one in ("KES", "USD", "NGN", "UGX", "EUR", "GBP", "ZAR"):
        for other in ("KES", "USD", "NGN", "UGX", "EUR", "GBP", "ZAR"):
            assert one == other or mid(one, other) * mid(other, one) == 1


def test_a_cross_rate_goes_through_what_both_sources_know(rates: None) -> None:
    assert mid("KES", "NGN") == Fraction(1500, 130)
    assert mid("EUR", "KES") == Fraction("1.04") * 130
    assert mid("UGX", "NGN") == Fraction(2, 57) / 130 * 1500
    found = selectors.snapshot().benchmark("KES", "NGN")
    assert found.said == f"cbk USD/KES of {today()} × cbn USD/NGN of {today()}"
    assert found.minor("KES", "RWF") == found.rate * Fraction(1, 100), "RWF has no decimals"


def test_of_two_sources_the_preferred_one_counts_while_it_is_fresh(rates: None) -> None:
    services.set_source(code="other", name="Other", format="cbk", max_age=3, priority=5, actor=None)
    load("other", cbk(f"{today():%d/%m/%Y},US DOLLAR,133,132,134"))
    assert mid("USD", "KES") == 133

    services.set_source(code="other", name="Other", format="cbk", max_age=3, priority=5, is_on=False, actor=None)
    assert mid("USD", "KES") == 130


def test_a_pair_that_nobody_knows_is_missing(rates: None) -> None:
    with pytest.raises(RateMissing):
        mid("USD", "GHS")


def test_what_is_too_old_is_refused_by_name(db: None) -> None:
    load_rates_of(today() - timedelta(days=30))

    with pytest.raises(RateStale) as refused:
        mid("USD", "KES")

    assert refused.value.code == "fx_rate_stale" and refused.value.facts["source"] == "cbk"


# --- Age --------------------------------------------------------------------------------------------------------------


def source(**said: Any) -> RateSource:
    return RateSource(**{"code": "x", "daily": True, "max_age": 2, "calendar": "target"} | said)


def at(day: str, hour: int = 9) -> datetime:
    return datetime.fromisoformat(day).replace(hour=hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("as_of", "now", "age"),
    [
        ("2026-03-06", "2026-03-08", 0),  # of Friday, on Sunday
        ("2026-03-06", "2026-03-09", 1),
        ("2026-04-02", "2026-04-07", 1),  # over Easter: Good Friday and Monday are none
        ("2026-12-24", "2026-12-28", 1),
        ("2024-12-31", "2026-03-09", 400),
    ],
)
def test_business_days_of_the_ecb(as_of: str, now: str, age: int) -> None:
    assert age_of(source(), at(as_of, 0), at(now)) == age


def test_without_its_holidays_the_same_days_count() -> None:
    assert business_days(date(2026, 4, 2), date(2026, 4, 7), "weekdays") == 3


def test_limits_may_differ_by_pair_and_minutes_are_minutes() -> None:
    lax = source(pair_max_ages={"USD/NGN": 9})
    assert is_stale(lax, "USD", "KES", at("2026-03-02"), at("2026-03-06"))
    assert not is_stale(lax, "NGN", "USD", at("2026-03-02"), at("2026-03-06"))
    live = source(daily=False, max_age=15)
    assert not is_stale(live, "USD", "KES", at("2026-03-02"), at("2026-03-02") + timedelta(minutes=15, seconds=59))
    assert is_stale(live, "USD", "KES", at("2026-03-02"), at("2026-03-02") + timedelta(minutes=16))


@pytest.mark.parametrize(
    "day", [date(1818, 3, 22), date(2024, 3, 31), date(2025, 4, 20), date(2026, 4, 5), date(2038, 4, 25)]
)
def test_easter(day: date) -> None:
    assert easter_sunday(day.year) == day


# --- Sources ----------------------------------------------------------------------------------------------------------


def test_a_source_is_changed_by_a_newer_row_and_by_two_people() -> None:
    person = User.objects.create_user("finance", "correct horse battery staple", "finance")
    said = {"code": "cbk", "name": "CBK", "format": "cbk", "max_age": 5}
    with pytest.raises(ApprovalNeeded):
        services.set_source(**said, actor=person)

    services.set_source(**said, actor=None, reason="holidays")

    assert services.source_now("cbk").max_age == 5
    assert RateSource.objects.filter(code="cbk").count() == 2
    assert AuditRecord.objects.filter(action="set_rate_source", reason="holidays").exists()


@pytest.mark.parametrize(
    "wrong",
    [{"url": "http://rates.example"}, {"url": "https://user@rates.example"}, {"url": "https://rates.example:8443/x"},
     {"url": "file:///etc/passwd"}, {"max_age": 0}, {"pair_max_ages": {"USD": 3}}, {"pair_max_ages": {"USD/KES": 0}},
     {"format": "pdf"}, {"calendar": "moon"}, {"max_move": 0}, {"max_move": 10_001}],
)  # fmt: skip
def test_a_source_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRateSource):
        services.set_source(**{"code": "x", "name": "X", "format": "ecb", "max_age": 1, "actor": None} | wrong)
