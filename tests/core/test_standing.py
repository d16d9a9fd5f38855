"""Worlds that stand for several tests: none of them sees what another did there."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from customers.models import Customer, Session
from tests import standing as worlds
from tests.factories import CustomerFactory
from tests.standing import standing
from transactions.poster import _poster, submit

built: list[str] = []


@standing
def mary() -> Customer:
    built.append("mary")
    return CustomerFactory.create(full_name="Mary Wanjiku")


@standing
def couple(mary: Customer) -> list[Customer]:
    built.append("couple")
    mary.full_name = "Mary Otieno"
    mary.save()
    return [mary, CustomerFactory.create(full_name="John Otieno")]


def names() -> set[str]:
    return set(Customer.objects.values_list("full_name", flat=True))


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_what_one_test_changes_the_next_does_not_see(mary: Customer, turn: int) -> None:
    assert mary.full_name == "Mary Wanjiku" and names() == {"Mary Wanjiku"}
    assert built.count("mary") == 1

    mary.full_name = "Mary Njeri"
    mary.save()
    assert names() == {"Mary Njeri"}


@pytest.mark.parametrize("turn", [1, 2])
def test_one_is_built_on_another(couple: list[Customer], mary: Customer, turn: int) -> None:
    assert couple[0] is mary and mary.full_name == "Mary Otieno"
    assert names() == {"Mary Otieno", "John Otieno"}
    assert built == ["mary", "couple"]

    couple.pop().delete()


def test_it_stands_for_who_names_only_the_one_on_top(couple: list[Customer]) -> None:
    assert len(couple) == 2 and built == ["mary", "couple"]


def test_who_asks_for_none_sees_none(db: None) -> None:
    assert names() == set() and worlds.stood == []


@pytest.mark.django_db(transaction=True)
def test_who_commits_has_one_of_its_own(couple: list[Customer]) -> None:
    assert not connection.in_atomic_block and worlds.stood == []
    assert names() == {"Mary Otieno", "John Otieno"} and built[-2:] == ["mary", "couple"] and len(built) == 4


def test_what_is_posted_within_a_test_is_checked_as_by_a_commit(
    db: None, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """``posts_within``: here a row of nobody's, which a poster with a transaction of its own could not commit."""
    monkeypatch.setattr(_poster, "_post", lambda orders: [Session.objects.create(customer_id=uuid4())])
    request.getfixturevalue("posts_within")
    order: Any = None

    with pytest.raises(IntegrityError):
        submit(order)
    assert not Session.objects.exists()
