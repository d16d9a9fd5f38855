"""What the proof of the books finds of payment requests, where somebody with all rights changed them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils.timezone import now

from core.roles import connected_as_owner
from payments.services import confirm
from tests.books import fund
from tests.payments.conftest import principal
from tests.payments.test_requests import ask, pay
from transactions.verify import verify
from wallets.models import Wallet

TABLES = ("payments_paymentrequest", "payments_requestuse", "payments_useanswer")
FORGERIES = {
    "a use less": "UPDATE payments_paymentrequest SET used = used - 1 WHERE max_uses_per_payer IS NOT NULL",
    "a use that is gone": "DELETE FROM payments_requestuse WHERE NOT is_promise",
    "oftener than one payer may": "UPDATE payments_paymentrequest SET max_uses_per_payer = 1"
    " WHERE max_uses_per_payer = 2",
    "another amount": "UPDATE payments_paymentrequest SET amount = amount + 1",
    "another wallet": "UPDATE payments_paymentrequest r SET wallet_id = t.payer_id FROM transactions_transaction t"
    " WHERE t.kind = 'payment'",
    "paid too late": "UPDATE payments_paymentrequest SET expires_at = created_at",
    "another answer": "UPDATE payments_useanswer SET outcome = 'rejected', payment = NULL",
    "another payment": "UPDATE payments_useanswer SET payment = (SELECT id FROM payments_requestuse"
    " WHERE NOT is_promise LIMIT 1)",
}


@pytest.mark.django_db(transaction=True)
def test_verify_ledger_finds_what_a_forger_with_all_rights_did(payer: Wallet, shop: Wallet) -> None:
    """All at once, each told apart by what is undone before the next."""
    fund(payer, 1_000)
    plain = ask(shop, amount=10, max_uses=None, max_uses_per_payer=2, expires_at=now() + timedelta(days=1))
    promised = ask(shop, amount=10, needs_confirmation=True)
    for _ in range(2):
        pay(plain, payer).or_raise()
    confirm(pay(promised, payer).or_raise().transaction, actor=principal(shop))
    assert verify().ok

    for name, statement in FORGERIES.items():
        with connected_as_owner(), connection.cursor() as cursor:
            for table in TABLES:
                cursor.execute(f"CREATE TABLE kept_{table} AS TABLE {table}")
            changed(statement)
        found = {finding.number for finding in verify().findings}
        with connected_as_owner(), connection.cursor() as cursor:
            changed(
                *(f"DELETE FROM {table}" for table in reversed(TABLES)),
                *(f"INSERT INTO {table} TABLE kept_{table}" for table in TABLES),
                *(f"DROP TABLE kept_{table}" for table in TABLES),
            )
        assert found == {"I9"}, name
    assert verify().ok


def changed(*statements: str) -> None:
    """Past the guards, each by itself: a table with a key still to be looked at takes no change of its triggers."""
    off, on = ([f"ALTER TABLE {table} {verb} TRIGGER USER" for table in TABLES] for verb in ("DISABLE", "ENABLE"))
    with connection.cursor() as cursor:
        for statement in (*off, *statements, *on):
            cursor.execute(statement)
