"""``manage.py database_diagram``: docs/database.md, drawn from the models, so that the picture cannot drift."""

from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, models

from core.models import AppendOnly

HEAD = """\
# The database

Made by `manage.py database_diagram` from the models; a test compares. One diagram for each app; a table of another app
is drawn without its columns. A dashed line is a reference without a foreign key: a guard checks it, or its target can
never go away. Amounts are `bigint` minor units. What the database refuses beyond this is in `*/migrations/*.sql`;
[ADR 2](adr/0002-double-entry.md) says why.
"""
SHORT = {"timestamp with time zone": "timestamptz", "double precision": "float8"}


class Command(BaseCommand):
    help = "Write docs/database.md: the tables of each app as a Mermaid diagram."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--output", type=Path, default=Path(settings.BASE_DIR) / "docs" / "database.md")
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is not up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        path, text = options["output"], page()
        if not options["check"]:
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"{path} is written.")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise CommandError(f"{path} is not what the models say; run `manage.py database_diagram`.")


def page() -> str:
    """The whole document."""
    ours = [app for app in apps.get_app_configs() if Path(app.path).parent == Path(settings.BASE_DIR)]
    return "\n".join([HEAD, *(line for app in ours for line in section(app))])


def section(app: AppConfig) -> Iterator[str]:
    """One app: its diagram, then a line for each table."""
    tables = [model for model in app.get_models() if not model._meta.auto_created]
    if not tables:
        return
    yield f"## {app.label}\n\n```mermaid\nerDiagram"
    for model in tables:
        yield f"    {model._meta.db_table} {{"
        yield from (f"        {column(field)}" for field in model._meta.concrete_fields if field.column)
        yield "    }"
    for model in tables:
        yield from (f"    {relation(field)}" for field in model._meta.concrete_fields if field.remote_field)
    yield "```\n"
    for model in tables:
        yield f"* `{model._meta.db_table}`: {meaning(model)}"
    yield ""


def column(field: Any) -> str:
    """``uuid id PK "what it holds"``."""
    kind = str(field.db_type(connection))
    pk = field.name in {part.name for part in field.model._meta.pk_fields}
    keys = ", ".join([name for name, holds in (("PK", pk), ("FK", field.remote_field), ("UK", unique(field))) if holds])
    note = str(field.help_text).replace('"', "'") or ("may be empty" if field.null else "")
    return " ".join(filter(None, [SHORT.get(kind, kind), field.column, keys, f'"{note}"' if note else ""]))


def unique(field: Any) -> bool:
    """On its own and without a condition."""
    alone = [one.fields for one in field.model._meta.total_unique_constraints]
    return (bool(field.unique) or (field.name,) in alone) and not field.primary_key


def relation(field: Any) -> str:
    one = "|o" if field.null else "||"
    many = "o|" if field.one_to_one else "o{"
    line = "--" if field.db_constraint and field.model._meta.managed else ".."
    return f"{field.related_model._meta.db_table} {one}{line}{many} {field.model._meta.db_table} : {field.name}"


def meaning(model: type[models.Model]) -> str:
    """The first sentence of its docstring, and whether its rows are history."""
    docstring = " ".join((model.__doc__ or "").split())
    generated = docstring.startswith(f"{model.__name__}(")
    said = str(model._meta.verbose_name) if generated or not docstring else docstring.partition(". ")[0].rstrip(".")
    notes = [note for note, holds in (("append-only", issubclass(model, AppendOnly)), ("view", not model._meta.managed))
             if holds]  # fmt: skip
    return said.replace("``", "`") + "".join(f" ({note})" for note in notes)
