"""Verifying the chain against the rows of the database, in one snapshot, while business goes on.

It walks along the chain and reads every table beside it, in the same order; nothing is held in memory but a block. It
trusts neither triggers nor balances, and computes every hash itself.
"""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db import transaction as db_transaction
from psycopg import sql

from core.models import AuditRecord
from evidence import selectors, signing
from evidence.checking import ADDED, BEFORE_EVERYTHING, Fault, Links, Row, check_heads, compare, counted, read_heads
from evidence.coverage import ACTED_ON, MAY_CHANGE, prepare_session, rows_between, small_rows, stray_rows
from evidence.hashing import (
    ID,
    OF_JOURNAL,
    POSTED,
    RECORDED,
    START,
    decode,
    first_id,
    form_digest,
    key_of,
    microseconds,
    shown_key,
    version_key,
)
from evidence.models import Block, Form, Publication

BLOCKS_IN_A_RUN = 500
LEAVES_AT_A_TIME = 50
AT_MOST = 1_000  # faults that are named
MOST_ADDED = 10_000  # rows in the time of one block that it did not seal
FUTURE = timedelta(days=1)


class Result(NamedTuple):
    """What a verification found in blocks ``first`` to ``last``; ``more`` faults than AT_MOST are not named."""

    at: datetime
    faults: list[Fault]
    more: bool
    blocks: int
    rows: int
    head: int
    milliseconds: int

    @property
    def ok(self) -> bool:
        return not self.faults


class Stretch(NamedTuple):
    """Blocks from one number to another, both included."""

    first: int
    last: int


Progress = Callable[[int, int], None]


@contextmanager
def snapshot() -> Iterator[None]:
    """REPEATABLE READ, READ ONLY; inside an open atomic block that one instead, for tests."""
    if connection.in_atomic_block:
        with db_transaction.atomic():
            prepare_session()
            yield
        return
    with db_transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        prepare_session()
        yield


def verify(
    stretches: Sequence[Stretch] | None = None,
    heads: Sequence[Path] = (),
    progress: Progress = lambda done, of: None,
) -> Result:
    """Verify these blocks, by default all, the small tables, and what was published.

    Args:
        heads: the files in which heads were kept, outside if possible.
        progress: is told how many blocks of how many are done.
    """
    started, at = time.monotonic_ns(), datetime.now(UTC)
    with snapshot():
        walk = Walk(progress)
        faults = [*walk.faults(stretches), *small_faults(), *future_faults(at), *head_faults(heads)]
        if stretches is None:
            faults += stray_faults()
    spent = (time.monotonic_ns() - started) // 1_000_000
    return Result(at, faults[:AT_MOST], len(faults) > AT_MOST, walk.blocks, walk.rows, walk.head, spent)


class Again(NamedTuple):
    """Blocks ``first`` to ``last`` sealed ``(after, until]`` once more; what lies in it was sealed by earlier ones."""

    first: int
    last: int
    after: int
    until: int


