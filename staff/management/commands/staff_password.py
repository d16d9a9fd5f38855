"""``manage.py staff_password grace --reason …``: a password for somebody of staff whom no mail with a link reaches."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from staff.models import User
from staff.services import reset_password


class Command(BaseCommand):
    help = "Make a new password for a member of staff and print it; it is kept nowhere else. Their second factor stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError("No such member of staff.")
        try:
            self.stdout.write(reset_password(user, reason=options["reason"]))
        except TekanaError as refusal:
            raise CommandError(refusal.title) from refusal
