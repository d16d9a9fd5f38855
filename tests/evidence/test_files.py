"""What leaves the house: heads, exports, proofs; and that what is outside catches what inside can be forged."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from core.ids import uuid7
from core.models import AuditRecord
from core.roles import connected_as_owner
from evidence import services, signing, tasks
from evidence.checks import check_daily, todays
from evidence.errors import ChainIsBroken, NothingIsLate
from evidence.files import export, prove, verify_file, verify_proof
from evidence.models import Block, Check, Mark, Publication
from evidence.services import append_line, mail_head, publish_head, seal_late
from evidence.verify import Stretch, verify
from tests.books import fund, transfer
from tests.evidence.conftest import World, seal_now, settle
from tests.evidence.test_tampering import as_owner_without_triggers, run
from tests.factories import new_wallet
from tests.racing import ROOT
from transactions.models import Transaction
from transactions.posting import post_one

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "postgres://nobody:nothing@127.0.0.1:1/nowhere"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else writes here; neighbours in the cluster are known to be elsewhere at once, not after a second."""
    assert services.SETTLED.count("greatest(%s, 1)") == 1
    monkeypatch.setattr(services, "SETTLED", services.SETTLED.replace("greatest(%s, 1)", "greatest(%s, 0.02)"))


def command(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out, stderr=out, no_color=True)
    return out.getvalue()


def wrongs(faults: Any) -> list[str]:
    return [str(fault) for fault in faults]


# --- The command ----------------------------------------------------------------------------------------------------
def test_the_command_verifies_and_keeps_what_it_found(world: World) -> None:
    publish_head()

    shown = command("verify_chain")

    assert shown.startswith("Verified at ") and f"head {Block.objects.count()}" in shown
    kept = Check.objects.get()
    assert (kept.ok, kept.findings, kept.blocks) == (True, [], Block.objects.count())


def test_the_command_names_what_is_wrong_and_fails(world: World) -> None:
    out = StringIO()
    with as_owner_without_triggers():
        run("UPDATE ledger_entry SET amount = amount + 1 WHERE account_id = %s AND seq = 1", world.scene.aline)

        with pytest.raises(CommandError) as failed:
            call_command("verify_chain", stdout=out, no_color=True)
        with pytest.raises(CommandError):
            call_command("verify_chain", "--json", stdout=(told := StringIO()))

    assert failed.value.returncode == 1
    wrong = f"BROKEN block 1: ledger_entry account_id={world.scene.aline} seq=1: changed: amount"
    assert wrong in out.getvalue().splitlines()
    assert [fault["wrong"] for fault in json.loads(told.getvalue())["faults"]] == ["changed: amount"]


def test_a_range_is_verified_alone(world: World) -> None:
    fund(world.aline, 10)
    seal_now()
    last = Block.objects.count()

    with as_owner_without_triggers():
        run("UPDATE ledger_entry SET amount = amount + 1 WHERE account_id = %s AND seq = 1", world.scene.aline)

        assert verify([Stretch(last, last)]).ok
        assert not verify([Stretch(1, last)]).ok


# --- The chain itself ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("breaking", "wrong"),
    [
        ("UPDATE evidence_block SET root = previous WHERE id = 2", "its rows do not lead to its root"),
        ("UPDATE evidence_block SET sealed_at = sealed_at - interval '1 day' WHERE id = 2", "its hash is not that"),
        ("UPDATE evidence_block SET previous = hash WHERE id = 2", "does not name the hash of the block before"),
        ("UPDATE evidence_block SET leaves = substr(leaves, 2) WHERE id = 1", "its leaves cannot be read"),
        ("UPDATE evidence_block SET leaves = substr(leaves, 50) WHERE id = 1", "cannot be read"),
        ("UPDATE evidence_block SET counts = counts - 'ledger_entry' WHERE id = 1", "says another number of rows"),
        ("UPDATE evidence_block SET until_at = until_at + interval '1 s' WHERE id = 1", "does not begin where the one"),
        ("DELETE FROM evidence_block WHERE id = 2", "what was between them is missing"),
        ("UPDATE evidence_form SET tables = tables - 0", "is not what its blocks were sealed by"),
    ],
)
def test_a_chain_that_is_torn_is_found(world: World, breaking: str, wrong: str) -> None:
    fund(world.aline, 10)
    seal_now()
    with as_owner_without_triggers():
        run("ALTER TABLE evidence_form DISABLE TRIGGER USER")
        assert run(breaking) > 0

        assert any(wrong in one for one in wrongs(verify().faults)), wrongs(verify().faults)


