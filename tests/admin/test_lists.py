"""Lists: the same number of statements for few rows as for many, counted up to a cap, filtered and cut by day."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.admin import lists
from tests.admin.conftest import World, odd_message, posted_as
from tests.books import fund, transfer
from tests.factories import new_wallet
from transactions.admin.refusals import explain
from transactions.services.settling import settle
from wallets.services import freeze_wallet, lift_freeze

Count = Callable[[Client, str], int]
TRANSACTIONS = "admin:transactions_transaction_changelist"


def receipts(client: Client, query: str) -> set[str]:
    response = client.get(reverse(TRANSACTIONS) + query)
    assert response.status_code == 200
    return {row.receipt for row in response.context["cl"].result_list}


@pytest.mark.parametrize(
    "view",
    ["transactions_transaction", "customers_customer", "wallets_wallet", "wallets_freeze", "core_auditrecord",
     "notifications_notification", "transactions_railmessage"],
)  # fmt: skip
def test_a_list_takes_as_many_statements_for_many_rows_as_for_few(
    view: str, administrator: Client, world: World, count: Count
) -> None:
    url = reverse(f"admin:{view}_changelist")
    few = count(administrator, url)

    for number in range(5):
        odd_message(f"m{number}", transaction=world.send())
        freeze_wallet(new_wallet(), mode="debit", reason="test", actor=None)

    assert count(administrator, url) == few


def test_finance_lists_take_as_many_statements_for_many_rows_as_for_few(
    finance: Client, world: World, count: Count
) -> None:
    views = ("ledger_account", "ledger_journal", "reports_entryline")
    urls = [reverse(f"admin:{name}_changelist") for name in views]
    few = [count(finance, url) for url in urls]

    for _ in range(5):
        world.send()
        new_wallet()

    assert [count(finance, url) for url in urls] == few


@pytest.mark.parametrize("view", ["transactions_transaction", "customers_customer", "wallets_wallet"])
def test_a_list_begins_with_the_newest(view: str, administrator: Client, world: World) -> None:
    world.send()

    rows = administrator.get(reverse(f"admin:{view}_changelist")).context["cl"].result_list

    ids = [row.pk for row in rows]
    assert len(ids) > 2 and ids == sorted(ids, reverse=True)


def test_filters_find_what_they_name(support: Client, world: World) -> None:
    sent, refused, undone = world.sent.receipt, world.refused.receipt, world.undone.receipt

    assert receipts(support, "?refusal=limit_exceeded") | receipts(support, "?refusal=insufficient_funds") == {refused}
    assert receipts(support, "?state=failed") == {refused}
    assert receipts(support, "?reversed=yes") == {undone}
    assert sent in receipts(support, "?kind=transfer&state=completed&currency=KES")
    assert sent not in receipts(support, "?currency=RWF")
    assert len(receipts(support, "?reversed=is")) == 1
    assert receipts(support, "?state=open") == set()


def test_days_include_both_ends_and_nonsense_is_told_not_fatal(support: Client, world: World) -> None:
    today, sent = now().date(), world.sent.receipt

    assert sent in receipts(support, f"?from={today}&to={today}")
    assert receipts(support, "?to=2020-01-01") == set()
    assert receipts(support, "?from=2100-01-01") == set()
    assert sent in receipts(support, "?from=nonsense")


def test_a_wallets_movements_are_found_both_ways_and_refused_ones_too(support: Client, world: World) -> None:
    mine = receipts(support, f"?wallet={world.wallet.pk}")

    assert {world.sent.receipt, world.refused.receipt, world.undone.receipt} <= mine
    assert receipts(support, f"?wallet={world.frozen.pk}") == set()
    assert receipts(support, "?wallet=nonsense") == set()


def test_a_customers_movements_are_those_of_all_their_wallets(support: Client, world: World) -> None:
    dollars = new_wallet(currency="USD")
    freeze = world.frozen.freezes.get()
    lift_freeze(freeze, actor=None, reason="test")
    fund(dollars, 10_00)
    paid = posted_as(transfer(dollars, world.frozen, 5_00))

    theirs = receipts(support, f"?customer={world.wanjiku.pk}")

    assert {paid.receipt, world.sent.receipt, world.refused.receipt} <= theirs
    assert receipts(support, f"?customer={dollars.customer_id}&kind=transfer") == {paid.receipt}
    assert receipts(support, f"?customer={world.wallet.pk}") == set()


def test_entries_are_listed_as_they_were_recorded_under_their_owners_name(finance: Client, world: World) -> None:
    early = world.through_a_rail("cash_out", 100_00)
    world.send(1_00)
    settle(early.pk, to="completed", actor="rail:sandbox")

    page = finance.get(reverse("admin:reports_entryline_changelist"))
    shown = list(page.context["cl"].result_list)

    assert {entry.journal_id for entry in shown[:3]} == {early.pk}
    recorded = [entry.recorded_at for entry in shown]
    assert recorded == sorted(recorded, reverse=True)
    assert "Wanjiku Kamau" in page.text
    assert "Cash-out" in page.text
    assert f"liability:wallet:{world.wallet.pk}" not in page.text


def test_yes_and_no_are_words(finance: Client, world: World) -> None:
    text = finance.get(reverse("admin:ledger_journal_changelist")).text

    assert 'class="badge good">Yes</span>' in text
    assert "check_small" not in text


def test_the_box_of_a_list_takes_what_the_one_on_top_takes(support: Client, world: World) -> None:
    assert receipts(support, f"?q={world.sent.receipt.lower()}") == {world.sent.receipt}
    assert receipts(support, "?q=INV-2026-77") == {world.sent.receipt}
    found = support.get(reverse("admin:customers_customer_changelist") + "?q=0712 345 678").context["cl"].result_list
    assert [one.pk for one in found] == [world.wanjiku.pk]
    wallets = support.get(reverse("admin:wallets_wallet_changelist") + "?q=kamau").context["cl"].result_list
    assert {one.pk for one in wallets} == {world.wallet.pk, world.frozen.pk}


def test_a_long_list_is_counted_no_further_than_the_cap(
    support: Client, world: World, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)

    page = support.get(reverse(TRANSACTIONS))

    assert "More than 2 transactions" in page.text
    counts = [sql for sql in statements if "COUNT(*)" in sql and "transactions_transaction" in sql]
    assert counts
    assert all("LIMIT" in sql for sql in counts)


def test_what_a_list_is_cut_to_is_said_above_it(support: Client, world: World) -> None:
    text = support.get(reverse(TRANSACTIONS) + "?state=completed&from=2026-01-05").text

    assert "state: Completed" in text
    assert "from 5 Jan 2026" in text


def test_a_row_says_why_it_failed_and_whence_it_came(support: Client, world: World) -> None:
    failed = support.get(reverse(TRANSACTIONS) + "?state=failed").text
    top_up = support.get(reverse(TRANSACTIONS) + "?kind=top_up").text

    assert explain(world.refused.refusal_code).title in failed
    assert ">sandbox<" in top_up


def test_an_empty_list_helps(support: Client, world: World) -> None:
    page = support.get(reverse(TRANSACTIONS) + "?currency=ZAR")

    assert "No transactions match" in page.text
    assert "Show all" in page.text
