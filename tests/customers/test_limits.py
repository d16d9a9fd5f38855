from datetime import date

import pytest
from django.db import DatabaseError, transaction

from core.money import EXPONENTS
from core.roles import connected_as_owner
from customers.models import Country, TierLimit
from customers.selectors import all_limits, current_limits
from tests.factories import CustomerFactory

TODAY = date(2026, 6, 1)


def test_the_pilot_countries_are_open_with_their_own_currency(db):
    assert dict(Country.objects.filter(is_open=True).values_list("code", "currency")) == {
        "KE": "KES", "RW": "RWF", "NG": "NGN", "ZA": "ZAR", "GH": "GHS", "UG": "UGX", "TZ": "TZS",
    }  # fmt: skip


def test_kenyas_upper_tier_is_what_the_central_bank_allows(mary):
    mary.tier = 2

    limit = current_limits(mary, "KES", on=TODAY)

    assert (limit.per_movement, limit.per_day, limit.balance) == (25_000_000, 25_000_000, 50_000_000)
    assert "CBK" in limit.source


@pytest.mark.parametrize("tier", [0, 1, 2])
@pytest.mark.parametrize("country", ["KE", "RW", "NG"])
def test_no_tier_is_without_limits_in_any_currency(db, country, tier):
    customer = CustomerFactory.build(country_id=country, tier=tier)

    found = {limit.currency: limit for limit in all_limits(customer, on=TODAY)}

    assert list(found) == list(EXPONENTS)
    for currency, limit in found.items():
        assert current_limits(customer, currency, on=TODAY) == limit
        assert 0 < limit.per_movement <= limit.per_day
        assert limit.balance >= limit.per_movement


def test_a_higher_tier_may_do_no_less(db):
    for country in ("KE", "RW", "UG"):
        for currency in EXPONENTS:
            rows = [
                current_limits(CustomerFactory.build(country_id=country, tier=t), currency, on=TODAY) for t in (0, 1, 2)
            ]
            days = [row.per_day for row in rows]
            assert days == sorted(days)


def test_a_country_goes_before_the_rest_and_a_later_row_counts_from_its_day(mary):
    def row(**fields):
        return TierLimit.objects.create(currency="KES", tier=0, per_day=1, source="test", **fields)

    general = row(country=None, effective_from=date(2026, 5, 1))
    soon = row(country_id="KE", effective_from=date(2026, 6, 2))

    assert current_limits(mary, "KES", on=TODAY).effective_from == date(2024, 1, 1)
    assert current_limits(mary, "KES", on=date(2026, 6, 2)) == soon
    assert current_limits(CustomerFactory.build(country_id="UG"), "KES", on=TODAY) == general
    assert current_limits(mary, "KES", on=date(2020, 1, 1)) is None


def test_a_limit_is_never_rewritten_not_even_by_the_owner(transactional_db):
    for statement in (
        "UPDATE customers_tierlimit SET per_day = NULL",
        "DELETE FROM customers_tierlimit",
        "TRUNCATE customers_tierlimit",
    ):
        with pytest.raises(DatabaseError):
            raw(statement)
        with connected_as_owner(), pytest.raises(DatabaseError, match="append-only"):
            raw(statement)


def raw(statement):
    from django.db import connection

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_customer_sees_their_limits_as_decimal_strings(as_mary):
    body = as_mary("get", "me/limits").json()

    assert body["tier"] == 0
    assert body["data"][0] == {
        "currency": "KES", "per_movement": "100000.00", "per_day": "130000.00", "per_month": "1000000.00",
        "balance": "300000.00",
    }  # fmt: skip
    assert {row["currency"]: row["per_day"] for row in body["data"]}["RWF"] == "1500000"
