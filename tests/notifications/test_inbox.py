"""The customer's notifications over the API."""

from uuid import uuid4

import pytest

from notifications.models import Notification
from tests.factories import CustomerFactory, signed_in

pytestmark = pytest.mark.django_db
URL = "/v1/notifications"
JSON = "application/json"


def make(customer, count):
    return [
        Notification.objects.create(
            customer=customer, event=uuid4(), transaction=uuid4(), kind="money_sent", title=f"No. {n}", body="…"
        )
        for n in range(count)
    ]  # fmt: skip


def test_newest_first_page_by_page_and_nobody_elses(client):
    me = CustomerFactory()
    mine = make(me, 5)
    make(CustomerFactory(), 3)
    headers = signed_in(me)

    titles, cursor, pages = [], "", 0
    while cursor is not None:
        answer = client.get(URL, {"limit": 2} | ({"cursor": cursor} if cursor else {}), headers=headers).json()
        titles += [row["title"] for row in answer["data"]]
        cursor, pages = answer["next"], pages + 1

    assert (titles, pages) == ([f"No. {n}" for n in (4, 3, 2, 1, 0)], 3)
    first = client.get(URL, {"limit": 1}, headers=headers).json()["data"][0]
    assert first == {
        "notification_id": str(mine[4].pk), "kind": "money_sent", "title": "No. 4", "body": "…",
        "transaction_id": str(mine[4].transaction), "read_at": None,
        "created_at": mine[4].created_at.isoformat().replace("+00:00", "Z"),
    }  # fmt: skip


def test_reading_one_takes_it_from_the_unread(client):
    me = CustomerFactory()
    first, second = make(me, 2)
    headers = signed_in(me)

    answers = [client.post(f"{URL}/{first.pk}/read", headers=headers, content_type=JSON) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["read_at"] == answers[1].json()["read_at"] is not None
    unread = client.get(URL, {"unread": "true"}, headers=headers).json()["data"]
    assert [row["notification_id"] for row in unread] == [str(second.pk)]
    assert len(client.get(URL, headers=headers).json()["data"]) == 2


def test_reading_all(client):
    me, other = CustomerFactory(), CustomerFactory()
    make(me, 3)
    make(other, 1)
    headers = signed_in(me)

    assert client.post(f"{URL}/read-all", headers=headers, content_type=JSON).json() == {"marked": 3}
    assert client.post(f"{URL}/read-all", headers=headers, content_type=JSON).json() == {"marked": 0}
    assert Notification.objects.filter(customer=other, read_at=None).count() == 1


def test_somebody_elses_is_a_missing_one(client):
    (theirs,) = make(CustomerFactory(), 1)
    headers = signed_in(CustomerFactory())

    answers = [client.post(f"{URL}/{pk}/read", headers=headers, content_type=JSON) for pk in (theirs.pk, uuid4())]

    assert [(a.status_code, a.json()["code"]) for a in answers] == [(404, "notification_not_found")] * 2
    theirs.refresh_from_db()
    assert theirs.read_at is None


@pytest.mark.parametrize("query", ["unread=perhaps", "limit=0", "cursor=x", "sort=title"])
def test_a_query_that_makes_no_sense_is_refused(client, query):
    assert client.get(f"{URL}?{query}", headers=signed_in(CustomerFactory())).status_code == 400


def test_nobody_reads_without_signing_in(client):
    assert [client.get(URL).status_code, client.post(f"{URL}/read-all").status_code] == [401, 401]


def test_a_page_costs_the_same_however_long(client, django_assert_max_num_queries):
    me = CustomerFactory()
    make(me, 30)
    headers = signed_in(me)

    with django_assert_max_num_queries(2):  # the session, the page
        assert len(client.get(URL, headers=headers).json()["data"]) == 30
