"""`make demo`: servers, migrations, pilot data, then web, workers, beat and the sandbox bank until Ctrl-C."""

import hashlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tekana.embedded import environment, welcome
from tekana.embedded.folders import ROOT, VAR, DataFolder, environment_file, port_is_free
from tekana.embedded.processes import Keeper
from tekana.embedded.servers import servers_of
from tekana.embedded.trouble import Trouble, say, step, tail, why

HOST = "127.0.0.1"
READY_SECONDS = 120
# Given up: what died so many times in a row within so few seconds of its start. Deaths after that are bad luck.
DEATHS_AT_START = 5
START_SECONDS = 10
LAUNCHER = "launcher"
FOR_US_ALONE = 0o077  # mails, exports and the bank's books have names and numbers in them


@dataclass(frozen=True)
class Part:
    """One process of Tekana: its name, its command and how long it may take to end."""

    name: str
    command: list[str]
    grace: float = 15


def parts(port: int, rail_port: int | None, folder: DataFolder) -> list[Part]:
    """In the order of starting and of ending: who takes in work goes first.

    They run as whoever started the demo, root included: nobody else may be able to read the checkout.
    """
    python = [sys.executable, "-m"]
    celery = [*python, "celery", "-A", "tekana", "--quiet"]  # no banner: logs are JSON lines
    quiet = ["--without-gossip", "--without-mingle"]  # one worker has nobody to talk to
    found = [
        Part("web", [*python, "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--workers", "2",
                     "--blocking-threads", "16", "--no-ws", "--respawn-failed-workers",
                     "--log-level", "warning",  # of its workers it tells in words
                     "tekana.wsgi:application"]),
        Part("beat", [*celery, "beat", "--pidfile", "",
                      "--schedule", str(folder.path / "beat-schedule")], grace=5),
        Part("worker", [*celery, "worker", "-Q", "celery", "--concurrency", "2", *quiet], grace=30),
        # Threads, for all they do is wait for banks; nothing else must wait behind them.
        Part("rails", [*celery, "worker", "-Q", "rails", "--pool", "threads", "--concurrency", "8",
                       "--hostname", "rails@%h", *quiet], grace=30),
    ]  # fmt: skip
    if rail_port:
        bank = ["sandbox_rail", "--port", str(rail_port), "--data", str(folder.path / "sandbox-bank.jsonl")]
        found.append(Part("rail", [sys.executable, "manage.py", *bank], grace=5))
    return found


