"""Accounts as rows: opened, frozen, closed; and what they said at any moment."""

import pytest
from django.db import IntegrityError, connection

from core.work import unit_of_work
from ledger import books
from ledger.chart import CREDIT, DEBIT
from ledger.errors import AccountNotEmpty, AccountNotFound
from ledger.models import Account
from ledger.selectors import balance_at, coverage, legs_of, trial_balance
from ledger.services import close_account, open_account, set_frozen
from tests.books import fund, transfer
from transactions.posting import post, post_one

pytestmark = pytest.mark.django_db


def test_an_account_opens_at_nothing():
    opened = Account.objects.get(pk=open_account("liability:wallet:x", "RWF", CREDIT, name="X", floor=0))
    assert (opened.code, opened.name, opened.currency, opened.normal_side, opened.floor) == (
        "liability:wallet:x", "X", "RWF", CREDIT, 0,
    )  # fmt: skip
    assert (opened.posted, opened.held, opened.seq, opened.hold_seq, opened.last_at) == (0, 0, 0, 0, None)
    with pytest.raises(IntegrityError, match="account_code_once"):
        open_account("liability:wallet:x", "RWF", CREDIT)


def test_flags_and_closing():
    account = open_account("liability:wallet:x", "RWF", CREDIT)
    set_frozen(account, debits=True, credits=False)
    row = Account.objects.get(pk=account)
    assert (row.debits_frozen, row.credits_frozen) == (True, False)
    close_account(account)
    assert Account.objects.get(pk=account).closed_at is not None
    with pytest.raises(AccountNotFound):
        close_account(0)


def test_an_account_with_money_does_not_close(aline):
    fund(aline, 1)
    with pytest.raises(AccountNotEmpty):
        close_account(aline.account_id)


def test_accounts_of_the_house_are_opened_at_first_use_and_locked_with_the_rest(aline):
    codes = ["asset:rail:new:RWF", f"liability:wallet:{aline.pk}", "income:fees:transfer:RWF"]
    with unit_of_work() as work:
        first = books.held_accounts(work, books.lock(work, codes), codes)
        again = books.held_accounts(work, books.lock(work, codes), codes)

    assert first.keys() == again.keys() == set(codes)
    house = Account.objects.get(code="asset:rail:new:RWF")
    assert (house.name, house.currency, house.normal_side, house.floor) == ("Money at a rail", "RWF", DEBIT, None)
    assert first["asset:rail:new:RWF"].id == again["asset:rail:new:RWF"].id == house.pk
    assert first[codes[1]].id == aline.account_id
    assert first[codes[1]].closed is False


def test_a_peek_imagines_the_accounts_of_the_house_and_opens_none(aline):
    codes = ["asset:rail:new:RWF", f"liability:wallet:{aline.pk}"]
    with unit_of_work() as work:
        seen = books.held_accounts(work, books.peek(work, codes), codes, peek=True)

    imagined = seen["asset:rail:new:RWF"]
    assert (imagined.currency, imagined.normal_side, imagined.posted, imagined.floor) == ("RWF", DEBIT, 0, None)
    assert seen[codes[1]].id == aline.account_id
    assert not Account.objects.filter(code="asset:rail:new:RWF").exists()


def test_an_account_that_is_no_house_account_is_never_opened_on_the_way(db):
    with pytest.raises(LookupError), unit_of_work() as work:
        books.held_accounts(work, books.lock(work, ["liability:wallet:nobody"]), ["liability:wallet:nobody"])


def test_nothing_posted_writes_nothing(aline, django_assert_num_queries):
    statements = []
    with unit_of_work() as work:
        work.run = lambda *args: statements.append(args)  # type: ignore[method-assign]
        books.write(work, books.Books({}, 0))
    assert statements == []


def test_a_balance_is_told_as_of_any_past_moment(aline, eric):
    fund(aline, 1_000)
    post([transfer(aline, eric, amount) for amount in (100, 20, 3)])
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT recorded_at, balance_after FROM ledger_entry WHERE account_id = %s ORDER BY seq", [aline.account_id]
        )
        moments = cursor.fetchall()

    assert [balance for _, balance in moments] == [1_000, 900, 880, 877]
    assert [balance_at(aline.account_id, at).posted for at, _ in moments] == [1_000, 900, 880, 877]
    assert balance_at(aline.account_id, moments[0][0].replace(year=2020)) == (0, 0, None)
    assert balance_at(aline.account_id).posted == 877
    assert balance_at(0) == (0, 0, None)


def test_the_trial_balance_and_what_covers_the_money(aline, eric):
    fund(aline, 1_000)
    post_one(transfer(aline, eric, 400))

    assert trial_balance() == [("RWF", 1_000, 1_000)]
    assert coverage() == [("RWF", 1_000, 0, 1_000, 0)]


def test_the_legs_of_a_journal_read_debits_first(aline, eric):
    fund(aline, 1_000)
    outcome = post_one(transfer(aline, eric, 400))

    debit, credit = legs_of(outcome.transaction)
    assert (debit.account_id, debit.side, debit.amount, debit.balance_after) == (aline.account_id, 1, 400, 600)
    assert (credit.account_id, credit.side, credit.amount, credit.balance_after) == (eric.account_id, -1, 400, 400)
    assert {leg.currency for leg in (debit, credit)} == {"RWF"}
