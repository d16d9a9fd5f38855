"""The books in memory: what a posting does to accounts before anything is written. No database."""

from datetime import UTC, datetime
from uuid import uuid4
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.books import CREDIT, DEBIT, Books, Held, credit, debit, instant

NOON = 1_767_268_800_000_000  # 2026-01-01 12:00:00 UTC


def account(code="a", currency="RWF", side=CREDIT, posted=0, held=0, floor=None, seq=0, hold_seq=0, last_us=0) -> Held:
    number = crc32(code.encode())
    return Held(number, code, currency, side, posted, held, floor, seq, hold_seq, last_us, False, False, False)


def books(*accounts: Held, now_us=NOON) -> Books:
    return Books({one.code: one for one in accounts}, now_us)


def post(books, *lines, **more):
    journal = uuid4()
    books.post(lines, id=journal, moment=books.tick(), kind="transfer", reference=f"transfer:{journal}", **more)
    return journal


def test_columns_come_in_the_order_in_which_they_are_read():
    held = Held(1, "c", "RWF", -1, 20, 5, 3, 7, 8, 9, True, False, None)
    assert (held.id, held.code, held.currency, held.normal_side) == (1, "c", "RWF", -1)
    assert (held.posted, held.held, held.floor, held.seq, held.hold_seq, held.last_us) == (20, 5, 3, 7, 8, 9)
    assert (held.debits_frozen, held.credits_frozen, held.closed, held.changed) == (True, False, None, False)
    assert held.available == 15


@pytest.mark.parametrize(
    ("floor", "amount", "can"),
    [
        (0, 15, True),
        (0, 16, False),
        (3, 12, True),
        (3, 13, False),
        (-5, 20, True),
        (-5, 21, False),
        (None, 10**18, True),
    ],
)
def test_an_account_can_give_what_is_above_its_floor_and_not_held(floor, amount, can):
    assert account(posted=20, held=5, floor=floor).can_give(amount) is can


def test_a_posting_moves_balances_and_numbers_its_entries():
    payer, payee, fees = account("payer", posted=1_000, seq=4), account("payee", posted=5), account("fees", side=CREDIT)
    other = account("other")
    ours = books(payer, payee, fees, other)

    journal = post(ours, debit("payer", 110), credit("payee", 100), credit("fees", 10))

    assert (payer.posted, payee.posted, fees.posted, other.posted) == (890, 105, 10, 0)
    assert (payer.seq, payee.seq, fees.seq, other.seq) == (5, 1, 1, 0)
    assert (payer.changed, payee.changed, fees.changed, other.changed) == (True, True, True, False)
    assert (payer.last_us, other.last_us) == (NOON + 1, 0)
    assert [
        (e.account_id, e.seq, e.journal_id, e.side, e.amount, e.currency, e.balance_after) for e in ours.entries
    ] == [
        (payer.id, 5, journal, DEBIT, 110, "RWF", 890),
        (payee.id, 1, journal, CREDIT, 100, "RWF", 105),
        (fees.id, 1, journal, CREDIT, 10, "RWF", 10),
    ]
    assert {entry.recorded_at for entry in ours.entries} == {instant(NOON + 1)}


def test_accounts_grow_on_their_normal_side():
    owed, owned = account("owed", side=CREDIT), account("owned", side=DEBIT)

    post(books(owed, owned), debit("owned", 70), credit("owed", 70))

    assert (owed.posted, owned.posted) == (70, 70)


def test_a_journal_says_what_it_records():
    ours, original = books(account("a"), account("b")), uuid4()

    first = post(ours, debit("a", 1), credit("b", 1))
    then = datetime(2025, 12, 31, tzinfo=UTC)
    second = post(ours, debit("b", 1), credit("a", 1), effective_at=then, reverses=original, reverses_all=True)

    plain, reversing = ours.journals
    assert (plain.id, plain.kind, plain.reference) == (first, "transfer", f"transfer:{first}")
    assert (plain.effective_at, plain.recorded_at) == (instant(NOON + 1), instant(NOON + 1))
    assert (plain.reverses_id, plain.reverses_all, plain.metadata) == (None, False, {})
    assert (reversing.id, reversing.effective_at, reversing.recorded_at) == (second, then, instant(NOON + 2))
    assert (reversing.reverses_id, reversing.reverses_all) == (original, True)


def test_zero_lines_are_skipped():
    ours = books(account("a"), account("b"), account("fees"))
    post(ours, debit("a", 5), credit("b", 5), credit("fees", 0), credit("not there", 0))
    assert len(ours.entries) == 2
    assert ours.accounts["fees"].seq == 0


