"""`manage.py verify_chain`: is everything that was sealed still as it was? Exit code 1, and names, when it is not."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from evidence.checking import Fault
from evidence.verify import AT_MOST, Result, Stretch


class Command(BaseCommand):
    help = "Verify the hash chain against the rows and the published heads, or an exported file without a database."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--from", type=int, default=1, dest="first", metavar="BLOCK", help="first block, default 1")
        parser.add_argument("--to", type=int, dest="last", metavar="BLOCK", help="last block, default the head")
        parser.add_argument(
            "--heads", type=Path, action="append", metavar="FILE",
            help="where heads were kept, more than once if need be; default: EVIDENCE_HEADS_FILE",
        )  # fmt: skip
        parser.add_argument("--file", type=Path, help="what export_chain wrote; no database is asked")
        parser.add_argument("--proof", type=Path, help="what prove_sealed printed; no database is asked")
        parser.add_argument(
            "--key", action="append", default=[], help="public key of the heads, with --file and --proof"
        )
        parser.add_argument("--json", action="store_true", help="the result as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        by_hand = options["file"] or options["proof"]
        result = self._from_file(options) if by_hand else self._from_database(options)
        if options["json"]:
            self.stdout.write(json.dumps(as_dict(result), indent=2))
        else:
            self._show(result)
        if not result.ok:
            raise CommandError("The chain is broken.")

    def _from_database(self, options: dict[str, Any]) -> Result:
        from evidence.checks import check, heads_files

        heads = heads_files() if options["heads"] is None else options["heads"]
        first, last = options["first"], options["last"]
        whole = first == 1 and last is None
        scope = "all blocks" if whole else f"blocks {first} to {last or 'the head'}"
        stretches = None if whole else [Stretch(first, last or 2**62)]
        return check(stretches, scope, heads, self._progress if self.stderr.isatty() else lambda done, of: None)

    def _from_file(self, options: dict[str, Any]) -> Result:
        from evidence.files import verify_file, verify_proof

        verify = verify_file if options["file"] else verify_proof
        return verify(options["file"] or options["proof"], options["heads"] or (), options["key"])

    def _progress(self, done: int, of: int) -> None:
        self.stderr.write(f"\r\033[K {done:,} of {of:,} blocks" if done < of else "\r\033[K", ending="")
        self.stderr.flush()

    def _show(self, result: Result) -> None:
        for fault in result.faults:
            self.stdout.write(f"{self.style.ERROR('BROKEN')} {fault}")
        if result.more:
            self.stdout.write(f"and more than these {AT_MOST}")
        verdict = self.style.SUCCESS("Verified") if result.ok else self.style.ERROR("BROKEN")
        seconds = f"{result.milliseconds / 1000:.1f} s"
        self.stdout.write(
            f"{verdict} at {result.at:%Y-%m-%d %H:%M:%S} UTC in {seconds}:"
            f" {result.rows:,} rows in {result.blocks:,} blocks, head {result.head}"
        )


def as_dict(result: Result) -> dict[str, Any]:
    def shown(fault: Fault) -> dict[str, Any]:
        return {**fault._asdict(), "text": str(fault)}

    return {
        "ok": result.ok,
        "at": result.at.isoformat(),
        "milliseconds": result.milliseconds,
        "head": result.head,
        "blocks": result.blocks,
        "rows": result.rows,
        "faults": [shown(fault) for fault in result.faults],
        "more": result.more,
    }
