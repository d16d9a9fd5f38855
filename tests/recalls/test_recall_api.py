"""The recipient's door: what is asked back of them, agreeing, refusing; nobody else's."""

from typing import Any

import pytest
from django.test import Client

from ledger.models import HoldEvent
from recalls.models import RecallEvent
from tests.books import assert_books_balance, available, posted
from tests.factories import fresh, signed_in


@pytest.fixture
def ask(client: Client, eric: Any) -> Any:
    """Eric's app."""
    headers = signed_in(eric.customer)

    def asked(path: str, body: Any = None, *, who: dict[str, str] = headers) -> Any:
        if body is None:
            return client.get(f"/v1/recalls{path}", headers=who)
        return client.post(f"/v1/recalls{path}", body, content_type="application/json", headers=who)

    return asked


def test_the_recipient_sees_who_asks_for_what_why_and_until_when(claim, ask, spend, sent, eric):
    spend(700).or_raise()
    recall = claim()

    (listed,) = ask("").json()["data"]

    assert listed == ask(f"/{recall.pk}").json()
    assert (listed["recall_id"], listed["transaction_id"], listed["receipt"]) == (
        str(recall.pk), str(sent.pk), sent.receipt,
    )  # fmt: skip
    assert (listed["amount"], listed["held"], listed["returned"], listed["currency"]) == ("1000", "300", "0", "RWF")
    assert (listed["asked_by"], listed["reason"], listed["status"]) == ("Aline M.", "Sent to the wrong person", "open")
    assert listed["answer_by"] > listed["opened_at"]
    assert "digit" not in str(listed)  # what staff wrote is theirs
    assert ask("?status=refused").json()["data"] == []
    assert ask("?status=nonsense").status_code == 400


def test_agreeing_twice_gives_back_once_and_says_the_same(claim, ask, aline, eric):
    recall, before = claim(), posted(aline)

    first, again = ask(f"/{recall.pk}/consent", {}), ask(f"/{recall.pk}/consent", {})

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["returned"]) == ("consented", "1000")
    assert (posted(aline), posted(eric)) == (before + 1_000, 0)
    assert fresh(recall).closed_by == eric.customer.principal
    assert HoldEvent.objects.filter(hold=recall.pk).count() == 2
    other = ask(f"/{recall.pk}/refuse", {})
    assert (other.status_code, other.json()["code"], other.json()["state"]) == (409, "recall_closed", "consented")
    assert_books_balance()


def test_refusing_keeps_the_money_and_what_was_said_is_for_us(claim, ask, aline, eric, client):
    recall = claim()

    first = ask(f"/{recall.pk}/refuse", {"reason": "This was for the rent."})
    again = ask(f"/{recall.pk}/refuse", {"reason": "Something else"})

    assert first.json() == again.json()
    assert first.json()["status"] == "refused"
    assert (posted(eric), available(eric)) == (1_000, 1_000)
    assert [event.note for event in RecallEvent.objects.filter(recall=recall)][-1] == "This was for the rent."
    told = client.get("/v1/notifications", headers=signed_in(aline.customer)).text
    assert "rent" not in told
    assert_books_balance()


def test_it_is_the_recipients_alone(claim, ask, aline, eric):
    recall = claim()
    sender = signed_in(aline.customer)

    assert ask("", who=sender).json()["data"] == []
    for path, body in ((f"/{recall.pk}", None), (f"/{recall.pk}/consent", {}), (f"/{recall.pk}/refuse", {})):
        answer = ask(path, body, who=sender)
        assert (answer.status_code, answer.json()["code"]) == (404, "recall_not_found")
        assert ask(path, body, who={}).status_code == 401
    assert fresh(recall).state == "open"
    assert (posted(eric), available(eric)) == (1_000, 0)


@pytest.mark.parametrize(
    ("path", "body"), [("consent", {"amount": "1"}), ("refuse", {"reason": "x" * 301}), ("refuse", [])]
)
def test_bad_input_is_named_and_closes_nothing(claim, ask, path, body):
    recall = claim()

    assert ask(f"/{recall.pk}/{path}", body).status_code == 400
    assert fresh(recall).state == "open"


def test_the_list_goes_on_page_by_page(ask, aline, eric, grace):
    from recalls.services import open_recall
    from tests.books import fund, transfer
    from transactions.posting import post_one

    fund(aline, 5_000)
    opened = []
    for _ in range(3):
        sent = post_one(transfer(aline, eric, 100)).or_raise().transaction
        opened.append(str(open_recall(sent, reason_code="fraud", note="x", actor=grace).pk))

    first = ask("?limit=2").json()
    second = ask(f"?limit=2&cursor={first['next']}").json()

    assert [one["recall_id"] for one in first["data"] + second["data"]] == opened[::-1]
    assert second["next"] is None
