"""What is sealed, and how its rows are read: in one order over all tables, by the id of what they belong to.

Every model that is append-only is sealed, with all its columns, and needs no line here. Of rows that live a little
before they are history (KEPT) it is the columns that never change; what happens to them later is an event or an audit
record, and so is sealed too. Personal data of customers is not: it must be possible to erase it.
"""

import heapq
from collections.abc import Generator, Iterator, Mapping
from datetime import timedelta
from typing import Any

import psycopg
from django.apps import apps
from django.db import connection, models
from psycopg import sql

from core.models import AppendOnly
from evidence.checking import Row
from evidence.hashing import (
    ID,
    IN_ORDER,
    OF_HOUSE,
    OF_JOURNAL,
    OF_WALLET,
    POSTED,
    RECORDED,
    SMALL,
    WHOLE,
    first_id,
    form_digest,
    instant,
)
from evidence.models import Block, Check, Form, Publication

# The chain does not seal itself: it is sealed by what is sent out.
THE_CHAIN = (Form, Block, Publication, Check)
# Figures that are added up from sealed rows, and can be again.
MADE_FROM_OTHERS = {"reports.SummedDay", "reports.DayTotal"}
KEPT = {
    "transactions.Transaction": (
        "id", "receipt", "kind", "payer_id", "payee_id", "amount", "fee", "payee_fee", "currency", "memo", "caller",
        "reference", "idempotency_key", "fingerprint", "answer", "answer_status", "reverses_id", "reason_code", "rail",
        "destination", "created_at", "hold_id", "capture_at", "received", "received_currency", "order_reference",
    ),
    "transactions.RailCall": ("id", "transaction_id", "number", "purpose", "started_at", "request"),
    "transactions.RailMessage": ("id", "rail", "message_id", "payload", "received_at"),
    "wallets.Wallet": ("id", "customer_id", "currency", "account_id", "created_at"),
    "payments.PaymentRequest": (
        "id", "code", "customer_id", "wallet_id", "currency", "amount", "least", "most", "description",
        "order_reference", "max_uses", "max_uses_per_payer", "needs_confirmation", "expires_at", "created_at",
    ),
    "recalls.Recall": (
        "id", "transaction_id", "sender_id", "recipient_id", "wallet_id", "currency", "claimed", "held", "reason_id",
        "note", "opened_by", "opened_at", "deadline_at",
    ),
    "schedules.StandingOrder": (
        "id", "customer_id", "wallet_id", "payee_id", "named_by", "currency", "frequency", "every", "month_day",
        "start_on", "rule", "retries", "retry_hours", "idempotency_key", "fingerprint", "created_at",
    ),
    "schedules.OrderRun": ("id", "order_id", "version_id", "planned_on", "due_on", "created_at"),
    "payouts.Batch": (
        "id", "customer_id", "wallet_id", "currency", "mode", "execute_on", "again", "fingerprint", "lines", "total",
        "fees", "leaves", "made_by_id", "created_at", "expires_at",
    ),
    "payouts.Approver": ("id", "business_id", "approver_id", "invited_at"),
    "wallets.Freeze": ("id", "wallet_id", "mode", "cause", "reason", "placed_by", "placed_at", "expires_at"),
    "customers.Suspension": ("id", "customer_id", "cause", "reason", "placed_by", "placed_role", "placed_at"),
    "customers.StaffLink": ("id", "staff_id", "customer_id", "relation", "note", "declared_by_id", "declared_at"),
    "staff.Approval": (
        "id", "operation", "title", "subject_type", "subject_id", "params", "preview", "digest", "maker_id", "reason",
        "created_at", "expires_at",
    ),
}  # fmt: skip
# Small tables whose rows may change: each version of a row is sealed, with what it says.
CHANGING = {
    "transactions.ReversalReason": ("code", "title", "refunds_fee", "fee_by_share", "is_active"),
    "recalls.RecallReason": ("code", "title", "answer_days", "reversal_reason_id", "is_active"),
    "customers.Country": ("code", "name", "currency", "timezone", "is_open"),
    "staff.User": ("id", "username", "role", "is_active"),
}
# Configuration: a new row, and a change where rows may change, is somebody's act, of which there is an audit record
# with the row for its subject. By table: the subject's type.
ACTED_ON = {
    "transactions_feerule": "transactions.feerule", "transactions_feewaiver": "transactions.feewaiver",
    "customers_tierlimit": "customers.tierlimit",
    "transactions_reversalreason": "transactions.reversalreason", "recalls_recallreason": "recalls.recallreason",
    "customers_country": "customers.country", "staff_user": "staff.user", "fx_ratesource": "fx.ratesource",
    "fx_margin": "fx.margin", "fx_exposurecap": "fx.exposurecap", "schedules_holiday": "schedules.holiday",
}  # fmt: skip
MAY_CHANGE = {"transactions_reversalreason", "recalls_recallreason", "customers_country", "staff_user"}
ACCOUNT = ("id", "code", "currency", "normal_side", "floor", "created_at")

