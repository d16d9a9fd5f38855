"""Evidence that leaves the house: a stretch of the chain, or of one transaction that it is sealed, as a file.

Whoever has such a file and the heads that were sent out verifies it without us and without a database.
"""

import base64
import gzip
import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.utils import timezone

from core import audit
from evidence import selectors, signing
from evidence.checking import Fault, Links, Row, check_heads, compare, counted, read_heads
from evidence.coverage import rows_between
from evidence.errors import ChainIsBroken, NotSealedYet
from evidence.hashing import (
    FORMAT,
    Header,
    decode,
    encode,
    first_id,
    form_digest,
    hash_row,
    key_of,
    merkle_path,
    microseconds,
    root_by_path,
    unpacked,
    widths,
)
from evidence.models import Block, Form
from evidence.verify import AT_MOST, Progress, Result, Stretch, Walk, Walked, links_before, snapshot


class Exported(NamedTuple):
    """What a file holds."""

    first: int
    last: int
    rows: int


# --- A stretch of the chain ----------------------------------------------------------------------------------------


def export(path: Path, first: int, last: int | None, progress: Progress = lambda done, of: None) -> Exported:
    """Write blocks ``first`` to ``last`` (default: the head) with all their rows to ``path``: JSON lines, gzipped.

    Rows are written as they are now; whether they are what was sealed is for who verifies the file. From one snapshot,
    a block at a time; that it was done is in the audit trail. Raises: NotSealedYet for a stretch without blocks.
    """
    with snapshot(), gzip.open(path, "wt", encoding="utf-8", compresslevel=6) as file:
        walk = Walk()
        last = min(last or walk.head, walk.head)
        if first > last:
            raise NotSealedYet(f"The chain ends at block {walk.head}.")
        links = links_before(first)
        head = {
            "format": FORMAT, "first": first, "last": last, "previous": links.tip.hex(), "until": links.until,
            "exported_at": timezone.now().isoformat(),
        }  # fmt: skip
        _write(file, head)
        told: set[str] = set()
        rows = 0
        for walked in walk.along(Stretch(first, last), replaced_too=True):
            form = walked.form
            if form and form.pk not in told:
                told.add(form.pk)
                _write(file, {"form": form.pk, "tables": form.tables})
            line = _block_line(walked)
            rows += len(line["rows"]) + len(line["versions"])
            _write(file, line)
            progress(walked.block.pk - first + 1, last - first + 1)
        _write(file, {"end": last, "rows": rows})
    audit.record(actor=None, action="export_chain", subject=Block(pk=last), after={"from": first, "rows": rows})
    return Exported(first, last, rows)


def _write(file: Any, line: dict[str, Any]) -> None:
    file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def _block_line(walked: Walked) -> dict[str, Any]:
    """Of a block whose time was sealed again, only the rows that it sealed itself; the others are in the later one."""
    block, form, rows, _, replaced = walked
    if replaced and form and rows:
        own = {leaf.place for leaf in selectors.leaves_of(block, form)}
        rows = [row for row in rows if (row.table, row.key) in own]
    return {
        "block": block.header._asdict(),
        "hash": bytes(block.hash).hex(),
        "leaves": base64.b64encode(block.leaves).decode(),
        "versions": block.versions or [],
        "rows": [[row.table, decode(row.data)[1:]] for row in rows or []],
    }


def verify_file(path: Path, heads: Sequence[Path], keys: Sequence[str]) -> Result:
    """Verify what `export` wrote; nothing is asked of a database.

    Args:
        heads: files with heads that were kept since they were sent out, outside.
        keys: public keys by which heads may be signed; none: those of our settings.
    """
    started, at = time.monotonic_ns(), datetime.now(UTC)
    faults: list[Fault] = []
    hashes: dict[int, str] = {}
    rows, ended, head = 0, False, {}
    links, forms = Links(), {}
    try:
        for line in _lines(path):
            if line.get("format") == FORMAT:
                head = line
                links = Links(line["first"] - 1, bytes.fromhex(line["previous"]), line["until"])
            elif "form" in line:
                if form_digest(line["tables"]) != line["form"]:
                    faults.append(Fault(0, "chain", f"form {line['form'][:12]}", "is not what its name says"))
                forms[line["form"]] = line["tables"]
            elif "block" in line:
                rows += len(line["rows"]) + len(line["versions"])
                faults += _check_line(line, forms, links)
                hashes[line["block"]["number"]] = line["hash"]
            elif "end" in line:
                ended = links.number == line["end"]
    except (ValueError, KeyError, TypeError, IndexError, EOFError, OSError) as exc:
        faults.append(Fault(links.number + 1, "file", path.name, f"cannot be read on from here ({type(exc).__name__})"))
    if not head or not ended:
        faults.append(Fault(0, "file", path.name, "is not whole: it was cut off, or is no export of the chain"))
    faults += _outside(heads, keys, hashes)
    spent = (time.monotonic_ns() - started) // 1_000_000
    return Result(at, faults[:AT_MOST], len(faults) > AT_MOST, len(hashes), rows, links.number, spent)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for text in file:
            yield json.loads(text)