class Demo:
    """One run of the demo in this checkout."""

    def __init__(self, port: str, began: float) -> None:
        """``began``: when the command was given, seconds since the epoch; installing packages counts."""
        self.port = _checked_port(port)
        self.began = began
        self.folder = DataFolder("demo")
        self.given = environment.with_env_file(os.environ)
        self.servers = servers_of(self.folder, self.given)
        self.processes: Keeper = self.folder.processes
        self.stopping = False
        self.parts: dict[str, Part] = {}
        self.started: dict[str, float] = {}
        self.deaths: dict[str, int] = {}

    def run(self) -> int:
        """Start everything, watch it until a signal, end everything. Returns the exit code."""
        self.folder.make()
        lock = self.folder.take("demo", wait=False)
        if lock is None:
            raise Trouble("The demo runs already, at " + self._address() + ". `make stop` ends it.")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup wants us to live on
                signal.signal(number, self._ask_to_stop)
        with lock:
            if left := end_demo(self.folder):
                say(f"Ended what an earlier demo left behind: {', '.join(left)}.")
            _require_free(self.port)
            self.processes.remember(LAUNCHER, os.getpid())
            try:
                with self.servers.held() as urls:
                    return self._serve(urls)
            except _Stop:
                return 0
            finally:
                self.processes.forget(LAUNCHER)

    def _serve(self, urls: Mapping[str, str]) -> int:
        rail_port = None if "RAIL_SANDBOX_URL" in self.given else _free_rail_port(self.folder)
        settings = environment.of_demo(self.folder, self.given, dict(urls), self.port)
        environment.write_env(self.folder, settings)
        for name in ("mail", "exports"):
            (self.folder.path / name).mkdir(exist_ok=True)
            (self.folder.path / name).chmod(0o700)  # also one that an earlier version made
        (VAR / "static").mkdir(exist_ok=True)  # empty: in the demo files come from where they are written
        env = self.given | settings | environment.without_proxy(self.given)
        try:
            self._prepare_database(env)
            self.parts = {part.name: part for part in parts(self.port, rail_port, self.folder)}
            with step(f"Starting {', '.join(self.parts)}"):
                for name in self.parts:
                    self._start(name, env)
                self._wait_until_ready(env)
            self._check_stop()
            took = time.time() - self.began
            welcome.show(self.folder, settings["PUBLIC_URL"], f"http://{HOST}:{self.port}", took)
            while True:
                self._check_stop()
                self._watch(env)
                time.sleep(0.3)
        finally:
            self._end_parts()

    # --- before the web server -------------------------------------------------------------------------------------
    def _prepare_database(self, env: Mapping[str, str]) -> None:
        """Migrate and seed when the code has changed since the last time; both may be repeated at any moment.

        A server of someone else's may have been emptied since, so there it is always done.
        """
        code = _digest_of_code()
        done = self.folder.read("prepared.json").get("code") if self.servers.postgres else None
        if done == code and (self.folder.path / "logins.json").exists():
            return
        with step("Migrating the database"):
            self._manage(env, "migrate", "--verbosity", "0")
        say("Loading the pilot data (the first time this takes a while) ...")
        self._manage(env, "seed_demo", shown=True)
        if self.servers.postgres:
            self.folder.kept("prepared.json", "code", lambda: code, again=True)

    def _manage(self, env: Mapping[str, str], *words: str, shown: bool = False) -> None:
        """Run one `manage.py` command to its end; its output goes to the terminal or to a log."""
        log = self.folder.log("manage")
        command = [sys.executable, "manage.py", *words]
        if shown:
            process = subprocess.Popen(command, env=dict(env), start_new_session=True, stdin=subprocess.DEVNULL,
                                       umask=FOR_US_ALONE)  # fmt: skip
            self.processes.started["manage"] = process
            self.processes.remember("manage", process.pid)
        else:
            process = self.processes.start("manage", command, log=log, env=env, umask=FOR_US_ALONE)
        while process.poll() is None:
            self._check_stop()
            time.sleep(0.03)
        self.processes.end("manage")
        if process.returncode != 0:
            where = "" if shown else f"\n{tail(log)}\n{why(log)}"
            raise Trouble(f"`manage.py {words[0]}` failed.{where}")

    # --- while it runs ---------------------------------------------------------------------------------------------
    def _start(self, name: str, env: Mapping[str, str]) -> None:
        log = self.folder.log(name)
        self.processes.start(name, self.parts[name].command, log=log, env=env, umask=FOR_US_ALONE)
        self.started[name] = time.monotonic()

    def _wait_until_ready(self, env: Mapping[str, str]) -> None:
        end = time.monotonic() + READY_SECONDS
        while True:
            status, answer = _ask(self.port, "/readyz")
            if status == 200:
                return
            self._check_stop()
            self._watch(env)
            if time.monotonic() > end:
                log = self.folder.log("web")
                raise Trouble(f"Not ready after {READY_SECONDS} s; /readyz says: {answer}\n{tail(log)}\n{why(log)}")
            time.sleep(0.1)

    def _watch(self, env: Mapping[str, str]) -> None:
        """Start again what has died, and say so. Raises Trouble when it keeps dying."""
        for name in self.parts:
            if not self.processes.running(name):
                self._count_death(name)
                self.processes.end(name)  # workers that it left behind would keep its port
                self._start(name, env)
        for name in self.servers.revive():
            self._count_death(name)
            self.started[name] = time.monotonic()

    def _count_death(self, name: str) -> None:
        lived = time.monotonic() - self.started.get(name, float("-inf"))
        self.deaths[name] = self.deaths.get(name, 0) + 1 if lived < START_SECONDS else 0
        log = self.folder.log(name)
        if self.deaths[name] >= DEATHS_AT_START:
            raise Trouble(f"{name} keeps dying, so everything is stopped. The end of its log:\n{tail(log)}\n{why(log)}")
        say(f"{name} died and is started again. The end of its log ({log}):\n{tail(log, 5)}")

    # --- the end ---------------------------------------------------------------------------------------------------
    def _ask_to_stop(self, *_: Any) -> None:
        self.stopping = True

    def _check_stop(self) -> None:
        if self.stopping:
            raise _Stop

    def _end_parts(self) -> None:
        say("\nStopping ...")
        for part in self.parts.values():
            self.processes.end(part.name, grace=part.grace)
        self.processes.end("manage", grace=5)

    def _address(self) -> str:
        return environment_file(self.folder.path / "env").get("PUBLIC_URL", "an address it has not got yet")


class _Stop(Exception):
    """A signal asked us to stop."""


def end_demo(folder: DataFolder) -> list[str]:
    """End a demo of this checkout, or what a killed one left behind, except servers, which others may be using.

    Returns the names of what ran.
    """
    ended = []
    launcher = folder.processes.known(LAUNCHER)
    if launcher and launcher.alive() and launcher.pid != os.getpid():
        os.kill(launcher.pid, signal.SIGTERM)
        end = time.monotonic() + 90
        while launcher.alive() and time.monotonic() < end:
            time.sleep(0.1)
        ended.append("the demo")
    servers = {server.name for server in servers_of(folder, {}).embedded}
    for name in folder.processes.names():
        if name not in servers and folder.processes.end(name, grace=15):
            ended.append(name)
    return ended


def _checked_port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise Trouble(f"PORT={text} is no port. Choose one between 1024 and 65535: make demo PORT=8123")
    return int(text)


def _require_free(port: int) -> None:
    try:
        free = port_is_free(HOST, port)
    except PermissionError as exc:
        raise Trouble(f"Port {port} is for root alone. Choose one above 1023: make demo PORT=8123") from exc
    if not free:
        raise Trouble(f"Port {port} is taken by another program. Choose another one: make demo PORT={port + 123}")


def _free_rail_port(folder: DataFolder) -> int:
    port = folder.port("rail")
    return port if port_is_free(HOST, port) else folder.port("rail", other=True)


def _ask(port: int, path: str) -> tuple[int, str]:
    """Status and body of an answer, or 0 and the reason for none."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as exc:
        return 0, str(exc)
    finally:
        connection.close()


def _digest_of_code() -> str:
    """Changes whenever the database or the pilot data may have to."""
    digest = hashlib.sha256()
    for path in sorted({*ROOT.glob("*/migrations/*"), *ROOT.glob("*/models.py"), *ROOT.glob("core/*.py"),
                        *ROOT.glob("*/management/**/*.py")}):  # fmt: skip
        if path.suffix in (".py", ".sql"):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()
