"""``manage.py sandbox_rail``: the bank that the sandbox rail talks to, for demos and trials."""

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from transactions.rails.sandbox_server import MAGIC, Delays, SandboxBank


class Command(BaseCommand):
    help = f"Serve a bank that behaves like a real one; amounts ending in {min(MAGIC)} to {max(MAGIC)} misbehave."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8900)
        parser.add_argument("--data", type=Path, default=settings.VAR_DIR / "sandbox-bank.jsonl", help="its memory")
        for name, seconds in vars(Delays()).items():
            parser.add_argument(f"--{name}", type=float, default=seconds, help=f"seconds, default {seconds}")

    def handle(self, *args: Any, **options: Any) -> None:
        delays = Delays(**{name: options[name] for name in vars(Delays())})
        try:
            bank = SandboxBank(
                data=options["data"], secret=settings.RAIL_SANDBOX_SECRET, host=options["host"], port=options["port"],
                delays=delays,
            )  # fmt: skip
        except OSError as exc:
            raise CommandError(f"{options['host']}:{options['port']} or {options['data']}: {exc}") from exc
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        bank.start()
        self.stdout.write(f"Sandbox bank on {bank.url}, {len(bank.orders)} instructions known", ending="\n")
        self.stdout.flush()
        ended.wait()
        bank.stop()
