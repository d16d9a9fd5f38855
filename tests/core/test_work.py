"""Lists reach PostgreSQL as the arrays they are, whatever is in them."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.work import array, unit_of_work

ODD = ['"', "\\", "\\n", "a,b", "{}", "NULL", "null", "", " ", "\n\t", "é€😀", "'", "\x7f", "{a}", '\\"']
texts = st.lists(st.none() | st.sampled_from(ODD) | st.text(st.characters(exclude_characters="\0", codec="utf-8")))


@pytest.mark.django_db
@given(texts)
def test_what_is_asked_with_a_list_is_asked_with_each_of_its_texts(values):
    with unit_of_work() as work:
        assert work.run("SELECT %s::text[]", values).fetchone() == (values,)


@pytest.mark.django_db
def test_ids_days_and_numbers_travel_too():
    ids, days, numbers = [UUID(int=1), UUID(int=2)], [date(2026, 2, 28), None], [1, -(1 << 62)]
    with unit_of_work() as work:
        assert work.run("SELECT %s::uuid[], %s::date[], %s::bigint[]", ids, days, numbers).fetchone() == (
            ids,
            days,
            numbers,
        )


def test_only_what_needs_no_escape_is_written_the_fast_way():
    assert array(["a,b", None, "NULL"]) == '{"a,b",null,"NULL"}'
    assert array(["tab\t"]) == ["tab\t"]
