"""Books with something in every table that is sealed, and a chain over them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.test import override_settings
from django.utils import timezone

from core.ids import uuid7
from evidence import services
from evidence.models import Block, Mark
from evidence.services import make_mark
from fx.services import add_exposure_cap
from schedules.calendar import enter_day
from staff.models import Approval, User
from staff.roles import Role
from staff.services import create_staff
from tests.conftest import empty_tables
from tests.forgery import Scene, set_scene
from transactions.models import RailCall, RailMessage
from transactions.proving import prove
from transactions.services.fees import grant_waiver
from wallets.models import Wallet
from wallets.services import freeze_wallet


@dataclass(frozen=True)
class World:
    """``scene`` is that of `tests/forgery.py`; all of it is sealed, the head as well known outside."""

    scene: Scene
    aline: Wallet
    eric: Wallet
    grace: User
    heads: Path


def settle() -> None:
    """Until nothing is under way that began before now; in a cluster that others use as well, that may take a while."""
    make_mark()
    mark, deadline = Mark.objects.latest("at"), time.monotonic() + 120
    while (last := services._settled()) is None or last.at < mark.at:
        assert time.monotonic() < deadline, "something is under way for very long"
        time.sleep(0.02)


def seal_now() -> int:
    """Seal everything that is there."""
    settle()
    return services.seal()


def seal_uncommitted() -> None:
    """For tests that roll back what they do: seal what only they can see."""
    with (
        override_settings(EVIDENCE_TRAIL_SECONDS=0),
        mock.patch.object(services, "_settled", return_value=Mark(at=timezone.now())),
    ):
        services.seal()


def set_world(heads: Path) -> World:
    scene = set_scene()
    aline, eric = Wallet.objects.get(account_id=scene.aline), Wallet.objects.get(account_id=scene.eric)
    grace, _ = create_staff(
        username="grace", full_name="Grace Wambui", email="", role=Role.ADMINISTRATOR, actor=None
    )  # fmt: skip
    freeze_wallet(eric, mode="debit", reason="lost phone", actor=grace)
    for number in (1, 2):
        RailCall.objects.create(transaction_id=scene.cash_out, number=number, purpose="submit", request={"n": number})
        RailMessage.objects.create(rail="sandbox", message_id=f"msg-{number}-{uuid7()}", payload={"n": number})
    Approval.objects.create(
        operation="reversal", title="Reverse it", subject_type="transactions.transaction", subject_id=scene.transfer,
        subject_title="Transfer", about=[], slot="reversal", params={}, preview={}, digest="0" * 64, maker=grace,
        reason="a mistake", expires_at=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    enter_day("RW", date(timezone.now().year + 1, 8, 14), "Election day", actor=None)
    add_exposure_cap(currency="USD", most=1_000_000_00, effective_from=timezone.now().date(), actor=None)
    grant_waiver(
        customer=aline.customer, kind="transfer", currency="RWF", bps=0, effective_from=timezone.now().date(),
        last_day=timezone.now().date(), actor=None, reason="a complaint",
    )  # fmt: skip
    prove()
    seal_now()
    return World(scene, aline, eric, grace, heads)


@pytest.fixture
def ours(settings: Any, tmp_path: Path) -> Path:
    """No trail, for one clock tells the time here; heads in a file of the test's own, which this is."""
    settings.EVIDENCE_TRAIL_SECONDS = 0
    settings.EVIDENCE_HEADS_FILE = str(tmp_path / "heads.jsonl")
    return tmp_path / "heads.jsonl"


@pytest.fixture
def world(transactional_db: None, ours: Path) -> World:
    return set_world(ours)


@pytest.fixture(scope="module")
def standing_world(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[World]:
    """One for a whole file of tests that roll back what they do."""
    heads = tmp_path_factory.mktemp("evidence") / "heads.jsonl"
    with (
        django_db_blocker.unblock(),
        override_settings(EVIDENCE_TRAIL_SECONDS=0, EVIDENCE_HEADS_FILE=str(heads)),
    ):
        try:
            yield set_world(heads)
            assert Block.objects.exists()
        finally:
            empty_tables()
