"""Lists and searches over large tables: each goes along an index, whatever it is asked, and reads no table from end to
end. Made from the site's own registry: a new list, filter or choice is looked at without a line here."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse

from core.admin import StaffAdmin, lists
from core.admin.lists import MadeBetween
from core.admin.search import _finders, read_identity
from staff.models import User
from staff.roles import PERMISSIONS, Role
from tekana.made_data import loading
from tests.admin.conftest import client_of, member
from tests.admin.plans import LARGE, faults_of, faults_of_page
from tests.made_data.conftest import QUIET, rows, scratch_database, value, wanted

REGISTRY: dict[type[models.Model], StaffAdmin] = admin.site._registry  # type: ignore[assignment]
MODELS = sorted(REGISTRY, key=lambda model: model._meta.label)
ASKED = [
    "otieno", "kam wan", "ma", "zzqq", "0712", "0712345", "+25471", "254712345678", "ke.halima", "halima@", "INV-KE-7",
    "0199", "018fad0c", "018fad0c-1206", "018fad0c-1206-7848-aff7-2f0ac3e34226", "7K2M9QX4TB", "SBX0123456789AB",
    "msg_0123456789abcdef", "asset:rail:sandbox:KES", "income:", "liability:wallet:018f", "liability",
    "transfer:018fad0c-1206-7848-aff7-2f0ac3e34226",
]  # fmt: skip


@pytest.fixture(scope="module")
def large(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, User]]:
    """Enough rows for the planner to see what is large; and a member of staff for each role."""
    with scratch_database(django_db_blocker):
        loading.make(wanted(customers=120_000, transactions=60_000), QUIET)
        yield {role: member(role) for role in Role.values}


@pytest.fixture(autouse=True)
def _counting_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap is to the tables here as it is to a hundred times as many rows in earnest."""
    monkeypatch.setattr(lists, "MOST_COUNTED", 200)


def who_sees(model: type[models.Model], staff: dict[str, User]) -> Client:
    return who_may(f"{model._meta.app_label}.view_{model._meta.model_name}", staff)


def who_may(permission: str, staff: dict[str, User]) -> Client:
    return client_of(next(user for role, user in staff.items() if permission in PERMISSIONS[role]))


