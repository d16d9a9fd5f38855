"""Masks: what they leave, and that they leave no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contacts import masked_document, masked_email, masked_ip, masked_number, masked_phone, masked_text


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+254712345678", "+2547•••678"), ("+2348031234567", "+2348•••567"), ("+1234567", "+1•••567"),
        ("+123", "•••"), ("", "•••"),
    ],
)  # fmt: skip
def test_of_a_phone_number_beginning_and_end_are_left(number: str, masked: str) -> None:
    assert masked_phone(number) == masked


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_of_any_number_at_least_three_digits_are_hidden(number: str) -> None:
    beginning, _, end = masked_phone(number).partition("•••")

    assert number.startswith(beginning) and number.endswith(end)
    assert len(number) - len(beginning) - len(end) >= 3


@pytest.mark.parametrize(
    ("address", "masked"), [("wanjiku@example.com", "w•••@example.com"), ("a@b.co", "•••@b.co"), ("", "•••")]
)
def test_of_an_address_the_domain_is_left(address: str, masked: str) -> None:
    assert masked_email(address) == masked


def test_of_other_numbers_the_end_is_left() -> None:
    assert [masked_number("0102030405"), masked_number("123")] == ["•••405", "•••"]
    assert [masked_ip("41.90.64.7"), masked_ip("2001:db8:1::7")] == ["41.90.•••", "2001:db8:•••"]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Call +254712345678, or wanjiku@example.com.", "Call +2547•••678, or w•••@example.com."),
        ("0712 345 678 (her sister)", "0712 •••678 (her sister)"),
        ("+254 (712) 345-678", "+254 •••678"),
        ("00254712345678", "00254•••678"),
        ("tel:0712345678;mailto:w.kamau@example.co.ke", "tel:0712•••678;mailto:w•••@example.co.ke"),
        ("from 254712345678", "from 25471•••678"),
        ("w•••@example.com at +2547•••678", "w•••@example.com at +2547•••678"),
        # What is none: amounts, days, times, ids, receipts, references, counters.
        ("KES 1,000.00 on 2026-11-20 10:56:26", "KES 1,000.00 on 2026-11-20 10:56:26"),
        ("0192e5a0-1111-7abc-8123-012345678912", "0192e5a0-1111-7abc-8123-012345678912"),
        ("01926547-1111-7123-8123-123456789012", "01926547-1111-7123-8123-123456789012"),
        ("receipt 7F3 K9Q X2AB, INV-2026-77", "receipt 7F3 K9Q X2AB, INV-2026-77"),
        ("100000000000 and 1763636183000", "100000000000 and 1763636183000"),
    ],
)
def test_numbers_and_addresses_in_a_text_are_masked_and_nothing_else(text: str, masked: str) -> None:
    assert masked_text(text) == masked


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_stands_around_it_no_address_is_left_whole(before: str, after: str) -> None:
    assert "wanjiku@example.com" not in masked_text(f"{before} wanjiku@example.com {after}")
    assert "+254712345678" not in masked_text(f"{before} +254712345678 {after}")


def test_a_long_text_takes_no_longer_than_its_length() -> None:
    assert masked_text("a" * 200_000) == "a" * 200_000
    assert masked_text("0" * 200_000) == "0" * 200_000


def test_in_documents_the_names_of_fields_count_and_texts_are_read() -> None:
    said = {
        "payer": {"msisdn": 254712345678, "accountNumber": "0102030405", "account_name": "Wanjiku Kamau"},
        "contacts": ["wanjiku@example.com", {"Phone-Number": "0712345678"}],
        "amount_minor": 254712345678, "note": "ring +254712345678", "postal_address": "P.O. Box 7", "ip": "41.90.64.7",
        "ok": True, "none": None, "to": {"by": "phone", "value": "+2547•••678"}, "span": "all", "date_of_birth": "1990",
    }  # fmt: skip

    masked = masked_document(said)

    assert masked == {
        "payer": {"msisdn": "25471•••678", "accountNumber": "•••405", "account_name": "Wanjiku Kamau"},
        "contacts": ["w•••@example.com", {"Phone-Number": "0712•••678"}],
        "amount_minor": 254712345678, "note": "ring +2547•••678", "postal_address": "•••", "ip": "41.90.•••",
        "ok": True, "none": None, "to": {"by": "phone", "value": "+2547•••678"}, "span": "all", "date_of_birth": "•••",
    }  # fmt: skip
