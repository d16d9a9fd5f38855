"""``manage.py create_staff grace --role support --full-name "Grace W."``: lets in the first administrator, or any."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.errors import TekanaError
from staff.roles import Role
from staff.services import create_staff


class Command(BaseCommand):
    help = "Create a member of staff and print the password made for them, which is kept nowhere else."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--full-name", default="")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input instead of making one"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else None
        username = options["username"]
        try:
            _, made = create_staff(
                username=username,
                full_name=options["full_name"] or username,
                role=options["role"],
                email=options["email"],
                password=password,
                actor=None,
            )
        except TekanaError as refusal:
            raise CommandError(f"{refusal.title}. {refusal.detail}") from refusal
        if password is None:
            self.stdout.write(made)
