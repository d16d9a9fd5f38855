"""Aline has sent Eric 1,000 by mistake; he has spent some of it or not."""

from collections.abc import Callable
from typing import Any

import pytest

from recalls.models import Recall
from recalls.services import open_recall
from staff.models import User
from staff.roles import Role
from tests.books import fund, transfer
from transactions.models import Transaction
from transactions.posting import post_one


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_user("grace", None, Role.ADMINISTRATOR, full_name="Grace")


@pytest.fixture
def sent(aline: Any, eric: Any) -> Transaction:
    fund(aline, 5_000)
    return Transaction.objects.get(pk=post_one(transfer(aline, eric, 1_000)).or_raise().transaction)


@pytest.fixture
def spend(eric: Any, aline: Any) -> Callable[[int], Any]:
    """Eric sends some of it on."""
    return lambda amount: post_one(transfer(eric, aline, amount))


@pytest.fixture
def claim(sent: Transaction, grace: User) -> Callable[..., Recall]:
    def opened(**changed: Any) -> Recall:
        asked = {"reason_code": "wrong_recipient", "note": "One digit was wrong.", "actor": grace} | changed
        return open_recall(asked.pop("transaction", sent.pk), **asked)

    return opened
