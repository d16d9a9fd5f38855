"""`manage.py verify_ledger` finds what is broken, and names it: each invariant broken in each way its query looks for.

The owner breaks the books with the guards off and without the CHECKs; nobody else can. All of it is rolled back.
"""

import json
import threading
from collections.abc import Iterator
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db import transaction as db_transaction

from core.roles import connected_as_owner
from ledger.models import Account, Proof
from ledger.selectors import last_proof
from ledger.verify import CHECKS as LEDGER_CHECKS
from tests.books import fund, posted, transfer
from tests.forgery import MONEY, Forgery, Scene, committed_scene
from transactions.posting import post_one
from transactions.tasks import prove_books
from transactions.verify import CHECKS, OWNERS, verify

# Only what stands in the way of the breaking.
TABLES = [*MONEY, "wallets_wallet", "fx_provideruse"]
CHECK_CONSTRAINTS = ["account_not_below_floor", "account_held_not_negative", "account_closed_only_at_zero"]

NOBODY = "00000000-0000-7000-8000-000000000001"
ALINES = "liability:wallet:{aline_wallet}"


def txn(which: str, change: str) -> str:
    return f"UPDATE transactions_transaction SET {change} WHERE id = '{{{which}}}'"


def event(which: str, change: str) -> str:
    return f"UPDATE transactions_event SET {change} WHERE transaction_id = '{{{which}}}'"


def account(change: str, which: str = "aline") -> str:
    return f"UPDATE ledger_account SET {change} WHERE id = {{{which}}}"


def entry(seq: int, change: str) -> str:
    return f"UPDATE ledger_entry SET {change} WHERE account_id = {{aline}} AND seq = {seq}"


def entries(which: str, change: str, where: str = "true") -> str:
    return f"UPDATE ledger_entry SET {change} WHERE journal_id = '{{{which}}}' AND {where}"


def hold_event(seq: int, change: str) -> str:
    return f"UPDATE ledger_holdevent SET {change} WHERE account_id = {{aline}} AND seq = {seq}"


def without(table: str, which: str, key: str = "id") -> str:
    return f"DELETE FROM {table} WHERE {key} = '{{{which}}}'"


def without_entry(seq: int) -> str:
    return f"DELETE FROM ledger_entry WHERE account_id = {{aline}} AND seq = {seq}"


def without_hold_event(seq: int) -> str:
    return f"DELETE FROM ledger_holdevent WHERE account_id = {{aline}} AND seq = {seq}"


