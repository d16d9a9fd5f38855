"""The guards in the database, attacked with raw SQL as the app role and as the owner: neither gets through.

Each statement attacked with is right but for what its test spoils (`tests/forgery.py`); the first test shows that.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest
from django.apps import apps
from django.conf import settings

from core.models import AppendOnly
from core.roles import APP_ROLE
from ledger.services import open_account
from tests.forgery import (
    APP,
    CREDIT,
    DEBIT,
    OWNER,
    ROLES,
    Forgery,
    Scene,
    as_json,
    committed_scene,
    guards_off,
    refusal,
    row,
    session,
)
from transactions.models import BORN, LEGAL, State

NO_RIGHT, CHECK, UNIQUE = "42501", "23514", "23505"
APPEND_ONLY, UNBALANCED, ENTRIES, ACCOUNT, HOLDS, OVER_REVERSED = "TK001", "TK002", "TK003", "TK004", "TK005", "TK006"
STATE, IMMUTABLE, NO_EVENT, NO_JOURNAL, NO_STEP = "TK010", "TK011", "TK012", "TK013", "TK014"


class Exchange(NamedTuple):
    """Ids of accounts: positions, and results at another rate."""

    francs: int
    shillings: int
    result: int
    other: int


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with committed_scene(django_db_blocker) as scene:
        yield scene


@pytest.mark.parametrize("role", ROLES)
def test_what_is_right_goes_through(scene, role):
    """The control of this file: unspoilt, the same statements are accepted."""
    assert paying(scene).refused(role) == ""
    assert giving_back(scene, scene.transfer, 100).refused(role) == ""
    assert Forgery().hold(scene.aline, uuid4(), "placed", 100, 100).refused(role) == ""
    assert Forgery().hold(scene.aline, scene.cash_out, "captured", 500, 1000).refused(role) == ""
    assert Forgery().birth("pending").refused(role) == ""
    assert paying(scene).birth("completed").refused(role) == ""
    assert moved(scene.cash_out, "pending", "processing").refused(role, moving("processing", scene.cash_out)) == ""


def paying(scene: Scene, amount: int = 100, **fields: object) -> Forgery:
    """Aline pays Eric, by hand."""
    return Forgery().lines((scene.aline, DEBIT, amount), (scene.eric, CREDIT, amount), **fields)


# --- history -------------------------------------------------------------------------------------------------------
KEYS = {m._meta.db_table: m._meta.pk.column for m in apps.get_models() if issubclass(m, AppendOnly)}
HISTORY = sorted(KEYS)


def test_every_table_of_history_is_known_here():
    assert {
        "core_auditrecord", "customers_tierlimit", "ledger_entry", "ledger_holdevent", "ledger_journal",
        "transactions_event", "transactions_feerule",
    } <= set(HISTORY)  # fmt: skip


@pytest.mark.parametrize("attack", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"])
@pytest.mark.parametrize("table", HISTORY)
def test_history_is_neither_changed_nor_removed(scene, table, attack):
    column = "account_id" if table in ("ledger_entry", "ledger_holdevent") else KEYS[table]
    query = attack.format(table, column, column)

    # What others refer to PostgreSQL does not truncate alone anyway.
    assert (refusal(APP, query), refusal(OWNER, query)) in [(NO_RIGHT, APPEND_ONLY), (NO_RIGHT, "0A000")]


@pytest.mark.parametrize("table", ["ledger_account", "transactions_transaction"])
def test_neither_accounts_nor_transactions_are_removed(scene, table):
    assert {refusal(role, f"DELETE FROM {table}") for role in ROLES} == {APPEND_ONLY}
    assert (refusal(APP, f"TRUNCATE {table}"), refusal(OWNER, f"TRUNCATE {table} CASCADE")) == (NO_RIGHT, APPEND_ONLY)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO ledger_entry SELECT * FROM ledger_entry LIMIT 1"
        " ON CONFLICT (account_id, seq) DO UPDATE SET amount = 1",
        "MERGE INTO ledger_entry e USING ledger_account a ON a.id = account_id WHEN MATCHED THEN UPDATE SET amount = 1",
        "MERGE INTO ledger_entry e USING ledger_account a ON a.id = account_id WHEN MATCHED THEN DELETE",
        "WITH gone AS (DELETE FROM transactions_event) SELECT 1",
        "TRUNCATE wallets_wallet, transactions_transaction CASCADE",
    ],
)
def test_history_is_not_changed_in_roundabout_ways_either(scene, query):
    assert (refusal(APP, query), refusal(OWNER, query)) == (NO_RIGHT, APPEND_ONLY)


# --- postings ------------------------------------------------------------------------------------------------------
def unbalanced(scene: Scene) -> Forgery:
    return Forgery().lines((scene.aline, DEBIT, 100), (scene.eric, CREDIT, 101))


def unbalanced_per_currency(scene: Scene) -> Forgery:
    return Forgery().lines((scene.aline, DEBIT, 100), (scene.shillings, CREDIT, 100))


def one_sided(scene: Scene) -> Forgery:
    return Forgery().lines((scene.eric, CREDIT, 100))


def without_entries(scene: Scene) -> Forgery:
    forgery = paying(scene)
    return Forgery(journals=forgery.journals)


def without_journal(scene: Scene) -> Forgery:
    return Forgery().lines((scene.aline, DEBIT, 100), (scene.eric, CREDIT, 100), journal=uuid4())


def into_a_posted_journal(scene: Scene) -> Forgery:
    return Forgery().lines((scene.aline, DEBIT, 100), (scene.eric, CREDIT, 100), journal=scene.transfer)


def in_another_currency(scene: Scene) -> Forgery:
    forgery = paying(scene)
    for entry in forgery.entries:
        entry["currency"] = "KES"
    return forgery


def with_a_gap(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.entries[0]["seq"] += 1
    forgery.accounts[scene.aline]["seq"] += 1
    return forgery


def with_a_number_taken(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.entries[0]["seq"] -= 1
    return forgery


def with_a_balance_too_high(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.entries[1]["balance_after"] += 1_000
    forgery.accounts[scene.eric]["posted"] += 1_000
    return forgery


def without_touching_accounts(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.accounts.clear()
    return forgery


def with_one_account_untouched(scene: Scene) -> Forgery:
    forgery = paying(scene)
    del forgery.accounts[scene.aline]
    return forgery


def with_another_account_balance(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.accounts[scene.aline]["posted"] += 100
    return forgery


def back_dated(scene: Scene) -> Forgery:
    forgery = paying(scene)
    for entry in forgery.entries:
        entry["recorded_at"] = "2020-01-01T00:00:00Z"
    return forgery


def of_nobody(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.entries[0] |= {"account_id": 10**12, "seq": 1, "balance_after": -100}
    del forgery.accounts[scene.aline]
    return forgery


def of_nothing(scene: Scene) -> Forgery:
    return paying(scene, 0)


def of_a_negative_amount(scene: Scene) -> Forgery:
    return paying(scene, -100)


def of_a_third_side(scene: Scene) -> Forgery:
    forgery = paying(scene)
    forgery.entries[0]["side"] = 2
    return forgery


def below_the_floor(scene: Scene) -> Forgery:
    return paying(scene, 1_000_000)


def out_of_what_is_held(scene: Scene) -> Forgery:
    return paying(scene, row("ledger_account", scene.aline)["posted"])


def onto_a_closed_account(scene: Scene) -> Forgery:
    return Forgery().lines((scene.aline, DEBIT, 100), (scene.closed, CREDIT, 100))


def through_a_closed_account(scene: Scene) -> Forgery:
    """In and out again, so that it stays at zero."""
    return (
        Forgery()
        .lines((scene.aline, DEBIT, 100), (scene.closed, CREDIT, 100))
        .lines((scene.closed, DEBIT, 100), (scene.eric, CREDIT, 100))
    )


def with_a_reference_taken(scene: Scene) -> Forgery:
    return paying(scene, reference=f"transfer:{scene.transfer}")


def beyond_a_bigint(scene: Scene) -> Forgery:
    return Forgery().lines((scene.house, DEBIT, 2**63 - 1), (scene.eric, CREDIT, 2**63 - 1))


POSTINGS: list[tuple[Callable[[Scene], Forgery], str]] = [
    (unbalanced, UNBALANCED),
    (unbalanced_per_currency, UNBALANCED),
    (one_sided, UNBALANCED),
    (without_entries, UNBALANCED),
    (without_journal, ENTRIES),
    (into_a_posted_journal, ENTRIES),
    (in_another_currency, ENTRIES),
    (with_a_gap, ENTRIES),
    (with_a_number_taken, UNIQUE),
    (with_a_balance_too_high, ENTRIES),
    (without_touching_accounts, ENTRIES),
    (with_one_account_untouched, ENTRIES),
    (with_another_account_balance, ACCOUNT),
    (back_dated, ENTRIES),
    (of_nobody, ENTRIES),
    (of_nothing, CHECK),
    (of_a_negative_amount, CHECK),
    (of_a_third_side, CHECK),
    (below_the_floor, CHECK),
    (out_of_what_is_held, CHECK),
    (onto_a_closed_account, CHECK),
    (through_a_closed_account, ACCOUNT),
    (with_a_reference_taken, UNIQUE),
    (beyond_a_bigint, "22003"),
]


@pytest.mark.parametrize(("spoilt", "sqlstate"), POSTINGS)
@pytest.mark.parametrize("role", ROLES)
def test_a_posting_that_is_not_right_is_refused(scene, role, spoilt, sqlstate):
    assert spoilt(scene).refused(role) == sqlstate


@pytest.mark.parametrize("role", ROLES)
def test_a_journal_and_its_entries_cannot_come_one_after_the_other(scene, role):
    whole = paying(scene)

    assert Forgery(journals=whole.journals).refused(role) == UNBALANCED
    assert Forgery(entries=whole.entries, accounts=whole.accounts).refused(role) == ENTRIES


@pytest.mark.parametrize("role", ROLES)
def test_copy_is_guarded_like_insert(scene, role):
    entry = paying(scene).entries[0] | {"journal_id": scene.transfer}

    def copy_in() -> None:
        with session(role) as raw, raw.cursor() as cursor:
            with cursor.copy(f"COPY ledger_entry ({', '.join(entry)}) FROM STDIN") as copy:
                copy.write_row(list(entry.values()))

    with pytest.raises(psycopg.Error) as refused:
        copy_in()
    assert refused.value.sqlstate == ENTRIES


@pytest.mark.parametrize("role", ROLES)
def test_temporary_tables_with_our_names_deceive_no_guard(scene, role):
    """A session's own tables come first where names are looked up, unless the guards say otherwise."""
    decoys = """
        CREATE TEMP TABLE ledger_entry AS TABLE public.ledger_entry;
        CREATE TEMP TABLE ledger_account AS TABLE public.ledger_account;
        CREATE TEMP TABLE ledger_journal AS TABLE public.ledger_journal;
        CREATE TEMP TABLE transactions_event AS TABLE public.transactions_event;
        UPDATE ledger_entry SET seq = seq + 1, balance_after = 999999;
        UPDATE transactions_event SET from_state = 'pending', to_state = 'cancelled';
        UPDATE ledger_journal SET id = '00000000-0000-0000-0000-000000000001';
    """
    richer = f"UPDATE public.ledger_account SET posted = 999999, seq = seq + 1 WHERE id = {scene.eric}"
    called_off = f"UPDATE public.transactions_transaction SET state = 'cancelled' WHERE id = '{scene.cash_out}'"
    into_it = Forgery().lines((scene.aline, DEBIT, 1), (scene.eric, CREDIT, 1), journal=UUID(int=1))
    statement, params = into_it.statement()
    statement = re.sub(r"(INTO|UPDATE) ledger", r"\1 public.ledger", statement)

    assert refusal(role, richer, before=decoys) == ACCOUNT
    assert refusal(role, called_off, before=decoys) == NO_EVENT
    assert refusal(role, statement, params, before=decoys) == ENTRIES


