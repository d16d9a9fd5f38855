"""``manage.py load_rates FILE --source ecb``: take the rates of a file that somebody has."""

from argparse import ArgumentParser
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from fx.models import RateLoad
from fx.services import load_rates


class Command(BaseCommand):
    help = "Load exchange rates from a file: all of them, or none and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--source", required=True, help="ecb, cbk, cbn, or the code of another source")
        parser.add_argument("--day", type=date.fromisoformat, help="of a file that does not say its day: 2026-11-20")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise CommandError(f"{path}: {exc.strerror}") from exc
        try:
            load = load_rates(
                options["source"], content, file_name=path.name, of=options["day"], actor="job:load_rates"
            )
        except TekanaError as refusal:
            raise CommandError(refusal.detail) from refusal
        if load.state == RateLoad.State.NOTHING_NEW:
            self.stdout.write(f"Nothing new in {load.rows} rates.")
            return
        self.stdout.write(
            f"{load.added} rates added, {load.revised} of them revisions; {load.rows - load.added} were known;"
            f" {load.first_as_of:%Y-%m-%d} to {load.last_as_of:%Y-%m-%d}."
        )
        for why, times in load.left_out:
            self.stdout.write(f"  left out {times} times: {why}")
