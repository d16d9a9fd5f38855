"""One row that cannot be seen to holds up no other, and is not passed over in silence."""

from typing import Any

import pytest
from django.db import connection

from core.rounds import each

pytestmark = pytest.mark.django_db


def halves(number: int) -> int:
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number // 2


def test_the_sum_of_what_was_done():
    assert each([2, 4, 6], halves) == 6
    assert each([], halves) == 0


def test_those_behind_a_failing_one_have_their_turn_and_the_round_fails_with_the_first(caplog):
    seen: list[int] = []

    def noted(number: int) -> int:
        seen.append(number)
        return halves(number)

    with pytest.raises(ValueError, match="3 is odd"):
        each([2, 3, 5, 8], noted)

    assert seen == [2, 3, 5, 8]
    assert [record.subject for record in caplog.records] == ["3", "5"]


def test_without_a_database_the_round_ends_at_once(monkeypatch):
    monkeypatch.setattr(connection, "is_usable", lambda: False)
    seen: list[Any] = []

    def down(number: int) -> int:
        seen.append(number)
        raise ConnectionError("the server has gone")

    with pytest.raises(ConnectionError):
        each([1, 2, 3], down)
    assert seen == [1]