# --- accounts ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "sqlstate"),
    [
        ("posted = posted + 1", ACCOUNT),
        ("posted = 12500", ACCOUNT),  # what it was once
        ("held = 0", ACCOUNT),
        ("seq = seq + 1", ACCOUNT),
        ("posted = 12500, seq = 1", ACCOUNT),
        ("hold_seq = hold_seq - 1", ACCOUNT),
        ("last_at = last_at + interval '1 day'", ACCOUNT),
        ("last_at = NULL", ACCOUNT),
        ("floor = -1000000", ACCOUNT),
        ("floor = NULL", ACCOUNT),
        ("currency = 'KES'", ACCOUNT),
        ("code = code || 'x'", ACCOUNT),
        ("normal_side = 1", ACCOUNT),
        ("created_at = now()", ACCOUNT),
        ("id = id + 1000000", ACCOUNT),
        ("closed_at = now()", CHECK),  # it is not empty
    ],
)
@pytest.mark.parametrize("role", ROLES)
def test_an_account_says_what_its_entries_say_and_stays_what_it_is(scene, role, change, sqlstate):
    assert refusal(role, f"UPDATE ledger_account SET {change} WHERE id = {scene.aline}") == sqlstate


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("change", ["closed_at = NULL", "closed_at = now()"])
def test_a_closed_account_stays_closed(scene, role, change):
    assert refusal(role, f"UPDATE ledger_account SET {change} WHERE id = {scene.closed}") == ACCOUNT


