"""Checkouts for the launcher in folders with a space in their names, below one that only we may enter.

Started by root, the servers therefore cannot read the checkout and live in the refuge; started by a user they do not.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.checkouts import Checkout, new_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    made = new_checkout(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """For tests that leave the servers' data as it was."""
    made = new_checkout(tmp_path_factory.mktemp("shared"))
    yield made
    made.close()
