"""What is done with the chain: rows are sealed into blocks, late ones by a person's word; heads are sent out."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.mail import send_mail
from django.db import connection
from django.db import transaction as db_transaction
from django.db.models import Sum
from django.utils import timezone

from core import audit
from core.jobs import once_a_day
from evidence import selectors, signing
from evidence.checking import ADDED, BEFORE_EVERYTHING, Row, compare, counted
from evidence.coverage import current_form, prepare_session, rows_between, small_rows
from evidence.errors import ChainIsBroken, NothingIsLate
from evidence.hashing import (
    FORMAT,
    START,
    Header,
    Leaf,
    decode,
    hash_row,
    hints,
    instant,
    merkle_root,
    microseconds,
    packed,
    time_of_id,
    version_key,
)
from evidence.models import Block, Form, Mark, Publication
from evidence.verify import Stretch, Walk

logger = logging.getLogger(__name__)

ROWS_IN_A_BLOCK = 1_000
ROWS_IN_A_PASS = 500_000
ONE_SEALER = "evidence: one sealer"
UNLIMITED = 2**62
BLOCKS_AT_A_TIME = 100
SILENCE = timedelta(hours=1)
BEHIND = timedelta(minutes=30)


# --- Sealing -------------------------------------------------------------------------------------------------------


def seal(most_rows: int = ROWS_IN_A_PASS) -> int:
    """Seal what is settled, in passes of ``most_rows``; how many rows that was. Nothing while another sealer is at it.

    A pass is a database transaction of its own; a number of statements that depends on the number of tables alone.
    Locks: an advisory one, so that there is one sealer; none that a posting could wait for.
    """
    make_mark()
    sealed = 0
    while (rows := _seal_once(most_rows)) is not None:
        sealed += rows
        if rows < most_rows:
            break
    return sealed


def make_mark() -> None:
    """Note the time, and take a transaction number: every one that was given out before is smaller.

    Ids and times of rows are made from the clock before their commit. A row dated before the mark, by more than the
    trail, belongs to a database transaction that had its number when the mark was made: once all smaller numbers than
    the mark's ``horizon`` have ended, such rows are there for everybody to see, or never will be. The trail
    (`EVIDENCE_TRAIL_SECONDS`) is for the time between reading the clock and the first write, and for clocks of other
    machines that are slow.
    """
    with connection.cursor() as cursor:
        # Not the snapshot's xmax: that is one more than the last number that has *ended*, and others may be under way.
        cursor.execute("INSERT INTO evidence_mark (at, horizon) SELECT now(), pg_current_xact_id()::text")


# The last mark before which nothing is under way. Either no smaller number is, in the whole cluster. Or none in this
# database, going by the locks that every database transaction holds on its own number; these are taken a moment after
# the number itself, so only marks of some age are judged by them. Neighbours that take long hold back nothing then.
SETTLED = """
SELECT m.* FROM evidence_mark m
WHERE m.horizon::xid8 <= pg_snapshot_xmin(pg_current_snapshot())
   OR (m.at < now() - make_interval(secs => greatest(%s, 1))
       AND NOT EXISTS (SELECT FROM pg_prepared_xacts WHERE database = current_database())
       AND NOT EXISTS (
           SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
           WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
             AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
             -- Locks have the lower half of a number; smaller is what lies behind on the circle.
             AND mod(m.horizon::bigint - l.transactionid::text::bigint + 8589934592, 4294967296)
                 BETWEEN 1 AND 2147483647))
