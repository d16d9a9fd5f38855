"""`manage.py chart_of_accounts`: docs/chart-of-accounts.md, written from the chart itself, so that the two agree."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.money import EXPONENTS
from ledger.chart import CHART, DEBIT, AccountType

HEAD = """\
# Chart of accounts

Made by `manage.py chart_of_accounts` from `ledger/chart.py`; a test compares.

An account's code is a template filled in: `liability:wallet:0192…` is one customer's wallet,
`income:fees:transfer:RWF` what transfers in Rwandan francs have earned. Each account is in one currency. It grows with
entries on its normal side and shrinks with those on the other; where there is a floor, what is available (posted less
held) never goes below it, whoever asks. A wallet's account is opened with the wallet, one of the house at its first
use. Which accounts a movement touches, and on which side, is in `transactions/journals.py`.

| code | name | grows by | floor | what it is for |
| --- | --- | --- | --- | --- |"""
CURRENCIES = """
Amounts are whole minor units of the account's currency:

| currency | decimals |
| --- | --- |"""


class Command(BaseCommand):
    help = "Write docs/chart-of-accounts.md from the chart of accounts."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, default=Path(settings.BASE_DIR) / "docs" / "chart-of-accounts.md")
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        path, text = options["output"], page()
        if not options["check"]:
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"{path} is written.")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise CommandError(f"{path} is not what the chart says; run `manage.py chart_of_accounts`.")


def page() -> str:
    """The whole document."""
    currencies = [f"| {currency} | {exponent} |" for currency, exponent in EXPONENTS.items()]
    return "\n".join([HEAD, *map(row, CHART), CURRENCIES, *currencies, ""])


def row(kind: AccountType) -> str:
    side = "debit" if kind.normal_side == DEBIT else "credit"
    floor = "none" if kind.floor is None else str(kind.floor)
    return f"| `{kind.pattern}` | {kind.name} | {side} | {floor} | {kind.meaning} |"