@pytest.mark.parametrize("money", ["posted", "held", "seq", "hold_seq"])
@pytest.mark.parametrize("role", ROLES)
def test_no_account_is_born_with_money(scene, role, money):
    new = {
        "code": "liability:wallet:forged", "name": "", "currency": "RWF", "normal_side": -1, "floor": None, "posted": 0,
        "held": 0, "seq": 0, "hold_seq": 0, "last_at": None, "debits_frozen": False, "credits_frozen": False,
        "closed_at": None, "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    insert = (
        f"INSERT INTO ledger_account ({', '.join(new)}) SELECT {', '.join(new)}"
        " FROM json_populate_record(NULL::ledger_account, %s::json)"
    )

    assert refusal(role, insert, [as_json(new)]) == ""
    assert refusal(role, insert, [as_json(new | {money: 1})]) == ACCOUNT


# --- reversals -----------------------------------------------------------------------------------------------------
def giving_back(scene: Scene, original: UUID, amount: int, **fields: object) -> Forgery:
    return Forgery().lines((scene.aline, CREDIT, amount), (scene.eric, DEBIT, amount), reverses_id=original, **fields)


@pytest.mark.parametrize("role", ROLES)
def test_a_journal_is_reversed_as_a_whole_once(scene, role):
    assert giving_back(scene, scene.reversed, 1, reverses_all=True).refused(role) == UNIQUE


