"""How long staff wait: searches and lists of the back office, on whatever data there are (`manage.py make_data`).

    python3 -m tekana.embedded run --data scale -- .venv/bin/python -m bench.pages

Each page is made in this process, as a member of staff who may see it, with nobody else at work: what a browser and the
network add is not in it. What is searched for is drawn from the tables, another thing each time.
"""

import os
import statistics
import time
from collections.abc import Iterator

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tekana.settings")
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.contrib import admin  # noqa: E402
from django.contrib.messages.storage.fallback import FallbackStorage  # noqa: E402
from django.contrib.sessions.backends.signed_cookies import SessionStore  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.urls import resolve, reverse  # noqa: E402

from staff.models import User  # noqa: E402
from staff.roles import PERMISSIONS, Role  # noqa: E402

EACH = 40
# What is typed: its name, who types it, a query for EACH of them.
SEARCHES = [
    ("a phone number", "customers.view_customer", "SELECT phone_number FROM customers_customer"),
    ("a name", "customers.view_customer", "SELECT full_name FROM customers_customer"),
    ("three letters of a name", "customers.view_customer", "SELECT left(full_name, 3) FROM customers_customer"),
    ("an e-mail address", "customers.view_customer", "SELECT email FROM customers_customer"),
    ("a receipt", "transactions.view_transaction", "SELECT receipt FROM transactions_transaction"),
    ("an idempotency key", "transactions.view_transaction", "SELECT idempotency_key FROM transactions_transaction"),
    ("an id", "transactions.view_transaction", "SELECT id::text FROM transactions_transaction"),
    ("eight digits of one", "transactions.view_transaction", "SELECT left(id::text, 8) FROM transactions_transaction"),
    ("an account's code", "ledger.view_account", "SELECT code FROM ledger_account"),
    ("the beginning of one", "ledger.view_account", "SELECT left(code, 24) FROM ledger_account"),
]
LISTS = [
    ("transactions.transaction", ({}, {"state": "failed"}, {"kind": "cash_out"}, {"currency": "USD"})),
    ("customers.customer", ({}, {"state": "suspended"}, {"q": "kam"})),
    ("wallets.wallet", ({}, {"status": "frozen"})),
    ("ledger.account", ({}, {"whose": "house"})),
    ("ledger.journal", ({},)),
    ("reports.entryline", ({}, {"kind": "reversal"}, {"currency": "RWF"})),
    ("notifications.notification", ({},)),
    ("transactions.railmessage", ({},)),
]


def main() -> None:
    counts = ", ".join(f"{rows(f'SELECT count(*) FROM {table}')[0]:,} {what}" for what, table in (
        ("customers", "customers_customer"), ("transactions", "transactions_transaction"), ("entries", "ledger_entry"),
    ))  # fmt: skip
    print(f"{counts}\n\n| page | p50 | p95 | slowest |\n|---|---|---|---|")
    index = reverse("admin:index")
    for permission, whose in (("customers.view_customer", "support"), ("ledger.view_account", "finance")):
        tell(f"dashboard, {whose}", [took(index, {}, permission) for _ in range(EACH)])
    for what, permission, query in SEARCHES:
        texts = list(drawn(query))
        tell(f"search: {what}", [took(reverse("admin:search"), {"q": text}, permission) for text in texts])
    for model, cuts in LISTS:
        app, _, name = model.partition(".")
        address = reverse(f"admin:{app}_{name}_changelist")
        for cut in cuts:
            words = "".join(f", {key} {value}" for key, value in cut.items())
            tell(f"list: {model}{words}", [took(address, cut, f"{app}.view_{name}") for _ in range(EACH // 4)])


def drawn(query: str) -> Iterator[str]:
    """EACH values from all over the table."""
    table = query.rpartition(" ")[2]
    size = max(rows(f"SELECT reltuples::bigint FROM pg_class WHERE relname = '{table}'")[0], 1)
    share = min(100 * EACH * 40 // size + 1, 100)
    yield from rows(f"SELECT * FROM ({query} TABLESAMPLE SYSTEM ({share})) found ORDER BY random() LIMIT {EACH}")


def rows(query: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def took(address: str, query: dict[str, str], permission: str) -> int:
    """Microseconds to make one page."""
    request = RequestFactory().get(address, query)
    request.user, request.session = who_may(permission), SessionStore()
    request.session["second_factor"] = "none: nobody signs in here"
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    view, args, kwargs = request.resolver_match = resolve(address)
    began = time.perf_counter_ns()
    response = view(request, *args, **kwargs)
    if hasattr(response, "render"):
        response.render()
    spent = (time.perf_counter_ns() - began) // 1000
    found_it = response.status_code == 302 and response.headers["Location"].endswith("/change/")
    if response.status_code != 200 and not found_it:
        raise SystemExit(f"{address} {query}: {response.status_code} {response.headers.get('Location')}")
    return spent


def who_may(permission: str) -> User:
    role = next(role for role in Role.values if permission in PERMISSIONS[role])
    return _staff.setdefault(role, User(username=f"bench-{role}", role=role, is_active=True, pk=0))


_staff: dict[str, User] = {}


def tell(what: str, times: list[int]) -> None:
    times = sorted(times)
    figures = [statistics.median(times), times[len(times) * 95 // 100 - 1], times[-1]]
    print(f"| {what} | " + " | ".join(f"{round(figure) // 1000} ms" for figure in figures) + " |", flush=True)


if __name__ == "__main__":
    admin.autodiscover()
    main()
