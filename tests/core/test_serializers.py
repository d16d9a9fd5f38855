from datetime import datetime, timedelta, timezone

import pytest

from core.days import written
from core.money import Money
from core.serializers import MOST_TOLD, InstantField
from tests.core.doors import Everything


def errors(**body):
    serializer = Everything(data=body)
    assert not serializer.is_valid()
    return {name: found[0].code for name, found in serializer.errors.items()}


def read(**body):
    serializer = Everything(data=body)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def test_unknown_and_read_only_fields_are_refused():
    assert errors(name="x", role="admin", shown_only="y") == {"role": "unknown_field", "shown_only": "unknown_field"}
    assert Everything(data={"inner": {"account_number": "1", "bic": "2"}}).is_valid() is False


def test_unknown_fields_are_answered_with_those_known_and_what_else_is_wrong_and_not_without_end():
    wrong = Everything(data={"nmae": "x", "name": 5})
    many = Everything(data={f"f{number}": 1 for number in range(10_000)})

    assert not wrong.is_valid() and {"nmae", "name"} <= set(wrong.errors)
    assert str(wrong.errors["nmae"][0]).startswith("Unknown field. Known here: name, ")
    assert not many.is_valid() and sum(name.startswith("f") for name in many.errors) <= MOST_TOLD


@pytest.mark.parametrize("text", ["a\nb", "a\r\nX: y", "a\tb", "a\x1bb", "a\u202eb", "a\u2028b", "a\u0085b", "\ue000"])
def test_control_characters_are_refused(text):
    assert set(errors(name=text)) == {"name"}


@pytest.mark.parametrize("value", [1, 1.5, True, None, [], {}])
def test_only_text_is_text(value):
    assert set(errors(name=value)) == {"name"}
    assert set(errors(secret=value)) == {"secret"}


def test_text_is_trimmed_and_composed_and_secrets_are_not():
    assert read(name="  Zoe\u0308 ", secret="  Zoe\u0308 ") == {"name": "Zo\u00eb", "secret": "  Zoe\u0308 "}


@pytest.mark.parametrize(
    ("written", "minor"),
    [(b'"1050.75"', 105075), (b"1050.75", 105075), (b"1050", 105000), (b"1e3", 100000), (b'"-3"', -300), (b"0.10", 10)],
)
def test_an_amount_is_a_decimal_string_or_an_exact_number(client, written, minor):
    answer = client.post("/v1/echo", b'{"amount": ' + written + b"}", content_type="application/json")

    assert Money.parse(answer.json()["amount"], "KES") == Money(minor, "KES")


@pytest.mark.parametrize(
    "written",
    [b'"1,000"', b'" 1"', b'"1e3"', b'""', b'"NaN"', b'"+1"', b'".5"', b'"1."', b'"\xd9\xa1"', b"true", b"null", b"[1]",
     b"1e999999", b"1e-999999", b"9" * 30, b'"' + b"9" * 30 + b'"'],
)  # fmt: skip
def test_anything_else_is_not_an_amount(client, written):
    answer = client.post("/v1/echo", b'{"amount": ' + written + b"}", content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "amount"


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("+254712345678", "+254712345678"),
        ("+254 712-345 678", "+254712345678"),
        ("00254712345678", "+254712345678"),
        ("+254 (0)712 345678", "+254712345678"),
        ("+250 788 123 456", "+250788123456"),
    ],
)
def test_a_phone_number_is_read_as_e164(written, stored):
    assert read(phone=written) == {"phone": stored}


@pytest.mark.parametrize(
    "written", ["0712345678", "+254", "+999712345678", "+2547123456789999", "+1800FLOWERS", "tel:+254712345678",
                "+254712345678;ext=5", "٢٥٤", "+254712345678\n+1"],
)  # fmt: skip
def test_what_is_no_phone_number_is_refused(written):
    assert set(errors(phone=written)) == {"phone"}


@pytest.mark.parametrize(
    ("written", "stored"),
    [("Aline@Example.COM", "aline@example.com"), ("a@b\u00fccher.de", "a@xn--bcher-kva.de"), (" a@b.co ", "a@b.co")],
)
def test_an_address_is_kept_in_lower_case_ascii(written, stored):
    assert read(email=written) == {"email": stored}


@pytest.mark.parametrize(
    "written", ["a", "a@b", "@b.co", "a@b.co, c@d.co", "a b@c.co", "\u00e9@b.co", "a@b..co", "a@" + "b" * 250 + ".co"]
)
def test_what_is_no_address_is_refused(written):
    assert set(errors(email=written)) == {"email"}


def test_an_instant_needs_its_offset():
    assert read(at="2026-01-31T23:59:59+03:00")["at"].isoformat() == "2026-01-31T20:59:59+00:00"
    assert read(at="2026-01-31T23:59:59 03:00") == read(at="2026-01-31T23:59:59+03:00")  # "+" in a query string
    for text in ("2026-01-31T23:59:59", "2026-01-31", "yesterday", "0001-01-01T00:00:00+14:00", 12):
        assert errors(at=text) == {"at": "invalid_instant"}


def test_an_instant_is_written_the_same_wherever_it_was_read():
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert written(at) == InstantField().to_representation(at) == "2026-02-28T23:30:00Z"
