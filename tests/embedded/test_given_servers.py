"""DATABASE_URL and REDIS_URL take precedence. Tried on a separately started PostgreSQL of the system's own."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tekana.embedded import roles, unprivileged
from tekana.embedded.folders import DataFolder, free_port
from tekana.embedded.trouble import Trouble
from tests.embedded.checkouts import Checkout, new_checkout, until

pytestmark = pytest.mark.timeout(120)
PRINT_URLS = """
import os, psycopg
for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"):
    print(name, os.environ[name])
print("I AM", psycopg.connect(os.environ["DATABASE_URL"]).execute("SELECT current_user::text").fetchone()[0])
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL, without database, of a superuser on a server of the system's own PostgreSQL, started by hand."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if int(path.parent.name) >= roles.OLDEST_SERVER]
    if not found:
        pytest.skip("no PostgreSQL of the system's own in /usr/lib/postgresql (apt-get install postgresql)")
    binaries, who, port = min(found), unprivileged.runner(), free_port()
    home = Path(tempfile.mkdtemp(prefix="tekana-given-"))
    who.own(home)
    made = who.run([binaries / "initdb", "-D", home / "data", "-U", "boss", "--auth", "trust", "--no-sync"])
    assert made.returncode == 0, made.stdout
    options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
    process = subprocess.Popen(
        [*who.prefix, binaries / "postgres", "-D", home / "data", *options], stderr=subprocess.DEVNULL, **who.popen
    )
    url = f"postgres://boss:unused@127.0.0.1:{port}"
    assert until(lambda: answers(f"{url}/postgres"))
    yield url
    process.terminate()
    process.wait(20)
    shutil.rmtree(home)


def answers(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def new_owner(server: str, name: str, rights: str) -> str:
    """A database and the URL of the role that owns it."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        owner = sql.Identifier(f"{name}_owner")
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'p@ss' " + rights).format(owner))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), owner))
    return server.replace("boss:unused", f"{name}_owner:p%40ss") + f"/{name}?application_name=kept"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    made = new_checkout(tmp_path_factory.mktemp("given"))
    yield made
    made.close()


def said(output: str, name: str) -> str:
    return next(line.removeprefix(f"{name} ") for line in output.splitlines() if line.startswith(f"{name} "))


def test_the_app_role_is_made_beside_the_owner_that_was_given(server: str, here: Checkout) -> None:
    url = new_owner(server, "wallets", "CREATEROLE CREATEDB")

    first = here.python(PRINT_URLS, DATABASE_URL=url).stdout
    second = here.python(PRINT_URLS, DATABASE_URL=url).stdout

    assert said(first, "I AM") == "wallets_app"
    assert said(first, "DATABASE_OWNER_URL") == url
    assert said(first, "DATABASE_URL") == said(second, "DATABASE_URL") != url
    assert said(first, "DATABASE_URL").endswith("/wallets?application_name=kept")
    assert "Starting PostgreSQL" not in first and "Starting Valkey" in first
    assert not (here.var / "test" / "postgres").exists()


def test_an_owner_that_may_not_make_roles_is_warned_once_and_used_for_both(server: str, here: Checkout) -> None:
    url = new_owner(server, "modest", "CREATEDB")

    output = here.python(PRINT_URLS, DATABASE_URL=url).stdout

    assert output.count("may not create the role modest_app") == 1
    assert said(output, "DATABASE_URL") == said(output, "DATABASE_OWNER_URL") == url


def test_an_app_role_that_somebody_else_made_keeps_its_password(server: str, here: Checkout) -> None:
    url = new_owner(server, "elsewhere", "CREATEROLE CREATEDB")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE elsewhere_app LOGIN PASSWORD 'theirs'")

    output = here.python(PRINT_URLS, DATABASE_URL=url).stdout

    assert "The role elsewhere_app exists, and its password is not known here" in output
    assert said(output, "I AM") == "elsewhere_owner"


def test_two_urls_are_taken_as_they_are(server: str, here: Checkout) -> None:
    owner = new_owner(server, "both", "CREATEROLE CREATEDB")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE ROLE mine LOGIN PASSWORD 'mine'")
    app = f"{server.replace('boss:unused', 'mine:mine')}/both"

    output = here.python(PRINT_URLS, DATABASE_URL=app, DATABASE_OWNER_URL=owner).stdout

    assert (said(output, "DATABASE_URL"), said(output, "DATABASE_OWNER_URL")) == (app, owner)
    with psycopg.connect(owner) as connection:
        assert connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'both_app'").fetchone() is None


def test_valkey_of_ones_own_is_used_and_not_touched(server: str, here: Checkout) -> None:
    url = new_owner(server, "broker", "CREATEROLE")

    output = here.python(PRINT_URLS, DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1/5").stdout

    assert said(output, "REDIS_URL") == "redis://127.0.0.1:1/5"
    assert "Starting" not in output


def test_a_server_that_is_not_there_is_explained(here: Checkout) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    output = here("run", "--", "true", DATABASE_URL=f"postgres://me:secret@127.0.0.1:{port}/tekana")

    assert output.returncode == 1 and "The server of DATABASE_URL cannot be used" in output.stdout
    assert "Traceback" not in output.stdout and "secret" not in output.stdout


def test_a_url_without_a_database_is_explained(here: Checkout) -> None:
    output = here("run", "--", "true", DATABASE_URL="postgres://me@127.0.0.1")

    assert output.returncode == 1 and "DATABASE_URL names no database" in output.stdout


def test_a_server_that_is_too_old_is_refused(server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = new_owner(server, "vintage", "CREATEROLE")
    monkeypatch.setattr(roles, "OLDEST_SERVER", 99)

    with pytest.raises(Trouble, match="Tekana needs 99 or newer"):
        roles.for_given_server(DataFolder("none"), {"DATABASE_URL": url}, warn=print)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Checkout]:
    made = new_checkout(tmp_path, whole=True)
    yield made
    made.close()


@pytest.mark.timeout(180)
def test_the_whole_schema_is_made_and_used_there_as_both_roles(server: str, whole: Checkout) -> None:
    url = new_owner(server, "tekana", "CREATEROLE CREATEDB")

    for words in (["migrate", "--verbosity", "0"], ["migrate", "--check"], ["verify_ledger"]):
        done = whole("run", "--", whole.interpreter, "manage.py", *words, DATABASE_URL=url)
        assert done.returncode == 0, done.stdout

    with psycopg.connect(url) as connection:
        owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'").fetchall()
        version = connection.info.server_version // 10_000
    assert owners == [("tekana_owner",)]
    assert version >= roles.OLDEST_SERVER