# invariant, who is named, what is said of it, how it was broken
BROKEN = [
    # I1: a journal for each transaction that moved money
    ("I1", "transaction {transfer}", "journal is missing", without("ledger_journal", "transfer")),
    ("I1", "journal {transfer}", "its transaction is failed", txn("transfer", "state = 'failed'")),
    ("I1", "journal {transfer}", "has no transaction", without("transactions_transaction", "transfer")),
    # I1: the same amounts, of the same wallets
    ("I1", "transaction {transfer}", "says 3001", txn("transfer", "amount = 3001")),
    ("I1", "transaction {transfer}", "a fee of 1;", txn("transfer", "fee = 1")),
    ("I1", "transaction {paid_out}", "a fee of 1;", txn("paid_out", "fee = 1")),
    ("I1", "transaction {transfer}", "of the payee 1;", txn("transfer", "payee_fee = 1")),
    ("I1", "transaction {top_up}", "says 1 ", txn("top_up", "amount = 1")),
    ("I1", "transaction {reversal}", "says 399", txn("reversal", "amount = 399")),
    ("I1", "transaction {transfer}", "0 from the payer", txn("transfer", "payer_id = NULL")),
    ("I1", "transaction {transfer}", "0 to the payee", txn("transfer", "payee_id = payer_id")),
    ("I1", "transaction {transfer}", "3000 from", txn("transfer", "currency = 'KES'")),
    (
        "I1", "transaction {paid_out}", "2500 from the payer",
        entries("paid_out", "account_id = {closed}, seq = 1", "account_id = {house}"),
    ),
    # I1: reversals
    ("I1", "transaction {transfer}", "says 7 was", txn("transfer", "reversed_amount = 7")),
    ("I1", "transaction {reversed}", "come to 0", txn("full_reversal", "reverses_id = NULL")),
    (
        "I1", "transaction {reversed}", "did not mirror",
        "UPDATE ledger_journal SET reverses_id = NULL WHERE id = '{full_reversal}'",
    ),
    ("I1", "transaction {reversed}", "did not mirror", txn("full_reversal", "payer_id = payee_id")),
    (
        "I1", "transaction {reversed}", "returned 400 of its fee of 0",
        entries("full_reversal", "account_id = {fees}, seq = 99", "side = 1"),
    ),
    # I1: a second person
    (
        "I1", "transaction {reversal}", "says that a second person approved it",
        txn("reversal", "idempotency_key = 'approval-zzzz'"),
    ),
    ("I1", "transaction {reversed_in_part}", "1000001 of it was given back", txn("reversal", "amount = 1000001")),
    # I1: wallets
    (
        "I1", "wallet {aline_wallet}", "points to asset:rail:sandbox:RWF",
        "UPDATE wallets_wallet SET account_id = {house} WHERE id = '{aline_wallet}'",
    ),
    (
        "I1", "wallet {aline_wallet}", "points to " + ALINES + " in RWF",
        "UPDATE wallets_wallet SET currency = 'KES' WHERE id = '{aline_wallet}'",
    ),
    # I1: what providers were promised
    (
        "I1", f"provider {NOBODY}, KES to USD on 2026-03-02", "has counted 7 as used and 0 as promised; its trades",
        "INSERT INTO fx_provideruse (provider_id, sell, buy, day, expires_at, promised, used)"
        f" VALUES ('{NOBODY}', 'KES', 'USD', '2026-03-02', '2026-03-02T09:00:00Z', 9, 7)",
    ),
    # I2
    ("I2", "currency RWF", "come to -5", account("posted = posted + 5", "eric")),
    # I3
    ("I3", "account {house}", "does not exist", without("ledger_account", "house")),
    ("I3", ALINES, "says 6901", account("posted = posted + 1")),
    ("I3", ALINES, "after 8 entries", account("seq = 8")),
    ("I3", ALINES, "entry 3", without_entry(2)),
    ("I3", ALINES, "entry 2", without_entry(1)),
    ("I3", ALINES, "its 6 entries", without_entry(7)),
    ("I3", ALINES, "entry 2", entry(2, "balance_after = balance_after + 1")),
    ("I3", ALINES, "entry 2", entry(2, "amount = amount + 1")),
    ("I3", ALINES, "entry 2", entry(2, "side = -side")),
    ("I3", ALINES, "entry 2", entry(2, "recorded_at = '2020-01-01T00:00:00Z'")),
    # I4
    ("I4", "journal {transfer}", "does not exist", without("ledger_journal", "transfer")),
    ("I4", "journal {transfer}", "has no entries", without("ledger_entry", "transfer", "journal_id")),
    ("I4", "journal {transfer}", "comes to -1 RWF", entries("transfer", "amount = amount + 1", "side = -1")),
    ("I4", "journal {transfer}", "comes to 3000 RWF", entries("transfer", "currency = 'KES'", "side = -1")),
    ("I4", ALINES, "is in KES, the account in RWF", entries("transfer", "currency = 'KES'")),
    # I5
    ("I5", ALINES, "has -100 available", account("posted = held - 100")),
    ("I5", ALINES, "has -8100 available", account("held = 15000")),
    ("I5", ALINES, "holds -1", account("held = -1")),
    ("I5", ALINES, "its floor is missing", account("floor = NULL")),
    ("I5", ALINES, "its floor is -9", account("floor = -9")),
    # I6: the holds of an account
    ("I6", "account 999999", "does not exist", hold_event(1, "account_id = 999999")),
    ("I6", ALINES, "holds 1400", account("held = 1400")),
    ("I6", ALINES, "holds 1500", account("hold_seq = 9")),
    ("I6", ALINES, "come to 0", without_hold_event(3)),
    ("I6", ALINES, "hold event 2", without_hold_event(1)),
    ("I6", ALINES, "hold event 2", hold_event(2, "held_after = 1")),
    ("I6", ALINES, "hold event 2", hold_event(2, "recorded_at = '2020-01-01T00:00:00Z'")),
    # I6: the events of a hold
    ("I6", "hold {paid_out}", "more was let go", hold_event(2, "amount = 9999")),
    ("I6", "hold {cash_out}", "more was let go", hold_event(3, "kind = 'voided'")),
    ("I6", "hold {paid_out}", "does not follow", hold_event(2, "remaining_after = 1")),
    ("I6", "hold {paid_out}", "does not follow", hold_event(2, "account_id = {eric}, seq = 1000")),
    # I7
    ("I7", "transaction {cash_out}", "its events lead to pending", txn("cash_out", "state = 'cancelled'")),
    (
        "I7", "transaction {transfer}", "its events lead to nothing",
        without("transactions_event", "transfer", "transaction_id"),
    ),
    (
        "I7", "transaction {paid_out}", "does not follow",
        without("transactions_event", "paid_out", "from_state = '' AND transaction_id"),
    ),
    ("I7", "transaction {cash_out}", "does not follow", event("cash_out", "from_state = 'failed'")),
    ("I7", "transaction {cash_out}", "does not follow", event("cash_out", "to_state = 'unknown'")),
    ("I7", f"transaction {NOBODY}", "does not exist", event("cash_out", f"transaction_id = '{NOBODY}'")),
    ("I7", f"outbox entry {NOBODY}", "has no event", f"INSERT INTO transactions_outboxentry VALUES ('{NOBODY}')"),
    # I8
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer = replace(answer, '{transfer}', 'x')")),
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer = replace(answer, receipt, 'x')")),
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer = 'not json'")),
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer = NULL")),
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer_status = NULL")),
    ("I8", "transaction {transfer}", "tells of", txn("transfer", "answer_status = 422")),
    ("I8", "transaction {refused}", "tells of", txn("refused", "answer_status = 201")),
    ("I8", "transaction {refused}", "tells of", txn("refused", "refusal_code = 'wallet_frozen'")),
    ("I8", "transaction {refused}", "tells of", txn("refused", "state = 'completed'")),
    # I9
    ("I9", "transaction {refused}", "is failed and holds 1500", hold_event(3, "hold = '{refused}'")),
    ("I9", "transaction {cash_out}", "is cancelled and holds 1500", txn("cash_out", "state = 'cancelled'")),
    ("I9", "transaction {cash_out}", "is expired and holds 1500", txn("cash_out", "state = 'expired'")),
    ("I9", "transaction {cash_out}", "is pending and holds 0", without_hold_event(3)),
    (
        "I9", "transaction {cash_out}", "is unknown and holds 0",
        txn("cash_out", "state = 'unknown'") + ";" + without_hold_event(3),
    ),
    ("I9", f"hold {NOBODY}", "has no transaction and holds 1500", hold_event(3, f"hold = '{NOBODY}'")),
    ("I9", "transaction {refused}", "is failed and has entries", entries("transfer", "journal_id = '{refused}'")),
]  # fmt: skip


