"""Recalls in the back office: opened from the payment, told as one story, answered for a recipient who called."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.timezone import now

from recalls.models import Recall, RecallState
from recalls.services import open_recall, refuse
from staff.approvals import approve
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import World
from tests.books import assert_books_balance, available, posted
from tests.factories import fresh
from transactions.services.reversals import given_back_alone


def page(name: str, pk: object) -> str:
    return reverse(f"admin:{name}", args=[pk])


def case(world: World, staff: dict[str, User], amount: int = 100_00) -> Recall:
    return open_recall(
        world.undone.pk, amount=amount, reason_code="duplicate", note="Sent it twice, ticket 12",
        actor=staff[Role.SUPPORT],
    )  # fmt: skip


def test_a_recall_is_opened_from_the_payments_page_and_shows_there(support: Client, world: World) -> None:
    payment = page("transactions_transaction_change", world.undone.pk)
    dialog = reverse("admin:recalls_recall_open", query={"receipt": world.undone.receipt})
    shown = support.get(payment).text
    asked = support.get(dialog).text

    assert dialog in shown
    assert f'value="{world.undone.receipt}"' in asked
    form = {"receipt": world.undone.receipt.lower(), "amount": "100.00", "reason": "duplicate", "note": "ticket 12"}
    answer = support.post(dialog, form, follow=True)

    assert "KES 100.00 of KES 100.00 is held, and both are told." in answer.text
    recall = Recall.objects.get(transaction=world.undone)
    assert answer.redirect_chain[-1][0] == page("recalls_recall_change", recall.pk)
    again = support.get(payment).text
    assert page("recalls_recall_change", recall.pk) in again
    assert dialog not in again
    assert "asks for KES 100.00 back" in again  # the notices are part of the payment's story
    assert_books_balance()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"receipt": ""}, "This field is required."),
        ({"receipt": "ABC"}, "There is no transaction with this receipt."),
        ({"amount": "12.345"}, "KES has 2 decimals."),
        ({"amount": "ten"}, "is not an amount of money"),
        ({"amount": "0"}, "An amount must be above zero"),
        ({"amount": "300.01"}, "More than what is left of the original"),
        ({"reason": "nonsense"}, "Select a valid choice."),
        ({"note": ""}, "This field is required."),
        ({"note": "x" * 501}, "at most 500 characters"),
    ],
)
def test_what_is_wrong_is_said_in_the_dialog(support: Client, world: World, form: dict[str, str], said: str) -> None:
    whole = {"receipt": world.undone.receipt, "amount": "1.00", "reason": "duplicate", "note": "ticket 12"} | form
    before = available(world.johns)

    answer = support.post(reverse("admin:recalls_recall_open"), whole)

    assert answer.status_code == 200
    assert said in strip_tags(answer.text).replace("&#x27;", "'")
    assert not Recall.objects.filter(transaction=world.undone).exists()
    assert available(world.johns) == before


def test_the_case_is_one_story(support: Client, world: World, staff: dict[str, User]) -> None:
    recall = case(world, staff)
    support.post(page("recalls_recall_add_note", recall.pk), {"text": "John does not pick up.", "key": str(uuid4())})
    url = page("recalls_recall_refuse", recall.pk)
    answer = support.post(url, {"note": "He called from his number: rent."}, follow=True)

    moments = next(p for p in answer.context["panels"] if p.title == "What happened").context["moments"]
    titles = [strip_tags(one.title) for one in moments]
    assert titles[0] == "Claimed back"
    assert {"Note", "The recipient refused"} <= set(titles)
    assert sum(title.startswith("Told ") for title in titles) == 4
    for shown in (
        "Sent it twice, ticket 12", "He called from his number: rent.", "Support Person (support)",
        "John does not pick up.",
        "Placed", "Voided", "Wanjiku Kamau", "John Otieno", "Recipient refused",
    ):  # fmt: skip
        assert shown in answer.text, shown
    assert "It is closed" in support.get(url).text
    assert_books_balance()


def test_support_writes_down_that_the_recipient_agreed(support: Client, world: World, staff: dict[str, User]) -> None:
    recall = case(world, staff)
    before = posted(world.wallet)
    url = page("recalls_recall_consent", recall.pk)

    assert "KES 100.00 goes back to Wanjiku Kamau" in support.get(url).text
    assert "This field is required." in support.post(url, {"note": ""}).text
    answer = support.post(url, {"note": "Called from his number."}, follow=True)

    assert "It went back." in answer.text
    assert "Entries in the books" in answer.text
    assert "Captured" in answer.text
    assert posted(world.wallet) == before + 100_00
    assert fresh(recall).closed_by == staff[Role.SUPPORT].principal
    assert_books_balance()


def test_above_what_the_role_gives_back_alone_a_second_person_decides(
    support: Client, world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transactions.services.reversals.REVERSES_ALONE", {Role.SUPPORT: {"KES": 250_00}})
    recall = case(world, staff)  # 200 were given back before
    url = page("recalls_recall_consent", recall.pk)

    assert "Ask for approval" in support.get(url).text
    answer = support.post(url, {"note": "Called from his number."}, follow=True)

    assert "waits for a second person" in answer.text
    assert fresh(recall).state == RecallState.OPEN
    approval = Approval.objects.get(operation="recall_consent")
    assert {fact[0]: fact[1] for fact in approval.preview["facts"]}["Goes back"] == "KES 100.00"
    assert [(leg["side"], leg["amount_minor"]) for leg in approval.preview["legs"]] == [
        ("debit", 100_00),
        ("credit", 100_00),
    ]
    approve(approval.pk, actor=staff[Role.ADMINISTRATOR])
    closed = fresh(recall)
    assert (closed.state, closed.returned) == (RecallState.CONSENTED, 100_00)
    assert closed.events.last().facts["approved_by"] == staff[Role.ADMINISTRATOR].principal
    # It is what the approval led to: it counts as nobody's alone, and its page says who approved.
    assert fresh(approval).result["id"] == str(closed.reversal_id)
    assert given_back_alone(closed.transaction.reversals.all()) == 200_00
    reversal = reverse("admin:transactions_transaction_change", args=[closed.reversal_id])
    assert "Approved by" in support.get(reversal).text
    assert_books_balance()


def test_the_queue_shows_what_is_open_and_what_is_near_its_end(
    support: Client, world: World, staff: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    recall = case(world, staff)
    url = reverse("admin:recalls_recall_changelist")

    def listed(**query: str) -> list[Any]:
        return [one.pk for one in support.get(url, query).context["cl"].result_list]

    menu = [item for group in support.get(url).context["sidebar_navigation"] for item in group["items"]]
    assert next(item["count"] for item in menu if item["title"] == "Recalls") == 1
    assert listed(state="open") == [recall.pk] == listed(q=world.undone.receipt)
    assert (listed(deadline="day"), listed(deadline="over"), listed(age="3")) == ([], [], [])
    assert "6 d left" in support.get(url, {"state": "open"}).text
    monkeypatch.setattr("recalls.admin.now", lambda: now() + timedelta(days=6, hours=12))
    assert listed(deadline="day") == [recall.pk]
    assert recall.pk in listed(age="3")
    assert "11 h left" in support.get(url, {"state": "open"}).text
    monkeypatch.setattr("recalls.admin.now", lambda: now() + timedelta(days=7, hours=1))
    assert listed(deadline="over") == [recall.pk]


def test_it_shows_on_the_pages_of_both_customers_and_of_the_wallet(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    address = page("recalls_recall_change", case(world, staff).pk)

    for url in (
        page("customers_customer_change", world.wanjiku.pk), page("customers_customer_change", world.john.pk),
        page("wallets_wallet_change", world.johns.pk),
    ):  # fmt: skip
        assert address in support.get(url).text
    assert "Held for recalls" in support.get(page("wallets_wallet_change", world.johns.pk)).text


def test_the_pages_take_as_many_statements_for_many_recalls_as_for_one(
    support: Client, world: World, staff: dict[str, User], count: Any
) -> None:
    recall = case(world, staff)
    urls = [
        page("recalls_recall_change", recall.pk), reverse("admin:recalls_recall_changelist"),
        page("customers_customer_change", world.john.pk), page("wallets_wallet_change", world.johns.pk),
    ]  # fmt: skip
    few = [count(support, url) for url in urls]

    for _ in range(3):
        open_recall(world.send(5_00).pk, reason_code="fraud", note="x", actor=staff[Role.SUPPORT])

    assert [count(support, url) for url in urls] == few


def test_what_was_answered_meanwhile_is_said_instead_of_done(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    recall = case(world, staff)
    refuse(recall.pk, actor=f"customer:{world.john.pk}")

    for name in ("consent", "withdraw"):
        answer = support.post(page(f"recalls_recall_{name}", recall.pk), {"note": "too late"})
        assert "It is closed: recipient refused." in answer.text
    assert fresh(recall).state == RecallState.REFUSED
