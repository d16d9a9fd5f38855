"""What rails told us: those that need a person are found, read beside our record, and closed with a reason."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from core.models import AuditRecord
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import World, odd_message
from tests.books import assert_books_balance, posted
from tests.factories import fresh
from transactions.models import Event, RailMessage, Transaction

Count = Callable[[Client, str], int]
LIST = "admin:transactions_railmessage_changelist"
REASON = {"reason": "A test payment of theirs, ticket 12"}


def page(message: RailMessage) -> str:
    return reverse("admin:transactions_railmessage_change", args=[message.pk])


def close(message: RailMessage) -> str:
    return reverse("admin:transactions_railmessage_close", args=[message.pk])


def found(client: Client, query: str) -> list[str]:
    return [one.message_id for one in client.get(reverse(LIST) + query).context["cl"].result_list]


def processed(world: World) -> RailMessage:
    return RailMessage.objects.create(
        rail="sandbox", message_id="msg_done", state="processed", transaction=world.sent, payload={}, note="Completed."
    )


def test_the_list_is_newest_first_and_filters_find_what_needs_a_person(finance: Client, world: World) -> None:
    processed(world)
    today = now().date()

    assert found(finance, "") == ["msg_done", "msg_odd"]
    assert found(finance, "?state=odd") == ["msg_odd"]
    assert found(finance, "?state=received") == []
    assert found(finance, f"?rail=sandbox&from={today}") == ["msg_done", "msg_odd"]
    assert found(finance, f"?from={today + timedelta(days=2)}") == []


def test_a_message_is_looked_up_by_its_id_or_its_transactions(support: Client, world: World) -> None:
    message = processed(world)

    assert found(support, "?q=msg_done") == ["msg_done"]
    assert found(support, f"?q={world.sent.pk}") == found(support, f"?q={message.pk}") == ["msg_done"]
    assert found(support, "?q=done") == []


def test_the_list_links_the_transaction_or_says_there_is_none(support: Client, world: World) -> None:
    processed(world)

    text = support.get(reverse(LIST)).text

    assert reverse("admin:transactions_transaction_change", args=[world.sent.pk]) in text
    assert "Needs a person" in text
    assert "–" in text


def test_a_messages_page_lays_what_the_rail_says_beside_our_record(support: Client, world: World) -> None:
    matched = odd_message("msg_2", transaction=world.sent, note="Another amount than ours.", attempts=1)

    text, unmatched = support.get(page(matched)).text, support.get(page(world.odd)).text

    for shown in (
        "msg_2", "This one needs a person: Another amount than ours.", "Wanjiku Kamau", "1,000.00", "Completed",
        "<details", "&quot;type&quot;: &quot;payment.succeeded&quot;", "&lt;b&gt;ours?", "Attempts", "Close",
        reverse("admin:transactions_transaction_change", args=[world.sent.pk]),
    ):  # fmt: skip
        assert shown in text, shown
    assert "None of ours was matched." in unmatched
    assert "The reference is not one of ours." in unmatched


def test_the_story_of_a_transaction_leads_to_its_messages(support: Client, world: World) -> None:
    message = processed(world)

    assert page(message) in support.get(reverse("admin:transactions_transaction_change", args=[world.sent.pk])).text


def test_a_messages_page_takes_the_same_statements_for_much_as_for_little(
    administrator: Client, world: World, count: Count
) -> None:
    few = count(administrator, page(odd_message("msg_2", transaction=world.sent, payload={"items": []})))

    much = odd_message("msg_3", transaction=world.sent, payload={"items": [{"n": n} for n in range(50)]})
    for number in range(5):
        odd_message(f"m{number}", transaction=world.sent)

    assert count(administrator, page(much)) == few


def test_closing_is_recorded_with_its_reason_and_moves_no_money(
    support: Client, world: World, staff: dict[str, User]
) -> None:
    message = odd_message("msg_2", transaction=world.sent)
    before = posted(world.wallet), posted(world.johns), Event.objects.count(), list(Transaction.objects.values())

    answer = support.post(close(message), REASON, follow=True)

    assert fresh(message).state == RailMessage.State.PROCESSED
    assert fresh(world.odd).state == RailMessage.State.ODD
    record = AuditRecord.objects.get(action="close", subject_id=str(message.pk))
    assert (record.actor, record.reason) == (staff[Role.SUPPORT].principal, REASON["reason"])
    for shown in ("Closed.", "Audit trail", REASON["reason"], "Support Person (support)"):
        assert shown in answer.text, shown
    assert "It has been dealt with and needs nobody any more." in answer.text
    assert before == (
        posted(world.wallet),
        posted(world.johns),
        Event.objects.count(),
        list(Transaction.objects.values()),
    )
    assert_books_balance()


@pytest.mark.parametrize("form", [{}, {"reason": "  "}, {"reason": "x" * 501}])
def test_without_a_reason_it_stays_open(administrator: Client, world: World, form: dict[str, str]) -> None:
    assert administrator.post(close(world.odd), form).status_code == 200

    assert fresh(world.odd).state == RailMessage.State.ODD
    assert not AuditRecord.objects.filter(action="close").exists()


@pytest.mark.parametrize(
    ("state", "said"),
    [(RailMessage.State.RECEIVED, "The worker has not taken it up yet."), (RailMessage.State.PROCESSED, "dealt with")],
)
def test_what_needs_nobody_is_not_closed(administrator: Client, world: World, state: str, said: str) -> None:
    RailMessage.objects.filter(pk=world.odd.pk).update(state=state)

    answer = administrator.post(close(world.odd), REASON)

    assert answer.status_code == 200
    assert said in answer.text
    assert "<textarea" not in answer.text
    assert fresh(world.odd).state == state
    assert not AuditRecord.objects.filter(action="close").exists()


def test_finance_reads_and_is_offered_nothing(finance: Client, world: World) -> None:
    assert close(world.odd) not in finance.get(page(world.odd)).text
    assert finance.post(close(world.odd), REASON).status_code == 403
    assert fresh(world.odd).state == RailMessage.State.ODD
