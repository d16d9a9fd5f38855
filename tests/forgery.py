"""Raw SQL against the books: what somebody with a database session, and no scruples, could try.

A `Forgery` is one statement's worth of rows, correct until a test changes something in it.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql
from psycopg.rows import dict_row

from core.ids import new_receipt, uuid7
from tests.books import assert_books_balance, fund, key, transfer
from tests.conftest import empty_tables, open_rwf_wallet
from tests.factories import new_wallet
from transactions.models import Kind, State
from transactions.movements import Movement, Outcome, Settlement
from transactions.posting import post_one
from wallets.parties import Address
from wallets.services import close_wallet

APP, OWNER = "app role", "owner"
ROLES = [APP, OWNER]
DEBIT, CREDIT = 1, -1
MONEY = (
    "ledger_account", "ledger_journal", "ledger_entry", "ledger_holdevent", "transactions_transaction",
    "transactions_event",
)  # fmt: skip
INTO = "INSERT INTO {table} SELECT * FROM json_populate_recordset(NULL::{table}, %s::json)"
ACCOUNTS = """
UPDATE ledger_account a
SET posted = n.posted, held = n.held, seq = n.seq, hold_seq = n.hold_seq, last_at = n.last_at
FROM json_populate_recordset(NULL::ledger_account, %s::json) n WHERE a.id = n.id
"""


@contextmanager
def session(role: str) -> Iterator["psycopg.Connection[dict[str, Any]]"]:
    """A connection of its own as that role, rolled back at the end."""
    who = settings.DATABASE_OWNER if role == OWNER else connection.settings_dict
    where = connection.settings_dict
    raw = psycopg.connect(
        host=where["HOST"], port=where["PORT"], dbname=where["NAME"], user=who["USER"], password=who["PASSWORD"],
        row_factory=dict_row, options="-c lock_timeout=20s",
    )  # fmt: skip
    try:
        yield raw
    finally:
        raw.rollback()
        raw.close()


@contextmanager
def guards_off(raw: "psycopg.Connection[Any]", *tables: str) -> Iterator[None]:
    """The owner with the triggers of these tables off (all that money is in, unless told), CHECKs still on."""
    tables = tables or MONEY
    for table in tables:
        raw.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(sql.Identifier(table)))
    yield
    raw.execute("SET CONSTRAINTS ALL IMMEDIATE")  # a table with checks waiting for the end cannot be altered
    for table in tables:
        raw.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(sql.Identifier(table)))


def refusal(role: str, query: str, params: Any = None, *, before: str = "") -> str:
    """The SQLSTATE that refuses a statement, empty when it goes through. Nothing is kept."""
    with session(role) as raw:
        if before:
            raw.execute(before)
        try:
            raw.execute(query, params)
            raw.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.Error as error:
            return error.sqlstate or "?"
        return ""


def rows(query: str, *params: Any) -> list[dict[str, Any]]:
    with session(OWNER) as raw:
        return raw.execute(query, params).fetchall()


def row(table: str, key: Any) -> dict[str, Any]:
    with session(OWNER) as raw:
        found = raw.execute(sql.SQL("SELECT * FROM {} WHERE id = %s").format(sql.Identifier(table)), [key]).fetchone()
    assert found is not None
    return found


@dataclass
class Forgery:
    """Rows for one statement. `lines`, `hold`, `birth` and `move` add correct ones; tests reach in and spoil them."""

    journals: list[dict[str, Any]] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    hold_events: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    accounts: dict[int, dict[str, Any]] = field(default_factory=dict)
    at: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(seconds=1))

    def account(self, account_id: int) -> dict[str, Any]:
        """The account's row, to be written as changed."""
        if account_id not in self.accounts:
            found = row("ledger_account", account_id)
            self.accounts[account_id] = found | {"last_at": max(self.at, found["last_at"] or self.at)}
        return self.accounts[account_id]

    def lines(self, *lines: tuple[int, int, int], journal: UUID | None = None, **fields: Any) -> "Forgery":
        """A journal with its entries: (account id, side, amount) each."""
        at = self.at = self.at + timedelta(milliseconds=1)
        journal_id = journal or uuid7(int(at.timestamp() * 1_000_000))
        if journal is None:
            self.journals.append(
                {
                    "id": journal_id, "kind": "transfer", "reference": f"forged:{journal_id}", "effective_at": at,
                    "recorded_at": at, "reverses_id": None, "reverses_all": False, "metadata": {},
                } | fields
            )  # fmt: skip
        for account_id, side, amount in lines:
            account = self.account(account_id)
            account["posted"] += side * account["normal_side"] * amount
            account["seq"] += 1
            self.entries.append(
                {
                    "account_id": account_id, "seq": account["seq"], "journal_id": journal_id, "side": side,
                    "amount": amount, "currency": account["currency"], "balance_after": account["posted"],
                    "recorded_at": at,
                }
            )  # fmt: skip
        return self

    def hold(self, account_id: int, hold: UUID, kind: str, amount: int, remaining: int) -> "Forgery":
        account = self.account(account_id)
        self.at += timedelta(milliseconds=1)
        account["held"] += amount if kind == "placed" else -amount
        account["hold_seq"] += 1
        self.hold_events.append(
            {
                "account_id": account_id, "seq": account["hold_seq"], "hold": hold, "kind": kind, "amount": amount,
                "held_after": account["held"], "remaining_after": remaining, "expires_at": None, "recorded_at": self.at,
            }
        )  # fmt: skip
        return self

    def birth(self, state: str, **fields: Any) -> "Forgery":
        """A transaction with its event; one that is completed has a journal only when `lines` made it."""
        txn_id = self.journals[-1]["id"] if self.journals else uuid7()
        self.transactions.append(
            {
                "id": txn_id, "receipt": new_receipt(txn_id.int >> 80, txn_id.int), "kind": "transfer",
                "state": state, "amount": 100, "fee": 0,
                "currency": "RWF", "memo": "", "caller": "forger", "reference": None, "idempotency_key": str(txn_id),
                "fingerprint": "f", "answer": None, "answer_status": None, "refusal_code": "", "reversed_amount": 0,
                "reason_code": "", "rail": "", "rail_reference": "", "destination": None, "due_at": None, "attempts": 0,
                "quarantined_at": None, "created_at": self.at, "completed_at": None, "payer_id": None, "payee_id": None,
                "reverses_id": None, "payee_fee": 0,
            } | fields
        )  # fmt: skip
        return self.event(txn_id, "", state)

    def event(self, txn_id: UUID, before: str, after: str) -> "Forgery":
        self.at += timedelta(milliseconds=1)
        self.events.append(
            {
                "id": uuid7(int(self.at.timestamp() * 1_000_000)), "transaction_id": txn_id,
                "type": f"transaction.{after}", "from_state": before, "to_state": after, "actor": "forger",
                "reason": "", "facts": {}, "request_id": "", "at": self.at,
            }
        )  # fmt: skip
        return self

    def statement(self, last: str = "", **last_params: Any) -> tuple[str, list[str]]:
        """All of it as one statement; ``last`` replaces the update of the accounts."""
        tables = {
            "ledger_journal": self.journals, "ledger_entry": self.entries, "ledger_holdevent": self.hold_events,
            "transactions_transaction": self.transactions, "transactions_event": self.events,
        }  # fmt: skip
        parts = [(table, new) for table, new in tables.items() if new]
        ctes = [f"new_{table} AS ({INTO.format(table=table)})" for table, _ in parts]
        params = [as_json(new) for _, new in parts]
        if not last:
            last = ACCOUNTS if self.accounts else "SELECT 1"
            params += [as_json(list(self.accounts.values()))] if self.accounts else []
        return (f"WITH {', '.join(ctes)} {last}" if ctes else last), params

    def refused(self, role: str, last: str = "") -> str:
        return refusal(role, *self.statement(last))

    def copy(self) -> "Forgery":
        return copy.deepcopy(self)


