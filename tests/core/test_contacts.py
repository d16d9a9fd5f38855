"""Masks: what they leave, and that they leave no more."""

import re
import unicodedata
from uuid import UUID

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


# One number or address each, as people spell them.
SPELT = [
    "788123456", "788 123 456", "788-123-456", "8031234567", "0788_123_456", "0788 – 123 – 456", "0788·123·456",
    "250788123456", "250 788 123 456", "250-788-123-456", "250_788_123_456", "+250\u00a0788\u00a0123\u00a0456",
    "+250–788–123–456", "+250\u200b788\u200b123\u200b456", "250788123456\u200b", "＋250788123456", "+٢٥٠٧٨٨١٢٣٤٥٦",
    "٠٧٨٨١٢٣٤٥٦", "299 0788123456", "251 0788 123 456", "ID0788123456",
    "phone0788123456", "ID250788123456", "tel+250788123456", "(0788) 123 456",
    "wanjiku＠example.com", "wanjiku@example．com", "wanjiku\u200b@example.com",
]  # fmt: skip
# What is none.
READABLE = [
    "KES 712,345,678.00", "712345678.00", "KES 250,788,123,456.00", "250 000 000 000", "700000000", "12 712 345 678",
    "2026-11-20T10:56:26.123456Z", "20261120105626", "at 10:05 2026-11-20 10:56", "01-12-2026 10:56",
    "20 Nov – 21 Nov, 10:56–11:02", "asset:rail:sandbox:KES",
    "transfer:0192e5a0-1111-7abc-8123-012345678912", "25401111-1111-7123-8123-250788123456", "7K2 M9Q X4TB",
    "0192f012-3456-7890-8123-788123456012", "DEAD7745-AE8C-49BA-AF6B-030429694532", "1.5\u00a0× 10² m²",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "Zoë – naïve ١٢٣",
]  # fmt: skip


@pytest.mark.parametrize("text", SPELT)
def test_a_number_or_address_is_masked_however_it_is_spelt(text: str) -> None:
    masked = masked_text(f"ring {text}, please – now")

    assert "•••" in masked and masked.startswith("ring ") and masked.endswith(", please – now")
    assert not re.search("1.?2.?3.*4.?5.?6|wanjiku", unicodedata.normalize("NFKC", masked))


@pytest.mark.parametrize("text", READABLE)
def test_amounts_days_codes_and_ids_stay_readable(text: str) -> None:
    assert masked_text(text) == text


@given(st.uuids(), st.booleans())
def test_no_id_is_taken_for_a_number(one: UUID, is_upper: bool) -> None:
    text = f"{one} {one.hex}"

    assert masked_text(text.upper() if is_upper else text) in (text, text.upper())


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
