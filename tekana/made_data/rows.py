"""Rows as PostgreSQL's binary COPY takes them: about half the work of text, for both sides.

Each field is its length (four bytes, -1 for NULL) and its bytes; integers are big-endian, times are microseconds since
2000, days are days since 2000, jsonb is a 1 and the text.
"""

from datetime import UTC, date, datetime
from struct import Struct

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EMPTY = bytes(4)
EPOCH_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
EPOCH_DAY = date(2000, 1, 1).toordinal()

length = Struct(">i").pack
int2 = Struct(">ih").pack
int4 = Struct(">ii").pack
int8 = Struct(">iq").pack

# The columns of each table, in the order in which the rows below have them.
COLUMNS = {
    "customers_customer": (
        "id, full_name, email, phone_number, country_id, account_type, tier, state, password, created_at, updated_at"
    ),
    "ledger_account": (
        "id, code, name, currency, normal_side, posted, held, floor, seq, hold_seq, last_at, debits_frozen,"
        " credits_frozen, closed_at, created_at"
    ),
    "wallets_wallet": "id, customer_id, currency, account_id, created_at, closed_at",
    "wallets_freeze": "id, wallet_id, mode, reason, placed_by, placed_at, lifted_by, lift_reason",
    "transactions_transaction": (
        "id, receipt, kind, state, payer_id, payee_id, amount, fee, currency, memo, caller, reference, idempotency_key,"
        " fingerprint, answer, answer_status, refusal_code, reverses_id, reversed_amount, reason_code, rail,"
        " rail_reference, destination, due_at, attempts, created_at, completed_at"
    ),
    "transactions_event": (
        "id, transaction_id, type, from_state, to_state, actor, reason, facts, request_id, at"
    ),
    "transactions_usage": "wallet_id, day, amount, count",
    "transactions_railcall": (
        "id, transaction_id, number, purpose, started_at, finished_at, outcome, request, response"
    ),
    "transactions_railmessage": (
        "id, rail, message_id, transaction_id, payload, state, note, attempts, received_at, due_at, processed_at"
    ),
    "ledger_journal": "id, kind, reference, effective_at, recorded_at, reverses_id, reverses_all, metadata",
    "ledger_entry": "account_id, seq, journal_id, side, amount, currency, balance_after, recorded_at",
    "ledger_holdevent": (
        "account_id, seq, hold, kind, amount, held_after, remaining_after, expires_at, recorded_at"
    ),
    "notifications_notification": "id, customer_id, event, transaction, kind, title, body, created_at, read_at",
    "notifications_delivery": (
        "id, notification_id, channel, state, attempts, due_at, sent_at, error"
    ),
}  # fmt: skip


def row(*fields: bytes) -> bytes:
    """A row of fields that have their lengths already."""
    return len(fields).to_bytes(2, "big") + b"".join(fields)


def sized(value: bytes) -> bytes:
    return length(len(value)) + value


def text(value: str) -> bytes:
    return sized(value.encode())


def uuid(value: bytes) -> bytes:
    return b"\0\0\0\x10" + value


def instant(us: int | None) -> bytes:
    """Microseconds since 1970."""
    return NULL if us is None else int8(8, us - EPOCH_US)


def day(ordinal: int) -> bytes:
    """A day by its number in the calendar of ``date.toordinal``."""
    return int4(4, ordinal - EPOCH_DAY)


def whole(value: int) -> bytes:
    """A bigint."""
    return int8(8, value)


def small(value: int) -> bytes:
    return int2(2, value)


def boolean(value: bool) -> bytes:
    return b"\0\0\0\x01" + (b"\x01" if value else b"\0")


def jsonb(document: bytes) -> bytes:
    return length(len(document) + 1) + b"\x01" + document


def document(*parts: bytes) -> bytes:
    """What one COPY of these rows sends."""
    return b"".join((HEADER, *parts, TRAILER))


def uuid7(us: int, random62: int) -> bytes:
    """As `core.ids.uuid7`, of given randomness."""
    milliseconds, microsecond = divmod(us, 1000)
    return (milliseconds << 80 | 0x7000 << 64 | microsecond << 66 | 1 << 63 | random62).to_bytes(16, "big")


def shown(value: bytes) -> str:
    """A uuid as people read it."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