def as_json(value: Any) -> str:
    return json.dumps(value, default=str)


@dataclass(frozen=True)
class Scene:
    """Committed books with something of everything. Accounts by id, transactions by id; amounts in RWF.

    Aline holds 6,900 of which 1,500 are on hold, Eric 3,100. Of the first transfer (3,000) nothing was reversed, of the
    second (500) 400; the third (400) is wholly reversed.
    """

    aline: int
    eric: int
    house: int
    shillings: int
    closed: int
    transfer: UUID
    reversed_in_part: UUID
    reversed: UUID
    cash_out: UUID
    paid_out: UUID
    refused: UUID


@contextmanager
def committed_scene(django_db_blocker: Any) -> Iterator[Scene]:
    """One for a whole file of tests that roll back what they do."""
    with django_db_blocker.unblock():
        try:
            yield set_scene()
            assert_books_balance()
        finally:
            empty_tables()


def set_scene() -> Scene:
    """Make it, with the services."""
    aline = open_rwf_wallet("Aline Mukamana", "+250788000001")
    eric = open_rwf_wallet("Eric Habimana", "+250788000002")

    def sent(amount: int) -> UUID:
        return post_one(transfer(aline, eric, amount, answer=told)).or_raise().transaction  # type: ignore[return-value]

    def given_back(original: UUID, amount: int) -> None:
        post_one(
            Movement(
                kind=Kind.REVERSAL, amount=amount, currency="RWF", caller="staff:1", key=key(), reverses=original,
                reason_code="duplicate",
            )
        ).or_raise()  # fmt: skip

    def cash_out(amount: int) -> UUID:
        return post_one(  # type: ignore[return-value]
            Movement(
                kind=Kind.CASH_OUT, amount=amount, currency="RWF", caller="job:test", key=key(),
                payer=Address("wallet", str(aline.pk)), rail="sandbox", answer=told,
            )
        ).or_raise().transaction  # fmt: skip

    fund(aline, 12_500)
    shillings = new_wallet(currency="KES")
    fund(shillings, 5_000)
    spare = new_wallet(currency="RWF")
    close_wallet(spare, actor=None)
    first, second, third = sent(3_000), sent(500), sent(400)
    given_back(second, 400)
    given_back(third, 400)
    paid_out = cash_out(2_000)
    post_one(Settlement(transaction=paid_out, to=State.COMPLETED, actor="job:test")).or_raise()
    return Scene(
        aline=aline.account_id, eric=eric.account_id, shillings=shillings.account_id, closed=spare.account_id,
        house=rows("SELECT id FROM ledger_account WHERE code = 'asset:rail:sandbox:RWF'")[0]["id"],
        transfer=first, reversed_in_part=second, reversed=third, cash_out=cash_out(1_000), paid_out=paid_out,
        refused=post_one(transfer(aline, eric, 1_000_000, answer=told)).transaction,
    )  # fmt: skip


def told(outcome: Outcome) -> tuple[int, str]:
    """An answer as the API keeps it."""
    body = {"transaction_id": outcome.transaction, "receipt": outcome.receipt}
    return (422, as_json(body | {"code": outcome.error.code})) if outcome.error else (201, as_json(body))
