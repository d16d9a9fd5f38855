"""``manage.py seed_demo``: who may sign in to the demo, and a month of a pilot to look at. Repeatable."""

from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand
from tqdm import tqdm

from evidence.errors import NothingIsLate
from evidence.services import seal_late
from tekana import demo_data


class Command(BaseCommand):
    help = "Make the demo's logins and load its pilot data, once; an interrupted run is finished by the next."

    def handle(self, *args: Any, **options: Any) -> None:
        logins = demo_data.make_logins()
        new = demo_data.load(logins, lambda steps: tqdm(steps, desc="Thirty days", unit=" steps", disable=None))
        if new:
            with suppress(NothingIsLate):  # a sealer that ran meanwhile is past these thirty days
                seal_late(actor=None, reason="the demo's thirty days were loaded")
        self.stdout.write("Pilot data loaded." if new else "The pilot data is there already.")
        for login in logins:
            if login.role != "customer":
                self.stdout.write(f"  {login.role:15} {login.username:15} {login.password}  {login.totp_secret}")
        self.stdout.write(f"  All logins: {demo_data.logins_file()}")
