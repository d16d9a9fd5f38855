"""What a request took is free once it has been answered: nothing piles up for the garbage collector."""

import gc

import pytest
from rest_framework.request import Request

from tests.books import fund
from tests.factories import signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> int:
    return sum(type(thing) is Request for thing in gc.get_objects())  # isinstance would wake what is lazy


def test_the_most_asked_doors_leave_nothing(client, aline, eric, no_collector):
    fund(aline, 5_000)
    headers = signed_in(aline.customer)
    body = {"from_wallet_id": str(aline.id), "to": {"wallet_id": str(eric.id)}, "amount": "1000", "currency": "RWF"}
    before = left()

    sent = [
        client.post(
            "/v1/transfers", body, "application/json", headers=headers | {"Idempotency-Key": f"leaves-nothing-{n}"}
        )
        for n in range(6)
    ]
    page = client.get(f"/v1/wallets/{aline.id}/transactions", headers=headers)
    balance = client.get(f"/v1/wallets/{aline.id}/balance", headers=headers)

    assert [answer.status_code for answer in sent] == [201] * 5 + [422]
    assert (page.status_code, balance.status_code) == (200, 200)
    assert left() == before
