"""G12: a hundred edits as the tables' owner with the triggers off, one at a time; each is found, and named."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.db import DatabaseError, connection
from django.db import transaction as db_transaction

from core.ids import uuid7
from core.roles import connected_as_owner
from evidence.checking import Fault
from evidence.coverage import ACTED_ON, MAY_CHANGE, current_tables
from evidence.hashing import IN_ORDER, OF_HOUSE, OF_JOURNAL, OF_WALLET, RECORDED, time_of_id
from evidence.models import Block
from evidence.verify import verify
from tests.evidence.conftest import World
from tests.forgery import MONEY

EDITS = 100
KEPT = "append-only|never change|it is history|keeps what it says|violates"  # what guards and constraints say
SEED = 12
# How a value of a type becomes another one.
OTHER = {
    "bigint": "coalesce({c}, 0) + 1", "integer": "coalesce({c}, 0) + 1", "smallint": "-coalesce({c}, 1)",
    "character varying": "overlay(coalesce({c}, '') placing CASE right({c}, 1) WHEN 'X' THEN 'Y' ELSE 'X' END"
    " FROM greatest(length({c}), 1))",
    "text": "coalesce({c}, '') || 'x'", "jsonb": """'{{"forged": true}}'""", "boolean": "NOT {c}",
    "timestamp with time zone": "coalesce({c}, now()) + interval '1 second'", "date": "{c} + 1",
    "uuid": "gen_random_uuid()", "inet": "'6.6.6.6'", "ARRAY": "'{{forged}}'",
}  # fmt: skip


class Edit(NamedTuple):
    """One forgery, done: what it was, in which table, and the keys that must be named, one of them at least."""

    kind: str
    table: str
    column: str
    keys: set[str]


class Forger:
    """Draws edits by a seed; in the open database transaction, as the owner, triggers off."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.tables = [table for table in current_tables() if count(table) > 0]
        self.types = column_types()

    def edit(self) -> Edit:
        """Make one; what the database's own constraints refuse is drawn anew."""
        while True:
            table = self.chance.choice(self.tables)
            forge = self.chance.choice([self.update, self.update, self.delete, self.insert, self.swap])
            try:
                with db_transaction.atomic():
                    made = forge(table)
                    if made:
                        return made
            except DatabaseError:
                continue

    def row(self, table: list[Any]) -> dict[str, Any]:
        return self.chance.choice(all_rows(table))

    def update(self, table: list[Any]) -> Edit | None:
        row, column = self.row(table), self.chance.choice(table[3])
        value = OTHER[self.types[table[0], column]].format(c=f'"{column}"')
        changed = run(f'UPDATE {table[0]} SET "{column}" = {value} WHERE ctid = %s', row["ctid"])
        same = value_of(table, row, column) == row[column]
        return None if not changed or same else Edit("update", table[0], column, names(table, row))

    def delete(self, table: list[Any]) -> Edit:
        row = self.row(table)
        run(f"DELETE FROM {table[0]} WHERE ctid = %s", row["ctid"])
        return Edit("delete", table[0], "", names(table, row))

    def insert(self, table: list[Any]) -> Edit | None:
        """A copy of a row, back-dated: under a key of its own in a time that is sealed."""
        if table[1] not in IN_ORDER and table[0] not in ACTED_ON:
            return None  # a new row of a small table is sealed as new, by the next pass
        row = self.row(table)
        columns = [column for table_, column in self.types if table_ == table[0]]
        new = {column: fresh(row[column]) for column in key_columns(table) - {"account_id"}}
        for column in columns:
            unique = (table[0], column) in {
                ("ledger_journal", "reference"), ("transactions_transaction", "receipt"), ("staff_user", "username"),
                ("transactions_transaction", "idempotency_key"), ("transactions_railmessage", "message_id"),
            }  # fmt: skip
            if unique:
                new[column] = f"{row[column][:5]}{self.chance.randrange(10**4):05}"
        shown = ", ".join("%s" if column in new else f'"{column}"' for column in columns)
        quoted = ", ".join(f'"{column}"' for column in columns)
        values = [new[column] for column in columns if column in new]
        run(f"INSERT INTO {table[0]} ({quoted}) SELECT {shown} FROM {table[0]} WHERE ctid = %s", *values, row["ctid"])
        return Edit("insert", table[0], "", names(table, row | new))

    def swap(self, table: list[Any]) -> Edit | None:
        """What two rows say, each under the other's key: as if they had come in another order."""
        rows = all_rows(table)
        if len(rows) < 2:
            return None
        one, other = self.chance.sample(rows, 2)
        said = [column for column in table[3] if column not in key_columns(table)]
        if all(one[column] == other[column] for column in said):
            return None
        text = ", ".join(f'"{column}" = o."{column}"' for column in said)
        run(
            f"UPDATE {table[0]} t SET {text} FROM {table[0]} o"
            " WHERE (t.ctid, o.ctid) IN ((%s::tid, %s::tid), (%s::tid, %s::tid))",
            one["ctid"], other["ctid"], other["ctid"], one["ctid"],
        )  # fmt: skip
        return Edit("swap", table[0], "", names(table, one) | names(table, other))