class Walk:
    """Along the chain, with the rows of the database beside it."""

    def __init__(self, progress: Progress = lambda done, of: None) -> None:
        last = selectors.head()
        self.head = last.pk if last else 0
        self.progress, self.blocks, self.rows = progress, 0, 0
        self.forms = {form.pk: form for form in Form.objects.all()}
        self.again = list(_sealed_again())
        # Of each run that seals a time again: the names of what was sealed there before, and how far we are.
        self.owed: dict[int, set[tuple[str, bytes]]] = {one.first: set() for one in self.again}
        self.settled: dict[int, int] = {one.first: 0 for one in self.again}
        self.found: list[Fault] = []

    def faults(self, stretches: Sequence[Stretch] | None) -> list[Fault]:
        """Walk along these stretches, or the whole chain."""
        for form in self.forms.values():
            if form_digest(form.tables) != form.pk:
                self.found.append(Fault(0, "chain", f"form {form}", "is not what its blocks were sealed by"))
        stretches = [Stretch(1, self.head)] if stretches is None else stretches
        total = sum(max(min(one.last, self.head) - one.first + 1, 0) for one in stretches)
        for stretch in stretches:
            links = links_before(stretch.first)
            for walked in self.along(stretch):
                self._check(walked, links)
                if self.blocks % LEAVES_AT_A_TIME == 0 or self.blocks == total:
                    self.progress(self.blocks, total)
        return self.found

    def along(self, stretch: Stretch, *, replaced_too: bool = False) -> Generator["Walked"]:
        """Block after block with the rows of its time. Of blocks whose time was sealed again, they are not read,
        unless ``replaced_too``."""
        last = min(stretch.last, self.head)
        for start in range(stretch.first, last + 1, BLOCKS_IN_A_RUN):
            numbers = (start, min(start + BLOCKS_IN_A_RUN - 1, last))
            for run in self._runs(selectors.without_leaves().filter(pk__range=numbers).order_by("pk")):
                yield from self._run(run, replaced_too)

    def _runs(self, blocks: Iterable[Block]) -> Iterator[list[Block]]:
        """Blocks that follow each other in time as well, so that their rows can be read in one go."""
        run: list[Block] = []
        for block in blocks:
            if run and not (
                self._replaced_by(block) is self._replaced_by(run[-1]) is None
                and block.form_id == run[-1].form_id
                and block.after_at == run[-1].until_at
            ):
                yield run
                run = []
            run.append(block)
        if run:
            yield run

    def _replaced_by(self, block: Block) -> Again | None:
        """Who sealed its time again."""
        after, until = microseconds(block.after_at), microseconds(block.until_at)
        later = (one for one in self.again if one.first > block.pk and one.after <= after < until <= one.until)
        return next(later, None)

    def _run(self, run: list[Block], replaced_too: bool) -> Generator["Walked"]:
        form, replaced = self.forms.get(run[0].form_id), self._replaced_by(run[0])
        missing = "its form" if form is None else _missing_columns(form)
        if missing:
            self.found.append(Fault(run[0].pk, "chain", "", f"what it sealed cannot be read, missing: {missing}"))
        wanted = form is not None and not missing and (replaced is None or replaced_too)
        after, until = microseconds(run[0].after_at), microseconds(run[-1].until_at)
        with closing(rows_between(form, after, until) if form and wanted else _nothing()) as read:
            rows = Lookahead(read)
            for start in range(0, len(run), LEAVES_AT_A_TIME):
                numbers = [block.pk for block in run[start : start + LEAVES_AT_A_TIME]]
                for block in Block.objects.filter(pk__in=numbers).order_by("pk"):
                    found, more = None, 0
                    if wanted and form:
                        at = microseconds(block.until_at)
                        found, more = rows.until(at, block.rows, partial(_places, block, form))
                    yield Walked(block, form, found, more, replaced)

    def _check(self, walked: "Walked", links: Links) -> None:
        self.blocks += 1
        block, form, found, more, replaced = walked
        tables, tree, leaves = [], [], []
        try:
            if form is not None:
                leaves, tree = selectors.leaves_of(block, form), selectors.tree_of(block, form)
                tables = [leaf.table for leaf in leaves] + [table for table, _ in selectors.versions_of(block, form)]
        except (ValueError, TypeError, IndexError):
            self.found.append(Fault(block.pk, "chain", "", "its leaves cannot be read"))
        counts = counted(tables, form.tables) if form else {}
        self.found += links.follow(block.header, bytes(block.hash), tree, counts)
        if form is None:
            return
        names = {(form.tables[leaf.table][0], leaf.key) for leaf in leaves} if replaced or block.again else set()
        if replaced:
            self.owed[replaced.first] |= names
        if found is not None and not replaced:
            self.rows += len(found) + len(tables) - len(leaves)
            if len(self.found) <= AT_MOST:
                self.found += compare(block.pk, form.tables, leaves, found)
            if more:
                self.found.append(Fault(block.pk, "chain", f"{more:,} more rows", ADDED))
        if block.again:
            self._settle(block, form, names)

    def _settle(self, block: Block, form: Form, names: set[tuple[str, bytes]]) -> None:
        """What was sealed the first time is among what was sealed again; known once the whole of it was walked."""
        run = next(one for one in self.again if one.first <= block.pk <= one.last)
        self.owed[run.first] -= names
        self.settled[run.first] += 1
        if self.settled[run.first] == run.last - run.first + 1:
            for name, key in sorted(self.owed[run.first]):
                table = next(table for table in form.tables if table[0] == name)
                wrong = "was sealed before, and is not among what was sealed again"
                self.found.append(Fault(block.pk, name, shown_key(table, key), wrong))


class Walked(NamedTuple):
    """A block; the rows of its time as they are now, None where they are not to be read, and how many ``more`` there
    are that it did not seal."""

    block: Block
    form: Form | None
    rows: list[Row] | None
    more: int
    replaced: Again | None


