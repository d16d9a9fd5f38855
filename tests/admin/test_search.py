"""One box: any identifier, in the form in which a person says it; one exact hit is opened at once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from core.admin.search import find
from customers import finding
from fx.models import Quote
from payments.models import PaymentRequest
from payouts.admin import matching as payouts
from payouts.models import Batch
from schedules.models import StandingOrder
from staff.models import User
from staff.roles import Role
from statements.models import Statement
from tests.admin.conftest import World
from tests.factories import new_wallet
from transactions.admin.finding import matching

Count = Callable[[Client, str], int]


def search(client: Client, text: str) -> Any:
    return client.get(reverse("admin:search"), {"q": text})


def page(model: str, pk: object) -> str:
    return reverse(f"admin:{model}_change", args=[pk])


@pytest.mark.parametrize(
    "said",
    ["+254712345678", "0712345678", "0712 345 678", "712345678", "254712345678", "+254 (712) 345-678", "00254712345678",
     "wanjiku@example.com", "WANJIKU@Example.com"],
)  # fmt: skip
def test_a_customer_is_opened_by_phone_or_address_however_it_is_said(support: Client, world: World, said: str) -> None:
    answer = search(support, said)

    assert (answer.status_code, answer.headers.get("Location")) == (302, page("customers_customer", world.wanjiku.pk))


@pytest.mark.parametrize("said", ["Wanjiku Kamau", "kamau", "kam wan", "wanj"])
def test_a_part_of_a_name_lists_who_it_could_be(support: Client, world: World, said: str) -> None:
    answer = search(support, said)

    assert answer.status_code == 200
    assert "Wanjiku Kamau" in answer.text


def test_a_name_in_another_script_and_a_double_name_are_found(support: Client, world: World) -> None:
    new_wallet(full_name="Jean-Paul N'Golo Ünal", phone_number="+254712000001", email="jp@example.com")

    for said in ("jean", "paul n'golo", "golo", "ünal", "JEAN-PAUL"):
        assert "Jean-Paul N&#x27;Golo Ünal" in search(support, said).text, said


def test_a_transaction_is_opened_by_anything_that_names_it(support: Client, world: World) -> None:
    receipt, target = world.sent.receipt, page("transactions_transaction", world.sent.pk)
    said = [
        receipt, receipt.lower(), f"{receipt[:3]}-{receipt[3:6]} {receipt[6:]}",
        receipt.replace("0", "O").replace("1", "l"), str(world.sent.pk), world.sent.pk.hex, "INV-2026-77",
        world.sent.idempotency_key,
    ]  # fmt: skip

    assert [search(support, one).headers.get("Location") for one in said] == [target] * len(said)


def test_a_wallet_and_a_customer_are_opened_by_id(support: Client, world: World) -> None:
    assert search(support, str(world.wallet.pk)).headers["Location"] == page("wallets_wallet", world.wallet.pk)
    assert search(support, str(world.wanjiku.pk)).headers["Location"] == page("customers_customer", world.wanjiku.pk)


def test_what_customers_make_is_opened_by_its_name_code_or_id(support: Client, world: World) -> None:
    payout, order = Batch.objects.get(customer=world.wanjiku), StandingOrder.objects.get(customer=world.wanjiku)
    asked, quote = PaymentRequest.objects.get(customer=world.john), Quote.objects.first()
    stated = Statement.objects.get(wallet=world.wallet)
    assert quote is not None

    led = {
        said: search(support, said).headers.get("Location")
        for said in (
            "casual work", str(payout.pk), str(order.pk), asked.code, asked.code.lower(),
            asked.spaced_code, "A-17", "a-17", str(quote.pk), stated.sha256, stated.sha256.upper(), str(stated.pk),
        )
    }  # fmt: skip

    wanted = [(payout, 2), (order, 1), (asked, 5), (quote, 1), (stated, 3)]
    pages = [page(one._meta.label_lower.replace(".", "_"), one.pk) for one, times in wanted for _ in range(times)]
    assert list(led.values()) == pages
    assert "Nothing found" in search(support, "casual").text, "no part of a name of theirs"


def test_a_ledger_account_is_found_by_finance_and_not_by_support(
    support: Client, finance: Client, world: World
) -> None:
    assert search(finance, "asset:rail:sandbox:KES").status_code == 302
    assert search(finance, "asset:rail").status_code == 200
    assert "asset:rail:sandbox" in search(finance, "asset:rail").text
    assert "Nothing found" in search(support, "asset:rail:sandbox:KES").text


def test_two_things_of_one_name_are_listed_grouped_with_the_exact_ones_first(support: Client, world: World) -> None:
    other = world.send(reference="SAME-REF", caller="staff:1", owner=None)
    mine = world.send(reference="SAME-REF")

    answer = search(support, "SAME-REF")

    assert answer.status_code == 200
    assert [group.title for group in answer.context["groups"]] == ["Transactions"]
    assert other.receipt[:3] in answer.text
    assert mine.receipt[:3] in answer.text


@pytest.mark.parametrize(
    "said",
    ["zzzz", "", "   ", "%", "_", "'; DROP TABLE x; --", "\x00", "🙂", "a" * 5000, "()&|!:*", "+", "@", "0", "-"],
)
def test_what_is_not_found_gets_help_and_nothing_breaks(support: Client, world: World, said: str) -> None:
    answer = search(support, said)

    assert answer.status_code == 200
    assert "as the customer says it" in answer.text


def test_a_mistyped_receipt_is_not_taken_for_another(support: Client, world: World) -> None:
    receipt = world.sent.receipt
    wrong = receipt[:-1] + ("2" if receipt[-1] != "2" else "3")

    assert "Nothing found" in search(support, wrong).text


def test_what_was_typed_is_shown_as_text(support: Client, world: World) -> None:
    answer = search(support, "<script>alert(1)</script>")

    assert "<script>alert(1)" not in answer.text


def test_search_takes_as_many_statements_for_many_hits_as_for_few(support: Client, world: World, count: Count) -> None:
    few = count(support, reverse("admin:search") + "?q=wanj")

    for number in range(5):
        new_wallet(full_name=f"Wanjala {number}")

    assert count(support, reverse("admin:search") + "?q=wanj") == few


def plan_of(rows: QuerySet[Any]) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
    return rows.explain()


@pytest.mark.parametrize(
    "said", ["INV-2026-77", "0192f0c4-0000-7000-8000-000000000000", "ABCDEFGHJK", "some key of theirs"]
)
def test_transactions_are_found_through_indexes(world: World, said: str) -> None:
    plan = plan_of(matching(said))

    assert "Seq Scan" not in plan, plan
    assert "Index" in plan


def test_payouts_are_found_through_the_index_of_what_payers_call_them(world: World) -> None:
    plan = plan_of(payouts("casual work"))

    assert "Seq Scan" not in plan and "payout_by_label" in plan, plan


@pytest.mark.parametrize("said", ["kamau wanj", "0712345678", "wanjiku@example.com", "wanj"])
def test_customers_are_found_through_indexes(world: World, said: str) -> None:
    plan = plan_of(finding.matching(said)[:20])

    assert "Seq Scan" not in plan, plan


def test_nobody_finds_what_the_role_does_not_show(world: World, staff: dict[str, User]) -> None:
    nobody = User(username="nobody", role=Role.SUPPORT, is_active=False)

    assert find("wanjiku", nobody) == []
