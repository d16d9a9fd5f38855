"""`manage.py export_chain FILE`: blocks with all their rows, for who verifies them elsewhere."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from evidence.files import export


class Command(BaseCommand):
    help = "Write a stretch of the hash chain with its rows to a file, which verify_chain --file verifies anywhere."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="is written anew: JSON lines, gzipped")
        parser.add_argument("--from", type=int, default=1, dest="first", metavar="BLOCK", help="first block, default 1")
        parser.add_argument("--to", type=int, dest="last", metavar="BLOCK", help="last block, default the head")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["first"] < 1:
            raise CommandError("Blocks are numbered from 1.")
        try:
            exported = export(options["file"], options["first"], options["last"])
        except (TekanaError, OSError) as exc:
            raise CommandError(str(exc)) from exc
        self.stdout.write(
            f"Blocks {exported.first} to {exported.last}, {exported.rows:,} rows: {options['file']}"
            f" ({options['file'].stat().st_size:,} bytes)"
        )