def test_each_currency_balances_for_itself():
    ours = books(account("rwf in"), account("rwf out"), account("kes in", "KES"), account("kes out", "KES"))
    post(ours, debit("rwf in", 100), credit("rwf out", 100), debit("kes in", 9), credit("kes out", 9))
    assert len(ours.journals) == 1
    with pytest.raises(ValueError, match=r"unbalanced: \{'RWF': 100, 'KES': -100\}"):
        post(ours, debit("rwf in", 100), credit("kes out", 100))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([debit("a", 5), credit("b", 4)], "unbalanced: {'RWF': 1}"),
        ([debit("a", 5)], "unbalanced"),
        ([], "unbalanced"),
        ([debit("a", 0), credit("b", 0)], "unbalanced"),
        ([debit("a", -5), credit("b", -5)], "a line on a is negative"),
        ([debit("a", 5), credit("a", 5)], "a line on a is negative or comes twice"),
    ],
)
def test_what_cannot_be_a_journal_is_our_mistake_and_raises(lines, says):
    ours = books(account("a"), account("b"))
    with pytest.raises(ValueError) as mistake:
        post(ours, *lines)
    assert says in str(mistake.value)
    assert str(mistake.value).startswith("journal transfer:")
    assert ours.journals == []


def test_an_account_that_was_not_locked_is_our_mistake_too():
    with pytest.raises(KeyError):
        post(books(account("a")), debit("a", 5), credit("b", 5))


def test_a_hold_counts_against_what_is_available_until_it_is_released():
    held, hold = account("a", posted=100, held=7, hold_seq=3, floor=0), uuid4()
    ours, later = books(held), datetime(2026, 2, 1, tzinfo=UTC)

    ours.hold("a", 60, hold=hold, moment=ours.tick(), expires_at=later)
    assert (held.posted, held.held, held.available, held.hold_seq, held.changed) == (100, 67, 33, 4, True)
    ours.release("a", "captured", 20, 40, hold=hold, moment=ours.tick())
    assert (held.held, held.hold_seq, held.last_us) == (47, 5, NOON + 2)
    ours.release("a", "voided", 40, 0, hold=hold, moment=ours.tick())
    assert (held.posted, held.held, held.available) == (100, 7, 93)

    assert [
        (e.account_id, e.seq, e.hold, e.kind, e.amount, e.held_after, e.remaining_after, e.expires_at)
        for e in ours.hold_events
    ] == [
        (held.id, 4, hold, "placed", 60, 67, 60, later),
        (held.id, 5, hold, "captured", 20, 47, 40, None),
        (held.id, 6, hold, "voided", 40, 7, 0, None),
    ]
    assert [event.recorded_at for event in ours.hold_events] == [instant(NOON + n) for n in (1, 2, 3)]


# --- time ----------------------------------------------------------------------------------------------------------
def test_an_instant_is_a_microsecond_since_1970():
    assert instant(NOON) == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert instant(NOON + 1) == datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)


def test_each_moment_is_one_microsecond_later():
    ours = books(account("a"))
    assert [tuple(ours.tick()) for _ in range(2)] == [(NOON + n, instant(NOON + n)) for n in (1, 2)]


@pytest.mark.parametrize(
    ("last_us", "first"), [(0, NOON + 1), (NOON - 1, NOON + 1), (NOON, NOON + 2), (NOON + 9, NOON + 11)]
)
def test_a_posting_is_later_than_anything_on_its_accounts_even_when_the_clock_went_back(last_us, first):
    assert books(account("a"), account("b", last_us=last_us)).tick().us == first


def test_books_without_accounts_have_the_time_of_the_database():
    assert Books({}, NOON).tick().us == NOON + 1


# --- whatever is posted --------------------------------------------------------------------------------------------
CODES = ["a", "b", "c", "d"]
SPLITS = st.dictionaries(st.sampled_from(CODES), st.integers(0, 10**15), min_size=1, max_size=3)


@given(st.lists(SPLITS, max_size=20))
def test_the_sum_of_all_accounts_stays_zero_and_every_balance_is_that_of_its_entries(splits):
    ours = books(account("house", side=DEBIT), *(account(code) for code in CODES))
    for split in splits:
        total = sum(split.values())
        if total:
            post(ours, debit("house", total), *(credit(code, amount) for code, amount in split.items()))

    everyone = ours.accounts.values()
    assert sum(one.posted * one.normal_side for one in everyone) == 0
    for one in everyone:
        mine = [entry for entry in ours.entries if entry.account_id == one.id]
        assert [entry.seq for entry in mine] == list(range(1, one.seq + 1))
        running = 0
        for entry in mine:
            running += entry.side * one.normal_side * entry.amount
            assert entry.balance_after == running
        assert running == one.posted
