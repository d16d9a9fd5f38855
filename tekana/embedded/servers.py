"""The servers one data folder needs, shared by all commands that use it at the same time.

Every command holds a shared lock on `users` while it needs the servers. Who lets go last stops them; the kernel counts,
so a command that was killed counts as gone. Starting and stopping happen under an exclusive lock on `servers`.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping

from tekana.embedded.folders import DataFolder
from tekana.embedded.postgres import APP_ROLE, OWNER_ROLE, Postgres
from tekana.embedded.trouble import stderr, step
from tekana.embedded.valkey import Valkey

Urls = dict[str, str]


class Servers:
    """PostgreSQL and Valkey of a data folder, or the ones that DATABASE_URL and REDIS_URL name."""

    def __init__(self, folder: DataFolder, *, given: Mapping[str, str], durable: bool) -> None:
        """``given``: the caller's environment; what it names takes precedence and is never started or stopped."""
        self.folder = folder
        self.given = given
        self.postgres = None if given.get("DATABASE_URL") else Postgres(folder, durable=durable)
        self.valkey = None if given.get("REDIS_URL") else Valkey(folder, durable=durable)

    @property
    def embedded(self) -> list[Postgres | Valkey]:
        return [server for server in (self.postgres, self.valkey) if server]

    @contextlib.contextmanager
    def held(self) -> Iterator[Urls]:
        """Within the block the servers run. Yields DATABASE_URL (app role), DATABASE_OWNER_URL and REDIS_URL."""
        self.folder.make()
        with self.folder.locked("servers", waiting="Another command is starting or stopping the servers; waiting."):
            users = self.folder.take("users", shared=True)
            assert users is not None
            try:
                urls = self._started()
            except BaseException:
                self._stop_if_last(users.fileno())
                raise
        try:
            yield urls
        finally:
            with users, self.folder.locked("servers"):
                self._stop_if_last(users.fileno())

    def revive(self) -> list[str]:
        """Start again what has died; returns the names of what had."""
        dead = [server for server in self.embedded if not server.running()]
        if dead:
            with self.folder.locked("servers"):
                for server in dead:
                    server.start()
        return [server.name for server in dead]

    def stop_unused(self) -> list[str] | None:
        """End servers whose users are all gone; returns the names of what ran, or None if they are in use."""
        with self.folder.locked("servers"):
            users = self.folder.take("users", wait=False)
            if users is None:
                return None
            with users:
                ran = [server.name for server in self.embedded if server.running()]
                self._stop()
        return ran

    def _started(self) -> Urls:
        for server in self.embedded:
            if not server.running():
                with step(f"Starting {server.title} on port {self.folder.port(server.name)}"):
                    server.start()
        return self._database_urls() | {"REDIS_URL": self.valkey.url() if self.valkey else self.given["REDIS_URL"]}

    def _database_urls(self) -> Urls:
        from tekana.embedded import roles  # needs psycopg; `make stop` must work without any package

        if self.postgres is None:
            return roles.for_given_server(self.folder, self.given, warn=stderr)
        roles.make_roles_and_database(self.folder, self.postgres)
        return {
            "DATABASE_URL": self.postgres.url(APP_ROLE),
            "DATABASE_OWNER_URL": self.postgres.url(OWNER_ROLE),
        }

    def _stop_if_last(self, users: int) -> None:
        fcntl.flock(users, fcntl.LOCK_UN)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._stop()

    def _stop(self) -> None:
        for server in reversed(self.embedded):
            server.stop()


def durable(name: str) -> bool:
    """Only the servers of tests may forget what they have committed."""
    return not name.startswith("test")


def servers_of(folder: DataFolder, given: Mapping[str, str] = os.environ) -> Servers:
    return Servers(folder, given=given, durable=durable(folder.name))
