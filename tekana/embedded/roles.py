"""The two database roles: one owns and migrates, the app role owns nothing (its grants are given by `migrate`)."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, LiteralString
from urllib.parse import quote, unquote, urlsplit

import psycopg
from psycopg import sql

from tekana.embedded.folders import DataFolder
from tekana.embedded.postgres import APP_ROLE, DATABASE, OWNER_ROLE, Postgres
from tekana.embedded.trouble import Trouble

OLDEST_SERVER = 15
GIVEN = "given-servers.json"
REVISION = 2  # of what make_roles_and_database does


def make_roles_and_database(folder: DataFolder, postgres: Postgres) -> None:
    """In our own cluster: both roles, neither a superuser, and the database. Repeatable; done once per folder."""
    if folder.read("roles.json").get("made") == REVISION:
        return
    with psycopg.connect(postgres.url(database="postgres"), autocommit=True) as connection:
        for role, rights in ((OWNER_ROLE, "LOGIN CREATEDB"), (APP_ROLE, "LOGIN")):
            _make_role(connection, role, rights, folder.secret(role))
        connection.execute(_words("GRANT {} TO {}", APP_ROLE, OWNER_ROLE))  # it may look at things as the app role
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(_words("CREATE DATABASE {} OWNER {}", DATABASE, OWNER_ROLE))
    folder.kept("roles.json", "made", lambda: REVISION, again=True)


def for_given_server(folder: DataFolder, given: Mapping[str, str], *, warn: Callable[[str], None]) -> dict[str, str]:
    """The URLs for a server that is not ours.

    DATABASE_URL is the owner's; we make the app role `<database>_app` where the owner may. With DATABASE_OWNER_URL too,
    both are taken as they are. Raises Trouble if the server cannot be used.
    """
    url = given["DATABASE_URL"]
    if given.get("DATABASE_OWNER_URL"):
        return {"DATABASE_URL": url, "DATABASE_OWNER_URL": given["DATABASE_OWNER_URL"]}
    database = unquote(urlsplit(url).path.lstrip("/"))
    if not database:
        raise Trouble("DATABASE_URL names no database: postgres://user:password@host:5432/database")
    app_role, place = f"{database}_app", _place(url)
    password = folder.read(GIVEN).get(place)
    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
            _check_version(connection)
            exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [app_role]).fetchone()
            if not exists:
                made = secrets.token_urlsafe(32)
                with connection.transaction():
                    _make_role(connection, app_role, "LOGIN", made)
                    connection.execute(_words("GRANT {} TO CURRENT_USER", app_role))
                    password = folder.kept(GIVEN, place, lambda: made, again=True)
            problem = "" if password else f"The role {app_role} exists, and its password is not known here."
    except psycopg.errors.InsufficientPrivilege:
        problem = f"The role of DATABASE_URL may not create the role {app_role}."
    except psycopg.OperationalError as exc:
        raise Trouble(f"The server of DATABASE_URL cannot be used: {str(exc).strip()}") from exc
    if problem or password is None:
        warn(
            f"{problem} Tekana runs with the owner's role alone: the tables' triggers still guard the books, grants do "
            "not. To have both, give the app role's URL as DATABASE_URL and the owner's as DATABASE_OWNER_URL."
        )
        return {"DATABASE_URL": url, "DATABASE_OWNER_URL": url}
    return {"DATABASE_URL": _with_user(url, app_role, password), "DATABASE_OWNER_URL": url}


def _check_version(connection: psycopg.Connection[Any]) -> None:
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise Trouble(f"The server of DATABASE_URL is PostgreSQL {major}; Tekana needs {OLDEST_SERVER} or newer.")


def _make_role(connection: psycopg.Connection[Any], role: str, rights: LiteralString, password: str) -> None:
    exists = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    verb = sql.SQL("ALTER ROLE" if exists else "CREATE ROLE")
    words = sql.SQL("{} {} {} PASSWORD {}")
    connection.execute(words.format(verb, sql.Identifier(role), sql.SQL(rights), sql.Literal(password)))


def _words(statement: LiteralString, *names: str) -> sql.Composed:
    return sql.SQL(statement).format(*(sql.Identifier(name) for name in names))


def _place(url: str) -> str:
    """What a kept password belongs to: host, port and database, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}").geturl()
