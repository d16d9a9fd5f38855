"""`manage.py prove_sealed RECEIPT`: what shows to anybody that this transaction is sealed, as JSON."""

import json
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from core.ids import read_receipt
from evidence.files import prove
from transactions.models import Transaction


class Command(BaseCommand):
    help = "Print the rows of one transaction with the Merkle paths to their blocks and a published head."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("transaction", help="receipt or id")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(json.dumps(prove(named(options["transaction"])), indent=2, ensure_ascii=False))
        except TekanaError as exc:
            raise CommandError(str(exc)) from exc


def named(text: str) -> UUID:
    """The id that a receipt or an id means. Raises: CommandError."""
    try:
        return UUID(text.strip())
    except ValueError:
        found = Transaction.objects.filter(receipt=read_receipt(text) or "").values_list("pk", flat=True).first()
        if found is None:
            raise CommandError(f"There is no transaction {text}.") from None
        return found