def _check_line(line: dict[str, Any], forms: dict[str, Any], links: Links) -> list[Fault]:
    header, form = Header(**line["block"]), forms[line["block"]["form"]]
    leaves = unpacked(base64.b64decode(line["leaves"]), widths(form))
    versions = [(table, encode([form[table][0], *fields])) for table, fields in line["versions"]]
    tree = [leaf.hash for leaf in leaves] + [hash_row(data) for _, data in versions]
    counts = counted([leaf.table for leaf in leaves] + [table for table, _ in versions], form)
    rows = []
    for table, fields in line["rows"]:
        data = encode([form[table][0], *fields])
        rows.append(Row(b"", table, key_of(form[table], data), data))
    return [
        *links.follow(header, bytes.fromhex(line["hash"]), tree, counts),
        *compare(header.number, form, leaves, rows),
    ]


def _outside(files: Sequence[Path], keys: Sequence[str], hashes: dict[int, str]) -> list[Fault]:
    """The heads that were kept outside, against blocks of ours. One of them at least must be among these."""
    if not files:
        return []
    missing = [Fault(0, "heads", str(file), "there is no such file") for file in files if not file.exists()]
    texts = [file.read_text(encoding="utf-8", errors="replace") for file in files if file.exists()]
    heads = [head for text in texts for head in read_heads(text)]
    trusted = set(keys) or signing.trusted_keys()
    faults = [*missing, *check_heads(heads, hashes, trusted, signing.is_signed, complete=False)]
    if not any(head.get("block") in hashes for head in heads):
        faults.append(Fault(0, "heads", "", "none of them is of these blocks: nothing outside vouches for them"))
    return faults


# --- One transaction -----------------------------------------------------------------------------------------------

# What belongs to a transaction: table, place and key of each row, by the transaction's id.
BELONGS = """
WITH posted AS (
    SELECT coalesce((SELECT id FROM transactions_event
                     WHERE transaction_id = %(id)s AND from_state <> '' AND to_state = 'completed'), %(id)s) AS place)
SELECT 'transactions_transaction', uuid_send(id), uuid_send(id) FROM transactions_transaction WHERE id = %(id)s
UNION ALL SELECT 'transactions_event', uuid_send(id), uuid_send(id)
    FROM transactions_event WHERE transaction_id = %(id)s
UNION ALL SELECT 'ledger_journal', uuid_send(place), uuid_send(id) FROM ledger_journal, posted WHERE id = %(id)s
UNION ALL SELECT 'ledger_entry', uuid_send(place), int8send(account_id) || int8send(seq)
    FROM ledger_entry, posted WHERE journal_id = %(id)s
"""
HOLDS = "SELECT account_id, seq, recorded_at FROM ledger_holdevent WHERE hold = %(id)s"


def prove(transaction_id: UUID) -> dict[str, Any]:
    """What shows that a transaction is sealed: its rows, of each the way to its block's root, the blocks up to a head
    that was sent out.

    Raises: NotSealedYet, ChainIsBroken (a row is not as it was sealed, so nothing is shown of it).
    """
    with snapshot():
        wanted = _belonging(transaction_id)
        if not wanted:
            raise NotSealedYet("There is no such transaction.")
        blocks: dict[int, Block] = {}
        places: dict[int, set[tuple[str, bytes]]] = {}
        for table, place, key in wanted:
            block = selectors.block_at(place)
            if block is None:
                raise NotSealedYet(f"A row of {table} waits to be sealed.")
            blocks[block.pk] = block
            places.setdefault(block.pk, set()).add((table, key))
        rows = [row for number in sorted(blocks) for row in _proven(blocks[number], places[number])]
        stretches = [_up_to_a_head(number) for number in sorted(blocks)]
    return {
        "format": f"{FORMAT}-proof",
        "transaction": str(transaction_id),
        "rows": rows,
        "blocks": {str(one.pk): {"block": one.header._asdict(), "hash": bytes(one.hash).hex()} for stretch in stretches
                   for one in stretch.blocks},
        "forms": {form.pk: form.tables for form in Form.objects.filter(pk__in={b.form_id for b in blocks.values()})},
        "heads": [stretch.head for stretch in stretches if stretch.head],
    }  # fmt: skip