def address(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def ways_to_cut(model: type[models.Model], user: User) -> Iterator[dict[str, str]]:
    """No filter, each choice of each filter alone, each kind of text in the box."""
    model_admin = REGISTRY[model]
    request = HttpRequest()
    request.method, request.user = "GET", user
    yield {}
    kinds: Any = model_admin.list_filter
    for kind in kinds:
        spec = kind(request, {}, model, model_admin)
        if isinstance(spec, MadeBetween):
            yield {"from": "2026-03-01"}
            yield {"from": "2026-02-01", "to": "2026-02-02"}
        elif spec.parameter_name in ("wallet", "customer"):
            yield {spec.parameter_name: busiest(spec.parameter_name)}
        else:
            yield from ({spec.parameter_name: str(choice)} for choice, _ in spec.lookup_choices)
    if model_admin.search_fields:
        yield from ({"q": text} for text in ASKED)


def busiest(whose: str) -> str:
    """Whose history is the longest."""
    column = {"wallet": "w.id", "customer": "w.customer_id"}[whose]
    return str(
        value(
            f"SELECT {column} FROM wallets_wallet w JOIN ledger_account a ON a.id = w.account_id"
            " ORDER BY a.seq DESC LIMIT 1"
        )
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
def test_a_list_goes_along_an_index_however_it_is_cut(model: type[models.Model], large: dict[str, User]) -> None:
    client = who_sees(model, large)

    faults = {
        (tuple(query.items()), fault.what): fault.statement
        for query in ways_to_cut(model, next(iter(large.values())))
        for fault in faults_of_page(client, address(model), **query)
    }

    assert faults == {}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label_lower)
def test_a_full_page_takes_as_many_statements_as_one_row(
    model: type[models.Model], large: dict[str, User], statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, counts = who_sees(model, large), []
    client.get(address(model))  # what is read once per process
    for size in (1, 50):
        monkeypatch.setattr(REGISTRY[model], "list_per_page", size)
        statements.clear()
        page = client.get(address(model))
        counts.append(len(statements))

    assert page.status_code == 200
    assert counts[0] == counts[1]


def test_the_dashboard_adds_up_days_and_not_transactions(large: dict[str, User]) -> None:
    assert value("SELECT count(*) FROM transactions_dailycount") > 0

    for permission in ("customers.suspend", "ledger.view_journal"):
        assert faults_of_page(who_may(permission, large), reverse("admin:index")) == []


@pytest.mark.parametrize("text", ASKED)
def test_a_search_reads_no_table_from_end_to_end(large: dict[str, User], text: str) -> None:
    for permission in ("customers.view_customer", "ledger.view_account"):
        faults = faults_of_page(who_may(permission, large), reverse("admin:search"), q=text)
        assert faults == []


def test_every_identifier_there_is_leads_to_its_page(large: dict[str, User]) -> None:
    ((customer, phone, email),) = rows("SELECT id, phone_number, email FROM customers_customer ORDER BY id LIMIT 1")
    wallet = value("SELECT id FROM wallets_wallet ORDER BY id LIMIT 1")
    account, code = rows("SELECT id, code FROM ledger_account ORDER BY code LIMIT 1")[0]
    ((txn, receipt, key),) = rows(
        "SELECT id, receipt, idempotency_key FROM transactions_transaction"
        " WHERE kind = 'transfer' AND state = 'completed' ORDER BY id LIMIT 1"
    )
    ((named, reference),) = rows(
        "SELECT id, reference FROM transactions_transaction WHERE reference IS NOT NULL ORDER BY id LIMIT 1"
    )
    ((paid, theirs),) = rows(
        "SELECT id, rail_reference FROM transactions_transaction WHERE rail_reference <> '' ORDER BY id LIMIT 1"
    )
    ((event, of),) = rows(
        "SELECT id, transaction_id FROM transactions_event WHERE id <> transaction_id ORDER BY id LIMIT 1"
    )
    ((message, rails),) = rows("SELECT id, message_id FROM transactions_railmessage ORDER BY id LIMIT 1")
    notification = value("SELECT id FROM notifications_notification ORDER BY id LIMIT 1")
    freeze = value("SELECT id FROM wallets_freeze ORDER BY id LIMIT 1")
    journal = value("SELECT reference FROM ledger_journal WHERE id = %s", txn)
    support = [
        ("customers.customer", customer, [str(customer), customer.hex, phone, phone[1:], email, email.upper()]),
        ("wallets.wallet", wallet, [str(wallet), wallet.hex.upper()]),
        ("transactions.transaction", txn, [str(txn), receipt, receipt.lower(), f"{receipt[:3]}-{receipt[3:]}", key]),
        ("transactions.transaction", named, [reference, reference.lower()]),
        ("transactions.transaction", paid, [theirs, theirs.lower()]),
        ("transactions.transaction", of, [str(event)]),
        ("transactions.railmessage", message, [rails, rails.upper(), str(message)]),
        ("notifications.notification", notification, [str(notification), f"{{{notification}}}"]),
        ("wallets.freeze", freeze, [freeze.hex]),
    ]
    finance = [("ledger.account", account, [code, code.lower()]), ("ledger.journal", txn, [journal])]

    led = {
        said: who_may(permission, large).get(reverse("admin:search"), {"q": said}).headers.get("Location")
        for permission, kinds in (("customers.suspend", support), ("ledger.view_journal", finance))
        for _, _, names in kinds
        for said in names
    }

    assert led == {
        said: reverse(f"admin:{model.replace('.', '_')}_change", args=[pk])
        for model, pk, names in support + finance
        for said in names
    }


def test_the_beginning_of_an_id_lists_what_it_could_be_in_groups_that_lead_on(large: dict[str, User]) -> None:
    txn = value("SELECT id FROM transactions_transaction ORDER BY id DESC LIMIT 1")

    page = who_may("ledger.view_journal", large).get(reverse("admin:search"), {"q": str(txn)[:13]})
    common = who_may("customers.suspend", large).get(reverse("admin:search"), {"q": "kamau"})

    groups = {group.title: group for group in page.context["groups"]}
    assert str(txn) in "".join(hit.url for hit in groups["Transactions"].hits)
    assert str(txn) in "".join(hit.url for hit in groups["Journals"].hits)
    assert not any(group.is_exact for group in groups.values())
    (customers,) = [group for group in common.context["groups"] if group.title == "Customers"]
    assert len(customers.hits) == 20
    assert customers.more == address(REGISTRY_BY_LABEL["customers.customer"]) + "?q=kamau"
    assert "see all" in common.text


REGISTRY_BY_LABEL = {model._meta.label_lower: model for model in MODELS}


def test_what_many_accounts_begin_with_is_not_looked_for_entry_by_entry(large: dict[str, User]) -> None:
    entries = address(REGISTRY_BY_LABEL["reports.entryline"])
    finance = who_may("reports.view_entryline", large)
    code, seq = rows("SELECT code, seq FROM ledger_account WHERE currency = 'KES' ORDER BY seq DESC LIMIT 1")[0]

    one = finance.get(entries, {"q": code}).context["cl"]

    assert finance.get(entries, {"q": "liability:wallet:0"}).context["cl"].result_count == 0
    assert [entry.seq for entry in one.result_list[:3]] == [seq, seq - 1, seq - 2]


# --- The harness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("SELECT id FROM transactions_transaction WHERE memo LIKE '%rent%'", "reads all of transactions_transaction"),
        ("SELECT id FROM customers_customer WHERE full_name ILIKE 'ka%'", "reads all of customers_customer"),
        ("SELECT count(*) FROM ledger_entry", "reads all of ledger_entry"),
        ("SELECT id FROM transactions_transaction ORDER BY amount DESC LIMIT 50", "sorts"),
    ],
)
def test_a_statement_that_reads_or_sorts_it_all_would_be_noticed(
    large: dict[str, User], statement: str, fault: str
) -> None:
    assert any(found.what.startswith(fault) for found in faults_of(statement))


def test_the_tables_that_are_said_to_be_large_are_those_that_are(large: dict[str, User]) -> None:
    found = {name for (name,) in rows("SELECT relname FROM pg_stat_user_tables WHERE n_live_tup > 3000")}

    assert found <= LARGE


def test_a_list_of_rows_with_uuids_is_found_by_finder_or_by_id() -> None:
    labels = {label for found in _finders if (label := found.model)}

    assert labels <= set(REGISTRY_BY_LABEL)
    assert read_identity("0192f0c4") is not None
    assert read_identity("0192f0c") is None
    assert read_identity("not-an-id-0192f0c4") is None
    assert read_identity("0192f0c4-0000-7000-8000-000000000000").is_whole  # type: ignore[union-attr]
