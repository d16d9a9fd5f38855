"""Two people and something to decide."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from staff.approvals import request_approval
from staff.models import Approval, User
from staff.roles import Role
from tests.admin.conftest import member
from tests.staff.operations import NAMES, Word, word


@pytest.fixture
def operation(settings: Any) -> Iterator[Word]:
    settings.APPROVAL_OPERATIONS = [*settings.APPROVAL_OPERATIONS, NAMES]
    word.reset()
    yield word
    word.reset()


@pytest.fixture
def grace(db: None) -> User:
    """Of support: asks."""
    return member(Role.SUPPORT, "grace")


@pytest.fixture
def samuel(db: None) -> User:
    """Of finance, a checker: decides."""
    return member(Role.FINANCE_CHECKER, "samuel")


@pytest.fixture
def diane(db: None) -> User:
    """Administrator: asks and decides."""
    return member(Role.ADMINISTRATOR, "diane")


@pytest.fixture
def ask(operation: Word, grace: User) -> Callable[..., Approval]:
    def asked(saying: str = "hello", maker: User | None = None) -> Approval:
        return request_approval("word", {"word": saying}, maker=maker or grace, reason="They asked for it.")

    return asked
