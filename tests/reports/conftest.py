"""A world with two currencies and more transactions than a page shows; a way through the door."""

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse

from ledger.selectors import balance_at
from reports import services
from reports.models import Export
from staff.models import User
from staff.roles import Role
from tests.admin.conftest import client_of, member
from tests.books import fund, transfer
from tests.factories import new_wallet
from transactions.models import Transaction
from transactions.posting import post, post_one
from transactions.services.reversals import reverse_transaction
from wallets.models import Wallet

TRANSFERS = 330  # the list shows 50 a page


@pytest.fixture(autouse=True)
def exports_dir(settings: Any, tmp_path: Path) -> Path:
    settings.EXPORTS_DIR = tmp_path / "exports"
    return settings.EXPORTS_DIR


@pytest.fixture(autouse=True)
def bells(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was rung for after a commit, instead of a broker."""
    rung: list[tuple[str, str]] = []
    monkeypatch.setattr(
        services, "ring", lambda task, key: transaction.on_commit(lambda: rung.append((task, str(key))))
    )
    return rung


@pytest.fixture
def exports_within(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports are made within the transaction of the test, which need not commit for them.

    What they read is read-only as in a transaction of their own; nobody else writes meanwhile, or renews the lease.
    """

    @contextmanager
    def snapshot_within() -> Iterator[datetime]:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SELECT statement_timestamp()")
            yield cursor.fetchone()[0]
            transaction.set_rollback(True)  # or the test could not write any more, either

    monkeypatch.setattr(services, "snapshot", snapshot_within)
    monkeypatch.setattr(services, "BEAT_SECONDS", 3600)


@pytest.fixture
def staff(transactional_db: None) -> dict[str, User]:
    return {role: member(role) for role in Role.values}


@pytest.fixture
def support(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.SUPPORT])


@pytest.fixture
def finance(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.FINANCE])


@pytest.fixture
def administrator(staff: dict[str, User]) -> Client:
    return client_of(staff[Role.ADMINISTRATOR])


@dataclass
class World:
    """Wanjiku pays John in KES, again and again; Aline pays Eric in RWF, which has no decimals."""

    wanjiku: Wallet
    john: Wallet
    aline: Wallet
    eric: Wallet
    reversed: Transaction
    refused: Transaction


@pytest.fixture
def world(staff: dict[str, User]) -> World:
    wanjiku, john = new_wallet(full_name="Wanjiku Kamau", tier=2), new_wallet(full_name="John Otieno", tier=2)
    aline = new_wallet(full_name="Aline Mukamana", country_id="RW", tier=2)
    eric = new_wallet(full_name="Eric Habimana", country_id="RW", tier=2)
    fund(wanjiku, 100_000_00)
    fund(aline, 500_000)
    for outcome in post([transfer(wanjiku, john, 1_05 + n, memo=f"rent {n}") for n in range(TRANSFERS)]):
        outcome.or_raise()
    for amount in (15, 1_500, 150_000):
        post_one(transfer(aline, eric, amount)).or_raise()
    back = post_one(transfer(wanjiku, john, 777_00, reference="INV-1")).or_raise()
    reverse_transaction(
        back.transaction, amount=100_00, reason_code="fraud", note="case 7", actor=staff[Role.SUPPORT],
        idempotency_key="reverse-1234567890",
    )  # fmt: skip
    refused = post_one(transfer(aline, eric, balance_at(aline.account_id).available + 1))
    return World(
        wanjiku, john, aline, eric,
        Transaction.objects.get(pk=back.transaction), Transaction.objects.get(pk=refused.transaction),
    )  # fmt: skip


# --- Through the door ----------------------------------------------------------------------------------------------


def dialog(name: str, query: str = "") -> str:
    return reverse("admin:reports_export_new", args=[name]) + (f"?{query}" if query else "")


def ask(client: Client, name: str = "transactions", query: str = "", file_format: str = "csv") -> Export:
    """Open the dialog from the list's address, choose the format, press the button."""
    shown = client.get(dialog(name, query))
    assert shown.status_code == 200, shown.headers.get("Location")
    hidden = shown.context["form"].initial
    answer = client.post(dialog(name), {"query": hidden["query"], "key": hidden["key"], "file_format": file_format})
    assert answer.status_code == 302, answer.context["form"].errors
    return Export.objects.get(pk=hidden["key"])


def export(
    client: Client, name: str = "transactions", query: str = "", file_format: str = "csv"
) -> tuple[Export, bytes]:
    """Ask, let the worker work, fetch."""
    asked = ask(client, name, query, file_format)
    assert services.run_export(asked.pk)
    return Export.objects.get(pk=asked.pk), fetch(client, asked.pk)


def fetch(client: Client, export_id: UUID) -> bytes:
    answer = client.get(reverse("admin:reports_export_download", args=[export_id]))
    assert answer.status_code == 200
    return b"".join(answer.streaming_content)  # type: ignore[arg-type]


def read_csv(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def read_sheet(content: bytes, position: int = 0) -> list[list[Any]]:
    """The cells of one sheet of a workbook."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    return [[cell.value for cell in row] for row in book.worksheets[position].iter_rows()]


def read_xlsx(content: bytes) -> list[dict[str, Any]]:
    heads, *rows = read_sheet(content)
    return [dict(zip(heads, row)) for row in rows]


def said(page: Any) -> str:
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
