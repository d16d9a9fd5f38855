"""The sealer: in order, once, nothing skipped, in nobody's way."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db import transaction as db_transaction
from django.utils import timezone

from core import audit
from core.ids import uuid7
from core.models import AppendOnly, AuditRecord
from evidence import coverage, selectors, services
from evidence.hashing import START, microseconds
from evidence.models import Block, Form, Mark
from evidence.services import make_mark, seal
from evidence.verify import verify
from staff.models import User
from staff.roles import Role
from staff.services import create_staff, set_role
from tekana import demo_data
from tekana.demo_clock import clock_set_to
from tests.books import fund, key, transfer
from tests.evidence.conftest import World, seal_now, settle
from tests.factories import new_wallet
from tests.racing import at_once
from transactions.models import Event, Kind, State
from transactions.movements import Movement, Settlement
from transactions.posting import post_one
from wallets.parties import Address

pytestmark = pytest.mark.django_db(transaction=True)


def sealed(table: str) -> int:
    return sum(counts.get(table, 0) for counts in Block.objects.values_list("counts", flat=True))


@contextmanager
def meanwhile(act: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """``act`` done in another session whose database transaction stays open until the block calls what it is given."""
    done, go_on, errors = threading.Event(), threading.Event(), []

    def run() -> None:
        try:
            with db_transaction.atomic():
                act()
                done.set()
                go_on.wait(30)
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(30)

    def commit() -> None:
        go_on.set()
        thread.join()

    try:
        yield commit
    finally:
        commit()
    assert not errors


def test_everything_is_sealed_once_and_in_a_chain(world: World) -> None:
    blocks = list(Block.objects.order_by("pk"))

    assert [block.pk for block in blocks] == list(range(1, len(blocks) + 1))
    assert [bytes(b.previous) for b in blocks] == [START, *(bytes(b.hash) for b in blocks[:-1])]
    assert [b.after_at for b in blocks[1:]] == [b.until_at for b in blocks[:-1]]
    for table in ("ledger_journal", "ledger_entry", "ledger_holdevent", "transactions_event", "core_auditrecord"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert sealed(table) == cursor.fetchone()[0] > 0
    assert seal_now() == 0
    assert verify().faults == []


def test_every_table_of_history_is_sealed_or_made_from_what_is() -> None:
    tables = {table[0] for table in coverage.current_tables()}

    for model in apps.get_models():
        if issubclass(model, AppendOnly) and not issubclass(model, coverage.THE_CHAIN):
            known = model._meta.db_table in tables or model._meta.label in coverage.MADE_FROM_OTHERS
            assert known, f"{model._meta.label} is append-only and in nobody's chain"
    for label in {*coverage.KEPT, *coverage.CHANGING, *coverage.MADE_FROM_OTHERS}:
        assert apps.get_model(label)


def test_a_slow_transaction_holds_back_what_could_come_after_it_and_is_not_skipped(world: World) -> None:
    """Its ids are older than those that were committed before it; a sealer that went by what it sees would pass it."""
    before = sealed("transactions_event")
    other = new_wallet(currency="RWF")
    fund(other, 1_000)
    seal_now()
    before = sealed("transactions_event")

    with meanwhile(lambda: post_one(transfer(world.aline, new_wallet(currency="RWF"), 10))) as commit:
        late = post_one(transfer(other, new_wallet(currency="RWF"), 5)).or_raise()
        assert Event.objects.filter(transaction_id=late.transaction).exists()
        seal()
        assert sealed("transactions_event") == before  # the older one is not there yet, so the newer waits
        commit()

    seal_now()
    assert sealed("transactions_event") == before + 2
    assert verify().faults == []


def test_the_harness_notices_a_sealer_that_does_not_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    other, payee, second = new_wallet(currency="RWF"), new_wallet(currency="RWF"), new_wallet(currency="RWF")
    fund(other, 1_000)
    seal_now()
    monkeypatch.setattr(services, "_settled", lambda: Mark(at=timezone.now()))

    with meanwhile(lambda: post_one(transfer(world.aline, payee, 10))) as commit:
        post_one(transfer(other, second, 5)).or_raise()
        seal()
        commit()

    skipped = [fault for fault in verify().faults if fault.wrong == "added after its time was sealed"]
    assert {fault.table for fault in skipped} >= {"ledger_entry", "ledger_journal", "transactions_event"}


def test_what_is_dated_before_the_first_write_is_waited_for(world: World, settings: Any) -> None:
    """The trail: an id made before its database transaction had a number, or by a clock that is slow."""
    settings.EVIDENCE_TRAIL_SECONDS = 30
    AuditRecord.objects.create(actor="system", action="now", subject_type="x", subject_id="1")
    before = sealed("core_auditrecord")

    seal_now()
    assert sealed("core_auditrecord") == before

    settings.EVIDENCE_TRAIL_SECONDS = 0
    seal_now()
    assert sealed("core_auditrecord") == before + 1


def test_while_many_post_and_dawdle_nothing_is_skipped_or_sealed_twice(world: World) -> None:
    wallets = [(new_wallet(currency="RWF"), new_wallet(currency="RWF")) for _ in range(4)]
    for payer, _ in wallets:
        fund(payer, 1_000)
    over = threading.Event()

    def pay(number: int) -> None:
        chance = random.Random(number)
        for _ in range(12):
            with db_transaction.atomic():
                post_one(transfer(*wallets[number], 1)).or_raise()
                time.sleep(chance.random() / 20)

    def keep_sealing() -> None:
        while not over.is_set():
            seal(most_rows=7)

    sealer = threading.Thread(target=lambda: (keep_sealing(), connection.close()))
    sealer.start()
    try:
        at_once([lambda number=number: pay(number) for number in range(4)])
    finally:
        over.set()
        sealer.join()
    seal_now()

    assert sealed("transactions_event") == Event.objects.count()
    result = verify()
    assert result.faults == []
    assert result.blocks >= 3


def test_two_sealers_make_one_chain(world: World) -> None:
    wallet = new_wallet(currency="RWF")
    for _ in range(5):
        fund(wallet, 10)

    settle()
    at_once([seal, seal, seal, seal])
    seal_now()

    assert verify().faults == []


def test_blocks_are_cut_between_two_moments(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "ROWS_IN_A_BLOCK", 10)
    wallet, number = new_wallet(currency="RWF"), Block.objects.count()
    for _ in range(12):
        fund(wallet, 10)  # a transaction, its event, a journal, two entries

    settle()
    seal(most_rows=20)

    blocks = list(Block.objects.filter(pk__gt=number).order_by("pk"))
    assert len(blocks) >= 6
    assert all(block.rows <= 10 for block in blocks)
    entries = [block.counts.get("ledger_entry", 0) for block in blocks]
    assert sum(entries) == 24 and not any(count % 2 for count in entries)  # what belongs together is in one block
    assert verify().faults == []


def test_a_pass_takes_as_many_statements_for_many_rows_as_for_few(
    world: World, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "ROWS_IN_A_BLOCK", 1_000)
    wallet = new_wallet(currency="RWF")
    seal_now()

    def counted(times: int) -> int:
        for _ in range(times):
            fund(wallet, 10)
        settle()
        statements.clear()
        assert seal() == 5 * times
        return len(statements)

    assert counted(1) == counted(20)


def test_sealing_takes_no_lock_that_a_posting_waits_for(world: World) -> None:
    """The whole pass is held open, uncommitted, and money moves."""
    other = new_wallet(currency="RWF")
    fund(world.aline, 100)
    settle()

    with meanwhile(lambda: services._seal_once(1_000)):
        post_one(transfer(world.aline, other, 5)).or_raise()

    seal_now()
    assert verify().faults == []


def test_small_tables_are_sealed_version_by_version(world: World) -> None:
    number = selectors.head().pk
    admin, _ = create_staff(username="paul", full_name="Paul", email="", role=Role.ADMINISTRATOR, actor=None)
    seal_now()
    set_role(admin, role=Role.SUPPORT, actor=None, reason="moved")
    seal_now()

    kept = selectors.versions()["staff_user", str(admin.pk)]
    roles = [version.data for version in kept]
    assert [b"administrator" in roles[0], b"support" in roles[1], len(roles)] == [True, True, 2]
    assert all(version.block > number for version in kept)
    assert verify().faults == []


def test_a_change_that_nobody_recorded_is_a_fault_also_once_it_is_sealed(world: World) -> None:
    User.objects.filter(pk=world.grace.pk).update(role=Role.SUPPORT)
    before = [str(fault) for fault in verify().faults]
    seal_now()
    after = [str(fault) for fault in verify().faults]

    wrong = f"staff_user {world.grace.pk}: changed: role; no audit record says who did it"
    assert [one.partition(": ")[2] for one in before] == [wrong]
    assert [one.partition(": ")[2] for one in after] == [wrong]


def test_a_change_by_the_service_is_none(world: World) -> None:
    with db_transaction.atomic():
        User.objects.filter(pk=world.grace.pk).update(role=Role.SUPPORT)
        audit.record(actor=None, action="set_role", subject=world.grace, before="administrator", after="support")

    assert verify().faults == []


def test_the_lag_tells_how_far_the_sealer_is(world: World) -> None:
    seal_now()
    assert selectors.sealing().lag < timedelta(seconds=20)

    Mark.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert selectors.sealing().lag > timedelta(minutes=5)


def test_when_columns_change_old_blocks_are_read_as_they_were_sealed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A migration that adds a column does not break the chain; from then on it is sealed, too."""
    now = coverage.current_tables()
    fewer = [
        [name, shape, key, columns[:-1] if name == "ledger_journal" else columns] for name, shape, key, columns in now
    ]
    monkeypatch.setattr(coverage, "current_tables", lambda: fewer)
    fund(world.aline, 10)
    seal_now()
    monkeypatch.setattr(coverage, "current_tables", lambda: now)
    fund(world.aline, 10)
    seal_now()

    assert Form.objects.count() == 2
    assert len(set(Block.objects.order_by("pk").values_list("form_id", flat=True))) == 2
    assert verify().faults == []


