"""Django's migrate, run as the role that owns the tables; afterwards the app role gets its grants."""

from typing import Any

from django.core.management.commands.migrate import Command as DjangoMigrate

from core.roles import connected_as_owner, grant_app_role


class Command(DjangoMigrate):
    def handle(self, *args: Any, **options: Any) -> None:
        with connected_as_owner():
            super().handle(*args, **options)
            if not (options["check_unapplied"] or options["plan"]):
                grant_app_role()
