"""What PostgreSQL would do for a page: the plan of every statement that it takes, on tables that are large."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

# Tables that grow with customers or with what they do.
LARGE = {
    "customers_customer", "wallets_wallet", "ledger_account", "ledger_journal", "ledger_entry", "ledger_holdevent",
    "transactions_transaction", "transactions_event", "transactions_usage", "transactions_railcall",
    "transactions_railmessage", "notifications_notification", "notifications_delivery",
}  # fmt: skip
MOST_SORTED = 11_000  # rows: what a list counts, and a little


class Fault(NamedTuple):
    """What a plan does that it must not, and the statement."""

    what: str
    statement: str


def faults_of_page(client: Client, url: str, **query: str) -> list[Fault]:
    """What is wrong with the plans of the statements that this page takes; it must answer 200 or lead on."""
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url, query)
    assert response.status_code in (200, 302), f"{url} {query}: {response.status_code}"
    return [fault for one in captured.captured_queries for fault in faults_of(one["sql"])]


def faults_of(statement: str) -> list[Fault]:
    if not statement.lstrip().upper().startswith(("SELECT", "WITH")):
        return []
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"), [])
        (((plan,),),) = (cursor.fetchall(),)
    tree = plan if isinstance(plan, list) else json.loads(plan)
    return [Fault(what, statement) for what in faults_in(tree[0]["Plan"])]


def faults_in(node: dict[str, Any]) -> Iterator[str]:
    children = node.get("Plans", [])
    if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
        yield f"reads all of {node['Relation Name']}"
    if node["Node Type"] in ("Sort", "Incremental Sort", "Hash", "HashAggregate", "Materialize"):
        fed = sum(child["Plan Rows"] for child in children)
        if fed > MOST_SORTED and node["Node Type"] == "Sort":
            yield f"sorts {fed} rows"
    for child in children:
        yield from faults_in(child)
