"""What is hashed, byte for byte. The standard library alone: an auditor can read this file and write it anew.

A row is its table's name and its columns, each as the text that PostgreSQL writes for it (times in UTC), in the length-
prefixed form of `encode`; no two rows have the same bytes. A block is a Merkle tree over its rows as RFC 6962 has it:
leaves and inner nodes are hashed with different first bytes, so that one can never be taken for the other.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

FORMAT = "tekana-chain-1"
LEAF, NODE, BLOCK = b"\x00", b"\x01", b"\x02"
START = bytes(32)  # the previous hash of the first block
TEXT = 25  # the number under which PostgreSQL knows text; it stands before every field
COUNT, HEAD = struct.Struct(">i"), struct.Struct(">Ii")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Fields = Sequence[str | None]


def encode(fields: Fields) -> bytes:
    """The number of fields; then of each 25, its length in bytes (-1: null) and its UTF-8: big-endian 32-bit numbers.

    The same bytes as PostgreSQL's ``record_send(ROW(field::text, …))``, which is how they are read from it.
    """
    parts = [COUNT.pack(len(fields))]
    for field in fields:
        if field is None:
            parts.append(HEAD.pack(TEXT, -1))
        else:
            text = field.encode()
            parts += [HEAD.pack(TEXT, len(text)), text]
    return b"".join(parts)


def split(data: bytes) -> list[bytes | None]:
    """The fields of what `encode` made. Raises: ValueError for anything else."""
    fields: list[bytes | None] = []
    try:
        (count,), at = COUNT.unpack_from(data), COUNT.size
        for _ in range(count):
            kind, length = HEAD.unpack_from(data, at)
            at += HEAD.size
            if kind != TEXT:
                raise ValueError("a field that is no text")
            fields.append(None if length < 0 else data[at : at + length])
            at += max(length, 0)
    except struct.error as exc:
        raise ValueError("cut off") from exc
    if at != len(data):
        raise ValueError("more than its fields")
    return fields


def decode(data: bytes) -> list[str | None]:
    return [None if field is None else field.decode() for field in split(data)]


def hash_row(data: bytes) -> bytes:
    """Of an encoded row: its leaf in the tree."""
    return sha256(LEAF + data).digest()


def hints(data: bytes) -> bytes:
    """A byte for each column, by which a changed row tells later which of them changed. No proof: the hash is that."""
    return bytes([0 if field is None else 1 + zlib.crc32(field) % 255 for field in split(data)[1:]])


# --- The tree ------------------------------------------------------------------------------------------------------


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Of at least one leaf. A node without a neighbour goes up as it is."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def _parents(level: list[bytes]) -> list[bytes]:
    odd = level[-1:] if len(level) % 2 else []
    return [sha256(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2])] + odd


class Step(NamedTuple):
    """One neighbour on the way from a leaf to the root: ``side`` is where it stands, ``left`` or ``right``."""

    side: str
    hash: str


def merkle_path(leaves: Sequence[bytes], index: int) -> list[Step]:
    """The neighbours of leaf ``index`` from the bottom to the top."""
    path, level = [], list(leaves)
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            path.append(Step("left" if neighbour < index else "right", level[neighbour].hex()))
        level, index = _parents(level), index // 2
    return path


def root_by_path(leaf: bytes, path: Iterable[Sequence[str]]) -> bytes:
    """The root to which a leaf and its neighbours lead."""
    for side, neighbour in path:
        pair = bytes.fromhex(neighbour) + leaf if side == "left" else leaf + bytes.fromhex(neighbour)
        leaf = sha256(NODE + pair).digest()
    return leaf


# --- The block -----------------------------------------------------------------------------------------------------


class Header(NamedTuple):
    """What a block says of itself; everything here is in its hash.

    ``after`` and ``until``: it has the rows dated later than the one and up to the other, microseconds since 1970.
    ``again``: why it seals a time that was sealed before; empty for all but late rows. ``rows`` by table. ``form``: the
    SHA-256 of what its tables and their columns are. Hashes are hexadecimal; ``sealed_at`` is PostgreSQL's, in
    microseconds.
    """

    number: int
    previous: str
    root: str
    form: str
    after: int
    until: int
    again: str
    rows: dict[str, int]
    sealed_at: int

    @property
    def hash(self) -> bytes:
        counted = [text for table, count in sorted(self.rows.items()) for text in (table, str(count))]
        fields = [
            FORMAT, str(self.number), self.previous, self.root, self.form, str(self.after), str(self.until),
            self.again, str(self.sealed_at), *counted,
        ]  # fmt: skip
        return sha256(BLOCK + encode(fields)).digest()


def microseconds(at: datetime) -> int:
    return (at - EPOCH) // MICROSECOND


def instant(at_us: int) -> datetime:
    return EPOCH + at_us * MICROSECOND


def first_id(at_us: int) -> UUID:
    """No uuid7 made at that microsecond, or later, is smaller (`core/ids.py` says how they are laid out)."""
    milliseconds, microsecond = divmod(max(at_us, 0), 1000)
    return UUID(int=milliseconds << 80 | 0x7000 << 64 | (microsecond << 2) << 64) if at_us >= 0 else UUID(int=0)


def time_of_id(place: bytes) -> int:
    """The microsecond that the 16 bytes of an id belong to, so that ``first_id(t) <= id < first_id(t + 1)``."""
    high = int.from_bytes(place[:8])
    milliseconds, version, twelve = high >> 16, high >> 12 & 15, high & 0xFFF
    if version < 7:
        return milliseconds * 1000 - 1
    return milliseconds * 1000 + (999 if version > 7 else min(twelve >> 2, 999))


# --- The leaves as they are kept ------------------------------------------------------------------------------------


class Leaf(NamedTuple):
    """One sealed row: position of its table in the form, 16 bytes of key, hash, and hints."""

    table: int
    key: bytes
    hash: bytes
    hints: bytes

    @property
    def place(self) -> tuple[int, bytes]:
        return self.table, self.key


def packed(leaves: Iterable[Leaf]) -> bytes:
    return b"".join([bytes([table]) + key + digest + hint for table, key, digest, hint in leaves])


def unpacked(data: bytes, widths: Sequence[int]) -> list[Leaf]:
    """Args: widths: how many columns each table of the form has. Raises: ValueError when that does not come out."""
    leaves, at = [], 0
    while at < len(data):
        if data[at] >= len(widths) or at + 49 + widths[data[at]] > len(data):
            raise ValueError("not the leaves of such a block")
        end = at + 49 + widths[data[at]]
        leaves.append(Leaf(data[at], data[at + 1 : at + 17], data[at + 17 : at + 49], data[at + 49 : end]))
        at = end
    return leaves


# --- Forms: which tables and columns, and how a row is named ------------------------------------------------------

# By its own id; journals and their entries by the time they were posted; an account by its wallet's id; a hold event by
# its time. Small tables as a whole: all of it, or the accounts that are no wallets.
ID, POSTED, OF_JOURNAL, OF_WALLET, RECORDED, WHOLE, OF_HOUSE = (
    "id", "posted", "journal", "wallet", "recorded", "whole", "house",
)  # fmt: skip
IN_ORDER, SMALL = (ID, POSTED, OF_JOURNAL, OF_WALLET, RECORDED), (WHOLE, OF_HOUSE)
Table = Sequence[Any]  # name, shape, key column, columns


def form_digest(tables: Sequence[Table]) -> str:
    """The SHA-256 of a form, hexadecimal."""
    fields = [text for name, shape, key, columns in tables for text in (name, shape, key, str(len(columns)), *columns)]
    return sha256(encode(fields)).hexdigest()


def widths(tables: Sequence[Table]) -> list[int]:
    """How many columns each has."""
    return [len(columns) for *_, columns in tables]


def key_of(table: Table, data: bytes) -> bytes:
    """The 16 bytes by which a leaf names an encoded row of a table in order. Raises: ValueError, KeyError."""
    named = dict(zip(table[3], decode(data)[1:], strict=True))
    if table[1] in (ID, POSTED):
        return UUID(named[table[2]]).bytes
    names = ("id",) if table[1] == OF_WALLET else ("account_id", "seq")
    numbers = [int(named[name] or 0) for name in names]
    return b"".join([number.to_bytes(8, "big", signed=True) for number in [*numbers, 0][:2]])


def shown_key(table: Table, key: bytes) -> str:
    """What people call the row: its id, or ``account_id=7 seq=12``."""
    if table[1] in (ID, POSTED):
        return str(UUID(bytes=key))
    first, second = int.from_bytes(key[:8], "big", signed=True), int.from_bytes(key[8:], "big", signed=True)
    return str(first) if table[1] == OF_WALLET else f"account_id={first} seq={second}"


def version_key(table: Table, data: bytes) -> tuple[str, str]:
    """Of an encoded row of a small table: its table's name and its key, as text."""
    named = dict(zip(table[3], decode(data)[1:], strict=True))
    return table[0], str(named[table[2]])
