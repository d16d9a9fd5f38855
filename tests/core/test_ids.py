"""Ids sort by time; receipts notice what was misread."""

import threading
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ids import CROCKFORD, RECEIPT_LENGTH, TICK_US, check_character, new_receipt, read_receipt, uuid7

microseconds = st.integers(0, 2**47 * 1000)
bodies = st.text(CROCKFORD, min_size=RECEIPT_LENGTH - 1, max_size=RECEIPT_LENGTH - 1)
receipts = bodies.map(lambda body: body + check_character(body))


# --- uuid7 ---------------------------------------------------------------------------------------------------------
@given(microseconds, microseconds)
def test_ids_sort_as_their_times_do(one, other):
    if one != other:
        assert (uuid7(one) < uuid7(other)) is (one < other)


@given(microseconds)
def test_an_id_is_a_uuid_of_version_7_that_says_when(at_us):
    made = uuid7(at_us)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == at_us // 1000
    assert (made.int >> 66) & 0x3FF == at_us % 1000


@given(microseconds)
def test_two_ids_of_one_microsecond_differ(at_us):
    assert uuid7(at_us) != uuid7(at_us)


def test_without_a_time_ids_grow_in_every_thread():
    made: list[list[UUID]] = []

    def make() -> None:
        made.append([uuid7() for _ in range(2_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for mine in made:
        assert mine == sorted(mine)
    assert len({one for mine in made for one in mine}) == 8_000


# --- receipts ------------------------------------------------------------------------------------------------------
NOW = 1_800_000_000_000_000


def test_a_receipt_is_ten_characters_that_cannot_be_misheard():
    made = {new_receipt(NOW + tick * TICK_US, tick) for tick in range(2_000)}
    assert len(made) == 2_000
    assert {len(receipt) for receipt in made} == {RECEIPT_LENGTH} == {10}
    assert set("".join(made)) <= set(CROCKFORD)
    assert not set("ILOU") & set(CROCKFORD)
    assert all(read_receipt(receipt) == receipt for receipt in made)


def test_sixty_five_thousand_receipts_of_one_moment_are_all_different():
    assert len({new_receipt(NOW, number) for number in range(70_000, 70_000 + 65_536)}) == 65_536


def test_receipts_sort_by_time_and_tell_no_numbers():
    moments = [new_receipt(NOW + tick * TICK_US, 7) for tick in range(100)]
    assert moments == sorted(moments)

    in_a_row = [new_receipt(NOW, number) for number in range(100)]
    assert in_a_row != sorted(in_a_row)
    assert len({one[:5] for one in in_a_row}) == 1  # one neighbourhood of the index


@given(receipts, st.integers(0, RECEIPT_LENGTH - 1), st.sampled_from(CROCKFORD))
def test_one_wrong_character_is_always_noticed(receipt, position, wrong):
    if receipt[position] != wrong:
        assert read_receipt(receipt[:position] + wrong + receipt[position + 1 :]) is None


def test_every_swap_of_neighbours_is_noticed_but_that_of_the_first_and_last_digit():
    pairs = [(one, other) for one in CROCKFORD for other in CROCKFORD if one != other]
    missed = {
        (one, other)
        for one, other in pairs
        if check_character(f"ABC{one}{other}FGHJ") == check_character(f"ABC{other}{one}FGHJ")
    }
    assert missed == {("0", "Z"), ("Z", "0")}


@given(bodies)
def test_the_check_character_is_that_of_luhn_modulo_32(body):
    """So that receipts can be read out years later, and checked by others."""
    total = 0
    for position, character in enumerate(reversed(body)):
        value = CROCKFORD.index(character) * (2 if position % 2 == 0 else 1)
        total += value // 32 + value % 32
    assert (total + CROCKFORD.index(check_character(body))) % 32 == 0


@given(receipts)
def test_what_people_write_for_a_receipt_is_understood(receipt):
    spoken = receipt.replace("0", "o").replace("1", "l").lower()
    assert read_receipt(f" {spoken[:5]}-{spoken[5:]} ") == receipt
    assert read_receipt(receipt.replace("1", "i").replace("0", "O")) == receipt


@pytest.mark.parametrize("text", ["", "ABC", "0" * 9, "0" * 11, "U000000000", "00000 0000€", "\u0660" * 10])
def test_what_cannot_be_a_receipt_is_none(text):
    assert read_receipt(text) is None
