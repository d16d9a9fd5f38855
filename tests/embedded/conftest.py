"""Checkouts for the launcher, in folders with a space in their names.

The shared one is below a folder that only we may enter: started by root, its servers cannot read it and live in the
refuge. The others can be entered by all, which spares them a copy of PostgreSQL.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.checkouts import Checkout, new_checkout


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    folder = Path(tempfile.mkdtemp(prefix="tekana-"))
    folder.chmod(0o755)
    made = new_checkout(folder)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """For tests that leave the servers' data as it was."""
    made = new_checkout(tmp_path_factory.mktemp("shared"))
    yield made
    made.close()