@pytest.mark.parametrize("role", ROLES)
def test_reversals_never_exceed_the_original(scene, role):
    assert giving_back(scene, scene.reversed_in_part, 100).refused(role) == ""
    assert giving_back(scene, scene.reversed_in_part, 101).refused(role) == OVER_REVERSED
    assert giving_back(scene, scene.reversed, 1).refused(role) == OVER_REVERSED
    shillings = Forgery().lines(
        (scene.shillings, DEBIT, 1), (rail_in_shillings(), CREDIT, 1), reverses_id=scene.transfer
    )
    assert shillings.refused(role) == OVER_REVERSED  # it moved none


@pytest.fixture(scope="module")
def exchange(scene, django_db_blocker) -> Exchange:
    """What exchanges of Aline's francs for shillings are posted to."""
    with django_db_blocker.unblock():
        francs, result = (open_account(f"{code}:RWF", "RWF", CREDIT) for code in ("equity:fx", "income:fx_result"))
        shillings, other = (open_account(f"{code}:KES", "KES", CREDIT) for code in ("equity:fx", "income:fx_result"))
    return Exchange(francs, shillings, result, other)


def undone(scene: Scene, ours: Exchange, back: int, taken: int, result: int, currency: str = "RWF") -> Forgery:
    """The exchange, posted and undone in one statement: ``back`` francs and what our ``result`` adds go to Aline,
    ``taken`` shillings come from the recipient."""
    forgery = Forgery().lines(
        (scene.aline, DEBIT, 100), (ours.francs, CREDIT, 100),
        (ours.shillings, DEBIT, 10), (scene.shillings, CREDIT, 10),
    )  # fmt: skip
    original = forgery.journals[0]["id"]
    mine = [(ours.result if currency == "RWF" else ours.other, DEBIT, result)] if result else []
    more = result if currency == "RWF" else 0
    return forgery.lines(
        (ours.francs, DEBIT, back), (scene.aline, CREDIT, back + more),
        (scene.shillings, DEBIT, taken), (ours.shillings, CREDIT, taken + (result - more)), *mine, reverses_id=original,
    )  # fmt: skip


