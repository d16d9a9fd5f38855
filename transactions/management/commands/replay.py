"""``manage.py replay FILE``: a mobile-money log through the books, and the proof afterwards. See docs/replay.md."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from tqdm import tqdm

from core.errors import TekanaError
from core.money import EXPONENTS
from transactions import replay
from transactions.replay import Report, Tally

GO_ON = "Stopped. The same command goes on where this one ended; nothing is posted twice."


class Command(BaseCommand):
    help = (
        "Post a mobile-money log. Bad rows go to a reject file; a second run posts nothing. Exit code 1: books broken."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", choices=["paysim"], default="paysim")
        parser.add_argument("--currency", choices=list(EXPONENTS), default="KES")
        parser.add_argument("--tier", type=int, choices=[0, 1, 2], default=2, help="KYC tier of the customers made")
        parser.add_argument("--start", type=_day, default="2024-01-01", help="day of the log's first hour (2024-01-01)")
        parser.add_argument("--no-openings", action="store_true", help="accounts start empty")
        parser.add_argument("--chunk", type=_between(1, replay.LARGEST_CHUNK), default=replay.CHUNK, metavar="ROWS")
        parser.add_argument("--limit", type=_between(1, 10**12), metavar="ROWS", help="stop after so many")
        parser.add_argument("--reject", type=Path, metavar="FILE", help="default: replay/<name>.rejects.csv in VAR_DIR")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        rejects = options["reject"] or settings.VAR_DIR / "replay" / f"{path.stem}.rejects.csv"
        wanted = replay.Options(
            currency=options["currency"], tier=options["tier"], start=options["start"],
            openings=not options["no_openings"], chunk=options["chunk"], limit=options["limit"],
        )  # fmt: skip
        try:
            if rejects.resolve() == path.resolve():
                raise CommandError("The reject file would overwrite the log.", returncode=2)
            log = replay.open_log(path)
            with tqdm(total=min(log.rows, wanted.limit or log.rows), unit=" rows", disable=None) as bar:
                report = replay.replay(log, wanted, rejects, bar.update)
        except (TekanaError, OSError) as error:
            raise CommandError(getattr(error, "detail", "") or str(error), returncode=2) from error
        except OperationalError as error:
            raise CommandError(f"The database: {error}\n{GO_ON}", returncode=2) from error
        except KeyboardInterrupt:
            raise CommandError(GO_ON, returncode=130) from None
        self._tell(path, wanted, report, rejects)
        call_command("verify_ledger", stdout=self.stdout, stderr=self.stderr)
        if report.unaccounted:
            raise CommandError(f"{report.unaccounted} rows are unaccounted for.")

    def _tell(self, path: Path, wanted: replay.Options, report: Report, rejects: Path) -> None:
        say = self.stdout.write
        say(f"{path.name} (SHA-256 {report.digest[:16]}…) in {wanted.currency}, customers on tier {wanted.tier}\n")
        say(_count("rows", report.rows))
        self._tell_tally("posted now", report.posted)
        self._tell_tally("posted before", report.before)
        say(_count("  rejected", report.rejected.total()) + f"   {rejects}")
        for code, count in report.rejected.most_common():
            say(_count(f"    {code}", count))
        say(_count("  unaccounted for", report.unaccounted))
        self._tell_tally("opening balances", report.openings, indent="")
        say(_count("customers made", report.customers))
        say(_count("wallets opened", report.wallets))
        speed = report.movements / report.seconds if report.seconds else 0
        say(f"\n{report.movements:,} movements in {report.seconds:.1f} s: {speed:,.0f}/s", ending="")
        say(f"; memory at most {report.extra_memory / 2**20:,.0f} MB above the start")

    def _tell_tally(self, what: str, tally: Tally, indent: str = "  ") -> None:
        self.stdout.write(_count(f"{indent}{what}", tally.total))
        if tally.total:
            self.stdout.write(_count(f"{indent}  accepted", tally.accepted))
        for code, count in tally.refused.most_common():
            self.stdout.write(_count(f"{indent}  refused: {code}", count))


def _count(what: str, number: int) -> str:
    return f"{what:44}{number:>12,}"


def _between(least: int, most: int) -> Any:
    def number(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not least <= int(text) <= most:
            raise ArgumentTypeError(f"{text!r} is no number from {least:,} to {most:,}")
        return int(text)

    return number


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is no day such as 2024-01-01") from exc
