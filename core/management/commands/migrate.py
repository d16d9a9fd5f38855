"""Django's migrate, run as the role that owns the tables; afterwards the app role gets its grants."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import django_fsm
from django.core.management.commands.migrate import Command as DjangoMigrate
from django.db.models.signals import ModelSignal

from core.roles import connected_as_owner, grant_app_role


@contextmanager
def unheard_models() -> Iterator[None]:
    """Models of migrations have no transitions, but each of their state fields would listen to every model made later,
    and they are made again and again: more than half of the time of a migration went into that."""
    heard = django_fsm.class_prepared  # type: ignore[attr-defined]
    django_fsm.class_prepared = ModelSignal()  # type: ignore[attr-defined]
    try:
        yield
    finally:
        django_fsm.class_prepared = heard  # type: ignore[attr-defined]


class Command(DjangoMigrate):
    def handle(self, *args: Any, **options: Any) -> None:
        with connected_as_owner(), unheard_models():
            super().handle(*args, **options)
            if not (options["check_unapplied"] or options["plan"]):
                grant_app_role()
