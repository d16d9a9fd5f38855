"""Replaying a mobile-money log: every row accounted for, once, whatever the row and whenever it is killed."""

import csv
import gc
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from customers.models import Customer
from ledger.verify import Finding
from tests.books import assert_books_balance
from transactions import paysim, proving, replay, tariff
from transactions.models import Kind, State, Transaction
from transactions.replay import Options, Report
from transactions.verify import verify
from wallets.models import Wallet

HEADER = ",".join(paysim.COLUMNS)
START = datetime(2024, 1, 1, tzinfo=UTC)
GOOD = "1,CASH_IN,100.00,C1,0.0,100.0,C99,0.0,0.0,0,0"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Report]:
    """Replay these rows as a log; its rejects are in ``rejected(tmp_path)``."""

    def run(*rows: str, currency: str = "KES", **options: Any) -> Report:
        log = log_of(tmp_path, *rows)
        wanted = Options(currency=currency, start=START, **options)
        report = replay.replay(replay.open_log(log), wanted, tmp_path / "rejects.csv")
        assert report.unaccounted == 0
        assert_books_balance()
        return report

    return run


def log_of(folder: Path, *rows: str) -> Path:
    path = folder / "log.csv"
    path.write_text("".join(f"{row}\n" for row in (HEADER, *rows)))
    return path