# How rows are found. A place is 16 bytes, the uuid by whose time a row is dated; all rows of a transaction share one.
QUERIES = {
    ID: "SELECT uuid_send(r.{key}), uuid_send(r.{key}), {row} FROM {table} r"
    " WHERE r.{key} >= %(first)s AND r.{key} < %(end)s ORDER BY r.{key}",
    POSTED: "SELECT uuid_send(r.id), uuid_send(r.id), {row} FROM {table} r"
    " WHERE r.id >= %(first)s AND r.id < %(end)s AND substr(uuid_send(r.id), 1, 8) = substr({place}, 1, 8)"
    " ORDER BY r.id",
    OF_JOURNAL: "SELECT uuid_send(r.journal_id), int8send(r.account_id) || int8send(r.seq), {row} FROM {table} r"
    " WHERE r.journal_id >= %(first)s AND r.journal_id < %(end)s"
    " AND substr(uuid_send(r.journal_id), 1, 8) = substr({place}, 1, 8)"
    " ORDER BY r.journal_id, r.account_id, r.seq",
    OF_WALLET: "SELECT uuid_send(w.id), int8send(r.id) || int8send(0), {row}"
    " FROM wallets_wallet w JOIN {table} r ON r.id = w.account_id"
    " WHERE w.id >= %(first)s AND w.id < %(end)s ORDER BY w.id, r.id",
    RECORDED: "SELECT {place}, int8send(r.account_id) || int8send(r.seq), {row} FROM {table} r"
    " WHERE r.recorded_at > %(after)s AND r.recorded_at <= %(until)s ORDER BY r.recorded_at, r.account_id, r.seq",
    WHOLE: "SELECT {row} FROM {table} r ORDER BY r.{key}",
    OF_HOUSE: "SELECT {row} FROM {table} r WHERE NOT starts_with(r.code, 'liability:wallet:') ORDER BY r.{key}",
}
# A journal has the id of its transaction, which may have been born long before it was posted: then it is dated by the
# event that says so. Each completes once.
LATER = {
    POSTED: "SELECT uuid_send(e.id), uuid_send(r.id), {row} FROM transactions_event e"
    " JOIN {table} r ON r.id = e.transaction_id"
    " WHERE e.id >= %(first)s AND e.id < %(end)s AND e.from_state <> '' AND e.to_state = 'completed'"
    " AND substr(uuid_send(r.id), 1, 8) <> substr({place}, 1, 8) ORDER BY e.id",
    OF_JOURNAL: "SELECT uuid_send(e.id), int8send(r.account_id) || int8send(r.seq), {row} FROM transactions_event e"
    " JOIN {table} r ON r.journal_id = e.transaction_id"
    " WHERE e.id >= %(first)s AND e.id < %(end)s AND e.from_state <> '' AND e.to_state = 'completed'"
    " AND substr(uuid_send(r.journal_id), 1, 8) <> substr({place}, 1, 8) ORDER BY e.id, r.account_id, r.seq",
}
# What is dated by neither, and so is in no block.
STRAY = (
    "SELECT {row} FROM {table} r WHERE substr(uuid_send(r.{key}), 1, 8) <> substr({place}, 1, 8)"
    " AND NOT EXISTS (SELECT FROM transactions_event e WHERE e.transaction_id = r.{key} AND e.from_state <> ''"
    " AND e.to_state = 'completed') LIMIT 1000"
)
# Hold events have no index by time. Of a short while it is cheaper to ask the accounts on which something happened;
# this believes the accounts, so only the sealer may ask like that.
RECENT = (
    "SELECT {place}, int8send(r.account_id) || int8send(r.seq), {row} FROM ledger_account a CROSS JOIN LATERAL ("
    "SELECT * FROM {table} h WHERE h.account_id = a.id AND h.seq > ledger_hold_event_at(a.id, %(after)s)"
    " AND h.seq <= ledger_hold_event_at(a.id, %(until)s) OFFSET 0) r"
    " WHERE a.last_at > %(after)s AND a.hold_seq > 0 ORDER BY r.recorded_at, r.account_id, r.seq"
)
SHORT = timedelta(hours=1)
# Numbers are given out before the commit: a row may come after others with greater ones.
NEWER, OVERLAP = "SELECT {row} FROM {table} r WHERE r.{key} > %s ORDER BY r.{key}", 10_000
# The uuid7 of a microsecond (`hashing.first_id`), from a time.
PLACE = """decode(lpad(to_hex((extract(epoch FROM r.recorded_at) * 1000000)::bigint / 1000), 12, '0') || '7'
    || lpad(to_hex(mod((extract(epoch FROM r.recorded_at) * 1000000)::bigint, 1000) * 4), 3, '0')
    || '0000000000000000', 'hex')"""
# So that texts are the same in every session; and rows come along an index, as few as are taken, instead of being
# sorted from here to the end first, which a plan that is made for any range would do.
SESSION = """
SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; SET LOCAL work_mem = '32MB';
SET LOCAL enable_sort = off; SET LOCAL statement_timeout = 0
"""
AT_A_TIME = 2_000