ORDER BY m.at DESC LIMIT 1
"""


def _settled() -> Mark | None:
    """The last mark of which everything older has ended."""
    return next(iter(Mark.objects.raw(SETTLED, [settings.EVIDENCE_TRAIL_SECONDS])), None)


def _seal_once(most_rows: int) -> int | None:
    """One pass; None when there is nothing to do, or somebody else is doing it."""
    mark = _settled()  # before the pass is a database transaction with a snapshot of its own
    if mark is None:
        return None
    with db_transaction.atomic():
        if not _only_sealer():
            return None
        prepare_session()
        head, form = selectors.head(), current_form()
        tip = Tip(START.hex(), 0) if head is None else Tip(bytes(head.hash).hex(), head.pk)
        sealed_until = selectors.sealed_until()
        after = BEFORE_EVERYTHING if sealed_until is None else microseconds(sealed_until)
        until = max(microseconds(mark.at) - settings.EVIDENCE_TRAIL_SECONDS * 1_000_000, after)
        with closing(rows_between(form, after, until, trusting=True)) as rows:
            blocks = list(_blocks(_batches(rows, after, until, most_rows), form, tip, _clock()))
        complete = not blocks or blocks[-1].until_at == instant(until)
        if complete:
            blocks = _with_versions(blocks, form, tip, after, until)
            Mark.objects.filter(at__lt=mark.at).delete()
        Block.objects.bulk_create(blocks, batch_size=BLOCKS_AT_A_TIME)
        return sum(block.rows for block in blocks)


class Tip(NamedTuple):
    """Hash and number of the last block, to which the next is chained."""

    hash: str
    number: int


def _only_sealer(*, wait: bool = False) -> bool:
    """Whether this database transaction is the one that may seal now; it is once another has ended, if it may wait."""
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SET LOCAL lock_timeout = 0")
        ask = "pg_advisory_xact_lock" if wait else "pg_try_advisory_xact_lock"
        cursor.execute(f"SELECT {ask}(hashtextextended(%s, 0))", [ONE_SEALER])
        return wait or bool(cursor.fetchone()[0])


def _clock() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return microseconds(cursor.fetchone()[0])


class Batch(NamedTuple):
    """The rows of one block to be, dated in ``(after, until]``."""

    after: int
    until: int
    rows: list[Row]


def _batches(rows: Iterator[Row], after: int, until: int, most_rows: int) -> Iterator[Batch]:
    """Cut rows in order into blocks, between two microseconds, so that what belongs together stays so.

    A block has more than ROWS_IN_A_BLOCK only if a single microsecond has. After ``most_rows`` it is enough; otherwise
    the last block goes on to ``until``, unless it has no rows.
    """
    batch: list[Row] = []
    whole = 0  # how many of the batch are of microseconds that are over
    last, taken = after, 0
    for row in rows:
        at = time_of_id(row.place)
        if at > last:
            whole, last = len(batch), at
        if len(batch) >= ROWS_IN_A_BLOCK and whole:
            end = time_of_id(batch[whole - 1].place)
            yield Batch(after, end, batch[:whole])
            taken += whole
            after, batch, whole = end, batch[whole:], 0
            if taken >= most_rows:
                return
        batch.append(row)
    if batch:
        yield Batch(after, until, batch)


def _blocks(batches: Iterator[Batch], form: Form, tip: Tip, sealed_at: int, again: str = "") -> Iterator[Block]:
    """Chain batches to ``tip``, one block each."""
    for batch in batches:
        leaves = [Leaf(row.table, row.key, hash_row(row.data), hints(row.data)) for row in batch.rows]
        root = merkle_root([leaf.hash for leaf in leaves])
        counts = counted([leaf.table for leaf in leaves], form.tables)
        header = Header(
            tip.number + 1, tip.hash, root.hex(), form.pk, batch.after, batch.until, again, counts, sealed_at
        )
        block = Block.of(header, leaves=packed(leaves))
        tip = Tip(block.hash.hex(), block.pk)
        yield block


def _with_versions(blocks: list[Block], form: Form, tip: Tip, after: int, until: int) -> list[Block]:
    """The blocks of a pass, then those for what is new in small tables; the first of these goes on to ``until``."""
    known = selectors.known_versions()
    last: dict[str, int] = {}
    for name, key in known:
        if key.isdecimal():
            last[name] = max(last.get(name, 0), int(key))
    now = [(version_key(form.tables[table], data), table, data) for table, data in small_rows(form, last)]
    new = [(table, data) for key, table, data in now if known.get(key) != hash_row(data)]
    if blocks:
        tip, after = Tip(blocks[-1].hash.hex(), blocks[-1].pk), until
    made = []
    for start in range(0, len(new), ROWS_IN_A_BLOCK):
        part = new[start : start + ROWS_IN_A_BLOCK]
        root = merkle_root([hash_row(data) for _, data in part])
        counts = counted([table for table, _ in part], form.tables)
        header = Header(tip.number + 1, tip.hash, root.hex(), form.pk, after, until, "", counts, _clock())
        block = Block.of(header, leaves=b"", versions=[[table, decode(data)[1:]] for table, data in part])
        tip, after = Tip(block.hash.hex(), block.pk), until
        made.append(block)
    return blocks + made


# --- Late rows -----------------------------------------------------------------------------------------------------


def seal_late(*, actor: Any, reason: str) -> int:
    """Seal anew every time into which rows came after it was sealed; how many rows are sealed by that.

    For a person to say: data that was loaded with its own times, a machine whose clock was slow by more than the trail.
    The blocks say who and why, and stay; what they seal again must have been sealed as it is.
    Raises: NothingIsLate; ChainIsBroken when anything else is wrong with the chain.
    Locks: out other sealers, till the end.
    """
    with db_transaction.atomic():
        _only_sealer(wait=True)
        prepare_session()
        head = selectors.head()
        windows = list(_late_windows())
        if head is None or not windows:
            raise NothingIsLate()
        form, tip, sealed = current_form(), Tip(bytes(head.hash).hex(), head.pk), 0
        again = f"{audit.actor_name(actor)}: {reason}"[:500]
        for after, until in windows:
            with closing(rows_between(form, after, until)) as rows:
                blocks = _blocks(_batches(rows, after, until, UNLIMITED), form, tip, _clock(), again)
                while part := list(islice(blocks, BLOCKS_AT_A_TIME)):
                    Block.objects.bulk_create(part)
                    tip, sealed = Tip(part[-1].hash.hex(), part[-1].pk), sealed + sum(block.rows for block in part)
        audit.record(actor=actor, action="seal_late", subject=head, after={"rows": sealed}, reason=reason)
    return sealed


def _late_windows() -> Iterator[tuple[int, int]]:
    """Stretches of time, from block to block, with rows that are not sealed."""
    walk = Walk()
    late: list[tuple[int, int]] = []
    for walked in walk.along(Stretch(1, walk.head)):
        block, form, rows, more, _ = walked
        if form is None or rows is None:
            continue
        faults = compare(block.pk, form.tables, selectors.leaves_of(block, form), rows)
        if any(fault.wrong != ADDED for fault in faults):
            raise ChainIsBroken(f"{faults[0]}. Sealing again would cover it up.")
        if faults or more:
            late.append((microseconds(block.after_at), microseconds(block.until_at)))
    if walk.found:
        raise ChainIsBroken(str(walk.found[0]))
    start = end = None
    for after, until in sorted(late):
        if after != end:
            if start is not None and end is not None:
                yield start, end
            start = after
        end = until
    if start is not None and end is not None:
        yield start, end


# --- Sending heads out ---------------------------------------------------------------------------------------------


def publish_head() -> bool:
    """Append the signed head to the file; whether there was something to say: a new head, or an hour of silence.

    The file first, then the row that says so: a line too many harms nobody.
    """
    head = selectors.head()
    last = Publication.objects.filter(sink=Publication.Sink.FILE).first()
    if head is None or (last and last.block_id == head.pk and timezone.now() - last.at < SILENCE):
        return False
    line = _line(head)
    append_line(Path(settings.EVIDENCE_HEADS_FILE), line)
    Publication.objects.create(block=head, sink=Publication.Sink.FILE, line=line, at=timezone.now())
    return True


def warn_when_behind() -> None:
    """An error in the log while what is older than half an hour is not sealed."""
    lag = selectors.sealing().lag
    if lag is not None and lag > BEHIND:
        logger.error("sealing is behind", extra={"seconds": int(lag.total_seconds())})


def mail_head() -> None:
    """Once a day: the head to those who keep it elsewhere."""
    head = selectors.head()
    if head is None or not settings.EVIDENCE_HEADS_EMAILS:
        return
    with once_a_day("mail_head") as day:
        if day is None:
            return
        line = _line(head)
        text = MAIL.format(
            day=day, head=head, rows=f"{_rows_sealed():,}", hash=line["hash"], line=json.dumps(line),
            environment=settings.ENVIRONMENT,
        )  # fmt: skip
        send_mail(f"Tekana: head of the chain, {day}", text, None, settings.EVIDENCE_HEADS_EMAILS)
        Publication.objects.create(block=head, sink=Publication.Sink.EMAIL, line=line, at=timezone.now())


MAIL = """\
Head of Tekana's hash chain on {day} ({environment}).

Block {head.pk}, sealed {head.sealed_at:%Y-%m-%d %H:%M:%S} UTC; {rows} rows are sealed so far.
SHA-256 {hash}

Keep this message. As long as you have it, nobody can change what was sealed before it and not be found out.
To verify, put the following line into a file and run `manage.py verify_chain --heads FILE`:

{line}
"""


def _line(head: Block) -> dict[str, Any]:
    return signing.signed(
        {
            "format": FORMAT, "block": head.pk, "hash": bytes(head.hash).hex(),
            "sealed_at": head.sealed_at.isoformat(), "published_at": timezone.now().isoformat(),
        }
    )  # fmt: skip


def _rows_sealed() -> int:
    return Block.objects.aggregate(rows=Sum("rows"))["rows"] or 0


def append_line(path: Path, line: dict[str, Any]) -> None:
    """Add one line of JSON, on the disk when this returns. What a crash cut off stays a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        torn = file.tell() > 0 and not _ends_whole(path)
        file.write((b"\n" if torn else b"") + json.dumps(line).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