def rejected(folder: Path) -> list[dict[str, str]]:
    with (folder / "rejects.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def wallet(name: str) -> Wallet:
    return Wallet.objects.select_related("account", "customer").get(customer__email=paysim.email(name))


def posted(name: str) -> int:
    return wallet(name).account.posted


def generated(rows: int) -> Iterator[str]:
    """A log in which money goes round: two hundred people, thirty shops, an agent and a bank."""
    for n in range(rows):
        name, other = f"C{n * 7 % 200 + 1}", f"C{n * 13 % 200 + 1}"
        if name == other:
            other = "C999"
        kind, to = [
            ("CASH_IN", "C5000"), ("TRANSFER", other), ("PAYMENT", f"M{n % 30}"), ("CASH_OUT", "C5000"),
            ("DEBIT", "C6000"),
        ][n % 5]  # fmt: skip
        yield f"{n // 50 + 1},{kind},{n % 900 + 1}.{n % 100:02},{name},{n % 3 * 1000}.5,0.0,{to},0.0,0.0,0,0"


# --- What a row means ------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_each_kind_of_row_becomes_its_movement(run):
    report = run(
        "1,CASH_IN,1000.00,C1,0.0,0.0,C900,0.0,0.0,0,0",
        "2,TRANSFER,300.5,C1,0.0,0.0,C2,0.0,0.0,0,0",
        "3,PAYMENT,50.25,C2,0.0,0.0,M7,0.0,0.0,0,0",
        "4,CASH_OUT,100.0,C1,0.0,0.0,C901,0.0,0.0,0,0",
        "745,DEBIT,10.0,C2,0.0,0.0,C902,0.0,0.0,0,0",
    )

    assert (report.rows, report.posted.accepted, report.posted.refused) == (5, 5, {})
    assert [posted(name) for name in ("C1", "C2", "M7")] == [1000_00 - 300_50 - 150_00, 300_50 - 50_25 - 60_00, 50_25]
    rows = list(Transaction.objects.order_by("id"))
    assert [row.kind for row in rows] == [Kind.TOP_UP, Kind.TRANSFER, Kind.PAYMENT, Kind.CASH_OUT, Kind.CASH_OUT]
    assert {row.state for row in rows} == {State.COMPLETED} and {row.caller for row in rows} == {"job:replay"}
    assert [row.rail for row in rows] == ["paysim", "", "", "paysim", "paysim"]
    assert [row.destination["account_number"] for row in rows[3:]] == ["C901", "C902"]
    assert rows[0].memo == "agent C900"
    with connection.cursor() as cursor:
        cursor.execute("SELECT effective_at FROM ledger_journal ORDER BY id")
        hours = [(at - START) // timedelta(hours=1) for (at,) in cursor.fetchall()]
    assert hours == [0, 1, 2, 3, 744]


@pytest.mark.django_db
def test_whom_it_names_become_customers_that_nobody_can_sign_in_as(run):
    run("1,PAYMENT,5.00,C12,0.0,0.0,M3,0.0,0.0,0,0", tier=1)

    person, shop = wallet("C12").customer, wallet("M3").customer
    assert (person.email, person.phone_number) == ("c12@paysim.example", "+999100000000012")
    assert (shop.email, shop.phone_number, shop.account_type) == ("m3@paysim.example", "+999200000000003", "sme")
    assert {(c.country_id, c.tier, c.password[0]) for c in (person, shop)} == {("KE", 1, "!")}


@pytest.mark.django_db
def test_agents_and_banks_get_no_wallet(run):
    run(GOOD, "1,CASH_OUT,1.0,C1,0.0,0.0,C98,0.0,0.0,0,0", "1,DEBIT,1.0,C1,0.0,0.0,C97,0.0,0.0,0,0")

    assert list(Customer.objects.values_list("email", flat=True)) == ["c1@paysim.example"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("amount", "minor"),
    [("181.0", 181_00), ("181", 181_00), ("0.01", 1), ("0.010", 1), ("1.0963634E5", 109_636_34), ("1.0E4", 10_000_00)],
)
def test_amounts_are_read_exactly(run, amount, minor):
    run(f"1,CASH_IN,{amount},C1,0.0,0.0,C99,0.0,0.0,0,0")

    assert posted("C1") == minor


@pytest.mark.django_db
@pytest.mark.parametrize("amount", ["1.001", "1.096363464E5"])
def test_what_the_currency_cannot_hold_is_not_rounded_away(run, amount):
    report = run(f"1,CASH_IN,{amount},C1,0.0,0.0,C99,0.0,0.0,0,0")

    assert report.rejected == {"amount_too_precise": 1} and not Wallet.objects.exists()


@pytest.mark.django_db
def test_a_currency_without_decimals_has_none(run, tmp_path):
    report = run(GOOD, "1,CASH_IN,100.50,C2,0.0,0.0,C99,0.0,0.0,0,0", currency="RWF")

    assert posted("C1") == 100 and wallet("C1").customer.country_id == "RW"
    assert report.rejected == {"amount_too_precise": 1}


# --- Opening balances ------------------------------------------------------------------------------------------------
OPENINGS = [
    "1,PAYMENT,10.00,C1,500.00,0.0,M1,0.0,0.0,0,0",  # C1 starts with 500
    "1,PAYMENT,10.00,C1,480.00,0.0,M1,0.0,0.0,0,0",  # and has started
    "1,TRANSFER,20.00,C1,470.00,0.0,C2,0.0,0.0,0,0",  # C2 appears as a recipient
    "2,TRANSFER,5.00,C2,9999.00,0.0,C3,0.0,0.0,0,0",  # so it has what it got, not what the log says
    "2,CASH_IN,30.00,C4,70.00,0.0,C99,0.0,0.0,0,0",
    "2,TRANSFER,5.00,C5,0.0,0.0,C1,0.0,0.0,0,0",
]


@pytest.mark.django_db
@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_an_account_is_funded_at_its_own_first_line_whatever_the_chunk(run, chunk):
    report = run(*OPENINGS, chunk=chunk)

    assert report.openings.accepted == 2 and report.openings.refused == {}
    assert [posted(f"C{n}") for n in (1, 2, 3, 4, 5)] == [460_00, 15_00, 5_00, 100_00, 0]
    assert report.posted.refused == {"insufficient_funds": 1}


@pytest.mark.django_db
def test_without_opening_balances_accounts_start_empty(run):
    report = run(*OPENINGS, openings=False)

    assert report.openings.total == 0
    assert report.posted.accepted == 1 and report.posted.refused == {"insufficient_funds": 5}


@pytest.mark.django_db
def test_limits_refuse_as_they_refuse_everybody_and_the_attempt_is_kept(run):
    report = run(
        "1,TRANSFER,250001.00,C1,400000.00,0.0,C2,0.0,0.0,0,0",  # more than tier 2 may move
        "1,CASH_IN,1.00,C3,500001.00,0.0,C99,0.0,0.0,0,0",  # more than it may hold
    )

    assert report.openings.refused == {"balance_limit_exceeded": 1}
    assert report.posted.refused == {"limit_exceeded": 1} and report.posted.accepted == 1
    assert Transaction.objects.get(refusal_code="limit_exceeded").state == State.FAILED
    assert (posted("C1"), posted("C3")) == (400_000_00, 1_00)


# --- Bad rows --------------------------------------------------------------------------------------------------------
BAD = {
    "": "wrong_columns",
    "1,CASH_IN,1.00,C2": "wrong_columns",
    "1,CASH_IN,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0,0": "wrong_columns",
    '1,CASH_IN,1.00,C2,0.0,0.0,C99,0.0,0.0,0,"0"x': "unreadable_line",
    "1,REFUND,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "unknown_type",
    "1,cash_in,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "unknown_type",
    "0,CASH_IN,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "bad_step",
    "1.5,CASH_IN,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "bad_step",
    "123456,CASH_IN,1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "bad_step",
    "1,CASH_IN,1.00,,0.0,0.0,C99,0.0,0.0,0,0": "missing_name",
    "1,TRANSFER,1.00,C2,0.0,0.0,,0.0,0.0,0,0": "missing_name",
    "1,TRANSFER,1.00,X2,0.0,0.0,C3,0.0,0.0,0,0": "bad_name",
    "1,TRANSFER,1.00,C02,0.0,0.0,C3,0.0,0.0,0,0": "bad_name",
    "1,TRANSFER,1.00,C123456789012,0.0,0.0,C3,0.0,0.0,0,0": "bad_name",
    "1,TRANSFER,1.00,C2\x00,0.0,0.0,C3,0.0,0.0,0,0": "bad_name",
    "1,TRANSFER,1.00,C2,0.0,0.0,C2,0.0,0.0,0,0": "same_name",
    "1,CASH_IN,0.0,C2,0.0,0.0,C99,0.0,0.0,0,0": "amount_not_positive",
    "1,CASH_IN,-1.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "amount_not_positive",
    "1,CASH_IN,1.001,C2,0.0,0.0,C99,0.0,0.0,0,0": "amount_too_precise",
    "1,CASH_IN,ten,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,NaN,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,Infinity,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,1e99,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,٥,C2,0.0,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,99999999999999.00,C2,0.0,0.0,C99,0.0,0.0,0,0": "amount_too_large",
    "1,CASH_IN,1.00,C2,none,0.0,C99,0.0,0.0,0,0": "invalid_amount",
    "1,CASH_IN,1.00,C2,-5.0,0.0,C99,0.0,0.0,0,0": "negative_balance",
}


@pytest.mark.django_db
def test_bad_rows_are_named_and_stop_nothing(run, tmp_path):
    rows = [row for bad in BAD for row in (bad, GOOD)]

    report = run(*rows)

    assert report.posted.accepted == len(BAD) and report.posted.refused == {}
    assert report.rejected.total() == len(BAD)
    told = rejected(tmp_path)
    assert [(int(row["line"]), row["code"]) for row in told] == [
        (2 + 2 * n, code) for n, code in enumerate(BAD.values())
    ]
    assert [row["original"] for row in told] == list(BAD)
    assert all(row["reason"].endswith(".") for row in told)
    assert posted("C1") == 100_00 * len(BAD)
    assert Customer.objects.count() == 1


@pytest.mark.django_db
def test_lines_that_no_editor_wrote_are_bad_rows_too(tmp_path):
    log = tmp_path / "log.csv"
    log.write_bytes(b"\n".join([HEADER.encode(), b"\xff\xfe\x00", b"x" * 5_000_000, b"=1+1", GOOD.encode()]))

    report = replay.replay(replay.open_log(log), Options(currency="KES", start=START), tmp_path / "rejects.csv")

    assert report.unaccounted == 0 and report.posted.accepted == 1
    told = rejected(tmp_path)
    assert [row["code"] for row in told] == ["unreadable_line", "unreadable_line", "wrong_columns"]
    assert told[2]["original"] == "'=1+1"  # no formula for a spreadsheet
    assert (tmp_path / "rejects.csv").stat().st_size < 2_000


@pytest.mark.django_db
def test_line_ends_and_a_byte_order_mark_of_other_systems_are_read(tmp_path):
    log = tmp_path / "log.csv"
    log.write_bytes(b"\xef\xbb\xbf" + "\r\n".join([HEADER, GOOD, GOOD]).encode())

    report = replay.replay(replay.open_log(log), Options(currency="KES", start=START), tmp_path / "rejects.csv")

    assert (report.rows, report.posted.accepted) == (2, 2)


# --- Again -----------------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_a_second_run_posts_nothing_and_says_what_is_there(run):
    rows = [*generated(120), "no row"]
    first = run(*rows, chunk=50)
    before = list(Transaction.objects.order_by("id").values_list("id", "state"))

    second = run(*rows, chunk=17)

    assert second.posted.total == second.openings.total == second.customers == second.wallets == 0
    assert second.before == first.posted and second.rejected == first.rejected
    assert list(Transaction.objects.order_by("id").values_list("id", "state")) == before


@pytest.mark.django_db
def test_a_log_that_grew_or_changed_is_another_log(run):
    run(GOOD, GOOD)

    report = run(GOOD, GOOD.replace("100.00", "7.00"))

    assert report.before.total == 0 and report.posted.accepted == 2
    assert report.customers == report.wallets == report.openings.total == 0
    assert posted("C1") == 307_00


@pytest.mark.django_db
def test_the_same_log_in_another_currency_is_another_replay(run):
    run(GOOD)

    report = run(GOOD, currency="RWF")

    assert (report.posted.accepted, report.customers, report.wallets) == (1, 0, 1)
    assert sorted(Wallet.objects.values_list("currency", "account__posted")) == [("KES", 100_00), ("RWF", 100)]


@pytest.mark.django_db
def test_a_limited_run_is_continued(run):
    rows = list(generated(60))

    parts = [run(*rows, limit=25), run(*rows)]

    assert [part.posted.total for part in parts] == [25, 35]
    assert parts[1].before.total == 25
    assert Transaction.objects.exclude(memo="opening balance").count() == 60


@pytest.mark.django_db(transaction=True)
def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path):
    rows = list(generated(2_000))
    log = log_of(tmp_path, *rows)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "replay", str(log), "--chunk", "20", "--reject", str(tmp_path / "rejects.csv")],
        env=os.environ | {"DATABASE_URL": url_of_the_test_database()}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while not Transaction.objects.filter(memo="").count() >= 100 and process.poll() is None:
        pass
    process.send_signal(signal.SIGKILL)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL, output

    report = replay.replay(replay.open_log(log), Options(currency="KES", start=START), tmp_path / "rejects.csv")

    assert 100 <= report.before.total < 2_000 and report.posted.total == 2_000 - report.before.total
    assert report.unaccounted == 0
    keys = Transaction.objects.exclude(memo="opening balance").values_list("idempotency_key", flat=True)
    assert len(keys) == 2_000
    openings = Transaction.objects.filter(memo="opening balance").values_list("payee_id", flat=True)
    assert len(openings) == len(set(openings)) > 0
    assert_books_balance()