def _belonging(transaction_id: UUID) -> list[tuple[str, bytes, bytes]]:
    with connection.cursor() as cursor:
        cursor.execute(BELONGS, {"id": transaction_id})
        found = [(table, bytes(place), bytes(key)) for table, place, key in cursor.fetchall()]
        cursor.execute(HOLDS, {"id": transaction_id})
        for account, seq, at in cursor.fetchall():
            key = account.to_bytes(8, "big", signed=True) + seq.to_bytes(8, "big", signed=True)
            found.append(("ledger_holdevent", first_id(microseconds(at)).bytes, key))
    return found


def _proven(meta: Block, places: set[tuple[str, bytes]]) -> Iterator[dict[str, Any]]:
    block, form = Block.objects.get(pk=meta.pk), Form.objects.get(pk=meta.form_id)
    leaves, tree = selectors.leaves_of(block, form), selectors.tree_of(block, form)
    after, until = microseconds(block.after_at), microseconds(block.until_at)
    now = {(row.table, row.key): row.data for row in rows_between(form, after, until)}
    for index, leaf in enumerate(leaves):
        name, *_, columns = form.tables[leaf.table]
        if (name, leaf.key) in places:
            data = now.get(leaf.place)
            if data is None or hash_row(data) != leaf.hash:
                raise ChainIsBroken(f"A row of {name} is not as block {block.pk} sealed it.")
            places.discard((name, leaf.key))
            yield {
                "table": name, "columns": columns, "fields": decode(data)[1:], "block": block.pk,
                "leaf": leaf.hash.hex(), "path": merkle_path(tree, index),
            }  # fmt: skip
    if places:
        raise ChainIsBroken(f"Block {block.pk} has no {sorted(places)[0][0]} of this transaction.")


class Anchored(NamedTuple):
    """Blocks from one on to the next whose head was sent out; without a head when none was."""

    blocks: list[Block]
    head: dict[str, Any] | None


def _up_to_a_head(number: int) -> Anchored:
    published = selectors.first_published(number)
    last = published.block_id if published else number
    blocks = list(selectors.without_leaves().filter(pk__range=(number, last)).order_by("pk"))
    return Anchored(blocks, published.line if published else None)


def verify_proof(path: Path, heads: Sequence[Path], keys: Sequence[str]) -> Result:
    """Verify what `prove` showed; nothing is asked of a database. Arguments as those of `verify_file`."""
    started, at = time.monotonic_ns(), datetime.now(UTC)
    faults: list[Fault] = []
    hashes: dict[int, str] = {}
    rows: list[dict[str, Any]] = []
    try:
        proof = json.loads(path.read_text(encoding="utf-8"))
        rows = proof["rows"]
        headers = {int(number): (Header(**one["block"]), one["hash"]) for number, one in proof["blocks"].items()}
        for number, (header, said) in sorted(headers.items()):
            if header.number != number or header.hash.hex() != said:
                faults.append(Fault(number, "chain", "", "its hash is not that of what it says"))
            if number - 1 in headers and header.previous != headers[number - 1][1]:
                faults.append(Fault(number, "chain", "", "does not name the hash of the block before"))
            hashes[number] = said
        for row in rows:
            header, tables = headers[row["block"]][0], proof["forms"][headers[row["block"]][0].form]
            leaf = hash_row(encode([row["table"], *row["fields"]]))
            if root_by_path(leaf, row["path"]).hex() != header.root:
                faults.append(Fault(row["block"], row["table"], str(row["fields"][0]), "is not in the block"))
            if form_digest(tables) != header.form or (row["table"], row["columns"]) not in [
                (t[0], t[3]) for t in tables
            ]:
                faults.append(Fault(row["block"], row["table"], str(row["fields"][0]), "has other columns"))
        if not rows:
            faults.append(Fault(0, "file", path.name, "shows no row"))
        faults += _vouched(proof, heads, keys, hashes)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as exc:
        faults.append(Fault(0, "file", path.name, f"is no proof that can be read ({type(exc).__name__})"))
    spent = (time.monotonic_ns() - started) // 1_000_000
    return Result(at, faults, False, len(hashes), len(rows), max(hashes, default=0), spent)


def _vouched(proof: dict[str, Any], files: Sequence[Path], keys: Sequence[str], hashes: dict[int, str]) -> list[Fault]:
    """From every block with a row of the proof the chain goes on to a head; to one from outside, if there are files."""
    trusted = set(keys) or signing.trusted_keys()
    outside = [head for file in files if file.exists() for head in read_heads(file.read_text(errors="replace"))]
    heads = outside if files else proof["heads"]
    faults = check_heads([*outside, *proof["heads"]], hashes, trusted, signing.is_signed, complete=False)
    good = {
        head["block"]
        for head in heads
        if signing.is_signed(head, trusted) and hashes.get(head["block"]) == head["hash"]
    }
    for number in sorted({row["block"] for row in proof["rows"]}):
        at = number
        while at not in good and at + 1 in hashes:
            at += 1
        if at not in good:
            faults.append(Fault(number, "heads", "", "no head that was sent out vouches for it"))
    return faults