def _places(block: Block, form: Form) -> set[tuple[int, bytes]]:
    try:
        return {leaf.place for leaf in selectors.leaves_of(block, form)}
    except ValueError:
        return set()


def _nothing() -> Generator[Row]:
    yield from ()


class Lookahead:
    """Rows in order, taken block by block."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self.rows = rows
        self.next = next(rows, None)

    def until(self, at: int, sealed: int, places: Callable[[], set[tuple[int, bytes]]]) -> tuple[list[Row], int]:
        """All that are dated up to that microsecond and were not taken yet.

        Of those that were not sealed, which can be any number, MOST_ADDED or so; and how many more there are.

        Args:
            sealed: how many were; ``places`` tells which, when there are many more.
        """
        taken: list[Row] = []
        known: set[tuple[int, bytes]] | None = None
        row, more, end = self.next, 0, first_id(at + 1).bytes
        while row is not None and row[0] < end:
            if len(taken) < sealed + MOST_ADDED:
                taken.append(row)
            else:
                known = places() if known is None else known
                if (row[1], row[2]) in known:
                    taken.append(row)
                else:
                    more += 1
            row = next(self.rows, None)
        self.next = row
        return taken, more


def links_before(first: int) -> Links:
    """To go on from there: of the block before ``first`` what it says is believed."""
    before = selectors.without_leaves().filter(pk__lt=first).order_by("-pk").first()
    if before is None:
        return Links(first - 1, START, BEFORE_EVERYTHING)
    in_time = Block.objects.filter(pk__lt=first, again="").order_by("-pk").values_list("until_at", flat=True).first()
    return Links(before.pk, bytes(before.hash), microseconds(in_time) if in_time else BEFORE_EVERYTHING)


def _sealed_again() -> Iterator[Again]:
    """The runs of blocks that seal a time once more, each cut off from the next by number, time or reason."""
    run: list[Any] = []
    for one in Block.objects.exclude(again="").order_by("pk").values_list("pk", "after_at", "until_at", "again"):
        if run and (one[0] != run[-1][0] + 1 or one[1] != run[-1][2] or one[3] != run[-1][3]):
            yield Again(run[0][0], run[-1][0], microseconds(run[0][1]), microseconds(run[-1][2]))
            run = []
        run.append(one)
    if run:
        yield Again(run[0][0], run[-1][0], microseconds(run[0][1]), microseconds(run[-1][2]))


def _missing_columns(form: Form) -> str:
    """Tables and columns of the form that the database no longer has."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        there = set(cursor.fetchall())
    wanted = {(table[0], column) for table in form.tables for column in table[3]}
    return ", ".join(sorted(f"{table}.{column}" for table, column in wanted - there))


# --- Beside the walk -----------------------------------------------------------------------------------------------


def small_faults() -> list[Fault]:
    """Small tables against their last sealed versions; of rows that may change, whether a record says who did it."""
    try:
        return _small_faults()
    except (ValueError, TypeError, KeyError, IndexError):  # forged; the walk says in which block
        return [Fault(0, "chain", "", "what was sealed of small tables cannot be read")]


def _small_faults() -> list[Fault]:
    newest = Block.objects.order_by("-pk").select_related("form").defer("leaves", "versions").first()
    if newest is None or _missing_columns(newest.form):
        return []
    form, sealed = newest.form, selectors.versions()
    forms = {one.pk: one for one in Form.objects.all()}
    begun: dict[str, int] = {}  # the block in which a table was sealed for the first time
    for (table, _), versions in sealed.items():
        begun[table] = min(begun.get(table, versions[0].block), versions[0].block)
    now = {version_key(form.tables[table], data): (table, data) for table, data in small_rows(form)}
    faults = [
        Fault(versions[-1].block, table, key, "removed")
        for (table, key), versions in sealed.items()
        if (table, key) not in now
    ]
    records = _records([name for name in {*sealed, *now} if name[0] in ACTED_ON])
    for name in {*sealed, *now}:
        table, key = name
        steps: list[tuple[int, datetime | None, str, bytes]] = [
            (one.block, one.sealed_at, one.form, one.data) for one in sealed.get(name, ())
        ]
        if name in now and (not steps or steps[-1][3] != now[name][1]):
            steps.append((0, None, form.pk, now[name][1]))
        late = table in ACTED_ON and steps[0][0] != begun.get(table, steps[0][0])
        if late and not _recorded(records.get(name, []), None, steps[0][1]):
            faults.append(Fault(steps[0][0], table, key, "added, and no audit record says who did it"))
        for before, after in pairwise(steps):
            if before[2] != after[2]:
                continue  # sealed with other columns
            columns = _differing(forms[after[2]], table, before[3], after[3])
            if table not in MAY_CHANGE:
                faults.append(Fault(after[0] or before[0], table, key, f"changed: {columns}"))
            elif not _recorded(records.get(name, []), before[1], after[1]):
                wrong = f"changed: {columns}; no audit record says who did it"
                faults.append(Fault(after[0] or before[0], table, key, wrong))
    return sorted(faults)