def url_of_the_test_database() -> str:
    url = urlsplit(os.environ["DATABASE_URL"])
    return url._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_share_the_work(tmp_path):
    rows = list(generated(600))
    log = replay.open_log(log_of(tmp_path, *rows))
    reports: list[Report] = []

    def work(number: int) -> None:
        wanted = Options(currency="KES", start=START, chunk=25)
        try:
            reports.append(replay.replay(log, wanted, tmp_path / f"rejects{number}.csv"))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(reports) == 2
    assert sum(report.posted.total for report in reports) == 600
    assert sum(report.before.total for report in reports) == 600
    assert Transaction.objects.exclude(memo="opening balance").count() == 600
    assert_books_balance()


# --- What it costs ---------------------------------------------------------------------------------------------------
@pytest.mark.django_db
def test_memory_does_not_grow_with_the_log(tmp_path):
    peaks: list[int] = []

    def note(rows: int) -> None:
        peaks.append(tracemalloc.get_traced_memory()[1])
        gc.collect()
        tracemalloc.reset_peak()

    log = replay.open_log(log_of(tmp_path, *generated(5_000)))
    tracemalloc.start()
    replay.replay(log, Options(currency="KES", start=START, chunk=200), tmp_path / "rejects.csv", note)
    tracemalloc.stop()

    assert len(peaks) == 25
    assert peaks[-1] < 1.3 * peaks[3], peaks  # by then everything that is loaded once is loaded