def test_a_row_dated_in_the_future_is_named(world: World) -> None:
    never = uuid7(int((timezone.now() + timedelta(days=400)).timestamp() * 1_000_000))
    AuditRecord.objects.create(id=never, actor="system", action="later", subject_type="x", subject_id="1")

    assert wrongs(verify().faults) == [f"core_auditrecord id={never}: dated in the future"]


# --- Heads -----------------------------------------------------------------------------------------------------------
def test_a_chain_made_anew_is_caught_by_the_heads_outside_and_by_nothing_else(world: World, tmp_path: Path) -> None:
    publish_head()
    outside = tmp_path / "auditors-copy.jsonl"
    outside.write_text(world.heads.read_text())
    forge()

    assert verify().faults == []  # inside everything fits
    (fault,) = verify(heads=[outside]).faults
    assert fault.table == "heads" and "made anew" in fault.wrong


def forge() -> None:
    """What an attacker does who owns the database: change rows, and seal everything anew as if nothing had been."""
    with connected_as_owner(), connection.cursor() as cursor:
        tables = ["ledger_entry", "evidence_publication", "evidence_block", "evidence_form"]
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_entry SET amount = amount + 1 WHERE seq = 1 AND side = 1")
        cursor.execute("DELETE FROM evidence_publication; DELETE FROM evidence_block; DELETE FROM evidence_form")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    seal_now()


def test_heads_are_published_when_there_is_news_and_kept_line_by_line(world: World) -> None:
    assert [publish_head(), publish_head()] == [True, False]
    fund(world.aline, 10)
    seal_now()
    assert publish_head()

    lines = [json.loads(line) for line in world.heads.read_text().splitlines()]
    head = Block.objects.first()
    assert [line["block"] for line in lines] == list(
        Publication.objects.order_by("pk").values_list("block_id", flat=True)
    )
    assert lines[-1]["hash"] == bytes(head.hash).hex()
    assert verify(heads=[world.heads]).faults == []


def test_after_an_hour_without_news_the_head_is_published_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_head()
    monkeypatch.setattr("evidence.services.SILENCE", timedelta())

    assert publish_head()
    assert len(world.heads.read_text().splitlines()) == 2


def test_a_heads_file_that_was_cut_is_noticed(world: World) -> None:
    publish_head()
    fund(world.aline, 10)
    seal_now()
    publish_head()
    first, second = world.heads.read_text().splitlines()
    world.heads.write_text(f"{first}\n{second[:40]}")

    (fault,) = verify(heads=[world.heads]).faults
    assert "the file no longer has it" in fault.wrong

    world.heads.unlink()
    assert "there is no such file" in wrongs(verify(heads=[world.heads]).faults)[0]


def test_a_chain_that_lost_its_end_is_noticed(world: World) -> None:
    fund(world.aline, 10)
    seal_now()
    publish_head()
    with as_owner_without_triggers():
        run("DELETE FROM evidence_publication")
        run("DELETE FROM evidence_block WHERE id = (SELECT max(id) FROM evidence_block)")

        (fault,) = verify(heads=[world.heads]).faults
    assert "it was cut off" in fault.wrong


def test_a_head_that_is_not_ours_is_refused(world: World, settings: Any) -> None:
    publish_head()
    line = json.loads(world.heads.read_text())
    forged = [line | {"hash": "00" * 32}, line | {"key": "11" * 32}, {**line, "signature": ""}, line | {"block": "1"}]
    world.heads.write_text("\n".join([json.dumps(one) for one in [line, *forged]] + ["no head", "{}"]))

    faults = verify(heads=[world.heads]).faults
    assert [fault.wrong for fault in faults] == ["is not signed by a key that is trusted"]  # all of one time

    ours = signing.public_key()
    settings.EVIDENCE_SIGNING_KEY = "ab" * 32
    assert not signing.is_signed(line, signing.trusted_keys())
    settings.EVIDENCE_OLD_PUBLIC_KEYS = [ours]
    assert signing.is_signed(line, signing.trusted_keys())