@pytest.mark.parametrize("role", ROLES)
def test_reversals_of_an_exchange_exceed_it_in_neither_currency_but_by_our_result(scene, exchange, role):
    assert undone(scene, exchange, 100, 10, 0).refused(role) == ""
    assert undone(scene, exchange, 100, 10, 25).refused(role) == ""  # at another rate: ours is the difference
    assert undone(scene, exchange, 101, 10, 0).refused(role) == OVER_REVERSED
    assert undone(scene, exchange, 101, 10, 25).refused(role) == OVER_REVERSED
    assert undone(scene, exchange, 100, 11, 25).refused(role) == OVER_REVERSED  # the sums are of each currency
    assert undone(scene, exchange, 50, 11, 5, "KES").refused(role) == OVER_REVERSED


@pytest.mark.parametrize("role", ROLES)
def test_of_what_was_no_exchange_our_result_counts_like_the_rest(scene, exchange, role):
    """Otherwise whoever reverses a transfer could give away as much as they like."""
    for original, amount, refused in ((scene.reversed_in_part, 100, ""), (scene.reversed_in_part, 101, OVER_REVERSED)):
        forgery = Forgery().lines((scene.aline, CREDIT, amount), (exchange.result, DEBIT, amount), reverses_id=original)
        assert forgery.refused(role) == refused


def rail_in_shillings() -> int:
    with session(OWNER) as raw:
        found = raw.execute("SELECT id FROM ledger_account WHERE code = 'asset:rail:sandbox:KES'").fetchone()
    assert found
    return int(found["id"])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_old_snapshot_does_not_hide_a_rivals_reversal(scene, role, isolation):
    query, params = giving_back(scene, scene.transfer, 1).statement()
    assert refusal(role, query, params, before=f"SET TRANSACTION ISOLATION LEVEL {isolation}") == OVER_REVERSED


# --- holds ---------------------------------------------------------------------------------------------------------
def hold_with_a_gap(scene: Scene) -> Forgery:
    forgery = Forgery().hold(scene.aline, uuid4(), "placed", 100, 100)
    forgery.hold_events[0]["seq"] += 1
    forgery.accounts[scene.aline]["hold_seq"] += 1
    return forgery


def hold_with_another_total(scene: Scene) -> Forgery:
    forgery = Forgery().hold(scene.aline, uuid4(), "placed", 100, 100)
    forgery.hold_events[0]["held_after"] -= 50
    forgery.accounts[scene.aline]["held"] -= 50
    return forgery


def hold_without_account(scene: Scene) -> Forgery:
    forgery = Forgery().hold(scene.aline, uuid4(), "placed", 100, 100)
    forgery.accounts.clear()
    return forgery


def hold_back_dated(scene: Scene) -> Forgery:
    forgery = Forgery().hold(scene.aline, uuid4(), "placed", 100, 100)
    forgery.hold_events[0]["recorded_at"] = "2020-01-01T00:00:00Z"
    return forgery


def hold_below_the_floor(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, uuid4(), "placed", 1_000_000, 1_000_000)


def hold_of_nothing(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, uuid4(), "placed", 0, 0)


def hold_placed_twice(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, scene.cash_out, "placed", 100, 100)


def hold_of_another_remainder(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, uuid4(), "placed", 100, 50)


def released_before_placed(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, uuid4(), "captured", 100, 0)


def over_captured(scene: Scene) -> Forgery:
    """Two holds; more is captured of one than it has, which the account's total would allow."""
    return (
        Forgery()
        .hold(scene.aline, uuid4(), "placed", 2_000, 2_000)
        .hold(scene.aline, scene.cash_out, "captured", 2_000, 0)
    )


def over_captured_below_nothing(scene: Scene) -> Forgery:
    return (
        Forgery()
        .hold(scene.aline, uuid4(), "placed", 2_000, 2_000)
        .hold(scene.aline, scene.cash_out, "captured", 2_000, -500)
    )


def released_after_its_end(scene: Scene) -> Forgery:
    return (
        Forgery()
        .hold(scene.aline, scene.cash_out, "voided", 1_500, 0)
        .hold(scene.aline, uuid4(), "placed", 100, 100)
        .hold(scene.aline, scene.cash_out, "voided", 100, 0)
    )


