"""A page of history costs the same at any depth: counted in rows that PostgreSQL touches, never in seconds."""

from uuid import UUID

import psycopg
import pytest
from django.db import connection
from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH

from core.roles import connected_as_owner
from tests.books import fund, transfer
from tests.factories import signed_in
from transactions import selectors
from transactions.posting import post

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 3_000


def rows_touched(wallet, below, **filters):
    session = wallet.customer.sessions.get()
    params = selectors.Filters(**filters)._asdict() | {
        "customer": wallet.customer_id, "session": session.pk, "wallet": wallet.pk, "seq": below,
        "id": UUID(int=2**128 - 1), "limit": 51, "side": None,
    }  # fmt: skip
    cursor = psycopg.Cursor(connection.connection)
    [[[plan]]] = cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {selectors.HISTORY}", params, prepare=True).fetchall()
    return sum(entries_of(plan["Plan"]))


def entries_of(node):
    if node.get("Relation Name") == "ledger_entry":
        yield node["Actual Rows"] * node["Actual Loops"] + node.get("Rows Removed by Filter", 0)
    for child in node.get("Plans", []):
        yield from entries_of(child)


def test_the_first_page_and_one_deep_down_touch_as_many_entries(client, aline, eric):
    signed_in(aline.customer)
    fund(aline, LONG)
    for _ in range(LONG // 1000):
        post([transfer(aline, eric, 1) for _ in range(1000)])
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.ensure_connection()

    assert rows_touched(aline, 2**62) == 51
    assert rows_touched(aline, LONG // 2) == 51
    assert rows_touched(aline, 10) == 9


def test_a_page_is_one_statement(client, aline, eric, statements):
    headers = signed_in(aline.customer)
    fund(aline, 10)
    post([transfer(aline, eric, 1) for _ in range(3)])
    client.get(f"/v1/wallets/{aline.pk}/transactions", headers=headers)

    statements.clear()
    assert client.get(f"/v1/wallets/{aline.pk}/transactions", headers=headers).status_code == 200
    assert len(statements) == 1


def test_psycopg_remembers_how_the_statements_are_read():
    assert max(len(selectors.HISTORY), len(selectors.HISTORY_SINCE)) <= MAX_CACHED_STATEMENT_LENGTH