def run(query: str, *params: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return cursor.rowcount


def count(table: list[Any]) -> int:
    return len(all_rows(table))


def all_rows(table: list[Any]) -> list[dict[str, Any]]:
    houses = " WHERE NOT starts_with(code, 'liability:wallet:')" if table[1] == OF_HOUSE else ""
    houses = " WHERE starts_with(code, 'liability:wallet:')" if table[1] == OF_WALLET else houses
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ctid::text AS ctid, t.* FROM {table[0]} t{houses} ORDER BY 2, 3")
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row)) for row in cursor.fetchall()]


def value_of(table: list[Any], row: dict[str, Any], column: str) -> Any:
    """As it is after the edit; None when that changed the key."""
    keys = key_columns(table)
    found = [now for now in all_rows(table) if all(now[key] == row[key] for key in keys)]
    return found[0][column] if found else None


def key_columns(table: list[Any]) -> set[str]:
    return {"account_id", "seq"} if table[1] in (OF_JOURNAL, RECORDED) else {table[2]}


def column_types() -> dict[tuple[str, str], str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, ordinal_position"
        )
        return {(table, column): kind for table, column, kind in cursor.fetchall()}


def names(table: list[Any], row: dict[str, Any]) -> set[str]:
    """What the row is called."""
    if table[1] in (OF_JOURNAL, RECORDED):
        return {f"account_id={row['account_id']} seq={row['seq']}"}
    return {str(row[table[2]])}


def fresh(old: Any) -> Any:
    """A key that nobody has; an id of the same microsecond."""
    if isinstance(old, UUID):
        return uuid7(time_of_id(old.bytes))
    return "QQ" if isinstance(old, str) else old + 1_000_000


@contextmanager
def as_owner_without_triggers() -> Iterator[None]:
    """Rolled back in the end."""
    with connected_as_owner(), db_transaction.atomic():
        for name in sorted({table[0] for table in current_tables()} | {"evidence_block", "evidence_publication"}):
            run(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        yield
        db_transaction.set_rollback(True)


def found_after(query: str, *params: Any) -> list[Fault]:
    with as_owner_without_triggers():
        assert run(query, *params) > 0, "nothing was changed"
        return verify().faults


def test_untouched_it_verifies(standing_world: World) -> None:
    result = verify()

    assert result.faults == []
    assert result.rows > 80
    assert {table[0] for table in current_tables() if count(table)} == sealed_tables()
    assert sealed_tables() >= {*ACTED_ON, *MONEY, "wallets_freeze", "transactions_railcall", "core_auditrecord"}


def sealed_tables() -> set[str]:
    return {table for counts in Block.objects.values_list("counts", flat=True) for table in counts}


def test_what_is_sealed_for_good_is_what_the_guards_keep_for_good(standing_world: World) -> None:
    """Otherwise an honest change would look like a forgery: no sealed column of these can be changed, by the owner."""
    types = column_types()
    for table in current_tables():
        if table[0] in MAY_CHANGE:
            continue
        for row in all_rows(table)[:1]:
            for column in table[3]:
                value = OTHER[types[table[0], column]].format(c=f'"{column}"').replace("+ 1", "+ 1000003")
                with connected_as_owner(), pytest.raises(DatabaseError, match=KEPT):
                    run(f'UPDATE {table[0]} SET "{column}" = {value} WHERE ctid = %s', row["ctid"])


@pytest.mark.parametrize("number", range(EDITS))
def test_a_hundred_edits_are_all_found_and_named(standing_world: World, number: int) -> None:
    with as_owner_without_triggers():
        edit = Forger(SEED * 1_000 + number).edit()

        faults = verify().faults

    named = [fault for fault in faults if fault.table == edit.table and fault.key in edit.keys]
    assert named, (edit, faults)
    if edit.kind == "update" and any("changed" in fault.wrong for fault in named):
        assert any(edit.column in fault.wrong for fault in named), (edit, named)


def test_a_posting_under_the_name_of_an_old_transaction_is_named(standing_world: World) -> None:
    """A journal has the id of its transaction; this one's is still open, and no event says that it was posted."""
    cash_out = standing_world.scene.cash_out
    with as_owner_without_triggers():
        run(
            "INSERT INTO ledger_journal (id, kind, reference, effective_at, recorded_at, reverses_all, metadata)"
            " SELECT %s, kind, 'forged', effective_at, now(), false, '{}' FROM ledger_journal LIMIT 1",
            cash_out,
        )
        run(
            "INSERT INTO ledger_entry (account_id, seq, journal_id, side, amount, currency, balance_after, recorded_at)"
            " SELECT account_id, 999, %s, side, 5, currency, 5, now() FROM ledger_entry LIMIT 1",
            cash_out,
        )

        faults = verify().faults

    assert {fault.table for fault in faults} == {"ledger_journal", "ledger_entry"}
    assert {fault.wrong for fault in faults} == {"added: no event says that it was posted then"}