def test_a_line_that_a_crash_cut_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "heads.jsonl"
    append_line(path, {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"cut')
    append_line(path, {"b": 2})

    assert path.read_text() == '{"a": 1}\n{"cut\n{"b": 2}\n'


def test_once_a_day_the_head_goes_to_the_auditors(world: World, settings: Any) -> None:
    mail_head()
    assert mail.outbox == []

    settings.EVIDENCE_HEADS_EMAILS = ["auditor@example.com"]
    mail_head()
    mail_head()

    (message,) = mail.outbox
    assert message.to == ["auditor@example.com"]
    kept = world.heads.with_name("mail.txt")
    kept.write_text(message.body)
    assert verify(heads=[kept]).faults == []
    assert Publication.objects.get().sink == "email"


# --- Exports ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def exported(world: World, tmp_path: Path) -> Path:
    fund(world.aline, 10)
    seal_now()
    publish_head()
    path = tmp_path / "chain.jsonl.gz"
    command("export_chain", str(path))
    return path


def changed(path: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    with gzip.open(path, "rt") as file:
        lines = [json.loads(line) for line in file]
    change(lines)
    with gzip.open(path, "wt") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
    return path


def blocks(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if "block" in line]


def test_an_export_is_verified_without_a_database(exported: Path, world: World) -> None:
    """In a process of its own, whose database is nowhere."""
    env = os.environ | {"DATABASE_URL": NOWHERE, "DATABASE_OWNER_URL": NOWHERE, "SECRET_KEY": "another" * 9}

    def asked(*more: str) -> "subprocess.CompletedProcess[str]":
        words = [sys.executable, "manage.py", "verify_chain", "--file", str(exported), *more]
        return subprocess.run(words, cwd=ROOT, env=env, text=True, capture_output=True, timeout=60)

    done = asked("--heads", str(world.heads), "--key", signing.public_key())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Verified")
    assert (
        f"{sum(Block.objects.values_list('rows', flat=True)):,} rows in {Block.objects.count()} blocks" in done.stdout
    )

    strange = asked("--heads", str(world.heads))
    assert strange.returncode == 1
    assert "is not signed by a key that is trusted" in strange.stdout


def test_a_changed_row_of_an_export_is_named(exported: Path, world: World) -> None:
    def forge_amount(lines: list[dict[str, Any]]) -> None:
        table = next(line for line in lines if "form" in line)["tables"]
        number = next(i for i, one in enumerate(table) if one[0] == "ledger_entry")
        row = next(row for row in blocks(lines)[0]["rows"] if row[0] == number)
        row[1][table[number][3].index("amount")] = "999999"

    (fault,) = verify_file(changed(exported, forge_amount), [world.heads], []).faults

    assert (fault.block, fault.table, fault.wrong) == (1, "ledger_entry", "changed: amount")


@pytest.mark.parametrize(
    ("forge", "wrong"),
    [
        (lambda lines: blocks(lines)[0]["rows"].pop(), "removed"),
        (lambda lines: blocks(lines)[0]["rows"].reverse(), "in another order"),
        (lambda lines: lines.pop(), "is not whole"),
        (lambda lines: lines.remove(blocks(lines)[1]), "is missing"),
        (lambda lines: blocks(lines)[1]["block"].update(previous="00" * 32), "does not name the hash"),
        (lambda lines: blocks(lines)[0].update(hash="00" * 32), "its hash is not that of what it says"),
        (lambda lines: blocks(lines)[0].update(leaves="AAAA"), "cannot be read"),
        (lambda lines: blocks(lines)[1]["versions"][0][1].__setitem__(1, "forged"), "do not lead to its root"),
        (lambda lines: lines[0].update(previous="11" * 32), "does not name the hash"),
        (lambda lines: lines.clear(), "is not whole"),
    ],
)
def test_a_forged_export_is_noticed(exported: Path, forge: Any, wrong: str) -> None:
    faults = wrongs(verify_file(changed(exported, forge), [], []).faults)

    assert any(wrong in one for one in faults), faults


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    for content in (b"", b"no gzip", gzip.compress(b"no json"), gzip.compress(b'{"block": 1}')):
        path.write_bytes(content)
        assert not verify_file(path, [], []).ok
    assert not verify_file(tmp_path / "missing", [], []).ok


def test_an_export_made_anew_is_caught_by_the_heads(world: World, tmp_path: Path) -> None:
    publish_head()
    path = tmp_path / "chain.jsonl.gz"
    forge()
    export(path, 1, None)

    assert verify_file(path, [], []).ok
    (fault,) = verify_file(path, [world.heads], []).faults
    assert "made anew" in fault.wrong


def test_heads_that_say_nothing_of_these_blocks_are_not_enough(exported: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")

    assert "nothing outside vouches" in wrongs(verify_file(exported, [empty], []).faults)[0]
    assert "no such file" in wrongs(verify_file(exported, [tmp_path / "none"], []).faults)[0]


def test_a_part_is_exported_from_where_it_begins(exported: Path, tmp_path: Path) -> None:
    part = tmp_path / "part.gz"
    last = Block.objects.count()

    shown = command("export_chain", str(part), "--from", str(last))

    assert f"Blocks {last} to {last}" in shown
    assert AuditRecord.objects.filter(action="export_chain").latest("pk").after["from"] == last
    assert verify_file(part, [], []).ok
    with pytest.raises(CommandError, match="ends at block"):
        command("export_chain", str(part), "--from", str(last + 1))
    with pytest.raises(CommandError, match="numbered from 1"):
        command("export_chain", str(part), "--from", "0")


def test_a_change_in_the_database_is_named_from_its_export_too(world: World, tmp_path: Path) -> None:
    path = tmp_path / "chain.gz"
    with as_owner_without_triggers():
        run("UPDATE ledger_journal SET effective_at = effective_at + interval '1 day' WHERE kind = 'cash_out'")
        export(path, 1, None)

    assert [fault.wrong for fault in verify_file(path, [], []).faults] == ["changed: effective_at"]


# --- One transaction -------------------------------------------------------------------------------------------------
def proven(world: World, path: Path, receipt: str) -> Path:
    path.write_text(command("prove_sealed", receipt))
    return path


def test_a_transaction_is_shown_to_be_sealed(world: World, tmp_path: Path) -> None:
    publish_head()
    txn = Transaction.objects.get(pk=world.scene.paid_out)

    proof = proven(world, tmp_path / "proof.json", txn.receipt)

    shown = json.loads(proof.read_text())
    tables = [row["table"] for row in shown["rows"]]
    assert tables.count("ledger_entry") == 3 and tables.count("ledger_holdevent") == 2
    assert tables.count("transactions_event") == 2 and "transactions_transaction" in tables
    assert verify_proof(proof, [world.heads], []).faults == []
    assert command("verify_chain", "--proof", str(proof), "--heads", str(world.heads)).startswith("Verified")


@pytest.mark.parametrize(
    ("forge", "wrong"),
    [
        (lambda proof: proof["rows"][0]["fields"].__setitem__(4, "9"), "is not in the block"),
        (lambda proof: proof["rows"][0]["columns"].reverse(), "has other columns"),
        (lambda proof: proof["rows"][0]["path"].pop(), "is not in the block"),
        (lambda proof: proof["heads"].clear(), "vouches for it"),
        (lambda proof: proof["rows"].clear(), "shows no row"),
        (lambda proof: proof["heads"][0].update(hash="00" * 32), "not signed"),
        (lambda proof: proof["blocks"]["1"]["block"].update(sealed_at=1), "its hash is not that"),
        (lambda proof: proof.pop("forms"), "no proof that can be read"),
    ],
)
def test_a_forged_proof_is_noticed(world: World, tmp_path: Path, forge: Any, wrong: str) -> None:
    publish_head()
    path = tmp_path / "proof.json"
    shown = prove(world.scene.paid_out)
    forge(shown)
    path.write_text(json.dumps(shown))

    faults = wrongs(verify_proof(path, [], []).faults)
    assert any(wrong in one for one in faults), faults


def test_what_waits_or_was_changed_is_not_proven(world: World) -> None:
    fresh = post_one(transfer(world.aline, new_wallet(currency="RWF"), 10)).or_raise()
    with pytest.raises(CommandError, match="waits to be sealed"):
        command("prove_sealed", str(fresh.transaction))
    with pytest.raises(CommandError, match="There is no such transaction"):
        command("prove_sealed", str(uuid7()))
    with pytest.raises(CommandError, match="There is no transaction"):
        command("prove_sealed", "nonsense")
    with as_owner_without_triggers():
        run("UPDATE ledger_entry SET amount = amount + 1 WHERE journal_id = %s", world.scene.paid_out)
        with pytest.raises(ChainIsBroken):
            prove(world.scene.paid_out)


# --- Late rows -------------------------------------------------------------------------------------------------------
def test_late_rows_are_let_in_by_a_persons_word(world: World, tmp_path: Path) -> None:
    fund(world.aline, 10)
    seal_now()
    old = Block.objects.get(pk=1)
    late = uuid7(int(old.until_at.timestamp() * 1_000_000) - 1_000)
    AuditRecord.objects.create(id=late, actor="system", action="slow_clock", subject_type="x", subject_id="1")
    assert wrongs(verify().faults) == [f"block 1: core_auditrecord {late}: added after its time was sealed"]
    with pytest.raises(CommandError, match="Say why"):
        command("seal_late", "--reason", " ")

    assert "rows are sealed" in command("seal_late", "--reason", "a clock was slow")

    assert verify().faults == []
    (again,) = Block.objects.exclude(again="")
    assert (again.again, again.after_at, again.until_at) == ("system: a clock was slow", old.after_at, old.until_at)
    assert AuditRecord.objects.get(action="seal_late").reason == "a clock was slow"
    with pytest.raises(NothingIsLate):
        seal_late(actor=None, reason="again")
    fund(world.aline, 10)
    seal_now()
    assert verify().faults == []
    path = tmp_path / "chain.gz"
    export(path, 1, None)
    assert verify_file(path, [], []).faults == []
    with as_owner_without_triggers():
        run("DELETE FROM core_auditrecord WHERE id = %s", late)
        assert [fault.wrong for fault in verify().faults] == ["removed"]


def test_nothing_is_let_in_over_a_fault(world: World) -> None:
    with as_owner_without_triggers():
        run("DELETE FROM ledger_entry WHERE seq = 1 AND account_id = %s", world.scene.aline)
        with pytest.raises(ChainIsBroken, match="removed"):
            seal_late(actor=None, reason="nothing to see")


def test_sealing_again_cannot_leave_anything_out(world: World) -> None:
    """Who forges the blocks that seal a time again must still have all that was sealed there before."""
    old = Block.objects.get(pk=1)
    late = uuid7(int(old.until_at.timestamp() * 1_000_000) - 1_000)
    AuditRecord.objects.create(id=late, actor="system", action="slow_clock", subject_type="x", subject_id="1")
    with as_owner_without_triggers():
        run("DELETE FROM core_auditrecord WHERE action = 'freeze_wallet'")
        Block.objects.filter(pk=1).update(leaves=b"", hash=old.hash)  # so that the service sees no fault ...
        seal_late(actor=None, reason="forged")
        Block.objects.filter(pk=1).update(leaves=old.leaves)

        assert any("not among what was sealed again" in one for one in wrongs(verify().faults))


# --- By the clock ----------------------------------------------------------------------------------------------------
def test_the_clock_seals_and_publishes(world: World, caplog: pytest.LogCaptureFixture) -> None:
    fund(world.aline, 10)
    settle()
    tasks.seal()
    tasks.publish_head()

    assert verify(heads=[world.heads]).faults == []
    assert Publication.objects.get().block_id == Block.objects.count()
    assert "sealing is behind" not in caplog.text

    Mark.objects.create(at=timezone.now() - timedelta(hours=1), horizon=str(2**62))
    tasks.publish_head()
    assert "sealing is behind" in caplog.text


def test_the_clock_checks_once_a_day(world: World) -> None:
    publish_head()
    for _ in range(3):
        tasks.check_chain()

    check = Check.objects.get()
    assert (check.ok, check.scope) == (True, f"blocks 1 to {Block.objects.count()}")


def test_a_day_without_a_chain_needs_no_check(transactional_db: None, ours: Path) -> None:
    check_daily()

    assert not Check.objects.exists()


def test_of_old_blocks_a_sample_is_taken_by_chance(settings: Any) -> None:
    settings.EVIDENCE_CHECK_BLOCKS, settings.EVIDENCE_CHECK_SAMPLE = 100, 50

    stretches, scope = todays(10_000)

    assert stretches[-1] == Stretch(9_901, 10_000)
    assert sum(one.last - one.first + 1 for one in stretches[:-1]) == 50
    assert all(1 <= one.first <= one.last < 9_901 for one in stretches[:-1])
    assert scope == "blocks 9901 to 10000, and 50 older ones by chance"
    assert todays(10_000)[0] != stretches
    assert todays(60) == ([Stretch(1, 60)], "blocks 1 to 60")


def test_the_clock_knows_the_tasks(settings: Any) -> None:
    ticks = {job["task"]: job["schedule"] for job in settings.CELERY_BEAT_SCHEDULE.values()}

    assert ticks[tasks.seal.name] <= 60 and ticks[tasks.publish_head.name] <= 60
    assert tasks.check_chain.name in ticks
