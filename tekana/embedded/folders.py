"""Where things are: the checkout, and one data folder per use (`var/demo`, `var/test`, `var/bench`)."""

import contextlib
import errno
import fcntl
import json
import os
import pwd
import random
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from tekana.embedded.bootstrap import ROOT as CHECKOUT
from tekana.embedded.processes import Keeper, write_whole
from tekana.embedded.trouble import Trouble, say

ROOT = Path(CHECKOUT)
VAR = ROOT / "var"
FOR_A_NEW_DATABASE_MB = 500
FOR_ANOTHER_START_MB = 100


class DataFolder:
    """`var/<name>`: servers' data, secrets, ports, pid files, logs and locks of one use."""

    def __init__(self, name: str) -> None:
        if not name.replace("-", "").replace("_", "").isalnum():
            raise Trouble(f"{name!r} cannot be the name of a data folder: use letters, digits, - and _.")
        self.name = name
        self.path = VAR / name
        self.logs = self.path / "logs"
        self.processes = Keeper(self.path / "pids")

    def make(self) -> None:
        """Create the folder. Raises Trouble when it is someone else's or the disk is full."""
        for path in (VAR, self.path):  # servers' data must not change hands between root and a user
            if path.exists() and path.stat().st_uid != os.geteuid():
                raise Trouble(
                    f"{path} belongs to {_user_name(path.stat().st_uid)}, and you are {_user_name(os.geteuid())}. "
                    "Run this as the same user as before, or have them run `make reset` (it deletes var/)."
                )
        self.logs.mkdir(parents=True, exist_ok=True)
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > 20_000_000:
                log.replace(log.with_suffix(".log.1"))

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def secret(self, name: str, length: int = 32) -> str:
        """A random secret that is made once and kept, readable by its owner alone."""
        return self.kept("secrets.json", name, lambda: secrets.token_urlsafe(length))

    def port(self, name: str, *, other: bool = False) -> int:
        """A free loopback port that stays the same from start to start; another one when asked."""
        return int(self.kept("ports.json", name, free_port, again=other))

    def kept(self, file: str, name: str, make: Any, *, again: bool = False) -> Any:
        facts = self.read(file)
        if name not in facts or again:
            facts[name] = make()
            write_whole(self.path / file, json.dumps(facts, indent=2) + "\n")
        return facts[name]

    def read(self, file: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.path / file).read_text()))
        except FileNotFoundError:
            return {}
        except ValueError as exc:
            raise Trouble(f"{self.path / file} is damaged. `make reset` starts afresh (and deletes var/).") from exc

    def take(self, lock: str, *, wait: bool = True, shared: bool = False, waiting: str = "") -> IO[str] | None:
        """A lock that the kernel lets go when we die. None if it is taken and we do not wait.

        Args:
            waiting: printed once if the lock is not free at once.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = (self.path / f"{lock}.lock").open("a")
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except OSError:
            if not wait:
                file.close()
                return None
            if waiting:
                say(waiting)
            fcntl.flock(file, kind)
        return file

    @contextlib.contextmanager
    def locked(self, lock: str, waiting: str = "") -> Iterator[None]:
        file = self.take(lock, waiting=waiting)
        try:
            yield
        finally:
            if file:
                file.close()


def data_folders() -> list[DataFolder]:
    """Those that ever had a process."""
    return [DataFolder(pids.parent.name) for pids in sorted(VAR.glob("*/pids"))]


def free_port() -> int:
    """A free loopback port below those that the system gives to outgoing connections, and off the usual ones."""
    for _ in range(200):
        port = random.SystemRandom().randrange(20_000, 32_000)
        if port_is_free("127.0.0.1", port):
            return port
    raise Trouble("No free port between 20000 and 32000 on 127.0.0.1.")


def port_is_free(host: str, port: int) -> bool:
    """Raises OSError for anything but a taken port, e.g. a port that only root may open."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            if exc.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def check_space(path: Path, needed_mb: int = FOR_A_NEW_DATABASE_MB) -> None:
    """Raises Trouble if the disk is too full for what is to come."""
    while not path.exists():
        path = path.parent
    free_mb = shutil.disk_usage(path).free // 1_000_000
    if free_mb < needed_mb:
        raise Trouble(f"Not enough disk space in {path}: {free_mb} MB free, {needed_mb} MB needed.")


def environment_file(path: Path) -> dict[str, str]:
    """The settings of a `.env` file: NAME=value lines, optional quotes and `export`."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.strip().removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs if not name.lstrip().startswith("#")}


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