@pytest.fixture(scope="module")
def scene(django_db_setup, django_db_blocker) -> Iterator[Scene]:
    with committed_scene(django_db_blocker) as scene:
        yield scene


@pytest.fixture(scope="module")
def named(scene) -> dict[str, object]:
    """Everything that a breaking or a finding may name."""
    one = "SELECT {} FROM {} WHERE {}"
    more = {
        "aline_wallet": one.format("id", "wallets_wallet", f"account_id = {scene.aline}"),
        "fees": one.format("id", "ledger_account", "code = 'income:fees:cash_out:RWF'"),
        "top_up": one.format("id", "transactions_transaction", "kind = 'top_up' AND currency = 'RWF'"),
        "reversal": one.format("id", "transactions_transaction", f"reverses_id = '{scene.reversed_in_part}'"),
        "full_reversal": one.format("id", "transactions_transaction", f"reverses_id = '{scene.reversed}'"),
    }
    with connection.cursor() as cursor:
        found = {}
        for name, query in more.items():
            cursor.execute(query)
            (found[name],) = cursor.fetchone()
    return vars(scene) | found


@pytest.mark.parametrize(("number", "name", "wrong", "breaking"), BROKEN)
def test_what_is_broken_is_found_and_named(named, number, name, wrong, breaking):
    with connected_as_owner(), db_transaction.atomic(), connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for constraint in CHECK_CONSTRAINTS:
            cursor.execute(f"ALTER TABLE ledger_account DROP CONSTRAINT {constraint}")
        cursor.execute("ALTER TABLE ledger_holdevent DROP CONSTRAINT hold_amounts; DROP INDEX hold_ended_once")
        cursor.execute(breaking.format(**named))
        assert cursor.rowcount > 0, "nothing was broken"

        findings = verify().findings

        db_transaction.set_rollback(True)
    found = [finding.wrong for finding in findings if (finding.number, finding.name) == (number, name.format(**named))]
    assert any(wrong.format(**named) in one for one in found), findings


def test_each_query_of_each_invariant_is_broken_above():
    broken = [number for number, *_ in BROKEN]
    for check in CHECKS + LEDGER_CHECKS:
        own = check.offenders
        for owner in OWNERS:  # the apps above break their own
            own = own.replace(f"UNION ALL {owner.offenders}", "")
        assert broken.count(check.number) >= 1 + own.count("UNION ALL")


