"""`manage.py sum_days`: the daily totals, made and proven."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reports import totals


class Command(BaseCommand):
    help = "Add up the entries of every day that is over, line by line; the worker does it once a day."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--again", action="store_true", help="also write what turned up since on days of before")
        parser.add_argument("--check", action="store_true", help="write nothing: compare all totals with the entries")

    def handle(self, *args: Any, again: bool, check: bool, **options: Any) -> None:
        if not check:
            summed = totals.sum_days(again=again)
            entries = sum(one.entries for one in summed)
            self.stdout.write(f"{len(summed)} days added up, {entries:,} entries.")
            return
        broken = 0
        for day, one in totals.differences():
            broken += 1
            self.stderr.write(
                f"{day} {one.line} {one.currency}, effective {one.effective_on}: the totals lack {one.entries} entries,"
                f" {one.debits} debits and {one.credits} credits"
            )
        if broken:
            raise CommandError(f"{broken} totals are not what their entries come to.")
        self.stdout.write("Every total is what its entries come to.")
