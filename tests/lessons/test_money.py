"""Money that comes or goes by itself in systems of this kind: strings, floats, migrations, limits read too early."""

import ast
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models.signals import class_prepared
from django.test import Client

from customers.models import TierLimit
from tests.books import assert_books_balance, fund, key, posted, transfer
from tests.factories import new_wallet, signed_in
from tests.racing import at_once
from transactions import tariff
from transactions.models import ReversalReason
from transactions.posting import post, post_one

ROOT = Path(__file__).parents[2]
OURS = {
    "core", "staff", "notes", "customers", "ledger", "wallets", "transactions", "recalls", "notifications", "reports",
}  # fmt: skip


# --- Whoever receives before sending --------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_a_balance_is_the_sum_of_what_came_and_went_whoever_begins(aline, eric):
    fund(aline, 100)
    fund(eric, 100)

    def send(payer, payee, amount):
        body = {
            "from_wallet_id": str(payer.pk),
            "to": {"wallet_id": str(payee.pk)},
            "amount": amount,
            "currency": "RWF",
        }
        headers = signed_in(payer.customer) | {"Idempotency-Key": key()}
        answer = Client().post("/v1/transfers", json.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code == 201, answer.content
        return answer.json()["balance_after"]

    assert send(eric, aline, "30") == "70"
    assert send(aline, eric, "10") == "120"
    assert send(eric, aline, 5) == "75"
    assert send(aline, eric, "125") == "0"
    assert (posted(aline), posted(eric)) == (0, 200)
    assert_books_balance()


# --- No floats ------------------------------------------------------------------------------------------------------
def test_no_column_holds_money_as_anything_but_whole_numbers():
    money = re.compile(r"amount|balance|posted|held|floor|fee$|flat|per_(movement|day|month)|debit$|credit$")
    fields = [field for app in OURS for model in apps.get_app_config(app).get_models() for field in model._meta.fields]

    assert not [field for field in fields if isinstance(field, models.FloatField | models.DecimalField)]
    named = [field for field in fields if money.search(field.name) and not isinstance(field, models.BooleanField)]
    assert len(named) > 15
    assert not [field for field in named if not isinstance(field, models.BigIntegerField)]


def float_calls(source: str) -> list[str]:
    """Calls of ``float`` and fractions written out, by line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        if call or (isinstance(node, ast.Constant) and isinstance(node.value, float)):
            found.append(f"line {node.lineno}")
    return found


def test_where_money_is_counted_nothing_is_a_float():
    files = ["core/money.py", "ledger/books.py", "ledger/selectors.py", "wallets/selectors.py"]
    names = ("attempt", "deciding", "journals", "movements", "policies", "tariff", "world")
    files += [f"transactions/{name}.py" for name in names]
    files += [str(path.relative_to(ROOT)) for path in (ROOT / "transactions/rules").glob("*.py")]

    assert {name: float_calls((ROOT / name).read_text()) for name in files} == {name: [] for name in files}
    assert float_calls("fee = float(amount) * 0.01") == ["line 1", "line 1"]


# --- Migrations -----------------------------------------------------------------------------------------------------
BOOKS = {
    ("ledger", "account"), ("ledger", "journal"), ("ledger", "entry"), ("ledger", "holdevent"), ("wallets", "wallet"),
    ("transactions", "transaction"), ("transactions", "event"), ("transactions", "usage"),
}  # fmt: skip
TAKES_AWAY = (migrations.DeleteModel, migrations.RenameModel, migrations.RemoveField, migrations.RenameField,
              migrations.AlterField)  # fmt: skip
REWRITES = re.compile(
    r"\b(UPDATE|DELETE\s+FROM|TRUNCATE(\s+TABLE)?|DROP\s+TABLE|DROP\s+COLUMN)\s+(ONLY\s+)?(ledger|wallets|transactions)_",
    re.I,
)


def dangers(app: str, operations: list[Operation]) -> Iterator[Operation]:
    """Operations that take something away from the books, or change what is in them."""
    for operation in operations:
        model = getattr(operation, "model_name", None) or getattr(operation, "name", "")
        sql = getattr(operation, "sql", "")
        taken = isinstance(operation, TAKES_AWAY) and (app, model.lower()) in BOOKS
        if taken or (isinstance(sql, str) and REWRITES.search(sql)):
            yield operation


def test_no_migration_takes_anything_from_the_books():
    disk = MigrationLoader(None).disk_migrations
    ours = {name: migration for name, migration in disk.items() if name[0] in OURS}

    assert len(ours) > 10
    assert {name: list(dangers(name[0], one.operations)) for name, one in ours.items()} == {name: [] for name in ours}


def test_a_migration_that_drops_a_balance_would_be_noticed():
    drop = migrations.RemoveField("Account", "posted")
    reset = migrations.RunSQL("UPDATE ledger_account SET posted = 0")
    harmless = migrations.AddField("Account", "note", models.TextField(default=""))

    assert list(dangers("ledger", [drop, reset, harmless])) == [drop, reset]


WALKED_BACK_TO = {"core": "0002", "customers": "0003", "ledger": "0002", "reports": "0001", "transactions": "0003"}


@pytest.mark.django_db(transaction=True)
def test_the_newest_migrations_run_over_books_that_are_full(aline, eric):
    fund(aline, 1_000)
    post([transfer(aline, eric, amount) for amount in (100, 250, 9_999)])
    before, listeners = what_the_books_say(), len(class_prepared.receivers)
    policies = list(ReversalReason.objects.values())

    try:
        for app in sorted(WALKED_BACK_TO, reverse=True):
            call_command("migrate", app, WALKED_BACK_TO[app], verbosity=0)
        older = what_the_books_say()
        assert {model: rows for model, rows in older.items() if rows} == in_columns_of(older, before)
    finally:
        call_command("migrate", verbosity=0)
        for policy in policies:  # a column that was taken away came back without what was in it
            ReversalReason.objects.filter(pk=policy["code"]).update(**policy)

    assert what_the_books_say() == before
    assert len(class_prepared.receivers) == listeners, "fields of migrations listen to all models that are made"
    assert (posted(aline), posted(eric)) == (650, 350)
    assert_books_balance()


def what_the_books_say() -> dict[str, list[dict]]:
    with connection.cursor() as cursor:
        said = {}
        for app, model in sorted(BOOKS):
            cursor.execute(f"SELECT to_json(t)::text FROM {app}_{model} t ORDER BY 1")
            said[model] = [json.loads(row) for (row,) in cursor.fetchall()]
    assert said["entry"] and said["transaction"]
    return said


def in_columns_of(older: dict[str, list[dict]], said: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """Without what a later migration added; that is what walking back takes away again."""
    full = {model: rows for model, rows in said.items() if rows}
    return {model: [{name: row[name] for name in older[model][0]} for row in rows] for model, rows in full.items()}


# --- Limits that were looked at before the lock ---------------------------------------------------------------------
@pytest.fixture
def a_thousand_a_day(db):
    """Of which each of many movements would be allowed alone."""
    TierLimit.objects.create(
        country_id="RW", currency="RWF", tier=2, per_movement=None, per_day=1_000, per_month=None, balance=None,
        effective_from="2025-01-01", source="a test",
    )  # fmt: skip
    tariff.forget()
    yield 1_000
    tariff.forget()


@pytest.mark.django_db(transaction=True)
def test_many_at_once_do_not_pass_a_limit_together(a_thousand_a_day, aline, eric):
    fund(aline, 50_000)

    outcomes = at_once([partial(post_one, transfer(aline, eric, 300)) for _ in range(12)])
    together = post([transfer(aline, eric, 40) for _ in range(5)])

    assert sum(outcome.error is None for outcome in outcomes) == 3
    assert [outcome.error is None for outcome in together] == [True, True, False, False, False]
    assert {o.error.code for o in [*outcomes, *together] if o.error} == {"limit_exceeded"}
    assert posted(eric) == 980
    assert_books_balance()


@pytest.mark.django_db
def test_exactly_all_there_is_can_be_sent_once():
    payer, payee = new_wallet(tier=2), new_wallet()
    fund(payer, 777)

    first, second = post_one(transfer(payer, payee, 777)), post_one(transfer(payer, payee, 777))

    assert first.error is None
    assert second.error and second.error.code == "insufficient_funds"
    assert (posted(payer), posted(payee)) == (0, 777)
    assert_books_balance()
