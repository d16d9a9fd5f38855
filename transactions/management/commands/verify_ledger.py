"""`manage.py verify_ledger`: prove the books now. Exit code 1 and the names of what is wrong when something is."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger.verify import AT_MOST, Check, Result
from transactions.proving import prove
from transactions.verify import Proof


class Command(BaseCommand):
    help = "Prove that every balance follows from its entries and every transaction from its journal (I1-I9)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        show = self.stderr.isatty()
        proof = prove(self._progress if show else lambda check: None)
        if show:
            self.stderr.write("\r\033[K", ending="")
        self.stdout.write(json.dumps(as_dict(proof), indent=2) if options["json"] else self._table(proof))
        if not proof.ok:
            raise CommandError("The books are broken.")

    def _progress(self, check: Check) -> None:
        self.stderr.write(f"\r\033[K {check.number} …", self.style.NOTICE, ending="")
        self.stderr.flush()

    def _table(self, proof: Proof) -> str:
        lines = [line for result in proof.results for line in self._lines(result)]
        verdict = self.style.SUCCESS("Proven") if proof.ok else self.style.ERROR("BROKEN")
        rows = ", ".join(f"{count:,} {name}" for name, count in proof.counts.items())
        lines.append(f"{verdict} at {proof.at:%Y-%m-%d %H:%M:%S} UTC in {proof.milliseconds / 1000:.1f} s: {rows}")
        return "\n".join(lines)

    def _lines(self, result: Result) -> list[str]:
        verdict = self.style.ERROR("BROKEN") if result.findings else self.style.SUCCESS("ok    ")
        first = f"{result.check.number}  {verdict} {result.milliseconds / 1000:6.1f} s  {result.check.statement}"
        offenders = [f"      {self.style.ERROR(name)}: {wrong}" for _, name, wrong in result.findings]
        return [first, *offenders, *([f"      and more than these {AT_MOST}"] if result.more else [])]


def as_dict(proof: Proof) -> dict[str, Any]:
    return {
        "ok": proof.ok,
        "at": proof.at.isoformat(),
        "milliseconds": proof.milliseconds,
        "rows": proof.counts,
        "invariants": [
            {
                "number": result.check.number,
                "statement": result.check.statement,
                "ok": not result.findings,
                "milliseconds": result.milliseconds,
                "offenders": [{"name": name, "wrong": wrong} for _, name, wrong in result.findings],
                "more": result.more,
            }
            for result in proof.results
        ],
    }
