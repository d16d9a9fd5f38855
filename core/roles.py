"""Two database roles: the owner migrates; the app role, as which everything else connects, owns nothing.

Append-only tables give the app role SELECT and INSERT alone, so that not even a bug in our own code can rewrite them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.conf import settings
from django.db import connection
from psycopg import sql

from core.models import AppendOnly

# Read once: the connection shares this dictionary, so that inside `connected_as_owner` it names the owner.
APP_ROLE = settings.DATABASES["default"]["USER"]


@contextmanager
def connected_as_owner() -> Iterator[None]:
    """Within this block the default connection is the owner's. Reconnects on the way in and out."""
    app_role = {key: connection.settings_dict[key] for key in ("USER", "PASSWORD")}
    owner_role = {key: settings.DATABASE_OWNER[key] for key in ("USER", "PASSWORD")}
    connection.close()
    connection.settings_dict.update(owner_role)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(app_role)


def grant_app_role() -> None:
    """Give the app role what it may do, table by table. Run as the owner after every migration; repeatable."""
    role = APP_ROLE
    if role == settings.DATABASE_OWNER["USER"]:
        return
    append_only = {model._meta.db_table for model in apps.get_models() if issubclass(model, AppendOnly)}
    views = [model._meta.db_table for model in apps.get_models() if not model._meta.managed]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        found = connection.introspection.table_names(cursor, include_views=True)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(sql.Identifier(role)))
        for table in tables + [view for view in views if view in found]:
            rights = "SELECT, INSERT" if table in append_only else "SELECT, INSERT, UPDATE, DELETE"
            rights = "SELECT" if table in views else rights
            cursor.execute(
                sql.SQL("REVOKE ALL ON {table} FROM {role}; GRANT {rights} ON {table} TO {role}").format(
                    table=sql.Identifier(table), role=sql.Identifier(role), rights=sql.SQL(rights)
                )
            )
        cursor.execute(sql.SQL("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {}").format(sql.Identifier(role)))
