"""Drives a log of mobile money through `posting.post`: every line becomes a transaction, or a line of the reject file.

The key of a movement is the log's digest, the currency and its line number, so a log is replayed once however often it
is started. A chunk of lines is one database transaction (customers, wallets, opening balances, movements): killed at
any point, the next run finds each chunk whole or not at all, skips what is there and goes on.

An account's opening balance is a settled top-up of ``oldbalanceOrg`` when its wallet is opened at its own first line;
without it nearly everything would be refused for lack of funds. Policies apply to all of it: nothing is let through.
"""

import csv
import hashlib
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.db import connection, reset_queries
from django.db import transaction as db_transaction

from core.errors import BadRequest
from customers.models import Country
from transactions import paysim
from transactions.models import Kind, State, Transaction
from transactions.movements import Movement, Outcome
from transactions.posting import post
from wallets.parties import Address
from wallets.services import onboard_many

CALLER = "job:replay"
CHUNK, LARGEST_CHUNK = 1_000, 10_000
LONGEST_LINE = 1_000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class LogUnreadable(BadRequest):
    """The file is not a log of this format, or changed while it was read."""

    code, title = "log_unreadable", "Not a log that can be replayed"


class CurrencyNotServed(BadRequest):
    """Customers of a log live in a country whose currency the log is in; there is none with this one."""

    code, title = "currency_not_served", "No country we serve has this currency"


@dataclass(frozen=True, kw_only=True)
class Options:
    """``start``: when the log's first hour begins. ``tier``: the KYC tier of the customers made for it."""

    currency: str
    start: datetime
    tier: int = 2
    openings: bool = True
    chunk: int = CHUNK
    limit: int | None = None