def _differing(form: Form, name: str, before: bytes, after: bytes) -> str:
    columns = next(table[3] for table in form.tables if table[0] == name)
    pairs = zip(columns, decode(before)[1:], decode(after)[1:])
    return ", ".join(column for column, then, since in pairs if then != since)


def _records(names: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[datetime]]:
    """When acts on these rows were recorded, by table and key."""
    found: dict[tuple[str, str], list[datetime]] = {}
    labels = {label: table for table, label in ACTED_ON.items()}
    wanted: dict[str, list[str]] = {}
    for table, key in names:
        wanted.setdefault(ACTED_ON[table], []).append(key)
    for label, keys in wanted.items():
        rows = AuditRecord.objects.filter(subject_type=label, subject_id__in=keys, look=False)
        for key, at in rows.values_list("subject_id", "at"):
            found.setdefault((labels[label], key), []).append(at)
    return found


def _recorded(times: Iterable[datetime], since: datetime | None, until: datetime | None) -> bool:
    slack = timedelta(seconds=settings.EVIDENCE_TRAIL_SECONDS)
    return any((since is None or at > since - slack) and (until is None or at <= until + slack) for at in times)


def stray_faults() -> list[Fault]:
    """Journals and entries that are dated neither by their id nor by the event of a posting."""
    form = Form.objects.filter(pk__in=Block.objects.order_by("-pk").values("form_id")[:1]).first()
    if form is None or _missing_columns(form):
        return []
    tables = [(form.tables[number], data) for number, data in stray_rows(form)]
    wrong = "added: no event says that it was posted then"
    return [Fault(0, table[0], shown_key(table, key_of(table, data)), wrong) for table, data in tables]


def future_faults(at: datetime) -> list[Fault]:
    """Rows dated so late that nobody would seal them for a long time."""
    newest = Form.objects.filter(pk__in=Block.objects.order_by("-pk").values("form_id")[:1]).first()
    if newest is None or _missing_columns(newest):
        return []
    bound, faults = first_id(microseconds(at + FUTURE)), []
    for table, shape, key, _ in newest.tables:
        if shape not in (ID, POSTED, OF_JOURNAL, RECORDED):
            continue
        query = sql.SQL("SELECT {key}::text FROM {table} WHERE {key} >= %s ORDER BY {key} LIMIT 100").format(
            key=sql.Identifier(key), table=sql.Identifier(table)
        )
        with connection.cursor() as cursor:
            cursor.execute(query, [at + FUTURE if shape == RECORDED else bound])
            faults += [Fault(0, table, f"{key}={found}", "dated in the future") for (found,) in cursor.fetchall()]
    return faults


def head_faults(files: Sequence[Path]) -> list[Fault]:
    """What was published, here and in the files, against the blocks; and whether the files still have all of it."""
    kept = list(Publication.objects.order_by("pk").values_list("line", "sink", "at"))
    faults = []
    outside: list[dict[str, Any]] = []
    for file in files:
        if file.exists():
            outside += read_heads(file.read_text(encoding="utf-8", errors="replace"))
        else:
            faults.append(Fault(0, "heads", str(file), "there is no such file"))
    heads = [line for line, *_ in kept] + outside
    numbers = {head.get("block") for head in heads if isinstance(head.get("block"), int)}
    hashes = {
        number: bytes(digest).hex() for number, digest in Block.objects.filter(pk__in=numbers).values_list("pk", "hash")
    }
    seen = set()
    for fault in check_heads(heads, hashes, signing.trusted_keys(), signing.is_signed, complete=True):
        if fault not in seen:
            seen.add(fault)
            faults.append(fault)
    if files:
        there = {(head.get("block"), head.get("hash")) for head in outside}
        faults += [
            Fault(line["block"], "heads", "", f"was published at {at:%Y-%m-%d %H:%M:%S}; the file no longer has it")
            for line, sink, at in kept
            if sink == Publication.Sink.FILE and (line.get("block"), line.get("hash")) not in there
        ]
    return faults