def captured_elsewhere(scene: Scene) -> Forgery:
    """Eric's own hold is used up by capturing Aline's."""
    return (
        Forgery()
        .hold(scene.eric, uuid4(), "placed", 1_500, 1_500)
        .hold(scene.eric, scene.cash_out, "captured", 1_500, 0)
    )


def of_an_unknown_kind(scene: Scene) -> Forgery:
    return Forgery().hold(scene.aline, scene.cash_out, "stolen", 1_500, 0)


def on_a_closed_account(scene: Scene) -> Forgery:
    forgery = Forgery()
    hold = uuid4()
    return forgery.hold(scene.closed, hold, "placed", 1, 1).hold(scene.closed, hold, "voided", 1, 0)


HELD: list[tuple[Callable[[Scene], Forgery], str]] = [
    (hold_with_a_gap, HOLDS),
    (hold_with_another_total, HOLDS),
    (hold_without_account, HOLDS),
    (hold_back_dated, HOLDS),
    (hold_below_the_floor, CHECK),
    (hold_of_nothing, CHECK),
    (hold_placed_twice, UNIQUE),
    (hold_of_another_remainder, HOLDS),
    (released_before_placed, HOLDS),
    (over_captured, HOLDS),
    (over_captured_below_nothing, CHECK),
    (released_after_its_end, UNIQUE),
    (captured_elsewhere, HOLDS),
    (of_an_unknown_kind, CHECK),
    (on_a_closed_account, ACCOUNT),
]


@pytest.mark.parametrize(("spoilt", "sqlstate"), HELD)
@pytest.mark.parametrize("role", ROLES)
def test_a_hold_that_is_not_right_is_refused(scene, role, spoilt, sqlstate):
    assert spoilt(scene).refused(role) == sqlstate


@pytest.mark.parametrize("role", ROLES)
def test_a_hold_that_was_never_placed_is_not_released(scene, role):
    other = Forgery().hold(scene.aline, uuid4(), "voided", 100, 0)  # the account's total would allow it
    assert other.refused(role) == HOLDS


# --- transactions --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("state", State.values)
@pytest.mark.parametrize("role", ROLES)
def test_a_transaction_is_born_completed_failed_or_pending(scene, role, state):
    assert paying(scene).birth(state).refused(role) == ("" if state in BORN else STATE)


@pytest.mark.parametrize("role", ROLES)
def test_a_birth_that_is_not_right_is_refused(scene, role):
    alone = Forgery().birth("pending")
    alone.events.clear()
    twice = Forgery().birth("pending")
    twice.event(twice.transactions[0]["id"], "pending", "completed")
    of_another_state = Forgery().birth("failed")
    of_another_state.events[0]["to_state"] = "pending"
    not_counted = giving_back(scene, scene.transfer, 100).birth("completed", reverses_id=scene.transfer)

    assert alone.refused(role) == NO_EVENT
    assert twice.refused(role) == NO_STEP
    assert of_another_state.refused(role) == NO_STEP
    assert Forgery().birth("completed").refused(role) == NO_JOURNAL
    assert paying(scene).birth("completed", reversed_amount=1).refused(role) == STATE
    assert not_counted.refused(role) == STATE
    assert Forgery().birth("pending", amount=0).refused(role) == CHECK
    assert Forgery().birth("pending", fee=-1).refused(role) == CHECK
    taken = row("transactions_transaction", scene.transfer)
    assert Forgery().birth("pending", receipt=taken["receipt"]).refused(role) == UNIQUE
    same_key = {"caller": taken["caller"], "idempotency_key": taken["idempotency_key"]}
    assert Forgery().birth("pending", **same_key).refused(role) == UNIQUE


@pytest.mark.parametrize(
    "change",
    [
        "amount = amount + 1", "fee = fee + 1", "currency = 'KES'", "payer_id = payee_id", "payee_id = payer_id",
        "kind = 'payment'", "memo = 'x'", "caller = 'x'", "reference = 'x'", "idempotency_key = 'x'",
        "fingerprint = 'x'", "answer = 'x'", "answer_status = 599", "receipt = 'XXXXXXXXXX'", "reverses_id = id",
        "reason_code = 'x'", "rail = 'x'", "destination = '{}'", "created_at = now()", "id = gen_random_uuid()",
    ],
)  # fmt: skip
@pytest.mark.parametrize("role", ROLES)
def test_what_a_transaction_is_never_changes(scene, role, change):
    assert refusal(role, f"UPDATE transactions_transaction SET {change} WHERE id = '{scene.transfer}'") == IMMUTABLE