@dataclass
class Tally:
    """Movements by what became of them."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def add(self, refusal_code: str) -> None:
        if refusal_code:
            self.refused[refusal_code] += 1
        else:
            self.accepted += 1

    @property
    def total(self) -> int:
        return self.accepted + self.refused.total()


@dataclass
class Report:
    """What one run did. Each row of the log is in ``posted``, ``before`` or ``rejected``."""

    digest: str
    rows: int = 0
    posted: Tally = field(default_factory=Tally)
    before: Tally = field(default_factory=Tally)
    rejected: Counter[str] = field(default_factory=Counter)
    openings: Tally = field(default_factory=Tally)
    customers: int = 0
    wallets: int = 0
    seconds: float = 0.0
    extra_memory: int = 0

    @property
    def unaccounted(self) -> int:
        return self.rows - self.posted.total - self.before.total - self.rejected.total()

    @property
    def movements(self) -> int:
        """What went through `post` in this run."""
        return self.posted.total + self.openings.total


class Line(NamedTuple):
    """One line of the file, the header being number 1."""

    number: int
    text: str
    fault: str = ""


class Entry(NamedTuple):
    """A line that is a movement."""

    key: str
    line: int
    row: paysim.Row


class Log(NamedTuple):
    """A file that was looked through once: its digest and number of rows."""

    path: Path
    digest: str
    rows: int


def open_log(path: Path) -> Log:
    """Read the file once, for its digest. Raises: LogUnreadable, OSError."""
    if not path.is_file():
        raise LogUnreadable(f"{path} is not a file.")
    digest, rows, last = hashlib.sha256(), 0, b"\n"
    with path.open("rb") as file:
        header = file.readline(LONGEST_LINE).decode("utf-8-sig", "replace").strip()
        if [cell.strip().strip('"') for cell in header.split(",")] != paysim.COLUMNS:
            raise LogUnreadable(
                f"The first line of {path} is {header[:200]!r}; PaySim's is {','.join(paysim.COLUMNS)!r}."
            )
        file.seek(0)
        while block := file.read(1 << 20):
            digest.update(block)
            rows += block.count(b"\n")
            last = block[-1:]
    return Log(path, digest.hexdigest(), rows - (last == b"\n"))


def replay(log: Log, options: Options, rejects: Path, progress: Callable[[int], object] = lambda rows: None) -> Report:
    """Post what the log says and is not there yet; write ``rejects`` anew.

    Args:
        progress: called with the number of rows of each chunk that is done.
    Raises: LogUnreadable, CurrencyNotServed, CountryNotOpen, OSError; psycopg errors, after which it is started again.
    Locks: one chunk at a time of all replays, then as `post`.
    """
    country = Country.objects.filter(currency=options.currency).first()
    if country is None:
        raise CurrencyNotServed(f"No country we serve has {options.currency}.", currency=options.currency)
    run = _Run(log, options, country.code)
    began, memory = time.monotonic(), _peak_memory()
    rejects.parent.mkdir(parents=True, exist_ok=True)
    with log.path.open("rb") as file, rejects.open("w", newline="", encoding="utf-8") as reject_file:
        writer = csv.writer(reject_file)
        writer.writerow(["line", "code", "reason", "original"])
        for lines in _chunks(_lines(file), options):
            run.chunk(lines, writer.writerow)
            progress(len(lines))
            reset_queries()  # kept for nobody when DEBUG is on
        if options.limit is None and run.report.rows != log.rows:
            raise LogUnreadable(f"{log.path} changed while it was read.")
    run.report.seconds = time.monotonic() - began
    run.report.extra_memory = _peak_memory() - memory
    return run.report


class _Run:
    def __init__(self, log: Log, options: Options, country: str) -> None:
        self.options, self.country = options, country
        self.report = Report(log.digest)
        self.prefix = f"replay:{log.digest[:16]}:{options.currency}"

    def chunk(self, lines: Sequence[Line], reject: Callable[[list[object]], object]) -> None:
        """Account for these lines; what is not in the books yet is posted, all or nothing."""
        self.report.rows += len(lines)
        entries = []
        for line in lines:
            try:
                entries.append(self._read(line))
            except paysim.BadRow as bad:
                self.report.rejected[bad.code] += 1
                reject([line.number, bad.code, bad.sentence, _harmless(line.text)])
        with db_transaction.atomic():
            _wait_for_other_replays()
            before = _seen([entry.key for entry in entries])
            new = [entry for entry in entries if entry.key not in before]
            openings, outcomes = self._post(new) if new else ([], [])
        for code in before.values():
            self.report.before.add(code)
        for outcome in openings:
            self.report.openings.add(_code(outcome))
        for outcome in outcomes:
            self.report.posted.add(_code(outcome))

    def _read(self, line: Line) -> Entry:
        """Raises: BadRow."""
        if line.fault:
            raise paysim.BadRow("unreadable_line", line.fault)
        return Entry(f"{self.prefix}:{line.number}", line.number, paysim.read(line.text, self.options.currency))

    def _post(self, entries: Sequence[Entry]) -> tuple[list[Outcome], list[Outcome]]:
        """Outcomes of the opening balances, and of the entries."""
        names = dict.fromkeys(name for entry in entries for name in entry.row.names)
        there = onboard_many(
            [paysim.newcomer(name) for name in names],
            country=self.country, currency=self.options.currency, tier=self.options.tier, actor=CALLER,
        )  # fmt: skip
        movements, is_opening = [], []
        fresh = set(there.opened)
        for entry in entries:
            row = entry.row
            if self.options.openings and row.balance_before and paysim.email(row.name) in fresh:
                movements.append(self._opening(entry))
                is_opening.append(True)
            fresh.difference_update(map(paysim.email, row.names))
            movements.append(self._movement(entry))
            is_opening.append(False)
        outcomes = post(movements)
        self.report.customers += there.registered
        self.report.wallets += len(there.opened)
        told = list(zip(outcomes, is_opening, strict=True))
        return [outcome for outcome, opening in told if opening], [outcome for outcome, opening in told if not opening]

    def _opening(self, entry: Entry) -> Movement:
        return Movement(
            kind=Kind.TOP_UP, amount=entry.row.balance_before, currency=self.options.currency, caller=CALLER,
            key=f"{self.prefix}:opening:{entry.line}", payee=_wallet_of(entry.row.name), rail=paysim.RAIL, settled=True,
            memo="opening balance", effective_at=self.options.start + entry.row.after_start,
        )  # fmt: skip

    def _movement(self, entry: Entry) -> Movement:
        row = entry.row
        comes_in, stays = row.kind == Kind.TOP_UP, bool(row.other)
        return Movement(
            kind=row.kind, amount=row.amount, currency=self.options.currency, caller=CALLER, key=entry.key,
            payer=None if comes_in else _wallet_of(row.name),
            payee=_wallet_of(row.name) if comes_in else _wallet_of(row.other) if stays else None,
            rail="" if stays else paysim.RAIL, settled=not stays, destination=row.destination,
            memo=f"agent {row.outside}" if comes_in else "", effective_at=self.options.start + row.after_start,
        )  # fmt: skip


def _wallet_of(name: str) -> Address:
    return Address("email", paysim.email(name))


def _code(outcome: Outcome) -> str:
    return outcome.error.code if outcome.error else ""


def _wait_for_other_replays() -> None:
    """Two replays name the same customers, so they take turns, chunk by chunk; that one waits is no failure."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [CALLER])


def _seen(keys: Sequence[str]) -> dict[str, str]:
    """Which of these keys are in the books already, and their refusal codes: empty for what was accepted."""
    rows = Transaction.objects.filter(caller=CALLER, idempotency_key__in=keys)
    return {
        key: code if state == State.FAILED else ""
        for key, state, code in rows.values_list("idempotency_key", "state", "refusal_code")
    }


def _lines(file: BinaryIO) -> Iterator[Line]:
    """The rows, each line one: no line is ever held longer than `LONGEST_LINE`, whatever the file is."""
    number = 0
    while raw := file.readline(LONGEST_LINE + 1):
        number += 1
        fault = ""
        if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
            fault = f"Longer than {LONGEST_LINE} bytes."
            while (rest := file.readline(1 << 16)) and not rest.endswith(b"\n"):
                pass
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            text, fault = raw.decode("utf-8", "backslashreplace").rstrip("\r\n"), fault or "Not UTF-8."
        if number > 1:
            yield Line(number, text, fault)


def _chunks(lines: Iterator[Line], options: Options) -> Iterator[list[Line]]:
    left = sys.maxsize if options.limit is None else options.limit
    while chunk := [line for _, line in zip(range(min(options.chunk, left)), lines, strict=False)]:
        left -= len(chunk)
        yield chunk


def _harmless(text: str) -> str:
    """A spreadsheet must not take the original line for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _peak_memory() -> int:
    """Bytes at the most so far; macOS counts in bytes, the others in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if os.uname().sysname == "Darwin" else 1024)