def test_a_row_dated_by_a_clock_that_is_ahead_waits_until_its_time(world: World) -> None:
    before = sealed("core_auditrecord")
    ahead = uuid7(microseconds(timezone.now() + timedelta(seconds=2)))
    AuditRecord.objects.create(id=ahead, actor="system", action="early", subject_type="x", subject_id="1")
    seal_now()
    assert sealed("core_auditrecord") == before

    time.sleep(2.1)
    seal_now()
    assert sealed("core_auditrecord") == before + 1
    assert verify().faults == []


def test_data_loaded_with_its_own_times_is_let_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's thirty days lie before the head of a sealer that ran already."""
    monkeypatch.setattr(demo_data, "make_logins", list)

    def load(*args: Any) -> bool:
        with clock_set_to(timezone.now() - timedelta(days=3)):
            fund(world.eric, 77)
        return True

    monkeypatch.setattr(demo_data, "load", load)
    call_command("seed_demo", stdout=StringIO())

    assert verify().faults == []
    assert "thirty days" in Block.objects.exclude(again="").get().again


def test_another_database_of_the_cluster_holds_nothing_back(world: World) -> None:
    """Whatever is under way there; here the slow one counts by its own number alone."""
    where = connection.settings_dict
    elsewhere = psycopg.connect(
        host=where["HOST"], port=where["PORT"], dbname="postgres", user=where["USER"], password=where["PASSWORD"]
    )
    try:
        elsewhere.execute("SELECT pg_current_xact_id()")  # from now on it holds back every snapshot
        fund(world.aline, 10)
        make_mark()
        at = Mark.objects.latest("at").at
        assert services._settled() is None or services._settled().at < at
        time.sleep(1.1)

        assert services._settled().at == at
        with meanwhile(lambda: fund(world.eric, 10)) as commit:
            make_mark()
            at = Mark.objects.latest("at").at
            time.sleep(1.1)
            assert services._settled().at < at
            commit()
            assert services._settled().at == at
    finally:
        elsewhere.close()
    seal_now()
    assert verify().faults == []


def test_holds_of_accounts_that_something_happened_to_are_found(world: World) -> None:
    """Hold events have no index by time: the sealer asks the accounts, verifying reads them all."""
    before = sealed("ledger_holdevent")
    cash_out = Movement(
        kind=Kind.CASH_OUT, amount=500, currency="RWF", caller="job:test", key=key(),
        payer=Address("wallet", str(world.aline.pk)), rail="sandbox",
    )  # fmt: skip
    paid, called_off = (post_one(replace(cash_out, key=key())).or_raise().transaction for _ in range(2))
    seal_now()
    assert sealed("ledger_holdevent") == before + 2

    post_one(Settlement(transaction=paid, to=State.COMPLETED, actor="job:test")).or_raise()
    post_one(Settlement(transaction=called_off, to=State.CANCELLED, actor="job:test")).or_raise()
    seal_now()
    assert sealed("ledger_holdevent") == before + 4
    assert verify().faults == []