def current_tables() -> list[list[Any]]:
    """What is to be sealed, as a form says it: name, shape, key column, columns of each table."""
    tables: list[list[Any]] = [
        ["ledger_account", OF_WALLET, "id", list(ACCOUNT)],
        ["ledger_account", OF_HOUSE, "id", list(ACCOUNT)],
    ]
    for model in apps.get_models():
        meta = model._meta
        label, columns = meta.label, [field.column for field in meta.concrete_fields if field.column]
        if not meta.managed or issubclass(model, THE_CHAIN) or label in MADE_FROM_OTHERS:
            continue
        if label == "ledger.Entry":
            tables.append([meta.db_table, OF_JOURNAL, "journal_id", columns])
        elif label == "ledger.Journal":
            tables.append([meta.db_table, POSTED, "id", columns])
        elif label == "ledger.HoldEvent":
            tables.append([meta.db_table, RECORDED, "recorded_at", columns])
        elif label in KEPT:
            tables.append([meta.db_table, ID, "id", list(KEPT[label])])
        elif label in CHANGING:
            tables.append([meta.db_table, WHOLE, CHANGING[label][0], list(CHANGING[label])])
        elif issubclass(model, AppendOnly):
            by_id = isinstance(meta.pk, models.UUIDField)
            tables.append([meta.db_table, ID if by_id else WHOLE, meta.pk.column, columns])
    return sorted(tables, key=lambda table: (table[1] in SMALL, table[0]))


def current_form() -> Form:
    """As `current_tables` says; kept when it is new."""
    tables = current_tables()
    return Form.objects.get_or_create(pk=form_digest(tables), defaults={"tables": tables})[0]


def prepare_session() -> None:
    """In the open database transaction; every text that is hashed is read after this."""
    with connection.cursor() as cursor:
        cursor.execute(SESSION)


def rows_between(form: Form, after: int, until: int, *, trusting: bool = False) -> Generator[Row]:
    """All rows of the form's ordered tables that are dated in ``(after, until]``, microseconds, in order.

    A cursor for each table and nothing that grows in memory. ``trusting`` may believe `ledger_account` where to look.
    """
    streams = []
    for number, table in enumerate(form.tables):
        if table[1] in IN_ORDER:
            recent = trusting and table[1] == RECORDED and instant(until) - instant(max(after, 0)) < SHORT
            streams.append(_read(number, table, RECENT if recent else QUERIES[table[1]], after, until))
        if table[1] in LATER:
            streams.append(_read(number, table, LATER[table[1]], after, until))
    yield from heapq.merge(*streams)


def stray_rows(form: Form) -> Iterator[tuple[int, bytes]]:
    """Posted rows that no block could have: position of the table and encoded row. Reads journals and entries whole."""
    raw: psycopg.Connection[Any] = connection.connection
    for number, table in enumerate(form.tables):
        if table[1] in LATER:
            with psycopg.Cursor(raw) as cursor:
                for (data,) in cursor.execute(_composed(STRAY, table), binary=True):
                    yield number, data


def _read(number: int, table: list[Any], query: str, after: int, until: int) -> Iterator[Row]:
    bounds = {
        "first": first_id(after + 1), "end": first_id(until + 1),
        "after": instant(max(after, 0)), "until": instant(max(until, 0)),
    }  # fmt: skip
    raw: psycopg.Connection[Any] = connection.connection
    with psycopg.ServerCursor(raw, f"evidence_{number}_{id(query)}") as cursor:
        cursor.itersize = AT_A_TIME
        cursor.execute(_composed(query, table), bounds, binary=True)
        for place, key, data in cursor:
            yield Row(place, number, key, data)


def small_rows(form: Form, last: Mapping[str, int] | None = None) -> Iterator[tuple[int, bytes]]:
    """Every row of the form's small tables as it is now: position of the table, encoded row.

    Args:
        last: greatest sealed key of tables with numbered rows that never change: of these, only the last ones are read.
    """
    raw: psycopg.Connection[Any] = connection.connection
    for number, table in enumerate(form.tables):
        if table[1] not in SMALL:
            continue
        newer = table[1] == WHOLE and last is not None and table[0] in last and table[0] not in MAY_CHANGE
        query, params = (NEWER, [(last or {})[table[0]] - OVERLAP]) if newer else (QUERIES[table[1]], None)
        with psycopg.Cursor(raw) as cursor:
            for (data,) in cursor.execute(_composed(query, table), params, binary=True):
                yield number, data


def _composed(query: str, table: list[Any]) -> sql.Composed:
    name, _, key, columns = table
    fields = sql.SQL(", ").join(sql.SQL("r.{}::text").format(sql.Identifier(column)) for column in columns)
    row = sql.SQL("record_send(ROW({}::text, {}))").format(sql.Literal(name), fields)
    return sql.SQL(query).format(table=sql.Identifier(name), key=sql.Identifier(key), row=row, place=sql.SQL(PLACE))