def moved(txn: UUID, before: str, after: str) -> Forgery:
    return Forgery().event(txn, before, after)


def moving(state: str, txn: UUID, also: str = "") -> str:
    return f"UPDATE transactions_transaction SET state = '{state}'{also} WHERE id = '{txn}'"


@pytest.mark.parametrize("role", ROLES)
def test_a_state_does_not_move_without_its_event_and_its_money(scene, role):
    assert refusal(role, moving("processing", scene.cash_out)) == NO_EVENT
    elsewhere = moved(scene.transfer, "pending", "processing")
    assert elsewhere.refused(role, moving("processing", scene.cash_out)) == NO_EVENT
    of_another_step = moved(scene.cash_out, "processing", "failed")
    assert of_another_step.refused(role, moving("failed", scene.cash_out)) == NO_EVENT
    without_money = moved(scene.cash_out, "pending", "completed")
    assert without_money.refused(role, moving("completed", scene.cash_out)) == NO_JOURNAL


@pytest.mark.parametrize("role", ROLES)
def test_what_was_reversed_is_what_its_reversals_say(scene, role):
    reversed_amount = "UPDATE transactions_transaction SET reversed_amount = {} WHERE id = '{}'"
    assert refusal(role, reversed_amount.format(1, scene.transfer)) == STATE
    assert refusal(role, reversed_amount.format(399, scene.reversed_in_part)) == STATE
    assert refusal(role, reversed_amount.format(401, scene.reversed_in_part)) == STATE
    assert refusal(role, reversed_amount.format(501, scene.reversed_in_part)) in (STATE, CHECK)
    assert refusal(role, reversed_amount.format(0, scene.reversed)) == STATE
    event = moved(scene.transfer, "completed", "partially_reversed")
    assert event.refused(role, moving("partially_reversed", scene.transfer)) == STATE
    assert event.refused(role, moving("partially_reversed", scene.transfer, ", reversed_amount = 1")) == STATE
    whole = moved(scene.transfer, "completed", "reversed")
    assert whole.refused(role, moving("reversed", scene.transfer, ", reversed_amount = 3000")) == STATE


def test_the_database_knows_the_same_legal_moves_as_the_state_machine(scene):
    """All 72 moves, each with the event, journal and reversals it would need: those of the machine pass, no other."""
    sqlstates = {}
    with session(OWNER) as raw:
        for before, after in itertools.permutations(State.values, 2):
            with raw.transaction(force_rollback=True):
                txn = ready_to_become(after, before, raw)
                also = f", reversed_amount = {REVERSED[after]}" if after in REVERSED else ""
                statement = moved(txn, before, after).statement(moving(after, txn, also))
                try:
                    with raw.transaction():
                        raw.execute(*statement)
                    sqlstates[before, after] = ""
                except psycopg.Error as error:
                    sqlstates[before, after] = error.sqlstate
    assert len(sqlstates) == 72
    assert {move for move, sqlstate in sqlstates.items() if not sqlstate} == LEGAL
    assert {sqlstate for move, sqlstate in sqlstates.items() if move not in LEGAL} == {STATE}


REVERSED = {"partially_reversed": 40, "reversed": 100}


def ready_to_become(after: str, before: str, raw: psycopg.Connection) -> UUID:
    """A transaction of 100 in one state with all that another one asks for, put there past the guards."""
    txn, part = Forgery(), Forgery()
    for forgery in (txn, part):
        forgery.lines()  # a journal
    txn.birth(before, reversed_amount=REVERSED.get(before, 0))
    back = REVERSED.get(after) or REVERSED.get(before, 1)
    part.birth("completed", reverses_id=txn.transactions[0]["id"], amount=back)
    with guards_off(raw):
        raw.execute(*txn.statement())
        if {before, after} & REVERSED.keys():
            raw.execute(*part.statement())
    return txn.transactions[0]["id"]


