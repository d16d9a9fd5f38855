"""What `make_data` makes: books that are proven, people and movements as they are in life."""

import hashlib
from collections import Counter
from datetime import timedelta
from typing import Any

import phonenumbers
import pytest
from django.db import connection

from core.ids import read_receipt
from core.roles import connected_as_owner
from reports.totals import differences, sum_all_days, sum_days
from tekana.made_data import loading
from tekana.made_data.activity import Activity
from tests.books import assert_books_balance
from tests.made_data.conftest import CUSTOMERS, TRANSACTIONS, UNTIL, rows, value, wanted
from transactions.models import Kind, State
from transactions.services.counting import counted_since
from transactions.verify import verify


def digests(**changed: Any) -> dict[str, str]:
    """What would be copied into each table, without a database to hold it."""
    made: dict[str, Any] = {}
    for plan in loading.plans_of(wanted(customers=300, transactions=1_500, **changed)):
        Activity(plan, lambda table, document: made.setdefault(table, hashlib.sha256()).update(document)).live()
    return {table: digest.hexdigest() for table, digest in made.items()}


# --- Whatever is made -------------------------------------------------------------------------------------------------


def test_the_same_seed_and_end_make_the_same_rows_and_another_seed_others(db: None) -> None:
    first, again, other = digests(), digests(), digests(seed="8")

    assert first == again
    assert set(first) == set(other) == set(loading.COLUMNS) - {"wallets_freeze"}
    assert not set(first.values()) & set(other.values())


def test_it_is_as_much_as_was_asked_for_and_the_books_are_proven(made: None) -> None:
    assert value("SELECT count(*) FROM customers_customer") == CUSTOMERS == value("SELECT count(*) FROM wallets_wallet")
    assert value("SELECT count(*) FROM transactions_transaction") == TRANSACTIONS
    assert value("SELECT count(*) FROM transactions_outboxentry") == 0
    assert_books_balance()


@pytest.mark.parametrize(
    ("table", "change", "number"),
    [
        ("ledger_entry", "balance_after = balance_after + 1 WHERE seq = 2", "I3"),
        ("ledger_entry", "amount = amount + 1 WHERE seq = 1", "I4"),
        ("ledger_account", "posted = posted + 1 WHERE seq = 3", "I2"),
        ("ledger_account", "floor = NULL WHERE seq > 0", "I5"),
        ("ledger_holdevent", "amount = amount + 1 WHERE seq = 1", "I6"),
        ("transactions_transaction", "state = 'failed' WHERE kind = 'payment' AND state = 'completed'", "I1"),
        ("transactions_event", "to_state = 'processing' WHERE type = 'transaction.completed'", "I7"),
        ("transactions_transaction", "answer = 'null' WHERE answer IS NOT NULL", "I8"),
    ],
)
def test_the_proof_would_have_found_what_is_wrong(made: None, table: str, change: str, number: str) -> None:
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER; UPDATE {table} SET {change}")
        connection.needs_rollback, connection.in_atomic_block = False, True  # `verify` then joins what is open
        found = {finding.number for finding in verify().findings}
        connection.in_atomic_block = False
        cursor.execute("ROLLBACK")

    assert number in found


# --- As in life -------------------------------------------------------------------------------------------------------


def test_phone_numbers_are_valid_where_the_customer_lives_and_nobody_shares_one(made: None) -> None:
    people = rows("SELECT phone_number, country_id, email, full_name FROM customers_customer")

    wrong = [
        number
        for number, country, _, _ in people
        if not phonenumbers.is_valid_number_for_region(phonenumbers.parse(number), country)
    ]

    assert wrong == []
    assert len({person[0] for person in people}) == len({person[2] for person in people}) == CUSTOMERS
    assert {country for _, country, _, _ in people} == set(loading.SHARES)
    assert all(len(name.split()) >= 2 for *_, name in people)


def test_wallets_are_in_the_currency_of_the_country(made: None) -> None:
    assert not rows(
        "SELECT w.id FROM wallets_wallet w JOIN customers_customer c ON c.id = w.customer_id"
        " JOIN customers_country k ON k.code = c.country_id JOIN ledger_account a ON a.id = w.account_id"
        " WHERE k.currency <> w.currency OR a.currency <> w.currency"
    )


def test_no_limit_was_passed(made: None) -> None:
    limits = """
        JOIN wallets_wallet w ON w.id = {wallet} JOIN customers_customer c ON c.id = w.customer_id
        JOIN LATERAL (SELECT * FROM customers_tierlimit l WHERE l.tier = c.tier AND l.currency = w.currency
                      AND (l.country_id = c.country_id OR l.country_id IS NULL)
                      ORDER BY l.country_id NULLS LAST LIMIT 1) l ON true
    """
    assert not rows(
        f"SELECT * FROM transactions_usage u {limits.format(wallet='u.wallet_id')} WHERE u.amount > l.per_day"
    )
    assert not rows(
        f"SELECT * FROM ledger_account a JOIN wallets_wallet x ON x.account_id = a.id {limits.format(wallet='x.id')}"
        " WHERE a.posted > l.balance"
    )


