"""Money is whole minor units: what is read is what is written, in every currency, and nothing else is read."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import money
from core.errors import AmountTooLarge, AmountTooPrecise, InvalidAmount
from core.money import EXPONENTS, MAX_MINOR, Money, decimal_string, grouped

# ISO 4217 knows 0, 2, 3 and 4 decimals; ours have 0 and 2 so far.
ALL = EXPONENTS | {"KWD": 3, "CLF": 4}
minor_units = st.integers(-MAX_MINOR, MAX_MINOR)


@pytest.fixture(autouse=True, scope="module")
def every_exponent():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(money, "EXPONENTS", ALL)
        yield


def test_the_currencies_have_their_iso_exponents():
    assert EXPONENTS == {
        "KES": 2, "RWF": 0, "UGX": 0, "TZS": 2, "NGN": 2, "GHS": 2, "ZAR": 2, "USD": 2, "EUR": 2, "GBP": 2,
    }  # fmt: skip


@given(amount=minor_units, currency=st.sampled_from(sorted(ALL)))
def test_what_is_written_is_read_back(amount, currency):
    text = decimal_string(amount, currency)
    assert Money.parse(text, currency) == (amount, currency)
    assert Money(amount, currency).decimal == text


@given(amount=minor_units, currency=st.sampled_from(sorted(ALL)))
def test_what_is_written_is_the_exact_decimal_with_every_decimal_of_its_currency(amount, currency):
    text = decimal_string(amount, currency)
    assert Decimal(text) == Decimal(amount) / 10 ** ALL[currency]
    assert len(text.partition(".")[2]) == ALL[currency]


@given(amount=minor_units, currency=st.sampled_from(sorted(ALL)))
def test_people_read_the_same_number(amount, currency):
    assert grouped(amount, currency).replace(",", "") == decimal_string(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "decimal", "shown"),
    [
        (105075, "KES", "1050.75", "KES 1,050.75"),
        (0, "KES", "0.00", "KES 0.00"),
        (-5, "KES", "-0.05", "KES -0.05"),
        (-123456, "KES", "-1234.56", "KES -1,234.56"),
        (100, "KES", "1.00", "KES 1.00"),
        (1500, "RWF", "1500", "RWF 1,500"),
        (-1500, "RWF", "-1500", "RWF -1,500"),
        (1, "KWD", "0.001", "KWD 0.001"),
        (1234567890, "CLF", "123456.7890", "CLF 123,456.7890"),
    ],
)
def test_examples(amount, currency, decimal, shown):
    assert decimal_string(amount, currency) == decimal
    assert str(Money(amount, currency)) == shown
    assert Money.parse(decimal, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("1", "KES", 100), ("1.5", "KES", 150), ("1.50", "KES", 150), ("1.500", "KES", 150), ("001.05", "KES", 105),
        ("0", "RWF", 0), ("7.000", "RWF", 7), ("-0.01", "KES", -1), ("0.1", "CLF", 1000), ("-7", "RWF", -7),
        ("10000000000000", "KES", MAX_MINOR), ("-10000000000000", "KES", -MAX_MINOR),
        ("1000000000000000", "RWF", MAX_MINOR),
    ],
)  # fmt: skip
def test_what_is_read(text, currency, amount):
    assert Money.parse(text, currency) == (amount, currency)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "1 ", " 1", "+1", "1.", ".5", "1,000", "1e3", "1E3", "0x1", "NaN", "Infinity", "-", "--1", "1-",
        "1.-5", "1_000", "١", "１", "1\n", "1.2.3", "0" * 19, "1." + "0" * 19, "five", "1\x00",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(InvalidAmount) as refused:
        Money.parse(text, "KES")
    assert refused.value.code == "invalid_amount"
    assert repr(text[:40]) in refused.value.detail


def test_a_long_text_is_repeated_in_part():
    with pytest.raises(InvalidAmount) as refused:
        Money.parse("x" * 100, "KES")
    assert refused.value.detail == f"{'x' * 40!r} is not an amount of money."


def test_a_currency_we_do_not_know_is_refused():
    with pytest.raises(InvalidAmount):
        Money.parse("1", "XXX")
    with pytest.raises(InvalidAmount):
        Money.parse("1", "kes")


@pytest.mark.parametrize(
    ("text", "currency", "decimals"),
    [("1.5", "RWF", 0), ("1.005", "KES", 2), ("0.0001", "KWD", 3), ("1.00001", "CLF", 4)],
)
def test_more_decimals_than_the_currency_has_are_refused(text, currency, decimals):
    with pytest.raises(AmountTooPrecise) as refused:
        Money.parse(text, currency)
    assert refused.value.facts == {"currency": currency, "decimals": decimals}
    assert refused.value.detail == f"{currency} has {decimals} decimals."


@pytest.mark.parametrize("text", ["10000000000000.01", "-10000000000000.01", "9" * 18])
def test_an_amount_out_of_proportion_is_refused(text):
    with pytest.raises(AmountTooLarge) as refused:
        Money.parse(text, "KES")
    assert refused.value.detail == "At most 10000000000000.00 KES at once."


@given(whole=st.integers(0, 10**12), split=st.lists(st.integers(0, 100), min_size=1, max_size=10))
def test_parts_sum_back_to_the_whole(whole, split):
    """Not that anything here would divide: shares are taken as whole minor units and the last takes the rest."""
    shares = [whole * part // (sum(split) or 1) for part in split]
    shares[-1] += whole - sum(shares)
    assert sum(Money.parse(decimal_string(share, "KES"), "KES").amount_minor for share in shares) == whole