@pytest.mark.django_db
def test_a_chunk_costs_the_same_statements_whatever_its_size(run, monkeypatch):
    monkeypatch.setattr(tariff, "KEPT_SECONDS", 3600)
    run(GOOD)

    def statements(people: range) -> int:
        rows = [f"1,TRANSFER,1.00,C{n},5.0,0.0,C{n + 1000},0.0,0.0,0,0" for n in people]
        counted: list[str] = []
        with connection.execute_wrapper(lambda execute, sql, *more: counted.append(sql) or execute(sql, *more)):
            run(*rows)
        return len(counted)

    assert statements(range(100, 110)) == statements(range(200, 500))


@pytest.mark.django_db
def test_a_busy_account_is_read_no_more_the_longer_its_history(run, tmp_path):
    """The rail's float gets an entry from every row; the guard of its chain must look at the last one alone."""
    reads = [0]

    def note(rows: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'ledger_entry'")
            reads.append(cursor.fetchone()[0] or 0)

    log = replay.open_log(log_of(tmp_path, *(GOOD.replace("C1,", f"C{n + 1},") for n in range(3_000))))
    replay.replay(log, Options(currency="KES", start=START, chunk=200), tmp_path / "rejects.csv", note)

    each = [after - before for before, after in pairwise(reads)]
    assert len(each) == 15
    assert 0 < each[-1] <= 2 * each[1], each


# --- The command -----------------------------------------------------------------------------------------------------
def told(*arguments: Any) -> str:
    out = StringIO()
    call_command("replay", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_the_command_reports_and_proves(tmp_path, settings):
    settings.VAR_DIR = tmp_path
    log = log_of(tmp_path, *generated(30), "no row")

    said = told(log, "--start", "2024-03-01")

    figures = {line.strip()[:40].strip(): line.split()[-1] for line in said.splitlines() if line}
    assert "rows                                                  31" in said
    assert "wrong_columns" in figures and figures["unaccounted for"] == "0"
    assert "Proven at" in said and "memory at most" in said
    assert (tmp_path / "replay" / "log.rejects.csv").exists()


@pytest.mark.django_db
def test_broken_books_are_an_exit_code(tmp_path, monkeypatch):
    log = log_of(tmp_path, GOOD)
    proof = verify()
    finding = Finding("I4", "journal 7", "comes to 1 KES")
    broken = proof._replace(results=[proof.results[0]._replace(findings=[finding])])
    monkeypatch.setattr(proving, "verify", lambda progress: broken)
    out = StringIO()

    with pytest.raises(CommandError) as refused:
        call_command("replay", log, "--reject", tmp_path / "r.csv", stdout=out)

    assert refused.value.returncode == 1
    assert "journal 7: comes to 1 KES" in out.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "says"),
    [("", "The first line"), ("a,b,c\n1,2,3\n", "The first line"), (None, "is not a file"), (HEADER + "\n", "")],
)
def test_what_is_no_log_is_refused_at_once(tmp_path, content, says):
    log = tmp_path / "log.csv"
    if content is not None:
        log.write_text(content)
    if not says:
        assert "Proven at" in told(log, "--reject", tmp_path / "r.csv")
        return

    with pytest.raises(CommandError, match=says) as refused:
        told(log, "--reject", tmp_path / "r.csv")

    assert refused.value.returncode == 2 and not (tmp_path / "r.csv").exists()


@pytest.mark.django_db
def test_the_log_is_not_overwritten_by_its_rejects_and_odd_options_are_refused(tmp_path):
    log = log_of(tmp_path, GOOD)

    with pytest.raises(CommandError, match="would overwrite"):
        told(log, "--reject", log)
    with pytest.raises(CommandError, match="No country we serve has USD"):
        told(log, "--currency", "USD", "--reject", tmp_path / "r.csv")
    for option in (["--chunk", "0"], ["--chunk", "10001"], ["--limit", "x"], ["--start", "1.1.2024"], ["--tier", "9"]):
        with pytest.raises(CommandError):
            told(log, *option)
    assert log.read_text().endswith(GOOD + "\n") and not Transaction.objects.exists()
