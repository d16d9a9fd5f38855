from datetime import datetime
from uuid import UUID, uuid4

import pytest

from core.pagination import read_cursor, write_cursor


def test_pages_follow_each_other_without_gap_or_repeat(client):
    seen, cursor = [], ""
    while True:
        page = client.get(f"/v1/numbers?limit=50{cursor}").json()
        seen += page["data"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"

    assert seen == list(range(1, 121))


def test_the_limit_is_50_unless_told_and_200_at_most(client):
    assert len(client.get("/v1/numbers").json()["data"]) == 50
    assert len(client.get("/v1/numbers?limit=100").json()["data"]) == 100
    assert len(client.get("/v1/numbers?limit=100000").json()["data"]) == 120


def test_a_last_page_that_is_full_has_no_next(client):
    assert client.get("/v1/numbers?limit=120").json()["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=0", "limit=abc", "limit=", "limit=1e9", "limit=1.5", "limit=" + "9" * 2000, "cursor=x",
              "cursor=", "cursor=W10", "cursor=%00", "cursor=WyJhIl0", "cursor=e30", "cursor=" + "A" * 4000, "page=2",
              "cursor=" + write_cursor(2**70), "cursor=" + write_cursor(1, 2), "cursor=\u00e9"],
)  # fmt: skip
def test_a_query_that_makes_no_sense_is_a_400_that_names_the_parameter(client, query):
    answer = client.get(f"/v1/numbers?{query}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]


def test_cursors_carry_any_key():
    key = (uuid4(), 12, datetime.fromisoformat("2026-01-01T00:00:00+00:00"))

    assert read_cursor(write_cursor(*key), UUID, int, datetime.fromisoformat) == key
