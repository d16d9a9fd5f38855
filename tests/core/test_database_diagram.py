"""docs/database.md is what the models say."""

from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from core.management.commands.database_diagram import page


def test_the_committed_diagram_is_that_of_the_models() -> None:
    call_command("database_diagram", check=True)


def test_one_that_drifts_would_be_noticed(tmp_path: Path) -> None:
    path = tmp_path / "database.md"
    with pytest.raises(CommandError, match="not what the models say"):
        call_command("database_diagram", check=True, output=path)
    call_command("database_diagram", output=path, stdout=StringIO())
    call_command("database_diagram", check=True, output=path)
    path.write_text(path.read_text().replace("bigint amount", "numeric amount", 1))

    with pytest.raises(CommandError):
        call_command("database_diagram", check=True, output=path)


def test_every_table_of_ours_is_in_it_with_keys_and_references() -> None:
    drawn = page()

    for label in ("core", "staff", "notes", "customers", "ledger", "wallets", "transactions", "recalls", "reports"):
        for model in apps.get_app_config(label).get_models():
            assert f"\n    {model._meta.db_table} {{\n" in drawn
    assert "bigint account_id PK, FK" in drawn
    assert "varchar(80) code UK" in drawn
    assert "customers_customer ||--o{ wallets_wallet : customer" in drawn
    assert "ledger_account ||..o{ ledger_entry : account" in drawn
    assert "auth_" not in drawn and "django_" not in drawn
