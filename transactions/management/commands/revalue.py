"""``manage.py revalue``: what revaluing our positions comes to; with ``--as`` and ``--reason`` it is asked for."""

from argparse import ArgumentParser
from datetime import date, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from staff.approvals import request_approval
from staff.models import User
from transactions.revaluation_approvals import revaluation
from transactions.services.revaluations import latest, utc_now


class Command(BaseCommand):
    help = (
        "Show what revaluing our positions would post, and ask for it: a second person approves it in the back office."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--day", type=date.fromisoformat, help="at the end of which, UTC; without it yesterday")
        parser.add_argument(
            "--rate", action="append", default=[], metavar="KES=129.50", help="instead of the day's mid"
        )
        parser.add_argument("--because", default="", help="why these rates")
        parser.add_argument("--as", dest="maker", default="", metavar="USER", help="who asks for it")
        parser.add_argument("--reason", default="", help="why it is asked for")

    def handle(self, *args: Any, **options: Any) -> None:
        day: date = options["day"] or utc_now().date() - timedelta(days=1)
        last = latest()
        if last and last.day == day:
            self.stdout.write(f"{last} is posted already.")
            return
        rates = dict(said.partition("=")[::2] for said in options["rate"])
        params = {"day": day, "rates": rates, "because": options["because"]}
        try:
            preview = revaluation.preview(revaluation.clean(params))
            for fact in preview.facts:
                self.stdout.write(f"{fact.label}: {fact.value}")
            if not options["maker"]:
                return
            maker = User.objects.filter(username=options["maker"]).first()
            if maker is None:
                raise CommandError(f"Nobody here is called {options['maker']}.")
            asked = request_approval(revaluation.name, params, maker=maker, reason=options["reason"])
        except TekanaError as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail} ({refusal.code})") from refusal
        self.stdout.write(f"Asked for; request {asked.pk} waits for a second person.")
