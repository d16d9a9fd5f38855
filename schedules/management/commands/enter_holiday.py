"""`manage.py enter_holiday RW 2027-08-14 "Election day"`: a day is a public holiday; without a name, it is none."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from schedules.calendar import enter_day


class Command(BaseCommand):
    help = "Enter a public holiday of one day in a country's calendar, or with no name, that the day is none."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("country", help="ISO 3166, such as RW")
        parser.add_argument("day", type=date.fromisoformat, help="such as 2027-08-14")
        parser.add_argument("name", nargs="?", default="", help="of the holiday; none: a day like any other")
        parser.add_argument("--reason", default="", help="where it was declared; for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            row = enter_day(
                options["country"].upper(), options["day"], options["name"], actor="job:operator",
                reason=options["reason"],
            )  # fmt: skip
        except TekanaError as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal
        self.stdout.write(f"{row.country_id}: {row}.")
