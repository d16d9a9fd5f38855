"""``manage.py make_data``: customers and transactions in any number, to measure with. See docs/operator.md."""

import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from tqdm import tqdm

from evidence.errors import NothingIsLate
from evidence.services import seal_late
from tekana.made_data import loading


class Command(BaseCommand):
    help = (
        "Fill an empty database with made customers and transactions, by COPY; the same for the same sizes, seed and"
        " end. Proves the books afterwards. Exit code 1: books broken, 2: not a database to be filled."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--customers", type=_between(100, 100_000_000), required=True, metavar="N")
        parser.add_argument("--transactions", type=_between(0, 1_000_000_000), required=True, metavar="M")
        parser.add_argument("--seed", default="1", help="another one, other data (1)")
        parser.add_argument(
            "--until", type=_instant, metavar="TIME", help="end of the period, e.g. 2026-01-31T18:00; now"
        )
        parser.add_argument("--days", type=_between(1, 3650), default=180, help="length of the period (180)")
        parser.add_argument(
            "--processes", type=_between(1, 64), default=(os.cpu_count() or 1) + 1, help="at work at a time (cores + 1)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        until = options["until"] or datetime.now(UTC).replace(second=0, microsecond=0)
        wanted = loading.Wanted(
            customers=options["customers"], transactions=options["transactions"], seed=options["seed"], until=until,
            days=options["days"], processes=options["processes"],
        )  # fmt: skip
        try:
            took = loading.make(wanted, loading.Progress(steps=_bar))
        except loading.Refused as refusal:
            raise CommandError(str(refusal), returncode=2) from refusal
        except OperationalError as error:
            raise CommandError(f"The database: {error}", returncode=2) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. The next run begins by emptying what this one made.", returncode=130) from None
        parts = ", ".join(f"{what} {seconds} s" for what, seconds in took.items())
        self.stdout.write(
            f"{wanted.customers:,} customers and {wanted.transactions:,} transactions until {until:%Y-%m-%d %H:%M} UTC,"
            f" seed {wanted.seed}, in {sum(took.values())} s: {parts}."
        )
        call_command("verify_ledger", stdout=self.stdout, stderr=self.stderr)
        with suppress(NothingIsLate):  # a sealer that ran meanwhile is past the times of these rows
            seal_late(actor=None, reason=f"make_data, seed {wanted.seed}")


@contextmanager
def _bar(title: str, total: int, unit: str) -> Iterator[Callable[[int], Any]]:
    """How far it is, how fast it goes and how long it still takes."""
    with tqdm(total=total, desc=title, unit=unit, disable=None, unit_scale=total > 10_000) as bar:
        yield bar.update


def _between(least: int, most: int) -> Any:
    def number(text: str) -> int:
        digits = text.replace("_", "").replace(",", "")
        if not digits.isascii() or not digits.isdecimal() or not least <= int(digits) <= most:
            raise ArgumentTypeError(f"{text!r} is no number from {least:,} to {most:,}")
        return int(digits)

    return number


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as exc:
        raise ArgumentTypeError(f"{text!r} is no time such as 2026-01-31T18:00") from exc
