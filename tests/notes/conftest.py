"""Files of notes go to a folder of the test's own."""

from pathlib import Path
from typing import Any

import pytest

from staff.models import User
from staff.roles import Role


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.NOTE_FILES_DIR = tmp_path / "notes"
    return settings.NOTE_FILES_DIR


@pytest.fixture
def grace(db: None) -> User:
    return User.objects.create_user("grace", None, Role.SUPPORT, full_name="Grace")


@pytest.fixture
def otis(db: None) -> User:
    return User.objects.create_user("otis", None, Role.FINANCE, full_name="Otis")