def test_a_posting_without_a_transaction_is_found_though_no_guard_is_off(scene):
    forgery = Forgery().lines((scene.aline, 1, 10), (scene.eric, -1, 10))
    with db_transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(*forgery.statement())
        findings = verify().findings
        db_transaction.set_rollback(True)
    assert [(f.number, f.name, f.wrong) for f in findings] == [
        ("I1", f"journal {forgery.journals[0]['id']}", "has no transaction")
    ]


def test_many_offenders_are_named_up_to_a_hundred_and_the_rest_is_mentioned(scene):
    with connected_as_owner(), db_transaction.atomic(), connection.cursor():
        Account.objects.bulk_create(
            [Account(code=f"liability:wallet:{n}", currency="RWF", normal_side=-1, floor=None) for n in range(101)]
        )
        floors = next(result for result in verify().results if result.check.number == "I5")
        db_transaction.set_rollback(True)
    assert (len(floors.findings), floors.more) == (100, True)


# --- the command and the clock -------------------------------------------------------------------------------------
def prove(*args: str) -> str:
    out = StringIO()
    call_command("verify_ledger", *args, stdout=out, stderr=out, no_color=True)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_shows_each_invariant_and_keeps_the_proof(aline):
    fund(aline, 100)

    shown = prove()

    assert [line.split()[:2] for line in shown.splitlines()[:-1]] == [[f"I{n}", "ok"] for n in range(1, 10)]
    assert "2 accounts, 2 entries, 0 hold events, 1 transactions, 1 events" in shown.splitlines()[-1]
    kept = last_proof()
    assert kept and (kept.ok, kept.findings, kept.counts["entries"]) == (True, [], 2)


@pytest.mark.django_db(transaction=True)
def test_the_command_names_what_is_broken_and_fails(aline):
    fund(aline, 100)
    out = StringIO()
    with connected_as_owner(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE ledger_account DISABLE TRIGGER USER")
        cursor.execute("UPDATE ledger_account SET posted = 150 WHERE id = %s", [aline.account_id])
        cursor.execute("ALTER TABLE ledger_account ENABLE TRIGGER USER")
    code = f"liability:wallet:{aline.pk}"

    with pytest.raises(CommandError) as failed:
        call_command("verify_ledger", stdout=out, no_color=True)

    assert failed.value.returncode == 1
    assert "I2  BROKEN" in out.getvalue()
    assert f"      {code}: says 150 after 1 entries; its 1 entries come to 100" in out.getvalue().splitlines()
    kept = last_proof()
    assert kept and not kept.ok
    assert {(finding["number"], finding["name"]) for finding in kept.findings} == {("I2", "currency RWF"), ("I3", code)}


@pytest.mark.django_db(transaction=True)
def test_somebody_who_watches_sees_how_far_it_is():
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    watching = Terminal()
    call_command("verify_ledger", stdout=StringIO(), stderr=watching, no_color=True)

    shown = watching.getvalue()
    assert [shown.index(f"I{n} …") for n in range(1, 10)] == sorted(shown.index(f"I{n} …") for n in range(1, 10))
    assert shown.endswith("\r\x1b[K")  # and leaves nothing behind


@pytest.mark.django_db(transaction=True)
def test_the_command_speaks_json():
    told = json.loads(prove("--json"))

    assert told["ok"] is True
    assert [invariant["number"] for invariant in told["invariants"]] == [f"I{n}" for n in range(1, 10)]
    assert all(invariant["offenders"] == [] for invariant in told["invariants"])
    assert told["rows"]["transactions"] == 0


@pytest.mark.django_db(transaction=True)
def test_the_clock_proves_the_books_once_a_day():
    for _ in range(3):
        prove_books()

    assert Proof.objects.count() == 1


def test_the_clock_knows_the_task(settings):
    tick = settings.CELERY_BEAT_SCHEDULE["proof"]
    assert (tick["task"], tick["schedule"] <= 3600) == (prove_books.name, True)


@pytest.mark.django_db(transaction=True)
def test_the_proof_disturbs_nobody_and_nobody_disturbs_it(aline, eric):
    """Postings go on while each check runs: it sees the books as they were when it began."""
    fund(aline, 1_000)

    def meanwhile(check) -> None:
        thread = threading.Thread(target=lambda: (post_one(transfer(aline, eric, 1)), connection.close()))
        thread.start()
        thread.join()

    proof = verify(meanwhile)

    # The top-up, and the transfer from before the first check.
    assert (proof.findings, proof.counts["transactions"], posted(eric)) == ([], 2, 9)
