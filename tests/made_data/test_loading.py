"""How a data set gets into a database: which one, how it is left, and what an interruption leaves."""

import re
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tekana.made_data import loading
from tests.books import assert_books_balance, transfer
from tests.made_data.conftest import QUIET, rows, value, wanted
from transactions.models import Kind, State, Transaction
from transactions.posting import post_one
from transactions.services.reversals import reverse_transaction
from transactions.services.settling import settle
from wallets.models import Wallet

STRUCTURE = """
SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated) FROM pg_constraint
UNION ALL
SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT concat_ws(' ', relname, reloptions, relpersistence) FROM pg_class
WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
UNION ALL
SELECT concat_ws(' ', table_name, grantee, privilege_type) FROM information_schema.table_privileges
"""
CASTS = re.compile(r"::(character varying|text)(\[\])?|[()]")


def structure() -> list[str]:
    """A definition that PostgreSQL prints and reads again has its casts in other places, and means the same."""
    return sorted(CASTS.sub("", one) for (one,) in rows(STRUCTURE))


def test_money_moves_on_from_there_under_all_guards(scratch: None) -> None:
    loading.make(wanted(), QUIET)
    payer, payee = (
        Wallet.objects.select_related("customer").get(account_id=one)
        for (one,) in rows(
            "SELECT id FROM ledger_account WHERE currency = 'KES' AND starts_with(code, 'liability:wallet:')"
            " AND NOT debits_frozen AND NOT credits_frozen ORDER BY posted - held DESC LIMIT 2"
        )
    )
    waiting = Transaction.objects.filter(kind=Kind.CASH_OUT, state=State.PROCESSING).first()
    done = Transaction.objects.filter(kind=Kind.TRANSFER, state=State.COMPLETED, payee=payee).latest("pk")

    sent = post_one(transfer(payer, payee, 1_00)).or_raise()
    reverse_transaction(
        sent.transaction, amount=None, reason_code="fraud", note="", actor=None, idempotency_key="reverse-of-made-1"
    )
    reverse_transaction(
        done.pk, amount=1, reason_code="fraud", note="", actor=None, idempotency_key="reverse-of-made-2"
    )
    if waiting is not None:
        settle(waiting.pk, to=State.COMPLETED, actor="rail:sandbox")

    assert_books_balance()


def test_indexes_keys_guards_and_rights_are_as_they_were(scratch: None) -> None:
    before = structure()

    loading.make(wanted(customers=200, transactions=1_000), QUIET)

    assert structure() == before


def test_a_database_with_customers_is_refused(scratch: None, capsys: pytest.CaptureFixture[str]) -> None:
    loading.make(wanted(customers=100, transactions=0), QUIET)
    before = value("SELECT count(*) FROM customers_customer")

    with pytest.raises(CommandError, match="There are rows in customers_customer") as refused:
        call_command("make_data", "--customers", "100", "--transactions", "100")

    assert refused.value.returncode == 2
    assert value("SELECT count(*) FROM customers_customer") == before


def test_it_does_not_begin_while_others_are_connected(scratch: None) -> None:
    with (
        psycopg.connect(**loading.session_parameters()),
        pytest.raises(loading.Refused, match="1 sessions are connected"),
    ):
        loading.make(wanted(), QUIET)


def test_an_interrupted_load_is_emptied_by_the_next(scratch: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    before = structure()
    with monkeypatch.context() as patch:
        patch.setattr(loading, "at_once", stop)
        with pytest.raises(KeyboardInterrupt):
            loading.make(wanted(customers=300, transactions=1_000), QUIET)
    assert value("SELECT count(*) FROM transactions_transaction") == 1_000

    loading.make(wanted(customers=200, transactions=500), QUIET)

    assert value("SELECT count(*) FROM transactions_transaction") == 500
    assert structure() == before
    assert_books_balance()


def test_a_process_that_fails_ends_the_load(scratch: None, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = loading.plans_of(wanted())
    monkeypatch.setattr(loading, "plans_of", lambda _: [plans[0].__class__(**{**vars(plans[0]), "texts": {}})])

    with pytest.raises(KeyError):
        loading.make(wanted(), QUIET)

    assert value("SELECT to_regclass(%s) IS NOT NULL", loading.UNFINISHED)


def test_the_command_says_what_it_did_and_proves_it(scratch: None, capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "make_data", "--customers", "150", "--transactions", "1_000", "--until", "2026-03-02T16:00", "--processes", "2"
    )

    said = capsys.readouterr().out
    assert "150 customers and 1,000 transactions until 2026-03-02 16:00 UTC, seed 1" in said
    assert "Proven at" in said


@pytest.mark.parametrize("wrong", ["0", "-1", "many", "1e3"])
def test_nonsense_is_told(wrong: str) -> None:
    with pytest.raises(CommandError, match="is no number"):
        call_command("make_data", "--customers", wrong, "--transactions", "10")
