"""Rows that live a little before they are history: what they are never changes, what is over stays, nothing is deleted.

Tried with raw SQL, as the app role and as the owner.
"""

from contextlib import nullcontext

import pytest
from django.db import DatabaseError, connection, transaction

from core.roles import connected_as_owner
from tests.books import assert_books_balance, fund, key, transfer
from transactions.models import Kind, RailCall, RailMessage, State
from transactions.movements import Movement
from transactions.posting import post_one
from transactions.services.settling import settle
from wallets.parties import Address
from wallets.services import freeze_wallet, lift_freeze

pytestmark = pytest.mark.django_db(transaction=True)

EVENT = """
INSERT INTO transactions_event (id, transaction_id, type, from_state, to_state, actor, reason, facts, request_id, at)
VALUES
"""
ATTACKS = [
    "UPDATE wallets_wallet SET customer_id = (SELECT customer_id FROM wallets_wallet ORDER BY id DESC LIMIT 1)"
    " WHERE id = %(w)s",
    "UPDATE wallets_wallet SET currency = 'KES' WHERE id = %(w)s",
    "UPDATE wallets_wallet SET account_id = account_id + 1000 WHERE id = %(w)s",
    "DELETE FROM wallets_wallet WHERE id = %(w)s",
    "UPDATE wallets_freeze SET reason = 'nothing'",
    "UPDATE wallets_freeze SET lifted_by = 'nobody'",
    "DELETE FROM wallets_freeze",
    "UPDATE transactions_railcall SET request = '{}'",
    "UPDATE transactions_railcall SET outcome = 'refused'",
    "DELETE FROM transactions_railcall",
    "UPDATE transactions_railmessage SET payload = '{}'",
    "DELETE FROM transactions_railmessage",
    "DELETE FROM transactions_usage",
    "UPDATE transactions_transaction SET refusal_code = 'other' WHERE id = %(final)s",
    "UPDATE transactions_transaction SET completed_at = now() WHERE id = %(final)s",
    "UPDATE transactions_transaction SET rail_reference = 'x' WHERE id = %(final)s",
    f"{EVENT} (gen_random_uuid(), %(final)s, 'x', 'completed', 'reversed', 'staff:1', '', '{{}}', '', now())",
    f"{EVENT} (gen_random_uuid(), gen_random_uuid(), 'x', '', 'completed', 'staff:1', '', '{{}}', '', now())",
    "INSERT INTO ledger_journal (id, kind, reference, effective_at, recorded_at, reverses_id, reverses_all, metadata)"
    " SELECT i, 'x', 'x', now(), now(), i, false, '{}' FROM (SELECT gen_random_uuid() AS i) one",
]  # fmt: skip


@pytest.fixture
def history(aline, eric):
    """One of each: a lifted freeze, a finished call, a processed message, a final cash-out, usage."""
    fund(aline, 20_000)
    post_one(transfer(aline, eric, 100)).or_raise()
    lift_freeze(freeze_wallet(aline, mode="both", reason="lost phone", actor=None), actor=None, reason="found")
    cash_out = post_one(
        Movement(
            kind=Kind.CASH_OUT, amount=1_000, currency="RWF", caller="job:t", key=key(), rail="sandbox",
            payer=Address("wallet", str(aline.pk)),
        )
    ).or_raise()  # fmt: skip
    settle(cash_out.transaction, to=State.COMPLETED, actor="system")
    call = RailCall.objects.create(transaction_id=cash_out.transaction, number=1, purpose="submit", request={"a": 1})
    RailCall.objects.filter(pk=call.pk).update(outcome="accepted", finished_at=call.started_at)
    RailMessage.objects.create(rail="sandbox", message_id="m", payload={"b": 1})
    return {"w": aline.pk, "final": cash_out.transaction}


@pytest.mark.parametrize("role", [nullcontext, connected_as_owner], ids=["app role", "owner"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_history_is_not_rewritten(history, role, attack):
    with role(), pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(attack, history)
    assert_books_balance()


def test_what_is_still_going_on_may_change(history, aline):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE transactions_railmessage SET state = 'processed', note = 'done' WHERE message_id = 'm'")
        assert cursor.rowcount == 1
        cursor.execute("UPDATE wallets_wallet SET closed_at = NULL WHERE id = %s", [aline.pk])
        assert cursor.rowcount == 1
