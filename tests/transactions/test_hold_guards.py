"""Holds against raw SQL as the app role and as the owner, and what the proof says of holds that were broken past it.

As in test_guards.py each statement is right but for what its test spoils.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from django.db import transaction as db_transaction

from core.ids import uuid7
from core.roles import connected_as_owner
from tests.forgery import CREDIT, DEBIT, OWNER, ROLES, Forgery, committed_scene, guards_off, session
from tests.forgery import Scene as Books
from tests.holding import capture, held, void
from transactions.models import LEGAL_OF_HOLDS, State
from transactions.posting import post_one
from transactions.verify import verify
from wallets.models import Wallet

HOLDS, ACCOUNT_HOLDS, CAPTURE, STATE = "TK070", "TK005", "TK071", "TK010"


class Scene(NamedTuple):
    """Aline promised Eric 600, of which he captured 200; another 100 she promised were voided."""

    books: Books
    aline: Wallet
    eric: Wallet
    hold: UUID
    part: UUID
    voided: UUID


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with committed_scene(django_db_blocker) as books:
        aline, eric = (Wallet.objects.get(account_id=account) for account in (books.aline, books.eric))
        hold, over = held(aline, eric, 600), held(aline, eric, 100)
        part = post_one(capture(hold, 200)).or_raise().transaction
        post_one(void(over)).or_raise()
        yield Scene(books, aline, eric, hold, part, over)  # type: ignore[arg-type]


def placing(scene: Scene, amount: int = 100, *, held: int = 100, **fields: object) -> Forgery:
    """A hold of 100 by hand, with what is held for it."""
    forgery = Forgery()
    txn = uuid7()
    if held:
        forgery.hold(scene.books.aline, txn, "placed", held, held)
        forgery.hold_events[-1]["expires_at"] = forgery.at
    forgery.birth("pending", id=txn, kind="hold", amount=amount, payer_id=scene.aline.pk, payee_id=scene.eric.pk)
    forgery.transactions[-1] |= fields
    for event in forgery.events:
        event["transaction_id"] = txn
        event["to_state"] = forgery.transactions[-1]["state"]
    return forgery


def capturing(scene: Scene, amount: int = 100, *, freed: int | None = None, **fields: object) -> Forgery:
    """A capture of 100 by hand: journal, what the hold lets go of, payment."""
    freed = amount if freed is None else freed
    forgery = Forgery().lines((scene.books.aline, DEBIT, amount), (scene.books.eric, CREDIT, amount))
    if freed:
        forgery.hold(scene.books.aline, scene.hold, "captured", freed, 400 - freed)
    return forgery.birth(
        "completed",
        **{
            "kind": "payment", "amount": amount, "payer_id": scene.aline.pk, "payee_id": scene.eric.pk,
            "hold_id": scene.hold,
        } | fields,
    )  # fmt: skip


def ended(
    scene: Scene, to: str, *, kind: str = "voided", rest: int = 0, hold: UUID | None = None
) -> tuple[Forgery, str]:  # fmt: skip
    """The end of the hold, by hand."""
    forgery = Forgery()
    if kind:
        forgery.hold(scene.books.aline, scene.hold, kind, 400 - rest, rest)
    forgery.event(hold or scene.hold, "pending", to)
    return forgery, f"UPDATE transactions_transaction SET state = '{to}' WHERE id = '{hold or scene.hold}'"


@pytest.mark.parametrize("role", ROLES)
def test_what_is_right_goes_through(scene, role):
    assert placing(scene).refused(role) == ""
    assert capturing(scene).refused(role) == ""
    assert capturing(scene, 400).refused(role) == ""


@pytest.mark.parametrize("role", ROLES)
def test_nothing_is_promised_that_is_not_held(scene, role):
    assert placing(scene, held=0).refused(role) == HOLDS
    assert placing(scene, held=99).refused(role) == HOLDS
    assert placing(scene, fee=1).refused(role) == HOLDS
    assert placing(scene, payer_id=scene.eric.pk).refused(role) == HOLDS
    assert placing(scene, payee_id=None).refused(role) == HOLDS
    assert placing(scene, hold_id=scene.hold).refused(role) == HOLDS
    assert placing(scene, state="completed").refused(role) == HOLDS


@pytest.mark.parametrize("role", ROLES)
def test_a_capture_is_within_its_hold_and_of_its_sides(scene, role):
    assert capturing(scene, 100, freed=99).refused(role) == CAPTURE
    assert capturing(scene, 100, freed=0).refused(role) == CAPTURE
    assert capturing(scene, 401, freed=400).refused(role) == CAPTURE
    assert capturing(scene, 100, kind="transfer").refused(role) == CAPTURE
    assert capturing(scene, 100, payee_id=scene.aline.pk).refused(role) == CAPTURE
    assert capturing(scene, 100, currency="KES").refused(role) == CAPTURE
    assert capturing(scene, 100, hold_id=scene.books.transfer).refused(role) == CAPTURE
    assert capturing(scene, 100, hold_id=scene.voided).refused(role) == CAPTURE
    assert capturing(scene, 401).refused(role) == "23514"  # the ledger's own: less than nothing would remain


@pytest.mark.parametrize("role", ROLES)
def test_a_hold_is_over_when_nothing_is_held_and_completed_when_something_was_captured(scene, role):
    def in_two(to: str, **how: object) -> str:
        """What the ledger lets go of comes first, as `post` writes it; then the state with its event."""
        books, last = ended(scene, to, **how)  # type: ignore[arg-type]
        state, books.events = Forgery(), []
        state.event(scene.hold, "pending", to)
        with session(role) as raw:
            try:
                if books.hold_events:
                    raw.execute(*books.statement())
                raw.execute(*state.statement(last))
            except psycopg.Error as error:
                return error.sqlstate or "?"
        return ""

    assert in_two("completed") == ""
    assert in_two("completed", kind="") == HOLDS
    assert in_two("completed", rest=1) == HOLDS
    assert in_two("cancelled") == HOLDS
    assert in_two("expired", kind="expired") == HOLDS
    assert in_two("failed") == HOLDS


def test_the_database_knows_the_same_legal_moves_of_holds(scene):
    """All moves of a hold, each with the event, captures and free money that it would need."""
    passed, refused = set(), set()
    with session(OWNER) as raw:
        for before, after in itertools.permutations(State.values, 2):
            with raw.transaction(force_rollback=True):
                hold, part = placing(scene, state=before), None
                (placed,) = hold.hold_events
                over = {"seq": placed["seq"] + 1, "kind": "voided", "remaining_after": 0, "held_after": 0}
                hold.hold_events.append(placed | over)
                if after == "completed":
                    part = Forgery().lines().birth("completed", kind="payment", hold_id=hold.transactions[0]["id"])
                with guards_off(raw):
                    raw.execute(*hold.statement())
                    if part:
                        raw.execute(*part.statement())
                txn = hold.transactions[0]["id"]
                move = Forgery().event(txn, before, after)
                try:
                    with raw.transaction():
                        raw.execute(
                            *move.statement(f"UPDATE transactions_transaction SET state = '{after}' WHERE id = '{txn}'")
                        )
                    passed.add((before, after))
                except psycopg.Error as error:
                    refused.add(error.sqlstate)
    assert passed == LEGAL_OF_HOLDS
    assert refused <= {HOLDS, STATE}


@pytest.mark.parametrize("role", ROLES)
def test_the_dates_of_a_hold_never_change(scene, role):
    query = f"UPDATE transactions_transaction SET capture_at = now() WHERE id = '{scene.hold}'"
    with session(role) as raw, pytest.raises(psycopg.Error) as refused:
        raw.execute(query)
    assert refused.value.sqlstate == "TK011"


# --- the proof -----------------------------------------------------------------------------------------------------
def txn(which: str, change: str) -> str:
    return f"UPDATE transactions_transaction SET {change} WHERE id = '{{{which}}}'"


def hold_event(kind: str, change: str) -> str:
    return f"UPDATE ledger_holdevent SET {change} WHERE hold = '{{hold}}' AND kind = '{kind}'"


BROKEN = [
    ("I1", "hold", "its captures come to 200 of 199", txn("hold", "amount = 199")),
    ("I1", "hold", "none of its payer and payee", txn("part", "payer_id = payee_id")),
    ("I1", "hold", "its captures come to 200 of 0", txn("hold", "kind = 'cash_out'")),
    ("I1", "hold", "none of its payer", txn("part", "kind = 'transfer'")),
    ("I9", "hold", "is pending and holds 400", txn("hold", "amount = 700")),
    ("I9", "hold", "is cancelled and holds 400", txn("hold", "state = 'cancelled'")),
    (
        "I9", "hold", "is pending and holds 600",
        "DELETE FROM ledger_holdevent WHERE hold = '{hold}' AND kind = 'captured'",
    ),
    ("I9", "hold", "its captures took 200, its hold let go of 0", hold_event("captured", "kind = 'voided'")),
    ("I9", "hold", "its captures took 0, its hold let go of 200", txn("part", "hold_id = NULL")),
    ("I9", "voided", "is completed; its captures took 0", txn("voided", "state = 'completed'")),
    ("I9", "hold", "is expired; its captures took 200", txn("hold", "state = 'expired'")),
]  # fmt: skip


@pytest.mark.parametrize(("number", "which", "wrong", "breaking"), BROKEN)
def test_the_proof_finds_a_broken_hold(scene, number, which, wrong, breaking):
    named = scene._asdict()
    with connected_as_owner(), db_transaction.atomic(), connection.cursor() as cursor:
        for table in ("transactions_transaction", "ledger_holdevent"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(breaking.format(**named))
        assert cursor.rowcount == 1, "nothing was broken"

        findings = verify().findings

        db_transaction.set_rollback(True)
    found = [one.wrong for one in findings if (one.number, one.name) == (number, f"transaction {named[which]}")]
    assert any(wrong in one for one in found), findings


def test_a_hold_with_entries_is_found_though_it_is_completed(scene):
    """What is captured has a journal of its own; a hold has none."""
    with connected_as_owner(), db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE transactions_transaction DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE transactions_transaction SET kind = 'hold' WHERE id = '{scene.books.transfer}'")
        findings = verify().findings
        db_transaction.set_rollback(True)
    assert ("I1", f"journal {scene.books.transfer}") in {(one.number, one.name) for one in findings}
