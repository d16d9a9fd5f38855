"""Comparing what was sealed with what is there. Like `hashing.py` without a database: rows come from one or a file."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from evidence.hashing import (
    FORMAT,
    ID,
    OF_WALLET,
    POSTED,
    START,
    Header,
    Leaf,
    Table,
    hash_row,
    hints,
    merkle_root,
    shown_key,
)

BEFORE_EVERYTHING = -1  # microseconds since 1970: where the first block begins


ADDED = "added after its time was sealed"


class Fault(NamedTuple):
    """One thing that is wrong: in which block (0: in none), in which table (or ``chain``, ``heads``), which row."""

    block: int
    table: str
    key: str
    wrong: str

    def __str__(self) -> str:
        where = f"block {self.block}: " if self.block else ""
        return f"{where}{self.table} {self.key}: {self.wrong}" if self.key else f"{where}{self.table}: {self.wrong}"


class Row(NamedTuple):
    """One row as it is now. ``place`` dates it: 16 bytes; ``table``: position in the form; ``data``: encoded."""

    place: bytes
    table: int
    key: bytes
    data: bytes


class Links:
    """Goes along the chain, block by block, and says where it is torn."""

    def __init__(self, number: int = 0, tip: bytes = START, until: int = BEFORE_EVERYTHING) -> None:
        """After block ``number`` with hash ``tip``; what is dated up to ``until`` is sealed by then."""
        self.number, self.tip, self.until = number, tip, until

    def follow(self, header: Header, kept_hash: bytes, tree: Sequence[bytes], counts: Mapping[str, int]) -> list[Fault]:
        """Go on to the next block. Args: tree: the hashes of its rows; counts: how many these are, by table."""
        wrong = []
        if header.number != self.number + 1:
            wrong.append(f"does not follow block {self.number}: what was between them is missing")
        elif header.previous != self.tip.hex():
            wrong.append("does not name the hash of the block before")
        if header.hash != kept_hash:
            wrong.append("its hash is not that of what it says")
        if header.root != (merkle_root(tree).hex() if tree else ""):
            wrong.append("its rows do not lead to its root")
        if dict(header.rows) != dict(counts):
            wrong.append("says another number of rows")
        if not header.again:
            if header.after != self.until and header.number == self.number + 1:
                wrong.append("does not begin where the one before ends")
            self.until = header.until
        self.number, self.tip = header.number, kept_hash
        return [Fault(header.number, "chain", "", one) for one in wrong]


def counted(tables: Iterable[int], form: Sequence[Table]) -> dict[str, int]:
    """How many rows of each table of the form, by name."""
    counts: dict[str, int] = {}
    for table in tables:
        name = form[table][0]
        counts[name] = counts.get(name, 0) + 1
    return counts


def compare(block: int, form: Sequence[Table], leaves: Sequence[Leaf], rows: Sequence[Row]) -> list[Fault]:
    """What became of the rows of one block since it was sealed; both in order."""
    if len(leaves) == len(rows) and all(
        leaf[2] == hash_row(row[3]) and leaf[0] == row[1] and leaf[1] == row[2] for leaf, row in zip(leaves, rows)
    ):
        return []
    sealed = {leaf.place: leaf for leaf in leaves}
    found = {(row.table, row.key): row for row in rows}
    changed = {
        place: leaf for place, leaf in sealed.items() if place in found and hash_row(found[place].data) != leaf.hash
    }
    gone = {place: leaf for place, leaf in sealed.items() if place not in found}
    new = {place: row for place, row in found.items() if place not in sealed}
    faults = []

    def fault(place: tuple[int, bytes], wrong: str) -> None:
        table = form[place[0]]
        faults.append(Fault(block, table[0], shown_key(table, place[1]), wrong))

    for place, leaf in changed.items():
        table = form[place[0]]
        twin = next((
            other for other, theirs in changed.items()
            if other != place and other[0] == place[0]
            and _says(table, hints(found[place].data)) == _says(table, theirs.hints)
            and _says(table, hints(found[other].data)) == _says(table, leaf.hints)
        ), None)  # fmt: skip
        if twin:
            fault(place, f"exchanged with {shown_key(table, twin[1])}")
        else:
            columns = [c for c, then, now in zip(table[3], leaf.hints, hints(found[place].data)) if then != now]
            fault(place, f"changed: {', '.join(columns)}" if columns else "changed")
    for place, leaf in gone.items():
        table = form[place[0]]
        now = next((
            other for other, row in new.items()
            if other[0] == place[0] and _says(table, hints(row.data)) == _says(table, leaf.hints)
        ), None)  # fmt: skip
        if now:
            new.pop(now)
            fault(place, f"reordered: it is {shown_key(table, now[1])} now")
        else:
            fault(place, "removed")
    for place in new:
        fault(place, ADDED)
    if not faults:
        faults.append(Fault(block, "chain", "", "its rows are in another order than when they were sealed"))
    return faults


def _says(table: Table, hint: bytes) -> bytes:
    """The hints of what a row says beside its key."""
    key = {table[2]} if table[1] in (ID, POSTED) else {"id"} if table[1] == OF_WALLET else {"account_id", "seq"}
    return bytes([one for column, one in zip(table[3], hint) if column not in key])


# --- Heads that were sent out --------------------------------------------------------------------------------------


def read_heads(text: str) -> list[dict[str, Any]]:
    """The lines of a heads file, or of any text with such lines in it; what is no head is passed over."""
    lines = []
    for line in text.splitlines():
        try:
            head = json.loads(line)
        except ValueError:
            continue  # cut off by a crash, or the text of a mail
        if isinstance(head, dict) and head.get("format") == FORMAT:
            lines.append(head)
    return lines


def check_heads(
    heads: Sequence[Mapping[str, Any]],
    hashes: Mapping[int, str],
    trusted: Collection[str],
    is_signed: Any,
    *,
    complete: bool,
) -> list[Fault]:
    """Compare heads from outside with the blocks that are there.

    Args:
        hashes: of the blocks that heads name, by number; ``complete``: a block that is not among them does not exist.
        is_signed: ``(head, trusted keys) -> bool``.
    """
    faults = []
    for head in heads:
        number, said = head.get("block"), head.get("hash")
        at = head.get("published_at", "")
        if not isinstance(number, int) or not is_signed(head, trusted):
            faults.append(Fault(0, "heads", f"line of {at}", "is not signed by a key that is trusted"))
        elif number not in hashes:
            if complete:
                wrong = f"was published at {at} and is not in the chain: it was cut off"
                faults.append(Fault(number, "heads", "", wrong))
        elif hashes[number] != said:
            wrong = f"was published at {at} with another hash: the chain up to here was made anew"
            faults.append(Fault(number, "heads", "", wrong))
    return faults