def test_every_kind_and_end_is_there_and_receipts_can_be_read_out(made: None) -> None:
    kinds = Counter(dict(rows("SELECT kind, count(*) FROM transactions_transaction GROUP BY 1")))
    states = Counter(dict(rows("SELECT state, count(*) FROM transactions_transaction GROUP BY 1")))

    assert set(kinds) == {Kind.TRANSFER, Kind.PAYMENT, Kind.TOP_UP, Kind.CASH_OUT, Kind.REVERSAL}
    assert set(states) >= {State.COMPLETED, State.FAILED, State.REVERSED, State.CANCELLED}
    assert states[State.COMPLETED] > TRANSACTIONS * 9 // 10
    assert min(kinds[kind] for kind in ("transfer", "payment", "top_up", "cash_out")) > TRANSACTIONS // 20
    receipts = [one for (one,) in rows("SELECT receipt FROM transactions_transaction")]
    assert all(read_receipt(one) == one for one in receipts)


def test_a_few_do_most_of_it(made: None) -> None:
    sent = [
        count for (count,) in rows("SELECT count(*) FROM transactions_transaction GROUP BY payer_id ORDER BY 1 DESC")
    ]
    paid = [
        count
        for (count,) in rows(
            "SELECT count(*) FROM transactions_transaction WHERE kind = 'payment' GROUP BY payee_id ORDER BY 1 DESC"
        )
    ]

    assert sum(sent[: CUSTOMERS // 10]) > sum(sent) // 3
    assert len(paid) < CUSTOMERS // 20
    assert paid[0] > 10 * paid[-1]


def test_it_happened_in_the_period_and_more_by_day_than_by_night(made: None) -> None:
    first, last = rows("SELECT min(created_at), max(created_at) FROM transactions_transaction")[0]
    local = "extract(hour FROM t.created_at AT TIME ZONE k.timezone)"
    hours = dict(
        rows(
            f"SELECT {local}, count(*) FROM transactions_transaction t"
            " JOIN customers_country k ON k.currency = t.currency GROUP BY 1"
        )
    )

    assert UNTIL - timedelta(days=40) <= first < last < UNTIL
    assert hours.get(3, 0) * 10 < hours[18]


def test_the_counts_of_days_are_those_of_the_transactions(made: None) -> None:
    counted: Counter[str] = Counter()
    for one in counted_since(UNTIL.date() - timedelta(days=60)):
        counted[one.state] += one.number
    failed = value("SELECT count(*) FROM transactions_transaction WHERE state = 'failed'")
    done = value(
        "SELECT count(*) FROM transactions_transaction WHERE state IN ('completed', 'partially_reversed', 'reversed')"
    )

    assert counted == {"failed": failed, "completed": done}


def test_days_are_added_up_once_and_prove_to_be_what_their_entries_come_to(made: None) -> None:
    before = rows("SELECT * FROM reports_daytotal ORDER BY id")

    sum_all_days()
    again = sum_days()

    assert again == []
    assert rows("SELECT * FROM reports_daytotal ORDER BY id") == before
    assert not list(differences())
    assert value("SELECT sum(entries) FROM reports_summedday") == value("SELECT count(*) FROM ledger_entry")
    assert value("SELECT count(DISTINCT day) FROM reports_summedday") >= 40


def test_a_transaction_has_every_row_that_a_real_one_has(made: None) -> None:
    assert not rows(
        "SELECT t.id FROM transactions_transaction t WHERE t.kind IN ('top_up', 'cash_out') AND t.attempts > 0"
        " AND t.attempts <> (SELECT count(*) FROM transactions_railcall c WHERE c.transaction_id = t.id)"
    )
    assert value(
        "SELECT count(*) FROM transactions_railmessage m JOIN transactions_transaction t ON t.id = m.transaction_id"
        " WHERE t.state IN ('completed', 'failed')"
    ) == value("SELECT count(*) FROM transactions_railmessage")
    left = "SELECT sum(amount), sum(count) FROM {} WHERE {}"
    counted = rows(left.format("transactions_usage", "true"))
    gone = rows(
        "SELECT sum(amount), count(*) FROM transactions_transaction WHERE kind IN ('transfer', 'payment', 'cash_out')"
        " AND state NOT IN ('failed', 'cancelled', 'expired')"
    )
    assert counted == gone
    told = rows(
        "SELECT n.body, t.receipt FROM notifications_notification n"
        " JOIN transactions_transaction t ON t.id = n.transaction"
    )
    assert told
    assert all(receipt in body and "{" not in body for body, receipt in told)


def test_ids_go_on_where_the_made_ones_end(made: None) -> None:
    for table in ("ledger_account", "notifications_delivery"):
        last = value(f"SELECT max(id) FROM {table}")
        assert value("SELECT last_value FROM pg_sequences WHERE sequencename = %s", f"{table}_id_seq") >= last
