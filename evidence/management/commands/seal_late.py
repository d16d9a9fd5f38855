"""`manage.py seal_late --reason …`: let in rows that came after their time was sealed."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from evidence.services import seal_late


class Command(BaseCommand):
    help = "Seal anew the times into which rows came late: data loaded with its own times, a clock that was slow."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="why they came late; kept in the chain")

    def handle(self, *args: Any, **options: Any) -> None:
        reason = options["reason"].strip()
        if not reason:
            raise CommandError("Say why they came late.")
        try:
            rows = seal_late(actor=None, reason=reason)
        except TekanaError as refusal:
            raise CommandError(str(refusal)) from refusal
        self.stdout.write(f"{rows:,} rows are sealed.")