# --- roles ---------------------------------------------------------------------------------------------------------
def test_the_app_role_owns_nothing_and_may_only_read_and_write_rows(scene):
    may = """
        SELECT relname, relkind, (SELECT array_agg(asked ORDER BY asked) FROM unnest(%s::text[]) asked
                                  WHERE has_table_privilege(oid, asked)) AS rights
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
    """
    powers = ["rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls"]
    every_right = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]
    with session(APP) as raw:
        me = raw.execute("SELECT * FROM pg_roles WHERE rolname = current_user").fetchone() or {}
        owned = raw.execute("SELECT oid::regclass FROM pg_class WHERE relowner = current_user::regrole").fetchall()
        functions = raw.execute("SELECT oid::regproc FROM pg_proc WHERE proowner = current_user::regrole").fetchall()
        groups = raw.execute("SELECT * FROM pg_auth_members WHERE member = current_user::regrole").fetchall()
        creating = raw.execute(
            "SELECT has_schema_privilege('public', 'CREATE') AS tables,"
            " has_database_privilege(current_database(), 'CREATE') AS schemas"
        ).fetchone()
        tables = raw.execute(may, [every_right]).fetchall()

    assert [power for power in powers if me[power]] == []
    assert (owned, functions, groups) == ([], [], [])
    assert creating == {"tables": False, "schemas": False}
    assert len(tables) > 25
    for table in tables:
        if table["relkind"] == "v":  # through a view one writes with the rights of its owner
            wanted = ["SELECT"]
        else:
            wanted = ["INSERT", "SELECT"] if table["relname"] in HISTORY else ["DELETE", "INSERT", "SELECT", "UPDATE"]
        assert table["rights"] == wanted, table


def test_every_append_only_table_has_its_trigger(scene):
    with session(OWNER) as raw:
        guarded = raw.execute(
            "SELECT tgrelid::regclass::text AS name FROM pg_trigger"
            " WHERE tgname = 'append_only' AND tgenabled = 'O' AND tgtype = %s",
            [2 | 8 | 16 | 32],  # before, delete, update, truncate; for each statement
        ).fetchall()
    assert sorted(found["name"] for found in guarded) == HISTORY


def test_every_function_that_looks_at_tables_has_a_search_path_of_its_own(scene):
    """Or a session's temporary tables would answer for ours."""
    with session(OWNER) as raw:
        functions = raw.execute(
            "SELECT proname, coalesce(proconfig, '{}') && ARRAY['search_path=public, pg_temp'] AS its_own FROM pg_proc"
            " WHERE pronamespace = 'public'::regnamespace AND prosrc ~* '(from|join)\\s+(ledger|transactions)_'"
        ).fetchall()
    assert len(functions) >= 8
    assert [function["proname"] for function in functions if not function["its_own"]] == []


@pytest.mark.parametrize(
    "query",
    [
        "ALTER TABLE ledger_entry DISABLE TRIGGER append_only",
        "ALTER TABLE ledger_account DROP CONSTRAINT account_not_below_floor",
        "ALTER TABLE ledger_account ADD COLUMN x int",
        "DROP TRIGGER check_entries ON ledger_entry",
        "DROP TABLE ledger_entry",
        "DROP FUNCTION ledger_check_entries() CASCADE",
        "CREATE OR REPLACE FUNCTION tekana_refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TABLE public.x (y int)",
        "CREATE SCHEMA x",
        "CREATE RULE r AS ON INSERT TO ledger_entry DO INSTEAD NOTHING",
        "CREATE TRIGGER t BEFORE INSERT ON ledger_entry EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE ROLE x",
        "SET session_replication_role = replica",
        f'ALTER ROLE "{APP_ROLE}" SUPERUSER',
        f'SET ROLE "{settings.DATABASE_OWNER["USER"]}"',
        "COPY ledger_entry TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
def test_the_app_role_cannot_take_the_guards_away(scene, query):
    assert refusal(APP, query) == NO_RIGHT


def test_the_app_role_cannot_widen_its_rights(scene):
    with session(APP) as raw:
        raw.execute("SET client_min_messages = error")
        raw.execute("GRANT ALL ON ledger_entry TO PUBLIC")  # PostgreSQL only warns that nothing was granted
        rights = raw.execute("SELECT has_table_privilege('ledger_entry', 'UPDATE') AS update").fetchone()
    assert rights == {"update": False}
